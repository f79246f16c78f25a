/* The engine's rules 1 to 11, each by a test that fails when the rule is broken. The journal of the
 * kit checks rules 1, 2, 3 and 5 at every batch besides. */
#include "saga/test-order.h"

static void nothing_stored(Batch *b, void *ud)
{
	*(int *)ud += 1;
}

static void told(const GError *err, void *ud)
{
	*(int *)ud += err ? 1000 : 10;
}

/* ---- 1 ---- */

static void test_one_batch(void)
{
	Kit *k = kit_new(set_tick);
	kit_start(k);
	kit_add(k, &plain, NULL, "/a");
	kit_add(k, &plain, NULL, "/b");
	kit_until(k, appending);
	unsigned n_ticks = k->n_ticks;
	int submitted = 0;
	saga_submit(k->proc->saga, nothing_stored, told, &submitted);
	saga_wake(k->proc->saga, kit_item(k, "/a"));
	site_fact_set(k->proc->site, &fact_obj, "/b", view_new_missing());
	while (k->appending) {
		g_assert_cmpuint(k->n_ticks, ==, n_ticks);
		g_assert_cmpint(submitted, ==, 0);
		g_assert_cmpint(kit_sent(k, "PATCH /a"), ==, 0);
		g_assert_true(loop_sim_step(k->sim));
	}
	kit_until(k, all_ended);
	g_assert_cmpint(submitted, ==, 11);
	g_assert_cmpstr(k->target.effects->str, ==, "PATCH /a v=1; PATCH /b v=1; ");
	kit_free(k);
}

/* The disk says no: nothing of the batch is in memory, nothing is sent, everybody hears of it. */
static void test_store_error(void)
{
	Kit *k = kit_new(set_tick);
	kit_start(k);
	kit_add(k, &plain, NULL, "/a");
	kit_run_usec(k, 300); /* the read is under way */
	k->fault_at = (int64_t)store_mem_batches(k->disk);
	k->fault = STORE_FAULT_ERROR;
	int before = 0, during = 0, after = 0;
	kit_until(k, appending);
	g_autofree char *memory = kit_dump(k->proc->saga);
	saga_submit(k->proc->saga, nothing_stored, told, &during);
	kit_run(k, 10);
	g_assert_true(saga_stopped(k->proc->saga));
	saga_submit(k->proc->saga, nothing_stored, told, &after);
	g_assert_cmpint(after, ==, 0); /* never from inside the call */
	site_fact_forget(k->proc->site, NULL, NULL);
	saga_wake(k->proc->saga, kit_item(k, "/a"));
	kit_run(k, 300);
	g_autofree char *now = kit_dump(k->proc->saga);
	g_assert_cmpstr(now, ==, memory);
	g_assert_cmpstr(k->target.effects->str, ==, "");
	g_assert_cmpint(kit_sent(k, "PATCH /a"), ==, 0);
	g_assert_cmpint(kit_sent(k, "GET /a"), ==, 1);
	g_assert_cmpint(before, ==, 0);
	g_assert_cmpint(during, ==, 1000);
	g_assert_cmpint(after, ==, 1000);
	k->fault_at = -1;
	kit_crash(k);
	kit_until(k, all_ended);
	g_assert_cmpstr(k->target.effects->str, ==, "PATCH /a v=1; ");
	kit_free(k);
}

/* Submissions come before every tick of their turn, in their order, and are told when durable. */
static void test_submission(void)
{
	Kit *k = kit_new(set_tick);
	kit_start(k);
	kit_add(k, &plain, NULL, "/a");
	kit_until(k, appending);
	g_string_truncate(k->batches, 0);
	Order hold = { .kit = k, .item = "/a", .cause = "pause" };
	Order move = { .kit = k, .item = "/a", .state = UNDO };
	saga_submit(k->proc->saga, order_build, order_stored, &hold);
	saga_submit(k->proc->saga, order_build, order_stored, &move);
	while (k->appending)
		g_assert_true(loop_sim_step(k->sim));
	kit_until(k, appending);
	while (k->appending) {
		g_assert_false(hold.stored || move.stored);
		g_assert_true(loop_sim_step(k->sim));
	}
	g_assert_true(hold.stored && move.stored);
	g_assert_true(g_str_has_prefix(k->batches->str, "hold:/a move:/a | "));
	kit_free(k);
}

/* ---- 2 ---- */

static void test_separate_turns(void)
{
	Kit *k = kit_new(set_tick);
	kit_start(k);
	kit_add(k, &plain, NULL, "/a");
	g_string_truncate(k->batches, 0);
	kit_until(k, all_ended);
	g_assert_cmpstr(k->batches->str, ==, "intent:/a | result:/a | move:/a | ");
	kit_free(k);
}

static StepResult pivot_tick(Item *it, int64_t now, Batch *b)
{
	const Act *a = act_find(it, &act_pivot, "/cv");
	if (a && act_state(a) == ACT_DONE)
		return step_done(ENDED);
	if (!fact(it, &fact_obj, "/cv"))
		return step_read(it);
	batch_pivot(b, it, "crossed");
	return step_act(it, &act_pivot, "/cv", b);
}

/* A pivot and its intent are one: there is never the one without the other, whatever is lost. */
static void test_pivot_with_intent(void)
{
	static const StoreFault faults[] = { STORE_FAULT_NONE, STORE_FAULT_CRASH_BEFORE,
		STORE_FAULT_LOST, STORE_FAULT_UNACKNOWLEDGED, STORE_FAULT_CRASH_AFTER };
	for (size_t i = 0; i < G_N_ELEMENTS(faults); i++) {
		Kit *k = kit_new(pivot_tick);
		kit_start(k);
		kit_add(k, &plain, NULL, "/a");
		k->fault = faults[i];
		k->fault_at = (int64_t)store_mem_batches(k->disk);
		kit_until(k, all_ended);
		g_assert_cmpstr(k->target.effects->str, ==, "PATCH /cv v=1; ");
		g_assert_nonnull(strstr(k->batches->str, "pivot:/a intent:/a | "));
		kit_free(k);
	}
}

static StepResult hasty_tick(Item *it, int64_t now, Batch *b)
{
	if (stands(it, &act_pivot, "/cv"))
		return step_done(ENDED);
	batch_pivot(b, it, "crossed");
	return step_act(it, &act_pivot, "/cv", b);
}

/* A tick that asks for the pivot before it knows that it can act crosses nothing yet. */
static void test_pivot_alone(void)
{
	static const Twist twists[] = { { "GET", "/cv", 1, HTTP_FAULT_NONE, 500, 0 },
		{ "PATCH", "/cv", 1, HTTP_FAULT_NONE, 403, 0 }, { 0 } };
	Kit *k = kit_new(hasty_tick);
	k->target.twists = twists;
	kit_start(k);
	kit_add(k, &plain, NULL, "/a");
	g_string_truncate(k->batches, 0);
	kit_until(k, all_ended);
	g_assert_cmpstr(k->batches->str, ==,
		"pivot:/a intent:/a | result:/a | intent:/a | result:/a | move:/a | ");
	kit_free(k);
}

/* ---- 3 ---- */

static StepResult all_tick(Item *it, int64_t now, Batch *b)
{
	if (json_object_get(item_memo(it), "x"))
		return step_wait(it, 0, "all is stored");
	if (!fact(it, &fact_obj, item_name(it)))
		return step_read(it);
	batch_memo(b, it, "x", json_integer(1));
	batch_look(b, it, json_pack("{s:s}", "gate", "g"));
	batch_pivot(b, it, "p");
	batch_hold(b, it, "h", "person", true, "");
	batch_item(b, it, &plain, item_site(it), "/child", WORK, NULL);
	batch_epoch(b, item_site(it), 7, true);
	const Act *a = act_find(it, &act_set, item_name(it));
	return a ? step_wait(it, 0, "set") : step_act(it, &act_set, item_name(it), b);
}

/* Nothing of a batch is in memory before it is durable, all of it afterwards. */
static void test_apply_only(void)
{
	Kit *k = kit_new(all_tick);
	kit_start(k);
	kit_add(k, &plain, NULL, "/a");
	g_autofree char *before = kit_dump(k->proc->saga);
	kit_until(k, appending);
	g_autofree char *during = kit_dump(k->proc->saga);
	g_assert_cmpstr(during, ==, before);
	k->until = NULL;
	while (k->appending)
		g_assert_true(loop_sim_step(k->sim));
	g_assert_true(item_pivot_crossed(kit_item(k, "/a"), "p"));
	g_assert_nonnull(kit_item(k, "/child"));
	g_assert_cmpint(site_epoch(k->proc->site), ==, 7);
	kit_run(k, 5);
	g_autofree char *live = kit_dump(k->proc->saga);
	kit_crash(k);
	g_autofree char *again = kit_dump(k->proc->saga);
	g_assert_cmpstr(live, ==, again);
	kit_free(k);
}

/* The journal of a target that is not configured any more is replayed all the same; its items ask a
 * person. */
static void test_target_gone(void)
{
	Kit *k = kit_new(all_tick);
	kit_start(k);
	kit_add(k, &noted, NULL, "/a");
	kit_run(k, 5);
	k->no_target = true;
	k->check = nothing_to_check;
	kit_crash(k);
	kit_run(k, 300);
	g_assert_nonnull(item_find_hold(kit_item(k, "/a"), "no-target"));
	g_assert_cmpint(kit_sent(k, "PATCH /a"), ==, 1);
	k->no_target = false;
	kit_crash(k);
	kit_run(k, 5);
	g_assert_null(item_find_hold(kit_item(k, "/child"), "no-target"));
	kit_free(k);
}

/* Where the beginning of a run that has ended was pruned, what is left of it is passed over; its
 * numbers are not given again. */
static void test_pruned(void)
{
	Kit *k = kit_new(all_tick);
	kit_start(k);
	kit_add(k, &noted, NULL, "/a");
	k->pruned = saga_last_seq(k->proc->saga);
	k->check = nothing_to_check;
	kit_run(k, 5);
	g_assert_nonnull(kit_item(k, "/child"));
	uint64_t next_id = k->proc->saga->next_id;
	kit_crash(k);
	kit_run(k, 5);
	g_assert_null(kit_item(k, "/a"));
	g_assert_null(kit_item(k, "/child"));
	g_assert_cmpuint(k->proc->saga->next_id, ==, next_id);
	kit_free(k);
}

/* ---- 4 ---- */

static StepResult limited_tick(Item *it, int64_t now, Batch *b)
{
	Kit *k = kit_of(it);
	const Act *a = act_find(it, &act_set, item_name(it));
	if (a && act_state(a) == ACT_DONE)
		return step_done(ENDED);
	if (!fact(it, &fact_obj, item_name(it)))
		return step_read(it);
	if (batch_open_acts(b, item_site(it), &act_set) >= k->limit) /* 0 at first */
		return step_wait(it, now + 100000, "the limit");
	return step_act(it, &act_set, item_name(it), b);
}

static void see_open(Kit *k)
{
	unsigned n = 0;
	GPtrArray *items = k->proc->saga->items;
	for (guint i = 0; i < items->len; i++) {
		const Act *open = item_open_act(g_ptr_array_index(items, i));
		n += open != NULL;
	}
	k->at_usec = MAX(k->at_usec, n);
	check_replay(k);
}

/* Acts that are durable and open count, and those that the same turn has taken. */
static void test_limits(void)
{
	for (unsigned limit = 1; limit <= 3; limit++) {
		Kit *k = kit_new(limited_tick);
		k->check = see_open;
		kit_start(k);
		static const char *const names[] = { "/a", "/b", "/c", "/d", "/e" };
		for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
			kit_add(k, &plain, NULL, names[i]);
		kit_run(k, 5);
		k->limit = limit; /* and now all of them at once */
		site_fact_forget(k->proc->site, NULL, NULL);
		kit_until(k, all_ended);
		g_assert_cmpint(k->at_usec, ==, limit);
		for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
			const Act *a = item_act(kit_item(k, names[i]), 0);
			g_assert_cmpuint(item_n_acts(kit_item(k, names[i])), ==, 1);
			g_assert_cmpint(act_attempt(a), ==, 1);
		}
		kit_free(k);
	}
}

/* ---- 5 ---- */

static StepResult noisy_tick(Item *it, int64_t now, Batch *b)
{
	g_string_append_printf(kit_of(it)->log, "%s ", item_name(it));
	return step_wait(it, 0, "woken by the test");
}

static void test_order(void)
{
	Kit *k = kit_new(noisy_tick);
	kit_start(k);
	static const char *const names[] = { "/z", "/m", "/a", "/y" };
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
		kit_add(k, &plain, NULL, names[i]);
	for (int round = 0; round < 2; round++) {
		kit_run(k, 1);
		g_string_truncate(k->log, 0);
		for (size_t i = G_N_ELEMENTS(names); i > 0; i--)
			saga_wake(k->proc->saga, kit_item(k, names[i - 1]));
		kit_run(k, 1);
		g_assert_cmpstr(k->log->str, ==, "/z /m /a /y ");
		kit_crash(k);
	}
	kit_free(k);
}

static StepResult steering_tick(Item *it, int64_t now, Batch *b)
{
	Kit *k = kit_of(it);
	g_string_append_printf(k->log, "%s ", item_name(it));
	if (item_n_children(it) == 0)
		return step_wait(it, 0, "steered, or without a child yet");
	if (k->limit) { /* armed: the child moves once, whatever is asked for */
		k->limit = 0;
		batch_move(b, item_child(it, 0), UNDO, "first");
		batch_move(b, item_child(it, 0), ENDED, "second");
	}
	return step_wait(it, 0, "steering");
}

static StepResult noisy_undo(Item *it, int64_t now, Batch *b)
{
	g_string_append_printf(kit_of(it)->log, "undo%s ", item_name(it));
	return step_wait(it, 0, "undoing");
}

/* An item that its parent moved is not served in that turn, and moves once. */
static void test_moved_by_parent(void)
{
	Kit *k = kit_new(steering_tick);
	k->undo = noisy_undo;
	kit_start(k);
	kit_add(k, &plain, NULL, "/p");
	kit_add(k, &plain, "/p", "/c");
	kit_run(k, 1);
	g_string_truncate(k->log, 0);
	g_string_truncate(k->batches, 0);
	k->limit = 1;
	saga_wake(k->proc->saga, kit_item(k, "/p"));
	saga_wake(k->proc->saga, kit_item(k, "/c"));
	kit_run(k, 1);
	g_assert_cmpstr(k->batches->str, ==, "move:/c | ");
	g_assert_cmpstr(k->log->str, ==, "/p /p undo/c ");
	kit_free(k);
}

/* ---- 6 ---- */

static StepResult look_tick(Item *it, int64_t now, Batch *b)
{
	size_t n = json_array_size(item_looks(it));
	if (n > 0)
		return step_done(ENDED);
	batch_look(b, it, json_pack("{s:s, s:s}", "gate", "g", "verdict", "PASS"));
	g_assert_cmpuint(json_array_size(item_looks(it)), ==, n);
	return step_wait(it, 0, "looked");
}

static void test_look(void)
{
	static const StoreFault faults[] = { STORE_FAULT_NONE, STORE_FAULT_CRASH_BEFORE,
		STORE_FAULT_LOST, STORE_FAULT_UNACKNOWLEDGED, STORE_FAULT_CRASH_AFTER };
	for (size_t i = 0; i < G_N_ELEMENTS(faults); i++) {
		Kit *k = kit_new(look_tick);
		kit_start(k);
		k->fault = faults[i];
		k->fault_at = (int64_t)store_mem_batches(k->disk) + 1;
		kit_add(k, &plain, NULL, "/a");
		kit_until(k, all_ended);
		bool twice = faults[i] == STORE_FAULT_CRASH_BEFORE || faults[i] == STORE_FAULT_LOST;
		g_assert_cmpstr(k->batches->str, ==,
			twice ? "item:/a | look:/a | look:/a | move:/a | "
			      : "item:/a | look:/a | move:/a | ");
		g_assert_cmpuint(json_array_size(item_looks(kit_item(k, "/a"))), ==, 0);
		kit_free(k);
	}
}

static StepResult stepping_tick(Item *it, int64_t now, Batch *b)
{
	size_t n = json_array_size(item_looks(it));
	g_assert_cmpuint(n, >=, item_step(it));
	if (n > item_step(it))
		return step_done(item_step(it) == 2 ? ENDED : 0);
	batch_look(b, it, json_pack("{s:s}", "gate", "g"));
	return step_wait(it, 0, "looked");
}

/* Looks stay while the item stays in its state, whatever step it is at. */
static void test_looks_stay(void)
{
	Kit *k = kit_new(stepping_tick);
	kit_start(k);
	kit_add(k, &plain, NULL, "/a");
	kit_until(k, all_ended);
	kit_free(k);
}

/* ---- 7 ---- */

/* A parent makes one child after the other, and sees their states only; a child sets its mark. */
static StepResult family_tick(Item *it, int64_t now, Batch *b)
{
	static const char *const names[] = { "/c1", "/c2" };
	if (strcmp(item_name(it), "/p") != 0) {
		const Act *a = act_find(it, &act_mark, item_name(it));
		return a && act_state(a) == ACT_DONE ? step_done(UNDO)
						     : step_act(it, &act_mark, item_name(it), b);
	}
	size_t n = item_n_children(it);
	if (n > 0 && !item_ended(item_child(it, n - 1)))
		return step_wait(it, 0, "a child");
	if (n == G_N_ELEMENTS(names))
		return step_done(ENDED);
	batch_item(b, it, &plain, item_site(it), names[n], WORK, NULL);
	return step_wait(it, 0, "a new child");
}

static void family(int64_t fault_at, StoreFault fault, uint64_t *ret_n_batches)
{
	Kit *k = kit_new(family_tick);
	target_put(&k->target, "/c1", json_object());
	target_put(&k->target, "/c2", json_object());
	k->fault_at = fault_at;
	k->fault = fault;
	kit_start(k);
	while (!kit_item(k, "/p")) {
		Order o = { .kit = k, .kind = &plain, .item = "/p" };
		saga_submit(k->proc->saga, order_build, NULL, &o);
		kit_run_usec(k, 300);
	}
	kit_until(k, all_ended);
	g_assert_cmpstr(k->target.effects->str, ==,
		"PATCH /c1 mark=true; PATCH /c1 mark=false; PATCH /c2 mark=true; "
		"PATCH /c2 mark=false; ");
	*ret_n_batches = store_mem_batches(k->disk);
	kit_free(k);
}

static void test_children(void)
{
	static const StoreFault faults[] = { STORE_FAULT_CRASH_BEFORE, STORE_FAULT_LOST,
		STORE_FAULT_UNACKNOWLEDGED, STORE_FAULT_CRASH_AFTER };
	uint64_t n, other;
	family(-1, STORE_FAULT_NONE, &n);
	for (uint64_t at = 0; at < n; at++)
		for (size_t i = 0; i < G_N_ELEMENTS(faults); i++)
			family((int64_t)at, faults[i], &other);
}

/* Moved while its request is under way: that is settled first, by the child itself. */
static void test_moved_with_open_act(void)
{
	static const Twist twists[] = { { "PATCH", "/c", 1, HTTP_FAULT_LOST, 0, 0 }, { 0 } };
	Kit *k = kit_new(family_tick);
	k->target.twists = twists;
	kit_start(k);
	kit_add(k, &plain, NULL, "/c");
	kit_run(k, 1);
	g_assert_cmpint(kit_sent(k, "PATCH /c"), ==, 1);
	order((Order){ .item = "/c", .state = UNDO }, k);
	g_assert_nonnull(item_open_act(kit_item(k, "/c")));
	g_string_truncate(k->batches, 0);
	kit_until(k, all_ended);
	g_assert_cmpstr(k->batches->str, ==,
		"result:/c intent:/c | result:/c | intent:/c | result:/c | move:/c | ");
	g_assert_cmpstr(k->target.effects->str, ==, "PATCH /c mark=true; PATCH /c mark=false; ");
	kit_free(k);
}

/* ---- 8 ---- */

static StepResult list_tick(Item *it, int64_t now, Batch *b)
{
	Kit *k = kit_of(it);
	g_string_append_printf(k->log, "%u", item_step(it));
	if (item_step(it) == 0 && !fact(it, &fact_kept, "/cv"))
		return step_read(it);
	if (item_step(it) == 1 && now < k->at_usec)
		return step_wait(it, k->at_usec, "until then");
	return step_done(item_step(it) == 2 ? k->limit : 0); /* 0 too ends the list */
}

/* DONE(0) is the next step, and after the last what comes after the list; READ and WAIT come back
 * once, and in time. */
static void verbs(unsigned last)
{
	Kit *k = kit_new(list_tick);
	k->limit = last;
	k->at_usec = kit_now(k) + 30 * SL_USEC_PER_SEC;
	kit_start(k);
	kit_add(k, &plain, NULL, "/a");
	kit_run(k, 20);
	g_assert_cmpstr(k->log->str, ==, "001");
	g_assert_cmpint(kit_sent(k, "GET /cv"), ==, 1);
	g_assert_cmpuint(item_step(kit_item(k, "/a")), ==, 1);
	kit_crash(k);
	kit_run(k, 5);
	g_assert_cmpstr(k->log->str, ==, "0011");
	kit_until(k, all_ended);
	g_assert_cmpstr(k->log->str, ==, "001112");
	g_assert_cmpint(kit_now(k) - k->at_usec, <, 10000);
	g_assert_cmpint(kit_now(k), >=, k->at_usec);
	kit_free(k);
}

static void test_verbs(void)
{
	verbs(ENDED);
	verbs(0);
}

/* ---- 9 ---- */

static StepResult outcome_tick(Item *it, int64_t now, Batch *b)
{
	batch_move_memo(b, it, UNDO, json_pack("{s:s}", "outcome", "Succeeded"), "well");
	return step_wait(it, 0, "moves");
}

static StepResult slow_undo(Item *it, int64_t now, Batch *b)
{
	if (item_observed_usec(it) < 10 * SL_USEC_PER_SEC)
		return step_wait(it, now + SL_USEC_PER_SEC, "slowly");
	return step_done(ENDED);
}

static void check_outcome(Kit *k)
{
	const Item *it = kit_item(k, "/a");
	bool fixed = it && json_object_get(item_memo(it), "outcome");
	g_assert_true(!it || fixed == (item_state(it) != WORK));
	check_replay(k);
}

static void abort_build(Batch *b, void *ud)
{
	Item *it = kit_item(ud, "/a");
	if (item_state(it) == WORK)
		batch_move_memo(b, it, UNDO, json_pack("{s:s}", "outcome", "Aborted"), "aborted");
}

/* The move into undo carries the outcome: an abort that comes later changes nothing, whatever is
 * lost. */
static void test_outcome(void)
{
	static const StoreFault faults[] = { STORE_FAULT_NONE, STORE_FAULT_CRASH_BEFORE,
		STORE_FAULT_LOST, STORE_FAULT_UNACKNOWLEDGED, STORE_FAULT_CRASH_AFTER };
	for (size_t i = 0; i < G_N_ELEMENTS(faults); i++) {
		Kit *k = kit_new(outcome_tick);
		k->undo = slow_undo;
		k->check = check_outcome;
		k->fault_at = 1;
		k->fault = faults[i];
		kit_start(k);
		kit_add(k, &plain, NULL, "/a");
		kit_until(k, appending);
		saga_submit(k->proc->saga, abort_build, NULL, k);
		kit_run(k, 2);
		g_assert_cmpuint(item_state(kit_item(k, "/a")), ==, UNDO);
		saga_submit(k->proc->saga, abort_build, NULL, k);
		kit_until(k, all_ended);
		const json_t *memo = item_memo(kit_item(k, "/a"));
		g_assert_cmpstr(json_path_str(memo, "outcome", ""), ==, "Succeeded");
		kit_free(k);
	}
}

/* ---- 10 ---- */

static StepResult looking_tick(Item *it, int64_t now, Batch *b)
{
	Kit *k = kit_of(it);
	g_string_append_printf(k->log, "%s ", item_name(it));
	char key[16];
	g_snprintf(key, sizeof key, "/of%s", item_name(it));
	const View *v = fact_peek(it, &fact_kept, key);
	memset(key, 'x', sizeof key - 1); /* the engine keeps its own copy */
	return step_wait(it, 0, "%s", v ? "seen" : "not yet");
}

static void test_facts(void)
{
	Kit *k = kit_new(looking_tick);
	kit_start(k);
	static const char *const names[] = { "/m", "/a", "/z", "/b" };
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
		kit_add(k, &plain, NULL, names[i]);
	kit_run(k, 1);
	g_string_truncate(k->log, 0);
	site_fact_set(k->proc->site, &fact_kept, "/of/z", view_new_missing());
	kit_run(k, 1);
	g_assert_cmpstr(k->log->str, ==, "/z ");
	site_fact_set(k->proc->site, &fact_obj, "/of/a", view_new_missing()); /* another kind */
	site_fact_set(k->proc->site, &fact_kept, "/other", view_new_missing());
	kit_run(k, 1);
	g_assert_cmpstr(k->log->str, ==, "/z ");
	site_fact_forget(k->proc->site, &fact_kept, "/of/b");
	site_fact_set(k->proc->site, &fact_kept, "/of/a", view_new_missing());
	kit_run(k, 1);
	g_assert_cmpstr(k->log->str, ==, "/z /a /b ");
	const GPtrArray *facts = k->proc->site->facts;
	g_assert_cmpuint(facts->len, ==, 6);
	for (guint i = 1; i < facts->len; i++) {
		const Fact *x = g_ptr_array_index(facts, i - 1), *y = g_ptr_array_index(facts, i);
		int c = strcmp(x->row->name, y->row->name);
		g_assert_true(c < 0 || (c == 0 && strcmp(x->key, y->key) < 0));
	}
	kit_free(k);
}

/* ---- 11 ---- */

static StepResult peeping_tick(Item *it, int64_t now, Batch *b)
{
	if (strcmp(item_name(it), "/b") != 0)
		return set_tick(it, now, b);
	if (kit_of(it)->limit && !fact(it, &fact_obj, "/a"))
		return step_read(it);
	return step_wait(it, 0, "told to look later");
}

static bool patched(Kit *k)
{
	return kit_sent(k, "PATCH /a") > 0;
}

/* A read that was sent before the outcome became unknown decides nothing, however late it comes. */
static void test_since(void)
{
	static const Twist twists[] = { { "PATCH", "/a", 1, HTTP_FAULT_ANSWER_LOST, 0, 0 },
		{ "GET", "/a", 2, HTTP_FAULT_LATE, 0, 0 }, { 0 } };
	Kit *k = kit_new(peeping_tick);
	k->target.twists = twists;
	kit_start(k);
	kit_add(k, &plain, NULL, "/b");
	kit_add(k, &plain, NULL, "/a");
	kit_until(k, patched);
	kit_run_usec(k, 4900000);
	k->limit = 1;
	saga_wake(k->proc->saga, kit_item(k, "/b"));
	kit_run_usec(k, 300000);
	g_assert_cmpint(kit_sent(k, "GET /a"), ==, 2);
	g_assert_nonnull(item_open_act(kit_item(k, "/a")));
	k->limit = 0;
	kit_run(k, 2);
	g_assert_true(item_ended(kit_item(k, "/a")));
	g_assert_cmpint(kit_sent(k, "GET /a"), ==, 3);
	g_assert_cmpint(kit_sent(k, "PATCH /a"), ==, 1);
	kit_free(k);
}

static StepResult follow_tick(Item *it, int64_t now, Batch *b)
{
	const Act *a = act_find(it, &act_follow, item_name(it));
	if (a && act_state(a) == ACT_DONE)
		return step_done(ENDED);
	return step_act(it, &act_follow, item_name(it), b);
}

static void push(Kit *k)
{
	View *v = view_new(json_deep_copy(kit_get(k, "/a")));
	site_fact_set(k->proc->site, &fact_watched, "/a", v);
}

/* Nor does a watch. */
static void test_watch_proves_nothing(void)
{
	static const Twist twists[] = { { "PATCH", "/a", 1, HTTP_FAULT_ANSWER_LOST, 0, 0 },
		{ "GET", "/a", 1, HTTP_FAULT_NONE, 500, 0 },
		{ "GET", "/a", 2, HTTP_FAULT_NONE, 500, 0 }, { 0 } };
	Kit *k = kit_new(follow_tick);
	target_put(&k->target, "/a", json_pack("{s:i}", "v", 0));
	k->target.twists = twists;
	kit_start(k);
	push(k);
	kit_add(k, &plain, NULL, "/a");
	kit_until(k, patched);
	g_assert_cmpint(kit_sent(k, "GET /a"), ==, 0); /* for building, the watch is enough */
	kit_run_usec(k, 4900000);
	push(k);
	kit_run_usec(k, 200000);
	push(k);
	kit_run_usec(k, 800);
	g_assert_cmpint(kit_sent(k, "GET /a"), ==, 2);
	g_assert_nonnull(item_open_act(kit_item(k, "/a")));
	kit_until(k, all_ended);
	g_assert_cmpint(kit_sent(k, "GET /a"), ==, 3);
	g_assert_cmpint(kit_sent(k, "PATCH /a"), ==, 1);
	kit_free(k);
}

static const FactRow fact_aged = { .name = "aged", .max_age_sec = 10, .read = kit_read };

static StepResult aged_tick(Item *it, int64_t now, Batch *b)
{
	Kit *k = kit_of(it);
	const View *v = fact(it, k->limit ? &fact_obj : &fact_aged, "/gone");
	if (!v)
		return step_read(it);
	g_assert_true(v->missing);
	g_assert_null(view_version(v));
	return step_wait(it, 0, "known");
}

/* The age counts from the sending; a server slower than the age is no endless loop. */
static void test_age(void)
{
	static const Twist twists[] = { { "GET", "/gone", 0, HTTP_FAULT_LATE, 0, 0 }, { 0 } };
	Kit *k = kit_new(aged_tick);
	k->target.twists = twists;
	kit_start(k);
	kit_add(k, &plain, NULL, "/a");
	int64_t sent = kit_now(k);
	kit_run(k, 5);
	saga_wake(k->proc->saga, kit_item(k, "/a"));
	kit_run_usec(k, sent + 10100000 - kit_now(k));
	g_assert_cmpint(kit_sent(k, "GET /gone"), ==, 1);
	saga_wake(k->proc->saga, kit_item(k, "/a"));
	kit_run(k, 5);
	g_assert_cmpint(kit_sent(k, "GET /gone"), ==, 2);
	k->limit = 1;
	saga_wake(k->proc->saga, kit_item(k, "/a"));
	kit_run(k, 60);
	g_assert_cmpint(kit_sent(k, "GET /gone"), ==, 3);
	kit_free(k);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/rules/01-one-batch", test_one_batch);
	g_test_add_func("/rules/01-store-error", test_store_error);
	g_test_add_func("/rules/01-submission", test_submission);
	g_test_add_func("/rules/02-separate-turns", test_separate_turns);
	g_test_add_func("/rules/02-pivot-with-intent", test_pivot_with_intent);
	g_test_add_func("/rules/02-pivot-alone", test_pivot_alone);
	g_test_add_func("/rules/03-apply-only", test_apply_only);
	g_test_add_func("/rules/03-target-gone", test_target_gone);
	g_test_add_func("/rules/03-pruned", test_pruned);
	g_test_add_func("/rules/04-limits", test_limits);
	g_test_add_func("/rules/05-order", test_order);
	g_test_add_func("/rules/05-moved-by-parent", test_moved_by_parent);
	g_test_add_func("/rules/06-look", test_look);
	g_test_add_func("/rules/06-looks-stay", test_looks_stay);
	g_test_add_func("/rules/07-children", test_children);
	g_test_add_func("/rules/07-moved-with-open-act", test_moved_with_open_act);
	g_test_add_func("/rules/08-verbs", test_verbs);
	g_test_add_func("/rules/09-outcome", test_outcome);
	g_test_add_func("/rules/10-facts", test_facts);
	g_test_add_func("/rules/11-since", test_since);
	g_test_add_func("/rules/11-watch-proves-nothing", test_watch_proves_nothing);
	g_test_add_func("/rules/11-age", test_age);
	return g_test_run();
}
