/* From API objects to what the drain and budget policies judge: the one bridge between JSON and
 * policy structs. */
#pragma once
#include "codec/json.h"
#include "policy/budget.h"

/* Every PodDisruptionBudget that can never allow a disruption, or whose pods have two, as findings.
 */
void budgets_preflight(
	const char *cluster, const json_t *pdb_list, const json_t *pod_list, json_t *findings);

/* Borrowed from the JSON save the selector, which is freed by budget_clear; false: not readable. */
bool budget_from_json(const json_t *pdb, Budget *ret);
void budget_clear(Budget *b);
/* All borrowed. */
void pod_from_json(const json_t *pod, DrainPod *ret);
