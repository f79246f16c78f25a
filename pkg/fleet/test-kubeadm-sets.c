/* Backup sets leave their node before it is touched, and come back where they are needed. */
#include "fleet/test-kubeadm-judge.h"

typedef struct Early {
	FakeNodes *f;
	bool early;
} Early;

/* No node is touched whose set is on it alone. */
static int after_its_set(const FakeNode *n, const NodeJob *j, void *ud)
{
	Early *g = ud;
	for (size_t i = 0; i < g->f->n; i++)
		if (g->f->nodes[i].control_plane && strcmp(j->kind, "up-control-plane") == 0)
			g->early = g->early || g->f->nodes[i].n_fetched != 2;
	return 0;
}

static void test_off_first(void)
{
	g_autoptr(FakeNodes) f = nodes_new(3, 2);
	Early g = { f, false };
	f->code = after_its_set;
	f->ud = &g;
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	g_assert_cmpint(story_rest(f->r), ==, 0);
	judge_end(f, "Succeeded", "1.36.3/1.36.3 1.36.3/1.36.3 1.36.3/1.36.3 1.36.3 1.36.3");
	g_assert_false(g.early);
}

/* It cannot be brought off: nothing is touched, it says so, and goes on once it can. */
static void test_waits_for_it(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	f->no_fetch = true;
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	story_reach(f->r, "k", "control-plane", "unreachable");
	g_assert_cmpstr(f->log->str, ==, "up-backup on k-master-0 -> 1.36.3\n");
	f->no_fetch = false;
	g_assert_cmpint(story_rest(f->r), ==, 0);
	judge_end(f, "Succeeded", "1.36.3/1.36.3 1.36.3 1.36.3");
}

/* What is in the sets is nobody's to read: not in the journal, not in what is shown. */
static void test_secret(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	g_assert_cmpint(story_rest(f->r), ==, 0);
	const json_t *shelved = json_object_get(item_memo(story_item(f->r, "k")), "shelved");
	g_assert_cmpstr(
		json_path_str(json_object_get(shelved, "k-master-0"), "sha256", ""), ==, "0011");
	g_assert_cmpuint(json_object_size(json_object_get(shelved, "k-master-0")), ==, 3);
}

/* Gone from the node meanwhile: it goes back there before the way down needs it. */
static void test_back_to_the_node(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	story_reach(f->r, "k", "cp-soak", NULL);
	f->nodes[0].sets_gone = true;
	rig_crash(f->r); /* what was read of it is forgotten */
	rig_start(f->r);
	/* The probe looks for it on the node: a person orders it. */
	g_assert_true(story_command(f->r, "rollback", "k"));
	g_assert_cmpint(story_rest(f->r), ==, 4);
	judge_end(f, "RolledBack", "1.35.4/1.35.4 1.35.4 1.35.4");
	g_assert_true(
		g_str_has_prefix(f->nodes[0].put, "/var/lib/shiplock/backups/1.35.4-to-1.36.3-"));
	g_assert_true(g_str_has_suffix(f->nodes[0].put, "/set.tar"));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/kubeadm-sets/off-first", test_off_first);
	g_test_add_func("/kubeadm-sets/waits-for-it", test_waits_for_it);
	g_test_add_func("/kubeadm-sets/secret", test_secret);
	g_test_add_func("/kubeadm-sets/back-to-the-node", test_back_to_the_node);
	return g_test_run();
}
