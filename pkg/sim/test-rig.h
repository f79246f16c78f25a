/* What the tests of whole clusters share: a cluster on a loop without time. */
#pragma once
#include "codec/json.h"
#include "sim/cluster.h"
#include "sim/tree.h"
#include <string.h>

#define SEC ((int64_t)1000000)
#define HOUR (3600 * SEC)

typedef struct Rig Rig;
typedef bool Cond(Rig *r);
struct Rig {
	LoopSim *loop;
	SimCluster *c;
	Cond *cond; /* waited for */
	size_t most; /* a test's own */
};

static inline void rig_no_line(void *ud, uint64_t id, const char *line)
{
}

static inline void rig_no_end(void *ud, uint64_t id)
{
}

static inline Rig *rig_new(const SimSpec *spec)
{
	Rig *r = g_new0(Rig, 1);
	r->loop = loop_sim_new(42, 1795000000 * SEC);
	r->c = sim_cluster_new(
		spec, loop_sim_loop(r->loop), (SimSink){ rig_no_line, rig_no_end, r });
	return r;
}

static inline void rig_free(Rig *r)
{
	sim_cluster_free(r->c);
	loop_sim_free(r->loop);
	g_free(r);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Rig, rig_free)

static inline SimSpec spec_of(const char *version, const char *previous, const char *releases)
{
	SimWorld w = { .name = "c1", .version = version, .previous = previous };
	return (SimSpec){ .world = w, .releases = releases };
}

static inline SimObj *object_in(Rig *r, SimKindId k, const char *ns, const char *name)
{
	SimObj *o = sim_store_find(sim_cluster_store(r->c), k, ns, name);
	g_assert_nonnull(o);
	return o;
}

static inline json_t *object(Rig *r, SimKindId k, const char *name)
{
	return object_in(r, k, NULL, name)->json;
}

static inline json_t *cv(Rig *r)
{
	return object(r, SIM_CLUSTERVERSIONS, "version");
}

/* A member of a condition of the ClusterVersion, NULL when there is none. */
static inline const char *condition(Rig *r, const char *type, const char *member)
{
	size_t i;
	json_t *c;
	json_array_foreach (tree_get(cv(r), "status.conditions"), i, c) {
		if (g_strcmp0(tree_str(c, "type"), type) == 0)
			return tree_str(c, member);
	}
	return NULL;
}

static inline void ask_image(Rig *r, const char *version, const char *image, bool force)
{
	g_assert_cmpint(
		sim_cluster_patch(r->c, SIM_CLUSTERVERSIONS, NULL, "version", SIM_SUB_NONE, "test",
			json_pack("{s:{s:{s:s, s:s, s:b}}}", "spec", "desiredUpdate", "version",
				version, "image", image, "force", force)),
		==, 200);
}

static inline void ask(Rig *r, const char *version)
{
	g_autofree char *image = sim_release_image(version);
	ask_image(r, version, image, false);
}

static inline void pause_pool(Rig *r, bool paused)
{
	sim_cluster_patch(r->c, SIM_POOLS, NULL, "worker", SIM_SUB_NONE, "test",
		json_pack("{s:{s:b}}", "spec", "paused", paused));
}

static inline bool rig_met(void *ud)
{
	return ((Rig *)ud)->cond(ud);
}

static inline int64_t now(Rig *r)
{
	return loop_boot_usec(loop_sim_loop(r->loop));
}

/* Runs until the condition holds, at most so long. */
static inline bool wait_for(Rig *r, Cond *cond, int64_t usec)
{
	r->cond = cond;
	return loop_sim_run(r->loop, rig_met, r, now(r) + usec);
}

static inline bool rig_never(void *ud)
{
	return false;
}

static inline void pass(Rig *r, int64_t usec)
{
	int64_t end = now(r) + usec;
	loop_sim_run(r->loop, rig_never, NULL, end);
	if (now(r) < end)
		loop_sim_skip(r->loop, end - now(r));
}

static inline bool completed(Rig *r)
{
	const json_t *e = json_path(cv(r), "status.history.0");
	return g_strcmp0(tree_str(e, "image"), tree_str(cv(r), "spec.desiredUpdate.image")) == 0 &&
	       g_strcmp0(tree_str(e, "state"), "Completed") == 0 &&
	       g_strcmp0(condition(r, "Progressing", "status"), "False") == 0 &&
	       g_strcmp0(condition(r, "Failing", "status"), "False") == 0;
}

static inline bool pool_updated(Rig *r, const char *name, const char *version)
{
	g_autofree char *rendered = sim_rendered_name(name, version);
	const json_t *p = object(r, SIM_POOLS, name);
	return g_strcmp0(tree_str(p, "status.configuration.name"), rendered) == 0 &&
	       tree_int(p, "status.updatedMachineCount", 0) ==
		       tree_int(p, "status.machineCount", -1);
}
