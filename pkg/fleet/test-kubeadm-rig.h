/* For tests: a cluster of kubeadm behind the whole controller: its documents, its nodes, who leads
 * in it. */
#pragma once
#include "fleet/test-node-wire.h"

#define CLUSTER_K(more)                                                                            \
	HEAD("Cluster", "k")                                                                       \
	"spec:\n  provider: kubeadm\n  access: {kubeconfig: {file: /nowhere}}\n"                   \
	"  telemetry: [{name: local, url: 'https://thanos.k.sim'}]\n"                              \
	"  nodeAccess:\n    ssh: {user: ops, key: {file: /k}, knownHosts: {file: /h}}\n"           \
	"    software: {method: binaries, from: /srv, sha256sums: /srv/SUMS}\n" more
#define GATES_K                                                                                    \
	HEAD("GatePolicy", "few")                                                                  \
	"spec:\n  gates:\n    - {name: api, when: [cp-verify, verify], invariant: apiServer}\n"    \
	"    - {name: nodes, when: [cp-soak], onFail: rollback, interval: 20s, invariant: "        \
	"nodes}\n"
#define PLAN_K                                                                                     \
	HEAD("UpgradePlan", "up")                                                                  \
	"spec:\n  target: {version: 1.36.3}\n"                                                     \
	"  waves: [{name: one, clusters: {names: [k]}, cpSoak: 2m, soak: 2m}]\n"                   \
	"  policies: {gates: few}\n"
#define DOCUMENTS GATES_K CLUSTER_K("") PLAN_K

static inline json_t *access_of(void *ud, const json_t *cluster, GError **err)
{
	return json_pack("{s:s}", "user", "ops");
}

static inline void tune(FleetOptions *o, void *ud)
{
	o->job = (Job){ &node_ops, ud };
	o->connect.node = access_of;
	o->backups = "/state/backups";
}

static inline void add_node(FakeNodes *f, const char *name, bool control_plane)
{
	FakeNode *n = &f->nodes[f->n++];
	n->name = g_strdup(name);
	n->address = g_strdup_printf("10.0.0.%zu", f->n);
	n->control_plane = control_plane;
	n->kubeadm = g_strdup("1.35.4");
	n->kubelet = g_strdup("1.35.4");
	n->manifests = g_strdup("1.35.4");
	n->helpers = g_strdup("1.35.4");
	node_show_kubelet(f, n);
	if (control_plane)
		node_show_control_plane(f, n);
}

static inline bool no_leader(const FakeNodes *f)
{
	int64_t now = loop_boot_usec(f->world), since = f->restart_usec;
	return f->leaderless || (since && now >= since && now < since + 15 * SL_USEC_PER_SEC);
}

/* While nobody leads, and while somebody is about to stop leading, no drain begins. */
static inline void audit(const SimAudit *a, void *ud)
{
	FakeNodes *f = ud;
	bool soon = f->restart_usec > loop_boot_usec(f->world);
	g_autofree char *body = g_strndup(a->request->body, a->request->n_body);
	if (a->changed && (soon || no_leader(f)) && strstr(body, "\"unschedulable\":true"))
		f->broken = "a drain began while nobody leads";
}

static inline void renew(void *ud)
{
	static const char *const names[] = { "kube-controller-manager", "kube-scheduler" };
	FakeNodes *f = ud;
	int64_t now = loop_boot_usec(f->world);
	g_autofree char *at = g_strdup_printf("t%" G_GINT64_FORMAT, now);
	for (size_t i = 0; i < G_N_ELEMENTS(names) && !no_leader(f); i++)
		sim_store_put(sim_cluster_store(f->c), sim_kind(SIM_LEASES),
			json_pack("{s:{s:s, s:s}, s:{s:s, s:s}}", "metadata", "name", names[i],
				"namespace", "kube-system", "spec", "holderIdentity", "n",
				"renewTime", at));
	loop_timer(f->world, now + 2 * SL_USEC_PER_SEC, renew, f);
}

static inline FakeNodes *nodes_new(unsigned n_control_plane, unsigned n_workers)
{
	FakeNodes *f = g_new0(FakeNodes, 1);
	f->r = rig_new(5);
	f->world = loop_sim_loop(f->r->loop);
	f->log = g_string_new(NULL);
	SimSpec spec = { .world = { .name = "k",
				 .version = "4.21.8",
				 .n_control_plane = n_control_plane,
				 .n_workers = n_workers,
				 .n_apps = 2,
				 .n_replicas = 2 },
		.releases = "4.21.10" };
	f->c = sim_fleet_add(f->r->world, &spec);
	for (unsigned i = 0; i < n_control_plane + n_workers; i++) {
		bool cp = i < n_control_plane;
		g_autofree char *name = g_strdup_printf(
			"k-%s-%u", cp ? "master" : "worker", cp ? i : i - n_control_plane);
		add_node(f, name, cp);
	}
	renew(f);
	sim_api_set_audit(sim_cluster_api(f->c), audit, f);
	f->r->tune = tune;
	f->r->tune_ud = f;
	return f;
}

static inline void nodes_free(FakeNodes *f)
{
	rig_free(f->r);
	for (size_t i = 0; i < f->n; i++) {
		FakeNode *n = &f->nodes[i];
		for (size_t k = 0; k < n->n_jobs; k++) {
			g_free(n->jobs[k].key);
			g_free(n->jobs[k].kind);
			g_free(n->jobs[k].to);
			g_free(n->jobs[k].from);
			g_free(n->jobs[k].text);
		}
		for (size_t k = 0; k < NODE_SETS_MAX; k++)
			g_free(n->sets[k]);
		g_free(n->name);
		g_free(n->address);
		g_free(n->kubeadm);
		g_free(n->kubelet);
		g_free(n->manifests);
		g_free(n->helpers);
		g_free(n->put);
	}
	json_decref(f->saved);
	g_string_free(f->log, TRUE);
	g_free(f);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FakeNodes, nodes_free)
