/* Requests to a Kubernetes API server as data: paths and bodies. Pure. Sources: the API concepts
 * (URI layout, patch types, preconditions) and policy/v1 Eviction. All results are the caller's. */
#pragma once
#include "base/error.h"
#include <jansson.h>

/* A resource as URLs name it. group_version is "v1" or "group/version". */
typedef struct KubeKind {
	const char *group_version, *plural, *kind;
	bool namespaced;
} KubeKind;

extern const KubeKind kube_nodes, kube_pods, kube_namespaces, kube_pdbs, kube_leases, kube_jobs,
	kube_config_maps, kube_api_services, kube_access_reviews;
/* config.openshift.io and machineconfiguration.openshift.io */
extern const KubeKind kube_cluster_versions, kube_cluster_operators, kube_machine_config_pools,
	kube_machine_configs;

#define KUBE_MERGE_PATCH "application/merge-patch+json"
#define KUBE_APPLY_PATCH "application/apply-patch+yaml"
#define KUBE_METADATA_LIST "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
#define KUBE_METADATA "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"

#define KUBE_TABLE "application/json;as=Table;g=meta.k8s.io;v=v1"

/* ns NULL: cluster-scoped, or all namespaces; name NULL: the collection; sub NULL: the object
 * itself, else its subresource. Names are escaped and must not be "". */
char *kube_path(const KubeKind *kind, const char *ns, const char *name, const char *sub);
/* Appends parameters given as key and value pairs up to NULL; a pair whose value is NULL or "" is
 * left out. Values are escaped. */
char *kube_path_query(const char *path, ...) G_GNUC_NULL_TERMINATED;

/* A copy of the merge patch that also carries metadata.resourceVersion (NULL: without). */
json_t *kube_merge_body(const json_t *patch, const char *resource_version);
/* DeleteOptions; uid, resource_version and propagation may be NULL; grace_sec -1 = the object's. */
json_t *kube_delete_body(
	const char *uid, const char *resource_version, const char *propagation, int grace_sec);
/* policy/v1 Eviction with the UID as its precondition. */
json_t *kube_eviction_body(const char *ns, const char *name, const char *uid, int grace_sec);
/* SelfSubjectAccessReview; any of group, sub, ns and name may be NULL. */
json_t *kube_access_review_body(const char *verb, const char *group, const char *resource,
	const char *sub, const char *ns, const char *name);
/* The same for a path that is no resource ("/metrics"). */
json_t *kube_path_review_body(const char *verb, const char *path);
