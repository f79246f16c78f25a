/* For tests: what a command changes on a node of test-nodes.h, once it has run. */
#pragma once
#include "fleet/test-node-level.h"
#include "fleet/test-node-restore.h"
#include "fleet/test-node-witness.h"

/* How the command ends. 137: killed between the renames, and a manifest is missing. */
static inline int node_code(FakeNodes *f, FakeNode *n, const NodeJob *j)
{
	int code = f->code ? f->code(n, j, f->ud) : 0;
	bool stopped = n->t.missing || n->t.full || n->t.half;
	if (code == 137 && !n->t.missing)
		n->t.missing = "kube-scheduler";
	return stopped && strstr(j->kind, "-control-plane") && code == 0 ? 1 : code;
}

/* kubeadm writes the kubelet's configuration, and leaves a copy of what was there. */
static inline void node_kubeadm_ran(FakeNodes *f, FakeNode *n, const NodeJob *j)
{
	bool control_plane = strstr(j->kind, "-control-plane") != NULL;
	if (control_plane)
		trouble_tmp(&n->t, loop_wall_usec(f->world) / SL_USEC_PER_SEC);
	if (!j->code && (control_plane || strstr(j->kind, "-kubelet")) && n->t.config)
		n->t.config = g_str_has_prefix(j->to, "1.36") ? "1.36" : "1.35";
	if (!j->code && strstr(j->kind, "-kubelet"))
		n->t.half = NULL;
	if (!j->code && control_plane)
		n->done = g_str_has_prefix(j->to, "1.36") ? "1.36.3" : "1.35.4";
}

static inline void node_mend(FakeNodes *f, FakeNode *n, const NodeJob *j)
{
	g_assert_true(trouble_mend(&n->t, j->text, n->kubelet));
	if (!strstr(j->text, "mixed-components"))
		return;
	node_set(&n->manifests, j->from);
	node_set(&n->helpers, j->from);
	node_show_control_plane(f, n);
}

static inline void node_backup(FakeNode *n, const NodeJob *j)
{
	if (strstr(j->kind, "-backup") && n->n_backups < NODE_SETS_MAX)
		n->sets[n->n_backups++] = g_strdup_printf("%s-to-%s", j->from, j->to);
}

static inline bool is_without_effect(const FakeNode *n, const NodeJob *j)
{
	return j->code || (n->inert && strcmp(j->kind, "down-control-plane") == 0);
}

static inline void node_apply(FakeNodes *f, FakeNode *n, NodeJob *j)
{
	bool kubelet = strstr(j->kind, "-kubelet"), pods = strstr(j->kind, "-control-plane");
	j->applied = true;
	j->code = node_code(f, n, j);
	g_string_append_printf(f->log, "%s on %s -> %s%s%s%s\n", j->kind, n->name, j->to,
		*j->level ? " at " : "", j->level, j->code ? " failed" : "");
	node_kubeadm_ran(f, n, j);
	if (is_without_effect(n, j))
		return;
	if (strcmp(j->kind, "mend") == 0)
		node_mend(f, n, j);
	node_backup(n, j);
	node_restore(f, n, j);
	if (kubelet && n->control_plane)
		f->restart_usec = loop_boot_usec(f->world) + 5 * SL_USEC_PER_SEC;
	if (kubelet)
		node_set(&n->kubelet, j->to), n->installed = NULL, node_show_kubelet(f, n);
	if (kubelet || pods)
		node_set(&n->kubeadm, j->to);
	pods = pods || strstr(j->kind, "-manifests");
	node_level(f, n, j);
	if (pods)
		node_set(&n->manifests, j->to);
	if (pods || strstr(j->kind, "-helpers"))
		node_set(&n->helpers, j->to), node_show_control_plane(f, n);
	nodes_judge(f);
}
