/* The controller under crashes: two clusters, one goes up and one rolls back, with a fault at every
 * batch and every request, and with random pairs of them. Each run must end as the undisturbed one,
 * with the same ordered list of effective changes, seen in the objects themselves; and no write
 * reaches the second cluster before the first is done. By default a sample; `-m slow`: all, and so
 * in `make check` but for the pairs. */
#include "fleet/test-witness.h"

enum { SAMPLE = 20, PAIRS = 8, PAIRS_SLOW = 3000, RESTART_USEC = 2000000 };

#define GATES                                                                                      \
	HEAD("GatePolicy", "few")                                                                  \
	"spec:\n  gates:\n"                                                                        \
	"    - {name: operators, when: [cp-verify, verify], invariant: clusterOperators}\n"        \
	"    - {name: errors, when: [cp-soak], onFail: rollback, interval: 20s, query: "           \
	"'sum(rate(haproxy_backend_http_responses_total{code=\"5xx\"}[15m])) / "                   \
	"sum(rate(haproxy_backend_http_responses_total[15m]))', pass: {atMost: 0.01}, fail: "      \
	"{above: 0.05}, count: 3}\n"
#define DOCUMENTS(names)                                                                           \
	GATES CLUSTER("a") CLUSTER("b") PLAN_WITH("up",                                            \
		"[{name: one, clusters: {names: " names "}, cpSoak: 1m, soak: 30s}]",              \
		"  policies: {gates: few}\n")

typedef struct Scenario {
	const char *documents, *end; /* how it ends undisturbed */
	unsigned scale; /* at 20 the operator's drains are over before we could help */
	unsigned n_evictions; /* of ours, at least */
	bool git; /* merged, and there again after each restart; else submitted once */
} Scenario;

static const Scenario up_and_back = {
	.documents = DOCUMENTS("[a, b]"),
	.end = "run ended RolledBack, exit 4; a ended Succeeded 4.21.10, 2 of 2 at NEW, claim "
	       "none, "
	       "0 paused, 0 cordoned; b ended RolledBack 4.21.8, 0 of 2 at NEW, claim none, 0 "
	       "paused, 0 cordoned",
	.scale = 20,
};
static const Scenario drains = {
	.documents = DOCUMENTS("[a]"),
	.end = "run ended Succeeded, exit 0; a ended Succeeded 4.21.10, 2 of 2 at NEW, claim none, "
	       "0 "
	       "paused, 0 cordoned",
	.scale = 1,
	.n_evictions = 2,
};

static const Scenario merged = {
	.documents = DOCUMENTS("[a]"),
	.end = "1 runs, run ended Succeeded, exit 0; a ended Succeeded 4.21.10",
	.scale = 20,
	.git = true,
};

typedef struct Fault {
	bool on_request;
	uint64_t at; /* the at-th batch or request, from 0 */
	int kind; /* HttpFault or StoreFault */
} Fault;

typedef struct Trial {
	const Scenario *of;
	Rig *r;
	Fault faults[2];
	size_t n_faults;
	unsigned n_crashes;
	uint64_t n_batches, n_requests; /* over all lives of the process */
	GHashTable *evicted; /* UIDs that an eviction of ours ended */
	GArray *begins; /* size_t: the first record of each batch; NULL: nobody asks */
	char *met[2]; /* the requests that faults met, see name_request() */
	const char *broken;
} Trial;

/* How it ended, and everything that was changed on the way. */
typedef struct End {
	char *changes, *state;
	char *met[2];
	char **batches; /* what each held of those that became durable, see batches_of() */
	uint64_t n_batches, n_requests;
	unsigned n_crashes, n_evicted;
} End;

static void end_clear(End *e)
{
	g_free(e->changes);
	g_free(e->state);
	g_free(e->met[0]);
	g_free(e->met[1]);
	g_strfreev(e->batches);
}

static const Fault *fault_of(Trial *t, bool on_request, uint64_t n)
{
	for (size_t i = 0; i < t->n_faults; i++)
		if (t->faults[i].on_request == on_request && t->faults[i].at == n)
			return &t->faults[i];
	return NULL;
}

/* "read", "claim", or what it writes to. Questions about rights are reads too. */
static char *name_request(const HttpRequest *q)
{
	g_autoptr(json_t) body = json_loadb(q->body ? q->body : "", q->n_body, 0, NULL);
	const json_t *notes = json_path(body, "metadata.annotations");
	if (strcmp(q->method, "GET") == 0 || strstr(q->path, "selfsubjectaccessreviews"))
		return g_strdup("read");
	return json_is_string(json_object_get(notes, "shiplock.dev/claim")) ? g_strdup("claim")
									    : g_strdup(q->path);
}

static HttpFault request_fault(uint64_t n, const HttpRequest *q, void *ud)
{
	Trial *t = ud;
	const Fault *f = fault_of(t, true, t->n_requests++);
	if (!f)
		return HTTP_FAULT_NONE;
	/* two places alike have one fault */
	g_free(t->met[f - t->faults]);
	t->met[f - t->faults] = name_request(q);
	return (HttpFault)f->kind;
}

static StoreFault batch_fault(uint64_t n, void *ud)
{
	Trial *t = ud;
	size_t begin = store_mem_len(t->r->disk);
	if (t->begins)
		g_array_append_val(t->begins, begin);
	const Fault *f = fault_of(t, false, t->n_batches++);
	return f ? (StoreFault)f->kind : STORE_FAULT_NONE;
}

/* What each batch held: "intent claim, note": kinds of records, of acts their rows, of moves where
 * to. */
static char **batches_of(const Trial *t)
{
	GPtrArray *all = g_ptr_array_new();
	for (size_t b = 0; b < t->begins->len; b++) {
		size_t end = b + 1 < t->begins->len ? g_array_index(t->begins, size_t, b + 1)
						    : store_mem_len(t->r->disk);
		GString *s = g_string_new("");
		for (size_t i = g_array_index(t->begins, size_t, b); i < end; i++) {
			const Record *r = store_mem_get(t->r->disk, i);
			g_autoptr(json_t) body = json_loads(r->body, 0, NULL);
			g_string_append_printf(s, "%s%s %s%s", s->len ? ", " : "", r->kind,
				json_path_str(body, "row", ""), json_path_str(body, "to", ""));
		}
		g_ptr_array_add(all, g_strchomp(g_string_free(s, FALSE)));
	}
	g_ptr_array_add(all, NULL);
	return (char **)g_ptr_array_free(all, FALSE);
}

static void restart(void *ud)
{
	Trial *t = ud;
	rig_start(t->r);
	if (t->of->git)
		story_git(t->r, "fleet", "c1", t->of->documents);
	else if (fleet_n_runs(t->r->fleet) == 0) /* it was never heard */
		story_submit(t->r, t->of->documents);
}

static void crash(void *ud)
{
	Trial *t = ud;
	Loop world = loop_sim_loop(t->r->loop);
	if (!t->r->fleet) /* both faults at once */
		return;
	t->n_crashes++;
	rig_crash(t->r);
	loop_timer(world, loop_boot_usec(world) + RESTART_USEC, restart, t);
}

/* Each accepted eviction names the live UID, and none twice. */
static void audit(const SimAudit *a, void *ud)
{
	Trial *t = ud;
	if (!a->changed || !strstr(a->request->path, "/eviction"))
		return;
	g_autoptr(json_t) body = json_loadb(a->request->body, a->request->n_body, 0, NULL);
	const char *uid = json_path_str(body, "deleteOptions.preconditions.uid", "");
	if (!*uid)
		t->broken = "an eviction without a UID";
	else if (!g_hash_table_add(t->evicted, g_strdup(uid)))
		t->broken = "a UID was evicted twice";
}

static bool over(void *ud)
{
	Trial *t = ud;
	return t->r->fleet && fleet_n_runs(t->r->fleet) > 0 &&
	       run_exit_code(fleet_nth_run(t->r->fleet, 0), false) != -1;
}

static char *state_of(Trial *t)
{
	GString *s = g_string_new(NULL);
	static const char *const names[] = { "a", "b" };
	const Item *run = fleet_nth_run(t->r->fleet, 0);
	g_string_append_printf(s, "%zu runs, run %s %s, exit %d", fleet_n_runs(t->r->fleet),
		item_state_name(run), run_outcome(run) ? run_outcome(run) : "",
		run_exit_code(run, false));
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		const Item *c = item_find_child(run, names[i]);
		g_string_append_printf(s,
			"; %s %s %s %s, %u of 2 at NEW, claim %s, %u paused, %u cordoned", names[i],
			c ? item_state_name(c) : "-",
			c && cluster_outcome(c) ? cluster_outcome(c) : "",
			outside_version(t->r, names[i]),
			outside_workers_at(t->r, names[i], "4.21.10"),
			outside_claim(t->r, names[i]) ? "stands" : "none",
			outside_paused(t->r, names[i]), outside_cordoned(t->r, names[i]));
		for (size_t k = 0; c && k < item_n_holds(c); k++)
			g_string_append_printf(s, ", held by %s: %s", item_hold(c, k)->cause,
				item_hold(c, k)->reason);
	}
	return g_string_free(s, FALSE);
}

static void add_cluster(Trial *t, const char *name, unsigned faults)
{
	SimSpec spec = { .world = { .name = name,
				 .version = "4.21.8",
				 .previous = "4.21.7",
				 .n_workers = 2,
				 .n_apps = 2,
				 .n_replicas = 2 },
		.releases = "4.21.10",
		.faults = faults,
		.scale = t->of->scale };
	SimCluster *c = sim_fleet_add(t->r->world, &spec);
	sim_api_set_audit(sim_cluster_api(c), audit, t);
}

static End play(const Scenario *of, const Fault *faults, size_t n)
{
	g_autoptr(Rig) r = rig_new(11);
	Trial t = { .of = of,
		.r = r,
		.n_faults = n,
		.evicted = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL) };
	t.begins = g_array_new(false, false, sizeof(size_t));
	for (size_t i = 0; i < n; i++)
		t.faults[i] = faults[i];
	g_autoptr(Witness) w = witness_new(r);
	w->done = over;
	w->ud = &t;
	add_cluster(&t, "a", 0);
	add_cluster(&t, "b", SIM_FAULT_BIT(SIM_FAULT_ERROR_RATE_RISE));
	http_sim_set_faults(sim_fleet_transport(r->world), request_fault, crash, &t);
	store_mem_set_faults(r->disk, batch_fault, crash, &t);
	restart(&t);
	int64_t until = loop_boot_usec(loop_sim_loop(r->loop)) + INT64_C(24) * 3600 * RIG_SEC;
	bool done = loop_sim_run(r->loop, witness_look, w, until);
	End e = { .changes = g_strdup(w->changes->str),
		.n_batches = t.n_batches,
		.n_requests = t.n_requests,
		.n_crashes = t.n_crashes,
		.n_evicted = g_hash_table_size(t.evicted),
		.met = { t.met[0], t.met[1] },
		.batches = batches_of(&t) };
	g_array_free(t.begins, true);
	e.state = t.broken ? g_strdup(t.broken)
		  : done   ? state_of(&t)
			   : g_strdup_printf("never at rest:\n%s", r->story->str);
	g_hash_table_destroy(t.evicted);
	return e;
}

/* ---- judging ---- */

typedef struct Sum {
	const Scenario *of;
	End calm;
	unsigned n, n_points, n_bad, n_crashes, n_exceptions; /* a pair is two points */
} Sum;

static const char *const request_names[] = { [HTTP_FAULT_NOT_SENT] = "not sent",
	[HTTP_FAULT_LOST] = "lost",
	[HTTP_FAULT_ANSWER_LOST] = "answer lost",
	[HTTP_FAULT_LATE] = "late",
	[HTTP_FAULT_LATE_PAST_TIMEOUT] = "late past the timeout",
	[HTTP_FAULT_500_APPLIED] = "500 though applied",
	[HTTP_FAULT_500] = "500",
	[HTTP_FAULT_CRASH_BEFORE_SEND] = "crash before sending",
	[HTTP_FAULT_CRASH_AFTER_SEND] = "crash after sending",
	[HTTP_FAULT_CRASH_AFTER_ANSWER] = "crash after the answer" };
static const char *const batch_names[] = { [STORE_FAULT_CRASH_BEFORE] = "crash before",
	[STORE_FAULT_LOST] = "lost",
	[STORE_FAULT_UNACKNOWLEDGED] = "unacknowledged",
	[STORE_FAULT_CRASH_AFTER] = "crash after" };

/* The exceptions, by fault and by what it met. Where the claim's own write did not take effect, or
 * nobody knows whether it did, it is taken again under the next epoch: only the epochs differ.
 * Where two reads of one preflight fail for good, it refuses the cluster as unreadable; nothing was
 * written to it then. */
#define KIND(k) (1u << (k))
static const struct {
	bool refuses; /* both faults must be such; else one of them is enough */
	bool on_request;
	const char *met;
	unsigned kinds;
} exceptions[] = {
	{ false, true, "claim",
		KIND(HTTP_FAULT_NOT_SENT) | KIND(HTTP_FAULT_LOST) |
			KIND(HTTP_FAULT_LATE_PAST_TIMEOUT) | KIND(HTTP_FAULT_500) |
			KIND(HTTP_FAULT_CRASH_BEFORE_SEND) },
	{ false, false, "epoch , intent claim", KIND(STORE_FAULT_UNACKNOWLEDGED) },
	/* it dies while the batch of the claim's intent is on its way to the disk */
	{ false, false, "move claim", KIND(STORE_FAULT_CRASH_AFTER) },
	{ true, true, "read",
		KIND(HTTP_FAULT_LOST) | KIND(HTTP_FAULT_LATE_PAST_TIMEOUT) |
			KIND(HTTP_FAULT_ANSWER_LOST) },
};

static bool is_exception(const End *e, const Fault *faults, size_t n, bool refuses)
{
	size_t n_named = 0;
	for (size_t i = 0; i < n; i++) {
		bool named = false;
		const char *met = faults[i].on_request ? e->met[i] : NULL;
		if (!faults[i].on_request && faults[i].at < e->n_batches)
			met = e->batches[faults[i].at];
		for (size_t k = 0; k < G_N_ELEMENTS(exceptions); k++)
			named = named || (exceptions[k].refuses == refuses &&
						 exceptions[k].on_request == faults[i].on_request &&
						 g_strcmp0(exceptions[k].met, met) == 0 &&
						 exceptions[k].kinds & KIND(faults[i].kind));
		n_named += named;
	}
	return refuses ? n_named == 2 : n_named > 0;
}

static void tell_bad(const Sum *s, const End *e, const Fault *faults, size_t n)
{
	g_autoptr(GString) text = g_string_new(NULL);
	for (size_t i = 0; i < n; i++)
		g_string_append_printf(text, "%s %u %s (%s); ",
			faults[i].on_request ? "request" : "batch", (unsigned)faults[i].at,
			faults[i].on_request ? request_names[faults[i].kind]
					     : batch_names[faults[i].kind],
			faults[i].on_request          ? e->met[i]
			: faults[i].at < e->n_batches ? e->batches[faults[i].at]
						      : "");
	g_test_message("BAD %s%s\n%s", text->str, e->state,
		strcmp(e->changes, s->calm.changes) ? e->changes : "same changes");
}

static void judge(Sum *s, const Fault *faults, size_t n)
{
	End e = play(s->of, faults, n);
	g_autofree char *mine = witness_without_epochs(e.changes),
			*calm = witness_without_epochs(s->calm.changes);
	bool like = strcmp(e.state, s->calm.state) == 0 && strcmp(mine, calm) == 0;
	bool same = like && strcmp(e.changes, s->calm.changes) == 0;
	bool refused = strstr(e.state, "ended Refused") && g_str_has_prefix(calm, mine);
	bool excepted = !same && (like || refused) && is_exception(&e, faults, n, refused);
	s->n++;
	s->n_points += (unsigned)n;
	s->n_crashes += e.n_crashes;
	s->n_exceptions += excepted;
	s->n_bad += !same && !excepted;
	if (!same && !excepted)
		tell_bad(s, &e, faults, n);
	end_clear(&e);
}

static Sum begin(const Scenario *of)
{
	Sum s = { .of = of, .calm = play(of, NULL, 0) };
	const char *first_b = strstr(s.calm.changes, "b/"),
		   *last_a = g_strrstr(s.calm.changes, "a/ClusterVersion");
	g_test_message("%u batches, %u requests, %u pods evicted\n%s\n%s",
		(unsigned)s.calm.n_batches, (unsigned)s.calm.n_requests, s.calm.n_evicted,
		s.calm.state, s.calm.changes);
	g_assert_nonnull(strstr(s.calm.state, of->end));
	g_assert_true(last_a && (!first_b || last_a < first_b));
	g_assert_cmpuint(s.calm.n_evicted, >=, of->n_evictions);
	return s;
}

/* The exceptions are at most 2 % of the points; only a sample may hit one or two anyway. */
static void finish(Sum *s)
{
	g_test_message("%u runs, %u crashes, %u exceptions, %u bad", s->n, s->n_crashes,
		s->n_exceptions, s->n_bad);
	unsigned n_allowed = s->n_points / 50;
	g_assert_cmpuint(s->n_exceptions, <=, g_test_slow() ? n_allowed : MAX(n_allowed, 2));
	g_assert_cmpuint(s->n_bad, ==, 0);
	end_clear(&s->calm);
}

/* So that every kind has its turn. */
static uint64_t stride(uint64_t at_least, uint64_t n_kinds)
{
	for (uint64_t s = MAX(at_least, 1);; s++) {
		uint64_t a = s, b = n_kinds;
		while (b) {
			uint64_t rest = a % b;
			a = b;
			b = rest;
		}
		if (a == 1)
			return s;
	}
}

/* Every step-th of all points, a point being a place and a kind. */
static void all_points(const Scenario *of, bool on_request, int first, int last)
{
	Sum s = begin(of);
	uint64_t n_kinds = (uint64_t)(last - first + 1);
	uint64_t n_places = on_request ? s.calm.n_requests : s.calm.n_batches;
	uint64_t step = g_test_slow() ? 1 : stride(n_places * n_kinds / SAMPLE, n_kinds);
	for (uint64_t i = 0; i < n_places * n_kinds; i += step) {
		Fault f = { on_request, i / n_kinds, first + (int)(i % n_kinds) };
		judge(&s, &f, 1);
	}
	g_assert_cmpuint(s.n_crashes, >, 0);
	finish(&s);
}

static void test_batches(const void *of)
{
	all_points(of, false, STORE_FAULT_CRASH_BEFORE, STORE_FAULT_CRASH_AFTER);
}

static void test_requests(const void *of)
{
	all_points(of, true, HTTP_FAULT_NOT_SENT, HTTP_FAULT_CRASH_AFTER_ANSWER);
}

/* ---- aborted at every instant: no mark, no claim once it has ended, brakes only where they stay
 * ---- */

static bool a_over(void *ud)
{
	Trial *t = ud;
	const Item *c = t->r->fleet ? fleet_newest_of(t->r->fleet, "a") : NULL;
	return c && item_ended(c);
}

static void check_aborted(Trial *t, bool asked)
{
	Rig *r = t->r;
	bool back = strcmp(story_outcome(r, "a"), "RolledBack") == 0;
	g_test_message("%s, %s: %u paused", story_outcome(r, "a"), outside_version(r, "a"),
		outside_paused(r, "a"));
	g_assert_null(outside_claim(r, "a"));
	g_assert_cmpuint(outside_cordoned(r, "a"), ==, 0);
	g_assert_cmpstr(outside_version(r, "a"), !=, "(moving)");
	g_assert_true(back == asked);
	if (back)
		g_assert_cmpstr(outside_version(r, "a"), ==, "4.21.8");
	if (back || outside_workers_at(r, "a", "4.21.10") > 0)
		g_assert_cmpuint(outside_paused(r, "a"), ==, 0);
	g_assert_null(t->broken);
}

/* After so many batches of the undisturbed run; where that asks what next, the way is back. */
static void abort_after(uint64_t n_batches)
{
	g_autoptr(Rig) r = rig_new(11);
	Trial t = { .of = &drains,
		.r = r,
		.evicted = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL) };
	add_cluster(&t, "a", 0);
	store_mem_set_faults(r->disk, batch_fault, crash, &t);
	rig_start(r);
	story_submit(r, drains.documents);
	while (t.n_batches < n_batches && loop_sim_step(r->loop))
		;
	bool asked = false;
	const Item *c = fleet_newest_of(r->fleet, "a");
	if (c && !item_ended(c) && story_command(r, "abort", "a")) {
		asked = story_held(r, "a", "abort") != NULL;
		story_pass(r, asked ? 1800 : 0);
		g_assert_true(!asked || story_command(r, "rollback", "a"));
		g_assert_true(loop_sim_run(r->loop, a_over, &t,
			loop_boot_usec(loop_sim_loop(r->loop)) + INT64_C(9) * 3600 * RIG_SEC));
		story_pass(r, 1800);
		check_aborted(&t, asked);
	}
	g_hash_table_destroy(t.evicted);
}

static void test_aborts(void)
{
	Sum s = begin(&drains);
	uint64_t step = g_test_slow() ? 1 : MAX(s.calm.n_batches / 12, 1);
	for (uint64_t n = 0; n < s.calm.n_batches; n += step)
		abort_after(n);
	end_clear(&s.calm);
}

static Fault random_fault(const Sum *s, uint64_t *rng)
{
	*rng = *rng * 6364136223846793005u + 1442695040888963407u;
	uint64_t z = *rng >> 20;
	bool on_request = z & 1;
	uint64_t places = on_request ? s->calm.n_requests : s->calm.n_batches;
	int kinds = on_request ? HTTP_FAULT_CRASH_AFTER_ANSWER : STORE_FAULT_CRASH_AFTER;
	return (Fault){ on_request, (z >> 1) % places, 1 + (int)((z >> 24) % (uint64_t)kinds) };
}

static void test_pairs(void)
{
	Sum s = begin(&up_and_back);
	uint64_t rng = 42;
	for (int i = 0; i < (g_test_slow() ? PAIRS_SLOW : PAIRS); i++) {
		Fault pair[] = { random_fault(&s, &rng), random_fault(&s, &rng) };
		judge(&s, pair, 2);
	}
	finish(&s);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_data_func("/crash-fleet/batches", &up_and_back, test_batches);
	g_test_add_data_func("/crash-fleet/requests", &up_and_back, test_requests);
	g_test_add_data_func("/crash-fleet/drain-batches", &drains, test_batches);
	g_test_add_data_func("/crash-fleet/drain-requests", &drains, test_requests);
	g_test_add_data_func("/crash-fleet/merged-batches", &merged, test_batches);
	g_test_add_func("/crash-fleet/pairs", test_pairs);
	g_test_add_func("/crash-fleet/aborts", test_aborts);
	return g_test_run();
}
