/* The samples in plans/ and policies/ against a simulated fleet: what they show can be run. */
#include "base/file.h"
#include "fleet/test-story.h"

static DocSet *samples(void)
{
	static const char *const names[] = { "plans/clusters.yaml", "plans/first.yaml",
		"plans/to-4-21-11.yaml", "policies/drain.yaml", "policies/gates.yaml",
		"policies/rollback.yaml", "policies/windows.yaml" };
	g_autoptr(json_t) files = json_array();
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autoptr(GError) err = NULL;
		g_autofree char *path = test_source_path(names[i]);
		g_autofree char *text = sl_read_file(path, 1 << 20, NULL, &err);
		g_assert_no_error(err);
		json_array_append_new(
			files, json_pack("{s:s, s:s}", "name", names[i], "text", text));
	}
	return test_load_files(files);
}

static void add_cluster(Rig *r, const char *name)
{
	SimSpec spec = { .world = { .name = name,
				 .version = "4.21.8",
				 .previous = "4.21.7",
				 .n_workers = 3,
				 .n_apps = 3,
				 .n_replicas = 2 },
		.releases = "4.21.9,4.21.10,4.21.11" };
	sim_fleet_add(r->world, &spec);
}

static json_t *plan_of(Rig *r, const char *plan)
{
	FleetSubmit s = { .set = samples(),
		.plan = plan,
		.who = "tester",
		.commit = "c0ffee",
		.plan_only = true };
	fleet_submit(r->fleet, &s, story_reply, r);
	story_rest(r);
	return fleet_plan_report(r->fleet, r->run);
}

/* The fleet of five may start; only the repository of ocp-prod is out of this world. */
static void test_fleet(void)
{
	static const char *const names[] = { "ocp-test", "ocp-infra", "ocp-obs", "ocp-edu",
		"ocp-prod" };
	g_autoptr(Rig) r = rig_new(1);
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
		add_cluster(r, names[i]);
	rig_start(r);
	g_autoptr(json_t) report = plan_of(r, "fleet-4-21-11");
	size_t i;
	json_t *cluster, *finding;
	g_assert_cmpuint(
		json_array_size(json_object_get(report, "clusters")), ==, G_N_ELEMENTS(names));
	json_array_foreach (json_object_get(report, "clusters"), i, cluster) {
		const char *preflight = json_path_str(cluster, "preflight", "");
		size_t k;
		g_test_message("%s %s", names[i], preflight);
		g_assert_cmpstr(json_path_str(cluster, "name", ""), ==, names[i]);
		json_array_foreach (json_object_get(cluster, "findings"), k, finding) {
			g_test_message("%s", json_path_str(finding, "message", ""));
			g_assert_cmpstr(json_path_str(finding, "code", ""), ==, "git");
		}
		g_assert_cmpstr(
			preflight, ==, strcmp(names[i], "ocp-prod") == 0 ? "blocked" : "ready");
	}
}

static void test_first(void)
{
	g_autoptr(Rig) r = rig_new(1);
	add_cluster(r, "test");
	rig_start(r);
	g_autoptr(json_t) report = plan_of(r, "to-4-21-10");
	g_assert_cmpstr(json_path_str(report, "clusters.0.preflight", ""), ==, "ready");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/samples/first", test_first);
	g_test_add_func("/samples/fleet", test_fleet);
	return g_test_run();
}
