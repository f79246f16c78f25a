/* For tests only: the cluster item of the small controller. */
#pragma once
#include "steps/test-drain-types.h"

/* ---- the small controller ---- */

static inline World *world_of(const Item *it)
{
	return ((Ctl *)saga_ud(item_saga(it)))->w;
}

static inline StepResult rig_claim(Item *it, int64_t now, Batch *b)
{
	const Act *a = act_find(it, &act_claim, CV_PATH);
	if (a && act_state(a) == ACT_DONE)
		return step_done(world_of(it)->ask.mode);
	return step_act(it, &act_claim, CV_PATH, b);
}

/* True when the node was drained, kept for a while, and put back. */
static inline bool rig_node(Item *it, Batch *b, const char *node, int64_t *ret_until)
{
	const World *w = world_of(it);
	Item *c = item_find_child(it, node);
	if (!c) {
		drain_node(it, b, node, w->ask.taint);
		return false;
	}
	if (item_state(c) == DN_DRAINED) {
		int64_t left = w->ask.hold_sec * SEC - item_observed_usec(c);
		if (left <= 0)
			drain_withdraw(c, b);
		else
			*ret_until = loop_boot_usec(w->loop) + left;
	}
	return item_ended(c);
}

static inline StepResult rig_own(Item *it, int64_t now, Batch *b)
{
	const World *w = world_of(it);
	int64_t until = 0;
	bool all = true;
	for (size_t i = 0; w->ask.nodes[i] && (all || w->ask.at_once); i++)
		all = rig_node(it, b, w->ask.nodes[i], &until) && all;
	if (all)
		return step_done(C_UNDO);
	return step_wait(it, until, "nodes");
}

static inline StepResult rig_undo(Item *it, int64_t now, Batch *b)
{
	bool left, all = true;
	for (size_t i = 0; i < item_n_children(it); i++) {
		Item *c = item_child(it, i);
		if (!item_ended(c))
			drain_withdraw(c, b);
		all = all && item_ended(c);
	}
	if (!all)
		return step_wait(it, 0, "children first");
	StepResult r = step_undo(it, b, &left);
	return left ? r : step_done(C_ENDED);
}

static inline StepResult rig_idle(Item *it, int64_t now, Batch *b)
{
	return step_wait(it, 0, "idle");
}

static const StepOps op_claim = { "claim", rig_claim }, op_own = { "own", rig_own },
		     op_undo = { "undo", rig_undo }, op_idle = { "idle", rig_idle };
static const StepOps *const claim_list[] = { &op_claim, NULL };
static const StepOps *const own_list[] = { &op_own, NULL };
static const StepOps *const assist_list[] = { &step_release_pools, NULL };
static const StepOps *const idle_list[] = { &op_idle, NULL };
static const StepOps *const undo_list[] = { &op_undo, NULL };

static const StateRow rig_cluster_states[C_MAX] = {
	[C_CLAIM] = { .name = "claim",
		.next = TO(C_OWN) | TO(C_ASSIST) | TO(C_IDLE) | TO(C_UNDO),
		.steps = claim_list },
	[C_OWN] = { .name = "own", .next = TO(C_UNDO), .steps = own_list },
	[C_ASSIST] = { .name = "assist",
		.next = TO(C_UNDO),
		.steps = assist_list,
		.after = C_UNDO },
	[C_IDLE] = { .name = "idle", .next = TO(C_UNDO), .steps = idle_list },
	[C_UNDO] = { .name = "undo", .next = TO(C_ENDED), .steps = undo_list },
	[C_ENDED] = { .name = "ended", .end = true },
};
static const ItemKind rig_cluster_kind = {
	.name = "cluster", .states = rig_cluster_states, .n_states = C_MAX
};
