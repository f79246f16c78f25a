#include "sim/world.h"
#include "codec/json.h"
#include "objects/time.h"
#include "objects/version.h"
#include <string.h>

#define MC "machineconfiguration.openshift.io/"
#define DAY_USEC ((int64_t)86400 * 1000000)
#define APPS "apps"

typedef struct Build {
	const SimWorld *w;
	SimNow now;
	SimSend *send;
	void *ud;
	unsigned n_cp, n_workers, n_apps, n_replicas;
	char *born; /* creationTimestamp of everything */
} Build;

/* Steals body. */
static void create(Build *b, SimKindId k, const char *ns, const char *manager, json_t *body)
{
	g_assert(body);
	json_t *meta = json_object_get(body, "metadata");
	if (!json_object_get(meta, "creationTimestamp"))
		json_object_set_new(meta, "creationTimestamp", json_string(b->born));
	SimWrite w = { .verb = SIM_CREATE,
		.kind = sim_kind(k),
		.ns = (char *)ns,
		.manager = (char *)manager,
		.body = body,
		.whole = true };
	b->send(&w, b->ud);
	json_decref(body);
}

static char *time_ago(const Build *b, int64_t days)
{
	return sl_time_format(b->now.wall_usec - days * DAY_USEC);
}

static void namespaces(Build *b)
{
	static const char *const names[] = { "default", "kube-system", "kube-node-lease",
		"openshift-config", "openshift-config-managed", "openshift-cluster-version",
		"openshift-machine-config-operator", "openshift-ovn-kubernetes",
		"openshift-kube-apiserver", APPS };
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
		create(b, SIM_NAMESPACES, NULL, "cluster-bootstrap",
			json_pack("{s:{s:s}, s:{s:s}}", "metadata", "name", names[i], "status",
				"phase", "Active"));
}

static void gates(Build *b)
{
	json_t *data = json_object();
	if (b->w->gate)
		json_object_set_new(data, b->w->gate,
			json_string("Remove the use of APIs that the next version drops, then "
				    "acknowledge."));
	create(b, SIM_CONFIGMAPS, "openshift-config-managed", "cluster-version-operator",
		json_pack("{s:{s:s}, s:o}", "metadata", "name", "admin-gates", "data", data));
	create(b, SIM_CONFIGMAPS, "openshift-config", "cluster-bootstrap",
		json_pack("{s:{s:s}, s:{}}", "metadata", "name", "admin-acks", "data"));
}

static json_t *ready_condition(const Build *b)
{
	g_autofree char *since = time_ago(b, 3);
	return json_pack("{s:s, s:s, s:s, s:s, s:s}", "type", "Ready", "status", "True", "reason",
		"KubeletReady", "message", "kubelet is posting ready status", "lastTransitionTime",
		since);
}

static void node(Build *b, const char *role, unsigned i)
{
	g_autofree char *name = g_strdup_printf("%s-%s-%u", b->w->name, role, i);
	g_autofree char *rendered = sim_rendered_name(role, b->w->version);
	g_autofree char *drain = g_strconcat("uncordon-", rendered, NULL);
	g_autofree char *label = g_strconcat("node-role.kubernetes.io/", role, NULL);
	g_autofree char *zone = g_strdup_printf("zone-%c", 'a' + (char)(i % 3));
	g_autofree char *kube = sim_kube_version(b->w->version);
	g_autofree char *boot = g_strdup_printf("boot-%s-0", name);
	bool cp = strcmp(role, "master") == 0;
	json_t *labels = json_pack("{s:s, s:s, s:s, s:s}", label, "", "kubernetes.io/hostname",
		name, "topology.kubernetes.io/zone", zone, "kubernetes.io/os", "linux");
	if (cp)
		json_object_set_new(
			labels, "node-role.kubernetes.io/control-plane", json_string(""));
	json_t *spec = json_object();
	if (cp)
		json_object_set_new(spec, "taints",
			json_pack("[{s:s, s:s}]", "key", "node-role.kubernetes.io/master", "effect",
				"NoSchedule"));
	json_t *meta = json_pack("{s:s, s:s, s:o, s:{s:s, s:s, s:s, s:s, s:s}}", "name", name,
		"creationTimestamp", b->born, "labels", labels, "annotations", MC "currentConfig",
		rendered, MC "desiredConfig", rendered, MC "state", "Done", MC "desiredDrain",
		drain, MC "lastAppliedDrain", drain);
	json_t *size = json_pack("{s:s, s:s, s:s}", "cpu", "16", "memory", "64Gi", "pods", "250");
	json_t *status = json_pack("{s:[o], s:{s:s, s:s}, s:O, s:o}", "conditions",
		ready_condition(b), "nodeInfo", "bootID", boot, "kubeletVersion", kube, "capacity",
		size, "allocatable", size);
	create(b, SIM_NODES, NULL, "kubelet",
		json_pack("{s:o, s:o, s:o}", "metadata", meta, "spec", spec, "status", status));
}

static void pool(Build *b, const char *role)
{
	g_autofree char *rendered = sim_rendered_name(role, b->w->version);
	g_autofree char *label = g_strconcat("node-role.kubernetes.io/", role, NULL);
	json_t *labels = json_object();
	if (strcmp(role, "master") == 0)
		json_object_set_new(labels,
			"operator.machineconfiguration.openshift.io/required-for-upgrade",
			json_string(""));
	create(b, SIM_MACHINECONFIGS, NULL, "machine-config-controller",
		json_pack("{s:{s:s}, s:{s:s}}", "metadata", "name", rendered, "spec", "osImageURL",
			b->w->version));
	create(b, SIM_POOLS, NULL, "machine-config-operator",
		json_pack("{s:{s:s, s:o}, s:{s:b, s:{s:{s:s}}, s:{s:s}}, s:{s:{s:s}}}", "metadata",
			"name", role, "labels", labels, "spec", "paused", 0, "nodeSelector",
			"matchLabels", label, "", "configuration", "name", rendered, "status",
			"configuration", "name", rendered));
}

static json_t *good(const Build *b, const char *type, const char *is)
{
	g_autofree char *since = time_ago(b, 3);
	return json_pack("{s:s, s:s, s:s, s:s, s:s}", "type", type, "status", is, "reason",
		"AsExpected", "message", "All is well", "lastTransitionTime", since);
}

static void operators(Build *b)
{
	static const char *const names[] = { "authentication", "dns", "etcd", "ingress",
		"kube-apiserver", "kube-controller-manager", "kube-scheduler", "machine-config",
		"monitoring", "network" };
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
		create(b, SIM_CLUSTEROPERATORS, NULL, "cluster-version-operator",
			json_pack("{s:{s:s}, s:{}, s:{s:[{s:s, s:s}], s:[o, o, o]}}", "metadata",
				"name", names[i], "spec", "status", "versions", "name", "operator",
				"version", b->w->version, "conditions",
				good(b, "Available", "True"), good(b, "Degraded", "False"),
				good(b, "Progressing", "False")));
}

static json_t *entry(const Build *b, const char *version, int64_t days)
{
	g_autofree char *image = sim_release_image(version), *from = time_ago(b, days),
			*to = time_ago(b, days - 1);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b}", "state", "Completed", "startedTime",
		from, "completionTime", to, "version", version, "image", image, "verified", 1);
}

static void cluster_version(Build *b)
{
	g_autofree char *image = sim_release_image(b->w->version);
	Version v = { 0 };
	version_parse(b->w->version, &v);
	g_autofree char *stable = g_strdup_printf("stable-%d.%d", v.major, v.minor);
	const char *channel = b->w->channel ? b->w->channel : stable;
	json_t *history = json_pack("[o]", entry(b, b->w->version, 10));
	if (b->w->previous)
		json_array_append_new(history, entry(b, b->w->previous, 30));
	json_t *spec = json_pack("{s:s}", "clusterID", "5f0c6b3e-7d0e-4c5a-9a30-0d7b7d1d2a11");
	if (channel[0])
		json_object_set_new(spec, "channel", json_string(channel));
	create(b, SIM_CLUSTERVERSIONS, NULL, "cluster-bootstrap",
		json_pack("{s:{s:s}, s:o, s:{s:{s:s, s:s, s:s}, s:o, s:i, s:s, s:n}}", "metadata",
			"name", "version", "spec", spec, "status", "desired", "version",
			b->w->version, "image", image, "url", "", "history", history,
			"observedGeneration", 1, "versionHash", "", "availableUpdates"));
}

static json_t *pod_spec(const Build *b)
{
	return json_pack("{s:[{s:s, s:s}], s:i}", "containers", "name", "app", "image",
		"registry.sim/app:1", "terminationGracePeriodSeconds", 30);
}

static void pod(Build *b, const char *ns, const char *name, json_t *meta, const char *node_name)
{
	g_autofree char *since = time_ago(b, 2);
	json_t *spec = pod_spec(b);
	json_object_set_new(spec, "nodeName", json_string(node_name));
	json_object_set_new(meta, "name", json_string(name));
	create(b, SIM_PODS, ns, "kubelet",
		json_pack("{s:o, s:o, s:{s:s, s:s, s:[{s:s, s:s, s:s}]}}", "metadata", meta, "spec",
			spec, "status", "phase", "Running", "startTime", since, "conditions",
			"type", "Ready", "status", "True", "lastTransitionTime", since));
}

static json_t *owner(const char *kind, const char *name, const char *uid)
{
	return json_pack("[{s:s, s:s, s:s, s:s, s:b}]", "apiVersion", "apps/v1", "kind", kind,
		"name", name, "uid", uid, "controller", 1);
}

static json_t *app_meta(const Build *b, const char *app)
{
	json_t *notes = json_pack("{s:s*, s:s*, s:s*}", "sim/start", b->w->pod_start, "sim/ready",
		b->w->pod_ready, "sim/exit", b->w->pod_exit);
	return json_pack("{s:{s:s}, s:o}", "labels", "app", app, "annotations", notes);
}

static void app_pods(Build *b, const char *app, const char *rs, unsigned first)
{
	for (unsigned i = 0; i < b->n_replicas && !b->w->no_pods; i++) {
		g_autofree char *name = g_strdup_printf("%s-%05u", rs, i);
		g_autofree char *on = g_strdup_printf(
			"%s-worker-%u", b->w->name, b->w->pack ? 0 : (first + i) % b->n_workers);
		json_t *meta = app_meta(b, app);
		json_object_set_new(meta, "ownerReferences", owner("ReplicaSet", rs, rs));
		pod(b, APPS, name, meta, on);
	}
}

static json_t *workload(Build *b, const char *app, const char *name, json_t *owners)
{
	json_t *meta =
		json_pack("{s:s, s:s, s:{s:s}}", "name", name, "uid", name, "labels", "app", app);
	if (owners)
		json_object_set_new(meta, "ownerReferences", owners);
	return json_pack("{s:o, s:{s:i, s:{s:{s:s}}, s:{s:o, s:o}}, s:{s:i, s:i, s:i}}", "metadata",
		meta, "spec", "replicas", (int)b->n_replicas, "selector", "matchLabels", "app", app,
		"template", "metadata", app_meta(b, app), "spec", pod_spec(b), "status", "replicas",
		(int)b->n_replicas, "readyReplicas", (int)b->n_replicas, "availableReplicas",
		(int)b->n_replicas);
}

static void app(Build *b, unsigned i)
{
	g_autofree char *name = g_strdup_printf("app-%02u", i);
	g_autofree char *rs = g_strdup_printf("%s-7d4b9c", name);
	create(b, SIM_DEPLOYMENTS, APPS, "argocd-controller", workload(b, name, name, NULL));
	if (!b->w->no_pods)
		create(b, SIM_REPLICASETS, APPS, "kube-controller-manager",
			workload(b, name, rs, owner("Deployment", name, name)));
	app_pods(b, name, rs, i * b->n_replicas);
	int max = (int)(b->w->max_unavailable ? b->w->max_unavailable : 1);
	create(b, SIM_PDBS, APPS, "argocd-controller",
		json_pack("{s:{s:s}, s:{s:i, s:{s:{s:s}}}}", "metadata", "name", name, "spec",
			"maxUnavailable", max, "selector", "matchLabels", "app", name));
}

static void node_pods(Build *b, const char *role, unsigned i)
{
	g_autofree char *on = g_strdup_printf("%s-%s-%u", b->w->name, role, i);
	g_autofree char *daemon = g_strdup_printf("ovnkube-node-%s", on);
	json_t *meta = json_pack("{s:{s:s}, s:o}", "labels", "app", "ovnkube-node",
		"ownerReferences", owner("DaemonSet", "ovnkube-node", "ovnkube-node"));
	pod(b, "openshift-ovn-kubernetes", daemon, meta, on);
	if (strcmp(role, "master") != 0)
		return;
	g_autofree char *mirror = g_strdup_printf("kube-apiserver-%s", on);
	pod(b, "openshift-kube-apiserver", mirror,
		json_pack("{s:{s:s}, s:{s:s}}", "labels", "app", "openshift-kube-apiserver",
			"annotations", "kubernetes.io/config.mirror", "x"),
		on);
}

static void nodes(Build *b, const char *role, unsigned n)
{
	pool(b, role);
	for (unsigned i = 0; i < n; i++) {
		node(b, role, i);
		if (!b->w->no_pods)
			node_pods(b, role, i);
	}
}

void sim_world_build(const SimWorld *w, SimNow now, SimSend *send, void *ud)
{
	Build b = { .w = w, .now = now, .send = send, .ud = ud };
	g_autofree char *born = b.born = time_ago(&b, 30);
	b.n_cp = w->n_control_plane ? w->n_control_plane : 3;
	b.n_workers = w->n_workers ? w->n_workers : 3;
	b.n_apps = w->no_apps ? 0 : w->n_apps ? w->n_apps : 10;
	b.n_replicas = w->n_replicas ? w->n_replicas : 3;
	namespaces(&b);
	gates(&b);
	create(&b, SIM_INFRASTRUCTURES, NULL, "cluster-bootstrap",
		json_pack("{s:{s:s}, s:{s:s, s:s}}", "metadata", "name", "cluster", "status",
			"infrastructureName", w->name, "controlPlaneTopology", "HighlyAvailable"));
	operators(&b);
	cluster_version(&b);
	nodes(&b, "master", b.n_cp);
	nodes(&b, "worker", b.n_workers);
	create(&b, SIM_DAEMONSETS, "openshift-ovn-kubernetes", "cluster-network-operator",
		json_pack("{s:{s:s, s:s}, s:{s:{s:{s:s}}, s:{s:{s:{s:s}}, s:o}}}", "metadata",
			"name", "ovnkube-node", "uid", "ovnkube-node", "spec", "selector",
			"matchLabels", "app", "ovnkube-node", "template", "metadata", "labels",
			"app", "ovnkube-node", "spec", pod_spec(&b)));
	for (unsigned i = 0; i < b.n_apps; i++)
		app(&b, i);
}
