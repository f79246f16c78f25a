/* What an answer of the worker's git verb means to who asked for a commit (ops edit, read and write
 * of git/git.h). */
#pragma once
#include "base/error.h"
#include <jansson.h>

typedef enum {
	GIT_ANSWER_DONE, /* or read: the members say what */
	GIT_ANSWER_RACED, /* others changed what it was decided on: decide again */
	GIT_ANSWER_REFUSED, /* the file cannot be edited: a person must */
	GIT_ANSWER_REJECTED, /* the server did not take it: a person must see why */
	GIT_ANSWER_UNREACHABLE, /* nothing happened: later again */
	GIT_ANSWER_UNKNOWN, /* it may have happened: the same request again settles it */
	GIT_ANSWER_DENIED, /* credential, host key, certificate, no such repository or branch */
	GIT_ANSWER_BROKEN, /* the request is wrong, or the mirror is damaged */
} GitAnswerKind;

/* One of the two is NULL: what JobDone gets, the answer parsed. An answer of another shape is
 * BROKEN. */
GitAnswerKind git_answer_kind(const json_t *answer, const GError *err);
const char *git_answer_name(GitAnswerKind kind); /* "done", "raced" ... */
/* One line for holds and `why`. Caller frees. */
char *git_answer_text(const json_t *answer, const GError *err);
