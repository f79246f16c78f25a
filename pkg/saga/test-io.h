/* One process of the rule tests: an engine, its site, and how its reads and acts reach the target.
 */
#pragma once
#include "saga/internal.h"
#include "saga/test-target.h"

typedef struct Kit Kit;

typedef struct {
	Kit *kit;
	Target *target;
	LoopSimProc *proc;
	Saga *saga;
	Site *site;
	GPtrArray *contexts; /* of completions under way: they go with the process */
} Proc;

typedef struct {
	Proc *proc;
	FactRead *read;
	ActDone *done;
	void *ud;
} Ctx;

static const HttpEndpoint kit_endpoint = { .base_url = (char *)"sim" };

static inline Ctx *ctx_new(Proc *p)
{
	Ctx *c = g_new0(Ctx, 1);
	c->proc = p;
	g_ptr_array_add(p->contexts, c);
	return c;
}

static inline void on_read(const HttpAnswer *a, void *ud)
{
	Ctx *c = ud;
	if (a->outcome == HTTP_ANSWERED && a->status == 404) {
		fact_read_done(c->read, view_new_missing(), NULL);
	} else if (a->outcome == HTTP_ANSWERED && a->status == 200) {
		fact_read_done(c->read, view_new(json_loadb(a->body, a->n_body, 0, NULL)), NULL);
	} else {
		g_autoptr(GError) err = g_error_new(SL_ERROR,
			a->status == 403 ? SL_ERR_REFUSED : SL_ERR_RETRY, "status %d", a->status);
		fact_read_done(c->read, NULL, err);
	}
	g_ptr_array_remove_fast(c->proc->contexts, c);
}

static inline void kit_read(Site *site, const char *key, FactRead *r)
{
	Ctx *c = ctx_new(site_ctx(site));
	c->read = r;
	HttpRequest req = { &kit_endpoint, "GET", key, .timeout_msec = 5000 };
	http_request(http_sim_http(c->proc->target->http), &req, on_read, c);
}

static inline void on_act(const HttpAnswer *a, void *ud)
{
	Ctx *c = ud;
	ActAnswer answer = { ANSWER_UNKNOWN, a->status, a->retry_after_sec, NULL };
	if (a->outcome == HTTP_NOT_SENT)
		answer.class = ANSWER_NOT_APPLIED;
	else if (a->outcome == HTTP_ANSWERED && a->status < 300)
		answer.class = ANSWER_DONE;
	else if (a->outcome == HTTP_ANSWERED && a->status == 409)
		answer.class = ANSWER_CONFLICT;
	else if (a->outcome == HTTP_ANSWERED && a->status < 500)
		answer.class = ANSWER_NOT_APPLIED;
	c->done(&answer, c->ud);
	g_ptr_array_remove_fast(c->proc->contexts, c);
}

static inline uint64_t kit_send(Site *site, const ActRequest *r, ActDone *done, void *ud)
{
	Ctx *c = ctx_new(site_ctx(site));
	c->done = done;
	c->ud = ud;
	g_autofree char *text = json_canonical(r->body);
	HttpRequest req = { .endpoint = &kit_endpoint,
		.method = r->method,
		.path = r->path,
		.body = text,
		.n_body = strlen(text),
		.timeout_msec = r->timeout_msec };
	return http_request(http_sim_http(c->proc->target->http), &req, on_act, c);
}
