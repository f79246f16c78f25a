#include "base/file.h"
#include "loop/log-sink.h"
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
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

/* A journald of our own, in a mount namespace where its socket's path is free. */
static int fake_journald(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX,
		.sun_path = "/run/systemd/journal/socket" };
	if (unshare(CLONE_NEWNS | (geteuid() ? CLONE_NEWUSER : 0)) < 0 ||
		mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("none", "/run", "tmpfs", 0, NULL) < 0 ||
		g_mkdir_with_parents("/run/systemd/journal", 0755) < 0)
		return -1;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	g_assert_cmpint(bind(fd, (struct sockaddr *)&at, sizeof at), ==, 0);
	return fd;
}

enum { EXIT_NO_NAMESPACE = 77 };

static void journal_story(void)
{
	struct stat st;
	SL_AUTO_FD journald = fake_journald();
	if (journald < 0)
		_exit(EXIT_NO_NAMESPACE);
	g_assert_cmpint(fstat(journald, &st), ==, 0);
	g_autofree char *stream =
		g_strdup_printf("%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	g_autoptr(LogSink) s = log_sink_new("shiplockd", journald);
	sl_log(log_sink_log(s, LOG_LEVEL_INFO), LOG_LEVEL_NOTICE,
		LOG_FIELDS({ "SHIPLOCK_RUN", "edu#7" }, { "SHIPLOCK_STATE", NULL },
			{ "MESSAGE_ID", "0123456789abcdef0123456789abcdef" }),
		"held:\nno data");
	char buf[1024] = "";
	ssize_t n = recv(journald, buf, sizeof buf - 1, 0);
	static const char want[] = "MESSAGE\n\x0d\0\0\0\0\0\0\0held:\nno data\nPRIORITY=5\n"
				   "SYSLOG_IDENTIFIER=shiplockd\nSHIPLOCK_RUN=edu#7\n"
				   "MESSAGE_ID=0123456789abcdef0123456789abcdef\n";
	g_assert_cmpmem(buf, n, want, sizeof want - 1);
}

static void test_journal_fields(void)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		journal_story();
		_exit(0);
	}
	g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	g_assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == EXIT_NO_NAMESPACE)
		g_test_skip("no mount namespace is allowed here");
	else
		g_assert_cmpint(WEXITSTATUS(status), ==, 0);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/log-sink/line", test_line);
	g_test_add_func("/log-sink/cut", test_cut);
	g_test_add_func("/log-sink/descriptor", test_descriptor);
	g_test_add_func("/log-sink/journal-is-recognised", test_journal_is_recognised);
	g_test_add_func("/log-sink/journal-fields", test_journal_fields);
	return g_test_run();
}
