#include "job/child.h"
#include "base/file.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHUNK_BYTES = 64 << 10 };

struct Child {
	pid_t pid;
	int fd[CHILD_N_STREAMS];
	char *input;
	size_t n_input, written;
	GString *out, *err;
	size_t max_out, max_err;
	bool overflowed, reaped;
	siginfo_t end;
};

/* Our end stays non-blocking; the child's end is an ordinary blocking one. stdin is a socket,
 * because only that can be written without SIGPIPE. */
static bool make_streams(int ours[CHILD_EXIT], int theirs[CHILD_EXIT])
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return false;
	ours[CHILD_IN] = pair[0];
	theirs[CHILD_IN] = pair[1];
	for (int s = CHILD_OUT; s <= CHILD_ERR; s++) {
		if (pipe2(pair, O_CLOEXEC) < 0)
			return false;
		ours[s] = pair[0];
		theirs[s] = pair[1];
	}
	for (int s = 0; s < CHILD_EXIT; s++)
		fcntl(ours[s], F_SETFL, fcntl(ours[s], F_GETFL) | O_NONBLOCK);
	return true;
}

static int spawn(const ChildSpec *spec, const int theirs[CHILD_EXIT], pid_t *ret_pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	for (int s = 0; s < CHILD_EXIT; s++)
		posix_spawn_file_actions_adddup2(&files, theirs[s], s);
	posix_spawn_file_actions_addclosefrom_np(&files, CHILD_EXIT);
	int r = posix_spawn(ret_pid, spec->argv[0], &files, &attr, spec->argv, spec->envp);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	return r;
}

/* Descriptors 0 to 2 may be closed in us; a stream of ours there would be overwritten by dup2. */
static void lift(int fds[CHILD_EXIT])
{
	for (int s = 0; s < CHILD_EXIT; s++) {
		if (fds[s] < 0 || fds[s] >= CHILD_EXIT)
			continue;
		int higher = fcntl(fds[s], F_DUPFD_CLOEXEC, CHILD_EXIT);
		if (higher >= 0) {
			close(fds[s]);
			fds[s] = higher;
		}
	}
}

Child *child_start(const ChildSpec *spec, GError **err)
{
	g_autoptr(Child) c = g_new0(Child, 1);
	int theirs[CHILD_EXIT] = { -1, -1, -1 };
	for (int s = 0; s < CHILD_N_STREAMS; s++)
		c->fd[s] = -1;
	c->out = g_string_new("");
	c->err = g_string_new("");
	c->max_out = spec->max_out_bytes;
	c->max_err = spec->max_err_bytes;
	bool piped = make_streams(c->fd, theirs);
	int r = piped ? 0 : errno;
	lift(theirs);
	if (piped)
		r = spawn(spec, theirs, &c->pid);
	for (int s = 0; s < CHILD_EXIT; s++)
		sl_close(&theirs[s]);
	if (r != 0) {
		c->reaped = true;
		sl_fail(err, SL_ERR_RETRY, "%s: cannot start: %s", spec->argv[0], g_strerror(r));
		return NULL;
	}
	c->fd[CHILD_EXIT] = pidfd_open(c->pid, 0);
	if (c->fd[CHILD_EXIT] < 0) {
		sl_fail(err, SL_ERR_RETRY, "%s: pidfd: %s", spec->argv[0], g_strerror(errno));
		return NULL;
	}
	c->input = g_memdup2(spec->input, spec->n_input);
	c->n_input = spec->n_input;
	child_serve(c, CHILD_IN);
	return g_steal_pointer(&c);
}

void child_free(Child *c)
{
	if (!c)
		return;
	if (!c->reaped && c->pid > 0) {
		kill(c->pid, SIGKILL);
		while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	for (int s = 0; s < CHILD_N_STREAMS; s++)
		sl_close(&c->fd[s]);
	g_string_free(c->out, TRUE);
	g_string_free(c->err, TRUE);
	g_free(c->input);
	g_free(c);
}

int child_fd(const Child *c, ChildStream s)
{
	return c->fd[s];
}

bool child_wants_write(ChildStream s)
{
	return s == CHILD_IN;
}

int child_pid(const Child *c)
{
	return c->pid;
}

void child_kill(Child *c)
{
	if (!c->reaped)
		pidfd_send_signal(c->fd[CHILD_EXIT], SIGKILL, NULL, 0);
}

/* A child that does not want its input is no error: what it answers is what counts. */
static void serve_in(Child *c)
{
	while (c->written < c->n_input) {
		ssize_t n = send(c->fd[CHILD_IN], c->input + c->written, c->n_input - c->written,
			MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			break;
		c->written += (size_t)n;
	}
	sl_close(&c->fd[CHILD_IN]);
	g_clear_pointer(&c->input, g_free);
}

static void keep(Child *c, ChildStream s, const char *buf, size_t n)
{
	GString *to = s == CHILD_OUT ? c->out : c->err;
	size_t max = s == CHILD_OUT ? c->max_out : c->max_err;
	size_t room = max > to->len ? max - to->len : 0;
	g_string_append_len(to, buf, (gssize)MIN(n, room));
	if (s == CHILD_OUT && n > room) {
		c->overflowed = true;
		child_kill(c);
	}
}

/* True while there may be more. */
static bool read_some(Child *c, ChildStream s)
{
	char buf[CHUNK_BYTES];
	ssize_t n = read(c->fd[s], buf, sizeof buf);
	if (n > 0)
		keep(c, s, buf, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		sl_close(&c->fd[s]);
	return n > 0 || (n < 0 && errno == EINTR);
}

static void serve_exit(Child *c)
{
	if (waitid(P_PIDFD, (id_t)c->fd[CHILD_EXIT], &c->end, WEXITED | WNOHANG) < 0 ||
		c->end.si_pid == 0)
		return;
	c->reaped = true;
	/* All it wrote is in the pipes by now; a grandchild that keeps them open is not waited for.
	 */
	for (int s = CHILD_OUT; s <= CHILD_ERR; s++) {
		while (c->fd[s] >= 0 && !c->overflowed && read_some(c, (ChildStream)s))
			;
	}
	for (int s = 0; s < CHILD_N_STREAMS; s++)
		sl_close(&c->fd[s]);
	g_clear_pointer(&c->input, g_free);
}

void child_serve(Child *c, ChildStream s)
{
	if (c->fd[s] < 0)
		return;
	if (s == CHILD_IN)
		serve_in(c);
	else if (s == CHILD_EXIT)
		serve_exit(c);
	else
		read_some(c, s);
}

bool child_ended(const Child *c)
{
	return c->reaped;
}

bool child_overflowed(const Child *c)
{
	return c->overflowed;
}

int child_exit_code(const Child *c)
{
	return c->end.si_code == CLD_EXITED ? c->end.si_status : -1;
}

int child_signal(const Child *c)
{
	return c->end.si_code == CLD_EXITED ? 0 : c->end.si_status;
}

const char *child_out(const Child *c, size_t *ret_len)
{
	*ret_len = c->out->len;
	return c->out->str;
}

const char *child_err(const Child *c)
{
	g_autofree char *valid = g_utf8_make_valid(c->err->str, (gssize)c->err->len);
	g_strchomp(valid);
	for (char *p = valid; *p; p++)
		if ((unsigned char)*p < ' ')
			*p = ' ';
	g_string_assign(c->err, valid);
	return c->err->str;
}
