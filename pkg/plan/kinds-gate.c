/* GatePolicy and DrainPolicy: what judges a cluster, and what empties its nodes. */
#include "plan/shape.h"

#define OBJECT(rows) (&(const Shape){ .kind = SHAPE_OBJECT, .fields = rows })
#define LIST(rows, least) (&(const Shape){ .kind = SHAPE_LIST, .item = OBJECT(rows), .min = least })
#define ENUM(rows) (&(const Shape){ .kind = SHAPE_ENUM, .choices = rows })
#define SOME_OF(rows) (&(const Shape){ .kind = SHAPE_LIST, .item = ENUM(rows), .min = 1 })

static const Choice phases[] = {
	{ "preflight", "before anything is written" },
	{ "cp-verify", "the control plane is at the new version" },
	{ "cp-soak", "before the first worker" },
	{ "node", "after each node" },
	{ "verify", "after the last node" },
	{ "soak", "in the slot, after the cluster" },
	{ 0 },
};
static const Choice reducers[] = {
	{ "one", "exactly one series" },
	{ "all", "every series passes" },
	{ "any", "one series is enough" },
	{ "max", NULL },
	{ "min", NULL },
	{ "sum", NULL },
	{ "count", "the number of series, 0 included" },
	{ 0 },
};
static const Choice consequences[] = {
	{ "hold", "stop here and ask" },
	{ "halt", "hold, and no other cluster of the fleet starts" },
	{ "rollback", "step down, where the plan's onFailure says so too" },
	{ 0 },
};
static const Choice invariants[] = {
	{ "telemetryAlive", "a query answers itself with a fresh sample" },
	{ "clusterVersion", "history Completed at the wanted version, not failing" },
	{ "clusterOperators", "all available, none progressing or degraded" },
	{ "machineConfigPools", "no pool degraded, released pools updated" },
	{ "nodes", "all nodes of the baseline are there and Ready" },
	{ "accelerators", "allocatable devices as before", CHOICE_LATER },
	{ "etcd", "members healthy", CHOICE_LATER },
	{ "apiServer", "/readyz answers ok" },
	{ "disruptionBudgets", "budgets that were met before are met" },
	{ 0 },
};
static const Field bound_fields[] = {
	{ "above", &shape_number, FIELD_ALT, NULL, "greater than" },
	{ "atLeast", &shape_number, FIELD_ALT, NULL, "greater or equal" },
	{ "below", &shape_number, FIELD_ALT, NULL, "less than" },
	{ "atMost", &shape_number, FIELD_ALT, NULL, "less or equal" },
	{ "equals", &shape_number, FIELD_ALT, NULL, NULL },
	{ "notEquals", &shape_number, FIELD_ALT, NULL, NULL },
	{ 0 },
};
static const Shape shape_bound = { .kind = SHAPE_OBJECT,
	.fields = bound_fields,
	.one_of = "above, atLeast, below, atMost, equals and notEquals" };

static const Field expected_fields[] = {
	{ "name", &shape_text, FIELD_REQUIRED, NULL, "alert name" },
	{ "atMost", &shape_duration, FIELD_REQUIRED, NULL, "it fails when it fires longer" },
	{ 0 },
};
static const Field alert_fields[] = {
	{ "severity", &shape_texts, 0, "[\"critical\"]", "severities that count" },
	{ "namespaces", &shape_texts, 0, "[\"*\"]", "namespaces that count; * matches any text" },
	{ "ignore", &shape_texts, 0, "[\"Watchdog\"]", "alerts by name that do not" },
	{ "expected", LIST(expected_fields, 0), 0, "[]", "alerts that an upgrade may raise" },
	{ 0 },
};
static const Field burn_fields[] = {
	{ "objective", &shape_percent, FIELD_REQUIRED, NULL, "such as \"99.9%\"" },
	{ "errors", &shape_text, FIELD_REQUIRED, NULL,
		"PromQL of the error ratio; {{window}} is replaced" },
	{ 0 },
};
static const Choice directions[] = {
	{ "increase", NULL },
	{ "decrease", NULL },
	{ "either", NULL },
	{ 0 },
};
static const Field compare_fields[] = {
	{ "query", &shape_text, FIELD_REQUIRED, NULL, "PromQL" },
	{ "days", &(const Shape){ .kind = SHAPE_INT, .min = 7, .max = 90 }, 0, "14",
		"earlier days to compare with" },
	{ "window", &shape_duration, 0, "1h", "length of what is compared" },
	{ "direction", ENUM(directions), 0, "increase", "which way is bad" },
	{ "minEffect", &shape_percent, 0, "15%", "smaller changes do not count" },
	{ 0 },
};
static const Field http_fields[] = {
	{ "url", &shape_url, FIELD_REQUIRED, NULL, "asked with GET" },
	{ "status", &(const Shape){ .kind = SHAPE_INT, .min = 100, .max = 599 }, 0, "200",
		"the answer that passes" },
	{ "timeout", &shape_duration, 0, "10s", NULL },
	{ "token", &shape_secret, 0, NULL, "bearer token" },
	{ 0 },
};
static const Field gate_fields[] = {
	{ "name", &shape_label, FIELD_REQUIRED | FIELD_UNIQUE, NULL, "name in reports" },
	{ "when", SOME_OF(phases), FIELD_REQUIRED, NULL, "states in which it is asked" },
	{ "query", &shape_text, FIELD_ALT, NULL, "PromQL" },
	{ "invariant", ENUM(invariants), FIELD_ALT, NULL, "what the API server itself shows" },
	{ "alerts", OBJECT(alert_fields), FIELD_ALT | FIELD_LATER, NULL,
		"alerts that were not there before" },
	{ "burnRate", OBJECT(burn_fields), FIELD_ALT | FIELD_LATER, NULL,
		"an error budget that burns too fast" },
	{ "compare", OBJECT(compare_fields), FIELD_ALT | FIELD_LATER, NULL,
		"the cluster's own earlier days" },
	{ "job", &shape_job, FIELD_ALT, NULL, "a Kubernetes Job; its end judges" },
	{ "http", OBJECT(http_fields), FIELD_ALT, NULL, "an address that answers" },
	{ "reduce", ENUM(reducers), 0, "one", "query: from series to one verdict" },
	{ "pass", &shape_bound, 0, NULL, "query: a look passes" },
	{ "fail", &shape_bound, 0, NULL,
		"query: a look fails; default: when it does not pass; between the two it counts "
		"for "
		"neither" },
	{ "settle", &shape_duration, 0, "0s", "looks begin this long after the state began" },
	{ "stableFor", &shape_duration, 0, "0s",
		"invariant: it must hold this long; clusterVersion: the operator may report "
		"Failing "
		"this long before the upgrade counts as failed (10m where no gate says it)" },
	{ "interval", &shape_duration, 0, "60s", "time between two looks" },
	{ "count", &shape_positive, 0, NULL,
		"passing looks needed; default 5, for invariant, alerts and job 1" },
	{ "failureLimit", &shape_count, 0, "0",
		"it fails as soon as more than this of the last count looks fail" },
	{ "noDataLimit", &shape_count, 0, "2", "looks without data in a row; more: hold" },
	{ "consecutiveErrorLimit", &shape_count, 0, "4",
		"looks with an error in a row; more: hold" },
	{ "inconclusiveLimit", &shape_count, 0, "0", "looks between pass and fail; more: hold" },
	{ "minSamples", &shape_count, 0, "0", "fewer than this: no data; see minSamplesQuery" },
	{ "minSamplesQuery", &shape_text, 0, NULL, "PromQL of the number of samples" },
	{ "maxAge", &shape_duration, 0, "2m", "an older sample is no data" },
	{ "onFail", ENUM(consequences), 0, "hold", "what a failure does" },
	{ "maySkip", &shape_bool, 0, "false",
		"true: shiplock skip CLUSTER --gate NAME --reason TEXT is allowed" },
	{ "runbook", &shape_url, 0, NULL, "shown when it fails" },
	{ 0 },
};
static const Shape shape_gate = { .kind = SHAPE_OBJECT,
	.fields = gate_fields,
	.one_of = "query, invariant, alerts, burnRate, compare, job and http" };
static const Shape shape_gates = { .kind = SHAPE_LIST, .item = &shape_gate };
static const Shape shape_includes = { .kind = SHAPE_LIST, .item = &shape_policy };
static const Field gate_policy_fields[] = {
	{ "include", &shape_includes, 0, "[]",
		"GatePolicies whose gates come first; a gate of the same name here replaces one" },
	{ "gates", &shape_gates, 0, "[]", "each has exactly one way to judge" },
	{ 0 },
};
const Shape shape_gate_policy = { .kind = SHAPE_OBJECT, .fields = gate_policy_fields };

static const Field deadline_fields[] = {
	{ "pod", &shape_duration, 0, "30m", "for one pod" },
	{ "node", &shape_duration, 0, "26h", "for one node; not below pod" },
	{ "pool", &shape_duration, FIELD_LATER, "72h", "for one pool; not below node" },
	{ 0 },
};
static const Choice on_deadlines[] = {
	{ "hold", "stop and ask" },
	{ "skipNode", "undo the node and go on without it" },
	{ "force", "delete what is left; only with consent.force" },
	{ 0 },
};
static const Field consent_fields[] = {
	{ "emptyDir", &shape_bool, 0, "true", "pods with emptyDir volumes may go" },
	{ "unmanaged", &shape_bool, 0, "false", "pods that nothing makes again may go" },
	{ "force", &shape_bool, 0, "false", "onDeadline: force is allowed" },
	{ 0 },
};
static const Choice orders[] = {
	{ "hardestFirst", "nodes that are hardest to empty come first" },
	{ "name", "by name" },
	{ 0 },
};
static const Choice canaries[] = {
	{ "prefer", "where there is one, and say so" },
	{ "require", "refuse where there is none" },
	{ "none", NULL },
	{ 0 },
};
static const Field node_fields[] = {
	{ "atOnce", &(const Shape){ .kind = SHAPE_INT, .min = 1, .max = 1000 }, 0, "1",
		"nodes in work at the same time" },
	{ "order", ENUM(orders), 0, "hardestFirst", NULL },
	{ "preferNoSchedule", &shape_bool, FIELD_LATER, "false",
		"nodes that wait for their turn get new pods last" },
	{ "canary", ENUM(canaries), 0, "prefer",
		"a node or pool of each class of hardware that goes first; on OpenShift pools" },
	{ "maySkip", &shape_bool, 0, "false", "true: shiplock skip CLUSTER/NODE is allowed" },
	{ 0 },
};
static const Field match_fields[] = {
	{ "labels", &shape_label_map, 0, NULL, "pods with these labels" },
	{ "annotations", &shape_map, 0, NULL, "pods with these annotations" },
	{ "namespaces", &shape_texts, 0, NULL, "pods in these namespaces" },
	{ "ownerKinds", &shape_texts, 0, NULL, "pods whose controller is of this kind" },
	{ "storageClasses", &shape_texts, 0, NULL, "pods with a claim of this class" },
	{ 0 },
};
static const Choice behaviours[] = {
	{ "evict", "ask the API server" },
	{ "waitCompleted", "wait until it ends by itself" },
	{ "deleteAfter", "wait until the deadline, then delete" },
	{ "skip", "leave it there" },
	{ "surge", "start its replacement first", CHOICE_LATER },
	{ 0 },
};
static const Choice groups[] = {
	{ "normal", NULL },
	{ "critical", "after normal" },
	{ "last", "after critical" },
	{ 0 },
};
static const Field rule_fields[] = {
	{ "match", OBJECT(match_fields), FIELD_REQUIRED, NULL, "all of what is given" },
	{ "behaviour", ENUM(behaviours), 0, "evict", NULL },
	{ "deadline", &shape_duration, 0, NULL,
		"instead of deadlines.pod; not above deadlines.node" },
	{ "group", ENUM(groups), 0, NULL, "which of them leave first" },
	{ "oneAtATime", &shape_bool, 0, "false", "the next one after this one is ready elsewhere" },
	{ 0 },
};
static const Field object_fields[] = {
	{ "apiVersion", &shape_text, FIELD_REQUIRED, NULL, NULL },
	{ "kind", &shape_text, FIELD_REQUIRED, NULL, NULL },
	{ "namespace", &shape_label, 0, NULL, NULL },
	{ "name", &shape_text, FIELD_ALT, NULL, "one object" },
	{ "matchLabels", &shape_label_map, FIELD_ALT, NULL, "objects by labels; {} is all" },
	{ 0 },
};
static const Shape shape_hold_object = {
	.kind = SHAPE_OBJECT, .fields = object_fields, .one_of = "name and matchLabels"
};
static const Field set_fields[] = {
	{ "path", &shape_text, FIELD_REQUIRED, NULL, "JSON pointer" },
	{ "value", &shape_any, FIELD_REQUIRED, NULL, NULL },
	{ 0 },
};
static const Choice on_timeouts[] = {
	{ "hold", "stop and ask" },
	{ "proceed", "go on without it" },
	{ 0 },
};
static const Field wait_fields[] = {
	{ "path", &shape_text, FIELD_REQUIRED, NULL, "JSON pointer" },
	{ "equals", &shape_any, FIELD_REQUIRED, NULL, NULL },
	{ "timeout", &shape_duration, 0, "1h", NULL },
	{ "onTimeout", ENUM(on_timeouts), 0, "hold", NULL },
	{ 0 },
};
static const Field hold_fields[] = {
	{ "name", &shape_label, FIELD_REQUIRED | FIELD_UNIQUE, NULL, "name in reports" },
	{ "object", &shape_hold_object, FIELD_REQUIRED, NULL, "what is held" },
	{ "set", OBJECT(set_fields), FIELD_REQUIRED, NULL, "undone after the drain" },
	{ "waitFor", OBJECT(wait_fields), 0, NULL, "before the drain goes on" },
	{ 0 },
};
static const Field drain_fields[] = {
	{ "deadlines", OBJECT(deadline_fields), 0, "{}",
		"rule, node and pool, each within the next" },
	{ "onDeadline", ENUM(on_deadlines), 0, "hold", "when a node is not empty in time" },
	{ "consent", OBJECT(consent_fields), 0, "{}", "what is lost with the pod" },
	{ "nodes", OBJECT(node_fields), 0, "{}", NULL },
	{ "rules", LIST(rule_fields, 0), 0, "[]",
		"the first that matches a pod decides; without a match: evict" },
	{ "holds", LIST(hold_fields, 0), FIELD_LATER, "[]",
		"set before the drain, undone after it" },
	{ 0 },
};
const Shape shape_drain_policy = { .kind = SHAPE_OBJECT, .fields = drain_fields };
