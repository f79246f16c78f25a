#include "ssh/guard-answer.h"
#include "ssh/request.h"
#include <string.h>

json_t *ssh_op_run(const json_t *request, GError **err)
{
	g_auto(SshResult) r = { 0 };
	int64_t max, msec;
	const char *command = request_text(request, "command", err);
	if (!command ||
		!request_number(request, "maxBytes", 1 << 20, 1, SSH_MAX_ANSWER_BYTES, &max, err) ||
		!request_number(request, "commandMsec", 30000, 1, INT32_MAX, &msec, err))
		return NULL;
	if (strlen(command) > SSH_MAX_RUN_BYTES) {
		sl_fail(err, SL_ERR_INVALID, "request: \"command\" is longer than %d bytes",
			SSH_MAX_RUN_BYTES);
		return NULL;
	}
	/* When we are gone, the node ends it by itself soon after. */
	g_autofree char *quoted = shell_quote(command);
	g_autofree char *line = g_strdup_printf(
		"timeout -k 5 %" G_GINT64_FORMAT " /bin/sh -c %s", msec / 1000 + 2, quoted);
	NodeCall call = { .command = line, .input_fd = -1, .max_out_bytes = (size_t)max };
	if (!node_call(request, &call, &r, err))
		return NULL;
	json_t *v = json_object();
	json_object_set_new(v, "ok", json_boolean(r.exit_code == 0));
	json_object_set_new(v, "exitCode", r.signal ? json_null() : json_integer(r.exit_code));
	json_object_set_new(v, "signal", r.signal ? json_string(r.signal) : json_null());
	json_object_set_new(v, "out", answer_text(r.out->data, r.out->len));
	json_object_set_new(v, "err", json_string(r.err));
	return v;
}
