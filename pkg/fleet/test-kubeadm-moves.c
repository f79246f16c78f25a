/* The kubelets' part of both ways on simulated nodes: what is proven of a node, and what is not
 * blamed on it. */
#include "fleet/test-kubeadm-judge.h"

static void start(FakeNodes *f)
{
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
}

/* ---- the machine behind an address ---- */

/* Another machine answers there: nothing is done, not even the drain. */
static void test_wrong_machine(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	f->nodes[2].host = "somewhere-else";
	f->nodes[2].boot = "another-boot";
	start(f);
	story_reach(f->r, "k", "nodes", "wrong-machine");
	story_pass(f->r, 600);
	const char *why = story_held(f->r, "k", "wrong-machine");
	g_assert_nonnull(why);
	g_assert_nonnull(strstr(why, "10.0.0.3 calls itself somewhere-else"));
	g_assert_nonnull(strstr(why, "node k-worker-1 is meant"));
	g_assert_cmpuint(outside_cordoned(f->r, "k"), ==, 0);
	g_assert_cmpstr(f->log->str, ==, UP_LOG_1 "up-kubelet on k-worker-0 -> 1.36.3\n");
	f->nodes[2].host = f->nodes[2].boot = NULL;
	g_assert_cmpint(story_rest(f->r), ==, 0);
	judge_end(f, "Succeeded", "1.36.3/1.36.3 1.36.3 1.36.3");
}

/* The first command of all is asked the same. */
static void test_wrong_control_plane(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	f->nodes[0].host = "somewhere-else";
	f->nodes[0].boot = "another-boot";
	start(f);
	story_reach(f->r, "k", "control-plane", "wrong-machine");
	story_pass(f->r, 300);
	g_assert_cmpstr(f->log->str, ==, "");
}

/* A node with a name of its own choice, on a machine with another: its boot says that it is it. */
static void test_named_otherwise(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	f->nodes[1].host = "rack-7-unit-3";
	f->nodes[2].host = "k-worker-1.example.com";
	start(f);
	g_assert_cmpint(story_rest(f->r), ==, 0);
	judge_end(f, "Succeeded", "1.36.3/1.36.3 1.36.3 1.36.3");
}

/* ---- what was broken before ---- */

static void put_pod(FakeNodes *f, const char *name, const char *owner, const char *node, bool ready)
{
	sim_store_put(sim_cluster_store(f->c), sim_kind(SIM_PODS),
		json_pack("{s:{s:s, s:s, s:s, s:{s:s}, s:[{s:s, s:s, s:s, s:s, s:b}]}, s:{s:s}, "
			  "s:{s:s, s:[{s:s, s:s}]}}",
			"metadata", "name", name, "namespace", "kube-system", "uid", name,
			"annotations", "sim/ready", ready ? "1s" : "900h", "ownerReferences",
			"apiVersion", "apps/v1", "kind", "DaemonSet", "name", owner, "uid", owner,
			"controller", 1, "spec", "nodeName", node, "status", "phase", "Running",
			"conditions", "type", "Ready", "status", ready ? "True" : "False"));
}

static void test_broken_before(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	put_pod(f, "exporter-1", "exporter", "k-worker-0", false);
	put_pod(f, "exporter-2", "exporter", "k-worker-1", false);
	put_pod(f, "proxy-1", "proxy", "k-worker-1", true);
	start(f);
	g_assert_cmpint(story_rest(f->r), ==, 0);
	judge_end(f, "Succeeded", "1.36.3/1.36.3 1.36.3 1.36.3");
}

/* The same pod, broken by the move: the node is held, and nobody else is touched. */
static int breaks_proxy(const FakeNode *n, const NodeJob *j, void *ud)
{
	if (strcmp(j->kind, "up-kubelet") == 0 && strcmp(n->name, "k-worker-0") == 0)
		put_pod(ud, "proxy-1", "proxy", "k-worker-0", false);
	return 0;
}

static void test_broken_by_the_move(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	put_pod(f, "proxy-1", "proxy", "k-worker-0", true);
	put_pod(f, "exporter-1", "exporter", "k-worker-0", false);
	f->code = breaks_proxy;
	f->ud = f;
	start(f);
	story_reach(f->r, "k", "nodes", "node");
	g_assert_nonnull(strstr(story_held(f->r, "k", "node"), "kube-system/proxy-1"));
	g_assert_cmpuint(outside_cordoned(f->r, "k"), ==, 1);
	g_assert_cmpstr(f->log->str, ==, UP_LOG_1 "up-kubelet on k-worker-0 -> 1.36.3\n");
	put_pod(f, "proxy-1", "proxy", "k-worker-0", true);
	g_assert_cmpint(story_rest(f->r), ==, 0);
	judge_end(f, "Succeeded", "1.36.3/1.36.3 1.36.3 1.36.3");
}

/* ---- leaders ---- */

static bool worker_1_is_next(void *ud)
{
	FakeNodes *f = ud;
	const Item *it = f->r->fleet ? fleet_newest_of(f->r->fleet, "k") : NULL;
	return it &&
	       strcmp(json_path_str(item_memo(it), "leaders.for", ""), "up 1.36.3 k-worker-1") == 0;
}

/* Whoever led when the Leases were noted is gone by the time the drain may begin. */
static void test_old_leases(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	start(f);
	g_assert_true(loop_sim_run(
		f->r->loop, worker_1_is_next, f, loop_boot_usec(f->world) + 3600 * RIG_SEC));
	g_assert_true(story_command(f->r, "pause", "k"));
	story_pass(f->r, 600);
	f->leaderless = true;
	g_assert_true(story_command(f->r, "resume", "k"));
	story_pass(f->r, 300);
	g_assert_cmpstr(f->log->str, ==, UP_LOG_1 "up-kubelet on k-worker-0 -> 1.36.3\n");
	g_assert_null(f->broken);
	f->leaderless = false;
	g_assert_cmpint(story_rest(f->r), ==, 0);
	judge_end(f, "Succeeded", "1.36.3/1.36.3 1.36.3 1.36.3");
}

/* ---- the trial pod ---- */

typedef struct Trials {
	unsigned made, gone;
	bool slow; /* the kubelet starts none */
	bool wrong; /* made on a node that is not isolated, or without what it must have */
} Trials;
static Trials trials;

static void judge_trial(const json_t *pod)
{
	const json_t *c = json_path(pod, "spec.containers.0");
	/* That of the cordon, and where the node has a taint of its own that one. */
	g_autofree char *text = json_canonical(pod);
	size_t n = strstr(text, "\"k-master-0\"") ? 2 : 1;
	trials.wrong = trials.wrong ||
		       !g_str_has_prefix(json_path_str(c, "image", ""),
			       n == 1 ? "registry.sim/pause:" : "registry.sim/kube-") ||
		       !json_path_bool(c, "securityContext.runAsNonRoot", false) ||
		       json_array_size(json_path(pod, "spec.tolerations")) != n;
}

static void slow_down(void *ud)
{
	const FakeNodes *f = ud;
	const SimStore *s = sim_cluster_store(f->c);
	for (size_t i = 0; i < sim_store_n(s, SIM_PODS); i++)
		if (g_str_has_prefix(sim_store_at(s, SIM_PODS, i)->name, "shiplock-trial-"))
			sim_cluster_patch(f->c, SIM_PODS, "kube-system",
				sim_store_at(s, SIM_PODS, i)->name, SIM_SUB_NONE, "test",
				json_pack("{s:{s:{s:s}}}", "metadata", "annotations", "sim/start",
					"900h"));
}

static void see_trials(const SimAudit *a, void *ud)
{
	const HttpRequest *r = a->request;
	if (a->changed && strcmp(r->method, "POST") == 0 &&
		g_str_has_suffix(r->path, "/namespaces/kube-system/pods")) {
		g_autoptr(json_t) pod = json_parse(r->body, r->n_body, NULL);
		judge_trial(pod);
		trials.made++;
		if (trials.slow)
			loop_timer(((FakeNodes *)ud)->world,
				loop_boot_usec(((FakeNodes *)ud)->world), slow_down, ud);
	}
	if (a->changed && strcmp(r->method, "DELETE") == 0 && strstr(r->path, "shiplock-trial-"))
		trials.gone++;
	audit(a, ud);
}

static size_t trials_left(const FakeNodes *f)
{
	const SimStore *s = sim_cluster_store(f->c);
	size_t n = 0;
	for (size_t i = 0; i < sim_store_n(s, SIM_PODS); i++)
		n += g_str_has_prefix(sim_store_at(s, SIM_PODS, i)->name, "shiplock-trial-");
	return n;
}

static FakeNodes *with_trials(void)
{
	FakeNodes *f = nodes_new(1, 2);
	trials = (Trials){ 0 };
	sim_api_set_audit(sim_cluster_api(f->c), see_trials, f);
	return f;
}

/* One on each node, whose kubelet moved; none is left. */
static void test_trial(void)
{
	g_autoptr(FakeNodes) f = with_trials();
	start(f);
	g_assert_cmpint(story_rest(f->r), ==, 0);
	judge_end(f, "Succeeded", "1.36.3/1.36.3 1.36.3 1.36.3");
	g_assert_cmpuint(trials.made, ==, 3);
	g_assert_cmpuint(trials.gone, ==, 3);
	g_assert_cmpuint(trials_left(f), ==, 0);
	g_assert_false(trials.wrong);
}

/* The kubelet says that it is well and starts no pod: held, and nobody else is touched. */
static void test_trial_never_runs(void)
{
	g_autoptr(FakeNodes) f = with_trials();
	trials.slow = true;
	start(f);
	story_reach(f->r, "k", "nodes", "node");
	const char *why = story_held(f->r, "k", "node");
	g_assert_nonnull(strstr(why, "the trial pod"));
	g_assert_nonnull(strstr(why, "k-worker-0"));
	g_assert_cmpstr(f->log->str, ==, UP_LOG_1 "up-kubelet on k-worker-0 -> 1.36.3\n");
	trials.slow = false;
	g_assert_true(story_command(f->r, "rollback", "k"));
	g_assert_cmpint(story_rest(f->r), ==, 4);
	judge_end(f, "RolledBack", "1.35.4/1.35.4 1.35.4 1.35.4");
	g_assert_cmpuint(trials_left(f), ==, 0);
}

static bool last_trial_stands(void *ud)
{
	return trials.made == 3 && trials_left(ud) > 0;
}

/* The journal is lost while one stands: who takes over takes it away at the end. */
static void test_trial_of_a_lost_journal(void)
{
	g_autoptr(FakeNodes) f = with_trials();
	start(f);
	g_assert_true(loop_sim_run(
		f->r->loop, last_trial_stands, f, loop_boot_usec(f->world) + 3600 * RIG_SEC));
	rig_crash(f->r);
	store_mem_free(f->r->disk);
	f->r->disk = store_mem_new(f->r->loop);
	start(f);
	story_rest(f->r);
	g_assert_true(story_command(f->r, "takeover", "k"));
	story_reach(f->r, "k", "takeover", "takeover");
	g_assert_true(story_command(f->r, "resume", "k"));
	g_assert_cmpint(story_rest(f->r), ==, 0);
	g_assert_cmpuint(trials_left(f), ==, 0);
}

/* ---- left out, and away ---- */

#define DOCUMENTS_SKIP                                                                             \
	GATES_K CLUSTER_K("") HEAD("DrainPolicy", "may") "spec:\n  nodes: {maySkip: true}\n" HEAD( \
		"UpgradePlan",                                                                     \
		"up") "spec:\n  target: {version: 1.36.3}\n"                                       \
		      "  waves: [{name: one, clusters: {names: [k]}, cpSoak: 2m, soak: 2m}]\n"     \
		      "  policies: {gates: few, drain: may}\n"

static bool skip(FakeNodes *f, const char *node)
{
	FleetCommand c = { .verb = "skip",
		.cluster = "k",
		.node = node,
		.who = "ann",
		.reason = "test",
		.confirm = "k" };
	return story_give(f->r, &c);
}

static bool worker_0_has_a_job(void *ud)
{
	return ((FakeNodes *)ud)->nodes[1].n_jobs > 0;
}

static FakeNodes *in_worker_0_of(unsigned n_workers)
{
	FakeNodes *f = nodes_new(1, n_workers);
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS_SKIP);
	g_assert_true(loop_sim_run(
		f->r->loop, worker_0_has_a_job, f, loop_boot_usec(f->world) + 3600 * RIG_SEC));
	return f;
}

static FakeNodes *in_worker_0(void)
{
	return in_worker_0_of(2);
}

/* Left out while its command runs: that one ends before the next node is touched (two at once break
 * the rule of the nodes themselves), and before the way back. */
static void test_skip_while_it_runs(void)
{
	g_autoptr(FakeNodes) f = in_worker_0();
	g_assert_true(skip(f, "k-worker-0"));
	g_assert_cmpint(story_rest(f->r), ==, 0);
	judge_end(f, "SucceededWithSkips", "1.36.3/1.36.3 1.36.3 1.36.3");
}

/* The node goes away with the command: held by name; it goes on by itself when it is back. */
static void test_away_with_its_command(void)
{
	g_autoptr(FakeNodes) f = in_worker_0();
	f->nodes[1].away = true;
	story_reach(f->r, "k", "nodes", "node-away");
	const char *why = story_held(f->r, "k", "node-away");
	g_assert_nonnull(strstr(why, "node k-worker-0 cannot be reached"));
	g_assert_nonnull(strstr(why, "up-kubelet may still run there"));
	g_assert_nonnull(strstr(why, "shiplock skip k --node k-worker-0"));
	story_pass(f->r, 600);
	g_assert_cmpuint(f->nodes[2].n_jobs, ==, 0);
	f->nodes[1].away = false;
	g_assert_cmpint(story_rest(f->r), ==, 0);
	judge_end(f, "Succeeded", "1.36.3/1.36.3 1.36.3 1.36.3");
}

/* Left out knowingly: nobody waits for it any more, at the end neither. */
static void test_left_out_knowingly(void)
{
	g_autoptr(FakeNodes) f = in_worker_0();
	f->nodes[1].away = true;
	story_reach(f->r, "k", "nodes", "node-away");
	g_assert_true(skip(f, "k-worker-0"));
	g_assert_cmpint(story_rest(f->r), ==, 0);
	g_assert_cmpstr(story_outcome(f->r, "k"), ==, "SucceededWithSkips");
	f->nodes[1].away = false;
}

/* The same with the way back instead of the end. */
static void test_left_out_then_back(void)
{
	g_autoptr(FakeNodes) f = in_worker_0();
	g_assert_true(skip(f, "k-worker-0"));
	story_reach(f->r, "k", "soak", NULL);
	g_assert_true(story_command(f->r, "rollback", "k"));
	story_reach(f->r, "k", "rollback", "kubelet-ahead");
	const char *why = story_held(f->r, "k", "kubelet-ahead");
	g_assert_nonnull(strstr(why, "node k-worker-0 runs v1.36.3"));
	g_assert_nonnull(strstr(why, "resume takes it up again"));
	g_assert_nonnull(strstr(why, "install kubelet 1.35.4, systemctl daemon-reload"));
	g_assert_true(story_command(f->r, "resume", "k"));
	g_assert_cmpint(story_rest(f->r), ==, 4);
	judge_end(f, "RolledBack", "1.35.4/1.35.4 1.35.4 1.35.4");
}

/* Aborted while its command runs: the node is not given back under it. */
static void test_abort_while_it_runs(void)
{
	g_autoptr(FakeNodes) f = in_worker_0();
	g_assert_true(story_command(f->r, "abort", "k"));
	story_pass(f->r, 2);
	g_assert_cmpuint(outside_cordoned(f->r, "k"), ==, 1);
	story_pass(f->r, 600);
	g_assert_cmpuint(f->nodes[2].n_jobs, ==, 0);
	g_assert_true(story_command(f->r, "resume", "k"));
	g_assert_cmpint(story_rest(f->r), ==, 0);
	judge_end(f, "Succeeded", "1.36.3/1.36.3 1.36.3 1.36.3");
}

/* A member of etcd breaks while the node of another one is drained: that one is not restarted. */
static bool master_0_is_drained(void *ud)
{
	FakeNodes *f = ud;
	return strstr(f->r->story->str, "up-kubelet on k-worker-1") == NULL &&
	       sim_store_find(sim_cluster_store(f->c), SIM_NODES, NULL, "k-master-0")
		       ->node.cordoned;
}

static void test_quorum_lost_in_a_drain(void)
{
	g_autoptr(FakeNodes) f = nodes_new(3, 2);
	start(f);
	g_assert_true(loop_sim_run(f->r->loop, master_0_is_drained, f,
		loop_boot_usec(f->world) + 24 * 3600 * RIG_SEC));
	f->nodes[1].etcd_off = true;
	story_reach(f->r, "k", "nodes", "etcd");
	g_assert_cmpstr(f->nodes[0].kubelet, ==, "1.35.4");
	f->nodes[1].etcd_off = false;
	g_assert_cmpint(story_rest(f->r), ==, 0);
	judge_end(f, "Succeeded", "1.36.3/1.36.3 1.36.3/1.36.3 1.36.3/1.36.3 1.36.3 1.36.3");
}

/* ---- nobody leads ---- */

static void test_nobody_leads(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	f->leaderless = true;
	start(f);
	story_reach(f->r, "k", "nodes", "leaders");
	g_assert_cmpuint(outside_cordoned(f->r, "k"), ==, 0);
	f->leaderless = false;
	g_assert_cmpint(story_rest(f->r), ==, 0);
	judge_end(f, "Succeeded", "1.36.3/1.36.3 1.36.3 1.36.3");
}

/* The new controller manager does not lead, which may be why one goes back: the old one first. */
static bool helpers_are_old(void *ud)
{
	return strstr(((FakeNodes *)ud)->log->str, "down-helpers") != NULL;
}

static void test_back_without_a_leader(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	start(f);
	worker_0_moved(f);
	f->leaderless = true;
	g_assert_true(story_command(f->r, "rollback", "k"));
	g_assert_true(loop_sim_run(
		f->r->loop, helpers_are_old, f, loop_boot_usec(f->world) + 3600 * RIG_SEC));
	f->leaderless = false;
	g_assert_cmpint(story_rest(f->r), ==, 4);
	judge_end(f, "RolledBack", "1.35.4/1.35.4 1.35.4 1.35.4");
	g_assert_cmpstr(f->log->str, ==,
		UP_LOG_1 "up-kubelet on k-worker-0 -> 1.36.3\n"
			 "down-helpers on k-master-0 -> 1.35.4\n"
			 "down-kubelet on k-worker-0 -> 1.35.4\n"
			 "down-control-plane on k-master-0 -> 1.35.4\n");
}

/* A worker that is deleted while it is away with its command: nothing is waited for any more. */
static void test_deleted_while_away(void)
{
	g_autoptr(FakeNodes) f = in_worker_0_of(3);
	f->nodes[1].away = true;
	story_reach(f->r, "k", "nodes", "node-away");
	sim_store_remove(sim_cluster_store(f->c),
		sim_store_find(sim_cluster_store(f->c), SIM_NODES, NULL, "k-worker-0"));
	g_assert_cmpint(story_rest(f->r), ==, 0);
	g_assert_cmpstr(f->nodes[2].kubelet, ==, "1.36.3");
}

/* The way back does without a trial that does not run. */
static void test_back_without_a_trial(void)
{
	g_autoptr(FakeNodes) f = with_trials();
	start(f);
	worker_0_moved(f);
	trials.slow = true;
	g_assert_true(story_command(f->r, "rollback", "k"));
	g_assert_cmpint(story_rest(f->r), ==, 4);
	judge_end(f, "RolledBack", "1.35.4/1.35.4 1.35.4 1.35.4");
	g_assert_cmpuint(trials_left(f), ==, 0);
}

/* ---- installed, and not started ---- */

/* The new kubelet lies on a worker that this run never touched: asked, then brought back. */
static void test_installed_before(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	start(f);
	story_reach(f->r, "k", "cp-soak", NULL);
	f->nodes[2].installed = "1.36.3";
	rig_crash(f->r); /* what was read of it is forgotten */
	rig_start(f->r);
	g_assert_true(story_command(f->r, "rollback", "k"));
	story_reach(f->r, "k", "rollback", "kubelet-ahead");
	g_assert_nonnull(strstr(story_held(f->r, "k", "kubelet-ahead"),
		"k-worker-1 is installed, for its next start, as v1.36.3"));
	g_assert_cmpstr(f->log->str, ==, UP_LOG_1);
	g_assert_true(story_command(f->r, "resume", "k"));
	g_assert_cmpint(story_rest(f->r), ==, 4);
	judge_end(f, "RolledBack", "1.35.4/1.35.4 1.35.4 1.35.4");
	g_assert_cmpstr(
		f->log->str, ==, UP_LOG_1 "down-kubelet on k-worker-1 -> 1.35.4\n" DOWN_LOG_1);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/moves/wrong-machine", test_wrong_machine);
	g_test_add_func("/moves/wrong-control-plane", test_wrong_control_plane);
	g_test_add_func("/moves/named-otherwise", test_named_otherwise);
	g_test_add_func("/moves/broken-before", test_broken_before);
	g_test_add_func("/moves/broken-by-the-move", test_broken_by_the_move);
	g_test_add_func("/moves/old-leases", test_old_leases);
	g_test_add_func("/moves/trial", test_trial);
	g_test_add_func("/moves/trial-never-runs", test_trial_never_runs);
	g_test_add_func("/moves/trial-of-a-lost-journal", test_trial_of_a_lost_journal);
	g_test_add_func("/moves/skip-while-it-runs", test_skip_while_it_runs);
	g_test_add_func("/moves/away-with-its-command", test_away_with_its_command);
	g_test_add_func("/moves/left-out-knowingly", test_left_out_knowingly);
	g_test_add_func("/moves/left-out-then-back", test_left_out_then_back);
	g_test_add_func("/moves/abort-while-it-runs", test_abort_while_it_runs);
	g_test_add_func("/moves/quorum-lost-in-a-drain", test_quorum_lost_in_a_drain);
	g_test_add_func("/moves/nobody-leads", test_nobody_leads);
	g_test_add_func("/moves/back-without-a-leader", test_back_without_a_leader);
	g_test_add_func("/moves/deleted-while-away", test_deleted_while_away);
	g_test_add_func("/moves/back-without-a-trial", test_back_without_a_trial);
	g_test_add_func("/moves/installed-before", test_installed_before);
	return g_test_run();
}
