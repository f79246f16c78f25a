/* shiplock-worker VERB: one job for libraries that block or that hostile input may break. Reads one
 * JSON request from stdin, writes one JSON answer to stdout (pkg/job/job-wire.h). */
#include "codec/json.h"
#include "editor.h"
#include "job/job-wire.h"
#include "probe.h"
#include "sandbox.h"
#include "ssh/ssh.h"
#include "yaml/edit.h"
#include "yaml/yaml.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_USAGE = 64, CHUNK_BYTES = 256 << 10 };

static json_t *run_git(const json_t *request, GError **err)
{
	return git_verb(request, &worker_editor, err);
}

static const struct Verb {
	const char *name, *what;
	json_t *(*run)(const json_t *request, GError **err);
	Walls walls;
} verbs[] = {
	{ "yaml", "YAML to JSON with positions", yaml_verb,
		{ .cpu_sec = 60, .memory_bytes = (size_t)3 << 30, .pure = true } },
	{ "edit", "change single values of a manifest in place", yaml_edit_verb,
		{ .cpu_sec = 60, .memory_bytes = (size_t)3 << 30, .pure = true } },
	{ "git", "fetch, read, change and push repositories", run_git,
		{ .cpu_sec = 600, .file_bytes = (size_t)4 << 30 } },
	{ "node", "run commands on nodes over SSH, and copy files", ssh_verb,
		{ .cpu_sec = 600,
			.memory_bytes = (size_t)2 << 30,
			.file_bytes = (size_t)16 << 30 } },
	{ "probe", "try what the sandbox of yaml forbids (for its test)", probe_verb,
		{ .cpu_sec = 1, .memory_bytes = (size_t)256 << 20, .pure = true } },
};

static bool read_all(GString *to, GError **err)
{
	static const size_t max = JOB_MAX_REQUEST_BYTES;
	g_autofree char *buf = g_malloc(CHUNK_BYTES);
	for (;;) {
		ssize_t n = read(STDIN_FILENO, buf, CHUNK_BYTES);
		if (n == 0)
			return true;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return sl_fail(err, SL_ERR_RETRY, "request: %s", g_strerror(errno));
		if (to->len + (size_t)n > max)
			return sl_fail(
				err, SL_ERR_INVALID, "the request is larger than %zu bytes", max);
		g_string_append_len(to, buf, n);
	}
}

static bool write_all(const char *text)
{
	for (size_t left = strlen(text); left > 0;) {
		ssize_t n = write(STDOUT_FILENO, text, left);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		text += n;
		left -= (size_t)n;
	}
	return true;
}

static char *serve(const struct Verb *v, GError **err)
{
	g_autoptr(GString) text = g_string_new("");
	if (!sandbox_enter(&v->walls, err) || !read_all(text, err))
		return NULL;
	g_autoptr(json_t) request = json_parse(text->str, text->len, err);
	if (!request) {
		g_prefix_error(err, "request: ");
		return NULL;
	}
	g_autoptr(json_t) answer = v->run(request, err);
	if (!answer)
		return NULL;
	GString *out = g_string_new(NULL);
	json_append(out, answer, false);
	return g_string_free(out, FALSE);
}

static int usage(void)
{
	fprintf(stderr, "usage: shiplock-worker VERB <request.json; started by shiplockd, "
			"not by hand\n");
	for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++)
		fprintf(stderr, "  %-6s %s\n", verbs[i].name, verbs[i].what);
	return EXIT_USAGE;
}

/* GLib's own writer looks for journald and the time zone: more than the walls allow. */
static GLogWriterOutput complain(
	GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer ud)
{
	for (gsize i = 0; i < n_fields; i++)
		if (strcmp(fields[i].key, "MESSAGE") == 0)
			fprintf(stderr, "%s\n", (const char *)fields[i].value);
	return G_LOG_WRITER_HANDLED;
}

int main(int argc, char **argv)
{
	const struct Verb *v = NULL;
	for (size_t i = 0; i < G_N_ELEMENTS(verbs) && argc == 2; i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			v = &verbs[i];
	if (!v)
		return usage();
	g_log_set_writer_func(complain, NULL, NULL);
	g_autoptr(GError) err = NULL;
	g_autofree char *answer = serve(v, &err);
	g_autofree char *error = answer ? NULL : job_error_text(err);
	if (!write_all(answer ? answer : error))
		return EXIT_USAGE + 10; /* nobody listens any more */
	return error ? JOB_EXIT_ERROR : 0;
}
