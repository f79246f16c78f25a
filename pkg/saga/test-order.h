/* What a person orders in the rule tests. */
#pragma once
#include "saga/test-run.h"

/* A person's order. */
typedef struct {
	Kit *kit;
	const char *item, *parent, *cause;
	const ItemKind *kind;
	unsigned state;
	bool unhold, stored;
} Order;

static inline void order_build(Batch *b, void *ud)
{
	Order *o = ud;
	Item *root = saga_root(o->kit->proc->saga);
	Item *it = o->item && !o->kind ? kit_item(o->kit, o->item) : root;
	if (o->kind)
		batch_item(b, o->parent ? kit_item(o->kit, o->parent) : root, o->kind,
			o->kit->proc->site, o->item, WORK, NULL);
	else if (o->state)
		batch_move(b, it, o->state, "ordered");
	else if (o->unhold)
		batch_unhold(b, it, o->cause, "ordered");
	else
		batch_hold(b, it, o->cause, "person", true, "ordered");
}

static inline void order_stored(const GError *err, void *ud)
{
	g_assert_no_error(err);
	((Order *)ud)->stored = true;
}

static inline void order(Order o, Kit *k)
{
	o.kit = k;
	saga_submit(k->proc->saga, order_build, order_stored, &o);
	k->until = NULL;
	while (!o.stored)
		g_assert_true(loop_sim_step(k->sim));
}

/* A plain object of the item's name, and the item. */
static inline void kit_add(Kit *k, const ItemKind *kind, const char *parent, const char *name)
{
	if (!json_object_get(k->target.objects, name))
		target_put(&k->target, name, json_pack("{s:i}", "v", 0));
	order((Order){ .kind = kind, .parent = parent, .item = name }, k);
}

static inline int kit_sent(const Kit *k, const char *what)
{
	return (int)json_integer_value(json_object_get(k->target.n_sent, what));
}

static inline json_t *kit_get(const Kit *k, const char *path)
{
	return json_object_get(k->target.objects, path);
}

static inline bool stands(const Item *it, const ActRow *row, const char *key)
{
	const Act *a = act_find(it, row, key);
	return a && act_state(a) == ACT_DONE;
}

/* Reads its object, sets it once, and is done. */
static inline StepResult set_tick(Item *it, int64_t now, Batch *b)
{
	const Act *a = act_find(it, &act_set, item_name(it));
	if (a && act_state(a) == ACT_DONE)
		return step_done(ENDED);
	return step_act(it, &act_set, item_name(it), b);
}

static inline bool appending(Kit *k)
{
	return k->appending;
}

static inline bool all_ended(Kit *k)
{
	Item *root = saga_root(k->proc->saga);
	for (size_t i = 0; i < item_n_children(root); i++)
		if (!item_ended(item_child(root, i)))
			return false;
	return item_n_children(root) > 0;
}

static const StoreFault kit_crashes[] = { STORE_FAULT_CRASH_BEFORE, STORE_FAULT_LOST,
	STORE_FAULT_UNACKNOWLEDGED, STORE_FAULT_CRASH_AFTER };
