#include "kube/discovery.h"
#include "kube/test-kube.h"

static const char core[] =
	"{\"kind\":\"APIGroupDiscoveryList\",\"items\":[{\"metadata\":{\"name\":null},\"versions\":"
	"[{"
	"\"version\":\"v1\",\"freshness\":\"Current\",\"resources\":[{\"resource\":\"pods\","
	"\"subresources\":[{\"subresource\":\"eviction\"}]},{\"resource\":\"nodes\"}]}]}]}";
static const char groups[] =
	"{\"kind\":\"APIGroupDiscoveryList\",\"items\":[{\"metadata\":{\"name\":\"policy\"},"
	"\"versions\":[{\"version\":\"v1\",\"resources\":[{\"resource\":\"poddisruptionbudgets\"}]}"
	"]"
	"},{\"metadata\":{\"name\":\"metrics.k8s.io\"},\"versions\":[{\"version\":\"v1beta1\","
	"\"freshness\":\"Stale\"}]}]}";
static const char plain_core[] = "{\"kind\":\"APIVersions\",\"versions\":[\"v1\"]}";
static const char plain_groups[] =
	"{\"kind\":\"APIGroupList\",\"groups\":[{\"name\":\"policy\",\"versions\":[{"
	"\"groupVersion\":\"policy/v1\",\"version\":\"v1\"}]}]}";

typedef struct Case {
	const char *group_version, *plural;
	KubeServed want;
} Case;

static const Case aggregated[] = {
	{ "v1", "pods", KUBE_SERVED },
	{ "v1", "pods/eviction", KUBE_SERVED },
	{ "v1", "pods/resize", KUBE_NOT_SERVED },
	{ "v1", "foos", KUBE_NOT_SERVED },
	{ "policy/v1", "poddisruptionbudgets", KUBE_SERVED },
	{ "policy/v1beta1", "poddisruptionbudgets", KUBE_NOT_SERVED },
	{ "metrics.k8s.io/v1beta1", "nodes", KUBE_SERVED_UNSURE },
};
static const Case plain[] = {
	{ "v1", "pods", KUBE_SERVED_UNSURE },
	{ "policy/v1", "poddisruptionbudgets", KUBE_SERVED_UNSURE },
	{ "policy/v1beta1", "poddisruptionbudgets", KUBE_NOT_SERVED },
};

static void check(const KubeDiscovery *d, const Case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		g_test_message("%s %s", cases[i].group_version, cases[i].plural);
		g_assert_cmpint(kube_discovery_served(d, cases[i].group_version, cases[i].plural),
			==, cases[i].want);
	}
}

typedef struct Found {
	int n;
	KubeDiscoverer *d;
	const Case *cases;
	size_t n_cases;
	GError *err;
} Found;

static void on_found(const KubeDiscovery *d, const GError *err, void *ud)
{
	Found *f = ud;
	f->n++;
	f->err = err ? g_error_copy(err) : NULL;
	if (d)
		check(d, f->cases, f->n_cases);
	kube_discoverer_free(f->d);
}

static void run(const Script *rows, size_t n_rows, Found *f)
{
	g_autoptr(Sim) s = sim_new(NULL);
	s->script = rows;
	s->n_script = n_rows;
	f->d = kube_discover(s->k, on_found, f);
	sim_until(s, &f->n);
	g_assert_cmpuint(s->n_asked, ==, n_rows);
}

static void test_ask(void)
{
	const Script new_server[] = { { "GET", "/api", 200, core },
		{ "GET", "/apis", 200, groups } };
	const Script old_server[] = { { "GET", "/api", 200, plain_core },
		{ "GET", "/apis", 200, plain_groups } };
	Found f = { .cases = aggregated, .n_cases = G_N_ELEMENTS(aggregated) };
	run(new_server, 2, &f);
	g_assert_no_error(f.err);
	Found g = { .cases = plain, .n_cases = G_N_ELEMENTS(plain) };
	run(old_server, 2, &g);
	g_assert_no_error(g.err);
}

static void test_stale_names(void)
{
	g_autoptr(GError) err = NULL;
	g_autoptr(json_t) a = json_parse(core, strlen(core), NULL);
	g_autoptr(json_t) b = json_parse(groups, strlen(groups), NULL);
	g_autoptr(KubeDiscovery) d = kube_discovery_parse(a, b, &err);
	g_assert_no_error(err);
	g_autofree char *names = NULL;
	g_assert_cmpuint(kube_discovery_stale(d, &names), ==, 1);
	g_assert_cmpstr(names, ==, "metrics.k8s.io/v1beta1");
}

static void test_failures(void)
{
	const Script rows[][2] = {
		{ { "GET", "/api", 503, "", "text/plain" } },
		{ { "GET", "/api", 200, core }, { "GET", "/apis", 200, "<html>", "text/html" } },
		{ { "GET", "/api", 200, core }, { "GET", "/apis", 200, "{\"kind\":\"PodList\"}" } },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		Found f = { 0 };
		run(rows[i], rows[i][1].path ? 2 : 1, &f);
		g_assert_nonnull(f.err);
		g_clear_error(&f.err);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/discovery/ask", test_ask);
	g_test_add_func("/discovery/stale-names", test_stale_names);
	g_test_add_func("/discovery/failures", test_failures);
	return g_test_run();
}
