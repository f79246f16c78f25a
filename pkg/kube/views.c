#include "kube/views.h"
#include "codec/json.h"
#include "objects/time.h"
#include <string.h>

static char *dup_path(const json_t *o, const char *path)
{
	return g_strdup(json_path_str(o, path, ""));
}

static json_t *dup_object(const json_t *o, const char *path)
{
	json_t *v = json_path(o, path);
	return json_is_object(v) ? json_incref(v) : json_object();
}

int64_t kube_time(const json_t *object, const char *path)
{
	int64_t usec;
	const char *text = json_path_str(object, path, NULL);
	return text && sl_time_parse(text, &usec) ? usec : 0;
}

static int to_int(const json_t *o, const char *path, int def)
{
	int64_t value = json_path_int(o, path, def);
	return (int)CLAMP(value, G_MININT, G_MAXINT);
}

static void free_all(char *const *texts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		g_free(texts[i]);
}

/* --- conditions --- */

void kube_conditions_init(KubeConditions *c, const json_t *array)
{
	size_t i;
	json_t *v;
	c->n = 0;
	c->items = g_new0(KubeCondition, json_array_size(array));
	json_array_foreach ((json_t *)array, i, v)
		c->items[c->n++] = (KubeCondition){
			.type = dup_path(v, "type"),
			.status = dup_path(v, "status"),
			.reason = dup_path(v, "reason"),
			.message = dup_path(v, "message"),
			.since_usec = kube_time(v, "lastTransitionTime"),
			.heard_usec = kube_time(v, "lastHeartbeatTime"),
			.observed_generation = json_path_int(v, "observedGeneration", 0),
		};
}

void kube_conditions_clear(KubeConditions *c)
{
	for (size_t i = 0; i < c->n; i++) {
		KubeCondition *v = &c->items[i];
		free_all((char *const[]){ v->type, v->status, v->reason, v->message }, 4);
	}
	g_free(c->items);
	*c = (KubeConditions){ 0 };
}

const KubeCondition *kube_condition(const KubeConditions *c, const char *type)
{
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->items[i].type, type) == 0)
			return &c->items[i];
	return NULL;
}

static bool condition_true(const KubeConditions *c, const char *type, int64_t *ret_since_usec)
{
	const KubeCondition *v = kube_condition(c, type);
	*ret_since_usec = v ? v->since_usec : 0;
	return v && strcmp(v->status, "True") == 0;
}

/* --- metadata --- */

void kube_meta_init(KubeMeta *m, const json_t *object)
{
	*m = (KubeMeta){
		.ns = dup_path(object, "metadata.namespace"),
		.name = dup_path(object, "metadata.name"),
		.uid = dup_path(object, "metadata.uid"),
		.resource_version = dup_path(object, "metadata.resourceVersion"),
		.generation = json_path_int(object, "metadata.generation", 0),
		.created_usec = kube_time(object, "metadata.creationTimestamp"),
		.deleted_usec = kube_time(object, "metadata.deletionTimestamp"),
		.deletion_grace_sec = to_int(object, "metadata.deletionGracePeriodSeconds", -1),
		.labels = dup_object(object, "metadata.labels"),
		.annotations = dup_object(object, "metadata.annotations"),
	};
}

void kube_meta_clear(KubeMeta *m)
{
	free_all((char *const[]){ m->ns, m->name, m->uid, m->resource_version }, 4);
	json_decref(m->labels);
	json_decref(m->annotations);
	*m = (KubeMeta){ 0 };
}

const char *kube_label(const KubeMeta *m, const char *key)
{
	return json_string_value(json_object_get(m->labels, key));
}

const char *kube_annotation(const KubeMeta *m, const char *key)
{
	return json_string_value(json_object_get(m->annotations, key));
}

/* --- nodes --- */

static void read_taints(NodeView *v, const json_t *node)
{
	json_t *taints = json_path(node, "spec.taints"), *t;
	size_t i;
	v->taints = g_new0(KubeTaint, json_array_size(taints));
	json_array_foreach (taints, i, t)
		v->taints[v->n_taints++] = (KubeTaint){
			.key = dup_path(t, "key"),
			.value = dup_path(t, "value"),
			.effect = dup_path(t, "effect"),
		};
}

NodeView *node_view_new(const json_t *node)
{
	NodeView *v = g_new0(NodeView, 1);
	kube_meta_init(&v->meta, node);
	v->unschedulable = json_path_bool(node, "spec.unschedulable", false);
	read_taints(v, node);
	kube_conditions_init(&v->conditions, json_path(node, "status.conditions"));
	v->ready = condition_true(&v->conditions, "Ready", &v->ready_since_usec);
	v->allocatable = dup_object(node, "status.allocatable");
	v->kubelet_version = dup_path(node, "status.nodeInfo.kubeletVersion");
	v->boot_id = dup_path(node, "status.nodeInfo.bootID");
	v->os_image = dup_path(node, "status.nodeInfo.osImage");
	v->architecture = dup_path(node, "status.nodeInfo.architecture");
	v->pod_cidr = dup_path(node, "spec.podCIDR");
	v->provider_id = dup_path(node, "spec.providerID");
	return v;
}

void node_view_free(NodeView *v)
{
	if (!v)
		return;
	kube_meta_clear(&v->meta);
	for (size_t i = 0; i < v->n_taints; i++) {
		KubeTaint *t = &v->taints[i];
		free_all((char *const[]){ t->key, t->value, t->effect }, 3);
	}
	g_free(v->taints);
	kube_conditions_clear(&v->conditions);
	json_decref(v->allocatable);
	free_all((char *const[]){ v->kubelet_version, v->boot_id, v->os_image, v->architecture,
			 v->pod_cidr, v->provider_id },
		6);
	g_free(v);
}

const KubeTaint *node_view_taint(const NodeView *v, const char *key)
{
	for (size_t i = 0; i < v->n_taints; i++)
		if (strcmp(v->taints[i].key, key) == 0)
			return &v->taints[i];
	return NULL;
}

/* --- pods --- */

static const json_t *controller_of(const json_t *pod)
{
	json_t *owners = json_path(pod, "metadata.ownerReferences"), *o;
	size_t i;
	json_array_foreach (owners, i, o)
		if (json_path_bool(o, "controller", false))
			return o;
	return NULL;
}

static void read_volumes(PodView *v, const json_t *pod)
{
	json_t *volumes = json_path(pod, "spec.volumes"), *vol;
	size_t i, n = 0;
	v->claim_names = g_new0(char *, json_array_size(volumes) + 1);
	json_array_foreach (volumes, i, vol) {
		const char *claim = json_path_str(vol, "persistentVolumeClaim.claimName", NULL);
		v->empty_dir |= json_object_get(vol, "emptyDir") != NULL;
		v->host_path |= json_object_get(vol, "hostPath") != NULL;
		v->claims |= claim || json_object_get(vol, "ephemeral");
		if (claim)
			v->claim_names[n++] = g_strdup(claim);
	}
}

static void read_tolerations(PodView *v, const json_t *pod)
{
	json_t *list = json_path(pod, "spec.tolerations"), *t;
	size_t i;
	json_array_foreach (list, i, t)
		if (!*json_path_str(t, "key", "") && !*json_path_str(t, "effect", "") &&
			strcmp(json_path_str(t, "operator", ""), "Exists") == 0)
			v->tolerates_all = true;
}

static void read_containers(PodView *v, const json_t *pod)
{
	static const char *const lists[] = { "status.initContainerStatuses",
		"status.containerStatuses" };
	json_t *c;
	size_t j;
	for (size_t i = 0; i < G_N_ELEMENTS(lists); i++)
		json_array_foreach (json_path(pod, lists[i]), j, c) {
			const char *why = json_path_str(c, "state.waiting.reason", "");
			v->restarts += to_int(c, "restartCount", 0);
			if (!v->waiting && *why)
				v->waiting = g_strdup(why);
		}
	if (!v->waiting)
		v->waiting = g_strdup("");
}

static void read_pod_status(PodView *v, const json_t *pod)
{
	KubeConditions c;
	kube_conditions_init(&c, json_path(pod, "status.conditions"));
	v->ready = condition_true(&c, "Ready", &v->ready_since_usec);
	const KubeCondition *s = kube_condition(&c, "PodScheduled");
	v->unschedulable =
		s && strcmp(s->status, "False") == 0 && strcmp(s->reason, "Unschedulable") == 0;
	kube_conditions_clear(&c);
	v->phase = dup_path(pod, "status.phase");
	v->reason = dup_path(pod, "status.reason");
	read_containers(v, pod);
}

PodView *pod_view_new(const json_t *pod)
{
	PodView *v = g_new0(PodView, 1);
	const json_t *owner = controller_of(pod);
	kube_meta_init(&v->meta, pod);
	v->node = dup_path(pod, "spec.nodeName");
	v->owner_kind = dup_path(owner, "kind");
	v->owner_name = dup_path(owner, "name");
	v->owner_api = dup_path(owner, "apiVersion");
	v->owner_uid = dup_path(owner, "uid");
	v->mirror = kube_annotation(&v->meta, "kubernetes.io/config.mirror") != NULL;
	read_volumes(v, pod);
	read_tolerations(v, pod);
	read_pod_status(v, pod);
	v->priority_class = dup_path(pod, "spec.priorityClassName");
	v->priority = json_path_int(pod, "spec.priority", 0);
	v->scheduler = dup_path(pod, "spec.schedulerName");
	v->restart_policy = g_strdup(json_path_str(pod, "spec.restartPolicy", "Always"));
	v->grace_sec = to_int(pod, "spec.terminationGracePeriodSeconds", 30);
	v->gated = json_array_size(json_path(pod, "spec.schedulingGates")) > 0;
	json_t *finalizers = json_path(pod, "metadata.finalizers");
	v->finalizers = json_is_array(finalizers) ? json_incref(finalizers) : json_array();
	return v;
}

void pod_view_free(PodView *v)
{
	if (!v)
		return;
	kube_meta_clear(&v->meta);
	char *const texts[] = { v->node, v->phase, v->reason, v->owner_kind, v->owner_name,
		v->owner_api, v->owner_uid, v->priority_class, v->scheduler, v->restart_policy,
		v->waiting };
	free_all(texts, G_N_ELEMENTS(texts));
	g_strfreev(v->claim_names);
	json_decref(v->finalizers);
	g_free(v);
}

/* --- disruption budgets --- */

static int by_pod(const void *a, const void *b)
{
	return strcmp(((const PdbDisrupted *)a)->pod, ((const PdbDisrupted *)b)->pod);
}

static void read_disrupted(PdbView *v, const json_t *pdb)
{
	json_t *map = json_path(pdb, "status.disruptedPods"), *at;
	const char *pod;
	int64_t usec;
	v->disrupted = g_new0(PdbDisrupted, json_object_size(map));
	json_object_foreach (map, pod, at) {
		const char *text = json_string_value(at);
		v->disrupted[v->n_disrupted++] = (PdbDisrupted){
			.pod = g_strdup(pod),
			.at_usec = text && sl_time_parse(text, &usec) ? usec : 0,
		};
	}
	if (v->n_disrupted > 1)
		qsort(v->disrupted, v->n_disrupted, sizeof *v->disrupted, by_pod);
}

PdbView *pdb_view_new(const json_t *pdb)
{
	PdbView *v = g_new0(PdbView, 1);
	kube_meta_init(&v->meta, pdb);
	v->observed_generation = json_path_int(pdb, "status.observedGeneration", 0);
	v->disruptions_allowed = to_int(pdb, "status.disruptionsAllowed", 0);
	v->current_healthy = to_int(pdb, "status.currentHealthy", 0);
	v->desired_healthy = to_int(pdb, "status.desiredHealthy", 0);
	v->expected_pods = to_int(pdb, "status.expectedPods", 0);
	v->has_status = json_path(pdb, "status.expectedPods") != NULL;
	read_disrupted(v, pdb);
	json_t *selector = json_path(pdb, "spec.selector");
	v->selector = json_is_object(selector) ? json_incref(selector) : NULL;
	v->min_available = json_incref(json_path(pdb, "spec.minAvailable"));
	v->max_unavailable = json_incref(json_path(pdb, "spec.maxUnavailable"));
	v->unhealthy_policy =
		g_strdup(json_path_str(pdb, "spec.unhealthyPodEvictionPolicy", "IfHealthyBudget"));
	kube_conditions_init(&v->conditions, json_path(pdb, "status.conditions"));
	return v;
}

void pdb_view_free(PdbView *v)
{
	if (!v)
		return;
	kube_meta_clear(&v->meta);
	for (size_t i = 0; i < v->n_disrupted; i++)
		g_free(v->disrupted[i].pod);
	g_free(v->disrupted);
	json_decref(v->selector);
	json_decref(v->min_available);
	json_decref(v->max_unavailable);
	g_free(v->unhealthy_policy);
	kube_conditions_clear(&v->conditions);
	g_free(v);
}
