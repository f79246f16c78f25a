/* YAML to plain JSON with positions. Linked into shiplock-worker only: libfyaml is kept behind this
 * header, and behind the worker's sandbox and limits.
 *
 * The subset: YAML 1.2 with the core schema (null, true, false, integers, floats; `yes`, `017` and
 * dates are text), comments, CRLF, several documents. Refused, each with line and column: bytes
 * that are not UTF-8, control characters, anchors, aliases, tags, merge keys, directives, keys that
 * are not plain text, duplicate keys, .inf and .nan, integers above 64 bits, and anything past a
 * bound below.
 *
 * The answer for one text:
 *   {"documents": [{"json": VALUE, "positions": TEXT}], "errors": [{"line","column","message"}]}
 * positions is one flat array in pre-order, written as text (numbers between single spaces) because
 * that is several times cheaper to carry than JSON numbers: four numbers a node: line and column
 * less those of the node before (column only where the line is the same, else as it is), start byte
 * less that of the node before, length in bytes. A mapping is followed by each key node and its
 * value's nodes in the order of the text, which is also the order of iteration in VALUE. Lines and
 * columns count from 1, columns in characters. A block collection ends where its last child ends,
 * so comments after it do not belong to it. An empty value stands at its key, with length 0 at the
 * key's end. */
#pragma once
#include "base/error.h"
#include <jansson.h>

enum {
	YAML_MAX_BYTES = 16 << 20, /* a file */
	YAML_MAX_LINE = 1 << 20, /* bytes in a line */
	YAML_MAX_DEPTH = 64,
	YAML_MAX_NODES = 1000000, /* a file, keys counted too */
	YAML_MAX_DOCUMENTS = 50000, /* a file */
	YAML_MAX_ERRORS = 100, /* a file; the rest is not reported */
};

/* Never fails: what is wrong with the text is in "errors", and "documents" is then empty. With
 * positions false the documents have no "positions". New reference. */
json_t *yaml_to_json(const char *text, size_t len, bool positions) SL_MUST_USE;

/* The worker's verb. Request: {"files": [{"name", "text"} or {"name", "base64"}], "positions":
 * bool (default true)}. Answer: {"files": [{"name", "documents", "errors"}]} in the same order.
 * INVALID when the request itself has another shape. New reference. */
json_t *yaml_verb(const json_t *request, GError **err) SL_MUST_USE;
