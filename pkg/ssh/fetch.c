/* A large file of a node, brought here part by part: each request adds one part to FILE.part, so
 * that a cut costs one part, and nothing of it is held in anybody's memory. Whole and with the
 * right digest it gets its name. */
#include "base/file.h"
#include "ssh/request.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
	PART_BYTES = 4 << 20,
	READ_BYTES = 256 << 10,
	NO_SUCH_FILE = 66, /* exit code of the text below */
	RESERVE_BYTES = 256 << 20, /* the journal lies on the same disk */
};

typedef struct Fetch {
	const char *path, *to, *sha256;
	char *part, *folder;
	int64_t max_bytes;
	int fd;
} Fetch;

static void fetch_clear(Fetch *f)
{
	g_free(f->part);
	g_free(f->folder);
	sl_close(&f->fd);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Fetch, fetch_clear)

static bool fail_file(const char *path, GError **err)
{
	return sl_fail(err, errno == EWOULDBLOCK ? SL_ERR_RETRY : SL_ERR_REFUSED, "%s: %s", path,
		errno == EWOULDBLOCK ? "another one is fetching it" : g_strerror(errno));
}

static bool fetch_read(Fetch *f, const json_t *request, GError **err)
{
	f->path = request_text(request, "path", err);
	if (!f->path || !(f->to = request_text(request, "to", err)) ||
		!(f->sha256 = request_text(request, "sha256", err)) ||
		!request_number(request, "partBytes", PART_BYTES, 1, SSH_MAX_ANSWER_BYTES,
			&f->max_bytes, err))
		return false;
	if (*f->path != '/' || *f->to != '/' || strstr(f->to, "/../") || strlen(f->sha256) != 64)
		return sl_fail(err, SL_ERR_INVALID,
			"request: \"path\" and \"to\" must be absolute paths, \"sha256\" 64 "
			"hexadecimal digits");
	f->part = g_strconcat(f->to, ".part", NULL);
	f->folder = g_path_get_dirname(f->to);
	return true;
}

/* Of the whole file behind fd; NULL: err. Caller frees. */
static char *digest_of(int fd, const char *name, GError **err)
{
	g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
	g_autofree unsigned char *buf = g_malloc(READ_BYTES);
	ssize_t n;
	for (off_t at = 0; (n = pread(fd, buf, READ_BYTES, at)) != 0; at += n) {
		if (n < 0 && errno == EINTR)
			n = 0;
		else if (n < 0)
			return fail_file(name, err), NULL;
		g_checksum_update(sum, buf, n);
	}
	return g_strdup(g_checksum_get_string(sum));
}

static json_t *done_answer(int64_t have)
{
	json_t *v = json_object();
	json_object_set_new(v, "have", json_integer(have));
	json_object_set_new(v, "done", json_true());
	return v;
}

/* It lies here already, whole. */
static bool is_here(const Fetch *f, int64_t *ret_bytes)
{
	struct stat st;
	int fd = open(f->to, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return false;
	g_autofree char *sha = digest_of(fd, f->to, NULL);
	bool same = g_strcmp0(sha, f->sha256) == 0 && fstat(fd, &st) == 0;
	*ret_bytes = same ? st.st_size : 0;
	sl_close(&fd);
	return same;
}

/* What came so far; -1: err. */
static int64_t open_part(Fetch *f, GError **err)
{
	struct stat st;
	if (g_mkdir_with_parents(f->folder, 0700) < 0)
		return fail_file(f->folder, err), -1;
	f->fd = open(f->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (f->fd < 0 || flock(f->fd, LOCK_EX | LOCK_NB) < 0 || fstat(f->fd, &st) < 0)
		return fail_file(f->part, err), -1;
	return st.st_size;
}

static bool has_room(const Fetch *f, GError **err)
{
	struct statvfs s;
	if (fstatvfs(f->fd, &s) < 0)
		return fail_file(f->part, err);
	int64_t room = (int64_t)s.f_bavail * (int64_t)s.f_frsize;
	return room >= f->max_bytes + RESERVE_BYTES ||
	       sl_fail(err, SL_ERR_RETRY,
		       "%s: %d MiB are free and %d of them stay free for the journal: make room, "
		       "or remove old sets",
		       f->folder, (int)(room >> 20), (int)(RESERVE_BYTES >> 20));
}

static bool add_part(const Fetch *f, int64_t at, const GByteArray *bytes, GError **err)
{
	for (size_t done = 0; done < bytes->len;) {
		ssize_t n = pwrite(
			f->fd, bytes->data + done, bytes->len - done, (off_t)at + (off_t)done);
		if (n < 0 && errno != EINTR)
			return fail_file(f->part, err);
		done += n > 0 ? (size_t)n : 0;
	}
	return fdatasync(f->fd) == 0 || fail_file(f->part, err);
}

static bool ask_part(
	const Fetch *f, const json_t *request, int64_t from, SshResult *ret, GError **err)
{
	g_autofree char *path = shell_quote(f->path);
	g_autofree char *text = g_strdup_printf("[ -f %s ] || exit %d\ntail -c +%" G_GINT64_FORMAT
						" %s | head -c %" G_GINT64_FORMAT,
		path, NO_SUCH_FILE, from + 1, path, f->max_bytes);
	g_autofree char *quoted = shell_quote(text);
	g_autofree char *line = g_strconcat("/bin/sh -c ", quoted, NULL);
	NodeCall call = { .command = line, .input_fd = -1, .max_out_bytes = (size_t)f->max_bytes };
	if (!node_call(request, &call, ret, err))
		return false;
	if (ret->exit_code == NO_SUCH_FILE)
		return sl_fail(err, SL_ERR_NOT_FOUND, "%s: there is no such file", f->path);
	return (ret->exit_code == 0 && !ret->signal) ||
	       sl_fail(err, SL_ERR_RETRY, "%s cannot be read: %s", f->path, ret->err);
}

/* The last part has come. */
static bool take_name(Fetch *f, GError **err)
{
	g_autofree char *sha = digest_of(f->fd, f->part, err);
	if (!sha)
		return false;
	if (strcmp(sha, f->sha256) != 0) {
		if (ftruncate(f->fd, 0) < 0)
			return fail_file(f->part, err);
		return sl_fail(err, SL_ERR_RETRY,
			"%s came with the digest %s, not %s: it is fetched anew", f->path, sha,
			f->sha256);
	}
	int dir = open(f->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = dir >= 0 && rename(f->part, f->to) == 0 && fsync(dir) == 0;
	if (!ok)
		fail_file(f->to, err);
	sl_close(&dir);
	return ok;
}

json_t *ssh_op_fetch(const json_t *request, GError **err)
{
	g_auto(Fetch) f = { .fd = -1 };
	g_auto(SshResult) r = { 0 };
	int64_t have = 0;
	if (!fetch_read(&f, request, err))
		return NULL;
	if (is_here(&f, &have))
		return fetch_prune(request, f.to, err) ? done_answer(have) : NULL;
	have = open_part(&f, err);
	if (have < 0 || !has_room(&f, err) || !ask_part(&f, request, have, &r, err) ||
		!add_part(&f, have, r.out, err))
		return NULL;
	have += r.out->len;
	if (r.out->len == (size_t)f.max_bytes) {
		json_t *v = json_object();
		json_object_set_new(v, "have", json_integer(have));
		json_object_set_new(v, "done", json_false());
		return v;
	}
	return take_name(&f, err) && fetch_prune(request, f.to, err) ? done_answer(have) : NULL;
}
