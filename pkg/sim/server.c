#include "sim/server.h"
#include "loop/listen.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_HEADERS = 64, READ_BYTES = 64 << 10 };

typedef struct Conn {
	Server *server;
	int fd;
	sd_event_source *io;
	GString *in, *out;
	uint64_t id; /* of the watch that it carries; 0: none */
	bool starting; /* inside the handler of its watch: lines wait for the head */
	GString *early;
	bool closing; /* when out is empty */
	struct Conn *next, *previous;
} Conn;

struct Server {
	sd_event *event;
	sd_event_source *io;
	int fd;
	const ServerOps *ops;
	void *ud;
	Conn *conns;
	size_t n_conns;
	uint64_t next_id;
};

static void conn_free(Conn *c)
{
	Server *s = c->server;
	sd_event_source_disable_unref(c->io);
	close(c->fd);
	g_string_free(c->in, TRUE);
	g_string_free(c->out, TRUE);
	g_string_free(c->early, TRUE);
	if (c->previous)
		c->previous->next = c->next;
	else
		s->conns = c->next;
	if (c->next)
		c->next->previous = c->previous;
	s->n_conns--;
	g_free(c);
}

/* The connection is over; the watch on it hears of it. */
static void conn_end(Conn *c)
{
	Server *s = c->server;
	uint64_t id = c->id;
	conn_free(c);
	if (id && s->ops->gone)
		s->ops->gone(id, s->ud);
}

static void want(Conn *c)
{
	sd_event_source_set_io_events(c->io, EPOLLIN | (c->out->len ? EPOLLOUT : 0));
}

/* False when the connection is over. */
static bool send_some(Conn *c)
{
	while (c->out->len > 0) {
		ssize_t n = send(c->fd, c->out->str, c->out->len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0)
			return false;
		g_string_erase(c->out, 0, n);
	}
	want(c);
	return !(c->closing && c->out->len == 0) && c->out->len < SERVER_MAX_QUEUED_BYTES;
}

static const char *phrase(int status)
{
	static const struct {
		int status;
		const char *text;
	} rows[] = { { 200, "OK" }, { 201, "Created" }, { 400, "Bad Request" },
		{ 401, "Unauthorized" }, { 403, "Forbidden" }, { 404, "Not Found" },
		{ 405, "Method Not Allowed" }, { 409, "Conflict" }, { 410, "Gone" },
		{ 415, "Unsupported Media Type" }, { 422, "Unprocessable Entity" },
		{ 429, "Too Many Requests" }, { 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" } };
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
		if (rows[i].status == status)
			return rows[i].text;
	return "Answer";
}

static void append_head(Conn *c, const HttpSimAnswer *a)
{
	g_string_append_printf(c->out, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n", a->status,
		phrase(a->status), a->content_type ? a->content_type : "application/json");
	if (a->retry_after_sec > 0)
		g_string_append_printf(c->out, "Retry-After: %d\r\n", a->retry_after_sec);
}

static void append_answer(Conn *c, HttpSimAnswer *a)
{
	append_head(c, a);
	size_t n = a->body ? strlen(a->body) : 0;
	g_string_append_printf(c->out, "Content-Length: %zu\r\n\r\n", n);
	g_string_append_len(c->out, a->body ? a->body : "", (gssize)n);
	g_free(a->body);
	a->body = NULL;
}

static void append_chunk(GString *out, const char *line)
{
	g_string_append_printf(out, "%zx\r\n%s\n\r\n", strlen(line) + 1, line);
}

static void begin_watch(Conn *c, const HttpRequest *r)
{
	Server *s = c->server;
	c->id = ++s->next_id;
	c->starting = true;
	HttpSimAnswer a = s->ops->watch(r, c->id, s->ud);
	c->starting = false;
	if (a.status != 200) {
		c->id = 0;
		append_answer(c, &a);
		return;
	}
	append_head(c, &a);
	g_string_append(c->out, "Transfer-Encoding: chunked\r\n\r\n");
	g_string_append_len(c->out, c->early->str, (gssize)c->early->len);
	g_string_truncate(c->early, 0);
	g_free(a.body);
}

static Conn *conn_of(Server *s, uint64_t id)
{
	for (Conn *c = s->conns; c && id; c = c->next)
		if (c->id == id)
			return c;
	return NULL;
}

void server_line(Server *s, uint64_t id, const char *line)
{
	Conn *c = conn_of(s, id);
	if (!c)
		return;
	append_chunk(c->starting ? c->early : c->out, line);
	want(c);
}

void server_end(Server *s, uint64_t id)
{
	Conn *c = conn_of(s, id);
	if (!c)
		return;
	c->id = 0;
	c->closing = true;
	g_string_append(c->starting ? c->early : c->out, "0\r\n\r\n");
	want(c);
}

typedef struct Head {
	char *method, *path;
	HttpHeader headers[MAX_HEADERS];
	size_t n_headers, n_body;
	const char *content_type, *accept, *bearer;
	bool close;
} Head;

static void note_header(Head *h, const char *name, const char *value)
{
	if (g_ascii_strcasecmp(name, "Content-Type") == 0)
		h->content_type = value;
	else if (g_ascii_strcasecmp(name, "Accept") == 0)
		h->accept = value;
	else if (g_ascii_strcasecmp(name, "Content-Length") == 0)
		h->n_body = g_ascii_strtoull(value, NULL, 10);
	else if (g_ascii_strcasecmp(name, "Connection") == 0)
		h->close = g_ascii_strcasecmp(value, "close") == 0;
	else if (g_ascii_strcasecmp(name, "Authorization") == 0 &&
		 g_str_has_prefix(value, "Bearer "))
		h->bearer = value + strlen("Bearer ");
}

/* Takes the text of a head apart, in place; everything borrowed from it. */
static bool parse_head(char *text, Head *h)
{
	char *rest = text, *line = strsep(&rest, "\n");
	*h = (Head){ .method = strsep(&line, " "), .path = strsep(&line, " ") };
	if (!h->path || h->path[0] != '/' || !line || !g_str_has_prefix(line, "HTTP/1."))
		return false;
	while ((line = strsep(&rest, "\n"))) {
		line[strcspn(line, "\r")] = '\0';
		char *value = line, *name = strsep(&value, ":");
		if (!name[0])
			continue;
		if (!value || h->n_headers == MAX_HEADERS)
			return false;
		value += strspn(value, " \t");
		h->headers[h->n_headers++] = (HttpHeader){ name, value };
		note_header(h, name, value);
	}
	return h->n_body <= SERVER_MAX_BODY_BYTES;
}

static void serve_one(Conn *c, const Head *h, const char *body)
{
	Server *s = c->server;
	HttpEndpoint e = { .bearer = (char *)h->bearer };
	HttpRequest r = { .endpoint = &e,
		.method = h->method,
		.path = h->path,
		.content_type = h->content_type,
		.accept = h->accept,
		.headers = h->headers,
		.n_headers = h->n_headers,
		.body = body,
		.n_body = h->n_body };
	c->closing = h->close;
	if (s->ops->watch && s->ops->is_watch(&r)) {
		begin_watch(c, &r);
		return;
	}
	HttpSimAnswer a = s->ops->request(&r, s->ud);
	append_answer(c, &a);
}

/* Serves what is whole in the buffer; false when the client speaks no HTTP. */
static bool serve_buffer(Conn *c)
{
	while (!c->id && !c->closing) {
		const char *end = g_strstr_len(c->in->str, (gssize)c->in->len, "\r\n\r\n");
		if (!end)
			return c->in->len < SERVER_MAX_HEAD_BYTES;
		size_t n_head = (size_t)(end - c->in->str) + 4;
		g_autofree char *text = g_strndup(c->in->str, n_head - 4);
		Head h;
		if (!parse_head(text, &h))
			return false;
		if (c->in->len < n_head + h.n_body)
			return true;
		serve_one(c, &h, c->in->str + n_head);
		g_string_erase(c->in, 0, (gssize)(n_head + h.n_body));
	}
	return true;
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *ud)
{
	Conn *c = ud;
	bool ok = true;
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		g_autofree char *buf = g_malloc(READ_BYTES);
		ssize_t n = recv(fd, buf, READ_BYTES, MSG_DONTWAIT);
		if (n > 0)
			g_string_append_len(c->in, buf, n);
		ok = n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
	}
	if (!ok || !serve_buffer(c) || !send_some(c))
		conn_end(c);
	return 0;
}

static int on_accept(sd_event_source *source, int fd, uint32_t events, void *ud)
{
	Server *s = ud;
	int got = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (got < 0)
		return 0;
	if (s->n_conns == SERVER_MAX_CONNECTIONS) {
		close(got);
		return 0;
	}
	Conn *c = g_new0(Conn, 1);
	*c = (Conn){ .server = s, .fd = got, .next = s->conns };
	c->in = g_string_new(NULL);
	c->out = g_string_new(NULL);
	c->early = g_string_new(NULL);
	if (s->conns)
		s->conns->previous = c;
	s->conns = c;
	s->n_conns++;
	int r = sd_event_add_io(s->event, &c->io, got, EPOLLIN, on_io, c);
	g_assert(r >= 0);
	return 0;
}

Server *server_new(LoopEvent *l, int fd, const ServerOps *ops, void *ud)
{
	Server *s = g_new0(Server, 1);
	*s = (Server){ .event = loop_event_sd(l), .fd = fd, .ops = ops, .ud = ud };
	int r = sd_event_add_io(s->event, &s->io, fd, EPOLLIN, on_accept, s);
	g_assert(r >= 0);
	return s;
}

void server_free(Server *s)
{
	if (!s)
		return;
	while (s->conns)
		conn_free(s->conns);
	sd_event_source_disable_unref(s->io);
	close(s->fd);
	g_free(s);
}

int server_port(const Server *s)
{
	return listen_port(s->fd);
}
