/* What a command does where: every verb in every state, on the whole controller. */
#include "fleet/test-outside.h"

#define FAST                                                                                       \
	HEAD("GatePolicy", "fast")                                                                 \
	"spec:\n  gates:\n"                                                                        \
	"    - {name: operators, when: [cp-verify, cp-soak, verify, soak], invariant: "            \
	"clusterOperators, onFail: rollback, maySkip: true}\n"                                     \
	"    - {name: errors, when: [cp-soak, soak], onFail: rollback, query: "                    \
	"'sum(rate(haproxy_backend_http_responses_total{code=\"5xx\"}[15m])) / "                   \
	"sum(rate(haproxy_backend_http_responses_total[15m]))', pass: {atMost: 0.01}, fail: "      \
	"{above: 0.05}, count: 3}\n"                                                               \
	"    - {name: alive, when: [cp-soak, soak], invariant: telemetryAlive, onFail: hold}\n"
#define DOCUMENTS                                                                                  \
	FAST CLUSTER("a") CLUSTER("b") PLAN_WITH("up",                                             \
		"[{name: one, clusters: {names: [a, b]}, failureBudget: 9, cpSoak: 30m, "          \
		"soak: 30m}]",                                                                     \
		"  policies: {gates: fast}\n")

typedef enum {
	PENDING, /* b, while a is in work */
	PREFLIGHT,
	CLAIM,
	BASELINE,
	EVACUATE,
	BACKUP,
	CONTROL_PLANE, /* ordered */
	CP_VERIFY,
	CP_SOAK,
	NODES, /* released */
	VERIFY,
	SOAK,
	HELD, /* in cp-soak, by a gate without data */
	ASKED, /* in soak: a rollback after the workers moved is asked for */
	ROLLBACK,
	UP, /* ended: Succeeded */
	BACK, /* ended: RolledBack */
} Where;

static bool ordered(void *ud)
{
	return strcmp(outside_wanted(ud, "a"), "4.21.10") == 0;
}

static bool released(void *ud)
{
	return outside_workers_at(ud, "a", "4.21.10") > 0;
}

static void until(Rig *r, bool (*done)(void *ud))
{
	g_assert_true(loop_sim_run(r->loop, done, r,
		loop_boot_usec(loop_sim_loop(r->loop)) + INT64_C(9) * 3600 * RIG_SEC));
}

static const char *who(Where w)
{
	return w == PENDING ? "b" : "a";
}

/* One request in eight fails: a gate of cp-soak and soak sees it. */
static void fail_requests(Rig *r, bool on)
{
	sim_cluster_set_faults(
		sim_fleet_find(r->world, "a"), on ? SIM_FAULT_BIT(SIM_FAULT_ERROR_RATE_RISE) : 0);
}

static void go_to(Rig *r, Where w)
{
	static const char *const states[] = { [PENDING] = "pending",
		[PREFLIGHT] = "preflight",
		[CLAIM] = "claim",
		[BASELINE] = "baseline",
		[EVACUATE] = "evacuate",
		[BACKUP] = "backup",
		[CONTROL_PLANE] = "control-plane",
		[CP_VERIFY] = "cp-verify",
		[CP_SOAK] = "cp-soak",
		[NODES] = "nodes",
		[VERIFY] = "verify",
		[SOAK] = "soak",
		[HELD] = "cp-soak",
		[ASKED] = "soak",
		[ROLLBACK] = "cp-soak",
		[UP] = "ended",
		[BACK] = "cp-soak" };
	story_reach(r, who(w), states[w], NULL);
	if (w == CONTROL_PLANE)
		until(r, ordered);
	if (w == NODES)
		until(r, released);
	if (w == CP_SOAK || w == SOAK)
		story_pass(r, 300);
	if (w == HELD) {
		sim_cluster_set_faults(
			sim_fleet_find(r->world, "a"), SIM_FAULT_BIT(SIM_FAULT_TELEMETRY_DOWN));
		story_reach(r, "a", "cp-soak", "gate");
	}
	if (w == ASKED || w == ROLLBACK || w == BACK)
		fail_requests(r, true);
	if (w == ASKED)
		story_reach(r, "a", "soak", "rollback-wanted");
	if (w == ROLLBACK || w == BACK)
		story_reach(r, "a", "rollback", NULL);
	if (w == BACK) {
		fail_requests(r, false);
		story_reach(r, "a", "ended", NULL);
	}
}

typedef struct Case {
	Where where;
	const char *verb, *says; /* part of the reply or of the refusal */
	bool refused;
	/* Half an hour later: */
	const char *state, *hold, *outcome, *version, *wanted;
	bool claimed, braked;
	const char *then; /* a second verb, after which all goes its way to: */
	const char *end, *end_version;
} Case;

#define OLD "4.21.8"
#define NEW "4.21.10"
#define STAYS(st) .state = st, .outcome = "", .claimed = true
#define ENDED(o) .state = "ended", .outcome = o

#define REFUSED(w, verb, says)                                                                     \
	{                                                                                          \
		w, verb, says, true, .outcome = "", .claimed = true                                \
	}
#define NOT_HELD "a is not held by anything that a person clears"
/* From the claim to the backup: nothing is ordered yet. */
#define EARLY(w, name, claims)                                                                     \
	{ w, "pause", "a is paused in " name, .state = name, .outcome = "", .claimed = claims,     \
		.version = OLD, .wanted = "", .hold = "pause", .then = "resume",                   \
		.end = "Succeeded", .end_version = NEW },                                          \
		REFUSED(w, "resume", NOT_HELD),                                                    \
		{ w, "abort", "a ends Aborted; every mark of ours is taken away",                  \
			ENDED("Aborted"), .version = OLD, .wanted = "" },                          \
		{ w, "rollback", "a ends Aborted", ENDED("Aborted"), .version = OLD,               \
			.wanted = "" },                                                            \
		REFUSED(w, "retry", "a is still in work (" name ")"),                              \
		REFUSED(w, "skip", "a is in " name ": only a cluster that has not started"),       \
		REFUSED(w, "approve", "a asks nothing that could be approved")
/* The gates before and after the workers: as in a soak. */
#define PROVING(w, name, brake)                                                                    \
	{ w, "pause", "a is paused in " name, STAYS(name), .version = NEW, .hold = "pause",        \
		.braked = brake, .then = "resume", .end = "Succeeded", .end_version = NEW },       \
		REFUSED(w, "resume", NOT_HELD),                                                    \
		{ w, "abort", "the version stays as it is now", ENDED("Aborted"), .version = NEW,  \
			.braked = brake },                                                         \
		{ w, "rollback", "a steps down: T2 to 4.21.8", ENDED("RolledBack"),                \
			.version = OLD },                                                          \
		REFUSED(w, "retry", "a is still in work (" name ")"),                              \
		REFUSED(w, "skip", "a is in " name ": only a cluster that has not started"),       \
		REFUSED(w, "approve", "a asks nothing that could be approved")

static const Case cases[] = {
	EARLY(CLAIM, "claim", false),
	EARLY(BASELINE, "baseline", true),
	EARLY(BACKUP, "backup", true),
	PROVING(CP_VERIFY, "cp-verify", true),
	PROVING(VERIFY, "verify", false),
	{ PREFLIGHT, "resume", NOT_HELD, true, .outcome = "", .claimed = true, .braked = true },
	{ CP_SOAK, "resume", NOT_HELD, true, STAYS("cp-soak"), .version = NEW, .braked = true },

	/* pause: nothing new; what runs there by itself comes to its end */
	{ PENDING, "pause", "b is paused in pending", .outcome = "", .version = OLD,
		.hold = "pause", .then = "resume", .end = "Succeeded", .end_version = NEW },
	{ PREFLIGHT, "pause", "a is paused in preflight", .state = "preflight", .outcome = "",
		.version = OLD, .hold = "pause", .then = "resume", .end = "Succeeded",
		.end_version = NEW },
	{ EVACUATE, "pause", "is paused in", .outcome = "", .claimed = true, .version = OLD,
		.wanted = "", .hold = "pause", .then = "resume", .end = "Succeeded",
		.end_version = NEW },
	{ CONTROL_PLANE, "pause", "a is paused in control-plane", STAYS("control-plane"),
		.version = NEW, .hold = "pause", .braked = true, .then = "resume",
		.end = "Succeeded", .end_version = NEW },
	{ CP_SOAK, "pause", "a is paused in cp-soak", STAYS("cp-soak"), .version = NEW,
		.hold = "pause", .braked = true, .then = "resume", .end = "Succeeded",
		.end_version = NEW },
	{ NODES, "pause", "a is paused in nodes", STAYS("nodes"), .version = NEW, .hold = "pause",
		.then = "resume", .end = "Succeeded", .end_version = NEW },
	{ SOAK, "pause", "a is paused in soak", STAYS("soak"), .version = NEW, .hold = "pause",
		.then = "resume", .end = "Succeeded", .end_version = NEW },
	{ HELD, "pause", "a is paused in cp-soak", STAYS("cp-soak"), .version = NEW,
		.hold = "pause", .braked = true },
	{ ROLLBACK, "pause", "a is paused in rollback", .state = "rollback", .outcome = "",
		.claimed = true, .hold = "pause", .braked = true, .then = "resume",
		.end = "RolledBack", .end_version = OLD },
	{ UP, "pause", "a has ended (Succeeded)", true, ENDED("Succeeded"), .version = NEW },

	/* resume: only what is held */
	{ PENDING, "resume", "b is not held by anything that a person clears", true, .outcome = "",
		.version = OLD },
	{ EVACUATE, "resume", "a is not held by anything that a person clears", true, .outcome = "",
		.claimed = true, .braked = true },
	{ CONTROL_PLANE, "resume", "a is not held", true, .outcome = "", .claimed = true,
		.braked = true },
	{ NODES, "resume", "a is not held", true, .outcome = "", .claimed = true },
	{ SOAK, "resume", "a is not held", true, .outcome = "", .claimed = true },
	{ HELD, "resume", "a is not held by anything that a person clears", true, STAYS("cp-soak"),
		.hold = "gate", .braked = true },
	{ ASKED, "resume", "resume does not change that: shiplock rollback a", true, STAYS("soak"),
		.hold = "rollback-wanted" },

	/* abort */
	{ PENDING, "abort", "b ends Aborted", ENDED("Aborted"), .version = OLD },
	{ PREFLIGHT, "abort", "a ends Aborted", ENDED("Aborted"), .version = OLD },
	{ EVACUATE, "abort", "a ends Aborted; every mark of ours is taken away", ENDED("Aborted"),
		.version = OLD, .wanted = "" },
	{ CONTROL_PLANE, "abort", "Next: shiplock rollback a, or shiplock resume a",
		STAYS("control-plane"), .hold = "abort", .version = NEW, .braked = true,
		.then = "resume", .end = "Succeeded", .end_version = NEW },
	{ CONTROL_PLANE, "abort", "a is stopped in control-plane", STAYS("control-plane"),
		.hold = "abort", .version = NEW, .braked = true, .then = "rollback",
		.end = "RolledBack", .end_version = OLD },
	{ CP_SOAK, "abort", "the version stays as it is now", ENDED("Aborted"), .version = NEW,
		.braked = true },
	{ NODES, "abort", "a is stopped in nodes", STAYS("nodes"), .hold = "abort", .version = NEW,
		.then = "rollback", .end = "RolledBack", .end_version = OLD },
	{ SOAK, "abort", "the version stays as it is now", ENDED("Aborted"), .version = NEW },
	{ HELD, "abort", "a ends Aborted", ENDED("Aborted"), .version = NEW, .braked = true },
	{ ASKED, "abort", "a ends Aborted", ENDED("Aborted"), .version = NEW },
	{ ROLLBACK, "abort", "a is in rollback: it cannot be aborted there", true, .outcome = "",
		.claimed = true, .braked = true },
	{ UP, "abort", "a has ended (Succeeded)", true, ENDED("Succeeded"), .version = NEW },

	/* rollback */
	{ PENDING, "rollback", "b has not started: there is nothing to roll back", true,
		.outcome = "", .version = OLD },
	{ PREFLIGHT, "rollback", "a has not started", true, .outcome = "", .claimed = true,
		.braked = true },
	{ EVACUATE, "rollback", "a ends Aborted", ENDED("Aborted"), .version = OLD },
	{ CONTROL_PLANE, "rollback", "a steps down: T2 to 4.21.8", ENDED("RolledBack"),
		.version = OLD },
	{ CP_SOAK, "rollback", "a steps down: T2 to 4.21.8", ENDED("RolledBack"), .version = OLD },
	{ NODES, "rollback", "a steps down: T2 to 4.21.8", ENDED("RolledBack"), .version = OLD },
	{ SOAK, "rollback", "a steps down: T2 to 4.21.8", ENDED("RolledBack"), .version = OLD },
	{ HELD, "rollback", "a steps down: T2 to 4.21.8", ENDED("RolledBack"), .version = OLD },
	{ ROLLBACK, "rollback", "a is in rollback already", true, .outcome = "", .claimed = true,
		.braked = true },
	{ BACK, "rollback", "a ended RolledBack: there is nothing to roll back", true,
		ENDED("RolledBack"), .version = OLD },

	/* retry: only after the end */
	{ PENDING, "retry", "b is still in work (pending)", true, .outcome = "", .version = OLD },
	{ CONTROL_PLANE, "retry", "a is still in work (control-plane)", true, .outcome = "",
		.claimed = true, .braked = true },
	{ HELD, "retry", "a is still in work (cp-soak)", true, STAYS("cp-soak"), .braked = true },

	/* skip: a cluster before it starts */
	{ PENDING, "skip", "b is left out of this run", ENDED("Skipped"), .version = OLD },
	{ PREFLIGHT, "skip", "a is left out of this run", ENDED("Skipped"), .version = OLD },
	{ EVACUATE, "skip", "only a cluster that has not started can be skipped", true,
		.outcome = "", .claimed = true, .braked = true },
	{ CONTROL_PLANE, "skip", "a is in control-plane: only a cluster that has not started", true,
		.outcome = "", .claimed = true, .braked = true },
	{ NODES, "skip", "a is in nodes: only a cluster", true, .outcome = "", .claimed = true },
	{ SOAK, "skip", "a is in soak: only a cluster", true, .outcome = "", .claimed = true },
	{ ROLLBACK, "skip", "a is in rollback: only a cluster", true, .outcome = "",
		.claimed = true, .braked = true },

	/* approve: only a question */
	{ PENDING, "approve", "b asks nothing that could be approved", true, .outcome = "",
		.version = OLD },
	{ CONTROL_PLANE, "approve", "a asks nothing", true, .outcome = "", .claimed = true,
		.braked = true },
	{ HELD, "approve", "a asks nothing", true, STAYS("cp-soak"), .braked = true },
	{ ASKED, "approve", "a steps down: T2 to 4.21.8", ENDED("RolledBack"), .version = OLD },
};

static void check_after(Rig *r, const Case *c)
{
	const char *name = who(c->where);
	if (c->state)
		g_assert_cmpstr(story_state(r, name), ==, c->state);
	if (c->hold)
		g_assert_nonnull(story_held(r, name, c->hold));
	g_assert_cmpstr(story_outcome(r, name), ==, c->outcome ? c->outcome : "");
	if (c->version)
		g_assert_cmpstr(outside_version(r, name), ==, c->version);
	if (c->wanted)
		g_assert_cmpstr(outside_wanted(r, name), ==, c->wanted);
	g_assert_true((outside_claim(r, name) != NULL) == c->claimed);
	if (c->state && (c->braked || strcmp(c->state, "ended") == 0))
		g_assert_cmpuint(outside_paused(r, name), ==, c->braked);
	g_assert_cmpuint(
		strcmp(c->state ? c->state : "", "ended") == 0 ? outside_cordoned(r, name) : 0, ==,
		0);
}

static void test_case(const void *data)
{
	const Case *c = data;
	g_autoptr(Rig) r = rig_new(7);
	rig_cluster(r, "a", 0);
	rig_cluster(r, "b", 0);
	rig_start(r);
	story_submit(r, DOCUMENTS);
	story_pass(r, 0);
	go_to(r, c->where);
	g_string_append(r->story, "--- now\n");
	bool refused = !story_command(r, c->verb, who(c->where));
	g_test_message("%s in %s: %s", c->verb, story_state(r, who(c->where)),
		refused ? r->err->message : r->says);
	g_assert_true(refused == c->refused);
	if (refused)
		g_assert_cmpint(r->err->code, ==, SL_ERR_REFUSED);
	if (!strstr(refused ? r->err->message : r->says, c->says))
		g_error("\"%s\" says nothing of \"%s\"", refused ? r->err->message : r->says,
			c->says);
	story_pass(r, refused ? 20 : 1750);
	g_test_message("%s", r->story->str);
	check_after(r, c);
	if (!c->then)
		return;
	fail_requests(r, false);
	g_assert_true(story_command(r, c->then, who(c->where)));
	story_reach(r, who(c->where), "ended", NULL);
	g_assert_cmpstr(story_outcome(r, who(c->where)), ==, c->end);
	g_assert_cmpstr(outside_version(r, who(c->where)), ==, c->end_version);
	g_assert_null(outside_claim(r, who(c->where)));
	g_assert_cmpuint(outside_paused(r, who(c->where)), ==, 0);
}

/* ---- what the table does not say ---- */

static const char *const strict = FAST CLUSTER("a") CLUSTER("b")
	PLAN_WITH("up", "[{name: one, clusters: {names: [a, b]}, cpSoak: 30m, soak: 30m}]",
		"  policies: {gates: fast}\n");

static Rig *begin(const char *documents)
{
	Rig *r = rig_new(7);
	rig_cluster(r, "a", 0);
	rig_cluster(r, "b", 0);
	rig_start(r);
	story_submit(r, documents);
	story_pass(r, 0);
	return r;
}

/* Half of the soak is over, then a pause of two hours; the other half is still to come. */
static void soak_clock(Where where, const char *state, const char *verb_of)
{
	g_autoptr(Rig) r = begin(DOCUMENTS);
	go_to(r, where);
	story_pass(r, 600);
	const char *name = strcmp(verb_of, "fleet") == 0 ? NULL : "a";
	g_assert_true(story_command(r, "pause", name));
	story_pass(r, 2 * 3600);
	g_assert_cmpstr(story_state(r, "a"), ==, state);
	g_autoptr(json_t) seen = fleet_cluster(r->fleet, "a");
	g_assert_cmpint(json_path_int(seen, "progress.doneSeconds", 0), <, 1000);
	g_assert_true(story_command(r, "resume", name));
	story_pass(r, 780);
	g_assert_cmpstr(story_state(r, "a"), ==, state);
	story_pass(r, 300);
	g_assert_cmpstr(story_state(r, "a"), !=, state);
}

static void test_soak_clock(void)
{
	soak_clock(CP_SOAK, "cp-soak", "a");
	soak_clock(SOAK, "soak", "a");
	soak_clock(SOAK, "soak", "fleet");
}

/* While paused a failed gate is only noted; who resumes lets the rollback begin. */
static void failed_while_paused(const char *name)
{
	g_autoptr(Rig) r = begin(DOCUMENTS);
	go_to(r, CP_SOAK);
	g_assert_true(story_command(r, "pause", name));
	fail_requests(r, true);
	story_reach(r, "a", "cp-soak", "rollback-wanted");
	const char *text = story_held(r, "a", "rollback-wanted");
	g_assert_nonnull(strstr(text, name ? "paused by ann: test" : "the whole fleet is paused"));
	g_assert_nonnull(strstr(text, "shiplock rollback a, or shiplock resume a"));
	story_pass(r, 3600);
	g_assert_cmpstr(outside_wanted(r, "a"), ==, NEW);
	g_assert_true(story_command(r, "resume", name));
	story_reach(r, "a", "ended", NULL);
	g_assert_cmpstr(story_outcome(r, "a"), ==, "RolledBack");
}

/* Longer than the deadline of the state: that is no verdict about the upgrade. */
static void test_paused_for_long(void)
{
	static const Where states[] = { CONTROL_PLANE, NODES };
	for (size_t i = 0; i < 2 * G_N_ELEMENTS(states); i++) {
		const char *name = i % 2 ? NULL : "a";
		g_autoptr(Rig) r = begin(strict);
		go_to(r, states[i / 2]);
		g_assert_true(story_command(r, "pause", name));
		story_pass(r, 5 * 3600);
		g_assert_true(story_command(r, "resume", name));
		g_assert_cmpint(story_rest(r), ==, 0);
	}
}

static void test_failed_while_paused(void)
{
	failed_while_paused("a");
	failed_while_paused(NULL);
}

static void test_whole_fleet(void)
{
	g_autoptr(Rig) r = begin(DOCUMENTS);
	go_to(r, EVACUATE);
	g_assert_false(story_command(r, "resume", NULL));
	g_assert_cmpstr(r->err->message, ==, "the fleet is neither paused nor stopped");
	g_assert_true(story_command(r, "pause", NULL));
	g_assert_false(story_command(r, "pause", NULL));
	g_assert_cmpstr(r->err->message, ==, "the fleet is paused already");
	g_assert_false(story_command(r, "abort", NULL));
	g_assert_cmpint(r->err->code, ==, SL_ERR_INVALID);
	g_assert_false(story_command(r, "resume", "a"));
	g_assert_nonnull(strstr(r->err->message, "shiplock resume --fleet does"));
	g_assert_true(story_command(r, "pause", "a"));
	g_assert_true(story_command(r, "resume", "a"));
	g_assert_nonnull(strstr(r->says, "a is still held: the whole fleet is paused by ann"));
	story_pass(r, 3600);
	g_assert_cmpstr(outside_wanted(r, "a"), ==, "");
	g_assert_cmpint(fleet_exit_code(r->fleet, r->run, false), ==, 3);
	g_assert_true(story_command(r, "resume", NULL));
	g_assert_cmpint(story_rest(r), ==, 0);
}

/* Stopped between the first brake and the order: nothing was ordered, so there is nothing to ask.
 */
static bool braked(void *ud)
{
	return outside_paused(ud, "a") > 0;
}

static void test_before_the_order(void)
{
	static const struct {
		const char *verb, *outcome;
		unsigned paused;
	} verbs[] = { { "abort", "Aborted", 1 }, { "rollback", "RolledBack", 0 } };
	for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++) {
		g_autoptr(Rig) r = begin(DOCUMENTS);
		until(r, braked);
		g_assert_cmpstr(outside_wanted(r, "a"), ==, "");
		g_assert_true(story_command(r, verbs[i].verb, "a"));
		story_reach(r, "a", "ended", NULL);
		g_assert_cmpstr(story_outcome(r, "a"), ==, verbs[i].outcome);
		g_assert_cmpstr(outside_version(r, "a"), ==, OLD);
		g_assert_null(outside_claim(r, "a"));
		g_assert_cmpuint(outside_paused(r, "a"), ==, verbs[i].paused);
	}
}

static void test_lacking(void)
{
	static const struct {
		FleetCommand c;
		SlErr code;
		const char *text;
	} lacking[] = {
		{ { .verb = "rollback", .cluster = "a" }, SL_ERR_INVALID, "its name typed" },
		{ { .verb = "rollback", .cluster = "a", .confirm = "b" }, SL_ERR_INVALID, "typed" },
		{ { .verb = "skip", .cluster = "b" }, SL_ERR_INVALID, "skip needs a reason" },
		{ { .verb = "pause", .cluster = "x" }, SL_ERR_NOT_FOUND,
			"no run knows a cluster x" },
		{ { .verb = "sink", .cluster = "a" }, SL_ERR_INVALID, "no command for a cluster" },
		{ { .verb = "pause", .cluster = "a", .expect_state = "soak" }, SL_ERR_CONFLICT,
			"not in soak: look again" },
		{ { .verb = "skip", .cluster = "a", .gate = "errors", .reason = "why" },
			SL_ERR_REFUSED, "may not be skipped" },
		{ { .verb = "skip", .cluster = "a", .gate = "none", .reason = "why" },
			SL_ERR_REFUSED, "may not be skipped" },
		{ { .verb = "skip", .cluster = "a", .node = "worker-0", .reason = "why" },
			SL_ERR_REFUSED, "a has no node worker-0 in work" },
	};
	g_autoptr(Rig) r = begin(DOCUMENTS);
	go_to(r, CONTROL_PLANE);
	for (size_t i = 0; i < G_N_ELEMENTS(lacking); i++) {
		FleetCommand c = lacking[i].c;
		c.who = "ann";
		g_assert_false(story_give(r, &c));
		g_test_message("%s", r->err->message);
		g_assert_cmpint(r->err->code, ==, lacking[i].code);
		g_assert_nonnull(strstr(r->err->message, lacking[i].text));
	}
	FleetCommand c = {
		.verb = "skip", .cluster = "a", .who = "ann", .reason = "known", .gate = "operators"
	};
	g_assert_true(story_give(r, &c));
	story_reach(r, "a", "ended", NULL);
	g_assert_cmpstr(story_outcome(r, "a"), ==, "SucceededWithSkips");
}

/* A node that cannot be emptied is left out by name, where the policy allows it. */
#define NODES_MAY_SKIP                                                                             \
	FAST HEAD("DrainPolicy", "skips") "spec: {nodes: {maySkip: true}}\n" CLUSTER("a")          \
		PLAN_WITH("up", "[{name: one, clusters: {names: [a]}, cpSoak: 10m, soak: 10m}]",   \
			"  policies: {gates: fast, drain: skips}\n")

static const Item *node_in_work(Rig *r)
{
	const Item *a = story_item(r, "a");
	for (size_t i = 0; i < item_n_children(a); i++)
		if (item_kind(item_child(a, i)) == &drain_node_kind &&
			!item_ended(item_child(a, i)))
			return item_child(a, i);
	return NULL;
}

static bool drains(void *ud)
{
	return node_in_work(ud) != NULL;
}

/* The person who set the budget to nothing takes that back. */
static void let_pods_go(Rig *r)
{
	SimCluster *a = sim_fleet_find(r->world, "a");
	const SimObj *pdb = sim_store_at(sim_cluster_store(a), SIM_PDBS, 0);
	sim_cluster_set_faults(a, 0);
	sim_cluster_patch(a, SIM_PDBS, pdb->ns, pdb->name, SIM_SUB_NONE, "kubectl-edit",
		json_pack("{s:{s:i}}", "spec", "maxUnavailable", 1));
}

static void test_skip_node(void)
{
	g_autoptr(Rig) r = begin(NODES_MAY_SKIP);
	story_reach(r, "a", "cp-soak", NULL);
	sim_cluster_set_faults(
		sim_fleet_find(r->world, "a"), SIM_FAULT_BIT(SIM_FAULT_PDB_ZERO_LATE));
	until(r, drains);
	story_pass(r, 300);
	const Item *node = node_in_work(r);
	g_assert_nonnull(node); /* no pod may go */
	g_autofree char *name = g_strdup(item_name(node));
	FleetCommand c = { .verb = "skip", .cluster = "a", .who = "ann", .node = name };
	g_assert_false(story_give(r, &c));
	g_assert_cmpint(r->err->code, ==, SL_ERR_INVALID); /* not without a reason */
	c.reason = "its disk is dying";
	g_assert_true(story_give(r, &c));
	g_autofree char *says = g_strdup_printf("node %s of a is left out", name);
	g_assert_cmpstr(r->says, ==, says);
	story_pass(r, 60);
	g_assert_true(item_ended(item_find_child(story_item(r, "a"), name)));
	g_assert_false(story_give(r, &c));
	g_assert_nonnull(strstr(r->err->message, "a has no node"));
	let_pods_go(r);
	g_assert_cmpint(story_rest(r), ==, 0);
	/* Here it was only our help that was left out: the operator drained it after all. */
	g_assert_cmpstr(story_outcome(r, "a"), ==, "Succeeded");
	g_assert_cmpstr(outside_version(r, "a"), ==, NEW);
}

/* A screen that is stale does not act: what was seen is compared, not only the state. */
static void test_stale_screen(void)
{
	g_autoptr(Rig) r = begin(DOCUMENTS);
	go_to(r, CP_SOAK);
	g_autoptr(json_t) seen = fleet_cluster(r->fleet, "a"), status = fleet_status(r->fleet);
	FleetCommand c = { .verb = "rollback",
		.cluster = "a",
		.who = "bob",
		.confirm = "a",
		.expect_state = "cp-soak",
		.expect_seq = json_path_int(seen, "seq", 0) };
	int64_t screen = json_path_int(status, "seq", 0);
	g_assert_cmpint(c.expect_seq, >, 0);
	g_assert_cmpint(c.expect_seq, <=, screen);
	story_pass(r, 300); /* looks and notes are no news */
	g_assert_cmpint(fleet_seq(r->fleet), >, screen);
	g_assert_true(story_command(r, "pause", "a"));
	for (int i = 0; i < 2; i++) { /* as the cluster's entry has it, and as the status has it */
		g_assert_false(story_give(r, &c));
		g_assert_cmpint(r->err->code, ==, SL_ERR_CONFLICT);
		g_assert_nonnull(strstr(r->err->message, "a is not as it was seen, since record "));
		g_assert_nonnull(strstr(r->err->message, "paused by ann: test; look again"));
		c.expect_seq = screen;
	}
	rig_crash(r);
	rig_start(r);
	g_assert_false(story_give(r, &c));
	g_autoptr(json_t) now = fleet_cluster(r->fleet, "a");
	c.expect_seq = json_path_int(now, "seq", 0);
	g_assert_true(story_give(r, &c));
	story_reach(r, "a", "ended", NULL);
	g_assert_cmpstr(story_outcome(r, "a"), ==, "RolledBack");
	FleetCommand all = { .verb = "pause", .who = "bob", .expect_seq = fleet_seq(r->fleet) };
	g_assert_true(story_give(r, &all));
	all.verb = "resume";
	g_assert_false(story_give(r, &all));
	g_assert_nonnull(strstr(r->err->message, "the fleet is not as it was seen"));
}

/* After a rollback the fleet stands until a person says how to go on. */
static void test_resume_after_rollback(void)
{
	g_autoptr(Rig) r = begin(strict);
	go_to(r, BACK);
	g_assert_cmpint(story_rest(r), ==, 4);
	story_pass(r, 2 * 3600);
	g_assert_cmpstr(story_state(r, "b"), ==, "pending");
	g_assert_true(story_command(r, "resume", "b"));
	story_reach(r, "b", "ended", NULL);
	g_assert_cmpstr(story_outcome(r, "b"), ==, "Succeeded");
	g_assert_cmpint(story_rest(r), ==, 4);
	g_assert_cmpuint(fleet_n_runs(r->fleet), ==, 1);
	g_assert_false(run_is_live(fleet_nth_run(r->fleet, 0)));
	g_assert_cmpstr(outside_version(r, "a"), ==, OLD);
}

static void test_retry_after_rollback(void)
{
	g_autoptr(Rig) r = begin(strict);
	go_to(r, BACK);
	g_assert_cmpint(story_rest(r), ==, 4);
	g_assert_true(story_command(r, "retry", "a"));
	r->run = 2;
	g_assert_cmpint(story_rest(r), ==, 0);
	g_assert_cmpstr(outside_version(r, "a"), ==, NEW);
	g_assert_cmpstr(outside_version(r, "b"), ==, NEW);
	g_assert_cmpstr(run_outcome(fleet_nth_run(r->fleet, 0)), ==, "Aborted");
}

/* The gate that holds is skipped, with a reason, where its policy allows it. */
#define SKIPPABLE                                                                                  \
	HEAD("GatePolicy", "fast")                                                                 \
	"spec:\n  gates:\n"                                                                        \
	"    - {name: alive, when: [cp-soak, soak], invariant: telemetryAlive, onFail: hold, "     \
	"maySkip: true}\n" CLUSTER("a")                                                            \
		PLAN_WITH("up", "[{name: one, clusters: {names: [a]}, cpSoak: 30m}]",              \
			"  policies: {gates: fast}\n")

static void test_skip_gate(void)
{
	g_autoptr(Rig) r = begin(SKIPPABLE);
	go_to(r, HELD);
	FleetCommand c = { .verb = "skip", .cluster = "a", .who = "ann", .gate = "alive" };
	g_assert_false(story_give(r, &c));
	g_assert_cmpint(r->err->code, ==, SL_ERR_INVALID);
	c.reason = "telemetry is being moved";
	g_assert_true(story_give(r, &c));
	g_assert_cmpint(story_rest(r), ==, 0);
	g_assert_cmpstr(story_outcome(r, "a"), ==, "SucceededWithSkips");
	g_assert_cmpint(fleet_exit_code(r->fleet, r->run, true), ==, 3);
}

/* A wave that waits for one person's yes. */
static void test_approve_wave(void)
{
	g_autoptr(Rig) r = begin(FAST HEAD("ApprovalPolicy", "one") "spec: {}\n" CLUSTER(
		"a") CLUSTER("b") PLAN_WITH("up",
		"[{name: one, clusters: {names: [a]}}, {name: two, clusters: {names: "
		"[b]}, approval: one}]",
		"  policies: {gates: fast}\n"));
	g_assert_cmpint(story_rest(r), ==, 3);
	story_pass(r, 24 * 3600);
	g_assert_cmpstr(story_outcome(r, "a"), ==, "Succeeded");
	g_assert_cmpstr(story_state(r, "b"), ==, "pending");
	g_assert_false(story_command(r, "approve", "a")); /* the question is about another wave */
	g_assert_cmpstr(story_state(r, "b"), ==, "pending");
	rig_crash(r);
	rig_start(r);
	g_assert_true(story_command(r, "approve", "b"));
	g_assert_cmpstr(r->says, ==, "wave two of up#1 may start");
	g_assert_cmpint(story_rest(r), ==, 0);
	g_assert_cmpstr(outside_version(r, "b"), ==, NEW);
}

/* People paste what is on their screen: the journal, and all that is made from it, does without. */
static void test_no_secret(void)
{
	static const char *const planted[] = { "eyJplanted-token-of-somebody", "planted-in-url",
		"planted-password" };
	static const struct {
		const char *verb, *cluster;
	} orders[] = { { "pause", NULL }, { "resume", NULL }, { "pause", "a" }, { "resume", "a" },
		{ "skip", "a" }, { "rollback", "a" }, { "retry", "a" } };
	g_autoptr(Rig) r = begin(DOCUMENTS);
	go_to(r, CP_SOAK);
	g_autofree char *reason = g_strdup_printf("Bearer %s of https://ann:%s@git.example/x, "
						  "password=%s, told by ben",
		planted[0], planted[1], planted[2]);
	for (size_t i = 0; i < G_N_ELEMENTS(orders); i++) {
		FleetCommand c = { .verb = orders[i].verb,
			.cluster = orders[i].cluster,
			.who = "ann",
			.reason = reason,
			.confirm = "a",
			.gate = strcmp(orders[i].verb, "skip") == 0 ? "operators" : NULL };
		if (strcmp(c.verb, "retry") == 0)
			story_rest(r);
		g_assert_true(story_give(r, &c));
		for (size_t k = 0; k < G_N_ELEMENTS(planted); k++)
			g_assert_null(strstr(r->says, planted[k]));
	}
	size_t n_told = 0;
	for (size_t i = 0; i < store_mem_len(r->disk); i++) {
		const char *body = store_mem_get(r->disk, i)->body;
		n_told += strstr(body, "told by ben") != NULL;
		for (size_t k = 0; k < G_N_ELEMENTS(planted); k++)
			if (strstr(body, planted[k]))
				g_error("%s is in the journal: %s", planted[k], body);
	}
	g_assert_cmpuint(n_told, >=, G_N_ELEMENTS(orders));
}

int main(int argc, char **argv)
{
	static const char *const names[] = { "pending", "preflight", "claim", "baseline",
		"evacuate", "backup", "control-plane", "cp-verify", "cp-soak", "nodes", "verify",
		"soak", "held", "asked", "rollback", "up", "back" };
	g_test_init(&argc, &argv, NULL);
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *path = g_strdup_printf(
			"/command/%s/%s/%zu", cases[i].verb, names[cases[i].where], i);
		g_test_add_data_func(path, &cases[i], test_case);
	}
	g_test_add_func("/command/soak-clock", test_soak_clock);
	g_test_add_func("/command/paused-for-long", test_paused_for_long);
	g_test_add_func("/command/failed-while-paused", test_failed_while_paused);
	g_test_add_func("/command/whole-fleet", test_whole_fleet);
	g_test_add_func("/command/before-the-order", test_before_the_order);
	g_test_add_func("/command/lacking", test_lacking);
	g_test_add_func("/command/no-secret", test_no_secret);
	g_test_add_func("/command/skip-gate", test_skip_gate);
	g_test_add_func("/command/skip-node", test_skip_node);
	g_test_add_func("/command/stale-screen", test_stale_screen);
	g_test_add_func("/command/approve-wave", test_approve_wave);
	g_test_add_func("/command/resume-after-rollback", test_resume_after_rollback);
	g_test_add_func("/command/retry-after-rollback", test_retry_after_rollback);
	return g_test_run();
}
