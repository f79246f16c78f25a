/* A cluster that is away is one finding, whatever was to be read from it. */
#include "fleet/test-faults.h"

static void test_one_finding(void)
{
	g_autoptr(Rig) r = faults_begin("b", FAST CLUSTER("a") UP(WAVE("[a]"), ""));
	r->run = 1;
	g_assert_cmpint(story_rest(r), ==, 5);
	const json_t *findings = json_object_get(item_memo(story_item(r, "a")), "findings");
	unsigned n_unreadable = 0;
	size_t i;
	json_t *f;
	json_array_foreach (findings, i, f) {
		const char *text = json_path_str(f, "message", "");
		g_test_message("%s: %s", json_path_str(f, "level", ""), text);
		g_assert_null(
			strstr(text, "w:patch")); /* how a fact is called is nobody's business */
		if (strcmp(json_path_str(f, "level", ""), "block") != 0)
			continue;
		n_unreadable++;
		g_assert_cmpstr(json_path_str(f, "code", ""), ==, "unreadable");
		g_assert_cmpint(json_path_int(f, "more", 0), >, 20);
	}
	g_assert_cmpuint(n_unreadable, ==, 1);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/unreachable/one-finding", test_one_finding);
	return g_test_run();
}
