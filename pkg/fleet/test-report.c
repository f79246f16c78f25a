/* What a run did, from its records: on the simulated fleet, and the texts that are made of it. */
#include "fleet/report.h"
#include "fleet/test-spy.h"
#include "objects/time.h"

#define GATES                                                                                      \
	HEAD("GatePolicy", "few")                                                                  \
	"spec:\n  gates:\n"                                                                        \
	"    - {name: operators, when: [cp-verify, verify], invariant: clusterOperators}\n"        \
	"    - {name: errors, when: [cp-soak], onFail: rollback, interval: 20s, query: "           \
	"'sum(rate(haproxy_backend_http_responses_total{code=\"5xx\"}[15m])) / "                   \
	"sum(rate(haproxy_backend_http_responses_total[15m]))', pass: {atMost: 0.01}, fail: "      \
	"{above: 0.05}, count: 3}\n"
#define DOCUMENTS                                                                                  \
	GATES CLUSTER_WITH("a", "  aliases: {billing: academic, acm: 'site_a'}\n") CLUSTER("b")    \
		PLAN_WITH("up", "[{name: one, clusters: {names: [a, b]}, cpSoak: 1m, soak: 30s}]", \
			"  policies: {gates: few}\n")

static bool add(const Record *x, void *ud)
{
	g_autoptr(json_t) body = json_loads(x->body, 0, NULL);
	report_add(ud, x, body);
	return true;
}

static json_t *report_of(Rig *r)
{
	g_autoptr(Report) report = report_new("test");
	Store store = store_mem_store(r->disk);
	store.ops->replay(store.self, 0, add, report, NULL);
	return report_run(report, report_last_id(report));
}

static Rig *played(void)
{
	Rig *r = rig_new(11);
	for (unsigned i = 0; i < 2; i++) {
		SimSpec spec = { .world = { .name = i ? "b" : "a",
					 .version = "4.21.8",
					 .previous = "4.21.7",
					 .n_workers = 2,
					 .n_apps = 2,
					 .n_replicas = 2 },
			.releases = "4.21.10",
			.faults = i ? SIM_FAULT_BIT(SIM_FAULT_ERROR_RATE_RISE) : 0,
			.scale = 1 };
		sim_fleet_add(r->world, &spec);
	}
	rig_start(r);
	story_submit(r, DOCUMENTS);
	story_reach(r, "a", "control-plane", NULL);
	g_assert_true(story_command(r, "pause", "a"));
	story_pass(r, 60);
	g_assert_true(story_command(r, "resume", "a"));
	g_assert_cmpint(story_rest(r), ==, 4);
	return r;
}

static const json_t *cluster_of(const json_t *run, const char *name)
{
	size_t i;
	json_t *c;
	json_array_foreach (json_object_get(run, "clusters"), i, c)
		if (strcmp(json_path_str(c, "name", ""), name) == 0)
			return c;
	g_error("no cluster %s", name);
}

static const char *text(const json_t *v, const char *path)
{
	return json_path_str(v, path, "");
}

/* One state ends where the next begins, and all of them lie within the cluster's own time. */
static void states_are_whole(const json_t *c, const char *const *want)
{
	const json_t *states = json_object_get(c, "states");
	int64_t last = 0;
	size_t i;
	json_t *s;
	json_array_foreach (states, i, s) {
		int64_t from = json_path_int(s, "fromUsec", 0);
		g_assert_cmpstr(text(s, "state"), ==, want[i]);
		g_assert_true(!last || from == last);
		last = json_path_int(s, "untilUsec", 0);
		g_assert_cmpint(last, >=, from);
	}
	g_assert_null(want[i]);
	g_assert_cmpstr(text(json_array_get(states, i - 1), "until"), ==, text(c, "ended"));
}

static const json_t *gate_of(const json_t *c, const char *gate, const char *state)
{
	size_t i;
	json_t *g;
	json_array_foreach (json_object_get(c, "gates"), i, g)
		if (strcmp(text(g, "gate"), gate) == 0 && strcmp(text(g, "state"), state) == 0)
			return g;
	g_error("no gate %s in %s", gate, state);
}

static int64_t in_states(const json_t *c, const char *const *names)
{
	int64_t sum = 0;
	size_t i;
	json_t *s;
	json_array_foreach (json_object_get(c, "states"), i, s)
		for (const char *const *n = names; *n; n++)
			if (strcmp(text(s, "state"), *n) == 0)
				sum += json_path_int(s, "untilUsec", 0) -
				       json_path_int(s, "fromUsec", 0);
	return sum;
}

static int64_t outage_sum(const json_t *c)
{
	int64_t sum = 0, last = 0;
	size_t i;
	json_t *o;
	json_array_foreach (json_object_get(c, "outage"), i, o) {
		int64_t from = json_path_int(o, "fromUsec", 0);
		g_assert_cmpint(from, >, last);
		last = json_path_int(o, "untilUsec", 0);
		sum += last - from;
	}
	return sum;
}

static void check_succeeded(const json_t *a)
{
	static const char *const states[] = { "pending", "preflight", "claim", "baseline",
		"evacuate", "backup", "control-plane", "cp-verify", "cp-soak", "nodes", "verify",
		"soak", "done", NULL };
	static const char *const moving[] = { "control-plane", "nodes", NULL };
	g_assert_cmpstr(text(a, "outcome"), ==, "Succeeded");
	g_assert_cmpstr(text(a, "from"), ==, "4.21.8");
	g_assert_cmpstr(text(a, "version"), ==, "4.21.10");
	g_assert_cmpstr(text(a, "service"), ==, "academic");
	g_assert_cmpstr(text(a, "aliases.acm"), ==, "site_a");
	g_assert_cmpstr(text(a, "why"), ==, "");
	states_are_whole(a, states);
	g_assert_cmpint(outage_sum(a), ==, in_states(a, moving));
	g_assert_cmpint(
		json_array_size(json_object_get(a, "outage")), ==, 2); /* the soak is none */
	const json_t *hold = json_path(a, "holds.0");
	g_assert_cmpstr(text(hold, "cause"), ==, "pause");
	g_assert_cmpint(json_path_int(hold, "seconds", 0), ==, 60);
	const json_t *gate = gate_of(a, "errors", "cp-soak");
	g_assert_cmpstr(text(gate, "verdict"), ==, "PASS");
	g_assert_cmpint(json_path_int(gate, "looks", 0), >=, 3);
	g_assert_cmpint(
		json_path_int(gate, "verdicts.PASS", 0), ==, json_path_int(gate, "looks", 0));
	g_assert_true(g_str_has_prefix(text(gate, "evidence"), "sha256:"));
	g_assert_cmpint(json_path_int(a, "writes.evict", 0), >, 0);
	g_assert_cmpint(json_path_int(a, "disruption.0.pods", 0), >, 0);
	g_assert_cmpfloat(json_number_value(json_path(a, "disruption.0.minutes")), >, 0);
	g_assert_cmpfloat(json_number_value(json_path(a, "disruption.0.minutes")), <, 60);
}

static void check_rolled_back(const json_t *b)
{
	static const char *const moving[] = { "control-plane", "nodes", "rollback", NULL };
	g_assert_cmpstr(text(b, "outcome"), ==, "RolledBack");
	g_assert_cmpstr(text(b, "version"), ==, "4.21.8");
	g_assert_cmpstr(text(b, "ordered"), ==, "4.21.10");
	g_assert_true(g_str_has_prefix(text(b, "why"), "gate errors failed: "));
	g_assert_cmpstr(text(gate_of(b, "errors", "cp-soak"), "verdict"), ==, "FAIL");
	g_assert_cmpint(outage_sum(b), ==, in_states(b, moving));
}

static void test_run(void)
{
	g_autoptr(Rig) r = played();
	g_autoptr(json_t) run = report_of(r), again = report_of(r),
			  live = fleet_report(r->fleet, r->run);
	g_autofree char *one = json_canonical(run), *two = json_canonical(again),
			*three = json_canonical(live);
	g_assert_cmpstr(one, ==, two);
	g_assert_cmpstr(one, ==, three);
	g_assert_cmpstr(text(run, "outcome"), ==, "RolledBack");
	g_assert_cmpstr(text(run, "commit"), ==, "c0ffee");
	g_assert_cmpstr(text(run, "orderedBy"), ==, "tester");
	g_assert_cmpstr(text(run, "commands.0.verb"), ==, "pause");
	g_assert_cmpstr(text(run, "commands.0.who"), ==, "ann");
	g_assert_cmpint(json_path_int(run, "journal.last", 0), >, 100);
	check_succeeded(cluster_of(run, "a"));
	check_rolled_back(cluster_of(run, "b"));
	/* A new process knows the same. */
	rig_crash(r);
	rig_start(r);
	g_autoptr(json_t) after = fleet_report(r->fleet, r->run);
	g_autofree char *four = json_canonical(after);
	g_assert_cmpstr(one, ==, four);
	g_assert_null(fleet_report(r->fleet, 99));
}

static void test_markdown(void)
{
	static const char *const want[] = {
		"# Run up#1: RolledBack\n\nTarget 4.21.10, fleet test, ordered by tester at commit "
		"c0ffee.",
		"| a | one | Succeeded | 4.21.8 | 4.21.10 | 20",
		"| b | one | RolledBack | 4.21.8 | 4.21.8 | 20",
		"| ann | pause | a | test |",
		"\n## a: Succeeded\n\nElsewhere: acm site\\_a, billing academic.\n",
		"\n## b: RolledBack\n\ngate errors failed",
		"\n| control-plane | 20",
		"\n| errors | cp-soak | PASS | ",
		"\n| pause | 20",
		"\n| namespace | pods moved | minutes without a replacement |\n",
	};
	g_autoptr(Rig) r = played();
	g_autoptr(json_t) run = report_of(r);
	g_autofree char *md = report_markdown(run);
	g_test_message("%s", md);
	for (size_t i = 0; i < G_N_ELEMENTS(want); i++)
		if (!strstr(md, want[i]))
			g_error("no \"%s\" in\n%s", want[i], md);
	json_array_append_new(json_object_get(run, "approvals"),
		json_pack("{s:s, s:s, s:s, s:b}", "who", "bo|b", "reason", "<b>`x`\n", "subject",
			"wave", "breakGlass", 1));
	g_autofree char *loud = report_markdown(run);
	g_assert_nonnull(strstr(loud, "\n**GLASS BROKEN** by bo\\|b: \\<b\\>\\`x\\` \n"));
}

/* A person orders on a cluster that is only observed: predicted and actual stand side by side. */
static void test_observed(void)
{
	g_autoptr(Rig) r = faults_begin("a", NULL);
	story_submit(
		r, FAST CLUSTER_WITH("a", "  actuator: {type: observe}\n") UP(WAVE("[a]"), ""));
	story_reach(r, "a", "control-plane", NULL);
	faults_pass(r, 1800);
	int64_t ordered = loop_wall_usec(loop_sim_proc_loop(r->proc));
	faults_order_by_hand(r, NEW);
	faults_ends(r, "a", "Succeeded");
	g_autoptr(json_t) run = report_of(r);
	const json_t *list = json_object_get(cluster_of(run, "a"), "observed");
	const json_t *order = NULL, *pause = NULL;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *o = json_array_get(list, i);
		order = strcmp(text(o, "what"), "order " NEW) == 0 ? o : order;
		pause = strcmp(text(o, "what"), "pause pool worker") == 0 ? o : pause;
	}
	int64_t would = 0, done = 0;
	g_assert_true(sl_time_parse(text(order, "wouldAt"), &would));
	g_assert_true(sl_time_parse(text(order, "doneAt"), &done));
	g_assert_cmpint(ordered - would, >=, 1700 * RIG_SEC);
	g_assert_cmpint(done, >=, ordered - RIG_SEC); /* whole seconds */
	g_assert_cmpint(done, <=, ordered + 120 * RIG_SEC);
	g_assert_cmpstr(text(pause, "wouldAt"), !=, "");
	g_assert_true(json_is_null(json_object_get(pause, "doneAt")));
	g_autofree char *md = report_markdown(run);
	g_autofree char *row = g_strdup_printf(
		"\n| order " NEW " | %s | %s |\n", text(order, "wouldAt"), text(order, "doneAt"));
	g_autofree char *undone = g_strdup_printf(
		"\n| pause pool worker | %s | not done |\n", text(pause, "wouldAt"));
	g_assert_nonnull(strstr(md, "\n| Shiplock would have | at | done by a person |\n"));
	g_assert_nonnull(strstr(md, row));
	g_assert_nonnull(strstr(md, undone));
}

/* ---- outages: tables ---- */

/* "a 12:00:00 12:30:00" and so on: cluster, from, until; seconds since midnight give the order. */
static json_t *run_with(const char *services, const char *spans)
{
	json_t *clusters = json_array();
	g_auto(GStrv) names = g_strsplit(services, " ", -1);
	for (char **n = names; *n; n++)
		json_array_append_new(clusters,
			json_pack("{s:s, s:s, s:[]}", "name", *n, "service", *n, "outage"));
	g_auto(GStrv) words = g_strsplit(spans, " ", -1);
	for (char **w = words; *w && w[1]; w += 3) {
		g_autofree char *from = g_strdup_printf("2026-05-12T%sZ", w[1]);
		g_autofree char *until = g_strdup_printf("2026-05-12T%sZ", w[2]);
		int64_t a = 0, b = 0;
		g_assert_true(sl_time_parse(from, &a) && sl_time_parse(until, &b));
		json_t *c = json_array_get(clusters, (size_t)g_ascii_digit_value(w[0][0]));
		json_array_append_new(json_object_get(c, "outage"),
			json_pack("{s:s, s:s, s:I, s:I}", "from", from, "until", until, "fromUsec",
				(json_int_t)a, "untilUsec", (json_int_t)b));
	}
	return json_pack("{s:s, s:s, s:o}", "fleet", "hub", "run", "up#7", "clusters", clusters);
}

#define RANGE(f, u, s)                                                                             \
	"    - from: \"2026-05-12T" f "Z\"\n      until: \"2026-05-12T" u "Z\"\n"                  \
	"      affected_services: [\"" s "\"]\n"
#define ENTRY "- url: \"https://status.example/x\"\n  timeframes:\n"

/* The list as a reader of YAML sees it: borrowed from *ret_answer. */
static const json_t *as_yaml(const char *yaml, json_t **ret_answer)
{
	g_autoptr(json_t) request =
		json_pack("{s:[{s:s, s:s}]}", "files", "name", "outages.yaml", "text", yaml);
	g_autofree char *text = json_canonical(request);
	size_t len = 0;
	g_autofree char *out = test_ask_worker(text, &len);
	*ret_answer = json_loadb(out, len, 0, NULL);
	g_assert_cmpuint(json_array_size(json_path(*ret_answer, "files.0.errors")), ==, 0);
	return json_path(*ret_answer, "files.0.documents.0.json");
}

/* An alias is free text: whatever it holds stays one name. */
static void test_outages_are_yaml(void)
{
	g_autoptr(json_t) run = run_with("x", "0 12:00:00 12:30:00 0 13:00:00 13:01:00");
	g_autoptr(json_t) answer = NULL;
	const char *hostile = "a: [b]\n- \"c\" # d \xc3\xa9";
	json_object_set_new(json_path(run, "clusters.0"), "service", json_string(hostile));
	g_autofree char *got = report_outages(run, "https://status.example/#x");
	const json_t *list = as_yaml(got, &answer);
	g_assert_cmpuint(json_array_size(list), ==, 1);
	g_assert_cmpstr(json_path_str(list, "0.url", ""), ==, "https://status.example/#x");
	g_assert_cmpuint(json_array_size(json_path(list, "0.timeframes")), ==, 2);
	g_assert_cmpstr(json_path_str(list, "0.timeframes.1.from", ""), ==, "2026-05-12T13:00:00Z");
	g_assert_cmpstr(json_path_str(list, "0.timeframes.0.affected_services.0", ""), ==, hostile);
}

static void test_outages(void)
{
	static const struct {
		const char *name, *services, *spans, *want;
	} cases[] = {
		{ "nothing was out", "prod edu", "", "" },
		{ "one", "prod", "0 12:13:00 15:58:00",
			ENTRY RANGE("12:13:00", "15:58:00", "prod") },
		{ "two clusters", "prod edu", "1 10:00:00 10:10:00 0 12:00:00 12:01:00",
			ENTRY RANGE("12:00:00", "12:01:00", "prod")
				RANGE("10:00:00", "10:10:00", "edu") },
		{ "apart", "prod", "0 12:00:00 12:10:00 0 12:20:00 12:30:00",
			ENTRY RANGE("12:00:00", "12:10:00", "prod")
				RANGE("12:20:00", "12:30:00", "prod") },
		{ "billed as one, overlapping", "prod prod",
			"0 12:00:00 12:30:00 1 12:10:00 12:40:00 1 11:00:00 11:05:00",
			ENTRY RANGE("11:00:00", "11:05:00", "prod")
				RANGE("12:00:00", "12:40:00", "prod") },
		{ "billed as one, inside", "prod prod", "0 12:00:00 12:30:00 1 12:10:00 12:20:00",
			ENTRY RANGE("12:00:00", "12:30:00", "prod") },
		{ "touching", "prod prod", "1 12:30:00 12:40:00 0 12:00:00 12:30:00",
			ENTRY RANGE("12:00:00", "12:40:00", "prod") },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(json_t) run = run_with(cases[i].services, cases[i].spans);
		g_autofree char *got = report_outages(run, "https://status.example/x");
		g_test_message("%s", cases[i].name);
		g_assert_cmpstr(got, ==, cases[i].want);
	}
	g_autoptr(json_t) run = run_with("prod", "0 12:00:00 12:30:00");
	g_autofree char *own = report_outages(run, NULL);
	g_assert_true(g_str_has_prefix(own, "- url: \"shiplock:hub/up#7\"\n"));
}

/* ---- the notice ---- */

static void test_notice(void)
{
	g_autoptr(json_t) run = json_loads(
		"{\"target\": {\"version\": \"4.21.10\"}, \"clusters\": ["
		"{\"wave\": \"edu\", \"service\": \"academic\", \"provider\": \"openshift\", "
		"\"timeZone\": \"America/New_York\", \"window\": {\"open\": [{\"weekday\": "
		"\"tuesday\", "
		"\"nth\": 2, \"start\": \"08:00\", \"end\": \"17:00\"}]}},"
		"{\"wave\": \"edu\", \"service\": \"two\", \"provider\": \"openshift\", "
		"\"timeZone\": "
		"\"UTC\", \"window\": null},"
		"{\"wave\": \"prod\", \"service\": \"ocp-prod\", \"provider\": \"openshift\", "
		"\"timeZone\": \"America/New_York\", \"began\": \"2026-05-12T12:13:00Z\", "
		"\"ended\": "
		"\"2026-05-12T15:58:00Z\", \"outcome\": \"Succeeded\", \"version\": \"4.21.10\"}]}",
		0, NULL);
	g_assert_nonnull(run);
	int64_t now = INT64_C(1795000000) * SL_USEC_PER_SEC; /* 2026-11-18 */
	g_autofree char *planned = report_notice(run, "edu", now),
			*done = report_notice(run, "prod", now),
			*none = report_notice(run, "x", now);
	g_test_message("%s", planned);
	g_assert_true(g_str_has_prefix(planned,
		"Maintenance (edu): upgrade to OpenShift 4.21.10\n\n"
		"- academic: planned; its maintenance window opens Tue 2026-12-08 08:00 EST\n"
		"- two: planned, as soon as it is its turn\n\nWhat you may notice: "));
	g_assert_cmpstr(done, ==,
		"Maintenance (prod): upgrade to OpenShift 4.21.10, completed\n\n"
		"- ocp-prod: done. It runs OpenShift 4.21.10; the work took from Tue 2026-05-12 "
		"08:13 "
		"EDT to Tue 2026-05-12 11:58 EDT\n");
	g_assert_null(none);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/report/run", test_run);
	g_test_add_func("/report/markdown", test_markdown);
	g_test_add_func("/report/observed", test_observed);
	g_test_add_func("/report/outages", test_outages);
	g_test_add_func("/report/outages-are-yaml", test_outages_are_yaml);
	g_test_add_func("/report/notice", test_notice);
	return g_test_run();
}
