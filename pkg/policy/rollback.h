/* What may be rolled back without asking. Tiers are those of the rollback ladder: T0 stop and hold,
 * T1 feature level back, T2 version back in place, T3 data back (loses writes), T4 leave the
 * cluster. Pure; the texts are for people and name the commands. */
#pragma once
#include "base/error.h"
#include <jansson.h>

enum { ROLLBACK_TEXT_MAX = 320 };

typedef enum { TIER_NONE = -1, TIER_T0, TIER_T1, TIER_T2, TIER_T3, TIER_T4 } Tier;

typedef struct RollbackRules {
	Tier require; /* TIER_NONE: a plan is never refused for this */
	bool automatic_t0, automatic_t1, automatic_t2_before, automatic_t2_after;
	int stop_fleet_after; /* rollbacks, 1 or more */
	/* Names of ApprovalPolicies by tier, NULL: none; borrowed from the JSON. */
	const char *approval[TIER_T4 + 1];
} RollbackRules;

/* spec of a RollbackPolicy, defaults filled in or not; NULL gives the defaults (require none,
 * automatic T0, T1, T2BeforeWorkers, stopFleetAfter 1). INVALID: T3 or T4 as automatic, unknown
 * names. The JSON must outlive ret. */
bool rollback_rules_parse(const json_t *spec, RollbackRules *ret, GError **err) SL_MUST_USE;

bool tier_parse(const char *name, Tier *ret); /* "T2", "none" */
const char *tier_name(Tier t);

/* True where the probe offers at least what the policy requires for this hop. "At least" is the
 * cheaper side: where T1 is offered, T2 is met. ret_text (may be NULL) says why not. */
bool rollback_meets(
	const RollbackRules *r, Tier offered, const char *hop, char ret_text[ROLLBACK_TEXT_MAX]);

typedef struct RollbackFacts {
	const char *cluster;
	Tier offered; /* by the newest probe; TIER_NONE: nothing but T0 */
	bool workers_touched; /* a pool released, or the first worker moved */
	bool rolling_back; /* this run steps down already, or is itself a rollback */
	bool waits_for_merge; /* the actuator delivers by a branch that a person merges */
	const char *paused_by; /* NULL: not paused */
} RollbackFacts;

typedef enum { ROLLBACK_AUTOMATIC, ROLLBACK_ASK, ROLLBACK_REFUSED } RollbackDecision;

typedef struct RollbackAnswer {
	RollbackDecision decision;
	char text[ROLLBACK_TEXT_MAX];
} RollbackAnswer;

/* A gate failed and the plan wants a rollback: may it start by itself? */
RollbackAnswer rollback_decide(const RollbackRules *r, const RollbackFacts *f);
