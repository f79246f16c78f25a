/* For tests: a repository behind a worker that is none (values by place, no YAML), and an Argo CD
 * that applies what its branch says to the simulated cluster `a`, with selfHeal. Both live in the
 * world: a crash of the controller leaves them as they are. */
#pragma once
#include "fleet/test-faults.h"

#define GITOPS_REPO "https://git.example/site/config.git"
#define GITOPS_FILE "overlays/a/clusterversion.yaml"
#define GITOPS_POOLS "overlays/a/pools.yaml"
#define GITOPS_ACTUATOR(more)                                                                      \
	"  actuator:\n    type: git\n    repository: " GITOPS_REPO "\n    file: " GITOPS_FILE      \
	"\n    sync: {argoCD: {cluster: a, namespace: argocd, application: a}, timeout: "          \
	"15m}\n" more

typedef enum {
	GIT_FAULT_NONE,
	GIT_FAULT_KILLED_BEFORE, /* the worker dies before it pushed */
	GIT_FAULT_KILLED_AFTER, /* ... and after */
	GIT_FAULT_LANDS_LATE, /* ... while the server still works on its push */
	GIT_FAULT_UNREACHABLE,
	GIT_FAULT_REJECTED,
	GIT_FAULT_CRASH_BEFORE, /* the controller dies with it */
	GIT_FAULT_CRASH_AFTER,
} GitFault;

typedef struct GitWorld {
	Rig *r;
	json_t *commits; /* [{"id", "key", "message", "trailers", "files": {PATH: {PLACE: VALUE}}}]
			  */
	json_t *branches; /* NAME -> commit of ours that waits for its merge */
	unsigned n_edits; /* jobs that wanted to write */
	unsigned fault_at; /* the n-th of them, from 1 */
	GitFault fault;
	bool crash_wanted; /* by a fault: the test does it outside the loop */
	bool argo_down, argo_deaf; /* stopped; does not see pushes until it is refreshed */
	const char *rejects; /* the server's words for every push; NULL: it takes them */
	unsigned n_reverts; /* what Argo CD put back */
	uint64_t n_jobs;
	int64_t polled_usec;
} GitWorld;

typedef struct GitJob {
	GitWorld *g;
	uint64_t timer;
	json_t *request;
	char *answer;
	GError *err;
	JobDone *done;
	void *ud;
} GitJob;

static inline json_t *gitops_tip(const GitWorld *g)
{
	return json_array_get(g->commits, json_array_size(g->commits) - 1);
}

static inline json_t *gitops_find_commit(const GitWorld *g, const char *id)
{
	size_t i;
	json_t *c;
	json_array_foreach (g->commits, i, c)
		if (strcmp(json_path_str(c, "id", ""), id) == 0)
			return c;
	return NULL;
}

static inline char *gitops_place(const json_t *edit)
{
	if (json_object_get(edit, "ack"))
		return g_strdup_printf("ack %s", json_path_str(edit, "ack", ""));
	g_autofree char *at = json_canonical(json_object_get(edit, "at"));
	return g_strdup_printf(
		"%s/%s %s", json_path_str(edit, "kind", ""), json_path_str(edit, "name", ""), at);
}

/* Takes files. */
static inline json_t *gitops_commit(
	GitWorld *g, json_t *files, const char *key, const char *message, const json_t *trailers)
{
	json_t *c = json_pack("{s:o, s:s, s:s, s:o, s:O?}", "id",
		json_sprintf(
			"%07zu000000000000000000000000000000000", json_array_size(g->commits) + 1),
		"key", key, "message", message, "files", files, "trailers", trailers);
	json_array_append_new(g->commits, c);
	return c;
}

/* Somebody else commits one value. Takes value. */
static inline void gitops_person(GitWorld *g, const char *file, const char *place, json_t *value)
{
	json_t *files = json_deep_copy(json_object_get(gitops_tip(g), "files"));
	json_object_set_new(json_object_get(files, file), place, value);
	gitops_commit(g, files, "", "by hand", NULL);
}

/* ---- the worker ---- */

static inline json_t *gitops_read_files(
	const json_t *request, const json_t *commit, bool *ret_missing)
{
	json_t *out = json_array(), *file, *edit;
	size_t i, k;
	json_array_foreach (json_object_get(request, "files"), i, file) {
		const json_t *have = json_object_get(
			json_object_get(commit, "files"), json_path_str(file, "path", ""));
		json_t *edits = json_array();
		*ret_missing = *ret_missing || !have;
		json_array_foreach (json_object_get(file, "edits"), k, edit) {
			g_autofree char *place = gitops_place(edit);
			json_t *value = json_object_get(have, place);
			json_array_append_new(
				edits, json_pack("{s:o}", "value",
					       value ? json_incref(value) : json_null()));
		}
		json_array_append_new(
			out, json_pack("{s:s, s:o}", "path", json_path_str(file, "path", ""),
				     "edits", edits));
	}
	return out;
}

static inline size_t gitops_index(const GitWorld *g, const char *id)
{
	size_t i;
	json_t *c;
	json_array_foreach (g->commits, i, c)
		if (strcmp(json_path_str(c, "id", ""), id) == 0)
			return i;
	return SIZE_MAX;
}

static inline json_t *gitops_read(GitWorld *g, const json_t *request)
{
	const char *at = json_path_str(request, "at", NULL), *to = json_path_str(request, "to", "");
	const json_t *commit = at ? gitops_find_commit(g, at) : gitops_tip(g);
	bool missing = false;
	json_t *files = gitops_read_files(request, commit ? commit : gitops_tip(g), &missing);
	g_autofree char *hash = json_digest(files);
	if (missing) {
		json_decref(files);
		return json_pack("{s:s, s:s, s:s}", "outcome", "refused", "code", "missingFile",
			"message", "the file does not exist");
	}
	const char *ours = json_path_str(request, "contains", "");
	bool contains = at && gitops_index(g, ours) <= gitops_index(g, at);
	return json_pack("{s:s, s:O, s:s, s:o, s:b, s:b, s:s?}", "outcome", "read", "tip",
		json_object_get(gitops_tip(g), "id"), "hash", hash, "files", files, "atMissing",
		(int)(at && !commit), "contains", (int)contains, "toTip",
		json_path_str(json_object_get(g->branches, to), "id", NULL));
}

static inline json_t *gitops_edited(const json_t *request, const json_t *files)
{
	json_t *out = json_deep_copy(files), *file, *edit;
	size_t i, k;
	json_array_foreach (json_object_get(request, "files"), i, file)
		json_array_foreach (json_object_get(file, "edits"), k, edit) {
			json_t *at = json_object_get(out, json_path_str(file, "path", ""));
			g_autofree char *place = gitops_place(edit);
			json_object_set(at, place, json_object_get(edit, "value"));
		}
	return out;
}

static inline json_t *gitops_done(const char *how, const char *commit)
{
	return json_pack("{s:s, s:s, s:s, s:s}", "outcome", "done", "how", how, "commit", commit,
		"on", "main");
}

static inline json_t *gitops_edit(GitWorld *g, const json_t *request)
{
	const char *key = json_path_str(request, "key", ""),
		   *to = json_path_str(request, "to", NULL);
	size_t i;
	json_t *c;
	json_array_foreach (g->commits, i, c)
		if (strcmp(json_path_str(c, "key", ""), key) == 0)
			return gitops_done("found", json_path_str(c, "id", ""));
	bool missing = false;
	g_autoptr(json_t) now = gitops_read_files(request, gitops_tip(g), &missing);
	g_autofree char *hash = json_digest(now);
	if (strcmp(hash, json_path_str(request, "hash", hash)) != 0)
		return json_pack("{s:s, s:s}", "outcome", "raced", "message", "other bytes");
	json_t *files = gitops_edited(request, json_object_get(gitops_tip(g), "files"));
	if (json_equal(files, json_object_get(gitops_tip(g), "files")) ||
		json_path_bool(request, "dryRun", false)) {
		json_decref(files);
		return gitops_done("standing", json_path_str(gitops_tip(g), "id", ""));
	}
	c = gitops_commit(g, files, key, json_path_str(request, "message", ""),
		json_object_get(request, "trailers"));
	if (!to)
		return gitops_done("new", json_path_str(c, "id", ""));
	json_object_set(g->branches, to, c);
	json_array_remove(g->commits, json_array_size(g->commits) - 1);
	return gitops_done("new", "feedbee000000000000000000000000000000000");
}

/* A person merges the only branch that waits. */
static inline void gitops_merge(GitWorld *g)
{
	const char *name = json_object_iter_key(json_object_iter(g->branches));
	g_assert_nonnull(name);
	json_t *c = json_object_get(g->branches, name);
	gitops_commit(g, json_deep_copy(json_object_get(c, "files")), json_path_str(c, "key", ""),
		"merge", NULL);
	json_object_del(g->branches, name);
}

typedef struct GitLate {
	GitWorld *g;
	json_t *request;
	char *tip;
} GitLate;

/* The server takes a push only on the tip that it was made for. */
static inline void gitops_land(void *ud)
{
	GitLate *l = ud;
	if (strcmp(l->tip, json_path_str(gitops_tip(l->g), "id", "")) == 0)
		json_decref(gitops_edit(l->g, l->request));
	json_decref(l->request);
	g_free(l->tip);
	g_free(l);
}

static inline void gitops_work(GitJob *j)
{
	GitWorld *g = j->g;
	bool edit = strcmp(json_path_str(j->request, "op", ""), "edit") == 0 &&
		    !json_path_bool(j->request, "dryRun", false);
	GitFault f = edit && ++g->n_edits == g->fault_at ? g->fault : GIT_FAULT_NONE;
	bool takes =
		f == GIT_FAULT_NONE || f == GIT_FAULT_KILLED_AFTER || f == GIT_FAULT_CRASH_AFTER;
	const char *rejects = edit && f == GIT_FAULT_REJECTED ? "hook declined"
			      : edit                          ? g->rejects
							      : NULL;
	g_autoptr(json_t) v = NULL;
	if (rejects)
		v = json_pack("{s:s, s:s}", "outcome", "rejected", "message", rejects);
	else if (takes)
		v = edit || json_object_get(j->request, "dryRun") ? gitops_edit(g, j->request)
								  : gitops_read(g, j->request);
	if (f == GIT_FAULT_LANDS_LATE) {
		GitLate *l = g_new0(GitLate, 1);
		*l = (GitLate){ g, json_incref(j->request),
			g_strdup(json_path_str(gitops_tip(g), "id", "")) };
		Loop world = loop_sim_loop(g->r->loop);
		loop_timer(world, loop_boot_usec(world) + 20 * RIG_SEC, gitops_land, l);
	}
	g->crash_wanted =
		g->crash_wanted || f == GIT_FAULT_CRASH_BEFORE || f == GIT_FAULT_CRASH_AFTER;
	if (f == GIT_FAULT_UNREACHABLE)
		sl_fail(&j->err, SL_ERR_RETRY, "git.example: cannot be reached");
	else if (f != GIT_FAULT_NONE && f != GIT_FAULT_REJECTED)
		sl_fail(&j->err, SL_ERR_UNKNOWN_OUTCOME, "worker git: killed");
	else
		j->answer = json_canonical(v);
}

static inline void gitops_job_free(GitJob *j)
{
	json_decref(j->request);
	g_free(j->answer);
	g_clear_error(&j->err);
	g_free(j);
}

static inline void gitops_job_answer(void *ud)
{
	GitJob *j = ud;
	j->done(j->answer, j->answer ? strlen(j->answer) : 0, j->err, j->ud);
	gitops_job_free(j);
}

static inline void gitops_job_run(void *ud)
{
	GitJob *j = ud;
	gitops_work(j);
	Loop l = loop_sim_proc_loop(j->g->r->proc);
	j->timer = loop_timer(l, loop_boot_usec(l) + RIG_SEC / 10, gitops_job_answer, j);
}

static inline uint64_t gitops_job_start(void *self, const char *verb, const void *input, size_t len,
	int msec, JobDone *done, void *ud)
{
	GitWorld *g = self;
	GitJob *j = g_new0(GitJob, 1);
	*j = (GitJob){ .g = g, .done = done, .ud = ud };
	g_assert_cmpstr(verb, ==, "git");
	j->request = json_parse(input, len, NULL);
	g_assert_nonnull(j->request);
	g->n_jobs++;
	Loop l = loop_sim_proc_loop(g->r->proc);
	j->timer = loop_timer(l, loop_boot_usec(l) + RIG_SEC / 10, gitops_job_run, j);
	return (uint64_t)(uintptr_t)j;
}

static inline void gitops_job_cancel(void *self, uint64_t id)
{
	GitWorld *g = self;
	GitJob *j = (GitJob *)(uintptr_t)id;
	loop_cancel(loop_sim_proc_loop(g->r->proc), &j->timer);
	gitops_job_free(j);
}

static inline json_t *gitops_access(void *ud, const json_t *cluster, GError **err)
{
	return json_pack("{s:s, s:s, s:s}", "mirror", "/m", "url",
		json_path_str(cluster, "spec.actuator.repository", ""), "branch", "main");
}

/* ---- Argo CD ---- */

#define CV_PLACE(at) "ClusterVersion/version [\"spec\"," at "]"
#define POOL_PLACE(at) "MachineConfigPool/worker " at

static inline json_t *gitops_app(GitWorld *g)
{
	SimObj *o = sim_store_find(sim_cluster_store(sim_fleet_find(g->r->world, "a")),
		SIM_APPLICATIONS, "argocd", "a");
	return o->json;
}

static inline void gitops_set_app(GitWorld *g, json_t *body)
{
	sim_cluster_patch(sim_fleet_find(g->r->world, "a"), SIM_APPLICATIONS, "argocd", "a",
		SIM_SUB_NONE, "argocd-controller", body);
}

static inline json_t *gitops_wish(const json_t *file)
{
	static const char *const fields[] = { "version", "image" };
	json_t *update = json_object(), *spec = json_object();
	for (size_t i = 0; i < G_N_ELEMENTS(fields); i++) {
		g_autofree char *place =
			g_strdup_printf(CV_PLACE("\"desiredUpdate\",\"%s\""), fields[i]);
		json_t *v = json_object_get(file, place);
		json_object_set(update, fields[i], v && !json_is_null(v) ? v : json_null());
	}
	json_object_set_new(spec, "desiredUpdate", update);
	json_t *channel = json_object_get(file, CV_PLACE("\"channel\""));
	if (channel)
		json_object_set(spec, "channel", channel);
	return spec;
}

static inline bool gitops_differs(const json_t *wish, const json_t *is)
{
	const char *key;
	json_t *v;
	json_object_foreach ((json_t *)wish, key, v) {
		const json_t *have = json_object_get(is, key);
		bool same = json_is_object(v) ? !gitops_differs(v, have)
			    : json_is_null(v) ? !have || json_is_null(have)
					      : have && json_equal(v, have);
		if (!same)
			return true;
	}
	return false;
}

static inline void gitops_apply(GitWorld *g, SimKindId kind, const char *name, json_t *body)
{
	SimCluster *c = sim_fleet_find(g->r->world, "a");
	sim_cluster_patch(c, kind, NULL, name, SIM_SUB_NONE, "argocd-controller", body);
}

static inline json_t *gitops_pool_wish(const json_t *file)
{
	json_t *paused = json_object_get(file, POOL_PLACE("[\"spec\",\"paused\"]"));
	json_t *brake = json_object_get(
		file, POOL_PLACE("[\"metadata\",\"annotations\",\"shiplock.dev/brake\"]"));
	return json_pack("{s:{s:O}, s:{s:{s:O}}}", "spec", "paused", paused, "metadata",
		"annotations", "shiplock.dev/brake", brake ? brake : json_null());
}

/* What differs from the revision in view is applied. Returns whether anything did. */
static inline bool gitops_heal(GitWorld *g, const json_t *commit)
{
	const json_t *files = json_object_get(commit, "files");
	const json_t *pools = json_object_get(files, GITOPS_POOLS);
	SimStore *store = sim_cluster_store(sim_fleet_find(g->r->world, "a"));
	json_t *wish = json_pack("{s:o}", "spec", gitops_wish(json_object_get(files, GITOPS_FILE)));
	bool differs = gitops_differs(wish, sim_store_at(store, SIM_CLUSTERVERSIONS, 0)->json);
	if (differs)
		gitops_apply(g, SIM_CLUSTERVERSIONS, "version", json_incref(wish));
	json_decref(wish);
	json_t *pool = pools ? gitops_pool_wish(pools) : NULL;
	if (pool && gitops_differs(pool, sim_store_find(store, SIM_POOLS, NULL, "worker")->json)) {
		gitops_apply(g, SIM_POOLS, "worker", json_incref(pool));
		differs = true;
	}
	json_decref(pool);
	return differs;
}

static inline void gitops_tick(void *ud);
static inline void gitops_arm(GitWorld *g)
{
	Loop l = loop_sim_loop(g->r->loop);
	loop_timer(l, loop_boot_usec(l) + RIG_SEC, gitops_tick, g);
}

static inline void gitops_compare(GitWorld *g, bool asked, int64_t now)
{
	json_t *app = gitops_app(g);
	const char *seen = json_path_str(app, "status.sync.revision", "");
	const json_t *at = gitops_find_commit(g, seen);
	bool healed = at && gitops_heal(g, at);
	g->n_reverts += healed;
	bool poll = asked || (!g->argo_deaf && now - g->polled_usec > 180 * RIG_SEC) || !*seen;
	if (!poll)
		return;
	g->polled_usec = now;
	const json_t *tip = gitops_tip(g);
	const json_t *automated = json_path(app, "spec.syncPolicy.automated");
	bool fresh = strcmp(seen, json_path_str(tip, "id", "")) != 0;
	if (automated && fresh)
		gitops_heal(g, tip);
	const char *status = automated || !fresh ? "Synced" : "OutOfSync";
	gitops_set_app(g, json_pack("{s:{s:{s:n}}, s:{s:{s:O, s:s}, s:{s:s}}}", "metadata",
				  "annotations", "argocd.argoproj.io/refresh", "status", "sync",
				  "revision", json_object_get(tip, "id"), "status", status,
				  "operationState", "phase", "Succeeded"));
}

static inline void gitops_tick(void *ud)
{
	GitWorld *g = ud;
	const json_t *notes = json_path(gitops_app(g), "metadata.annotations");
	bool asked = json_is_string(json_object_get(notes, "argocd.argoproj.io/refresh"));
	if (!g->argo_down)
		gitops_compare(g, asked, loop_boot_usec(loop_sim_loop(g->r->loop)));
	gitops_arm(g);
}

/* ---- the whole ---- */

static inline void gitops_create(GitWorld *g, SimKindId kind, const char *name, json_t *spec)
{
	SimWrite w = { .verb = SIM_CREATE,
		.kind = sim_kind(kind),
		.ns = (char *)(kind == SIM_NAMESPACES ? NULL : "argocd"),
		.body = json_pack("{s:{s:s, s:s*}, s:o}", "metadata", "name", name, "namespace",
			kind == SIM_NAMESPACES ? NULL : "argocd", "spec", spec),
		.manager = (char *)"argocd-server" };
	SimAnswer a = sim_write(sim_cluster_store(sim_fleet_find(g->r->world, "a")), &w, RIG_WALL);
	g_assert_cmpint(a.status, ==, 201);
	sim_answer_clear(&a);
	json_decref(w.body);
}

/* pools: the file holds pool worker. The rig is not started yet. */
static inline GitWorld *gitops_new(Rig *r, bool pools)
{
	static const JobOps ops = { gitops_job_start, gitops_job_cancel };
	GitWorld *g = g_new0(GitWorld, 1);
	g->r = r;
	g->commits = json_array();
	g->branches = json_object();
	r->job = (Job){ &ops, g };
	r->git = gitops_access;
	g_autofree char *image = sim_release_image(OLD);
	json_t *files =
		json_pack("{s:{s:s, s:s}}", GITOPS_FILE, CV_PLACE("\"desiredUpdate\",\"version\""),
			OLD, CV_PLACE("\"desiredUpdate\",\"image\""), image);
	if (pools)
		json_object_set_new(files, GITOPS_POOLS,
			json_pack("{s:b}", POOL_PLACE("[\"spec\",\"paused\"]"), 0));
	gitops_commit(g, files, "", "as it is", NULL);
	gitops_create(g, SIM_NAMESPACES, "argocd", json_object());
	gitops_create(g, SIM_APPPROJECTS, "default", json_object());
	gitops_create(g, SIM_APPLICATIONS, "a",
		json_pack("{s:{s:s, s:s}, s:{s:{s:b}}, s:{s:s}}", "source", "repoURL", GITOPS_REPO,
			"targetRevision", "main", "syncPolicy", "automated", "selfHeal", 1,
			"destination", "namespace", "default"));
	gitops_apply(g, SIM_CLUSTERVERSIONS, "version",
		json_pack("{s:{s:{s:s}}}", "metadata", "annotations",
			"argocd.argoproj.io/tracking-id",
			"a:config.openshift.io/ClusterVersion:default/version"));
	gitops_tick(g);
	return g;
}

static inline void gitops_free(GitWorld *g)
{
	json_decref(g->commits);
	json_decref(g->branches);
	g_free(g);
}

/* Commits of ours since the first, by their keys' last parts: "version-4.21.10 release-worker". */
static inline char *gitops_story(const GitWorld *g)
{
	g_autoptr(GString) s = g_string_new("");
	size_t i;
	json_t *c;
	json_array_foreach (g->commits, i, c) {
		const char *key = json_path_str(c, "key", ""), *slash = strrchr(key, '/');
		if (*key)
			g_string_append_printf(
				s, "%s%s", s->len ? " " : "", slash ? slash + 1 : key);
	}
	return g_string_free(g_steal_pointer(&s), FALSE);
}
