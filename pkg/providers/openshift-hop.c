/* Where the cluster stands, where it can go, and what could be rolled back. Read anew before every
 * hop: the graph that a plan was written against may be gone (sites: "not recommended any more"
 * found only after the merge). */
#include "objects/version.h"
#include "providers/openshift.h"
#include "providers/wanted.h"
#include <string.h>

char *openshift_graph_problem(const json_t *cv)
{
	if (strcmp(condition_status(cv, "RetrievedUpdates"), "True") == 0)
		return NULL;
	return g_strdup_printf("the cluster could not read its update graph (%s: %s)",
		condition_reason(cv, "RetrievedUpdates"),
		condition_message(cv, "RetrievedUpdates"));
}

static char *edge_problem(
	const Item *it, const json_t *cv, const char *version, const char **ret_image)
{
	const json_t *risks = NULL, *target = wanted_target(it);
	switch (cv_edge(cv, version, ret_image, &risks)) {
	case CV_EDGE_RECOMMENDED:
		return NULL;
	case CV_EDGE_CONDITIONAL: {
		const char *name =
			cv_unaccepted_risk(risks, json_object_get(target, "acceptRisks"));
		return name ? g_strdup_printf("%s is reachable only with the risk %s, which the "
					      "plan does not accept",
				      version, name)
			    : NULL;
	}
	case CV_EDGE_NONE:
		break;
	}
	g_autofree char *blind = openshift_graph_problem(cv);
	if (blind)
		return g_strdup_printf(
			"%s, so nobody knows whether %s is recommended", blind, version);
	return g_strdup_printf(
		"%s is not among the updates that the cluster recommends in channel %s", version,
		json_path_str(cv, "spec.channel", "(none)"));
}

static json_t *hop_json(
	const Item *it, const char *from, const char *from_image, const char *to, const char *image)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:i, s:b, s:s}", "from", from, "fromImage",
		from_image, "to", to, "image", image, "index", 0, "last", 1, "channel",
		json_path_str(wanted_target(it), "channel", ""));
}

/* The control plane is there, but brakes of ours stand: an earlier run stopped between the two. Its
 * last hop is taken up again, so that the workers follow. */
static bool unfinished_hop(Item *it, const json_t *cv, json_t **ret_hop)
{
	const View *pools = fact(it, &fact_list, MCP_PATH);
	if (!pools)
		return false;
	*ret_hop = json_null();
	size_t i;
	json_t *p;
	json_array_foreach (json_object_get(pools->json, "items"), i, p) {
		if (!pool_paused_by(p, target_of(it)->fleet))
			continue;
		const char *now = cv_current_version(cv), *image = cv_current_image(cv);
		const char *from = now, *from_image = image;
		g_autofree char *why = NULL;
		cv_previous(cv, &from, &from_image, &why);
		*ret_hop = hop_json(it, from, from_image, now, image);
		break;
	}
	return true;
}

bool openshift_next_hop(Item *it, json_t **ret_hop, char **ret_why)
{
	const View *v = fact(it, &fact_object, CV_PATH);
	if (!v)
		return false;
	*ret_why = NULL;
	const char *now = cv_current_version(v->json), *image = "";
	int index = 0;
	bool last = false;
	const char *to = wanted_next(it, now, &index, &last);
	if (!to)
		return unfinished_hop(it, v->json, ret_hop);
	/* Ordered by us before a restart, or by a person to the same version: the edge is behind
	 * us. */
	bool ordered = strcmp(cv_wanted_version(v->json), to) == 0 && *cv_wanted_image(v->json);
	if (ordered)
		image = cv_wanted_image(v->json);
	else
		*ret_why = edge_problem(it, v->json, to, &image);
	*ret_hop = hop_json(it, now, cv_current_image(v->json), to, image);
	json_object_set_new(*ret_hop, "index", json_integer(index));
	json_object_set_new(*ret_hop, "last", json_boolean(last));
	return true;
}

bool openshift_path(Item *it, json_t **ret_versions, char **ret_now)
{
	const View *v = fact(it, &fact_object, CV_PATH);
	if (!v)
		return false;
	const char *now = cv_current_version(v->json);
	*ret_now = g_strdup(now);
	*ret_versions = json_array();
	const char *at = now, *next;
	int index;
	for (bool last = false; !last && (next = wanted_next(it, at, &index, &last)); at = next)
		json_array_append_new(*ret_versions, json_string(next));
	return true;
}

bool openshift_probe(Item *it, const json_t *hop, RollbackOffer *ret)
{
	*ret = (RollbackOffer){ .tier = TIER_T0 };
	const char *from = json_path_str(hop, "from", ""), *to = json_path_str(hop, "to", "");
	g_autofree char *why = NULL;
	if (!cv_can_return(from, to, &why)) {
		ret->how = g_strdup_printf("no T2: %s", why);
		return true;
	}
	ret->tier = TIER_T2;
	ret->target = g_strdup(from);
	ret->how = g_strdup_printf(
		"T2 to %s (previous z-stream: the operator accepts it; vendor: unsupported)", from);
	ret->expires = g_strdup("the next update of this cluster");
	return true;
}

bool openshift_probe_return(Item *it, const json_t *hop, RollbackOffer *ret)
{
	*ret = (RollbackOffer){ .tier = TIER_T0 };
	const View *v = fact(it, &fact_object, CV_PATH);
	if (!v)
		return false;
	const char *version = NULL, *image = NULL, *from = json_path_str(hop, "from", "");
	g_autofree char *why = NULL;
	if (!cv_previous(v->json, &version, &image, &why)) {
		ret->how = g_strdup_printf("no T2: %s", why);
		return true;
	}
	if (strcmp(version, from) != 0) {
		ret->how = g_strdup_printf(
			"no T2: the operator would take %s back, not %s", version, from);
		return true;
	}
	return openshift_probe(it, hop, ret);
}
