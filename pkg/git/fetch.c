#include "git/remote.h"
#include <string.h>

/* The full name of the branch, as the server lists it. */
static char *find_branch(git_remote *remote, Remote *r, const char *branch, GError **err)
{
	const git_remote_head **heads = NULL;
	size_t n = 0;
	git_buf head = { 0 };
	g_autofree char *want = NULL;
	if (branch) {
		want = g_strconcat("refs/heads/", branch, NULL);
	} else if (git_remote_default_branch(&head, remote) == 0) {
		want = g_strdup(head.ptr);
		git_buf_dispose(&head);
	}
	if (want && git_remote_ls(&heads, &n, remote) < 0) {
		git_fail(err, SL_ERR_RETRY, r->url.url);
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		if (strcmp(heads[i]->name, want) == 0)
			return g_steal_pointer(&want);
	if (branch)
		sl_fail(err, SL_ERR_NOT_FOUND, "%s: has no branch \"%s\"", r->url.url, branch);
	else
		sl_fail(err, SL_ERR_NOT_FOUND, "%s: has no default branch; name one", r->url.url);
	return NULL;
}

static json_t *describe(git_repository *repo, const char *branch, const git_oid *before,
	const git_oid *now, GError **err)
{
	g_autoptr(git_commit) c = NULL;
	if (git_commit_lookup(&c, repo, now) < 0) {
		git_fail(err, SL_ERR_CONFLICT, "mirror");
		return NULL;
	}
	bool forced = before && !git_oid_equal(before, now) &&
		      git_graph_descendant_of(repo, now, before) != 1;
	char hex[GIT_OID_HEXSZ + 1], old[GIT_OID_HEXSZ + 1] = "";
	git_oid_tostr(hex, sizeof hex, now);
	if (before)
		git_oid_tostr(old, sizeof old, before);
	const git_signature *who = git_commit_author(c);
	g_autofree char *author = g_utf8_make_valid(who && who->name ? who->name : "", -1);
	const char *line = git_commit_summary(c);
	g_autofree char *summary = g_utf8_make_valid(line ? line : "", -1);
	json_t *v = json_object();
	json_object_set_new(v, "branch", json_string(branch + strlen("refs/heads/")));
	json_object_set_new(v, "commit", json_string(hex));
	json_object_set_new(v, "previous", before ? json_string(old) : json_null());
	json_object_set_new(v, "forced", json_boolean(forced));
	json_object_set_new(v, "time", json_integer(git_commit_time(c)));
	json_object_set_new(v, "author", json_string(author));
	json_object_set_new(v, "summary", json_string(summary));
	return v;
}

/* Fetches into refs/shiplock/BRANCH, which tells at the next fetch what was there before. */
static json_t *fetch_branch(Remote *r, git_remote *remote, const char *full, GError **err)
{
	const char *name = full + strlen("refs/heads/");
	g_autofree char *local = g_strconcat("refs/shiplock/", name, NULL);
	git_oid before, now;
	bool had = git_reference_name_to_id(&before, r->repo, local) == 0;
	g_autofree char *spec = g_strdup_printf("+%s:%s", full, local);
	if (!remote_fetch(r, remote, (const char *const[]){ spec }, 1, err))
		return NULL;
	if (git_reference_name_to_id(&now, r->repo, local) < 0) {
		sl_fail(err, SL_ERR_NOT_FOUND, "%s: branch \"%s\" went away meanwhile", r->url.url,
			name);
		return NULL;
	}
	return describe(r->repo, full, had ? &before : NULL, &now, err);
}

json_t *git_op_fetch(const json_t *request, GError **err)
{
	g_auto(Remote) r = { .lock = -1 };
	const char *branch = json_string_value(json_object_get(request, "branch"));
	if (!git_branch_ok(branch ? branch : "x", err) || !remote_open(&r, request, err))
		return NULL;
	g_autoptr(git_remote) remote = remote_connect(&r, GIT_DIRECTION_FETCH, err);
	g_autofree char *full = remote ? find_branch(remote, &r, branch, err) : NULL;
	return full ? fetch_branch(&r, remote, full, err) : NULL;
}
