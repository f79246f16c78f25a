/* What is found after a person said resume, against what the person was shown. */
#include "steps/internal.h"

enum { BETWEEN = FOUND_FOREIGN + 1, N_CLASSES };

/* One row for each class that was shown, one column for each that is found now: 'x' asks anew.
 * Columns: nothing, control-plane, before-nodes, nodes, done, back, foreign, between two hops. */
static const char up[FOUND_FOREIGN + 1][N_CLASSES + 1] = {
	[FOUND_NOTHING] = ".....xx.",
	[FOUND_CONTROL_PLANE] = "x....xx.",
	[FOUND_BEFORE_NODES] = "xx...xx.",
	[FOUND_NODES] = "xxx..xx.",
	[FOUND_DONE] = "xxxx.xx.",
	[FOUND_BACK] = "xxxxx.xx",
	[FOUND_FOREIGN] = ".....xx.",
};
/* Our own journal says that it goes down: so was the person told, whatever was found. */
static const char down[] = "......x.";

static void test_pairs(void)
{
	for (FoundClass shown = 0; shown <= FOUND_FOREIGN; shown++)
		for (int now = 0; now < N_CLASSES; now++) {
			Found f = { .class = now == BETWEEN ? FOUND_NOTHING : (FoundClass)now,
				.between = now == BETWEEN };
			g_test_message("%s, then %s%s", found_name(shown), found_name(f.class),
				f.between ? " between two hops" : "");
			g_assert_cmpint(takeover_asks_anew(found_name(shown), &f, false), ==,
				up[shown][now] == 'x');
			g_assert_cmpint(takeover_asks_anew(found_name(shown), &f, true), ==,
				down[now] == 'x');
		}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/steps/takeover/pairs", test_pairs);
	return g_test_run();
}
