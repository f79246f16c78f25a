/* For the tests: sshd on a loopback port, one process a connection, so that the kernel chooses the
 * port and a connection can be cut by killing its sshd. */
#pragma once
#include <fcntl.h>
#include <glib.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SSHD_MAX_CONNECTIONS = 512 };

static inline int sshd_listen(int *ret_port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	g_assert_true(bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 16) == 0 &&
		      getsockname(fd, (struct sockaddr *)&at, &len) == 0);
	*ret_port = ntohs(at.sin_port);
	return fd;
}

static volatile sig_atomic_t sshd_signal;

static inline void sshd_on_signal(int signo)
{
	sshd_signal = signo;
}

/* SIGUSR1 kills, SIGUSR2 stops what serves connections, not the commands they started; SIGTERM
 * kills it and ends. The first two are answered with a byte to done. Nobody is reaped here, so no
 * number means another process meanwhile. */
G_NORETURN static inline void sshd_serve(int fd, int done, const char *conf)
{
	static const int signals[] = { SIGUSR1, SIGUSR2, SIGTERM };
	pid_t pids[SSHD_MAX_CONNECTIONS];
	int n = 0;
	sigset_t none;
	struct sigaction on = { .sa_handler = sshd_on_signal };
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&none);
	for (size_t i = 0; i < G_N_ELEMENTS(signals); i++)
		sigaction(signals[i], &on, NULL);
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int ready = ppoll(&p, 1, NULL, &none);
		for (int i = 0; ready < 0 && i < n; i++)
			kill(-pids[i], sshd_signal == SIGUSR2 ? SIGSTOP : SIGKILL);
		if (ready < 0 && (sshd_signal == SIGTERM || write(done, "x", 1) != 1))
			_exit(0);
		int conn = ready > 0 && n < SSHD_MAX_CONNECTIONS ? accept(fd, NULL, NULL) : -1;
		if (conn < 0)
			continue;
		if ((pids[n++] = fork()) == 0) {
			setpgid(0, 0);
			sigprocmask(SIG_SETMASK, &none, NULL);
			dup2(conn, 0);
			dup2(conn, 1);
			dup2(open("/dev/null", O_WRONLY), 2);
			execl("/usr/sbin/sshd", "/usr/sbin/sshd", "-i", "-f", conf, NULL);
			_exit(127);
		}
		close(conn);
	}
}

/* Its signals wait until it listens to them, so that an early one is not its end. */
static inline pid_t sshd_fork(int fd, int done, const char *conf)
{
	sigset_t all, old;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	pid_t pid = fork();
	if (pid == 0)
		sshd_serve(fd, done, conf);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return pid;
}
