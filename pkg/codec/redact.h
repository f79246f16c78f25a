/* Takes what looks like a secret out of texts that leave the house, and out of what people type
 * before it is recorded. The journal holds none by rule; elsewhere this is the second wall, for
 * words that servers said. It rather takes too much:
 * "[redacted]" stands where something was. Pure. */
#pragma once
#include "codec/json.h"

#define REDACTED "[redacted]"

/* Bearer and Basic credentials, user and password in a URL, PEM blocks, what follows "password=",
 * "token:" and their like, and words that are built as tokens are. Caller frees. */
char *redact_text(const char *text);
/* A copy in which every string is redacted, and strings behind names of secrets ("token",
 * "clientSecret") altogether. References ({"file": ...}) stay. New reference. */
json_t *redact_json(const json_t *v);
