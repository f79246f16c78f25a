/* For tests: a simulated cluster, and one item that looks at one fact of it; who asks the server is
 * noted. */
#pragma once
#include "providers/openshift.h"
#include "providers/watches.h"
#include "sim/cluster.h"
#include "store/store-mem.h"
#include <string.h>

#define SEC SL_USEC_PER_SEC
#define NODE "c1-worker-0"

typedef struct World World;
struct World {
	LoopSim *sim;
	Loop loop;
	SimFleet *fleet;
	SimCluster *c;
	StoreMem *disk;
	Saga *saga;
	Creds *creds;
	Target *target;
	TargetWatches *watches;
	GString *asked; /* requests, without watches */
	/* what the item's tick does */
	const View *(*look)(World *w, Item *it);
	int64_t (*again_usec)(Item *it, int64_t now); /* when to look again by itself */
	const FactRow *row;
	const char *key;
	int64_t since_usec; /* only a read sent from then on counts; 0: whatever look gives */
	unsigned n_ticks, n_seen;
	json_t *last; /* the newest view; NULL: none or missing */
	bool missing;
};

static inline StepResult look_tick(Item *it, int64_t now, Batch *b)
{
	World *w = saga_ud(item_saga(it));
	w->n_ticks++;
	const View *v =
		w->since_usec ? fact_since(it, w->row, w->key, w->since_usec) : w->look(w, it);
	if (!v)
		return step_read(it);
	w->n_seen++;
	json_decref(w->last);
	w->last = json_incref(v->json);
	w->missing = v->missing;
	return step_wait(it, w->again_usec(it, now), "looking");
}

static const StepOps op_look = { "look", look_tick };
static const StepOps *const looks[] = { &op_look, NULL };
static const StateRow states[] = { [1] = { .name = "open", .steps = looks, .untimed = true } };
static const ItemKind kind = { .name = "looker", .states = states, .n_states = 2 };

static inline const ItemKind *kind_of(const char *name, void *ud)
{
	return &kind;
}

static inline Site *site_of(const char *name, void *ud)
{
	return ((World *)ud)->target->site;
}

static const SagaHooks hooks = { .kind = kind_of, .site = site_of }; /* it does nothing */

static inline HttpFault note_request(uint64_t n, const HttpRequest *r, void *ud)
{
	g_string_append_printf(((World *)ud)->asked, "%s %s\n", r->method, r->path);
	return HTTP_FAULT_NONE;
}

static inline void begin(Batch *b, void *ud)
{
	World *w = ud;
	batch_item(b, saga_root(w->saga), &kind, w->target->site, "i", 1, NULL);
}

static inline World *world_new(const FactRow *row, const char *key)
{
	static const HttpEndpoint endpoint = { .base_url = (char *)"https://api.c1.sim" };
	SimSpec spec = { .world = { .name = "c1", .version = "4.21.8", .pack = true } };
	spec.world.n_control_plane = spec.world.n_apps = 1;
	spec.world.n_workers = 2;
	spec.world.n_replicas = 3;
	World *w = g_new0(World, 1);
	w->row = row;
	w->key = key;
	w->sim = loop_sim_new(42, 1795000000 * SEC);
	w->loop = loop_sim_loop(w->sim);
	w->fleet = sim_fleet_new(w->sim);
	w->c = sim_fleet_add(w->fleet, &spec);
	w->disk = store_mem_new(w->sim);
	w->asked = g_string_new(NULL);
	http_sim_set_faults(sim_fleet_transport(w->fleet), note_request, NULL, w);
	w->saga = saga_new(w->loop, store_mem_store(w->disk), &hooks, w);
	w->creds = creds_static(w->loop, &endpoint);
	KubeClientOptions o = { .http = http_sim_http(sim_fleet_transport(w->fleet)),
		.loop = w->loop,
		.creds = w->creds };
	g_autoptr(json_t) doc = json_pack("{s:{s:s}, s:{}}", "metadata", "name", "c1", "spec");
	w->target = target_new(
		w->saga, w->loop, doc, &provider_openshift, kube_client_new(&o), NULL, "test");
	g_assert_true(saga_start(w->saga, NULL));
	saga_submit(w->saga, begin, NULL, w);
	return w;
}

static inline void world_free(World *w)
{
	target_watches_free(w->watches);
	target_free(w->target);
	creds_free(w->creds);
	saga_free(w->saga);
	store_mem_free(w->disk);
	sim_fleet_free(w->fleet);
	loop_sim_free(w->sim);
	json_decref(w->last);
	g_string_free(w->asked, TRUE);
	g_free(w);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(World, world_free)

static inline bool never(void *ud)
{
	return false;
}

static inline void pass(World *w, int64_t usec)
{
	int64_t end = loop_boot_usec(w->loop) + usec;
	loop_sim_run(w->sim, never, w, end);
	if (loop_boot_usec(w->loop) < end)
		loop_sim_skip(w->sim, end - loop_boot_usec(w->loop));
}

static inline unsigned n_asked(const World *w)
{
	unsigned n = 0;
	for (const char *c = w->asked->str; *c; c++)
		n += *c == '\n';
	return n;
}

static inline Item *looker(const World *w)
{
	return item_child(saga_root(w->saga), 0);
}
