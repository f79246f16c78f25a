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
	struct Wake *next;
} Wake;

static char *version_of(const json_t *object)
{
	return g_strdup(json_path_str(object, "metadata.resourceVersion", ""));
}

static void on_event(KubeEventType type, const json_t *object, void *ud)
{
	Wake *w = ud;
	const char *name = json_path_str(object, "metadata.name", "");
	char *(*signature)(const json_t *o) = w->row->signature ? w->row->signature : version_of;
	g_autofree char *now = type == KUBE_DELETED ? NULL : signature(object);
	if (g_strcmp0(now, json_string_value(json_object_get(w->seen, name))) == 0)
		return;
	if (now)
		json_object_set_new(w->seen, name, json_string(now));
	else
		json_object_del(w->seen, name);
	site_fact_forget(w->t->site, w->row->row, w->row->key);
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
	answer(ud, err);
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

static Wake *wake_new(Target *t, const char *collection)
{
	const WakeRow *row = t->provider->wakes;
	while (row->collection && strcmp(row->collection, collection) != 0)
		row++;
	g_assert(row->collection);
	Wake *w = g_new0(Wake, 1);
	w->t = t;
	w->row = row;
	w->seen = json_object();
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

bool target_awake(Item *it, const char *collection)
{
	if (!fact(it, &fact_wake, collection))
		return false;
	const Wake *w = find(target_of(it), collection);
	return w && kube_watch_synced(w->watch) &&
	       kube_watch_stale_usec(w->watch) < WAKE_STALE_SEC * SL_USEC_PER_SEC;
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
		g_free(w);
	}
	site_fact_forget(t->site, &fact_wake, NULL);
}
