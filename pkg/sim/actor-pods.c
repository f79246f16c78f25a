/* Scheduler, ReplicaSet controller, disruption controller, kubelets. Only what a drain meets. */
#include "base/num.h"
#include "codec/json.h"
#include "objects/intstr.h"
#include "objects/selector.h"
#include "objects/time.h"
#include "sim/actor-private.h"
#include "sim/tree.h"
#include <string.h>

enum { DISRUPTED_SEC = 120 };

static bool text_is(const char *a, const char *b)
{
	return a && strcmp(a, b) == 0;
}

static bool finished(const SimPod *p)
{
	return text_is(p->phase, "Succeeded") || text_is(p->phase, "Failed");
}

static bool may_take(const SimObj *node)
{
	return node->node.ready && !node->node.cordoned && !node->node.tainted;
}

/* Pods on each node, in the order of the nodes. Caller frees. */
static size_t *count_pods(const SimActors *a)
{
	size_t n = sim_store_n(a->store, SIM_NODES);
	size_t *counts = g_new0(size_t, n + 1);
	for (size_t i = 0; i < sim_store_n(a->store, SIM_PODS); i++) {
		const SimObj *p = sim_store_at(a->store, SIM_PODS, i);
		if (!p->pod.node)
			continue;
		size_t at = sim_store_lower(a->store, SIM_NODES, p->pod.node);
		if (at < n)
			counts[at]++;
	}
	return counts;
}

static const SimObj *emptiest(const SimActors *a, size_t *counts)
{
	const SimObj *best = NULL;
	size_t at = 0;
	for (size_t i = 0; i < sim_store_n(a->store, SIM_NODES); i++) {
		const SimObj *n = sim_store_at(a->store, SIM_NODES, i);
		if (may_take(n) && (!best || counts[i] < counts[at])) {
			best = n;
			at = i;
		}
	}
	counts[at]++;
	return best;
}

static bool tolerates_cordon(const SimObj *pod)
{
	size_t i;
	json_t *t;
	json_array_foreach (tree_get(pod->json, "spec.tolerations"), i, t)
		if (text_is(tree_str(t, "key"), "node.kubernetes.io/unschedulable"))
			return true;
	return false;
}

/* The one node that the pod demands by its name, as a DaemonSet's does; NULL: any will do. */
static const char *demanded(const SimObj *pod)
{
	const json_t *terms = tree_get(pod->json,
		"spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution."
		"nodeSelectorTerms");
	const json_t *field =
		json_array_get(json_object_get(json_array_get(terms, 0), "matchFields"), 0);
	return json_string_value(json_array_get(json_object_get(field, "values"), 0));
}

static const SimObj *place_of(const SimActors *a, const SimObj *pod, size_t *counts)
{
	const char *name = demanded(pod);
	const SimObj *n = name ? find(a, SIM_NODES, NULL, name) : NULL;
	if (!name)
		return emptiest(a, counts);
	bool cordoned = n && n->node.cordoned && !tolerates_cordon(pod);
	return n && n->node.ready && !cordoned ? n : NULL;
}

int64_t scheduler_tick(SimActors *a)
{
	g_autofree size_t *counts = NULL;
	for (size_t i = 0; i < sim_store_n(a->store, SIM_PODS); i++) {
		SimObj *p = sim_store_at(a->store, SIM_PODS, i);
		if (p->pod.node || p->pod.deleting || finished(&p->pod))
			continue;
		if (!counts)
			counts = count_pods(a);
		const SimObj *n = place_of(a, p, counts);
		if (!n)
			continue;
		out_sub(a, p, SIM_SUB_BINDING, "kube-scheduler",
			json_pack("{s:{s:s, s:s}}", "target", "kind", "Node", "name", n->name));
	}
	return INT64_MAX;
}

static bool owned_by(const SimObj *pod, const SimObj *rs)
{
	return text_is(pod->pod.owner, rs->name) && text_is(pod->pod.owner_kind, "ReplicaSet") &&
	       strcmp(pod->ns, rs->ns) == 0;
}

/* A pod of a ReplicaSet or StatefulSet. */
static json_t *pod_of(const SimObj *rs, const char *name)
{
	const json_t *t = tree_get(rs->json, "spec.template");
	json_t *meta = json_object_get(t, "metadata");
	meta = meta ? json_copy(meta) : json_object();
	json_object_set_new(meta, "name", json_string(name));
	json_object_set_new(meta, "ownerReferences",
		json_pack("[{s:s, s:s, s:s, s:s, s:b}]", "apiVersion", "apps/v1", "kind",
			rs->kind->kind, "name", rs->name, "uid", tree_str(rs->json, "metadata.uid"),
			"controller", 1));
	return json_pack("{s:o, s:O}", "metadata", meta, "spec", json_object_get(t, "spec"));
}

/* Pods with numbers: one that is gone comes back under its name, when it is all gone. */
static void statefulset_tick(SimActors *a, const SimObj *set)
{
	int64_t want = tree_int(set->json, "spec.replicas", 1);
	for (int64_t i = 0; i < want; i++) {
		g_autofree char *name = g_strdup_printf("%s-%" PRId64, set->name, i);
		const SimObj *p = find(a, SIM_PODS, set->ns, name);
		if (!p)
			out_create(
				a, SIM_PODS, set->ns, "kube-controller-manager", pod_of(set, name));
		if (!p || !p->pod.ready)
			return; /* in order, each ready before the next */
	}
}

typedef struct SetCount {
	int64_t have, ready;
	bool moving; /* a pod is on its way up or down: the status follows when it arrived */
} SetCount;

static SetCount count_set(const SimActors *a, const SimObj *rs)
{
	SetCount c = { 0 };
	g_autofree char *first = g_strconcat(rs->ns, "/", NULL);
	for (size_t i = sim_store_lower(a->store, SIM_PODS, first);
		i < sim_store_n(a->store, SIM_PODS); i++) {
		const SimObj *p = sim_store_at(a->store, SIM_PODS, i);
		if (strcmp(p->ns, rs->ns) != 0)
			break;
		if (!owned_by(p, rs) || finished(&p->pod))
			continue;
		c.moving |= p->pod.deleting || (p->pod.node && !p->pod.ready);
		c.have += !p->pod.deleting;
		c.ready += p->pod.ready && !p->pod.deleting;
	}
	return c;
}

int64_t replicasets_tick(SimActors *a)
{
	for (size_t i = 0; i < sim_store_n(a->store, SIM_STATEFULSETS); i++)
		statefulset_tick(a, sim_store_at(a->store, SIM_STATEFULSETS, i));
	for (size_t i = 0; i < sim_store_n(a->store, SIM_REPLICASETS); i++) {
		SimObj *rs = sim_store_at(a->store, SIM_REPLICASETS, i);
		int64_t want = tree_int(rs->json, "spec.replicas", 1);
		SetCount c = count_set(a, rs);
		for (int64_t n = c.have; n < want; n++) {
			g_autofree char *suffix = sim_store_suffix(a->store);
			g_autofree char *name = g_strdup_printf("%s-%s", rs->name, suffix);
			out_create(
				a, SIM_PODS, rs->ns, "kube-controller-manager", pod_of(rs, name));
		}
		if (!c.moving && c.have >= want &&
			tree_int(rs->json, "status.readyReplicas", -1) != c.ready)
			out_merge(a, rs, SIM_SUB_STATUS, "kube-controller-manager",
				json_pack("{s:{s:I, s:I, s:I}}", "status", "replicas", c.have,
					"readyReplicas", c.ready, "availableReplicas", c.ready));
	}
	return jobs_tick(a);
}

static const SimObj *controller_of(const SimActors *a, const SimObj *pod)
{
	const char *kind = pod->pod.owner_kind;
	if (text_is(kind, "ReplicaSet"))
		return find(a, SIM_REPLICASETS, pod->ns, pod->pod.owner);
	return text_is(kind, "StatefulSet") ? find(a, SIM_STATEFULSETS, pod->ns, pod->pod.owner)
					    : NULL;
}

/* Replicas that the controllers of the matching pods want; each controller counts once. Sets the
 * pod that has none. */
static int expected_pods(
	const SimActors *a, SimObj *const *pods, size_t n, const SimObj **ret_unmanaged)
{
	int expected = 0;
	const SimObj *seen[64];
	size_t n_seen = 0;
	*ret_unmanaged = NULL;
	for (size_t i = 0; i < n; i++) {
		const SimObj *owner = controller_of(a, pods[i]);
		bool again = false;
		for (size_t j = 0; j < n_seen; j++)
			again |= seen[j] == owner;
		if (!owner)
			*ret_unmanaged = pods[i];
		else if (!again && n_seen < G_N_ELEMENTS(seen)) {
			seen[n_seen++] = owner;
			expected += (int)tree_int(owner->json, "spec.replicas", 1);
		}
	}
	return expected;
}

/* Whether the budget counts against what controllers want: then every pod must have one. */
static bool needs_scale(const json_t *spec)
{
	IntStr v;
	return json_object_get(spec, "maxUnavailable") ||
	       (intstr_from_json(json_object_get(spec, "minAvailable"), &v) && v.percent);
}

static int64_t sync_failed(SimActors *a, SimObj *pdb, const SimObj *pod)
{
	const json_t *old = json_object_get(pdb->json, "status");
	g_autofree char *text = g_strdup_printf("found no controllers for pod \"%s\"", pod->name);
	json_t *cond = condition_new(a, old, "DisruptionAllowed", "False", "SyncFailed", text);
	g_autoptr(json_t) st = json_pack("{s:i, s:[o], s:I}", "disruptionsAllowed", 0, "conditions",
		cond, "observedGeneration", tree_int(pdb->json, "metadata.generation", 1));
	g_autoptr(json_t) next = tree_merge((json_t *)old, st);
	if (!old || !json_equal(next, old))
		out_merge(a, pdb, SIM_SUB_STATUS, "kube-controller-manager",
			json_pack("{s:O}", "status", st));
	return INT64_MAX;
}

static int desired_healthy(const json_t *spec, int expected, int n_pods)
{
	IntStr v;
	if (intstr_from_json(json_object_get(spec, "maxUnavailable"), &v))
		return sl_max(expected - intstr_of_pdb(v, expected), 0);
	if (intstr_from_json(json_object_get(spec, "minAvailable"), &v))
		return v.percent ? intstr_of_pdb(v, expected) : v.value;
	return MAX(n_pods - 1, 0);
}

/* Entries whose pod is still there, not going, and not yet too old. */
static json_t *keep_disrupted(SimActors *a, const SimObj *pdb, int64_t *ret_due)
{
	json_t *out = json_object();
	const char *name;
	json_t *v;
	json_object_foreach (tree_get(pdb->json, "status.disruptedPods"), name, v) {
		const SimObj *p = find(a, SIM_PODS, pdb->ns, name);
		int64_t at = 0;
		sl_time_parse(json_string_value(v), &at);
		int64_t left = at + DISRUPTED_SEC * SL_USEC_PER_SEC - a->now.wall_usec;
		if (!p || p->pod.deleting || left <= 0)
			continue;
		json_object_set(out, name, v);
		*ret_due = MIN(*ret_due, a->now.boot_usec + left);
	}
	return out;
}

typedef struct PdbStatus {
	int64_t generation;
	int allowed, healthy, desired, expected;
} PdbStatus;

/* Whether the status on the object says just this. */
static bool pdb_says(
	const json_t *status, const PdbStatus *s, const json_t *cond, const json_t *disrupted)
{
	const json_t *conditions = json_object_get(status, "conditions");
	return tree_int(status, "observedGeneration", -1) == s->generation &&
	       tree_int(status, "disruptionsAllowed", -1) == s->allowed &&
	       tree_int(status, "currentHealthy", -1) == s->healthy &&
	       tree_int(status, "desiredHealthy", -1) == s->desired &&
	       tree_int(status, "expectedPods", -1) == s->expected &&
	       json_array_size(conditions) == 1 &&
	       json_equal(json_array_get(conditions, 0), cond) &&
	       json_equal(json_object_get(status, "disruptedPods"), disrupted) &&
	       json_object_size(status) == 7;
}

/* Takes cond and disrupted. */
static json_t *pdb_status(const PdbStatus *s, json_t *cond, json_t *disrupted)
{
	return json_pack("{s:I, s:i, s:i, s:i, s:i, s:[o], s:o}", "observedGeneration",
		s->generation, "disruptionsAllowed", s->allowed, "currentHealthy", s->healthy,
		"desiredHealthy", s->desired, "expectedPods", s->expected, "conditions", cond,
		"disruptedPods", disrupted);
}

static int64_t pdb_tick(SimActors *a, SimObj *pdb, SimObj *const *pods, size_t n)
{
	int64_t due = INT64_MAX;
	const json_t *spec = json_object_get(pdb->json, "spec");
	const SimObj *unmanaged;
	int expected = expected_pods(a, pods, n, &unmanaged), healthy = 0;
	if (unmanaged && needs_scale(spec))
		return sync_failed(a, pdb, unmanaged);
	expected = needs_scale(spec) ? expected : (int)n;
	json_t *disrupted = keep_disrupted(a, pdb, &due);
	for (size_t i = 0; i < n; i++)
		if (pods[i]->pod.ready && !pods[i]->pod.deleting &&
			!json_object_get(disrupted, pods[i]->name))
			healthy++;
	int desired = desired_healthy(spec, expected, (int)n);
	int allowed = expected > 0 ? MAX(healthy - desired, 0) : 0;
	const json_t *old = json_object_get(pdb->json, "status");
	json_t *cond = condition_new(a, old, "DisruptionAllowed", allowed ? "True" : "False",
		allowed ? "SufficientPods" : "InsufficientPods", "");
	PdbStatus now = { tree_int(pdb->json, "metadata.generation", 1), allowed, healthy, desired,
		expected };
	if (old && pdb_says(old, &now, cond, disrupted)) {
		json_decref(cond);
		json_decref(disrupted);
		return due;
	}
	g_autoptr(json_t) st = pdb_status(&now, cond, disrupted);
	/* A merge patch keeps entries of a map that it does not name: the whole status goes out. */
	json_t *gone = json_object_get(old, "disruptedPods");
	const char *name;
	json_t *v;
	json_object_foreach (gone, name, v) {
		if (!json_object_get(disrupted, name))
			json_object_set_new(disrupted, name, json_null());
	}
	out_merge(a, pdb, SIM_SUB_STATUS, "kube-controller-manager",
		json_pack("{s:O}", "status", st));
	return due;
}

static bool is_about(SimObj *pdb, const char *ns, const json_t *labels)
{
	return strcmp(pdb->ns, ns) == 0 && selector_matches(sim_pdb_selector(pdb), labels);
}

static void note_pod(SimActors *a, const SimChange *c)
{
	const json_t *some = c->now ? c->now->json : c->was->json;
	const char *ns = tree_str(some, "metadata.namespace");
	const json_t *now = tree_get(some, "metadata.labels");
	const json_t *was = c->was ? tree_get(c->was->json, "metadata.labels") : now;
	for (size_t i = 0; i < sim_store_n(a->store, SIM_PDBS); i++) {
		SimObj *pdb = sim_store_at(a->store, SIM_PDBS, i);
		if (!pdb->memo.dirty)
			pdb->memo.dirty =
				is_about(pdb, ns, now) || (was != now && is_about(pdb, ns, was));
	}
}

void pdbs_note(SimActors *a, const SimChange *c, SimObj *obj)
{
	bool spec = !c->was || !c->now ||
		    json_object_get(c->was->json, "spec") != json_object_get(c->now->json, "spec");
	if ((c->kind->id == SIM_PDBS || c->kind->id == SIM_REPLICASETS) && spec)
		a->pdbs_dirty = true;
	else if (c->kind->id == SIM_PDBS && obj)
		obj->memo.dirty = true;
	if (c->kind->id == SIM_PODS && !a->pdbs_dirty)
		note_pod(a, c);
}

/* The pods a budget is about. Caller frees. */
static SimObj **pods_of(const SimActors *a, SimObj *pdb, size_t *ret_n)
{
	const Selector *sel = sim_pdb_selector(pdb);
	*ret_n = 0;
	SimObj **out = g_new(SimObj *, sim_store_n(a->store, SIM_PODS) + 1);
	g_autofree char *first = g_strconcat(pdb->ns, "/", NULL);
	for (size_t i = sim_store_lower(a->store, SIM_PODS, first);
		i < sim_store_n(a->store, SIM_PODS); i++) {
		SimObj *p = sim_store_at(a->store, SIM_PODS, i);
		if (strcmp(p->ns, pdb->ns) != 0)
			break;
		if (!finished(&p->pod) && selector_matches(sel, p->pod.labels))
			out[(*ret_n)++] = p;
	}
	return out;
}

/* A budget that a person set to nothing in the middle of it all. */
static void zero_fault(SimActors *a)
{
	bool zero = has_fault(a, SIM_FAULT_PDB_ZERO) ||
		    (has_fault(a, SIM_FAULT_PDB_ZERO_LATE) && sim_actors_moved(a));
	if (!zero || sim_store_n(a->store, SIM_PDBS) == 0)
		return;
	SimObj *pdb = sim_store_at(a->store, SIM_PDBS, 0);
	if (tree_int(pdb->json, "spec.maxUnavailable", -1) != 0)
		out_merge(a, pdb, SIM_SUB_NONE, "kubectl-edit",
			json_pack("{s:{s:i, s:n}}", "spec", "maxUnavailable", 0, "minAvailable"));
}

int64_t pdbs_tick(SimActors *a)
{
	int64_t due = INT64_MAX;
	bool all = a->pdbs_dirty;
	a->pdbs_dirty = false;
	zero_fault(a);
	for (size_t i = 0; i < sim_store_n(a->store, SIM_PDBS); i++) {
		SimObj *pdb = sim_store_at(a->store, SIM_PDBS, i);
		if (all || pdb->memo.dirty || pdb->memo.due_usec <= a->now.boot_usec) {
			size_t n;
			g_autofree SimObj **pods = pods_of(a, pdb, &n);
			pdb->memo.dirty = false;
			pdb->memo.due_usec = pdb_tick(a, pdb, pods, n);
		}
		due = MIN(due, pdb->memo.due_usec);
	}
	return due;
}

typedef enum {
	STAGE_UNBOUND,
	STAGE_BOUND,
	STAGE_RUNNING,
	STAGE_READY,
	STAGE_GOING,
	STAGE_DONE
} Stage;

static Stage stage_of(const SimPod *p)
{
	if (!p->node)
		return STAGE_UNBOUND;
	if (p->deleting)
		return STAGE_GOING;
	if (finished(p))
		return STAGE_DONE;
	if (text_is(p->phase, "Running"))
		return p->ready ? STAGE_READY : STAGE_RUNNING;
	return STAGE_BOUND;
}

/* A pod may say by annotation how long it takes, in virtual time. */
static int64_t lasts(const SimActors *a, const SimObj *p, const char *key, int64_t def)
{
	const char *v = tree_annotation(p->json, key);
	int64_t sec;
	if (!v || !sl_duration_parse(v, &sec))
		return def;
	return sec * a->t.second_usec;
}

static json_t *pod_conditions(const SimActors *a, const SimObj *p, bool ready)
{
	const json_t *old = json_object_get(p->json, "status");
	return json_pack("[o, o, o]", condition_new(a, old, "PodScheduled", "True", NULL, NULL),
		condition_new(a, old, "ContainersReady", ready ? "True" : "False", NULL, NULL),
		condition_new(a, old, "Ready", ready ? "True" : "False", NULL, NULL));
}

static void set_running(SimActors *a, SimObj *p, bool ready)
{
	json_t *st = json_pack(
		"{s:s, s:o}", "phase", "Running", "conditions", pod_conditions(a, p, ready));
	if (!tree_str(p->json, "status.startTime"))
		json_object_set_new(st, "startTime", time_json(a));
	out_merge(a, p, SIM_SUB_STATUS, "kubelet", json_pack("{s:o}", "status", st));
}

static int64_t stage_usec(const SimActors *a, const SimObj *p, Stage s)
{
	switch (s) {
	case STAGE_BOUND:
		return lasts(a, p, "sim/start", a->t.pod_start_usec);
	case STAGE_RUNNING:
		return lasts(
			a, p, pod_ends_by_itself(p) ? "sim/run" : "sim/ready", a->t.pod_ready_usec);
	case STAGE_GOING: {
		int64_t grace = tree_int(p->json, "metadata.deletionGracePeriodSeconds", 0);
		return sl_min(lasts(a, p, "sim/exit", a->t.pod_exit_usec), grace * SL_USEC_PER_SEC);
	}
	default:
		return INT64_MAX;
	}
}

static int64_t pod_tick(SimActors *a, SimObj *p)
{
	Stage s = stage_of(&p->pod);
	SimMemo *m = &p->memo;
	if (m->phase != (int)s + 1) {
		m->phase = (int)s + 1;
		m->since_usec = a->now.boot_usec;
		int64_t wait = stage_usec(a, p, s);
		m->due_usec = wait == INT64_MAX ? INT64_MAX : a->now.boot_usec + wait;
	}
	if (m->due_usec > a->now.boot_usec)
		return m->due_usec;
	if (s == STAGE_BOUND)
		set_running(a, p, false);
	else if (s == STAGE_RUNNING && pod_ends_by_itself(p))
		pod_end(a, p);
	else if (s == STAGE_RUNNING)
		set_running(a, p, true);
	else if (s == STAGE_GOING)
		out_delete(a, p,
			json_pack("{s:i, s:{s:s}}", "gracePeriodSeconds", 0, "preconditions", "uid",
				tree_str(p->json, "metadata.uid")));
	return INT64_MAX;
}

/* What a node that is down runs does not answer, and nothing moves on it. */
static bool node_down(const SimActors *a, const SimObj *p)
{
	const SimObj *n = p->pod.node ? find(a, SIM_NODES, NULL, p->pod.node) : NULL;
	return !n || !n->node.ready;
}

int64_t kubelets_tick(SimActors *a)
{
	int64_t due = INT64_MAX;
	for (size_t i = 0; i < sim_store_n(a->store, SIM_PODS); i++) {
		SimObj *p = sim_store_at(a->store, SIM_PODS, i);
		if (p->memo.phase == STAGE_READY + 1 && p->pod.ready && !p->pod.deleting)
			continue;
		if (!p->pod.node || node_down(a, p))
			continue;
		due = sl_min(due, pod_tick(a, p));
	}
	return due;
}

int64_t leases_tick(SimActors *a)
{
	g_autofree char *now = sl_time_format_micro(a->now.wall_usec);
	for (size_t i = 0; i < sim_store_n(a->store, SIM_NODES); i++) {
		SimObj *n = sim_store_at(a->store, SIM_NODES, i);
		if (!n->node.ready)
			continue;
		SimObj *l = find(a, SIM_LEASES, "kube-node-lease", n->name);
		if (n->memo.lease_usec > a->now.boot_usec)
			continue;
		n->memo.lease_usec = a->now.boot_usec + a->t.lease_usec;
		json_t *spec = json_pack("{s:s, s:i, s:s}", "holderIdentity", n->name,
			"leaseDurationSeconds", 40, "renewTime", now);
		if (l)
			out_merge(a, l, SIM_SUB_NONE, "kubelet", json_pack("{s:o}", "spec", spec));
		else
			out_create(a, SIM_LEASES, "kube-node-lease", "kubelet",
				json_pack("{s:{s:s}, s:o}", "metadata", "name", n->name, "spec",
					spec));
	}
	return a->now.boot_usec + a->t.lease_usec;
}
