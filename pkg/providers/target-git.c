/* The actuator git as far as the engine sees it: files that are read by a job of the worker,
 * commits that are made and pushed by one, and the objects of the GitOps controller. */
#include "providers/target-internal.h"
#include <string.h>

enum { READ_JOB_MSEC = 120000, EDIT_JOB_MSEC = 180000, LOCAL_MAX_AGE_SEC = 10 };

/* ---- the cluster of the GitOps controller ---- */

KubeClient *target_gitops_client(const Target *t)
{
	const char *name = json_path_str(t->doc, "gitops.metadata.name", NULL);
	return name && strcmp(name, t->name) == 0 ? t->kube : t->gitops;
}

/* NULL: p is answered. */
static KubeClient *gitops_client(Pending *p)
{
	KubeClient *kube = target_gitops_client(p->t);
	if (!kube)
		pending_fail(p, p->t->gitops_broken ? p->t->gitops_broken : "no cluster is named");
	return kube;
}

static void read_gitops(Site *site, const char *key, FactRead *r)
{
	Pending *p = pending_new(site_ctx(site), r);
	KubeClient *kube = gitops_client(p);
	if (kube)
		pending_get(p, kube, key);
}

static void read_gitops_access(Site *site, const char *key, FactRead *r)
{
	Pending *p = pending_new(site_ctx(site), r);
	KubeClient *kube = gitops_client(p);
	if (kube)
		target_review(p, kube, key);
}

const FactRow fact_gitops = { .name = "gitops", .max_age_sec = 2, .read = read_gitops };
const FactRow fact_gitops_access = {
	.name = "gitops-access", .max_age_sec = 600, .read = read_gitops_access
};

/* ---- where a wish stands ---- */

static json_t *where_of(const char *text)
{
	g_auto(GStrv) part = g_strsplit(text, " ", 0);
	if (strcmp(part[0], "ack") == 0)
		return json_pack("{s:s}", "ack", part[1] ? part[1] : "");
	const char *slash = strchr(part[0], '/');
	g_autofree char *kind = g_strndup(part[0], slash ? (size_t)(slash - part[0]) : 0);
	json_t *at = json_array();
	for (char **p = part + 1; *p; p++)
		json_array_append_new(at, json_string(*p));
	return json_pack("{s:s, s:s, s:o}", "kind", kind, "name", slash ? slash + 1 : "", "at", at);
}

/* The parts of a key. Caller frees all three. */
static char *split_key(const char *key, char **ret_wheres, char **ret_branch)
{
	const char *hash = strrchr(key, '#'), *to = hash ? strchr(hash, '>') : NULL;
	g_assert(hash);
	*ret_branch = to ? g_strdup(to + 1) : NULL;
	*ret_wheres = g_strndup(hash + 1, to ? (size_t)(to - hash - 1) : strlen(hash + 1));
	return g_strndup(key, (size_t)(hash - key));
}

json_t *git_files(const char *key, const json_t *values)
{
	g_autofree char *wheres = NULL, *branch = NULL;
	g_autofree char *file = split_key(key, &wheres, &branch);
	g_auto(GStrv) list = g_strsplit(wheres, "|", 0);
	json_t *edits = json_array();
	for (size_t i = 0; list[i]; i++) {
		json_t *where = where_of(list[i]);
		if (values)
			json_object_set(where, "value", json_array_get(values, i));
		json_array_append_new(edits, where);
	}
	return json_pack("[{s:s, s:o}]", "path", file, "edits", edits);
}

json_t *git_value(const View *v, size_t n)
{
	const json_t *file = json_path(v->json, "files.0");
	const json_t *edit = json_array_get(json_object_get(file, "edits"), n);
	json_t *value = json_object_get(edit, "value");
	return json_is_null(value) ? NULL : value;
}

const char *git_refusal(const View *v, const char **ret_code)
{
	bool missing = json_path_bool(v->json, "files.0.missing", false);
	if (ret_code)
		*ret_code = missing ? "missingFile" : json_path_str(v->json, "code", "");
	if (missing)
		return "the file is not in the repository";
	if (strcmp(json_path_str(v->json, "outcome", ""), "refused") == 0)
		return json_path_str(v->json, "message", "the worker refuses it");
	return NULL;
}

/* ---- jobs ---- */

/* The request with its common members; NULL: p is answered. */
static char *whole_request(Pending *p, const json_t *body)
{
	Target *t = p->t;
	g_autoptr(json_t) all = pending_access(p, t->git_access, t->git_ud);
	if (!all)
		return NULL;
	json_object_update(all, (json_t *)body);
	return json_canonical(all);
}

static void on_read(const char *answer, size_t len, const GError *job_err, void *ud)
{
	Pending *p = ud;
	p->job = 0;
	g_autoptr(GError) err = NULL;
	json_t *v = pending_answer(answer, len, job_err, &err);
	fact_read_done(p->read, v ? view_new(v) : NULL, err);
	pending_done(p);
}

static void start_read(Site *site, FactRead *r, json_t *body)
{
	Target *t = site_ctx(site);
	Pending *p = pending_new(t, r);
	g_autoptr(json_t) owned = body;
	g_autofree char *text = whole_request(p, body);
	if (text)
		p->job = t->job.ops->start(
			t->job.self, "git", text, strlen(text), READ_JOB_MSEC, on_read, p);
}

static json_t *read_body(const char *key)
{
	g_autofree char *wheres = NULL, *branch = NULL;
	g_autofree char *file = split_key(key, &wheres, &branch);
	json_t *body = json_pack("{s:s, s:o}", "op", "read", "files", git_files(key, NULL));
	if (branch)
		json_object_set_new(body, "to", json_string(branch));
	return body;
}

static void read_git(Site *site, const char *key, FactRead *r)
{
	start_read(site, r, read_body(key));
}

static void read_git_at(Site *site, const char *key, FactRead *r)
{
	g_auto(GStrv) part = g_strsplit(key, " ", 3);
	g_assert(g_strv_length(part) == 3);
	json_t *body = read_body(part[2]);
	json_object_set_new(body, "at", json_string(part[0]));
	json_object_set_new(body, "contains", json_string(part[1]));
	start_read(site, r, body);
}

static void read_git_try(Site *site, const char *key, FactRead *r)
{
	json_t *files = json_loads(key, 0, NULL);
	start_read(site, r,
		json_pack("{s:s, s:o, s:s, s:s, s:b}", "op", "edit", "files", files, "key", "try",
			"message", "try", "dryRun", 1));
}

static void read_git_find(Site *site, const char *key, FactRead *r)
{
	start_read(site, r,
		json_pack("{s:s, s:s, s:s, s:{s:s, s:s, s:[s, s, s]}}", "op", "find", "below", key,
			"word", "ClusterVersion", "edit", "kind", "ClusterVersion", "name",
			"version", "at", "spec", "desiredUpdate", "version"));
}

const FactRow fact_git = { .name = "git", .max_age_sec = LOCAL_MAX_AGE_SEC, .read = read_git };
/* What stood at a commit does not change. */
const FactRow fact_git_at = { .name = "git-at", .read = read_git_at };
const FactRow fact_git_find = { .name = "git-find", .max_age_sec = 60, .read = read_git_find };
const FactRow fact_git_try = { .name = "git-try", .max_age_sec = 60, .read = read_git_try };

/* ---- the edit ---- */

static AnswerClass class_of_error(const GError *err)
{
	return g_error_matches(err, SL_ERROR, SL_ERR_UNKNOWN_OUTCOME) ? ANSWER_UNKNOWN
								      : ANSWER_NOT_APPLIED;
}

static AnswerClass class_of(const json_t *v)
{
	const char *outcome = json_path_str(v, "outcome", "");
	if (strcmp(outcome, "done") == 0)
		return ANSWER_DONE;
	return strcmp(outcome, "raced") == 0 ? ANSWER_CONFLICT : ANSWER_NOT_APPLIED;
}

/* What the journal keeps of the answer. */
static json_t *detail_of(const json_t *v, const GError *err)
{
	static const char *const kept[] = { "commit", "on", "how", "code", "message" };
	json_t *detail = json_object();
	for (size_t i = 0; i < G_N_ELEMENTS(kept); i++)
		if (json_is_string(json_object_get(v, kept[i])))
			json_object_set(detail, kept[i], json_object_get(v, kept[i]));
	if (err)
		json_object_set_new(detail, "message", json_string(err->message));
	return detail;
}

static void on_edit(const char *answer, size_t len, const GError *job_err, void *ud)
{
	Pending *p = ud;
	p->job = 0;
	g_autoptr(GError) err = NULL;
	g_autoptr(json_t) v = pending_answer(answer, len, job_err, &err);
	g_autoptr(json_t) detail = detail_of(v, err);
	ActAnswer a = { .class = v         ? class_of(v)
				 : job_err ? class_of_error(err)
					   : ANSWER_UNKNOWN,
		.retry_after_sec = -1,
		.detail = detail };
	p->act_done(&a, p->act_ud);
	pending_done(p);
}

uint64_t target_send_job(Target *t, const ActRequest *r, ActDone *done, void *ud)
{
	Pending *p = pending_new(t, NULL);
	p->act_done = done;
	p->act_ud = ud;
	g_autofree char *text = whole_request(p, r->body);
	if (!text)
		return p->timer;
	p->job = t->job.ops->start(
		t->job.self, "git", text, strlen(text), EDIT_JOB_MSEC, on_edit, p);
	return p->job;
}
