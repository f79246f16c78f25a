/* Waking instead of polling: a watch over a small collection that makes a fact unread when
 * something of it changed, so that a step which waits for minutes asks again at once, and else
 * rarely. The fact itself is still a read of its own, sent afterwards: a watch proves nothing about
 * our own writes. */
#pragma once
#include "providers/target.h"

/* One row a collection, in the provider's table. */
typedef struct WakeRow {
	const char *collection; /* NULL ends a table */
	const FactRow *row; /* what becomes unread, with the key */
	const char *key;
	/* What of an object matters: equal texts, nothing happened. Caller frees. NULL: every
	 * change of the version. */
	char *(*signature)(const json_t *object);
} WakeRow;

enum { WAKE_STALE_SEC = 180, WAKE_POLL_SEC = 60 };

/* From a tick: asks for the watch where there is none yet. True while it is in step with the
 * server: the step may wait WAKE_POLL_SEC. False: it has to poll. */
bool target_awake(Item *it, const char *collection);
/* The cluster's part of the run is over: no connection stays. */
void target_sleep(Target *t);
