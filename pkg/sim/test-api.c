/* The request handler against the answers that real API servers give. */
#include "codec/json.h"
#include "sim/api.h"
#include "sim/tree.h"
#include "sim/write.h"
#include <string.h>

#define POD "/api/v1/namespaces/apps/pods/web-0"
#define PDB "/apis/policy/v1/namespaces/apps/poddisruptionbudgets/web"
#define CV "/apis/config.openshift.io/v1/clusterversions/version"
#define MERGE "application/merge-patch+json"
#define APPLY "application/apply-patch+yaml"

typedef struct Rig {
	SimStore *store;
	SimApi *api;
	GPtrArray *lines; /* of all watches */
	int n_ends, status, retry_after;
	json_t *answer;
	char *text;
} Rig;

static void on_line(void *ud, uint64_t id, const char *line)
{
	g_ptr_array_add(((Rig *)ud)->lines, g_strdup(line));
}

static void on_end(void *ud, uint64_t id)
{
	((Rig *)ud)->n_ends++;
}

static const SimNow NOW = { .boot_usec = 1000000, .wall_usec = 1795000000000000 };

static void take(Rig *r, HttpSimAnswer a)
{
	json_decref(r->answer);
	g_free(r->text);
	r->status = a.status;
	r->retry_after = a.retry_after_sec;
	r->text = a.body;
	r->answer = a.body ? json_loads(a.body, 0, NULL) : NULL;
}

static HttpRequest request(const char *method, const char *path, const char *type, const char *body)
{
	static const HttpEndpoint nobody = { 0 };
	return (HttpRequest){ .endpoint = &nobody,
		.method = method,
		.path = path,
		.content_type = type,
		.body = body,
		.n_body = body ? strlen(body) : 0 };
}

static int call(Rig *r, const char *method, const char *path, const char *type, const char *body)
{
	HttpRequest q = request(method, path, type, body);
	take(r, sim_api_handle(r->api, &q, NOW));
	return r->status;
}

static int get(Rig *r, const char *path)
{
	return call(r, "GET", path, NULL, NULL);
}

static int watch(Rig *r, uint64_t id, const char *path)
{
	HttpRequest q = request("GET", path, NULL, NULL);
	g_assert_true(sim_api_is_watch(&q));
	take(r, sim_api_watch(r->api, &q, id, NOW));
	return r->status;
}

static void put(Rig *r, SimKindId k, const char *ns, const char *text)
{
	g_autoptr(json_t) body = json_loads(text, 0, NULL);
	g_assert_nonnull(body);
	SimWrite w = { .verb = SIM_CREATE,
		.kind = sim_kind(k),
		.ns = (char *)ns,
		.body = body,
		.manager = (char *)"setup",
		.whole = true };
	g_auto(SimAnswer) a = sim_write(r->store, &w, NOW.wall_usec);
	g_assert_cmpint(a.status, ==, 201);
}

#define READY "\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]"

static Rig *rig_new(void)
{
	Rig *r = g_new0(Rig, 1);
	r->store = sim_store_new(7);
	r->api = sim_api_new(r->store, (SimSink){ on_line, on_end, r });
	r->lines = g_ptr_array_new_with_free_func(g_free);
	put(r, SIM_NAMESPACES, NULL, "{\"metadata\":{\"name\":\"apps\"}}");
	put(r, SIM_PODS, "apps",
		"{\"metadata\":{\"name\":\"web-0\",\"labels\":{\"app\":\"web\"}},\"spec\":{"
		"\"nodeName\":\"w1\"},\"status\":{\"phase\":\"Running\"," READY "}}");
	put(r, SIM_PODS, "apps",
		"{\"metadata\":{\"name\":\"lone\",\"labels\":{\"app\":\"lone\"}},\"spec\":{"
		"\"nodeName\":\"w2\"},\"status\":{\"phase\":\"Running\"}}");
	put(r, SIM_PDBS, "apps",
		"{\"metadata\":{\"name\":\"web\"},\"spec\":{\"selector\":{\"matchLabels\":{\"app\":"
		"\"web\"}}},\"status\":{\"observedGeneration\":1,\"disruptionsAllowed\":1,"
		"\"currentHealthy\":2,\"desiredHealthy\":1}}");
	put(r, SIM_CLUSTERVERSIONS, NULL,
		"{\"metadata\":{\"name\":\"version\"},\"spec\":{\"channel\":\"stable-4.21\"},"
		"\"status\":{\"observedGeneration\":1}}");
	return r;
}

static void rig_free(Rig *r)
{
	sim_api_free(r->api);
	sim_store_free(r->store);
	g_ptr_array_free(r->lines, TRUE);
	json_decref(r->answer);
	g_free(r->text);
	g_free(r);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Rig, rig_free)

#define EVICT(BODY) "{\"apiVersion\":\"policy/v1\",\"kind\":\"Eviction\"" BODY "}"
#define EVICT_POD EVICT(",\"metadata\":{\"name\":\"web-0\",\"namespace\":\"apps\"}")

static void test_evictions(void)
{
	static const struct {
		const char *name, *pod_status, *pdb; /* merged into the objects first */
		const char *body;
		int status, retry_after;
		const char *reason, *cause, *message;
		int64_t allowed_after;
	} cases[] = {
		{ "accepted", NULL, NULL, EVICT_POD, 201, 0, NULL, NULL, NULL, 0 },
		{ "budget spent", NULL, "{\"status\":{\"disruptionsAllowed\":0}}", EVICT_POD, 429,
			0, "TooManyRequests",
			"The disruption budget web needs 1 healthy pods and has 2 currently",
			"Cannot evict pod as it would violate the pod's disruption budget.", 0 },
		{ "failed sync", NULL,
			"{\"status\":{\"disruptionsAllowed\":0,\"conditions\":[{\"type\":"
			"\"DisruptionAllowed\",\"reason\":\"SyncFailed\",\"message\":\"no "
			"scale\"}]}}",
			EVICT_POD, 429, 0, "TooManyRequests",
			"The disruption budget web does not allow evicting pods currently because "
			"it "
			"failed sync: no scale",
			NULL, 0 },
		{ "generation lag", NULL, "{\"status\":{\"observedGeneration\":0}}", EVICT_POD, 429,
			10, "TooManyRequests",
			"The disruption budget web is still being processed by the server.", NULL,
			1 },
		{ "negative", NULL, "{\"status\":{\"disruptionsAllowed\":-1}}", EVICT_POD, 403, 0,
			"Forbidden", NULL, NULL, -1 },
		{ "other name", NULL, NULL, EVICT(",\"metadata\":{\"name\":\"web-1\"}"), 400, 0,
			"BadRequest", NULL, NULL, 1 },
		{ "other uid burns the budget", NULL, NULL,
			EVICT(",\"deleteOptions\":{\"preconditions\":{\"uid\":\"nobody\"}}"), 409,
			0, "Conflict", NULL, NULL, 0 },
		{ "dry run spends nothing", NULL, NULL,
			EVICT(",\"deleteOptions\":{\"dryRun\":[\"All\"]}"), 201, 0, NULL, NULL,
			NULL, 1 },
		{ "pending pods need no budget", "{\"status\":{\"phase\":\"Pending\"}}",
			"{\"status\":{\"disruptionsAllowed\":0}}", EVICT_POD, 201, 0, NULL, NULL,
			NULL, 0 },
		{ "unready, budget healthy", "{\"status\":{\"conditions\":null}}",
			"{\"status\":{\"disruptionsAllowed\":0}}", EVICT_POD, 201, 0, NULL, NULL,
			NULL, 0 },
		{ "unready, budget short", "{\"status\":{\"conditions\":null}}",
			"{\"status\":{\"disruptionsAllowed\":0,\"currentHealthy\":0}}", EVICT_POD,
			429, 0, "TooManyRequests", NULL, NULL, 0 },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s", cases[i].name);
		g_autoptr(Rig) r = rig_new();
		if (cases[i].pod_status)
			g_assert_cmpint(call(r, "PATCH", POD "/status", MERGE, cases[i].pod_status),
				==, 200);
		if (cases[i].pdb)
			g_assert_cmpint(
				call(r, "PATCH", PDB "/status", MERGE, cases[i].pdb), ==, 200);
		call(r, "POST", POD "/eviction", "application/json", cases[i].body);
		g_assert_cmpint(r->status, ==, cases[i].status);
		g_assert_cmpint(r->retry_after, ==, cases[i].retry_after);
		g_assert_cmpstr(json_path_str(r->answer, "kind", NULL), ==, "Status");
		g_assert_cmpstr(json_path_str(r->answer, "reason", NULL), ==, cases[i].reason);
		if (cases[i].cause)
			g_assert_cmpstr(json_path_str(r->answer, "details.causes.0.message", NULL),
				==, cases[i].cause);
		if (cases[i].message)
			g_assert_cmpstr(
				json_path_str(r->answer, "message", NULL), ==, cases[i].message);
		get(r, PDB);
		g_assert_cmpint(json_path_int(r->answer, "status.disruptionsAllowed", 99), ==,
			cases[i].allowed_after);
	}
}

static void test_eviction_marks(void)
{
	g_autoptr(Rig) r = rig_new();
	call(r, "POST", POD "/eviction", NULL, EVICT_POD);
	get(r, PDB);
	g_assert_nonnull(json_path_str(r->answer, "status.disruptedPods.web-0", NULL));
	get(r, POD);
	g_assert_nonnull(json_path_str(r->answer, "metadata.deletionTimestamp", NULL));
	g_assert_cmpstr(
		json_path_str(r->answer, "status.conditions.1.type", NULL), ==, "DisruptionTarget");
	/* A second budget over the same pod is a server error; a pod that is going needs none. */
	put(r, SIM_PDBS, "apps", "{\"metadata\":{\"name\":\"all\"},\"spec\":{\"selector\":{}}}");
	g_assert_cmpint(call(r, "POST", POD "/eviction", NULL, EVICT_POD), ==, 201);
	g_autoptr(Rig) q = rig_new();
	put(q, SIM_PDBS, "apps", "{\"metadata\":{\"name\":\"all\"},\"spec\":{\"selector\":{}}}");
	g_assert_cmpint(call(q, "POST", POD "/eviction", NULL, EVICT_POD), ==, 500);
	g_assert_nonnull(strstr(q->text, "more than one PodDisruptionBudget"));
	g_assert_null(json_path_str(q->answer, "reason", NULL));
}

static void test_writes(void)
{
	static const struct {
		const char *name, *method, *path, *type, *body;
		int status;
		const char *reason;
		bool changes;
	} cases[] = {
		{ "merge patch", "PATCH", CV, MERGE, "{\"spec\":{\"channel\":\"fast-4.21\"}}", 200,
			NULL, true },
		{ "no-op patch", "PATCH", CV, MERGE, "{\"spec\":{\"channel\":\"stable-4.21\"}}",
			200, NULL, false },
		{ "stale version", "PATCH", CV, MERGE,
			"{\"metadata\":{\"resourceVersion\":\"3\"},\"spec\":{\"channel\":\"x\"}}",
			409, "Conflict", false },
		{ "dry run", "PATCH", CV "?dryRun=All", MERGE, "{\"spec\":{\"channel\":\"x\"}}",
			200, NULL, false },
		{ "status is not for the main path", "PATCH", CV, MERGE,
			"{\"status\":{\"observedGeneration\":9}}", 200, NULL, false },
		{ "spec is not for the status path", "PATCH", CV "/status", MERGE,
			"{\"spec\":{\"channel\":\"x\"}}", 200, NULL, false },
		{ "image and architecture", "PATCH", CV, MERGE,
			"{\"spec\":{\"desiredUpdate\":{\"image\":\"i\",\"version\":\"4.21.9\","
			"\"architecture\":\"Multi\"}}}",
			422, "Invalid", false },
		{ "test fails", "PATCH", CV, "application/json-patch+json",
			"[{\"op\":\"test\",\"path\":\"/spec/channel\",\"value\":\"x\"}]", 422,
			"Invalid", false },
		{ "JSON patch", "PATCH", CV, "application/json-patch+json",
			"[{\"op\":\"replace\",\"path\":\"/spec/channel\",\"value\":\"x\"}]", 200,
			NULL, true },
		{ "apply without a manager", "PATCH", CV, APPLY, "{}", 422, "Invalid", false },
		{ "unknown type", "PATCH", CV, "text/plain", "{}", 415, "UnsupportedMediaType",
			false },
		{ "bad JSON", "PATCH", CV, MERGE, "{", 400, "BadRequest", false },
		{ "not there", "PATCH", CV "2", MERGE, "{}", 404, "NotFound", false },
		{ "exists", "POST", "/api/v1/namespaces", NULL,
			"{\"metadata\":{\"name\":\"apps\"}}", 409, "AlreadyExists", false },
		{ "no namespace", "POST", "/api/v1/namespaces/nowhere/configmaps", NULL,
			"{\"metadata\":{\"name\":\"c\"}}", 404, "NotFound", false },
		{ "no name", "POST", "/api/v1/namespaces/apps/configmaps", NULL, "{}", 422,
			"Invalid", false },
		{ "create", "POST", "/api/v1/namespaces/apps/configmaps", NULL,
			"{\"metadata\":{\"generateName\":\"c-\"}}", 201, NULL, true },
		{ "delete by another uid", "DELETE", POD, NULL,
			"{\"preconditions\":{\"uid\":\"nobody\"}}", 409, "Conflict", false },
		{ "delete", "DELETE", CV, NULL, NULL, 200, NULL, true },
		{ "no such resource", "GET", "/apis/example.io/v1/widgets", NULL, NULL, 404, NULL,
			false },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s", cases[i].name);
		g_autoptr(Rig) r = rig_new();
		int64_t rv = sim_store_rv(r->store);
		call(r, cases[i].method, cases[i].path, cases[i].type, cases[i].body);
		g_assert_cmpint(r->status, ==, cases[i].status);
		g_assert_cmpstr(json_path_str(r->answer, "reason", NULL), ==, cases[i].reason);
		g_assert_cmpint(sim_store_rv(r->store) > rv, ==, cases[i].changes);
	}
}

static void test_generation(void)
{
	g_autoptr(Rig) r = rig_new();
	call(r, "PATCH", CV, MERGE, "{\"spec\":{\"channel\":\"a\"}}");
	g_assert_cmpint(json_path_int(r->answer, "metadata.generation", 0), ==, 2);
	call(r, "PATCH", CV, MERGE, "{\"metadata\":{\"annotations\":{\"a\":\"b\"}}}");
	g_assert_cmpint(json_path_int(r->answer, "metadata.generation", 0), ==, 2);
	call(r, "PATCH", CV "/status", MERGE, "{\"status\":{\"versionHash\":\"x\"}}");
	g_assert_cmpint(json_path_int(r->answer, "metadata.generation", 0), ==, 2);
	g_assert_cmpstr(json_path_str(r->answer, "kind", NULL), ==, "ClusterVersion");
	get(r, POD);
	g_assert_cmpstr(json_path_str(r->answer, "kind", NULL), ==, "Pod");
	get(r, "/api/v1/pods");
	g_assert_null(json_path_str(r->answer, "items.0.kind", NULL));
}

/* The managers of a path below fieldsV1, joined by commas. */
static char *owners(Rig *r, const char *path)
{
	get(r, CV);
	GString *out = g_string_new(NULL);
	size_t i;
	json_t *e;
	json_array_foreach (tree_get(r->answer, "metadata.managedFields"), i, e) {
		if (json_path(json_object_get(e, "fieldsV1"), path))
			g_string_append_printf(
				out, "%s%s", out->len ? "," : "", tree_str(e, "manager"));
	}
	return g_string_free(out, FALSE);
}

static void test_field_owners(void)
{
	g_autoptr(Rig) r = rig_new();
	call(r, "PATCH", CV "?fieldManager=oc", MERGE, "{\"spec\":{\"channel\":\"a\"}}");
	g_autofree char *a = owners(r, "f:spec.f:channel");
	g_assert_cmpstr(a, ==, "oc");
	call(r, "PATCH", CV "?fieldManager=argocd", APPLY, "{\"spec\":{\"channel\":\"b\"}}");
	g_assert_cmpint(r->status, ==, 409);
	g_assert_cmpstr(json_path_str(r->answer, "details.causes.0.reason", NULL), ==,
		"FieldManagerConflict");
	g_assert_cmpstr(
		json_path_str(r->answer, "details.causes.0.field", NULL), ==, ".spec.channel");
	call(r, "PATCH", CV "?fieldManager=argocd&force=true", APPLY,
		"{\"metadata\":{\"annotations\":{\"t\":\"1\"}},\"spec\":{\"channel\":\"b\"}}");
	g_assert_cmpint(r->status, ==, 200);
	g_autofree char *b = owners(r, "f:spec.f:channel");
	g_assert_cmpstr(b, ==, "argocd");
	/* A field that goes is nobody's; one that comes back is its writer's. */
	call(r, "PATCH", CV "?fieldManager=oc", MERGE, "{\"spec\":{\"upstream\":\"u\"}}");
	call(r, "PATCH", CV "?fieldManager=oc", MERGE, "{\"spec\":{\"upstream\":null}}");
	g_autofree char *none = owners(r, "f:spec.f:upstream");
	g_assert_cmpstr(none, ==, "");
	/* What an apply leaves out goes when nobody else owns it. */
	call(r, "PATCH", CV "?fieldManager=argocd", APPLY, "{\"spec\":{\"channel\":\"b\"}}");
	g_assert_cmpint(r->status, ==, 200);
	g_assert_null(json_path_str(r->answer, "metadata.annotations.t", NULL));
	int64_t rv = sim_store_rv(r->store);
	call(r, "PATCH", CV "?fieldManager=argocd", APPLY, "{\"spec\":{\"channel\":\"b\"}}");
	g_assert_cmpint(sim_store_rv(r->store), ==, rv);
}

static const char *line(Rig *r, size_t i)
{
	g_assert_cmpuint(r->lines->len, >, i);
	return g_ptr_array_index(r->lines, i);
}

static void test_lists(void)
{
	static const struct {
		const char *query;
		int status;
		size_t n;
	} cases[] = {
		{ "", 200, 2 },
		{ "?labelSelector=app%3Dweb", 200, 1 },
		{ "?labelSelector=app%20in%20(web,lone)", 200, 2 },
		{ "?labelSelector=!app", 200, 0 },
		{ "?fieldSelector=spec.nodeName%3Dw2", 200, 1 },
		{ "?fieldSelector=spec.nodeName!%3Dw2,metadata.name%3Dweb-0", 200, 1 },
		{ "?fieldSelector=spec.color%3Dred", 400, 0 },
		{ "?limit=1", 200, 1 },
		{ "?resourceVersion=99999999", 504, 0 },
	};
	g_autoptr(Rig) r = rig_new();
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *path = g_strconcat("/api/v1/pods", cases[i].query, NULL);
		g_test_message("%s", path);
		g_assert_cmpint(get(r, path), ==, cases[i].status);
		g_assert_cmpuint(json_array_size(json_path(r->answer, "items")), ==, cases[i].n);
	}
	get(r, "/api/v1/pods?limit=1");
	g_assert_cmpint(json_path_int(r->answer, "metadata.remainingItemCount", 0), ==, 1);
	g_autofree char *token =
		g_uri_escape_string(json_path_str(r->answer, "metadata.continue", ""), NULL, FALSE);
	g_autofree char *next = g_strconcat("/api/v1/pods?limit=1&continue=", token, NULL);
	g_assert_cmpint(get(r, next), ==, 200);
	g_assert_cmpstr(json_path_str(r->answer, "items.0.metadata.name", NULL), ==, "web-0");
	g_assert_null(json_path_str(r->answer, "metadata.continue", NULL));
	sim_store_compact(r->store);
	g_assert_cmpint(get(r, next), ==, 410);
}

static void test_tables(void)
{
	g_autoptr(Rig) r = rig_new();
	static const char *const paths[] = { "/api/v1/pods", POD };
	for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
		HttpRequest q = request("GET", paths[i], NULL, NULL);
		q.accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
		take(r, sim_api_handle(r->api, &q, NOW));
		g_assert_cmpstr(json_path_str(r->answer, "kind", NULL), ==, "Table");
		size_t row = i == 0 ? 1 : 0;
		g_autofree char *cells = tree_text(json_object_get(
			json_array_get(json_path(r->answer, "rows"), row), "cells"));
		g_assert_cmpstr(cells, ==, "[\"web-0\",\"1/1\",\"Running\",\"w1\",\"0s\"]");
		g_assert_cmpuint(json_array_size(json_path(r->answer, "columnDefinitions")), ==, 5);
	}
	HttpRequest q = request("GET", "/api/v1/pods", NULL, NULL);
	q.accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
	take(r, sim_api_handle(r->api, &q, NOW));
	g_assert_cmpstr(json_path_str(r->answer, "items.1.metadata.name", NULL), ==, "web-0");
	g_assert_null(json_path(r->answer, "items.1.spec"));
}

static void test_watch(void)
{
	g_autoptr(Rig) r = rig_new();
	g_autofree char *path =
		g_strdup_printf("/api/v1/pods?watch=1&fieldSelector=spec.nodeName%%3Dw1&"
				"resourceVersion=%" PRId64,
			sim_store_rv(r->store));
	g_assert_cmpint(watch(r, 1, path), ==, 200);
	g_assert_cmpuint(r->lines->len, ==, 0);
	call(r, "PATCH", POD, MERGE, "{\"metadata\":{\"labels\":{\"x\":\"y\"}}}");
	g_assert_nonnull(strstr(line(r, 0), "{\"type\":\"MODIFIED\",\"object\":{\"kind\":\"Pod\""));
	/* The same again for one that starts from the same version later. */
	g_assert_cmpint(watch(r, 2, path), ==, 200);
	g_assert_cmpstr(line(r, 1), ==, line(r, 0));
	call(r, "PATCH", POD, MERGE, "{\"spec\":{\"nodeName\":\"w9\"}}");
	g_assert_nonnull(strstr(line(r, 2), "\"DELETED\""));
	g_assert_nonnull(strstr(line(r, 2), "\"nodeName\":\"w1\""));
	call(r, "DELETE", POD, NULL, "{\"gracePeriodSeconds\":0}");
	g_assert_cmpuint(r->lines->len, ==, 4);
	sim_api_forget(r->api, 1);
	g_assert_cmpuint(sim_api_watches(r->api), ==, 1);
}

static void test_watch_ends(void)
{
	g_autoptr(Rig) r = rig_new();
	watch(r, 1, "/api/v1/nodes?watch=true&allowWatchBookmarks=true&timeoutSeconds=300");
	SimNow later = NOW;
	later.boot_usec += 61 * (int64_t)1000000;
	g_assert_cmpint(sim_api_tick(r->api, later), ==, later.boot_usec + 60000000);
	g_assert_nonnull(strstr(line(r, 0), "\"BOOKMARK\""));
	later.boot_usec += 300 * (int64_t)1000000;
	g_assert_cmpint(sim_api_tick(r->api, later), ==, INT64_MAX);
	g_assert_cmpint(r->n_ends, ==, 1);

	sim_store_compact(r->store);
	g_ptr_array_set_size(r->lines, 0);
	g_assert_cmpint(watch(r, 2, "/api/v1/nodes?watch=1&resourceVersion=101"), ==, 200);
	g_assert_nonnull(strstr(line(r, 0), "\"ERROR\""));
	g_assert_nonnull(strstr(line(r, 0), "\"code\":410"));
	g_assert_cmpint(r->n_ends, ==, 2);
	sim_api_set_gone_status(r->api, true);
	g_assert_cmpint(watch(r, 3, "/api/v1/nodes?watch=1&resourceVersion=101"), ==, 410);

	g_ptr_array_set_size(r->lines, 0);
	g_assert_cmpint(watch(r, 4, "/api/v1/pods?watch=1&sendInitialEvents=true"), ==, 422);
	watch(r, 5,
		"/api/v1/pods?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&"
		"allowWatchBookmarks=true");
	g_assert_cmpuint(r->lines->len, ==, 3);
	g_assert_nonnull(strstr(line(r, 2), "k8s.io/initial-events-end"));
	sim_api_set_down(r->api, true);
	g_assert_cmpint(r->n_ends, ==, 3);
	g_assert_cmpint(get(r, CV), ==, 503);
}

static void test_access(void)
{
	g_autoptr(Rig) r = rig_new();
	static const char review[] =
		"{\"spec\":{\"resourceAttributes\":{\"verb\":\"patch\",\"group\":"
		"\"config.openshift.io\",\"resource\":\"clusterversions\"}}}";
	static const char path[] = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
	g_assert_cmpint(call(r, "POST", path, NULL, review), ==, 201);
	g_assert_true(json_path_bool(r->answer, "status.allowed", false));
	sim_api_deny(r->api, "patch", "clusterversions.config.openshift.io");
	call(r, "POST", path, NULL, review);
	g_assert_false(json_path_bool(r->answer, "status.allowed", true));
	g_assert_cmpint(call(r, "PATCH", CV, MERGE, "{}"), ==, 403);
	g_assert_cmpint(get(r, CV), ==, 200);
	sim_api_set_token(r->api, "secret");
	g_assert_cmpint(get(r, CV), ==, 401);
	g_assert_cmpstr(json_path_str(r->answer, "reason", NULL), ==, "Unauthorized");
}

static void test_other_paths(void)
{
	g_autoptr(Rig) r = rig_new();
	sim_api_set_version(r->api, "v1.33.5");
	get(r, "/version");
	g_assert_cmpstr(json_path_str(r->answer, "minor", NULL), ==, "33");
	g_assert_cmpint(get(r, "/readyz"), ==, 200);
	get(r, "/apis");
	g_assert_nonnull(strstr(r->text, "machineconfiguration.openshift.io/v1"));
	get(r, "/apis/policy/v1");
	g_assert_cmpstr(
		json_path_str(r->answer, "resources.0.kind", NULL), ==, "PodDisruptionBudget");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/api/evictions", test_evictions);
	g_test_add_func("/api/eviction-marks", test_eviction_marks);
	g_test_add_func("/api/writes", test_writes);
	g_test_add_func("/api/generation", test_generation);
	g_test_add_func("/api/field-owners", test_field_owners);
	g_test_add_func("/api/lists", test_lists);
	g_test_add_func("/api/tables", test_tables);
	g_test_add_func("/api/watch", test_watch);
	g_test_add_func("/api/watch-ends", test_watch_ends);
	g_test_add_func("/api/access", test_access);
	g_test_add_func("/api/other-paths", test_other_paths);
	return g_test_run();
}
