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
	f->nodes[2].boot = "not asked";
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

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/moves/wrong-machine", test_wrong_machine);
	g_test_add_func("/moves/wrong-control-plane", test_wrong_control_plane);
	g_test_add_func("/moves/named-otherwise", test_named_otherwise);
	g_test_add_func("/moves/broken-before", test_broken_before);
	g_test_add_func("/moves/broken-by-the-move", test_broken_by_the_move);
	g_test_add_func("/moves/old-leases", test_old_leases);
	return g_test_run();
}
