#include "base/file.h"
#include <string.h>
#include <unistd.h>

static void test_round_trip(void)
{
	g_autoptr(GError) err = NULL;
	g_autofree char *dir = g_dir_make_tmp("sl-file-XXXXXX", NULL);
	g_autofree char *path = g_build_filename(dir, "f", NULL);
	g_assert_true(sl_write_file(path, "hello", 5, 0600, &err));
	g_assert_true(sl_write_file(path, "again", 5, 0600, &err));
	size_t len = 0;
	g_autofree char *text = sl_read_file(path, 5, &len, &err);
	g_assert_no_error(err);
	g_assert_cmpstr(text, ==, "again");
	g_assert_cmpuint(len, ==, 5);
	g_assert_null(sl_read_file(path, 4, NULL, &err));
	g_assert_error(err, SL_ERROR, SL_ERR_INVALID);
	unlink(path);
	rmdir(dir);
}

static void test_not_there(void)
{
	g_autoptr(GError) err = NULL;
	g_assert_null(sl_read_file("/nowhere/f", 10, NULL, &err));
	g_assert_error(err, SL_ERROR, SL_ERR_NOT_FOUND);
	g_clear_error(&err);
	g_assert_null(sl_read_file("/tmp", 10, NULL, &err));
	g_assert_error(err, SL_ERROR, SL_ERR_INVALID);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/file/round-trip", test_round_trip);
	g_test_add_func("/file/not-there", test_not_there);
	return g_test_run();
}
