/* An OpenShift cluster at rest, from a few numbers: nodes, pools, operators, apps with their
 * budgets. The same numbers and seed give the same objects. */
#pragma once
#include "sim/actor.h"

typedef struct SimWorld {
	const char *name;
	const char *version; /* "4.21.8" */
	const char *previous; /* an older history entry; NULL: none */
	const char *channel; /* NULL: "stable-X.Y" of the version; "": unset */
	unsigned n_control_plane, n_workers; /* 0: 3 */
	unsigned n_apps, n_replicas; /* 0: 10 apps of 3 replicas */
	unsigned max_unavailable; /* of each app's budget; 0: 1 */
	const char *pod_start, *pod_ready,
		*pod_exit; /* durations of app pods ("6s"); NULL: default */
	const char *gate; /* an open administrator gate, "ack-4.21-..."; NULL: none */
	bool no_apps;
	bool pack; /* all app pods begin on the first worker */
	bool no_pods; /* of apps and DaemonSets: a real controller-manager makes them */
} SimWorld;

/* Each object is handed to send as a create. */
void sim_world_build(const SimWorld *w, SimNow now, SimSend *send, void *ud);
