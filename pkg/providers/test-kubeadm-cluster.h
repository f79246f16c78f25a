/* A prepared control-plane node: manifests, stand-ins for kubeadm, etcdctl, etcdutl and crictl. A
 * container runs while its manifest is there, and is another one when the manifest changes, as the
 * kubelet has it. */
#pragma once
#include "providers/kubeadm-commands.h"
#include "providers/test-kubeadm-crash.h"

static const char *const node_components[] = { "kube-apiserver", "kube-controller-manager",
	"kube-scheduler", "etcd" };

static inline void node_manifests(const Root *r, const char *version, const char *more)
{
	for (size_t i = 0; i < 3; i++)
		root_manifest(r, node_components[i], version, more);
	root_manifest(r, "etcd", "3.6.8-0",
		"    - --data-dir=/var/lib/etcd\n"
		"    - --listen-client-urls=https://127.0.0.1:2379,https://10.0.0.1:2379\n"
		"    - --trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt\n"
		"    - --cert-file=/etc/kubernetes/pki/etcd/server.crt\n"
		"    - --key-file=/etc/kubernetes/pki/etcd/server.key\n");
}

static inline void node_etcd(const Root *r)
{
	root_program(r, "etcdctl",
		"echo \"etcdctl $*\" >>\"$ROOT/log\"\n"
		"case \"$*\" in\n"
		"*'snapshot save'*) for f; do :; done; [ -z \"$INSIDE\" ] || f=$ROOT$f; echo data "
		">\"$f\" ;;\n"
		"*'member list'*) echo '8e9e05c52164694d, started, cp0, https://10.0.0.1:2380, "
		"https://10.0.0.1:2379, false'\n"
		"echo 'f0000000000000ff, unstarted, , https://10.0.0.2:2380, , true' ;;\n"
		"*'endpoint status'*) cat \"$ROOT/status\" ;;\n"
		"*'endpoint health'*) cat \"$ROOT/health\" ;;\n"
		"*'alarm list'*) cat \"$ROOT/alarms\" ;;\n"
		"esac");
	root_program(r, "etcdutl",
		"echo \"etcdutl $*\" >>\"$ROOT/log\"\n"
		"at=; [ -z \"$INSIDE\" ] || at=$ROOT\n"
		"case $2 in\n"
		"status) [ \"$(cat \"$at$3\")\" = data ] || exit 1\n"
		"echo "
		"'{\"hash\":3138007010,\"revision\":42,\"totalKey\":1,\"totalSize\":20480,"
		"\"version\":"
		"\"3.6.0\"}' ;;\n"
		"restore) [ \"$(cat \"$at$3\")\" = data ] && mkdir -p \"$at$5/member\" &&\n"
		"echo restored >\"$at$5/member/db\" ;;\n"
		"esac");
}

static inline void node_runtime(const Root *r)
{
	root_program(r, "crictl",
		"m=$ROOT/etc/kubernetes/manifests\n"
		"case $1 in\n"
		"ps) for c; do :; done; c=${c##*=}; [ -e \"$m/$c.yaml\" ] || exit 0\n"
		"{ cat \"$m/$c.yaml\" \"$ROOT/restarts-$c\" 2>/dev/null; echo $c; } | sha256sum | "
		"cut -c1-12 ;;\n"
		"stop) echo x >>\"$ROOT/restarts-$(cat \"$ROOT/stops\")\" ;;\n"
		"exec) echo inside >>\"$ROOT/log\"; shift 3; INSIDE=1 exec \"$ROOT/hidden/$@\" ;;\n"
		"esac");
	root_program(r, "ctr", "exit 1");
}

/* The programs of etcd are only within its container. */
static inline void node_hide_etcd(const Root *r)
{
	g_autofree char *bin = root_path(r, "bin");
	g_autofree char *hidden = root_path(r, "hidden");
	static const char *const programs[] = { "etcdctl", "etcdutl" };
	g_assert_cmpint(g_mkdir_with_parents(hidden, 0755), ==, 0);
	for (size_t i = 0; i < G_N_ELEMENTS(programs); i++) {
		g_autofree char *from = g_build_filename(bin, programs[i], NULL);
		g_autofree char *to = g_build_filename(hidden, programs[i], NULL);
		g_assert_cmpint(rename(from, to), ==, 0);
	}
}

/* Everything at 1.35.4, with its data, certificates and keys. */
static inline void node_prepare(Root *r)
{
	node_manifests(r, "1.35.4", "");
	node_etcd(r);
	node_runtime(r);
	root_versioned(r, "kubeadm", "1.35.4");
	root_versioned(r, "kubelet", "1.35.4");
	root_program(r, "kubectl",
		"case \"$*\" in version*) echo 'Client Version: v1.35.4' ;; *) echo '{}' ;; esac");
	root_program(r, "dpkg-query", "exit 1");
	root_program(r, "rpm", "exit 1");
	root_write(r, "var/lib/etcd/member/db", "live");
	root_write(r, "etc/kubernetes/pki/ca.key", "SECRET KEY");
	root_write(r, "etc/kubernetes/admin.conf", "client-key-data: SECRET\n");
	root_write(r, "etc/kubernetes/tmp/kubeadm-backup-etcd-1/big", "not in the set");
	root_write(r, "var/lib/kubelet/config.yaml", "from: 1.35\n");
	root_write(r, "var/lib/kubelet/kubeadm-flags.env", "KUBELET_KUBEADM_ARGS=\"\"\n");
	root_write(r, "etc/apt/sources.list.d/k.list", "deb http://kube/1.35/ /\n");
	root_write(r, "etc/apt/sources.list.d/other.list", "deb http://other/ /\n");
}

/* The same with a backup set "k", and then upgraded. */
static inline void node_upgraded(Root *r)
{
	node_prepare(r);
	root_expect(r, node_backup_text("k", NULL), true, "shiplock-backup 1");
	node_manifests(r, "1.36.3", "");
	root_write(r, "var/lib/kubelet/config.yaml", "from: 1.36\n");
	root_versioned(r, "kubeadm", "1.36.3");
}

static inline char *manifest_of(const Root *r, const char *component)
{
	g_autofree char *name = g_strdup_printf("etc/kubernetes/manifests/%s.yaml", component);
	return root_read(r, name);
}

/* The manifest is there, whole, of this version (or of either where two are named). */
static inline void expect_manifest(
	const Root *r, const char *component, const char *version, const char *or_version)
{
	g_autofree char *text = manifest_of(r, component);
	g_autofree char *a = g_strdup_printf("/%s:v%s\n", component, version);
	g_autofree char *b =
		g_strdup_printf("/%s:v%s\n", component, or_version ? or_version : version);
	g_assert_nonnull(text);
	g_test_message("%s", text);
	g_assert_true(strstr(text, a) || strstr(text, b));
	g_assert_true(g_str_has_suffix(text, "hostNetwork: true\n"));
}

/* What lies in the folder that the kubelet reads: nothing but the four. */
static inline void expect_no_litter(const Root *r, size_t n_manifests)
{
	g_autofree char *path = root_path(r, "etc/kubernetes/manifests");
	g_autoptr(GDir) d = g_dir_open(path, 0, NULL);
	size_t n = 0;
	for (const char *name; (name = g_dir_read_name(d)); n++)
		g_assert_true(g_str_has_suffix(name, ".yaml") && *name != '.');
	g_assert_cmpint(n, ==, n_manifests);
}
