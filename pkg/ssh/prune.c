/* What was fetched lies in FOLDER/KEY/FILE: the oldest KEYs go. */
#include "ssh/request.h"
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEYS_MAX = 10000 };

typedef struct Kept {
	char *name;
	int64_t at; /* of the newest file in it */
} Kept;

static void kept_clear(void *p)
{
	g_free(((Kept *)p)->name);
}

/* The newest first. */
static int by_age(const void *a, const void *b)
{
	const Kept *x = a, *y = b;
	return x->at != y->at ? (x->at < y->at ? 1 : -1) : strcmp(y->name, x->name);
}

static int64_t newest_in(const char *folder)
{
	g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
	const char *name;
	int64_t at = 0;
	while (dir && (name = g_dir_read_name(dir))) {
		struct stat st;
		g_autofree char *path = g_build_filename(folder, name, NULL);
		if (lstat(path, &st) == 0 && st.st_mtime > at)
			at = st.st_mtime;
	}
	return at;
}

/* Half of it gone is as good as all: whoever needs one looks for its file and digest. */
static void remove_folder(const char *folder)
{
	g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
	const char *name;
	while (dir && (name = g_dir_read_name(dir))) {
		g_autofree char *path = g_build_filename(folder, name, NULL);
		unlink(path);
	}
	rmdir(folder);
}

static bool is_needed(const json_t *request, const char *key, const char *own)
{
	size_t i;
	json_t *k;
	json_array_foreach (json_object_get(request, "keepKeys"), i, k)
		if (g_strcmp0(json_string_value(k), key) == 0)
			return true;
	return strcmp(key, own) == 0;
}

static GArray *keys_in(const char *folder)
{
	GArray *all = g_array_new(FALSE, FALSE, sizeof(Kept));
	g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
	const char *name;
	g_array_set_clear_func(all, kept_clear);
	while (dir && all->len < KEYS_MAX && (name = g_dir_read_name(dir))) {
		g_autofree char *path = g_build_filename(folder, name, NULL);
		Kept k = { g_strdup(name), newest_in(path) };
		g_array_append_val(all, k);
	}
	g_array_sort(all, by_age);
	return all;
}

bool fetch_prune(const json_t *request, const char *to, GError **err)
{
	int64_t keep;
	if (!request_number(request, "keep", 0, 0, KEYS_MAX, &keep, err))
		return false;
	if (keep == 0)
		return true;
	g_autofree char *own = g_path_get_dirname(to);
	g_autofree char *key = g_path_get_basename(own);
	g_autofree char *folder = g_path_get_dirname(own);
	g_autoptr(GArray) all = keys_in(folder);
	for (unsigned i = (unsigned)keep; i < all->len; i++) {
		const Kept *k = &g_array_index(all, Kept, i);
		g_autofree char *path = g_build_filename(folder, k->name, NULL);
		if (!is_needed(request, k->name, key))
			remove_folder(path);
	}
	return true;
}
