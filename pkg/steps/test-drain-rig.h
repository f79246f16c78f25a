/* For tests only: running a world until something holds, and the world most tests use. */
#pragma once
#include "steps/test-drain-world.h"

typedef bool Cond(World *w);
typedef struct Until {
	World *w;
	Cond *cond;
} Until;

static inline bool rig_met(void *ud)
{
	Until *u = ud;
	note_budgets(u->w);
	return u->cond(u->w);
}

static inline int64_t now_of(const World *w)
{
	return loop_boot_usec(w->loop);
}

/* Runs until the condition holds, at most so long. */
static inline bool wait_until(World *w, Cond *cond, int64_t usec)
{
	Until u = { w, cond };
	return loop_sim_run(w->sim, rig_met, &u, now_of(w) + usec);
}

static inline bool never(World *w)
{
	return false;
}

static inline void pass(World *w, int64_t usec)
{
	int64_t end = now_of(w) + usec;
	wait_until(w, never, usec);
	if (now_of(w) < end)
		loop_sim_skip(w->sim, end - now_of(w));
}

static inline bool ended(World *w)
{
	const Item *c = cluster_item(w);
	return c && item_ended(c);
}

/* One app whose pods all begin on the first worker. */
static inline SimSpec packed(unsigned n_replicas, unsigned max_unavailable)
{
	return (SimSpec){ .world = { .name = "c1",
				  .version = "4.21.8",
				  .n_control_plane = 1,
				  .n_workers = 3,
				  .n_apps = 1,
				  .n_replicas = n_replicas,
				  .max_unavailable = max_unavailable,
				  .pod_start = "2s",
				  .pod_ready = "4s",
				  .pod_exit = "2s",
				  .pack = true },
		.releases = "4.21.9" };
}

static inline void patch_node(World *w, const char *name, const char *manager, json_t *body)
{
	g_assert_cmpint(sim_cluster_patch(w->c, SIM_NODES, NULL, name, SIM_SUB_NONE, manager, body),
		==, 200);
}
