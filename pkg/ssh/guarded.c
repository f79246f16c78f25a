#include "ssh/guarded.h"
#include "ssh/guard.h"
#include <string.h>

/* The guard itself speaks of what stopped it. */
static bool refusal(
	const json_t *request, const Guarded *g, const GuardAnswer *a, int64_t epoch, GError **err)
{
	const char *host = json_string_value(json_object_get(request, "host"));
	g_autofree char *stale = guard_answer_word(a, "stale");
	g_autofree char *taken = guard_answer_word(a, "taken");
	g_autofree char *error = guard_answer_word(a, "error");
	if (stale)
		return sl_fail(err, SL_ERR_REFUSED,
			"%s: epoch %" G_GINT64_FORMAT " is lower than %s, the highest it has seen: "
			"another controller is in charge",
			host, epoch, stale);
	if (taken)
		return sl_fail(err, SL_ERR_CONFLICT,
			"%s: job %s was begun there with another command", host, g->key);
	return !error || sl_fail(err, SL_ERR_REFUSED, "%s: %s", host, error);
}

static char *end_text(const SshResult *r)
{
	return r->signal ? g_strdup_printf("signal %s: %s", r->signal, r->err)
			 : g_strdup_printf("exit code %d: %s", r->exit_code, r->err);
}

static bool read_answer(const json_t *request, const Guarded *g, const SshResult *r, int64_t epoch,
	GuardAnswer *ret, GError **err)
{
	const char *host = json_string_value(json_object_get(request, "host"));
	g_autofree char *end = end_text(r);
	if (!guard_answer_parse(r->out->data, r->out->len, ret))
		return sl_fail(err, SL_ERR_REFUSED, "%s: commands cannot be run there as root: %s",
			host, end);
	if (!refusal(request, g, ret, epoch, err))
		return false;
	if (r->exit_code == 0)
		return true;
	return sl_fail(err, g->call.effects ? SL_ERR_UNKNOWN_OUTCOME : SL_ERR_RETRY,
		"%s: the guard ended in the middle, %s", host, end);
}

bool guarded_call(const json_t *request, const Guarded *g, SshResult *ret_result,
	GuardAnswer *ret_answer, GError **err)
{
	int64_t epoch;
	const json_t *state = json_object_get(request, "state");
	const char *dir = state ? json_string_value(state) : "/var/lib/shiplock";
	if (!request_number(request, "epoch", 0, g->needs_epoch ? 1 : 0, INT64_MAX, &epoch, err))
		return false;
	if (!dir || *dir != '/')
		return sl_fail(err, SL_ERR_INVALID, "request: \"state\" must be an absolute path");
	g_autofree char *text = guard_text();
	g_autofree char *script = shell_quote(text);
	g_autofree char *quoted = shell_quote(dir);
	g_autofree char *line =
		g_strdup_printf("/bin/sh -c %s shiplock-guard %s %s %" G_GINT64_FORMAT " %s %s",
			script, g->op, quoted, epoch, g->key ? g->key : "-", g->args);
	NodeCall call = g->call;
	call.command = line;
	if (!node_call(request, &call, ret_result, err))
		return false;
	if (read_answer(request, g, ret_result, epoch, ret_answer, err))
		return true;
	guard_answer_clear(ret_answer);
	return false;
}

char *sha256_hex(const void *data, size_t len)
{
	return g_compute_checksum_for_data(G_CHECKSUM_SHA256, data, len);
}
