/* Telling people. Each hold, rollback, wanted approval and end of a run becomes one notice for each
 * receiver that wants it: an item below the fleet with one act, so it is sent from the journal and
 * survives restarts like everything else. Nothing waits for a notice. The cause's record gives the
 * Idempotency-Key, so a notice keeps it for good, and the same batch that makes the notices of a
 * cause notes that the cause is dealt with. */
#pragma once
#include "fleet/fleet.h"
#include "saga/saga.h"

enum {
	NOTICE_KEEP_SEC = 7 * 24 * 3600, /* then nobody needs to hear of it any more */
	NOTICE_TEXT_MAX_BYTES = 700, /* of a reason; receivers have bounds of their own */
	NOTICE_LATE_SEC = 600, /* waiting longer needs a person */
};
/* The name of their site in records: no cluster can be called so. */
#define NOTICE_SITE "@notify"

extern const ItemKind notice_kind;
extern const ActRow act_notice;

typedef struct Notices Notices;
Notices *notices_new(Fleet *f);
void notices_free(Notices *n); /* before the engine; NULL is fine */
void notices_set(Notices *n, const json_t *receivers);
Site *notices_site(const Notices *n);
/* A record was applied, live or at replay. */
void notices_applied(Notices *n, const Record *r, const json_t *body, bool replay);
void notices_start(Notices *n); /* the replay is over */

/* Array of {"receiver","waiting","sent","givenUp","oldestSeconds","error"}. New reference. */
json_t *notices_json(Notices *n);
void notices_metrics(Notices *n, GString *s);

/* notice-text.c: what the placeholders of a template stand for. NULL: the record is no cause.
 * New reference. */
typedef enum { NOTICE_HOLD = 1, NOTICE_ROLLBACK = 2, NOTICE_END = 4, NOTICE_APPROVAL = 8 } NoticeOn;
unsigned notice_events(Fleet *f, const Record *r, const json_t *body); /* a sum of NoticeOn; 0 */
json_t *notice_fields(Fleet *f, const Record *r, const json_t *body);
const char *notice_event_name(NoticeOn on);
