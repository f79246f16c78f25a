/* Further faults that were found once: commands that led nowhere, what a pause stops, writes that
 * fail, retries, brakes of others. */
#include "fleet/test-faults.h"
#include "sim/actor.h"

/* ---- nothing is begun after a pause ---- */

typedef struct Ears {
	bool paused, late;
	unsigned n_acts;
} Ears;

static void hear(const FleetEvent *e, void *ud)
{
	Ears *ears = ud;
	if (strcmp(e->record->kind, "hold") == 0 &&
		strcmp(json_path_str(e->body, "cause", ""), "pause") == 0)
		ears->paused = true;
	if (strcmp(e->record->kind, "intent") != 0)
		return;
	ears->n_acts++;
	ears->late = ears->late || ears->paused;
}

/* The pause comes that many events after the state is reached. */
static Ears pause_after(const char *state, int n_events)
{
	Ears ears = { 0 };
	g_autoptr(Rig) r = faults_begin("a", ONLY_A);
	story_reach(r, "a", state, NULL);
	r->fleet->o.listener = hear;
	r->fleet->o.listener_ud = &ears;
	for (int i = 0; i < n_events; i++)
		loop_sim_step(r->loop);
	FleetCommand c = { .verb = "pause", .cluster = "a", .who = "ann" };
	g_clear_pointer(&r->says, g_free);
	fleet_command(r->fleet, &c, story_reply, r);
	faults_pass(r, 120);
	g_assert_true(ears.paused);
	r->fleet->o.listener = NULL;
	return ears;
}

static void test_pause_stops_acts(void)
{
	unsigned most = 0;
	for (int k = 0; k < 40; k++) {
		Ears ears = pause_after("control-plane", k);
		if (ears.late)
			g_error("an act after the pause, %d events after control-plane", k);
		most = MAX(most, ears.n_acts);
	}
	g_assert_cmpuint(most, >, 0); /* some pauses came between acts */
}

/* ---- one rollback is enough to stop ---- */

static void test_none_starts_beside_rollback(void)
{
	g_autoptr(Rig) r =
		faults_begin("abc", FAST CLUSTER("a") CLUSTER("b") CLUSTER("c")
					    UP("[{name: one, clusters: {names: [a, b, c]}, " SOAKS
					       ", maxConcurrent: 2, failureBudget: 2}]",
						    ""));
	story_reach(r, "b", "soak", NULL);
	while (item_observed_usec(story_item(r, "b")) < 25 * 60 * RIG_SEC)
		faults_pass(r, 5);
	g_assert_false(item_ended(story_item(r, "a")));
	faults_command(r, "rollback", "a");
	bool beside = false;
	for (int i = 0; i < 2000 && !item_ended(story_item(r, "a")); i++) {
		faults_pass(r, 5);
		beside = beside || item_ended(story_item(r, "b"));
		g_assert_cmpstr(story_state(r, "c"), ==, "pending");
	}
	g_assert_true(beside); /* there was room for it */
	g_assert_cmpstr(story_outcome(r, "a"), ==, "RolledBack");
	faults_pass(r, 3600);
	g_assert_cmpstr(story_state(r, "c"), ==, "pending");
	const Item *run = fleet_nth_run(r->fleet, 0);
	g_assert_nonnull(item_find_hold(run, "fleet-stopped"));
}

/* ---- a write that fails for ever ---- */

static HttpFault pools_500(uint64_t n, const HttpRequest *q, void *ud)
{
	bool pool = strcmp(q->method, "PATCH") == 0 && strstr(q->path, "machineconfigpools/");
	return pool ? HTTP_FAULT_500 : HTTP_FAULT_NONE;
}

static void write_fails(int minutes)
{
	g_autoptr(Rig) r = faults_begin("a", ONLY_A);
	story_reach(r, "a", "cp-soak", NULL);
	http_sim_set_faults(sim_fleet_transport(r->world), pools_500, NULL, NULL);
	story_reach(r, "a", "nodes", "write-fails");
	g_assert_nonnull(strstr(story_held(r, "a", "write-fails"), "500"));
	g_assert_nonnull(strstr(story_held(r, "a", "write-fails"), "release-pool"));
	faults_pass(r, minutes * 60);
	const char *held = story_held(r, "a", minutes > 60 ? "held-too-long" : "write-fails");
	g_assert_nonnull(held);
	g_assert_nonnull(strstr(held, "500"));
	g_assert_cmpstr(story_state(r, "a"), ==, "nodes");
	http_sim_set_faults(sim_fleet_transport(r->world), NULL, NULL, NULL);
	if (minutes > 60)
		faults_command(r, "resume", "a");
	faults_ends(r, "a", "Succeeded");
}

static void test_write_fails(void)
{
	write_fails(20);
	write_fails(600);
}

/* ---- no dead ends ---- */

static void test_more_time(void)
{
	SimTimes slow = sim_times_default(1);
	slow.operator_usec *= 100;
	slow.slow_usec *= 1000; /* the operator does not call itself failing */
	g_autoptr(Rig) r = rig_new(7);
	SimSpec spec = {
		.world = { .name = "a", .version = OLD, .previous = "4.21.7", .n_workers = 3 },
		.releases = MID "," NEW,
		.times = &slow
	};
	sim_fleet_add(r->world, &spec);
	rig_start(r);
	story_submit(r, FAST CLUSTER("a") UP(WAVE("[a]"), "  onFailure: {action: hold}\n"));
	story_reach(r, "a", "control-plane", "gate-failed");
	g_assert_nonnull(strstr(story_held(r, "a", "gate-failed"), "deadline"));
	faults_command(r, "resume", "a");
	faults_pass(r, 600);
	g_assert_null(story_held(r, "a", "gate-failed"));
	g_assert_cmpstr(story_state(r, "a"), ==, "control-plane");
	for (int i = 0; i < 20 && strcmp(story_state(r, "a"), "control-plane") == 0; i++) {
		faults_pass(r, 3600);
		if (story_held(r, "a", "gate-failed"))
			faults_command(r, "resume", "a");
	}
	faults_ends(r, "a", "Succeeded");
}

static void test_give_up(void)
{
	g_autoptr(Rig) r = faults_begin("a", ONLY_A);
	story_reach(r, "a", "cp-soak", NULL);
	faults_set(r, "a", SIM_FAULT_BIT(SIM_FAULT_ERROR_RATE_RISE));
	story_reach(r, "a", "rolled-back", NULL);
	for (int i = 0; i < 600 && !story_held(r, "a", "rollback-did-not-help"); i++) {
		faults_ingress(r, "False", "False", "boom");
		faults_pass(r, 1);
	}
	g_assert_nonnull(story_held(r, "a", "rollback-did-not-help"));
	faults_refused(r, "resume", "a", "resume does not change that");
	faults_command(r, "abort", "a");
	faults_ends(r, "a", "PartiallyRolledBack");
	g_assert_cmpstr(outside_version(r, "a"), ==, OLD);
	g_assert_null(outside_claim(r, "a"));
}

static void test_claim_taken_at_the_end(void)
{
	g_autoptr(Rig) r = faults_begin("a", ONLY_A);
	story_reach(r, "a", "soak", NULL);
	sim_cluster_patch(sim_fleet_find(r->world, "a"), SIM_CLUSTERVERSIONS, NULL, "version",
		SIM_SUB_NONE, "other",
		json_pack("{s:{s:{s:s}}}", "metadata", "annotations", "shiplock.dev/claim",
			"{\"epoch\":9,\"fleet\":\"hub-b\",\"run\":\"x#1\"}"));
	faults_ends(r, "a", "Succeeded");
	g_assert_nonnull(strstr(outside_claim(r, "a"), "hub-b"));
	g_assert_cmpint(story_rest(r), ==, 0);
}

static void test_progressing_for_ever(void)
{
	g_autoptr(Rig) r = faults_begin("a", ONLY_A);
	story_reach(r, "a", "cp-soak", NULL);
	for (int i = 0; i < 3 * 120 && !story_held(r, "a", "inconclusive"); i++) {
		faults_ingress(r, "True", "True", "rolling");
		faults_pass(r, 30);
	}
	g_assert_cmpstr(story_state(r, "a"), ==, "cp-soak");
	const char *held = story_held(r, "a", "inconclusive");
	if (!held || !strstr(held, "gate operators") || !strstr(held, "ingress is progressing"))
		g_error("held: %s\n%s", held, r->story->str);
}

#define HALTING                                                                                    \
	HEAD("GatePolicy", "fast")                                                                 \
	"spec:\n  gates:\n"                                                                        \
	"    - {name: errors, when: [cp-soak], maySkip: true, onFail: halt, query: "               \
	"'sum(rate(haproxy_backend_http_responses_total{code=\"5xx\"}[15m])) / "                   \
	"sum(rate(haproxy_backend_http_responses_total[15m]))', pass: {atMost: 0.01}, fail: "      \
	"{above: 0.05}, count: 3}\n" CLUSTER("a") CLUSTER("b") UP(WAVE("[a, b]"), "")

static void test_skip_halting_gate(void)
{
	g_autoptr(Rig) r = faults_begin("ab", HALTING);
	story_reach(r, "a", "cp-soak", NULL);
	faults_set(r, "a", SIM_FAULT_BIT(SIM_FAULT_ERROR_RATE_RISE));
	story_reach(r, "a", "cp-soak", "gate-failed");
	FleetCommand c = {
		.verb = "skip", .cluster = "a", .who = "ann", .reason = "known", .gate = "errors"
	};
	g_assert_true(story_give(r, &c));
	faults_ends(r, "a", "SucceededWithSkips");
	faults_ends(r, "b", "Succeeded");
	g_assert_cmpstr(outside_version(r, "b"), ==, NEW);
}

/* ---- retries ---- */

#define PUSHED(cluster) FAST cluster UP(WAVE("[a]"), "")

static void test_retry_takes_mended_document(void)
{
	g_autoptr(Rig) r = faults_begin("a", NULL);
	story_git(r, "main", "c1",
		PUSHED(CLUSTER_WITH(
			"a", "  alertmanager: {url: 'https://alertmanager.example'}\n")));
	faults_ends(r, "a", "Refused");
	story_git(r, "main", "c2", PUSHED(CLUSTER("a")));
	faults_pass(r, 60);
	g_assert_cmpuint(fleet_n_runs(r->fleet), ==, 1);
	faults_command(r, "retry", "a");
	faults_pass(r, 60);
	g_assert_cmpuint(fleet_n_runs(r->fleet), ==, 2);
	faults_ends(r, "a", "Succeeded");
	const Item *run = item_parent(story_item(r, "a"));
	g_assert_cmpstr(json_path_str(item_data(run), "commit", ""), ==, "c2");
}

static void test_retry_after_take_back(void)
{
	g_autoptr(Rig) r = faults_begin("a", ONLY_A);
	faults_ends(r, "a", "Succeeded");
	faults_command(r, "rollback", "a");
	faults_pass(r, 60);
	faults_ends(r, "a", "RolledBack");
	g_assert_cmpstr(outside_version(r, "a"), ==, OLD);
	faults_command(r, "retry", "a");
	faults_pass(r, 60);
	g_assert_cmpuint(fleet_n_runs(r->fleet), ==, 3);
	faults_ends(r, "a", "Succeeded");
	g_assert_cmpstr(outside_version(r, "a"), ==, NEW);
	g_assert_cmpuint(outside_workers_at(r, "a", NEW), ==, 3);
}

typedef struct Safe {
	Rig *r;
	bool there;
} Safe;

static Creds *creds_later(void *ud, const json_t *cluster, GError **err)
{
	Safe *s = ud;
	if (s->there)
		return rig_creds(s->r, cluster, err);
	sl_fail(err, SL_ERR_NOT_FOUND, "access.kubeconfig: /nowhere: no such file");
	return NULL;
}

static const HttpEndpoint *telemetry_of(
	void *ud, const json_t *cluster, const json_t *source, GError **err)
{
	return rig_telemetry(((Safe *)ud)->r, cluster, source, err);
}

static void test_kubeconfig_comes_later(void)
{
	g_autoptr(Rig) r = faults_begin("a", NULL);
	Safe safe = { .r = r };
	r->fleet->o.connect = (FleetConnect){ creds_later, telemetry_of, &safe };
	story_git(r, "main", "c1", ONLY_A);
	faults_ends(r, "a", "Refused");
	g_autofree char *findings = faults_findings(r, "a");
	g_assert_nonnull(strstr(findings, "/nowhere: no such file"));
	safe.there = true;
	faults_pass(r, 600);
	faults_command(r, "retry", "a");
	faults_pass(r, 60);
	g_assert_cmpuint(fleet_n_runs(r->fleet), ==, 2);
	faults_ends(r, "a", "Succeeded");
}

/* ---- brakes ---- */

static void test_brake_stays_in_status(void)
{
	g_autoptr(Rig) r = faults_begin("a", ONLY_A);
	for (int i = 0; i < 2; i++) {
		if (i > 0)
			faults_command(r, "retry", "a");
		faults_pass(r, i * 60);
		story_reach(r, "a", "cp-soak", NULL);
		faults_command(r, "abort", "a");
		faults_ends(r, "a", "Aborted");
		g_assert_cmpuint(outside_paused(r, "a"), ==, 1);
		g_assert_cmpuint(faults_needs(r), ==, 1);
		g_autoptr(json_t) status = fleet_status(r->fleet);
		const char *text = json_path_str(status, "needsYou.0.text", "");
		g_assert_nonnull(strstr(text, "pool worker stays paused by us"));
	}
	faults_command(r, "retry", "a");
	faults_pass(r, 60);
	faults_ends(r, "a", "Succeeded");
	g_assert_cmpuint(outside_paused(r, "a"), ==, 0);
	g_assert_cmpuint(faults_needs(r), ==, 0);
}

static void test_brake_of_another_fleet(void)
{
	g_autoptr(Rig) r = faults_begin("a", NULL);
	sim_cluster_patch(sim_fleet_find(r->world, "a"), SIM_POOLS, NULL, "worker", SIM_SUB_NONE,
		"other",
		json_pack("{s:{s:{s:s}}, s:{s:b}}", "metadata", "annotations", "shiplock.dev/brake",
			"{\"fleet\":\"hub-b\",\"run\":\"x#1\"}", "spec", "paused", 1));
	story_submit(r, ONLY_A);
	story_reach(r, "a", "nodes", NULL);
	g_autofree char *findings = faults_findings(r, "a");
	g_assert_nonnull(strstr(findings, "MachineConfigPool worker is paused by somebody else"));
	faults_pass(r, 6 * 3600);
	g_assert_cmpuint(outside_paused(r, "a"), ==, 1);
	g_assert_cmpuint(outside_workers_at(r, "a", NEW), ==, 0);
	g_assert_null(strstr(r->story->str, "workers:" NEW));
}

/* ---- an approval is of one wave ---- */

static void test_approve_other_wave(void)
{
	g_autoptr(Rig) r = faults_begin("abc",
		FAST HEAD("ApprovalPolicy", "one") "spec: {}\n" CLUSTER("a") CLUSTER("b") CLUSTER(
			"c") UP("[{name: one, clusters: {names: [a]}, approval: one}, {name: two, "
				"clusters: {names: [b]}}, {name: three, clusters: {names: [c]}, "
				"approval: one}]",
			""));
	faults_pass(r, 600);
	const Item *run = fleet_nth_run(r->fleet, 0);
	g_assert_nonnull(item_find_hold(run, "approval"));
	faults_refused(r, "approve", "c", "waits for the approval of wave one");
	faults_refused(r, "approve", "b", "b is in wave two");
	faults_pass(r, 600);
	g_assert_nonnull(item_find_hold(run, "approval"));
	g_assert_cmpstr(story_state(r, "a"), ==, "pending");
	faults_command(r, "approve", "a");
	story_reach(r, "a", "control-plane", NULL);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/faults/pause-stops-acts", test_pause_stops_acts);
	g_test_add_func("/faults/none-starts-beside-rollback", test_none_starts_beside_rollback);
	g_test_add_func("/faults/write-fails", test_write_fails);
	g_test_add_func("/faults/late-and-more-time", test_more_time);
	g_test_add_func("/faults/no-help-and-given-up", test_give_up);
	g_test_add_func("/faults/claim-taken-at-the-end", test_claim_taken_at_the_end);
	g_test_add_func("/faults/progressing-for-ever", test_progressing_for_ever);
	g_test_add_func("/faults/halting-gate-skipped", test_skip_halting_gate);
	g_test_add_func("/faults/retry-takes-mended-document", test_retry_takes_mended_document);
	g_test_add_func("/faults/retry-after-take-back", test_retry_after_take_back);
	g_test_add_func("/faults/kubeconfig-comes-later", test_kubeconfig_comes_later);
	g_test_add_func("/faults/brake-stays-in-status", test_brake_stays_in_status);
	g_test_add_func("/faults/brake-of-another-fleet", test_brake_of_another_fleet);
	g_test_add_func("/faults/approve-another-wave", test_approve_other_wave);
	return g_test_run();
}
