#include "documents.h"
#include "base/file.h"
#include "job/job-worker.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { YAML_TIMEOUT_MSEC = 30000, FOLDER_MAX_DEPTH = 16, STDIN_CHUNK = 64 << 10 };

typedef struct Loader {
	DocSet *set;
	json_t *files; /* of the request */
	size_t bytes;
} Loader;

static void add_text(Loader *l, const char *name, const char *text, size_t len)
{
	json_t *file = json_pack("{s:s}", "name", name);
	json_t *as_text = memchr(text, '\0', len) ? NULL : json_stringn(text, len);
	if (as_text) {
		json_object_set_new(file, "text", as_text);
	} else {
		g_autofree char *base64 = g_base64_encode((const unsigned char *)text, len);
		json_object_set_new(file, "base64", json_string(base64));
	}
	json_array_append_new(l->files, file);
}

static bool has_room(Loader *l, const char *name, size_t len)
{
	l->bytes += len;
	if (l->bytes <= DOCSET_MAX_TREE_BYTES && json_array_size(l->files) < DOCSET_MAX_FILES)
		return true;
	docset_add_error(l->set, name, "is not read: more than 64 MiB or 10000 files in all");
	return false;
}

/* The reason alone: the finding names the file already. */
static void add_error(Loader *l, const char *name, const GError *e)
{
	const char *why = e->message;
	size_t n = strlen(name);
	if (strncmp(why, name, n) == 0 && g_str_has_prefix(why + n, ": "))
		why += n + 2;
	docset_add_error(l->set, name, why);
}

static void add_file(Loader *l, const char *path)
{
	g_autoptr(GError) err = NULL;
	size_t len = 0;
	g_autofree char *text = sl_read_file(path, DOCSET_MAX_FILE_BYTES, &len, &err);
	if (!text)
		add_error(l, path, err);
	else if (has_room(l, path, len))
		add_text(l, path, text, len);
}

static void add_stdin(Loader *l)
{
	g_autoptr(GString) text = g_string_new(NULL);
	g_autofree char *buf = g_malloc(STDIN_CHUNK);
	ssize_t n;
	while ((n = read(STDIN_FILENO, buf, STDIN_CHUNK)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || text->len + (size_t)n > DOCSET_MAX_FILE_BYTES) {
			docset_add_error(l->set, "stdin",
				n < 0 ? "cannot be read" : "is larger than 16777216 bytes");
			return;
		}
		g_string_append_len(text, buf, n);
	}
	add_text(l, "stdin", text->str, text->len);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_path(Loader *l, const char *path, int depth);

static void add_folder(Loader *l, const char *path, int depth)
{
	g_autoptr(GError) err = NULL;
	g_autoptr(GDir) dir = g_dir_open(path, 0, &err);
	if (!dir || depth > FOLDER_MAX_DEPTH) {
		docset_add_error(l->set, path, dir ? "is too deep" : err->message);
		return;
	}
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	for (const char *name; (name = g_dir_read_name(dir));)
		if (name[0] != '.')
			g_ptr_array_add(names, g_build_filename(path, name, NULL));
	qsort(names->pdata, names->len, sizeof(char *), by_name);
	for (size_t i = 0; i < names->len; i++)
		add_path(l, names->pdata[i], depth + 1);
}

/* depth 0 is what the caller named: it is read whatever its name is. */
static void add_path(Loader *l, const char *path, int depth)
{
	struct stat st;
	bool named = depth == 0;
	if (stat(path, &st) < 0) {
		docset_add_error(l->set, path, g_strerror(errno));
	} else if (S_ISDIR(st.st_mode)) {
		add_folder(l, path, depth);
	} else if (named || g_str_has_suffix(path, ".yaml") || g_str_has_suffix(path, ".yml")) {
		add_file(l, path);
	}
}

static json_t *ask_worker(json_t *request, GError **err)
{
	g_autofree char *text = json_canonical(request);
	size_t len = 0;
	g_autofree char *answer =
		job_run_sync(NULL, "yaml", text, strlen(text), YAML_TIMEOUT_MSEC, &len, err);
	return answer ? json_parse(answer, len, err) : NULL;
}

/* One file alone: a text that kills the reader is a finding about that file. */
static bool read_alone(Loader *l, json_t *file, GError **err)
{
	g_autoptr(GError) e = NULL;
	g_autoptr(json_t) request = json_pack("{s:[O]}", "files", file);
	g_autoptr(json_t) answer = ask_worker(request, &e);
	if (answer)
		return docset_add_files(l->set, request, answer, err);
	if (e->code != SL_ERR_UNKNOWN_OUTCOME) {
		g_propagate_error(err, g_steal_pointer(&e));
		return false;
	}
	g_autofree char *message = g_strdup_printf("is not readable as YAML: %s", e->message);
	docset_add_error(l->set, json_path_str(file, "name", ""), message);
	return true;
}

static bool read_yaml(Loader *l, GError **err)
{
	g_autoptr(GError) e = NULL;
	g_autoptr(json_t) request = json_pack("{s:O}", "files", l->files);
	g_autoptr(json_t) answer = ask_worker(request, &e);
	if (answer)
		return docset_add_files(l->set, request, answer, err);
	if (e->code != SL_ERR_UNKNOWN_OUTCOME) {
		g_propagate_error(err, g_steal_pointer(&e));
		return false;
	}
	size_t i;
	json_t *file;
	json_array_foreach (l->files, i, file) {
		if (!read_alone(l, file, err))
			return false;
	}
	return true;
}

static void add_default_folders(Loader *l)
{
	static const char *const folders[] = { "plans", "policies" };
	size_t found = 0;
	for (size_t i = 0; i < G_N_ELEMENTS(folders); i++) {
		if (g_file_test(folders[i], G_FILE_TEST_IS_DIR)) {
			add_path(l, folders[i], 0);
			found++;
		}
	}
	if (found == 0)
		docset_add_error(l->set, "plans",
			"there is no folder plans or policies here; name files or folders");
}

DocSet *documents_load(char *const *paths, size_t n, GError **err)
{
	g_autoptr(DocSet) set = docset_new();
	g_autoptr(json_t) files = json_array();
	Loader l = { .set = set, .files = files };
	for (size_t i = 0; i < n; i++) {
		if (strcmp(paths[i], "-") == 0)
			add_stdin(&l);
		else
			add_path(&l, paths[i], 0);
	}
	if (n == 0)
		add_default_folders(&l);
	if (json_array_size(files) > 0 && !read_yaml(&l, err))
		return NULL;
	docset_check(set);
	return g_steal_pointer(&set);
}

DocSet *documents_of_text(const char *name, const char *text, GError **err)
{
	g_autoptr(DocSet) set = docset_new();
	g_autoptr(json_t) files = json_array();
	Loader l = { .set = set, .files = files };
	add_text(&l, name, text, strlen(text));
	if (!read_yaml(&l, err))
		return NULL;
	docset_check(set);
	return g_steal_pointer(&set);
}
