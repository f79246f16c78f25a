#include "store/store-sqlite.h"
#include "base/file.h"
#include "store/journal-db.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { PAGE_BYTES = 4096 }; /* what SQLite uses for a new file */

struct StoreSqlite {
	Loop loop;
	char *path;
	int lock_fd;
	sqlite3 *db;
	sqlite3_stmt *insert;
	JournalMark base, head;
	Record *const *batch;
	size_t n_batch;
	StoreDone *done;
	void *done_ud;
	uint64_t timer;
	int64_t append_usec;
	bool writable;
	char *broken; /* why nothing may be written any more: an outcome is not known */
};

static const char schema_sql[] =
	"BEGIN IMMEDIATE;"
	"CREATE TABLE record(seq INTEGER PRIMARY KEY, wall_usec INTEGER NOT NULL, kind TEXT NOT "
	"NULL,"
	" body TEXT NOT NULL, hash BLOB NOT NULL) STRICT;"
	"CREATE TABLE mark(name TEXT PRIMARY KEY, seq INTEGER NOT NULL, hash BLOB NOT NULL) STRICT;"
	"INSERT INTO mark VALUES('base', 0, zeroblob(32)), ('head', 0, zeroblob(32));"
	"PRAGMA application_id = 1397247051;"
	"PRAGMA user_version = 1;"
	"COMMIT";
G_STATIC_ASSERT(JOURNAL_APPLICATION_ID == 1397247051 && JOURNAL_SCHEMA == 1 && CHAIN_BYTES == 32);

/* The lock is a file beside the journal, held by flock: it goes with the process, however that
 * ends. */
static bool take_lock(StoreSqlite *s, GError **err)
{
	g_autofree char *path = g_strconcat(s->path, ".lock", NULL);
	char pid[32] = "";
	s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->lock_fd < 0)
		return sl_fail(err, errno == ENOENT ? SL_ERR_NOT_FOUND : SL_ERR_REFUSED,
			"%s: cannot open: %s", path, g_strerror(errno));
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		ssize_t n = pread(s->lock_fd, pid, sizeof pid - 1, 0);
		(void)n;
		return sl_fail(err, SL_ERR_REFUSED,
			"journal %s: process %s is writing to it already; only one may", s->path,
			*pid ? g_strstrip(pid) : "(unknown)");
	}
	int len = snprintf(pid, sizeof pid, "%d\n", getpid());
	if (ftruncate(s->lock_fd, 0) < 0 || pwrite(s->lock_fd, pid, (size_t)len, 0) != len)
		return sl_fail(
			err, SL_ERR_REFUSED, "%s: cannot write: %s", path, g_strerror(errno));
	return true;
}

static int integrity_row(void *ud, int n, char **values, char **names)
{
	GString *problems = ud;
	if (n > 0 && values[0] && strcmp(values[0], "ok") != 0)
		g_string_append_printf(problems, "%s%s", problems->len ? "; " : "", values[0]);
	return 0;
}

static bool check_integrity(StoreSqlite *s, GError **err)
{
	g_autoptr(GString) problems = g_string_new("");
	if (sqlite3_exec(s->db, "PRAGMA integrity_check(3)", integrity_row, problems, NULL) !=
		SQLITE_OK)
		return journal_fail(s->db, s->path, "cannot be checked", err);
	if (problems->len)
		return sl_fail(
			err, SL_ERR_CONFLICT, "journal %s: is damaged: %s", s->path, problems->str);
	return true;
}

static bool open_db(StoreSqlite *s, GError **err)
{
	/* Made here and not by SQLite, which would ask only the umask; WAL and shm get the same
	 * mode. */
	SL_AUTO_FD fd = open(s->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return sl_fail(err, SL_ERR_REFUSED, "journal %s: cannot open: %s", s->path,
			g_strerror(errno));
	/* Closed before SQLite opens it: closing any descriptor of a file drops its POSIX locks. */
	sl_close(&fd);
	int r = sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (r != SQLITE_OK)
		return journal_fail(s->db, s->path, "cannot open", err);
	sqlite3_extended_result_codes(s->db, 1);
	sqlite3_busy_timeout(s->db, JOURNAL_BUSY_MSEC);
	return true;
}

static bool set_pragmas(StoreSqlite *s, GError **err)
{
	static const char *const pragmas[] = { "PRAGMA journal_mode = WAL",
		"PRAGMA synchronous = FULL", "PRAGMA trusted_schema = OFF" };
	for (size_t i = 0; i < G_N_ELEMENTS(pragmas); i++)
		if (!journal_exec(s->db, s->path, pragmas[i], err))
			return false;
	return true;
}

static bool prepare_insert(StoreSqlite *s, GError **err)
{
	static const char sql[] =
		"INSERT INTO record(seq, wall_usec, kind, body, hash) VALUES (?, ?, ?, ?, ?)";
	if (sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &s->insert, NULL) ==
		SQLITE_OK)
		return true;
	return journal_fail(s->db, s->path, "is it damaged?", err);
}

static bool prepare_db(StoreSqlite *s, GError **err)
{
	bool empty = false;
	if (!journal_check_schema(s->db, s->path, &empty, err) || !set_pragmas(s, err))
		return false;
	if (empty && !journal_exec(s->db, s->path, schema_sql, err))
		return false;
	return check_integrity(s, err) &&
	       journal_read_mark(s->db, s->path, "base", &s->base, err) &&
	       journal_read_mark(s->db, s->path, "head", &s->head, err) && prepare_insert(s, err);
}

StoreSqlite *store_sqlite_open(const char *path, Loop loop, GError **err)
{
	g_autoptr(StoreSqlite) s = g_new0(StoreSqlite, 1);
	s->loop = loop;
	s->path = g_strdup(path);
	s->lock_fd = -1;
	s->writable = true;
	if (!take_lock(s, err) || !open_db(s, err) || !prepare_db(s, err))
		return NULL;
	return g_steal_pointer(&s);
}

void store_sqlite_free(StoreSqlite *s)
{
	if (!s)
		return;
	if (s->timer)
		loop_cancel(s->loop, &s->timer);
	sqlite3_finalize(s->insert);
	sqlite3_close(s->db);
	sl_close(&s->lock_fd);
	g_free(s->path);
	g_free(s->broken);
	g_free(s);
}

static bool insert_one(StoreSqlite *s, Record *r, JournalMark *at, GError **err)
{
	at->hash = chain_next(&at->hash, at->seq + 1, r);
	at->seq++;
	sqlite3_stmt *st = s->insert;
	sqlite3_bind_int64(st, 1, at->seq);
	sqlite3_bind_int64(st, 2, r->wall_usec);
	sqlite3_bind_text(st, 3, r->kind, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 4, r->body, -1, SQLITE_STATIC);
	sqlite3_bind_blob(st, 5, at->hash.bytes, CHAIN_BYTES, SQLITE_STATIC);
	bool ok = sqlite3_step(st) == SQLITE_DONE;
	if (!ok)
		journal_fail(s->db, s->path, "cannot append", err);
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return ok;
}

static bool insert_all(StoreSqlite *s, JournalMark *at, GError **err)
{
	for (size_t i = 0; i < s->n_batch; i++)
		if (!insert_one(s, s->batch[i], at, err))
			return false;
	return journal_write_mark(s->db, s->path, "head", at, err);
}

static bool write_batch(StoreSqlite *s, GError **err)
{
	if (s->broken)
		return sl_fail(err, SL_ERR_UNKNOWN_OUTCOME, "%s", s->broken);
	JournalMark at = s->head;
	if (!journal_exec(s->db, s->path, "BEGIN IMMEDIATE", err))
		return false;
	g_autoptr(GError) why = NULL;
	if (!insert_all(s, &at, &why) || !journal_exec(s->db, s->path, "COMMIT", &why)) {
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
		/* A failed sync may have reached the disk, and the kernel tells it only once. */
		if (why->code == SL_ERR_UNKNOWN_OUTCOME || !sqlite3_get_autocommit(s->db)) {
			why->code = SL_ERR_UNKNOWN_OUTCOME;
			s->broken = g_strdup(why->message);
		}
		g_propagate_error(err, g_steal_pointer(&why));
		return false;
	}
	for (size_t i = 0; i < s->n_batch; i++)
		s->batch[i]->seq = s->head.seq + 1 + (int64_t)i;
	s->head = at;
	return true;
}

static void run_batch(void *ud)
{
	StoreSqlite *s = ud;
	g_autoptr(GError) err = NULL;
	s->timer = 0;
	int64_t start = loop_boot_usec(s->loop);
	s->writable = write_batch(s, &err);
	s->append_usec = loop_boot_usec(s->loop) - start;
	StoreDone *done = s->done;
	s->done = NULL;
	s->batch = NULL;
	done(err, s->done_ud);
}

static void sqlite_append(void *self, Record *const *r, size_t n, StoreDone *done, void *ud)
{
	StoreSqlite *s = self;
	g_assert(n > 0 && !s->done);
	s->batch = r;
	s->n_batch = n;
	s->done = done;
	s->done_ud = ud;
	s->timer = loop_defer(s->loop, run_batch, s);
}

static bool sqlite_replay(void *self, int64_t after_seq, StoreEach *each, void *ud, GError **err)
{
	StoreSqlite *s = self;
	return journal_walk(s->db, s->path, after_seq, each, ud, NULL, err);
}

static const StoreOps sqlite_ops = { .append = sqlite_append, .replay = sqlite_replay };

Store store_sqlite_store(StoreSqlite *s)
{
	return (Store){ &sqlite_ops, s };
}

int64_t store_sqlite_last_seq(const StoreSqlite *s)
{
	return s->head.seq;
}

int64_t store_sqlite_first_seq(const StoreSqlite *s)
{
	return s->base.seq + 1;
}

int64_t store_sqlite_append_usec(const StoreSqlite *s)
{
	return s->append_usec;
}

bool store_sqlite_writable(const StoreSqlite *s)
{
	return s->writable;
}

bool store_sqlite_set_max_bytes(StoreSqlite *s, int64_t max_bytes, GError **err)
{
	g_autofree char *sql =
		g_strdup_printf("PRAGMA max_page_count = %" PRId64, MAX(max_bytes / PAGE_BYTES, 1));
	return journal_exec(s->db, s->path, sql, err);
}

static int keep_hash(void *ud, int n, char **values, char **names)
{
	ChainHash *h = ud;
	for (size_t i = 0; i < CHAIN_BYTES; i++)
		h->bytes[i] = (unsigned char)(g_ascii_xdigit_value(values[0][2 * i]) << 4 |
					      g_ascii_xdigit_value(values[0][2 * i + 1]));
	return 0;
}

static bool prune_to(StoreSqlite *s, int64_t before_seq, GError **err)
{
	JournalMark base = { .seq = before_seq - 1 };
	g_autofree char *ask =
		g_strdup_printf("SELECT hex(hash) FROM record WHERE seq = %" PRId64, base.seq);
	g_autofree char *drop =
		g_strdup_printf("DELETE FROM record WHERE seq < %" PRId64, before_seq);
	if (sqlite3_exec(s->db, ask, keep_hash, &base.hash, NULL) != SQLITE_OK)
		return journal_fail(s->db, s->path, "cannot prune", err);
	if (!journal_write_mark(s->db, s->path, "base", &base, err) ||
		!journal_exec(s->db, s->path, drop, err))
		return false;
	if (!journal_exec(s->db, s->path, "COMMIT", err))
		return false;
	s->base = base;
	return true;
}

bool store_sqlite_prune(StoreSqlite *s, int64_t before_seq, int64_t *ret_n, GError **err)
{
	g_assert(!s->done);
	if (before_seq > s->head.seq + 1)
		return sl_fail(err, SL_ERR_INVALID,
			"journal %s: cannot prune before record %" PRId64 ": it ends at %" PRId64,
			s->path, before_seq, s->head.seq);
	int64_t n = MIN(before_seq - (s->base.seq + 1), STORE_PRUNE_MAX);
	if (n > 0) {
		if (!journal_exec(s->db, s->path, "BEGIN IMMEDIATE", err))
			return false;
		if (!prune_to(s, s->base.seq + 1 + n, err)) {
			sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
			return false;
		}
	}
	*ret_n = MAX(n, 0);
	return true;
}
