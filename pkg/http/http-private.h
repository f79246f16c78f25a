/* What http-curl.c, http-lane.c and http-easy.c share; nobody else includes it. */
#pragma once
#include "http/http-curl.h"
#include "http/http-text.h"
#include <curl/curl.h>

/* One connection pool: a multi handle on the event loop. It lives as long as it has requests and
 * HTTP_IDLE_SEC longer. */
typedef struct HttpLane {
	HttpCurl *owner;
	HttpEndpoint
		identity; /* own copies, without bearer and basic; easy handles borrow the PEMs */
	bool watches;
	bool retired; /* its connections look dead: takes no new requests */
	CURLM *multi;
	sd_event *event;
	sd_event_source *timer;
	uint64_t idle_timer;
	unsigned n_reqs;
	int64_t last_rx_usec; /* boot time of the last bytes of any answer */
	GQueue dirty; /* HttpReq with lines that wait to be handed out */
} HttpLane;

typedef struct HttpReq {
	uint64_t id;
	HttpCurl *owner;
	HttpLane *lane; /* NULL: failed before it began */
	CURL *easy;
	struct curl_slist *headers, *connect_to;
	char *where; /* host:port for messages */
	bool is_get;
	unsigned n_tries; /* how often it was handed to a connection */
	size_t max_bytes;
	const char *broken; /* why we stopped reading; static text */
	HttpLine *line;
	HttpDone *done;
	void *ud;
	GString *body;
	HttpLines lines;
	bool head_done; /* the empty line after the headers came */
	bool dirty, graced;
	int status, retry_after_sec, timeout_msec;
	char *content_type, *warning, *audit_id, *etag;
	int64_t sent_usec, last_rx_usec;
	uint64_t timer;
	char error[CURL_ERROR_SIZE];
} HttpReq;

/* http-lane.c */
HttpLane *http_lane_new(HttpCurl *owner, sd_event *event, const HttpEndpoint *e, bool watches);
void http_lane_free(HttpLane *l); /* all its requests must be gone */
unsigned http_lane_hash(const void *lane);
int http_lane_equal(const void *a, const void *b);

/* http-easy.c: fills req->easy and what it borrows; false with req->error set. */
bool http_easy_prepare(HttpReq *req, const HttpRequest *r);
void http_easy_clear(HttpReq *req);
static inline bool http_req_streams(const HttpReq *req)
{
	return req->line && req->status >= 200 && req->status < 300;
}

/* http-curl.c: after libcurl worked on the lane, outside of its callbacks. */
void http_curl_served(HttpLane *l);
int64_t http_curl_boot_usec(const HttpCurl *c);
int64_t http_curl_wall_usec(const HttpCurl *c);
