/* The folder of a served fleet: kubeconfigs and tokens, a bare repository with the documents, a
 * checkout of it, and a ControllerConfig for a daemon that watches it.
 *   kube/NAME, kube/NAME.token, plans.git, checkout/, controller.yaml, state/
 * (and audit/NAME, every write that reached an API server, one JSON line each: serve.c). */
#pragma once
#include "options.h"

typedef struct FleetMember {
	const char *name, *token;
	int api_port, telemetry_port;
} FleetMember;

/* The k-th cluster's name, from 1: the first five are the sample site's. Caller frees. */
char *fleet_dir_name(unsigned k);
/* Returns the folder's absolute path (a new one under the temporary folder when the options name
 * none). REFUSED when a fleet is there already. Caller frees. */
char *fleet_dir_make(
	const Options *o, const FleetMember *members, size_t n, GError **err) SL_MUST_USE;
