#include "http/http-sim.h"
#include <string.h>

typedef struct {
	int n_applied, n_done, n_crashes, status;
	HttpOutcome outcome;
	HttpFault fault;
	HttpSim *sim;
	GString *lines;
} World;

static HttpSimAnswer handle(const HttpRequest *r, void *ud)
{
	((World *)ud)->n_applied++;
	return (HttpSimAnswer){ 200, g_strdup_printf("%s %s", r->method, r->path), NULL, 0 };
}

static HttpSimAnswer watch(const HttpRequest *r, uint64_t id, void *ud)
{
	World *w = ud;
	if (strstr(r->path, "gone"))
		return (HttpSimAnswer){ 410, g_strdup("too old"), NULL, 0 };
	http_sim_push(w->sim, id, "one");
	http_sim_push(w->sim, id, "two");
	http_sim_end_watch(w->sim, id);
	return (HttpSimAnswer){ .status = 200 };
}

static void on_done(const HttpAnswer *a, void *ud)
{
	World *w = ud;
	w->n_done++;
	w->outcome = a->outcome;
	w->status = a->status;
}

static void on_line(const char *line, size_t len, void *ud)
{
	g_string_append_len(((World *)ud)->lines, line, (gssize)len);
}

static HttpFault plan(uint64_t n, const HttpRequest *r, void *ud)
{
	return n == 0 ? ((World *)ud)->fault : HTTP_FAULT_NONE;
}

static void crash(void *ud)
{
	World *w = ud;
	w->n_crashes++;
	http_sim_crash(w->sim);
}

static void test_faults(void)
{
	static const struct {
		HttpFault fault;
		int n_applied, n_done, n_crashes, status;
		HttpOutcome outcome;
	} cases[] = {
		{ HTTP_FAULT_NONE, 1, 1, 0, 200, HTTP_ANSWERED },
		{ HTTP_FAULT_NOT_SENT, 0, 1, 0, 0, HTTP_NOT_SENT },
		{ HTTP_FAULT_LOST, 0, 1, 0, 0, HTTP_UNKNOWN },
		{ HTTP_FAULT_ANSWER_LOST, 1, 1, 0, 0, HTTP_UNKNOWN },
		{ HTTP_FAULT_LATE, 1, 1, 0, 200, HTTP_ANSWERED },
		{ HTTP_FAULT_LATE_PAST_TIMEOUT, 1, 1, 0, 0, HTTP_UNKNOWN },
		{ HTTP_FAULT_500_APPLIED, 1, 1, 0, 500, HTTP_ANSWERED },
		{ HTTP_FAULT_500, 0, 1, 0, 500, HTTP_ANSWERED },
		{ HTTP_FAULT_CRASH_BEFORE_SEND, 0, 0, 1, 0, 0 },
		{ HTTP_FAULT_CRASH_AFTER_SEND, 1, 0, 1, 0, 0 },
		{ HTTP_FAULT_CRASH_AFTER_ANSWER, 1, 0, 1, 0, 0 },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("fault %d", cases[i].fault);
		g_autoptr(LoopSim) loop = loop_sim_new(1, 0);
		World w = { .fault = cases[i].fault };
		g_autoptr(HttpSim) sim = w.sim = http_sim_new(loop, handle, watch, &w);
		http_sim_set_faults(sim, plan, crash, &w);
		HttpEndpoint ep = { .base_url = (char *)"http://x" };
		HttpRequest r = { .endpoint = &ep, .method = "GET", .path = "/a" };
		g_assert_cmpuint(http_request(http_sim_http(sim), &r, on_done, &w), !=, 0);
		g_assert_cmpint(w.n_done, ==, 0);
		while (loop_sim_step(loop))
			;
		g_assert_cmpint(w.n_applied, ==, cases[i].n_applied);
		g_assert_cmpint(w.n_done, ==, cases[i].n_done);
		g_assert_cmpint(w.n_crashes, ==, cases[i].n_crashes);
		g_assert_cmpint(w.status, ==, cases[i].status);
		g_assert_cmpint(w.outcome, ==, cases[i].outcome);
	}
}

static void test_watch(void)
{
	g_autoptr(LoopSim) loop = loop_sim_new(1, 0);
	g_autoptr(GString) lines = g_string_new(NULL);
	World w = { .lines = lines };
	g_autoptr(HttpSim) sim = w.sim = http_sim_new(loop, handle, watch, &w);
	HttpEndpoint ep = { .base_url = (char *)"http://x" };
	HttpRequest r = { .endpoint = &ep, .method = "GET", .path = "/a?watch=1" };
	http_watch(http_sim_http(sim), &r, on_line, on_done, &w);
	while (loop_sim_step(loop))
		;
	g_assert_cmpstr(lines->str, ==, "onetwo");
	g_assert_cmpint(w.n_done, ==, 1);
	r.path = "/gone";
	http_watch(http_sim_http(sim), &r, on_line, on_done, &w);
	while (loop_sim_step(loop))
		;
	g_assert_cmpint(w.status, ==, 410);
}

static void test_forget(void)
{
	g_autoptr(LoopSim) loop = loop_sim_new(1, 0);
	World w = { 0 };
	g_autoptr(HttpSim) sim = w.sim = http_sim_new(loop, handle, watch, &w);
	HttpEndpoint ep = { .base_url = (char *)"http://x" };
	HttpRequest r = { .endpoint = &ep, .method = "PATCH", .path = "/a" };
	uint64_t id = http_request(http_sim_http(sim), &r, on_done, &w);
	http_forget(http_sim_http(sim), &id);
	while (loop_sim_step(loop))
		;
	g_assert_cmpint(w.n_applied, ==, 1);
	g_assert_cmpint(w.n_done, ==, 0);
	http_request(http_sim_http(sim), &r, on_done,
		&w); /* still on its way when everything is freed */
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/http-sim/faults", test_faults);
	g_test_add_func("/http-sim/watch", test_watch);
	g_test_add_func("/http-sim/forget", test_forget);
	return g_test_run();
}
