/* The ledger as a drain fills it: what a budget's status cannot know yet, what it knows, and what
 * the server refused. Made at a chosen moment of a real drain, from statuses made up for it. */
#include "steps/test-drain-people.h"

static const Ask own_first = { .mode = C_OWN, .nodes = { FIRST }, .hold_sec = 5 };

static Item *pod_in(const World *w, unsigned state)
{
	Item *n = node_item(w, FIRST);
	for (size_t i = 0; n && i < item_n_children(n); i++)
		if (item_state(item_child(n, i)) == state)
			return item_child(n, i);
	return NULL;
}

static bool one_leaves(World *w)
{
	return pod_in(w, DP_LEAVING) != NULL;
}

static bool one_is_refused(World *w)
{
	return pod_in(w, DP_REFUSED) != NULL;
}

/* The budget with one slot at this version; seen names the pod that its status held just now. */
static View *status_of(const World *w, const char *version, const char *seen)
{
	json_t *pdb = json_deep_copy(sim_store_find(objects(w), SIM_PDBS, "apps", "app-00")->json);
	json_t *meta = json_object_get(pdb, "metadata"), *status = json_object_get(pdb, "status");
	json_object_set_new(meta, "resourceVersion", json_string(version));
	json_object_set_new(status, "disruptionsAllowed", json_integer(1));
	json_object_set_new(status, "disruptedPods", json_object());
	json_object_set_new(pdb, "seenUsec", json_integer(1));
	if (seen)
		json_object_set_new(
			pdb, "disruptedSeen", json_pack("{s:I}", seen, (json_int_t)now_of(w)));
	return view_new(json_pack("{s:[o]}", "items", pdb));
}

static int slots(World *w, const char *version, const char *seen)
{
	Item *node = node_item(w, FIRST);
	View *pdbs = status_of(w, version, seen);
	g_auto(DrainLook) l;
	drain_look(&l, node, site_fact_peek(item_site(node), &fact_node, FIRST),
		site_fact_peek(item_site(node), &fact_node_pods, FIRST), pdbs, NULL, now_of(w));
	g_assert_cmpuint(l.n_budgets, ==, 1);
	int n = ledger_free(l.budgets, l.evictions, l.n_evictions, now_of(w), NULL);
	view_unref(pdbs);
	return n;
}

static void test_ledger(void)
{
	SimSpec spec = packed(4, 1);
	g_autoptr(World) w = world_new(&spec);
	world_begin(w, &own_first);
	must(w, one_leaves, 60 * SEC);
	Item *pod = pod_in(w, DP_LEAVING);
	drain_pod_seen(pod)->included = false; /* the true status told it already */
	const char *decided = json_path_str(act_want(drain_pod_act(pod)), "version", "");
	g_assert_cmpstr(decided, !=, "");
	/* The status that was decided on, and one that is newer but names nobody: both blind. */
	g_assert_cmpint(slots(w, decided, NULL), ==, 0);
	g_assert_cmpint(slots(w, "newer", NULL), ==, 0);
	/* A status that held another pod says nothing of this one. */
	g_assert_cmpint(slots(w, "newer", "another"), ==, 0);
	g_assert_cmpint(slots(w, "newer", drain_pod_text(pod, "name")), ==, 1);
}

/* The slot is gone when the request arrives. */
static HttpFault rival(uint64_t n, const HttpRequest *r, void *ud)
{
	World *w = ud;
	HttpFault f = request_plan(n, r, ud);
	if (g_str_has_suffix(r->path, "/eviction") && n_posts(w) == 1) {
		SimObj *asked = pod_on(w, FIRST);
		g_assert_true(strstr(r->path, asked->name) != NULL);
		evict_by_hand(w, 1);
	}
	return f;
}

static void test_refusal(void)
{
	SimSpec spec = packed(4, 1);
	g_autoptr(World) w = world_new(&spec);
	http_sim_set_faults(w->http, rival, rig_crash, w);
	world_begin(w, &own_first);
	must(w, one_is_refused, 60 * SEC);
	const Item *pod = pod_in(w, DP_REFUSED);
	const char *decided = json_path_str(act_want(drain_pod_act(pod)), "version", "");
	EvictVerdict v;
	g_assert_true(drain_pod_refusal(pod, &v));
	g_assert_cmpint(v.class, ==, EVICT_BUDGET);
	g_assert_cmpstr(v.budget, ==, "app-00");
	g_assert_cmpint(slots(w, decided, NULL), ==, 0);
	g_assert_cmpint(slots(w, "newer", NULL), ==, 1);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/drain-look/ledger", test_ledger);
	g_test_add_func("/drain-look/refusal", test_refusal);
	return g_test_run();
}
