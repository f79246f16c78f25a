#include "job/job-wire.h"
#include "codec/json.h"
#include <string.h>

static const char *const names[] = {
	[SL_ERR_INVALID] = "invalid",
	[SL_ERR_NOT_FOUND] = "notFound",
	[SL_ERR_CONFLICT] = "conflict",
	[SL_ERR_REFUSED] = "refused",
	[SL_ERR_RETRY] = "retry",
	[SL_ERR_UNKNOWN_OUTCOME] = "unknownOutcome",
	[SL_ERR_CANCELLED] = "cancelled",
};

const char *job_error_name(SlErr code)
{
	g_assert((size_t)code < G_N_ELEMENTS(names));
	return names[code];
}

char *job_error_text(const GError *err)
{
	g_autofree char *message = g_utf8_make_valid(err->message, -1);
	g_autoptr(json_t) v = json_object();
	json_t *inner = json_object();
	json_object_set_new(inner, "code", json_string(job_error_name((SlErr)err->code)));
	json_object_set_new(inner, "message", json_string(message));
	json_object_set_new(v, "error", inner);
	return json_canonical(v);
}

bool job_error_raise(const char *text, size_t len, GError **err)
{
	g_autoptr(json_t) v = json_parse(text, len, NULL);
	const char *code = v ? json_path_str(v, "error.code", "") : "";
	const char *message = v ? json_path_str(v, "error.message", NULL) : NULL;
	for (size_t i = 0; message && i < G_N_ELEMENTS(names); i++)
		if (strcmp(code, names[i]) == 0)
			return sl_fail(err, (SlErr)i, "%s", message);
	return sl_fail(err, SL_ERR_UNKNOWN_OUTCOME,
		"the worker failed and gave no reason that can be read");
}
