/* The samples in plans/ and policies/ are good, say what their comments promise, and become runs.
 */
#include "base/file.h"
#include "plan/snapshot.h"
#include "plan/test-docs.h"

static const char *const samples[] = {
	"plans/clusters.yaml",
	"plans/first.yaml",
	"plans/to-4-21-11.yaml",
	"policies/drain.yaml",
	"policies/gates.yaml",
	"policies/rollback.yaml",
	"policies/windows.yaml",
};

/* Each by itself: a ControllerConfig with the receiver of this name. */
static const struct {
	const char *file, *receiver;
} receivers[] = {
	{ "cmd/shiplockd/notify-email.yaml", "e-mail" },
	{ "cmd/shiplockd/notify-mattermost.yaml", "mattermost" },
	{ "cmd/shiplockd/notify-pagerduty.yaml", "pagerduty" },
	{ "cmd/shiplockd/notify-slack.yaml", "slack" },
};

static void add_sample(json_t *files, const char *name)
{
	g_autoptr(GError) err = NULL;
	g_autofree char *path = test_source_path(name);
	size_t len;
	g_autofree char *text = sl_read_file(path, 1 << 20, &len, &err);
	g_assert_no_error(err);
	json_array_append_new(files, json_pack("{s:s, s:s}", "name", name, "text", text));
}

static DocSet *load_all(void)
{
	g_autoptr(json_t) files = json_array();
	for (size_t i = 0; i < G_N_ELEMENTS(samples); i++)
		add_sample(files, samples[i]);
	return test_load_files(files);
}

static void count_samples(const char *folder, unsigned *n)
{
	g_autofree char *path = test_source_path(folder);
	g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
	g_assert_nonnull(dir);
	for (const char *name; (name = g_dir_read_name(dir));)
		*n += g_str_has_suffix(name, ".yaml");
}

static void test_good(void)
{
	unsigned n = 0;
	count_samples("plans", &n);
	count_samples("policies", &n);
	g_assert_cmpuint(n, ==, G_N_ELEMENTS(samples)); /* a new sample belongs into the table */
	g_autoptr(DocSet) set = load_all();
	g_autofree char *text = test_findings(set);
	g_test_message("%s", text);
	g_assert_true(docset_ok(set));
	g_assert_cmpuint(findings_count(docset_findings(set), FINDING_WARNING), ==, 0);
	g_assert_cmpuint(docset_n(set, "Cluster"), ==, 6);
	g_assert_cmpuint(docset_n(set, "UpgradePlan"), ==, 2);
}

static void test_first(void)
{
	g_autoptr(json_t) files = json_array();
	add_sample(files, "plans/first.yaml");
	g_autoptr(DocSet) set = test_load_files(files);
	g_autofree char *text = test_findings(set);
	g_assert_cmpstr(text, ==, "2 documents in 1 file are good\n");
}

static void test_fleet_run(void)
{
	g_autoptr(DocSet) set = load_all();
	const Doc *plan = docset_find(set, "UpgradePlan", "fleet-4-21-11");
	g_autoptr(json_t) run = plan_snapshot(set, plan, "3f2a91c");
	static const char *const order[] = { "ocp-test", "ocp-infra", "ocp-obs", "ocp-edu",
		"ocp-prod" };
	json_t *clusters = json_object_get(run, "clusters");
	g_assert_cmpuint(json_array_size(clusters), ==, G_N_ELEMENTS(order));
	for (size_t i = 0; i < G_N_ELEMENTS(order); i++)
		g_assert_cmpstr(
			json_path_str(json_array_get(clusters, i), "name", ""), ==, order[i]);
	g_assert_cmpstr(json_path_str(run, "clusters.0.policies.window", ""), ==,
		"WindowPolicy/working-hours");
	g_assert_cmpstr(
		json_path_str(run, "clusters.3.policies.window", ""), ==, "WindowPolicy/academic");
	g_assert_cmpstr(json_path_str(run, "clusters.4.policies.window", ""), ==,
		"WindowPolicy/second-tuesday");
	g_assert_cmpint(json_path_int(run, "waves.0.bakeSeconds", 0), ==, 7 * 86400);
	g_assert_cmpstr(json_path_str(run, "waves.3.approval", ""), ==, "four-eyes");
	g_assert_cmpint(json_path_int(run, "approvals.four-eyes.quorum", 0), ==, 2);
	g_assert_cmpuint(
		json_array_size(json_path(run, "policies.GatePolicy/openshift-default.gates")), ==,
		10);
	g_assert_cmpuint(json_array_size(json_path(run, "clusters.0.later")), ==, 0);
	g_assert_cmpuint(json_array_size(json_path(run, "clusters.4.later")), ==, 0);
	g_assert_cmpstr(json_path_str(run, "clusters.4.gitops.metadata.name", ""), ==, "ocp-infra");
	g_assert_true(json_is_object(json_path(run, "clusters.4.gitops.spec.access")));
}

static void test_receivers(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(receivers); i++) {
		g_autoptr(json_t) files = json_array();
		add_sample(files, receivers[i].file);
		g_autoptr(DocSet) set = test_load_files(files);
		g_autofree char *text = test_findings(set);
		g_assert_cmpstr(text, ==, "1 document in 1 file is good\n");
		const json_t *spec = doc_spec(docset_nth(set, "ControllerConfig", 0));
		g_assert_cmpstr(
			json_path_str(spec, "notify.0.name", ""), ==, receivers[i].receiver);
		/* The address is never in the file itself. */
		g_assert_true(json_is_object(json_path(spec, "notify.0.url")));
		g_assert_true(json_is_object(json_path(spec, "notify.0.body")));
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/samples/good", test_good);
	g_test_add_func("/samples/first", test_first);
	g_test_add_func("/samples/fleet-run", test_fleet_run);
	g_test_add_func("/samples/receivers", test_receivers);
	return g_test_run();
}
