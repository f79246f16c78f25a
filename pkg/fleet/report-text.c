/* A report as people and other programs read it: Markdown, and an entry of an outage list. */
#include "fleet/report.h"
#include "objects/time.h"
#include <string.h>

static const char *str(const json_t *v, const char *path)
{
	return json_path_str(v, path, "");
}

/* Text of others inside a table: one line, and nothing that Markdown takes for itself. */
static void cell(GString *s, const char *text)
{
	for (; *text; text++)
		if (strchr("|\\`<>*_[]", *text))
			g_string_append_printf(s, "\\%c", *text);
		else
			g_string_append_c(s, (unsigned char)*text < ' ' ? ' ' : *text);
}

static void row(GString *s, const char *const *cells, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		g_string_append(s, i ? " | " : "| ");
		cell(s, cells[i]);
	}
	g_string_append(s, " |\n");
}

/* Ends where the cells do. */
#define ROW(s, ...)                                                                                \
	row(s, (const char *const[]){ __VA_ARGS__ },                                               \
		sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

static void heading(GString *s, const char *titles, const char *rule)
{
	g_string_append_printf(s, "\n%s\n%s\n", titles, rule);
}

static const char *or_dash(const char *text)
{
	return *text ? text : "-";
}

/* ---- the run ---- */

static void add_clusters(GString *s, const json_t *run)
{
	size_t i;
	json_t *c;
	heading(s, "| cluster | wave | outcome | from | now | began | ended |",
		"|---|---|---|---|---|---|---|");
	json_array_foreach (json_object_get(run, "clusters"), i, c)
		ROW(s, str(c, "name"), str(c, "wave"), or_dash(str(c, "outcome")),
			or_dash(str(c, "from")), or_dash(str(c, "version")),
			or_dash(str(c, "began")), or_dash(str(c, "ended")));
}

static const char *answer_of(const json_t *approval)
{
	if (json_path_bool(approval, "breakGlass", false))
		return "GLASS BROKEN";
	return json_path_bool(approval, "reject", false) ? "REJECTED" : "approved";
}

static void add_words(GString *s, const json_t *run)
{
	const json_t *approvals = json_object_get(run, "approvals"),
		     *commands = json_object_get(run, "commands");
	size_t i;
	json_t *a;
	if (json_array_size(approvals) + json_array_size(commands) == 0)
		return;
	g_string_append(s, "\n## Who said what\n");
	heading(s, "| time | who | what | about | reason |", "|---|---|---|---|---|");
	json_array_foreach (approvals, i, a) {
		g_autofree char *about = g_strdup_printf("%s %s", str(a, "subject"),
			json_path_str(a, "about", json_path_str(a, "wave", "")));
		ROW(s, str(a, "time"), str(a, "who"), answer_of(a), g_strchomp(about),
			or_dash(str(a, "reason")));
	}
	json_array_foreach (commands, i, a)
		ROW(s, str(a, "time"), str(a, "who"), str(a, "verb"), or_dash(str(a, "cluster")),
			or_dash(str(a, "reason")));
}

static void add_head(GString *s, const json_t *run)
{
	size_t i;
	json_t *a;
	g_string_append_printf(s, "# Run %s: %s\n\n", str(run, "run"),
		*str(run, "outcome") ? str(run, "outcome") : "not ended");
	json_array_foreach (json_object_get(run, "approvals"), i, a)
		if (json_path_bool(a, "breakGlass", false)) {
			g_string_append(s, "**GLASS BROKEN** by ");
			cell(s, str(a, "who"));
			g_string_append(s, ": ");
			cell(s, str(a, "reason"));
			g_string_append(s, "\n\n");
		}
	g_string_append_printf(s,
		"Target %s, fleet %s, ordered by %s at commit %.12s. Began %s, ended %s.\n",
		str(run, "target.version"), str(run, "fleet"), or_dash(str(run, "orderedBy")),
		or_dash(str(run, "commit")), str(run, "began"), or_dash(str(run, "ended")));
	g_string_append_printf(s,
		"Snapshot %s, journal records %" G_GINT64_FORMAT "-%" G_GINT64_FORMAT ".\n",
		or_dash(str(run, "digest")), json_path_int(run, "journal.first", 0),
		json_path_int(run, "journal.last", 0));
}

/* ---- one cluster ---- */

static void add_times(GString *s, const json_t *c)
{
	size_t i;
	json_t *t;
	heading(s, "| state | from | until | took |", "|---|---|---|---|");
	json_array_foreach (json_object_get(c, "states"), i, t) {
		g_autofree char *took = sl_duration_human(json_path_int(t, "seconds", 0));
		ROW(s, str(t, "state"), str(t, "from"), str(t, "until"), took);
	}
}

static void add_holds(GString *s, const json_t *c)
{
	size_t i;
	json_t *h;
	if (json_array_size(json_object_get(c, "holds")) == 0)
		return;
	heading(s, "| held by | from | took | reason |", "|---|---|---|---|");
	json_array_foreach (json_object_get(c, "holds"), i, h) {
		g_autofree char *took = sl_duration_human(json_path_int(h, "seconds", 0));
		ROW(s, str(h, "cause"), str(h, "from"), took, str(h, "reason"));
	}
}

static void add_gates(GString *s, const json_t *c)
{
	size_t i;
	json_t *g;
	if (json_array_size(json_object_get(c, "gates")) == 0)
		return;
	heading(s, "| gate | state | last verdict | looks | evidence |", "|---|---|---|---|---|");
	json_array_foreach (json_object_get(c, "gates"), i, g) {
		g_autofree char *looks = g_strdup_printf("%d", (int)json_path_int(g, "looks", 0));
		ROW(s, str(g, "gate"), str(g, "state"), str(g, "verdict"), looks,
			str(g, "evidence"));
	}
}

static void add_disruption(GString *s, const json_t *c)
{
	size_t i;
	json_t *d;
	if (json_array_size(json_object_get(c, "disruption")) == 0)
		return;
	heading(s, "| namespace | pods moved | minutes without a replacement |", "|---|---|---|");
	json_array_foreach (json_object_get(c, "disruption"), i, d) {
		g_autofree char *pods = g_strdup_printf("%d", (int)json_path_int(d, "pods", 0));
		g_autofree char *minutes =
			g_strdup_printf("%.2f", json_number_value(json_object_get(d, "minutes")));
		ROW(s, str(d, "namespace"), pods, minutes);
	}
}

/* A person gave the orders: what we would have ordered stands beside it. */
static void add_observed(GString *s, const json_t *c)
{
	size_t i;
	json_t *o;
	if (json_array_size(json_object_get(c, "observed")) == 0)
		return;
	heading(s, "| Shiplock would have | at | done by a person |", "|---|---|---|");
	json_array_foreach (json_object_get(c, "observed"), i, o)
		ROW(s, str(o, "what"), or_dash(str(o, "wouldAt")),
			json_path_str(o, "doneAt", "not done"));
}

/* What the data of before did not know. */
static void add_lost(GString *s, const json_t *c)
{
	size_t i;
	json_t *o;
	const json_t *lost = json_object_get(c, "lost");
	if (!lost || json_is_null(lost))
		return;
	g_string_append_printf(s, "\nObjects lost with the data since the snapshot: %zu.",
		json_array_size(json_object_get(lost, "objects")));
	if (*str(lost, "note"))
		g_string_append_c(s, ' ');
	cell(s, str(lost, "note"));
	g_string_append_c(s, '\n');
	if (json_array_size(json_object_get(lost, "objects")) == 0)
		return;
	heading(s, "| kind | namespace | name | uid |", "|---|---|---|---|");
	json_array_foreach (json_object_get(lost, "objects"), i, o)
		ROW(s, str(o, "resource"), or_dash(str(o, "namespace")), str(o, "name"),
			str(o, "uid"));
}

/* The names by which other systems know it. */
static void add_aliases(GString *s, const json_t *c)
{
	const char *system, *before = "\nElsewhere: ";
	json_t *name;
	json_object_foreach (json_object_get(c, "aliases"), system, name) {
		g_string_append(s, before);
		cell(s, system);
		g_string_append_c(s, ' ');
		cell(s, json_string_value(name));
		before = ", ";
	}
	g_string_append(s, strcmp(before, ", ") == 0 ? ".\n" : "");
}

static void add_cluster(GString *s, const json_t *c)
{
	g_string_append_printf(s, "\n## %s: %s\n", str(c, "name"),
		*str(c, "outcome") ? str(c, "outcome") : str(c, "state"));
	add_aliases(s, c);
	if (*str(c, "why")) {
		g_string_append(s, "\n");
		cell(s, str(c, "why"));
		g_string_append(s, "\n");
	}
	if (!*str(c, "began"))
		return;
	add_times(s, c);
	add_holds(s, c);
	add_gates(s, c);
	add_disruption(s, c);
	add_observed(s, c);
	add_lost(s, c);
}

char *report_markdown(const json_t *run)
{
	GString *s = g_string_new(NULL);
	size_t i;
	json_t *c;
	add_head(s, run);
	add_clusters(s, run);
	add_words(s, run);
	json_array_foreach (json_object_get(run, "clusters"), i, c)
		add_cluster(s, c);
	return g_string_free(s, FALSE);
}

/* ---- outages ---- */

/* As YAML reads it whatever it holds: names are labels and URLs mostly, but aliases are free. */
static void quoted(GString *s, const char *text)
{
	g_autoptr(json_t) v = json_string(text);
	g_autofree char *json = json_dumps(v, JSON_ENCODE_ANY);
	g_string_append(s, json);
}

/* Two clusters that are billed as one must not count twice: their ranges are joined. */
static json_t *ranges_of(const json_t *run, const char *service)
{
	json_t *out = json_array(), *c, *o;
	size_t i, k;
	json_array_foreach (json_object_get(run, "clusters"), i, c)
		json_array_foreach (json_object_get(c, "outage"), k, o) {
			if (strcmp(str(c, "service"), service) != 0)
				continue;
			size_t at = 0;
			while (at < json_array_size(out) &&
				json_path_int(json_array_get(out, at), "fromUsec", 0) <
					json_path_int(o, "fromUsec", 0))
				at++;
			json_array_insert_new(out, at, json_deep_copy(o));
		}
	for (size_t at = 1; at < json_array_size(out);) {
		json_t *a = json_array_get(out, at - 1), *b = json_array_get(out, at);
		/* Whole seconds count: what touches in them is one range. */
		if (strcmp(str(b, "from"), str(a, "until")) > 0) {
			at++;
			continue;
		}
		if (json_path_int(b, "untilUsec", 0) > json_path_int(a, "untilUsec", 0)) {
			json_object_set(a, "until", json_object_get(b, "until"));
			json_object_set(a, "untilUsec", json_object_get(b, "untilUsec"));
		}
		json_array_remove(out, at);
	}
	return out;
}

static void add_ranges(GString *s, const json_t *run, const char *service)
{
	g_autoptr(json_t) ranges = ranges_of(run, service);
	size_t i;
	json_t *o;
	json_array_foreach (ranges, i, o) {
		g_string_append_printf(s, "    - from: \"%s\"\n      until: \"%s\"\n",
			str(o, "from"), str(o, "until"));
		g_string_append(s, "      affected_services: [");
		quoted(s, service);
		g_string_append(s, "]\n");
	}
}

static bool is_first_of_service(const json_t *clusters, size_t n)
{
	const char *service = str(json_array_get(clusters, n), "service");
	for (size_t i = 0; i < n; i++)
		if (strcmp(str(json_array_get(clusters, i), "service"), service) == 0)
			return false;
	return true;
}

char *report_outages(const json_t *run, const char *url)
{
	g_autoptr(GString) ranges = g_string_new(NULL);
	const json_t *clusters = json_object_get(run, "clusters");
	for (size_t i = 0; i < json_array_size(clusters); i++)
		if (is_first_of_service(clusters, i))
			add_ranges(ranges, run, str(json_array_get(clusters, i), "service"));
	if (ranges->len == 0)
		return g_strdup("");
	g_autofree char *own =
		g_strdup_printf("shiplock:%s/%s", str(run, "fleet"), str(run, "run"));
	GString *s = g_string_new("- url: ");
	quoted(s, url ? url : own);
	g_string_append_printf(s, "\n  timeframes:\n%s", ranges->str);
	return g_string_free(s, FALSE);
}
