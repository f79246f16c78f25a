/* The actuator git against a simulated Argo CD: what is committed, what proves it, what holds. */
#include "fleet/test-gitops.h"
#include "providers/openshift-git.h"

#define DOC(actuator, more) FAST CLUSTER_WITH("a", actuator) UP(WAVE("[a]"), more)
#define BY_GIT DOC(GITOPS_ACTUATOR(""), "")
#define BY_GIT_POOLS DOC(GITOPS_ACTUATOR("    poolsFile: " GITOPS_POOLS "\n"), "")

static void test_up(void)
{
	GitWorld *g = gitops_begin(false);
	Rig *r = g->r;
	story_submit(r, BY_GIT);
	faults_ends(r, "a", "Succeeded");
	g_assert_cmpstr(outside_version(r, "a"), ==, NEW);
	g_assert_cmpuint(outside_paused(r, "a"), ==, 0);
	g_assert_null(outside_claim(r, "a"));
	gitops_expect(g, "version-" NEW "-1");
	const json_t *c = json_array_get(g->repo->commits, 1);
	const char *message = json_path_str(c, "message", "");
	g_autofree char *trailers = json_canonical(json_object_get(c, "trailers"));
	g_assert_true(g_str_has_prefix(message, "a: update to OpenShift " NEW "\n"));
	g_assert_nonnull(strstr(message, "run up#1, cluster a, hop " OLD " -> " NEW));
	g_assert_nonnull(strstr(trailers, "[\"Shiplock-Run\",\"up#1\"]"));
	g_assert_nonnull(strstr(trailers, "[\"Shiplock-Target\",\"" NEW "\"]"));
	gitops_end(g);
}

/* The commit says who said yes. */
static void test_approver(void)
{
	GitWorld *g = gitops_begin(false);
	story_submit(g->r, FAST CLUSTER_WITH("a", GITOPS_ACTUATOR("")) HEAD("ApprovalPolicy",
				   "one") "spec: {groups: [{name: team, users: "
					  "[ann]}]}\n" UP("[{name: one, clusters: {names: "
							  "[a]}, approval: one, " SOAKS "}]",
						  ""));
	faults_pass(g->r, 5);
	faults_command(g->r, "approve", "a");
	faults_ends(g->r, "a", "Succeeded");
	const json_t *c = json_array_get(g->repo->commits, 1);
	g_autofree char *trailers = json_canonical(json_object_get(c, "trailers"));
	g_assert_nonnull(strstr(trailers, "[\"Shiplock-Approved-By\",\"ann\"]"));
	g_assert_nonnull(strstr(json_path_str(c, "message", ""), "\nApproved by ann;"));
	gitops_end(g);
}

static void test_back(void)
{
	GitWorld *g = gitops_begin(true);
	Rig *r = g->r;
	story_submit(r, BY_GIT_POOLS);
	story_reach(r, "a", "cp-soak", NULL);
	faults_set(r, "a", SIM_FAULT_BIT(SIM_FAULT_ERROR_RATE_RISE));
	faults_ends(r, "a", "RolledBack");
	g_assert_cmpstr(outside_version(r, "a"), ==, OLD);
	g_assert_cmpstr(outside_wanted(r, "a"), ==, OLD);
	g_assert_cmpuint(outside_paused(r, "a"), ==, 0);
	gitops_expect(g, "pause-worker-1 version-" NEW "-2 version-" OLD "-3"
			 " release-worker-4");
	gitops_end(g);
}

static bool order_proven(void *ud)
{
	GitWorld *g = ud;
	const Item *it = story_item(g->r, "a");
	return strcmp(item_state_name(it), "rollback") == 0 &&
	       strcmp(json_path_str(item_looks(it), "0.gate", ""), "sync") == 0;
}

/* What the watch knew before the commit proves nothing: the object was read after it. */
static void test_proof_is_younger(void)
{
	GitWorld *g = gitops_begin(false);
	Rig *r = g->r;
	story_submit(r, BY_GIT);
	story_reach(r, "a", "cp-soak", NULL); /* the watch is in step by now */
	faults_command(r, "rollback", "a");
	faults_until(r, order_proven, g, 1);
	Item *it = story_item(r, "a");
	g_assert_cmpint(
		fact_sent_usec(it, &fact_object, CV_PATH), >=, act_settled_usec(git_ordered(it)));
	faults_ends(r, "a", "RolledBack");
	gitops_end(g);
}

/* A commit that nobody applied yet is taken back all the same. */
static void test_back_before_it_is_applied(void)
{
	GitWorld *g = gitops_begin(false);
	Rig *r = g->r;
	story_submit(r, BY_GIT);
	story_reach(r, "a", "control-plane", NULL);
	g->argo->down = true;
	story_reach(r, "a", "control-plane", "sync");
	faults_command(r, "rollback", "a");
	faults_pass(r, 600);
	gitops_expect(g, "version-" NEW "-1 version-" OLD "-2");
	g_assert_cmpstr(story_state(r, "a"), ==, "rollback");
	g->argo->down = false;
	faults_ends(r, "a", "RolledBack");
	g_assert_cmpstr(outside_version(r, "a"), ==, OLD);
	gitops_end(g);
}

/* A release that nobody applied yet is no brake: it is taken back before the order is. */
static void test_back_before_the_release_is_applied(void)
{
	GitWorld *g = gitops_begin(true);
	Rig *r = g->r;
	story_submit(r, BY_GIT_POOLS);
	story_reach(r, "a", "cp-soak", NULL);
	g->argo->down = true;
	while (json_array_size(g->repo->commits) < 4)
		faults_pass(r, 1);
	faults_pass(r, 5);
	g_assert_cmpuint(outside_paused(r, "a"), ==, 1);
	faults_command(r, "rollback", "a");
	faults_pass(r, 600);
	gitops_expect(g, "pause-worker-1 version-" NEW "-2 release-worker-3 pause-worker-4");
	g_assert_cmpstr(story_state(r, "a"), ==, "rollback");
	g->argo->down = false;
	faults_ends(r, "a", "RolledBack");
	g_assert_cmpstr(outside_version(r, "a"), ==, OLD);
	g_assert_cmpuint(outside_paused(r, "a"), ==, 0);
	gitops_expect(g, "pause-worker-1 version-" NEW "-2 release-worker-3 pause-worker-4 "
			 "version-" OLD "-5 release-worker-6");
	gitops_end(g);
}

static void expect_hold(Rig *r, const char *cause, const char *words)
{
	const char *why = story_held(r, "a", cause);
	if (!why || !strstr(why, words))
		g_error("no \"%s\" in hold %s: %s\n%s", words, cause, why ? why : "(none)",
			r->story->str);
}

/* ---- one commit per wish, whatever becomes of the job ---- */

static bool crash_or_end(void *ud)
{
	GitWorld *g = ud;
	return g->repo->crash_wanted || item_ended(story_item(g->r, "a"));
}

static void run_with_fault(SimRepoFault fault, unsigned at)
{
	GitWorld *g = gitops_begin(true);
	Rig *r = g->r;
	g->repo->fault = fault;
	g->repo->fault_at = at;
	story_submit(r, BY_GIT_POOLS);
	faults_pass(r, 1);
	faults_until(r, crash_or_end, g, 12);
	if (g->repo->crash_wanted) {
		gitops_restart(g, 30);
	}
	faults_ends(r, "a", "Succeeded");
	g_assert_cmpuint(g->repo->n_edits, >=, at); /* else the fault never came */
	g_assert_cmpstr(outside_version(r, "a"), ==, NEW);
	gitops_expect(g, "pause-worker-1 version-" NEW "-2 release-worker-3");
	gitops_end(g);
}

static void test_one_commit_per_wish(void)
{
	for (SimRepoFault f = SIM_REPO_FINE + 1; f < SIM_REPO_FAULTS; f++)
		for (unsigned at = 1; at <= 3; at++) {
			g_test_message("fault %d at edit %u", (int)f, at);
			run_with_fault(f, at);
		}
}

static bool crash_wanted(void *ud)
{
	return ((GitWorld *)ud)->repo->crash_wanted;
}

/* A person takes back what was pushed before its answer is known: it is not pushed again. */
static void test_reverted_before_the_answer(void)
{
	GitWorld *g = gitops_begin(false);
	Rig *r = g->r;
	g_autofree char *image = sim_release_image(OLD);
	g->repo->fault = SIM_REPO_CRASH_AFTER;
	g->repo->fault_at = 1;
	story_submit(r, BY_GIT);
	story_reach(r, "a", "baseline", NULL);
	g->argo->down = true;
	faults_until(r, crash_wanted, g, 12);
	rig_crash(r);
	sim_repo_person(g->repo, GITOPS_FILE, SIM_ARGO_VERSION, json_string(OLD));
	sim_repo_person(g->repo, GITOPS_FILE, SIM_ARGO_IMAGE, json_string(image));
	rig_start(r);
	story_reach(r, "a", "control-plane", "foreign-update");
	expect_hold(r, "foreign-update", "no longer says what we committed");
	faults_pass(r, 3600);
	gitops_expect(g, "version-" NEW "-1");
	g_assert_cmpuint(g->repo->n_edits, ==, 2); /* it was asked for again */
	gitops_end(g);
}

/* The controller dies at any moment between order and proof. */
static void test_crash_anywhere(void)
{
	for (int64_t after_msec = 0; after_msec < 20000; after_msec += 1300) {
		GitWorld *g = gitops_begin(false);
		Rig *r = g->r;
		story_submit(r, BY_GIT);
		story_reach(r, "a", "control-plane", NULL);
		Loop l = loop_sim_loop(r->loop);
		int64_t until = loop_boot_usec(l) + after_msec * 1000;
		loop_timer(l, until, faults_nothing, NULL);
		loop_sim_run(r->loop, story_never, NULL, until);
		gitops_restart(g, 0);
		faults_ends(r, "a", "Succeeded");
		gitops_expect(g, "version-" NEW "-1");
		gitops_end(g);
	}
}

/* ---- holds that say why, and go on by themselves ---- */

static void test_argo_down(void)
{
	GitWorld *g = gitops_begin(false);
	Rig *r = g->r;
	story_submit(r, BY_GIT);
	story_reach(r, "a", "control-plane", NULL);
	g->argo->down = true;
	int64_t began = loop_boot_usec(loop_sim_loop(r->loop));
	story_reach(r, "a", "control-plane", "sync");
	int64_t took = loop_boot_usec(loop_sim_loop(r->loop)) - began;
	g_assert_cmpint(took / RIG_SEC, >=, 15 * 60);
	g_assert_cmpint(took / RIG_SEC, <=, 16 * 60);
	expect_hold(r, "sync", "is not applied after 15m: Argo CD application a is Synced at");
	expect_hold(r, "sync", "it does not answer a refresh; is its controller running?");
	faults_pass(r, 600);
	g->argo->down = false;
	faults_ends(r, "a", "Succeeded");
	gitops_expect(g, "version-" NEW "-1");
	gitops_end(g);
}

static void set_window(GitWorld *g, json_t *windows)
{
	sim_argo_patch_project(g->argo, json_pack("{s:{s:o}}", "spec", "syncWindows", windows));
}

static void test_window_closed(void)
{
	GitWorld *g = gitops_begin(false);
	Rig *r = g->r;
	story_submit(r, BY_GIT);
	story_reach(r, "a", "control-plane", NULL);
	g->argo->down = true; /* as good as closed: the fake knows no windows */
	set_window(g, json_pack("[{s:s, s:s, s:s, s:[s]}]", "kind", "deny", "schedule", "* * * * *",
			      "duration", "1h", "applications", "*"));
	int64_t began = loop_boot_usec(loop_sim_loop(r->loop));
	story_reach(r, "a", "control-plane", "sync-blocked");
	g_assert_cmpint((loop_boot_usec(loop_sim_loop(r->loop)) - began) / RIG_SEC, <=, 60);
	expect_hold(r, "sync-blocked", "a sync window denies it: \"* * * * *\" for 1h");
	set_window(g, json_null());
	g->argo->down = false;
	faults_ends(r, "a", "Succeeded");
	gitops_expect(g, "version-" NEW "-1");
	gitops_end(g);
}

static void test_not_automatic(void)
{
	GitWorld *g = gitops_begin(false);
	Rig *r = g->r;
	story_submit(r, BY_GIT);
	story_reach(r, "a", "control-plane", NULL);
	sim_argo_patch_app(g->argo, json_pack("{s:{s:n}}", "spec", "syncPolicy"));
	story_reach(r, "a", "control-plane", "sync-blocked");
	expect_hold(
		r, "sync-blocked", "its automatic sync is off: a person syncs it, or turns it on");
	sim_argo_patch_app(g->argo,
		json_pack("{s:{s:{s:{s:b}}}}", "spec", "syncPolicy", "automated", "selfHeal", 1));
	sim_repo_person(g->repo, GITOPS_FILE, "another", json_string("line")); /* a new revision */
	faults_ends(r, "a", "Succeeded");
	gitops_end(g);
}

static void test_rejected(void)
{
	GitWorld *g = gitops_begin(false);
	Rig *r = g->r;
	g->repo->rejects = "main is protected";
	story_submit(r, BY_GIT);
	story_reach(r, "a", "control-plane", "write-fails");
	expect_hold(r, "write-fails", "main is protected");
	g->repo->rejects = NULL;
	faults_ends(r, "a", "Succeeded");
	gitops_expect(g, "version-" NEW "-1");
	gitops_end(g);
}

/* Nobody asks it to look: it only takes longer. */
static void test_deaf(void)
{
	GitWorld *g = gitops_begin(false);
	Rig *r = g->r;
	sim_repo_person(g->repo, GITOPS_FILE, "another", json_string("line"));
	story_submit(r, BY_GIT);
	faults_ends(r, "a", "Succeeded");
	gitops_end(g);
}

/* ---- somebody else writes too ---- */

static void test_foreign_in_git(void)
{
	GitWorld *g = gitops_begin(false);
	Rig *r = g->r;
	story_submit(r, BY_GIT);
	story_reach(r, "a", "control-plane", NULL);
	g->argo->down = true;
	while (json_array_size(g->repo->commits) < 2)
		faults_pass(r, 1);
	sim_repo_person(g->repo, GITOPS_FILE, SIM_ARGO_VERSION, json_string(MID));
	story_reach(r, "a", "control-plane", "foreign-update");
	expect_hold(r, "foreign-update", "no longer says what we committed");
	faults_pass(r, 3600);
	gitops_expect(g, "version-" NEW "-1");
	gitops_end(g);
}

static void test_foreign_before(void)
{
	GitWorld *g = gitops_begin(false);
	Rig *r = g->r;
	story_submit(r, BY_GIT);
	story_reach(r, "a", "baseline", NULL);
	g->argo->down = true;
	sim_repo_person(g->repo, GITOPS_FILE, SIM_ARGO_VERSION, json_string(MID));
	story_reach(r, "a", "control-plane", "not-ours");
	expect_hold(r, "not-ours", "somebody else asks for " MID " in " GITOPS_FILE);
	gitops_expect(g, "");
	gitops_end(g);
}

/* The file tells of another fleet's brake before the cluster does: it is left alone. */
static void test_foreign_brake(void)
{
	static const char *const until[] = { "baseline", "cp-soak" };
	static const char *const words[] = {
		"pool worker is paused by somebody else in " GITOPS_POOLS,
		"the brake on pool worker in " GITOPS_POOLS " is not ours any more",
	};
	for (size_t i = 0; i < G_N_ELEMENTS(until); i++) {
		GitWorld *g = gitops_begin(true);
		Rig *r = g->r;
		story_submit(r, BY_GIT_POOLS);
		story_reach(r, "a", until[i], NULL);
		g->argo->down = true;
		g_autofree char *before = sim_repo_story(g->repo);
		sim_repo_person(g->repo, GITOPS_POOLS, SIM_ARGO_PAUSED, json_true());
		sim_repo_person(g->repo, GITOPS_POOLS, SIM_ARGO_BRAKE,
			json_string("{\"fleet\":\"another\"}"));
		story_reach(r, "a", NULL, "not-ours");
		expect_hold(r, "not-ours", words[i]);
		faults_pass(r, 3600);
		gitops_expect(g, before);
		gitops_end(g);
	}
}

/* Another line of the repository changes while we wait: the revision that is reported is another,
 * and holds our wish. */
static void test_busy_branch(void)
{
	GitWorld *g = gitops_begin(false);
	Rig *r = g->r;
	story_submit(r, BY_GIT);
	story_reach(r, "a", "control-plane", NULL);
	while (json_array_size(g->repo->commits) < 2)
		faults_pass(r, 1);
	sim_repo_person(g->repo, GITOPS_FILE, "another", json_string("line"));
	faults_ends(r, "a", "Succeeded");
	gitops_end(g);
}

/* ---- a person merges ---- */

static void test_merge(void)
{
	GitWorld *g = gitops_begin(false);
	Rig *r = g->r;
	story_submit(r, DOC(GITOPS_ACTUATOR("    deliver: branch\n"), ""));
	story_reach(r, "a", "control-plane", "merge");
	expect_hold(r, "merge", "waits for the merge of branch shiplock/up-1/a/1 into main");
	faults_pass(r, 12 * 3600); /* as long as it takes */
	g_assert_null(story_held(r, "a", "held-too-long"));
	g_assert_cmpstr(outside_wanted(r, "a"), ==, OLD);
	sim_repo_merge(g->repo);
	story_reach(r, "a", "cp-soak", NULL);
	faults_set(r, "a", SIM_FAULT_BIT(SIM_FAULT_ERROR_RATE_RISE));
	story_reach(r, "a", "cp-soak", "rollback-wanted");
	expect_hold(r, "rollback-wanted", "needs a merge by a person, so it is not automatic");
	faults_command(r, "rollback", "a");
	story_reach(r, "a", "rollback", "merge");
	expect_hold(r, "merge", "shiplock/up-1/a/2");
	sim_repo_merge(g->repo);
	faults_ends(r, "a", "RolledBack");
	gitops_end(g);
}

#define BY_BRANCH_POOLS                                                                            \
	DOC(GITOPS_ACTUATOR("    deliver: branch\n    poolsFile: " GITOPS_POOLS "\n"), "")

static bool merge_or_end(void *ud)
{
	GitWorld *g = ud;
	const Item *c = story_item(g->r, "a");
	bool waits = json_object_size(g->repo->branches) > 0 && item_find_hold(c, "merge");
	return g->repo->crash_wanted || item_ended(c) || waits;
}

/* A person merges whatever waits; the controller is started again whenever it died. */
static void merge_to_end(GitWorld *g)
{
	for (faults_until(g->r, merge_or_end, g, 12); !item_ended(story_item(g->r, "a"));
		faults_until(g->r, merge_or_end, g, 12)) {
		if (g->repo->crash_wanted)
			gitops_restart(g, 30);
		else
			sim_repo_merge(g->repo);
		g->repo->crash_wanted = false;
	}
	faults_ends(g->r, "a", "Succeeded");
	g_assert_cmpstr(outside_version(g->r, "a"), ==, NEW);
	gitops_expect(g, "pause-worker-1 version-" NEW "-2 release-worker-3");
	g_assert_cmpuint(g->repo->n_branch_commits, ==, 3);
	g_assert_cmpuint(g->repo->n_edits, >=, g->repo->fault_at); /* else it never came */
	g_assert_cmpuint(json_object_size(g->repo->branches), ==, 0);
	gitops_end(g);
}

/* One commit and one branch for a wish, whatever becomes of the job that pushes it. */
static void test_merge_one_commit_per_wish(void)
{
	for (SimRepoFault f = SIM_REPO_FINE + 1; f < SIM_REPO_FAULTS; f++)
		for (unsigned at = 1; at <= 3; at++) {
			g_test_message("fault %d at edit %u", (int)f, at);
			GitWorld *g = gitops_begin(true);
			g->repo->fault = f;
			g->repo->fault_at = at;
			story_submit(g->r, BY_BRANCH_POOLS);
			faults_pass(g->r, 1);
			merge_to_end(g);
		}
}

/* It dies with the push, and the branch is merged before it is up again. */
static void test_merged_before_the_answer(void)
{
	GitWorld *g = gitops_begin(true);
	g->repo->fault = SIM_REPO_CRASH_AFTER;
	g->repo->fault_at = 2;
	story_submit(g->r, BY_BRANCH_POOLS);
	story_reach(g->r, "a", "control-plane", "merge");
	sim_repo_merge(g->repo);
	faults_until(g->r, crash_wanted, g, 12);
	rig_crash(g->r);
	g->repo->crash_wanted = false;
	sim_repo_merge(g->repo);
	rig_start(g->r);
	merge_to_end(g);
}

/* The controller dies at any moment from the wish to its merge, and from there to the proof. */
static void test_merge_crash_anywhere(void)
{
	for (int64_t after_msec = 0; after_msec < 40000; after_msec += 2600) {
		GitWorld *g = gitops_begin(true);
		Rig *r = g->r;
		story_submit(r, BY_BRANCH_POOLS);
		story_reach(r, "a", "control-plane", NULL);
		Loop l = loop_sim_loop(r->loop);
		int64_t until = loop_boot_usec(l) + after_msec * 1000;
		loop_timer(l, until, faults_nothing, NULL);
		loop_sim_run(r->loop, story_never, NULL, until);
		gitops_restart(g, 0);
		faults_until(r, merge_or_end, g, 12);
		sim_repo_merge(g->repo);
		until = loop_boot_usec(l) + after_msec * 1000;
		loop_timer(l, until, faults_nothing, NULL);
		loop_sim_run(r->loop, story_never, NULL, until);
		gitops_restart(g, 0);
		merge_to_end(g);
	}
}

/* Given up before the merge: it does not end while somebody could still merge. */
static void test_branch_left_open(void)
{
	static const bool merges[] = { false, true };
	for (size_t i = 0; i < G_N_ELEMENTS(merges); i++) {
		GitWorld *g = gitops_begin(false);
		Rig *r = g->r;
		story_submit(r, DOC(GITOPS_ACTUATOR("    deliver: branch\n"), ""));
		story_reach(r, "a", "control-plane", "merge");
		faults_command(r, "rollback", "a");
		faults_pass(r, 12 * 3600);
		g_assert_false(item_ended(story_item(r, "a")));
		expect_hold(
			r, "merge", "branch shiplock/up-1/a/1 of " GITOPS_REPO " is not merged");
		if (merges[i]) {
			sim_repo_merge(g->repo);
			faults_pass(r, 60);
			story_reach(r, "a", "rollback", "merge");
			expect_hold(r, "merge", "shiplock/up-1/a/2");
			sim_repo_merge(g->repo);
		} else
			json_object_clear(g->repo->branches); /* a person deletes it */
		faults_ends(r, "a", "RolledBack");
		g_assert_cmpstr(outside_version(r, "a"), ==, OLD);
		g_assert_cmpstr(outside_wanted(r, "a"), ==, OLD);
		gitops_expect(g, merges[i] ? "version-" NEW "-1 version-" OLD "-2" : "");
		gitops_end(g);
	}
}

/* The same of a release: merged late, it would move the workers while the control plane goes back.
 */
static void test_release_left_open(void)
{
	GitWorld *g = gitops_begin(true);
	Rig *r = g->r;
	story_submit(r,
		DOC(GITOPS_ACTUATOR("    deliver: branch\n    poolsFile: " GITOPS_POOLS "\n"), ""));
	for (unsigned i = 0; i < 2; i++) { /* the brake, the order */
		story_reach(r, "a", "control-plane", "merge");
		sim_repo_merge(g->repo);
		faults_pass(r, 60);
	}
	story_reach(r, "a", NULL, "merge");
	expect_hold(r, "merge", "shiplock/up-1/a/3");
	faults_command(r, "rollback", "a");
	faults_pass(r, 3600);
	expect_hold(r, "merge", "branch shiplock/up-1/a/3 of " GITOPS_REPO " is not merged");
	sim_repo_merge(g->repo); /* it is braked again before the order goes back */
	faults_pass(r, 60);
	story_reach(r, "a", "rollback", "merge");
	gitops_expect(g, "pause-worker-1 version-" NEW "-2 release-worker-3");
	g_assert_true(g_str_has_prefix(
		strrchr(json_path_str(json_object_get(g->repo->branches, "shiplock/up-1/a/4"),
				"key", "/"),
			'/'),
		"/pause-worker"));
	gitops_end(g);
}

/* ---- the file is found ---- */

#define ANY_FILE DOC(GITOPS_ACTUATOR_ANY(""), "")
#define OTHER_FILE "overlays/b/clusterversion.yaml"

static void add_file(GitWorld *g, const char *path)
{
	json_object_set_new(json_object_get(sim_repo_tip(g->repo), "files"), path,
		json_pack("{s:s}", SIM_ARGO_VERSION, OLD));
}

/* It goes back in the file that it went up in, though the branch holds another one by then. */
static void test_file_found(void)
{
	GitWorld *g = gitops_begin(false);
	Rig *r = g->r;
	story_submit(r, ANY_FILE);
	story_reach(r, "a", "cp-soak", NULL);
	g_autofree char *findings = faults_findings(r, "a");
	g_assert_nonnull(strstr(findings,
		GITOPS_FILE " was found: the only file of branch main that holds ClusterVersion"));
	g_assert_nonnull(strstr(findings, "ClusterVersion is written in Git: " GITOPS_FILE));
	add_file(g, OTHER_FILE);
	faults_set(r, "a", SIM_FAULT_BIT(SIM_FAULT_ERROR_RATE_RISE));
	faults_ends(r, "a", "RolledBack");
	gitops_expect(g, "version-" NEW "-1 version-" OLD "-2");
	gitops_end(g);
}

/* Several clusters in one repository: that of the Application's folder. */
static void test_file_below(void)
{
	GitWorld *g = gitops_begin(false);
	Rig *r = g->r;
	add_file(g, OTHER_FILE);
	sim_argo_patch_app(
		g->argo, json_pack("{s:{s:{s:s}}}", "spec", "source", "path", "./overlays/a/"));
	story_submit(r, ANY_FILE);
	faults_ends(r, "a", "Succeeded");
	g_autofree char *findings = faults_findings(r, "a");
	g_assert_nonnull(strstr(
		findings, GITOPS_FILE " was found: the only file of branch main below overlays/a"));
	gitops_expect(g, "version-" NEW "-1");
	gitops_end(g);
}

static void test_file_not_found(void)
{
	static const struct {
		bool several;
		const char *words;
	} cases[] = {
		{ true, "2 files of branch main hold ClusterVersion version, and which one is "
			"applied to a cannot be told: " GITOPS_FILE ", " OTHER_FILE },
		{ false, "no file of branch main holds ClusterVersion version" },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		GitWorld *g = gitops_begin(false);
		json_t *files = json_object_get(sim_repo_tip(g->repo), "files");
		if (cases[i].several)
			add_file(g, OTHER_FILE);
		else
			json_object_clear(json_object_get(files, GITOPS_FILE));
		story_submit(g->r, ANY_FILE);
		faults_ends(g->r, "a", "Refused");
		g_autofree char *findings = faults_findings(g->r, "a");
		if (!strstr(findings, cases[i].words))
			g_error("no \"%s\" in %s", cases[i].words, findings);
		g_assert_nonnull(strstr(findings, "write it as actuator.file into the Cluster"));
		gitops_end(g);
	}
}

/* It became two while the order waited: held, and on by itself. */
static void test_file_lost(void)
{
	GitWorld *g = gitops_begin(false);
	Rig *r = g->r;
	story_submit(r, ANY_FILE);
	story_reach(r, "a", "backup", NULL);
	faults_command(r, "pause", "a");
	add_file(g, OTHER_FILE);
	faults_pass(r, 120);
	faults_command(r, "resume", "a");
	story_reach(r, "a", "control-plane", "git-file");
	expect_hold(r, "git-file", "2 files of branch main hold ClusterVersion");
	json_object_del(json_object_get(sim_repo_tip(g->repo), "files"), OTHER_FILE);
	faults_ends(r, "a", "Succeeded");
	gitops_end(g);
}

/* ---- preflight ---- */

static void spoil_file(GitWorld *g)
{
	json_object_del(json_object_get(sim_repo_tip(g->repo), "files"), GITOPS_FILE);
	json_object_set_new(
		json_object_get(sim_repo_tip(g->repo), "files"), "other", json_object());
}
static void spoil_step(GitWorld *g)
{
	g->argo->down = true;
	sim_repo_person(g->repo, GITOPS_FILE, SIM_ARGO_VERSION, json_string(MID));
}
static void spoil_application(GitWorld *g)
{
	sim_argo_patch_app(
		g->argo, json_pack("{s:{s:{s:s}}}", "spec", "source", "targetRevision", "stable"));
}
static void spoil_differences(GitWorld *g)
{
	sim_argo_patch_app(
		g->argo, json_pack("{s:{s:[{s:s, s:s, s:[s]}]}}", "spec", "ignoreDifferences",
				 "group", "config.openshift.io", "kind", "ClusterVersion",
				 "jsonPointers", "/spec/desiredUpdate"));
}
static void spoil_tracker(GitWorld *g)
{
	sim_cluster_patch(g->argo->cluster, SIM_CLUSTERVERSIONS, NULL, "version", SIM_SUB_NONE, "x",
		json_pack("{s:{s:{s:s}}}", "metadata", "annotations",
			"argocd.argoproj.io/tracking-id",
			"other:config.openshift.io/ClusterVersion:default/version"));
}
static void spoil_pool(GitWorld *g)
{
	sim_cluster_patch(g->argo->cluster, SIM_POOLS, NULL, "worker", SIM_SUB_NONE, "x",
		json_pack("{s:{s:{s:s}}}", "metadata", "annotations",
			"argocd.argoproj.io/tracking-id",
			"a:machineconfiguration.openshift.io/MachineConfigPool:default/worker"));
}
static void spoil_worker(GitWorld *g)
{
	rig_stop(g->r);
	g->no_worker = true;
	rig_start(g->r);
}

static const struct {
	const char *what;
	void (*spoil)(GitWorld *g);
	const char *words;
} refusals[] = {
	{ "no such file", spoil_file, "the file does not exist" },
	{ "the file is ahead of the cluster", spoil_step,
		"the file asks for " MID ", the cluster is asked for " OLD },
	{ "another branch", spoil_application, "it follows stable, not the branch main" },
	{ "the field is ignored", spoil_differences, "its ignoreDifferences cover" },
	{ "another Application tracks it", spoil_tracker,
		"Argo CD application other owns ClusterVersion, not Argo CD application a" },
	{ "a pool is owned and no file is named", spoil_pool,
		"Argo CD application a owns MachineConfigPool worker" },
	{ "no worker", spoil_worker, "the actuator git needs the worker" },
};

static void test_preflight(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(refusals); i++) {
		g_test_message("%s", refusals[i].what);
		GitWorld *g = gitops_begin(false);
		Rig *r = g->r;
		refusals[i].spoil(g);
		story_submit(r, BY_GIT);
		faults_ends(r, "a", "Refused");
		g_autofree char *findings = faults_findings(r, "a");
		if (!strstr(findings, refusals[i].words))
			g_error("no \"%s\" in %s", refusals[i].words, findings);
		gitops_expect(g, "");
		g_assert_null(outside_claim(r, "a"));
		gitops_end(g);
	}
}

static void test_ways(void)
{
	static const struct {
		bool pools;
		const char *doc, *words;
	} rows[] = {
		{ false, BY_GIT, "MachineConfigPool worker is patched directly" },
		{ false, BY_GIT_POOLS, "MachineConfigPool worker is patched directly" },
		{ true, BY_GIT_POOLS,
			"MachineConfigPool worker is written in Git: " GITOPS_POOLS
			", branch main" },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		GitWorld *g = gitops_begin(rows[i].pools);
		Rig *r = g->r;
		story_submit(r, rows[i].doc);
		story_reach(r, "a", "baseline", NULL);
		g_autofree char *findings = faults_findings(r, "a");
		g_assert_nonnull(strstr(findings, rows[i].words));
		g_assert_nonnull(strstr(findings,
			"ClusterVersion is written in Git: " GITOPS_FILE ", branch main"));
		faults_ends(r, "a", "Succeeded");
		gitops_expect(g, rows[i].pools ? "pause-worker-1 version-" NEW "-2 release-worker-3"
					       : "version-" NEW "-1");
		gitops_end(g);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/gitops/up", test_up);
	g_test_add_func("/gitops/approver", test_approver);
	g_test_add_func("/gitops/back", test_back);
	g_test_add_func("/gitops/back-before-it-is-applied", test_back_before_it_is_applied);
	g_test_add_func("/gitops/back-before-the-release-is-applied",
		test_back_before_the_release_is_applied);
	g_test_add_func("/gitops/proof-is-younger", test_proof_is_younger);
	g_test_add_func("/gitops/one-commit-per-wish", test_one_commit_per_wish);
	g_test_add_func("/gitops/reverted-before-the-answer", test_reverted_before_the_answer);
	g_test_add_func("/gitops/crash-anywhere", test_crash_anywhere);
	g_test_add_func("/gitops/argo-down", test_argo_down);
	g_test_add_func("/gitops/window-closed", test_window_closed);
	g_test_add_func("/gitops/not-automatic", test_not_automatic);
	g_test_add_func("/gitops/rejected", test_rejected);
	g_test_add_func("/gitops/deaf", test_deaf);
	g_test_add_func("/gitops/foreign-in-git", test_foreign_in_git);
	g_test_add_func("/gitops/foreign-before", test_foreign_before);
	g_test_add_func("/gitops/foreign-brake", test_foreign_brake);
	g_test_add_func("/gitops/busy-branch", test_busy_branch);
	g_test_add_func("/gitops/merge", test_merge);
	g_test_add_func("/gitops/merge-one-commit-per-wish", test_merge_one_commit_per_wish);
	g_test_add_func("/gitops/merged-before-the-answer", test_merged_before_the_answer);
	g_test_add_func("/gitops/merge-crash-anywhere", test_merge_crash_anywhere);
	g_test_add_func("/gitops/branch-left-open", test_branch_left_open);
	g_test_add_func("/gitops/release-left-open", test_release_left_open);
	g_test_add_func("/gitops/file-found", test_file_found);
	g_test_add_func("/gitops/file-below", test_file_below);
	g_test_add_func("/gitops/file-not-found", test_file_not_found);
	g_test_add_func("/gitops/file-lost", test_file_lost);
	g_test_add_func("/gitops/preflight", test_preflight);
	g_test_add_func("/gitops/ways", test_ways);
	return g_test_run();
}
