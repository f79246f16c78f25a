#include "git/act.h"
#include "git/push.h"
#include <string.h>

typedef struct WriteJob {
	Act act;
	CommitText text;
	git_tree_update updates[GIT_MAX_FILES];
	size_t n_updates;
	git_oid refused_at;
	bool refused_missing; /* the ref was not there when the server said no */
	json_t *rejected;
	unsigned n_pushes;
} WriteJob;

static void write_job_clear(WriteJob *j)
{
	act_clear(&j->act);
	commit_text_clear(&j->text);
	json_decref(j->rejected);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(WriteJob, write_job_clear)

static bool take_file(WriteJob *j, const json_t *file, GError **err)
{
	const json_t *text = json_object_get(file, "text");
	const char *base64 = json_string_value(json_object_get(file, "base64"));
	const char *path = json_string_value(json_object_get(file, "path"));
	if (!path || !git_path_ok(path) || !!json_is_string(text) == !!base64)
		return sl_fail(err, SL_ERR_INVALID,
			"git: a file needs a path inside of the branch and one of text and base64");
	gsize len = json_string_length(text);
	g_autofree unsigned char *bytes = base64 ? g_base64_decode(base64, &len) : NULL;
	const void *data = bytes ? (const void *)bytes : json_string_value(text);
	if (len > GIT_MAX_FILE_BYTES)
		return sl_fail(err, SL_ERR_INVALID, "%s: is larger than %d bytes", path,
			GIT_MAX_FILE_BYTES);
	git_tree_update *u = &j->updates[j->n_updates++];
	*u = (git_tree_update){
		.action = GIT_TREE_UPDATE_UPSERT, .filemode = GIT_FILEMODE_BLOB, .path = path
	};
	return git_blob_create_from_buffer(&u->id, j->act.remote.repo, data, len) == 0 ||
	       git_fail(err, SL_ERR_CONFLICT, path);
}

static bool take_files(WriteJob *j, GError **err)
{
	const json_t *files = json_object_get(j->act.request, "files");
	size_t n = json_array_size(files);
	if (n == 0 || n > GIT_MAX_FILES)
		return sl_fail(
			err, SL_ERR_INVALID, "git: \"files\" holds 1 to %d files", GIT_MAX_FILES);
	for (size_t i = 0; i < n; i++)
		if (!take_file(j, json_array_get(files, i), err))
			return false;
	return true;
}

static json_t *answer(const WriteJob *j, const char *how, const char *commit)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:i}", "outcome", "done", "how", how, "commit",
		commit, "on", act_name(&j->act.branch), "attempts", (int)j->n_pushes);
}

static json_t *reject(WriteJob *j, const git_oid *commit, const char *words)
{
	g_autofree char *hex = git_oid_hex(commit);
	j->refused_at = j->act.branch.tip;
	j->refused_missing = !j->act.branch.there;
	json_decref(j->rejected);
	j->rejected = json_pack(
		"{s:s, s:s, s:s}", "outcome", "rejected", "message", words, "commit", hex);
	return NULL;
}

/* NULL without err: look again. */
static json_t *deliver(WriteJob *j, GError **err)
{
	Act *a = &j->act;
	git_oid tree, commit;
	git_repository *repo = a->remote.repo;
	g_autofree char *words = NULL;
	g_autoptr(git_tree) root = a->branch.there ? act_tree(a, &a->branch, err) : NULL;
	if (a->branch.there && !root)
		return NULL;
	if (git_tree_create_updated(&tree, repo, root, j->n_updates, j->updates) < 0) {
		git_fail(err, SL_ERR_INVALID, "files");
		return NULL;
	}
	if (root && git_oid_equal(&tree, git_tree_id(root))) {
		g_autofree char *tip = git_oid_hex(&a->branch.tip);
		return answer(j, "standing", tip);
	}
	const git_oid *parent = a->branch.there ? &a->branch.tip : NULL;
	if (!commit_make(repo, &j->text, &tree, parent, &commit, err))
		return NULL;
	j->n_pushes++;
	switch (push_commit(&a->remote, a->branch.full, parent, &commit, &words, err)) {
	case PUSH_DONE: {
		g_autofree char *hex = git_oid_hex(&commit);
		return answer(j, "new", hex);
	}
	case PUSH_REJECTED:
		return reject(j, &commit, words);
	default:
		return NULL;
	}
}

static bool stands_as_refused(const WriteJob *j)
{
	const ActRef *ref = &j->act.branch;
	return j->rejected && j->refused_missing == !ref->there &&
	       (!ref->there || git_oid_equal(&j->refused_at, &ref->tip));
}

static json_t *try_once(void *ud, GError **err)
{
	WriteJob *j = ud;
	if (!act_fetch(&j->act, true, err))
		return NULL;
	g_autoptr(json_t) found = act_find(&j->act, err);
	if (!found)
		return NULL;
	if (json_array_size(found) > 0)
		return answer(j, "found",
			json_string_value(json_object_get(json_array_get(found, 0), "commit")));
	if (stands_as_refused(j))
		return json_incref(j->rejected);
	return deliver(j, err);
}

json_t *git_op_write(const json_t *request, GError **err)
{
	g_auto(WriteJob) j = { .act.remote.lock = -1 };
	if (json_object_get(request, "to")) {
		sl_fail(err, SL_ERR_INVALID, "git: write has no \"to\"");
		return NULL;
	}
	if (!commit_text_read(&j.text, request, err) || !act_open(&j.act, request, true, err) ||
		!take_files(&j, err))
		return NULL;
	return act_attempts(&j.act, try_once, &j, err);
}
