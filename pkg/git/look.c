#include "git/manifest.h"

static json_t *answer_refused(const Act *a, const Manifests *m)
{
	g_autofree char *tip = git_oid_hex(&a->branch.tip);
	json_t *v = json_pack("{s:s, s:s}", "outcome", "refused", "tip", tip);
	json_object_update(v, m->refused);
	return v;
}

static json_t *answer_read(Act *a, const Manifests *m, GError **err)
{
	g_autoptr(git_commit) c = NULL;
	if (git_commit_lookup(&c, a->remote.repo, &a->branch.tip) < 0) {
		git_fail(err, SL_ERR_CONFLICT, a->remote.mirror);
		return NULL;
	}
	json_t *commits = act_find(a, err);
	if (!commits)
		return NULL;
	g_autofree char *tip = git_oid_hex(&a->branch.tip);
	g_autofree char *to = git_oid_hex(&a->to.tip);
	bool has_to = a->to.full && a->to.there;
	return json_pack("{s:s, s:s, s:I, s:s, s:o, s:o, s:o}", "outcome", "read", "tip", tip,
		"time", (json_int_t)git_commit_time(c), "hash", m->hash, "files",
		manifests_json(m, a->request, false), "commits", commits, "toTip",
		has_to ? json_string(to) : json_null());
}

json_t *git_op_read(const json_t *request, const GitEditor *editor, GError **err)
{
	g_auto(Act) a = { .remote.lock = -1 };
	g_auto(Manifests) m = { 0 };
	if (!act_open(&a, request, false, err) || !act_fetch(&a, false, err))
		return NULL;
	switch (manifests_read(&m, &a, &a.branch, editor, true, err)) {
	case MANIFEST_ERROR:
		return NULL;
	case MANIFEST_REFUSED:
		return answer_refused(&a, &m);
	default:
		return answer_read(&a, &m, err);
	}
}
