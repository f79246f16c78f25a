/* For tests only: an upgrade of the simulated cluster up to its workers, so that its operator
 * begins to drain. */
#pragma once
#include "steps/test-drain-people.h"

static inline void pause_pool(World *w, bool paused)
{
	g_assert_cmpint(sim_cluster_patch(w->c, SIM_POOLS, NULL, "worker", SIM_SUB_NONE, "test",
				json_pack("{s:{s:b}}", "spec", "paused", paused)),
		==, 200);
}

static inline bool updated(World *w)
{
	const json_t *cv = sim_store_find(objects(w), SIM_CLUSTERVERSIONS, NULL, "version")->json;
	return strcmp(json_path_str(cv, "status.history.0.version", ""), "4.21.9") == 0 &&
	       strcmp(json_path_str(cv, "status.history.0.state", ""), "Completed") == 0;
}

static inline bool cordoned(World *w)
{
	return tree_true(node_json(w, FIRST), "spec.unschedulable");
}

/* Control plane up, workers held; then released: the operator begins with the first. */
static inline void release(World *w)
{
	g_autofree char *image = sim_release_image("4.21.9");
	pause_pool(w, true);
	g_assert_cmpint(
		sim_cluster_patch(w->c, SIM_CLUSTERVERSIONS, NULL, "version", SIM_SUB_NONE, "test",
			json_pack("{s:{s:{s:s, s:s}}}", "spec", "desiredUpdate", "version",
				"4.21.9", "image", image)),
		==, 200);
	must(w, updated, 7200 * SEC);
	pass(w, 60 * SEC);
	pause_pool(w, false);
	must(w, cordoned, 60 * SEC);
}

static inline bool pool_is_done(World *w)
{
	const json_t *p = sim_store_find(objects(w), SIM_POOLS, NULL, "worker")->json;
	g_autofree char *rendered = sim_rendered_name("worker", "4.21.9");
	return g_strcmp0(tree_str(p, "status.configuration.name"), rendered) == 0;
}
