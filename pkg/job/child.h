/* One child process: input on its stdin, stdout and stderr gathered up to a bound, its end by
 * pidfd. Nothing here waits: the owner polls the four descriptors (sd-event or poll) and calls
 * child_serve(). */
#pragma once
#include "base/error.h"

typedef enum { CHILD_IN, CHILD_OUT, CHILD_ERR, CHILD_EXIT, CHILD_N_STREAMS } ChildStream;

/* All borrowed for the call, but input: that is copied. */
typedef struct ChildSpec {
	char *const *argv; /* argv[0] is the program's path; NULL at the end */
	char *const *envp;
	const void *input;
	size_t n_input;
	size_t max_out_bytes; /* one byte more and the child is killed */
	size_t max_err_bytes; /* the rest is read and dropped */
} ChildSpec;

typedef struct Child Child;
/* The child gets default signals, an empty mask and no other descriptor than these three. */
Child *child_start(const ChildSpec *spec, GError **err) SL_MUST_USE;
void child_free(Child *c); /* kills it when it still runs, and waits for its end */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Child, child_free)

int child_fd(const Child *c, ChildStream s); /* -1 once nothing more is to come */
bool child_wants_write(ChildStream s); /* else it wants to read */
void child_serve(Child *c, ChildStream s); /* does what is possible without waiting */
void child_kill(Child *c);
int child_pid(const Child *c);

bool child_ended(const Child *c); /* dead, reaped, and all it said is here */
bool child_overflowed(const Child *c);
int child_exit_code(const Child *c); /* -1: a signal ended it */
int child_signal(const Child *c); /* 0: it exited */
const char *child_out(const Child *c, size_t *ret_len); /* NUL-terminated, borrowed */
const char *child_err(const Child *c); /* as text on one line, borrowed */
