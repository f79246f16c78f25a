/* Drains that a provider asks for: it decides when and why, we drain and put back. */
#include "steps/drain.h"
#include "steps/internal.h"
#include <string.h>

static const char *purpose_of(const Item *child)
{
	return json_path_str(item_data(child), "purpose", "");
}

static Item *newest(const Item *cluster, const char *node, const char *purpose)
{
	for (size_t i = item_n_children(cluster); i > 0; i--) {
		Item *c = item_child(cluster, i - 1);
		if (item_kind(c) == &drain_node_kind && strcmp(item_name(c), node) == 0 &&
			strcmp(purpose_of(c), purpose) == 0)
			return c;
	}
	return NULL;
}

static void begin(Item *cluster, Batch *b, const char *node, const char *purpose)
{
	const Item *last = newest(cluster, node, purpose);
	if (target_observes(target_of(cluster)) || (last && !item_ended(last)))
		return;
	batch_item(b, cluster, &drain_node_kind, item_site(cluster), node, DN_DRAIN,
		json_pack("{s:b, s:s}", "taint", 0, "purpose", purpose));
}

static void end(Item *cluster, Batch *b, const char *node, const char *purpose)
{
	Item *child = newest(cluster, node, purpose);
	if (child)
		drain_withdraw(child, b);
}

static NodeDrain state(
	const Item *cluster, const char *node, const char *purpose, const char **ret_text)
{
	const Item *child = newest(cluster, node, purpose);
	if (!child)
		return DRAIN_NONE;
	*ret_text = item_reason(child) ? item_reason(child) : "";
	switch (item_state(child)) {
	case DN_DRAINED:
		/* Somebody uncordoned it: new pods may be on it. */
		return item_find_hold(child, "uncordoned") ? DRAIN_UNDER_WAY : DRAIN_EMPTY;
	case DN_UNDO:
		return DRAIN_PUT_BACK;
	case DN_ENDED:
		/* Withdrawn by who asked for it, or by an abort: it may be drained again. By itself
		 * it ends where the node is gone, or its deadline leaves it out. */
		return json_object_get(item_memo(child), "withdrawnIn") ? DRAIN_NONE : DRAIN_OVER;
	default:
		return DRAIN_UNDER_WAY;
	}
}

static bool end_all(Item *cluster, Batch *b)
{
	bool all = true;
	for (size_t i = 0; i < item_n_children(cluster); i++) {
		Item *c = item_child(cluster, i);
		if (item_kind(c) != &drain_node_kind || item_ended(c))
			continue;
		all = false;
		drain_withdraw(c, b);
	}
	return all;
}

const TargetDrains drain_for_provider = {
	.begin = begin, .end = end, .state = state, .end_all = end_all
};
