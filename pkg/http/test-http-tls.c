#include "http/test-nginx.h"
#include "http/test-wire.h"

typedef struct Got {
	int n, n_lines;
	HttpOutcome outcome;
	int status;
	GString *body;
	char *error;
	size_t line_bytes;
	uint64_t id;
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
	if (!g->body)
		g->body = g_string_new(NULL);
	g_string_append_len(g->body, a->body, (gssize)a->n_body);
	g_free(g->error);
	g->error = g_strdup(a->error);
}

static void on_line(const char *line, size_t len, void *ud)
{
	Got *g = ud;
	g_assert_cmpuint(len, ==, 1000);
	g_assert_cmpint(line[0], ==, 'a' + g->n_lines % 26);
	g->n_lines++;
	g->line_bytes += len;
}

enum { N_LINES = 2000 };

static char *some_lines(void)
{
	GString *s = g_string_new(NULL);
	for (int i = 0; i < N_LINES; i++) {
		g_string_append_c(s, (char)('a' + i % 26));
		for (int j = 1; j < 1000; j++)
			g_string_append_c(s, (char)('a' + (i * 7 + j) % 26));
		g_string_append_c(s, '\n');
	}
	return g_string_free(s, FALSE);
}

/* One server for all tests of this program. */
typedef struct Fixture {
	Nginx nginx;
	Wire wire;
	char *ca, *other, *cert[2], *key[2];
	char *url1, *url2;
} Fixture;

static Fixture fixture_new(void)
{
	g_autofree char *lines = some_lines();
	Fixture f = { .nginx = nginx_new(lines) };
	f.wire = wire_new();
	f.ca = read_in(f.nginx.dir, "ca.crt");
	f.other = read_in(f.nginx.dir, "other.crt");
	f.cert[0] = read_in(f.nginx.dir, "one.crt");
	f.key[0] = read_in(f.nginx.dir, "one.key");
	f.cert[1] = read_in(f.nginx.dir, "two.crt");
	f.key[1] = read_in(f.nginx.dir, "two.key");
	f.url1 = g_strdup_printf("https://127.0.0.1:%d", f.nginx.port1);
	f.url2 = g_strdup_printf("https://127.0.0.1:%d", f.nginx.port2);
	return f;
}

static void fixture_free(Fixture *f)
{
	wire_free(&f->wire);
	nginx_free(&f->nginx);
	char *const texts[] = { f->ca, f->other, f->cert[0], f->cert[1], f->key[0], f->key[1],
		f->url1, f->url2 };
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
		g_free(texts[i]);
}

static void ask(Fixture *f, const HttpEndpoint *e, const char *path, size_t max_bytes, Got *g)
{
	HttpRequest r = { .endpoint = e, .method = "GET", .path = path, .max_bytes = max_bytes };
	got_clear(g);
	http_request(f->wire.http, &r, on_done, g);
	wire_until(&f->wire, &g->n, 1);
}

/* Field 0: SNI, 1: Host, 2: client's name, 3: protocol, 4: number of the connection. */
static char *who(Fixture *f, const HttpEndpoint *e, int field)
{
	g_auto(Got) g = { 0 };
	ask(f, e, "/who", 0, &g);
	g_assert_cmpstr(g.error, ==, NULL);
	g_auto(GStrv) parts = g_strsplit(g.body->str, "|", 5);
	g_assert_cmpuint(g_strv_length(parts), ==, 5);
	return g_strdup(parts[field]);
}

static void assert_who(Fixture *f, const HttpEndpoint *e, int field, const char *want)
{
	g_autofree char *got = who(f, e, field);
	g_assert_cmpstr(got, ==, want);
}

static void test_protocols(const void *ud)
{
	Fixture *f = (Fixture *)ud;
	assert_who(f, &(HttpEndpoint){ .base_url = f->url1, .ca_pem = f->ca }, 3, "HTTP/1.1");
	assert_who(f, &(HttpEndpoint){ .base_url = f->url2, .ca_pem = f->ca }, 3, "HTTP/2.0");
}

static void test_trust(const void *ud)
{
	Fixture *f = (Fixture *)ud;
	g_autofree char *by_name = g_strdup_printf("https://localhost:%d", f->nginx.port2);
	const HttpEndpoint bad[] = {
		{ .base_url = f->url2, .ca_pem = f->other },
		{ .base_url = f->url2 }, /* the system's authorities */
		{ .base_url = by_name, .ca_pem = f->ca }, /* not in the certificate */
		{ .base_url = f->url2, .ca_pem = f->ca, .tls_server_name = WIRE_STR("outside") },
		{ .base_url = f->url2,
			.ca_pem = f->ca,
			.cert_pem = f->cert[0],
			.key_pem = f->key[1] },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_auto(Got) g = { 0 };
		ask(f, &bad[i], "/who", 0, &g);
		g_test_message("%s", g.error);
		g_assert_cmpint(g.outcome, ==, HTTP_NOT_SENT);
		g_assert_null(strstr(g.error, "PRIVATE"));
	}
	assert_who(f, &(HttpEndpoint){ .base_url = by_name, .insecure_tls = true }, 3, "HTTP/2.0");
}

static void test_server_name(const void *ud)
{
	Fixture *f = (Fixture *)ud;
	for (int i = 0; i < 2; i++) {
		HttpEndpoint e = { .base_url = i ? f->url2 : f->url1,
			.ca_pem = f->ca,
			.tls_server_name = WIRE_STR("inside") };
		assert_who(f, &e, 0, "inside");
		assert_who(f, &e, 1, e.base_url + strlen("https://"));
	}
}

/* Another certificate is another connection, at once and with requests in between. */
static void test_client_certificates(const void *ud)
{
	Fixture *f = (Fixture *)ud;
	HttpEndpoint e = { .base_url = f->url2, .ca_pem = f->ca };
	assert_who(f, &e, 2, "");
	for (int i = 0; i < 6; i++) {
		e.cert_pem = f->cert[i % 2];
		e.key_pem = f->key[i % 2];
		assert_who(f, &e, 2, i % 2 ? "CN=two" : "CN=one");
	}
}

static void test_generation(const void *ud)
{
	Fixture *f = (Fixture *)ud;
	HttpEndpoint e = { .base_url = f->url2, .ca_pem = f->ca };
	g_autofree char *first = who(f, &e, 4);
	assert_who(f, &e, 4, first);
	e.generation++;
	g_autofree char *second = who(f, &e, 4);
	g_assert_cmpstr(second, !=, first);
}

/* A server that neither answers nor closes: the next request does not trust that connection. */
static void test_dead_connection(const void *ud)
{
	Fixture *f = (Fixture *)ud;
	HttpEndpoint e = { .base_url = f->url2, .ca_pem = f->ca, .generation = 40 };
	HttpRequest r = { .endpoint = &e, .method = "GET", .path = "/who", .timeout_msec = 300 };
	g_autofree char *first = who(f, &e, 4);
	g_auto(Got) g = { 0 };
	kill(f->nginx.pid, SIGSTOP);
	http_request(f->wire.http, &r, on_done, &g);
	wire_until(&f->wire, &g.n, 1);
	kill(f->nginx.pid, SIGCONT);
	g_assert_cmpint(g.outcome, ==, HTTP_UNKNOWN);
	g_autofree char *second = who(f, &e, 4);
	g_assert_cmpstr(second, !=, first);
	/* One that only one answer was missing on stays in use. */
	got_clear(&g);
	r.path = "/slow";
	http_request(f->wire.http, &r, on_done, &g);
	wire_until(&f->wire, &g.n, 1);
	g_assert_cmpint(g.outcome, ==, HTTP_UNKNOWN);
	assert_who(f, &e, 4, second);
}

static void test_many(const void *ud)
{
	Fixture *f = (Fixture *)ud;
	HttpEndpoint e = { .base_url = f->url2, .ca_pem = f->ca, .generation = 50 };
	HttpRequest r = { .endpoint = &e, .method = "GET", .path = "/who" };
	g_auto(Got) g = { 0 };
	g_autofree char *before = who(
		f, &(HttpEndpoint){ .base_url = f->url2, .ca_pem = f->ca, .generation = 51 }, 4);
	for (int i = 0; i < 500; i++)
		http_request(f->wire.http, &r, on_done, &g);
	wire_until(&f->wire, &g.n, 500);
	g_assert_cmpstr(g.error, ==, NULL);
	g_autofree char *after = who(
		f, &(HttpEndpoint){ .base_url = f->url2, .ca_pem = f->ca, .generation = 52 }, 4);
	int64_t used = g_ascii_strtoll(after, NULL, 10) - g_ascii_strtoll(before, NULL, 10) - 1;
	g_assert_cmpint(used, >=, 1);
	g_assert_cmpint(used, <=, HTTP_MAX_CONNECTIONS);
}

/* Eight watches at once: a connection each on HTTP/1.1, one for all on HTTP/2; short calls go on
 * beside them. */
static void check_watches(Fixture *f, const char *url, int want_connections)
{
	enum { WATCHES = 8 };
	HttpEndpoint e = { .base_url = WIRE_STR(url), .ca_pem = f->ca, .generation = 100 };
	HttpEndpoint before = e, after = e;
	before.generation = 101;
	after.generation = 102;
	g_autofree char *first = who(f, &before, 4);
	Got watches[WATCHES] = { 0 };
	for (int i = 0; i < WATCHES; i++) {
		HttpRequest r = { .endpoint = &e, .method = "GET", .path = "/slow" };
		watches[i].id = http_watch(f->wire.http, &r, on_line, on_done, &watches[i]);
	}
	for (int i = 0; i < WATCHES; i++)
		wire_until(&f->wire, &watches[i].n_lines, 1);
	g_autofree char *last = who(f, &after, 4);
	int64_t used = g_ascii_strtoll(last, NULL, 10) - g_ascii_strtoll(first, NULL, 10) - 1;
	g_assert_cmpint(used, ==, want_connections);
	for (int i = 0; i < 10; i++)
		assert_who(f, &e, 1, url + strlen("https://"));
	for (int i = 0; i < WATCHES; i++) {
		g_assert_cmpint(watches[i].n, ==, 0);
		http_forget(f->wire.http, &watches[i].id);
		got_clear(&watches[i]);
	}
}

static void test_watches(const void *ud)
{
	Fixture *f = (Fixture *)ud;
	check_watches(f, f->url1, 8);
	check_watches(f, f->url2, 1);
}

static void test_long_stream(const void *ud)
{
	Fixture *f = (Fixture *)ud;
	HttpEndpoint e = { .base_url = f->url2, .ca_pem = f->ca };
	HttpRequest r = { .endpoint = &e, .method = "GET", .path = "/lines" };
	g_auto(Got) g = { 0 };
	http_watch(f->wire.http, &r, on_line, on_done, &g);
	wire_until(&f->wire, &g.n, 1);
	g_assert_cmpint(g.outcome, ==, HTTP_ANSWERED);
	g_assert_cmpint(g.n_lines, ==, N_LINES);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	Fixture f = fixture_new();
	g_test_add_data_func("/http-tls/protocols", &f, test_protocols);
	g_test_add_data_func("/http-tls/trust", &f, test_trust);
	g_test_add_data_func("/http-tls/server-name", &f, test_server_name);
	g_test_add_data_func("/http-tls/client-certificates", &f, test_client_certificates);
	g_test_add_data_func("/http-tls/generation", &f, test_generation);
	g_test_add_data_func("/http-tls/dead-connection", &f, test_dead_connection);
	g_test_add_data_func("/http-tls/many", &f, test_many);
	g_test_add_data_func("/http-tls/watches", &f, test_watches);
	g_test_add_data_func("/http-tls/long-stream", &f, test_long_stream);
	int rc = g_test_run();
	fixture_free(&f);
	return rc;
}
