/* For tests only: what a test asks of the journal and of the pods, and somebody else who evicts. */
#pragma once
#include "steps/test-drain-rig.h"

/* Records of this kind in the journal. */
static inline unsigned n_records(const World *w, const char *kind)
{
	unsigned n = 0;
	for (size_t i = 0; i < store_mem_len(w->disk); i++)
		n += strcmp(store_mem_get(w->disk, i)->kind, kind) == 0;
	return n;
}

/* Evictions that the server answered with a refusal. */
static inline unsigned n_refused(const World *w)
{
	unsigned n = 0;
	for (size_t i = 0; i < store_mem_len(w->disk); i++) {
		const Record *r = store_mem_get(w->disk, i);
		g_autoptr(json_t) body = json_loads(r->body, 0, NULL);
		n += strcmp(r->kind, "result") == 0 &&
		     strcmp(json_path_str(body, "row", ""), "evict") == 0 &&
		     strcmp(json_path_str(body, "class", ""), "refused") == 0;
	}
	return n;
}

static inline size_t n_posts(const World *w)
{
	size_t sum = 0;
	const char *uid;
	json_t *n;
	json_object_foreach (w->posts, uid, n)
		sum += (size_t)json_integer_value(n);
	return sum;
}

/* The pod of the app there that comes after skip others. */
static inline SimObj *pod_after(const World *w, const char *node, size_t skip)
{
	for (size_t i = 0; i < sim_store_n(objects(w), SIM_PODS); i++) {
		SimObj *p = sim_store_at(objects(w), SIM_PODS, i);
		if (is_app(p) && g_strcmp0(p->pod.node, node) == 0 && !p->pod.deleting &&
			skip-- == 0)
			return p;
	}
	return NULL;
}

static inline SimObj *pod_on(const World *w, const char *node)
{
	return pod_after(w, node, 0);
}

/* Somebody else evicts a pod of the first node. */
static inline void evict_by_hand(World *w, size_t skip)
{
	SimObj *p = pod_after(w, FIRST, skip);
	g_autoptr(json_t) body =
		json_pack("{s:s, s:{s:s}}", "kind", "Eviction", "metadata", "name", p->name);
	g_autofree char *text = json_canonical(body);
	g_autofree char *path =
		g_strdup_printf("/api/v1/namespaces/%s/pods/%s/eviction", p->ns, p->name);
	static const HttpEndpoint nobody = { 0 };
	HttpRequest q = { .endpoint = &nobody,
		.method = "POST",
		.path = path,
		.content_type = "application/json",
		.body = text,
		.n_body = strlen(text) };
	HttpSimAnswer a = sim_cluster_request(w->c, &q);
	g_free(a.body);
}
