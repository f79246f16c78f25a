/* For tests only: a client on the simulated loop and transport, and a scripted server. */
#pragma once
#include "http/http-sim.h"
#include "kube/watch.h"
#include <string.h>

/* One expected request and its answer, in order. */
typedef struct Script {
	const char *method; /* NULL: any */
	const char *path; /* a prefix of the path; NULL: any */
	int status; /* 0: 200 */
	const char *body, *type;
	int retry_after;
} Script;

typedef struct Sim {
	LoopSim *ls;
	HttpSim *http;
	Creds *creds;
	KubeClient *k;
	const Script *script;
	size_t n_script, n_asked;
	GString *log; /* "METHOD path [who] body\n" */
	HttpFault fault; /* of the next request */
	uint64_t watch; /* id of the newest stream */
	int n_watches;
	int watch_status; /* what streams answer, 0 = 200 */
	const char *watch_body;
} Sim;

static inline void sim_log(Sim *s, const HttpRequest *r)
{
	g_string_append_printf(s->log, "%s %s", r->method, r->path);
	for (size_t i = 0; i < r->n_headers; i++)
		g_string_append_printf(s->log, " [%s]", r->headers[i].value);
	if (r->n_body > 0)
		g_string_append_printf(s->log, " %.*s", (int)r->n_body, (const char *)r->body);
	g_string_append_c(s->log, '\n');
}

static inline HttpSimAnswer sim_answer(const HttpRequest *r, void *ud)
{
	Sim *s = ud;
	sim_log(s, r);
	g_assert_cmpuint(s->n_asked, <, s->n_script);
	const Script *x = &s->script[s->n_asked++];
	if (x->method)
		g_assert_cmpstr(r->method, ==, x->method);
	if (x->path && !g_str_has_prefix(r->path, x->path))
		g_error("asked %s instead of %s", r->path, x->path);
	return (HttpSimAnswer){ .status = x->status ? x->status : 200,
		.body = g_strdup(x->body ? x->body : "{}"),
		.content_type = x->type,
		.retry_after_sec = x->retry_after };
}

static inline HttpSimAnswer sim_watch_begins(const HttpRequest *r, uint64_t id, void *ud)
{
	Sim *s = ud;
	sim_log(s, r);
	s->watch = id;
	s->n_watches++;
	return (HttpSimAnswer){ .status = s->watch_status ? s->watch_status : 200,
		.body = g_strdup(s->watch_body) };
}

static inline HttpFault sim_fault(uint64_t n, const HttpRequest *r, void *ud)
{
	Sim *s = ud;
	HttpFault f = s->fault;
	s->fault = HTTP_FAULT_NONE;
	return f;
}

/* Takes creds; NULL = a static token. */
static inline Sim *sim_new_on(LoopSim *ls, Creds *creds, const char *writer)
{
	static const char *const groups[] = { "g1", NULL };
	HttpEndpoint e = { .base_url = (char *)"https://api", .bearer = (char *)"t" };
	Sim *s = g_new0(Sim, 1);
	s->ls = ls;
	s->http = http_sim_new(s->ls, sim_answer, sim_watch_begins, s);
	http_sim_set_faults(s->http, sim_fault, NULL, s);
	http_sim_set_latency(s->http, 1000, 2000);
	s->creds = creds ? creds : creds_static(loop_sim_loop(s->ls), &e);
	s->k = kube_client_new(&(KubeClientOptions){ .http = http_sim_http(s->http),
		.loop = loop_sim_loop(s->ls),
		.creds = s->creds,
		.impersonate_user = writer,
		.impersonate_groups = writer ? groups : NULL });
	s->log = g_string_new(NULL);
	return s;
}

static inline Sim *sim_new(const char *writer)
{
	return sim_new_on(loop_sim_new(7, INT64_C(1777888800) * G_USEC_PER_SEC), NULL, writer);
}

static inline void sim_free(Sim *s)
{
	kube_client_free(s->k);
	creds_free(s->creds);
	http_sim_free(s->http);
	loop_sim_free(s->ls);
	g_string_free(s->log, TRUE);
	g_free(s);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Sim, sim_free)

/* What the server is to be asked from now on. */
#define sim_expect(s, rows)                                                                        \
	((s)->script = (rows), (s)->n_script = G_N_ELEMENTS(rows), (s)->n_asked = 0,               \
		g_string_truncate((s)->log, 0))

static inline int64_t sim_now(const Sim *s)
{
	return loop_boot_usec(loop_sim_loop(s->ls));
}

static inline bool sim_flag(void *ud)
{
	return *(int *)ud > 0;
}

/* Until *flag > 0, at most an hour of simulated time. */
static inline void sim_until(Sim *s, int *flag)
{
	g_assert_true(loop_sim_run(s->ls, sim_flag, flag, sim_now(s) + 3600 * SL_USEC_PER_SEC));
}

static inline void sim_raise(void *ud)
{
	*(int *)ud = 1;
}

/* Lets this much time pass. */
static inline void sim_pass(Sim *s, int64_t usec)
{
	int over = 0;
	loop_timer(loop_sim_loop(s->ls), sim_now(s) + usec, sim_raise, &over);
	sim_until(s, &over);
}
