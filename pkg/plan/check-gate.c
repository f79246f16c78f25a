/* Gates that could not judge, or could never fail or pass: refused before they are believed. */
#include "plan/check.h"
#include "plan/value.h"
#include <math.h>
#include <string.h>

typedef struct Gate {
	Checker *c;
	const json_t *gate;
	const char *kind; /* query, invariant ...; NULL unless exactly one */
	char *where; /* gate "x" */
} Gate;

static At at_key(const Gate *g, const char *key, const char *code)
{
	return (At){ .parent = g->gate,
		.key = json_object_get(g->gate, key) ? key : NULL,
		.code = code,
		.where = g->where };
}

static bool is_kind(const Gate *g, const char *kind)
{
	return g->kind && strcmp(g->kind, kind) == 0;
}

/* count is 5 looks where numbers sway, 1 where one look at the whole is enough. */
static void fill_count(const Gate *g)
{
	bool one = is_kind(g, "invariant") || is_kind(g, "alerts") || is_kind(g, "job");
	if (g->kind && !json_object_get(g->gate, "count"))
		json_object_set_new((json_t *)g->gate, "count", json_integer(one ? 1 : 5));
}

static void check_limits(const Gate *g, bool count_given)
{
	int64_t limit = json_path_int(g->gate, "failureLimit", 0),
		count = json_path_int(g->gate, "count", 1);
	if (limit >= count)
		check_report(g->c, at_key(g, "failureLimit", CODE_CONFLICT),
			"failureLimit %d is not below count %d%s, so it could never fail",
			(int)limit, (int)count, count_given ? "" : " (the default)");
	if (doc_duration_sec(json_path_str(g->gate, "interval", NULL), 1) == 0)
		check_report(g->c, at_key(g, "interval", CODE_VALUE), "interval is zero");
}

/* An open or closed interval of the values that a bound takes; notEquals is none. */
typedef struct Range {
	double lo, hi;
	bool lo_open, hi_open;
} Range;

static bool bound_range(const json_t *bound, Range *ret)
{
	static const char *const names[] = { "above", "atLeast", "below", "atMost", "equals" };
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		const json_t *v = json_object_get(bound, names[i]);
		if (!json_is_number(v))
			continue;
		double x = json_number_value(v);
		*ret = (Range){ i == 2 || i == 3 ? -INFINITY : x, i < 2 ? INFINITY : x, i == 0,
			i == 2 };
		return true;
	}
	return false;
}

static bool overlap(const Range *a, const Range *b)
{
	double lo = MAX(a->lo, b->lo), hi = MIN(a->hi, b->hi);
	if (lo != hi)
		return lo < hi;
	bool lo_open = (a->lo == lo && a->lo_open) || (b->lo == lo && b->lo_open);
	bool hi_open = (a->hi == hi && a->hi_open) || (b->hi == hi && b->hi_open);
	return !lo_open && !hi_open;
}

static void check_bounds(const Gate *g)
{
	const json_t *pass = json_object_get(g->gate, "pass"),
		     *fail = json_object_get(g->gate, "fail");
	Range a, b;
	if (!pass)
		check_report(g->c, at_key(g, "query", CODE_MISSING),
			"a query needs pass, else nothing says what is good");
	else if (fail && bound_range(pass, &a) && bound_range(fail, &b) && overlap(&a, &b))
		check_report(g->c, at_key(g, "fail", CODE_CONFLICT),
			"pass and fail overlap: a value could be both");
}

static void check_query(const Gate *g)
{
	bool few = json_path_int(g->gate, "minSamples", 0) > 0,
	     query = json_object_get(g->gate, "minSamplesQuery");
	check_bounds(g);
	if (few != query)
		check_report(g->c, at_key(g, few ? "minSamples" : "minSamplesQuery", CODE_MISSING),
			"minSamples and minSamplesQuery are given together or not at all");
	for (const char *const *key = (const char *const[]){ "query", "minSamplesQuery", NULL };
		*key; key++)
		if (strstr(json_path_str(g->gate, *key, ""), "{{"))
			check_report(g->c, at_key(g, *key, CODE_PLACEHOLDER),
				"placeholders are not replaced in %s", *key);
}

/* Fields that only one kind of gate uses: one that is given elsewhere is an error, one that is only
 * a default is taken out again. */
static void check_strays(const Gate *g, const json_t *written)
{
	static const struct {
		const char *field, *kind;
	} only[] = {
		{ "reduce", "query" },
		{ "pass", "query" },
		{ "fail", "query" },
		{ "minSamples", "query" },
		{ "minSamplesQuery", "query" },
		{ "stableFor", "invariant" },
	};
	for (size_t i = 0; g->kind && i < G_N_ELEMENTS(only); i++) {
		if (is_kind(g, only[i].kind))
			continue;
		if (!json_object_get(written, only[i].field)) {
			json_object_del((json_t *)g->gate, only[i].field);
			continue;
		}
		At at = at_key(g, only[i].field, CODE_CONFLICT);
		at.at_key = true;
		check_report(g->c, at, "only a gate with %s uses %s", only[i].kind, only[i].field);
	}
}

static void count_window(const char *name, void *ud)
{
	int *n = ud;
	if (strcmp(name, "window") == 0)
		n[0]++;
	else
		n[1]++;
}

static void check_burn_rate(const Gate *g)
{
	const json_t *burn = json_object_get(g->gate, "burnRate");
	const char *errors = json_path_str(burn, "errors", NULL);
	double objective;
	int n[2] = { 0, 0 };
	At at = { .parent = burn, .key = "errors", .code = CODE_PLACEHOLDER, .where = g->where };
	if (errors && (!doc_placeholders(errors, count_window, n) || n[1] > 0 || n[0] == 0)) {
		at.hint = "write [{{window}}] as the range; it is the only one";
		check_report(g->c, at, "burnRate.errors needs {{window}} and no other placeholder");
	}
	at = (At){ .parent = burn, .key = "objective", .code = CODE_VALUE, .where = g->where };
	if (doc_percent(json_path_str(burn, "objective", ""), &objective) && objective >= 100)
		check_report(g->c, at, "an objective of 100%% leaves no budget to burn");
}

static void check_job_file(const Gate *g)
{
	const json_t *job = json_object_get(g->gate, "job");
	const char *file = json_path_str(job, "file", NULL);
	if (file && (file[0] == '/' || strstr(file, "..")))
		check_report(g->c,
			(At){ .parent = job, .key = "file", .code = CODE_VALUE, .where = g->where },
			"\"%s\" is not a path inside the repository", file);
}

static void check_gate(Checker *c, const json_t *gate, const json_t *written)
{
	static const char *const kinds[] = { "query", "invariant", "alerts", "burnRate", "compare",
		"job", "http" };
	Gate g = { .c = c, .gate = gate };
	unsigned n = 0;
	for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
		if (!json_object_get(gate, kinds[i]))
			continue;
		g.kind = n++ == 0 ? kinds[i] : NULL;
	}
	g_autofree char *where = g_strdup_printf("gate \"%s\"", json_path_str(gate, "name", "?"));
	g.where = where;
	bool count_given = json_object_get(gate, "count") != NULL;
	fill_count(&g);
	check_limits(&g, count_given);
	check_strays(&g, written);
	if (is_kind(&g, "query"))
		check_query(&g);
	else if (is_kind(&g, "burnRate"))
		check_burn_rate(&g);
	else if (is_kind(&g, "job"))
		check_job_file(&g);
	else if (is_kind(&g, "compare") &&
		 strcmp(json_path_str(gate, "onFail", ""), "rollback") == 0)
		check_report(c, at_key(&g, "onFail", CODE_CONFLICT),
			"a comparison with earlier days may hold or halt, but not roll back");
}

void check_gate_policy(Checker *c)
{
	const json_t *spec = doc_spec(c->doc), *gates = json_object_get(spec, "gates"), *gate;
	const json_t *written = json_path(doc_json(c->doc), "spec.gates");
	size_t i;
	if (json_array_size(gates) == 0 && json_array_size(json_object_get(spec, "include")) == 0)
		check_report(c, (At){ .parent = spec, .code = CODE_MISSING },
			"needs include or gates: without a gate nothing is judged");
	json_array_foreach (gates, i, gate) {
		if (json_is_object(gate))
			check_gate(c, gate, json_array_get(written, i));
	}
}
