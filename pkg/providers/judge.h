/* Health by what any API server says of itself, and the picture taken before the upgrade. */
#pragma once
#include "providers/provider.h"

/* *ret and *ret_text filled; returns true. */
bool judged(LookVerdict *ret, char **ret_text, LookVerdict v, const char *fmt, ...) SL_PRINTF(4, 5);
/* The name is in this list of the baseline: it was bad before, and is listed, not blamed. */
bool judge_was_bad(const Item *it, const char *group, const char *name);
json_t *judge_names(const json_t *items, bool (*bad)(const json_t *o)); /* new reference */
/* telemetryAlive, nodes, disruptionBudgets, apiServer; every other one is an ERROR look that says
 * where it has no meaning. */
bool judge_invariant(
	Item *it, const Gate *g, const char *where, LookVerdict *ret, char **ret_evidence);
/* {"nodes": names that are not Ready, "nNodes", "nPods", "starvedBudgets"}. */
bool judge_baseline(Item *it, json_t **ret);
