/* One connection to one sshd: found, proven by its host key, logged in. Nothing waits for longer
 * than its deadlines; a server that goes silent is asked for a sign of life and then given up. */
#pragma once
#include "base/error.h"
#include "ssh/deadline.h"

typedef struct SshTarget {
	const char *host, *user; /* borrowed */
	int port;
	const char *key; /* text of a private key; NULL: the agent */
	const char *key_name; /* how errors call it */
	const char *agent; /* socket; NULL: $SSH_AUTH_SOCK */
	const char *known_hosts; /* text */
	int keepalive_msec;
} SshTarget;

typedef struct Ssh Ssh;
/* session must outlive it. RETRY: not reached, silent, cut. REFUSED: host key, algorithms, login.
 * INVALID: the key is no key. */
Ssh *ssh_open(const SshTarget *target, const Deadline *session, GError **err) SL_MUST_USE;
void ssh_close(Ssh *s);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Ssh, ssh_close)

typedef struct SshCall {
	const char *command; /* for the user's shell */
	const void *input; /* its stdin */
	size_t n_input;
	int input_fd; /* what follows it; -1: nothing */
	size_t max_out_bytes; /* one byte more and the call fails with REFUSED */
	unsigned msec;
} SshCall;

typedef struct SshResult {
	GByteArray *out; /* with a NUL after its end, which len does not count */
	char *err; /* at most SSH_MAX_STDERR_BYTES; the rest is dropped */
	int exit_code; /* -1: ended by a signal */
	char *signal; /* "KILL"; NULL: it exited */
	bool sent; /* the command was handed over, so it may have run; true also on errors */
} SshResult;
void ssh_result_clear(SshResult *r);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SshResult, ssh_result_clear)

enum { SSH_MAX_STDERR_BYTES = 8192, SSH_KEEPALIVE_LOST = 3 };

/* Runs a command and gathers what it says. ret is filled as far as it got, also on errors: RETRY
 * the connection was lost or a deadline passed, REFUSED the bound or the server. */
bool ssh_call(Ssh *s, const SshCall *call, SshResult *ret, GError **err) SL_MUST_USE;
