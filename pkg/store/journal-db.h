/* The file of the journal: what the writer (store-sqlite.h) and the offline readers (audit.h)
 * share. Tables, schema version 1: record(seq, wall_usec, kind, body, hash)   the records, seq
 * without gaps mark('base', seq, hash)                    the last record that was pruned; 0 and
 * zeros at first mark('head', seq, hash)                    the last record, so that a cut tail is
 * noticed */
#pragma once
#include "store/chain.h"
#include <sqlite3.h>

enum { JOURNAL_SCHEMA = 1, JOURNAL_APPLICATION_ID = 0x53484c4b, JOURNAL_BUSY_MSEC = 250 };

typedef struct JournalMark {
	int64_t seq;
	ChainHash hash;
} JournalMark;

/* Sets err from the state of the connection. FULL and failed writes: REFUSED; busy: RETRY; a file
 * that is damaged or no journal: CONFLICT; a failed sync: UNKNOWN_OUTCOME. Returns false. */
bool journal_fail(sqlite3 *db, const char *path, const char *what, GError **err);
bool journal_exec(sqlite3 *db, const char *path, const char *sql, GError **err);

/* Opens an existing journal for reading; the daemon may be writing to it. NOT_FOUND when there is
 * none, REFUSED when it was written by a newer version, CONFLICT when it is something else. */
sqlite3 *journal_open_read(const char *path, GError **err);
/* Is it a journal of a version we know? *ret_empty (may be NULL): a new file without tables is
 * fine. */
bool journal_check_schema(sqlite3 *db, const char *path, bool *ret_empty, GError **err);

bool journal_read_mark(
	sqlite3 *db, const char *path, const char *name, JournalMark *ret, GError **err);
bool journal_write_mark(
	sqlite3 *db, const char *path, const char *name, const JournalMark *m, GError **err);

/* Reads the records after after_seq in order and proves the chain on the way: CONFLICT names the
 * first record that is wrong. each may be NULL. ret_last (may be NULL): the last one read. */
bool journal_walk(sqlite3 *db, const char *path, int64_t after_seq, StoreEach *each, void *ud,
	JournalMark *ret_last, GError **err);
