#include "creds/exec.h"
#include "base/file.h"
#include "codec/json.h"
#include "objects/time.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

struct CredsExecRun {
	Loop loop;
	char *command, *api_version;
	CredsExecDone *done;
	void *ud;
	pid_t pid;
	int out;
	sd_event_source *child, *output;
	uint64_t timer;
	GString *text;
	GError *failure; /* why it was stopped, or could not start */
};

static void secret_clear(char **s)
{
	if (*s)
		explicit_bzero(*s, strlen(*s));
	g_clear_pointer(s, g_free);
}

void creds_exec_result_clear(CredsExecResult *r)
{
	secret_clear(&r->token);
	secret_clear(&r->key_pem);
	g_clear_pointer(&r->cert_pem, g_free);
}

static bool parse_status(const json_t *doc, CredsExecResult *ret, GError **err)
{
	const char *token = json_path_str(doc, "status.token", "");
	const char *cert = json_path_str(doc, "status.clientCertificateData", "");
	const char *key = json_path_str(doc, "status.clientKeyData", "");
	const char *until = json_path_str(doc, "status.expirationTimestamp", "");
	int64_t expires = INT64_MAX;
	if (!*token && !*cert)
		return sl_fail(err, SL_ERR_INVALID, "it gave neither a token nor a certificate");
	if (!*cert != !*key)
		return sl_fail(err, SL_ERR_INVALID, "it gave only one of certificate and key");
	if (*until && !sl_time_parse(until, &expires))
		return sl_fail(err, SL_ERR_INVALID, "its expirationTimestamp is no time");
	*ret = (CredsExecResult){
		.token = *token ? g_strdup(token) : NULL,
		.cert_pem = *cert ? g_strdup(cert) : NULL,
		.key_pem = *key ? g_strdup(key) : NULL,
		.expires_usec = expires,
	};
	return true;
}

bool creds_exec_parse(
	const char *text, size_t len, const char *api_version, CredsExecResult *ret, GError **err)
{
	g_autoptr(json_t) doc = json_parse(text, len, NULL);
	if (!doc)
		return sl_fail(err, SL_ERR_INVALID, "it did not print JSON");
	if (strcmp(json_path_str(doc, "kind", ""), "ExecCredential") != 0 ||
		strcmp(json_path_str(doc, "apiVersion", ""), api_version) != 0)
		return sl_fail(err, SL_ERR_INVALID, "it did not print an ExecCredential of %s",
			api_version);
	return parse_status(doc, ret, err);
}

static void run_end(CredsExecRun *r, GError *failure)
{
	g_autoptr(GError) err = failure;
	CredsExecResult result = { 0 };
	loop_cancel(r->loop, &r->timer);
	bool ok =
		!err && creds_exec_parse(r->text->str, r->text->len, r->api_version, &result, &err);
	if (!ok)
		g_prefix_error(&err, "credential plugin %s: ", r->command);
	CredsExecDone *done = r->done;
	r->done = NULL;
	done(&result, err, r->ud);
	creds_exec_result_clear(&result);
}

static void kill_group(CredsExecRun *r)
{
	if (r->pid > 0)
		kill(-r->pid, SIGKILL);
}

static void stop(CredsExecRun *r, const char *why)
{
	if (!r->failure)
		sl_fail(&r->failure, SL_ERR_REFUSED, "%s", why);
	kill_group(r);
}

static void on_timeout(void *ud)
{
	CredsExecRun *r = ud;
	r->timer = 0;
	stop(r, "it did not end in time and was killed");
}

/* False when it has said all, or too much. */
static bool read_some(CredsExecRun *r)
{
	char buf[16384];
	for (;;) {
		ssize_t n = read(r->out, buf, sizeof buf);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 && errno == EAGAIN;
		g_string_append_len(r->text, buf, n);
		explicit_bzero(buf, (size_t)n);
		if (r->text->len > CREDS_EXEC_MAX_BYTES) {
			stop(r, "it printed too much and was killed");
			return false;
		}
	}
}

static int on_output(sd_event_source *s, int fd, uint32_t revents, void *ud)
{
	if (!read_some(ud))
		sd_event_source_set_enabled(s, SD_EVENT_OFF);
	return 0;
}

static int on_exit_(sd_event_source *s, const siginfo_t *si, void *ud)
{
	CredsExecRun *r = ud;
	GError *err = NULL;
	if (!r->failure)
		read_some(r);
	kill_group(r); /* what it left behind in the background */
	r->pid = 0;
	if (r->failure)
		err = g_steal_pointer(&r->failure);
	else if (si->si_code != CLD_EXITED)
		sl_fail(&err, SL_ERR_REFUSED, "it was killed by signal %d", si->si_status);
	else if (si->si_status != 0)
		sl_fail(&err, SL_ERR_REFUSED, "it ended with status %d", si->si_status);
	run_end(r, err);
	return 0;
}

static void on_not_started(void *ud)
{
	CredsExecRun *r = ud;
	r->timer = 0;
	run_end(r, g_steal_pointer(&r->failure));
}

static char *exec_info(const CredsExec *x)
{
	g_autoptr(json_t) v = json_pack("{s:s, s:s, s:{s:b}}", "apiVersion", x->api_version, "kind",
		"ExecCredential", "spec", "interactive", 0);
	if (x->cluster)
		json_object_set(json_object_get(v, "spec"), "cluster", x->cluster);
	g_autofree char *text = json_canonical(v);
	return g_strconcat("KUBERNETES_EXEC_INFO=", text, NULL);
}

/* Our environment, then the file's entries, which win. Caller frees. */
static char **child_env(const CredsExec *x)
{
	char **env = g_get_environ();
	g_autofree char *info = exec_info(x);
	for (char **e = x->env; *e; e++) {
		g_autofree char *name = g_strndup(*e, (gsize)(strchr(*e, '=') - *e));
		env = g_environ_setenv(env, name, strchr(*e, '=') + 1, true);
	}
	return g_environ_setenv(env, "KUBERNETES_EXEC_INFO", strchr(info, '=') + 1, true);
}

static int spawn(const CredsExec *x, int out, pid_t *ret)
{
	size_t n = g_strv_length(x->args);
	g_autofree char **argv = g_new0(char *, n + 2);
	g_auto(GStrv) env = child_env(x);
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	sigset_t none, pipe;
	argv[0] = x->command;
	memcpy(argv + 1, x->args, n * sizeof *argv);
	sigemptyset(&none);
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_addopen(&fa, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&fa, out, STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&fa, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addclosefrom_np(&fa, STDERR_FILENO + 1);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(
		&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &pipe);
	posix_spawnattr_setpgroup(&attr, 0);
	int rc = posix_spawnp(ret, x->command, &fa, &attr, argv, env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&fa);
	return rc;
}

static bool start(CredsExecRun *r, sd_event *event, const CredsExec *x, GError **err)
{
	int fds[2];
	if (pipe2(fds, O_CLOEXEC) < 0)
		return sl_fail(err, SL_ERR_RETRY, "no pipe: %s", g_strerror(errno));
	SL_AUTO_FD out = fds[1];
	r->out = fds[0];
	fcntl(r->out, F_SETFL, O_NONBLOCK);
	int rc = spawn(x, out, &r->pid);
	if (rc != 0) {
		r->pid = 0;
		return sl_fail(err, SL_ERR_REFUSED, "cannot be started: %s%s%s", g_strerror(rc),
			x->install_hint ? ". " : "", x->install_hint ? x->install_hint : "");
	}
	if (sd_event_add_child(event, &r->child, r->pid, WEXITED, on_exit_, r) < 0 ||
		sd_event_source_set_child_process_own(r->child, true) < 0 ||
		sd_event_add_io(event, &r->output, r->out, EPOLLIN, on_output, r) < 0) {
		kill_group(r);
		if (!r->child)
			waitpid(r->pid, NULL, 0);
		return sl_fail(err, SL_ERR_REFUSED, "cannot be watched");
	}
	return true;
}

CredsExecRun *creds_exec_start(sd_event *event, Loop loop, const CredsExec *x, int timeout_sec,
	CredsExecDone *done, void *ud)
{
	CredsExecRun *r = g_new0(CredsExecRun, 1);
	int64_t limit = timeout_sec ? timeout_sec : CREDS_EXEC_TIMEOUT_SEC;
	r->loop = loop;
	r->command = g_strdup(x->command);
	r->api_version = g_strdup(x->api_version);
	r->done = done;
	r->ud = ud;
	r->out = -1;
	r->text = g_string_new(NULL);
	if (start(r, event, x, &r->failure))
		r->timer = loop_timer(
			loop, loop_boot_usec(loop) + limit * SL_USEC_PER_SEC, on_timeout, r);
	else
		r->timer = loop_defer(loop, on_not_started, r);
	return r;
}

void creds_exec_free(CredsExecRun *r)
{
	if (!r)
		return;
	loop_cancel(r->loop, &r->timer);
	kill_group(r);
	sd_event_source_disable_unref(r->output);
	sd_event_source_disable_unref(r->child); /* kills and reaps what still runs */
	sl_close(&r->out);
	explicit_bzero(r->text->str, r->text->len);
	g_string_free(r->text, TRUE);
	g_clear_error(&r->failure);
	g_free(r->command);
	g_free(r->api_version);
	g_free(r);
}
