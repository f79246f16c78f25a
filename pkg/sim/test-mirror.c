/* A client that lists once and then only watches holds, at every moment, what a list would give:
 * tried by random walks of writes, with selectors, and from old versions. */
#include "codec/json.h"
#include "sim/api.h"
#include "sim/tree.h"
#include <string.h>

enum { N_WALKS = 20, N_STEPS = 400, N_NAMES = 6 };

/* One client: its collection, and what it believes stands there (name -> resourceVersion). */
typedef struct Client {
	const char *query;
	GHashTable *seen;
	int64_t rv;
} Client;

typedef struct Walk {
	SimStore *store;
	SimApi *api;
	GRand *rand;
	Client clients[3];
	int64_t boot_usec;
} Walk;

static void on_line(void *ud, uint64_t id, const char *line)
{
	Client *c = &((Walk *)ud)->clients[id - 1];
	g_autoptr(json_t) e = json_loads(line, 0, NULL);
	const char *type = tree_str(e, "type"), *name = tree_str(e, "object.metadata.name");
	const char *rv = tree_str(e, "object.metadata.resourceVersion");
	bool known = g_hash_table_contains(c->seen, name);
	g_assert_cmpint(g_ascii_strtoll(rv, NULL, 10), >, c->rv);
	c->rv = g_ascii_strtoll(rv, NULL, 10);
	g_assert_cmpint(strcmp(type, "ADDED") == 0, ==, !known);
	if (strcmp(type, "DELETED") == 0)
		g_hash_table_remove(c->seen, name);
	else
		g_hash_table_insert(c->seen, g_strdup(name), g_strdup(rv));
}

static void on_end(void *ud, uint64_t id)
{
	g_assert_not_reached();
}

static SimNow now_of(Walk *w)
{
	return (SimNow){ w->boot_usec, 1795000000 * INT64_C(1000000) + w->boot_usec };
}

static json_t *call(Walk *w, const char *method, const char *path, const char *body)
{
	static const HttpEndpoint nobody = { 0 };
	HttpRequest r = { .endpoint = &nobody,
		.method = method,
		.path = path,
		.content_type = "application/merge-patch+json",
		.body = body,
		.n_body = body ? strlen(body) : 0 };
	HttpSimAnswer a = sim_api_handle(w->api, &r, now_of(w));
	g_autofree char *text = a.body;
	return json_loads(text, 0, NULL);
}

static json_t *list(Walk *w, const Client *c)
{
	g_autofree char *path = g_strconcat("/api/v1/namespaces/n/pods?limit=500", c->query, NULL);
	return call(w, "GET", path, NULL);
}

static void compare(Walk *w, Client *c)
{
	g_autoptr(json_t) l = list(w, c);
	json_t *items = json_object_get(l, "items"), *o;
	size_t i;
	g_assert_cmpuint(json_array_size(items), ==, g_hash_table_size(c->seen));
	json_array_foreach (items, i, o) {
		g_assert_cmpstr(g_hash_table_lookup(c->seen, tree_str(o, "metadata.name")), ==,
			tree_str(o, "metadata.resourceVersion"));
	}
}

/* Begins anew: from a list made now, or where the watch was left. */
static void begin(Walk *w, size_t i, bool anew)
{
	Client *c = &w->clients[i];
	static const HttpEndpoint nobody = { 0 };
	if (anew) {
		g_autoptr(json_t) l = list(w, c);
		size_t k;
		json_t *o;
		g_hash_table_remove_all(c->seen);
		json_array_foreach (json_object_get(l, "items"), k, o) {
			g_hash_table_insert(c->seen, g_strdup(tree_str(o, "metadata.name")),
				g_strdup(tree_str(o, "metadata.resourceVersion")));
		}
		c->rv = g_ascii_strtoll(tree_str(l, "metadata.resourceVersion"), NULL, 10);
	}
	g_autofree char *path = g_strdup_printf(
		"/api/v1/namespaces/n/pods?watch=1&resourceVersion=%" PRId64 "%s", c->rv, c->query);
	HttpRequest r = { .endpoint = &nobody, .method = "GET", .path = path };
	HttpSimAnswer a = sim_api_watch(w->api, &r, i + 1, now_of(w));
	g_assert_cmpint(a.status, ==, 200);
	g_free(a.body);
}

static void write_something(Walk *w)
{
	int n = g_rand_int_range(w->rand, 0, N_NAMES);
	g_autofree char *path = g_strdup_printf("/api/v1/namespaces/n/pods/p%d", n);
	g_autofree char *body = NULL;
	const char *node = g_rand_boolean(w->rand) ? "w1" : "w2";
	const char *app = g_rand_boolean(w->rand) ? "\"web\"" : "null";
	json_t *answer;
	switch (g_rand_int_range(w->rand, 0, 5)) {
	case 0:
		body = g_strdup_printf("{\"metadata\":{\"name\":\"p%d\",\"labels\":{\"app\":%s}},"
				       "\"spec\":{\"nodeName\":\"%s\"}}",
			n, strcmp(app, "null") == 0 ? "\"db\"" : app, node);
		answer = call(w, "POST", "/api/v1/namespaces/n/pods", body);
		break;
	case 1:
		body = g_strdup_printf("{\"metadata\":{\"labels\":{\"app\":%s}}}", app);
		answer = call(w, "PATCH", path, body);
		break;
	case 2:
		body = g_strdup_printf("{\"spec\":{\"nodeName\":\"%s\"}}", node);
		answer = call(w, "PATCH", path, body);
		break;
	case 3:
		answer = call(w, "DELETE", path, "{\"gracePeriodSeconds\":0}");
		break;
	default:
		body = g_strdup_printf("%s/eviction", path);
		answer = call(w, "POST", body, "{\"kind\":\"Eviction\"}");
	}
	g_assert_nonnull(answer);
	json_decref(answer);
}

static void walk(uint32_t seed)
{
	Walk w = { .clients = { { .query = "" }, { .query = "&labelSelector=app%3Dweb" },
			   { .query = "&fieldSelector=spec.nodeName%3Dw1" } } };
	w.rand = g_rand_new_with_seed(seed);
	w.store = sim_store_new(seed);
	w.api = sim_api_new(w.store, (SimSink){ on_line, on_end, &w });
	json_decref(call(&w, "POST", "/api/v1/namespaces", "{\"metadata\":{\"name\":\"n\"}}"));
	for (size_t i = 0; i < 3; i++) {
		w.clients[i].seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
		begin(&w, i, true);
	}
	for (int step = 0; step < N_STEPS; step++) {
		write_something(&w);
		w.boot_usec += 1000000;
		size_t away = (size_t)g_rand_int_range(w.rand, 0, 20);
		if (away < 3) { /* the stream breaks; more is written; it resumes */
			sim_api_forget(w.api, away + 1);
			write_something(&w);
			begin(&w, away, g_rand_int_range(w.rand, 0, 4) == 0);
		}
		for (size_t i = 0; i < 3; i++)
			compare(&w, &w.clients[i]);
	}
	for (size_t i = 0; i < 3; i++)
		g_hash_table_destroy(w.clients[i].seen);
	sim_api_free(w.api);
	sim_store_free(w.store);
	g_rand_free(w.rand);
}

static void test_walks(void)
{
	for (uint32_t seed = 1; seed <= N_WALKS; seed++) {
		g_test_message("seed %u", seed);
		walk(seed);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/mirror/walks", test_walks);
	return g_test_run();
}
