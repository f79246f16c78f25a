/* The one error domain. A code says what the caller does next, not what went wrong inside;
 * the message says what, where, why and (when it helps) what to do next. */
#pragma once
#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SL_MUST_USE __attribute__((warn_unused_result))
#define SL_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

typedef enum {
	SL_ERR_INVALID, /* input is wrong: tell the user */
	SL_ERR_NOT_FOUND, /* the thing is not there */
	SL_ERR_CONFLICT, /* changed under us: read again, decide again */
	SL_ERR_REFUSED, /* budget, permission, gate: wait or ask */
	SL_ERR_RETRY, /* nothing happened: back off, repeat */
	SL_ERR_UNKNOWN_OUTCOME, /* it may have happened: observe first */
	SL_ERR_CANCELLED,
} SlErr;

#define SL_ERROR (sl_error_quark())
GQuark sl_error_quark(void);

/* Sets err (when not NULL) and returns false, so that a failing path is one line. */
bool sl_fail(GError **err, SlErr code, const char *fmt, ...) SL_PRINTF(3, 4);
