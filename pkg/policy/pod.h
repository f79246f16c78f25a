/* What a drain has to know of a pod. The caller fills it from its caches for one decision; all
 * pointers are borrowed. Times are microseconds: deletion_usec on the wall clock, since_usec on the
 * clock that the caller passes as now. */
#pragma once
#include "policy/evict.h"

typedef enum { POD_PENDING, POD_RUNNING, POD_SUCCEEDED, POD_FAILED, POD_PHASE_UNKNOWN } PodPhase;

/* Whether the controller that the pod names exists. Only asked for DaemonSets. */
typedef enum { OWNER_NOT_ASKED, OWNER_EXISTS, OWNER_MISSING } PodOwner;

/* What we did to this UID so far. */
typedef enum {
	POD_UNTOUCHED,
	POD_OPEN, /* a request is under way, or of unknown outcome */
	POD_ACCEPTED, /* eviction accepted, the UID still there */
} PodAct;

/* Of a pod of ours by which a node is proven. */
#define POD_TRIAL_LABEL "shiplock.dev/trial"

typedef struct DrainPod {
	const char *ns, *name, *uid;
	PodPhase phase;
	bool ready;
	bool mirror; /* annotation kubernetes.io/config.mirror */
	bool empty_dir; /* has an emptyDir volume, of whatever medium */
	int64_t deletion_usec; /* deletionTimestamp; 0: none */
	int64_t since_usec; /* since when this drain waits for it */
	int grace_sec; /* terminationGracePeriodSeconds */
	const char *owner_kind, *owner_name; /* the controller; NULL: none */
	PodOwner owner;
	const json_t *labels, *annotations; /* objects of strings, or NULL */
	const char *priority_class; /* NULL: none */
	const char *const *storage_classes; /* of its claims */
	size_t n_storage_classes;
	const char *finalizer; /* the first one, or NULL */
	bool node_unreachable; /* its kubelet does not answer */
	PodAct act;
	const EvictVerdict *refusal; /* the newest answer that was no acceptance; NULL: none */
	int64_t refused_usec; /* when it came, on the clock of since_usec */
	int n_refusals; /* in a row */
} DrainPod;

static inline bool pod_is_finished(const DrainPod *p)
{
	return p->phase == POD_SUCCEEDED || p->phase == POD_FAILED;
}
