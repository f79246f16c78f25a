/* Commands with effects, run by /bin/sh in a prepared node, and killed at each of their steps. */
#include "providers/kubeadm-commands.h"
#include "providers/test-kubeadm-cluster.h"

static json_t *backup(const Root *r)
{
	g_autoptr(GError) err = NULL;
	g_autofree char *text = node_backup_text("k", "/var/lib/shiplock/backups");
	g_auto(Said) s = root_run(r, text);
	g_assert_cmpint(s.code, ==, 0);
	g_assert_null(strstr(s.out, "SECRET"));
	json_t *result = node_backup_result(s.out, &err);
	g_assert_no_error(err);
	return result;
}

/* The names in the set, sorted, one a line. */
static char *set_names(const Root *r)
{
	g_auto(Said) s = root_run(
		r, "tar -tf \"$ROOT/var/lib/shiplock/backups/k/set.tar\" | grep -v '/$' | sort");
	return g_steal_pointer(&s.out);
}

static void expect_backup(const json_t *b)
{
	g_assert_cmpstr(json_path_str(b, "key", ""), ==, "k");
	g_assert_cmpstr(json_path_str(b, "etcd", ""), ==, "stacked");
	g_assert_cmpstr(json_path_str(b, "kubelet", ""), ==, "v1.35.4");
	g_assert_cmpint(json_path_int(b, "revision", 0), ==, 42);
	g_assert_cmpstr(json_path_str(b, "hash", ""), ==, "bb0a2fe2");
	g_assert_cmpint(strlen(json_path_str(b, "sha256", "")), ==, 64);
	g_assert_cmpint(json_path_int(b, "bytes", 0), >, 1000);
	g_assert_cmpint(json_array_size(json_object_get(b, "members")), ==, 2);
	g_assert_cmpstr(json_path_str(b, "members.0.id", ""), ==, "8e9e05c52164694d");
	g_assert_cmpstr(json_path_str(b, "members.0.name", ""), ==, "cp0");
	g_assert_true(json_path_bool(b, "members.0.started", false));
	g_assert_false(json_path_bool(b, "members.1.started", true));
	g_assert_true(json_path_bool(b, "members.1.learner", false));
	g_assert_true(json_path_bool(b, "objects", false));
}

static void test_backup(void)
{
	Root r;
	root_begin(&r);
	node_prepare(&r);
	g_autoptr(json_t) b = backup(&r);
	expect_backup(b);
	g_autofree char *names = set_names(&r);
	g_assert_cmpstr(names, ==,
		"./etc/apt/sources.list.d/k.list\n"
		"./etc/kubernetes/admin.conf\n"
		"./etc/kubernetes/manifests/etcd.yaml\n"
		"./etc/kubernetes/manifests/kube-apiserver.yaml\n"
		"./etc/kubernetes/manifests/kube-controller-manager.yaml\n"
		"./etc/kubernetes/manifests/kube-scheduler.yaml\n"
		"./etc/kubernetes/pki/ca.key\n"
		"./shiplock/SHA256SUMS\n"
		"./shiplock/etcd.members\n"
		"./shiplock/etcd.snapshot\n"
		"./shiplock/etcd.status\n"
		"./shiplock/objects.json\n"
		"./shiplock/packages\n"
		"./shiplock/versions\n"
		"./var/lib/kubelet/config.yaml\n"
		"./var/lib/kubelet/kubeadm-flags.env\n");
	g_assert_cmpint(json_path_int(b, "files", 0), ==, 15);
	struct stat st;
	g_autofree char *set = root_path(&r, "var/lib/shiplock/backups/k/set.tar");
	g_assert_cmpint(stat(set, &st), ==, 0);
	g_assert_cmpint(st.st_mode & 0777, ==, 0600);
	g_autofree char *log = root_read(&r, "log");
	g_assert_nonnull(strstr(log, "--endpoints https://127.0.0.1:2379 --cacert "));
	/* The second time it only answers: what has changed since is not in it. */
	root_write(&r, "var/lib/kubelet/config.yaml", "changed\n");
	g_autoptr(json_t) again = backup(&r);
	g_assert_true(json_equal(again, b));
	root_end(&r);
}

/* Parts of it, put together again, are it. */
static void test_backup_part(void)
{
	Root r;
	root_begin(&r);
	node_prepare(&r);
	g_autoptr(json_t) b = backup(&r);
	GString *all = g_string_new("");
	for (int64_t at = 0; at < json_path_int(b, "bytes", 0); at += 5000) {
		g_autofree char *text = node_backup_part_text("k", at, 5000);
		g_auto(Said) s = root_run(&r, text);
		size_t n;
		g_autofree unsigned char *part = g_base64_decode(s.out, &n);
		g_string_append_len(all, (char *)part, (gssize)n);
	}
	g_autofree char *sum =
		g_compute_checksum_for_data(G_CHECKSUM_SHA256, (unsigned char *)all->str, all->len);
	g_assert_cmpstr(sum, ==, json_path_str(b, "sha256", ""));
	g_string_free(all, TRUE);
	root_expect(&r, node_backup_part_text("none", 0, 10), false, "no backup set none");
	root_end(&r);
}

static void node_backed_up(Root *r)
{
	node_prepare(r);
	root_expect(r, node_backup_text("k", NULL), true, NULL);
	root_expect(r, node_backup_text("other", NULL), true, NULL);
}

static char *text_remove(void)
{
	return node_backup_remove_text("k");
}

/* There whole, or not at all. */
static void check_removed(const Root *r, bool finished)
{
	bool there = root_has(r, "var/lib/shiplock/backups/k");
	g_assert_true(there == root_has(r, "var/lib/shiplock/backups/k/set.tar"));
	g_assert_true(!finished || (!there && !root_has(r, "var/lib/shiplock/backups/.k.gone")));
	g_assert_true(root_has(r, "var/lib/shiplock/backups/other/set.tar"));
}

static void test_backup_remove(void)
{
	static const char *const bad[] = { "", "..", "../k", "a/b", ".k" };
	Root r;
	crash_matrix(&(CrashCase){ node_backed_up, text_remove, check_removed });
	root_begin(&r);
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
		root_expect(&r, node_backup_remove_text(bad[i]), false, "is no key");
	root_end(&r);
}

#define SETS "var/lib/shiplock/backups/"

/* Five sets, the one of a run that still needs it the oldest. */
static void node_five_sets(Root *r)
{
	static const char *const keys[] = { "a", "b", "c", "d", "e" };
	for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
		g_autofree char *set = g_strdup_printf(SETS "%s/set.tar", keys[i]);
		g_autofree char *result = g_strdup_printf(SETS "%s/result", keys[i]);
		g_autofree char *text = g_strdup_printf(
			"shiplock-backup 1\nkey %s\nat %zu\nend\n", keys[i], 999998 + i);
		root_write(r, set, "x");
		root_write(r, result, text);
	}
}

static char *text_prune(void)
{
	return node_backup_prune_text("a", 2);
}

static void check_pruned(const Root *r, bool finished)
{
	g_assert_true(root_has(r, SETS "a/set.tar"));
	g_assert_true(root_has(r, SETS "d/set.tar") && root_has(r, SETS "e/set.tar"));
	g_assert_true(root_has(r, SETS "c") == root_has(r, SETS "c/set.tar"));
	g_assert_false(finished && (root_has(r, SETS "b") || root_has(r, SETS "c")));
	g_assert_false(finished && (root_has(r, SETS ".b.gone") || root_has(r, SETS ".c.gone")));
}

static void test_backup_prune(void)
{
	Root r;
	crash_matrix(&(CrashCase){ node_five_sets, text_prune, check_pruned });
	root_begin(&r);
	root_expect(&r, text_prune(), true, NULL); /* none at all */
	root_end(&r);
}

/* The digest of what lies there is what the node had answered. */
static void test_backup_set(void)
{
	Root r;
	root_begin(&r);
	node_prepare(&r);
	g_autoptr(json_t) b = backup(&r);
	g_autofree char *text = node_set_text("k"), *none = node_set_text("other");
	g_auto(Said) is = root_run(&r, text);
	g_auto(Said) not = root_run(&r, none);
	g_assert_nonnull(strstr(is.out, json_path_str(b, "sha256", "-")));
	g_assert_cmpstr(not .out, ==, "shiplock-set 1\nend\n");
	root_end(&r);
}

/* No etcdctl on the node: the one in etcd's own container serves, and nothing stays behind. */
static void test_backup_inside(void)
{
	Root r;
	root_begin(&r);
	node_prepare(&r);
	node_hide_etcd(&r);
	g_autoptr(json_t) b = backup(&r);
	expect_backup(b);
	g_autofree char *log = root_read(&r, "log");
	g_assert_nonnull(strstr(log, "inside\netcdctl "));
	g_assert_nonnull(strstr(log, "snapshot save /var/lib/etcd/shiplock-snapshot.db"));
	g_assert_false(root_has(&r, "var/lib/etcd/shiplock-snapshot.db"));
	root_end(&r);
}

static void test_backup_worker(void)
{
	Root r;
	root_begin(&r);
	node_prepare(&r);
	root_remove(&r, "etc/kubernetes/manifests");
	root_remove(&r, "etc/kubernetes/admin.conf");
	root_remove(&r, "bin/etcdctl");
	g_autoptr(json_t) b = backup(&r);
	g_assert_cmpstr(json_path_str(b, "etcd", ""), ==, "none");
	g_assert_null(json_object_get(b, "revision"));
	g_assert_false(json_path_bool(b, "objects", true));
	root_write(&r, "var/lib/kubelet/config.yaml", "changed\n");
	root_expect(&r, kubelet_config_restore_text("k"), true, "put back");
	expect_file(&r, "var/lib/kubelet/config.yaml", "from: 1.35\n");
	root_end(&r);
}

static void test_backup_refused(void)
{
	static const struct {
		const char *name, *program, *body, *words;
	} cases[] = {
		{ "no snapshot", "etcdctl", "echo boom >&2; exit 1", "snapshot save failed: boom" },
		{ "a snapshot that cannot be read", "etcdutl", "echo bad >&2; exit 1",
			"cannot be read back: bad" },
		{ "a full disk", "df", "echo; echo a b c 7 d", "has 7 KiB free" },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s", cases[i].name);
		Root r;
		root_begin(&r);
		node_prepare(&r);
		root_program(&r, cases[i].program, cases[i].body);
		root_expect(&r, node_backup_text("k", NULL), false, cases[i].words);
		g_assert_false(root_has(&r, "var/lib/shiplock/backups/k"));
		root_end(&r);
	}
	Root r;
	root_begin(&r);
	node_prepare(&r);
	root_remove(&r, "etc/kubernetes/manifests/kube-scheduler.yaml");
	root_expect(&r, node_backup_text("k", NULL), false, "kube-scheduler.yaml is missing");
	root_end(&r);
}

static char *text_backup(void)
{
	return node_backup_text("k", NULL);
}

static void check_backup(const Root *r, bool finished)
{
	if (root_has(r, "var/lib/shiplock/backups/k")) {
		g_autoptr(json_t) b = backup(r);
		expect_backup(b);
	} else
		g_assert_false(finished);
	expect_file(r, "var/lib/etcd/member/db", "live");
	expect_no_litter(r, 4);
}

static void test_backup_crash(void)
{
	crash_matrix(&(CrashCase){ node_prepare, text_backup, check_backup });
}

static void test_backup_results(void)
{
	static const char *const bad[] = { "", "shiplock-backup 1\n", "shiplock-backup 1\nend\n",
		"shiplock-backup 1\nset a 1 1\netcd stacked\nend\n",
		"shiplock-backup 1\nset a 1 1\netcd stacked\nsnapshot {\nmember x, started, a, b, "
		"c\nend\n",
		"shiplock-backup 1\nset a 1 1\netcd none\n" };
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autoptr(GError) err = NULL;
		g_assert_null(node_backup_result(bad[i], &err));
		g_assert_error(err, SL_ERROR, SL_ERR_INVALID);
	}
	g_autoptr(json_t) ok = node_backup_result(
		"tar: words before\nshiplock-backup 1\nset a 1 1\netcd none\nend\nmore\n", NULL);
	g_assert_nonnull(ok);
}

/* options as JSON; what kubeadm is told. */
static void test_kubeadm(void)
{
	static const struct {
		const char *name, *options, *want;
		bool node;
	} cases[] = {
		{ "plain", "{}", "upgrade apply --yes v1.35.4\n" },
		{ "force", "{\"force\":true}", "upgrade apply --yes v1.35.4 --force\n" },
		{ "all",
			"{\"ignorePreflightErrors\":[\"a\",\"b c\"],\"skipPhases\":[\"addon\"],"
			"\"etcdUpgrade\":false,\"certificateRenewal\":false}",
			"upgrade apply --yes v1.35.4 --ignore-preflight-errors=a,b c "
			"--skip-phases=addon "
			"--etcd-upgrade=false --certificate-renewal=false\n" },
		{ "a configuration holds the rest",
			"{\"config\":\"/etc/it's\",\"force\":true,\"etcdUpgrade\":false}",
			"upgrade apply --yes v1.35.4 --config=/etc/it's\n" },
		{ "node", "{\"version\":\"1.35.4\",\"ignorePreflightErrors\":[\"all\"]}",
			"upgrade node --ignore-preflight-errors=all\n", true },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s", cases[i].name);
		Root r;
		root_begin(&r);
		root_versioned(&r, "kubeadm", "1.35.4");
		g_autoptr(json_t) options = json_loads(cases[i].options, 0, NULL);
		root_expect(&r,
			cases[i].node ? kubeadm_node_text(options)
				      : kubeadm_apply_text("1.35.4", options),
			true, NULL);
		g_autofree char *want = g_strconcat("kubeadm ", cases[i].want, NULL);
		expect_file(&r, "log", want);
		root_end(&r);
	}
}

static void test_kubeadm_refused(void)
{
	Root r;
	root_begin(&r);
	g_autoptr(json_t) options = json_object();
	root_program(&r, "kubeadm", "case $1 in version) echo v1.36.3 ;; *) exit 3 ;; esac");
	root_expect(&r, kubeadm_apply_text("1.35.4", options), false,
		"kubeadm on this node is v1.36.3, and 1.35.4 is needed");
	root_expect(&r, kubeadm_apply_text("v1.36.3", options), false,
		"kubeadm apply ended with exit code 3");
	json_object_set_new(options, "config", json_string("/c"));
	json_object_set_new(options, "emulated", json_string("1.35"));
	root_expect(&r, kubeadm_apply_text("1.36.3", options), false, "do not go together");
	root_end(&r);
}

/* The new binaries at the old level: patches of ours beside those of the cluster. */
static void test_kubeadm_emulated(void)
{
	Root r;
	root_begin(&r);
	root_versioned(&r, "kubeadm", "1.36.3");
	root_write(&r, "etc/patches/etcd+merge.yaml", "theirs\n");
	g_autoptr(json_t) options =
		json_pack("{s:s, s:s}", "emulated", "1.35", "patches", "/etc/patches");
	for (int i = 0; i < 2; i++)
		root_expect(&r, kubeadm_apply_text("1.36.3", options), true, NULL);
	g_autofree char *log = root_read(&r, "log");
	g_assert_nonnull(strstr(log, "/var/lib/shiplock/patches\n"));
	expect_file(&r, "var/lib/shiplock/patches/etcd+merge.yaml", "theirs\n");
	for (size_t i = 0; i < 3; i++) {
		g_autofree char *name = g_strdup_printf(
			"var/lib/shiplock/patches/%s90shiplock+json.json", node_components[i]);
		g_autofree char *text = root_read(&r, name);
		g_autoptr(json_t) patch = json_loads(text, 0, NULL);
		g_assert_cmpstr(
			json_path_str(patch, "0.path", ""), ==, "/spec/containers/0/command/-");
		g_assert_cmpstr(json_path_str(patch, "0.value", ""), ==, "--emulated-version=1.35");
	}
	root_end(&r);
}

/* After kubeadm the kubelet's configuration is known to be of its minor. */
static void test_stamp(void)
{
	Root r;
	root_begin(&r);
	root_program(&r, "kubeadm",
		"case $1 in version) echo v1.36.3 ;; *) echo new "
		">\"$ROOT/var/lib/kubelet/config.yaml\" ;; esac");
	root_write(&r, "var/lib/kubelet/config.yaml", "old\n");
	root_expect(&r, kubeadm_node_text(NULL), true, NULL);
	g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, "new\n", -1);
	g_autofree char *line = g_strconcat(sum, " 1.36\n", NULL);
	expect_file(&r, "var/lib/shiplock/kubelet-config", line);
	root_end(&r);
}

static void test_kubelet_restart(void)
{
	Root r;
	root_begin(&r);
	root_versioned(&r, "kubelet", "1.36.3");
	root_program(&r, "systemctl",
		"echo \"$*\" >>\"$ROOT/log\"\ncase $1 in is-active) [ $(grep -c is-active "
		"\"$ROOT/log\") "
		"-gt 5 ] ;; esac");
	root_expect(&r, kubelet_restart_text(), true, "the kubelet is active: v1.36.3");
	g_autofree char *log = root_read(&r, "log");
	g_assert_true(g_str_has_prefix(log, "daemon-reload\nrestart kubelet\nis-active "));
	root_program(&r, "systemctl", "[ $1 != is-active ] || { echo activating; exit 3; }");
	root_expect(&r, kubelet_restart_text(), false, "it is activating");
	root_program(&r, "systemctl", "[ $1 != restart ]");
	root_expect(&r, kubelet_restart_text(), false, "systemctl restart kubelet failed");
	root_end(&r);
}

static char *text_config(void)
{
	return kubelet_config_restore_text("k");
}

static void check_config(const Root *r, bool finished)
{
	g_autofree char *text = root_read(r, "var/lib/kubelet/config.yaml");
	g_assert_true(g_str_equal(text, "from: 1.35\n") ||
		      (!finished && g_str_equal(text, "from: 1.36\n")));
}

static void test_config_crash(void)
{
	crash_matrix(&(CrashCase){ node_upgraded, text_config, check_config });
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	alarm(300);
	g_test_add_func("/commands/backup", test_backup);
	g_test_add_func("/commands/backup-part", test_backup_part);
	g_test_add_func("/commands/backup-remove", test_backup_remove);
	g_test_add_func("/commands/backup-prune", test_backup_prune);
	g_test_add_func("/commands/backup-set", test_backup_set);
	g_test_add_func("/commands/backup-inside", test_backup_inside);
	g_test_add_func("/commands/backup-worker", test_backup_worker);
	g_test_add_func("/commands/backup-refused", test_backup_refused);
	g_test_add_func("/commands/backup-crash", test_backup_crash);
	g_test_add_func("/commands/backup-results", test_backup_results);
	g_test_add_func("/commands/kubeadm", test_kubeadm);
	g_test_add_func("/commands/kubeadm-refused", test_kubeadm_refused);
	g_test_add_func("/commands/kubeadm-emulated", test_kubeadm_emulated);
	g_test_add_func("/commands/stamp", test_stamp);
	g_test_add_func("/commands/kubelet-restart", test_kubelet_restart);
	g_test_add_func("/commands/config-crash", test_config_crash);
	return g_test_run();
}
