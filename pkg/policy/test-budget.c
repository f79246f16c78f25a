#include "policy/budget.h"
#include "policy/ledger.h"
#include <string.h>

static const int64_t SEC = 1000000;

static Selector *select_json(const char *text)
{
	g_autoptr(GError) err = NULL;
	Selector *s = NULL;
	json_t *v = json_loads(text, JSON_DECODE_ANY, NULL);
	g_assert_true(selector_from_json(v, &s, &err));
	json_decref(v);
	return s;
}

typedef struct CheckCase {
	const char *name;
	Budget b;
	int fault; /* -1: nothing wrong */
	bool blocks;
	const char *text, *fix, *command; /* NULL: not looked at */
} CheckCase;

#define B .ns = "ns", .name = "b", .current_healthy = 9, .disruptions_allowed = 1

static void test_check(void)
{
	static const CheckCase cases[] = {
		{ "D40 maxUnavailable 0",
			{ B, .has_max = true, .expected_pods = 3, .desired_healthy = 3 },
			BUDGET_NEVER, true,
			"PodDisruptionBudget ns/b allows no disruption (maxUnavailable 0, 3 pods)",
			"set maxUnavailable to 1",
			"kubectl -n ns patch pdb b --type merge -p "
			"'{\"spec\":{\"maxUnavailable\":1}}'" },
		{ "D40 maxUnavailable 0%",
			{ B, .has_max = true, .max_unavailable = { true, 0 }, .expected_pods = 3 },
			BUDGET_NEVER, true, NULL, NULL, NULL },
		{ "maxUnavailable 1%",
			{ B, .has_max = true, .max_unavailable = { true, 1 }, .expected_pods = 3 },
			-1 },
		{ "D41 minAvailable = replicas",
			{ B, .has_min = true, .min_available = { false, 3 }, .expected_pods = 3 },
			BUDGET_NEVER, true,
			"PodDisruptionBudget ns/b allows no disruption (minAvailable 3, 3 pods)",
			"set minAvailable to 2",
			"kubectl -n ns patch pdb b --type merge -p "
			"'{\"spec\":{\"minAvailable\":2}}'" },
		{ "D41 minAvailable above replicas",
			{ B, .has_min = true, .min_available = { false, 5 }, .expected_pods = 3 },
			BUDGET_NEVER, true, NULL, NULL, NULL },
		{ "D41 100%",
			{ B, .has_min = true, .min_available = { true, 100 }, .expected_pods = 3 },
			BUDGET_NEVER, true, NULL, "set maxUnavailable 1 instead of minAvailable",
			"kubectl -n ns patch pdb b --type merge -p "
			"'{\"spec\":{\"minAvailable\":null,\"maxUnavailable\":1}}'" },
		{ "D41 90% of 3 rounds up to 3",
			{ B, .has_min = true, .min_available = { true, 90 }, .expected_pods = 3 },
			BUDGET_NEVER, true, NULL, NULL, NULL },
		{ "60% of 3 leaves one",
			{ B, .has_min = true, .min_available = { true, 60 }, .expected_pods = 3 },
			-1 },
		{ "one replica",
			{ B, .has_min = true, .min_available = { false, 1 }, .expected_pods = 1 },
			BUDGET_NEVER, true,
			"PodDisruptionBudget ns/b allows no disruption (minAvailable 1, 1 pod)",
			"run 2 replicas, or accept a short outage and set minAvailable to 0",
			NULL },
		{ "D45 sync failed", { B, .sync_failed = "found no controllers" },
			BUDGET_SYNC_FAILED, true, NULL, NULL, "kubectl -n ns describe pdb b" },
		{ "D46 lag", { B, .generation = 2, .observed_generation = 1 }, BUDGET_LAG, false },
		{ "unhealthy",
			{ .ns = "ns",
				.name = "b",
				.has_max = true,
				.max_unavailable = { false, 1 },
				.expected_pods = 3,
				.current_healthy = 1,
				.desired_healthy = 2 },
			BUDGET_UNHEALTHY, false,
			"PodDisruptionBudget ns/b: 1 of 2 wanted pods are healthy, so it allows no "
			"disruption" },
		{ "no pods", { B, .has_min = true, .min_available = { false, 3 } }, -1 },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		const CheckCase *c = &cases[i];
		BudgetFinding f = { 0 };
		bool wrong = budget_check(&c->b, NULL, &f);
		g_test_message("%s: %s", c->name, f.text);
		g_assert_true(wrong == (c->fault >= 0));
		if (!wrong)
			continue;
		g_assert_cmpint(f.fault, ==, c->fault);
		g_assert_true(f.blocks == c->blocks);
		g_assert_cmpstr(f.fix, !=, "");
		if (c->text)
			g_assert_cmpstr(f.text, ==, c->text);
		if (c->fix)
			g_assert_cmpstr(f.fix, ==, c->fix);
		if (c->command)
			g_assert_cmpstr(f.command, ==, c->command);
	}
}

static void test_matching(void)
{
	g_autoptr(Selector) web = select_json("{\"matchLabels\":{\"app\":\"web\"}}");
	g_autoptr(Selector) all = select_json("{}");
	g_autoptr(Selector) tier =
		select_json("{\"matchExpressions\":[{\"key\":\"tier\",\"operator\":\"Exists\"}]}");
	json_t *labels = json_pack("{ss}", "app", "web");
	const Budget budgets[] = {
		{ .ns = "a",
			.name = "web",
			.selector = web,
			.has_max = true,
			.max_unavailable = { false, 1 },
			.expected_pods = 2 },
		{ .ns = "b", .name = "web", .selector = web },
		{ .ns = "c", .name = "nil", .selector = NULL },
		{ .ns = "c",
			.name = "everything",
			.selector = all,
			.has_max = true,
			.max_unavailable = { false, 1 },
			.expected_pods = 2 },
		{ .ns = "a", .name = "tier", .selector = tier },
		{ .ns = "d",
			.name = "one",
			.selector = web,
			.has_max = true,
			.max_unavailable = { false, 1 },
			.expected_pods = 2 },
		{ .ns = "d",
			.name = "two",
			.selector = all,
			.has_max = true,
			.max_unavailable = { false, 1 },
			.expected_pods = 2 },
	};
	const DrainPod pods[] = {
		{ .ns = "a", .name = "p", .labels = labels, .phase = POD_RUNNING, .ready = true },
		{ .ns = "c", .name = "q", .phase = POD_RUNNING, .ready = true },
		{ .ns = "d", .name = "r", .labels = labels, .phase = POD_RUNNING, .ready = true },
		{ .ns = "e", .name = "s", .labels = labels, .phase = POD_RUNNING, .ready = true },
		{ .ns = "b", .name = "t", .labels = labels, .phase = POD_RUNNING, .ready = true },
		{ .ns = "d", .name = "u", .labels = labels, .phase = POD_RUNNING, .ready = true },
	};
	static const size_t want[] = { 0, 3, 5, 7, 1, 5 }, want_n[] = { 1, 1, 2, 0, 1, 2 };
	for (size_t i = 0; i < G_N_ELEMENTS(pods); i++) {
		size_t n;
		g_assert_cmpuint(budget_of_pod(budgets, 7, &pods[i], &n), ==, want[i]);
		g_assert_cmpuint(n, ==, want_n[i]);
	}
	BudgetFindings f = budgets_check(budgets, 7, pods, 5, "kubectl --context x");
	g_assert_cmpuint(f.n, ==, 2);
	g_assert_cmpint(f.items[0].fault, ==, BUDGET_SELECTS_NONE);
	g_assert_cmpstr(f.items[0].text, ==,
		"PodDisruptionBudget b/web counts no pods, but selects t: it allows no disruption");
	g_assert_cmpint(f.items[1].fault, ==, BUDGET_TWO);
	g_assert_cmpstr(f.items[1].text, ==,
		"pod d/r has 2 PodDisruptionBudgets (one, two): the server evicts no such pod");
	g_assert_cmpstr(f.items[1].command, ==, "kubectl --context x -n d get pdb one two -o wide");
	budget_findings_clear(&f);
	/* Pods alike are one finding. */
	f = budgets_check(budgets, 7, pods, 6, NULL);
	g_assert_cmpuint(f.n, ==, 2);
	g_assert_true(g_str_has_suffix(f.items[1].text, "no such pod; 1 more pod is alike"));
	budget_findings_clear(&f);
	json_decref(labels);
}

/* D28, D30. */
static void test_counts_pod(void)
{
	static const struct {
		UnhealthyPolicy policy;
		int current, desired;
		DrainPod pod;
		bool want;
	} cases[] = {
		{ 0, 3, 2, { .phase = POD_RUNNING, .ready = true }, true },
		{ 0, 3, 2, { .phase = POD_PENDING }, false },
		{ 0, 3, 2, { .phase = POD_SUCCEEDED }, false },
		{ 0, 3, 2, { .phase = POD_FAILED }, false },
		{ 0, 3, 2, { .phase = POD_RUNNING, .ready = true, .deletion_usec = 1 }, false },
		{ UNHEALTHY_IF_HEALTHY_BUDGET, 2, 2, { .phase = POD_RUNNING }, false },
		{ UNHEALTHY_IF_HEALTHY_BUDGET, 1, 2, { .phase = POD_RUNNING }, true },
		{ UNHEALTHY_IF_HEALTHY_BUDGET, 0, 0, { .phase = POD_RUNNING }, true },
		{ UNHEALTHY_ALWAYS_ALLOW, 0, 2, { .phase = POD_RUNNING }, false },
		{ UNHEALTHY_OTHER, 5, 2, { .phase = POD_RUNNING }, true },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		Budget b = { .unhealthy = cases[i].policy,
			.current_healthy = cases[i].current,
			.desired_healthy = cases[i].desired };
		g_assert_true(budget_counts_pod(&b, &cases[i].pod) == cases[i].want);
	}
}

typedef struct LedgerCase {
	const char *name;
	Budget b;
	LedgerEviction e[3];
	size_t n;
	int64_t now_sec;
	int want;
	int64_t again_sec; /* -1: only after an event */
} LedgerCase;

#define L .ns = "ns", .name = "b", .generation = 1, .observed_generation = 1
#define E .ns = "ns", .budget = "b"

static const char *const p1[] = { "p1" };
static const LedgerCase ledger_cases[] = {
	{ "nothing of ours", { L, .disruptions_allowed = 2, .version = "1" }, { { 0 } }, 0, 10, 2,
		-1 },
	{ "an open one counts", { L, .disruptions_allowed = 2, .version = "1" },
		{ { E, .pod = "p1", .version = "1" } }, 1, 10, 1, -1 },
	{ "open ones count for as long as they are open",
		{ L, .disruptions_allowed = 1, .version = "1" },
		{ { E, .pod = "p1", .version = "1" } }, 1, 10000, 0, -1 },
	{ "accepted, status not yet moved", { L, .disruptions_allowed = 1, .version = "1" },
		{ { E, .pod = "p1", .version = "1", .accepted_usec = 9 * SEC } }, 1, 10, 0, 129 },
	{ "accepted, status names it",
		{ L, .disruptions_allowed = 1, .version = "2", .disrupted = p1, .n_disrupted = 1 },
		{ { E, .pod = "p1", .version = "1", .accepted_usec = 9 * SEC } }, 1, 10, 1, -1 },
	{ "open, but the status names it already",
		{ L, .disruptions_allowed = 1, .version = "2", .disrupted = p1, .n_disrupted = 1 },
		{ { E, .pod = "p1", .version = "1" } }, 1, 10, 1, -1 },
	{ "named earlier, the entry is gone again", { L, .disruptions_allowed = 1, .version = "3" },
		{ { E, .pod = "p1", .version = "1", .accepted_usec = 9 * SEC, .included = true } },
		1, 10, 1, -1 },
	{ "deletion seen, status older",
		{ L, .disruptions_allowed = 1, .version = "1", .seen_usec = 8 * SEC },
		{ { E, .pod = "p1", .version = "1", .accepted_usec = 9 * SEC,
			.deletion_seen_usec = 9 * SEC } },
		1, 10, 0, 14 },
	{ "deletion seen, newer status seen before it",
		{ L, .disruptions_allowed = 1, .version = "2", .seen_usec = 8 * SEC },
		{ { E, .pod = "p1", .version = "1", .accepted_usec = 7 * SEC,
			.deletion_seen_usec = 9 * SEC } },
		1, 10, 0, 14 },
	{ "deletion seen, newer status seen after it",
		{ L, .disruptions_allowed = 1, .version = "2", .seen_usec = 10 * SEC },
		{ { E, .pod = "p1", .version = "1", .accepted_usec = 7 * SEC,
			.deletion_seen_usec = 9 * SEC } },
		1, 10, 1, -1 },
	{ "deletion seen, status silent for 5 s",
		{ L, .disruptions_allowed = 1, .version = "1", .seen_usec = 8 * SEC },
		{ { E, .pod = "p1", .version = "1", .accepted_usec = 9 * SEC,
			.deletion_seen_usec = 9 * SEC } },
		1, 14, 1, -1 },
	{ "accepted, never deleted, 2 min", { L, .disruptions_allowed = 1, .version = "1" },
		{ { E, .pod = "p1", .version = "1", .accepted_usec = 9 * SEC } }, 1, 129, 1, -1 },
	{ "of another budget", { L, .disruptions_allowed = 1, .version = "1" },
		{ { .ns = "ns", .budget = "c", .pod = "p1" },
			{ .ns = "other", .budget = "b", .pod = "p2" },
			{ .ns = "ns", .budget = NULL, .pod = "p3" } },
		3, 10, 1, -1 },
	{ "more of ours than allowed", { L, .disruptions_allowed = 1, .version = "1" },
		{ { E, .pod = "p1" }, { E, .pod = "p2" } }, 2, 10, 0, -1 },
	{ "status not computed",
		{ .ns = "ns",
			.name = "b",
			.generation = 2,
			.observed_generation = 1,
			.disruptions_allowed = 3 },
		{ { 0 } }, 0, 10, 0, -1 },
	{ "D49 refused on this version",
		{ L, .disruptions_allowed = 1, .version = "1", .refused_version = "1",
			.refused_usec = 9 * SEC },
		{ { 0 } }, 0, 10, 0, 14 },
	{ "refused, 5 s ago",
		{ L, .disruptions_allowed = 1, .version = "1", .refused_version = "1",
			.refused_usec = 9 * SEC },
		{ { 0 } }, 0, 14, 1, -1 },
	{ "refused on an older version",
		{ L, .disruptions_allowed = 1, .version = "2", .refused_version = "1",
			.refused_usec = 9 * SEC },
		{ { 0 } }, 0, 10, 1, -1 },
	{ "negative", { L, .disruptions_allowed = -1, .version = "1" }, { { 0 } }, 0, 10, 0, -1 },
};

static void test_ledger(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(ledger_cases); i++) {
		const LedgerCase *c = &ledger_cases[i];
		int64_t again = 0;
		g_test_message("%s", c->name);
		g_assert_cmpint(
			ledger_free(&c->b, c->e, c->n, c->now_sec * SEC, &again), ==, c->want);
		g_assert_cmpint(again, ==, c->again_sec < 0 ? INT64_MAX : c->again_sec * SEC);
	}
}

static void test_observe(void)
{
	static const char *const names[] = { "p1", "p3" };
	Budget b = { L, .disrupted = names, .n_disrupted = 2 };
	LedgerEviction e[] = { { E, .pod = "p1" }, { E, .pod = "p2" },
		{ .ns = "ns", .budget = "c", .pod = "p3" } };
	ledger_observe(&b, e, 3);
	g_assert_true(e[0].included && !e[1].included && !e[2].included);
	b.n_disrupted = 0;
	ledger_observe(&b, e, 3);
	g_assert_true(e[0].included);
}

enum { STORY_PODS = 20, STORY_ALLOWED = 3, STORY_LAG = 2, STORY_READY_AFTER = 4 };

/* One second of a server whose status is STORY_LAG old; returns how many evictions it refused. */
static int story_second(int64_t t, LedgerEviction *e, int64_t *accepted_at, int *n, bool naive)
{
	static const char *const names[STORY_PODS] = { "p" };
	int away = 0, away_seen = 0, refused = 0;
	for (int i = 0; i < *n; i++) {
		away += t < accepted_at[i] + STORY_READY_AFTER;
		away_seen += accepted_at[i] <= t - STORY_LAG &&
			     t - STORY_LAG < accepted_at[i] + STORY_READY_AFTER;
		if (!e[i].deletion_seen_usec && t >= accepted_at[i] + (i % 2))
			e[i].deletion_seen_usec = t * SEC;
	}
	g_autofree char *version = g_strdup_printf("%d", (int)(t / STORY_LAG));
	Budget b = { L, .disruptions_allowed = STORY_ALLOWED - away_seen, .version = version,
		.seen_usec = (t - t % STORY_LAG) * SEC };
	int free = ledger_free(&b, e, naive ? 0 : (size_t)*n, t * SEC, NULL);
	for (; free > 0 && *n < STORY_PODS; free--, away++) {
		refused += away >= STORY_ALLOWED;
		e[*n] = (LedgerEviction){ E, .pod = names[0], .version = "x",
			.accepted_usec = t * SEC };
		accepted_at[(*n)++] = t;
	}
	return refused;
}

/* With the ledger not one eviction is refused; believing the status alone many are. */
static void test_story(void)
{
	for (int naive = 0; naive < 2; naive++) {
		LedgerEviction e[STORY_PODS] = { 0 };
		int64_t accepted_at[STORY_PODS];
		int n = 0, refused = 0;
		for (int64_t t = 1; n < STORY_PODS && t < 1000; t++)
			refused += story_second(t, e, accepted_at, &n, naive);
		g_assert_cmpint(n, ==, STORY_PODS);
		g_assert_true((refused > 0) == (naive == 1));
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/budget/check", test_check);
	g_test_add_func("/budget/matching", test_matching);
	g_test_add_func("/budget/counts-pod", test_counts_pod);
	g_test_add_func("/budget/ledger", test_ledger);
	g_test_add_func("/budget/observe", test_observe);
	g_test_add_func("/budget/story", test_story);
	return g_test_run();
}
