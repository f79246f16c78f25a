/* Waking by a watch: a fact that follows costs no read, and one that cannot is read anew. */
#include "providers/test-looker.h"

#define BY_HAND "test"

static const char *collection;

static const View *look_kept(World *w, Item *it)
{
	const View *v = target_fact(it, collection);
	if (v)
		target_awake(it, collection);
	return v;
}

static int64_t every_minute(Item *it, int64_t now)
{
	return now + WAKE_POLL_SEC * SEC;
}

static World *world_of(const char *path)
{
	bool cv = strcmp(path, CV_COLLECTION) == 0;
	World *w = world_new(cv ? &fact_object : &fact_list, cv ? CV_PATH : path);
	w->look = look_kept;
	w->again_usec = every_minute;
	collection = path;
	pass(w, 3 * SEC);
	g_assert_nonnull(w->last);
	g_assert_cmpuint(n_asked(w), ==, 2); /* the read, and the list that the watch begins with */
	return w;
}

static void world_end(World *w)
{
	target_sleep(w->target);
	world_free(w);
}

static void set_node(World *w, json_t *patch)
{
	g_assert_cmpint(
		sim_cluster_patch(w->c, SIM_NODES, NULL, NODE, SIM_SUB_NONE, BY_HAND, patch), ==,
		200);
}

static void cordon(World *w, bool on)
{
	set_node(w, json_pack("{s:{s:b}}", "spec", "unschedulable", (int)on));
}

static void label(World *w, const char *value)
{
	set_node(w, json_pack("{s:{s:{s:s}}}", "metadata", "labels", "test", value));
}

static const json_t *shown(const World *w, const char *name)
{
	size_t i;
	json_t *o;
	json_array_foreach (json_object_get(w->last, "items"), i, o)
		if (strcmp(json_path_str(o, "metadata.name", ""), name) == 0)
			return o;
	return NULL;
}

static bool cordoned(const World *w)
{
	return json_path_bool(shown(w, NODE), "spec.unschedulable", false);
}

/* What changes is shown at once, what does not is asked for by nobody, for hours. */
static void test_follows(void)
{
	World *w = world_of(NODES_PATH);
	size_t n = json_array_size(json_object_get(w->last, "items"));
	unsigned asked = n_asked(w), ticks = w->n_ticks;
	for (int i = 1; i <= 5; i++) {
		cordon(w, i % 2);
		pass(w, 2 * SEC);
		g_assert_cmpint(cordoned(w), ==, i % 2);
		g_assert_cmpuint(json_array_size(json_object_get(w->last, "items")), ==, n);
	}
	g_assert_cmpuint(n_asked(w), ==, asked);
	g_assert_cmpuint(w->n_ticks, >=, ticks + 5);
	pass(w, 500 * SEC);
	g_assert_cmpuint(n_asked(w), ==, asked);
	g_assert_null(json_path(shown(w, NODE), "metadata.managedFields"));
	world_end(w);
}

/* A heartbeat wakes nobody, and what comes after it is followed all the same. */
static void test_heartbeat(void)
{
	World *w = world_of(NODES_PATH);
	unsigned asked = n_asked(w), ticks = w->n_ticks;
	label(w, "one");
	pass(w, 2 * SEC);
	g_assert_cmpuint(w->n_ticks, ==, ticks);
	cordon(w, true);
	pass(w, 2 * SEC);
	g_assert_true(cordoned(w));
	g_assert_cmpstr(json_path_str(shown(w, NODE), "metadata.labels.test", ""), ==, "one");
	g_assert_cmpuint(n_asked(w), ==, asked);
	world_end(w);
}

/* One object, with the owners of its fields: who orders looks at them. */
static void test_object(void)
{
	World *w = world_of(CV_COLLECTION);
	unsigned asked = n_asked(w);
	sim_cluster_patch(w->c, SIM_CLUSTERVERSIONS, NULL, "version", SIM_SUB_NONE, BY_HAND,
		json_pack("{s:{s:s}, s:{s:{s:s}}}", "spec", "channel", "fast-4.21", "metadata",
			"annotations", "kubectl.kubernetes.io/last-applied-configuration", "{}"));
	pass(w, 2 * SEC);
	g_assert_cmpstr(json_path_str(w->last, "spec.channel", ""), ==, "fast-4.21");
	g_assert_cmpuint(json_array_size(json_path(w->last, "metadata.managedFields")), >=, 1);
	g_assert_cmpuint(json_object_size(json_path(w->last, "metadata.annotations")), ==, 0);
	g_assert_cmpuint(n_asked(w), ==, asked);
	world_end(w);
}

/* Objects that come or go make it unread: a list says what there is. */
static void test_comes_and_goes(void)
{
	World *w = world_of(NODES_PATH);
	SimStore *s = sim_cluster_store(w->c);
	size_t n = json_array_size(json_object_get(w->last, "items"));
	unsigned asked = n_asked(w);
	sim_store_remove(s, sim_store_find(s, SIM_NODES, NULL, NODE));
	pass(w, 2 * SEC);
	g_assert_cmpuint(json_array_size(json_object_get(w->last, "items")), ==, n - 1);
	g_assert_cmpuint(n_asked(w), ==, asked + 1);
	sim_store_put(s, sim_kind(SIM_NODES),
		json_pack("{s:{s:s, s:s}, s:{}}", "metadata", "name", "c1-new", "uid", "u-1",
			"spec"));
	pass(w, 2 * SEC);
	g_assert_nonnull(shown(w, "c1-new"));
	g_assert_cmpuint(n_asked(w), ==, asked + 2);
	pass(w, 300 * SEC);
	g_assert_cmpuint(n_asked(w), ==, asked + 2);
	world_end(w);
}

/* The read was quicker than the watch: what the watch tells then is old, and takes nothing back. */
static void test_overtaken(void)
{
	World *w = world_of(NODES_PATH);
	HttpSim *http = sim_fleet_transport(w->fleet);
	http_sim_set_latency(http, 5 * SEC, 5 * SEC);
	label(w, "old");
	http_sim_set_latency(http, 8 * SEC, 8 * SEC);
	cordon(w, true);
	http_sim_set_latency(http, 500, 500);
	site_fact_forget(w->target->site, &fact_list, NODES_PATH);
	pass(w, SEC);
	unsigned asked = n_asked(w);
	for (int i = 0; i < 60; i++) {
		saga_wake(w->saga, looker(w));
		pass(w, SEC / 5);
		g_assert_true(cordoned(w));
	}
	g_assert_cmpuint(n_asked(w), <=, asked + 3); /* not in step for a while: by age */
	cordon(w, false);
	pass(w, 2 * SEC);
	g_assert_false(cordoned(w));
	world_end(w);
}

/* A read that the server answers before the change, and that arrives after the watch told of it. */
static void begin_slow_read(World *w)
{
	HttpSim *http = sim_fleet_transport(w->fleet);
	unsigned asked = n_asked(w);
	w->since_usec = loop_boot_usec(w->loop);
	saga_wake(w->saga, looker(w));
	pass(w, 200);
	w->since_usec = 0;
	g_assert_cmpuint(n_asked(w), ==, asked + 1);
	http_sim_set_latency(http, 3 * SEC, 3 * SEC);
	pass(w, 600);
	http_sim_set_latency(http, 500, 500);
}

static void test_while_reading(void)
{
	World *w = world_of(NODES_PATH);
	begin_slow_read(w);
	cordon(w, true);
	pass(w, 10 * SEC);
	g_assert_true(cordoned(w));
	world_end(w);
}

/* The same with a change that wakes nobody: the fact is behind the watch, and ages as any other. */
static void test_behind(void)
{
	World *w = world_of(NODES_PATH);
	begin_slow_read(w);
	label(w, "new");
	pass(w, 10 * SEC);
	g_assert_null(json_path(shown(w, NODE), "metadata.labels.test"));
	pass(w, WAKE_POLL_SEC * SEC);
	g_assert_cmpstr(json_path_str(shown(w, NODE), "metadata.labels.test", ""), ==, "new");
	world_end(w);
}

static int64_t age_of_read(World *w)
{
	return loop_boot_usec(w->loop) - fact_sent_usec(looker(w), w->row, w->key);
}

/* A watch that broke vouches for nothing: the step reads at each look. */
static void test_broken(void)
{
	World *w = world_of(NODES_PATH);
	pass(w, 300 * SEC);
	g_assert_cmpint(age_of_read(w), >, 250 * SEC);
	sim_api_deny(sim_cluster_api(w->c), "watch", "nodes");
	sim_api_set_down(sim_cluster_api(w->c), true); /* streams end; it is back at once */
	sim_api_set_down(sim_cluster_api(w->c), false);
	for (int i = 0; i < 5; i++) {
		pass(w, 61 * SEC);
		g_assert_cmpint(age_of_read(w), <, 62 * SEC);
	}
	world_end(w);
}

/* Nor one that has fallen silent for longer than any server is. */
static void test_silent(void)
{
	World *w = world_of(NODES_PATH);
	for (uint64_t id = 1; id < 100; id++)
		sim_api_forget(sim_cluster_api(w->c), id);
	cordon(w, true);
	pass(w, 100 * SEC);
	g_assert_false(cordoned(w));
	pass(w, (WAKE_STALE_SEC + WAKE_POLL_SEC - 100) * SEC);
	g_assert_true(cordoned(w));
	world_end(w);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/wake/follows", test_follows);
	g_test_add_func("/wake/heartbeat", test_heartbeat);
	g_test_add_func("/wake/object", test_object);
	g_test_add_func("/wake/comes-and-goes", test_comes_and_goes);
	g_test_add_func("/wake/overtaken", test_overtaken);
	g_test_add_func("/wake/while-reading", test_while_reading);
	g_test_add_func("/wake/behind", test_behind);
	g_test_add_func("/wake/broken", test_broken);
	g_test_add_func("/wake/silent", test_silent);
	return g_test_run();
}
