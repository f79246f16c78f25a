/* kube-proxy and CoreDNS on both ways, on simulated nodes; and crashes at every write of the
 * kubelets' part. */
#include "fleet/test-kubeadm-judge.h"

#define SAVED                                                                                      \
	"shiplock-objects 1\n{\"kind\":\"List\",\"items\":["                                       \
	"{\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"coredns\"},\"data\":{\"Corefile\":"      \
	"\"old\"}},"                                                                               \
	"{\"kind\":\"DaemonSet\",\"metadata\":{\"name\":\"kube-proxy\"},\"spec\":{\"template\":"   \
	"{\"spec\":{\"containers\":[{\"name\":\"kube-proxy\",\"image\":\"r.sim/"                   \
	"kube-proxy:v1.35.4\"}],\"hostNetwork\":true}}}},"                                         \
	"{\"kind\":\"Deployment\",\"metadata\":{\"name\":\"coredns\"},\"spec\":{\"template\":"     \
	"{\"spec\":{\"containers\":[{\"name\":\"coredns\",\"image\":\"r.sim/coredns:v1.12\"}]}}"   \
	"}}]}\n"

typedef struct World {
	FakeNodes *f;
	bool slow; /* DaemonSets are never rolled out */
	const char *crash_at; /* "METHOD part of the path"; NULL: not */
} World;
static World world;

static SimObj *addon(SimKindId kind, const char *name)
{
	return sim_store_find(sim_cluster_store(world.f->c), kind, "kube-system", name);
}

static void put_addon(SimKindId kind, const char *name, const char *image, const char *more)
{
	g_autofree char *text = g_strdup_printf(
		"{\"metadata\":{\"name\":\"%s\",\"namespace\":\"kube-system\",\"generation\":1},"
		"\"spec\":{\"replicas\":2,\"template\":{\"spec\":{\"containers\":[{\"name\":\"%s\","
		"\"image\":\"%s\"}]%s}}},\"status\":{\"observedGeneration\":1000,"
		"\"desiredNumberScheduled\":3,\"updatedNumberScheduled\":%d,\"numberAvailable\":3,"
		"\"replicas\":2,\"updatedReplicas\":2,\"availableReplicas\":2}}",
		name, name, image, more, world.slow ? 1 : 3);
	sim_store_put(sim_cluster_store(world.f->c), sim_kind(kind),
		json_parse(text, strlen(text), NULL));
}

static void put_corefile(const char *text)
{
	sim_store_put(sim_cluster_store(world.f->c), sim_kind(SIM_CONFIGMAPS),
		json_pack("{s:{s:s, s:s}, s:{s:s}}", "metadata", "name", "coredns", "namespace",
			"kube-system", "data", "Corefile", text));
}

/* kubeadm moves them with the control plane. */
static int moves_addons(const FakeNode *n, const NodeJob *j, void *ud)
{
	if (strcmp(j->kind, "up-control-plane") != 0)
		return 0;
	put_addon(SIM_DAEMONSETS, "kube-proxy", "r.sim/kube-proxy:v1.36.3",
		",\"hostNetwork\":true,\"priority\":7");
	put_addon(SIM_DEPLOYMENTS, "coredns", "r.sim/coredns:v1.13", "");
	put_corefile("new");
	return 0;
}

static void crash_now(void *ud)
{
	rig_crash(world.f->r);
	rig_start(world.f->r);
}

static void see(const SimAudit *a, void *ud)
{
	g_autofree char *line = g_strdup_printf("%s %s", a->request->method, a->request->path);
	g_auto(GStrv) at = g_strsplit(world.crash_at ? world.crash_at : "-", " ", 2);
	if (a->changed && strstr(line, "PATCH") && strstr(line, "kube-system/daemonsets"))
		g_string_append(world.f->log, "kube-proxy is patched\n");
	if (a->changed && at[1] && g_str_has_prefix(line, at[0]) && strstr(line, at[1])) {
		world.crash_at = NULL;
		loop_timer(world.f->world, loop_boot_usec(world.f->world), crash_now, NULL);
	}
	audit(a, ud);
}

static FakeNodes *with_addons(void)
{
	FakeNodes *f = nodes_new(1, 2);
	world = (World){ .f = f };
	f->objects = SAVED;
	f->code = moves_addons;
	put_addon(
		SIM_DAEMONSETS, "kube-proxy", "r.sim/kube-proxy:v1.35.4", ",\"hostNetwork\":true");
	put_addon(SIM_DEPLOYMENTS, "coredns", "r.sim/coredns:v1.12", "");
	put_corefile("old");
	sim_api_set_audit(sim_cluster_api(f->c), see, f);
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	return f;
}

#define BACK_LOG                                                                                   \
	UP_LOG_1 "up-kubelet on k-worker-0 -> 1.36.3\n"                                            \
		 "down-kubelet on k-worker-0 -> 1.35.4\n"                                          \
		 "kube-proxy is patched\n" DOWN_LOG_1

static void judge_addons(FakeNodes *f)
{
	const char *image = "spec.template.spec.containers.0.image";
	const json_t *proxy = addon(SIM_DAEMONSETS, "kube-proxy")->json;
	g_assert_cmpstr(json_path_str(proxy, image, ""), ==, "r.sim/kube-proxy:v1.35.4");
	g_assert_true(json_path_bool(proxy, "spec.template.spec.hostNetwork", false));
	g_assert_null(json_path(proxy, "spec.template.spec.priority"));
	g_assert_cmpstr(json_path_str(addon(SIM_DEPLOYMENTS, "coredns")->json, image, ""), ==,
		"r.sim/coredns:v1.12");
	g_assert_cmpstr(json_path_str(addon(SIM_CONFIGMAPS, "coredns")->json, "data.Corefile", ""),
		==, "old");
	judge_end(f, "RolledBack", "1.35.4/1.35.4 1.35.4 1.35.4");
	g_assert_cmpstr(f->log->str, ==, BACK_LOG);
}

/* After the kubelets, before scheduler and controller manager; once each. */
static void test_back(void)
{
	g_autoptr(FakeNodes) f = with_addons();
	worker_0_moved(f);
	g_assert_true(story_command(f->r, "rollback", "k"));
	g_assert_cmpint(story_rest(f->r), ==, 4);
	judge_addons(f);
}

/* Not rolled out: the control plane does not move before it is. */
static void test_back_waits(void)
{
	g_autoptr(FakeNodes) f = with_addons();
	worker_0_moved(f);
	world.slow = true;
	put_addon(SIM_DAEMONSETS, "kube-proxy", "r.sim/kube-proxy:v1.36.3",
		",\"hostNetwork\":true,\"priority\":7");
	g_assert_true(story_command(f->r, "rollback", "k"));
	story_reach(f->r, "k", "rollback", "addons");
	g_assert_nonnull(strstr(story_held(f->r, "k", "addons"), "DaemonSet kube-proxy: 1 of 3"));
	g_assert_null(strstr(f->log->str, "down-helpers"));
	world.slow = false;
	put_addon(
		SIM_DAEMONSETS, "kube-proxy", "r.sim/kube-proxy:v1.35.4", ",\"hostNetwork\":true");
	g_assert_cmpint(story_rest(f->r), ==, 4);
	judge_addons(f);
}

/* No worker begins before they stand; one that was broken before does not count. */
static void test_up_waits(void)
{
	g_autoptr(FakeNodes) f = with_addons();
	story_reach(f->r, "k", "cp-soak", NULL);
	world.slow = true;
	put_addon(SIM_DAEMONSETS, "kube-proxy", "r.sim/kube-proxy:v1.36.3", "");
	story_reach(f->r, "k", "nodes", "addons");
	g_assert_cmpstr(f->log->str, ==, UP_LOG_1);
	world.slow = false;
	put_addon(SIM_DAEMONSETS, "kube-proxy", "r.sim/kube-proxy:v1.36.3", "");
	g_assert_cmpint(story_rest(f->r), ==, 0);
	judge_end(f, "Succeeded", "1.36.3/1.36.3 1.36.3 1.36.3");
}

static void test_broken_before(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	world = (World){ .f = f, .slow = true };
	put_addon(SIM_DAEMONSETS, "kube-proxy", "r.sim/kube-proxy:v1.35.4", "");
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	g_assert_cmpint(story_rest(f->r), ==, 0);
	judge_end(f, "Succeeded", "1.36.3/1.36.3 1.36.3 1.36.3");
}

/* The backup set has none, and kube-proxy is newer: a person is asked before the control plane. */
static void test_not_saved(void)
{
	g_autoptr(FakeNodes) f = with_addons();
	f->objects = "shiplock-objects 0\n";
	story_reach(f->r, "k", "cp-soak", NULL);
	worker_fails(f);
	story_reach(f->r, "k", "rollback", "addons");
	g_assert_nonnull(strstr(story_held(f->r, "k", "addons"), "DaemonSet kube-proxy is newer"));
	g_assert_cmpstr(f->log->str, ==, UP_LOG_1);
	put_addon(SIM_DAEMONSETS, "kube-proxy", "r.sim/kube-proxy:v1.35.4", "");
	g_assert_true(story_command(f->r, "resume", "k"));
	g_assert_cmpint(story_rest(f->r), ==, 4);
}

/* A crash after each write: the end is that of the undisturbed run, and nothing is done twice. */
static void test_crashes(void)
{
	static const char *const points[] = { "POST kube-system/pods",
		"DELETE kube-system/pods/shiplock-trial", "PATCH kube-system/daemonsets",
		"PATCH kube-system/deployments", "PATCH kube-system/configmaps/coredns" };
	for (size_t i = 0; i < G_N_ELEMENTS(points); i++) {
		g_autoptr(FakeNodes) f = with_addons();
		world.crash_at = points[i];
		g_test_message("%s", points[i]);
		worker_0_moved(f);
		while (!f->r->fleet)
			story_pass(f->r, 1);
		g_assert_true(story_command(f->r, "rollback", "k"));
		g_assert_cmpint(story_rest(f->r), ==, 4);
		g_assert_null(world.crash_at);
		judge_addons(f);
	}
}

/* kubeadm was killed after its manifests, and the journal is lost: it is run again. */
static void test_later_phases(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	FakeNode *n = &f->nodes[0];
	node_set(&n->manifests, "1.36.3");
	node_set(&n->helpers, "1.36.3");
	node_set(&n->kubeadm, "1.36.3");
	node_show_control_plane(f, n);
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	g_assert_cmpint(story_rest(f->r), ==, 0);
	judge_end(f, "Succeeded", "1.36.3/1.36.3 1.36.3 1.36.3");
	g_assert_true(g_str_has_prefix(f->log->str, "up-control-plane on k-master-0 -> 1.36.3\n"));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/addons/back", test_back);
	g_test_add_func("/addons/back-waits", test_back_waits);
	g_test_add_func("/addons/up-waits", test_up_waits);
	g_test_add_func("/addons/broken-before", test_broken_before);
	g_test_add_func("/addons/not-saved", test_not_saved);
	g_test_add_func("/addons/crashes", test_crashes);
	g_test_add_func("/addons/later-phases", test_later_phases);
	return g_test_run();
}
