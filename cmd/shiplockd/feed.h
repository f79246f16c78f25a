/* The events that people follow: what the fleet tells, kept for a while and sent to all who listen.
 * An event is the object `-o json` prints, kind Event. */
#pragma once
#include "fleet/fleet.h"
#include "web/web.h"

enum {
	FEED_KEEP =
		4096, /* events in memory; older ones come from the journal, without their text */
	FEED_BODY_MAX_BYTES = 16 << 10, /* bodies beyond are left out: snapshots of plans */
	FEED_BURST_BYTES = 512 << 10, /* sent to a listener at once; then the stream ends, and the
					 listener comes again with the last id that it saw */
};

typedef struct Feed Feed;
/* last_seq: of the journal before the fleet replays it; what would not be kept is not read. */
Feed *feed_new(Store store, int64_t last_seq);
void feed_free(Feed *f); /* after the servers whose streams it feeds; NULL is fine */

FleetListener feed_listener; /* ud is the Feed */
/* Turns the request into a stream: everything after that record, then what comes. after < 0: only
 * what comes. */
void feed_stream(Feed *f, WebRequest *r, int64_t after);
/* What is put in front of live events where it has to be made from a record alone. New reference.
 */
json_t *feed_record_event(const Record *r, const json_t *body);
