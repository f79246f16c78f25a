#include "git/act.h"
#include <string.h>

void act_clear(Act *a)
{
	remote_clear(&a->remote);
	g_free(a->branch.full);
	g_free(a->branch.local);
	g_free(a->to.full);
	g_free(a->to.local);
}

/* Apart from refs/shiplock, by which a fetch tells what was there before. */
static void name_ref(ActRef *ref, const char *folder, const char *name)
{
	ref->full = g_strconcat("refs/", folder, "/", name, NULL);
	ref->local = g_strconcat("refs/shiplock-act/", folder, "/", name, NULL);
}

bool act_open(Act *a, const json_t *request, bool notes, GError **err)
{
	const char *branch = json_string_value(json_object_get(request, "branch"));
	const char *note = json_string_value(json_object_get(request, "notes"));
	const char *to = json_string_value(json_object_get(request, "to"));
	a->remote.lock = -1;
	a->request = request;
	a->key = json_string_value(json_object_get(request, "key"));
	if (a->key && !commit_key_ok(a->key, err))
		return false;
	if (notes && note && !branch)
		name_ref(&a->branch, "notes", note);
	else if (!git_need(request, "branch", err))
		return false;
	else
		name_ref(&a->branch, "heads", branch);
	if (!git_branch_ok(branch ? branch : note, err) || (to && !git_branch_ok(to, err)))
		return false;
	if (to && strcmp(to, branch) == 0)
		return sl_fail(err, SL_ERR_INVALID, "git: \"to\" is the branch itself");
	if (to)
		name_ref(&a->to, "heads", to);
	return remote_open(&a->remote, request, err);
}

const char *act_name(const ActRef *ref)
{
	const char *name = ref->full + strlen("refs/");
	return g_str_has_prefix(name, "heads/") ? name + strlen("heads/") : name;
}

static bool take_tip(Act *a, ActRef *ref, GError **err)
{
	if (git_reference_name_to_id(&ref->tip, a->remote.repo, ref->local) == 0)
		return true;
	return sl_fail(
		err, SL_ERR_RETRY, "%s: %s went away meanwhile", a->remote.url.url, act_name(ref));
}

static bool list_ref(Act *a, git_remote *remote, ActRef *ref, char **ret_spec, GError **err)
{
	if (!ref->full)
		return true;
	if (!remote_lists(&a->remote, remote, ref->full, &ref->there, &ref->tip, err))
		return false;
	if (ref->there)
		*ret_spec = g_strdup_printf("+%s:%s", ref->full, ref->local);
	return true;
}

bool act_fetch(Act *a, bool may_be_missing, GError **err)
{
	Remote *r = &a->remote;
	g_autofree char *branch = NULL, *to = NULL;
	g_autoptr(git_remote) remote = remote_connect(r, GIT_DIRECTION_FETCH, err);
	if (!remote || !list_ref(a, remote, &a->branch, &branch, err) ||
		!list_ref(a, remote, &a->to, &to, err))
		return false;
	if (!branch && !may_be_missing)
		return sl_fail(err, SL_ERR_NOT_FOUND, "%s: has no branch \"%s\"", r->url.url,
			act_name(&a->branch));
	const char *specs[] = { branch ? branch : to, to };
	size_t n = (branch != NULL) + (to != NULL);
	if (n > 0 && !remote_fetch(r, remote, specs, n, err))
		return false;
	return (!branch || take_tip(a, &a->branch, err)) && (!to || take_tip(a, &a->to, err));
}

static bool find_on(Act *a, const ActRef *ref, json_t *list, GError **err)
{
	git_oid base;
	bool has_base;
	if (!ref->full || !ref->there || !a->key)
		return true;
	if (!commit_read_base(a->remote.repo, a->request, &base, &has_base, err))
		return false;
	g_autoptr(json_t) found =
		commit_find(a->remote.repo, &ref->tip, has_base ? &base : NULL, a->key, err);
	json_t *c;
	size_t i;
	json_array_foreach (found, i, c) {
		json_object_set_new(c, "on", json_string(act_name(ref)));
		json_array_append(list, c);
	}
	return found != NULL;
}

json_t *act_find(Act *a, GError **err)
{
	json_t *list = json_array();
	if (find_on(a, &a->branch, list, err) && find_on(a, &a->to, list, err))
		return list;
	json_decref(list);
	return NULL;
}

git_tree *act_tree(Act *a, const ActRef *ref, GError **err)
{
	g_autoptr(git_commit) c = NULL;
	git_tree *tree = NULL;
	int rc = git_commit_lookup(&c, a->remote.repo, &ref->tip);
	if (rc == 0)
		rc = git_commit_tree(&tree, c);
	if (rc < 0)
		git_fail(err, SL_ERR_CONFLICT, a->remote.mirror);
	return tree;
}

json_t *act_attempts(const Act *a, json_t *(*try)(void *ud, GError **err), void *ud, GError **err)
{
	for (unsigned i = 0; i < GIT_MAX_ATTEMPTS; i++) {
		GError *why = NULL;
		json_t *answer = try(ud, &why);
		if (answer)
			return answer;
		if (why) {
			g_propagate_error(err, why);
			return NULL;
		}
	}
	sl_fail(err, SL_ERR_RETRY, "%s: \"%s\" moved during each of %d pushes", a->remote.url.url,
		act_name(&a->branch), GIT_MAX_ATTEMPTS);
	return NULL;
}
