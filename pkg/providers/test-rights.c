/* One table makes questions and roles: what is asked is granted, and nothing else is. */
#include "providers/jobs.h"
#include "providers/provider.h"
#include "providers/sync.h"
#include <string.h>

#define WRITER "system:serviceaccount:shiplock:writer"

static json_t *rights(const char *spec_text)
{
	g_autoptr(json_t) spec = json_loads(spec_text, 0, NULL);
	g_assert_nonnull(spec);
	return rights_of(provider_openshift.rights, spec);
}

static bool has(const json_t *list, const char *text, const char *as)
{
	size_t i;
	json_t *r;
	json_array_foreach (list, i, r) {
		g_autofree char *is = right_text(r);
		if (strcmp(is, text) == 0 && strcmp(json_path_str(r, "as", ""), as) == 0)
			return true;
	}
	return false;
}

static size_t n_as(const json_t *list, const char *as)
{
	size_t i, n = 0;
	json_t *r;
	json_array_foreach (list, i, r)
		n += strcmp(json_path_str(r, "as", ""), as) == 0;
	return n;
}

#define POOLS "patch machineconfigpools.machineconfiguration.openshift.io"
#define ACKS "patch configmaps openshift-config/admin-acks"
#define VERSION "patch clusterversions.config.openshift.io version"

static void test_actuators(void)
{
	static const struct {
		const char *spec;
		bool version, pools, acks, evicts;
	} cases[] = {
		{ "{}", true, true, true, true },
		{ "{\"actuator\": {\"type\": \"direct\"}}", true, true, true, true },
		{ "{\"actuator\": {\"type\": \"observe\"}}", false, false, false, false },
		{ "{\"actuator\": {\"type\": \"git\"}}", true, true, true, true },
		{ "{\"actuator\": {\"type\": \"git\", \"poolsFile\": \"p.yaml\"}}", true, true,
			true, true },
		{ "{\"actuator\": {\"type\": \"git\", \"acksFile\": \"k.yaml\"}}", true, true,
			false, true },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s", cases[i].spec);
		g_autoptr(json_t) list = rights(cases[i].spec);
		g_assert_cmpint(has(list, VERSION, "writer"), ==, cases[i].version);
		g_assert_cmpint(has(list, POOLS, "writer"), ==, cases[i].pools);
		g_assert_cmpint(has(list, ACKS, "writer"), ==, cases[i].acks);
		g_assert_cmpint(has(list, "create pods/eviction", "writer"), ==, cases[i].evicts);
		g_assert_cmpuint(n_as(list, "writer"), ==,
			cases[i].version + cases[i].pools + cases[i].acks + cases[i].evicts);
		g_assert_true(
			has(list, "get clusterversions.config.openshift.io version", "reader"));
		g_assert_true(
			has(list, "get configmaps openshift-config-managed/admin-gates", "reader"));
	}
}

static void test_impersonation(void)
{
	g_autoptr(json_t) none = rights("{\"access\": {}}");
	g_autoptr(json_t) account =
		rights("{\"access\": {\"impersonate\": {\"user\": \"" WRITER "\"}}}");
	g_autoptr(json_t) user = rights("{\"access\": {\"impersonate\": {\"user\": \"robot\", "
					"\"groups\": [\"ops\", \"night\"]}}}");
	g_autoptr(json_t) odd = rights("{\"access\": {\"impersonate\": {\"user\": "
				       "\"system:serviceaccount:writer\"}}}");
	g_autoptr(json_t) observes = rights("{\"actuator\": {\"type\": \"observe\"}, \"access\": "
					    "{\"impersonate\": {\"user\": \"robot\"}}}");
	size_t n = json_array_size(none);
	g_assert_cmpuint(json_array_size(account), ==, n + 1);
	g_assert_true(has(account, "impersonate serviceaccounts shiplock/writer", "reader"));
	g_assert_cmpuint(json_array_size(user), ==, n + 3);
	g_assert_true(has(user, "impersonate users robot", "reader"));
	g_assert_true(has(user, "impersonate groups night", "reader"));
	g_assert_true(has(odd, "impersonate users system:serviceaccount:writer", "reader"));
	g_assert_false(has(observes, "impersonate users robot", "reader"));
	/* Before anything that is asked as the writer. */
	g_assert_cmpstr(json_path_str(user, "0.verb", ""), ==, "impersonate");
}

/* What depends on more than the cluster's spec comes beside it, once. */
static void test_added(void)
{
	g_autoptr(json_t) list = rights("{}");
	size_t n = json_array_size(list);
	rights_add(list, job_rights, "openshift-etcd", "");
	rights_add(list, job_rights, "openshift-etcd", "");
	/* Pods are listed everywhere already. */
	g_assert_cmpuint(json_array_size(list), ==, n + 4);
	g_assert_true(has(list, "create jobs.batch openshift-etcd", "writer"));
	g_assert_true(has(list, "get pods/log openshift-etcd", "reader"));
	g_autoptr(json_t) argo = json_pack("{s:s, s:s, s:s}", "cluster", "hub", "namespace",
		"openshift-gitops", "application", "prod");
	sync_argo_rights(list, argo);
	sync_argo_rights(list, argo);
	g_assert_cmpuint(json_array_size(list), ==, n + 7);
	g_assert_true(has(list, "get applications.argoproj.io openshift-gitops/prod", "reader"));
	g_autoptr(json_t) flux = json_pack("{s:s, s:s, s:s}", "cluster", "hub", "namespace",
		"flux-system", "kustomization", "prod");
	sync_flux_rights(list, flux);
	g_assert_true(has(list, "patch kustomizations.kustomize.toolkit.fluxcd.io flux-system/prod",
		"writer"));
}

static void test_keys(void)
{
	g_autoptr(json_t) list = json_array();
	rights_add(list, job_rights, "x", "");
	g_autofree char *read = right_key(json_array_get(list, 0)),
			*log = right_key(json_array_get(list, 2)),
			*write = right_key(json_array_get(list, 3));
	g_assert_cmpstr(read, ==, "get batch jobs x -");
	g_assert_cmpstr(log, ==, "get - pods/log x -");
	g_assert_cmpstr(write, ==, "w:create batch jobs x -");
}

/* ---- roles ---- */

static const json_t *binding_of(const json_t *objects, const json_t *role)
{
	size_t i;
	json_t *o;
	json_array_foreach (objects, i, o)
		if (g_str_has_suffix(json_path_str(o, "kind", ""), "RoleBinding") &&
			json_equal(
				json_object_get(o, "metadata"), json_object_get(role, "metadata")))
			return o;
	return NULL;
}

/* Counts the verbs that the rules of a role grant, and finds each among the rights. */
static size_t granted(const json_t *role, const json_t *list, const char *as)
{
	size_t i, k, n = 0;
	json_t *rule, *verb;
	const char *ns = json_path_str(role, "metadata.namespace", "");
	json_array_foreach (json_object_get(role, "rules"), i, rule)
		json_array_foreach (json_object_get(rule, "verbs"), k, verb) {
			g_autoptr(json_t) right = json_pack("{s:O, s:O, s:O, s:s, s:s}", "verb",
				verb, "group", json_path(rule, "apiGroups.0"), "resource",
				json_path(rule, "resources.0"), "namespace", ns, "name",
				json_path_str(rule, "resourceNames.0", ""));
			g_autofree char *text = right_text(right);
			g_test_message("%s: %s", as, text);
			g_assert_true(has(list, text, as));
			n++;
		}
	return n;
}

static void check_manifests(const char *spec_text, const char *reader, const char *writer)
{
	g_autoptr(json_t) spec = json_loads(spec_text, 0, NULL);
	g_autoptr(json_t) list = rights_of(provider_openshift.rights, spec);
	g_autoptr(json_t) objects = rights_manifests(list, spec, reader);
	size_t i, n = 0;
	json_t *o;
	json_array_foreach (objects, i, o) {
		const char *kind = json_path_str(o, "kind", "");
		if (strcmp(kind, "Role") != 0 && strcmp(kind, "ClusterRole") != 0)
			continue;
		bool writes = strcmp(json_path_str(o, "metadata.name", ""), "shiplock-write") == 0;
		const json_t *binding = binding_of(objects, o);
		g_assert_nonnull(binding);
		g_assert_cmpstr(json_path_str(binding, "roleRef.kind", ""), ==, kind);
		g_assert_cmpstr(json_path_str(binding, "subjects.0.name", ""), ==,
			writes ? writer : reader);
		n += granted(o, list, writes ? "writer" : "reader");
	}
	g_assert_cmpuint(n, ==, json_array_size(list));
}

static void test_manifests(void)
{
	check_manifests("{}", "ops", "ops");
	check_manifests("{\"actuator\": {\"type\": \"observe\"}}", "ops", "ops");
	check_manifests("{\"access\": {\"impersonate\": {\"user\": \"robot\", \"groups\": "
			"[\"night\"]}}}",
		"ops", "robot");
}

/* Service accounts come with their namespace, each once. */
static void test_accounts(void)
{
	g_autoptr(json_t) spec =
		json_loads("{\"access\": {\"impersonate\": {\"user\": \"" WRITER "\"}}}", 0, NULL);
	g_autoptr(json_t) list = rights_of(provider_openshift.rights, spec);
	g_autoptr(json_t) objects =
		rights_manifests(list, spec, "system:serviceaccount:shiplock:shiplock");
	size_t i, n[2] = { 0 };
	json_t *o;
	json_array_foreach (objects, i, o) {
		n[0] += strcmp(json_path_str(o, "kind", ""), "Namespace") == 0;
		n[1] += strcmp(json_path_str(o, "kind", ""), "ServiceAccount") == 0;
		if (!json_object_get(o, "subjects"))
			continue;
		g_assert_cmpstr(json_path_str(o, "subjects.0.kind", ""), ==, "ServiceAccount");
		g_assert_cmpstr(json_path_str(o, "subjects.0.namespace", ""), ==, "shiplock");
		g_assert_null(json_path(o, "subjects.0.apiGroup"));
	}
	g_assert_cmpuint(n[0], ==, 1);
	g_assert_cmpuint(n[1], ==, 2);
	g_assert_cmpstr(json_path_str(objects, "0.kind", ""), ==, "Namespace");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/rights/actuators", test_actuators);
	g_test_add_func("/rights/impersonation", test_impersonation);
	g_test_add_func("/rights/added", test_added);
	g_test_add_func("/rights/keys", test_keys);
	g_test_add_func("/rights/manifests", test_manifests);
	g_test_add_func("/rights/accounts", test_accounts);
	return g_test_run();
}
