#include "objects/time.h"

static void test_parse(void)
{
	static const struct {
		const char *text;
		bool ok;
		int64_t usec;
	} cases[] = {
		{ "1970-01-01T00:00:00Z", true, 0 },
		{ "1970-01-01T00:00:00.000001Z", true, 1 },
		{ "1970-01-01T00:00:01.5Z", true, 1500000 },
		{ "1970-01-01T00:00:00.123456789Z", true, 123456 },
		{ "1969-12-31T23:59:59Z", true, -1000000 },
		{ "2026-11-20T08:16:07Z", true, 1795162567 * (int64_t)1000000 },
		{ "2026-11-20T03:16:07-05:00", true, 1795162567 * (int64_t)1000000 },
		{ "2026-11-20T13:46:07+05:30", true, 1795162567 * (int64_t)1000000 },
		{ "2024-02-29T00:00:00Z", true, 1709164800 * (int64_t)1000000 },
		{ "2023-02-29T00:00:00Z", false },
		{ "1900-02-29T00:00:00Z", false },
		{ "2000-02-29T00:00:00Z", true, 951782400 * (int64_t)1000000 },
		{ "2026-13-01T00:00:00Z", false },
		{ "2026-00-01T00:00:00Z", false },
		{ "2026-04-31T00:00:00Z", false },
		{ "0000-01-01T00:00:00Z", false },
		{ "2026-11-20T24:00:00Z", false },
		{ "2026-11-20T23:59:60Z", false },
		{ "2026-11-20T08:16:07", false },
		{ "2026-11-20 08:16:07Z", false },
		{ "2026-11-20t08:16:07z", false },
		{ "2026-11-20T08:16:07.Z", false },
		{ "2026-11-20T08:16:07.1234567890Z", false },
		{ "2026-11-20T08:16:07ZZ", false },
		{ "2026-11-20T08:16:07+0530", false },
		{ "2026-11-20T08:16:07+24:00", false },
		{ "", false },
		{ NULL, false },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s", cases[i].text ? cases[i].text : "NULL");
		int64_t usec = 42;
		g_assert_true(sl_time_parse(cases[i].text, &usec) == cases[i].ok);
		g_assert_cmpint(usec, ==, cases[i].ok ? cases[i].usec : 42);
	}
}

static void test_format(void)
{
	static const struct {
		int64_t usec;
		const char *sec, *micro;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000Z" },
		{ -1, "1969-12-31T23:59:59Z", "1969-12-31T23:59:59.999999Z" },
		{ 1795162567 * (int64_t)1000000 + 42, "2026-11-20T08:16:07Z",
			"2026-11-20T08:16:07.000042Z" },
		{ INT64_MAX, "9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999999Z" },
		{ INT64_MIN, "0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z" },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *sec = sl_time_format(cases[i].usec);
		g_autofree char *micro = sl_time_format_micro(cases[i].usec);
		g_assert_cmpstr(sec, ==, cases[i].sec);
		g_assert_cmpstr(micro, ==, cases[i].micro);
	}
}

/* Every day of 800 years follows the one before, and both directions agree. */
static void test_days(void)
{
	int64_t expect = sl_date_to_days(1600, 1, 1);
	for (int y = 1600; y < 2400; y++)
		for (int m = 1; m <= 12; m++)
			for (int d = 1; d <= sl_date_month_days(y, m); d++, expect++) {
				int ry, rm, rd;
				g_assert_cmpint(sl_date_to_days(y, m, d), ==, expect);
				sl_date_from_days(expect, &ry, &rm, &rd);
				g_assert_true(ry == y && rm == m && rd == d);
			}
	int64_t days;
	g_assert_true(sl_date_parse("2027-06-01", &days));
	g_assert_cmpint(days, ==, sl_date_to_days(2027, 6, 1));
	g_assert_false(sl_date_parse("2027-06-31", &days));
	g_assert_false(sl_date_parse("2027-06-01T", &days));
}

static void test_duration(void)
{
	static const struct {
		const char *text;
		int64_t sec; /* -1: refused */
	} cases[] = {
		{ "90s", 90 },
		{ "15m", 900 },
		{ "3h", 10800 },
		{ "7d", 604800 },
		{ "0s", 0 },
		{ "36500d", (int64_t)36500 * 86400 },
		{ "36601d", -1 },
		{ "99999999999999999999s", -1 },
		{ "9223372036854775807d", -1 },
		{ "1h30m", -1 },
		{ "-5m", -1 },
		{ "+5m", -1 },
		{ "1.5h", -1 },
		{ "5", -1 },
		{ "m", -1 },
		{ "5 m", -1 },
		{ "5w", -1 },
		{ "", -1 },
		{ NULL, -1 },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s", cases[i].text ? cases[i].text : "NULL");
		int64_t sec = -1;
		g_assert_true(sl_duration_parse(cases[i].text, &sec) == (cases[i].sec >= 0));
		g_assert_cmpint(sec, ==, cases[i].sec);
	}
}

static void test_duration_texts(void)
{
	static const struct {
		int64_t sec;
		const char *human, *document;
	} cases[] = {
		{ 0, "0s", "0s" },
		{ 45, "45s", "45s" },
		{ 60, "1m", "1m" },
		{ 90, "1m30s", "90s" },
		{ 18 * 60, "18m", "18m" },
		{ 18 * 60 + 5, "18m", "1085s" },
		{ 6600, "1h50m", "110m" },
		{ 7500, "2h05m", "125m" },
		{ 7501, "2h05m", "7501s" },
		{ 86400, "1d", "1d" },
		{ 273600, "3d04h", "76h" },
		{ 12 * 86400 + 7200, "12d", "290h" },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *human = sl_duration_human(cases[i].sec);
		g_autofree char *document = sl_duration_format(cases[i].sec);
		g_assert_cmpstr(human, ==, cases[i].human);
		g_assert_cmpstr(document, ==, cases[i].document);
		int64_t back;
		g_assert_true(sl_duration_parse(document, &back));
		g_assert_cmpint(back, ==, cases[i].sec);
	}
	g_autofree char *negative = sl_duration_human(-3);
	g_assert_cmpstr(negative, ==, "0s");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/time/parse", test_parse);
	g_test_add_func("/time/format", test_format);
	g_test_add_func("/time/days", test_days);
	g_test_add_func("/time/duration", test_duration);
	g_test_add_func("/time/duration-texts", test_duration_texts);
	return g_test_run();
}
