/* The command line of shiplock-sim. */
#pragma once
#include "sim/fault.h"

enum { MAX_FAULTS = 32, MAX_CLUSTERS = 1000, MAX_SCALE = 100000, EXIT_USAGE = 64 };

typedef struct Options {
	const char *kubeconfig, *dir, *exporter; /* borrowed from argv */
	const char *version, *previous, *releases;
	unsigned n_clusters, n_workers, n_apps, n_replicas, scale;
	unsigned drain_scale; /* 0: as scale */
	bool no_plan; /* the plan lies in the checkout, not committed */
	struct {
		SimFault fault;
		unsigned k; /* 0: every cluster */
	} faults[MAX_FAULTS];
	size_t n_faults;
} Options;

/* INVALID with the option's name. argv begins behind the verb. */
bool options_parse(int argc, char **argv, Options *ret, GError **err) SL_MUST_USE;
/* SIM_FAULT_BITs of the k-th cluster, from 1. */
unsigned options_faults(const Options *o, unsigned k);
