/* What changes objects: the writes of clients (api.h) and of actors (actor.h) end here, and only
 * here are they judged: preconditions, subresources, generation, managedFields, deletion, eviction.
 * A write that changes nothing raises no resourceVersion. */
#pragma once
#include "sim/reply.h"

typedef enum {
	SIM_CREATE,
	SIM_MERGE, /* also strategic merge, which is treated as RFC 7386 */
	SIM_JSON_PATCH,
	SIM_APPLY,
	SIM_REPLACE,
	SIM_DELETE,
} SimVerb;

typedef struct SimWrite {
	SimVerb verb;
	const SimKind *kind;
	char *ns, *name; /* name NULL: a create, named by its body */
	SimSub sub; /* EVICTION and BINDING only with CREATE */
	json_t *body; /* NULL is fine for DELETE */
	char *manager;
	bool dry_run, force;
	bool whole; /* a create keeps .status: how a world is built */
} SimWrite;
void sim_write_clear(SimWrite *w);

/* now_usec is wall time. The caller clears the answer. */
SimAnswer sim_write(SimStore *s, const SimWrite *w, int64_t now_usec);

/* A budget's selector, parsed once for each tree; NULL matches nothing. Borrowed. */
const struct Selector *sim_pdb_selector(SimObj *pdb);

/* The parts of it that stand in files of their own. */
SimAnswer sim_evict(SimStore *s, const SimWrite *w, int64_t now_usec);
SimAnswer sim_delete(SimStore *s, const SimWrite *w, SimObj *o, int64_t now_usec);
