/* The world of the crash tests: a store of a few objects with versions, and events of its own. */
#pragma once
#include "base/num.h"
#include "http/http-sim.h"
#include "saga/internal.h"
#include "store/store-mem.h"
#include <string.h>

enum {
	N_NODES = 3,
	N_PODS = 9,
	SOAK_SEC = 20,
	LOOK_SEC = 5,
	POD_END_MSEC = 300,
	POD_START_MSEC = 900
};

typedef struct World {
	LoopSim *sim;
	Loop loop;
	HttpSim *http;
	StoreMem *disk;
	json_t *objects; /* path -> object */
	int64_t version; /* of the store of objects */
	unsigned next_uid;
	bool bad_at_2; /* the metric is bad while the version is 2 */
	GString *changes;
	/* the plan of faults */
	int64_t batch_at, request_at, batch_at2, request_at2;
	int64_t abort_usec; /* a person aborts at this time; 0 = never */
	StoreFault batch_fault, batch_fault2;
	HttpFault request_fault, request_fault2;
	bool crashed;
	struct Fleet *fleet;
	unsigned n_starts;
} World;

static inline json_t *touch(World *w, const char *path)
{
	json_t *o = json_object_get(w->objects, path);
	g_autofree char *v = g_strdup_printf("%" G_GINT64_FORMAT, ++w->version);
	json_object_set_new(json_object_get(o, "metadata"), "resourceVersion", json_string(v));
	return o;
}

static inline void put(World *w, const char *path, json_t *o)
{
	if (!json_object_get(o, "metadata"))
		json_object_set_new(o, "metadata", json_object());
	json_object_set_new(w->objects, path, o);
	touch(w, path);
}

static inline const char *node_name(unsigned i)
{
	static const char *const names[N_NODES] = { "/nodes/a", "/nodes/b", "/nodes/c" };
	return names[i];
}

static inline bool pod_ready(const json_t *pod)
{
	return json_path_bool(pod, "ready", false) && !json_object_get(pod, "ending");
}

static inline int n_ready(World *w)
{
	int n = 0;
	const char *path;
	json_t *o;
	json_object_foreach (w->objects, path, o)
		n += g_str_has_prefix(path, "/pods/") && pod_ready(o);
	return n;
}

static inline void update_budget(World *w)
{
	json_t *pdb = touch(w, "/pdb");
	json_object_set_new(pdb, "allowed", json_integer(sl_max(n_ready(w) - (N_PODS - 1), 0)));
}

typedef struct {
	World *w;
	char *path;
} Event;

static inline void later(World *w, int64_t msec, LoopFn *fn, const char *path)
{
	Event *e = g_new(Event, 1);
	*e = (Event){ w, g_strdup(path) };
	loop_timer(w->loop, loop_boot_usec(w->loop) + msec * 1000, fn, e);
}

static inline void event_free(Event *e)
{
	g_free(e->path);
	g_free(e);
}
