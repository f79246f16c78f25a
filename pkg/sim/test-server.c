/* The small HTTP server on real sockets: whole, torn and wrong requests, and watches. */
#include "http/http-curl.h"
#include "loop/listen.h"
#include "sim/server.h"
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STEP_USEC = 20000, MAX_STEPS = 500 };

typedef struct Bench {
	LoopEvent *l;
	Server *s;
	HttpCurl *http;
	char *base;
	uint64_t watch_id, gone_id;
	int status, n_lines;
	char *body, *last_line;
} Bench;

static HttpSimAnswer on_request(const HttpRequest *r, void *ud)
{
	if (strcmp(r->path, "/slow-down") == 0)
		return (HttpSimAnswer){ 429, g_strdup("later"), "text/plain", 7 };
	char *text = g_strdup_printf("%s %s %s %.*s", r->method, r->path,
		r->endpoint->bearer ? r->endpoint->bearer : "-", (int)r->n_body,
		r->n_body ? (const char *)r->body : "");
	return (HttpSimAnswer){ 200, text, "text/plain", 0 };
}

static bool is_watch(const HttpRequest *r)
{
	return strstr(r->path, "watch=1") != NULL;
}

static HttpSimAnswer on_watch(const HttpRequest *r, uint64_t id, void *ud)
{
	Bench *b = ud;
	if (strstr(r->path, "gone"))
		return (HttpSimAnswer){ 410, g_strdup("too old"), "text/plain", 0 };
	b->watch_id = id;
	server_line(b->s, id, "early");
	return (HttpSimAnswer){ .status = 200 };
}

static void on_gone(uint64_t id, void *ud)
{
	((Bench *)ud)->gone_id = id;
}

static const ServerOps ops = { on_request, is_watch, on_watch, on_gone };

static Bench *bench_new(void)
{
	g_autoptr(GError) err = NULL;
	Bench *b = g_new0(Bench, 1);
	b->l = loop_event_new(&err);
	g_assert_no_error(err);
	int fd = listen_tcp("127.0.0.1:0", &err);
	g_assert_no_error(err);
	b->s = server_new(b->l, fd, &ops, b);
	b->http = http_curl_new(loop_event_sd(b->l), loop_event_loop(b->l));
	b->base = g_strdup_printf("http://127.0.0.1:%d", server_port(b->s));
	return b;
}

static void bench_free(Bench *b)
{
	http_curl_free(b->http);
	server_free(b->s);
	loop_event_free(b->l);
	g_free(b->base);
	g_free(b->body);
	g_free(b->last_line);
	g_free(b);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Bench, bench_free)

static void on_done(const HttpAnswer *a, void *ud)
{
	Bench *b = ud;
	b->status = a->outcome == HTTP_ANSWERED ? a->status : -1;
	g_free(b->body);
	b->body = g_strdup(a->body);
}

static void on_line(const char *line, size_t len, void *ud)
{
	Bench *b = ud;
	b->n_lines++;
	g_free(b->last_line);
	b->last_line = g_strndup(line, len);
}

/* Turns the loop until *what is not zero any more. */
static void turn_until(Bench *b, const int *what, int value)
{
	for (int i = 0; i < MAX_STEPS && *what < value; i++)
		loop_event_step(b->l, STEP_USEC);
	g_assert_cmpint(*what, >=, value);
}

static int fetch(Bench *b, const char *method, const char *path, const char *body)
{
	HttpEndpoint e = { .base_url = b->base, .bearer = (char *)"secret" };
	HttpRequest r = { .endpoint = &e,
		.method = method,
		.path = path,
		.content_type = body ? "application/json" : NULL,
		.body = body,
		.n_body = body ? strlen(body) : 0 };
	b->status = 0;
	http_request(http_curl_http(b->http), &r, on_done, b);
	turn_until(b, &b->status, 1);
	return b->status;
}

static void test_requests(void)
{
	g_autoptr(Bench) b = bench_new();
	g_assert_cmpint(fetch(b, "GET", "/a?b=c", NULL), ==, 200);
	g_assert_cmpstr(b->body, ==, "GET /a?b=c secret ");
	g_assert_cmpint(fetch(b, "PATCH", "/a", "{\"x\":1}"), ==, 200);
	g_assert_cmpstr(b->body, ==, "PATCH /a secret {\"x\":1}");
	g_assert_cmpint(fetch(b, "POST", "/slow-down", "x"), ==, 429);
	g_autofree char *big = g_strnfill(300000, 'x');
	g_assert_cmpint(fetch(b, "PUT", "/big", big), ==, 200);
	g_assert_cmpuint(strlen(b->body), ==, strlen("PUT /big secret ") + 300000);
}

static void test_watch(void)
{
	g_autoptr(Bench) b = bench_new();
	HttpEndpoint e = { .base_url = b->base };
	HttpRequest r = { .endpoint = &e, .method = "GET", .path = "/w?watch=1" };
	uint64_t id = http_watch(http_curl_http(b->http), &r, on_line, on_done, b);
	turn_until(b, &b->n_lines, 1);
	g_assert_cmpstr(b->last_line, ==, "early");
	server_line(b->s, b->watch_id, "{\"later\":1}");
	server_line(b->s, 999, "to nobody");
	turn_until(b, &b->n_lines, 2);
	g_assert_cmpstr(b->last_line, ==, "{\"later\":1}");
	server_end(b->s, b->watch_id);
	turn_until(b, &b->status, 1);
	g_assert_cmpint(b->status, ==, 200);
	/* A client that leaves is told of. */
	b->n_lines = 0;
	id = http_watch(http_curl_http(b->http), &r, on_line, on_done, b);
	turn_until(b, &b->n_lines, 1);
	http_forget(http_curl_http(b->http), &id);
	for (int i = 0; i < MAX_STEPS && !b->gone_id; i++)
		loop_event_step(b->l, STEP_USEC);
	g_assert_cmpuint(b->gone_id, ==, b->watch_id);
	/* One that may not begin is an answer. */
	b->status = 0;
	r.path = "/gone?watch=1";
	http_watch(http_curl_http(b->http), &r, on_line, on_done, b);
	turn_until(b, &b->status, 1);
	g_assert_cmpint(b->status, ==, 410);
}

static int dial(Bench *b)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)server_port(b->s)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	g_assert_cmpint(connect(fd, (struct sockaddr *)&at, sizeof at), ==, 0);
	return fd;
}

/* Sends the text in pieces and reads until the server closes or is silent. Caller frees. */
static char *talk(Bench *b, const char *text, size_t piece)
{
	int fd = dial(b);
	GString *got = g_string_new(NULL);
	size_t len = strlen(text), sent = 0;
	for (int quiet = 0; quiet < 5;) {
		if (sent < len) {
			size_t n = MIN(piece, len - sent);
			ssize_t k = send(fd, text + sent, n, MSG_NOSIGNAL);
			sent = k > 0 ? sent + (size_t)k : len;
		}
		loop_event_step(b->l, sent < len ? 1000 : STEP_USEC);
		char buf[4096];
		ssize_t n = recv(fd, buf, sizeof buf, MSG_DONTWAIT);
		if (n == 0) {
			g_string_append(got, "[closed]");
			break;
		}
		if (n > 0)
			g_string_append_len(got, buf, n);
		quiet = n > 0 || sent < len ? 0 : quiet + 1;
	}
	close(fd);
	loop_event_step(b->l, STEP_USEC);
	return g_string_free(got, FALSE);
}

static size_t count_of(const char *text, const char *what)
{
	size_t n = 0;
	for (const char *p = text; (p = strstr(p, what)); p++)
		n++;
	return n;
}

static void test_bytes(void)
{
	static const struct {
		const char *name, *text;
		size_t piece, answers;
		bool closed;
	} cases[] = {
		{ "one", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 1000, 1, false },
		{ "two at once", "GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n", 1000, 2, false },
		{ "byte by byte", "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab", 1, 1, false },
		{ "asked to close", "GET / HTTP/1.1\r\nConnection: close\r\n\r\n", 1000, 1, true },
		{ "half", "GET / HTTP/1.1\r\nHost", 1000, 0, false },
		{ "garbage", "hello\r\n\r\n", 1000, 0, true },
		{ "no colon", "GET / HTTP/1.1\r\nnonsense\r\n\r\n", 1000, 0, true },
		{ "too much", "PUT / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 1000, 0,
			true },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s", cases[i].name);
		g_autoptr(Bench) b = bench_new();
		g_autofree char *got = talk(b, cases[i].text, cases[i].piece);
		g_assert_cmpuint(count_of(got, "HTTP/1.1 200 OK"), ==, cases[i].answers);
		g_assert_cmpint(strstr(got, "[closed]") != NULL, ==, cases[i].closed);
	}
	g_autoptr(Bench) b = bench_new();
	g_autofree char *endless = g_strnfill(200000, 'a');
	g_autofree char *got = talk(b, endless, 65536);
	g_assert_cmpstr(got, ==, "[closed]");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/server/requests", test_requests);
	g_test_add_func("/server/watch", test_watch);
	g_test_add_func("/server/bytes", test_bytes);
	return g_test_run();
}
