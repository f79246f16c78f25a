/* PodDisruptionBudgets as the server judges them. Sources: policy/v1 API, the disruption controller
 * and the eviction storage of the API server. Pure. */
#pragma once
#include "objects/intstr.h"
#include "objects/selector.h"
#include "policy/pod.h"

enum { BUDGET_TEXT_MAX = 320, BUDGET_COMMAND_MAX = 512 };

typedef enum {
	UNHEALTHY_IF_HEALTHY_BUDGET, /* also when the field is not set */
	UNHEALTHY_ALWAYS_ALLOW,
	UNHEALTHY_OTHER, /* a value of a newer server: treated as not allowed */
} UnhealthyPolicy;

/* Filled by the caller for one decision; pointers are borrowed. */
typedef struct Budget {
	const char *ns, *name;
	const char *version; /* resourceVersion of what is here */
	const Selector *selector; /* NULL: the nil selector, matches nothing */
	bool has_min, has_max;
	IntStr min_available, max_unavailable;
	UnhealthyPolicy unhealthy;
	int64_t generation, observed_generation;
	int disruptions_allowed, current_healthy, desired_healthy, expected_pods;
	const char *const *disrupted; /* names in status.disruptedPods */
	size_t n_disrupted;
	const char
		*sync_failed; /* message of DisruptionAllowed=False, reason SyncFailed; or NULL */
	int64_t seen_usec; /* when this version was seen, on the clock of now */
	const char *refused_version; /* the version on which the server last said 429; or NULL */
	int64_t refused_usec;
} Budget;

bool budget_matches(const Budget *b, const DrainPod *p);
/* Index of the first that matches, n when none; *ret_n (may be NULL) how many do. */
size_t budget_of_pod(const Budget *b, size_t n, const DrainPod *p, size_t *ret_n);
/* False where the server evicts without asking the budget: pods not running, already terminating,
 * or not ready under a policy that lets such pods go. */
bool budget_counts_pod(const Budget *b, const DrainPod *p);

typedef enum {
	BUDGET_NEVER, /* as it is written it can never allow a disruption */
	BUDGET_TWO, /* a pod has two budgets: the server refuses every eviction of it */
	BUDGET_SYNC_FAILED, /* its status cannot be computed, so it allows none */
	BUDGET_UNHEALTHY, /* fewer pods healthy than it wants: none until they are */
	BUDGET_LAG, /* its status is not computed yet */
	BUDGET_SELECTS_NONE, /* counts no pods, though some match */
} BudgetFault;

typedef struct BudgetFinding {
	BudgetFault fault;
	bool blocks; /* false: will pass by itself, or may */
	const char *ns, *name; /* borrowed from the budget, or of the pod with BUDGET_TWO */
	size_t n_alike; /* with BUDGET_TWO: further pods under the same budgets */
	char text[BUDGET_TEXT_MAX]; /* what is wrong */
	char fix[BUDGET_TEXT_MAX]; /* what to do, and who can */
	char command[BUDGET_COMMAND_MAX]; /* to type; empty where there is none */
} BudgetFinding;

typedef struct BudgetFindings {
	BudgetFinding *items; /* sorted: blocking first, then namespace and name */
	size_t n;
} BudgetFindings;

/* Preflight over the whole cluster. kubectl: the words a command begins with ("kubectl --context
 * x"); NULL: "kubectl". */
BudgetFindings budgets_check(const Budget *budgets, size_t n_budgets, const DrainPod *pods,
	size_t n_pods, const char *kubectl);
void budget_findings_clear(BudgetFindings *f);
/* One budget by its own; false when nothing is wrong with it. */
bool budget_check(const Budget *b, const char *kubectl, BudgetFinding *ret);
