#include "loop/listen.h"
#include "base/file.h"
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

static bool fill_path(const char *path, struct sockaddr_un *ret, GError **err)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (!*path || strlen(path) >= sizeof ret->sun_path)
		return sl_fail(err, SL_ERR_INVALID,
			"%s: is no usable socket path (at most %zu bytes)", path,
			sizeof ret->sun_path - 1);
	memcpy(ret->sun_path, path, strlen(path) + 1);
	return true;
}

/* Removes the file of a socket whose server is gone. */
static bool clear_stale(const struct sockaddr_un *at, GError **err)
{
	struct stat st;
	if (lstat(at->sun_path, &st) < 0)
		return true;
	if (!S_ISSOCK(st.st_mode))
		return sl_fail(err, SL_ERR_REFUSED, "%s: is there and is no socket", at->sun_path);
	SL_AUTO_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return sl_fail(err, SL_ERR_REFUSED, "socket: %s", g_strerror(errno));
	if (connect(fd, (const struct sockaddr *)at, sizeof *at) == 0 || errno != ECONNREFUSED)
		return sl_fail(
			err, SL_ERR_REFUSED, "%s: somebody listens there already", at->sun_path);
	unlink(at->sun_path);
	return true;
}

int listen_unix(const char *path, unsigned mode, GError **err)
{
	struct sockaddr_un at;
	if (!fill_path(path, &at, err) || !clear_stale(&at, err))
		return -1;
	SL_AUTO_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* Nobody can connect between bind and listen, so the mode is right before the first one. */
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || chmod(path, mode) < 0 ||
		listen(fd, LISTEN_BACKLOG) < 0) {
		sl_fail(err, SL_ERR_REFUSED, "%s: cannot listen: %s", path, g_strerror(errno));
		return -1;
	}
	int mine = fd;
	fd = -1;
	return mine;
}

/* Splits "host:port" and "[v6]:port". */
static bool split(const char *text, char **ret_host, char **ret_port)
{
	const char *colon = strrchr(text, ':');
	if (!colon || colon == text || !colon[1] || strspn(colon + 1, "0123456789") > 5 ||
		colon[1 + strspn(colon + 1, "0123456789")])
		return false;
	const char *start = text;
	size_t len = (size_t)(colon - text);
	if (*text == '[') {
		if (len < 3 || text[len - 1] != ']')
			return false;
		start = text + 1;
		len -= 2;
	} else if (memchr(text, ':', len)) {
		return false;
	}
	*ret_host = g_strndup(start, len);
	*ret_port = g_strdup(colon + 1);
	return true;
}

static int bind_one(const struct addrinfo *a)
{
	SL_AUTO_FD fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1;
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
		bind(fd, a->ai_addr, a->ai_addrlen) < 0 || listen(fd, LISTEN_BACKLOG) < 0)
		return -1;
	int mine = fd;
	fd = -1;
	return mine;
}

int listen_tcp(const char *host_port, GError **err)
{
	g_autofree char *host = NULL, *port = NULL;
	if (!split(host_port, &host, &port)) {
		sl_fail(err, SL_ERR_INVALID, "\"%s\" is no address to listen on; write HOST:PORT",
			host_port);
		return -1;
	}
	struct addrinfo *list = NULL, hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV };
	int r = getaddrinfo(host, port, &hints, &list);
	if (r != 0) {
		sl_fail(err, SL_ERR_INVALID, "%s: %s", host_port, gai_strerror(r));
		return -1;
	}
	int fd = -1;
	for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next)
		fd = bind_one(a);
	int saved = errno;
	freeaddrinfo(list);
	if (fd < 0)
		sl_fail(err, SL_ERR_REFUSED, "%s: cannot listen: %s", host_port, g_strerror(saved));
	return fd;
}

int listen_activated(const char *name, GError **err)
{
	char **names = NULL;
	int found = -1, n = sd_listen_fds_with_names(0, &names);
	if (n < 0) {
		sl_fail(err, SL_ERR_INVALID, "sockets handed over by systemd: %s", g_strerror(-n));
		return -1;
	}
	for (int i = 0; i < n && found < 0; i++)
		if (strcmp(names[i], name) == 0)
			found = SD_LISTEN_FDS_START + i;
	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
	if (found < 0)
		return -1;
	if (sd_is_socket(found, AF_UNSPEC, SOCK_STREAM, 1) <= 0) {
		sl_fail(err, SL_ERR_INVALID, "systemd's descriptor \"%s\" is no listening socket",
			name);
		return -1;
	}
	/* A copy, so that taking one twice cannot close a descriptor that is someone else's by now.
	 */
	int fd = fcntl(found, F_DUPFD_CLOEXEC, 3);
	if (fd >= 0)
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	else
		sl_fail(err, SL_ERR_REFUSED, "\"%s\": %s", name, g_strerror(errno));
	return fd;
}

typedef union Address {
	struct sockaddr any;
	struct sockaddr_un un;
	struct sockaddr_storage storage;
} Address;

static socklen_t own_address(int fd, Address *ret)
{
	socklen_t len = sizeof *ret;
	memset(ret, 0, sizeof *ret);
	return getsockname(fd, &ret->any, &len) == 0 ? len : 0;
}

char *listen_name(int fd)
{
	Address at;
	char host[INET6_ADDRSTRLEN + 16], port[8];
	socklen_t len = own_address(fd, &at);
	if (len && at.any.sa_family == AF_UNIX)
		return g_strdup_printf("unix:%s", at.un.sun_path);
	if (!len || getnameinfo(&at.any, len, host, sizeof host, port, sizeof port,
			    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return g_strdup("unknown");
	bool v6 = at.any.sa_family == AF_INET6;
	return g_strconcat(v6 ? "[" : "", host, v6 ? "]:" : ":", port, NULL);
}

int listen_port(int fd)
{
	Address at;
	char port[8];
	socklen_t len = own_address(fd, &at);
	if (!len || at.any.sa_family == AF_UNIX ||
		getnameinfo(&at.any, len, NULL, 0, port, sizeof port, NI_NUMERICSERV) != 0)
		return 0;
	return (int)g_ascii_strtoull(port, NULL, 10);
}
