#include "policy/gate.h"

#define N "\"name\":\"g\",\"when\":[\"soak\"],"
#define Q N "\"query\":\"x\",\"pass\":{\"atMost\":1}"

static Gate *parse(const char *text, GError **err)
{
	json_error_t e;
	json_t *v = json_loads(text, 0, &e);
	g_assert_nonnull(v);
	Gate *g = gate_parse(v, err);
	json_decref(v);
	return g;
}

static void test_bad(void)
{
	static const struct {
		const char *json, *message;
	} cases[] = {
		{ "{}", "a gate has no name" },
		{ "{" N "\"pass\":{\"atMost\":1}}", "gate \"g\": needs exactly one of query, "
						    "invariant, alerts, burnRate, compare, "
						    "job, http" },
		{ "{" Q ",\"invariant\":\"nodes\"}", "gate \"g\": needs exactly one of query, "
						     "invariant, alerts, burnRate, compare, "
						     "job, http" },
		{ "{" N "\"query\":\"\"}", "gate \"g\": query is empty" },
		/* G41 */
		{ "{" N "\"query\":\"x\"}",
			"gate \"g\": query without pass or fail: it would judge nothing" },
		{ "{" N "\"query\":\"x\",\"pass\":{}}",
			"gate \"g\": pass or fail without a comparison" },
		{ "{" N "\"query\":\"x\",\"pass\":{\"isNaN\":1}}",
			"gate \"g\": pass.isNaN is no comparison with a finite number" },
		{ "{" N "\"query\":\"x\",\"fail\":{\"above\":\"1\"}}",
			"gate \"g\": fail.above is no comparison with a finite number" },
		{ "{\"name\":\"g\",\"query\":\"x\",\"pass\":{\"atMost\":1}}",
			"gate \"g\": when is empty: it would never be looked at" },
		{ "{\"name\":\"g\",\"when\":[\"later\"],\"query\":\"x\",\"pass\":{\"atMost\":1}}",
			"gate \"g\": when names an unknown phase" },
		{ "{" Q ",\"count\":15,\"failureLimit\":15}",
			"gate \"g\": failureLimit 15 is not below count 15, so it could never "
			"fail" },
		{ "{" Q ",\"count\":0}", "gate \"g\": count is no whole number from 1" },
		{ "{" Q ",\"noDataLimit\":-1}",
			"gate \"g\": noDataLimit is no whole number from 0" },
		{ "{" Q ",\"interval\":60}", "gate \"g\": interval is no duration like 60s" },
		{ "{" Q ",\"interval\":\"0s\"}", "gate \"g\": interval is zero" },
		{ "{" Q ",\"reduce\":\"last\"}",
			"gate \"g\": reduce is none of one, all, any, max, min, sum, count" },
		{ "{" Q ",\"onFail\":\"page\"}",
			"gate \"g\": onFail is none of hold, halt, rollback" },
		{ "{" Q ",\"minSamples\":5}", "gate \"g\": minSamples needs minSamplesQuery" },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) err = NULL;
		g_assert_null(parse(cases[i].json, &err));
		g_assert_error(err, SL_ERROR, SL_ERR_INVALID);
		g_assert_cmpstr(err->message, ==, cases[i].message);
	}
}

static void test_defaults(void)
{
	g_autoptr(GError) err = NULL;
	g_autoptr(Gate) g = parse("{" Q "}", &err);
	g_assert_no_error(err);
	g_assert_cmpstr(g->query, ==, "x");
	g_assert_cmpuint(g->when, ==, WHEN_SOAK);
	g_assert_cmpint(g->reduce, ==, REDUCE_ONE);
	g_assert_cmpint(g->count, ==, 5);
	g_assert_cmpint(g->failure_limit, ==, 0);
	g_assert_cmpint(g->no_data_limit, ==, 2);
	g_assert_cmpint(g->error_limit, ==, 4);
	g_assert_cmpint(g->inconclusive_limit, ==, 0);
	g_assert_cmpint(g->interval_sec, ==, 60);
	g_assert_cmpint(g->max_age_sec, ==, 120);
	g_assert_cmpint(g->settle_sec, ==, 0);
	g_assert_cmpint(g->on_fail, ==, ON_FAIL_HOLD);
	g_assert_false(g->may_skip);
	g_assert_true(gate_supported(g));
}

/* The first gate of the documents' example, in full. */
static void test_full(void)
{
	g_autoptr(GError) err = NULL;
	g_autoptr(Gate) g = parse(
		"{\"name\":\"ingress\",\"when\":[\"cp-soak\",\"verify\",\"soak\"],\"query\":\"q\","
		"\"reduce\":\"max\",\"pass\":{\"atMost\":0.01},\"fail\":{\"above\":0.05},"
		"\"settle\":\"10m\",\"interval\":\"30s\",\"count\":15,\"failureLimit\":2,"
		"\"noDataLimit\":3,\"consecutiveErrorLimit\":5,\"inconclusiveLimit\":1,"
		"\"minSamples\":10,\"minSamplesQuery\":\"s\",\"maxAge\":\"2m\","
		"\"onFail\":\"rollback\",\"maySkip\":true,\"runbook\":\"https://r\"}",
		&err);
	g_assert_no_error(err);
	g_assert_cmpuint(g->when, ==, WHEN_CP_SOAK | WHEN_VERIFY | WHEN_SOAK);
	g_assert_cmpint(g->reduce, ==, REDUCE_MAX);
	g_assert_cmpint(g->settle_sec, ==, 600);
	g_assert_cmpint(g->count, ==, 15);
	g_assert_cmpint(g->failure_limit, ==, 2);
	g_assert_cmpint(g->error_limit, ==, 5);
	g_assert_cmpfloat(g->min_samples, ==, 10);
	g_assert_cmpstr(g->min_samples_query, ==, "s");
	g_assert_cmpint(g->on_fail, ==, ON_FAIL_ROLLBACK);
	g_assert_true(g->may_skip);
	g_autofree char *pass = gate_condition_text(&g->pass);
	g_assert_cmpstr(pass, ==, "atMost 0.01");
}

/* A phase that nobody asks in would be a gate that cannot fail. */
static void test_phases(void)
{
	static const struct {
		const char *json, *unsupported;
	} cases[] = {
		{ "\"when\":[\"verify\"],\"job\":{}}", NULL },
		{ "\"when\":[\"preflight\",\"verify\"],\"job\":{}}", " in phase preflight" },
		{ "\"when\":[\"node\"],\"job\":{}}", " in phase node" },
		{ "\"when\":[\"verify\",\"node\"],\"invariant\":\"nodes\"}", " in phase node" },
		{ "\"when\":[\"node\"],\"http\":{}}", " in phase node" },
		{ "\"when\":[\"preflight\"],\"http\":{}}", NULL },
		{ "\"when\":[\"preflight\"],\"alerts\":{}}", "" },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) err = NULL;
		g_autofree char *json = g_strconcat("{\"name\":\"g\",", cases[i].json, NULL);
		g_test_message("%s", json);
		g_autoptr(Gate) g = parse(json, &err);
		g_assert_no_error(err);
		g_assert_cmpstr(gate_unsupported(g), ==, cases[i].unsupported);
		g_assert_true(gate_supported(g) == !cases[i].unsupported);
	}
}

static void test_kinds(void)
{
	static const struct {
		const char *json;
		GateKind kind;
		bool supported;
	} cases[] = {
		{ "{" N "\"invariant\":\"nodes\",\"stableFor\":\"5m\"}", GATE_INVARIANT, true },
		{ "{" N "\"alerts\":{}}", GATE_ALERTS, false },
		{ "{" N "\"burnRate\":{}}", GATE_BURN_RATE, false },
		{ "{" N "\"compare\":{}}", GATE_COMPARE, false },
		{ "{" N "\"job\":{}}", GATE_JOB, true },
		{ "{" N "\"http\":{}}", GATE_HTTP, true },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) err = NULL;
		g_autoptr(Gate) g = parse(cases[i].json, &err);
		g_assert_no_error(err);
		g_assert_cmpint(g->kind, ==, cases[i].kind);
		g_assert_true(gate_supported(g) == cases[i].supported);
		g_assert_nonnull(gate_kind_name(g->kind));
		g_assert_cmpint(g->count, ==, i < 2 || i == 4 ? 1 : 5);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/gate/bad", test_bad);
	g_test_add_func("/gate/defaults", test_defaults);
	g_test_add_func("/gate/full", test_full);
	g_test_add_func("/gate/kinds", test_kinds);
	g_test_add_func("/gate/phases", test_phases);
	return g_test_run();
}
