#include "kube/list.h"
#include <string.h>

struct KubeLister {
	KubeClient *client;
	char *path; /* with selectors and limit, without continue */
	const char *accept;
	KubePage *page;
	KubeListDone *done;
	void *ud;
	uint64_t call;
	int passes, pages;
	size_t n_items;
	int64_t sent_usec; /* of the pass's first page */
	char *resource_version;
	bool *freed; /* set while we call out */
};

static void on_page(const KubeAnswer *a, void *ud);

static void ask(KubeLister *l, const char *next)
{
	g_autofree char *path = kube_path_query(l->path, "continue", next, NULL);
	/* Paths of later pages never come again. */
	KubeCall c = { .method = "GET", .path = path, .accept = l->accept, .list = !next };
	l->call = kube_call(l->client, &c, on_page, l);
}

static void start_pass(KubeLister *l)
{
	l->passes++;
	l->pages = 0;
	l->n_items = 0;
	g_clear_pointer(&l->resource_version, g_free);
	ask(l, NULL);
}

static void end(KubeLister *l, const KubeAnswer *a)
{
	KubeList list = {
		.answer = a,
		.resource_version = a->ok && l->resource_version ? l->resource_version : "",
		.sent_usec = l->sent_usec,
		.n_items = l->n_items,
	};
	l->done(&list, l->ud);
}

static void fail(KubeLister *l, const char *why)
{
	g_autoptr(GError) err = NULL;
	KubeAnswer a;
	sl_fail(&err, SL_ERR_RETRY, "%s: %s", l->path, why);
	kube_answer_init_error(&a, err, 200, l->sent_usec);
	end(l, &a);
	kube_answer_clear(&a);
}

/* Hands the page out; false when the receiver freed us. */
static bool hand_out(KubeLister *l, json_t *items)
{
	bool freed = false;
	l->freed = &freed;
	l->page(items, l->pages == 0, l->ud);
	if (freed)
		return false;
	l->freed = NULL;
	l->n_items += json_array_size(items);
	l->pages++;
	return true;
}

static void on_page(const KubeAnswer *a, void *ud)
{
	KubeLister *l = ud;
	l->call = 0;
	if (!a->ok && a->status == 410 && l->passes < KUBE_LIST_PASSES) {
		start_pass(l);
		return;
	}
	if (!a->ok) {
		end(l, a);
		return;
	}
	json_t *items = json_object_get(a->json, "items");
	const char *version = json_path_str(a->json, "metadata.resourceVersion", "");
	if (l->pages == 0) {
		l->sent_usec = a->sent_usec;
		l->resource_version = g_strdup(version);
	}
	/* Anything else than a list must not read as "there is nothing". */
	if (!(json_is_array(items) || json_is_null(items)) || !*version) {
		fail(l, "the answer is no list");
		return;
	}
	g_autofree char *next = g_strdup(json_path_str(a->json, "metadata.continue", ""));
	if (!hand_out(l, items))
		return;
	if (!*next)
		end(l, a);
	else if (l->pages >= KUBE_LIST_PAGES_MAX)
		fail(l, "the list does not end");
	else
		ask(l, next);
}

KubeLister *kube_list(KubeClient *k, const char *path, const KubeListOptions *o, KubePage *page,
	KubeListDone *done, void *ud)
{
	KubeLister *l = g_new0(KubeLister, 1);
	char limit[16];
	g_snprintf(limit, sizeof limit, "%d", o->page_items ? o->page_items : KUBE_PAGE_ITEMS);
	l->client = k;
	l->path = kube_path_query(path, "limit", limit, "labelSelector", o->label_selector,
		"fieldSelector", o->field_selector, NULL);
	l->accept = o->metadata_only ? KUBE_METADATA_LIST : NULL;
	l->page = page;
	l->done = done;
	l->ud = ud;
	start_pass(l);
	return l;
}

void kube_lister_free(KubeLister *l)
{
	if (!l)
		return;
	if (l->freed)
		*l->freed = true;
	kube_forget(l->client, &l->call);
	g_free(l->path);
	g_free(l->resource_version);
	g_free(l);
}
