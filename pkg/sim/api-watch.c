/* Watches: one line an event, in the order of resourceVersions. */
#include "codec/json.h"
#include "sim/api-private.h"
#include "sim/tree.h"
#include <string.h>

enum { BOOKMARK_SEC = 60, TIMEOUT_MIN_SEC = 1800 };

bool sim_api_is_watch(const HttpRequest *r)
{
	const char *q = strchr(r->path, '?');
	return strcmp(r->method, "GET") == 0 && q && sim_query_true(q + 1, "watch");
}

size_t sim_api_watches(const SimApi *a)
{
	return a->n_watchers;
}

static void emit(SimApi *a, uint64_t id, const SimKind *k, const char *type, SimSnap *s)
{
	size_t len;
	sim_snap_text(s, &len);
	GString *out = g_string_sized_new(len + 128);
	g_string_append(out, "{\"type\":\"");
	g_string_append(out, type);
	g_string_append(out, "\",\"object\":");
	api_append_object(out, k, s);
	g_string_append_c(out, '}');
	a->sink.line(a->sink.ud, id, out->str);
	g_string_free(out, TRUE);
}

/* An object that no longer matches: its last matching state, at the version of the change. */
static void emit_left(SimApi *a, uint64_t id, const SimChange *c)
{
	g_autofree char *rv = g_strdup_printf("%" PRId64, c->rv);
	SimSnap s = { .refs = 1, .rv = c->rv };
	s.json = tree_set(c->was->json, "metadata.resourceVersion", json_string(rv));
	emit(a, id, c->kind, "DELETED", &s);
	json_decref(s.json);
	g_free(s.text);
}

static void emit_change(SimApi *a, const SimWatcher *w, const SimChange *c)
{
	bool was = c->was && sim_filter_match(w->filter, c->was);
	bool now = c->now && sim_filter_match(w->filter, c->now);
	if (now)
		emit(a, w->id, c->kind, was ? "MODIFIED" : "ADDED", c->now);
	else if (was && c->now)
		emit_left(a, w->id, c);
	else if (was)
		emit(a, w->id, c->kind, "DELETED", c->was);
}

void api_on_change(const SimChange *c, SimObj *obj, void *ud)
{
	SimApi *a = ud;
	for (size_t i = 0; i < a->n_watchers; i++)
		if (a->watchers[i].kind == c->kind)
			emit_change(a, &a->watchers[i], c);
}

static void bookmark(SimApi *a, uint64_t id, const SimKind *k, bool initial_end)
{
	g_autofree char *line = g_strdup_printf(
		"{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"%s\",\"apiVersion\":\"%s\","
		"\"metadata\":{\"resourceVersion\":\"%" PRId64 "\"%s}}}",
		k->kind, sim_kind_api_version(k), sim_store_rv(a->store),
		initial_end ? ",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}" : "");
	a->sink.line(a->sink.ud, id, line);
}

static void send_all(SimApi *a, const SimWatcher *w)
{
	for (size_t i = 0; i < sim_store_n(a->store, w->kind->id); i++) {
		SimObj *o = sim_store_at(a->store, w->kind->id, i);
		if (sim_filter_match(w->filter, o->snap))
			emit(a, w->id, w->kind, "ADDED", o->snap);
	}
}

static void send_error(SimApi *a, uint64_t id, SimAnswer e)
{
	g_autofree char *text = tree_text(e.json);
	g_autofree char *line = g_strdup_printf("{\"type\":\"ERROR\",\"object\":%s}", text);
	a->sink.line(a->sink.ud, id, line);
	a->sink.end(a->sink.ud, id);
	sim_answer_clear(&e);
}

static void add(SimApi *a, SimWatcher w)
{
	if (a->n_watchers == a->cap_watchers) {
		a->cap_watchers = a->cap_watchers ? 2 * a->cap_watchers : 8;
		a->watchers = g_renew(SimWatcher, a->watchers, a->cap_watchers);
	}
	a->watchers[a->n_watchers++] = w;
	a->next_usec = MIN(a->next_usec, w.end_usec);
	if (w.bookmarks)
		a->next_usec = MIN(a->next_usec, w.bookmark_usec);
}

static void drop(SimApi *a, size_t i)
{
	sim_filter_free(a->watchers[i].filter);
	memmove(a->watchers + i, a->watchers + i + 1,
		(a->n_watchers - i - 1) * sizeof *a->watchers);
	a->n_watchers--;
}

void sim_api_forget(SimApi *a, uint64_t id)
{
	for (size_t i = 0; i < a->n_watchers; i++)
		if (a->watchers[i].id == id) {
			drop(a, i);
			return;
		}
}

void api_end_watches(SimApi *a)
{
	while (a->n_watchers > 0) {
		uint64_t id = a->watchers[a->n_watchers - 1].id;
		drop(a, a->n_watchers - 1);
		a->sink.end(a->sink.ud, id);
	}
}

/* What the stream begins with. False when it ended already. */
static bool begin(SimApi *a, const SimWatcher *w, const SimPath *p)
{
	g_autofree char *rv = sim_query_get(p->query, "resourceVersion");
	bool initial = sim_query_true(p->query, "sendInitialEvents");
	if (initial || !rv || !rv[0] || strcmp(rv, "0") == 0) {
		send_all(a, w);
		if (initial)
			bookmark(a, w->id, w->kind, true);
		return true;
	}
	size_t first;
	int64_t from = sim_query_int(p->query, "resourceVersion", 0);
	if (!sim_store_since(a->store, w->kind->id, from, &first)) {
		send_error(a, w->id, sim_expired(from, sim_store_compacted(a->store, w->kind->id)));
		return false;
	}
	const SimChange *c;
	while ((c = sim_store_change(a->store, w->kind->id, first++)))
		emit_change(a, w, c);
	return true;
}

static bool bad_options(SimApi *a, const SimPath *p, SimAnswer *ret)
{
	g_autofree char *match = sim_query_get(p->query, "resourceVersionMatch");
	int64_t from = sim_query_int(p->query, "resourceVersion", 0);
	if (sim_query_true(p->query, "sendInitialEvents") &&
		g_strcmp0(match, "NotOlderThan") != 0) {
		*ret = sim_fail(422, "Invalid", NULL, NULL, NULL,
			"ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: "
			"sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
		return true;
	}
	if (a->gone_status && from > 0 && from < sim_store_compacted(a->store, p->kind->id)) {
		*ret = sim_expired(from, sim_store_compacted(a->store, p->kind->id));
		return true;
	}
	return false;
}

static HttpSimAnswer by_line(SimApi *a, uint64_t id, HttpSimAnswer whole)
{
	if (whole.status != 200)
		return whole;
	g_auto(GStrv) lines = g_strsplit(whole.body, "\n", -1);
	for (char **l = lines; *l; l++)
		if (**l)
			a->sink.line(a->sink.ud, id, *l);
	a->sink.end(a->sink.ud, id);
	g_free(whole.body);
	return (HttpSimAnswer){ .status = 200 };
}

HttpSimAnswer sim_api_watch(SimApi *a, const HttpRequest *r, uint64_t id, SimNow now)
{
	g_auto(SimPath) p = { 0 };
	g_autoptr(GError) err = NULL;
	HttpSimAnswer out;
	SimAnswer bad;
	bool resource = sim_path_parse(r->path, &p);
	if (a->extra && a->extra(r, &out, a->extra_ud))
		return by_line(a, id, out);
	if (api_refused(a, r, resource ? &p : NULL, &out))
		return out;
	if (!resource)
		return api_text(404, "404 page not found\n", "text/plain");
	if (bad_options(a, &p, &bad))
		return api_reply(&bad, NULL);
	SimFilter *f = sim_filter_new(&p, &err);
	if (!f) {
		bad = sim_bad_request("%s", err->message);
		return api_reply(&bad, NULL);
	}
	int64_t timeout = sim_query_int(p.query, "timeoutSeconds", TIMEOUT_MIN_SEC);
	SimWatcher w = {
		.id = id,
		.kind = p.kind,
		.filter = f,
		.bookmarks = sim_query_true(p.query, "allowWatchBookmarks"),
		.bookmark_usec = now.boot_usec + BOOKMARK_SEC * (int64_t)1000000,
		.end_usec = now.boot_usec + timeout * 1000000,
	};
	if (begin(a, &w, &p))
		add(a, w);
	else
		sim_filter_free(f);
	return (HttpSimAnswer){ .status = 200 };
}

int64_t sim_api_tick(SimApi *a, SimNow now)
{
	if (now.boot_usec < a->next_usec)
		return a->next_usec;
	int64_t next = INT64_MAX;
	for (size_t i = 0; i < a->n_watchers; i++) {
		SimWatcher *w = &a->watchers[i];
		if (w->end_usec <= now.boot_usec) {
			uint64_t id = w->id;
			drop(a, i--);
			a->sink.end(a->sink.ud, id);
			continue;
		}
		if (w->bookmarks && w->bookmark_usec <= now.boot_usec) {
			w->bookmark_usec = now.boot_usec + BOOKMARK_SEC * (int64_t)1000000;
			bookmark(a, w->id, w->kind, false);
		}
		next = MIN(next, w->bookmarks ? MIN(w->bookmark_usec, w->end_usec) : w->end_usec);
	}
	return a->next_usec = next;
}
