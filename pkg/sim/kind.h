/* The resources that the simulated API server knows, one row each, and how a request's path names
 * them. Behaviour of paths and subresources: the Kubernetes API concepts page. */
#pragma once
#include "base/error.h"
#include <inttypes.h>
#include <jansson.h>

typedef enum {
	SIM_NAMESPACES,
	SIM_NODES,
	SIM_PODS,
	SIM_CONFIGMAPS,
	SIM_SECRETS,
	SIM_SERVICES,
	SIM_EVENTS,
	SIM_LEASES,
	SIM_REPLICASETS,
	SIM_DEPLOYMENTS,
	SIM_DAEMONSETS,
	SIM_STATEFULSETS,
	SIM_JOBS,
	SIM_PDBS,
	SIM_CLUSTERVERSIONS,
	SIM_CLUSTEROPERATORS,
	SIM_INFRASTRUCTURES,
	SIM_POOLS,
	SIM_MACHINECONFIGS,
	SIM_CONTROLLERCONFIGS,
	SIM_APIREQUESTCOUNTS,
	SIM_CSRS,
	SIM_APPLICATIONS, /* of Argo CD: objects only, tests play its controller */
	SIM_APPPROJECTS,
	SIM_KUSTOMIZATIONS, /* of Flux: the same */
	SIM_GITREPOSITORIES,
	SIM_KINDS, /* number of rows */
} SimKindId;

typedef struct SimKind {
	SimKindId id;
	const char *prefix; /* /api/v1 or /apis/GROUP/VERSION */
	const char *plural, *kind, *brief; /* brief: what kubectl also takes, or NULL */
	bool namespaced;
	bool status; /* has the status subresource: the main path ignores .status */
	bool generation; /* metadata.generation rises with every change outside metadata and status
			  */
	bool tracked; /* managedFields are kept: of kinds about whose owners somebody asks */
	bool builtin; /* items of a list carry no kind and apiVersion, as with the real server */
} SimKind;

typedef enum {
	SIM_SUB_NONE,
	SIM_SUB_STATUS,
	SIM_SUB_EVICTION,
	SIM_SUB_BINDING,
	SIM_SUB_LOG,
} SimSub;

/* A path taken apart; all strings are owned. */
typedef struct SimPath {
	const SimKind *kind;
	char *ns, *name; /* NULL: all namespaces, or the collection */
	SimSub sub;
	char *query; /* the text after '?', undecoded; NULL when there is none */
} SimPath;

const SimKind *sim_kind(SimKindId id);
/* "apps/v1" of "/apis/apps/v1", "v1" of "/api/v1". Borrowed. */
const char *sim_kind_api_version(const SimKind *k);
/* The group without its version; empty for the core group. Caller frees. */
char *sim_kind_group(const SimKind *k);

/* False when no resource stands at this path; then *ret is untouched. */
bool sim_path_parse(const char *path, SimPath *ret);
void sim_path_clear(SimPath *p);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SimPath, sim_path_clear)
/* The decoded value of a query parameter, NULL when it is not there. Caller frees. */
char *sim_query_get(const char *query, const char *name);
bool sim_query_true(const char *query, const char *name);
int64_t sim_query_int(const char *query, const char *name, int64_t def);
