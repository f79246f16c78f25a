#include "policy/halt.h"
#include "policy/rollback.h"
#include <string.h>

static void test_parse(void)
{
	static const struct {
		const char *json, *error; /* error NULL: fine */
		Tier require;
		bool t0, t1, before, after;
		int stop;
	} cases[] = {
		{ "{}", NULL, TIER_NONE, true, true, true, false, 1 },
		{ "{\"require\":\"none\",\"automatic\":[]}", NULL, TIER_NONE, false, false, false,
			false, 1 },
		{ "{\"require\":\"T2\",\"automatic\":[\"T0\",\"T1\",\"T2BeforeWorkers\","
		  "\"T2AfterWorkers\"],\"stopFleetAfter\":3}",
			NULL, TIER_T2, true, true, true, true, 3 },
		{ "{\"automatic\":[\"T3\"]}", "automatic: T3 is never automatic" },
		{ "{\"automatic\":[\"T4\"]}", "automatic: T4 is never automatic" },
		{ "{\"automatic\":[\"T2\"]}", "automatic: \"T2\" is none of T0, T1, "
					      "T2BeforeWorkers, T2AfterWorkers" },
		{ "{\"require\":\"T9\"}", "require: \"T9\" is no tier" },
		{ "{\"stopFleetAfter\":0}", "stopFleetAfter must be 1 or more" },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) err = NULL;
		RollbackRules r;
		json_t *v = json_loads(cases[i].json, 0, NULL);
		bool ok = rollback_rules_parse(v, &r, &err);
		g_assert_true(ok == (cases[i].error == NULL));
		g_assert_cmpstr(err ? err->message : NULL, ==, cases[i].error);
		if (ok) {
			g_assert_cmpint(r.require, ==, cases[i].require);
			g_assert_true(r.automatic_t0 == cases[i].t0 &&
				      r.automatic_t1 == cases[i].t1 &&
				      r.automatic_t2_before == cases[i].before &&
				      r.automatic_t2_after == cases[i].after);
			g_assert_cmpint(r.stop_fleet_after, ==, cases[i].stop);
		}
		json_decref(v);
	}
	RollbackRules r;
	g_autoptr(GError) err = NULL;
	g_assert_true(rollback_rules_parse(NULL, &r, &err));
	g_assert_true(r.automatic_t2_before && !r.automatic_t2_after);
}

static void test_decide(void)
{
	static const RollbackRules usual = { TIER_NONE, true, true, true, false, 1,
		{ [TIER_T3] = "two-leads" } };
	static const RollbackRules after = { TIER_NONE, true, true, true, true, 1, { 0 } };
	static const RollbackRules none = { TIER_NONE, false, false, false, false, 1, { 0 } };
	static const struct {
		const char *name;
		const RollbackRules *rules;
		RollbackFacts facts;
		RollbackDecision want;
		const char *text; /* a part of it */
	} cases[] = {
		{ "T2 before workers", &usual, { "c", TIER_T2 }, ROLLBACK_AUTOMATIC,
			"T2, automatic until workers start" },
		{ "T2 after workers", &usual, { "c", TIER_T2, .workers_touched = true },
			ROLLBACK_ASK, "shiplock rollback c, or shiplock resume c" },
		{ "T2 after workers, named", &after, { "c", TIER_T2, .workers_touched = true },
			ROLLBACK_AUTOMATIC, "T2, automatic" },
		{ "T1", &usual, { "c", TIER_T1 }, ROLLBACK_AUTOMATIC, "T1" },
		{ "T1 after workers", &usual, { "c", TIER_T1, .workers_touched = true },
			ROLLBACK_ASK, "T1 after the first worker moved is not automatic" },
		{ "T1 after workers, named", &after, { "c", TIER_T1, .workers_touched = true },
			ROLLBACK_AUTOMATIC, "T1, automatic" },
		{ "nothing automatic", &none, { "c", TIER_T2 }, ROLLBACK_ASK,
			"shiplock rollback c" },
		{ "T1 not automatic", &none, { "c", TIER_T1 }, ROLLBACK_ASK,
			"shiplock rollback c" },
		{ "T3", &after, { "c", TIER_T3 }, ROLLBACK_ASK, "loses writes" },
		{ "T3 names its approval", &usual, { "c", TIER_T3 }, ROLLBACK_ASK,
			"with approval two-leads" },
		{ "T4", &after, { "c", TIER_T4 }, ROLLBACK_REFUSED, "done by people" },
		{ "nothing offered", &after, { "c", TIER_NONE }, ROLLBACK_REFUSED,
			"stop and hold" },
		{ "T0 only", &after, { "c", TIER_T0 }, ROLLBACK_REFUSED, "stop and hold" },
		{ "paused", &after, { "c", TIER_T2, .paused_by = "ann" }, ROLLBACK_ASK,
			"rollback wanted, paused by ann: shiplock rollback c, or shiplock resume "
			"c" },
		{ "never a rollback of a rollback", &after, { "c", TIER_T2, .rolling_back = true },
			ROLLBACK_REFUSED, "never rolled back" },
		{ "needs a merge", &after, { "c", TIER_T2, .waits_for_merge = true }, ROLLBACK_ASK,
			"needs a merge" },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		RollbackAnswer a = rollback_decide(cases[i].rules, &cases[i].facts);
		g_test_message("%s: %s", cases[i].name, a.text);
		g_assert_cmpint(a.decision, ==, cases[i].want);
		g_assert_nonnull(strstr(a.text, cases[i].text));
	}
}

static void test_meets(void)
{
	static const struct {
		Tier require, offered;
		bool want;
		const char *text;
	} cases[] = {
		{ TIER_NONE, TIER_NONE, true, "" },
		{ TIER_T0, TIER_NONE, true, "" },
		{ TIER_T2, TIER_T2, true, "" },
		{ TIER_T2, TIER_T1, true, "" },
		{ TIER_T2, TIER_T3, false, "hop 2 has no T2, only T3; the policy requires it" },
		{ TIER_T2, TIER_NONE, false, "hop 2 has no T2; the policy requires it" },
		{ TIER_T3, TIER_T2, true, "" },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		RollbackRules r = { .require = cases[i].require };
		char text[ROLLBACK_TEXT_MAX] = "";
		g_assert_true(rollback_meets(&r, cases[i].offered, "hop 2", text) == cases[i].want);
		g_assert_cmpstr(text, ==, cases[i].text);
	}
	Tier t;
	g_assert_false(tier_parse("T5", &t));
	g_assert_false(tier_parse(NULL, &t));
	g_assert_true(tier_parse("T3", &t));
	g_assert_cmpstr(tier_name(t), ==, "T3");
	g_assert_cmpstr(tier_name(TIER_NONE), ==, "none");
}

static void test_halt(void)
{
	static const struct {
		int bad, budget;
		bool want;
	} waves[] = { { 0, 0, false }, { 1, 0, true }, { 1, 1, false }, { 2, 1, true },
		{ 3, 3, false } };
	for (size_t i = 0; i < G_N_ELEMENTS(waves); i++) {
		WaveCount c = { 5, 0, waves[i].bad };
		g_assert_true(halt_wave(&c, waves[i].budget, NULL) == waves[i].want);
	}
	char text[HALT_TEXT_MAX] = "";
	g_assert_false(halt_fleet(&(FleetCount){ 0, NULL }, 1, text));
	g_assert_cmpstr(text, ==, "");
	g_assert_true(halt_fleet(&(FleetCount){ 1, NULL }, 1, text));
	g_assert_cmpstr(text, ==, "1 rollback, stopFleetAfter is 1");
	g_assert_false(halt_fleet(&(FleetCount){ 1, NULL }, 2, NULL));
	g_assert_true(halt_fleet(&(FleetCount){ 0, "prod/alerts" }, 2, text));
	g_assert_cmpstr(text, ==, "gate prod/alerts failed and says halt");
	g_assert_true(halt_wave(&(WaveCount){ 4, 1, 1 }, 0, text));
	g_assert_cmpstr(text, ==, "1 of 4 clusters did not succeed, failureBudget is 0");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/rollback/parse", test_parse);
	g_test_add_func("/rollback/decide", test_decide);
	g_test_add_func("/rollback/meets", test_meets);
	g_test_add_func("/rollback/halt", test_halt);
	return g_test_run();
}
