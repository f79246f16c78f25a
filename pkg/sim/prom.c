#include "sim/prom.h"
#include "codec/json.h"
#include "sim/actor-private.h"
#include "sim/tree.h"
#include <string.h>

#define GOOD_SHARE 0.001
#define BAD_SHARE 0.125
enum { INGRESS_PER_SEC = 50, API_PER_SEC = 80, WINDOW_SEC = 900, SCRAPE_SEC = 30 };
#define HAPROXY "haproxy_backend_http_responses_total"
#define APISERVER "apiserver_request_total"

double sim_truth_ingress_errors(const SimActors *a, const SimStore *s)
{
	const SimObj *co = sim_store_find(s, SIM_CLUSTEROPERATORS, NULL, "ingress");
	bool at_first = !co || !a->first || strcmp(operator_version(co), a->first) == 0;
	bool forward = sim_actors_updating(a) && a->cvo.target && a->first &&
		       strcmp(a->cvo.target, a->first) != 0;
	bool bad = has_fault(a, SIM_FAULT_ERROR_RATE_RISE) && !at_first && !forward;
	return bad ? BAD_SHARE : GOOD_SHARE;
}

double sim_truth_api_errors(const SimActors *a, const SimStore *s)
{
	return GOOD_SHARE / 2;
}

bool sim_truth_silent(const SimActors *a)
{
	return has_fault(a, SIM_FAULT_TELEMETRY_SILENT) && sim_actors_moved(a);
}

typedef struct Ask {
	const SimActors *a;
	const SimStore *s;
	double time; /* of the evaluation */
	const char *query;
} Ask;
typedef void Eval(const Ask *q, json_t *result);

static void add(const Ask *q, json_t *result, json_t *labels, double value)
{
	char text[32];
	g_ascii_formatd(text, sizeof text, "%.12g", value);
	json_array_append_new(
		result, json_pack("{s:o, s:[f, s]}", "metric", labels, "value", q->time, text));
}

static void one(const Ask *q, json_t *result, double value)
{
	add(q, result, json_object(), value);
}

static void ingress_ratio(const Ask *q, json_t *result)
{
	one(q, result, sim_truth_ingress_errors(q->a, q->s));
}

static void api_ratio(const Ask *q, json_t *result)
{
	one(q, result, sim_truth_api_errors(q->a, q->s));
}

static void ingress_count(const Ask *q, json_t *result)
{
	one(q, result, INGRESS_PER_SEC * WINDOW_SEC);
}

static void api_count(const Ask *q, json_t *result)
{
	one(q, result, API_PER_SEC * WINDOW_SEC);
}

static const char *const jobs[] = { "apiserver", "kubelet", "node-exporter", "router-internal" };

static void up(const Ask *q, json_t *result)
{
	for (size_t i = 0; i < G_N_ELEMENTS(jobs); i++)
		add(q, result, json_pack("{s:s, s:s}", "__name__", "up", "job", jobs[i]), 1);
}

static void count_up(const Ask *q, json_t *result)
{
	one(q, result, G_N_ELEMENTS(jobs));
}

static void constant_one(const Ask *q, json_t *result)
{
	one(q, result, 1);
}

/* Samples are as old as half a scrape interval. */
static void fresh(const Ask *q, json_t *result)
{
	one(q, result, q->time - SCRAPE_SEC / 2);
}

static void zero(const Ask *q, json_t *result)
{
	one(q, result, 0);
}

static void alert(const Ask *q, json_t *result, const char *name, const char *severity,
	const char *label, const char *value)
{
	g_autofree char *want = g_strdup_printf("severity=\"%s\"", severity);
	if (strstr(q->query, "severity=\"") && !strstr(q->query, want))
		return;
	add(q, result,
		json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "__name__", "ALERTS", "alertname", name,
			"alertstate", "firing", "severity", severity, "namespace",
			"openshift-cluster-version", label, value),
		1);
}

static void alerts(const Ask *q, json_t *result)
{
	for (size_t i = 0; i < sim_store_n(q->s, SIM_CLUSTEROPERATORS); i++) {
		const SimObj *co = sim_store_at(q->s, SIM_CLUSTEROPERATORS, i);
		if (condition_is(json_object_get(co->json, "status"), "Available", "False"))
			alert(q, result, "ClusterOperatorDown", "critical", "name", co->name);
	}
	for (size_t i = 0; i < sim_store_n(q->s, SIM_NODES); i++) {
		const SimObj *n = sim_store_at(q->s, SIM_NODES, i);
		if (!n->node.ready)
			alert(q, result, "KubeNodeNotReady", "warning", "node", n->name);
	}
	alert(q, result, "Watchdog", "none", "prometheus", "openshift-monitoring/k8s");
}

static const struct {
	const char *query; /* as sim_prom_normal() writes it */
	Eval *eval;
	bool always; /* needs no scraped data */
} table[] = {
	{ "sum(rate(" HAPROXY "{code=\"5xx\"}[R]))/sum(rate(" HAPROXY "[R]))", ingress_ratio,
		false },
	{ "sum(rate(" APISERVER "{code=~\"5..\"}[R]))/sum(rate(" APISERVER "[R]))", api_ratio,
		false },
	{ "sum(increase(" HAPROXY "[R]))", ingress_count, false },
	{ "sum(increase(" APISERVER "[R]))", api_count, false },
	{ "up", up, false },
	{ "up==1", up, false },
	{ "count(up)", count_up, false },
	{ "sum(up)", count_up, false },
	{ "count(up==1)", count_up, false },
	{ "min(up)", constant_one, false },
	{ "max(up)", constant_one, false },
	{ "time()-max(timestamp(up))", zero, false },
	{ "vector(1)", constant_one, true },
};

char *sim_prom_normal(const char *query)
{
	GString *out = g_string_new(NULL);
	char quote = 0;
	for (const char *p = query; *p; p++) {
		if (quote) {
			quote = *p == quote ? 0 : quote;
		} else if (g_ascii_isspace(*p)) {
			continue;
		} else if (*p == '"' || *p == '\'') {
			quote = *p;
		} else if (*p == '[') {
			g_string_append(out, "[R]");
			p += strcspn(p, "]");
			if (!*p)
				break;
			continue;
		}
		g_string_append_c(out, *p);
	}
	return g_string_free(out, FALSE);
}

static HttpSimAnswer fail(int status, const char *type, const char *fmt, const char *what)
{
	g_autofree char *text = g_strdup_printf(fmt, what);
	g_autoptr(json_t) body =
		json_pack("{s:s, s:s, s:s}", "status", "error", "errorType", type, "error", text);
	return (HttpSimAnswer){ status, tree_text(body), NULL, 0 };
}

/* The age of the samples behind a query is asked with it: everything here is scraped all the time.
 */
static bool is_freshness(const char *normal)
{
	static const char *const begins[] = { "max(timestamp(",
		"min(label_replace(max(timestamp(" };
	for (size_t i = 0; i < G_N_ELEMENTS(begins); i++)
		if (g_str_has_prefix(normal, begins[i]))
			return true;
	return false;
}

static bool evaluate(const Ask *q, const char *normal, json_t *result)
{
	bool silent = sim_truth_silent(q->a);
	if (is_freshness(normal)) {
		if (!silent)
			fresh(q, result);
		return true;
	}
	if (g_str_has_prefix(normal, "ALERTS{") &&
		strchr(normal, '}') == normal + strlen(normal) - 1) {
		if (!silent)
			alerts(q, result);
		return true;
	}
	for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
		if (strcmp(table[i].query, normal) != 0)
			continue;
		if (!silent || table[i].always)
			table[i].eval(q, result);
		return true;
	}
	return false;
}

static HttpSimAnswer query(const SimActors *a, const SimStore *s, const char *form, SimNow now)
{
	g_autofree char *text = sim_query_get(form, "query");
	g_autofree char *time = sim_query_get(form, "time");
	if (!text || !text[0])
		return fail(400, "bad_data", "invalid parameter \"query\": %s", "empty");
	g_autofree char *normal = sim_prom_normal(text);
	char *end = NULL;
	double at = time ? g_ascii_strtod(time, &end) : (double)now.wall_usec / 1e6;
	if (time && (end == time || *end))
		return fail(400, "bad_data", "invalid parameter \"time\": %s", time);
	Ask q = { a, s, at, normal };
	g_autoptr(json_t) result = json_array();
	if (!evaluate(&q, normal, result))
		return fail(
			422, "execution", "this Prometheus is simulated and knows no %s", normal);
	g_autoptr(json_t) body = json_pack("{s:s, s:{s:s, s:O}}", "status", "success", "data",
		"resultType", "vector", "result", result);
	return (HttpSimAnswer){ 200, tree_text(body), NULL, 0 };
}

HttpSimAnswer sim_prom_handle(
	const SimActors *a, const SimStore *s, const HttpRequest *r, SimNow now)
{
	if (has_fault(a, SIM_FAULT_TELEMETRY_DOWN) && sim_actors_moved(a))
		return (HttpSimAnswer){ 503, g_strdup("Service Unavailable"), "text/plain", 0 };
	g_autofree char *path = g_strndup(r->path, strcspn(r->path, "?"));
	if (strcmp(path, "/-/ready") == 0 || strcmp(path, "/-/healthy") == 0)
		return (HttpSimAnswer){ 200, g_strdup("Prometheus Server is Ready.\n"),
			"text/plain", 0 };
	if (strcmp(path, "/api/v1/query") != 0)
		return (HttpSimAnswer){ 404, g_strdup("404 page not found\n"), "text/plain", 0 };
	const char *q = strchr(r->path, '?');
	g_autofree char *form = strcmp(r->method, "POST") == 0 ? g_strndup(r->body, r->n_body)
							       : g_strdup(q ? q + 1 : "");
	return query(a, s, form, now);
}

static void grow(SimExporter *e, const SimActors *a, const SimStore *s, SimNow now)
{
	double sec = e->last_usec ? (double)(now.boot_usec - e->last_usec) / 1e6 : 60;
	double bad = sim_truth_ingress_errors(a, s), api = sim_truth_api_errors(a, s);
	e->last_usec = now.boot_usec;
	e->ingress_ok += sec * INGRESS_PER_SEC * (1 - bad);
	e->ingress_bad += sec * INGRESS_PER_SEC * bad;
	e->api_ok += sec * API_PER_SEC * (1 - api);
	e->api_bad += sec * API_PER_SEC * api;
}

char *sim_exporter_text(SimExporter *e, const SimActors *a, const SimStore *s, SimNow now)
{
	grow(e, a, s, now);
	if (sim_truth_silent(a))
		return g_strdup("# nothing is scraped\n");
	GString *out = g_string_new("# TYPE " HAPROXY " counter\n");
	g_string_append_printf(out,
		HAPROXY "{code=\"2xx\"} %.0f\n" HAPROXY "{code=\"5xx\"} %.0f\n# TYPE " APISERVER
			" counter\n" APISERVER "{code=\"200\"} %.0f\n" APISERVER
			"{code=\"500\"} %.0f\n",
		e->ingress_ok, e->ingress_bad, e->api_ok, e->api_bad);
	g_string_append(out, "# TYPE cluster_operator_up gauge\n");
	for (size_t i = 0; i < sim_store_n(s, SIM_CLUSTEROPERATORS); i++) {
		const SimObj *co = sim_store_at(s, SIM_CLUSTEROPERATORS, i);
		bool up_now =
			condition_is(json_object_get(co->json, "status"), "Available", "True");
		g_string_append_printf(
			out, "cluster_operator_up{name=\"%s\"} %d\n", co->name, up_now);
	}
	return g_string_free(out, FALSE);
}
