/* Transport inside one process, on a simulated loop: a handler answers requests after a latency,
 * and a plan of faults decides what happens to the n-th request. */
#pragma once
#include "http/http.h"
#include "loop/loop-sim.h"

/* body is handed over (g_free); content_type is static, NULL = application/json; retry_after_sec 0
 * = no header. */
typedef struct HttpSimAnswer {
	int status;
	char *body;
	const char *content_type;
	int retry_after_sec;
} HttpSimAnswer;
typedef HttpSimAnswer HttpSimHandler(const HttpRequest *r, void *ud);

/* A watch begins: the handler keeps the id and pushes lines with http_sim_push (also from inside
 * this call). A status other than 200 ends the watch with that answer. */
typedef HttpSimAnswer HttpSimWatch(const HttpRequest *r, uint64_t id, void *ud);

typedef enum {
	HTTP_FAULT_NONE,
	HTTP_FAULT_NOT_SENT, /* refused: nothing happened, and the caller knows */
	HTTP_FAULT_LOST, /* never arrives; the caller sees a timeout */
	HTTP_FAULT_ANSWER_LOST, /* takes effect; the caller sees a timeout */
	HTTP_FAULT_LATE, /* takes effect; the answer comes about 1 s late */
	HTTP_FAULT_LATE_PAST_TIMEOUT, /* the caller sees a timeout, and then it takes effect */
	HTTP_FAULT_500_APPLIED, /* takes effect and answers 500 */
	HTTP_FAULT_500, /* answers 500 without an effect */
	HTTP_FAULT_CRASH_BEFORE_SEND, /* the caller's process dies; the request was not sent */
	HTTP_FAULT_CRASH_AFTER_SEND, /* the caller's process dies; the request arrives */
	HTTP_FAULT_CRASH_AFTER_ANSWER /* the caller's process dies when the server has answered */
} HttpFault;

typedef struct HttpSim HttpSim;
HttpSim *http_sim_new(LoopSim *loop, HttpSimHandler *handler, HttpSimWatch *watch, void *ud);
void http_sim_free(HttpSim *s);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HttpSim, http_sim_free)
Http http_sim_http(HttpSim *s);

/* faults is asked before each request that is not a watch, n counting from 0. crash(ud) is called
 * by the loop, not from inside the request, and must end in http_sim_crash. */
typedef HttpFault HttpSimFaults(uint64_t n, const HttpRequest *r, void *ud);
void http_sim_set_faults(HttpSim *s, HttpSimFaults *faults, LoopFn *crash, void *ud);
void http_sim_set_latency(HttpSim *s, int64_t min_usec, int64_t max_usec);
uint64_t http_sim_requests(const HttpSim *s);

void http_sim_push(
	HttpSim *s, uint64_t watch_id, const char *line); /* ids that ended are ignored */
void http_sim_end_watch(HttpSim *s, uint64_t watch_id); /* the server closes the stream */

/* The client's process died: completions and watches are dropped, requests already sent still
 * arrive. */
void http_sim_crash(HttpSim *s);
