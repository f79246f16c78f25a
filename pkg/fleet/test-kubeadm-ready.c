/* What is found beforehand on a cluster of plain Kubernetes: each prepared fault is named, a
 * healthy cluster has none, and a context that nobody described is recognised. */
#include "fleet/test-kubeadm-extra.h"
#include "fleet/test-kubeadm-judge.h"

static bool looked(void *ud)
{
	Rig *r = ud;
	return r->run && fleet_exit_code(r->fleet, r->run, false) != -1;
}

static json_t *look(FakeNodes *f, const char *yaml)
{
	Rig *r = f->r;
	rig_start(r);
	FleetSubmit s = { .set = story_documents(yaml), .who = "tester", .inspect = true };
	fleet_submit(r->fleet, &s, story_reply, r);
	int64_t until = loop_boot_usec(loop_sim_loop(r->loop)) + 120 * RIG_SEC;
	g_assert_true(loop_sim_run(r->loop, looked, r, until));
	json_t *report = fleet_inspect_report(r->fleet, r->run);
	g_autofree char *text = json_canonical(report);
	g_test_message("%s", text);
	return report;
}

static const json_t *finding_of(const json_t *report, const char *text)
{
	size_t i;
	json_t *f;
	json_array_foreach (json_path(report, "clusters.0.findings"), i, f)
		if (strstr(json_path_str(f, "message", ""), text))
			return f;
	return NULL;
}

static size_t n_findings(const json_t *report)
{
	return json_array_size(json_path(report, "clusters.0.findings"));
}

/* ---- prepared faults ---- */

static const struct {
	const char *name;
	Extra extras[EXTRAS_MAX];
	const char *level, *code, *text; /* level NULL: nothing is found */
	const char *version; /* of the cluster; NULL: 1.35.4 */
} cases[] = {
	{ .name = "healthy" },
	{ "removed API in use",
		{ { "/metrics", REQUESTED("storage.k8s.io", "v1beta1", "volumeattributesclasses",
					"1.36") } },
		"block", "removed-api",
		"storage.k8s.io/v1beta1 volumeattributesclasses goes away in Kubernetes 1.36" },
	{ "removed long ago, asked for still",
		{ { "/metrics", REQUESTED("batch", "v1beta1", "cronjobs", "1.25") } }, "block",
		"removed-api", "batch/v1beta1 cronjobs goes away in Kubernetes 1.25" },
	{ "API that goes later",
		{ { "/metrics",
			REQUESTED("networking.k8s.io", "v1beta1", "ipaddresses", "1.37") } },
		"warn", "removed-api", "goes away in Kubernetes 1.37" },
	{ .name = "deprecated, but no release takes it away",
		.extras = { { "/metrics", REQUESTED("", "v1", "endpoints", "") } } },
	{ .name = "no metrics", .extras = { { "/metrics", NULL } } },
	{ "objects of a kind that goes away",
		{ { "/apis", GROUP("policy", "v1beta1", "podsecuritypolicies") },
			{ "/apis/policy/v1beta1/podsecuritypolicies", COUNT("{}", "2") } },
		"block", "removed-api",
		"3 podsecuritypolicies.policy are stored, and Kubernetes 1.25 serves no version",
		"v1.24.3" },
	{ "objects whose version goes away",
		{ { "/apis", GROUP("networking.k8s.io", "v1beta1", "servicecidrs") },
			{ "/apis/networking.k8s.io/v1beta1/servicecidrs", COUNT("{}", "0") } },
		"warn", "removed-api",
		"networking.k8s.io/v1beta1 servicecidrs goes away in Kubernetes 1.37; its 1 "
		"objects are then read as networking.k8s.io/v1",
		"v1.36.3" },
	{ .name = "the same, two minor versions before",
		.extras = { { "/apis", GROUP("networking.k8s.io", "v1beta1", "servicecidrs") },
			{ "/apis/networking.k8s.io/v1beta1/servicecidrs", COUNT("{}", "0") } } },
	{ "webhook on pods is away, and refuses",
		{ { ADMISSION "validatingwebhookconfigurations",
			  HOOK(RULES("", "pods", "CREATE")) },
			{ SLICES, NOT_READY } },
		"block", "webhook",
		"webhook g.example.io of ValidatingWebhookConfiguration guard does not answer" },
	{ "mutating, everything, no endpoints at all",
		{ { ADMISSION "mutatingwebhookconfigurations", HOOK(RULES("*", "*/*", "*")) },
			{ SLICES, "{\"items\":[]}" } },
		"block", "webhook", "of MutatingWebhookConfiguration guard does not answer" },
	{ "node status",
		{ { ADMISSION "validatingwebhookconfigurations",
			  HOOK(RULES("", "nodes/*", "UPDATE")) },
			{ SLICES, NOT_READY } },
		"block", "webhook", "an upgrade writes nodes/status" },
	{ "evictions anywhere",
		{ { ADMISSION "validatingwebhookconfigurations",
			  HOOK(RULES("", "pods/eviction", "CREATE") NAME_IN("In", "apps")) },
			{ SLICES, NOT_READY } },
		"block", "webhook", "an upgrade writes pods/eviction" },
	{ "not for kube-system",
		{ { ADMISSION "validatingwebhookconfigurations",
			  HOOK(RULES("", "pods", "CREATE") NAME_IN("NotIn", "kube-system")) },
			{ SLICES, NOT_READY } },
		"warn", "webhook", "does not answer" },
	{ "lets through unseen",
		{ { ADMISSION "validatingwebhookconfigurations",
			  HOOK(RULES("", "pods", "CREATE") ",\"failurePolicy\":\"Ignore\"") },
			{ SLICES, NOT_READY } },
		"warn", "webhook", "what it is asked about is let through unseen" },
	{ "narrowed by what nobody can tell",
		{ { ADMISSION "validatingwebhookconfigurations",
			  HOOK(RULES("", "pods",
				  "CREATE") ",\"matchConditions\":[{\"name\":\"x\"}]") },
			{ SLICES, NOT_READY } },
		"warn", "webhook", "does not answer" },
	{ .name = "webhook that answers",
		.extras = { { ADMISSION "validatingwebhookconfigurations",
				    HOOK(RULES("", "pods", "CREATE")) },
			{ SLICES, READY } } },
	{ "conversion webhook is away", { { KUBEADM_CRDS_PATH, CRD("") }, { SLICES, NOT_READY } },
		"warn", "webhook", "the conversion webhook of widgets.example.io does not answer" },
	{ "APIService is away",
		{ { "/apis/apiregistration.k8s.io/v1/apiservices",
			LIST("{\"metadata\":{\"name\":\"v1.metrics\"},\"status\":{\"conditions\":[{"
			     "\"type\":\"Available\",\"status\":\"False\",\"message\":\"gone\"}]}"
			     "}") } },
		"warn", "api-service", "APIService v1.metrics is not available: gone" },
	{ "kubeadm-config without a version",
		{ { CONFIG "kubeadm-config",
			"{\"data\":{\"ClusterConfiguration\":\"a: b\\n\"}}" } },
		"block", "kubeadm-config", "has no ClusterConfiguration with a kubernetesVersion" },
	{ "kubeadm-config of another version",
		{ { CONFIG "kubeadm-config", "{\"data\":{\"ClusterConfiguration\":"
					     "\"kubernetesVersion: \\\"v1.34.9\\\"\\n"
					     "\"}}" } },
		"warn", "kubeadm-config", "says v1.34.9, and the API server runs 1.35.4" },
	{ "kubelet-config without its text", { { CONFIG "kubelet-config", "{\"data\":{}}" } },
		"block", "kubeadm-config", "kubelet-config has no member kubelet" },
	{ "coredns is not whole",
		{ { "/apis/apps/v1/namespaces/kube-system/deployments/coredns",
			"{\"spec\":{\"replicas\":2},\"status\":{\"readyReplicas\":1}}" } },
		"warn", "addon", "Deployment kube-system/coredns has 1 of 2 pods ready" },
	{ "kube-proxy is ahead",
		{ { "/apis/apps/v1/namespaces/kube-system/daemonsets/kube-proxy",
			"{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"image\":"
			"\"r.io/kube-proxy:v1.36.3\"}]}}}}" } },
		"block", "skew", "kube-proxy runs 1.36.3, newer than the API server (1.35.4)" },
};

static void test_each_fault(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s", cases[i].name);
		g_autoptr(FakeNodes) f = nodes_new(1, 1);
		Extras e = { cases[i].extras, EXTRAS_MAX };
		if (cases[i].version)
			sim_api_set_version(sim_cluster_api(f->c), cases[i].version);
		sim_api_set_extra(sim_cluster_api(f->c), extra, &e);
		g_autoptr(json_t) report = look(f, CLUSTER_K(""));
		const json_t *found = cases[i].text ? finding_of(report, cases[i].text) : NULL;
		if (!cases[i].level) {
			g_assert_cmpuint(n_findings(report), ==, 0);
			continue;
		}
		g_assert_nonnull(found);
		g_assert_cmpstr(json_path_str(found, "level", ""), ==, cases[i].level);
		g_assert_cmpstr(json_path_str(found, "code", ""), ==, cases[i].code);
		g_assert_true(*json_path_str(found, "try", "") != '\0');
	}
}

static const struct {
	const char *name, *alarm;
	bool off;
	const char *text;
} etcds[] = {
	{ "an alarm", "memberID:1 alarm:NOSPACE", false, "etcd has an alarm (memberID:1" },
	{ "nobody answers", NULL, true, "etcd cannot be asked on k-master-0" },
};

static void test_etcd(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(etcds); i++) {
		g_test_message("%s", etcds[i].name);
		g_autoptr(FakeNodes) f = nodes_new(1, 1);
		f->alarm = etcds[i].alarm;
		f->nodes[0].etcd_off = etcds[i].off;
		g_autoptr(json_t) report = look(f, CLUSTER_K(""));
		const json_t *found = finding_of(report, etcds[i].text);
		g_assert_cmpstr(json_path_str(found, "level", ""), ==, "block");
		g_assert_cmpuint(n_findings(report), ==, 1);
	}
}

/* ---- who it is ---- */

/* As inspect makes it for a context: no nodeAccess, and taken for OpenShift. */
#define CONTEXT_K                                                                                  \
	HEAD("Cluster", "k")                                                                       \
	"spec:\n  provider: openshift\n  access: {kubeconfig: {file: /nowhere}}\n"
#define NO_OPENSHIFT                                                                               \
	{                                                                                          \
		"/apis/config.openshift.io/v1/clusterversions/version", NULL                       \
	}

static const struct {
	const char *name;
	Extra extras[EXTRAS_MAX];
	const char *version, *provider, *shown, *text; /* text: of the one finding; NULL: none */
} strangers[] = {
	{ "OpenShift", { { 0 } }, "v1.34.8", "openshift", "4.21.8", NULL },
	{ "kubeadm", { NO_OPENSHIFT }, "v1.36.3", "kubeadm", "1.36.3", NULL },
	{ "k3s", { NO_OPENSHIFT }, "v1.35.4+k3s1", "kubernetes", "",
		"this cluster (v1.35.4+k3s1) was set up by k3s, not by kubeadm" },
	{ "no kubeadm-config", { NO_OPENSHIFT, { CONFIG "kubeadm-config", missing } }, "v1.36.3",
		"kubernetes", "", "was set up by another installer, not by kubeadm" },
};

static void test_strangers(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(strangers); i++) {
		g_test_message("%s", strangers[i].name);
		g_autoptr(FakeNodes) f = nodes_new(1, 1);
		Extras e = { strangers[i].extras, EXTRAS_MAX };
		sim_api_set_version(sim_cluster_api(f->c), strangers[i].version);
		show_kubeadm_config(f->c, strangers[i].version);
		sim_api_set_extra(sim_cluster_api(f->c), extra, &e);
		g_autoptr(json_t) report = look(f, CONTEXT_K);
		const json_t *c = json_path(report, "clusters.0");
		g_assert_cmpstr(json_path_str(c, "provider", ""), ==, strangers[i].provider);
		g_assert_cmpstr(json_path_str(c, "version", ""), ==, strangers[i].shown);
		g_assert_cmpuint(n_findings(report), ==, strangers[i].text ? 1 : 0);
		g_assert_true(!strangers[i].text || finding_of(report, strangers[i].text));
	}
}

/* ---- a run ---- */

/* What blocks, refuses the run before anything is written. */
static void test_refused(void)
{
	static const Extra extras[] = { { "/metrics",
		REQUESTED("storage.k8s.io", "v1beta1", "volumeattributesclasses", "1.36") } };
	g_autoptr(FakeNodes) f = nodes_new(1, 1);
	Extras e = { extras, G_N_ELEMENTS(extras) };
	sim_api_set_extra(sim_cluster_api(f->c), extra, &e);
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	g_assert_cmpint(story_rest(f->r), ==, 5);
	g_assert_cmpstr(f->log->str, ==, "");
	g_assert_null(claim_map(f));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/kubeadm-ready/each-fault", test_each_fault);
	g_test_add_func("/kubeadm-ready/etcd", test_etcd);
	g_test_add_func("/kubeadm-ready/strangers", test_strangers);
	g_test_add_func("/kubeadm-ready/refused", test_refused);
	return g_test_run();
}
