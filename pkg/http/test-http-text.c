#include "http/http-text.h"
#include <string.h>

/* 2026-05-04 10:00:00 UTC */
static const int64_t wall = INT64_C(1777888800) * G_USEC_PER_SEC;

static void test_retry_after(void)
{
	static const struct {
		const char *in;
		int want;
	} cases[] = {
		{ "1", 1 },
		{ " 10 ", 10 },
		{ "0", 0 },
		{ "99999999999999999999999", HTTP_RETRY_AFTER_MAX_SEC },
		{ "12x", -1 },
		{ "-5", -1 },
		{ "", -1 },
		{ "soon", -1 },
		{ "Mon, 04 May 2026 10:00:30 GMT", 30 },
		{ "Mon, 04 May 2026 09:59:30 GMT", 0 },
		{ "Mon, 04 May 2027 10:00:00 GMT", HTTP_RETRY_AFTER_MAX_SEC },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s", cases[i].in);
		g_assert_cmpint(http_retry_after(cases[i].in, wall), ==, cases[i].want);
	}
	/* Half a second is a whole one: never too early. */
	g_assert_cmpint(http_retry_after("Mon, 04 May 2026 10:00:01 GMT", wall + 500000), ==, 1);
}

static void test_warning(void)
{
	static const struct {
		const char *in, *want;
	} cases[] = {
		{ "299 - \"unknown field \\\"spec.x\\\"\"", "unknown field \"spec.x\"" },
		{ "299 - \"a\" \"Mon, 04 May 2026 10:00:30 GMT\"", "a" },
		{ "  bare ", "bare" },
		{ "299 - \"open", "open" },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *got = http_warning_text(cases[i].in);
		g_assert_cmpstr(got, ==, cases[i].want);
	}
}

static void test_header_safe(void)
{
	g_assert_true(http_header_is_safe("Impersonate-User", "system:serviceaccount:a:b"));
	g_assert_true(http_header_is_safe("X-A", ""));
	g_assert_false(http_header_is_safe("X-A", "a\r\nB: c"));
	g_assert_false(http_header_is_safe("X-A", "a\nB: c"));
	g_assert_false(http_header_is_safe("X A", "a"));
	g_assert_false(http_header_is_safe("X:A", "a"));
	g_assert_false(http_header_is_safe("", "a"));
}

/* Adds text in two pieces and joins what comes out with '|'. */
static char *split_at(const char *text, size_t cut)
{
	HttpLines l = { .max_bytes = 100 };
	GString *out = g_string_new(NULL);
	size_t n = strlen(text), len;
	const char *const from[] = { text, text + cut };
	const size_t lens[] = { cut, n - cut };
	for (int i = 0; i < 2; i++) {
		g_assert_true(http_lines_add(&l, from[i], lens[i]));
		for (char *line; (line = http_lines_next(&l, &len));) {
			g_assert_cmpuint(strlen(line), ==, len);
			g_string_append_printf(out, "%s|", line);
		}
	}
	g_string_append_printf(out, "+%zu", http_lines_rest(&l));
	http_lines_clear(&l);
	return g_string_free(out, FALSE);
}

static void test_lines_any_cut(void)
{
	static const char text[] = "one\n\ntwo\r\nthree four\nrest";
	for (size_t cut = 0; cut <= strlen(text); cut++) {
		g_autofree char *got = split_at(text, cut);
		g_assert_cmpstr(got, ==, "one||two|three four|+4");
	}
}

static void test_lines_bound(void)
{
	HttpLines l = { .max_bytes = 4 };
	size_t len;
	g_assert_true(http_lines_add(&l, "1234\n1234", 9));
	g_assert_cmpstr(http_lines_next(&l, &len), ==, "1234");
	g_assert_false(http_lines_add(&l, "5\n", 2));
	g_assert_false(http_lines_add(&l, "5", 1));
	g_assert_true(http_lines_add(&l, "\n", 1));
	g_assert_cmpstr(http_lines_next(&l, &len), ==, "1234");
	g_assert_false(http_lines_add(&l, "a\nbcdef\ng", 9));
	g_assert_null(http_lines_next(&l, &len));
	http_lines_clear(&l);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/http-text/retry-after", test_retry_after);
	g_test_add_func("/http-text/warning", test_warning);
	g_test_add_func("/http-text/header-safe", test_header_safe);
	g_test_add_func("/http-text/lines-any-cut", test_lines_any_cut);
	g_test_add_func("/http-text/lines-bound", test_lines_bound);
	return g_test_run();
}
