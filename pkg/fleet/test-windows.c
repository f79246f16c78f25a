/* Windows on the whole controller: where the clocks change, a close in mid-drain, what may begin
 * outside, and policies that are pushed while a run goes on. */
#include "fleet/test-gitops.h"
#include "objects/time.h"

#define MONDAY_15 (INT64_C(1790002800) * RIG_SEC)
#define TUESDAY_13 (INT64_C(1790082000) * RIG_SEC)

#define WINDOW(zone, open, more)                                                                   \
	HEAD("WindowPolicy", "w") "spec:\n  timeZone: " zone "\n  open: [" open "]\n" more
#define IN_W(wave, more)                                                                           \
	PLAN_WITH("up", "[{name: one, clusters: {names: [a]}, " wave "}]",                         \
		"  policies: {gates: fast, window: w" more "}\n")
#define MONDAYS                                                                                    \
	"{weekday: monday, start: \"13:00\", end: \"15:00\"}, "                                    \
	"{weekday: tuesday, start: \"13:00\", end: \"15:00\"}"

static int64_t wall(Rig *r)
{
	return loop_wall_usec(loop_sim_loop(r->loop));
}

static int64_t instant(const char *text)
{
	int64_t usec;
	g_assert_true(sl_time_parse(text, &usec));
	return usec;
}

/* ---- where the clocks change ---- */

typedef struct Edge {
	const char *name, *zone, *open; /* start and end of the Sunday of the change */
	const char *begin; /* the world's, before it */
	const char *starts; /* the first cluster is begun then */
	const char *closes; /* no second hop from then on */
} Edge;

#define SUNDAY(start, end) "{weekday: sunday, start: \"" start "\", end: \"" end "\"}"
static const Edge edges[] = {
	/* New York: 2027-03-14 02:00 becomes 03:00; 2026-11-01 02:00 becomes 01:00. */
	{ "New York, spring, start skipped", "America/New_York", SUNDAY("02:30", "03:10"),
		"2027-03-14T05:00:00Z", "2027-03-14T07:00:00Z", "2027-03-14T07:10:00Z" },
	{ "New York, spring, an hour less", "America/New_York", SUNDAY("01:30", "03:10"),
		"2027-03-14T05:00:00Z", "2027-03-14T06:30:00Z", "2027-03-14T07:10:00Z" },
	{ "New York, autumn, start twice", "America/New_York", SUNDAY("01:30", "02:10"),
		"2026-11-01T04:00:00Z", "2026-11-01T05:30:00Z", "2026-11-01T07:10:00Z" },
	{ "New York, autumn, end twice", "America/New_York", SUNDAY("00:50", "01:10"),
		"2026-11-01T04:00:00Z", "2026-11-01T04:50:00Z", "2026-11-01T06:10:00Z" },
	/* Sydney: 2026-10-04 02:00 becomes 03:00; 2027-04-04 03:00 becomes 02:00. */
	{ "Sydney, spring, start skipped", "Australia/Sydney", SUNDAY("02:30", "03:10"),
		"2026-10-03T14:00:00Z", "2026-10-03T16:00:00Z", "2026-10-03T16:10:00Z" },
	{ "Sydney, spring, an hour less", "Australia/Sydney", SUNDAY("01:30", "03:10"),
		"2026-10-03T14:00:00Z", "2026-10-03T15:30:00Z", "2026-10-03T16:10:00Z" },
	{ "Sydney, autumn, start twice", "Australia/Sydney", SUNDAY("02:30", "03:10"),
		"2027-04-03T14:00:00Z", "2027-04-03T15:30:00Z", "2027-04-03T17:10:00Z" },
	{ "Sydney, autumn, end twice", "Australia/Sydney", SUNDAY("01:50", "02:10"),
		"2027-04-03T14:00:00Z", "2027-04-03T14:50:00Z", "2027-04-03T16:10:00Z" },
};

static bool started(void *ud)
{
	const Item *c = fleet_newest_of(((Rig *)ud)->fleet, "a");
	return c && item_state(c) != CL_PENDING;
}

static bool is_open(Rig *r)
{
	int64_t until = INT64_MAX;
	g_autofree char *text = NULL;
	return cluster_window_open(story_item(r, "a"), WORK_HOP, &until, &text);
}

static void test_edges(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(edges); i++) {
		const Edge *e = &edges[i];
		g_test_message("%s", e->name);
		g_autoptr(Rig) r = rig_new_at(7, instant(e->begin));
		rig_cluster(r, "a", 0);
		rig_start(r);
		g_autofree char *yaml = g_strdup_printf(
			FAST CLUSTER("a") "%s  timeZone: %s\n  open: [%s]\n" IN_W(SOAKS, ""),
			HEAD("WindowPolicy", "w") "spec:\n", e->zone, e->open);
		story_submit(r, yaml);
		faults_until(r, started, r, 12);
		g_autofree char *at = sl_time_format(wall(r));
		g_assert_cmpstr(at, ==, e->starts);
		faults_pass(r, (instant(e->closes) - wall(r)) / RIG_SEC - 1);
		g_assert_true(is_open(r));
		faults_pass(r, 2);
		g_assert_false(is_open(r));
	}
}

/* ---- a close in mid-drain ---- */

static bool one_cordoned(void *ud)
{
	const Item *c = fleet_newest_of(((Rig *)ud)->fleet, "a");
	return c && item_state(c) == CL_NODES && outside_cordoned(ud, "a") > 0;
}

/* When a node was cordoned last, as seen from outside. */
typedef struct Cordons {
	Rig *r;
	unsigned n;
	int64_t last_wall;
} Cordons;

static bool held_by_window(void *ud)
{
	Cordons *c = ud;
	unsigned n = outside_cordoned(c->r, "a");
	if (n > c->n)
		c->last_wall = wall(c->r);
	c->n = n;
	return item_find_hold(story_item(c->r, "a"), "window") != NULL;
}

/* Nodes that we help to empty right now. */
static int draining(Rig *r)
{
	const Item *c = story_item(r, "a");
	int n = 0;
	for (size_t i = 0; i < item_n_children(c); i++)
		n += !item_ended(item_child(c, i));
	return n;
}

static void test_mid_drain(void)
{
	/* The pods of the node take their time: the drain is under way at 15:00. */
	g_autoptr(Rig) r = faults_begin("a",
		FAST WINDOW("UTC", MONDAYS, "") CLUSTER("a") IN_W("cpSoak: 34m, soak: 30m", ""));
	faults_until(r, one_cordoned, r, 5);
	g_assert_cmpint(wall(r), <, MONDAY_15);
	g_test_message("cordoned %d s before the close", (int)((MONDAY_15 - wall(r)) / RIG_SEC));
	g_assert_cmpint(wall(r), >, MONDAY_15 - 90 * RIG_SEC);
	Cordons c = { .r = r, .n = 1 };
	faults_pass(r, (MONDAY_15 - wall(r)) / RIG_SEC);
	g_assert_cmpint(draining(r), ==, 1);
	faults_until(r, held_by_window, &c, 5);
	g_assert_cmpint(wall(r), >, MONDAY_15);
	g_assert_cmpint(c.last_wall, <, MONDAY_15 + 5 * RIG_SEC);
	unsigned done = outside_workers_at(r, "a", NEW);
	g_assert_cmpuint(done, >=, 1);
	g_assert_cmpuint(done, <, 3);
	g_assert_cmpuint(outside_cordoned(r, "a"), ==, 0);
	g_assert_cmpuint(outside_paused(r, "a"), ==, 1);
	g_assert_nonnull(strstr(story_held(r, "a", "window"), "opens Tue 2026-09-22 13:00 UTC"));
	g_autoptr(json_t) why = fleet_why(r->fleet, "a", NULL);
	g_assert_cmpstr(json_path_str(why, "goesOn", ""), ==,
		"by itself, at the next opening of its window");
	g_assert_cmpuint(faults_needs(r), ==, 0);
	rig_crash(r);
	rig_start(r);
	faults_pass(r, 12 * 3600);
	g_assert_cmpuint(outside_workers_at(r, "a", NEW), ==, done);
	c.n = 0;
	faults_until(r, one_cordoned, r, 24);
	g_assert_cmpint(wall(r), >=, TUESDAY_13);
	g_assert_cmpint(wall(r), <, TUESDAY_13 + 60 * RIG_SEC);
	faults_ends(r, "a", "Succeeded");
	g_assert_cmpuint(outside_workers_at(r, "a", NEW), ==, 3);
	g_assert_cmpuint(outside_paused(r, "a"), ==, 0);
}

/* The controller dies around the close: the operator is stopped as soon as one is up again. */
static void test_mid_drain_crash(void)
{
	for (int after = -2; after < 60; after += 5) {
		g_autoptr(Rig) r = faults_begin("a", FAST WINDOW("UTC", MONDAYS, "") CLUSTER("a")
							     IN_W("cpSoak: 34m, soak: 30m", ""));
		faults_until(r, one_cordoned, r, 5);
		faults_pass(r, (MONDAY_15 - wall(r)) / RIG_SEC + after);
		rig_crash(r);
		faults_pass(r, 5);
		rig_start(r);
		story_reach(r, "a", "nodes", "window");
		unsigned done = outside_workers_at(r, "a", NEW);
		g_assert_cmpuint(done, >=, 1);
		g_assert_cmpuint(done, <, 3);
		g_assert_cmpuint(outside_cordoned(r, "a"), ==, 0);
		g_assert_cmpuint(outside_paused(r, "a"), ==, 1);
		faults_pass(r, 3600);
		g_assert_cmpuint(outside_workers_at(r, "a", NEW), ==, done);
		faults_ends(r, "a", "Succeeded");
		g_assert_cmpuint(outside_workers_at(r, "a", NEW), ==, 3);
		g_assert_cmpuint(outside_paused(r, "a"), ==, 0);
	}
}

/* ---- the way back outside the window ---- */

#define NOT_OUTSIDE                                                                                \
	FAST WINDOW("UTC", MONDAYS, "  atClose: finish\n  rollbackOutside: false\n") CLUSTER("a")  \
		IN_W("cpSoak: 2h, soak: 30m", "")
#define OUTSIDE                                                                                    \
	FAST WINDOW("UTC", MONDAYS, "  atClose: finish\n") CLUSTER("a")                            \
		IN_W("cpSoak: 2h, soak: 30m", "")

/* In cp-soak, at 15:30. */
static Rig *late(const char *yaml)
{
	Rig *r = faults_begin("a", yaml);
	story_reach(r, "a", "cp-soak", NULL);
	faults_pass(r, (MONDAY_15 - wall(r)) / RIG_SEC + 1800);
	return r;
}

static bool goes_back(void *ud)
{
	return strcmp(outside_wanted(ud, "a"), OLD) == 0;
}

static void test_gate_outside(void)
{
	g_autoptr(Rig) may = late(OUTSIDE);
	faults_set(may, "a", SIM_FAULT_BIT(SIM_FAULT_ERROR_RATE_RISE));
	faults_until(may, goes_back, may, 1);
	g_assert_cmpint(wall(may), <, TUESDAY_13);

	g_autoptr(Rig) r = late(NOT_OUTSIDE);
	faults_set(r, "a", SIM_FAULT_BIT(SIM_FAULT_ERROR_RATE_RISE));
	story_reach(r, "a", "cp-soak", "window");
	const char *text = story_held(r, "a", "window");
	g_assert_nonnull(strstr(text, "gate errors failed"));
	g_assert_nonnull(strstr(
		text, "the rollback of a waits for its window: opens Tue 2026-09-22 13:00 UTC"));
	faults_until(r, goes_back, r, 24);
	g_assert_cmpint(wall(r), >=, TUESDAY_13);
	g_assert_cmpint(wall(r), <, TUESDAY_13 + 60 * RIG_SEC);
	faults_set(r, "a", 0);
	faults_ends(r, "a", "RolledBack");
}

static void test_person_outside(void)
{
	g_autoptr(Rig) may = late(OUTSIDE);
	faults_command(may, "rollback", "a");
	faults_until(may, goes_back, may, 1);

	g_autoptr(Rig) r = late(NOT_OUTSIDE);
	faults_refused(r, "rollback", "a",
		"no rollback begins outside the window (rollbackOutside: false): a waits for its "
		"window: opens Tue 2026-09-22 13:00 UTC; shiplock abort a stops here");
	faults_command(r, "abort", "a");
	faults_ends(r, "a", "Aborted");
	g_assert_cmpstr(outside_version(r, "a"), ==, NEW);
}

/* Begun inside, it goes on outside. */
static void test_begun_inside(void)
{
	g_autoptr(Rig) r = faults_begin("a", NOT_OUTSIDE);
	story_reach(r, "a", "cp-soak", NULL);
	faults_pass(r, (MONDAY_15 - wall(r)) / RIG_SEC - 10);
	faults_command(r, "rollback", "a");
	faults_ends(r, "a", "RolledBack");
	g_assert_cmpint(wall(r), >, MONDAY_15);
	g_assert_cmpint(wall(r), <, TUESDAY_13);
}

/* ---- no new hop close to the end ---- */

static void test_last_hop(void)
{
	g_autoptr(Rig) r = faults_begin("a",
		FAST WINDOW("UTC", MONDAYS, "  lastHopStart: 30m\n") CLUSTER("a") HEAD(
			"UpgradePlan", "up") "spec:\n  target: {version: " NEW ", hops: [" MID
					     ", " NEW "]}\n  waves: [{name: one, clusters: {names: "
					     "[a]}, cpSoak: 10m, soak: 30m}]\n"
					     "  policies: {gates: fast, window: w}\n");
	story_reach(r, "a", "backup", "window");
	g_assert_cmpstr(outside_version(r, "a"), ==, MID);
	g_assert_cmpstr(story_held(r, "a", "window"), ==,
		"a waits for its next window: opens Tue 2026-09-22 13:00 UTC; no new hop so close "
		"to the end of this one");
	g_assert_cmpint(wall(r), >, MONDAY_15 - 1800 * RIG_SEC);
	g_assert_cmpint(wall(r), <, MONDAY_15);
	size_t n = store_mem_len(r->disk);
	faults_pass(r, 1800);
	g_assert_cmpuint(store_mem_len(r->disk) - n, <, 60); /* it sleeps, it does not poll */
	faults_ends(r, "a", "Succeeded");
	g_assert_cmpint(wall(r), >, TUESDAY_13);
}

/* ---- the hop is chosen inside, the order would come outside ---- */

static bool ordered(void *ud)
{
	return strcmp(outside_wanted(ud, "a"), NEW) == 0;
}

#define NO_LATE "  lastHopStart: 30m\n"
#define OPENS_TUESDAY "window: opens Tue 2026-09-22 13:00 UTC"

/* Paused between hop and order, and resumed when no order may be given any more. */
static Rig *resumed_late(const char *more, int64_t resume_wall, const char *says)
{
	g_autofree char *yaml = g_strconcat(
		FAST WINDOW("UTC", MONDAYS, ""), more, CLUSTER("a") IN_W(SOAKS, ""), NULL);
	Rig *r = faults_begin("a", yaml);
	story_reach(r, "a", "control-plane", NULL);
	faults_command(r, "pause", "a");
	faults_pass(r, (resume_wall - wall(r)) / RIG_SEC);
	g_assert_false(ordered(r));
	faults_command(r, "resume", "a");
	story_reach(r, "a", "control-plane", "window");
	g_assert_nonnull(strstr(story_held(r, "a", "window"), says));
	g_assert_false(ordered(r));
	return r;
}

static void test_order_outside(void)
{
	static const struct {
		const char *more;
		int64_t resume_wall;
		const char *says;
	} cases[] = {
		{ "", MONDAY_15 + 3600 * RIG_SEC, "a waits for its " OPENS_TUESDAY },
		{ NO_LATE, MONDAY_15 - 900 * RIG_SEC,
			OPENS_TUESDAY "; no new hop so close to the end of this one" },
		{ "  atClose: finish\n", MONDAY_15 + 3600 * RIG_SEC, OPENS_TUESDAY },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("case %zu", i);
		g_autoptr(Rig) r = resumed_late(cases[i].more, cases[i].resume_wall, cases[i].says);
		g_autoptr(json_t) why = fleet_why(r->fleet, "a", NULL);
		g_assert_cmpstr(json_path_str(why, "goesOn", ""), ==,
			"by itself, at the next opening of its window");
		faults_until(r, ordered, r, 24);
		g_assert_cmpint(wall(r), >=, TUESDAY_13);
		g_assert_cmpint(wall(r), <, TUESDAY_13 + 60 * RIG_SEC);
		faults_ends(r, "a", "Succeeded");
	}
	/* Nothing of the hop has begun: it can still be given up at once. */
	g_autoptr(Rig) r = resumed_late("", MONDAY_15 + 3600 * RIG_SEC, OPENS_TUESDAY);
	faults_command(r, "abort", "a");
	faults_ends(r, "a", "Aborted");
	g_assert_false(ordered(r));
	g_assert_cmpstr(outside_version(r, "a"), ==, OLD);
}

/* ---- what a hop writes before its order waits too, however it was tried before ---- */

#define ACK "ack-made-up"
#define PREPARED                                                                                   \
	FAST WINDOW("UTC", MONDAYS, "") CLUSTER("a")                                               \
		HEAD("UpgradePlan", "up") "spec:\n  target: "                                      \
					  "{version: " NEW ", channel: fast-4.21, acks: [" ACK     \
					  "]}\n  waves: [{name: one, "                             \
					  "clusters: {names: [a]}, " SOAKS                         \
					  "}]\n  policies: {gates: fast, window: w}\n"

static const char *const wishes[] = { "\"" ACK "\":\"true\"", "\"channel\":", "\"paused\":true",
	"\"desiredUpdate\":" };

typedef struct Spoil {
	Rig *r;
	const char *wish; /* words of the request that is spoiled before the window closes */
	HttpFault fault;
	unsigned n_outside; /* requests with these words that were sent while it was closed */
	unsigned n_spoiled;
} Spoil;

static HttpFault spoil_write(uint64_t n, const HttpRequest *q, void *ud)
{
	Spoil *s = ud;
	if (strcmp(q->method, "PATCH") != 0 || !strstr(q->body, s->wish))
		return HTTP_FAULT_NONE;
	bool inside = wall(s->r) < MONDAY_15;
	s->n_outside += !inside && wall(s->r) < TUESDAY_13;
	s->n_spoiled += inside;
	return inside ? s->fault : HTTP_FAULT_NONE;
}

static void test_prepared_outside(void)
{
	static const HttpFault faults[] = { HTTP_FAULT_NOT_SENT, HTTP_FAULT_LOST, HTTP_FAULT_500 };
	for (size_t i = 0; i < G_N_ELEMENTS(faults) * G_N_ELEMENTS(wishes); i++) {
		g_autoptr(Rig) r = faults_begin("a", PREPARED);
		Spoil s = { .r = r,
			.wish = wishes[i / G_N_ELEMENTS(faults)],
			.fault = faults[i % G_N_ELEMENTS(faults)] };
		g_test_message("%s, fault %d", s.wish, (int)s.fault);
		http_sim_set_faults(sim_fleet_transport(r->world), spoil_write, NULL, &s);
		story_reach(r, "a", "control-plane", NULL);
		faults_pass(r, (MONDAY_15 - wall(r)) / RIG_SEC + 300);
		g_assert_cmpuint(s.n_spoiled, >, 0);
		story_reach(r, "a", "control-plane", "window");
		faults_pass(r, 2 * 3600);
		g_assert_nonnull(story_held(r, "a", "window"));
		faults_until(r, ordered, r, 24);
		g_assert_cmpint(wall(r), >=, TUESDAY_13);
		g_assert_cmpint(wall(r), <, TUESDAY_13 + 120 * RIG_SEC);
		faults_ends(r, "a", "Succeeded");
		g_assert_cmpuint(s.n_outside, ==, 0);
		http_sim_set_faults(sim_fleet_transport(r->world), NULL, NULL, NULL);
	}
}

/* Taken back outside the window with an order of unknown outcome: nothing is sent again. */
static void test_unknown_and_back(void)
{
	g_autoptr(Rig) r = faults_begin("a", PREPARED);
	Spoil s = { .r = r, .wish = wishes[3], .fault = HTTP_FAULT_LOST };
	http_sim_set_faults(sim_fleet_transport(r->world), spoil_write, NULL, &s);
	story_reach(r, "a", "control-plane", NULL);
	faults_pass(r, (MONDAY_15 - wall(r)) / RIG_SEC + 300);
	story_reach(r, "a", "control-plane", "window");
	faults_command(r, "rollback", "a");
	faults_ends(r, "a", "RolledBack");
	g_assert_cmpint(wall(r), <, TUESDAY_13);
	g_assert_false(ordered(r));
	g_assert_cmpuint(outside_paused(r, "a"), ==, 0);
	g_assert_cmpuint(s.n_outside, ==, 0);
	http_sim_set_faults(sim_fleet_transport(r->world), NULL, NULL, NULL);
}

#define GIT_A CLUSTER_WITH("a", GITOPS_ACTUATOR("    poolsFile: " GITOPS_POOLS "\n"))

/* In Git: the brake is synced only after the close. */
static void test_order_after_sync(void)
{
	GitWorld *g = gitops_begin(true);
	Rig *r = g->r;
	story_submit(r, FAST WINDOW("UTC", MONDAYS, "") GIT_A IN_W(SOAKS, ""));
	story_reach(r, "a", "control-plane", NULL);
	g->argo->down = true;
	story_reach(r, "a", "control-plane", "sync");
	faults_pass(r, (MONDAY_15 - wall(r)) / RIG_SEC + 600);
	g->argo->down = false;
	story_reach(r, "a", "control-plane", "window");
	faults_pass(r, 3600);
	gitops_expect(g, "pause-worker-1");
	faults_until(r, ordered, r, 24);
	g_assert_cmpint(wall(r), >=, TUESDAY_13);
	faults_ends(r, "a", "Succeeded");
	gitops_expect(g, "pause-worker-1 version-" NEW "-2 release-worker-3");
	gitops_end(g);
}

/* In Git: the server takes no push before the close. */
static void test_push_refused(void)
{
	GitWorld *g = gitops_begin(true);
	Rig *r = g->r;
	g->repo->rejects = "main is protected";
	story_submit(r, FAST WINDOW("UTC", MONDAYS, "") GIT_A IN_W(SOAKS, ""));
	story_reach(r, "a", "control-plane", "write-fails");
	faults_pass(r, (MONDAY_15 - wall(r)) / RIG_SEC + 300);
	g->repo->rejects = NULL;
	story_reach(r, "a", "control-plane", "window");
	faults_pass(r, 3600);
	gitops_expect(g, "");
	faults_ends(r, "a", "Succeeded");
	g_assert_cmpint(wall(r), >=, TUESDAY_13);
	gitops_expect(g, "pause-worker-1 version-" NEW "-2 release-worker-3");
	gitops_end(g);
}

/* In Git: the release is committed inside, and nobody applies it before the close. */
static bool released_in_git(void *ud)
{
	g_autofree char *story = sim_repo_story(((GitWorld *)ud)->repo);
	return strstr(story, "release-worker-3") != NULL;
}

static void test_release_not_synced(void)
{
	GitWorld *g = gitops_begin(true);
	Rig *r = g->r;
	story_submit(r, FAST WINDOW("UTC", MONDAYS, "") GIT_A IN_W("cpSoak: 30m, soak: 30m", ""));
	story_reach(r, "a", "nodes", NULL);
	g->argo->down = true;
	faults_until(r, released_in_git, g, 1);
	g_assert_cmpint(wall(r), <, MONDAY_15);
	faults_pass(r, (MONDAY_15 - wall(r)) / RIG_SEC + 120);
	gitops_expect(g, "pause-worker-1 version-" NEW "-2 release-worker-3 pause-worker-4");
	g->argo->down = false;
	story_reach(r, "a", "nodes", "window");
	faults_pass(r, 3600);
	g_assert_cmpuint(outside_paused(r, "a"), ==, 1);
	g_assert_cmpuint(outside_workers_at(r, "a", NEW), ==, 0);
	g_assert_cmpuint(outside_cordoned(r, "a"), ==, 0);
	faults_ends(r, "a", "Succeeded");
	g_assert_cmpint(wall(r), >, TUESDAY_13);
	gitops_expect(g, "pause-worker-1 version-" NEW "-2 release-worker-3 pause-worker-4"
			 " release-worker-5");
	gitops_end(g);
}

/* ---- notice ---- */

#define NOTICE FAST WINDOW("UTC", MONDAYS, "  notice: 10d\n") CLUSTER("a") IN_W(SOAKS, "")
#define MONDAY_AFTER (INT64_C(1791205200) * RIG_SEC) /* 5 October, 13:00 */

static void test_notice(void)
{
	g_autoptr(Rig) r = faults_begin("a", NOTICE);
	faults_pass(r, 3600);
	g_autoptr(json_t) why = fleet_why(r->fleet, "a", NULL);
	g_assert_cmpstr(json_path_str(why, "because", ""), ==,
		"a waits: the notice time of its window is over Thu 2026-10-01 14:13 UTC");
	faults_until(r, started, r, 20 * 24);
	g_assert_cmpint(wall(r) / RIG_SEC, ==, MONDAY_AFTER / RIG_SEC);
	story_reach(r, "a", "cp-soak", NULL);
	faults_command(r, "abort", "a");
	faults_ends(r, "a", "Aborted");
	/* It was announced long ago: a retry waits for the window alone. */
	faults_command(r, "retry", "a");
	faults_pass(r, 60);
	g_assert_cmpuint(fleet_n_runs(r->fleet), ==, 2);
	faults_until(r, started, r, 30);
	g_assert_cmpint(wall(r), <, MONDAY_AFTER + INT64_C(25) * 3600 * RIG_SEC);
}

/* ---- a freeze is pushed during a run ---- */

#define FREEZE(state)                                                                              \
	FAST WINDOW("UTC", MONDAYS,                                                                \
		"  blackouts: [{name: freeze, from: 2026-09-21, to: 2026-12-31}]\n") CLUSTER("a")  \
		HEAD("UpgradePlan",                                                                \
			"up") "spec:\n" state "  target: {version: 4.21.10}\n  waves: "            \
			      "[{name: one, clusters: {names: [a]}, cpSoak: 2h, soak: "            \
			      "30m}]\n  policies: {gates: fast, window: w}\n"

static char *newer(Rig *r)
{
	g_autoptr(json_t) status = fleet_status(r->fleet);
	return json_canonical(json_path(status, "runs.0.newer"));
}

static void test_freeze(void)
{
	g_autoptr(Rig) r = faults_begin("a", NULL);
	story_git(r, "main", "c1",
		FAST WINDOW("UTC", MONDAYS, "") CLUSTER("a") IN_W("cpSoak: 2h, soak: 30m", ""));
	story_reach(r, "a", "cp-soak", NULL);
	g_autofree char *none = newer(r);
	g_assert_cmpstr(none, ==, "null");
	story_git(r, "main", "c2", FREEZE(""));
	faults_pass(r, 60);
	g_autofree char *pushed = newer(r);
	g_assert_cmpstr(pushed, ==, "{\"commit\":\"c2\",\"documents\":[\"WindowPolicy/w\"]}");
	g_assert_cmpuint(fleet_n_runs(r->fleet), ==, 1);
	/* Its own window counts: the workers move on Tuesday. */
	story_reach(r, "a", "nodes", "window");
	g_assert_nonnull(strstr(story_held(r, "a", "window"), "opens Tue 2026-09-22 13:00 UTC"));
	story_git(r, "main", "c3", FREEZE("  state: suspended\n"));
	faults_pass(r, 60);
	g_assert_cmpstr(item_hold(item_parent(story_item(r, "a")), 0)->reason, ==,
		"the plan is suspended in Git (c3)");
	faults_pass(r, 48 * 3600);
	g_assert_cmpuint(outside_workers_at(r, "a", NEW), ==, 0);
	g_assert_cmpuint(outside_paused(r, "a"), ==, 1);
}

/* ---- how long, against the window ---- */

static json_t *plan(Rig *r, const char *yaml)
{
	FleetSubmit s = { .set = story_documents(yaml), .who = "ann", .plan_only = true };
	int64_t before = r->run;
	fleet_submit(r->fleet, &s, story_reply, r);
	while (r->run == before)
		faults_pass(r, 1);
	faults_pass(r, 60);
	return fleet_plan_report(r->fleet, r->run);
}

static const char *finding(const json_t *report, const char *code)
{
	size_t i;
	json_t *f;
	json_array_foreach (json_path(report, "clusters.0.findings"), i, f)
		if (strcmp(json_path_str(f, "code", ""), code) == 0)
			return json_path_str(f, "message", "");
	return NULL;
}

#define SAYS(report, path, want) g_assert_cmpstr(json_path_str(report, path, ""), ==, want)

/* Nothing is known of the cluster: the lower bound, which is longer than what is left today. */
static void test_too_long(void)
{
	static const struct {
		const char *more, *says;
	} cases[] = {
		{ "", "what is not done Mon 2026-09-21 15:00 UTC waits for the next opening" },
		{ "  atClose: finish\n",
			"what is not done Mon 2026-09-21 15:00 UTC goes on past the close" },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(Rig) r = faults_begin("a", NULL);
		g_autofree char *yaml = g_strconcat(FAST WINDOW("UTC", MONDAYS, ""), cases[i].more,
			CLUSTER("a") IN_W(SOAKS, ""), NULL);
		g_autoptr(json_t) report = plan(r, yaml);
		SAYS(report, "clusters.0.window.policy", "w");
		SAYS(report, "clusters.0.window.text", "Mon 2026-09-21 13:00-15:00 UTC");
		SAYS(report, "clusters.0.window.closesAt", "2026-09-21T15:00:00Z");
		SAYS(report, "clusters.0.preflight", "ready");
		SAYS(report, "clusters.0.about.run", "");
		/* An hour, the soak, three workers one after another; the last soak is no work. */
		int64_t work = json_path_int(report, "clusters.0.about.workSeconds", 0);
		g_assert_cmpint(work, >=, 3600 + 1800 + 3 * 300);
		g_assert_cmpint(work, <, 3600 + 1800 + 3 * 420);
		g_assert_cmpint(
			json_path_int(report, "clusters.0.about.seconds", 0), ==, work + 1800);
		const char *text = finding(report, "window");
		g_test_message("%s", text);
		g_assert_nonnull(strstr(text, "of work, but the window is open for 46m"));
		g_assert_nonnull(strstr(text, cases[i].says));
	}
}

/* Notice, and an opening that is long enough: the window that counts is a later one. */
static void test_fits(void)
{
	g_autoptr(Rig) r = faults_begin("a", NULL);
	g_autoptr(json_t) report = plan(
		r, FAST WINDOW("America/New_York",
			   "{weekday: tuesday, nth: 2, start: \"08:00\", end: \"17:00\"}",
			   "  notice: 10d\n  lastHopStart: 3h\n") CLUSTER("a") IN_W(SOAKS, ""));
	SAYS(report, "clusters.0.window.text",
		"Tue 2026-10-13 08:00-17:00 EDT, no hop after 14:00");
	SAYS(report, "clusters.0.window.opensAt", "2026-10-13T12:00:00Z");
	g_assert_cmpint(
		json_path_int(report, "clusters.0.window.opensInSeconds", 0) / 86400, ==, 21);
	g_assert_null(finding(report, "window"));
	g_autoptr(json_t) none = plan(r, ONLY_A);
	g_assert_true(json_is_null(json_path(none, "clusters.0.window")));
}

#define GO(version)                                                                                \
	FAST CLUSTER("a") HEAD("UpgradePlan", "up") "spec:\n  target: {version: " version          \
						    "}\n  waves: " WAVE(                           \
							    "[a]") "\n  policies: {gates: fast}\n"

/* From its own last upgrade, over a restart; a pause in it does not count. */
static void test_own_length(void)
{
	g_autoptr(Rig) r = faults_begin("a", GO(MID));
	story_reach(r, "a", "nodes", NULL);
	faults_command(r, "pause", "a");
	faults_pass(r, 5 * 3600);
	faults_command(r, "resume", "a");
	faults_ends(r, "a", "Succeeded");
	rig_crash(r);
	rig_start(r);
	g_autoptr(json_t) report = plan(r, GO(NEW));
	SAYS(report, "clusters.0.about.run", "up#1");
	int64_t about = json_path_int(report, "clusters.0.about.seconds", 0), begin = wall(r);
	story_submit(r, GO(NEW));
	faults_pass(r, 10);
	faults_ends(r, "a", "Succeeded");
	int64_t took = (wall(r) - begin) / RIG_SEC;
	g_test_message("about %d s, took %d s", (int)about, (int)took);
	g_assert_cmpint(about, >, took * 9 / 10);
	g_assert_cmpint(about, <, took * 11 / 10);
	/* Another controller brings it along. */
	g_autoptr(json_t) lengths = fleet_lengths(r->fleet);
	SAYS(lengths, "a.run", "up#3");
	g_autoptr(Rig) other = faults_begin("a", NULL);
	FleetSubmit s = {
		.set = story_documents(GO(NEW)), .who = "ann", .plan_only = true, .lengths = lengths
	};
	fleet_submit(other->fleet, &s, story_reply, other);
	faults_pass(other, 60);
	g_autoptr(json_t) brought = fleet_plan_report(other->fleet, 1);
	SAYS(brought, "clusters.0.about.run", "up#3");
}

/* Each fits, both do not. */
static void test_wave_too_long(void)
{
	g_autoptr(Rig) r = faults_begin("ab", NULL);
	g_autoptr(json_t) report = plan(r,
		FAST WINDOW("UTC", "{weekday: tuesday, start: \"12:00\", end: \"15:00\"}", "")
			CLUSTER("a") CLUSTER("b") PLAN_WITH(
				"up", WAVE("[a, b]"), "  policies: {gates: fast, window: w}\n"));
	g_assert_null(finding(report, "window"));
	g_assert_nonnull(strstr(json_path_str(report, "notes.0", ""), "wave one: its 2 clusters"));
	g_assert_nonnull(strstr(json_path_str(report, "notes.0", ""), "its window is 3h"));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/windows/edges", test_edges);
	g_test_add_func("/windows/mid-drain", test_mid_drain);
	g_test_add_func("/windows/mid-drain-crash", test_mid_drain_crash);
	g_test_add_func("/windows/gate-outside", test_gate_outside);
	g_test_add_func("/windows/person-outside", test_person_outside);
	g_test_add_func("/windows/begun-inside", test_begun_inside);
	g_test_add_func("/windows/last-hop", test_last_hop);
	g_test_add_func("/windows/order-outside", test_order_outside);
	g_test_add_func("/windows/prepared-outside", test_prepared_outside);
	g_test_add_func("/windows/unknown-and-back", test_unknown_and_back);
	g_test_add_func("/windows/push-refused", test_push_refused);
	g_test_add_func("/windows/order-after-sync", test_order_after_sync);
	g_test_add_func("/windows/release-not-synced", test_release_not_synced);
	g_test_add_func("/windows/notice", test_notice);
	g_test_add_func("/windows/freeze", test_freeze);
	g_test_add_func("/windows/too-long", test_too_long);
	g_test_add_func("/windows/fits", test_fits);
	g_test_add_func("/windows/own-length", test_own_length);
	g_test_add_func("/windows/wave-too-long", test_wave_too_long);
	return g_test_run();
}
