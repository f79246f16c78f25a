/* Drains against a simulated cluster, through the real client: what the server's store says is what
 * counts. */
#include "steps/test-drain-upgrade.h"

static const Ask own_first = { .mode = C_OWN, .nodes = { FIRST }, .hold_sec = 5 };

/* Each UID asked for once, with the live UID, no budget passed. */
static void assert_clean(World *w, size_t n_pods)
{
	const char *uid;
	json_t *n;
	g_assert_cmpuint(json_object_size(w->posts), ==, n_pods);
	json_object_foreach (w->posts, uid, n)
		g_assert_cmpint(json_integer_value(n), ==, 1);
	g_assert_cmpuint(w->n_wrong, ==, 0);
	g_assert_false(w->broken);
}

static void test_own(void)
{
	static const struct {
		bool taint, polled;
	} cases[] = { { false, false }, { true, false }, { false, true } };
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		SimSpec spec = packed(6, 1);
		g_autoptr(World) w = world_new(&spec);
		Ask ask = own_first;
		ask.taint = cases[i].taint;
		ask.polled = cases[i].polled;
		world_begin(w, &ask);
		int64_t start = now_of(w);
		must(w, ended, 600 * SEC);
		g_assert_cmpuint(pods_on(w, FIRST), ==, 0);
		assert_clean(w, 6);
		g_assert_cmpuint(n_records(w, "hold"), ==, 0);
		g_assert_true(unmarked(w, FIRST));
		g_test_message("%" G_GINT64_FORMAT " ms, %" G_GUINT64_FORMAT " requests",
			(now_of(w) - start) / 1000, requests_of(w));
		if (!cases[i].polled)
			g_assert_cmpuint(requests_of(w), <=, 6 + 12);
	}
}

static bool is_isolated(World *w)
{
	const Item *n = node_item(w, SECOND);
	return n && item_n_acts(n) > 0 && act_state(item_act(n, 0)) == ACT_DONE;
}

static bool is_drained(World *w)
{
	const Item *n = node_item(w, SECOND);
	return n && item_state(n) == DN_DRAINED;
}

/* Nothing is there from the start; but what was bound before the cordon may still be on its way. */
static void test_proof(void)
{
	SimSpec spec = packed(3, 1);
	g_autoptr(World) w = world_new(&spec);
	Ask ask = { .mode = C_OWN, .nodes = { SECOND }, .hold_sec = 60 };
	world_begin(w, &ask);
	must(w, is_isolated, 10 * SEC);
	int64_t start = now_of(w);
	pass(w, 4 * SEC);
	g_assert_false(is_drained(w));
	/* It appears late, and goes like the others. */
	SimObj *p = pod_on(w, FIRST);
	json_t *late = json_deep_copy(p->json);
	json_object_set_new(json_object_get(late, "spec"), "nodeName", json_string(SECOND));
	json_object_set_new(json_object_get(late, "metadata"), "name", json_string("late"));
	json_object_set_new(json_object_get(late, "metadata"), "uid", json_string("late"));
	sim_store_put(objects(w), sim_kind(SIM_PODS), late);
	uint64_t before = requests_of(w);
	must(w, is_drained, 60 * SEC);
	g_assert_cmpint(now_of(w) - start, >=, 5 * SEC);
	g_assert_cmpuint(pods_on(w, SECOND), ==, 0);
	g_assert_cmpuint(json_object_size(w->posts), ==, 1);
	/* The eviction, and the list that proves that nothing is left. */
	g_assert_cmpuint(requests_of(w), ==, before + 2);
}

/* ---- assist: the operator drains in windows of 90 s ---- */

static bool drained(World *w)
{
	const json_t *n = node_json(w, FIRST);
	const char *asked = tree_annotation(n, MCO_PREFIX "desiredDrain");
	return g_str_has_prefix(asked, "drain-") &&
	       g_strcmp0(asked, tree_annotation(n, MCO_PREFIX "lastAppliedDrain")) == 0;
}

static bool empty(World *w)
{
	return pods_on(w, FIRST) == 0;
}

/* The operator's second window begins 5 + 90 + 60 s after it cordoned. */
enum { SECOND_WINDOW_SEC = 155 };

static bool help_is_over(World *w)
{
	return item_ended(node_item(w, FIRST));
}

static void test_assist(void)
{
	static const bool polled[] = { false, true };
	for (size_t i = 0; i < G_N_ELEMENTS(polled); i++) {
		SimSpec spec = packed(16, 1);
		g_autoptr(World) w = world_new(&spec);
		release(w);
		int64_t start = now_of(w);
		Ask ask = { .mode = C_ASSIST, .polled = polled[i] };
		world_begin(w, &ask);
		must(w, empty, SECOND_WINDOW_SEC * SEC);
		g_test_message("empty after %" G_GINT64_FORMAT " s, %zu asked by us",
			(now_of(w) - start) / SEC, json_object_size(w->posts));
		g_assert_cmpint(now_of(w) - start, <, SECOND_WINDOW_SEC * SEC);
		g_assert_cmpuint(w->n_wrong, ==, 0);
		must(w, drained, 90 * SEC);
		must(w, help_is_over, 3 * SEC);
		g_assert_cmpint(now_of(w) - start, <=, (SECOND_WINDOW_SEC + 4) * SEC);
	}
}

static bool helped_and_left(World *w)
{
	return pool_is_done(w) && ended(w);
}

/* Through the whole pool: one help for each node, over when the operator is done with it, and no
 * mark of ours anywhere. */
static void test_assist_pool(void)
{
	SimSpec spec = packed(9, 1);
	g_autoptr(World) w = world_new(&spec);
	release(w);
	Ask ask = { .mode = C_ASSIST };
	world_begin(w, &ask);
	must(w, helped_and_left, 7200 * SEC);
	const Item *c = cluster_item(w);
	g_assert_cmpuint(item_n_children(c), ==, 3);
	for (size_t i = 0; i < item_n_children(c); i++) {
		const Item *n = item_child(c, i);
		g_assert_true(item_ended(n));
		g_assert_cmpuint(item_n_acts(n), ==, 0);
		g_assert_true(unmarked(w, item_name(n)));
	}
	g_assert_cmpuint(w->n_wrong, ==, 0);
	g_assert_false(w->broken);
	g_assert_cmpuint(pods_ready(w), ==, 9);
}

static bool is_helped(World *w)
{
	const Item *n = node_item(w, FIRST);
	return n && json_object_size(w->posts) >= 2;
}

static void leave_out(Batch *b, void *ud)
{
	drain_withdraw(node_item(ud, FIRST), b);
}

/* A person left the node out: the operator goes on alone, and we do not begin anew. */
static void test_assist_skipped(void)
{
	SimSpec spec = packed(16, 1);
	g_autoptr(World) w = world_new(&spec);
	release(w);
	Ask ask = { .mode = C_ASSIST };
	world_begin(w, &ask);
	must(w, is_helped, 60 * SEC);
	saga_submit(w->ctl->saga, leave_out, NULL, w);
	must(w, help_is_over, 10 * SEC);
	size_t posts = n_posts(w);
	pass(w, 60 * SEC);
	g_assert_cmpuint(n_posts(w), ==, posts);
	g_assert_cmpuint(item_n_children(cluster_item(w)), ==, 1);
	must(w, drained, 300 * SEC);
}

/* Where we only observe, nothing is evicted either. */
static void test_observed(void)
{
	SimSpec spec = packed(16, 1);
	g_autoptr(World) w = world_new(&spec);
	release(w);
	Ask ask = { .mode = C_ASSIST, .observe = true };
	world_begin(w, &ask);
	pass(w, 60 * SEC); /* not even the claim of this test's own controller is written */
	g_assert_cmpuint(n_posts(w), ==, 0);
	g_assert_cmpuint(item_n_children(cluster_item(w)), ==, 0);
}

static void test_not_assisted(void)
{
	SimSpec spec = packed(16, 1);
	g_autoptr(World) w = world_new(&spec);
	release(w);
	int64_t start = now_of(w);
	g_assert_false(wait_until(w, empty, SECOND_WINDOW_SEC * SEC));
	must(w, drained, 90 * SEC);
	g_assert_cmpint(now_of(w) - start, >, SECOND_WINDOW_SEC * SEC);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/drain/own", test_own);
	g_test_add_func("/drain/proof", test_proof);
	g_test_add_func("/drain/assist", test_assist);
	g_test_add_func("/drain/assist-pool", test_assist_pool);
	g_test_add_func("/drain/assist-skipped", test_assist_skipped);
	g_test_add_func("/drain/observed", test_observed);
	g_test_add_func("/drain/not-assisted", test_not_assisted);
	return g_test_run();
}
