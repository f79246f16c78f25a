/* What documents ask for and nothing does yet: each is refused by name, before anything is written.
 */
#include "fleet/test-faults.h"

#define WAVES "[{name: one, clusters: {names: [a]}, cpSoak: 30m}]"
#define WITH_DRAIN(spec)                                                                           \
	HEAD("DrainPolicy", "dp")                                                                  \
	"spec: " spec "\n" CLUSTER("a") PLAN_WITH("up", WAVES, "  policies: {drain: dp}\n")
#define WITH_GATE(gate)                                                                            \
	HEAD("GatePolicy", "gp")                                                                   \
	"spec:\n  gates:\n    - " gate "\n" CLUSTER("a")                                           \
		PLAN_WITH("up", WAVES, "  policies: {gates: gp}\n")

static const struct {
	const char *documents, *named;
} cases[] = {
	{ CLUSTER_WITH("a", "  alertmanager: {url: 'https://am.example'}\n") PLAN(WAVES),
		"spec.alertmanager" },
	{ WITH_DRAIN("{deadlines: {pool: 80h}}"), "deadlines.pool" },
	{ WITH_DRAIN("{nodes: {preferNoSchedule: true}}"), "nodes.preferNoSchedule" },
	{ WITH_DRAIN("{nodes: {atOnce: 2}}"), "nodes.atOnce" },
	{ WITH_DRAIN("{onDeadline: skipNode}"), "onDeadline: skipNode" },
	{ WITH_DRAIN("{consent: {emptyDir: false}}"), "consent.emptyDir: false" },
	{ WITH_DRAIN("{rules: [{match: {labels: {a: b}}, behaviour: surge}]}"), "surge" },
	{ WITH_GATE("{name: burn, when: [soak], burnRate: {objective: '99.9%', errors: '"
		    "up[{{window}}]'}}"),
		"burnRate" },
	{ WITH_GATE("{name: news, when: [verify], alerts: {severity: [critical]}}"), "alerts" },
};

static void test_case(const void *data)
{
	size_t i = (size_t)GPOINTER_TO_INT(data);
	g_autoptr(Rig) r = faults_begin("a", cases[i].documents);
	r->run = 1;
	g_assert_cmpint(story_rest(r), ==, 5);
	g_assert_cmpstr(story_outcome(r, "a"), ==, "Refused");
	g_autofree char *findings = faults_findings(r, "a");
	g_test_message("%s", findings);
	g_assert_nonnull(strstr(findings, cases[i].named));
	g_assert_null(outside_claim(r, "a"));
	g_assert_cmpstr(outside_wanted(r, "a"), ==, "");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *path =
			g_strdup_printf("/without-effect/%s/%zu", cases[i].named, i);
		g_test_add_data_func(path, GINT_TO_POINTER((int)i), test_case);
	}
	return g_test_run();
}
