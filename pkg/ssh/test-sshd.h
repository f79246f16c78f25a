/* For the tests: Debian's sshd with keys of its own, and requests that it accepts. */
#pragma once
#include "ssh/request.h"
#include "ssh/test-inetd.h"
#include <string.h>
#include <sys/wait.h>

typedef struct Sshd {
	char *dir, *conf, *hosts;
	int port, done[2];
	pid_t pid;
} Sshd;

static inline char *sshd_in(const Sshd *s, const char *name)
{
	return g_build_filename(s->dir, name, NULL);
}

static inline void sshd_run(const char *const *argv)
{
	int status = -1;
	g_assert_true(g_spawn_sync("/", (char **)argv, NULL,
		G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL, NULL,
		NULL, NULL, NULL, &status, NULL));
	g_assert_cmpint(status, ==, 0);
}
#define SSHD_RUN(...) sshd_run((const char *const[]){ __VA_ARGS__, NULL })

static inline void sshd_make_key(
	const Sshd *s, const char *name, const char *type, const char *phrase)
{
	g_autofree char *path = sshd_in(s, name);
	SSHD_RUN("ssh-keygen", "-q", "-t", type, "-N", phrase, "-f", path);
}

/* A line of known_hosts; prefix: "" or a marker. Caller frees. */
static inline char *sshd_line(const Sshd *s, const char *prefix, const char *key)
{
	g_autofree char *name = g_strconcat(key, ".pub", NULL);
	g_autofree char *path = sshd_in(s, name);
	g_autofree char *text = NULL;
	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	return g_strdup_printf("%s[127.0.0.1]:%d %s", prefix, s->port, text);
}

/* more: lines of sshd_config. Host keys host_ed25519 and host_ecdsa, the user's id_ed25519. */
static inline void sshd_begin(Sshd *s, const char *more)
{
	s->dir = g_dir_make_tmp("sl-ssh-XXXXXX", NULL);
	s->conf = sshd_in(s, "sshd_config");
	if (geteuid() == 0)
		g_mkdir_with_parents("/run/sshd", 0755);
	sshd_make_key(s, "host_ed25519", "ed25519", "");
	sshd_make_key(s, "host_ecdsa", "ecdsa", "");
	sshd_make_key(s, "id_ed25519", "ed25519", "");
	g_autofree char *text = g_strdup_printf(
		"HostKey %s/host_ed25519\nAuthorizedKeysFile %s/id_ed25519.pub %s/more.pub\n"
		"StrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin yes\n"
		"PasswordAuthentication no\nKbdInteractiveAuthentication no\n"
		"SetEnv HOME=%s PATH=%s/bin:/usr/sbin:/usr/bin:/sbin:/bin\n%s",
		s->dir, s->dir, s->dir, s->dir, s->dir, more);
	g_assert_true(g_file_set_contents(s->conf, text, -1, NULL));
	int fd = sshd_listen(&s->port);
	g_assert_cmpint(pipe2(s->done, O_CLOEXEC), ==, 0);
	s->pid = sshd_fork(fd, s->done[1], s->conf);
	close(s->done[1]);
	g_assert_cmpint(s->pid, >, 0);
	close(fd);
	s->hosts = sshd_line(s, "", "host_ed25519");
}

/* SIGUSR1 kills, SIGUSR2 stops what serves connections now; it is done when this returns. */
static inline void sshd_cut(const Sshd *s, int signo)
{
	char c;
	kill(s->pid, signo);
	g_assert_cmpint(read(s->done[0], &c, 1), ==, 1);
}

static inline void sshd_end(Sshd *s)
{
	kill(s->pid, SIGTERM);
	close(s->done[0]);
	while (waitpid(-1, NULL, 0) > 0)
		; /* PR_SET_CHILD_SUBREAPER: what it left became ours */
	SSHD_RUN("rm", "-rf", s->dir);
	g_free(s->dir);
	g_free(s->conf);
	g_free(s->hosts);
}

/* A request with the good key and host key. */
static inline json_t *sshd_request(const Sshd *s, const char *op)
{
	g_autofree char *key = sshd_in(s, "id_ed25519");
	return json_pack("{s:s, s:s, s:i, s:s, s:{s:s}, s:{s:s}, s:s}", "op", op, "host",
		"127.0.0.1", "port", s->port, "user", g_get_user_name(), "key", "file", key,
		"knownHosts", "text", s->hosts, "become", "none");
}
