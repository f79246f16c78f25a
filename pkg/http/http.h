/* The seam of transport: one request, one completion; a watch is a request whose body comes line by
 * line. http-curl.h is the real one (libcurl multi), http-sim.h answers from a function in the same
 * process. No completion is ever called from inside the call that started it. */
#pragma once
#include "base/error.h"

/* Where and as whom to ask. The owner (creds, or a test) keeps it alive while requests are under
 * way and may change it between requests; all strings may be NULL. PEM texts, not paths. */
typedef struct HttpEndpoint {
	char *base_url; /* https://host:port/prefix, without a trailing slash */
	char *ca_pem; /* NULL: the system's bundle */
	char *cert_pem, *key_pem;
	char *tls_server_name; /* instead of the host in base_url */
	char *proxy_url;
	char *bearer;
	char *basic_user, *basic_password;
	bool insecure_tls;
	unsigned generation; /* raised by the owner with every change of identity: old connections
				are not reused */
} HttpEndpoint;

typedef struct HttpHeader {
	const char *name, *value;
} HttpHeader;

/* Borrowed for the duration of the call; the transport copies what it needs. */
typedef struct HttpRequest {
	const HttpEndpoint *endpoint;
	const char *method; /* GET, POST, PATCH, PUT, DELETE */
	const char *path; /* with query, appended to base_url */
	const char *content_type, *accept;
	const HttpHeader *headers; /* further ones, e.g. Impersonate-User */
	size_t n_headers;
	const void *body;
	size_t n_body;
	int timeout_msec; /* total; 0 = HTTP_TIMEOUT_MSEC */
	size_t max_bytes; /* of the decoded answer; 0 = HTTP_MAX_BYTES */
} HttpRequest;

enum { HTTP_TIMEOUT_MSEC = 30000, HTTP_MAX_BYTES = 64 << 20, HTTP_HORIZON_SEC = 60 };

typedef enum {
	HTTP_ANSWERED, /* status and body are there */
	HTTP_NOT_SENT, /* nothing of the request left this machine (refused, no route, TLS failed
			  before the request) */
	HTTP_UNKNOWN, /* sent, at least in part, and no whole answer came: it may have taken effect
		       */
} HttpOutcome;

/* Borrowed for the duration of the completion. */
typedef struct HttpAnswer {
	HttpOutcome outcome;
	int status; /* with HTTP_ANSWERED; for a watch also with the others when a status line came
		     */
	const char *body; /* NUL-terminated, may hold NULs within n_body */
	size_t n_body;
	const char *content_type; /* NULL when the answer had none */
	const char *warning; /* the first Warning header's text */
	const char *audit_id;
	const char *etag;
	int retry_after_sec; /* -1: no such header */
	int64_t sent_usec; /* boot time when the request was handed over */
	const char *error; /* what went wrong, with host and port, for all but HTTP_ANSWERED */
} HttpAnswer;

typedef void HttpDone(const HttpAnswer *a, void *ud);
typedef void HttpLine(
	const char *line, size_t len, void *ud); /* without the newline; a whole line always */

typedef struct HttpOps {
	/* Returns an id that is never 0; done is called exactly once unless forgotten. */
	uint64_t (*request)(void *self, const HttpRequest *r, HttpDone *done, void *ud);
	/* As request, but the body of a 2xx answer comes by line; done when the stream ends for
	 * whatever reason (the body of any other answer is in done). timeout_msec bounds silence,
	 * not length. */
	uint64_t (*watch)(
		void *self, const HttpRequest *r, HttpLine *line, HttpDone *done, void *ud);
	/* The completion will not be called any more; what was sent may still take effect. */
	void (*forget)(void *self, uint64_t id);
} HttpOps;

typedef struct Http {
	const HttpOps *ops;
	void *self;
} Http;

static inline uint64_t http_request(Http h, const HttpRequest *r, HttpDone *done, void *ud)
{
	return h.ops->request(h.self, r, done, ud);
}
static inline uint64_t http_watch(
	Http h, const HttpRequest *r, HttpLine *line, HttpDone *done, void *ud)
{
	return h.ops->watch(h.self, r, line, done, ud);
}
static inline void http_forget(Http h, uint64_t *id)
{
	if (*id)
		h.ops->forget(h.self, *id);
	*id = 0;
}
