/* For tests: what a crash can leave on a node of test-nodes.h, what a look tells of it, and what
 * the repair does about it. */
#pragma once
#include "creds/test-cert.h"
#include "fleet/test-outside.h"

enum { NODE_TMP_MAX = 8 };

typedef struct NodeTrouble {
	const char *missing; /* the component whose manifest is gone */
	const char *half; /* the package that is installed half way */
	const char *config; /* the minor that wrote the kubelet's configuration; NULL: unknown */
	bool certificate; /* that of the API server was renewed after it began */
	bool full; /* no room on /etc/kubernetes until what kubeadm left there is gone */
	int64_t tmp_at[NODE_TMP_MAX]; /* seconds; kubeadm-backup-etcd-N lies there since; 0: gone */
} NodeTrouble;

static inline void trouble_tmp(NodeTrouble *t, int64_t at_sec)
{
	for (size_t i = 0; i < NODE_TMP_MAX; i++)
		if (t->tmp_at[i] == 0) {
			t->tmp_at[i] = at_sec;
			return;
		}
	g_assert_not_reached();
}

/* Lines of the look at a node. */
static inline void trouble_look(GString *s, const NodeTrouble *t)
{
	static char *pem;
	if (t->config)
		g_string_append_printf(s, "config-minor %s\n", t->config);
	if (t->half)
		g_string_append_printf(s, "apt %s 1.36.3 install ok half-configured\n", t->half);
	if (t->certificate && !pem)
		pem = test_cert_pem(RIG_WALL / RIG_SEC + 365 * 86400);
	if (t->certificate)
		g_string_append_printf(s,
			"started kube-apiserver 100\n"
			"certificate 101 /etc/kubernetes/pki/apiserver.crt\n%s",
			pem);
	for (size_t i = 0; i < NODE_TMP_MAX; i++)
		if (t->tmp_at[i])
			g_string_append_printf(s,
				"tmp 1024 %" G_GINT64_FORMAT " kubeadm-backup-etcd-%zu\n",
				t->tmp_at[i], i);
	g_string_append_printf(s, "disk /etc/kubernetes %d\n", t->full ? 1000 : 8 << 20);
}

/* The repair's own text says in its first line what it mends: "# FAULT WHAT". True: it did. */
static inline bool trouble_mend(NodeTrouble *t, const char *text, const char *kubelet)
{
	g_auto(GStrv) w = g_strsplit(text, " ", 4);
	g_assert_cmpuint(g_strv_length(w), >=, 3);
	const char *fault = w[1], *what = w[2];
	if (strcmp(fault, "manifest-missing") == 0)
		t->missing = NULL;
	else if (strcmp(fault, "kubelet-config") == 0)
		t->config = g_str_has_prefix(kubelet, "1.36") ? "1.36" : "1.35";
	else if (strcmp(fault, "half-installed") == 0)
		t->half = NULL;
	else if (strcmp(fault, "certificate-newer") == 0)
		t->certificate = false;
	else if (strcmp(fault, "tmp-full") != 0)
		return strcmp(fault, "mixed-components") == 0;
	g_auto(GStrv) names = g_strsplit(what, ",", -1);
	for (char **n = names; strcmp(fault, "tmp-full") == 0 && *n; n++) {
		g_assert_true(g_str_has_prefix(*n, "kubeadm-backup-etcd-"));
		t->tmp_at[(*n)[strlen(*n) - 1] - '0'] = 0;
		t->full = false;
	}
	return true;
}
