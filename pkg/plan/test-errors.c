/* Bad documents, each with the exact text that people get: cases-errors.txt holds blocks of
 *	### name
 *	the documents
 *	===
 *	what check says */
#include "base/file.h"
#include "plan/test-docs.h"

static void run_case(const char *name, const char *documents, const char *want)
{
	g_test_message("%s", name);
	g_autoptr(DocSet) set = test_load_text("t.yaml", documents);
	g_autofree char *got = test_findings(set);
	g_assert_cmpstr(got, ==, want);
	g_assert_true(docset_ok(set) == (findings_count(docset_findings(set), FINDING_ERROR) == 0));
}

static void test_cases(void)
{
	g_autoptr(GError) err = NULL;
	g_autofree char *path = test_source_path("pkg/plan/cases-errors.txt");
	g_autofree char *text = sl_read_file(path, 1 << 20, NULL, &err);
	g_assert_no_error(err);
	g_auto(GStrv) blocks = g_strsplit(text, "### ", -1);
	unsigned n = 0;
	for (char **block = blocks + 1; *block; block++, n++) {
		char *body = strchr(*block, '\n'), *end = strstr(*block, "===\n");
		g_assert_true(body && end);
		*body = *end = '\0';
		run_case(*block, body + 1, end + 4);
	}
	g_assert_cmpuint(n, >=, 100);
}

static void assert_refused(const char *file, json_t *content, const char *want)
{
	g_autoptr(json_t) files = json_pack("[{s:s}]", "name", "h.yaml");
	json_object_set_new(json_array_get(files, 0), file, content);
	int64_t start = g_get_monotonic_time();
	g_autoptr(DocSet) set = test_load_files(files);
	g_autofree char *got = test_findings(set);
	g_test_message("%d ms: %s", (int)((g_get_monotonic_time() - start) / 1000), got);
	g_assert_false(docset_ok(set));
	g_assert_cmpstr(got, ==, want);
}

static char *repeat(const char *what, size_t n)
{
	GString *s = g_string_new(NULL);
	for (size_t i = 0; i < n; i++)
		g_string_append(s, what);
	return g_string_free(s, FALSE);
}

static json_t *json_take(char *text)
{
	json_t *v = json_string(text);
	g_free(text);
	return v;
}

static void test_hostile(void)
{
	assert_refused("text", json_take(repeat("[", 10000)),
		"h.yaml:1:65: nested deeper than 64 levels\n1 error in 1 file\n");
	assert_refused(
		"base64", json_string("YTog/w=="), "h.yaml:1:4: not UTF-8\n1 error in 1 file\n");
	assert_refused(
		"base64", json_string("YToAYg=="), "h.yaml:1:3: NUL byte\n1 error in 1 file\n");
	assert_refused("text", json_string("a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n"),
		"h.yaml:1:7: anchors (&) are not used here; write the value out\n"
		"h.yaml:2:7: anchors (&) are not used here; write the value out\n"
		"h.yaml:2:8: aliases (*) are not used here; write the value out\n"
		"3 errors in 1 file\n");
	char *large = g_malloc(DOCSET_MAX_FILE_BYTES + 2);
	memset(large, '#', DOCSET_MAX_FILE_BYTES + 1);
	large[DOCSET_MAX_FILE_BYTES + 1] = '\0';
	assert_refused("text", json_take(large),
		"h.yaml:1:1: the file is larger than 16 MiB\n1 error in 1 file\n");
}

/* Thousands of mistakes end in a bounded number of lines. */
static void test_many_errors(void)
{
	GString *s = g_string_new("apiVersion: shiplock.dev/v1alpha1\nkind: Cluster\n"
				  "metadata: {name: a}\nspec:\n");
	for (int i = 0; i < 5000; i++)
		g_string_append_printf(s, "  unknown%d: 1\n", i);
	g_autoptr(DocSet) set = test_load_text("t.yaml", s->str);
	g_assert_cmpuint(findings_total(docset_findings(set)), <=, 202);
	g_autofree char *got = test_findings(set);
	g_assert_nonnull(
		strstr(got, "t.yaml:1:1: Cluster/a: more errors in this document are not shown\n"));
	g_string_free(s, TRUE);
}

static void test_report(void)
{
	g_autoptr(DocSet) set = test_load_text("t.yaml",
		"apiVersion: shiplock.dev/v1alpha1\nkind: RollbackPolicy\nmetadata: {name: x}\n"
		"spec: {stopFleetAfter: 0}\n");
	g_autoptr(json_t) report =
		findings_report(docset_findings(set), docset_n_documents(set), docset_n_files(set));
	g_autofree char *got = json_canonical(report);
	g_assert_cmpstr(got, ==,
		"{\"apiVersion\":\"shiplock.dev/"
		"v1alpha1\",\"documents\":1,\"errors\":1,\"files\":1,"
		"\"findings\":[{\"code\":\"badValue\",\"column\":24,\"documentKind\":"
		"\"RollbackPolicy\","
		"\"file\":\"t.yaml\",\"level\":\"error\",\"line\":4,\"message\":\"0 is below 1\","
		"\"name\":\"x\",\"path\":\"spec.stopFleetAfter\"}],\"kind\":\"CheckReport\","
		"\"notices\":0,\"warnings\":0}");
}

/* A secret that was written in place is never shown. */
static void test_no_secret(void)
{
	g_autoptr(DocSet) set = test_load_text("t.yaml",
		"apiVersion: shiplock.dev/v1alpha1\nkind: Cluster\nmetadata: {name: x}\n"
		"spec:\n  provider: openshift\n  access: {kubeconfig: hunter2}\n"
		"  telemetry: [{url: 'https://u:hunter2@t', token: hunter2, basic: {user: u, "
		"password: hunter2}}]\n");
	g_autofree char *got = test_findings(set);
	g_assert_nonnull(strstr(got, "5 errors"));
	g_assert_null(strstr(got, "hunter2"));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/errors/cases", test_cases);
	g_test_add_func("/errors/hostile", test_hostile);
	g_test_add_func("/errors/many", test_many_errors);
	g_test_add_func("/errors/report", test_report);
	g_test_add_func("/errors/no-secret", test_no_secret);
	return g_test_run();
}
