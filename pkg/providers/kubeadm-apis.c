/* Which built-in APIs go away, and which come, with a minor version. From the deprecation guide and
 * the lifecycle that k8s.io/api states for each kind; versions that are off by default (alpha, and
 * beta since 1.24) are in it only where they were on. */
#include "base/num.h"
#include "objects/version.h"
#include "providers/kubeadm-ready.h"
#include "providers/preflight.h"
#include <string.h>

typedef struct Api {
	const char *group, *version, *resource;
	int minor; /* the first that does not serve it, or the first that does */
	const char *rest; /* which version stays; NULL: none */
} Api;

static const Api removals[] = {
	{ "batch", "v1beta1", "cronjobs", 25, "batch/v1" },
	{ "discovery.k8s.io", "v1beta1", "endpointslices", 25, "discovery.k8s.io/v1" },
	{ "events.k8s.io", "v1beta1", "events", 25, "events.k8s.io/v1" },
	{ "autoscaling", "v2beta1", "horizontalpodautoscalers", 25, "autoscaling/v2" },
	{ "policy", "v1beta1", "poddisruptionbudgets", 25, "policy/v1" },
	{ "policy", "v1beta1", "podsecuritypolicies", 25, NULL },
	{ "node.k8s.io", "v1beta1", "runtimeclasses", 25, "node.k8s.io/v1" },
	{ "flowcontrol.apiserver.k8s.io", "v1beta1", "flowschemas", 26,
		"flowcontrol.apiserver.k8s.io/v1beta3" },
	{ "autoscaling", "v2beta2", "horizontalpodautoscalers", 26, "autoscaling/v2" },
	{ "storage.k8s.io", "v1beta1", "csistoragecapacities", 27, "storage.k8s.io/v1" },
	{ "flowcontrol.apiserver.k8s.io", "v1beta2", "flowschemas", 29,
		"flowcontrol.apiserver.k8s.io/v1" },
	{ "flowcontrol.apiserver.k8s.io", "v1beta3", "flowschemas", 32,
		"flowcontrol.apiserver.k8s.io/v1" },
	{ "admissionregistration.k8s.io", "v1beta1", "validatingadmissionpolicies", 34,
		"admissionregistration.k8s.io/v1" },
	{ "networking.k8s.io", "v1beta1", "ipaddresses", 37, "networking.k8s.io/v1" },
	{ "networking.k8s.io", "v1beta1", "servicecidrs", 37, "networking.k8s.io/v1" },
	{ "storage.k8s.io", "v1beta1", "volumeattributesclasses", 37, "storage.k8s.io/v1" },
	{ "resource.k8s.io", "v1beta1", "resourceclaims", 38, "resource.k8s.io/v1" },
	{ "resource.k8s.io", "v1beta2", "resourceclaims", 39, "resource.k8s.io/v1" },
};

/* Kinds whose first version that is on by default came with this minor version. */
static const Api additions[] = {
	{ "flowcontrol.apiserver.k8s.io", "v1", "flowschemas", 29, "v1beta3" },
	{ "admissionregistration.k8s.io", "v1", "validatingadmissionpolicies", 30, NULL },
	{ "admissionregistration.k8s.io", "v1", "validatingadmissionpolicybindings", 30, NULL },
	{ "networking.k8s.io", "v1", "servicecidrs", 33, NULL },
	{ "resource.k8s.io", "v1", "deviceclasses", 34, NULL },
	{ "resource.k8s.io", "v1", "resourceclaims", 34, NULL },
	{ "resource.k8s.io", "v1", "resourceclaimtemplates", 34, NULL },
	{ "resource.k8s.io", "v1", "resourceslices", 34, NULL },
	{ "storage.k8s.io", "v1", "volumeattributesclasses", 34, NULL },
	{ "admissionregistration.k8s.io", "v1", "mutatingadmissionpolicies", 36, NULL },
	{ "admissionregistration.k8s.io", "v1", "mutatingadmissionpolicybindings", 36, NULL },
};

static char *path_of(const Api *a)
{
	return g_strdup_printf("/apis/%s/%s/%s", a->group, a->version, a->resource);
}

static bool serves(const View *served, const Api *a)
{
	g_autofree char *gv = g_strdup_printf("%s/%s", a->group, a->version);
	const json_t *list = json_object_get(json_object_get(served->json, "served"), gv);
	size_t i;
	json_t *r;
	json_array_foreach (list, i, r)
		if (strcmp(json_string_value(r), a->resource) == 0)
			return true;
	return json_is_null(list); /* named without its resources: may be */
}

/* ---- what goes away ---- */

/* "1.36" -> 36; -1: it is no such text. */
static int minor_of(const char *release)
{
	const char *dot = strchr(release, '.');
	int64_t n;
	return dot && g_ascii_string_to_signed(dot + 1, 10, 0, 10000, &n, NULL) ? (int)n : -1;
}

/* Nobody knows who asked: the server's audit log does. */
static void judge_requested(const json_t *list, int to_minor, json_t *findings)
{
	size_t i;
	json_t *r;
	json_array_foreach (list, i, r) {
		const char *group = json_path_str(r, "group", ""),
			   *removed = json_path_str(r, "removed", "");
		int minor = minor_of(removed);
		if (minor < 0) /* deprecated, and no release takes it away */
			continue;
		finding_add(findings, minor <= to_minor ? "block" : "warn", "removed-api",
			"find the client (audit annotation k8s.io/deprecated), move it to the "
			"newer version of that API; the mark goes with a restart of the API server",
			"%s%s%s %s goes away in Kubernetes %s and was asked for since the API "
			"server started",
			group, *group ? "/" : "", json_path_str(r, "version", "?"),
			json_path_str(r, "resource", "?"), removed);
	}
}

static bool judge_removal(Item *it, const Api *a, json_t *findings)
{
	g_autofree char *path = path_of(a);
	const View *v;
	if (!provider_settled(it, &fact_count, path, true, &v, findings))
		return false;
	json_int_t n = v && !v->missing ? json_path_int(v->json, "count", 0) : 0;
	if (n > 0 && !a->rest)
		finding_add(findings, "block", "removed-api",
			"take these objects away first: nobody can read or delete them afterwards",
			"%" JSON_INTEGER_FORMAT " %s.%s are stored, and Kubernetes 1.%d serves no "
			"version of them",
			n, a->resource, a->group, a->minor);
	else if (n > 0)
		finding_add(findings, "warn", "removed-api",
			"see that manifests and clients use the version that stays",
			"%s/%s %s goes away in Kubernetes 1.%d; its %" JSON_INTEGER_FORMAT
			" objects are then read as %s",
			a->group, a->version, a->resource, a->minor, n, a->rest);
	return true;
}

bool kubeadm_check_apis(Item *it, const char *now, const char *to, json_t *findings)
{
	const View *served, *requested;
	Version from, target;
	bool all = provider_settled(it, &fact_served, KUBEADM_SERVED, true, &served, findings);
	all = provider_settled(it, &fact_requested, "/metrics", true, &requested, findings) && all;
	if (!all)
		return false;
	if (!version_parse(now, &from) || (to && !version_parse(to, &target)))
		return true;
	int to_minor = to ? target.minor : from.minor + 1;
	if (requested)
		judge_requested(json_object_get(requested->json, "requested"), to_minor, findings);
	for (size_t i = 0; served && i < G_N_ELEMENTS(removals); i++)
		if (removals[i].minor > from.minor && removals[i].minor <= to_minor &&
			serves(served, &removals[i]))
			all = judge_removal(it, &removals[i], findings) && all;
	return all;
}

/* ---- what an older server does not show ---- */

bool kubeadm_hidden(Item *it, const char *now, const char *back_to, json_t **ret)
{
	g_autoptr(json_t) nobody_reads = json_array(), out = json_array();
	Version high, low;
	bool all = true;
	const View *v;
	if (!version_parse(now, &high) || !version_parse(back_to, &low))
		high = low = (Version){ 0 };
	for (size_t i = 0; i < G_N_ELEMENTS(additions); i++) {
		const Api *a = &additions[i];
		if (a->minor <= low.minor || a->minor > high.minor || a->rest)
			continue;
		g_autofree char *path = path_of(a);
		bool read = provider_settled(it, &fact_count, path, true, &v, nobody_reads);
		json_int_t n = v && !v->missing ? json_path_int(v->json, "count", 0) : 0;
		g_autofree char *what = g_strdup_printf("%s.%s", a->resource, a->group);
		all = all && read;
		if (n > 0)
			json_array_append_new(
				out, json_pack("{s:s, s:I}", "what", what, "count", n));
	}
	if (all)
		*ret = g_steal_pointer(&out);
	return all;
}
