#include "sim/repo.h"
#include <string.h>

enum { WORK_USEC = 100000, LATE_USEC = 20000000 };

typedef struct RepoJob {
	SimRepo *r;
	Loop loop; /* of its process */
	uint64_t timer;
	json_t *request;
	char *answer;
	GError *err;
	JobDone *done;
	void *ud;
} RepoJob;

static const char *str(const json_t *v, const char *path)
{
	return json_path_str(v, path, "");
}

static size_t index_of(const SimRepo *r, const char *id)
{
	size_t i;
	json_t *c;
	json_array_foreach (r->commits, i, c)
		if (strcmp(str(c, "id"), id) == 0)
			return i;
	return SIZE_MAX;
}

const json_t *sim_repo_find(const SimRepo *r, const char *id)
{
	return json_array_get(r->commits, index_of(r, id));
}

const json_t *sim_repo_tip(const SimRepo *r)
{
	return json_array_get(r->commits, json_array_size(r->commits) - 1);
}

static const json_t *tip_files(const SimRepo *r)
{
	return json_object_get(sim_repo_tip(r), "files");
}

/* Takes files. */
static const json_t *add_commit(
	SimRepo *r, json_t *files, const char *key, const char *message, const json_t *trailers)
{
	json_t *id = json_sprintf("%07zu%033d", json_array_size(r->commits) + 1, 0);
	json_array_append_new(
		r->commits, json_pack("{s:o, s:s, s:s, s:o, s:O?}", "id", id, "key", key, "message",
				    message, "files", files, "trailers", trailers));
	return sim_repo_tip(r);
}

void sim_repo_person(SimRepo *r, const char *file, const char *place, json_t *value)
{
	json_t *files = json_deep_copy(tip_files(r));
	json_object_set_new(json_object_get(files, file), place, value);
	add_commit(r, files, "", "by hand", NULL);
}

void sim_repo_merge(SimRepo *r)
{
	const char *name = json_object_iter_key(json_object_iter(r->branches));
	g_assert(name);
	const json_t *c = json_object_get(r->branches, name);
	add_commit(r, json_deep_copy(json_object_get(c, "files")), str(c, "key"), "merge", NULL);
	json_object_del(r->branches, name);
}

char *sim_repo_story(const SimRepo *r)
{
	g_autoptr(GString) s = g_string_new("");
	size_t i;
	json_t *c;
	json_array_foreach (r->commits, i, c) {
		const char *key = str(c, "key"), *slash = strrchr(key, '/');
		if (*key)
			g_string_append_printf(
				s, "%s%s", s->len ? " " : "", slash ? slash + 1 : key);
	}
	return g_string_free(g_steal_pointer(&s), FALSE);
}

/* ---- what the worker answers ---- */

static char *place_of(const json_t *edit)
{
	if (json_object_get(edit, "ack"))
		return g_strdup_printf("ack %s", str(edit, "ack"));
	g_autofree char *at = json_canonical(json_object_get(edit, "at"));
	return g_strdup_printf("%s/%s %s", str(edit, "kind"), str(edit, "name"), at);
}

/* NULL: a file is missing. */
static json_t *values_at(const json_t *request, const json_t *commit)
{
	json_t *out = json_array(), *file, *edit;
	size_t i, k;
	json_array_foreach (json_object_get(request, "files"), i, file) {
		const json_t *have =
			json_object_get(json_object_get(commit, "files"), str(file, "path"));
		json_t *edits = json_array();
		json_array_foreach (json_object_get(file, "edits"), k, edit) {
			g_autofree char *place = place_of(edit);
			json_t *value = json_object_get(have, place);
			json_array_append_new(edits, json_pack("{s:O?}", "value", value));
		}
		json_array_append_new(
			out, json_pack("{s:s, s:o}", "path", str(file, "path"), "edits", edits));
		if (have)
			continue;
		json_decref(out);
		return NULL;
	}
	return out;
}

static json_t *answer_read(SimRepo *r, const json_t *request)
{
	const char *at = json_path_str(request, "at", NULL);
	const json_t *commit = at ? sim_repo_find(r, at) : sim_repo_tip(r);
	json_t *files = values_at(request, commit ? commit : sim_repo_tip(r));
	if (!files)
		return json_pack("{s:s, s:s, s:s}", "outcome", "refused", "code", "missingFile",
			"message", "the file does not exist");
	g_autofree char *hash = json_digest(files);
	bool contains = at && index_of(r, str(request, "contains")) <= index_of(r, at);
	const json_t *to = json_object_get(r->branches, str(request, "to"));
	return json_pack("{s:s, s:O, s:s, s:o, s:b, s:b, s:O?}", "outcome", "read", "tip",
		json_object_get(sim_repo_tip(r), "id"), "hash", hash, "files", files, "atMissing",
		(int)(at && !commit), "contains", (int)contains, "toTip",
		json_object_get(to, "id"));
}

static bool holds(const json_t *file, const char *object)
{
	const char *place;
	json_t *v;
	json_object_foreach ((json_t *)file, place, v)
		if (g_str_has_prefix(place, object))
			return true;
	return false;
}

static json_t *files_with(const json_t *files, const char *object, const char *below)
{
	json_t *out = json_array(), *file;
	const char *path;
	json_object_foreach ((json_t *)files, path, file)
		if (g_str_has_prefix(path, below) && holds(file, object))
			json_array_append_new(out, json_string(path));
	return out;
}

static json_t *answer_find(SimRepo *r, const json_t *request)
{
	const char *folder = str(request, "below");
	g_autofree char *below = g_strconcat(folder, *folder ? "/" : "", NULL);
	g_autofree char *object =
		g_strdup_printf("%s/%s ", str(request, "edit.kind"), str(request, "edit.name"));
	json_t *files = files_with(tip_files(r), object, below);
	if (json_array_size(files) == 0) {
		json_decref(files);
		folder = "";
		files = files_with(tip_files(r), object, "");
	}
	return json_pack("{s:s, s:O, s:s, s:o, s:[], s:I}", "outcome", "found", "tip",
		json_object_get(sim_repo_tip(r), "id"), "below", folder, "files", files, "unclear",
		"looked", (json_int_t)json_object_size(tip_files(r)));
}

static json_t *edited(const json_t *request, const json_t *files)
{
	json_t *out = json_deep_copy(files), *file, *edit;
	size_t i, k;
	json_array_foreach (json_object_get(request, "files"), i, file)
		json_array_foreach (json_object_get(file, "edits"), k, edit) {
			g_autofree char *place = place_of(edit);
			json_object_set(json_object_get(out, str(file, "path")), place,
				json_object_get(edit, "value"));
		}
	return out;
}

static json_t *done(const char *how, const json_t *commit)
{
	return json_pack("{s:s, s:s, s:O, s:s}", "outcome", "done", "how", how, "commit",
		json_object_get(commit, "id"), "on", "main");
}

static bool raced(SimRepo *r, const json_t *request)
{
	g_autoptr(json_t) now = values_at(request, sim_repo_tip(r));
	g_autofree char *hash = json_digest(now ? now : json_null());
	return strcmp(hash, json_path_str(request, "hash", hash)) != 0;
}

static json_t *put_on_branch(SimRepo *r, const char *to)
{
	json_t *c = json_incref((json_t *)sim_repo_tip(r));
	json_array_remove(r->commits, json_array_size(r->commits) - 1);
	r->n_branch_commits++;
	json_object_set(r->branches, to, c);
	json_object_set_new(c, "id", json_string("feedbee000000000000000000000000000000000"));
	json_t *answer = done("new", c);
	json_decref(c);
	return answer;
}

static json_t *found_on_branch(const SimRepo *r, const json_t *request, const char *to)
{
	const json_t *c = to ? json_object_get(r->branches, to) : NULL;
	if (!c)
		return NULL;
	return strcmp(str(c, "key"), str(request, "key")) == 0
		       ? done("found", c)
		       : json_pack("{s:s, s:s}", "outcome", "rejected", "message",
				 "the branch is there already, without our commit");
}

static json_t *answer_edit(SimRepo *r, const json_t *request)
{
	const char *to = json_path_str(request, "to", NULL);
	size_t i;
	json_t *c = found_on_branch(r, request, to);
	if (c)
		return c;
	size_t base = index_of(r, str(request, "base"));
	json_array_foreach (r->commits, i, c)
		if ((base == SIZE_MAX || i > base) &&
			strcmp(str(c, "key"), str(request, "key")) == 0)
			return done("found", c);
	if (raced(r, request))
		return json_pack("{s:s, s:s}", "outcome", "raced", "message", "other bytes");
	g_autoptr(json_t) files = edited(request, tip_files(r));
	if (json_equal(files, tip_files(r)))
		return done("standing", sim_repo_tip(r));
	if (json_path_bool(request, "dryRun", false))
		return json_pack("{s:s, s:s}", "outcome", "done", "how", "dryRun");
	const json_t *made = add_commit(r, g_steal_pointer(&files), str(request, "key"),
		str(request, "message"), json_object_get(request, "trailers"));
	return to ? put_on_branch(r, to) : done("new", made);
}

/* ---- pushes that land after their worker died ---- */

typedef struct Late {
	SimRepo *r;
	json_t *request;
	char *tip;
} Late;

/* The server takes a push only on the tip that it was made for. */
static void land(void *ud)
{
	Late *l = ud;
	if (strcmp(l->tip, str(sim_repo_tip(l->r), "id")) == 0)
		json_decref(answer_edit(l->r, l->request));
	json_decref(l->request);
	g_free(l->tip);
	g_free(l);
}

static void land_late(SimRepo *r, json_t *request)
{
	Late *l = g_new0(Late, 1);
	*l = (Late){ r, json_incref(request), g_strdup(str(sim_repo_tip(r), "id")) };
	loop_timer(r->world, loop_boot_usec(r->world) + LATE_USEC, land, l);
}

/* ---- jobs ---- */

static void work_edit(RepoJob *j, SimRepoFault f)
{
	SimRepo *r = j->r;
	bool takes = f == SIM_REPO_FINE || f == SIM_REPO_KILLED_AFTER || f == SIM_REPO_CRASH_AFTER;
	const char *rejects = f == SIM_REPO_REJECTED ? "hook declined" : r->rejects;
	g_autoptr(json_t) v = NULL;
	if (f == SIM_REPO_LANDS_LATE)
		land_late(r, j->request);
	if (rejects)
		v = json_pack("{s:s, s:s}", "outcome", "rejected", "message", rejects);
	else if (takes)
		v = answer_edit(r, j->request);
	r->crash_wanted =
		r->crash_wanted || f == SIM_REPO_CRASH_BEFORE || f == SIM_REPO_CRASH_AFTER;
	if (f == SIM_REPO_UNREACHABLE)
		sl_fail(&j->err, SL_ERR_RETRY, "git.example: cannot be reached");
	else if (f == SIM_REPO_FINE || rejects)
		j->answer = json_canonical(v);
	else
		sl_fail(&j->err, SL_ERR_UNKNOWN_OUTCOME, "worker git: killed");
}

static void work(RepoJob *j)
{
	SimRepo *r = j->r;
	bool edit = strcmp(str(j->request, "op"), "edit") == 0;
	if (edit && !json_path_bool(j->request, "dryRun", false)) {
		work_edit(j, ++r->n_edits == r->fault_at ? r->fault : SIM_REPO_FINE);
		return;
	}
	bool find = strcmp(str(j->request, "op"), "find") == 0;
	g_autoptr(json_t) v = edit   ? answer_edit(r, j->request)
			      : find ? answer_find(r, j->request)
				     : answer_read(r, j->request);
	j->answer = json_canonical(v);
}

static void job_free(RepoJob *j)
{
	json_decref(j->request);
	g_free(j->answer);
	g_clear_error(&j->err);
	g_free(j);
}

static void job_answer(void *ud)
{
	RepoJob *j = ud;
	j->done(j->answer, j->answer ? strlen(j->answer) : 0, j->err, j->ud);
	job_free(j);
}

static void job_run(void *ud)
{
	RepoJob *j = ud;
	work(j);
	j->timer = loop_timer(j->loop, loop_boot_usec(j->loop) + WORK_USEC, job_answer, j);
}

static uint64_t job_start(void *self, const char *verb, const void *input, size_t len,
	int timeout_msec, JobDone *job_done, void *ud)
{
	SimRepo *r = self;
	RepoJob *j = g_new0(RepoJob, 1);
	*j = (RepoJob){ .r = r, .loop = r->process, .done = job_done, .ud = ud };
	g_assert(strcmp(verb, "git") == 0);
	j->request = json_parse(input, len, NULL);
	g_assert(j->request);
	j->timer = loop_timer(j->loop, loop_boot_usec(j->loop) + WORK_USEC, job_run, j);
	return (uint64_t)(uintptr_t)j;
}

static void job_cancel(void *self, uint64_t id)
{
	RepoJob *j = (RepoJob *)(uintptr_t)id;
	loop_cancel(j->loop, &j->timer);
	job_free(j);
}

static const JobOps job_ops = { job_start, job_cancel };

Job sim_repo_job(SimRepo *r)
{
	return (Job){ &job_ops, r };
}

SimRepo *sim_repo_new(Loop world, json_t *files)
{
	SimRepo *r = g_new0(SimRepo, 1);
	r->world = world;
	r->commits = json_array();
	r->branches = json_object();
	add_commit(r, files, "", "as it is", NULL);
	return r;
}

void sim_repo_free(SimRepo *r)
{
	json_decref(r->commits);
	json_decref(r->branches);
	g_free(r);
}
