/* For tests: how a run on the nodes of test-kubeadm-rig.h ended, and what tests do to them. */
#pragma once
#include "fleet/test-kubeadm-rig.h"

/* "1.36.3/1.36.3 ..." of every node: kubelet, and API server where there is one. */
static inline char *versions(const FakeNodes *f)
{
	GString *s = g_string_new(NULL);
	for (size_t i = 0; i < f->n; i++)
		g_string_append_printf(s, "%s%s%s%s", i ? " " : "", f->nodes[i].kubelet,
			f->nodes[i].control_plane ? "/" : "",
			f->nodes[i].control_plane ? f->nodes[i].manifests : "");
	return g_string_free(s, FALSE);
}

static inline const json_t *claim_map(const FakeNodes *f)
{
	SimObj *o = sim_store_find(
		sim_cluster_store(f->c), SIM_CONFIGMAPS, "kube-system", "shiplock-claim");
	return o ? o->json : NULL;
}

static inline void judge_end(FakeNodes *f, const char *outcome, const char *want)
{
	g_autofree char *is = versions(f);
	g_test_message("%s\n%s", f->log->str, f->r->story->str);
	g_assert_cmpstr(story_outcome(f->r, "k"), ==, outcome);
	g_assert_cmpstr(is, ==, want);
	g_assert_cmpstr(f->broken, ==, NULL);
	g_assert_cmpuint(outside_cordoned(f->r, "k"), ==, 0);
	g_assert_nonnull(claim_map(f));
	g_assert_null(json_object_get(
		json_path(claim_map(f), "metadata.annotations"), "shiplock.dev/claim"));
}

#define UP_LOG_1                                                                                   \
	"up-backup on k-master-0 -> 1.36.3\n"                                                      \
	"up-control-plane on k-master-0 -> 1.36.3\n"
#define DOWN_LOG_1                                                                                 \
	"down-helpers on k-master-0 -> 1.35.4\n"                                                   \
	"down-control-plane on k-master-0 -> 1.35.4\n"

static inline void worker_fails(FakeNodes *f)
{
	sim_cluster_patch(f->c, SIM_NODES, NULL, "k-worker-1", SIM_SUB_STATUS, "kubelet",
		json_pack("{s:{s:[{s:s, s:s}]}}", "status", "conditions", "type", "Ready", "status",
			"False"));
}

static inline void set_kubelet(FakeNodes *f, size_t i, const char *version)
{
	node_set(&f->nodes[i].kubelet, version);
	node_show_kubelet(f, &f->nodes[i]);
}

static inline bool worker_0_is_new(void *ud)
{
	return strcmp(((FakeNodes *)ud)->nodes[1].kubelet, "1.36.3") == 0;
}

static inline void worker_0_moved(FakeNodes *f)
{
	g_assert_true(loop_sim_run(
		f->r->loop, worker_0_is_new, f, loop_boot_usec(f->world) + 3600 * RIG_SEC));
}
