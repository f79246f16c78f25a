/* Tables: what kubectl prints, so that a person can look around in a simulated fleet. */
#include "codec/json.h"
#include "objects/time.h"
#include "sim/api-private.h"
#include "sim/tree.h"
#include <string.h>

enum { MAX_COLUMNS = 6 };

typedef struct Column {
	const char *name;
	const char *path; /* of a member; "?Type" is the status of a condition */
	char *(*text)(const json_t *o); /* instead of a path */
} Column;

static bool holds(const json_t *o, const char *type, const char *is)
{
	size_t i;
	json_t *c;
	json_array_foreach (tree_get(o, "status.conditions"), i, c) {
		if (g_strcmp0(tree_str(c, "type"), type) == 0)
			return g_strcmp0(tree_str(c, "status"), is) == 0;
	}
	return false;
}

static char *node_status(const json_t *o)
{
	return g_strconcat(holds(o, "Ready", "True") ? "Ready" : "NotReady",
		tree_true(o, "spec.unschedulable") ? ",SchedulingDisabled" : "", NULL);
}

static char *pod_status(const json_t *o)
{
	const char *phase = tree_str(o, "status.phase");
	return g_strdup(tree_str(o, "metadata.deletionTimestamp") ? "Terminating"
			: phase                                   ? phase
								  : "Unknown");
}

static char *pod_ready(const json_t *o)
{
	return g_strdup(holds(o, "Ready", "True") ? "1/1" : "0/1");
}

static char *progress(const json_t *o)
{
	size_t i;
	json_t *c;
	json_array_foreach (tree_get(o, "status.conditions"), i, c) {
		const char *type = tree_str(c, "type");
		if (g_strcmp0(type, "Progressing") == 0)
			return g_strdup(tree_str(c, "message"));
	}
	return g_strdup("");
}

static char *last_version(const json_t *o)
{
	const json_t *list = tree_get(o, "status.history");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *e = json_array_get(list, i);
		if (g_strcmp0(tree_str(e, "state"), "Completed") == 0)
			return g_strdup(tree_str(e, "version"));
	}
	return g_strdup("");
}

static char *first_version(const json_t *o)
{
	return g_strdup(json_path_str(o, "status.versions.0.version", ""));
}

static const Column columns[SIM_KINDS][MAX_COLUMNS] = {
	[SIM_NODES] = { { "Status", .text = node_status },
		{ "Version", "status.nodeInfo.kubeletVersion" } },
	[SIM_PODS] = { { "Ready", .text = pod_ready }, { "Status", .text = pod_status },
		{ "Node", "spec.nodeName" } },
	[SIM_REPLICASETS] = { { "Desired", "spec.replicas" }, { "Ready", "status.readyReplicas" } },
	[SIM_DEPLOYMENTS] = { { "Desired", "spec.replicas" },
		{ "Available", "status.availableReplicas" } },
	[SIM_PDBS] = { { "Max unavailable", "spec.maxUnavailable" },
		{ "Allowed disruptions", "status.disruptionsAllowed" } },
	[SIM_CLUSTERVERSIONS] = { { "Version", .text = last_version },
		{ "Available", "?Available" }, { "Progressing", "?Progressing" },
		{ "Failing", "?Failing" }, { "Status", .text = progress } },
	[SIM_CLUSTEROPERATORS] = { { "Version", .text = first_version },
		{ "Available", "?Available" }, { "Progressing", "?Progressing" },
		{ "Degraded", "?Degraded" } },
	[SIM_POOLS] = { { "Updated", "?Updated" }, { "Updating", "?Updating" },
		{ "Paused", "spec.paused" }, { "Machines", "status.machineCount" },
		{ "Updated machines", "status.updatedMachineCount" },
		{ "Unavailable", "status.unavailableMachineCount" } },
	[SIM_APIREQUESTCOUNTS] = { { "RemovedInRelease", "status.removedInRelease" },
		{ "RequestsInCurrentHour", "status.currentHour.requestCount" },
		{ "RequestsInLast24h", "status.requestCount" } },
};

static char *condition_text(const json_t *o, const char *type)
{
	return g_strdup(holds(o, type, "True")    ? "True"
			: holds(o, type, "False") ? "False"
						  : "Unknown");
}

static char *cell(const Column *c, const json_t *o)
{
	if (c->text)
		return c->text(o);
	if (c->path[0] == '?')
		return condition_text(o, c->path + 1);
	const json_t *v = tree_get(o, c->path);
	if (!v)
		return g_strdup("");
	return json_is_string(v) ? g_strdup(json_string_value(v)) : tree_text(v);
}

/* Numbers stay numbers, as with the real server. */
static json_t *cell_json(const Column *c, const json_t *o)
{
	json_t *v = c->text || c->path[0] == '?' ? NULL : tree_get(o, c->path);
	if (json_is_integer(v))
		return json_incref(v);
	g_autofree char *text = cell(c, o);
	return json_string(text ? text : "");
}

static json_t *cells(const SimKind *k, const json_t *o, int64_t wall_usec)
{
	json_t *list = json_pack("[s]", tree_str(o, "metadata.name"));
	for (size_t i = 0; i < MAX_COLUMNS && columns[k->id][i].name; i++)
		json_array_append_new(list, cell_json(&columns[k->id][i], o));
	int64_t born = wall_usec;
	const char *time = tree_str(o, "metadata.creationTimestamp");
	if (time && !sl_time_parse(time, &born))
		born = wall_usec;
	g_autofree char *age = sl_duration_human((wall_usec - born) / 1000000);
	json_array_append_new(list, json_string(age));
	return list;
}

void api_append_row(GString *out, const SimKind *k, SimSnap *s, int64_t wall_usec)
{
	g_autoptr(json_t) row = json_pack("{s:o, s:{s:s, s:s, s:O}}", "cells",
		cells(k, s->json, wall_usec), "object", "kind", "PartialObjectMetadata",
		"apiVersion", "meta.k8s.io/v1", "metadata", json_object_get(s->json, "metadata"));
	tree_append_text(out, row);
}

static void append_column(GString *out, const char *name, const char *format)
{
	g_string_append_printf(out,
		"{\"name\":\"%s\",\"type\":\"string\",\"format\":\"%s\",\"description\":\"\","
		"\"priority\":0}",
		name, format);
}

void api_append_columns(GString *out, const SimKind *k)
{
	g_string_append(out, ",\"columnDefinitions\":[");
	append_column(out, "Name", "name");
	for (size_t i = 0; i < MAX_COLUMNS && columns[k->id][i].name; i++) {
		g_string_append_c(out, ',');
		append_column(out, columns[k->id][i].name, "");
	}
	g_string_append_c(out, ',');
	append_column(out, "Age", "");
	g_string_append_c(out, ']');
}
