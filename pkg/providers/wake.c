#include "providers/wake.h"
#include "kube/watch.h"
#include "providers/provider.h"
#include <string.h>

typedef struct Wake {
	Target *t;
	const WakeRow *row;
	KubeWatch *watch;
	FactRead *read; /* waits for the first list; NULL: nobody waits */
	uint64_t timer;
	json_t *seen; /* name -> what mattered of the object when it was seen last */
	json_t *versions; /* name -> its version when it was seen last */
	int64_t failed_usec; /* when it last broke; nothing it said before vouches for anything */
	struct Wake *next;
} Wake;

static const char *name_of(const json_t *object)
{
	return json_path_str(object, "metadata.name", "");
}

static const char *version_of(const json_t *object)
{
	return json_path_str(object, "metadata.resourceVersion", "");
}

/* Whether something happened that somebody waits for. */
static bool matters(Wake *w, const json_t *object, bool gone)
{
	const char *name = name_of(object);
	g_autofree char *own = w->row->signature && !gone ? w->row->signature(object) : NULL;
	const char *now = gone ? NULL : own ? own : version_of(object);
	if (g_strcmp0(now, json_string_value(json_object_get(w->seen, name))) == 0)
		return false;
	if (now)
		json_object_set_new(w->seen, name, json_string(now));
	else
		json_object_del(w->seen, name);
	return true;
}

/* The object as the fact shows it; NULL: not at all. */
static const json_t *shown_in(const Wake *w, const json_t *fact, const char *name, size_t *ret_i)
{
	*ret_i = 0;
	if (w->row->row != &fact_list)
		return strcmp(name_of(fact), name) == 0 ? fact : NULL;
	const json_t *items = json_object_get(fact, "items");
	for (; *ret_i < json_array_size(items); ++*ret_i)
		if (strcmp(name_of(json_array_get(items, *ret_i)), name) == 0)
			return json_array_get(items, *ret_i);
	return NULL;
}

static json_t *list_with(const json_t *list, size_t i, const json_t *object)
{
	json_t *items = json_copy(json_object_get(list, "items"));
	json_array_set_new(items, i, target_slim((json_t *)object, false));
	return json_pack("{s:o, s:{s:s}}", "items", items, "metadata", "resourceVersion",
		version_of(object));
}

/* True: the fact shows the object as it is now. */
static bool follow(Wake *w, const json_t *object, bool wake)
{
	const char *before = json_string_value(json_object_get(w->versions, name_of(object)));
	const View *v = site_fact_peek(w->t->site, w->row->row, w->row->key);
	size_t i;
	const json_t *shown = v ? shown_in(w, v->json, name_of(object), &i) : NULL;
	if (shown && strcmp(version_of(shown), version_of(object)) == 0)
		return true;
	if (!shown || g_strcmp0(version_of(shown), before) != 0)
		return false;
	json_t *next = w->row->row == &fact_list ? list_with(v->json, i, object)
						 : target_slim((json_t *)object, true);
	return site_fact_follow(w->t->site, w->row->row, w->row->key, view_new(next), wake);
}

static void on_event(KubeEventType type, const json_t *object, void *ud)
{
	Wake *w = ud;
	bool gone = type == KUBE_DELETED, wake = matters(w, object, gone);
	if ((gone || !follow(w, object, wake)) && wake)
		site_fact_forget(w->t->site, w->row->row, w->row->key);
	if (gone)
		json_object_del(w->versions, name_of(object));
	else
		json_object_set_new(w->versions, name_of(object), json_string(version_of(object)));
}

static void answer(Wake *w, const GError *err)
{
	FactRead *read = g_steal_pointer(&w->read);
	if (read)
		fact_read_done(read, err ? NULL : view_new(json_object()), err);
}

static void on_synced(int64_t sent_usec, void *ud)
{
	answer(ud, NULL);
}

static void on_error(const GError *err, void *ud)
{
	Wake *w = ud;
	w->failed_usec = loop_boot_usec(w->t->loop);
	answer(w, err);
}

static void answer_now(void *ud)
{
	Wake *w = ud;
	w->timer = 0;
	answer(w, NULL);
}

static Wake *find(const Target *t, const char *collection)
{
	for (Wake *w = t->wakes; w; w = w->next)
		if (strcmp(w->row->collection, collection) == 0)
			return w;
	return NULL;
}

static const WakeRow *wake_row(const Target *t, const char *collection)
{
	const WakeRow *row = t->provider->wakes;
	while (row->collection && strcmp(row->collection, collection) != 0)
		row++;
	g_assert(row->collection);
	return row;
}

static Wake *wake_new(Target *t, const char *collection)
{
	Wake *w = g_new0(Wake, 1);
	w->t = t;
	w->row = wake_row(t, collection);
	w->seen = json_object();
	w->versions = json_object();
	KubeWatchOptions o = { .path = collection,
		.ops = { .event = on_event, .synced = on_synced, .error = on_error },
		.ud = w };
	w->watch = kube_watch_new(t->kube, &o);
	w->next = t->wakes;
	t->wakes = w;
	return w;
}

static void read_wake(Site *site, const char *key, FactRead *r)
{
	Target *t = site_ctx(site);
	if (!t->kube) {
		target_fail_read(t, r);
		return;
	}
	Wake *w = find(t, key);
	if (!w)
		w = wake_new(t, key);
	w->read = r;
	if (kube_watch_synced(w->watch))
		w->timer = loop_defer(t->loop, answer_now, w);
}

static const FactRow fact_wake = { .name = "wake", .pushed = true, .read = read_wake };

static bool is_in_step(const Wake *w)
{
	int64_t stale = kube_watch_stale_usec(w->watch);
	return kube_watch_synced(w->watch) && stale < WAKE_STALE_SEC * SL_USEC_PER_SEC &&
	       loop_boot_usec(w->t->loop) - stale > w->failed_usec;
}

static bool knows(const Wake *w, const json_t *object)
{
	const char *known = json_string_value(json_object_get(w->versions, name_of(object)));
	return known && strcmp(known, version_of(object)) == 0;
}

/* The fact shows what the watch knows: no more, no less, of the same versions. */
static bool shows_all(const Wake *w, const View *v)
{
	if (v->missing)
		return false;
	if (w->row->row != &fact_list)
		return knows(w, v->json);
	const json_t *items = json_object_get(v->json, "items");
	size_t i;
	json_t *o;
	json_array_foreach (items, i, o)
		if (!knows(w, o))
			return false;
	return json_array_size(items) == json_object_size(w->versions);
}

const View *target_fact(Item *it, const char *collection)
{
	const WakeRow *row = wake_row(target_of(it), collection);
	const Wake *w = find(target_of(it), collection);
	const View *v = w && is_in_step(w) ? fact_settled(it, row->row, row->key) : NULL;
	return v && shows_all(w, v) ? v : fact(it, row->row, row->key);
}

bool target_awake(Item *it, const char *collection)
{
	if (!fact(it, &fact_wake, collection))
		return false;
	const Wake *w = find(target_of(it), collection);
	return w && is_in_step(w);
}

void target_sleep(Target *t)
{
	while (t->wakes) {
		Wake *w = t->wakes;
		t->wakes = w->next;
		loop_cancel(t->loop, &w->timer);
		g_autoptr(GError) err =
			g_error_new(SL_ERROR, SL_ERR_CANCELLED, "the watch has ended");
		answer(w, err);
		kube_watch_free(w->watch);
		json_decref(w->seen);
		json_decref(w->versions);
		g_free(w);
	}
	site_fact_forget(t->site, &fact_wake, NULL);
	if (t->kube)
		kube_client_forget_lists(t->kube);
}
