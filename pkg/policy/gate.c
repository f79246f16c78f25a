#include "policy/gate.h"
#include "codec/json.h"
#include "objects/time.h"
#include <limits.h>
#include <math.h>
#include <string.h>

enum { COUNT_MAX = 100000 };

static const char *const kind_names[] = { "query", "invariant", "alerts", "burnRate", "compare",
	"job", "http" };
static const char *const when_names[] = { "preflight", "cp-verify", "cp-soak", "node", "verify",
	"soak" };
static const char *const reduce_names[] = { "one", "all", "any", "max", "min", "sum", "count" };
static const char *const on_fail_names[] = { "hold", "halt", "rollback" };
static const char *const cmp_names[] = { "above", "atLeast", "below", "atMost", "equals",
	"notEquals" };

static int index_of(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; name && i < n; i++)
		if (strcmp(names[i], name) == 0)
			return (int)i;
	return -1;
}
#define INDEX_OF(names, name) index_of(names, G_N_ELEMENTS(names), name)

const char *gate_kind_name(GateKind kind)
{
	return kind_names[kind];
}

unsigned gate_when_parse(const char *name)
{
	int i = INDEX_OF(when_names, name);
	return i < 0 ? 0 : 1u << i;
}

bool gate_on_fail_parse(const char *name, GateOnFail *ret)
{
	int i = INDEX_OF(on_fail_names, name);
	if (i < 0)
		return false;
	*ret = (GateOnFail)i;
	return true;
}

const char *gate_on_fail_name(GateOnFail v)
{
	return on_fail_names[v];
}

char *gate_condition_text(const GateCondition *c)
{
	GString *out = g_string_new(NULL);
	for (size_t i = 0; i < c->n; i++)
		g_string_append_printf(out, "%s%s %g", i ? " and " : "",
			cmp_names[c->bounds[i].cmp], c->bounds[i].value);
	return g_string_free(out, FALSE);
}

static bool bad(const Gate *g, GError **err, const char *what)
{
	return sl_fail(err, SL_ERR_INVALID, "gate \"%s\": %s", g->name, what);
}

static bool parse_condition(Gate *g, const char *field, GateCondition *c, GError **err)
{
	const json_t *v = json_object_get(g->json, field);
	const char *key;
	json_t *bound;
	if (!v || json_is_null(v))
		return true;
	json_object_foreach ((json_t *)v, key, bound) {
		int cmp = INDEX_OF(cmp_names, key);
		if (json_is_null(bound))
			continue;
		if (cmp < 0 || !json_is_number(bound) || !isfinite(json_number_value(bound)))
			return sl_fail(err, SL_ERR_INVALID,
				"gate \"%s\": %s.%s is no comparison with a finite number", g->name,
				field, key);
		c->bounds[c->n].cmp = (GateCmp)cmp;
		c->bounds[c->n++].value = json_number_value(bound);
	}
	return c->n > 0 || bad(g, err, "pass or fail without a comparison");
}

static bool parse_duration(Gate *g, const char *field, int64_t def, int64_t *ret, GError **err)
{
	const json_t *v = json_object_get(g->json, field);
	*ret = def;
	if (!v || json_is_null(v) || sl_duration_parse(json_string_value(v), ret))
		return true;
	return sl_fail(
		err, SL_ERR_INVALID, "gate \"%s\": %s is no duration like 60s", g->name, field);
}

static bool parse_int(Gate *g, const char *field, int def, int min, int *ret, GError **err)
{
	const json_t *v = json_object_get(g->json, field);
	*ret = def;
	if (!v || json_is_null(v))
		return true;
	if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > COUNT_MAX)
		return sl_fail(err, SL_ERR_INVALID, "gate \"%s\": %s is no whole number from %d",
			g->name, field, min);
	*ret = (int)json_integer_value(v);
	return true;
}

static bool parse_kind(Gate *g, GError **err)
{
	int n = 0;
	for (size_t i = 0; i < G_N_ELEMENTS(kind_names); i++) {
		const json_t *v = json_object_get(g->json, kind_names[i]);
		if (!v || json_is_null(v))
			continue;
		n++;
		g->kind = (GateKind)i;
		g->spec = v;
	}
	if (n != 1)
		return bad(g, err,
			"needs exactly one of query, invariant, alerts, burnRate, compare, job, "
			"http");
	g->query = g->kind == GATE_QUERY ? json_string_value(g->spec) : NULL;
	g->invariant = g->kind == GATE_INVARIANT ? json_string_value(g->spec) : NULL;
	if (g->kind == GATE_QUERY && (!g->query || !*g->query))
		return bad(g, err, "query is empty");
	if (g->kind == GATE_INVARIANT && (!g->invariant || !*g->invariant))
		return bad(g, err, "invariant is empty");
	return true;
}

static bool parse_when(Gate *g, GError **err)
{
	const json_t *list = json_object_get(g->json, "when");
	for (size_t i = 0; i < json_array_size(list); i++) {
		unsigned bit = gate_when_parse(json_string_value(json_array_get(list, i)));
		if (!bit)
			return bad(g, err, "when names an unknown phase");
		g->when |= bit;
	}
	return g->when || bad(g, err, "when is empty: it would never be looked at");
}

static bool parse_limits(Gate *g, GError **err)
{
	int min_samples;
	bool once = g->kind == GATE_INVARIANT || g->kind == GATE_ALERTS || g->kind == GATE_JOB;
	if (!parse_int(g, "count", once ? 1 : 5, 1, &g->count, err) ||
		!parse_int(g, "failureLimit", 0, 0, &g->failure_limit, err) ||
		!parse_int(g, "noDataLimit", 2, 0, &g->no_data_limit, err) ||
		!parse_int(g, "consecutiveErrorLimit", 4, 0, &g->error_limit, err) ||
		!parse_int(g, "inconclusiveLimit", 0, 0, &g->inconclusive_limit, err) ||
		!parse_int(g, "minSamples", 0, 0, &min_samples, err))
		return false;
	g->min_samples = min_samples;
	if (g->failure_limit >= g->count)
		return sl_fail(err, SL_ERR_INVALID,
			"gate \"%s\": failureLimit %d is not below count %d, so it could never "
			"fail",
			g->name, g->failure_limit, g->count);
	if (min_samples && !g->min_samples_query)
		return bad(g, err, "minSamples needs minSamplesQuery");
	return true;
}

static bool parse_times(Gate *g, GError **err)
{
	if (!parse_duration(g, "settle", 0, &g->settle_sec, err) ||
		!parse_duration(g, "interval", 60, &g->interval_sec, err) ||
		!parse_duration(g, "maxAge", 120, &g->max_age_sec, err) ||
		!parse_duration(g, "stableFor", 0, &g->stable_for_sec, err))
		return false;
	return g->interval_sec > 0 || bad(g, err, "interval is zero");
}

static bool parse_words(Gate *g, GError **err)
{
	const char *reduce = json_path_str(g->json, "reduce", "one");
	const char *on_fail = json_path_str(g->json, "onFail", "hold");
	int r = INDEX_OF(reduce_names, reduce);
	if (r < 0)
		return bad(g, err, "reduce is none of one, all, any, max, min, sum, count");
	g->reduce = (GateReduce)r;
	if (!gate_on_fail_parse(on_fail, &g->on_fail))
		return bad(g, err, "onFail is none of hold, halt, rollback");
	g->min_samples_query = json_path_str(g->json, "minSamplesQuery", NULL);
	g->runbook = json_path_str(g->json, "runbook", NULL);
	g->may_skip = json_path_bool(g->json, "maySkip", false);
	g->dry_run = json_path_bool(g->json, "dryRun", false);
	return true;
}

static bool parse_conditions(Gate *g, GError **err)
{
	if (!parse_condition(g, "pass", &g->pass, err) ||
		!parse_condition(g, "fail", &g->fail, err))
		return false;
	if (g->kind == GATE_QUERY && !g->pass.n && !g->fail.n)
		return bad(g, err, "query without pass or fail: it would judge nothing");
	return true;
}

Gate *gate_parse(const json_t *json, GError **err)
{
	g_autoptr(Gate) g = g_new0(Gate, 1);
	g->json = json_incref((json_t *)json);
	g->name = json_path_str(json, "name", NULL);
	if (!g->name || !*g->name) {
		sl_fail(err, SL_ERR_INVALID, "a gate has no name");
		return NULL;
	}
	if (!parse_kind(g, err) || !parse_when(g, err) || !parse_words(g, err) ||
		!parse_times(g, err) || !parse_limits(g, err) || !parse_conditions(g, err))
		return NULL;
	return g_steal_pointer(&g);
}

void gate_free(Gate *g)
{
	if (!g)
		return;
	json_decref(g->json);
	g_free(g);
}

const char *gate_unsupported(const Gate *g)
{
	bool kind = g->kind == GATE_QUERY || g->kind == GATE_INVARIANT || g->kind == GATE_HTTP ||
		    g->kind == GATE_JOB;
	if (!kind)
		return "";
	if (g->when & WHEN_NODE)
		return " in phase node";
	return g->kind == GATE_JOB && (g->when & WHEN_PREFLIGHT) ? " in phase preflight" : NULL;
}

bool gate_supported(const Gate *g)
{
	return gate_unsupported(g) == NULL;
}

GateOnFail gate_consequence(GateOnFail of_gate, GateOnFail of_plan)
{
	return MIN(of_gate, of_plan);
}
