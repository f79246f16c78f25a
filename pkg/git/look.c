#include "git/manifest.h"
#include <string.h>

static json_t *answer_refused(const Act *a, const Manifests *m)
{
	g_autofree char *tip = git_oid_hex(&a->branch.tip);
	json_t *v = json_pack("{s:s, s:s}", "outcome", "refused", "tip", tip);
	json_object_update(v, m->refused);
	return v;
}

/* "at": the commit to look at instead of the tip. False: the request is wrong. */
static bool place_of(const Act *a, ActRef *ret, bool *ret_missing, GError **err)
{
	const char *at = json_string_value(json_object_get(a->request, "at"));
	g_autoptr(git_commit) c = NULL;
	git_oid id;
	*ret = a->branch; /* borrowed */
	*ret_missing = false;
	if (!at)
		return true;
	if (strlen(at) != GIT_OID_HEXSZ || git_oid_fromstr(&id, at) < 0)
		return sl_fail(err, SL_ERR_INVALID, "git: \"at\" is no commit id: %s", at);
	*ret_missing = git_commit_lookup(&c, a->remote.repo, &id) < 0;
	if (!*ret_missing)
		ret->tip = id;
	return true;
}

/* "contains": that commit is this one or an ancestor of it. */
static bool contains(const Act *a, const ActRef *at, bool missing)
{
	const char *text = json_string_value(json_object_get(a->request, "contains"));
	git_oid id;
	if (missing || !text || strlen(text) != GIT_OID_HEXSZ || git_oid_fromstr(&id, text) < 0)
		return false;
	return git_oid_equal(&id, &at->tip) ||
	       git_graph_descendant_of(a->remote.repo, &at->tip, &id) == 1;
}

static json_t *answer_read(Act *a, const Manifests *m, const ActRef *at, bool missing, GError **err)
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
	return json_pack("{s:s, s:b, s:b, s:s, s:I, s:s, s:o, s:o, s:o}", "outcome", "read",
		"atMissing", (int)missing, "contains", (int)contains(a, at, missing), "tip", tip,
		"time", (json_int_t)git_commit_time(c), "hash", m->hash, "files",
		manifests_json(m, a->request, false), "commits", commits, "toTip",
		has_to ? json_string(to) : json_null());
}

json_t *git_op_read(const json_t *request, const GitEditor *editor, GError **err)
{
	g_auto(Act) a = { .remote.lock = -1 };
	g_auto(Manifests) m = { 0 };
	ActRef at;
	bool missing;
	if (!act_open(&a, request, false, err) || !act_fetch(&a, false, err) ||
		!place_of(&a, &at, &missing, err))
		return NULL;
	switch (manifests_read(&m, &a, &at, editor, true, err)) {
	case MANIFEST_ERROR:
		return NULL;
	case MANIFEST_REFUSED:
		return answer_refused(&a, &m);
	default:
		return answer_read(&a, &m, &at, missing, err);
	}
}
