#define SD_JOURNAL_SUPPRESS_LOCATION
#include "loop/log-sink.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <time.h>
#include <unistd.h>

struct LogSink {
	char *identifier;
	int fd;
	bool journal;
};

/* journald tells its stream as DEVICE:INODE; a child whose stderr went elsewhere still sees the
 * variable, so both are compared. */
static bool is_journal_stream(int fd)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat st;
	if (!stream || fstat(fd, &st) < 0)
		return false;
	g_autofree char *mine =
		g_strdup_printf("%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return strcmp(stream, mine) == 0;
}

LogSink *log_sink_new(const char *identifier, int fd)
{
	LogSink *s = g_new0(LogSink, 1);
	s->identifier = g_strdup(identifier);
	s->fd = fd;
	s->journal = is_journal_stream(fd);
	return s;
}

void log_sink_free(LogSink *s)
{
	if (!s)
		return;
	g_free(s->identifier);
	g_free(s);
}

bool log_sink_is_journal(const LogSink *s)
{
	return s->journal;
}

static const char *const level_names[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_NOTICE] = "notice",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};

static char *clean(const char *text)
{
	return g_utf8_make_valid(text, (gssize)strnlen(text, LOG_MAX_VALUE_BYTES));
}

static void set(json_t *line, const char *name, const char *text)
{
	g_autofree char *valid = clean(text);
	json_object_set_new(line, name, json_string(valid));
}

char *log_sink_line(const LogEntry *e, int64_t wall_usec)
{
	time_t sec = wall_usec / 1000000;
	struct tm tm;
	char day[32];
	strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", gmtime_r(&sec, &tm));
	g_autofree char *when = g_strdup_printf("%s.%06dZ", day, (int)(wall_usec % 1000000));

	json_t *line = json_object();
	set(line, "time", when);
	set(line, "level", level_names[e->level]);
	set(line, "message", e->message);
	for (size_t i = 0; i < e->n_fields; i++)
		if (e->fields[i].value)
			set(line, e->fields[i].name, e->fields[i].value);
	char *text = json_dumps(line, JSON_COMPACT);
	json_decref(line);
	char *copy = g_strdup(text);
	free(text);
	return copy;
}

static void write_line(LogSink *s, const LogEntry *e)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	g_autofree char *line =
		log_sink_line(e, (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	/* One call a line, so that lines of several processes do not mix. What cannot be written is
	 * lost: a log must never stop the work. */
	struct iovec parts[] = { { line, strlen(line) }, { (void *)"\n", 1 } };
	ssize_t n = writev(s->fd, parts, G_N_ELEMENTS(parts));
	(void)n;
}

static void add_field(struct iovec *v, size_t *n, const char *name, const char *value)
{
	char *text = g_strdup_printf("%s=%.*s", name, LOG_MAX_VALUE_BYTES, value);
	v[(*n)++] = (struct iovec){ text, strlen(text) };
}

static void write_journal(LogSink *s, const LogEntry *e)
{
	struct iovec v[LOG_MAX_FIELDS + 3];
	size_t n = 0;
	char priority[] = { (char)('0' + e->level), '\0' };
	add_field(v, &n, "MESSAGE", e->message);
	add_field(v, &n, "PRIORITY", priority);
	add_field(v, &n, "SYSLOG_IDENTIFIER", s->identifier);
	for (size_t i = 0; i < e->n_fields; i++)
		if (e->fields[i].value)
			add_field(v, &n, e->fields[i].name, e->fields[i].value);
	sd_journal_sendv(v, (int)n);
	for (size_t i = 0; i < n; i++)
		g_free(v[i].iov_base);
}

static void sink_write(void *self, const LogEntry *e)
{
	LogSink *s = self;
	if (s->journal)
		write_journal(s, e);
	else
		write_line(s, e);
}

static const LogOps sink_ops = { .write = sink_write };

Log log_sink_log(LogSink *s, LogLevel max_level)
{
	return (Log){ &sink_ops, s, max_level };
}
