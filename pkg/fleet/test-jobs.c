/* Jobs as steps, on the whole controller and the simulated cluster: a backup before each hop, and
 * gates that are judged by a Job. */
#include "fleet/test-takeover.h"

#define TEMPLATE "policies/jobs/t.yaml"
#define SUM "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9"

/* notes: annotations of the pod, which say how it goes. */
static char *template(const char *notes)
{
	return g_strdup_printf(
		"apiVersion: batch/v1\nkind: Job\nmetadata: {generateName: t-, namespace: apps}\n"
		"spec:\n  template:\n    metadata: {annotations: {%s}}\n    spec:\n"
		"      containers: [{name: main, image: registry.example/t}]\n",
		notes);
}

static void submit(Rig *r, const char *yaml, const char *job)
{
	g_autoptr(json_t) files = json_pack("[{s:s, s:s}]", "name", "test.yaml", "text", yaml);
	if (job)
		json_array_append_new(
			files, json_pack("{s:s, s:s}", "name", TEMPLATE, "text", job));
	FleetSubmit s = { .set = test_load_files(files), .who = "tester", .commit = "c0ffee" };
	if (!docset_ok(s.set)) {
		g_autofree char *text = test_findings(s.set);
		g_error("%s\n%s", text, yaml);
	}
	fleet_submit(r->fleet, &s, story_reply, r);
	faults_pass(r, 0);
}

#define BACKUP(what)                                                                               \
	HEAD("RollbackPolicy", "back")                                                             \
	"spec:\n  backup: {" what "}\n" FAST CLUSTER("a")                                          \
		PLAN_WITH("up", WAVE("[a]"), "  policies: {gates: fast, rollback: back}\n")
#define JOB(timeout) "job: {file: " TEMPLATE ", timeout: " timeout "}"
#define GATED(when)                                                                                \
	HEAD("GatePolicy", "fast")                                                                 \
	"spec:\n  gates:\n"                                                                        \
	"    - {name: works, when: [" when "], onFail: rollback, " JOB("5m") "}\n" CLUSTER("a")    \
		PLAN_WITH("up", WAVE("[a]"), "  policies: {gates: fast}\n")

static Rig *begin(const char *yaml, const char *notes)
{
	Rig *r = rig_new(7);
	g_autofree char *job = template(notes);
	rig_cluster(r, "a", 0);
	rig_start(r);
	submit(r, yaml, job);
	return r;
}

static size_t n_of(Rig *r, SimKindId kind)
{
	const SimStore *s = sim_cluster_store(sim_fleet_find(r->world, "a"));
	size_t n = 0;
	for (size_t i = 0; i < sim_store_n(s, kind); i++)
		n += strncmp(sim_store_at(s, kind, i)->name, "shiplock-", 9) == 0;
	return n;
}

/* Jobs that were ever created: their intents, as the journal has them. */
static unsigned n_intents(Rig *r, const char *row)
{
	unsigned n = 0;
	for (size_t i = 0; i < store_mem_len(r->disk); i++) {
		const Record *rec = store_mem_get(r->disk, i);
		g_autoptr(json_t) body = json_loads(rec->body, 0, NULL);
		n += strcmp(rec->kind, "intent") == 0 &&
		     strcmp(json_path_str(body, "row", ""), row) == 0;
	}
	return n;
}

/* ---- backup ---- */

typedef struct BackupCase {
	const char *name, *what, *notes;
	const char *held; /* part of the hold's reason; NULL: the run goes on to its end */
} BackupCase;

static const BackupCase backups[] = {
	{ "exit 0", JOB("5m"), "sim/log: 'shiplock-proof file=/b sha256=" SUM "'", NULL },
	{ "exit 0 without a proof of its own", JOB("5m"), "sim/run: 5s", NULL },
	{ "exit 1", JOB("5m"), "sim/code: '1', sim/log: 'disk is full'", "disk is full" },
	{ "deadline", JOB("5m"), "sim/run: 2h", "DeadlineExceeded" },
	{ "external", "external: {maxAge: 24h, " JOB("5m") "}", "sim/log: '2026-09-21T12:00:00Z'",
		NULL },
	{ "external, too old", "external: {maxAge: 24h, " JOB("5m") "}",
		"sim/log: '2026-09-01T12:00:00Z'", "maxAge is 24h" },
	{ "external, no time", "external: {maxAge: 24h, " JOB("5m") "}", "sim/log: 'yesterday'",
		"no time" },
	{ "100 MB of log", JOB("5m"), "sim/log-bytes: '100000000', sim/log: 'the end'", NULL },
	{ "100 MB, no limit kept", JOB("5m"), "sim/log-bytes: '100000000', sim/log-no-limit: 'yes'",
		NULL },
};

static void test_backup(const void *data)
{
	const BackupCase *c = data;
	g_autofree char *yaml = g_strdup_printf(
		HEAD("RollbackPolicy", "back") "spec:\n  backup: {%s}\n" FAST CLUSTER("a") "%s",
		c->what,
		PLAN_WITH("up", WAVE("[a]"), "  policies: {gates: fast, rollback: back}\n"));
	g_autoptr(Rig) r = begin(yaml, c->notes);
	if (!c->held) {
		faults_ends(r, "a", "Succeeded");
		const json_t *memo = json_object_get(item_memo(story_item(r, "a")), "backup");
		g_assert_cmpstr(json_path_str(memo, "to", ""), ==, NEW);
	} else {
		story_reach(r, "a", "backup", "backup");
		g_assert_nonnull(strstr(story_held(r, "a", "backup"), c->held));
		faults_pass(r, 3600);
		g_assert_cmpstr(outside_wanted(r, "a"), ==, ""); /* nothing was ordered */
		faults_command(r, "abort", "a");
		faults_ends(r, "a", "Aborted");
	}
	g_assert_cmpuint(n_of(r, SIM_JOBS), ==, 0); /* nothing of ours is left */
	g_assert_cmpuint(n_of(r, SIM_PODS), ==, 0);
	g_assert_cmpuint(n_intents(r, "create-job"), ==, 1);
	g_assert_null(outside_claim(r, "a"));
	for (size_t i = 0; i < store_mem_len(r->disk); i++) /* whatever a Job prints */
		g_assert_cmpuint(strlen(store_mem_get(r->disk, i)->body), <, 16 << 10);
}

static void test_proof(void)
{
	g_autoptr(Rig) r = begin(BACKUP(JOB("5m")),
		"sim/log: 'shiplock-proof file=/b/s.db sha256=" SUM " time=2026-09-21T12:00:00Z'");
	faults_ends(r, "a", "Succeeded");
	const json_t *memo = json_object_get(item_memo(story_item(r, "a")), "backup");
	g_assert_cmpstr(json_path_str(memo, "file", ""), ==, "/b/s.db");
	g_assert_cmpstr(json_path_str(memo, "sha256", ""), ==, SUM);
	g_assert_cmpstr(json_path_str(memo, "time", ""), ==, "2026-09-21T12:00:00Z");
}

/* A person resumes: a second Job, under another name. */
static void test_try_again(void)
{
	g_autoptr(Rig) r = begin(BACKUP(JOB("5m")), "sim/code: '1'");
	story_reach(r, "a", "backup", "backup");
	faults_command(r, "resume", "a");
	faults_pass(r, 60);
	g_assert_nonnull(story_held(r, "a", "backup"));
	g_assert_cmpuint(n_intents(r, "create-job"), ==, 2);
	g_assert_cmpstr(outside_wanted(r, "a"), ==, "");
}

static bool runs(void *ud)
{
	return n_of(ud, SIM_PODS) > 0;
}

/* Its node goes, and the pod with it. */
static void test_node_gone(void)
{
	g_autoptr(Rig) r = begin(BACKUP(JOB("30m")), "sim/run: 20m");
	faults_until(r, runs, r, 1);
	faults_pass(r, 30);
	SimStore *s = sim_cluster_store(sim_fleet_find(r->world, "a"));
	for (size_t i = sim_store_n(s, SIM_PODS); i > 0; i--) {
		SimObj *p = sim_store_at(s, SIM_PODS, i - 1);
		if (strncmp(p->name, "shiplock-", 9) == 0) {
			g_autofree char *path =
				g_strdup_printf("/api/v1/namespaces/%s/pods/%s", p->ns, p->name);
			static const char now[] = "{\"gracePeriodSeconds\": 0}";
			HttpRequest q = { .method = "DELETE",
				.path = path,
				.content_type = "application/json",
				.body = now,
				.n_body = sizeof now - 1 };
			HttpSimAnswer out = sim_cluster_request(sim_fleet_find(r->world, "a"), &q);
			g_free(out.body);
		}
	}
	story_reach(r, "a", "backup", "backup");
	g_assert_nonnull(strstr(story_held(r, "a", "backup"), "its pod is gone"));
}

/* ---- gates ---- */

static void test_gate_pass(void)
{
	g_autoptr(Rig) r = begin(GATED("cp-verify, verify"), "sim/log: fine");
	faults_ends(r, "a", "Succeeded");
	g_assert_cmpuint(n_intents(r, "create-job"), ==, 2);
	g_assert_cmpuint(n_of(r, SIM_JOBS), ==, 0);
}

static void test_gate_fail(void)
{
	g_autoptr(Rig) r = begin(GATED("cp-verify"), "sim/code: '3', sim/log: broken");
	faults_ends(r, "a", "RolledBack");
	g_assert_cmpstr(outside_version(r, "a"), ==, OLD);
	const json_t *look = json_path(item_memo(story_item(r, "a")), "rollback.look.evidence");
	g_assert_cmpint(json_path_int(look, "exitCode", -1), ==, 3);
	g_assert_cmpstr(json_path_str(look, "log", ""), ==, "broken");
}

/* Two classes on the nodes: a Job for each, on its nodes, with one device. */
#define ACCELERATED                                                                                \
	HEAD("GatePolicy", "fast")                                                                 \
	"spec:\n  gates:\n"                                                                        \
	"    - {name: devices, when: [verify], job: {file: builtin/accelerators, timeout: "        \
	"5m}}\n" CLUSTER("a") PLAN_WITH("up", WAVE("[a]"), "  policies: {gates: fast}\n")

static void give_device(Rig *r, const char *node, const char *resource, const char *product)
{
	SimCluster *c = sim_fleet_find(r->world, "a");
	sim_cluster_patch(c, SIM_NODES, NULL, node, SIM_SUB_STATUS, "test",
		json_pack("{s:{s:{s:s}}}", "status", "allocatable", resource, "8"));
	if (product)
		sim_cluster_patch(c, SIM_NODES, NULL, node, SIM_SUB_NONE, "test",
			json_pack("{s:{s:{s:s}}}", "metadata", "labels", "nvidia.com/gpu.product",
				product));
}

static unsigned n_selectors(Rig *r, const char *part)
{
	unsigned n = 0;
	for (size_t i = 0; i < store_mem_len(r->disk); i++) {
		const Record *rec = store_mem_get(r->disk, i);
		n += strcmp(rec->kind, "item") == 0 && strstr(rec->body, part) != NULL;
	}
	return n;
}

static void test_accelerators(void)
{
	g_autoptr(Rig) r = rig_new(7);
	rig_cluster(r, "a", 0);
	const SimStore *s = sim_cluster_store(sim_fleet_find(r->world, "a"));
	size_t n = sim_store_n(s, SIM_NODES);
	g_autofree char *one = g_strdup(sim_store_at(s, SIM_NODES, n - 1)->name),
			*two = g_strdup(sim_store_at(s, SIM_NODES, n - 2)->name);
	give_device(r, one, "nvidia.com/gpu", "A100");
	give_device(r, two, "nvidia.com/gpu", "H100");
	rig_start(r);
	submit(r, ACCELERATED, NULL);
	faults_ends(r, "a", "Succeeded");
	g_assert_cmpuint(n_intents(r, "create-job"), ==, 2);
	g_assert_cmpuint(
		n_selectors(r, "\"nodeSelector\":{\"nvidia.com/gpu.product\":\"A100\"}"), ==, 1);
	g_assert_cmpuint(
		n_selectors(r, "\"nodeSelector\":{\"nvidia.com/gpu.product\":\"H100\"}"), ==, 1);
	g_assert_cmpuint(n_of(r, SIM_JOBS), ==, 0);
}

static void test_no_accelerators(void)
{
	g_autoptr(Rig) r = rig_new(7);
	rig_cluster(r, "a", 0);
	rig_start(r);
	submit(r, ACCELERATED, NULL);
	faults_ends(r, "a", "Succeeded");
	g_assert_cmpuint(n_intents(r, "create-job"), ==, 0);
}

/* ---- probes ---- */

#define PROBED(status)                                                                             \
	HEAD("GatePolicy", "fast")                                                                 \
	"spec:\n  gates:\n"                                                                        \
	"    - {name: answers, when: [cp-verify], onFail: rollback, interval: 1s, http: {url: "    \
	"'https://app.example/health', status: " status ", timeout: 5s}}\n" CLUSTER("a")           \
		PLAN_WITH("up", WAVE("[a]"), "  policies: {gates: fast}\n")

static HttpFault lose_probes(uint64_t n, const HttpRequest *r, void *ud)
{
	return *r->path ? HTTP_FAULT_NONE : HTTP_FAULT_NOT_SENT;
}

/* What answers here is no application: 404, or nothing at all. */
static void test_probe(void)
{
	g_autoptr(Rig) pass = rig_new(7), fail = rig_new(7), away = rig_new(7);
	rig_cluster(pass, "a", 0);
	rig_start(pass);
	submit(pass, PROBED("404"), NULL);
	faults_ends(pass, "a", "Succeeded");
	rig_cluster(fail, "a", 0);
	rig_start(fail);
	submit(fail, PROBED("200"), NULL);
	faults_ends(fail, "a", "RolledBack");
	const json_t *look = json_path(item_memo(story_item(fail, "a")), "rollback.look");
	g_assert_nonnull(strstr(json_path_str(look, "text", ""), "answers 404, 200 passes"));
	rig_cluster(away, "a", 0);
	rig_start(away);
	http_sim_set_faults(sim_fleet_transport(away->world), lose_probes, NULL, NULL);
	submit(away, PROBED("200"), NULL);
	story_reach(away, "a", "cp-verify", NULL);
	faults_pass(away, 1800);
	g_assert_cmpstr(story_state(away, "a"), ==, "cp-verify");
	g_assert_nonnull(story_held(away, "a", "gate"));
}

/* ---- preflight ---- */

static void test_missing_template(void)
{
	g_autoptr(Rig) r = rig_new(7);
	rig_cluster(r, "a", 0);
	rig_start(r);
	submit(r, BACKUP(JOB("5m")), NULL);
	faults_ends(r, "a", "Refused");
	g_autofree char *findings = faults_findings(r, "a");
	g_assert_nonnull(strstr(findings, TEMPLATE));
}

/* ---- crashes: the Job is created once ---- */

typedef struct Deaths {
	Rig *r;
	uint64_t at;
	StoreFault fault;
	bool dead;
} Deaths;

static StoreFault die_at(uint64_t n, void *ud)
{
	const Deaths *d = ud;
	return n == d->at ? d->fault : STORE_FAULT_NONE;
}

static void again(void *ud)
{
	Deaths *d = ud;
	rig_crash(d->r);
	d->dead = true;
	rig_start(d->r);
}

static unsigned n_created;
static void count_audit(const SimAudit *e, void *ud)
{
	n_created += strcmp(e->request->method, "POST") == 0 && e->status == 201 &&
		     g_str_has_suffix(e->request->path, "/jobs");
}

static void test_crashes(void)
{
	static const StoreFault faults[] = { STORE_FAULT_UNACKNOWLEDGED, STORE_FAULT_CRASH_AFTER };
	for (size_t f = 0; f < G_N_ELEMENTS(faults); f++) {
		for (uint64_t n = 0; n < 14; n++) {
			g_autoptr(Rig) r = begin(BACKUP(JOB("5m")), "sim/log: fine");
			n_created = 0;
			sim_api_set_audit(
				sim_cluster_api(sim_fleet_find(r->world, "a")), count_audit, NULL);
			story_reach(r, "a", "backup", NULL);
			Deaths d = {
				.r = r, .at = store_mem_batches(r->disk) + n, .fault = faults[f]
			};
			store_mem_set_faults(r->disk, die_at, again, &d);
			faults_ends(r, "a", "Succeeded");
			g_assert_true(d.dead);
			g_assert_cmpuint(n_created, ==, 1);
			g_assert_cmpuint(n_of(r, SIM_JOBS), ==, 0);
		}
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	for (size_t i = 0; i < G_N_ELEMENTS(backups); i++) {
		g_autofree char *path = g_strdup_printf("/fleet/jobs/backup/%s", backups[i].name);
		g_test_add_data_func(path, &backups[i], test_backup);
	}
	g_test_add_func("/fleet/jobs/proof", test_proof);
	g_test_add_func("/fleet/jobs/try-again", test_try_again);
	g_test_add_func("/fleet/jobs/node-gone", test_node_gone);
	g_test_add_func("/fleet/jobs/gate-pass", test_gate_pass);
	g_test_add_func("/fleet/jobs/gate-fail", test_gate_fail);
	g_test_add_func("/fleet/jobs/accelerators", test_accelerators);
	g_test_add_func("/fleet/jobs/no-accelerators", test_no_accelerators);
	g_test_add_func("/fleet/jobs/probe", test_probe);
	g_test_add_func("/fleet/jobs/missing-template", test_missing_template);
	g_test_add_func("/fleet/jobs/crashes", test_crashes);
	return g_test_run();
}
