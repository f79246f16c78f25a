/* Canaries where pools are upgraded: which hardware shares a pool is said, or refused. */
#include "fleet/test-faults.h"

static const struct {
	const char *name, *canary;
	bool mixed; /* one of the workers is of another class */
	const char *level; /* of the finding; NULL: there is none */
} cases[] = {
	{ "prefer, one class", "prefer", false, NULL },
	{ "prefer, two classes", "prefer", true, "warn" },
	{ "require, one class", "require", false, NULL },
	{ "require, two classes", "require", true, "block" },
	{ "none, two classes", "none", true, NULL },
};

static void label(Rig *r, const char *node, const char *type, const char *product)
{
	json_t *labels = json_pack("{s:s}", "node.kubernetes.io/instance-type", type);
	if (product)
		json_object_set_new(labels, "nvidia.com/gpu.product", json_string(product));
	g_assert_cmpint(
		sim_cluster_patch(sim_fleet_find(r->world, "a"), SIM_NODES, NULL, node,
			SIM_SUB_NONE, "test", json_pack("{s:{s:o}}", "metadata", "labels", labels)),
		==, 200);
}

/* With the level; NULL: no such finding. */
static const char *finding_of(Rig *r, const char **ret_text)
{
	size_t i;
	json_t *f;
	json_array_foreach (json_object_get(item_memo(story_item(r, "a")), "findings"), i, f) {
		*ret_text = json_path_str(f, "message", "");
		if (strcmp(json_path_str(f, "code", ""), "canary") == 0)
			return json_path_str(f, "level", "");
	}
	return NULL;
}

static void test_case(const void *data)
{
	size_t i = (size_t)GPOINTER_TO_INT(data);
	g_autoptr(Rig) r = faults_begin("a", NULL);
	label(r, "a-worker-0", "m6i.xlarge", NULL);
	label(r, "a-worker-1", "m6i.xlarge", NULL);
	label(r, "a-worker-2", cases[i].mixed ? "g5.2xlarge" : "m6i.xlarge",
		cases[i].mixed ? "NVIDIA-A10G" : NULL);
	g_autofree char *yaml = g_strdup_printf(
		FAST HEAD("DrainPolicy", "dp") "spec: {nodes: {canary: %s}}\n" CLUSTER("a")
			PLAN_WITH("up", WAVE("[a]"), "  policies: {gates: fast, drain: dp}\n"),
		cases[i].canary);
	story_submit(r, yaml);
	bool refused = g_strcmp0(cases[i].level, "block") == 0;
	story_reach(r, "a", refused ? "ended" : "claim", NULL);
	g_assert_cmpstr(story_outcome(r, "a"), ==, refused ? "Refused" : "");
	const char *text = NULL, *level = finding_of(r, &text);
	g_assert_cmpstr(level, ==, cases[i].level);
	if (level)
		g_assert_cmpstr(text, ==,
			"pool worker holds 2 classes of hardware, which no canary tells apart: "
			"g5.2xlarge NVIDIA-A10G; m6i.xlarge");
	if (refused)
		g_assert_null(outside_claim(r, "a"));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *path = g_strdup_printf("/canary/%s", cases[i].name);
		g_test_add_data_func(path, GINT_TO_POINTER((int)i), test_case);
	}
	return g_test_run();
}
