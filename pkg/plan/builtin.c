#include "plan/builtin.h"

#define DOCUMENT(kind, name, spec)                                                                 \
	"{\"apiVersion\":\"shiplock.dev/v1alpha1\",\"kind\":\"" kind "\",\"metadata\":{\"name\":"  \
	"\"builtin/" name "\"},\"spec\":{" spec "}}"

#define INVARIANT(name, invariant, when, more)                                                     \
	"{\"name\":\"" name "\",\"invariant\":\"" invariant "\",\"when\":[" when "]," more "}"

/* A share of failed requests; the rate spans 15 minutes because a hub may scrape every 5. */
#define ERROR_RATIO(name, bad, all, pass, fail)                                                    \
	"{\"name\":\"" name "\",\"when\":[\"cp-soak\",\"verify\",\"soak\"],"                       \
	"\"query\":\"sum(rate(" bad "[15m])) / sum(rate(" all "[15m]))\","                         \
	"\"reduce\":\"one\",\"pass\":{\"atMost\":" pass "},\"fail\":{\"above\":" fail "},"         \
	"\"settle\":\"10m\",\"interval\":\"60s\",\"count\":15,\"failureLimit\":2,\"noDataLimit\":" \
	"2,"                                                                                       \
	"\"minSamples\":10,\"minSamplesQuery\":\"sum(increase(" all "[15m]))\","                   \
	"\"maxAge\":\"2m\",\"onFail\":\"rollback\"}"

/* Telemetry that is silent never passes and never rolls back: it holds. */
#define TELEMETRY_ALIVE                                                                            \
	INVARIANT("telemetry-alive", "telemetryAlive",                                             \
		"\"preflight\",\"cp-soak\",\"verify\",\"soak\"",                                   \
		"\"settle\":\"2m\",\"onFail\":\"hold\"")
#define API_SERVER                                                                                 \
	INVARIANT("api-server", "apiServer",                                                       \
		"\"preflight\",\"cp-verify\",\"cp-soak\",\"verify\",\"soak\"",                     \
		"\"stableFor\":\"2m\",\"onFail\":\"rollback\"")
#define NODES                                                                                      \
	INVARIANT("nodes", "nodes", "\"preflight\",\"verify\",\"soak\"",                           \
		"\"stableFor\":\"1m\",\"onFail\":\"hold\"")
#define DISRUPTION_BUDGETS                                                                         \
	INVARIANT("disruption-budgets", "disruptionBudgets", "\"verify\",\"soak\"",                \
		"\"stableFor\":\"5m\",\"onFail\":\"halt\"")
#define CLUSTER_VERSION                                                                            \
	INVARIANT("cluster-version", "clusterVersion", "\"cp-verify\",\"verify\",\"soak\"",        \
		"\"onFail\":\"rollback\"")
#define CLUSTER_OPERATORS                                                                          \
	INVARIANT("cluster-operators", "clusterOperators",                                         \
		"\"preflight\",\"cp-verify\",\"cp-soak\",\"verify\",\"soak\"",                     \
		"\"stableFor\":\"5m\",\"onFail\":\"rollback\"")
#define POOLS                                                                                      \
	INVARIANT("machine-config-pools", "machineConfigPools",                                    \
		"\"preflight\",\"verify\",\"soak\"", "\"stableFor\":\"1m\",\"onFail\":\"hold\"")
#define INGRESS_ERRORS                                                                             \
	ERROR_RATIO("ingress-error-ratio",                                                         \
		"haproxy_backend_http_responses_total{code=\\\"5xx\\\"}",                          \
		"haproxy_backend_http_responses_total", "0.01", "0.05")
#define APISERVER_ERRORS                                                                           \
	ERROR_RATIO("apiserver-error-ratio", "apiserver_request_total{code=~\\\"5..\\\"}",         \
		"apiserver_request_total", "0.01", "0.05")

#define KUBERNETES_GATES API_SERVER "," NODES "," DISRUPTION_BUDGETS "," APISERVER_ERRORS
#define OPENSHIFT_GATES CLUSTER_VERSION "," CLUSTER_OPERATORS "," POOLS "," INGRESS_ERRORS
#define GATES(list) "\"gates\":[" TELEMETRY_ALIVE "," list "]"

const char *const builtin_documents[] = {
	DOCUMENT("DrainPolicy", "default", ""),
	DOCUMENT("GatePolicy", "kubeadm", GATES(KUBERNETES_GATES)),
	DOCUMENT("GatePolicy", "openshift", GATES(OPENSHIFT_GATES "," KUBERNETES_GATES)),
	DOCUMENT("RollbackPolicy", "default", ""),
	NULL,
};
