/* What is told: from a record and the items as they stand, words for a person who sees nothing
 * else. */
#include "fleet/internal.h"
#include "fleet/notice.h"
#include "fleet/results.h"
#include "objects/time.h"
#include <string.h>

enum { NAMED_CLUSTERS_MAX = 5 };

static const char *str(const json_t *body, const char *path)
{
	return json_path_str(body, path, "");
}

const char *notice_event_name(NoticeOn on)
{
	switch (on) {
	case NOTICE_HOLD:
		return "hold";
	case NOTICE_ROLLBACK:
		return "rollback";
	case NOTICE_END:
		return "end";
	case NOTICE_APPROVAL:
		return "approval";
	}
	g_assert_not_reached();
}

static Item *item_of(Fleet *f, const json_t *body)
{
	return saga_find(f->saga, (uint64_t)json_path_int(body, "item", 0));
}

static Item *up_to(Item *it, const ItemKind *kind)
{
	while (it && item_kind(it) != kind)
		it = item_parent(it);
	return it;
}

static bool is_plan_only(Item *it)
{
	const Item *run = up_to(it, &run_kind);
	return run && json_path_bool(item_data(run), "planOnly", false);
}

/* ---- is it news? ---- */

static bool is_below_cluster(const Item *it)
{
	return item_kind(it) == &drain_node_kind || item_kind(it) == &drain_pod_kind;
}

/* Else thirty pods would say what their cluster says too. */
static bool is_own_news(const Item *it, const json_t *body)
{
	static const char *const shared[] = { "unreachable", "credentials", "no-target" };
	if (json_path_bool(body, "person", false))
		return true;
	for (size_t i = 0; i < G_N_ELEMENTS(shared); i++)
		if (strcmp(str(body, "cause"), shared[i]) == 0)
			return false;
	return item_kind(it) == &drain_node_kind;
}

static unsigned hold_events(Fleet *f, const Item *it, const json_t *body)
{
	static const char *const questions[] = { "approval", "rollback-wanted" };
	if (item_kind(it) == &notice_kind || item_kind(it) == &result_kind ||
		(is_below_cluster(it) && !is_own_news(it, body)))
		return 0;
	for (size_t i = 0; i < G_N_ELEMENTS(questions); i++)
		if (strcmp(str(body, "cause"), questions[i]) == 0)
			return NOTICE_APPROVAL | NOTICE_HOLD;
	return NOTICE_HOLD;
}

/* Somebody went past those who had to say yes: they hear of it at once. */
static bool is_broken_glass(const Record *r, const json_t *body)
{
	return strcmp(r->kind, "approval") == 0 && json_path_bool(body, "breakGlass", false);
}

unsigned notice_events(Fleet *f, const Record *r, const json_t *body)
{
	Item *it = item_of(f, body);
	if (!it || is_plan_only(it))
		return 0;
	if (strcmp(r->kind, "hold") == 0)
		return hold_events(f, it, body);
	if (strcmp(r->kind, "end") == 0)
		return NOTICE_END;
	if (is_broken_glass(r, body))
		return NOTICE_APPROVAL;
	bool back = strcmp(r->kind, "move") == 0 && item_kind(it) == &cluster_kind &&
		    strcmp(str(body, "to"), "rollback") == 0 &&
		    strcmp(str(body, "from"), "rollback") != 0;
	return back ? NOTICE_ROLLBACK : 0;
}

/* ---- the words ---- */

static char *bounded(const char *text)
{
	if (strlen(text) <= NOTICE_TEXT_MAX_BYTES)
		return g_strdup(text);
	const char *end = g_utf8_find_prev_char(text, text + NOTICE_TEXT_MAX_BYTES);
	g_autofree char *cut = g_strndup(text, (size_t)(end - text));
	return g_strconcat(cut, "…", NULL);
}

/* "a, b, c and 4 more". */
static char *cluster_names(const Item *run)
{
	GString *s = g_string_new(NULL);
	size_t n = item_n_children(run);
	for (size_t i = 0; i < n && i < NAMED_CLUSTERS_MAX; i++)
		g_string_append_printf(s, "%s%s", i ? ", " : "", item_name(item_child(run, i)));
	if (n > NAMED_CLUSTERS_MAX)
		g_string_append_printf(s, " and %zu more", n - NAMED_CLUSTERS_MAX);
	return g_string_free(s, FALSE);
}

static char *cluster_text(Fleet *f, Item *it, const Item *run, const Item *cluster)
{
	if (cluster)
		return g_strdup(item_name(cluster));
	return run ? cluster_names(run) : g_strdup("all clusters");
}

/* "Succeeded: a Succeeded, b RolledBack". */
static char *end_reason(const Item *run, const json_t *body)
{
	GString *s = g_string_new(str(body, "end"));
	for (size_t i = 0; run && i < item_n_children(run); i++) {
		const Item *c = item_child(run, i);
		const char *outcome = cluster_outcome(c);
		g_string_append_printf(s, "%s%s %s", i ? ", " : ": ", item_name(c),
			outcome ? outcome : item_state_name(c));
	}
	return g_string_free(s, FALSE);
}

static char *reason_text(const Record *r, const json_t *body, const Item *it, const Item *run)
{
	g_autofree char *text = NULL;
	if (strcmp(r->kind, "end") == 0)
		text = end_reason(run, body);
	else if (strcmp(r->kind, "move") == 0)
		text = g_strdup(str(body, "why"));
	else if (is_broken_glass(r, body))
		text = record_text(r, body);
	else if (is_below_cluster(it))
		text = g_strdup_printf("%s: %s", item_name(it), str(body, "reason"));
	else
		text = g_strdup(str(body, "reason"));
	return bounded(text);
}

static char *run_next(const Item *run, const json_t *body)
{
	const char *cause = str(body, "cause");
	if (strcmp(cause, "approval") == 0)
		return g_strdup_printf("shiplock approve %s", run_pending_name(run));
	if (strcmp(cause, "fleet-stopped") == 0)
		return g_strdup_printf("shiplock why %s", run_rolled_back_name(run));
	return g_strdup_printf("shiplock why %" G_GINT64_FORMAT, run_id(run));
}

static char *hold_next(const Item *it, const Item *run, const Item *cluster, const json_t *body)
{
	bool person = json_path_bool(body, "person", false);
	if (!run)
		return g_strdup("shiplock resume --fleet");
	if (!cluster)
		return run_next(run, body);
	const char *name = item_name(cluster);
	if (strcmp(str(body, "cause"), "rollback-wanted") == 0)
		return g_strdup_printf("shiplock approve %s, after shiplock why %s", name, name);
	return g_strdup_printf("%sshiplock why %s",
		person ? "" : "it goes on by itself when the cause is gone; ", name);
}

/* What finished before is only offered. */
static char *back_next(const Item *run)
{
	g_autoptr(json_t) offers = run_offers(run);
	size_t n = json_array_size(offers);
	g_autofree char *names = offered_names(offers);
	g_autofree char *watch = g_strdup_printf("shiplock watch %" G_GINT64_FORMAT, run_id(run));
	if (n == 0)
		return g_steal_pointer(&watch);
	return g_strdup_printf("%s; finished before, can be taken back one by one: %s (shiplock "
			       "rollback %s)",
		watch, names, json_string_value(json_array_get(offers, 0)));
}

static char *next_text(
	const Record *r, const json_t *body, const Item *it, const Item *run, const Item *cluster)
{
	int64_t id = run ? run_id(run) : 0;
	bool good = strcmp(str(body, "end"), "Succeeded") == 0;
	if (strcmp(r->kind, "hold") == 0)
		return hold_next(it, run, cluster, body);
	if (strcmp(r->kind, "move") == 0)
		return back_next(run);
	return good ? g_strdup("nothing is to be done")
		    : g_strdup_printf("shiplock why %" G_GINT64_FORMAT, id);
}

static const char *state_text(const Item *it, const Item *run, const Item *cluster)
{
	if (cluster)
		return item_state_name(cluster);
	return run ? item_state_name(run) : "paused";
}

json_t *notice_fields(Fleet *f, const Record *r, const json_t *body)
{
	Item *it = item_of(f, body);
	if (!notice_events(f, r, body))
		return NULL;
	Item *run = up_to(it, &run_kind), *cluster = up_to(it, &cluster_kind);
	g_autofree char *names = cluster_text(f, it, run, cluster);
	g_autofree char *reason = reason_text(r, body, it, run);
	g_autofree char *next = next_text(r, body, it, run, cluster);
	g_autofree char *since = sl_time_format(r->wall_usec);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "fleet", f->name, "run",
		run ? item_name(run) : "", "plan",
		run ? json_path_str(item_data(run), "plan.name", "") : "", "cluster", names,
		"state", state_text(it, run, cluster), "reason", reason, "since", since, "next",
		next);
}
