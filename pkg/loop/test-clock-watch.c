#include "loop/clock-watch.h"

#define SEC ((int64_t)1000000)

static const struct {
	const char *name;
	int64_t boot, wall; /* at the second check; the first is at boot 100 s, wall 1000 s */
	bool want;
	int64_t lost, step;
} cases[] = {
	{ "in time", 101 * SEC, 1001 * SEC, false, 0, 0 },
	{ "earlier than due", 100 * SEC + 5, 1000 * SEC + 5, false, 0, 0 },
	{ "late by just the bound", 106 * SEC, 1006 * SEC, false, 0, 0 },
	{ "late by more", 106 * SEC + 1, 1006 * SEC + 1, true, 5 * SEC + 1, 0 },
	{ "suspended an hour", 3701 * SEC, 4601 * SEC, true, 3600 * SEC, 0 },
	{ "wall stepped forward", 101 * SEC, 1061 * SEC, true, 0, 60 * SEC },
	{ "wall stepped back", 101 * SEC, 1 * SEC, true, 0, -1000 * SEC },
	{ "wall slewed a little", 101 * SEC, 1001 * SEC + 900000, false, 0, 0 },
	{ "both", 111 * SEC, 1021 * SEC, true, 10 * SEC, 10 * SEC },
};

static void test_cases(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s", cases[i].name);
		ClockWatch w = { .beat_usec = SEC, .late_usec = 5 * SEC, .step_usec = SEC };
		int64_t lost = -1, step = -1;
		g_assert_false(clock_watch_check(&w, 100 * SEC, 1000 * SEC, &lost, &step));
		bool told = clock_watch_check(&w, cases[i].boot, cases[i].wall, &lost, &step);
		g_assert_cmpint(told, ==, cases[i].want);
		g_assert_cmpint(lost, ==, cases[i].lost);
		g_assert_cmpint(step, ==, cases[i].step);
		told = clock_watch_check(
			&w, cases[i].boot + SEC, cases[i].wall + SEC, &lost, &step);
		g_assert_false(told); /* told once */
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/clock-watch/cases", test_cases);
	return g_test_run();
}
