/* For tests: what the controller says, and what stands on the simulated clusters past our own
 * client. */
#pragma once
#include "fleet/test-story.h"

/* ---- looks from inside ---- */

static inline Item *story_item(Rig *r, const char *cluster)
{
	Item *it = fleet_newest_of(r->fleet, cluster);
	g_assert_nonnull(it);
	return it;
}
static inline const char *story_state(Rig *r, const char *cluster)
{
	return item_state_name(story_item(r, cluster));
}
static inline const char *story_outcome(Rig *r, const char *cluster)
{
	const char *o = cluster_outcome(story_item(r, cluster));
	return o ? o : "";
}
static inline const char *story_held(Rig *r, const char *cluster, const char *cause)
{
	const Hold *h = item_find_hold(story_item(r, cluster), cause);
	return h ? h->reason : NULL;
}

typedef struct StoryWait {
	Rig *r;
	const char *cluster, *state, *cause;
} StoryWait;
static inline bool story_there(void *ud)
{
	const StoryWait *w = ud;
	const Item *it = w->r->fleet ? fleet_newest_of(w->r->fleet, w->cluster) : NULL;
	return it && (!w->state || strcmp(item_state_name(it), w->state) == 0) &&
	       (!w->cause || item_find_hold(it, w->cause));
}
/* Until the cluster is in this state (NULL: any) and held by this cause (NULL: or not). */
static inline void story_reach(Rig *r, const char *cluster, const char *state, const char *cause)
{
	StoryWait w = { r, cluster, state, cause };
	int64_t until = loop_boot_usec(loop_sim_loop(r->loop)) + 24 * 3600 * RIG_SEC;
	if (!loop_sim_run(r->loop, story_there, &w, until))
		g_error("%s never came to %s/%s:\n%s", cluster, state ? state : "-",
			cause ? cause : "-", r->story->str);
}

/* ---- looks from outside ---- */

static inline const json_t *outside_cv(Rig *r, const char *cluster)
{
	return sim_store_at(
		sim_cluster_store(sim_fleet_find(r->world, cluster)), SIM_CLUSTERVERSIONS, 0)
		->json;
}
/* The version that the cluster runs: its newest history entry, which must be Completed. */
static inline const char *outside_version(Rig *r, const char *cluster)
{
	const json_t *newest = json_path(outside_cv(r, cluster), "status.history.0");
	return strcmp(json_path_str(newest, "state", ""), "Completed") == 0
		       ? json_path_str(newest, "version", "")
		       : "(moving)";
}
static inline const char *outside_wanted(Rig *r, const char *cluster)
{
	return json_path_str(outside_cv(r, cluster), "spec.desiredUpdate.version", "");
}
static inline const char *outside_claim(Rig *r, const char *cluster)
{
	const json_t *notes = json_path(outside_cv(r, cluster), "metadata.annotations");
	return json_string_value(json_object_get(notes, "shiplock.dev/claim"));
}

static inline unsigned outside_paused(Rig *r, const char *cluster)
{
	const SimStore *s = sim_cluster_store(sim_fleet_find(r->world, cluster));
	unsigned n = 0;
	for (size_t i = 0; i < sim_store_n(s, SIM_POOLS); i++)
		n += json_path_bool(sim_store_at(s, SIM_POOLS, i)->json, "spec.paused", false);
	return n;
}
static inline unsigned outside_cordoned(Rig *r, const char *cluster)
{
	const SimStore *s = sim_cluster_store(sim_fleet_find(r->world, cluster));
	unsigned n = 0;
	for (size_t i = 0; i < sim_store_n(s, SIM_NODES); i++)
		n += sim_store_at(s, SIM_NODES, i)->node.cordoned;
	return n;
}
/* Workers whose machine configuration is that of the version. */
static inline unsigned outside_workers_at(Rig *r, const char *cluster, const char *version)
{
	const SimStore *s = sim_cluster_store(sim_fleet_find(r->world, cluster));
	g_autofree char *rendered = sim_rendered_name("worker", version);
	unsigned n = 0;
	for (size_t i = 0; i < sim_store_n(s, SIM_NODES); i++)
		n += strcmp(sim_store_at(s, SIM_NODES, i)->node.current, rendered) == 0;
	return n;
}
