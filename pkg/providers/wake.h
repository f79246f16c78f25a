/* Waking instead of polling: a watch over a small collection tells when something of it changed, so
 * that a step which waits for minutes looks again at once, and else asks rarely.
 *
 * Where the fact shows the object as the watch knew it just before, it follows the change and no
 * read is sent: it then shows what its read showed, or later. In every other case (the read had
 * overtaken the watch, an object came or went, a read is under way) it becomes unread, and is read
 * anew. A watch proves nothing about our own writes: the fact keeps the time of its read. */
#pragma once
#include "providers/target.h"

/* One row a collection, in the provider's table. */
typedef struct WakeRow {
	const char *collection; /* NULL ends a table */
	const FactRow *row; /* what follows, with the key: an object, or the list of all */
	const char *key;
	/* What of an object matters: equal texts, nothing happened. Caller frees. NULL: every
	 * change of the version. */
	char *(*signature)(const json_t *object);
} WakeRow;

enum { WAKE_STALE_SEC = 180, WAKE_POLL_SEC = 60 };

/* From a tick: asks for the watch where there is none yet. True while it is in step with the
 * server: the step may wait WAKE_POLL_SEC. False: it has to poll. */
bool target_awake(Item *it, const char *collection);
/* fact() of the collection's row; while the watch is in step and the fact shows just what the watch
 * knows, its age does not count. For steps that wait: a gate reads for itself. */
const View *target_fact(Item *it, const char *collection);
/* The cluster's part of the run is over: no connection stays. */
void target_sleep(Target *t);
