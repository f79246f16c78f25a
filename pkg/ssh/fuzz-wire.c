/* libFuzzer entry: what a node may send before and after it is known, read as a greeting, as the
 * guard's answer and as a key. clang -fsanitize=fuzzer,address ... ; the corpus is
 * pkg/ssh/corpus-wire, replayed by test-wire.c. */
#include "ssh/guard-answer.h"
#include "ssh/kexinit.h"
#include "ssh/key.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool fuzz_greeting(const uint8_t *data, size_t size)
{
	g_auto(Kexinit) k = { 0 };
	static const char *const none[KEX_N_LISTS] = { "", "", "", "", "", "" };
	if (!kexinit_parse(data, size, &k))
		return false;
	for (int i = 0; i < KEX_N_LISTS; i++)
		g_assert_true(g_str_is_ascii(k.list[i]) && !strpbrk(k.list[i], " \n\r\t\033"));
	g_autofree char *gap = kexinit_gap(&k, none);
	return gap != NULL; /* with nothing of ours there is always one */
}

static bool fuzz_answer(const uint8_t *data, size_t size)
{
	g_auto(GuardAnswer) a = { 0 };
	if (!guard_answer_parse(data, size, &a))
		return false;
	g_assert_cmpuint(strlen(a.head) + a.n_bytes, <=, size);
	g_autofree char *state = guard_answer_word(&a, "state");
	json_t *text = answer_text(a.bytes, a.n_bytes);
	g_assert_nonnull(text);
	json_decref(text);
	return guard_answer_number(&a, "up", -1) >= -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Its own memory, so that a byte read behind the end is found. */
	g_autofree uint8_t *own = g_memdup2(data, size);
	g_autofree char *text = g_strndup((const char *)data, size);
	bool greeting = fuzz_greeting(own, size), answer = fuzz_answer(own, size);
	g_assert_false(greeting && answer);
	return greeting || answer || key_kind(text) != KEY_UNREADABLE;
}
