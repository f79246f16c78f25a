/* The life of a cluster in a run: the state table, what every state does, and what a person's
 * command does in it. The cluster item hangs below its run, whose data is the run's snapshot
 * (plan/snapshot.h), with "planOnly" where nothing but the preflight is wanted and "takeover"
 * {"who","reason"} where it takes a cluster over. Its own data: {"index": N} into the snapshot's
 * clusters. */
#pragma once
#include "providers/drains.h"
#include "providers/provider.h"

typedef enum {
	CL_PENDING = 1,
	CL_PREFLIGHT,
	CL_CLAIM,
	CL_TAKEOVER,
	CL_BASELINE,
	CL_EVACUATE,
	CL_BACKUP,
	CL_CONTROL_PLANE,
	CL_CP_VERIFY,
	CL_CP_SOAK,
	CL_NODES,
	CL_VERIFY,
	CL_SOAK,
	CL_DONE,
	CL_ROLLBACK,
	CL_ROLLED_BACK,
	CL_UNDO,
	CL_ENDED,
	CL_MAX
} ClusterState;

extern const ItemKind cluster_kind;

/* The parts of the snapshot that concern this cluster; never NULL. */
const json_t *cluster_plan(const Item *it); /* spec of the UpgradePlan */
const json_t *cluster_wave(const Item *it); /* the snapshot's entry of its wave */
const json_t *cluster_entry(const Item *it); /* its own entry of the snapshot */
const json_t *cluster_policy(
	const Item *it, const char *kind); /* spec: drain, rollback, window; JSON null when none */
const RollbackRules *cluster_rollback_rules(const Item *it);
const Gate *const *cluster_gates(const Item *it, size_t *ret_n);
const json_t *cluster_hop(
	const Item *it); /* the hop under way or last done; NULL before the first */
/* The hop that a run of its own could take back, now that this item has ended; NULL: none. Where
 * the feature level alone went back (T1), the binaries still can. */
const json_t *cluster_return_hop(const Item *it);
bool cluster_plan_only(const Item *it);
/* Whether the cluster's window lets this begin now. If not: when to look again (wall time) and why;
 * caller frees. */
typedef enum { WORK_START, WORK_HOP, WORK_NODES, WORK_BACK } ClusterWork;
bool cluster_window_open(
	const Item *it, ClusterWork work, int64_t *ret_until_wall, char **ret_text);
/* Held by the window, which clears it at its next opening. */
StepResult cluster_wait_window(Item *it, int64_t until_wall, const char *text);
/* For Target.may_move and Target.may_order. */
bool cluster_may_move(Item *it, StepResult *ret);
bool cluster_may_order(Item *it, StepResult *ret);
/* The hop that this run takes back (a rollback of a cluster that had ended); NULL for every other
 * run. */
const json_t *cluster_takes_back(const Item *it);
/* This run takes the cluster over from a controller whose journal is lost. */
bool cluster_takes_over(const Item *it);
/* "Succeeded", ... once it is decided; NULL before. An end Held leaves the item in its state. */
const char *cluster_outcome(const Item *it);
bool cluster_past_preflight(const Item *it); /* and not ended: it has the slot */

/* The hold by which a person (pause) or Git (git) stopped this item itself; NULL: none. */
const Hold *cluster_pause(const Item *it);
/* A pause is lifted: a rollback that waited for it is decided again. */
void cluster_unpaused(Item *it, Batch *b);
/* So much of the observed time of this soak does not count, because the cluster was paused. */
int64_t cluster_paused_usec(const Item *it);

/* What the onFailure of the plan and the consequence of a failed gate make of it. */
StepResult cluster_failed(Item *it, int64_t now_usec, Batch *b, GateOnFail of_gate,
	const char *gate, const char *why);

/* The provider says that the order under way fails, since this wall time (0: it does not). True
 * with *ret: a wait until that stood for stableFor of a gate with invariant clusterVersion (default
 * 10m), then the verdict, stored as a look first. */
bool cluster_failing(Item *it, int64_t now_usec, Batch *b, int64_t since_usec, const char *text,
	StepResult *ret);

/* ---- commands: pause resume approve abort rollback retry skip takeover ---- */
typedef struct Command {
	const char *verb, *who, *reason;
	const char *gate, *node; /* skip */
	const char *tier; /* rollback: "T3", by name; NULL: what the probe offers */
	/* approve */
	const char *digest; /* of the question that the person saw; NULL: whichever is open */
	bool reject, break_glass;
	int64_t uid; /* of who; -1: not known */
	bool by_git; /* the plan's own wish, and nobody's login */
} Command;

/* Puts the command and what follows from it into the batch; false with the reason where it is
 * refused in this state (REFUSED, or CONFLICT where a person must say more). ret_says: one line of
 * what happens. */
bool cluster_command(Item *it, Batch *b, const Command *c, char **ret_says, GError **err);
/* Git asks for the way back: begun, or asked of a person where the policy asks. */
void cluster_roll_back_for_git(Item *it, Batch *b, const char *reason);

/* ---- drain: nodes below a cluster, pods below a node (drain.c) ---- */
extern const ItemKind drain_node_kind, drain_pod_kind;
extern const ActRow *const drain_rows[]; /* NULL-terminated: for replay */
/* Evicts on a node that somebody else drains, when no child does so already. */
void drain_assist(Item *cluster, Batch *b, const char *node);
/* For Target.drains. */
extern const TargetDrains drain_for_provider;
/* kind Why of one node: a table of its pods with cause, since when, who can mend it and what to
 * type. */
json_t *drain_why(Item *node);
