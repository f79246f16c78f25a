/* For tests: what must hold at every moment on the nodes of test-nodes.h, whatever a run does. */
#pragma once
#include "fleet/test-nodes.h"

/* kubelets, schedulers and controller managers at or below every API server, always. */
static inline void nodes_judge(FakeNodes *f)
{
	for (size_t i = 0; i < f->n; i++)
		for (size_t k = 0; k < f->n; k++) {
			const FakeNode *a = &f->nodes[i], *b = &f->nodes[k];
			if (b->control_plane && strcmp(a->kubelet, b->manifests) > 0)
				f->broken = "a kubelet is newer than an API server";
			if (b->control_plane && *b->level &&
				strncmp(a->kubelet, b->level, strlen(b->level)) > 0)
				f->broken = "a kubelet is above an API server's feature level";
			if (a == b && b->control_plane && strcmp(a->helpers, b->manifests) > 0)
				f->broken = "a scheduler is newer than its API server";
		}
}

/* A pod that a drain takes away; what the node itself runs stays. */
static inline bool witness_is_drained(const SimObj *pod)
{
	const json_t *notes = json_path(pod->json, "metadata.annotations");
	const char *phase = json_path_str(pod->json, "status.phase", "");
	return !json_object_get(notes, "kubernetes.io/config.mirror") &&
	       g_strcmp0(pod->pod.owner_kind, "DaemonSet") != 0 &&
	       strcmp(phase, "Succeeded") != 0 && strcmp(phase, "Failed") != 0;
}

/* Before a kubelet is touched its node is cordoned and empty. */
static inline void witness_drained(FakeNodes *f, const FakeNode *n)
{
	const SimStore *s = sim_cluster_store(f->c);
	const SimObj *node = sim_store_find(s, SIM_NODES, NULL, n->name);
	if (!node->node.cordoned)
		f->broken = "a kubelet was touched on a node that is not cordoned";
	for (size_t i = 0; i < sim_store_n(s, SIM_PODS); i++) {
		const SimObj *pod = sim_store_at(s, SIM_PODS, i);
		if (strcmp(json_path_str(pod->json, "spec.nodeName", ""), n->name) == 0 &&
			witness_is_drained(pod))
			f->broken = "a kubelet was touched on a node with pods";
	}
}

/* Of three members two must be left while this one restarts; of one none is. */
static inline void witness_quorum(FakeNodes *f, const FakeNode *n)
{
	size_t all = 0, left = 0;
	for (size_t i = 0; i < f->n; i++) {
		const FakeNode *m = &f->nodes[i];
		all += m->control_plane;
		left += m->control_plane && m != n && !m->etcd_off && !m->away;
	}
	if (all > 1 && left < all / 2 + 1)
		f->broken = "etcd was brought below its quorum";
}

/* A command begins. */
static inline void witness_begin(FakeNodes *f, const FakeNode *n, const NodeJob *j)
{
	bool kubelet = strstr(j->kind, "-kubelet") != NULL;
	if (strcmp(j->kind, "fence") == 0)
		return; /* it changes nothing, and does not wait for who was there before */
	for (size_t i = 0; i < f->n; i++)
		for (size_t k = 0; k < f->nodes[i].n_jobs; k++) {
			const NodeJob *other = &f->nodes[i].jobs[k];
			if (other == j || other->applied)
				continue;
			f->broken = &f->nodes[i] == n ? "two commands ran on one node"
						      : "commands ran on two nodes at once";
		}
	if (kubelet)
		witness_drained(f, n);
	if (n->control_plane && (kubelet || strstr(j->kind, "-control-plane")))
		witness_quorum(f, n);
}
