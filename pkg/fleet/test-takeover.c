/* The host is lost in mid-run: a second controller with no journal, or an older one, refuses, takes
 * over when a person says so, and ends what was begun without a second act. The first one comes
 * back and writes nothing. */
#include "fleet/test-takeover.h"

typedef enum {
	AT_CLAIM,
	AT_BRAKE,
	AT_ORDER,
	AT_CP_SOAK,
	AT_NODES,
	AT_SOAK,
	AT_ROLLBACK,
	AT_BACK,
	AT_N
} At;

typedef enum { JOURNAL_NONE, JOURNAL_BEFORE, JOURNAL_EARLY, JOURNAL_SAME, JOURNAL_N } Which;

static const struct {
	const char *state, *found; /* part of what the person is told */
	const char *outcome, *version;
} points[AT_N] = {
	[AT_CLAIM] = { "baseline", "nothing of the plan was ordered", "Succeeded", NEW },
	[AT_BRAKE] = { "control-plane", "worker pools are braked by us", "Succeeded", NEW },
	[AT_ORDER] = { "control-plane", "is ordered and not done", "Succeeded", NEW },
	[AT_CP_SOAK] = { "cp-soak", "every worker pool is braked by us", "Succeeded", NEW },
	[AT_NODES] = { "nodes", "of the worker pools", "Succeeded", NEW },
	[AT_SOAK] = { "soak", "all is at 4.21.10", "Succeeded", NEW },
	[AT_ROLLBACK] = { "rollback", "the way back from 4.21.10 to 4.21.8", "RolledBack", OLD },
	[AT_BACK] = { "rolled-back", "the way back from 4.21.10 to 4.21.8", "RolledBack", OLD },
};

static bool braked(void *ud)
{
	return outside_paused(ud, "a") > 0;
}

static bool ordered(void *ud)
{
	return strcmp(outside_wanted(ud, "a"), NEW) == 0;
}

static bool ordered_back(void *ud)
{
	return strcmp(outside_wanted(ud, "a"), OLD) == 0;
}

static bool released(void *ud)
{
	return outside_workers_at(ud, "a", NEW) > 0;
}

/* The first controller comes to this point; the journal is copied on the way as Which says. */
static StoreMem *lead_to(Rig *r, Witness *w, At at, Which which)
{
	StoreMem *copy = NULL;
	bool back = at == AT_ROLLBACK || at == AT_BACK;
	seen_reach(r, w, "preflight", NULL);
	if (which == JOURNAL_BEFORE)
		copy = store_mem_copy(r->disk);
	seen_reach(r, w, "baseline", NULL);
	if (which == JOURNAL_EARLY)
		copy = store_mem_copy(r->disk);
	if (back) {
		seen_reach(r, w, "cp-soak", NULL);
		faults_set(r, "a", SIM_FAULT_BIT(SIM_FAULT_ERROR_RATE_RISE));
		seen_reach(r, w, "rollback", NULL);
		faults_set(r, "a", 0);
		seen_until(r, w, ordered_back, r);
	}
	seen_reach(r, w, points[at].state, NULL);
	if (at == AT_BRAKE)
		seen_until(r, w, braked, r);
	if (at == AT_ORDER)
		seen_until(r, w, ordered, r);
	if (at == AT_NODES)
		seen_until(r, w, released, r);
	if (which == JOURNAL_SAME)
		copy = store_mem_copy(r->disk);
	return copy;
}

static char *undisturbed(bool back)
{
	g_autoptr(Rig) r = rig_new(7);
	g_autoptr(Witness) w = witness_new(r);
	rig_cluster(r, "a", 0);
	rig_name(r, "first");
	rig_start(r);
	story_submit(r, ONLY_A);
	lead_to(r, w, back ? AT_BACK : AT_SOAK, JOURNAL_N);
	seen_reach(r, w, "ended", NULL);
	return changes_without_claims(w->changes->str);
}

static void check_found(Rig *b, At at)
{
	const char *told = story_held(b, "a", "takeover");
	if (!told || !strstr(told, points[at].found))
		g_error("not \"%s\" but: %s", points[at].found, told ? told : "nothing");
	g_autoptr(json_t) claim = json_loads(outside_claim(b, "a"), 0, NULL);
	g_assert_cmpstr(json_path_str(claim, "holder", ""), ==, "second");
}

/* The one that was lost is here again, with the whole of its journal: fenced, and it says so. */
static void comes_back(Rig *a, Witness *w, At at)
{
	rig_start(a);
	seen_pass(a, w, 1800);
	const char *held = story_held(a, "a", "claim");
	if (at == AT_SOAK || item_ended(story_item(a, "a")))
		return; /* it only looks, and leaves the claim alone */
	g_assert_nonnull(held);
	g_assert_nonnull(strstr(held, "held by second"));
}

static void one_loss(At at, Which which, const char *want)
{
	g_autoptr(Rig) a = rig_new(7);
	g_autoptr(Witness) w = witness_new(a);
	rig_cluster(a, "a", 0);
	rig_name(a, "first");
	rig_start(a);
	story_submit(a, ONLY_A);
	StoreMem *copy = lead_to(a, w, at, which);
	rig_crash(a);
	Rig *b = second_new(a, "second", copy);
	bool unknown = which == JOURNAL_NONE;
	rig_start(b);
	if (unknown)
		story_submit(b, ONLY_A);
	bool refused = unknown || which == JOURNAL_BEFORE;
	/* All that was left was the undo, which leaves the claim of somebody else alone. */
	bool over = (at == AT_BACK || at == AT_SOAK) && which == JOURNAL_SAME;
	seen_reach(b, w, refused || over ? "ended" : NULL, refused || over ? NULL : "claim");
	g_autofree char *findings = faults_findings(b, "a");
	if (refused)
		g_assert_nonnull(strstr(findings, "shiplock takeover a"));
	g_assert_true(seen_command(b, w, "takeover"));
	seen_reach(b, w, "takeover", "takeover");
	check_found(b, at);
	comes_back(a, w, at);
	g_assert_true(seen_command(b, w, "resume"));
	seen_reach(b, w, "ended", NULL);
	g_assert_cmpstr(story_outcome(b, "a"), ==, points[at].outcome);
	g_assert_cmpstr(outside_version(b, "a"), ==, points[at].version);
	g_assert_null(outside_claim(b, "a"));
	g_assert_cmpuint(outside_paused(b, "a"), ==, 0);
	g_autofree char *changes = changes_without_claims(w->changes->str);
	g_assert_cmpstr(changes, ==, want);
	rig_stop(a);
	second_free(b);
}

static void test_lost(const void *data)
{
	At at = (At)GPOINTER_TO_INT(data);
	g_autofree char *want = undisturbed(at == AT_ROLLBACK || at == AT_BACK);
	g_assert_cmpstr(want, !=, "");
	for (Which which = 0; which < JOURNAL_N; which++) {
		g_test_message("killed in %s, journal %d", points[at].state, (int)which);
		one_loss(at, which, want);
	}
}

/* ---- the ways a takeover goes otherwise ---- */

typedef struct Loss {
	Rig *a, *b;
	Witness *w;
} Loss;

/* The first is killed at this point; the second has an empty journal and was refused. */
static Loss lose(At at)
{
	Loss l = { .a = rig_new(7) };
	l.w = witness_new(l.a);
	rig_cluster(l.a, "a", 0);
	rig_name(l.a, "first");
	rig_start(l.a);
	story_submit(l.a, ONLY_A);
	lead_to(l.a, l.w, at, JOURNAL_N);
	rig_crash(l.a);
	l.b = second_new(l.a, "second", NULL);
	rig_start(l.b);
	story_submit(l.b, ONLY_A);
	seen_reach(l.b, l.w, "ended", NULL);
	g_assert_cmpstr(story_outcome(l.b, "a"), ==, "Refused");
	return l;
}

static void taken_over(Loss *l)
{
	g_assert_true(seen_command(l->b, l->w, "takeover"));
	seen_reach(l->b, l->w, "takeover", "takeover");
}

static void lose_end(Loss *l)
{
	second_free(l->b);
	witness_free(l->w);
	rig_free(l->a);
}

/* Nothing is written while it is held, whatever happens meanwhile. */
static void test_held_writes_nothing(void)
{
	Loss l = lose(AT_CP_SOAK);
	taken_over(&l);
	g_autofree char *before = g_strdup(l.w->changes->str);
	seen_pass(l.b, l.w, 6 * 3600);
	g_assert_cmpstr(before, ==, l.w->changes->str);
	g_assert_nonnull(story_held(l.b, "a", "takeover"));
	lose_end(&l);
}

static void test_abort(void)
{
	Loss l = lose(AT_CP_SOAK);
	taken_over(&l);
	g_assert_true(seen_command(l.b, l.w, "abort"));
	seen_reach(l.b, l.w, "ended", NULL);
	g_assert_cmpstr(story_outcome(l.b, "a"), ==, "Aborted");
	g_assert_null(outside_claim(l.b, "a"));
	g_assert_cmpuint(outside_paused(l.b, "a"), ==, 1); /* the brake stays */
	g_assert_cmpstr(outside_version(l.b, "a"), ==, NEW);
	lose_end(&l);
}

static void test_rollback(void)
{
	static const At at[] = { AT_ORDER, AT_CP_SOAK, AT_NODES };
	for (size_t i = 0; i < G_N_ELEMENTS(at); i++) {
		Loss l = lose(at[i]);
		taken_over(&l);
		g_assert_true(seen_command(l.b, l.w, "rollback"));
		seen_reach(l.b, l.w, "ended", NULL);
		g_assert_cmpstr(story_outcome(l.b, "a"), ==, "RolledBack");
		g_assert_cmpstr(outside_version(l.b, "a"), ==, OLD);
		g_assert_cmpuint(outside_workers_at(l.b, "a", NEW), ==, 0);
		g_assert_null(outside_claim(l.b, "a"));
		lose_end(&l);
	}
}

/* Somebody ordered what the plan does not know: resume looks again and holds again. */
static void test_foreign(void)
{
	Loss l = lose(AT_CLAIM);
	sim_cluster_patch(sim_fleet_find(l.a->world, "a"), SIM_CLUSTERVERSIONS, NULL, "version",
		SIM_SUB_NONE, "kubectl-edit",
		json_pack("{s:{s:{s:s, s:s}}}", "spec", "desiredUpdate", "version", MID, "image",
			"release.sim/foreign"));
	taken_over(&l);
	const char *told = story_held(l.b, "a", "takeover");
	g_assert_nonnull(strstr(told, "asks for 4.21.9, which the plan does not know"));
	g_assert_true(seen_command(l.b, l.w, "resume"));
	seen_pass(l.b, l.w, 600);
	g_assert_nonnull(story_held(l.b, "a", "takeover"));
	g_assert_cmpstr(outside_wanted(l.b, "a"), ==, MID);
	g_assert_true(seen_command(l.b, l.w, "abort"));
	seen_reach(l.b, l.w, "ended", NULL);
	g_assert_cmpstr(outside_wanted(l.b, "a"), ==, MID);
	lose_end(&l);
}

static void ask_for(Rig *r, const char *manager, const char *version)
{
	g_autofree char *image = sim_release_image(version);
	sim_cluster_patch(sim_fleet_find(r->world, "a"), SIM_CLUSTERVERSIONS, NULL, "version",
		SIM_SUB_NONE, manager,
		json_pack("{s:{s:{s:s, s:s}}}", "spec", "desiredUpdate", "version", version,
			"image", image));
}

/* Resume is said to what was shown: what turned round since then is shown first. */
static void test_turned_round(void)
{
	static const struct {
		At at;
		const char *asks_for, *found;
	} cases[] = {
		{ AT_CP_SOAK, OLD, "the way back from 4.21.10 to 4.21.8" },
		{ AT_CLAIM, MID, "asks for 4.21.9, which the plan does not know" },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		Loss l = lose(cases[i].at);
		taken_over(&l);
		ask_for(l.a, "kubectl-edit", cases[i].asks_for);
		seen_pass(l.b, l.w, 60);
		g_assert_true(seen_command(l.b, l.w, "resume"));
		seen_pass(l.b, l.w, 60);
		const char *told = story_held(l.b, "a", "takeover");
		g_assert_nonnull(told);
		g_assert_nonnull(strstr(told, cases[i].found));
		g_assert_cmpstr(story_state(l.b, "a"), ==, "takeover");
		lose_end(&l);
	}
}

/* What went on by itself in the direction that was shown is not asked about again. */
static void test_went_on(void)
{
	Loss l = lose(AT_ORDER);
	taken_over(&l);
	seen_pass(l.b, l.w, 2 * 3600);
	g_assert_cmpstr(outside_version(l.b, "a"), ==, NEW);
	g_assert_nonnull(strstr(story_held(l.b, "a", "takeover"), "is ordered and not done"));
	g_assert_true(seen_command(l.b, l.w, "resume"));
	seen_reach(l.b, l.w, "cp-verify", NULL);
	g_assert_null(story_held(l.b, "a", "takeover"));
	seen_reach(l.b, l.w, "ended", NULL);
	g_assert_cmpstr(story_outcome(l.b, "a"), ==, "Succeeded");
	lose_end(&l);
}

/* One's own claim, no claim, no confirmation, no plan: said, and nothing is written. */
static void test_refused(void)
{
	g_autoptr(Rig) r = faults_begin("a", ONLY_A);
	story_reach(r, "a", "cp-soak", NULL);
	faults_refused(r, "takeover", "a", "nothing to take over");
	faults_refused(r, "takeover", "zz", "no plan in force takes zz");
	FleetCommand c = { .verb = "takeover", .cluster = "a", .who = "ann" };
	g_assert_false(story_give(r, &c));
	g_assert_nonnull(strstr(r->err->message, "name typed to confirm"));
	story_rest(r);
	int64_t first = run_id(item_parent(story_item(r, "a")));
	faults_command(r, "takeover", "a");
	g_assert_cmpint(r->run, >, first);
	story_rest(r);
	faults_ends(r, "a", "Refused");
	g_autofree char *findings = faults_findings(r, "a");
	g_assert_nonnull(strstr(findings, "no claim of another holder"));
	g_assert_null(outside_claim(r, "a"));
}

/* The controller dies at every batch from the takeover to the end of the hold and after. */
typedef struct Deaths {
	Rig *b;
	uint64_t at;
	bool dead;
} Deaths;

static StoreFault die_at(uint64_t n, void *ud)
{
	const Deaths *d = ud;
	return n == d->at ? STORE_FAULT_UNACKNOWLEDGED : STORE_FAULT_NONE;
}

static void die(void *ud)
{
	Deaths *d = ud;
	rig_crash(d->b);
	d->dead = true;
}

static bool is_dead(void *ud)
{
	return ((const Deaths *)ud)->dead;
}

static void test_killed_in_takeover(void)
{
	g_autofree char *want = undisturbed(false);
	for (uint64_t n = 0; n < 12; n++) {
		g_test_message("batch %d after the command", (int)n);
		Loss l = lose(AT_CP_SOAK);
		Deaths d = { .b = l.b, .at = store_mem_batches(l.b->disk) + 1 + n };
		store_mem_set_faults(l.b->disk, die_at, die, &d);
		g_assert_true(seen_command(l.b, l.w, "takeover"));
		seen_until(l.a, l.w, is_dead, &d);
		store_mem_set_faults(l.b->disk, NULL, NULL, NULL);
		rig_start(l.b);
		seen_reach(l.b, l.w, "takeover", "takeover");
		g_assert_true(seen_command(l.b, l.w, "resume"));
		seen_reach(l.b, l.w, "ended", NULL);
		g_assert_cmpstr(story_outcome(l.b, "a"), ==, "Succeeded");
		g_autofree char *changes = changes_without_claims(l.w->changes->str);
		g_assert_cmpstr(changes, ==, want);
		lose_end(&l);
	}
}

/* Status opens with who holds what and what waits for whom. */
static void test_status(void)
{
	g_autoptr(Rig) r = rig_new(7);
	rig_cluster(r, "a", 0);
	rig_cluster(r, "b", 0);
	rig_name(r, "first");
	rig_start(r);
	story_submit(r, BOTH);
	story_reach(r, "a", "cp-soak", NULL);
	g_autoptr(json_t) s = fleet_status(r->fleet);
	g_assert_cmpstr(json_path_str(s, "claims.0.cluster", ""), ==, "a");
	g_assert_cmpstr(json_path_str(s, "claims.0.by", ""), ==, "us");
	g_assert_cmpstr(json_path_str(s, "claims.0.holder", ""), ==, "first");
	g_assert_cmpint(json_path_int(s, "claims.0.epoch", 0), >, 0);
	g_assert_cmpuint(json_array_size(json_object_get(s, "claims")), ==, 1);
	g_assert_cmpstr(json_path_str(s, "waits.0.who", ""), ==, "b");
	g_assert_cmpstr(json_path_str(s, "waits.0.for", ""), ==, "a");
}

/* A cluster that an unknown controller holds stands in status before any run touches it. */
static void test_status_of_others(void)
{
	g_autoptr(Rig) a = rig_new(7);
	g_autoptr(Witness) w = witness_new(a);
	rig_cluster(a, "a", 0);
	rig_name(a, "first");
	rig_start(a);
	story_submit(a, ONLY_A);
	lead_to(a, w, AT_CP_SOAK, JOURNAL_N);
	rig_crash(a);
	Rig *b = second_new(a, "second", NULL);
	b->idle_sec = 60;
	rig_start(b);
	story_git(b, "fleet", "c0ffee", FAST CLUSTER("a") CLUSTER("b") UP(WAVE("[b]"), ""));
	seen_pass(b, w, 300);
	g_autoptr(json_t) s = fleet_status(b->fleet);
	g_assert_cmpstr(json_path_str(s, "claims.0.cluster", ""), ==, "a");
	g_assert_cmpstr(json_path_str(s, "claims.0.by", ""), ==, "other");
	g_assert_cmpstr(json_path_str(s, "claims.0.holder", ""), ==, "first");
	g_autofree char *text = json_canonical(json_object_get(s, "needsYou"));
	g_assert_nonnull(strstr(text, "shiplock takeover a"));
	second_free(b);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	for (int at = 0; at < AT_N; at++) {
		g_autofree char *path =
			g_strdup_printf("/fleet/takeover/lost-%d-%s", at, points[at].state);
		g_test_add_data_func(path, GINT_TO_POINTER(at), test_lost);
	}
	g_test_add_func("/fleet/takeover/held-writes-nothing", test_held_writes_nothing);
	g_test_add_func("/fleet/takeover/abort", test_abort);
	g_test_add_func("/fleet/takeover/rollback", test_rollback);
	g_test_add_func("/fleet/takeover/foreign", test_foreign);
	g_test_add_func("/fleet/takeover/turned-round", test_turned_round);
	g_test_add_func("/fleet/takeover/went-on", test_went_on);
	g_test_add_func("/fleet/takeover/refused", test_refused);
	g_test_add_func("/fleet/takeover/killed-in-takeover", test_killed_in_takeover);
	g_test_add_func("/fleet/takeover/status", test_status);
	g_test_add_func("/fleet/takeover/status-of-others", test_status_of_others);
	return g_test_run();
}
