#include "kube/answer.h"
#include "kube/request.h"
#include <string.h>

#define STATUS(code, reason, message, more)                                                        \
	"{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"code\":" #code        \
	",\"reason\":\"" reason "\",\"message\":\"" message "\"" more "}"
#define CAUSES(reason) ",\"details\":{\"causes\":[{\"reason\":\"" reason "\",\"message\":\"m\"}]}"
#define HTML "<html><body>sign in</body></html>"
#define JSON "application/json"

typedef struct Case {
	const char *name;
	HttpOutcome outcome;
	int status;
	const char *type, *body;
	int read; /* SlErr for a read, -1 = ok */
	int write; /* SlErr for a write, -1 = ok */
	KubeEffect effect; /* of the write */
} Case;

enum { OK = -1 };

/* Row by row: what a read and a write are told to do next. */
static const Case cases[] = {
	{ "object", HTTP_ANSWERED, 200, JSON, "{\"kind\":\"Node\"}", OK, OK, KUBE_APPLIED },
	{ "created", HTTP_ANSWERED, 201, JSON, "{\"kind\":\"Status\",\"status\":\"Success\"}", OK,
		OK, KUBE_APPLIED },
	{ "refused connection", HTTP_NOT_SENT, 0, NULL, "", SL_ERR_RETRY, SL_ERR_RETRY,
		KUBE_NOT_APPLIED },
	{ "cut off", HTTP_UNKNOWN, 0, NULL, "", SL_ERR_RETRY, SL_ERR_UNKNOWN_OUTCOME,
		KUBE_UNKNOWN },
	{ "cut off after 200", HTTP_UNKNOWN, 200, JSON, "{", SL_ERR_RETRY, SL_ERR_UNKNOWN_OUTCOME,
		KUBE_UNKNOWN },
	{ "200 with failure", HTTP_ANSWERED, 200, JSON, STATUS(409, "Conflict", "m", ""),
		SL_ERR_CONFLICT, SL_ERR_CONFLICT, KUBE_NOT_APPLIED },
	{ "200 with odd failure", HTTP_ANSWERED, 200, JSON, STATUS(0, "", "m", ""), SL_ERR_RETRY,
		SL_ERR_UNKNOWN_OUTCOME, KUBE_UNKNOWN },
	{ "200 empty", HTTP_ANSWERED, 200, JSON, "", SL_ERR_RETRY, SL_ERR_UNKNOWN_OUTCOME,
		KUBE_UNKNOWN },
	{ "200 HTML", HTTP_ANSWERED, 200, "text/html", HTML, SL_ERR_RETRY, SL_ERR_UNKNOWN_OUTCOME,
		KUBE_UNKNOWN },
	{ "200 list of nothing", HTTP_ANSWERED, 200, JSON, "[]", SL_ERR_RETRY,
		SL_ERR_UNKNOWN_OUTCOME, KUBE_UNKNOWN },
	{ "200 broken JSON", HTTP_ANSWERED, 200, JSON, "{\"kind\":", SL_ERR_RETRY,
		SL_ERR_UNKNOWN_OUTCOME, KUBE_UNKNOWN },
	{ "redirect", HTTP_ANSWERED, 302, "text/html", HTML, SL_ERR_RETRY, SL_ERR_UNKNOWN_OUTCOME,
		KUBE_UNKNOWN },
	{ "bad request", HTTP_ANSWERED, 400, JSON, STATUS(400, "BadRequest", "m", ""),
		SL_ERR_INVALID, SL_ERR_INVALID, KUBE_NOT_APPLIED },
	{ "401", HTTP_ANSWERED, 401, JSON, STATUS(401, "Unauthorized", "m", ""), SL_ERR_REFUSED,
		SL_ERR_REFUSED, KUBE_NOT_APPLIED },
	{ "403", HTTP_ANSWERED, 403, JSON, STATUS(403, "Forbidden", "m", ""), SL_ERR_REFUSED,
		SL_ERR_REFUSED, KUBE_NOT_APPLIED },
	{ "404", HTTP_ANSWERED, 404, JSON, STATUS(404, "NotFound", "m", ""), SL_ERR_NOT_FOUND,
		SL_ERR_NOT_FOUND, KUBE_NOT_APPLIED },
	{ "404 of a proxy", HTTP_ANSWERED, 404, "text/html", HTML, SL_ERR_RETRY, SL_ERR_RETRY,
		KUBE_NOT_APPLIED },
	{ "404 of an unknown path", HTTP_ANSWERED, 404, "text/plain", "404 page not found\n",
		SL_ERR_INVALID, SL_ERR_INVALID, KUBE_NOT_APPLIED },
	{ "408", HTTP_ANSWERED, 408, NULL, "", SL_ERR_RETRY, SL_ERR_UNKNOWN_OUTCOME, KUBE_UNKNOWN },
	{ "409", HTTP_ANSWERED, 409, JSON, STATUS(409, "AlreadyExists", "m", ""), SL_ERR_CONFLICT,
		SL_ERR_CONFLICT, KUBE_NOT_APPLIED },
	{ "410", HTTP_ANSWERED, 410, JSON, STATUS(410, "Expired", "m", ""), SL_ERR_CONFLICT,
		SL_ERR_CONFLICT, KUBE_NOT_APPLIED },
	{ "422", HTTP_ANSWERED, 422, JSON,
		STATUS(422, "Invalid", "the server rejected our request",
			CAUSES("FieldValueInvalid")),
		SL_ERR_INVALID, SL_ERR_INVALID, KUBE_NOT_APPLIED },
	{ "429 of flow control", HTTP_ANSWERED, 429, "text/plain",
		"Too many requests, please try again later.\n", SL_ERR_RETRY, SL_ERR_RETRY,
		KUBE_NOT_APPLIED },
	{ "429 of a budget", HTTP_ANSWERED, 429, JSON,
		STATUS(429, "TooManyRequests", "Cannot evict pod", CAUSES("DisruptionBudget")),
		SL_ERR_REFUSED, SL_ERR_REFUSED, KUBE_NOT_APPLIED },
	{ "500", HTTP_ANSWERED, 500, JSON, STATUS(500, "InternalError", "m", ""), SL_ERR_RETRY,
		SL_ERR_UNKNOWN_OUTCOME, KUBE_UNKNOWN },
	{ "500 of two budgets", HTTP_ANSWERED, 500, JSON,
		STATUS(500, "",
			"This pod has more than one PodDisruptionBudget, which the eviction "
			"subresource does not support.",
			""),
		SL_ERR_REFUSED, SL_ERR_REFUSED, KUBE_NOT_APPLIED },
	{ "500 of a webhook", HTTP_ANSWERED, 500, JSON,
		STATUS(500, "", "admission webhook \\\"a.b\\\" denied the request: no", ""),
		SL_ERR_REFUSED, SL_ERR_REFUSED, KUBE_NOT_APPLIED },
	{ "503 HTML", HTTP_ANSWERED, 503, "text/html", HTML, SL_ERR_RETRY, SL_ERR_UNKNOWN_OUTCOME,
		KUBE_UNKNOWN },
	{ "504 version too large", HTTP_ANSWERED, 504, JSON,
		STATUS(504, "Timeout", "Too large resource version: 9, current: 3",
			CAUSES("ResourceVersionTooLarge")),
		SL_ERR_RETRY, SL_ERR_UNKNOWN_OUTCOME, KUBE_UNKNOWN },
};

static void check_case(const Case *c, bool write)
{
	HttpAnswer h = { .outcome = c->outcome,
		.status = c->status,
		.body = c->body,
		.n_body = strlen(c->body),
		.content_type = c->type,
		.retry_after_sec = -1,
		.error = c->outcome == HTTP_ANSWERED ? NULL : "x:443: gone" };
	KubeAnswer a;
	int want = write ? c->write : c->read;
	kube_answer_init(&a, &h, write, false, NULL);
	g_test_message("%s, %s: %s", c->name, write ? "write" : "read", a.message);
	g_assert_cmpint(a.ok, ==, want == OK);
	if (!a.ok)
		g_assert_cmpint((int)a.code, ==, want);
	g_assert_cmpint(a.effect, ==, write ? c->effect : KUBE_NOT_APPLIED);
	g_assert_null(strstr(a.message, "<html"));
	g_assert_true(*a.message);
	g_autoptr(GError) err = NULL;
	g_assert_cmpint(kube_answer_check(&a, "node n1", &err), ==, a.ok);
	kube_answer_clear(&a);
}

static void test_table(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		check_case(&cases[i], false);
		check_case(&cases[i], true);
	}
}

static void test_fields(void)
{
	static const char body[] = STATUS(409, "Conflict", "Apply failed with 1 conflict",
		",\"details\":{\"retryAfterSeconds\":3,\"causes\":[{\"reason\":"
		"\"FieldManagerConflict\","
		"\"message\":\"conflict with \\\"argocd\\\"\",\"field\":\".spec.x\"}]}");
	HttpAnswer h = { .outcome = HTTP_ANSWERED,
		.status = 409,
		.body = body,
		.n_body = strlen(body),
		.content_type = JSON,
		.warning = "unknown field \"spec.y\"",
		.audit_id = "a-1",
		.retry_after_sec = -1,
		.sent_usec = 42 };
	KubeAnswer a;
	g_autoptr(GError) err = NULL;
	kube_answer_init(&a, &h, true, false, NULL);
	g_assert_cmpstr(a.reason, ==, "Conflict");
	g_assert_cmpstr(a.message, ==, "Apply failed with 1 conflict");
	g_assert_true(kube_answer_has_cause(&a, "FieldManagerConflict"));
	g_assert_false(kube_answer_has_cause(&a, "DisruptionBudget"));
	g_assert_cmpint(a.retry_after_sec, ==, 3);
	g_assert_cmpint(a.sent_usec, ==, 42);
	g_assert_cmpstr(a.audit_id, ==, "a-1");
	g_autoptr(json_t) d = kube_answer_detail(&a);
	g_assert_cmpstr(json_path_str(d, "causes.0.field", ""), ==, ".spec.x");
	g_assert_cmpstr(json_path_str(d, "warning", ""), ==, "unknown field \"spec.y\"");
	g_assert_false(kube_answer_check(&a, "patch node n1", &err));
	g_assert_cmpstr(err->message, ==, "patch node n1: 409: Apply failed with 1 conflict");
	kube_answer_clear(&a);
}

static void test_raw(void)
{
	HttpAnswer h = { .outcome = HTTP_ANSWERED,
		.status = 200,
		.body = "ok",
		.n_body = 2,
		.content_type = "text/plain",
		.retry_after_sec = -1 };
	KubeAnswer a;
	kube_answer_init(&a, &h, false, true, NULL);
	g_assert_true(a.ok);
	g_assert_cmpstr(a.text, ==, "ok");
	kube_answer_clear(&a);
}

static void test_paths(void)
{
	static const struct {
		const KubeKind *kind;
		const char *ns, *name, *sub, *want;
	} rows[] = {
		{ &kube_nodes, NULL, NULL, NULL, "/api/v1/nodes" },
		{ &kube_nodes, "ignored", "n1", NULL, "/api/v1/nodes/n1" },
		{ &kube_pods, NULL, NULL, NULL, "/api/v1/pods" },
		{ &kube_pods, "a", "p", "eviction", "/api/v1/namespaces/a/pods/p/eviction" },
		{ &kube_pdbs, "a", NULL, NULL,
			"/apis/policy/v1/namespaces/a/poddisruptionbudgets" },
		{ &kube_cluster_versions, NULL, "version", "status",
			"/apis/config.openshift.io/v1/clusterversions/version/status" },
		{ &kube_nodes, NULL, "a/../b?x=1#y z", NULL,
			"/api/v1/nodes/a%2F..%2Fb%3Fx%3D1%23y%20z" },
		{ &kube_nodes, NULL, "..", NULL, "/api/v1/nodes/%2E%2E" },
		{ &kube_nodes, NULL, ".", NULL, "/api/v1/nodes/%2E" },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *got =
			kube_path(rows[i].kind, rows[i].ns, rows[i].name, rows[i].sub);
		g_assert_cmpstr(got, ==, rows[i].want);
	}
	g_autofree char *q = kube_path_query(
		"/x", "labelSelector", "a in (b,c)", "none", NULL, "empty", "", "n", "1", NULL);
	g_assert_cmpstr(q, ==, "/x?labelSelector=a%20in%20%28b%2Cc%29&n=1");
	g_autofree char *more = kube_path_query(q, "z", "&", NULL);
	g_assert_true(g_str_has_suffix(more, "&n=1&z=%26"));
}

static void assert_json(json_t *got, const char *want)
{
	g_autofree char *text = json_canonical(got);
	g_assert_cmpstr(text, ==, want);
	json_decref(got);
}

static void test_bodies(void)
{
	g_autoptr(json_t) patch = json_pack("{s:{s:b}}", "spec", "unschedulable", 1);
	assert_json(kube_merge_body(patch, "17"),
		"{\"metadata\":{\"resourceVersion\":\"17\"},\"spec\":{\"unschedulable\":true}}");
	assert_json(kube_merge_body(patch, NULL), "{\"spec\":{\"unschedulable\":true}}");
	g_assert_null(json_object_get(patch, "metadata"));
	assert_json(kube_eviction_body("a", "p", "u-1", -1),
		"{\"apiVersion\":\"policy/v1\",\"deleteOptions\":{\"preconditions\":{\"uid\":"
		"\"u-1\"}},\"kind\":\"Eviction\",\"metadata\":{\"name\":\"p\",\"namespace\":\"a\"}"
		"}");
	assert_json(kube_delete_body("u", "5", "Foreground", 0),
		"{\"apiVersion\":\"v1\",\"gracePeriodSeconds\":0,\"kind\":\"DeleteOptions\","
		"\"preconditions\":{\"resourceVersion\":\"5\",\"uid\":\"u\"},"
		"\"propagationPolicy\":\"Foreground\"}");
	assert_json(kube_access_review_body("create", NULL, "pods", "eviction", "a", NULL),
		"{\"apiVersion\":\"authorization.k8s.io/v1\",\"kind\":\"SelfSubjectAccessReview\","
		"\"spec\":{\"resourceAttributes\":{\"namespace\":\"a\",\"resource\":\"pods\","
		"\"subresource\":\"eviction\",\"verb\":\"create\"}}}");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/answer/table", test_table);
	g_test_add_func("/answer/fields", test_fields);
	g_test_add_func("/answer/raw", test_raw);
	g_test_add_func("/request/paths", test_paths);
	g_test_add_func("/request/bodies", test_bodies);
	return g_test_run();
}
