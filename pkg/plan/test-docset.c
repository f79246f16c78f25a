/* Sets of documents, from JSON as the worker would give it: lookups, defaults, waves, policies and
 * gates. */
#include "plan/docset.h"
#include <string.h>

static DocSet *load(const char *docs)
{
	g_autoptr(GError) err = NULL;
	g_autoptr(json_t) list = json_parse(docs, strlen(docs), &err);
	g_assert_no_error(err);
	json_t *documents = json_array(), *doc;
	size_t i;
	json_array_foreach (list, i, doc) {
		json_object_set_new(doc, "apiVersion", json_string(DOC_API_VERSION));
		json_array_append_new(documents, json_pack("{s:O}", "json", doc));
	}
	g_autoptr(json_t) request = json_pack("{s:[{s:s,s:s}]}", "files", "name", "f", "text", "");
	g_autoptr(json_t) answer = json_pack(
		"{s:[{s:s,s:o,s:[]}]}", "files", "name", "f", "documents", documents, "errors");
	DocSet *set = docset_new();
	g_assert_true(docset_add_files(set, request, answer, &err));
	docset_check(set);
	return set;
}

static DocSet *load_good(const char *docs)
{
	DocSet *set = load(docs);
	g_autofree char *text = findings_text(docset_findings(set), 0, 0);
	g_test_message("%s", text);
	g_assert_true(docset_ok(set));
	return set;
}

#define CLUSTER(name, labels, provider)                                                            \
	"{\"kind\":\"Cluster\",\"metadata\":{\"name\":\"" name "\",\"labels\":" labels             \
	"},\"spec\":{"                                                                             \
	"\"provider\":\"" provider "\",\"access\":{\"kubeconfig\":{\"file\":\"/k\"}}}}"
#define DOCUMENT(kind, name, spec)                                                                 \
	"{\"kind\":\"" kind "\",\"metadata\":{\"name\":\"" name "\"},\"spec\":" spec "}"

static void assert_json(const json_t *got, const char *want)
{
	g_autofree char *text = json_canonical(got);
	g_assert_cmpstr(text, ==, want);
}

static void test_find(void)
{
	g_autoptr(DocSet) set = load_good("[" CLUSTER("b", "{}", "openshift") "," CLUSTER(
		"a", "{}", "openshift") "," DOCUMENT("DrainPolicy", "a", "{}") "]");
	g_assert_cmpuint(docset_n(set, "Cluster"), ==, 2);
	g_assert_cmpstr(doc_name(docset_nth(set, "Cluster", 0)), ==, "a");
	g_assert_cmpstr(doc_name(docset_nth(set, "Cluster", 1)), ==, "b");
	g_assert_cmpuint(docset_n(set, "DrainPolicy"), ==, 1);
	g_assert_cmpuint(docset_n(set, "GatePolicy"), ==, 0);
	g_assert_cmpuint(docset_n(set, "Clus"), ==, 0);
	g_assert_nonnull(docset_find(set, "GatePolicy", "builtin/openshift"));
	g_assert_nonnull(docset_find(set, "GatePolicy", "builtin/kubeadm"));
	g_assert_nonnull(docset_find(set, "DrainPolicy", "builtin/default"));
	g_assert_null(docset_find(set, "DrainPolicy", "builtin/openshift"));
	g_assert_null(docset_find(set, "Cluster", "c"));
}

static void test_defaults(void)
{
	g_autoptr(DocSet) set = load_good("[" CLUSTER("a", "{}", "openshift") "," DOCUMENT(
		"UpgradePlan", "p",
		"{\"target\":{\"version\":\"4.21.10\"},\"waves\":[{\"name\":\"w\",\"clusters\":{"
		"\"names\":[\"a\"]}}]}") "," DOCUMENT("RollbackPolicy", "r",
		"{\"automatic\":[\"T0\"]}") "," DOCUMENT("WindowPolicy", "w",
		"{\"open\":[{\"weekday\":\"monday\",\"start\":\"08:00\",\"end\":\"17:00\"}]}") "]");
	assert_json(doc_spec(docset_find(set, "Cluster", "a")),
		"{\"access\":{\"kubeconfig\":{\"file\":\"/k\"}},\"actuator\":{\"type\":\"direct\"},"
		"\"exclusive\":false,\"notWith\":[],\"provider\":\"openshift\",\"telemetry\":[],"
		"\"timeZone\":\"UTC\"}");
	assert_json(doc_spec(docset_find(set, "UpgradePlan", "p")),
		"{\"onFailure\":{\"action\":\"rollback\",\"holdFor\":\"1h\",\"scope\":\"cluster\"},"
		"\"policies\":{},\"state\":\"active\",\"target\":{\"acceptRisks\":[],\"acks\":[],"
		"\"emulatedStep\":false,\"hops\":[],\"version\":\"4.21.10\"},\"waves\":[{\"bake\":"
		"\"0s\","
		"\"clusters\":{\"names\":[\"a\"]},\"cpSoak\":\"30m\",\"failureBudget\":0,"
		"\"maxConcurrent\":1,\"name\":\"w\",\"soak\":\"30m\"}]}");
	assert_json(doc_spec(docset_find(set, "RollbackPolicy", "r")),
		"{\"automatic\":[\"T0\"],\"require\":\"none\",\"stopFleetAfter\":1}");
	assert_json(doc_spec(docset_find(set, "WindowPolicy", "w")),
		"{\"atClose\":\"stopAtNode\",\"blackouts\":[],\"lastHopStart\":\"0s\",\"notice\":"
		"\"0s\","
		"\"open\":[{\"end\":\"17:00\",\"start\":\"08:00\",\"weekday\":\"monday\"}],"
		"\"rollbackOutside\":true}");
	assert_json(doc_spec(docset_find(set, "RollbackPolicy", "builtin/default")),
		"{\"automatic\":[\"T0\",\"T1\",\"T2BeforeWorkers\"],\"require\":\"none\","
		"\"stopFleetAfter\":1}");
	/* What was written stays as it was. */
	assert_json(doc_json(docset_find(set, "RollbackPolicy", "r")),
		"{\"apiVersion\":\"shiplock.dev/"
		"v1alpha1\",\"kind\":\"RollbackPolicy\",\"metadata\":"
		"{\"name\":\"r\"},\"spec\":{\"automatic\":[\"T0\"]}}");
}

static const char fleet[] =
	"[" CLUSTER("c", "{\"stage\":\"prod\",\"site\":\"x\"}", "openshift") "," CLUSTER(
		"b", "{\"stage\":\"prod\"}", "openshift") "," CLUSTER("a", "{\"stage\":\"test\"}",
		"kubeadm") "," DOCUMENT("DrainPolicy", "d", "{}") "," DOCUMENT("WindowPolicy", "w",
		"{\"open\":[{\"weekday\":\"monday\",\"start\":\"08:00\",\"end\":"
		"\"17:00\"}]}") "," DOCUMENT("GatePolicy", "g",
		"{\"include\":[\"builtin/openshift\"],\"gates\":["
		"{\"name\":\"nodes\",\"invariant\":\"nodes\",\"when\":[\"soak\"]},"
		"{\"name\":\"mine\",\"invariant\":\"apiServer\",\"when\":[\"soak\"]"
		"}]}") "," DOCUMENT("GatePolicy", "h",
		"{\"include\":[\"g\"],\"gates\":["
		"{\"name\":\"mine\",\"query\":\"up\",\"pass\":{\"atLeast\":1},"
		"\"when\":[\"soak\"]}]}") "," DOCUMENT("UpgradePlan", "p",
		"{\"target\":{\"version\":\"4.21.10\"},\"policies\":{\"drain\":"
		"\"d\"},\"waves\":["
		"{\"name\":\"one\",\"clusters\":{\"names\":[\"a\"]}},"
		"{\"name\":\"two\",\"clusters\":{\"matchLabels\":{\"stage\":"
		"\"prod\"}},"
		"\"policies\":{\"window\":\"w\",\"gates\":\"g\",\"drain\":"
		"\"builtin/default\"}},"
		"{\"name\":\"three\",\"clusters\":{\"matchLabels\":{\"stage\":"
		"\"none\"}}}]}") "]";

static void test_waves(void)
{
	g_autoptr(DocSet) set = load_good(fleet);
	const Doc *plan = docset_find(set, "UpgradePlan", "p");
	static const char *const want[] = { "[\"a\"]", "[\"b\",\"c\"]", "[]" };
	for (size_t i = 0; i < G_N_ELEMENTS(want); i++) {
		g_autoptr(json_t) names = docset_wave_clusters(
			set, json_array_get(json_object_get(doc_spec(plan), "waves"), i));
		assert_json(names, want[i]);
	}
}

static void test_policies(void)
{
	static const struct {
		int wave;
		const char *cluster, *field, *want;
	} cases[] = {
		{ 0, "a", "gates", "builtin/kubeadm" },
		{ 0, "b", "gates", "builtin/openshift" },
		{ 0, "a", "drain", "d" },
		{ 0, "a", "window", NULL },
		{ 0, "a", "rollback", "builtin/default" },
		{ 1, "b", "gates", "g" },
		{ 1, "b", "drain", "builtin/default" },
		{ 1, "b", "window", "w" },
	};
	g_autoptr(DocSet) set = load_good(fleet);
	const Doc *plan = docset_find(set, "UpgradePlan", "p");
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		const json_t *wave = json_array_get(
			json_object_get(doc_spec(plan), "waves"), (size_t)cases[i].wave);
		const Doc *d = docset_policy(set, plan, wave,
			docset_find(set, "Cluster", cases[i].cluster), cases[i].field);
		g_assert_cmpstr(d ? doc_name(d) : NULL, ==, cases[i].want);
	}
}

static char *gate_names(const json_t *gates)
{
	GString *s = g_string_new(NULL);
	size_t i;
	json_t *gate;
	json_array_foreach (gates, i, gate) {
		g_string_append_printf(s, "%s%s", i ? " " : "", json_path_str(gate, "name", "?"));
	}
	return g_string_free(s, FALSE);
}

static void test_gates(void)
{
	g_autoptr(DocSet) set = load_good(fleet);
	g_autoptr(json_t) gates = docset_gates(set, docset_find(set, "GatePolicy", "h"));
	g_autofree char *names = gate_names(gates);
	g_assert_cmpstr(names, ==,
		"telemetry-alive cluster-version cluster-operators machine-config-pools "
		"ingress-error-ratio api-server nodes disruption-budgets apiserver-error-ratio "
		"mine");
	/* Replaced in place, by its own policy and by the one that includes it. */
	assert_json(json_object_get(json_array_get(gates, 6), "when"), "[\"soak\"]");
	g_assert_cmpstr(json_path_str(json_array_get(gates, 9), "query", ""), ==, "up");
	/* The number of looks follows from what is looked at. */
	g_assert_cmpint(json_path_int(json_array_get(gates, 6), "count", 0), ==, 1);
	g_assert_cmpint(json_path_int(json_array_get(gates, 9), "count", 0), ==, 5);
	g_assert_cmpint(json_path_int(json_array_get(gates, 4), "count", 0), ==, 15);
	g_assert_null(json_object_get(json_array_get(gates, 6), "reduce"));
}

/* The shipped gates are what they say they are, and refer to nothing that is not built. */
static void test_builtin(void)
{
	g_autoptr(DocSet) set = load_good("[]");
	static const char *const names[] = { "builtin/openshift", "builtin/kubeadm" };
	for (size_t k = 0; k < G_N_ELEMENTS(names); k++) {
		const Doc *d = docset_find(set, "GatePolicy", names[k]);
		g_autoptr(json_t) gates = docset_gates(set, d);
		g_assert_cmpuint(json_array_size(gates), >=, 5);
		g_assert_cmpuint(json_array_size(doc_later(d)), ==, 0);
		size_t i;
		json_t *gate;
		json_array_foreach (gates, i, gate) {
			g_assert_cmpint(json_path_int(gate, "count", 0), >=, 1);
			g_assert_cmpint(json_path_int(gate, "failureLimit", -1), <,
				json_path_int(gate, "count", 0));
			g_assert_true(json_object_get(gate, "query") ||
				      json_object_get(gate, "invariant"));
		}
		/* Silent telemetry holds; it never rolls back. */
		g_assert_cmpstr(json_path_str(json_array_get(gates, 0), "invariant", ""), ==,
			"telemetryAlive");
		g_assert_cmpstr(json_path_str(json_array_get(gates, 0), "onFail", ""), ==, "hold");
	}
}

static void test_later(void)
{
	g_autoptr(DocSet) set = load_good("[" DOCUMENT("Cluster", "a",
		"{\"provider\":\"kubeadm\",\"access\":{\"kubeconfig\":{\"file\":\"/k\"},"
		"\"proxy\":\"https://proxy.example\"}}") "," DOCUMENT("ApprovalPolicy", "two",
		"{\"quorum\":2}") "]");
	assert_json(doc_later(docset_find(set, "Cluster", "a")), "[\"spec.access.proxy\"]");
	assert_json(doc_later(docset_find(set, "ApprovalPolicy", "two")), "[]");
	g_assert_cmpuint(findings_count(docset_findings(set), FINDING_NOTICE), ==, 1);
}

static void test_misfit(void)
{
	g_autoptr(GError) err = NULL;
	g_autoptr(DocSet) set = docset_new();
	g_autoptr(json_t) request = json_pack("{s:[{s:s,s:s}]}", "files", "name", "f", "text", "");
	static const char *const answers[] = { "{}", "{\"files\":[]}",
		"{\"files\":[{\"name\":\"g\"}]}" };
	for (size_t i = 0; i < G_N_ELEMENTS(answers); i++) {
		g_autoptr(json_t) answer = json_loads(answers[i], 0, NULL);
		g_assert_false(docset_add_files(set, request, answer, &err));
		g_assert_error(err, SL_ERROR, SL_ERR_INVALID);
		g_clear_error(&err);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/docset/find", test_find);
	g_test_add_func("/docset/defaults", test_defaults);
	g_test_add_func("/docset/waves", test_waves);
	g_test_add_func("/docset/policies", test_policies);
	g_test_add_func("/docset/gates", test_gates);
	g_test_add_func("/docset/builtin", test_builtin);
	g_test_add_func("/docset/later", test_later);
	g_test_add_func("/docset/misfit", test_misfit);
	return g_test_run();
}
