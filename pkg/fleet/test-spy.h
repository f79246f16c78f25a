/* For tests: what is written to an observed target, and the order of a person beside it. */
#pragma once
#include "fleet/test-faults.h"

/* Counts what is written to the target. */
typedef struct FaultsSpy {
	unsigned n_writes;
	char last[300];
} FaultsSpy;

static inline HttpFault faults_spy(uint64_t n, const HttpRequest *q, void *ud)
{
	FaultsSpy *s = ud;
	if (strcmp(q->method, "GET") == 0 || strstr(q->path, "selfsubjectaccessreviews"))
		return HTTP_FAULT_NONE;
	s->n_writes++;
	g_snprintf(s->last, sizeof s->last, "%s %s", q->method, q->path);
	return HTTP_FAULT_NONE;
}

static inline void faults_order_by_hand(Rig *r, const char *version)
{
	g_autofree char *image = sim_release_image(version);
	sim_cluster_patch(sim_fleet_find(r->world, "a"), SIM_CLUSTERVERSIONS, NULL, "version",
		SIM_SUB_NONE, "oc",
		json_pack("{s:{s:{s:s, s:s}}}", "spec", "desiredUpdate", "version", version,
			"image", image));
}
