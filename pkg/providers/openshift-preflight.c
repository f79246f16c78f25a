/* Everything that can be known beforehand, reported at once. A fact that cannot be read is a
 * finding, not a wait. */
#include "kube/views.h"
#include "objects/version.h"
#include "policy/budget.h"
#include "providers/budgets.h"
#include "providers/openshift-git.h"
#include "providers/owner.h"
#include "providers/preflight.h"
#include "providers/sync.h"
#include <string.h>

static void version_owner(const json_t *cv, Owner *ret)
{
	static const char *const path[] = { "spec", "desiredUpdate", NULL };
	static const char *const people[] = { OUR_MANAGER, "oc", "kubectl", "kubectl-edit",
		"kubectl-patch", "Mozilla", "cluster-version-operator", NULL };
	owner_find(cv, path, people, ret);
}

char *openshift_version_owner(const json_t *cv)
{
	g_auto(Owner) owner = { 0 };
	version_owner(cv, &owner);
	return owner.kind == OWNER_NONE ? NULL : owner_text(&owner);
}

static void check_owner(const json_t *cv, const char *actuator, json_t *findings)
{
	if (strcmp(actuator, "direct") != 0)
		return;
	g_auto(Owner) owner = { 0 };
	version_owner(cv, &owner);
	g_autofree char *who = owner_text(&owner);
	if (owner_is_gitops(&owner))
		finding_add(findings, "block", "owned",
			"use actuator git for this cluster, or observe",
			"%s owns ClusterVersion (%s): what we patch, it would put back in "
			"mid-upgrade",
			who, owner.mark);
	else if (owner.kind == OWNER_MANAGER)
		finding_add(findings, "block", "owned",
			"let that manager give the field up, or use actuator git or observe",
			"%s owns spec.desiredUpdate", who);
}

static void check_operators(const json_t *list, json_t *findings)
{
	size_t i;
	json_t *co;
	json_array_foreach (json_object_get(list, "items"), i, co) {
		const char *name = json_path_str(co, "metadata.name", "?");
		if (strcmp(condition_status(co, "Available"), "False") == 0)
			finding_add(findings, "block", "operator",
				"mend it first: the update would wait for it",
				"ClusterOperator %s is not available: %s", name,
				condition_message(co, "Available"));
		else if (strcmp(condition_status(co, "Degraded"), "True") == 0)
			finding_add(findings, "block", "operator",
				"mend it first: the update would wait for it",
				"ClusterOperator %s is degraded: %s", name,
				condition_message(co, "Degraded"));
	}
}

static void check_pools(const Target *t, const json_t *list, json_t *findings)
{
	size_t i;
	json_t *p;
	json_array_foreach (json_object_get(list, "items"), i, p) {
		const char *name = json_path_str(p, "metadata.name", "?");
		if (strcmp(condition_status(p, "Degraded"), "True") == 0)
			finding_add(findings, "block", "pool",
				"mend it first: a degraded pool blocks the update",
				"MachineConfigPool %s is degraded: %s", name,
				condition_message(p, "Degraded"));
		if (json_path_bool(p, "spec.paused", false) && !pool_paused_by(p, t->fleet))
			finding_add(findings, pool_is_worker(p) ? "warn" : "block", "pool-paused",
				"ask who paused it; we never release a pause that is not ours",
				"MachineConfigPool %s is paused by somebody else", name);
		else if (!json_path_bool(p, "spec.paused", false) && !pool_at_its_wish(p))
			finding_add(findings, "block", "pool-moving", "wait until it is done",
				"MachineConfigPool %s is being updated right now", name);
	}
}

static bool planned_ack(const Item *it, const char *key)
{
	const json_t *given = json_path(item_data(item_parent(it)), "plan.spec.target.acks");
	size_t i;
	json_t *a;
	json_array_foreach (given, i, a)
		if (strcmp(json_string_value(a), key) == 0)
			return true;
	return false;
}

static bool standing_ack(const json_t *acks, const char *key)
{
	const json_t *value = json_object_get(json_object_get(acks, "data"), key);
	return g_strcmp0(json_string_value(value), "true") == 0;
}

/* Keys "ack-X.Y-..." apply while the cluster is at X.Y. */
static char *ack_prefix(const json_t *hop)
{
	Version from;
	if (!version_parse(json_path_str(hop, "from", ""), &from))
		return g_strdup("ack-");
	return g_strdup_printf("ack-%d.%d-", from.major, from.minor);
}

static void check_acks(
	Item *it, const json_t *gates, const json_t *acks, const json_t *hop, json_t *findings)
{
	g_autofree char *prefix = ack_prefix(hop);
	const char *key;
	json_t *text;
	json_object_foreach (json_object_get((json_t *)gates, "data"), key, text) {
		if (!g_str_has_prefix(key, prefix) || planned_ack(it, key) ||
			standing_ack(acks, key))
			continue;
		finding_add(findings, "block", "ack",
			"add it to spec.target.acks of the plan once it is true",
			"the administrator's acknowledgement %s is missing: %s", key,
			json_string_value(text));
	}
}

/* An administrator said of this minor version that what goes away may go. */
static bool acked(Item *it, const json_t *acks, const json_t *hop)
{
	g_autofree char *prefix = ack_prefix(hop);
	const json_t *planned = json_path(item_data(item_parent(it)), "plan.spec.target.acks");
	const char *key;
	json_t *value;
	size_t i;
	json_array_foreach (planned, i, value)
		if (g_str_has_prefix(json_string_value(value), prefix))
			return true;
	json_object_foreach (json_object_get((json_t *)acks, "data"), key, value)
		if (g_str_has_prefix(key, prefix) && standing_ack(acks, key))
			return true;
	return false;
}

static bool is_minor(const json_t *hop)
{
	Version a, b;
	return version_parse(json_path_str(hop, "from", ""), &a) &&
	       version_parse(json_path_str(hop, "to", ""), &b) &&
	       version_minor_distance(&a, &b) != 0;
}

/* What stands in the way of another minor version; false: not read yet. */
static bool check_minor(Item *it, const json_t *cv, const json_t *hop, json_t *findings)
{
	const char *reason = condition_reason(cv, "Upgradeable");
	const View *gates, *acks;
	if (strcmp(condition_status(cv, "Upgradeable"), "False") == 0 &&
		!g_str_has_prefix(reason, "AdminAck"))
		finding_add(findings, "block", "upgradeable", "clear what the operators name",
			"Upgradeable=False blocks a minor update (%s): %s", reason,
			condition_message(cv, "Upgradeable"));
	if (!provider_settled(it, &fact_object, GATES_PATH, false, &gates, findings) ||
		!provider_settled(it, &fact_object, ACKS_PATH, false, &acks, findings))
		return false;
	if (gates && acks)
		check_acks(it, gates->json, acks->json, hop, findings);
	return openshift_check_removed_apis(it, hop, acks && acked(it, acks->json, hop), findings);
}

static void check_progress(const json_t *cv, json_t *findings)
{
	if (strcmp(condition_status(cv, "Progressing"), "True") == 0 ||
		strcmp(condition_status(cv, "Failing"), "True") == 0)
		finding_add(findings, "block", "in-progress",
			"wait until the update under way is done, or mend it",
			"an update is under way: %s", condition_message(cv, "Progressing"));
}

static bool check_hop(Item *it, const json_t *cv, json_t *findings)
{
	json_t *hop = NULL;
	g_autofree char *why = NULL;
	if (!openshift_next_hop(it, &hop, &why))
		return false;
	g_autoptr(json_t) owned = hop;
	if (json_is_null(hop)) {
		finding_add(findings, "info", "at-target", NULL, "the cluster is at %s already",
			cv_current_version(cv));
		return true;
	}
	if (why)
		finding_add(findings, "block", "edge",
			"choose another hop, accept the risk by name in spec.target.acceptRisks, "
			"or mend the channel",
			"%s", why);
	check_progress(cv, findings);
	if (!git_preflight_hop(it, hop, findings))
		return false;
	return !is_minor(hop) || check_minor(it, cv, hop, findings);
}

/* Without a target: what would block any update, and what would block the next minor version. */
static bool look_ahead(Item *it, const json_t *cv, json_t *findings)
{
	g_autofree char *blind = openshift_graph_problem(cv), *to = NULL;
	Version v;
	if (blind)
		finding_add(findings, "block", "edge", "mend the channel or the update service",
			"%s, so nobody knows what is recommended", blind);
	check_progress(cv, findings);
	if (!version_parse(cv_current_version(cv), &v))
		return true;
	size_t first = json_array_size(findings);
	to = g_strdup_printf("%d.%d.0", v.major, v.minor + 1);
	g_autoptr(json_t) hop = json_pack("{s:s, s:s}", "from", cv_current_version(cv), "to", to);
	bool all = check_minor(it, cv, hop, findings);
	for (size_t i = first; i < json_array_size(findings); i++)
		json_object_set_new(json_array_get(findings, i), "only", json_string("minor"));
	return all;
}

typedef struct {
	const View *cv, *co, *mcp, *nodes, *pdb, *pods;
} Picture;

static bool read_picture(Item *it, Picture *p, json_t *findings)
{
	const struct {
		const FactRow *row;
		const char *key;
		const View **view;
	} reads[] = {
		{ &fact_object, CV_PATH, &p->cv },
		{ &fact_list, CO_PATH, &p->co },
		{ &fact_list, MCP_PATH, &p->mcp },
		{ &fact_list, NODES_PATH, &p->nodes },
		{ &fact_list, PDB_PATH, &p->pdb },
		{ &fact_list, PODS_PATH, &p->pods },
	};
	bool all = true;
	for (size_t i = 0; i < G_N_ELEMENTS(reads); i++)
		all = provider_settled(
			      it, reads[i].row, reads[i].key, false, reads[i].view, findings) &&
		      all;
	return all;
}

static void check_lists(const Target *t, const Picture *p, json_t *findings)
{
	if (p->co)
		check_operators(p->co->json, findings);
	if (p->mcp)
		check_pools(t, p->mcp->json, findings);
	if (p->nodes)
		provider_check_nodes(p->nodes->json, findings);
	if (p->pdb && p->pods)
		budgets_preflight(t->name, p->pdb->json, p->pods->json, findings);
}

static bool no_cluster_version(Item *it, const Picture *p)
{
	return p->cv ? p->cv->missing
		     : provider_no_such_kind(fact_error(it, &fact_object, CV_PATH));
}

bool openshift_preflight(Item *it, json_t *findings)
{
	Target *t = target_of(it);
	Picture p = { 0 };
	bool in_file = false, all = read_picture(it, &p, findings);
	all = git_holds_pools(it, &in_file) && all;
	all = provider_check_access(it, in_file ? "machineconfigpools" : NULL, findings) && all;
	all = openshift_check_certificates(it, findings) && all;
	all = sync_check_rights(it, findings) && all;
	all = git_preflight(it, findings) && all;
	if (!all)
		return false;
	if (no_cluster_version(it, &p)) {
		json_array_clear(findings);
		finding_add(findings, "block", "provider",
			"check provider and context in the Cluster document",
			"there is no ClusterVersion: this is no OpenShift cluster");
		return true;
	}
	check_lists(t, &p, findings);
	if (p.mcp && p.nodes && !provider_inspects(it))
		openshift_canaries(p.mcp->json, p.nodes->json, findings);
	if (!p.cv)
		return true;
	g_autofree char *claimed = claim_obstacle(t, p.cv->json);
	g_autofree char *hint = g_strdup_printf("end that run, or start the controller with the "
						"journal that began it; where both are "
						"lost: shiplock takeover %s",
		t->name);
	if (claimed)
		finding_add(findings, "block", "claimed", hint, "%s", claimed);
	check_owner(p.cv->json, json_path_str(target_spec(t), "actuator.type", "direct"), findings);
	return provider_inspects(it) ? look_ahead(it, p.cv->json, findings)
				     : check_hop(it, p.cv->json, findings);
}
