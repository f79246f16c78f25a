#include "objects/time.h"
#include "show.h"
#include <string.h>

static const char *str(const json_t *v, const char *path)
{
	return json_path_str(v, path, "");
}

static char *hops_text(const json_t *cluster)
{
	const json_t *hops = json_object_get(cluster, "hops");
	g_autoptr(GString) s = g_string_new("");
	size_t i;
	json_t *h;
	json_array_foreach (hops, i, h) {
		const char *to = json_is_string(h) ? json_string_value(h) : str(h, "to");
		if (!*to)
			to = str(h, "version");
		g_string_append_printf(s, "%s%s", s->len ? ", " : "", to);
	}
	if (s->len == 0)
		g_string_append(s, json_is_array(hops) ? "none: it is there" : "-");
	return g_string_free(g_steal_pointer(&s), false);
}

/* Caller frees. */
static char *if_it_fails(const json_t *cluster)
{
	const char *how = str(cluster, "rollback.how");
	const char *begins = str(cluster, "rollback.begins");
	if (*how && strcmp(str(cluster, "rollback.tier"), "T2") == 0)
		return g_strdup_printf("%s; %s", how, begins);
	bool ready = strcmp(str(cluster, "preflight"), "ready") == 0;
	return g_strdup(*how ? how : ready ? "stop and hold" : "-");
}

/* "1h50m", "4h20m+" where only a lower bound is known, then who is asked. Caller frees. */
static char *about_text(const json_t *c)
{
	const json_t *about = json_object_get(c, "about");
	bool known = json_is_object(about);
	const char *approval = str(c, "approval");
	g_autofree char *time = sl_duration_human(json_path_int(about, "seconds", 0));
	return g_strdup_printf("%s%s%s%s", known ? time : "-",
		known && !*str(about, "run") ? "+" : "", *approval ? "  approval " : "", approval);
}

static void add_cluster(Table *table, const json_t *c, const char *wave)
{
	bool ready = strcmp(str(c, "preflight"), "ready") == 0;
	g_autofree char *hops = hops_text(c);
	g_autofree char *back = if_it_fails(c);
	g_autofree char *about = about_text(c);
	const char *now = json_path_str(c, "now", NULL);
	const char *cells[] = { wave, str(c, "name"), now && *now ? now : "?", hops,
		str(c, "preflight"), back, about };
	table_row(table, ready ? PAINT_GREEN : PAINT_RED, cells);
}

static void add_bake(Table *table, const json_t *report, const char *wave)
{
	size_t i;
	json_t *w;
	json_array_foreach (json_object_get(report, "waves"), i, w) {
		int64_t bake = json_path_int(w, "bakeSeconds", 0);
		if (strcmp(str(w, "name"), wave) != 0 || bake <= 0)
			continue;
		g_autofree char *text = g_strdup_printf("then bake %" G_GINT64_FORMAT "%s",
			bake >= 86400  ? bake / 86400
			: bake >= 3600 ? bake / 3600
				       : bake / 60,
			bake >= 86400  ? "d"
			: bake >= 3600 ? "h"
				       : "m");
		const char *cells[] = { "", text, "", "", "", "", "" };
		table_row(table, PAINT_NONE, cells);
	}
}

static void show_table(const json_t *report, const Term *t, GString *out)
{
	static const char *const head[] = { "WAVE", "CLUSTER", "NOW", "HOPS", "PREFLIGHT",
		"IF IT FAILS", "ABOUT" };
	g_autoptr(Table) table = table_new(G_N_ELEMENTS(head));
	const json_t *clusters = json_object_get(report, "clusters");
	const char *last = "";
	size_t i;
	json_t *c;
	table_row(table, PAINT_NONE, head);
	json_array_foreach (clusters, i, c) {
		const char *wave = str(c, "wave");
		bool first = strcmp(wave, last) != 0;
		if (first && *last)
			add_bake(table, report, last);
		add_cluster(table, c, first ? wave : "");
		last = wave;
	}
	table_print(table, t, "", out);
}

/* "window second-tuesday: Tue 2026-12-08 08:00-17:00 EST (in 18d), no hop after 14:00". */
static char *window_text(const json_t *w)
{
	g_auto(GStrv) parts = g_strsplit(str(w, "text"), ", ", 2);
	int64_t in = json_path_int(w, "opensInSeconds", 0);
	g_autofree char *human = sl_duration_human(in);
	return g_strdup_printf("window %s: %s%s%s%s%s%s", str(w, "policy"),
		parts[0] ? parts[0] : "", in ? " (in " : "", in ? human : "", in ? ")" : "",
		parts[0] && parts[1] ? ", " : "", parts[0] && parts[1] ? parts[1] : "");
}

/* Each window once, with its clusters where not all have it. */
static void show_windows(const json_t *report, GString *out)
{
	const json_t *clusters = json_object_get(report, "clusters");
	g_autoptr(json_t) by_text = json_object();
	size_t i;
	json_t *c, *names;
	const char *text;
	json_array_foreach (clusters, i, c) {
		const json_t *w = json_object_get(c, "window");
		g_autofree char *line = json_is_object(w) ? window_text(w) : NULL;
		if (!line)
			continue;
		if (!json_object_get(by_text, line))
			json_object_set_new(by_text, line, json_array());
		json_array_append(json_object_get(by_text, line), json_object_get(c, "name"));
	}
	json_object_foreach (by_text, text, names) {
		g_string_append_printf(out, "%s", text);
		if (json_array_size(names) < json_array_size(clusters))
			json_array_foreach (names, i, c)
				g_string_append_printf(
					out, "%s%s", i ? ", " : "   for ", json_string_value(c));
		g_string_append_c(out, '\n');
	}
}

/* Where "about" is from, and what does not fit. */
static void show_notes(const json_t *report, GString *out)
{
	const char *run = NULL;
	bool bound = false;
	size_t i;
	json_t *v;
	json_array_foreach (json_object_get(report, "clusters"), i, v) {
		const json_t *about = json_object_get(v, "about");
		run = json_path_str(about, "run", run);
		bound = bound || (json_is_object(about) && !*str(about, "run"));
	}
	if (run)
		g_string_append_printf(
			out, "about: as the cluster's own last upgrade took (%s)\n", run);
	if (bound)
		g_string_append(out, "+ at least that: no earlier upgrade of it is known, so it is "
				     "the usual time and what its disruption budgets allow\n");
	json_array_foreach (json_object_get(report, "notes"), i, v)
		g_string_append_printf(out, "note: %s\n", json_string_value(v));
}

static void show_findings(const json_t *c, GString *out)
{
	size_t i;
	json_t *f;
	json_array_foreach (json_object_get(c, "findings"), i, f) {
		g_string_append_printf(out, "  %s%s\n",
			strcmp(str(f, "level"), "block") == 0 ? "" : "note: ", str(f, "message"));
		if (*str(f, "try"))
			g_string_append_printf(out, "  try: %s\n", str(f, "try"));
	}
}

void show_plan(const json_t *report, const Term *t, GString *out)
{
	const json_t *clusters = json_object_get(report, "clusters");
	const char *digest = str(report, "digest"), *commit = str(report, "commit");
	const char *channel = str(report, "target.channel");
	size_t i, blocked = 0;
	json_t *c;
	digest = g_str_has_prefix(digest, "sha256:") ? digest + 7 : digest;
	g_string_append_printf(out, "Plan %s%s%.7s    digest %.8s\nTarget %s%s%s\n",
		str(report, "plan"), *commit ? " @ " : "", commit, digest,
		str(report, "target.version"), *channel ? ", " : "", channel);
	show_windows(report, out);
	g_string_append_c(out, '\n');
	show_table(report, t, out);
	show_notes(report, out);
	json_array_foreach (clusters, i, c) {
		bool ready = strcmp(str(c, "preflight"), "ready") == 0;
		blocked += !ready;
		if (json_array_size(json_object_get(c, "findings")) == 0)
			continue;
		g_string_append_printf(out, "\n%s is %s\n", str(c, "name"), str(c, "preflight"));
		show_findings(c, out);
	}
	if (blocked)
		g_string_append_printf(out,
			"\n%zu of %zu clusters cannot start; nothing was changed.\n", blocked,
			json_array_size(clusters));
	else
		g_string_append(out, "\nEvery cluster can start; nothing was changed.\n");
}
