#include "sim/store.h"
#include "objects/selector.h"
#include "objects/time.h"
#include "sim/tree.h"
#include <string.h>

#define MC "machineconfiguration.openshift.io/"
enum { MAX_LISTENERS = 2 };

typedef struct Table {
	SimObj **objs; /* sorted by key */
	size_t n, size;
	SimChange *ring; /* the last n_ring changes, from index first on */
	size_t n_ring, first, cap_ring;
	int64_t compacted; /* rv up to which changes were forgotten */
} Table;

struct SimStore {
	Table tables[SIM_KINDS];
	int64_t rv;
	uint64_t random;
	struct {
		SimOnChange *fn;
		void *ud;
	} listeners[MAX_LISTENERS];
	size_t n_listeners;
};

SimSnap *sim_snap_ref(SimSnap *s)
{
	s->refs++;
	return s;
}

void sim_snap_unref(SimSnap *s)
{
	if (!s || --s->refs)
		return;
	json_decref(s->json);
	g_free(s->text);
	g_free(s);
}

const char *sim_snap_text(SimSnap *s, size_t *ret_len)
{
	if (!s->text) {
		GString *out = g_string_sized_new(1024);
		tree_append_text(out, s->json);
		s->len = out->len;
		s->text = g_string_free(out, FALSE);
	}
	if (ret_len)
		*ret_len = s->len;
	return s->text;
}

static SimSnap *snap_new(json_t *json, int64_t rv)
{
	SimSnap *s = g_new0(SimSnap, 1);
	*s = (SimSnap){ .refs = 1, .rv = rv, .json = json };
	return s;
}

SimStore *sim_store_new(uint64_t seed)
{
	SimStore *s = g_new0(SimStore, 1);
	s->random = seed;
	s->rv = 100;
	for (size_t i = 0; i < SIM_KINDS; i++)
		s->tables[i].compacted = s->rv;
	return s;
}

static void obj_free(SimObj *o)
{
	sim_snap_unref(o->snap);
	selector_free(o->memo.selector);
	g_free(o->memo.rendered);
	g_free(o->memo.rendered_version);
	g_free(o->key);
	g_free(o->ns);
	g_free(o->name);
	g_free(o);
}

static SimChange *ring_at(const Table *t, size_t i)
{
	return &t->ring[(t->first + i) % t->cap_ring];
}

static void ring_clear(Table *t)
{
	for (size_t i = 0; i < t->n_ring; i++) {
		SimChange *c = ring_at(t, i);
		sim_snap_unref(c->was);
		sim_snap_unref(c->now);
	}
	t->n_ring = t->first = 0;
}

void sim_store_free(SimStore *s)
{
	if (!s)
		return;
	for (size_t k = 0; k < SIM_KINDS; k++) {
		Table *t = &s->tables[k];
		ring_clear(t);
		g_free(t->ring);
		for (size_t i = 0; i < t->n; i++)
			obj_free(t->objs[i]);
		g_free(t->objs);
	}
	g_free(s);
}

void sim_store_listen(SimStore *s, SimOnChange *fn, void *ud)
{
	g_assert(s->n_listeners < MAX_LISTENERS);
	s->listeners[s->n_listeners].fn = fn;
	s->listeners[s->n_listeners++].ud = ud;
}

int64_t sim_store_rv(const SimStore *s)
{
	return s->rv;
}

size_t sim_store_n(const SimStore *s, SimKindId k)
{
	return s->tables[k].n;
}

SimObj *sim_store_at(const SimStore *s, SimKindId k, size_t i)
{
	g_assert(i < s->tables[k].n);
	return s->tables[k].objs[i];
}

size_t sim_store_lower(const SimStore *s, SimKindId k, const char *key)
{
	const Table *t = &s->tables[k];
	size_t lo = 0, hi = t->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (strcmp(t->objs[mid]->key, key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static char *key_of(const char *ns, const char *name)
{
	return ns ? g_strconcat(ns, "/", name, NULL) : g_strdup(name);
}

/* strcmp of an object's key with "ns/name", which is not put together for it. */
static int compare(const SimObj *o, const char *ns, size_t n_ns, const char *name)
{
	if (!ns)
		return strcmp(o->key, name);
	int c = strncmp(o->key, ns, n_ns);
	if (c)
		return c;
	return o->key[n_ns] == '/' ? strcmp(o->key + n_ns + 1, name)
				   : (unsigned char)o->key[n_ns] - '/';
}

SimObj *sim_store_find(const SimStore *s, SimKindId k, const char *ns, const char *name)
{
	const Table *t = &s->tables[k];
	size_t lo = 0, hi = t->n, n_ns = ns ? strlen(ns) : 0;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = compare(t->objs[mid], ns, n_ns, name);
		if (c == 0)
			return t->objs[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static bool is_ready(const json_t *status)
{
	size_t i;
	json_t *c;
	json_array_foreach (json_object_get(status, "conditions"), i, c) {
		const char *type = json_string_value(json_object_get(c, "type"));
		if (type && strcmp(type, "Ready") == 0)
			return g_strcmp0(json_string_value(json_object_get(c, "status")), "True") ==
			       0;
	}
	return false;
}

static SimPod pod_view(const json_t *pod)
{
	const json_t *meta = json_object_get(pod, "metadata");
	const json_t *status = json_object_get(pod, "status");
	const json_t *owner = json_array_get(json_object_get(meta, "ownerReferences"), 0);
	const char *gone = json_string_value(json_object_get(meta, "deletionTimestamp"));
	SimPod v = {
		.node = tree_str(pod, "spec.nodeName"),
		.phase = json_string_value(json_object_get(status, "phase")),
		.owner_kind = json_string_value(json_object_get(owner, "kind")),
		.owner = json_string_value(json_object_get(owner, "name")),
		.labels = json_object_get(meta, "labels"),
		.ready = is_ready(status),
		.deleting = gone != NULL,
		.mirror = tree_annotation(pod, "kubernetes.io/config.mirror") != NULL,
	};
	if (gone && !sl_time_parse(gone, &v.delete_usec))
		v.delete_usec = 0;
	return v;
}

static const char *mc_text(const json_t *annotations, const char *key)
{
	const char *v = json_string_value(json_object_get(annotations, key));
	return v ? v : "";
}

/* No pod of this world tolerates anything. */
static bool is_tainted(const json_t *taints)
{
	size_t i;
	json_t *t;
	json_array_foreach (taints, i, t) {
		const char *effect = json_string_value(json_object_get(t, "effect"));
		if (effect &&
			(strcmp(effect, "NoSchedule") == 0 || strcmp(effect, "NoExecute") == 0))
			return true;
	}
	return false;
}

static SimNode node_view(const json_t *node)
{
	const json_t *a = json_object_get(json_object_get(node, "metadata"), "annotations");
	const json_t *spec = json_object_get(node, "spec");
	return (SimNode){
		.current = mc_text(a, MC "currentConfig"),
		.desired = mc_text(a, MC "desiredConfig"),
		.state = mc_text(a, MC "state"),
		.asked = mc_text(a, MC "desiredDrain"),
		.applied = mc_text(a, MC "lastAppliedDrain"),
		.ready = is_ready(json_object_get(node, "status")),
		.cordoned = json_is_true(json_object_get(spec, "unschedulable")),
		.tainted = is_tainted(json_object_get(spec, "taints")),
	};
}

static void ring_grow(Table *t)
{
	size_t cap = t->cap_ring ? 2 * t->cap_ring : 64;
	SimChange *next = g_new(SimChange, cap);
	for (size_t i = 0; i < t->n_ring; i++)
		next[i] = *ring_at(t, i);
	g_free(t->ring);
	t->ring = next;
	t->first = 0;
	t->cap_ring = cap;
}

static void announce(SimStore *s, const SimKind *k, SimSnap *was, SimSnap *now, SimObj *obj)
{
	Table *t = &s->tables[k->id];
	if (t->n_ring == t->cap_ring && t->cap_ring < SIM_HISTORY)
		ring_grow(t);
	if (t->n_ring == SIM_HISTORY) {
		SimChange *old = ring_at(t, 0);
		t->compacted = old->rv;
		sim_snap_unref(old->was);
		sim_snap_unref(old->now);
		t->first = (t->first + 1) % t->cap_ring;
		t->n_ring--;
	}
	SimChange *c = ring_at(t, t->n_ring++);
	*c = (SimChange){ .rv = s->rv, .kind = k, .was = was, .now = now };
	SimChange copy = *c;
	for (size_t i = 0; i < s->n_listeners; i++)
		s->listeners[i].fn(&copy, obj, s->listeners[i].ud);
}

/* Steals json; a tree that nobody else holds is stamped in place. */
static json_t *with_version(json_t *json, int64_t rv)
{
	char text[24];
	snprintf(text, sizeof text, "%" PRId64, rv);
	json_t *out = json->refcount == 1 ? json_incref(json) : json_copy(json);
	json_t *meta = json_object_get(out, "metadata");
	if (meta->refcount > 1) {
		meta = json_copy(meta);
		json_object_set_new_nocheck(out, "metadata", meta);
	}
	json_object_set_new_nocheck(meta, "resourceVersion", json_string_nocheck(text));
	json_decref(json);
	return out;
}

static SimObj *insert(SimStore *s, const SimKind *k, const char *ns, const char *name)
{
	Table *t = &s->tables[k->id];
	SimObj *o = g_new0(SimObj, 1);
	o->kind = k;
	o->ns = g_strdup(ns);
	o->name = g_strdup(name);
	o->key = key_of(ns, name);
	size_t i = sim_store_lower(s, k->id, o->key);
	if (t->n == t->size) {
		t->size = t->size ? t->size * 2 : 16;
		t->objs = g_renew(SimObj *, t->objs, t->size);
	}
	memmove(t->objs + i + 1, t->objs + i, (t->n - i) * sizeof *t->objs);
	t->objs[i] = o;
	t->n++;
	return o;
}

static SimObj *put(SimStore *s, const SimKind *k, json_t *json, bool stamp)
{
	const char *name = tree_str(json, "metadata.name");
	const char *ns = k->namespaced ? tree_str(json, "metadata.namespace") : NULL;
	g_assert(name && (ns || !k->namespaced));
	SimObj *o = sim_store_find(s, k->id, ns, name);
	if (!o)
		o = insert(s, k, ns, name);
	SimSnap *was = o->snap;
	s->rv++;
	o->snap = snap_new(stamp ? with_version(json, s->rv) : json, s->rv);
	o->json = o->snap->json;
	if (k->id == SIM_PODS)
		o->pod = pod_view(o->json);
	else if (k->id == SIM_NODES)
		o->node = node_view(o->json);
	announce(s, k, was, sim_snap_ref(o->snap), o);
	return o;
}

SimObj *sim_store_put(SimStore *s, const SimKind *k, json_t *json)
{
	return put(s, k, json, true);
}

SimObj *sim_store_mirror(SimStore *s, const SimKind *k, json_t *json)
{
	return put(s, k, json, false);
}

void sim_store_remove(SimStore *s, SimObj *o)
{
	Table *t = &s->tables[o->kind->id];
	size_t i = sim_store_lower(s, o->kind->id, o->key);
	g_assert(i < t->n && t->objs[i] == o);
	memmove(t->objs + i, t->objs + i + 1, (t->n - i - 1) * sizeof *t->objs);
	t->n--;
	s->rv++;
	SimSnap *last = snap_new(with_version(json_incref(o->json), s->rv), s->rv);
	announce(s, o->kind, last, NULL, NULL);
	obj_free(o);
}

bool sim_store_since(const SimStore *s, SimKindId k, int64_t rv, size_t *ret_first)
{
	const Table *t = &s->tables[k];
	if (rv < t->compacted)
		return false;
	size_t lo = 0, hi = t->n_ring;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (ring_at(t, mid)->rv <= rv)
			lo = mid + 1;
		else
			hi = mid;
	}
	*ret_first = lo;
	return true;
}

const SimChange *sim_store_change(const SimStore *s, SimKindId k, size_t i)
{
	const Table *t = &s->tables[k];
	return i < t->n_ring ? ring_at(t, i) : NULL;
}

void sim_store_compact(SimStore *s)
{
	s->rv++; /* so that even the version read last is too old for a watch to resume from */
	for (size_t k = 0; k < SIM_KINDS; k++) {
		ring_clear(&s->tables[k]);
		s->tables[k].compacted = s->rv;
	}
}

int64_t sim_store_compacted(const SimStore *s, SimKindId k)
{
	return s->tables[k].compacted;
}

/* splitmix64 (public domain, S. Vigna) */
uint64_t sim_store_random(SimStore *s)
{
	uint64_t z = s->random += 0x9e3779b97f4a7c15u;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

char *sim_store_uid(SimStore *s)
{
	uint64_t a = sim_store_random(s), b = sim_store_random(s);
	return g_strdup_printf("%08x-%04x-4%03x-%04x-%012" PRIx64, (unsigned)(a >> 32),
		(unsigned)(a >> 16) & 0xffff, (unsigned)a & 0xfff,
		((unsigned)(b >> 48) & 0x3fff) | 0x8000, b & 0xffffffffffffu);
}

char *sim_store_suffix(SimStore *s)
{
	static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
	char *text = g_malloc(6);
	for (size_t i = 0; i < 5; i++)
		text[i] = letters[sim_store_random(s) % (sizeof letters - 1)];
	text[5] = '\0';
	return text;
}
