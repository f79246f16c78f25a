#include "fleet/watch-git.h"
#include "loop/loop-sim.h"
#include "plan/test-docs.h"
#include <glib/gstdio.h>

#define WALL ((int64_t)1795000000 * SL_USEC_PER_SEC)
#define HEAD "apiVersion: shiplock.dev/v1alpha1\n"
#define CLUSTER(name)                                                                              \
	HEAD "kind: Cluster\nmetadata: {name: " name "}\nspec: {provider: openshift, "             \
	     "access: {kubeconfig: {file: /k}}}\n"
#define MINUTE (60 * SL_USEC_PER_SEC)

/* The server: commits by number, each with the text of plans/a.yaml, or NULL for no folder. */
typedef struct Server {
	const char *texts[16];
	int head, past; /* past: the newest commit that head descends from, for forced pushes */
	bool down, no_branch, forced, yaml_dies;
	int fetches, trees, yamls;
} Server;

typedef struct World {
	LoopSim *sim;
	Loop loop;
	Server server;
	WatchGit *w;
	char *dir;
	char *commit, *error; /* of fleet, as the sink was told last */
	char *other_error; /* of any other */
	int64_t looked_usec;
	int documents; /* how often */
	size_t n_clusters; /* in the last documents */
} World;

/* ---- a Job that answers from the Server ---- */

typedef struct Answer {
	World *w;
	JobDone *done;
	void *ud;
	char *text;
	GError *err;
	uint64_t timer;
} Answer;

static void answer_now(void *p)
{
	Answer *a = p;
	a->done(a->text, a->text ? strlen(a->text) : 0, a->err, a->ud);
	g_free(a->text);
	g_clear_error(&a->err);
	g_free(a);
}

static void commit_id(int n, char ret[41])
{
	g_snprintf(ret, 41, "%040x", n);
}

static json_t *serve_fetch(World *w, GError **err)
{
	Server *s = &w->server;
	char commit[41];
	s->fetches++;
	if (s->down)
		sl_fail(err, SL_ERR_RETRY, "https://git.example: cannot be reached");
	else if (s->no_branch)
		sl_fail(err, SL_ERR_NOT_FOUND, "https://git.example: has no branch \"main\"");
	if (s->down || s->no_branch)
		return NULL;
	commit_id(s->head, commit);
	json_t *v = json_pack("{s:s,s:b}", "commit", commit, "forced", s->forced);
	s->forced = false; /* the mirror has moved */
	return v;
}

static json_t *serve_tree(World *w, const json_t *request)
{
	const char *commit = json_path_str(request, "commit", "");
	const char *text = w->server.texts[g_ascii_strtoull(commit, NULL, 16)];
	w->server.trees++;
	g_assert_cmpstr(json_path_str(request, "paths.1", ""), ==, "policies");
	g_assert_null(json_object_get(request, "except")); /* templates of Jobs are read too */
	if (!text)
		return json_pack("{s:[],s:[s,s]}", "files", "missing", "plans", "policies");
	if (!*text)
		return json_pack("{s:[],s:[]}", "files", "missing");
	return json_pack("{s:[{s:s,s:s}],s:[s]}", "files", "name", "plans/a.yaml", "text", text,
		"missing", "policies");
}

static char *serve(World *w, const char *verb, const char *text, GError **err)
{
	size_t len;
	g_autoptr(json_t) request = json_parse(text, strlen(text), err);
	g_assert_no_error(*err);
	if (strcmp(verb, "yaml") == 0) {
		w->server.yamls++;
		if (!w->server.yaml_dies)
			return test_ask_worker(text, &len);
		sl_fail(err, SL_ERR_UNKNOWN_OUTCOME, "worker yaml: killed");
		return NULL;
	}
	g_assert_cmpstr(verb, ==, "git");
	bool fetch = strcmp(json_path_str(request, "op", ""), "fetch") == 0;
	g_autoptr(json_t) answer = fetch ? serve_fetch(w, err) : serve_tree(w, request);
	return answer ? json_canonical(answer) : NULL;
}

static uint64_t job_start(void *self, const char *verb, const void *input, size_t len, int msec,
	JobDone *done, void *ud)
{
	World *w = self;
	Answer *a = g_new0(Answer, 1);
	*a = (Answer){ .w = w, .done = done, .ud = ud };
	a->text = serve(w, verb, input, &a->err);
	int64_t at = loop_boot_usec(w->loop) + SL_USEC_PER_SEC / 10;
	a->timer = loop_timer(w->loop, at, answer_now, a);
	return (uint64_t)(uintptr_t)a;
}

static void job_cancel(void *self, uint64_t id)
{
	World *w = self;
	Answer *a = (Answer *)(uintptr_t)id;
	loop_cancel(w->loop, &a->timer);
	g_free(a->text);
	g_clear_error(&a->err);
	g_free(a);
}

static const JobOps job_ops = { job_start, job_cancel };

/* ---- the sink ---- */

static void on_documents(void *ud, const char *repository, const char *commit, DocSet *set)
{
	World *w = ud;
	g_assert_true(docset_ok(set));
	w->documents++;
	w->n_clusters = docset_n(set, "Cluster");
	docset_free(set);
}

static void on_state(void *ud, const char *repository, const char *url, const char *commit,
	int64_t looked_usec, const char *error)
{
	World *w = ud;
	if (strcmp(repository, "fleet") != 0) {
		g_free(w->other_error);
		w->other_error = g_strdup(error);
		return;
	}
	g_free(w->commit);
	g_free(w->error);
	w->commit = g_strdup(commit);
	w->error = g_strdup(error);
	w->looked_usec = looked_usec;
}

/* ---- the world ---- */

static void start_watch(World *w, const char *repositories)
{
	g_autoptr(json_t) list = json_loads(repositories, 0, NULL);
	g_assert_nonnull(list);
	WatchGitOptions o = { .loop = w->loop,
		.job = { &job_ops, w },
		.folder = w->dir,
		.sink = { on_documents, on_state, w } };
	w->w = watch_git_new(&o);
	watch_git_set(w->w, list);
}

static const char fleet_repository[] =
	"[{\"name\":\"fleet\",\"url\":\"https://git.example\",\"branch\":\"main\",\"plans\":"
	"\"plans\",\"policies\":\"policies\",\"interval\":\"60s\"}]";

static void world_up(World *w)
{
	w->sim = loop_sim_new(7, WALL);
	w->loop = loop_sim_loop(w->sim);
	w->dir = g_dir_make_tmp("shiplock-watch-XXXXXX", NULL);
	w->server.texts[1] = CLUSTER("one");
	w->server.texts[2] = CLUSTER("one") "---\n" CLUSTER("two");
	w->server.texts[3] = "kind: Cluster\nnonsense: 1\n";
	w->server.texts[4] = CLUSTER("four");
	w->server.texts[5] = NULL;
	w->server.texts[6] = "";
	w->server.head = 1;
}

static void world_down(World *w)
{
	watch_git_free(w->w);
	loop_sim_free(w->sim);
	g_autofree char *state = g_build_filename(w->dir, "fleet.json", NULL);
	g_unlink(state);
	g_rmdir(w->dir);
	g_free(w->dir);
	g_free(w->commit);
	g_free(w->error);
	g_free(w->other_error);
}

static bool settled(void *ud)
{
	const World *w = ud;
	return watch_git_settled(w->w);
}

static void settle(World *w)
{
	g_assert_true(loop_sim_run(w->sim, settled, w, loop_boot_usec(w->loop) + MINUTE));
}

static bool fetched_more(void *ud)
{
	void **p = ud;
	World *w = p[0];
	return w->server.fetches > *(int *)p[1] && watch_git_settled(w->w);
}

/* The next look by the clock alone. */
static void next_look(World *w)
{
	int before = w->server.fetches;
	void *ud[] = { w, &before };
	g_assert_true(loop_sim_run(w->sim, fetched_more, ud, loop_boot_usec(w->loop) + 2 * MINUTE));
}

static void check(const World *w, int commit, int documents, const char *error)
{
	char id[41] = "";
	if (commit)
		commit_id(commit, id);
	g_assert_cmpstr(w->commit, ==, id);
	g_assert_cmpint(w->documents, ==, documents);
	if (error && !strstr(w->error ? w->error : "", error))
		g_error("error is \"%s\", want \"%s\"", w->error, error);
	if (!error)
		g_assert_cmpstr(w->error, ==, NULL);
}

static void test_follow(void)
{
	World w = { 0 };
	world_up(&w);
	start_watch(&w, fleet_repository);
	settle(&w);
	check(&w, 1, 1, NULL);
	g_assert_cmpuint(w.n_clusters, ==, 1);
	next_look(&w);
	next_look(&w);
	check(&w, 1, 1, NULL);
	g_assert_cmpint(w.server.trees, ==, 1); /* the same commit is not read again */
	w.server.head = 2;
	next_look(&w);
	check(&w, 2, 2, NULL);
	g_assert_cmpuint(w.n_clusters, ==, 2);
	w.server.head = 6; /* nothing left */
	next_look(&w);
	check(&w, 6, 3, NULL);
	g_assert_cmpuint(w.n_clusters, ==, 0);
	world_down(&w);
}

/* Each begins with commit 1 in force; then the server does this; then it is well again. */
static void test_last_good_stays(void)
{
	static const struct {
		const char *name, *error;
		int head;
		bool down, no_branch, forced, yaml_dies;
		bool stays; /* also when commit 2 follows */
	} cases[] = {
		{ "a wrong document", "commit 0000000 is not taken: plans/a.yaml:", 3 },
		{ "no folder", "is not taken: there is no folder plans", 5 },
		{ "a reader that dies", "its documents cannot be read: worker yaml", 4,
			.yaml_dies = true },
		{ "unreachable", "cannot be reached", 2, .down = true },
		{ "vanished", "has no branch", 2, .no_branch = true },
		{ "rewritten", "branch main was rewritten", 4, .forced = true, .stays = true },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		World w = { 0 };
		g_test_message("%s", cases[i].name);
		world_up(&w);
		start_watch(&w, fleet_repository);
		settle(&w);
		w.server.head = cases[i].head;
		w.server.down = cases[i].down;
		w.server.no_branch = cases[i].no_branch;
		w.server.forced = cases[i].forced;
		w.server.yaml_dies = cases[i].yaml_dies;
		next_look(&w);
		check(&w, 1, 1, cases[i].error);
		next_look(&w);
		check(&w, 1, 1, cases[i].error);
		g_assert_cmpint(w.server.trees, <=, 2); /* a bad commit is read once */
		w.server.down = w.server.no_branch = w.server.yaml_dies = false;
		w.server.head = 2;
		next_look(&w);
		check(&w, cases[i].stays ? 1 : 2, cases[i].stays ? 1 : 2,
			cases[i].stays ? cases[i].error : NULL);
		world_down(&w);
	}
}

static void rewrite(World *w)
{
	world_up(w);
	start_watch(w, fleet_repository);
	settle(w);
	w->server.head = 4;
	w->server.forced = true;
	next_look(w);
	check(w, 1, 1, "was rewritten");
}

static void test_rewritten(void)
{
	World back = { 0 };
	rewrite(&back);
	back.server.head = 1;
	back.server.forced = true;
	next_look(&back);
	check(&back, 1, 1, NULL);
	back.server.head = 2;
	next_look(&back);
	check(&back, 2, 2, NULL);
	world_down(&back);

	World taken = { 0 };
	rewrite(&taken);
	watch_git_reload(taken.w);
	settle(&taken);
	check(&taken, 4, 2, NULL);
	world_down(&taken);

	World restarted = { 0 };
	rewrite(&restarted);
	watch_git_free(restarted.w);
	start_watch(&restarted, fleet_repository);
	settle(&restarted);
	check(&restarted, 1, 2, "was rewritten");
	world_down(&restarted);
}

/* The head is broken, or the server away, when the daemon starts again. */
static void test_restart(void)
{
	for (int down = 0; down < 2; down++) {
		World w = { 0 };
		world_up(&w);
		start_watch(&w, fleet_repository);
		settle(&w);
		watch_git_free(w.w);
		w.server.head = 3;
		w.server.down = down;
		start_watch(&w, fleet_repository);
		settle(&w);
		check(&w, 1, 2, down ? "cannot be reached" : "is not taken");
		next_look(&w);
		check(&w, 1, 2, down ? "cannot be reached" : "is not taken");
		w.server.down = false;
		w.server.head = 2;
		next_look(&w);
		check(&w, 2, 3, NULL);
		world_down(&w);
	}
}

static void test_poke(void)
{
	World w = { 0 };
	world_up(&w);
	start_watch(&w, fleet_repository);
	settle(&w);
	int64_t before = loop_boot_usec(w.loop);
	g_assert_false(watch_git_poke(w.w, "other"));
	g_assert_true(watch_git_poke(w.w, "fleet"));
	w.server.head = 2; /* the fetch under way was answered before this push */
	g_assert_true(watch_git_poke(w.w, "fleet"));
	next_look(&w);
	check(&w, 2, 2, NULL);
	g_assert_cmpint(loop_boot_usec(w.loop) - before, <, 5 * SL_USEC_PER_SEC);
	world_down(&w);
}

static void test_configuration(void)
{
	World w = { 0 };
	world_up(&w);
	start_watch(&w, fleet_repository);
	settle(&w);
	g_autoptr(json_t) same = json_loads(fleet_repository, 0, NULL);
	watch_git_set(w.w, same);
	settle(&w);
	check(&w, 1, 1, NULL);
	g_autoptr(json_t) other = json_deep_copy(same);
	json_object_set_new(json_array_get(other, 0), "plans", json_string("elsewhere"));
	watch_git_set(w.w, other);
	settle(&w);
	check(&w, 1, 2, NULL); /* read anew */
	g_autoptr(json_t) none = json_array();
	watch_git_set(w.w, none);
	check(&w, 0, 3, "is not in the configuration any more");
	g_assert_cmpuint(w.n_clusters, ==, 0);
	world_down(&w);
}

static void test_several(void)
{
	World w = { 0 };
	world_up(&w);
	start_watch(&w,
		"[{\"name\":\"fleet\",\"url\":\"https://git.example\",\"interval\":\"60s\"},"
		"{\"name\":\"other\",\"url\":\"https://git2.example\",\"interval\":"
		"\"1h\",\"credential\":{\"env\":\"SL_TEST_NOT_SET\"}}]");
	settle(&w);
	g_assert_cmpint(w.documents, ==, 1);
	g_assert_cmpstr(
		w.other_error, ==, "credential: environment variable SL_TEST_NOT_SET is not set");
	g_setenv("SL_TEST_NOT_SET", "key", true);
	watch_git_reload(w.w);
	settle(&w);
	g_assert_cmpint(w.documents, ==, 2);
	g_assert_null(w.other_error);
	g_unsetenv("SL_TEST_NOT_SET");
	g_autofree char *state = g_build_filename(w.dir, "other.json", NULL);
	g_unlink(state);
	world_down(&w);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/watch-git/follow", test_follow);
	g_test_add_func("/watch-git/last-good-stays", test_last_good_stays);
	g_test_add_func("/watch-git/rewritten", test_rewritten);
	g_test_add_func("/watch-git/restart", test_restart);
	g_test_add_func("/watch-git/poke", test_poke);
	g_test_add_func("/watch-git/configuration", test_configuration);
	g_test_add_func("/watch-git/several", test_several);
	return g_test_run();
}
