#include "ssh/session-private.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { BUFFER_BYTES = 32 << 10 };

typedef struct Call {
	Ssh *s;
	const SshCall *in;
	SshResult *out;
	LIBSSH2_CHANNEL *channel;
	GByteArray *err;
	const char *at; /* what of the input is not sent */
	size_t left;
	bool input_done;
	char *buffer; /* for input_fd: libssh2 wants the same bytes again after EAGAIN */
	char chunk[BUFFER_BYTES];
} Call;

void ssh_result_clear(SshResult *r)
{
	g_clear_pointer(&r->out, g_byte_array_unref);
	g_clear_pointer(&r->err, g_free);
	g_clear_pointer(&r->signal, g_free);
}

static bool refill(Call *c, GError **err)
{
	if (c->left > 0 || c->in->input_fd < 0)
		return true;
	ssize_t n;
	while ((n = read(c->in->input_fd, c->buffer, BUFFER_BYTES)) < 0)
		if (errno != EINTR)
			return sl_fail(
				err, SL_ERR_RETRY, "reading what to send: %s", g_strerror(errno));
	c->at = c->buffer;
	c->left = (size_t)n;
	return true;
}

/* Sends what it can. A command that ended without reading everything is no error here. */
static bool send_some(Call *c, bool *went, GError **err)
{
	while (!c->input_done) {
		if (!refill(c, err))
			return false;
		ssize_t n = c->left ? libssh2_channel_write(c->channel, c->at, c->left)
				    : libssh2_channel_send_eof(c->channel);
		if (n == LIBSSH2_ERROR_EAGAIN)
			return true;
		*went = true;
		if (c->left && n == 0)
			return true;
		if (n < 0 && n != LIBSSH2_ERROR_CHANNEL_CLOSED &&
			n != LIBSSH2_ERROR_CHANNEL_EOF_SENT)
			return ssh_fail(c->s, SL_ERR_RETRY, "the connection broke", err);
		c->input_done = n < 0 || c->left == 0;
		if (n > 0) {
			c->at += n;
			c->left -= (size_t)n;
		}
	}
	return true;
}

static bool read_some(Call *c, int stream, bool *went, GError **err)
{
	ssize_t n;
	while ((n = libssh2_channel_read_ex(c->channel, stream, c->chunk, sizeof c->chunk)) > 0) {
		*went = true;
		GByteArray *to = stream ? c->err : c->out->out;
		size_t room = (stream ? SSH_MAX_STDERR_BYTES : c->in->max_out_bytes) - to->len;
		if (!stream && (size_t)n > room)
			return sl_fail(err, SL_ERR_REFUSED,
				"%s: the command prints more than %zu bytes; cut off", c->s->host,
				c->in->max_out_bytes);
		size_t fits = (size_t)n < room ? (size_t)n : room;
		g_byte_array_append(to, (const unsigned char *)c->chunk, (unsigned)fits);
	}
	return n == 0 || n == LIBSSH2_ERROR_EAGAIN ||
	       ssh_fail(c->s, SL_ERR_RETRY, "the connection broke", err);
}

static bool talk(Call *c, GError **err)
{
	while (!libssh2_channel_eof(c->channel)) {
		bool went = false;
		if (!send_some(c, &went, err) || !read_some(c, 0, &went, err) ||
			!read_some(c, SSH_EXTENDED_DATA_STDERR, &went, err))
			return false;
		if (!went && !libssh2_channel_eof(c->channel) && !ssh_wait(c->s, err))
			return false;
	}
	return true;
}

/* The signal first: libssh2 reports exit status 0 for a command that one killed. */
static bool read_end(Call *c, GError **err)
{
	int rc;
	char *name = NULL;
	if (!SSH_AGAIN(c->s, rc, libssh2_channel_wait_closed(c->channel), err))
		return false;
	if (rc < 0)
		return ssh_fail(c->s, SL_ERR_RETRY, "the connection broke", err);
	libssh2_channel_get_exit_signal(c->channel, &name, NULL, NULL, NULL, NULL, NULL);
	c->out->exit_code = name ? -1 : libssh2_channel_get_exit_status(c->channel);
	c->out->signal = g_strdup(name);
	if (name)
		libssh2_free(c->s->session, name);
	return true;
}

static bool open_channel(Call *c, GError **err)
{
	int rc;
	while (!(c->channel = libssh2_channel_open_session(c->s->session))) {
		if (libssh2_session_last_errno(c->s->session) != LIBSSH2_ERROR_EAGAIN)
			return ssh_fail(c->s, SL_ERR_RETRY, "no command can be started", err);
		if (!ssh_wait(c->s, err))
			return false;
	}
	c->out->sent = true;
	if (!SSH_AGAIN(c->s, rc, libssh2_channel_exec(c->channel, c->in->command), err))
		return false;
	return rc == 0 || ssh_fail(c->s, SL_ERR_RETRY, "the command was not taken", err);
}

bool ssh_call(Ssh *s, const SshCall *call, SshResult *ret, GError **err)
{
	g_auto(Deadline) deadline = { .fd = -1 };
	g_autofree char *buffer = g_malloc(BUFFER_BYTES);
	g_autofree Call *c = g_new(Call, 1);
	*c = (Call){ .s = s, .in = call, .out = ret, .buffer = buffer };
	*ret = (SshResult){ .out = g_byte_array_new(), .exit_code = -1 };
	if (!deadline_begin(&deadline, call->msec, err))
		return false;
	s->command = &deadline;
	s->n_silent = 0;
	c->err = g_byte_array_new();
	c->at = call->input;
	c->left = call->n_input;
	bool ok = open_channel(c, err) && talk(c, err) && read_end(c, err);
	s->command = NULL;
	g_byte_array_append(ret->out, (const unsigned char *)"", 1);
	g_byte_array_set_size(ret->out, ret->out->len - 1);
	g_byte_array_append(c->err, (const unsigned char *)"", 1);
	ret->err = g_utf8_make_valid(g_strchomp((char *)c->err->data), -1);
	g_byte_array_unref(c->err);
	return ok;
}
