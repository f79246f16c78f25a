/* libFuzzer entry: where the quick reader gives a value, jansson gives an equal one, and both ways
 * of json_parse() agree about any bytes. clang -fsanitize=fuzzer,address ... ; the corpus is
 * pkg/codec/corpus-read, replayed by test-read.c. */
#include "codec/json.h"
#include "codec/read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Its own memory, so that a byte read behind the end is found. */
	g_autofree char *text = g_memdup2(data, size);
	g_autoptr(json_t) quick = json_read_quick(text ? text : "", size);
	g_autoptr(json_t) slow =
		json_loadb(text ? text : "", size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
	g_assert(!quick || (slow && json_equal(quick, slow)));
	g_autoptr(json_t) parsed = json_parse(text ? text : "", size, NULL);
	g_assert((parsed == NULL) == (slow == NULL));
	return quick != NULL;
}
