/* How long a drain takes at least, by the arithmetic of its budgets: what an estimate is made from,
 * and what a measured drain is compared with. Seconds throughout. */
#pragma once
#include "base/error.h"

/* One group of pods that share a budget, or that have none. */
typedef struct BoundApp {
	int moves; /* pods that have to go; over a cluster: moves, not pods */
	int slots; /* disruptions allowed at once; 0: no budget, all at once */
	double slot_sec; /* until a used slot is free again: replacement ready, volume attached */
	double gone_sec; /* from the eviction to the pod's end */
} BoundApp;

/* (ceil(moves / slots) - 1) * slot_sec + gone_sec; 0 without moves. */
double bound_app(const BoundApp *a);
/* A node: the slowest of its apps. */
double bound_node(const BoundApp *apps, size_t n);

typedef struct BoundCluster {
	const BoundApp *apps; /* over the whole cluster */
	size_t n_apps;
	int nodes, at_once;
	double drain_sec, upgrade_sec; /* of one node */
	int requests;
	double requests_per_sec; /* 0: no limit */
	bool pipelined; /* the next node is emptied while this one reboots */
} BoundCluster;

/* The largest of: the slowest app, the nodes one after another, the requests. More nodes at once do
 * not shorten the first. *ret_app (may be NULL) gets the index of the app that decides, n_apps when
 * the nodes or the requests do. */
double bound_cluster(const BoundCluster *c, size_t *ret_app);
