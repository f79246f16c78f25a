/* The actuator git against a simulated Flux: who owns the field, what proves a commit, what holds.
 */
#include "fleet/test-gitops.h"

#define ACTUATOR                                                                                   \
	"  actuator:\n    type: git\n    repository: " GITOPS_REPO                                 \
	"\n    sync: {flux: {cluster: a, "                                                         \
	"namespace: flux-system, kustomization: a}, timeout: 15m}\n"
#define BY_GIT FAST CLUSTER_WITH("a", ACTUATOR) UP(WAVE("[a]"), "")

static void test_up(void)
{
	GitWorld *g = gitops_begin_with(false, true);
	Rig *r = g->r;
	story_submit(r, BY_GIT);
	faults_ends(r, "a", "Succeeded");
	g_assert_cmpstr(outside_version(r, "a"), ==, NEW);
	g_assert_null(outside_claim(r, "a"));
	gitops_expect(g, "version-" NEW "-1");
	gitops_end(g);
}

static void test_back(void)
{
	GitWorld *g = gitops_begin_with(false, true);
	Rig *r = g->r;
	story_submit(r, BY_GIT);
	story_reach(r, "a", "cp-soak", NULL);
	faults_set(r, "a", SIM_FAULT_BIT(SIM_FAULT_ERROR_RATE_RISE));
	faults_ends(r, "a", "RolledBack");
	g_assert_cmpstr(outside_version(r, "a"), ==, OLD);
	gitops_expect(g, "version-" NEW "-1 version-" OLD "-2");
	gitops_end(g);
}

/* ---- held with the reason, and on by itself ---- */

static void stop(GitWorld *g, bool on)
{
	g->argo->down = on;
}
static void suspend(GitWorld *g, bool on)
{
	sim_argo_patch_app(g->argo, json_pack("{s:{s:b}}", "spec", "suspend", (int)on));
}
static void fail(GitWorld *g, bool on)
{
	g->argo->fails = on ? "kustomize build failed" : NULL;
}
static void follow(GitWorld *g, bool on)
{
	g->argo->branch = on ? "stable" : NULL;
}

static const struct {
	const char *what;
	void (*spoil)(GitWorld *g, bool on);
	const char *cause, *words;
} holds[] = {
	{ "out of sync", stop, "sync", "is not applied after 15m: Flux Kustomization a stands at" },
	{ "suspended", suspend, "sync-blocked", "Flux Kustomization a is suspended" },
	{ "failing", fail, "sync-blocked", "Flux Kustomization a fails: kustomize build failed" },
	{ "another branch", follow, "sync-blocked",
		"Flux Kustomization a applies branch stable, not main" },
};

static void test_holds(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(holds); i++) {
		g_test_message("%s", holds[i].what);
		GitWorld *g = gitops_begin_with(false, true);
		Rig *r = g->r;
		story_submit(r, BY_GIT);
		story_reach(r, "a", "control-plane", NULL);
		holds[i].spoil(g, true);
		story_reach(r, "a", "control-plane", holds[i].cause);
		const char *text = story_held(r, "a", holds[i].cause);
		if (!strstr(text, holds[i].words))
			g_error("no \"%s\" in %s", holds[i].words, text);
		faults_pass(r, 1800);
		g_assert_cmpstr(outside_wanted(r, "a"), ==, OLD);
		holds[i].spoil(g, false);
		faults_ends(r, "a", "Succeeded");
		gitops_expect(g, "version-" NEW "-1");
		gitops_end(g);
	}
}

/* ---- whose it is ---- */

static json_t *labels(const char *name)
{
	return json_pack("{s:{s:{s:s?, s:s?}}}", "metadata", "labels",
		"kustomize.toolkit.fluxcd.io/name", name, "kustomize.toolkit.fluxcd.io/namespace",
		name ? "flux-system" : NULL);
}
static json_t *disabled(void)
{
	return json_pack("{s:{s:{s:s}}}", "metadata", "annotations",
		"kustomize.toolkit.fluxcd.io/reconcile", "disabled");
}

static const struct {
	const char *what;
	bool labelled, off;
	const char *words; /* NULL: nobody's */
} owners[] = {
	{ "by label", true, false, "Flux Kustomization flux-system/a owns ClusterVersion" },
	{ "by its field manager alone", false, false,
		"Flux Kustomization (its name is not known) owns ClusterVersion" },
	{ "told to leave it alone", true, true, NULL },
};

/* Patched directly it would be put back: refused by the owner's name. */
static void test_owner(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(owners); i++) {
		g_test_message("%s", owners[i].what);
		GitWorld *g = gitops_begin_with(false, true);
		Rig *r = g->r;
		g->argo->down = owners[i].off;
		faults_pass(r, 5); /* the field is its own by now */
		sim_cluster_patch(g->argo->cluster, SIM_CLUSTERVERSIONS, NULL, "version",
			SIM_SUB_NONE, "x", labels(owners[i].labelled ? "a" : NULL));
		if (owners[i].off)
			sim_cluster_patch(g->argo->cluster, SIM_CLUSTERVERSIONS, NULL, "version",
				SIM_SUB_NONE, "x", disabled());
		story_submit(r, ONLY_A);
		faults_ends(r, "a", owners[i].words ? "Refused" : "Succeeded");
		g_autofree char *findings = faults_findings(r, "a");
		if (owners[i].words && !strstr(findings, owners[i].words))
			g_error("no \"%s\" in %s", owners[i].words, findings);
		g_assert_cmpstr(outside_version(r, "a"), ==, owners[i].words ? OLD : NEW);
		gitops_end(g);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/gitops/flux/up", test_up);
	g_test_add_func("/gitops/flux/back", test_back);
	g_test_add_func("/gitops/flux/holds", test_holds);
	g_test_add_func("/gitops/flux/owner", test_owner);
	return g_test_run();
}
