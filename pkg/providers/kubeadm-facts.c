/* Reads of an API server that only readiness asks for: each keeps the few members that are looked
 * at, since the whole answers are large. */
#include "providers/kubeadm-ready.h"
#include "providers/target-internal.h"
#include <string.h>

enum {
	READ_TIMEOUT_MSEC = 20000,
	REQUESTED_MAX = 500,
	AGE_SEC = 60,
	LIST_AGE_SEC = 10,
};

static void answered(Pending *p, json_t *v, const GError *err)
{
	fact_read_done(p->read, v ? view_new(v) : NULL, err);
	pending_done(p);
}

/* True: the server does not know the kind, and the read is over. */
static bool unknown_kind(Pending *p, const KubeAnswer *a)
{
	if (a->status != 404 || a->code == SL_ERR_RETRY)
		return false;
	fact_read_done(p->read, view_new_missing(), NULL);
	pending_done(p);
	return true;
}

/* ---- what is served ---- */

static const char served_types[] =
	"application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";

static json_t *resources_of(const json_t *version)
{
	json_t *out = json_array(), *r;
	size_t i;
	json_array_foreach (json_object_get(version, "resources"), i, r)
		json_array_append_new(out, json_string(json_path_str(r, "resource", "")));
	return out;
}

static void add_aggregated(json_t *served, json_t *stale, const json_t *group)
{
	const char *name = json_path_str(group, "metadata.name", "");
	size_t i;
	json_t *v;
	json_array_foreach (json_object_get(group, "versions"), i, v) {
		g_autofree char *gv =
			g_strdup_printf("%s/%s", name, json_path_str(v, "version", ""));
		json_object_set_new(served, gv, resources_of(v));
		if (strcmp(json_path_str(v, "freshness", "Current"), "Current") != 0)
			json_array_append_new(stale, json_string(gv));
	}
}

static void add_plain(json_t *served, const json_t *group)
{
	size_t i;
	json_t *v;
	json_array_foreach (json_object_get(group, "versions"), i, v)
		json_object_set_new(served, json_path_str(v, "groupVersion", ""), json_null());
}

static void on_served(const KubeAnswer *a, void *ud)
{
	Pending *p = ud;
	g_autoptr(GError) err = NULL;
	if (!kube_answer_check(a, fact_read_key(p->read), &err)) {
		answered(p, NULL, err);
		return;
	}
	json_t *served = json_object(), *stale = json_array(), *g;
	size_t i;
	json_array_foreach (json_object_get(a->json, "items"), i, g)
		add_aggregated(served, stale, g);
	json_array_foreach (json_object_get(a->json, "groups"), i, g)
		add_plain(served, g);
	answered(p, json_pack("{s:o, s:o}", "served", served, "stale", stale), NULL);
}

static void call(Site *site, FactRead *r, const KubeCall *c, KubeDone *done)
{
	Target *t = site_ctx(site);
	if (!t->kube) {
		target_fail_read(t, r);
		return;
	}
	Pending *p = pending_new(t, r);
	p->call = kube_call(t->kube, c, done, p);
}

static void read_served(Site *site, const char *key, FactRead *r)
{
	KubeCall c = { .method = "GET",
		.path = key,
		.accept = served_types,
		.timeout_msec = READ_TIMEOUT_MSEC };
	call(site, r, &c, on_served);
}

const FactRow fact_served = { .name = "served", .max_age_sec = AGE_SEC, .read = read_served };

/* ---- how many there are ---- */

static void on_count(const KubeAnswer *a, void *ud)
{
	Pending *p = ud;
	g_autoptr(GError) err = NULL;
	if (unknown_kind(p, a))
		return;
	if (!kube_answer_check(a, fact_read_key(p->read), &err)) {
		answered(p, NULL, err);
		return;
	}
	json_int_t n = (json_int_t)json_array_size(json_object_get(a->json, "items"));
	n += json_path_int(a->json, "metadata.remainingItemCount", 0);
	answered(p, json_pack("{s:I}", "count", n), NULL);
}

static void read_count(Site *site, const char *key, FactRead *r)
{
	g_autofree char *path = kube_path_query(key, "limit", "1", NULL);
	KubeCall c = { .method = "GET",
		.path = path,
		.accept = KUBE_METADATA_LIST,
		.timeout_msec = READ_TIMEOUT_MSEC };
	call(site, r, &c, on_count);
}

const FactRow fact_count = { .name = "count", .max_age_sec = AGE_SEC, .read = read_count };

/* ---- deprecated APIs that were asked for ---- */

#define REQUESTED "apiserver_requested_deprecated_apis{"

/* The value of a label in {name="value",..}; these values hold no quotes. Caller frees. */
static char *label_of(const char *line, const char *name)
{
	g_autofree char *begin = g_strdup_printf("%s=\"", name);
	const char *at = strstr(line, begin);
	while (at && at[-1] != '{' && at[-1] != ',')
		at = strstr(at + 1, begin);
	const char *value = at ? at + strlen(begin) : NULL;
	const char *end = value ? strchr(value, '"') : NULL;
	return end ? g_strndup(value, (size_t)(end - value)) : g_strdup("");
}

static void on_line(const char *line, size_t len, void *ud)
{
	Pending *p = ud;
	if (len < strlen(REQUESTED) || strncmp(line, REQUESTED, strlen(REQUESTED)) != 0 ||
		json_array_size(p->items) >= REQUESTED_MAX)
		return;
	g_autofree char *text = g_strndup(line, len);
	g_autofree char *group = label_of(text, "group"), *version = label_of(text, "version"),
			*resource = label_of(text, "resource"),
			*removed = label_of(text, "removed_release");
	json_t *v = json_pack("{s:s, s:s, s:s, s:s}", "group", group, "version", version,
		"resource", resource, "removed", removed);
	if (v) /* NULL: no UTF-8 */
		json_array_append_new(p->items, v);
}

static void on_metrics(const KubeAnswer *a, void *ud)
{
	Pending *p = ud;
	g_autoptr(GError) err = NULL;
	if (kube_answer_check(a, fact_read_key(p->read), &err))
		answered(p, json_pack("{s:O}", "requested", p->items), NULL);
	else
		answered(p, NULL, err);
}

static void read_requested(Site *site, const char *key, FactRead *r)
{
	Target *t = site_ctx(site);
	KubeCall c = { .method = "GET",
		.path = key,
		.accept = "text/plain;version=0.0.4",
		.raw = true,
		.timeout_msec = READ_TIMEOUT_MSEC };
	if (!t->kube) {
		target_fail_read(t, r);
		return;
	}
	Pending *p = pending_new(t, r);
	p->items = json_array();
	p->call = kube_stream(t->kube, &c, on_line, on_metrics, p);
}

const FactRow fact_requested = {
	.name = "requested", .max_age_sec = AGE_SEC, .read = read_requested
};

/* ---- definitions, without their schemas ---- */

static json_t *slim_crd(const json_t *crd)
{
	const json_t *service = json_path(crd, "spec.conversion.webhook.clientConfig.service");
	json_t *served = json_array(), *v;
	const char *storage = "";
	size_t i;
	json_array_foreach (json_path(crd, "spec.versions"), i, v) {
		if (json_path_bool(v, "served", false))
			json_array_append(served, json_object_get(v, "name"));
		if (json_path_bool(v, "storage", false))
			storage = json_path_str(v, "name", "");
	}
	g_autofree char *at =
		service ? g_strdup_printf("%s/%s", json_path_str(service, "namespace", ""),
				  json_path_str(service, "name", ""))
			: NULL;
	return json_pack("{s:s, s:O?, s:s, s:o, s:s?}", "name",
		json_path_str(crd, "metadata.name", ""), "stored",
		json_path(crd, "status.storedVersions"), "storage", storage, "served", served,
		"service", at);
}

static void on_crds(json_t *items, bool first, void *ud)
{
	Pending *p = ud;
	size_t i;
	json_t *o;
	if (first)
		json_array_clear(p->items);
	json_array_foreach (items, i, o)
		json_array_append_new(p->items, slim_crd(o));
}

static void on_crds_end(const KubeList *l, void *ud)
{
	Pending *p = ud;
	g_autoptr(GError) err = NULL;
	if (unknown_kind(p, l->answer))
		return;
	if (kube_answer_check(l->answer, fact_read_key(p->read), &err))
		answered(p, json_pack("{s:O}", "crds", p->items), NULL);
	else
		answered(p, NULL, err);
}

static void read_crds(Site *site, const char *key, FactRead *r)
{
	Target *t = site_ctx(site);
	KubeListOptions o = { .page_items = 50 }; /* some are megabytes */
	if (!t->kube) {
		target_fail_read(t, r);
		return;
	}
	Pending *p = pending_new(t, r);
	p->items = json_array();
	p->lister = kube_list(t->kube, key, &o, on_crds, on_crds_end, p);
}

const FactRow fact_crds = { .name = "crds", .max_age_sec = AGE_SEC, .read = read_crds };

/* ---- lists of kinds that may not be there ---- */

static void on_items(json_t *items, bool first, void *ud)
{
	Pending *p = ud;
	size_t i;
	json_t *o;
	if (first)
		json_array_clear(p->items);
	json_array_foreach (items, i, o)
		json_array_append_new(p->items, target_slim(o, false));
}

static void on_items_end(const KubeList *l, void *ud)
{
	Pending *p = ud;
	g_autoptr(GError) err = NULL;
	if (unknown_kind(p, l->answer))
		return;
	if (kube_answer_check(l->answer, fact_read_key(p->read), &err))
		answered(p, json_pack("{s:O}", "items", p->items), NULL);
	else
		answered(p, NULL, err);
}

static void read_maybe_list(Site *site, const char *key, FactRead *r)
{
	Target *t = site_ctx(site);
	KubeListOptions o = { 0 };
	if (!t->kube) {
		target_fail_read(t, r);
		return;
	}
	Pending *p = pending_new(t, r);
	p->items = json_array();
	p->lister = kube_list(t->kube, key, &o, on_items, on_items_end, p);
}

const FactRow fact_maybe_list = {
	.name = "maybe-list", .max_age_sec = LIST_AGE_SEC, .read = read_maybe_list
};
