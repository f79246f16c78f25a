/* When a wave or the whole fleet stops. Pure arithmetic over the ends of clusters. */
#pragma once
#include "base/error.h"

enum { HALT_TEXT_MAX = 200 };

/* Clusters of one wave by how they ended. SucceededWithSkips counts as good. */
typedef struct WaveCount {
	int n_clusters, n_good, n_bad; /* n_bad: every other end, a held end included */
} WaveCount;

/* The wave stops as soon as more clusters than its failureBudget ended badly. ret_text (may be
 * NULL) says why. */
bool halt_wave(const WaveCount *c, int failure_budget, char ret_text[HALT_TEXT_MAX]);

typedef struct FleetCount {
	int n_rollbacks; /* of this plan's run, automatic and asked for */
	const char *halting_gate; /* a gate with onFail halt that failed, "cluster/gate"; or NULL */
} FleetCount;

/* No further cluster starts: stopFleetAfter rollbacks are reached, or a gate said halt. */
bool halt_fleet(const FleetCount *c, int stop_fleet_after, char ret_text[HALT_TEXT_MAX]);
