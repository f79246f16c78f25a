/* For tests: documents from YAML by the real worker, which `make` builds beside the tests. */
#pragma once
#include "job/job-worker.h"
#include "plan/docset.h"
#include <string.h>

/* $SHIPLOCK_WORKER, or shiplock-worker of the build folder: the test is in BUILD/san/test. */
static inline char *test_worker(void)
{
	const char *env = g_getenv("SHIPLOCK_WORKER");
	if (env)
		return g_strdup(env);
	g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
	char *dir = g_path_get_dirname(self);
	for (int up = 0; up < 2; up++) {
		char *parent = g_path_get_dirname(dir);
		g_free(dir);
		dir = parent;
	}
	char *path = g_build_filename(dir, "shiplock-worker", NULL);
	g_free(dir);
	if (!g_file_test(path, G_FILE_TEST_IS_EXECUTABLE))
		g_error("%s is not there: build it first (make all)", path);
	return path;
}

/* files: [{"name", "text"}]. Checked. */
static inline DocSet *test_load_files(json_t *files)
{
	g_autoptr(GError) err = NULL;
	g_autofree char *worker = test_worker();
	g_autoptr(json_t) request = json_pack("{s:O}", "files", files);
	g_autofree char *text = json_canonical(request);
	size_t len = 0;
	g_autofree char *out = job_run_sync(worker, "yaml", text, strlen(text), 60000, &len, &err);
	g_assert_no_error(err);
	g_autoptr(json_t) answer = json_parse(out, len, &err);
	g_assert_no_error(err);
	DocSet *set = docset_new();
	g_assert_true(docset_add_files(set, request, answer, &err));
	g_assert_no_error(err);
	docset_check(set);
	return set;
}

static inline DocSet *test_load_text(const char *name, const char *text)
{
	g_autoptr(json_t) files = json_pack("[{s:s, s:s}]", "name", name, "text", text);
	return test_load_files(files);
}

static inline char *test_findings(const DocSet *set)
{
	return findings_text(docset_findings(set), docset_n_documents(set), docset_n_files(set));
}

static inline char *test_source_path(const char *path)
{
	const char *src = g_getenv("SHIPLOCK_SRC");
	return g_build_filename(src ? src : ".", path, NULL);
}
