/* What the guard said: a line "shiplock-node 1", lines "WORD VALUE", then perhaps a line "out" and
 * bytes. */
#pragma once
#include "base/error.h"
#include <jansson.h>

typedef struct GuardAnswer {
	char *head;
	const unsigned char *bytes; /* borrowed from what was parsed; NULL: no "out" */
	size_t n_bytes;
} GuardAnswer;

/* False when the first line is another. Both bytes and len as ssh_call() gives them. */
bool guard_answer_parse(const unsigned char *bytes, size_t len, GuardAnswer *ret);
void guard_answer_clear(GuardAnswer *a);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(GuardAnswer, guard_answer_clear)

/* The value behind a word, "" for a word alone; NULL when it is not there. Caller frees. */
char *guard_answer_word(const GuardAnswer *a, const char *word);
int64_t guard_answer_number(const GuardAnswer *a, const char *word, int64_t def);

json_t *answer_text(const void *bytes, size_t len); /* made valid UTF-8 without NUL; new */
