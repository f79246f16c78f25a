/* Approvals on the whole controller: of waves, of ways back; who counts, for how long, for what. */
#include "fleet/test-faults.h"

#define EYES(more)                                                                                 \
	HEAD("ApprovalPolicy", "four-eyes")                                                        \
	"spec:\n  quorum: 2\n  groups:\n"                                                          \
	"    - {name: platform, users: [ann, bob], need: 1}\n"                                     \
	"    - {name: research, users: [cy], need: 1}\n"                                           \
	"  breakGlass: {groups: [platform]}\n" more
#define WAVES(second)                                                                              \
	"[{name: one, clusters: {names: [a]}, " SOAKS "}, {name: two, clusters: {names: " second   \
	"}, approval: four-eyes, " SOAKS "}]"
#define TWO_WAVES FAST EYES("") CLUSTER("a") CLUSTER("b") UP(WAVES("[b]"), "")
/* A way back that asks is asked of four eyes. */
#define BACK_ASKS HEAD("RollbackPolicy", "ask") "spec: {approval: {T2: four-eyes}}\n"
#define BACK                                                                                       \
	FAST EYES("") BACK_ASKS CLUSTER("a")                                                       \
		PLAN_WITH("up", WAVE("[a]"), "  policies: {gates: fast, rollback: ask}\n")

/* ---- saying yes and no ---- */

static bool give(Rig *r, const char *who, const char *cluster, FleetCommand c)
{
	if (!c.verb)
		c.verb = "approve";
	c.who = who;
	c.cluster = cluster;
	c.confirm = cluster;
	return story_give(r, &c);
}

static void yes(Rig *r, const char *who, const char *cluster, const char *says)
{
	if (!give(r, who, cluster, (FleetCommand){ 0 }))
		g_error("%s may not approve: %s", who, r->err->message);
	g_assert_cmpstr(r->says, ==, says);
}

static void no(
	Rig *r, const char *who, const char *cluster, FleetCommand c, SlErr code, const char *words)
{
	g_assert_false(give(r, who, cluster, c));
	g_test_message("%s", r->err->message);
	g_assert_cmpint(r->err->code, ==, code);
	g_assert_nonnull(strstr(r->err->message, words));
}

static const FleetCommand plain = { 0 };

/* The first wave is over, the second asks. */
static Rig *asked(const char *yaml)
{
	Rig *r = faults_begin("ab", yaml);
	g_assert_cmpint(story_rest(r), ==, 3);
	g_assert_cmpstr(story_outcome(r, "a"), ==, "Succeeded");
	g_assert_cmpstr(story_state(r, "b"), ==, "pending");
	return r;
}

static char *first_need(Rig *r)
{
	g_autoptr(json_t) status = fleet_status(r->fleet);
	const json_t *n = json_path(status, "needsYou.0");
	return g_strdup_printf("%s: %s: %s", json_path_str(n, "cluster", "-"),
		json_path_str(n, "text", "-"), json_path_str(n, "type", "-"));
}

static void needs(Rig *r, const char *want)
{
	g_autofree char *need = first_need(r);
	g_assert_cmpstr(need, ==, want);
}

/* ---- waves ---- */

static void test_quorum(void)
{
	g_autoptr(Rig) r = asked(TWO_WAVES);
	needs(r, "b: wave two waits for approval four-eyes, 0 of 2, group platform is missing: "
		 "shiplock approve b");
	no(r, "dan", "b", plain, SL_ERR_REFUSED,
		"dan does not count for approval four-eyes: it asks platform (ann, bob), research "
		"(cy)");
	yes(r, "ann", "b",
		"wave two of up#1 waits for approval four-eyes: 1 of 2, group research is missing");
	no(r, "ann", "b", plain, SL_ERR_REFUSED,
		"ann has said yes already: 1 of 2, group research is missing");
	yes(r, "bob", "b",
		"wave two of up#1 waits for approval four-eyes: 2 of 2, group research is missing");
	rig_crash(r);
	rig_start(r);
	faults_pass(r, 3600);
	g_assert_cmpstr(story_state(r, "b"), ==, "pending");
	needs(r, "b: wave two waits for approval four-eyes, 2 of 2, group research is missing: "
		 "shiplock approve b");
	yes(r, "cy", "b", "wave two of up#1 may start");
	g_assert_cmpint(story_rest(r), ==, 0);
	g_assert_cmpstr(outside_version(r, "b"), ==, NEW);
	g_assert_nonnull(strstr(r->story->str, "wave two approved by cy (3 of 2)"));
}

static void test_expiry(void)
{
	g_autoptr(Rig) r =
		asked(FAST EYES("  expires: 2h\n") CLUSTER("a") CLUSTER("b") UP(WAVES("[b]"), ""));
	yes(r, "ann", "b",
		"wave two of up#1 waits for approval four-eyes: 1 of 2, group research is missing");
	faults_pass(r, 7201);
	needs(r, "b: wave two waits for approval four-eyes, 0 of 2, group platform is missing: "
		 "shiplock approve b");
	yes(r, "cy", "b",
		"wave two of up#1 waits for approval four-eyes: 1 of 2, group platform is missing");
	yes(r, "ann", "b", "wave two of up#1 may start");
	g_assert_cmpint(story_rest(r), ==, 0);
}

/* Both said yes, but the window is further away than a yes counts: it is asked again. And a wave
 * that has begun is not asked again in its middle. */
#define SHORT_WINDOW                                                                               \
	HEAD("WindowPolicy", "w")                                                                  \
	"spec:\n  timeZone: UTC\n  open: [{weekday: tuesday, start: \"13:00\", end: \"23:00\"}]\n"
#define WINDOWED                                                                                   \
	FAST EYES("  expires: 2h\n") SHORT_WINDOW CLUSTER("a") CLUSTER("b") CLUSTER("c")           \
		UP("[{name: one, clusters: {names: [a]}, " SOAKS                                   \
		   "}, {name: two, clusters: {names: [b, c]}, approval: four-eyes, "               \
		   "policies: {window: w}, " SOAKS "}]",                                           \
			"")
#define TUESDAY_12 (INT64_C(1790078400) * RIG_SEC)

static int64_t wall(Rig *r)
{
	return loop_wall_usec(loop_sim_loop(r->loop));
}

static void test_expiry_before_window(void)
{
	g_autoptr(Rig) r = faults_begin("abc", WINDOWED);
	g_assert_cmpint(story_rest(r), ==, 3);
	g_autoptr(json_t) early = fleet_why(r->fleet, "b", NULL);
	g_assert_cmpstr(json_path_str(early, "question.warning", ""), ==,
		"a yes counts for 2h, the window opens Tue 2026-09-22 13:00 UTC: given now it ends "
		"before");
	yes(r, "ann", "b",
		"wave two of up#1 waits for approval four-eyes: 1 of 2, group research is missing");
	yes(r, "cy", "b", "wave two of up#1 may start");
	faults_pass(r, 3600);
	g_autoptr(json_t) why = fleet_why(r->fleet, "b", NULL);
	g_assert_cmpstr(json_path_str(why, "because", ""), ==,
		"b waits for its window: opens Tue 2026-09-22 13:00 UTC");
	g_assert_cmpint(wall(r), <, TUESDAY_12);
	faults_pass(r, (TUESDAY_12 - wall(r)) / RIG_SEC);
	needs(r, "b: wave two waits for approval four-eyes, 0 of 2, group platform is missing: "
		 "shiplock approve b");
	g_autoptr(json_t) now = fleet_why(r->fleet, "b", NULL);
	g_assert_true(json_is_null(json_path(now, "question.warning")));
	yes(r, "ann", "b",
		"wave two of up#1 waits for approval four-eyes: 1 of 2, group research is missing");
	yes(r, "cy", "c", "wave two of up#1 may start");
	story_reach(r, "c", "preflight", NULL);
	g_assert_cmpint(wall(r), >, TUESDAY_12 + 2 * 3600 * RIG_SEC); /* both expired long ago */
	g_assert_cmpint(story_rest(r), ==, 0);
	g_assert_cmpstr(outside_version(r, "c"), ==, NEW);
}

static void test_reject(void)
{
	g_autoptr(Rig) r = asked(TWO_WAVES);
	FleetCommand reject = { .reject = true };
	no(r, "cy", "b", reject, SL_ERR_INVALID, "a no needs a reason: --reason TEXT");
	reject.reason = "exam week";
	g_assert_true(give(r, "cy", "b", reject));
	g_assert_cmpstr(r->says, ==, "wave two of up#1 is rejected by cy: exam week");
	needs(r, "b: wave two waits for approval four-eyes, cy said no: exam week: shiplock "
		 "approve b");
	yes(r, "ann", "b", "wave two of up#1 waits for approval four-eyes: cy said no");
	faults_pass(r, 24 * 3600);
	g_assert_cmpstr(story_state(r, "b"), ==, "pending");
	g_assert_cmpint(fleet_exit_code(r->fleet, r->run, false), ==, 3);
	g_assert_nonnull(strstr(r->story->str, "wave two REJECTED by cy: exam week"));
	yes(r, "cy", "b", "wave two of up#1 may start");
	g_assert_cmpint(story_rest(r), ==, 0);
}

static void test_glass(void)
{
	g_autoptr(Rig) r = asked(TWO_WAVES);
	FleetCommand glass = { .break_glass = true };
	no(r, "bob", "b", glass, SL_ERR_INVALID, "breaking the glass needs a reason");
	glass.reason = "certificates expire at 4";
	no(r, "cy", "b", glass, SL_ERR_REFUSED,
		"cy may not break the glass of approval four-eyes: that is for platform (ann, "
		"bob)");
	g_assert_true(give(r, "bob", "b", glass));
	g_assert_cmpstr(r->says, ==, "wave two of up#1 may start");
	g_assert_nonnull(strstr(r->story->str,
		"GLASS BROKEN: wave two let through by bob: certificates expire at 4"));
	g_autoptr(json_t) status = fleet_status(r->fleet), why = fleet_why(r->fleet, "b", NULL);
	g_assert_cmpstr(json_path_str(status, "runs.0.glass.0.who", ""), ==, "bob");
	g_assert_cmpstr(json_path_str(why, "glass.0.reason", ""), ==, "certificates expire at 4");
	rig_crash(r);
	rig_start(r);
	g_assert_cmpint(story_rest(r), ==, 0);
	g_assert_nonnull(strstr(r->story->str,
		"run ended: Succeeded, GLASS WAS BROKEN (bob: certificates expire at 4)"));
}

/* ---- the digest ---- */

static char *digest_of(Rig *r, const char *cluster)
{
	g_autoptr(json_t) why = fleet_why(r->fleet, cluster, NULL);
	return g_strdup(json_path_str(why, "question.digest", ""));
}

static void test_digest(void)
{
	g_autoptr(Rig) r = faults_begin("ab", NULL);
	story_git(r, "main", "c1", TWO_WAVES);
	faults_pass(r, 24 * 3600);
	g_autofree char *first = digest_of(r, "b");
	g_assert_cmpuint(strlen(first), ==, 71);
	FleetCommand seen = { .digest = first };
	g_assert_true(give(r, "ann", "b", seen));
	/* A changed plan: the run is what it was, the next one asks anew. */
	story_git(r, "main", "c2",
		FAST EYES("") CLUSTER("a") CLUSTER("b")
			UP("[{name: two, clusters: {names: [b]}, approval: four-eyes}]", ""));
	faults_pass(r, 60);
	g_autofree char *same = digest_of(r, "b");
	g_assert_cmpstr(same, ==, first);
	FleetCommand skip = { .verb = "skip", .reason = "test" };
	g_assert_true(give(r, "ann", "b", skip));
	faults_pass(r, 60);
	g_assert_cmpuint(fleet_n_runs(r->fleet), ==, 2);
	g_autofree char *second = digest_of(r, "b");
	g_assert_cmpstr(second, !=, first);
	no(r, "cy", "b", seen, SL_ERR_CONFLICT,
		"the question about wave two is another one now: look again");
	yes(r, "cy", "b",
		"wave two of up#2 waits for approval four-eyes: 1 of 2, group platform is "
		"missing");
	g_assert_true(give(r, "ann", "b", (FleetCommand){ .digest = second }));
	faults_ends(r, "b", "Succeeded");
}

/* What `plan` shows is what is asked for. */
static void test_digest_of_plan(void)
{
	g_autoptr(Rig) r = asked(TWO_WAVES);
	g_autofree char *asked_for = digest_of(r, "b");
	FleetSubmit s = { .set = story_documents(TWO_WAVES), .who = "ann", .plan_only = true };
	fleet_submit(r->fleet, &s, story_reply, r);
	faults_pass(r, 60);
	g_autoptr(json_t) report = fleet_plan_report(r->fleet, 2);
	g_assert_cmpstr(json_path_str(report, "digest", ""), ==, asked_for);
}

/* Nobody is left to be asked for. */
static void test_skipped(void)
{
	g_autoptr(Rig) r = asked(TWO_WAVES);
	FleetCommand skip = { .verb = "skip", .reason = "moved away" };
	g_assert_true(give(r, "ann", "b", skip));
	faults_pass(r, 5);
	g_assert_cmpint(story_rest(r), ==, 0);
	g_assert_false(run_is_live(fleet_nth_run(r->fleet, 0)));
}

/* Two answers in one instant: the second one looks again, and neither is lost. */
static void test_at_once(void)
{
	g_autoptr(Rig) r = asked(TWO_WAVES);
	FleetCommand ann = { .verb = "approve", .cluster = "b", .who = "ann" };
	FleetCommand cy = { .verb = "approve", .cluster = "b", .who = "cy" };
	fleet_command(r->fleet, &ann, NULL, NULL);
	g_assert_false(story_give(r, &cy));
	g_assert_cmpint(r->err->code, ==, SL_ERR_CONFLICT);
	yes(r, "cy", "b", "wave two of up#1 may start");
}

/* ---- ways back ---- */

static void workers_moved(Rig *r)
{
	story_reach(r, "a", "soak", NULL);
	g_assert_cmpuint(outside_workers_at(r, "a", NEW), ==, 3);
}

static void test_gate_asks(void)
{
	g_autoptr(Rig) r = faults_begin("a", BACK);
	workers_moved(r);
	faults_set(r, "a", SIM_FAULT_BIT(SIM_FAULT_ERROR_RATE_RISE));
	story_reach(r, "a", "soak", "rollback-wanted");
	g_autofree char *need = first_need(r);
	g_assert_true(g_str_has_suffix(need, "; approval four-eyes: 0 of 2, group platform is "
					     "missing: shiplock approve a"));
	yes(r, "ann", "a",
		"the rollback of a waits for approval four-eyes: 1 of 2, group research is "
		"missing");
	g_assert_false(story_command(r, "rollback", "a")); /* it is ann who asks once more */
	g_assert_nonnull(strstr(r->err->message, "ann has said yes already"));
	no(r, "cy", "a", (FleetCommand){ .subject = "T3" }, SL_ERR_REFUSED,
		"a does not ask for T3 but for rollback T2");
	faults_pass(r, 3600);
	g_assert_cmpstr(outside_wanted(r, "a"), ==, NEW);
	g_assert_true(give(r, "cy", "a", (FleetCommand){ .subject = "T2" }));
	faults_set(r, "a", 0);
	faults_ends(r, "a", "RolledBack");
	g_assert_cmpstr(outside_version(r, "a"), ==, OLD);
}

static void test_gate_is_denied(void)
{
	g_autoptr(Rig) r = faults_begin("a", BACK);
	workers_moved(r);
	faults_set(r, "a", SIM_FAULT_BIT(SIM_FAULT_ERROR_RATE_RISE));
	story_reach(r, "a", "soak", "rollback-wanted");
	FleetCommand reject = { .reject = true, .reason = "known errors" };
	g_assert_true(give(r, "cy", "a", reject));
	g_assert_cmpstr(r->says, ==, "the rollback of a is rejected by cy: known errors");
	faults_pass(r, 3600);
	g_assert_nonnull(story_held(r, "a", "rollback-wanted"));
	FleetCommand glass = { .break_glass = true, .reason = "users are down" };
	g_assert_true(give(r, "ann", "a", glass)); /* a no stands, even so */
	g_assert_cmpstr(r->says, ==, "the rollback of a waits for approval four-eyes: cy said no");
}

/* A person asks for it: others are asked, unless it would have begun by itself. */
static void test_person_asks(void)
{
	g_autoptr(Rig) r = faults_begin("a", BACK);
	workers_moved(r);
	g_assert_true(story_command(r, "rollback", "a"));
	g_assert_cmpstr(r->says, ==,
		"a waits for approval four-eyes before it steps down: 1 of 2, group research is "
		"missing");
	g_assert_nonnull(story_held(r, "a", "rollback-wanted"));
	g_assert_true(give(r, "cy", "a", (FleetCommand){ .reject = true, .reason = "no" }));
	faults_pass(r, 60);
	g_assert_null(story_held(r, "a", "rollback-wanted"));
	/* A login of this name is a person like others, and not the plan's own wish. */
	FleetCommand slow = { .verb = "rollback", .reason = "slow" };
	g_assert_true(give(r, "git", "a", slow));
	g_assert_cmpstr(r->says, ==,
		"a waits for approval four-eyes before it steps down: nobody has said yes yet");
	g_assert_true(give(r, "ann", "a", plain));
	g_assert_true(give(r, "cy", "a", (FleetCommand){ .verb = "rollback" }));
	faults_ends(r, "a", "RolledBack");

	g_autoptr(Rig) early = faults_begin("a", BACK);
	story_reach(early, "a", "cp-soak", NULL);
	g_assert_true(story_command(early, "rollback", "a"));
	faults_ends(early, "a", "RolledBack");
}

/* A cluster that had ended: its own run asks, and not for the wave once more. */
static void test_take_back(void)
{
	g_autoptr(Rig) r = faults_begin("a",
		FAST EYES("") BACK_ASKS CLUSTER("a") PLAN_WITH("up",
			"[{name: one, clusters: {names: [a]}, approval: four-eyes, " SOAKS "}]",
			"  policies: {gates: fast, rollback: ask}\n"));
	g_assert_cmpint(story_rest(r), ==, 3);
	g_assert_true(give(r, "ann", "a", plain) && give(r, "cy", "a", plain));
	faults_ends(r, "a", "Succeeded");
	g_assert_true(story_command(r, "rollback", "a"));
	faults_pass(r, 3600);
	needs(r, "a: rollback a waits for approval four-eyes, 0 of 2, group platform is missing: "
		 "shiplock approve a");
	g_assert_true(give(r, "bob", "a", plain));
	g_assert_true(give(r, "cy", "a", plain));
	faults_ends(r, "a", "RolledBack");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/approvals/quorum", test_quorum);
	g_test_add_func("/approvals/expiry", test_expiry);
	g_test_add_func("/approvals/expiry-before-window", test_expiry_before_window);
	g_test_add_func("/approvals/reject", test_reject);
	g_test_add_func("/approvals/glass", test_glass);
	g_test_add_func("/approvals/digest", test_digest);
	g_test_add_func("/approvals/digest-of-plan", test_digest_of_plan);
	g_test_add_func("/approvals/skipped", test_skipped);
	g_test_add_func("/approvals/at-once", test_at_once);
	g_test_add_func("/approvals/gate-asks", test_gate_asks);
	g_test_add_func("/approvals/gate-is-denied", test_gate_is_denied);
	g_test_add_func("/approvals/person-asks", test_person_asks);
	g_test_add_func("/approvals/take-back", test_take_back);
	return g_test_run();
}
