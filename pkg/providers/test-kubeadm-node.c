/* What a node says of itself: the text runs in a prepared tree, its answer is read. */
#include "providers/kubeadm-node.h"
#include "providers/test-kubeadm-root.h"
#include <fcntl.h>
#include <sys/file.h>
#include <time.h>

static json_t *discover(const Root *r)
{
	g_autoptr(GError) err = NULL;
	g_autofree char *text = node_discover_text();
	g_auto(Said) s = root_run(r, text);
	g_assert_cmpint(s.code, ==, 0);
	json_t *node = node_discovered(s.out, &err);
	g_assert_no_error(err);
	return node;
}

static void test_empty(void)
{
	Root r;
	root_begin(&r);
	for (const char *const *p = (const char *const[]){ "kubeadm", "kubelet", "kubectl",
		     "systemctl", "dpkg-query", "rpm", "crictl", "ctr", NULL };
		*p; p++)
		root_program(&r, *p, "exit 1");
	g_autoptr(json_t) n = discover(&r);
	g_assert_true(json_is_null(json_object_get(n, "kubelet")));
	g_assert_false(json_path_bool(n, "kubeletActive", true));
	g_assert_cmpint(json_object_size(json_object_get(n, "manifests")), ==, 0);
	g_assert_true(json_is_null(json_path(n, "packages.method")));
	g_assert_cmpstr(json_path_str(n, "hostname", ""), ==, g_get_host_name());
	g_assert_cmpint(strlen(json_path_str(n, "bootId", "")), ==, 36);
	g_assert_cmpint(json_path_int(n, "clockUsec", 0), >, 1700000000000000);
	g_assert_cmpint(
		json_integer_value(json_object_get(json_object_get(n, "disk"), "/var/lib/etcd")), >,
		0);
	root_end(&r);
}

/* By hand: a node in the middle of its upgrade. */
static void test_node(void)
{
	Root r;
	root_begin(&r);
	root_versioned(&r, "kubeadm", "1.36.3");
	root_versioned(&r, "kubelet", "1.35.4");
	root_program(
		&r, "kubectl", "echo 'Client Version: v1.35.4'\necho 'Kustomize Version: v5.7.1'");
	root_program(&r, "systemctl", "[ \"$*\" = 'is-active --quiet kubelet' ]");
	root_program(&r, "rpm", "exit 1");
	root_program(&r, "ctr", "exit 1");
	root_program(&r, "crictl",
		"case $1 in ps) echo \"$*\" | sed -n 's/.*name=kube-apiserver$/abc/p' ;;\n"
		"inspect) echo '    \"startedAt\": \"2026-01-02T03:04:05.123456789Z\",' ;; esac");
	root_program(&r, "dpkg-query",
		"echo 'kubelet 1.35.4-1.1 hold ok installed'\n"
		"echo 'kubeadm 1.36.3-1.1 hold reinstreq half-installed'\n"
		"echo 'kubectl 1.35.4-1.1 deinstall ok config-files'");
	root_manifest(&r, "kube-apiserver", "1.36.3",
		"    - --emulated-version=kube=1.35\n    - --min-compatibility-version=1.34\n");
	root_manifest(&r, "kube-scheduler", "1.35.4", "    - '--emulated-version=1.35'\n");
	root_manifest(&r, "etcd", "3.6.8-0", "    - --data-dir=/var/lib/data\n");
	root_write(&r, "var/lib/data/member/snap/db", "12345");
	root_write(&r, "etc/kubernetes/tmp/kubeadm-backup-etcd-2026-01-02/db", "123");
	root_write(
		&r, "var/lib/shiplock/backups/k.1/result", "shiplock-backup 1\nset 0a1b 100 7\n");
	g_autoptr(json_t) n = discover(&r);
	g_assert_cmpstr(json_path_str(n, "kubeadm", ""), ==, "v1.36.3");
	g_assert_cmpstr(json_path_str(n, "kubelet", ""), ==, "v1.35.4");
	g_assert_cmpstr(json_path_str(n, "kubectl", ""), ==, "v1.35.4");
	g_assert_true(json_path_bool(n, "kubeletActive", false));
	g_assert_cmpint(json_object_size(json_object_get(n, "manifests")), ==, 3);
	g_assert_cmpstr(json_path_str(n, "manifests.kube-apiserver.image", ""), ==,
		"range.local/kube-apiserver:v1.36.3");
	g_assert_cmpstr(json_path_str(n, "manifests.kube-apiserver.emulated", ""), ==, "1.35");
	g_assert_cmpstr(json_path_str(n, "manifests.kube-apiserver.minCompat", ""), ==, "1.34");
	g_assert_cmpint(json_path_int(n, "manifests.kube-apiserver.startedAt", 0), ==, 1767323045);
	g_assert_cmpstr(json_path_str(n, "manifests.kube-scheduler.emulated", ""), ==, "1.35");
	g_assert_true(json_is_null(json_path(n, "manifests.kube-scheduler.startedAt")));
	g_assert_true(json_is_null(json_path(n, "manifests.etcd.emulated")));
	g_assert_cmpstr(json_path_str(n, "manifests.etcd.dataDir", ""), ==, "/var/lib/data");
	g_assert_cmpint(json_path_int(n, "dataBytes", 0), >, 0);
	g_assert_cmpstr(
		json_path_str(n, "kubeadmTmp.0.name", ""), ==, "kubeadm-backup-etcd-2026-01-02");
	g_assert_cmpint(json_path_int(n, "kubeadmTmp.0.bytes", 0), >, 0);
	g_assert_cmpstr(json_path_str(n, "packages.method", ""), ==, "apt");
	g_assert_cmpstr(json_path_str(n, "packages.kubelet.installed", ""), ==, "1.35.4-1.1");
	g_assert_true(json_path_bool(n, "packages.kubelet.held", false));
	g_assert_false(json_path_bool(n, "packages.kubelet.half", true));
	g_assert_true(json_path_bool(n, "packages.kubeadm.half", false));
	g_assert_null(json_path(n, "packages.kubectl"));
	g_assert_cmpstr(json_path_str(n, "backups.0.key", ""), ==, "k.1");
	g_assert_cmpstr(json_path_str(n, "backups.0.sha256", ""), ==, "0a1b");
	root_end(&r);
}

static void test_config_minor(void)
{
	static const struct {
		const char *name, *stamps, *want; /* S: the digest */
	} cases[] = {
		{ "nobody saw it written", "0000 1.34\n", NULL },
		{ "one", "S 1.36\n", "1.36" },
		{ "an older one besides", "0000 1.34\nS 1.35\n", "1.35" },
		{ "both wrote the same: that of the kubelet", "S 1.35\nS 1.36\n", "1.35" },
		{ "two others: the later", "S 1.33\nS 1.34\n", "1.34" },
	};
	Root r;
	root_begin(&r);
	root_versioned(&r, "kubelet", "1.35.4");
	root_write(&r, "var/lib/kubelet/config.yaml", "kind: KubeletConfiguration\n");
	g_autofree char *sum = g_compute_checksum_for_string(
		G_CHECKSUM_SHA256, "kind: KubeletConfiguration\n", -1);
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s", cases[i].name);
		g_auto(GStrv) parts = g_strsplit(cases[i].stamps, "S", -1);
		g_autofree char *text = g_strjoinv(sum, parts);
		root_write(&r, "var/lib/shiplock/kubelet-config", text);
		g_autoptr(json_t) n = discover(&r);
		g_assert_cmpstr(json_path_str(n, "kubeletConfigMinor", NULL), ==, cases[i].want);
	}
	root_end(&r);
}

/* openssl makes a certificate and its key in one file, valid for so many days. */
static void make_certificate(const Root *r, const char *dir, int days)
{
	g_autofree char *text = g_strdup_printf(
		"mkdir -p %s && cd %s && openssl req -x509 -newkey ec -pkeyopt "
		"ec_paramgen_curve:prime256v1 -nodes -subj /CN=x -days %d -keyout key -out crt "
		"2>/dev/null && cat crt key crt >both",
		dir, dir, days);
	g_auto(Said) s = root_run(r, text);
	g_assert_cmpint(s.code, ==, 0);
}

/* Every certificate with its end, and never a key. The year 2049 is the last of the short form. */
static void test_certificates(void)
{
	Root r;
	root_begin(&r);
	g_autofree char *dir = root_path(&r, "made");
	g_autofree char *far = root_path(&r, "far");
	make_certificate(&r, dir, 365);
	make_certificate(&r, far, 36500);
	g_autofree char *both = root_read(&r, "made/both");
	g_autofree char *crt = root_read(&r, "made/crt");
	g_autofree char *long_crt = root_read(&r, "far/crt");
	g_autofree char *key = root_read(&r, "made/key");
	g_autofree char *data = g_base64_encode((unsigned char *)crt, strlen(crt));
	g_autofree char *key64 = g_base64_encode((unsigned char *)key, strlen(key));
	g_autofree char *conf = g_strdup_printf(
		"users:\n- user:\n    client-certificate-data: %s\n    client-key-data: %s\n", data,
		key64);
	root_write(&r, "etc/kubernetes/pki/apiserver.crt", crt);
	root_write(&r, "etc/kubernetes/pki/apiserver.key", key);
	root_write(&r, "etc/kubernetes/pki/etcd/server.crt", long_crt);
	root_write(&r, "var/lib/kubelet/pki/kubelet-client-current.pem", both);
	root_write(&r, "etc/kubernetes/admin.conf", conf);
	root_write(&r, "etc/kubernetes/kubelet.conf", "client-certificate: /a/file\n");
	g_autofree char *text = node_discover_text();
	g_auto(Said) s = root_run(&r, text);
	g_assert_null(strstr(s.out, "PRIVATE"));
	g_assert_null(strstr(s.out, key64));
	g_autoptr(json_t) n = discover(&r);
	const json_t *found = json_object_get(n, "certificates");
	g_assert_cmpint(json_array_size(found), ==, 4);
	size_t i;
	json_t *c;
	int64_t year = 365 * 86400, now = json_path_int(n, "clockUsec", 0) / 1000000;
	json_array_foreach (found, i, c) {
		bool longer = g_str_has_suffix(json_path_str(c, "file", ""), "etcd/server.crt");
		int64_t left = json_path_int(c, "notAfter", 0) - now;
		g_test_message("%s %" G_GINT64_FORMAT, json_path_str(c, "file", ""), left);
		g_assert_cmpint(left, <=, longer ? 100 * year : year);
		g_assert_cmpint(left, >, (longer ? 100 * year : year) - 600);
		g_assert_cmpint(json_path_int(c, "mtime", 0), >, now - 600);
	}
	g_assert_cmpstr(json_path_str(n, "certificates.0.file", ""), ==,
		"/etc/kubernetes/pki/apiserver.crt");
	root_end(&r);
}

static void test_answers(void)
{
	static const char *const bad[] = { "", "sh: not found\n",
		"shiplock-discover 1\nhostname a\n", "shiplock-discover 2\nend\n" };
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autoptr(GError) err = NULL;
		g_assert_null(node_discovered(bad[i], &err));
		g_assert_error(err, SL_ERROR, SL_ERR_INVALID);
	}
	/* Lines with words missing. */
	g_autoptr(json_t) n =
		node_discovered("shiplock-discover 1\nmanifest\nmanifest a b\nflag x\n"
				"tmp 1\napt kubelet\nbackup k\ndisk /\nstarted\njob 1\n"
				"certificate 1\nprogram\nclock\nend\n",
			NULL);
	g_assert_nonnull(n);
}

/* What the guard keeps of commands: one that ended, one that runs, one cut off, one not begun. */
static void test_jobs(void)
{
	Root r;
	root_begin(&r);
	static const char *const jobs[] = { "a.1-1.36.3-up-kubelet.1", "b", "c", "never" };
	for (size_t i = 0; i < G_N_ELEMENTS(jobs); i++) {
		g_autofree char *begun = g_strdup_printf(
			"var/lib/shiplock/jobs/%s/%s", jobs[i], i < 3 ? "started" : "cmd");
		g_autofree char *alive = g_strdup_printf("var/lib/shiplock/jobs/%s/alive", jobs[i]);
		root_write(&r, begun, "boot 1\n");
		root_write(&r, alive, "");
	}
	root_write(&r, "var/lib/shiplock/jobs/a.1-1.36.3-up-kubelet.1/code", "0 0 1\n");
	g_autofree char *lock = root_path(&r, "var/lib/shiplock/jobs/b/alive");
	int fd = open(lock, O_RDWR | O_CLOEXEC);
	g_assert_cmpint(flock(fd, LOCK_EX), ==, 0);
	g_autoptr(json_t) n = discover(&r);
	close(fd);
	size_t i;
	json_t *j;
	g_assert_cmpint(json_array_size(json_object_get(n, "jobs")), ==, 3);
	json_array_foreach (json_object_get(n, "jobs"), i, j) {
		const char *key = json_path_str(j, "key", "");
		g_assert_cmpstr(json_path_str(j, "state", ""), ==,
			*key == 'a'   ? "done"
			: *key == 'b' ? "running"
				      : "lost");
		g_assert_cmpint(json_path_int(j, "at", 0), >, 1700000000);
	}
	root_end(&r);
}

static void test_tmp_ours(void)
{
	g_autoptr(json_t) before =
		json_pack("[{s:s, s:i}]", "name", "kubeadm-backup-a", "mtime", 150);
	g_autoptr(json_t) now =
		json_pack("[{s:s, s:i}, {s:s, s:i}, {s:s, s:i}, {s:s, s:i}, {s:s, s:i}]", "name",
			"kubeadm-backup-a", "mtime", 150, "name", "kubeadm-backup-b", "mtime", 200,
			"name", "kubeadm-early", "mtime", 99, "name", "kubeadm-late", "mtime", 301,
			"name", "mine", "mtime", 200);
	g_autoptr(json_t) ours = node_tmp_ours(before, now, 100, 300);
	g_assert_cmpint(json_array_size(ours), ==, 1);
	g_assert_cmpstr(json_path_str(ours, "0", ""), ==, "kubeadm-backup-b");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	alarm(300);
	g_test_add_func("/node/empty", test_empty);
	g_test_add_func("/node/node", test_node);
	g_test_add_func("/node/config-minor", test_config_minor);
	g_test_add_func("/node/certificates", test_certificates);
	g_test_add_func("/node/answers", test_answers);
	g_test_add_func("/node/jobs", test_jobs);
	g_test_add_func("/node/tmp-ours", test_tmp_ours);
	return g_test_run();
}
