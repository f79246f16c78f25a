/* The machine-config operator: renders a configuration per pool and version, chooses the next node
 * of each pool, counts. What happens on a node is in actor-node.c. */
#include "base/num.h"
#include "codec/json.h"
#include "objects/intstr.h"
#include "sim/actor-private.h"
#include "sim/tree.h"
#include <string.h>

#define MANAGER "machine-config-controller"

const char *mco_version(SimActors *a)
{
	size_t done, all;
	if (a->cvo.target) {
		const SimObj *co = operator_in_work(a, &done, &all);
		if (co && strcmp(co->name, "machine-config") == 0)
			return a->cvo.target;
	}
	const SimObj *co = find(a, SIM_CLUSTEROPERATORS, NULL, "machine-config");
	return co ? operator_version(co) : a->first;
}

const char *rendered_for(SimObj *pool, const char *version)
{
	SimMemo *m = &pool->memo;
	if (!m->rendered || strcmp(m->rendered_version, version) != 0) {
		g_free(m->rendered);
		g_free(m->rendered_version);
		m->rendered = sim_rendered_name(pool->name, version);
		m->rendered_version = g_strdup(version);
	}
	return m->rendered;
}

static bool selects(const SimObj *pool, const SimObj *node)
{
	const char *key;
	json_t *v;
	const json_t *want = tree_get(pool->json, "spec.nodeSelector.matchLabels");
	json_object_foreach ((json_t *)want, key, v) {
		const char *have = tree_label(node->json, key);
		if (!have || strcmp(have, json_string_value(v)) != 0)
			return false;
	}
	return json_object_size(want) > 0;
}

SimObj *pool_of(const SimActors *a, const SimObj *node)
{
	SimObj *worker = NULL;
	for (size_t i = 0; i < sim_store_n(a->store, SIM_POOLS); i++) {
		SimObj *p = sim_store_at(a->store, SIM_POOLS, i);
		if (!selects(p, node))
			continue;
		if (strcmp(p->name, "worker") != 0)
			return p;
		worker = p;
	}
	return worker;
}

typedef struct Count {
	int machines, updated, ready, unavailable, degraded;
	int chosen; /* their new configuration is on its way to the server */
	bool moving; /* a node is on its way */
	const SimObj *next[8]; /* candidates, best first */
	size_t n_next;
} Count;

static bool before(const SimObj *a, const SimObj *b)
{
	const char *za = tree_label(a->json, LABEL_ZONE), *zb = tree_label(b->json, LABEL_ZONE);
	if (!za != !zb)
		return za != NULL; /* unlabelled last */
	int by_zone = g_strcmp0(za, zb);
	if (by_zone)
		return by_zone < 0;
	const char *ta = tree_str(a->json, "metadata.creationTimestamp");
	const char *tb = tree_str(b->json, "metadata.creationTimestamp");
	int by_age = g_strcmp0(ta, tb);
	return by_age ? by_age < 0 : strcmp(a->name, b->name) < 0;
}

static void add_candidate(Count *c, const SimObj *node)
{
	size_t i = c->n_next < G_N_ELEMENTS(c->next) ? c->n_next++ : c->n_next;
	if (i == G_N_ELEMENTS(c->next)) {
		if (!before(node, c->next[i - 1]))
			return;
		i--;
	}
	for (; i > 0 && before(node, c->next[i - 1]); i--)
		c->next[i] = c->next[i - 1];
	c->next[i] = node;
}

static void count_node(Count *c, const SimObj *n, const char *rendered)
{
	bool done =
		strcmp(n->node.state, "Done") == 0 && strcmp(n->node.current, n->node.desired) == 0;
	bool up = n->node.ready && !n->node.cordoned;
	bool there = done && strcmp(n->node.current, rendered) == 0;
	bool candidate = up && done && !there;
	c->machines++;
	c->updated += there;
	c->ready += there && up;
	c->unavailable += !up || !done;
	c->degraded += strcmp(n->node.state, "Degraded") == 0;
	c->moving |= !done;
	if (candidate && n->memo.busy)
		c->chosen++;
	else if (candidate)
		add_candidate(c, n);
}

static Count count(const SimActors *a, const SimObj *pool, const char *rendered)
{
	Count c = { 0 };
	for (size_t i = 0; i < sim_store_n(a->store, SIM_NODES); i++) {
		const SimObj *n = sim_store_at(a->store, SIM_NODES, i);
		if (pool_of(a, n) == pool)
			count_node(&c, n, rendered);
	}
	return c;
}

static void choose(SimActors *a, const SimObj *pool, const Count *c, const char *rendered)
{
	IntStr max = { .value = 1 };
	const json_t *given = tree_get(pool->json, "spec.maxUnavailable");
	if (given && !intstr_from_json(given, &max))
		max = (IntStr){ .value = 1 };
	int room = sl_max(intstr_of_pool(max, c->machines), 1) - c->unavailable - c->chosen;
	for (size_t i = 0; i < c->n_next && room > 0; i++, room--)
		out_merge(a, c->next[i], SIM_SUB_NONE, MANAGER,
			json_pack("{s:{s:{s:s}}}", "metadata", "annotations", MC "desiredConfig",
				rendered));
}

static bool all_updated(const Count *c)
{
	return c->updated == c->machines && c->ready == c->machines && c->unavailable == 0;
}

static json_t *pool_conditions(
	const SimActors *a, const SimObj *pool, const Count *c, const char *rendered)
{
	const json_t *st = json_object_get(pool->json, "status");
	bool paused = tree_true(pool->json, "spec.paused");
	bool updated = all_updated(c);
	g_autofree char *text = NULL;
	if (updated)
		text = g_strdup_printf("All nodes are updated with MachineConfig %s", rendered);
	else if (paused)
		text = g_strdup_printf("Pool is paused; will not update to %s", rendered);
	else
		text = g_strdup_printf("All nodes are updating to MachineConfig %s", rendered);
	const char *is_updating = !updated && (!paused || c->moving) ? "True" : "False";
	return json_pack("[o, o, o, o, o]", condition_new(a, st, "RenderDegraded", "False", "", ""),
		condition_new(a, st, "NodeDegraded", c->degraded ? "True" : "False", "", ""),
		condition_new(a, st, "Degraded", c->degraded ? "True" : "False", "", ""),
		condition_new(
			a, st, "Updated", updated ? "True" : "False", "", updated ? text : ""),
		condition_new(a, st, "Updating", is_updating, "", updated ? "" : text));
}

static bool same_numbers(const json_t *st, const Count *c, int64_t generation)
{
	return tree_int(st, "machineCount", -1) == c->machines &&
	       tree_int(st, "updatedMachineCount", -1) == c->updated &&
	       tree_int(st, "readyMachineCount", -1) == c->ready &&
	       tree_int(st, "unavailableMachineCount", -1) == c->unavailable &&
	       tree_int(st, "degradedMachineCount", -1) == c->degraded &&
	       tree_int(st, "observedGeneration", -1) == generation;
}

/* Whether the status says this already; cheaper than to build it. */
static bool published(const SimObj *pool, const Count *c, const char *rendered)
{
	const json_t *st = json_object_get(pool->json, "status");
	bool updated = all_updated(c), paused = tree_true(pool->json, "spec.paused");
	const char *is_updating = !updated && (!paused || c->moving) ? "True" : "False";
	const char *text = tree_str(condition_of(st, updated ? "Updated" : "Updating"), "message");
	bool same_text = text && g_str_has_suffix(text, rendered) &&
			 (updated || (strstr(text, "paused") != NULL) == paused);
	return same_text && condition_is(st, "Updated", updated ? "True" : "False") &&
	       condition_is(st, "Updating", is_updating) &&
	       same_numbers(st, c, tree_int(pool->json, "metadata.generation", 1));
}

static void publish(SimActors *a, SimObj *pool, const Count *c, const char *rendered)
{
	const json_t *st = json_object_get(pool->json, "status");
	if (published(pool, c, rendered))
		return;
	json_t *conditions = pool_conditions(a, pool, c, rendered);
	json_t *next = json_pack("{s:I, s:i, s:i, s:i, s:i, s:i, s:o}", "observedGeneration",
		tree_int(pool->json, "metadata.generation", 1), "machineCount", c->machines,
		"updatedMachineCount", c->updated, "readyMachineCount", c->ready,
		"unavailableMachineCount", c->unavailable, "degradedMachineCount", c->degraded,
		"conditions", conditions);
	json_t *have = json_object_get(st, "configuration");
	if (c->updated == c->machines && c->unavailable == 0)
		json_object_set_new(next, "configuration", json_pack("{s:s}", "name", rendered));
	else if (have)
		json_object_set(next, "configuration", have);
	bool same = st && json_equal(next, st);
	if (same)
		json_decref(next);
	else
		out_merge(a, pool, SIM_SUB_STATUS, MANAGER, json_pack("{s:o}", "status", next));
}

/* True when the pool's configuration is the one of this version already. */
static bool render(SimActors *a, SimObj *pool, const char *rendered)
{
	if (!find(a, SIM_MACHINECONFIGS, NULL, rendered)) {
		out_create(a, SIM_MACHINECONFIGS, NULL, MANAGER,
			json_pack("{s:{s:s, s:{s:s}}, s:{s:s}}", "metadata", "name", rendered,
				"annotations", MC "release-image-version", mco_version(a), "spec",
				"osImageURL", mco_version(a)));
		return false;
	}
	if (g_strcmp0(tree_str(pool->json, "spec.configuration.name"), rendered) == 0)
		return true;
	out_merge(a, pool, SIM_SUB_NONE, MANAGER,
		json_pack("{s:{s:{s:s}}}", "spec", "configuration", "name", rendered));
	return false;
}

static void pool_tick(SimActors *a, SimObj *pool)
{
	const char *version = mco_version(a);
	if (!version || !version[0])
		return;
	const char *rendered = rendered_for(pool, version);
	if (!render(a, pool, rendered))
		return;
	Count c = count(a, pool, rendered);
	if (!tree_true(pool->json, "spec.paused"))
		choose(a, pool, &c, rendered);
	publish(a, pool, &c, rendered);
}

int64_t mco_tick(SimActors *a)
{
	int64_t due = INT64_MAX;
	bool pools = a->pools_dirty;
	a->pools_dirty = false;
	for (size_t i = 0; i < sim_store_n(a->store, SIM_POOLS) && pools; i++)
		pool_tick(a, sim_store_at(a->store, SIM_POOLS, i));
	for (size_t i = 0; i < sim_store_n(a->store, SIM_NODES); i++)
		due = sl_min(due, node_tick(a, sim_store_at(a->store, SIM_NODES, i)));
	return due;
}
