#include "web/web.h"
#include "base/file.h"
#include "codec/json.h"
#include "web/web-private.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

static void fill_peer(WebPeer *p, int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_storage storage;
	} at = { 0 };
	struct ucred cred;
	socklen_t len = sizeof at, n_cred = sizeof cred, n_groups = sizeof p->groups;
	getsockname(fd, &at.any, &len);
	if (at.any.sa_family == AF_UNIX) {
		p->local = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n_cred) == 0;
		if (!p->local)
			return;
		p->uid = cred.uid;
		p->gid = cred.gid;
		p->pid = cred.pid;
		/* With more groups than fit nothing comes, and the caller asks the name service. */
		if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, p->groups, &n_groups) == 0)
			p->n_groups = n_groups / sizeof *p->groups;
		return;
	}
	len = sizeof at;
	if (getpeername(fd, &at.any, &len) < 0)
		return;
	const void *from =
		at.any.sa_family == AF_INET6 ? (void *)&at.in6.sin6_addr : (void *)&at.in.sin_addr;
	inet_ntop(at.any.sa_family, from, p->address, sizeof p->address);
}

static void request_free(WebRequest *r)
{
	if (!r)
		return;
	if (r->response)
		MHD_destroy_response(r->response);
	g_string_free(r->body, TRUE);
	g_ptr_array_free(r->headers, TRUE);
	g_free(r->method);
	g_free(r->path);
	g_free(r);
}

const char *web_method(const WebRequest *r)
{
	return r->method;
}

const char *web_path(const WebRequest *r)
{
	return r->path;
}

const char *web_query(const WebRequest *r, const char *name)
{
	const char *value = NULL;
	if (MHD_lookup_connection_value_n(
		    r->conn, MHD_GET_ARGUMENT_KIND, name, strlen(name), &value, NULL) == MHD_NO)
		return NULL;
	return value ? value : "";
}

const char *web_header(const WebRequest *r, const char *name)
{
	return MHD_lookup_connection_value(r->conn, MHD_HEADER_KIND, name);
}

const char *web_body(const WebRequest *r, size_t *ret_len)
{
	if (ret_len)
		*ret_len = r->body->len;
	return r->body->str;
}

const WebPeer *web_peer(const WebRequest *r)
{
	return &r->peer;
}

void web_answer_header(WebRequest *r, const char *name, const char *value)
{
	g_ptr_array_add(r->headers, g_strdup(name));
	g_ptr_array_add(r->headers, g_strdup(value));
}

void web_take_response(WebRequest *r, int status, struct MHD_Response *response)
{
	g_assert(!r->response && response);
	r->response = response;
	r->status = status;
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(response, "Cache-Control", "no-store");
	for (guint i = 0; i < r->headers->len; i += 2)
		MHD_add_response_header(response, g_ptr_array_index(r->headers, i),
			g_ptr_array_index(r->headers, i + 1));
}

void web_answer(
	WebRequest *r, int status, const char *content_type, const void *body, size_t n_body)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(n_body, (void *)body, MHD_RESPMEM_MUST_COPY);
	g_assert(response);
	if (content_type)
		MHD_add_response_header(response, "Content-Type", content_type);
	web_take_response(r, status, response);
}

static void answer_json(WebRequest *r, int status, const char *type, const json_t *body)
{
	char *text = json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY);
	g_assert(text);
	web_answer(r, status, type, text, strlen(text));
	free(text);
}

void web_answer_json(WebRequest *r, int status, const json_t *body)
{
	answer_json(r, status, "application/json", body);
}

void web_problem(WebRequest *r, int status, const char *detail, const json_t *more)
{
	g_autofree char *valid = g_utf8_make_valid(detail, -1);
	g_autoptr(json_t) v = json_object();
	json_object_set_new(v, "type", json_string("about:blank"));
	json_object_set_new(v, "title", json_string(MHD_get_reason_phrase_for((unsigned)status)));
	json_object_set_new(v, "status", json_integer(status));
	json_object_set_new(v, "detail", json_string(valid));
	if (more)
		json_object_update(v, (json_t *)more);
	answer_json(r, status, "application/problem+json", v);
}

typedef struct Framing {
	unsigned lengths, codings, hosts;
} Framing;

static enum MHD_Result count_framing(
	void *ud, enum MHD_ValueKind kind, const char *name, const char *value)
{
	Framing *f = ud;
	if (g_ascii_strcasecmp(name, "Content-Length") == 0)
		f->lengths += value && strchr(value, ',') ? 2 : 1;
	else if (g_ascii_strcasecmp(name, "Transfer-Encoding") == 0)
		f->codings += value && g_ascii_strcasecmp(value, "chunked") != 0 ? 2 : 1;
	else if (g_ascii_strcasecmp(name, "Host") == 0)
		f->hosts++;
	return MHD_YES;
}

/* libmicrohttpd takes requests whose end two readers would see in different places; a proxy in
 * front could be tricked with them. */
static int refuse_framing(WebRequest *r)
{
	Framing f = { 0 };
	MHD_get_connection_values(r->conn, MHD_HEADER_KIND, count_framing, &f);
	if (f.lengths + f.codings > 1 || f.hosts > 1)
		return MHD_HTTP_BAD_REQUEST;
	const char *length = web_header(r, "Content-Length");
	if (length && g_ascii_strtoull(length, NULL, 10) > r->web->o.max_body_bytes)
		return MHD_HTTP_CONTENT_TOO_LARGE;
	return 0;
}

static const char *refusal_text(int status)
{
	if (status == MHD_HTTP_CONTENT_TOO_LARGE)
		return "the body is too large";
	return "the length of the body is given in two ways, or the host is named twice";
}

static enum MHD_Result queue(WebRequest *r)
{
	r->queued = true;
	return MHD_queue_response(r->conn, (unsigned)r->status, r->response);
}

/* The answer comes before the body is read: the connection cannot be used any further. */
static enum MHD_Result queue_refusal(WebRequest *r)
{
	web_answer_header(r, "Connection", "close");
	web_problem(r, r->refused, refusal_text(r->refused), NULL);
	return queue(r);
}

static WebRequest *request_new(
	Web *w, struct MHD_Connection *conn, const char *url, const char *method)
{
	WebRequest *r = g_new0(WebRequest, 1);
	r->web = w;
	r->conn = conn;
	r->method = g_strdup(strcmp(method, "HEAD") == 0 ? "GET" : method);
	r->path = g_strdup(url);
	r->body = g_string_new("");
	r->headers = g_ptr_array_new_with_free_func(g_free);
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD);
	if (info)
		fill_peer(&r->peer, info->connect_fd);
	return r;
}

static void take_body(WebRequest *r, const char *data, size_t *size)
{
	if (r->body->len + *size > r->web->o.max_body_bytes)
		r->refused = MHD_HTTP_CONTENT_TOO_LARGE;
	else
		g_string_append_len(r->body, data, (gssize)*size);
	*size = 0;
}

/* Called once with the headers, then with each part of the body, at last without. */
static enum MHD_Result on_access(void *ud, struct MHD_Connection *conn, const char *url,
	const char *method, const char *version, const char *data, size_t *size, void **request)
{
	Web *w = ud;
	WebRequest *r = *request;
	if (!r) {
		*request = r = request_new(w, conn, url, method);
		r->refused = refuse_framing(r);
		return r->refused ? queue_refusal(r) : MHD_YES;
	}
	if (r->queued)
		return MHD_YES;
	if (*size > 0) {
		take_body(r, data, size);
		return MHD_YES;
	}
	if (r->refused)
		return queue_refusal(r);
	w->handler(r, w->ud);
	if (!r->response)
		web_problem(r, MHD_HTTP_INTERNAL_SERVER_ERROR, "nobody answered", NULL);
	return queue(r);
}

static void on_completed(
	void *ud, struct MHD_Connection *conn, void **request, enum MHD_RequestTerminationCode why)
{
	request_free(*request);
	*request = NULL;
}

/* As usual, but %00 is left: it would cut the text. */
static size_t unescape(void *ud, struct MHD_Connection *conn, char *text)
{
	if (!strstr(text, "%00"))
		MHD_http_unescape(text);
	return strlen(text);
}

static void run(Web *w);

static void on_timer(void *ud)
{
	Web *w = ud;
	w->timer = 0;
	w->scheduled = false;
	run(w);
}

void web_schedule(Web *w)
{
	if (w->scheduled)
		return;
	loop_cancel(w->loop, &w->timer);
	w->scheduled = true;
	w->timer = loop_defer(w->loop, on_timer, w);
}

static void run(Web *w)
{
	MHD_UNSIGNED_LONG_LONG msec = 0;
	unsigned before = web_connections(w);
	MHD_run(w->daemon);
	/* At its limit it stops listening, and begins again only in the run after one has gone. */
	if (web_connections(w) < before)
		web_schedule(w);
	if (w->scheduled)
		return;
	loop_cancel(w->loop, &w->timer);
	if (MHD_get_timeout(w->daemon, &msec) != MHD_YES)
		return;
	if (msec == 0)
		web_schedule(w);
	else
		w->timer = loop_timer(
			w->loop, loop_boot_usec(w->loop) + (int64_t)msec * 1000, on_timer, w);
}

static int on_ready(sd_event_source *s, int fd, uint32_t events, void *ud)
{
	run(ud);
	return 0;
}

static void on_heartbeat(void *ud)
{
	Web *w = ud;
	web_streams_beat(w);
	w->heartbeat = loop_timer(w->loop,
		loop_boot_usec(w->loop) + w->o.heartbeat_sec * SL_USEC_PER_SEC, on_heartbeat, w);
}

static void set_options(Web *w, const WebOptions *o)
{
	if (o)
		w->o = *o;
	if (!w->o.timeout_sec)
		w->o.timeout_sec = WEB_TIMEOUT_SEC;
	if (!w->o.max_connections)
		w->o.max_connections = WEB_MAX_CONNECTIONS;
	if (!w->o.heartbeat_sec)
		w->o.heartbeat_sec = WEB_HEARTBEAT_SEC;
	if (!w->o.max_body_bytes)
		w->o.max_body_bytes = WEB_MAX_BODY_BYTES;
}

static bool start(Web *w, int fd, GError **err)
{
	w->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
		on_access, w, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_TIMEOUT,
		w->o.timeout_sec, MHD_OPTION_CONNECTION_LIMIT, w->o.max_connections,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)WEB_MAX_HEAD_BYTES,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_COMPLETED, on_completed, w,
		MHD_OPTION_UNESCAPE_CALLBACK, unescape, w, MHD_OPTION_END);
	if (!w->daemon)
		return sl_fail(err, SL_ERR_REFUSED, "web server: %s", g_strerror(errno));
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(w->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	int r = info ? sd_event_add_io(loop_event_sd(w->l), &w->source, info->epoll_fd, EPOLLIN,
			       on_ready, w)
		     : -ENOTSUP;
	return r >= 0 || sl_fail(err, SL_ERR_REFUSED, "web server: %s", g_strerror(-r));
}

Web *web_new(LoopEvent *l, int fd, const WebOptions *o, WebHandler *handler, void *ud, GError **err)
{
	SL_AUTO_FD mine = fd;
	g_autoptr(Web) w = g_new0(Web, 1);
	w->l = l;
	w->loop = loop_event_loop(l);
	w->handler = handler;
	w->ud = ud;
	w->streams = g_ptr_array_new();
	set_options(w, o);
	bool ok = start(w, fd, err);
	if (w->daemon)
		mine = -1; /* closed by the server from here on */
	if (!ok)
		return NULL;
	w->heartbeat = loop_timer(w->loop,
		loop_boot_usec(w->loop) + w->o.heartbeat_sec * SL_USEC_PER_SEC, on_heartbeat, w);
	return g_steal_pointer(&w);
}

void web_free(Web *w)
{
	if (!w)
		return;
	loop_cancel(w->loop, &w->heartbeat);
	if (w->daemon) {
		/* The server refuses to stop while connections are suspended. */
		web_streams_end(w);
		MHD_run(w->daemon);
		sd_event_source_disable_unref(w->source);
		MHD_stop_daemon(w->daemon);
	}
	loop_cancel(w->loop, &w->timer);
	g_assert(w->streams->len == 0);
	g_ptr_array_free(w->streams, TRUE);
	g_free(w);
}

unsigned web_connections(const Web *w)
{
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(w->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
	return info ? info->num_connections : 0;
}
