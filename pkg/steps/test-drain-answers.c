/* Every answer that an eviction can get, on the whole way: transport, client, journal, planner. The
 * first requests are answered by a script, the later ones by the cluster. Sources of the answers:
 * the eviction storage of the API server, its filters, admission, and an operator's webhook. */
#include "steps/test-drain-people.h"

#define BUDGET_429                                                                                 \
	"{\"kind\":\"Status\",\"status\":\"Failure\",\"reason\":\"TooManyRequests\",\"code\":429," \
	"\"message\":\"Cannot evict pod as it would violate the pod's disruption budget.\","       \
	"\"details\":{\"causes\":[{\"reason\":\"DisruptionBudget\",\"message\":\"The disruption "  \
	"budget app-00 %s\"}]}}"
#define STATUS(code, reason, message)                                                              \
	"{\"kind\":\"Status\",\"status\":\"Failure\",\"reason\":\"" reason                         \
	"\",\"message\":\"" message "\",\"code\":" #code "}"
#define TERMINATING                                                                                \
	"{\"kind\":\"Status\",\"status\":\"Failure\",\"reason\":\"Forbidden\",\"message\":"        \
	"\"forbidden: it is being terminated\",\"code\":403,\"details\":{\"causes\":[{"            \
	"\"reason\":\"NamespaceTerminating\",\"message\":\"x\"}]}}"

typedef struct Case {
	const char *name;
	int status;
	const char *body, *type;
	int retry_after;
	EvictClass want; /* what is remembered of it; EVICT_ACCEPTED: no refusal */
	int after_sec; /* the same pod is not asked for again before */
	const char *cause; /* of why, meanwhile */
} Case;

static const Case cases[] = {
	{ "budget", 429, BUDGET_429, NULL, 0, EVICT_BUDGET, 1, NULL },
	{ "budget lags", 429, BUDGET_429, NULL, 10, EVICT_BUDGET_LAG, 10, "retry" },
	{ "priority and fairness", 429, "Too many requests, please try again later.\n",
		"text/plain", 2, EVICT_THROTTLED, 2, "retry" },
	{ "server shuts down", 429,
		STATUS(429, "TooManyRequests", "The apiserver is shutting down, try again."), NULL,
		5, EVICT_SHUTDOWN, 5, "retry" },
	{ "two budgets", 500,
		STATUS(500, "InternalError",
			"This pod has more than one PodDisruptionBudget, which the eviction "
			"subresource does not support."),
		NULL, 0, EVICT_TWO_PDBS, 0, "retry" },
	{ "webhook says no", 403,
		STATUS(403, "Forbidden",
			"admission webhook \\\"v.example.com\\\" denied the request: not now"),
		NULL, 0, EVICT_WEBHOOK, 60, "server" },
	{ "webhook says no with 500", 500,
		STATUS(500, "InternalError",
			"admission webhook \\\"v.example.com\\\" denied the request: not now"),
		NULL, 0, EVICT_WEBHOOK, 60, "server" },
	{ "a machine moves away", 429,
		STATUS(429, "TooManyRequests",
			"admission webhook \\\"vm\\\" denied the request: Eviction triggered "
			"evacuation of VMI"),
		NULL, 0, EVICT_PROGRESS, 30, "retry" },
	{ "namespace ends", 403, TERMINATING, NULL, 0, EVICT_NS_TERMINATING, 30, "retry" },
	{ "no rights", 403, STATUS(403, "Forbidden", "pods is forbidden: User x cannot create"),
		NULL, 0, EVICT_FORBIDDEN, 60, "server" },
	{ "negative budget", 403, STATUS(403, "Forbidden", "pdb disruptions allowed is negative"),
		NULL, 0, EVICT_TRANSIENT, 1, "retry" },
	{ "server error", 500, STATUS(500, "InternalError", "etcd has no leader"), NULL, 0,
		EVICT_UNKNOWN, 0, NULL },
	{ "conflicts", 504, STATUS(504, "Timeout", "due to conflicts"), NULL, 10, EVICT_UNKNOWN, 0,
		NULL },
	{ "a proxy's page", 502, "<html>bad gateway</html>", "text/html", 0, EVICT_UNKNOWN, 0,
		NULL },
	{ "an ok that is no answer", 200, "<html>log in here</html>", "text/html", 0, EVICT_UNKNOWN,
		0, NULL },
	{ "created", 201, NULL, NULL, 0, EVICT_ACCEPTED, 0, NULL },
};

static const Case *now_playing(const World *w)
{
	return w->script_ud;
}

static HttpSimAnswer first_eviction(World *w, const HttpRequest *r)
{
	const Case *c = now_playing(w);
	if (!g_str_has_suffix(r->path, "/eviction") || w->n_scripted++ > 0 || !c->body)
		return (HttpSimAnswer){ 0 };
	char *body =
		c->body[0] == '{' && strstr(c->body, "%s")
			? g_strdup_printf(BUDGET_429, c->retry_after ? "is still being processed."
								     : "needs 3 healthy pods")
			: g_strdup(c->body);
	return (HttpSimAnswer){ c->status, body, c->type, c->retry_after };
}

static Item *first_pod(const World *w)
{
	Item *n = node_item(w, FIRST);
	return n && item_n_children(n) ? item_child(n, 0) : NULL;
}

static bool is_answered(World *w)
{
	const Item *p = first_pod(w);
	return p && item_n_acts(p) > 0 && act_state(item_act(p, 0)) != ACT_OPEN;
}

static bool is_asked_again(World *w)
{
	const Item *p = first_pod(w);
	return p && item_n_acts(p) > 1;
}

static void play(const Case *c)
{
	SimSpec spec = packed(1, 1);
	g_autoptr(World) w = world_new(&spec);
	w->script = first_eviction;
	w->script_ud = c;
	Ask ask = { .mode = C_OWN, .nodes = { FIRST }, .hold_sec = 1 };
	world_begin(w, &ask);
	must(w, is_answered, 60 * SEC);
	int64_t at = now_of(w);
	EvictVerdict v = { .class = EVICT_ACCEPTED };
	drain_pod_refusal(first_pod(w), &v);
	g_test_message("%s: %s, %s", c->name, evict_class_name(v.class), v.text);
	g_assert_cmpint(v.class, ==, c->want);
	if (c->cause) {
		pass(w, SEC / 10);
		g_autoptr(json_t) why = drain_why(node_item(w, FIRST));
		g_assert_cmpstr(json_path_str(why, "pods.0.cause", ""), ==, c->cause);
	}
	if (c->want != EVICT_ACCEPTED) {
		must(w, is_asked_again, 120 * SEC);
		g_assert_cmpint(now_of(w) - at, >=, c->after_sec * SEC - SEC / 2);
	}
	must(w, ended, 120 * SEC);
	g_assert_cmpuint(pods_on(w, FIRST), ==, 0);
	g_assert_cmpuint(n_posts(w), ==, c->want == EVICT_ACCEPTED ? 1 : 2);
	g_assert_cmpuint(json_object_size(w->posts), ==, 1);
}

static void test_answers(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
		play(&cases[i]);
}

/* While the server asks us to slow down nothing else is asked of it either. */
static void test_throttled(void)
{
	static const Case throttle = { "slow down", 429, "Too many requests.\n", "text/plain", 8,
		EVICT_THROTTLED, 8, "retry" };
	SimSpec spec = packed(6, 1);
	g_autoptr(World) w = world_new(&spec);
	w->script = first_eviction;
	w->script_ud = &throttle;
	Ask ask = { .mode = C_OWN, .nodes = { FIRST }, .hold_sec = 1 };
	world_begin(w, &ask);
	must(w, is_answered, 60 * SEC);
	size_t posts = n_posts(w);
	pass(w, 7 * SEC);
	g_assert_cmpuint(n_posts(w), ==, posts);
	must(w, ended, 120 * SEC);
}

/* The first app's budget says no five times, and changes each time, so that its pod is wanted again
 * and has to wait a while. */
static HttpSimAnswer first_app_waits(World *w, const HttpRequest *r)
{
	bool mine = strstr(r->path, "/pods/app-00-") && g_str_has_suffix(r->path, "/eviction");
	if (!mine || w->n_scripted >= 5)
		return (HttpSimAnswer){ 0 };
	w->n_scripted++;
	g_autofree char *n = g_strdup_printf("%u", w->n_scripted);
	sim_cluster_patch(w->c, SIM_PDBS, "apps", "app-00", SIM_SUB_NONE, "test",
		json_pack("{s:{s:{s:s}}}", "metadata", "annotations", "asked", n));
	return (HttpSimAnswer){ 429, g_strdup_printf(BUDGET_429, "needs 3 healthy pods"), NULL, 0 };
}

/* While one pod waits for its next turn, each of the others is asked for once. */
static void test_one_waits(void)
{
	SimSpec spec = packed(3, 1);
	spec.world.n_apps = 2;
	g_autoptr(World) w = world_new(&spec);
	w->script = first_app_waits;
	Ask ask = { .mode = C_OWN, .nodes = { FIRST }, .hold_sec = 1 };
	world_begin(w, &ask);
	must(w, ended, 300 * SEC);
	g_assert_cmpuint(w->n_scripted, ==, 5);
	g_assert_cmpuint(json_object_size(w->posts), ==, 6);
	g_assert_cmpuint(n_posts(w), ==, 6 + w->n_scripted);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/drain-answers/each", test_answers);
	g_test_add_func("/drain-answers/throttled", test_throttled);
	g_test_add_func("/drain-answers/one-waits", test_one_waits);
	return g_test_run();
}
