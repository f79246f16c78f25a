/* What the actors share. */
#pragma once
#include "sim/actor.h"

#define MC "machineconfiguration.openshift.io/"
#define LABEL_ZONE "topology.kubernetes.io/zone"

enum { MAX_RELEASES = 32 };

typedef struct Release {
	char *version, *image, *risk; /* risk NULL: recommended */
} Release;

typedef enum { ASKED_NOTHING, ASKED_LOADING, ASKED_REFUSED, ASKED_ACCEPTED } Asked;

/* The memory of the cluster-version operator. */
typedef struct Cvo {
	char *target; /* the version being reconciled; NULL: not read yet */
	char *target_image;
	Asked asked;
	char *asked_image, *asked_version; /* the request on which there is a verdict or a load */
	bool asked_force;
	int64_t load_usec; /* when its payload is there */
	char *refused_reason, *refused_message, *accepted_risks;
	bool invalid; /* trap g: the spec names a version that nobody knows */
	char *invalid_message;
	int64_t observed; /* observedGeneration */
	int64_t reconcile_usec, graph_usec;
	char *graph_key; /* version and channel that availableUpdates were computed for */
	bool blocked; /* Upgradeable is published as False */
	char *blocked_reason, *blocked_message;
	int64_t blocked_usec; /* when a different verdict gets published; 0: none */
	char *step; /* operator in work, and since when */
	int64_t step_usec;
	bool restarted; /* the fault of this update has struck */
	int64_t restart_usec; /* until then it reports its own release */
} Cvo;

/* How far the operators are; kept until one of them or the target changes. */
typedef struct Work {
	bool known;
	SimObj *first; /* the first that is not done; NULL: all are */
	const char *away; /* the first that is not Available; NULL: all are */
	size_t done, all;
} Work;

struct SimActors {
	SimStore *store;
	Release releases[MAX_RELEASES];
	size_t n_releases;
	char *first;
	unsigned faults, enabled;
	SimTimes t;
	SimNow now;
	bool dirty[SIM_ACTORS_N];
	int64_t due[SIM_ACTORS_N];
	Cvo cvo;
	Work work;
	bool pools_dirty; /* anything but a pod moved */
	bool pdbs_dirty; /* all of them; else those whose memory says so */
	char *lost_node; /* the one that does not return */
	SimWrite *out;
	size_t n_out, cap_out;
};

/* An actor's turn; returns when it wants the next one without a change. */
typedef int64_t SimTick(SimActors *a);
SimTick scheduler_tick, replicasets_tick, pdbs_tick, kubelets_tick, cvo_tick, mco_tick, leases_tick;

/* actor-jobs.c: part of replicasets_tick, and the end of a pod that ends by itself. */
SimTick jobs_tick;
bool pod_ends_by_itself(const SimObj *pod);
void pod_end(SimActors *a, SimObj *pod);

/* Marks the budgets that a change is about. */
void pdbs_note(SimActors *a, const SimChange *c, SimObj *obj);

/* Writes of this turn. body is stolen. Nothing goes out for an object whose last write is still on
 * its way. */
void out_merge(SimActors *a, const SimObj *o, SimSub sub, const char *manager, json_t *body);
/* The whole status, as a merge patch cannot say null. */
void out_replace_status(SimActors *a, const SimObj *o, const char *manager, json_t *status);
void out_create(SimActors *a, SimKindId k, const char *ns, const char *manager, json_t *body);
void out_delete(SimActors *a, const SimObj *o, json_t *body);
void out_sub(SimActors *a, const SimObj *o, SimSub sub, const char *manager, json_t *body);

bool has_fault(const SimActors *a, SimFault f);
SimObj *find(const SimActors *a, SimKindId k, const char *ns, const char *name);
json_t *time_json(const SimActors *a);

/* The condition of a type, NULL when there is none; whether its status is the text. Borrowed. */
json_t *condition_of(const json_t *status, const char *type);
bool condition_is(const json_t *status, const char *type, const char *is);
/* A condition as the server stores it: keeps the transition time of the old one when the status is
 * the same. */
json_t *condition_new(const SimActors *a, const json_t *old_status, const char *type,
	const char *is, const char *reason, const char *message);

/* The name of a pool's configuration at a version; kept in the pool's memory. Borrowed until the
 * next call for this pool. */
const char *rendered_for(SimObj *pool, const char *version);
/* The version that the machine-config operator renders for. */
const char *mco_version(SimActors *a);
const char *operator_version(const SimObj *co);
/* The pool a node belongs to, by labels; a custom pool before worker. */
SimObj *pool_of(const SimActors *a, const SimObj *node);
int64_t node_tick(SimActors *a, SimObj *node); /* daemon and drain */

/* cvo-rules.c */
typedef struct Wanted {
	const char *version, *image; /* image NULL: nothing is asked */
	bool force;
} Wanted;
const Release *release_by(const SimActors *a, const char *version, const char *image);
Wanted cvo_pick(SimActors *a, const json_t *cv);
/* The first blocking precondition that fails: "reason" and "message" set; false when none. */
bool cvo_blocked(const SimActors *a, const json_t *cv, const char *version, const char **ret_name,
	const char **ret_reason, char **ret_message);
char *cvo_risks(const SimActors *a, const char *version);
/* Publishes Upgradeable with the operator's lag. Returns when it will change by itself. */
int64_t cvo_upgradeable(SimActors *a);
/* cvo-status.c */
void cvo_publish(SimActors *a, SimObj *cv);
const Work *operators_at_work(SimActors *a);
SimObj *operator_in_work(SimActors *a, size_t *ret_done, size_t *ret_all);
