/* The main job on a simulated fleet: plans go up, a failed gate rolls back, the fleet stops. */
#include "fleet/test-rig.h"

#define CLUSTER(name)                                                                              \
	"---\napiVersion: shiplock.dev/v1alpha1\nkind: Cluster\nmetadata: {name: " name            \
	", labels: {stage: test}}\nspec:\n  provider: openshift\n  access: {kubeconfig: {file: "   \
	"/nowhere}}\n  telemetry: [{name: local, url: 'https://thanos." name ".sim'}]\n"

#define PLAN(waves)                                                                                \
	"---\napiVersion: shiplock.dev/v1alpha1\nkind: UpgradePlan\nmetadata: {name: up}\n"        \
	"spec:\n  target: {version: 4.21.10}\n  waves: " waves "\n"

static bool at_rest(void *ud)
{
	Rig *r = ud;
	return r->fleet && r->run && fleet_exit_code(r->fleet, r->run, false) != -1;
}

static void on_reply(const char *says, int64_t run, const GError *err, void *ud)
{
	Rig *r = ud;
	g_free(r->says);
	r->says = g_strdup(says);
	g_clear_error(&r->err);
	r->err = err ? g_error_copy(err) : NULL;
	if (run)
		r->run = run;
}

static void submit(Rig *r, const char *yaml)
{
	FleetSubmit s = { .set = rig_documents(yaml), .who = "tester", .commit = "c0ffee" };
	fleet_submit(r->fleet, &s, on_reply, r);
}

static int run_to_rest(Rig *r, int64_t hours)
{
	int64_t until = loop_boot_usec(loop_sim_loop(r->loop)) + hours * 3600 * RIG_SEC;
	if (!loop_sim_run(r->loop, at_rest, r, until)) {
		g_autoptr(json_t) status = fleet_status(r->fleet);
		g_autofree char *text = json_dumps(status, JSON_INDENT(1));
		g_test_message("not at rest:\n%s\n%s", r->story->str, text);
	}
	return fleet_exit_code(r->fleet, r->run, false);
}

static const char *version_of(Rig *r, const char *name)
{
	const SimObj *o = sim_store_at(
		sim_cluster_store(sim_fleet_find(r->world, name)), SIM_CLUSTERVERSIONS, 0);
	return json_path_str(o->json, "status.history.0.version", "");
}

static void test_two_go_up(void)
{
	g_autoptr(Rig) r = rig_new(1);
	rig_cluster(r, "a", 0);
	rig_cluster(r, "b", 0);
	rig_start(r);
	submit(r, CLUSTER("a") CLUSTER("b")
			  PLAN("[{name: one, clusters: {names: [a, b]}, cpSoak: 10m, soak: 10m}]"));
	g_assert_cmpint(run_to_rest(r, 24), ==, 0);
	g_test_message("%s", r->story->str);
	g_assert_cmpstr(version_of(r, "a"), ==, "4.21.10");
	g_assert_cmpstr(version_of(r, "b"), ==, "4.21.10");
}

static void test_breach_rolls_back(void)
{
	g_autoptr(Rig) r = rig_new(1);
	rig_cluster(r, "a", 0);
	rig_cluster(r, "b", SIM_FAULT_BIT(SIM_FAULT_ERROR_RATE_RISE));
	rig_cluster(r, "c", 0);
	rig_start(r);
	submit(r, CLUSTER("a") CLUSTER("b") CLUSTER("c") PLAN(
			  "[{name: one, clusters: {names: [a, b, c]}, cpSoak: 30m, soak: 10m}]"));
	g_assert_cmpint(run_to_rest(r, 24), ==, 4);
	g_test_message("%s", r->story->str);
	g_assert_cmpstr(version_of(r, "a"), ==, "4.21.10");
	g_assert_cmpstr(version_of(r, "b"), ==, "4.21.8");
	g_assert_cmpstr(version_of(r, "c"), ==, "4.21.8");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/fleet/two-go-up", test_two_go_up);
	g_test_add_func("/fleet/breach-rolls-back", test_breach_rolls_back);
	return g_test_run();
}
