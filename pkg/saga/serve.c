/* One item, one decision: an open act first, else the deadline, else the tick of its step. */
#include "saga/internal.h"
#include <string.h>

/* A server that restarts is a delay, no hold: the eighth failure comes after 91 s. */
enum { REFUSED_AFTER_FAILURES = 5, UNREACHABLE_AFTER_FAILURES = 8 };

static const StepOps *step_at(const Item *it, unsigned step)
{
	const StateRow *row = &it->kind->states[it->state];
	const StepOps *const *list = row->list ? row->list(it) : row->steps;
	for (unsigned i = 0; list && list[i]; i++)
		if (i == step)
			return list[i];
	return NULL;
}

/* Time in a hold is nobody's fault: the deadline stands still, and is moved on when the hold ends.
 */
static int64_t deadline_left(const Item *it, int64_t now)
{
	int sec = it->kind->states[it->state].deadline_sec;
	if (!sec || item_find_hold(it, "deadline") ||
		(it->kind->stands_still && it->kind->stands_still(it)))
		return INT64_MAX;
	return it->granted_usec + sec * SL_USEC_PER_SEC - item_observed_at(it, now);
}

static StepResult passed_deadline(Item *it, int64_t now, Batch *b)
{
	const StateRow *row = &it->kind->states[it->state];
	if (it->kind->on_deadline) {
		StepResult r = it->kind->on_deadline(it, now, b);
		if (r.verb != STEP_WAIT)
			return r;
	}
	g_autofree char *text =
		g_strdup_printf("%s took longer than its deadline of %d s; last: %s", row->name,
			row->deadline_sec, item_reason(it));
	batch_hold(b, it, "deadline", "engine", true, text);
	return step_read(it);
}

static char *words_of(const Item *it, const Fact *f)
{
	return f->row->words ? f->row->words(it, f->key)
			     : g_strdup_printf("%s %s", f->row->name, f->key);
}

/* A fact that fails again and again becomes a hold with the server's own words. */
static StepResult unreadable(Item *it)
{
	for (guint i = 0; i < it->uses->len; i++) {
		const Fact *f = g_ptr_array_index(it->uses, i);
		if (!f->err)
			continue;
		g_autofree char *what = words_of(it, f);
		item_set_reason(it, "reading %s: %s", what, f->err->message);
		bool refused = g_error_matches(f->err, SL_ERROR, SL_ERR_REFUSED);
		if (f->n_failures < (refused ? REFUSED_AFTER_FAILURES : UNREACHABLE_AFTER_FAILURES))
			continue;
		return step_hold(it, refused ? "credentials" : "unreachable",
			"reading %s fails: %s", what, f->err->message);
	}
	return step_read(it);
}

/* Here the claim is taken or given back: the steps look after it themselves. */
static bool leaves_claim(const Item *it)
{
	const StateRow *row = &it->kind->states[it->state];
	return row->puts_back || row->claimless;
}

static StepResult decide(Item *it, int64_t now, Batch *b)
{
	if (it->site_gone)
		return step_hold(it, "no-target", "its target is no longer configured");
	StepResult r = { .verb = STEP_WAIT };
	Act *open = item_open_act(it);
	if (open) {
		act_serve(open, now, b, &r);
	} else if (!leaves_claim(it) && site_claim_lost(it, &r)) {
		return r;
	} else if (deadline_left(it, now) <= 0) {
		r = passed_deadline(it, now, b);
	} else {
		const StepOps *step = step_at(it, it->step);
		if (step)
			r = step->tick(it, now, b);
	}
	if (r.verb == STEP_READ && it->n_wanted_reads > 0)
		r = unreadable(it);
	return r;
}

/* The one that clears by itself. */
static const Hold *tick_hold(const Item *it)
{
	for (guint i = 0; i < it->holds->len; i++) {
		const Hold *h = g_ptr_array_index(it->holds, i);
		if (strcmp(h->by, "tick") == 0 && !h->person)
			return h;
	}
	return NULL;
}

static void keep_holds(Item *it, const StepResult *r, Batch *b)
{
	bool stands = false;
	for (guint i = 0; i < it->holds->len; i++) {
		const Hold *h = g_ptr_array_index(it->holds, i);
		if (strcmp(h->by, "tick") != 0)
			continue;
		if (r->verb == STEP_ACT && it->repeats && strcmp(h->cause, CAUSE_WRITE) == 0)
			continue;
		if (r->verb == STEP_HOLD && strcmp(h->cause, r->cause) == 0)
			stands = true;
		else if (!h->person && r->verb != STEP_READ)
			batch_unhold(b, it, h->cause,
				r->verb == STEP_HOLD ? "another cause now" : "its cause is gone");
	}
	if (r->verb == STEP_HOLD && !stands)
		batch_hold(b, it, r->cause, "tick", r->person, it->reason);
}

static int64_t hold_left(const Item *it, int64_t now)
{
	const Hold *h = tick_hold(it);
	int sec = h && it->kind->hold_for_sec ? it->kind->hold_for_sec(it) : 0;
	if (!sec || item_find_hold(it, "held-too-long"))
		return INT64_MAX;
	return h->obs_usec + sec * SL_USEC_PER_SEC - item_observed_at(it, now);
}

static void end_long_hold(Item *it, const StepResult *r, int64_t now, Batch *b)
{
	bool goes_on = r->verb == STEP_READ || r->verb == STEP_HOLD;
	if (!goes_on || hold_left(it, now) > 0)
		return;
	const Hold *h = tick_hold(it);
	g_autofree char *text =
		g_strdup_printf("held by %s longer than it may be: %s", h->cause, h->reason);
	batch_hold(b, it, "held-too-long", "engine", true, text);
}

static void finish_step(Item *it, const StepResult *r, Batch *b)
{
	unsigned next = r->next;
	if (!next)
		next = step_at(it, it->step + 1) ? it->state : it->kind->states[it->state].after;
	batch_move(b, it, next, "%s", item_reason(it));
}

static void on_timer(void *ud)
{
	Item *it = ud;
	it->timer = 0;
	it->wake_usec = 0;
	item_ready(it);
}

/* What passed already is dealt with in this turn, or waits behind an open act whose end wakes the
 * item: a timer for it would fire for ever. So would "at once" of a tick that is held from storing
 * what it waits for: the end of the hold wakes it. */
static void arm(Item *it, const StepResult *r, int64_t now, bool recorded, bool frozen)
{
	int64_t at = INT64_MAX;
	if (r->until_usec && !(frozen && !recorded && r->until_usec <= now))
		at = r->until_usec;
	if (it->retry_usec)
		at = MIN(at, it->retry_usec);
	int64_t left = deadline_left(it, now);
	if (left > 0 && left < INT64_MAX)
		at = MIN(at, now + left);
	int64_t hold = hold_left(it, now);
	if (hold > 0 && hold < INT64_MAX)
		at = MIN(at, now + hold);
	if (!it->kind->states[it->state].untimed)
		at = MIN(at,
			(recorded ? now : it->recorded_usec) + NOTE_EVERY_SEC * SL_USEC_PER_SEC);
	if (at == it->wake_usec)
		return;
	loop_cancel(it->saga->loop, &it->timer);
	it->wake_usec = at == INT64_MAX ? 0 : at;
	if (it->wake_usec)
		it->timer = loop_timer(it->saga->loop, at, on_timer, it);
}

/* A hold because our writes fail does not stop the write from being tried again. */
static bool held_from_acting(const Item *it)
{
	for (unsigned i = 0; i < it->holds->len; i++) {
		const Hold *h = g_ptr_array_index(it->holds, i);
		if (strcmp(h->cause, CAUSE_WRITE) != 0)
			return true;
	}
	bool puts_back = it->kind->states[it->state].puts_back;
	return !puts_back && it->parent && item_held(it->parent);
}

void item_serve(Item *it, int64_t now, Batch *b)
{
	if (it->moved_in == b->serial || item_ended(it))
		return;
	item_forget_uses(it);
	it->n_wanted_reads = 0;
	it->repeats = false;
	it->retry_usec = 0;
	it->frozen = held_from_acting(it);
	guint n_before = b->records->len;
	StepResult r = decide(it, now, b);
	bool frozen = it->frozen;
	it->frozen = false;
	end_long_hold(it, &r, now, b);
	keep_holds(it, &r, b);
	if (r.verb == STEP_DONE && !frozen)
		finish_step(it, &r, b);
	bool silent = b->records->len == n_before;
	bool untimed = it->kind->states[it->state].untimed;
	/* A second early, so that a tick once a minute and the note are one. */
	if (silent && !untimed && now - it->recorded_usec > (NOTE_EVERY_SEC - 1) * SL_USEC_PER_SEC)
		batch_add(b, "note", batch_body(b, it));
	arm(it, &r, now, b->records->len > n_before, frozen);
}
