#include "loop/loop-event.h"
#include "store/audit.h"
#include "store/store-sqlite.h"
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct Bench {
	char *dir, *path;
	LoopEvent *l;
	StoreSqlite *s;
	bool done;
	GError *err;
} Bench;

static void bench_open(Bench *b)
{
	g_autoptr(GError) err = NULL;
	b->s = store_sqlite_open(b->path, loop_event_loop(b->l), &err);
	g_assert_no_error(err);
}

static void bench_close(Bench *b)
{
	store_sqlite_free(b->s);
	b->s = NULL;
}

static void bench_begin(Bench *b)
{
	g_autoptr(GError) err = NULL;
	*b = (Bench){ .dir = g_dir_make_tmp("sl-store-XXXXXX", NULL) };
	b->path = g_build_filename(b->dir, "journal.db", NULL);
	b->l = loop_event_new(&err);
	g_assert_no_error(err);
	bench_open(b);
}

static void bench_end(Bench *b)
{
	bench_close(b);
	loop_event_free(b->l);
	GDir *d = g_dir_open(b->dir, 0, NULL);
	for (const char *name; (name = g_dir_read_name(d));) {
		g_autofree char *path = g_build_filename(b->dir, name, NULL);
		unlink(path);
	}
	g_dir_close(d);
	g_assert_cmpint(rmdir(b->dir), ==, 0);
	g_clear_error(&b->err);
	g_free(b->dir);
	g_free(b->path);
}

static void on_done(const GError *err, void *ud)
{
	Bench *b = ud;
	b->done = true;
	b->err = err ? g_error_copy(err) : NULL;
}

/* Appends n records with bodies {"n":FIRST}... as one batch and waits; the error stays in b->err.
 */
static int64_t append(Bench *b, int first, int n)
{
	Record *r[16];
	g_assert_cmpint(n, <=, (int)G_N_ELEMENTS(r));
	for (int i = 0; i < n; i++) {
		r[i] = g_new0(Record, 1);
		r[i]->wall_usec = 1000 + first + i;
		r[i]->kind = g_strdup(i % 2 ? "result" : "intent");
		r[i]->body = g_strdup_printf("{\"n\":%d}", first + i);
	}
	Store store = store_sqlite_store(b->s);
	b->done = false;
	g_clear_error(&b->err);
	store.ops->append(store.self, r, (size_t)n, on_done, b);
	g_assert_false(b->done); /* never from inside */
	while (!b->done)
		loop_event_step(b->l, -1);
	int64_t last = r[n - 1]->seq;
	for (int i = 0; i < n; i++)
		record_free(r[i]);
	return last;
}

typedef struct Seen {
	GString *text;
	int limit;
} Seen;

static bool see(const Record *r, void *ud)
{
	Seen *s = ud;
	g_string_append_printf(
		s->text, "%" PRId64 "@%" PRId64 " %s %s\n", r->seq, r->wall_usec, r->kind, r->body);
	return --s->limit != 0;
}

static char *replay(Bench *b, int64_t after, int limit)
{
	g_autoptr(GError) err = NULL;
	Seen seen = { g_string_new(""), limit };
	Store store = store_sqlite_store(b->s);
	g_assert_true(store.ops->replay(store.self, after, see, &seen, &err));
	g_assert_no_error(err);
	return g_string_free(seen.text, FALSE);
}

static void test_round_trip(void)
{
	Bench b;
	bench_begin(&b);
	g_assert_cmpint(store_sqlite_last_seq(b.s), ==, 0);
	g_assert_cmpint(append(&b, 1, 2), ==, 2);
	g_assert_cmpint(append(&b, 3, 1), ==, 3);
	g_assert_no_error(b.err);
	bench_close(&b);
	bench_open(&b);
	g_assert_cmpint(store_sqlite_last_seq(b.s), ==, 3);
	g_autofree char *all = replay(&b, 0, -1), *tail = replay(&b, 2, -1),
			*one = replay(&b, 1, 1), *none = replay(&b, 3, -1),
			*beyond = replay(&b, 99, -1);
	g_assert_cmpstr(all, ==,
		"1@1001 intent {\"n\":1}\n2@1002 result {\"n\":2}\n3@1003 intent {\"n\":3}\n");
	g_assert_cmpstr(tail, ==, "3@1003 intent {\"n\":3}\n");
	g_assert_cmpstr(one, ==, "2@1002 result {\"n\":2}\n");
	g_assert_cmpstr(none, ==, "");
	g_assert_cmpstr(beyond, ==, "");
	struct stat st;
	g_assert_cmpint(stat(b.path, &st), ==, 0);
	g_assert_cmpint(st.st_mode & 0777, ==, 0600);
	g_assert_true(store_sqlite_writable(b.s));
	bench_end(&b);
}

/* A child holds the journal: flock is per open file, so only another process is a fair test. */
static void test_one_writer(void)
{
	Bench b;
	bench_begin(&b);
	g_autoptr(GError) err = NULL;
	g_assert_null(store_sqlite_open(b.path, loop_event_loop(b.l), &err));
	g_assert_error(err, SL_ERROR, SL_ERR_REFUSED);
	g_autofree char *pid = g_strdup_printf("process %d is writing", getpid());
	g_assert_nonnull(strstr(err->message, pid));
	g_assert_cmpint(append(&b, 1, 1), ==, 1); /* the first is not disturbed */
	bench_end(&b);
}

static void exec_raw(const char *path, const char *sql)
{
	sqlite3 *db = NULL;
	char *msg = NULL;
	g_assert_cmpint(sqlite3_open(path, &db), ==, SQLITE_OK);
	sqlite3_exec(db, sql, NULL, NULL, &msg);
	g_assert_cmpstr(msg, ==, NULL);
	sqlite3_close(db);
}

static const struct {
	const char *name, *sql, *want;
} tamperings[] = {
	{ "body", "UPDATE record SET body = '{\"n\":99}' WHERE seq = 4",
		"record 4 is not what was written: its hash does not follow from record 3" },
	{ "kind", "UPDATE record SET kind = 'note' WHERE seq = 1",
		"record 1 is not what was written: its hash does not follow from record 0" },
	{ "time", "UPDATE record SET wall_usec = wall_usec + 1 WHERE seq = 6",
		"record 6 is not what was written: its hash does not follow from record 5" },
	{ "behind a NUL", "UPDATE record SET body = body || char(0) || 'x' WHERE seq = 2",
		"record 2 is not what was written" },
	{ "border of kind and body",
		"UPDATE record SET body = substr(kind, -1) || body, kind = substr(kind, 1, "
		"length(kind) - 1) WHERE seq = 3",
		"record 3 is not what was written" },
	{ "deleted", "DELETE FROM record WHERE seq = 3", "record 3 is missing" },
	{ "deleted and closed up",
		"DELETE FROM record WHERE seq = 3; UPDATE record SET seq = seq - 1 WHERE seq > 3",
		"record 3 is not what was written" },
	{ "swapped",
		"UPDATE record SET seq = 100 WHERE seq = 2; UPDATE record SET seq = 2 WHERE seq = "
		"5;"
		"UPDATE record SET seq = 5 WHERE seq = 100",
		"record 2 is not what was written" },
	{ "cut off", "DELETE FROM record WHERE seq > 4", "record 5 is missing: the journal ends" },
	{ "emptied", "DELETE FROM record", "record 1 is missing" },
	{ "added",
		"INSERT INTO record SELECT 7, wall_usec, kind, body, hash FROM record WHERE seq=6",
		"record 7 is not what was written" },
	{ "head moved back", "UPDATE mark SET seq = 5 WHERE name = 'head'",
		"record 6 is past the head, record 5" },
	{ "head's hash", "UPDATE mark SET hash = zeroblob(32) WHERE name = 'head'",
		"record 6 is not what was written: its hash is not that of the head" },
	{ "head gone", "DELETE FROM mark WHERE name = 'head'", "mark \"head\" is missing" },
	{ "base raised", "UPDATE mark SET seq = 2 WHERE name = 'base'",
		"record 3 is not what was written" },
	{ "hash short", "UPDATE record SET hash = zeroblob(5) WHERE seq = 6",
		"record 6 is not what was written" },
};

static void expect_conflict(Bench *b, const char *want)
{
	AuditProof proof;
	g_autoptr(GError) err = NULL;
	g_assert_false(audit_verify(b->path, NULL, &proof, &err));
	g_assert_error(err, SL_ERROR, SL_ERR_CONFLICT);
	g_test_message("%s", err->message);
	g_assert_nonnull(strstr(err->message, want));
	/* The daemon does not start on it either. */
	g_autoptr(GError) at_open = NULL;
	g_autoptr(StoreSqlite) s = store_sqlite_open(b->path, loop_event_loop(b->l), &at_open);
	if (!s) {
		g_assert_error(at_open, SL_ERROR, SL_ERR_CONFLICT);
		return;
	}
	Store store = store_sqlite_store(s);
	Seen seen = { g_string_new(""), -1 };
	g_assert_false(store.ops->replay(store.self, 0, see, &seen, &at_open));
	g_assert_error(at_open, SL_ERROR, SL_ERR_CONFLICT);
	g_string_free(seen.text, TRUE);
}

static void test_tampering(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(tamperings); i++) {
		Bench b;
		g_test_message("%s", tamperings[i].name);
		bench_begin(&b);
		append(&b, 1, 4);
		append(&b, 5, 2);
		bench_close(&b);
		AuditProof proof;
		g_autoptr(GError) err = NULL;
		g_assert_true(audit_verify(b.path, NULL, &proof, &err));
		g_assert_cmpint(proof.n, ==, 6);
		exec_raw(b.path, tamperings[i].sql);
		expect_conflict(&b, tamperings[i].want);
		bench_end(&b);
	}
}

static void flip_byte(const char *path, const char *needle)
{
	char *data = NULL;
	gsize len = 0;
	g_assert_true(g_file_get_contents(path, &data, &len, NULL));
	char *at = memmem(data, len, needle, strlen(needle));
	g_assert_nonnull(at);
	*at ^= 1;
	g_assert_true(g_file_set_contents(path, data, (gssize)len, NULL));
	g_free(data);
}

static void test_bytes_on_disk(void)
{
	Bench b;
	AuditProof proof;
	g_autoptr(GError) err = NULL;
	bench_begin(&b);
	append(&b, 41, 2);
	bench_close(&b);
	flip_byte(b.path, "{\"n\":42}");
	g_assert_false(audit_verify(b.path, NULL, &proof, &err));
	g_assert_error(err, SL_ERROR, SL_ERR_CONFLICT);
	g_assert_nonnull(strstr(err->message, "record 2 "));
	g_clear_error(&err);
	flip_byte(b.path, "SQLite format 3");
	g_assert_null(store_sqlite_open(b.path, loop_event_loop(b.l), &err));
	g_assert_error(err, SL_ERROR, SL_ERR_CONFLICT);
	bench_end(&b);
}

/* Who can write the file can forge the whole chain; only an anchor kept elsewhere tells. */
static void test_anchor(void)
{
	Bench b;
	AuditProof proof, first;
	g_autoptr(GError) err = NULL;
	bench_begin(&b);
	append(&b, 1, 3);
	g_assert_true(audit_verify(b.path, NULL, &first, &err));
	append(&b, 4, 3);
	g_autofree char *anchor = g_strdup_printf("3:%s", first.head);
	g_assert_true(audit_verify(b.path, anchor, &proof, &err));
	g_assert_no_error(err);
	g_assert_cmpint(proof.last_seq, ==, 6);
	bench_end(&b);

	bench_begin(&b); /* another history of the same length, proven in itself */
	append(&b, 11, 6);
	g_assert_true(audit_verify(b.path, NULL, &proof, &err));
	g_assert_false(audit_verify(b.path, anchor, &proof, &err));
	g_assert_error(err, SL_ERROR, SL_ERR_CONFLICT);
	g_assert_nonnull(strstr(err->message, "record 3 is not the one of the anchor"));
	g_clear_error(&err);
	anchor[0] = '9';
	g_assert_false(audit_verify(b.path, anchor, &proof, &err));
	g_assert_nonnull(strstr(err->message, "record 9 of the anchor is missing"));
	g_clear_error(&err);
	g_assert_false(audit_verify(b.path, "3:beef", &proof, &err));
	g_assert_error(err, SL_ERROR, SL_ERR_INVALID);
	bench_end(&b);
}

static void test_prune(void)
{
	Bench b;
	AuditProof before, after;
	int64_t n = -1;
	g_autoptr(GError) err = NULL;
	bench_begin(&b);
	append(&b, 1, 8);
	g_assert_true(audit_verify(b.path, NULL, &before, &err));
	g_assert_true(store_sqlite_prune(b.s, 6, &n, &err));
	g_assert_cmpint(n, ==, 5);
	g_assert_true(store_sqlite_prune(b.s, 6, &n, &err));
	g_assert_cmpint(n, ==, 0);
	g_assert_false(store_sqlite_prune(b.s, 10, &n, &err));
	g_assert_error(err, SL_ERROR, SL_ERR_INVALID);
	g_clear_error(&err);
	g_assert_cmpint(store_sqlite_first_seq(b.s), ==, 6);
	g_assert_true(audit_verify(b.path, NULL, &after, &err));
	g_assert_cmpstr(after.head, ==, before.head);
	g_assert_true(after.pruned && !before.pruned);
	g_assert_cmpint(after.first_seq, ==, 6);
	g_assert_cmpint(after.n, ==, 3);
	g_autofree char *anchor = g_strdup_printf("2:%s", before.head);
	g_assert_false(audit_verify(b.path, anchor, &after, &err));
	g_assert_error(err, SL_ERROR, SL_ERR_REFUSED);
	g_clear_error(&err);
	g_assert_true(store_sqlite_prune(b.s, 9, &n, &err)); /* all of them */
	g_assert_cmpint(n, ==, 3);
	bench_close(&b);
	bench_open(&b);
	g_assert_cmpint(append(&b, 9, 1), ==, 9);
	g_autofree char *rest = replay(&b, 0, -1);
	g_assert_cmpstr(rest, ==, "9@1009 intent {\"n\":9}\n");
	bench_close(&b);
	exec_raw(b.path, "UPDATE record SET body = '{}' WHERE seq = 9");
	expect_conflict(&b, "record 9 is not what was written");
	bench_end(&b);
}

static void test_backup(void)
{
	Bench b;
	AuditProof proof, live;
	g_autoptr(GError) err = NULL;
	bench_begin(&b);
	append(&b, 1, 5);
	g_autofree char *to = g_build_filename(b.dir, "it's a copy.db", NULL);
	g_assert_true(audit_backup(b.path, to, &proof, &err)); /* beside the writer */
	g_assert_no_error(err);
	append(&b, 6, 1);
	g_assert_cmpint(proof.n, ==, 5);
	g_assert_true(audit_verify(to, NULL, &live, &err));
	g_assert_cmpstr(live.head, ==, proof.head);
	struct stat st;
	g_assert_cmpint(stat(to, &st), ==, 0);
	g_assert_cmpint(st.st_mode & 0777, ==, 0600);
	g_assert_false(audit_backup(b.path, to, &proof, &err));
	g_assert_error(err, SL_ERROR, SL_ERR_REFUSED);
	g_clear_error(&err);
	bench_close(&b);
	/* A daemon goes on from the copy. */
	g_free(b.path);
	b.path = g_steal_pointer(&to);
	bench_open(&b);
	g_assert_cmpint(append(&b, 6, 1), ==, 6);
	bench_end(&b);
}

static void test_not_ours(void)
{
	Bench b;
	AuditProof proof;
	g_autoptr(GError) err = NULL;
	bench_begin(&b);
	append(&b, 1, 1);
	bench_close(&b);
	g_autofree char *none = g_build_filename(b.dir, "none.db", NULL);
	g_assert_false(audit_verify(none, NULL, &proof, &err));
	g_assert_error(err, SL_ERROR, SL_ERR_NOT_FOUND);
	g_clear_error(&err);
	exec_raw(b.path, "PRAGMA user_version = 2");
	g_assert_null(store_sqlite_open(b.path, loop_event_loop(b.l), &err));
	g_assert_error(err, SL_ERROR, SL_ERR_REFUSED);
	g_assert_nonnull(strstr(err->message, "schema 2"));
	g_clear_error(&err);
	exec_raw(b.path, "PRAGMA application_id = 7");
	g_assert_null(store_sqlite_open(b.path, loop_event_loop(b.l), &err));
	g_assert_error(err, SL_ERROR, SL_ERR_CONFLICT);
	bench_end(&b);
}

static void test_full(void)
{
	Bench b;
	AuditProof proof;
	g_autoptr(GError) err = NULL;
	bench_begin(&b);
	g_assert_true(store_sqlite_set_max_bytes(b.s, 64 << 10, &err));
	int n = 0;
	while (append(&b, n * 16, 16), !b.err && n < 1000)
		n++;
	g_assert_error(b.err, SL_ERROR, SL_ERR_REFUSED);
	g_assert_cmpint(n, >, 2);
	g_assert_false(store_sqlite_writable(b.s));
	g_assert_true(audit_verify(b.path, NULL, &proof, &err));
	g_assert_cmpint(proof.n, ==, n * 16); /* nothing of the refused batch */
	g_assert_true(store_sqlite_set_max_bytes(b.s, 1 << 20, &err));
	g_assert_cmpint(append(&b, 1, 2), ==, n * 16 + 2); /* there is room again */
	g_assert_no_error(b.err);
	g_assert_true(store_sqlite_writable(b.s));
	bench_end(&b);
}

/* The kernel refuses to let files grow: what a full disk looks like from below. */
static void full_disk_story(void)
{
	Bench b;
	AuditProof proof;
	g_autoptr(GError) err = NULL;
	signal(SIGXFSZ, SIG_IGN);
	bench_begin(&b);
	append(&b, 1, 3);
	struct rlimit old, small;
	getrlimit(RLIMIT_FSIZE, &old);
	small = old;
	small.rlim_cur = 40 << 10;
	g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &small), ==, 0);
	int n = 0;
	while (append(&b, n, 3), !b.err && n < 1000)
		n++;
	g_assert_error(b.err, SL_ERROR, SL_ERR_REFUSED);
	g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &old), ==, 0);
	g_assert_cmpint(append(&b, 7, 1), ==, 3 + 3 * n + 1);
	bench_close(&b);
	g_assert_true(audit_verify(b.path, NULL, &proof, &err));
	g_assert_no_error(err);
	g_assert_cmpint(proof.n, ==, 3 + 3 * n + 1);
	bench_end(&b);
}

static void test_full_disk(void)
{
	if (g_test_subprocess()) {
		full_disk_story();
		return;
	}
	g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
	g_test_trap_assert_passed();
}

/* A disk whose sync fails: SQLite's own file methods with the sync taken out on demand. */
static sqlite3_io_methods failing_methods[2]; /* the main file has others than the rest */
static int (*true_sync)(sqlite3_file *, int);
static bool fail_sync;

static int maybe_sync(sqlite3_file *f, int flags)
{
	return fail_sync ? SQLITE_IOERR_FSYNC : true_sync(f, flags);
}

static int failing_open(
	sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *ret_flags)
{
	sqlite3_vfs *real = vfs->pAppData;
	int r = real->xOpen(real, name, f, flags, ret_flags);
	if (r == SQLITE_OK && f->pMethods) {
		sqlite3_io_methods *m = &failing_methods[(flags & SQLITE_OPEN_MAIN_DB) != 0];
		*m = *f->pMethods;
		true_sync = m->xSync;
		m->xSync = maybe_sync;
		f->pMethods = m;
	}
	return r;
}

static void test_sync_fails(void)
{
	Bench b;
	sqlite3_vfs *real = sqlite3_vfs_find(NULL), mine = *real;
	mine.zName = "failing";
	mine.pAppData = real;
	mine.xOpen = failing_open;
	g_assert_cmpint(sqlite3_vfs_register(&mine, 1), ==, SQLITE_OK);
	bench_begin(&b);
	g_assert_cmpint(append(&b, 1, 2), ==, 2);
	fail_sync = true;
	append(&b, 3, 1);
	fail_sync = false;
	g_assert_error(b.err, SL_ERROR, SL_ERR_UNKNOWN_OUTCOME);
	/* From here on nothing: the kernel tells a failed sync only once. */
	append(&b, 4, 1);
	g_assert_error(b.err, SL_ERROR, SL_ERR_UNKNOWN_OUTCOME);
	bench_close(&b);
	bench_open(&b); /* a new start reads what is there and goes on */
	g_assert_cmpint(store_sqlite_last_seq(b.s), >=, 2);
	g_assert_cmpint(append(&b, 5, 1), >=, 3);
	g_assert_no_error(b.err);
	bench_end(&b);
	sqlite3_vfs_unregister(&mine);
}

enum { KILL_BATCH = 3 };

static void writer_child(const char *path, int out)
{
	g_autoptr(GError) err = NULL;
	Bench b = { .path = (char *)path, .l = loop_event_new(&err) };
	bench_open(&b);
	alarm(60);
	for (;;) {
		int64_t last = append(&b, 1, KILL_BATCH);
		if (write(out, &last, sizeof last) != sizeof last)
			_exit(1);
	}
}

static void kill_once(Bench *b, int acknowledged)
{
	int fds[2], status;
	g_assert_cmpint(pipe(fds), ==, 0);
	pid_t pid = fork();
	g_assert_cmpint(pid, >=, 0);
	if (pid == 0) {
		close(fds[0]);
		writer_child(b->path, fds[1]);
	}
	close(fds[1]);
	int64_t last = 0, n;
	for (int i = 0; i < acknowledged; i++)
		g_assert_cmpint(read(fds[0], &last, sizeof last), ==, sizeof last);
	kill(pid, SIGKILL);
	g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	g_assert_true(WIFSIGNALED(status));
	while (read(fds[0], &n, sizeof n) == sizeof n)
		last = n;
	close(fds[0]);
	AuditProof proof;
	g_autoptr(GError) err = NULL;
	g_assert_true(audit_verify(b->path, NULL, &proof, &err));
	g_assert_no_error(err);
	g_assert_cmpint(proof.last_seq, >=, last); /* what was acknowledged is there */
	g_assert_cmpint(proof.last_seq % KILL_BATCH, ==, 0); /* and batches are whole */
}

/* kill -9 of a writer at 20 different instants, on one journal that grows on. */
static void test_killed_writer(void)
{
	Bench b;
	bench_begin(&b);
	bench_close(&b);
	for (int i = 1; i <= 20; i++)
		kill_once(&b, i * 3);
	bench_open(&b);
	bench_end(&b);
}

/* With an empty file a crash before the first batch left. */
static void test_empty_file(void)
{
	Bench b;
	bench_begin(&b);
	bench_close(&b);
	g_assert_true(g_file_set_contents(b.path, "", 0, NULL));
	bench_open(&b);
	g_assert_cmpint(append(&b, 1, 1), ==, 1);
	bench_end(&b);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/store-sqlite/round-trip", test_round_trip);
	g_test_add_func("/store-sqlite/one-writer", test_one_writer);
	g_test_add_func("/store-sqlite/tampering", test_tampering);
	g_test_add_func("/store-sqlite/bytes-on-disk", test_bytes_on_disk);
	g_test_add_func("/store-sqlite/anchor", test_anchor);
	g_test_add_func("/store-sqlite/prune", test_prune);
	g_test_add_func("/store-sqlite/backup", test_backup);
	g_test_add_func("/store-sqlite/not-ours", test_not_ours);
	g_test_add_func("/store-sqlite/full", test_full);
	g_test_add_func("/store-sqlite/full-disk", test_full_disk);
	g_test_add_func("/store-sqlite/sync-fails", test_sync_fails);
	g_test_add_func("/store-sqlite/killed-writer", test_killed_writer);
	g_test_add_func("/store-sqlite/empty-file", test_empty_file);
	return g_test_run();
}
