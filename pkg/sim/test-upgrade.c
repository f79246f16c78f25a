/* Upgrades, refusals and rollbacks of a simulated cluster, driven as a client would: by a patch of
 * the ClusterVersion and by looking. */
#include "sim/test-rig.h"

static bool workers_at_9(Rig *r)
{
	return pool_updated(r, "worker", "4.21.9");
}

static bool accepted(Rig *r)
{
	return g_strcmp0(json_path_str(cv(r), "status.history.0.image", NULL),
		       tree_str(cv(r), "spec.desiredUpdate.image")) == 0;
}

static bool refused(Rig *r)
{
	return g_strcmp0(condition(r, "ReleaseAccepted", "status"), "False") == 0;
}

static bool failing(Rig *r)
{
	return g_strcmp0(condition(r, "Failing", "status"), "True") == 0;
}

static void assert_all_pods_ready(Rig *r)
{
	SimStore *s = sim_cluster_store(r->c);
	g_assert_cmpuint(sim_store_n(s, SIM_PODS), ==, 30 + 6 + 3);
	for (size_t i = 0; i < sim_store_n(s, SIM_PODS); i++)
		g_assert_true(sim_store_at(s, SIM_PODS, i)->pod.ready);
}

static void test_rest(void)
{
	SimSpec spec = spec_of("4.21.8", "4.21.7", "4.21.9,4.21.10");
	g_autoptr(Rig) r = rig_new(&spec);
	pass(r, 600 * SEC);
	g_assert_cmpstr(condition(r, "Progressing", "message"), ==, "Cluster version is 4.21.8");
	g_assert_cmpstr(condition(r, "ReleaseAccepted", "reason"), ==, "PayloadLoaded");
	g_assert_null(condition(r, "Upgradeable", "status"));
	g_assert_cmpuint(json_array_size(tree_get(cv(r), "status.availableUpdates")), ==, 2);
	g_assert_cmpuint(json_array_size(tree_get(cv(r), "status.history")), ==, 2);
	g_assert_true(pool_updated(r, "worker", "4.21.8"));
	g_assert_cmpint(json_path_int(sim_store_at(sim_cluster_store(r->c), SIM_PDBS, 0)->json,
				"status.disruptionsAllowed", 0),
		==, 1);
	assert_all_pods_ready(r);
	/* At rest nothing is written. */
	int64_t rv = sim_store_rv(sim_cluster_store(r->c));
	pass(r, 24 * HOUR);
	g_assert_cmpint(sim_store_rv(sim_cluster_store(r->c)), ==, rv);
}

static void test_whole_upgrade(void)
{
	SimSpec spec = spec_of("4.21.8", NULL, "4.21.9,4.21.10");
	g_autoptr(Rig) r = rig_new(&spec);
	pass(r, 10 * SEC);
	ask(r, "4.21.9");
	/* For a while nothing shows but a generation that is not observed. */
	pass(r, SEC / 2);
	g_assert_cmpint(tree_int(cv(r), "metadata.generation", 0), ==, 2);
	g_assert_cmpint(tree_int(cv(r), "status.observedGeneration", 0), ==, 1);
	g_assert_cmpstr(condition(r, "Progressing", "status"), ==, "False");
	g_assert_cmpstr(condition(r, "ReleaseAccepted", "status"), ==, "Unknown");
	g_assert_cmpstr(json_path_str(cv(r), "status.history.0.state", NULL), ==, "Completed");
	g_assert_true(wait_for(r, accepted, 14 * SEC));
	g_assert_cmpint(tree_int(cv(r), "status.observedGeneration", 0), ==, 2);
	g_assert_cmpstr(condition(r, "Progressing", "status"), ==, "True");
	g_assert_cmpstr(json_path_str(cv(r), "status.history.0.state", NULL), ==, "Partial");
	g_assert_true(json_is_null(json_path(cv(r), "status.history.0.completionTime")));
	g_assert_true(wait_for(r, completed, 2 * HOUR));
	/* Completed does not mean the workers. */
	g_assert_true(pool_updated(r, "master", "4.21.9"));
	g_assert_false(workers_at_9(r));
	g_assert_true(wait_for(r, workers_at_9, 2 * HOUR));
	pass(r, 120 * SEC);
	assert_all_pods_ready(r);
	g_assert_cmpuint(json_array_size(tree_get(cv(r), "status.availableUpdates")), ==, 1);
	for (size_t i = 0; i < sim_store_n(sim_cluster_store(r->c), SIM_NODES); i++) {
		const json_t *n = sim_store_at(sim_cluster_store(r->c), SIM_NODES, i)->json;
		g_assert_false(tree_true(n, "spec.unschedulable"));
		g_assert_cmpstr(tree_str(n, "status.nodeInfo.kubeletVersion"), ==, "v1.34.9");
	}
}

static void test_refusals(void)
{
	static const struct {
		const char *name, *from, *previous, *to;
		bool wrong_image, force;
		const char *reason, *message; /* NULL: accepted */
	} cases[] = {
		{ "next z", "4.20.1", NULL, "4.20.2", false, false, NULL, NULL },
		{ "next minor", "4.20.2", NULL, "4.21.0", false, false, NULL, NULL },
		{ "back to the previous z", "4.20.2", "4.20.1", "4.20.1", false, false, NULL,
			NULL },
		{ "back past the previous", "4.20.2", "4.19.9", "4.20.1", false, false,
			"PreconditionChecks", "LowDesiredVersion" },
		{ "back a minor", "4.21.0", "4.19.9", "4.19.9", false, false, "PreconditionChecks",
			"LowDesiredVersion" },
		{ "back a minor by force", "4.21.0", "4.19.9", "4.19.9", false, true, NULL, NULL },
		{ "two minors", "4.19.9", NULL, "4.21.0", false, false, "PreconditionChecks",
			"MultipleMinorVersionsUpdate" },
		{ "image that nobody has", "4.20.1", NULL, "4.20.2", true, false, "RetrievePayload",
			"unable to retrieve" },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s", cases[i].name);
		SimSpec spec = spec_of(
			cases[i].from, cases[i].previous, "4.19.9,4.20.1,4.20.2,4.20.3,4.21.0");
		g_autoptr(Rig) r = rig_new(&spec);
		pass(r, 10 * SEC);
		g_autofree char *image = sim_release_image(cases[i].to);
		ask_image(r, cases[i].to,
			cases[i].wrong_image ? "release.sim/ocp@sha256:0000" : image,
			cases[i].force);
		g_assert_true(wait_for(r, cases[i].reason ? refused : accepted, 20 * SEC));
		if (!cases[i].reason)
			continue;
		g_assert_cmpstr(condition(r, "ReleaseAccepted", "reason"), ==, cases[i].reason);
		g_assert_nonnull(
			strstr(condition(r, "ReleaseAccepted", "message"), cases[i].message));
		g_assert_cmpstr(condition(r, "Progressing", "status"), ==, "False");
		g_assert_cmpint(tree_int(cv(r), "status.observedGeneration", 0), ==, 1);
		/* Cleared: nothing happened, and the generation is observed only later. */
		sim_cluster_patch(r->c, SIM_CLUSTERVERSIONS, NULL, "version", SIM_SUB_NONE, "test",
			json_pack("{s:{s:n}}", "spec", "desiredUpdate"));
		pass(r, SEC);
		g_assert_cmpstr(condition(r, "ReleaseAccepted", "status"), ==, "True");
		g_assert_cmpint(tree_int(cv(r), "status.observedGeneration", 0), ==, 1);
		pass(r, 300 * SEC);
		g_assert_cmpint(tree_int(cv(r), "status.observedGeneration", 0), ==, 3);
		g_assert_cmpstr(
			json_path_str(cv(r), "status.desired.version", NULL), ==, cases[i].from);
	}
}

static void test_forced(void)
{
	SimSpec spec = spec_of("4.21.0", "4.19.9", "4.19.9");
	g_autoptr(Rig) r = rig_new(&spec);
	g_autofree char *image = sim_release_image("4.19.9");
	ask_image(r, "4.19.9", image, true);
	g_assert_true(wait_for(r, completed, 2 * HOUR));
	g_assert_true(g_str_has_prefix(json_path_str(cv(r), "status.history.0.acceptedRisks", ""),
		"Forced through blocking failures: "));
}

static void test_unknown_versions(void)
{
	SimSpec spec = spec_of("4.20.2", "4.20.1", "4.20.3");
	g_autoptr(Rig) r = rig_new(&spec);
	pass(r, 10 * SEC);
	ask_image(r, "4.20.77", "", false);
	pass(r, 20 * SEC);
	g_assert_cmpstr(condition(r, "Invalid", "status"), ==, "True");
	g_assert_cmpstr(condition(r, "Invalid", "reason"), ==, "InvalidClusterVersion");
	g_assert_cmpstr(condition(r, "Progressing", "message"), ==,
		"Reconciling 4.20.2: the cluster version is invalid");
	/* A version from the history without its image is taken for the one that runs. */
	ask_image(r, "4.20.1", "", false);
	pass(r, 60 * SEC);
	g_assert_null(condition(r, "Invalid", "status"));
	g_assert_false(refused(r));
	g_assert_cmpstr(json_path_str(cv(r), "status.history.0.version", NULL), ==, "4.20.2");
	/* An offered one needs no image. */
	ask_image(r, "4.20.3", "", false);
	pass(r, 60 * SEC);
	g_assert_cmpstr(json_path_str(cv(r), "status.history.0.version", NULL), ==, "4.20.3");
}

static void test_wrong_pair(void)
{
	SimSpec spec = spec_of("4.20.2", NULL, "4.20.3,4.20.4");
	g_autoptr(Rig) r = rig_new(&spec);
	g_autofree char *image = sim_release_image("4.20.4");
	ask_image(r, "4.20.3", image, false);
	g_assert_true(wait_for(r, refused, 20 * SEC));
	g_assert_cmpstr(condition(r, "ReleaseAccepted", "reason"), ==, "VerifyPayloadVersion");
}

static bool upgradeable_false(Rig *r)
{
	return g_strcmp0(condition(r, "Upgradeable", "status"), "False") == 0;
}

static void test_acknowledgement(void)
{
	SimSpec spec = spec_of("4.20.2", NULL, "4.20.3,4.21.0");
	spec.world.gate = "ack-4.20-kube-1.34-api-removals-in-4.21";
	g_autoptr(Rig) r = rig_new(&spec);
	g_assert_true(wait_for(r, upgradeable_false, 10 * SEC));
	g_assert_cmpstr(condition(r, "Upgradeable", "reason"), ==, "AdminAckRequired");
	ask(r, "4.21.0");
	g_assert_true(wait_for(r, refused, 20 * SEC));
	g_assert_nonnull(strstr(condition(r, "ReleaseAccepted", "message"), "AdminAckRequired"));
	/* The refused request stands: it starts by itself when the gate opens. */
	sim_cluster_patch(r->c, SIM_CONFIGMAPS, "openshift-config", "admin-acks", SIM_SUB_NONE,
		"test", json_pack("{s:{s:s}}", "data", spec.world.gate, "true"));
	g_assert_true(wait_for(r, accepted, 6 * SEC));
}

static void test_upgradeable_lags(void)
{
	SimSpec spec = spec_of("4.20.2", NULL, "4.21.0");
	g_autoptr(Rig) r = rig_new(&spec);
	pass(r, 10 * SEC);
	const json_t *dns = object(r, SIM_CLUSTEROPERATORS, "dns");
	json_t *list = json_copy(tree_get(dns, "status.conditions"));
	json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "type", "Upgradeable", "status",
					    "False", "message", "not now"));
	sim_cluster_patch(r->c, SIM_CLUSTEROPERATORS, NULL, "dns", SIM_SUB_STATUS, "dns",
		json_pack("{s:{s:o}}", "status", "conditions", list));
	pass(r, 2 * SEC);
	g_assert_false(upgradeable_false(r));
	pass(r, 3 * SEC);
	g_assert_true(upgradeable_false(r));
	/* Minor updates only. */
	ask(r, "4.21.0");
	g_assert_true(wait_for(r, refused, 20 * SEC));
}

static void test_operator_never_available(void)
{
	SimSpec spec = spec_of("4.21.8", NULL, "4.21.9");
	spec.faults = SIM_FAULT_BIT(SIM_FAULT_OPERATOR_NEVER_AVAILABLE);
	g_autoptr(Rig) r = rig_new(&spec);
	pause_pool(r, true);
	ask(r, "4.21.9");
	g_assert_true(wait_for(r, failing, HOUR));
	g_assert_cmpstr(condition(r, "Failing", "reason"), ==, "ClusterOperatorNotAvailable");
	pass(r, 4 * HOUR);
	g_assert_true(failing(r));
	g_assert_cmpstr(json_path_str(cv(r), "status.history.0.state", NULL), ==, "Partial");
	/* The way back is open in mid-update; Failing goes only when the operator is well again. */
	ask(r, "4.21.8");
	g_assert_true(wait_for(r, accepted, 20 * SEC));
	g_assert_true(failing(r));
	g_assert_nonnull(json_path_str(cv(r), "status.history.1.completionTime", NULL));
	g_assert_true(wait_for(r, completed, 2 * HOUR));
	g_assert_cmpuint(json_array_size(tree_get(cv(r), "status.history")), ==, 3);
	g_assert_true(pool_updated(r, "worker", "4.21.8"));
}

static void test_paused_pool(void)
{
	SimSpec spec = spec_of("4.21.8", NULL, "4.21.9");
	g_autoptr(Rig) r = rig_new(&spec);
	pause_pool(r, true);
	ask(r, "4.21.9");
	g_assert_true(wait_for(r, completed, 2 * HOUR));
	pass(r, 2 * HOUR);
	const json_t *p = object(r, SIM_POOLS, "worker");
	g_assert_cmpint(tree_int(p, "status.updatedMachineCount", 9), ==, 0);
	g_autofree char *rendered = sim_rendered_name("worker", "4.21.9");
	g_assert_cmpstr(tree_str(p, "spec.configuration.name"), ==, rendered);
	const json_t *updating = json_path(p, "status.conditions.4");
	g_assert_cmpstr(tree_str(updating, "status"), ==, "False");
	g_assert_true(g_str_has_prefix(
		tree_str(updating, "message"), "Pool is paused; will not update to"));
	/* Back: the paused workers have nothing to do. */
	ask(r, "4.21.8");
	g_assert_true(wait_for(r, completed, 2 * HOUR));
	g_assert_true(pool_updated(r, "worker", "4.21.8"));
}

static bool one_worker_down(Rig *r)
{
	SimStore *s = sim_cluster_store(r->c);
	for (size_t i = 0; i < sim_store_n(s, SIM_NODES); i++) {
		const json_t *n = sim_store_at(s, SIM_NODES, i)->json;
		if (strstr(tree_str(n, "metadata.name"), "worker") &&
			strcmp(json_path_str(n, "status.conditions.0.status", ""), "True") != 0)
			return true;
	}
	return false;
}

static void test_node_never_returns(void)
{
	SimSpec spec = spec_of("4.21.8", NULL, "4.21.9");
	spec.faults = SIM_FAULT_BIT(SIM_FAULT_NODE_NEVER_RETURNS);
	g_autoptr(Rig) r = rig_new(&spec);
	ask(r, "4.21.9");
	g_assert_true(wait_for(r, completed, 2 * HOUR));
	g_assert_true(wait_for(r, one_worker_down, HOUR));
	pass(r, 6 * HOUR);
	g_assert_true(one_worker_down(r));
	g_assert_cmpint(
		tree_int(object(r, SIM_POOLS, "worker"), "status.updatedMachineCount", 9), ==, 0);
}

static void test_restart_of_the_operator(void)
{
	SimSpec spec = spec_of("4.21.8", NULL, "4.21.9");
	spec.faults = SIM_FAULT_BIT(SIM_FAULT_CVO_RESTART);
	g_autoptr(Rig) r = rig_new(&spec);
	ask(r, "4.21.9");
	g_assert_true(wait_for(r, completed, 2 * HOUR));
	static const char *const want[][2] = { { "4.21.9", "Completed" }, { "4.21.8", "Partial" },
		{ "4.21.9", "Partial" }, { "4.21.8", "Completed" } };
	json_t *h = tree_get(cv(r), "status.history");
	g_assert_cmpuint(json_array_size(h), ==, G_N_ELEMENTS(want));
	for (size_t i = 0; i < G_N_ELEMENTS(want); i++) {
		g_assert_cmpstr(tree_str(json_array_get(h, i), "version"), ==, want[i][0]);
		g_assert_cmpstr(tree_str(json_array_get(h, i), "state"), ==, want[i][1]);
	}
}

static void test_update_service(void)
{
	SimSpec spec = spec_of("4.21.8", NULL, "4.21.9:NodeRebootLoop,4.21.10");
	spec.faults = SIM_FAULT_BIT(SIM_FAULT_RETRIEVED_UPDATES_FALSE);
	g_autoptr(Rig) r = rig_new(&spec);
	pass(r, SEC);
	g_assert_cmpstr(condition(r, "RetrievedUpdates", "reason"), ==, "RemoteFailed");
	sim_cluster_set_faults(r->c, SIM_FAULT_BIT(SIM_FAULT_UPGRADE_REFUSED));
	pass(r, 10 * SEC);
	g_assert_cmpstr(condition(r, "RetrievedUpdates", "status"), ==, "True");
	g_assert_cmpuint(json_array_size(tree_get(cv(r), "status.availableUpdates")), ==, 1);
	g_assert_cmpstr(json_path_str(cv(r), "status.conditionalUpdates.0.risks.0.name", NULL), ==,
		"NodeRebootLoop");
	ask(r, "4.21.10");
	g_assert_true(wait_for(r, refused, 20 * SEC));
	g_assert_nonnull(strstr(condition(r, "ReleaseAccepted", "message"), "cannot be verified"));
	sim_cluster_patch(r->c, SIM_CLUSTERVERSIONS, NULL, "version", SIM_SUB_NONE, "test",
		json_pack("{s:{s:n}}", "spec", "channel"));
	pass(r, 10 * SEC);
	g_assert_cmpstr(condition(r, "RetrievedUpdates", "reason"), ==, "NoChannel");
	g_assert_true(json_is_null(tree_get(cv(r), "status.availableUpdates")));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/upgrade/rest", test_rest);
	g_test_add_func("/upgrade/whole", test_whole_upgrade);
	g_test_add_func("/upgrade/refusals", test_refusals);
	g_test_add_func("/upgrade/forced", test_forced);
	g_test_add_func("/upgrade/unknown-versions", test_unknown_versions);
	g_test_add_func("/upgrade/wrong-pair", test_wrong_pair);
	g_test_add_func("/upgrade/acknowledgement", test_acknowledgement);
	g_test_add_func("/upgrade/upgradeable-lags", test_upgradeable_lags);
	g_test_add_func("/upgrade/operator-never-available", test_operator_never_available);
	g_test_add_func("/upgrade/paused-pool", test_paused_pool);
	g_test_add_func("/upgrade/node-never-returns", test_node_never_returns);
	g_test_add_func("/upgrade/cvo-restart", test_restart_of_the_operator);
	g_test_add_func("/upgrade/update-service", test_update_service);
	return g_test_run();
}
