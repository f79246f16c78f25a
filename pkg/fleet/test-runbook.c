/* The runbook of a gate stands wherever its failure does. */
#include "fleet/report.h"
#include "fleet/test-faults.h"

#define BOOK "https://runbooks.example/ingress"
#define WITH(action)                                                                               \
	HEAD("GatePolicy", "book")                                                                 \
	"spec:\n  gates:\n"                                                                        \
	"    - {name: errors, when: [cp-soak], runbook: '" BOOK "', " ERRORS "}\n" CLUSTER("a")    \
		PLAN_WITH("up", WAVE("[a]"),                                                       \
			"  policies: {gates: book}\n  onFailure: {action: " action "}\n")

static bool says(json_t *v)
{
	g_autoptr(json_t) owned = v;
	g_autofree char *text = json_canonical(owned);
	return strstr(text, "; runbook: " BOOK);
}

static unsigned told(Rig *r, const char *kind)
{
	unsigned n = 0;
	for (size_t i = 0; i < store_mem_len(r->disk); i++) {
		const Record *x = store_mem_get(r->disk, i);
		n += strcmp(x->kind, kind) == 0 && strstr(x->body, BOOK);
	}
	return n;
}

static void test_hold(void)
{
	g_autoptr(Rig) r = faults_begin("a", WITH("hold"));
	faults_set(r, "a", SIM_FAULT_BIT(SIM_FAULT_ERROR_RATE_RISE));
	story_reach(r, "a", "cp-soak", "gate-failed");
	g_assert_nonnull(strstr(story_held(r, "a", "gate-failed"), "; runbook: " BOOK));
	g_assert_true(says(fleet_why(r->fleet, "a", NULL)));
	g_assert_true(says(fleet_status(r->fleet)));
	g_assert_cmpuint(told(r, "hold"), ==, 1); /* what notices are made of */
}

static void test_no_data(void)
{
	g_autoptr(Rig) r = faults_begin("a", WITH("hold"));
	faults_set(r, "a", SIM_FAULT_BIT(SIM_FAULT_TELEMETRY_SILENT));
	story_reach(r, "a", "cp-soak", "gate");
	g_assert_true(says(fleet_why(r->fleet, "a", NULL)));
}

static void test_rollback(void)
{
	g_autoptr(Rig) r = faults_begin("a", WITH("rollback"));
	faults_set(r, "a", SIM_FAULT_BIT(SIM_FAULT_ERROR_RATE_RISE));
	faults_ends(r, "a", "RolledBack");
	g_assert_true(says(fleet_why(r->fleet, "a", NULL)));
	g_assert_true(says(fleet_report(r->fleet, 1)));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/runbook/hold", test_hold);
	g_test_add_func("/runbook/no-data", test_no_data);
	g_test_add_func("/runbook/rollback", test_rollback);
	return g_test_run();
}
