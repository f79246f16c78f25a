/* The actuator git: rights that are missing where the GitOps controller runs, and on pools. */
#include "fleet/test-gitops.h"
#include "sim/api.h"

#define BY_GIT(more) FAST CLUSTER_WITH("a", GITOPS_ACTUATOR(more)) UP(WAVE("[a]"), "")
#define POOLS "    poolsFile: " GITOPS_POOLS "\n"

static const struct {
	const char *what, *verb, *resource;
	bool pools; /* a file holds pool worker */
	const char *doc, *outcome;
	const char *says; /* NULL: nothing */
} cases[] = {
	{ "the Application cannot be read", "get", "applications.argoproj.io", false, BY_GIT(""),
		"Refused", "not allowed to get applications.argoproj.io argocd/a on a" },
	{ "its project cannot be read", "get", "appprojects.argoproj.io", false, BY_GIT(""),
		"Succeeded", "not allowed to get appprojects.argoproj.io argocd on a" },
	{ "no refresh", "patch", "applications.argoproj.io", false, BY_GIT(""), "Succeeded",
		"not allowed to patch applications.argoproj.io argocd/a on a: no refresh is asked "
		"for, which costs waiting" },
	{ "pools are patched", "patch", "machineconfigpools.machineconfiguration.openshift.io",
		false, BY_GIT(""), "Refused", "not allowed to patch machineconfigpools" },
	{ "the named file holds none", "patch",
		"machineconfigpools.machineconfiguration.openshift.io", false, BY_GIT(POOLS),
		"Refused", "not allowed to patch machineconfigpools" },
	{ "the file holds them all", "patch",
		"machineconfigpools.machineconfiguration.openshift.io", true, BY_GIT(POOLS),
		"Succeeded", NULL },
	{ "every right", "delete", "nodes", true, BY_GIT(POOLS), "Succeeded", NULL },
};

static void test_each(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s", cases[i].what);
		GitWorld *g = gitops_begin(cases[i].pools);
		sim_api_deny(sim_cluster_api(g->argo->cluster), cases[i].verb, cases[i].resource);
		story_submit(g->r, cases[i].doc);
		faults_ends(g->r, "a", cases[i].outcome);
		g_autofree char *findings = faults_findings(g->r, "a");
		if (cases[i].says && !strstr(findings, cases[i].says))
			g_error("no \"%s\" in %s", cases[i].says, findings);
		if (cases[i].says)
			g_assert_nonnull(strstr(findings, "shiplock rbac --cluster a"));
		else
			g_assert_null(strstr(findings, "not allowed"));
		gitops_end(g);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/gitops/rights", test_each);
	return g_test_run();
}
