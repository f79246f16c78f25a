/* The journal on disk: SQLite in WAL mode, synchronous=FULL, one writer. A batch is one transaction
 * with one sync, written in a turn of the loop of its own. */
#pragma once
#include "loop/loop.h"
#include "store/store.h"

typedef struct StoreSqlite StoreSqlite;

/* Opens or makes the journal (mode 0600) and takes the lock PATH.lock. REFUSED when another process
 * holds it (the text names its pid) or a newer version wrote it; CONFLICT when the file is damaged.
 */
StoreSqlite *store_sqlite_open(const char *path, Loop loop, GError **err) SL_MUST_USE;
/* A batch whose done was not called yet is dropped, or durable without anyone being told. NULL is
 * fine. */
void store_sqlite_free(StoreSqlite *s);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(StoreSqlite, store_sqlite_free)
Store store_sqlite_store(StoreSqlite *s);

int64_t store_sqlite_last_seq(const StoreSqlite *s); /* 0: empty */
int64_t store_sqlite_first_seq(const StoreSqlite *s); /* the first that was not pruned */
/* How long the last append took, and whether it worked: for the metrics. */
int64_t store_sqlite_append_usec(const StoreSqlite *s);
bool store_sqlite_writable(const StoreSqlite *s);

/* The file may not grow beyond this (rounded to pages): appends are then REFUSED like on a full
 * disk. */
bool store_sqlite_set_max_bytes(StoreSqlite *s, int64_t max_bytes, GError **err);

/* Drops records before before_seq, at most STORE_PRUNE_MAX a call, and keeps the hash of the last
 * one dropped, so that the rest still proves itself. *ret_n is how many went; 0: nothing was left
 * to do. INVALID when before_seq is beyond the last record + 1. Not while a batch is in flight. */
enum { STORE_PRUNE_MAX = 10000 };
bool store_sqlite_prune(StoreSqlite *s, int64_t before_seq, int64_t *ret_n, GError **err);
