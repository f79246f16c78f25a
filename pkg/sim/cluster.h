/* A whole simulated cluster on a loop: objects, API server, actors, Prometheus. One handler for
 * both ways in: requests of the transport inside one process, and sockets of `serve`. */
#pragma once
#include "loop/loop.h"
#include "sim/prom.h"
#include "sim/world.h"

typedef struct SimSpec {
	SimWorld world;
	const char *releases; /* see SimConfig */
	unsigned faults;
	unsigned scale; /* virtual seconds a second; 0: 1 */
	unsigned drain_scale; /* of drains and pods; 0: as scale */
	const SimTimes *times; /* NULL: the defaults at that scale */
} SimSpec;

typedef struct SimCluster SimCluster;
/* Strings of the spec are copied where they are kept. The cluster starts at rest. */
SimCluster *sim_cluster_new(const SimSpec *spec, Loop loop, SimSink sink);
void sim_cluster_free(SimCluster *c);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SimCluster, sim_cluster_free)

const char *sim_cluster_name(const SimCluster *c);
HttpSimAnswer sim_cluster_request(SimCluster *c, const HttpRequest *r);
HttpSimAnswer sim_cluster_watch(SimCluster *c, const HttpRequest *r, uint64_t id);
void sim_cluster_forget(SimCluster *c, uint64_t id);
HttpSimAnswer sim_cluster_telemetry(SimCluster *c, const HttpRequest *r);
char *sim_cluster_metrics(SimCluster *c); /* of the exporter; caller frees */
void sim_cluster_set_faults(SimCluster *c, unsigned bits);

/* For tests: a look and a write past the API. */
SimStore *sim_cluster_store(SimCluster *c);
SimApi *sim_cluster_api(SimCluster *c);
SimActors *sim_cluster_actors(SimCluster *c);
SimNow sim_cluster_now(const SimCluster *c);
/* A merge patch with the manager; returns the status code. */
int sim_cluster_patch(SimCluster *c, SimKindId k, const char *ns, const char *name, SimSub sub,
	const char *manager, json_t *body); /* steals body */

/* Several clusters behind one in-process transport. An endpoint's base_url names what it reaches:
 * "https://api.NAME.sim" or "https://thanos.NAME.sim"; any other answers 502. */
typedef struct SimFleet SimFleet;
SimFleet *sim_fleet_new(LoopSim *loop);
void sim_fleet_free(SimFleet *f);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SimFleet, sim_fleet_free)
SimCluster *sim_fleet_add(SimFleet *f, const SimSpec *spec); /* borrowed */
SimCluster *sim_fleet_find(SimFleet *f, const char *name); /* NULL: not there */
HttpSim *sim_fleet_transport(SimFleet *f); /* borrowed: faults, crash, Http */
