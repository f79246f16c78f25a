#include "base/num.h"
#include "policy/drain.h"
#include <string.h>

static const int64_t SEC = 1000000;
enum { NOW = 100000 }; /* seconds, on both clocks */

static DrainRules *rules(const char *text)
{
	g_autoptr(GError) err = NULL;
	json_t *v = json_loads(text, 0, NULL);
	g_assert_nonnull(v);
	DrainRules *r = drain_rules_parse(v, &err);
	g_assert_no_error(err);
	json_decref(v);
	return r;
}

static Selector *select_app(const char *app)
{
	g_autoptr(GError) err = NULL;
	g_autofree char *text = g_strdup_printf("app=%s", app);
	Selector *s = selector_from_query(text, &err);
	g_assert_no_error(err);
	return s;
}

#define N(n) .ns = "ns", .name = n, .uid = n, .grace_sec = 30
#define R .phase = POD_RUNNING, .ready = true
#define NOWISH .since_usec = NOW * SEC
#define P(n) N(n), R, NOWISH
#define MANAGED .owner_kind = "ReplicaSet", .owner_name = "rs"

static const EvictVerdict denied = { EVICT_WEBHOOK, 0, "", "HTTP 403: denied by guard.io" };
static const EvictVerdict forbidden = { EVICT_FORBIDDEN, 0, "", "HTTP 403: may not" };
static const EvictVerdict failed = { EVICT_TRANSIENT, 0, "", "HTTP 500: EOF" };
static const EvictVerdict busy = { EVICT_BUDGET, 0, "web", "HTTP 429: none" };

typedef struct OneCase {
	const char *name, *rules;
	DrainPod pod;
	DrainClass want;
	DrainCause cause;
	bool taken;
	const char *text; /* a part of it */
	int64_t wake_sec; /* from now; 0: not looked at */
} OneCase;

static const OneCase one_cases[] = {
	{ "D20 mirror", "{}", { P("p"), .mirror = true }, DRAIN_SKIP, CAUSE_MIRROR, false },
	{ "D21 DaemonSet", "{}", { P("p"), .owner_kind = "DaemonSet", .owner_name = "ds" },
		DRAIN_SKIP, CAUSE_DAEMON_SET, false, "DaemonSet ds" },
	{ "D22 orphan of a DaemonSet", "{}",
		{ P("p"), .owner_kind = "DaemonSet", .owner_name = "ds", .owner = OWNER_MISSING },
		DRAIN_EVICT, CAUSE_NONE, true },
	{ "D24 finished with emptyDir", "{}",
		{ N("p"), NOWISH, .phase = POD_SUCCEEDED, .empty_dir = true }, DRAIN_FINISHED,
		CAUSE_NONE, true },
	{ "D24 failed pod of a DaemonSet", "{}",
		{ N("p"), NOWISH, .phase = POD_FAILED, .owner_kind = "DaemonSet" }, DRAIN_FINISHED,
		CAUSE_NONE, true },
	{ "D25 emptyDir without consent", "{\"consent\":{\"emptyDir\":false}}",
		{ P("p"), MANAGED, .empty_dir = true }, DRAIN_BLOCKED, CAUSE_EMPTY_DIR, false,
		"emptyDir" },
	{ "emptyDir with consent", "{\"consent\":{\"emptyDir\":true}}",
		{ P("p"), MANAGED, .empty_dir = true }, DRAIN_EVICT, CAUSE_NONE, true },
	{ "D26 unmanaged", "{}", { P("p") }, DRAIN_BLOCKED, CAUSE_UNMANAGED, false,
		"no controller" },
	{ "unmanaged with consent", "{\"consent\":{\"unmanaged\":true}}", { P("p") }, DRAIN_EVICT,
		CAUSE_NONE, true },
	{ "D28 pending", "{}", { N("p"), NOWISH, MANAGED, .phase = POD_PENDING }, DRAIN_EVICT,
		CAUSE_NONE, true },
	{ "D29 terminating", "{}", { P("p"), MANAGED, .deletion_usec = (NOW - 10) * SEC },
		DRAIN_TERMINATING, CAUSE_LEAVING, false, "terminating", 50 },
	{ "terminating and unmanaged: only wait", "{}", { P("p"), .deletion_usec = NOW * SEC },
		DRAIN_TERMINATING, CAUSE_LEAVING, false },
	{ "D33 finalizer", "{}",
		{ P("p"), MANAGED, .deletion_usec = (NOW - 90) * SEC, .finalizer = "x.io/f" },
		DRAIN_TERMINATING, CAUSE_FINALIZER, false,
		"should be gone since 1m30s; finalizer x.io/f keeps it" },
	{ "D54 unreachable", "{}",
		{ P("p"), MANAGED, .deletion_usec = (NOW - 90) * SEC, .node_unreachable = true },
		DRAIN_TERMINATING, CAUSE_UNREACHABLE, false, "kubelet" },
	{ "D35 hangs", "{}", { P("p"), MANAGED, .deletion_usec = (NOW - 90) * SEC },
		DRAIN_TERMINATING, CAUSE_SLOW, false, "do not stop" },
	{ "asked already", "{}", { P("p"), MANAGED, .act = POD_OPEN }, DRAIN_EVICT, CAUSE_OPEN,
		false },
	{ "D18 accepted, not gone", "{}", { P("p"), MANAGED, .act = POD_ACCEPTED }, DRAIN_EVICT,
		CAUSE_LEAVING, false },
	{ "skip rule", "{\"rules\":[{\"match\":{\"namespaces\":[\"n*\"]},\"behaviour\":\"skip\"}]}",
		{ P("p") }, DRAIN_SKIP, CAUSE_RULE, false, "rules[0]" },
	{ "rule of another namespace",
		"{\"rules\":[{\"match\":{\"namespaces\":[\"o*\",\"n\"]},\"behaviour\":\"skip\"}]}",
		{ P("p"), MANAGED }, DRAIN_EVICT, CAUSE_NONE, true },
	{ "first rule wins",
		"{\"rules\":[{\"match\":{\"ownerKinds\":[\"ReplicaSet\"]},\"behaviour\":\"evict\"},"
		"{\"behaviour\":\"skip\"}]}",
		{ P("p"), MANAGED }, DRAIN_EVICT, CAUSE_NONE, true },
	{ "D36 waitCompleted",
		"{\"rules\":[{\"behaviour\":\"waitCompleted\",\"deadline\":\"8h\"}]}", { P("p") },
		DRAIN_WAIT_COMPLETED, CAUSE_RUNNING, false, "8h left", 8 * 3600 },
	{ "waitCompleted has the node's time",
		"{\"deadlines\":{\"node\":\"2h\"},\"rules\":[{\"behaviour\":\"waitCompleted\"}]}",
		{ P("p") }, DRAIN_WAIT_COMPLETED, CAUSE_RUNNING, false, "2h left", 2 * 3600 },
	{ "waitCompleted, too late",
		"{\"rules\":[{\"behaviour\":\"waitCompleted\",\"deadline\":\"1h\"}]}",
		{ N("p"), R, .since_usec = (NOW - 3600) * SEC }, DRAIN_BLOCKED, CAUSE_DEADLINE,
		false, "not completed" },
	{ "waitCompleted, completed",
		"{\"rules\":[{\"behaviour\":\"waitCompleted\",\"deadline\":\"1h\"}]}",
		{ N("p"), NOWISH, .phase = POD_SUCCEEDED }, DRAIN_FINISHED, CAUSE_NONE, true },
	{ "D36 deleteAfter",
		"{\"rules\":[{\"match\":{\"annotations\":{\"k.sh/d\":\"true\"}},\"behaviour\":"
		"\"deleteAfter\",\"deadline\":\"24h\"},{\"behaviour\":\"deleteAfter\",\"deadline\":"
		"\"1h\"}]}",
		{ P("p") }, DRAIN_DELETE_AFTER, CAUSE_RUNNING, false, "1h left" },
	{ "deleteAfter, due", "{\"rules\":[{\"behaviour\":\"deleteAfter\",\"deadline\":\"1h\"}]}",
		{ N("p"), R, .since_usec = (NOW - 3600) * SEC }, DRAIN_DELETE_AFTER, CAUSE_DEADLINE,
		false, "to be deleted" },
	{ "surge", "{\"rules\":[{\"behaviour\":\"surge\"}]}", { P("p"), MANAGED }, DRAIN_BLOCKED,
		CAUSE_SURGE, false },
	{ "D09 denied", "{}",
		{ P("p"), MANAGED, .refusal = &denied, .refused_usec = (NOW - 10) * SEC },
		DRAIN_BLOCKED, CAUSE_SERVER, false, "guard.io", 50 },
	{ "D09 denied a minute ago: asked again", "{}",
		{ P("p"), MANAGED, .refusal = &denied, .refused_usec = (NOW - 60) * SEC },
		DRAIN_BLOCKED, CAUSE_SERVER, true, "guard.io" },
	{ "D13 forbidden", "{}",
		{ P("p"), MANAGED, .refusal = &forbidden, .refused_usec = NOW * SEC },
		DRAIN_BLOCKED, CAUSE_SERVER, false, "may not" },
	{ "D08 failed just now", "{}",
		{ P("p"), MANAGED, .refusal = &failed, .refused_usec = NOW * SEC, .n_refusals = 1 },
		DRAIN_EVICT, CAUSE_RETRY, false, "EOF" },
	{ "D08 failed a second ago", "{}",
		{ P("p"), MANAGED, .refusal = &failed, .refused_usec = (NOW - 1) * SEC,
			.n_refusals = 1 },
		DRAIN_EVICT, CAUSE_NONE, true },
	{ "failed often: longer", "{}",
		{ P("p"), MANAGED, .refusal = &failed, .refused_usec = (NOW - 11) * SEC,
			.n_refusals = 9 },
		DRAIN_EVICT, CAUSE_RETRY, false },
	{ "budget refusals are the ledger's", "{}",
		{ P("p"), MANAGED, .refusal = &busy, .refused_usec = NOW * SEC, .n_refusals = 1 },
		DRAIN_EVICT, CAUSE_NONE, true },
};

static void test_one_pod(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(one_cases); i++) {
		const OneCase *c = &one_cases[i];
		g_autoptr(DrainRules) r = rules(c->rules);
		DrainInput in = {
			.pods = &c->pod, .n_pods = 1, .now_usec = NOW * SEC, .wall_usec = NOW * SEC
		};
		g_autoptr(DrainPlan) p = drain_plan(r, &in);
		const DrainVerdict *v = &p->pods[0];
		g_test_message("%s: %s", c->name, v->text);
		g_assert_cmpint(v->class, ==, c->want);
		g_assert_cmpstr(drain_cause_name(v->cause), ==, drain_cause_name(c->cause));
		g_assert_cmpuint(p->n_take, ==, c->taken);
		g_assert_cmpuint(p->n_blocked, ==, c->want == DRAIN_BLOCKED);
		g_assert_cmpuint(p->n_left, ==, c->want != DRAIN_SKIP && c->want != DRAIN_FINISHED);
		g_assert_true(p->done == (c->want == DRAIN_SKIP));
		g_assert_true(
			v->due == (c->want == DRAIN_DELETE_AFTER && c->cause == CAUSE_DEADLINE));
		g_assert_cmpuint(p->n_due, ==, v->due);
		g_assert_cmpstr(v->text, !=, "");
		if (c->want == DRAIN_BLOCKED)
			g_assert_cmpstr(v->who, !=, "");
		if (c->text)
			g_assert_nonnull(strstr(v->text, c->text));
		if (c->wake_sec)
			g_assert_cmpint((p->next_usec - NOW * SEC) / SEC, ==, c->wake_sec);
	}
}

/* ---- several pods and budgets ---- */

typedef struct World {
	DrainRules *rules;
	Selector *web, *db;
	json_t *web_labels, *db_labels;
	DrainPod pods[8];
	size_t n_pods;
	Budget budgets[2];
	DrainInput in;
} World;

static void world_open(World *w, const char *policy)
{
	*w = (World){ .rules = rules(policy), .web = select_app("web"), .db = select_app("db") };
	w->web_labels = json_pack("{ss}", "app", "web");
	w->db_labels = json_pack("{ss}", "app", "db");
	const char *names[] = { "web", "db" };
	for (size_t i = 0; i < 2; i++)
		w->budgets[i] = (Budget){ .ns = "ns",
			.name = names[i],
			.version = "1",
			.selector = i ? w->db : w->web,
			.has_max = true,
			.max_unavailable = { false, 1 },
			.generation = 1,
			.observed_generation = 1,
			.disruptions_allowed = 1,
			.current_healthy = 3,
			.desired_healthy = 2,
			.expected_pods = 3 };
	w->in = (DrainInput){ .pods = w->pods,
		.budgets = w->budgets,
		.n_budgets = 2,
		.now_usec = NOW * SEC,
		.wall_usec = NOW * SEC };
}

static DrainPod *add(World *w, const char *name, const json_t *labels)
{
	DrainPod *p = &w->pods[w->n_pods++];
	*p = (DrainPod){ P(name), MANAGED, .labels = labels };
	w->in.n_pods = w->n_pods;
	return p;
}

static void world_close(World *w)
{
	drain_rules_free(w->rules);
	selector_free(w->web);
	selector_free(w->db);
	json_decref(w->web_labels);
	json_decref(w->db_labels);
}

/* Names of the pods taken, in order; those that wait follow in brackets with their cause. */
static char *story(World *w)
{
	g_autoptr(DrainPlan) p = drain_plan(w->rules, &w->in);
	GString *out = g_string_new(NULL);
	for (size_t i = 0; i < p->n_take; i++)
		g_string_append_printf(out, "%s ", w->pods[p->take[i]].name);
	for (size_t i = 0; i < p->n_pods; i++) {
		const DrainVerdict *v = &p->pods[i];
		if (v->class == DRAIN_EVICT && v->cause != CAUSE_NONE)
			g_string_append_printf(
				out, "[%s %s]", w->pods[i].name, drain_cause_name(v->cause));
	}
	return g_string_free(out, FALSE);
}

#define ASSERT_STORY(w, want)                                                                      \
	do {                                                                                       \
		g_autofree char *got = story(w);                                                   \
		g_assert_cmpstr(got, ==, want);                                                    \
	} while (0)

static void test_budget(void)
{
	World w;
	world_open(&w, "{}");
	add(&w, "a", w.web_labels);
	add(&w, "b", w.web_labels);
	add(&w, "c", NULL);
	ASSERT_STORY(&w, "a c [b budget]");
	w.budgets[0].disruptions_allowed = 2;
	ASSERT_STORY(&w, "a b c ");
	/* Engine rule 4: what the batch has taken counts. */
	LedgerEviction taken = { .ns = "ns", .budget = "web", .pod = "z", .version = "1" };
	w.in.evictions = &taken;
	w.in.n_evictions = 1;
	ASSERT_STORY(&w, "a c [b budget]");
	w.budgets[0].disruptions_allowed = 0;
	ASSERT_STORY(&w, "c [a budget][b budget]");
	/* An unready pod under AlwaysAllow needs no slot. */
	w.pods[1].ready = false;
	w.budgets[0].unhealthy = UNHEALTHY_ALWAYS_ALLOW;
	ASSERT_STORY(&w, "b c [a budget]");
	world_close(&w);
}

static void test_hardest_first(void)
{
	World w;
	world_open(&w, "{}");
	add(&w, "easy", NULL);
	add(&w, "slow", NULL)->grace_sec = 600;
	add(&w, "db", w.db_labels);
	add(&w, "web-1", w.web_labels);
	add(&w, "web-2", w.web_labels);
	ASSERT_STORY(&w, "web-1 db slow easy [web-2 budget]");
	/* The tighter of two equal chains first. */
	w.budgets[0].disruptions_allowed = 2;
	w.budgets[0].desired_healthy = 1;
	ASSERT_STORY(&w, "db web-1 web-2 slow easy ");
	w.in.max_open = 2;
	ASSERT_STORY(&w, "db web-1 [easy limit][slow limit][web-2 limit]");
	w.in.n_open = 1;
	ASSERT_STORY(&w, "db [easy limit][slow limit][web-1 limit][web-2 limit]");
	w.pods[0].act = POD_OPEN;
	ASSERT_STORY(&w, "[easy asked][slow limit][db limit][web-1 limit][web-2 limit]");
	world_close(&w);
}

static void test_tiers(void)
{
	World w;
	world_open(
		&w, "{\"rules\":[{\"match\":{\"labels\":{\"app\":\"db\"}},\"group\":\"last\"}]}");
	add(&w, "normal", NULL);
	add(&w, "critical", NULL)->priority_class = "system-cluster-critical";
	add(&w, "last-1", w.db_labels);
	add(&w, "last-2", w.db_labels);
	w.budgets[1].disruptions_allowed = 2;
	ASSERT_STORY(&w, "normal [critical tier][last-1 tier][last-2 tier]");
	w.pods[0].act = POD_ACCEPTED;
	ASSERT_STORY(&w, "[normal leaving][critical tier][last-1 tier][last-2 tier]");
	w.pods[0] = (DrainPod){ N("normal"), NOWISH, MANAGED, .phase = POD_SUCCEEDED,
		.act = POD_ACCEPTED };
	ASSERT_STORY(&w, "critical [last-1 tier][last-2 tier]");
	w.pods[1].mirror = true;
	/* Never two of the last group together. */
	ASSERT_STORY(&w, "last-1 [last-2 one at a time]");
	w.pods[2].act = POD_ACCEPTED;
	ASSERT_STORY(&w, "[last-1 leaving][last-2 one at a time]");
	w.pods[2].mirror = true;
	ASSERT_STORY(&w, "last-2 ");
	world_close(&w);
}

static void test_one_at_a_time(void)
{
	World w;
	world_open(&w, "{\"rules\":[{\"match\":{\"ownerKinds\":[\"StatefulSet\"],"
		       "\"storageClasses\":[\"ceph-*\"]},\"oneAtATime\":true}]}");
	static const char *const ceph[] = { "fast", "ceph-rbd" }, *const fast[] = { "fast" };
	for (int i = 0; i < 3; i++) {
		static const char *const names[] = { "s-0", "s-1", "s-2" };
		DrainPod *p = add(&w, names[i], NULL);
		p->owner_kind = "StatefulSet";
		p->storage_classes = i == 2 ? fast : ceph;
		p->n_storage_classes = i == 2 ? 1 : 2;
	}
	ASSERT_STORY(&w, "s-0 s-2 [s-1 one at a time]");
	w.pods[0].deletion_usec = NOW * SEC;
	ASSERT_STORY(&w, "s-2 [s-1 one at a time]");
	world_close(&w);
}

/* D25, D40, rule 19: nobody is evicted for nothing. */
static void test_blocked_first(void)
{
	World w;
	world_open(&w, "{}");
	add(&w, "easy", NULL);
	add(&w, "web", w.web_labels);
	w.budgets[0].max_unavailable = (IntStr){ false, 0 };
	w.budgets[0].disruptions_allowed = 0;
	w.in.kubectl = "kubectl --context x";
	g_autoptr(DrainPlan) p = drain_plan(w.rules, &w.in);
	g_assert_cmpuint(p->n_take, ==, 0);
	g_assert_cmpint(p->pods[1].cause, ==, CAUSE_BUDGET_NEVER);
	g_assert_cmpstr(p->pods[1].who, ==, "the owner of PodDisruptionBudget ns/web");
	g_assert_cmpstr(p->pods[1].command, ==,
		"kubectl --context x -n ns patch pdb web --type merge -p "
		"'{\"spec\":{\"maxUnavailable\":1}}'");
	g_autofree char *text = drain_plan_text(p);
	g_assert_cmpstr(text, ==, "2 pods left: 0 leaving, 1 blocked");
	/* Already accepted: the budget does not call it back. */
	w.pods[1].act = POD_ACCEPTED;
	ASSERT_STORY(&w, "easy [web leaving]");
	/* Two budgets. */
	w.pods[1].act = POD_UNTOUCHED;
	w.budgets[0].max_unavailable.value = 1;
	w.budgets[1].selector = w.web;
	g_autoptr(DrainPlan) q = drain_plan(w.rules, &w.in);
	g_assert_cmpuint(q->n_take, ==, 0);
	g_assert_cmpint(q->pods[1].cause, ==, CAUSE_TWO_BUDGETS);
	world_close(&w);
}

static void test_text(void)
{
	World w;
	world_open(&w, "{}");
	g_autoptr(DrainPlan) none = drain_plan(w.rules, &w.in);
	g_assert_true(none->done);
	g_autofree char *empty = drain_plan_text(none);
	g_assert_cmpstr(empty, ==, "no pods left");
	add(&w, "a", w.web_labels)->act = POD_ACCEPTED;
	add(&w, "b", w.web_labels);
	add(&w, "c", NULL)->refusal = &failed;
	w.pods[2].refused_usec = NOW * SEC;
	w.budgets[0].disruptions_allowed = 0;
	g_autoptr(DrainPlan) p = drain_plan(w.rules, &w.in);
	g_autofree char *text = drain_plan_text(p);
	g_assert_cmpstr(text, ==, "3 pods left: 1 leaving, 2 waiting (budget, retry)");
	g_assert_cmpint(p->next_usec, <=, (NOW + 1) * SEC);
	world_close(&w);
}

/* D34, past the deadline: said, not acted on. */
static void test_deadline(void)
{
	World w;
	world_open(&w, "{\"deadlines\":{\"pod\":\"10m\"}}");
	add(&w, "a", w.web_labels)->since_usec = (NOW - 600) * SEC;
	add(&w, "b", NULL)->since_usec = (NOW - 599) * SEC;
	w.budgets[0].disruptions_allowed = 0;
	g_autoptr(DrainPlan) p = drain_plan(w.rules, &w.in);
	g_assert_true(p->pods[0].past_deadline);
	g_assert_cmpint(p->pods[0].deadline_usec, ==, NOW * SEC);
	g_assert_false(p->pods[1].past_deadline);
	g_assert_cmpuint(p->n_past_deadline, ==, 1);
	g_assert_cmpint(p->next_usec, ==, (NOW + 1) * SEC);
	world_close(&w);
}

/* ---- random worlds ---- */

static void fill_randomly(World *w, GRand *rand)
{
	static const char *const names[] = { "p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7" };
	static const char *const owners[] = { "ReplicaSet", "StatefulSet", "DaemonSet", NULL };
	static const EvictVerdict *const refusals[] = { NULL, NULL, NULL, NULL, &denied, &failed,
		&busy };
	w->n_pods = 0;
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		int kind = g_rand_int_range(rand, 0, 3);
		DrainPod *p = add(w, names[i],
			kind == 0   ? NULL
			: kind == 1 ? w->web_labels
				    : w->db_labels);
		/* Few are unmanaged: one is enough to stop everything. */
		p->owner_kind = owners[g_rand_int_range(rand, 0, 40) == 0 ? 3 : i % 3];
		p->phase = g_rand_int_range(rand, 0, 8) == 0 ? POD_SUCCEEDED : POD_RUNNING;
		p->ready = g_rand_int_range(rand, 0, 4) > 0;
		p->act = (PodAct)sl_max(g_rand_int_range(rand, -4, 3), 0);
		p->deletion_usec = g_rand_int_range(rand, 0, 6) == 0 ? NOW * SEC : 0;
		p->refusal = refusals[g_rand_int_range(rand, 0, G_N_ELEMENTS(refusals))];
		p->refused_usec = (NOW - g_rand_int_range(rand, 0, 100)) * SEC;
		p->priority_class = g_rand_boolean(rand) ? NULL : "system-node-critical";
	}
	for (size_t i = 0; i < 2; i++) {
		w->budgets[i].disruptions_allowed = g_rand_int_range(rand, 0, 4);
		w->budgets[i].max_unavailable.value = g_rand_int_range(rand, 0, 20) > 0;
	}
	w->in.max_open = g_rand_int_range(rand, 0, 5);
	w->in.n_open = g_rand_int_range(rand, 0, 2);
}

static void check_plan(const World *w, const DrainPlan *p)
{
	int taken[3] = { 0 }, n_open = w->in.n_open;
	int tier = -1;
	for (size_t i = 0; i < w->n_pods; i++)
		n_open += w->pods[i].act == POD_OPEN;
	for (size_t i = 0; i < p->n_take; i++) {
		const DrainPod *pod = &w->pods[p->take[i]];
		const DrainVerdict *v = &p->pods[p->take[i]];
		g_assert_cmpint(pod->act, ==, POD_UNTOUCHED);
		g_assert_cmpint(pod->deletion_usec, ==, 0);
		if (p->n_blocked) {
			g_assert_cmpint(v->class, ==, DRAIN_BLOCKED);
			continue;
		}
		g_assert_true(v->class == DRAIN_EVICT || v->class == DRAIN_FINISHED);
		taken[v->budget]++;
		if (v->class == DRAIN_FINISHED)
			continue;
		g_assert_true(tier < 0 || tier == (int)v->tier);
		tier = (int)v->tier;
		g_assert_cmpstr(pod->owner_kind, !=, "DaemonSet");
	}
	for (size_t k = 0; k < 2; k++)
		g_assert_cmpint(taken[k], <=, w->budgets[k].disruptions_allowed);
	if (!p->n_blocked && w->in.max_open && p->n_take)
		g_assert_cmpint(n_open + (int)p->n_take, <=, w->in.max_open);
	g_assert_cmpint(p->next_usec, >, w->in.now_usec);
}

static void test_random(void)
{
	g_autoptr(GRand) rand = g_rand_new_with_seed(5);
	size_t n_taken = 0, n_stopped = 0;
	World w;
	world_open(&w, "{\"rules\":[{\"match\":{\"ownerKinds\":[\"StatefulSet\"]},"
		       "\"oneAtATime\":true}]}");
	for (int round = 0; round < 5000; round++) {
		fill_randomly(&w, rand);
		g_autoptr(DrainPlan) p = drain_plan(w.rules, &w.in);
		g_autoptr(DrainPlan) again = drain_plan(w.rules, &w.in);
		check_plan(&w, p);
		g_assert_cmpmem(p->take, p->n_take * sizeof *p->take, again->take,
			again->n_take * sizeof *again->take);
		n_taken += p->n_take;
		n_stopped += p->n_blocked > 0;
	}
	g_assert_cmpuint(n_taken, >, 1000);
	g_assert_cmpuint(n_stopped, >, 100);
	world_close(&w);
}

/* ---- rules ---- */

static void test_bad_rules(void)
{
	static const struct {
		const char *json, *message;
	} cases[] = {
		{ "{\"onDeadline\":\"panic\"}", "onDeadline: unknown word \"panic\"" },
		{ "{\"onDeadline\":\"force\"}", "onDeadline: force needs consent.force" },
		{ "{\"deadlines\":{\"pod\":\"soon\"}}", "deadlines.pod: no duration like 30m" },
		{ "{\"nodes\":{\"atOnce\":0}}", "nodes.atOnce: not a number from 1 to 1000" },
		{ "{\"nodes\":{\"canary\":\"maybe\"}}", "nodes.canary: unknown word \"maybe\"" },
		{ "{\"rules\":[{},{\"behaviour\":\"kill\"}]}",
			"rules[1]: behaviour: unknown word \"kill\"" },
		{ "{\"rules\":[{\"group\":\"first\"}]}",
			"rules[0]: group: unknown word \"first\"" },
		{ "{\"rules\":[{\"match\":{\"name\":\"x\"}}]}",
			"rules[0]: match.name: unknown field" },
		{ "{\"rules\":[{\"match\":{\"namespaces\":[1]}}]}",
			"rules[0]: match.namespaces: not a list of names" },
		{ "{\"rules\":[{\"match\":{\"labels\":{\"a\":1}}}]}",
			"rules[0]: match.labels: matchLabels.a is not a string" },
		{ "{\"rules\":[{\"deadline\":\"1\"}]}",
			"rules[0]: deadline: no duration like 30m" },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) err = NULL;
		json_t *v = json_loads(cases[i].json, 0, NULL);
		g_assert_null(drain_rules_parse(v, &err));
		g_assert_error(err, SL_ERROR, SL_ERR_INVALID);
		g_assert_cmpstr(err->message, ==, cases[i].message);
		json_decref(v);
	}
}

static void test_uses(void)
{
	static const struct {
		const char *json, *beyond;
		unsigned uses;
	} cases[] = {
		{ "{}", NULL, 0 },
		{ "{\"rules\":[{\"behaviour\":\"skip\"},{\"behaviour\":\"evict\"}]}", NULL, 0 },
		{ "{\"rules\":[{\"behaviour\":\"waitCompleted\"}]}", NULL,
			DRAIN_USES_WAIT_COMPLETED },
		{ "{\"rules\":[{},{\"behaviour\":\"deleteAfter\"}]}", "rules[1]: deleteAfter",
			DRAIN_USES_DELETE_AFTER },
		{ "{\"rules\":[{\"behaviour\":\"surge\"}]}", "rules[0]: surge", DRAIN_USES_SURGE },
		{ "{\"rules\":[{\"group\":\"last\"}]}", "rules[0]: group", DRAIN_USES_GROUPS },
		{ "{\"rules\":[{\"oneAtATime\":true}]}", "rules[0]: oneAtATime",
			DRAIN_USES_ONE_AT_A_TIME },
		{ "{\"nodes\":{\"order\":\"byName\"}}", "nodes.order", 0 },
		{ "{\"nodes\":{\"atOnce\":2}}", "nodes.atOnce", 0 },
		{ "{\"onDeadline\":\"skipNode\"}", "onDeadline: skipNode", 0 },
		{ "{\"consent\":{\"emptyDir\":false}}", "consent.emptyDir: false", 0 },
		{ "{\"consent\":{\"emptyDir\":true},\"onDeadline\":\"hold\"}", NULL, 0 },
		{ "{\"holds\":[{\"name\":\"q\"}]}", NULL, DRAIN_USES_HOLDS },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(DrainRules) r = rules(cases[i].json);
		g_autofree char *beyond = drain_rules_beyond_operator(r);
		g_test_message("%s", cases[i].json);
		g_assert_cmpstr(beyond, ==, cases[i].beyond);
		g_assert_cmpuint(drain_rules_uses(r), ==, cases[i].uses);
	}
	g_autoptr(GError) err = NULL;
	g_autoptr(DrainRules) r = drain_rules_parse(NULL, &err);
	g_assert_no_error(err);
	g_assert_cmpint(r->pod_sec, ==, 1800);
	g_assert_true(r->empty_dir && !r->unmanaged && !r->force && r->hardest_first);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/drain/one-pod", test_one_pod);
	g_test_add_func("/drain/budget", test_budget);
	g_test_add_func("/drain/hardest-first", test_hardest_first);
	g_test_add_func("/drain/tiers", test_tiers);
	g_test_add_func("/drain/one-at-a-time", test_one_at_a_time);
	g_test_add_func("/drain/blocked-first", test_blocked_first);
	g_test_add_func("/drain/text", test_text);
	g_test_add_func("/drain/deadline", test_deadline);
	g_test_add_func("/drain/random", test_random);
	g_test_add_func("/drain/bad-rules", test_bad_rules);
	g_test_add_func("/drain/uses", test_uses);
	return g_test_run();
}
