/* How long the pods of each namespace are fewer than before while nodes are worked on. A pod with
 * an owner that is gone by its UID opens a gap, until a pod of the same owner that was not there
 * before is Ready; one that was Ready sooner makes a gap of no length. A pod that was never Ready,
 * has run to its end, or whose owner makes no other (it was scaled down) counts for nothing. Pure:
 * pods and wall times in, sums out. Who drained the node does not matter. */
#pragma once
#include "base/error.h"
#include <jansson.h>

enum { DISRUPTION_OPEN_MAX = 500 /* gaps that are remembered across a restart */ };

typedef struct Disruption Disruption;
/* known: what disruption_json() said before a restart, NULL: nothing. */
Disruption *disruption_new(const json_t *known);
void disruption_free(Disruption *d); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Disruption, disruption_free)

/* A pod was listed or changed: its object. */
void disruption_see(Disruption *d, const json_t *pod, int64_t now_usec);
/* All that was there at the beginning has been seen: whatever comes now is new. */
void disruption_begun(Disruption *d);
/* This UID is gone. counts: its gap counts; else it is forgotten. */
void disruption_gone(Disruption *d, const char *uid, int64_t now_usec, bool counts);

uint64_t disruption_n_changes(const Disruption *d); /* of what disruption_json() says */
size_t disruption_n_open(const Disruption *d); /* gaps */
/* {"namespaces": {NS: {"pods", "usec"}}, "open": [{"ns", "owner", "sinceUsec"}]}. New reference. */
json_t *disruption_json(const Disruption *d);
