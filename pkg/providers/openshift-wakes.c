/* What wakes a step that waits on OpenShift: the version object, the pools, and of a node only what
 * a drain or a reboot changes; its heartbeats are nobody's business. */
#include "providers/openshift.h"

static char *node_signature(const json_t *node)
{
	const json_t *notes = json_path(node, "metadata.annotations");
	const char *const values[] = {
		json_path_bool(node, "spec.unschedulable", false) ? "cordoned" : "",
		condition_status(node, "Ready"),
		json_string_value(json_object_get(notes, MCO_PREFIX "desiredDrain")),
		json_string_value(json_object_get(notes, MCO_PREFIX "lastAppliedDrain")),
		json_string_value(json_object_get(notes, MCO_PREFIX "state")),
	};
	GString *s = g_string_new(NULL);
	for (size_t i = 0; i < G_N_ELEMENTS(values); i++)
		g_string_append_printf(s, "%s|", values[i] ? values[i] : "");
	return g_string_free(s, FALSE);
}

const WakeRow openshift_wakes[] = {
	{ CV_COLLECTION, &fact_object, CV_PATH, NULL },
	{ MCP_PATH, &fact_list, MCP_PATH, NULL },
	{ NODES_PATH, &fact_list, NODES_PATH, node_signature },
	{ 0 },
};
