#include "base/file.h"
#include "fleet/connect.h"
#include "loop/loop-sim.h"
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WALL ((int64_t)1795000000 * SL_USEC_PER_SEC)
#define PEM "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"

/* This program is its own worker: the texts it is given are JSON, which is YAML too. A text that
 * begins with ! is an error in line 3. */
static int be_worker(void)
{
	g_autoptr(json_t) request = json_loadf(stdin, 0, NULL);
	g_autoptr(json_t) answer = json_object();
	json_t *files = json_array(), *file;
	size_t i;
	json_array_foreach (json_object_get(request, "files"), i, file) {
		const char *text = json_path_str(file, "text", "");
		json_t *one = json_pack("{s:s,s:[],s:[]}", "name", json_path_str(file, "name", ""),
			"documents", "errors");
		if (text[0] == '!')
			json_array_append_new(json_object_get(one, "errors"),
				json_pack(
					"{s:i,s:i,s:s}", "line", 3, "column", 1, "message", text));
		else
			json_array_append_new(json_object_get(one, "documents"),
				json_pack("{s:o}", "json", json_loads(text, 0, NULL)));
		json_array_append_new(files, one);
	}
	json_object_set_new(answer, "files", files);
	json_dumpf(answer, stdout, JSON_COMPACT);
	return 0;
}

typedef struct Bed {
	char *dir;
	LoopSim *sim;
	Connect *c;
	FleetConnect fc;
} Bed;

static void bed_up(Bed *b)
{
	b->dir = g_dir_make_tmp("shiplock-connect-XXXXXX", NULL);
	b->sim = loop_sim_new(1, WALL);
	ConnectOptions o = { .loop = loop_sim_loop(b->sim), .worker = "/proc/self/exe" };
	b->c = connect_new(&o);
	b->fc = connect_fleet(b->c);
}

static void bed_down(Bed *b)
{
	connect_free(b->c);
	loop_sim_free(b->sim);
	g_autoptr(GDir) dir = g_dir_open(b->dir, 0, NULL);
	for (const char *name; (name = g_dir_read_name(dir));) {
		g_autofree char *path = g_build_filename(b->dir, name, NULL);
		g_unlink(path);
	}
	g_rmdir(b->dir);
	g_free(b->dir);
}

static char *bed_path(const Bed *b, const char *name)
{
	return g_build_filename(b->dir, name, NULL);
}

static void bed_write(const Bed *b, const char *name, const char *text)
{
	g_autofree char *path = bed_path(b, name);
	g_assert_true(sl_write_file(path, text, strlen(text), 0600, NULL));
}

static void bed_remove(const Bed *b, const char *name)
{
	g_autofree char *path = bed_path(b, name);
	g_unlink(path);
}

/* Texts with %s for the folder. */
static json_t *bed_json(const Bed *b, const char *text)
{
	g_autoptr(GString) s = g_string_new(text);
	g_string_replace(s, "%s", b->dir, 0);
	json_t *v = json_loads(s->str, 0, NULL);
	g_assert_nonnull(v);
	return v;
}

static const char kubeconfig[] =
	"{\"apiVersion\":\"v1\",\"kind\":\"Config\",\"current-context\":\"one\","
	"\"clusters\":[{\"name\":\"c\",\"cluster\":{\"server\":\"https://api.example:6443\"}}],"
	"\"users\":[{\"name\":\"u\",\"user\":{\"token\":\"planted-secret\"}}],"
	"\"contexts\":[{\"name\":\"one\",\"context\":{\"cluster\":\"c\",\"user\":\"u\"}},"
	"{\"name\":\"two\",\"context\":{\"cluster\":\"c\",\"user\":\"u\",\"namespace\":\"two\"}}]}";

static void test_creds(void)
{
	Bed b = { 0 };
	bed_up(&b);
	bed_write(&b, "kube", kubeconfig);
	g_setenv("SL_TEST_KUBE", kubeconfig, true);
	static const struct {
		const char *access, *ns;
	} cases[] = {
		{ "{\"kubeconfig\":{\"file\":\"%s/kube\"}}", "default" },
		{ "{\"kubeconfig\":{\"file\":\"%s/kube\"},\"context\":\"two\"}", "two" },
		{ "{\"kubeconfig\":{\"env\":\"SL_TEST_KUBE\"},\"context\":\"two\"}", "two" },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) err = NULL;
		g_autoptr(json_t) access = bed_json(&b, cases[i].access);
		g_autoptr(json_t) cluster = json_pack("{s:{s:O}}", "spec", "access", access);
		g_autoptr(Creds) creds = b.fc.creds(b.fc.ud, cluster, &err);
		g_assert_no_error(err);
		g_assert_cmpstr(creds_endpoint(creds)->base_url, ==, "https://api.example:6443");
		g_assert_cmpstr(creds_endpoint(creds)->bearer, ==, "planted-secret");
		g_assert_cmpstr(creds_namespace(creds), ==, cases[i].ns);
	}
	bed_down(&b);
}

static void test_creds_errors(void)
{
	Bed b = { 0 };
	bed_up(&b);
	bed_write(&b, "kube", kubeconfig);
	bed_write(&b, "broken", "! planted-secret");
	bed_write(&b, "list", "[\"planted-secret\"]");
	bed_write(&b, "bytes", "\xff\xfe planted-secret");
	static const struct {
		const char *access, *want;
	} cases[] = {
		{ "{\"kubeconfig\":{\"file\":\"%s/none\"}}", "No such file" },
		{ "{\"kubeconfig\":{\"env\":\"SL_TEST_NONE\"}}", "SL_TEST_NONE is not set" },
		{ "{\"kubeconfig\":{\"credential\":\"kube\"}}", "no systemd credential kube" },
		{ "{\"kubeconfig\":{}}", "neither file nor env nor credential" },
		{ "{\"kubeconfig\":{\"file\":\"%s/broken\"}}", "line 3: is not valid YAML" },
		{ "{\"kubeconfig\":{\"file\":\"%s/list\"}}", "holds no kubeconfig" },
		{ "{\"kubeconfig\":{\"file\":\"%s/bytes\"}}", "is not UTF-8" },
		{ "{\"kubeconfig\":{\"file\":\"%s/kube\"},\"context\":\"three\"}", "three" },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) err = NULL;
		g_autoptr(json_t) access = bed_json(&b, cases[i].access);
		g_autoptr(json_t) cluster = json_pack("{s:{s:O}}", "spec", "access", access);
		g_assert_null(b.fc.creds(b.fc.ud, cluster, &err));
		g_test_message("%s", err->message);
		g_assert_true(g_str_has_prefix(err->message, "access.kubeconfig: "));
		g_assert_nonnull(strstr(err->message, cases[i].want));
		g_assert_null(strstr(err->message, "planted"));
	}
	bed_down(&b);
}

static const HttpEndpoint *ask(Bed *b, const char *source, GError **err)
{
	g_autoptr(json_t) cluster = json_pack("{s:{s:s}}", "metadata", "name", "prod");
	g_autoptr(json_t) s = bed_json(b, source);
	return b->fc.telemetry(b->fc.ud, cluster, s, err);
}

static bool later(void *ud)
{
	const int64_t *at = ((void **)ud)[1];
	return loop_boot_usec(loop_sim_loop(((void **)ud)[0])) >= *at;
}

/* Two rounds of looking at files. */
static void wait_refresh(Bed *b)
{
	int64_t at =
		loop_boot_usec(loop_sim_loop(b->sim)) + 2 * CONNECT_REFRESH_SEC * SL_USEC_PER_SEC;
	void *ud[] = { b->sim, &at };
	g_assert_true(loop_sim_run(b->sim, later, ud, at + SL_USEC_PER_SEC));
}

static void test_telemetry_follows_files(void)
{
	Bed b = { 0 };
	bed_up(&b);
	g_autoptr(GError) err = NULL;
	static const char source[] = "{\"name\":\"local\",\"url\":\"https://t.example/\","
				     "\"token\":{\"file\":\"%s/token\"},"
				     "\"ca\":{\"file\":\"%s/ca\"}}";
	bed_write(&b, "token", "first\n");
	bed_write(&b, "ca", PEM);
	const HttpEndpoint *e = ask(&b, source, &err);
	g_assert_no_error(err);
	g_assert_cmpstr(e->base_url, ==, "https://t.example");
	g_assert_cmpstr(e->bearer, ==, "first");
	unsigned generation = e->generation;
	g_assert_true(ask(&b, source, &err) == e);

	bed_write(&b, "token", "second\n");
	wait_refresh(&b);
	g_assert_cmpstr(e->bearer, ==, "second");
	g_assert_cmpuint(e->generation, ==, generation);

	bed_remove(&b, "token");
	bed_write(&b, "ca", PEM PEM);
	wait_refresh(&b);
	g_assert_cmpstr(e->bearer, ==, "second");
	g_assert_cmpstr(e->ca_pem, ==, PEM);

	bed_write(&b, "token", "third");
	wait_refresh(&b);
	g_assert_cmpstr(e->bearer, ==, "third");
	g_assert_cmpstr(e->ca_pem, ==, PEM PEM);
	g_assert_cmpuint(e->generation, >, generation);
	bed_down(&b);
}

static void test_telemetry_errors(void)
{
	Bed b = { 0 };
	bed_up(&b);
	bed_write(&b, "empty", "\n");
	bed_write(&b, "text", "planted-secret");
	static const struct {
		const char *source, *want;
	} cases[] = {
		{ "{\"name\":\"a\",\"url\":\"https://t\",\"token\":{\"file\":\"%s/none\"}}",
			"telemetry a: token: " },
		{ "{\"name\":\"a\",\"url\":\"https://t\",\"token\":{\"file\":\"%s/empty\"}}",
			"telemetry a: token: is empty" },
		{ "{\"name\":\"a\",\"url\":\"https://t\",\"ca\":{\"file\":\"%s/text\"}}",
			"telemetry a: ca: is no PEM text" },
		{ "{\"name\":\"a\",\"url\":\"https://t\",\"basic\":{\"user\":\"u\",\"password\":"
		  "{\"env\":\"SL_TEST_NONE\"}}}",
			"telemetry a: basic.password: environment variable SL_TEST_NONE" },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) err = NULL;
		g_assert_null(ask(&b, cases[i].source, &err));
		g_test_message("%s", err->message);
		g_assert_true(g_str_has_prefix(err->message, cases[i].want));
		g_assert_null(strstr(err->message, "planted"));
	}
	bed_down(&b);
}

static void test_credential(void)
{
	Bed b = { 0 };
	bed_up(&b);
	bed_write(&b, "hook", "s3");
	g_setenv("CREDENTIALS_DIRECTORY", b.dir, true);
	static const struct {
		const char *name, *want;
	} cases[] = { { "hook", "s3" }, { "none", NULL }, { "../hook", NULL }, { "", NULL } };
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(json_t) ref = json_pack("{s:s}", "credential", cases[i].name);
		g_autofree char *text = connect_secret(ref, 10, NULL);
		g_assert_cmpstr(text, ==, cases[i].want);
	}
	g_autoptr(json_t) ref = json_pack("{s:s}", "credential", "hook");
	g_assert_null(connect_secret(ref, 1, NULL));
	g_unsetenv("CREDENTIALS_DIRECTORY");
	bed_down(&b);
}

static json_t *receiver_entry(const Bed *b, const char *more)
{
	g_autofree char *url = bed_path(b, "url"), *token = bed_path(b, "token");
	json_t *e = json_pack("{s:s,s:{s:s},s:{s:s}}", "name", "chat", "url", "file", url, "token",
		"file", token);
	g_autoptr(json_t) extra = json_loads(more, 0, NULL);
	json_object_update(e, extra);
	return e;
}

static void test_receiver(void)
{
	Bed b;
	bed_up(&b);
	g_autoptr(GError) err = NULL;
	g_autoptr(json_t) entry = receiver_entry(&b, "{}");
	g_assert_null(b.fc.receiver(b.fc.ud, entry, &err)); /* there is no such file yet */
	g_assert_true(g_str_has_prefix(err->message, "url: "));
	g_clear_error(&err);
	bed_write(&b, "url", "https://hooks.example/T/B/x\n");
	bed_write(&b, "token", "one\n");
	const HttpEndpoint *e = b.fc.receiver(b.fc.ud, entry, &err);
	g_assert_no_error(err);
	g_assert_cmpstr(e->base_url, ==, "https://hooks.example/T/B/x");
	g_assert_cmpstr(e->bearer, ==, "one");
	unsigned generation = e->generation;
	bed_write(&b, "token", "two");
	g_assert_true(b.fc.receiver(b.fc.ud, entry, &err) == e);
	g_assert_cmpstr(e->bearer, ==, "two");
	g_assert_cmpuint(e->generation, ==, generation);
	/* No secret in an error, also where the address is none. */
	bed_write(&b, "url", "S3cret");
	g_assert_null(b.fc.receiver(b.fc.ud, entry, &err));
	g_assert_cmpstr(
		err->message, ==, "url: is no address that begins with https:// or http://");
	bed_remove(&b, "url");
	bed_remove(&b, "token");
	bed_down(&b);
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "yaml") == 0)
		return be_worker();
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/connect/creds", test_creds);
	g_test_add_func("/connect/creds-errors", test_creds_errors);
	g_test_add_func("/connect/telemetry-follows-files", test_telemetry_follows_files);
	g_test_add_func("/connect/telemetry-errors", test_telemetry_errors);
	g_test_add_func("/connect/credential", test_credential);
	g_test_add_func("/connect/receiver", test_receiver);
	return g_test_run();
}
