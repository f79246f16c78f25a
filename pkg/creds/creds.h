/* As whom to speak to one API server: owns the HttpEndpoint that requests name, and keeps it true
 * while tokens and certificates change. Files are looked at when a refresh is asked for, tokens of
 * plugins live as long as they say. Secrets never appear in an error. */
#pragma once
#include "creds/kubeconfig.h"
#include "loop/loop.h"
#include <systemd/sd-event.h>

enum {
	CREDS_FILE_SEC = 60, /* files are read again after this long (client-go transport) */
	CREDS_LEEWAY_SEC = 10, /* a plugin's token counts as expired this long before it is */
	CREDS_EXEC_GAP_SEC = 10, /* between two runs of a plugin whose token was rejected */
	CREDS_TOKEN_MAX_BYTES = 64 << 10,
	CREDS_PEM_MAX_BYTES = 1 << 20,
};

typedef struct CredsOptions {
	sd_event *event; /* NULL: exec plugins are refused */
	Loop loop;
	const char *context; /* NULL: the file's current-context */
	const char *proxy_url; /* instead of the file's */
	int exec_timeout_sec; /* 0 = CREDS_EXEC_TIMEOUT_SEC */
} CredsOptions;

typedef struct Creds Creds;

/* Reads no other file: what the kubeconfig names is read at the first refresh. Errors as
 * creds_spec_from_kubeconfig(). */
Creds *creds_from_kubeconfig(
	const CredsOptions *o, const CredsFile *files, size_t n_files, GError **err) SL_MUST_USE;
/* A pod's service account: dir holds token, ca.crt and namespace (NULL = the usual place); host and
 * port are those of KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT. */
Creds *creds_in_cluster(const CredsOptions *o, const char *dir, const char *host, const char *port,
	GError **err) SL_MUST_USE;
/* A copy of the endpoint that nothing renews. */
Creds *creds_static(Loop loop, const HttpEndpoint *e);
void creds_free(Creds *c); /* waiting completions are dropped; NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Creds, creds_free)

const HttpEndpoint *creds_endpoint(const Creds *c); /* borrowed, changes at refreshes */
const HttpHeader *creds_headers(const Creds *c, size_t *ret_n); /* impersonation of the file */
const char *creds_namespace(const Creds *c);
const char *creds_origin(const Creds *c); /* "context X of FILE" */
/* Grows when token, password or certificate change; never 0. */
unsigned creds_revision(const Creds *c);
/* When the client certificate that the file names ends, in seconds since 1970; false: it names
 * none. What a plugin gives is the plugin's to renew. */
bool creds_certificate_end(const Creds *c, int64_t *ret_sec);
/* False: ask for a refresh before the next request. */
bool creds_fresh(const Creds *c);

/* err is NULL when there are credentials to try: REFUSED when there are none, or when the server
 * rejected these and nothing newer was found. */
typedef void CredsDone(const GError *err, void *ud);
/* rejected: the creds_revision() of a request that was answered by 401, or 0. Returns an id that is
 * never 0. All that ask at the same time share one run of a plugin. done is never called from
 * inside; it must not free c. */
uint64_t creds_refresh(Creds *c, unsigned rejected, CredsDone *done, void *ud);
void creds_forget(Creds *c, uint64_t *id);
