/* For tests: documents from YAML by the real worker, which `make` builds beside the tests. */
#pragma once
#include "base/file.h"
#include "plan/docset.h"
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* Runs WORKER yaml with the request: in from a file, out by a pipe (its sandbox writes no files).
 */
static inline char *test_ask_worker(const char *request, size_t *ret_len)
{
	g_autoptr(GError) err = NULL;
	g_autofree char *worker = test_worker(), *in = NULL;
	int fd = g_file_open_tmp("sl-docs-XXXXXX", &in, &err), out[2];
	g_assert_no_error(err);
	g_assert_cmpint(pipe2(out, O_CLOEXEC), ==, 0);
	g_assert_true(sl_write_file(in, request, strlen(request), 0600, &err));
	posix_spawn_file_actions_t files;
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, in, O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, out[1], STDOUT_FILENO);
	char verb[] = "yaml", *argv[] = { worker, verb, NULL }, *envp[] = { NULL };
	pid_t pid;
	int status = -1;
	g_assert_cmpint(posix_spawn(&pid, worker, &files, NULL, argv, envp), ==, 0);
	close(out[1]);
	GString *answer = g_string_new(NULL);
	char buf[4096];
	for (ssize_t n; (n = read(out[0], buf, sizeof(buf))) > 0;)
		g_string_append_len(answer, buf, n);
	close(out[0]);
	close(fd);
	g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	posix_spawn_file_actions_destroy(&files);
	unlink(in);
	if (status != 0)
		g_error("%s yaml: status %d: %s", worker, status, answer->str);
	*ret_len = answer->len;
	return g_string_free(answer, FALSE);
}

/* files: [{"name", "text"}]. Checked. */
static inline DocSet *test_load_files(json_t *files)
{
	g_autoptr(GError) err = NULL;
	g_autoptr(json_t) request = json_pack("{s:O}", "files", files);
	g_autofree char *text = json_canonical(request);
	size_t len = 0;
	g_autofree char *out = test_ask_worker(text, &len);
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
