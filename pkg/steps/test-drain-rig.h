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

/* Says where everything stands when something does not come true. */
static inline void explain(World *w)
{
	Item *c = cluster_item(w);
	g_test_message("cluster %s: %s", c ? item_state_name(c) : "-", c ? item_reason(c) : "-");
	for (size_t i = 0; c && i < item_n_children(c); i++) {
		Item *n = item_child(c, i);
		g_test_message(
			"  node %s %s: %s", item_name(n), item_state_name(n), item_reason(n));
		for (size_t k = 0; k < item_n_children(n); k++) {
			Item *p = item_child(n, k);
			g_test_message(
				"    %s %s: %s", item_name(p), item_state_name(p), item_reason(p));
		}
	}
}

static inline void must(World *w, Cond *cond, int64_t usec)
{
	bool ok = wait_until(w, cond, usec);
	if (!ok)
		explain(w);
	g_assert_true(ok);
}

static inline bool unmarked(const World *w, const char *node)
{
	const json_t *n = node_json(w, node);
	return !tree_true(n, "spec.unschedulable") && !tree_annotation(n, "shiplock.dev/drain") &&
	       json_array_size(tree_get(n, "spec.taints")) == 0;
}
