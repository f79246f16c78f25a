#include "base/num.h"
#include "objects/time.h"
#include "show.h"
#include <string.h>

enum { LABEL_WIDTH = 10 };

static const char *str(const json_t *v, const char *path)
{
	return json_path_str(v, path, "");
}

/* "Because   text", further lines below it. */
static void labelled(GString *out, const char *label, const char *text)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	for (char **l = lines; *l; l++)
		if (**l || l == lines)
			g_string_append_printf(
				out, "%-*s%s\n", LABEL_WIDTH, l == lines ? label : "", *l);
}

static char *since_text(const json_t *why)
{
	int64_t at = 0, ago = json_path_int(why, "sinceSeconds", 0);
	if (!sl_time_parse(str(why, "since"), &at))
		return g_strdup("");
	g_autofree char *time = local_time(at, at + ago * 1000000);
	g_autofree char *human = sl_duration_human(ago);
	return g_strdup_printf(" since %s (%s)", time, human);
}

static void show_head(const json_t *why, const Term *t, GString *out)
{
	const char *outcome = json_path_str(why, "outcome", NULL), *node = str(why, "node");
	bool held = json_path_bool(why, "held", false);
	g_autofree char *since = since_text(why);
	g_autofree char *what = outcome ? g_strdup_printf("ended %s", outcome)
				: held  ? g_strdup_printf("is held in %s", str(why, "state"))
					: g_strdup_printf("is in %s", str(why, "state"));
	g_string_append_printf(out, "%s%s%s ", str(why, "cluster"), *node ? "/" : "", node);
	paint(out, t, held ? PAINT_YELLOW : outcome ? PAINT_GREEN : PAINT_NONE, what);
	g_string_append(out, since);
	if (*str(why, "run"))
		g_string_append_printf(out, "    run %s", str(why, "run"));
	if (*str(why, "hop.text"))
		g_string_append_printf(out, ", hop %s", str(why, "hop.text"));
	else if (*str(why, "hop.to"))
		g_string_append_printf(
			out, ", hop %s -> %s", str(why, "hop.from"), str(why, "hop.to"));
	g_string_append_c(out, '\n');
}

/* A gate's look: verdict, what was measured against which bound, the query, when. */
static void show_look(const json_t *look, GString *out, const char *label)
{
	const json_t *e = json_object_get(look, "evidence");
	g_autofree char *line = g_strdup_printf("gate %s: %s%s%s", str(look, "gate"),
		str(look, "verdict"), *str(look, "text") ? ": " : "", str(look, "text"));
	labelled(out, label, line);
	if (*str(e, "query")) {
		g_autofree char *query = g_strdup(str(e, "query"));
		labelled(out, "", g_strstrip(query));
	}
	int64_t asked = json_path_int(e, "timeUsec", 0);
	if (!asked)
		return;
	g_autofree char *at = local_time(asked, asked);
	size_t n = json_array_size(json_object_get(e, "values"));
	g_autofree char *text = g_strdup_printf("asked %s at %s: %zu series%s%s",
		*str(e, "source") ? str(e, "source") : "no source that answered", at, n,
		*str(e, "why") ? ", " : "", str(e, "why"));
	labelled(out, "", text);
}

/* Of a node: its pods, grouped by what keeps them. */
static void show_text(const json_t *why, GString *out)
{
	const char *text = str(why, "text"), *because = str(why, "because");
	size_t n = strlen(because);
	if (n && strncmp(text, because, n) == 0)
		text += n + (text[n] == '\n');
	if (*text)
		labelled(out, "Pods", text);
}

void show_nodes(const json_t *cluster, GString *out)
{
	size_t i, n = 0;
	json_t *node;
	json_array_foreach (json_object_get(cluster, "nodes"), i, node) {
		if (strcmp(str(node, "state"), "ended") == 0 || !*str(node, "reason"))
			continue;
		g_autofree char *line =
			g_strdup_printf("%s: %s   shiplock why %s/%s", str(node, "name"),
				str(node, "reason"), str(cluster, "name"), str(node, "name"));
		labelled(out, n++ == 0 ? "Nodes" : "", line);
	}
}

static void show_evidence(const json_t *why, GString *out)
{
	size_t i, n = 0;
	json_t *look;
	json_array_foreach (json_object_get(why, "evidence"), i, look) {
		if (strcmp(str(look, "verdict"), "PASS") == 0 && n > 0)
			continue;
		show_look(look, out, n++ == 0 ? "Looked at" : "");
	}
}

static void show_findings(const json_t *why, GString *out)
{
	size_t i;
	json_t *f;
	json_array_foreach (json_object_get(why, "findings"), i, f) {
		if (strcmp(str(f, "level"), "block") != 0 && json_path_str(why, "outcome", NULL))
			continue;
		labelled(out, i == 0 ? "Preflight" : "", str(f, "message"));
		g_autofree char *hint = g_strdup_printf("try: %s", str(f, "try"));
		if (*str(f, "try"))
			labelled(out, "", hint);
	}
}

static void show_answer(const json_t *a, GString *out, const char *label)
{
	int64_t at = 0;
	g_autofree char *time =
		sl_time_parse(str(a, "at"), &at) ? local_time(at, at) : g_strdup("");
	g_autofree char *line = g_strdup_printf("%s said %s %s%s%s%s", str(a, "who"),
		json_path_bool(a, "yes", false) ? "yes" : "no", time,
		json_path_bool(a, "breakGlass", false) ? ", BREAKING THE GLASS" : "",
		*str(a, "reason") ? ": " : "", str(a, "reason"));
	labelled(out, label, line);
}

/* What is asked of whom, and who answered so far. */
static void show_approval(const json_t *why, GString *out)
{
	const json_t *q = json_object_get(why, "question"), *answers;
	const char *people = str(q, "people"), *digest = str(q, "digest");
	size_t i;
	json_t *a;
	if (!json_is_object(q))
		return;
	digest = g_str_has_prefix(digest, "sha256:") ? digest + 7 : digest;
	g_autofree char *line = g_strdup_printf("%s of digest %.8s: %s%s%s", str(q, "name"), digest,
		str(q, "text"), *people ? "; it asks " : "", people);
	labelled(out, "Approval", line);
	if (*str(q, "warning"))
		labelled(out, "", str(q, "warning"));
	answers = json_object_get(q, "answers");
	json_array_foreach (answers, i, a)
		show_answer(a, out, "");
}

void show_pushed(const json_t *newer, const char *run, const Term *t, GString *out)
{
	const json_t *list = json_object_get(newer, "documents");
	g_autoptr(GString) names = g_string_new("");
	size_t i;
	json_t *name;
	json_array_foreach (list, i, name)
		g_string_append_printf(names, "%s%s", i ? ", " : "", json_string_value(name));
	if (i == 0)
		return;
	g_autofree char *line = g_strdup_printf(
		"newer version of %s at %.7s: %s goes on with what it began with; state: suspended "
		"in Git stops it",
		names->str, str(newer, "commit"), run);
	paint(out, t, PAINT_YELLOW, line);
	g_string_append_c(out, '\n');
}

void show_glass(const json_t *list, const Term *t, GString *out)
{
	size_t i;
	json_t *g;
	json_array_foreach (list, i, g) {
		int64_t at = 0;
		g_autofree char *time =
			sl_time_parse(str(g, "at"), &at) ? local_time(at, at) : g_strdup("");
		g_autofree char *line = g_strdup_printf("GLASS BROKEN for %s %s by %s %s: %s",
			str(g, "subject"), str(g, "about"), str(g, "who"), time, str(g, "reason"));
		paint(out, t, PAINT_RED, line);
		g_string_append_c(out, '\n');
	}
}

static void show_commands(const json_t *why, GString *out)
{
	const json_t *list = json_object_get(why, "youCan");
	int width = 0;
	size_t i;
	json_t *c;
	json_array_foreach (list, i, c)
		width = sl_max(width, (int)strlen(str(c, "type")));
	json_array_foreach (list, i, c) {
		g_autofree char *line =
			g_strdup_printf("%-*s   %s", width, str(c, "type"), str(c, "what"));
		labelled(out, i == 0 ? "You can" : "", line);
	}
}

/* Of a blocked drain: which pods, why, who can mend it. */
static void show_pods(const json_t *why, const Term *t, GString *out)
{
	static const char *const head[] = { "POD", "CAUSE", "SINCE", "WHO CAN FIX IT",
		"TYPE THIS" };
	const json_t *pods = json_object_get(why, "pods");
	g_autoptr(Table) table = table_new(G_N_ELEMENTS(head));
	size_t i;
	json_t *p;
	if (json_array_size(pods) == 0)
		return;
	table_row(table, PAINT_NONE, head);
	json_array_foreach (pods, i, p) {
		g_autofree char *since = sl_duration_human(json_path_int(p, "sinceSeconds", 0));
		const char *cause = json_path_str(p, "text", str(p, "cause"));
		const char *cells[] = { json_path_str(p, "pod", str(p, "name")), cause, since,
			str(p, "who"), str(p, "type") };
		table_row(table, PAINT_NONE, cells);
	}
	g_string_append_c(out, '\n');
	table_print(table, t, "", out);
}

/* A cluster that is only observed: our wishes, and what became of them. */
static void show_observed(const json_t *why, GString *out)
{
	size_t i;
	json_t *o;
	json_array_foreach (json_object_get(why, "observed"), i, o) {
		int64_t would = 0, done = 0;
		bool wished = sl_time_parse(str(o, "wouldAt"), &would);
		bool seen = sl_time_parse(str(o, "doneAt"), &done);
		g_autofree char *when = wished ? local_time(would, would) : g_strdup("");
		g_autofree char *then = seen ? local_time(done, done) : g_strdup("");
		g_autofree char *text = g_strdup_printf("%s%s%s; %s%s", str(o, "what"),
			wished ? " at " : " (before we would have)", when,
			seen ? "done at " : "not done", then);
		labelled(out, i == 0 ? "Would do" : "", text);
	}
}

/* Loud lines about the whole run, below the answer. */
static void show_loud(const json_t *why, const Term *t, GString *out)
{
	show_glass(json_object_get(why, "glass"), t, out);
	show_pushed(json_object_get(why, "newer"), str(why, "run"), t, out);
}

static void show_one(const json_t *why, const Term *t, GString *out, bool alone)
{
	static const struct {
		const char *label, *key;
	} rows[] = { { "Because", "because" }, { "Stands", "stands" }, { "Goes on", "goesOn" } };
	show_head(why, t, out);
	if (alone)
		show_loud(why, t, out);
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		if (*str(why, rows[i].key))
			labelled(out, rows[i].label, str(why, rows[i].key));
		if (i == 0) {
			show_text(why, out);
			show_evidence(why, out);
			show_findings(why, out);
			show_approval(why, out);
		}
	}
	show_observed(why, out);
	show_commands(why, out);
	g_autofree char *records = g_strdup_printf("shiplock audit show %s", str(why, "run"));
	if (*str(why, "run"))
		labelled(out, "Evidence", records);
	show_pods(why, t, out);
}

static void show_run(const json_t *why, const Term *t, GString *out)
{
	const char *outcome = json_path_str(why, "outcome", NULL);
	size_t i;
	json_t *c;
	g_string_append_printf(out, "%s %s%s\n", str(why, "run"), outcome ? "ended " : "is ",
		outcome ? outcome : str(why, "state"));
	show_loud(why, t, out);
	if (*str(why, "because"))
		labelled(out, "Because", str(why, "because"));
	show_approval(why, out);
	show_commands(why, out);
	json_array_foreach (json_object_get(why, "clusters"), i, c) {
		if (strcmp(str(c, "state"), "pending") == 0) {
			g_string_append_printf(out, "\n%s is not begun\n", str(c, "cluster"));
			continue;
		}
		g_string_append_c(out, '\n');
		show_one(c, t, out, false);
	}
}

void show_why(const json_t *why, const Term *t, GString *out)
{
	if (json_object_get(why, "clusters"))
		show_run(why, t, out);
	else
		show_one(why, t, out, true);
}

void show_question(const json_t *why, const Term *t, GString *out)
{
	g_string_append_printf(out, "%s asks: %s\n", str(why, "cluster"), str(why, "because"));
	if (*str(why, "stands"))
		labelled(out, "Stands", str(why, "stands"));
	show_approval(why, out);
}

static void show_version_back(bool workers, GString *out)
{
	g_string_append(out,
		"  first    every worker pool is paused again, a node in drain is finished\n"
		"  then     the control plane; the API is away while its servers restart\n");
	g_string_append_printf(out, "  last     %s\n",
		workers ? "the workers that moved: drained and rebooted once more, one by one"
			: "no worker has moved, so none is touched");
}

static void show_level_back(bool workers, GString *out)
{
	g_string_append_printf(out, "  first    %s\n",
		workers ? "the kubelets that moved: drained and brought back, one by one"
			: "no worker has moved, so none is touched");
	g_string_append(out, "  then     the feature level of each control-plane node, one by one; "
			     "its API server "
			     "restarts\n");
}

void show_rollback(const json_t *why, const json_t *cluster, const Term *t, GString *out)
{
	bool workers = json_path_bool(cluster, "workersTouched", false);
	bool level = strcmp(str(cluster, "rollback.tier"), "T1") == 0;
	const char *how = str(cluster, "rollback.how"), *target = str(cluster, "rollback.target");
	g_string_append_printf(out, "%s %s -> %s by %s\n", str(why, "cluster"), str(why, "hop.to"),
		level ? target : str(why, "hop.from"),
		*how ? how : "the provider's own steps down");
	(level ? show_level_back : show_version_back)(workers, out);
	if (*str(why, "stands"))
		g_string_append_printf(out, "  stands   %s\n", str(why, "stands"));
	if (*str(cluster, "rollback.expires"))
		g_string_append_printf(
			out, "  open     until %s\n", str(cluster, "rollback.expires"));
	g_string_append(out, "  loses    nothing that is stored\n");
}
