#include "steps/internal.h"

static const StateRow states[] = { [1] = { .name = "none", .end = true } };
const ItemKind drain_node_kind = { .name = "node", .states = states, .n_states = 2 };
const ItemKind drain_pod_kind = { .name = "pod", .states = states, .n_states = 2 };
const ActRow *const drain_rows[] = { NULL };

void drain_withdraw(Item *child, Batch *b)
{
}

void drain_assist(Item *cluster, Batch *b, const char *node)
{
}

json_t *drain_why(Item *node)
{
	return NULL;
}
