/* Manifests of static pods and etcd's data: changed by rename, whole at every instant. */
#include "providers/kubeadm-addons.h"
#include "providers/kubeadm-commands.h"
#include "providers/test-kubeadm-cluster.h"

static void test_swap(void)
{
	Root r;
	root_begin(&r);
	node_upgraded(&r);
	root_expect(&r, manifest_swap_text("kube-scheduler", "k"), true, "put back");
	expect_manifest(&r, "kube-scheduler", "1.35.4", NULL);
	expect_manifest(&r, "kube-controller-manager", "1.36.3", NULL);
	root_expect(
		&r, manifest_swap_text("kube-scheduler", "k"), true, "is that of the backup set");
	expect_no_litter(&r, 4);
	root_end(&r);
}

static void test_swap_refused(void)
{
	Root r;
	root_begin(&r);
	node_upgraded(&r);
	root_expect(&r, manifest_swap_text("kube-scheduler", "other"), false,
		"no backup set other on this node");
	root_expect(
		&r, manifest_swap_text("kube-proxy", "k"), false, "has no manifest of kube-proxy");
	/* One byte of the saved manifest is another. */
	root_expect(&r,
		g_strdup("sed -i s/1.35.4/1.35.5/ \"$ROOT/var/lib/shiplock/backups/k/set.tar\""),
		true, NULL);
	root_expect(&r, manifest_swap_text("kube-scheduler", "k"), false, "is damaged");
	expect_manifest(&r, "kube-scheduler", "1.36.3", NULL);
	root_end(&r);
}

static void test_restore(void)
{
	Root r;
	root_begin(&r);
	node_upgraded(&r);
	root_manifest(&r, "etcd", "3.6.9-0", "");
	root_expect(&r, manifests_restore_text("k"), true,
		"etcd.yaml stays: it is range.local/etcd:v3.6.9-0");
	for (size_t i = 0; i < 3; i++)
		expect_manifest(&r, node_components[i], "1.35.4", NULL);
	expect_manifest(&r, "etcd", "3.6.9-0", NULL);
	root_remove(&r, "etc/kubernetes/manifests/etcd.yaml");
	root_expect(&r, manifests_restore_text("k"), true, "put back");
	expect_manifest(&r, "etcd", "3.6.8-0", NULL);
	root_end(&r);
}

static char *text_restore(void)
{
	return manifests_restore_text("k");
}

static void check_restore(const Root *r, bool finished)
{
	for (size_t i = 0; i < 3; i++)
		expect_manifest(r, node_components[i], "1.35.4", finished ? NULL : "1.36.3");
	expect_manifest(r, "etcd", "3.6.8-0", NULL);
	expect_no_litter(r, 4);
}

static void test_restore_crash(void)
{
	crash_matrix(&(CrashCase){ node_upgraded, text_restore, check_restore });
}

/* A manifest with the flag is, without it, what it was before. */
static void test_emulated(void)
{
	Root r;
	root_begin(&r);
	node_upgraded(&r);
	g_autofree char *before = manifest_of(&r, "kube-apiserver");
	root_expect(&r, emulated_version_text("1.35"), true,
		"kube-scheduler: emulated version 1.35\nkube-controller-manager: emulated version "
		"1.35\nkube-apiserver: emulated version 1.35\n");
	for (size_t i = 0; i < 3; i++) {
		g_autofree char *text = manifest_of(&r, node_components[i]);
		g_autofree char *want = g_strdup_printf(
			"  - command:\n    - %s\n    - --emulated-version=1.35\n    - --first=1\n",
			node_components[i]);
		g_assert_nonnull(strstr(text, want));
		expect_manifest(&r, node_components[i], "1.36.3", NULL);
	}
	root_expect(&r, emulated_version_text("1.35"), true, "emulated version 1.35 already");
	root_expect(&r, emulated_version_text("1.36"), true, NULL);
	g_autofree char *other = manifest_of(&r, "kube-apiserver");
	g_assert_nonnull(strstr(other, "- --emulated-version=1.36\n"));
	g_assert_null(strstr(other, "=1.35"));
	root_expect(&r, emulated_version_text(NULL), true,
		"kube-apiserver: emulated version none\nkube-controller-manager: emulated version "
		"none\n"
		"kube-scheduler: emulated version none\n");
	g_autofree char *after = manifest_of(&r, "kube-apiserver");
	g_assert_cmpstr(after, ==, before);
	expect_no_litter(&r, 4);
	root_end(&r);
}

static void test_emulated_refused(void)
{
	Root r;
	root_begin(&r);
	node_upgraded(&r);
	root_write(&r, "etc/kubernetes/manifests/kube-scheduler.yaml",
		"kind: Pod\n  - command: [x]\n");
	root_expect(&r, emulated_version_text("1.35"), false, "has no line '- kube-scheduler'");
	expect_file(&r, "etc/kubernetes/manifests/kube-scheduler.yaml",
		"kind: Pod\n  - command: [x]\n");
	root_remove(&r, "etc/kubernetes/manifests/kube-scheduler.yaml");
	root_expect(&r, emulated_version_text("1.35"), false, "kube-scheduler.yaml is missing");
	root_end(&r);
}

/* The next one is not touched before the container of the one before has been replaced. */
static void test_emulated_waits(void)
{
	Root r;
	root_begin(&r);
	node_upgraded(&r);
	root_program(&r, "crictl", "[ $1 = ps ] && echo same");
	root_expect(
		&r, emulated_version_text("1.35"), false, "kube-scheduler has not come up again");
	g_autofree char *next = manifest_of(&r, "kube-controller-manager");
	g_assert_null(strstr(next, "emulated"));
	root_end(&r);
}

static char *text_emulated(void)
{
	return emulated_version_text("1.35");
}

static void check_emulated(const Root *r, bool finished)
{
	for (size_t i = 0; i < 3; i++) {
		expect_manifest(r, node_components[i], "1.36.3", NULL);
		g_autofree char *text = manifest_of(r, node_components[i]);
		g_assert_true(!finished || strstr(text, "- --emulated-version=1.35\n"));
	}
	expect_no_litter(r, 4);
}

static void test_emulated_crash(void)
{
	crash_matrix(&(CrashCase){ node_upgraded, text_emulated, check_emulated });
}

static void test_stop_start(void)
{
	Root r;
	root_begin(&r);
	node_upgraded(&r);
	for (int i = 0; i < 2; i++) {
		root_expect(&r, apiserver_stop_text(), true, "is stopped");
		g_assert_false(root_has(&r, "etc/kubernetes/manifests/kube-apiserver.yaml"));
		expect_no_litter(&r, 3);
	}
	for (int i = 0; i < 2; i++) {
		root_expect(&r, apiserver_start_text(), true, "runs");
		expect_manifest(&r, "kube-apiserver", "1.36.3", NULL);
	}
	/* What came meanwhile stays. */
	root_expect(&r, apiserver_stop_text(), true, NULL);
	root_expect(&r, manifests_restore_text("k"), true, NULL);
	root_expect(&r, apiserver_start_text(), true, NULL);
	expect_manifest(&r, "kube-apiserver", "1.35.4", NULL);
	g_assert_false(root_has(&r, "etc/kubernetes/.shiplock-parked-kube-apiserver.yaml"));
	root_remove(&r, "etc/kubernetes/manifests/kube-apiserver.yaml");
	root_expect(&r, apiserver_start_text(), false, "no manifest of the API server");
	root_expect(&r, apiserver_stop_text(), true, NULL); /* lost: stopped all the same */
	root_end(&r);
}

/* The API server's manifest is in one of its two places at every instant, whole. */
static void check_one_place(const Root *r, bool finished)
{
	g_autofree char *in = root_read(r, "etc/kubernetes/manifests/kube-apiserver.yaml");
	g_autofree char *out = root_read(r, "etc/kubernetes/.shiplock-parked-kube-apiserver.yaml");
	const char *text = in ? in : out;
	g_assert_true(!in != !out);
	g_assert_true(g_str_has_suffix(text, "hostNetwork: true\n"));
	expect_no_litter(r, in ? 4 : 3);
}

static void check_stopped(const Root *r, bool finished)
{
	check_one_place(r, finished);
	g_assert_true(
		!finished || root_has(r, "etc/kubernetes/.shiplock-parked-kube-apiserver.yaml"));
}

static void check_started(const Root *r, bool finished)
{
	check_one_place(r, finished);
	g_assert_true(!finished || root_has(r, "etc/kubernetes/manifests/kube-apiserver.yaml"));
}

static void node_stopped(Root *r)
{
	node_upgraded(r);
	root_expect(r, apiserver_stop_text(), true, NULL);
}

static void test_stop_crash(void)
{
	crash_matrix(&(CrashCase){ node_upgraded, apiserver_stop_text, check_stopped });
	crash_matrix(&(CrashCase){ node_stopped, apiserver_start_text, check_started });
}

/* That it is gone must be seen. */
static void test_stop_blind(void)
{
	Root r;
	root_begin(&r);
	node_upgraded(&r);
	root_program(&r, "crictl", "exit 1");
	root_expect(&r, apiserver_stop_text(), false, "neither crictl nor ctr says");
	root_program(&r, "crictl", "echo still");
	root_expect(&r, apiserver_stop_text(), false, "still runs after 180 looks");
	root_end(&r);
}

static char *text_etcd_restore(void)
{
	g_autoptr(json_t) member = json_pack("{s:s, s:s, s:s, s:s}", "name", "cp0", "peerUrl",
		"https://10.0.0.1:2380", "initialCluster",
		"cp0=https://10.0.0.1:2380,cp1=https://10.0.0.2:2380", "token", "run-7");
	return etcd_restore_text("k", member);
}

/* At every instant the live data or its copy is there, and what etcd would start with is whole. */
static void check_etcd_restore(const Root *r, bool finished)
{
	g_autofree char *now = root_read(r, "var/lib/etcd/member/db");
	g_autofree char *old = root_read(r, "var/lib/etcd/shiplock-old-k/member/db");
	bool runs = root_has(r, "etc/kubernetes/manifests/etcd.yaml");
	g_assert_true(g_strcmp0(now, "live") == 0 || g_strcmp0(old, "live") == 0);
	g_assert_true(!runs || now);
	if (!finished)
		return;
	g_assert_cmpstr(now, ==, "restored\n");
	g_assert_cmpstr(old, ==, "live");
	g_assert_true(runs);
	g_assert_false(root_has(r, "var/lib/etcd/shiplock-new-k"));
	g_assert_false(root_has(r, "etc/kubernetes/.shiplock-parked-etcd.yaml"));
	expect_no_litter(r, 3);
}

static void test_etcd_restore(void)
{
	Root r;
	root_begin(&r);
	node_upgraded(&r);
	root_expect(&r, text_etcd_restore(), false, "is not stopped: stop all of them first");
	root_expect(&r, apiserver_stop_text(), true, NULL);
	for (int i = 0; i < 2; i++) {
		root_expect(
			&r, text_etcd_restore(), true, "etcd's data is that of the backup set k");
		check_etcd_restore(&r, true);
	}
	g_autofree char *log = root_read(&r, "log");
	g_assert_nonnull(strstr(log,
		" --name cp0 --initial-cluster "
		"cp0=https://10.0.0.1:2380,cp1=https://10.0.0.2:2380 --initial-cluster-token run-7 "
		"--initial-advertise-peer-urls https://10.0.0.1:2380 --bump-revision 1000000000 "
		"--mark-compacted\n"));
	root_end(&r);
}

/* etcdutl only in etcd's own container: it works on the data folder, that the node has too. */
static void test_etcd_restore_inside(void)
{
	Root r;
	root_begin(&r);
	node_stopped(&r);
	node_hide_etcd(&r);
	root_expect(&r, text_etcd_restore(), true, NULL);
	check_etcd_restore(&r, true);
	g_autofree char *log = root_read(&r, "log");
	g_assert_nonnull(strstr(log, "snapshot restore /var/lib/etcd/shiplock-new-k/snapshot.db"));
	root_end(&r);
}

static void test_etcd_restore_refused(void)
{
	Root r;
	root_begin(&r);
	node_stopped(&r);
	root_program(&r, "etcdutl", "echo 'Error: bad' >&2; exit 1");
	root_expect(&r, text_etcd_restore(), false, "etcdutl snapshot restore failed");
	expect_file(&r, "var/lib/etcd/member/db", "live");
	g_assert_true(root_has(&r, "etc/kubernetes/manifests/etcd.yaml"));
	root_remove(&r, "var/lib/shiplock/backups/k");
	root_expect(&r, text_etcd_restore(), false, "no backup set k");
	root_end(&r);
}

static void test_etcd_restore_crash(void)
{
	crash_matrix(&(CrashCase){ node_stopped, text_etcd_restore, check_etcd_restore });
}

static void test_etcd_look(void)
{
	Root r;
	root_begin(&r);
	node_prepare(&r);
	root_write(&r, "status",
		"\"ClusterID\" : 14841639068965178418\n\"MemberID\" : 10276657743932975437\n"
		"\"Revision\" : 77\n\"Version\" : \"3.6.8\"\n\"StorageVersion\" : \"3.6.0\"\n"
		"\"DBSize\" : 20480\n\"Leader\" : 10276657743932975437\n\"RaftIndex\" : 5\n"
		"\"Errors\" : []\n\"Endpoint\" : \"https://10.0.0.1:2379\"\n\n"
		"\"ClusterID\" : 14841639068965178418\n\"MemberID\" : 9\n\"Version\" : \"3.6.8\"\n"
		"\"Leader\" : 10276657743932975437\n\"Endpoint\" : \"https://10.0.0.2:2379\"\n");
	root_write(&r, "health",
		"https://10.0.0.1:2379 is healthy: successfully committed proposal: took = 1ms\n"
		"https://10.0.0.2:2379 is healthy: took = 1ms\n"
		"https://10.0.0.3:2379 is unhealthy: failed to commit proposal: context deadline "
		"exceeded\n"
		"Error: unhealthy cluster\n");
	root_write(&r, "alarms", "memberID:10276657743932975437 alarm:NOSPACE\n");
	g_autofree char *text = etcd_look_text();
	g_auto(Said) s = root_run(&r, text);
	g_assert_cmpint(s.code, ==, 0);
	g_autoptr(json_t) look = etcd_looked(s.out, NULL);
	g_autoptr(json_t) want = json_loads(
		"[{\"endpoint\":\"https://10.0.0.1:2379\",\"healthy\":true,\"version\":\"3.6.8\","
		"\"storageVersion\":\"3.6.0\",\"dbBytes\":20480,\"revision\":77,\"raftIndex\":5,"
		"\"leader\":true},"
		"{\"endpoint\":\"https://"
		"10.0.0.2:2379\",\"healthy\":true,\"version\":\"3.6.8\",\"leader\":false},"
		"{\"endpoint\":\"https://10.0.0.3:2379\",\"healthy\":false,\"leader\":false,"
		"\"errors\":\"is unhealthy: failed to commit proposal: context deadline "
		"exceeded\"}]",
		0, NULL);
	g_assert_true(json_equal(json_object_get(look, "endpoints"), want));
	g_assert_cmpint(json_array_size(json_object_get(look, "members")), ==, 2);
	g_assert_cmpint(json_array_size(json_object_get(look, "alarms")), ==, 1);
	g_autoptr(GError) err = NULL;
	g_assert_null(etcd_looked("shiplock-etcd 1\nend\n", &err));
	g_assert_error(err, SL_ERROR, SL_ERR_INVALID);
	root_remove(&r, "etc/kubernetes/manifests");
	root_expect(&r, etcd_look_text(), false, "there is no etcd here");
	root_end(&r);
}

/* The addons out of the set, or that there are none. */
static void test_objects(void)
{
	g_autoptr(GError) err = NULL;
	g_autoptr(json_t) none = kubeadm_objects_parsed("shiplock-objects 0\n", &err);
	g_assert_no_error(err);
	g_assert_cmpuint(json_object_size(none), ==, 0);
	g_autoptr(json_t) some = kubeadm_objects_parsed(
		"shiplock-objects 1\n{\"items\": [{\"kind\": \"ConfigMap\", \"metadata\": "
		"{\"name\": "
		"\"coredns\"}, \"data\": {\"Corefile\": \"x\"}}, {\"kind\": \"Secret\"}]}\n",
		&err);
	g_assert_no_error(err);
	g_assert_cmpuint(json_object_size(some), ==, 1);
	g_assert_null(kubeadm_objects_parsed("nothing of the kind", &err));
	g_assert_error(err, SL_ERROR, SL_ERR_INVALID);
	Root r;
	root_begin(&r);
	node_upgraded(&r);
	root_expect(&r, kubeadm_objects_text("k"), true, "shiplock-objects 1\n{}");
	root_expect(&r, kubeadm_objects_text("other"), false, "no backup set other");
	root_end(&r);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	alarm(300);
	g_test_add_func("/manifests/swap", test_swap);
	g_test_add_func("/manifests/swap-refused", test_swap_refused);
	g_test_add_func("/manifests/restore", test_restore);
	g_test_add_func("/manifests/restore-crash", test_restore_crash);
	g_test_add_func("/manifests/emulated", test_emulated);
	g_test_add_func("/manifests/emulated-refused", test_emulated_refused);
	g_test_add_func("/manifests/emulated-waits", test_emulated_waits);
	g_test_add_func("/manifests/emulated-crash", test_emulated_crash);
	g_test_add_func("/manifests/stop-start", test_stop_start);
	g_test_add_func("/manifests/stop-crash", test_stop_crash);
	g_test_add_func("/manifests/stop-blind", test_stop_blind);
	g_test_add_func("/manifests/etcd-restore", test_etcd_restore);
	g_test_add_func("/manifests/etcd-restore-inside", test_etcd_restore_inside);
	g_test_add_func("/manifests/etcd-restore-refused", test_etcd_restore_refused);
	g_test_add_func("/manifests/etcd-restore-crash", test_etcd_restore_crash);
	g_test_add_func("/manifests/etcd-look", test_etcd_look);
	g_test_add_func("/manifests/objects", test_objects);
	return g_test_run();
}
