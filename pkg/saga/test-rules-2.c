/* The engine's rules 11 (facts that follow) to 17 and 21: unknown outcomes, fences, claims,
 * refusals and crashes, each by a test that fails when the rule is broken. */
#include "saga/test-order.h"

static const Act *act_of(const Kit *k, const char *item, const ActRow *row)
{
	const Item *it = kit_item(k, item);
	for (size_t i = item_n_acts(it); i > 0; i--)
		if (act_row(item_act(it, i - 1)) == row)
			return item_act(it, i - 1);
	return NULL;
}

/* The claim first, then the pivot on the same object. */
static StepResult claimed_pivot_tick(Item *it, int64_t now, Batch *b)
{
	if (!stands(it, &act_claim, "/cv"))
		return step_act(it, &act_claim, "/cv", b);
	if (!stands(it, &act_pivot, "/cv"))
		return step_act(it, &act_pivot, "/cv", b);
	return step_wait(it, 0, "crossed");
}

static bool two_patches(Kit *k)
{
	return kit_sent(k, "PATCH /cv") >= 2;
}

static Kit *claimed(KitTick *tick, const Twist *twists)
{
	Kit *k = kit_new(tick);
	k->claims = true;
	k->target.twists = twists;
	kit_start(k);
	kit_add(k, &plain, NULL, "/a");
	return k;
}

/* ---- 12 ---- */

/* A pivot that nobody wants any more: a read that says absent is not enough, a raised claim is. */
static void test_fenced(void)
{
	static const Twist twists[] = { { "PATCH", "/cv", 2, HTTP_FAULT_LATE_PAST_TIMEOUT, 0, 0 },
		{ 0 } };
	Kit *k = claimed(claimed_pivot_tick, twists);
	kit_until(k, two_patches);
	order((Order){ .item = "/a", .state = UNDO }, k);
	kit_until(k, all_ended);
	kit_run(k, 60);
	g_assert_cmpstr(k->target.effects->str, ==,
		"PATCH /cv claim={\"epoch\":1,\"holder\":\"us\"}; "
		"PATCH /cv claim={\"epoch\":2,\"holder\":\"us\"}; PATCH /cv claim=null; ");
	g_assert_cmpint(act_state(act_of(k, "/a", &act_pivot)), ==, ACT_ABSENT);
	kit_free(k);
}

/* Wanted: the repetition is the fence, and the effect comes once. */
static void test_repeated(void)
{
	static const HttpFault faults[] = { HTTP_FAULT_LATE_PAST_TIMEOUT, HTTP_FAULT_LOST,
		HTTP_FAULT_ANSWER_LOST, HTTP_FAULT_500_APPLIED, HTTP_FAULT_500,
		HTTP_FAULT_CRASH_BEFORE_SEND, HTTP_FAULT_CRASH_AFTER_SEND,
		HTTP_FAULT_CRASH_AFTER_ANSWER };
	for (size_t i = 0; i < G_N_ELEMENTS(faults); i++) {
		const Twist twists[] = { { "PATCH", "/a", 1, faults[i], 0, 0 }, { 0 } };
		Kit *k = kit_new(set_tick);
		k->target.twists = twists;
		kit_start(k);
		kit_add(k, &plain, NULL, "/a");
		kit_until(k, all_ended);
		kit_run(k, 60);
		g_assert_cmpstr(k->target.effects->str, ==, "PATCH /a v=1; ");
		const Act *a = act_of(k, "/a", &act_set);
		g_assert_cmpint(act_attempt(a), ==, kit_sent(k, "PATCH /a"));
		k->target.twists = NULL;
		kit_free(k);
	}
}

static StepResult drop_tick(Item *it, int64_t now, Batch *b)
{
	const Act *a = act_find(it, &act_drop, "/x");
	return a ? step_wait(it, 0, "once") : step_act(it, &act_drop, "/x", b);
}

/* What names a UID can only do what was wanted then: absent closes it. */
static void test_by_uid(void)
{
	static const Twist twists[] = { { "DELETE", "/x", 1, HTTP_FAULT_LOST, 0, 0 }, { 0 } };
	Kit *k = kit_new(drop_tick);
	k->target.twists = twists;
	target_put(&k->target, "/x", json_object());
	kit_start(k);
	kit_add(k, &plain, NULL, "/a");
	kit_run(k, 60);
	g_assert_cmpint(act_state(act_of(k, "/a", &act_drop)), ==, ACT_ABSENT);
	g_assert_cmpint(kit_sent(k, "DELETE /x"), ==, 1);
	kit_free(k);
}

/* A repetition that is refused says nothing of the first attempt: it stays open, is tried slower
 * and slower, and is found when it comes through. */
static void test_refused_repetition(void)
{
	static const Twist twists[] = { { "PATCH", "/a", 1, HTTP_FAULT_LOST, 0, 0 },
		{ "PATCH", "/a", 0, HTTP_FAULT_NONE, 403, 0 }, { 0 } };
	Kit *k = kit_new(set_tick);
	k->target.twists = twists;
	kit_start(k);
	kit_add(k, &plain, NULL, "/a");
	kit_run(k, 200);
	g_assert_nonnull(item_open_act(kit_item(k, "/a")));
	g_assert_cmpint(kit_sent(k, "PATCH /a"), >=, 8);
	g_assert_cmpint(kit_sent(k, "PATCH /a"), <=, 14);
	k->target.twists = NULL;
	kit_until(k, all_ended);
	g_assert_cmpstr(k->target.effects->str, ==, "PATCH /a v=1; ");
	kit_free(k);
}

/* Changed by another owner meanwhile: it is not written again, and a person hears of it. */
static void test_foreign_meanwhile(void)
{
	static const Twist twists[] = { { "PATCH", "/a", 1, HTTP_FAULT_LOST, 0, 0 }, { 0 } };
	Kit *k = kit_new(set_tick);
	k->target.twists = twists;
	kit_start(k);
	kit_add(k, &plain, NULL, "/a");
	kit_run(k, 2);
	target_put(&k->target, "/a", json_pack("{s:i, s:b}", "v", 0, "foreign", 1));
	kit_run(k, 60);
	g_assert_cmpint(kit_sent(k, "PATCH /a"), ==, 1);
	g_assert_cmpint(act_state(act_of(k, "/a", &act_set)), ==, ACT_FOREIGN);
	g_assert_nonnull(item_find_hold(kit_item(k, "/a"), "not-ours"));
	kit_free(k);
}

/* ---- 13 ---- */

static StepResult make_tick(Item *it, int64_t now, Batch *b)
{
	if (!stands(it, &act_make, "/m"))
		return step_act(it, &act_make, "/m", b);
	return step_wait(it, 0, "made");
}

static bool posted(Kit *k)
{
	return kit_sent(k, "POST /m") > 0;
}

/* A mark of unknown outcome is driven to done and then undone, whether or not it is still wanted.
 */
static void test_mark_driven(void)
{
	static const Twist twists[] = { { "POST", "/m", 1, HTTP_FAULT_LOST, 0, 0 }, { 0 } };
	Kit *k = kit_new(make_tick);
	k->target.twists = twists;
	kit_start(k);
	kit_add(k, &plain, NULL, "/a");
	kit_until(k, posted);
	order((Order){ .item = "/a", .state = UNDO }, k);
	kit_run(k, 10);
	g_assert_cmpint(kit_sent(k, "POST /m"), ==, 2);
	g_assert_cmpint(act_state(act_of(k, "/a", &act_make)), ==, ACT_DONE);
	kit_until(k, all_ended);
	g_assert_cmpint(act_state(act_of(k, "/a", &act_make)), ==, ACT_UNDONE);
	g_assert_cmpstr(k->target.effects->str, ==, "POST /m; DELETE /m; ");
	kit_free(k);
}

/* Also while held; what is no mark is not repeated before the hold is gone. */
static void test_held_unknown(void)
{
	static const Twist twists[] = { { "POST", "/m", 1, HTTP_FAULT_LOST, 0, 0 },
		{ "PATCH", "/a", 1, HTTP_FAULT_LOST, 0, 0 }, { 0 } };
	for (int crash = 0; crash < 2; crash++) {
		Kit *k = kit_new(make_tick);
		k->target.twists = twists;
		kit_start(k);
		kit_add(k, &plain, NULL, "/m2");
		kit_until(k, posted);
		order((Order){ .item = "/m2", .cause = "pause" }, k);
		if (crash)
			kit_crash(k);
		kit_run(k, 10);
		g_assert_cmpint(act_state(act_of(k, "/m2", &act_make)), ==, ACT_DONE);
		k->work = set_tick;
		kit_add(k, &plain, NULL, "/a");
		kit_run(k, 1);
		order((Order){ .item = "/a", .cause = "pause" }, k);
		if (crash)
			kit_crash(k);
		kit_run(k, 120);
		g_assert_nonnull(item_open_act(kit_item(k, "/a")));
		g_assert_cmpint(kit_sent(k, "PATCH /a"), ==, 1);
		order((Order){ .item = "/a", .cause = "pause", .unhold = true }, k);
		kit_run(k, 10);
		g_assert_cmpint(kit_sent(k, "PATCH /a"), ==, 2);
		g_assert_true(item_ended(kit_item(k, "/a")));
		kit_free(k);
	}
}

/* The outcome cannot be read for long: a hold, which goes by itself, and then the act is settled.
 */
static void test_unknown_unreadable(void)
{
	static const Twist twists[] = { { "PATCH", "/a", 1, HTTP_FAULT_LOST, 0, 0 },
		{ "GET", "/a", 2, HTTP_FAULT_NONE, 500, 0 },
		{ "GET", "/a", 3, HTTP_FAULT_NONE, 500, 0 },
		{ "GET", "/a", 4, HTTP_FAULT_NONE, 500, 0 },
		{ "GET", "/a", 5, HTTP_FAULT_NONE, 500, 0 },
		{ "GET", "/a", 6, HTTP_FAULT_NONE, 500, 0 },
		{ "GET", "/a", 7, HTTP_FAULT_NONE, 500, 0 },
		{ "GET", "/a", 8, HTTP_FAULT_NONE, 500, 0 },
		{ "GET", "/a", 9, HTTP_FAULT_NONE, 500, 0 }, { 0 } };
	for (int crash = 0; crash < 2; crash++) {
		Kit *k = kit_new(set_tick);
		k->target.twists = twists;
		kit_start(k);
		kit_add(k, &noted, NULL, "/a");
		kit_run(k, 100);
		g_assert_nonnull(item_find_hold(kit_item(k, "/a"), "unreachable"));
		g_assert_nonnull(item_open_act(kit_item(k, "/a")));
		if (crash)
			kit_crash(k);
		g_string_truncate(k->batches, 0);
		kit_until(k, all_ended);
		g_assert_cmpstr(k->batches->str, ==,
			"unhold:/a | result:/a intent:/a | result:/a | move:/a | ");
		g_assert_cmpint(kit_sent(k, "PATCH /a"), ==, 2);
		kit_free(k);
	}
}

/* ---- 14 ---- */

/* The delete waits until the first attempt, which comes late, cannot come any more. */
static void test_delete_waits(void)
{
	static const Twist twists[] = { { "POST", "/m", 1, HTTP_FAULT_LATE_PAST_TIMEOUT, 0, 0 },
		{ 0 } };
	for (int crash = 0; crash < 2; crash++) {
		Kit *k = kit_new(make_tick);
		k->target.twists = twists;
		kit_start(k);
		kit_add(k, &plain, NULL, "/a");
		kit_until(k, posted);
		int64_t sent = kit_now(k);
		order((Order){ .item = "/a", .state = UNDO }, k);
		if (crash)
			kit_crash(k);
		kit_run_usec(k, sent + 59 * SL_USEC_PER_SEC - kit_now(k));
		g_assert_cmpint(kit_sent(k, "DELETE /m"), ==, 0);
		kit_until(k, all_ended);
		kit_run(k, 60);
		g_assert_cmpstr(k->target.effects->str, ==, "POST /m; DELETE /m; ");
		g_assert_null(kit_get(k, "/m"));
		kit_free(k);
	}
}

static StepResult job_tick(Item *it, int64_t now, Batch *b)
{
	if (!stands(it, &act_job, "/m"))
		return step_act(it, &act_job, "/m", b);
	return step_wait(it, 0, "made");
}

/* A create that nobody wants is closed when it cannot come any more, by a read sent after that. */
static void test_create_unwanted(void)
{
	static const HttpFault faults[] = { HTTP_FAULT_LATE_PAST_TIMEOUT, HTTP_FAULT_LOST };
	for (size_t i = 0; i < G_N_ELEMENTS(faults); i++) {
		const Twist twists[] = { { "POST", "/m", 1, faults[i], 0, 0 }, { 0 } };
		Kit *k = kit_new(job_tick);
		k->target.twists = twists;
		kit_start(k);
		kit_add(k, &plain, NULL, "/a");
		kit_until(k, posted);
		order((Order){ .item = "/a", .state = UNDO }, k);
		kit_run(k, 60);
		g_assert_nonnull(item_open_act(kit_item(k, "/a")));
		kit_run(k, 6);
		g_assert_true(item_ended(kit_item(k, "/a")));
		g_assert_cmpint(
			act_state(act_of(k, "/a", &act_job)), ==, i == 0 ? ACT_DONE : ACT_ABSENT);
		g_assert_cmpint(kit_sent(k, "POST /m"), ==, 1);
		k->target.twists = NULL;
		kit_free(k);
	}
}

/* ---- 15 ---- */

/* The claim, then the object; and when the test says so, its mark. */
static StepResult claimed_set_tick(Item *it, int64_t now, Batch *b)
{
	if (!stands(it, &act_claim, "/cv"))
		return step_act(it, &act_claim, "/cv", b);
	if (!stands(it, &act_set, "/a"))
		return step_act(it, &act_set, "/a", b);
	if (kit_of(it)->limit && !stands(it, &act_mark, "/a"))
		return step_act(it, &act_mark, "/a", b);
	return step_wait(it, 0, "set");
}

static void put_claim(Kit *k, const char *holder, int epoch)
{
	target_put(&k->target, "/cv",
		json_pack("{s:{s:s, s:i}}", "claim", "holder", holder, "epoch", epoch));
}

static void go_on(Kit *k, bool restart)
{
	k->limit = 1;
	g_string_truncate(k->target.sent, 0);
	if (restart) {
		kit_crash(k);
	} else {
		saga_time_lost(k->proc->saga, 30 * SL_USEC_PER_SEC);
		saga_wake(k->proc->saga, kit_item(k, "/a"));
	}
	kit_run(k, 30);
}

/* After a restart, and after time that nobody watched, the claim is read before the first write; it
 * is not raised. */
static void test_claim_proven(void)
{
	for (int restart = 0; restart < 2; restart++) {
		Kit *k = claimed(claimed_set_tick, NULL);
		kit_run(k, 5);
		g_assert_cmpint(kit_sent(k, "PATCH /a"), ==, 1);
		go_on(k, restart);
		const char *proof = strstr(k->target.sent->str, "GET /cv");
		const char *write = strstr(k->target.sent->str, "PATCH /a");
		g_assert_true(proof && write && proof < write);
		g_assert_cmpint(json_path_int(kit_get(k, "/cv"), "claim.epoch", 0), ==, 1);
		g_assert_cmpint(site_epoch(k->proc->site), ==, 1);
		kit_free(k);
	}
}

/* Somebody else's: nothing is written, a person is asked; when it is ours again and the hold is
 * cleared, it goes on. */
static void test_claim_lost(void)
{
	for (int restart = 0; restart < 2; restart++) {
		Kit *k = claimed(claimed_set_tick, NULL);
		kit_run(k, 5);
		put_claim(k, "them", 2);
		go_on(k, restart);
		kit_run(k, 300);
		g_assert_null(strstr(k->target.sent->str, "PATCH"));
		const Hold *h = item_find_hold(kit_item(k, "/a"), "claim");
		g_assert_true(h && h->person);
		order((Order){ .item = "/a", .cause = "claim", .unhold = true }, k);
		kit_run(k, 30);
		g_assert_nonnull(item_find_hold(kit_item(k, "/a"), "claim"));
		put_claim(k, "us", 1);
		order((Order){ .item = "/a", .cause = "claim", .unhold = true }, k);
		kit_run(k, 30);
		g_assert_cmpuint(item_n_holds(kit_item(k, "/a")), ==, 0);
		g_assert_cmpint(kit_sent(k, "PATCH /a"), ==, 2);
		kit_free(k);
	}
}

static void stolen_and_crash(void *ud)
{
	put_claim(ud, "them", 2);
	kit_crash(ud);
}

/* An act that was open at the crash is not repeated before the claim is proven either. */
static void test_claim_before_repetition(void)
{
	static const ActRow *const rows[] = { &act_set, &act_mark };
	static const Twist twists[][2] = {
		{ { "PATCH", "/a", 1, HTTP_FAULT_CRASH_BEFORE_SEND, 0, 0 }, { 0 } },
		{ { "PATCH", "/a", 2, HTTP_FAULT_CRASH_BEFORE_SEND, 0, 0 }, { 0 } },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		Kit *k = kit_new(claimed_set_tick);
		k->limit = 1;
		k->claims = true;
		k->target.twists = twists[i];
		k->target.crash = stolen_and_crash;
		kit_start(k);
		kit_add(k, &plain, NULL, "/a");
		kit_run(k, 120);
		g_assert_cmpuint(k->n_starts, ==, 2);
		g_assert_cmpint(kit_sent(k, "PATCH /a"), ==, (int)i + 1);
		g_assert_cmpint(act_state(act_of(k, "/a", rows[i])), ==, ACT_OPEN);
		g_assert_nonnull(item_find_hold(kit_item(k, "/a"), "claim"));
		kit_free(k);
	}
}

/* ---- 16 ---- */

/* The fence is lost, and meanwhile the pivot lands: the fence is served first, then the pivot is
 * found to be done. */
static void test_two_open(void)
{
	static const Twist twists[] = { { "PATCH", "/cv", 2, HTTP_FAULT_LATE_PAST_TIMEOUT, 0, 0 },
		{ "PATCH", "/cv", 3, HTTP_FAULT_LOST, 0, 0 }, { 0 } };
	for (int crash = 0; crash < 2; crash++) {
		Kit *k = claimed(claimed_pivot_tick, twists);
		kit_until(k, two_patches);
		order((Order){ .item = "/a", .state = UNDO }, k);
		kit_run(k, 6);
		g_assert_cmpint(kit_sent(k, "PATCH /cv"), ==, 3);
		const Act *fence = act_of(k, "/a", &act_raise);
		g_assert_true(item_open_act(kit_item(k, "/a")) == fence);
		g_assert_cmpint(act_state(act_of(k, "/a", &act_pivot)), ==, ACT_OPEN);
		if (crash)
			kit_crash(k);
		kit_until(k, all_ended);
		kit_run(k, 60);
		g_assert_cmpint(
			act_state(act_of(k, "/a", &act_pivot)), ==, crash ? ACT_ABSENT : ACT_DONE);
		g_assert_cmpint(kit_sent(k, "PATCH /cv"), ==, 5);
		kit_free(k);
	}
}

/* A fence that is refused is tried again slowly. */
static void test_fence_refused(void)
{
	static const Twist twists[] = { { "PATCH", "/cv", 2, HTTP_FAULT_LOST, 0, 0 },
		{ "PATCH", "/cv", 3, HTTP_FAULT_NONE, 0, 0 }, { 0 } };
	static const Twist refusing[] = { { "PATCH", "/cv", 2, HTTP_FAULT_LOST, 0, 0 },
		{ "PATCH", "/cv", 0, HTTP_FAULT_NONE, 403, 0 }, { 0 } };
	Kit *k = claimed(claimed_pivot_tick, twists);
	kit_until(k, two_patches);
	order((Order){ .item = "/a", .state = UNDO }, k);
	k->target.twists = refusing;
	kit_run(k, 200);
	g_assert_cmpint(kit_sent(k, "PATCH /cv"), >=, 8);
	g_assert_cmpint(kit_sent(k, "PATCH /cv"), <=, 14);
	k->target.twists = NULL;
	kit_until(k, all_ended);
	kit_free(k);
}

/* ---- 17 ---- */

/* What the ledger of a budget stands on: a refusal keeps the server's words and its time over a
 * restart, nothing is sent before that time, and what was decided on stays in the intent. */
static void test_refusal(void)
{
	static const Twist twists[] = { { "PATCH", "/a", 1, HTTP_FAULT_NONE, 429, 7 },
		{ "PATCH", "/a", 2, HTTP_FAULT_NONE, 429, 0 }, { 0 } };
	Kit *k = kit_new(set_tick);
	k->target.twists = twists;
	kit_start(k);
	kit_add(k, &plain, NULL, "/a");
	int64_t began = kit_now(k);
	kit_run_usec(k, 6900000);
	g_assert_cmpint(kit_sent(k, "PATCH /a"), ==, 1);
	const Act *a = act_of(k, "/a", &act_set);
	g_assert_cmpint(act_state(a), ==, ACT_REFUSED);
	g_assert_cmpint(act_settled_usec(a) - began, <, 100000);
	g_assert_cmpint(act_settled_usec(a), >, began);
	g_assert_cmpint(json_path_int(act_result(a), "status", 0), ==, 429);
	kit_run_usec(k, 300000);
	g_assert_cmpint(kit_sent(k, "PATCH /a"), ==, 2);
	kit_crash(k);
	a = item_act(kit_item(k, "/a"), 0);
	g_assert_cmpint(json_path_int(act_result(a), "retryAfter", 0), ==, 7);
	g_assert_cmpint(json_path_int(act_want(a), "v", 0), ==, 1);
	g_assert_cmpint(act_settled_usec(a), ==, 0);
	kit_until(k, all_ended);
	kit_free(k);
}

/* Without a word of the server: slower and slower. */
static void test_refused_for_ever(void)
{
	static const Twist twists[] = { { "PATCH", "/a", 0, HTTP_FAULT_NONE, 403, 0 }, { 0 } };
	static const Twist conflicts[] = { { "PATCH", "/a", 0, HTTP_FAULT_NONE, 409, 0 }, { 0 } };
	for (int i = 0; i < 2; i++) {
		Kit *k = kit_new(set_tick);
		k->target.twists = i ? conflicts : twists;
		kit_start(k);
		kit_add(k, &plain, NULL, "/a");
		kit_run(k, 200);
		g_assert_cmpint(kit_sent(k, "PATCH /a"), >=, 8);
		g_assert_cmpint(kit_sent(k, "PATCH /a"), <=, 13);
		kit_free(k);
	}
}

/* ---- 21 ---- */

/* Everything is under way when the process dies: reads, an act, a batch, a submission, timers. What
 * was sent arrives, also after the restart; nobody is called back. */
static void test_crash(void)
{
	static const Twist twists[] = { { "GET", "/slow", 0, HTTP_FAULT_LATE, 0, 0 },
		{ "PATCH", "/a", 1, HTTP_FAULT_LATE, 0, 0 }, { 0 } };
	for (int64_t at = 0; at < 3000; at += 100) {
		Kit *k = kit_new(set_tick);
		k->target.twists = twists;
		kit_start(k);
		kit_add(k, &noted, NULL, "/slow");
		kit_add(k, &noted, NULL, "/a");
		kit_run_usec(k, at);
		Order o = { .kit = k, .item = "/a", .cause = "pause" };
		saga_submit(k->proc->saga, order_build, NULL, &o);
		kit_kill(k);
		kit_run(k, 1);
		kit_start(k);
		kit_until(k, all_ended);
		kit_run(k, 60);
		g_assert_cmpstr(json_path_str(kit_get(k, "/a"), "metadata.name", "-"), ==, "-");
		g_assert_cmpint(json_path_int(kit_get(k, "/a"), "v", 0), ==, 1);
		g_assert_cmpint(json_path_int(kit_get(k, "/slow"), "v", 0), ==, 1);
		int n = 0;
		for (const char *p = k->target.effects->str; (p = strstr(p, "v=1")); p++)
			n++;
		g_assert_cmpint(n, ==, 2);
		kit_free(k);
	}
}

/* The connection goes with everything on it, but the process stays: reads are asked again, the act
 * is settled by a read, the claim is proven before the next write. */
static void test_disconnected(void)
{
	for (int64_t at = 0; at < 6000; at += 100) {
		Kit *k = claimed(claimed_set_tick, NULL);
		k->limit = 1;
		kit_run_usec(k, at);
		http_sim_crash(k->target.http);
		g_ptr_array_set_size(k->proc->contexts, 0);
		site_disconnected(k->proc->site);
		g_string_truncate(k->target.sent, 0);
		kit_run(k, 60);
		const char *claim = strstr(k->target.sent->str, " /cv"); /* read or taken */
		const char *write = strstr(k->target.sent->str, "PATCH /a");
		g_assert_true(!write || (claim && claim < write));
		g_assert_cmpstr(k->target.effects->str, ==,
			"PATCH /cv claim={\"epoch\":1,\"holder\":\"us\"}; PATCH /a v=1; "
			"PATCH /a mark=true; ");
		kit_free(k);
	}
}

/* ---- a fact that follows a watch ---- */

static StepResult following_tick(Item *it, int64_t now, Batch *b)
{
	Kit *k = kit_of(it);
	const View *v = k->limit ? fact_since(it, &fact_obj, "/a", k->limit * SL_USEC_PER_SEC)
				 : fact_settled(it, &fact_obj, "/a");
	if (!v && !fact(it, &fact_obj, "/a"))
		return step_read(it);
	k->n_ticks++;
	return step_wait(it, 0, "v is %d",
		(int)json_path_int(fact_peek(it, &fact_obj, "/a")->json, "v", -1));
}

static bool tell(Kit *k, const char *key, int v, bool wake)
{
	bool followed = site_fact_follow(
		k->proc->site, &fact_obj, key, view_new(json_pack("{s:i}", "v", v)), wake);
	kit_run_usec(k, 10000);
	return followed;
}

/* It shows what it was told, and is as old as its read all the same. */
static void test_follow(void)
{
	Kit *k = kit_new(following_tick);
	target_put(&k->target, "/a", json_pack("{s:i}", "v", 0));
	kit_start(k);
	g_assert_false(tell(k, "/a", 1, true)); /* nothing was read yet */
	kit_add(k, &plain, NULL, "/a");
	kit_run(k, 1);
	const Item *it = kit_item(k, "/a");
	g_assert_cmpint(kit_sent(k, "GET /a"), ==, 1);
	kit_run(k, 3600);
	g_assert_true(tell(k, "/a", 2, true));
	g_assert_cmpstr(item_reason(it), ==, "v is 2");
	unsigned ticks = k->n_ticks;
	g_assert_true(tell(k, "/a", 3, false));
	g_assert_cmpuint(k->n_ticks, ==, ticks);
	g_assert_cmpint(kit_sent(k, "GET /a"), ==, 1);
	g_assert_false(tell(k, "/b", 3, true));
	k->limit =
		(unsigned)(kit_now(k) /
			   SL_USEC_PER_SEC); /* younger than the read: only another one will do */
	saga_wake(k->proc->saga, kit_item(k, "/a"));
	kit_run(k, 1);
	g_assert_cmpint(kit_sent(k, "GET /a"), ==, 2);
	g_assert_cmpstr(item_reason(it), ==, "v is 0");
	k->limit = 0;
	site_fact_forget(k->proc->site, &fact_obj, "/a");
	g_assert_false(site_fact_follow(
		k->proc->site, &fact_obj, "/a", view_new(json_pack("{s:i}", "v", 9)), true));
	kit_run(k, 1);
	g_assert_cmpint(kit_sent(k, "GET /a"), ==, 3);
	g_assert_cmpstr(item_reason(it), ==, "v is 0");
	kit_free(k);
}

/* ---- facts not older than ---- */

static void slow_done(void *ud)
{
	FactRead *r = ud;
	fact_read_done(r, view_new(json_object()), NULL);
}

/* The key says how many milliseconds its answers take. */
static void slow_read(Site *site, const char *key, FactRead *r)
{
	const Proc *p = site_ctx(site);
	Loop loop = loop_sim_proc_loop(p->proc);
	int64_t usec = g_ascii_strtoll(key, NULL, 10) * 1000;
	p->kit->limit++;
	loop_timer(loop, loop_boot_usec(loop) + usec, slow_done, r);
}

static const FactRow fact_slow = { .name = "slow", .read = slow_read };

/* All three at once, none older than two seconds. */
static StepResult within_tick(Item *it, int64_t now, Batch *b)
{
	g_auto(GStrv) keys = g_strsplit(item_name(it), ",", -1);
	bool all = true;
	for (char **k = keys; *k; k++)
		all = fact_within(it, &fact_slow, *k, 2 * SL_USEC_PER_SEC, 0) && all;
	return all ? step_done(ENDED) : step_read(it);
}

static void test_within(void)
{
	static const struct {
		const char *keys;
		int sec;
		unsigned n_reads;
	} cases[] = {
		{ "100", 1, 1 },
		{ "5000", 6, 1 },
		{ "5000,8000", 9, 2 },
		{ "100,5000", 6, 3 }, /* the quick one a second time */
		{ "20000,100,1500", 30, 5 },
		{ "2500,9000,30000", 60, 8 },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		Kit *k = kit_new(within_tick);
		kit_start(k);
		kit_add(k, &plain, NULL, cases[i].keys);
		kit_run(k, (unsigned)cases[i].sec);
		const Item *it = kit_item(k, cases[i].keys);
		g_test_message("%s: %u reads", cases[i].keys, k->limit);
		g_assert_cmpint(item_state(it), ==, ENDED);
		g_assert_cmpuint(k->limit, <=, cases[i].n_reads);
		kit_free(k);
	}
}

/* After something that we did no older read will do, and a read grows old. */
static StepResult within_since_tick(Item *it, int64_t now, Batch *b)
{
	Kit *k = kit_of(it);
	if (!fact_within(it, &fact_slow, "1000", 5 * SL_USEC_PER_SEC, k->pruned))
		return step_read(it);
	k->n_ticks = 100;
	return step_wait(it, 0, "had");
}

static void test_within_since(void)
{
	Kit *k = kit_new(within_since_tick);
	kit_start(k);
	kit_add(k, &plain, NULL, "/a");
	kit_run(k, 2);
	g_assert_cmpuint(k->limit, ==, 1);
	g_assert_cmpuint(k->n_ticks, ==, 100);
	k->pruned = kit_now(k); /* boot time of what we did; nothing was pruned here */
	saga_wake(k->proc->saga, kit_item(k, "/a"));
	kit_run(k, 2);
	g_assert_cmpuint(k->limit, ==, 2);
	kit_run(k, 60);
	saga_wake(k->proc->saga, kit_item(k, "/a"));
	kit_run(k, 2);
	g_assert_cmpuint(k->limit, ==, 3);
	kit_free(k);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/rules/11-follow", test_follow);
	g_test_add_func("/rules/11-within", test_within);
	g_test_add_func("/rules/11-within-since", test_within_since);
	g_test_add_func("/rules/12-fenced", test_fenced);
	g_test_add_func("/rules/12-repeated", test_repeated);
	g_test_add_func("/rules/12-by-uid", test_by_uid);
	g_test_add_func("/rules/12-refused-repetition", test_refused_repetition);
	g_test_add_func("/rules/12-foreign-meanwhile", test_foreign_meanwhile);
	g_test_add_func("/rules/13-mark-driven", test_mark_driven);
	g_test_add_func("/rules/13-held-unknown", test_held_unknown);
	g_test_add_func("/rules/13-unknown-unreadable", test_unknown_unreadable);
	g_test_add_func("/rules/14-delete-waits", test_delete_waits);
	g_test_add_func("/rules/14-create-unwanted", test_create_unwanted);
	g_test_add_func("/rules/15-claim-proven", test_claim_proven);
	g_test_add_func("/rules/15-claim-lost", test_claim_lost);
	g_test_add_func("/rules/15-claim-before-repetition", test_claim_before_repetition);
	g_test_add_func("/rules/16-two-open", test_two_open);
	g_test_add_func("/rules/16-fence-refused", test_fence_refused);
	g_test_add_func("/rules/17-refusal", test_refusal);
	g_test_add_func("/rules/17-refused-for-ever", test_refused_for_ever);
	g_test_add_func("/rules/21-crash", test_crash);
	g_test_add_func("/rules/21-disconnected", test_disconnected);
	return g_test_run();
}
