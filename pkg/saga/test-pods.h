/* What lives in the world of the crash tests without being asked: pods, their budget, the operator
 * that follows the wished version. */
#pragma once
#include "saga/test-world.h"

static inline void pod_starts(void *ud)
{
	Event *e = ud;
	json_t *pod = touch(e->w, e->path);
	json_object_set_new(pod, "ready", json_true());
	update_budget(e->w);
	event_free(e);
}

/* On the first node that is not cordoned and holds the fewest pods. */
static inline const char *schedule(World *w)
{
	const char *best = NULL;
	int best_n = N_PODS + 1;
	for (unsigned i = 0; i < N_NODES; i++) {
		if (json_path_bool(
			    json_object_get(w->objects, node_name(i)), "unschedulable", false))
			continue;
		int n = 0;
		const char *path;
		json_t *o;
		json_object_foreach (w->objects, path, o)
			n += g_str_has_prefix(path, "/pods/") &&
			     strcmp(json_path_str(o, "node", ""), node_name(i)) == 0;
		if (n < best_n) {
			best = node_name(i);
			best_n = n;
		}
	}
	return best;
}

static inline void add_pod(World *w, bool ready)
{
	const char *node = schedule(w);
	g_autofree char *uid = g_strdup_printf("u%02u", ++w->next_uid);
	g_autofree char *path = g_strdup_printf("/pods/%s", uid);
	put(w, path,
		json_pack("{s:s, s:s, s:b, s:{}}", "uid", uid, "node", node ? node : "", "ready",
			(int)ready, "metadata"));
	if (!ready && node)
		later(w, POD_START_MSEC, pod_starts, path);
}

static inline void pod_ends(void *ud)
{
	Event *e = ud;
	json_object_del(e->w->objects, e->path);
	add_pod(e->w, false);
	update_budget(e->w);
	event_free(e);
}

static inline void operator_finishes(void *ud)
{
	Event *e = ud;
	json_t *cv = touch(e->w, "/cv");
	json_object_set(cv, "status", json_object_get(cv, "desired"));
	event_free(e);
}
