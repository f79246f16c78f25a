#include "job/job-worker.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* This program is its own worker: started with a verb below it does what the verb says. */

static size_t slurp(char *buf, size_t size)
{
	size_t len = 0;
	for (ssize_t n; (n = read(0, buf + len, size - len)) > 0;)
		len += (size_t)n;
	return len;
}

static void put(const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(1, data, len);
		if (n <= 0)
			exit(5);
		data += n;
		len -= (size_t)n;
	}
}

static int verb_echo(void)
{
	enum { SIZE = 8 << 20 };
	char *buf = malloc(SIZE);
	put(buf, slurp(buf, SIZE));
	free(buf);
	return 0;
}

static int verb_deaf(void) /* never reads its input */
{
	put("{}", 2);
	return 0;
}

static int verb_error(void)
{
	static const char text[] =
		"{\"error\":{\"code\":\"notFound\",\"message\":\"no branch x\"}}";
	put(text, strlen(text));
	return JOB_EXIT_ERROR;
}

static int verb_garbled(void)
{
	put("{\"error", 7);
	return JOB_EXIT_ERROR;
}

G_NORETURN static int verb_hang(void)
{
	fputs("still\nthinking\n", stderr);
	for (;;)
		pause();
}

G_NORETURN static int verb_flood(void)
{
	char block[64 << 10] = "x";
	for (;;)
		put(block, sizeof block);
}

static int verb_grumble(void)
{
	for (int i = 0; i < 10000; i++)
		fputs("\x01 bad \xff things ", stderr);
	return 3;
}

static int verb_crash(void)
{
	signal(SIGSEGV, SIG_DFL);
	raise(SIGSEGV);
	return 0;
}

static int verb_sandboxed(void)
{
	raise(SIGSYS);
	return 0;
}

/* Tells what it inherited: descriptors, blocked and ignored signals, variables. */
static int verb_inherited(void)
{
	char text[256];
	sigset_t blocked;
	struct sigaction pipe_action;
	int n_fds = 0, last = 3;
	for (int fd = 3; fd < 1024; fd++)
		if (fcntl(fd, F_GETFD) >= 0) {
			n_fds++;
			last = fd;
		}
	sigprocmask(SIG_BLOCK, NULL, &blocked);
	sigaction(SIGPIPE, NULL, &pipe_action);
	snprintf(text, sizeof text, "fds %d (%d) child %d pipe %d secret %d path %d", n_fds, last,
		sigismember(&blocked, SIGCHLD), pipe_action.sa_handler == SIG_IGN,
		getenv("SL_TEST_SECRET") != NULL, getenv("PATH") != NULL);
	put(text, strlen(text));
	return 0;
}

/* Leaves a process behind that keeps the pipes open. */
static int verb_grandchild(void)
{
	if (fork() == 0) {
		poll(NULL, 0, 3000);
		_exit(0);
	}
	put("ok", 2);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(void);
} verbs[] = {
	{ "echo", verb_echo },
	{ "deaf", verb_deaf },
	{ "error", verb_error },
	{ "garbled", verb_garbled },
	{ "hang", verb_hang },
	{ "flood", verb_flood },
	{ "grumble", verb_grumble },
	{ "crash", verb_crash },
	{ "sandboxed", verb_sandboxed },
	{ "inherited", verb_inherited },
	{ "grandchild", verb_grandchild },
};

typedef struct Bench {
	LoopEvent *l;
	JobWorker *w;
	GString *story;
	int left;
} Bench;

typedef struct Expect {
	Bench *b;
	const char *name;
	char *answer;
	size_t len;
	GError *err;
} Expect;

static void on_done(const char *answer, size_t len, const GError *err, void *ud)
{
	Expect *e = ud;
	g_string_append_printf(e->b->story, "%s ", e->name);
	e->answer = err ? NULL : g_memdup2(answer, len + 1);
	e->len = len;
	e->err = err ? g_error_copy(err) : NULL;
	if (--e->b->left == 0)
		loop_event_exit(e->b->l, 0);
}

static void bench_begin(Bench *b)
{
	g_autoptr(GError) err = NULL;
	*b = (Bench){ .l = loop_event_new(&err), .story = g_string_new("") };
	g_assert_no_error(err);
	b->w = job_worker_new(b->l, "/proc/self/exe");
}

static void bench_end(Bench *b)
{
	job_worker_free(b->w);
	loop_event_free(b->l);
	g_string_free(b->story, TRUE);
}

static uint64_t start(Bench *b, Expect *e, const char *verb, const char *input, int timeout_msec)
{
	Job job = job_worker_job(b->w);
	*e = (Expect){ .b = b, .name = verb };
	b->left++;
	uint64_t id =
		job.ops->start(job.self, verb, input, strlen(input), timeout_msec, on_done, e);
	g_assert_cmpuint(id, !=, 0);
	g_assert_cmpstr(b->story->str, ==, ""); /* never from inside the start */
	return id;
}

static void expect_clear(Expect *e)
{
	g_free(e->answer);
	g_clear_error(&e->err);
}

static const struct {
	const char *verb;
	int code; /* -1: an answer, which is text */
	const char *text;
} cases[] = {
	{ "echo", -1, "{\"q\":1}" },
	{ "deaf", -1, "{}" },
	{ "grandchild", -1, "ok" },
	{ "inherited", -1, "fds 0 (3) child 0 pipe 0 secret 0 path 1" },
	{ "error", SL_ERR_NOT_FOUND, "no branch x" },
	{ "garbled", SL_ERR_UNKNOWN_OUTCOME, "gave no reason" },
	{ "hang", SL_ERR_UNKNOWN_OUTCOME,
		"worker hang: no answer within 2.500 s, killed: still thinking" },
	{ "flood", SL_ERR_UNKNOWN_OUTCOME, "larger than 134217728 bytes, killed" },
	{ "grumble", SL_ERR_UNKNOWN_OUTCOME,
		"worker grumble: exit code 3:   bad \xef\xbf\xbd things" },
	{ "crash", SL_ERR_UNKNOWN_OUTCOME, "ended by signal SEGV" },
	{ "sandboxed", SL_ERR_UNKNOWN_OUTCOME, "it did what its sandbox forbids" },
	{ "no-such-verb", SL_ERR_UNKNOWN_OUTCOME, "exit code 64" },
};

static void test_cases(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		Bench b;
		Expect e;
		g_test_message("%s", cases[i].verb);
		bench_begin(&b);
		bool hang = strcmp(cases[i].verb, "hang") == 0;
		start(&b, &e, cases[i].verb, "{\"q\":1}", hang ? 2500 : 60000);
		loop_event_run(b.l);
		if (cases[i].code < 0) {
			g_assert_no_error(e.err);
			g_assert_cmpstr(e.answer, ==, cases[i].text);
		} else {
			g_assert_error(e.err, SL_ERROR, cases[i].code);
			g_assert_nonnull(strstr(e.err->message, cases[i].text));
			g_assert_cmpuint(strlen(e.err->message), <, 3 * JOB_MAX_STDERR_BYTES);
		}
		g_assert_cmpuint(job_worker_running(b.w), ==, 0);
		expect_clear(&e);
		bench_end(&b);
	}
}

static void test_large(void)
{
	Bench b;
	Expect e, deaf;
	bench_begin(&b);
	g_autofree char *input = g_strnfill(5 << 20, 'y');
	start(&b, &e, "echo", input, 60000);
	start(&b, &deaf, "deaf", input, 60000); /* dies with its input unread */
	loop_event_run(b.l);
	g_assert_no_error(e.err);
	g_assert_cmpuint(e.len, ==, 5 << 20);
	g_assert_cmpstr(e.answer, ==, input);
	g_assert_no_error(deaf.err);
	expect_clear(&e);
	expect_clear(&deaf);
	bench_end(&b);
}

/* More jobs than may run at once: all are served, and never too many at a time. */
static void test_many(void)
{
	enum { N = 3 * JOB_MAX_RUNNING };
	Bench b;
	Expect e[N];
	bench_begin(&b);
	for (int i = 0; i < N; i++)
		start(&b, &e[i], "echo", "{}", 60000);
	g_assert_cmpuint(job_worker_running(b.w), ==, JOB_MAX_RUNNING);
	loop_event_run(b.l);
	for (int i = 0; i < N; i++) {
		g_assert_no_error(e[i].err);
		expect_clear(&e[i]);
	}
	bench_end(&b);
}

/* Many that may take long leave places for those that do not, and have their turn after them. */
static void test_long(void)
{
	Bench b;
	Expect hang[JOB_MAX_RUNNING], brief, after;
	uint64_t id[JOB_MAX_RUNNING];
	bench_begin(&b);
	Job job = job_worker_job(b.w);
	for (int i = 0; i < JOB_MAX_RUNNING; i++)
		id[i] = start(&b, &hang[i], "hang", "{}", JOB_LONG_MSEC + 1);
	start(&b, &after, "echo", "{\"long\":1}", JOB_LONG_MSEC + 1);
	g_assert_cmpuint(job_worker_running(b.w), ==, JOB_MAX_LONG);
	start(&b, &brief, "echo", "{\"brief\":1}", JOB_LONG_MSEC);
	g_assert_cmpuint(job_worker_running(b.w), ==, JOB_MAX_LONG + 1);
	b.left = 2 * JOB_MAX_RUNNING; /* the loop goes on */
	while (!brief.answer)
		loop_event_step(b.l, -1);
	g_assert_cmpstr(brief.answer, ==, "{\"brief\":1}");
	for (int i = 0; i < JOB_MAX_RUNNING; i++)
		job.ops->cancel(job.self, id[i]);
	while (!after.answer)
		loop_event_step(b.l, -1);
	g_assert_cmpstr(after.answer, ==, "{\"long\":1}");
	expect_clear(&brief);
	expect_clear(&after);
	bench_end(&b);
}

static bool quiet(Bench *b)
{
	return job_worker_running(b->w) == 0;
}

static void test_cancel(void)
{
	Bench b;
	Expect hang[JOB_MAX_RUNNING], waiting, last;
	uint64_t id[JOB_MAX_RUNNING];
	bench_begin(&b);
	Job job = job_worker_job(b.w);
	for (int i = 0; i < JOB_MAX_RUNNING; i++)
		id[i] = start(&b, &hang[i], "hang", "{}", 60000);
	uint64_t second = start(&b, &waiting, "echo", "{}", 60000);
	start(&b, &last, "echo", "{\"last\":1}", 60000);
	job.ops->cancel(job.self, second);
	for (int i = 0; i < JOB_MAX_RUNNING; i++)
		job.ops->cancel(job.self, id[i]);
	job.ops->cancel(job.self, id[0]); /* again, and one that never was: fine */
	job.ops->cancel(job.self, 999);
	b.left = 1;
	loop_event_run(b.l);
	g_assert_cmpstr(b.story->str, ==, "echo ");
	g_assert_cmpstr(last.answer, ==, "{\"last\":1}");
	expect_clear(&last);
	bench_end(&b);

	bench_begin(&b);
	job = job_worker_job(b.w);
	id[0] = start(&b, &hang[0], "hang", "{}", 60000);
	job.ops->cancel(job.self, id[0]);
	while (!quiet(&b))
		loop_event_step(b.l, -1);
	g_assert_cmpstr(b.story->str, ==, "");
	start(&b, &hang[0], "hang", "{}", 60000); /* left running: the end kills it */
	bench_end(&b);
}

static void test_not_there(void)
{
	Bench b;
	Expect e;
	bench_begin(&b);
	job_worker_free(b.w);
	b.w = job_worker_new(b.l, "/nowhere/shiplock-worker");
	start(&b, &e, "echo", "{}", 1000);
	loop_event_run(b.l);
	g_assert_error(e.err, SL_ERROR, SL_ERR_RETRY);
	g_assert_nonnull(strstr(e.err->message, "/nowhere/shiplock-worker: cannot start"));
	expect_clear(&e);
	bench_end(&b);
}

static void test_sync(void)
{
	g_autoptr(GError) err = NULL;
	size_t len = 0;
	g_autofree char *answer =
		job_run_sync("/proc/self/exe", "echo", "{\"a\":1}", 7, 60000, &len, &err);
	g_assert_no_error(err);
	g_assert_cmpstr(answer, ==, "{\"a\":1}");
	g_assert_cmpuint(len, ==, 7);
	g_assert_null(job_run_sync("/proc/self/exe", "error", "", 0, 60000, NULL, &err));
	g_assert_error(err, SL_ERROR, SL_ERR_NOT_FOUND);
	g_clear_error(&err);
	g_assert_null(job_run_sync("/proc/self/exe", "hang", "", 0, 100, NULL, &err));
	g_assert_error(err, SL_ERROR, SL_ERR_UNKNOWN_OUTCOME);
}

static void test_wire(void)
{
	for (int code = SL_ERR_INVALID; code <= SL_ERR_CANCELLED; code++) {
		g_autoptr(GError) in = g_error_new(SL_ERROR, code, "say \"%s\"\xff", "why");
		g_autoptr(GError) out = NULL;
		g_autofree char *text = job_error_text(in);
		g_assert_false(job_error_raise(text, strlen(text), &out));
		g_assert_error(out, SL_ERROR, code);
		g_assert_cmpstr(out->message, ==, "say \"why\"\xef\xbf\xbd");
	}
}

static void test_find(void)
{
	g_setenv("SHIPLOCK_WORKER", "/opt/w", true);
	g_autofree char *named = job_worker_find();
	g_assert_cmpstr(named, ==, "/opt/w");
	g_unsetenv("SHIPLOCK_WORKER");
	g_autofree char *beside = job_worker_find();
	g_assert_true(g_path_is_absolute(beside));
	g_assert_true(g_str_has_suffix(beside, "/shiplock-worker"));
}

int main(int argc, char **argv)
{
	if (argc == 2 && argv[1][0] != '-') {
		for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++)
			if (strcmp(argv[1], verbs[i].name) == 0)
				return verbs[i].run();
		return 64;
	}
	g_setenv("SL_TEST_SECRET", "s3cret", true);
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/job-worker/cases", test_cases);
	g_test_add_func("/job-worker/large", test_large);
	g_test_add_func("/job-worker/many", test_many);
	g_test_add_func("/job-worker/long", test_long);
	g_test_add_func("/job-worker/cancel", test_cancel);
	g_test_add_func("/job-worker/not-there", test_not_there);
	g_test_add_func("/job-worker/sync", test_sync);
	g_test_add_func("/job-worker/wire", test_wire);
	g_test_add_func("/job-worker/find", test_find);
	return g_test_run();
}
