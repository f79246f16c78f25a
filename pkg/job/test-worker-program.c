/* The true shiplock-worker of the plain build: its verbs, and the walls around them. */
#include "codec/json.h"
#include "job/job-worker.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* $SHIPLOCK_BUILD, else two folders above that of this test (BUILD/san/test). */
static char *worker_path(void)
{
	const char *build = getenv("SHIPLOCK_BUILD");
	g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
	g_autofree char *dir = g_path_get_dirname(self);
	return build ? g_build_filename(build, "shiplock-worker", NULL)
		     : g_build_filename(dir, "..", "..", "shiplock-worker", NULL);
}

static bool have_worker(void)
{
	g_autofree char *path = worker_path();
	if (access(path, X_OK) == 0)
		return true;
	g_test_skip("shiplock-worker is not built");
	return false;
}

static char *ask(const char *verb, const char *request, GError **err)
{
	g_autofree char *path = worker_path();
	return job_run_sync(path, verb, request, strlen(request), 60000, NULL, err);
}

static void test_yaml(void)
{
	if (!have_worker())
		return;
	g_autoptr(GError) err = NULL;
	g_autofree char *text =
		ask("yaml", "{\"files\":[{\"name\":\"a\",\"text\":\"x: [1, two]\\n\"}]}", &err);
	g_assert_no_error(err);
	g_autoptr(json_t) v = json_parse(text, strlen(text), &err);
	g_assert_no_error(err);
	g_assert_cmpstr(json_path_str(v, "files.0.documents.0.json.x.1", ""), ==, "two");
	g_assert_cmpint(json_path_int(v, "files.0.documents.0.json.x.0", 0), ==, 1);
	g_assert_cmpuint(json_array_size(json_path(v, "files.0.errors")), ==, 0);
}

/* 16 MiB of the densest text go through the memory limit. */
static void test_large_yaml(void)
{
	if (!have_worker())
		return;
	g_autoptr(GError) err = NULL;
	g_autoptr(GString) request = g_string_new("{\"files\":[{\"name\":\"a\",\"text\":\"");
	for (int i = 0; i < 90000; i++)
		g_string_append(request, "- {a: 1, b: [x, y], c: {d: text text text}}\\n");
	g_string_append(request, "\"}]}");
	g_autofree char *text = ask("yaml", request->str, &err);
	g_assert_no_error(err);
	g_autoptr(json_t) v = json_parse(text, strlen(text), &err);
	g_assert_no_error(err);
	g_assert_cmpuint(json_array_size(json_path(v, "files.0.documents.0.json")), ==, 90000);
}

static const struct {
	const char *verb, *request;
	int code;
	const char *text;
} bad[] = {
	{ "yaml", "", SL_ERR_INVALID, "request: line" },
	{ "yaml", "{\"files\":", SL_ERR_INVALID, "request: line" },
	{ "yaml", "[]", SL_ERR_INVALID, "" },
	{ "yaml", "{\"a\":1,\"a\":2}", SL_ERR_INVALID, "duplicate" },
	{ "git", "{\"op\":\"nonsense\",\"mirror\":\"/m\"}", SL_ERR_INVALID, "nonsense" },
	{ "nonsense", "{}", SL_ERR_UNKNOWN_OUTCOME, "exit code 64" },
	{ "probe", "{\"try\":\"open\"}", SL_ERR_UNKNOWN_OUTCOME, "what its sandbox forbids" },
	{ "probe", "{\"try\":\"socket\"}", SL_ERR_UNKNOWN_OUTCOME, "what its sandbox forbids" },
	{ "probe", "{\"try\":\"exec\"}", SL_ERR_UNKNOWN_OUTCOME, "what its sandbox forbids" },
	{ "probe", "{\"try\":\"fork\"}", SL_ERR_UNKNOWN_OUTCOME, "what its sandbox forbids" },
	{ "probe", "{\"try\":\"code\"}", SL_ERR_UNKNOWN_OUTCOME, "what its sandbox forbids" },
	{ "probe", "{\"try\":\"protect\"}", SL_ERR_UNKNOWN_OUTCOME, "what its sandbox forbids" },
	{ "probe", "{\"try\":\"readOther\"}", SL_ERR_UNKNOWN_OUTCOME, "what its sandbox forbids" },
	{ "probe", "{\"try\":\"unlink\"}", SL_ERR_UNKNOWN_OUTCOME, "what its sandbox forbids" },
	{ "probe", "{\"try\":\"kill\"}", SL_ERR_UNKNOWN_OUTCOME, "what its sandbox forbids" },
	{ "probe", "{\"try\":\"cpu\"}", SL_ERR_UNKNOWN_OUTCOME, "used up its processor time" },
	{ "probe", "{\"try\":\"memory\"}", SL_ERR_UNKNOWN_OUTCOME, "failed to allocate" },
};

static void test_bad(void)
{
	if (!have_worker())
		return;
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autoptr(GError) err = NULL;
		g_test_message("%s %s", bad[i].verb, bad[i].request);
		g_assert_null(ask(bad[i].verb, bad[i].request, &err));
		g_test_message("%s", err->message);
		g_assert_error(err, SL_ERROR, bad[i].code);
		g_assert_nonnull(strstr(err->message, bad[i].text));
	}
	g_autoptr(GError) err = NULL;
	g_autofree char *text = ask("probe", "{\"try\":\"nothing\"}", &err);
	g_assert_no_error(err);
	g_assert_cmpstr(text, ==, "{\"survived\":\"nothing\"}");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/worker-program/yaml", test_yaml);
	g_test_add_func("/worker-program/large-yaml", test_large_yaml);
	g_test_add_func("/worker-program/bad", test_bad);
	return g_test_run();
}
