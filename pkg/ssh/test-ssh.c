/* Access to a real sshd: host keys, logins, deadlines, bounds. */
#include "ssh/test-sshd.h"
#include <stdlib.h>
#include <sys/un.h>

/* libssh2 1.10 loses two numbers of each ECDSA key it reads; the worker reads one and ends. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:CRYPTO_zalloc\n";
}

static json_t *ask(json_t *request, GError **err)
{
	json_t *v = ssh_verb(request, err);
	json_decref(request);
	return v;
}

static json_t *ask_ok(json_t *request)
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

static json_t *run(const Sshd *s, const char *command)
{
	json_t *r = sshd_request(s, "run");
	json_object_set_new(r, "command", json_string(command));
	return r;
}

static json_t *with(json_t *request, const char *name, json_t *value)
{
	json_object_set_new(request, name, value);
	return request;
}

static const char *str(const json_t *v, const char *name)
{
	return json_string_value(json_object_get(v, name));
}

static void expect_out(json_t *request, const char *want)
{
	json_t *v = ask_ok(request);
	g_assert_cmpstr(str(v, "out"), ==, want);
	g_assert_true(json_is_true(json_object_get(v, "ok")));
	json_decref(v);
}

static void test_ends(void)
{
	Sshd s;
	sshd_begin(&s, "");
	json_t *v = ask_ok(run(&s, "echo \"it's\"; echo 'an error' >&2; exit 7"));
	g_assert_cmpstr(str(v, "out"), ==, "it's\n");
	g_assert_cmpstr(str(v, "err"), ==, "an error");
	g_assert_cmpint(json_integer_value(json_object_get(v, "exitCode")), ==, 7);
	g_assert_true(json_is_false(json_object_get(v, "ok")));
	json_decref(v);
	v = ask_ok(run(&s, "echo before; kill -9 $$"));
	g_assert_true(json_is_false(json_object_get(v, "ok")));
	g_assert_true(json_is_null(json_object_get(v, "exitCode")));
	g_assert_cmpstr(str(v, "signal"), ==, "KILL");
	g_assert_cmpstr(str(v, "out"), ==, "before\n");
	json_decref(v);
	sshd_end(&s);
}

static void hosts(const Sshd *s, char *text, int code, const char *want)
{
	json_t *r = with(run(s, "echo x >>count"), "knownHosts", json_pack("{s:s}", "text", text));
	if (want)
		expect_error(r, code, want);
	else
		json_decref(ask_ok(r));
	g_free(text);
}

static char *hashed(const Sshd *s)
{
	char *text = NULL;
	g_autofree char *path = sshd_in(s, "known_hosts");
	g_assert_true(g_file_set_contents(path, s->hosts, -1, NULL));
	SSHD_RUN("ssh-keygen", "-q", "-H", "-f", path);
	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	g_assert_true(g_str_has_prefix(text, "|1|"));
	return text;
}

static void test_host_keys(void)
{
	Sshd s;
	sshd_begin(&s, "");
	sshd_make_key(&s, "other", "ed25519", "");
	sshd_make_key(&s, "rsa", "rsa", "");
	g_autofree char *revoked = sshd_line(&s, "@revoked ", "host_ed25519");
	g_autofree char *count = sshd_in(&s, "count");
	hosts(&s, sshd_line(&s, "", "other"), SL_ERR_REFUSED, "is not the one in knownHosts");
	hosts(&s, g_strconcat(s.hosts, revoked, NULL), SL_ERR_REFUSED, "is revoked");
	hosts(&s, g_strdup(revoked), SL_ERR_REFUSED, "is revoked");
	hosts(&s, g_strdup(""), SL_ERR_REFUSED, "no host key is known");
	hosts(&s, g_strdup(strchr(s.hosts, ' ')), SL_ERR_REFUSED, "no host key is known");
	hosts(&s, sshd_line(&s, "", "rsa"), SL_ERR_REFUSED, "only keys of type ssh-rsa");
	hosts(&s, sshd_line(&s, "", "host_ecdsa"), SL_ERR_REFUSED,
		"host key: ours ecdsa-sha2-nistp256, the server's ssh-ed25519");
	g_assert_cmpint(access(count, F_OK), <, 0); /* nothing was done for any of them */
	hosts(&s, hashed(&s), 0, NULL);
	hosts(&s, g_strdup_printf("[127.0.0.*]:%d %s", s.port, strchr(s.hosts, ' ')), 0, NULL);
	sshd_end(&s);
}

static void test_ecdsa_host(void)
{
	Sshd s;
	sshd_begin(&s, "");
	g_autofree char *text = NULL;
	g_assert_true(g_file_get_contents(s.conf, &text, NULL, NULL));
	g_auto(GStrv) parts = g_strsplit(text, "host_ed25519", 2);
	g_autofree char *conf = g_strjoinv("host_ecdsa", parts);
	g_assert_true(g_file_set_contents(s.conf, conf, -1, NULL));
	hosts(&s, sshd_line(&s, "", "host_ecdsa"), 0, NULL);
	hosts(&s, g_strdup(s.hosts), SL_ERR_REFUSED, "no algorithm in common");
	sshd_end(&s);
}

static json_t *by_key(const Sshd *s, const char *name)
{
	g_autofree char *path = sshd_in(s, name);
	return with(run(s, "echo in"), "key", json_pack("{s:s}", "file", path));
}

static void allow_more(const Sshd *s, const char *name)
{
	g_autofree char *pub = g_strconcat(name, ".pub", NULL);
	g_autofree char *from = sshd_in(s, pub), *to = sshd_in(s, "more.pub");
	SSHD_RUN("cp", from, to);
}

static void test_keys(void)
{
	Sshd s;
	sshd_begin(&s, "");
	sshd_make_key(&s, "ecdsa", "ecdsa", "");
	sshd_make_key(&s, "locked", "ed25519", "a phrase");
	sshd_make_key(&s, "rsa", "rsa", "");
	expect_out(by_key(&s, "id_ed25519"), "in\n");
	expect_error(by_key(&s, "ecdsa"), SL_ERR_REFUSED, "does not accept the key");
	allow_more(&s, "ecdsa");
	expect_out(by_key(&s, "ecdsa"), "in\n");
	allow_more(&s, "locked");
	expect_error(by_key(&s, "locked"), SL_ERR_REFUSED, "has a passphrase and no agent");
	allow_more(&s, "rsa");
	expect_error(by_key(&s, "rsa"), SL_ERR_REFUSED, "use ed25519 or ECDSA");
	expect_error(by_key(&s, "id_ed25519.pub"), SL_ERR_INVALID, "is no private key");
	expect_error(by_key(&s, "nowhere"), SL_ERR_NOT_FOUND, "nowhere");
	expect_error(with(run(&s, "true"), "user", json_string("nobody-of-that-name")),
		SL_ERR_REFUSED, "for user nobody-of-that-name");
	sshd_end(&s);
}

static void agent_add(const char *socket, const Sshd *s, const char *name)
{
	g_autofree char *path = sshd_in(s, name);
	g_autofree char *var = g_strconcat("SSH_AUTH_SOCK=", socket, NULL);
	g_autofree char *ask_pass = sshd_in(s, "pass");
	g_autofree char *ask_var = g_strconcat("SSH_ASKPASS=", ask_pass, NULL);
	g_assert_true(g_file_set_contents(ask_pass, "#!/bin/sh\necho 'a phrase'\n", -1, NULL));
	SSHD_RUN("chmod", "700", ask_pass, path);
	SSHD_RUN("env", var, ask_var, "SSH_ASKPASS_REQUIRE=force", "ssh-add", "-q", path);
}

static void test_agent(void)
{
	Sshd s;
	sshd_begin(&s, "");
	sshd_make_key(&s, "locked", "ed25519", "a phrase");
	sshd_make_key(&s, "ecdsa", "ecdsa", "");
	sshd_make_key(&s, "rsa", "rsa", "");
	g_autofree char *socket = sshd_in(&s, "agent");
	json_t *key = json_pack("{s:s}", "agent", socket);
	g_autoptr(json_t) r = with(run(&s, "echo in"), "key", key);
	expect_error(json_deep_copy(r), SL_ERR_REFUSED, "no SSH agent answers there");
	pid_t agent = fork();
	if (agent == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(open("/dev/null", O_WRONLY), 1);
		execlp("ssh-agent", "ssh-agent", "-D", "-a", socket, NULL);
		_exit(127);
	}
	while (access(socket, F_OK) < 0)
		poll(NULL, 0, 10);
	agent_add(socket, &s, "rsa");
	expect_error(json_deep_copy(r), SL_ERR_REFUSED, "no ed25519 or ECDSA key");
	agent_add(socket, &s, "ecdsa");
	expect_error(json_deep_copy(r), SL_ERR_REFUSED, "accepts none of the keys");
	agent_add(socket, &s, "locked");
	allow_more(&s, "locked");
	expect_out(json_deep_copy(r), "in\n");
	g_setenv("SSH_AUTH_SOCK", socket, true);
	expect_out(with(run(&s, "echo in"), "key", json_pack("{s:b}", "agent", 1)), "in\n");
	g_unsetenv("SSH_AUTH_SOCK");
	expect_error(with(run(&s, "echo in"), "key", json_pack("{s:b}", "agent", 1)),
		SL_ERR_REFUSED, "SSH_AUTH_SOCK is not set");
	kill(agent, SIGTERM);
	sshd_end(&s);
}

/* An agent that takes the question and says nothing: not longer than the session. */
static void test_silent_agent(void)
{
	Sshd s;
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	sshd_begin(&s, "");
	g_autofree char *path = sshd_in(&s, "agent");
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	g_strlcpy(at.sun_path, path, sizeof at.sun_path);
	g_assert_cmpint(bind(fd, (struct sockaddr *)&at, sizeof at), ==, 0);
	g_assert_cmpint(listen(fd, 1), ==, 0);
	json_t *r = with(run(&s, "echo in"), "key", json_pack("{s:s}", "agent", path));
	expect_error(with(r, "sessionMsec", json_integer(1500)), SL_ERR_RETRY,
		"agent there does not answer within 1.500 s");
	g_autofree char *long_path = g_strnfill(200, 'x');
	r = with(run(&s, "echo in"), "key", json_pack("{s:s}", "agent", long_path));
	expect_error(r, SL_ERR_INVALID, "at most 107 characters");
	close(fd);
	sshd_end(&s);
}

/* Both lists of each kind in which the two have nothing in common. */
static void test_algorithms(void)
{
	Sshd s;
	sshd_begin(&s, "Ciphers chacha20-poly1305@openssh.com\n"
		       "MACs hmac-sha2-256-etm@openssh.com\nKexAlgorithms curve25519-sha256\n");
	expect_error(run(&s, "true"), SL_ERR_REFUSED,
		"cipher: ours aes256-ctr,aes192-ctr,aes128-ctr, the server's "
		"chacha20-poly1305@openssh.com; ");
	expect_error(run(&s, "true"), SL_ERR_REFUSED,
		"MAC: ours hmac-sha2-256,hmac-sha2-512, the server's "
		"hmac-sha2-256-etm@openssh.com");
	sshd_end(&s);
}

static void test_silent(void)
{
	Sshd s;
	int port;
	sshd_begin(&s, "");
	int fd = sshd_listen(&port);
	json_t *r = with(run(&s, "true"), "port", json_integer(port));
	with(r, "knownHosts",
		json_pack("{s:o}", "text",
			json_sprintf("[127.0.0.1]:%d %s", port, strchr(s.hosts, ' ') + 1)));
	with(r, "sessionMsec", json_integer(300));
	json_incref(r);
	expect_error(r, SL_ERR_RETRY, "does not get through the greeting within 0.300 s");
	close(fd);
	expect_error(r, SL_ERR_RETRY, "cannot be reached: Connection refused");
	sshd_end(&s);
}

/* The commands go on for a moment and are ended by the node itself: sshd_end() waits for that. */
static void test_deadlines(void)
{
	Sshd s;
	sshd_begin(&s, "");
	json_t *r = with(run(&s, "echo x; exec sleep 100"), "commandMsec", json_integer(300));
	expect_error(r, SL_ERR_RETRY, "the command did not end within 0.300 s");
	r = with(run(&s, "echo x; exec sleep 100"), "sessionMsec", json_integer(900));
	with(r, "commandMsec", json_integer(1500));
	expect_error(r, SL_ERR_RETRY, "within 0.900 s");
	sshd_end(&s);
}

static void test_output(void)
{
	Sshd s;
	sshd_begin(&s, "");
	expect_error(run(&s, "head -c 100000000 /dev/zero"), SL_ERR_REFUSED,
		"prints more than 1048576 bytes; cut off");
	json_t *v = ask_ok(with(run(&s, "head -c 3000000 /dev/zero | tr '\\0' a"), "maxBytes",
		json_integer(3000000)));
	g_assert_cmpuint(strlen(str(v, "out")), ==, 3000000);
	json_decref(v);
	expect_error(with(run(&s, "echo four"), "maxBytes", json_integer(4)), SL_ERR_REFUSED,
		"more than 4 bytes");
	expect_out(run(&s, "head -c 100000000 /dev/zero >&2; printf end"), "end");
	sshd_end(&s);
}

/* In a process of its own, so that the test can act meanwhile; its exit code is the error's. */
static pid_t ask_apart(json_t *request)
{
	pid_t pid = fork();
	g_assert_cmpint(pid, >=, 0);
	if (pid == 0) {
		g_autoptr(GError) err = NULL;
		json_t *v = ssh_verb(request, &err);
		_exit(v ? 100 : err->code);
	}
	json_decref(request);
	return pid;
}

static void test_cut(void)
{
	static const int how[] = { SIGUSR1, SIGUSR2 }; /* sshd killed; sshd stopped */
	for (size_t i = 0; i < G_N_ELEMENTS(how); i++) {
		Sshd s;
		int status;
		sshd_begin(&s, "");
		g_autofree char *mark = sshd_in(&s, "mark");
		g_autofree char *command = g_strdup_printf(
			"touch %s; while [ -e %s ]; do sleep 0.1; done", mark, mark);
		json_t *r = with(run(&s, command), "keepaliveMsec", json_integer(2000));
		pid_t pid = ask_apart(with(r, "commandMsec", json_integer(50000)));
		while (access(mark, F_OK) < 0)
			poll(NULL, 0, 10);
		sshd_cut(&s, how[i]);
		g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
		g_assert_cmpint(WEXITSTATUS(status), ==, SL_ERR_RETRY);
		g_assert_cmpint(unlink(mark), ==, 0); /* the command ends */
		sshd_end(&s);
	}
}

/* A quiet command is no lost connection: the server answers the keepalive. */
static void test_quiet(void)
{
	Sshd s;
	sshd_begin(&s, "");
	json_t *r = with(run(&s, "sleep 8; echo done"), "keepaliveMsec", json_integer(2000));
	expect_out(r, "done\n");
	sshd_end(&s);
}

static void test_sudo(void)
{
	Sshd s;
	sshd_begin(&s, "");
	g_autofree char *bin = sshd_in(&s, "bin"), *sudo = g_build_filename(bin, "sudo", NULL);
	g_assert_cmpint(g_mkdir_with_parents(bin, 0755), ==, 0);
	g_assert_true(g_file_set_contents(sudo,
		"#!/bin/sh\n[ \"$1 $2\" = \"-n --\" ] || exit 9\nshift 2\nexec \"$@\"\n", -1,
		NULL));
	SSHD_RUN("chmod", "755", sudo);
	expect_out(with(run(&s, "echo root"), "become", json_string("sudo")), "root\n");
	g_assert_true(g_file_set_contents(
		sudo, "#!/bin/sh\necho 'sudo: a password is required' >&2; exit 1\n", -1, NULL));
	SSHD_RUN("chmod", "755", sudo);
	json_t *r = with(sshd_request(&s, "look"), "job", json_string("k"));
	expect_error(with(r, "become", json_string("sudo")), SL_ERR_REFUSED,
		"exit code 1: sudo: a password is required");
	sshd_end(&s);
}

static void test_requests(void)
{
	Sshd s;
	sshd_begin(&s, "");
	expect_error(json_object(), SL_ERR_INVALID, "\"op\" is missing");
	expect_error(sshd_request(&s, "reboot"), SL_ERR_INVALID, "no \"op\" \"reboot\"");
	expect_error(sshd_request(&s, "run"), SL_ERR_INVALID, "\"command\" is missing");
	expect_error(with(run(&s, "true"), "host", json_string("")), SL_ERR_INVALID, "\"host\"");
	expect_error(with(run(&s, "true"), "port", json_integer(0)), SL_ERR_INVALID, "\"port\"");
	expect_error(with(run(&s, "true"), "become", json_true()), SL_ERR_INVALID, "\"become\"");
	expect_error(with(run(&s, "true"), "key", json_object()), SL_ERR_INVALID, "\"key\" must");
	expect_error(with(run(&s, "true"), "knownHosts", json_null()), SL_ERR_INVALID,
		"\"knownHosts\" must");
	expect_error(with(run(&s, "true"), "keepaliveMsec", json_integer(100)), SL_ERR_INVALID,
		"from 2000 to");
	json_t *r = with(sshd_request(&s, "look"), "job", json_string("../x"));
	expect_error(r, SL_ERR_INVALID, "\"job\" must be");
	r = with(sshd_request(&s, "start"), "job", json_string("k"));
	with(r, "command", json_string("true"));
	expect_error(r, SL_ERR_INVALID, "\"epoch\" must be a number from 1");
	r = with(sshd_request(&s, "get"), "path", json_string("relative"));
	expect_error(r, SL_ERR_INVALID, "absolute path");
	g_autofree char *long_text = g_strnfill(SSH_MAX_RUN_BYTES + 1, 'x');
	expect_error(run(&s, long_text), SL_ERR_INVALID, "longer than");
	sshd_end(&s);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	alarm(300);
	g_test_add_func("/ssh/ends", test_ends);
	g_test_add_func("/ssh/host-keys", test_host_keys);
	g_test_add_func("/ssh/ecdsa-host", test_ecdsa_host);
	g_test_add_func("/ssh/keys", test_keys);
	g_test_add_func("/ssh/agent", test_agent);
	g_test_add_func("/ssh/silent-agent", test_silent_agent);
	g_test_add_func("/ssh/algorithms", test_algorithms);
	g_test_add_func("/ssh/silent", test_silent);
	g_test_add_func("/ssh/deadlines", test_deadlines);
	g_test_add_func("/ssh/output", test_output);
	g_test_add_func("/ssh/cut", test_cut);
	g_test_add_func("/ssh/quiet", test_quiet);
	g_test_add_func("/ssh/sudo", test_sudo);
	g_test_add_func("/ssh/requests", test_requests);
	return g_test_run();
}
