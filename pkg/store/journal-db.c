#include "store/journal-db.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(sqlite3, sqlite3_close)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(sqlite3_stmt, sqlite3_finalize)

static SlErr code_of(int extended)
{
	if (extended == SQLITE_IOERR_FSYNC || extended == SQLITE_IOERR_DIR_FSYNC)
		return SL_ERR_UNKNOWN_OUTCOME;
	switch (extended & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return SL_ERR_RETRY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return SL_ERR_CONFLICT;
	default:
		return SL_ERR_REFUSED;
	}
}

bool journal_fail(sqlite3 *db, const char *path, const char *what, GError **err)
{
	return sl_fail(err, code_of(sqlite3_extended_errcode(db)), "journal %s: %s: %s", path, what,
		sqlite3_errmsg(db));
}

bool journal_exec(sqlite3 *db, const char *path, const char *sql, GError **err)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK)
		return true;
	return journal_fail(db, path, "cannot write", err);
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *path, const char *sql, GError **err)
{
	sqlite3_stmt *st = NULL;
	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
		journal_fail(db, path, "is it damaged?", err);
	return st;
}

static bool read_number(sqlite3 *db, const char *path, const char *sql, int64_t *ret, GError **err)
{
	g_autoptr(sqlite3_stmt) st = prepare(db, path, sql, err);
	if (!st)
		return false;
	if (sqlite3_step(st) != SQLITE_ROW)
		return journal_fail(db, path, "cannot read", err);
	*ret = sqlite3_column_int64(st, 0);
	return true;
}

bool journal_check_schema(sqlite3 *db, const char *path, bool *ret_empty, GError **err)
{
	int64_t n_tables, id, version;
	if (!read_number(db, path, "SELECT count(*) FROM sqlite_schema", &n_tables, err) ||
		!read_number(db, path, "PRAGMA application_id", &id, err) ||
		!read_number(db, path, "PRAGMA user_version", &version, err))
		return false;
	bool empty = n_tables == 0 && id == 0 && version == 0;
	if (ret_empty)
		*ret_empty = empty;
	if (empty && ret_empty)
		return true;
	if (id != JOURNAL_APPLICATION_ID)
		return sl_fail(err, SL_ERR_CONFLICT, "journal %s: is no journal of Shiplock", path);
	if (version != JOURNAL_SCHEMA)
		return sl_fail(err, SL_ERR_REFUSED,
			"journal %s: has schema %d, this program knows %d; use the version that "
			"wrote it",
			path, (int)version, JOURNAL_SCHEMA);
	return true;
}

/* On a read-only medium SQLite cannot make the shared memory of a WAL; without a WAL it needs none.
 */
static int open_immutable(const char *path, sqlite3 **ret)
{
	g_autofree char *wal = g_strconcat(path, "-wal", NULL);
	struct stat st;
	if (stat(wal, &st) == 0 && st.st_size > 0)
		return SQLITE_CANTOPEN;
	g_autofree char *full = g_canonicalize_filename(path, NULL);
	g_autofree char *escaped = g_uri_escape_string(full, "/", TRUE);
	g_autofree char *uri = g_strdup_printf("file:%s?immutable=1", escaped);
	return sqlite3_open_v2(uri, ret, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL);
}

sqlite3 *journal_open_read(const char *path, GError **err)
{
	struct stat st;
	if (stat(path, &st) < 0) {
		sl_fail(err, SL_ERR_NOT_FOUND, "journal %s: is not there", path);
		return NULL;
	}
	g_autoptr(sqlite3) db = NULL;
	int r = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL);
	if (r == SQLITE_OK)
		r = sqlite3_exec(db, "SELECT 1 FROM sqlite_schema", NULL, NULL, NULL);
	if ((r & 0xff) == SQLITE_CANTOPEN || (r & 0xff) == SQLITE_READONLY) {
		sqlite3_close(g_steal_pointer(&db));
		r = open_immutable(path, &db);
	}
	if (r != SQLITE_OK) {
		journal_fail(db, path, "cannot open", err);
		return NULL;
	}
	sqlite3_extended_result_codes(db, 1);
	sqlite3_busy_timeout(db, JOURNAL_BUSY_MSEC);
	if (!journal_check_schema(db, path, NULL, err))
		return NULL;
	return g_steal_pointer(&db);
}

static bool column_hash(sqlite3_stmt *st, int column, ChainHash *ret)
{
	const void *blob = sqlite3_column_blob(st, column);
	if (sqlite3_column_bytes(st, column) != CHAIN_BYTES)
		return false;
	memcpy(ret->bytes, blob, CHAIN_BYTES);
	return true;
}

bool journal_read_mark(
	sqlite3 *db, const char *path, const char *name, JournalMark *ret, GError **err)
{
	g_autoptr(sqlite3_stmt) st =
		prepare(db, path, "SELECT seq, hash FROM mark WHERE name = ?", err);
	if (!st)
		return false;
	sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
	if (sqlite3_step(st) != SQLITE_ROW || !column_hash(st, 1, &ret->hash))
		return sl_fail(err, SL_ERR_CONFLICT,
			"journal %s: its mark \"%s\" is missing or damaged", path, name);
	ret->seq = sqlite3_column_int64(st, 0);
	return true;
}

bool journal_write_mark(
	sqlite3 *db, const char *path, const char *name, const JournalMark *m, GError **err)
{
	g_autoptr(sqlite3_stmt) st =
		prepare(db, path, "REPLACE INTO mark(name, seq, hash) VALUES (?, ?, ?)", err);
	if (!st)
		return false;
	sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
	sqlite3_bind_int64(st, 2, m->seq);
	sqlite3_bind_blob(st, 3, m->hash.bytes, CHAIN_BYTES, SQLITE_STATIC);
	if (sqlite3_step(st) != SQLITE_DONE)
		return journal_fail(db, path, "cannot write", err);
	return true;
}

static bool read_hash_at(sqlite3 *db, const char *path, int64_t seq, JournalMark *ret, GError **err)
{
	g_autoptr(sqlite3_stmt) st =
		prepare(db, path, "SELECT hash FROM record WHERE seq = ?", err);
	if (!st)
		return false;
	sqlite3_bind_int64(st, 1, seq);
	if (sqlite3_step(st) != SQLITE_ROW || !column_hash(st, 0, &ret->hash))
		return sl_fail(err, SL_ERR_CONFLICT, "journal %s: record %" PRId64 " is missing",
			path, seq);
	ret->seq = seq;
	return true;
}

/* One row against the chain; at is the record before it and becomes this one. */
static bool check_row(
	sqlite3_stmt *st, const char *path, JournalMark *at, const Record *r, GError **err)
{
	if (r->seq != at->seq + 1)
		return sl_fail(err, SL_ERR_CONFLICT, "journal %s: record %" PRId64 " is missing",
			path, at->seq + 1);
	ChainHash stored, want = chain_next(&at->hash, r->seq, r);
	/* A NUL inside would hide what stands behind it from the hash and from every reader. */
	bool whole = strlen(r->kind) == (size_t)sqlite3_column_bytes(st, 2) &&
		     strlen(r->body) == (size_t)sqlite3_column_bytes(st, 3);
	if (!whole || !column_hash(st, 4, &stored) || !chain_equal(&stored, &want))
		return sl_fail(err, SL_ERR_CONFLICT,
			"journal %s: record %" PRId64 " is not what was written: its hash does not "
			"follow from record %" PRId64,
			path, r->seq, at->seq);
	at->seq = r->seq;
	at->hash = want;
	return true;
}

static bool check_end(
	const char *path, const JournalMark *at, const JournalMark *head, GError **err)
{
	if (at->seq < head->seq)
		return sl_fail(err, SL_ERR_CONFLICT,
			"journal %s: record %" PRId64 " is missing: the journal ends before its "
			"head, record %" PRId64,
			path, at->seq + 1, head->seq);
	if (at->seq > head->seq)
		return sl_fail(err, SL_ERR_CONFLICT,
			"journal %s: record %" PRId64 " is past the head, record %" PRId64, path,
			head->seq + 1, head->seq);
	if (!chain_equal(&at->hash, &head->hash))
		return sl_fail(err, SL_ERR_CONFLICT,
			"journal %s: record %" PRId64 " is not what was written: its hash is not "
			"that of the head",
			path, at->seq);
	return true;
}

static Record row_of(sqlite3_stmt *st)
{
	return (Record){
		.seq = sqlite3_column_int64(st, 0),
		.wall_usec = sqlite3_column_int64(st, 1),
		.kind = (char *)sqlite3_column_text(st, 2),
		.body = (char *)sqlite3_column_text(st, 3),
	};
}

static bool walk_rows(sqlite3 *db, sqlite3_stmt *st, const char *path, StoreEach *each, void *ud,
	JournalMark *at, bool *ret_stopped, GError **err)
{
	int r;
	while ((r = sqlite3_step(st)) == SQLITE_ROW) {
		const Record row = row_of(st);
		if (!check_row(st, path, at, &row, err))
			return false;
		if (each && !each(&row, ud)) {
			*ret_stopped = true;
			return true;
		}
	}
	return r == SQLITE_DONE || journal_fail(db, path, "cannot read", err);
}

static bool walk_inside(sqlite3 *db, const char *path, int64_t after_seq, StoreEach *each, void *ud,
	JournalMark *ret_last, GError **err)
{
	JournalMark at, head;
	bool stopped = false;
	if (!journal_read_mark(db, path, "head", &head, err) ||
		!journal_read_mark(db, path, "base", &at, err))
		return false;
	if (after_seq > head.seq)
		after_seq = head.seq;
	if (after_seq > at.seq && !read_hash_at(db, path, after_seq, &at, err))
		return false;
	g_autoptr(sqlite3_stmt) st = prepare(db, path,
		"SELECT seq, wall_usec, kind, body, hash FROM record WHERE seq > ? ORDER BY seq",
		err);
	if (!st)
		return false;
	sqlite3_bind_int64(st, 1, at.seq);
	if (!walk_rows(db, st, path, each, ud, &at, &stopped, err) ||
		(!stopped && !check_end(path, &at, &head, err)))
		return false;
	if (ret_last)
		*ret_last = at;
	return true;
}

/* In one transaction, so that a writer beside us cannot move the head meanwhile. */
bool journal_walk(sqlite3 *db, const char *path, int64_t after_seq, StoreEach *each, void *ud,
	JournalMark *ret_last, GError **err)
{
	if (!journal_exec(db, path, "BEGIN", err))
		return false;
	bool ok = walk_inside(db, path, after_seq, each, ud, ret_last, err);
	sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
	return ok;
}
