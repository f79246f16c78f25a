#include "kubeconfig.h"
#include "base/file.h"
#include "job/job-worker.h"
#include <string.h>

enum { KUBECONFIG_MAX_BYTES = 1 << 20, YAML_TIMEOUT_MSEC = 30000 };

static json_t *from_yaml(const char *path, const char *text, GError **err)
{
	g_autoptr(json_t) request = json_pack(
		"{s:[{s:s, s:s}], s:b}", "files", "name", path, "text", text, "positions", 0);
	g_autofree char *input = request ? json_dumps(request, JSON_COMPACT) : NULL;
	if (!input) {
		sl_fail(err, SL_ERR_INVALID, "%s: is no UTF-8 text", path);
		return NULL;
	}
	size_t len;
	g_autofree char *answer =
		job_run_sync(NULL, "yaml", input, strlen(input), YAML_TIMEOUT_MSEC, &len, err);
	g_autoptr(json_t) json = answer ? json_parse(answer, len, err) : NULL;
	if (!json)
		return NULL;
	json_t *doc = json_path(json, "files.0.documents.0.json");
	if (!doc)
		sl_fail(err, SL_ERR_INVALID, "%s: %s", path,
			json_path_str(json, "files.0.errors.0.message", "holds no document"));
	return json_incref(doc);
}

json_t *kubeconfig_read(const char *path, GError **err)
{
	size_t len;
	g_autofree char *text = sl_read_file(path, KUBECONFIG_MAX_BYTES, &len, err);
	if (!text)
		return NULL;
	json_t *json = json_parse(text, len, NULL);
	return json ? json : from_yaml(path, text, err);
}
