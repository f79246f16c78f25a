#include "store/audit.h"
#include "base/file.h"
#include "store/journal-db.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(sqlite3, sqlite3_close)

typedef struct Anchor {
	int64_t seq;
	char *hash;
	ChainHash at; /* the chain up to here, while walking */
	bool seen, matches;
} Anchor;

static bool parse_anchor(const char *text, Anchor *ret, GError **err)
{
	char *end = NULL;
	ret->seq = (int64_t)g_ascii_strtoull(text, &end, 10);
	if (end == text || *end != ':' || strlen(end + 1) != CHAIN_HEX - 1 || ret->seq < 1 ||
		strspn(end + 1, "0123456789abcdef") != CHAIN_HEX - 1)
		return sl_fail(err, SL_ERR_INVALID,
			"\"%s\" is no anchor; write SEQ:HASH as `audit verify` prints it", text);
	ret->hash = end + 1;
	return true;
}

static bool follow(const Record *r, void *ud)
{
	Anchor *a = ud;
	a->at = chain_next(&a->at, r->seq, r);
	if (r->seq == a->seq) {
		char hex[CHAIN_HEX];
		chain_hex(&a->at, hex);
		a->seen = true;
		a->matches = strcmp(hex, a->hash) == 0;
	}
	return true;
}

static bool judge_anchor(const char *path, const Anchor *a, GError **err)
{
	if (a->matches)
		return true;
	return sl_fail(err, SL_ERR_CONFLICT, "journal %s: record %" PRId64 " %s", path, a->seq,
		a->seen ? "is not the one of the anchor: the chain was written anew"
			: "of the anchor is missing");
}

bool audit_verify(const char *path, const char *anchor, AuditProof *ret, GError **err)
{
	Anchor a = { 0 };
	JournalMark base, last;
	if (anchor && !parse_anchor(anchor, &a, err))
		return false;
	g_autoptr(sqlite3) db = journal_open_read(path, err);
	if (!db || !journal_read_mark(db, path, "base", &base, err))
		return false;
	a.at = base.hash;
	if (anchor && a.seq <= base.seq)
		return sl_fail(err, SL_ERR_REFUSED,
			"journal %s: record %" PRId64
			" of the anchor was pruned; use an anchor from "
			"record %" PRId64 " on",
			path, a.seq, base.seq + 1);
	if (!journal_walk(db, path, 0, anchor ? follow : NULL, &a, &last, err))
		return false;
	if (anchor && !judge_anchor(path, &a, err))
		return false;
	*ret = (AuditProof){
		.n = last.seq - base.seq,
		.first_seq = base.seq + 1,
		.last_seq = last.seq,
		.pruned = base.seq > 0,
	};
	chain_hex(&last.hash, ret->head);
	return true;
}

/* VACUUM INTO reads one snapshot and blocks no writer, but does not sync what it wrote. */
static bool copy_db(const char *path, const char *to, GError **err)
{
	g_autoptr(sqlite3) db = journal_open_read(path, err);
	if (!db)
		return false;
	char *sql = sqlite3_mprintf("VACUUM INTO %Q", to);
	bool ok = sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK;
	sqlite3_free(sql);
	if (!ok)
		return journal_fail(db, path, "cannot copy", err);
	SL_AUTO_FD fd = open(to, O_RDWR | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return sl_fail(err, SL_ERR_REFUSED, "%s: cannot sync: %s", to, g_strerror(errno));
	return true;
}

static bool sync_folder_of(const char *path, GError **err)
{
	g_autofree char *dir = g_path_get_dirname(path);
	SL_AUTO_FD fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return sl_fail(err, SL_ERR_REFUSED, "%s: cannot sync: %s", dir, g_strerror(errno));
	return true;
}

bool audit_backup(const char *path, const char *to, AuditProof *ret, GError **err)
{
	g_autofree char *part = g_strdup_printf("%s.part", to);
	unlink(part);
	if (g_file_test(to, G_FILE_TEST_EXISTS))
		return sl_fail(err, SL_ERR_REFUSED, "%s: is there already; choose a new name", to);
	SL_AUTO_FD fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return sl_fail(
			err, SL_ERR_REFUSED, "%s: cannot write: %s", part, g_strerror(errno));
	/* An empty file is a fine target; link() and not rename(), which would replace. */
	bool ok = copy_db(path, part, err) && audit_verify(part, NULL, ret, err);
	if (ok && link(part, to) < 0)
		ok = sl_fail(err, SL_ERR_REFUSED, "%s: cannot write: %s", to, g_strerror(errno));
	unlink(part);
	return ok && sync_folder_of(to, err);
}

bool audit_read(const char *path, int64_t after_seq, StoreEach *each, void *ud, GError **err)
{
	g_autoptr(sqlite3) db = journal_open_read(path, err);
	return db && journal_walk(db, path, after_seq, each, ud, NULL, err);
}
