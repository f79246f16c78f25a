#include "git/git-util.h"
#include <string.h>

typedef struct Walk {
	git_repository *repo;
	const json_t *request;
	json_t *files, *missing, *skipped;
	size_t max_file, max_tree, total, n_files;
} Walk;

static git_repository *open_read(const json_t *request, GError **err)
{
	const char *mirror = json_string_value(json_object_get(request, "mirror"));
	git_repository *repo = NULL;
	int rc = git_repository_open_bare(&repo, mirror);
	if (rc < 0)
		git_fail(err, rc == GIT_ENOTFOUND ? SL_ERR_NOT_FOUND : SL_ERR_CONFLICT, mirror);
	return repo;
}

static git_tree *open_tree(git_repository *repo, const json_t *request, GError **err)
{
	const char *hex = git_need(request, "commit", err);
	git_oid id;
	if (!hex)
		return NULL;
	if (strlen(hex) != GIT_OID_HEXSZ || git_oid_fromstr(&id, hex) < 0) {
		sl_fail(err, SL_ERR_INVALID, "\"%s\" is no commit id of 40 hex digits", hex);
		return NULL;
	}
	g_autoptr(git_commit) c = NULL;
	git_tree *tree = NULL;
	int rc = git_commit_lookup(&c, repo, &id);
	if (rc == 0)
		rc = git_commit_tree(&tree, c);
	if (rc < 0)
		git_fail(err, rc == GIT_ENOTFOUND ? SL_ERR_NOT_FOUND : SL_ERR_CONFLICT, hex);
	return tree;
}

/* {"name", "text"}, or "base64" for bytes that are not UTF-8 or hold a NUL. */
static json_t *file_object(const char *name, const git_blob *blob)
{
	const char *data = git_blob_rawcontent(blob);
	size_t len = (size_t)git_blob_rawsize(blob);
	json_t *file = json_object();
	g_autofree char *valid = g_utf8_make_valid(name, -1);
	json_object_set_new(file, "name", json_string(valid));
	/* g_utf8_validate_len takes a NUL for the end, and fails when there is more. */
	if (len == 0 || g_utf8_validate_len(data, len, NULL)) {
		json_object_set_new(file, "text", json_stringn(len ? data : "", len));
	} else {
		g_autofree char *text = g_base64_encode((const unsigned char *)data, len);
		json_object_set_new(file, "base64", json_string(text));
	}
	return file;
}

static bool has_suffix(const json_t *request, const char *name)
{
	const json_t *suffixes = json_object_get(request, "suffixes");
	for (size_t i = 0; i < json_array_size(suffixes); i++) {
		const char *s = json_string_value(json_array_get(suffixes, i));
		if (s && g_str_has_suffix(name, s))
			return true;
	}
	return json_array_size(suffixes) == 0;
}

static bool is_excepted(const json_t *request, const char *path)
{
	const json_t *except = json_object_get(request, "except");
	for (size_t i = 0; i < json_array_size(except); i++) {
		const char *s = json_string_value(json_array_get(except, i));
		if (s && strcmp(s, path) == 0)
			return true;
	}
	return false;
}

/* Asks the size before it reads, so that a huge file costs nothing. */
static bool size_of(
	git_repository *repo, const char *path, const git_oid *id, size_t *ret_len, GError **err)
{
	git_odb *odb = NULL;
	git_object_t type;
	int rc = git_repository_odb(&odb, repo);
	if (rc == 0)
		rc = git_odb_read_header(ret_len, &type, odb, id);
	git_odb_free(odb);
	return rc == 0 || git_fail(err, SL_ERR_CONFLICT, path);
}

static bool check_size(Walk *w, const char *path, const git_oid *id, GError **err)
{
	size_t len = 0;
	if (!size_of(w->repo, path, id, &len, err))
		return false;
	if (len > w->max_file)
		return sl_fail(
			err, SL_ERR_INVALID, "%s: is larger than %zu bytes", path, w->max_file);
	w->total += len;
	if (w->total > w->max_tree)
		return sl_fail(err, SL_ERR_INVALID,
			"%s: with it the files are larger than %zu bytes together", path,
			w->max_tree);
	if (++w->n_files > GIT_MAX_TREE_FILES)
		return sl_fail(err, SL_ERR_INVALID, "%s: there are more than %d files", path,
			GIT_MAX_TREE_FILES);
	return true;
}

static json_t *read_blob(Walk *w, const char *path, const git_oid *id, GError **err)
{
	g_autoptr(git_blob) blob = NULL;
	if (!check_size(w, path, id, err))
		return NULL;
	if (git_blob_lookup(&blob, w->repo, id) < 0) {
		git_fail(err, SL_ERR_CONFLICT, path);
		return NULL;
	}
	return file_object(path, blob);
}

static void skip(Walk *w, const char *path, const char *why)
{
	g_autofree char *valid = g_utf8_make_valid(path, -1);
	json_t *s = json_object();
	json_object_set_new(s, "name", json_string(valid));
	json_object_set_new(s, "why", json_string(why));
	json_array_append_new(w->skipped, s);
}

static bool walk_entry(
	Walk *w, const char *path, const git_tree_entry *e, unsigned depth, GError **err);

static bool walk_tree(Walk *w, const char *path, const git_oid *id, unsigned depth, GError **err)
{
	g_autoptr(git_tree) tree = NULL;
	if (depth > GIT_MAX_DEPTH)
		return sl_fail(err, SL_ERR_INVALID, "%s: is more than %d folders deep", path,
			GIT_MAX_DEPTH);
	if (git_tree_lookup(&tree, w->repo, id) < 0)
		return git_fail(err, SL_ERR_CONFLICT, path);
	for (size_t i = 0; i < git_tree_entrycount(tree); i++) {
		const git_tree_entry *e = git_tree_entry_byindex(tree, i);
		g_autofree char *below =
			g_strconcat(path, *path ? "/" : "", git_tree_entry_name(e), NULL);
		if (!walk_entry(w, below, e, depth + 1, err))
			return false;
	}
	return true;
}

static bool walk_entry(
	Walk *w, const char *path, const git_tree_entry *e, unsigned depth, GError **err)
{
	const git_oid *id = git_tree_entry_id(e);
	if (is_excepted(w->request, path))
		return true;
	switch (git_tree_entry_filemode(e)) {
	case GIT_FILEMODE_TREE:
		return walk_tree(w, path, id, depth, err);
	case GIT_FILEMODE_LINK:
		skip(w, path, "is a symbolic link");
		return true;
	case GIT_FILEMODE_COMMIT:
		skip(w, path, "is a submodule");
		return true;
	default:
		break;
	}
	if (!has_suffix(w->request, path))
		return true;
	json_t *file = read_blob(w, path, id, err);
	return file && json_array_append_new(w->files, file) == 0;
}

static bool walk_path(Walk *w, const git_tree *root, const char *path, GError **err)
{
	g_autoptr(git_tree_entry) e = NULL;
	if (!*path || strcmp(path, ".") == 0)
		return walk_tree(w, "", git_tree_id(root), 0, err);
	int rc = git_tree_entry_bypath(&e, root, path);
	if (rc == GIT_ENOTFOUND)
		return json_array_append_new(w->missing, json_string(path)) == 0;
	if (rc < 0)
		return git_fail(err, SL_ERR_INVALID, path);
	return walk_entry(w, path, e, 0, err);
}

static size_t bound(const json_t *request, const char *key, size_t max)
{
	json_int_t n = json_integer_value(json_object_get(request, key));
	return n > 0 && (size_t)n < max ? (size_t)n : max;
}

static int compare_names(const void *a, const void *b)
{
	json_t *const *x = a, *const *y = b;
	return strcmp(json_string_value(json_object_get(*x, "name")),
		json_string_value(json_object_get(*y, "name")));
}

/* git sorts folders as if their name ended in a slash; people and tests want plain order. */
static json_t *sorted(json_t *files)
{
	size_t n = json_array_size(files);
	g_autofree json_t **list = g_new(json_t *, n + 1);
	for (size_t i = 0; i < n; i++)
		list[i] = json_incref(json_array_get(files, i));
	qsort(list, n, sizeof *list, compare_names);
	json_t *out = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(out, list[i]);
	return out;
}

static bool walk_paths(Walk *w, const git_tree *root, GError **err)
{
	const json_t *paths = json_object_get(w->request, "paths");
	for (size_t i = 0; i < json_array_size(paths); i++) {
		const char *path = json_string_value(json_array_get(paths, i));
		if (!path)
			return sl_fail(err, SL_ERR_INVALID, "git: paths are strings");
		g_autofree char *clean = g_strdup(path);
		for (size_t len = strlen(clean); len > 0 && clean[len - 1] == '/'; len--)
			clean[len - 1] = '\0';
		if (!walk_path(w, root, clean, err))
			return false;
	}
	return true;
}

json_t *git_op_tree(const json_t *request, GError **err)
{
	g_autoptr(git_repository) repo = open_read(request, err);
	g_autoptr(git_tree) root = repo ? open_tree(repo, request, err) : NULL;
	if (!root)
		return NULL;
	Walk w = {
		.repo = repo,
		.request = request,
		.files = json_array(),
		.missing = json_array(),
		.skipped = json_array(),
		.max_file = bound(request, "maxFileBytes", GIT_MAX_FILE_BYTES),
		.max_tree = bound(request, "maxTreeBytes", GIT_MAX_TREE_BYTES),
	};
	json_t *answer = NULL;
	if (walk_paths(&w, root, err)) {
		answer = json_object();
		json_object_set_new(answer, "files", sorted(w.files));
		json_object_set(answer, "missing", w.missing);
		json_object_set(answer, "skipped", w.skipped);
	}
	json_decref(w.files);
	json_decref(w.missing);
	json_decref(w.skipped);
	return answer;
}

git_blob *git_file_at(git_repository *repo, const git_tree *root, const char *path, size_t max,
	git_filemode_t *ret_mode, GError **err)
{
	g_autoptr(git_tree_entry) e = NULL;
	git_blob *blob = NULL;
	size_t len = 0;
	int rc = git_tree_entry_bypath(&e, root, path);
	if (rc < 0) {
		git_fail(err, rc == GIT_ENOTFOUND ? SL_ERR_NOT_FOUND : SL_ERR_INVALID, path);
		return NULL;
	}
	*ret_mode = git_tree_entry_filemode(e);
	if (*ret_mode != GIT_FILEMODE_BLOB && *ret_mode != GIT_FILEMODE_BLOB_EXECUTABLE) {
		sl_fail(err, SL_ERR_INVALID, "%s: is no regular file", path);
		return NULL;
	}
	if (!size_of(repo, path, git_tree_entry_id(e), &len, err))
		return NULL;
	if (len > max)
		sl_fail(err, SL_ERR_INVALID, "%s: is larger than %zu bytes", path, max);
	else if (git_blob_lookup(&blob, repo, git_tree_entry_id(e)) < 0)
		git_fail(err, SL_ERR_CONFLICT, path);
	return blob;
}

json_t *git_op_show(const json_t *request, GError **err)
{
	const char *path = git_need(request, "path", err);
	g_autoptr(git_repository) repo = path ? open_read(request, err) : NULL;
	g_autoptr(git_tree) root = repo ? open_tree(repo, request, err) : NULL;
	git_filemode_t mode;
	g_autoptr(git_blob) blob =
		root ? git_file_at(repo, root, path, GIT_MAX_FILE_BYTES, &mode, err) : NULL;
	return blob ? file_object(path, blob) : NULL;
}
