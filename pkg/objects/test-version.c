#include "objects/version.h"
#include <limits.h>

static void test_parse(void)
{
	static const struct {
		const char *text, *want; /* want NULL: refused */
	} cases[] = {
		{ "4.21.10", "4.21.10" },
		{ "v1.36.3", "1.36.3" },
		{ "4.22.0-rc.2", "4.22.0-rc.2" },
		{ "1.36.3+k3s1", "1.36.3" },
		{ "1.0.0-a.b-c.0+b.01", "1.0.0-a.b-c.0" },
		{ "0.0.0", "0.0.0" },
		{ "4.21", NULL },
		{ "4", NULL },
		{ "4.21.10.1", NULL },
		{ "4.021.1", NULL },
		{ "4.21.x", NULL },
		{ "vv1.2.3", NULL },
		{ "1.2.3-", NULL },
		{ "1.2.3-01", NULL },
		{ "1.2.3-a..b", NULL },
		{ "1.2.3+", NULL },
		{ " 1.2.3", NULL },
		{ "1.2.3 ", NULL },
		{ "1000000.0.0", NULL },
		{ "99999999999999.0.0", NULL },
		{ "", NULL },
		{ NULL, NULL },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s", cases[i].text ? cases[i].text : "NULL");
		Version v;
		g_assert_true(version_parse(cases[i].text, &v) == (cases[i].want != NULL));
		if (!cases[i].want)
			continue;
		g_autofree char *text = version_format(&v);
		g_assert_cmpstr(text, ==, cases[i].want);
	}
	g_autofree char *fill = g_strnfill(VERSION_PRE_MAX + 1, 'a');
	g_autofree char *too_long = g_strdup_printf("1.2.3-%s", fill);
	Version v;
	g_assert_false(version_parse(too_long, &v));
}

/* Ascending; each is compared with each. The pre-releases are the list of semver.org. */
static void test_order(void)
{
	static const char *const order[] = { "", "4.21", "nonsense", "1.0.0-alpha", "1.0.0-alpha.1",
		"1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1",
		"1.0.0", "1.0.1", "1.9.0", "1.10.0", "4.20.16", "4.21.9", "4.21.10", "10.0.0" };
	for (size_t a = 0; a < G_N_ELEMENTS(order); a++)
		for (size_t b = 0; b < G_N_ELEMENTS(order); b++) {
			int c = version_compare_text(order[a], order[b]);
			g_assert_cmpint((c > 0) - (c < 0), ==, (a > b) - (a < b));
		}
	g_assert_cmpint(version_compare_text("v1.2.3+a", "1.2.3+b"), ==, 0);
	g_assert_cmpint(version_compare_text(NULL, ""), ==, 0);
}

static void test_minor(void)
{
	static const struct {
		const char *from, *to;
		int want;
	} cases[] = {
		{ "4.21.8", "4.21.10", 0 },
		{ "4.20.16", "4.21.10", 1 },
		{ "4.21.10", "4.19.0", -2 },
		{ "4.21.0", "5.0.0", INT_MAX },
		{ "5.0.0", "4.21.0", INT_MIN },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		Version from, to;
		g_assert_true(version_parse(cases[i].from, &from));
		g_assert_true(version_parse(cases[i].to, &to));
		g_assert_cmpint(version_minor_distance(&from, &to), ==, cases[i].want);
	}
	Version v;
	g_assert_true(version_parse_minor("v1.36", &v));
	g_assert_true(v.major == 1 && v.minor == 36 && v.patch == 0);
	g_assert_false(version_parse_minor("1.36.3", &v));
	g_assert_false(version_parse_minor("1", &v));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/version/parse", test_parse);
	g_test_add_func("/version/order", test_order);
	g_test_add_func("/version/minor", test_minor);
	return g_test_run();
}
