/* Where notices leave: a queue for each receiver of ControllerConfig.notify. One notice of a
 * receiver is under way at a time, oldest first, tried again under the same Idempotency-Key until
 * the receiver says 2xx; nothing else counts as taken, a redirect is not followed. A receiver that
 * is down makes only its own queue wait. What is not answered yet lives in the journal: this queue
 * is filled again from there. */
#pragma once
#include "fleet/fleet.h"
#include "saga/saga.h"

enum {
	OUTBOX_BACKOFF_MAX_SEC = 300, /* between two tries at a receiver, or of one notice */
	OUTBOX_TIMEOUT_SEC = 15, /* of a first try; each further one may take twice as long */
	OUTBOX_TIMEOUT_MAX_SEC = 120,
	OUTBOX_ANSWER_MAX_BYTES = 1 << 20,
};

typedef struct Outbox Outbox;
/* connect.receiver gives the endpoints; without one every try fails with the reason. */
Outbox *outbox_new(Loop loop, Http http, Log log, const FleetConnect *connect);
void outbox_free(Outbox *o); /* NULL is fine; no completion comes any more */

/* spec.notify with its defaults; notices for a receiver that is gone are answered NOT_APPLIED. */
void outbox_set(Outbox *o, const json_t *receivers);
size_t outbox_n(const Outbox *o);
const json_t *outbox_nth(const Outbox *o, size_t i); /* its entry; borrowed */
const json_t *outbox_find(const Outbox *o, const char *name); /* NULL: not configured */

/* Sends until the receiver has it, or until give_up_usec (boot time): then done with NOT_APPLIED.
 * fields: what the placeholders stand for; a new reference is taken. Returns an id that is never
 * 0. */
uint64_t outbox_send(Outbox *o, const char *receiver, const char *key, json_t *fields,
	int64_t give_up_usec, ActDone *done, void *ud);
void outbox_forget(Outbox *o, uint64_t id);

/* What a receiver was last told to wait for; NULL: it answers, or was not asked yet. Borrowed. */
const char *outbox_error(const Outbox *o, const char *receiver);
