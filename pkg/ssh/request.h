/* What the operations of ssh.h share: the request's members, and one command over one session. */
#pragma once
#include "ssh/session.h"
#include "ssh/ssh.h"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_t, json_decref)

/* A member that must be a string and not empty; NULL with INVALID. Borrowed. */
const char *request_text(const json_t *request, const char *name, GError **err);
/* A member that may be missing, within [min, max]; false with INVALID. */
bool request_number(const json_t *request, const char *name, int64_t def, int64_t min, int64_t max,
	int64_t *ret, GError **err);
/* The text behind {"file": PATH} or {"text": TEXT}; caller frees. */
char *request_secret(const json_t *request, const char *name, GError **err);

char *shell_quote(const char *text); /* for sh; caller frees */

typedef struct NodeCall {
	const char *command; /* words that are quoted, for sh */
	const void *input;
	size_t n_input;
	int input_fd; /* -1: none */
	size_t max_out_bytes;
	bool effects; /* a connection cut in the middle is UNKNOWN_OUTCOME */
} NodeCall;

/* Opens the session of the request, becomes root where it says so, runs the command. */
bool node_call(const json_t *request, const NodeCall *call, SshResult *ret, GError **err);

json_t *ssh_op_run(const json_t *request, GError **err);
json_t *ssh_op_start(const json_t *request, GError **err);
json_t *ssh_op_look(const json_t *request, GError **err);
json_t *ssh_op_put(const json_t *request, GError **err);
json_t *ssh_op_get(const json_t *request, GError **err);
json_t *ssh_op_fetch(const json_t *request, GError **err);
/* After "to" has come: of the folders beside its own the newest "keep" stay (0: all), its own and
 * "keepKeys". */
bool fetch_prune(const json_t *request, const char *to, GError **err);
