/* The log hook: whoever logs holds a Log by value and says level, structured fields and a text.
 * What becomes of it is the sink's business (loop/log-sink.h: journald or JSON lines); a Log that
 * is all zero drops everything. Only cmd/ and fleet/ log; everybody else returns errors. */
#pragma once
#include "base/error.h"

/* The numbers are those of syslog(3), which journald uses as PRIORITY. */
typedef enum {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_NOTICE = 5,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
} LogLevel;

/* A journald field: upper case name (SHIPLOCK_RUN, MESSAGE_ID, ...); a NULL value leaves it out. */
typedef struct LogField {
	const char *name, *value;
} LogField;

enum { LOG_MAX_FIELDS = 32, LOG_MAX_VALUE_BYTES = 8192 };

typedef struct LogEntry {
	LogLevel level;
	const char *message;
	const LogField *fields;
	size_t n_fields;
} LogEntry;

typedef struct LogOps {
	void (*write)(void *self, const LogEntry *e); /* borrowed for the call; never fails */
} LogOps;

typedef struct Log {
	const LogOps *ops;
	void *self;
	LogLevel max_level; /* entries above it are dropped */
} Log;

/* Further fields than LOG_MAX_FIELDS are dropped. */
void sl_log_fields(Log log, LogLevel level, const LogField *fields, size_t n_fields,
	const char *fmt, ...) SL_PRINTF(5, 6);

/* sl_log(log, LOG_LEVEL_INFO, LOG_FIELDS({ "SHIPLOCK_RUN", run }), "run %s starts", run) */
#define LOG_FIELDS(...)                                                                            \
	(const LogField[]){ __VA_ARGS__ },                                                         \
		sizeof((const LogField[]){ __VA_ARGS__ }) / sizeof(LogField)
#define LOG_NO_FIELDS NULL, 0
#define sl_log(log, level, ...) sl_log_fields(log, level, __VA_ARGS__)
