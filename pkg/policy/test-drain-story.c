/* Whole drains of one node against a small model of a server: pods of one application under one
 * budget, replacements that get ready elsewhere, a budget status that lags, watches that lag more.
 * The planner is asked again with every event, as a step would. */
#include "loop/loop-sim.h"
#include "policy/bound.h"
#include "policy/drain.h"
#include <string.h>

enum {
	PODS_MAX = 250,
	RTT = 4000, /* of a request, microseconds */
	WATCH_LAG = 4000,
	STATUS_LAG = 20000, /* the disruption controller */
};
static const int64_t SEC = 1000000;

typedef struct World World;

typedef struct Pod {
	World *w;
	size_t index;
	char name[16];
	/* at the server */
	bool evicted, gone, replaced;
	/* as the client knows it */
	int64_t deletion_seen;
	bool gone_seen;
	PodAct act;
} Pod;

/* One version of the budget's status on its way to the client. */
typedef struct Status {
	World *w;
	int version, allowed, n_disrupted;
	const char *disrupted[PODS_MAX];
} Status;

struct World {
	LoopSim *sim;
	Loop loop;
	int n, slots;
	int64_t slot_usec, gone_usec;
	bool naive; /* without a ledger */
	Pod pods[PODS_MAX];
	Status server, seen;
	int64_t seen_at;
	LedgerEviction ledger[PODS_MAX];
	size_t n_ledger;
	int requests, refused;
	DrainRules *rules;
	Selector *selector;
	json_t *labels;
	char version[16];
};

static void plan(World *w);

static void at(World *w, int64_t delay, LoopFn *fn, void *ud)
{
	loop_timer(w->loop, loop_boot_usec(w->loop) + delay, fn, ud);
}

/* ---- the server ---- */

static void status_arrives(void *ud)
{
	Status *s = ud;
	World *w = s->w;
	w->seen = *s;
	w->seen_at = loop_boot_usec(w->loop);
	g_free(s);
	plan(w);
}

static void publish(World *w)
{
	w->server.version++;
	Status *s = g_memdup2(&w->server, sizeof w->server);
	s->w = w;
	at(w, WATCH_LAG, status_arrives, s);
}

static void compute_status(void *ud)
{
	World *w = ud;
	int away = 0;
	for (int i = 0; i < w->n; i++)
		away += w->pods[i].evicted && !w->pods[i].replaced;
	w->server.allowed = MAX(w->slots - away, 0);
	w->server.n_disrupted = 0;
	publish(w);
}

static void pod_replaced(void *ud)
{
	Pod *p = ud;
	p->replaced = true;
	at(p->w, STATUS_LAG, compute_status, p->w);
}

static void deletion_arrives(void *ud)
{
	Pod *p = ud;
	p->deletion_seen = loop_boot_usec(p->w->loop);
	plan(p->w);
}

static void gone_arrives(void *ud)
{
	Pod *p = ud;
	p->gone_seen = true;
	plan(p->w);
}

static void pod_gone(void *ud)
{
	Pod *p = ud;
	p->gone = true;
	at(p->w, WATCH_LAG, gone_arrives, p);
}

/* ---- the client ---- */

static LedgerEviction *ledger_of(World *w, const Pod *p)
{
	for (size_t i = 0; i < w->n_ledger; i++)
		if (strcmp(w->ledger[i].pod, p->name) == 0)
			return &w->ledger[i];
	g_assert_not_reached();
}

static void accepted(void *ud)
{
	Pod *p = ud;
	p->act = POD_ACCEPTED;
	ledger_of(p->w, p)->accepted_usec = loop_boot_usec(p->w->loop);
	plan(p->w);
}

static void refused(void *ud)
{
	Pod *p = ud;
	World *w = p->w;
	LedgerEviction *e = ledger_of(w, p);
	*e = w->ledger[--w->n_ledger];
	p->act = POD_UNTOUCHED;
	plan(w);
}

static void eviction_arrives(void *ud)
{
	Pod *p = ud;
	World *w = p->w;
	if (w->server.allowed <= 0) {
		w->refused++;
		at(w, RTT / 2, refused, p);
		return;
	}
	g_assert_false(p->evicted);
	p->evicted = true;
	w->server.allowed--;
	w->server.disrupted[w->server.n_disrupted++] = p->name;
	publish(w);
	at(w, WATCH_LAG, deletion_arrives, p);
	at(w, STATUS_LAG, compute_status, w);
	at(w, w->gone_usec, pod_gone, p);
	at(w, w->slot_usec, pod_replaced, p);
	at(w, RTT / 2, accepted, p);
}

static void send_eviction(World *w, Pod *p)
{
	w->requests++;
	p->act = POD_OPEN;
	w->ledger[w->n_ledger++] = (LedgerEviction){
		.ns = "ns", .budget = "b", .pod = p->name, .uid = p->name, .version = w->version
	};
	at(w, RTT / 2, eviction_arrives, p);
}

static size_t view(World *w, DrainPod *pods, size_t *index)
{
	size_t n = 0;
	for (int i = 0; i < w->n; i++) {
		const Pod *p = &w->pods[i];
		if (p->gone_seen)
			continue;
		index[n] = (size_t)i;
		pods[n++] = (DrainPod){ .ns = "ns",
			.name = p->name,
			.uid = p->name,
			.phase = POD_RUNNING,
			.ready = true,
			.labels = w->labels,
			.deletion_usec = p->deletion_seen,
			.owner_kind = "ReplicaSet",
			.grace_sec = 30,
			.act = p->act };
	}
	size_t kept = 0;
	for (size_t i = 0; i < w->n_ledger; i++) {
		LedgerEviction *e = &w->ledger[i];
		const Pod *p = (const Pod *)(const void *)(e->pod - offsetof(Pod, name));
		e->deletion_seen_usec = p->deletion_seen;
		if (!p->gone_seen || !e->included)
			w->ledger[kept++] = *e;
	}
	w->n_ledger = kept;
	return n;
}

static void plan(World *w)
{
	DrainPod pods[PODS_MAX];
	size_t index[PODS_MAX];
	size_t n = view(w, pods, index);
	g_snprintf(w->version, sizeof w->version, "%d", w->seen.version);
	Budget b = { .ns = "ns",
		.name = "b",
		.version = w->version,
		.selector = w->selector,
		.has_max = true,
		.max_unavailable = { false, w->slots },
		.disruptions_allowed = w->seen.allowed,
		.expected_pods = w->n,
		.current_healthy = w->n,
		.desired_healthy = w->n - w->slots,
		.disrupted = w->seen.disrupted,
		.n_disrupted = (size_t)w->seen.n_disrupted,
		.seen_usec = w->seen_at };
	ledger_observe(&b, w->ledger, w->n_ledger);
	DrainInput in = { .pods = pods,
		.n_pods = n,
		.budgets = &b,
		.n_budgets = 1,
		.evictions = w->ledger,
		.n_evictions = w->naive ? 0 : w->n_ledger,
		.now_usec = loop_boot_usec(w->loop),
		.wall_usec = loop_boot_usec(w->loop) };
	g_autoptr(DrainPlan) p = drain_plan(w->rules, &in);
	for (size_t i = 0; i < p->n_take; i++)
		send_eviction(w, &w->pods[index[p->take[i]]]);
}

static bool is_over(void *ud)
{
	const World *w = ud;
	for (int i = 0; i < w->n; i++)
		if (!w->pods[i].gone_seen)
			return false;
	return true;
}

static double drain(int n, int slots, int slot_sec, bool naive, int *ret_requests, int *ret_refused)
{
	g_autoptr(GError) err = NULL;
	g_autoptr(LoopSim) sim = loop_sim_new(1, 0);
	World *w = g_new0(World, 1);
	w->sim = sim;
	w->loop = loop_sim_loop(sim);
	w->n = n;
	w->slots = w->server.allowed = slots;
	w->slot_usec = slot_sec * SEC;
	w->gone_usec = slot_sec * SEC / 2;
	w->naive = naive;
	w->rules = drain_rules_parse(NULL, &err);
	w->selector = selector_from_query("", &err);
	for (int i = 0; i < n; i++) {
		w->pods[i].w = w;
		g_snprintf(w->pods[i].name, sizeof w->pods[i].name, "p%03d", i);
	}
	int64_t begin = loop_boot_usec(w->loop);
	at(w, 0, compute_status, w);
	g_assert_true(loop_sim_run(sim, is_over, w, begin + 100000 * SEC));
	double took = (double)(loop_boot_usec(w->loop) - begin - WATCH_LAG) / 1e6;
	*ret_requests = w->requests;
	*ret_refused = w->refused;
	while (loop_sim_step(sim)) /* what is still on its way is freed where it arrives */
		;
	drain_rules_free(w->rules);
	selector_free(w->selector);
	g_free(w);
	return took;
}

/* D71, D72: at the bound, and without one request for nothing. */
static void test_grid(void)
{
	static const int pods[] = { 10, 50, 250 }, slot_secs[] = { 1, 6, 30 };
	for (size_t i = 0; i < G_N_ELEMENTS(pods); i++) {
		const int slots[] = { 1, 2, MAX(pods[i] / 10, 1) };
		for (size_t k = 0; k < G_N_ELEMENTS(slots); k++) {
			for (size_t s = 0; s < G_N_ELEMENTS(slot_secs); s++) {
				int requests, refused_n;
				double took = drain(pods[i], slots[k], slot_secs[s], false,
					&requests, &refused_n);
				double slot = slot_secs[s] + STATUS_LAG / 1e6;
				BoundApp app = { pods[i], slots[k], slot, slot_secs[s] / 2.0 };
				double bound = bound_app(&app);
				g_test_message("P %d m %d s %d: %.3f s, bound %.3f s, %d requests",
					pods[i], slots[k], slot_secs[s], took, bound, requests);
				g_assert_cmpfloat(took, <=, 1.02 * bound + 2 * RTT / 1e6);
				g_assert_cmpint(requests, <=, 2 * pods[i] + 20);
				g_assert_cmpint(refused_n, ==, 0);
			}
		}
	}
}

/* The same world without the ledger: what the ledger is for. */
static void test_naive(void)
{
	int requests, refused_n;
	drain(50, 2, 6, true, &requests, &refused_n);
	g_test_message("%d requests, %d refused", requests, refused_n);
	g_assert_cmpint(refused_n, >, 0);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/drain-story/grid", test_grid);
	g_test_add_func("/drain-story/naive", test_naive);
	return g_test_run();
}
