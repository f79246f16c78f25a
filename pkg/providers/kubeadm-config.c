/* What kubeadm keeps of a cluster in the cluster, and what it moves there besides the static pods.
 */
#include "objects/version.h"
#include "providers/clusterversion.h"
#include "providers/kubeadm-ready.h"
#include "providers/preflight.h"
#include <string.h>

#define KUBELET_CONFIG "/api/v1/namespaces/kube-system/configmaps/kubelet-config"
#define COREDNS "/apis/apps/v1/namespaces/kube-system/deployments/coredns"
#define KUBE_PROXY "/apis/apps/v1/namespaces/kube-system/daemonsets/kube-proxy"

/* The value of a member at the outermost level of a YAML text, without quotes; NULL: none. Caller
 * frees. */
static char *outer_member(const char *yaml, const char *name)
{
	g_auto(GStrv) lines = g_strsplit(yaml, "\n", -1);
	size_t n = strlen(name);
	for (char **l = lines; *l; l++) {
		if (strncmp(*l, name, n) != 0 || (*l)[n] != ':')
			continue;
		char *v = g_strstrip(*l + n + 1);
		size_t len = strlen(v);
		bool quoted = len >= 2 && (*v == '"' || *v == '\'') && v[len - 1] == *v;
		return quoted ? g_strndup(v + 1, len - 2) : g_strdup(v);
	}
	return NULL;
}

static const char *datum(const View *map, const char *name)
{
	const json_t *data = map && !map->missing ? json_object_get(map->json, "data") : NULL;
	return json_string_value(json_object_get(data, name));
}

static void judge_cluster_config(const View *map, const char *now, json_t *findings)
{
	const char *text = datum(map, "ClusterConfiguration");
	g_autofree char *version = text ? outer_member(text, "kubernetesVersion") : NULL;
	if (map->missing)
		finding_add(findings, "block", "kubeadm-config",
			"put it back: kubeadm init phase upload-config kubeadm --config FILE",
			"there is no ConfigMap kube-system/kubeadm-config, which kubeadm upgrade "
			"reads; "
			"a cluster that kubeadm did not make has none");
	else if (!text || !version)
		finding_add(findings, "block", "kubeadm-config",
			"put it back: kubeadm init phase upload-config kubeadm --config FILE",
			"ConfigMap kube-system/kubeadm-config has no ClusterConfiguration with a "
			"kubernetesVersion: kubeadm upgrade cannot read it");
	else if (!kubeadm_same(version, now))
		finding_add(findings, "warn", "kubeadm-config",
			"kubeadm upgrade writes it anew; see that no upgrade was left half done",
			"ConfigMap kube-system/kubeadm-config says %s, and the API server runs %s",
			version, now);
}

static bool check_maps(Item *it, const char *now, json_t *findings)
{
	const View *cluster, *kubelet;
	bool all = provider_settled(it, &fact_object, KUBEADM_CONFIG, false, &cluster, findings);
	all = provider_settled(it, &fact_object, KUBELET_CONFIG, false, &kubelet, findings) && all;
	if (!all)
		return false;
	if (cluster)
		judge_cluster_config(cluster, now, findings);
	if (kubelet && !datum(kubelet, "kubelet"))
		finding_add(findings, "block", "kubeadm-config",
			"put it back: kubeadm init phase upload-config kubelet --config FILE",
			"ConfigMap kube-system/kubelet-config %s, and kubeadm upgrade node reads "
			"it on every node",
			kubelet->missing ? "is missing" : "has no member kubelet");
	return true;
}

/* ---- components ---- */

static const char *tag_of(const char *image)
{
	const char *colon = strrchr(image, ':');
	const char *tag = colon && !strchr(colon, '/') ? colon + 1 : "";
	return *tag == 'v' ? tag + 1 : tag;
}

/* Two versions of one component: an upgrade was left half done. */
static void judge_mixed(const json_t *pods, const char *component, json_t *findings)
{
	const char *first = NULL, *node = "";
	size_t i;
	json_t *p;
	json_array_foreach (json_object_get(pods, "items"), i, p) {
		const json_t *labels = json_path(p, "metadata.labels");
		const char *is = tag_of(json_path_str(p, "spec.containers.0.image", ""));
		if (g_strcmp0(json_string_value(json_object_get(labels, "component")), component) !=
				0 ||
			!*is)
			continue;
		if (first && strcmp(first, is) != 0)
			finding_add(findings, "warn", "mixed",
				"an upgrade was left half done: the hop to the higher version "
				"finishes it",
				"%s runs %s on %s and %s on %s", component, first, node, is,
				json_path_str(p, "spec.nodeName", "?"));
		if (!first) {
			first = is;
			node = json_path_str(p, "spec.nodeName", "?");
		}
	}
}

static void judge_addon(
	const char *what, const View *v, const char *wanted, const char *ready, json_t *findings)
{
	json_int_t want = json_path_int(v->json, wanted, 0), is = json_path_int(v->json, ready, 0);
	if (want > 0 && is < want)
		finding_add(findings, "warn", "addon",
			"mend it first: its pods are moved by the upgrade too",
			"%s has %d of %d pods ready", what, (int)is, (int)want);
}

/* A cluster may have others instead: none is missed. */
static bool check_addons(Item *it, const char *now, json_t *findings)
{
	const View *dns, *proxy;
	bool all = provider_settled(it, &fact_object, COREDNS, true, &dns, findings);
	all = provider_settled(it, &fact_object, KUBE_PROXY, true, &proxy, findings) && all;
	if (!all)
		return false;
	if (dns && !dns->missing)
		judge_addon("Deployment kube-system/coredns", dns, "spec.replicas",
			"status.readyReplicas", findings);
	if (!proxy || proxy->missing)
		return true;
	judge_addon("DaemonSet kube-system/kube-proxy", proxy, "status.desiredNumberScheduled",
		"status.numberReady", findings);
	const char *is =
		tag_of(json_path_str(proxy->json, "spec.template.spec.containers.0.image", ""));
	if (*is && version_compare_text(is, now) > 0)
		finding_add(findings, "block", "skew",
			"bring its image back: a kube-proxy is never newer than an API server",
			"DaemonSet kube-system/kube-proxy runs %s, newer than the API server (%s)",
			is, now);
	return true;
}

bool kubeadm_check_config(Item *it, const json_t *pods, const char *now, json_t *findings)
{
	static const char *const components[] = { "kube-apiserver", "kube-controller-manager",
		"kube-scheduler", "etcd" };
	for (size_t i = 0; i < G_N_ELEMENTS(components); i++)
		judge_mixed(pods, components[i], findings);
	bool all = check_maps(it, now, findings);
	return check_addons(it, now, findings) && all;
}
