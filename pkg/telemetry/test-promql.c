#include "telemetry/promql.h"
#include <string.h>

#define M "c=\"a\""

static void test_inject(void)
{
	static const struct {
		const char *query, *want; /* NULL: refused */
	} cases[] = {
		{ "up", "up{" M "}" },
		{ "up{}", "up{" M "}" },
		{ "up{ }", "up{" M "}" },
		{ "up{a=\"b\"}", "up{a=\"b\"," M "}" },
		{ "up{a=\"b\",}", "up{a=\"b\"," M "}" },
		{ "up {a='}'}", "up{a='}'," M "}" },
		{ "{__name__=~\"x.*\"}", "{__name__=~\"x.*\"," M "}" },
		{ "{\"http.requests\", a=`\\`}", "{\"http.requests\", a=`\\`," M "}" },
		{ "up[5m]", "up{" M "}[5m]" },
		{ "rate(up[5m])", "rate(up{" M "}[5m])" },
		{ "rate(up{a=\"b\"}[1h:5m] offset 1d)",
			"rate(up{a=\"b\"," M "}[1h:5m] offset 1d)" },
		{ "up @ start()", "up{" M "} @ start()" },
		{ "up @ 1609746000", "up{" M "} @ 1609746000" },
		{ "sum by (job, up) (up)", "sum by (job, up) (up{" M "})" },
		{ "SUM BY (job) (up)", "SUM BY (job) (up{" M "})" },
		{ "sum(up) by (job)", "sum(up{" M "}) by (job)" },
		{ "sum without() (up)", "sum without() (up{" M "})" },
		{ "a / on (x) group_left (y, z) b",
			"a{" M "} / on (x) group_left (y, z) b{" M "}" },
		{ "a / on (x) group_left b", "a{" M "} / on (x) group_left b{" M "}" },
		{ "a and b or c unless d", "a{" M "} and b{" M "} or c{" M "} unless d{" M "}" },
		{ "a > bool 1e-3", "a{" M "} > bool 1e-3" },
		{ "a + Inf - NaN + 0x1f + .5", "a{" M "} + Inf - NaN + 0x1f + .5" },
		{ "vector(1)", "vector(1)" },
		{ "job:up:sum5m", "job:up:sum5m{" M "}" },
		{ "topk(3, up)", "topk(3, up{" M "})" },
		{ "label_replace(up, \"up\", \"$1\", \"up\", '(.*)')",
			"label_replace(up{" M "}, \"up\", \"$1\", \"up\", '(.*)')" },
		{ "count_values(\"version\", build)", "count_values(\"version\", build{" M "})" },
		{ "up # a comment with metric{\n + down",
			"up{" M "} # a comment with metric{\n + down{" M "}" },
		{ "up{a=\"b\" # x\n}", "up{a=\"b\" # x\n," M "}" },
		{ "sum(rate(h_total{code=\"5xx\"}[15m])) / sum(rate(h_total[15m]))",
			"sum(rate(h_total{code=\"5xx\"," M "}[15m])) / sum(rate(h_total{" M
			"}[15m]))" },
		{ "ALERTS{alertstate=\"firing\"}", "ALERTS{alertstate=\"firing\"," M "}" },
		{ "up{a=\"b\"", NULL },
		{ "up{a=\"b}", NULL },
		{ "up[5m", NULL },
		{ "up]", NULL },
		{ "up}", NULL },
		{ "up{a={}}", NULL },
		{ "x + \"abc", NULL },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s", cases[i].query);
		g_autoptr(GError) err = NULL;
		g_autofree char *out = promql_inject(cases[i].query, M, &err);
		g_assert_cmpstr(out, ==, cases[i].want);
		if (cases[i].want)
			g_assert_no_error(err);
		else
			g_assert_error(err, SL_ERROR, SL_ERR_INVALID);
	}
}

static void test_matcher(void)
{
	static const struct {
		const char *text;
		bool ok;
	} cases[] = {
		{ "cluster=\"site-ocp-prod\"", true },
		{ "a!=\"b\", c=~'d|e' ,f!~`g`", true },
		{ "", false },
		{ "cluster", false },
		{ "cluster=prod", false },
		{ "cluster=\"prod", false },
		{ "cluster=\"prod\",", false },
		{ "cluster=\"a\"} or vector(1) or x{a=\"b\"", false },
		{ "a:b=\"c\"", false },
		{ "cluster>\"a\"", false },
		{ "{a=\"b\"}", false },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s", cases[i].text);
		g_autoptr(GError) err = NULL;
		g_assert_true(promql_matcher_valid(cases[i].text, &err) == cases[i].ok);
		g_assert_true((err == NULL) == cases[i].ok);
	}
}

static void test_freshness(void)
{
	static const struct {
		const char *query, *want;
	} cases[] = {
		{ "vector(1)", NULL },
		{ "up", "max(timestamp(up))" },
		{ "sum(rate(up{a=\"b\"}[15m]))", "max(timestamp(up{a=\"b\"}))" },
		{ "up / up", "max(timestamp(up))" },
		{ "b / a", "min(label_replace(max(timestamp(a)),\"selector\",\"0\",\"\",\"\") or "
			   "label_replace(max(timestamp(b)),\"selector\",\"1\",\"\",\"\"))" },
		{ "a / (a offset 1d)", "max(timestamp(a))" },
		{ "rate(a[5m] offset 1w) + b @ end()", NULL },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s", cases[i].query);
		g_autoptr(GError) err = NULL;
		g_autofree char *out = NULL;
		g_assert_true(promql_freshness(cases[i].query, &out, &err));
		g_assert_cmpstr(out, ==, cases[i].want);
	}
	char *out = NULL;
	g_autoptr(GError) err = NULL;
	g_assert_false(promql_freshness("up{", &out, &err));
	g_assert_error(err, SL_ERROR, SL_ERR_INVALID);
}

static int count(const char *text, const char *part)
{
	int n = 0;
	for (const char *at = strstr(text, part); at; at = strstr(at + 1, part))
		n++;
	return n;
}

/* Texts put together at random: whatever is taken for a selector gets the matcher, and is found
 * again with it; nothing else of the text changes. */
static void test_random(void)
{
	static const char *const parts[] = { "up", "sum", " by ", "(", ")", "{", "}", "a=\"b\"",
		",", "[5m]", " offset 5m", "@", "\"", "'", "`", "\\", " and ", " # x\n", "1e-3",
		"rate(", "[", "]", " ", "job:x", "on(a)", "=", "\xc3\xa4", "bool", "NaN" };
	g_autoptr(GRand) rand = g_rand_new_with_seed(11);
	int n_good = 0;
	for (int round = 0; round < 50000; round++) {
		g_autoptr(GString) q = g_string_new(NULL);
		for (int i = g_rand_int_range(rand, 0, 9); i >= 0; i--)
			g_string_append(
				q, parts[g_rand_int_range(rand, 0, (int)G_N_ELEMENTS(parts))]);
		g_autofree char *once = promql_inject(q->str, "zz=\"1\"", NULL);
		char *fresh = NULL;
		g_assert_true(promql_freshness(q->str, &fresh, NULL) == (once != NULL));
		g_free(fresh);
		if (!once)
			continue;
		n_good++;
		g_autofree char *twice = promql_inject(once, "zz=\"1\"", NULL);
		g_assert_nonnull(twice);
		g_assert_cmpint(count(twice, "zz=\"1\""), ==, 2 * count(once, "zz=\"1\""));
	}
	g_assert_cmpint(n_good, >, 1000);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/promql/inject", test_inject);
	g_test_add_func("/promql/matcher", test_matcher);
	g_test_add_func("/promql/freshness", test_freshness);
	g_test_add_func("/promql/random", test_random);
	return g_test_run();
}
