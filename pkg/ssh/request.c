#include "ssh/request.h"
#include "base/file.h"
#include <string.h>

enum {
	MAX_SECRET_BYTES = 1 << 20,
	MAX_MSEC = 24 * 3600 * 1000,
	MIN_KEEPALIVE_MSEC = 2000, /* libssh2 sends no two within a shorter time */
};

const char *request_text(const json_t *request, const char *name, GError **err)
{
	const char *s = json_string_value(json_object_get(request, name));
	if (s && *s)
		return s;
	sl_fail(err, SL_ERR_INVALID, "request: \"%s\" is missing", name);
	return NULL;
}

bool request_number(const json_t *request, const char *name, int64_t def, int64_t min, int64_t max,
	int64_t *ret, GError **err)
{
	const json_t *v = json_object_get(request, name);
	int64_t n = v ? json_integer_value(v) : def;
	if ((v && !json_is_integer(v)) || n < min || n > max)
		return sl_fail(err, SL_ERR_INVALID,
			"request: \"%s\" must be a number from %" G_GINT64_FORMAT
			" to %" G_GINT64_FORMAT,
			name, min, max);
	*ret = n;
	return true;
}

char *request_secret(const json_t *request, const char *name, GError **err)
{
	const json_t *ref = json_object_get(request, name);
	const char *text = json_string_value(json_object_get(ref, "text"));
	const char *path = json_string_value(json_object_get(ref, "file"));
	if (text)
		return g_strdup(text);
	if (!path) {
		sl_fail(err, SL_ERR_INVALID, "request: \"%s\" must have \"file\" or \"text\"",
			name);
		return NULL;
	}
	char *read = sl_read_file(path, MAX_SECRET_BYTES, NULL, err);
	if (!read)
		g_prefix_error(err, "%s: ", name);
	return read;
}

char *shell_quote(const char *text)
{
	g_auto(GStrv) parts = g_strsplit(text, "'", -1);
	g_autofree char *inner = g_strjoinv("'\\''", parts);
	return g_strconcat("'", inner, "'", NULL);
}

typedef struct Access {
	SshTarget target;
	char *key, *known_hosts;
	int64_t session_msec, command_msec;
	bool sudo;
} Access;

static void access_clear(Access *a)
{
	g_free(a->key);
	g_free(a->known_hosts);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Access, access_clear)

static bool read_key(Access *a, const json_t *request, GError **err)
{
	const json_t *key = json_object_get(request, "key"), *agent = json_object_get(key, "agent");
	a->target.agent = json_string_value(agent);
	if (json_is_string(agent) || json_is_true(agent))
		return true;
	a->key = request_secret(request, "key", err);
	a->target.key = a->key;
	a->target.key_name = json_string_value(json_object_get(key, "file"));
	if (!a->target.key_name)
		a->target.key_name = "the key";
	return a->key != NULL;
}

static bool access_read(Access *a, const json_t *request, GError **err)
{
	int64_t port, keepalive;
	const json_t *become = json_object_get(request, "become");
	const char *way = become ? json_string_value(become) : "sudo";
	if (!way || (strcmp(way, "sudo") != 0 && strcmp(way, "none") != 0))
		return sl_fail(
			err, SL_ERR_INVALID, "request: \"become\" must be \"sudo\" or \"none\"");
	a->sudo = strcmp(way, "sudo") == 0;
	a->target.host = request_text(request, "host", err);
	if (!a->target.host || !(a->target.user = request_text(request, "user", err)) ||
		!request_number(request, "port", 22, 1, 65535, &port, err) ||
		!request_number(request, "keepaliveMsec", 5000, MIN_KEEPALIVE_MSEC, MAX_MSEC,
			&keepalive, err) ||
		!request_number(
			request, "sessionMsec", 60000, 1, MAX_MSEC, &a->session_msec, err) ||
		!request_number(request, "commandMsec", 30000, 1, MAX_MSEC, &a->command_msec, err))
		return false;
	a->target.port = (int)port;
	a->target.keepalive_msec = (int)keepalive;
	if (!read_key(a, request, err))
		return false;
	a->known_hosts = request_secret(request, "knownHosts", err);
	a->target.known_hosts = a->known_hosts;
	return a->known_hosts != NULL;
}

/* An error after the command was handed over says nothing about its effect. */
static bool call_fail(const NodeCall *call, const SshResult *r, GError **err)
{
	if (!call->effects || !r->sent)
		return false;
	if (err && *err) {
		(*err)->code = SL_ERR_UNKNOWN_OUTCOME;
		g_prefix_error(err, "it may have happened, the same request settles it: ");
	}
	return false;
}

bool node_call(const json_t *request, const NodeCall *call, SshResult *ret, GError **err)
{
	g_auto(Access) a = { 0 };
	g_auto(Deadline) whole = { .fd = -1 };
	if (!access_read(&a, request, err) ||
		!deadline_begin(&whole, (unsigned)a.session_msec, err))
		return false;
	g_autoptr(Ssh) s = ssh_open(&a.target, &whole, err);
	if (!s)
		return false;
	/* exec: one process less between sshd and the command, and its signals come through. */
	g_autofree char *line =
		g_strconcat("exec ", a.sudo ? "sudo -n -- " : "", call->command, NULL);
	return ssh_call(s,
		       &(SshCall){ .command = line,
			       .input = call->input,
			       .n_input = call->n_input,
			       .input_fd = call->input_fd,
			       .max_out_bytes = call->max_out_bytes,
			       .msec = (unsigned)a.command_msec },
		       ret, err) ||
	       call_fail(call, ret, err);
}
