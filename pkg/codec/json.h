/* Small helpers around jansson: cleanup, path look-ups, canonical text, digests. */
#pragma once
#include "base/error.h"
#include <jansson.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_t, json_decref)

/* Looks up "a.b.0.c": object members and array indices; a member name that holds dots cannot be
 * reached this way (use json_object_get). NULL when any part is missing. Borrowed. */
json_t *json_path(const json_t *root, const char *path);
/* The string, number or boolean at the path, or the default when missing or of another type.
 * Strings are borrowed. */
const char *json_path_str(const json_t *root, const char *path, const char *def);
int64_t json_path_int(const json_t *root, const char *path, int64_t def);
bool json_path_bool(const json_t *root, const char *path, bool def);

/* The object that is this member; where there is none, an empty one is put there. Borrowed. */
json_t *json_object_in(json_t *parent, const char *key);

/* Text without white space, members in their order or sorted. */
void json_append(GString *out, const json_t *v, bool sorted);
/* Sorted keys, no white space; equal values give equal texts. Caller frees. */
char *json_canonical(const json_t *v);
/* "sha256:" and 64 hex digits of the text. Caller frees. */
char *sl_sha256(const void *data, size_t len);
char *json_digest(const json_t *v);

/* Parses a whole text: duplicate keys, trailing text and NUL are errors. INVALID with line and
 * column. New reference. */
json_t *json_parse(const char *text, size_t len, GError **err) SL_MUST_USE;

/* The objects of the list ("items") that was parsed last from one place, as bytes and as trees. */
typedef struct JsonLast JsonLast;
/* The same for answers that are asked for again and again: an object whose bytes stood in the last
 * one is the same tree, not read anew. *last is replaced (NULL to begin with). Who parses this way
 * changes no object of a list: others may hold it. */
json_t *json_parse_list(const char *text, size_t len, JsonLast **last, GError **err) SL_MUST_USE;
void json_last_free(JsonLast *l); /* NULL is fine */
