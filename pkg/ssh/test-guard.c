/* The guard by itself: /bin/sh runs it as the node's shell would, in a state folder of the test. */
#include "ssh/guard-answer.h"
#include "ssh/guard.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct Place {
	char *dir, *state, *command, *text;
} Place;

static char *in(const Place *p, const char *name)
{
	return g_build_filename(p->dir, name, NULL);
}

static void place_begin(Place *p)
{
	p->dir = g_dir_make_tmp("sl-guard-XXXXXX", NULL);
	p->state = in(p, "state");
	p->command = in(p, "command");
	p->text = guard_text();
}

static void place_end(Place *p)
{
	const char *rm[] = { "rm", "-rf", p->dir, NULL };
	while (waitpid(-1, NULL, 0) > 0)
		; /* what ran detached became ours */
	g_assert_true(g_spawn_sync(
		"/", (char **)rm, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL));
	g_free(p->dir);
	g_free(p->state);
	g_free(p->command);
	g_free(p->text);
}

/* Starts the guard; its stdin is p->command's file, its answer comes from *ret_out. */
static pid_t guard_begin(
	const Place *p, const char *op, int epoch, const char *key, const char *args, int *ret_out)
{
	g_autofree char *number = g_strdup_printf("%d", epoch);
	g_auto(GStrv) more = g_strsplit(args, " ", -1);
	g_autoptr(GPtrArray) argv = g_ptr_array_new();
	const char *const first[] = { "/bin/sh", "-c", p->text, "shiplock-guard", op, p->state,
		number, key };
	int out[2];
	for (size_t i = 0; i < G_N_ELEMENTS(first); i++)
		g_ptr_array_add(argv, (void *)first[i]);
	for (char **w = more; *w; w++)
		g_ptr_array_add(argv, *w);
	g_ptr_array_add(argv, NULL);
	g_assert_cmpint(pipe2(out, O_CLOEXEC), ==, 0);
	pid_t pid = fork();
	g_assert_cmpint(pid, >=, 0);
	if (pid == 0) {
		int in_fd = open(p->command, O_RDONLY);
		dup2(in_fd >= 0 ? in_fd : open("/dev/null", O_RDONLY), 0);
		dup2(out[1], 1);
		execv("/bin/sh", (char **)argv->pdata);
		_exit(127);
	}
	close(out[1]);
	*ret_out = out[0];
	return pid;
}

static char *guard_end(pid_t pid, int out)
{
	GString *said = g_string_new("");
	char buf[4096];
	for (ssize_t n; (n = read(out, buf, sizeof buf)) > 0;)
		g_string_append_len(said, buf, n);
	close(out);
	g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
	return g_string_free(said, FALSE);
}

static char *guard(const Place *p, const char *op, int epoch, const char *key, const char *args)
{
	int out;
	pid_t pid = guard_begin(p, op, epoch, key, args, &out);
	return guard_end(pid, out);
}

/* A word of the answer, or NULL; frees the answer. */
static char *word(char *answer, const char *name)
{
	g_auto(GuardAnswer) a = { 0 };
	g_test_message("%s", answer);
	g_assert_true(guard_answer_parse((unsigned char *)answer, strlen(answer), &a));
	char *w = guard_answer_word(&a, name);
	g_free(answer);
	return w;
}

static void expect(char *answer, const char *name, const char *want)
{
	g_autofree char *w = word(answer, name);
	g_assert_cmpstr(w, ==, want);
}

static char *start_limited(
	const Place *p, int epoch, const char *key, const char *text, const char *limit)
{
	g_assert_true(g_file_set_contents(p->command, text, -1, NULL));
	g_autofree char *sha = g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, -1);
	g_autofree char *args = g_strdup_printf("%s %s 1000 0 65536", limit, sha);
	return guard(p, "start", epoch, key, args);
}

static char *start(const Place *p, int epoch, const char *key, const char *text)
{
	return start_limited(p, epoch, key, text, "0 kill");
}

static char *look(const Place *p, const char *key)
{
	return guard(p, "look", 0, key, "0 65536");
}

static void await(const Place *p, const char *key, const char *state)
{
	for (;;) {
		g_autofree char *now = word(look(p, key), "state");
		if (g_strcmp0(now, state) == 0)
			return;
		poll(NULL, 0, 20);
	}
}

static void await_file(const Place *p, const char *name)
{
	g_autofree char *path = in(p, name);
	while (access(path, F_OK) < 0)
		poll(NULL, 0, 5);
}

static void touch(const Place *p, const char *name)
{
	g_autofree char *path = in(p, name);
	g_assert_true(g_file_set_contents(path, "", 0, NULL));
}

/* How often a command left its mark. */
static int count(const Place *p)
{
	g_autofree char *path = in(p, "count");
	g_autofree char *text = NULL;
	int n = 0;
	if (g_file_get_contents(path, &text, NULL, NULL))
		for (char *c = text; *c; c++)
			n += *c == '\n';
	return n;
}

/* Marks its run, then waits for the file "go". */
static char *patient(const Place *p, const char *end)
{
	return g_strdup_printf("echo $$ $PPID >>%s/count; while [ ! -e %s/go ]; do sleep 0.02; "
			       "done; echo out; %s",
		p->dir, p->dir, end);
}

static void test_story(void)
{
	Place p;
	place_begin(&p);
	g_autofree char *text = patient(&p, "echo err >&2; exit 7");
	expect(look(&p, "k"), "state", "absent");
	expect(start(&p, 3, "k", text), "state", "running");
	expect(look(&p, "k"), "state", "running");
	expect(start(&p, 3, "k", text), "state", "running"); /* attached, not begun again */
	touch(&p, "go");
	await(&p, "k", "done");
	for (int i = 0; i < 2; i++) {
		expect(look(&p, "k"), "code", "7");
		expect(look(&p, "k"), "late", "0");
		g_autofree char *all = look(&p, "k");
		g_assert_true(g_str_has_suffix(all, "\nout\nout\nerr\n"));
	}
	expect(start(&p, 3, "k", text), "state", "done");
	g_assert_cmpint(count(&p), ==, 1);
	g_autofree char *rest = guard(&p, "look", 0, "k", "4 2");
	g_assert_true(g_str_has_suffix(rest, "\nsize 8\nout\ner"));
	expect(start(&p, 3, "k", "echo other"), "taken", "");
	place_end(&p);
}

static void test_together(void)
{
	enum { N = 8 };
	Place p;
	pid_t pid[N];
	int out[N];
	place_begin(&p);
	g_autofree char *text = patient(&p, "exit 0");
	g_autofree char *sha = g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, -1);
	g_autofree char *args = g_strdup_printf("0 kill %s 1000 0 65536", sha);
	g_assert_true(g_file_set_contents(p.command, text, -1, NULL));
	touch(&p, "go");
	for (int i = 0; i < N; i++)
		pid[i] = guard_begin(&p, "start", 1, "k", args, &out[i]);
	for (int i = 0; i < N; i++) {
		g_autofree char *state = word(guard_end(pid[i], out[i]), "state");
		g_assert_true(g_str_equal(state, "running") || g_str_equal(state, "done"));
	}
	await(&p, "k", "done");
	g_assert_cmpint(count(&p), ==, 1);
	place_end(&p);
}

static void test_epoch(void)
{
	Place p;
	place_begin(&p);
	g_autofree char *mark = g_strdup_printf("echo x >>%s/count", p.dir);
	expect(start(&p, 5, "a", mark), "stale", NULL);
	await(&p, "a", "done");
	expect(start(&p, 4, "b", mark), "stale", "5");
	expect(guard(&p, "look", 4, "a", "0 0"), "stale", "5");
	expect(look(&p, "b"), "state", "absent");
	expect(guard(&p, "look", 6, "a", "0 0"), "state", "done");
	expect(start(&p, 5, "b", mark), "stale", "6");
	expect(start(&p, 6, "b", mark), "stale", NULL);
	await(&p, "b", "done");
	g_assert_cmpint(count(&p), ==, 2);
	g_autofree char *path = g_build_filename(p.state, "epoch", NULL);
	g_assert_true(g_file_set_contents(path, "6x\n", -1, NULL));
	g_autofree char *damaged = word(start(&p, 7, "c", mark), "error");
	g_assert_nonnull(strstr(damaged, "is damaged"));
	g_assert_cmpint(count(&p), ==, 2);
	place_end(&p);
}

/* A program of the test that stands in for one of the node's. */
static void stand_in(const Place *p, const char *name, const char *text)
{
	g_autofree char *bin = in(p, "bin");
	g_autofree char *path = g_build_filename(bin, name, NULL);
	g_assert_cmpint(g_mkdir_with_parents(bin, 0755), ==, 0);
	g_assert_true(g_file_set_contents(path, text, -1, NULL));
	g_assert_cmpint(chmod(path, 0755), ==, 0);
}

static void path_first(const Place *p, const char *old)
{
	g_autofree char *path = g_strdup_printf("%s/bin:%s", p->dir, old);
	g_setenv("PATH", path, true);
}

/* Accepted, and its runner comes late: after a higher epoch it must not begin. */
static void test_overtaken(void)
{
	Place p;
	place_begin(&p);
	g_autofree char *old = g_strdup(g_getenv("PATH"));
	g_autofree char *mark = g_strdup_printf("echo x >>%s/count", p.dir);
	g_autofree char *slow = g_strdup_printf("#!/bin/sh\necho \"$@\" >%s/runner\n", p.dir);
	g_autofree char *kept = in(&p, "runner");
	g_autofree char *line = NULL;
	stand_in(&p, "setsid", slow);
	path_first(&p, old);
	expect(start(&p, 1, "k", mark), "state", "absent");
	g_setenv("PATH", old, true);
	expect(guard(&p, "look", 2, "k", "0 0"), "state", "absent");
	g_assert_true(g_file_get_contents(kept, &line, NULL, NULL));
	g_assert_true(g_spawn_command_line_sync(line, NULL, NULL, NULL, NULL));
	expect(look(&p, "k"), "state", "absent");
	g_assert_cmpint(count(&p), ==, 0);
	expect(start(&p, 1, "k", mark), "stale", "2");
	expect(start(&p, 2, "k", mark), "stale", NULL);
	await(&p, "k", "done");
	g_assert_true(g_spawn_command_line_sync(line, NULL, NULL, NULL, NULL));
	g_assert_cmpint(count(&p), ==, 1);
	place_end(&p);
}

static void read_pids(const Place *p, int *command, int *runner)
{
	g_autofree char *path = in(p, "count");
	g_autofree char *text = NULL;
	await_file(p, "count");
	while (!text || !strchr(text, '\n')) {
		g_free(text);
		g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	}
	g_auto(GStrv) parts = g_strsplit(text, " ", 2);
	*command = (int)strtol(parts[0], NULL, 10);
	*runner = (int)strtol(parts[1], NULL, 10);
}

/* The runner alone is gone: the command goes on and is seen, then nobody knows how it ended. */
static void test_lost(void)
{
	Place p;
	int command, runner;
	place_begin(&p);
	g_autofree char *text = patient(&p, "exit 0");
	expect(start(&p, 1, "k", text), "state", "running");
	read_pids(&p, &command, &runner);
	g_assert_cmpint(kill(runner, SIGKILL), ==, 0);
	g_assert_cmpint(waitpid(runner, NULL, 0), ==, runner);
	expect(look(&p, "k"), "state", "running");
	touch(&p, "go");
	await(&p, "k", "lost");
	expect(start(&p, 1, "k", text), "state", "lost");
	g_assert_cmpint(count(&p), ==, 1);
	place_end(&p);
}

static void test_limit(void)
{
	Place p;
	place_begin(&p);
	g_autofree char *text = patient(&p, "exit 0");
	g_free(start_limited(&p, 1, "kill", text, "1 kill"));
	g_free(start_limited(&p, 1, "never", text, "1 never"));
	await(&p, "kill", "done");
	expect(look(&p, "kill"), "late", "1");
	expect(look(&p, "kill"), "code", "124");
	for (bool past = false; !past;) {
		g_autofree char *a = look(&p, "never");
		g_autofree char *now = word(g_strdup(a), "up");
		g_autofree char *began = word(g_strdup(a), "began");
		past = strtol(now, NULL, 10) - strtol(began, NULL, 10) > 1;
		expect(g_strdup(a), "state", "running");
		poll(NULL, 0, 50);
	}
	touch(&p, "go");
	await(&p, "never", "done");
	expect(look(&p, "never"), "code", "0");
	expect(look(&p, "never"), "late", "0");
	place_end(&p);
}

static void test_output(void)
{
	Place p;
	place_begin(&p);
	g_free(start(&p, 1, "k", "head -c 5000000 /dev/zero; echo end >&2"));
	g_free(start(&p, 1, "killed", "kill -9 $$"));
	await(&p, "k", "done");
	await(&p, "killed", "done");
	expect(look(&p, "killed"), "code", "137");
	expect(look(&p, "k"), "size", "1000");
	expect(look(&p, "k"), "dropped", "4999004");
	place_end(&p);
}

/* A look while it runs shows what it has said by then, the newest of it where that is asked. */
static void test_said_so_far(void)
{
	Place p;
	place_begin(&p);
	g_autofree char *text = g_strdup_printf("echo first; echo second; touch %s/there; "
						"while [ ! -e %s/go ]; do sleep 0.02; done",
		p.dir, p.dir);
	expect(start(&p, 1, "k", text), "state", "running");
	await_file(&p, "there");
	g_autofree char *all = NULL;
	while (!all || !g_str_has_suffix(all, "\nout\nfirst\nsecond\n")) {
		poll(NULL, 0, 20);
		g_free(all);
		all = look(&p, "k");
		g_assert_nonnull(strstr(all, "\nstate running\n"));
	}
	g_autofree char *last = guard(&p, "look", 0, "k", "last 4");
	g_assert_true(g_str_has_suffix(last, "\nout\nond\n"));
	touch(&p, "go");
	await(&p, "k", "done");
	place_end(&p);
}

/* Folders of ended jobs of other runs go but for the newest; one that runs and those of this run
 * stay. */
static void test_prune(void)
{
	Place p;
	place_begin(&p);
	g_autofree char *waits = patient(&p, "exit 0");
	expect(start(&p, 1, "old-running", waits), "state", "running");
	static const char *const ended[] = { "old-a", "old-b", "mine-a", "old-c" };
	for (size_t i = 0; i < G_N_ELEMENTS(ended); i++) {
		g_autofree char *name = g_strdup_printf("state/jobs/%s", ended[i]);
		g_autofree char *dir = in(&p, name);
		struct timespec at[2] = { { .tv_sec = 1000 + (time_t)i },
			{ .tv_sec = 1000 + (time_t)i } };
		g_free(start(&p, 1, ended[i], "true"));
		await(&p, ended[i], "done");
		g_assert_cmpint(utimensat(AT_FDCWD, dir, at, 0), ==, 0);
	}
	g_autofree char *sha = g_compute_checksum_for_string(G_CHECKSUM_SHA256, "true", -1);
	g_autofree char *args = g_strdup_printf("0 kill %s 1000 0 65536 2 mine-", sha);
	g_free(guard(&p, "start", 1, "mine-b", args));
	await(&p, "mine-b", "done");
	/* The newest two of all: the one that runs, and old-c. */
	expect(look(&p, "old-a"), "state", "absent");
	expect(look(&p, "old-b"), "state", "absent");
	expect(look(&p, "old-c"), "state", "done");
	expect(look(&p, "mine-a"), "state", "done");
	expect(look(&p, "old-running"), "state", "running");
	g_autofree char *all = g_strdup_printf("0 kill %s 1000 0 65536 0 mine-", sha);
	g_free(guard(&p, "start", 1, "mine-b", all));
	expect(look(&p, "old-c"), "state", "absent");
	expect(look(&p, "mine-a"), "state", "done");
	expect(look(&p, "old-running"), "state", "running");
	touch(&p, "go");
	await(&p, "old-running", "done");
	place_end(&p);
}

static void test_torn(void)
{
	Place p;
	place_begin(&p);
	g_assert_true(g_file_set_contents(p.command, "echo x >count; rm -rf /tm", -1, NULL));
	g_autofree char *sha = g_compute_checksum_for_string(G_CHECKSUM_SHA256, "whole", -1);
	g_autofree char *args = g_strdup_printf("0 kill %s 1000 0 65536", sha);
	g_autofree char *why = word(guard(&p, "start", 1, "k", args), "error");
	g_assert_nonnull(strstr(why, "did not arrive whole"));
	expect(look(&p, "k"), "state", "absent");
	g_autoptr(GDir) d = g_dir_open(p.state, 0, NULL);
	for (const char *name; (name = g_dir_read_name(d));)
		g_assert_false(g_str_has_prefix(name, "new."));
	place_end(&p);
}

/* Where systemd is, the job is a unit of its own; an unkillable one is never sent SIGKILL. */
static void test_systemd(void)
{
	Place p;
	place_begin(&p);
	g_autofree char *old = g_strdup(g_getenv("PATH"));
	g_autofree char *said = NULL, *log = in(&p, "log");
	g_autofree char *text = g_strdup_printf("#!/bin/sh\necho \"$@\" >>%s\n"
						"while [ \"$1\" != /bin/sh ]; do shift; done\n"
						"setsid \"$@\" >/dev/null 2>&1 &\n",
		log);
	stand_in(&p, "systemd-run", text);
	path_first(&p, old);
	g_setenv("SHIPLOCK_SYSTEMD", p.dir, true);
	g_free(start(&p, 1, "run-1.cp0", "true"));
	g_free(start_limited(&p, 1, "run-1.cp1", "exit 0", "60 never"));
	await(&p, "run-1.cp0", "done");
	await(&p, "run-1.cp1", "done");
	g_unsetenv("SHIPLOCK_SYSTEMD");
	g_setenv("PATH", old, true);
	g_assert_true(g_file_get_contents(log, &said, NULL, NULL));
	g_auto(GStrv) lines = g_strsplit(said, "\n", -1);
	g_assert_nonnull(strstr(lines[0], "--unit=shiplock-run-1.cp0 "));
	g_assert_nonnull(strstr(lines[0], "SendSIGKILL=yes"));
	g_assert_nonnull(strstr(lines[1], "--unit=shiplock-run-1.cp1 "));
	g_assert_nonnull(strstr(lines[1], "SendSIGKILL=no"));
	place_end(&p);
}

/* A node without what the guard needs says so, and nothing is done. */
static void test_tools(void)
{
	Place p;
	place_begin(&p);
	char *whole = g_steal_pointer(&p.text);
	p.text = g_strconcat("command() { [ \"$2\" != flock ]; }\n", whole, NULL);
	g_autofree char *why = word(start(&p, 1, "k", "true"), "error");
	g_assert_cmpstr(why, ==, "the node has no flock");
	g_assert_cmpint(access(p.state, F_OK), <, 0);
	g_free(whole);
	place_end(&p);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	alarm(300);
	g_test_add_func("/guard/story", test_story);
	g_test_add_func("/guard/together", test_together);
	g_test_add_func("/guard/epoch", test_epoch);
	g_test_add_func("/guard/overtaken", test_overtaken);
	g_test_add_func("/guard/lost", test_lost);
	g_test_add_func("/guard/limit", test_limit);
	g_test_add_func("/guard/output", test_output);
	g_test_add_func("/guard/said-so-far", test_said_so_far);
	g_test_add_func("/guard/prune", test_prune);
	g_test_add_func("/guard/torn", test_torn);
	g_test_add_func("/guard/systemd", test_systemd);
	g_test_add_func("/guard/tools", test_tools);
	return g_test_run();
}
