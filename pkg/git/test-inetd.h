/* For the tests of this folder: servers on loopback, one process a connection. */
#pragma once
#include "base/error.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* A listener that starts a program for each connection, as inetd did; git daemon and sshd know how
 * to live under it, so the kernel can choose the port. */
typedef struct Inetd {
	int port;
	pid_t pid;
} Inetd;

static int listen_anywhere(int *ret_port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	g_assert_cmpint(bind(fd, (struct sockaddr *)&at, sizeof at), ==, 0);
	g_assert_cmpint(listen(fd, 16), ==, 0);
	g_assert_cmpint(getsockname(fd, (struct sockaddr *)&at, &len), ==, 0);
	*ret_port = ntohs(at.sin_port);
	return fd;
}

G_NORETURN static void inetd_serve(int fd, const char *const *argv)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int conn = accept(fd, NULL, NULL);
		if (conn >= 0 && fork() == 0) {
			signal(SIGCHLD, SIG_DFL);
			dup2(conn, 0);
			dup2(conn, 1);
			dup2(open("/dev/null", O_WRONLY), 2);
			execvp(argv[0], (char **)argv);
			_exit(127);
		}
		close(conn);
	}
}

static void inetd_start(Inetd *s, const char *const *argv)
{
	int fd = listen_anywhere(&s->port);
	s->pid = fork();
	g_assert_cmpint(s->pid, >=, 0);
	if (s->pid == 0)
		inetd_serve(fd, argv);
	close(fd);
}

static void stop_process(pid_t pid, int signo)
{
	kill(pid, signo);
	g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
}

/* Its children become ours (PR_SET_CHILD_SUBREAPER), so that none is left behind. */
static void inetd_stop(Inetd *s)
{
	stop_process(s->pid, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0)
		;
}
