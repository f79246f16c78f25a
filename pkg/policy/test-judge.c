#include "policy/judge.h"
#include <math.h>
#include <string.h>

static const int64_t SEC = 1000000;

static Gate *parse(const char *text)
{
	g_autoptr(GError) err = NULL;
	json_error_t e;
	json_t *v = json_loads(text, 0, &e);
	g_assert_nonnull(v);
	Gate *g = gate_parse(v, &err);
	g_assert_no_error(err);
	json_decref(v);
	return g;
}

/* Looks written as letters, one a minute from minute 1: P F N E I W(ait). */
static size_t looks_of(const char *letters, Look *out)
{
	static const char names[] = "PFNEIW";
	size_t n = strlen(letters);
	for (size_t i = 0; i < n; i++)
		out[i] = (Look){ (int64_t)(i + 1) * 60 * SEC,
			(LookVerdict)(strchr(names, letters[i]) - names), NAN };
	return n;
}

#define BASE "\"name\":\"g\",\"when\":[\"soak\"],\"query\":\"x\",\"pass\":{\"atMost\":1}"
#define Q BASE ",\"count\":1"

typedef struct JudgeCase {
	const char *name, *limits, *looks;
	int end_min; /* of the soak; now is one second after the last look */
	GateState want;
	GateHold hold;
} JudgeCase;

static void run_cases(const JudgeCase *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const JudgeCase *c = &cases[i];
		g_autofree char *text = g_strdup_printf(
			"{%s%s}", strstr(c->limits, "\"count\"") ? BASE : Q, c->limits);
		g_autoptr(Gate) g = parse(text);
		Look looks[64];
		size_t n_looks = looks_of(c->looks, looks);
		int64_t now = (int64_t)n_looks * 60 * SEC + SEC;
		GateJudgement j = gate_judge(g, looks, n_looks, 0, c->end_min * 60 * SEC, now);
		g_test_message("%s: %s: %s", c->name, c->looks, j.reason);
		g_assert_cmpint(j.state, ==, c->want);
		g_assert_cmpint(j.hold, ==, c->hold);
		g_assert_cmpstr(j.reason, !=, "");
		bool over = c->want == GATE_STATE_PASS || c->want == GATE_STATE_FAIL;
		g_assert_true((j.next_look_usec == INT64_MAX) == over);
		if (!over && n_looks)
			g_assert_cmpint(
				j.next_look_usec, ==, looks[n_looks - 1].at_usec + 60 * SEC);
	}
}

/* G40: each limit at one below, at it, one above. */
static void test_limits(void)
{
#define L                                                                                          \
	",\"count\":4,\"failureLimit\":2,\"noDataLimit\":2,\"consecutiveErrorLimit\":3,"           \
	"\"inconclusiveLimit\":1"
	static const JudgeCase cases[] = {
		{ "count-1", L, "PPP", 0, GATE_STATE_RUNNING },
		{ "count", L, "PPPP", 0, GATE_STATE_PASS },
		{ "count+1", L, "PPPPP", 0, GATE_STATE_PASS },
		{ "count, soak not over", L, "PPPP", 9, GATE_STATE_RUNNING },
		{ "failures limit-1", L, "F", 9, GATE_STATE_RUNNING },
		{ "failures limit", L, "FPF", 9, GATE_STATE_RUNNING },
		{ "failures limit+1", L, "FPFF", 9, GATE_STATE_FAIL },
		{ "failures limit+1 spread over more than count", L, "FPPFPF", 9,
			GATE_STATE_RUNNING },
		{ "failures at the limit, then enough passes", L, "FFPPPP", 0, GATE_STATE_PASS },
		{ "FAIL is final", L, "FFFPPPPPPPP", 0, GATE_STATE_FAIL },
		{ "FAIL after count passes, soak not over", L, "PPPPFFF", 9, GATE_STATE_FAIL },
		{ "no data does not dilute failures", L, "FNFNNF", 9, GATE_STATE_FAIL },
		{ "no data limit-1", L, "PN", 9, GATE_STATE_RUNNING },
		{ "no data limit", L, "PNN", 9, GATE_STATE_RUNNING },
		{ "no data limit+1", L, "PNNN", 9, GATE_STATE_HELD, GATE_HOLD_NO_DATA },
		{ "data is back", L, "PNNNP", 9, GATE_STATE_RUNNING },
		{ "errors limit-1", L, "EE", 9, GATE_STATE_RUNNING },
		{ "errors limit", L, "EEE", 9, GATE_STATE_RUNNING },
		{ "errors limit+1", L, "EEEE", 9, GATE_STATE_HELD, GATE_HOLD_ERROR },
		{ "errors and no data in turn", L, "ENENEN", 9, GATE_STATE_HELD,
			GATE_HOLD_NO_DATA },
		{ "inconclusive limit-1", L, "PPPP", 0, GATE_STATE_PASS },
		{ "inconclusive limit", L, "PPPIP", 0, GATE_STATE_PASS },
		{ "inconclusive limit+1", L, "PPPPIIP", 0, GATE_STATE_HELD,
			GATE_HOLD_INCONCLUSIVE },
		{ "inconclusive in mid-soak", L, "IIIII", 9, GATE_STATE_RUNNING },
		{ "never passing", L, "IIIIIII", 0, GATE_STATE_HELD, GATE_HOLD_INCONCLUSIVE },
		{ "clears itself", L, "IIIIIIIPPPP", 0, GATE_STATE_PASS },
	};
	run_cases(cases, G_N_ELEMENTS(cases));
}

static void test_never_merged(void)
{
	static const JudgeCase cases[] = {
		{ "G42 no look at all", "", "", 0, GATE_STATE_RUNNING },
		{ "G43 all errors", ",\"consecutiveErrorLimit\":9", "EEEEEE", 0,
			GATE_STATE_RUNNING },
		{ "G43 all errors past the limit", "", "EEEEEE", 0, GATE_STATE_HELD,
			GATE_HOLD_ERROR },
		{ "all no data", "", "NNN", 0, GATE_STATE_HELD, GATE_HOLD_NO_DATA },
		{ "limit 0: one is enough", ",\"noDataLimit\":0", "N", 0, GATE_STATE_HELD,
			GATE_HOLD_NO_DATA },
		{ "enough passes, but dark at the end", "", "PPPN", 0, GATE_STATE_RUNNING },
		{ "dark, then light", "", "PPPNP", 0, GATE_STATE_PASS },
		{ "dark is not FAIL, however long", "", "NNNNNNNNNNEEEEEEEEEE", 0, GATE_STATE_HELD,
			GATE_HOLD_NO_DATA },
		{ "pending counts for nothing", "", "WWWW", 0, GATE_STATE_RUNNING },
		{ "pending, then pass", "", "WWWWP", 0, GATE_STATE_PASS },
		{ "pending ends a dark row", "", "NNWNN", 0, GATE_STATE_RUNNING },
		{ "failureLimit 0", "", "F", 9, GATE_STATE_FAIL },
	};
	run_cases(cases, G_N_ELEMENTS(cases));
}

/* In a soak the looks go on beyond what is needed. */
static void test_counted(void)
{
	g_autoptr(Gate) g = parse("{" Q ",\"count\":2,\"interval\":\"30s\"}");
	Look looks[4];
	for (int i = 0; i < 4; i++)
		looks[i] = (Look){ (30 * i + 1) * SEC, LOOK_PASS, 0 };
	GateJudgement j = gate_judge(g, looks, 1, 0, 150 * SEC, 31 * SEC);
	g_assert_cmpstr(j.reason, ==, "1 of 2 passing looks, 1m59s of soak left");
	j = gate_judge(g, looks, 4, 0, 150 * SEC, 92 * SEC);
	g_assert_cmpstr(j.reason, ==, "4 passing looks, 2 needed, 58s of soak left");
	j = gate_judge(g, looks, 4, 0, 92 * SEC, 93 * SEC);
	g_assert_cmpstr(j.reason, ==, "PASS: 4 passing looks, 2 needed");
	j = gate_judge(g, looks, 2, 0, 32 * SEC, 33 * SEC);
	g_assert_cmpstr(j.reason, ==, "PASS: 2 of 2 passing looks");
}

/* G46: what was seen before the settle time counts for nothing, not even FAIL. */
static void test_settle(void)
{
	g_autoptr(Gate) g = parse("{" Q ",\"settle\":\"10m\",\"interval\":\"30s\"}");
	Look looks[] = { { 599 * SEC, LOOK_FAIL, 9 }, { 600 * SEC, LOOK_PASS, 0 } };
	GateJudgement j = gate_judge(g, NULL, 0, 0, 0, 0);
	g_assert_cmpint(j.next_look_usec, ==, 600 * SEC);
	g_assert_cmpstr(j.reason, ==, "0 of 1 passing looks, 10m until it settled");
	j = gate_judge(g, looks, 1, 0, 0, 599 * SEC);
	g_assert_cmpint(j.state, ==, GATE_STATE_RUNNING);
	g_assert_cmpint(j.n_looks, ==, 0);
	g_assert_cmpint(j.next_look_usec, ==, 600 * SEC);
	j = gate_judge(g, looks, 2, 0, 700 * SEC, 601 * SEC);
	g_assert_cmpint(j.state, ==, GATE_STATE_RUNNING);
	g_assert_cmpint(j.next_look_usec, ==, 630 * SEC);
	j = gate_judge(g, looks, 2, 0, 700 * SEC, 700 * SEC);
	g_assert_cmpint(j.state, ==, GATE_STATE_PASS);
}

/* G47: the same looks give the same judgement, and each prefix that failed stays failed. */
static void test_replay(void)
{
	g_autoptr(Gate) g = parse("{" BASE ",\"count\":3,\"failureLimit\":1}");
	g_autoptr(GRand) rand = g_rand_new_with_seed(7);
	for (int round = 0; round < 500; round++) {
		Look looks[30];
		bool failed = false;
		for (size_t n = 0; n < G_N_ELEMENTS(looks); n++) {
			looks[n] = (Look){ (int64_t)n * 60 * SEC,
				(LookVerdict)g_rand_int_range(rand, 0, 6), 0 };
			int64_t now = looks[n].at_usec + 1;
			GateJudgement a = gate_judge(g, looks, n + 1, 0, 0, now);
			GateJudgement b = gate_judge(g, looks, n + 1, 0, 0, now);
			g_assert_true(a.state == b.state && a.hold == b.hold);
			g_assert_cmpstr(a.reason, ==, b.reason);
			g_assert_true(!failed || a.state == GATE_STATE_FAIL);
			failed = a.state == GATE_STATE_FAIL;
			if (a.state == GATE_STATE_PASS)
				g_assert_cmpint(a.n_pass, >=, 3);
		}
	}
}

typedef struct LookCase {
	const char *name, *gate;
	double values[4];
	size_t n;
	LookVerdict want;
	double value;
	const char *text;
} LookCase;

#define N0 "\"name\":\"g\",\"when\":[\"soak\"],\"query\":\"x\""

static void test_look(void)
{
	static const LookCase cases[] = {
		{ "pass alone, met", N0 ",\"pass\":{\"atMost\":1}", { 1 }, 1, LOOK_PASS, 1,
			"1 (pass: atMost 1)" },
		{ "pass alone, missed", N0 ",\"pass\":{\"atMost\":1}", { 1.5 }, 1, LOOK_FAIL, 1.5,
			"1.5 (pass: atMost 1)" },
		{ "fail alone, met", N0 ",\"fail\":{\"above\":1}", { 1.5 }, 1, LOOK_FAIL, 1.5,
			"1.5 (fail: above 1)" },
		{ "fail alone, missed", N0 ",\"fail\":{\"above\":1}", { 1 }, 1, LOOK_PASS, 1,
			NULL },
		{ "between", N0 ",\"pass\":{\"atMost\":1},\"fail\":{\"above\":5}", { 3 }, 1,
			LOOK_INCONCLUSIVE, 3, "3 (pass: atMost 1, fail: above 5)" },
		{ "both", N0 ",\"pass\":{\"atMost\":9},\"fail\":{\"above\":5}", { 7 }, 1,
			LOOK_ERROR, 7, "7 meets both pass (atMost 9) and fail (above 5)" },
		{ "range", N0 ",\"pass\":{\"above\":1,\"below\":3}", { 2 }, 1, LOOK_PASS, 2, NULL },
		{ "range, edge", N0 ",\"pass\":{\"above\":1,\"below\":3}", { 3 }, 1, LOOK_FAIL, 3,
			NULL },
		{ "equals", N0 ",\"pass\":{\"equals\":0}", { 0 }, 1, LOOK_PASS, 0, NULL },
		{ "notEquals", N0 ",\"fail\":{\"notEquals\":0}", { 0 }, 1, LOOK_PASS, 0, NULL },
		{ "atLeast", N0 ",\"pass\":{\"atLeast\":2}", { 2 }, 1, LOOK_PASS, 2, NULL },
		{ "G04 none", N0 ",\"pass\":{\"atMost\":1}", { 0 }, 0, LOOK_NODATA, NAN,
			"answered with 0 series" },
		{ "G05 two", N0 ",\"pass\":{\"atMost\":1}", { 0, 0 }, 2, LOOK_ERROR, NAN,
			"answered with 2 series, reduce is one" },
		{ "G06 NaN is no pass of a fail-only gate", N0 ",\"fail\":{\"above\":1}", { NAN },
			1, LOOK_NODATA, NAN, "a value is NaN or infinite" },
		{ "G06 infinite", N0 ",\"fail\":{\"above\":1}", { INFINITY }, 1, LOOK_NODATA, NAN,
			NULL },
		{ "all, one fails", N0 ",\"reduce\":\"all\",\"pass\":{\"atMost\":1}", { 0, 2, 1 },
			3, LOOK_FAIL, 2, NULL },
		{ "all", N0 ",\"reduce\":\"all\",\"pass\":{\"atMost\":1}", { 0, 1 }, 2, LOOK_PASS,
			0, NULL },
		{ "all of none", N0 ",\"reduce\":\"all\",\"pass\":{\"atMost\":1}", { 0 }, 0,
			LOOK_NODATA, NAN, NULL },
		{ "all, one NaN", N0 ",\"reduce\":\"all\",\"pass\":{\"atMost\":1}", { 0, NAN }, 2,
			LOOK_NODATA, NAN, NULL },
		{ "any", N0 ",\"reduce\":\"any\",\"pass\":{\"atMost\":1}", { 9, 1 }, 2, LOOK_PASS,
			1, NULL },
		{ "any, none", N0 ",\"reduce\":\"any\",\"pass\":{\"atMost\":1}", { 9, 8 }, 2,
			LOOK_FAIL, 9, NULL },
		{ "max", N0 ",\"reduce\":\"max\",\"pass\":{\"atMost\":1}", { 0, 5, 1 }, 3,
			LOOK_FAIL, 5, NULL },
		{ "min", N0 ",\"reduce\":\"min\",\"pass\":{\"atMost\":1}", { 3, 1, 2 }, 3,
			LOOK_PASS, 1, NULL },
		{ "sum", N0 ",\"reduce\":\"sum\",\"pass\":{\"equals\":6}", { 3, 1, 2 }, 3,
			LOOK_PASS, 6, NULL },
		{ "sum overflows", N0 ",\"reduce\":\"sum\",\"fail\":{\"below\":0}",
			{ 1e308, 1e308 }, 2, LOOK_NODATA, NAN, NULL },
		{ "count", N0 ",\"reduce\":\"count\",\"pass\":{\"equals\":2}", { NAN, 1 }, 2,
			LOOK_PASS, 2, NULL },
		{ "count of none is a number", N0 ",\"reduce\":\"count\",\"pass\":{\"equals\":0}",
			{ 0 }, 0, LOOK_PASS, 0, NULL },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		const LookCase *c = &cases[i];
		g_autofree char *json = g_strdup_printf("{%s}", c->gate);
		g_autoptr(Gate) g = parse(json);
		GateReading r = {
			.values = c->values, .n_values = c->n, .age_usec = -1, .samples = NAN
		};
		char text[GATE_TEXT_MAX];
		Look look = gate_look(g, &r, 42, text);
		g_test_message("%s: %s", c->name, text);
		g_assert_cmpint(look.verdict, ==, c->want);
		g_assert_cmpint(look.at_usec, ==, 42);
		g_assert_true(isnan(c->value) ? isnan(look.value) : look.value == c->value);
		if (c->text)
			g_assert_cmpstr(text, ==, c->text);
	}
}

static void test_preconditions(void)
{
	g_autoptr(Gate) g = parse("{" N0 ",\"pass\":{\"atMost\":1},\"maxAge\":\"2m\","
				  "\"minSamples\":10,\"minSamplesQuery\":\"y\"}");
	double v = 0;
	static const struct {
		const char *error, *no_data;
		int64_t age_sec;
		double samples;
		LookVerdict want;
		const char *text;
	} cases[] = {
		{ NULL, NULL, 0, 10, LOOK_PASS, "0 (pass: atMost 1)" },
		{ "refused", NULL, 0, 10, LOOK_ERROR, "refused" },
		{ NULL, "partial", 0, 10, LOOK_NODATA, "partial" },
		{ NULL, NULL, 120, 10, LOOK_PASS, NULL },
		{ NULL, NULL, 121, 10, LOOK_NODATA, "the newest sample is 2m01s old (maxAge 2m)" },
		{ NULL, NULL, -1, 10, LOOK_PASS, NULL },
		{ NULL, NULL, 0, 9.99, LOOK_NODATA, "9.99 samples in the window (minSamples 10)" },
		{ NULL, NULL, 0, 0, LOOK_NODATA, "0 samples in the window (minSamples 10)" },
		{ NULL, NULL, 0, NAN, LOOK_NODATA, "minSamplesQuery gave no number" },
	};
	/* G21: the target has vanished. */
	GateReading lost = {
		.values = &v, .n_values = 1, .age_usec = GATE_AGE_UNKNOWN, .samples = 10
	};
	g_assert_cmpint(gate_look(g, &lost, 0, NULL).verdict, ==, LOOK_NODATA);
	g_autoptr(Gate) count = parse("{" N0 ",\"reduce\":\"count\",\"pass\":{\"equals\":0}}");
	lost.n_values = 0;
	g_assert_cmpint(gate_look(count, &lost, 0, NULL).verdict, ==, LOOK_PASS);
	lost.n_values = 1;
	g_assert_cmpint(gate_look(count, &lost, 0, NULL).verdict, ==, LOOK_NODATA);
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		GateReading r = { cases[i].error, cases[i].no_data, &v, 1,
			cases[i].age_sec < 0 ? -1 : cases[i].age_sec * SEC, cases[i].samples };
		char text[GATE_TEXT_MAX];
		Look look = gate_look(g, &r, 0, text);
		g_assert_cmpint(look.verdict, ==, cases[i].want);
		if (cases[i].text)
			g_assert_cmpstr(text, ==, cases[i].text);
	}
}

/* G44, G45. */
static void test_sum(void)
{
	g_autoptr(Gate) hold = parse("{" Q "}");
	g_autoptr(Gate) halt = parse("{" Q ",\"onFail\":\"halt\"}");
	g_autoptr(Gate) roll = parse("{" Q ",\"onFail\":\"rollback\"}");
	g_autoptr(Gate) dry = parse("{" Q ",\"onFail\":\"rollback\",\"dryRun\":true}");
	const Gate *gates[] = { hold, halt, roll, dry };
	static const GateState P = GATE_STATE_PASS, R = GATE_STATE_RUNNING, H = GATE_STATE_HELD,
			       F = GATE_STATE_FAIL;
	const struct {
		GateState in[4], want;
		size_t decisive;
		GateOnFail on_fail;
	} cases[] = {
		{ { P, P, P, P }, P, 4, ON_FAIL_HOLD },
		{ { P, R, P, P }, R, 1, ON_FAIL_HOLD },
		{ { R, P, H, P }, H, 2, ON_FAIL_HOLD },
		{ { F, H, P, P }, F, 0, ON_FAIL_HOLD },
		{ { F, F, P, P }, F, 1, ON_FAIL_HALT },
		{ { F, P, F, P }, F, 2, ON_FAIL_ROLLBACK },
		{ { P, F, F, P }, F, 2, ON_FAIL_ROLLBACK },
		{ { P, P, P, F }, P, 4, ON_FAIL_HOLD },
		{ { P, P, P, R }, P, 4, ON_FAIL_HOLD },
		{ { P, H, P, F }, H, 1, ON_FAIL_HOLD },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		GateJudgement js[4] = { 0 };
		for (size_t k = 0; k < 4; k++) {
			js[k].state = cases[i].in[k];
			js[k].next_look_usec = (int64_t)(10 + k);
		}
		GateSum sum = gates_sum(gates, js, 4);
		g_assert_cmpint(sum.state, ==, cases[i].want);
		g_assert_cmpint(sum.on_fail, ==, cases[i].on_fail);
		g_assert_cmpint(sum.next_look_usec, ==, 10);
		if (sum.state != GATE_STATE_PASS)
			g_assert_cmpuint(sum.decisive, ==, cases[i].decisive);
	}
	GateSum none = gates_sum(NULL, NULL, 0);
	g_assert_cmpint(none.state, ==, GATE_STATE_PASS);
	g_assert_cmpint(gate_consequence(ON_FAIL_ROLLBACK, ON_FAIL_HOLD), ==, ON_FAIL_HOLD);
	g_assert_cmpint(gate_consequence(ON_FAIL_HALT, ON_FAIL_ROLLBACK), ==, ON_FAIL_HALT);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/judge/limits", test_limits);
	g_test_add_func("/judge/never-merged", test_never_merged);
	g_test_add_func("/judge/counted", test_counted);
	g_test_add_func("/judge/settle", test_settle);
	g_test_add_func("/judge/replay", test_replay);
	g_test_add_func("/judge/look", test_look);
	g_test_add_func("/judge/preconditions", test_preconditions);
	g_test_add_func("/judge/sum", test_sum);
	return g_test_run();
}
