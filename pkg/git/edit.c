#include "git/manifest.h"
#include "git/push.h"
#include <string.h>

typedef struct EditJob {
	Act act;
	CommitText text;
	const GitEditor *editor;
	char *hash; /* the bytes that the wish was decided on */
	git_oid refused_at; /* the tip at which the server said no */
	json_t *rejected; /* what it said */
	unsigned n_pushes;
	bool dry;
} EditJob;

static void edit_job_clear(EditJob *j)
{
	act_clear(&j->act);
	commit_text_clear(&j->text);
	g_free(j->hash);
	json_decref(j->rejected);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(EditJob, edit_job_clear)

static json_t *answer_new(const EditJob *j, const char *outcome)
{
	g_autofree char *tip = git_oid_hex(&j->act.branch.tip);
	return json_pack("{s:s, s:s}", "outcome", outcome, "tip", tip);
}

static json_t *answer_done(const EditJob *j, const char *how, const char *commit, const ActRef *on)
{
	json_t *v = answer_new(j, "done");
	json_object_set_new(v, "how", json_string(how));
	json_object_set_new(v, "commit", commit ? json_string(commit) : json_null());
	json_object_set_new(v, "on", json_string(act_name(on)));
	json_object_set_new(v, "attempts", json_integer(j->n_pushes));
	return v;
}

static void tell_change(json_t *v, const EditJob *j, const Manifests *m)
{
	json_object_set_new(v, "files", manifests_json(m, j->act.request, true));
	json_object_set_new(v, "undo", manifests_undo(m));
	json_object_set_new(v, "hash", json_string(m->hash));
}

static json_t *answer_raced(const EditJob *j, const Manifests *m)
{
	json_t *v = answer_new(j, "raced");
	json_object_set_new(v, "message",
		json_string(m->raced ? m->raced
				     : "the bytes concerned are not those that it was decided on"));
	json_object_set_new(v, "files", manifests_json(m, j->act.request, false));
	json_object_set_new(v, "hash", json_string(m->hash));
	return v;
}

/* Whether every value is as wished where this ref stands; a file that cannot be read is not. */
static bool stands_at(EditJob *j, const ActRef *ref, bool *ret_stands, GError **err)
{
	g_auto(Manifests) m = { 0 };
	ManifestKind kind = manifests_read(&m, &j->act, ref, j->editor, true, err);
	*ret_stands = (kind == MANIFEST_OK || kind == MANIFEST_RACED) && manifests_stand(&m);
	return kind != MANIFEST_ERROR;
}

static json_t *answer_found(EditJob *j, const json_t *found, GError **err)
{
	const json_t *newest = json_array_get(found, 0);
	const char *on = json_string_value(json_object_get(newest, "on"));
	const ActRef *ref = strcmp(on, act_name(&j->act.branch)) == 0 ? &j->act.branch : &j->act.to;
	bool stands, merged = ref == &j->act.branch;
	if (!stands_at(j, ref, &stands, err) ||
		(!merged && !stands_at(j, &j->act.branch, &merged, err)))
		return NULL;
	json_t *v =
		answer_done(j, "found", json_string_value(json_object_get(newest, "commit")), ref);
	json_object_set_new(v, "stands", json_boolean(stands));
	json_object_set_new(v, "merged", json_boolean(merged));
	return v;
}

static json_t *answer_rejected(const EditJob *j, const char *commit, const char *words)
{
	json_t *v = answer_new(j, "rejected");
	json_object_set_new(v, "message", json_string(words));
	json_object_set_new(v, "commit", commit ? json_string(commit) : json_null());
	return v;
}

/* Commit and push. NULL without err: somebody was faster, or the server said no: look again. */
static json_t *deliver(EditJob *j, const Manifests *m, GError **err)
{
	Act *a = &j->act;
	git_oid tree, commit;
	g_autoptr(git_tree) root = act_tree(a, &a->branch, err);
	if (!root || !manifests_tree(m, a->remote.repo, root, &tree, err) ||
		!commit_make(a->remote.repo, &j->text, &tree, &a->branch.tip, &commit, err))
		return NULL;
	const ActRef *on = a->to.full ? &a->to : &a->branch;
	g_autofree char *words = NULL, *hex = git_oid_hex(&commit);
	j->n_pushes++;
	switch (push_commit(
		&a->remote, on->full, a->to.full ? NULL : &a->branch.tip, &commit, &words, err)) {
	case PUSH_DONE: {
		json_t *v = answer_done(j, "new", hex, on);
		json_object_set_new(v, "merged", json_boolean(on == &a->branch));
		tell_change(v, j, m);
		return v;
	}
	case PUSH_REJECTED:
		j->refused_at = a->branch.tip;
		json_decref(j->rejected);
		j->rejected = answer_rejected(j, hex, words);
		return NULL;
	default:
		return NULL;
	}
}

static json_t *answer_unchanged(const EditJob *j, const Manifests *m)
{
	g_autofree char *tip = git_oid_hex(&j->act.branch.tip);
	bool standing = !manifests_changed(m);
	json_t *v = answer_done(
		j, standing ? "standing" : "dryRun", standing ? tip : NULL, &j->act.branch);
	json_object_set_new(v, "merged", json_boolean(standing));
	tell_change(v, j, m);
	return v;
}

static json_t *change(EditJob *j, GError **err)
{
	g_auto(Manifests) m = { 0 };
	ManifestKind kind = manifests_read(&m, &j->act, &j->act.branch, j->editor, false, err);
	if (kind == MANIFEST_ERROR)
		return NULL;
	if (kind == MANIFEST_REFUSED) {
		json_t *v = answer_new(j, "refused");
		json_object_update(v, m.refused);
		return v;
	}
	if (kind == MANIFEST_OK && !manifests_changed(&m))
		return answer_unchanged(j, &m);
	if (kind == MANIFEST_RACED || (j->hash && strcmp(j->hash, m.hash) != 0))
		return answer_raced(j, &m);
	if (!j->hash)
		j->hash = g_strdup(m.hash);
	return j->dry ? answer_unchanged(j, &m) : deliver(j, &m, err);
}

/* NULL without err: look again. */
static json_t *try_once(void *ud, GError **err)
{
	EditJob *j = ud;
	Act *a = &j->act;
	if (!act_fetch(a, false, err))
		return NULL;
	g_autoptr(json_t) found = act_find(a, err);
	if (!found)
		return NULL;
	if (json_array_size(found) > 0)
		return answer_found(j, found, err);
	if (j->rejected && git_oid_equal(&j->refused_at, &a->branch.tip))
		return json_incref(j->rejected);
	if (a->to.full && a->to.there && !j->dry)
		return answer_rejected(j, NULL,
			"the branch for the merge request is there already, without our commit");
	return change(j, err);
}

json_t *git_op_edit(const json_t *request, const GitEditor *editor, GError **err)
{
	g_auto(EditJob) j = { .editor = editor, .act.remote.lock = -1 };
	const json_t *hash = json_object_get(request, "hash");
	j.hash = g_strdup(json_string_value(hash));
	j.dry = json_is_true(json_object_get(request, "dryRun"));
	if ((!j.dry && !commit_text_read(&j.text, request, err)) ||
		!act_open(&j.act, request, false, err))
		return NULL;
	return act_attempts(&j.act, try_once, &j, err);
}
