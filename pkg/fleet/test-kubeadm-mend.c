/* What a crash leaves on a node: found at the start of a run, in the middle of one and on the way
 * back, and mended from the backup set; and nothing is found where nothing is broken. */
#include "fleet/test-kubeadm-judge.h"

/* The next `left` commands of this kind fail and leave that on the first node. */
typedef struct Hurt {
	FakeNodes *f;
	const char *kind;
	unsigned left;
	void (*leave)(FakeNodes *f, FakeNode *n);
} Hurt;

static int hurts(const FakeNode *n, const NodeJob *j, void *ud)
{
	Hurt *h = ud;
	if (h->left == 0 || strcmp(j->kind, h->kind) != 0)
		return 0;
	h->left--;
	for (size_t i = 0; h->leave && i < h->f->n; i++)
		if (&h->f->nodes[i] == n)
			h->leave(h->f, &h->f->nodes[i]);
	return 1;
}

static void no_api_server(FakeNodes *f, FakeNode *n)
{
	n->t.missing = "kube-apiserver";
}
static void no_etcd(FakeNodes *f, FakeNode *n)
{
	n->t.missing = "etcd";
}
static void two_of_four(FakeNodes *f, FakeNode *n)
{
	node_set(&n->manifests, "1.36.3");
	node_set(&n->helpers, "1.35.4");
	node_show_control_plane(f, n);
}
static void half_kubelet(FakeNodes *f, FakeNode *n)
{
	n->t.half = "kubelet";
}
static void new_certificate(FakeNodes *f, FakeNode *n)
{
	n->t.certificate = true;
}
static void full_disk(FakeNodes *f, FakeNode *n)
{
	n->t.full = true;
}
static void config_of_1_36(FakeNodes *f, FakeNode *n)
{
	n->t.config = "1.36";
}

static const struct {
	const char *name, *kind;
	void (*leave)(FakeNodes *f, FakeNode *n);
	const char *log; /* what must stand in the log */
} in_a_run[] = {
	{ "the API server's manifest", "up-control-plane", no_api_server,
		"up-control-plane on k-master-0 -> 1.36.3 failed\n"
		"mend on k-master-0 -> 1.36.3\nup-control-plane on k-master-0 -> 1.36.3\n" },
	{ "etcd's manifest", "up-control-plane", no_etcd,
		"up-control-plane on k-master-0 -> 1.36.3 failed\n"
		"mend on k-master-0 -> 1.36.3\nup-control-plane on k-master-0 -> 1.36.3\n" },
	{ "two of four components moved", "up-control-plane", two_of_four,
		"up-control-plane on k-master-0 -> 1.36.3 failed\n"
		"mend on k-master-0 -> 1.36.3\nup-control-plane on k-master-0 -> 1.36.3\n" },
	{ "a certificate renewed", "up-control-plane", new_certificate,
		"up-control-plane on k-master-0 -> 1.36.3 failed\n"
		"mend on k-master-0 -> 1.36.3\nup-control-plane on k-master-0 -> 1.36.3\n" },
	{ "kubeadm's copies fill the disk", "up-control-plane", full_disk,
		"up-control-plane on k-master-0 -> 1.36.3 failed\n"
		"mend on k-master-0 -> 1.36.3\nup-control-plane on k-master-0 -> 1.36.3\n" },
	{ "a package half installed: the command again does it", "up-kubelet", half_kubelet,
		"up-kubelet on k-worker-0 -> 1.36.3 failed\n"
		"up-kubelet on k-worker-0 -> 1.36.3\n" },
};

static void expect_whole(const FakeNodes *f)
{
	for (size_t i = 0; i < f->n; i++) {
		const NodeTrouble *t = &f->nodes[i].t;
		g_assert_cmpstr(t->missing, ==, NULL);
		g_assert_cmpstr(t->half, ==, NULL);
		g_assert_false(t->certificate || t->full);
		if (t->config)
			g_assert_true(g_str_has_prefix(f->nodes[i].kubelet, t->config));
	}
}

static void test_in_a_run(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(in_a_run); i++) {
		g_autoptr(FakeNodes) f = nodes_new(1, 2);
		Hurt h = { f, in_a_run[i].kind, 1, in_a_run[i].leave };
		g_test_message("%s", in_a_run[i].name);
		f->code = hurts;
		f->ud = &h;
		f->nodes[0].t.config = "1.35";
		rig_start(f->r);
		story_submit(f->r, DOCUMENTS);
		g_assert_cmpint(story_rest(f->r), ==, 0);
		judge_end(f, "Succeeded", "1.36.3/1.36.3 1.36.3 1.36.3");
		g_assert_nonnull(strstr(f->log->str, in_a_run[i].log));
		expect_whole(f);
	}
}

/* What lay in /etc/kubernetes/tmp before us stays there. */
static void test_tmp_of_others(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	Hurt h = { f, "up-control-plane", 2, full_disk };
	f->code = hurts;
	f->ud = &h;
	f->nodes[0].t.tmp_at[0] = RIG_WALL / RIG_SEC - 3600;
	f->nodes[0].t.tmp_at[3] = RIG_WALL / RIG_SEC + 5; /* newer, and there before our command */
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	g_assert_cmpint(story_rest(f->r), ==, 0);
	judge_end(f, "Succeeded", "1.36.3/1.36.3 1.36.3 1.36.3");
	const NodeTrouble *t = &f->nodes[0].t;
	g_assert_cmpint(t->tmp_at[0], ==, RIG_WALL / RIG_SEC - 3600);
	g_assert_cmpint(t->tmp_at[3], ==, RIG_WALL / RIG_SEC + 5);
	g_assert_cmpint(t->tmp_at[1], >, 0); /* of the attempt that got through */
	g_assert_cmpint(t->tmp_at[2], ==, 0); /* of those that did not: pruned */
}

/* ---- at the start of a run ---- */

static const struct {
	const char *name;
	void (*leave)(FakeNodes *f, FakeNode *n);
	bool needs_set;
} at_start[] = {
	{ "the API server's manifest", no_api_server, true },
	{ "two of four components moved", two_of_four, true },
	{ "a kubelet's configuration of the other minor", config_of_1_36, true },
	{ "a package half installed", half_kubelet, false },
	{ "a certificate renewed", new_certificate, false },
};

static void test_at_start(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(at_start); i++) {
		g_autoptr(FakeNodes) f = nodes_new(1, 2);
		g_test_message("%s", at_start[i].name);
		at_start[i].leave(f, &f->nodes[0]);
		f->nodes[0].n_backups = 1; /* of an earlier run */
		rig_start(f->r);
		story_submit(f->r, DOCUMENTS);
		g_assert_cmpint(story_rest(f->r), ==, 0);
		judge_end(f, "Succeeded", "1.36.3/1.36.3 1.36.3 1.36.3");
		g_assert_true(
			g_str_has_prefix(f->log->str, "mend on k-master-0 -> 1.36.3\n" UP_LOG_1));
		expect_whole(f);
	}
}

/* No earlier run left a set: said beforehand, and nothing is done. */
static void test_no_set(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(at_start); i++) {
		g_autoptr(FakeNodes) f = nodes_new(1, 2);
		if (!at_start[i].needs_set)
			continue;
		g_test_message("%s", at_start[i].name);
		at_start[i].leave(f, &f->nodes[0]);
		rig_start(f->r);
		story_submit(f->r, DOCUMENTS);
		g_assert_cmpint(story_rest(f->r), ==, 5);
		g_autofree char *findings = json_canonical(
			json_object_get(item_memo(story_item(f->r, "k")), "findings"));
		g_assert_cmpstr(f->log->str, ==, "");
		g_assert_nonnull(strstr(findings, "no backup set of an earlier run fits"));
	}
}

static int mend_fails(const FakeNode *n, const NodeJob *j, void *ud)
{
	return *(bool *)ud && strcmp(j->kind, "mend") == 0;
}

/* A repair that fails: a person is asked by name, resume tries it again. */
static void test_unmended(void)
{
	bool fails = true;
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	no_api_server(f, &f->nodes[0]);
	f->nodes[0].n_backups = 1;
	f->code = mend_fails;
	f->ud = &fails;
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	story_reach(f->r, "k", NULL, "node-command");
	const char *why = story_held(f->r, "k", "node-command");
	g_assert_nonnull(strstr(why, "k-master-0"));
	g_assert_nonnull(strstr(why, "kube-apiserver.yaml is missing"));
	g_assert_nonnull(strstr(why, "its repair failed"));
	fails = false;
	g_assert_true(story_command(f->r, "resume", "k"));
	g_assert_cmpint(story_rest(f->r), ==, 0);
	judge_end(f, "Succeeded", "1.36.3/1.36.3 1.36.3 1.36.3");
}

/* ---- on the way back ---- */

static void back_from_cp_soak(FakeNodes *f, Hurt *h)
{
	f->code = hurts;
	f->ud = h;
	f->nodes[0].t.config = "1.35";
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	story_reach(f->r, "k", "cp-soak", NULL);
	worker_fails(f);
	g_assert_cmpint(story_rest(f->r), ==, 4);
	judge_end(f, "RolledBack", "1.35.4/1.35.4 1.35.4 1.35.4");
	expect_whole(f);
}

/* The API server is still new and the others are old: so it is meant between the steps. */
static void test_mixed_is_meant(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	Hurt h = { f, "down-control-plane", 1, NULL };
	back_from_cp_soak(f, &h);
	g_assert_cmpstr(f->log->str, ==,
		UP_LOG_1 "down-helpers on k-master-0 -> 1.35.4\n"
			 "down-control-plane on k-master-0 -> 1.35.4 failed\n"
			 "down-control-plane on k-master-0 -> 1.35.4\n");
}

static void test_killed_on_the_way_back(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	Hurt h = { f, "down-control-plane", 1, no_api_server };
	back_from_cp_soak(f, &h);
	g_assert_cmpstr(f->log->str, ==,
		UP_LOG_1 "down-helpers on k-master-0 -> 1.35.4\n"
			 "down-control-plane on k-master-0 -> 1.35.4 failed\n"
			 "mend on k-master-0 -> 1.36.3\n"
			 "down-control-plane on k-master-0 -> 1.35.4\n");
}

/* kubeadm of the old version fails for good: the saved manifests, and the kubelet's configuration,
 * which it would have written, is put back in the end. */
static void test_saved_manifests(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	Hurt h = { f, "down-control-plane", 1000, NULL };
	back_from_cp_soak(f, &h);
	g_assert_cmpstr(f->log->str, ==,
		UP_LOG_1 "down-helpers on k-master-0 -> 1.35.4\n"
			 "down-control-plane on k-master-0 -> 1.35.4 failed\n"
			 "down-control-plane on k-master-0 -> 1.35.4 failed\n"
			 "down-manifests on k-master-0 -> 1.35.4\n"
			 "mend on k-master-0 -> 1.36.3\n");
	g_assert_cmpstr(f->nodes[0].t.config, ==, "1.35");
}

/* The first machine's kubeadm alone writes where `kubeadm upgrade node` goes to. */
static void test_saved_manifests_of_three(void)
{
	g_autoptr(FakeNodes) f = nodes_new(3, 2);
	Hurt h = { f, "down-control-plane", 1000, NULL };
	f->code = hurts;
	f->ud = &h;
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	story_reach(f->r, "k", "cp-soak", NULL);
	worker_fails(f);
	g_assert_cmpint(story_rest(f->r), ==, 4);
	judge_end(f, "RolledBack", "1.35.4/1.35.4 1.35.4/1.35.4 1.35.4/1.35.4 1.35.4 1.35.4");
	g_assert_nonnull(strstr(f->log->str, "down-manifests on k-master-0 -> 1.35.4\n"
					     "down-manifests on k-master-1 -> 1.35.4\n"
					     "down-manifests on k-master-2 -> 1.35.4\n"));
}

static void test_kubeadm_without_effect(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	Hurt h = { f, "down-control-plane", 0, NULL };
	f->nodes[0].inert = true;
	back_from_cp_soak(f, &h);
	g_assert_nonnull(strstr(f->log->str, "down-control-plane on k-master-0 -> 1.35.4\n"
					     "down-manifests on k-master-0 -> 1.35.4\n"));
}

/* kubeadm dies between its renames for good: mended before the way back begins. */
static void test_turned_without_a_manifest(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	Hurt h = { f, "up-control-plane", 1000, no_api_server };
	f->code = hurts;
	f->ud = &h;
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	g_assert_cmpint(story_rest(f->r), ==, 4);
	judge_end(f, "RolledBack", "1.35.4/1.35.4 1.35.4 1.35.4");
	expect_whole(f);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/mend/in-a-run", test_in_a_run);
	g_test_add_func("/mend/tmp-of-others", test_tmp_of_others);
	g_test_add_func("/mend/at-start", test_at_start);
	g_test_add_func("/mend/no-set", test_no_set);
	g_test_add_func("/mend/unmended", test_unmended);
	g_test_add_func("/mend/mixed-is-meant", test_mixed_is_meant);
	g_test_add_func("/mend/killed-on-the-way-back", test_killed_on_the_way_back);
	g_test_add_func("/mend/saved-manifests", test_saved_manifests);
	g_test_add_func("/mend/saved-manifests-of-three", test_saved_manifests_of_three);
	g_test_add_func("/mend/kubeadm-without-effect", test_kubeadm_without_effect);
	g_test_add_func("/mend/turned-without-a-manifest", test_turned_without_a_manifest);
	return g_test_run();
}
