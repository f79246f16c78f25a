/* libFuzzer entry: whatever the file, an edit is refused with a place, or made so that a second
 * look finds every value as wished, a second edit changes nothing, and the way back is open. clang
 * -fsanitize=fuzzer,address ... ; the corpus is pkg/yaml/corpus-edit, replayed by test-corpus.c. */
#include "yaml/edit.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static json_t *fuzz_field(const char *kind, const char *name, json_t *at, json_t *value)
{
	return json_pack(
		"{s:s, s:s, s:o, s:o}", "kind", kind, "name", name, "at", at, "value", value);
}

/* The first byte of the input chooses. */
static json_t *fuzz_edits(unsigned choice)
{
	const char *cv = "ClusterVersion", *v = "version";
	switch (choice % 4) {
	case 0:
		return json_pack("[o, o]",
			fuzz_field(cv, v, json_pack("[s,s]", "spec", "channel"),
				json_string("stable-4.21")),
			fuzz_field(cv, v, json_pack("[s,s,s]", "spec", "desiredUpdate", v),
				json_string("4.21.10")));
	case 1:
		return json_pack(
			"[o]", fuzz_field(cv, v, json_pack("[s,s]", "spec", "desiredUpdate"),
				       json_null()));
	case 2:
		return json_pack("[o, {s:s, s:s}]",
			fuzz_field("MachineConfigPool", "worker",
				json_pack("[s,s]", "spec", "paused"), json_true()),
			"ack", "ack-4.20", "value", "true");
	default:
		return json_pack("[{s:s, s:s}, {s:s, s:n}]", "ack", "ack-4.20", "value", "true",
			"ack", "ack-4.19", "value");
	}
}

static json_t *fuzz_ask(json_t *text, json_t *edits)
{
	g_autoptr(GError) err = NULL;
	json_t *request = json_pack("{s:s, s:o, s:O}", "path", "f", "text", text, "edits", edits);
	json_t *answer = yaml_edit_verb(request, &err);
	g_assert_no_error(err);
	json_decref(request);
	return answer;
}

static void fuzz_refused(const json_t *refused)
{
	g_assert_nonnull(json_string_value(json_object_get(refused, "message")));
	g_assert_nonnull(json_string_value(json_object_get(refused, "code")));
	g_assert_cmpint(json_integer_value(json_object_get(refused, "line")), >=, 0);
	g_assert_cmpint(json_integer_value(json_object_get(refused, "column")), >=, 0);
}

static void fuzz_again(json_t *text, json_t *edits, json_t *undo)
{
	json_t *again = fuzz_ask(json_incref(text), edits), *place;
	g_assert_true(json_equal(json_object_get(again, "text"), text));
	size_t i;
	json_array_foreach (json_object_get(again, "places"), i, place) {
		g_assert_true(json_is_true(json_object_get(place, "stands")));
	}
	json_decref(again);
	if (json_array_size(undo) == 0)
		return;
	json_t *back = fuzz_ask(json_incref(text), undo);
	g_assert_null(json_object_get(back, "raced"));
	json_decref(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *text = size > 1 ? json_stringn((const char *)data + 1, size - 1) : NULL;
	if (!text)
		return 0; /* JSON carries only UTF-8 */
	json_t *edits = fuzz_edits(data[0]), *answer = fuzz_ask(text, edits);
	if (json_object_get(answer, "refused"))
		fuzz_refused(json_object_get(answer, "refused"));
	else
		fuzz_again(json_object_get(answer, "text"), edits, json_object_get(answer, "undo"));
	json_decref(answer);
	json_decref(edits);
	return 0;
}
