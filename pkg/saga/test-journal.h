/* The journal of the rule tests: writes down what each batch holds, and checks at every one of them
 * what must always be true: rules 1 (nothing leaves before it is durable), 2 (result, move and next
 * intent are separate turns), 3 (replay gives what memory holds), 5 (one move a batch), 18 (what is
 * held begins nothing). */
#pragma once
#include "saga/test-rows.h"
#include "store/store-mem.h"

typedef StepResult KitTick(Item *it, int64_t now, Batch *b);

struct Kit {
	LoopSim *sim;
	Loop world;
	Target target;
	StoreMem *disk;
	Proc *proc; /* NULL while no process runs */
	unsigned n_starts;
	GPtrArray *dead; /* processes, kept so that a timer that outlived its engine fires */
	bool claims; /* writes need a claim on /cv */
	int64_t pruned; /* records up to this one are gone */
	bool no_target; /* the site of the journal is not configured any more */
	bool appending; /* a batch is in flight */
	int64_t fault_at; /* the batch, from 0, with the fault; -1 = none */
	StoreFault fault;
	GString *batches; /* "intent:/a move:/b | result:/a | " */
	KitTick *work, *undo, *deadline;
	GString *log; /* the rest is for the tests */
	unsigned n_ticks, limit, hold_for_sec;
	int64_t at_usec;
	bool (*until)(Kit *k);
	int64_t second_usec; /* to see a process that spins */
	unsigned n_events;
	void (*check)(Kit *k); /* after each batch */
	StoreDone *done;
	void *done_ud;
};

static inline Kit *kit_of(const Item *it)
{
	return ((Proc *)saga_ud(item_saga(it)))->kit;
}

/* All that must be the same after a replay. */
static inline char *kit_dump(Saga *s)
{
	GString *d = g_string_new(NULL);
	for (guint i = 0; i < s->items->len; i++) {
		const Item *it = g_ptr_array_index(s->items, i);
		g_autofree char *looks = json_canonical(it->looks);
		g_autofree char *pivots = json_canonical(it->pivots);
		g_autofree char *memo = json_canonical(it->memo);
		g_string_append_printf(d, "%u %s %s/%u obs %" G_GINT64_FORMAT " %s %s %s\n",
			(unsigned)it->id, it->name, item_state_name(it), it->step,
			it->obs_base_usec, looks, pivots, memo);
		for (guint k = 0; k < it->acts->len; k++) {
			const Act *a = g_ptr_array_index(it->acts, k);
			g_string_append_printf(d, "  act %u %s %s state %d try %d %d %d %u %u\n",
				(unsigned)a->id, a->row->name, a->key, a->state, a->attempt,
				a->shadow, a->fenced, (unsigned)a->undoes, (unsigned)a->fences);
		}
		for (guint k = 0; k < it->holds->len; k++) {
			const Hold *h = g_ptr_array_index(it->holds, k);
			g_string_append_printf(d, "  hold %s %s %d\n", h->cause, h->by, h->person);
		}
	}
	for (guint i = 0; i < s->sites->len; i++) {
		const Site *site = g_ptr_array_index(s->sites, i);
		g_string_append_printf(
			d, "%s epoch %d %d\n", site->name, (int)site->epoch, site->claimed);
	}
	return g_string_free(d, FALSE);
}

/* Of one item in one batch: at most one move, and with it neither result nor intent; a result and
 * an intent only where the first says absent and the second repeats it. */
static inline void check_item(json_t *const *bodies, Record *const *r, size_t n, json_int_t id)
{
	unsigned n_moves = 0, n_results = 0, n_intents = 0;
	const char *result_row = "", *intent_row = "", *class = "";
	for (size_t i = 0; i < n; i++) {
		if (json_path_int(bodies[i], "item", 0) != id)
			continue;
		n_moves += strcmp(r[i]->kind, "move") == 0;
		if (strcmp(r[i]->kind, "intent") == 0)
			n_intents++, intent_row = json_path_str(bodies[i], "row", "");
		if (strcmp(r[i]->kind, "result") == 0) {
			n_results++, result_row = json_path_str(bodies[i], "row", "");
			class = json_path_str(bodies[i], "class", "");
		}
	}
	g_assert_cmpuint(n_moves, <=, 1);
	g_assert_true(n_moves == 0 || n_results + n_intents == 0);
	if (n_results && n_intents) {
		g_assert_cmpstr(class, ==, "absent");
		g_assert_cmpstr(result_row, ==, intent_row);
	}
}

static inline void stored(const GError *err, void *ud)
{
	Kit *k = ud;
	k->appending = false;
	k->done(err, k->done_ud);
	k->check(k);
}

static inline void kit_append(void *self, Record *const *r, size_t n, StoreDone *done, void *ud)
{
	Kit *k = self;
	g_assert_false(k->appending);
	g_autofree json_t **bodies = g_new0(json_t *, n);
	for (size_t i = 0; i < n; i++) {
		bodies[i] = json_loads(r[i]->body, 0, NULL);
		json_int_t id = json_path_int(bodies[i], "item", 0);
		const Item *it = saga_find(k->proc->saga, (uint64_t)id);
		g_string_append_printf(k->batches, "%s%s%s ", r[i]->kind, id ? ":" : "",
			it ? it->name : json_path_str(bodies[i], "name", ""));
		bool first = json_path_int(bodies[i], "attempt", 0) == 1;
		g_assert_false(first && strcmp(r[i]->kind, "intent") == 0 && item_held(it));
	}
	g_string_append(k->batches, "| ");
	for (size_t i = 0; i < n; i++)
		check_item(bodies, r, n, json_path_int(bodies[i], "item", 0));
	for (size_t i = 0; i < n; i++)
		json_decref(bodies[i]);
	k->appending = true;
	k->done = done;
	k->done_ud = ud;
	Store disk = store_mem_store(k->disk);
	disk.ops->append(disk.self, r, n, stored, k);
}
