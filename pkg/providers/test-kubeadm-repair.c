/* What a crash can leave: each fault made, found, and mended by the text that the repair gives. */
#include "providers/kubeadm-node.h"
#include "providers/kubeadm-repair.h"
#include "providers/test-kubeadm-cluster.h"

/* Faults as "NAME WHAT REPAIR, ..."; caller frees. */
static char *faults_of(const json_t *node, const json_t *wanted)
{
	g_autoptr(json_t) faults = node_faults(node, wanted);
	GString *out = g_string_new("");
	size_t i;
	json_t *f;
	json_array_foreach (faults, i, f) {
		g_assert_cmpstr(json_path_str(f, "text", ""), !=, "");
		g_string_append_printf(out, "%s%s %s %s", i ? "; " : "",
			json_path_str(f, "fault", ""), json_path_str(f, "what", ""),
			json_path_str(f, "repair", ""));
	}
	return g_string_free(out, FALSE);
}

/* By hand, in the shape of node_discovered. N: three components of 1.36.3. */
#define PODS(api, kcm, sched)                                                                      \
	"'manifests':{'kube-apiserver':{'image':'r/kube-apiserver:v" api                           \
	"','startedAt':100},'kube-controller-manager':{'image':'r/k:v" kcm                         \
	"','startedAt':100},'kube-scheduler':{'image':'r/k:v" sched                                \
	"','startedAt':null},'etcd':{'image':'r/etcd:3.6.8-0','startedAt':100}}"
#define ALL PODS("1.36.3", "1.36.3", "1.36.3")
#define CP "'controlPlane':true,'stackedEtcd':true"

static const struct {
	const char *name, *node, *wanted, *want;
} cases[] = {
	{ "nothing", ALL, CP, "" },
	{ "a worker has no manifests", "'manifests':{}", "'controlPlane':false", "" },
	{ "one is missing",
		"'manifests':{'kube-apiserver':{'image':'a:v1.36.3'},'kube-scheduler':{'"
		"image':"
		"'a:v1.36.3'},'etcd':{}}",
		CP, "manifest-missing kube-controller-manager text" },
	{ "etcd is elsewhere",
		"'manifests':{'kube-apiserver':{},'kube-scheduler':{},'kube-controller-"
		"manager':{}}",
		"'controlPlane':true", "" },
	{ "all are missing", "'manifests':{}", CP,
		"manifest-missing etcd text; manifest-missing kube-apiserver text; "
		"manifest-missing kube-controller-manager text; manifest-missing "
		"kube-scheduler "
		"text" },
	{ "taken out by us",
		"'manifests':{'kube-controller-manager':{},'kube-scheduler':{},'etcd':{}},'"
		"parked':"
		"['kube-apiserver']",
		CP, "parked kube-apiserver text" },
	{ "taken out by us, as it is meant to be",
		"'manifests':{'kube-controller-manager':{},'kube-scheduler':{},'etcd':{}},'"
		"parked':"
		"['kube-apiserver']",
		CP ",'stopped':true", "" },
	{ "mixed", PODS("1.36.3", "1.36.3", "1.35.4"), CP ",'version':'v1.36.3'",
		"mixed-components kube-scheduler text" },
	{ "mixed on the way down", PODS("1.36.3", "1.36.3", "1.35.4"), CP ",'version':'1.35.4'",
		"mixed-components kube-apiserver,kube-controller-manager text" },
	{ "mixed, whatever is wanted", PODS("1.36.3", "1.35.4", "1.35.4"), CP,
		"mixed-components kube-controller-manager,kube-scheduler text" },
	{ "mixed, and meant to be", PODS("1.36.3", "1.35.4", "1.35.4"), CP ",'mixed':false", "" },
	{ "the helpers are back first", PODS("1.36.3", "1.35.4", "1.35.4"),
		CP ",'version':'1.35.4','helpersFirst':true", "" },
	{ "the API server is back, a helper is not", PODS("1.35.4", "1.35.4", "1.36.3"),
		CP ",'version':'1.35.4','helpersFirst':true",
		"mixed-components kube-scheduler text" },
	{ "not begun", ALL, CP ",'version':'1.37.0'", "" },
	{ "config of the other minor", "'kubeletConfigMinor':'1.36'",
		"'kubeletMinor':'1.35','backupMinor':'1.35'", "kubelet-config 1.36 text" },
	{ "config of the other minor, on the way up", "'kubeletConfigMinor':'1.35'",
		"'kubeletMinor':'1.36','backupMinor':'1.35'", "kubelet-config 1.35 rerun" },
	{ "config of nobody knows what", "'kubeletConfigMinor':null", "'kubeletMinor':'1.35'", "" },
	{ "config is not judged", "'kubeletConfigMinor':'1.36'", "'x':1", "" },
	{ "half installed",
		"'packages':{'method':'apt','kubelet':{'installed':'1','half':true},'"
		"kubeadm':{'half':"
		"false}}",
		"'x':1", "half-installed kubelet rerun" },
	{ "certificates newer",
		ALL ",'certificates':[{'file':'/etc/kubernetes/pki/apiserver.crt','mtime':101},"
		    "{'file':'/etc/kubernetes/pki/front-proxy-client.crt','mtime':102},"
		    "{'file':'/etc/kubernetes/controller-manager.conf','mtime':100},"
		    "{'file':'/etc/kubernetes/scheduler.conf','mtime':999},"
		    "{'file':'/etc/kubernetes/pki/etcd/peer.crt','mtime':101},"
		    "{'file':'/etc/kubernetes/pki/etcd/ca.crt','mtime':999}]",
		CP, "certificate-newer etcd text; certificate-newer kube-apiserver text" },
	{ "tmp full",
		"'disk':{'/etc/"
		"kubernetes':1000},'kubeadmTmp':[{'name':'a','bytes':1},{'name':'b',"
		"'bytes':2},{'name':'c','bytes':3}]",
		"'tmpOurs':['a','c','gone']", "tmp-full a,c text" },
	{ "full, and nothing is ours",
		"'disk':{'/etc/kubernetes':1000},'kubeadmTmp':[{'name':'a'}]", "'tmpOurs':[]", "" },
	{ "room enough", "'disk':{'/etc/kubernetes':2000},'kubeadmTmp':[{'name':'a'}]",
		"'tmpOurs':['a'],'minFreeBytes':2000", "" },
};

static void test_find(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s", cases[i].name);
		g_autofree char *a = g_strdup_printf("{%s}", cases[i].node);
		g_autofree char *b = g_strdup_printf("{%s}", cases[i].wanted);
		g_autoptr(json_t) node = json_loads(g_strdelimit(a, "'", '"'), 0, NULL);
		g_autoptr(json_t) wanted = json_loads(g_strdelimit(b, "'", '"'), 0, NULL);
		g_assert_nonnull(node);
		g_assert_nonnull(wanted);
		g_autofree char *found = faults_of(node, wanted);
		g_assert_cmpstr(found, ==, cases[i].want);
	}
}

static json_t *discover(const Root *r)
{
	g_autofree char *text = node_discover_text();
	g_auto(Said) s = root_run(r, text);
	json_t *node = node_discovered(s.out, NULL);
	g_assert_nonnull(node);
	return node;
}

/* Looks, mends every fault by its text, looks again: found is what there was, then nothing. */
static void mend(const Root *r, const char *wanted_text, const char *want)
{
	g_autofree char *text = g_strdup(wanted_text);
	g_autoptr(json_t) wanted = json_loads(g_strdelimit(text, "'", '"'), 0, NULL);
	g_autoptr(json_t) before = discover(r);
	g_autofree char *found = faults_of(before, wanted);
	g_assert_cmpstr(found, ==, want);
	g_autoptr(json_t) faults = node_faults(before, wanted);
	size_t i;
	json_t *f;
	json_array_foreach (faults, i, f)
		for (int twice = 0; twice < 2; twice++)
			root_expect(r,
				node_repair_text(json_path_str(f, "fault", ""),
					json_path_str(f, "what", ""), "k",
					json_object_get(wanted, "tmpOurs")),
				true, NULL);
	g_autoptr(json_t) after = discover(r);
	g_autofree char *left = faults_of(after, wanted);
	g_assert_cmpstr(left, ==, "");
	expect_no_litter(r, 4);
}

#define WANT_CP "{'controlPlane':true,'stackedEtcd':true,'version':'1.35.4'"

/* kubeadm was killed between its two renames. */
static void test_manifest(void)
{
	Root r;
	root_begin(&r);
	node_upgraded(&r);
	node_manifests(&r, "1.35.4", "");
	root_remove(&r, "etc/kubernetes/manifests/kube-controller-manager.yaml");
	mend(&r, WANT_CP "}", "manifest-missing kube-controller-manager text");
	expect_manifest(&r, "kube-controller-manager", "1.35.4", NULL);
	root_end(&r);
}

/* The same where no backup set of ours is: kubeadm's own last one serves. */
static void test_manifest_kubeadm(void)
{
	Root r;
	root_begin(&r);
	node_upgraded(&r);
	root_remove(&r, "var/lib/shiplock/backups");
	root_remove(&r, "etc/kubernetes/manifests/kube-scheduler.yaml");
	char *text = node_repair_text("manifest-missing", "kube-scheduler", "k", NULL);
	root_expect(&r, text, false, "neither the backup set k nor kubeadm's own has");
	root_write(&r,
		"etc/kubernetes/tmp/kubeadm-backup-manifests-2026-01-02-03/kube-scheduler.yaml",
		"kind: Pod\nold\n");
	root_write(&r,
		"etc/kubernetes/tmp/kubeadm-backup-manifests-2026-02-02-03/kube-scheduler.yaml",
		"kind: Pod\nnew\n");
	root_write(&r,
		"etc/kubernetes/tmp/kubeadm-backup-manifests-2026-03-02-03/kube-scheduler.yaml",
		"");
	text = node_repair_text("manifest-missing", "kube-scheduler", NULL, NULL);
	root_expect(&r, text, true, "put back from");
	expect_file(&r, "etc/kubernetes/manifests/kube-scheduler.yaml", "kind: Pod\nnew\n");
	root_end(&r);
}

static void node_without_one(Root *r)
{
	node_upgraded(r);
	root_remove(r, "etc/kubernetes/manifests/kube-scheduler.yaml");
}

static char *text_manifest(void)
{
	return node_repair_text("manifest-missing", "kube-scheduler", "k", NULL);
}

static void check_manifest(const Root *r, bool finished)
{
	bool there = root_has(r, "etc/kubernetes/manifests/kube-scheduler.yaml");
	g_assert_true(there || !finished);
	if (there)
		expect_manifest(r, "kube-scheduler", "1.35.4", NULL);
	expect_no_litter(r, there ? 4 : 3);
}

static void test_manifest_crash(void)
{
	crash_matrix(&(CrashCase){ node_without_one, text_manifest, check_manifest });
}

static void test_mixed(void)
{
	Root r;
	root_begin(&r);
	node_upgraded(&r);
	root_manifest(&r, "kube-scheduler", "1.35.4", "");
	mend(&r, WANT_CP "}", "mixed-components kube-apiserver,kube-controller-manager text");
	root_end(&r);
}

static void test_config(void)
{
	Root r;
	root_begin(&r);
	node_upgraded(&r);
	g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, "from: 1.36\n", -1);
	g_autofree char *stamps = root_read(&r, "var/lib/shiplock/kubelet-config");
	g_autofree char *line = g_strdup_printf("%s%s 1.36\n", stamps, sum);
	root_write(&r, "var/lib/shiplock/kubelet-config", line);
	mend(&r, "{'kubeletMinor':'1.35','backupMinor':'1.35'}", "kubelet-config 1.36 text");
	expect_file(&r, "var/lib/kubelet/config.yaml", "from: 1.35\n");
	root_end(&r);
}

/* The component is restarted in its place; its manifest stays as it is. */
static void test_certificate(void)
{
	Root r;
	root_begin(&r);
	node_upgraded(&r);
	root_write(&r, "stops", "kube-apiserver");
	g_autofree char *before = manifest_of(&r, "kube-apiserver");
	root_expect(&r, node_repair_text("certificate-newer", "kube-apiserver", NULL, NULL), true,
		"runs with its new certificate");
	expect_file(&r, "restarts-kube-apiserver", "x\n");
	g_autofree char *after = manifest_of(&r, "kube-apiserver");
	g_assert_cmpstr(after, ==, before);
	root_remove(&r, "etc/kubernetes/manifests/kube-scheduler.yaml");
	root_expect(&r, node_repair_text("certificate-newer", "kube-scheduler", NULL, NULL), true,
		"kube-scheduler does not run");
	root_end(&r);
}

static void test_tmp(void)
{
	Root r;
	root_begin(&r);
	node_upgraded(&r);
	root_write(&r, "etc/kubernetes/tmp/kubeadm-backup-etcd-2/big", "ours");
	mend(&r, "{'tmpOurs':['kubeadm-backup-etcd-2'],'minFreeBytes':1000000000000000}",
		"tmp-full kubeadm-backup-etcd-2 text");
	g_assert_false(root_has(&r, "etc/kubernetes/tmp/kubeadm-backup-etcd-2"));
	g_assert_true(root_has(&r, "etc/kubernetes/tmp/kubeadm-backup-etcd-1/big"));
	/* What is not ours, and names that lead elsewhere, stay. */
	g_autoptr(json_t) ours = json_pack("[s, s, s]", "kubeadm-x/../..", "..", "mine");
	root_expect(
		&r, node_repair_text("tmp-full", "kubeadm-backup-etcd-1", NULL, ours), true, NULL);
	g_assert_true(root_has(&r, "etc/kubernetes/tmp/kubeadm-backup-etcd-1/big"));
	root_expect(&r, node_repair_text("tmp-full", "kubeadm-x/../..", NULL, ours), false,
		"is no name");
	root_expect(&r, node_repair_text("tmp-full", "..", NULL, ours), false, "is no name");
	root_expect(
		&r, node_repair_text("tmp-full", "mine", NULL, ours), false, "is not of kubeadm");
	root_end(&r);
}

static void test_package(void)
{
	Root r;
	root_begin(&r);
	root_program(&r, "dpkg", "echo \"$*\" >>\"$ROOT/log\"");
	root_program(&r, "dpkg-query", "cat \"$ROOT/state\"");
	root_write(&r, "state", "ok installed");
	root_expect(
		&r, node_repair_text("half-installed", "kubelet", NULL, NULL), true, "is whole");
	g_autofree char *log = root_read(&r, "log");
	g_assert_nonnull(strstr(log, "--configure -a"));
	root_write(&r, "state", "reinstreq half-installed");
	root_expect(&r, node_repair_text("half-installed", "kubelet", NULL, NULL), false,
		"must be installed anew");
	root_end(&r);
}

static void test_parked(void)
{
	Root r;
	root_begin(&r);
	node_upgraded(&r);
	node_manifests(&r, "1.35.4", "");
	root_expect(&r, apiserver_stop_text(), true, NULL);
	mend(&r, WANT_CP "}", "parked kube-apiserver text");
	expect_manifest(&r, "kube-apiserver", "1.35.4", NULL);
	root_end(&r);
}

static void test_names(void)
{
	for (int f = 0; f < _NODE_FAULT_MAX; f++) {
		g_autofree char *text = node_repair_text(
			node_fault_name((NodeFault)f), "kube-apiserver", "k", NULL);
		g_assert_nonnull(text);
	}
	g_assert_null(node_repair_text("other", "", NULL, NULL));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	alarm(300);
	g_test_add_func("/repair/find", test_find);
	g_test_add_func("/repair/names", test_names);
	g_test_add_func("/repair/manifest", test_manifest);
	g_test_add_func("/repair/manifest-kubeadm", test_manifest_kubeadm);
	g_test_add_func("/repair/manifest-crash", test_manifest_crash);
	g_test_add_func("/repair/mixed", test_mixed);
	g_test_add_func("/repair/config", test_config);
	g_test_add_func("/repair/certificate", test_certificate);
	g_test_add_func("/repair/tmp", test_tmp);
	g_test_add_func("/repair/package", test_package);
	g_test_add_func("/repair/parked", test_parked);
	return g_test_run();
}
