/* A parsed document and where its parts stand in the text. It comes from the worker's answer
 * (pkg/yaml/yaml.h says the format); nothing here reads files or YAML. */
#pragma once
#include "codec/json.h"

#define DOC_API_VERSION "shiplock.dev/v1alpha1"

typedef struct Doc Doc;

/* A place in the text. Lines and columns count from 1, bytes from 0, end is one past. */
typedef struct DocPlace {
	int line, column;
	size_t start, end;
} DocPlace;

/* file and answer ({"json", "positions"}) are kept by reference count or copy; text is the file's
 * source, copied by nobody: it must live as long as the document, or be NULL (then messages quote
 * numbers as JSON writes them). */
Doc *doc_new(const char *file, const json_t *answer, const char *text, size_t text_len) SL_MUST_USE;
void doc_free(Doc *d);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Doc, doc_free)

/* All borrowed. kind and name are "" where the document gives none of the right type. */
const char *doc_file(const Doc *d);
const char *doc_kind(const Doc *d);
const char *doc_name(const Doc *d);
const json_t *doc_json(const Doc *d); /* as written */
/* With every default filled in, after docset_check; as written before. */
const json_t *doc_full(const Doc *d);
const json_t *doc_spec(const Doc *d); /* "spec" of doc_full; an empty object never NULL */
void doc_set_full(Doc *d, json_t *full); /* takes the reference */

/* Paths of the fields it uses whose effect comes in a later version: an array of texts, empty when
 * there are none. A run that needs such a document is refused, never run as if they were absent. */
const json_t *doc_later(const Doc *d);
void doc_add_later(Doc *d, const char *path);

/* One step of a path from the root: a member, or (key NULL) an element. key is borrowed. */
typedef struct DocStep {
	const char *key;
	size_t index;
} DocStep;

enum { DOC_MAX_STEPS = 70 };

/* Where the value at the path stands (its key instead with at_key, where it has one). A path that
 * the text does not hold, as one of a default, gives the deepest part that it does hold. */
DocPlace doc_place(const Doc *d, const DocStep *steps, size_t n, bool at_key);
/* "spec.waves[1].clusters.names[0]", a key with dots as ["a.b/c"]. Caller frees. */
char *doc_path_text(const DocStep *steps, size_t n);
/* The source text of a place, or NULL without source. Caller frees. */
char *doc_source(const Doc *d, DocPlace place);
