#include "kube/watch.h"
#include <string.h>

/* What is known of one object. */
typedef struct Known {
	char *key; /* "namespace/name" */
	char *uid, *version;
	unsigned pass; /* the list that saw it last */
} Known;

struct KubeWatch {
	KubeClient *client;
	Loop loop;
	char *path, *label_selector, *field_selector;
	bool metadata_only, streaming;
	bool initial; /* the stream still brings the list */
	int64_t asked_usec; /* boot time when the stream was asked for */
	int page_items, relist_sec;
	KubeWatchOps ops;
	void *ud;
	GHashTable *known; /* key -> Known; deletions are told in the order of keys */
	char *version; /* to watch from */
	KubeLister *lister;
	uint64_t stream; /* call */
	uint64_t timer; /* of a back-off */
	uint64_t relist_timer;
	int64_t backoff_msec;
	int failed_resumes;
	unsigned pass;
	bool synced;
	bool must_list; /* what to do when the back-off is over */
	int64_t heard_usec, healthy_since_usec; /* boot time */
	bool *freed; /* set while we call out */
};

static void start_list(KubeWatch *w);
static void start_stream(KubeWatch *w);
static void start_streamed_list(KubeWatch *w);

static void known_free(void *p)
{
	Known *o = p;
	g_free(o->key);
	g_free(o->uid);
	g_free(o->version);
	g_free(o);
}

static char *key_of(const json_t *object)
{
	return g_strconcat(json_path_str(object, "metadata.namespace", ""), "/",
		json_path_str(object, "metadata.name", ""), NULL);
}

/* --- telling; each returns false when the receiver freed the watch --- */

static bool tell_event(KubeWatch *w, KubeEventType type, const json_t *object)
{
	bool freed = false;
	if (!w->ops.event)
		return true;
	w->freed = &freed;
	w->ops.event(type, object, w->ud);
	if (!freed)
		w->freed = NULL;
	return !freed;
}

static bool tell_error(KubeWatch *w, const GError *err)
{
	bool freed = false;
	if (!w->ops.error)
		return true;
	w->freed = &freed;
	w->ops.error(err, w->ud);
	if (!freed)
		w->freed = NULL;
	return !freed;
}

static bool tell_synced(KubeWatch *w, int64_t sent_usec)
{
	bool freed = false;
	if (!w->ops.synced)
		return true;
	w->freed = &freed;
	w->ops.synced(sent_usec, w->ud);
	if (!freed)
		w->freed = NULL;
	return !freed;
}

/* Removes it from the known ones first, so that the receiver sees the new count. */
static bool tell_gone(KubeWatch *w, const Known *o)
{
	char *slash = strchr(o->key, '/');
	g_autofree char *ns = g_strndup(o->key, (gsize)(slash - o->key));
	g_autoptr(json_t) stub = json_pack("{s:{s:s, s:s, s:s, s:s}}", "metadata", "namespace", ns,
		"name", slash + 1, "uid", o->uid, "resourceVersion", o->version);
	g_hash_table_remove(w->known, o->key);
	return tell_event(w, KUBE_DELETED, stub);
}

/* --- what an object's appearance means --- */

static Known *known_add(KubeWatch *w, const char *key, const char *uid)
{
	Known *o = g_new0(Known, 1);
	o->key = g_strdup(key);
	o->uid = g_strdup(uid);
	g_hash_table_insert(w->known, o->key, o);
	return o;
}

static bool object_seen(KubeWatch *w, const json_t *object, bool from_list)
{
	g_autofree char *key = key_of(object);
	const char *uid = json_path_str(object, "metadata.uid", "");
	const char *version = json_path_str(object, "metadata.resourceVersion", "");
	Known *o = g_hash_table_lookup(w->known, key);
	if (o && strcmp(o->uid, uid) != 0) {
		if (!tell_gone(w, o))
			return false;
		o = NULL;
	}
	bool is_new = !o, same = o && g_strcmp0(o->version, version) == 0;
	if (is_new)
		o = known_add(w, key, uid);
	g_free(o->version);
	o->version = g_strdup(version);
	o->pass = w->pass;
	if (same && from_list)
		return true;
	return tell_event(w, is_new ? KUBE_ADDED : KUBE_MODIFIED, object);
}

static bool object_deleted(KubeWatch *w, const json_t *object)
{
	g_autofree char *key = key_of(object);
	g_hash_table_remove(w->known, key);
	return tell_event(w, KUBE_DELETED, object);
}

/* --- failure and back-off --- */

static void on_backoff_over(void *ud)
{
	KubeWatch *w = ud;
	w->timer = 0;
	if (w->must_list)
		start_list(w);
	else
		start_stream(w);
}

static void heard(KubeWatch *w, int64_t at_usec)
{
	w->heard_usec = MAX(w->heard_usec, at_usec);
	w->failed_resumes = 0;
	if (!w->healthy_since_usec)
		w->healthy_since_usec = at_usec;
}

/* 0.8 s doubling to 30 s, each stretched by up to its own length; the server's wish is a floor. */
static void back_off(KubeWatch *w, bool must_list, int retry_after_sec)
{
	int64_t now = loop_boot_usec(w->loop);
	if (w->healthy_since_usec &&
		now - w->healthy_since_usec >= KUBE_BACKOFF_RESET_SEC * SL_USEC_PER_SEC)
		w->backoff_msec = 0;
	w->healthy_since_usec = 0;
	w->backoff_msec = w->backoff_msec ? MIN(w->backoff_msec * 2, KUBE_BACKOFF_MAX_MSEC)
					  : KUBE_BACKOFF_MIN_MSEC;
	int64_t jitter = (int64_t)(loop_random(w->loop) % (uint64_t)w->backoff_msec);
	int64_t wait = MAX((w->backoff_msec + jitter) * 1000, retry_after_sec * SL_USEC_PER_SEC);
	w->must_list = must_list || !w->version;
	loop_cancel(w->loop, &w->timer);
	w->timer = loop_timer(w->loop, now + wait, on_backoff_over, w);
}

static void failed(KubeWatch *w, bool must_list, int retry_after_sec, GError *failure)
{
	g_autoptr(GError) err = failure;
	if (!must_list && ++w->failed_resumes >= KUBE_RESUMES_MAX)
		must_list = true;
	back_off(w, must_list, retry_after_sec);
	tell_error(w, err);
}

/* --- list --- */

static void on_list_page(json_t *items, bool first, void *ud)
{
	KubeWatch *w = ud;
	size_t i;
	json_t *item;
	if (first)
		w->pass++;
	json_array_foreach (items, i, item)
		if (!object_seen(w, item, true))
			return;
}

static int by_key(const void *a, const void *b)
{
	return strcmp((*(Known *const *)a)->key, (*(Known *const *)b)->key);
}

/* Whatever the pass did not see is gone. */
static bool sweep(KubeWatch *w)
{
	g_autoptr(GPtrArray) gone = g_ptr_array_new();
	GHashTableIter it;
	void *o;
	g_hash_table_iter_init(&it, w->known);
	while (g_hash_table_iter_next(&it, NULL, &o))
		if (((Known *)o)->pass != w->pass)
			g_ptr_array_add(gone, o);
	g_ptr_array_sort(gone, by_key);
	for (unsigned i = 0; i < gone->len; i++)
		if (!tell_gone(w, g_ptr_array_index(gone, i)))
			return false;
	return true;
}

static void on_relist_due(void *ud)
{
	KubeWatch *w = ud;
	w->relist_timer = 0;
	kube_watch_relist(w);
}

/* May free w. */
static void list_complete(KubeWatch *w, int64_t sent_usec)
{
	w->synced = true;
	heard(w, sent_usec);
	loop_cancel(w->loop, &w->relist_timer);
	w->relist_timer = loop_timer(w->loop,
		loop_boot_usec(w->loop) + w->relist_sec * SL_USEC_PER_SEC, on_relist_due, w);
	if (sweep(w))
		tell_synced(w, sent_usec);
}

static void on_list_done(const KubeList *l, void *ud)
{
	KubeWatch *w = ud;
	KubeLister *lister = g_steal_pointer(&w->lister);
	GError *err = NULL;
	if (!kube_answer_check(l->answer, w->path, &err)) {
		int retry_after = l->answer->retry_after_sec;
		kube_lister_free(lister);
		failed(w, true, retry_after, err);
		return;
	}
	int64_t sent_usec = l->sent_usec;
	g_free(w->version);
	w->version = g_strdup(l->resource_version);
	kube_lister_free(lister);
	start_stream(w);
	list_complete(w, sent_usec);
}

static void start_list(KubeWatch *w)
{
	if (w->streaming) {
		start_streamed_list(w);
		return;
	}
	KubeListOptions o = {
		.label_selector = w->label_selector,
		.field_selector = w->field_selector,
		.metadata_only = w->metadata_only,
		.page_items = w->page_items,
	};
	w->lister = kube_list(w->client, w->path, &o, on_list_page, on_list_done, w);
}

void kube_watch_relist(KubeWatch *w)
{
	if (w->lister || w->initial)
		return;
	kube_forget(w->client, &w->stream);
	loop_cancel(w->loop, &w->timer);
	start_list(w);
}

/* --- stream --- */

/* The list did not come as a stream: pages from now on. What a broken stream told stays known, and
 * the list that follows sets it right. */
static bool fall_back(KubeWatch *w)
{
	if (!w->initial)
		return false;
	kube_forget(w->client, &w->stream);
	loop_cancel(w->loop, &w->timer);
	w->initial = w->streaming = false;
	start_list(w);
	return true;
}

static void on_streamed_list_late(void *ud)
{
	KubeWatch *w = ud;
	w->timer = 0;
	fall_back(w);
}

/* An ERROR event carries a Status: the stream is over. */
static void stream_error(KubeWatch *w, const json_t *status)
{
	if (fall_back(w))
		return;
	GError *err = NULL;
	int64_t code = json_path_int(status, "code", 0);
	int64_t retry_after = json_path_int(status, "details.retryAfterSeconds", 0);
	bool expired = code == 410 || strcmp(json_path_str(status, "reason", ""), "Expired") == 0;
	kube_forget(w->client, &w->stream);
	sl_fail(&err, expired ? SL_ERR_CONFLICT : SL_ERR_RETRY, "%s: watch: %d: %s", w->path,
		(int)code, json_path_str(status, "message", "no message"));
	failed(w, expired, (int)CLAMP(retry_after, 0, 3600), err);
}

static void stream_broken(KubeWatch *w, const char *why)
{
	if (fall_back(w))
		return;
	GError *err = NULL;
	kube_forget(w->client, &w->stream);
	sl_fail(&err, SL_ERR_RETRY, "%s: watch: %s", w->path, why);
	failed(w, true, 0, err);
}

static void stream_bookmark(KubeWatch *w, const json_t *object)
{
	const json_t *notes = json_path(object, "metadata.annotations");
	const char *end = json_string_value(json_object_get(notes, "k8s.io/initial-events-end"));
	if (!w->initial || g_strcmp0(end, "true") != 0)
		return;
	w->initial = false;
	loop_cancel(w->loop, &w->timer);
	list_complete(w, w->asked_usec);
}

static void stream_event(KubeWatch *w, const char *type, const json_t *object)
{
	const char *version = json_path_str(object, "metadata.resourceVersion", "");
	if (!*version) {
		stream_broken(w, "an event without a resourceVersion");
		return;
	}
	if (g_strcmp0(version, w->version) != 0) {
		g_free(w->version);
		w->version = g_strdup(version);
	}
	if (!w->initial)
		heard(w, loop_boot_usec(w->loop));
	if (strcmp(type, "BOOKMARK") == 0) {
		stream_bookmark(w, object);
		return;
	}
	if (!*json_path_str(object, "metadata.name", "")) {
		stream_broken(w, "an event without a name");
		return;
	}
	if (strcmp(type, "DELETED") == 0)
		object_deleted(w, object);
	else if (strcmp(type, "ADDED") == 0 || strcmp(type, "MODIFIED") == 0)
		object_seen(w, object, w->initial);
	else
		stream_broken(w, "an event of unknown type");
}

static void on_line(const char *line, size_t len, void *ud)
{
	KubeWatch *w = ud;
	if (len == 0)
		return;
	g_autoptr(json_t) event = json_parse(line, len, NULL);
	const char *type = json_path_str(event, "type", "");
	json_t *object = json_object_get(event, "object");
	if (!json_is_object(object))
		stream_broken(w, "a line that is no event");
	else if (strcmp(type, "ERROR") == 0)
		stream_error(w, object);
	else
		stream_event(w, type, object);
}

static void on_stream_end(const KubeAnswer *a, void *ud)
{
	KubeWatch *w = ud;
	GError *err = NULL;
	w->stream = 0;
	if (fall_back(w))
		return;
	/* Streams end by themselves after a while; that is no failure unless it comes at once. */
	bool lasted = loop_boot_usec(w->loop) - a->sent_usec >= SL_USEC_PER_SEC;
	if (a->ok && lasted) {
		start_stream(w);
		return;
	}
	if (a->ok)
		sl_fail(&err, SL_ERR_RETRY, "%s: watch: ended at once", w->path);
	else
		kube_answer_check(a, w->path, &err);
	failed(w, a->status == 410, a->retry_after_sec, err);
}

static void ask_stream(KubeWatch *w, const char *version, bool initial)
{
	char seconds[16];
	unsigned span = KUBE_WATCH_MAX_SEC - KUBE_WATCH_MIN_SEC + 1;
	g_snprintf(seconds, sizeof seconds, "%u",
		KUBE_WATCH_MIN_SEC + (unsigned)(loop_random(w->loop) % span));
	g_autofree char *path = kube_path_query(w->path, "watch", "1", "resourceVersion", version,
		"allowWatchBookmarks", "true", "timeoutSeconds", seconds, "labelSelector",
		w->label_selector, "fieldSelector", w->field_selector, "sendInitialEvents",
		initial ? "true" : NULL, "resourceVersionMatch", initial ? "NotOlderThan" : NULL,
		NULL);
	KubeCall c = {
		.method = "GET", .path = path, .accept = w->metadata_only ? KUBE_METADATA : NULL
	};
	w->initial = initial;
	w->asked_usec = loop_boot_usec(w->loop);
	w->stream = kube_stream(w->client, &c, on_line, on_stream_end, w);
}

static void start_stream(KubeWatch *w)
{
	ask_stream(w, w->version, false);
}

static void start_streamed_list(KubeWatch *w)
{
	w->pass++;
	ask_stream(w, NULL, true);
	w->timer = loop_timer(w->loop, w->asked_usec + KUBE_STREAM_LIST_SEC * SL_USEC_PER_SEC,
		on_streamed_list_late, w);
}

/* --- life --- */

KubeWatch *kube_watch_new(KubeClient *k, const KubeWatchOptions *o)
{
	KubeWatch *w = g_new0(KubeWatch, 1);
	w->client = k;
	w->loop = kube_client_loop(k);
	w->path = g_strdup(o->path);
	w->label_selector = g_strdup(o->label_selector);
	w->field_selector = g_strdup(o->field_selector);
	w->metadata_only = o->metadata_only;
	w->streaming = o->streaming;
	w->page_items = o->page_items;
	w->relist_sec = o->relist_sec ? o->relist_sec : KUBE_RELIST_SEC;
	w->ops = o->ops;
	w->ud = o->ud;
	w->known = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, known_free);
	start_list(w);
	return w;
}

void kube_watch_free(KubeWatch *w)
{
	if (!w)
		return;
	if (w->freed)
		*w->freed = true;
	kube_lister_free(w->lister);
	kube_forget(w->client, &w->stream);
	loop_cancel(w->loop, &w->timer);
	loop_cancel(w->loop, &w->relist_timer);
	g_hash_table_unref(w->known);
	g_free(w->path);
	g_free(w->label_selector);
	g_free(w->field_selector);
	g_free(w->version);
	g_free(w);
}

bool kube_watch_synced(const KubeWatch *w)
{
	return w->synced;
}

int64_t kube_watch_stale_usec(const KubeWatch *w)
{
	return w->synced ? loop_boot_usec(w->loop) - w->heard_usec : INT64_MAX;
}

size_t kube_watch_n_objects(const KubeWatch *w)
{
	return g_hash_table_size(w->known);
}

const char *kube_watch_resource_version(const KubeWatch *w)
{
	return w->version ? w->version : "";
}
