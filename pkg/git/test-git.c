/* Repositories made with the git program, read through the verb: by path, git daemon, ssh, http and
 * https, all on loopback. */
#include "git/test-inetd.h"
#include "git/test-place.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>

static json_t *ask(json_t *request, GError **err)
{
	json_t *answer = git_verb(request, NULL, err);
	json_decref(request);
	return answer;
}

static json_t *fetch_request(const Place *p, const char *url, const char *branch)
{
	json_t *r = json_object();
	json_object_set_new(r, "op", json_string("fetch"));
	json_object_set_new(r, "mirror", json_string(p->mirror));
	json_object_set_new(r, "url", json_string(url));
	if (branch)
		json_object_set_new(r, "branch", json_string(branch));
	return r;
}

static json_t *fetch_ok(json_t *request)
{
	g_autoptr(GError) err = NULL;
	json_t *v = ask(request, &err);
	g_assert_no_error(err);
	return v;
}

static void expect_error(json_t *request, int code, const char *text)
{
	g_autoptr(GError) err = NULL;
	json_t *v = ask(request, &err);
	g_test_message("%s", err ? err->message : "no error");
	g_assert_null(v);
	g_assert_error(err, SL_ERROR, code);
	g_assert_nonnull(strstr(err->message, text));
}

static void test_fetch_local(void)
{
	Place p;
	place_begin(&p);
	json_t *v = fetch_ok(fetch_request(&p, p.repo, "main"));
	g_autofree char *first = g_strdup(str(v, "commit"));
	g_assert_true(json_is_null(json_object_get(v, "previous")));
	g_assert_true(json_is_false(json_object_get(v, "forced")));
	g_assert_cmpstr(str(v, "summary"), ==, "first plan");
	g_assert_cmpstr(str(v, "author"), ==, "Åsa");
	g_assert_cmpint(json_integer_value(json_object_get(v, "time")), ==, 1700000000);
	json_decref(v);

	g_autofree char *second = commit(&p, "second");
	v = fetch_ok(fetch_request(&p, p.repo, NULL)); /* the default branch */
	g_assert_cmpstr(str(v, "branch"), ==, "main");
	g_assert_cmpstr(str(v, "commit"), ==, second);
	g_assert_cmpstr(str(v, "previous"), ==, first);
	g_assert_true(json_is_false(json_object_get(v, "forced")));
	json_decref(v);

	RUN(p.repo, "git", "reset", "-q", "--hard", first);
	g_autofree char *third = commit(&p, "instead of the second");
	g_autofree char *url = g_strconcat("file://", p.repo, NULL);
	v = fetch_ok(fetch_request(&p, url, "main"));
	g_assert_cmpstr(str(v, "commit"), ==, third);
	g_assert_true(json_is_true(json_object_get(v, "forced")));
	json_decref(v);

	expect_error(fetch_request(&p, p.repo, "gone"), SL_ERR_NOT_FOUND, "has no branch \"gone\"");
	RUN(p.repo, "git", "branch", "-m", "main", "trunk");
	expect_error(fetch_request(&p, p.repo, "main"), SL_ERR_NOT_FOUND, "has no branch \"main\"");
	g_autofree char *nowhere = in(&p, "nowhere");
	expect_error(fetch_request(&p, nowhere, "main"), SL_ERR_REFUSED, "no repository");
	place_end(&p);
}

static const struct {
	const char *url, *branch, *text;
} bad_requests[] = {
	{ "relative/path", "main", "absolute path" },
	{ "ftp://host/x", "main", "absolute path, or a URL" },
	{ "ext::sh -c id", "main", "absolute path" },
	{ "https://user:secret@host/x", "main", "holds a password" },
	{ "https:///x", "main", "absolute path, or a URL" },
	{ "file://host/x", "main", "absolute path, or a URL" },
	{ "/x", "a..b", "no name for a branch" },
	{ "/x", "", "no name for a branch" },
	{ "/x", "a b", "no name for a branch" },
};

static void test_bad_requests(void)
{
	Place p;
	place_begin(&p);
	for (size_t i = 0; i < G_N_ELEMENTS(bad_requests); i++)
		expect_error(fetch_request(&p, bad_requests[i].url, bad_requests[i].branch),
			SL_ERR_INVALID, bad_requests[i].text);
	json_t *r = fetch_request(&p, "http://git.example/x", "main");
	json_object_set_new(r, "credential", json_pack("{s:{s:s}}", "secret", "text", "token"));
	expect_error(r, SL_ERR_INVALID, "readable on its way");
	expect_error(json_object(), SL_ERR_INVALID, "\"op\"");
	expect_error(json_pack("{s:s}", "op", "fetch"), SL_ERR_INVALID, "\"mirror\"");
	expect_error(json_pack("{s:s, s:s}", "op", "fetch", "mirror", "m"), SL_ERR_INVALID,
		"no absolute path");
	place_end(&p);
}

static json_t *tree_request(const Place *p, const char *commit_id, const char *first)
{
	return json_pack("{s:s, s:s, s:s, s:[s, s]}", "op", "tree", "mirror", p->mirror, "commit",
		commit_id, "paths", first, "policies/");
}

static const json_t *file_named(const json_t *answer, const char *name)
{
	const json_t *files = json_object_get(answer, "files");
	for (size_t i = 0; i < json_array_size(files); i++)
		if (strcmp(str(json_array_get(files, i), "name"), name) == 0)
			return json_array_get(files, i);
	return NULL;
}

static char *names_of(const json_t *list, const char *key)
{
	GString *s = g_string_new("");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *v = json_array_get(list, i);
		g_string_append_printf(s, "%s ", key ? str(v, key) : json_string_value(v));
	}
	return g_string_free(s, FALSE);
}

static void test_tree(void)
{
	Place p;
	place_begin(&p);
	write_text(&p, "plans/b/c.yaml", "ü: 1\n", -1);
	write_text(&p, "plans/b.yaml", "", -1);
	write_text(&p, "plans/README.md", "no plan", -1);
	write_text(&p, "plans/raw.yaml", "a\xff\0b", 4);
	write_text(&p, "plans/nul.yaml", "a\0b", 3);
	write_text(&p, "policies/jobs/x.yaml", "job", -1);
	write_text(&p, "other/x.yaml", "not asked for", -1);
	g_autofree char *link = g_build_filename(p.repo, "plans/link.yaml", NULL);
	g_assert_cmpint(symlink("/etc/passwd", link), ==, 0);
	g_autofree char *id = commit(&p, "tree");
	json_decref(fetch_ok(fetch_request(&p, p.repo, "main")));

	json_t *r = tree_request(&p, id, "plans");
	json_object_set_new(r, "suffixes", json_pack("[s, s]", ".yaml", ".yml"));
	json_object_set_new(r, "except", json_pack("[s]", "policies/jobs"));
	json_t *v = fetch_ok(r);
	g_autofree char *names = names_of(json_object_get(v, "files"), "name");
	g_autofree char *skipped = names_of(json_object_get(v, "skipped"), "name");
	g_assert_cmpstr(names, ==,
		"plans/a.yaml plans/b.yaml plans/b/c.yaml plans/nul.yaml plans/raw.yaml ");
	g_assert_cmpstr(skipped, ==, "plans/link.yaml ");
	g_assert_cmpstr(str(file_named(v, "plans/b/c.yaml"), "text"), ==, "ü: 1\n");
	g_assert_cmpstr(str(file_named(v, "plans/b.yaml"), "text"), ==, "");
	g_assert_cmpstr(str(file_named(v, "plans/raw.yaml"), "base64"), ==, "Yf8AYg==");
	g_assert_cmpstr(str(file_named(v, "plans/nul.yaml"), "base64"), ==, "YQBi");
	json_decref(v);

	v = fetch_ok(tree_request(&p, id, "absent"));
	g_autofree char *missing = names_of(json_object_get(v, "missing"), NULL);
	g_assert_cmpstr(missing, ==, "absent ");
	g_assert_nonnull(file_named(v, "policies/jobs/x.yaml"));
	json_decref(v);
	v = fetch_ok(tree_request(&p, id, ".")); /* the whole tree */
	g_assert_nonnull(file_named(v, "other/x.yaml"));
	json_decref(v);
	place_end(&p);
}

static void test_tree_bounds(void)
{
	Place p;
	place_begin(&p);
	write_text(&p, "plans/ten.yaml", "0123456789", -1);
	g_autofree char *id = commit(&p, "ten");
	json_decref(fetch_ok(fetch_request(&p, p.repo, "main")));
	json_t *r = tree_request(&p, id, "plans/ten.yaml");
	json_object_set_new(r, "maxFileBytes", json_integer(10));
	json_decref(fetch_ok(r));
	r = tree_request(&p, id, "plans/ten.yaml");
	json_object_set_new(r, "maxFileBytes", json_integer(9));
	expect_error(r, SL_ERR_INVALID, "plans/ten.yaml: is larger than 9 bytes");
	r = tree_request(&p, id, "plans");
	json_object_set_new(r, "maxTreeBytes", json_integer(20));
	expect_error(r, SL_ERR_INVALID, "larger than 20 bytes together");
	g_autoptr(GString) deep = g_string_new("plans");
	for (int i = 0; i < GIT_MAX_DEPTH + 2; i++)
		g_string_append(deep, "/d");
	g_string_append(deep, "/x.yaml");
	write_text(&p, deep->str, "x", -1);
	g_autofree char *deeper = commit(&p, "deep");
	json_decref(fetch_ok(fetch_request(&p, p.repo, "main")));
	expect_error(tree_request(&p, deeper, "plans"), SL_ERR_INVALID, "folders deep");
	place_end(&p);
}

static json_t *show_request(const Place *p, const char *id, const char *path)
{
	return json_pack("{s:s, s:s, s:s, s:s}", "op", "show", "mirror", p->mirror, "commit", id,
		"path", path);
}

static void test_show(void)
{
	Place p;
	place_begin(&p);
	json_t *v = fetch_ok(fetch_request(&p, p.repo, "main"));
	g_autofree char *id = g_strdup(str(v, "commit"));
	json_decref(v);
	v = fetch_ok(show_request(&p, id, "plans/a.yaml"));
	g_assert_cmpstr(str(v, "text"), ==, "kind: UpgradePlan\n");
	json_decref(v);
	expect_error(show_request(&p, id, "plans/b.yaml"), SL_ERR_NOT_FOUND, "b.yaml");
	expect_error(show_request(&p, id, "plans"), SL_ERR_INVALID, "no regular file");
	expect_error(show_request(&p, "HEAD", "plans/a.yaml"), SL_ERR_INVALID, "no commit id");
	expect_error(show_request(&p, "0123456789012345678901234567890123456789", "plans/a.yaml"),
		SL_ERR_NOT_FOUND, "0123456789");
	g_free(p.mirror);
	p.mirror = in(&p, "other");
	expect_error(show_request(&p, id, "plans/a.yaml"), SL_ERR_NOT_FOUND, "other");
	place_end(&p);
}

static void test_git_daemon(void)
{
	Place p;
	Inetd s;
	place_begin(&p);
	g_autofree char *base = g_strconcat("--base-path=", p.dir, NULL);
	inetd_start(&s,
		(const char *const[]){ "git", "daemon", "--inetd", "--export-all", base, NULL });
	g_autofree char *url = g_strdup_printf("git://127.0.0.1:%d/fleet", s.port);
	g_autofree char *wrong = g_strdup_printf("git://127.0.0.1:%d/nowhere", s.port);
	json_t *v = fetch_ok(fetch_request(&p, url, "main"));
	g_autofree char *first = g_strdup(str(v, "commit"));
	json_decref(v);
	g_autofree char *second = commit(&p, "second");
	v = fetch_ok(fetch_request(&p, url, "main"));
	g_assert_cmpstr(str(v, "commit"), ==, second);
	g_assert_cmpstr(str(v, "previous"), ==, first);
	json_decref(v);
	expect_error(fetch_request(&p, url, "gone"), SL_ERR_NOT_FOUND, "has no branch \"gone\"");
	expect_error(fetch_request(&p, wrong, "main"), SL_ERR_REFUSED, "no repository");
	inetd_stop(&s);
	/* Nobody listens there any more, and the mirror still answers. */
	expect_error(fetch_request(&p, url, "main"), SL_ERR_RETRY, "cannot be reached");
	json_decref(fetch_ok(tree_request(&p, second, "plans")));
	place_end(&p);
}

typedef struct Ssh {
	Inetd inetd;
	char *url, *host_key, *user_key, *conf;
} Ssh;

static char *new_key(const Place *p, const char *name, const char *type)
{
	char *path = in(p, name);
	RUN(p->dir, "ssh-keygen", "-q", "-t", type, "-N", "", "-f", path);
	return path;
}

static void ssh_start(Ssh *s, const Place *p)
{
	if (geteuid() == 0)
		g_mkdir_with_parents("/run/sshd", 0755);
	s->host_key = new_key(p, "host_ed25519", "ed25519");
	s->user_key = new_key(p, "id_ed25519", "ed25519");
	s->conf = in(p, "sshd_config");
	g_autofree char *text = g_strdup_printf("HostKey %s\nAuthorizedKeysFile %s.pub\n"
						"StrictModes no\nUsePAM no\nPidFile none\n"
						"PermitRootLogin yes\nPasswordAuthentication no\n"
						"KbdInteractiveAuthentication no\n",
		s->host_key, s->user_key);
	g_assert_true(g_file_set_contents(s->conf, text, -1, NULL));
	inetd_start(
		&s->inetd, (const char *const[]){ "/usr/sbin/sshd", "-i", "-f", s->conf, NULL });
	s->url = g_strdup_printf(
		"ssh://%s@127.0.0.1:%d%s", g_get_user_name(), s->inetd.port, p->repo);
}

static void ssh_stop(Ssh *s)
{
	inetd_stop(&s->inetd);
	g_free(s->url);
	g_free(s->host_key);
	g_free(s->user_key);
	g_free(s->conf);
}

/* The line of known_hosts for a public key; prefix is "" or a marker. */
static char *hosts_line(const char *prefix, int port, const char *key)
{
	g_autofree char *path = g_strconcat(key, ".pub", NULL);
	g_autofree char *text = NULL;
	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	return g_strdup_printf("%s[127.0.0.1]:%d %s", prefix, port, text);
}

static json_t *ssh_request(const Place *p, const Ssh *s, const char *hosts, const char *key)
{
	json_t *r = fetch_request(p, s->url, "main");
	json_object_set_new(r, "knownHosts", json_pack("{s:s}", "text", hosts));
	json_object_set_new(r, "credential", json_pack("{s:{s:s}}", "secret", "file", key));
	return r;
}

static void ssh_story(void)
{
	Place p;
	Ssh s;
	place_begin(&p);
	ssh_start(&s, &p);
	g_autofree char *other = new_key(&p, "other", "ed25519");
	g_autofree char *rsa = new_key(&p, "rsa", "rsa");
	g_autofree char *good = hosts_line("", s.inetd.port, s.host_key);
	g_autofree char *wrong = hosts_line("", s.inetd.port, other);
	g_autofree char *port22 = hosts_line("", 22, s.host_key);
	g_autofree char *bad = hosts_line("@revoked ", s.inetd.port, s.host_key);
	g_autofree char *revoked = g_strconcat(good, wrong, bad, NULL);
	json_t *v = fetch_ok(ssh_request(&p, &s, good, s.user_key));
	g_assert_cmpstr(str(v, "summary"), ==, "first plan");
	json_decref(v);
	expect_error(ssh_request(&p, &s, wrong, s.user_key), SL_ERR_REFUSED, "not the one in");
	expect_error(ssh_request(&p, &s, revoked, s.user_key), SL_ERR_REFUSED, "is revoked");
	expect_error(ssh_request(&p, &s, "", s.user_key), SL_ERR_REFUSED, "no host key is known");
	expect_error(ssh_request(&p, &s, port22, s.user_key), SL_ERR_REFUSED, "no host key is");
	expect_error(ssh_request(&p, &s, good, other), SL_ERR_REFUSED, "does not accept the key");
	expect_error(ssh_request(&p, &s, good, rsa), SL_ERR_REFUSED, "use ed25519");
	json_t *r = ssh_request(&p, &s, good, s.user_key);
	json_object_del(r, "credential");
	expect_error(r, SL_ERR_REFUSED, "wants a key");
	r = ssh_request(&p, &s, good, "/nowhere/key");
	expect_error(r, SL_ERR_NOT_FOUND, "/nowhere/key");
	ssh_stop(&s);
	place_end(&p);
}

/* In a process that ends without the leak check: libgit2 forgets known_hosts and its path each
 * time. */
static void test_ssh(void)
{
	if (g_test_subprocess()) {
		ssh_story();
		_exit(0);
	}
	g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
	g_test_trap_assert_passed();
}

/* nginx in front of git's own CGI program, plain and with TLS. */
typedef struct Www {
	pid_t nginx, cgi;
	int port, tls_port;
	char *ca;
} Www;

static void wait_for_socket(const char *path)
{
	for (int i = 0; i < 1000 && access(path, F_OK) < 0; i++)
		poll(NULL, 0, 10);
	g_assert_cmpint(access(path, F_OK), ==, 0);
}

static void make_certificate(Www *w, const Place *p, const char *name)
{
	g_autofree char *key = in(p, "tls.key");
	g_autofree char *san = g_strconcat("subjectAltName=DNS:", name, NULL);
	g_free(w->ca);
	w->ca = in(p, "tls.pem");
	RUN(p->dir, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
		"ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=test",
		"-addext", san, "-keyout", key, "-out", w->ca);
}

static void write_nginx_conf(const Www *w, const Place *p, const char *path)
{
	g_autofree char *users = in(p, "users");
	g_assert_true(g_file_set_contents(users, "bot:{PLAIN}s3cret\n", -1, NULL));
	g_autofree char *conf = g_strdup_printf(
		"daemon off; user root; worker_processes 1; error_log stderr;\n"
		"pid %s/nginx.pid;\nevents { worker_connections 64; }\nhttp {\n access_log off;\n"
		" client_body_temp_path %s/t1; proxy_temp_path %s/t2; fastcgi_temp_path %s/t3;\n"
		" uwsgi_temp_path %s/t4; scgi_temp_path %s/t5;\n"
		" server {\n  listen 127.0.0.1:%d;\n  listen 127.0.0.1:%d ssl;\n"
		"  ssl_certificate %s/tls.pem; ssl_certificate_key %s/tls.key;\n"
		"  include /etc/nginx/fastcgi_params;\n"
		"  fastcgi_param SCRIPT_FILENAME /usr/lib/git-core/git-http-backend;\n"
		"  fastcgi_param GIT_PROJECT_ROOT %s; fastcgi_param GIT_HTTP_EXPORT_ALL 1;\n"
		"  fastcgi_param PATH_INFO /$repo;\n"
		"  location ~ ^/(?<repo>fleet/.*)$ { fastcgi_pass unix:%s/cgi.sock; }\n"
		"  location ~ ^/locked/(?<repo>fleet/.*)$ {\n"
		"   auth_basic locked; auth_basic_user_file %s;\n"
		"   fastcgi_pass unix:%s/cgi.sock;\n"
		"  }\n }\n}\n",
		p->dir, p->dir, p->dir, p->dir, p->dir, p->dir, w->port, w->tls_port, p->dir,
		p->dir, p->dir, p->dir, users, p->dir);
	g_assert_true(g_file_set_contents(path, conf, -1, NULL));
}

static pid_t start_program(const char *const *argv)
{
	pid_t pid = fork();
	g_assert_cmpint(pid, >=, 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM); /* so that nginx takes its workers along */
		execvp(argv[0], (char **)argv);
		_exit(127);
	}
	return pid;
}

/* The sockets are bound here and handed to nginx, which takes them when its configuration names the
 * same addresses: so the kernel chooses the ports. */
static void www_start(Www *w, const Place *p)
{
	g_autofree char *conf = in(p, "nginx.conf"), *sock = in(p, "cgi.sock");
	g_autofree char *cgi_at = g_strconcat("unix:", sock, NULL);
	int plain = listen_anywhere(&w->port), tls = listen_anywhere(&w->tls_port);
	g_autofree char *inherited = g_strdup_printf("%d;%d;", plain, tls);
	write_nginx_conf(w, p, conf);
	w->cgi = start_program((const char *const[]){ "fcgiwrap", "-s", cgi_at, NULL });
	wait_for_socket(sock);
	g_setenv("NGINX", inherited, true);
	fcntl(plain, F_SETFD, 0); /* these two outlive its exec */
	fcntl(tls, F_SETFD, 0);
	w->nginx = start_program((const char *const[]){ "nginx", "-c", conf, "-p", p->dir, NULL });
	g_unsetenv("NGINX");
	close(plain);
	close(tls);
}

static void www_stop(Www *w)
{
	stop_process(w->nginx, SIGTERM);
	stop_process(w->cgi, SIGTERM);
}

static json_t *with_secret(json_t *request, const char *secret)
{
	json_object_set_new(
		request, "credential", json_pack("{s:{s:s}}", "secret", "text", secret));
	return request;
}

static void test_http(void)
{
	Place p;
	Www w = { 0 };
	place_begin(&p);
	make_certificate(&w, &p, "localhost");
	www_start(&w, &p);
	g_autofree char *url = g_strdup_printf("http://127.0.0.1:%d/fleet/.git", w.port);
	g_autofree char *locked = g_strdup_printf("http://127.0.0.1:%d/locked/fleet/.git", w.port);
	g_autofree char *none = g_strdup_printf("http://127.0.0.1:%d/fleet/none", w.port);
	json_t *v = fetch_ok(fetch_request(&p, url, "main"));
	g_assert_cmpstr(str(v, "summary"), ==, "first plan");
	json_decref(v);
	expect_error(fetch_request(&p, url, "gone"), SL_ERR_NOT_FOUND, "has no branch");
	expect_error(fetch_request(&p, none, "main"), SL_ERR_REFUSED, "no repository");
	expect_error(fetch_request(&p, locked, "main"), SL_ERR_REFUSED, "wants a credential");
	expect_error(with_secret(fetch_request(&p, locked, "main"), "bot:wrong"), SL_ERR_REFUSED,
		"does not accept the credential");
	json_decref(fetch_ok(with_secret(fetch_request(&p, locked, "main"), "bot:s3cret\n")));
	json_t *r = with_secret(fetch_request(&p, locked, "main"), "s3cret");
	json_object_set_new(json_object_get(r, "credential"), "username", json_string("bot"));
	json_decref(fetch_ok(r));
	www_stop(&w);
	expect_error(fetch_request(&p, url, "main"), SL_ERR_RETRY, "cannot be reached");
	g_free(w.ca);
	place_end(&p);
}

static json_t *with_ca(json_t *request, const char *path)
{
	json_object_set_new(request, "ca", json_pack("{s:s}", "file", path));
	return request;
}

/* Each in a process of its own: libgit2 keeps the authorities it was once told. */
static void https_story(const char *server_name, bool give_ca, bool good)
{
	Place p;
	Www w = { 0 };
	place_begin(&p);
	make_certificate(&w, &p, server_name);
	www_start(&w, &p);
	g_autofree char *url = g_strdup_printf("https://localhost:%d/fleet/.git", w.tls_port);
	json_t *r = fetch_request(&p, url, "main");
	if (give_ca)
		with_ca(r, w.ca);
	if (good)
		json_decref(fetch_ok(r));
	else
		expect_error(r, SL_ERR_REFUSED, "certificate");
	www_stop(&w);
	g_free(w.ca);
	place_end(&p);
}

static void test_https_good(void)
{
	if (g_test_subprocess()) {
		https_story("localhost", true, true);
		return;
	}
	g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
	g_test_trap_assert_passed();
}

static void test_https_unknown_authority(void)
{
	if (g_test_subprocess()) {
		https_story("localhost", false, false);
		return;
	}
	g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
	g_test_trap_assert_passed();
}

static void test_https_other_name(void)
{
	if (g_test_subprocess()) {
		https_story("git.example", true, false);
		return;
	}
	g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
	g_test_trap_assert_passed();
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	set_git_environment();
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	alarm(180); /* libgit2 has no timeouts */
	g_test_add_func("/git/fetch-local", test_fetch_local);
	g_test_add_func("/git/bad-requests", test_bad_requests);
	g_test_add_func("/git/tree", test_tree);
	g_test_add_func("/git/tree-bounds", test_tree_bounds);
	g_test_add_func("/git/show", test_show);
	g_test_add_func("/git/daemon", test_git_daemon);
	g_test_add_func("/git/ssh", test_ssh);
	g_test_add_func("/git/http", test_http);
	g_test_add_func("/git/https-good", test_https_good);
	g_test_add_func("/git/https-unknown-authority", test_https_unknown_authority);
	g_test_add_func("/git/https-other-name", test_https_other_name);
	return g_test_run();
}
