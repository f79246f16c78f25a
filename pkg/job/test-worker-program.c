/* The true shiplock-worker of the plain build: its verbs, and the walls around them. */
#include "base/file.h"
#include "codec/json.h"
#include "job/job-worker.h"
#include "loop/listen.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
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

/* The editor, behind the same walls: made, and refused with its place. */
static void test_edit(void)
{
	if (!have_worker())
		return;
	static const struct {
		const char *value, *path, *want;
	} cases[] = {
		{ "stable-4.20", "text",
			"apiVersion: config.openshift.io/v1\nkind: ClusterVersion\n"
			"metadata: {name: version}\nspec: {channel: stable-4.21} # x\n" },
		{ "{{ .Values.channel }}", "refused.message",
			"f.yaml:4:17: this is a template (`{{`), no plain YAML" },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) err = NULL;
		g_autofree char *request = g_strdup_printf(
			"{\"path\":\"f.yaml\",\"text\":\"apiVersion: "
			"config.openshift.io/v1\\nkind: "
			"ClusterVersion\\nmetadata: {name: version}\\nspec: {channel: %s} # x\\n\","
			"\"edits\":[{\"kind\":\"ClusterVersion\",\"name\":\"version\",\"at\":"
			"[\"spec\",\"channel\"],\"value\":\"stable-4.21\"}]}",
			cases[i].value);
		g_autofree char *text = ask("edit", request, &err);
		g_assert_no_error(err);
		g_autoptr(json_t) v = json_parse(text, strlen(text), &err);
		g_assert_no_error(err);
		g_assert_cmpstr(json_path_str(v, cases[i].path, ""), ==, cases[i].want);
	}
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
	{ "node", "{\"op\":\"run\",\"command\":\"true\"}", SL_ERR_INVALID, "\"host\" is missing" },
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

/* libgit2 would wait for ever for a server that accepts and stays silent. */
static void test_silent_server(void)
{
	if (!have_worker())
		return;
	g_autoptr(GError) err = NULL;
	g_autofree char *path = worker_path();
	g_autofree char *dir = g_dir_make_tmp("sl-silent-XXXXXX", NULL);
	SL_AUTO_FD fd = listen_tcp("127.0.0.1:0", &err);
	g_assert_no_error(err);
	g_autofree char *request = g_strdup_printf(
		"{\"op\":\"fetch\",\"mirror\":\"%s/m\",\"url\":\"http://127.0.0.1:%d/x\"}", dir,
		listen_port(fd));
	g_assert_null(job_run_sync(path, "git", request, strlen(request), 500, NULL, &err));
	g_assert_error(err, SL_ERROR, SL_ERR_UNKNOWN_OUTCOME);
	g_assert_nonnull(strstr(err->message, "no answer within 0.500 s"));
	const char *rm[] = { "rm", "-rf", dir, NULL };
	g_assert_true(g_spawn_sync(
		"/", (char **)rm, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL));
}

/* A starter that is killed takes its worker along: here a process between us and the worker. */
static void test_dies_with_starter(void)
{
	if (!have_worker())
		return;
	g_autofree char *path = worker_path();
	int out[2], in[2], status;
	char c;
	g_assert_cmpint(pipe(out), ==, 0);
	g_assert_cmpint(pipe(in), ==, 0);
	pid_t starter = fork();
	if (starter == 0) {
		close(out[0]);
		close(in[1]);
		if (fork() == 0) {
			dup2(in[0], 0); /* never ends: our other end stays open */
			dup2(out[1], 1);
			execl(path, path, "yaml", NULL);
			_exit(127);
		}
		for (;;)
			pause();
	}
	close(out[1]);
	close(in[0]);
	/* It has put up its walls when it has taken more than a pipe holds. */
	g_autofree char *blank = g_strnfill(256 << 10, ' ');
	g_assert_cmpint(write(in[1], blank, 256 << 10), ==, 256 << 10);
	kill(starter, SIGKILL);
	g_assert_cmpint(waitpid(starter, &status, 0), ==, starter);
	g_assert_cmpint(read(out[0], &c, 1), ==, 0); /* the last holder of its stdout is gone */
	close(out[0]);
	close(in[1]);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	alarm(120);
	g_test_add_func("/worker-program/yaml", test_yaml);
	g_test_add_func("/worker-program/edit", test_edit);
	g_test_add_func("/worker-program/large-yaml", test_large_yaml);
	g_test_add_func("/worker-program/bad", test_bad);
	g_test_add_func("/worker-program/silent-server", test_silent_server);
	g_test_add_func("/worker-program/dies-with-starter", test_dies_with_starter);
	return g_test_run();
}
