/* The simulated Prometheus, the exporter, the faults by name and the fleet's transport. */
#include "sim/test-rig.h"

static HttpSimAnswer ask_prom(Rig *r, const char *method, const char *path, const char *body)
{
	static const HttpEndpoint nobody = { 0 };
	HttpRequest q = { .endpoint = &nobody,
		.method = method,
		.path = path,
		.body = body,
		.n_body = body ? strlen(body) : 0 };
	return sim_cluster_telemetry(r->c, &q);
}

/* The values of a query, joined by spaces; the status where it is not 200. Caller frees. */
static char *query(Rig *r, const char *text)
{
	g_autofree char *escaped = g_uri_escape_string(text, NULL, FALSE);
	g_autofree char *path = g_strconcat("/api/v1/query?time=1795000000&query=", escaped, NULL);
	HttpSimAnswer a = ask_prom(r, "GET", path, NULL);
	g_autofree char *body = a.body;
	if (a.status != 200)
		return g_strdup_printf("%d", a.status);
	g_autoptr(json_t) json = json_loads(body, 0, NULL);
	g_assert_cmpstr(json_path_str(json, "status", NULL), ==, "success");
	g_assert_cmpstr(json_path_str(json, "data.resultType", NULL), ==, "vector");
	GString *out = g_string_new(NULL);
	size_t i;
	json_t *e;
	json_array_foreach (json_path(json, "data.result"), i, e) {
		g_assert_cmpfloat(json_number_value(json_path(e, "value.0")), ==, 1795000000);
		g_string_append_printf(out, "%s%s", i ? " " : "", json_path_str(e, "value.1", "?"));
	}
	return g_string_free(out, FALSE);
}

#define INGRESS                                                                                    \
	"sum(rate(haproxy_backend_http_responses_total{code=\"5xx\"}[15m])) / "                    \
	"sum(rate(haproxy_backend_http_responses_total[15m]))"

static void test_queries(void)
{
	static const struct {
		const char *query, *want;
	} cases[] = {
		{ INGRESS, "0.001" },
		{ "sum( rate(haproxy_backend_http_responses_total{code=\"5xx\"}[5m]) "
		  ")\n/\nsum(rate("
		  "haproxy_backend_http_responses_total[5m]))",
			"0.001" },
		{ "sum(rate(apiserver_request_total{code=~\"5..\"}[15m])) / "
		  "sum(rate(apiserver_request_total[15m]))",
			"0.0005" },
		{ "sum(increase(haproxy_backend_http_responses_total[15m]))", "45000" },
		{ "sum(increase(apiserver_request_total[15m]))", "72000" },
		{ "up", "1 1 1 1" },
		{ "vector(1)", "1" },
		{ "max(timestamp(apiserver_request_total))", "1794999985" },
		{ "min(label_replace(max(timestamp(haproxy_backend_http_responses_total)),"
		  "\"selector\",\"0\",\"\",\"\") or label_replace(max(timestamp("
		  "haproxy_backend_http_responses_total{code=\"5xx\"})),\"selector\",\"1\",\"\","
		  "\"\"))",
			"1794999985" },
		{ "ALERTS{alertstate=\"firing\"}", "1" },
		{ "ALERTS{alertstate=\"firing\", severity=\"critical\"}", "" },
		{ "sum(rate(somebody_elses_total[15m]))", "422" },
		{ "sum(rate(", "422" },
		{ "", "400" },
	};
	SimSpec spec = spec_of("4.21.8", NULL, "4.21.9");
	g_autoptr(Rig) r = rig_new(&spec);
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s", cases[i].query);
		g_autofree char *have = query(r, cases[i].query);
		g_assert_cmpstr(have, ==, cases[i].want);
	}
	g_autofree char *normal = sim_prom_normal(" a{b = \"c  d\"} [ 5m ] + 1");
	g_assert_cmpstr(normal, ==, "a{b=\"c  d\"}[R]+1");
	HttpSimAnswer a = ask_prom(r, "POST", "/api/v1/query", "query=vector(1)&time=1");
	g_assert_cmpint(a.status, ==, 200);
	g_free(a.body);
	a = ask_prom(r, "GET", "/-/ready", NULL);
	g_assert_cmpint(a.status, ==, 200);
	g_free(a.body);
}

/* Values at rest, after the control plane, and after the way back. */
static void test_faults(void)
{
	static const struct {
		SimFault fault;
		const char *rest, *moved, *back;
	} cases[] = {
		{ SIM_FAULTS, "0.001", "0.001", "0.001" },
		{ SIM_FAULT_ERROR_RATE_RISE, "0.001", "0.125", "0.001" },
		{ SIM_FAULT_TELEMETRY_SILENT, "0.001", "", "0.001" },
		{ SIM_FAULT_TELEMETRY_DOWN, "0.001", "503", "0.001" },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		SimSpec spec = spec_of("4.21.8", NULL, "4.21.9");
		spec.faults = cases[i].fault < SIM_FAULTS ? SIM_FAULT_BIT(cases[i].fault) : 0;
		g_autoptr(Rig) r = rig_new(&spec);
		pause_pool(r, true);
		g_autofree char *rest = query(r, INGRESS);
		g_assert_cmpstr(rest, ==, cases[i].rest);
		ask(r, "4.21.9");
		g_assert_true(wait_for(r, completed, 2 * HOUR));
		g_autofree char *moved = query(r, INGRESS);
		g_assert_cmpstr(moved, ==, cases[i].moved);
		ask(r, "4.21.8");
		g_assert_true(wait_for(r, completed, 2 * HOUR));
		g_autofree char *back = query(r, INGRESS);
		g_assert_cmpstr(back, ==, cases[i].back);
	}
}

/* The number behind a series of the exporter's text. */
static double sample(const char *text, const char *series)
{
	const char *at = strstr(text, series);
	g_assert_nonnull(at);
	return g_ascii_strtod(at + strlen(series), NULL);
}

static void test_exporter(void)
{
	SimSpec spec = spec_of("4.21.8", NULL, "4.21.9");
	g_autoptr(Rig) r = rig_new(&spec);
	g_autofree char *a = sim_cluster_metrics(r->c);
	pass(r, 100 * SEC);
	g_autofree char *b = sim_cluster_metrics(r->c);
	static const char ok[] = "haproxy_backend_http_responses_total{code=\"2xx\"} ";
	static const char bad[] = "haproxy_backend_http_responses_total{code=\"5xx\"} ";
	g_assert_cmpfloat_with_epsilon(sample(b, ok) - sample(a, ok), 4995, 1);
	g_assert_cmpfloat_with_epsilon(sample(b, bad) - sample(a, bad), 5, 1);
	g_assert_nonnull(strstr(b, "cluster_operator_up{name=\"ingress\"} 1"));
}

static void test_fault_names(void)
{
	static const struct {
		const char *text;
		int fault; /* -1: an error */
		unsigned k;
	} cases[] = {
		{ "error-rate-rise@3", SIM_FAULT_ERROR_RATE_RISE, 3 },
		{ "pdb-zero", SIM_FAULT_PDB_ZERO, 0 },
		{ "pdb-zero-late@1", SIM_FAULT_PDB_ZERO_LATE, 1 },
		{ "pdb", -1, 0 },
		{ "pdb-zero@", -1, 0 },
		{ "pdb-zero@0", -1, 0 },
		{ "pdb-zero@x", -1, 0 },
		{ "", -1, 0 },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) err = NULL;
		SimFault f;
		unsigned k;
		g_test_message("%s", cases[i].text);
		if (cases[i].fault < 0) {
			g_assert_false(sim_fault_parse(cases[i].text, &f, &k, &err));
			g_assert_error(err, SL_ERROR, SL_ERR_INVALID);
			continue;
		}
		g_assert_true(sim_fault_parse(cases[i].text, &f, &k, &err));
		g_assert_cmpint(f, ==, cases[i].fault);
		g_assert_cmpuint(k, ==, cases[i].k);
	}
	for (SimFault f = 0; f < SIM_FAULTS; f++) {
		SimFault g;
		unsigned k;
		g_assert_true(sim_fault_parse(sim_fault_name(f), &g, &k, NULL));
		g_assert_cmpint(f, ==, g);
	}
}

typedef struct Seen {
	int status, n_lines;
	char *body;
} Seen;

static void on_done(const HttpAnswer *a, void *ud)
{
	Seen *s = ud;
	s->status = a->status;
	g_free(s->body);
	s->body = g_strdup(a->body);
}

static void on_line(const char *line, size_t len, void *ud)
{
	((Seen *)ud)->n_lines++;
}

static bool answered(void *ud)
{
	return ((Seen *)ud)->status != 0;
}

static int fetch(LoopSim *loop, Http http, const char *base, const char *path, Seen *s)
{
	HttpEndpoint e = { .base_url = (char *)base };
	HttpRequest q = { .endpoint = &e, .method = "GET", .path = path };
	s->status = 0;
	http_request(http, &q, on_done, s);
	g_assert_true(loop_sim_run(loop, answered, s, INT64_MAX));
	return s->status;
}

static bool two_lines(void *ud)
{
	return ((Seen *)ud)->n_lines >= 2;
}

static void test_fleet(void)
{
	g_autoptr(LoopSim) loop = loop_sim_new(1, 1795000000 * SEC);
	g_autoptr(SimFleet) fleet = sim_fleet_new(loop);
	SimSpec a = spec_of("4.21.8", NULL, "4.21.9"), b = spec_of("4.20.1", NULL, NULL);
	b.world.name = "c2";
	sim_fleet_add(fleet, &a);
	sim_fleet_add(fleet, &b);
	Http http = http_sim_http(sim_fleet_transport(fleet));
	Seen s = { 0 };
	static const char cv_path[] = "/apis/config.openshift.io/v1/clusterversions/version";
	g_assert_cmpint(fetch(loop, http, "https://api.c2.sim", cv_path, &s), ==, 200);
	g_assert_nonnull(strstr(s.body, "\"4.20.1\""));
	g_assert_cmpint(
		fetch(loop, http, "https://thanos.c1.sim", "/api/v1/query?query=up", &s), ==, 200);
	g_assert_cmpint(fetch(loop, http, "https://api.c3.sim", cv_path, &s), ==, 502);
	g_assert_nonnull(sim_fleet_find(fleet, "c1"));
	g_assert_null(sim_fleet_find(fleet, "c3"));

	HttpEndpoint e = { .base_url = (char *)"https://api.c1.sim" };
	HttpRequest q = { .endpoint = &e,
		.method = "GET",
		.path = "/apis/config.openshift.io/v1/clusterversions?watch=1" };
	Seen w = { 0 };
	http_watch(http, &q, on_line, on_done, &w);
	sim_cluster_patch(sim_fleet_find(fleet, "c1"), SIM_CLUSTERVERSIONS, NULL, "version",
		SIM_SUB_NONE, "test", json_pack("{s:{s:s}}", "spec", "channel", "fast-4.21"));
	g_assert_true(loop_sim_run(loop, two_lines, &w, INT64_MAX));
	g_free(s.body);
	g_free(w.body);
}

static bool away(Rig *r)
{
	static const HttpEndpoint nobody = { 0 };
	HttpRequest q = { .endpoint = &nobody, .method = "GET", .path = "/readyz" };
	HttpSimAnswer a = sim_cluster_request(r->c, &q);
	g_free(a.body);
	return a.status == 503;
}

static void test_api_away(void)
{
	SimSpec spec = spec_of("4.21.8", NULL, "4.21.9");
	spec.faults = SIM_FAULT_BIT(SIM_FAULT_API_503);
	g_autoptr(Rig) r = rig_new(&spec);
	pass(r, 120 * SEC);
	g_assert_false(away(r));
	ask(r, "4.21.9");
	g_assert_true(wait_for(r, away, 120 * SEC));
	pass(r, 25 * SEC);
	g_assert_false(away(r));
	g_assert_true(wait_for(r, away, 60 * SEC));
	g_assert_true(wait_for(r, completed, 2 * HOUR));
	pass(r, 30 * SEC);
	g_assert_false(away(r));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/telemetry/queries", test_queries);
	g_test_add_func("/telemetry/faults", test_faults);
	g_test_add_func("/telemetry/exporter", test_exporter);
	g_test_add_func("/telemetry/fault-names", test_fault_names);
	g_test_add_func("/telemetry/fleet", test_fleet);
	g_test_add_func("/telemetry/api-away", test_api_away);
	return g_test_run();
}
