/* The objects of one simulated API server: a sorted array for each kind, one resourceVersion for
 * all, and the last changes of each kind for watches. Trees are never changed in place (tree.h), so
 * a snapshot is a reference. Also the mirror that `play` fills from a real server's watches. */
#pragma once
#include "sim/kind.h"

enum { SIM_HISTORY = 4096 }; /* changes kept for each kind; older resourceVersions answer 410 */

struct Selector; /* objects/selector.h */

typedef struct SimSnap {
	unsigned refs;
	int64_t rv;
	json_t *json;
	char *text; /* made when first asked for; without kind and apiVersion for builtin kinds */
	size_t len;
} SimSnap;
SimSnap *sim_snap_ref(SimSnap *s);
void sim_snap_unref(SimSnap *s); /* NULL is fine */
/* Borrowed. */
const char *sim_snap_text(SimSnap *s, size_t *ret_len);

/* What the actors ask of a pod at each turn, read once per change. Strings are borrowed from the
 * tree. */
typedef struct SimPod {
	const char *node, *phase, *owner_kind, *owner;
	const json_t *labels;
	bool ready, deleting, mirror;
	int64_t delete_usec; /* deletionTimestamp */
} SimPod;

/* The same of a node; texts are "" when missing. */
typedef struct SimNode {
	const char *current, *desired, *state, *asked, *applied; /* machine-config annotations */
	bool ready, cordoned, tainted;
} SimNode;

/* The actors' memory about an object: not part of the world, lost when they restart. */
typedef struct SimMemo {
	int64_t since_usec, due_usec, lease_usec;
	int phase, drain; /* drain: of nodes, beside what their daemon does */
	int64_t drain_usec, window_usec, retry_usec;
	char *rendered, *rendered_version; /* of pools */
	struct Selector *selector; /* of budgets, of the tree in selector_of */
	const json_t *selector_of;
	bool dirty;
	bool busy; /* a write is under way (real servers only) */
	int64_t seen_rv;
} SimMemo;

typedef struct SimObj {
	const SimKind *kind;
	char *key; /* "namespace/name", or "name" */
	char *ns, *name; /* ns is NULL for cluster-wide kinds */
	SimSnap *snap;
	json_t *json; /* borrowed from snap */
	union { /* by kind */
		SimPod pod;
		SimNode node;
	};
	SimMemo memo;
} SimObj;

/* A change: was is NULL for a new object, now is NULL for one that is gone (its last state, with
 * the resourceVersion of the deletion, is was). */
typedef struct SimChange {
	int64_t rv;
	const SimKind *kind;
	SimSnap *was, *now;
} SimChange;
/* Called after each change. obj is NULL when the object is gone. */
typedef void SimOnChange(const SimChange *c, SimObj *obj, void *ud);

typedef struct SimStore SimStore;
SimStore *sim_store_new(uint64_t seed);
void sim_store_free(SimStore *s);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SimStore, sim_store_free)
/* At most two listeners: the watches and the actors. */
void sim_store_listen(SimStore *s, SimOnChange *fn, void *ud);

int64_t sim_store_rv(const SimStore *s);
size_t sim_store_n(const SimStore *s, SimKindId k);
SimObj *sim_store_at(const SimStore *s, SimKindId k, size_t i);
SimObj *sim_store_find(const SimStore *s, SimKindId k, const char *ns, const char *name);
/* Index of the first object whose key is not smaller. */
size_t sim_store_lower(const SimStore *s, SimKindId k, const char *key);

/* Stores the tree as the next version (steals it), creating the object when it is new; sets
 * metadata.resourceVersion. Nothing is judged here: write.h does that. */
SimObj *sim_store_put(SimStore *s, const SimKind *k, json_t *json);
/* The same for an object of another server, which keeps its resourceVersion. */
SimObj *sim_store_mirror(SimStore *s, const SimKind *k, json_t *json);
void sim_store_remove(SimStore *s, SimObj *o);

/* The changes of a kind newer than rv, oldest first, by index from 0; false when rv is older than
 * what is kept. */
bool sim_store_since(const SimStore *s, SimKindId k, int64_t rv, size_t *ret_first);
const SimChange *sim_store_change(const SimStore *s, SimKindId k, size_t i); /* NULL at the end */
/* Forgets all kept changes, as a compaction does: every earlier resourceVersion is too old. */
void sim_store_compact(SimStore *s);
int64_t sim_store_compacted(const SimStore *s, SimKindId k);

/* From the seed: unique ids and name suffixes. Caller frees. */
char *sim_store_uid(SimStore *s);
char *sim_store_suffix(SimStore *s);
uint64_t sim_store_random(SimStore *s);
