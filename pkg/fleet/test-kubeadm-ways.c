/* Ways of kubeadm beyond one hop up and back: two hops, a way back ordered in the middle of a
 * command, and who takes over a way back. */
#include "fleet/test-kubeadm-judge.h"

static const char plan_of_two[] = GATES_K CLUSTER_K("") HEAD("UpgradePlan",
	"up") "spec:\n  target: {version: 1.36.3, hops: [1.35.4, 1.36.3]}\n"
	      "  waves: [{name: one, clusters: {names: [k]}, cpSoak: 2m, soak: 2m}]\n"
	      "  policies: {gates: few}\n";

static FakeNodes *nodes_at_1_34(void)
{
	FakeNodes *f = nodes_new(1, 2);
	for (size_t i = 0; i < f->n; i++) {
		FakeNode *n = &f->nodes[i];
		node_set(&n->kubeadm, "1.34.8");
		node_set(&n->manifests, "1.34.8");
		node_set(&n->helpers, "1.34.8");
		set_kubelet(f, i, "1.34.8");
		if (n->control_plane)
			node_show_control_plane(f, n);
	}
	return f;
}

/* The second hop has backup sets and commands of its own. */
static void test_two_hops(void)
{
	g_autoptr(FakeNodes) f = nodes_at_1_34();
	rig_start(f->r);
	story_submit(f->r, plan_of_two);
	g_assert_cmpint(story_rest(f->r), ==, 0);
	judge_end(f, "Succeeded", "1.36.3/1.36.3 1.36.3 1.36.3");
	g_assert_cmpstr(f->log->str, ==,
		"up-backup on k-master-0 -> 1.35.4\n"
		"up-control-plane on k-master-0 -> 1.35.4\n"
		"up-kubelet on k-worker-0 -> 1.35.4\n"
		"up-kubelet on k-worker-1 -> 1.35.4\n"
		"up-kubelet on k-master-0 -> 1.35.4\n" UP_LOG_1
		"up-kubelet on k-worker-0 -> 1.36.3\n"
		"up-kubelet on k-worker-1 -> 1.36.3\n"
		"up-kubelet on k-master-0 -> 1.36.3\n");
}

static bool second_hop_soaks(void *ud)
{
	FakeNodes *f = ud;
	const Item *it = fleet_newest_of(f->r->fleet, "k");
	return strcmp(f->nodes[0].manifests, "1.36.3") == 0 &&
	       strcmp(item_state_name(it), "cp-soak") == 0;
}

/* Back from the second hop: to where that one began, by its own set. */
static void test_back_from_the_second_hop(void)
{
	g_autoptr(FakeNodes) f = nodes_at_1_34();
	rig_start(f->r);
	story_submit(f->r, plan_of_two);
	g_assert_true(loop_sim_run(f->r->loop, second_hop_soaks, f,
		loop_boot_usec(f->world) + INT64_C(24) * 3600 * RIG_SEC));
	worker_fails(f);
	g_assert_cmpint(story_rest(f->r), ==, 4);
	judge_end(f, "RolledBack", "1.35.4/1.35.4 1.35.4 1.35.4");
	g_assert_true(g_str_has_suffix(f->log->str, UP_LOG_1 DOWN_LOG_1));
}

/* ---- a way back ordered while a command runs ---- */

typedef struct Until {
	FakeNodes *f;
	const char *kind;
	bool applied;
} Until;

static bool is_there(void *ud)
{
	const Until *u = ud;
	for (size_t i = 0; i < u->f->n; i++)
		for (size_t k = 0; k < u->f->nodes[i].n_jobs; k++)
			if (strcmp(u->f->nodes[i].jobs[k].kind, u->kind) == 0 &&
				u->f->nodes[i].jobs[k].applied == u->applied)
				return true;
	return false;
}

/* Until a command of this kind has begun, or ended. */
static void until(FakeNodes *f, const char *kind, bool applied)
{
	Until u = { f, kind, applied };
	g_assert_true(loop_sim_run(
		f->r->loop, is_there, &u, loop_boot_usec(f->world) + INT64_C(24) * 3600 * RIG_SEC));
}

/* It comes to its end first: the witness sees no two at once. */
static void test_ordered_in_a_command(void)
{
	static const struct {
		const char *kind, *log;
	} cases[] = {
		{ "up-control-plane", UP_LOG_1 DOWN_LOG_1 },
		{ "up-kubelet", UP_LOG_1 "up-kubelet on k-worker-0 -> 1.36.3\n"
					 "down-kubelet on k-worker-0 -> 1.35.4\n" DOWN_LOG_1 },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(FakeNodes) f = nodes_new(1, 2);
		g_test_message("%s", cases[i].kind);
		rig_start(f->r);
		story_submit(f->r, DOCUMENTS);
		until(f, cases[i].kind, false);
		g_assert_true(story_command(f->r, "rollback", "k"));
		g_assert_cmpint(story_rest(f->r), ==, 4);
		judge_end(f, "RolledBack", "1.35.4/1.35.4 1.35.4 1.35.4");
		g_assert_cmpstr(f->log->str, ==, cases[i].log);
	}
}

/* ---- takeover of a way back ---- */

static void tune_second(FleetOptions *o, void *ud)
{
	tune(o, ud);
	o->holder = "second";
}

/* The host is lost, the journal with it; another one takes over and goes on. */
static void take_over(FakeNodes *f)
{
	rig_crash(f->r);
	store_mem_free(f->r->disk);
	f->r->disk = store_mem_new(f->r->loop);
	f->r->tune = tune_second;
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	story_rest(f->r);
	g_assert_true(story_command(f->r, "takeover", "k"));
	story_reach(f->r, "k", "takeover", "takeover");
}

static void expect_back(FakeNodes *f)
{
	const char *why = story_held(f->r, "k", "takeover");
	g_test_message("%s", why);
	g_assert_nonnull(strstr(why, "the newest command on the nodes was one of a way back"));
	g_string_truncate(f->log, 0);
	g_assert_true(story_command(f->r, "resume", "k"));
	int code = story_rest(f->r);
	g_assert_nonnull(strstr(f->log->str, "fence on k-master-0"));
	g_test_message("%s\n%s", item_reason(story_item(f->r, "k")), f->r->story->str);
	g_assert_cmpint(code, ==, 4);
	judge_end(f, "RolledBack", "1.35.4/1.35.4 1.35.4 1.35.4");
}

/* In the middle of each command of the way back, which the node brings to its end. */
static void test_taken_over_back(void)
{
	static const char *const kinds[] = { "down-kubelet", "down-helpers", "down-control-plane" };
	for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
		for (int ended = 0; ended < 2; ended++) {
			g_autoptr(FakeNodes) f = nodes_new(1, 2);
			if (ended && i == 2)
				continue; /* all is back: there is nothing to take over */
			g_test_message("%s %d", kinds[i], ended);
			rig_start(f->r);
			story_submit(f->r, DOCUMENTS);
			worker_0_moved(f);
			g_assert_true(story_command(f->r, "rollback", "k"));
			until(f, kinds[i], ended);
			take_over(f);
			expect_back(f);
		}
}

/* The way up is none back: the newest command says so. */
static void test_taken_over_up(void)
{
	static const char *const kinds[] = { "up-control-plane", "up-kubelet" };
	for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
		g_autoptr(FakeNodes) f = nodes_new(1, 2);
		g_test_message("%s", kinds[i]);
		rig_start(f->r);
		story_submit(f->r, DOCUMENTS);
		until(f, kinds[i], false);
		take_over(f);
		g_assert_null(strstr(story_held(f->r, "k", "takeover"), "way back"));
		g_assert_true(story_command(f->r, "resume", "k"));
		g_assert_cmpint(story_rest(f->r), ==, 0);
		judge_end(f, "Succeeded", "1.36.3/1.36.3 1.36.3 1.36.3");
	}
}

/* ---- what stands in the way ---- */

/* Held while a pause stands: nothing is tried again and again, and the word ends it. */
static void test_paused_on_the_way_back(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	until(f, "up-control-plane", false);
	g_assert_true(story_command(f->r, "rollback", "k"));
	g_assert_true(story_command(f->r, "pause", "k"));
	uint64_t events = loop_sim_events(f->r->loop);
	story_pass(f->r, 3600);
	events = loop_sim_events(f->r->loop) - events;
	g_test_message("%u events", (unsigned)events);
	g_assert_cmpuint(events, <, 200000);
	g_assert_true(story_command(f->r, "resume", "k"));
	g_assert_cmpint(story_rest(f->r), ==, 4);
	judge_end(f, "RolledBack", "1.35.4/1.35.4 1.35.4 1.35.4");
}

/* A node whose looks end with an error has told nothing: it is held, with its words, and goes on.
 */
static void test_mute_nodes(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	until(f, "up-backup", false);
	f->mute = true;
	story_pass(f->r, 1200);
	const Item *it = fleet_newest_of(f->r->fleet, "k");
	g_test_message("%s", item_reason(it));
	g_assert_true(item_held(it));
	g_assert_nonnull(strstr(item_reason(it), "sudo: a password is required"));
	g_assert_nonnull(strstr(item_reason(it), "k-master-0"));
	f->mute = false;
	g_assert_cmpint(story_rest(f->r), ==, 0);
	judge_end(f, "Succeeded", "1.36.3/1.36.3 1.36.3 1.36.3");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/ways/two-hops", test_two_hops);
	g_test_add_func("/ways/paused-on-the-way-back", test_paused_on_the_way_back);
	g_test_add_func("/ways/mute-nodes", test_mute_nodes);
	g_test_add_func("/ways/back-from-the-second-hop", test_back_from_the_second_hop);
	g_test_add_func("/ways/ordered-in-a-command", test_ordered_in_a_command);
	g_test_add_func("/ways/taken-over-back", test_taken_over_back);
	g_test_add_func("/ways/taken-over-up", test_taken_over_up);
	return g_test_run();
}
