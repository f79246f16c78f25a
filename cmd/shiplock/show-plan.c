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

static void add_cluster(Table *table, const json_t *c, const char *wave)
{
	bool ready = strcmp(str(c, "preflight"), "ready") == 0;
	g_autofree char *hops = hops_text(c);
	g_autofree char *back = if_it_fails(c);
	const char *now = json_path_str(c, "now", NULL);
	const char *cells[] = { wave, str(c, "name"), now && *now ? now : "?", hops,
		str(c, "preflight"), back };
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
		const char *cells[] = { "", text, "", "", "", "" };
		table_row(table, PAINT_NONE, cells);
	}
}

static void show_table(const json_t *report, const Term *t, GString *out)
{
	static const char *const head[] = { "WAVE", "CLUSTER", "NOW", "HOPS", "PREFLIGHT",
		"IF IT FAILS" };
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
	g_string_append_printf(out, "Plan %s%s%.7s    digest %.8s\nTarget %s%s%s\n\n",
		str(report, "plan"), *commit ? " @ " : "", commit, digest,
		str(report, "target.version"), *channel ? ", " : "", channel);
	show_table(report, t, out);
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
