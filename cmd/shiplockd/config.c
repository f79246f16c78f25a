#include "config.h"
#include "base/file.h"
#include "job/job-worker.h"
#include "plan/value.h"
#include <string.h>

enum { CONFIG_MAX_BYTES = 1 << 20, CONFIG_YAML_MSEC = 10000 };

static json_t *ask_worker(const json_t *request, GError **err)
{
	g_autofree char *text = json_canonical(request);
	size_t len = 0;
	g_autofree char *answer =
		job_run_sync(NULL, "yaml", text, strlen(text), CONFIG_YAML_MSEC, &len, err);
	return answer ? json_parse(answer, len, err) : NULL;
}

static DocSet *read_set(const char *path, GError **err)
{
	g_autofree char *text = sl_read_file(path, CONFIG_MAX_BYTES, NULL, err);
	if (!text)
		return NULL;
	g_autoptr(json_t) request =
		json_pack("{s:[{s:s,s:s}]}", "files", "name", path, "text", text);
	if (!request) {
		sl_fail(err, SL_ERR_INVALID, "%s: is not UTF-8", path);
		return NULL;
	}
	g_autoptr(json_t) answer = ask_worker(request, err);
	g_autoptr(DocSet) set = docset_new();
	if (!answer || !docset_add_files(set, request, answer, err)) {
		g_prefix_error(err, "%s: ", path);
		return NULL;
	}
	docset_check(set);
	return g_steal_pointer(&set);
}

static bool refuse(const DocSet *set, GError **err)
{
	g_autofree char *text =
		findings_text(docset_findings(set), docset_n_documents(set), docset_n_files(set));
	return sl_fail(err, SL_ERR_INVALID, "%s", g_strchomp(text));
}

static void tell_warnings(const DocSet *set, Log log)
{
	const Findings *f = docset_findings(set);
	for (size_t i = 0; i < findings_total(f); i++) {
		g_autofree char *line = finding_text(findings_nth(f, i));
		sl_log(log, LOG_LEVEL_WARNING, LOG_NO_FIELDS, "%s", g_strchomp(line));
	}
}

Config *config_load(const char *path, Log log, GError **err)
{
	g_autoptr(DocSet) set = read_set(path, err);
	if (!set)
		return NULL;
	if (!docset_ok(set)) {
		refuse(set, err);
		return NULL;
	}
	if (docset_n(set, "ControllerConfig") != 1 || docset_n_documents(set) != 1) {
		sl_fail(err, SL_ERR_INVALID, "%s: must hold one ControllerConfig and nothing else",
			path);
		return NULL;
	}
	tell_warnings(set, log);
	const Doc *d = docset_nth(set, "ControllerConfig", 0);
	Config *c = g_new0(Config, 1);
	c->name = g_strdup(doc_name(d));
	c->spec = json_deep_copy(doc_spec(d));
	return c;
}

void config_free(Config *c)
{
	if (!c)
		return;
	g_free(c->name);
	json_decref(c->spec);
	g_free(c);
}

const char *config_state(const Config *c)
{
	return json_path_str(c->spec, "state", "/var/lib/shiplock");
}

const char *config_api(const Config *c)
{
	return json_path_str(c->spec, "listen.api", "/run/shiplock/api.sock");
}

const char *config_web(const Config *c)
{
	return json_path_str(c->spec, "listen.web", "127.0.0.1:9464");
}

const json_t *config_repositories(const Config *c)
{
	return json_object_get(c->spec, "repositories");
}

int config_idle_sec(const Config *c)
{
	return (int)doc_duration_sec(json_path_str(c->spec, "idleInterval", NULL), 300);
}

const json_t *config_roles(const Config *c)
{
	return json_object_get(c->spec, "roles");
}

const json_t *config_notify(const Config *c)
{
	return json_object_get(c->spec, "notify");
}
