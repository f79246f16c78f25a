/* The main job on a simulated fleet: plans go up, a failed gate rolls back, the fleet stops. */
#include "fleet/test-rig.h"

#define CLUSTER(name)                                                                              \
	"---\napiVersion: shiplock.dev/v1alpha1\nkind: Cluster\nmetadata: {name: " name            \
	", labels: {stage: test}}\nspec:\n  provider: openshift\n  access: {kubeconfig: {file: "   \
	"/nowhere}}\n  telemetry: [{name: local, url: 'https://thanos." name ".sim'}]\n"

#define PLAN(waves)                                                                                \
	"---\napiVersion: shiplock.dev/v1alpha1\nkind: UpgradePlan\nmetadata: {name: up}\n"        \
	"spec:\n  target: {version: 4.21.10}\n  waves: " waves "\n"

/* One text of YAML documents, checked; an error in them fails the test. */
static DocSet *rig_documents(const char *yaml)
{
	g_autoptr(json_t) files = json_pack("[{s:s, s:s}]", "name", "test.yaml", "text", yaml);
	DocSet *set = test_load_files(files);
	if (!docset_ok(set)) {
		g_autofree char *text =
			findings_text(docset_findings(set), docset_n_documents(set), 1);
		g_error("%s", text);
	}
	return set;
}

static bool at_rest(void *ud)
{
	Rig *r = ud;
	return r->fleet && r->run && fleet_exit_code(r->fleet, r->run, false) != -1;
}

static void on_reply(const char *says, int64_t run, const GError *err, void *ud)
{
	Rig *r = ud;
	g_free(r->says);
	r->says = g_strdup(says);
	g_clear_error(&r->err);
	r->err = err ? g_error_copy(err) : NULL;
	if (run)
		r->run = run;
}

static void submit(Rig *r, const char *yaml)
{
	FleetSubmit s = { .set = rig_documents(yaml), .who = "tester", .commit = "c0ffee" };
	fleet_submit(r->fleet, &s, on_reply, r);
}

static int run_to_rest(Rig *r, int64_t hours)
{
	int64_t until = loop_boot_usec(loop_sim_loop(r->loop)) + hours * 3600 * RIG_SEC;
	if (!loop_sim_run(r->loop, at_rest, r, until)) {
		g_autoptr(json_t) status = fleet_status(r->fleet);
		g_autofree char *text = json_dumps(status, JSON_INDENT(1));
		g_test_message("not at rest:\n%s\n%s", r->story->str, text);
	}
	return fleet_exit_code(r->fleet, r->run, false);
}

static const char *version_of(Rig *r, const char *name)
{
	const SimObj *o = sim_store_at(
		sim_cluster_store(sim_fleet_find(r->world, name)), SIM_CLUSTERVERSIONS, 0);
	return json_path_str(o->json, "status.history.0.version", "");
}

static void test_two_go_up(void)
{
	g_autoptr(Rig) r = rig_new(1);
	rig_cluster(r, "a", 0);
	rig_cluster(r, "b", 0);
	rig_start(r);
	submit(r, CLUSTER("a") CLUSTER("b")
			  PLAN("[{name: one, clusters: {names: [a, b]}, cpSoak: 10m, soak: 10m}]"));
	g_assert_cmpint(run_to_rest(r, 24), ==, 0);
	g_test_message("%s", r->story->str);
	g_assert_cmpstr(version_of(r, "a"), ==, "4.21.10");
	g_assert_cmpstr(version_of(r, "b"), ==, "4.21.10");
}

static void test_breach_rolls_back(void)
{
	g_autoptr(Rig) r = rig_new(1);
	rig_cluster(r, "a", 0);
	rig_cluster(r, "b", SIM_FAULT_BIT(SIM_FAULT_ERROR_RATE_RISE));
	rig_cluster(r, "c", 0);
	rig_start(r);
	submit(r, CLUSTER("a") CLUSTER("b") CLUSTER("c") PLAN(
			  "[{name: one, clusters: {names: [a, b, c]}, cpSoak: 30m, soak: 10m}]"));
	g_assert_cmpint(run_to_rest(r, 24), ==, 4);
	g_test_message("%s", r->story->str);
	g_assert_cmpstr(version_of(r, "a"), ==, "4.21.10");
	g_assert_cmpstr(version_of(r, "b"), ==, "4.21.8");
	g_assert_cmpstr(version_of(r, "c"), ==, "4.21.8");
}

/* ---- a person orders, Shiplock writes nothing ---- */

static HttpFault spy(uint64_t n, const HttpRequest *q, void *ud)
{
	bool review = strstr(q->path, "selfsubjectaccessreviews") != NULL;
	*(unsigned *)ud += strcmp(q->method, "GET") != 0 && !review;
	return HTTP_FAULT_NONE;
}

static bool waits_for_order(void *ud)
{
	Rig *r = ud;
	g_autoptr(json_t) c = fleet_cluster(r->fleet, "a");
	return strstr(json_path_str(c, "now", ""), "waits for a person to order") != NULL;
}

static void test_observe(void)
{
	unsigned n_writes = 0;
	g_autoptr(Rig) r = rig_new(1);
	SimCluster *a = rig_cluster(r, "a", 0);
	http_sim_set_faults(sim_fleet_transport(r->world), spy, NULL, &n_writes);
	rig_start(r);
	submit(r,
		"---\napiVersion: shiplock.dev/v1alpha1\nkind: Cluster\nmetadata: {name: "
		"a}\nspec:\n"
		"  provider: openshift\n  access: {kubeconfig: {file: /nowhere}}\n"
		"  actuator: {type: observe}\n  telemetry: [{url: 'https://thanos.a.sim'}]\n" PLAN(
			"[{name: one, clusters: {names: [a]}, cpSoak: 25m, soak: 25m}]"));
	g_assert_true(loop_sim_run(r->loop, waits_for_order, r, 3600 * RIG_SEC));
	g_autofree char *image = sim_release_image("4.21.10");
	int status = sim_cluster_patch(a, SIM_CLUSTERVERSIONS, NULL, "version", SIM_SUB_NONE, "oc",
		json_pack("{s:{s:{s:s, s:s}}}", "spec", "desiredUpdate", "version", "4.21.10",
			"image", image));
	g_assert_cmpint(status, ==, 200);
	g_assert_cmpint(run_to_rest(r, 24), ==, 0);
	g_assert_cmpuint(n_writes, ==, 0);
	g_assert_cmpstr(version_of(r, "a"), ==, "4.21.10");
}

/* ---- a finished cluster is taken back by a run of its own ---- */

static void test_take_back(void)
{
	g_autoptr(Rig) r = rig_new(1);
	rig_cluster(r, "a", 0);
	rig_start(r);
	submit(r,
		CLUSTER("a") PLAN("[{name: one, clusters: {names: [a]}, cpSoak: 25m, soak: 25m}]"));
	g_assert_cmpint(run_to_rest(r, 24), ==, 0);
	FleetCommand c = {
		.verb = "rollback", .cluster = "a", .who = "tester", .reason = "slow disks"
	};
	fleet_command(r->fleet, &c, on_reply, r);
	for (int i = 0; i < 50; i++)
		loop_sim_step(r->loop);
	g_assert_error(r->err, SL_ERROR, SL_ERR_INVALID); /* its name was not typed */
	c.confirm = "a";
	r->run = 0;
	fleet_command(r->fleet, &c, on_reply, r);
	while (!r->run && loop_sim_step(r->loop))
		;
	r->run = 2;
	g_assert_cmpint(run_to_rest(r, 24), ==, 4);
	g_assert_cmpstr(version_of(r, "a"), ==, "4.21.8");
	g_assert_nonnull(strstr(r->story->str, "a finished upgrade is taken back"));
}

/* ---- claims on the targets, but the journal is gone ---- */

static bool soaks(void *ud)
{
	Rig *r = ud;
	g_autoptr(json_t) c = fleet_cluster(r->fleet, "a");
	return strcmp(json_path_str(c, "state", ""), "cp-soak") == 0;
}

static void test_lost_journal(void)
{
	const char *yaml =
		CLUSTER("a") PLAN("[{name: one, clusters: {names: [a]}, cpSoak: 25m, soak: 25m}]");
	g_autoptr(Rig) r = rig_new(1);
	rig_cluster(r, "a", 0);
	rig_start(r);
	submit(r, yaml);
	g_assert_true(loop_sim_run(r->loop, soaks, r, 4 * 3600 * RIG_SEC));
	rig_crash(r);
	store_mem_free(r->disk);
	r->disk = store_mem_new(r->loop);
	r->run = 0;
	rig_start(r);
	submit(r, yaml);
	while (!r->run && loop_sim_step(r->loop))
		;
	g_assert_cmpint(run_to_rest(r, 1), ==, 5);
	g_autoptr(json_t) c = fleet_cluster(r->fleet, "a");
	g_autofree char *text = json_canonical(c);
	g_assert_nonnull(strstr(text, "that this journal does not know"));
}

/* ---- an aborted run leaves the brake, and status says so ---- */

static void test_brake_stays(void)
{
	g_autoptr(Rig) r = rig_new(1);
	rig_cluster(r, "a", 0);
	rig_start(r);
	submit(r,
		CLUSTER("a") PLAN("[{name: one, clusters: {names: [a]}, cpSoak: 25m, soak: 25m}]"));
	g_assert_true(loop_sim_run(r->loop, soaks, r, 4 * 3600 * RIG_SEC));
	FleetCommand c = { .verb = "abort", .cluster = "a", .who = "tester" };
	fleet_command(r->fleet, &c, on_reply, r);
	g_assert_cmpint(run_to_rest(r, 1), ==, 7);
	g_assert_no_error(r->err);
	g_autoptr(json_t) status = fleet_status(r->fleet);
	g_assert_nonnull(strstr(
		json_path_str(status, "needsYou.0.text", ""), "pool worker stays paused by us"));
	g_assert_cmpstr(json_path_str(status, "needsYou.0.type", ""), ==, "shiplock retry a");
	const SimObj *pool = sim_store_find(
		sim_cluster_store(sim_fleet_find(r->world, "a")), SIM_POOLS, NULL, "worker");
	g_assert_true(json_path_bool(pool->json, "spec.paused", false));
	/* A retry releases it: afterwards nobody is needed. */
	c.verb = "retry";
	r->run = 0;
	fleet_command(r->fleet, &c, on_reply, r);
	while (!r->run && loop_sim_step(r->loop))
		;
	r->run = 2;
	g_assert_cmpint(run_to_rest(r, 24), ==, 0);
	pool = sim_store_find(
		sim_cluster_store(sim_fleet_find(r->world, "a")), SIM_POOLS, NULL, "worker");
	g_assert_false(json_path_bool(pool->json, "spec.paused", false));
	g_autoptr(json_t) after = fleet_status(r->fleet);
	g_assert_cmpuint(json_array_size(json_object_get(after, "needsYou")), ==, 0);
}

/* ---- a journal of another version is refused in words ---- */

static void stored(const GError *err, void *ud)
{
	*(bool *)ud = true;
}

static void test_other_version(void)
{
	g_autoptr(Rig) r = rig_new(1);
	Store store = store_mem_store(r->disk);
	Record record = { .kind = (char *)"item",
		.body = (char *)"{\"item\":2,\"parent\":1,\"kind\":\"martian\",\"name\":\"x\","
				"\"state\":\"y\"}" };
	Record *records[] = { &record };
	bool done = false;
	store.ops->append(store.self, records, 1, stored, &done);
	while (!done && loop_sim_step(r->loop))
		;
	r->proc = loop_sim_proc_new(r->loop);
	FleetOptions o = { .loop = loop_sim_proc_loop(r->proc),
		.http = http_sim_http(sim_fleet_transport(r->world)),
		.store = store,
		.connect = { rig_creds, rig_telemetry, r },
		.name = "test" };
	g_autoptr(GError) err = NULL;
	r->fleet = fleet_new(&o);
	g_assert_false(fleet_start(r->fleet, &err));
	g_assert_error(err, SL_ERROR, SL_ERR_INVALID);
	g_assert_nonnull(strstr(
		err->message, "record 1 (item): this version knows no kind of item \"martian\""));
}

/* ---- clusters outside a run are looked at now and then ---- */

static bool looked_at(void *ud)
{
	g_autoptr(json_t) status = fleet_status(((Rig *)ud)->fleet);
	return json_path_str(status, "inventory.1.version", NULL) != NULL;
}

static void test_idle(void)
{
	g_autoptr(Rig) r = rig_new(1);
	rig_cluster(r, "a", 0);
	rig_cluster(r, "b", 0);
	r->idle_sec = 300;
	rig_start(r);
	fleet_set_documents(r->fleet, "main", "c0ffee", rig_documents(CLUSTER("a") CLUSTER("b")));
	g_assert_true(loop_sim_run(r->loop, looked_at, r, 1000 * RIG_SEC));
	uint64_t n = http_sim_requests(sim_fleet_transport(r->world));
	loop_sim_run(r->loop, at_rest, r, loop_boot_usec(loop_sim_loop(r->loop)) + 3000 * RIG_SEC);
	/* Ten looks at each in 3,000 s, nothing else. */
	g_assert_cmpuint(http_sim_requests(sim_fleet_transport(r->world)) - n, ==, 20);
	g_autoptr(json_t) status = fleet_status(r->fleet);
	g_assert_cmpstr(json_path_str(status, "inventory.0.version", ""), ==, "4.21.8");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/fleet/two-go-up", test_two_go_up);
	g_test_add_func("/fleet/breach-rolls-back", test_breach_rolls_back);
	g_test_add_func("/fleet/observe", test_observe);
	g_test_add_func("/fleet/take-back", test_take_back);
	g_test_add_func("/fleet/lost-journal", test_lost_journal);
	g_test_add_func("/fleet/brake-stays", test_brake_stays);
	g_test_add_func("/fleet/other-version", test_other_version);
	g_test_add_func("/fleet/idle", test_idle);
	return g_test_run();
}
