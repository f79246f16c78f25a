/* How the fleet reaches what is outside of it. */
#pragma once
#include "creds/creds.h"
#include "http/http.h"

/* How the outside of one cluster is reached. The daemon reads kubeconfigs and token files
 * (fleet/connect.h); a simulation knows its own addresses. */
typedef struct FleetConnect {
	/* Credentials for spec.access; NULL: err says why there are none (then every read of the
	 * cluster fails with it). */
	Creds *(*creds)(void *ud, const json_t *cluster, GError **err);
	/* An endpoint for one entry of spec.telemetry; owned by the callee until the fleet is
	 * freed. */
	const HttpEndpoint *(*telemetry)(
		void *ud, const json_t *cluster, const json_t *source, GError **err);
	void *ud;
	/* Where one entry of ControllerConfig.notify is posted; asked before each try, so that a
	 * changed file counts at once. Owned by the callee until the fleet is freed, and not
	 * changed before the next such call. NULL: nobody can be told. */
	const HttpEndpoint *(*receiver)(void *ud, const json_t *notify, GError **err);
	/* What every request of the worker for spec.actuator has: mirror, url, branch, credential;
	 * new reference. NULL: err says why. The function may be NULL: no actuator git here. */
	json_t *(*git)(void *ud, const json_t *cluster, GError **err);
	/* The same for spec.nodeAccess: user, port, become, key, knownHosts. The function may be
	 * NULL: no node can be reached here. */
	json_t *(*node)(void *ud, const json_t *cluster, GError **err);
} FleetConnect;
