/* Deletion and eviction of objects. Eviction follows pkg/registry/core/pod/storage/eviction.go of
 * Kubernetes: the budget is spent before the preconditions are looked at. */
#include "codec/json.h"
#include "objects/selector.h"
#include "objects/time.h"
#include "sim/tree.h"
#include "sim/write.h"
#include <string.h>

enum { DISRUPTED_PODS_MAX = 2000, LAG_RETRY_SEC = 10, DEFAULT_GRACE_SEC = 30 };

#define VIOLATES "Cannot evict pod as it would violate the pod's disruption budget."

static SimAnswer success(int status, const SimObj *o)
{
	json_t *s = json_pack("{s:s, s:s, s:{}, s:s}", "kind", "Status", "apiVersion", "v1",
		"metadata", "status", "Success");
	if (o)
		json_object_set_new(s, "details",
			json_pack("{s:s, s:s, s:s}", "name", o->name, "kind", o->kind->plural,
				"uid", tree_str(o->json, "metadata.uid")));
	else
		json_object_set_new(s, "code", json_integer(status));
	return (SimAnswer){ .status = status, .json = s };
}

static bool precondition_fails(const SimObj *o, const json_t *options, SimAnswer *ret)
{
	const char *uid = tree_str(options, "preconditions.uid");
	const char *rv = tree_str(options, "preconditions.resourceVersion");
	const char *have_uid = tree_str(o->json, "metadata.uid");
	const char *have_rv = tree_str(o->json, "metadata.resourceVersion");
	g_autofree char *why = NULL;
	if (uid && strcmp(uid, have_uid) != 0)
		why = g_strdup_printf("Precondition failed: UID in precondition: %s, UID in object "
				      "meta: %s",
			uid, have_uid);
	else if (rv && strcmp(rv, have_rv) != 0)
		why = g_strdup_printf("Precondition failed: ResourceVersion in precondition: %s, "
				      "ResourceVersion in object meta: %s",
			rv, have_rv);
	if (why)
		*ret = sim_conflict(o->kind, o->name, why);
	return why != NULL;
}

static bool finished(const SimObj *o)
{
	return g_strcmp0(o->pod.phase, "Succeeded") == 0 || g_strcmp0(o->pod.phase, "Failed") == 0;
}

static int64_t grace_sec(const SimObj *o, const json_t *options)
{
	if (o->kind->id != SIM_PODS || !o->pod.node || finished(o))
		return 0;
	int64_t def = tree_int(o->json, "spec.terminationGracePeriodSeconds", DEFAULT_GRACE_SEC);
	return tree_int(options, "gracePeriodSeconds", def);
}

/* Marks the object as going, or shortens the time it has left; status replaces its own when not
 * NULL (stolen). */
static void mark(SimStore *s, SimObj *o, json_t *status, int64_t grace, int64_t now_usec)
{
	bool known = o->kind->id == SIM_PODS && o->pod.deleting &&
		     grace >= tree_int(o->json, "metadata.deletionGracePeriodSeconds", 0);
	if (known) {
		json_decref(status);
		return;
	}
	g_autofree char *time = sl_time_format(now_usec + grace * 1000000);
	json_t *meta = json_copy(json_object_get(o->json, "metadata"));
	json_object_set_new(meta, "deletionTimestamp", json_string(time));
	json_object_set_new(meta, "deletionGracePeriodSeconds", json_integer(grace));
	json_t *next = tree_set(o->json, "metadata", meta);
	if (status)
		json_object_set_new(next, "status", status);
	sim_store_put(s, o->kind, next);
}

/* The preconditions hold. */
static SimAnswer remove_object(SimStore *s, SimObj *o, const json_t *options, json_t *status,
	bool dry_run, int64_t now_usec)
{
	if (dry_run)
		return success(200, o);
	int64_t grace = grace_sec(o, options);
	bool kept = json_array_size(tree_get(o->json, "metadata.finalizers")) > 0;
	if (grace > 0 || kept) {
		mark(s, o, status, grace, now_usec);
		return (SimAnswer){ .status = 200, .snap = sim_snap_ref(o->snap) };
	}
	SimAnswer a = success(200, o);
	json_decref(status);
	sim_store_remove(s, o);
	return a;
}

SimAnswer sim_delete(SimStore *s, const SimWrite *w, SimObj *o, int64_t now_usec)
{
	SimAnswer a;
	if (precondition_fails(o, w->body, &a))
		return a;
	return remove_object(s, o, w->body, NULL, w->dry_run, now_usec);
}

const Selector *sim_pdb_selector(SimObj *pdb)
{
	SimMemo *m = &pdb->memo;
	const json_t *sel = tree_get(pdb->json, "spec.selector");
	if (m->selector_of != sel || !sel) {
		selector_free(m->selector);
		m->selector = NULL;
		if (!selector_from_json(sel, &m->selector, NULL))
			m->selector = NULL;
		m->selector_of = sel;
	}
	return m->selector;
}

/* The budgets whose selector matches the pod; at most two are looked for. */
static size_t budgets_of(SimStore *s, const SimObj *pod, SimObj *ret[2])
{
	size_t n = 0;
	g_autofree char *first = g_strconcat(pod->ns, "/", NULL);
	for (size_t i = sim_store_lower(s, SIM_PDBS, first); i < sim_store_n(s, SIM_PDBS); i++) {
		SimObj *b = sim_store_at(s, SIM_PDBS, i);
		if (strcmp(b->ns, pod->ns) != 0 || n == 2)
			break;
		if (selector_matches(sim_pdb_selector(b), pod->pod.labels))
			ret[n++] = b;
	}
	return n;
}

static SimAnswer too_many(const char *cause, int retry_after_sec)
{
	SimAnswer a = sim_fail(429, "TooManyRequests", NULL, NULL,
		sim_cause("DisruptionBudget", cause, NULL), VIOLATES);
	if (retry_after_sec) {
		json_object_set_new(json_object_get(a.json, "details"), "retryAfterSeconds",
			json_integer(retry_after_sec));
		a.retry_after_sec = retry_after_sec;
	}
	return a;
}

/* The message of a SyncFailed condition, NULL when the budget is in order. */
static const char *sync_failure(const json_t *pdb)
{
	size_t i;
	json_t *c;
	json_array_foreach (tree_get(pdb, "status.conditions"), i, c) {
		if (g_strcmp0(tree_str(c, "type"), "DisruptionAllowed") == 0 &&
			g_strcmp0(tree_str(c, "reason"), "SyncFailed") == 0)
			return tree_str(c, "message");
	}
	return NULL;
}

static SimAnswer budget_empty(const SimObj *pdb)
{
	const char *failed = sync_failure(pdb->json);
	g_autofree char *cause =
		failed ? g_strdup_printf("The disruption budget %s does not allow evicting pods "
					 "currently because it failed sync: %s",
				 pdb->name, failed)
		       : g_strdup_printf("The disruption budget %s needs %" PRId64
					 " healthy pods and has %" PRId64 " currently",
				 pdb->name, tree_int(pdb->json, "status.desiredHealthy", 0),
				 tree_int(pdb->json, "status.currentHealthy", 0));
	return too_many(cause, 0);
}

static void spend(SimStore *s, SimObj *pdb, const SimObj *pod, int64_t allowed, int64_t now_usec)
{
	g_autofree char *time = sl_time_format(now_usec);
	json_t *status = json_copy(json_object_get(pdb->json, "status"));
	json_t *pods = json_object_get(status, "disruptedPods");
	pods = json_is_object(pods) ? json_copy(pods) : json_object();
	json_object_set_new(pods, pod->name, json_string(time));
	json_object_set_new(status, "disruptedPods", pods);
	json_object_set_new(status, "disruptionsAllowed", json_integer(allowed - 1));
	sim_store_put(s, pdb->kind, tree_set(pdb->json, "status", status));
}

/* False with the answer when the budget says no; spends one when it says yes. */
static bool budget_allows(
	SimStore *s, SimObj *pdb, const SimObj *pod, bool dry_run, int64_t now_usec, SimAnswer *ret)
{
	const json_t *st = json_object_get(pdb->json, "status");
	int64_t allowed = tree_int(st, "disruptionsAllowed", 0);
	int64_t generation = tree_int(pdb->json, "metadata.generation", 0);
	if (tree_int(st, "observedGeneration", 0) < generation) {
		g_autofree char *cause = g_strdup_printf(
			"The disruption budget %s is still being processed by the server.",
			pdb->name);
		*ret = too_many(cause, LAG_RETRY_SEC);
	} else if (allowed < 0) {
		*ret = sim_fail(403, "Forbidden", pdb->kind, pdb->name, NULL,
			"poddisruptionbudgets.policy \"%s\" is forbidden: pdb disruptions allowed "
			"is "
			"negative",
			pdb->name);
	} else if (json_object_size(json_object_get(st, "disruptedPods")) > DISRUPTED_PODS_MAX) {
		*ret = sim_fail(403, "Forbidden", pdb->kind, pdb->name, NULL,
			"poddisruptionbudgets.policy \"%s\" is forbidden: DisruptedPods map too "
			"big "
			"- too many evictions not confirmed by PDB controller",
			pdb->name);
	} else if (allowed == 0) {
		*ret = budget_empty(pdb);
	} else {
		if (!dry_run)
			spend(s, pdb, pod, allowed, now_usec);
		return true;
	}
	return false;
}

/* A pod that runs but is not ready may go without a budget. */
static bool unhealthy_may_go(const SimObj *pdb, const SimObj *pod)
{
	if (pod->pod.ready)
		return false;
	const char *policy = tree_str(pdb->json, "spec.unhealthyPodEvictionPolicy");
	if (policy && strcmp(policy, "AlwaysAllow") == 0)
		return true;
	if (policy && strcmp(policy, "IfHealthyBudget") != 0)
		return false;
	int64_t desired = tree_int(pdb->json, "status.desiredHealthy", 0);
	return desired > 0 && tree_int(pdb->json, "status.currentHealthy", 0) >= desired;
}

/* The pod's status with the condition that tells a Job whose fault it was. */
static json_t *disrupted_status(const SimObj *o, int64_t now_usec)
{
	g_autofree char *time = sl_time_format(now_usec);
	json_t *status = json_object_get(o->json, "status");
	json_t *list = json_object_get(status, "conditions");
	list = json_is_array(list) ? json_copy(list) : json_array();
	json_array_append_new(
		list, json_pack("{s:s, s:s, s:s, s:s, s:s}", "type", "DisruptionTarget", "status",
			      "True", "reason", "EvictionByEvictionAPI", "message",
			      "Eviction API: evicting", "lastTransitionTime", time));
	return tree_set(status, "conditions", list);
}

static SimAnswer evict_now(SimStore *s, const SimWrite *w, SimObj *o, int64_t now_usec)
{
	const json_t *options = json_object_get(w->body, "deleteOptions");
	SimAnswer a;
	if (precondition_fails(o, options, &a))
		return a;
	bool marks = !w->dry_run && !o->pod.deleting;
	json_t *status = marks ? disrupted_status(o, now_usec) : NULL;
	a = remove_object(s, o, options, status, w->dry_run, now_usec);
	if (a.status != 200)
		return a;
	sim_answer_clear(&a);
	return success(201, NULL);
}

static bool ignores_budget(const SimObj *o)
{
	return o->pod.deleting || finished(o) || g_strcmp0(o->pod.phase, "Pending") == 0;
}

SimAnswer sim_evict(SimStore *s, const SimWrite *w, int64_t now_usec)
{
	SimObj *o = sim_store_find(s, SIM_PODS, w->ns, w->name);
	const char *name = tree_str(w->body, "metadata.name");
	const char *kind = tree_str(w->body, "kind");
	if (!json_is_object(w->body) || (kind && strcmp(kind, "Eviction") != 0))
		return sim_bad_request("the object provided is unrecognized (must be of type "
				       "Eviction)");
	if (name && strcmp(name, w->name) != 0)
		return sim_bad_request("name in URL does not match name in Eviction object: %s and "
				       "%s",
			w->name, name);
	if (!o)
		return sim_not_found(w->kind, w->name);
	SimObj *pdbs[2];
	size_t n = ignores_budget(o) ? 0 : budgets_of(s, o, pdbs);
	if (n > 1)
		return sim_fail(500, NULL, NULL, NULL, NULL,
			"This pod has more than one PodDisruptionBudget, which the eviction "
			"subresource does not support.");
	SimAnswer a;
	if (n == 1 && !unhealthy_may_go(pdbs[0], o) &&
		!budget_allows(s, pdbs[0], o, w->dry_run, now_usec, &a))
		return a;
	return evict_now(s, w, o, now_usec);
}
