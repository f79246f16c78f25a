#include "http/http-private.h"
#include <signal.h>
#include <string.h>

enum { LATE_USEC = 1000000 }; /* a timer this late means that we slept: sockets are read first */

struct HttpCurl {
	sd_event *event;
	Loop loop;
	uint64_t next_id;
	GHashTable *reqs; /* id -> HttpReq */
	GHashTable *lanes; /* the pools that take new requests */
	GPtrArray *all_lanes; /* these and the retired ones */
};

int64_t http_curl_boot_usec(const HttpCurl *c)
{
	return loop_boot_usec(c->loop);
}

int64_t http_curl_wall_usec(const HttpCurl *c)
{
	return loop_wall_usec(c->loop);
}

static void lane_idle(void *ud)
{
	HttpLane *l = ud;
	HttpCurl *c = l->owner;
	l->idle_timer = 0;
	if (!l->retired)
		g_hash_table_remove(c->lanes, l);
	g_ptr_array_remove_fast(c->all_lanes, l);
}

static void lane_enter(HttpLane *l)
{
	l->n_reqs++;
	loop_cancel(l->owner->loop, &l->idle_timer);
}

static void lane_leave(HttpLane *l)
{
	if (--l->n_reqs > 0)
		return;
	int64_t wait = l->retired ? 0 : HTTP_IDLE_SEC * SL_USEC_PER_SEC;
	l->idle_timer =
		loop_timer(l->owner->loop, http_curl_boot_usec(l->owner) + wait, lane_idle, l);
}

static HttpLane *lane_for(HttpCurl *c, const HttpEndpoint *e, bool watches)
{
	HttpLane key = { .identity = *e, .watches = watches };
	HttpLane *l = g_hash_table_lookup(c->lanes, &key);
	if (l)
		return l;
	l = http_lane_new(c, c->event, e, watches);
	l->last_rx_usec = http_curl_boot_usec(c);
	g_hash_table_add(c->lanes, l);
	g_ptr_array_add(c->all_lanes, l);
	return l;
}

/* Where nothing came back at all while this request waited, the connections may be dead without a
 * sign of it: the next requests open new ones. */
static void lane_suspect(HttpLane *l, int64_t since_usec)
{
	if (l->retired || l->last_rx_usec > since_usec)
		return;
	l->retired = true;
	g_hash_table_remove(l->owner->lanes, l);
}

/* Takes the request out of libcurl, the tables and the timers; what it received stays. */
static void req_detach(HttpReq *req)
{
	g_hash_table_steal(req->owner->reqs, &req->id);
	loop_cancel(req->owner->loop, &req->timer);
	if (!req->lane)
		return;
	if (req->dirty)
		g_queue_remove(&req->lane->dirty, req);
	req->dirty = false;
	curl_multi_remove_handle(req->lane->multi, req->easy);
	lane_leave(req->lane);
}

static void req_free(HttpReq *req)
{
	http_easy_clear(req);
	http_lines_clear(&req->lines);
	g_string_free(req->body, TRUE);
	g_free(req);
}

static void req_end(HttpReq *req, HttpOutcome outcome, const char *what)
{
	req_detach(req);
	g_autofree char *error = NULL;
	if (outcome != HTTP_ANSWERED)
		error = req->where ? g_strdup_printf("%s: %s", req->where, what) : g_strdup(what);
	HttpAnswer a = {
		.outcome = outcome,
		.status = req->status,
		.body = req->body->str,
		.n_body = req->body->len,
		.content_type = req->content_type,
		.warning = req->warning,
		.audit_id = req->audit_id,
		.etag = req->etag,
		.retry_after_sec = req->retry_after_sec,
		.sent_usec = req->sent_usec,
		.error = error,
	};
	req->done(&a, req->ud);
	req_free(req);
}

static HttpOutcome outcome_of_failure(const HttpReq *req)
{
	return req->n_tries == 0 ? HTTP_NOT_SENT : HTTP_UNKNOWN;
}

static void req_expire(void *ud)
{
	HttpReq *req = ud;
	int64_t now = http_curl_boot_usec(req->owner);
	int64_t since = req->line ? req->last_rx_usec : req->sent_usec;
	int64_t due = since + req->timeout_msec * (int64_t)1000;
	bool late = now > due + LATE_USEC && !req->graced;
	req->timer = 0;
	if (now < due || late) {
		req->graced |= late;
		req->timer =
			loop_timer(req->owner->loop, late ? now + LATE_USEC : due, req_expire, req);
		return;
	}
	g_autofree char *what = g_strdup_printf("%s within %g s",
		req->n_tries == 0 ? "no connection" : "no answer", req->timeout_msec / 1000.0);
	if (req->n_tries > 0)
		lane_suspect(req->lane, since);
	req_end(req, outcome_of_failure(req), what);
}

static void req_refused(void *ud)
{
	HttpReq *req = ud;
	req->timer = 0;
	req_end(req, HTTP_NOT_SENT, req->error);
}

static void deliver_lines(HttpReq *req)
{
	HttpCurl *c = req->owner;
	uint64_t id = req->id;
	size_t len;
	/* Taken out first: the receiver may forget the request from inside its call. */
	HttpLines taken = req->lines;
	req->lines = (HttpLines){ .max_bytes = taken.max_bytes };
	req->dirty = false;
	for (char *line; req && (line = http_lines_next(&taken, &len));) {
		req->line(line, len, req->ud);
		req = g_hash_table_lookup(c->reqs, &id);
	}
	if (req)
		req->lines = taken;
	else
		http_lines_clear(&taken);
}

static void req_finished(HttpReq *req, CURLcode rc)
{
	/* libcurl takes a connection closed inside the head for the end of a whole answer. */
	if (rc == CURLE_OK && !req->head_done) {
		req_end(req, HTTP_UNKNOWN, "the answer ended inside its head");
		return;
	}
	if (rc == CURLE_OK && http_req_streams(req) && http_lines_rest(&req->lines) > 0) {
		req_end(req, HTTP_UNKNOWN, "the stream ended inside a line");
		return;
	}
	if (rc == CURLE_OK) {
		req_end(req, HTTP_ANSWERED, NULL);
		return;
	}
	const char *what = req->error[0] ? req->error : curl_easy_strerror(rc);
	req_end(req, outcome_of_failure(req), req->broken ? req->broken : what);
}

/* The next one that has ended; taken out at once, because the message does not live on. */
static HttpReq *next_finished(HttpLane *l, CURLcode *ret_rc)
{
	int n_left;
	for (CURLMsg *m; (m = curl_multi_info_read(l->multi, &n_left));) {
		if (m->msg != CURLMSG_DONE)
			continue;
		char *req = NULL;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &req);
		*ret_rc = m->data.result;
		return (HttpReq *)req;
	}
	return NULL;
}

void http_curl_served(HttpLane *l)
{
	for (HttpReq *req; (req = g_queue_pop_head(&l->dirty));)
		deliver_lines(req);
	CURLcode rc;
	for (HttpReq *req; (req = next_finished(l, &rc));)
		req_finished(req, rc);
}

static HttpReq *req_new(HttpCurl *c, const HttpRequest *r, HttpDone *done, void *ud)
{
	HttpReq *req = g_new0(HttpReq, 1);
	req->id = ++c->next_id;
	req->owner = c;
	req->is_get = strcmp(r->method, "GET") == 0;
	req->done = done;
	req->ud = ud;
	req->body = g_string_new(NULL);
	req->max_bytes = r->max_bytes ? r->max_bytes : HTTP_MAX_BYTES;
	req->retry_after_sec = -1;
	req->sent_usec = req->last_rx_usec = http_curl_boot_usec(c);
	g_hash_table_insert(c->reqs, &req->id, req);
	return req;
}

static uint64_t req_start(HttpReq *req, const HttpRequest *r)
{
	HttpCurl *c = req->owner;
	HttpLane *lane = lane_for(c, r->endpoint, req->line != NULL);
	req->lane = lane;
	lane_enter(lane);
	if (http_easy_prepare(req, r)) {
		CURLMcode rc = curl_multi_add_handle(lane->multi, req->easy);
		g_assert(rc == CURLM_OK);
		int64_t due = req->sent_usec + req->timeout_msec * (int64_t)1000;
		req->timer = loop_timer(c->loop, due, req_expire, req);
		return req->id;
	}
	lane_leave(lane);
	req->lane = NULL;
	req->timer = loop_defer(c->loop, req_refused, req);
	return req->id;
}

static uint64_t op_request(void *self, const HttpRequest *r, HttpDone *done, void *ud)
{
	HttpReq *req = req_new(self, r, done, ud);
	req->timeout_msec = r->timeout_msec ? r->timeout_msec : HTTP_TIMEOUT_MSEC;
	return req_start(req, r);
}

static uint64_t op_watch(void *self, const HttpRequest *r, HttpLine *line, HttpDone *done, void *ud)
{
	HttpReq *req = req_new(self, r, done, ud);
	req->line = line;
	req->lines.max_bytes = r->max_bytes ? r->max_bytes : HTTP_MAX_LINE_BYTES;
	req->timeout_msec = r->timeout_msec ? r->timeout_msec : HTTP_WATCH_SILENCE_MSEC;
	return req_start(req, r);
}

static void req_drop(HttpReq *req)
{
	req_detach(req);
	req_free(req);
}

static void op_forget(void *self, uint64_t id)
{
	HttpCurl *c = self;
	HttpReq *req = g_hash_table_lookup(c->reqs, &id);
	if (req)
		req_drop(req);
}

static const HttpOps http_curl_ops = {
	.request = op_request,
	.watch = op_watch,
	.forget = op_forget,
};

HttpCurl *http_curl_new(sd_event *event, Loop loop)
{
	CURLcode rc = curl_global_init(CURL_GLOBAL_DEFAULT);
	g_assert(rc == CURLE_OK);
	signal(SIGPIPE, SIG_IGN);
	HttpCurl *c = g_new0(HttpCurl, 1);
	c->event = sd_event_ref(event);
	c->loop = loop;
	c->reqs = g_hash_table_new(g_int64_hash, g_int64_equal);
	c->lanes = g_hash_table_new(http_lane_hash, http_lane_equal);
	c->all_lanes = g_ptr_array_new_with_free_func((GDestroyNotify)http_lane_free);
	return c;
}

void http_curl_free(HttpCurl *c)
{
	if (!c)
		return;
	GHashTableIter it;
	void *req;
	while (g_hash_table_iter_init(&it, c->reqs), g_hash_table_iter_next(&it, NULL, &req))
		req_drop(req);
	for (unsigned i = 0; i < c->all_lanes->len; i++) {
		HttpLane *l = g_ptr_array_index(c->all_lanes, i);
		loop_cancel(c->loop, &l->idle_timer);
	}
	g_hash_table_unref(c->lanes);
	g_ptr_array_unref(c->all_lanes);
	g_hash_table_unref(c->reqs);
	sd_event_unref(c->event);
	g_free(c);
	curl_global_cleanup();
}

Http http_curl_http(HttpCurl *c)
{
	return (Http){ .ops = &http_curl_ops, .self = c };
}

size_t http_curl_n_open(const HttpCurl *c)
{
	return g_hash_table_size(c->reqs);
}
