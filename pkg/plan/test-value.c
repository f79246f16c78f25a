#include "plan/value.h"

static const struct {
	const char *text;
	bool label, percent, clock;
} texts[] = {
	{ "a", true, false, false },
	{ "ocp-test1", true, false, false },
	{ "", false, false, false },
	{ "-a", false, false, false },
	{ "a-", false, false, false },
	{ "A", false, false, false },
	{ "a.b", false, false, false },
	{ "a23456789012345678901234567890123456789012345678901234567890123", true, false, false },
	{ "a234567890123456789012345678901234567890123456789012345678901234", false, false, false },
	{ "10%", false, true, false },
	{ "99.95%", false, true, false },
	{ "100%", false, true, false },
	{ "100.1%", false, false, false },
	{ "10", true, false, false },
	{ "%", false, false, false },
	{ "1.%", false, false, false },
	{ "-1%", false, false, false },
	{ "00:00", false, false, true },
	{ "23:59", false, false, true },
	{ "24:00", false, false, false },
	{ "8:00", false, false, false },
	{ "08:60", false, false, false },
	{ "08-00", true, false, false },
};

static void test_texts(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		double percent;
		int minutes;
		g_test_message("%s", texts[i].text);
		g_assert_true(doc_label_ok(texts[i].text) == texts[i].label);
		g_assert_true(doc_percent(texts[i].text, &percent) == texts[i].percent);
		g_assert_true(doc_clock(texts[i].text, &minutes) == texts[i].clock);
	}
	int minutes = 0;
	g_assert_true(doc_clock("08:30", &minutes));
	g_assert_cmpint(minutes, ==, 510);
	g_assert_cmpint(doc_duration_sec("3h", -1), ==, 10800);
	g_assert_cmpint(doc_duration_sec("3 h", -1), ==, -1);
	g_assert_cmpint(doc_duration_sec(NULL, 7), ==, 7);
}

static const struct {
	const char *text;
	bool key, value;
} labels[] = {
	{ "stage", true, true },
	{ "", false, true },
	{ "app.kubernetes.io/name", true, false },
	{ "A_b.c-d", true, true },
	{ "-a", false, false },
	{ "a.", false, false },
	{ "/a", false, false },
	{ "a/", false, false },
	{ "a/b/c", false, false },
	{ "Upper.case/a", false, false },
	{ "two words", false, false },
	{ "a23456789012345678901234567890123456789012345678901234567890123", true, true },
	{ "a234567890123456789012345678901234567890123456789012345678901234", false, false },
};

static void test_labels(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(labels); i++) {
		g_test_message("%s", labels[i].text);
		g_assert_true(doc_label_key_ok(labels[i].text) == labels[i].key);
		g_assert_true(doc_label_value_ok(labels[i].text) == labels[i].value);
	}
}

static const struct {
	const char *a, *b;
	int limit, want;
} distances[] = {
	{ "name", "names", 2, 1 },
	{ "names", "name", 2, 1 },
	{ "traget", "target", 2, 1 }, /* neighbours swapped */
	{ "timezone", "timeZone", 2, 0 },
	{ "kitten", "sitting", 3, 3 },
	{ "kitten", "sitting", 2, 3 },
	{ "", "ab", 2, 2 },
	{ "abc", "xyz", 1, 2 },
};

static void test_distance(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(distances); i++) {
		int got = doc_distance(distances[i].a, distances[i].b, distances[i].limit);
		g_test_message("%s %s", distances[i].a, distances[i].b);
		g_assert_cmpint(got, ==, distances[i].want);
	}
	Nearest near = { .wanted = "gats" };
	nearest_try(&near, "drain");
	g_assert_null(near.best);
	nearest_try(&near, "gate");
	nearest_try(&near, "gates");
	nearest_try(&near, "gats2");
	g_assert_cmpstr(near.best, ==, "gate"); /* the first of equals */
}

static void collect(const char *name, void *ud)
{
	g_string_append_printf(ud, "<%s>", name);
}

static void test_placeholders(void)
{
	static const struct {
		const char *text, *want;
		bool ok;
	} cases[] = {
		{ "none", "", true },
		{ "{{a}} and {{ b }}", "<a><b>", true },
		{ "{single}", "", true },
		{ "{{}}", "<>", true },
		{ "{{a}} {{open", "<a>", false },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GString) got = g_string_new(NULL);
		g_assert_true(doc_placeholders(cases[i].text, collect, got) == cases[i].ok);
		g_assert_cmpstr(got->str, ==, cases[i].want);
	}
}

static const char *fill_value(const char *name, void *ud)
{
	if (strcmp(name, "a") == 0)
		return "{{b}}"; /* is not replaced again */
	return strcmp(name, "b") == 0 ? "B" : NULL;
}

static void test_fill(void)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "", "" },
		{ "plain", "plain" },
		{ "{{b}}", "B" },
		{ "x{{ b }}y{{b}}z", "xByBz" },
		{ "{{a}}{{b}}", "{{b}}B" },
		{ "{{c}} {{b}}", "{{c}} B" },
		{ "{{b}} {{open", "B {{open" },
		{ "}} {{}}", "}} {{}}" },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s", cases[i].text);
		g_autofree char *got = doc_fill(cases[i].text, fill_value, NULL);
		g_assert_cmpstr(got, ==, cases[i].want);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/value/texts", test_texts);
	g_test_add_func("/value/labels", test_labels);
	g_test_add_func("/value/distance", test_distance);
	g_test_add_func("/value/placeholders", test_placeholders);
	g_test_add_func("/value/fill", test_fill);
	return g_test_run();
}
