#include "providers/budgets.h"
#include "objects/time.h"
#include "providers/provider.h"
#include <string.h>

static const json_t *condition_named(const json_t *conditions, const char *type)
{
	size_t i;
	json_t *c;
	json_array_foreach (conditions, i, c)
		if (strcmp(json_path_str(c, "type", ""), type) == 0)
			return c;
	return NULL;
}

static UnhealthyPolicy unhealthy_policy(const char *text)
{
	if (!text || strcmp(text, "IfHealthyBudget") == 0)
		return UNHEALTHY_IF_HEALTHY_BUDGET;
	return strcmp(text, "AlwaysAllow") == 0 ? UNHEALTHY_ALWAYS_ALLOW : UNHEALTHY_OTHER;
}

static void disrupted_names(const json_t *status, Budget *ret)
{
	json_t *disrupted = json_object_get(status, "disruptedPods");
	const char **names = g_new0(const char *, json_object_size(disrupted) + 1);
	const char *key;
	json_t *value;
	json_object_foreach (disrupted, key, value)
		names[ret->n_disrupted++] = key;
	ret->disrupted = names;
}

bool budget_from_json(const json_t *pdb, Budget *ret)
{
	const json_t *spec = json_object_get(pdb, "spec"), *status = json_object_get(pdb, "status");
	Selector *selector = NULL;
	if (!selector_from_json(json_object_get(spec, "selector"), &selector, NULL))
		return false;
	*ret = (Budget){
		.ns = json_path_str(pdb, "metadata.namespace", ""),
		.name = json_path_str(pdb, "metadata.name", ""),
		.version = json_path_str(pdb, "metadata.resourceVersion", ""),
		.selector = selector,
		.unhealthy =
			unhealthy_policy(json_path_str(spec, "unhealthyPodEvictionPolicy", NULL)),
		.generation = json_path_int(pdb, "metadata.generation", 0),
		.observed_generation = json_path_int(status, "observedGeneration", 0),
		.disruptions_allowed = (int)json_path_int(status, "disruptionsAllowed", 0),
		.current_healthy = (int)json_path_int(status, "currentHealthy", 0),
		.desired_healthy = (int)json_path_int(status, "desiredHealthy", 0),
		.expected_pods = (int)json_path_int(status, "expectedPods", 0),
	};
	ret->has_min = intstr_from_json(json_object_get(spec, "minAvailable"), &ret->min_available);
	ret->has_max =
		intstr_from_json(json_object_get(spec, "maxUnavailable"), &ret->max_unavailable);
	const json_t *allowed =
		condition_named(json_object_get(status, "conditions"), "DisruptionAllowed");
	if (strcmp(json_path_str(allowed, "reason", ""), "SyncFailed") == 0)
		ret->sync_failed = json_path_str(allowed, "message", "SyncFailed");
	disrupted_names(status, ret);
	return true;
}

void budget_clear(Budget *b)
{
	selector_free((Selector *)b->selector);
	g_free((void *)b->disrupted);
	*b = (Budget){ 0 };
}

static PodPhase phase_of(const char *text)
{
	static const char *const names[] = { [POD_PENDING] = "Pending",
		[POD_RUNNING] = "Running",
		[POD_SUCCEEDED] = "Succeeded",
		[POD_FAILED] = "Failed" };
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
		if (strcmp(names[i], text) == 0)
			return (PodPhase)i;
	return POD_PHASE_UNKNOWN;
}

static bool has_empty_dir(const json_t *pod)
{
	size_t i;
	json_t *v;
	json_array_foreach (json_path(pod, "spec.volumes"), i, v)
		if (json_object_get(v, "emptyDir"))
			return true;
	return false;
}

static void owner_of(const json_t *pod, DrainPod *ret)
{
	size_t i;
	json_t *o;
	json_array_foreach (json_path(pod, "metadata.ownerReferences"), i, o)
		if (json_path_bool(o, "controller", false)) {
			ret->owner_kind = json_path_str(o, "kind", NULL);
			ret->owner_name = json_path_str(o, "name", NULL);
		}
}

void pod_from_json(const json_t *pod, DrainPod *ret)
{
	*ret = (DrainPod){
		.ns = json_path_str(pod, "metadata.namespace", ""),
		.name = json_path_str(pod, "metadata.name", ""),
		.uid = json_path_str(pod, "metadata.uid", ""),
		.phase = phase_of(json_path_str(pod, "status.phase", "")),
		.empty_dir = has_empty_dir(pod),
		.grace_sec = (int)json_path_int(pod, "spec.terminationGracePeriodSeconds", 30),
		.labels = json_path(pod, "metadata.labels"),
		.annotations = json_path(pod, "metadata.annotations"),
		.priority_class = json_path_str(pod, "spec.priorityClassName", NULL),
		.finalizer = json_path_str(pod, "metadata.finalizers.0", NULL),
	};
	const json_t *ready = condition_named(json_path(pod, "status.conditions"), "Ready");
	ret->ready = strcmp(json_path_str(ready, "status", ""), "True") == 0;
	ret->mirror = json_object_get(ret->annotations, "kubernetes.io/config.mirror") != NULL;
	sl_time_parse(json_path_str(pod, "metadata.deletionTimestamp", ""), &ret->deletion_usec);
	owner_of(pod, ret);
}

void budgets_preflight(
	const char *cluster, const json_t *pdb_list, const json_t *pod_list, json_t *findings)
{
	const json_t *pdbs = json_object_get(pdb_list, "items"),
		     *pods = json_object_get(pod_list, "items");
	g_autofree Budget *budgets = g_new0(Budget, json_array_size(pdbs) + 1);
	g_autofree DrainPod *drain_pods = g_new0(DrainPod, json_array_size(pods) + 1);
	size_t i, n_budgets = 0;
	json_t *o;
	json_array_foreach (pdbs, i, o)
		if (budget_from_json(o, &budgets[n_budgets]))
			n_budgets++;
	json_array_foreach (pods, i, o)
		pod_from_json(o, &drain_pods[i]);
	BudgetFindings found =
		budgets_check(budgets, n_budgets, drain_pods, json_array_size(pods), NULL);
	for (size_t k = 0; k < found.n; k++) {
		const BudgetFinding *f = &found.items[k];
		g_autofree char *fix = *f->command ? g_strdup_printf("%s (%s)", f->fix, f->command)
						   : g_strdup(f->fix);
		finding_add(findings, f->blocks ? "block" : "warn", "pdb", fix, "%s", f->text);
	}
	budget_findings_clear(&found);
	for (size_t k = 0; k < n_budgets; k++)
		budget_clear(&budgets[k]);
}
