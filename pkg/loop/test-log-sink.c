#include "base/file.h"
#include "loop/log-sink.h"
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_line(void)
{
	const LogField fields[] = { { "SHIPLOCK_RUN", "edu#7" }, { "SHIPLOCK_STATE", NULL },
		{ "BYTES", "a\xff"
			   "b\n" } };
	LogEntry e = { LOG_LEVEL_WARNING, "held \"x\"", fields, G_N_ELEMENTS(fields) };
	g_autofree char *line = log_sink_line(&e, 1763625600123456);
	g_assert_cmpstr(line, ==,
		"{\"time\":\"2025-11-20T08:00:00.123456Z\",\"level\":\"warning\",\"message\":"
		"\"held "
		"\\\"x\\\"\",\"SHIPLOCK_RUN\":\"edu#7\",\"BYTES\":\"a\xef\xbf\xbd"
		"b\\n\"}");
}

static void test_cut(void)
{
	g_autofree char *big = g_strnfill(LOG_MAX_VALUE_BYTES * 2, 'x');
	LogEntry e = { LOG_LEVEL_INFO, big, NULL, 0 };
	g_autofree char *line = log_sink_line(&e, 0);
	g_assert_cmpuint(strlen(line), <, LOG_MAX_VALUE_BYTES + 100);
}

static void test_descriptor(void)
{
	int fds[2];
	g_assert_cmpint(pipe(fds), ==, 0);
	SL_AUTO_FD in = fds[0];
	SL_AUTO_FD out = fds[1];
	unsetenv("JOURNAL_STREAM");
	g_autoptr(LogSink) s = log_sink_new("shiplockd", out);
	g_assert_false(log_sink_is_journal(s));
	Log log = log_sink_log(s, LOG_LEVEL_INFO);
	sl_log(log, LOG_LEVEL_DEBUG, LOG_NO_FIELDS, "not this");
	sl_log(log, LOG_LEVEL_NOTICE, LOG_FIELDS({ "SHIPLOCK_SEQ", "12" }), "one %s", "two");
	char buf[512] = "";
	ssize_t n = read(in, buf, sizeof buf - 1);
	g_assert_cmpint(n, >, 0);
	g_assert_true(g_str_has_suffix(
		buf, ",\"level\":\"notice\",\"message\":\"one two\",\"SHIPLOCK_SEQ\":\"12\"}\n"));
}

/* Only the stream that journald itself opened counts, not an inherited variable. */
static void test_journal_is_recognised(void)
{
	int fds[2];
	struct stat st;
	g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
	SL_AUTO_FD a = fds[0];
	SL_AUTO_FD b = fds[1];
	g_assert_cmpint(fstat(a, &st), ==, 0);
	g_autofree char *stream =
		g_strdup_printf("%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	g_autoptr(LogSink) mine = log_sink_new("x", a);
	g_autoptr(LogSink) other = log_sink_new("x", b);
	g_assert_true(log_sink_is_journal(mine));
	g_assert_false(log_sink_is_journal(other));
	unsetenv("JOURNAL_STREAM");
	/* No journald here: the entry is dropped, and nothing else happens. */
	sl_log(log_sink_log(mine, LOG_LEVEL_INFO), LOG_LEVEL_INFO, LOG_FIELDS({ "A", "b" }), "m");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/log-sink/line", test_line);
	g_test_add_func("/log-sink/cut", test_cut);
	g_test_add_func("/log-sink/descriptor", test_descriptor);
	g_test_add_func("/log-sink/journal-is-recognised", test_journal_is_recognised);
	return g_test_run();
}
