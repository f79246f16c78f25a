/* What is pushed against what people say: `state` of plans, newer and older identities, several
 * repositories, on the whole controller. */
#include "fleet/notice.h"
#include "fleet/test-witness.h"

#define FAST                                                                                       \
	HEAD("GatePolicy", "fast")                                                                 \
	"spec:\n  gates:\n"                                                                        \
	"    - {name: operators, when: [cp-verify, verify], invariant: clusterOperators}\n"        \
	"    - {name: errors, when: [cp-soak, soak], onFail: rollback, query: "                    \
	"'sum(rate(haproxy_backend_http_responses_total{code=\"5xx\"}[15m])) / "                   \
	"sum(rate(haproxy_backend_http_responses_total[15m]))', pass: {atMost: 0.01}, fail: "      \
	"{above: 0.05}, count: 3}\n"
#define CLUSTERS CLUSTER("a") CLUSTER("b") CLUSTER("c")
#define NAMED(name, clusters, wave, more)                                                          \
	PLAN_WITH(name, "[{name: one, clusters: {names: " clusters "}, " wave "}]",                \
		"  policies: {gates: fast}\n" more)
#define SOAKS "cpSoak: 20m, soak: 20m"
#define STATE(state) FAST CLUSTERS NAMED("up", "[a, b]", SOAKS, "  state: " state "\n")
#define ACTIVE STATE("active")
#define SUSPENDED STATE("suspended")
#define ROLLED_BACK STATE("rolledBack")
#define OLD "4.21.8"
#define NEW "4.21.10"

static Rig *begin(const char *yaml)
{
	Rig *r = rig_new(3);
	for (const char *name = "abc"; *name; name++) {
		char text[] = { *name, 0 };
		rig_cluster(r, text, 0);
	}
	rig_start(r);
	if (yaml)
		story_git(r, "fleet", "c1", yaml);
	r->run = 1;
	return r;
}

static void fail_requests(Rig *r, const char *cluster)
{
	sim_cluster_set_faults(
		sim_fleet_find(r->world, cluster), SIM_FAULT_BIT(SIM_FAULT_ERROR_RATE_RISE));
}

static void test_suspended_before(void)
{
	g_autoptr(Rig) r = begin(SUSPENDED);
	story_pass(r, 3600);
	g_assert_cmpuint(fleet_n_runs(r->fleet), ==, 0);
	story_git(r, "fleet", "c2", ACTIVE);
	story_pass(r, 60);
	g_assert_cmpuint(fleet_n_runs(r->fleet), ==, 1);
	g_assert_cmpint(story_rest(r), ==, 0);
	g_assert_cmpstr(outside_version(r, "b"), ==, NEW);
}

static void test_suspended_beats_resume(void)
{
	g_autoptr(Rig) r = begin(ACTIVE);
	story_reach(r, "a", "cp-soak", NULL);
	g_assert_true(story_command(r, "pause", "a"));
	story_git(r, "fleet", "c2", SUSPENDED);
	story_pass(r, 60);
	g_assert_true(story_command(r, "resume", "a"));
	g_assert_nonnull(strstr(r->says, "a is still held: the plan is suspended in Git (c2)"));
	g_assert_false(story_command(r, "resume", "a"));
	g_assert_nonnull(strstr(r->err->message, "state: active in Git does"));
	story_pass(r, 2 * 3600);
	g_assert_cmpstr(story_state(r, "a"), ==, "cp-soak");
	story_git(r, "fleet", "c3", ACTIVE);
	g_assert_cmpint(story_rest(r), ==, 0);
	g_assert_cmpuint(fleet_n_runs(r->fleet), ==, 1);
}

static void test_pause_beats_active(void)
{
	g_autoptr(Rig) r = begin(ACTIVE);
	story_reach(r, "a", "evacuate", NULL);
	g_assert_true(story_command(r, "pause", "a"));
	story_git(r, "fleet", "c2", SUSPENDED);
	story_pass(r, 60);
	story_git(r, "fleet", "c3", ACTIVE);
	story_pass(r, 3600);
	g_assert_cmpstr(outside_wanted(r, "a"), ==, "");
	g_assert_cmpint(fleet_exit_code(r->fleet, 1, false), ==, 3);
	g_assert_true(story_command(r, "resume", "a"));
	g_assert_cmpint(story_rest(r), ==, 0);
}

static void test_deleted_is_suspended(void)
{
	g_autoptr(Rig) r = begin(ACTIVE);
	story_reach(r, "a", "evacuate", NULL);
	story_git(r, "fleet", "c2", FAST CLUSTERS);
	story_pass(r, 3600);
	g_assert_cmpstr(outside_wanted(r, "a"), ==, "");
	g_assert_false(story_command(r, "resume", "a"));
	story_git(r, "fleet", "c3", ACTIVE);
	g_assert_cmpint(story_rest(r), ==, 0);
	g_assert_cmpuint(fleet_n_runs(r->fleet), ==, 1);
}

static void test_rolled_back(void)
{
	g_autoptr(Rig) r = begin(ACTIVE);
	story_reach(r, "a", "cp-soak", NULL);
	story_git(r, "fleet", "c2", ROLLED_BACK);
	g_assert_cmpint(story_rest(r), ==, 4);
	story_pass(r, 3600);
	g_assert_cmpstr(outside_version(r, "a"), ==, OLD);
	g_assert_cmpstr(story_state(r, "b"), ==, "pending");
	g_assert_false(story_command(r, "resume", "b"));
	g_assert_nonnull(strstr(r->err->message, "the plan is rolledBack in Git (c2)"));
	story_git(r, "fleet", "c3", ACTIVE);
	story_pass(r, 3600);
	g_assert_cmpstr(story_state(r, "b"), ==, "pending"); /* explicit: a person says so */
	g_assert_true(story_command(r, "resume", "b"));
	story_reach(r, "b", "ended", NULL);
	g_assert_cmpstr(outside_version(r, "b"), ==, NEW);
	g_assert_cmpstr(outside_version(r, "a"), ==, OLD);
}

/* What only looks around has nothing to step down from. */
static void test_rolled_back_in_preflight(void)
{
	g_autoptr(Rig) r = begin(ACTIVE);
	story_reach(r, "a", "preflight", NULL);
	story_git(r, "fleet", "c2", ROLLED_BACK);
	story_pass(r, 3600);
	g_assert_cmpstr(story_outcome(r, "a"), ==, "Aborted");
	g_assert_null(outside_claim(r, "a"));
	g_assert_cmpstr(outside_wanted(r, "a"), ==, "");
	g_assert_cmpstr(story_state(r, "b"), ==, "pending");
}

/* Everything but `state` differs: longer soaks, another gate, another order, another address. */
#define SECOND                                                                                     \
	FAST CLUSTER_WITH("a", "  exclusive: true\n") CLUSTER("b") CLUSTER("c")                    \
		NAMED("up", "[c, b, a]", "cpSoak: 3h, soak: 3h", "")

static bool first_at_rest(void *ud)
{
	return story_at_rest(ud);
}

static char *changes_with(const char *pushed)
{
	g_autoptr(Rig) r = begin(ACTIVE);
	g_autoptr(Witness) w = witness_new(r);
	w->done = first_at_rest;
	w->ud = r;
	story_reach(r, "a", "baseline", NULL);
	if (pushed)
		story_git(r, "fleet", "c2", pushed);
	g_assert_true(loop_sim_run(r->loop, witness_look, w,
		loop_boot_usec(loop_sim_loop(r->loop)) + INT64_C(24) * 3600 * RIG_SEC));
	g_assert_cmpint(fleet_exit_code(r->fleet, 1, false), ==, 0);
	if (pushed) { /* it waited for the end, and comes now */
		story_pass(r, 3600);
		g_assert_cmpuint(fleet_n_runs(r->fleet), ==, 2);
		g_assert_nonnull(item_find_child(fleet_nth_run(r->fleet, 1), "c"));
	}
	return g_strdup(w->changes->str);
}

static void test_second_push_changes_nothing(void)
{
	g_autofree char *alone = changes_with(NULL), *disturbed = changes_with(SECOND);
	g_assert_nonnull(strstr(alone, NEW));
	g_assert_cmpstr(alone, ==, disturbed);
}

static void test_an_identity_runs_once(void)
{
	g_autoptr(Rig) r = begin(ACTIVE);
	g_assert_cmpint(story_rest(r), ==, 0);
	story_git(r, "fleet", "c2", ACTIVE);
	story_git(r, "fleet", "c3", SUSPENDED);
	story_git(r, "fleet", "c4", ACTIVE);
	story_pass(r, 3600);
	g_assert_cmpuint(fleet_n_runs(r->fleet), ==, 1);
	rig_crash(r);
	rig_start(r);
	story_git(r, "fleet", "c5", ACTIVE);
	story_pass(r, 3600);
	g_assert_cmpuint(fleet_n_runs(r->fleet), ==, 1);
	g_assert_true(story_command(r, "retry", "b"));
	story_pass(r, 3600);
	g_assert_cmpuint(fleet_n_runs(r->fleet), ==, 2);
	g_assert_cmpint(fleet_exit_code(r->fleet, 2, false), ==, 0);
}

/* In mid-run the process dies, and comes back to the same documents. */
static void test_restart(void)
{
	g_autoptr(Rig) r = begin(ACTIVE);
	story_reach(r, "a", "cp-soak", NULL);
	rig_crash(r);
	rig_start(r);
	story_git(r, "fleet", "c1", ACTIVE);
	g_assert_cmpint(story_rest(r), ==, 0);
	g_assert_cmpuint(fleet_n_runs(r->fleet), ==, 1);
	g_assert_cmpstr(outside_version(r, "b"), ==, NEW);
}

/* The same target under another identity does not try again what rolled back. */
#define OTHER FAST CLUSTERS NAMED("again", "[a, b]", "cpSoak: 25m, soak: 20m, failureBudget: 2", "")

/* The first plan rolls its only cluster back and ends; the second one is pushed. */
static Rig *rolled_back_and_over(void)
{
	Rig *r = begin(FAST CLUSTERS NAMED("up", "[a]", SOAKS, ""));
	fail_requests(r, "a");
	g_assert_cmpint(story_rest(r), ==, 4);
	g_assert_false(run_is_live(fleet_nth_run(r->fleet, 0)));
	sim_cluster_set_faults(sim_fleet_find(r->world, "a"), 0);
	story_git(r, "fleet", "c2", OTHER);
	story_pass(r, 3600);
	r->run = 2;
	return r;
}

static const char *needs_text(const json_t *status, const char *part)
{
	size_t i;
	json_t *n;
	json_array_foreach (json_object_get(status, "needsYou"), i, n)
		if (strstr(json_path_str(n, "text", ""), part))
			return json_path_str(n, "type", "");
	return "";
}

static void stands_still(Rig *r)
{
	const Hold *h = item_find_hold(fleet_nth_run(r->fleet, 1), "fleet-stopped");
	g_assert_nonnull(h);
	g_assert_cmpstr(h->reason, ==, "stopped by up#1: 1 rollback, stopFleetAfter is 1");
	g_assert_true(h->person);
	g_assert_cmpint(fleet_exit_code(r->fleet, 2, false), ==, 3);
	g_assert_cmpstr(story_state(r, "b"), ==, "pending");
	g_assert_null(outside_claim(r, "b"));
	g_autoptr(json_t) status = fleet_status(r->fleet);
	g_assert_cmpstr(needs_text(status, "up#1 ended RolledBack, and nothing starts until"), ==,
		"shiplock why 1");
	g_assert_cmpstr(
		needs_text(status, "again#2 stands: stopped by up#1"), ==, "shiplock why a");
	g_assert_nonnull(strstr(json_path_str(status, "stopped", ""), "up#1 stops the fleet: 1"));
}

static void test_rolled_back_before(void)
{
	g_autoptr(Rig) r = rolled_back_and_over();
	stands_still(r);
	rig_crash(r); /* who starts anew has not been answered either */
	rig_start(r);
	story_git(r, "fleet", "c2", OTHER);
	story_pass(r, 3600);
	stands_still(r);
	g_assert_true(story_command(r, "resume", "a")); /* the one that waits, by its name */
	r->run = 2;
	g_assert_cmpint(story_rest(r), ==, 5);
	g_assert_cmpstr(story_outcome(r, "a"), ==, "Refused");
	g_assert_cmpstr(outside_version(r, "a"), ==, OLD);
	g_assert_cmpstr(outside_version(r, "b"), ==, NEW);
	g_autoptr(json_t) seen = fleet_cluster(r->fleet, "a");
	g_assert_nonnull(strstr(json_path_str(seen, "findings.0.message", ""), "in run up#1"));
	g_autoptr(json_t) status = fleet_status(r->fleet);
	g_assert_cmpstr(needs_text(status, "nothing starts"), ==, "");
	g_assert_true(json_is_null(json_object_get(status, "stopped")));
	g_assert_true(story_command(r, "retry", "a"));
	story_pass(r, 60);
	r->run = 3;
	g_assert_cmpint(story_rest(r), ==, 0);
	g_assert_cmpstr(outside_version(r, "a"), ==, NEW);
}

/* A pause that is taken back answers no rollback; the next resume of the fleet does. */
static void test_resume_fleet_answers(void)
{
	g_autoptr(Rig) r = rolled_back_and_over();
	g_assert_true(story_command(r, "pause", NULL));
	g_assert_true(story_command(r, "resume", NULL));
	g_assert_nonnull(strstr(r->says, "up#1 stops the fleet: 1 rollback"));
	story_pass(r, 3600);
	stands_still(r);
	g_assert_true(story_command(r, "resume", NULL));
	g_assert_cmpstr(r->says, ==, "the fleet goes on");
	r->run = 2;
	g_assert_cmpint(story_rest(r), ==, 5);
	g_assert_cmpstr(outside_version(r, "b"), ==, NEW);
	g_assert_false(story_command(r, "resume", NULL));
	g_assert_nonnull(strstr(r->err->message, "neither paused nor stopped"));
}

/* retry of what went back is an answer; the run that waited starts after the new one. */
static void test_retry_answers(void)
{
	g_autoptr(Rig) r = begin(FAST CLUSTERS NAMED("up", "[a]", SOAKS, ""));
	fail_requests(r, "a");
	story_git(r, "edu", "e1", FAST CLUSTERS NAMED("up", "[c]", SOAKS, ""));
	g_assert_cmpint(story_rest(r), ==, 4);
	story_pass(r, 3600);
	g_assert_cmpstr(story_state(r, "c"), ==, "pending");
	g_autoptr(json_t) why = fleet_why_run(r->fleet, 1);
	g_assert_nonnull(strstr(json_path_str(why, "because", ""), "and stops the fleet: 1 roll"));
	g_assert_cmpstr(json_path_str(why, "youCan.1.type", ""), ==, "shiplock resume a");
	g_assert_cmpstr(json_path_str(why, "youCan.2.type", ""), ==, "shiplock resume --fleet");
	sim_cluster_set_faults(sim_fleet_find(r->world, "a"), 0);
	g_assert_true(story_command(r, "retry", "a"));
	story_reach(r, "c", "ended", NULL);
	story_pass(r, 3 * 3600);
	g_assert_cmpstr(outside_version(r, "a"), ==, NEW);
	g_assert_cmpstr(outside_version(r, "c"), ==, NEW);
}

/* ---- clusters that finished before another one went back ---- */

/* What a receiver of notices is told to do next, at each rollback. */
static void hear_of_rollback(const FleetEvent *e, void *ud)
{
	Rig *r = ud;
	if (!r->fleet || e->replay ||
		notice_events(r->fleet, e->record, e->body) != NOTICE_ROLLBACK)
		return;
	g_autoptr(json_t) fields = notice_fields(r->fleet, e->record, e->body);
	g_string_append_printf(r->story, "%s: %s\n", json_path_str(fields, "cluster", ""),
		json_path_str(fields, "next", ""));
}

static void hear(FleetOptions *o, void *ud)
{
	o->listener = hear_of_rollback;
}

static bool may_type(const json_t *why, const char *type)
{
	size_t i;
	json_t *c;
	json_array_foreach (json_object_get(why, "youCan"), i, c)
		if (strcmp(json_path_str(c, "type", ""), type) == 0)
			return true;
	return false;
}

/* Waves one: a, b and two: c. a finishes, then `fails` goes back. */
static Rig *one_finished(const char *fails, const char *more)
{
	g_autofree char *yaml =
		g_strdup_printf(FAST CLUSTERS PLAN_WITH("up",
					"[{name: one, clusters: {names: [a, b]}, " SOAKS
					"}, {name: two, clusters: {names: [c]}, " SOAKS "}]",
					"  policies: {gates: fast}\n%s"),
			more);
	Rig *r = begin(NULL);
	rig_stop(r);
	r->tune = hear;
	rig_start(r);
	story_git(r, "fleet", "c1", yaml);
	r->run = 1;
	fail_requests(r, fails);
	g_assert_cmpint(story_rest(r), ==, 4);
	g_assert_cmpstr(story_outcome(r, "a"), ==, "Succeeded");
	g_assert_cmpstr(story_outcome(r, fails), ==, "RolledBack");
	return r;
}

static void offered_after(const char *fails, const char *more, const char *names, bool live)
{
	g_autoptr(Rig) r = one_finished(fails, more);
	g_autofree char *line = g_strdup_printf("finished before in up#1, can be taken back one "
						"by one: %s",
		names);
	g_autofree char *next = g_strdup_printf("%s: shiplock watch 1; finished before, can be "
						"taken back one by one: %s (shiplock rollback a)\n",
		fails, names);
	g_assert_cmpint(run_is_live(fleet_nth_run(r->fleet, 0)), ==, live);
	g_assert_cmpstr(r->story->str, ==, next);
	g_autoptr(json_t) why = fleet_why_run(r->fleet, 1), status = fleet_status(r->fleet);
	g_assert_true(may_type(why, "shiplock rollback a"));
	g_assert_cmpstr(needs_text(status, line), ==, "shiplock rollback a");
	/* One that was taken back is offered no more. */
	g_assert_true(story_command(r, "rollback", "a"));
	g_assert_cmpint(story_rest(r), ==, 4);
	g_assert_cmpstr(outside_version(r, "a"), ==, OLD);
	g_autoptr(json_t) then = fleet_why_run(r->fleet, 1);
	g_assert_false(may_type(then, "shiplock rollback a"));
	g_assert_true(story_command(r, "resume", fails)); /* one word for both */
	g_autoptr(json_t) now = fleet_status(r->fleet);
	g_assert_true(json_is_null(json_object_get(now, "stopped")));
}

static void test_offered(void)
{
	offered_after("b", "", "a", true);
	offered_after("c", "  onFailure: {scope: all}\n", "a, b", false);
}

static void test_other_wave_not_offered(void)
{
	g_autoptr(Rig) r = one_finished("c", "");
	g_assert_cmpstr(r->story->str, ==, "c: shiplock watch 1\n");
	g_autoptr(json_t) why = fleet_why_run(r->fleet, 1);
	g_assert_false(may_type(why, "shiplock rollback a"));
}

/* ---- two repositories ---- */

#define FIRST FAST CLUSTERS NAMED("up", "[a, b]", SOAKS, "")
#define OF_C FAST CLUSTERS NAMED("up", "[c]", SOAKS, "")

static void test_two_repositories(void)
{
	g_autoptr(Rig) r = begin(FIRST);
	story_git(r, "edu", "e1", OF_C);
	story_reach(r, "b", "ended", NULL);
	g_assert_cmpstr(story_state(r, "c"), ==, "pending");
	g_assert_cmpstr(outside_version(r, "c"), ==, OLD);
	story_reach(r, "c", "ended", NULL);
	g_assert_cmpstr(outside_version(r, "c"), ==, NEW);
	story_pass(r, 60);
	g_assert_cmpint(fleet_exit_code(r->fleet, 1, false), ==, 0);
	g_assert_cmpint(fleet_exit_code(r->fleet, 2, false), ==, 0);
}

/* After a rollback of one plan nothing of any plan starts, until a person says so. */
static void test_rollback_stops_all(void)
{
	g_autoptr(Rig) r = begin(FIRST);
	story_git(r, "edu", "e1", OF_C);
	fail_requests(r, "a");
	story_reach(r, "a", "ended", NULL);
	story_pass(r, 3600);
	g_assert_cmpstr(story_outcome(r, "a"), ==, "RolledBack");
	g_assert_cmpstr(story_state(r, "b"), ==, "pending");
	g_assert_cmpstr(story_state(r, "c"), ==, "pending");
	g_assert_null(outside_claim(r, "c"));
	g_assert_cmpint(fleet_exit_code(r->fleet, 2, false), ==, 3);
	g_assert_false(story_command(r, "resume", "c"));
	g_assert_nonnull(strstr(r->err->message, "up#2 is stopped by up#1: 1 rollback"));
	g_assert_true(story_command(r, "resume", "b"));
	story_reach(r, "c", "ended", NULL);
	g_assert_cmpstr(outside_version(r, "b"), ==, NEW);
	g_assert_cmpstr(outside_version(r, "c"), ==, NEW);
}

static void test_held_keeps_its_slot(void)
{
	g_autoptr(Rig) r = begin(FIRST);
	story_git(r, "edu", "e1", OF_C);
	story_reach(r, "a", "cp-soak", NULL);
	SimCluster *a = sim_fleet_find(r->world, "a");
	sim_cluster_set_faults(a, SIM_FAULT_BIT(SIM_FAULT_TELEMETRY_DOWN));
	story_reach(r, "a", "cp-soak", "gate");
	story_pass(r, 4 * 3600);
	g_assert_nonnull(story_held(r, "a", "held-too-long"));
	g_assert_cmpstr(story_state(r, "b"), ==, "pending");
	g_assert_cmpstr(story_state(r, "c"), ==, "pending");
	g_assert_cmpint(fleet_exit_code(r->fleet, 1, false), ==, 3);
	sim_cluster_set_faults(a, 0);
	g_assert_true(story_command(r, "resume", "a"));
	story_reach(r, "c", "ended", NULL);
	g_assert_cmpint(fleet_exit_code(r->fleet, 1, false), ==, 0);
}

/* ---- bake: holds neither claim nor slot ---- */

#define BAKING                                                                                     \
	FAST CLUSTERS PLAN_WITH("up",                                                              \
		"[{name: one, clusters: {names: [a]}, bake: 2d}, {name: two, clusters: {names: "   \
		"[b]}}]",                                                                          \
		"  policies: {gates: fast}\n")

static void test_bake(void)
{
	g_autoptr(Rig) r = begin(BAKING);
	story_reach(r, "a", "ended", NULL);
	int64_t ended = loop_boot_usec(loop_sim_loop(r->loop));
	g_assert_null(outside_claim(r, "a"));
	story_git(r, "edu", "e1", OF_C);
	story_reach(r, "c", "ended", NULL);
	g_assert_cmpstr(outside_version(r, "c"), ==, NEW);
	g_assert_cmpstr(story_state(r, "b"), ==, "pending");
	story_pass(r, 40 * 3600);
	story_reach(r, "b", "preflight", NULL);
	int64_t hours = (loop_boot_usec(loop_sim_loop(r->loop)) - ended) / (3600 * RIG_SEC);
	g_assert_cmpint(hours, ==, 48);
	g_assert_cmpint(story_rest(r), ==, 0);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/git-state/suspended-before", test_suspended_before);
	g_test_add_func("/git-state/suspended-beats-resume", test_suspended_beats_resume);
	g_test_add_func("/git-state/pause-beats-active", test_pause_beats_active);
	g_test_add_func("/git-state/deleted-is-suspended", test_deleted_is_suspended);
	g_test_add_func("/git-state/rolled-back", test_rolled_back);
	g_test_add_func("/git-state/rolled-back-in-preflight", test_rolled_back_in_preflight);
	g_test_add_func("/git-state/second-push", test_second_push_changes_nothing);
	g_test_add_func("/git-state/an-identity-runs-once", test_an_identity_runs_once);
	g_test_add_func("/git-state/restart", test_restart);
	g_test_add_func("/git-state/rolled-back-before", test_rolled_back_before);
	g_test_add_func("/git-state/resume-fleet-answers", test_resume_fleet_answers);
	g_test_add_func("/git-state/retry-answers", test_retry_answers);
	g_test_add_func("/git-state/offered", test_offered);
	g_test_add_func("/git-state/other-wave-not-offered", test_other_wave_not_offered);
	g_test_add_func("/git-state/two-repositories", test_two_repositories);
	g_test_add_func("/git-state/rollback-stops-all", test_rollback_stops_all);
	g_test_add_func("/git-state/held-keeps-its-slot", test_held_keeps_its_slot);
	g_test_add_func("/git-state/bake", test_bake);
	return g_test_run();
}
