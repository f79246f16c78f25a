/* Lists, discovery, version and health. */
#include "codec/json.h"
#include "sim/api-private.h"
#include "sim/tree.h"
#include <string.h>

enum { PAGE_MAX = 100000 };

typedef struct Page {
	int64_t rv; /* of the first page */
	char *after; /* key of the last object already given, NULL at the start */
} Page;

static HttpSimAnswer fail(SimAnswer a)
{
	return api_reply(&a, NULL);
}

/* A continue token: base64 of "rv key". */
static bool page_parse(const char *token, Page *ret)
{
	gsize len = 0;
	g_autofree char *text = (char *)g_base64_decode(token, &len);
	g_autofree char *whole = g_strndup(text ? text : "", len);
	char *end = NULL;
	int64_t rv = g_ascii_strtoll(whole, &end, 10);
	if (end == whole || *end != ' ')
		return false;
	*ret = (Page){ .rv = rv, .after = g_strdup(end + 1) };
	return true;
}

static char *page_token(int64_t rv, const char *key)
{
	g_autofree char *text = g_strdup_printf("%" PRId64 " %s", rv, key);
	return g_base64_encode((const unsigned char *)text, strlen(text));
}

SimItem api_item_of(const HttpRequest *r)
{
	if (r->accept && strstr(r->accept, "as=Table"))
		return ITEM_ROW;
	return r->accept && strstr(r->accept, "as=PartialObjectMetadata") ? ITEM_META : ITEM_WHOLE;
}

static void append_item(const SimApi *a, GString *out, const SimKind *k, SimSnap *s, SimItem how)
{
	size_t len;
	if (how == ITEM_ROW) {
		api_append_row(out, k, s, a->now.wall_usec);
	} else if (how == ITEM_META) {
		g_string_append(out, "{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":"
				     "\"meta.k8s.io/v1\",\"metadata\":");
		tree_append_text(out, json_object_get(s->json, "metadata"));
		g_string_append_c(out, '}');
	} else {
		const char *text = sim_snap_text(s, &len);
		g_string_append_len(out, text, (gssize)len); /* builtin kinds carry no kind here */
	}
}

static void append_list_head(GString *out, const SimKind *k, SimItem how)
{
	if (how == ITEM_ROW)
		g_string_append(out, "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\"");
	else
		g_string_append_printf(out, "{\"kind\":\"%sList\",\"apiVersion\":\"%s\"",
			how == ITEM_META ? "PartialObjectMetadata" : k->kind,
			how == ITEM_META ? "meta.k8s.io/v1" : sim_kind_api_version(k));
}

static HttpSimAnswer list_text(
	const SimKind *k, GString *items, int64_t rv, const char *next, size_t left, SimItem how)
{
	GString *out = g_string_sized_new(items->len + 256);
	append_list_head(out, k, how);
	g_string_append_printf(out, ",\"metadata\":{\"resourceVersion\":\"%" PRId64 "\"", rv);
	if (next)
		g_string_append_printf(
			out, ",\"continue\":\"%s\",\"remainingItemCount\":%zu", next, left);
	g_string_append_c(out, '}');
	if (how == ITEM_ROW)
		api_append_columns(out, k);
	g_string_append(out, how == ITEM_ROW ? ",\"rows\":[" : ",\"items\":[");
	g_string_append_len(out, items->str, (gssize)items->len);
	g_string_append(out, "]}");
	g_string_free(items, TRUE);
	return (HttpSimAnswer){ 200, g_string_free(out, FALSE), NULL, 0 };
}

HttpSimAnswer api_get_row(SimApi *a, const SimKind *k, SimSnap *s)
{
	GString *row = g_string_new(NULL);
	append_item(a, row, k, s, ITEM_ROW);
	return list_text(k, row, s->rv, NULL, 0, ITEM_ROW);
}

static size_t first_index(const SimApi *a, const SimPath *p, const Page *page)
{
	if (page->after) {
		size_t i = sim_store_lower(a->store, p->kind->id, page->after);
		bool same = i < sim_store_n(a->store, p->kind->id) &&
			    strcmp(sim_store_at(a->store, p->kind->id, i)->key, page->after) == 0;
		return same ? i + 1 : i;
	}
	g_autofree char *first = p->ns ? g_strconcat(p->ns, "/", NULL) : NULL;
	return first ? sim_store_lower(a->store, p->kind->id, first) : 0;
}

static HttpSimAnswer list_page(
	SimApi *a, const SimPath *p, const SimFilter *f, const Page *page, SimItem how)
{
	int64_t limit = sim_query_int(p->query, "limit", 0);
	size_t max = limit > 0 ? (size_t)limit : PAGE_MAX, n = 0, left = 0;
	GString *items = g_string_sized_new(4096);
	const char *last = NULL;
	for (size_t i = first_index(a, p, page); i < sim_store_n(a->store, p->kind->id); i++) {
		SimObj *o = sim_store_at(a->store, p->kind->id, i);
		if (p->ns && strcmp(o->ns, p->ns) != 0)
			break;
		if (!sim_filter_match(f, o->snap))
			continue;
		if (n == max) {
			left++;
			continue;
		}
		if (n++ > 0)
			g_string_append_c(items, ',');
		append_item(a, items, p->kind, o->snap, how);
		last = o->key;
	}
	g_autofree char *next = left ? page_token(page->rv, last) : NULL;
	return list_text(p->kind, items, page->rv, next, left, how);
}

HttpSimAnswer api_list(SimApi *a, const HttpRequest *r, const SimPath *p)
{
	g_autoptr(GError) err = NULL;
	g_autoptr(SimFilter) f = sim_filter_new(p, &err);
	if (!f)
		return fail(sim_bad_request("%s", err->message));
	g_autofree char *token = sim_query_get(p->query, "continue");
	Page page = { .rv = sim_store_rv(a->store) };
	if (token && token[0] && !page_parse(token, &page))
		return fail(sim_bad_request("continue key is not valid"));
	g_autofree char *after = page.after;
	if (page.rv < sim_store_compacted(a->store, p->kind->id) && after)
		return fail(sim_fail(410, "Expired", NULL, NULL, NULL,
			"The provided continue parameter is too old to display a consistent list "
			"result. You can start a new list without the continue parameter."));
	int64_t want = sim_query_int(p->query, "resourceVersion", 0);
	if (want > sim_store_rv(a->store)) {
		SimAnswer t = sim_fail(504, "Timeout", NULL, NULL,
			sim_cause("ResourceVersionTooLarge", "Too large resource version", NULL),
			"Timeout: Too large resource version: %" PRId64 ", current: %" PRId64, want,
			sim_store_rv(a->store));
		t.retry_after_sec = 1;
		return fail(t);
	}
	return list_page(a, p, f, &page, api_item_of(r));
}

static HttpSimAnswer version(const SimApi *a)
{
	const char *v = a->git_version;
	g_auto(GStrv) parts = g_strsplit(v[0] == 'v' ? v + 1 : v, ".", 3);
	const char *minor = parts[0] && parts[1] ? parts[1] : "0";
	g_autofree char *text = g_strdup_printf(
		"{\"major\":\"%s\",\"minor\":\"%s\",\"gitVersion\":\"%s\",\"gitCommit\":\"sim\","
		"\"gitTreeState\":\"clean\",\"platform\":\"linux/amd64\"}",
		parts[0] ? parts[0] : "0", minor, v);
	return api_text(200, text, NULL);
}

static json_t *resource_row(const SimKind *k)
{
	g_autofree char *lower = g_ascii_strdown(k->kind, -1);
	json_t *row = json_pack("{s:s, s:s, s:b, s:s, s:[s,s,s,s,s,s,s]}", "name", k->plural,
		"singularName", lower, "namespaced", k->namespaced, "kind", k->kind, "verbs",
		"create", "delete", "get", "list", "patch", "update", "watch");
	if (k->brief)
		json_object_set_new(row, "shortNames", json_pack("[s]", k->brief));
	return row;
}

static json_t *resources_of(const char *prefix)
{
	g_autoptr(json_t) list = json_array();
	const SimKind *last = NULL;
	for (size_t i = 0; i < SIM_KINDS; i++) {
		const SimKind *k = sim_kind((SimKindId)i);
		if (strcmp(k->prefix, prefix) != 0)
			continue;
		json_array_append_new(list, resource_row(k));
		last = k;
	}
	if (!last)
		return NULL;
	return json_pack("{s:s, s:s, s:s, s:O}", "kind", "APIResourceList", "apiVersion", "v1",
		"groupVersion", sim_kind_api_version(last), "resources", list);
}

static json_t *group_list(void)
{
	json_t *groups = json_array();
	const char *seen = "";
	for (size_t i = 0; i < SIM_KINDS; i++) {
		const SimKind *k = sim_kind((SimKindId)i);
		const char *av = sim_kind_api_version(k);
		if (!g_str_has_prefix(k->prefix, "/apis/") || strcmp(seen, av) == 0)
			continue;
		seen = av;
		g_autofree char *group = sim_kind_group(k);
		const char *ver = strchr(av, '/') + 1;
		json_array_append_new(
			groups, json_pack("{s:s, s:[{s:s, s:s}], s:{s:s, s:s}}", "name", group,
					"versions", "groupVersion", av, "version", ver,
					"preferredVersion", "groupVersion", av, "version", ver));
	}
	return json_pack(
		"{s:s, s:s, s:o}", "kind", "APIGroupList", "apiVersion", "v1", "groups", groups);
}

static json_t *discovery(const char *path)
{
	if (strcmp(path, "/api") == 0)
		return json_pack("{s:s, s:[s]}", "kind", "APIVersions", "versions", "v1");
	return strcmp(path, "/apis") == 0 ? group_list() : resources_of(path);
}

bool api_other(SimApi *a, const HttpRequest *r, HttpSimAnswer *ret)
{
	g_autofree char *path = g_strndup(r->path, strcspn(r->path, "?"));
	if (strcmp(r->method, "GET") != 0)
		return false;
	if (strcmp(path, "/version") == 0) {
		*ret = version(a);
		return true;
	}
	if (strcmp(path, "/readyz") == 0 || strcmp(path, "/livez") == 0 ||
		strcmp(path, "/healthz") == 0) {
		*ret = api_text(200, "ok", "text/plain");
		return true;
	}
	g_autoptr(json_t) d = discovery(path);
	g_autofree char *text = d ? tree_text(d) : NULL;
	if (text)
		*ret = api_text(200, text, NULL);
	return text != NULL;
}
