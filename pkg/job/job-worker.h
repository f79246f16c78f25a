/* The real worker: starts `shiplock-worker VERB` a job, with a deadline, a bound on the answer and
 * no descriptor or variable of ours that it does not need. Errors: what the worker itself says,
 * with its code; RETRY when it could not be started; UNKNOWN_OUTCOME when it was killed (deadline,
 * bound, sandbox) or crashed. */
#pragma once
#include "job/job-wire.h"
#include "job/job.h"
#include "loop/loop-event.h"

/* More than this many wait for their turn, in order; a deadline counts from the start of the
 * process. Those that may take long, by their deadline, have half of the places at most: a short
 * one goes before a long one that must wait. */
enum {
	JOB_MAX_RUNNING = 8,
	JOB_MAX_LONG = JOB_MAX_RUNNING / 2,
	JOB_LONG_MSEC = 60000, /* a longer deadline than this */
	JOB_MAX_STDERR_BYTES = 4096,
};

typedef struct JobWorker JobWorker;
/* worker: path of the program (copied); NULL: job_worker_find(). The loop must outlive it. */
JobWorker *job_worker_new(LoopEvent *l, const char *worker);
/* Kills and reaps what runs; no completion is called. NULL is fine. */
void job_worker_free(JobWorker *w);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JobWorker, job_worker_free)
Job job_worker_job(JobWorker *w);
unsigned job_worker_running(const JobWorker *w);

/* $SHIPLOCK_WORKER, else shiplock-worker in the folder of the running program. Caller frees. */
char *job_worker_find(void);

/* The same for programs without a loop: blocks until the answer is there. worker may be NULL. The
 * answer is NUL-terminated; caller frees. NULL on error. Blocks SIGCHLD and ignores SIGPIPE, as
 * every LoopEvent does. */
char *job_run_sync(const char *worker, const char *verb, const void *input, size_t len,
	int timeout_msec, size_t *ret_len, GError **err) SL_MUST_USE;
