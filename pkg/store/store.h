/* The seam of the disk: an append-only journal of records with a hash chain. store-sqlite.h is the
 * real one, store-mem.h the one of simulations. A batch is atomic: at replay all of its records are
 * there, or none. */
#pragma once
#include "base/error.h"

typedef struct Record {
	int64_t seq; /* given by the store, from 1, without gaps */
	int64_t wall_usec; /* when it was written */
	char *kind; /* plan item move intent result look hold unhold command approval epoch pivot
		       note end */
	char *body; /* canonical JSON object; the fields are the business of the engine */
} Record;

void record_free(Record *r);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Record, record_free)

/* err is NULL when all records of the batch are durable; the records then carry their seq. On an
 * error nothing of the batch will be there at replay, or (UNKNOWN_OUTCOME) that is not known: the
 * caller must stop. */
typedef void StoreDone(const GError *err, void *ud);
typedef bool StoreEach(const Record *r, void *ud); /* false stops the replay */

typedef struct StoreOps {
	/* One batch at a time; done is never called from inside. The records stay the caller's and
	 * must live until done. */
	void (*append)(void *self, Record *const *r, size_t n, StoreDone *done, void *ud);
	/* Every durable record in order. CONFLICT when the chain is broken (the message names the
	 * record). */
	bool (*replay)(void *self, int64_t after_seq, StoreEach *each, void *ud, GError **err);
} StoreOps;

typedef struct Store {
	const StoreOps *ops;
	void *self;
} Store;
