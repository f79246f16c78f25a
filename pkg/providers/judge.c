/* Health by what any API server says of itself, and the picture taken before the upgrade. */
#include "providers/judge.h"
#include "providers/clusterversion.h"
#include <string.h>

#define NODES_PATH "/api/v1/nodes"
#define PODS_PATH "/api/v1/pods"
#define PDB_PATH "/apis/policy/v1/poddisruptionbudgets"

static const char *name_of(const json_t *o)
{
	return json_path_str(o, "metadata.name", "?");
}

static bool node_ready(const json_t *node)
{
	return strcmp(condition_status(node, "Ready"), "True") == 0;
}

/* Names of things that were degraded or away before: they are listed, not blamed. */
bool judge_was_bad(const Item *it, const char *group, const char *name)
{
	const json_t *list = json_object_get(json_object_get(item_memo(it), "baseline"), group);
	size_t i;
	json_t *v;
	json_array_foreach (list, i, v)
		if (strcmp(json_string_value(v), name) == 0)
			return true;
	return false;
}

bool judged(LookVerdict *ret, char **ret_text, LookVerdict v, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	*ret = v;
	*ret_text = g_strdup_vprintf(fmt, ap);
	va_end(ap);
	return true;
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
			judge_was_bad(it, "nodes", name_of(n)))
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
	const View *v =
		fact_within(it, &fact_query, "vector(1)", g->interval_sec * SL_USEC_PER_SEC, 0);
	if (!v)
		return false;
	if (strcmp(json_path_str(v->json, "status", ""), "ok") != 0)
		return judged(ret, ret_text, LOOK_ERROR, "%s",
			json_path_str(v->json, "why", "no answer"));
	return judged(ret, ret_text, LOOK_PASS, "%s answers",
		json_path_str(v->json, "source", "telemetry"));
}

static const struct {
	const char *name;
	bool (*judge)(Item *it, const Gate *g, LookVerdict *ret, char **ret_text);
} invariants[] = {
	{ "telemetryAlive", judge_telemetry },
	{ "nodes", judge_nodes },
	{ "disruptionBudgets", judge_budgets },
	{ "apiServer", judge_api },
};

bool judge_invariant(
	Item *it, const Gate *g, const char *where, LookVerdict *ret, char **ret_evidence)
{
	for (size_t i = 0; i < G_N_ELEMENTS(invariants); i++)
		if (strcmp(invariants[i].name, g->invariant) == 0)
			return invariants[i].judge(it, g, ret, ret_evidence);
	return judged(ret, ret_evidence, LOOK_ERROR, "the invariant %s has no meaning on %s yet",
		g->invariant, where);
}

json_t *judge_names(const json_t *items, bool (*bad)(const json_t *o))
{
	json_t *names = json_array();
	size_t i;
	json_t *o;
	json_array_foreach (items, i, o)
		if (bad(o))
			json_array_append_new(names, json_string(name_of(o)));
	return names;
}

static bool node_bad(const json_t *o)
{
	return !node_ready(o);
}

bool judge_baseline(Item *it, json_t **ret)
{
	const View *nodes = fact(it, &fact_list, NODES_PATH), *pdb = fact(it, &fact_list, PDB_PATH);
	const View *pods = fact(it, &fact_list, PODS_PATH);
	if (!nodes || !pdb || !pods)
		return false;
	const json_t *node_items = json_object_get(nodes->json, "items");
	*ret = json_pack("{s:o, s:i, s:i, s:I}", "nodes", judge_names(node_items, node_bad),
		"nNodes", (int)json_array_size(node_items), "nPods",
		(int)json_array_size(json_object_get(pods->json, "items")), "starvedBudgets",
		(json_int_t)starved_budgets(json_object_get(pdb->json, "items")));
	return true;
}
