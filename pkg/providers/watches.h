/* What a drain looks at, kept in step by list and watch: the pods of one node, the budgets of the
 * cluster, one node. A watch starts when its fact is first asked for. Views hold compact JSON
 * (containers and managed fields are cut); a read of these facts is a list that was sent after it
 * was asked for.
 *
 * Where nobody made a TargetWatches for the target, the same facts are read by lists alone and
 * asked for again every WATCHES_POLL_SEC. */
#pragma once
#include "providers/target.h"

enum {
	WATCHES_POLL_SEC = 2,
	WATCHES_DISRUPTED_SEC = 130, /* how long a name seen in disruptedPods is remembered */
};

typedef struct TargetWatches TargetWatches;
/* For the target's site; freed before target_renew and target_free, and made anew after the first.
 * At most one for a target. */
TargetWatches *target_watches_new(Target *t);
void target_watches_free(TargetWatches *w); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TargetWatches, target_watches_free)

/* Key: a node's name. json: {"items":[pod...]} of that node; the node itself, or missing. */
extern const FactRow fact_node_pods, fact_node;
/* Key: WATCHES_ALL. json: {"items":[pdb...]}; where a watch brought it, each has besides "seenUsec"
 * (boot time at which this version was seen) and "disruptedSeen": {"POD": boot time at which its
 * status last named it}. */
extern const FactRow fact_pdbs;
#define WATCHES_ALL "all"

/* fact() for these rows. NULL: return step_read(it). */
const View *watched(Item *it, const FactRow *row, const char *key);
/* When a tick that waits for a change has to look again: 0 = a watch wakes it. */
int64_t watched_poll_usec(Item *it, int64_t now_usec);
/* Nobody needs it any more: its watch ends, and the next look reads again. */
void watched_release(Site *site, const FactRow *row, const char *key);
