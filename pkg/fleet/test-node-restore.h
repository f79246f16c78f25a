/* For tests: API servers that are stopped, etcd's data of a snapshot, and the sets they come from,
 * on the nodes of test-nodes.h. */
#pragma once
#include "fleet/test-nodes.h"

/* No API server answers. */
static inline bool nodes_stopped(const FakeNodes *f)
{
	size_t n = 0, n_stopped = 0;
	for (size_t i = 0; i < f->n; i++) {
		n += f->nodes[i].control_plane;
		n_stopped += f->nodes[i].stopped;
	}
	return n == n_stopped || f->dark;
}

/* The snapshot of etcd keeps what stands in the claim. */
static inline void node_save(FakeNodes *f)
{
	const SimObj *o = sim_store_find(
		sim_cluster_store(f->c), SIM_CONFIGMAPS, "kube-system", "shiplock-claim");
	json_decref(f->saved);
	f->saved = o ? json_deep_copy(o->json) : NULL;
}

static inline void node_load(FakeNodes *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->nodes[i].control_plane && !f->nodes[i].stopped)
			f->broken = "etcd's data was changed under a running API server";
	if (f->saved && !f->restored)
		sim_store_put(sim_cluster_store(f->c), sim_kind(SIM_CONFIGMAPS),
			json_deep_copy(f->saved));
	f->restored = true;
}

static inline void node_restore(FakeNodes *f, FakeNode *n, const NodeJob *j)
{
	if (strstr(j->kind, "-backup"))
		node_save(f);
	if (strstr(j->kind, "-t3-stop"))
		n->stopped = true;
	if (strstr(j->kind, "-t3-etcd")) {
		node_load(f);
		n->loaded = true;
	}
	if (!strstr(j->kind, "-t3-manifests") && !strstr(j->kind, "-t3-start"))
		return;
	n->stopped = false;
	for (size_t i = 0; i < f->n; i++)
		if (f->nodes[i].control_plane && !f->nodes[i].loaded)
			f->broken = "an API server began on half the members";
}

/* The answer of a backup: the members of now. Caller frees. */
static inline char *node_backup_answer(const FakeNodes *f)
{
	GString *s = g_string_new("shiplock-backup 1\nkey k\nset 0011 4096 12\nat 1790000000\n"
				  "kubelet v1.35.4\netcd stacked\nsnapshot "
				  "{\"hash\":1,\"revision\":7,\"totalSize\":9}\nobjects 1\n");
	for (size_t i = 0; i < f->n && f->nodes[i].control_plane; i++)
		g_string_append_printf(s,
			"member %zx, started, %s, https://%s:2380, https://%s:2379, false\n",
			i + 10, f->nodes[i].name, f->nodes[i].address, f->nodes[i].address);
	g_string_append(s, "end\n");
	return g_string_free(s, FALSE);
}

/* What came into being since the snapshot: one of the two is lost with it. */
static inline const char *node_made(const FakeNodes *f)
{
	return f->restored ? "shiplock-made 1\nmade pods u2 default kept\nend\n"
			   : "shiplock-made 1\nmade pods u1 default lost\n"
			     "made pods u2 default kept\nend\n";
}
