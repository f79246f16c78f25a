#include "job/job-worker.h"
#include "base/file.h"
#include "job/child.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

typedef struct Run {
	JobWorker *worker;
	uint64_t id;
	char *verb;
	char *input; /* until it is started */
	size_t n_input;
	int timeout_msec;
	JobDone *done;
	void *ud;
	Child *child; /* NULL: waits for its turn */
	sd_event_source *source[CHILD_N_STREAMS];
	uint64_t deadline, failed; /* timers */
	GError *err; /* why it could not be started */
	bool late, cancelled;
} Run;

struct JobWorker {
	LoopEvent *l;
	Loop loop;
	char *path;
	uint64_t last_id;
	GQueue waiting; /* Run, in order */
	GPtrArray *running; /* Run */
};

/* What a worker may know of our environment. */
static const char *const passed_on[] = { "PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR",
	"SSL_CERT_FILE", "SSL_CERT_DIR", "SSH_AUTH_SOCK", "ASAN_OPTIONS", "UBSAN_OPTIONS",
	"LSAN_OPTIONS", "G_SLICE" };

static Child *start_worker(
	const char *path, const char *verb, const void *input, size_t len, GError **err)
{
	char *envp[G_N_ELEMENTS(passed_on) + 1];
	size_t n = 0;
	for (size_t i = 0; i < G_N_ELEMENTS(passed_on); i++)
		if (getenv(passed_on[i]))
			envp[n++] = g_strconcat(passed_on[i], "=", getenv(passed_on[i]), NULL);
	envp[n] = NULL;
	char *argv[] = { (char *)path, (char *)verb, NULL };
	Child *c = child_start(&(ChildSpec){ .argv = argv,
				       .envp = envp,
				       .input = input,
				       .n_input = len,
				       .max_out_bytes = JOB_MAX_ANSWER_BYTES,
				       .max_err_bytes = JOB_MAX_STDERR_BYTES },
		err);
	for (size_t i = 0; i < n; i++)
		g_free(envp[i]);
	return c;
}

static const struct {
	int signo;
	const char *why;
} deaths[] = {
	{ SIGSYS, "it did what its sandbox forbids" },
	{ SIGXCPU, "it used up its processor time" },
	{ SIGXFSZ, "it wrote too large a file" },
};

/* True when the answer is the result. */
static bool judge(const Child *c, const char *verb, bool late, int timeout_msec, GError **err)
{
	size_t len;
	const char *out = child_out(c, &len), *said = child_err(c);
	const char *sep = *said ? ": " : "";
	if (late)
		return sl_fail(err, SL_ERR_UNKNOWN_OUTCOME,
			"worker %s: no answer within %d.%03d s, killed%s%s", verb,
			timeout_msec / 1000, timeout_msec % 1000, sep, said);
	if (child_overflowed(c))
		return sl_fail(err, SL_ERR_UNKNOWN_OUTCOME,
			"worker %s: its answer is larger than %d bytes, killed", verb,
			JOB_MAX_ANSWER_BYTES);
	if (child_exit_code(c) == 0)
		return true;
	if (child_exit_code(c) == JOB_EXIT_ERROR)
		return job_error_raise(out, len, err);
	if (child_exit_code(c) > 0)
		return sl_fail(err, SL_ERR_UNKNOWN_OUTCOME, "worker %s: exit code %d%s%s", verb,
			child_exit_code(c), sep, said);
	for (size_t i = 0; i < G_N_ELEMENTS(deaths); i++)
		if (deaths[i].signo == child_signal(c))
			return sl_fail(err, SL_ERR_UNKNOWN_OUTCOME, "worker %s: killed: %s%s%s",
				verb, deaths[i].why, sep, said);
	return sl_fail(err, SL_ERR_UNKNOWN_OUTCOME, "worker %s: ended by signal %s%s%s", verb,
		sigabbrev_np(child_signal(c)), sep, said);
}

static void run_free(Run *r)
{
	for (int s = 0; s < CHILD_N_STREAMS; s++)
		sd_event_source_disable_unref(r->source[s]);
	loop_cancel(r->worker->loop, &r->deadline);
	loop_cancel(r->worker->loop, &r->failed);
	child_free(r->child);
	g_clear_error(&r->err);
	g_free(r->input);
	g_free(r->verb);
	g_free(r);
}

static void start_next(JobWorker *w);

/* Takes the run off the list before its completion, which may start or cancel others. */
static void finish(Run *r)
{
	JobWorker *w = r->worker;
	size_t len = 0;
	const char *out = NULL;
	g_ptr_array_remove(w->running, r);
	start_next(w);
	if (!r->err && judge(r->child, r->verb, r->late, r->timeout_msec, &r->err))
		out = child_out(r->child, &len);
	if (!r->cancelled)
		r->done(out, len, r->err, r->ud);
	run_free(r);
}

static void on_failed(void *ud)
{
	Run *r = ud;
	r->failed = 0;
	finish(r);
}

static void on_deadline(void *ud)
{
	Run *r = ud;
	r->deadline = 0;
	r->late = true;
	child_kill(r->child);
}

/* Descriptors that were closed meanwhile lose their source before they could mean another file. */
static void drop_closed(Run *r)
{
	for (int s = 0; s < CHILD_N_STREAMS; s++)
		if (child_fd(r->child, (ChildStream)s) < 0)
			r->source[s] = sd_event_source_disable_unref(r->source[s]);
}

static int on_ready(sd_event_source *source, int fd, uint32_t events, void *ud)
{
	Run *r = ud;
	for (int s = 0; s < CHILD_N_STREAMS; s++)
		if (r->source[s] == source)
			child_serve(r->child, (ChildStream)s);
	drop_closed(r);
	if (child_ended(r->child))
		finish(r);
	return 0;
}

static bool watch(Run *r, GError **err)
{
	for (int s = 0; s < CHILD_N_STREAMS; s++) {
		int fd = child_fd(r->child, (ChildStream)s);
		if (fd < 0)
			continue;
		int e = sd_event_add_io(loop_event_sd(r->worker->l), &r->source[s], fd,
			child_wants_write((ChildStream)s) ? EPOLLOUT : EPOLLIN, on_ready, r);
		if (e < 0)
			return sl_fail(err, SL_ERR_RETRY, "worker: %s", g_strerror(-e));
	}
	return true;
}

static void launch(Run *r)
{
	JobWorker *w = r->worker;
	g_ptr_array_add(w->running, r);
	r->child = start_worker(w->path, r->verb, r->input, r->n_input, &r->err);
	g_clear_pointer(&r->input, g_free);
	if (!r->child || !watch(r, &r->err)) {
		r->failed = loop_defer(w->loop, on_failed, r);
		return;
	}
	r->deadline = loop_timer(
		w->loop, loop_boot_usec(w->loop) + (int64_t)r->timeout_msec * 1000, on_deadline, r);
}

static bool is_long(const Run *r)
{
	return r->timeout_msec > JOB_LONG_MSEC;
}

/* The first that has a place now; NULL: none waits or may begin. */
static GList *next_of(JobWorker *w)
{
	unsigned n_long = 0;
	for (guint i = 0; i < w->running->len; i++)
		n_long += is_long(g_ptr_array_index(w->running, i));
	if (w->running->len >= JOB_MAX_RUNNING)
		return NULL;
	for (GList *at = w->waiting.head; at; at = at->next)
		if (n_long < JOB_MAX_LONG || !is_long(at->data))
			return at;
	return NULL;
}

static void start_next(JobWorker *w)
{
	for (GList *at; (at = next_of(w));) {
		Run *r = at->data;
		g_queue_delete_link(&w->waiting, at);
		launch(r);
	}
}

static uint64_t worker_start(void *self, const char *verb, const void *input, size_t len,
	int timeout_msec, JobDone *done, void *ud)
{
	JobWorker *w = self;
	g_assert(timeout_msec > 0);
	Run *r = g_new0(Run, 1);
	r->worker = w;
	r->id = ++w->last_id;
	r->verb = g_strdup(verb);
	r->input = g_memdup2(input, len);
	r->n_input = len;
	r->timeout_msec = timeout_msec;
	r->done = done;
	r->ud = ud;
	uint64_t id = r->id;
	g_queue_push_tail(&w->waiting, r);
	start_next(w);
	return id;
}

static void worker_cancel(void *self, uint64_t id)
{
	JobWorker *w = self;
	for (GList *at = w->waiting.head; at; at = at->next) {
		Run *r = at->data;
		if (r->id == id) {
			g_queue_delete_link(&w->waiting, at);
			run_free(r);
			return;
		}
	}
	for (guint i = 0; i < w->running->len; i++) {
		Run *r = g_ptr_array_index(w->running, i);
		if (r->id != id)
			continue;
		/* It is reaped by the loop: here nothing waits, not even for a dying process. */
		r->cancelled = true;
		if (r->child)
			child_kill(r->child);
	}
}

static const JobOps worker_ops = { .start = worker_start, .cancel = worker_cancel };

JobWorker *job_worker_new(LoopEvent *l, const char *worker)
{
	JobWorker *w = g_new0(JobWorker, 1);
	w->l = l;
	w->loop = loop_event_loop(l);
	w->path = worker ? g_strdup(worker) : job_worker_find();
	g_queue_init(&w->waiting);
	w->running = g_ptr_array_new();
	return w;
}

void job_worker_free(JobWorker *w)
{
	if (!w)
		return;
	for (Run *r; (r = g_queue_pop_head(&w->waiting));)
		run_free(r);
	for (guint i = 0; i < w->running->len; i++)
		run_free(g_ptr_array_index(w->running, i));
	g_ptr_array_free(w->running, TRUE);
	g_free(w->path);
	g_free(w);
}

Job job_worker_job(JobWorker *w)
{
	return (Job){ &worker_ops, w };
}

unsigned job_worker_running(const JobWorker *w)
{
	return w->running->len;
}

char *job_worker_find(void)
{
	const char *named = getenv("SHIPLOCK_WORKER");
	if (named && *named)
		return g_strdup(named);
	g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
	g_autofree char *dir = g_path_get_dirname(self ? self : "./x");
	return g_build_filename(dir, "shiplock-worker", NULL);
}

typedef struct Sync {
	LoopEvent *l;
	char *answer;
	size_t len;
	GError *err;
} Sync;

static void sync_done(const char *answer, size_t len, const GError *err, void *ud)
{
	Sync *s = ud;
	s->err = err ? g_error_copy(err) : NULL;
	s->answer = err ? NULL : g_memdup2(answer, len + 1);
	s->len = len;
	loop_event_exit(s->l, 0);
}

char *job_run_sync(const char *worker, const char *verb, const void *input, size_t len,
	int timeout_msec, size_t *ret_len, GError **err)
{
	g_autoptr(LoopEvent) l = loop_event_new(err);
	if (!l)
		return NULL;
	Sync s = { .l = l };
	g_autoptr(JobWorker) w = job_worker_new(l, worker);
	worker_start(w, verb, input, len, timeout_msec, sync_done, &s);
	loop_event_run(l);
	if (s.err)
		g_propagate_error(err, s.err);
	else if (!s.answer)
		sl_fail(err, SL_ERR_RETRY, "worker %s: the event loop failed", verb);
	if (ret_len)
		*ret_len = s.len;
	return s.answer;
}
