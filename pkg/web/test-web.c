#include "base/file.h"
#include "codec/json.h"
#include "loop/listen.h"
#include "web/web.h"
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

typedef struct Bench {
	LoopEvent *l;
	Web *w;
	char *dir, *path; /* of the Unix socket */
	int port;
	WebStream *stream;
	int n_closed, n_asked;
} Bench;

static void on_closed(WebStream *s, void *ud)
{
	Bench *b = ud;
	g_assert_true(s == b->stream);
	b->stream = NULL;
	b->n_closed++;
}

static void answer_echo(WebRequest *r)
{
	size_t len;
	const char *body = web_body(r, &len), *q = web_query(r, "q"), *flag = web_query(r, "flag");
	const char *h = web_header(r, "x-test");
	g_autoptr(json_t) v = json_object();
	json_object_set_new(v, "method", json_string(web_method(r)));
	json_object_set_new(v, "path", json_string(web_path(r)));
	json_object_set_new(v, "q", q ? json_string(q) : json_null());
	json_object_set_new(v, "flag", flag ? json_string(flag) : json_null());
	json_object_set_new(v, "header", h ? json_string(h) : json_null());
	json_object_set_new(v, "bytes", json_integer((json_int_t)len));
	json_object_set_new(v, "body", json_string(len < 100 ? body : "long"));
	web_answer_header(r, "X-Seq", "7");
	web_answer_json(r, 200, v);
}

static void answer_peer(WebRequest *r)
{
	const WebPeer *p = web_peer(r);
	g_autoptr(json_t) v = json_object();
	json_object_set_new(v, "local", json_boolean(p->local));
	json_object_set_new(v, "uid", json_integer(p->uid));
	json_object_set_new(v, "gid", json_integer(p->gid));
	json_object_set_new(v, "pid", json_integer(p->pid));
	json_object_set_new(v, "address", json_string(p->address));
	web_answer_json(r, 200, v);
}

static void handle(WebRequest *r, void *ud)
{
	Bench *b = ud;
	b->n_asked++;
	if (strcmp(web_path(r), "/events") == 0) {
		b->stream = web_stream(r, on_closed, b);
		web_stream_push(b->stream, "1", "hello", "first");
	} else if (strcmp(web_path(r), "/peer") == 0) {
		answer_peer(r);
	} else if (strcmp(web_path(r), "/problem") == 0) {
		g_autoptr(json_t) more = json_object();
		json_object_set_new(more, "state", json_string("nodes"));
		web_problem(r, 409, "ocp-edu is in nodes", more);
	} else if (strcmp(web_path(r), "/silent") != 0) {
		answer_echo(r);
	}
}

static void bench_begin(Bench *b, const WebOptions *o, bool local)
{
	g_autoptr(GError) err = NULL;
	*b = (Bench){ .l = loop_event_new(&err), .dir = g_dir_make_tmp("sl-web-XXXXXX", NULL) };
	b->path = g_build_filename(b->dir, "api.sock", NULL);
	int fd = local ? listen_unix(b->path, 0600, &err) : listen_tcp("127.0.0.1:0", &err);
	g_assert_no_error(err);
	b->port = listen_port(fd);
	b->w = web_new(b->l, fd, o, handle, b, &err);
	g_assert_no_error(err);
}

static void bench_end(Bench *b)
{
	web_free(b->w);
	loop_event_free(b->l);
	unlink(b->path);
	g_assert_cmpint(rmdir(b->dir), ==, 0);
	g_free(b->path);
	g_free(b->dir);
}

static int dial(Bench *b)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)b->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	memcpy(un.sun_path, b->path, strlen(b->path) + 1);
	int fd = socket(b->port ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r = b->port ? connect(fd, (struct sockaddr *)&in, sizeof in)
			: connect(fd, (struct sockaddr *)&un, sizeof un);
	g_assert_cmpint(r, ==, 0);
	return fd;
}

static void send_text(Bench *b, int fd, const char *text, size_t len)
{
	int64_t until = loop_boot_usec(loop_event_loop(b->l)) + 20 * SL_USEC_PER_SEC;
	while (len > 0) {
		ssize_t n = send(fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			return; /* the server has seen enough */
		loop_event_step(b->l, n > 0 ? 0 : 10000);
		g_assert_cmpint(loop_boot_usec(loop_event_loop(b->l)), <, until);
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
	}
}

/* Turns the loop until the text has come, or (NULL) until the server closes. */
static char *receive(Bench *b, int fd, const char *want)
{
	int64_t until = loop_boot_usec(loop_event_loop(b->l)) + 20 * SL_USEC_PER_SEC;
	GString *got = g_string_new("");
	while (!want || !strstr(got->str, want)) {
		char buf[65536];
		ssize_t n = recv(fd, buf, sizeof buf, MSG_DONTWAIT);
		if (n > 0)
			g_string_append_len(got, buf, n);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			break;
		if (n < 0)
			loop_event_step(b->l, 10000);
		g_assert_cmpint(loop_boot_usec(loop_event_loop(b->l)), <, until);
	}
	if (want && !strstr(got->str, want))
		g_error("wanted %s, got %s", want, got->str);
	return g_string_free(got, FALSE);
}

static char *exchange(Bench *b, const char *text)
{
	SL_AUTO_FD fd = dial(b);
	send_text(b, fd, text, strlen(text));
	return receive(b, fd, NULL);
}

#define HOST "Host: x\r\nConnection: close\r\n"

static const struct {
	const char *name, *request;
	const char *want; /* all of these lines, divided by | */
} cases[] = {
	{ "get", "GET /a%20b/c?q=1%262&flag HTTP/1.1\r\n" HOST "X-Test: y\r\n\r\n",
		"HTTP/1.1 200 OK|\"path\":\"/a b/c\"|\"q\":\"1&2\"|\"flag\":\"\"|\"header\":\"y\"|"
		"\"body\":\"\"|X-Seq: 7|Content-Type: application/json|Cache-Control: no-store|"
		"X-Content-Type-Options: nosniff" },
	{ "post", "POST /p HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello",
		"HTTP/1.1 200|\"method\":\"POST\"|\"body\":\"hello\"|\"bytes\":5" },
	{ "chunked",
		"POST /p HTTP/1.1\r\n" HOST
		"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
		"HTTP/1.1 200|\"body\":\"hello\"" },
	{ "nul in the path", "GET /a%00b HTTP/1.1\r\n" HOST "\r\n", "\"path\":\"/a%00b\"" },
	{ "problem", "GET /problem HTTP/1.1\r\n" HOST "\r\n",
		"HTTP/1.1 409 Conflict|Content-Type: application/problem+json|\"status\":409|"
		"\"title\":\"Conflict\"|\"detail\":\"ocp-edu is in nodes\"|\"state\":\"nodes\"|"
		"\"type\":\"about:blank\"" },
	{ "no answer", "GET /silent HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 500|nobody answered" },
	{ "two lengths",
		"POST /p HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
		"HTTP/1.1 400|given in two ways" },
	{ "one length twice",
		"POST /p HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 400" },
	{ "list of lengths", "POST /p HTTP/1.1\r\n" HOST "Content-Length: 5, 5\r\n\r\nhello",
		"HTTP/1.1 400" },
	{ "length and coding",
		"POST /p HTTP/1.1\r\n" HOST
		"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 400" },
	{ "two codings",
		"POST /p HTTP/1.1\r\n" HOST
		"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 400" },
	{ "other coding", "POST /p HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 400" },
	{ "length is no number", "POST /p HTTP/1.1\r\n" HOST "Content-Length: 5x\r\n\r\nhello",
		"HTTP/1.1 400" },
	{ "two hosts", "GET /p HTTP/1.1\r\nHost: x\r\n" HOST "\r\n", "HTTP/1.1 400" },
	{ "no host", "GET /p HTTP/1.1\r\nConnection: close\r\n\r\n", "HTTP/1.1 400" },
	{ "body announced too large",
		"POST /p HTTP/1.1\r\n" HOST "Content-Length: 99999999999\r\n\r\nhello",
		"HTTP/1.1 413|the body is too large" },
	{ "no http at all", "nonsense\r\n\r\n", NULL }, /* closed without a word */
};

static void test_cases(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		Bench b;
		bench_begin(&b, NULL, false);
		g_test_message("%s", cases[i].name);
		g_autofree char *got = exchange(&b, cases[i].request);
		if (!cases[i].want)
			g_assert_cmpint(b.n_asked, ==, 0);
		g_auto(GStrv) wants = g_strsplit(cases[i].want ? cases[i].want : "", "|", -1);
		for (char **w = wants; *w; w++)
			if (!strstr(got, *w))
				g_error("%s: wanted %s, got %s", cases[i].name, *w, got);
		bench_end(&b);
	}
}

static void test_head(void)
{
	Bench b;
	bench_begin(&b, NULL, false);
	g_autofree char *got = exchange(&b, "HEAD /p HTTP/1.1\r\n" HOST "\r\n");
	g_assert_true(g_str_has_prefix(got, "HTTP/1.1 200 OK"));
	g_assert_true(g_str_has_suffix(got, "\r\n\r\n")); /* no body */
	bench_end(&b);
}

static void test_keep_alive(void)
{
	Bench b;
	bench_begin(&b, NULL, false);
	SL_AUTO_FD fd = dial(&b);
	for (int i = 0; i < 3; i++) {
		g_autofree char *request =
			g_strdup_printf("GET /n%d HTTP/1.1\r\nHost: x\r\n\r\n", i);
		g_autofree char *want = g_strdup_printf("\"path\":\"/n%d\"", i);
		send_text(&b, fd, request, strlen(request));
		g_free(receive(&b, fd, want));
	}
	g_assert_cmpuint(web_connections(b.w), ==, 1);
	bench_end(&b);
}

/* A request that comes byte by byte, and a body that is larger than the kernel's buffers. */
static void test_torn_and_large(void)
{
	enum { BODY = 6 << 20 };
	Bench b;
	bench_begin(&b, NULL, false);
	static const char text[] = "POST /p HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc";
	SL_AUTO_FD torn = dial(&b);
	for (size_t i = 0; i < sizeof text - 1; i++)
		send_text(&b, torn, text + i, 1);
	g_autofree char *got = receive(&b, torn, NULL);
	g_assert_nonnull(strstr(got, "\"body\":\"abc\""));

	SL_AUTO_FD large = dial(&b);
	g_autofree char *head =
		g_strdup_printf("POST /p HTTP/1.1\r\n" HOST "Content-Length: %d\r\n\r\n", BODY);
	g_autofree char *body = g_strnfill(BODY, 'z');
	send_text(&b, large, head, strlen(head));
	send_text(&b, large, body, BODY);
	g_autofree char *answer = receive(&b, large, NULL);
	g_assert_nonnull(strstr(answer, "\"bytes\":6291456"));
	bench_end(&b);
}

/* Chunked, so that the size shows only while it comes. */
static void test_too_large_chunked(void)
{
	Bench b;
	bench_begin(&b, &(WebOptions){ .max_body_bytes = 1000 }, false);
	g_autoptr(GString) text =
		g_string_new("POST /p HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
	g_autofree char *chunk = g_strnfill(500, 'c');
	for (int i = 0; i < 3; i++)
		g_string_append_printf(text, "1f4\r\n%s\r\n", chunk);
	g_string_append(text, "0\r\n\r\n");
	g_autofree char *got = exchange(&b, text->str);
	g_assert_true(g_str_has_prefix(got, "HTTP/1.1 413"));
	g_assert_cmpint(b.n_asked, ==, 0);
	bench_end(&b);
}

static void test_peer(void)
{
	Bench b;
	bench_begin(&b, NULL, true);
	g_autofree char *got = exchange(&b, "GET /peer HTTP/1.1\r\n" HOST "\r\n");
	g_autofree char *want = g_strdup_printf(
		"{\"local\":true,\"uid\":%d,\"gid\":%d,\"pid\":%d,\"address\":\"\"}", getuid(),
		getgid(), getpid());
	g_assert_nonnull(strstr(got, want));
	bench_end(&b);
	bench_begin(&b, NULL, false);
	g_autofree char *tcp = exchange(&b, "GET /peer HTTP/1.1\r\n" HOST "\r\n");
	g_assert_nonnull(strstr(tcp, "{\"local\":false,\"uid\":0,\"gid\":0,\"pid\":0,"
				     "\"address\":\"127.0.0.1\"}"));
	bench_end(&b);
}

static void test_slow_client(void)
{
	Bench b;
	bench_begin(&b, &(WebOptions){ .timeout_sec = 1 }, false);
	Loop loop = loop_event_loop(b.l);
	int64_t start = loop_boot_usec(loop);
	SL_AUTO_FD fd = dial(&b);
	send_text(&b, fd, "GET / HT", 8);
	g_autofree char *got = receive(&b, fd, NULL); /* until it is closed */
	g_assert_cmpstr(got, ==, "");
	g_assert_cmpint(loop_boot_usec(loop) - start, <, 10 * SL_USEC_PER_SEC);
	while (web_connections(b.w) > 0)
		loop_event_step(b.l, 10000);
	bench_end(&b);
}

static void test_connection_limit(void)
{
	enum { MAX = 4 };
	Bench b;
	int fd[MAX];
	bench_begin(&b, &(WebOptions){ .max_connections = MAX }, false);
	for (int i = 0; i < MAX; i++) {
		fd[i] = dial(&b);
		send_text(&b, fd[i], "GET /", 5);
	}
	while (web_connections(b.w) < MAX)
		loop_event_step(b.l, 10000);
	SL_AUTO_FD more = dial(&b);
	static const char text[] = "GET /late HTTP/1.1\r\n" HOST "\r\n";
	send_text(&b, more, text, sizeof text - 1);
	for (int i = 0; i < 20; i++)
		loop_event_step(b.l, 1000);
	g_assert_cmpuint(web_connections(b.w), ==, MAX);
	g_assert_cmpint(b.n_asked, ==, 0);
	for (int i = 0; i < MAX; i++)
		close(fd[i]); /* now it is its turn */
	g_autofree char *got = receive(&b, more, NULL);
	g_assert_nonnull(strstr(got, "\"path\":\"/late\""));
	bench_end(&b);
}

static int open_stream(Bench *b)
{
	static const char text[] = "GET /events HTTP/1.1\r\nHost: x\r\n\r\n";
	int fd = dial(b);
	send_text(b, fd, text, sizeof text - 1);
	g_autofree char *head = receive(b, fd, "id: 1\nevent: hello\ndata: first\n\n");
	g_assert_nonnull(strstr(head, "Content-Type: text/event-stream"));
	return fd;
}

static void test_stream(void)
{
	Bench b;
	bench_begin(&b, &(WebOptions){ .timeout_sec = 1 }, true);
	SL_AUTO_FD fd = open_stream(&b);
	/* Long past the timeout of ordinary connections: the server sleeps, and a push wakes it. */
	Loop loop = loop_event_loop(b.l);
	int64_t until = loop_boot_usec(loop) + 1500000;
	while (loop_boot_usec(loop) < until)
		loop_event_step(b.l, until - loop_boot_usec(loop));
	g_assert_nonnull(b.stream);
	int64_t pushed = loop_boot_usec(loop);
	web_stream_push(b.stream, NULL, NULL, "a\nb");
	g_free(receive(&b, fd, "data: a\ndata: b\n\n"));
	g_assert_cmpint(loop_boot_usec(loop) - pushed, <, 500000);
	for (int i = 0; i < 200; i++)
		web_stream_push(b.stream, NULL, "n", "burst");
	web_stream_push(b.stream, "9", NULL, "last");
	web_stream_end(b.stream);
	g_autofree char *rest = receive(&b, fd, "id: 9\ndata: last\n\n\r\n0\r\n\r\n");
	while (b.n_closed == 0)
		loop_event_step(b.l, 10000);
	bench_end(&b);
	g_assert_cmpint(b.n_closed, ==, 1);
}

/* A client that is gone is noticed by the heartbeat, though nothing is pushed. */
static void test_stream_heartbeat(void)
{
	Bench b;
	bench_begin(&b, &(WebOptions){ .heartbeat_sec = 1 }, false);
	int fd = open_stream(&b);
	g_free(receive(&b, fd, ":\n\n"));
	close(fd);
	while (b.n_closed == 0)
		loop_event_step(b.l, 10000);
	g_assert_null(b.stream);
	bench_end(&b);
}

/* A client that does not read is dropped when its backlog is full, and no sooner. */
static void test_stream_backlog(void)
{
	Bench b;
	bench_begin(&b, NULL, true);
	SL_AUTO_FD fd = open_stream(&b);
	g_autofree char *big = g_strnfill(64 << 10, 'x');
	int n = 0;
	for (; n < 100 && b.n_closed == 0; n++) {
		web_stream_push(b.stream, NULL, NULL, big);
		for (int i = 0; i < 3; i++)
			loop_event_step(b.l, 0);
	}
	g_assert_cmpint(b.n_closed, ==, 1);
	g_assert_cmpint(n, >, WEB_STREAM_MAX_BYTES / (64 << 10));
	bench_end(&b);
}

/* The end of the server closes streams, also sleeping ones, and tells their owners. */
static void test_free_with_streams(void)
{
	Bench b;
	bench_begin(&b, NULL, true);
	SL_AUTO_FD fd = open_stream(&b);
	SL_AUTO_FD idle = dial(&b);
	loop_event_step(b.l, 10000);
	bench_end(&b);
	g_assert_cmpint(b.n_closed, ==, 1);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	alarm(120);
	g_test_add_func("/web/cases", test_cases);
	g_test_add_func("/web/head", test_head);
	g_test_add_func("/web/keep-alive", test_keep_alive);
	g_test_add_func("/web/torn-and-large", test_torn_and_large);
	g_test_add_func("/web/too-large-chunked", test_too_large_chunked);
	g_test_add_func("/web/peer", test_peer);
	g_test_add_func("/web/slow-client", test_slow_client);
	g_test_add_func("/web/connection-limit", test_connection_limit);
	g_test_add_func("/web/stream", test_stream);
	g_test_add_func("/web/stream-heartbeat", test_stream_heartbeat);
	g_test_add_func("/web/stream-backlog", test_stream_backlog);
	g_test_add_func("/web/free-with-streams", test_free_with_streams);
	return g_test_run();
}
