/* The seam of the worker process: one verb, one JSON request, one JSON answer, a deadline.
 * job-worker.h starts shiplock-worker, job-sim.h calls a function. No completion is called from
 * inside the start. */
#pragma once
#include "base/error.h"

/* err is NULL and answer the worker's text (borrowed, NUL-terminated), or err says why there is
 * none. */
typedef void JobDone(const char *answer, size_t len, const GError *err, void *ud);

typedef struct JobOps {
	/* verb: yaml, edit, git, node. input is copied. Returns an id that is never 0. */
	uint64_t (*start)(void *self, const char *verb, const void *input, size_t len,
		int timeout_msec, JobDone *done, void *ud);
	void (*cancel)(void *self, uint64_t id); /* kills it; done is not called any more */
} JobOps;

typedef struct Job {
	const JobOps *ops;
	void *self;
} Job;
