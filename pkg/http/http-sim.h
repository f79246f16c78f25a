/* Transport inside one process, on a simulated loop: a handler answers requests after a latency,
 * and a plan of faults decides what happens to the n-th request (docs of the fault kinds: the crash
 * matrix of the engine). */
#pragma once
#include "http/http.h"
#include "loop/loop-sim.h"

/* The answer of a handler: it frees nothing; body is owned by the transport afterwards (g_free). */
typedef struct HttpSimAnswer {
	int status;
	char *body;
	const char *content_type; /* static; NULL = application/json */
	int retry_after_sec; /* 0 = no header */
} HttpSimAnswer;
typedef HttpSimAnswer HttpSimHandler(const HttpRequest *r, void *ud);

/* A watch: called when one starts; the handler keeps the id and pushes lines with http_sim_push.
 * status other than 200 ends it at once with that answer. */
typedef HttpSimAnswer HttpSimWatch(const HttpRequest *r, uint64_t id, void *ud);

typedef enum {
	HTTP_FAULT_NONE,
	HTTP_FAULT_NOT_SENT, /* refused: nothing happened, and the caller knows */
	HTTP_FAULT_LOST, /* never arrives; the caller sees a timeout */
	HTTP_FAULT_ANSWER_LOST, /* takes effect; the caller sees a timeout */
	HTTP_FAULT_LATE, /* takes effect and answers about 1 s late */
	HTTP_FAULT_LATE_PAST_TIMEOUT, /* the caller sees a timeout, then it takes effect */
	HTTP_FAULT_500_APPLIED, /* takes effect, answers 500 */
	HTTP_FAULT_500, /* answers 500, no effect */
} HttpFault;

typedef struct HttpSim HttpSim;
HttpSim *http_sim_new(LoopSim *loop, HttpSimHandler *handler, HttpSimWatch *watch, void *ud);
void http_sim_free(HttpSim *s);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HttpSim, http_sim_free)
Http http_sim_http(HttpSim *s);

/* Faults are asked for before each request that is not a watch (n counts from 0, writes_only counts
 * only non-GETs). */
typedef HttpFault HttpSimFaults(uint64_t n, const HttpRequest *r, void *ud);
void http_sim_set_faults(HttpSim *s, HttpSimFaults *faults, void *ud);
void http_sim_set_latency(HttpSim *s, int64_t min_usec, int64_t max_usec);
uint64_t http_sim_requests(const HttpSim *s);

void http_sim_push(HttpSim *s, uint64_t watch_id, const char *line); /* unknown ids are ignored */
void http_sim_end_watch(HttpSim *s, uint64_t watch_id); /* as if the server closed the stream */

/* The client's process died: completions are dropped, requests that were sent still arrive at the
 * handler. */
void http_sim_crash(HttpSim *s);
