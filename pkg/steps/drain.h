/* Draining: nodes below a cluster, pods below a node. The planner (policy/drain.h) decides which
 * pods go; a pod item sends its one request with the UID it was created for, and is over when that
 * UID is gone. Budgets are counted over every drain of the cluster.
 *
 * assist:  somebody else (an operator) isolates the node and drains it in windows; we evict the
 *          moment a budget allows it, set no mark, and leave when the operator says it is done.
 * drain:   we isolate the node with a mark of ours; "drained" when a list says that it is empty;
 *          drain_withdraw() puts it back. */
#pragma once
#include "steps/cluster.h"

typedef enum {
	DN_ASSIST = 1,
	DN_DRAIN,
	DN_DRAINED, /* empty and isolated by us, until the parent withdraws it */
	DN_UNDO,
	DN_ENDED,
	DN_MAX
} DrainNodeState;

/* Begins the drain of a node, unless one is under way or the target is only observed. taint:
 * isolate by a NoSchedule taint, not by a cordon (where somebody counts cordoned nodes). */
void drain_node(Item *cluster, Batch *b, const char *node, bool taint);

/* What of the plan's DrainPolicy has no effect where an operator drains, or none yet, as blocking
 * findings. */
void drain_preflight(const Item *cluster, json_t *findings);
/* nodes.canary of the plan: findings of the provider with code "canary" are taken out, left as they
 * are, or made to block. */
void drain_canary(const Item *cluster, json_t *findings);
