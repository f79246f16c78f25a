/* Invariants: what the API server itself says about health, and the picture taken before the
 * upgrade. */
#include "objects/time.h"
#include "providers/judge.h"
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
		if (o.bad && !judge_was_bad(it, "operators", name_of(co))) {
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
		if (is(p, "Degraded", "True") && !judge_was_bad(it, "pools", name_of(p)))
			return judged(ret, ret_text, LOOK_FAIL, "pool %s is degraded: %s",
				name_of(p), condition_message(p, "Degraded"));
		if (!json_path_bool(p, "spec.paused", false) && !pool_settled(p))
			return judged(ret, ret_text, LOOK_PENDING, "pool %s is moving", name_of(p));
	}
	return judged(ret, ret_text, LOOK_PASS, "%zu pools", json_array_size(items));
}

bool openshift_invariant(Item *it, const Gate *g, LookVerdict *ret, char **ret_evidence)
{
	static const struct {
		const char *name;
		bool (*judge)(Item *it, const Gate *g, LookVerdict *ret, char **ret_text);
	} invariants[] = {
		{ "clusterVersion", judge_version },
		{ "clusterOperators", judge_operators },
		{ "machineConfigPools", judge_pools },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(invariants); i++)
		if (strcmp(invariants[i].name, g->invariant) == 0)
			return invariants[i].judge(it, g, ret, ret_evidence);
	return judge_invariant(it, g, "OpenShift", ret, ret_evidence);
}

static bool operator_bad(const json_t *o)
{
	return operator_view(o).bad;
}

static bool pool_bad(const json_t *o)
{
	return is(o, "Degraded", "True");
}

bool openshift_baseline(Item *it, json_t **ret)
{
	const View *co = fact(it, &fact_list, CO_PATH), *mcp = fact(it, &fact_list, MCP_PATH);
	json_t *common = NULL;
	if (!judge_baseline(it, &common) || !co || !mcp) {
		json_decref(common);
		return false;
	}
	*ret = json_pack("{s:o, s:o}", "operators",
		judge_names(json_object_get(co->json, "items"), operator_bad), "pools",
		judge_names(json_object_get(mcp->json, "items"), pool_bad));
	json_object_update(*ret, common);
	json_decref(common);
	return true;
}
