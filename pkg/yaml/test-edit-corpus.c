/* Replays the editor's fuzzer: the files of cases-edit.txt whole and cut off behind each line, the
 * corpus of yaml.h, and what once broke the editor. */
#include "base/file.h"
#include "yaml/fuzz-edit.c"

static char *source_path(const char *name)
{
	const char *src = g_getenv("SHIPLOCK_SRC");
	return g_build_filename(src ? src : ".", "pkg/yaml", name, NULL);
}

static void replay(const char *text, size_t len)
{
	g_autofree char *input = g_malloc(len + 1);
	memcpy(input + 1, text, len);
	for (char choice = 0; choice < 4; choice++) {
		*input = choice;
		LLVMFuzzerTestOneInput((const uint8_t *)input, len + 1);
	}
}

static void test_cases(void)
{
	g_autoptr(GError) err = NULL;
	g_autofree char *path = source_path("cases-edit.txt");
	g_autofree char *text = sl_read_file(path, 1 << 20, NULL, &err);
	g_assert_no_error(err);
	g_auto(GStrv) blocks = g_strsplit(text, "### ", -1);
	unsigned n = 0;
	for (char **block = blocks + 1; *block; block++) {
		const char *body = strstr(*block, "\n---\n") + strlen("\n---\n");
		const char *end = strstr(body, "\n===\n") + 1;
		for (const char *cut = body; cut < end; n++) {
			cut = strchr(cut, '\n') + 1;
			replay(body, (size_t)(cut - body));
		}
		replay(body, (size_t)(end - 1 - body));
	}
	g_assert_cmpuint(n, >, 500);
}

static void replay_folder(const char *name, unsigned least)
{
	g_autofree char *dir = source_path(name);
	g_autoptr(GError) err = NULL;
	g_autoptr(GDir) d = g_dir_open(dir, 0, &err);
	g_assert_no_error(err);
	unsigned n = 0;
	for (const char *file; (file = g_dir_read_name(d)); n++) {
		g_autofree char *path = g_build_filename(dir, file, NULL);
		size_t len;
		g_autofree char *text = sl_read_file(path, 1 << 20, &len, &err);
		g_assert_no_error(err);
		g_test_message("%s", file);
		replay(text, len);
	}
	g_assert_cmpuint(n, >=, least);
}

static void test_corpus(void)
{
	replay_folder("corpus-yaml", 12);
	replay_folder("corpus-edit", 2);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/edit/cut", test_cases);
	g_test_add_func("/edit/corpus", test_corpus);
	return g_test_run();
}
