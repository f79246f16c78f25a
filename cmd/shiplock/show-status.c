#include "objects/time.h"
#include "show.h"
#include <string.h>

static const char *str(const json_t *v, const char *path)
{
	return json_path_str(v, path, "");
}

static bool is_live(const json_t *run)
{
	return strcmp(str(run, "state"), "active") == 0;
}

static size_t count_live(const json_t *runs)
{
	size_t n = 0, i;
	json_t *run;
	json_array_foreach (runs, i, run)
		n += is_live(run);
	return n;
}

static size_t count_held(const json_t *runs)
{
	size_t n = 0, i, k;
	json_t *run, *c;
	json_array_foreach (runs, i, run) {
		json_array_foreach (json_object_get(run, "clusters"), k, c)
			n += is_live(run) && json_array_size(json_object_get(c, "holds")) > 0;
	}
	return n;
}

static void show_head(const json_t *s, const Term *t, GString *out)
{
	const json_t *runs = json_object_get(s, "runs");
	size_t live = count_live(runs), held = count_held(runs);
	g_autofree char *up = sl_duration_human(json_path_int(s, "upSeconds", 0));
	g_string_append_printf(out, "fleet %s: ", str(s, "fleet"));
	if (live == 0)
		g_string_append_printf(out, "nothing is going on%s",
			json_path_str(s, "stopped", NULL)
				? ", and nothing starts until a person says so"
				: "");
	else
		g_string_append_printf(out, "%zu run%s", live, live == 1 ? "" : "s");
	if (held > 0)
		g_string_append_printf(out, ", %zu cluster%s held", held, held == 1 ? "" : "s");
	if (json_object_get(s, "upSeconds"))
		g_string_append_printf(out, ", controller up %s", up);
	g_string_append_c(out, '\n');
	if (!json_path_bool(s, "journalWritable", true)) {
		paint(out, t, PAINT_RED, "the journal cannot be written: nothing moves any more");
		g_string_append(out, "    df, and journalctl -u shiplockd\n");
	}
}

/* Of the runs that are shown at all. */
static void show_broken(const json_t *s, const Term *t, GString *out)
{
	const json_t *runs = json_object_get(s, "runs");
	size_t ended = 0;
	for (size_t i = json_array_size(runs); i > 0 && ended < SHOW_DONE_RUNS; i--) {
		const json_t *run = json_array_get(runs, i - 1);
		ended += !is_live(run);
		show_glass(json_object_get(run, "glass"), t, out);
	}
}

/* What was pushed while a run goes on does not change it. */
static void show_newer(const json_t *s, const Term *t, GString *out)
{
	size_t i;
	json_t *run;
	json_array_foreach (json_object_get(s, "runs"), i, run)
		show_pushed(json_object_get(run, "newer"), str(run, "name"), t, out);
}

static char *holder_text(const json_t *c)
{
	const char *by = str(c, "by");
	g_autofree char *since = sl_duration_human(json_path_int(c, "sinceSeconds", 0));
	if (strcmp(by, "us") != 0)
		return g_strdup(str(c, "text"));
	return g_strdup_printf("this controller, run %s, epoch %" JSON_INTEGER_FORMAT
			       ", in %s for %s",
		str(c, "run"), (json_int_t)json_path_int(c, "epoch", 0), str(c, "state"), since);
}

static void show_claims(const json_t *s, const Term *t, GString *out)
{
	const json_t *list = json_object_get(s, "claims");
	g_autoptr(Table) table = table_new(2);
	size_t i;
	json_t *c;
	if (json_array_size(list) == 0)
		return;
	json_array_foreach (list, i, c) {
		g_autofree char *text = holder_text(c);
		const char *cells[] = { str(c, "cluster"), text };
		table_row(table, strcmp(str(c, "by"), "us") == 0 ? PAINT_NONE : PAINT_RED, cells);
	}
	g_string_append(out, "\n");
	paint(out, t, PAINT_BOLD, "HELD BY");
	g_string_append(out, "\n");
	table_print(table, t, "  ", out);
}

/* What waits for a person stands below, with what to type. */
static void show_waits(const json_t *s, const Term *t, GString *out)
{
	g_autoptr(Table) table = table_new(3);
	size_t i, n = 0;
	json_t *w;
	json_array_foreach (json_object_get(s, "waits"), i, w) {
		const char *cells[] = { str(w, "who"), str(w, "for"), str(w, "text") };
		if (strcmp(str(w, "for"), "a person") == 0)
			continue;
		table_row(table, PAINT_NONE, cells);
		n++;
	}
	if (n == 0)
		return;
	g_string_append(out, "\n");
	paint(out, t, PAINT_BOLD, "WAITS FOR");
	g_string_append(out, "\n");
	table_print(table, t, "  ", out);
}

static void show_needs(const json_t *s, const Term *t, GString *out)
{
	const json_t *list = json_object_get(s, "needsYou");
	g_autoptr(Table) table = table_new(3);
	size_t i;
	json_t *n;
	if (json_array_size(list) == 0)
		return;
	json_array_foreach (list, i, n) {
		const char *cells[] = { str(n, "cluster"), str(n, "text"), str(n, "type") };
		table_row(table, PAINT_RED, cells);
	}
	g_string_append(out, "\n");
	paint(out, t, PAINT_BOLD, "NEEDS YOU");
	g_string_append(out, "\n");
	table_print(table, t, "  ", out);
}

static char *progress(const json_t *cluster)
{
	const json_t *p = json_object_get(cluster, "progress");
	int64_t done = json_path_int(p, "doneSeconds", 0),
		whole = json_path_int(p, "wholeSeconds", 0);
	if (whole <= 0)
		return g_strdup("");
	g_autofree char *bar = progress_bar(done, whole), *a = sl_duration_human(done),
			*b = sl_duration_human(whole);
	return g_strdup_printf("%s %s/%s", bar, a, b);
}

static bool has_ended(const json_t *cluster)
{
	return strcmp(str(cluster, "state"), "ended") == 0 ||
	       json_path_str(cluster, "outcome", NULL);
}

/* What the run says of this cluster, which was not begun. */
static const char *turn_text(const json_t *run, const json_t *c)
{
	g_autofree char *prefix = g_strconcat(str(c, "name"), " ", NULL);
	return g_str_has_prefix(str(run, "now"), prefix) ? str(run, "now") + strlen(prefix)
							 : "waits for its turn";
}

/* What a cluster that was not begun waits for is known to its run. */
static char *now_text(const json_t *run, const json_t *c, bool held)
{
	const json_t *hold = json_path(run, "holds.0"), *nodes = json_object_get(c, "nodes");
	size_t n = json_array_size(nodes);
	const json_t *node = n ? json_array_get(nodes, n - 1) : NULL; /* the one in work */
	bool draining = !held && strcmp(str(c, "state"), "nodes") == 0 && *str(node, "reason");
	if (strcmp(str(c, "state"), "pending") != 0 || *str(c, "now"))
		return g_strdup_printf("%s%s%s%s%s%s", held ? "held: " : "", str(c, "now"),
			draining ? "; " : "", draining ? str(node, "name") : "",
			draining ? ": " : "", draining ? str(node, "reason") : "");
	return hold ? g_strdup_printf("held: %s", str(hold, "reason"))
		    : g_strdup(turn_text(run, c));
}

static void add_cluster(Table *table, const json_t *run, const json_t *c)
{
	bool pending = strcmp(str(c, "state"), "pending") == 0;
	bool held = json_array_size(json_object_get(c, "holds")) > 0;
	g_autofree char *since = sl_duration_human(json_path_int(c, "sinceSeconds", 0));
	g_autofree char *bar = progress(c), *now = now_text(run, c, held);
	const char *cells[] = { str(run, "name"), str(c, "wave"), str(c, "name"), str(c, "state"),
		pending ? "-" : since, pending ? "-" : bar, now };
	table_row(table, held ? PAINT_YELLOW : PAINT_NONE, cells);
}

static void show_live(const json_t *s, const Term *t, GString *out)
{
	static const char *const head[] = { "RUN", "WAVE", "CLUSTER", "STATE", "SINCE", "PROGRESS",
		"NOW" };
	g_autoptr(Table) table = table_new(G_N_ELEMENTS(head));
	size_t i, k, n = 0;
	json_t *run, *c;
	table_row(table, PAINT_NONE, head);
	json_array_foreach (json_object_get(s, "runs"), i, run) {
		json_array_foreach (json_object_get(run, "clusters"), k, c) {
			if (!is_live(run) || has_ended(c))
				continue;
			add_cluster(table, run, c);
			n++;
		}
	}
	if (n == 0)
		return;
	g_string_append_c(out, '\n');
	table_print(table, t, "", out);
}

static Paint paint_of_outcome(const char *outcome)
{
	return g_str_has_prefix(outcome, "Succeeded") ? PAINT_GREEN : PAINT_YELLOW;
}

static void show_done_cluster(const json_t *c, const Term *t, GString *out)
{
	const char *outcome = str(c, "outcome"), *version = str(c, "hop.to");
	if (!*outcome)
		return;
	if (strcmp(outcome, "RolledBack") == 0)
		version =
			*str(c, "rollback.target") ? str(c, "rollback.target") : str(c, "hop.from");
	g_string_append_printf(out, "done: %s ", str(c, "name"));
	paint(out, t, paint_of_outcome(outcome), outcome);
	g_string_append_printf(out, "%s%s", *version ? " " : "", version);
	if (!g_str_has_prefix(outcome, "Succeeded") && *str(c, "now"))
		g_string_append_printf(out, " (%s)", str(c, "now"));
	g_string_append_c(out, '\n');
}

static void show_done(const json_t *s, const Term *t, GString *out)
{
	const json_t *runs = json_object_get(s, "runs");
	size_t k, ended = 0;
	json_t *c;
	g_autoptr(GString) text = g_string_new("");
	for (size_t i = json_array_size(runs); i > 0 && ended < SHOW_DONE_RUNS; i--) {
		const json_t *run = json_array_get(runs, i - 1);
		json_array_foreach (json_object_get(run, "clusters"), k, c)
			show_done_cluster(c, t, text);
		if (is_live(run))
			continue;
		ended++;
		g_string_append_printf(
			text, "run %s ended %s\n", str(run, "name"), str(run, "outcome"));
	}
	if (text->len)
		g_string_append_printf(out, "\n%s", text->str);
}

static void show_repositories(const json_t *s, const Term *t, GString *out)
{
	size_t i;
	json_t *r;
	json_array_foreach (json_object_get(s, "repositories"), i, r) {
		const char *error = json_path_str(r, "error", NULL), *commit = str(r, "commit");
		if (!error)
			continue;
		g_string_append_printf(out, "\nrepository %s: ", str(r, "name"));
		paint(out, t, PAINT_RED, error);
		g_string_append_printf(out, "\n  %s%.7s%s\n",
			*commit ? "the plans of commit " : "no plans are in force yet", commit,
			*commit ? " stay in force" : "");
	}
}

void show_status(const json_t *s, const Term *t, GString *out)
{
	show_head(s, t, out);
	show_broken(s, t, out);
	show_claims(s, t, out);
	show_waits(s, t, out);
	show_needs(s, t, out);
	show_live(s, t, out);
	show_newer(s, t, out);
	show_done(s, t, out);
	show_repositories(s, t, out);
}

void show_event(const json_t *e, GString *out)
{
	const char *time = str(e, "time");
	const char *text = json_path_str(e, "text", str(e, "type"));
	g_string_append_printf(out, "%.8sZ ", strlen(time) > 19 ? time + 11 : "--------");
	if (*str(e, "cluster"))
		g_string_append_printf(out, "%s %-14s ", str(e, "cluster"), str(e, "state"));
	else if (*str(e, "run"))
		g_string_append_printf(out, "%s ", str(e, "run"));
	g_string_append(out, text);
}
