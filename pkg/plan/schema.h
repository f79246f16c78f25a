/* The documents as seen from outside, all from the same tables: JSON Schema for editors, the manual
 * page, and a document with its defaults as YAML. */
#pragma once
#include "plan/doc.h"

/* JSON Schema (2020-12) of one kind, or of all when kind is NULL. NULL when there is no such kind.
 * New reference. */
json_t *schema_json(const char *kind) SL_MUST_USE;
/* Names of the kinds, sorted; NULL past the last. */
const char *schema_kind(size_t i);

/* The manual page of the documents, section 5, in mdoc. Caller frees. */
char *schema_man(void);

/* The document, defaults included when it was checked, as people write it: fields in the order of
 * the tables. Read again it gives the same values. Caller frees. */
char *schema_yaml(const Doc *d);
/* Any JSON as YAML; read again it gives the same value. Caller frees. */
char *schema_yaml_of(const json_t *v);
/* The shipped policies as YAML documents. Caller frees. */
char *schema_shipped(void);
