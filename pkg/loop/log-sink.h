/* Where log entries go: to journald with their fields when stderr is a journald stream
 * (JOURNAL_STREAM names it), else one line of JSON each on a descriptor:
 * {"time":"2026-11-20T08:00:00.123456Z","level":"info","message":"...","SHIPLOCK_RUN":"..."} */
#pragma once
#include "base/log.h"

typedef struct LogSink LogSink;
/* Asks the environment once. fd (usually 2) stays the caller's; identifier is copied. */
LogSink *log_sink_new(const char *identifier, int fd);
void log_sink_free(LogSink *s);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LogSink, log_sink_free)
bool log_sink_is_journal(const LogSink *s);
Log log_sink_log(LogSink *s, LogLevel max_level);

/* The text of one line, without newline, at that wall time. Bytes that are no UTF-8 are replaced,
 * values longer than LOG_MAX_VALUE_BYTES are cut. Caller frees. */
char *log_sink_line(const LogEntry *e, int64_t wall_usec);
