/* Replays the fuzzer's corpus: files that once broke the parser, and what people write. */
#include "base/file.h"
#include "yaml/fuzz-yaml.c"

static void test_replay(void)
{
	const char *src = g_getenv("SHIPLOCK_SRC");
	g_autofree char *dir = g_build_filename(src ? src : ".", "pkg/yaml/corpus-yaml", NULL);
	g_autoptr(GError) err = NULL;
	g_autoptr(GDir) d = g_dir_open(dir, 0, &err);
	g_assert_no_error(err);
	unsigned n = 0;
	for (const char *name; (name = g_dir_read_name(d)); n++) {
		g_autofree char *path = g_build_filename(dir, name, NULL);
		size_t len;
		g_autofree char *text = sl_read_file(path, 1 << 20, &len, &err);
		g_assert_no_error(err);
		g_test_message("%s", name);
		LLVMFuzzerTestOneInput((const uint8_t *)text, len);
	}
	g_assert_cmpuint(n, >=, 12);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/yaml/corpus", test_replay);
	return g_test_run();
}
