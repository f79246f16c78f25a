/* A collection kept in step: list in pages, watch from there, resume, list again when the server
 * says that too much time has passed, and every KUBE_RELIST_SEC regardless, because a server that
 * was restored from a backup may be silent about it. An error never looks like an empty collection:
 * nothing is reported as deleted but by a DELETED event or a complete list. Sources: API concepts
 * ("Efficient detection of changes"), client-go reflector (back-off, time limits).
 *
 * With streaming the first list comes as a stream too ("Streaming lists": sendInitialEvents), which
 * spares the server's memory; a server that cannot do it is asked for pages instead, once and for
 * all.
 *
 * The watch remembers names, UIDs and versions only; what the receiver wants of an object it takes
 * from the event. */
#pragma once
#include "kube/list.h"

enum {
	KUBE_WATCH_MIN_SEC = 300, /* how long one stream may last: random between these */
	KUBE_WATCH_MAX_SEC = 600,
	KUBE_RELIST_SEC = 600,
	KUBE_BACKOFF_MIN_MSEC = 800,
	KUBE_BACKOFF_MAX_MSEC = 30000,
	KUBE_BACKOFF_RESET_SEC = 120, /* of health */
	KUBE_STREAM_LIST_SEC = 60, /* how long a streamed list may take */
	KUBE_RESUMES_MAX = 3, /* failed resumes in a row before a new list */
};

typedef enum { KUBE_ADDED, KUBE_MODIFIED, KUBE_DELETED } KubeEventType;

typedef struct KubeWatch KubeWatch;

/* All are called from the loop; they may free the watch. Any may be NULL. */
typedef struct KubeWatchOps {
	/* One change. Borrowed. An object that a list found missing, or replaced under the same
	 * name, comes as DELETED with metadata.name, namespace, uid and resourceVersion only. */
	void (*event)(KubeEventType type, const json_t *object, void *ud);
	/* A complete list has been told: what was reported up to here is the whole collection as
	 * of sent_usec (boot time). Called after each list. */
	void (*synced)(int64_t sent_usec, void *ud);
	/* Something failed and will be tried again by itself. */
	void (*error)(const GError *err, void *ud);
} KubeWatchOps;

typedef struct KubeWatchOptions {
	const char *path; /* a collection */
	const char *label_selector, *field_selector;
	bool metadata_only;
	bool streaming; /* only for servers of 1.34 or later */
	int page_items; /* 0 = KUBE_PAGE_ITEMS */
	int relist_sec; /* 0 = KUBE_RELIST_SEC */
	KubeWatchOps ops;
	void *ud;
} KubeWatchOptions;

KubeWatch *kube_watch_new(KubeClient *k, const KubeWatchOptions *o);
void kube_watch_free(KubeWatch *w); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KubeWatch, kube_watch_free)

/* The first list is complete. */
bool kube_watch_synced(const KubeWatch *w);
/* How long ago the server last proved that we are up to date (an event, a bookmark, a list);
 * INT64_MAX before the first list. Servers send bookmarks about every minute. */
int64_t kube_watch_stale_usec(const KubeWatch *w);
size_t kube_watch_n_objects(const KubeWatch *w);
const char *kube_watch_resource_version(const KubeWatch *w); /* "" before the first list */
/* Lists again now, e.g. after the machine slept. */
void kube_watch_relist(KubeWatch *w);
