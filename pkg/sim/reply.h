/* Answers in the API server's words: Status objects. Texts after apimachinery's api/errors and the
 * eviction handler. */
#pragma once
#include "sim/store.h"

/* One of snap and json, or neither (the caller fills text). */
typedef struct SimAnswer {
	int status;
	SimSnap *snap; /* a reference */
	json_t *json;
	int retry_after_sec;
} SimAnswer;
void sim_answer_clear(SimAnswer *a);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SimAnswer, sim_answer_clear)

/* A failure; the message is in the server's words. kind and name may be NULL; causes is stolen and
 * may be NULL. */
SimAnswer sim_fail(int status, const char *reason, const SimKind *k, const char *name,
	json_t *causes, const char *fmt, ...) SL_PRINTF(6, 7);
SimAnswer sim_not_found(const SimKind *k, const char *name);
SimAnswer sim_conflict(const SimKind *k, const char *name, const char *why);
SimAnswer sim_expired(int64_t rv, int64_t compacted);
SimAnswer sim_bad_request(const char *fmt, ...) SL_PRINTF(1, 2);
json_t *sim_cause(const char *reason, const char *message, const char *field);
