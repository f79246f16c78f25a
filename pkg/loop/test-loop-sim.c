#include "loop/loop-sim.h"

typedef struct {
	GString *told;
	Loop loop;
	char name;
} Teller;

static void tell(void *ud)
{
	Teller *t = ud;
	g_string_append_printf(
		t->told, "%c%" G_GINT64_FORMAT " ", t->name, loop_boot_usec(t->loop));
}

static bool never(void *ud)
{
	return false;
}

static void test_order(void)
{
	g_autoptr(LoopSim) s = loop_sim_new(1, 0);
	g_autoptr(GString) told = g_string_new(NULL);
	Loop l = loop_sim_loop(s);
	Teller a = { told, l, 'a' }, b = { told, l, 'b' }, c = { told, l, 'c' },
	       d = { told, l, 'd' };
	int64_t now = loop_boot_usec(l);
	loop_timer(l, now + 5, tell, &a);
	loop_timer(l, now + 3, tell, &b);
	loop_timer(l, now + 5, tell, &c);
	uint64_t id = loop_timer(l, now + 4, tell, &d);
	loop_cancel(l, &id);
	g_assert_cmpuint(id, ==, 0);
	loop_defer(l, tell, &d);
	g_assert_false(loop_sim_run(s, never, NULL, now + 100));
	g_assert_cmpstr(told->str, ==, "d1000000 b1000003 a1000005 c1000005 ");
}

static void test_crash_drops_only_own_timers(void)
{
	g_autoptr(LoopSim) s = loop_sim_new(1, 0);
	g_autoptr(GString) told = g_string_new(NULL);
	LoopSimProc *p = loop_sim_proc_new(s);
	Teller world = { told, loop_sim_loop(s), 'w' }, proc = { told, loop_sim_proc_loop(p), 'p' };
	loop_timer(world.loop, 2, tell, &world);
	loop_timer(proc.loop, 1, tell, &proc);
	loop_sim_proc_free(p);
	while (loop_sim_step(s))
		;
	g_assert_cmpstr(told->str, ==, "w1000000 ");
}

static void test_one_seed_one_story(void)
{
	g_autoptr(LoopSim) a = loop_sim_new(7, 0);
	g_autoptr(LoopSim) b = loop_sim_new(7, 0);
	g_autoptr(LoopSim) c = loop_sim_new(8, 0);
	uint64_t x = loop_random(loop_sim_loop(a));
	g_assert_cmpuint(x, ==, loop_random(loop_sim_loop(b)));
	g_assert_cmpuint(x, !=, loop_random(loop_sim_loop(c)));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/loop-sim/order", test_order);
	g_test_add_func("/loop-sim/crash", test_crash_drops_only_own_timers);
	g_test_add_func("/loop-sim/seed", test_one_seed_one_story);
	return g_test_run();
}
