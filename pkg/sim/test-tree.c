/* Trees: patches, text, and one seed as one story. */
#include "sim/test-rig.h"

static void test_merge(void)
{
	static const struct {
		const char *old, *patch, *want;
	} cases[] = {
		{ "{\"a\":1}", "{\"b\":2}", "{\"a\":1,\"b\":2}" },
		{ "{\"a\":{\"b\":1,\"c\":2}}", "{\"a\":{\"b\":null}}", "{\"a\":{\"c\":2}}" },
		{ "{\"a\":[1]}", "{\"a\":[2,null]}", "{\"a\":[2,null]}" },
		{ "{\"a\":1}", "{\"a\":{\"b\":{\"c\":null}}}", "{\"a\":{\"b\":{}}}" },
		{ "{\"a\":{\"b\":1}}", "{\"a\":7}", "{\"a\":7}" },
		{ "{}", "[1]", "[1]" },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s + %s", cases[i].old, cases[i].patch);
		g_autoptr(json_t) old = json_loads(cases[i].old, 0, NULL);
		g_autoptr(json_t) patch = json_loads(cases[i].patch, 0, NULL);
		g_autoptr(json_t) out = tree_merge(old, patch);
		g_autofree char *text = tree_text(out);
		g_assert_cmpstr(text, ==, cases[i].want);
		g_autofree char *kept = tree_text(old);
		g_assert_cmpstr(kept, ==, cases[i].old);
	}
}

static void test_json_patch(void)
{
	static const struct {
		const char *old, *ops, *want; /* NULL: refused */
	} cases[] = {
		{ "{}", "[{\"op\":\"add\",\"path\":\"/a\",\"value\":1}]", "{\"a\":1}" },
		{ "{\"a\":[1,3]}", "[{\"op\":\"add\",\"path\":\"/a/1\",\"value\":2}]",
			"{\"a\":[1,2,3]}" },
		{ "{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/-\",\"value\":2}]",
			"{\"a\":[1,2]}" },
		{ "{\"a\":[1,2]}", "[{\"op\":\"remove\",\"path\":\"/a/0\"}]", "{\"a\":[2]}" },
		{ "{\"a\":{\"b/c\":1}}", "[{\"op\":\"replace\",\"path\":\"/a/b~1c\",\"value\":2}]",
			"{\"a\":{\"b/c\":2}}" },
		{ "{\"a\":1}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":1}]", "{\"a\":1}" },
		{ "{\"a\":1}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":2}]", NULL },
		{ "{\"a\":1}", "[{\"op\":\"remove\",\"path\":\"/b\"}]", NULL },
		{ "{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"/a/b\",\"value\":2}]", NULL },
		{ "{\"a\":[1]}", "[{\"op\":\"replace\",\"path\":\"/a/1\",\"value\":2}]", NULL },
		{ "{\"a\":1}", "[{\"op\":\"move\",\"path\":\"/a\",\"value\":2}]", NULL },
		{ "{\"a\":1}", "{}", NULL },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s + %s", cases[i].old, cases[i].ops);
		g_autoptr(GError) err = NULL;
		g_autoptr(json_t) old = json_loads(cases[i].old, 0, NULL);
		g_autoptr(json_t) ops = json_loads(cases[i].ops, 0, NULL);
		g_autoptr(json_t) out = tree_json_patch(old, ops, &err);
		g_assert_cmpint(out != NULL, ==, cases[i].want != NULL);
		g_assert_cmpint(err != NULL, ==, cases[i].want == NULL);
		g_autofree char *text = out ? tree_text(out) : NULL;
		g_assert_cmpstr(text, ==, cases[i].want);
		g_autofree char *kept = tree_text(old);
		g_assert_cmpstr(kept, ==, cases[i].old);
	}
}

static void test_text(void)
{
	g_autoptr(json_t) v = json_pack("{s:s, s:[i, f, b, n], s:{}, s:[]}", "s\"",
		"quote \" slash \\ line\n tab\t bell\x07 \xc3\xa9", "list", -3, 1.5, 1, "empty",
		"none");
	g_autofree char *text = tree_text(v);
	g_autoptr(json_t) back = json_loads(text, 0, NULL);
	g_assert_true(json_equal(v, back));
	g_assert_nonnull(strstr(text, "bell\\u0007"));
}

/* The whole world as one text. */
static char *story(uint64_t seed)
{
	g_autoptr(LoopSim) loop = loop_sim_new(seed, 1795000000 * SEC);
	SimSpec spec = spec_of("4.21.8", NULL, "4.21.9");
	g_autoptr(SimCluster) c = sim_cluster_new(
		&spec, loop_sim_loop(loop), (SimSink){ rig_no_line, rig_no_end, NULL });
	g_autofree char *image = sim_release_image("4.21.9");
	sim_cluster_patch(c, SIM_CLUSTERVERSIONS, NULL, "version", SIM_SUB_NONE, "test",
		json_pack("{s:{s:{s:s, s:s}}}", "spec", "desiredUpdate", "version", "4.21.9",
			"image", image));
	loop_sim_run(loop, rig_never, NULL, 1500 * SEC);
	GString *out = g_string_new(NULL);
	for (SimKindId k = 0; k < SIM_KINDS; k++)
		for (size_t i = 0; i < sim_store_n(sim_cluster_store(c), k); i++)
			tree_append_text(out, sim_store_at(sim_cluster_store(c), k, i)->json);
	return g_string_free(out, FALSE);
}

static void test_one_seed_one_story(void)
{
	g_autofree char *a = story(1), *b = story(1), *c = story(2);
	g_assert_cmpstr(a, ==, b);
	g_assert_cmpstr(a, !=, c);
}

static void create(Rig *r, SimKindId k, const char *body)
{
	SimWrite w = { .verb = SIM_CREATE,
		.kind = sim_kind(k),
		.ns = (char *)"apps",
		.body = json_loads(body, 0, NULL) };
	g_auto(SimAnswer) a = sim_write(sim_cluster_store(r->c), &w, 1795000000 * SEC);
	g_assert_cmpint(a.status, ==, 201);
	json_decref(w.body);
	pause_pool(r, false); /* a write past the API starts nothing by itself */
}

static void test_stateful_set(void)
{
	SimSpec spec = spec_of("4.21.8", NULL, NULL);
	g_autoptr(Rig) r = rig_new(&spec);
	create(r, SIM_STATEFULSETS,
		"{\"metadata\":{\"name\":\"db\"},\"spec\":{\"replicas\":2,\"template\":{"
		"\"metadata\":{\"labels\":{\"app\":\"db\"}},\"spec\":{}}}}");
	pass(r, 3 * SEC);
	g_assert_null(sim_store_find(sim_cluster_store(r->c), SIM_PODS, "apps", "db-1"));
	pass(r, 20 * SEC);
	g_autofree char *uid =
		g_strdup(tree_str(object_in(r, SIM_PODS, "apps", "db-1")->json, "metadata.uid"));
	SimWrite w = { .verb = SIM_DELETE,
		.kind = sim_kind(SIM_PODS),
		.ns = (char *)"apps",
		.name = (char *)"db-1" };
	g_auto(SimAnswer) a =
		sim_write(sim_cluster_store(r->c), &w, sim_cluster_now(r->c).wall_usec);
	pause_pool(r, true);
	pass(r, SEC);
	g_assert_true(object_in(r, SIM_PODS, "apps", "db-1")->pod.deleting);
	pass(r, 20 * SEC);
	SimObj *again = object_in(r, SIM_PODS, "apps", "db-1");
	g_assert_true(again->pod.ready);
	g_assert_cmpstr(tree_str(again->json, "metadata.uid"), !=, uid);
}

static void test_unmanaged_pod(void)
{
	SimSpec spec = spec_of("4.21.8", NULL, NULL);
	g_autoptr(Rig) r = rig_new(&spec);
	create(r, SIM_PODS,
		"{\"metadata\":{\"name\":\"lone\",\"labels\":{\"app\":\"lone\"}},\"spec\":{}}");
	create(r, SIM_PDBS,
		"{\"metadata\":{\"name\":\"lone\"},\"spec\":{\"maxUnavailable\":1,\"selector\":{"
		"\"matchLabels\":{\"app\":\"lone\"}}}}");
	pause_pool(r, true);
	pass(r, 20 * SEC);
	const json_t *pdb = object_in(r, SIM_PDBS, "apps", "lone")->json;
	g_assert_cmpstr(json_path_str(pdb, "status.conditions.0.reason", NULL), ==, "SyncFailed");
	g_assert_cmpint(json_path_int(pdb, "status.disruptionsAllowed", 9), ==, 0);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/tree/merge", test_merge);
	g_test_add_func("/tree/json-patch", test_json_patch);
	g_test_add_func("/tree/text", test_text);
	g_test_add_func("/world/one-seed", test_one_seed_one_story);
	g_test_add_func("/world/stateful-set", test_stateful_set);
	g_test_add_func("/world/unmanaged-pod", test_unmanaged_pod);
	return g_test_run();
}
