#include "policy/evict.h"
#include <string.h>

#define STATUS(code, reason, message, details)                                                     \
	"{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"code\":" #code        \
	",\"reason\":\"" reason "\",\"message\":\"" message "\",\"details\":{" details "}}"
#define CAUSE(type, message) "\"causes\":[{\"reason\":\"" type "\",\"message\":\"" message "\"}]"
#define VIOLATE "Cannot evict pod as it would violate the pod's disruption budget."

typedef struct Case {
	const char *name;
	int status;
	const char *type, *body;
	int retry_after;
	EvictClass want;
	int want_retry;
	const char *text, *budget; /* text: a part; NULL: any */
} Case;

static const Case cases[] = {
	{ "D01 201", 201, NULL, "{\"kind\":\"Status\",\"status\":\"Success\",\"code\":201}", -1,
		EVICT_ACCEPTED, 0, "accepted", "" },
	{ "D02 200", 200, NULL, "{}", -1, EVICT_ACCEPTED, 0, NULL, "" },
	{ "D19 2xx with a torn body", 201, NULL, "{\"kind\":", -1, EVICT_ACCEPTED, 0, NULL, "" },
	{ "D03 budget", 429, NULL,
		STATUS(429, "TooManyRequests", VIOLATE,
			CAUSE("DisruptionBudget", "The disruption budget web needs 3 healthy pods "
						  "and has 3 currently")),
		-1, EVICT_BUDGET, 0, "HTTP 429: The disruption budget web needs 3 healthy pods",
		"web" },
	{ "D45 failed sync", 429, NULL,
		STATUS(429, "TooManyRequests", VIOLATE,
			CAUSE("DisruptionBudget",
				"The disruption budget web does not allow evicting pods currently "
				"because it failed sync: no scale")),
		-1, EVICT_BUDGET, 0, "failed sync", "web" },
	{ "budget without cause", 429, NULL, STATUS(429, "TooManyRequests", VIOLATE, ""), -1,
		EVICT_BUDGET, 0, NULL, "" },
	{ "D04 generation lag", 429, NULL,
		STATUS(429, "TooManyRequests", VIOLATE,
			CAUSE("DisruptionBudget", "The disruption budget web is still being "
						  "processed by the server.")),
		10, EVICT_BUDGET_LAG, 10, "still being processed", "web" },
	{ "D04 without header", 429, NULL,
		STATUS(429, "TooManyRequests", VIOLATE,
			CAUSE("DisruptionBudget", "The disruption budget web is still being "
						  "processed by the server.")),
		-1, EVICT_BUDGET_LAG, 10, NULL, "web" },
	{ "D05 priority and fairness", 429, "text/plain; charset=utf-8",
		"Too many requests, please try again later.\n", 1, EVICT_THROTTLED, 1,
		"Too many requests", "" },
	{ "429 with a Status, no budget", 429, NULL,
		STATUS(429, "TooManyRequests", "too many requests", ""), 2, EVICT_THROTTLED, 2,
		NULL, "" },
	{ "429 with an empty body", 429, NULL, "", -1, EVICT_THROTTLED, 0, "slow down", "" },
	{ "D06 shutdown", 429, "text/plain",
		"The apiserver is shutting down, please try again later.", 5, EVICT_SHUTDOWN, 5,
		NULL, "" },
	{ "D07 two budgets", 500, NULL,
		STATUS(500, "InternalError",
			"This pod has more than one PodDisruptionBudget, which the eviction "
			"subresource does not support.",
			""),
		-1, EVICT_TWO_PDBS, 0, "more than one", "" },
	{ "D08 webhook unreachable", 500, NULL,
		STATUS(500, "InternalError",
			"Internal error occurred: failed calling webhook \\\"v.io\\\": EOF", ""),
		-1, EVICT_TRANSIENT, 0, "v.io", "" },
	{ "D09 denial 403", 403, NULL,
		STATUS(403, "Forbidden",
			"admission webhook \\\"guard.io\\\" denied the request: not today", ""),
		-1, EVICT_WEBHOOK, 0, "guard.io", "" },
	{ "D09 denial 400", 400, NULL,
		STATUS(400, "BadRequest",
			"admission webhook \\\"guard.io\\\" denied the request: no", ""),
		-1, EVICT_WEBHOOK, 0, "guard.io", "" },
	{ "D09 denial 500", 500, NULL,
		STATUS(500, "", "admission webhook \\\"guard.io\\\" denied the request: no", ""),
		-1, EVICT_WEBHOOK, 0, NULL, "" },
	{ "denial with a code of its own", 404, NULL,
		STATUS(404, "NotFound", "admission webhook \\\"g.io\\\" denied the request: no",
			""),
		-1, EVICT_WEBHOOK, 0, NULL, "" },
	{ "D10 evacuation triggered", 429, NULL,
		STATUS(429, "TooManyRequests",
			"admission webhook \\\"virt-launcher-eviction-interceptor.kubevirt.io\\\" "
			"denied "
			"the request: Eviction triggered evacuation of VMI \\\"ns/vm\\\"",
			""),
		-1, EVICT_PROGRESS, 0, NULL, "" },
	{ "D10 evacuation in progress", 429, NULL,
		STATUS(429, "TooManyRequests",
			"admission webhook \\\"virt-launcher-eviction-interceptor.kubevirt.io\\\" "
			"denied "
			"the request: Evacuation in progress: VMI \\\"ns/vm\\\"",
			""),
		-1, EVICT_PROGRESS, 0, NULL, "" },
	{ "D10 not migratable", 429, NULL,
		STATUS(429, "TooManyRequests",
			"admission webhook \\\"virt-launcher-eviction-interceptor.kubevirt.io\\\" "
			"denied "
			"the request: VMI \\\"vm\\\" is configured with an eviction strategy but "
			"is not "
			"live-migratable",
			""),
		-1, EVICT_WEBHOOK, 0, "not live-migratable", "" },
	{ "D11 namespace terminating", 403, NULL,
		STATUS(403, "Forbidden", "unable to create new content in namespace x",
			CAUSE("NamespaceTerminating", "namespace x is being terminated")),
		-1, EVICT_NS_TERMINATING, 0, NULL, "" },
	{ "D12 negative", 403, NULL,
		STATUS(403, "Forbidden", "pdb disruptions allowed is negative", ""), -1,
		EVICT_TRANSIENT, 0, NULL, "" },
	{ "D12 map too big", 403, NULL,
		STATUS(403, "Forbidden", "DisruptedPods map too big - too many evictions", ""), -1,
		EVICT_TRANSIENT, 0, NULL, "" },
	{ "D13 access rules", 403, NULL,
		STATUS(403, "Forbidden", "pods is forbidden: User cannot create pods/eviction", ""),
		-1, EVICT_FORBIDDEN, 0, "cannot create", "" },
	{ "403 of a proxy", 403, "text/html", "<html>no</html>", -1, EVICT_TRANSIENT, 0, NULL, "" },
	{ "401", 401, NULL, STATUS(401, "Unauthorized", "Unauthorized", ""), -1, EVICT_CREDENTIALS,
		0, NULL, "" },
	{ "D14 gone", 404, NULL,
		STATUS(404, "NotFound", "pods \\\"x\\\" not found",
			"\"name\":\"x\",\"kind\":\"pods\""),
		-1, EVICT_GONE, 0, NULL, "" },
	{ "D14 its namespace is gone", 404, NULL,
		STATUS(404, "NotFound", "namespaces \\\"x\\\" not found",
			"\"kind\":\"namespaces\""),
		-1, EVICT_GONE, 0, NULL, "" },
	{ "404 of a proxy", 404, "text/html", "<html>", -1, EVICT_TRANSIENT, 0, NULL, "" },
	{ "404 of the path", 404, NULL,
		STATUS(404, "NotFound", "the server could not find the requested resource", ""), -1,
		EVICT_BUG, 0, NULL, "" },
	{ "D15 another UID", 409, NULL,
		STATUS(409, "Conflict", "the UID in the precondition does not match", ""), -1,
		EVICT_CONFLICT, 0, NULL, "" },
	{ "D16 update conflicts", 504, NULL,
		STATUS(504, "Timeout",
			"couldn't update PodDisruptionBudget \\\"web\\\" due to conflicts", ""),
		10, EVICT_TRANSIENT, 10, NULL, "" },
	{ "D17 bad request", 400, NULL, STATUS(400, "BadRequest", "name in URL does not match", ""),
		-1, EVICT_BUG, 0, NULL, "" },
	{ "400 of a proxy", 400, "text/html", "<html>", -1, EVICT_TRANSIENT, 0, NULL, "" },
	{ "D19 malformed", 500, NULL, "{\"kind\":\"Sta", -1, EVICT_TRANSIENT, 0, NULL, "" },
	{ "502", 502, "text/html", "bad gateway", -1, EVICT_TRANSIENT, 0, NULL, "" },
	{ "503", 503, NULL, "", 7, EVICT_TRANSIENT, 7, NULL, "" },
	{ "redirect", 302, NULL, "", -1, EVICT_TRANSIENT, 0, NULL, "" },
	{ "418", 418, NULL, "{\"kind\":\"Teapot\"}", -1, EVICT_TRANSIENT, 0, NULL, "" },
};

static void test_table(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		const Case *c = &cases[i];
		json_t *body = json_loads(c->body, 0, NULL);
		EvictAnswer a = { true, c->status, c->type, body, c->body, c->retry_after };
		EvictVerdict v = evict_classify(&a);
		g_test_message("%s: %s: %s", c->name, evict_class_name(v.class), v.text);
		g_assert_cmpstr(evict_class_name(v.class), ==, evict_class_name(c->want));
		g_assert_cmpint(v.retry_after_sec, ==, c->want_retry);
		g_assert_cmpstr(v.budget, ==, c->budget);
		g_assert_cmpstr(v.text, !=, "");
		g_assert_null(strchr(v.text, '\n'));
		if (c->text)
			g_assert_nonnull(strstr(v.text, c->text));
		json_decref(body);
	}
	EvictAnswer silent = { .retry_after_sec = -1 };
	g_assert_cmpint(evict_classify(&silent).class, ==, EVICT_UNKNOWN);
}

static void test_wait(void)
{
	static const struct {
		EvictVerdict v;
		unsigned attempt;
		int64_t max_sec;
		bool jitters;
	} waits[] = {
		{ { EVICT_BUDGET }, 7, 5, false },
		{ { EVICT_BUDGET_LAG, 10 }, 0, 10, false },
		{ { EVICT_PROGRESS }, 0, 30, false },
		{ { EVICT_NS_TERMINATING }, 0, 30, false },
		{ { EVICT_TRANSIENT }, 0, 1, true },
		{ { EVICT_TRANSIENT }, 1, 2, true },
		{ { EVICT_TRANSIENT }, 3, 8, true },
		{ { EVICT_TRANSIENT }, 4, 15, true },
		{ { EVICT_TRANSIENT }, 4000000000u, 15, true },
		{ { EVICT_TRANSIENT, 3 }, 9, 3, false },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(waits); i++) {
		int64_t max = waits[i].max_sec * 1000000;
		g_assert_cmpint(evict_wait_usec(&waits[i].v, waits[i].attempt, 0), ==, max);
		int64_t least = evict_wait_usec(&waits[i].v, waits[i].attempt, UINT64_MAX);
		g_assert_cmpint(least, >, max * 3 / 4);
		g_assert_true((least < max) == waits[i].jitters);
	}
	g_assert_true(evict_class_is_blocked(EVICT_TWO_PDBS));
	g_assert_false(evict_class_is_blocked(EVICT_TRANSIENT));
	g_assert_false(evict_class_is_blocked(EVICT_BUDGET));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/evict/table", test_table);
	g_test_add_func("/evict/wait", test_wait);
	return g_test_run();
}
