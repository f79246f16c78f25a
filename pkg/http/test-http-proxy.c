/* What may stand between us and a server: compression, proxies. */
#include "http/test-nginx.h"
#include "http/test-wire.h"

typedef struct Got {
	int n;
	HttpOutcome outcome;
	int status;
	GString *body;
	char *error;
} Got;

static void got_clear(Got *g)
{
	if (g->body)
		g_string_free(g->body, TRUE);
	g_free(g->error);
	*g = (Got){ 0 };
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Got, got_clear)

static void on_done(const HttpAnswer *a, void *ud)
{
	Got *g = ud;
	g->n++;
	g->outcome = a->outcome;
	g->status = a->status;
	g->body = g_string_new_len(a->body, (gssize)a->n_body);
	g->error = g_strdup(a->error);
}

static void ask(Wire *w, const HttpEndpoint *e, size_t max_bytes, Got *g)
{
	HttpRequest r = { .endpoint = e, .method = "GET", .path = "/x", .max_bytes = max_bytes };
	got_clear(g);
	http_request(w->http, &r, on_done, g);
	wire_until(w, &g->n, 1);
}

/* --- compression --- */

typedef struct Packed {
	char *bytes;
	size_t len; /* how many of them are sent */
} Packed;

static void send_bytes(int fd, const char *p, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
		if (n <= 0)
			_exit(0);
		p += n;
		len -= (size_t)n;
	}
}

static void talk_gzip(int fd, WireSeen *seen, const void *ud)
{
	const Packed *p = ud;
	while (wire_read(fd, seen)) {
		g_autofree char *head =
			g_strdup_printf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
					"Content-Length: %zu\r\n\r\n",
				p->len);
		wire_say(fd, head);
		send_bytes(fd, p->bytes, p->len);
	}
}

/* n bytes of 'x', packed; a thousandth of that travels. */
static Packed pack(size_t n)
{
	g_autofree char *dir = g_dir_make_tmp("sl-gzip-XXXXXX", NULL);
	g_autofree char *text = g_strnfill(n, 'x');
	g_autofree char *path = g_build_filename(dir, "f.gz", NULL);
	Packed p = { 0 };
	write_in(dir, "f", text);
	run_command(dir, "gzip f");
	p.bytes = sl_read_file(path, 1 << 20, &p.len, NULL);
	g_assert_nonnull(p.bytes);
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return p;
}

static void check_gzip(Packed p, size_t max_bytes, HttpOutcome want, size_t want_bytes)
{
	WireServer s = wire_serve(talk_gzip, &p);
	Wire w = wire_new();
	g_autofree char *url = g_strdup_printf("http://127.0.0.1:%d", s.port);
	g_auto(Got) g = { 0 };
	ask(&w, &(HttpEndpoint){ .base_url = url }, max_bytes, &g);
	g_test_message("%s", g.error ? g.error : "ok");
	g_assert_nonnull(strstr(s.seen->last, "\r\nAccept-Encoding: gzip\r\n"));
	g_assert_cmpint(g.outcome, ==, want);
	if (want == HTTP_ANSWERED)
		g_assert_cmpuint(g.body->len, ==, want_bytes);
	wire_free(&w);
	wire_stop(&s);
}

static void test_gzip(void)
{
	enum { BIG = 8 << 20 };
	Packed p = pack(BIG);
	g_assert_cmpuint(p.len, <, BIG / 100);
	check_gzip(p, 0, HTTP_ANSWERED, BIG);
	check_gzip(p, BIG, HTTP_ANSWERED, BIG);
	check_gzip(p, BIG - 1, HTTP_UNKNOWN, 0); /* a bomb */
	memset(p.bytes + p.len / 2, 0xff, 100);
	check_gzip(p, 0, HTTP_UNKNOWN, 0); /* corrupt */
	g_free(p.bytes);
}

/* --- proxies --- */

static int dial(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fd, (struct sockaddr *)&a, sizeof a) != 0)
		_exit(1);
	return fd;
}

static void relay(int a, int b)
{
	struct pollfd p[] = { { .fd = a, .events = POLLIN }, { .fd = b, .events = POLLIN } };
	char buf[16384];
	while (poll(p, 2, -1) > 0)
		for (int i = 0; i < 2; i++) {
			if (!p[i].revents)
				continue;
			ssize_t n = read(p[i].fd, buf, sizeof buf);
			if (n <= 0)
				_exit(0);
			send_bytes(p[!i].fd, buf, (size_t)n);
		}
}

/* Tunnels for whoever brings the right name and password; ud: the port that all goes to. */
static void talk_connect(int fd, WireSeen *seen, const void *ud)
{
	char asked[WIRE_BYTES];
	wire_take(fd, seen, asked);
	if (!strstr(asked, "Proxy-Authorization: Basic dTpw\r\n")) {
		wire_say(fd, "HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n");
		return;
	}
	wire_say(fd, "HTTP/1.1 200 Tunnel\r\nRetry-After: 99\r\n\r\n");
	relay(fd, dial(*(const int *)ud));
}

/* SOCKS 5 (RFC 1928) without authentication; the name that was asked for goes to seen->last. */
static void talk_socks(int fd, WireSeen *seen, const void *ud)
{
	unsigned char b[512];
	static const unsigned char hello[] = { 5, 0 }, ok[] = { 5, 0, 0, 1, 0, 0, 0, 0, 0, 0 };
	if (read(fd, b, sizeof b) < 3)
		return;
	send_bytes(fd, (const char *)hello, sizeof hello);
	if (read(fd, b, sizeof b) < 7)
		return;
	if (b[3] == 3)
		memcpy(seen->last, b + 5, b[4]);
	__atomic_add_fetch(&seen->n_requests, 1, __ATOMIC_SEQ_CST);
	send_bytes(fd, (const char *)ok, sizeof ok);
	relay(fd, dial(*(const int *)ud));
}

typedef struct Fixture {
	Nginx nginx;
	char *ca, *url;
} Fixture;

/* A name that only a proxy would take us to: proof that nothing is resolved or dialled here. */
static void check_proxy(const Fixture *f, WireTalk *talk, const char *scheme, const char *auth,
	HttpOutcome want, const char *seen_word)
{
	WireServer s = wire_serve(talk, &f->nginx.port2);
	Wire w = wire_new();
	g_autofree char *proxy = g_strdup_printf("%s://%s127.0.0.1:%d", scheme, auth, s.port);
	HttpEndpoint e = { .base_url = WIRE_STR("https://api.unknown.invalid:6443"),
		.ca_pem = f->ca,
		.tls_server_name = WIRE_STR("inside"),
		.proxy_url = proxy };
	g_auto(Got) g = { 0 };
	ask(&w, &e, 0, &g);
	g_test_message("%s: %s", scheme, g.error ? g.error : g.body->str);
	g_assert_cmpint(g.outcome, ==, want);
	if (want == HTTP_ANSWERED) {
		g_assert_cmpint(g.status, ==, 404);
		g_assert_nonnull(strstr(g.body->str, "nginx"));
	} else {
		g_assert_null(strstr(g.error, "secret"));
	}
	g_assert_nonnull(strstr(s.seen->last, seen_word));
	g_assert_cmpint(wire_requests(&s), ==, 1);
	wire_free(&w);
	wire_stop(&s);
}

static void test_proxies(void)
{
	Fixture f = { .nginx = nginx_new("x") };
	f.ca = read_in(f.nginx.dir, "ca.crt");
	check_proxy(&f, talk_connect, "http", "u:p@", HTTP_ANSWERED,
		"CONNECT api.unknown.invalid:6443");
	check_proxy(&f, talk_connect, "http", "u:secret@", HTTP_NOT_SENT, "CONNECT");
	check_proxy(&f, talk_socks, "socks5", "", HTTP_ANSWERED, "api.unknown.invalid");
	check_proxy(&f, talk_socks, "socks5h", "", HTTP_ANSWERED, "api.unknown.invalid");
	nginx_free(&f.nginx);
	g_free(f.ca);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/http-proxy/gzip", test_gzip);
	g_test_add_func("/http-proxy/proxies", test_proxies);
	return g_test_run();
}
