/* What the files of the drain share. */
#pragma once
#include "policy/drain.h"
#include "providers/budgets.h"
#include "providers/watches.h"
#include "steps/drain.h"
#include "steps/internal.h"

#define DRAIN_TAINT "shiplock.dev/drain"
enum { DRAIN_OPEN_MAX = 20, DRAIN_ISOLATED_SEC = 5 };

typedef enum {
	DP_EVICT = 1, /* has, or is about to send, its eviction */
	DP_DELETE, /* the same with a deletion: deleteAfter, past its deadline */
	DP_REFUSED, /* the node asks again when the plan says so */
	DP_LEAVING, /* accepted; the UID is still there */
	DP_UNDO, /* withdrawn; what was sent is still to be settled */
	DP_GONE,
	DP_KEPT,
	DP_MAX
} DrainPodState;

/* ---- drain-pod.c ---- */
/* Volatile: what was seen of an eviction since this process started. Boot times, 0 = not yet. */
typedef struct PodSeen {
	int64_t sent_usec, accepted_usec, going_usec;
	bool included; /* the budget's status knew it */
} PodSeen;
PodSeen *drain_pod_seen(Item *pod);
extern const ActRow act_evict, act_delete;
/* "uid", "ns", "name", "node", "budget", "version": of its creation, or of the newest move. */
const char *drain_pod_text(const Item *pod, const char *field);
const Act *drain_pod_act(const Item *pod); /* the newest; NULL: none */
const json_t *drain_find_uid(const View *pods, const char *uid); /* NULL: not there */
/* False: the newest act was no refusal that is remembered. */
bool drain_pod_refusal(const Item *pod, EvictVerdict *ret);
/* The engine sends nothing again before this boot time. */
int64_t drain_pod_ready_usec(const Item *pod);

/* ---- drain-mark.c ---- */
extern const ActRow act_cordon, act_uncordon, act_taint, act_untaint;
char *drain_node_path(const Item *node);
/* Whether this view of the node shows the mark of this drain, and the isolation with it. */
bool drain_is_isolated(const Item *node, const View *v);

/* ---- drain-look.c ---- */
typedef struct Taken {
	char *item; /* name of the pod item */
	char *ns, *pod, *uid, *budget, *version;
} Taken;
typedef struct DrainSince {
	DrainCause cause;
	int64_t since_usec;
} DrainSince;
typedef struct NodeSeen {
	DrainRules *rules;
	GPtrArray *taken; /* Taken: by the batch of its last tick */
	GHashTable *causes; /* UID -> DrainSince; looked up only */
	int64_t gone_usec; /* when a pod was last seen gone */
	int64_t ended_usec;
} NodeSeen;
NodeSeen *drain_node_seen(Item *node);

/* The facts of one decision. */
typedef struct DrainLook {
	DrainInput in;
	DrainPod *pods;
	Item **items; /* of the pods, NULL where there is none yet */
	EvictVerdict *refusals;
	Budget *budgets;
	LedgerEviction *evictions;
	size_t n_pods, n_budgets, n_evictions;
	bool throttled; /* the server asked us to slow down a moment ago */
	int64_t throttled_usec;
} DrainLook;
/* b may be NULL (outside of a turn). */
void drain_look(DrainLook *l, Item *node, const View *object, const View *pods, const View *pdbs,
	const Batch *b, int64_t now_usec);
void drain_look_clear(DrainLook *l);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DrainLook, drain_look_clear)
