/* What happens to us from outside, line by line: other people's orders and cordons, tokens that
 * expire, servers and telemetry that go away, operators and nodes that never come back, turns that
 * come late. On the whole controller; judged by what stands on the clusters. */
#include "fleet/test-outside.h"

#define GATES                                                                                      \
	HEAD("GatePolicy", "few")                                                                  \
	"spec:\n  gates:\n"                                                                        \
	"    - {name: operators, when: [cp-verify, verify], invariant: clusterOperators}\n"        \
	"    - {name: errors, when: [cp-soak, soak], onFail: rollback, query: "                    \
	"'sum(rate(haproxy_backend_http_responses_total{code=\"5xx\"}[15m])) / "                   \
	"sum(rate(haproxy_backend_http_responses_total[15m]))', pass: {atMost: 0.01}, fail: "      \
	"{above: 0.05}, count: 3}\n"
#define TARGET(target, more)                                                                       \
	GATES CLUSTER("a") HEAD("UpgradePlan",                                                     \
		"up") "spec:\n  target: " target                                                   \
		      "\n  waves: [{name: one, clusters: {names: [a]}, cpSoak: 30m, "              \
		      "soak: 10m}]\n" more
#define DOCUMENTS TARGET("{version: 4.21.10}", "  policies: {gates: few}\n")
#define OLD "4.21.8"
#define NEW "4.21.10"

static Rig *begin(const char *yaml, unsigned faults)
{
	Rig *r = rig_new(5);
	rig_cluster(r, "a", faults);
	rig_start(r);
	story_submit(r, yaml);
	story_pass(r, 0);
	return r;
}

static SimCluster *a_of(Rig *r)
{
	return sim_fleet_find(r->world, "a");
}

static void set_fault(Rig *r, SimFault f, bool on)
{
	sim_cluster_set_faults(a_of(r), on ? SIM_FAULT_BIT(f) : 0);
}

static bool ordered(void *ud)
{
	return strcmp(outside_wanted(ud, "a"), NEW) == 0;
}

static void until(Rig *r, bool (*done)(void *ud))
{
	g_assert_true(loop_sim_run(r->loop, done, r,
		loop_boot_usec(loop_sim_loop(r->loop)) + INT64_C(9) * 3600 * RIG_SEC));
}

static void succeeds(Rig *r)
{
	g_assert_cmpint(story_rest(r), ==, 0);
	g_assert_cmpstr(outside_version(r, "a"), ==, NEW);
	g_assert_cmpuint(outside_workers_at(r, "a", NEW), ==, 3);
	g_assert_null(outside_claim(r, "a"));
	g_assert_cmpuint(outside_paused(r, "a"), ==, 0);
}

static void finding(Rig *r, const char *code, const char *text)
{
	size_t i;
	json_t *f;
	g_autoptr(json_t) seen = fleet_cluster(r->fleet, "a");
	json_array_foreach (json_object_get(seen, "findings"), i, f) {
		if (strcmp(json_path_str(f, "code", ""), code) == 0 &&
			strstr(json_path_str(f, "message", ""), text))
			return;
	}
	g_autofree char *all = json_dumps(json_object_get(seen, "findings"), JSON_INDENT(1));
	g_error("no finding %s with \"%s\" among %s", code, text, all);
}

/* Refused in preflight: nothing was written. */
static void refused(Rig *r, const char *code, const char *text)
{
	g_assert_cmpint(story_rest(r), ==, 5);
	g_assert_cmpstr(story_outcome(r, "a"), ==, "Refused");
	finding(r, code, text);
	g_assert_cmpstr(outside_wanted(r, "a"), ==, "");
	g_assert_null(outside_claim(r, "a"));
	g_assert_cmpuint(outside_paused(r, "a"), ==, 0);
}

/* ---- another person's order ---- */

static void order(Rig *r, const char *version)
{
	g_autofree char *image = sim_release_image(version);
	int status =
		sim_cluster_patch(a_of(r), SIM_CLUSTERVERSIONS, NULL, "version", SIM_SUB_NONE, "oc",
			json_pack("{s:{s:{s:s, s:s}}}", "spec", "desiredUpdate", "version", version,
				"image", image));
	g_assert_cmpint(status, ==, 200);
}

static void foreign_update(const char *state)
{
	g_autoptr(Rig) r = begin(DOCUMENTS, 0);
	until(r, ordered);
	story_reach(r, "a", state, NULL);
	story_pass(r, 5);
	order(r, "4.21.9");
	story_reach(r, "a", state, "foreign-update");
	g_assert_nonnull(strstr(story_held(r, "a", "foreign-update"), "asks for 4.21.9"));
	story_pass(r, 8 * 3600);
	g_assert_cmpstr(story_state(r, "a"), ==, state);
	g_assert_cmpstr(outside_wanted(r, "a"), ==, "4.21.9");
	g_assert_cmpint(fleet_exit_code(r->fleet, r->run, false), ==, 3);
	g_assert_true(story_command(r, "resume", "a")); /* nothing changed: held again */
	story_pass(r, 300);
	g_test_message("%s", r->story->str);
	g_assert_nonnull(story_held(r, "a", "foreign-update"));
	g_assert_cmpstr(outside_wanted(r, "a"), ==, "4.21.9");
	order(r, NEW);
	g_assert_true(story_command(r, "resume", "a"));
	succeeds(r);
}

static void test_foreign_update(void)
{
	static const char *const states[] = { "control-plane", "cp-soak", "nodes", "soak" };
	for (size_t i = 0; i < G_N_ELEMENTS(states); i++)
		foreign_update(states[i]);
}

/* ---- another person's cordon ---- */

static void cordon(Rig *r, bool on)
{
	sim_cluster_patch(a_of(r), SIM_NODES, NULL, "a-worker-1", SIM_SUB_NONE, "kubectl-cordon",
		json_pack("{s:{s:b}}", "spec", "unschedulable", on));
}

static void test_foreign_cordon(void)
{
	g_autoptr(Rig) r = rig_new(5);
	rig_cluster(r, "a", 0);
	cordon(r, true);
	rig_start(r);
	story_submit(r, DOCUMENTS);
	story_reach(r, "a", "nodes", NULL);
	finding(r, "cordon", "node a-worker-1 is cordoned by somebody else");
	story_pass(r, 3600); /* the operator counts it as unavailable and waits */
	g_assert_cmpstr(story_state(r, "a"), ==, "nodes");
	g_assert_cmpuint(outside_cordoned(r, "a"), ==, 1);
	cordon(r, false);
	succeeds(r);
	g_assert_cmpuint(outside_cordoned(r, "a"), ==, 0);
}

static void test_foreign_cordon_is_kept(void)
{
	g_autoptr(Rig) r = begin(DOCUMENTS, 0);
	story_reach(r, "a", "cp-soak", NULL);
	cordon(r, true);
	set_fault(r, SIM_FAULT_ERROR_RATE_RISE, true);
	g_assert_cmpint(story_rest(r), ==, 4);
	g_assert_cmpuint(outside_cordoned(r, "a"), ==, 1);
}

/* ---- a token that expires ---- */

static void expired(const char *state)
{
	g_autoptr(Rig) r = begin(DOCUMENTS, 0);
	story_reach(r, "a", state, NULL);
	sim_api_set_token(sim_cluster_api(a_of(r)), "another");
	story_reach(r, "a", state, "credentials");
	g_assert_nonnull(strstr(story_held(r, "a", "credentials"), "401"));
	story_pass(r, 600);
	g_assert_cmpstr(story_state(r, "a"), ==, state);
	sim_api_set_token(sim_cluster_api(a_of(r)), NULL);
	succeeds(r);
}

static void test_expired_token(void)
{
	expired("control-plane");
	expired("cp-soak");
	expired("nodes");
}

/* ---- servers that go away ---- */

static void test_api_restarts(void)
{
	g_autoptr(Rig) r = begin(DOCUMENTS, SIM_FAULT_BIT(SIM_FAULT_API_503));
	succeeds(r);
	/* At most a hold that clears by itself, and nothing that a person must clear. */
	g_assert_null(strstr(r->story->str, "held-too-long"));
	g_assert_null(strstr(r->story->str, "rollback"));
}

static void telemetry_gone(SimFault fault, const char *text)
{
	g_autoptr(Rig) r = begin(DOCUMENTS, 0);
	story_reach(r, "a", "cp-soak", NULL);
	story_pass(r, 600);
	set_fault(r, fault, true);
	story_reach(r, "a", "cp-soak", "gate");
	if (!strstr(story_held(r, "a", "gate"), text))
		g_error("%s", story_held(r, "a", "gate"));
	story_pass(r, 1800);
	g_assert_cmpstr(story_state(r, "a"), ==, "cp-soak");
	g_assert_cmpstr(outside_wanted(r, "a"), ==, NEW);
	set_fault(r, fault, false);
	succeeds(r);
}

static void test_telemetry_gone(void)
{
	telemetry_gone(SIM_FAULT_TELEMETRY_SILENT, "NODATA");
	telemetry_gone(SIM_FAULT_TELEMETRY_DOWN, "ERROR");
}

/* It never passes and never rolls back; after holdFor a person is asked. */
static void test_telemetry_never_back(void)
{
	g_autoptr(Rig) r = begin(DOCUMENTS, SIM_FAULT_BIT(SIM_FAULT_TELEMETRY_SILENT));
	g_assert_cmpint(story_rest(r), ==, 3);
	story_pass(r, 6 * 3600);
	g_assert_cmpstr(story_state(r, "a"), ==, "cp-soak");
	g_assert_nonnull(story_held(r, "a", "held-too-long"));
	g_assert_cmpstr(outside_wanted(r, "a"), ==, NEW);
	g_assert_nonnull(outside_claim(r, "a"));
	set_fault(r, SIM_FAULT_TELEMETRY_SILENT, false);
	g_assert_true(story_command(r, "resume", "a"));
	succeeds(r);
}

/* ---- operators and nodes that never come up ---- */

static void test_operator_never_available(void)
{
	g_autoptr(Rig) r = begin(DOCUMENTS, SIM_FAULT_BIT(SIM_FAULT_OPERATOR_NEVER_AVAILABLE));
	g_assert_cmpint(story_rest(r), ==, 4);
	g_assert_cmpstr(story_outcome(r, "a"), ==, "RolledBack");
	g_assert_nonnull(strstr(r->story->str, "control-plane -> rollback: gate progress failed"));
	g_assert_cmpstr(outside_version(r, "a"), ==, OLD);
	g_assert_cmpuint(outside_workers_at(r, "a", OLD), ==, 3);
	g_assert_cmpuint(outside_paused(r, "a"), ==, 0);
	g_assert_null(outside_claim(r, "a"));
}

static void test_node_never_returns(void)
{
	g_autoptr(Rig) r = begin(DOCUMENTS, SIM_FAULT_BIT(SIM_FAULT_NODE_NEVER_RETURNS));
	story_reach(r, "a", "nodes", NULL);
	story_pass(r, 3 * 3600);
	g_assert_cmpstr(story_state(r, "a"), ==, "nodes");
	g_autoptr(json_t) why = fleet_why(r->fleet, "a", NULL);
	g_assert_nonnull(strstr(json_path_str(why, "because", ""), "pool worker"));
	g_assert_cmpuint(outside_workers_at(r, "a", NEW), <, 3);
	if (!g_test_slow())
		return;
	story_pass(r, 70 * 3600);
	g_assert_nonnull(story_held(r, "a", "deadline"));
	g_assert_cmpint(fleet_exit_code(r->fleet, r->run, false), ==, 3);
	g_assert_cmpstr(outside_wanted(r, "a"), ==, NEW); /* nobody rolled back */
}

/* ---- an order that is refused ---- */

static void test_upgrade_refused(void)
{
	g_autoptr(Rig) r = begin(DOCUMENTS, SIM_FAULT_BIT(SIM_FAULT_UPGRADE_REFUSED));
	story_reach(r, "a", "control-plane", "refused");
	g_assert_nonnull(strstr(story_held(r, "a", "refused"), "cannot be verified"));
	story_pass(r, 1800);
	g_assert_cmpstr(story_state(r, "a"), ==, "control-plane");
	g_assert_true(story_command(r, "abort", "a"));
	g_assert_cmpint(story_rest(r), ==, 7);
	g_assert_cmpstr(story_outcome(r, "a"), ==, "Aborted");
	g_assert_cmpstr(outside_wanted(r, "a"), ==, "");
	g_assert_null(outside_claim(r, "a"));
	set_fault(r, SIM_FAULT_UPGRADE_REFUSED, false); /* the operator would take it up now */
	story_pass(r, 3600);
	g_assert_cmpstr(outside_version(r, "a"), ==, OLD);
}

/* The reason goes away: the hold clears by itself. */
static void test_refused_for_a_while(void)
{
	g_autoptr(Rig) r = begin(DOCUMENTS, SIM_FAULT_BIT(SIM_FAULT_UPGRADE_REFUSED));
	story_reach(r, "a", "control-plane", "refused");
	set_fault(r, SIM_FAULT_UPGRADE_REFUSED, false);
	succeeds(r);
}

/* ---- what preflight finds ---- */

static void test_no_graph(void)
{
	g_autoptr(Rig) r = begin(DOCUMENTS, SIM_FAULT_BIT(SIM_FAULT_RETRIEVED_UPDATES_FALSE));
	refused(r, "edge", "could not read its update graph");
}

static void test_pdb_zero(void)
{
	g_autoptr(Rig) r = begin(DOCUMENTS, SIM_FAULT_BIT(SIM_FAULT_PDB_ZERO));
	refused(r, "pdb", "allow");
}

static void test_minor_without_a_way_back(void)
{
	g_autoptr(Rig) r = rig_new(5);
	SimSpec spec = { .world = { .name = "a",
				 .version = OLD,
				 .previous = "4.21.7",
				 .channel = "stable-4.22",
				 .n_workers = 3 },
		.releases = "4.22.1",
		.scale = 1 };
	sim_fleet_add(r->world, &spec);
	rig_start(r);
	story_submit(r, HEAD("RollbackPolicy", "z") "spec: {require: T2}\n" TARGET(
				"{version: 4.22.1}", "  policies: {gates: few, rollback: z}\n"));
	refused(r, "rollback", "4.22.1 has no T2");
}

static void test_at_the_target(void)
{
	g_autoptr(Rig) r = begin(TARGET("{version: 4.21.8}", "  policies: {gates: few}\n"), 0);
	g_assert_cmpint(story_rest(r), ==, 0);
	finding(r, "at-target", "4.21.8");
	g_assert_cmpstr(outside_wanted(r, "a"), ==, "");
	g_assert_null(outside_claim(r, "a"));
}

/* ---- two hops ---- */

#define HOPS TARGET("{version: 4.21.10, hops: [4.21.9, 4.21.10]}", "  policies: {gates: few}\n")

static void test_second_hop(void)
{
	g_autoptr(Rig) r = begin(HOPS, 0);
	story_reach(r, "a", "verify", NULL);
	g_assert_cmpstr(outside_version(r, "a"), ==, "4.21.9");
	g_assert_cmpuint(outside_workers_at(r, "a", "4.21.9"), ==, 3);
	succeeds(r);
}

/* That workers moved in the first hop says nothing about the second: it goes back by itself, one
 * hop. */
static void test_second_hop_fails(void)
{
	g_autoptr(Rig) r = begin(HOPS, 0);
	story_reach(r, "a", "verify", NULL);
	story_reach(r, "a", "cp-soak", NULL);
	g_assert_cmpstr(outside_version(r, "a"), ==, NEW);
	set_fault(r, SIM_FAULT_ERROR_RATE_RISE, true);
	story_reach(r, "a", "rollback", NULL);
	set_fault(r, SIM_FAULT_ERROR_RATE_RISE, false);
	g_assert_cmpint(story_rest(r), ==, 4);
	g_assert_cmpstr(outside_version(r, "a"), ==, "4.21.9");
	g_assert_cmpuint(outside_workers_at(r, "a", "4.21.9"), ==, 3);
	g_assert_cmpuint(outside_paused(r, "a"), ==, 0);
	g_assert_null(outside_claim(r, "a"));
}

/* ---- a turn that comes late ---- */

static void lose_time(Rig *r, int64_t sec)
{
	loop_sim_skip(r->loop, sec * RIG_SEC);
	fleet_time_lost(r->fleet, sec * RIG_SEC);
}

static void test_late_turn_in_soak(void)
{
	g_autoptr(Rig) r = begin(DOCUMENTS, 0);
	story_reach(r, "a", "cp-soak", NULL);
	story_pass(r, 600);
	lose_time(r, 3 * 3600);
	story_pass(r, 1080);
	g_assert_cmpstr(story_state(r, "a"), ==, "cp-soak");
	story_pass(r, 240);
	g_assert_cmpstr(story_state(r, "a"), !=, "cp-soak");
	succeeds(r);
}

typedef struct Spy {
	unsigned n_reads, n_writes; /* of the claim's object before the first write; writes */
} Spy;

static HttpFault spy(uint64_t n, const HttpRequest *q, void *ud)
{
	Spy *s = ud;
	bool review = strstr(q->path, "selfsubjectaccessreviews") != NULL;
	if (strcmp(q->method, "GET") != 0 && !review)
		s->n_writes++;
	else if (s->n_writes == 0 && strstr(q->path, "/clusterversions/version"))
		s->n_reads++;
	return HTTP_FAULT_NONE;
}

/* Before each kind of write: claim and facts are read again first. */
static void test_late_turn_before_a_write(void)
{
	static const char *const states[] = { "backup", "cp-soak", "soak" };
	for (size_t i = 0; i < G_N_ELEMENTS(states); i++) {
		Spy s = { 0 };
		g_autoptr(Rig) r = begin(DOCUMENTS, 0);
		story_reach(r, "a", states[i], NULL);
		lose_time(r, 600);
		http_sim_set_faults(sim_fleet_transport(r->world), spy, NULL, &s);
		succeeds(r);
		g_assert_cmpuint(s.n_reads, >, 0);
		g_assert_cmpuint(s.n_writes, >, 0);
	}
}

/* Somebody took the claim in the gap: nothing is written any more. */
static void test_late_turn_claim_lost(void)
{
	static const char *const states[] = { "backup", "cp-soak", "soak" };
	for (size_t i = 0; i < G_N_ELEMENTS(states); i++) {
		Spy s = { 0 };
		g_autoptr(Rig) r = begin(DOCUMENTS, 0);
		story_reach(r, "a", states[i], NULL);
		sim_cluster_patch(a_of(r), SIM_CLUSTERVERSIONS, NULL, "version", SIM_SUB_NONE,
			"shiplock",
			json_pack("{s:{s:{s:s}}}", "metadata", "annotations", "shiplock.dev/claim",
				"{\"epoch\":7,\"fleet\":\"other\",\"run\":\"x#1\"}"));
		lose_time(r, 600);
		http_sim_set_faults(sim_fleet_transport(r->world), spy, NULL, &s);
		if (i == 2) /* nothing was left but to give the claim back */
			story_reach(r, "a", "ended", NULL);
		else
			story_reach(r, "a", NULL, "claim");
		story_pass(r, 4000);
		g_assert_cmpuint(s.n_writes, ==, 0);
		g_assert_nonnull(strstr(outside_claim(r, "a"), "other"));
		g_assert_cmpint(fleet_exit_code(r->fleet, r->run, false), ==, i == 2 ? 0 : 3);
	}
}

/* ---- shiplock plan: everything is read, nothing is written ---- */

static void test_plan_only(void)
{
	Spy s = { 0 };
	g_autoptr(Rig) r = rig_new(5);
	rig_cluster(r, "a", 0);
	rig_cluster(r, "b", SIM_FAULT_BIT(SIM_FAULT_PDB_ZERO));
	rig_start(r);
	http_sim_set_faults(sim_fleet_transport(r->world), spy, NULL, &s);
	const char *yaml = GATES CLUSTER("a") CLUSTER("b") PLAN_WITH(
		"up", "[{name: one, clusters: {names: [a, b]}}]", "  policies: {gates: few}\n");
	FleetSubmit plan = { .set = story_documents(yaml), .who = "tester", .plan_only = true };
	fleet_submit(r->fleet, &plan, story_reply, r);
	g_assert_cmpint(story_rest(r), ==, 5);
	g_autoptr(json_t) report = fleet_plan_report(r->fleet, r->run);
	g_assert_cmpstr(json_path_str(report, "clusters.0.preflight", ""), ==, "ready");
	g_assert_cmpstr(json_path_str(report, "clusters.1.preflight", ""), ==, "blocked");
	story_pass(r, 3600);
	g_assert_cmpuint(s.n_writes, ==, 0);
	g_assert_cmpuint(s.n_reads, >, 0);
	g_assert_null(outside_claim(r, "a"));
}

int main(int argc, char **argv)
{
	static const struct {
		const char *path;
		void (*run)(void);
	} tests[] = {
		{ "foreign-update", test_foreign_update },
		{ "foreign-cordon", test_foreign_cordon },
		{ "foreign-cordon-is-kept", test_foreign_cordon_is_kept },
		{ "expired-token", test_expired_token },
		{ "api-restarts", test_api_restarts },
		{ "telemetry-gone", test_telemetry_gone },
		{ "telemetry-never-back", test_telemetry_never_back },
		{ "operator-never-available", test_operator_never_available },
		{ "node-never-returns", test_node_never_returns },
		{ "upgrade-refused", test_upgrade_refused },
		{ "refused-for-a-while", test_refused_for_a_while },
		{ "no-graph", test_no_graph },
		{ "pdb-zero", test_pdb_zero },
		{ "minor-without-a-way-back", test_minor_without_a_way_back },
		{ "at-the-target", test_at_the_target },
		{ "plan-only", test_plan_only },
		{ "second-hop", test_second_hop },
		{ "second-hop-fails", test_second_hop_fails },
		{ "late-turn-in-soak", test_late_turn_in_soak },
		{ "late-turn-before-a-write", test_late_turn_before_a_write },
		{ "late-turn-claim-lost", test_late_turn_claim_lost },
	};
	g_test_init(&argc, &argv, NULL);
	for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
		g_autofree char *path = g_strconcat("/what-happened/", tests[i].path, NULL);
		g_test_add_func(path, tests[i].run);
	}
	return g_test_run();
}
