#include "base/file.h"
#include "codec/json.h"
#include "creds/creds.h"
#include "creds/exec.h"
#include "loop/loop-event.h"
#include "loop/loop-sim.h"
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const int64_t wall = INT64_C(1777888800) * G_USEC_PER_SEC; /* 2026-05-04 10:00:00 UTC */

/* A folder with a kubeconfig whose user is the given JSON. */
typedef struct Home {
	char *dir;
	json_t *doc;
} Home;

static Home home_new(const char *user)
{
	Home h = { .dir = g_dir_make_tmp("sl-creds-XXXXXX", NULL) };
	g_autofree char *text = g_strdup_printf(
		"{\"current-context\":\"c\",\"contexts\":[{\"name\":\"c\",\"context\":{\"cluster\":"
		"\"k\",\"user\":\"u\"}}],\"clusters\":[{\"name\":\"k\",\"cluster\":{\"server\":"
		"\"https://x\"}}],\"users\":[{\"name\":\"u\",\"user\":{%s}}]}",
		user);
	h.doc = json_parse(text, strlen(text), NULL);
	g_assert_nonnull(h.doc);
	return h;
}

static void home_write(const Home *h, const char *name, const char *text, int mode)
{
	g_autoptr(GError) err = NULL;
	g_autofree char *path = g_build_filename(h->dir, name, NULL);
	g_assert_true(sl_write_file(path, text, strlen(text), mode, &err));
	/* Executable as asked, whatever the umask. */
	g_assert_cmpint(chmod(path, (mode_t)mode), ==, 0);
}

static void home_free(Home *h)
{
	g_autoptr(GDir) d = g_dir_open(h->dir, 0, NULL);
	for (const char *name; (name = g_dir_read_name(d));) {
		g_autofree char *path = g_build_filename(h->dir, name, NULL);
		g_unlink(path);
	}
	g_rmdir(h->dir);
	g_free(h->dir);
	json_decref(h->doc);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Home, home_free)

static Creds *home_creds(const Home *h, CredsOptions o)
{
	g_autoptr(GError) err = NULL;
	CredsFile f = { h->doc, h->dir, "config" };
	Creds *c = creds_from_kubeconfig(&o, &f, 1, &err);
	g_assert_no_error(err);
	return c;
}

typedef struct Told {
	int n;
	GError *err;
} Told;

static void on_told(const GError *err, void *ud)
{
	Told *t = ud;
	t->n++;
	g_clear_error(&t->err);
	t->err = err ? g_error_copy(err) : NULL;
}

static bool told(void *ud)
{
	return ((Told *)ud)->n > 0;
}

static void refresh_sim(LoopSim *ls, Creds *c, unsigned rejected, Told *t)
{
	g_clear_error(&t->err);
	t->n = 0;
	creds_refresh(c, rejected, on_told, t);
	g_assert_cmpint(t->n, ==, 0);
	g_assert_true(loop_sim_run(ls, told, t, INT64_MAX));
}

static void test_token_file(void)
{
	g_auto(Home) h = home_new("\"tokenFile\":\"tok\"");
	g_autoptr(LoopSim) ls = loop_sim_new(1, wall);
	g_autoptr(Creds) c = home_creds(&h, (CredsOptions){ .loop = loop_sim_loop(ls) });
	Told t = { 0 };
	g_assert_false(creds_fresh(c));
	refresh_sim(ls, c, 0, &t);
	g_assert_error(t.err, SL_ERROR, SL_ERR_NOT_FOUND);
	home_write(&h, "tok", "one\n", 0600);
	refresh_sim(ls, c, 0, &t);
	g_assert_no_error(t.err);
	g_assert_cmpstr(creds_endpoint(c)->bearer, ==, "one");
	g_assert_true(creds_fresh(c));
	unsigned first = creds_revision(c);
	home_write(&h, "tok", "two\n", 0600);
	loop_sim_skip(ls, (CREDS_FILE_SEC - 1) * SL_USEC_PER_SEC);
	g_assert_true(creds_fresh(c));
	loop_sim_skip(ls, SL_USEC_PER_SEC);
	g_assert_false(creds_fresh(c));
	refresh_sim(ls, c, 0, &t);
	g_assert_cmpstr(creds_endpoint(c)->bearer, ==, "two");
	/* A late 401 of the first token is answered by what is there; one of the second is not. */
	refresh_sim(ls, c, first, &t);
	g_assert_no_error(t.err);
	refresh_sim(ls, c, creds_revision(c), &t);
	g_assert_error(t.err, SL_ERROR, SL_ERR_REFUSED);
	g_assert_null(strstr(t.err->message, "two"));
	home_write(&h, "tok", "three", 0600);
	refresh_sim(ls, c, creds_revision(c), &t);
	g_assert_no_error(t.err);
	g_assert_cmpstr(creds_endpoint(c)->bearer, ==, "three");
	/* A file that vanished for a moment leaves the old token in use. */
	g_autofree char *path = g_build_filename(h.dir, "tok", NULL);
	g_unlink(path);
	refresh_sim(ls, c, 0, &t);
	g_assert_no_error(t.err);
	refresh_sim(ls, c, creds_revision(c), &t);
	g_assert_error(t.err, SL_ERROR, SL_ERR_NOT_FOUND);
	g_clear_error(&t.err);
}

/* Both given: the file wins once it can be read, as in client-go. */
static void test_token_and_file(void)
{
	g_auto(Home) h = home_new("\"tokenFile\":\"tok\",\"token\":\"inline\"");
	g_autoptr(LoopSim) ls = loop_sim_new(1, wall);
	g_autoptr(Creds) c = home_creds(&h, (CredsOptions){ .loop = loop_sim_loop(ls) });
	Told t = { 0 };
	refresh_sim(ls, c, 0, &t);
	g_assert_no_error(t.err);
	g_assert_cmpstr(creds_endpoint(c)->bearer, ==, "inline");
	home_write(&h, "tok", "from-file", 0600);
	refresh_sim(ls, c, 0, &t);
	g_assert_cmpstr(creds_endpoint(c)->bearer, ==, "from-file");
}

static void test_certificates(void)
{
	g_auto(Home) h = home_new("\"client-certificate\":\"c\",\"client-key\":\"k\"");
	g_autoptr(LoopSim) ls = loop_sim_new(1, wall);
	g_autoptr(Creds) c = home_creds(&h, (CredsOptions){ .loop = loop_sim_loop(ls) });
	Told t = { 0 };
	home_write(&h, "c", "-----BEGIN A", 0600);
	home_write(&h, "k", "secret", 0600);
	refresh_sim(ls, c, 0, &t);
	g_assert_error(t.err, SL_ERROR, SL_ERR_REFUSED);
	g_assert_null(strstr(t.err->message, "secret"));
	home_write(&h, "k", "-----BEGIN K", 0600);
	refresh_sim(ls, c, 0, &t);
	g_assert_no_error(t.err);
	unsigned generation = creds_endpoint(c)->generation;
	refresh_sim(ls, c, 0, &t);
	g_assert_cmpuint(creds_endpoint(c)->generation, ==, generation);
	home_write(&h, "c", "-----BEGIN B", 0600);
	refresh_sim(ls, c, 0, &t);
	g_assert_cmpstr(creds_endpoint(c)->cert_pem, ==, "-----BEGIN B");
	g_assert_cmpuint(creds_endpoint(c)->generation, >, generation);
}

static void test_in_cluster(void)
{
	g_auto(Home) h = home_new("");
	g_autoptr(GError) err = NULL;
	g_autoptr(LoopSim) ls = loop_sim_new(1, wall);
	CredsOptions o = { .loop = loop_sim_loop(ls) };
	home_write(&h, "token", "tok\n", 0600);
	home_write(&h, "ca.crt", "-----BEGIN X", 0600);
	home_write(&h, "namespace", "upgrade\n", 0600);
	g_autoptr(Creds) c = creds_in_cluster(&o, h.dir, "fd00::1", "443", &err);
	g_assert_no_error(err);
	g_assert_cmpstr(creds_endpoint(c)->base_url, ==, "https://[fd00::1]:443");
	g_assert_cmpstr(creds_namespace(c), ==, "upgrade");
	Told t = { 0 };
	refresh_sim(ls, c, 0, &t);
	g_assert_no_error(t.err);
	g_assert_cmpstr(creds_endpoint(c)->bearer, ==, "tok");
	g_assert_null(creds_in_cluster(&o, h.dir, NULL, "443", &err));
	g_assert_error(err, SL_ERROR, SL_ERR_NOT_FOUND);
}

static void test_static(void)
{
	g_autoptr(LoopSim) ls = loop_sim_new(1, wall);
	HttpEndpoint e = { .base_url = (char *)"https://x", .bearer = (char *)"b" };
	g_autoptr(Creds) c = creds_static(loop_sim_loop(ls), &e);
	g_assert_true(creds_fresh(c));
	Told t = { 0 };
	refresh_sim(ls, c, 0, &t);
	g_assert_no_error(t.err);
	refresh_sim(ls, c, creds_revision(c), &t);
	g_assert_error(t.err, SL_ERROR, SL_ERR_REFUSED);
	g_clear_error(&t.err);
	/* A forgotten completion does not come, also when others wait. */
	Told a = { 0 }, b = { 0 };
	uint64_t id = creds_refresh(c, 0, on_told, &a);
	creds_refresh(c, 0, on_told, &b);
	creds_forget(c, &id);
	g_assert_true(loop_sim_run(ls, told, &b, INT64_MAX));
	g_assert_cmpint(a.n, ==, 0);
}

/* --- plugins: real processes --- */

#define EXEC_USER(args)                                                                            \
	"\"exec\":{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"command\":\"./plug\","     \
	"\"interactiveMode\":\"Never\",\"provideClusterInfo\":true," args "}"
#define CREDENTIAL(status)                                                                         \
	"{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1\","         \
	"\"status\":{" status "}}"

typedef struct Plug {
	Home home;
	LoopEvent *le;
	Creds *creds;
} Plug;

static Plug plug_new(const char *script)
{
	Plug p = { .home = home_new(EXEC_USER("\"args\":[\"a b\",\"$(touch x)\"]")) };
	home_write(&p.home, "plug", script, 0700);
	p.le = loop_event_new(NULL);
	p.creds = home_creds(&p.home, (CredsOptions){ .event = loop_event_sd(p.le),
					      .loop = loop_event_loop(p.le),
					      .exec_timeout_sec = 1 });
	return p;
}

static void plug_free(Plug *p)
{
	creds_free(p->creds);
	loop_event_free(p->le);
	home_free(&p->home);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Plug, plug_free)

static void refresh(Plug *p, unsigned rejected, Told *t)
{
	Loop l = loop_event_loop(p->le);
	int64_t end = loop_boot_usec(l) + 20 * SL_USEC_PER_SEC;
	g_clear_error(&t->err);
	t->n = 0;
	creds_refresh(p->creds, rejected, on_told, t);
	while (t->n == 0) {
		g_assert_cmpint(loop_boot_usec(l), <, end);
		loop_event_step(p->le, 100000);
	}
}

static char *plug_file(const Plug *p, const char *name)
{
	g_autofree char *path = g_build_filename(p->home.dir, name, NULL);
	return sl_read_file(path, 1 << 20, NULL, NULL);
}

static void test_exec_token(void)
{
	/* The plugin counts its runs and records what it was given. */
	g_auto(Plug) p = plug_new("#!/bin/sh\ncd \"$(dirname \"$0\")\"\necho run >>runs\n"
				  "printf '%s' \"$KUBERNETES_EXEC_INFO\" >info\n"
				  "printf '%s|' \"$@\" >args\nn=$(wc -l <runs)\n"
				  "echo '" CREDENTIAL("\"token\":\"tok'$n'\"") "'\n");
	Told t = { 0 };
	refresh(&p, 0, &t);
	g_assert_no_error(t.err);
	g_assert_cmpstr(creds_endpoint(p.creds)->bearer, ==, "tok1");
	g_assert_true(creds_fresh(p.creds));
	g_autofree char *args = plug_file(&p, "args");
	g_assert_cmpstr(args, ==, "a b|$(touch x)|");
	g_autofree char *text = plug_file(&p, "info");
	g_autoptr(json_t) info = json_parse(text, strlen(text), NULL);
	g_assert_cmpstr(json_path_str(info, "kind", ""), ==, "ExecCredential");
	g_assert_cmpstr(json_path_str(info, "spec.cluster.server", ""), ==, "https://x");
	g_assert_false(json_path_bool(info, "spec.interactive", true));
	/* Not run again while it is fresh, nor at once after a 401. */
	refresh(&p, 0, &t);
	refresh(&p, creds_revision(p.creds), &t);
	g_assert_error(t.err, SL_ERROR, SL_ERR_REFUSED);
	g_autofree char *runs = plug_file(&p, "runs");
	g_assert_cmpstr(runs, ==, "run\n");
	g_clear_error(&t.err);
}

static void test_exec_expiry_and_certificate(void)
{
	/* Expires within the leeway: stale at once. */
	g_auto(Plug) p = plug_new(
		"#!/bin/sh\ncd \"$(dirname \"$0\")\"\necho run >>runs\n"
		"echo '" CREDENTIAL("\"clientCertificateData\":\"-----BEGIN C\",\"clientKeyData\":"
				    "\"-----BEGIN K\",\"expirationTimestamp\":"
				    "\"2020-01-01T00:00:00Z\"") "'\n");
	Told t = { 0 };
	refresh(&p, 0, &t);
	g_assert_no_error(t.err);
	g_assert_cmpstr(creds_endpoint(p.creds)->cert_pem, ==, "-----BEGIN C");
	g_assert_null(creds_endpoint(p.creds)->bearer);
	g_assert_false(creds_fresh(p.creds));
	unsigned generation = creds_endpoint(p.creds)->generation;
	refresh(&p, 0, &t);
	g_assert_cmpuint(creds_endpoint(p.creds)->generation, ==, generation);
	g_autofree char *runs = plug_file(&p, "runs");
	g_assert_cmpstr(runs, ==, "run\nrun\n");
}

static void test_exec_failures(void)
{
	static const struct {
		const char *script, *word;
	} cases[] = {
		{ "#!/bin/sh\necho secret; echo secret >&2; exit 3\n", "status 3" },
		{ "#!/bin/sh\nkill -9 $$\n", "signal 9" },
		{ "#!/bin/sh\necho secret\n", "JSON" },
		{ "#!/bin/sh\n", "JSON" },
		{ "#!/bin/sh\necho '" CREDENTIAL("") "'\n", "neither" },
		{ "#!/bin/sh\necho '" CREDENTIAL("\"clientCertificateData\":\"secret\"") "'\n",
			"only one" },
		{ "#!/bin/sh\necho '" CREDENTIAL(
			  "\"token\":\"secret\",\"expirationTimestamp\":\"x\"") "'\n",
			"expirationTimestamp" },
		{ "#!/bin/sh\necho '{\"kind\":\"ExecCredential\",\"apiVersion\":\"v2\",\"status\":{"
		  "\"token\":\"secret\"}}'\n",
			"ExecCredential of" },
		{ "#!/bin/sh\nexec sleep 1000\n", "in time" },
		{ "#!/bin/sh\nsleep 1000 &\nwait\n", "in time" },
		{ "#!/bin/sh\nexec yes secret\n", "too much" },
		{ "#!/nowhere/interpreter\n", "cannot be started" },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_auto(Plug) p = plug_new(cases[i].script);
		Told t = { 0 };
		refresh(&p, 0, &t);
		g_assert_nonnull(t.err);
		g_test_message("%s", t.err->message);
		g_assert_nonnull(strstr(t.err->message, cases[i].word));
		g_assert_null(strstr(t.err->message, "secret"));
		g_assert_null(creds_endpoint(p.creds)->bearer);
		g_clear_error(&t.err);
	}
}

static void test_exec_shared_and_dropped(void)
{
	g_auto(Plug) p = plug_new("#!/bin/sh\ncd \"$(dirname \"$0\")\"\necho run >>runs\n"
				  "echo '" CREDENTIAL("\"token\":\"t\"") "'\n");
	Told a = { 0 }, b = { 0 };
	creds_refresh(p.creds, 0, on_told, &a);
	refresh(&p, 0, &b);
	g_assert_cmpint(a.n, ==, 1);
	g_autofree char *runs = plug_file(&p, "runs");
	g_assert_cmpstr(runs, ==, "run\n");
	/* Freed while a plugin runs: it is killed, nobody is told. */
	g_auto(Plug) q = plug_new("#!/bin/sh\nexec sleep 1000\n");
	creds_refresh(q.creds, 0, on_told, &a);
	loop_event_step(q.le, 100000);
	g_assert_cmpint(a.n, ==, 1);
}

/* Dead, or only waiting for its parent to ask. */
static bool is_gone(const char *pid)
{
	g_autofree char *path = g_strdup_printf("/proc/%s/stat", pid);
	g_autofree char *stat = NULL;
	return !g_file_get_contents(path, &stat, NULL, NULL) || strstr(stat, ") Z ");
}

static void test_exec_leaves_nothing(void)
{
	g_auto(Plug) p = plug_new("#!/bin/sh\ncd \"$(dirname \"$0\")\"\nsleep 1000 &\n"
				  "printf '%s' $! >pid\n"
				  "echo '" CREDENTIAL("\"token\":\"t\"") "'\n");
	Told t = { 0 };
	refresh(&p, 0, &t);
	g_assert_no_error(t.err);
	g_autofree char *pid = plug_file(&p, "pid");
	Loop l = loop_event_loop(p.le);
	int64_t end = loop_boot_usec(l) + 20 * SL_USEC_PER_SEC;
	while (!is_gone(pid)) {
		g_assert_cmpint(loop_boot_usec(l), <, end);
		loop_event_step(p.le, 5000);
	}
}

static void test_exec_needs_a_loop(void)
{
	g_auto(Home) h = home_new(EXEC_USER("\"args\":[]"));
	g_autoptr(GError) err = NULL;
	g_autoptr(LoopSim) ls = loop_sim_new(1, wall);
	CredsFile f = { h.doc, h.dir, "config" };
	CredsOptions o = { .loop = loop_sim_loop(ls) };
	g_assert_null(creds_from_kubeconfig(&o, &f, 1, &err));
	g_assert_error(err, SL_ERROR, SL_ERR_INVALID);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/creds/token-file", test_token_file);
	g_test_add_func("/creds/token-and-file", test_token_and_file);
	g_test_add_func("/creds/certificates", test_certificates);
	g_test_add_func("/creds/in-cluster", test_in_cluster);
	g_test_add_func("/creds/static", test_static);
	g_test_add_func("/creds/exec-token", test_exec_token);
	g_test_add_func("/creds/exec-expiry-and-certificate", test_exec_expiry_and_certificate);
	g_test_add_func("/creds/exec-failures", test_exec_failures);
	g_test_add_func("/creds/exec-shared-and-dropped", test_exec_shared_and_dropped);
	g_test_add_func("/creds/exec-leaves-nothing", test_exec_leaves_nothing);
	g_test_add_func("/creds/exec-needs-a-loop", test_exec_needs_a_loop);
	return g_test_run();
}
