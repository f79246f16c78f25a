/* Drains that somebody interferes with: refusals, cordons that come and go, budgets that allow
 * nothing, an abort, a server that goes away. */
#include "steps/test-drain-people.h"

static const Ask own_first = { .mode = C_OWN, .nodes = { FIRST }, .hold_sec = 5 };

static World *begun(const SimSpec *spec, const Ask *ask)
{
	World *w = world_new(spec);
	world_begin(w, ask);
	return w;
}

static bool two_gone(World *w)
{
	return pods_on(w, FIRST) <= 4;
}

static bool is_held(World *w)
{
	const Item *n = node_item(w, FIRST);
	return n && item_n_holds(n) > 0;
}

static bool is_free(World *w)
{
	return !is_held(w);
}

static void cordon(World *w, const char *node, bool on)
{
	patch_node(w, node, "kubectl",
		json_pack("{s:{s:o}}", "spec", "unschedulable", on ? json_true() : json_null()));
}

/* ---- cordons ---- */

static void test_uncordoned(void)
{
	SimSpec spec = packed(6, 1);
	g_autoptr(World) w = begun(&spec, &own_first);
	must(w, two_gone, 60 * SEC);
	cordon(w, FIRST, false);
	must(w, is_held, 5 * SEC);
	g_assert_cmpstr(item_hold(node_item(w, FIRST), 0)->cause, ==, "uncordoned");
	size_t posts = n_posts(w);
	pass(w, 120 * SEC);
	g_assert_cmpuint(n_posts(w), ==, posts);
	g_assert_false(tree_true(node_json(w, FIRST), "spec.unschedulable"));
	cordon(w, FIRST, true);
	must(w, is_free, 5 * SEC);
	must(w, ended, 120 * SEC);
	g_assert_true(unmarked(w, FIRST));
	g_assert_cmpuint(w->n_wrong, ==, 0);
	g_assert_false(w->broken);
}

static void show_node(World *w, bool marked)
{
	json_t *n = json_deep_copy(node_json(w, FIRST));
	if (!marked) {
		json_object_del(json_object_get(n, "metadata"), "annotations");
		json_object_del(json_object_get(n, "spec"), "unschedulable");
	}
	site_fact_set(w->ctl->target->site, &fact_node, FIRST, view_new(n));
}

static bool one_gone(World *w)
{
	return pods_on(w, FIRST) <= 5;
}

/* The watch is behind our own write: nobody took anything away. */
static void test_watch_behind(void)
{
	SimSpec spec = packed(6, 1);
	g_autoptr(World) w = begun(&spec, &own_first);
	must(w, one_gone, 60 * SEC);
	show_node(w, false);
	pass(w, 5 * SEC);
	g_assert_cmpuint(n_records(w, "hold"), ==, 0);
	show_node(w, true);
	must(w, ended, 120 * SEC);
}

static void test_taint_taken_away(void)
{
	SimSpec spec = packed(6, 1);
	Ask ask = own_first;
	ask.taint = true;
	g_autoptr(World) w = begun(&spec, &ask);
	must(w, two_gone, 60 * SEC);
	patch_node(w, FIRST, "kubectl", json_pack("{s:{s:n}}", "spec", "taints"));
	must(w, is_held, 5 * SEC);
	size_t posts = n_posts(w);
	pass(w, 60 * SEC);
	g_assert_cmpuint(n_posts(w), ==, posts);
}

static void test_foreign_cordon(void)
{
	SimSpec spec = packed(6, 1);
	g_autoptr(World) w = world_new(&spec);
	cordon(w, FIRST, true);
	world_begin(w, &own_first);
	must(w, ended, 120 * SEC);
	g_assert_cmpuint(pods_on(w, FIRST), ==, 0);
	g_assert_true(tree_true(node_json(w, FIRST), "spec.unschedulable"));
	g_assert_null(tree_annotation(node_json(w, FIRST), "shiplock.dev/drain"));
}

/* Another fleet's mark is not ours to change. */
static void test_other_drainer(void)
{
	SimSpec spec = packed(6, 1);
	g_autoptr(World) w = world_new(&spec);
	static const char theirs[] = "{\"fleet\":\"other\",\"run\":\"r\"}";
	patch_node(w, FIRST, "other",
		json_pack("{s:{s:{s:s}}, s:{s:b}}", "metadata", "annotations", "shiplock.dev/drain",
			theirs, "spec", "unschedulable", 1));
	world_begin(w, &own_first);
	must(w, is_held, 10 * SEC);
	pass(w, 60 * SEC);
	g_assert_cmpuint(n_posts(w), ==, 0);
	g_assert_cmpstr(tree_annotation(node_json(w, FIRST), "shiplock.dev/drain"), ==, theirs);
}

static void test_node_deleted(void)
{
	SimSpec spec = packed(6, 1);
	g_autoptr(World) w = begun(&spec, &own_first);
	must(w, two_gone, 60 * SEC);
	sim_store_remove(objects(w), sim_store_find(objects(w), SIM_NODES, NULL, FIRST));
	pass(w, 1);
	must(w, ended, 120 * SEC);
}

/* ---- abort ---- */

static void do_abort(Batch *b, void *ud)
{
	batch_move(b, cluster_item(ud), C_UNDO, "aborted");
}

static void test_abort(void)
{
	SimSpec spec = packed(6, 1);
	g_autoptr(World) w = begun(&spec, &own_first);
	must(w, two_gone, 60 * SEC);
	saga_submit(w->ctl->saga, do_abort, NULL, w);
	must(w, ended, 30 * SEC);
	size_t posts = n_posts(w);
	g_assert_true(unmarked(w, FIRST));
	pass(w, 120 * SEC);
	g_assert_cmpuint(n_posts(w), ==, posts);
	g_assert_cmpuint(pods_on(w, FIRST), >=, 2);
	g_assert_cmpuint(pods_ready(w), ==, 6);
}

/* ---- budgets ---- */

static bool at_once(World *w)
{
	return ended(w);
}

/* Two drains, one budget: the ledger of both is one, so the server never has to say no. */
static void test_shared_budget(void)
{
	static const unsigned max[] = { 1, 2 };
	for (size_t i = 0; i < G_N_ELEMENTS(max); i++) {
		SimSpec spec = packed(9, max[i]);
		spec.world.pack = false;
		g_autoptr(World) w = world_new(&spec);
		Ask ask = { .mode = C_OWN, .nodes = { FIRST, SECOND }, .at_once = true };
		world_begin(w, &ask);
		must(w, at_once, 600 * SEC);
		g_assert_true(unmarked(w, FIRST) && unmarked(w, SECOND));
		g_assert_cmpuint(n_refused(w), ==, 0);
		g_assert_cmpuint(w->n_wrong, ==, 0);
		g_assert_false(w->broken);
	}
}

/* Somebody else takes the slot while our request is on its way, again and again. */
static HttpFault rival(uint64_t n, const HttpRequest *r, void *ud)
{
	World *w = ud;
	HttpFault f = request_plan(n, r, ud);
	bool ours = strcmp(r->method, "POST") == 0 && g_str_has_suffix(r->path, "/eviction");
	if (ours && n_posts(w) % 2 == 1 && pod_on(w, FIRST))
		evict_by_hand(w, 0);
	return f;
}

static void test_rival(void)
{
	SimSpec spec = packed(8, 1);
	g_autoptr(World) w = world_new(&spec);
	http_sim_set_faults(w->http, rival, rig_crash, w);
	world_begin(w, &own_first);
	must(w, ended, 300 * SEC);
	g_assert_cmpuint(pods_on(w, FIRST), ==, 0);
	g_assert_cmpuint(n_posts(w), <=, 3 * 8);
	g_assert_false(w->broken);
}

/* The pod is gone when the request arrives: that is what was wanted. */
static HttpFault vanishing(uint64_t n, const HttpRequest *r, void *ud)
{
	World *w = ud;
	HttpFault f = request_plan(n, r, ud);
	g_auto(GStrv) part = g_strsplit(r->path, "/", 0);
	if (strcmp(r->method, "POST") == 0 && g_str_has_suffix(r->path, "/eviction"))
		sim_store_remove(
			objects(w), sim_store_find(objects(w), SIM_PODS, part[4], part[6]));
	return f;
}

static void test_vanishing(void)
{
	SimSpec spec = packed(4, 4);
	g_autoptr(World) w = world_new(&spec);
	http_sim_set_faults(w->http, vanishing, rig_crash, w);
	world_begin(w, &own_first);
	must(w, ended, 60 * SEC);
	g_assert_cmpuint(n_posts(w), ==, 4);
	g_assert_cmpuint(n_refused(w), ==, 0);
}

/* The name comes back with another UID, on the same node, while the request is on its way. */
static HttpFault replacing(uint64_t n, const HttpRequest *r, void *ud)
{
	World *w = ud;
	HttpFault f = request_plan(n, r, ud);
	g_auto(GStrv) part = g_strsplit(r->path, "/", 0);
	bool first = g_str_has_suffix(r->path, "/eviction") && n_posts(w) == 1;
	SimObj *p = first ? sim_store_find(objects(w), SIM_PODS, part[4], part[6]) : NULL;
	if (!p)
		return f;
	json_t *next = json_deep_copy(p->json);
	json_object_set_new(json_object_get(next, "metadata"), "uid", json_string("the-second"));
	sim_store_remove(objects(w), p);
	sim_store_put(objects(w), sim_kind(SIM_PODS), next);
	return f;
}

static void test_replaced(void)
{
	SimSpec spec = packed(4, 2);
	g_autoptr(World) w = world_new(&spec);
	http_sim_set_faults(w->http, replacing, rig_crash, w);
	world_begin(w, &own_first);
	must(w, ended, 200 * SEC);
	g_assert_cmpuint(pods_on(w, FIRST), ==, 0);
	g_assert_cmpuint(json_object_size(w->posts), ==, 5);
	g_assert_cmpint(json_integer_value(json_object_get(w->posts, "the-second")), ==, 1);
}

static const json_t *why_pod(const json_t *why)
{
	return json_array_get(json_object_get(why, "pods"), 0);
}

static void test_budget_at_zero(void)
{
	SimSpec spec = packed(3, 1);
	g_autoptr(World) w = world_new(&spec);
	sim_cluster_patch(w->c, SIM_PDBS, "apps", "app-00", SIM_SUB_NONE, "test",
		json_pack("{s:{s:i}}", "spec", "maxUnavailable", 0));
	pass(w, SEC);
	world_begin(w, &own_first);
	pass(w, 300 * SEC);
	g_assert_cmpuint(n_posts(w), ==, 0);
	g_autoptr(json_t) why = drain_why(node_item(w, FIRST));
	g_assert_cmpstr(json_path_str(why, "kind", ""), ==, "Why");
	g_assert_cmpuint(json_array_size(json_object_get(why, "pods")), ==, 3);
	g_assert_cmpstr(json_path_str(why_pod(why), "cause", ""), ==, "budget never");
	g_assert_cmpint(json_path_int(why_pod(why), "sinceSeconds", 0), >=, 290);
	g_assert_nonnull(strstr(json_path_str(why_pod(why), "who", ""), "apps/app-00"));
	g_assert_nonnull(strstr(json_path_str(why_pod(why), "type", ""), "kubectl"));
	g_assert_nonnull(strstr(json_path_str(why, "because", ""), "3 blocked"));
	sim_cluster_patch(w->c, SIM_PDBS, "apps", "app-00", SIM_SUB_NONE, "test",
		json_pack("{s:{s:i}}", "spec", "maxUnavailable", 1));
	must(w, ended, 60 * SEC);
	g_assert_cmpuint(pods_on(w, FIRST), ==, 0);
	g_autoptr(json_t) after = drain_why(node_item(w, FIRST));
	g_assert_cmpuint(json_array_size(json_object_get(after, "pods")), ==, 0);
}

static void test_two_budgets(void)
{
	SimSpec spec = packed(3, 1);
	g_autoptr(World) w = world_new(&spec);
	json_t *second =
		json_deep_copy(sim_store_find(objects(w), SIM_PDBS, "apps", "app-00")->json);
	json_object_set_new(json_object_get(second, "metadata"), "name", json_string("second"));
	sim_store_put(objects(w), sim_kind(SIM_PDBS), second);
	world_begin(w, &own_first);
	pass(w, 300 * SEC);
	g_assert_cmpuint(n_posts(w), ==, 0);
	g_autoptr(json_t) why = drain_why(node_item(w, FIRST));
	g_assert_cmpstr(json_path_str(why_pod(why), "cause", ""), ==, "two budgets");
	sim_store_remove(objects(w), sim_store_find(objects(w), SIM_PDBS, "apps", "second"));
	must(w, ended, 120 * SEC);
}

/* ---- the server ---- */

static void test_forbidden(void)
{
	SimSpec spec = packed(3, 1);
	g_autoptr(World) w = world_new(&spec);
	sim_api_deny(sim_cluster_api(w->c), "create", "pods/eviction");
	world_begin(w, &own_first);
	pass(w, 600 * SEC);
	g_assert_cmpuint(n_posts(w), >=, 1);
	g_assert_cmpuint(n_posts(w), <=, 14);
	g_autoptr(json_t) why = drain_why(node_item(w, FIRST));
	g_assert_cmpstr(json_path_str(why_pod(why), "cause", ""), ==, "server");
	g_assert_cmpuint(pods_on(w, FIRST), ==, 3);
}

static void test_server_away(void)
{
	SimSpec spec = packed(6, 1);
	g_autoptr(World) w = begun(&spec, &own_first);
	must(w, two_gone, 60 * SEC);
	sim_api_set_down(sim_cluster_api(w->c), true);
	pass(w, 10 * SEC);
	sim_store_compact(objects(w));
	sim_api_set_down(sim_cluster_api(w->c), false);
	must(w, ended, 300 * SEC);
	g_assert_cmpuint(pods_on(w, FIRST), ==, 0);
	g_assert_true(unmarked(w, FIRST));
	g_assert_cmpuint(w->n_wrong, ==, 0);
	g_assert_false(w->broken);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/drain-people/uncordoned", test_uncordoned);
	g_test_add_func("/drain-people/watch-behind", test_watch_behind);
	g_test_add_func("/drain-people/taint-taken-away", test_taint_taken_away);
	g_test_add_func("/drain-people/foreign-cordon", test_foreign_cordon);
	g_test_add_func("/drain-people/other-drainer", test_other_drainer);
	g_test_add_func("/drain-people/node-deleted", test_node_deleted);
	g_test_add_func("/drain-people/abort", test_abort);
	g_test_add_func("/drain-people/shared-budget", test_shared_budget);
	g_test_add_func("/drain-people/rival", test_rival);
	g_test_add_func("/drain-people/vanishing", test_vanishing);
	g_test_add_func("/drain-people/replaced", test_replaced);
	g_test_add_func("/drain-people/budget-at-zero", test_budget_at_zero);
	g_test_add_func("/drain-people/two-budgets", test_two_budgets);
	g_test_add_func("/drain-people/forbidden", test_forbidden);
	g_test_add_func("/drain-people/server-away", test_server_away);
	return g_test_run();
}
