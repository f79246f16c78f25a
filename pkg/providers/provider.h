/* A provider knows one kind of cluster: what its version is, where it can go, how it goes up and
 * down, and what proves each. Chosen once by name. Everything it decides, it decides from facts;
 * false from one of these functions means that a fact is missing and the tick returns step_read. */
#pragma once
#include "policy/judge.h"
#include "policy/rollback.h"
#include "providers/rights.h"
#include "providers/target.h"
#include "providers/wake.h"

/* Findings are objects {"level": block|warn|info, "code", "message", "try"}. */
void finding_add(json_t *findings, const char *level, const char *code, const char *fix,
	const char *fmt, ...) SL_PRINTF(5, 6);
bool findings_block(const json_t *findings);
/* Nobody wants the cluster anywhere, it is only looked at: what would block the next minor version
 * is found too. */
bool provider_inspects(const Item *it);

/* What tells this hop from every other one of its cluster: its "key", else the version it goes to.
 * Borrowed. */
const char *hop_key(const json_t *hop);
/* Points of no cheap return, of the hop under way: those of an earlier hop say nothing about this
 * one. */
bool hop_crossed(const Item *it, const char *pivot);
void hop_cross(Batch *b, Item *it, const char *pivot);

/* What a rollback could do for one hop. */
typedef struct RollbackOffer {
	Tier tier;
	char *target; /* the version that stands afterwards */
	char *how; /* one line for people, with the vendor's word */
	char *expires; /* until when it is open, in words */
} RollbackOffer;
void rollback_offer_clear(RollbackOffer *o);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RollbackOffer, rollback_offer_clear)

/* What somebody who takes a cluster over finds on it. Everything but the last two goes on forward.
 */
typedef enum {
	FOUND_NOTHING, /* no hop was ordered, or the last one is wholly done and another is due */
	FOUND_CONTROL_PLANE, /* ordered, not done */
	FOUND_BEFORE_NODES, /* the control plane is done, no worker moved */
	FOUND_NODES, /* workers move, or some of them are done */
	FOUND_DONE, /* all is at the target */
	FOUND_BACK, /* on its way back, or back */
	FOUND_FOREIGN, /* somebody asks for what the plan does not know */
} FoundClass;

typedef struct Found {
	FoundClass class;
	bool workers_moved;
	bool between; /* NOTHING: a hop of the plan is wholly done, the next one was not ordered */
	bool released; /* BACK: brakes were let go on the way down already */
	Tier tier; /* BACK: by which it goes down; T0: it is not told, and T2 is meant */
	json_t *hop; /* as next_hop gives it; NULL with NOTHING and FOREIGN */
	char *text; /* one line for people */
} Found;
void found_clear(Found *f);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Found, found_clear)
const char *found_name(FoundClass c);

/* Lower bounds of one hop, in seconds. */
typedef struct HopBound {
	double control_plane_sec, nodes_sec;
} HopBound;

struct Provider {
	const char *name;
	const char *claim_path; /* the object that carries pivot and claim */
	const char *version_path; /* where the version stands; claim_path, where it is the same */
	const char *(*version_of)(const json_t *answer); /* of version_path; "": none. Borrowed */
	const ActRow *claim, *release, *take_over;
	const StepOps *const *up, *const *nodes, *const *down;
	/* The steps down where they differ by what was offered; NULL: down, whatever it was. The
	 * same list for as long as the journal knows the tier. */
	const StepOps *const *(*down_for)(Tier tier);
	/* Takes back a request that was never taken up; DONE when there is none. Part of every
	 * undo. */
	StepResult (*abandon)(Item *it, int64_t now_usec, Batch *b);
	const ActRow *const *rows; /* every act row, NULL-terminated: for replay */
	const ItemKind *const *kinds; /* item kinds of its own, NULL-terminated */
	const WakeRow *wakes; /* ends with a NULL collection */
	const RightRow *rights; /* ends with NULL verbs */
	/* Our own engine drains its nodes (Target.drains); else an operator does. */
	bool drains;
	/* The command (POSIX sh, no effects) of a look at a node and what its output says; for
	 * fact_node_look. NULL: there are no looks at nodes. */
	char *(*look_text)(const Target *t, const char *what);
	json_t *(*look_parsed)(const char *what, const char *out, GError **err);
	/* The command of this look may say no: another exit code than 0 is an answer ("ok" false)
	 * and no failed read. NULL: none may. */
	bool (*look_may_say_no)(const char *what);
	/* DONE: no command of ours runs on a node any more. First in every undo; NULL: there are
	 * none. */
	StepResult (*settle)(Item *it, int64_t now_usec, Batch *b);

	/* Everything that can be known beforehand, at once. */
	bool (*preflight)(Item *it, json_t *findings);
	/* What somebody asks who knows nothing of the cluster, beside the findings: adds
	 * "provider", "version", "channel", "kubernetes", "nodes", "owner" (null: nobody),
	 * "updates" (array of
	 * {"version", "recommended", "risks": [{"name","message","url"}], "applies":
	 * yes|no|unknown, "askedAt", "rollback": tier}, lowest first), "rollback"
	 * {"tier","target","how","expires"} (now, of the version that stands), "telemetryUrl". A
	 * fact that cannot be read leaves its member out. */
	bool (*inspect)(Item *it, json_t *report);
	/* The hop to take now: {"from","fromImage","to","image","index","last"}; JSON null when the
	 * target is reached. ret_why says why there is none although one is needed. Where two hops
	 * go to the same version: "key" tells them apart, "text" is what people read instead of
	 * "FROM -> TO", "returns" the tier by which it is taken back (default
	 * "T2"), "before" the hop that can be taken back once this one has been. */
	bool (*next_hop)(Item *it, json_t **ret_hop, char **ret_why);
	/* The whole path as far as it can be seen now: array of versions. */
	bool (*path)(Item *it, json_t **ret_versions, char **ret_now);
	bool (*probe)(Item *it, const json_t *hop, RollbackOffer *ret);
	/* The data of before (T3) of a run that has begun, by what the memo says: *ret is the
	 * offer, or at T0 why there is none. NULL: there never is. */
	void (*restorable)(Item *it, RollbackOffer *ret);
	/* What has been begun can only be brought to its end: nothing serves meanwhile. NULL:
	 * never. */
	bool (*must_end)(Item *it);
	/* Could this hop, done earlier, be taken back now? */
	bool (*probe_return)(Item *it, const json_t *hop, RollbackOffer *ret);
	/* How long a hop takes at least, where no earlier one of this cluster is known. */
	bool (*bound)(Item *it, HopBound *ret);
	/* What is there before the upgrade, so that old faults are not blamed: goes into the memo.
	 */
	bool (*baseline)(Item *it, json_t **ret);
	/* Brings {"POOL": "RUN that braked it"} on by what this item did; items of a cluster come
	 * oldest first. */
	void (*brakes)(const Item *it, json_t *standing);
	/* What is there when a cluster is taken over, from reads sent after since_usec. */
	bool (*found)(Item *it, int64_t since_usec, Found *ret);
	/* Somebody else's wish stands where ours was: *ret_why says which, else it stays NULL. */
	bool (*foreign)(Item *it, char **ret_why);
	/* One look of an invariant gate; ret_evidence is a text for people. */
	bool (*invariant)(Item *it, const Gate *g, LookVerdict *ret, char **ret_evidence);
};

extern const Provider provider_openshift, provider_kubeadm;
/* For who only looks: a cluster that is taken for OpenShift and is none gets the provider of plain
 * Kubernetes. False: not known yet. */
bool provider_recognise(Item *it);
const Provider *provider_find(const char *name); /* NULL: not known, or not built yet */
