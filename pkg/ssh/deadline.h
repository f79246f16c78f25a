/* When waiting ends: a timer of the machine (suspended time counts) that poll() can watch, so that
 * nothing here reads a clock. */
#pragma once
#include "base/error.h"

typedef struct Deadline {
	int fd; /* -1: none */
	unsigned msec;
} Deadline;

bool deadline_begin(Deadline *d, unsigned msec, GError **err);
void deadline_clear(Deadline *d);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Deadline, deadline_clear)

typedef enum { WAIT_READY, WAIT_LATE, WAIT_LATE_COMMAND, WAIT_SILENT } WaitEnd;
/* Until fd is ready for events (POLLIN, POLLOUT), or one of the two is over, or nothing happened
 * for so long. command may be NULL. */
WaitEnd deadline_wait(
	const Deadline *session, const Deadline *command, int fd, short events, int silence_msec);
