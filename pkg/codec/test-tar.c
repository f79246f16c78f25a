/* The oracle is the system's own tar. */
#include "codec/tar.h"
#include <glib/gstdio.h>
#include <string.h>

static char *run_tar(const char *const *argv)
{
	char *out = NULL;
	g_autofree char *err_text = NULL;
	g_autoptr(GError) err = NULL;
	int status = -1;
	g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out,
		&err_text, &status, &err));
	g_assert_no_error(err);
	if (status != 0)
		g_error("tar: %s", err_text);
	g_assert_cmpstr(err_text, ==, "");
	return out;
}

static void test_read_back(void)
{
	g_autofree char *big = g_malloc(70000);
	memset(big, 'x', 70000);
	static const struct {
		const char *name;
		size_t len;
	} files[] = { { "b/README", 5 }, { "b/empty", 0 }, { "b/block", 512 }, { "b/big", 70000 } };
	g_autoptr(Tar) t = tar_new(1790000000);
	for (size_t i = 0; i < G_N_ELEMENTS(files); i++)
		tar_add(t, files[i].name, big, files[i].len);
	size_t len = 0;
	const void *data = tar_end(t, &len);
	g_assert_cmpuint(len % 512, ==, 0);
	g_autofree char *dir = g_dir_make_tmp("tar-XXXXXX", NULL);
	g_autofree char *path = g_build_filename(dir, "a.tar", NULL);
	g_assert_true(g_file_set_contents(path, data, (gssize)len, NULL));
	const char *const list[] = { "tar", "-tf", path, NULL };
	g_autofree char *names = run_tar(list);
	g_assert_cmpstr(names, ==, "b/README\nb/empty\nb/block\nb/big\n");
	for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
		const char *const one[] = { "tar", "-xOf", path, files[i].name, NULL };
		g_autofree char *text = run_tar(one);
		g_assert_cmpuint(strlen(text), ==, files[i].len);
		g_assert_cmpint(strncmp(text, big, files[i].len), ==, 0);
	}
	g_unlink(path);
	g_rmdir(dir);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/codec/tar/read-back", test_read_back);
	return g_test_run();
}
