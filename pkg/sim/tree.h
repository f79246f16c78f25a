/* JSON trees that are never changed once stored: every change makes a new root that shares what did
 * not change, so that a snapshot for a watcher costs a reference. */
#pragma once
#include "base/error.h"
#include <jansson.h>

/* RFC 7386. New reference; old and patch are untouched, and may be shared by the result. */
json_t *tree_merge(json_t *old, json_t *patch);
/* RFC 6902 add, remove, replace, test over an array of operations. NULL with INVALID when the
 * document is wrong, REFUSED when a test or a path fails. New reference. */
json_t *tree_json_patch(json_t *old, json_t *ops, GError **err) SL_MUST_USE;

/* A new root with the value at the path ("metadata.generation"; member names without dots) set, or
 * removed when v is NULL. Steals v. New reference. */
json_t *tree_set(json_t *old, const char *path, json_t *v);
/* The member at the path of objects, NULL when missing. Borrowed. */
json_t *tree_get(const json_t *root, const char *path);
const char *tree_str(const json_t *root, const char *path); /* NULL when missing */
int64_t tree_int(const json_t *root, const char *path, int64_t def);
bool tree_true(const json_t *root, const char *path);
/* json_object_get by dotted path costs a scan; for annotations and labels. */
const char *tree_annotation(const json_t *root, const char *key);
const char *tree_label(const json_t *root, const char *key);

/* Compact JSON text. */
void tree_append_text(GString *out, const json_t *v);
char *tree_text(const json_t *v); /* caller frees (g_free) */
