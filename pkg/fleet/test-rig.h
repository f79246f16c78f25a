/* For tests: a simulated fleet of OpenShift clusters and the whole controller on it, in one thread,
 * without time. */
#pragma once
#include "fleet/internal.h"
#include "plan/test-docs.h"
#include "sim/cluster.h"
#include "store/store-mem.h"

enum { RIG_MAX = 8 };
#define RIG_SEC SL_USEC_PER_SEC
#define RIG_WALL INT64_C(1790000000000000)

typedef struct Rig {
	LoopSim *loop;
	SimFleet *world;
	StoreMem *disk;
	LoopSimProc *proc; /* of the controller; NULL: it is down */
	Fleet *fleet;
	HttpEndpoint endpoints[2 * RIG_MAX];
	size_t n_endpoints;
	char *cert_pem; /* of the client, NULL: none */
	int idle_sec;
	void (*tune)(FleetOptions *o, void *ud); /* NULL, or has the last word */
	void *tune_ud;
	int64_t run; /* of the last submission */
	char *says;
	GError *err;
	GString *story; /* what a person would see */
} Rig;

static inline const HttpEndpoint *rig_endpoint(Rig *r, const char *what, const char *name)
{
	g_autofree char *url = g_strdup_printf("https://%s.%s.sim", what, name);
	for (size_t i = 0; i < r->n_endpoints; i++)
		if (strcmp(r->endpoints[i].base_url, url) == 0)
			return &r->endpoints[i];
	g_assert_cmpuint(r->n_endpoints, <, G_N_ELEMENTS(r->endpoints));
	r->endpoints[r->n_endpoints].base_url = g_steal_pointer(&url);
	return &r->endpoints[r->n_endpoints++];
}

static inline Creds *rig_creds(void *ud, const json_t *cluster, GError **err)
{
	Rig *r = ud;
	HttpEndpoint e = *rig_endpoint(r, "api", json_path_str(cluster, "metadata.name", ""));
	e.cert_pem = r->cert_pem;
	return creds_static(loop_sim_proc_loop(r->proc), &e);
}

static inline const HttpEndpoint *rig_telemetry(
	void *ud, const json_t *cluster, const json_t *source, GError **err)
{
	return rig_endpoint(ud, "thanos", json_path_str(cluster, "metadata.name", ""));
}

static inline void rig_listen(const FleetEvent *e, void *ud)
{
	Rig *r = ud;
	static const char *const quiet[] = { "note", "item", "look", "epoch", "intent", "result" };
	for (size_t i = 0; i < G_N_ELEMENTS(quiet); i++)
		if (strcmp(e->record->kind, quiet[i]) == 0)
			return;
	if (!e->replay)
		g_string_append_printf(
			r->story, "%s %s: %s\n", e->record->kind, e->cluster, e->text);
}

static inline void rig_start(Rig *r)
{
	g_autoptr(GError) err = NULL;
	g_assert_null(r->fleet);
	r->proc = loop_sim_proc_new(r->loop);
	FleetOptions o = {
		.loop = loop_sim_proc_loop(r->proc),
		.http = http_sim_http(sim_fleet_transport(r->world)),
		.store = store_mem_store(r->disk),
		.connect = { rig_creds, rig_telemetry, r },
		.name = "test",
		.idle_interval_sec = r->idle_sec,
		.listener = rig_listen,
		.listener_ud = r,
	};
	if (r->tune)
		r->tune(&o, r->tune_ud);
	r->fleet = fleet_new(&o);
	g_assert_true(fleet_start(r->fleet, &err));
	g_assert_no_error(err);
}

static inline void rig_stop(Rig *r)
{
	if (!r->fleet)
		return;
	fleet_free(g_steal_pointer(&r->fleet));
	loop_sim_proc_free(g_steal_pointer(&r->proc));
}

static inline void rig_crash(Rig *r)
{
	rig_stop(r);
	http_sim_crash(sim_fleet_transport(r->world));
	store_mem_crash(r->disk);
}

static inline Rig *rig_new_at(uint64_t seed, int64_t wall_usec)
{
	Rig *r = g_new0(Rig, 1);
	r->loop = loop_sim_new(seed, wall_usec);
	r->world = sim_fleet_new(r->loop);
	r->disk = store_mem_new(r->loop);
	r->story = g_string_new(NULL);
	return r;
}
#define rig_new(seed) rig_new_at(seed, RIG_WALL)
static inline SimCluster *rig_cluster(Rig *r, const char *name, unsigned faults)
{
	SimSpec spec = {
		.world = { .name = name,
			.version = "4.21.8",
			.previous = "4.21.7",
			.n_workers = 3,
			.n_apps = 3,
			.n_replicas = 2 },
		.releases = "4.21.9,4.21.10",
		.faults = faults,
	};
	return sim_fleet_add(r->world, &spec);
}

static inline void rig_free(Rig *r)
{
	rig_stop(r);
	sim_fleet_free(r->world);
	store_mem_free(r->disk);
	loop_sim_free(r->loop);
	for (size_t i = 0; i < r->n_endpoints; i++)
		g_free(r->endpoints[i].base_url);
	g_free(r->says);
	g_clear_error(&r->err);
	g_string_free(r->story, TRUE);
	g_free(r);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Rig, rig_free)
