/* The readiness list in a run: each prepared state is asked for its way back in cp-soak. */
#include "fleet/test-kubeadm-extra.h"
#include "fleet/test-kubeadm-judge.h"

#define EXTRA_SERVED GROUP("admissionregistration.k8s.io", "v1", "mutatingadmissionpolicies")

static void damage(FakeNodes *f)
{
	f->nodes[0].damaged = true;
}

static void lose_sets(FakeNodes *f)
{
	f->nodes[0].sets_gone = true;
}

static void lose_software(FakeNodes *f)
{
	f->gone = "1.35.4";
}

static void lose_image(FakeNodes *f)
{
	f->images = "shiplock-images 1\nimage no Never r/kube-apiserver:v1.35.4\nend\n";
}

static void must_pull(FakeNodes *f)
{
	f->images = "shiplock-images 1\nimage no IfNotPresent r/kube-apiserver:v1.35.4\nend\n";
}

static void lose_quorum(FakeNodes *f)
{
	f->nodes[0].etcd_off = true;
}

static void raise_alarm(FakeNodes *f)
{
	f->alarm = "memberID:1 alarm:NOSPACE";
}

static void kubelet_ahead(FakeNodes *f)
{
	node_set(&f->nodes[2].kubelet, "1.36.9");
	node_show_kubelet(f, &f->nodes[2]);
}

/* As if it had been there in an earlier run. */
static void mark(FakeNodes *f, const char *member, const char *value)
{
	g_assert_cmpint(
		sim_cluster_patch(f->c, SIM_CONFIGMAPS, "kube-system", "shiplock-claim",
			SIM_SUB_NONE, "test", json_pack("{s:{s:s}}", "data", member, value)),
		==, 200);
}

static void was_newer(FakeNodes *f)
{
	mark(f, "highest", "1.37.0");
}

static void was_raised(FakeNodes *f)
{
	mark(f, "highestCompat", "36");
}

static const struct {
	const char *name;
	void (*make)(FakeNodes *f); /* in cp-soak; NULL: nothing */
	Extra extras[EXTRAS_MAX]; /* from cp-soak on */
	bool open; /* T2 */
	const char *text;
} cases[] = {
	{ "as it is", NULL, { { 0 } }, true, "T2 to 1.35.4" },
	{ "set damaged", damage, { { 0 } }, false, "is not what was saved" },
	{ "set gone from the node, kept by us", lose_sets, { { 0 } }, true, "T2 to 1.35.4" },
	{ "software gone", lose_software, { { 0 } }, false,
		"the software of 1.35.4 is not at hand on k-master-0" },
	{ "image gone, never pulled", lose_image, { { 0 } }, false,
		"image r/kube-apiserver:v1.35.4 is not on k-master-0" },
	{ "image to be pulled", must_pull, { { 0 } }, true, "must pull images first" },
	{ "etcd does not answer", lose_quorum, { { 0 } }, false, "etcd cannot be asked" },
	{ "etcd takes no writes", raise_alarm, { { 0 } }, false, "etcd has an alarm" },
	{ "a kubelet newer than both", kubelet_ahead, { { 0 } }, false,
		"the kubelet of k-worker-1 runs 1.36.9" },
	{ "the control plane was at 1.37", was_newer, { { 0 } }, false,
		"the control plane has run 1.37.0" },
	{ "min-compatibility was raised once", was_raised, { { 0 } }, false,
		"--min-compatibility-version=1.36 once" },
	{ "min-compatibility is raised", NULL,
		{ { "/version", "{\"gitVersion\":\"v1.36.3\",\"minCompatibilityMinor\":\"36\"}" } },
		false, "--min-compatibility-version=1.36, above 1.35" },
	{ "a webhook on pods is away", NULL,
		{ { ADMISSION "validatingwebhookconfigurations",
			  HOOK(RULES("", "pods", "CREATE")) },
			{ SLICES, NOT_READY } },
		false, "webhook g.example.io" },
	{ "objects that the older one does not serve", NULL,
		{ { "/apis", EXTRA_SERVED },
			{ "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies",
				COUNT("{}", "1") } },
		true,
		"leaves 2 mutatingadmissionpolicies.admissionregistration.k8s.io hidden, which "
		"1.35.4 does not serve" },
	{ "a definition that came since", NULL, { { KUBEADM_CRDS_PATH, CRD("") } }, true,
		"leaves widgets.example.io (new) as CustomResourceDefinition" },
};

/* What was served and defined when the hop began. */
static const Extra begin[] = {
	{ "/apis", GROUP("admissionregistration.k8s.io", "v1", "validatingadmissionpolicies") },
	{ KUBEADM_CRDS_PATH, LIST("") },
};

static const char *how_of(const FakeNodes *f)
{
	const Item *k = story_item(f->r, "k");
	return json_path_str(item_memo(k), "offer.how", "");
}

static bool held_or_back(void *ud)
{
	FakeNodes *f = ud;
	const Item *k = story_item(f->r, "k");
	return !k || item_held(k) || strcmp(item_state_name(k), "rollback") == 0;
}

/* The gate fails: the way back is probed anew, and begins only where it is open. */
static void test_each_state(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s", cases[i].name);
		g_autoptr(FakeNodes) f = nodes_new(1, 2);
		Extras e = { begin, G_N_ELEMENTS(begin) };
		sim_api_set_extra(sim_cluster_api(f->c), extra, &e);
		rig_start(f->r);
		story_submit(f->r, DOCUMENTS);
		story_reach(f->r, "k", "cp-soak", NULL);
		if (cases[i].make)
			cases[i].make(f);
		if (cases[i].extras[0].path)
			e = (Extras){ cases[i].extras, EXTRAS_MAX };
		site_fact_forget(item_site(story_item(f->r, "k")), NULL, NULL);
		worker_fails(f);
		int64_t until = loop_boot_usec(f->world) + 600 * RIG_SEC;
		g_assert_true(loop_sim_run(f->r->loop, held_or_back, f, until));
		g_test_message("%s\n%s", how_of(f), f->r->story->str);
		g_assert_nonnull(strstr(how_of(f), cases[i].text));
		g_assert_true(g_str_has_prefix(how_of(f), "T2 ") == cases[i].open);
	}
}

/* The marks of the claim rise and never fall. */
static void test_high_water(void)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	story_reach(f->r, "k", "cp-soak", NULL);
	g_assert_cmpstr(json_path_str(claim_map(f), "data.highest", ""), ==, "1.35.4");
	worker_fails(f);
	g_assert_cmpint(story_rest(f->r), ==, 4);
	g_assert_cmpstr(json_path_str(claim_map(f), "data.highest", ""), ==, "1.36.3");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/kubeadm-probe/each-state", test_each_state);
	g_test_add_func("/kubeadm-probe/high-water", test_high_water);
	return g_test_run();
}
