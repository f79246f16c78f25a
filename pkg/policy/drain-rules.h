/* A DrainPolicy, read: which pods are treated how. documents.md is the contract of its fields. */
#pragma once
#include "objects/selector.h"
#include "policy/pod.h"

typedef enum {
	BEHAVIOUR_EVICT,
	BEHAVIOUR_WAIT_COMPLETED, /* left alone until it ends by itself */
	BEHAVIOUR_DELETE_AFTER, /* left alone until its deadline, then deleted */
	BEHAVIOUR_SKIP, /* may stay on the node */
	BEHAVIOUR_SURGE, /* later */
} DrainBehaviour;

/* Groups leave one after the other, each when the one before is gone. Without a group of its own a
 * pod is normal, or critical by its priority class. */
typedef enum { TIER_NORMAL, TIER_CRITICAL, TIER_LAST } DrainTier;

typedef enum { ON_DEADLINE_HOLD, ON_DEADLINE_SKIP_NODE, ON_DEADLINE_FORCE } DrainOnDeadline;

typedef enum { CANARY_NONE, CANARY_PREFER, CANARY_REQUIRE } DrainCanary;

/* All given parts must match; within a list one does. Patterns: "*" stands for any text. */
typedef struct DrainRule {
	char **namespaces, **owner_kinds, **storage_classes; /* NULL: not given */
	Selector *labels, *annotations; /* NULL: not given */
	DrainBehaviour behaviour;
	int64_t deadline_sec; /* 0: none of its own */
	DrainTier group; /* with has_group */
	bool has_group;
	bool one_at_a_time;
} DrainRule;

typedef struct DrainRules {
	int64_t pod_sec, node_sec, pool_sec; /* deadlines */
	DrainOnDeadline on_deadline;
	bool empty_dir, unmanaged, force; /* consent */
	int nodes_at_once;
	bool hardest_first, node_may_skip;
	DrainCanary canary;
	DrainRule *rules;
	size_t n_rules;
	size_t n_holds;
	json_t *spec; /* the whole */
} DrainRules;

/* spec of a DrainPolicy, defaults filled in or not: deadlines 30m, 26h, 72h, onDeadline hold, no
 * consent but for emptyDir, one node at once, hardestFirst, canary prefer. NULL gives those.
 * INVALID names the field. */
DrainRules *drain_rules_parse(const json_t *spec, GError **err) SL_MUST_USE;
void drain_rules_free(DrainRules *r);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DrainRules, drain_rules_free)

/* The first rule that matches; n_rules when none does (then: evict). */
size_t drain_rule_of(const DrainRules *r, const DrainPod *p);

/* What a policy uses, so that a caller can refuse what has no effect where it works. */
typedef enum {
	DRAIN_USES_SURGE = 1 << 0,
	DRAIN_USES_HOLDS = 1 << 1,
	DRAIN_USES_DELETE_AFTER = 1 << 2,
	DRAIN_USES_WAIT_COMPLETED = 1 << 3,
	DRAIN_USES_GROUPS = 1 << 4,
	DRAIN_USES_ONE_AT_A_TIME = 1 << 5,
	DRAIN_USES_STORAGE_CLASSES = 1 << 6,
	DRAIN_USES_FORCE = 1 << 7,
} DrainUses;
unsigned drain_rules_uses(const DrainRules *r);
/* Where another drainer evicts (an operator that knows only budgets) rules beyond evict, skip and
 * waitCompleted, groups and oneAtATime do not bind, nor does who is in work how often, nor the
 * consent to lose an emptyDir. Names the first such part, like "rules[2]: deleteAfter"; NULL when
 * there is none. Caller frees. */
char *drain_rules_beyond_operator(const DrainRules *r);
