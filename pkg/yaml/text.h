/* What is checked and decided without the YAML library: raw bytes before it, scalars after it. */
#pragma once
#include "base/error.h"
#include <jansson.h>

/* False when the text may not reach the parser: line and column (from 1) and the reason. */
bool yaml_text_ok(
	const char *text, size_t len, int *ret_line, int *ret_column, const char **ret_why);

/* A plain scalar by the core schema. NULL and *ret_why when it has no JSON form. New reference. */
json_t *yaml_plain(const char *text, size_t len, const char **ret_why);
