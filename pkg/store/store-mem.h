/* A journal in memory on a simulated loop, with a crash point at each batch. */
#pragma once
#include "loop/loop-sim.h"
#include "store/store.h"

typedef enum {
	STORE_FAULT_NONE,
	STORE_FAULT_CRASH_BEFORE, /* crash hook, then the batch is not there */
	STORE_FAULT_LOST, /* the batch was handed over and never became durable, then crash */
	STORE_FAULT_UNACKNOWLEDGED /* the batch is durable, then crash before done */
} StoreFault;

typedef struct StoreMem StoreMem;
StoreMem *store_mem_new(LoopSim *loop);
void store_mem_free(StoreMem *s);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(StoreMem, store_mem_free)
Store store_mem_store(StoreMem *s);

/* Asked before each batch (n from 0). For every kind but NONE crash(ud) is called by the loop
 * afterwards, and done is not. */
typedef StoreFault StoreMemFaults(uint64_t n, void *ud);
void store_mem_set_faults(StoreMem *s, StoreMemFaults *faults, LoopFn *crash, void *ud);
uint64_t store_mem_batches(const StoreMem *s);
size_t store_mem_len(const StoreMem *s);
const Record *store_mem_get(const StoreMem *s, size_t i);
/* Completions that are still to come are dropped: the process died. */
void store_mem_crash(StoreMem *s);
