/* Changes single values in a manifest and nothing else: comments, order, quotes, line ends and
 * other documents stay as they are. For the files that a GitOps controller reads; runs in
 * shiplock-worker.
 *
 * An edit names one place and what shall stand there:
 *   {"kind", "name", "group", "namespace", "at": [key...], "value", "expect"}  a field of an object
 *   {"ack": NAME, "value", "expect"}      an administrator acknowledgement: in the data of
 * ConfigMap admin-acks, or a literal of that generator value: text, boolean, whole number, or null
 * = the key is taken out; left out = only look. group and namespace are optional; the groups of
 * ClusterVersion, MachineConfigPool and ConfigMap are known. expect: what stood there when it was
 * decided (null: nothing); left out = not compared. A value that is already as wished is always
 * fine. Mappings missing on the way are put in. The object stands alone, among several documents,
 * or as an item of a List.
 *
 * Each edit works on a range of bytes. Afterwards the text is read again and compared with the tree
 * before: when anything but the one value differs, or when the place cannot be edited safely, the
 * whole file is refused.
 *
 * Request: {"path": how messages call the file, "text", "edits": [EDIT...], "look": true = values
 * are not written}. Answer, one of
 *   {"places": [PLACE...], "text", "undo": [EDIT...]}   the new text (the old one when all was as
 *                                  wished); undo puts back what stood there, null when it cannot
 *   {"places": [PLACE...], "raced": MESSAGE}  an expectation does not hold; nothing was changed
 *   {"refused": {"message", "line", "column", "code"}}
 * PLACE: {"at" or "ack", "value": what stands there in the text as given (null: nothing), "raw":
 * its bytes or null, "line", "column", "stands": is as wished (only with a value), "old", "new":
 * the lines that the edit took out and put in (null without)} Codes: notUtf8 tooLarge syntax
 * templated unsafe (bytes or layouts this reader does not take), notFound, twice (two objects, two
 * entries, a key given twice), alias, anchor, mergeKey, tag, type, flow (brackets over several
 * lines), multiline (a value on several lines), generated, patched. */
#pragma once
#include "base/error.h"
#include <jansson.h>

enum {
	EDIT_MAX_EDITS = 64, /* a file */
	EDIT_MAX_PATH = 8, /* keys in "at" */
	EDIT_MAX_KEY = 253, /* bytes of a key or name */
	EDIT_MAX_VALUE = 4096, /* bytes of a text */
};

/* INVALID when the request has another shape. New reference. */
json_t *yaml_edit_verb(const json_t *request, GError **err) SL_MUST_USE;
