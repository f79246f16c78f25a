/* T3 on simulated nodes: the data of the snapshot back, by order and with approvals, through
 * crashes at every word to a node. */
#include "fleet/report.h"
#include "fleet/test-kubeadm-judge.h"

#define LEADS                                                                                      \
	HEAD("ApprovalPolicy", "two-leads")                                                        \
	"spec:\n  quorum: 2\n  groups:\n    - {name: leads, users: [ann, bob, cy], need: "         \
	"2}\n" HEAD("RollbackPolicy", "data") "spec:\n  approval: {T3: two-leads}\n"
#define PLAN_DATA                                                                                  \
	HEAD("UpgradePlan", "up")                                                                  \
	"spec:\n  target: {version: 1.36.3}\n"                                                     \
	"  waves: [{name: one, clusters: {names: [k]}, cpSoak: 2m, soak: 2m}]\n"                   \
	"  policies: {gates: few, rollback: data}\n"
#define WITH_DATA GATES_K CLUSTER_K("") LEADS PLAN_DATA
#define GATES_V                                                                                    \
	HEAD("GatePolicy", "few")                                                                  \
	"spec:\n  gates:\n    - {name: nodes, when: [cp-soak, verify], onFail: rollback, "         \
	"interval: 20s, invariant: nodes}\n"
#define WITH_VERIFY GATES_V CLUSTER_K("") LEADS PLAN_DATA
#define T3_LOG_1                                                                                   \
	"down-t3-stop on k-master-0 -> 1.35.4\n"                                                   \
	"down-t3-etcd on k-master-0 -> 1.35.4\n"                                                   \
	"down-helpers on k-master-0 -> 1.35.4\n"                                                   \
	"down-t3-manifests on k-master-0 -> 1.35.4\n"                                              \
	"down-t3-start on k-master-0 -> 1.35.4\n"                                                  \
	"down-t3-refresh on k-master-0 -> 1.35.4\n"                                                \
	"down-t3-refresh on k-worker-0 -> 1.35.4\n"                                                \
	"down-t3-refresh on k-worker-1 -> 1.35.4\n"

static bool give(FakeNodes *f, const char *verb, const char *who, const char *subject)
{
	FleetCommand c = { .verb = verb,
		.cluster = "k",
		.who = who,
		.reason = "test",
		.confirm = "k",
		.subject = subject };
	return story_give(f->r, &c);
}

static void worker_is_well(FakeNodes *f)
{
	sim_cluster_patch(f->c, SIM_NODES, NULL, "k-worker-1", SIM_SUB_STATUS, "kubelet",
		json_pack("{s:{s:[{s:s, s:s}]}}", "status", "conditions", "type", "Ready", "status",
			"True"));
}

static int64_t claim_epoch_of(const FakeNodes *f)
{
	const json_t *notes = json_path(claim_map(f), "metadata.annotations");
	const char *text = json_string_value(json_object_get(notes, "shiplock.dev/claim"));
	g_autoptr(json_t) claim = text ? json_loads(text, 0, NULL) : NULL;
	return json_path_int(claim, "epoch", 0);
}

static const json_t *lost(const FakeNodes *f)
{
	return json_object_get(item_memo(story_item(f->r, "k")), "lost");
}

/* What people read of it afterwards. */
static void expect_report(FakeNodes *f)
{
	g_autoptr(json_t) run = fleet_report(f->r->fleet, f->r->run);
	g_autofree char *text = report_markdown(run);
	g_test_message("%s", text);
	g_assert_nonnull(strstr(text, "Objects lost with the data since the snapshot: 1."));
	g_assert_nonnull(strstr(text, "| pods | default | lost | u1 |"));
}

/* Ordered by one, approved by another; what was made since is named; the epoch rose. */
static void test_ordered(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	rig_start(f->r);
	story_submit(f->r, WITH_DATA);
	story_reach(f->r, "k", "cp-soak", NULL);
	int64_t before = claim_epoch_of(f);
	g_assert_true(give(f, "rollback", "ann", "T3"));
	story_reach(f->r, "k", "cp-soak", "rollback-wanted");
	story_pass(f->r, 300);
	g_assert_cmpstr(f->log->str, ==, UP_LOG_1); /* one yes is not enough */
	g_assert_true(give(f, "approve", "bob", "T3"));
	story_reach(f->r, "k", "rolled-back", NULL);
	g_assert_cmpint(claim_epoch_of(f), >, before);
	g_assert_cmpint(story_rest(f->r), ==, 4);
	judge_end(f, "RolledBack", "1.35.4/1.35.4 1.35.4 1.35.4");
	g_assert_cmpstr(f->log->str, ==, UP_LOG_1 T3_LOG_1);
	g_assert_true(f->restored);
	g_assert_cmpuint(json_array_size(json_object_get(lost(f), "objects")), ==, 1);
	g_assert_cmpstr(json_path_str(lost(f), "objects.0.name", ""), ==, "lost");
	expect_report(f);
}

/* Stage by stage over all members, kubelets first where one has moved. */
static void test_three(void)
{
	g_autoptr(FakeNodes) f = nodes_new(3, 2);
	rig_start(f->r);
	story_submit(f->r, WITH_DATA);
	story_reach(f->r, "k", "nodes", NULL);
	story_pass(f->r, 60);
	g_assert_true(give(f, "rollback", "ann", "T3"));
	g_assert_true(give(f, "approve", "cy", "T3"));
	g_assert_cmpint(story_rest(f->r), ==, 4);
	judge_end(f, "RolledBack", "1.35.4/1.35.4 1.35.4/1.35.4 1.35.4/1.35.4 1.35.4 1.35.4");
	g_assert_nonnull(strstr(f->log->str, "down-t3-stop on k-master-2 -> 1.35.4\n"
					     "down-t3-etcd on k-master-0 -> 1.35.4\n"));
	g_assert_nonnull(strstr(f->log->str, "down-t3-etcd on k-master-2 -> 1.35.4\n"
					     "down-helpers on k-master-0 -> 1.35.4\n"));
	g_assert_nonnull(strstr(f->log->str, "down-t3-clean on k-master-2 -> 1.35.4\n"));
	g_assert_null(strstr(f->log->str, "down-t3-clean on k-master-0"));
	for (size_t i = 1; i < 3; i++) /* the snapshot of the first on every member */
		g_assert_true(g_str_has_suffix(f->nodes[i].put, ".etcd/set.tar"));
}

static bool last_kubelet_moved(void *ud)
{
	return strcmp(((FakeNodes *)ud)->nodes[0].kubelet, "1.36.3") == 0;
}

/* The older software is gone and kubelets have moved: neither T2 nor T1, so T3 is what is offered,
 * and it never begins by itself. */
static void test_offered(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	rig_start(f->r);
	story_submit(f->r, WITH_VERIFY);
	g_assert_true(loop_sim_run(
		f->r->loop, last_kubelet_moved, f, loop_boot_usec(f->world) + 3600 * RIG_SEC));
	f->gone = "1.35.4";
	rig_crash(f->r); /* what was read of it is forgotten */
	rig_start(f->r);
	worker_fails(f);
	story_reach(f->r, "k", "verify", "rollback-wanted");
	g_assert_nonnull(strstr(item_reason(story_item(f->r, "k")), "T3 loses writes"));
	g_assert_true(give(f, "approve", "ann", "T3"));
	story_pass(f->r, 300);
	g_assert_null(strstr(f->log->str, "down-"));
	worker_is_well(f); /* else nothing could be drained */
	g_assert_true(give(f, "approve", "bob", "T3"));
	g_assert_cmpint(story_rest(f->r), ==, 4);
	judge_end(f, "RolledBack", "1.35.4/1.35.4 1.35.4 1.35.4");
	g_assert_nonnull(strstr(f->log->str, "down-kubelet on k-master-0 -> 1.35.4\n" T3_LOG_1));
}

static void refused(FakeNodes *f, const char *tier, const char *words)
{
	g_assert_false(give(f, "rollback", "ann", tier));
	g_test_message("%s", f->r->err->message);
	g_assert_nonnull(strstr(f->r->err->message, words));
}

/* Nobody named to approve it; another rung by name; before there is anything to restore; a set of
 * an earlier run, older than this one. */
static void test_refused(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	story_reach(f->r, "k", "cp-soak", NULL);
	refused(f, "T3", "approval.T3");
	refused(f, "T2", "only T3");
	g_assert_true(story_command(f->r, "abort", "k"));
	g_assert_cmpint(story_rest(f->r), ==, 7);
	story_submit(f->r, WITH_DATA);
	story_reach(f->r, "k", "cp-soak", NULL);
	refused(f, "T3", "older than the run");
}

/* T2 brought it back and that did not help: on by T3, which nobody is asked for twice. */
static void test_did_not_help(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	rig_start(f->r);
	story_submit(f->r, WITH_VERIFY);
	story_reach(f->r, "k", "cp-soak", NULL);
	worker_fails(f);
	story_reach(f->r, "k", "rolled-back", "rollback-did-not-help");
	g_assert_true(give(f, "rollback", "ann", "T3"));
	g_assert_true(give(f, "approve", "bob", "T3"));
	story_reach(f->r, "k", "rollback", NULL);
	worker_is_well(f);
	g_assert_cmpint(story_rest(f->r), ==, 4);
	judge_end(f, "RolledBack", "1.35.4/1.35.4 1.35.4 1.35.4");
	g_assert_true(f->restored);
	g_assert_nonnull(strstr(f->log->str, "down-t3-start on k-master-0 -> 1.35.4\n"));
}

static int manifests_fail(const FakeNode *n, const NodeJob *j, void *ud)
{
	return strcmp(j->kind, "down-control-plane") == 0 || strcmp(j->kind, "down-manifests") == 0;
}

/* T2 does not get on, a person is asked: on by T3. */
static void test_stuck(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	f->code = manifests_fail;
	rig_start(f->r);
	story_submit(f->r, WITH_DATA);
	story_reach(f->r, "k", "cp-soak", NULL);
	g_assert_true(story_command(f->r, "rollback", "k"));
	refused(f, "T3", "is on its way back by T2");
	story_reach(f->r, "k", "rollback", "node-command");
	g_assert_true(give(f, "rollback", "ann", "T3"));
	g_assert_true(give(f, "approve", "bob", "T3"));
	while (!f->nodes[0].stopped)
		story_pass(f->r, 1);
	g_assert_false(story_command(f->r, "abort", "k")); /* nothing serves now */
	g_assert_nonnull(strstr(f->r->err->message, "can only go on"));
	g_assert_cmpint(story_rest(f->r), ==, 4);
	judge_end(f, "RolledBack", "1.35.4/1.35.4 1.35.4 1.35.4");
	g_assert_true(f->restored);
}

#define ONE_LEAD                                                                                   \
	HEAD("ApprovalPolicy", "two-leads")                                                        \
	"spec:\n  quorum: 1\n  groups:\n    - {name: leads, users: [ann, bob], need: 1}\n" HEAD(   \
		"RollbackPolicy", "data") "spec:\n  approval: {T3: two-leads}\n"

/* Whoever orders it is never the only one who wants it, and what is asked stays what is asked. */
static void test_second_person(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	rig_start(f->r);
	story_submit(f->r, GATES_K CLUSTER_K("") ONE_LEAD PLAN_DATA);
	story_reach(f->r, "k", "cp-soak", NULL);
	g_assert_true(give(f, "rollback", "ann", "T3"));
	g_assert_nonnull(strstr(f->r->says, "another one than who orders it"));
	g_assert_false(give(f, "approve", "ann", "T3"));
	worker_fails(f);
	story_pass(f->r, 120); /* a gate fails, and T2 would be offered now */
	g_assert_cmpstr(f->log->str, ==, UP_LOG_1);
	worker_is_well(f);
	g_assert_true(give(f, "approve", "bob", "T3"));
	g_assert_cmpint(story_rest(f->r), ==, 4);
	g_assert_cmpstr(f->log->str, ==, UP_LOG_1 T3_LOG_1);
}

/* The only API server is away and the controller begins anew: what the journal holds is enough to
 * bring it back, since nobody else could have claimed it. */
static void test_blind(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	rig_start(f->r);
	story_submit(f->r, WITH_DATA);
	story_reach(f->r, "k", "cp-soak", NULL);
	f->dark = true;
	sim_api_set_down(sim_cluster_api(f->c), true);
	rig_crash(f->r);
	rig_start(f->r);
	g_assert_true(give(f, "rollback", "ann", "T3"));
	g_assert_true(give(f, "approve", "bob", "T3"));
	story_pass(f->r, 900);
	g_assert_nonnull(strstr(f->log->str, "down-t3-start on k-master-0 -> 1.35.4\n"));
	f->dark = false;
	sim_api_set_down(sim_cluster_api(f->c), false);
	g_assert_cmpint(story_rest(f->r), ==, 4);
	judge_end(f, "RolledBack", "1.35.4/1.35.4 1.35.4 1.35.4");
	g_assert_nonnull(json_object_get(lost(f), "note"));
}

static int loses_its_server(const FakeNode *n, const NodeJob *j, void *ud)
{
	FakeNodes *f = ud;
	if (strcmp(j->kind, "mend") == 0)
		f->dark = false;
	if (strcmp(j->kind, "up-control-plane") != 0 || f->nodes[0].n_jobs > 2)
		return 0;
	f->dark = true;
	f->nodes[0].t.missing = "kube-apiserver";
	return 137;
}

static bool is_dark(void *ud)
{
	return ((FakeNodes *)ud)->dark;
}

/* kubeadm dies and leaves the only API server without a manifest, the controller begins anew: who
 * holds the claim cannot be asked, and the node is mended all the same. */
static void test_only_server_lost(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	f->code = loses_its_server;
	f->ud = f;
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	g_assert_true(
		loop_sim_run(f->r->loop, is_dark, f, loop_boot_usec(f->world) + 3600 * RIG_SEC));
	rig_crash(f->r);
	rig_start(f->r);
	g_assert_cmpint(story_rest(f->r), ==, 0);
	judge_end(f, "Succeeded", "1.36.3/1.36.3 1.36.3 1.36.3");
	g_assert_nonnull(strstr(f->log->str, "failed\nmend on k-master-0"));
}

/* ---- crashes ---- */

enum { CRASH_RESTART_USEC = 2000000 };

typedef struct Trial {
	FakeNodes *f;
	uint64_t at;
	NodeWireFault fault;
} Trial;

static NodeWireFault fault_at(uint64_t n, void *ud)
{
	const Trial *t = ud;
	return n == t->at ? t->fault : NODE_FAULT_NONE_YET;
}

static void restart(void *ud)
{
	rig_start(((Trial *)ud)->f->r);
}

static void crash(void *ud)
{
	Trial *t = ud;
	rig_crash(t->f->r);
	loop_timer(t->f->world, loop_boot_usec(t->f->world) + CRASH_RESTART_USEC, restart, t);
}

static bool trial_over(void *ud)
{
	const Rig *r = ((Trial *)ud)->f->r;
	return r->fleet && fleet_n_runs(r->fleet) > 0 &&
	       run_exit_code(fleet_nth_run(r->fleet, 0), false) != -1;
}

/* True: the fault came to pass on the way back. */
static bool try_at(uint64_t after, NodeWireFault fault)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	Trial t = { f, 0, fault };
	rig_start(f->r);
	story_submit(f->r, WITH_DATA);
	story_reach(f->r, "k", "cp-soak", NULL);
	g_assert_true(give(f, "rollback", "ann", "T3"));
	g_assert_true(give(f, "approve", "bob", "T3"));
	t.at = f->n_requests + after;
	f->fault = fault_at;
	f->crash = crash;
	f->ud = &t;
	g_test_message("fault %d at %d", (int)fault, (int)after);
	g_assert_true(loop_sim_run(
		f->r->loop, trial_over, &t, loop_boot_usec(f->world) + 24 * 3600 * RIG_SEC));
	judge_end(f, "RolledBack", "1.35.4/1.35.4 1.35.4 1.35.4");
	g_assert_cmpstr(f->log->str, ==, UP_LOG_1 T3_LOG_1);
	return f->n_requests > t.at;
}

/* The journal alone is what counts while no API server answers. */
static void test_every_word(void)
{
	static const NodeWireFault faults[] = { NODE_NOT_SENT, NODE_CUT, NODE_CRASH_AFTER };
	uint64_t step = g_test_slow() ? 1 : 3;
	for (size_t i = 0; i < G_N_ELEMENTS(faults); i++)
		for (uint64_t at = i; try_at(at, faults[i]); at += step)
			;
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/kubeadm-restore/ordered", test_ordered);
	g_test_add_func("/kubeadm-restore/three", test_three);
	g_test_add_func("/kubeadm-restore/offered", test_offered);
	g_test_add_func("/kubeadm-restore/refused", test_refused);
	g_test_add_func("/kubeadm-restore/did-not-help", test_did_not_help);
	g_test_add_func("/kubeadm-restore/stuck", test_stuck);
	g_test_add_func("/kubeadm-restore/second-person", test_second_person);
	g_test_add_func("/kubeadm-restore/blind", test_blind);
	g_test_add_func("/kubeadm-restore/only-server-lost", test_only_server_lost);
	g_test_add_func("/kubeadm-restore/every-word", test_every_word);
	return g_test_run();
}
