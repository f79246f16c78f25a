#include "providers/owner.h"
#include <string.h>

#define ARGO_TRACKING "argocd.argoproj.io/tracking-id"
#define ARGO_LABEL "argocd.argoproj.io/instance"
#define COMMON_LABEL "app.kubernetes.io/instance"
#define ARGO_MANAGER "argocd-controller"

void owner_clear(Owner *o)
{
	g_free(o->name);
	g_free(o->namespace);
	g_free(o->mark);
	*o = (Owner){ 0 };
}

bool owner_is_gitops(const Owner *o)
{
	return o->kind == OWNER_ARGO_CD || o->kind == OWNER_FLUX || o->kind == OWNER_FLUX_HELM;
}

char *owner_text(const Owner *o)
{
	static const char *const what[] = {
		[OWNER_NONE] = "nobody",
		[OWNER_ARGO_CD] = "Argo CD application",
		[OWNER_FLUX] = "Flux Kustomization",
		[OWNER_FLUX_HELM] = "Flux HelmRelease",
		[OWNER_MANAGER] = "field manager",
	};
	if (o->kind == OWNER_NONE)
		return g_strdup(what[o->kind]);
	if (!o->name)
		return g_strdup_printf("%s (its name is not known)", what[o->kind]);
	return o->namespace ? g_strdup_printf("%s %s/%s", what[o->kind], o->namespace, o->name)
			    : g_strdup_printf("%s %s", what[o->kind], o->name);
}

static const char *text_of(const json_t *object, const char *set, const char *key)
{
	const json_t *meta = json_object_get(object, "metadata");
	return json_string_value(json_object_get(json_object_get(meta, set), key));
}

static bool owns(const json_t *fields, const char *const *path)
{
	const json_t *at = fields;
	for (; path && *path; path++) {
		g_autofree char *key = g_strdup_printf("f:%s", *path);
		at = json_object_get(at, key);
		if (!at)
			return false;
	}
	return true;
}

static bool named(const char *name, const char *const *list)
{
	for (; list && *list; list++)
		if (strcmp(name, *list) == 0)
			return true;
	return false;
}

/* NULL: no manager of that kind holds the field. path NULL: any field. */
static const char *manager_of(const json_t *object, const char *const *path,
	const char *const *wanted, const char *const *others)
{
	size_t i;
	json_t *entry;
	json_array_foreach (json_path(object, "metadata.managedFields"), i, entry) {
		const char *manager = json_path_str(entry, "manager", "");
		bool is = wanted ? named(manager, wanted) : !named(manager, others);
		if (is && owns(json_object_get(entry, "fieldsV1"), path))
			return manager;
	}
	return NULL;
}

/* The object that a tracking id speaks of is this one: a copied annotation owns nothing. */
static bool tracks(const char *id, const json_t *object)
{
	g_auto(GStrv) part = g_strsplit(id, ":", 3);
	if (g_strv_length(part) != 3)
		return g_strv_length(part) == 1; /* an old form: the name alone */
	const char *version = json_path_str(object, "apiVersion", ""),
		   *slash = strchr(version, '/');
	g_autofree char *group =
		slash ? g_strndup(version, (size_t)(slash - version)) : g_strdup("");
	const char *kind = json_path_str(object, "kind", ""),
		   *name = json_path_str(object, "metadata.name", ""),
		   *ns = json_path_str(object, "metadata.namespace", "");
	g_autofree char *wanted_kind = g_strdup_printf("%s/%s", group, kind);
	const char *last = strchr(part[2], '/');
	bool same_kind = !*version || !*kind || strcmp(part[1], wanted_kind) == 0;
	bool same_name = last && strcmp(last + 1, name) == 0;
	/* The namespace of a cluster-scoped object is that of the Application's destination. */
	bool same_ns = !*ns || strncmp(part[2], ns, (size_t)(last ? last - part[2] : 0)) == 0;
	return same_kind && same_name && same_ns;
}

static void set_argo(Owner *o, const char *name, size_t len, const char *mark)
{
	g_autofree char *full = g_strndup(name, len);
	char *sep = strchr(full, '_'); /* no Kubernetes name holds one */
	o->kind = OWNER_ARGO_CD;
	o->mark = g_strdup(mark);
	if (sep)
		*sep = '\0';
	o->namespace = sep ? g_strdup(full) : NULL;
	o->name = g_strdup(sep ? sep + 1 : full);
}

static bool find_argo(const json_t *object, const char *const *path, Owner *ret)
{
	static const char *const managers[] = { ARGO_MANAGER, NULL };
	const char *id = text_of(object, "annotations", ARGO_TRACKING),
		   *label = text_of(object, "labels", ARGO_LABEL),
		   *common = text_of(object, "labels", COMMON_LABEL);
	if (id && tracks(id, object))
		set_argo(ret, id, strcspn(id, ":"), "annotation " ARGO_TRACKING);
	else if (label)
		set_argo(ret, label, strlen(label), "label " ARGO_LABEL);
	else if (common && manager_of(object, NULL, managers, NULL))
		set_argo(ret, common, strlen(common),
			"label " COMMON_LABEL " beside field manager " ARGO_MANAGER);
	else if (manager_of(object, path, managers, NULL))
		*ret = (Owner){ .kind = OWNER_ARGO_CD,
			.mark = g_strdup("field manager " ARGO_MANAGER) };
	return ret->kind != OWNER_NONE;
}

static bool find_flux(const json_t *object, const char *const *path, Owner *ret)
{
	static const struct {
		const char *name, *namespace, *manager;
		OwnerKind kind;
	} rows[] = {
		{ "kustomize.toolkit.fluxcd.io/name", "kustomize.toolkit.fluxcd.io/namespace",
			"kustomize-controller", OWNER_FLUX },
		{ "helm.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/namespace",
			"helm-controller", OWNER_FLUX_HELM },
	};
	const char *off = text_of(object, "annotations", "kustomize.toolkit.fluxcd.io/reconcile");
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		const char *const managers[] = { rows[i].manager, NULL };
		const char *name = text_of(object, "labels", rows[i].name);
		if (rows[i].kind == OWNER_FLUX && g_strcmp0(off, "disabled") == 0)
			continue;
		if (!name && !manager_of(object, path, managers, NULL))
			continue;
		*ret = (Owner){ rows[i].kind, g_strdup(name),
			g_strdup(name ? text_of(object, "labels", rows[i].namespace) : NULL),
			g_strdup_printf("%s %s", name ? "label" : "field manager",
				name ? rows[i].name : rows[i].manager) };
		return true;
	}
	return false;
}

void owner_find(
	const json_t *object, const char *const *path, const char *const *people, Owner *ret)
{
	*ret = (Owner){ 0 };
	if (find_argo(object, path, ret) || find_flux(object, path, ret))
		return;
	/* Flux that was told to leave the object alone keeps its entry. */
	static const char *const flux[] = { "kustomize-controller", "helm-controller", NULL };
	const char *manager = manager_of(object, path, NULL, people);
	if (!manager || named(manager, flux))
		return;
	*ret = (Owner){ .kind = OWNER_MANAGER,
		.name = g_strdup(manager),
		.mark = g_strdup_printf("field manager %s", manager) };
}
