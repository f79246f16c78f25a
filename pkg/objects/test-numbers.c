#include "objects/intstr.h"
#include "objects/quantity.h"

static void test_intstr(void)
{
	static const struct {
		const char *json;
		bool ok;
		int total, pdb, pool;
		const char *text;
	} cases[] = {
		{ "0", true, 10, 0, 1, "0" },
		{ "1", true, 10, 1, 1, "1" },
		{ "12", true, 10, 12, 12, "12" },
		{ "\"0%\"", true, 10, 0, 1, "0%" },
		{ "\"1%\"", true, 3, 1, 1, "1%" },
		{ "\"10%\"", true, 10, 1, 1, "10%" },
		{ "\"10%\"", true, 11, 2, 1, "10%" },
		{ "\"34%\"", true, 10, 4, 3, "34%" },
		{ "\"50%\"", true, 0, 0, 1, "50%" },
		{ "\"100%\"", true, 7, 7, 7, "100%" },
		{ "-1", false },
		{ "2147483648", false },
		{ "\"5\"", false },
		{ "\"-5%\"", false },
		{ "\"5.5%\"", false },
		{ "\"5%%\"", false },
		{ "\"%\"", false },
		{ "1.5", false },
		{ "null", false },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s", cases[i].json);
		IntStr v;
		json_t *j = json_loads(cases[i].json, JSON_DECODE_ANY, NULL);
		g_assert_true(intstr_from_json(j, &v) == cases[i].ok);
		json_decref(j);
		if (!cases[i].ok)
			continue;
		g_assert_cmpint(intstr_of_pdb(v, cases[i].total), ==, cases[i].pdb);
		g_assert_cmpint(intstr_of_pool(v, cases[i].total), ==, cases[i].pool);
		g_autofree char *text = intstr_format(v);
		g_assert_cmpstr(text, ==, cases[i].text);
	}
}

static void test_quantity(void)
{
	static const struct {
		const char *text;
		bool ok;
		int64_t milli, whole;
	} cases[] = {
		{ "0", true, 0, 0 },
		{ "4", true, 4000, 4 },
		{ "100m", true, 100, 1 },
		{ "1500m", true, 1500, 2 },
		{ "0.5", true, 500, 1 },
		{ ".5", true, 500, 1 },
		{ "1.", true, 1000, 1 },
		{ "1n", true, 1, 1 },
		{ "1Ki", true, 1024000, 1024 },
		{ "1.5Gi", true, 1610612736000, 1610612736 },
		{ "2k", true, 2000000, 2000 },
		{ "12e3", true, 12000000, 12000 },
		{ "12E3", true, 12000000, 12000 },
		{ "5e-3", true, 5, 1 },
		{ "-2", true, -2000, -2 },
		{ "+2", true, 2000, 2 },
		{ "1E", true, INT64_MAX, 1000000000000000000 },
		{ "999999999999Ei", true, INT64_MAX, INT64_MAX },
		{ "", false },
		{ ".", false },
		{ "Gi", false },
		{ "1 Gi", false },
		{ "1GiB", false },
		{ "1.2.3", false },
		{ "1e", false },
		{ "1e99", false },
		{ "1234567890123456", false },
		{ "--1", false },
		{ NULL, false },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s", cases[i].text ? cases[i].text : "NULL");
		int64_t milli, whole;
		g_assert_true(quantity_parse_milli(cases[i].text, &milli) == cases[i].ok);
		g_assert_true(quantity_parse(cases[i].text, &whole) == cases[i].ok);
		if (!cases[i].ok)
			continue;
		g_assert_cmpint(milli, ==, cases[i].milli);
		g_assert_cmpint(whole, ==, cases[i].whole);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/numbers/intstr", test_intstr);
	g_test_add_func("/numbers/quantity", test_quantity);
	return g_test_run();
}
