/* The drain planner: what each pod of a node needs, what keeps it, who can mend that, and which
 * pods are to be evicted next. Pure: facts and now in, a plan out; it is asked again whenever a
 * fact changed.
 *
 * Nothing is evicted while any pod is blocked for good: it is better to stop before the easy pods
 * are gone than after. Hardest first: budgets with the longest chains and least slack. Tiers follow
 * one another: a tier begins when all pods of the tier before are gone. */
#pragma once
#include "policy/drain-rules.h"
#include "policy/ledger.h"

enum { DRAIN_TEXT_MAX = 320, DRAIN_WHO_MAX = 96, DRAIN_COMMAND_MAX = 512 };

typedef enum {
	DRAIN_SKIP, /* may stay: mirror pods, DaemonSets, skip rules */
	DRAIN_FINISHED, /* over; evicted for tidiness, needs no budget and is not waited for */
	DRAIN_TERMINATING, /* only wait */
	DRAIN_EVICT, /* to be evicted, now or when its cause is over */
	DRAIN_WAIT_COMPLETED, /* left alone until it ends */
	DRAIN_DELETE_AFTER, /* left alone until its deadline; with due: delete it now, by UID */
	DRAIN_BLOCKED, /* nothing goes on until somebody acts */
} DrainClass;

typedef enum {
	CAUSE_NONE,
	CAUSE_MIRROR,
	CAUSE_DAEMON_SET,
	CAUSE_RULE, /* skip by a rule */
	CAUSE_UNMANAGED,
	CAUSE_EMPTY_DIR,
	CAUSE_TWO_BUDGETS,
	CAUSE_BUDGET_NEVER,
	CAUSE_BUDGET, /* no slot now */
	CAUSE_SERVER, /* refused: webhook, access rules, credentials */
	CAUSE_RETRY, /* backing off after an answer that will pass */
	CAUSE_OPEN, /* our request is under way */
	CAUSE_LEAVING, /* accepted or terminating, within its time */
	CAUSE_FINALIZER,
	CAUSE_UNREACHABLE,
	CAUSE_SLOW, /* past its grace period */
	CAUSE_TIER, /* another tier first */
	CAUSE_ONE_AT_A_TIME,
	CAUSE_LIMIT, /* as many requests under way as allowed */
	CAUSE_RUNNING, /* waits until it has completed, or for its deadline */
	CAUSE_DEADLINE, /* waitCompleted, and not completed in time */
	CAUSE_SURGE, /* not built yet */
} DrainCause;

typedef struct DrainVerdict {
	DrainClass class;
	DrainCause cause;
	DrainTier tier;
	size_t rule; /* n_rules: none */
	size_t budget; /* n_budgets: none */
	bool due; /* with DRAIN_DELETE_AFTER */
	int64_t deadline_usec; /* by when it has to be gone, on the clock of now; 0: none */
	bool past_deadline; /* what follows is the policy's onDeadline */
	char text[DRAIN_TEXT_MAX]; /* the cause, for people */
	char who[DRAIN_WHO_MAX]; /* who can mend it; empty: nobody needs to */
	char command[DRAIN_COMMAND_MAX];
} DrainVerdict;

typedef struct DrainInput {
	const DrainPod *pods; /* all of the node */
	size_t n_pods;
	const Budget *budgets; /* all of the cluster */
	size_t n_budgets;
	const LedgerEviction *evictions; /* all of the cluster, see ledger.h */
	size_t n_evictions;
	int max_open; /* requests that may be under way at once; 0: no limit */
	int n_open; /* those under way that are not among pods, and what the batch has taken */
	const char *kubectl; /* how commands begin; NULL: "kubectl" */
	int64_t now_usec; /* the clock of since_usec and of the ledger */
	int64_t wall_usec; /* the clock of deletion_usec */
} DrainInput;

typedef struct DrainPlan {
	DrainVerdict *pods; /* in the order of the input */
	size_t n_pods;
	size_t *take; /* indices of the pods to evict now, hardest first */
	size_t n_take;
	size_t n_left; /* must still go, those leaving included */
	size_t n_leaving, n_blocked;
	size_t n_due; /* deleteAfter pods to be deleted now: those with due */
	size_t n_past_deadline; /* left, and past their deadline: the policy's onDeadline */
	bool done; /* nothing left and nothing to do; the caller proves it by a consistent list */
	int64_t next_usec; /* when to plan again if no fact changes; INT64_MAX: never */
} DrainPlan;

DrainPlan *drain_plan(const DrainRules *r, const DrainInput *in);
void drain_plan_free(DrainPlan *p);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DrainPlan, drain_plan_free)

/* "12 pods left: 3 leaving, 2 blocked, 7 waiting (budget)". Caller frees. */
char *drain_plan_text(const DrainPlan *p);
const char *drain_cause_name(DrainCause c);
