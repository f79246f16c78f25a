#include "policy/bound.h"

static void test_app(void)
{
	static const struct {
		BoundApp app;
		double want;
	} cases[] = {
		{ { 0, 1, 6, 2 }, 0 },
		{ { 1, 1, 6, 2 }, 2 },
		{ { 10, 1, 6, 2 }, 56 },
		{ { 20, 2, 6, 2 }, 56 },
		{ { 21, 2, 6, 2 }, 62 },
		{ { 100, 10, 6, 6 }, 60 },
		{ { 50, 0, 6, 30 }, 30 },
		{ { 100, 1, 45, 0 }, 99 * 45 },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
		g_assert_cmpfloat(bound_app(&cases[i].app), ==, cases[i].want);
	const BoundApp both[] = { { 10, 1, 6, 2 }, { 50, 0, 0, 30 } };
	g_assert_cmpfloat(bound_node(both, 2), ==, 56);
	g_assert_cmpfloat(bound_node(NULL, 0), ==, 0);
}

static void test_cluster(void)
{
	const BoundApp apps[] = { { 10, 1, 6, 2 }, { 100, 1, 45, 0 } };
	BoundCluster c = { .apps = apps,
		.n_apps = 1,
		.nodes = 10,
		.at_once = 1,
		.drain_sec = 600,
		.upgrade_sec = 1500 };
	size_t app;
	g_assert_cmpfloat(bound_cluster(&c, &app), ==, 21000);
	g_assert_cmpuint(app, ==, 1);
	c.pipelined = true;
	g_assert_cmpfloat(bound_cluster(&c, NULL), ==, 15600);
	c.pipelined = false;
	c.at_once = 3;
	g_assert_cmpfloat(bound_cluster(&c, NULL), ==, 4 * 2100);
	/* More nodes at once do not help a long chain. */
	c.n_apps = 2;
	c.at_once = 10;
	g_assert_cmpfloat(bound_cluster(&c, &app), ==, 99 * 45);
	g_assert_cmpuint(app, ==, 1);
	c.requests = 100000;
	c.requests_per_sec = 5;
	g_assert_cmpfloat(bound_cluster(&c, &app), ==, 20000);
	g_assert_cmpuint(app, ==, 2);
	c = (BoundCluster){ .apps = apps };
	g_assert_cmpfloat(bound_cluster(&c, NULL), ==, 0);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/bound/app", test_app);
	g_test_add_func("/bound/cluster", test_cluster);
	return g_test_run();
}
