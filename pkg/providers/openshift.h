/* What the files of the OpenShift provider share. Sources: openshift/api (types), the
 * cluster-version operator and the machine-config operator (behaviour); the project's tests meet
 * them again in pkg/sim. */
#pragma once
#include "providers/claim.h"
#include "providers/clusterversion.h"
#include "providers/provider.h"

#define CV_COLLECTION "/apis/config.openshift.io/v1/clusterversions"
#define CV_PATH "/apis/config.openshift.io/v1/clusterversions/version"
#define CO_PATH "/apis/config.openshift.io/v1/clusteroperators"
#define MCP_PATH "/apis/machineconfiguration.openshift.io/v1/machineconfigpools"
#define NODES_PATH "/api/v1/nodes"
#define PODS_PATH "/api/v1/pods"
#define PDB_PATH "/apis/policy/v1/poddisruptionbudgets"
#define GATES_PATH "/api/v1/namespaces/openshift-config-managed/configmaps/admin-gates"
#define ACKS_PATH "/api/v1/namespaces/openshift-config/configmaps/admin-acks"
#define CSR_PATH "/apis/certificates.k8s.io/v1/certificatesigningrequests"
#define MCC_PATH                                                                                   \
	"/apis/machineconfiguration.openshift.io/v1/controllerconfigs/machine-config-controller"
#define API_COUNTS_PATH "/apis/apiserver.openshift.io/v1/apirequestcounts"
#define THANOS_PATH                                                                                \
	"/apis/route.openshift.io/v1/namespaces/openshift-monitoring/routes/thanos-querier"
#define BRAKE_ANNOTATION "shiplock.dev/brake"
#define OUR_MANAGER "shiplock"
#define MCO_PREFIX "machineconfiguration.openshift.io/"

/* The hop of an item is in its memo: {"from","fromImage","to","image","index","last"}. */
const json_t *hop_of(const Item *it);

/* Pools by name; a worker pool is one that the control plane does not wait for. */
const json_t *pool_find(const json_t *pools, const char *name);
bool pool_is_worker(const json_t *pool);
bool pool_paused_by(const json_t *pool, const char *fleet);
/* The text of a brake annotation (NULL: none) names this fleet. */
bool pool_brake_of(const char *text, const char *fleet);
/* All machines of it run the configuration that it wants now, and it is not on its way. */
bool pool_settled(const json_t *pool);
/* The first half of that: ready or not. A node that somebody cordoned is not ready for as long as
 * they like, and makes the pool count as updating. */
bool pool_at_its_wish(const json_t *pool);
bool pool_has_node(const json_t *pool, const json_t *node);

extern const ActRow act_set_version, act_clear_version, act_set_channel, act_give_ack,
	act_pause_pool, act_release_pool;
extern const StepOps step_acks, step_channel, step_brake, step_order, step_release_pools,
	step_brake_again, step_order_back, step_settle_pools;
extern const RightRow openshift_rights[];
extern const WakeRow openshift_wakes[];
bool openshift_preflight(Item *it, json_t *findings);
/* Which classes of hardware share a worker pool, as findings "canary" that warn; one that informs
 * where none does. */
void openshift_canaries(const json_t *pools, const json_t *nodes, json_t *findings);
/* APIs that the hop's version removes and somebody still uses (APIRequestCount); acked: an
 * administrator said that this may be. False: not read yet. */
bool openshift_check_removed_apis(Item *it, const json_t *hop, bool acked, json_t *findings);
/* Certificates of the nodes that end soon, and requests for some that nobody signs. */
bool openshift_check_certificates(Item *it, json_t *findings);
bool openshift_inspect(Item *it, json_t *report);
/* Why the updates that the cluster knows cannot be trusted to be all; NULL: they can. Caller frees.
 */
char *openshift_graph_problem(const json_t *cv);
/* A controller or person beside us who owns the version that is wished for, in words; NULL: nobody.
 * Caller frees. */
char *openshift_version_owner(const json_t *cv);
bool openshift_bound(Item *it, HopBound *ret);
bool openshift_baseline(Item *it, json_t **ret);
bool openshift_invariant(Item *it, const Gate *g, LookVerdict *ret, char **ret_evidence);
bool openshift_next_hop(Item *it, json_t **ret_hop, char **ret_why);
bool openshift_path(Item *it, json_t **ret_versions, char **ret_now);
bool openshift_probe(Item *it, const json_t *hop, RollbackOffer *ret);
bool openshift_probe_return(Item *it, const json_t *hop, RollbackOffer *ret);
StepResult openshift_abandon(Item *it, int64_t now_usec, Batch *b);
bool openshift_foreign(Item *it, char **ret_why);
bool openshift_found(Item *it, int64_t since_usec, Found *ret);
void openshift_brakes(const Item *it, json_t *standing);
