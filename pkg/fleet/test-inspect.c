/* A look without a plan: each prepared fault is named, a healthy cluster has none, nothing is
 * written. */
#include "creds/test-cert.h"
#include "fleet/test-outside.h"
#include "sim/write.h"

/* ---- faults ---- */

static bool never(void *ud)
{
	return false;
}

static void settle(Rig *r)
{
	int64_t until = loop_boot_usec(loop_sim_loop(r->loop)) + 30 * RIG_SEC;
	loop_sim_run(r->loop, never, NULL, until);
}

static void create(SimCluster *c, SimKindId k, const char *ns, json_t *body)
{
	SimWrite w = { .verb = SIM_CREATE,
		.kind = sim_kind(k),
		.ns = (char *)ns,
		.manager = (char *)"kubectl-create",
		.body = body,
		.whole = true };
	SimAnswer a = sim_write(sim_cluster_store(c), &w, RIG_WALL);
	g_assert_cmpint(a.status, ==, 201);
	sim_answer_clear(&a);
	json_decref(body);
}

static void patch(SimCluster *c, SimKindId k, const char *ns, const char *name, SimSub sub,
	const char *manager, json_t *body)
{
	g_assert_nonnull(body);
	g_assert_cmpint(sim_cluster_patch(c, k, ns, name, sub, manager, body), ==, 200);
}

static json_t *condition(const char *type, const char *status)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s}", "type", type, "status", status, "reason",
		"Prepared", "message", "prepared by the test", "lastTransitionTime",
		"2026-09-01T00:00:00Z");
}

/* One that no actor plays, so that nobody mends it. */
static void degraded(SimCluster *c)
{
	create(c, SIM_CLUSTEROPERATORS, NULL,
		json_pack("{s:{s:s}, s:{s:[o, o]}}", "metadata", "name", "insights", "status",
			"conditions", condition("Available", "True"),
			condition("Degraded", "True")));
}

/* Conditions are replaced as a whole by a merge patch. */
static void not_upgradeable(SimCluster *c)
{
	const SimObj *o =
		sim_store_find(sim_cluster_store(c), SIM_CLUSTEROPERATORS, NULL, "network");
	json_t *list = json_deep_copy(json_path(o->json, "status.conditions"));
	json_array_append_new(list, condition("Upgradeable", "False"));
	patch(c, SIM_CLUSTEROPERATORS, NULL, "network", SIM_SUB_STATUS, "test",
		json_pack("{s:{s:o}}", "status", "conditions", list));
}

static void ack_missing(SimCluster *c)
{
	patch(c, SIM_CONFIGMAPS, "openshift-config-managed", "admin-gates", SIM_SUB_NONE, "test",
		json_pack("{s:{s:s}}", "data", "ack-4.21-kube-1.35-api-removals-in-4.22",
			"Remove the use of APIs, then acknowledge."));
}

/* Of a pool that nobody pauses: the operator writes its conditions anew then. */
static void pool_degraded(SimCluster *c)
{
	const SimObj *o = sim_store_find(sim_cluster_store(c), SIM_POOLS, NULL, "master");
	json_t *list = json_deep_copy(json_path(o->json, "status.conditions")), *e;
	size_t i;
	json_array_foreach (list, i, e)
		if (strcmp(json_path_str(e, "type", ""), "Degraded") == 0)
			json_array_set_new(list, i, condition("Degraded", "True"));
	patch(c, SIM_POOLS, NULL, "master", SIM_SUB_STATUS, "test",
		json_pack("{s:{s:o}}", "status", "conditions", list));
}

static void pool_paused(SimCluster *c)
{
	patch(c, SIM_POOLS, NULL, "worker", SIM_SUB_NONE, "oc",
		json_pack("{s:{s:b}}", "spec", "paused", 1));
}

static void cordon(SimCluster *c)
{
	patch(c, SIM_NODES, NULL, "a-worker-1", SIM_SUB_NONE, "kubectl-cordon",
		json_pack("{s:{s:b}}", "spec", "unschedulable", 1));
}

static void pdb_zero(SimCluster *c)
{
	patch(c, SIM_PDBS, "apps", "app-00", SIM_SUB_NONE, "test",
		json_pack("{s:{s:i}}", "spec", "maxUnavailable", 0));
}

static void two_pdbs(SimCluster *c)
{
	create(c, SIM_PDBS, "apps",
		json_pack("{s:{s:s}, s:{s:i, s:{s:{s:s}}}}", "metadata", "name", "second", "spec",
			"maxUnavailable", 1, "selector", "matchLabels", "app", "app-01"));
}

static void count_api(SimCluster *c, const char *name, const char *removed, const char *user)
{
	create(c, SIM_APIREQUESTCOUNTS, NULL,
		json_pack("{s:{s:s}, s:{s:s, s:i, s:{s:i}, s:[{s:[{s:[{s:s}]}]}]}}", "metadata",
			"name", name, "status", "removedInRelease", removed, "requestCount", 17,
			"currentHour", "requestCount", 3, "last24h", "byNode", "byUser", "username",
			user));
}

static void removed_api(SimCluster *c)
{
	count_api(c, "widgets.v1beta1.example.io", "1.35", "system:serviceaccount:apps:old");
}

static void argo(SimCluster *c)
{
	g_autofree char *image = sim_release_image("4.21.8");
	patch(c, SIM_CLUSTERVERSIONS, NULL, "version", SIM_SUB_NONE, "argocd-controller",
		json_pack("{s:{s:{s:s, s:s}}}", "spec", "desiredUpdate", "version", "4.21.8",
			"image", image));
}

static void claimed(SimCluster *c)
{
	patch(c, SIM_CLUSTERVERSIONS, NULL, "version", SIM_SUB_NONE, "shiplock",
		json_pack("{s:{s:{s:s}}}", "metadata", "annotations", "shiplock.dev/claim",
			"{\"epoch\":3,\"fleet\":\"hub\",\"run\":\"up#4\"}"));
}

static json_t *certificate(const char *subject, const char *end)
{
	return json_pack("{s:s, s:s, s:s}", "bundleFile", "KubeAPIServerServingCAData", "subject",
		subject, "notAfter", end);
}

/* The old signer has a successor, the other one has none. */
static void certificates(SimCluster *c)
{
	create(c, SIM_CONTROLLERCONFIGS, NULL,
		json_pack("{s:{s:s}, s:{s:[o, o, o]}}", "metadata", "name",
			"machine-config-controller", "status", "controllerCertificates",
			certificate("CN=well_@1", "2026-09-22T00:00:00Z"),
			certificate("CN=well_@2", "2027-09-22T00:00:00Z"),
			certificate("CN=tired_@1", "2026-09-22T00:00:00Z")));
}

static void csr_waits(SimCluster *c)
{
	create(c, SIM_CSRS, NULL,
		json_pack("{s:{s:s, s:s}, s:{}}", "metadata", "name", "csr-8x2",
			"creationTimestamp", "2026-09-20T00:00:00Z", "spec"));
}

/* Nothing of these is anybody's fault. */
static void harmless(SimCluster *c)
{
	count_api(c, "later.v1beta1.example.io", "1.36", "old");
	count_api(c, "gone.v1beta1.example.io", "1.34", "old");
	count_api(c, "swept.v1beta1.example.io", "1.35",
		"system:serviceaccount:kube-system:generic-garbage-collector");
}

static const struct {
	const char *name;
	void (*make)(SimCluster *c);
	const char *level, *code, *text;
	bool minor; /* in the way of minor versions only */
} cases[] = {
	{ "operator degraded", degraded, "block", "operator",
		"ClusterOperator insights is degraded: prepared by the test" },
	{ "Upgradeable False", not_upgradeable, "block", "upgradeable",
		"Upgradeable=False blocks a minor update", true },
	{ "ack missing", ack_missing, "block", "ack", "ack-4.21-kube-1.35-api-removals-in-4.22",
		true },
	{ "pool degraded", pool_degraded, "block", "pool", "MachineConfigPool master is degraded" },
	{ "pool paused", pool_paused, "warn", "pool-paused",
		"MachineConfigPool worker is paused by somebody else" },
	{ "foreign cordon", cordon, "warn", "cordon",
		"node a-worker-1 is cordoned by somebody else" },
	{ "PDB at zero", pdb_zero, "block", "pdb",
		"PodDisruptionBudget apps/app-00 allows no disruption" },
	{ "two PDBs", two_pdbs, "block", "pdb", "has 2 PodDisruptionBudgets (app-01, second)" },
	{ "removed API", removed_api, "block", "removed-api",
		"widgets.v1beta1.example.io goes away in Kubernetes 1.35 and was used 17 times in "
		"the last day, by system:serviceaccount:apps:old",
		true },
	{ "version owned", argo, "block", "owned",
		"owns ClusterVersion (field manager argocd-controller)" },
	{ "claimed", claimed, "block", "claimed", "fleet hub holds a claim on a (run up#4)" },
	{ "certificate ends", certificates, "warn", "certificate",
		"the certificate CN=tired_ of the nodes ends 2026-09-22T00:00:00Z" },
	{ "CSR waits", csr_waits, "warn", "certificate",
		"1 certificate signing request waits for approval, csr-8x2 the first" },
};

/* ---- looking ---- */

static HttpFault spy(uint64_t n, const HttpRequest *q, void *ud)
{
	bool review = strstr(q->path, "selfsubjectaccessreviews") != NULL;
	*(unsigned *)ud += strcmp(q->method, "GET") != 0 && !review;
	return HTTP_FAULT_NONE;
}

static bool done(void *ud)
{
	Rig *r = ud;
	return r->run && fleet_exit_code(r->fleet, r->run, false) != -1;
}

/* New reference. */
static json_t *look(Rig *r, const char *yaml)
{
	unsigned n_writes = 0;
	http_sim_set_faults(sim_fleet_transport(r->world), spy, NULL, &n_writes);
	settle(r);
	rig_start(r);
	FleetSubmit s = { .set = story_documents(yaml), .who = "tester", .inspect = true };
	fleet_submit(r->fleet, &s, story_reply, r);
	int64_t until = loop_boot_usec(loop_sim_loop(r->loop)) + 120 * RIG_SEC;
	g_assert_true(loop_sim_run(r->loop, done, r, until));
	g_assert_cmpuint(n_writes, ==, 0);
	http_sim_set_faults(sim_fleet_transport(r->world), NULL, NULL, NULL);
	json_t *report = fleet_inspect_report(r->fleet, r->run);
	g_assert_cmpstr(json_path_str(report, "kind", ""), ==, "InspectReport");
	return report;
}

static const json_t *finding_of(const json_t *report, const char *text)
{
	size_t i;
	json_t *f;
	json_array_foreach (json_path(report, "clusters.0.findings"), i, f)
		if (strstr(json_path_str(f, "message", ""), text))
			return f;
	return NULL;
}

static size_t n_findings(const json_t *report)
{
	return json_array_size(json_path(report, "clusters.0.findings"));
}

static void print(const json_t *report)
{
	g_autofree char *text = json_dumps(report, JSON_INDENT(1));
	g_test_message("%s", text);
}

static void test_each_fault(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(Rig) r = rig_new(7);
		SimCluster *c = rig_cluster(r, "a", 0);
		settle(r);
		cases[i].make(c);
		g_autoptr(json_t) report = look(r, CLUSTER("a"));
		g_test_message("%s", cases[i].name);
		print(report);
		const json_t *f = finding_of(report, cases[i].text);
		g_assert_nonnull(f);
		g_assert_cmpstr(json_path_str(f, "level", ""), ==, cases[i].level);
		g_assert_cmpstr(json_path_str(f, "code", ""), ==, cases[i].code);
		g_assert_cmpstr(json_path_str(f, "only", ""), ==, cases[i].minor ? "minor" : "");
		g_assert_cmpstr(json_path_str(f, "try", ""), !=, "");
	}
}

static void test_all_faults(void)
{
	g_autoptr(Rig) r = rig_new(7);
	SimCluster *c = rig_cluster(r, "a", 0);
	settle(r);
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
		cases[i].make(c);
	g_autoptr(json_t) report = look(r, CLUSTER("a"));
	print(report);
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s", cases[i].name);
		g_assert_nonnull(finding_of(report, cases[i].text));
	}
}

static void test_own_certificate(void)
{
	static const struct {
		int days;
		const char *says; /* NULL: nothing */
	} ends[] = { { -1, " ended " }, { 6, " ends " }, { 8, NULL } };
	for (size_t i = 0; i < G_N_ELEMENTS(ends); i++) {
		g_autoptr(Rig) r = rig_new(7);
		rig_cluster(r, "a", 0);
		int64_t now = loop_wall_usec(loop_sim_loop(r->loop)) / SL_USEC_PER_SEC;
		g_autofree char *pem = test_cert_pem(now + (int64_t)ends[i].days * 86400);
		r->cert_pem = pem;
		g_autoptr(json_t) report = look(r, CLUSTER("a"));
		print(report);
		const json_t *f = finding_of(report, "the client certificate of https://api.a.sim");
		g_assert_cmpuint(n_findings(report), ==, ends[i].says ? 1 : 0);
		g_assert_true(
			!ends[i].says || strstr(json_path_str(f, "message", ""), ends[i].says));
	}
}

static void test_healthy(void)
{
	g_autoptr(Rig) r = rig_new(7);
	harmless(rig_cluster(r, "a", 0));
	g_autoptr(json_t) report = look(r, CLUSTER("a"));
	const json_t *c = json_path(report, "clusters.0");
	print(report);
	g_assert_cmpuint(n_findings(report), ==, 0);
	g_assert_cmpstr(json_path_str(c, "provider", ""), ==, "openshift");
	g_assert_cmpstr(json_path_str(c, "version", ""), ==, "4.21.8");
	g_assert_cmpstr(json_path_str(c, "channel", ""), ==, "stable-4.21");
	g_assert_cmpstr(json_path_str(c, "kubernetes", ""), ==, "v1.34.8");
	g_assert_cmpint(json_path_int(c, "nodes", 0), ==, 6);
	g_assert_true(json_is_null(json_object_get(c, "owner")));
	g_assert_cmpstr(json_path_str(c, "updates.0.version", ""), ==, "4.21.9");
	g_assert_cmpstr(json_path_str(c, "updates.1.version", ""), ==, "4.21.10");
	g_assert_cmpstr(json_path_str(c, "updates.1.rollback", ""), ==, "T2");
	g_assert_cmpstr(json_path_str(c, "rollback.tier", ""), ==, "T2");
	g_assert_cmpstr(json_path_str(c, "rollback.target", ""), ==, "4.21.7");
	g_assert_cmpstr(
		json_path_str(c, "rollback.expires", ""), ==, "the next update of this cluster");
}

static void test_risks(void)
{
	g_autoptr(Rig) r = rig_new(7);
	SimSpec spec = { .world = { .name = "a",
				 .version = "4.21.8",
				 .previous = "4.20.16",
				 .channel = "stable-4.22" },
		.releases = "4.22.1:NodeRebootLoop,4.21.9" };
	sim_fleet_add(r->world, &spec);
	g_autoptr(json_t) report = look(r, CLUSTER("a"));
	const json_t *c = json_path(report, "clusters.0");
	print(report);
	g_assert_cmpstr(json_path_str(c, "updates.0.version", ""), ==, "4.21.9");
	g_assert_true(json_path_bool(c, "updates.0.recommended", false));
	g_assert_cmpstr(json_path_str(c, "updates.1.version", ""), ==, "4.22.1");
	g_assert_false(json_path_bool(c, "updates.1.recommended", true));
	g_assert_cmpstr(json_path_str(c, "updates.1.applies", ""), ==, "yes");
	g_assert_cmpstr(json_path_str(c, "updates.1.risks.0.name", ""), ==, "NodeRebootLoop");
	g_assert_cmpstr(json_path_str(c, "updates.1.rollback", ""), ==, "T0");
	g_assert_cmpstr(json_path_str(c, "rollback.tier", ""), ==, "T0");
	g_assert_nonnull(strstr(json_path_str(c, "rollback.how", ""), "over a minor"));
}

/* ---- a plan meets the same findings ---- */

#define MINOR(more)                                                                                \
	CLUSTER("a")                                                                               \
	HEAD("UpgradePlan", "up")                                                                  \
	"spec:\n  target: {version: 4.22.1" more                                                   \
	"}\n  waves: [{name: one, clusters: {names: [a]}}]\n"

static const char *level_of(const json_t *report, const char *code)
{
	size_t i;
	json_t *f;
	json_array_foreach (json_path(report, "clusters.0.findings"), i, f)
		if (strcmp(json_path_str(f, "code", ""), code) == 0)
			return json_path_str(f, "level", "");
	return "";
}

/* An acknowledgement of this minor version is an administrator's word that it may break. */
static void test_plan_with_a_removed_api(void)
{
	static const struct {
		const char *yaml, *level, *preflight;
	} plans[] = {
		{ MINOR(""), "block", "blocked" },
		{ MINOR(", acks: [ack-4.21-kube-1.35-in-4.22]"), "warn", "ready" },
		{ MINOR(", acks: [ack-4.20-kube-1.34-in-4.21]"), "block", "blocked" },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(plans); i++) {
		g_autoptr(Rig) r = rig_new(7);
		SimSpec spec = { .world = { .name = "a",
					 .version = "4.21.8",
					 .previous = "4.21.7",
					 .channel = "stable-4.22" },
			.releases = "4.22.1" };
		removed_api(sim_fleet_add(r->world, &spec));
		settle(r);
		rig_start(r);
		FleetSubmit s = {
			.set = story_documents(plans[i].yaml), .who = "tester", .plan_only = true
		};
		fleet_submit(r->fleet, &s, story_reply, r);
		int64_t until = loop_boot_usec(loop_sim_loop(r->loop)) + 120 * RIG_SEC;
		g_assert_true(loop_sim_run(r->loop, done, r, until));
		g_autoptr(json_t) report = fleet_plan_report(r->fleet, r->run);
		print(report);
		g_assert_cmpstr(level_of(report, "removed-api"), ==, plans[i].level);
		g_assert_cmpstr(
			json_path_str(report, "clusters.0.preflight", ""), ==, plans[i].preflight);
	}
}

/* ---- what cannot be looked at ---- */

static void test_rights(void)
{
	static const char *const lacks[][2] = {
		{ "patch", "clusterversions.config.openshift.io" },
		{ "create", "pods/eviction" },
		{ "list", "poddisruptionbudgets.policy" },
	};
	g_autoptr(Rig) r = rig_new(7);
	SimApi *api = sim_cluster_api(rig_cluster(r, "a", 0));
	for (size_t i = 0; i < G_N_ELEMENTS(lacks); i++)
		sim_api_deny(api, lacks[i][0], lacks[i][1]);
	g_autoptr(json_t) report = look(r, CLUSTER("a"));
	print(report);
	g_assert_cmpuint(n_findings(report), ==, 2);
	const json_t *f = finding_of(report, "an upgrade with this identity lacks 3 of");
	g_assert_nonnull(f);
	g_assert_cmpstr(json_path_str(f, "level", ""), ==, "info");
	f = finding_of(report, "poddisruptionbudgets cannot be read");
	g_assert_nonnull(f);
	g_assert_cmpstr(json_path_str(f, "level", ""), ==, "warn");
}

static void test_unreachable(void)
{
	g_autoptr(Rig) r = rig_new(7);
	rig_cluster(r, "a", 0);
	g_autoptr(json_t) report = look(r, CLUSTER("b") CLUSTER("a"));
	print(report);
	g_assert_cmpstr(json_path_str(report, "clusters.0.version", ""), ==, "4.21.8");
	g_assert_cmpuint(n_findings(report), ==, 0);
	g_assert_null(json_path(report, "clusters.1.version"));
	g_assert_cmpuint(json_array_size(json_path(report, "clusters.1.findings")), ==, 1);
	g_assert_cmpstr(json_path_str(report, "clusters.1.findings.0.code", ""), ==, "unreadable");
	g_assert_cmpstr(json_path_str(report, "clusters.1.findings.0.level", ""), ==, "block");
}

static void test_no_openshift(void)
{
	g_autoptr(Rig) r = rig_new(7);
	SimCluster *c = rig_cluster(r, "a", 0);
	SimWrite w = {
		.verb = SIM_DELETE, .kind = sim_kind(SIM_CLUSTERVERSIONS), .name = (char *)"version"
	};
	SimAnswer a = sim_write(sim_cluster_store(c), &w, RIG_WALL);
	g_assert_cmpint(a.status, ==, 200);
	sim_answer_clear(&a);
	g_autoptr(json_t) report = look(r, CLUSTER("a"));
	print(report);
	g_assert_cmpstr(json_path_str(report, "clusters.0.provider", ""), ==, "kubernetes");
	g_assert_cmpuint(n_findings(report), ==, 1);
	g_assert_nonnull(finding_of(report, "this is no OpenShift cluster"));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/inspect/each-fault", test_each_fault);
	g_test_add_func("/inspect/all-faults", test_all_faults);
	g_test_add_func("/inspect/own-certificate", test_own_certificate);
	g_test_add_func("/inspect/healthy", test_healthy);
	g_test_add_func("/inspect/risks", test_risks);
	g_test_add_func("/inspect/plan-with-a-removed-api", test_plan_with_a_removed_api);
	g_test_add_func("/inspect/rights", test_rights);
	g_test_add_func("/inspect/unreachable", test_unreachable);
	g_test_add_func("/inspect/no-openshift", test_no_openshift);
	return g_test_run();
}
