/* The quick way of json_parse(): one pass over bytes in memory, a third of the time that jansson's
 * own reader takes from its input, character by character. It knows the common part of JSON only;
 * what it does not take, valid or not, jansson judges, and words the error. So it has to be sound
 * and need not be complete: where it gives a value, jansson gives an equal one. */
#pragma once
#include "codec/json.h"

enum {
	JSON_QUICK_DEPTH = 64,
	JSON_LAST_BYTES = 256 << 10, /* a longer list is not remembered */
};

/* New reference; NULL: not for the quick way. */
json_t *json_read_quick(const char *text, size_t len);
/* The same with the last list; *ret_next: this one, NULL where there is nothing to remember. */
json_t *json_read_list(const char *text, size_t len, const JsonLast *last, JsonLast **ret_next);
