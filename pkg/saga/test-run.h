/* Making, running and steering the kit of the rule tests. */
#pragma once
#include "saga/test-kit.h"

enum { EVENTS_PER_SEC = 3000 }; /* more is a process that spins */

static inline void kit_on_send(const HttpRequest *r, void *ud)
{
	const Kit *k = ud;
	g_assert_true(strcmp(r->method, "GET") == 0 || !k->appending);
}

static inline StoreFault kit_batch_fault(uint64_t n, void *ud)
{
	const Kit *k = ud;
	return (int64_t)n == k->fault_at ? k->fault : STORE_FAULT_NONE;
}

static inline Kit *kit_new(KitTick *work)
{
	Kit *k = g_new0(Kit, 1);
	k->sim = loop_sim_new(1, 1700000000 * SL_USEC_PER_SEC);
	k->world = loop_sim_loop(k->sim);
	k->disk = store_mem_new(k->sim);
	target_init(&k->target, k->sim, kit_crash, k);
	k->target.on_send = kit_on_send;
	k->batches = g_string_new(NULL);
	k->log = g_string_new(NULL);
	k->dead = g_ptr_array_new_with_free_func((GDestroyNotify)loop_sim_proc_free);
	k->fault_at = -1;
	store_mem_set_faults(k->disk, kit_batch_fault, kit_crash, k);
	k->work = work;
	k->check = check_replay;
	target_put(&k->target, "/cv", json_pack("{s:n}", "claim"));
	return k;
}

static inline void kit_free(Kit *k)
{
	kit_kill(k);
	target_clear(&k->target);
	store_mem_free(k->disk);
	g_ptr_array_free(k->dead, TRUE);
	loop_sim_free(k->sim);
	g_string_free(k->batches, TRUE);
	g_string_free(k->log, TRUE);
	g_free(k);
}

static inline int64_t kit_now(const Kit *k)
{
	return loop_boot_usec(k->world);
}

/* Asked before each event. */
static inline bool kit_watch(void *ud)
{
	Kit *k = ud;
	bool same = kit_now(k) - k->second_usec < SL_USEC_PER_SEC;
	k->n_events = same ? k->n_events + 1 : 0;
	if (!same)
		k->second_usec = kit_now(k);
	g_assert_cmpuint(k->n_events, <, EVENTS_PER_SEC);
	return k->until && k->until(k);
}

/* Instead of a replay at every batch. */
static inline void nothing_to_check(Kit *k)
{
}

static inline void nothing(void *ud)
{
}

static inline void kit_run_usec(Kit *k, int64_t usec)
{
	int64_t end = kit_now(k) + usec;
	k->until = NULL;
	loop_timer(k->world, end, nothing, NULL);
	loop_sim_run(k->sim, kit_watch, k, end);
}

static inline void kit_run(Kit *k, int sec)
{
	kit_run_usec(k, sec * SL_USEC_PER_SEC);
}

/* Runs until it is true, which must come within 600 s. */
static inline void kit_until(Kit *k, bool (*until)(Kit *k))
{
	k->until = until;
	bool ok = loop_sim_run(k->sim, kit_watch, k, kit_now(k) + 600 * SL_USEC_PER_SEC);
	g_autofree char *dump = ok || !k->proc ? NULL : kit_dump(k->proc->saga);
	if (!ok)
		g_test_message(
			"never came:\n%s\n%s\n%s", dump, k->batches->str, k->target.effects->str);
	g_assert_true(ok);
}

static inline Item *kit_find(Item *it, const char *name)
{
	for (size_t i = 0; i < item_n_children(it); i++) {
		Item *c = item_child(it, i);
		Item *found = strcmp(item_name(c), name) == 0 ? c : kit_find(c, name);
		if (found)
			return found;
	}
	return NULL;
}

static inline Item *kit_item(const Kit *k, const char *name)
{
	return kit_find(saga_root(k->proc->saga), name);
}
