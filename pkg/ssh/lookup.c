#include "ssh/lookup.h"
#include "base/file.h"
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the process writes, in one piece: shorter than PIPE_BUF. */
typedef struct Answer {
	int error; /* of getaddrinfo */
	Addresses addresses;
} Answer;

static int ask(const char *host, int port, int flags, Addresses *ret)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = flags };
	struct addrinfo *list = NULL;
	g_autofree char *service = g_strdup_printf("%d", port);
	int e = getaddrinfo(host, service, &hints, &list);
	for (const struct addrinfo *a = list; e == 0 && a && ret->n < LOOKUP_MAX; a = a->ai_next) {
		memcpy(&ret->list[ret->n].at, a->ai_addr, a->ai_addrlen);
		ret->list[ret->n++].len = a->ai_addrlen;
	}
	if (list)
		freeaddrinfo(list);
	return e;
}

static void ask_apart(const char *host, int port, int fd)
{
	Answer a = { 0 };
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	a.error = ask(host, port, AI_ADDRCONFIG, &a.addresses);
	_exit(write(fd, &a, sizeof a) == sizeof a ? 0 : 1);
}

static bool hear(int fd, const Deadline *deadline, const char *host, Answer *ret, GError **err)
{
	if (deadline_wait(deadline, NULL, fd, POLLIN, -1) != WAIT_READY)
		return sl_fail(err, SL_ERR_RETRY,
			"%s: its address is not found within %u.%03u s; see what resolves names "
			"here",
			host, deadline->msec / 1000, deadline->msec % 1000);
	ssize_t n;
	while ((n = read(fd, ret, sizeof *ret)) < 0 && errno == EINTR)
		;
	if (n != sizeof *ret)
		return sl_fail(err, SL_ERR_RETRY, "%s: its address was not looked up", host);
	return ret->error == 0 || sl_fail(err, SL_ERR_RETRY, "%s: its address is not found: %s",
					  host, gai_strerror(ret->error));
}

bool lookup(const char *host, int port, const Deadline *deadline, Addresses *ret, GError **err)
{
	int fds[2];
	Answer a = { 0 };
	*ret = (Addresses){ 0 };
	/* An address needs nobody. */
	if (ask(host, port, AI_NUMERICHOST, ret) == 0)
		return true;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return sl_fail(err, SL_ERR_RETRY, "%s: pipe: %s", host, g_strerror(errno));
	pid_t pid = fork();
	if (pid == 0)
		ask_apart(host, port, fds[1]);
	close(fds[1]);
	bool ok = pid > 0 ? hear(fds[0], deadline, host, &a, err)
			  : sl_fail(err, SL_ERR_RETRY, "%s: fork: %s", host, g_strerror(errno));
	close(fds[0]);
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	if (ok)
		*ret = a.addresses;
	return ok;
}
