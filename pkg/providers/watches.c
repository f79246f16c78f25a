#include "providers/watches.h"
#include "kube/watch.h"
#include <string.h>

/* One collection. */
typedef struct Watched {
	TargetWatches *all;
	const FactRow *row;
	char *key;
	KubeWatch *watch;
	GPtrArray *objects; /* Kept, sorted by key */
	GPtrArray *reads; /* Waiting */
} Watched;

typedef struct Kept {
	char *key; /* "namespace/name" */
	json_t *json;
} Kept;

/* A read of the fact that ends with the next list sent at or after since_usec. */
typedef struct Waiting {
	FactRead *read;
	int64_t since_usec;
} Waiting;

struct TargetWatches {
	Target *target;
	GPtrArray *watched; /* Watched, few */
};

/* Where the reads find the watches: a fact that nobody reads. */
static const FactRow row_watches = { .name = "watches" };

static TargetWatches *watches_of(const Site *site)
{
	const View *v = site_fact_peek(site, &row_watches, WATCHES_ALL);
	return v ? v->data : NULL;
}

static void kept_free(void *p)
{
	Kept *k = p;
	g_free(k->key);
	json_decref(k->json);
	g_free(k);
}

static void watched_free(void *p)
{
	Watched *w = p;
	kube_watch_free(w->watch);
	g_ptr_array_free(w->objects, TRUE);
	g_ptr_array_free(w->reads, TRUE);
	g_free(w->key);
	g_free(w);
}

static Watched *find(const TargetWatches *all, const FactRow *row, const char *key)
{
	for (unsigned i = 0; all && i < all->watched->len; i++) {
		Watched *w = g_ptr_array_index(all->watched, i);
		if (w->row == row && strcmp(w->key, key) == 0)
			return w;
	}
	return NULL;
}

/* ---- what is kept of an object ---- */

/* A part without some of its members; the part itself where it has none of them. */
static void set_without(json_t *out, const json_t *object, const char *part, const char *const *cut)
{
	json_t *whole = json_object_get(object, part);
	bool has = false;
	if (!json_is_object(whole))
		return;
	for (const char *const *c = cut; *c && !has; c++)
		has = json_object_get(whole, *c) != NULL;
	json_t *copy = has ? json_copy(whole) : json_incref(whole);
	for (; has && *cut; cut++)
		json_object_del(copy, *cut);
	json_object_set_new(out, part, copy);
}

static json_t *compact(const json_t *object)
{
	static const char *const meta[] = { "managedFields", NULL };
	static const char *const spec[] = { "containers", "initContainers", "ephemeralContainers",
		"affinity", NULL };
	static const char *const status[] = { "containerStatuses", "initContainerStatuses",
		"ephemeralContainerStatuses", "images", NULL };
	json_t *out = json_object();
	set_without(out, object, "metadata", meta);
	set_without(out, object, "spec", spec);
	set_without(out, object, "status", status);
	return out;
}

/* Names that the status held lately: the controller takes a name out again as soon as its pod goes,
 * often between two looks of ours. */
static void remember_disrupted(json_t *pdb, const json_t *old, int64_t now)
{
	json_t *seen = json_object(), *value;
	const char *pod;
	json_object_foreach (json_object_get(old, "disruptedSeen"), pod, value) {
		int64_t age = now - json_integer_value(value);
		if (age <= WATCHES_DISRUPTED_SEC * SL_USEC_PER_SEC)
			json_object_set(seen, pod, value);
	}
	json_object_foreach (json_path(pdb, "status.disruptedPods"), pod, value)
		json_object_set_new(seen, pod, json_integer(now));
	json_object_set_new(pdb, "disruptedSeen", seen);
	json_object_set_new(pdb, "seenUsec", json_integer(now));
}

static unsigned place(const Watched *w, const char *key, bool *ret_found)
{
	unsigned lo = 0, hi = w->objects->len;
	while (lo < hi) {
		unsigned mid = lo + (hi - lo) / 2;
		const Kept *k = g_ptr_array_index(w->objects, mid);
		int c = strcmp(k->key, key);
		if (c == 0) {
			*ret_found = true;
			return mid;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*ret_found = false;
	return lo;
}

static void keep(Watched *w, char *key, const json_t *object)
{
	bool found;
	unsigned i = place(w, key, &found);
	if (!found) {
		Kept *k = g_new0(Kept, 1);
		k->key = g_strdup(key);
		g_ptr_array_insert(w->objects, (int)i, k);
	}
	Kept *k = g_ptr_array_index(w->objects, i);
	json_t *next = compact(object);
	if (w->row == &fact_pdbs)
		remember_disrupted(next, k->json, loop_boot_usec(w->all->target->loop));
	json_decref(k->json);
	k->json = next;
}

static void drop(Watched *w, const char *key)
{
	bool found;
	unsigned i = place(w, key, &found);
	if (found)
		g_ptr_array_remove_index(w->objects, i);
}

/* ---- views ---- */

static View *view_of(const Watched *w)
{
	if (w->row == &fact_node) {
		const Kept *k = w->objects->len ? g_ptr_array_index(w->objects, 0) : NULL;
		return k ? view_new(json_incref(k->json)) : view_new_missing();
	}
	json_t *items = json_array();
	for (unsigned i = 0; i < w->objects->len; i++)
		json_array_append(items, ((const Kept *)g_ptr_array_index(w->objects, i))->json);
	return view_new(json_pack("{s:o, s:{s:s}}", "items", items, "metadata", "resourceVersion",
		kube_watch_resource_version(w->watch)));
}

static void on_event(KubeEventType type, const json_t *object, void *ud)
{
	Watched *w = ud;
	g_autofree char *key = g_strconcat(json_path_str(object, "metadata.namespace", ""), "/",
		json_path_str(object, "metadata.name", ""), NULL);
	if (type == KUBE_DELETED)
		drop(w, key);
	else
		keep(w, key, object);
	if (w->watch && kube_watch_synced(w->watch))
		site_fact_set(w->all->target->site, w->row, w->key, view_of(w));
}

/* A list that was under way when a read was asked for does not end it. */
static void on_synced(int64_t sent_usec, void *ud)
{
	Watched *w = ud;
	bool again = false;
	for (unsigned i = w->reads->len; i > 0; i--) {
		Waiting *r = g_ptr_array_index(w->reads, i - 1);
		if (r->since_usec > sent_usec) {
			again = true;
			continue;
		}
		FactRead *read = r->read;
		g_ptr_array_remove_index(w->reads, i - 1);
		fact_read_done(read, view_of(w), NULL);
	}
	if (again)
		kube_watch_relist(w->watch);
}

/* The watch goes on by itself; who asked for a read hears why there is none. */
static void on_error(const GError *err, void *ud)
{
	Watched *w = ud;
	while (w->reads->len > 0) {
		Waiting *r = g_ptr_array_index(w->reads, w->reads->len - 1);
		FactRead *read = r->read;
		g_ptr_array_remove_index(w->reads, w->reads->len - 1);
		fact_read_done(read, NULL, err);
	}
}

/* ---- reading ---- */

static char *selector_of(const FactRow *row, const char *key)
{
	if (row == &fact_node_pods)
		return g_strconcat("spec.nodeName=", key, NULL);
	return row == &fact_node ? g_strconcat("metadata.name=", key, NULL) : NULL;
}

static char *path_of(const FactRow *row)
{
	if (row == &fact_node)
		return kube_path(&kube_nodes, NULL, NULL, NULL);
	return kube_path(row == &fact_node_pods ? &kube_pods : &kube_pdbs, NULL, NULL, NULL);
}

static void start(TargetWatches *all, Watched *w)
{
	g_autofree char *selector = selector_of(w->row, w->key), *path = path_of(w->row);
	KubeWatchOptions o = { .path = path,
		.field_selector = selector,
		.ops = { .event = on_event, .synced = on_synced, .error = on_error },
		.ud = w };
	w->watch = kube_watch_new(all->target->kube, &o);
}

static void read_watched(TargetWatches *all, const FactRow *row, const char *key, FactRead *r)
{
	Watched *w = find(all, row, key);
	Waiting *waiting = g_new0(Waiting, 1);
	*waiting = (Waiting){ r, loop_boot_usec(all->target->loop) };
	if (w) {
		g_ptr_array_add(w->reads, waiting);
		kube_watch_relist(w->watch);
		return;
	}
	w = g_new0(Watched, 1);
	w->all = all;
	w->row = row;
	w->key = g_strdup(key);
	w->objects = g_ptr_array_new_with_free_func(kept_free);
	w->reads = g_ptr_array_new_with_free_func(g_free);
	g_ptr_array_add(w->reads, waiting);
	g_ptr_array_add(all->watched, w);
	start(all, w);
}

static void read_row(const FactRow *row, Site *site, const char *key, FactRead *r)
{
	TargetWatches *all = watches_of(site);
	if (all && all->target->kube) {
		read_watched(all, row, key, r);
		return;
	}
	g_autofree char *selector = selector_of(row, key), *collection = path_of(row);
	if (row == &fact_node) {
		g_autofree char *path = kube_path(&kube_nodes, NULL, key, NULL);
		fact_object.read(site, path, r);
		return;
	}
	g_autofree char *path = kube_path_query(collection, "fieldSelector", selector, NULL);
	fact_list.read(site, path, r);
}

static void read_node_pods(Site *site, const char *key, FactRead *r)
{
	read_row(&fact_node_pods, site, key, r);
}

static void read_pdbs(Site *site, const char *key, FactRead *r)
{
	read_row(&fact_pdbs, site, key, r);
}

static void read_node(Site *site, const char *key, FactRead *r)
{
	read_row(&fact_node, site, key, r);
}

const FactRow fact_node_pods = { .name = "node-pods", .pushed = true, .read = read_node_pods };
const FactRow fact_pdbs = { .name = "pdbs", .pushed = true, .read = read_pdbs };
const FactRow fact_node = { .name = "node", .pushed = true, .read = read_node };

const View *watched(Item *it, const FactRow *row, const char *key)
{
	const TargetWatches *all = watches_of(item_site(it));
	int64_t now = loop_boot_usec(saga_loop(item_saga(it)));
	if (!all)
		return fact_within(it, row, key, WATCHES_POLL_SEC * SL_USEC_PER_SEC, 0);
	if (!find(all, row, key))
		return fact_since(it, row, key, now);
	return fact(it, row, key);
}

int64_t watched_poll_usec(Item *it, int64_t now_usec)
{
	return watches_of(item_site(it)) ? 0 : now_usec + WATCHES_POLL_SEC * SL_USEC_PER_SEC;
}

void watched_release(Site *site, const FactRow *row, const char *key)
{
	TargetWatches *all = watches_of(site);
	Watched *w = find(all, row, key);
	if (w && w->reads->len == 0)
		g_ptr_array_remove_fast(all->watched, w);
}

TargetWatches *target_watches_new(Target *t)
{
	g_assert(!watches_of(t->site));
	TargetWatches *all = g_new0(TargetWatches, 1);
	all->target = t;
	all->watched = g_ptr_array_new_with_free_func(watched_free);
	site_fact_set(t->site, &row_watches, WATCHES_ALL, view_new_data(all, NULL));
	return all;
}

void target_watches_free(TargetWatches *all)
{
	if (!all)
		return;
	Site *site = all->target->site;
	g_autoptr(GError) err = g_error_new(SL_ERROR, SL_ERR_CANCELLED, "the watch was stopped");
	for (unsigned i = 0; i < all->watched->len; i++) {
		Watched *w = g_ptr_array_index(all->watched, i);
		on_error(err, w);
		site_fact_forget(site, w->row, w->key);
	}
	site_fact_set(site, &row_watches, WATCHES_ALL, view_new_data(NULL, NULL));
	g_ptr_array_free(all->watched, TRUE);
	g_free(all);
}
