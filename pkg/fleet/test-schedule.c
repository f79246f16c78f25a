/* Which cluster starts next: a table of cases, random fleets against the rules, and the same rules
 * on whole controllers. */
#include "fleet/test-outside.h"

/* ---- the table ---- */

#define P SCHED_PENDING
#define W SCHED_WORK
#define G SCHED_GOOD
#define B SCHED_BAD
enum { HOUR = 3600, MAX_CLUSTERS = 6, MAX_WAVES = 3 };
#define NOW (INT64_C(100) * HOUR * RIG_SEC)
#define AT(hours) (NOW + (hours)*INT64_C(3600) * RIG_SEC)

static const char *const not_a[] = { "a", NULL };
static const char *const not_x[] = { "x", NULL };

typedef struct Case {
	const char *name;
	SchedCluster clusters[MAX_CLUSTERS];
	SchedWave waves[MAX_WAVES];
	SchedCluster other;
	SchedOthers others; /* working: other, when it has a name */
	int stop_after;
	const char *gate, *stopped;
	SchedVerb verb;
	const char *text; /* part of it */
	int64_t until;
} Case;

static const Case cases[] = {
	{ "the first of the first wave", .clusters = { { "a" }, { "b" } }, .text = "a starts" },
	{ "the second waits for the first", .clusters = { { "a", .status = W }, { "b" } },
		.verb = SCHED_WAIT,
		.text = "b waits for its turn: 1 in work, at most 1 at a time" },
	{ "the second starts after the first", .clusters = { { "a", .status = G }, { "b" } },
		.text = "b starts" },
	{ "as listed, not by name", .clusters = { { "z" }, { "b" } }, .text = "z starts" },
	{ "the second wave waits for the first",
		.clusters = { { "a", .status = G }, { "b", .status = W }, { "c", .wave = 1 } },
		.waves = { { .max_concurrent = 3 }, { .max_concurrent = 3 } }, .verb = SCHED_WAIT,
		.text = "wave w0 is in work" },
	{ "the second wave follows", .clusters = { { "a", .status = G }, { "c", .wave = 1 } },
		.text = "c starts" },
	{ "every wave is over",
		.clusters = { { "a", .status = G }, { "c", .wave = 1, .status = G } },
		.verb = SCHED_DONE },
	{ "two at a time", .clusters = { { "a", .status = W }, { "b" }, { "c" } },
		.waves = { { .max_concurrent = 2 } }, .text = "b starts" },
	{ "not three", .clusters = { { "a", .status = W }, { "b", .status = W }, { "c" } },
		.waves = { { .max_concurrent = 2 } }, .verb = SCHED_WAIT,
		.text = "2 in work, at most 2" },
	{ "another run has the slot", .clusters = { { "a" } }, .other = { "x", .status = W },
		.others = { .min_concurrent = 1 }, .verb = SCHED_WAIT,
		.text = "1 in work, at most 1" },
	{ "the smaller of both runs counts, theirs", .clusters = { { "a" } },
		.waves = { { .max_concurrent = 5 } }, .other = { "x", .status = W },
		.others = { .min_concurrent = 1 }, .verb = SCHED_WAIT },
	{ "the smaller of both runs counts, ours", .clusters = { { "a" } },
		.other = { "x", .status = W }, .others = { .min_concurrent = 5 },
		.verb = SCHED_WAIT },
	{ "both runs allow two", .clusters = { { "a" } }, .waves = { { .max_concurrent = 2 } },
		.other = { "x", .status = W }, .others = { .min_concurrent = 2 } },
	{ "notWith, named by the one that waits",
		.clusters = { { "a", .status = W }, { "b", .not_with = not_a } },
		.waves = { { .max_concurrent = 2 } }, .verb = SCHED_WAIT,
		.text = "b waits for a: notWith" },
	{ "notWith, named by the one in work",
		.clusters = { { "b", .status = W, .not_with = not_a }, { "a" } },
		.waves = { { .max_concurrent = 2 } }, .verb = SCHED_WAIT,
		.text = "a waits for b: notWith" },
	{ "notWith across runs", .clusters = { { "a", .not_with = not_x } },
		.waves = { { .max_concurrent = 2 } }, .other = { "x", .status = W },
		.others = { .min_concurrent = 2 }, .verb = SCHED_WAIT,
		.text = "a waits for x: notWith" },
	{ "notWith of one that is done",
		.clusters = { { "a", .status = G }, { "b", .not_with = not_a } },
		.text = "b starts" },
	{ "the order is kept: the next free one does not overtake",
		.clusters = { { "a", .status = W }, { "b", .not_with = not_a }, { "c" } },
		.waves = { { .max_concurrent = 3 } }, .verb = SCHED_WAIT, .text = "b waits for a" },
	{ "an exclusive one waits",
		.clusters = { { "a", .status = W }, { "b", .exclusive = true } },
		.waves = { { .max_concurrent = 2 } }, .verb = SCHED_WAIT,
		.text = "b waits for a: b is exclusive" },
	{ "nothing beside an exclusive one",
		.clusters = { { "a", .status = W, .exclusive = true }, { "b" } },
		.waves = { { .max_concurrent = 2 } }, .verb = SCHED_WAIT,
		.text = "b waits for a: a is exclusive" },
	{ "an exclusive one of another run", .clusters = { { "a" } },
		.waves = { { .max_concurrent = 9 } },
		.other = { "x", .status = W, .exclusive = true }, .others = { .min_concurrent = 9 },
		.verb = SCHED_WAIT, .text = "x is exclusive" },
	{ "failureBudget: below", .clusters = { { "a", .status = B }, { "b" } },
		.waves = { { .failure_budget = 2 } }, .text = "b starts" },
	{ "failureBudget: used up",
		.clusters = { { "a", .status = B }, { "b", .status = B }, { "c" } },
		.waves = { { .failure_budget = 2 } }, .text = "c starts" },
	{ "failureBudget: one too many",
		.clusters = { { "a", .status = B }, { "b", .status = B }, { "c", .status = B },
			{ "d" } },
		.waves = { { .failure_budget = 2 } }, .verb = SCHED_STOPPED,
		.text = "wave w0 stopped: 3 of 4 clusters did not succeed, failureBudget is 2" },
	{ "failureBudget: the default is none", .clusters = { { "a", .status = B }, { "b" } },
		.verb = SCHED_STOPPED, .text = "failureBudget is 0" },
	{ "failureBudget: one of each wave",
		.clusters = { { "a", .status = B }, { "b", .wave = 1, .status = B },
			{ "c", .wave = 1 } },
		.waves = { { .failure_budget = 1 }, { .failure_budget = 1 } }, .text = "c starts" },
	{ "failureBudget: forgiven",
		.clusters = { { "a", .status = B, .forgiven = true }, { "b" } },
		.text = "b starts" },
	{ "failureBudget: forgiven, and the next one",
		.clusters = { { "a", .status = B, .forgiven = true }, { "b", .status = B },
			{ "c" } },
		.verb = SCHED_STOPPED, .text = "1 of 3 clusters" },
	{ "a bad last cluster ends the wave, within its budget",
		.clusters = { { "a", .status = B }, { "c", .wave = 1 } },
		.waves = { { .failure_budget = 1 } }, .text = "c starts" },
	{ "a bad last cluster stops what follows",
		.clusters = { { "a", .status = B }, { "c", .wave = 1 } }, .verb = SCHED_STOPPED },
	{ "bake", .clusters = { { "a", .status = G, .ended_usec = AT(-1) }, { "c", .wave = 1 } },
		.waves = { { .bake_usec = 2 * INT64_C(3600) * RIG_SEC } }, .verb = SCHED_WAIT,
		.text = "wave w0 bakes", .until = AT(1) },
	{ "bake counts from the last one",
		.clusters = { { "a", .status = G, .ended_usec = AT(-9) },
			{ "b", .status = G, .ended_usec = AT(-1) }, { "c", .wave = 1 } },
		.waves = { { .bake_usec = 2 * INT64_C(3600) * RIG_SEC } }, .verb = SCHED_WAIT,
		.until = AT(1) },
	{ "bake is over",
		.clusters = { { "a", .status = G, .ended_usec = AT(-2) }, { "c", .wave = 1 } },
		.waves = { { .bake_usec = 2 * INT64_C(3600) * RIG_SEC } }, .text = "c starts" },
	{ "the last wave bakes too", .clusters = { { "a", .status = G, .ended_usec = AT(-1) } },
		.waves = { { .bake_usec = 2 * INT64_C(3600) * RIG_SEC } }, .verb = SCHED_WAIT,
		.until = AT(1) },
	{ "an approval is wanted", .clusters = { { "a" } },
		.waves = { { .waits_for_approval = true } }, .verb = SCHED_APPROVAL,
		.text = "wave w0 waits for its approval" },
	{ "an approval of the next wave is not wanted yet",
		.clusters = { { "a" }, { "b", .wave = 1 } },
		.waves = { { 0 }, { .waits_for_approval = true } }, .text = "a starts" },
	{ "the approval comes after the bake",
		.clusters = { { "a", .status = G, .ended_usec = AT(-1) }, { "b", .wave = 1 } },
		.waves = { { .bake_usec = 2 * INT64_C(3600) * RIG_SEC },
			{ .waits_for_approval = true } },
		.verb = SCHED_WAIT, .until = AT(1) },
	{ "stopFleetAfter: one less",
		.clusters = { { "a", .status = B, .rolled_back = true }, { "b" } },
		.waves = { { .failure_budget = 9 } }, .stop_after = 2, .text = "b starts" },
	{ "stopFleetAfter: reached",
		.clusters = { { "a", .status = B, .rolled_back = true },
			{ "b", .status = B, .rolled_back = true }, { "c" } },
		.waves = { { .failure_budget = 9 } }, .stop_after = 2, .verb = SCHED_STOPPED,
		.text = "2 rollbacks, stopFleetAfter is 2" },
	{ "stopFleetAfter: one of them forgiven",
		.clusters = { { "a", .status = B, .rolled_back = true, .forgiven = true },
			{ "b", .status = B, .rolled_back = true }, { "c" } },
		.waves = { { .failure_budget = 9 } }, .stop_after = 2, .text = "c starts" },
	{ "stopFleetAfter: over waves",
		.clusters = { { "a", .status = B, .rolled_back = true }, { "c", .wave = 1 } },
		.waves = { { .failure_budget = 1 } }, .verb = SCHED_STOPPED,
		.text = "1 rollback, stopFleetAfter is 1" },
	{ "a halting gate", .clusters = { { "a", .status = W }, { "b" } },
		.waves = { { .max_concurrent = 2 } }, .gate = "a/budgets", .verb = SCHED_STOPPED,
		.text = "gate a/budgets failed and says halt" },
	{ "stopped by Git", .clusters = { { "a" } }, .stopped = "the plan is rolledBack in Git",
		.verb = SCHED_STOPPED, .text = "the plan is rolledBack in Git" },
	{ "stopped by another run", .clusters = { { "a" } },
		.others = { .stopped = "by up#1: 1 rollback" }, .verb = SCHED_STOPPED,
		.text = "by up#1: 1 rollback" },
	{ "what is over stays over", .clusters = { { "a", .status = G } },
		.others = { .stopped = "by up#1: 1 rollback" }, .verb = SCHED_DONE },
};

static SchedDecision decide_case(const Case *c)
{
	static const char *const names[] = { "w0", "w1", "w2" };
	SchedWave waves[MAX_WAVES];
	SchedRun r = { .clusters = c->clusters,
		.waves = waves,
		.n_waves = 1,
		.stop_fleet_after = c->stop_after ? c->stop_after : 1,
		.halting_gate = c->gate,
		.stopped = c->stopped };
	for (; r.n_clusters < MAX_CLUSTERS && c->clusters[r.n_clusters].name; r.n_clusters++)
		r.n_waves = MAX(r.n_waves, c->clusters[r.n_clusters].wave + 1);
	for (size_t i = 0; i < MAX_WAVES; i++) {
		waves[i] = c->waves[i];
		waves[i].name = names[i];
		waves[i].max_concurrent = MAX(waves[i].max_concurrent, 1);
	}
	SchedOthers o = c->others;
	o.working = &c->other;
	o.n_working = c->other.name ? 1 : 0;
	return schedule_next(&r, &o, NOW);
}

static void test_table(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		const Case *c = &cases[i];
		SchedDecision d = decide_case(c);
		g_test_message("%s: %s", c->name, d.text);
		g_assert_cmpint(d.verb, ==, c->verb);
		if (c->text && !strstr(d.text, c->text))
			g_error("%s: \"%s\" says nothing of \"%s\"", c->name, d.text, c->text);
		g_assert_cmpint(d.until_usec, ==, c->until ? c->until : INT64_MAX);
	}
}

/* ---- random walks over two runs, judged by rules written down a second time ---- */

enum { N_WALKS = 1500, WALK_STEPS = 120 };

/* How often over all walks, so that no rule goes untried. */
typedef struct Tally {
	unsigned n_starts, n_after_bake, n_baking, n_approvals, n_approved, n_halted, n_rolled_back,
		n_forgiven;
} Tally;

typedef struct Walk {
	uint64_t rng;
	int64_t now;
	Tally *tally;
	struct {
		SchedCluster clusters[MAX_CLUSTERS];
		SchedWave waves[MAX_WAVES];
		SchedRun r;
		const char *not_with[MAX_CLUSTERS][2];
		char names[MAX_CLUSTERS][8];
	} runs[2];
} Walk;

static unsigned dice(Walk *w, unsigned n)
{
	w->rng ^= w->rng << 13;
	w->rng ^= w->rng >> 7;
	w->rng ^= w->rng << 17;
	return (unsigned)(w->rng % n);
}

static void walk_run(Walk *w, int k)
{
	SchedRun *r = &w->runs[k].r;
	*r = (SchedRun){ .clusters = w->runs[k].clusters,
		.n_clusters = 1 + dice(w, MAX_CLUSTERS),
		.waves = w->runs[k].waves,
		.n_waves = 1 + dice(w, MAX_WAVES),
		.stop_fleet_after = 1 + (int)dice(w, 3) };
	for (size_t i = 0; i < r->n_waves; i++)
		w->runs[k].waves[i] = (SchedWave){ .name = "w",
			.max_concurrent = 1 + (int)dice(w, 3),
			.failure_budget = (int)dice(w, 3),
			.bake_usec = dice(w, 3) ? 0 : AT(1 + dice(w, 3)) - NOW,
			.waits_for_approval = dice(w, 4) == 0 };
	for (size_t i = 0; i < r->n_clusters; i++) {
		g_snprintf(w->runs[k].names[i], 8, "%c%zu", 'a' + k, i);
		bool names_one = dice(w, 3) == 0;
		/* Of its own run or of the other one: only one of the two needs to say so. */
		w->runs[k].not_with[i][0] =
			names_one ? w->runs[dice(w, 2)].names[dice(w, 4)] : NULL;
		w->runs[k].clusters[i] = (SchedCluster){ .name = w->runs[k].names[i],
			.wave = i * r->n_waves / r->n_clusters,
			.exclusive = dice(w, 8) == 0,
			.not_with = w->runs[k].not_with[i] };
	}
}

typedef struct InWork {
	const SchedCluster *c;
	const SchedWave *wave;
} InWork;

static size_t in_work(const Walk *w, InWork *ret)
{
	size_t n = 0;
	for (int k = 0; k < 2; k++)
		for (size_t i = 0; i < w->runs[k].r.n_clusters; i++) {
			const SchedCluster *c = &w->runs[k].clusters[i];
			if (c->status == SCHED_WORK)
				ret[n++] = (InWork){ c, &w->runs[k].waves[c->wave] };
		}
	return n;
}

static void check_pairs(const Walk *w)
{
	InWork all[2 * MAX_CLUSTERS];
	size_t n = in_work(w, all);
	for (size_t i = 0; i < n; i++) {
		g_assert_cmpint((int)n, <=, all[i].wave->max_concurrent);
		g_assert_true(n == 1 || !all[i].c->exclusive);
		for (size_t j = 0; j < n; j++)
			if (i != j)
				g_assert_cmpstr(all[i].c->not_with[0], !=, all[j].c->name);
	}
}

/* Nothing stops the fleet: no gate says halt, no run has had its number of rollbacks. */
static void check_not_stopped(const Walk *w)
{
	for (int run = 0; run < 2; run++) {
		const SchedRun *r = &w->runs[run].r;
		int n_rolled = 0;
		for (size_t i = 0; i < r->n_clusters; i++)
			n_rolled += r->clusters[i].rolled_back && !r->clusters[i].forgiven;
		g_assert_cmpint(n_rolled, <, r->stop_fleet_after);
		g_assert_null(r->halting_gate);
	}
}

/* The run k was allowed to start this cluster. */
static void check_start(const Walk *w, int k, const SchedCluster *c)
{
	const SchedRun *r = &w->runs[k].r;
	int n_bad[MAX_WAVES] = { 0 };
	bool baked = false;
	for (size_t i = 0; i < r->n_clusters; i++) {
		const SchedCluster *o = &r->clusters[i];
		int64_t bake = r->waves[o->wave].bake_usec;
		g_assert_true(o->wave >= c->wave || o->status >= SCHED_GOOD);
		g_assert_true(o >= c || o->status != SCHED_PENDING);
		g_assert_true(o->wave >= c->wave || o->ended_usec + bake <= w->now);
		baked = baked || (o->wave < c->wave && bake > 0);
		n_bad[o->wave] += o->status == SCHED_BAD && !o->forgiven;
	}
	for (size_t i = 0; i <= c->wave; i++)
		g_assert_cmpint(n_bad[i], <=, r->waves[i].failure_budget);
	g_assert_false(r->waves[c->wave].waits_for_approval);
	check_not_stopped(w);
	w->tally->n_after_bake += baked;
}

static SchedOthers others_of_walk(const Walk *w, int k, SchedCluster *working, char *text)
{
	SchedOthers o = { .working = working };
	const SchedRun *r = &w->runs[1 - k].r;
	for (size_t i = 0; i < r->n_clusters; i++) {
		if (r->clusters[i].status != SCHED_WORK)
			continue;
		int max = r->waves[r->clusters[i].wave].max_concurrent;
		o.min_concurrent = o.min_concurrent ? MIN(o.min_concurrent, max) : max;
		working[o.n_working++] = r->clusters[i];
	}
	o.stopped = schedule_stops_fleet(r, text) ? text : NULL;
	return o;
}

static void end_one(Walk *w)
{
	InWork all[2 * MAX_CLUSTERS];
	size_t n = in_work(w, all);
	if (n == 0)
		return;
	SchedCluster *c = (SchedCluster *)all[dice(w, (unsigned)n)].c;
	c->status = dice(w, 3) ? SCHED_GOOD : SCHED_BAD;
	c->rolled_back = c->status == SCHED_BAD && dice(w, 2);
	c->ended_usec = w->now;
	w->tally->n_rolled_back += c->rolled_back;
}

/* A gate begins or ceases to say halt; a person forgives, or approves what was asked. */
static void happen(Walk *w, int k, const SchedDecision *d)
{
	SchedRun *r = &w->runs[k].r;
	if (dice(w, 20) == 0)
		r->halting_gate = r->halting_gate ? NULL : "a/budgets";
	else if (r->halting_gate && dice(w, 4) == 0)
		r->halting_gate = NULL;
	SchedCluster *c = &w->runs[k].clusters[dice(w, (unsigned)r->n_clusters)];
	if (d->verb == SCHED_STOPPED && c->status == SCHED_BAD && dice(w, 2)) {
		c->forgiven = true;
		w->tally->n_forgiven++;
	}
	if (d->verb == SCHED_APPROVAL && dice(w, 2)) {
		g_assert_true(w->runs[k].waves[d->wave].waits_for_approval);
		w->runs[k].waves[d->wave].waits_for_approval = false;
		w->tally->n_approved++;
	}
}

static void walk_step(Walk *w)
{
	int k = (int)dice(w, 2);
	SchedCluster working[MAX_CLUSTERS];
	char text[SCHEDULE_TEXT_MAX];
	SchedOthers o = others_of_walk(w, k, working, text);
	SchedDecision d = schedule_next(&w->runs[k].r, &o, w->now);
	w->tally->n_baking += d.verb == SCHED_WAIT && d.until_usec != INT64_MAX;
	w->tally->n_approvals += d.verb == SCHED_APPROVAL;
	w->tally->n_halted += d.verb == SCHED_STOPPED && strstr(d.text, "says halt");
	if (d.verb == SCHED_START) {
		SchedCluster *c = &w->runs[k].clusters[d.cluster];
		g_assert_cmpint(c->status, ==, SCHED_PENDING);
		check_start(w, k, c);
		c->status = SCHED_WORK;
		w->tally->n_starts++;
		check_pairs(w);
	}
	happen(w, k, &d);
	if (dice(w, 2))
		end_one(w);
	w->now += (int64_t)dice(w, HOUR) * RIG_SEC;
}

static void test_random_walks(void)
{
	Tally t = { 0 };
	for (uint64_t seed = 1; seed <= N_WALKS; seed++) {
		Walk w = { .rng = seed * 0x9e3779b97f4a7c15u + 1, .now = NOW, .tally = &t };
		for (int i = 0; i < 2; i++)
			walk_run(&w, i);
		for (int step = 0; step < WALK_STEPS; step++)
			walk_step(&w);
	}
	g_test_message("%u fleets: %u clusters started, %u after a bake; %u looks while baking, %u "
		       "at an open approval, %u approved, %u at a halting gate; %u rolled back, %u "
		       "forgiven",
		N_WALKS, t.n_starts, t.n_after_bake, t.n_baking, t.n_approvals, t.n_approved,
		t.n_halted, t.n_rolled_back, t.n_forgiven);
	const unsigned often[] = { t.n_starts / 4, t.n_after_bake, t.n_baking, t.n_approvals,
		t.n_approved, t.n_halted, t.n_rolled_back, t.n_forgiven };
	for (size_t i = 0; i < G_N_ELEMENTS(often); i++)
		g_assert_cmpuint(often[i], >, N_WALKS / 3);
}

/* ---- the same rules on whole controllers: what stands on the clusters is asked ---- */

typedef struct World {
	Rig *r;
	const char *not_with[4]; /* of a, b, c, d: one other name, or NULL */
	bool exclusive[4];
	int max[2];
	unsigned most;
} World;

static const char *const four[] = { "a", "b", "c", "d" };
static const char *const fast_gates =
	HEAD("RollbackPolicy", "later") "spec: {stopFleetAfter: 3}\n" HEAD(
		"GatePolicy", "fast") "spec:\n  gates:\n"
				      "    - {name: version, when: [cp-verify, verify], invariant: "
				      "clusterVersion, onFail: rollback}\n"
				      "    - {name: operators, when: [cp-verify, verify, soak], "
				      "invariant: clusterOperators, onFail: "
				      "rollback}\n";

static bool claims_keep_rules(void *ud)
{
	World *w = ud;
	size_t claimed[4], n = 0;
	for (size_t i = 0; i < 4; i++)
		if (outside_claim(w->r, four[i]))
			claimed[n++] = i;
	w->most = MAX(w->most, (unsigned)n);
	for (size_t i = 0; i < n; i++) {
		g_assert_cmpint((int)n, <=, w->max[claimed[i] / 2]);
		g_assert_true(n == 1 || !w->exclusive[claimed[i]]);
		for (size_t j = 0; j < n; j++)
			g_assert_cmpstr(w->not_with[claimed[i]], !=, four[claimed[j]]);
	}
	for (size_t i = 0; i < fleet_n_runs(w->r->fleet); i++)
		if (run_exit_code(fleet_nth_run(w->r->fleet, i), false) == -1)
			return false;
	return fleet_n_runs(w->r->fleet) == 2;
}

static char *world_documents(World *w, int plan)
{
	GString *s = g_string_new(fast_gates);
	for (int i = 2 * plan; i < 2 * plan + 2; i++)
		g_string_append_printf(s, CLUSTER_WITH("%s", "  notWith: [%s]\n  exclusive: %s\n"),
			four[i], four[i], w->not_with[i] ? w->not_with[i] : "",
			w->exclusive[i] ? "true" : "false");
	for (int i = 0; i < 4; i++) /* what notWith names must be there */
		if (i / 2 != plan)
			g_string_append_printf(s, CLUSTER("%s"), four[i], four[i]);
	g_string_append_printf(s,
		PLAN_WITH("p%d",
			"[{name: w, clusters: {names: [%s, %s]}, maxConcurrent: %d, failureBudget: "
			"2, soak: 2m}]",
			"  policies: {gates: fast, rollback: later}\n"),
		plan, four[2 * plan], four[2 * plan + 1], w->max[plan]);
	return g_string_free(s, FALSE);
}

static unsigned whole_fleet(uint64_t seed)
{
	Walk w = { .rng = seed * 0x9e3779b97f4a7c15u + 7 };
	g_autoptr(Rig) r = rig_new(seed);
	World world = { .r = r };
	for (int i = 0; i < 4; i++) {
		unsigned other = dice(&w, 8);
		world.not_with[i] = other < 4 && other != (unsigned)i ? four[other] : NULL;
		world.exclusive[i] = dice(&w, 8) == 0;
		world.max[i / 2] = 1 + (int)dice(&w, 4);
		unsigned fault =
			dice(&w, 5) == 0 ? SIM_FAULT_BIT(SIM_FAULT_OPERATOR_NEVER_AVAILABLE) : 0;
		rig_cluster(r, four[i], fault);
	}
	rig_start(r);
	g_autofree char *first = world_documents(&world, 0), *second = world_documents(&world, 1);
	story_submit(r, first);
	story_pass(r, dice(&w, 1800));
	story_submit(r, second);
	int64_t until = loop_boot_usec(loop_sim_loop(r->loop)) + INT64_C(72) * HOUR * RIG_SEC;
	if (!loop_sim_run(r->loop, claims_keep_rules, &world, until))
		g_error("seed %u: not at rest:\n%s", (unsigned)seed, r->story->str);
	return world.most;
}

static void test_whole_fleets(void)
{
	uint64_t n = g_test_slow() ? 1100 : 8;
	unsigned together = 0;
	for (uint64_t seed = 1; seed <= n; seed++)
		together += whole_fleet(seed) > 1;
	g_test_message("%u fleets, in %u of them two or more at once", (unsigned)n, together);
	g_assert_cmpuint(together, >, 0);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/schedule/table", test_table);
	g_test_add_func("/schedule/random-walks", test_random_walks);
	g_test_add_func("/schedule/whole-fleets", test_whole_fleets);
	return g_test_run();
}
