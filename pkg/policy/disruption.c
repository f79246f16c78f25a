#include "policy/disruption.h"
#include "codec/json.h"
#include "objects/time.h"
#include <string.h>

typedef struct Owner {
	char *uid;
	unsigned n_spare; /* new pods that are Ready and stand in for nobody yet */
} Owner;

typedef struct Pod {
	char *uid, *ns;
	Owner *owner;
	uint64_t seq; /* of being seen first */
	bool fresh; /* was not there at the beginning */
	bool served; /* was Ready once, or stands in for one that was */
	bool spare; /* counted in n_spare */
	bool finished; /* ran to its end by itself */
} Pod;

typedef struct Gap {
	char *ns, *owner;
	int64_t since_usec;
} Gap;

struct Disruption {
	GHashTable *pods; /* by uid; only looked up */
	GHashTable *owners; /* by uid; only looked up */
	GPtrArray *open; /* Gap, oldest first */
	json_t *sums;
	uint64_t last_seq, n_changes;
	bool begun;
};

static void owner_free(void *p)
{
	Owner *o = p;
	g_free(o->uid);
	g_free(o);
}

static void pod_free(void *p)
{
	Pod *pod = p;
	g_free(pod->uid);
	g_free(pod->ns);
	g_free(pod);
}

static void gap_free(void *p)
{
	Gap *g = p;
	g_free(g->ns);
	g_free(g->owner);
	g_free(g);
}

static void open_gap(Disruption *d, const char *ns, const char *owner, int64_t since)
{
	Gap *g = g_new0(Gap, 1);
	*g = (Gap){ g_strdup(ns), g_strdup(owner), since };
	g_ptr_array_add(d->open, g);
	d->n_changes++;
}

Disruption *disruption_new(const json_t *known)
{
	Disruption *d = g_new0(Disruption, 1);
	d->pods = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, pod_free);
	d->owners = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, owner_free);
	d->open = g_ptr_array_new_with_free_func(gap_free);
	d->sums = json_deep_copy(json_object_get(known, "namespaces"));
	if (!d->sums)
		d->sums = json_object();
	size_t i;
	json_t *g;
	json_array_foreach (json_object_get(known, "open"), i, g)
		open_gap(d, json_path_str(g, "ns", ""), json_path_str(g, "owner", ""),
			json_path_int(g, "sinceUsec", 0));
	return d;
}

void disruption_free(Disruption *d)
{
	if (!d)
		return;
	g_hash_table_unref(d->pods);
	g_hash_table_unref(d->owners);
	g_ptr_array_unref(d->open);
	json_decref(d->sums);
	g_free(d);
}

/* ---- what a pod says ---- */

/* The UID of its controller; NULL: nobody makes another one. A mirror pod's is its node, which
 * makes no other elsewhere. */
static const char *owner_of(const json_t *pod)
{
	size_t i;
	json_t *o;
	json_array_foreach (json_path(pod, "metadata.ownerReferences"), i, o)
		if (json_path_bool(o, "controller", false))
			return strcmp(json_path_str(o, "kind", ""), "Node") == 0
				       ? NULL
				       : json_path_str(o, "uid", NULL);
	return NULL;
}

static bool is_ready(const json_t *pod, int64_t *ret_since)
{
	size_t i;
	json_t *c;
	*ret_since = 0;
	json_array_foreach (json_path(pod, "status.conditions"), i, c) {
		if (strcmp(json_path_str(c, "type", ""), "Ready") != 0)
			continue;
		sl_time_parse(json_path_str(c, "lastTransitionTime", ""), ret_since);
		return strcmp(json_path_str(c, "status", ""), "True") == 0;
	}
	return false;
}

/* While it is deleted its containers end too: that is no end of its own. */
static bool is_finished(const json_t *pod)
{
	const char *phase = json_path_str(pod, "status.phase", "");
	return !json_path(pod, "metadata.deletionTimestamp") &&
	       (strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0);
}

/* ---- the sums ---- */

static void add_move(Disruption *d, const char *ns, int64_t usec)
{
	const json_t *old = json_object_get(d->sums, ns);
	d->n_changes++;
	json_object_set_new(d->sums, ns,
		json_pack("{s:I, s:I}", "pods", (json_int_t)json_path_int(old, "pods", 0) + 1,
			"usec", (json_int_t)json_path_int(old, "usec", 0) + MAX(usec, 0)));
}

/* The oldest gap of its owner ends; false: there is none. */
static bool close_gap(Disruption *d, const Owner *o, int64_t at)
{
	for (unsigned i = 0; i < d->open->len; i++) {
		const Gap *g = d->open->pdata[i];
		if (strcmp(g->owner, o->uid) != 0)
			continue;
		add_move(d, g->ns, at - g->since_usec);
		g_ptr_array_remove_index(d->open, i);
		return true;
	}
	return false;
}

static int64_t oldest_gap(const Disruption *d, const Owner *o)
{
	for (unsigned i = 0; i < d->open->len; i++)
		if (strcmp(((const Gap *)d->open->pdata[i])->owner, o->uid) == 0)
			return ((const Gap *)d->open->pdata[i])->since_usec;
	return 0;
}

static void stand_in(Disruption *d, Pod *p, int64_t now)
{
	p->served = true;
	if (close_gap(d, p->owner, now))
		return;
	p->spare = true;
	p->owner->n_spare++;
}

/* ---- pods ---- */

static Owner *owner_get(Disruption *d, const char *uid)
{
	Owner *o = g_hash_table_lookup(d->owners, uid);
	if (o)
		return o;
	o = g_new0(Owner, 1);
	o->uid = g_strdup(uid);
	g_hash_table_insert(d->owners, o->uid, o);
	return o;
}

static Pod *pod_get(Disruption *d, const json_t *json, const char *uid, const char *owner)
{
	Pod *p = g_hash_table_lookup(d->pods, uid);
	if (p)
		return p;
	p = g_new0(Pod, 1);
	p->uid = g_strdup(uid);
	p->ns = g_strdup(json_path_str(json, "metadata.namespace", ""));
	p->owner = owner_get(d, owner);
	p->seq = ++d->last_seq;
	p->fresh = d->begun;
	g_hash_table_insert(d->pods, p->uid, p);
	return p;
}

/* There at the beginning. After a restart it may be what an open gap waits for. */
static void serve_first(Disruption *d, Pod *p, int64_t ready_since)
{
	int64_t gap = oldest_gap(d, p->owner);
	p->served = true;
	if (gap && ready_since >= gap)
		close_gap(d, p->owner, ready_since);
}

void disruption_see(Disruption *d, const json_t *pod, int64_t now_usec)
{
	const char *uid = json_path_str(pod, "metadata.uid", NULL), *owner = owner_of(pod);
	int64_t since = 0;
	if (!uid || !owner)
		return;
	Pod *p = pod_get(d, pod, uid, owner);
	p->finished = is_finished(pod);
	if (p->served || !is_ready(pod, &since))
		return;
	if (p->fresh)
		stand_in(d, p, now_usec);
	else if (d->begun && oldest_gap(d, p->owner))
		stand_in(d, p, now_usec); /* it was only starting then */
	else
		serve_first(d, p, since);
}

void disruption_begun(Disruption *d)
{
	d->begun = true;
}

/* The one that was seen first, whatever the order of the table. */
static bool take_spare(Disruption *d, Owner *o)
{
	if (o->n_spare == 0)
		return false;
	GHashTableIter it;
	void *value;
	Pod *first = NULL;
	g_hash_table_iter_init(&it, d->pods);
	while (g_hash_table_iter_next(&it, NULL, &value)) {
		Pod *p = value;
		if (p->owner == o && p->spare && (!first || p->seq < first->seq))
			first = p;
	}
	g_assert(first);
	first->spare = false;
	o->n_spare--;
	return true;
}

void disruption_gone(Disruption *d, const char *uid, int64_t now_usec, bool counts)
{
	Pod *p = g_hash_table_lookup(d->pods, uid);
	if (!p)
		return;
	if (p->spare)
		p->owner->n_spare--;
	else if (p->served && !p->finished && counts) {
		if (take_spare(d, p->owner))
			add_move(d, p->ns, 0);
		else
			open_gap(d, p->ns, p->owner->uid, now_usec);
	}
	g_hash_table_remove(d->pods, uid);
}

uint64_t disruption_n_changes(const Disruption *d)
{
	return d->n_changes;
}

size_t disruption_n_open(const Disruption *d)
{
	return d->open->len;
}

json_t *disruption_json(const Disruption *d)
{
	json_t *open = json_array();
	for (unsigned i = 0; i < d->open->len && i < DISRUPTION_OPEN_MAX; i++) {
		const Gap *g = d->open->pdata[i];
		json_array_append_new(
			open, json_pack("{s:s, s:s, s:I}", "ns", g->ns, "owner", g->owner,
				      "sinceUsec", (json_int_t)g->since_usec));
	}
	return json_pack("{s:o, s:o}", "namespaces", json_deep_copy(d->sums), "open", open);
}
