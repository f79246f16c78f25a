#include "base/file.h"
#include "loop/listen.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void test_unix(void)
{
	g_autoptr(GError) err = NULL;
	g_autofree char *dir = g_dir_make_tmp("sl-listen-XXXXXX", NULL);
	g_autofree char *path = g_build_filename(dir, "api.sock", NULL);
	int fd = listen_unix(path, 0660, &err);
	g_assert_no_error(err);
	struct stat st;
	g_assert_cmpint(stat(path, &st), ==, 0);
	g_assert_cmpint(st.st_mode & 07777, ==, 0660);
	g_autofree char *name = listen_name(fd);
	g_autofree char *want = g_strconcat("unix:", path, NULL);
	g_assert_cmpstr(name, ==, want);
	g_assert_cmpint(listen_port(fd), ==, 0);

	g_assert_cmpint(listen_unix(path, 0660, &err), ==, -1);
	g_assert_error(err, SL_ERROR, SL_ERR_REFUSED);
	g_clear_error(&err);

	close(fd); /* a server that died leaves its file: the next one takes over */
	fd = listen_unix(path, 0600, &err);
	g_assert_no_error(err);
	close(fd);
	unlink(path);

	g_assert_true(sl_write_file(path, "x", 1, 0600, &err));
	g_assert_cmpint(listen_unix(path, 0600, &err), ==, -1);
	g_assert_error(err, SL_ERROR, SL_ERR_REFUSED);
	unlink(path);
	rmdir(dir);
}

static const struct {
	const char *text;
	int want; /* -1 = fine, else the error code */
} addresses[] = {
	{ "127.0.0.1:0", -1 },
	{ "[::1]:0", -1 },
	{ "localhost:0", -1 },
	{ "127.0.0.1", SL_ERR_INVALID },
	{ ":80", SL_ERR_INVALID },
	{ "127.0.0.1:", SL_ERR_INVALID },
	{ "127.0.0.1:http", SL_ERR_INVALID },
	{ "127.0.0.1:123456", SL_ERR_INVALID },
	{ "::1:80", SL_ERR_INVALID },
	{ "[]:80", SL_ERR_INVALID },
	{ "192.0.2.1:0", SL_ERR_REFUSED },
	{ "", SL_ERR_INVALID },
};

static void test_tcp(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(addresses); i++) {
		g_autoptr(GError) err = NULL;
		g_test_message("%s", addresses[i].text);
		SL_AUTO_FD fd = listen_tcp(addresses[i].text, &err);
		if (addresses[i].want >= 0) {
			g_assert_error(err, SL_ERROR, addresses[i].want);
			g_assert_cmpint(fd, ==, -1);
			continue;
		}
		g_assert_no_error(err);
		g_assert_cmpint(listen_port(fd), >, 0);
		g_assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
		g_assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		g_autofree char *name = listen_name(fd);
		g_autoptr(GError) taken = NULL;
		g_assert_cmpint(listen_tcp(name, &taken), ==, -1);
		g_assert_error(taken, SL_ERROR, SL_ERR_REFUSED);
	}
}

/* systemd passes descriptors from 3 on and names them in the environment. */
static void test_activated(void)
{
	if (!g_test_subprocess()) {
		g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
		g_test_trap_assert_passed();
		return;
	}
	g_autoptr(GError) err = NULL;
	int fd = listen_tcp("127.0.0.1:0", &err), plain = open("/dev/null", O_RDONLY);
	g_assert_cmpint(dup2(fd, 30), ==, 30);
	g_assert_cmpint(dup2(plain, 4), ==, 4);
	g_assert_cmpint(dup2(30, 3), ==, 3);
	g_autofree char *pid = g_strdup_printf("%d", getpid());
	g_setenv("LISTEN_PID", pid, true);
	g_setenv("LISTEN_FDS", "2", true);
	g_setenv("LISTEN_FDNAMES", "web:plain", true);
	g_assert_cmpint(listen_activated("api", &err), ==, -1);
	g_assert_no_error(err);
	int got = listen_activated("web", &err);
	g_assert_no_error(err);
	g_assert_cmpint(got, >, 3);
	g_assert_cmpint(listen_port(got), ==, listen_port(3));
	g_assert_cmpint(listen_activated("plain", &err), ==, -1);
	g_assert_error(err, SL_ERROR, SL_ERR_INVALID);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/listen/unix", test_unix);
	g_test_add_func("/listen/tcp", test_tcp);
	g_test_add_func("/listen/activated", test_activated);
	return g_test_run();
}
