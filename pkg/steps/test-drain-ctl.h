/* For tests only: the small controller as a process that can crash. */
#pragma once
#include "steps/test-drain-cluster.h"

static inline StepResult rig_run(Item *it, int64_t now, Batch *b)
{
	Ctl *ctl = saga_ud(item_saga(it));
	if (item_n_children(it) == 0)
		batch_item(b, it, &rig_cluster_kind, ctl->target->site, "c1", C_CLAIM,
			json_pack("{s:i}", "index", 0));
	return step_wait(it, 0, "cluster");
}

static const StepOps op_run = { "run", rig_run };
static const StepOps *const run_list[] = { &op_run, NULL };
static const StateRow rig_run_states[R_MAX] = {
	[R_OPEN] = { .name = "open", .steps = run_list, .untimed = true },
};
static const ItemKind rig_run_kind = { .name = "run", .states = rig_run_states, .n_states = R_MAX };

static inline const ItemKind *rig_kind(const char *name, void *ud)
{
	static const ItemKind *const kinds[] = { &rig_cluster_kind, &rig_run_kind, &drain_node_kind,
		&drain_pod_kind };
	for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
		if (strcmp(kinds[i]->name, name) == 0)
			return kinds[i];
	return NULL;
}

static inline Site *rig_site(const char *name, void *ud)
{
	return ((Ctl *)ud)->target->site;
}

static inline const ActRow *rig_row_in(const ActRow *const *rows, const char *name)
{
	for (size_t i = 0; rows[i]; i++)
		if (strcmp(rows[i]->name, name) == 0)
			return rows[i];
	return NULL;
}

static inline const ActRow *rig_row(const char *name, void *ud)
{
	const ActRow *r = rig_row_in(drain_rows, name);
	return r ? r : rig_row_in(provider_openshift.rows, name);
}

static const SagaHooks rig_hooks = { .kind = rig_kind, .site = rig_site, .row = rig_row };

static inline Item *cluster_item(const World *w)
{
	Item *root = w->ctl ? saga_root(w->ctl->saga) : NULL;
	Item *run = root && item_n_children(root) ? item_child(root, 0) : NULL;
	return run && item_n_children(run) ? item_child(run, 0) : NULL;
}

static inline Item *node_item(const World *w, const char *name)
{
	Item *c = cluster_item(w);
	return c ? item_find_child(c, name) : NULL;
}

static inline void rig_begin(Batch *b, void *ud)
{
	Ctl *ctl = ud;
	if (item_n_children(saga_root(ctl->saga)) > 0)
		return;
	const char *spec = ctl->w->ask.policy;
	json_t *policy = json_loads(spec ? spec : "{}", 0, NULL);
	g_assert_nonnull(policy);
	json_t *data = json_pack("{s:[{s:s, s:{s:s}}], s:{s:o}}", "clusters", "name", "c1",
		"policies", "drain", "d", "policies", "d", policy);
	batch_item(b, saga_root(ctl->saga), &rig_run_kind, NULL, "run-1", R_OPEN, data);
}

static inline void ctl_start(void *ud)
{
	World *w = ud;
	Ctl *ctl = g_new0(Ctl, 1);
	static const HttpEndpoint endpoint = { .base_url = (char *)"https://api.c1.sim" };
	w->ctl = ctl;
	w->n_starts++;
	ctl->w = w;
	ctl->proc = loop_sim_proc_new(w->sim);
	ctl->loop = loop_sim_proc_loop(ctl->proc);
	ctl->saga = saga_new(ctl->loop, store_mem_store(w->disk), &rig_hooks, ctl);
	ctl->creds = creds_static(ctl->loop, &endpoint);
	KubeClientOptions o = {
		.http = http_sim_http(w->http), .loop = ctl->loop, .creds = ctl->creds
	};
	g_autoptr(json_t) doc = json_pack("{s:{s:s}, s:{s:{s:s}}}", "metadata", "name", "c1",
		"spec", "actuator", "type", w->ask.observe ? "observe" : "direct");
	ctl->target = target_new(
		ctl->saga, ctl->loop, doc, &provider_openshift, kube_client_new(&o), NULL, "test");
	ctl->target->assist = drain_assist;
	if (!w->ask.polled)
		ctl->watches = target_watches_new(ctl->target);
	g_assert_true(saga_start(ctl->saga, NULL));
	saga_submit(ctl->saga, rig_begin, NULL, ctl);
}

static inline void ctl_stop(World *w)
{
	Ctl *ctl = w->ctl;
	if (!ctl)
		return;
	target_watches_free(ctl->watches);
	target_free(ctl->target);
	creds_free(ctl->creds);
	saga_free(ctl->saga);
	loop_sim_proc_free(ctl->proc);
	g_free(ctl);
	w->ctl = NULL;
}

static inline void rig_crash(void *ud)
{
	World *w = ud;
	if (!w->ctl)
		return;
	ctl_stop(w);
	http_sim_crash(w->http);
	store_mem_crash(w->disk);
	loop_timer(w->loop, loop_boot_usec(w->loop) + SEC / 20, ctl_start, w);
}
