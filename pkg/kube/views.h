/* What is kept of the objects of a cluster: small structs taken from JSON, so that the tree lives
 * for one page only. Strings are owned by the view and never NULL unless said; times are wall-clock
 * microseconds, 0 = not given. A view is made from what a server sent: missing fields read as the
 * server's defaults, wrong types as missing. Sources: core/v1, policy/v1. */
#pragma once
#include "base/error.h"
#include <jansson.h>

typedef struct KubeTaint {
	char *key, *value, *effect;
} KubeTaint;

typedef struct KubeCondition {
	char *type, *status, *reason, *message;
	int64_t since_usec, heard_usec; /* lastTransitionTime; lastHeartbeatTime */
	int64_t observed_generation; /* 0 = not given */
} KubeCondition;

typedef struct KubeConditions {
	KubeCondition *items;
	size_t n;
} KubeConditions;
/* From an array of conditions (or NULL). */
void kube_conditions_init(KubeConditions *c, const json_t *array);
void kube_conditions_clear(KubeConditions *c);
const KubeCondition *kube_condition(const KubeConditions *c, const char *type); /* or NULL */

/* Head of any object. */
typedef struct KubeMeta {
	char *ns, *name, *uid, *resource_version; /* ns "" for cluster-scoped ones */
	int64_t generation, created_usec, deleted_usec; /* deletionTimestamp */
	int deletion_grace_sec; /* -1 = not given */
	json_t *labels, *annotations; /* objects, never NULL */
} KubeMeta;
void kube_meta_init(KubeMeta *m, const json_t *object);
void kube_meta_clear(KubeMeta *m);
const char *kube_label(const KubeMeta *m, const char *key); /* NULL when absent */
const char *kube_annotation(const KubeMeta *m, const char *key);

typedef struct NodeView {
	KubeMeta meta;
	bool unschedulable, ready; /* ready: condition Ready is True */
	int64_t ready_since_usec; /* of the condition's last transition, whatever its status */
	KubeTaint *taints;
	size_t n_taints;
	KubeConditions conditions;
	json_t *allocatable; /* object of quantities, never NULL */
	char *kubelet_version, *boot_id, *os_image, *architecture;
	char *pod_cidr, *provider_id; /* "" when not given */
} NodeView;
NodeView *node_view_new(const json_t *node);
void node_view_free(NodeView *v); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NodeView, node_view_free)
const KubeTaint *node_view_taint(const NodeView *v, const char *key); /* first of the key */

typedef struct PodView {
	KubeMeta meta;
	char *node, *phase, *reason; /* reason: of the status, e.g. Evicted */
	bool ready; /* condition Ready is True */
	int64_t ready_since_usec;
	char *owner_kind, *owner_name, *owner_api, *owner_uid; /* controller; "" = none */
	bool mirror; /* a static pod's image: the API server cannot remove it */
	bool empty_dir; /* has an emptyDir volume */
	bool host_path, claims; /* has a hostPath volume; persistent volume claims */
	char *priority_class, *scheduler, *restart_policy;
	int64_t priority;
	bool tolerates_all; /* a toleration without key, operator Exists */
	int grace_sec; /* terminationGracePeriodSeconds, 30 by default */
	bool unschedulable; /* PodScheduled False with reason Unschedulable */
	bool gated; /* has scheduling gates */
	int restarts; /* of all containers */
	char *waiting; /* reason of the first waiting container, e.g. ImagePullBackOff; "" */
	json_t *finalizers; /* array, never NULL */
	char **claim_names; /* ends with NULL */
} PodView;
PodView *pod_view_new(const json_t *pod);
void pod_view_free(PodView *v); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PodView, pod_view_free)

typedef struct PdbDisrupted {
	char *pod; /* name */
	int64_t at_usec;
} PdbDisrupted;

typedef struct PdbView {
	KubeMeta meta;
	int64_t observed_generation;
	int disruptions_allowed, current_healthy, desired_healthy, expected_pods;
	bool has_status; /* false: no controller has looked at it yet */
	PdbDisrupted *disrupted;
	size_t n_disrupted;
	json_t *selector; /* a LabelSelector; NULL = none, which selects nothing */
	json_t *min_available, *max_unavailable; /* as written, NULL when not given */
	char *unhealthy_policy; /* IfHealthyBudget (also where not given) or AlwaysAllow */
	KubeConditions conditions;
} PdbView;
PdbView *pdb_view_new(const json_t *pdb);
void pdb_view_free(PdbView *v); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PdbView, pdb_view_free)

/* metav1.Time or MicroTime at a path; 0 when missing or not a time. */
int64_t kube_time(const json_t *object, const char *path);
