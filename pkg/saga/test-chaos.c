/* A parent with a claim and a pivot, three children with marks, creates and deletes, under random
 * crashes, faults of requests, pauses, lost time, lost connections, other writers and aborts.
 * Whatever happens: nothing stands at the end, no effect comes twice, nothing comes after the claim
 * was given back, and the journal's checks hold at every batch. */
#include "saga/test-order.h"

enum { N_CHILDREN = 3, CHAOS_SEC = 90, FAULTS_MAX = 10 };

typedef struct {
	Kit *kit;
	GRand *rand;
	int faults_left;
} Chaos;

static StepResult child_tick(Item *it, int64_t now, Batch *b)
{
	g_autofree char *made = g_strdup_printf("/m%s", item_name(it) + 1);
	g_autofree char *dropped = g_strdup_printf("/x%s", item_name(it) + 1);
	if (!stands(it, &act_mark, item_name(it)))
		return step_act(it, &act_mark, item_name(it), b);
	if (!stands(it, &act_make, made))
		return step_act(it, &act_make, made, b);
	if (!stands(it, &act_drop, dropped))
		return step_act(it, &act_drop, dropped, b);
	if (!stands(it, &act_set, item_name(it)))
		return step_act(it, &act_set, item_name(it), b);
	if (item_observed_usec(it) < 5 * SL_USEC_PER_SEC)
		return step_wait(it, now + SL_USEC_PER_SEC, "soak");
	return step_done(UNDO);
}

static StepResult parent_tick(Item *it, int64_t now, Batch *b)
{
	if (strcmp(item_name(it), "/p") != 0)
		return child_tick(it, now, b);
	if (!stands(it, &act_claim, "/cv"))
		return step_act(it, &act_claim, "/cv", b);
	if (!stands(it, &act_pivot, "/cv")) {
		batch_pivot(b, it, "crossed");
		return step_act(it, &act_pivot, "/cv", b);
	}
	size_t n = item_n_children(it);
	if (n < N_CHILDREN && (n != 1 || item_ended(item_child(it, 0)))) {
		g_autofree char *name = g_strdup_printf("/c%u", (unsigned)n);
		batch_item(b, it, &noted, item_site(it), name, WORK, NULL);
		return step_wait(it, 0, "a new child");
	}
	for (size_t i = 0; i < n; i++)
		if (!item_ended(item_child(it, i)))
			return step_wait(it, 0, "children");
	return step_done(UNDO);
}

static StepResult parent_undo(Item *it, int64_t now, Batch *b)
{
	for (size_t i = 0; i < item_n_children(it); i++) {
		if (item_state(item_child(it, i)) == WORK)
			batch_move(b, item_child(it, i), UNDO, "the run is over");
		if (!item_ended(item_child(it, i)))
			return step_wait(it, 0, "children first");
	}
	bool left;
	StepResult r = step_undo(it, b, &left);
	return left ? r : step_done(ENDED);
}

static HttpFault chaos_request(uint64_t n, const HttpRequest *r, void *ud)
{
	Chaos *c = ud;
	target_faults(n, r, &c->kit->target);
	bool read = strcmp(r->method, "GET") == 0;
	if (c->faults_left <= 0 || g_rand_int_range(c->rand, 0, read ? 20 : 3) > 0)
		return HTTP_FAULT_NONE;
	c->faults_left--;
	if (g_rand_boolean(c->rand))
		return HTTP_FAULT_LATE_PAST_TIMEOUT; /* what the fences are for */
	return (HttpFault)g_rand_int_range(
		c->rand, HTTP_FAULT_NONE, HTTP_FAULT_CRASH_AFTER_ANSWER + 1);
}

static StoreFault chaos_batch(uint64_t n, void *ud)
{
	Chaos *c = ud;
	if (c->faults_left <= 0 || g_rand_int_range(c->rand, 0, 20) > 0)
		return STORE_FAULT_NONE;
	c->faults_left--;
	return kit_crashes[g_rand_int_range(c->rand, 0, G_N_ELEMENTS(kit_crashes))];
}

static void chaos_crash(void *ud)
{
	kit_crash(((Chaos *)ud)->kit);
}

static void orders(Chaos *c, Batch *b)
{
	static const char *const names[] = { "/p", "/c0", "/c1", "/c2" };
	Item *it = kit_item(c->kit, names[g_rand_int_range(c->rand, 0, 4)]);
	if (!it || item_ended(it))
		return;
	if (item_find_hold(it, "pause"))
		batch_unhold(b, it, "pause", "ordered");
	else if (g_rand_int_range(c->rand, 0, 4) > 0)
		batch_hold(b, it, "pause", "person", true, "ordered");
	else if (item_state(it) == WORK)
		batch_move(b, it, UNDO, "ordered");
}

static void random_order(Batch *b, void *ud)
{
	orders(ud, b);
}

static void abort_run(Batch *b, void *ud)
{
	Item *it = kit_item(((Chaos *)ud)->kit, "/p");
	if (it && item_state(it) == WORK)
		batch_move(b, it, UNDO, "aborted");
}

static void begin(Batch *b, void *ud)
{
	Kit *k = ((Chaos *)ud)->kit;
	if (!kit_item(k, "/p"))
		batch_item(b, saga_root(k->proc->saga), &noted, k->proc->site, "/p", WORK, NULL);
}

static void all_go_on(Batch *b, void *ud)
{
	static const char *const names[] = { "/p", "/c0", "/c1", "/c2" };
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		Item *it = kit_item(((Chaos *)ud)->kit, names[i]);
		if (it && item_find_hold(it, "pause"))
			batch_unhold(b, it, "pause", "ordered");
	}
}

/* Somebody else writes something that is no business of ours. */
static void touch(Chaos *c)
{
	static const char *const names[] = { "/cv", "/c0", "/c1", "/c2" };
	const char *path = names[g_rand_int_range(c->rand, 0, 4)];
	json_t *o = kit_get(c->kit, path);
	json_object_set_new(o, "noise", json_integer((json_int_t)g_rand_int(c->rand)));
	target_put(&c->kit->target, path, json_incref(o));
}

static void disturb(Chaos *c)
{
	Kit *k = c->kit;
	switch (g_rand_int_range(c->rand, 0, 12)) {
	case 0:
		kit_crash(k);
		break;
	case 1:
		loop_sim_skip(k->sim, 30 * SL_USEC_PER_SEC);
		saga_time_lost(k->proc->saga, 30 * SL_USEC_PER_SEC);
		break;
	case 2:
		http_sim_crash(k->target.http);
		g_ptr_array_set_size(k->proc->contexts, 0);
		site_disconnected(k->proc->site);
		break;
	case 3:
		site_fact_forget(k->proc->site, NULL, NULL);
		break;
	case 4:
	case 5:
		touch(c);
		break;
	case 6:
	case 7:
		saga_submit(k->proc->saga, random_order, NULL, c);
	}
}

/* Of two marks on one child the newer goes first. */
static void judge_order(const Kit *k)
{
	for (unsigned i = 0; i < N_CHILDREN; i++) {
		g_autofree char *newer = g_strdup_printf("DELETE /mc%u;", i);
		g_autofree char *older = g_strdup_printf("PATCH /c%u mark=false;", i);
		const char *first = strstr(k->target.effects->str, newer);
		const char *then = strstr(k->target.effects->str, older);
		g_assert_true(!first || (then && first < then));
	}
}

/* Every effect once; only the claim may be raised, and an eviction may come late. */
static void judge(Kit *k)
{
	g_autoptr(json_t) seen = json_object();
	g_auto(GStrv) effects = g_strsplit(k->target.effects->str, "; ", -1);
	bool released = false;
	for (size_t i = 0; effects[i] && *effects[i]; i++) {
		bool claim = g_str_has_prefix(effects[i], "PATCH /cv claim={");
		bool late = g_str_has_prefix(effects[i], "DELETE /x");
		g_assert_false(released && !late);
		g_assert_true(claim || !json_object_get(seen, effects[i]));
		json_object_set_new(seen, effects[i], json_true());
		released = released || strcmp(effects[i], "PATCH /cv claim=null") == 0;
	}
	const char *path;
	json_t *o;
	json_object_foreach (k->target.objects, path, o) {
		g_assert_false(json_path_bool(o, "mark", false));
		g_assert_false(g_str_has_prefix(path, "/m"));
	}
	g_assert_true(json_is_null(json_object_get(kit_get(k, "/cv"), "claim")));
}

static void story(unsigned seed)
{
	Chaos c = { kit_new(parent_tick), g_rand_new_with_seed(seed), FAULTS_MAX };
	Kit *k = c.kit;
	k->undo = parent_undo;
	k->claims = true;
	http_sim_set_faults(k->target.http, chaos_request, chaos_crash, &c);
	store_mem_set_faults(k->disk, chaos_batch, chaos_crash, &c);
	for (unsigned i = 0; i < N_CHILDREN; i++) {
		g_autofree char *name = g_strdup_printf("/c%u", i);
		g_autofree char *gone = g_strdup_printf("/xc%u", i);
		target_put(&k->target, name, json_object());
		target_put(&k->target, gone, json_object());
	}
	if (seed % 2) /* requests overtake each other */
		http_sim_set_latency(k->target.http, 500, 1500000);
	kit_start(k);
	int64_t end = kit_now(k) + CHAOS_SEC * SL_USEC_PER_SEC;
	int64_t aborted = kit_now(k) + g_rand_int_range(c.rand, 0, 60) * SL_USEC_PER_SEC / 2;
	while (kit_now(k) < end) {
		saga_submit(k->proc->saga, begin, NULL, &c);
		if (seed % 4 > 1 && kit_now(k) > aborted)
			saga_submit(k->proc->saga, abort_run, NULL, &c);
		kit_run_usec(k, g_rand_int_range(c.rand, 1, 3000000));
		disturb(&c);
	}
	c.faults_left = 0;
	kit_run(k, 1);
	saga_submit(k->proc->saga, begin, NULL, &c);
	saga_submit(k->proc->saga, all_go_on, NULL, &c);
	kit_run(k, 1);
	kit_until(k, all_ended);
	kit_run(k, 100);
	judge(k);
	judge_order(k);
	kit_free(k);
	g_rand_free(c.rand);
}

static void test_chaos(void)
{
	const char *only = g_getenv("CHAOS_SEED");
	unsigned first = only ? (unsigned)g_ascii_strtoull(only, NULL, 10) : 1;
	unsigned n = only ? 1 : g_test_slow() ? 5000 : 200;
	for (unsigned i = first; i < first + n; i++) {
		g_test_message("seed %u", i);
		story(i);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/rules/chaos", test_chaos);
	return g_test_run();
}
