/* For tests: what commands left on a node of test-nodes.h, as a look at it tells: backup sets and
 * the guard's records. */
#pragma once
#include "fleet/test-nodes.h"

static inline void node_left(GString *s, const FakeNode *n)
{
	for (unsigned i = 0; i < n->n_backups && !n->sets_gone; i++)
		g_string_append_printf(s, "backup %s-x.%u 0011 %u\n",
			n->sets[i] ? n->sets[i] : "1.35.4-to-1.36.3", i, i + 1);
	for (size_t i = 0; i < n->n_jobs; i++)
		g_string_append_printf(s, "job %" G_GINT64_FORMAT " %s %s\n",
			n->jobs[i].begun_usec / SL_USEC_PER_SEC,
			n->jobs[i].applied ? "done" : "running", n->jobs[i].key);
}
