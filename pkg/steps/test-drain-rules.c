/* What a DrainPolicy makes of a drain, how long drains take against their lower bound, and what is
 * refused before the start. */
#include "steps/test-drain-people.h"

static World *begun(const SimSpec *spec, const char *policy)
{
	World *w = world_new(spec);
	Ask ask = { .mode = C_OWN, .nodes = { FIRST }, .hold_sec = 5, .policy = policy };
	world_begin(w, &ask);
	return w;
}

static bool is_held(World *w)
{
	const Item *n = node_item(w, FIRST);
	return n && item_n_holds(n) > 0;
}

static void set_labels(World *w, size_t n, const char *value)
{
	for (size_t i = 0; i < sim_store_n(objects(w), SIM_PODS) && n > 0; i++) {
		SimObj *p = sim_store_at(objects(w), SIM_PODS, i);
		if (!is_app(p) || g_strcmp0(p->pod.node, FIRST) != 0)
			continue;
		n--;
		sim_cluster_patch(w->c, SIM_PODS, p->ns, p->name, SIM_SUB_NONE, "test",
			json_pack("{s:{s:{s:s}}}", "metadata", "labels", "kind", value));
	}
}

static SimSpec relaxed(unsigned n)
{
	return packed(n, n);
}

static World *labelled(const char *policy, size_t n_train)
{
	SimSpec spec = relaxed(4);
	World *w = world_new(&spec);
	set_labels(w, n_train, "training");
	Ask ask = { .mode = C_OWN, .nodes = { FIRST }, .hold_sec = 5, .policy = policy };
	world_begin(w, &ask);
	return w;
}

static void test_skip(void)
{
	g_autoptr(World) w = labelled("{\"rules\":[{\"match\":{\"labels\":{\"kind\":\"training\"}},"
				      "\"behaviour\":\"skip\"}]}",
		1);
	must(w, ended, 60 * SEC);
	g_assert_cmpuint(pods_on(w, FIRST), ==, 1);
	g_assert_cmpuint(n_posts(w), ==, 3);
}

static void test_delete_after(void)
{
	g_autoptr(World) w = labelled("{\"rules\":[{\"match\":{\"labels\":{\"kind\":\"training\"}},"
				      "\"behaviour\":\"deleteAfter\",\"deadline\":\"2m\"}]}",
		1);
	int64_t start = now_of(w);
	pass(w, 60 * SEC);
	g_assert_cmpuint(pods_on(w, FIRST), ==, 1);
	must(w, ended, 120 * SEC);
	g_assert_cmpint(now_of(w) - start, >=, 120 * SEC);
	g_assert_cmpuint(pods_on(w, FIRST), ==, 0);
	g_assert_cmpuint(n_posts(w), ==, 3); /* the fourth was deleted */
}

static void complete(World *w)
{
	SimObj *p = pod_on(w, FIRST);
	sim_cluster_patch(w->c, SIM_PODS, p->ns, p->name, SIM_SUB_STATUS, "kubelet",
		json_pack("{s:{s:s}}", "status", "phase", "Succeeded"));
}

#define WAIT_FOR_TRAINING                                                                          \
	"{\"rules\":[{\"match\":{\"labels\":{\"kind\":\"training\"}},\"behaviour\":"               \
	"\"waitCompleted\",\"deadline\":\"10m\"}]%s}"

static void test_wait_completed(void)
{
	g_autofree char *policy = g_strdup_printf(WAIT_FOR_TRAINING, "");
	g_autoptr(World) w = labelled(policy, 1);
	pass(w, 300 * SEC);
	g_assert_cmpuint(pods_on(w, FIRST), ==, 1);
	g_assert_false(is_held(w));
	complete(w);
	must(w, ended, 30 * SEC);
}

static void test_deadline(void)
{
	static const struct {
		const char *on_deadline;
		bool held;
	} cases[] = { { ",\"onDeadline\":\"hold\"", true },
		{ ",\"onDeadline\":\"skipNode\"", false } };
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *policy = g_strdup_printf(WAIT_FOR_TRAINING, cases[i].on_deadline);
		g_autoptr(World) w = labelled(policy, 1);
		pass(w, 620 * SEC);
		g_assert_cmpint(is_held(w), ==, cases[i].held);
		g_assert_cmpint(ended(w), ==, !cases[i].held);
		g_assert_cmpint(unmarked(w, FIRST), ==, !cases[i].held);
		g_assert_cmpuint(pods_on(w, FIRST), ==, 1);
		if (!cases[i].held)
			continue;
		g_assert_cmpstr(item_hold(node_item(w, FIRST), 0)->cause, ==, "drain-deadline");
		complete(w);
		must(w, ended, 60 * SEC);
	}
}

/* Nobody would bring such a pod back: nothing at all is evicted without consent. */
static void test_unmanaged(void)
{
	SimSpec spec = relaxed(3);
	g_autoptr(World) w = world_new(&spec);
	SimObj *p = pod_on(w, FIRST);
	sim_cluster_patch(w->c, SIM_PODS, p->ns, p->name, SIM_SUB_NONE, "test",
		json_pack("{s:{s:n, s:{s:n}}}", "metadata", "ownerReferences", "labels", "app"));
	Ask ask = { .mode = C_OWN, .nodes = { FIRST }, .hold_sec = 5 };
	world_begin(w, &ask);
	pass(w, 120 * SEC);
	g_assert_cmpuint(n_posts(w), ==, 0);
	g_autoptr(json_t) why = drain_why(node_item(w, FIRST));
	g_assert_nonnull(strstr(json_path_str(why, "because", ""), "1 blocked"));
	g_assert_nonnull(strstr(json_path_str(why, "text", ""), "unmanaged: apps/app-00"));
}

/* ---- how long, and how many requests ---- */

static bool empty(World *w)
{
	return pods_on(w, FIRST) == 0;
}

typedef struct Case {
	unsigned n, max;
	const char *start, *ready;
	double slot;
} Case;

static void measure(const Case *c)
{
	SimSpec spec = packed(c->n, c->max);
	spec.world.pod_start = c->start;
	spec.world.pod_ready = c->ready;
	spec.world.pod_exit = "1s";
	g_autoptr(World) w = begun(&spec, NULL);
	int64_t start = now_of(w);
	must(w, empty, 10000 * SEC);
	double took = (double)(now_of(w) - start) / 1e6;
	double bound = bound_app(&(BoundApp){ (int)c->n, (int)c->max, c->slot, 1 });
	must(w, ended, 60 * SEC);
	g_test_message("P %u m %u s %g: %.3f s, bound %.3f s, %" G_GUINT64_FORMAT
		       " requests, %u refused",
		c->n, c->max, c->slot, took, bound, requests_of(w), n_refused(w));
	g_assert_cmpfloat(took, <=, 1.02 * bound + 0.05);
	g_assert_cmpuint(requests_of(w), <=, 2 * c->n + 20);
	g_assert_cmpuint(n_posts(w), ==, c->n);
	g_assert_cmpuint(n_refused(w), ==, 0);
	g_assert_false(w->broken);
}

static void test_bound(void)
{
	static const Case cases[] = {
		{ 10, 1, "0s", "1s", 1 },
		{ 10, 1, "2s", "4s", 6 },
		{ 10, 2, "10s", "20s", 30 },
		{ 50, 1, "0s", "1s", 1 },
		{ 50, 2, "2s", "4s", 6 },
		{ 50, 5, "10s", "20s", 30 },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
		measure(&cases[i]);
	if (g_test_slow())
		measure(&(Case){ 250, 25, "2s", "4s", 6 });
}

/* ---- before the start ---- */

static void test_preflight(void)
{
	static const struct {
		const char *policy, *want; /* NULL: nothing is found */
	} cases[] = {
		{ NULL, NULL },
		{ "{\"rules\":[{\"match\":{\"namespaces\":[\"a\"]},\"behaviour\":\"skip\"}]}",
			NULL },
		{ "{\"rules\":[{\"match\":{\"namespaces\":[\"a\"]},\"behaviour\":\"evict\"},"
		  "{\"match\":{\"namespaces\":[\"b\"]},\"behaviour\":\"deleteAfter\","
		  "\"deadline\":\"1h\"}]}",
			"rules[1]: deleteAfter" },
		{ "{\"rules\":[{\"match\":{\"namespaces\":[\"a\"]},\"behaviour\":\"evict\","
		  "\"group\":\"last\"}]}",
			"rules[0]: group" },
		{ "{\"rules\":[{\"match\":{\"namespaces\":[\"a\"]},\"behaviour\":\"waitCompleted\"}"
		  "]"
		  "}",
			"waitCompleted, which has no effect yet" },
		{ "{\"rules\":[{\"match\":{\"storageClasses\":[\"rbd\"]},\"behaviour\":\"evict\"}]"
		  "}",
			"match.storageClasses" },
		{ "{\"onDeadline\":\"force\",\"consent\":{\"force\":true}}", "onDeadline: force" },
		{ "{\"holds\":[{\"name\":\"kueue\"}]}", "holds" },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		SimSpec spec = relaxed(1);
		g_autoptr(World) w = world_new(&spec);
		Ask ask = { .mode = C_IDLE, .policy = cases[i].policy };
		world_begin(w, &ask);
		pass(w, 5 * SEC);
		g_autoptr(json_t) findings = json_array();
		drain_preflight(cluster_item(w), findings);
		const char *text = json_path_str(findings, "0.message", "");
		g_test_message("case %zu: %s", i, text);
		g_assert_cmpint(findings_block(findings), ==, cases[i].want != NULL);
		g_assert_nonnull(strstr(text, cases[i].want ? cases[i].want : ""));
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/drain-rules/skip", test_skip);
	g_test_add_func("/drain-rules/delete-after", test_delete_after);
	g_test_add_func("/drain-rules/wait-completed", test_wait_completed);
	g_test_add_func("/drain-rules/deadline", test_deadline);
	g_test_add_func("/drain-rules/unmanaged", test_unmanaged);
	g_test_add_func("/drain-rules/bound", test_bound);
	g_test_add_func("/drain-rules/preflight", test_preflight);
	return g_test_run();
}
