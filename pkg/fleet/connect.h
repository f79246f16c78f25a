/* How the daemon and the programs reach real clusters: the FleetConnect that reads kubeconfigs,
 * tokens and certificates from where the documents say. Relative paths are relative to the
 * working folder of the process. A secret never appears in an error, only where it should lie. */
#pragma once
#include "fleet/fleet.h"
#include <systemd/sd-event.h>

enum {
	CONNECT_REFRESH_SEC = 15, /* files of telemetry endpoints are looked at this often */
	CONNECT_KUBECONFIG_MAX_BYTES = 1 << 20,
	CONNECT_PARSED_MAX = 8, /* kubeconfigs remembered as they were read last */
	CONNECT_SECRET_MAX_BYTES = 64 << 10,
	CONNECT_YAML_TIMEOUT_MSEC = 10000,
};

typedef struct ConnectOptions {
	sd_event *event; /* NULL: kubeconfigs with an exec plugin are refused */
	Loop loop;
	const char *worker; /* path of shiplock-worker; NULL: job_worker_find() */
	const char *mirrors; /* folder for the repositories of actuators; NULL: there are none */
} ConnectOptions;

typedef struct Connect Connect;
Connect *connect_new(const ConnectOptions *o);
/* Not before the fleet is freed: endpoints die here. NULL is fine. */
void connect_free(Connect *c);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Connect, connect_free)
/* creds: the kubeconfig is YAML, so this waits for one job of the worker, a few milliseconds; the
 * same text is not read twice. telemetry: the same source of the same cluster gives the same
 * endpoint, whose token and certificates follow their files; a file that went away or became
 * unreadable changes nothing. receiver: its files are read at each call. git: one mirror for each
 * repository, below the folder of mirrors. */
FleetConnect connect_fleet(Connect *c);

/* A kubeconfig as JSON. It may hold secrets: show only names and addresses of it. Errors name the
 * path. New reference. */
json_t *connect_kubeconfig(Connect *c, const char *path, GError **err) SL_MUST_USE;

/* The text of {"file": PATH}, {"env": NAME} or {"credential": NAME} (a file in
 * $CREDENTIALS_DIRECTORY). INVALID when ref is none of these or the text is longer; NOT_FOUND when
 * there is nothing. Caller frees. */
char *connect_secret(const json_t *ref, size_t max_bytes, GError **err) SL_MUST_USE;
/* The same as the worker takes it: {"file": PATH} where there is one, else {"text": TEXT}. New
 * reference. */
json_t *connect_worker_ref(const json_t *ref, GError **err) SL_MUST_USE;
/* The path of a secret that lies in a file, NULL where it does not (env). Caller frees. */
char *connect_secret_path(const json_t *ref);
