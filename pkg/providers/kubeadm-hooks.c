/* What stands between a request and the API server's store: webhooks, aggregated APIs, conversion
 * of stored objects. Each is a service; one without a ready endpoint answers nobody. */
#include "kube/request.h"
#include "objects/selector.h"
#include "providers/clusterversion.h"
#include "providers/kubeadm-ready.h"
#include "providers/preflight.h"
#include <string.h>

#define ADMISSION "/apis/admissionregistration.k8s.io/v1/"
#define API_SERVICES "/apis/apiregistration.k8s.io/v1/apiservices"
#define SYSTEM_NAMESPACE "/api/v1/namespaces/kube-system"

/* What kubeadm, the kubelets and our evictions write. */
static const struct {
	const char *group, *resource, *operation;
	bool in_system; /* in kube-system; else without a namespace, or in every one */
} needs[] = {
	{ "", "pods", "CREATE", true }, /* mirror pods, kubeadm's own Job */
	{ "", "pods/status", "UPDATE", true },
	{ "", "nodes", "UPDATE", false },
	{ "", "nodes/status", "UPDATE", false },
	{ "", "pods/eviction", "CREATE", false },
	{ "", "configmaps", "UPDATE", true },
	{ "batch", "jobs", "CREATE", true },
	{ "apps", "daemonsets", "UPDATE", true },
	{ "apps", "deployments", "UPDATE", true },
	{ "coordination.k8s.io", "leases", "UPDATE", true },
};

/* ---- does a webhook concern us ---- */

static bool has_word(const json_t *list, const char *word)
{
	size_t i;
	json_t *w;
	json_array_foreach (list, i, w)
		if (g_strcmp0(json_string_value(w), word) == 0 ||
			g_strcmp0(json_string_value(w), "*") == 0)
			return true;
	return false;
}

/* "*" names no subresource, "*" "/" "*" names all, "pods/" "*" those of pods. */
static bool names_resource(const json_t *list, const char *resource)
{
	const char *slash = strchr(resource, '/');
	size_t i;
	json_t *w;
	json_array_foreach (list, i, w) {
		const char *s = json_string_value(w) ? json_string_value(w) : "";
		g_autofree char *all =
			slash ? g_strdup_printf("%.*s/*", (int)(slash - resource), resource)
			      : g_strdup("*");
		g_autofree char *any = slash ? g_strdup_printf("*%s", slash) : g_strdup("*");
		if (strcmp(s, resource) == 0 || strcmp(s, all) == 0 || strcmp(s, any) == 0 ||
			strcmp(s, "*/*") == 0)
			return true;
	}
	return false;
}

/* The first thing we need that goes through this webhook; NULL: none. labels: of kube-system. */
static const char *needed(const json_t *hook, const json_t *labels)
{
	g_autoptr(Selector) s = NULL;
	bool here = !selector_from_json(json_object_get(hook, "namespaceSelector"), &s, NULL) ||
		    !s || selector_matches(s, labels);
	size_t i;
	json_t *rule;
	for (size_t n = 0; n < G_N_ELEMENTS(needs); n++)
		json_array_foreach (json_object_get(hook, "rules"), i, rule)
			if ((here || !needs[n].in_system) &&
				has_word(json_object_get(rule, "apiGroups"), needs[n].group) &&
				has_word(json_object_get(rule, "operations"), needs[n].operation) &&
				names_resource(
					json_object_get(rule, "resources"), needs[n].resource))
				return needs[n].resource;
	return NULL;
}

/* Which objects it is asked about beyond its rules nobody can tell from here. */
static bool is_narrowed(const json_t *hook)
{
	const json_t *objects = json_object_get(hook, "objectSelector");
	return json_object_size(objects) > 0 ||
	       json_array_size(json_object_get(hook, "matchConditions")) > 0;
}

/* ---- does it answer ---- */

static bool is_ready(const json_t *slices)
{
	size_t i, k;
	json_t *slice, *e;
	json_array_foreach (json_object_get(slices, "items"), i, slice)
		json_array_foreach (json_object_get(slice, "endpoints"), k, e)
			if (json_path_bool(e, "conditions.ready", true))
				return true;
	return false;
}

/* False: not read yet. Where it cannot be read, it is not blamed. */
static bool answers(Item *it, const char *ns, const char *name, bool *ret)
{
	g_autoptr(json_t) nobody_reads = json_array();
	g_autofree char *path =
		g_strdup_printf("/apis/discovery.k8s.io/v1/namespaces/%s/endpointslices", ns);
	g_autofree char *label = g_strdup_printf("kubernetes.io/service-name=%s", name);
	g_autofree char *key = kube_path_query(path, "labelSelector", label, NULL);
	const View *v;
	if (!provider_settled(it, &fact_object, key, true, &v, nobody_reads))
		return false;
	*ret = !v || v->missing || is_ready(v->json);
	return true;
}

static void add_webhook(const char *kind, const json_t *config, const json_t *hook,
	const char *need, json_t *findings)
{
	bool refuses = strcmp(json_path_str(hook, "failurePolicy", "Fail"), "Fail") == 0;
	bool blocks = refuses && need && !is_narrowed(hook);
	g_autofree char *what = need ? g_strdup_printf("; an upgrade writes %s, which it is asked "
						       "about",
					       need)
				     : g_strdup("");
	finding_add(findings, blocks ? "block" : "warn", "webhook",
		"bring its pods back, or take the configuration away",
		"webhook %s of %s %s does not answer: its service %s/%s has no ready endpoint, and "
		"what it is asked about is %s%s",
		json_path_str(hook, "name", "?"), kind, json_path_str(config, "metadata.name", "?"),
		json_path_str(hook, "clientConfig.service.namespace", "?"),
		json_path_str(hook, "clientConfig.service.name", "?"),
		refuses ? "refused" : "let through unseen", what);
}

static bool check_webhooks(
	Item *it, const char *kind, const char *plural, const json_t *labels, json_t *findings)
{
	g_autofree char *path = g_strconcat(ADMISSION, plural, NULL);
	const View *list;
	size_t i, k;
	json_t *config, *hook;
	bool all = provider_settled(it, &fact_maybe_list, path, true, &list, findings);
	json_array_foreach (json_object_get(list ? list->json : NULL, "items"), i, config)
		json_array_foreach (json_object_get(config, "webhooks"), k, hook) {
			const json_t *s = json_path(hook, "clientConfig.service");
			bool fine = true;
			if (s && !answers(it, json_path_str(s, "namespace", ""),
					 json_path_str(s, "name", ""), &fine))
				all = false;
			if (!fine)
				add_webhook(kind, config, hook, needed(hook, labels), findings);
		}
	return all;
}

static bool check_conversions(Item *it, json_t *findings)
{
	const View *v;
	size_t i;
	json_t *crd;
	bool all = provider_settled(it, &fact_crds, KUBEADM_CRDS, true, &v, findings);
	json_array_foreach (json_object_get(v ? v->json : NULL, "crds"), i, crd) {
		const char *service = json_path_str(crd, "service", NULL);
		bool fine = true;
		if (!service)
			continue;
		g_auto(GStrv) at = g_strsplit(service, "/", 2);
		all = answers(it, at[0], at[1] ? at[1] : "", &fine) && all;
		if (!fine)
			finding_add(findings, "warn", "webhook",
				"bring its pods back: who reads such objects in another version "
				"gets errors",
				"the conversion webhook of %s does not answer: its service %s has "
				"no ready endpoint",
				json_path_str(crd, "name", "?"), service);
	}
	return all;
}

static bool check_api_services(Item *it, json_t *findings)
{
	const View *v;
	size_t i;
	json_t *o;
	bool all = provider_settled(it, &fact_maybe_list, API_SERVICES, true, &v, findings);
	json_array_foreach (json_object_get(v ? v->json : NULL, "items"), i, o)
		if (strcmp(condition_status(o, "Available"), "False") == 0)
			finding_add(findings, "warn", "api-service", "mend it, or take it away",
				"APIService %s is not available: %s",
				json_path_str(o, "metadata.name", "?"),
				condition_message(o, "Available"));
	return all;
}

bool kubeadm_check_hooks(Item *it, json_t *findings)
{
	g_autoptr(json_t) nobody_reads = json_array();
	g_autoptr(json_t) known = json_pack("{s:s}", "kubernetes.io/metadata.name", "kube-system");
	const View *ns;
	bool all = provider_settled(it, &fact_object, SYSTEM_NAMESPACE, true, &ns, nobody_reads);
	const json_t *labels = ns && !ns->missing ? json_path(ns->json, "metadata.labels") : NULL;
	labels = labels ? labels : known;
	all = check_webhooks(it, "ValidatingWebhookConfiguration",
		      "validatingwebhookconfigurations", labels, findings) &&
	      all;
	all = check_webhooks(it, "MutatingWebhookConfiguration", "mutatingwebhookconfigurations",
		      labels, findings) &&
	      all;
	all = check_conversions(it, findings) && all;
	return check_api_services(it, findings) && all;
}
