#include "sim/reply.h"
#include "codec/json.h"
#include <string.h>

void sim_answer_clear(SimAnswer *a)
{
	sim_snap_unref(a->snap);
	json_decref(a->json);
	*a = (SimAnswer){ 0 };
}

json_t *sim_cause(const char *reason, const char *message, const char *field)
{
	return json_pack(
		"[{s:s, s:s, s:s*}]", "reason", reason, "message", message, "field", field);
}

static json_t *details(const SimKind *k, const char *name, json_t *causes)
{
	json_t *d = json_object();
	if (name)
		json_object_set_new(d, "name", json_string(name));
	if (k) {
		g_autofree char *group = sim_kind_group(k);
		if (group[0])
			json_object_set_new(d, "group", json_string(group));
		json_object_set_new(d, "kind", json_string(k->plural));
	}
	if (causes)
		json_object_set_new(d, "causes", causes);
	return d;
}

static SimAnswer fail_text(int status, const char *reason, const SimKind *k, const char *name,
	json_t *causes, const char *message)
{
	json_t *s = json_pack("{s:s, s:s, s:{}, s:s, s:s}", "kind", "Status", "apiVersion", "v1",
		"metadata", "status", "Failure", "message", message);
	if (reason)
		json_object_set_new(s, "reason", json_string(reason));
	if (k || name || causes)
		json_object_set_new(s, "details", details(k, name, causes));
	json_object_set_new(s, "code", json_integer(status));
	return (SimAnswer){ .status = status, .json = s };
}

SimAnswer sim_fail(int status, const char *reason, const SimKind *k, const char *name,
	json_t *causes, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	g_autofree char *message = g_strdup_vprintf(fmt, ap);
	va_end(ap);
	return fail_text(status, reason, k, name, causes, message);
}

SimAnswer sim_bad_request(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	g_autofree char *message = g_strdup_vprintf(fmt, ap);
	va_end(ap);
	return fail_text(400, "BadRequest", NULL, NULL, NULL, message);
}

/* "clusterversions.config.openshift.io", "pods". */
static char *resource_text(const SimKind *k)
{
	g_autofree char *group = sim_kind_group(k);
	return group[0] ? g_strconcat(k->plural, ".", group, NULL) : g_strdup(k->plural);
}

SimAnswer sim_not_found(const SimKind *k, const char *name)
{
	g_autofree char *res = resource_text(k);
	return sim_fail(404, "NotFound", k, name, NULL, "%s \"%s\" not found", res, name);
}

SimAnswer sim_conflict(const SimKind *k, const char *name, const char *why)
{
	g_autofree char *res = resource_text(k);
	return sim_fail(409, "Conflict", k, name, NULL,
		"Operation cannot be fulfilled on %s \"%s\": %s", res, name, why);
}

SimAnswer sim_expired(int64_t rv, int64_t compacted)
{
	return sim_fail(410, "Expired", NULL, NULL, NULL,
		"too old resource version: %" PRId64 " (%" PRId64 ")", rv, compacted);
}
