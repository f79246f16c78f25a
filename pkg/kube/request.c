#include "kube/request.h"
#include <string.h>

const KubeKind kube_nodes = { "v1", "nodes", "Node", false };
const KubeKind kube_pods = { "v1", "pods", "Pod", true };
const KubeKind kube_namespaces = { "v1", "namespaces", "Namespace", false };
const KubeKind kube_config_maps = { "v1", "configmaps", "ConfigMap", true };
const KubeKind kube_pdbs = { "policy/v1", "poddisruptionbudgets", "PodDisruptionBudget", true };
const KubeKind kube_leases = { "coordination.k8s.io/v1", "leases", "Lease", true };
const KubeKind kube_jobs = { "batch/v1", "jobs", "Job", true };
const KubeKind kube_api_services = { "apiregistration.k8s.io/v1", "apiservices", "APIService",
	false };
const KubeKind kube_access_reviews = { "authorization.k8s.io/v1", "selfsubjectaccessreviews",
	"SelfSubjectAccessReview", false };
const KubeKind kube_cluster_versions = { "config.openshift.io/v1", "clusterversions",
	"ClusterVersion", false };
const KubeKind kube_cluster_operators = { "config.openshift.io/v1", "clusteroperators",
	"ClusterOperator", false };
const KubeKind kube_machine_config_pools = { "machineconfiguration.openshift.io/v1",
	"machineconfigpools", "MachineConfigPool", false };
const KubeKind kube_machine_configs = { "machineconfiguration.openshift.io/v1", "machineconfigs",
	"MachineConfig", false };

static void append_segment(GString *s, const char *part)
{
	g_assert(part && *part);
	g_string_append_c(s, '/');
	/* Dots alone would climb the path. */
	if (strcmp(part, ".") == 0 || strcmp(part, "..") == 0) {
		g_string_append(s, part[1] ? "%2E%2E" : "%2E");
		return;
	}
	g_string_append_uri_escaped(s, part, NULL, false);
}

char *kube_path(const KubeKind *kind, const char *ns, const char *name, const char *sub)
{
	GString *s = g_string_new(strchr(kind->group_version, '/') ? "/apis/" : "/api/");
	g_string_append(s, kind->group_version);
	if (ns && kind->namespaced) {
		g_string_append(s, "/namespaces");
		append_segment(s, ns);
	}
	append_segment(s, kind->plural);
	if (name)
		append_segment(s, name);
	if (name && sub)
		append_segment(s, sub);
	return g_string_free(s, FALSE);
}

char *kube_path_query(const char *path, ...)
{
	GString *s = g_string_new(path);
	char sep = strchr(path, '?') ? '&' : '?';
	va_list ap;
	va_start(ap, path);
	for (const char *key; (key = va_arg(ap, const char *));) {
		const char *value = va_arg(ap, const char *);
		if (!value || !*value)
			continue;
		g_string_append_c(s, sep);
		g_string_append_uri_escaped(s, key, NULL, false);
		g_string_append_c(s, '=');
		g_string_append_uri_escaped(s, value, NULL, false);
		sep = '&';
	}
	va_end(ap);
	return g_string_free(s, FALSE);
}

json_t *kube_merge_body(const json_t *patch, const char *resource_version)
{
	json_t *body = json_deep_copy(patch);
	if (!resource_version)
		return body;
	json_t *meta = json_object_get(body, "metadata");
	if (!json_is_object(meta)) {
		meta = json_object();
		json_object_set_new(body, "metadata", meta);
	}
	json_object_set_new(meta, "resourceVersion", json_string(resource_version));
	return body;
}

static void set_str(json_t *o, const char *key, const char *value)
{
	if (value)
		json_object_set_new(o, key, json_string(value));
}

static json_t *delete_options(const char *uid, const char *resource_version, int grace_sec)
{
	json_t *o = json_object();
	if (uid || resource_version) {
		json_t *pre = json_object();
		set_str(pre, "uid", uid);
		set_str(pre, "resourceVersion", resource_version);
		json_object_set_new(o, "preconditions", pre);
	}
	if (grace_sec >= 0)
		json_object_set_new(o, "gracePeriodSeconds", json_integer(grace_sec));
	return o;
}

json_t *kube_delete_body(
	const char *uid, const char *resource_version, const char *propagation, int grace_sec)
{
	json_t *o = delete_options(uid, resource_version, grace_sec);
	set_str(o, "apiVersion", "v1");
	set_str(o, "kind", "DeleteOptions");
	set_str(o, "propagationPolicy", propagation);
	return o;
}

json_t *kube_eviction_body(const char *ns, const char *name, const char *uid, int grace_sec)
{
	return json_pack("{s:s, s:s, s:{s:s, s:s}, s:o}", "apiVersion", "policy/v1", "kind",
		"Eviction", "metadata", "name", name, "namespace", ns, "deleteOptions",
		delete_options(uid, NULL, grace_sec));
}

json_t *kube_access_review_body(const char *verb, const char *group, const char *resource,
	const char *sub, const char *ns, const char *name)
{
	json_t *attributes = json_object();
	set_str(attributes, "verb", verb);
	set_str(attributes, "group", group);
	set_str(attributes, "resource", resource);
	set_str(attributes, "subresource", sub);
	set_str(attributes, "namespace", ns);
	set_str(attributes, "name", name);
	return json_pack("{s:s, s:s, s:{s:o}}", "apiVersion", "authorization.k8s.io/v1", "kind",
		"SelfSubjectAccessReview", "spec", "resourceAttributes", attributes);
}

json_t *kube_path_review_body(const char *verb, const char *path)
{
	return json_pack("{s:s, s:s, s:{s:{s:s, s:s}}}", "apiVersion", "authorization.k8s.io/v1",
		"kind", "SelfSubjectAccessReview", "spec", "nonResourceAttributes", "verb", verb,
		"path", path);
}
