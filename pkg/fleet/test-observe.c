/* The actuator observe: a person orders; nothing of ours is written, and what we would have done is
 * kept beside what was done. */
#include "fleet/test-spy.h"

#define OBSERVED FAST CLUSTER_WITH("a", "  actuator: {type: observe}\n") UP(WAVE("[a]"), "")

static Rig *begin(FaultsSpy *s)
{
	Rig *r = faults_begin("a", NULL);
	http_sim_set_faults(sim_fleet_transport(r->world), faults_spy, NULL, s);
	story_submit(r, OBSERVED);
	story_reach(r, "a", "control-plane", NULL);
	return r;
}

static void end(Rig *r, const FaultsSpy *s)
{
	g_assert_cmpstr(s->last, ==, "");
	g_assert_cmpuint(s->n_writes, ==, 0);
	http_sim_set_faults(sim_fleet_transport(r->world), NULL, NULL, NULL);
	rig_free(r);
}

/* What was noted: the times of this wish, 0 where there is none. */
static void times_of(Rig *r, const char *what, int64_t *ret_would, int64_t *ret_done)
{
	*ret_would = *ret_done = 0;
	size_t i;
	json_t *o;
	json_array_foreach (json_object_get(item_memo(story_item(r, "a")), "observed"), i, o)
		if (strcmp(json_path_str(o, "what", ""), what) == 0) {
			*ret_would = json_path_int(o, "wouldUsec", 0);
			*ret_done = json_path_int(o, "doneUsec", 0);
		}
}

static void expect_done(Rig *r, const char *what, int min_sec, int max_sec)
{
	int64_t would, done;
	times_of(r, what, &would, &done);
	g_assert_cmpint(would, >, 0);
	g_assert_cmpint((done - would) / RIG_SEC, >=, min_sec);
	g_assert_cmpint((done - would) / RIG_SEC, <=, max_sec);
}

static void test_predicted_and_actual(void)
{
	FaultsSpy s = { 0 };
	Rig *r = begin(&s);
	faults_pass(r, 1800);
	faults_order_by_hand(r, NEW);
	faults_ends(r, "a", "Succeeded");
	g_assert_cmpstr(outside_version(r, "a"), ==, NEW);
	expect_done(r, "order " NEW, 1700, 1900);
	int64_t would, done;
	times_of(r, "pause pool worker", &would, &done);
	g_assert_cmpint(would, >, 0);
	g_assert_cmpint(done, ==, 0); /* nobody did */
	g_autoptr(json_t) why = fleet_why(r->fleet, "a", NULL);
	g_autofree char *shown = json_canonical(json_object_get(why, "observed"));
	g_assert_nonnull(strstr(shown, "\"what\":\"order " NEW "\""));
	g_assert_nonnull(strstr(shown, "\"doneAt\":null"));
	end(r, &s);
}

static void fail_in_soak(Rig *r)
{
	faults_pass(r, 60);
	faults_order_by_hand(r, NEW);
	story_reach(r, "a", "cp-soak", NULL);
	faults_set(r, "a", SIM_FAULT_BIT(SIM_FAULT_ERROR_RATE_RISE));
	story_reach(r, "a", "rollback", NULL);
	faults_pass(r, 900);
	g_assert_cmpstr(outside_wanted(r, "a"), ==, NEW);
}

static void test_back(void)
{
	FaultsSpy s = { 0 };
	Rig *r = begin(&s);
	fail_in_soak(r);
	faults_order_by_hand(r, OLD);
	faults_ends(r, "a", "RolledBack");
	g_assert_cmpstr(outside_version(r, "a"), ==, OLD);
	expect_done(r, "order " OLD " back", 800, 1000);
	end(r, &s);
}

/* The person does not want to go back. */
static void test_stays(void)
{
	FaultsSpy s = { 0 };
	Rig *r = begin(&s);
	fail_in_soak(r);
	faults_command(r, "abort", "a");
	faults_ends(r, "a", "PartiallyRolledBack");
	int64_t would, done;
	times_of(r, "order " OLD " back", &would, &done);
	g_assert_cmpint(would, >, 0);
	g_assert_cmpint(done, ==, 0);
	end(r, &s);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/observe/predicted-and-actual", test_predicted_and_actual);
	g_test_add_func("/observe/back", test_back);
	g_test_add_func("/observe/stays", test_stays);
	return g_test_run();
}
