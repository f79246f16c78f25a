#include "objects/time.h"
#include "objects/version.h"
#include "show.h"
#include <string.h>

enum { MARGIN = 2 };

static const char *str(const json_t *v, const char *path)
{
	return json_path_str(v, path, "");
}

static bool is_level(const json_t *finding, const char *level)
{
	return strcmp(str(finding, "level"), level) == 0;
}

/* ---- where it can go ---- */

/* The cluster lists every release; a person asks for the newest of each minor. */
static bool newest_of_minor(const json_t *updates, size_t at)
{
	Version a, b;
	const json_t *next = json_array_get(updates, at + 1);
	return !next || !version_parse(str(json_array_get(updates, at), "version"), &a) ||
	       !version_parse(str(next, "version"), &b) || version_minor_distance(&a, &b) != 0;
}

static bool is_conditional(const json_t *update)
{
	return json_object_get(update, "applies") != NULL;
}

/* Caller frees. */
static char *can_go_to(const json_t *c)
{
	const json_t *updates = json_object_get(c, "updates");
	g_autoptr(GString) s = g_string_new("");
	size_t i;
	json_t *u;
	json_array_foreach (updates, i, u)
		if (newest_of_minor(updates, i))
			g_string_append_printf(s, "%s%s%s", s->len ? ", " : "", str(u, "version"),
				is_conditional(u) ? "*" : "");
	if (s->len == 0)
		g_string_append(s, updates ? "nothing newer" : "?");
	return g_string_free(g_steal_pointer(&s), false);
}

/* "does not apply here, asked 12:03:10 EST". Caller frees. */
static char *applies_text(const json_t *update, int64_t now_usec)
{
	const char *is = str(update, "applies");
	int64_t at = 0;
	g_autofree char *when = sl_time_parse(str(update, "askedAt"), &at)
					? local_time(at, now_usec)
					: g_strdup("?");
	return g_strdup_printf("%s, asked %s",
		strcmp(is, "no") == 0    ? "does not apply here"
		: strcmp(is, "yes") == 0 ? "applies here"
					 : "nobody knows whether it applies here",
		when);
}

static char *risk_names(const json_t *update)
{
	g_autoptr(GString) s = g_string_new("");
	size_t i;
	json_t *r;
	json_array_foreach (json_object_get(update, "risks"), i, r)
		g_string_append_printf(s, "%s%s", i ? ", " : "", str(r, "name"));
	return g_string_free(g_steal_pointer(&s), false);
}

static int64_t looked_usec(const json_t *c)
{
	int64_t at = 0;
	sl_time_parse(str(c, "lookedAt"), &at);
	return at;
}

/* ---- what is in the way ---- */

static const char *word_of(const char *code)
{
	static const struct {
		const char *code, *word;
	} words[] = { { "ack", "ack missing" }, { "certificate", "certificate" },
		{ "claimed", "claimed" }, { "cordon", "cordon" }, { "edge", "update graph" },
		{ "in-progress", "update under way" }, { "node", "node not Ready" },
		{ "operator", "operator" }, { "owned", "version owned" }, { "pdb", "pdb" },
		{ "pool", "pool degraded" }, { "pool-moving", "pool moving" },
		{ "pool-paused", "pool paused" }, { "provider", "no provider" },
		{ "removed-api", "removed API" }, { "unreadable", "unreadable" },
		{ "upgradeable", "Upgradeable=False" } };
	for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
		if (strcmp(words[i].code, code) == 0)
			return words[i].word;
	return code;
}

static size_t count(const json_t *c, const char *level)
{
	size_t i, n = 0;
	json_t *f;
	json_array_foreach (json_object_get(c, "findings"), i, f)
		n += is_level(f, level);
	return n;
}

/* Some things stand only before the next minor version. */
static bool only_minor(const json_t *c)
{
	size_t i;
	json_t *f;
	json_array_foreach (json_object_get(c, "findings"), i, f)
		if (is_level(f, "block") && !json_object_get(f, "only"))
			return false;
	return true;
}

static char *block_words(const json_t *c)
{
	g_autoptr(GPtrArray) words = g_ptr_array_new();
	g_autoptr(GString) s = g_string_new("");
	size_t i;
	json_t *f;
	json_array_foreach (json_object_get(c, "findings"), i, f) {
		const char *word = word_of(str(f, "code"));
		if (!is_level(f, "block") ||
			g_ptr_array_find_with_equal_func(words, word, g_str_equal, NULL))
			continue;
		g_ptr_array_add(words, (void *)word);
		g_string_append_printf(s, "%s%s", s->len ? ", " : "", word);
	}
	return g_string_free(g_steal_pointer(&s), false);
}

/* Caller frees. */
static char *blocked_by(const json_t *c)
{
	size_t blocks = count(c, "block"), warnings = count(c, "warn");
	g_autoptr(GString) s = g_string_new("nothing");
	if (blocks > 0) {
		g_autofree char *words = block_words(c);
		g_string_printf(s, "%zu (%s)%s", blocks, words,
			only_minor(c) ? ", minor versions only" : "");
	}
	if (warnings > 0)
		g_string_append_printf(s, "; %zu warning%s", warnings, warnings == 1 ? "" : "s");
	return g_string_free(g_steal_pointer(&s), false);
}

/* Caller frees. */
static char *rollback_today(const json_t *c)
{
	const json_t *r = json_object_get(c, "rollback");
	if (!r)
		return g_strdup("?");
	const char *tier = str(r, "tier");
	if (strcmp(tier, "T0") == 0)
		return g_strdup("none: stop and hold");
	return g_strdup_printf("%s to %s, until %s", tier, str(r, "target"),
		*str(r, "expires") ? str(r, "expires") : "the next update");
}

/* ---- the table ---- */

static void add_row(Table *table, const json_t *c)
{
	g_autofree char *to = can_go_to(c), *blocks = blocked_by(c), *back = rollback_today(c);
	const char *version = str(c, "version");
	const char *cells[] = { str(c, "name"), json_path_str(c, "provider", "?"),
		*version ? version : json_path_str(c, "kubernetes", "?"), to, blocks, back };
	bool bad = count(c, "block") > 0 && !only_minor(c);
	table_row(table, bad ? PAINT_RED : count(c, "warn") ? PAINT_YELLOW : PAINT_GREEN, cells);
}

static void show_table(const json_t *report, const Term *t, GString *out)
{
	static const char *const head[] = { "CLUSTER", "PROVIDER", "VERSION", "CAN GO TO",
		"BLOCKED BY", "ROLLBACK TODAY" };
	g_autoptr(Table) table = table_new(G_N_ELEMENTS(head));
	size_t i;
	json_t *c;
	table_row(table, PAINT_NONE, head);
	json_array_foreach (json_object_get(report, "clusters"), i, c)
		add_row(table, c);
	table_print(table, t, "", out);
}

/* What the star stands for. */
static void show_stars(const json_t *report, GString *out)
{
	size_t i, k;
	json_t *c, *u;
	json_array_foreach (json_object_get(report, "clusters"), i, c) {
		const json_t *updates = json_object_get(c, "updates");
		json_array_foreach (updates, k, u) {
			if (!newest_of_minor(updates, k) || !is_conditional(u))
				continue;
			g_autofree char *names = risk_names(u),
					*text = applies_text(u, looked_usec(c));
			g_string_append_printf(out, "* %s to %s: %s (%s)\n", str(c, "name"),
				str(u, "version"), names, text);
		}
	}
}

/* ---- one cluster ---- */

static void show_updates(const json_t *c, const Term *t, GString *out)
{
	const json_t *updates = json_object_get(c, "updates");
	g_autoptr(Table) table = table_new(3);
	size_t i;
	json_t *u;
	json_array_foreach (updates, i, u) {
		const char *tier = str(u, "rollback");
		g_autofree char *risk = is_conditional(u) ? risk_names(u) : NULL;
		g_autofree char *applies =
			is_conditional(u) ? applies_text(u, looked_usec(c)) : NULL;
		g_autofree char *text = risk ? g_strdup_printf("%s (%s): %s", risk, applies,
						       str(u, "risks.0.message"))
					     : g_strdup("recommended");
		const char *back = strcmp(tier, "T2") == 0 ? "way back: T2"
				   : *tier                 ? "no way back"
					   : "way back: shiplock plan asks the nodes";
		const char *cells[] = { str(u, "version"), back, text };
		table_row(table, PAINT_NONE, cells);
	}
	if (json_array_size(updates) > 0)
		g_string_append(out, "\nCan go to\n");
	table_print(table, t, "  ", out);
}

static void show_level(const json_t *c, const char *level, const char *title, GString *out)
{
	size_t i;
	json_t *f;
	if (count(c, level) == 0)
		return;
	g_string_append_printf(out, "\n%s\n", title);
	json_array_foreach (json_object_get(c, "findings"), i, f) {
		if (!is_level(f, level))
			continue;
		g_string_append_printf(out, "%*s%s%s\n", MARGIN, "",
			json_object_get(f, "only") ? "minor versions only: " : "",
			str(f, "message"));
		if (*str(f, "try"))
			g_string_append_printf(out, "%*stry: %s\n", MARGIN, "", str(f, "try"));
	}
}

static void show_one(const json_t *c, const Term *t, GString *out)
{
	const json_t *back = json_object_get(c, "rollback");
	g_string_append_printf(
		out, "\n%s   context %s, %s", str(c, "name"), str(c, "context"), str(c, "server"));
	if (*str(c, "channel"))
		g_string_append_printf(out, ", channel %s", str(c, "channel"));
	if (*str(c, "version") && *str(c, "kubernetes"))
		g_string_append_printf(out, ", Kubernetes %s", str(c, "kubernetes"));
	if (json_path_int(c, "nodes", 0) > 0)
		g_string_append_printf(out, ", %d nodes", (int)json_path_int(c, "nodes", 0));
	g_string_append_c(out, '\n');
	if (*str(c, "owner"))
		g_string_append_printf(out, "Its version is owned by %s\n", str(c, "owner"));
	show_updates(c, t, out);
	show_level(c, "block", "In the way", out);
	show_level(c, "warn", "Worth knowing before", out);
	show_level(c, "info", "Besides", out);
	if (back)
		g_string_append_printf(out, "\nRollback today: %s%s%s\n", str(back, "how"),
			*str(back, "expires") ? ", until " : "", str(back, "expires"));
}

/* The first that has more to tell than its row. */
static const json_t *worth_a_look(const json_t *report)
{
	size_t i;
	json_t *c;
	json_array_foreach (json_object_get(report, "clusters"), i, c)
		if (json_array_size(json_object_get(c, "findings")) > 0)
			return c;
	return json_path(report, "clusters.0");
}

/* As a shell takes it. */
static void put_word(GString *out, const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-_./:@";
	g_autofree char *quoted = g_shell_quote(word);
	g_string_append(out, strspn(word, plain) == strlen(word) ? word : quoted);
}

void show_inspect(const json_t *report, bool named_files, const Term *t, GString *out)
{
	const json_t *clusters = json_object_get(report, "clusters"), *c = worth_a_look(report);
	show_table(report, t, out);
	show_stars(report, out);
	if (json_array_size(clusters) == 1) {
		show_one(c, t, out);
		g_string_append(out, "\nNothing was changed.\n");
		return;
	}
	g_string_append(out, "details: shiplock inspect --context ");
	put_word(out, str(c, "context"));
	if (named_files) {
		g_string_append(out, " --kubeconfig ");
		put_word(out, str(c, "kubeconfig"));
	}
	g_string_append(out, "\nNothing was changed.\n");
}
