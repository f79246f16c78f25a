/* Invariants: what the API server itself says about health, and the picture taken before the
 * upgrade. */
#include "objects/time.h"
#include "providers/openshift.h"
#include <string.h>

static bool is(const json_t *o, const char *type, const char *status)
{
	return strcmp(condition_status(o, type), status) == 0;
}

static const char *name_of(const json_t *o)
{
	return json_path_str(o, "metadata.name", "?");
}

static bool node_ready(const json_t *node)
{
	return is(node, "Ready", "True");
}

/* Names of operators that were degraded or away before: they are listed, not blamed. */
static bool was_bad(const Item *it, const char *group, const char *name)
{
	const json_t *list = json_object_get(json_object_get(item_memo(it), "baseline"), group);
	size_t i;
	json_t *v;
	json_array_foreach (list, i, v)
		if (strcmp(json_string_value(v), name) == 0)
			return true;
	return false;
}

/* What a ClusterOperator says of itself, read in one pass. */
typedef enum { AVAILABLE, DEGRADED, PROGRESSING, N_OPERATOR_TYPES } OperatorType;
typedef struct {
	const json_t *conditions[N_OPERATOR_TYPES];
	bool bad, good;
	int64_t since_usec; /* of the youngest of its conditions */
} OperatorView;

static bool says(const OperatorView *v, OperatorType type, const char *status)
{
	return strcmp(condition_text(v->conditions[type], "status"), status) == 0;
}

static OperatorView operator_view(const json_t *co)
{
	static const char *const types[] = {
		[AVAILABLE] = "Available", [DEGRADED] = "Degraded", [PROGRESSING] = "Progressing"
	};
	OperatorView v = { 0 };
	conditions_find(co, types, N_OPERATOR_TYPES, v.conditions);
	v.bad = says(&v, AVAILABLE, "False") || says(&v, DEGRADED, "True");
	v.good = says(&v, AVAILABLE, "True") && !says(&v, DEGRADED, "True") &&
		 !says(&v, PROGRESSING, "True");
	for (size_t i = 0; i < N_OPERATOR_TYPES; i++) {
		int64_t usec = 0;
		sl_time_parse(condition_text(v.conditions[i], "lastTransitionTime"), &usec);
		v.since_usec = MAX(v.since_usec, usec);
	}
	return v;
}

typedef struct {
	LookVerdict verdict;
	char *text;
} Judged;

static bool judged(LookVerdict *ret, char **ret_text, LookVerdict v, const char *fmt, ...)
	SL_PRINTF(4, 5);
static bool judged(LookVerdict *ret, char **ret_text, LookVerdict v, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	*ret = v;
	*ret_text = g_strdup_vprintf(fmt, ap);
	va_end(ap);
	return true;
}

static bool judge_operators(Item *it, const Gate *g, LookVerdict *ret, char **ret_text)
{
	const View *v = fact(it, &fact_list, CO_PATH);
	if (!v)
		return false;
	const json_t *items = json_object_get(v->json, "items");
	if (json_array_size(items) == 0)
		return judged(ret, ret_text, LOOK_NODATA, "the list of ClusterOperators is empty");
	int64_t wall = loop_wall_usec(saga_loop(item_saga(it))), youngest = 0;
	size_t i, n_good = 0;
	json_t *co;
	json_array_foreach (items, i, co) {
		OperatorView o = operator_view(co);
		youngest = MAX(youngest, o.since_usec);
		if (o.bad && !was_bad(it, "operators", name_of(co))) {
			bool degraded = says(&o, DEGRADED, "True");
			return judged(ret, ret_text, LOOK_FAIL,
				"ClusterOperator %s: Available=%s Degraded=%s: %s", name_of(co),
				condition_text(o.conditions[AVAILABLE], "status"),
				condition_text(o.conditions[DEGRADED], "status"),
				condition_text(
					o.conditions[degraded ? DEGRADED : AVAILABLE], "message"));
		}
		n_good += o.good;
		if (!o.good && !o.bad)
			return judged(ret, ret_text, LOOK_PENDING,
				"ClusterOperator %s is progressing: %s", name_of(co),
				condition_text(o.conditions[PROGRESSING], "message"));
	}
	if (wall - youngest < g->stable_for_sec * SL_USEC_PER_SEC)
		return judged(ret, ret_text, LOOK_PENDING, "operators are stable for %d s of %d s",
			(int)((wall - youngest) / SL_USEC_PER_SEC), (int)g->stable_for_sec);
	return judged(
		ret, ret_text, LOOK_PASS, "%zu of %zu available", n_good, json_array_size(items));
}

static bool judge_version(Item *it, const Gate *g, LookVerdict *ret, char **ret_text)
{
	const View *v = fact(it, &fact_object, CV_PATH);
	if (!v)
		return false;
	const json_t *hop = hop_of(it);
	bool back = item_pivot_crossed(it, "rollback");
	const char *version = json_path_str(hop, back ? "from" : "to", "");
	g_autofree char *text = NULL;
	switch (cv_phase(
		v->json, version, json_path_str(hop, back ? "fromImage" : "image", ""), &text)) {
	case CV_COMPLETED:
		return judged(ret, ret_text, LOOK_PASS, "%s Completed", version);
	case CV_FAILING:
		return judged(ret, ret_text, LOOK_FAIL, "%s", text);
	default:
		return judged(ret, ret_text, LOOK_PENDING, "%s", text ? text : "not completed");
	}
}

static bool judge_pools(Item *it, const Gate *g, LookVerdict *ret, char **ret_text)
{
	const View *v = fact(it, &fact_list, MCP_PATH);
	if (!v)
		return false;
	const json_t *items = json_object_get(v->json, "items");
	if (json_array_size(items) == 0)
		return judged(
			ret, ret_text, LOOK_NODATA, "the list of MachineConfigPools is empty");
	size_t i;
	json_t *p;
	json_array_foreach (items, i, p) {
		if (is(p, "Degraded", "True") && !was_bad(it, "pools", name_of(p)))
			return judged(ret, ret_text, LOOK_FAIL, "pool %s is degraded: %s",
				name_of(p), condition_message(p, "Degraded"));
		if (!json_path_bool(p, "spec.paused", false) && !pool_settled(p))
			return judged(ret, ret_text, LOOK_PENDING, "pool %s is moving", name_of(p));
	}
	return judged(ret, ret_text, LOOK_PASS, "%zu pools", json_array_size(items));
}

/* Nodes that an upgrade takes down for a while are not blamed: cordoned ones are left out. */
static bool judge_nodes(Item *it, const Gate *g, LookVerdict *ret, char **ret_text)
{
	const View *v = fact(it, &fact_list, NODES_PATH);
	if (!v)
		return false;
	const json_t *items = json_object_get(v->json, "items");
	int64_t n_before = json_path_int(json_object_get(item_memo(it), "baseline"), "nNodes", 0);
	if ((int64_t)json_array_size(items) < n_before)
		return judged(ret, ret_text, LOOK_FAIL, "%zu nodes, %d before the upgrade",
			json_array_size(items), (int)n_before);
	size_t i, n_ready = 0;
	json_t *n;
	json_array_foreach (items, i, n) {
		n_ready += node_ready(n);
		if (node_ready(n) || json_path_bool(n, "spec.unschedulable", false) ||
			was_bad(it, "nodes", name_of(n)))
			continue;
		return judged(ret, ret_text, LOOK_FAIL, "node %s is not Ready: %s", name_of(n),
			condition_message(n, "Ready"));
	}
	return judged(
		ret, ret_text, LOOK_PASS, "%zu of %zu Ready", n_ready, json_array_size(items));
}

static int64_t starved_budgets(const json_t *items)
{
	size_t i;
	int64_t n = 0;
	json_t *p;
	json_array_foreach (items, i, p)
		n += json_path_int(p, "status.currentHealthy", 0) <
		     json_path_int(p, "status.desiredHealthy", 0);
	return n;
}

static bool judge_budgets(Item *it, const Gate *g, LookVerdict *ret, char **ret_text)
{
	const View *v = fact(it, &fact_list, PDB_PATH);
	if (!v)
		return false;
	int64_t n = starved_budgets(json_object_get(v->json, "items"));
	int64_t before =
		json_path_int(json_object_get(item_memo(it), "baseline"), "starvedBudgets", 0);
	if (n > before)
		return judged(ret, ret_text, LOOK_FAIL,
			"%d disruption budgets are not satisfied, %d before", (int)n, (int)before);
	return judged(ret, ret_text, LOOK_PASS, "satisfied as before");
}

static bool judge_api(Item *it, const Gate *g, LookVerdict *ret, char **ret_text)
{
	const View *v = fact(it, &fact_object, "/version");
	if (!v)
		return false;
	return judged(ret, ret_text, LOOK_PASS, "answers as %s",
		json_path_str(v->json, "gitVersion", "?"));
}

static bool judge_telemetry(Item *it, const Gate *g, LookVerdict *ret, char **ret_text)
{
	int64_t now = loop_boot_usec(saga_loop(item_saga(it)));
	const View *v =
		fact_since(it, &fact_query, "vector(1)", now - g->interval_sec * SL_USEC_PER_SEC);
	if (!v)
		return false;
	if (strcmp(json_path_str(v->json, "status", ""), "ok") != 0)
		return judged(ret, ret_text, LOOK_ERROR, "%s",
			json_path_str(v->json, "why", "no answer"));
	return judged(ret, ret_text, LOOK_PASS, "%s answers",
		json_path_str(v->json, "source", "telemetry"));
}

bool openshift_invariant(Item *it, const Gate *g, LookVerdict *ret, char **ret_evidence)
{
	static const struct {
		const char *name;
		bool (*judge)(Item *it, const Gate *g, LookVerdict *ret, char **ret_text);
	} invariants[] = {
		{ "telemetryAlive", judge_telemetry },
		{ "clusterVersion", judge_version },
		{ "clusterOperators", judge_operators },
		{ "machineConfigPools", judge_pools },
		{ "nodes", judge_nodes },
		{ "disruptionBudgets", judge_budgets },
		{ "apiServer", judge_api },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(invariants); i++)
		if (strcmp(invariants[i].name, g->invariant) == 0)
			return invariants[i].judge(it, g, ret, ret_evidence);
	return judged(ret, ret_evidence, LOOK_ERROR,
		"the invariant %s has no meaning on OpenShift yet", g->invariant);
}

static json_t *names_where(const json_t *items, bool (*bad)(const json_t *o))
{
	json_t *names = json_array();
	size_t i;
	json_t *o;
	json_array_foreach (items, i, o)
		if (bad(o))
			json_array_append_new(names, json_string(name_of(o)));
	return names;
}

static bool operator_bad(const json_t *o)
{
	return operator_view(o).bad;
}

static bool pool_bad(const json_t *o)
{
	return is(o, "Degraded", "True");
}

static bool node_bad(const json_t *o)
{
	return !node_ready(o);
}

bool openshift_baseline(Item *it, json_t **ret)
{
	const View *co = fact(it, &fact_list, CO_PATH), *mcp = fact(it, &fact_list, MCP_PATH);
	const View *nodes = fact(it, &fact_list, NODES_PATH), *pdb = fact(it, &fact_list, PDB_PATH);
	const View *pods = fact(it, &fact_list, PODS_PATH);
	if (!co || !mcp || !nodes || !pdb || !pods)
		return false;
	const json_t *node_items = json_object_get(nodes->json, "items");
	*ret = json_pack("{s:o, s:o, s:o, s:i, s:i, s:I}", "operators",
		names_where(json_object_get(co->json, "items"), operator_bad), "pools",
		names_where(json_object_get(mcp->json, "items"), pool_bad), "nodes",
		names_where(node_items, node_bad), "nNodes", (int)json_array_size(node_items),
		"nPods", (int)json_array_size(json_object_get(pods->json, "items")),
		"starvedBudgets", (json_int_t)starved_budgets(json_object_get(pdb->json, "items")));
	return true;
}
