/* Jobs and files on a real sshd: what is left when connections, sshd or we ourselves are killed. */
#include "ssh/test-sshd.h"
#include <stdlib.h>
#include <sys/stat.h>

static json_t *with(json_t *request, const char *name, json_t *value)
{
	json_object_set_new(request, name, value);
	return request;
}

static json_t *node_request(const Sshd *s, const char *op, int epoch)
{
	json_t *r = sshd_request(s, op);
	json_object_set_new(r, "state", json_sprintf("%s/state", s->dir));
	json_object_set_new(r, "epoch", json_integer(epoch));
	return r;
}

static json_t *ask_ok(json_t *request)
{
	g_autoptr(GError) err = NULL;
	json_t *v = ssh_verb(request, &err);
	g_assert_no_error(err);
	json_decref(request);
	return v;
}

static void expect_error(json_t *request, int code, const char *text)
{
	g_autoptr(GError) err = NULL;
	json_t *v = ssh_verb(request, &err);
	g_test_message("%s", err ? err->message : "no error");
	g_assert_null(v);
	g_assert_error(err, SL_ERROR, code);
	g_assert_nonnull(strstr(err->message, text));
	json_decref(request);
}

static const char *str(const json_t *v, const char *name)
{
	return json_string_value(json_object_get(v, name));
}

static json_t *start(const Sshd *s, int epoch, const char *key, const char *command)
{
	json_t *r = with(node_request(s, "start", epoch), "job", json_string(key));
	return with(r, "command", json_string(command));
}

static json_t *look(const Sshd *s, const char *key)
{
	return with(node_request(s, "look", 0), "job", json_string(key));
}

static bool state_is(json_t *request, const char *want)
{
	g_autoptr(json_t) v = ask_ok(request);
	return strcmp(str(v, "state"), want) == 0;
}

static void await(const Sshd *s, const char *key, const char *state)
{
	while (!state_is(look(s, key), state))
		poll(NULL, 0, 50);
}

static void touch(const Sshd *s, const char *name)
{
	g_autofree char *path = sshd_in(s, name);
	g_assert_true(g_file_set_contents(path, "", 0, NULL));
}

static int count(const Sshd *s)
{
	g_autofree char *path = sshd_in(s, "count");
	g_autofree char *text = NULL;
	int n = 0;
	if (g_file_get_contents(path, &text, NULL, NULL))
		for (char *c = text; *c; c++)
			n += *c == '\n';
	return n;
}

/* Marks its run, waits for the file "go", ends with 7. */
static char *patient(const Sshd *s)
{
	return g_strdup_printf("echo x >>%s/count; while [ ! -e %s/go ]; do sleep 0.02; done; "
			       "echo it is done; exit 7",
		s->dir, s->dir);
}

static void expect_result(json_t *request)
{
	g_autoptr(json_t) v = ask_ok(request);
	g_assert_cmpstr(str(v, "state"), ==, "done");
	g_assert_cmpint(json_integer_value(json_object_get(v, "exitCode")), ==, 7);
	g_assert_true(json_is_false(json_object_get(v, "ok")));
	g_assert_true(json_is_false(json_object_get(v, "late")));
	g_assert_true(json_is_false(json_object_get(v, "rebooted")));
	g_assert_cmpstr(str(v, "out"), ==, "it is done\n");
}

/* Every connection is cut in mid-job; attached to again, its result read twice. */
static void test_attach(void)
{
	Sshd s;
	sshd_begin(&s, "");
	g_autofree char *command = patient(&s);
	g_assert_true(state_is(look(&s, "k"), "absent"));
	g_assert_true(state_is(start(&s, 1, "k", command), "running"));
	sshd_cut(&s, SIGUSR1);
	g_assert_true(state_is(look(&s, "k"), "running"));
	g_assert_true(state_is(start(&s, 1, "k", command), "running"));
	touch(&s, "go");
	await(&s, "k", "done");
	expect_result(look(&s, "k"));
	expect_result(look(&s, "k"));
	expect_result(start(&s, 1, "k", command));
	g_assert_cmpint(count(&s), ==, 1);
	expect_error(start(&s, 1, "k", "true"), SL_ERR_CONFLICT, "with another command");
	sshd_end(&s);
}

static void test_epoch(void)
{
	Sshd s;
	sshd_begin(&s, "");
	g_autofree char *mark = g_strdup_printf("echo x >>%s/count", s.dir);
	json_decref(ask_ok(start(&s, 7, "a", mark)));
	expect_error(start(&s, 6, "b", mark), SL_ERR_REFUSED,
		"epoch 6 is lower than 7, the highest it has seen");
	g_autofree char *path = sshd_in(&s, "file");
	json_t *r = with(node_request(&s, "put", 6), "path", json_string(path));
	expect_error(with(r, "text", json_string("x")), SL_ERR_REFUSED, "epoch 6 is lower");
	g_assert_cmpint(access(path, F_OK), <, 0);
	await(&s, "a", "done");
	g_assert_true(state_is(look(&s, "b"), "absent"));
	g_assert_cmpint(count(&s), ==, 1);
	sshd_end(&s);
}

/* A child that asks; its exit code: 100 an answer, else the error's code. */
static pid_t ask_apart(const json_t *request)
{
	pid_t pid = fork();
	g_assert_cmpint(pid, >=, 0);
	if (pid == 0) {
		g_autoptr(GError) err = NULL;
		json_t *v = ssh_verb(request, &err);
		_exit(v ? 100 : err->code);
	}
	return pid;
}

static void test_together(void)
{
	enum { N = 4 };
	Sshd s;
	pid_t pid[N];
	int status;
	sshd_begin(&s, "");
	g_autofree char *command = patient(&s);
	g_autoptr(json_t) r = start(&s, 1, "k", command);
	touch(&s, "go");
	for (int i = 0; i < N; i++)
		pid[i] = ask_apart(r);
	for (int i = 0; i < N; i++) {
		g_assert_cmpint(waitpid(pid[i], &status, 0), ==, pid[i]);
		g_assert_cmpint(WEXITSTATUS(status), ==, 100);
	}
	await(&s, "k", "done");
	g_assert_cmpint(count(&s), ==, 1);
	sshd_end(&s);
}

/* What can be seen from outside of how far a start has got. */
static bool reached(const Sshd *s, const char *key, int point)
{
	static const char *const names[] = { NULL, "state", "state/jobs", "state/jobs/%s",
		"state/jobs/%s/started", "count", "state/jobs/%s/code" };
	if (!names[point])
		return true;
	g_autofree char *under = g_build_filename(s->dir, names[point], NULL);
	g_auto(GStrv) parts = g_strsplit(under, "%s", 2);
	g_autofree char *path = g_strjoinv(key, parts);
	return access(path, F_OK) == 0;
}
enum { N_POINTS = 7 };

/* Starts, cuts at the point by cut(), starts again until there is a result: it took effect once. */
static void story(int point, void (*cut)(const Sshd *s, pid_t pid))
{
	Sshd s;
	sshd_begin(&s, "");
	g_autofree char *key = g_strdup_printf("point-%d", point);
	g_autofree char *command = patient(&s);
	g_autoptr(json_t) r = start(&s, 1, key, command);
	touch(&s, "go");
	g_test_message("point %d", point);
	pid_t pid = ask_apart(r);
	while (!reached(&s, key, point))
		poll(NULL, 0, 1);
	cut(&s, pid);
	for (bool done = false; !done;) {
		g_autoptr(GError) err = NULL;
		g_autoptr(json_t) v = ssh_verb(r, &err);
		g_assert_no_error(err);
		g_assert_cmpstr(v ? str(v, "state") : "", !=, "lost");
		done = v && strcmp(str(v, "state"), "done") == 0;
	}
	expect_result(look(&s, key));
	g_assert_cmpint(count(&s), ==, 1);
	sshd_end(&s);
}

static void kill_us(const Sshd *s, pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* An answer, or an error by which the caller knows to ask again: nothing else. */
static void kill_sshd(const Sshd *s, pid_t pid)
{
	int status;
	sshd_cut(s, SIGUSR1);
	g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	g_test_message("code %d", code);
	g_assert_true(code == 100 || code == SL_ERR_RETRY || code == SL_ERR_UNKNOWN_OUTCOME);
}

static void test_killed(void)
{
	for (int point = 0; point < N_POINTS; point++)
		story(point, kill_us);
}

static void test_sshd_killed(void)
{
	for (int point = 0; point < N_POINTS; point++)
		story(point, kill_sshd);
}

/* Cut after the command was handed over: it says so, and the same request settles it. */
static void test_unknown(void)
{
	Sshd s;
	int status;
	sshd_begin(&s, "");
	g_autofree char *lock = sshd_in(&s, "state/lock"), *state = sshd_in(&s, "state");
	g_autofree char *command = patient(&s);
	g_autoptr(json_t) r = start(&s, 1, "k", command);
	g_assert_cmpint(mkdir(state, 0700), ==, 0);
	/* Another holds the lock, so the guard stands still in the middle. */
	g_autofree char *ready = sshd_in(&s, "ready");
	g_autofree char *hold = g_strdup_printf("touch %s; exec cat", ready);
	int in[2];
	g_assert_cmpint(pipe2(in, O_CLOEXEC), ==, 0);
	pid_t holder = fork();
	if (holder == 0) {
		dup2(in[0], 0);
		execlp("flock", "flock", lock, "sh", "-c", hold, NULL);
		_exit(127);
	}
	while (access(ready, F_OK) < 0)
		poll(NULL, 0, 10);
	pid_t pid = ask_apart(r);
	while (!reached(&s, "k", 2))
		poll(NULL, 0, 5);
	sshd_cut(&s, SIGUSR1);
	g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	g_assert_cmpint(WEXITSTATUS(status), ==, SL_ERR_UNKNOWN_OUTCOME);
	close(in[0]);
	close(in[1]);
	g_assert_cmpint(waitpid(holder, NULL, 0), ==, holder);
	touch(&s, "go");
	json_decref(ask_ok(json_incref(r)));
	await(&s, "k", "done");
	g_assert_cmpint(count(&s), ==, 1);
	sshd_end(&s);
}

static void test_limit(void)
{
	Sshd s;
	sshd_begin(&s, "");
	g_autofree char *command = patient(&s);
	json_t *r = with(start(&s, 1, "kill", command), "limitSec", json_integer(1));
	json_decref(ask_ok(r));
	r = with(start(&s, 1, "never", command), "limitSec", json_integer(1));
	json_decref(ask_ok(with(r, "unkillable", json_true())));
	await(&s, "kill", "done");
	json_t *v = ask_ok(look(&s, "kill"));
	g_assert_true(json_is_true(json_object_get(v, "late")));
	g_assert_true(json_is_false(json_object_get(v, "ok")));
	json_decref(v);
	for (bool overdue = false; !overdue;) {
		v = ask_ok(look(&s, "never"));
		g_assert_cmpstr(str(v, "state"), ==, "running");
		overdue = json_is_true(json_object_get(v, "overdue"));
		json_decref(v);
	}
	touch(&s, "go");
	await(&s, "never", "done");
	expect_result(look(&s, "never"));
	sshd_end(&s);
}

static void test_output(void)
{
	Sshd s;
	sshd_begin(&s, "");
	json_t *r = start(&s, 1, "k", "head -c 100000000 /dev/zero | tr '\\0' a; echo");
	json_decref(ask_ok(with(r, "keepBytes", json_integer(5000))));
	await(&s, "k", "done");
	r = with(look(&s, "k"), "from", json_integer(4990));
	json_t *v = ask_ok(with(r, "maxBytes", json_integer(6)));
	g_assert_true(json_is_true(json_object_get(v, "ok")));
	g_assert_cmpstr(str(v, "out"), ==, "aaaaaa");
	g_assert_cmpint(json_integer_value(json_object_get(v, "outBytes")), ==, 5000);
	g_assert_cmpint(json_integer_value(json_object_get(v, "outDropped")), ==, 100000001 - 5000);
	json_decref(v);
	sshd_end(&s);
}

/* The boot id of the begin is another than the node's now: as after a reboot in mid-job. */
static void test_rebooted(void)
{
	Sshd s;
	sshd_begin(&s, "");
	g_autofree char *mark = g_strdup_printf("echo x >>%s/count", s.dir);
	g_autofree char *started = sshd_in(&s, "state/jobs/k/started");
	g_autofree char *code = sshd_in(&s, "state/jobs/k/code");
	json_decref(ask_ok(start(&s, 1, "k", mark)));
	await(&s, "k", "done");
	g_assert_cmpint(unlink(code), ==, 0);
	g_assert_true(g_file_set_contents(started, "another-boot 12\n", -1, NULL));
	for (int i = 0; i < 2; i++) {
		g_autoptr(json_t) v = ask_ok(i ? start(&s, 1, "k", mark) : look(&s, "k"));
		g_assert_cmpstr(str(v, "state"), ==, "lost");
		g_assert_true(json_is_true(json_object_get(v, "rebooted")));
		g_assert_true(json_is_null(json_object_get(v, "seconds")));
	}
	g_assert_cmpint(count(&s), ==, 1);
	sshd_end(&s);
}

static json_t *file_request(const Sshd *s, const char *op, const char *name)
{
	return with(node_request(s, op, 1), "path", json_sprintf("%s/%s", s->dir, name));
}

static void test_files(void)
{
	Sshd s;
	sshd_begin(&s, "");
	json_t *v = ask_ok(file_request(&s, "get", "it's"));
	g_assert_true(json_is_true(json_object_get(v, "missing")));
	json_decref(v);
	v = ask_ok(with(file_request(&s, "put", "it's"), "text", json_string("one\nout\ntwö\n")));
	g_autofree char *sha = g_strdup(str(v, "sha256"));
	json_decref(v);
	v = ask_ok(file_request(&s, "get", "it's"));
	g_assert_cmpstr(str(v, "text"), ==, "one\nout\ntwö\n");
	g_assert_cmpstr(str(v, "sha256"), ==, sha);
	g_assert_cmpstr(str(v, "mode"), ==, "644");
	json_decref(v);
	json_t *r = with(file_request(&s, "put", "it's"), "base64", json_string("AP8A"));
	json_decref(ask_ok(with(r, "mode", json_string("0700"))));
	v = ask_ok(file_request(&s, "get", "it's"));
	g_assert_cmpstr(str(v, "base64"), ==, "AP8A");
	g_assert_cmpstr(str(v, "mode"), ==, "700");
	json_decref(v);
	r = with(file_request(&s, "put", "it's"), "text", json_string("x"));
	expect_error(with(r, "sha256", json_string(sha)), SL_ERR_INVALID, "SHA-256 is");
	r = with(file_request(&s, "get", "it's"), "maxBytes", json_integer(2));
	expect_error(r, SL_ERR_REFUSED, "has 3 bytes, more than 2");
	expect_error(file_request(&s, "get", "state"), SL_ERR_REFUSED, "is no file");
	r = with(file_request(&s, "put", "nowhere/x"), "text", json_string("x"));
	expect_error(r, SL_ERR_REFUSED, "cannot write to");
	r = with(file_request(&s, "put", "state"), "text", json_string("x"));
	expect_error(r, SL_ERR_REFUSED, "is a folder");
	r = with(file_request(&s, "put", "state/sets/k/set.tar"), "text", json_string("x"));
	json_decref(ask_ok(r));
	v = ask_ok(file_request(&s, "get", "state/sets/k/set.tar"));
	g_assert_cmpstr(str(v, "text"), ==, "x");
	json_decref(v);
	sshd_end(&s);
}

/* A large file from this host; one whose bytes are not those that were promised changes nothing. */
static void test_large_file(void)
{
	Sshd s;
	enum { SIZE = 8 << 20 };
	sshd_begin(&s, "");
	g_autofree char *from = sshd_in(&s, "from"), *to = sshd_in(&s, "to"), *got = NULL;
	g_autofree char *bytes = g_malloc(SIZE);
	gsize n = 0;
	for (int i = 0; i < SIZE; i++)
		bytes[i] = (char)(i * 7 + (i >> 13));
	g_assert_true(g_file_set_contents(from, bytes, SIZE, NULL));
	g_autofree char *sha = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (void *)bytes, SIZE);
	json_t *r = with(file_request(&s, "put", "to"), "file", json_string(from));
	g_autoptr(json_t) wrong = with(json_deep_copy(r), "sha256", json_sprintf("%064d", 0));
	expect_error(json_incref(wrong), SL_ERR_REFUSED, "did not arrive whole");
	g_assert_cmpint(access(to, F_OK), <, 0);
	json_decref(ask_ok(with(r, "sha256", json_string(sha))));
	g_assert_true(g_file_get_contents(to, &got, &n, NULL));
	g_assert_cmpmem(got, n, bytes, SIZE);
	expect_error(json_incref(wrong), SL_ERR_REFUSED, "did not arrive whole");
	g_autoptr(GDir) d = g_dir_open(s.dir, 0, NULL);
	for (const char *name; (name = g_dir_read_name(d));)
		g_assert_false(g_str_has_prefix(name, ".shiplock-put"));
	sshd_end(&s);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	alarm(400);
	g_test_add_func("/node/attach", test_attach);
	g_test_add_func("/node/epoch", test_epoch);
	g_test_add_func("/node/together", test_together);
	g_test_add_func("/node/killed", test_killed);
	g_test_add_func("/node/sshd-killed", test_sshd_killed);
	g_test_add_func("/node/unknown", test_unknown);
	g_test_add_func("/node/limit", test_limit);
	g_test_add_func("/node/output", test_output);
	g_test_add_func("/node/rebooted", test_rebooted);
	g_test_add_func("/node/files", test_files);
	g_test_add_func("/node/large-file", test_large_file);
	return g_test_run();
}
