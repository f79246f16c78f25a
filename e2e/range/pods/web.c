/* A static HTTP server for the workload of the range: answers every request with the pod's name and
 * closes. After SIGTERM it goes on answering for LINGER seconds, as a server does that lets its
 * clients learn that it leaves.
 *
 * usage: web PORT LINGER */
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { MAX_CLIENTS = 256, MAX_REQUEST_BYTES = 4096 };

typedef struct Client {
	int fd;
	size_t n_read;
	char request[MAX_REQUEST_BYTES + 1];
} Client;

typedef struct Web {
	int listener, signals, timer, linger_sec;
	Client clients[MAX_CLIENTS];
	int n_clients;
	char answer[512];
} Web;

static int web_listen(int port)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 || listen(fd, 512) < 0) {
		perror("web: listen");
		exit(EXIT_FAILURE);
	}
	return fd;
}

static void web_answer(Web *w)
{
	char name[128] = "";
	gethostname(name, sizeof(name) - 1);
	snprintf(w->answer, sizeof(w->answer),
		"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n"
		"Connection: close\r\n\r\n%s\n",
		strlen(name) + 1, name);
}

static void web_accept(Web *w)
{
	while (w->n_clients < MAX_CLIENTS) {
		int fd = accept4(w->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return;
		w->clients[w->n_clients].fd = fd;
		w->clients[w->n_clients++].n_read = 0;
	}
}

/* Returns false when the client is done with. */
static bool client_read(Client *c, const char *answer)
{
	ssize_t n = recv(c->fd, c->request + c->n_read, MAX_REQUEST_BYTES - c->n_read, 0);
	if (n <= 0)
		return false;
	c->n_read += (size_t)n;
	c->request[c->n_read] = '\0';
	if (!strstr(c->request, "\r\n\r\n"))
		return c->n_read < MAX_REQUEST_BYTES;
	if (send(c->fd, answer, strlen(answer), MSG_NOSIGNAL) >= 0)
		shutdown(c->fd, SHUT_WR);
	return false;
}

static void web_leave(Web *w)
{
	struct itimerspec in = { .it_value = { .tv_sec = w->linger_sec, .tv_nsec = 1 } };
	struct signalfd_siginfo info;
	if (read(w->signals, &info, sizeof(info)) > 0)
		timerfd_settime(w->timer, 0, &in, NULL);
}

static bool web_turn(Web *w)
{
	struct pollfd fds[MAX_CLIENTS + 3] = {
		{ w->listener, w->n_clients < MAX_CLIENTS ? POLLIN : 0, 0 },
		{ w->signals, POLLIN, 0 },
		{ w->timer, POLLIN, 0 },
	};
	int n = w->n_clients;
	for (int i = 0; i < n; i++)
		fds[i + 3] = (struct pollfd){ w->clients[i].fd, POLLIN, 0 };
	if (poll(fds, (nfds_t)n + 3, -1) < 0)
		return true;
	for (int i = n - 1; i >= 0; i--) {
		if (!fds[i + 3].revents || client_read(&w->clients[i], w->answer))
			continue;
		close(w->clients[i].fd);
		w->clients[i] = w->clients[--w->n_clients];
	}
	if (fds[0].revents)
		web_accept(w);
	if (fds[1].revents)
		web_leave(w);
	return !fds[2].revents;
}

int main(int argc, char **argv)
{
	static Web w;
	sigset_t term;
	if (argc != 3) {
		fprintf(stderr, "usage: web PORT LINGER\n");
		return 64;
	}
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	w.listener = web_listen((int)strtol(argv[1], NULL, 10));
	w.linger_sec = (int)strtol(argv[2], NULL, 10);
	w.signals = signalfd(-1, &term, SFD_CLOEXEC);
	w.timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	web_answer(&w);
	while (web_turn(&w))
		;
	return EXIT_SUCCESS;
}
