/* A journal in memory on a simulated loop, with a crash point at each batch. */
#pragma once
#include "loop/loop-sim.h"
#include "store/store.h"

typedef enum {
	STORE_FAULT_NONE,
	STORE_FAULT_CRASH_BEFORE, /* the process dies before the batch is written */
	STORE_FAULT_LOST, /* the batch is written, and lost with the power before it was durable */
	STORE_FAULT_UNACKNOWLEDGED, /* the batch is durable; the process dies before it hears of it
				     */
	STORE_FAULT_CRASH_AFTER, /* the batch is durable and acted on; then the process dies */
	STORE_FAULT_ERROR, /* the disk says no: done gets an error and nothing of the batch is there
			    */
} StoreFault;

typedef struct StoreMem StoreMem;
StoreMem *store_mem_new(LoopSim *loop);
void store_mem_free(StoreMem *s);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(StoreMem, store_mem_free)
Store store_mem_store(StoreMem *s);
/* As a backup taken now and restored elsewhere: the same records, a life of its own. */
StoreMem *store_mem_copy(const StoreMem *s);

/* Asked before each batch, n counting from 0. crash(ud) is called by the loop, not from inside the
 * append, and must end in store_mem_crash. */
typedef StoreFault StoreMemFaults(uint64_t n, void *ud);
void store_mem_set_faults(StoreMem *s, StoreMemFaults *faults, LoopFn *crash, void *ud);
uint64_t store_mem_batches(const StoreMem *s);
size_t store_mem_len(const StoreMem *s);
const Record *store_mem_get(const StoreMem *s, size_t i);
void store_mem_crash(
	StoreMem *s); /* the process died: a completion that is still to come is dropped */
