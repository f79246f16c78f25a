#include "http/http-sim.h"
#include <string.h>

enum { LATE_USEC = 1000000, PAST_TIMEOUT_USEC = 2000000 };

/* A request on its way. It outlives its client: what was sent arrives. */
typedef struct Call {
	HttpSim *sim;
	uint64_t key, id; /* id is 0 when nobody waits for it any more */
	HttpFault fault;
	HttpEndpoint endpoint;
	HttpRequest request;
	HttpHeader *headers;
	HttpSimAnswer answer;
	int64_t sent_usec;
	HttpDone *done;
	HttpLine *line; /* a watch */
	void *ud;
	GQueue pushes; /* lines of the stream on their way; an empty one ends it */
	unsigned n_refs; /* one for each pending event, one for the client */
} Call;

struct HttpSim {
	LoopSimProc *proc; /* the network: its events go when the transport goes */
	Loop loop;
	HttpSimHandler *handler;
	HttpSimWatch *watch;
	void *ud;
	HttpSimFaults *faults;
	LoopFn *crash;
	void *faults_ud;
	int64_t latency_min, latency_max;
	uint64_t next_id, n_requests;
	bool dying; /* between the decision to crash and the crash: nothing leaves the process any
		       more */
	GHashTable *waiting; /* id -> Call that the client waits for; never iterated for effect */
	GPtrArray *alive; /* every call that an event or the client still holds */
};

static char *dup_or_null(const char *s)
{
	return s ? g_strdup(s) : NULL;
}

static void call_free(Call *c)
{
	g_free(c->endpoint.base_url);
	g_free(c->endpoint.bearer);
	g_free((char *)c->request.method);
	g_free((char *)c->request.path);
	g_free((char *)c->request.content_type);
	g_free((char *)c->request.accept);
	g_free((void *)c->request.body);
	for (size_t i = 0; i < c->request.n_headers; i++) {
		g_free((char *)c->headers[i].name);
		g_free((char *)c->headers[i].value);
	}
	g_free(c->headers);
	g_free(c->answer.body);
	g_queue_clear_full(&c->pushes, g_free);
	g_free(c);
}

static void call_unref(Call *c)
{
	if (--c->n_refs == 0)
		g_ptr_array_remove_fast(c->sim->alive, c);
}

static Call *call_new(HttpSim *s, const HttpRequest *r)
{
	Call *c = g_new0(Call, 1);
	c->sim = s;
	c->key = c->id = ++s->next_id;
	c->n_refs = 1;
	/* What a handler may look at; certificates have no meaning here. */
	c->endpoint.base_url = dup_or_null(r->endpoint->base_url);
	c->endpoint.bearer = dup_or_null(r->endpoint->bearer);
	c->request = *r;
	c->request.endpoint = &c->endpoint;
	c->request.method = g_strdup(r->method);
	c->request.path = g_strdup(r->path);
	c->request.content_type = dup_or_null(r->content_type);
	c->request.accept = dup_or_null(r->accept);
	c->request.body = g_memdup2(r->body, r->n_body);
	c->headers = g_new0(HttpHeader, r->n_headers + 1);
	for (size_t i = 0; i < r->n_headers; i++)
		c->headers[i] =
			(HttpHeader){ g_strdup(r->headers[i].name), g_strdup(r->headers[i].value) };
	c->request.headers = c->headers;
	c->sent_usec = loop_boot_usec(s->loop);
	g_hash_table_insert(s->waiting, &c->key, c);
	g_ptr_array_add(s->alive, c);
	return c;
}

static int64_t latency(HttpSim *s)
{
	if (s->latency_max <= s->latency_min)
		return s->latency_min;
	return s->latency_min +
	       (int64_t)(loop_random(s->loop) % (uint64_t)(s->latency_max - s->latency_min));
}

static void at(Call *c, int64_t delay, LoopFn *fn)
{
	c->n_refs++;
	loop_timer(c->sim->loop, loop_boot_usec(c->sim->loop) + delay, fn, c);
}

/* The client hears of the end of its request, once. */
static void finish(Call *c, HttpOutcome outcome, const char *error)
{
	if (!c->id)
		return;
	c->id = 0;
	HttpAnswer a = {
		.outcome = outcome,
		.retry_after_sec = -1,
		.sent_usec = c->sent_usec,
		.error = error,
		.body = "",
	};
	if (outcome == HTTP_ANSWERED) {
		a.status = c->answer.status;
		a.body = c->answer.body ? c->answer.body : "";
		a.n_body = strlen(a.body);
		a.content_type =
			c->answer.content_type ? c->answer.content_type : "application/json";
		a.retry_after_sec = c->answer.retry_after_sec > 0 ? c->answer.retry_after_sec : -1;
	}
	HttpDone *done = c->done;
	g_hash_table_remove(c->sim->waiting, &c->key);
	done(&a, c->ud);
	call_unref(c);
}

static void deliver(void *ud)
{
	Call *c = ud;
	size_t max = c->request.max_bytes;
	bool whole = !max || !c->answer.body || strlen(c->answer.body) <= max;
	finish(c, whole ? HTTP_ANSWERED : HTTP_UNKNOWN,
		whole ? NULL : "simulated: the answer is larger than asked for");
	call_unref(c);
}

static void time_out(void *ud)
{
	Call *c = ud;
	finish(c, HTTP_UNKNOWN, "simulated: no answer in time");
	call_unref(c);
}

static void refuse(void *ud)
{
	Call *c = ud;
	finish(c, HTTP_NOT_SENT, "simulated: connection refused");
	call_unref(c);
}

static void arrive(void *ud)
{
	Call *c = ud;
	HttpSim *s = c->sim;
	if (c->fault != HTTP_FAULT_500)
		c->answer = s->handler(&c->request, s->ud);
	if (c->fault == HTTP_FAULT_500 || c->fault == HTTP_FAULT_500_APPLIED) {
		g_free(c->answer.body);
		c->answer = (HttpSimAnswer){ 500, g_strdup("{\"kind\":\"Status\",\"code\":500}"),
			NULL, 0 };
	}
	if (c->fault == HTTP_FAULT_CRASH_AFTER_ANSWER)
		loop_defer(s->loop, s->crash, s->faults_ud);
	else if (c->fault != HTTP_FAULT_ANSWER_LOST && c->fault != HTTP_FAULT_LATE_PAST_TIMEOUT)
		at(c, latency(s) + (c->fault == HTTP_FAULT_LATE ? LATE_USEC : 0), deliver);
	call_unref(c);
}

static void send_call(HttpSim *s, Call *c)
{
	int64_t timeout = (c->request.timeout_msec ? c->request.timeout_msec : HTTP_TIMEOUT_MSEC) *
			  (int64_t)1000;
	switch (c->fault) {
	case HTTP_FAULT_NOT_SENT:
		at(c, latency(s), refuse);
		return;
	case HTTP_FAULT_CRASH_BEFORE_SEND:
		s->dying = true;
		loop_defer(s->loop, s->crash, s->faults_ud);
		return;
	case HTTP_FAULT_CRASH_AFTER_SEND:
		s->dying = true;
		loop_defer(s->loop, s->crash, s->faults_ud);
		at(c, latency(s), arrive);
		return;
	case HTTP_FAULT_LOST:
		break;
	case HTTP_FAULT_LATE_PAST_TIMEOUT:
		at(c, timeout + PAST_TIMEOUT_USEC, arrive);
		break;
	default:
		at(c, latency(s), arrive);
	}
	at(c, timeout, time_out);
}

static uint64_t sim_request(void *self, const HttpRequest *r, HttpDone *done, void *ud)
{
	HttpSim *s = self;
	Call *c = call_new(s, r);
	c->done = done;
	c->ud = ud;
	if (!s->dying) {
		uint64_t n = s->n_requests++;
		c->fault = s->faults ? s->faults(n, r, s->faults_ud) : HTTP_FAULT_NONE;
		send_call(s, c);
	}
	return c->id;
}

static void begin_watch(void *ud)
{
	Call *c = ud;
	HttpSim *s = c->sim;
	if (c->id) {
		uint64_t id = c->id;
		HttpSimAnswer a = s->watch(&c->request, id, s->ud);
		if (a.status != 200) {
			c->answer = a;
			at(c, latency(s), deliver);
		} else {
			g_free(a.body);
			c->answer.status = 200;
		}
	}
	call_unref(c);
}

static uint64_t sim_watch(
	void *self, const HttpRequest *r, HttpLine *line, HttpDone *done, void *ud)
{
	HttpSim *s = self;
	Call *c = call_new(s, r);
	c->done = done;
	c->line = line;
	c->ud = ud;
	if (!s->dying)
		at(c, latency(s), begin_watch);
	return c->id;
}

static void sim_forget(void *self, uint64_t id)
{
	HttpSim *s = self;
	Call *c = g_hash_table_lookup(s->waiting, &id);
	if (!c)
		return;
	c->id = 0;
	g_hash_table_remove(s->waiting, &id);
	call_unref(c);
}

static void deliver_push(void *ud)
{
	Call *c = ud;
	g_autofree char *text = g_queue_pop_head(&c->pushes);
	if (c->id && text[0])
		c->line(text, strlen(text), c->ud);
	else if (c->id)
		finish(c, HTTP_ANSWERED, NULL);
	call_unref(c);
}

/* An empty line never stands in a stream, so it means its end here. */
static void push(HttpSim *s, uint64_t watch_id, const char *line)
{
	Call *c = g_hash_table_lookup(s->waiting, &watch_id);
	if (!c)
		return;
	g_queue_push_tail(&c->pushes, g_strdup(line));
	at(c, s->latency_min, deliver_push); /* a constant delay keeps the lines in order */
}

void http_sim_push(HttpSim *s, uint64_t watch_id, const char *line)
{
	push(s, watch_id, line);
}

void http_sim_end_watch(HttpSim *s, uint64_t watch_id)
{
	push(s, watch_id, "");
}

static const HttpOps sim_ops = { .request = sim_request, .watch = sim_watch, .forget = sim_forget };

HttpSim *http_sim_new(LoopSim *loop, HttpSimHandler *handler, HttpSimWatch *watch, void *ud)
{
	HttpSim *s = g_new0(HttpSim, 1);
	s->proc = loop_sim_proc_new(loop);
	s->loop = loop_sim_proc_loop(s->proc);
	s->handler = handler;
	s->watch = watch;
	s->ud = ud;
	s->latency_min = s->latency_max = 500;
	s->waiting = g_hash_table_new(g_int64_hash, g_int64_equal);
	s->alive = g_ptr_array_new_with_free_func((GDestroyNotify)call_free);
	return s;
}

void http_sim_free(HttpSim *s)
{
	if (!s)
		return;
	loop_sim_proc_free(s->proc);
	g_hash_table_destroy(s->waiting);
	g_ptr_array_free(s->alive, TRUE);
	g_free(s);
}

Http http_sim_http(HttpSim *s)
{
	return (Http){ &sim_ops, s };
}

void http_sim_set_faults(HttpSim *s, HttpSimFaults *faults, LoopFn *crash, void *ud)
{
	s->faults = faults;
	s->crash = crash;
	s->faults_ud = ud;
}

void http_sim_set_latency(HttpSim *s, int64_t min_usec, int64_t max_usec)
{
	s->latency_min = min_usec;
	s->latency_max = max_usec;
}

uint64_t http_sim_requests(const HttpSim *s)
{
	return s->n_requests;
}

void http_sim_crash(HttpSim *s)
{
	s->dying = false;
	g_hash_table_remove_all(s->waiting);
	for (guint i = s->alive->len; i > 0; i--) {
		Call *c = g_ptr_array_index(s->alive, i - 1);
		if (c->id) {
			c->id = 0;
			call_unref(c);
		}
	}
}
