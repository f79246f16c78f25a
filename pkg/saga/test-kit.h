/* The kit of the rule tests: one kind of item whose ticks each test sets, and ways to run, crash
 * and look. Every function may run the simulated world; a process that spins without time passing
 * is a failure. */
#pragma once
#include "saga/test-journal.h"

enum { WORK = 1, UNDO, ENDED, N_STATES };

static inline StepResult work_tick(Item *it, int64_t now, Batch *b)
{
	kit_of(it)->n_ticks++;
	return kit_of(it)->work(it, now, b);
}

static inline StepResult undo_tick(Item *it, int64_t now, Batch *b)
{
	if (kit_of(it)->undo)
		return kit_of(it)->undo(it, now, b);
	bool left;
	StepResult r = step_undo(it, b, &left);
	return left ? r : step_done(ENDED);
}

static inline StepResult deadline_tick(Item *it, int64_t now, Batch *b)
{
	KitTick *tick = kit_of(it)->deadline;
	return tick ? tick(it, now, b) : step_wait(it, 0, "too late");
}

static inline int hold_for(const Item *it)
{
	return (int)kit_of(it)->hold_for_sec;
}

static const StepOps op_work = { "work", work_tick }, op_undo = { "undo", undo_tick };
static const StepOps *const work_steps[] = { &op_work, &op_work, &op_work, NULL };
static const StepOps *const undo_steps[] = { &op_undo, NULL };
#define KIT_STATES(...)                                                                            \
	{                                                                                          \
		[WORK] = { .name = "work",                                                         \
			.next = TO(UNDO) | TO(ENDED),                                              \
			.steps = work_steps,                                                       \
			.after = ENDED,                                                            \
			__VA_ARGS__ },                                                             \
		[UNDO] = { .name = "undo", .next = TO(ENDED), .steps = undo_steps },               \
		[ENDED] = { .name = "ended", .end = true },                                        \
	}
static const StateRow plain_states[N_STATES] = KIT_STATES(.untimed = true);
static const StateRow timed_states[N_STATES] = KIT_STATES(.deadline_sec = 150);
static const StateRow noted_states[N_STATES] = KIT_STATES(.untimed = false);
/* No notes; notes and a deadline of 150 s; notes. */
static const ItemKind plain = { "plain", plain_states, N_STATES };
static const ItemKind timed = { "timed", timed_states, N_STATES, .on_deadline = deadline_tick };
static const ItemKind noted = { "noted", noted_states, N_STATES, .hold_for_sec = hold_for };

static inline const ItemKind *kit_kind(const char *name, void *ud)
{
	return *name == 'p' ? &plain : *name == 't' ? &timed : &noted;
}

static inline Site *kit_site(const char *name, void *ud)
{
	const Proc *p = ud;
	return p->kit->no_target ? NULL : p->site;
}

static inline const ActRow *kit_row(const char *name, void *ud)
{
	for (size_t i = 0; i < G_N_ELEMENTS(kit_rows); i++)
		if (strcmp(kit_rows[i]->name, name) == 0)
			return kit_rows[i];
	return NULL;
}

static inline bool kit_replay(void *self, int64_t after, StoreEach *each, void *ud, GError **err)
{
	const Kit *k = self;
	Store disk = store_mem_store(k->disk);
	return disk.ops->replay(disk.self, MAX(after, k->pruned), each, ud, err);
}

static const StoreOps kit_store = { .append = kit_append, .replay = kit_replay };

static inline bool claim_ok(Site *site, const View *v, char **ret_who)
{
	*ret_who = g_strdup(json_path_str(v->json, "claim.holder", "nobody"));
	return strcmp(*ret_who, "us") == 0 &&
	       json_path_int(v->json, "claim.epoch", 0) <= site_epoch(site);
}

static const SiteOps free_ops = { .send = kit_send };
static const SiteOps claim_ops = { kit_send, NULL, &fact_obj, "/cv", claim_ok };

static inline Proc *proc_new(Kit *k)
{
	const SagaHooks hooks = { .kind = kit_kind, .site = kit_site, .row = kit_row };
	Proc *p = g_new0(Proc, 1);
	p->kit = k;
	p->target = &k->target;
	p->contexts = g_ptr_array_new_with_free_func(g_free);
	p->proc = loop_sim_proc_new(k->sim);
	p->saga = saga_new(loop_sim_proc_loop(p->proc), (Store){ &kit_store, k }, &hooks, p);
	p->site = site_new(p->saga, "c", k->claims ? &claim_ops : &free_ops, p);
	g_assert_true(saga_start(p->saga, NULL));
	return p;
}

static inline void proc_free(Proc *p)
{
	if (!p)
		return;
	saga_free(p->saga);
	g_ptr_array_free(p->contexts, TRUE);
	g_ptr_array_add(p->kit->dead, p->proc);
	g_free(p);
}

static inline void check_replay(Kit *k)
{
	g_autofree char *live = kit_dump(k->proc->saga);
	Proc *replica = proc_new(k);
	g_autofree char *replayed = kit_dump(replica->saga);
	proc_free(replica);
	g_assert_cmpstr(live, ==, replayed);
}

static inline void kit_start(Kit *k)
{
	k->n_starts++;
	k->proc = proc_new(k);
}

/* kill -9: what was sent still arrives. */
static inline void kit_kill(Kit *k)
{
	proc_free(g_steal_pointer(&k->proc));
	http_sim_crash(k->target.http);
	store_mem_crash(k->disk);
	k->appending = false;
}

static inline void kit_crash(void *ud)
{
	kit_kill(ud);
	kit_start(ud);
}
