/* What passes between shiplock-worker and its starter. Request: JSON on stdin until its end.
 * Answer: JSON on stdout; exit 0 means it is the result, exit JOB_EXIT_ERROR that it is
 * {"error": {"code": "refused", "message": "..."}}. Any other end is an accident. */
#pragma once
#include "base/error.h"

enum { JOB_EXIT_ERROR = 10, JOB_MAX_REQUEST_BYTES = 128 << 20, JOB_MAX_ANSWER_BYTES = 128 << 20 };

const char *job_error_name(SlErr code); /* "invalid", "notFound", ... */
/* The text of an error answer. Caller frees. */
char *job_error_text(const GError *err);
/* Sets err from such a text; a text of another shape is UNKNOWN_OUTCOME. Returns false. */
bool job_error_raise(const char *text, size_t len, GError **err);
