#include "fleet/watch-git.h"
#include "base/file.h"
#include "fleet/connect.h"
#include "plan/value.h"
#include <glib/gstdio.h>
#include <string.h>

enum { STATE_MAX_BYTES = 4096, SHORT_COMMIT = 7 };

typedef struct Repo {
	WatchGit *w;
	json_t *spec; /* of the ControllerConfig */
	const char *name; /* in spec */
	char *good; /* the commit in force; "" before the first */
	char *head; /* of the branch, as it was seen last; "" before the first */
	char *bad, *bad_why; /* a head that was refused and is not read again; NULL: none */
	char *loading; /* whose tree or YAML is under way; NULL: none */
	char *error; /* NULL: all is well */
	bool rewritten; /* head does not descend from good */
	bool loaded; /* good was handed over by this process */
	bool accept; /* a person takes the rewritten branch as it is */
	bool fallback; /* loading is the commit in force, while the head could not be had */
	bool again; /* look once more when this look is over */
	bool looked; /* one look has ended */
	int64_t looked_usec; /* wall time of the last one that reached the server */
	json_t *files; /* of the tree, kept for the answer of yaml */
	uint64_t job, timer;
} Repo;

struct WatchGit {
	WatchGitOptions o;
	char *folder;
	GPtrArray *repos; /* Repo, in the order of the configuration */
};

static void look(Repo *r);
static void load(Repo *r, const char *commit);

static void set_text(char **at, const char *text)
{
	char *copy = g_strdup(text);
	g_free(*at);
	*at = copy;
}

static void repo_free(void *p)
{
	Repo *r = p;
	if (r->job)
		r->w->o.job.ops->cancel(r->w->o.job.self, r->job);
	loop_cancel(r->w->o.loop, &r->timer);
	json_decref(r->files);
	json_decref(r->spec);
	g_free(r->good);
	g_free(r->head);
	g_free(r->bad);
	g_free(r->bad_why);
	g_free(r->loading);
	g_free(r->error);
	g_free(r);
}

static char *mirror_path(const Repo *r)
{
	return g_build_filename(r->w->folder, r->name, NULL);
}

static const char *url_of(const Repo *r)
{
	return json_path_str(r->spec, "url", "");
}

/* ---- what is remembered over a restart ---- */

static char *state_path(const Repo *r)
{
	g_autofree char *mirror = mirror_path(r);
	return g_strconcat(mirror, ".json", NULL);
}

static void save_state(Repo *r)
{
	g_autofree char *path = state_path(r);
	g_autoptr(GError) err = NULL;
	g_autoptr(json_t) v = json_pack("{s:s,s:s,s:s,s:s,s:b}", "url", url_of(r), "branch",
		json_path_str(r->spec, "branch", ""), "commit", r->good, "head", r->head,
		"rewritten", r->rewritten);
	g_autofree char *text = json_canonical(v);
	if (!sl_write_file(path, text, strlen(text), 0600, &err))
		sl_log(r->w->o.log, LOG_LEVEL_WARNING, LOG_NO_FIELDS,
			"repository %s: the commit in force is not remembered: %s", r->name,
			err->message);
}

static void load_state(Repo *r)
{
	g_autofree char *path = state_path(r);
	size_t len = 0;
	g_autofree char *text = sl_read_file(path, STATE_MAX_BYTES, &len, NULL);
	g_autoptr(json_t) v = text ? json_parse(text, len, NULL) : NULL;
	if (strcmp(json_path_str(v, "url", ""), url_of(r)) != 0 ||
		strcmp(json_path_str(v, "branch", ""), json_path_str(r->spec, "branch", "")) != 0)
		return; /* another repository than it was */
	set_text(&r->good, json_path_str(v, "commit", ""));
	set_text(&r->head, json_path_str(v, "head", ""));
	r->rewritten = json_path_bool(v, "rewritten", false);
}

/* ---- the end of a look ---- */

/* Takes text; NULL: all is well. */
static void set_error(Repo *r, char *text)
{
	if (text && g_strcmp0(text, r->error) != 0)
		sl_log(r->w->o.log, LOG_LEVEL_WARNING, LOG_NO_FIELDS, "repository %s: %s", r->name,
			text);
	g_free(r->error);
	r->error = text;
}

static void on_timer(void *ud)
{
	Repo *r = ud;
	r->timer = 0;
	look(r);
}

static int64_t next_look(Repo *r)
{
	int64_t sec = doc_duration_sec(json_string_value(json_object_get(r->spec, "interval")), 60);
	int64_t usec = MAX(sec, WATCH_GIT_MIN_INTERVAL_SEC) * SL_USEC_PER_SEC;
	int64_t spread = usec * WATCH_GIT_JITTER_PERCENT / 100;
	int64_t jitter = (int64_t)(loop_random(r->w->o.loop) % (uint64_t)(2 * spread + 1));
	return loop_boot_usec(r->w->o.loop) + usec - spread + jitter;
}

static void finish(Repo *r)
{
	WatchGit *w = r->w;
	g_clear_pointer(&r->loading, g_free);
	g_clear_pointer(&r->files, json_decref);
	r->looked = true;
	r->fallback = false;
	r->timer = loop_timer(w->o.loop, r->again ? 0 : next_look(r), on_timer, r);
	r->again = false;
	w->o.sink.state(w->o.sink.ud, r->name, url_of(r), r->good, r->looked_usec, r->error);
}

/* The head is not taken, text (taken over) says why. After a start the commit that was in force
 * before comes back first. */
static void refuse(Repo *r, char *text)
{
	set_error(r, text);
	r->fallback = !r->loaded && *r->good && g_strcmp0(r->loading, r->good) != 0;
	if (r->fallback)
		load(r, r->good);
	else
		finish(r);
}

/* ---- jobs ---- */

static void start_job(Repo *r, const char *verb, const json_t *request, int msec, JobDone *done)
{
	Job job = r->w->o.job;
	g_autofree char *text = json_canonical(request);
	r->job = job.ops->start(job.self, verb, text, strlen(text), msec, done, r);
	explicit_bzero(text, strlen(text));
}

static json_t *parse_answer(const char *answer, size_t len, const GError *err, GError **ret_err)
{
	if (!err)
		return json_parse(answer, len, ret_err);
	*ret_err = g_error_copy(err);
	return NULL;
}

static bool add_refs(const Repo *r, json_t *request, GError **err)
{
	static const char *const names[] = { "credential", "ca", "knownHosts" };
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		const json_t *ref = json_object_get(r->spec, names[i]);
		if (!json_is_object(ref))
			continue;
		json_t *v = connect_worker_ref(ref, err);
		if (!v) {
			g_prefix_error(err, "%s: ", names[i]);
			return false;
		}
		json_object_set_new(
			request, names[i], i == 0 ? json_pack("{s:o}", "secret", v) : v);
	}
	return true;
}

/* ---- yaml: the documents of a commit ---- */

static char *findings_line(const DocSet *set)
{
	const Findings *f = docset_findings(set);
	g_autoptr(GString) s = g_string_new("");
	size_t n = 0, n_errors = findings_count(f, FINDING_ERROR);
	for (size_t i = 0; i < findings_total(f) && n < WATCH_GIT_MAX_FINDINGS; i++) {
		const Finding *x = findings_nth(f, i);
		if (x->level != FINDING_ERROR)
			continue;
		g_autofree char *text = finding_text(x);
		g_string_append_printf(s, "%s%s", n++ ? " | " : "", g_strchomp(text));
	}
	if (n_errors > n)
		g_string_append_printf(s, " | and %zu more", n_errors - n);
	return g_string_free(g_steal_pointer(&s), false);
}

/* The commit under way is not usable. RETRY says nothing about it: it is tried again. */
static void load_failed(Repo *r, const GError *err, const char *text)
{
	const char *why = err ? err->message : text;
	if (err && (err->code == SL_ERR_RETRY || err->code == SL_ERR_CANCELLED)) {
		set_error(r, g_strdup(why));
		finish(r);
		return;
	}
	char *line = g_strdup_printf("commit %.*s is not taken: %s", SHORT_COMMIT, r->loading, why);
	if (!r->fallback && strcmp(r->loading, r->head) == 0) {
		set_text(&r->bad, r->head);
		set_text(&r->bad_why, line);
	}
	refuse(r, line);
}

static void take(Repo *r, DocSet *set)
{
	WatchGit *w = r->w;
	set_text(&r->good, r->loading);
	r->loaded = true;
	if (!r->fallback)
		set_error(r, NULL);
	save_state(r);
	sl_log(w->o.log, LOG_LEVEL_INFO, LOG_NO_FIELDS, "repository %s: commit %.*s is in force",
		r->name, SHORT_COMMIT, r->good);
	w->o.sink.documents(w->o.sink.ud, r->name, r->good, set);
	finish(r);
}

static void on_yaml(const char *answer, size_t len, const GError *job_err, void *ud)
{
	Repo *r = ud;
	g_autoptr(GError) err = NULL;
	r->job = 0;
	g_autoptr(json_t) v = parse_answer(answer, len, job_err, &err);
	g_autoptr(DocSet) set = docset_new();
	g_autoptr(json_t) request = json_pack("{s:O}", "files", r->files);
	if (!v || !docset_add_files(set, request, v, &err)) {
		g_prefix_error(&err, "its documents cannot be read: ");
		load_failed(r, err, NULL);
		return;
	}
	docset_check(set);
	if (docset_ok(set)) {
		take(r, g_steal_pointer(&set));
		return;
	}
	g_autofree char *line = findings_line(set);
	load_failed(r, NULL, line);
}

/* ---- tree: the files of a commit ---- */

static DocSet *no_documents(void)
{
	DocSet *set = docset_new();
	docset_check(set);
	return set;
}

static void on_tree(const char *answer, size_t len, const GError *job_err, void *ud)
{
	Repo *r = ud;
	g_autoptr(GError) err = NULL;
	r->job = 0;
	g_autoptr(json_t) v = parse_answer(answer, len, job_err, &err);
	if (!v) {
		load_failed(r, err, NULL);
		return;
	}
	const char *plans = json_path_str(r->spec, "plans", "plans");
	size_t i;
	json_t *path;
	json_array_foreach (json_object_get(v, "missing"), i, path) {
		if (g_strcmp0(json_string_value(path), plans) != 0)
			continue;
		g_autofree char *text = g_strdup_printf("there is no folder %s", plans);
		load_failed(r, NULL, text);
		return;
	}
	r->files = json_incref(json_object_get(v, "files"));
	if (json_array_size(r->files) == 0) {
		take(r, no_documents());
		return;
	}
	g_autoptr(json_t) request = json_pack("{s:O}", "files", r->files);
	start_job(r, "yaml", request, WATCH_GIT_YAML_MSEC, on_yaml);
}

static void load(Repo *r, const char *commit)
{
	set_text(&r->loading, commit);
	g_clear_pointer(&r->files, json_decref);
	const char *policies = json_path_str(r->spec, "policies", "policies");
	g_autofree char *mirror = mirror_path(r);
	g_autoptr(json_t) request = json_pack("{s:s,s:s,s:s,s:[s,s],s:[s,s]}", "op", "tree",
		"mirror", mirror, "commit", commit, "paths",
		json_path_str(r->spec, "plans", "plans"), policies, "suffixes", ".yaml", ".yml");
	start_job(r, "git", request, WATCH_GIT_TREE_MSEC, on_tree);
}

/* ---- fetch: what the branch holds ---- */

static char *rewritten_text(const Repo *r)
{
	return g_strdup_printf("branch %s was rewritten: %.*s does not follow %.*s, which stays in "
			       "force until the branch is there again, or the controller is "
			       "reloaded to take it as it is",
		json_path_str(r->spec, "branch", ""), SHORT_COMMIT, r->head, SHORT_COMMIT, r->good);
}

static void see_head(Repo *r, const char *commit, bool forced)
{
	bool known = *r->good && strcmp(commit, r->good) != 0;
	r->rewritten = known && !r->accept && (r->rewritten || forced);
	r->accept = false;
	set_text(&r->head, commit);
	r->looked_usec = loop_wall_usec(r->w->o.loop);
	if (r->rewritten) {
		save_state(r);
		refuse(r, rewritten_text(r));
	} else if (r->loaded && strcmp(commit, r->good) == 0) {
		set_error(r, NULL);
		finish(r);
	} else if (g_strcmp0(commit, r->bad) == 0) {
		refuse(r, g_strdup(r->bad_why));
	} else {
		load(r, commit);
	}
}

static void on_fetch(const char *answer, size_t len, const GError *job_err, void *ud)
{
	Repo *r = ud;
	g_autoptr(GError) err = NULL;
	r->job = 0;
	g_autoptr(json_t) v = parse_answer(answer, len, job_err, &err);
	const char *commit = json_path_str(v, "commit", NULL);
	if (commit)
		see_head(r, commit, json_path_bool(v, "forced", false));
	else
		refuse(r, g_strdup(err ? err->message : "the worker's answer names no commit"));
}

static void look(Repo *r)
{
	g_autoptr(GError) err = NULL;
	if (r->job) {
		r->again = true;
		return;
	}
	loop_cancel(r->w->o.loop, &r->timer);
	g_autofree char *mirror = mirror_path(r);
	g_autoptr(json_t) request = json_pack("{s:s,s:s,s:s,s:s}", "op", "fetch", "mirror", mirror,
		"url", url_of(r), "branch", json_path_str(r->spec, "branch", "main"));
	if (!add_refs(r, request, &err)) {
		refuse(r, g_strdup(err->message));
		return;
	}
	start_job(r, "git", request, WATCH_GIT_FETCH_MSEC, on_fetch);
}

/* ---- the list ---- */

WatchGit *watch_git_new(const WatchGitOptions *o)
{
	WatchGit *w = g_new0(WatchGit, 1);
	w->o = *o;
	w->folder = g_strdup(o->folder);
	w->repos = g_ptr_array_new_with_free_func(repo_free);
	return w;
}

void watch_git_free(WatchGit *w)
{
	if (!w)
		return;
	g_ptr_array_unref(w->repos);
	g_free(w->folder);
	g_free(w);
}

static Repo *find(const GPtrArray *repos, const char *name)
{
	for (unsigned i = 0; i < repos->len; i++) {
		Repo *r = repos->pdata[i];
		if (strcmp(r->name, name) == 0)
			return r;
	}
	return NULL;
}

static Repo *repo_new(WatchGit *w, const json_t *spec)
{
	Repo *r = g_new0(Repo, 1);
	r->w = w;
	r->spec = json_deep_copy(spec);
	r->name = json_path_str(r->spec, "name", "");
	set_text(&r->good, "");
	set_text(&r->head, "");
	load_state(r);
	r->timer = loop_defer(w->o.loop, on_timer, r);
	return r;
}

/* Plans that nobody watches any more count as deleted. */
static void drop(WatchGit *w, const Repo *r)
{
	w->o.sink.documents(w->o.sink.ud, r->name, "", no_documents());
	w->o.sink.state(w->o.sink.ud, r->name, url_of(r), "", r->looked_usec,
		"is not in the configuration any more");
}

void watch_git_set(WatchGit *w, const json_t *repositories)
{
	GPtrArray *before = w->repos;
	w->repos = g_ptr_array_new_with_free_func(repo_free);
	g_mkdir_with_parents(w->folder, 0700);
	size_t i;
	json_t *spec;
	json_array_foreach (repositories, i, spec) {
		Repo *old = find(before, json_path_str(spec, "name", ""));
		bool same = old && json_equal(old->spec, spec);
		unsigned at = 0;
		if (same && g_ptr_array_find(before, old, &at))
			g_ptr_array_steal_index(before, at);
		g_ptr_array_add(w->repos, same ? old : repo_new(w, spec));
	}
	for (unsigned k = 0; k < before->len; k++) {
		const Repo *old = before->pdata[k];
		if (!find(w->repos, old->name))
			drop(w, old);
	}
	g_ptr_array_unref(before);
}

bool watch_git_poke(WatchGit *w, const char *name)
{
	Repo *r = find(w->repos, name);
	if (r)
		look(r);
	return r != NULL;
}

void watch_git_reload(WatchGit *w)
{
	for (unsigned i = 0; i < w->repos->len; i++) {
		Repo *r = w->repos->pdata[i];
		r->accept = true;
		g_clear_pointer(&r->bad, g_free);
		look(r);
	}
}

uint64_t watch_git_write(
	WatchGit *w, const char *name, const json_t *request, JobDone *done, void *ud, GError **err)
{
	Repo *r = find(w->repos, name);
	if (!r) {
		sl_fail(err, SL_ERR_NOT_FOUND, "repository %s is not watched any more", name);
		return 0;
	}
	g_autoptr(json_t) all = json_copy((json_t *)request);
	json_object_set_new(all, "url", json_string(url_of(r)));
	g_autofree char *mirror = mirror_path(r);
	json_object_set_new(all, "mirror", json_string(mirror));
	if (!add_refs(r, all, err))
		return 0;
	g_autofree char *text = json_canonical(all);
	uint64_t id = w->o.job.ops->start(
		w->o.job.self, "git", text, strlen(text), WATCH_GIT_WRITE_MSEC, done, ud);
	explicit_bzero(text, strlen(text));
	return id;
}

bool watch_git_settled(const WatchGit *w)
{
	for (unsigned i = 0; i < w->repos->len; i++) {
		const Repo *r = w->repos->pdata[i];
		if (!r->looked || r->job)
			return false;
	}
	return true;
}
