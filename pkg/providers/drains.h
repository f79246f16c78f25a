/* Drains that a provider asks of the layer which knows how: Target.drains. */
#pragma once
#include "providers/target.h"

/* Our own drain of one node, as a provider sees it. purpose tells one drain of a node from a later
 * one. */
typedef enum { DRAIN_NONE, DRAIN_UNDER_WAY, DRAIN_EMPTY, DRAIN_PUT_BACK, DRAIN_OVER } NodeDrain;
struct TargetDrains {
	void (*begin)(Item *cluster, Batch *b, const char *node, const char *purpose);
	/* Uncordons it where we cordoned it, and ends. */
	void (*end)(Item *cluster, Batch *b, const char *node, const char *purpose);
	/* *ret_text: what it waits for, borrowed. */
	NodeDrain (*state)(
		const Item *cluster, const char *node, const char *purpose, const char **ret_text);
	/* Every drain of the cluster that is not over is put back; true: all are over. */
	bool (*end_all)(Item *cluster, Batch *b);
};
