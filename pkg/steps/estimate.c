/* What the preflight says of time: when the cluster's window opens, and about how long the work
 * takes, from the cluster's own last upgrade where there is one, else at least. */
#include "policy/window.h"
#include "steps/internal.h"
#include <string.h>

typedef struct Estimate {
	int64_t work_sec; /* up to the last worker: what a window has to hold */
	int64_t about_sec; /* the soak too */
	const char *run; /* whose lengths these are; NULL: the bound */
} Estimate;

/* head: before the first hop. */
static Estimate sum(const Item *it, int64_t head, int64_t control_plane, int64_t nodes, size_t hops)
{
	const json_t *wave = cluster_wave(it);
	int64_t soak = json_path_int(wave, "cpSoakSeconds", 0);
	int64_t work = head + (int64_t)hops * (control_plane + soak + nodes);
	return (Estimate){ .work_sec = work,
		.about_sec = work + json_path_int(wave, "soakSeconds", 0) };
}

static bool estimate(Item *it, size_t hops, Estimate *ret)
{
	const Target *t = target_of(it);
	const json_t *past = t->length ? t->length(it) : NULL;
	HopBound bound;
	if (past) {
		*ret = sum(it, json_path_int(past, "headSeconds", 0),
			json_path_int(past, "controlPlaneSeconds", 0),
			json_path_int(past, "nodesSeconds", 0), hops);
		ret->run = json_path_str(past, "run", "");
		return true;
	}
	if (!t->provider->bound || !t->provider->bound(it, &bound))
		return false;
	*ret = sum(it, 0, (int64_t)bound.control_plane_sec, (int64_t)bound.nodes_sec, hops);
	return true;
}

static void check_fit(const Item *it, const Estimate *e, const WindowRules *rules,
	const WindowState *s, int64_t start, json_t *findings)
{
	int64_t open = (s->closes_usec - start) / SL_USEC_PER_SEC;
	if (s->closes_usec == INT64_MAX || e->work_sec <= open)
		return;
	bool finish = window_at_close(rules) == AT_CLOSE_FINISH;
	g_autofree char *need = sl_duration_human(e->work_sec), *have = sl_duration_human(open),
			*close = window_clock_text(rules, s->closes_usec);
	finding_add(findings, "warn", "window", "a longer opening, or fewer hops at a time",
		"about %s of work, but the window is open for %s: what is not done %s %s", need,
		have, close, finish ? "goes on past the close" : "waits for the next opening");
}

static json_t *window_json(const Item *it, const WindowRules *rules, const WindowState *s)
{
	const char *key = json_path_str(cluster_entry(it), "policies.window", "");
	const char *slash = strchr(key, '/');
	g_autofree char *text = window_span_text(rules, s);
	int64_t wall = loop_wall_usec(saga_loop(item_saga(it)));
	bool known = s->opens_usec < INT64_MAX;
	g_autofree char *opens = known ? sl_time_format(s->opens_usec) : NULL;
	g_autofree char *closes =
		s->closes_usec < INT64_MAX ? sl_time_format(s->closes_usec) : NULL;
	int64_t in = known && s->opens_usec > wall ? (s->opens_usec - wall) / SL_USEC_PER_SEC : 0;
	return json_pack("{s:s, s:s, s:s?, s:s?, s:I}", "policy", slash ? slash + 1 : key, "text",
		text, "opensAt", opens, "closesAt", closes, "opensInSeconds", (json_int_t)in);
}

void cluster_estimate(Item *it, size_t hops, json_t *memo, json_t *findings)
{
	Estimate e = { 0 };
	bool known = hops > 0 && estimate(it, hops, &e);
	if (known)
		json_object_set_new(memo, "about",
			json_pack("{s:I, s:I, s:s?}", "seconds", (json_int_t)e.about_sec,
				"workSeconds", (json_int_t)e.work_sec, "run", e.run));
	g_autoptr(WindowRules) rules = cluster_window_rules(it);
	if (!rules)
		return;
	int64_t start = cluster_earliest_start(it, rules);
	WindowState s = window_state(rules, start);
	if (!s.open)
		start = s.opens_usec;
	if (known && start < INT64_MAX)
		check_fit(it, &e, rules, &s, start, findings);
	json_object_set_new(memo, "window", window_json(it, rules, &s));
}
