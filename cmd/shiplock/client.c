#include "client.h"
#include "base/file.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define DEFAULT_SOCKET "/run/shiplock/api.sock"
enum { READ_BYTES = 64 << 10, ORDER_POLL_MSEC = 5 };

struct Client {
	int fd;
	char *socket;
	char buf[READ_BYTES];
	size_t at, end; /* of buf */
	/* of the answer under way */
	int status;
	bool chunked, until_close;
	size_t left; /* bytes of the body, or of its chunk */
	bool body_ended;
	GString *data; /* of the event under way */
};

const char *client_socket(const Args *a)
{
	const char *env = g_getenv("SHIPLOCK_SOCKET");
	return a->socket ? a->socket : env && *env ? env : DEFAULT_SOCKET;
}

static bool fail_connect(const char *path, int error, GError **err)
{
	bool absent = error == ENOENT || error == ECONNREFUSED;
	return sl_fail(err, absent ? SL_ERR_NOT_FOUND : SL_ERR_REFUSED, "%s: %s: %s", path,
		absent ? "no controller listens" : "cannot connect", g_strerror(error));
}

Client *client_open(const char *path, GError **err)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof at.sun_path) {
		sl_fail(err, SL_ERR_INVALID, "%s: is too long for a socket", path);
		return NULL;
	}
	memcpy(at.sun_path, path, strlen(path));
	SL_AUTO_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof at) < 0) {
		fail_connect(path, errno, err);
		return NULL;
	}
	Client *c = g_new0(Client, 1);
	c->fd = fd;
	fd = -1;
	c->socket = g_strdup(path);
	c->data = g_string_new("");
	return c;
}

void client_free(Client *c)
{
	if (!c)
		return;
	sl_close(&c->fd);
	g_string_free(c->data, TRUE);
	g_free(c->socket);
	g_free(c);
}

/* ---- bytes ---- */

static bool lost(const Client *c, const char *why, GError **err)
{
	return sl_fail(err, SL_ERR_RETRY, "%s: the controller went away: %s", c->socket, why);
}

/* 1: something is there; 0: nothing within the time; -1: error. */
static int wait_readable(Client *c, int msec, GError **err)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	for (;;) {
		int n = poll(&p, 1, msec);
		if (n >= 0)
			return n;
		if (errno != EINTR)
			break;
		if (msec >= 0)
			return 0; /* a signal: the caller looks around */
	}
	lost(c, g_strerror(errno), err);
	return -1;
}

static bool fill(Client *c, GError **err)
{
	int ready = wait_readable(c, CLIENT_TIMEOUT_MSEC, err);
	if (ready == 0)
		return lost(c, "it does not answer", err);
	if (ready < 0)
		return false;
	ssize_t n = read(c->fd, c->buf, sizeof c->buf);
	if (n <= 0)
		return lost(c, n < 0 ? g_strerror(errno) : "the connection was closed", err);
	c->at = 0;
	c->end = (size_t)n;
	return true;
}

/* A line of the protocol, without its end. */
static bool read_line(Client *c, GString *to, GError **err)
{
	g_string_truncate(to, 0);
	for (;;) {
		if (c->at == c->end && !fill(c, err))
			return false;
		char ch = c->buf[c->at++];
		if (ch == '\n')
			break;
		g_string_append_c(to, ch);
		if (to->len > CLIENT_MAX_LINE_BYTES)
			return lost(c, "a line is too long", err);
	}
	if (to->len && to->str[to->len - 1] == '\r')
		g_string_truncate(to, to->len - 1);
	return true;
}

static bool next_chunk(Client *c, GError **err)
{
	g_autoptr(GString) line = g_string_new("");
	if (!read_line(c, line, err) || (!line->len && !read_line(c, line, err)))
		return false;
	c->left = (size_t)g_ascii_strtoull(line->str, NULL, 16);
	if (c->left == 0) {
		c->body_ended = true;
		return read_line(c, line, err); /* the empty line behind the last chunk */
	}
	return true;
}

/* Some bytes of the body, borrowed from the buffer; none: it ended. False: error. */
static bool body_some(Client *c, const char **ret, size_t *ret_len, GError **err)
{
	*ret_len = 0;
	if (c->body_ended)
		return true;
	if (c->chunked && c->left == 0 && !next_chunk(c, err))
		return false;
	if (c->body_ended)
		return true;
	if (c->at == c->end && !fill(c, err))
		return false;
	size_t n = MIN(c->end - c->at, c->left);
	*ret = c->buf + c->at;
	*ret_len = n;
	c->at += n;
	c->left -= n;
	c->body_ended = !c->chunked && c->left == 0;
	return true;
}

static bool write_all(Client *c, const char *text, size_t len, GError **err)
{
	while (len > 0) {
		ssize_t n = send(c->fd, text, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return lost(c, g_strerror(errno), err);
		text += n;
		len -= (size_t)n;
	}
	return true;
}

/* ---- one request ---- */

static void take_header(Client *c, const char *line)
{
	if (g_ascii_strncasecmp(line, "Content-Length:", 15) == 0)
		c->left = (size_t)g_ascii_strtoull(line + 15, NULL, 10);
	else if (g_ascii_strncasecmp(line, "Transfer-Encoding:", 18) == 0)
		c->chunked = strstr(line, "chunked") != NULL;
}

static bool read_head(Client *c, GError **err)
{
	g_autoptr(GString) line = g_string_new("");
	if (!read_line(c, line, err))
		return false;
	const char *space = strchr(line->str, ' ');
	if (!g_str_has_prefix(line->str, "HTTP/1.") || !space)
		return lost(c, "it does not speak HTTP", err);
	c->status = (int)g_ascii_strtoll(space, NULL, 10);
	c->chunked = c->body_ended = false;
	c->left = 0;
	do {
		if (!read_line(c, line, err))
			return false;
		take_header(c, line->str);
	} while (line->len);
	c->body_ended = !c->chunked && c->left == 0;
	return true;
}

static bool send_request(
	Client *c, const char *method, const char *path, const json_t *body, GError **err)
{
	g_autofree char *text = body ? json_canonical(body) : NULL;
	g_autoptr(GString) s = g_string_new("");
	g_string_append_printf(s, "%s %s HTTP/1.1\r\nHost: shiplock\r\n", method, path);
	if (text)
		g_string_append_printf(s,
			"Content-Type: application/json\r\nContent-Length: %zu\r\n", strlen(text));
	g_string_append_printf(s, "\r\n%s", text ? text : "");
	return write_all(c, s->str, s->len, err) && read_head(c, err);
}

/* What a cluster or a person said may hold control characters; a terminal would obey them. */
static void clean_text(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 && *s != '\n')
			*s = ' ';
		else if (*s == 0x7f)
			*s = '?';
}

static json_t *clean(json_t *v)
{
	const char *key;
	json_t *x;
	size_t i;
	void *next;
	if (json_is_string(v)) {
		g_autofree char *text = g_strdup(json_string_value(v));
		clean_text(text);
		json_string_set(v, text);
	}
	json_object_foreach_safe (v, next, key, x)
		clean(x);
	json_array_foreach (v, i, x)
		clean(x);
	return v;
}

static json_t *read_body(Client *c, GError **err)
{
	g_autoptr(GString) s = g_string_new("");
	const char *some;
	for (size_t n = 1; n > 0;) {
		if (!body_some(c, &some, &n, err))
			return NULL;
		g_string_append_len(s, some, (gssize)n);
		if (s->len > CLIENT_MAX_BYTES) {
			lost(c, "its answer is too large", err);
			return NULL;
		}
	}
	json_t *v = json_parse(s->str, s->len, err);
	return v ? clean(v) : NULL;
}

json_t *client_call(Client *c, const char *method, const char *path, const json_t *body,
	int *ret_status, GError **err)
{
	if (!send_request(c, method, path, body, err))
		return NULL;
	json_t *v = read_body(c, err);
	if (v)
		*ret_status = c->status;
	return v;
}

static void problem_error(int status, const json_t *problem, GError **err)
{
	const char *text = json_path_str(problem, "detail", "the controller gives no reason");
	sl_fail(err,
		status == 404   ? SL_ERR_NOT_FOUND
		: status == 409 ? SL_ERR_CONFLICT
		: status == 422 ? SL_ERR_INVALID
				: SL_ERR_REFUSED,
		"%s", text);
}

json_t *client_get(Client *c, const char *path, GError **err)
{
	int status = 0;
	g_autoptr(json_t) v = client_call(c, "GET", path, NULL, &status, err);
	if (!v)
		return NULL;
	if (status == 200)
		return g_steal_pointer(&v);
	problem_error(status, v, err);
	return NULL;
}

json_t *client_order(Client *c, const char *path, const json_t *body, GError **err)
{
	int status = 0;
	g_autoptr(json_t) v = client_call(c, "POST", path, body, &status, err);
	g_autofree char *order =
		g_strdup_printf("/v1/orders/%d", (int)json_path_int(v, "order", 0));
	for (int n = 0; v && status == 202 && n < CLIENT_ORDER_MSEC / ORDER_POLL_MSEC; n++) {
		/* Nothing comes unasked: this waits, and notices when the controller ends. */
		if (n > 0 && wait_readable(c, ORDER_POLL_MSEC, err) < 0)
			return NULL;
		json_decref(v);
		v = client_call(c, "GET", order, NULL, &status, err);
	}
	if (v && status == 200)
		return g_steal_pointer(&v);
	if (v && status == 202)
		sl_fail(err, SL_ERR_UNKNOWN_OUTCOME, "the order is not stored yet; look at status");
	else if (v)
		problem_error(status, v, err);
	return NULL;
}

/* ---- events ---- */

bool client_follow(Client *c, int64_t after, GError **err)
{
	g_autofree char *path = g_strdup_printf("/v1/events?after=%" G_GINT64_FORMAT, after);
	if (!send_request(c, "GET", path, NULL, err))
		return false;
	if (c->status == 200)
		return true;
	g_autoptr(json_t) problem = read_body(c, err);
	if (problem)
		problem_error(c->status, problem, err);
	return false;
}

/* A line of the stream, over the borders of chunks. */
static bool stream_line(Client *c, GString *to, GError **err)
{
	for (;;) {
		const char *some;
		size_t n;
		if (!body_some(c, &some, &n, err))
			return false;
		if (n == 0)
			return lost(c, "the stream ended", err);
		const char *nl = memchr(some, '\n', n);
		size_t used = nl ? (size_t)(nl - some) + 1 : n;
		c->at -= n - used;
		c->left += n - used;
		g_string_append_len(to, some, (gssize)(nl ? used - 1 : used));
		if (nl)
			return true;
		if (to->len > CLIENT_MAX_LINE_BYTES)
			return lost(c, "a line is too long", err);
	}
}

json_t *client_event(Client *c, int timeout_msec, GError **err)
{
	for (;;) {
		g_autoptr(GString) line = g_string_new("");
		int ready = c->at < c->end ? 1 : wait_readable(c, timeout_msec, err);
		if (ready <= 0)
			return NULL;
		if (!stream_line(c, line, err))
			return NULL;
		if (g_str_has_prefix(line->str, "data: ")) {
			g_string_append(c->data, line->str + strlen("data: "));
		} else if (line->len == 0 && c->data->len > 0) {
			json_t *v = json_parse(c->data->str, c->data->len, err);
			g_string_truncate(c->data, 0);
			return v ? clean(v) : NULL;
		}
	}
}

int client_fail(const Args *a, const GError *err)
{
	const char *hint = NULL;
	if (err->code == SL_ERR_NOT_FOUND && strstr(err->message, "no controller listens"))
		hint = "systemctl status shiplockd, or --socket PATH";
	else if (err->code == SL_ERR_CONFLICT)
		hint = "shiplock status";
	return cli_fail(a, EXIT_FAILED, err->message, hint);
}
