/* The engine's rules 18 to 20: holds, undo and time, each by a test that fails when the rule is
 * broken; and that an idle engine is idle. */
#include "saga/test-order.h"

static const Hold *hold_of(const Kit *k, const char *item, const char *cause)
{
	return item_find_hold(kit_item(k, item), cause);
}

static unsigned n_records(const Kit *k, const char *what)
{
	unsigned n = 0;
	for (const char *p = k->batches->str; (p = strstr(p, what)); p++)
		n++;
	return n;
}

static void wake(Kit *k, const char *item)
{
	saga_wake(k->proc->saga, kit_item(k, item));
	kit_run(k, 1);
}

static StepResult waiting_tick(Item *it, int64_t now, Batch *b)
{
	return step_wait(it, 0, "for nothing");
}

/* ---- 18 ---- */

enum { SAY_HOLD, SAY_READ, SAY_WAIT, SAY_ACT, SAY_DONE, SAY_OTHER };

/* Says what the test wants to hear. */
static StepResult told_tick(Item *it, int64_t now, Batch *b)
{
	switch (strcmp(item_name(it), "/p") == 0 ? SAY_WAIT : kit_of(it)->limit) {
	case SAY_HOLD:
		return step_hold(it, "sick", "no data");
	case SAY_OTHER:
		return step_hold(it, "other", "another cause");
	case SAY_READ:
		return step_read(it);
	case SAY_ACT:
		return set_tick(it, now, b);
	case SAY_DONE:
		return step_done(ENDED);
	default:
		return step_wait(it, 0, "well");
	}
}

/* A tick's hold goes when its cause goes, and not because something is being read. */
static void test_tick_hold(void)
{
	for (int crash = 0; crash < 2; crash++) {
		Kit *k = kit_new(told_tick);
		kit_start(k);
		kit_add(k, &plain, NULL, "/a");
		kit_run(k, 1);
		g_assert_nonnull(hold_of(k, "/a", "sick"));
		k->limit = SAY_READ;
		wake(k, "/a");
		if (crash)
			kit_crash(k);
		kit_run(k, 1);
		g_assert_nonnull(hold_of(k, "/a", "sick"));
		k->limit = SAY_OTHER;
		wake(k, "/a");
		g_assert_null(hold_of(k, "/a", "sick"));
		g_assert_nonnull(hold_of(k, "/a", "other"));
		k->limit = SAY_WAIT;
		wake(k, "/a");
		g_assert_cmpuint(item_n_holds(kit_item(k, "/a")), ==, 0);
		g_assert_cmpuint(n_records(k, "unhold:/a"), ==, 2);
		kit_free(k);
	}
}

/* A person's hold: the tick runs, what it wants is dropped, and only a person clears it; also where
 * it stands on a parent, and after a restart. */
static void test_person_hold(void)
{
	static const char *const held[] = { "/a", "/p" };
	for (size_t i = 0; i < 2 * G_N_ELEMENTS(held); i++) {
		Kit *k = kit_new(told_tick);
		k->limit = SAY_WAIT;
		kit_start(k);
		kit_add(k, &plain, NULL, "/p");
		kit_add(k, &plain, "/p", "/a");
		order((Order){ .item = held[i / 2], .cause = "pause" }, k);
		if (i % 2)
			kit_crash(k);
		static const unsigned says[] = { SAY_ACT, SAY_DONE, SAY_WAIT, SAY_ACT };
		for (size_t s = 0; s < G_N_ELEMENTS(says); s++) {
			k->limit = says[s];
			k->n_ticks = 0;
			kit_run(k, 2);
			wake(k, "/a");
			g_assert_cmpuint(k->n_ticks, >=, 1);
			g_assert_cmpint(kit_sent(k, "PATCH /a"), ==, 0);
			g_assert_cmpuint(item_state(kit_item(k, "/a")), ==, WORK);
			g_assert_true(item_held(kit_item(k, "/a")));
		}
		k->n_ticks = 0;
		order((Order){ .item = held[i / 2], .cause = "pause", .unhold = true }, k);
		kit_run_usec(k, 10000);
		g_assert_cmpint(kit_sent(k, "PATCH /a"), >=, 1);
		kit_free(k);
	}
}

static StepResult sick_parent_tick(Item *it, int64_t now, Batch *b)
{
	if (strcmp(item_name(it), "/q") == 0)
		return step_hold(it, "sick", "no data");
	return set_tick(it, now, b);
}

static StepResult prepared_tick(Item *it, int64_t now, Batch *b)
{
	if (!fact(it, &fact_obj, item_name(it)))
		return step_read(it);
	return kit_of(it)->limit ? set_tick(it, now, b) : step_wait(it, 0, "prepared");
}

/* Said in the turn in which the item would act: it does not act any more. */
static void test_word_first(void)
{
	Kit *k = kit_new(prepared_tick);
	kit_start(k);
	kit_add(k, &plain, NULL, "/a");
	kit_run_usec(k, 10000);
	k->limit = 1;
	Order o = { .kit = k, .item = "/a", .cause = "pause" };
	saga_wake(k->proc->saga, kit_item(k, "/a"));
	saga_submit(k->proc->saga, order_build, NULL, &o);
	kit_run(k, 5);
	g_assert_cmpint(kit_sent(k, "PATCH /a"), ==, 0);
	g_assert_nonnull(hold_of(k, "/a", "pause"));
	kit_free(k);
}

/* The hold on the parent goes with the parent's move: its children go on at once. */
static void test_hold_of_parent_moves(void)
{
	Kit *k = kit_new(waiting_tick);
	k->undo = waiting_tick;
	kit_start(k);
	kit_add(k, &plain, NULL, "/q");
	kit_add(k, &plain, "/q", "/a");
	k->work = sick_parent_tick;
	wake(k, "/q");
	wake(k, "/a");
	g_assert_cmpint(kit_sent(k, "PATCH /a"), ==, 0);
	order((Order){ .item = "/q", .state = UNDO }, k);
	kit_run(k, 2);
	g_assert_true(item_ended(kit_item(k, "/a")));
	kit_free(k);
}

static StepResult patient_parent_tick(Item *it, int64_t now, Batch *b)
{
	if (item_n_children(it) > 0 && item_state(item_child(it, 0)) == WORK && kit_of(it)->limit)
		batch_move(b, item_child(it, 0), UNDO, "steered");
	return step_wait(it, 0, "steering");
}

/* A held parent steers nothing; a person's hold on a child stays when it is moved. */
static void test_held_parent(void)
{
	Kit *k = kit_new(patient_parent_tick);
	k->undo = waiting_tick;
	kit_start(k);
	kit_add(k, &plain, NULL, "/p");
	kit_add(k, &plain, "/p", "/a");
	order((Order){ .item = "/p", .cause = "pause" }, k);
	order((Order){ .item = "/a", .cause = "stop" }, k);
	k->limit = 1;
	wake(k, "/p");
	g_assert_cmpuint(item_state(kit_item(k, "/a")), ==, WORK);
	order((Order){ .item = "/p", .cause = "pause", .unhold = true }, k);
	kit_run(k, 1);
	g_assert_cmpuint(item_state(kit_item(k, "/a")), ==, UNDO);
	g_assert_nonnull(hold_of(k, "/a", "stop"));
	kit_free(k);
}

/* Not ours to change: one hold, which stays while it is so and goes by itself. */
static void test_not_ours(void)
{
	Kit *k = kit_new(set_tick);
	target_put(&k->target, "/a", json_pack("{s:i, s:b}", "v", 0, "foreign", 1));
	kit_start(k);
	kit_add(k, &noted, NULL, "/a");
	kit_run(k, 600);
	g_assert_nonnull(hold_of(k, "/a", "not-ours"));
	g_assert_cmpuint(n_records(k, "hold:/a"), ==, 1);
	target_put(&k->target, "/a", json_pack("{s:i}", "v", 0));
	kit_run(k, 70);
	g_assert_true(item_ended(kit_item(k, "/a")));
	g_assert_cmpuint(n_records(k, "hold:/a"), ==, 2); /* and one unhold */
	kit_free(k);
}

static StepResult two_causes_tick(Item *it, int64_t now, Batch *b)
{
	if (!kit_of(it)->limit)
		return step_hold_person(it, "claim", "no longer ours");
	return told_tick(it, now, b);
}

/* A hold for a person and one beside it that comes and goes: each is written once. */
static void test_two_holds(void)
{
	Kit *k = kit_new(two_causes_tick);
	kit_start(k);
	kit_add(k, &plain, NULL, "/a");
	kit_run(k, 1);
	k->limit = SAY_OTHER;
	wake(k, "/a");
	wake(k, "/a");
	g_assert_cmpuint(item_n_holds(kit_item(k, "/a")), ==, 2);
	g_assert_cmpuint(n_records(k, "hold:/a"), ==, 2);
	k->limit = SAY_WAIT;
	wake(k, "/a");
	g_assert_cmpuint(item_n_holds(kit_item(k, "/a")), ==, 1);
	g_assert_nonnull(hold_of(k, "/a", "claim"));
	kit_free(k);
}

static StepResult reading_tick(Item *it, int64_t now, Batch *b)
{
	return fact(it, &fact_kept, "/far") ? step_done(ENDED) : step_read(it);
}

/* A read that fails for ever: slower and slower, then a hold with the server's words, which goes by
 * itself; a server that is away for a minute and a half is a delay only. */
static void test_unreadable(void)
{
	static const struct {
		int status;
		const char *cause;
		int just_before_sec, n_reads;
	} cases[] = { { 500, "unreachable", 90, 7 }, { 403, "credentials", 14, 4 } };
	for (size_t i = 0; i < 2 * G_N_ELEMENTS(cases); i++) {
		const Twist twists[] = {
			{ "GET", "/far", 0, HTTP_FAULT_NONE, cases[i / 2].status, 0 }, { 0 }
		};
		Kit *k = kit_new(reading_tick);
		target_put(&k->target, "/far", json_object());
		k->target.twists = twists;
		kit_start(k);
		kit_add(k, &plain, NULL, "/a");
		kit_run(k, cases[i / 2].just_before_sec);
		g_assert_cmpint(kit_sent(k, "GET /far"), ==, cases[i / 2].n_reads);
		g_assert_null(hold_of(k, "/a", cases[i / 2].cause));
		kit_run(k, 2);
		g_assert_cmpint(kit_sent(k, "GET /far"), ==, cases[i / 2].n_reads + 1);
		g_assert_nonnull(hold_of(k, "/a", cases[i / 2].cause));
		g_assert_nonnull(strstr(hold_of(k, "/a", cases[i / 2].cause)->reason, "status"));
		if (i % 2)
			kit_crash(k);
		kit_run(k, 300);
		g_assert_cmpint(kit_sent(k, "GET /far"), >=, 12);
		g_assert_cmpint(kit_sent(k, "GET /far"), <=, 26);
		g_assert_cmpuint(n_records(k, "hold:/a"), ==, 1);
		k->target.twists = NULL;
		kit_run(k, 31);
		g_assert_true(item_ended(kit_item(k, "/a")));
		kit_free(k);
	}
}

static StepResult hurried_tick(Item *it, int64_t now, Batch *b)
{
	if (fact(it, &fact_kept, "/far"))
		return step_done(ENDED);
	fact_hurry(it, &fact_kept, "/far", now + 2 * SL_USEC_PER_SEC);
	return step_read(it);
}

/* A server that is expected back: asked every two seconds, and a hold not sooner than else. */
static void test_hurried(void)
{
	const Twist twists[] = { { "GET", "/far", 0, HTTP_FAULT_NONE, 500, 0 }, { 0 } };
	Kit *k = kit_new(hurried_tick);
	target_put(&k->target, "/far", json_object());
	k->target.twists = twists;
	kit_start(k);
	kit_add(k, &plain, NULL, "/a");
	kit_run(k, 80);
	g_assert_cmpint(kit_sent(k, "GET /far"), >=, 30);
	g_assert_cmpint(kit_sent(k, "GET /far"), <=, 42);
	g_assert_null(hold_of(k, "/a", "unreachable"));
	kit_run(k, 30);
	g_assert_nonnull(hold_of(k, "/a", "unreachable"));
	k->target.twists = NULL;
	kit_run(k, 3);
	g_assert_true(item_ended(kit_item(k, "/a")));
	kit_free(k);
}

static void check_held_too_long(bool crash)
{
	Kit *k = kit_new(told_tick);
	k->hold_for_sec = 100;
	kit_start(k);
	kit_add(k, &noted, NULL, "/a");
	kit_run(k, 90);
	k->limit = SAY_WAIT; /* just in time */
	wake(k, "/a");
	kit_run(k, 60);
	g_assert_cmpuint(item_n_holds(kit_item(k, "/a")), ==, 0);
	k->limit = SAY_HOLD;
	wake(k, "/a");
	kit_run(k, 65);
	if (crash)
		kit_crash(k); /* 60 s of it are noted */
	kit_run(k, 30);
	g_assert_null(hold_of(k, "/a", "held-too-long"));
	kit_run(k, 12);
	const Hold *h = hold_of(k, "/a", "held-too-long");
	g_assert_true(h && h->person);
	order((Order){ .item = "/a", .cause = "held-too-long", .unhold = true }, k);
	kit_run(k, 95);
	g_assert_null(hold_of(k, "/a", "held-too-long"));
	g_assert_nonnull(hold_of(k, "/a", "sick"));
	kit_run(k, 10);
	g_assert_nonnull(hold_of(k, "/a", "held-too-long"));
	k->limit = SAY_WAIT;
	wake(k, "/a");
	kit_run(k, 100);
	g_assert_null(hold_of(k, "/a", "sick"));
	g_assert_nonnull(hold_of(k, "/a", "held-too-long"));
	kit_free(k);
}

/* What clears by itself may stand so long; then a person must, and may grant as much again. */
static void test_held_too_long(void)
{
	check_held_too_long(false);
	check_held_too_long(true);
}

/* A write that is refused again and again is one hold, which stays while it is tried, lasts too
 * long like any other, and goes with the first that succeeds. */
static void test_write_fails(void)
{
	static const Twist refused[] = { { "PATCH", "/a", 0, HTTP_FAULT_NONE, 403, 0 }, { 0 } };
	static const Twist lost[] = { { "PATCH", "/a", 0, HTTP_FAULT_LOST, 0, 0 }, { 0 } };
	for (int i = 0; i < 2; i++) {
		Kit *k = kit_new(set_tick);
		k->hold_for_sec = 200;
		k->target.twists = i ? lost : refused;
		kit_start(k);
		kit_add(k, &noted, NULL, "/a");
		kit_run(k, 180);
		g_assert_nonnull(hold_of(k, "/a", "write-fails"));
		g_assert_cmpuint(n_records(k, "hold:/a"), ==, 1);
		g_assert_cmpint(kit_sent(k, "PATCH /a"), >=, 6);
		kit_run(k, 120);
		g_assert_nonnull(hold_of(k, "/a", "held-too-long"));
		g_assert_cmpuint(n_records(k, "hold:/a"), <=, 3);
		k->target.twists = NULL;
		order((Order){ .item = "/a", .cause = "held-too-long", .unhold = true }, k);
		kit_run(k, 60);
		g_assert_true(item_ended(kit_item(k, "/a")));
		kit_free(k);
	}
}

/* ---- 19 ---- */

static StepResult marks_tick(Item *it, int64_t now, Batch *b)
{
	static const struct {
		const ActRow *row;
		const char *key;
	} marks[] = { { &act_mark, "/b" }, { &act_make, "/m" } };
	if (!stands(it, &act_claim, "/cv"))
		return step_act(it, &act_claim, "/cv", b);
	if (!stands(it, &act_mark, "/a"))
		return step_act(it, &act_mark, "/a", b);
	if (item_n_acts(it) == 2) /* taken over again: now it is not the oldest any more */
		return step_act(it, &act_claim, "/cv", b);
	for (size_t i = 0; i < G_N_ELEMENTS(marks); i++)
		if (!stands(it, marks[i].row, marks[i].key))
			return step_act(it, marks[i].row, marks[i].key, b);
	return step_done(UNDO);
}

/* Ends the undo, then tries to write. */
static StepResult late_write_tick(Item *it, int64_t now, Batch *b)
{
	bool left;
	StepResult r = step_undo(it, b, &left);
	return left ? r : step_act(it, &act_set, "/a", b);
}

/* The newest mark first, the claim last; after it nothing is written, also not by accident. */
static void test_undo_order(void)
{
	Kit *k = kit_new(marks_tick);
	k->undo = late_write_tick;
	k->claims = true;
	target_put(&k->target, "/b", json_object());
	kit_start(k);
	kit_add(k, &plain, NULL, "/a");
	kit_run(k, 60);
	const char *undone = strstr(k->target.effects->str, "POST /m; ");
	g_assert_nonnull(undone);
	g_assert_cmpstr(undone, ==,
		"POST /m; DELETE /m; PATCH /b mark=false; PATCH /a mark=false; "
		"PATCH /cv claim=null; ");
	g_assert_cmpint(kit_sent(k, "PATCH /cv"), ==, 3);
	g_assert_false(site_claimed(k->proc->site));
	g_assert_nonnull(hold_of(k, "/a", "claim"));
	kit_free(k);
}

/* ---- 20 ---- */

static Kit *timed_kit(KitTick *tick)
{
	Kit *k = kit_new(tick);
	kit_start(k);
	kit_add(k, &timed, NULL, "/a");
	return k;
}

/* 150 s of observed time: what was noted before a crash counts, what was not does not, and time in
 * which nobody watched neither. */
static void test_deadline(void)
{
	static const struct {
		int crash_at, lost_sec, due;
	} cases[] = {
		{ 0, 0, 150 },
		{ 100, 0, 190 }, /* the note at 60 s is there, 40 s are lost */
		{ 59, 0, 209 },
		{ 0, 100, 250 },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		Kit *k = timed_kit(waiting_tick);
		int64_t began = kit_now(k);
		kit_run(k, cases[i].crash_at ? cases[i].crash_at : 100);
		if (cases[i].crash_at)
			kit_crash(k);
		loop_sim_skip(k->sim, cases[i].lost_sec * SL_USEC_PER_SEC);
		saga_time_lost(k->proc->saga, cases[i].lost_sec * SL_USEC_PER_SEC);
		int64_t due = began + cases[i].due * SL_USEC_PER_SEC;
		kit_run_usec(k, due - SL_USEC_PER_SEC - kit_now(k));
		g_assert_null(hold_of(k, "/a", "deadline"));
		kit_run(k, 2);
		const Hold *h = hold_of(k, "/a", "deadline");
		g_assert_true(h && h->person && strcmp(h->by, "engine") == 0);
		kit_run(k, 300);
		g_assert_cmpuint(n_records(k, "hold:/a"), ==, 1);
		kit_free(k);
	}
}

/* A process that dies every 70 s still comes to its deadline. */
static void test_crash_loop(void)
{
	Kit *k = timed_kit(waiting_tick);
	for (int i = 0; i < 2; i++) {
		kit_run(k, 70);
		kit_crash(k);
	}
	kit_run(k, 29);
	g_assert_null(hold_of(k, "/a", "deadline"));
	kit_run(k, 2);
	g_assert_nonnull(hold_of(k, "/a", "deadline"));
	kit_free(k);
}

/* Cleared by a person it may take as long again; ticks do not clear it. */
static void test_deadline_cleared(void)
{
	for (int crash = 0; crash < 2; crash++) {
		Kit *k = timed_kit(waiting_tick);
		kit_run(k, 200);
		wake(k, "/a");
		g_assert_nonnull(hold_of(k, "/a", "deadline"));
		order((Order){ .item = "/a", .cause = "deadline", .unhold = true }, k);
		if (crash)
			kit_crash(k);
		kit_run(k, 145);
		g_assert_null(hold_of(k, "/a", "deadline"));
		kit_run(k, 10);
		g_assert_nonnull(hold_of(k, "/a", "deadline"));
		kit_free(k);
	}
}

static bool too_late(Kit *k)
{
	return hold_of(k, "/a", "deadline");
}

/* Passed while an act is open: that is settled first, and nobody spins meanwhile. */
static void test_deadline_with_open_act(void)
{
	static const Twist twists[] = { { "PATCH", "/a", 0, HTTP_FAULT_LOST, 0, 0 }, { 0 } };
	for (int held = 0; held < 2; held++) {
		Kit *k = timed_kit(waiting_tick);
		kit_run(k, 148);
		k->target.twists = twists;
		k->work = set_tick;
		k->at_usec = kit_now(k);
		wake(k, "/a");
		g_assert_nonnull(item_open_act(kit_item(k, "/a")));
		if (held)
			order((Order){ .item = "/a", .cause = "pause" }, k);
		uint64_t n_events = loop_sim_events(k->sim);
		kit_run(k, 100);
		g_assert_cmpuint(loop_sim_events(k->sim) - n_events, <, 200);
		g_assert_null(hold_of(k, "/a", "deadline"));
		k->target.twists = NULL;
		if (held)
			order((Order){ .item = "/a", .cause = "pause", .unhold = true }, k);
		kit_until(k, too_late);
		g_assert_cmpint(json_path_int(kit_get(k, "/a"), "v", 0), ==, 1);
		kit_free(k);
	}
}

static StepResult late_reading(Item *it, int64_t now, Batch *b)
{
	const View *v = fact(it, &fact_kept, "/cv");
	return v ? step_hold(it, "late", "too late, and the target is readable") : step_read(it);
}

static StepResult late_move(Item *it, int64_t now, Batch *b)
{
	return step_done(UNDO);
}

/* What a kind makes of it: it may read first, without spinning, may hold with a cause of its own,
 * or go on; while held it does not go on. */
static void test_on_deadline(void)
{
	static const Twist twists[] = { { "GET", "/cv", 1, HTTP_FAULT_LATE, 0, 0 }, { 0 } };
	Kit *k = timed_kit(waiting_tick);
	k->target.twists = twists;
	k->deadline = late_reading;
	kit_run(k, 200);
	g_assert_nonnull(hold_of(k, "/a", "late"));
	g_assert_cmpuint(item_n_holds(kit_item(k, "/a")), ==, 1);
	g_assert_cmpint(kit_sent(k, "GET /cv"), ==, 1);
	order((Order){ .item = "/a", .cause = "pause" }, k);
	k->deadline = late_move;
	wake(k, "/a");
	g_assert_cmpuint(item_state(kit_item(k, "/a")), ==, WORK);
	order((Order){ .item = "/a", .cause = "pause", .unhold = true }, k);
	kit_run(k, 5);
	g_assert_true(item_ended(kit_item(k, "/a")));
	kit_free(k);
}

static StepResult polling_tick(Item *it, int64_t now, Batch *b)
{
	return step_wait(it, now + 30 * SL_USEC_PER_SEC, "polls");
}

/* Two hundred items that wait: each is looked at when its timer says so, a note is written every
 * minute for all at once, and nothing else happens. */
static void test_idle(void)
{
	enum { N_ITEMS = 200, MINUTES = 10 };
	Kit *k = kit_new(polling_tick);
	k->check = nothing_to_check;
	kit_start(k);
	for (unsigned i = 0; i < N_ITEMS; i++) {
		g_autofree char *name = g_strdup_printf("/i%03u", i);
		kit_add(k, &noted, NULL, name);
	}
	kit_run(k, 60);
	uint64_t n_events = loop_sim_events(k->sim), n_batches = store_mem_batches(k->disk);
	k->n_ticks = 0;
	g_string_truncate(k->batches, 0);
	kit_run(k, MINUTES * 60);
	g_assert_cmpuint(k->n_ticks, >=, N_ITEMS * MINUTES * 2);
	g_assert_cmpuint(k->n_ticks, <=, N_ITEMS * (MINUTES * 2 + 1));
	g_assert_cmpuint(n_records(k, "note:"), >=, N_ITEMS * (MINUTES - 1));
	g_assert_cmpuint(n_records(k, "note:"), <=, N_ITEMS * MINUTES);
	n_batches = store_mem_batches(k->disk) - n_batches;
	n_events = loop_sim_events(k->sim) - n_events;
	g_test_message("%u ticks, %u batches, %u events", k->n_ticks, (unsigned)n_batches,
		(unsigned)n_events);
	g_assert_cmpuint(n_events, <=, 2 * N_ITEMS * MINUTES * 3);
	kit_free(k);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/rules/18-tick-hold", test_tick_hold);
	g_test_add_func("/rules/18-person-hold", test_person_hold);
	g_test_add_func("/rules/18-word-first", test_word_first);
	g_test_add_func("/rules/18-hold-of-parent-moves", test_hold_of_parent_moves);
	g_test_add_func("/rules/18-held-parent", test_held_parent);
	g_test_add_func("/rules/18-not-ours", test_not_ours);
	g_test_add_func("/rules/18-two-holds", test_two_holds);
	g_test_add_func("/rules/18-unreadable", test_unreadable);
	g_test_add_func("/rules/18-hurried", test_hurried);
	g_test_add_func("/rules/18-held-too-long", test_held_too_long);
	g_test_add_func("/rules/18-write-fails", test_write_fails);
	g_test_add_func("/rules/19-undo-order", test_undo_order);
	g_test_add_func("/rules/20-deadline", test_deadline);
	g_test_add_func("/rules/20-crash-loop", test_crash_loop);
	g_test_add_func("/rules/20-deadline-cleared", test_deadline_cleared);
	g_test_add_func("/rules/20-deadline-with-open-act", test_deadline_with_open_act);
	g_test_add_func("/rules/20-on-deadline", test_on_deadline);
	g_test_add_func("/rules/20-idle", test_idle);
	return g_test_run();
}
