#include "providers/owner.h"

#define CV(meta)                                                                                   \
	"{'apiVersion': 'config.openshift.io/v1', 'kind': 'ClusterVersion', 'metadata': {'name': " \
	"'version'" meta "}}"
#define NOTE(text) ", 'annotations': {" text "}"
#define LABEL(text) ", 'labels': {" text "}"
#define MANAGER(name, fields)                                                                      \
	", 'managedFields': [{'manager': '" name "', 'operation': 'Update', 'fieldsV1': {" fields  \
	"}}]"
#define WANTED "'f:spec': {'f:desiredUpdate': {'f:version': {}}}"
#define CHANNEL "'f:spec': {'f:channel': {}}"

static const struct {
	const char *what, *object;
	OwnerKind kind;
	const char *text, *mark; /* NULL mark: nobody */
} cases[] = {
	{ "nobody", CV(""), OWNER_NONE, "nobody", NULL },
	{ "Argo CD by its annotation",
		CV(NOTE("'argocd.argoproj.io/tracking-id': "
			"'ocp-prod:config.openshift.io/ClusterVersion:default/version'")),
		OWNER_ARGO_CD, "Argo CD application ocp-prod",
		"annotation argocd.argoproj.io/tracking-id" },
	{ "an Application in another namespace",
		CV(NOTE("'argocd.argoproj.io/tracking-id': "
			"'team-a_ocp-prod:config.openshift.io/ClusterVersion:x/version'")),
		OWNER_ARGO_CD, "Argo CD application team-a/ocp-prod",
		"annotation argocd.argoproj.io/tracking-id" },
	{ "an annotation that was copied from another object",
		CV(NOTE("'argocd.argoproj.io/tracking-id': "
			"'shop:apps/Deployment:default/version'")),
		OWNER_NONE, "nobody", NULL },
	{ "an annotation of another name",
		CV(NOTE("'argocd.argoproj.io/tracking-id': "
			"'shop:config.openshift.io/ClusterVersion:default/other'")),
		OWNER_NONE, "nobody", NULL },
	{ "an annotation of the name alone",
		CV(NOTE("'argocd.argoproj.io/tracking-id': 'ocp-prod'")), OWNER_ARGO_CD,
		"Argo CD application ocp-prod", "annotation argocd.argoproj.io/tracking-id" },
	{ "Argo CD by its label", CV(LABEL("'argocd.argoproj.io/instance': 'ocp-edu'")),
		OWNER_ARGO_CD, "Argo CD application ocp-edu", "label argocd.argoproj.io/instance" },
	{ "the common label alone is Helm's as well",
		CV(LABEL("'app.kubernetes.io/instance': 'ocp-edu'")), OWNER_NONE, "nobody", NULL },
	{ "the common label beside Argo CD's manager",
		CV(LABEL("'app.kubernetes.io/instance': 'ocp-edu'")
				MANAGER("argocd-controller", CHANNEL)),
		OWNER_ARGO_CD, "Argo CD application ocp-edu",
		"label app.kubernetes.io/instance beside field manager argocd-controller" },
	{ "Argo CD by its manager on the field", CV(MANAGER("argocd-controller", WANTED)),
		OWNER_ARGO_CD, "Argo CD application (its name is not known)",
		"field manager argocd-controller" },
	{ "Argo CD's manager on another field", CV(MANAGER("argocd-controller", CHANNEL)),
		OWNER_NONE, "nobody", NULL },
	{ "Flux by its labels",
		CV(LABEL("'kustomize.toolkit.fluxcd.io/name': 'clusters', "
			 "'kustomize.toolkit.fluxcd.io/namespace': 'flux-system'")),
		OWNER_FLUX, "Flux Kustomization flux-system/clusters",
		"label kustomize.toolkit.fluxcd.io/name" },
	{ "Flux by its manager", CV(MANAGER("kustomize-controller", WANTED)), OWNER_FLUX,
		"Flux Kustomization (its name is not known)",
		"field manager kustomize-controller" },
	{ "Flux that leaves the object alone",
		CV(LABEL("'kustomize.toolkit.fluxcd.io/name': 'clusters'")
				NOTE("'kustomize.toolkit.fluxcd.io/reconcile': 'disabled'")
					MANAGER("kustomize-controller", WANTED)),
		OWNER_NONE, "nobody", NULL },
	{ "a HelmRelease",
		CV(LABEL("'helm.toolkit.fluxcd.io/name': 'ocp', "
			 "'helm.toolkit.fluxcd.io/namespace': 'flux-system'")),
		OWNER_FLUX_HELM, "Flux HelmRelease flux-system/ocp",
		"label helm.toolkit.fluxcd.io/name" },
	{ "another manager", CV(MANAGER("upgrade-bot", WANTED)), OWNER_MANAGER,
		"field manager upgrade-bot", "field manager upgrade-bot" },
	{ "another manager on another field", CV(MANAGER("upgrade-bot", CHANNEL)), OWNER_NONE,
		"nobody", NULL },
	{ "a person", CV(MANAGER("oc", WANTED)), OWNER_NONE, "nobody", NULL },
};

static void test_owner(void)
{
	static const char *const path[] = { "spec", "desiredUpdate", NULL };
	static const char *const people[] = { "oc", NULL };
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s", cases[i].what);
		g_autofree char *text = g_strdelimit(g_strdup(cases[i].object), "'", '"');
		g_autoptr(json_t) object = json_loads(text, 0, NULL);
		g_assert_nonnull(object);
		g_auto(Owner) o = { 0 };
		owner_find(object, path, people, &o);
		g_autofree char *told = owner_text(&o);
		g_assert_cmpint(o.kind, ==, cases[i].kind);
		g_assert_cmpstr(told, ==, cases[i].text);
		g_assert_cmpstr(o.mark, ==, cases[i].mark);
		bool gitops = o.kind != OWNER_NONE && o.kind != OWNER_MANAGER;
		g_assert_cmpint(owner_is_gitops(&o), ==, gitops);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/owner/cases", test_owner);
	return g_test_run();
}
