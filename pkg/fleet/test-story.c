#include "fleet/story.h"
#include <stdio.h>
#include <string.h>

static void collect(const char *line, void *ud)
{
	g_string_append_printf(ud, "%s\n", line);
}

static void test_many_seeds(void)
{
	unsigned n = g_test_slow() ? 1000 : 40, n_crashes = 0, codes[8] = { 0 };
	for (uint64_t seed = 1; seed <= n; seed++) {
		StoryEnd e = story_run(seed, NULL, NULL);
		if (e.broken)
			g_test_message("seed %" G_GUINT64_FORMAT ": %s", seed, e.broken);
		g_assert_null(e.broken);
		n_crashes += e.n_crashes;
		codes[e.exit_code]++;
	}
	/* The stories are not all of one kind. */
	g_test_message("%u ended well, %u rolled back, %u crashes", codes[0], codes[4], n_crashes);
	g_assert_cmpuint(codes[0], >, 0);
	g_assert_cmpuint(codes[4], >, 0);
	g_assert_cmpuint(n_crashes, >, n);
}

static void test_one_seed_one_story(void)
{
	g_autoptr(GString) a = g_string_new(NULL);
	g_autoptr(GString) b = g_string_new(NULL);
	g_autoptr(GString) c = g_string_new(NULL);
	StoryEnd x = story_run(7, collect, a), y = story_run(7, collect, b),
		 z = story_run(8, collect, c);
	g_assert_null(x.broken);
	g_assert_null(y.broken);
	g_assert_null(z.broken);
	g_assert_cmpstr(a->str, ==, b->str);
	g_assert_cmpstr(a->str, !=, c->str);
	g_assert_nonnull(strstr(a->str, "preflight"));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/story/many-seeds", test_many_seeds);
	g_test_add_func("/story/one-seed-one-story", test_one_seed_one_story);
	return g_test_run();
}
