/* Feature levels: an upgrade in two hops (emulatedStep), and the way back by the level alone (T1),
 * the whole controller on simulated nodes. */
#include "fleet/test-kubeadm-judge.h"

#define PLAN_STEPPED(more)                                                                         \
	HEAD("UpgradePlan", "up")                                                                  \
	"spec:\n  target: {version: 1.36.3, emulatedStep: true}\n"                                 \
	"  waves: [{name: one, clusters: {names: [k]}, cpSoak: 2m, soak: 2m}]\n"                   \
	"  policies: {gates: few" more "}\n"
#define STEPPED GATES_K CLUSTER_K("") PLAN_STEPPED("")

#define FIRST_LOG                                                                                  \
	"up-backup on k-master-0 -> 1.36.3\n"                                                      \
	"up-control-plane on k-master-0 -> 1.36.3 at 1.35\n"
#define RAISE_LOG "up-raise on k-master-0 -> 1.36.3\n"
#define LEVEL_LOG "down-level on k-master-0 -> 1.35.4 at 1.35\n"
#define KUBELETS_LOG                                                                               \
	"up-kubelet on k-worker-0 -> 1.36.3\n"                                                     \
	"up-kubelet on k-worker-1 -> 1.36.3\n"                                                     \
	"up-kubelet on k-master-0 -> 1.36.3\n"

static const json_t *memo_of(FakeNodes *f)
{
	return item_memo(story_item(f->r, "k"));
}

/* The soak of the hop with this key. */
static bool in_soak_of_second(void *ud)
{
	FakeNodes *f = ud;
	const Item *k = f->r->fleet ? fleet_newest_of(f->r->fleet, "k") : NULL;
	return k && strcmp(item_state_name(k), "cp-soak") == 0 &&
	       json_object_get(json_object_get(item_memo(k), "hop"), "raise");
}

static void reach_second_soak(FakeNodes *f)
{
	if (!loop_sim_run(f->r->loop, in_soak_of_second, f,
		    loop_boot_usec(f->world) + 24 * 3600 * RIG_SEC))
		g_error("the second hop was not reached:\n%s\n%s", f->log->str, f->r->story->str);
}

static void test_two_hops(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	rig_start(f->r);
	story_submit(f->r, STEPPED);
	story_reach(f->r, "k", "cp-soak", NULL);
	g_assert_cmpstr(f->log->str, ==, FIRST_LOG);
	g_assert_cmpstr(json_path_str(memo_of(f), "now", ""), ==, "1.35.4");
	g_assert_cmpstr(
		json_path_str(memo_of(f), "path.0", ""), ==, "1.36.3 at feature level 1.35");
	g_assert_cmpstr(json_path_str(memo_of(f), "path.1", ""), ==, "1.36.3");
	g_assert_cmpstr(json_path_str(memo_of(f), "offer.tier", ""), ==, "T2");
	/* two soaks of 2 min; the control plane once, its level once, three kubelets once */
	g_assert_cmpint(
		json_path_int(memo_of(f), "about.workSeconds", 0), ==, 2 * 120 + 330 + 60 + 3 * 90);
	reach_second_soak(f);
	g_assert_cmpstr(f->log->str, ==, FIRST_LOG RAISE_LOG);
	g_assert_cmpstr(json_path_str(memo_of(f), "offer.tier", ""), ==, "T1");
	g_assert_cmpstr(
		json_path_str(memo_of(f), "offer.begins", ""), ==, "automatic until workers start");
	g_assert_cmpint(story_rest(f->r), ==, 0);
	judge_end(f, "Succeeded", "1.36.3/1.36.3 1.36.3 1.36.3");
	g_assert_cmpstr(f->log->str, ==, FIRST_LOG RAISE_LOG KUBELETS_LOG);
	g_assert_cmpstr(f->nodes[0].level, ==, "");
}

/* The same minor version: there is no level between the two. */
static void test_same_minor(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	for (size_t i = 0; i < f->n; i++) {
		node_set(&f->nodes[i].kubeadm, "1.36.1");
		node_set(&f->nodes[i].manifests, "1.36.1");
		node_set(&f->nodes[i].helpers, "1.36.1");
		set_kubelet(f, i, "1.36.1");
	}
	node_show_control_plane(f, &f->nodes[0]);
	rig_start(f->r);
	story_submit(f->r, STEPPED);
	g_assert_cmpint(story_rest(f->r), ==, 0);
	judge_end(f, "Succeeded", "1.36.3/1.36.3 1.36.3 1.36.3");
	g_assert_cmpstr(f->log->str, ==, UP_LOG_1 KUBELETS_LOG);
}

/* The first of two fails: the binaries go back. */
static void test_first_goes_back(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	rig_start(f->r);
	story_submit(f->r, STEPPED);
	story_reach(f->r, "k", "cp-soak", NULL);
	worker_fails(f);
	g_assert_cmpint(story_rest(f->r), ==, 4);
	judge_end(f, "RolledBack", "1.35.4/1.35.4 1.35.4 1.35.4");
	g_assert_cmpstr(f->log->str, ==, FIRST_LOG DOWN_LOG_1);
	g_assert_cmpstr(f->nodes[0].level, ==, "");
}

static void worker_heals(FakeNodes *f)
{
	sim_cluster_patch(f->c, SIM_NODES, NULL, "k-worker-1", SIM_SUB_STATUS, "kubelet",
		json_pack("{s:{s:[{s:s, s:s}]}}", "status", "conditions", "type", "Ready", "status",
			"True"));
}

/* The second fails in its soak: the level alone, by itself, and what comes next is the raise. */
static void test_level_goes_back(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	rig_start(f->r);
	story_submit(f->r, STEPPED);
	reach_second_soak(f);
	worker_fails(f);
	g_assert_cmpint(story_rest(f->r), ==, 4);
	judge_end(f, "RolledBack", "1.35.4/1.36.3 1.35.4 1.35.4");
	g_assert_cmpstr(f->log->str, ==, FIRST_LOG RAISE_LOG LEVEL_LOG);
	g_assert_cmpstr(f->nodes[0].level, ==, "1.35");
	g_assert_nonnull(strstr(f->r->story->str, "healthy at 1.36.3 at feature level 1.35 again"));
	worker_heals(f);
	g_assert_true(story_command(f->r, "retry", "k"));
	g_assert_cmpint(story_rest(f->r), ==, 0);
	judge_end(f, "Succeeded", "1.36.3/1.36.3 1.36.3 1.36.3");
	g_assert_cmpstr(f->log->str, ==, FIRST_LOG RAISE_LOG LEVEL_LOG RAISE_LOG KUBELETS_LOG);
}

/* The level went back and that is not enough: a person orders the binaries back too. */
static void test_binaries_after_level(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	rig_start(f->r);
	story_submit(f->r, STEPPED);
	reach_second_soak(f);
	worker_fails(f);
	g_assert_cmpint(story_rest(f->r), ==, 4);
	g_assert_true(story_command(f->r, "rollback", "k"));
	g_assert_cmpint(story_rest(f->r), ==, 4);
	judge_end(f, "RolledBack", "1.35.4/1.35.4 1.35.4 1.35.4");
	g_assert_cmpstr(f->log->str, ==, FIRST_LOG RAISE_LOG LEVEL_LOG DOWN_LOG_1);
	g_assert_cmpstr(f->nodes[0].level, ==, "");
	g_assert_false(story_command(f->r, "rollback", "k"));
}

static bool raise_runs(void *ud)
{
	const FakeNode *n = &((FakeNodes *)ud)->nodes[0];
	return n->n_jobs > 0 && strcmp(n->jobs[n->n_jobs - 1].kind, "up-raise") == 0;
}

/* Told to go back while the level is being raised: the command comes to its end first. */
static void test_told_in_raise(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	rig_start(f->r);
	story_submit(f->r, STEPPED);
	g_assert_true(loop_sim_run(
		f->r->loop, raise_runs, f, loop_boot_usec(f->world) + 24 * 3600 * RIG_SEC));
	g_assert_true(story_command(f->r, "rollback", "k"));
	g_assert_cmpint(story_rest(f->r), ==, 4);
	judge_end(f, "RolledBack", "1.35.4/1.36.3 1.35.4 1.35.4");
	g_assert_cmpstr(f->log->str, ==, FIRST_LOG RAISE_LOG LEVEL_LOG);
}

#define ASKS                                                                                       \
	HEAD("RollbackPolicy", "asks")                                                             \
	"spec: {require: T2, automatic: [T0, T2BeforeWorkers]}\n"
#define STEPPED_ASKS GATES_K ASKS CLUSTER_K("") PLAN_STEPPED(", rollback: asks")

/* T1 is not automatic: a person is asked, and says yes to it. */
static void test_asks(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	rig_start(f->r);
	story_submit(f->r, STEPPED_ASKS);
	reach_second_soak(f);
	worker_fails(f);
	story_reach(f->r, "k", "cp-soak", "rollback-wanted");
	g_assert_cmpstr(json_path_str(memo_of(f), "offer.begins", ""), ==, "asks first");
	g_assert_cmpstr(f->log->str, ==, FIRST_LOG RAISE_LOG);
	g_assert_true(story_command(f->r, "approve", "k"));
	g_assert_cmpint(story_rest(f->r), ==, 4);
	judge_end(f, "RolledBack", "1.35.4/1.36.3 1.35.4 1.35.4");
	g_assert_cmpstr(f->log->str, ==, FIRST_LOG RAISE_LOG LEVEL_LOG);
}

/* A worker has moved: a person is asked, its kubelet goes first, then the level. */
static void test_level_after_a_worker(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	rig_start(f->r);
	story_submit(f->r, STEPPED);
	worker_0_moved(f);
	g_assert_true(story_command(f->r, "rollback", "k"));
	g_assert_cmpint(story_rest(f->r), ==, 4);
	judge_end(f, "RolledBack", "1.35.4/1.36.3 1.35.4 1.35.4");
	g_assert_cmpstr(f->log->str, ==,
		FIRST_LOG RAISE_LOG "up-kubelet on k-worker-0 -> 1.36.3\n"
				    "down-kubelet on k-worker-0 -> 1.35.4\n" LEVEL_LOG);
}

/* A finished upgrade is taken back by a run of its own: every kubelet, then the level. */
static void test_finished_goes_back(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	rig_start(f->r);
	story_submit(f->r, STEPPED);
	g_assert_cmpint(story_rest(f->r), ==, 0);
	g_assert_true(story_command(f->r, "rollback", "k"));
	g_assert_cmpint(story_rest(f->r), ==, 4);
	judge_end(f, "RolledBack", "1.35.4/1.36.3 1.35.4 1.35.4");
	g_assert_cmpstr(f->nodes[0].level, ==, "1.35");
}

/* A plain hop whose old software is gone: the level is what is left, and it happens by itself. */
static void test_instead_of_version(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	f->gone = "1.35.4";
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	story_reach(f->r, "k", "cp-soak", NULL);
	const char *how = json_path_str(memo_of(f), "offer.how", "");
	g_assert_cmpstr(json_path_str(memo_of(f), "offer.tier", ""), ==, "T1");
	g_assert_nonnull(strstr(how, "no T2: the software of 1.35.4 is not at hand"));
	worker_fails(f);
	story_rest(f->r);
	judge_end(f, "RolledBack", "1.35.4/1.36.3 1.35.4 1.35.4");
	g_assert_cmpstr(f->log->str, ==, UP_LOG_1 LEVEL_LOG);
	g_assert_cmpstr(f->nodes[0].level, ==, "1.35");
	worker_heals(f);
	g_assert_true(story_command(f->r, "retry", "k")); /* by the plan as it is: not above it */
	g_assert_cmpint(story_rest(f->r), ==, 5);
	story_submit(f->r, STEPPED);
	story_pass(f->r, 60); /* until it is heard, and left out: this target went back before */
	g_assert_true(story_command(f->r, "retry", "k"));
	g_assert_cmpint(story_rest(f->r), ==, 0);
	judge_end(f, "Succeeded", "1.36.3/1.36.3 1.36.3 1.36.3");
	g_assert_cmpstr(f->log->str, ==, UP_LOG_1 LEVEL_LOG RAISE_LOG KUBELETS_LOG);
}

/* A kubelet stands above the level, and what it ran before is gone: there is no T1 either. */
static void test_no_level_either(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	f->gone = "1.35.4";
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	story_reach(f->r, "k", "cp-soak", NULL);
	set_kubelet(f, 1, "1.36.3");
	worker_fails(f);
	story_reach(f->r, "k", "cp-soak", "rollback-wanted");
	g_assert_cmpstr(json_path_str(memo_of(f), "offer.tier", ""), ==, "T3");
	g_assert_null(strstr(f->log->str, "down-"));
}

/* Three servers: raised one by one, and brought back one by one. */
static void test_three(void)
{
	g_autoptr(FakeNodes) f = nodes_new(3, 2);
	rig_start(f->r);
	story_submit(f->r, STEPPED);
	reach_second_soak(f);
	worker_fails(f);
	g_assert_cmpint(story_rest(f->r), ==, 4);
	judge_end(f, "RolledBack", "1.35.4/1.36.3 1.35.4/1.36.3 1.35.4/1.36.3 1.35.4 1.35.4");
	for (size_t i = 0; i < 3; i++)
		g_assert_cmpstr(f->nodes[i].level, ==, "1.35");
}

static int raise_fails(const FakeNode *n, const NodeJob *j, void *ud)
{
	unsigned *left = ud;
	if (strcmp(j->kind, "up-raise") != 0 || *left == 0)
		return 0;
	--*left;
	return 1;
}

/* The command of the second server fails for good: a verdict, and both stand where they stood. */
static void test_raise_fails(void)
{
	unsigned left = 1000;
	g_autoptr(FakeNodes) f = nodes_new(3, 2);
	f->code = raise_fails;
	f->ud = &left;
	rig_start(f->r);
	story_submit(f->r, STEPPED);
	g_assert_cmpint(story_rest(f->r), ==, 4);
	judge_end(f, "RolledBack", "1.35.4/1.36.3 1.35.4/1.36.3 1.35.4/1.36.3 1.35.4 1.35.4");
	for (size_t i = 0; i < 3; i++)
		g_assert_cmpstr(f->nodes[i].level, ==, "1.35");
}

/* kubeadm fails once with the new binaries: run again, the flag is there again. */
static int first_fails(const FakeNode *n, const NodeJob *j, void *ud)
{
	unsigned *left = ud;
	if (strcmp(j->kind, "up-control-plane") != 0 || *left == 0)
		return 0;
	--*left;
	return 1;
}

static void test_first_run_again(void)
{
	unsigned left = 1;
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	f->code = first_fails;
	f->ud = &left;
	rig_start(f->r);
	story_submit(f->r, STEPPED);
	story_reach(f->r, "k", "cp-soak", NULL);
	g_assert_cmpstr(f->nodes[0].level, ==, "1.35");
	g_assert_cmpint(story_rest(f->r), ==, 0);
	judge_end(f, "Succeeded", "1.36.3/1.36.3 1.36.3 1.36.3");
}

/* Stopped in the soak of the first and tried again: what is due is the second. */
static void test_retry_after_abort(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	rig_start(f->r);
	story_submit(f->r, STEPPED);
	story_reach(f->r, "k", "cp-soak", NULL);
	g_assert_true(story_command(f->r, "abort", "k"));
	g_assert_cmpint(story_rest(f->r), ==, 7);
	g_assert_true(story_command(f->r, "retry", "k"));
	g_assert_cmpint(story_rest(f->r), ==, 0);
	judge_end(f, "Succeeded", "1.36.3/1.36.3 1.36.3 1.36.3");
	g_assert_cmpstr(f->log->str, ==, FIRST_LOG RAISE_LOG KUBELETS_LOG);
}

#define STRICT                                                                                     \
	HEAD("GatePolicy", "few")                                                                  \
	"spec:\n  gates:\n    - {name: nodes, when: [cp-soak, verify], onFail: rollback, "         \
	"interval: "                                                                               \
	"20s, invariant: nodes}\n"

/* The level is back and the fault is still there: it is said, and nothing more is done. */
static void test_did_not_help(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	rig_start(f->r);
	story_submit(f->r, STRICT CLUSTER_K("") PLAN_STEPPED(""));
	reach_second_soak(f);
	worker_fails(f);
	story_reach(f->r, "k", "rolled-back", "rollback-did-not-help");
	g_assert_cmpstr(f->log->str, ==, FIRST_LOG RAISE_LOG LEVEL_LOG);
	worker_heals(f);
	g_assert_true(story_command(f->r, "abort", "k"));
	story_rest(f->r);
	g_assert_cmpstr(story_outcome(f->r, "k"), ==, "PartiallyRolledBack");
	g_assert_true(story_command(f->r, "rollback", "k"));
	g_assert_cmpint(story_rest(f->r), ==, 4);
	judge_end(f, "RolledBack", "1.35.4/1.35.4 1.35.4 1.35.4");
}

/* With a configuration of its own kubeadm takes no patches: refused beforehand. */
static void test_with_config(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	rig_start(f->r);
	story_submit(f->r,
		GATES_K CLUSTER_K("    kubeadm: {config: /etc/upgrade.yaml}\n") PLAN_STEPPED(""));
	g_assert_cmpint(story_rest(f->r), ==, 5);
	g_autofree char *findings = json_canonical(json_object_get(memo_of(f), "findings"));
	g_assert_nonnull(strstr(findings, "nodeAccess.kubeadm.config do not go together"));
}

/* ---- a flag that was set by hand ---- */

static FakeNodes *at_level_by_hand(void)
{
	FakeNodes *f = nodes_new(1, 2);
	FakeNode *n = &f->nodes[0];
	node_set(&n->kubeadm, "1.36.3");
	node_set(&n->manifests, "1.36.3");
	node_set(&n->helpers, "1.36.3");
	g_strlcpy(n->level, "1.35", sizeof n->level);
	node_show_control_plane(f, n);
	return f;
}

/* With emulatedStep the second hop is what is due. */
static void test_by_hand_raised(void)
{
	g_autoptr(FakeNodes) f = at_level_by_hand();
	rig_start(f->r);
	story_submit(f->r, STEPPED);
	story_reach(f->r, "k", "cp-soak", NULL);
	g_assert_cmpstr(json_path_str(memo_of(f), "now", ""), ==, "1.36.3 at feature level 1.35");
	g_assert_null(json_path_str(memo_of(f), "path.1", NULL));
	g_assert_cmpint(story_rest(f->r), ==, 0);
	judge_end(f, "Succeeded", "1.36.3/1.36.3 1.36.3 1.36.3");
	g_assert_cmpstr(f->log->str, ==, RAISE_LOG KUBELETS_LOG);
}

/* Without it the flag is left alone, and no kubelet goes above it. */
static void test_by_hand_left(void)
{
	g_autoptr(FakeNodes) f = at_level_by_hand();
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	g_assert_cmpint(story_rest(f->r), ==, 5);
	g_autofree char *findings = json_canonical(json_object_get(memo_of(f), "findings"));
	g_assert_nonnull(strstr(findings, "no kubelet may be above it"));
	g_assert_cmpstr(f->log->str, ==, "");
	g_assert_cmpstr(f->nodes[0].level, ==, "1.35");
}

/* ---- taken over with an empty journal ---- */

static void lose_journal(FakeNodes *f)
{
	rig_crash(f->r);
	store_mem_free(f->r->disk);
	f->r->disk = store_mem_new(f->r->loop);
	rig_start(f->r);
	story_submit(f->r, STEPPED);
	story_rest(f->r);
	g_assert_true(story_command(f->r, "takeover", "k"));
	story_reach(f->r, "k", "takeover", "takeover");
	g_assert_true(story_command(f->r, "resume", "k"));
}

/* What ran, without the words by which nodes hear of a new epoch. Caller frees. */
static char *ran(const FakeNodes *f)
{
	g_auto(GStrv) lines = g_strsplit(f->log->str, "\n", -1);
	GString *s = g_string_new(NULL);
	for (size_t i = 0; lines[i]; i++)
		if (*lines[i] && !g_str_has_prefix(lines[i], "fence "))
			g_string_append_printf(s, "%s\n", lines[i]);
	return g_string_free(s, FALSE);
}

static void test_taken_over(void)
{
	static const struct {
		const char *name;
		bool second;
	} cases[] = { { "in the first soak" }, { "in the second soak", true } };
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(FakeNodes) f = nodes_new(1, 2);
		g_test_message("%s", cases[i].name);
		rig_start(f->r);
		story_submit(f->r, STEPPED);
		story_reach(f->r, "k", "cp-soak", NULL);
		if (cases[i].second)
			reach_second_soak(f);
		lose_journal(f);
		g_assert_cmpint(story_rest(f->r), ==, 0);
		judge_end(f, "Succeeded", "1.36.3/1.36.3 1.36.3 1.36.3");
		g_autofree char *log = ran(f);
		g_assert_cmpstr(log, ==, FIRST_LOG RAISE_LOG KUBELETS_LOG);
	}
}

/* In mid-way of T1: who takes over goes on down by T1, and the binaries stay. */
static bool level_goes_down(void *ud)
{
	const FakeNode *n = &((FakeNodes *)ud)->nodes[0];
	return n->n_jobs > 0 && strcmp(n->jobs[n->n_jobs - 1].kind, "down-level") == 0;
}

static void test_taken_over_back(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	rig_start(f->r);
	story_submit(f->r, STEPPED);
	reach_second_soak(f);
	worker_fails(f);
	g_assert_true(loop_sim_run(
		f->r->loop, level_goes_down, f, loop_boot_usec(f->world) + 3600 * RIG_SEC));
	lose_journal(f);
	g_assert_cmpint(story_rest(f->r), ==, 4);
	judge_end(f, "RolledBack", "1.35.4/1.36.3 1.35.4 1.35.4");
	g_autofree char *log = ran(f);
	g_assert_cmpstr(log, ==, FIRST_LOG RAISE_LOG LEVEL_LOG);
	g_assert_cmpstr(f->nodes[0].level, ==, "1.35");
}

/* ---- where an earlier run stopped ---- */

/* It had moved the control plane, and one kubelet was older than the others: back to what the
 * backup set says, by itself, for no worker has moved. */
static void test_older_kubelet(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	set_kubelet(f, 2, "1.35.2");
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	story_reach(f->r, "k", "cp-soak", NULL);
	g_assert_true(story_command(f->r, "abort", "k"));
	g_assert_cmpint(story_rest(f->r), ==, 7);
	g_assert_true(story_command(f->r, "retry", "k"));
	story_reach(f->r, "k", "cp-soak", NULL);
	g_assert_cmpstr(json_path_str(memo_of(f), "hop.from", ""), ==, "1.35.4");
	worker_fails(f);
	g_assert_cmpint(story_rest(f->r), ==, 4);
	judge_end(f, "RolledBack", "1.35.4/1.35.4 1.35.4 1.35.2");
	g_assert_cmpstr(f->log->str, ==, UP_LOG_1 DOWN_LOG_1);
}

#define PLAN_TWO                                                                                   \
	HEAD("UpgradePlan", "up")                                                                  \
	"spec:\n  target: {version: 1.36.3, hops: [1.35.4, 1.36.3]}\n"                             \
	"  waves: [{name: one, clusters: {names: [k]}, cpSoak: 2m, soak: 2m}]\n"                   \
	"  policies: {gates: few}\n"

/* Half of the control plane is a minor version up, and that half answers: the other half first. */
static void test_half_a_control_plane(void)
{
	g_autoptr(FakeNodes) f = nodes_new(3, 1);
	for (size_t i = 0; i < f->n; i++) {
		FakeNode *n = &f->nodes[f->n - 1 - i]; /* the first is shown last, and answers */
		bool up = n == &f->nodes[0];
		node_set(&n->kubeadm, up ? "1.35.4" : "1.34.8");
		node_set(&n->manifests, up ? "1.35.4" : "1.34.8");
		node_set(&n->helpers, up ? "1.35.4" : "1.34.8");
		node_set(&n->kubelet, "1.34.8");
		node_show_kubelet(f, n);
		if (n->control_plane)
			node_show_control_plane(f, n);
	}
	rig_start(f->r);
	story_submit(f->r, GATES_K CLUSTER_K("") PLAN_TWO);
	story_reach(f->r, "k", "cp-soak", NULL);
	g_assert_cmpstr(json_path_str(memo_of(f), "hop.to", ""), ==, "1.35.4");
	for (size_t i = 0; i < 3; i++)
		g_assert_cmpstr(f->nodes[i].manifests, ==, "1.35.4");
}

/* The level is raised already and a pod does not become Ready: it is said, and when. */
static void test_raised_and_not_ready(void)
{
	g_autoptr(FakeNodes) f = at_level_by_hand();
	*f->nodes[0].level = '\0';
	node_show_control_plane(f, &f->nodes[0]);
	SimObj *pod = sim_store_find(
		sim_cluster_store(f->c), SIM_PODS, "kube-system", "kube-scheduler-k-master-0");
	json_t *broken = json_deep_copy(pod->json);
	json_object_set_new(
		json_path(broken, "status.conditions.0"), "status", json_string("False"));
	json_object_set_new(
		json_path(broken, "metadata.annotations"), "sim/ready", json_string("900h"));
	sim_store_put(sim_cluster_store(f->c), sim_kind(SIM_PODS), broken);
	rig_start(f->r);
	story_submit(f->r, STEPPED);
	story_reach(f->r, "k", "control-plane", "control-plane");
	g_assert_cmpstr(f->log->str, ==, "");
}

/* ---- crashes: after every word to a node, and words that are lost ---- */

enum { CRASH_RESTART_USEC = 2000000 };

typedef struct Trial {
	FakeNodes *f;
	uint64_t at; /* the word, or the batch of the journal */
	NodeWireFault word;
	StoreFault batch;
	uint64_t n_batches;
} Trial;

static NodeWireFault fault_at(uint64_t n, void *ud)
{
	const Trial *t = ud;
	return n == t->at ? t->word : NODE_FAULT_NONE_YET;
}

static StoreFault batch_at(uint64_t n, void *ud)
{
	Trial *t = ud;
	return t->n_batches++ == t->at ? t->batch : STORE_FAULT_NONE;
}

static void restart(void *ud)
{
	Rig *r = ((Trial *)ud)->f->r;
	rig_start(r);
	if (fleet_n_runs(r->fleet) == 0)
		story_submit(r, STEPPED);
}

static void crash(void *ud)
{
	Trial *t = ud;
	if (!t->f->r->fleet)
		return;
	rig_crash(t->f->r);
	loop_timer(t->f->world, loop_boot_usec(t->f->world) + CRASH_RESTART_USEC, restart, t);
}

static bool trial_over(void *ud)
{
	const Rig *r = ((Trial *)ud)->f->r;
	return r->fleet && fleet_n_runs(r->fleet) > 0 &&
	       run_exit_code(fleet_nth_run(r->fleet, 0), false) != -1;
}

/* A worker breaks as soon as the level is raised. */
static int breaks_worker(const FakeNode *n, const NodeJob *j, void *ud)
{
	if (strcmp(j->kind, "up-raise") == 0)
		worker_fails(((Trial *)ud)->f);
	return 0;
}

/* True: the fault came to pass. */
static bool try_at(Trial trial, bool back)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	Trial t = trial;
	t.f = f;
	f->fault = fault_at;
	f->crash = crash;
	f->code = back ? breaks_worker : NULL;
	f->ud = &t;
	store_mem_set_faults(f->r->disk, batch_at, crash, &t);
	rig_start(f->r);
	story_submit(f->r, STEPPED);
	g_test_message("%d %d at %d", (int)t.word, (int)t.batch, (int)t.at);
	g_assert_true(loop_sim_run(
		f->r->loop, trial_over, &t, loop_boot_usec(f->world) + 24 * 3600 * RIG_SEC));
	judge_end(f, back ? "RolledBack" : "Succeeded",
		back ? "1.35.4/1.36.3 1.35.4 1.35.4" : "1.36.3/1.36.3 1.36.3 1.36.3");
	g_assert_cmpstr(f->log->str, ==,
		back ? FIRST_LOG RAISE_LOG LEVEL_LOG : FIRST_LOG RAISE_LOG KUBELETS_LOG);
	g_assert_cmpstr(f->nodes[0].level, ==, back ? "1.35" : "");
	return (t.batch ? t.n_batches : f->n_requests) > t.at;
}

static void try_all(bool back)
{
	static const NodeWireFault words[] = { NODE_NOT_SENT, NODE_CUT, NODE_CRASH_AFTER };
	static const StoreFault batches[] = { STORE_FAULT_CRASH_BEFORE, STORE_FAULT_LOST,
		STORE_FAULT_UNACKNOWLEDGED, STORE_FAULT_CRASH_AFTER };
	uint64_t step = g_test_slow() ? 1 : 9;
	for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
		for (uint64_t at = i; try_at((Trial){ .at = at, .word = words[i] }, back);
			at += step)
			;
	for (size_t i = 0; i < G_N_ELEMENTS(batches); i++)
		for (uint64_t at = 2 * i; try_at((Trial){ .at = at, .batch = batches[i] }, back);
			at += step)
			;
}

static void test_crashes_up(void)
{
	try_all(false);
}

static void test_crashes_back(void)
{
	try_all(true);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/levels/two-hops", test_two_hops);
	g_test_add_func("/levels/same-minor", test_same_minor);
	g_test_add_func("/levels/first-goes-back", test_first_goes_back);
	g_test_add_func("/levels/level-goes-back", test_level_goes_back);
	g_test_add_func("/levels/binaries-after-level", test_binaries_after_level);
	g_test_add_func("/levels/told-in-raise", test_told_in_raise);
	g_test_add_func("/levels/asks", test_asks);
	g_test_add_func("/levels/level-after-a-worker", test_level_after_a_worker);
	g_test_add_func("/levels/finished-goes-back", test_finished_goes_back);
	g_test_add_func("/levels/instead-of-version", test_instead_of_version);
	g_test_add_func("/levels/no-level-either", test_no_level_either);
	g_test_add_func("/levels/three", test_three);
	g_test_add_func("/levels/raise-fails", test_raise_fails);
	g_test_add_func("/levels/first-run-again", test_first_run_again);
	g_test_add_func("/levels/retry-after-abort", test_retry_after_abort);
	g_test_add_func("/levels/did-not-help", test_did_not_help);
	g_test_add_func("/levels/with-config", test_with_config);
	g_test_add_func("/levels/by-hand-raised", test_by_hand_raised);
	g_test_add_func("/levels/by-hand-left", test_by_hand_left);
	g_test_add_func("/levels/taken-over", test_taken_over);
	g_test_add_func("/levels/taken-over-back", test_taken_over_back);
	g_test_add_func("/levels/older-kubelet", test_older_kubelet);
	g_test_add_func("/levels/half-a-control-plane", test_half_a_control_plane);
	g_test_add_func("/levels/raised-and-not-ready", test_raised_and_not_ready);
	g_test_add_func("/levels/crashes-up", test_crashes_up);
	g_test_add_func("/levels/crashes-back", test_crashes_back);
	return g_test_run();
}
