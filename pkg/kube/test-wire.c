/* The same client on real sockets: what the simulated transport cannot do. */
#include "http/test-wire.h"
#include "base/num.h"
#include "http/test-nginx.h"
#include "kube/watch.h"

/* Says one prepared answer to each request; the n-th watch gets its stream cut at byte n. */
typedef struct Talk {
	const char *stream; /* lines of the watch */
	bool tears; /* what stands after the cut never comes */
	const char *gzip;
	size_t n_gzip;
} Talk;

static void say_json(int fd, const char *status, const char *body)
{
	g_autofree char *text = g_strdup_printf("HTTP/1.1 %s\r\nContent-Type: application/json\r\n"
						"Content-Length: %zu\r\n\r\n%s",
		status, strlen(body), body);
	wire_say(fd, text);
}

static void say_chunk(int fd, const char *p, size_t n)
{
	if (n == 0)
		return;
	g_autofree char *text = g_strdup_printf("%zx\r\n%.*s\r\n", n, (int)n, p);
	wire_say(fd, text);
}

static void talk_stream(int fd, const Talk *t, size_t cut)
{
	size_t n = strlen(t->stream);
	wire_say(fd, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
		     "Transfer-Encoding: chunked\r\n\r\n");
	say_chunk(fd, t->stream, cut);
	if (t->tears)
		return;
	poll(NULL, 0, 2); /* so that it comes in two reads */
	say_chunk(fd, t->stream + cut, n - cut);
	wire_linger(fd);
}

#define OBJECT(name, version)                                                                      \
	"{\"metadata\":{\"name\":\"" name "\",\"uid\":\"" name "\",\"resourceVersion\":\"" version \
	"\"}}"

static void talk_api(int fd, WireSeen *seen, const void *ud)
{
	const Talk *t = ud;
	char asked[WIRE_BYTES];
	while (wire_take(fd, seen, asked)) {
		if (strstr(asked, "watch=1")) {
			int nth = __atomic_fetch_add(&seen->n_served, 1, __ATOMIC_SEQ_CST);
			talk_stream(fd, t, sl_min((size_t)nth, strlen(t->stream)));
			return;
		}
		say_json(fd, "200 OK",
			"{\"metadata\":{\"resourceVersion\":\"5\"},\"items\":[" OBJECT(
				"a", "1") "]}");
	}
}

typedef struct Fixture {
	WireServer server;
	Wire wire;
	char *url;
	Creds *creds;
	KubeClient *k;
} Fixture;

static Fixture fixture_new(WireTalk *talk, const void *ud)
{
	Fixture f = { .server = wire_serve(talk, ud) };
	f.wire = wire_new();
	f.url = g_strdup_printf("http://127.0.0.1:%d", f.server.port);
	f.creds = creds_static(f.wire.loop, &(HttpEndpoint){ .base_url = f.url });
	f.k = kube_client_new(
		&(KubeClientOptions){ .http = f.wire.http, .loop = f.wire.loop, .creds = f.creds });
	return f;
}

static void fixture_free(Fixture *f)
{
	kube_client_free(f->k);
	creds_free(f->creds);
	wire_free(&f->wire);
	wire_stop(&f->server);
	g_free(f->url);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Fixture, fixture_free)

typedef struct Told {
	GString *log;
	int n, n_errors, n_synced;
} Told;

static void on_event(KubeEventType type, const json_t *object, void *ud)
{
	Told *t = ud;
	t->n++;
	g_string_append_printf(
		t->log, "%c%s ", "+~-"[type], json_path_str(object, "metadata.name", "?"));
}

static void on_error(const GError *err, void *ud)
{
	((Told *)ud)->n_errors++;
}

static void on_synced(int64_t sent_usec, void *ud)
{
	((Told *)ud)->n_synced++;
}

static KubeWatch *watch_new(Fixture *f, Told *t)
{
	KubeWatchOptions o = { .path = "/api/v1/nodes",
		.ops = { .event = on_event, .synced = on_synced, .error = on_error },
		.ud = t };
	return kube_watch_new(f->k, &o);
}

static const char stream[] = "{\"type\":\"ADDED\",\"object\":" OBJECT(
	"b", "6") "}\n"
		  "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{"
		  "\"resourceVersion\":\"7\"}}}\n"
		  "{\"type\":\"DELETED\",\"object\":" OBJECT("a", "8") "}\n";

static void test_cut_at_every_byte(void)
{
	Talk t = { .stream = stream };
	g_auto(Fixture) f = fixture_new(talk_api, &t);
	for (int cut = 0; cut <= (int)strlen(stream); cut++) {
		Told told = { .log = g_string_new(NULL) };
		g_autoptr(KubeWatch) w = watch_new(&f, &told);
		wire_until(&f.wire, &told.n, 3);
		g_assert_cmpstr(told.log->str, ==, "+a +b -a ");
		g_assert_cmpint(told.n_errors, ==, 0);
		g_assert_cmpint(f.server.seen->n_served, ==, cut + 1);
		g_assert_cmpstr(kube_watch_resource_version(w), ==, "8");
		g_string_free(told.log, TRUE);
	}
}

/* Torn off: whole lines count, the rest of a line never does, and nothing is told as gone. */
static void test_torn_at_every_byte(void)
{
	int first = (int)strcspn(stream, "\n") + 1, last = (int)strlen(stream);
	Talk t = { .stream = stream, .tears = true };
	g_auto(Fixture) f = fixture_new(talk_api, &t);
	for (int tear = 0; tear <= last; tear++) {
		const char *want = tear < first ? "+a " : tear < last ? "+a +b " : "+a +b -a ";
		Told told = { .log = g_string_new(NULL) };
		g_autoptr(KubeWatch) w = watch_new(&f, &told);
		wire_until(&f.wire, &told.n_errors, 1);
		g_assert_cmpint(f.server.seen->n_served, ==, tear + 1);
		g_assert_cmpstr(told.log->str, ==, want);
		g_string_free(told.log, TRUE);
	}
}

typedef struct Got {
	int n, n_ok;
	bool ok;
	SlErr code;
	KubeEffect effect;
	char text[512];
} Got;

static void on_done(const KubeAnswer *a, void *ud)
{
	Got *g = ud;
	g->n++;
	g->n_ok += a->ok;
	if (!a->ok)
		g_test_message("%d: %s", a->status, a->message);
	g->ok = a->ok;
	g->code = a->code;
	g->effect = a->effect;
	g_strlcpy(g->text, a->ok ? a->text : a->message, sizeof g->text);
}

/* Compressed JSON that stops early within a whole HTTP message. */
static void talk_short_gzip(int fd, WireSeen *seen, const void *ud)
{
	const Talk *t = ud;
	while (wire_read(fd, seen)) {
		g_autofree char *head =
			g_strdup_printf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
					"Content-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
				t->n_gzip);
		wire_say(fd, head);
		if (send(fd, t->gzip, t->n_gzip, MSG_NOSIGNAL) < 0)
			return;
	}
}

static void test_truncated_gzip(void)
{
	g_autofree char *dir = g_dir_make_tmp("sl-gzip-XXXXXX", NULL);
	g_autofree char *path = g_build_filename(dir, "f.gz", NULL);
	GString *text = g_string_new("{\"items\":[");
	for (int i = 0; i < 20000; i++)
		g_string_append_printf(text, "%d,", i * 7919);
	g_string_append(text, "1]}");
	g_assert_cmpuint(text->len, >, 128 << 10);
	write_in(dir, "f", text->str);
	run_command(dir, "gzip f");
	size_t len = 0;
	g_autofree char *bytes = sl_read_file(path, 1 << 20, &len, NULL);
	static const struct {
		int cut_percent;
		bool ok;
	} cases[] = { { 0, true }, { 10, false }, { 50, false }, { 99, false } };
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		Talk t = { .gzip = bytes,
			.n_gzip = len - len * (size_t)cases[i].cut_percent / 100 };
		g_auto(Fixture) f = fixture_new(talk_short_gzip, &t);
		Got g = { 0 };
		kube_get(f.k, "/x", on_done, &g);
		wire_until(&f.wire, &g.n, 1);
		g_assert_cmpint(g.ok, ==, cases[i].ok);
		g_assert_true(g.ok || g.code == SL_ERR_RETRY);
	}
	g_string_free(text, TRUE);
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Reads a whole request, or only its first bytes, and hangs up. */
static void talk_reset(int fd, WireSeen *seen, const void *ud)
{
	char c[16];
	if (ud ? !wire_read(fd, seen) : read(fd, c, sizeof c) <= 0)
		return;
	struct linger hard = { .l_onoff = 1 };
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
}

static void test_reset(void)
{
	for (int whole = 0; whole < 2; whole++) {
		g_auto(Fixture) f = fixture_new(talk_reset, whole ? "" : NULL);
		g_autoptr(json_t) patch = json_pack("{s:s}", "a", "b");
		Got read = { 0 }, write = { 0 };
		kube_get(f.k, "/x", on_done, &read);
		kube_patch_merge(f.k, "/x", patch, "5", false, on_done, &write);
		wire_until(&f.wire, &read.n, 1);
		wire_until(&f.wire, &write.n, 1);
		g_assert_cmpint((int)read.code, ==, SL_ERR_RETRY);
		g_assert_cmpint((int)write.code, ==, SL_ERR_UNKNOWN_OUTCOME);
		g_assert_cmpint(write.effect, ==, KUBE_UNKNOWN);
	}
}

/* --- credentials that change under way --- */

typedef struct Rotation {
	char *dir;
	json_t *doc;
} Rotation;

static Rotation rotation_new(const char *dir, const char *server, const char *user)
{
	g_autofree char *text = g_strdup_printf(
		"{\"current-context\":\"c\",\"contexts\":[{\"name\":\"c\",\"context\":{\"cluster\":"
		"\"k\",\"user\":\"u\"}}],\"clusters\":[{\"name\":\"k\",\"cluster\":{%s}}],"
		"\"users\":[{\"name\":\"u\",\"user\":{%s}}]}",
		server, user);
	Rotation r = { g_strdup(dir), json_parse(text, strlen(text), NULL) };
	g_assert_nonnull(r.doc);
	return r;
}

static void use_rotation(Fixture *f, Rotation *r)
{
	CredsFile file = { r->doc, r->dir, "config" };
	CredsOptions o = { .loop = f->wire.loop };
	kube_client_free(f->k);
	creds_free(f->creds);
	f->creds = creds_from_kubeconfig(&o, &file, 1, NULL);
	g_assert_nonnull(f->creds);
	f->k = kube_client_new(&(KubeClientOptions){
		.http = f->wire.http, .loop = f->wire.loop, .creds = f->creds });
	json_decref(r->doc);
	g_free(r->dir);
}

/* Accepts only the token that stands in the file now. */
static void talk_token(int fd, WireSeen *seen, const void *ud)
{
	char asked[WIRE_BYTES];
	while (wire_take(fd, seen, asked)) {
		g_autofree char *token = read_in(ud, "tok");
		g_autofree char *want = g_strdup_printf("Authorization: Bearer %s\r\n", token);
		if (strstr(asked, want))
			say_json(fd, "200 OK", "{}");
		else
			say_json(fd, "401 Unauthorized",
				"{\"kind\":\"Status\",\"status\":\"Failure\",\"code\":401}");
	}
}

static void test_token_rotation_under_load(void)
{
	enum { ROUNDS = 20, CALLS = 25 };
	g_autofree char *dir = g_dir_make_tmp("sl-rotate-XXXXXX", NULL);
	write_in(dir, "tok", "token-0");
	g_auto(Fixture) f = fixture_new(talk_token, dir);
	g_autofree char *server = g_strdup_printf("\"server\":\"%s\"", f.url);
	Rotation r = rotation_new(dir, server, "\"tokenFile\":\"tok\"");
	use_rotation(&f, &r);
	Got g = { 0 };
	for (int i = 1; i <= ROUNDS; i++) {
		g_autofree char *token = g_strdup_printf("token-%d", i);
		Got settled = { 0 };
		/* So that no call meets two changes. */
		kube_get(f.k, "/x", on_done, &settled);
		wire_until(&f.wire, &settled.n, 1);
		for (int j = 0; j < CALLS; j++) {
			kube_get(f.k, "/x", on_done, &g);
			kube_create(f.k, "/x", NULL, false, on_done, &g);
		}
		/* In the middle of the answers. */
		wire_until(&f.wire, &g.n, (i - 1) * 2 * CALLS + CALLS / 2);
		write_in(dir, "tok", token);
		wire_until(&f.wire, &g.n, i * 2 * CALLS);
	}
	g_assert_cmpint(g.n_ok, ==, g.n);
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void get_who(Fixture *f, Got *g)
{
	KubeCall c = { .method = "GET", .path = "/who", .raw = true };
	g->n = 0;
	kube_call(f->k, &c, on_done, g);
	wire_until(&f->wire, &g->n, 1);
	g_assert_true(g->ok);
}

static void copy_in(const char *dir, const char *from, const char *to)
{
	g_autofree char *text = read_in(dir, from);
	write_in(dir, to, text);
}

static void on_refreshed(const GError *err, void *ud)
{
	g_assert_no_error(err);
	++*(int *)ud;
}

static void test_certificate_rotation(void)
{
	Nginx n = nginx_new("x");
	g_auto(Fixture) f = fixture_new(talk_api, NULL);
	g_autofree char *server = g_strdup_printf(
		"\"server\":\"https://127.0.0.1:%d\",\"certificate-authority\":\"ca.crt\"",
		n.port2);
	copy_in(n.dir, "one.crt", "client.crt");
	copy_in(n.dir, "one.key", "client.key");
	Rotation r = rotation_new(n.dir, server,
		"\"client-certificate\":\"client.crt\",\"client-key\":\"client.key\"");
	use_rotation(&f, &r);
	Got g = { 0 };
	get_who(&f, &g);
	g_assert_nonnull(strstr(g.text, "|CN=one|HTTP/2.0|"));
	copy_in(n.dir, "two.crt", "client.crt");
	copy_in(n.dir, "two.key", "client.key");
	int refreshed = 0;
	creds_refresh(f.creds, 0, on_refreshed, &refreshed);
	wire_until(&f.wire, &refreshed, 1);
	get_who(&f, &g);
	g_assert_nonnull(strstr(g.text, "|CN=two|HTTP/2.0|"));
	nginx_free(&n);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/kube-wire/cut-at-every-byte", test_cut_at_every_byte);
	g_test_add_func("/kube-wire/torn-at-every-byte", test_torn_at_every_byte);
	g_test_add_func("/kube-wire/truncated-gzip", test_truncated_gzip);
	g_test_add_func("/kube-wire/reset", test_reset);
	g_test_add_func("/kube-wire/token-rotation-under-load", test_token_rotation_under_load);
	g_test_add_func("/kube-wire/certificate-rotation", test_certificate_rotation);
	return g_test_run();
}
