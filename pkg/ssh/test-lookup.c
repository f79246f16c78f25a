/* Names and their addresses within a deadline, with a resolver that never answers. */
#include "ssh/lookup.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

static bool ask(const char *host, unsigned msec, Addresses *ret, GError **err)
{
	g_auto(Deadline) d = { .fd = -1 };
	g_assert_true(deadline_begin(&d, msec, NULL));
	return lookup(host, 4711, &d, ret, err);
}

static void test_addresses(void)
{
	static const struct {
		const char *host;
		int family;
	} cases[] = { { "127.0.0.1", AF_INET }, { "::1", AF_INET6 } };
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		Addresses a;
		g_autoptr(GError) err = NULL;
		g_assert_true(ask(cases[i].host, 1, &a, &err));
		g_assert_no_error(err);
		g_assert_cmpuint(a.n, ==, 1);
		g_assert_cmpint(a.list[0].at.ss_family, ==, cases[i].family);
		const struct sockaddr_in *in = (const struct sockaddr_in *)&a.list[0].at;
		g_assert_cmpint(ntohs(in->sin_port), ==, 4711);
	}
}

static void test_name(void)
{
	Addresses a;
	g_autoptr(GError) err = NULL;
	g_assert_true(ask("localhost", 20000, &a, &err));
	g_assert_no_error(err);
	g_assert_cmpuint(a.n, >, 0);
}

/* In a process with an /etc/resolv.conf of its own. Its exit code is the error's, 100: none. */
static int ask_the_silent(const char *conf)
{
	g_autoptr(GError) err = NULL;
	Addresses a;
	if (unshare(CLONE_NEWNS) < 0 || mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount(conf, "/etc/resolv.conf", NULL, MS_BIND, NULL) < 0)
		return 101;
	if (ask("nobody.example.org", 300, &a, &err))
		return 100;
	return strstr(err->message, "not found within 0.300 s") ? err->code : 102;
}

static void test_silent(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(53) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), status;
	g_autofree char *conf = NULL;
	if (geteuid() != 0) {
		close(fd);
		g_test_skip("only root can give itself a resolver");
		return;
	}
	inet_pton(AF_INET, "127.77.0.53", &at.sin_addr);
	g_assert_cmpint(bind(fd, (struct sockaddr *)&at, sizeof at), ==, 0);
	int file = g_file_open_tmp("sl-resolv-XXXXXX", &conf, NULL);
	static const char text[] = "nameserver 127.77.0.53\noptions timeout:20\n";
	g_assert_cmpint(write(file, text, strlen(text)), ==, (ssize_t)strlen(text));
	close(file);
	pid_t pid = fork();
	if (pid == 0)
		_exit(ask_the_silent(conf));
	g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	g_assert_cmpint(WEXITSTATUS(status), ==, SL_ERR_RETRY);
	unlink(conf);
	close(fd);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	alarm(60);
	g_test_add_func("/lookup/addresses", test_addresses);
	g_test_add_func("/lookup/name", test_name);
	g_test_add_func("/lookup/silent", test_silent);
	return g_test_run();
}
