/* Text that comes from a server: header values and a body that is a stream of lines. Pure; knows
 * neither sockets nor libcurl handles. */
#pragma once
#include "base/error.h"

enum { HTTP_RETRY_AFTER_MAX_SEC = 24 * 3600 };

/* The value of Retry-After (RFC 9110, 10.2.3): seconds, or a date that is compared with wall_usec
 * and rounded up. At most HTTP_RETRY_AFTER_MAX_SEC; 0 for a date in the past; -1 when it is
 * neither. */
int http_retry_after(const char *value, int64_t wall_usec);
/* The text of one Warning value (`299 - "text"`, RFC 7234, 5.5) without quotes and escapes; the
 * value itself when it has no quoted part. Caller frees. */
char *http_warning_text(const char *value);
/* False when a header name or value holds CR, LF or NUL-like control characters, which would let it
 * speak for other headers. */
bool http_header_is_safe(const char *name, const char *value);

/* A splitter of lines that come in chunks cut anywhere. Zero-initialized except max_bytes (of one
 * line). */
typedef struct HttpLines {
	char *buf;
	size_t len, size;
	size_t line_start; /* of the line that is not complete yet */
	size_t next; /* first byte not handed out */
	size_t max_bytes;
} HttpLines;

/* False when a line is longer than max_bytes; nothing is kept of the chunk then. */
bool http_lines_add(HttpLines *l, const char *data, size_t n) SL_MUST_USE;
/* The next complete line without its LF (and CR), NUL-terminated, borrowed until the next add.
 * NULL when there is none. */
char *http_lines_next(HttpLines *l, size_t *ret_len);
/* Bytes that wait for the end of their line. */
size_t http_lines_rest(const HttpLines *l);
void http_lines_clear(HttpLines *l);
