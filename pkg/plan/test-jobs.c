#include "codec/json.h"
#include "plan/jobs.h"
#include "plan/snapshot.h"
#include "plan/test-docs.h"
#include <string.h>

#define POLICY                                                                                     \
	"apiVersion: shiplock.dev/v1alpha1\nkind: RollbackPolicy\nmetadata: {name: back}\n"        \
	"spec: {backup: {job: {file: %s}}}\n---\n"                                                 \
	"apiVersion: shiplock.dev/v1alpha1\nkind: Cluster\nmetadata: {name: a}\n"                  \
	"spec: {provider: openshift, access: {kubeconfig: {file: /k}},\n"                          \
	"  telemetry: [{url: 'https://t.example'}]}\n---\n"                                        \
	"apiVersion: shiplock.dev/v1alpha1\nkind: UpgradePlan\nmetadata: {name: up}\n"             \
	"spec: {target: {version: 4.21.10}, policies: {rollback: back},\n"                         \
	"  waves: [{name: one, clusters: {names: [a]}}]}\n"
#define JOB(image)                                                                                 \
	"apiVersion: batch/v1\nkind: Job\nspec: {template: {spec: {containers: [{name: x, "        \
	"image: " image "}]}}}\n"
#define T "policies/jobs/t.yaml"

static DocSet *set_with(const char *named, const char *file, const char *text)
{
	g_autofree char *policy = g_strdup_printf(POLICY, named);
	g_autoptr(json_t) files = json_pack("[{s:s, s:s}]", "name", "plans/p.yaml", "text", policy);
	if (text)
		json_array_append_new(files, json_pack("{s:s, s:s}", "name", file, "text", text));
	DocSet *set = test_load_files(files);
	g_assert_true(docset_ok(set));
	return set;
}

static json_t *snapshot_of(DocSet *set)
{
	return plan_snapshot(set, docset_nth(set, "UpgradePlan", 0), "c0ffee");
}

static const struct {
	const char *name, *named, *file, *text, *problem;
} cases[] = {
	{ "there", T, T, JOB("one"), NULL },
	{ "below another folder", T, "/srv/fleet/" T, JOB("one"), NULL },
	{ "shipped", "builtin/etcd-backup", T, NULL, NULL },
	{ "missing", T, T, NULL, "is not there" },
	{ "no such shipped one", "builtin/nothing", T, NULL, "is not there" },
	{ "no Job", T, T, "apiVersion: v1\nkind: Pod\n", "is v1 Pod, not batch/v1 Job" },
	{ "no container", T, T, "apiVersion: batch/v1\nkind: Job\n", "has no container" },
	{ "no YAML", T, T, "a: [", "is not readable" },
	{ "empty", T, T, "", "not batch/v1 Job" },
};

static void test_snapshot(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s", cases[i].name);
		g_autoptr(DocSet) set = set_with(cases[i].named, cases[i].file, cases[i].text);
		g_autoptr(json_t) snapshot = snapshot_of(set);
		const json_t *job =
			json_object_get(json_object_get(snapshot, "jobs"), cases[i].named);
		g_assert_nonnull(job);
		const char *problem = json_path_str(job, "problem", NULL);
		if (cases[i].problem)
			g_assert_nonnull(strstr(problem ? problem : "", cases[i].problem));
		else
			g_assert_cmpstr(json_path_str(job, "kind", ""), ==, "Job");
	}
}

/* Another template is another plan; one that nobody names is nothing. */
static void test_identity(void)
{
	static const char *const texts[] = { JOB("one"), JOB("two"), JOB("one") };
	char *identity[3] = { NULL };
	for (size_t i = 0; i < 3; i++) {
		g_autoptr(DocSet) set = set_with(T, T, texts[i]);
		identity[i] = plan_identity(set, docset_nth(set, "UpgradePlan", 0));
	}
	g_assert_cmpstr(identity[0], !=, identity[1]);
	g_assert_cmpstr(identity[0], ==, identity[2]);
	g_free(identity[0]);
	g_free(identity[1]);
	g_free(identity[2]);
	g_autoptr(DocSet) with = set_with("builtin/etcd-backup", T, JOB("one"));
	g_autoptr(json_t) snapshot = snapshot_of(with);
	g_assert_null(json_object_get(json_object_get(snapshot, "jobs"), T));
}

static void test_paths(void)
{
	g_assert_true(jobs_is_template("policies/jobs/a.yaml"));
	g_assert_true(jobs_is_template("./x/policies/jobs/a.yaml"));
	g_assert_false(jobs_is_template("mypolicies/jobs/a.yaml"));
	g_assert_false(jobs_is_template("policies/a.yaml"));
}

/* The shipped script ends with the line of proof. */
static void test_builtin(void)
{
	g_autoptr(json_t) job = jobs_builtin("builtin/etcd-backup");
	g_autofree char *why = jobs_problem(job);
	g_assert_null(why);
	const char *script = json_path_str(job, "spec.template.spec.containers.0.command.2", "");
	g_assert_nonnull(strstr(script, "cluster-backup.sh"));
	g_assert_nonnull(strstr(script, "shiplock-proof file="));
	g_assert_nonnull(json_path(job, "spec.template.spec.nodeSelector"));
	g_autoptr(json_t) test = jobs_builtin("builtin/accelerators");
	g_autofree char *wrong = jobs_problem(test);
	g_assert_null(wrong);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/plan/jobs/snapshot", test_snapshot);
	g_test_add_func("/plan/jobs/identity", test_identity);
	g_test_add_func("/plan/jobs/paths", test_paths);
	g_test_add_func("/plan/jobs/builtin", test_builtin);
	return g_test_run();
}
