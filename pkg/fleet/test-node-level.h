/* For tests: the feature level of the servers on the nodes of test-nodes.h. */
#pragma once
#include "fleet/test-nodes.h"

/* The level in "emulated='1.35'" (kubeadm) or "level='1.35'" (the manifests) of a command. */
static inline void node_read_level(NodeJob *j, const char *command)
{
	static const char *const names[] = { "\nemulated='", "\nlevel='" };
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		const char *at = strstr(command, names[i]);
		at = at ? at + strlen(names[i]) : "";
		size_t n = strcspn(at, "'");
		if (n > 0 && n < sizeof j->level)
			g_strlcpy(j->level, at, n + 1);
	}
}

/* kubeadm writes the manifests with it or without; two commands change it alone. */
static inline void node_level(FakeNodes *f, FakeNode *n, const NodeJob *j)
{
	bool alone = strcmp(j->kind, "up-raise") == 0 || strcmp(j->kind, "down-level") == 0;
	if (alone || strstr(j->kind, "-control-plane") || strstr(j->kind, "-manifests"))
		g_strlcpy(n->level, j->level, sizeof n->level);
	if (alone)
		node_show_control_plane(f, n);
}

/* What a look tells of the three manifests. */
static inline void node_manifests(GString *s, const FakeNode *n)
{
	const char *const of[][2] = { { "kube-apiserver", n->manifests },
		{ "kube-controller-manager", n->helpers }, { "kube-scheduler", n->helpers } };
	for (size_t i = 0; n->control_plane && i < G_N_ELEMENTS(of); i++)
		if (n->stopped && i == 0)
			g_string_append(s, "parked kube-apiserver\n");
		else if (g_strcmp0(n->t.missing, of[i][0]) != 0)
			g_string_append_printf(s,
				"manifest %s 00 1 r.sim/%s:v%s\nflag %s emulated-version %s\n",
				of[i][0], of[i][0], of[i][1], of[i][0], n->level);
}
