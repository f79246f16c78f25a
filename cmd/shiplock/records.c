#include "records.h"
#include <string.h>

struct Lineage {
	json_t *runs; /* item -> name of its run */
};

bool range_parse(const char *text, Range *ret)
{
	const char *colon = strchr(text, ':'), *span = colon ? colon + 1 : text;
	char *end = NULL;
	*ret = (Range){ .last = INT64_MAX };
	bool has_span = g_ascii_isdigit(*span) && strchr(span, '-') && !strchr(span, '#');
	if (!has_span) {
		ret->run = colon ? NULL : g_strdup(text);
		return !colon && *text;
	}
	ret->first = g_ascii_strtoll(span, &end, 10);
	if (*end++ != '-')
		return false; /* a run whose plan begins with a digit is given by its number */
	if (*end)
		ret->last = g_ascii_strtoll(end, &end, 10);
	if (*end || ret->last < ret->first)
		return false;
	ret->run = colon ? g_strndup(text, (size_t)(colon - text)) : NULL;
	return true;
}

void range_clear(Range *r)
{
	g_clear_pointer(&r->run, g_free);
}

Lineage *lineage_new(void)
{
	Lineage *l = g_new0(Lineage, 1);
	l->runs = json_object();
	return l;
}

void lineage_free(Lineage *l)
{
	if (!l)
		return;
	json_decref(l->runs);
	g_free(l);
}

static const char *run_of_item(const Lineage *l, int64_t item)
{
	g_autofree char *key = g_strdup_printf("%" G_GINT64_FORMAT, item);
	return json_string_value(json_object_get(l->runs, key));
}

static void learn(Lineage *l, const json_t *body)
{
	g_autofree char *key = g_strdup_printf("%" G_GINT64_FORMAT, json_path_int(body, "item", 0));
	bool run = strcmp(json_path_str(body, "kind", ""), "run") == 0;
	const char *name = run ? json_path_str(body, "name", "")
			       : run_of_item(l, json_path_int(body, "parent", 0));
	if (name)
		json_object_set_new(l->runs, key, json_string(name));
}

const char *lineage_run(Lineage *l, const char *kind, const json_t *body)
{
	if (strcmp(kind, "item") == 0)
		learn(l, body);
	const char *own = json_path_str(body, "run", NULL);
	const char *run = own ? own : run_of_item(l, json_path_int(body, "item", 0));
	return run ? run : "";
}

static bool is_run(const char *want, const char *run)
{
	const char *number = strrchr(run, '#');
	want += *want == '#';
	return strcmp(want, run) == 0 || (number && strcmp(want, number + 1) == 0);
}

bool range_holds(const Range *r, const json_t *record, const char *run)
{
	int64_t seq = json_path_int(record, "seq", 0);
	return seq >= r->first && seq <= r->last && (!r->run || is_run(r->run, run));
}

/* Of the end of a run. */
static void append_glass(GString *s, const json_t *list)
{
	size_t i;
	json_t *g;
	json_array_foreach (list, i, g)
		g_string_append_printf(s, "%s %s for %s %s: %s", i ? "," : ", GLASS WAS BROKEN by",
			json_path_str(g, "who", ""), json_path_str(g, "subject", ""),
			json_path_str(g, "about", ""), json_path_str(g, "reason", ""));
}

/* The fields that say most, in the order in which they are read. */
static void append_body(GString *s, const json_t *body)
{
	static const char *const fields[] = { "plan", "commit", "verb", "who", "subject", "about",
		"name", "row", "key", "class", "gate", "verdict", "cause", "end", "reason", "text",
		"why", "message" };
	const char *from = json_path_str(body, "from", NULL);
	if (json_path_bool(body, "breakGlass", false))
		g_string_append(s, " GLASS BROKEN by");
	if (json_path_bool(body, "reject", false))
		g_string_append(s, " REJECTED by");
	if (from)
		g_string_append_printf(s, " %s -> %s", from, json_path_str(body, "to", ""));
	for (size_t i = 0; i < G_N_ELEMENTS(fields); i++) {
		const char *text = json_path_str(body, fields[i], NULL);
		if (text && *text)
			g_string_append_printf(s, " %s", text);
	}
	append_glass(s, json_object_get(body, "glass"));
}

char *record_line(const json_t *record, const char *run)
{
	const json_t *body = json_object_get(record, "body");
	const char *cluster = json_path_str(body, "cluster", "");
	GString *s = g_string_new("");
	g_string_append_printf(s, "%6" G_GINT64_FORMAT "  %.19sZ  %-8s  %s%s%s ",
		json_path_int(record, "seq", 0), json_path_str(record, "time", ""),
		json_path_str(record, "kind", ""), run, *run && *cluster ? " " : "", cluster);
	append_body(s, body);
	return g_string_free(s, false);
}
