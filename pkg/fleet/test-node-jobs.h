/* For tests: the commands of the nodes of test-nodes.h, and what a look at a node tells. */
#pragma once
#include "fleet/test-node-effects.h"
#include "fleet/test-node-left.h"

typedef struct NodeTimer {
	FakeNodes *f;
	FakeNode *n;
	size_t job;
} NodeTimer;

static inline void node_half(void *ud) /* the API server restarts */
{
	sim_api_set_down(sim_cluster_api(((NodeTimer *)ud)->f->c), true);
}

static inline void node_end(void *ud)
{
	NodeTimer *t = ud;
	node_apply(t->f, t->n, &t->n->jobs[t->job]);
	sim_api_set_down(sim_cluster_api(t->f->c), nodes_stopped(t->f));
	g_free(t);
}

static inline NodeJob *node_job(FakeNode *n, const char *key)
{
	for (size_t i = 0; i < n->n_jobs; i++)
		if (strcmp(n->jobs[i].key, key) == 0)
			return &n->jobs[i];
	return NULL;
}

static inline void node_begin(FakeNodes *f, FakeNode *n, const char *key, const char *command)
{
	g_auto(GStrv) w = g_strsplit(command, " ", 8); /* # shiplock: KIND on NODE, FROM -> TO */
	g_auto(GStrv) to = g_strsplit(w[7], "\n", 3);
	g_assert_cmpuint(n->n_jobs, <, NODE_JOBS_MAX);
	g_autofree char *from = g_strndup(w[5], strlen(w[5]));
	NodeJob *j = &n->jobs[n->n_jobs++];
	int64_t now = loop_boot_usec(f->world);
	bool long_one =
		strstr(w[2], "-control-plane") || strstr(w[2], "-raise") || strstr(w[2], "-level");
	*j = (NodeJob){ .key = g_strdup(key),
		.kind = g_strdup(w[2]),
		.to = g_strdup(g_str_has_prefix(w[2], "down") ? from : to[0]),
		.from = g_strdup(from),
		.text = g_strdup(to[1]),
		.begun_usec = now,
		.end_usec = now + (long_one ? 40 : 4) * SL_USEC_PER_SEC };
	witness_begin(f, n, j);
	node_read_level(j, command);
	NodeTimer *t = g_new(NodeTimer, 1);
	*t = (NodeTimer){ f, n, n->n_jobs - 1 };
	if (long_one)
		loop_timer(f->world, now + 10 * SL_USEC_PER_SEC, node_half, t);
	loop_timer(f->world, j->end_usec, node_end, t);
}

static inline json_t *node_look(const FakeNodes *f, const NodeJob *j)
{
	int64_t now = loop_boot_usec(f->world);
	if (!j)
		return json_pack("{s:s, s:b}", "state", "absent", "rebooted", 0);
	g_autofree char *backup = node_backup_answer(f);
	const char *out = strstr(j->kind, "-backup") ? backup : "one line\nand the last\n";
	json_t *v = json_pack("{s:s, s:b, s:I, s:s, s:b}", "state", j->applied ? "done" : "running",
		"rebooted", 0, "seconds",
		(json_int_t)((MIN(now, j->end_usec) - j->begun_usec) / SL_USEC_PER_SEC), "out", out,
		"overdue", 0);
	if (j->applied) {
		json_object_set_new(v, "ok", json_boolean(j->code == 0));
		json_object_set_new(v, "exitCode", json_integer(j->code));
	}
	return v;
}

static inline json_t *node_said(bool ok, const char *out, const char *err)
{
	return json_pack("{s:b, s:i, s:n, s:s, s:s}", "ok", (int)ok, "exitCode", ok ? 0 : 1,
		"signal", "out", out, "err", err);
}

/* etcd as the member on this node tells it. */
static inline json_t *node_etcd(const FakeNodes *f, const FakeNode *asked)
{
	g_autoptr(GString) s = g_string_new("shiplock-etcd 1\n");
	size_t i, n = 0, n_off = 0;
	for (i = 0; i < f->n; i++) {
		n += f->nodes[i].control_plane;
		n_off += f->nodes[i].etcd_off;
	}
	if (asked->etcd_off || n_off * 2 > n)
		return node_said(false, "", "etcdctl member list failed");
	const char *leader = NULL;
	for (i = 0; i < f->n && f->nodes[i].control_plane; i++) {
		const FakeNode *m = &f->nodes[i];
		leader = leader || m->etcd_off ? leader : m->address;
		g_string_append_printf(s,
			"member %zx, started, %s, https://%s:2380, https://%s:2379, false\n",
			i + 10, m->name, m->address, m->address);
		if (!m->etcd_off)
			g_string_append_printf(s,
				"status \"ClusterID\" : 1\nstatus \"MemberID\" : %s\n"
				"status \"Leader\" : %s\n"
				"status \"Endpoint\" : \"https://%s:2379\"\n",
				m->address, leader, m->address);
		g_string_append_printf(s, "health https://%s:2379 is %s\n", m->address,
			m->etcd_off ? "unhealthy: no answer" : "healthy: took 1ms");
	}
	if (f->alarm)
		g_string_append_printf(s, "alarm %s\n", f->alarm);
	g_string_append(s, "end\n");
	return node_said(true, s->str, "");
}

static inline const char *node_boot(const FakeNodes *f, const FakeNode *n)
{
	if (n->boot)
		return n->boot;
	const SimObj *o = sim_store_find(sim_cluster_store(f->c), SIM_NODES, NULL, n->name);
	return json_path_str(o->json, "status.nodeInfo.bootID", "none");
}

static inline json_t *node_run(FakeNodes *f, FakeNode *n)
{
	GString *s = g_string_new("shiplock-discover 1\nkubelet-active\n");
	g_string_append_printf(
		s, "hostname %s\nboot %s\n", n->host ? n->host : n->name, node_boot(f, n));
	g_string_append_printf(s, "program kubeadm v%s\nprogram kubelet v%s\n", n->kubeadm,
		n->installed ? n->installed : n->kubelet);
	if (n->done)
		g_string_append_printf(s, "kubeadm-done v%s\n", n->done);
	node_manifests(s, n);
	trouble_look(s, &n->t);
	if (n->control_plane)
		g_string_append(s, "data 1024\n");
	if (n->control_plane && g_strcmp0(n->t.missing, "etcd") != 0)
		g_string_append(s, "manifest etcd 00 1 r.sim/etcd:3.6.8-0\n");
	node_left(s, n);
	g_string_append_printf(s, "clock %" G_GINT64_FORMAT "000\nend\n", loop_wall_usec(f->world));
	json_t *v = json_pack("{s:b, s:i, s:n, s:s, s:s}", "ok", 1, "exitCode", 0, "signal", "out",
		s->str, "err", "");
	g_string_free(s, TRUE);
	return v;
}
