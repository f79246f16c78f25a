/* Faults that were found once, each by what a person would see of it: gates without data, ways
 * back, windows, several runs. The others stand in test-faults-2.c. */
#include "base/num.h"
#include "fleet/test-spy.h"

/* ---- no data decides nothing ---- */

#define BLIND                                                                                      \
	HEAD("GatePolicy", "fast")                                                                 \
	"spec:\n  gates:\n"                                                                        \
	"    - {name: errors, when: [cp-verify, verify], " ERRORS "}\n" CLUSTER("a")               \
		UP(WAVE("[a]"), "")

static void blind(const char *state, int minutes)
{
	g_autoptr(Rig) r = faults_begin("a", BLIND);
	story_reach(r, "a", strcmp(state, "verify") == 0 ? "nodes" : "control-plane", NULL);
	faults_set(r, "a", SIM_FAULT_BIT(SIM_FAULT_TELEMETRY_DOWN));
	story_reach(r, "a", state, "gate");
	for (int i = 0; i < minutes; i += 10) {
		faults_pass(r, 600);
		g_assert_cmpstr(story_state(r, "a"), ==, state);
		g_assert_null(story_held(r, "a", "rollback-wanted"));
		g_assert_null(story_held(r, "a", "gate-failed"));
		g_assert_cmpstr(outside_wanted(r, "a"), ==, NEW);
	}
	faults_set(r, "a", 0);
	faults_pass(r, 600);
	if (story_held(r, "a", "held-too-long"))
		faults_command(r, "resume", "a");
	faults_ends(r, "a", "Succeeded");
	g_assert_null(strstr(r->story->str, "rollback"));
}

static void test_no_data(void)
{
	blind("cp-verify", 30);
	blind("cp-verify", 300);
	blind("verify", 30);
	blind("verify", 300);
}

/* ---- a release that was lost is not repeated on the way back ---- */

typedef struct Lose {
	Rig *r;
	unsigned n_release, n_early;
} Lose;

static HttpFault lose(uint64_t n, const HttpRequest *q, void *ud)
{
	Lose *l = ud;
	bool release = strcmp(q->method, "PATCH") == 0 && strstr(q->path, "machineconfigpools/") &&
		       strstr(q->body, "\"paused\":false");
	if (!release)
		return HTTP_FAULT_NONE;
	bool back = strcmp(story_state(l->r, "a"), "rollback") == 0;
	l->n_early += back && strcmp(outside_version(l->r, "a"), OLD) != 0;
	return l->n_release++ == 0 ? HTTP_FAULT_LOST : HTTP_FAULT_NONE;
}

static void test_lost_release(void)
{
	Lose l = { 0 };
	g_autoptr(Rig) r = faults_begin("a", ONLY_A);
	l.r = r;
	story_reach(r, "a", "nodes", NULL);
	http_sim_set_faults(sim_fleet_transport(r->world), lose, NULL, &l);
	while (l.n_release == 0)
		faults_pass(r, 1);
	faults_pass(r, 2);
	g_assert_cmpuint(outside_paused(r, "a"), ==, 1);
	faults_command(r, "rollback", "a");
	for (int i = 0; i < 4000 && !item_ended(story_item(r, "a")); i++) {
		faults_pass(r, 5);
		g_assert_cmpuint(outside_workers_at(r, "a", NEW), ==, 0);
	}
	faults_ends(r, "a", "RolledBack");
	g_assert_cmpuint(l.n_release, ==, 2); /* the lost one, and the one after the way back */
	g_assert_cmpuint(l.n_early, ==, 0);
	http_sim_set_faults(sim_fleet_transport(r->world), NULL, NULL, NULL);
}

/* ---- a rule without effect is refused before anything is written ---- */

static void test_wait_completed(void)
{
	g_autoptr(Rig) r = faults_begin("a",
		FAST HEAD("DrainPolicy", "dp") "spec:\n  rules:\n"
					       "    - {match: {labels: {workload: training}}, "
					       "behaviour: waitCompleted, deadline: 8h}\n" CLUSTER(
						       "a") PLAN_WITH("up", WAVE("[a]"),
						       "  policies: {gates: fast, drain: dp}\n"));
	r->run = 1;
	g_assert_cmpint(story_rest(r), ==, 5);
	g_assert_cmpstr(story_outcome(r, "a"), ==, "Refused");
	g_autofree char *findings = faults_findings(r, "a");
	g_assert_nonnull(strstr(findings, "waitCompleted"));
	g_assert_null(outside_claim(r, "a"));
	g_assert_cmpstr(outside_wanted(r, "a"), ==, "");
}

/* ---- observe writes nothing ---- */

/* So that workers move in state nodes, where evictions of ours would help. */
#define QUICK                                                                                      \
	HEAD("GatePolicy", "fast")                                                                 \
	"spec:\n  gates:\n"                                                                        \
	"    - {name: version, when: [cp-verify], invariant: clusterVersion}\n" CLUSTER_WITH(      \
		"a", "  actuator: {type: observe}\n")                                              \
		UP("[{name: one, clusters: {names: [a]}, cpSoak: 0s, soak: 0s}]", "")

static void test_observe(void)
{
	FaultsSpy s = { 0 };
	g_autoptr(Rig) r = rig_new(1);
	SimSpec spec = { .world = { .name = "a",
				 .version = OLD,
				 .previous = "4.21.7",
				 .n_workers = 3,
				 .n_apps = 3,
				 .n_replicas = 2,
				 .pod_ready = "120s" },
		.releases = MID "," NEW };
	sim_fleet_add(r->world, &spec);
	http_sim_set_faults(sim_fleet_transport(r->world), faults_spy, NULL, &s);
	rig_start(r);
	story_submit(r, QUICK);
	story_reach(r, "a", "control-plane", NULL);
	faults_pass(r, 30);
	faults_order_by_hand(r, NEW);
	story_reach(r, "a", "nodes", NULL);
	unsigned cordoned = 0;
	for (int i = 0; i < 2000 && strcmp(story_state(r, "a"), "nodes") == 0; i++) {
		faults_pass(r, 5);
		cordoned = sl_max(cordoned, outside_cordoned(r, "a"));
	}
	g_assert_cmpuint(cordoned, >, 0); /* workers moved while it looked on */
	faults_ends(r, "a", "Succeeded");
	g_assert_cmpstr(s.last, ==, "");
	g_assert_cmpuint(s.n_writes, ==, 0);
	http_sim_set_faults(sim_fleet_transport(r->world), NULL, NULL, NULL);
}

/* ---- several runs ---- */

static void test_retry_beside_preflight(void)
{
	g_autoptr(Rig) r = faults_begin("abc",
		FAST CLUSTER("a") CLUSTER("b") CLUSTER("c") UP(
			"[{name: one, clusters: {names: [a, b, c]}, " SOAKS ", failureBudget: 5}]",
			""));
	story_reach(r, "a", "preflight", NULL);
	faults_command(r, "abort", "a");
	story_reach(r, "b", "preflight", NULL);
	faults_refused(r, "retry", "a", "b is still in work");
	for (int i = 0; i < 400; i++) {
		faults_pass(r, 1);
		g_assert_cmpuint(faults_in_work(r, NULL), <=, 1);
	}
	g_assert_cmpuint(fleet_n_runs(r->fleet), ==, 1);
}

#define OTHER(more)                                                                                \
	FAST CLUSTER_WITH("a", more) CLUSTER("b") PLAN_WITH("other",                               \
		"[{name: one, clusters: {names: [a]}, cpSoak: 31m, soak: 30m}]",                   \
		"  policies: {gates: fast}\n")

static bool twice_or_ended(void *ud)
{
	Rig *r = ud;
	const Item *first = item_child(fleet_nth_run(r->fleet, 0), 0);
	return faults_in_work(r, "a") > 1 || item_ended(first);
}

static void test_two_runs(void)
{
	g_autoptr(Rig) r = faults_begin("ab", ONLY_A);
	story_reach(r, "a", "cp-soak", NULL);
	story_submit(r, OTHER(""));
	faults_pass(r, 5);
	g_assert_cmpuint(fleet_n_runs(r->fleet), ==, 2);
	const Item *first = item_child(fleet_nth_run(r->fleet, 0), 0);
	faults_command(r, "pause", "a");
	g_assert_nonnull(item_find_hold(first, "pause"));
	faults_command(r, "resume", "a");
	g_assert_null(item_find_hold(first, "pause"));
	faults_pass(r, 300);
	g_assert_cmpuint(faults_in_work(r, "a"), ==, 1);
	faults_command(r, "rollback", "a");
	faults_pass(r, 5);
	g_assert_cmpint(item_state(first), ==, CL_ROLLBACK);
	faults_until(r, twice_or_ended, r, 5);
	g_assert_cmpuint(faults_in_work(r, "a"), <=, 1);
	g_assert_cmpstr(cluster_outcome(first), ==, "RolledBack");
	g_assert_cmpstr(outside_version(r, "a"), ==, OLD);
}

static bool first_ended(void *ud)
{
	return item_ended(item_child(fleet_nth_run(((Rig *)ud)->fleet, 0), 0));
}

static void test_keeps_its_target(void)
{
	g_autoptr(Rig) r = faults_begin("ab", ONLY_A);
	story_reach(r, "a", "cp-soak", NULL);
	story_submit(r, OTHER("  actuator: {type: observe}\n"));
	faults_pass(r, 60);
	const Item *first = item_child(fleet_nth_run(r->fleet, 0), 0);
	g_assert_cmpint(item_state(first), ==, CL_CP_SOAK);
	g_assert_false(target_observes(target_of(first)));
	faults_set(r, "a", SIM_FAULT_BIT(SIM_FAULT_ERROR_RATE_RISE));
	faults_until(r, first_ended, r, 5);
	g_assert_cmpstr(cluster_outcome(first), ==, "RolledBack");
	g_assert_cmpstr(outside_version(r, "a"), ==, OLD);
}

/* ---- windows; the world begins on Monday, 21 September 2026, 14:13 UTC ---- */

#define WINDOW(more)                                                                               \
	HEAD("WindowPolicy", "w")                                                                  \
	"spec:\n  timeZone: UTC\n  open:\n"                                                        \
	"    - {weekday: monday, start: \"13:00\", end: \"15:00\"}\n"                              \
	"    - {weekday: tuesday, start: \"13:00\", end: \"15:00\"}\n" more
#define IN_WINDOW(wave, more)                                                                      \
	FAST WINDOW(more) CLUSTER("a")                                                             \
		PLAN_WITH("up", "[{name: one, clusters: {names: [a]}, " wave "}]",                 \
			"  policies: {gates: fast, window: w}\n")
#define MONDAY_15 (INT64_C(1790002800) * RIG_SEC)
#define TUESDAY_13 (INT64_C(1790082000) * RIG_SEC)

static int64_t wall(Rig *r)
{
	return loop_wall_usec(loop_sim_loop(r->loop));
}

static bool released(void *ud)
{
	return outside_paused(ud, "a") == 0;
}

static void test_window_nodes(void)
{
	g_autoptr(Rig) stop =
		faults_begin("a", IN_WINDOW("cpSoak: 2h, soak: 30m", "  atClose: stopAtNode\n"));
	story_reach(stop, "a", "nodes", "window");
	g_assert_cmpint(wall(stop), >, MONDAY_15);
	g_assert_cmpuint(outside_paused(stop, "a"), ==, 1);
	faults_until(stop, released, stop, 24);
	g_assert_cmpint(wall(stop), >=, TUESDAY_13);
	g_assert_cmpint(wall(stop), <, TUESDAY_13 + 60 * RIG_SEC);
	faults_ends(stop, "a", "Succeeded");

	g_autoptr(Rig) finish =
		faults_begin("a", IN_WINDOW("cpSoak: 2h, soak: 30m", "  atClose: finish\n"));
	story_reach(finish, "a", "nodes", NULL);
	g_assert_cmpint(wall(finish), >, MONDAY_15);
	faults_until(finish, released, finish, 1);
	g_assert_null(strstr(finish->story->str, "window"));
}

static void test_window_back(void)
{
	g_autoptr(Rig) outside =
		faults_begin("a", IN_WINDOW("cpSoak: 30m, soak: 30m",
					  "  atClose: finish\n  rollbackOutside: true\n"));
	faults_ends(outside, "a", "Succeeded");
	g_assert_cmpint(wall(outside), >, MONDAY_15);
	faults_command(outside, "rollback", "a");
	faults_pass(outside, 60);
	story_reach(outside, "a", "rollback", NULL);
	faults_ends(outside, "a", "RolledBack");
	g_assert_cmpint(wall(outside), <, TUESDAY_13);

	g_autoptr(Rig) inside =
		faults_begin("a", IN_WINDOW("cpSoak: 30m, soak: 30m",
					  "  atClose: finish\n  rollbackOutside: false\n"));
	faults_ends(inside, "a", "Succeeded");
	faults_command(inside, "rollback", "a");
	faults_pass(inside, 3600);
	g_assert_cmpstr(story_state(inside, "a"), ==, "pending");
	faults_ends(inside, "a", "RolledBack");
	g_assert_cmpint(wall(inside), >, TUESDAY_13);
}

static bool second_ordered(void *ud)
{
	return strcmp(outside_wanted(ud, "a"), NEW) == 0;
}

static void test_window_second_hop(void)
{
	g_autoptr(Rig) r = faults_begin(
		"a", HOPS(WINDOW("  atClose: finish\n")) "  policies: {gates: fast, window: w}\n");
	story_reach(r, "a", NULL, "window");
	g_assert_cmpstr(outside_version(r, "a"), ==, MID);
	g_assert_cmpint(wall(r), >, MONDAY_15);
	faults_until(r, second_ordered, r, 24);
	g_assert_cmpint(wall(r), >=, TUESDAY_13);
	g_assert_cmpint(wall(r), <, TUESDAY_13 + 600 * RIG_SEC);
	faults_ends(r, "a", "Succeeded");
}

/* ---- ways back ---- */

static void test_degraded_is_taken_back(void)
{
	g_autoptr(Rig) r = faults_begin("a", ONLY_A);
	faults_ends(r, "a", "Succeeded");
	faults_ingress(r, "False", "False", "boom");
	faults_command(r, "rollback", "a");
	for (int i = 0; i < 60 && strcmp(outside_wanted(r, "a"), OLD) != 0; i++) {
		faults_ingress(r, "False", "False", "boom");
		faults_pass(r, 1);
	}
	g_assert_cmpstr(story_state(r, "a"), ==, "rollback");
	g_autofree char *findings = faults_findings(r, "a");
	g_assert_nonnull(strstr(findings, "ingress")); /* it was seen, and said */
	g_assert_nonnull(strstr(findings, "\"level\":\"warn\""));
	faults_ends(r, "a", "RolledBack");
}

static void git_rolls_back(bool paused)
{
	g_autoptr(Rig) r = faults_begin("ab", NULL);
	story_git(r, "main", "c1", ONLY_A);
	story_reach(r, "a", "soak", NULL); /* the workers have moved */
	if (paused)
		faults_command(r, "pause", "a");
	story_git(r, "main", "c2", DOCS(WAVE("[a]"), "  state: rolledBack\n"));
	story_reach(r, "a", "soak", "rollback-wanted");
	faults_pass(r, 600);
	g_assert_cmpstr(story_state(r, "a"), ==, "soak");
	g_assert_cmpstr(outside_wanted(r, "a"), ==, NEW);
	g_assert_nonnull(strstr(story_held(r, "a", "rollback-wanted"), "c2"));
	g_assert_cmpint(story_held(r, "a", "pause") != NULL, ==, paused);
	faults_command(r, "approve", "a");
	faults_ends(r, "a", "RolledBack");
	g_assert_cmpstr(outside_version(r, "a"), ==, OLD);
}

static void test_git_asks(void)
{
	git_rolls_back(false);
	git_rolls_back(true);
}

static bool not_cp_soak(void *ud)
{
	return strcmp(story_state(ud, "a"), "cp-soak") != 0 ||
	       story_held(ud, "a", "rollback-wanted");
}

static void test_second_hop(void)
{
	g_autoptr(Rig) r = faults_begin("a", HOPS("") "  policies: {gates: fast}\n");
	faults_until(r, second_ordered, r, 9);
	story_reach(r, "a", "cp-soak", NULL);
	faults_set(r, "a", SIM_FAULT_BIT(SIM_FAULT_ERROR_RATE_RISE));
	faults_until(r, not_cp_soak, r, 1);
	g_assert_cmpstr(story_state(r, "a"), ==, "rollback");
	faults_set(r, "a", 0);
	faults_ends(r, "a", "RolledBack");
	g_assert_cmpstr(outside_version(r, "a"), ==, MID);
}

static void test_twice_back(void)
{
	g_autoptr(Rig) r = faults_begin("a", ONLY_A);
	faults_ends(r, "a", "Succeeded");
	faults_command(r, "rollback", "a");
	story_reach(r, "a", "claim", NULL);
	faults_refused(r, "rollback", "a", "is being taken back already");
	story_reach(r, "a", "rollback", NULL);
	faults_refused(r, "rollback", "a", "already");
	g_assert_cmpuint(fleet_n_runs(r->fleet), ==, 2);
	faults_ends(r, "a", "RolledBack");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/faults/no-data-decides-nothing", test_no_data);
	g_test_add_func("/faults/lost-release-on-the-way-back", test_lost_release);
	g_test_add_func("/faults/wait-completed-is-refused", test_wait_completed);
	g_test_add_func("/faults/observe-writes-nothing", test_observe);
	g_test_add_func("/faults/retry-beside-preflight", test_retry_beside_preflight);
	g_test_add_func("/faults/one-cluster-two-runs", test_two_runs);
	g_test_add_func("/faults/run-keeps-its-target", test_keeps_its_target);
	g_test_add_func("/faults/window-and-nodes", test_window_nodes);
	g_test_add_func("/faults/window-and-way-back", test_window_back);
	g_test_add_func("/faults/window-and-second-hop", test_window_second_hop);
	g_test_add_func("/faults/degraded-is-taken-back", test_degraded_is_taken_back);
	g_test_add_func("/faults/rolled-back-in-git-asks", test_git_asks);
	g_test_add_func("/faults/second-hop-goes-back", test_second_hop);
	g_test_add_func("/faults/taken-back-twice", test_twice_back);
	return g_test_run();
}
