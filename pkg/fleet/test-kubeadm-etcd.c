/* etcd is asked before and after one of its members is restarted, up and down. */
#include "fleet/test-kubeadm-judge.h"

/* An alarm came: nothing is restarted, and it is named. */
static void test_alarm(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	story_reach(f->r, "k", "control-plane", NULL);
	f->alarm = "memberID:1 alarm:NOSPACE"; /* after preflight has asked */
	story_reach(f->r, "k", "control-plane", "etcd");
	g_assert_nonnull(strstr(item_reason(story_item(f->r, "k")), "NOSPACE"));
	g_assert_null(strstr(f->log->str, "up-control-plane"));
	f->alarm = NULL;
	g_assert_cmpint(story_rest(f->r), ==, 0);
	judge_end(f, "Succeeded", "1.36.3/1.36.3 1.36.3 1.36.3");
}

static int second_loses_first(const FakeNode *n, const NodeJob *j, void *ud)
{
	FakeNodes *f = ud;
	if (n == &f->nodes[0] && strcmp(j->kind, "up-control-plane") == 0)
		f->nodes[0].etcd_off = true;
	return 0;
}

/* The member of the first does not come back, though its pod is Ready: the second waits. */
static void test_member_stays_away(void)
{
	g_autoptr(FakeNodes) f = nodes_new(3, 2);
	f->code = second_loses_first;
	f->ud = f;
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	story_reach(f->r, "k", "control-plane", "control-plane");
	g_assert_nonnull(
		strstr(item_reason(story_item(f->r, "k")), "member k-master-0 is not healthy"));
	g_assert_null(strstr(f->log->str, "up-control-plane on k-master-1"));
	f->code = NULL;
	f->nodes[0].etcd_off = false;
	g_assert_cmpint(story_rest(f->r), ==, 0);
	judge_end(f, "Succeeded", "1.36.3/1.36.3 1.36.3/1.36.3 1.36.3/1.36.3 1.36.3 1.36.3");
}

static int back_mends(const FakeNode *n, const NodeJob *j, void *ud)
{
	FakeNodes *f = ud;
	if (strcmp(j->kind, "down-control-plane") == 0)
		f->nodes[n - f->nodes].etcd_off = false;
	return 0;
}

/* Its own broken member is no bar to the way back of a node, another's is: so that one goes first.
 */
static void back_with_a_broken_member(size_t which)
{
	g_autoptr(FakeNodes) f = nodes_new(3, 2);
	f->code = back_mends;
	f->ud = f;
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	story_reach(f->r, "k", "cp-soak", NULL);
	f->nodes[which].etcd_off = true;
	story_pass(f->r, 60); /* what was read of it before is too old */
	worker_fails(f);
	g_assert_cmpint(story_rest(f->r), ==, 4);
	judge_end(f, "RolledBack", "1.35.4/1.35.4 1.35.4/1.35.4 1.35.4/1.35.4 1.35.4 1.35.4");
}

static void test_back_with_a_broken_member(void)
{
	for (size_t i = 0; i < 3; i++)
		back_with_a_broken_member(i);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/kubeadm-etcd/alarm", test_alarm);
	g_test_add_func("/kubeadm-etcd/member-stays-away", test_member_stays_away);
	g_test_add_func("/kubeadm-etcd/back-with-a-broken-member", test_back_with_a_broken_member);
	return g_test_run();
}
