/* How long a hop takes at least where no earlier one is known: the usual time of a control plane,
 * and the workers by the arithmetic of their budgets. */
#include "base/num.h"
#include "policy/bound.h"
#include "policy/budget.h"
#include "providers/budgets.h"
#include "providers/openshift.h"
#include <string.h>

enum {
	/* docs.openshift.com, "Understanding OpenShift updates duration": 60 to 120 minutes for
	 * the control plane, then at least 5 minutes for each node. */
	CONTROL_PLANE_SEC = 3600,
	NODE_SEC = 300,
	/* What nothing tells beforehand: until a replacement is ready, until a pod is gone. */
	REPLACED_SEC = 30,
	GONE_MAX_SEC = 30,
};

typedef struct Cluster {
	Budget *budgets;
	size_t n_budgets;
	const json_t *pods, *nodes;
} Cluster;

static bool is_moved(const DrainPod *p)
{
	return !p->mirror && !pod_is_finished(p) && g_strcmp0(p->owner_kind, "DaemonSet") != 0;
}

/* The pods of the pool's nodes, counted by budget; the last entry is of those without one. */
static void count_pods(const Cluster *c, json_t *in_pool, BoundApp *apps)
{
	size_t i;
	json_t *o;
	json_array_foreach (c->pods, i, o) {
		DrainPod p;
		if (!json_object_get(in_pool, json_path_str(o, "spec.nodeName", "")))
			continue;
		pod_from_json(o, &p);
		if (!is_moved(&p))
			continue;
		BoundApp *app = &apps[budget_of_pod(c->budgets, c->n_budgets, &p, NULL)];
		app->moves++;
		app->gone_sec = app->gone_sec > p.grace_sec ? app->gone_sec
							    : sl_min(p.grace_sec, GONE_MAX_SEC);
	}
}

bool pool_has_node(const json_t *pool, const json_t *node)
{
	const char *config = json_string_value(json_object_get(
		json_path(node, "metadata.annotations"), MCO_PREFIX "desiredConfig"));
	return config &&
	       (strcmp(config, json_path_str(pool, "status.configuration.name", "")) == 0 ||
		       strcmp(config, json_path_str(pool, "spec.configuration.name", "")) == 0);
}

static double bound_pool(const Cluster *c, const json_t *pool)
{
	int n = (int)json_path_int(pool, "status.machineCount", 0);
	IntStr max = { .value = 1 };
	const json_t *given = json_path(pool, "spec.maxUnavailable");
	if (given && !intstr_from_json(given, &max))
		max = (IntStr){ .value = 1 };
	g_autofree BoundApp *apps = g_new0(BoundApp, c->n_budgets + 1);
	g_autoptr(json_t) in_pool = json_object();
	size_t i;
	json_t *node;
	json_array_foreach (c->nodes, i, node)
		if (pool_has_node(pool, node))
			json_object_set_new(
				in_pool, json_path_str(node, "metadata.name", ""), json_true());
	count_pods(c, in_pool, apps);
	double drain = 0; /* of one node, each an equal share */
	for (i = 0; i <= c->n_budgets; i++) {
		apps[i].slots = i < c->n_budgets ? c->budgets[i].disruptions_allowed : 0;
		apps[i].slot_sec = REPLACED_SEC;
		BoundApp share = apps[i];
		share.moves = n > 0 ? (share.moves + n - 1) / n : 0;
		double sec = bound_app(&share);
		drain = sec > drain ? sec : drain;
	}
	BoundCluster whole = { .apps = apps,
		.n_apps = c->n_budgets + 1,
		.nodes = n,
		.at_once = intstr_of_pool(max, n),
		.drain_sec = drain,
		.upgrade_sec = NODE_SEC };
	return bound_cluster(&whole, NULL);
}

bool openshift_bound(Item *it, HopBound *ret)
{
	const View *pools = fact(it, &fact_list, MCP_PATH),
		   *nodes = fact(it, &fact_list, NODES_PATH);
	const View *pods = fact(it, &fact_list, PODS_PATH), *pdbs = fact(it, &fact_list, PDB_PATH);
	if (!pools || !nodes || !pods || !pdbs)
		return false;
	Cluster c = { .pods = json_object_get(pods->json, "items"),
		.nodes = json_object_get(nodes->json, "items") };
	const json_t *list = json_object_get(pdbs->json, "items");
	c.budgets = g_new0(Budget, json_array_size(list) + 1);
	*ret = (HopBound){ .control_plane_sec = CONTROL_PLANE_SEC };
	size_t i;
	json_t *o;
	json_array_foreach (list, i, o)
		if (budget_from_json(o, &c.budgets[c.n_budgets]))
			c.n_budgets++;
	json_array_foreach (json_object_get(pools->json, "items"), i, o)
		if (pool_is_worker(o))
			ret->nodes_sec += bound_pool(&c, o);
	for (i = 0; i < c.n_budgets; i++)
		budget_clear(&c.budgets[i]);
	g_free(c.budgets);
	return true;
}
