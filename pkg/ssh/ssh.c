#include "ssh/request.h"
#include <string.h>

static const struct {
	const char *name;
	json_t *(*run)(const json_t *request, GError **err);
} ops[] = {
	{ "run", ssh_op_run },
	{ "start", ssh_op_start },
	{ "look", ssh_op_look },
	{ "put", ssh_op_put },
	{ "get", ssh_op_get },
	{ "fetch", ssh_op_fetch },
};

json_t *ssh_verb(const json_t *request, GError **err)
{
	const char *op = request_text(request, "op", err);
	if (!op)
		return NULL;
	for (size_t i = 0; i < G_N_ELEMENTS(ops); i++)
		if (strcmp(op, ops[i].name) == 0)
			return ops[i].run(request, err);
	sl_fail(err, SL_ERR_INVALID, "request: there is no \"op\" \"%s\"", op);
	return NULL;
}
