/* For tests only: the simulated cluster, what is counted on its way in, and the faults. */
#pragma once
#include "steps/test-drain-ctl.h"

/* ---- the world ---- */

static inline SimStore *objects(const World *w)
{
	return sim_cluster_store(w->c);
}

static inline const json_t *node_json(const World *w, const char *name)
{
	SimObj *o = sim_store_find(objects(w), SIM_NODES, NULL, name);
	return o ? o->json : NULL;
}

static inline bool is_app(const SimObj *p)
{
	return strcmp(p->ns, "apps") == 0;
}

static inline size_t pods_on(const World *w, const char *node)
{
	size_t n = 0;
	for (size_t i = 0; i < sim_store_n(objects(w), SIM_PODS); i++) {
		const SimObj *p = sim_store_at(objects(w), SIM_PODS, i);
		n += is_app(p) && g_strcmp0(p->pod.node, node) == 0;
	}
	return n;
}

static inline size_t pods_ready(const World *w)
{
	size_t n = 0;
	for (size_t i = 0; i < sim_store_n(objects(w), SIM_PODS); i++) {
		const SimObj *p = sim_store_at(objects(w), SIM_PODS, i);
		n += is_app(p) && p->pod.ready && !p->pod.deleting;
	}
	return n;
}

/* "/api/v1/namespaces/NS/pods/NAME/eviction" */
static inline void note_eviction(World *w, const HttpRequest *r)
{
	g_auto(GStrv) part = g_strsplit(r->path, "/", 0);
	if (strcmp(r->method, "POST") != 0 || g_strv_length(part) != 8 ||
		strcmp(part[7], "eviction") != 0)
		return;
	g_autoptr(json_t) body = json_loadb(r->body, r->n_body, 0, NULL);
	const char *uid = json_path_str(body, "deleteOptions.preconditions.uid", "none");
	const SimObj *p = sim_store_find(objects(w), SIM_PODS, part[4], part[6]);
	w->n_wrong += p && strcmp(tree_str(p->json, "metadata.uid"), uid) != 0;
	int64_t n = json_integer_value(json_object_get(w->posts, uid)) + 1;
	json_object_set_new(w->posts, uid, json_integer(n));
}

static inline HttpFault request_plan(uint64_t n, const HttpRequest *r, void *ud)
{
	World *w = ud;
	note_eviction(w, r);
	return (int64_t)n - w->first_request == w->request_at ? w->request_fault : HTTP_FAULT_NONE;
}

static inline StoreFault batch_plan(uint64_t n, void *ud)
{
	const World *w = ud;
	return (int64_t)n == w->batch_at ? w->batch_fault : STORE_FAULT_NONE;
}

static inline HttpSimAnswer world_request(const HttpRequest *r, void *ud)
{
	World *w = ud;
	HttpSimAnswer a = { 0 };
	if (w->script)
		a = w->script(w, r);
	return a.status ? a : sim_cluster_request(w->c, r);
}

static inline HttpSimAnswer world_watch(const HttpRequest *r, uint64_t id, void *ud)
{
	return sim_cluster_watch(((World *)ud)->c, r, id);
}

static inline void push_line(void *ud, uint64_t id, const char *line)
{
	http_sim_push(((World *)ud)->http, id, line);
}

static inline void push_end(void *ud, uint64_t id)
{
	http_sim_end_watch(((World *)ud)->http, id);
}

static inline World *world_new(const SimSpec *spec)
{
	World *w = g_new0(World, 1);
	w->sim = loop_sim_new(42, 1795000000 * SEC);
	w->loop = loop_sim_loop(w->sim);
	w->http = http_sim_new(w->sim, world_request, world_watch, w);
	w->c = sim_cluster_new(spec, w->loop, (SimSink){ push_line, push_end, w });
	w->disk = store_mem_new(w->sim);
	w->posts = json_object();
	w->batch_at = w->request_at = -1;
	http_sim_set_faults(w->http, request_plan, rig_crash, w);
	store_mem_set_faults(w->disk, batch_plan, rig_crash, w);
	return w;
}

static inline void world_begin(World *w, const Ask *ask)
{
	w->ask = *ask;
	w->first_request = (int64_t)http_sim_requests(w->http);
	ctl_start(w);
}

static inline void world_free(World *w)
{
	ctl_stop(w);
	store_mem_free(w->disk);
	sim_cluster_free(w->c);
	http_sim_free(w->http);
	loop_sim_free(w->sim);
	json_decref(w->posts);
	g_free(w);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(World, world_free)

static inline uint64_t requests_of(const World *w)
{
	return http_sim_requests(w->http) - (uint64_t)w->first_request;
}

static inline void note_budgets(World *w)
{
	for (size_t i = 0; i < sim_store_n(objects(w), SIM_PDBS); i++) {
		const json_t *st =
			json_object_get(sim_store_at(objects(w), SIM_PDBS, i)->json, "status");
		w->broken |= tree_int(st, "currentHealthy", 99) < tree_int(st, "desiredHealthy", 0);
	}
}
