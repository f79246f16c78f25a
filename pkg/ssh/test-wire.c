/* Replays the fuzzer's corpus, and each of its files damaged and cut off at every byte. */
#include "base/file.h"
#include "ssh/fuzz-wire.c"

static unsigned damage(const char *text, size_t len)
{
	static const char bytes[] = { '\0', '\n', ' ', '\x7f', '\xff' };
	g_autofree char *copy = g_memdup2(text, len);
	unsigned n = 0;
	for (size_t at = 0; at < len; at++) {
		LLVMFuzzerTestOneInput((const uint8_t *)text, at);
		for (size_t i = 0; i < sizeof bytes; i++, n++) {
			copy[at] = bytes[i];
			LLVMFuzzerTestOneInput((const uint8_t *)copy, len);
		}
		copy[at] = text[at];
	}
	return n;
}

static void test_corpus(void)
{
	const char *src = g_getenv("SHIPLOCK_SRC");
	g_autofree char *dir = g_build_filename(src ? src : ".", "pkg/ssh/corpus-wire", NULL);
	g_autoptr(GError) err = NULL;
	g_autoptr(GDir) d = g_dir_open(dir, 0, &err);
	g_assert_no_error(err);
	unsigned n = 0, n_damaged = 0;
	for (const char *name; (name = g_dir_read_name(d)); n++) {
		g_autofree char *path = g_build_filename(dir, name, NULL);
		size_t len;
		g_autofree char *text = sl_read_file(path, 1 << 20, &len, &err);
		g_assert_no_error(err);
		g_test_message("%s", name);
		g_assert_cmpint(LLVMFuzzerTestOneInput((const uint8_t *)text, len), ==, 1);
		n_damaged += damage(text, len);
	}
	g_assert_cmpuint(n, >=, 4);
	g_assert_cmpuint(n_damaged, >, 5000);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/wire/corpus", test_corpus);
	return g_test_run();
}
