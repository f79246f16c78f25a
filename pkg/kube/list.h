/* Lists in pages. Source: API concepts, "Retrieving large results sets in chunks": all pages of one
 * pass share a resourceVersion; 410 in the middle starts a new pass. */
#pragma once
#include "kube/client.h"

enum { KUBE_PAGE_ITEMS = 500, KUBE_LIST_PASSES = 3, KUBE_LIST_PAGES_MAX = 10000 };

typedef struct KubeListOptions {
	const char *label_selector, *field_selector; /* NULL: all */
	bool metadata_only;
	int page_items; /* 0 = KUBE_PAGE_ITEMS */
} KubeListOptions;

/* The end of a list. Borrowed. */
typedef struct KubeList {
	const KubeAnswer *answer; /* of the last page; not ok: the list failed as a whole */
	const char *resource_version; /* of the pass; "" where it failed */
	int64_t sent_usec; /* when its first page was asked for: nothing in it is older */
	size_t n_items;
} KubeList;

/* One page; items is a JSON array and lives for the call only; its objects may be kept, and are
 * not to be changed: the next list may hand out the same ones. first: a pass begins, what came
 * before counts no more. */
typedef void KubePage(json_t *items, bool first, void *ud);
typedef void KubeListDone(const KubeList *l, void *ud);

typedef struct KubeLister KubeLister;
/* path: a collection without these parameters. The completion comes once, unless freed before; the
 * lister is the caller's, to free also after it (also from inside it). */
KubeLister *kube_list(KubeClient *k, const char *path, const KubeListOptions *o, KubePage *page,
	KubeListDone *done, void *ud);
void kube_lister_free(KubeLister *l); /* NULL is fine */
