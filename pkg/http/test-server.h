/* For tests only: a server in child processes that says exactly the bytes a test wants. */
#pragma once
#include "base/error.h"
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WIRE_BYTES = 4096 };

/* What the servers' processes count, shared with the test. */
typedef struct WireSeen {
	int n_connections, n_requests;
	int n_served; /* for the talker's own use */
	char last[WIRE_BYTES]; /* head and body of the last request, for the test to look at */
} WireSeen;

/* Speaks on one connection, in a process of its own. */
typedef void WireTalk(int fd, WireSeen *seen, const void *ud);

typedef struct WireServer {
	pid_t pid;
	int port;
	WireSeen *seen;
} WireServer;

/* Endpoints own their strings; in tests they may be literals. */
#define WIRE_STR(s) ((char *)(s))

/* A listening socket on loopback with a port that the kernel chose. */
static inline int wire_listen(int *ret_port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	g_assert_cmpint(bind(fd, (struct sockaddr *)&a, sizeof a), ==, 0);
	g_assert_cmpint(listen(fd, 64), ==, 0);
	g_assert_cmpint(getsockname(fd, (struct sockaddr *)&a, &len), ==, 0);
	*ret_port = ntohs(a.sin_port);
	return fd;
}

static inline WireServer wire_serve(WireTalk *talk, const void *ud)
{
	WireServer s = { 0 };
	int fd = wire_listen(&s.port);
	s.seen = mmap(
		NULL, sizeof *s.seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	s.pid = fork();
	if (s.pid == 0) {
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when the test aborts */
		signal(SIGCHLD, SIG_IGN);
		for (;;) {
			int c = accept(fd, NULL, NULL);
			__atomic_add_fetch(&s.seen->n_connections, 1, __ATOMIC_SEQ_CST);
			if (fork() == 0) {
				prctl(PR_SET_PDEATHSIG, SIGKILL);
				talk(c, s.seen, ud);
				_exit(0);
			}
			close(c);
		}
	}
	setpgid(s.pid, s.pid);
	close(fd);
	return s;
}

static inline void wire_stop(WireServer *s)
{
	kill(-s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	munmap(s->seen, sizeof *s->seen);
}

static inline int wire_requests(const WireServer *s)
{
	return __atomic_load_n(&s->seen->n_requests, __ATOMIC_SEQ_CST);
}

/* Reads one whole request into buf, and for the test into seen->last, which other connections write
 * too; false when the client closed before. */
static inline bool wire_take(int fd, WireSeen *seen, char buf[WIRE_BYTES])
{
	size_t n = 0, want = 0;
	memset(buf, 0, WIRE_BYTES);
	while (n < WIRE_BYTES - 1) {
		ssize_t got = read(fd, buf + n, WIRE_BYTES - 1 - n);
		if (got <= 0)
			return false;
		n += (size_t)got;
		char *end = strstr(buf, "\r\n\r\n"), *len = strcasestr(buf, "content-length:");
		if (!end)
			continue;
		want = (size_t)(end + 4 - buf) + (len ? strtoul(len + 15, NULL, 10) : 0);
		if (n >= want)
			break;
	}
	memcpy(seen->last, buf, WIRE_BYTES);
	__atomic_add_fetch(&seen->n_requests, 1, __ATOMIC_SEQ_CST);
	return true;
}

static inline bool wire_read(int fd, WireSeen *seen)
{
	char buf[WIRE_BYTES];
	return wire_take(fd, seen, buf);
}

static inline void wire_say(int fd, const char *text)
{
	for (size_t len = strlen(text); len > 0;) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);
		if (n <= 0)
			_exit(0);
		text += n;
		len -= (size_t)n;
	}
}

/* Stays until the client closes the connection. */
static inline void wire_linger(int fd)
{
	char c[512];
	while (read(fd, c, sizeof c) > 0)
		;
}
