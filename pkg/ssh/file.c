#include "base/file.h"
#include "ssh/guarded.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum { HEAD_BYTES = 4096 };

static const char *node_path(const json_t *request, GError **err)
{
	const char *path = request_text(request, "path", err);
	if (!path)
		return NULL;
	if (*path == '/' && !g_str_has_suffix(path, "/") && !strchr(path, '\n'))
		return path;
	sl_fail(err, SL_ERR_INVALID, "request: \"path\" must be the absolute path of a file");
	return NULL;
}

static bool is_sha256(const char *text)
{
	return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

typedef struct Content {
	unsigned char *bytes;
	gsize len;
	int fd;
	char *sha;
} Content;

static void content_clear(Content *c)
{
	g_free(c->bytes);
	g_free(c->sha);
	sl_close(&c->fd);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Content, content_clear)

static bool open_file(Content *c, const char *path, GError **err)
{
	struct stat st;
	c->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (c->fd < 0 || fstat(c->fd, &st) < 0)
		return sl_fail(err, errno == ENOENT ? SL_ERR_NOT_FOUND : SL_ERR_REFUSED, "%s: %s",
			path, g_strerror(errno));
	if (!S_ISREG(st.st_mode) || st.st_size > SSH_MAX_PUT_BYTES)
		return sl_fail(err, SL_ERR_INVALID,
			"%s: is no file, or larger than %" G_GINT64_FORMAT " bytes", path,
			SSH_MAX_PUT_BYTES);
	return true;
}

static bool content_read(Content *c, const json_t *request, GError **err)
{
	const char *text = json_string_value(json_object_get(request, "text"));
	const char *base64 = json_string_value(json_object_get(request, "base64"));
	const char *file = json_string_value(json_object_get(request, "file"));
	const char *sha = json_string_value(json_object_get(request, "sha256"));
	if ((text != NULL) + (base64 != NULL) + (file != NULL) != 1)
		return sl_fail(err, SL_ERR_INVALID,
			"request: one of \"text\", \"base64\" and \"file\" must be there");
	if (sha ? !is_sha256(sha) : file != NULL)
		return sl_fail(
			err, SL_ERR_INVALID, "request: \"sha256\" must be 64 hexadecimal digits");
	if (file) {
		c->sha = g_strdup(sha);
		return open_file(c, file, err);
	}
	c->bytes = text ? g_memdup2(text, strlen(text) + 1) : g_base64_decode(base64, &c->len);
	c->len = text ? strlen(text) : c->len;
	c->sha = sha256_hex(c->bytes, c->len);
	return !sha || strcmp(sha, c->sha) == 0 ||
	       sl_fail(err, SL_ERR_INVALID, "request: the content's SHA-256 is %s, not \"sha256\"",
		       c->sha);
}

static bool is_mode(const char *mode)
{
	size_t n = strlen(mode);
	return (n == 3 || n == 4) && strspn(mode, "01234567") == n;
}

json_t *ssh_op_put(const json_t *request, GError **err)
{
	g_auto(Content) c = { .fd = -1 };
	g_auto(SshResult) r = { 0 };
	g_auto(GuardAnswer) a = { 0 };
	const json_t *given = json_object_get(request, "mode");
	const char *path = node_path(request, err),
		   *mode = given ? json_string_value(given) : "0644";
	if (!path || !content_read(&c, request, err))
		return NULL;
	if (!mode || !is_mode(mode)) {
		sl_fail(err, SL_ERR_INVALID, "request: \"mode\" must be like \"0644\"");
		return NULL;
	}
	g_autofree char *quoted = shell_quote(path);
	g_autofree char *args = g_strdup_printf("%s %s %s", quoted, mode, c.sha);
	Guarded g = { .op = "put",
		.needs_epoch = true,
		.args = args,
		.call = { .input = c.bytes,
			.n_input = c.len,
			.input_fd = c.fd,
			.max_out_bytes = HEAD_BYTES,
			.effects = true } };
	if (!guarded_call(request, &g, &r, &a, err))
		return NULL;
	g_autofree char *sha = guard_answer_word(&a, "sha256");
	json_t *v = json_object();
	json_object_set_new(v, "sha256", json_string(sha ? sha : ""));
	return v;
}

static json_t *content_answer(const GuardAnswer *a, GError **err)
{
	json_t *v = json_object();
	g_autofree char *missing = guard_answer_word(a, "missing");
	g_autofree char *mode = guard_answer_word(a, "mode");
	if (missing) {
		json_object_set_new(v, "missing", json_true());
		return v;
	}
	if (!a->bytes || guard_answer_number(a, "size", -1) != (int64_t)a->n_bytes) {
		json_decref(v);
		sl_fail(err, SL_ERR_RETRY, "the file changed while it was read");
		return NULL;
	}
	g_autofree char *sha = sha256_hex(a->bytes, a->n_bytes);
	bool text = g_utf8_validate_len((const char *)a->bytes, a->n_bytes, NULL);
	g_autofree char *base64 = text ? NULL : g_base64_encode(a->bytes, a->n_bytes);
	json_object_set_new(v, text ? "text" : "base64",
		text ? answer_text(a->bytes, a->n_bytes) : json_string(base64));
	json_object_set_new(v, "sha256", json_string(sha));
	json_object_set_new(v, "mode", json_string(mode ? mode : ""));
	return v;
}

json_t *ssh_op_get(const json_t *request, GError **err)
{
	g_auto(SshResult) r = { 0 };
	g_auto(GuardAnswer) a = { 0 };
	int64_t max;
	const char *path = node_path(request, err);
	if (!path ||
		!request_number(request, "maxBytes", 1 << 20, 0, SSH_MAX_ANSWER_BYTES, &max, err))
		return NULL;
	g_autofree char *quoted = shell_quote(path);
	g_autofree char *args = g_strdup_printf("%s %" G_GINT64_FORMAT, quoted, max);
	Guarded g = { .op = "get",
		.args = args,
		.call = { .input_fd = -1, .max_out_bytes = HEAD_BYTES + (size_t)max } };
	return guarded_call(request, &g, &r, &a, err) ? content_answer(&a, err) : NULL;
}
