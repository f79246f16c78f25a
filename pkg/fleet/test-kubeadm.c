/* Plain Kubernetes by kubeadm, the whole controller on simulated nodes: up, down, what fails, and
 * crashes at every word to a node. */
#include "fleet/test-kubeadm-judge.h"

static void test_up(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	g_assert_cmpint(story_rest(f->r), ==, 0);
	judge_end(f, "Succeeded", "1.36.3/1.36.3 1.36.3 1.36.3");
	g_assert_cmpstr(f->log->str, ==,
		"up-backup on k-master-0 -> 1.36.3\n"
		"up-control-plane on k-master-0 -> 1.36.3\n"
		"up-kubelet on k-worker-0 -> 1.36.3\n"
		"up-kubelet on k-worker-1 -> 1.36.3\n"
		"up-kubelet on k-master-0 -> 1.36.3\n");
}

/* Errors rise with the control plane: by itself back, before any kubelet moved. */
static void test_back_from_cp_soak(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	story_reach(f->r, "k", "cp-soak", NULL);
	worker_fails(f);
	g_assert_cmpint(story_rest(f->r), ==, 4);
	judge_end(f, "RolledBack", "1.35.4/1.35.4 1.35.4 1.35.4");
	g_assert_cmpstr(f->log->str, ==, UP_LOG_1 DOWN_LOG_1);
}

/* A worker has moved: asked, then the workers first. */
static void test_back_after_a_worker(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	worker_0_moved(f);
	g_assert_true(story_command(f->r, "rollback", "k"));
	g_assert_cmpint(story_rest(f->r), ==, 4);
	judge_end(f, "RolledBack", "1.35.4/1.35.4 1.35.4 1.35.4");
	g_assert_cmpstr(f->log->str, ==,
		UP_LOG_1 "up-kubelet on k-worker-0 -> 1.36.3\n"
			 "down-kubelet on k-worker-0 -> 1.35.4\n" DOWN_LOG_1);
}

/* One that was older before, within the skew, is left as it was. */
static void test_back_leaves_older(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	set_kubelet(f, 2, "1.35.2");
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	worker_0_moved(f);
	g_assert_true(story_command(f->r, "rollback", "k"));
	g_assert_cmpint(story_rest(f->r), ==, 4);
	judge_end(f, "RolledBack", "1.35.4/1.35.4 1.35.4 1.35.2");
}

/* A node came with the new version, or was changed by hand: no API server goes below it. */
static void test_back_below_a_kubelet(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	story_reach(f->r, "k", "cp-soak", NULL);
	set_kubelet(f, 2, "1.36.3");
	g_assert_true(story_command(f->r, "rollback", "k"));
	story_reach(f->r, "k", "rollback", "kubelet-ahead");
	g_assert_cmpstr(f->log->str, ==, UP_LOG_1);
	set_kubelet(f, 2, "1.35.4");
	g_assert_true(story_command(f->r, "resume", "k"));
	g_assert_cmpint(story_rest(f->r), ==, 4);
	judge_end(f, "RolledBack", "1.35.4/1.35.4 1.35.4 1.35.4");
}

/* A worker that is away is no bar to a way back that does not touch it. */
static void test_back_without_a_worker(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	story_reach(f->r, "k", "cp-soak", NULL);
	f->nodes[2].away = true;
	rig_crash(f->r); /* what was read of it is forgotten */
	rig_start(f->r);
	worker_fails(f);
	g_assert_cmpint(story_rest(f->r), ==, 4);
	judge_end(f, "RolledBack", "1.35.4/1.35.4 1.35.4 1.35.4");
}

/* The control plane was brought elsewhere by hand: no kubelet goes to what nobody wished. */
static void test_unwished(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	FakeNode *n = &f->nodes[0];
	node_set(&n->manifests, "1.36.5");
	node_set(&n->helpers, "1.36.5");
	node_show_control_plane(f, n);
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	story_rest(f->r);
	g_test_message("%s\n%s", f->log->str, f->r->story->str);
	g_assert_cmpstr(f->log->str, ==, "");
	g_assert_cmpstr(f->nodes[1].kubelet, ==, "1.35.4");
}

/* The host is lost in cp-soak, the journal with it: who takes over brings every kubelet up. */
static void test_taken_over(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	story_reach(f->r, "k", "cp-soak", NULL);
	rig_crash(f->r);
	store_mem_free(f->r->disk);
	f->r->disk = store_mem_new(f->r->loop);
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	story_rest(f->r);
	g_assert_true(story_command(f->r, "takeover", "k"));
	story_reach(f->r, "k", "takeover", "takeover");
	g_assert_true(story_command(f->r, "resume", "k"));
	g_assert_cmpint(story_rest(f->r), ==, 0);
	judge_end(f, "Succeeded", "1.36.3/1.36.3 1.36.3 1.36.3");
}

/* Aborted in cp-soak and tried again: the way back is that of the first run. */
static void test_back_of_a_retry(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	story_reach(f->r, "k", "cp-soak", NULL);
	g_assert_true(story_command(f->r, "abort", "k"));
	g_assert_cmpint(story_rest(f->r), ==, 7);
	g_assert_true(story_command(f->r, "retry", "k"));
	story_reach(f->r, "k", "cp-soak", NULL);
	worker_fails(f);
	g_assert_cmpint(story_rest(f->r), ==, 4);
	judge_end(f, "RolledBack", "1.35.4/1.35.4 1.35.4 1.35.4");
	g_assert_cmpstr(f->log->str, ==, UP_LOG_1 DOWN_LOG_1);
}

/* Aborted with one worker up and tried again: the way back asks, and begins with that worker. */
static void test_back_of_a_retry_with_a_worker(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	story_reach(f->r, "k", "cp-soak", NULL);
	g_assert_true(story_command(f->r, "abort", "k"));
	g_assert_cmpint(story_rest(f->r), ==, 7);
	set_kubelet(f, 1, "1.36.3");
	g_assert_true(story_command(f->r, "retry", "k"));
	story_reach(f->r, "k", "cp-soak", NULL);
	worker_fails(f);
	story_reach(f->r, "k", "cp-soak", "rollback-wanted");
	g_assert_cmpstr(f->log->str, ==, UP_LOG_1);
	g_assert_true(story_command(f->r, "rollback", "k"));
	g_assert_cmpint(story_rest(f->r), ==, 4);
	judge_end(f, "RolledBack", "1.35.4/1.35.4 1.35.4 1.35.4");
	const char *worker = strstr(f->log->str, "down-kubelet"),
		   *servers = strstr(f->log->str, "down-control-plane");
	g_assert_true(worker && servers && worker < servers);
}

/* Three of a control plane: one after the other, and back one after the other. */
static void test_three(void)
{
	g_autoptr(FakeNodes) f = nodes_new(3, 2);
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	g_assert_cmpint(story_rest(f->r), ==, 0);
	judge_end(f, "Succeeded", "1.36.3/1.36.3 1.36.3/1.36.3 1.36.3/1.36.3 1.36.3 1.36.3");
	g_assert_true(story_command(f->r, "rollback", "k"));
	g_assert_cmpint(story_rest(f->r), ==, 4);
	judge_end(f, "RolledBack", "1.35.4/1.35.4 1.35.4/1.35.4 1.35.4/1.35.4 1.35.4 1.35.4");
}

/* The second loses its power while kubeadm runs there. */
static NodeWireFault second_goes(uint64_t n, void *ud)
{
	FakeNodes *f = ud;
	FakeNode *second = &f->nodes[1];
	for (size_t i = 0; i < second->n_jobs && !f->ran; i++)
		if (strcmp(second->jobs[i].kind, "up-control-plane") == 0)
			second->away = f->ran = true;
	return NODE_FAULT_NONE_YET;
}

/* It is named, nothing else is begun, and it goes on by itself when the node is back. */
static void test_away(void)
{
	g_autoptr(FakeNodes) f = nodes_new(3, 2);
	f->fault = second_goes;
	f->ud = f;
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	story_reach(f->r, "k", "control-plane", "node-away");
	g_assert_nonnull(strstr(story_held(f->r, "k", "node-away"),
		"node k-master-1 cannot be reached, and up-control-plane may still run there"));
	story_pass(f->r, 600);
	g_assert_null(strstr(f->log->str, "up-control-plane on k-master-2"));
	f->nodes[1].away = false;
	g_assert_cmpint(story_rest(f->r), ==, 0);
	judge_end(f, "Succeeded", "1.36.3/1.36.3 1.36.3/1.36.3 1.36.3/1.36.3 1.36.3 1.36.3");
}

static int fails_once(const FakeNode *n, const NodeJob *j, void *ud)
{
	unsigned *left = ud;
	if (strcmp(j->kind, "up-control-plane") != 0 || *left == 0)
		return 0;
	--*left;
	return 1;
}

/* kubeadm fails once: again, and nothing else happens twice. */
static void test_failed_once(void)
{
	unsigned left = 1;
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	f->code = fails_once;
	f->ud = &left;
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	g_assert_cmpint(story_rest(f->r), ==, 0);
	judge_end(f, "Succeeded", "1.36.3/1.36.3 1.36.3 1.36.3");
}

static int is_killed(const FakeNode *n, const NodeJob *j, void *ud)
{
	return fails_once(n, j, ud) ? 137 : 0;
}

/* kubeadm dies between its two renames: the manifest is put back, then it runs again. */
static void test_killed_between_renames(void)
{
	unsigned left = 1;
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	f->code = is_killed;
	f->ud = &left;
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	g_assert_cmpint(story_rest(f->r), ==, 0);
	judge_end(f, "Succeeded", "1.36.3/1.36.3 1.36.3 1.36.3");
	g_assert_nonnull(strstr(f->log->str, "up-control-plane on k-master-0 -> 1.36.3 failed\n"
					     "mend on k-master-0 -> 1.36.3\n"
					     "up-control-plane on k-master-0 -> 1.36.3\n"));
}

/* It fails for good: a verdict, and the way back. */
static void test_failed_for_good(void)
{
	unsigned left = 1000;
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	f->code = fails_once;
	f->ud = &left;
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	g_assert_cmpint(story_rest(f->r), ==, 4);
	judge_end(f, "RolledBack", "1.35.4/1.35.4 1.35.4 1.35.4");
}

static int kubelet_fails(const FakeNode *n, const NodeJob *j, void *ud)
{
	const bool *fails = ud;
	return *fails && strcmp(j->kind, "up-kubelet") == 0;
}

/* A kubelet that does not come: a person is asked; resume tries again. */
static void test_kubelet_fails(void)
{
	bool fails = true;
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	f->code = kubelet_fails;
	f->ud = &fails;
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	story_reach(f->r, "k", "nodes", "node-command");
	g_assert_cmpuint(outside_cordoned(f->r, "k"), ==, 1);
	fails = false;
	g_assert_true(story_command(f->r, "resume", "k"));
	g_assert_cmpint(story_rest(f->r), ==, 0);
	judge_end(f, "Succeeded", "1.36.3/1.36.3 1.36.3 1.36.3");
}

/* Without a controller manager that leads nothing would replace the pods: no drain begins. */
static void test_no_leader(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	f->leaderless = true;
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	story_reach(f->r, "k", "nodes", NULL);
	story_pass(f->r, 300);
	g_assert_cmpuint(outside_cordoned(f->r, "k"), ==, 0);
	g_assert_nonnull(strstr(item_reason(story_item(f->r, "k")), "Lease"));
	f->leaderless = false;
	g_assert_cmpint(story_rest(f->r), ==, 0);
	judge_end(f, "Succeeded", "1.36.3/1.36.3 1.36.3 1.36.3");
}

/* Outside a run: the version, and no complaint of a claim that was never made. */
static void test_idle(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	f->r->idle_sec = 60;
	rig_start(f->r);
	fleet_set_documents(f->r->fleet, "main", "c0ffee", story_documents(CLUSTER_K("")));
	story_pass(f->r, 300);
	g_autoptr(json_t) status = fleet_status(f->r->fleet);
	const json_t *k = json_path(status, "inventory.0");
	g_assert_cmpstr(json_path_str(k, "version", ""), ==, "1.35.4");
	g_assert_cmpstr(json_path_str(k, "error", ""), ==, "");
}

/* ---- crashes: after every word to a node, and words that are lost ---- */

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
	Rig *r = ((Trial *)ud)->f->r;
	rig_start(r);
	if (fleet_n_runs(r->fleet) == 0)
		story_submit(r, DOCUMENTS);
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

/* True: the fault came to pass. */
static bool try_at(uint64_t at, NodeWireFault fault)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	Trial t = { f, at, fault };
	f->fault = fault_at;
	f->crash = crash;
	f->ud = &t;
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	g_test_message("fault %d at %d", (int)fault, (int)at);
	g_assert_true(loop_sim_run(
		f->r->loop, trial_over, &t, loop_boot_usec(f->world) + 24 * 3600 * RIG_SEC));
	judge_end(f, "Succeeded", "1.36.3/1.36.3 1.36.3 1.36.3");
	g_assert_cmpstr(f->log->str, ==,
		UP_LOG_1 "up-kubelet on k-worker-0 -> 1.36.3\n"
			 "up-kubelet on k-worker-1 -> 1.36.3\n"
			 "up-kubelet on k-master-0 -> 1.36.3\n");
	return f->n_requests > at;
}

static void test_every_word(void)
{
	static const NodeWireFault faults[] = { NODE_NOT_SENT, NODE_CUT, NODE_CRASH_AFTER };
	uint64_t step = g_test_slow() ? 1 : 5;
	for (size_t i = 0; i < G_N_ELEMENTS(faults); i++)
		for (uint64_t at = i; try_at(at, faults[i]); at += step)
			;
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/kubeadm/up", test_up);
	g_test_add_func("/kubeadm/back-from-cp-soak", test_back_from_cp_soak);
	g_test_add_func("/kubeadm/back-after-a-worker", test_back_after_a_worker);
	g_test_add_func("/kubeadm/back-leaves-older", test_back_leaves_older);
	g_test_add_func("/kubeadm/back-below-a-kubelet", test_back_below_a_kubelet);
	g_test_add_func("/kubeadm/back-without-a-worker", test_back_without_a_worker);
	g_test_add_func("/kubeadm/unwished", test_unwished);
	g_test_add_func("/kubeadm/taken-over", test_taken_over);
	g_test_add_func("/kubeadm/back-of-a-retry", test_back_of_a_retry);
	g_test_add_func(
		"/kubeadm/back-of-a-retry-with-a-worker", test_back_of_a_retry_with_a_worker);
	g_test_add_func("/kubeadm/three", test_three);
	g_test_add_func("/kubeadm/away", test_away);
	g_test_add_func("/kubeadm/failed-once", test_failed_once);
	g_test_add_func("/kubeadm/killed-between-renames", test_killed_between_renames);
	g_test_add_func("/kubeadm/failed-for-good", test_failed_for_good);
	g_test_add_func("/kubeadm/kubelet-fails", test_kubelet_fails);
	g_test_add_func("/kubeadm/no-leader", test_no_leader);
	g_test_add_func("/kubeadm/idle", test_idle);
	g_test_add_func("/kubeadm/every-word", test_every_word);
	return g_test_run();
}
