/* What the files of the steps share. */
#pragma once
#include "objects/time.h"
#include "policy/window.h"
#include "steps/cluster.h"

typedef struct ClusterCtx {
	GPtrArray *gates; /* Gate */
	RollbackRules rollback;
	/* What was read of the item's looks, once each: of this state, since this wall time. */
	GPtrArray *looks; /* GArray of Look, one for each gate */
	GArray *due_usec; /* int64_t, one for each gate: boot time since which its next look is
			     due; 0: not yet */
	size_t n_looks_read;
	unsigned looks_state;
	int64_t looks_since_usec;
} ClusterCtx;
ClusterCtx *cluster_ctx(const Item *it);

/* life.c */
extern const StepOps step_pending, step_preflight, step_claim, step_baseline, step_evacuate,
	step_hop, step_undo_marks, step_rolled_back;
/* inspect.c: the preflight of an item that nobody wants anywhere. */
StepResult inspect_tick(Item *it, Batch *b);
json_t *cluster_offer_json(const Item *it, const RollbackOffer *o);
/* cluster.c: the tier by which this item steps down, stored with the move into rollback. */
Tier cluster_down_tier(const Item *it);
/* takeover.c */
enum { TAKEOVER_LOOK_USEC = 10000000 };
extern const StepOps step_raise_claim, step_found;
/* Whether a resume that was said to a picture of the class shown must be asked for again, now that
 * this is found: it goes backwards, turned round, or is somebody else's wish. Progress is no
 * reason. back: the item goes down already, whatever is found. */
bool takeover_asks_anew(const char *shown, const Found *now, bool back);
json_t *takeover_memo(const char *who, const char *reason);
void takeover_preflight(Item *it, json_t *findings);
bool takeover_command(Item *it, Batch *b, const Command *c, char **ret_says, GError **err);
extern const StepOps step_backup; /* backup.c */
/* command.c */
void cluster_record(Item *it, Batch *b, const Command *c);
/* window.c: of the cluster's policy, NULL: none; and the wall time before which notice lets it not
 * start. */
WindowRules *cluster_window_rules(const Item *it);
int64_t cluster_earliest_start(const Item *it, const WindowRules *rules);
/* estimate.c: "about" and "window" into the memo, and a finding where the one does not fit the
 * other. */
void cluster_estimate(Item *it, size_t n_hops, json_t *memo, json_t *findings);
/* gates.c */
extern const StepOps step_preflight_gates, step_cp_verify, step_cp_soak, step_verify, step_soak;
/* The control plane or a verification failed as a whole: why goes into the look. */
StepResult progress_failed(Item *it, int64_t now_usec, Batch *b, const char *why);
/* A person gives it more time: failures of progress so far in this state decide nothing more. */
void cluster_more_time(Item *it, Batch *b);
StepResult progress_late(Item *it, int64_t now_usec, Batch *b); /* not at its end in time */
/* Looks of the gates of this phase; *ret_sum is what they make together. */
StepResult gates_run(
	Item *it, int64_t now_usec, Batch *b, GateWhen when, int64_t soak_sec, GateSum *ret_sum);
/* drain.c: what this child did on its node is put back, and it ends. */
void drain_withdraw(Item *child, Batch *b);
