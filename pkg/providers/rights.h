/* What Shiplock must be allowed on a cluster: one table for each provider, from which come the
 * questions of the preflight and what `shiplock rbac` prints. Pure.
 *
 * Reads are done as whom the kubeconfig says, writes as spec.access.impersonate where that is
 * given; who may impersonate needs that right too. */
#pragma once
#include "codec/json.h"

typedef enum {
	RIGHT_READ,
	RIGHT_SPARE, /* a read; without it something is not judged, but nothing fails */
	RIGHT_WRITE,
} RightKind;

typedef struct RightRow {
	RightKind kind;
	const char *verbs; /* "get list watch" */
	const char *group, *resource; /* "" is the core group; the resource may be "pods/eviction",
					 or a path of the server that is no resource: "/metrics" */
	const char *namespace, *name; /* "": every one, or cluster-scoped */
	/* Whether a cluster with this spec needs it; NULL: always. What the actuator observe never
	 * writes needs no condition: no RIGHT_WRITE counts for it. */
	bool (*when)(const json_t *spec);
} RightRow;

/* [{"verb","group","resource","namespace","name","as": reader|writer,"spare": bool}], first those
 * to impersonate, then by the table. spec: of a Cluster document. rows end with NULL verbs. New
 * reference. */
json_t *rights_of(const RightRow *rows, const json_t *spec) SL_MUST_USE;
/* Adds the rights to speak as impersonate ({"user","groups"}, NULL: nobody). */
void rights_add_impersonation(json_t *rights, const json_t *impersonate);
/* Adds these rows in this namespace (and, unless "", of this name), save those that rights cover
 * already: what depends on more than the cluster's own spec. */
void rights_add(json_t *rights, const RightRow *rows, const char *ns, const char *name);
/* Key of the fact (fact_access) that says whether it is granted. Caller frees. */
char *right_key(const json_t *right);
/* "patch clusterversions.config.openshift.io version". Caller frees. */
char *right_text(const json_t *right);

/* Objects to apply: Namespaces and ServiceAccounts, roles and bindings, of these rights. reader:
 * a user's name; "system:serviceaccount:NAMESPACE:NAME" is made too. New reference. */
json_t *rights_manifests(const json_t *rights, const json_t *spec, const char *reader) SL_MUST_USE;
