/* The documents seen from outside: schema, manual page, YAML with defaults. */
#include "base/file.h"
#include "plan/schema.h"
#include "plan/shape.h"
#include "plan/snapshot.h"
#include "plan/test-docs.h"

/* Every object of the schema is closed, every array has items: nothing slips through unchecked. */
static void assert_closed(const json_t *v)
{
	const char *type = json_path_str(v, "type", "");
	const char *key;
	json_t *child;
	size_t i;
	if (strcmp(type, "object") == 0)
		g_assert_nonnull(json_object_get(v, "additionalProperties"));
	if (strcmp(type, "array") == 0)
		g_assert_nonnull(json_object_get(v, "items"));
	json_object_foreach ((json_t *)v, key, child) {
		assert_closed(child);
	}
	json_array_foreach (v, i, child) {
		assert_closed(child);
	}
}

static void test_schema(void)
{
	for (const Kind *k = doc_kinds; k->name; k++) {
		g_autoptr(json_t) one = schema_json(k->name);
		assert_closed(one);
		g_assert_cmpstr(json_path_str(one, "properties.kind.const", ""), ==, k->name);
		if (k[1].name)
			g_assert_cmpstr(k->name, <, k[1].name);
	}
	g_autoptr(json_t) all = schema_json(NULL);
	g_assert_cmpuint(json_array_size(json_object_get(all, "oneOf")), ==, 8);
	g_assert_null(schema_json("Nothing"));
	g_autoptr(json_t) plan = schema_json("UpgradePlan");
	const json_t *wave = json_path(plan, "properties.spec.properties.waves.items");
	g_autofree char *required = json_canonical(json_object_get(wave, "required"));
	g_assert_cmpstr(required, ==, "[\"name\",\"clusters\"]");
	g_assert_cmpstr(json_path_str(wave, "properties.soak.default", ""), ==, "30m");
}

/* Every default fits its own shape. */
static void check_defaults(const Shape *s, const char *path)
{
	for (const Field *f = s->fields; f && f->name; f++) {
		g_autofree char *here = g_strdup_printf("%s.%s", path, f->name);
		g_test_message("%s", here);
		bool parts = f->shape->kind == SHAPE_LIST || f->shape->kind == SHAPE_OBJECT;
		if (f->def && parts) {
			json_t *v = json_loads(f->def, 0, NULL);
			g_assert_nonnull(v);
			json_decref(v);
		}
		g_assert_true(!(f->def && (f->flags & FIELD_REQUIRED)));
		check_defaults(f->shape->kind == SHAPE_LIST ? f->shape->item : f->shape, here);
	}
}

static void test_tables(void)
{
	for (const Kind *k = doc_kinds; k->name; k++)
		check_defaults(k->spec, k->name);
}

static void test_man(void)
{
	g_autofree char *man = schema_man();
	static const char *const wanted[] = { ".Dt SHIPLOCK 5\n", ".Sh UPGRADEPLAN\n",
		".It Li spec.waves[].clusters.matchLabels\n", ".It Li spec.deadlines.node\n",
		"one of openshift, kubeadm; required\n", ".It Li spec.gates[].burnRate.errors\n" };
	for (size_t i = 0; i < G_N_ELEMENTS(wanted); i++) {
		g_test_message("%s", wanted[i]);
		g_assert_nonnull(strstr(man, wanted[i]));
	}
	g_assert_null(strstr(man, "\n.\n"));
}

/* A document with its defaults, written out and read again, is the same document. */
static void test_yaml_round_trip(void)
{
	g_autoptr(GError) err = NULL;
	GString *all = g_string_new(NULL);
	static const char *const names[] = { "plans/clusters.yaml", "plans/to-4-21-11.yaml",
		"policies/drain.yaml", "policies/gates.yaml", "policies/rollback.yaml",
		"policies/windows.yaml" };
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autofree char *path = test_source_path(names[i]);
		g_autofree char *text = sl_read_file(path, 1 << 20, NULL, &err);
		g_assert_no_error(err);
		g_string_append_printf(all, "%s---\n", text);
	}
	g_autoptr(DocSet) set = test_load_text("all.yaml", all->str);
	g_assert_true(docset_ok(set));
	g_string_truncate(all, 0);
	for (const Kind *k = doc_kinds; k->name; k++) {
		for (size_t i = 0; i < docset_n(set, k->name); i++) {
			g_autofree char *text = schema_yaml(docset_nth(set, k->name, i));
			g_string_append_printf(all, "---\n%s", text);
		}
	}
	g_autoptr(DocSet) again = test_load_text("again.yaml", all->str);
	g_autofree char *findings = test_findings(again);
	g_test_message("%s", findings);
	g_assert_true(docset_ok(again));
	g_assert_cmpuint(docset_n_documents(again), ==, docset_n_documents(set));
	for (const Kind *k = doc_kinds; k->name; k++) {
		for (size_t i = 0; i < docset_n(set, k->name); i++) {
			g_autofree char *a = json_canonical(doc_full(docset_nth(set, k->name, i)));
			g_autofree char *b =
				json_canonical(doc_full(docset_nth(again, k->name, i)));
			g_assert_cmpstr(a, ==, b);
		}
	}
	g_string_free(all, TRUE);
}

/* Texts that YAML would take for something else. */
static void test_yaml_quoting(void)
{
	static const char *const texts[] = { "true", "Null", "12", "1e3", "0x1f", "4.21", "4.21.10",
		"3h", "017", "a: b", "a:", "# c", "- x", "", " a", "*", "&a", "!t", "%x", "@x",
		"`x", "a\nb", "\"q\"", "'q'", "\xc3\xa9", "~", "-", ".5", ".inf", "<<",
		"{{cluster}}", "[x]", "v1", "/a/b", "yes" };
	g_autoptr(json_t) labels = json_object();
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_autofree char *key = g_strdup_printf("k%zu", i);
		json_object_set_new(labels, key, json_string(texts[i]));
	}
	g_autoptr(json_t) answer = json_pack("{s:{s:s, s:s, s:{s:s, s:O}, s:{}}}", "json",
		"apiVersion", DOC_API_VERSION, "kind", "ApprovalPolicy", "metadata", "name", "x",
		"annotations", labels, "spec");
	g_autoptr(Doc) d = doc_new("f", answer, NULL, 0);
	g_autofree char *text = schema_yaml(d);
	g_test_message("%s", text);
	g_autoptr(DocSet) set = test_load_text("f.yaml", text);
	g_assert_true(docset_ok(set));
	const json_t *got = json_path(
		doc_json(docset_find(set, "ApprovalPolicy", "x")), "metadata.annotations");
	g_assert_true(json_equal(got, labels));
}

static char *identity(const char *plan_lines, const char *policy_lines, const char *cluster_lines)
{
	g_autofree char *text = g_strdup_printf(
		"apiVersion: shiplock.dev/v1alpha1\nkind: Cluster\nmetadata: {name: a}\nspec:\n"
		"  provider: openshift\n  access: {kubeconfig: {file: /k}}\n%s---\n"
		"apiVersion: shiplock.dev/v1alpha1\nkind: RollbackPolicy\nmetadata: {name: "
		"r}\nspec:\n%s---\n"
		"apiVersion: shiplock.dev/v1alpha1\nkind: DrainPolicy\nmetadata: {name: "
		"other}\nspec: {}\n---\n"
		"apiVersion: shiplock.dev/v1alpha1\nkind: UpgradePlan\nmetadata: {name: p}\nspec:\n"
		"  target: {version: 4.21.10}\n  waves: [{name: w, clusters: {names: [a]}}]\n"
		"  policies: {rollback: r}\n%s",
		cluster_lines, policy_lines, plan_lines);
	g_autoptr(DocSet) set = test_load_text("t.yaml", text);
	g_autofree char *findings = test_findings(set);
	g_test_message("%s", findings);
	g_assert_true(docset_ok(set));
	return plan_identity(set, docset_find(set, "UpgradePlan", "p"));
}

static void test_identity(void)
{
	static const struct {
		const char *plan, *policy, *cluster;
		bool same;
	} cases[] = {
		{ "", "  require: T2\n", "", true },
		{ "  # a comment\n", "  require:   T2\n", "", true },
		{ "  state: suspended\n", "  require: T2\n", "", true },
		{ "", "  require: T2\n", "  exclusive: true\n", true },
		{ "", "  require: T1\n", "", false },
		{ "  onFailure: {action: hold}\n", "  require: T2\n", "", false },
	};
	g_autofree char *first = identity("", "  require: T2\n", "");
	g_assert_true(g_str_has_prefix(first, "sha256:"));
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *got = identity(cases[i].plan, cases[i].policy, cases[i].cluster);
		g_assert_true((strcmp(got, first) == 0) == cases[i].same);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/schema/json", test_schema);
	g_test_add_func("/schema/tables", test_tables);
	g_test_add_func("/schema/man", test_man);
	g_test_add_func("/schema/yaml-round-trip", test_yaml_round_trip);
	g_test_add_func("/schema/yaml-quoting", test_yaml_quoting);
	g_test_add_func("/schema/identity", test_identity);
	return g_test_run();
}
