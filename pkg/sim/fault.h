/* What can go wrong in a simulated cluster, by name. "After the control plane" means: from the
 * moment a ClusterVersion other than the first one is Completed; a cluster that is back at its
 * first version is well again. */
#pragma once
#include "base/error.h"

typedef enum {
	SIM_FAULT_OPERATOR_NEVER_AVAILABLE, /* ingress, at every version but the first */
	SIM_FAULT_ERROR_RATE_RISE, /* one request in eight fails, after the control plane */
	SIM_FAULT_PDB_ZERO, /* a budget that allows nothing, from the start */
	SIM_FAULT_PDB_ZERO_LATE, /* the same, after the control plane */
	SIM_FAULT_NODE_NEVER_RETURNS, /* the first worker that reboots */
	SIM_FAULT_TELEMETRY_SILENT, /* queries answer with no series, after the control plane */
	SIM_FAULT_TELEMETRY_DOWN, /* Prometheus answers 503, after the control plane */
	SIM_FAULT_API_503, /* 20 s of every 60 s while an update is in progress */
	SIM_FAULT_UPGRADE_REFUSED, /* the release's signature cannot be verified */
	SIM_FAULT_CVO_RESTART, /* once in the middle of each update; history gains an entry */
	SIM_FAULT_RETRIEVED_UPDATES_FALSE, /* the update service cannot be reached */
	SIM_FAULTS,
} SimFault;
#define SIM_FAULT_BIT(f) (1u << (f))

const char *sim_fault_name(SimFault f); /* "operator-never-available" */
/* "NAME" or "NAME@K"; *ret_k is 0 without one. INVALID names the known faults. */
bool sim_fault_parse(const char *text, SimFault *ret, unsigned *ret_k, GError **err) SL_MUST_USE;
