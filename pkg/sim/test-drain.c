/* The operator's drains: windows of 90 s, budgets that are never passed, people who interfere. */
#include "base/num.h"
#include "objects/time.h"
#include "sim/test-rig.h"

#define MC "machineconfiguration.openshift.io/"
#define FIRST "c1-worker-0"

/* One app whose pods all run on the first worker: 16 pods, one away at a time, 6 s each. */
static bool workers_at_9(Rig *r)
{
	return pool_updated(r, "worker", "4.21.9");
}

static SimSpec packed(void)
{
	SimSpec s = spec_of("4.21.8", NULL, "4.21.9");
	s.world.n_workers = 2;
	s.world.n_apps = 1;
	s.world.n_replicas = 16;
	s.world.pack = true;
	s.world.pod_start = "2s";
	s.world.pod_ready = "4s";
	s.world.pod_exit = "2s";
	return s;
}

static const char *first_drain(Rig *r, const char *which)
{
	g_autofree char *key = g_strconcat(MC, which, NULL);
	return tree_annotation(object(r, SIM_NODES, FIRST), key);
}

static bool cordoned(Rig *r)
{
	return tree_true(object(r, SIM_NODES, FIRST), "spec.unschedulable");
}

static bool drained(Rig *r)
{
	const char *asked = first_drain(r, "desiredDrain"),
		   *done = first_drain(r, "lastAppliedDrain");
	return g_str_has_prefix(asked, "drain-") && strcmp(asked, done) == 0;
}

static size_t pods_on_first(Rig *r)
{
	size_t n = 0;
	SimStore *s = sim_cluster_store(r->c);
	for (size_t i = 0; i < sim_store_n(s, SIM_PODS); i++) {
		const SimObj *p = sim_store_at(s, SIM_PODS, i);
		if (strcmp(p->ns, "apps") == 0 && g_strcmp0(p->pod.node, FIRST) == 0)
			n++;
	}
	return n;
}

static bool empty(Rig *r)
{
	return pods_on_first(r) == 0;
}

static const json_t *budget(Rig *r)
{
	return object_in(r, SIM_PDBS, "apps", "app-00")->json;
}

/* Whether the budget was kept at every event since the last look. */
static bool budget_broken(Rig *r)
{
	return tree_int(budget(r), "status.currentHealthy", 0) <
	       tree_int(budget(r), "status.desiredHealthy", 99);
}

static bool drained_or_broken(Rig *r)
{
	return drained(r) || budget_broken(r);
}

/* Control plane up, workers held; then released. */
static Rig *released(const SimSpec *spec)
{
	Rig *r = rig_new(spec);
	pause_pool(r, true);
	ask(r, "4.21.9");
	g_assert_true(wait_for(r, completed, 2 * HOUR));
	pass(r, 60 * SEC);
	g_assert_cmpuint(pods_on_first(r), ==, spec->world.n_replicas);
	pause_pool(r, false);
	g_assert_true(wait_for(r, cordoned, 60 * SEC));
	return r;
}

static void test_alone(void)
{
	SimSpec spec = packed();
	g_autoptr(Rig) r = released(&spec);
	int64_t start = now(r);
	g_assert_true(wait_for(r, drained_or_broken, HOUR));
	g_assert_false(budget_broken(r));
	/* It asks every 5 s, so a slot of 6 s costs 10; one window is not enough, two are. */
	g_assert_cmpint(now(r) - start, >, 155 * SEC);
	g_assert_cmpint(now(r) - start, <, 245 * SEC);
}

/* Everything else fast, the operator's windows as they are. */
static void test_own_scale(void)
{
	SimSpec spec = packed();
	spec.scale = 1000;
	spec.drain_scale = 1;
	g_autoptr(Rig) r = rig_new(&spec);
	pause_pool(r, true);
	int64_t start = now(r);
	ask(r, "4.21.9");
	g_assert_true(wait_for(r, completed, HOUR));
	g_assert_cmpint(now(r) - start, <, 60 * SEC);
	pause_pool(r, false);
	g_assert_true(wait_for(r, cordoned, 10 * SEC));
	start = now(r);
	g_assert_true(wait_for(r, drained, HOUR));
	g_assert_cmpint(now(r) - start, >, 155 * SEC);
	g_assert_cmpint(now(r) - start, <, 245 * SEC);
}

static void evict(Rig *r, SimObj *p)
{
	json_t *body = json_pack("{s:s, s:{s:s}, s:{s:{s:s}}}", "kind", "Eviction", "metadata",
		"name", p->name, "deleteOptions", "preconditions", "uid",
		tree_str(p->json, "metadata.uid"));
	g_autofree char *text = tree_text(body);
	json_decref(body);
	g_autofree char *path =
		g_strdup_printf("/api/v1/namespaces/%s/pods/%s/eviction", p->ns, p->name);
	static const HttpEndpoint nobody = { 0 };
	HttpRequest q = { .endpoint = &nobody,
		.method = "POST",
		.path = path,
		.content_type = "application/json",
		.body = text,
		.n_body = strlen(text) };
	HttpSimAnswer a = sim_cluster_request(r->c, &q);
	g_assert_cmpint(a.status, ==, 201);
	g_free(a.body);
}

static SimObj *next_pod(Rig *r)
{
	SimStore *s = sim_cluster_store(r->c);
	for (size_t i = 0; i < sim_store_n(s, SIM_PODS); i++) {
		SimObj *p = sim_store_at(s, SIM_PODS, i);
		if (strcmp(p->ns, "apps") == 0 && g_strcmp0(p->pod.node, FIRST) == 0 &&
			!p->pod.deleting)
			return p;
	}
	return NULL;
}

static bool slot_or_empty(Rig *r)
{
	return empty(r) || (tree_int(budget(r), "status.disruptionsAllowed", 0) > 0 && next_pod(r));
}

static void test_assisted(void)
{
	SimSpec spec = packed();
	g_autoptr(Rig) r = released(&spec);
	int64_t start = now(r);
	while (!empty(r)) {
		g_assert_true(wait_for(r, slot_or_empty, 60 * SEC));
		SimObj *p = next_pod(r);
		if (p && tree_int(budget(r), "status.disruptionsAllowed", 0) > 0)
			evict(r, p);
	}
	/* Empty before the operator's second window begins at 5 + 90 + 60 s. */
	g_assert_cmpint(now(r) - start, <, 120 * SEC);
	g_assert_true(wait_for(r, drained, 60 * SEC));
	g_assert_cmpint(now(r) - start, <=, 156 * SEC);
}

static void test_budget_at_zero(void)
{
	SimSpec spec = packed();
	spec.faults = SIM_FAULT_BIT(SIM_FAULT_PDB_ZERO_LATE);
	spec.world.n_replicas = 3;
	g_autoptr(Rig) r = released(&spec);
	g_assert_false(wait_for(r, drained, 6 * HOUR));
	g_assert_cmpuint(pods_on_first(r), ==, 3);
	g_assert_true(cordoned(r));
	/* Put right: the next window, at most 5 min away, finds it. */
	sim_cluster_set_faults(r->c, 0);
	sim_cluster_patch(r->c, SIM_PDBS, "apps", "app-00", SIM_SUB_NONE, "test",
		json_pack("{s:{s:i}}", "spec", "maxUnavailable", 1));
	g_assert_true(wait_for(r, drained, 300 * SEC + 90 * SEC));
	g_assert_true(wait_for(r, workers_at_9, 2 * HOUR));
}

static void test_uncordoned_by_a_person(void)
{
	SimSpec spec = packed();
	g_autoptr(Rig) r = released(&spec);
	pass(r, 20 * SEC);
	sim_cluster_patch(r->c, SIM_NODES, NULL, FIRST, SIM_SUB_NONE, "kubectl",
		json_pack("{s:{s:n}}", "spec", "unschedulable"));
	pass(r, SEC);
	g_assert_true(cordoned(r));
	g_assert_false(drained(r));
}

static size_t n_unavailable(Rig *r)
{
	return (size_t)tree_int(
		object(r, SIM_POOLS, "worker"), "status.unavailableMachineCount", 0);
}

static bool done_watching(Rig *r)
{
	r->most = sl_max(r->most, n_unavailable(r));
	return workers_at_9(r);
}

static void test_max_unavailable(void)
{
	static const struct {
		json_int_t max;
		const char *cordoned; /* by a person, before */
		size_t want;
	} cases[] = { { 1, NULL, 1 }, { 2, NULL, 2 }, { 2, "c1-worker-3", 2 } };
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("case %zu", i);
		SimSpec spec = spec_of("4.21.8", NULL, "4.21.9");
		spec.world.n_workers = 4;
		spec.world.n_replicas = 2;
		g_autoptr(Rig) r = rig_new(&spec);
		r->most = 0;
		sim_cluster_patch(r->c, SIM_POOLS, NULL, "worker", SIM_SUB_NONE, "test",
			json_pack("{s:{s:I}}", "spec", "maxUnavailable", cases[i].max));
		if (cases[i].cordoned)
			sim_cluster_patch(r->c, SIM_NODES, NULL, cases[i].cordoned, SIM_SUB_NONE,
				"kubectl", json_pack("{s:{s:b}}", "spec", "unschedulable", 1));
		ask(r, "4.21.9");
		g_assert_cmpint(wait_for(r, done_watching, 2 * HOUR), ==, !cases[i].cordoned);
		g_assert_cmpuint(r->most, ==, cases[i].want);
	}
}

/* A cordon of ours instead of a taint would stop a pool that may lose one node only. */
static void test_cordon_stops_the_pool(void)
{
	SimSpec spec = spec_of("4.21.8", NULL, "4.21.9");
	g_autoptr(Rig) r = rig_new(&spec);
	sim_cluster_patch(r->c, SIM_NODES, NULL, "c1-worker-2", SIM_SUB_NONE, "kubectl",
		json_pack("{s:{s:b}}", "spec", "unschedulable", 1));
	ask(r, "4.21.9");
	g_assert_true(wait_for(r, completed, 2 * HOUR));
	g_assert_false(wait_for(r, workers_at_9, 3 * HOUR));
	g_assert_cmpint(
		tree_int(object(r, SIM_POOLS, "worker"), "status.updatedMachineCount", 9), ==, 0);
	sim_cluster_patch(r->c, SIM_NODES, NULL, "c1-worker-2", SIM_SUB_NONE, "kubectl",
		json_pack("{s:{s:n}}", "spec", "unschedulable"));
	g_assert_true(wait_for(r, workers_at_9, 2 * HOUR));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/drain/alone", test_alone);
	g_test_add_func("/drain/own-scale", test_own_scale);
	g_test_add_func("/drain/assisted", test_assisted);
	g_test_add_func("/drain/budget-at-zero", test_budget_at_zero);
	g_test_add_func("/drain/uncordoned", test_uncordoned_by_a_person);
	g_test_add_func("/drain/max-unavailable", test_max_unavailable);
	g_test_add_func("/drain/cordon-stops-pool", test_cordon_stops_the_pool);
	return g_test_run();
}
