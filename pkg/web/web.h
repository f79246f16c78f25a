/* A small HTTP server on the loop: a handler answers each request at once, or turns it into a
 * stream of server-sent events. It knows nothing of what is served. Each listening socket is one
 * Web. */
#pragma once
#include "loop/loop-event.h"
#include <jansson.h>
#include <sys/types.h>

enum {
	WEB_TIMEOUT_SEC = 30, /* silence on a connection, also within a request */
	WEB_MAX_CONNECTIONS = 256,
	WEB_MAX_BODY_BYTES = 20 << 20,
	WEB_MAX_HEAD_BYTES = 32 << 10, /* request line and headers of one connection */
	WEB_MAX_GROUPS = 64,
	WEB_HEARTBEAT_SEC = 15, /* a comment on each quiet stream, so that dead peers are noticed */
	WEB_STREAM_MAX_BYTES = 1 << 20, /* not taken by the client yet: more, and it is dropped */
};

/* 0 = the default above. */
typedef struct WebOptions {
	unsigned timeout_sec, max_connections, heartbeat_sec;
	size_t max_body_bytes;
} WebOptions;

/* Who asks, as the kernel says: only for Unix sockets. */
typedef struct WebPeer {
	bool local; /* a Unix socket; else uid, gid, pid and groups say nothing */
	uid_t uid;
	gid_t gid;
	pid_t pid;
	gid_t groups[WEB_MAX_GROUPS];
	size_t n_groups;
	char address[64]; /* of a TCP peer, without port */
} WebPeer;

/* All borrowed for the duration of the handler. */
typedef struct WebRequest WebRequest;
const char *web_method(const WebRequest *r); /* HEAD comes as GET, the answer loses its body */
const char *web_path(const WebRequest *r); /* decoded, without query; %00 stays as it is */
const char *web_query(const WebRequest *r, const char *name); /* NULL: not there; "": no value */
const char *web_header(const WebRequest *r, const char *name);
const char *web_body(const WebRequest *r, size_t *ret_len); /* NUL-terminated */
const WebPeer *web_peer(const WebRequest *r);

/* The handler calls exactly one of the next four, before it returns; none is a 500. */
typedef void WebHandler(WebRequest *r, void *ud);

void web_answer(
	WebRequest *r, int status, const char *content_type, const void *body, size_t n_body);
void web_answer_json(WebRequest *r, int status, const json_t *body);
/* RFC 9457. detail says what, where, why; more (borrowed, may be NULL): further members. */
void web_problem(WebRequest *r, int status, const char *detail, const json_t *more);
/* A header of the answer; before one of the answers. */
void web_answer_header(WebRequest *r, const char *name, const char *value);

typedef struct WebStream WebStream;
/* closed is called once, when the connection is gone for whatever reason (never from inside a call
 * of web_stream_*, but from web_free); the stream is invalid from then on. */
typedef void WebClosed(WebStream *s, void *ud);
WebStream *web_stream(WebRequest *r, WebClosed *closed, void *ud);
/* One event; id and event may be NULL; data may hold newlines. */
void web_stream_push(WebStream *s, const char *id, const char *event, const char *data);
/* Ends the stream after what was pushed is sent. */
void web_stream_end(WebStream *s);

typedef struct Web Web;
/* Takes the listening descriptor over, also on error. */
Web *web_new(LoopEvent *l, int fd, const WebOptions *o, WebHandler *handler, void *ud,
	GError **err) SL_MUST_USE;
void web_free(Web *w); /* closes all connections; not from inside a handler; NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Web, web_free)
unsigned web_connections(const Web *w);
