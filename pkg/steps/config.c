/* What a cluster item knows of its plan: read from the run's snapshot once, kept beside the item.
 */
#include "steps/internal.h"
#include <string.h>

static void ctx_free(void *p)
{
	ClusterCtx *c = p;
	g_ptr_array_free(c->gates, TRUE);
	g_ptr_array_free(c->looks, TRUE);
	g_array_unref(c->due_usec);
	g_free(c);
}

static const json_t *snapshot(const Item *it)
{
	return item_data(item_parent(it));
}

const json_t *cluster_plan(const Item *it)
{
	return json_path(snapshot(it), "plan.spec");
}

const json_t *cluster_entry(const Item *it)
{
	return json_array_get(json_object_get(snapshot(it), "clusters"),
		(size_t)json_path_int(item_data(it), "index", 0));
}

const json_t *cluster_wave(const Item *it)
{
	const char *name = json_path_str(cluster_entry(it), "wave", "");
	size_t i;
	json_t *w;
	json_array_foreach (json_object_get(snapshot(it), "waves"), i, w)
		if (strcmp(json_path_str(w, "name", ""), name) == 0)
			return w;
	return NULL;
}

const json_t *cluster_policy(const Item *it, const char *kind)
{
	const json_t *names = json_object_get(cluster_entry(it), "policies");
	const char *key = json_string_value(json_object_get(names, kind));
	const json_t *p =
		key ? json_object_get(json_object_get(snapshot(it), "policies"), key) : NULL;
	return p ? p : json_null();
}

bool cluster_plan_only(const Item *it)
{
	return json_path_bool(snapshot(it), "planOnly", false);
}

const json_t *cluster_takes_back(const Item *it)
{
	return json_path(snapshot(it), "rollback.hop");
}

ClusterCtx *cluster_ctx(const Item *cit)
{
	Item *it = (Item *)cit;
	ClusterCtx *c = item_ctx(it);
	if (c)
		return c;
	c = g_new0(ClusterCtx, 1);
	c->looks = g_ptr_array_new_with_free_func((GDestroyNotify)g_array_unref);
	c->due_usec = g_array_new(FALSE, TRUE, sizeof(int64_t));
	c->gates = g_ptr_array_new_with_free_func((GDestroyNotify)gate_free);
	size_t i;
	json_t *g;
	json_array_foreach (json_object_get(cluster_policy(it, "gates"), "gates"), i, g) {
		Gate *gate = gate_parse(g, NULL);
		g_assert(gate); /* the snapshot was checked before it was stored */
		g_ptr_array_add(c->gates, gate);
	}
	const json_t *rollback = cluster_policy(it, "rollback");
	bool ok =
		rollback_rules_parse(json_is_null(rollback) ? NULL : rollback, &c->rollback, NULL);
	g_assert(ok);
	item_set_ctx(it, c, ctx_free);
	return c;
}

const Gate *const *cluster_gates(const Item *it, size_t *ret_n)
{
	const ClusterCtx *c = cluster_ctx(it);
	*ret_n = c->gates->len;
	return (const Gate *const *)c->gates->pdata;
}

const RollbackRules *cluster_rollback_rules(const Item *it)
{
	return &cluster_ctx(it)->rollback;
}

const json_t *cluster_hop(const Item *it)
{
	return json_object_get(item_memo(it), "hop");
}

const json_t *cluster_return_hop(const Item *it)
{
	const json_t *hop = cluster_hop(it), *before = json_object_get(hop, "before");
	const char *outcome = cluster_outcome(it);
	bool whole = g_strcmp0(outcome, "RolledBack") == 0;
	bool part = g_strcmp0(outcome, "PartiallyRolledBack") == 0;
	if ((whole || part) && cluster_down_tier(it) == TIER_T1)
		return before ? before : hop;
	return whole ? NULL : hop;
}

const char *cluster_outcome(const Item *it)
{
	return json_path_str(item_memo(it), "outcome", NULL);
}

bool cluster_past_preflight(const Item *it)
{
	return item_state(it) > CL_PREFLIGHT && item_state(it) != CL_ENDED;
}
