#include "git/manifest.h"
#include <string.h>

void manifests_clear(Manifests *m)
{
	for (size_t i = 0; i < m->n_files; i++)
		json_decref(m->file[i].answer);
	json_decref(m->refused);
	g_free(m->raced);
	g_free(m->hash);
	*m = (Manifests){ 0 };
}

static ManifestKind refuse_file(
	Manifests *m, const char *path, int line, int column, const char *code, const char *why)
{
	g_autofree char *message = line ? g_strdup_printf("%s:%d:%d: %s", path, line, column, why)
					: g_strdup_printf("%s: %s", path, why);
	m->refused = json_pack("{s:s, s:s, s:i, s:i, s:s}", "message", message, "file", path,
		"line", line, "column", column, "code", code);
	return MANIFEST_REFUSED;
}

/* JSON carries only UTF-8 without NUL to the editor. */
static ManifestKind check_bytes(Manifests *m, const char *path, const char *text, size_t len)
{
	const char *bad = text;
	int line = 1, column = 1;
	if (len == 0 || g_utf8_validate_len(text, len, &bad))
		return MANIFEST_OK;
	for (const char *p = text; p < bad; p++) {
		column = *p == '\n' ? 1 : column + ((*p & 0xc0) != 0x80);
		line += *p == '\n';
	}
	return *bad == '\0' ? refuse_file(m, path, line, column, "unsafe", "NUL byte")
			    : refuse_file(m, path, line, column, "notUtf8", "not UTF-8");
}

static ManifestKind read_blob(Manifests *m, ManifestFile *f, Act *a, const git_tree *root,
	bool look, git_blob **ret_blob, GError **err)
{
	g_autoptr(GError) why = NULL;
	*ret_blob = git_file_at(a->remote.repo, root, f->path, GIT_MAX_FILE_BYTES, &f->mode, &why);
	if (*ret_blob)
		return check_bytes(m, f->path, git_blob_rawcontent(*ret_blob),
			(size_t)git_blob_rawsize(*ret_blob));
	f->missing = g_error_matches(why, SL_ERROR, SL_ERR_NOT_FOUND);
	if (f->missing && look)
		return MANIFEST_OK;
	if (f->missing)
		return refuse_file(m, f->path, 0, 0, "missingFile", "is not in the repository");
	if (g_error_matches(why, SL_ERROR, SL_ERR_INVALID))
		return refuse_file(m, f->path, 0, 0,
			strstr(why->message, "regular") ? "notRegular" : "tooLarge",
			why->message + strlen(f->path) + 2);
	g_propagate_error(err, g_steal_pointer(&why));
	return MANIFEST_ERROR;
}

static ManifestKind ask_editor(Manifests *m, ManifestFile *f, const json_t *file,
	const git_blob *blob, const GitEditor *editor, bool look, GError **err)
{
	size_t len = (size_t)git_blob_rawsize(blob);
	const char *text = len ? git_blob_rawcontent(blob) : "";
	g_autoptr(GError) why = NULL;
	g_autoptr(json_t) request = json_pack("{s:s, s:o, s:O, s:b}", "path", f->path, "text",
		json_stringn(text, len), "edits", json_object_get(file, "edits"), "look", look);
	f->answer = editor->edit(request, editor->ud, &why);
	if (!f->answer && g_error_matches(why, SL_ERROR, SL_ERR_UNKNOWN_OUTCOME))
		return refuse_file(m, f->path, 0, 0, "unsafe", why->message);
	if (!f->answer) {
		g_propagate_error(err, g_steal_pointer(&why));
		return MANIFEST_ERROR;
	}
	const json_t *refused = json_object_get(f->answer, "refused");
	const char *raced = json_string_value(json_object_get(f->answer, "raced"));
	const json_t *now = json_object_get(f->answer, "text");
	if (refused) {
		m->refused = json_copy((json_t *)refused);
		json_object_set_new(m->refused, "file", json_string(f->path));
		return MANIFEST_REFUSED;
	}
	if (raced && !m->raced)
		m->raced = g_strdup(raced);
	f->old = *git_blob_id(blob);
	f->changed = now && (json_string_length(now) != len ||
				    memcmp(json_string_value(now), text, len) != 0);
	return MANIFEST_OK;
}

/* Each place by its name and the bytes that stand there, lengths first. */
static void hash_places(GChecksum *sum, const ManifestFile *f)
{
	json_t *place;
	size_t i;
	json_array_foreach (json_object_get(f->answer, "places"), i, place) {
		json_t *at = json_object_get(place, "at");
		char *name = json_dumps(
			at ? at : json_object_get(place, "ack"), JSON_COMPACT | JSON_ENCODE_ANY);
		const json_t *raw = json_object_get(place, "raw");
		g_autofree char *head = g_strdup_printf("%s\n%s\n%zd\n", f->path, name,
			json_is_string(raw) ? (gssize)json_string_length(raw) : (gssize)-1);
		g_checksum_update(sum, (const unsigned char *)head, (gssize)strlen(head));
		if (json_is_string(raw))
			g_checksum_update(sum, (const unsigned char *)json_string_value(raw),
				(gssize)json_string_length(raw));
		free(name);
	}
}

static void hash_all(Manifests *m)
{
	GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
	for (size_t i = 0; i < m->n_files; i++)
		hash_places(sum, &m->file[i]);
	m->hash = g_strdup(g_checksum_get_string(sum));
	g_checksum_free(sum);
}

static bool check_request(Manifests *m, const json_t *files, GError **err)
{
	m->n_files = json_array_size(files);
	if (m->n_files == 0 || m->n_files > GIT_MAX_FILES) {
		m->n_files = 0;
		return sl_fail(
			err, SL_ERR_INVALID, "git: \"files\" holds 1 to %d files", GIT_MAX_FILES);
	}
	for (size_t i = 0; i < m->n_files; i++) {
		m->file[i].path =
			json_string_value(json_object_get(json_array_get(files, i), "path"));
		if (!m->file[i].path || !git_path_ok(m->file[i].path))
			return sl_fail(err, SL_ERR_INVALID, "git: files[%zu] has no path", i);
		for (size_t k = 0; k < i; k++)
			if (strcmp(m->file[i].path, m->file[k].path) == 0)
				return sl_fail(err, SL_ERR_INVALID, "git: %s is given twice",
					m->file[i].path);
	}
	return true;
}

ManifestKind manifests_read(
	Manifests *m, Act *a, const ActRef *at, const GitEditor *editor, bool look, GError **err)
{
	const json_t *files = json_object_get(a->request, "files");
	g_autoptr(git_tree) root = NULL;
	if (!check_request(m, files, err) || !(root = act_tree(a, at, err)))
		return MANIFEST_ERROR;
	for (size_t i = 0; i < m->n_files; i++) {
		g_autoptr(git_blob) blob = NULL;
		ManifestFile *f = &m->file[i];
		ManifestKind kind = read_blob(m, f, a, root, look, &blob, err);
		if (kind == MANIFEST_OK && blob)
			kind = ask_editor(m, f, json_array_get(files, i), blob, editor, look, err);
		if (kind != MANIFEST_OK)
			return kind;
	}
	hash_all(m);
	return m->raced ? MANIFEST_RACED : MANIFEST_OK;
}

bool manifests_stand(const Manifests *m)
{
	for (size_t i = 0; i < m->n_files; i++) {
		const json_t *places = json_object_get(m->file[i].answer, "places");
		if (!places)
			return false;
		for (size_t k = 0; k < json_array_size(places); k++)
			if (!json_is_true(json_object_get(json_array_get(places, k), "stands")))
				return false;
	}
	return true;
}

bool manifests_changed(const Manifests *m)
{
	for (size_t i = 0; i < m->n_files; i++)
		if (m->file[i].changed)
			return true;
	return false;
}

/* As the answer of an edit shows it: before and after. */
static json_t *change_json(const json_t *place, const json_t *edit)
{
	static const char *const keep[] = { "at", "ack", "line", "column", "old", "new" };
	json_t *o = json_object(), *after = json_object_get(edit, "value");
	for (size_t i = 0; i < G_N_ELEMENTS(keep); i++)
		if (json_object_get(place, keep[i]))
			json_object_set(o, keep[i], json_object_get(place, keep[i]));
	json_object_set(o, "before", json_object_get(place, "value"));
	json_object_set_new(o, "after", after ? json_incref(after) : json_null());
	if (!json_object_get(o, "old")) {
		json_object_set_new(o, "old", json_null());
		json_object_set_new(o, "new", json_null());
	}
	return o;
}

json_t *manifests_json(const Manifests *m, const json_t *request, bool before)
{
	const json_t *files = json_object_get(request, "files");
	json_t *list = json_array();
	for (size_t i = 0; i < m->n_files; i++) {
		const ManifestFile *f = &m->file[i];
		const json_t *edits = json_object_get(json_array_get(files, i), "edits");
		json_t *places = json_object_get(f->answer, "places"), *out = json_array(), *place;
		size_t k;
		json_array_foreach (places, k, place) {
			if (before)
				json_array_append_new(
					out, change_json(place, json_array_get(edits, k)));
			else
				json_array_append(out, place);
		}
		json_array_append_new(list, json_pack("{s:s, s:b, s:o}", "path", f->path, "missing",
						    f->missing, "edits", out));
	}
	return list;
}

json_t *manifests_undo(const Manifests *m)
{
	json_t *list = json_array();
	for (size_t i = 0; i < m->n_files; i++) {
		json_t *undo = json_object_get(m->file[i].answer, "undo");
		if (!json_is_array(undo)) {
			json_decref(list);
			return json_null();
		}
		if (json_array_size(undo) > 0)
			json_array_append_new(list,
				json_pack("{s:s, s:O}", "path", m->file[i].path, "edits", undo));
	}
	return list;
}

bool manifests_tree(
	const Manifests *m, git_repository *repo, git_tree *root, git_oid *ret_tree, GError **err)
{
	git_tree_update updates[GIT_MAX_FILES];
	size_t n = 0;
	for (size_t i = 0; i < m->n_files; i++) {
		const ManifestFile *f = &m->file[i];
		const json_t *text = json_object_get(f->answer, "text");
		if (!f->changed)
			continue;
		git_tree_update *u = &updates[n++];
		*u = (git_tree_update){
			.action = GIT_TREE_UPDATE_UPSERT, .filemode = f->mode, .path = f->path
		};
		if (git_blob_create_from_buffer(
			    &u->id, repo, json_string_value(text), json_string_length(text)) < 0)
			return git_fail(err, SL_ERR_CONFLICT, f->path);
	}
	return git_tree_create_updated(ret_tree, repo, root, n, updates) == 0 ||
	       git_fail(err, SL_ERR_CONFLICT, "tree");
}
