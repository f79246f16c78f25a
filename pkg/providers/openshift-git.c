#include "providers/openshift-git.h"
#include "base/num.h"
#include "providers/owner.h"
#include <string.h>

#define CV_WHERE "ClusterVersion/version spec "
#define VERSION_WHERES CV_WHERE "desiredUpdate version|" CV_WHERE "desiredUpdate image"
enum { KEY_MAX = 200 };

static const char *actuator(const Item *it, const char *field)
{
	const json_t *a = json_object_get(target_spec(target_of(it)), "actuator");
	return json_string_value(json_object_get(a, field));
}

bool gitops_owns(Item *it, const View *v, const char *what)
{
	static const char *const field[] = { "spec", NULL };
	g_auto(Owner) o = { 0 };
	owner_find(v->json, field, NULL, &o);
	if (!owner_is_gitops(&o))
		return false;
	g_autofree char *who = owner_text(&o);
	item_set_reason(it, "%s owns %s (%s): what we patch, it would put back", who, what, o.mark);
	return true;
}

/* ---- keys ---- */

static bool is_commit(const ActRow *row)
{
	return row == &act_commit_version || row == &act_commit_clear || row == &act_commit_ack ||
	       row == &act_commit_pause || row == &act_commit_release;
}

static unsigned n_commits(const Item *it)
{
	unsigned n = 0;
	for (size_t i = 0; i < item_n_acts(it); i++)
		n += is_commit(act_row(item_act(it, i))) && act_state(item_act(it, i)) == ACT_DONE;
	return n;
}

/* ">shiplock/RUN/CLUSTER/SEQ" where a person merges, else "". Caller frees. */
static char *to_branch(const Item *it)
{
	if (g_strcmp0(actuator(it, "deliver"), "branch") != 0 || !item_parent(it))
		return g_strdup("");
	g_autofree char *run = g_strdelimit(g_strdup(item_name(item_parent(it))), "#", '-');
	return g_strdup_printf(">shiplock/%s/%s/%u", run, item_name(it), n_commits(it) + 1);
}

/* The channel goes with the way up only. */
static bool with_channel(const Item *it)
{
	return !item_pivot_crossed(it, "rollback") && *json_path_str(hop_of(it), "channel", "");
}

char *git_version_key(const Item *it, const char *file)
{
	g_autofree char *to = to_branch(it);
	return g_strdup_printf(
		"%s#%s" VERSION_WHERES "%s", file, with_channel(it) ? CV_WHERE "channel|" : "", to);
}

char *git_clear_key(const Item *it, const char *file)
{
	g_autofree char *to = to_branch(it);
	return g_strdup_printf("%s#" VERSION_WHERES "%s", file, to);
}

char *git_ack_key(const Item *it, const char *ack)
{
	g_autofree char *to = to_branch(it);
	const char *file = actuator(it, "acksFile");
	return file && target_by_git(target_of(it)) ? g_strdup_printf("%s#ack %s%s", file, ack, to)
						    : NULL;
}

static char *pool_key(const Item *it, const char *pool, const char *to)
{
	return g_strdup_printf("%s#MachineConfigPool/%s spec paused|MachineConfigPool/%s metadata "
			       "annotations " BRAKE_ANNOTATION "%s",
		actuator(it, "poolsFile"), pool, pool, to);
}

static bool is_in_file(const View *v)
{
	const char *code = "";
	return !git_refusal(v, &code) ||
	       (strcmp(code, "notFound") != 0 && strcmp(code, "missingFile") != 0);
}

bool git_holds_pools(Item *it, bool *ret_all)
{
	*ret_all = false;
	if (!target_by_git(target_of(it)) || !actuator(it, "poolsFile"))
		return true;
	const View *pools = fact(it, &fact_list, MCP_PATH);
	if (!pools)
		return fact_error(it, &fact_list, MCP_PATH) != NULL;
	bool read = true;
	size_t i;
	json_t *p;
	*ret_all = true;
	json_array_foreach (json_object_get(pools->json, "items"), i, p) {
		if (!pool_is_worker(p))
			continue;
		g_autofree char *key = pool_key(it, json_path_str(p, "metadata.name", ""), "");
		const View *v = fact(it, &fact_git, key);
		read = read && (v || fact_error(it, &fact_git, key));
		*ret_all = *ret_all && v && is_in_file(v);
	}
	return read;
}

/* Whether the file holds the pool is looked at once: the way does not change under a brake. */
Way git_pool_way(Item *it, const char *pool, char **ret_key)
{
	*ret_key = NULL;
	if (!target_by_git(target_of(it)) || !actuator(it, "poolsFile"))
		return WAY_DIRECT;
	g_autofree char *plain = pool_key(it, pool, "");
	const View *v = fact_peek(it, &fact_git, plain);
	if (!v)
		v = fact(it, &fact_git, plain);
	if (!v)
		return WAY_UNREAD;
	if (!is_in_file(v))
		return WAY_DIRECT;
	g_autofree char *to = to_branch(it);
	*ret_key = pool_key(it, pool, to);
	return WAY_GIT;
}

char *git_pool_of_key(const char *key)
{
	const char *hash = strrchr(key, '#'), *slash = hash ? strchr(hash, '/') : NULL;
	return slash ? g_strndup(slash + 1, strcspn(slash + 1, " ")) : g_strdup("");
}

static bool same_place(const char *a, const char *b)
{
	size_t n = strcspn(a, ">");
	return n == strcspn(b, ">") && strncmp(a, b, n) == 0;
}

const Act *git_newest(const Item *it, const ActRow *const *rows, const char *key)
{
	for (size_t i = item_n_acts(it); i > 0; i--) {
		const Act *a = item_act(it, i - 1);
		bool ours = act_state(a) == ACT_DONE && (!key || same_place(act_key(a), key));
		for (const ActRow *const *r = rows; ours && *r; r++)
			if (act_row(a) == *r)
				return a;
	}
	return NULL;
}

const Act *git_ordered(const Item *it)
{
	static const ActRow *const rows[] = { &act_commit_version, &act_commit_clear, NULL };
	const Act *a = git_newest(it, rows, NULL);
	return a && act_row(a) == &act_commit_version ? a : NULL;
}

/* ---- the commit ---- */

/* Who said yes to this, in the answers that an item keeps (steps/question.h). */
static void add_names(const Item *of, const char *subject, const char *about, GString *to)
{
	size_t i;
	json_t *a;
	json_array_foreach (json_object_get(item_memo(of), "answers"), i, a) {
		const char *who = json_path_str(a, "who", "");
		bool is = strcmp(json_path_str(a, "subject", ""), subject) == 0 &&
			  strcmp(json_path_str(a, "about", ""), about) == 0;
		if (!is || json_path_bool(a, "reject", false) || strstr(to->str, who))
			continue;
		g_string_append_printf(to, "%s%s%s", to->len ? ", " : "", who,
			json_path_bool(a, "breakGlass", false) ? " (broke the glass)" : "");
	}
}

/* Who said yes to the wave of this cluster, and to its way back. Caller frees. */
static char *approvers(const Item *it)
{
	const json_t *entry =
		json_array_get(json_object_get(item_data(item_parent(it)), "clusters"),
			(size_t)json_path_int(item_data(it), "index", 0));
	g_autoptr(GString) s = g_string_new("");
	add_names(item_parent(it), "wave", json_path_str(entry, "wave", ""), s);
	if (item_pivot_crossed(it, "rollback"))
		add_names(it, "rollback", item_name(it), s);
	return g_string_free(g_steal_pointer(&s), FALSE);
}

static json_t *trailers(const Item *it, const char *by)
{
	const json_t *hop = hop_of(it);
	const char *to = json_path_str(hop, item_pivot_crossed(it, "rollback") ? "from" : "to", "");
	return json_pack("[[s,s],[s,s],[s,s],[s,s]]", "Shiplock-Run", item_name(item_parent(it)),
		"Shiplock-Cluster", item_name(it), "Shiplock-Target", to, "Shiplock-Approved-By",
		*by ? by : "nobody (the plan asks for no approval)");
}

static char *message(const Item *it, const char *subject, const char *by)
{
	const json_t *hop = hop_of(it);
	bool back = item_pivot_crossed(it, "rollback");
	return g_strdup_printf("%s: %s\n\nFleet %s, run %s, cluster %s, %s %s -> %s.\nApproved by "
			       "%s; the plan is at commit %s.",
		item_name(it), subject, target_of(it)->fleet, item_name(item_parent(it)),
		item_name(it), back ? "way back" : "hop",
		json_path_str(hop, back ? "to" : "from", ""),
		json_path_str(hop, back ? "from" : "to", ""),
		*by ? by : "nobody: the plan asks for no approval",
		json_path_str(item_data(item_parent(it)), "commit", "(none)"));
}

static json_t *before_of(const View *v, size_t n)
{
	json_t *out = json_array();
	for (size_t i = 0; i < n; i++) {
		json_t *value = git_value(v, i);
		json_array_append_new(out, value ? json_incref(value) : json_null());
	}
	return out;
}

/* The tip since which our commit is looked for. An attempt of unknown outcome may have pushed it
 * already: then from the tip of the first one, or it would be older than the search. */
static json_t *base_of(const Item *it, const char *id, const View *v)
{
	for (size_t i = 0; i < item_n_acts(it); i++) {
		const Act *a = item_act(it, i);
		bool same = strcmp(json_path_str(act_want(a), "key", ""), id) == 0;
		if (same && act_state(a) == ACT_OPEN)
			return json_object_get(act_want(a), "base");
	}
	return json_object_get(v->json, "tip");
}

/* Takes values (by WHERE of the key). wish: the beginning of the last part of the commit's key. */
static bool commit(Item *it, const char *key, const View *v, json_t *values, const char *wish,
	const char *subject, ActRequest *ret)
{
	g_autoptr(json_t) owned = values;
	const char *refused = git_refusal(v, NULL), *to = strchr(key, '>');
	Target *t = target_of(it);
	if (refused) {
		item_set_reason(it, "%s", refused);
		return false;
	}
	g_autofree char *by = approvers(it), *text = message(it, subject, by);
	/* The number tells a wish from the same one made again later in the run. */
	g_autofree char *id = g_strdup_printf("%s/%s/%s/%s-%u", t->fleet,
		item_name(item_parent(it)), item_name(it), wish, n_commits(it) + 1);
	g_strdelimit(id, " \t", '_');
	int64_t sec = loop_wall_usec(t->loop) / SL_USEC_PER_SEC;
	json_t *base = base_of(it, id, v);
	ret->method = JOB_METHOD;
	ret->path = g_strdup("edit");
	ret->body = json_pack("{s:s, s:o, s:s#, s:s, s:o, s:{s:s, s:s}, s:I, s:O?, s:O?}", "op",
		"edit", "files", git_files(key, values), "key", id,
		(int)sl_min((int64_t)strlen(id), KEY_MAX), "message", text, "trailers",
		trailers(it, by), "author", "name", "Shiplock", "email", "shiplock@localhost",
		"time", (json_int_t)sec, "base", base, "hash", json_object_get(v->json, "hash"));
	if (to)
		json_object_set_new(ret->body, "to", json_string(to + 1));
	ret->want = json_pack("{s:s, s:O, s:s, s:I, s:O?}", "key", id, "values", values, "state",
		item_state_name(it), "observedUsec", (json_int_t)item_observed_usec(it), "base",
		base);
	ret->undo = json_pack("{s:o}", "values", before_of(v, json_array_size(values)));
	return true;
}

/* In the file as wished; or, for a merge request, its branch is there. */
static Class commit_classify(const json_t *want, const View *v)
{
	if (git_refusal(v, NULL))
		return CLASS_ABSENT;
	size_t i;
	json_t *value;
	bool same = true;
	json_array_foreach (json_object_get(want, "values"), i, value) {
		const json_t *is = git_value(v, i);
		same = same && (json_is_null(value) ? !is : is && json_equal(value, is));
	}
	bool there = json_is_string(json_object_get(v->json, "toTip"));
	return same || there ? CLASS_DONE : CLASS_ABSENT;
}

/* ---- version ---- */

/* What stands in the file is what we know: ours, or what the cluster is asked for now. */
static bool file_is_known(Item *it, const char *key, const View *v, size_t at)
{
	const char *stands = json_string_value(git_value(v, at));
	const json_t *hop = hop_of(it);
	const View *cv = fact_peek(it, &fact_object, CV_PATH);
	const char *known[] = { json_path_str(hop, "from", ""), json_path_str(hop, "to", ""),
		cv && cv->json ? cv_wanted_version(cv->json) : "" };
	for (size_t i = 0; i < G_N_ELEMENTS(known); i++)
		if (!stands || strcmp(stands, known[i]) == 0)
			return true;
	item_set_reason(
		it, "somebody else asks for %s in %.*s", stands, (int)strcspn(key, "#"), key);
	return false;
}

/* Version and image together: by the version alone an operator on its way back would target its
 * own release. */
static bool version_build(
	Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret)
{
	const json_t *hop = hop_of(it);
	bool back = item_pivot_crossed(it, "rollback"), channel = strstr(key, CV_WHERE "channel|");
	const char *version = json_path_str(hop, back ? "from" : "to", "");
	if (!git_refusal(v, NULL) && !file_is_known(it, key, v, channel))
		return false;
	json_t *values =
		json_pack("[s, s]", version, json_path_str(hop, back ? "fromImage" : "image", ""));
	if (channel)
		json_array_insert_new(values, 0, json_string(json_path_str(hop, "channel", "")));
	g_autofree char *wish = g_strdup_printf("version-%s", version);
	g_autofree char *subject =
		g_strdup_printf("%s OpenShift %s", back ? "back to" : "update to", version);
	if (!commit(it, key, v, values, wish, subject, ret))
		return false;
	json_object_set_new(ret->want, "version", json_string(version));
	json_object_set(ret->want, "image", json_array_get(values, json_array_size(values) - 1));
	return true;
}

const ActRow act_commit_version = {
	.name = "commit-version",
	.effect = EFFECT_BY_OLD_ID,
	.fact = &fact_git,
	.build = version_build,
	.classify = commit_classify,
	.may = target_may_order,
};

/* Puts back what stood before our order, channel excepted. */
static bool clear_build(
	Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret)
{
	const Act *order = git_ordered(it);
	const json_t *before = order ? json_object_get(act_undo_data(order), "values") : NULL;
	size_t n = json_array_size(before);
	if (n < 2) {
		item_set_reason(it, "nothing of ours stands in the file");
		return false;
	}
	json_t *values =
		json_pack("[O, O]", json_array_get(before, n - 2), json_array_get(before, n - 1));
	return commit(it, key, v, values, "clear", "the order is taken back", ret);
}

const ActRow act_commit_clear = {
	.name = "commit-clear",
	.effect = EFFECT_BY_OLD_ID,
	.fact = &fact_git,
	.build = clear_build,
	.classify = commit_classify,
};

/* ---- acknowledgements ---- */

static bool ack_build(Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret)
{
	const char *name = strstr(key, "#ack ");
	g_assert(name);
	g_autofree char *ack = g_strndup(name + 5, strcspn(name + 5, ">"));
	g_autofree char *subject = g_strdup_printf("acknowledge %s", ack);
	return commit(it, key, v, json_pack("[s]", "true"), ack, subject, ret);
}

const ActRow act_commit_ack = {
	.name = "commit-ack",
	.effect = EFFECT_BY_OLD_ID,
	.fact = &fact_git,
	.build = ack_build,
	.classify = commit_classify,
	.may = target_may_order,
};

/* ---- pools: the brake, with its annotation, so that it is told from anybody else's pause ---- */

/* The annotation in the file is of this fleet. */
static bool brake_in_file(const Item *it, const View *v)
{
	return pool_brake_of(json_string_value(git_value(v, 1)), target_of(it)->fleet);
}

static bool pause_build(
	Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret)
{
	g_autofree char *pool = git_pool_of_key(key);
	if (json_is_true(git_value(v, 0)) && !brake_in_file(it, v)) {
		item_set_reason(it, "pool %s is paused by somebody else in %s", pool,
			actuator(it, "poolsFile"));
		return false;
	}
	Target *t = target_of(it);
	g_autoptr(json_t) brake = json_pack("{s:s, s:s, s:I}", "fleet", t->fleet, "run",
		item_name(item_parent(it)), "epoch", (json_int_t)site_epoch(t->site));
	g_autofree char *text = json_canonical(brake);
	g_autofree char *wish = g_strdup_printf("pause-%s", pool);
	g_autofree char *subject = g_strdup_printf("pause pool %s for the update", pool);
	return commit(it, key, v, json_pack("[b, s]", 1, text), wish, subject, ret);
}

static bool release_build(
	Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret)
{
	g_autofree char *pool = git_pool_of_key(key);
	bool braked = json_is_true(git_value(v, 0)) || git_value(v, 1);
	if (!git_refusal(v, NULL) && braked && !brake_in_file(it, v)) {
		item_set_reason(it, "the brake on pool %s in %s is not ours any more", pool,
			actuator(it, "poolsFile"));
		return false;
	}
	g_autofree char *wish = g_strdup_printf("release-%s", pool);
	g_autofree char *subject = g_strdup_printf("release pool %s", pool);
	return commit(it, key, v, json_pack("[b, n]", 0), wish, subject, ret);
}

const ActRow act_commit_pause = {
	.name = "commit-pause",
	.effect = EFFECT_BY_OLD_ID,
	.fact = &fact_git,
	.build = pause_build,
	.classify = commit_classify,
	.may = target_may_order,
};
const ActRow act_commit_release = {
	.name = "commit-release",
	.effect = EFFECT_BY_OLD_ID,
	.fact = &fact_git,
	.build = release_build,
	.classify = commit_classify,
};
