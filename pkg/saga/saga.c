#include "saga/internal.h"

static const StateRow fleet_states[] = {
	[1] = { .name = "open", .untimed = true },
};
static const ItemKind fleet_kind = { .name = "fleet", .states = fleet_states, .n_states = 2 };

static void turn(void *ud);

void saga_schedule(Saga *s)
{
	if (s->stopped && g_queue_is_empty(&s->submissions))
		return;
	if (!s->turn_timer && !s->batch && !s->replaying)
		s->turn_timer = loop_defer(s->loop, turn, s);
}

void item_ready(Item *it)
{
	it->ready = true;
	saga_schedule(it->saga);
}

void saga_wake(Saga *s, Item *it)
{
	item_ready(it);
}

Saga *saga_new(Loop loop, Store store, const SagaHooks *hooks, void *ud)
{
	Saga *s = g_new0(Saga, 1);
	s->loop = loop;
	s->store = store;
	s->hooks = *hooks;
	s->ud = ud;
	s->items = g_ptr_array_new_with_free_func((GDestroyNotify)item_free);
	s->sites = g_ptr_array_new_with_free_func((GDestroyNotify)site_free);
	s->wanted = g_ptr_array_new();
	s->reads = g_ptr_array_new_with_free_func(g_free);
	s->replaying = true;
	s->next_id = 1;
	s->prove_after_usec = loop_boot_usec(loop);
	s->root = item_new(s, 1, NULL, &fleet_kind, NULL, "fleet");
	s->root->state = 1;
	return s;
}

void saga_free(Saga *s)
{
	if (!s)
		return;
	loop_cancel(s->loop, &s->turn_timer);
	g_queue_clear_full(&s->submissions, g_free);
	batch_free(s->batch);
	g_ptr_array_free(s->items, TRUE);
	g_ptr_array_free(s->wanted, TRUE);
	g_ptr_array_free(s->reads, TRUE);
	g_ptr_array_free(s->sites, TRUE);
	g_clear_error(&s->stop_err);
	g_free(s);
}

Item *saga_root(Saga *s)
{
	return s->root;
}

Item *saga_find(Saga *s, uint64_t item_id)
{
	guint lo = 0, hi = s->items->len;
	while (lo < hi) {
		guint mid = lo + (hi - lo) / 2;
		Item *it = g_ptr_array_index(s->items, mid);
		if (it->id == item_id)
			return it;
		if (it->id < item_id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

bool saga_stopped(const Saga *s)
{
	return s->stopped;
}

int64_t saga_last_seq(const Saga *s)
{
	return s->last_seq;
}

Loop saga_loop(const Saga *s)
{
	return s->loop;
}

void *saga_ud(const Saga *s)
{
	return s->ud;
}

static void apply_batch(Saga *s, Batch *b)
{
	for (guint i = 0; i < b->records->len; i++)
		saga_apply(s, g_ptr_array_index(b->records, i), g_ptr_array_index(b->bodies, i));
}

static void tell_submitters(Batch *b, const GError *err)
{
	for (guint i = 0; i < b->submissions->len; i++) {
		Submission *sub = g_ptr_array_index(b->submissions, i);
		if (sub->done)
			sub->done(err, sub->ud);
	}
}

static bool any_ready(const Saga *s)
{
	for (guint i = 0; i < s->items->len; i++)
		if (((const Item *)g_ptr_array_index(s->items, i))->ready)
			return true;
	return !g_queue_is_empty((GQueue *)&s->submissions);
}

static void on_durable(const GError *err, void *ud)
{
	Saga *s = ud;
	Batch *b = s->batch;
	if (err) {
		s->stopped = true;
		s->stop_err = g_error_copy(err);
		s->batch = NULL;
		tell_submitters(b, err);
		batch_free(b);
		if (s->hooks.stopped)
			s->hooks.stopped(err, s->ud);
		saga_schedule(s);
		return;
	}
	apply_batch(s, b);
	for (guint i = 0; i < b->sends->len; i++)
		act_send(g_ptr_array_index(b->sends, i));
	s->batch = NULL;
	tell_submitters(b, NULL);
	batch_free(b);
	if (any_ready(s))
		saga_schedule(s);
}

static void run_submissions(Saga *s, Batch *b)
{
	Submission *sub;
	while ((sub = g_queue_pop_head(&s->submissions))) {
		sub->build(b, sub->ud);
		g_ptr_array_add(b->submissions, sub);
	}
}

/* Nothing is written any more: whoever asks hears why. */
static void refuse_submissions(Saga *s)
{
	Submission *sub;
	while ((sub = g_queue_pop_head(&s->submissions))) {
		if (sub->done)
			sub->done(s->stop_err, sub->ud);
		g_free(sub);
	}
}

static void turn(void *ud)
{
	Saga *s = ud;
	s->turn_timer = 0;
	if (s->stopped)
		refuse_submissions(s);
	if (s->batch || s->stopped)
		return;
	int64_t now = loop_boot_usec(s->loop);
	Batch *b = batch_new(s);
	run_submissions(s, b);
	/* What a person just said counts before anything else is decided: items wait for the next
	 * turn. */
	bool serve = b->records->len == 0;
	for (guint i = 0; serve && i < s->items->len; i++) {
		Item *it = g_ptr_array_index(s->items, i);
		if (!it->ready)
			continue;
		it->ready = false;
		item_serve(it, now, b);
	}
	facts_start_reads(s);
	if (b->records->len == 0) {
		tell_submitters(b, NULL);
		batch_free(b);
		return;
	}
	s->batch = b;
	s->store.ops->append(
		s->store.self, (Record *const *)b->records->pdata, b->records->len, on_durable, s);
}

void saga_submit(Saga *s, SagaBuild *build, SagaStored *done, void *ud)
{
	Submission *sub = g_new0(Submission, 1);
	*sub = (Submission){ build, done, ud };
	g_queue_push_tail(&s->submissions, sub);
	saga_schedule(s);
}

typedef struct {
	Saga *saga;
	GError *err;
} Replay;

static bool replay_one(const Record *r, void *ud)
{
	Replay *replay = ud;
	g_autoptr(json_t) body = json_loads(r->body, 0, NULL);
	if (!body)
		return sl_fail(&replay->err, SL_ERR_INVALID,
			"record %" G_GINT64_FORMAT ": is no JSON", r->seq);
	if (!saga_knows(replay->saga, r, body, &replay->err))
		return false;
	saga_apply(replay->saga, r, body);
	return true;
}

bool saga_start(Saga *s, GError **err)
{
	Replay replay = { .saga = s };
	if (!s->store.ops->replay(s->store.self, 0, replay_one, &replay, err))
		return false;
	if (replay.err) {
		g_propagate_error(err, replay.err);
		return false;
	}
	s->replaying = false;
	int64_t now = loop_boot_usec(s->loop);
	for (guint i = 0; i < s->items->len; i++) {
		Item *it = g_ptr_array_index(s->items, i);
		it->obs_mark_usec = it->recorded_usec = now;
		item_ready(it);
	}
	return true;
}

void saga_time_lost(Saga *s, int64_t usec)
{
	s->lost_usec += usec;
	s->prove_after_usec = loop_boot_usec(s->loop);
	for (guint i = 0; i < s->sites->len; i++) {
		Site *site = g_ptr_array_index(s->sites, i);
		site->proven = false;
		site_fact_forget(site, NULL, NULL);
	}
}
