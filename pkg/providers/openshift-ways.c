/* Which way each wish goes, and how far it is on it. */
#include "providers/openshift-git.h"
#include "providers/owner.h"
#include "providers/sync.h"
#include <string.h>

#define CV_GROUP "config.openshift.io"
#define MCP_GROUP "machineconfiguration.openshift.io"
static const ActRow *const pool_rows[] = { &act_commit_pause, &act_commit_release, NULL };
static const GitopsObject cv_object = { CV_GROUP, "ClusterVersion", "version" };

/* What a commit did is shown by a read that is younger than it: what was known before may be the
 * same value of an earlier time. */
static bool read_since(Item *it, const FactRow *row, const char *key, const Act *a, StepResult *ret)
{
	if (!a || fact_since(it, row, key, act_settled_usec(a)))
		return true;
	*ret = step_read(it);
	return false;
}

const View *git_order_view(Item *it)
{
	StepResult unread;
	return read_since(it, &fact_object, CV_PATH, git_ordered(it), &unread)
		       ? target_fact(it, CV_COLLECTION)
		       : NULL;
}

bool git_order_synced(
	Item *it, int64_t now, Batch *b, const json_t *cv, const char *image, StepResult *ret)
{
	const Act *a = git_ordered(it);
	if (!a || strcmp(json_path_str(act_want(a), "image", ""), image) != 0)
		return true;
	SyncWish w = { a, cv_object, strcmp(cv_wanted_image(cv), image) == 0 };
	return sync_proven(it, now, b, &w, ret);
}

bool git_clear_synced(Item *it, int64_t now, Batch *b, const char *image, StepResult *ret)
{
	static const ActRow *const rows[] = { &act_commit_version, &act_commit_clear, NULL };
	const Act *a = git_newest(it, rows, NULL);
	if (!a || act_row(a) != &act_commit_clear || target_waits_for_merge(target_of(it)))
		return true;
	const View *cv = fact_since(it, &fact_object, CV_PATH, act_settled_usec(a));
	*ret = step_read(it);
	if (!cv)
		return false;
	SyncWish w = { a, cv_object, strcmp(cv_wanted_image(cv->json), image) != 0 };
	return sync_proven(it, now, b, &w, ret);
}

static bool of_this_state(const Item *it, const Act *a)
{
	return strcmp(json_path_str(act_want(a), "state", ""), item_state_name(it)) == 0;
}

static bool pool_synced(
	Item *it, int64_t now, Batch *b, const json_t *pool, const Act *a, StepResult *ret)
{
	if (!read_since(it, &fact_list, MCP_PATH, a, ret))
		return false;
	bool paused = act_row(a) == &act_commit_pause;
	bool is = paused ? pool_paused_by(pool, target_of(it)->fleet)
			 : !json_path_bool(pool, "spec.paused", false);
	SyncWish w = { a,
		{ MCP_GROUP, "MachineConfigPool", json_path_str(pool, "metadata.name", "") }, is };
	if (!sync_proven(it, now, b, &w, ret))
		return false;
	if (!is)
		*ret = step_hold_person(it, "foreign-update",
			"pool %s is %s, though our commit says otherwise: somebody else writes it",
			w.object.name, paused ? "not paused by us" : "paused");
	return is;
}

bool git_pools_synced(Item *it, int64_t now, Batch *b, const json_t *pools, StepResult *ret)
{
	size_t i;
	json_t *p;
	if (!target_by_git(target_of(it)))
		return true;
	json_array_foreach (json_object_get(pools, "items"), i, p) {
		g_autofree char *key = NULL;
		if (!pool_is_worker(p))
			continue;
		Way way = git_pool_way(it, json_path_str(p, "metadata.name", ""), &key);
		if (way == WAY_UNREAD) {
			*ret = step_read(it);
			return false;
		}
		const Act *a = way == WAY_GIT ? git_newest(it, pool_rows, key) : NULL;
		if (a && of_this_state(it, a) && !pool_synced(it, now, b, p, a, ret))
			return false;
	}
	return true;
}

bool git_released(const Item *it, const char *pool)
{
	for (size_t i = item_n_acts(it); i > 0; i--) {
		const Act *a = item_act(it, i - 1);
		bool release = act_row(a) == &act_commit_release;
		if (act_state(a) != ACT_DONE || (!release && act_row(a) != &act_commit_pause))
			continue;
		g_autofree char *of = git_pool_of_key(act_key(a));
		if (strcmp(of, pool) == 0)
			return release;
	}
	return false;
}

StepResult git_write_pool(Item *it, Batch *b, const char *pool, bool paused)
{
	g_autofree char *key = NULL, *path = g_strdup_printf("%s/%s", MCP_PATH, pool);
	switch (git_pool_way(it, pool, &key)) {
	case WAY_UNREAD:
		return step_read(it);
	case WAY_DIRECT:
		return step_act(it, paused ? &act_pause_pool : &act_release_pool, path, b);
	case WAY_GIT:
		return step_act(it, paused ? &act_commit_pause : &act_commit_release, key, b);
	}
	g_assert_not_reached();
}

static bool release_pending(Item *it, const json_t *pool)
{
	g_autofree char *key = NULL;
	const char *name = json_path_str(pool, "metadata.name", "");
	return pool_is_worker(pool) && json_path_bool(pool, "spec.paused", false) &&
	       !pool_at_its_wish(pool) && git_released(it, name) &&
	       git_pool_way(it, name, &key) == WAY_GIT;
}

bool git_unrelease(Item *it, Batch *b, const json_t *pools, StepResult *ret)
{
	const Target *t = target_of(it);
	size_t i;
	json_t *p;
	/* What waits for a merge is not in the branch yet: there is nothing to put back there. */
	if (!target_by_git(t) || target_waits_for_merge(t))
		return false;
	json_array_foreach (json_object_get(pools, "items"), i, p)
		if (release_pending(it, p)) {
			*ret = git_write_pool(it, b, json_path_str(p, "metadata.name", ""), true);
			return true;
		}
	return false;
}

bool git_ack_given(Item *it, int64_t now, Batch *b, const char *key, const char *object, bool have,
	StepResult *ret)
{
	static const ActRow *const rows[] = { &act_commit_ack, NULL };
	const Act *a = git_newest(it, rows, key);
	SyncWish w = { a, { "", "ConfigMap", "admin-acks" }, have };
	if (!a && have)
		return true;
	if (!a) {
		*ret = step_act(it, &act_commit_ack, key, b);
		return false;
	}
	if (!read_since(it, &fact_object, object, a, ret) || !sync_proven(it, now, b, &w, ret))
		return false;
	if (!have)
		*ret = step_hold_person(it, "foreign-update",
			"the acknowledgement that we committed is not in the cluster any more");
	return have;
}

/* ---- branches that a person could still merge ---- */

enum { BRANCH_POLL_SEC = 15 };

/* False: *ret says what is missing, or which branch waits. */
static bool branch_closed(Item *it, int64_t now, const Act *a, const char *to, StepResult *ret)
{
	g_autofree char *plain = g_strndup(act_key(a), (size_t)(to - act_key(a)));
	const View *branch = fact(it, &fact_git, act_key(a));
	const View *main = fact(it, &fact_git, plain);
	if (!branch || !main) {
		*ret = step_read(it);
		return false;
	}
	bool there = json_is_string(json_object_get(branch->json, "toTip"));
	if (!there || act_row(a)->classify(act_want(a), main) == CLASS_DONE)
		return true;
	*ret = step_hold(it, "merge",
		"branch %s of %s is not merged: delete it, which closes its merge request, or "
		"merge it; left open, it would take effect when nobody watches any more",
		to + 1, json_path_str(target_spec(target_of(it)), "actuator.repository", ""));
	ret->until_usec = now + BRANCH_POLL_SEC * SL_USEC_PER_SEC;
	return false;
}

bool git_branches_closed(Item *it, int64_t now, bool all, StepResult *ret)
{
	for (size_t i = 0; i < item_n_acts(it); i++) {
		const Act *a = item_act(it, i);
		bool commit = act_row(a)->fact == &fact_git && act_state(a) == ACT_DONE;
		const char *to = commit ? strchr(act_key(a), '>') : NULL;
		if (!to || (!all && of_this_state(it, a)) || sync_merged(it, a))
			continue;
		if (!branch_closed(it, now, a, to, ret))
			return false;
	}
	return true;
}

/* ---- preflight ---- */

static void way_finding(const Item *it, const char *what, const char *file, json_t *findings)
{
	const json_t *a = json_object_get(target_spec(target_of(it)), "actuator");
	bool branch = strcmp(json_path_str(a, "deliver", ""), "branch") == 0;
	if (file)
		finding_add(findings, "info", "way", NULL, "%s is written in Git: %s, branch %s%s",
			what, file, json_path_str(a, "branch", ""),
			branch ? ", by a branch that a person merges; so is the way back" : "");
	else
		finding_add(findings, "info", "way", NULL, "%s is patched directly", what);
}

/* True once the fact is there, or its failure is a finding. */
static bool file_read(
	Item *it, const FactRow *row, const char *key, const View **ret, json_t *findings)
{
	*ret = fact(it, row, key);
	const GError *err = *ret ? NULL : fact_error(it, row, key);
	if (err)
		finding_add(findings, "block", "git",
			"check repository, branch, file and credential in actuator of the Cluster",
			"%.*s cannot be read: %s", (int)strcspn(key, "#"), key, err->message);
	return *ret || err;
}

/* The cluster's own controller marks another application than the document names. */
static void check_tracker(const Target *t, const json_t *cv, json_t *findings)
{
	static const char *const field[] = { "spec", NULL };
	const char *named = json_path_str(target_spec(t), "actuator.sync.argoCD.application",
		json_path_str(target_spec(t), "actuator.sync.flux.kustomization", NULL));
	g_auto(Owner) o = { 0 };
	owner_find(cv, field, NULL, &o);
	g_autofree char *who = owner_text(&o), *ours = sync_name(t);
	if (!owner_is_gitops(&o))
		finding_add(findings, "warn", "gitops", "check that somebody applies the file",
			"no GitOps controller marks ClusterVersion as its own");
	else if (named && o.name && strcmp(named, o.name) != 0)
		finding_add(findings, "block", "gitops", "name that one in actuator.sync",
			"%s owns ClusterVersion, not %s", who, ours);
}

/* What the file asks for is what the cluster is asked for: else a sync is under way, or the file is
 * not the one that is applied. */
static void check_in_step(const json_t *cv, const View *v, json_t *findings)
{
	const char *file = json_string_value(git_value(v, 0)), *is = cv_wanted_version(cv);
	if (file && strcmp(file, is) != 0)
		finding_add(findings, "block", "out-of-sync",
			"wait until the file is applied, or mend the file",
			"the file asks for %s, the cluster is asked for %s", file,
			*is ? is : "nothing");
}

static void check_file(Item *it, const View *cv, const char *file, const View *v, json_t *findings)
{
	const char *refused = v ? git_refusal(v, NULL) : NULL;
	if (refused)
		finding_add(findings, "block", "git", "mend the file, or use actuator observe",
			"%s", refused);
	else if (v)
		check_in_step(cv->json, v, findings);
	way_finding(it, "ClusterVersion", file, findings);
}

static bool check_version(Item *it, const View *cv, json_t *findings)
{
	g_autofree char *file = NULL, *found = NULL, *key = NULL;
	const View *v = NULL;
	bool known = git_version_file(it, &file, &found);
	bool synced = sync_preflight(
		it, &cv_object, "/spec/desiredUpdate", file ? file : "ClusterVersion", findings);
	if (!known || !synced)
		return false;
	if (file) {
		key = git_clear_key(it, file);
		if (!file_read(it, &fact_git, key, &v, findings))
			return false;
		check_file(it, cv, file, v, findings);
	}
	if (found)
		finding_add(findings, file ? "info" : "block", file ? "way" : "git",
			file ? NULL : "write it as actuator.file into the Cluster", "%s", found);
	check_tracker(target_of(it), cv->json, findings);
	return true;
}

static bool check_pool(Item *it, const char *pool, json_t *findings)
{
	g_autofree char *key = NULL, *path = g_strdup_printf("%s/%s", MCP_PATH, pool);
	g_autofree char *what = g_strdup_printf("MachineConfigPool %s", pool);
	Way way = git_pool_way(it, pool, &key);
	const View *v = fact(it, &fact_object, path);
	if (way == WAY_UNREAD || !v)
		return false;
	if (way == WAY_DIRECT && v->json && gitops_owns(it, v, what))
		finding_add(findings, "block", "owned",
			"name its file in actuator.poolsFile of the Cluster", "%s",
			item_reason(it));
	way_finding(it, what,
		way == WAY_GIT ? json_path_str(target_spec(target_of(it)), "actuator.poolsFile", "")
			       : NULL,
		findings);
	return true;
}

static bool check_pools(Item *it, json_t *findings)
{
	const View *pools = fact(it, &fact_list, MCP_PATH);
	bool all = pools != NULL;
	size_t i;
	json_t *p;
	json_array_foreach (json_object_get(pools ? pools->json : NULL, "items"), i, p)
		if (pool_is_worker(p))
			all = check_pool(it, json_path_str(p, "metadata.name", ""), findings) &&
			      all;
	return all;
}

bool git_preflight(Item *it, json_t *findings)
{
	Target *t = target_of(it);
	const View *cv = fact(it, &fact_object, CV_PATH);
	if (!target_by_git(t))
		return true;
	if (!t->job.ops || !t->git_access) {
		finding_add(findings, "block", "git", "start shiplockd with its worker",
			"the actuator git needs the worker, which this program does not have");
		return true;
	}
	if (!cv || cv->missing)
		return cv != NULL;
	bool all = check_version(it, cv, findings);
	return check_pools(it, findings) && all;
}

/* Whether the worker could make this edit; its refusal comes with line and reason. */
bool git_preflight_hop(Item *it, const json_t *hop, json_t *findings)
{
	if (!target_by_git(target_of(it)))
		return true;
	g_autofree char *file = NULL, *found = NULL;
	if (!git_version_file(it, &file, &found))
		return false;
	if (!file)
		return true; /* said already */
	const char *channel = json_path_str(hop, "channel", "");
	g_autofree char *key = g_strdup_printf("%s#%sClusterVersion/version spec desiredUpdate "
					       "version|ClusterVersion/version spec "
					       "desiredUpdate image",
		file, *channel ? "ClusterVersion/version spec channel|" : "");
	g_autoptr(json_t) values =
		json_pack("[s, s]", json_path_str(hop, "to", ""), json_path_str(hop, "image", ""));
	if (*channel)
		json_array_insert_new(values, 0, json_string(channel));
	g_autoptr(json_t) files = git_files(key, values);
	g_autofree char *text = json_canonical(files);
	const View *v = fact(it, &fact_git_try, text);
	const GError *err = v ? NULL : fact_error(it, &fact_git_try, text);
	const char *refused = v ? git_refusal(v, NULL) : err ? err->message : NULL;
	if (refused)
		finding_add(findings, "block", "git", "mend the file, or use actuator observe",
			"the order cannot be written into it: %s", refused);
	return v || err;
}
