/* Notices on real sockets: what goes over the wire, and receivers that fail once. */
#include "codec/json.h"
#include "fleet/outbox.h"
#include "http/test-wire.h"
#include "loop/loop-sim.h"

#define OK "HTTP/1.1 204 No Content\r\n\r\n"
#define KEY "hub.7.1790000000000000.n"
enum { SLOW_MSEC = 1500 };

/* What a server says to its first request; then it says OK. */
typedef struct Manners {
	const char *name, *first;
	int delay_msec, n_requests; /* as many as are needed */
} Manners;

static void talk(int fd, WireSeen *seen, const void *ud)
{
	const Manners *m = ud;
	while (wire_read(fd, seen)) {
		bool first = __atomic_add_fetch(&seen->n_served, 1, __ATOMIC_SEQ_CST) == 1;
		poll(NULL, 0, first ? m->delay_msec : 0);
		wire_say(fd, first && m->first ? m->first : OK);
		if (first && m->first && !strstr(m->first, "Content-Length: 0"))
			return;
	}
}

typedef struct Post {
	Outbox *box;
	HttpEndpoint e;
	int n_done;
	AnswerClass class;
	int status;
} Post;

static const HttpEndpoint *endpoint(void *ud, const json_t *notify, GError **err)
{
	return &((Post *)ud)->e;
}

static void on_done(const ActAnswer *a, void *ud)
{
	Post *p = ud;
	p->n_done++;
	p->class = a->class;
	p->status = a->status;
}

static void post_up(Post *p, Wire *w, int port, const char *body)
{
	g_autoptr(json_t) receivers = json_pack(
		"[{s:s, s:o}]", "name", "n", "body", json_loads(body, JSON_DECODE_ANY, NULL));
	FleetConnect connect = { .ud = p, .receiver = endpoint };
	p->e.base_url = g_strdup_printf("http://127.0.0.1:%d/hook/Secret?a=b", port);
	p->box = outbox_new(w->loop, w->http, (Log){ 0 }, &connect);
	outbox_set(p->box, receivers);
}

static void post_down(Post *p)
{
	outbox_free(p->box);
	g_free(p->e.base_url);
}

static void post_send(Post *p)
{
	g_autoptr(json_t) fields = json_pack(
		"{s:s, s:s, s:s}", "cluster", "ocp \"1\"\n", "reason", "{{token}} é", "key", KEY);
	outbox_send(p->box, "n", KEY, fields, INT64_MAX, on_done, p);
	g_assert_cmpint(p->n_done, ==, 0);
}

static void test_wire(void)
{
	static const struct {
		const char *name, *body, *want;
		bool token, header; /* there is one; it goes into the header */
	} cases[] = {
		{ "plain", "{\"text\": \"{{cluster}}: {{reason}} {{nothing}}\", \"n\": [1, true]}",
			"{\"n\":[1,true],\"text\":\"ocp \\\"1\\\"\\n: {{token}} é {{nothing}}\"}" },
		{ "bearer", "{\"k\": [\"{{key}}\", null]}", "{\"k\":[\"" KEY "\",null]}", true,
			true },
		{ "in the body", "{\"routing_key\": \"{{token}}\", \"a\": {\"b\": \"{{key}}\"}}",
			"{\"a\":{\"b\":\"" KEY "\"},\"routing_key\":\"T0p\"}", true },
	};
	static const Manners good = { .name = "good" };
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		WireServer s = wire_serve(talk, &good);
		Wire w = wire_new();
		Post p = { .e.bearer = cases[i].token ? WIRE_STR("T0p") : NULL };
		g_test_message("%s", cases[i].name);
		post_up(&p, &w, s.port, cases[i].body);
		post_send(&p);
		wire_until(&w, &p.n_done, 1);
		g_assert_cmpint(p.class, ==, ANSWER_DONE);
		g_assert_cmpint(p.status, ==, 204);
		const char *seen = s.seen->last, *body = strstr(seen, "\r\n\r\n");
		g_assert_true(g_str_has_prefix(seen, "POST /hook/Secret?a=b HTTP/1.1\r\n"));
		g_assert_nonnull(strstr(seen, "\r\nIdempotency-Key: " KEY "\r\n"));
		g_assert_nonnull(strstr(seen, "\r\nContent-Type: application/json\r\n"));
		g_assert_cmpint(strstr(seen, "\r\nAuthorization: Bearer T0p\r\n") != NULL, ==,
			cases[i].header);
		g_assert_cmpstr(body + strlen("\r\n\r\n"), ==, cases[i].want);
		post_down(&p);
		wire_free(&w);
		wire_stop(&s);
	}
}

/* All at once: each is tried again after a second, under the same key. */
static void test_bad_servers(void)
{
	WireServer elsewhere = wire_serve(talk, &(Manners){ .name = "elsewhere" });
	g_autofree char *redirect = g_strdup_printf("HTTP/1.1 307 Temporary Redirect\r\n"
						    "Location: http://127.0.0.1:%d/x\r\n"
						    "Content-Length: 0\r\n\r\n",
		elsewhere.port);
	const Manners cases[] = {
		{ "500", "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", 0, 2 },
		{ "redirects", redirect, 0, 2 },
		{ "hangs up", "", 0, 2 },
		{ "hangs up in its answer's head", "HTTP/1.1 200 OK\r\nContent-Le", 0, 2 },
		{ "hangs up in its answer", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", 0,
			2 },
		{ "slow", NULL, SLOW_MSEC, 1 },
	};
	enum { N = G_N_ELEMENTS(cases) };
	WireServer servers[N];
	Post posts[N] = { 0 };
	for (size_t i = 0; i < N; i++)
		servers[i] = wire_serve(talk, &cases[i]);
	Wire w = wire_new();
	for (size_t i = 0; i < N; i++) {
		post_up(&posts[i], &w, servers[i].port, "{}");
		post_send(&posts[i]);
	}
	for (size_t i = 0; i < N; i++) {
		g_test_message("%s", cases[i].name);
		wire_until(&w, &posts[i].n_done, 1);
		g_assert_cmpint(posts[i].status, ==, 204);
		g_assert_cmpint(wire_requests(&servers[i]), ==, cases[i].n_requests);
		g_assert_nonnull(strstr(servers[i].seen->last, "\r\nIdempotency-Key: " KEY "\r\n"));
		g_assert_null(outbox_error(posts[i].box, "n"));
	}
	g_assert_cmpint(wire_requests(&elsewhere), ==, 0);
	for (size_t i = 0; i < N; i++)
		post_down(&posts[i]);
	wire_free(&w);
	for (size_t i = 0; i < N; i++)
		wire_stop(&servers[i]);
	wire_stop(&elsewhere);
}

/* ---- without a network ---- */

static const HttpEndpoint *no_endpoint(void *ud, const json_t *notify, GError **err)
{
	sl_fail(err, SL_ERR_NOT_FOUND, "url: there is no systemd credential chat-url");
	return NULL;
}

static bool is_done(void *ud)
{
	return ((Post *)ud)->n_done > 0;
}

static void test_ends(void)
{
	g_autoptr(LoopSim) sim = loop_sim_new(1, 1790000000 * SL_USEC_PER_SEC);
	Loop loop = loop_sim_loop(sim);
	Post p = { 0 }, stray = { 0 };
	FleetConnect connect = { .ud = &p, .receiver = no_endpoint };
	g_autoptr(json_t) receivers = json_pack("[{s:s, s:{}}]", "name", "n", "body");
	g_autoptr(json_t) fields = json_object();
	p.box = outbox_new(loop, (Http){ 0 }, (Log){ 0 }, &connect);
	outbox_set(p.box, receivers);
	int64_t until = loop_boot_usec(loop) + 3600 * SL_USEC_PER_SEC;
	outbox_send(p.box, "n", KEY, fields, until, on_done, &p);
	outbox_send(p.box, "nobody", KEY, fields, until, on_done, &stray);
	uint64_t forgotten = outbox_send(p.box, "n", "k2", fields, until, NULL, NULL);
	outbox_forget(p.box, forgotten);
	outbox_forget(p.box, outbox_send(p.box, "nobody", "k3", fields, until, NULL, NULL));
	g_assert_true(loop_sim_run(sim, is_done, &stray, until));
	g_assert_cmpint(stray.class, ==, ANSWER_NOT_APPLIED);
	g_assert_false(loop_sim_run(sim, is_done, &p, until - 1));
	g_assert_cmpstr(
		outbox_error(p.box, "n"), ==, "url: there is no systemd credential chat-url");
	g_assert_true(loop_sim_run(sim, is_done, &p, until + SL_USEC_PER_SEC));
	g_assert_cmpint(p.class, ==, ANSWER_NOT_APPLIED);
	outbox_free(p.box);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/outbox/wire", test_wire);
	g_test_add_func("/outbox/bad-servers", test_bad_servers);
	g_test_add_func("/outbox/ends", test_ends);
	return g_test_run();
}
