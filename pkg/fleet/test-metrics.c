/* What is scraped while something is held: each series with the value that the world says. */
#include "fleet/test-faults.h"
#include <math.h>

/* The value of a series by its whole name; NAN: there is none. */
static double value_of(const char *metrics, const char *series)
{
	g_autofree char *line = g_strdup_printf("\n%s ", series);
	const char *at = strstr(metrics, line);
	return at ? g_ascii_strtod(at + strlen(line), NULL) : (double)NAN;
}

static void is(Rig *r, const char *series, double want)
{
	g_autofree char *metrics = fleet_metrics(r->fleet);
	double got = value_of(metrics, series);
	if (!(got == want))
		g_error("%s is %g, not %g:\n%s", series, got, want, metrics);
}

static void is_absent(Rig *r, const char *series)
{
	g_autofree char *metrics = fleet_metrics(r->fleet);
	if (strstr(metrics, series))
		g_error("%s is there:\n%s", series, metrics);
}

static size_t n_of(Rig *r, const char *prefix, const char *end)
{
	g_autofree char *metrics = fleet_metrics(r->fleet);
	g_auto(GStrv) lines = g_strsplit(metrics, "\n", -1);
	size_t n = 0;
	for (char **l = lines; *l; l++)
		n += g_str_has_prefix(*l, prefix) && g_str_has_suffix(*l, end);
	return n;
}

static void test_held_cluster(void)
{
	g_autoptr(Rig) r = faults_begin("a", ONLY_A);
	story_reach(r, "a", "cp-soak", NULL);
	faults_pass(r, 120);
	is(r, "shiplock_gate_verdict{cluster=\"a\",gate=\"errors\",verdict=\"PASS\"}", 1);
	faults_set(r, "a", SIM_FAULT_BIT(SIM_FAULT_TELEMETRY_DOWN));
	story_reach(r, "a", "cp-soak", "gate");
	faults_pass(r, 600);
	is(r, "shiplock_hold_seconds{cluster=\"a\",cause=\"gate\"}", 600);
	is(r, "shiplock_cluster_state{cluster=\"a\",state=\"cp-soak\"}", 1);
	is(r, "shiplock_cluster_state{cluster=\"a\",state=\"nodes\"}", 0);
	g_assert_cmpuint(n_of(r, "shiplock_cluster_state{cluster=\"a\"", " 1"), ==, 1);
	is(r, "shiplock_act_total{cluster=\"a\",act=\"set-version\",result=\"done\"}", 1);
	is(r, "shiplock_gate_verdict{cluster=\"a\",gate=\"errors\",verdict=\"PASS\"}", 0);
	g_assert_cmpuint(
		n_of(r, "shiplock_gate_verdict{cluster=\"a\",gate=\"errors\"", " 1"), ==, 1);
	faults_set(r, "a", 0);
	story_reach(r, "a", "nodes", NULL);
	is_absent(r, "cause=\"gate\"");
}

#define ASKING                                                                                     \
	FAST HEAD("ApprovalPolicy", "eyes") "spec: {quorum: 1}\n" CLUSTER("a")                     \
		UP("[{name: one, approval: eyes, clusters: {names: [a]}, " SOAKS "}]", "")

static void test_held_run(void)
{
	g_autoptr(Rig) r = faults_begin("a", ASKING);
	faults_pass(r, 3600);
	const Hold *h = item_find_hold(fleet_nth_run(r->fleet, 0), "approval");
	g_assert_nonnull(h);
	int64_t sec = (loop_wall_usec(loop_sim_proc_loop(r->proc)) - h->since_wall_usec) / RIG_SEC;
	g_assert_cmpint(sec, >, 3500);
	is(r, "shiplock_hold_seconds{run=\"up#1\",cause=\"approval\"}", (double)sec);
	faults_command(r, "approve", "a");
	story_reach(r, "a", "preflight", NULL);
	is_absent(r, "cause=\"approval\"");
	faults_command(r, "pause", NULL);
	faults_pass(r, 60);
	is(r, "shiplock_hold_seconds{cause=\"pause\"}", 60);
	faults_command(r, "resume", NULL);
	is_absent(r, "shiplock_hold_seconds{cause");
}

/* Git holds a run; a rollback holds all of them, also after its own run. */
static void test_held_by_others(void)
{
	g_autoptr(Rig) r = faults_begin("ab", NULL);
	faults_set(r, "a", SIM_FAULT_BIT(SIM_FAULT_ERROR_RATE_RISE));
	r->run = 1;
	story_git(r, "fleet", "c1", ONLY_A);
	g_assert_cmpint(story_rest(r), ==, 4);
	faults_pass(r, 300);
	int64_t ended = item_since_wall_usec(fleet_nth_run(r->fleet, 0));
	int64_t now = loop_wall_usec(loop_sim_proc_loop(r->proc));
	is(r, "shiplock_hold_seconds{run=\"up#1\",cause=\"fleet-stopped\"}",
		(double)((now - ended) / RIG_SEC));
	story_git(r, "edu", "e1", DOCS(WAVE("[b]"), ""));
	faults_pass(r, 600);
	g_autofree char *metrics = fleet_metrics(r->fleet);
	g_assert_cmpfloat(value_of(metrics, "shiplock_hold_seconds{run=\"up#2\",cause="
					    "\"fleet-stopped\"}"),
		>=, 590);
	faults_command(r, "resume", NULL);
	story_reach(r, "b", "cp-soak", NULL);
	is_absent(r, "cause=\"fleet-stopped\"");
	story_git(r, "edu", "e2", DOCS(WAVE("[b]"), "  state: suspended\n"));
	faults_pass(r, 60);
	is(r, "shiplock_hold_seconds{run=\"up#2\",cause=\"git\"}", 60);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/metrics/held-cluster", test_held_cluster);
	g_test_add_func("/metrics/held-run", test_held_run);
	g_test_add_func("/metrics/held-by-others", test_held_by_others);
	return g_test_run();
}
