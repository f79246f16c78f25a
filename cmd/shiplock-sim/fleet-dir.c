#include "fleet-dir.h"
#include "base/file.h"
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { PRIVATE_MODE = 0600, SHARED_MODE = 0644, DIR_MODE = 0700 };

static const struct {
	const char *name, *stage;
} sites[] = {
	{ "ocp-test", "canary" },
	{ "ocp-infra", "hub" },
	{ "ocp-obs", "support" },
	{ "ocp-edu", "teaching" },
	{ "ocp-prod", "production" },
};

char *fleet_dir_name(unsigned k)
{
	if (k <= G_N_ELEMENTS(sites))
		return g_strdup(sites[k - 1].name);
	return g_strdup_printf("ocp-%02u", k);
}

static const char *stage_of(size_t i)
{
	return i < G_N_ELEMENTS(sites) ? sites[i].stage : "production";
}

static bool put(const char *dir, const char *name, const char *text, int mode, GError **err)
{
	g_autofree char *path = g_build_filename(dir, name, NULL);
	g_autofree char *folder = g_path_get_dirname(path);
	if (g_mkdir_with_parents(folder, DIR_MODE) < 0)
		return sl_fail(err, SL_ERR_REFUSED, "%s: cannot make it", folder);
	return sl_write_file(path, text, strlen(text), mode, err);
}

static bool put_access(const char *dir, const FleetMember *m, GError **err)
{
	g_autofree char *config = g_strdup_printf("apiVersion: v1\n"
						  "kind: Config\n"
						  "current-context: %s\n"
						  "clusters:\n"
						  "- name: %s\n"
						  "  cluster: {server: \"http://127.0.0.1:%d\"}\n"
						  "users:\n"
						  "- name: %s\n"
						  "  user: {token: \"%s\"}\n"
						  "contexts:\n"
						  "- name: %s\n"
						  "  context: {cluster: %s, user: %s}\n",
		m->name, m->name, m->api_port, m->name, m->token, m->name, m->name, m->name);
	g_autofree char *file = g_build_filename("kube", m->name, NULL);
	g_autofree char *token = g_strconcat(file, ".token", NULL);
	return put(dir, file, config, PRIVATE_MODE, err) &&
	       put(dir, token, m->token, PRIVATE_MODE, err);
}

static char *clusters_text(const char *dir, const FleetMember *m, size_t n)
{
	GString *out = g_string_new("# The simulated fleet, in the order of its waves.\n");
	for (size_t i = 0; i < n; i++)
		g_string_append_printf(out,
			"---\n"
			"apiVersion: shiplock.dev/v1alpha1\n"
			"kind: Cluster\n"
			"metadata: {name: %s, labels: {stage: %s}}\n"
			"spec:\n"
			"  provider: openshift\n"
			"  access: {kubeconfig: {file: %s/kube/%s}}\n"
			"  telemetry: [{name: local, url: \"http://127.0.0.1:%d\", token: {file: "
			"%s/kube/%s.token}}]\n",
			m[i].name, stage_of(i), dir, m[i].name, m[i].telemetry_port, dir,
			m[i].name);
	return g_string_free(out, FALSE);
}

static const char gates_text[] =
	"# Gates in the times of a demonstration; real ones look for minutes and hours.\n"
	"apiVersion: shiplock.dev/v1alpha1\n"
	"kind: GatePolicy\n"
	"metadata: {name: demo}\n"
	"spec:\n"
	"  gates:\n"
	"    - {name: telemetry-alive, invariant: telemetryAlive, when: [preflight, cp-soak, "
	"soak],\n"
	"       interval: 1s, onFail: hold}\n"
	"    - {name: cluster-version, invariant: clusterVersion, when: [cp-verify, verify],\n"
	"       stableFor: 3s, interval: 1s, onFail: rollback}\n"
	"    - {name: cluster-operators, invariant: clusterOperators,\n"
	"       when: [cp-verify, cp-soak, verify, soak], stableFor: 1s, interval: 1s,\n"
	"       onFail: rollback}\n"
	"    - {name: machine-config-pools, invariant: machineConfigPools, when: [verify],\n"
	"       interval: 1s, onFail: hold}\n"
	"    - {name: nodes, invariant: nodes, when: [verify], interval: 1s, onFail: hold}\n"
	"    - name: ingress-error-ratio\n"
	"      when: [cp-soak, verify, soak]\n"
	"      query: |\n"
	"        sum(rate(haproxy_backend_http_responses_total{code=\"5xx\"}[15m]))\n"
	"          / sum(rate(haproxy_backend_http_responses_total[15m]))\n"
	"      pass: {atMost: 0.01}\n"
	"      fail: {above: 0.05}\n"
	"      interval: 1s\n"
	"      count: 3\n"
	"      failureLimit: 1\n"
	"      minSamples: 10\n"
	"      minSamplesQuery: sum(increase(haproxy_backend_http_responses_total[15m]))\n"
	"      onFail: rollback\n";

static void append_wave(
	GString *out, const char *name, const FleetMember *m, size_t from, size_t to)
{
	g_string_append_printf(out, "    - name: %s\n      clusters: {names: [", name);
	for (size_t i = from; i < to; i++)
		g_string_append_printf(out, "%s%s", i > from ? ", " : "", m[i].name);
	g_string_append(out, "]}\n      cpSoak: 5s\n      soak: 3s\n");
}

/* Canary, two that support the others, and the rest. */
static char *plan_text(const Options *o, const FleetMember *m, size_t n)
{
	const char *comma = strrchr(o->releases, ',');
	g_autofree char *last = g_strdup(comma ? comma + 1 : o->releases);
	last[strcspn(last, ":")] = '\0';
	g_auto(GStrv) parts = g_strsplit(last, ".", 3);
	g_autofree char *name = g_strdelimit(g_strconcat("to-", last, NULL), ".", '-');
	GString *out = g_string_new(NULL);
	g_string_append_printf(out,
		"apiVersion: shiplock.dev/v1alpha1\n"
		"kind: UpgradePlan\n"
		"metadata: {name: %s}\n"
		"spec:\n"
		"  target: {version: %s, channel: stable-%s.%s}\n"
		"  policies: {gates: demo}\n"
		"  onFailure: {action: rollback}\n"
		"  waves:\n",
		name, last, parts[0], parts[0] && parts[1] ? parts[1] : "0");
	append_wave(out, "canary", m, 0, 1);
	if (n > 1)
		append_wave(out, "hub", m, 1, MIN(n, 3));
	if (n > 3)
		append_wave(out, "production", m, 3, n);
	return g_string_free(out, FALSE);
}

static char *controller_text(const char *dir)
{
	return g_strdup_printf("apiVersion: shiplock.dev/v1alpha1\n"
			       "kind: ControllerConfig\n"
			       "metadata: {name: demo}\n"
			       "spec:\n"
			       "  repositories: [{name: fleet, url: %s/plans.git, interval: 5s}]\n"
			       "  state: %s/state\n"
			       "  listen: {api: %s/api.sock, web: \"127.0.0.1:0\"}\n"
			       "  idleInterval: 10s\n",
		dir, dir, dir);
}

/* Runs git with these arguments (ends with NULL), in the folder. */
static bool git(const char *dir, GError **err, ...) G_GNUC_NULL_TERMINATED;
static bool git(const char *dir, GError **err, ...)
{
	const char *argv[24] = { "git", "-C", dir, "-c", "user.name=shiplock-sim", "-c",
		"user.email=sim@localhost", "-c", "commit.gpgsign=false" };
	size_t n = 9;
	va_list ap;
	va_start(ap, err);
	for (const char *a; (a = va_arg(ap, const char *)) && n < G_N_ELEMENTS(argv) - 1;)
		argv[n++] = a;
	va_end(ap);
	g_autofree char *output = NULL;
	g_autofree char *errors = NULL;
	g_autoptr(GError) why = NULL;
	int status = 0;
	if (!g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &output,
		    &errors, &status, &why))
		return sl_fail(err, SL_ERR_REFUSED, "git: %s", why->message);
	if (status != 0)
		return sl_fail(err, SL_ERR_REFUSED, "git %s: %s", argv[9], g_strstrip(errors));
	return true;
}

static bool make_repository(const char *dir, bool with_plan, GError **err)
{
	g_autofree char *bare = g_build_filename(dir, "plans.git", NULL);
	g_autofree char *checkout = g_build_filename(dir, "checkout", NULL);
	return git(dir, err, "init", "-q", "--bare", "-b", "main", bare, NULL) &&
	       git(checkout, err, "init", "-q", "-b", "main", NULL) &&
	       git(checkout, err, "remote", "add", "origin", bare, NULL) &&
	       git(checkout, err, "add", with_plan ? "." : "plans/clusters.yaml", "policies",
		       NULL) &&
	       git(checkout, err, "commit", "-q", "-m", "The fleet", NULL) &&
	       git(checkout, err, "push", "-q", "-u", "origin", "main", NULL);
}

static bool put_documents(
	const char *dir, const Options *o, const FleetMember *m, size_t n, GError **err)
{
	g_autofree char *checkout = g_build_filename(dir, "checkout", NULL);
	g_autofree char *clusters = clusters_text(dir, m, n);
	g_autofree char *plan = plan_text(o, m, n);
	g_autofree char *controller = controller_text(dir);
	return put(checkout, "plans/clusters.yaml", clusters, SHARED_MODE, err) &&
	       put(checkout, "plans/upgrade.yaml", plan, SHARED_MODE, err) &&
	       put(checkout, "policies/gates.yaml", gates_text, SHARED_MODE, err) &&
	       put(dir, "controller.yaml", controller, PRIVATE_MODE, err) &&
	       make_repository(dir, !o->no_plan, err);
}

static char *choose_dir(const Options *o, GError **err)
{
	if (!o->dir) {
		g_autoptr(GError) why = NULL;
		char *made = g_dir_make_tmp("shiplock-sim-XXXXXX", &why);
		if (!made)
			sl_fail(err, SL_ERR_REFUSED, "temporary folder: %s", why->message);
		return made;
	}
	g_autofree char *dir = g_canonicalize_filename(o->dir, NULL);
	g_autofree char *there = g_build_filename(dir, "plans.git", NULL);
	if (g_file_test(there, G_FILE_TEST_EXISTS)) {
		sl_fail(err, SL_ERR_REFUSED, "%s: a fleet is there already; choose another --dir",
			dir);
		return NULL;
	}
	return g_steal_pointer(&dir);
}

char *fleet_dir_make(const Options *o, const FleetMember *members, size_t n, GError **err)
{
	g_autofree char *dir = choose_dir(o, err);
	if (!dir)
		return NULL;
	g_autofree char *state = g_build_filename(dir, "state", NULL);
	if (g_mkdir_with_parents(state, DIR_MODE) < 0) {
		sl_fail(err, SL_ERR_REFUSED, "%s: cannot make it", state);
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		if (!put_access(dir, &members[i], err))
			return NULL;
	if (!put_documents(dir, o, members, n, err))
		return NULL;
	return g_steal_pointer(&dir);
}
