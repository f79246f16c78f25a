/* One run of an exec plugin: started without a shell, with a deadline and a bound on what it says.
 * Source: k8s.io/client-go plugin/pkg/client/auth/exec, client.authentication.k8s.io/v1. Its
 * standard error is discarded: it may hold secrets. */
#pragma once
#include "creds/kubeconfig.h"
#include "loop/loop.h"
#include <systemd/sd-event.h>

enum {
	CREDS_EXEC_TIMEOUT_SEC = 30,
	CREDS_EXEC_MAX_BYTES = 1 << 20,
};

/* What a plugin gave; strings may be NULL, one of token and certificate is there. */
typedef struct CredsExecResult {
	char *token, *cert_pem, *key_pem;
	int64_t expires_usec; /* wall time, INT64_MAX = never */
} CredsExecResult;
void creds_exec_result_clear(CredsExecResult *r);

/* err is NULL on success; the receiver may steal strings from r. */
typedef void CredsExecDone(CredsExecResult *r, const GError *err, void *ud);

typedef struct CredsExecRun CredsExecRun;
/* Never NULL: a plugin that cannot be started is told to done, later, as REFUSED. timeout_sec 0 =
 * CREDS_EXEC_TIMEOUT_SEC. Freeing kills the plugin and everything in its process group; done is
 * called at most once, and the run is still the caller's to free then. */
CredsExecRun *creds_exec_start(sd_event *event, Loop loop, const CredsExec *x, int timeout_sec,
	CredsExecDone *done, void *ud);
void creds_exec_free(CredsExecRun *r); /* NULL is fine */

/* The text of an ExecCredential: INVALID without any part of it in the message. */
bool creds_exec_parse(const char *text, size_t len, const char *api_version, CredsExecResult *ret,
	GError **err) SL_MUST_USE;
