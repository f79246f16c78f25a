#include "http/test-wire.h"
#include <dlfcn.h>
#include <netdb.h>

typedef struct Got {
	int n; /* completions */
	HttpOutcome outcome;
	int status, retry_after;
	GString *body, *lines;
	char *error, *warning, *audit_id, *type;
	int n_lines;
	Wire *wire;
	uint64_t id;
	bool forget_at_line;
} Got;

static void got_clear(Got *g)
{
	if (g->body)
		g_string_free(g->body, TRUE);
	if (g->lines)
		g_string_free(g->lines, TRUE);
	g_free(g->error);
	g_free(g->warning);
	g_free(g->audit_id);
	g_free(g->type);
	*g = (Got){ 0 };
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Got, got_clear)

static void on_done(const HttpAnswer *a, void *ud)
{
	Got *g = ud;
	g->n++;
	g->outcome = a->outcome;
	g->status = a->status;
	g->retry_after = a->retry_after_sec;
	if (!g->body)
		g->body = g_string_new(NULL);
	g_string_append_len(g->body, a->body, (gssize)a->n_body);
	g_assert_cmpint(a->outcome == HTTP_ANSWERED, ==, a->error == NULL);
	g_free(g->error);
	g->error = g_strdup(a->error);
	g->warning = g_strdup(a->warning);
	g->audit_id = g_strdup(a->audit_id);
	g->type = g_strdup(a->content_type);
}

static void on_line(const char *line, size_t len, void *ud)
{
	Got *g = ud;
	g->n_lines++;
	if (!g->lines)
		g->lines = g_string_new(NULL);
	g_string_append_len(g->lines, line, (gssize)len);
	g_string_append_c(g->lines, '|');
	if (g->forget_at_line)
		http_forget(g->wire->http, &g->id);
}

typedef struct Fixture {
	Wire wire;
	WireServer server;
	HttpEndpoint endpoint;
	char *url;
} Fixture;

static Fixture fixture_new(WireTalk *talk, const void *ud)
{
	/* The server first: its processes must not inherit the client's descriptors. */
	Fixture f = { .server = wire_serve(talk, ud) };
	f.wire = wire_new();
	f.url = g_strdup_printf("http://127.0.0.1:%d", f.server.port);
	f.endpoint = (HttpEndpoint){ .base_url = f.url };
	return f;
}

static void fixture_free(Fixture *f)
{
	wire_free(&f->wire);
	wire_stop(&f->server);
	g_free(f->url);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Fixture, fixture_free)

static void ask(Fixture *f, const HttpRequest *r, Got *g)
{
	HttpRequest q = *r;
	q.endpoint = q.endpoint ? q.endpoint : &f->endpoint;
	q.method = q.method ? q.method : "GET";
	q.path = q.path ? q.path : "/x";
	int before = g->n;
	g->id = http_request(f->wire.http, &q, on_done, g);
	g_assert_cmpuint(g->id, !=, 0);
	g_assert_cmpint(g->n, ==, before); /* never from inside */
	wire_until(&f->wire, &g->n, before + 1);
}

/* Says the text to every request, as long as the client stays. */
static void talk_text(int fd, WireSeen *seen, const void *ud)
{
	while (wire_read(fd, seen))
		wire_say(fd, ud);
}

static void test_plain(void)
{
	g_auto(Fixture) f = fixture_new(talk_text,
		"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nAudit-Id: a-1\r\n"
		"Warning: 299 - \"first\"\r\nWarning: 299 - \"second\"\r\nRetry-After: 7\r\n"
		"Content-Length: 5\r\n\r\nhello");
	f.endpoint.bearer = WIRE_STR("secret-token");
	g_auto(Got) g = { 0 };
	const HttpHeader h = { "Impersonate-User", "writer" };
	ask(&f,
		&(HttpRequest){ .method = "PATCH",
			.path = "/api/v1/nodes/n%2F1?x=1",
			.content_type = "application/merge-patch+json",
			.accept = "application/json",
			.headers = &h,
			.n_headers = 1,
			.body = "{}",
			.n_body = 2 },
		&g);
	g_assert_cmpint(g.outcome, ==, HTTP_ANSWERED);
	g_assert_cmpint(g.status, ==, 201);
	g_assert_cmpint(g.retry_after, ==, 7);
	g_assert_cmpstr(g.body->str, ==, "hello");
	g_assert_cmpstr(g.warning, ==, "first");
	g_assert_cmpstr(g.audit_id, ==, "a-1");
	g_assert_cmpstr(g.type, ==, "application/json");
	const char *said = f.server.seen->last;
	g_assert_true(g_str_has_prefix(said, "PATCH /api/v1/nodes/n%2F1?x=1 HTTP/1.1\r\n"));
	g_assert_nonnull(strstr(said, "\r\nAuthorization: Bearer secret-token\r\n"));
	g_assert_nonnull(strstr(said, "\r\nContent-Type: application/merge-patch+json\r\n"));
	g_assert_nonnull(strstr(said, "\r\nImpersonate-User: writer\r\n"));
	g_assert_nonnull(strstr(said, "\r\nUser-Agent: shiplock/" SL_VERSION "\r\n"));
	g_assert_null(strstr(said, "Expect:"));
	g_assert_true(g_str_has_suffix(said, "\r\n\r\n{}"));
}

static void test_basic_and_delete(void)
{
	g_auto(Fixture) f = fixture_new(talk_text, "HTTP/1.1 204 No Content\r\n\r\n");
	f.endpoint.basic_user = WIRE_STR("u");
	f.endpoint.basic_password = WIRE_STR("p:w");
	g_auto(Got) g = { 0 };
	ask(&f, &(HttpRequest){ .method = "DELETE" }, &g);
	g_assert_cmpint(g.status, ==, 204);
	g_assert_nonnull(strstr(f.server.seen->last, "\r\nAuthorization: Basic dTpwOnc=\r\n"));
	g_assert_null(strstr(f.server.seen->last, "Content-Type"));
	ask(&f, &(HttpRequest){ .method = "DELETE", .body = "{\"a\":1}", .n_body = 7 }, &g);
	g_assert_true(g_str_has_suffix(f.server.seen->last, "{\"a\":1}"));
	ask(&f, &(HttpRequest){ .method = "POST" }, &g);
	g_assert_nonnull(strstr(f.server.seen->last, "Content-Length: 0"));
	g_assert_cmpint(f.server.seen->n_connections, ==, 1);
}

static void test_no_redirect(void)
{
	g_auto(Fixture) f = fixture_new(talk_text,
		"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n");
	g_auto(Got) g = { 0 };
	ask(&f, &(HttpRequest){ 0 }, &g);
	g_assert_cmpint(g.status, ==, 302);
	g_assert_cmpint(wire_requests(&f.server), ==, 1);
}

static void test_not_sent(void)
{
	g_auto(Fixture) f = fixture_new(talk_text, "");
	int port, fd = wire_listen(&port);
	close(fd); /* nobody listens there now */
	g_autofree char *refused = g_strdup_printf("http://127.0.0.1:%d", port);
	g_autofree char *not_tls = g_strdup_printf("https://127.0.0.1:%d", f.server.port);
	const HttpEndpoint bad[] = {
		{ .base_url = refused },
		{ .base_url = NULL },
		{ .base_url = WIRE_STR("http://user:secret@127.0.0.1") },
		{ .base_url = WIRE_STR("ftp://127.0.0.1") },
		{ .base_url = WIRE_STR("http://127.0.0.1:70000") },
		{ .base_url = f.url, .bearer = WIRE_STR("a\r\nX: y") },
		{ .base_url = f.url, .proxy_url = refused },
		{ .base_url = not_tls, .ca_pem = WIRE_STR("no certificate") },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_auto(Got) g = { 0 };
		ask(&f, &(HttpRequest){ .endpoint = &bad[i], .method = "POST" }, &g);
		g_test_message("%zu: %s", i, g.error);
		g_assert_cmpint(g.outcome, ==, HTTP_NOT_SENT);
		g_assert_null(strstr(g.error, "secret"));
	}
	g_assert_cmpint(wire_requests(&f.server), ==, 0);
}

/* Reads the request and hangs up. */
static void talk_hang_up(int fd, WireSeen *seen, const void *ud)
{
	wire_read(fd, seen);
}

static void test_lost_after_request(void)
{
	g_auto(Fixture) f = fixture_new(talk_hang_up, NULL);
	static const char *const methods[] = { "GET", "POST", "PATCH", "DELETE" };
	for (size_t i = 0; i < G_N_ELEMENTS(methods); i++) {
		g_auto(Got) g = { 0 };
		ask(&f, &(HttpRequest){ .method = methods[i] }, &g);
		g_test_message("%s: %s", methods[i], g.error);
		g_assert_cmpint(g.outcome, ==, HTTP_UNKNOWN);
	}
}

/* Answers the first request of a connection and hangs up during the second. */
static void talk_second_lost(int fd, WireSeen *seen, const void *ud)
{
	wire_read(fd, seen);
	wire_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
	wire_read(fd, seen);
}

static void test_write_is_never_repeated(void)
{
	g_auto(Fixture) f = fixture_new(talk_second_lost, NULL);
	g_auto(Got) g = { 0 };
	ask(&f, &(HttpRequest){ 0 }, &g);
	g_assert_cmpint(g.outcome, ==, HTTP_ANSWERED);
	ask(&f, &(HttpRequest){ .method = "PATCH", .body = "{}", .n_body = 2 }, &g);
	g_assert_cmpint(g.outcome, ==, HTTP_UNKNOWN);
	g_assert_cmpint(wire_requests(&f.server), ==, 2);
	/* A read is repeated on a connection of its own and succeeds. */
	ask(&f, &(HttpRequest){ 0 }, &g);
	ask(&f, &(HttpRequest){ 0 }, &g);
	g_assert_cmpint(g.outcome, ==, HTTP_ANSWERED);
	g_assert_cmpint(wire_requests(&f.server), ==, 5);
}

/* The first `cut` bytes of an answer, then the end. */
typedef struct Torn {
	const char *text;
	int cut;
} Torn;

static void talk_torn(int fd, WireSeen *seen, const void *ud)
{
	const Torn *t = ud;
	wire_read(fd, seen);
	g_autofree char *part = g_strndup(t->text, (gsize)t->cut);
	wire_say(fd, part);
}

/* The n-th connection gets n bytes of the answer. */
static void talk_torn_by_count(int fd, WireSeen *seen, const void *ud)
{
	int nth = __atomic_fetch_add(&seen->n_served, 1, __ATOMIC_SEQ_CST);
	talk_torn(fd, seen, &(Torn){ ud, nth });
}

static void test_torn_at_every_byte(void)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\n"
				     "Content-Length: 5\r\n\r\nhello";
	g_auto(Fixture) f = fixture_new(talk_torn_by_count, answer);
	for (int cut = 0; cut <= (int)strlen(answer); cut++) {
		g_auto(Got) g = { 0 };
		ask(&f, &(HttpRequest){ .method = "PATCH" }, &g);
		bool whole = cut == (int)strlen(answer);
		g_assert_cmpint(g.outcome, ==, whole ? HTTP_ANSWERED : HTTP_UNKNOWN);
		g_assert_cmpint(wire_requests(&f.server), ==, cut + 1);
	}
}

static void talk_silent(int fd, WireSeen *seen, const void *ud)
{
	wire_read(fd, seen);
	if (ud)
		wire_say(fd, ud);
	wire_linger(fd);
}

static void test_deadline(void)
{
	static const char *const said[] = { NULL,
		"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart" };
	for (size_t i = 0; i < G_N_ELEMENTS(said); i++) {
		g_auto(Fixture) f = fixture_new(talk_silent, said[i]);
		g_auto(Got) g = { 0 };
		ask(&f, &(HttpRequest){ .timeout_msec = 150 }, &g);
		g_assert_cmpint(g.outcome, ==, HTTP_UNKNOWN);
		g_assert_nonnull(strstr(g.error, "no answer within 0.15 s"));
		g_assert_cmpuint(http_curl_n_open(f.wire.curl), ==, 0);
	}
}

/* A listener that never accepts TLS: the handshake does not end, so nothing was sent. */
static void test_deadline_before_request(void)
{
	g_auto(Fixture) f = fixture_new(talk_silent, NULL);
	g_autofree char *url = g_strdup_printf("https://127.0.0.1:%d", f.server.port);
	g_auto(Got) g = { 0 };
	ask(&f,
		&(HttpRequest){ .endpoint = &(HttpEndpoint){ .base_url = url },
			.method = "POST",
			.timeout_msec = 150 },
		&g);
	g_assert_cmpint(g.outcome, ==, HTTP_NOT_SENT);
	g_assert_nonnull(strstr(g.error, "no connection within"));
}

static void test_max_bytes(void)
{
	g_auto(Fixture) f =
		fixture_new(talk_text, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
	g_auto(Got) g = { 0 };
	ask(&f, &(HttpRequest){ .max_bytes = 4 }, &g);
	g_assert_cmpint(g.outcome, ==, HTTP_UNKNOWN);
	g_assert_nonnull(strstr(g.error, "larger than allowed"));
	ask(&f, &(HttpRequest){ .max_bytes = 5 }, &g);
	g_assert_cmpint(g.outcome, ==, HTTP_ANSWERED);
}

static void test_forget(void)
{
	g_auto(Fixture) f = fixture_new(talk_silent, NULL);
	g_auto(Got) g = { 0 };
	g_auto(Got) after = { 0 };
	HttpRequest r = { .endpoint = &f.endpoint, .method = "GET", .path = "/" };
	uint64_t id = http_request(f.wire.http, &r, on_done, &g);
	r.endpoint = &(HttpEndpoint){ 0 };
	uint64_t early = http_request(f.wire.http, &r, on_done, &g);
	http_forget(f.wire.http, &id);
	http_forget(f.wire.http, &early);
	g_assert_cmpuint(id, ==, 0);
	g_assert_cmpuint(http_curl_n_open(f.wire.curl), ==, 0);
	ask(&f, &(HttpRequest){ .timeout_msec = 50 }, &after);
	g_assert_cmpint(g.n, ==, 0);
}

static void test_many_end_together(void)
{
	g_auto(Fixture) f =
		fixture_new(talk_text, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
	g_auto(Got) g = { 0 };
	HttpRequest r = { .endpoint = &f.endpoint, .method = "GET", .path = "/" };
	for (int i = 0; i < 200; i++)
		http_request(f.wire.http, &r, on_done, &g);
	wire_until(&f.wire, &g.n, 200);
	g_assert_cmpuint(g.body->len, ==, 400);
	g_assert_cmpint(f.server.seen->n_connections, <=, HTTP_MAX_CONNECTIONS);
}

/* --- names --- */

static int slow_lookups, slow_ended; /* of threads that libcurl starts */

/* Stands in front of the C library's: a name server that does not answer for a while. */
int getaddrinfo(
	const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **res)
{
	if (node && strcmp(node, "slow.invalid") == 0) {
		__atomic_add_fetch(&slow_lookups, 1, __ATOMIC_SEQ_CST);
		poll(NULL, 0, 3000);
		__atomic_add_fetch(&slow_ended, 1, __ATOMIC_SEQ_CST);
		return EAI_AGAIN;
	}
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
		dlsym(RTLD_NEXT, "getaddrinfo");
	return real(node, service, hints, res);
}

/* A lookup that hangs holds up neither the deadline nor the loop nor the end of the transport. */
static void test_slow_name(void)
{
	Fixture f = fixture_new(talk_silent, NULL);
	g_auto(Got) g = { 0 };
	HttpEndpoint e = { .base_url = WIRE_STR("http://slow.invalid") };
	HttpRequest r = { .endpoint = &e, .method = "POST", .path = "/" };
	ask(&f, &(HttpRequest){ .endpoint = &e, .method = "POST", .timeout_msec = 200 }, &g);
	g_assert_cmpint(g.outcome, ==, HTTP_NOT_SENT);
	uint64_t id = http_request(f.wire.http, &r, on_done, &g);
	wire_until(&f.wire, &slow_lookups, 2);
	http_forget(f.wire.http, &id);
	http_request(f.wire.http, &r, on_done, &g);
	wire_until(&f.wire, &slow_lookups, 3);
	fixture_free(&f);
	g_assert_cmpint(__atomic_load_n(&slow_ended, __ATOMIC_SEQ_CST), ==, 0);
	while (__atomic_load_n(&slow_ended, __ATOMIC_SEQ_CST) < 3)
		poll(NULL, 0, 10);
}

/* --- watches --- */

static void watch(Fixture *f, Got *g, size_t max_line, int silence_msec)
{
	HttpRequest r = { .endpoint = &f->endpoint,
		.method = "GET",
		.path = "/watch",
		.max_bytes = max_line,
		.timeout_msec = silence_msec };
	g->wire = &f->wire;
	g->id = http_watch(f->wire.http, &r, on_line, on_done, g);
}

#define STREAM_HEAD "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

static const char two_lines[] = "{\"a\":1}\n{\"b\":\"xyz\"}\n";

/* Two events; the n-th connection has them in two chunks cut after n + 1 bytes. */
static void talk_cut_stream(int fd, WireSeen *seen, const void *ud)
{
	size_t n = strlen(two_lines);
	size_t cut = 1 + (size_t)__atomic_fetch_add(&seen->n_served, 1, __ATOMIC_SEQ_CST);
	wire_read(fd, seen);
	g_autofree char *first =
		g_strdup_printf(STREAM_HEAD "%zx\r\n%.*s\r\n", cut, (int)cut, two_lines);
	g_autofree char *second =
		g_strdup_printf("%zx\r\n%s\r\n0\r\n\r\n", n - cut, two_lines + cut);
	wire_say(fd, first);
	poll(NULL, 0, 2); /* so that it comes in two reads */
	wire_say(fd, second);
}

static void test_watch_cut_at_every_byte(void)
{
	g_auto(Fixture) f = fixture_new(talk_cut_stream, NULL);
	for (int cut = 1; cut < (int)strlen(two_lines); cut++) {
		g_auto(Got) g = { 0 };
		watch(&f, &g, 0, 0);
		wire_until(&f.wire, &g.n, 1);
		g_assert_cmpint(g.outcome, ==, HTTP_ANSWERED);
		g_assert_cmpstr(g.lines->str, ==, "{\"a\":1}|{\"b\":\"xyz\"}|");
		g_assert_cmpuint(g.body->len, ==, 0);
	}
}

static void test_watch_ends(void)
{
	static const struct {
		const char *said;
		HttpOutcome want;
		int status, n_lines;
	} cases[] = {
		{ STREAM_HEAD "2\r\na\n\r\n0\r\n\r\n", HTTP_ANSWERED, 200, 1 },
		{ STREAM_HEAD "2\r\na\n\r\n", HTTP_UNKNOWN, 200, 1 },
		{ STREAM_HEAD "3\r\na\nb\r\n0\r\n\r\n", HTTP_UNKNOWN, 200, 1 },
		{ STREAM_HEAD "14\r\n01234567890123456789\r\n", HTTP_UNKNOWN, 200, 0 },
		{ "HTTP/1.1 410 Gone\r\nContent-Length: 2\r\n\r\na\n", HTTP_ANSWERED, 410, 0 },
		{ "", HTTP_UNKNOWN, 0, 0 },
		{ "HTTP/1.1 200 OK\r\nX: y\r\n", HTTP_UNKNOWN, 200, 0 },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		Torn t = { cases[i].said, (int)strlen(cases[i].said) };
		g_auto(Fixture) f = fixture_new(talk_torn, &t);
		g_auto(Got) g = { 0 };
		watch(&f, &g, 10, 0);
		wire_until(&f.wire, &g.n, 1);
		g_test_message("%zu: %s", i, g.error ? g.error : "ok");
		g_assert_cmpint(g.outcome, ==, cases[i].want);
		g_assert_cmpint(g.status, ==, cases[i].status);
		g_assert_cmpint(g.n_lines, ==, cases[i].n_lines);
	}
}

static void test_watch_silence(void)
{
	g_auto(Fixture) f = fixture_new(talk_silent, STREAM_HEAD "2\r\na\n\r\n");
	g_auto(Got) g = { 0 };
	watch(&f, &g, 0, 150);
	wire_until(&f.wire, &g.n, 1);
	g_assert_cmpint(g.n_lines, ==, 1);
	g_assert_cmpint(g.outcome, ==, HTTP_UNKNOWN);
}

static void test_watch_forget_inside_line(void)
{
	g_auto(Fixture) f = fixture_new(talk_silent, STREAM_HEAD "6\r\na\nb\nc\n\r\n");
	g_auto(Got) g = { .forget_at_line = true };
	watch(&f, &g, 0, 0);
	wire_until(&f.wire, &g.n_lines, 1);
	g_assert_cmpint(g.n_lines, ==, 1);
	g_assert_cmpint(g.n, ==, 0);
	g_assert_cmpuint(http_curl_n_open(f.wire.curl), ==, 0);
}

/* A watch streams for ever; anything else is answered. */
static void talk_watch_or_answer(int fd, WireSeen *seen, const void *ud)
{
	char asked[WIRE_BYTES];
	while (wire_take(fd, seen, asked)) {
		if (strstr(asked, "GET /watch ")) {
			wire_say(fd, STREAM_HEAD "2\r\na\n\r\n");
			wire_linger(fd);
			return;
		}
		wire_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
	}
}

static void test_watches_do_not_starve(void)
{
	enum { WATCHES = 8 };
	g_auto(Fixture) f = fixture_new(talk_watch_or_answer, NULL);
	Got watches[WATCHES] = { 0 };
	g_auto(Got) g = { 0 };
	for (int i = 0; i < WATCHES; i++)
		watch(&f, &watches[i], 0, 0);
	for (int i = 0; i < WATCHES; i++)
		wire_until(&f.wire, &watches[i].n_lines, 1);
	g_assert_cmpint(f.server.seen->n_connections, ==, WATCHES);
	for (int i = 0; i < 20; i++)
		ask(&f, &(HttpRequest){ .timeout_msec = 5000 }, &g);
	g_assert_cmpuint(g.body->len, ==, 40);
	for (int i = 0; i < WATCHES; i++) {
		g_assert_cmpint(watches[i].n, ==, 0);
		http_forget(f.wire.http, &watches[i].id);
		got_clear(&watches[i]);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/http-curl/plain", test_plain);
	g_test_add_func("/http-curl/basic-and-delete", test_basic_and_delete);
	g_test_add_func("/http-curl/no-redirect", test_no_redirect);
	g_test_add_func("/http-curl/not-sent", test_not_sent);
	g_test_add_func("/http-curl/lost-after-request", test_lost_after_request);
	g_test_add_func("/http-curl/write-is-never-repeated", test_write_is_never_repeated);
	g_test_add_func("/http-curl/torn-at-every-byte", test_torn_at_every_byte);
	g_test_add_func("/http-curl/deadline", test_deadline);
	g_test_add_func("/http-curl/deadline-before-request", test_deadline_before_request);
	g_test_add_func("/http-curl/max-bytes", test_max_bytes);
	g_test_add_func("/http-curl/forget", test_forget);
	g_test_add_func("/http-curl/many-end-together", test_many_end_together);
	g_test_add_func("/http-curl/slow-name", test_slow_name);
	g_test_add_func("/http-curl/watch-cut-at-every-byte", test_watch_cut_at_every_byte);
	g_test_add_func("/http-curl/watch-ends", test_watch_ends);
	g_test_add_func("/http-curl/watch-silence", test_watch_silence);
	g_test_add_func("/http-curl/watch-forget-inside-line", test_watch_forget_inside_line);
	g_test_add_func("/http-curl/watches-do-not-starve", test_watches_do_not_starve);
	return g_test_run();
}
