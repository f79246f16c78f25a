/* The result back to Git: at the end of a run, whatever the repository says and whenever the
 * controller is killed. The repository is one that keeps a commit for each key, as the worker's op
 * write does; what the worker really does on real servers is tested with it. */
#include "fleet/results.h"
#include "fleet/test-outside.h"

#define DOCUMENTS CLUSTER("a") PLAN("[{name: one, clusters: {names: [a]}, cpSoak: 15m, soak: 15m}]")
#define COMMIT "0123456789abcdef0123456789abcdef01234567"
enum { RESTART_USEC = 2000000, JOB_USEC = 300000, HOUR = 3600 };

/* What becomes of the n-th job. */
typedef enum {
	JOB_GOOD,
	JOB_AWAY,
	JOB_LOST_BEFORE,
	JOB_LOST_AFTER,
	JOB_REJECTED,
	JOB_DENIED,
	JOB_CRASH_BEFORE,
	JOB_CRASH_AFTER
} JobFate;

typedef struct Repo Repo;
typedef struct Running {
	Repo *repo;
	json_t *request;
	JobFate fate;
	JobDone *done; /* NULL: nobody waits for it any more */
	void *ud;
	uint64_t id;
} Running;

struct Repo {
	Rig *r;
	json_t *commits; /* key -> {"ref","files","n"}: n times asked for */
	json_t *results; /* what the configuration wants */
	GPtrArray *running;
	uint64_t next_id;
	JobFate fate; /* of all, or of the one at fate_at */
	int64_t fate_at; /* -1: all */
	int64_t n_jobs;
	unsigned n_crashes;
	int store_fault;
	uint64_t store_at, n_batches;
};

static void running_free(void *p)
{
	Running *x = p;
	json_decref(x->request);
	g_free(x);
}

static void restart(void *ud)
{
	Repo *g = ud;
	rig_start(g->r);
}

static void crash(void *ud)
{
	Repo *g = ud;
	Loop world = loop_sim_loop(g->r->loop);
	if (!g->r->fleet)
		return;
	g->n_crashes++;
	rig_crash(g->r);
	loop_timer(world, loop_boot_usec(world) + RESTART_USEC, restart, g);
}

/* As the worker's op: a commit with the key is found, not made again. */
static const char *commit(Repo *g, const json_t *request)
{
	const char *key = json_path_str(request, "key", "");
	json_t *have = json_object_get(g->commits, key);
	const char *branch = json_path_str(request, "branch", NULL);
	g_assert_cmpstr(branch, !=, "main");
	if (have) {
		json_object_set_new(have, "n", json_integer(json_path_int(have, "n", 0) + 1));
		return "found";
	}
	json_object_set_new(g->commits, key,
		json_pack("{s:s, s:O, s:i, s:O}", "ref",
			branch ? branch : json_path_str(request, "notes", "?"), "files",
			json_object_get(request, "files"), "n", 1, "message",
			json_object_get(request, "message")));
	return "new";
}

static void tell(Running *x, const char *text, SlErr code, const char *why)
{
	g_autoptr(GError) err = why ? g_error_new(SL_ERROR, (int)code, "%s", why) : NULL;
	if (x->done)
		x->done(err ? NULL : text, text ? strlen(text) : 0, err, x->ud);
}

static void finish(void *ud)
{
	Running *x = ud;
	Repo *g = x->repo;
	bool applied =
		x->fate == JOB_GOOD || x->fate == JOB_LOST_AFTER || x->fate == JOB_CRASH_AFTER;
	const char *how = applied ? commit(g, x->request) : "";
	g_autofree char *good = g_strdup_printf(
		"{\"outcome\":\"done\",\"how\":\"%s\",\"commit\":\"" COMMIT "\"}", how);
	if (x->fate == JOB_GOOD)
		tell(x, good, 0, NULL);
	else if (x->fate == JOB_REJECTED)
		tell(x, "{\"outcome\":\"rejected\",\"message\":\"protected branch\"}", 0, NULL);
	else if (x->fate == JOB_AWAY)
		tell(x, NULL, SL_ERR_RETRY, "git.example: connection refused");
	else if (x->fate == JOB_DENIED)
		tell(x, NULL, SL_ERR_REFUSED, "git.example: does not accept the credential");
	else if (x->fate == JOB_LOST_BEFORE || x->fate == JOB_LOST_AFTER)
		tell(x, NULL, SL_ERR_UNKNOWN_OUTCOME, "the connection broke during the push");
	else
		crash(g);
	g_ptr_array_remove(g->running, x);
}

static uint64_t repo_write(void *ud, const char *repository, const json_t *request, JobDone *done,
	void *done_ud, GError **err)
{
	Repo *g = ud;
	Loop world = loop_sim_loop(g->r->loop);
	Running *x = g_new0(Running, 1);
	g_assert_cmpstr(repository, ==, "fleet");
	bool here = g->fate_at < 0 || g->fate_at == g->n_jobs;
	*x = (Running){ .repo = g,
		.request = json_deep_copy(request),
		.fate = here ? g->fate : JOB_GOOD,
		.done = done,
		.ud = done_ud,
		.id = ++g->next_id };
	g->n_jobs++;
	g_ptr_array_add(g->running, x);
	loop_timer(world, loop_boot_usec(world) + JOB_USEC, finish, x);
	return x->id;
}

/* The worker may have pushed already: it comes to its end, unheard. */
static void repo_cancel(void *ud, uint64_t id)
{
	Repo *g = ud;
	for (unsigned i = 0; i < g->running->len; i++) {
		Running *x = g->running->pdata[i];
		if (x->id == id)
			x->done = NULL;
	}
}

static const json_t *repo_wanted(void *ud, const char *repository)
{
	const Repo *g = ud;
	return strcmp(repository, "fleet") == 0 ? g->results : NULL;
}

static json_t *repo_names(void *ud)
{
	const Repo *g = ud;
	return g->results ? json_pack("[s]", "fleet") : json_array();
}

static void tune(FleetOptions *o, void *ud)
{
	o->results = (FleetResults){ repo_names, repo_wanted, repo_write, repo_cancel, ud };
}

static StoreFault batch_fault(uint64_t n, void *ud)
{
	Repo *g = ud;
	return g->n_batches++ == g->store_at ? (StoreFault)g->store_fault : STORE_FAULT_NONE;
}

static Repo *repo_new(const char *results)
{
	Repo *g = g_new0(Repo, 1);
	g->r = rig_new(7);
	g->commits = json_object();
	g->results = results ? json_loads(results, 0, NULL) : NULL;
	g->running = g_ptr_array_new_with_free_func(running_free);
	g->fate_at = -1;
	g->store_at = UINT64_MAX;
	g->r->tune = tune;
	g->r->tune_ud = g;
	SimSpec spec = { .world = { .name = "a",
				 .version = "4.21.8",
				 .previous = "4.21.7",
				 .n_workers = 1,
				 .n_apps = 1,
				 .n_replicas = 1 },
		.releases = "4.21.10",
		.scale = 20 };
	sim_fleet_add(g->r->world, &spec);
	store_mem_set_faults(g->r->disk, batch_fault, crash, g);
	return g;
}

static void repo_free(Repo *g)
{
	rig_free(g->r);
	g_ptr_array_unref(g->running);
	json_decref(g->commits);
	json_decref(g->results);
	g_free(g);
}

static bool ended(void *ud)
{
	Repo *g = ud;
	if (g->r->fleet && fleet_n_runs(g->r->fleet) == 0)
		story_git(g->r, "fleet", COMMIT, DOCUMENTS); /* as the watch does after a start */
	return g->r->fleet && fleet_n_runs(g->r->fleet) > 0 &&
	       !run_is_live(fleet_nth_run(g->r->fleet, 0));
}

static void play(Repo *g)
{
	rig_start(g->r);
	int64_t until = loop_boot_usec(loop_sim_loop(g->r->loop)) + INT64_C(48) * HOUR * RIG_SEC;
	if (!loop_sim_run(g->r->loop, ended, g, until))
		g_error("never ended:\n%s", g->r->story->str);
}

#define BOTH "{\"branch\": \"shiplock/results\", \"notes\": \"shiplock\"}"

static const json_t *commit_on(const Repo *g, const char *ref)
{
	const char *key;
	json_t *c;
	json_object_foreach (g->commits, key, c)
		if (strcmp(json_path_str(c, "ref", ""), ref) == 0)
			return c;
	g_error("nothing on %s", ref);
}

static const char *file_of(const json_t *c, const char *path)
{
	size_t i;
	json_t *f;
	json_array_foreach (json_object_get(c, "files"), i, f)
		if (strcmp(json_path_str(f, "path", ""), path) == 0)
			return json_path_str(f, "text", NULL);
	return NULL;
}

static void test_written(void)
{
	Repo *g = repo_new(BOTH);
	play(g);
	story_pass(g->r, 60);
	g_assert_cmpuint(json_object_size(g->commits), ==, 2);
	const json_t *c = commit_on(g, "shiplock/results"), *note = commit_on(g, "shiplock");
	g_assert_true(g_str_has_prefix(
		json_path_str(c, "message", ""), "run up#1: Succeeded\n\nWritten by "));
	g_assert_true(
		g_str_has_prefix(file_of(c, "runs/up-1/report.md"), "# Run up#1: Succeeded\n"));
	g_assert_true(g_str_has_prefix(file_of(c, "runs/up-1/outages.yaml"), "- url: "));
	g_assert_nonnull(strstr(file_of(c, "runs/up-1/notice-one.txt"), ", completed\n"));
	g_autoptr(json_t) report = json_loads(file_of(c, "runs/up-1/report.json"), 0, NULL);
	g_autoptr(json_t) live = fleet_report(g->r->fleet, 1);
	g_assert_true(json_equal(report, live)); /* nothing of the run came after it */
	g_assert_cmpstr(file_of(note, COMMIT), ==, "shiplock run up#1: Succeeded\n  a Succeeded\n");
	g_autoptr(json_t) open = results_json(g->r->fleet->results);
	g_assert_cmpuint(json_array_size(open), ==, 0);
	/* Known after a restart. */
	int64_t n = g->n_jobs;
	crash(g);
	story_pass(g->r, HOUR);
	g_assert_cmpint(g->n_jobs, ==, n);
	repo_free(g);
}

/* Unwanted, or not from a repository, or wanted only later. */
static void test_not_wanted(void)
{
	Repo *g = repo_new(NULL);
	play(g);
	story_pass(g->r, 60);
	g->results = json_loads(BOTH, 0, NULL);
	fleet_results_changed(g->r->fleet);
	story_pass(g->r, 60);
	crash(g);
	story_pass(g->r, 60);
	g_assert_cmpint(g->n_jobs, ==, 0);
	story_submit(
		g->r, CLUSTER("a") PLAN_WITH("by-hand",
			      "[{name: one, clusters: {names: [a]}, cpSoak: 15m, soak: 15m}]", ""));
	story_pass(g->r, 6 * HOUR);
	g_assert_cmpuint(fleet_n_runs(g->r->fleet), ==, 2);
	g_assert_false(run_is_live(fleet_nth_run(g->r->fleet, 1)));
	g_assert_cmpint(g->n_jobs, ==, 0);
	repo_free(g);
}

static void test_repository_says_no(void)
{
	static const struct {
		const char *name;
		JobFate fate;
		const char *error;
	} cases[] = {
		{ "away", JOB_AWAY, "git.example: connection refused" },
		{ "rejected", JOB_REJECTED, "protected branch" },
		{ "denied", JOB_DENIED, "git.example: does not accept the credential" },
		{ "breaks before", JOB_LOST_BEFORE, "the connection broke during the push" },
		{ "breaks after", JOB_LOST_AFTER, "the connection broke during the push" },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		Repo *g = repo_new("{\"branch\": \"shiplock/results\"}");
		g_test_message("%s", cases[i].name);
		g->fate = cases[i].fate;
		play(g);
		story_pass(g->r, HOUR);
		g_autoptr(json_t) status = fleet_status(g->r->fleet);
		g_assert_nonnull(
			strstr(json_path_str(status, "results.0.error", ""), cases[i].error));
		g_assert_true(g_str_has_prefix(json_path_str(status, "needsYou.0.text", ""),
			"the result of run 1 is not in shiplock/results of repository fleet: "));
		g_assert_cmpint(g->n_jobs, <, 30);
		g->fate = JOB_GOOD;
		story_pass(g->r, HOUR);
		g_assert_cmpuint(json_object_size(g->commits), ==, 1);
		g_autoptr(json_t) open = results_json(g->r->fleet->results);
		g_assert_cmpuint(json_array_size(open), ==, 0);
		repo_free(g);
	}
}

static void test_given_up(void)
{
	for (unsigned restarted = 0; restarted < 2; restarted++) {
		Repo *g = repo_new("{\"branch\": \"shiplock/results\"}");
		g->fate = JOB_REJECTED;
		play(g);
		story_pass(g->r, 60);
		if (restarted)
			crash(g);
		story_pass(g->r, RESULTS_KEEP_SEC + HOUR);
		g_autoptr(json_t) open = results_json(g->r->fleet->results);
		g_assert_cmpuint(json_array_size(open), ==, 0);
		g_assert_cmpuint(json_object_size(g->commits), ==, 0);
		repo_free(g);
	}
}

/* ---- killed ---- */

static void one_commit_each(Repo *g)
{
	play(g);
	story_pass(g->r, HOUR);
	g_autoptr(json_t) open = results_json(g->r->fleet->results);
	g_assert_cmpuint(json_array_size(open), ==, 0);
	g_assert_cmpuint(json_object_size(g->commits), ==, 2);
	commit_on(g, "shiplock/results");
	commit_on(g, "shiplock");
}

static void test_killed(void)
{
	static const int faults[] = { STORE_FAULT_CRASH_BEFORE, STORE_FAULT_LOST,
		STORE_FAULT_UNACKNOWLEDGED, STORE_FAULT_CRASH_AFTER };
	static const JobFate fates[] = { JOB_CRASH_BEFORE, JOB_CRASH_AFTER, JOB_LOST_BEFORE,
		JOB_LOST_AFTER, JOB_AWAY };
	Repo *calm = repo_new(BOTH);
	one_commit_each(calm);
	uint64_t n_batches = calm->n_batches, from = g_test_slow() ? 0 : n_batches - 12;
	int64_t n_jobs = calm->n_jobs;
	unsigned n_crashes = 0;
	repo_free(calm);
	g_assert_cmpint(n_jobs, ==, 2);
	for (uint64_t b = from; b < n_batches; b++)
		for (size_t k = 0; k < G_N_ELEMENTS(faults); k++) {
			Repo *g = repo_new(BOTH);
			g->store_at = b;
			g->store_fault = faults[k];
			one_commit_each(g);
			n_crashes += g->n_crashes;
			repo_free(g);
		}
	for (int64_t j = 0; j < n_jobs; j++)
		for (size_t k = 0; k < G_N_ELEMENTS(fates); k++) {
			Repo *g = repo_new(BOTH);
			g->fate_at = j;
			g->fate = fates[k];
			one_commit_each(g);
			n_crashes += g->n_crashes;
			repo_free(g);
		}
	g_test_message("%u crashes", n_crashes);
	g_assert_cmpuint(n_crashes, >=, 48);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/results/written", test_written);
	g_test_add_func("/results/not-wanted", test_not_wanted);
	g_test_add_func("/results/repository-says-no", test_repository_says_no);
	g_test_add_func("/results/given-up", test_given_up);
	g_test_add_func("/results/killed", test_killed);
	return g_test_run();
}
