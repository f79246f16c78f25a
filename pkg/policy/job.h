/* Jobs as steps: what is made of a template, and what a Job and its pods say. Pure. */
#pragma once
#include "base/error.h"
#include <jansson.h>

enum { JOB_LOG_TAIL_BYTES = 4096, JOB_NAME_BYTES = 64 };
#define JOB_INTENT "shiplock.dev/job" /* annotation: of which item this Job is */

/* The namespace that the template names, else "default". Borrowed. */
const char *job_namespace(const json_t *template);
/* The same intent gives the same name, so that a Job is created once. */
void job_name(const char *fleet, const char *run, const char *cluster, const char *item,
	char ret_name[JOB_NAME_BYTES]);
/* The Job to create: the template under this name, never retried by itself unless it says so, ended
 * by the server after timeout_sec. New reference. */
json_t *job_object(const json_t *template, const char *name, const char *intent, int timeout_sec);

typedef enum { JOB_RUNNING, JOB_COMPLETE, JOB_FAILED } JobState;
/* ret_text: the server's own words. Caller frees. */
JobState job_state(const json_t *job, char **ret_text);

/* The pod of the Job that was made last; NULL: there is none. */
const json_t *job_pod(const json_t *pods);
/* Exit code of the first container that ended, -1 where none is known. */
int job_exit_code(const json_t *pod);

/* The end of a log, whole lines, at most JOB_LOG_TAIL_BYTES. Caller frees. */
char *job_log_tail(const char *log);
/* The value of KEY=VALUE in the last line that begins with "shiplock-proof"; NULL. Caller frees. */
char *job_proof(const char *log, const char *key);
/* The time that the last line of the log tells (RFC 3339). */
bool job_last_time(const char *log, int64_t *ret_usec);
