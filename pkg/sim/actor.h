/* The actors of a cluster: scheduler, ReplicaSet and disruption controllers, kubelets, the
 * cluster-version and the machine-config operator. Each is a function of the objects, the time and
 * the faults; it returns writes and changes nothing. Its memory (SimMemo, and the operators' own)
 * is what a real process would hold: lost with it, and only about how long something has been seen.
 * Behaviour: ClusterVersion and its operator, Machine Config Operator, as their sources say.
 *
 * With `serve` and in tests the writes go into the store that the actors read; `play` fills that
 * store from a real API server's watches and sends the writes there. */
#pragma once
#include "sim/api.h"
#include "sim/fault.h"
#include "sim/write.h"

typedef enum {
	SIM_ACTOR_SCHEDULER,
	SIM_ACTOR_REPLICASETS,
	SIM_ACTOR_PDBS,
	SIM_ACTOR_KUBELETS,
	SIM_ACTOR_CVO,
	SIM_ACTOR_MCO,
	SIM_ACTOR_LEASES, /* only needed where a real controller-manager watches over the nodes */
	SIM_ACTORS_N,
} SimActor;
#define SIM_ACTOR_BIT(a) (1u << (a))
enum {
	SIM_ACTORS_WORLD = SIM_ACTOR_BIT(SIM_ACTOR_LEASES) - 1, /* everything but leases */
	SIM_ACTORS_PLAY = SIM_ACTOR_BIT(SIM_ACTOR_KUBELETS) | SIM_ACTOR_BIT(SIM_ACTOR_CVO) |
			  SIM_ACTOR_BIT(SIM_ACTOR_MCO) | SIM_ACTOR_BIT(SIM_ACTOR_LEASES),
};

/* Virtual durations, divided by the time scale: start from sim_times_default(). All zero means the
 * defaults at scale 1.
 *
 * A pod may say by annotations of its own how long it takes: sim/start (until it runs), sim/ready
 * (until it is ready), sim/exit (until it is gone), as "6s". */
typedef struct SimTimes {
	int64_t second_usec; /* for what an object says in seconds */
	int64_t load_min_usec, load_max_usec; /* from a patch to the verdict on its payload */
	int64_t operator_usec; /* of each ClusterOperator */
	int64_t lag_usec; /* Upgradeable of the ClusterVersion behind the operators' */
	int64_t reconcile_usec; /* pass that moves observedGeneration */
	int64_t graph_usec; /* availableUpdates behind version and channel */
	int64_t degraded_usec, slow_usec; /* until Failing */
	int64_t drain_start_usec, drain_window_usec, drain_pause_usec, drain_slow_pause_usec,
		drain_slow_after_usec, evict_retry_usec, drain_poll_usec;
	int64_t os_usec, reboot_usec;
	int64_t pod_start_usec, pod_ready_usec, pod_exit_usec;
	int64_t lease_usec;
} SimTimes;
SimTimes sim_times_default(unsigned scale);
/* Drains, evictions and pods at a scale of their own: 1 keeps the operator's windows of 90 s while
 * the rest runs fast. */
void sim_times_scale_drains(SimTimes *t, unsigned scale);

typedef struct SimConfig {
	const char *version; /* the first one; NULL: what the ClusterVersion says at the start */
	const char *releases; /* further ones of the update graph: "4.21.9,4.21.10:SomeRisk" */
	unsigned faults; /* SIM_FAULT_BITs */
	unsigned actors; /* SIM_ACTOR_BITs */
	SimTimes times;
} SimConfig;

typedef struct SimActors SimActors;
SimActors *sim_actors_new(SimStore *store, const SimConfig *c); /* borrows the store */
void sim_actors_free(SimActors *a);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SimActors, sim_actors_free)

typedef void SimSend(const SimWrite *w, void *ud);
/* Runs every actor that has a reason to, until none has; each write goes to send, which may change
 * the store at once or later. Returns the boot time at which to call again, INT64_MAX when only a
 * change can give a reason. */
int64_t sim_actors_run(SimActors *a, SimNow now, SimSend *send, void *ud);
void sim_actors_wake(SimActors *a); /* all of them have a reason */
void sim_actors_set_faults(SimActors *a, unsigned bits);
unsigned sim_actors_faults(const SimActors *a);

/* What others need to know of the state of things. */
bool sim_actors_updating(const SimActors *a);
/* The control plane is complete at another version than the first. */
bool sim_actors_moved(const SimActors *a);
/* Kubernetes version of the control plane ("v1.34.8" for 4.21.8). Caller frees. */
char *sim_actors_kube_version(const SimActors *a);

/* The image by which a version is known here. Caller frees. */
char *sim_release_image(const char *version);
/* "v1.34.8" for "4.21.8". Caller frees. */
char *sim_kube_version(const char *version);
/* The name of a pool's rendered configuration at a version. Caller frees. */
char *sim_rendered_name(const char *pool, const char *version);
