/* Which files of a branch hold an object, where nobody told. Bytes are looked through first, and
 * only what names the object goes to the editor, each file to a process of its own. */
#include "git/act.h"
#include <string.h>

enum {
	FIND_MAX_FILES = 20000,
	FIND_MAX_FILE_BYTES = 1 << 20,
	FIND_MAX_TREE_BYTES = 64 << 20,
	FIND_MAX_CANDIDATES = 64,
};

typedef struct Find {
	Act act;
	const GitEditor *editor;
	const char *word, *below; /* below: the folder that is looked through now, "" or with / */
	const json_t *edit;
	git_tree *root;
	json_t *files, *unclear;
	size_t n_files, n_bytes, n_candidates;
	const char *over; /* the bound that was met, in words */
	GError *why;
} Find;

static void find_clear(Find *f)
{
	act_clear(&f->act);
	git_tree_free(f->root);
	json_decref(f->files);
	json_decref(f->unclear);
	g_clear_error(&f->why);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Find, find_clear)

static void unclear(Find *f, const char *path, const char *message, const char *code)
{
	g_autofree char *text = g_utf8_make_valid(message, -1);
	g_autofree char *name = g_utf8_make_valid(path, -1);
	json_array_append_new(f->unclear,
		json_pack("{s:s, s:s, s:s}", "file", name, "message", text, "code", code));
}

/* What holds the object twice holds it; what cannot be read as YAML may hold it or not. */
static void judge(Find *f, const char *path, const json_t *answer)
{
	const json_t *refused = json_object_get(answer, "refused");
	const char *code = json_string_value(json_object_get(refused, "code"));
	if (!refused)
		json_array_append_new(f->files, json_string(path));
	else if (g_strcmp0(code, "notFound") != 0)
		unclear(f, path, json_string_value(json_object_get(refused, "message")), code);
}

/* False: why is set. */
static bool ask(Find *f, const char *path, const char *text, size_t len)
{
	g_autoptr(GError) why = NULL;
	if (!g_utf8_validate_len(text, len, NULL)) {
		unclear(f, path, "not UTF-8", "notUtf8");
		return true;
	}
	g_autoptr(json_t) request = json_pack("{s:s, s:o, s:[O], s:b}", "path", path, "text",
		json_stringn(text, len), "edits", f->edit, "look", 1);
	g_autoptr(json_t) answer = f->editor->edit(request, f->editor->ud, &why);
	if (answer) {
		judge(f, path, answer);
	} else if (g_error_matches(why, SL_ERROR, SL_ERR_UNKNOWN_OUTCOME)) {
		unclear(f, path, why->message, "unsafe");
	} else {
		f->why = g_steal_pointer(&why);
		return false;
	}
	return true;
}

/* False: a bound is met, or why is set. */
static bool look_into(Find *f, const char *path)
{
	git_filemode_t mode;
	g_autoptr(GError) why = NULL;
	g_autoptr(git_blob) blob =
		git_file_at(f->act.remote.repo, f->root, path, FIND_MAX_FILE_BYTES, &mode, &why);
	if (!blob && g_error_matches(why, SL_ERROR, SL_ERR_INVALID))
		return true; /* no manifest that a person writes is as large */
	if (!blob) {
		f->why = g_steal_pointer(&why);
		return false;
	}
	size_t len = (size_t)git_blob_rawsize(blob);
	f->n_bytes += len;
	if (f->n_bytes > FIND_MAX_TREE_BYTES)
		f->over = "64 MiB of YAML";
	else if (len == 0 || !memmem(git_blob_rawcontent(blob), len, f->word, strlen(f->word)))
		return true;
	else if (++f->n_candidates > FIND_MAX_CANDIDATES)
		f->over = "64 files that name it";
	return !f->over && ask(f, path, git_blob_rawcontent(blob), len);
}

static bool is_yaml(const char *name)
{
	return g_str_has_suffix(name, ".yaml") || g_str_has_suffix(name, ".yml");
}

static int on_entry(const char *folder, const git_tree_entry *e, void *ud)
{
	Find *f = ud;
	const char *name = git_tree_entry_name(e);
	if (git_tree_entry_type(e) == GIT_OBJECT_TREE) {
		unsigned depth = 0;
		for (const char *p = folder; *p; p++)
			depth += *p == '/';
		return depth >= GIT_MAX_DEPTH; /* 1: not entered */
	}
	git_filemode_t mode = git_tree_entry_filemode(e);
	if ((mode != GIT_FILEMODE_BLOB && mode != GIT_FILEMODE_BLOB_EXECUTABLE) || !is_yaml(name))
		return 0;
	g_autofree char *path = g_strconcat(f->below, folder, name, NULL);
	if (++f->n_files > FIND_MAX_FILES) {
		f->over = "20000 YAML files";
		return -1;
	}
	return !git_path_ok(path) || look_into(f, path) ? 0 : -1;
}

static bool walk(Find *f, const git_tree *tree, const char *below, GError **err)
{
	json_array_clear(f->unclear);
	f->n_files = f->n_bytes = f->n_candidates = 0;
	f->below = below;
	int rc = git_tree_walk(tree, GIT_TREEWALK_PRE, on_entry, f);
	if (f->why) {
		g_propagate_error(err, g_steal_pointer(&f->why));
		return false;
	}
	return f->over || rc >= 0 || git_fail(err, SL_ERR_CONFLICT, f->act.remote.mirror);
}

/* A folder that is not there holds nothing. */
static bool walk_below(Find *f, const char *folder, GError **err)
{
	g_autoptr(git_tree_entry) e = NULL;
	g_autoptr(git_tree) tree = NULL;
	if (!folder || !git_path_ok(folder) || git_tree_entry_bypath(&e, f->root, folder) < 0 ||
		git_tree_entry_type(e) != GIT_OBJECT_TREE)
		return true;
	if (git_tree_lookup(&tree, f->act.remote.repo, git_tree_entry_id(e)) < 0)
		return git_fail(err, SL_ERR_CONFLICT, folder);
	g_autofree char *below = g_strconcat(folder, "/", NULL);
	return walk(f, tree, below, err);
}

static json_t *answer(const Find *f, const char *below)
{
	g_autofree char *tip = git_oid_hex(&f->act.branch.tip);
	if (!f->over)
		return json_pack("{s:s, s:s, s:s, s:O, s:O, s:I}", "outcome", "found", "tip", tip,
			"below", below, "files", f->files, "unclear", f->unclear, "looked",
			(json_int_t)f->n_files);
	g_autofree char *message =
		g_strdup_printf("there are more than %s: too many to look through", f->over);
	return json_pack("{s:s, s:s, s:s, s:s}", "outcome", "refused", "tip", tip, "message",
		message, "code", "tooLarge");
}

json_t *git_op_find(const json_t *request, const GitEditor *editor, GError **err)
{
	g_auto(Find) f = { .act.remote.lock = -1, .editor = editor };
	const char *below = json_string_value(json_object_get(request, "below"));
	f.edit = json_object_get(request, "edit");
	f.word = git_need(request, "word", err);
	f.files = json_array();
	f.unclear = json_array();
	if (!f.word || !act_open(&f.act, request, false, err) || !act_fetch(&f.act, false, err))
		return NULL;
	if (!json_is_object(f.edit) || !*f.word) {
		sl_fail(err, SL_ERR_INVALID, "git: \"edit\" and \"word\" say what to find");
		return NULL;
	}
	f.root = act_tree(&f.act, &f.act.branch, err);
	if (!f.root || !walk_below(&f, below, err))
		return NULL;
	if (f.over || json_array_size(f.files) > 0)
		return answer(&f, below);
	return walk(&f, f.root, "", err) ? answer(&f, "") : NULL;
}
