/* One call of the guard on the node. */
#pragma once
#include "ssh/guard-answer.h"
#include "ssh/request.h"

typedef struct Guarded {
	const char *op;
	bool needs_epoch; /* else it may be missing: nothing is fenced */
	const char *key; /* of the job, or NULL */
	const char *args; /* of the operation, already quoted */
	NodeCall call; /* command is filled in */
} Guarded;

/* *ret_answer borrows from *ret_result. */
bool guarded_call(const json_t *request, const Guarded *g, SshResult *ret_result,
	GuardAnswer *ret_answer, GError **err);

char *sha256_hex(const void *data, size_t len); /* caller frees */
