#include "kube/client.h"
#include <string.h>

enum { LISTS_MAX = 16 };

/* What is remembered of a list. */
typedef struct LastList {
	char *path;
	JsonLast *last;
	uint64_t used; /* id of the call that used it last */
} LastList;

struct KubeClient {
	Http http;
	Loop loop;
	Creds *creds;
	char *writer;
	char **writer_groups;
	uint64_t next_id;
	GHashTable *calls; /* id -> Call */
	LastList lists[LISTS_MAX];
};

typedef struct Call {
	uint64_t id, http_id, creds_id;
	KubeClient *client;
	char *method, *path, *content_type, *accept, *body;
	size_t n_body;
	bool write, raw, list, as_writer;
	bool renewed; /* the one renewal after a 401 was used */
	unsigned revision; /* of the credentials that it was sent with */
	int timeout_msec;
	size_t max_bytes;
	HttpLine *line;
	KubeDone *done;
	void *ud;
} Call;

static void call_free(Call *c)
{
	http_forget(c->client->http, &c->http_id);
	creds_forget(c->client->creds, &c->creds_id);
	char *const texts[] = { c->method, c->path, c->content_type, c->accept, c->body };
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
		g_free(texts[i]);
	g_free(c);
}

/* Takes the call out of the table; the caller frees it after the completion. */
static void call_end(Call *c, KubeAnswer *a)
{
	g_hash_table_steal(c->client->calls, &c->id);
	c->done(a, c->ud);
	kube_answer_clear(a);
	call_free(c);
}

static void call_fail(Call *c, const GError *err, int status)
{
	KubeAnswer a;
	kube_answer_init_error(&a, err, status, loop_boot_usec(c->client->loop));
	call_end(c, &a);
}

static void list_clear(LastList *l)
{
	g_free(l->path);
	json_last_free(l->last);
	*l = (LastList){ 0 };
}

/* That of the call's path, else the one that was not used for longest, emptied. */
static JsonLast **last_of(const Call *c)
{
	LastList *best = c->client->lists;
	for (LastList *l = best; l < c->client->lists + LISTS_MAX; l++) {
		if (l->path && strcmp(l->path, c->path) == 0) {
			l->used = c->id;
			return &l->last;
		}
		if (l->used < best->used)
			best = l;
	}
	list_clear(best);
	best->path = g_strdup(c->path);
	best->used = c->id;
	return &best->last;
}

void kube_client_forget_lists(KubeClient *k)
{
	for (size_t i = 0; i < LISTS_MAX; i++)
		list_clear(&k->lists[i]);
}

static void call_send(Call *c);

static void on_renewed(const GError *err, void *ud)
{
	Call *c = ud;
	c->creds_id = 0;
	if (err)
		call_fail(c, err, c->renewed ? 401 : 0);
	else
		call_send(c);
}

static void on_answer(const HttpAnswer *h, void *ud)
{
	Call *c = ud;
	KubeAnswer a;
	c->http_id = 0;
	/* A 401 says that nothing was done: a write may be sent again as well. */
	if (h->outcome == HTTP_ANSWERED && h->status == 401 && !c->renewed) {
		c->renewed = true;
		c->creds_id = creds_refresh(c->client->creds, c->revision, on_renewed, c);
		return;
	}
	kube_answer_init(&a, h, c->write, c->raw || c->line, c->list ? last_of(c) : NULL);
	call_end(c, &a);
}

static void on_line(const char *line, size_t len, void *ud)
{
	Call *c = ud;
	c->line(line, len, c->ud);
}

/* Impersonation replaces what the kubeconfig says; the result borrows. */
static HttpHeader *call_headers(const Call *c, size_t *ret_n)
{
	const KubeClient *k = c->client;
	size_t n_own, n = 0;
	const HttpHeader *own = creds_headers(k->creds, &n_own);
	if (!c->as_writer || !k->writer) {
		*ret_n = n_own;
		return g_memdup2(own, n_own * sizeof *own);
	}
	HttpHeader *h = g_new0(HttpHeader, 1 + g_strv_length(k->writer_groups));
	h[n++] = (HttpHeader){ "Impersonate-User", k->writer };
	for (char **g = k->writer_groups; *g; g++)
		h[n++] = (HttpHeader){ "Impersonate-Group", *g };
	*ret_n = n;
	return h;
}

static void call_send(Call *c)
{
	KubeClient *k = c->client;
	size_t n_headers;
	g_autofree HttpHeader *headers = call_headers(c, &n_headers);
	HttpRequest r = {
		.endpoint = creds_endpoint(k->creds),
		.method = c->method,
		.path = c->path,
		.content_type = c->content_type,
		.accept = c->accept,
		.headers = headers,
		.n_headers = n_headers,
		.body = c->body,
		.n_body = c->n_body,
		.timeout_msec = c->timeout_msec,
		.max_bytes = c->max_bytes,
	};
	c->revision = creds_revision(k->creds);
	if (c->line)
		c->http_id = http_watch(k->http, &r, on_line, on_answer, c);
	else
		c->http_id = http_request(k->http, &r, on_answer, c);
}

static const char *default_type(const KubeCall *c)
{
	if (c->content_type || !c->body)
		return c->content_type;
	return strcmp(c->method, "PATCH") == 0 ? KUBE_MERGE_PATCH : "application/json";
}

static Call *call_new(KubeClient *k, const KubeCall *from, KubeDone *done, void *ud)
{
	Call *c = g_new0(Call, 1);
	bool get = strcmp(from->method, "GET") == 0;
	c->id = ++k->next_id;
	c->client = k;
	c->method = g_strdup(from->method);
	c->path = g_strdup(from->path);
	c->content_type = g_strdup(default_type(from));
	c->accept = g_strdup(from->accept ? from->accept : "application/json");
	c->body = from->body ? json_canonical(from->body) : NULL;
	c->n_body = c->body ? strlen(c->body) : 0;
	c->write = !get && !from->is_read;
	c->as_writer =
		from->identity == KUBE_AS_USUAL ? c->write : from->identity == KUBE_AS_WRITER;
	c->raw = from->raw;
	c->list = from->list;
	c->timeout_msec = from->timeout_msec;
	c->max_bytes = from->max_bytes;
	c->done = done;
	c->ud = ud;
	g_hash_table_insert(k->calls, &c->id, c);
	return c;
}

static uint64_t call_start(Call *c)
{
	uint64_t id = c->id;
	if (creds_fresh(c->client->creds))
		call_send(c);
	else
		c->creds_id = creds_refresh(c->client->creds, 0, on_renewed, c);
	return id;
}

uint64_t kube_call(KubeClient *k, const KubeCall *c, KubeDone *done, void *ud)
{
	return call_start(call_new(k, c, done, ud));
}

uint64_t kube_stream(KubeClient *k, const KubeCall *c, HttpLine *line, KubeDone *done, void *ud)
{
	Call *call = call_new(k, c, done, ud);
	call->line = line;
	return call_start(call);
}

void kube_forget(KubeClient *k, uint64_t *id)
{
	Call *c = g_hash_table_lookup(k->calls, id);
	if (c) {
		g_hash_table_steal(k->calls, id);
		call_free(c);
	}
	*id = 0;
}

KubeClient *kube_client_new(const KubeClientOptions *o)
{
	KubeClient *k = g_new0(KubeClient, 1);
	k->http = o->http;
	k->loop = o->loop;
	k->creds = o->creds;
	k->writer = g_strdup(o->impersonate_user);
	k->writer_groups = g_strdupv((char **)o->impersonate_groups);
	if (!k->writer_groups)
		k->writer_groups = g_new0(char *, 1);
	k->calls = g_hash_table_new(g_int64_hash, g_int64_equal);
	return k;
}

void kube_client_free(KubeClient *k)
{
	if (!k)
		return;
	GHashTableIter it;
	void *c;
	g_hash_table_iter_init(&it, k->calls);
	while (g_hash_table_iter_next(&it, NULL, &c)) {
		g_hash_table_iter_steal(&it);
		call_free(c);
	}
	g_hash_table_unref(k->calls);
	kube_client_forget_lists(k);
	g_free(k->writer);
	g_strfreev(k->writer_groups);
	g_free(k);
}

Loop kube_client_loop(const KubeClient *k)
{
	return k->loop;
}

bool kube_client_certificate_end(const KubeClient *k, int64_t *ret_sec)
{
	return creds_certificate_end(k->creds, ret_sec);
}

const char *kube_client_origin(const KubeClient *k)
{
	return creds_origin(k->creds);
}

/* --- short forms --- */

static uint64_t send_body(KubeClient *k, const KubeCall *c, bool dry_run, KubeDone *done, void *ud)
{
	g_autofree char *path = kube_path_query(c->path, "dryRun", dry_run ? "All" : NULL, NULL);
	KubeCall call = *c;
	call.path = path;
	return kube_call(k, &call, done, ud);
}

uint64_t kube_get(KubeClient *k, const char *path, KubeDone *done, void *ud)
{
	return kube_call(k, &(KubeCall){ .method = "GET", .path = path }, done, ud);
}

uint64_t kube_patch_merge(KubeClient *k, const char *path, const json_t *patch,
	const char *resource_version, bool dry_run, KubeDone *done, void *ud)
{
	g_autoptr(json_t) body = kube_merge_body(patch, resource_version);
	KubeCall c = { .method = "PATCH", .path = path, .body = body };
	return send_body(k, &c, dry_run, done, ud);
}

uint64_t kube_apply(KubeClient *k, const char *path, const json_t *object, const char *manager,
	bool force, bool dry_run, KubeDone *done, void *ud)
{
	g_autofree char *managed = kube_path_query(
		path, "fieldManager", manager, "force", force ? "true" : NULL, NULL);
	KubeCall c = {
		.method = "PATCH", .path = managed, .content_type = KUBE_APPLY_PATCH, .body = object
	};
	return send_body(k, &c, dry_run, done, ud);
}

uint64_t kube_create(KubeClient *k, const char *collection_path, const json_t *object, bool dry_run,
	KubeDone *done, void *ud)
{
	KubeCall c = { .method = "POST", .path = collection_path, .body = object };
	return send_body(k, &c, dry_run, done, ud);
}

uint64_t kube_delete(KubeClient *k, const char *path, const json_t *options, bool dry_run,
	KubeDone *done, void *ud)
{
	KubeCall c = { .method = "DELETE", .path = path, .body = options };
	return send_body(k, &c, dry_run, done, ud);
}

uint64_t kube_evict(KubeClient *k, const char *ns, const char *name, const char *uid, int grace_sec,
	bool dry_run, KubeDone *done, void *ud)
{
	g_autofree char *path = kube_path(&kube_pods, ns, name, "eviction");
	g_autoptr(json_t) body = kube_eviction_body(ns, name, uid, grace_sec);
	KubeCall c = { .method = "POST", .path = path, .body = body };
	return send_body(k, &c, dry_run, done, ud);
}

uint64_t kube_access_review(
	KubeClient *k, const json_t *review, KubeIdentity who, KubeDone *done, void *ud)
{
	g_autofree char *path = kube_path(&kube_access_reviews, NULL, NULL, NULL);
	KubeCall c = { .method = "POST",
		.path = path,
		.body = review,
		.identity = who == KUBE_AS_USUAL ? KUBE_AS_READER : who,
		.is_read = true };
	return kube_call(k, &c, done, ud);
}

bool kube_access_allowed(const KubeAnswer *a)
{
	return a->ok && json_path_bool(a->json, "status.allowed", false);
}
