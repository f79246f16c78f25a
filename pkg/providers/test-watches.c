/* The facts of a drain against a scripted cluster: who asks, what is kept, what a read means. */
#include "providers/test-looker.h"

static const View *look_watched(World *w, Item *it)
{
	return watched(it, w->row, w->key);
}

static World *world_of(const FactRow *row, const char *key, bool watching)
{
	World *w = world_new(row, key);
	w->look = look_watched;
	w->again_usec = watched_poll_usec;
	w->watches = watching ? target_watches_new(w->target) : NULL;
	return w;
}

static size_t n_items(const World *w)
{
	return json_array_size(json_object_get(w->last, "items"));
}

static SimObj *app_pod(World *w)
{
	SimStore *s = sim_cluster_store(w->c);
	for (size_t i = 0; i < sim_store_n(s, SIM_PODS); i++) {
		SimObj *p = sim_store_at(s, SIM_PODS, i);
		if (strcmp(p->ns, "apps") == 0)
			return p;
	}
	g_assert_not_reached();
}

static void test_pushed(void)
{
	g_autoptr(World) w = world_of(&fact_node_pods, NODE, true);
	pass(w, SEC);
	/* Three of the app and one of a DaemonSet; nobody else's. */
	g_assert_cmpuint(n_items(w), ==, 4);
	g_assert_nonnull(strstr(w->asked->str, "spec.nodeName%3D" NODE));
	const json_t *pod = json_array_get(json_object_get(w->last, "items"), 0);
	g_assert_null(json_path(pod, "spec.containers"));
	g_assert_nonnull(json_path(pod, "status.conditions"));
	unsigned ticks = w->n_ticks, asked = n_asked(w);
	pass(w, 300 * SEC);
	g_assert_cmpuint(w->n_ticks, ==, ticks);
	sim_store_remove(sim_cluster_store(w->c), app_pod(w));
	pass(w, SEC);
	g_assert_cmpuint(n_items(w), ==, 3);
	g_assert_cmpuint(n_asked(w), ==, asked);
}

static void test_polled(void)
{
	static const struct {
		const FactRow *row;
		const char *key;
	} cases[] = { { &fact_node_pods, NODE }, { &fact_pdbs, WATCHES_ALL },
		{ &fact_node, NODE } };
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(World) w = world_of(cases[i].row, cases[i].key, false);
		pass(w, SEC);
		g_assert_nonnull(w->last);
		unsigned asked = n_asked(w);
		pass(w, 20 * SEC);
		g_assert_cmpuint(n_asked(w), >=, asked + 8);
		g_assert_cmpuint(n_asked(w), <=, asked + 10);
	}
}

static void test_node(void)
{
	g_autoptr(World) w = world_of(&fact_node, NODE, true);
	pass(w, SEC);
	g_assert_cmpstr(json_path_str(w->last, "metadata.name", ""), ==, NODE);
	sim_cluster_patch(w->c, SIM_NODES, NULL, NODE, SIM_SUB_NONE, "test",
		json_pack("{s:{s:b}}", "spec", "unschedulable", 1));
	pass(w, SEC);
	g_assert_true(json_path_bool(w->last, "spec.unschedulable", false));
	SimStore *s = sim_cluster_store(w->c);
	sim_store_remove(s, sim_store_find(s, SIM_NODES, NULL, NODE));
	pass(w, SEC);
	g_assert_true(w->missing);
}

static void test_since(void)
{
	g_autoptr(World) w = world_of(&fact_node_pods, NODE, true);
	pass(w, SEC);
	unsigned asked = n_asked(w), seen = w->n_seen;
	w->since_usec = loop_boot_usec(w->loop);
	saga_wake(w->saga, looker(w));
	pass(w, SEC);
	g_assert_cmpuint(n_asked(w), ==, asked + 1);
	g_assert_cmpuint(w->n_seen, ==, seen + 1);
}

typedef struct More {
	World *w;
	unsigned asked;
} More;

static bool asked_more(void *ud)
{
	const More *m = ud;
	return n_asked(m->w) > m->asked;
}

/* The watch lists again by itself now and then. A list that is on its way when a younger one is
 * asked for does not stand in for it. */
static void test_since_later(void)
{
	g_autoptr(World) w = world_of(&fact_node_pods, NODE, true);
	pass(w, SEC);
	More more = { w, n_asked(w) };
	g_assert_true(loop_sim_run(w->sim, asked_more, &more, 700 * SEC));
	loop_sim_skip(w->sim, 100);
	w->since_usec = loop_boot_usec(w->loop);
	unsigned seen = w->n_seen;
	saga_wake(w->saga, looker(w));
	pass(w, SEC);
	g_assert_cmpuint(n_asked(w), ==, more.asked + 2);
	g_assert_cmpuint(w->n_seen, ==, seen + 1);
}

/* A newer connection: what was asked on the old one is asked again. */
static void test_renewed(void)
{
	g_autoptr(World) w = world_of(&fact_node_pods, NODE, true);
	pass(w, SEC);
	unsigned asked = n_asked(w);
	site_fact_forget(w->target->site, &fact_node_pods, NODE);
	pass(w, 200);
	g_assert_cmpuint(n_asked(w), ==, asked + 1);
	target_watches_free(w->watches);
	site_disconnected(w->target->site);
	w->watches = target_watches_new(w->target);
	pass(w, 5 * SEC);
	g_assert_cmpuint(n_items(w), ==, 4);
	g_assert_cmpuint(n_asked(w), ==, asked + 2);
}

static const json_t *budget_in(const World *w)
{
	return json_array_get(json_object_get(w->last, "items"), 0);
}

static void set_disrupted(World *w, json_t *names)
{
	sim_cluster_patch(w->c, SIM_PDBS, "apps", "app-00", SIM_SUB_STATUS, "test",
		json_pack("{s:{s:o}}", "status", "disruptedPods", names));
}

/* The controller takes the name out again at once; the memory keeps it for a while. */
static void test_disrupted(void)
{
	g_autoptr(World) w = world_of(&fact_pdbs, WATCHES_ALL, true);
	pass(w, SEC);
	g_assert_cmpuint(n_items(w), ==, 1);
	int64_t at = loop_boot_usec(w->loop);
	set_disrupted(w, json_pack("{s:s}", "no-such-pod", "2026-11-18T11:06:40Z"));
	pass(w, SEC);
	g_assert_null(json_path(budget_in(w), "status.disruptedPods.no-such-pod"));
	int64_t seen = json_path_int(budget_in(w), "disruptedSeen.no-such-pod", 0);
	g_assert_cmpint(seen, >=, at);
	g_assert_cmpint(json_path_int(budget_in(w), "seenUsec", 0), >=, at);
	pass(w, (WATCHES_DISRUPTED_SEC + 10) * SEC);
	sim_cluster_patch(w->c, SIM_PDBS, "apps", "app-00", SIM_SUB_NONE, "test",
		json_pack("{s:{s:i}}", "spec", "maxUnavailable", 2));
	pass(w, SEC);
	g_assert_null(json_path(budget_in(w), "disruptedSeen.no-such-pod"));
}

static void test_release(void)
{
	g_autoptr(World) w = world_of(&fact_node_pods, NODE, true);
	pass(w, SEC);
	unsigned asked = n_asked(w);
	watched_release(w->target->site, &fact_node_pods, NODE);
	sim_store_remove(sim_cluster_store(w->c), app_pod(w));
	pass(w, SEC);
	g_assert_cmpuint(n_items(w), ==, 4); /* nobody told us */
	saga_wake(w->saga, looker(w));
	pass(w, SEC);
	g_assert_cmpuint(n_items(w), ==, 3);
	g_assert_cmpuint(n_asked(w), ==, asked + 1);
	watched_release(w->target->site, &fact_pdbs, WATCHES_ALL); /* never was there */
}

static void test_refused(void)
{
	g_autoptr(World) w = world_of(&fact_pdbs, WATCHES_ALL, true);
	sim_api_deny(sim_cluster_api(w->c), "list", "poddisruptionbudgets.policy");
	pass(w, 60 * SEC);
	g_assert_null(w->last);
	g_assert_cmpuint(item_n_holds(looker(w)), ==, 1);
	g_assert_cmpstr(item_hold(looker(w), 0)->cause, ==, "credentials");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/watches/pushed", test_pushed);
	g_test_add_func("/watches/polled", test_polled);
	g_test_add_func("/watches/node", test_node);
	g_test_add_func("/watches/since", test_since);
	g_test_add_func("/watches/since-later", test_since_later);
	g_test_add_func("/watches/renewed", test_renewed);
	g_test_add_func("/watches/disrupted", test_disrupted);
	g_test_add_func("/watches/release", test_release);
	g_test_add_func("/watches/refused", test_refused);
	return g_test_run();
}
