#include "policy/job.h"
#include "codec/json.h"
#include "objects/time.h"
#include <string.h>

#define PROOF "shiplock-proof "
enum { HASH_DIGITS = 16 };

const char *job_namespace(const json_t *template)
{
	return json_path_str(template, "metadata.namespace", "default");
}

void job_name(const char *fleet, const char *run, const char *cluster, const char *item,
	char ret_name[JOB_NAME_BYTES])
{
	g_autofree char *intent = g_strdup_printf("%s|%s|%s|%s", fleet, run, cluster, item);
	g_autofree char *digest = sl_sha256(intent, strlen(intent));
	g_snprintf(
		ret_name, JOB_NAME_BYTES, "shiplock-%.*s", HASH_DIGITS, digest + strlen("sha256:"));
}

json_t *job_object(const json_t *template, const char *name, const char *intent, int timeout_sec)
{
	json_t *job = json_deep_copy(template);
	json_t *meta = json_object_in(job, "metadata"), *spec = json_object_in(job, "spec");
	json_t *pod = json_object_in(json_object_in(spec, "template"), "spec");
	json_object_del(meta, "generateName");
	json_object_del(job, "status");
	json_object_set_new(meta, "name", json_string(name));
	json_object_set_new(meta, "namespace", json_string(job_namespace(template)));
	json_object_set_new(json_object_in(meta, "annotations"), JOB_INTENT, json_string(intent));
	json_object_set_new(spec, "activeDeadlineSeconds", json_integer(timeout_sec));
	if (!json_object_get(spec, "backoffLimit"))
		json_object_set_new(spec, "backoffLimit", json_integer(0));
	if (!json_object_get(pod, "restartPolicy"))
		json_object_set_new(pod, "restartPolicy", json_string("Never"));
	return job;
}

JobState job_state(const json_t *job, char **ret_text)
{
	size_t i;
	json_t *c;
	*ret_text = NULL;
	json_array_foreach (json_path(job, "status.conditions"), i, c) {
		const char *type = json_path_str(c, "type", "");
		bool failed = strcmp(type, "Failed") == 0, complete = strcmp(type, "Complete") == 0;
		if (strcmp(json_path_str(c, "status", ""), "True") != 0 || !(failed || complete))
			continue;
		const char *message = json_path_str(c, "message", "");
		*ret_text = g_strdup_printf(
			"%s%s%s", json_path_str(c, "reason", type), *message ? ": " : "", message);
		return complete ? JOB_COMPLETE : JOB_FAILED;
	}
	return JOB_RUNNING;
}

const json_t *job_pod(const json_t *pods)
{
	const json_t *newest = NULL;
	size_t i;
	json_t *p;
	json_array_foreach (json_object_get(pods, "items"), i, p) {
		const char *made = json_path_str(p, "metadata.creationTimestamp", "");
		if (!newest ||
			strcmp(made, json_path_str(newest, "metadata.creationTimestamp", "")) > 0)
			newest = p;
	}
	return newest;
}

int job_exit_code(const json_t *pod)
{
	size_t i;
	json_t *c;
	json_array_foreach (json_path(pod, "status.containerStatuses"), i, c) {
		const json_t *code = json_path(c, "state.terminated.exitCode");
		if (json_is_integer(code))
			return (int)json_integer_value(code);
	}
	return -1;
}

char *job_log_tail(const char *log)
{
	size_t n = strlen(log);
	if (n <= JOB_LOG_TAIL_BYTES)
		return g_utf8_make_valid(log, (gssize)n);
	const char *from = log + n - JOB_LOG_TAIL_BYTES, *line = strchr(from, '\n');
	return g_utf8_make_valid(line && line[1] ? line + 1 : from, -1);
}

static char *last_line(const char *log, const char *prefix)
{
	g_auto(GStrv) lines = g_strsplit(log, "\n", -1);
	for (size_t i = g_strv_length(lines); i > 0; i--)
		if (*lines[i - 1] && g_str_has_prefix(lines[i - 1], prefix))
			return g_strdup(lines[i - 1]);
	return NULL;
}

char *job_proof(const char *log, const char *key)
{
	g_autofree char *line = last_line(log, PROOF);
	g_auto(GStrv) words = g_strsplit(line ? line : "", " ", -1);
	size_t n = strlen(key);
	for (char **w = words; *w; w++)
		if (strncmp(*w, key, n) == 0 && (*w)[n] == '=' && (*w)[n + 1])
			return g_strdup(*w + n + 1);
	return NULL;
}

bool job_last_time(const char *log, int64_t *ret_usec)
{
	g_autofree char *line = last_line(log, "");
	return line && sl_time_parse(g_strstrip(line), ret_usec);
}
