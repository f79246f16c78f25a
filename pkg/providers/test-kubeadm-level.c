/* Feature levels as pods, manifests and hops tell them. */
#include "providers/kubeadm-level.h"

static void test_minor(void)
{
	static const struct {
		const char *version, *want;
	} cases[] = { { "v1.35.4", "1.35" }, { "1.36.3", "1.36" }, { "1.36", "1.36" },
		{ "1.36.0-rc.1", "1.36" }, { "", "" }, { "latest", "" } };
	char buf[KUBEADM_LEVEL_BYTES];
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
		g_assert_cmpstr(kubeadm_minor(cases[i].version, buf), ==, cases[i].want);
}

static void test_above(void)
{
	static const struct {
		const char *version, *level;
		bool want;
	} cases[] = { { "1.36.3", "1.35", true }, { "v1.35.4", "1.35", false },
		{ "1.9.0", "1.10", false }, { "1.34.9", "1.35", false }, { "", "1.35", false },
		{ "1.36.3", "", false } };
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
		g_assert_true(kubeadm_above(cases[i].version, cases[i].level) == cases[i].want);
}

static json_t *pod(const char *component, const char *node, const char *tag, const char *flag)
{
	g_autofree char *image = g_strdup_printf("registry.example:5000/%s:%s", component, tag);
	g_autofree char *name = g_strdup_printf("%s-%s", component, node);
	return json_pack("{s:{s:s, s:{s:s}}, s:{s:s, s:[{s:s, s:[s, s*]}]}}", "metadata", "name",
		name, "labels", "component", component, "spec", "nodeName", node, "containers",
		"image", image, "command", component, flag);
}

static void test_servers(void)
{
	static const struct {
		const char *name, *tag[2], *flag[2], *low, *high, *level;
		size_t n_below;
	} cases[] = {
		{ "plain", { "v1.36.3", "v1.36.3" }, { NULL }, "1.36.3", "1.36.3", "", 0 },
		{ "all below", { "v1.36.3", "v1.36.3" },
			{ "--emulated-version=1.35", "--emulated-version=kube=1.35" }, "1.36.3",
			"1.36.3", "1.35", 2 },
		{ "one is raised", { "v1.36.3", "v1.36.3" }, { "--emulated-version=1.35" },
			"1.36.3", "1.36.3", "1.35", 1 },
		{ "its own level", { "v1.36.3", "v1.36.3" }, { "--emulated-version=1.36" },
			"1.36.3", "1.36.3", "", 0 },
		{ "two binaries", { "v1.35.4", "v1.36.3" }, { NULL, "--emulated-version=1.35" },
			"1.35.4", "1.36.3", "1.35", 1 },
		{ "two levels", { "v1.36.3", "v1.36.3" },
			{ "--emulated-version=1.35", "--emulated-version=1.34" }, "1.36.3",
			"1.36.3", "1.34", 2 },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(json_t) pods = json_pack("{s:[o, o, o]}", "items",
			pod("kube-apiserver", "a", cases[i].tag[0], cases[i].flag[0]),
			pod("kube-apiserver", "b", cases[i].tag[1], cases[i].flag[1]),
			pod("kube-scheduler", "a", "v1.30.0", "--emulated-version=1.29"));
		Servers s;
		g_test_message("%s", cases[i].name);
		kubeadm_servers(pods, &s);
		g_assert_cmpuint(s.n, ==, 2);
		g_assert_cmpstr(s.low, ==, cases[i].low);
		g_assert_cmpstr(s.high, ==, cases[i].high);
		g_assert_cmpstr(s.level, ==, cases[i].level);
		g_assert_cmpuint(s.n_below, ==, cases[i].n_below);
	}
	Servers none;
	kubeadm_servers(NULL, &none);
	g_assert_cmpstr(none.low, ==, "");
	g_assert_cmpuint(none.n, ==, 0);
}

/* A pod of the old kind is told apart on its own node only. */
static void test_pods_level(void)
{
	g_autoptr(json_t) pods = json_pack("{s:[o, o]}", "items",
		pod("kube-apiserver", "a", "v1.36.3", "--emulated-version=1.35"),
		pod("kube-controller-manager", "b", "v1.36.3", NULL));
	g_autofree char *raised = kubeadm_pods_level(pods, "a", NULL);
	g_autofree char *back = kubeadm_pods_level(pods, "b", "1.35");
	g_assert_cmpstr(raised, ==, "pod kube-apiserver-a stands at feature level 1.35");
	g_assert_cmpstr(back, ==, "pod kube-controller-manager-b stands at feature level 1.36.3");
	g_assert_null(kubeadm_pods_level(pods, "a", "1.35"));
	g_assert_null(kubeadm_pods_level(pods, "b", NULL));
}

static json_t *manifest(const char *component, const char *emulated)
{
	g_autofree char *image = g_strdup_printf("registry.example/%s:v1.36.3", component);
	return json_pack("{s:s, s:s?}", "image", image, "emulated", emulated);
}

static void test_look(void)
{
	static const struct {
		const char *flags[3], *level;
		bool want;
	} cases[] = { { { NULL }, NULL, true }, { { "1.36", "1.36", "1.36" }, NULL, true },
		{ { "1.35" }, NULL, false }, { { "1.35", "1.35", "1.35" }, "1.35", true },
		{ { "1.35", "1.35", NULL }, "1.35", false },
		{ { "1.34", "1.34", "1.34" }, "1.35", false } };
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(json_t) look = json_pack("{s:{s:o, s:o, s:o}}", "manifests",
			"kube-apiserver", manifest("kube-apiserver", cases[i].flags[0]),
			"kube-controller-manager",
			manifest("kube-controller-manager", cases[i].flags[1]), "kube-scheduler",
			manifest("kube-scheduler", cases[i].flags[2]));
		g_test_message("%zu", i);
		g_assert_true(kubeadm_look_at_level(look, cases[i].level) == cases[i].want);
	}
	g_autoptr(json_t) nothing = json_object();
	g_assert_false(kubeadm_look_at_level(nothing, NULL));
}

static void test_hops(void)
{
	char buf[KUBEADM_LEVEL_BYTES];
	g_autoptr(json_t) plain = kubeadm_hop_json("1.35.4", "1.36.3", 0, true);
	g_autoptr(json_t) first = kubeadm_first_hop("1.35.4", "1.36.3", 0);
	g_autoptr(json_t) raise =
		json_pack("{s:s, s:s, s:s}", "from", "1.35.4", "to", "1.36.3", "raise", "1.35");
	g_assert_cmpstr(kubeadm_emulated(plain), ==, NULL);
	g_assert_cmpstr(kubeadm_emulated(first), ==, "1.35");
	g_assert_true(kubeadm_raises(raise) && !kubeadm_raises(first));
	g_assert_cmpstr(kubeadm_level_before(plain, buf), ==, "1.35");
	g_assert_cmpstr(kubeadm_level_before(first, buf), ==, "1.35");
	g_assert_cmpstr(kubeadm_level_before(raise, buf), ==, "1.35");
	g_assert_cmpstr(hop_key(plain), ==, "1.36.3");
	g_assert_cmpstr(hop_key(first), ==, "1.36.3-at-1.35");
	g_assert_cmpstr(
		json_path_str(first, "text", ""), ==, "1.35.4 -> 1.36.3 at feature level 1.35");
	g_assert_false(json_path_bool(first, "last", true));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/level/minor", test_minor);
	g_test_add_func("/level/above", test_above);
	g_test_add_func("/level/servers", test_servers);
	g_test_add_func("/level/pods", test_pods_level);
	g_test_add_func("/level/look", test_look);
	g_test_add_func("/level/hops", test_hops);
	return g_test_run();
}
