#include "objects/cron.h"
#include "objects/time.h"

enum { HOUR = 3600 };

static const struct {
	const char *what, *schedule, *zone;
	int64_t duration_sec;
	const char *now;
	bool open;
} cases[] = {
	{ "in the night", "0 22 * * *", NULL, 2 * HOUR, "2026-11-20T23:00:00Z", true },
	{ "its end", "0 22 * * *", NULL, 2 * HOUR, "2026-11-21T00:00:00Z", false },
	{ "a second before its end", "0 22 * * *", NULL, 2 * HOUR, "2026-11-20T23:59:59Z", true },
	{ "before it", "0 22 * * *", NULL, 2 * HOUR, "2026-11-20T21:59:59Z", false },
	{ "over midnight", "0 22 * * *", "", 6 * HOUR, "2026-11-21T03:00:00Z", true },
	{ "in a zone", "0 8 * * *", "America/New_York", HOUR, "2026-11-20T13:30:00Z", true },
	{ "in a zone, in summer", "0 8 * * *", "America/New_York", HOUR, "2026-07-20T13:30:00Z",
		false },
	{ "every quarter of an hour", "*/15 * * * *", NULL, 60, "2026-11-20T10:45:30Z", true },
	{ "between two", "*/15 * * * *", NULL, 60, "2026-11-20T10:47:00Z", false },
	{ "a weekday by name", "0 9 * * MON-FRI", NULL, HOUR, "2026-11-20T09:30:00Z", true },
	{ "a weekend", "0 9 * * MON-FRI", NULL, HOUR, "2026-11-21T09:30:00Z", false },
	{ "Sunday is 0", "0 9 * * 0", NULL, HOUR, "2026-11-22T09:30:00Z", true },
	{ "a month by name", "0 9 * nov *", NULL, HOUR, "2026-11-22T09:30:00Z", true },
	{ "another month", "0 9 * 12 ?", NULL, HOUR, "2026-11-22T09:30:00Z", false },
	{ "either of the days, this one", "0 9 20 * MON", NULL, HOUR, "2026-11-20T09:30:00Z",
		true },
	{ "either of the days, that one", "0 9 20 * MON", NULL, HOUR, "2026-11-23T09:30:00Z",
		true },
	{ "neither of the days", "0 9 20 * MON", NULL, HOUR, "2026-11-24T09:30:00Z", false },
	{ "a list", "0 8,10,12 * * *", NULL, HOUR, "2026-11-24T12:30:00Z", true },
	{ "steps of a range", "0 8-12/2 * * *", NULL, HOUR, "2026-11-24T09:30:00Z", false },
	{ "steps to the end", "50/5 * * * *", NULL, 60, "2026-11-24T09:55:30Z", true },
	{ "always", "* * * * *", NULL, 2 * HOUR, "2026-11-24T09:30:00Z", true },
	{ "days long", "0 0 1 * *", NULL, 30 * 24 * HOUR, "2026-11-24T09:30:00Z", true },
	{ "nothing at all", "0 9 * * *", NULL, 0, "2026-11-24T09:00:00Z", false },
};

static void test_cases(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s", cases[i].what);
		g_autoptr(GError) err = NULL;
		int64_t now = 0;
		bool open = !cases[i].open;
		g_assert_true(sl_time_parse(cases[i].now, &now));
		g_assert_true(cron_window_open(
			cases[i].schedule, cases[i].zone, cases[i].duration_sec, now, &open, &err));
		g_assert_no_error(err);
		g_assert_cmpint(open, ==, cases[i].open);
	}
}

static const struct {
	const char *schedule, *zone;
	int64_t duration_sec;
	const char *message;
} wrong[] = {
	{ "0 9 * *", NULL, HOUR, "\"0 9 * *\" has fewer than five fields" },
	{ "0 9 * * * *", NULL, HOUR, "\"0 9 * * * *\" has more than five fields" },
	{ "60 9 * * *", NULL, HOUR, "\"60 9 * * *\": \"60\" is no minute" },
	{ "0 9 0 * *", NULL, HOUR, "\"0 9 0 * *\": \"0\" is no day of the month" },
	{ "0 9-8 * * *", NULL, HOUR, "\"0 9-8 * * *\": \"9-8\" is no hour" },
	{ "0 9 * * MONDAY", NULL, HOUR, "\"0 9 * * MONDAY\": \"MONDAY\" is no day of the week" },
	{ "*/0 9 * * *", NULL, HOUR, "\"*/0 9 * * *\": \"*/0\" is no minute" },
	{ "0 9 * * ,", NULL, HOUR, "\"0 9 * * ,\": \"\" is no day of the week" },
	{ "@daily", NULL, HOUR, "\"@daily\": \"@daily\" is no minute" },
	{ "0 9 * * *", "Mars/Olympus", HOUR, "time zone \"Mars/Olympus\" is not known" },
	{ "0 9 * * *", NULL, -1, "a window of -1 seconds" },
	{ "0 9 * * *", NULL, 40 * 86400, "a window of 3456000 seconds" },
};

static void test_wrong(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
		g_autoptr(GError) err = NULL;
		bool open;
		g_assert_false(cron_window_open(
			wrong[i].schedule, wrong[i].zone, wrong[i].duration_sec, 0, &open, &err));
		g_assert_error(err, SL_ERROR, SL_ERR_INVALID);
		g_assert_cmpstr(err->message, ==, wrong[i].message);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/cron/cases", test_cases);
	g_test_add_func("/cron/wrong", test_wrong);
	return g_test_run();
}
