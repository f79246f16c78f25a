#include "http/http-sim.h"
#include "telemetry/telemetry.h"
#include <math.h>
#include <string.h>

static const int64_t NOW = 1795162567 * (int64_t)1000000;

#define OK_HEAD "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":["
#define ONE "{\"metric\":{},\"value\":[1795162567,\"0.5\"]}"
#define VECTOR(list) OK_HEAD list "]}}"

typedef struct ReadCase {
	const char *name;
	int http;
	const char *type, *body;
	TelemetryStatus want;
	size_t n;
	double first;
	const char *why; /* a part of it */
} ReadCase;

static const ReadCase read_cases[] = {
	{ "G01 vector", 200, NULL, VECTOR(ONE), TELEMETRY_OK, 1, 0.5, NULL },
	{ "G02 scalar", 200, NULL,
		"{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":"
		"[1795162567.123,\"1\"]}}",
		TELEMETRY_OK, 1, 1, NULL },
	{ "G02 string", 200, NULL,
		"{\"status\":\"success\",\"data\":{\"resultType\":\"string\",\"result\":"
		"[1795162567,\"1\"]}}",
		TELEMETRY_ERROR, 0, 0, "is a \"string\", not a vector" },
	{ "G02 matrix", 200, NULL,
		"{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[]}"
		"}",
		TELEMETRY_ERROR, 0, 0, "is a \"matrix\", not a vector" },
	{ "G03 histogram", 200, NULL,
		VECTOR("{\"metric\":{},\"histogram\":[1795162567,{\"count\":\"1\"}]}"),
		TELEMETRY_ERROR, 0, 0, "native histogram" },
	{ "G04 empty", 200, NULL, VECTOR(""), TELEMETRY_OK, 0, 0, NULL },
	{ "G05 two", 200, NULL, VECTOR(ONE "," ONE), TELEMETRY_OK, 2, 0.5, NULL },
	{ "G06 NaN", 200, NULL, VECTOR("{\"value\":[1795162567,\"NaN\"]}"), TELEMETRY_OK, 1, NAN,
		NULL },
	{ "G06 +Inf", 200, NULL, VECTOR("{\"value\":[1795162567,\"+Inf\"]}"), TELEMETRY_OK, 1,
		INFINITY, NULL },
	{ "G06 -Inf", 200, NULL, VECTOR("{\"value\":[1795162567,\"-Inf\"]}"), TELEMETRY_OK, 1,
		-INFINITY, NULL },
	{ "G06 1e309", 200, NULL, VECTOR("{\"value\":[1795162567,\"1e309\"]}"), TELEMETRY_OK, 1,
		INFINITY, NULL },
	{ "hexadecimal", 200, NULL, VECTOR("{\"value\":[1795162567,\"0x10\"]}"), TELEMETRY_ERROR, 0,
		0, "not a number in a string" },
	{ "leading space", 200, NULL, VECTOR("{\"value\":[1795162567,\" 1\"]}"), TELEMETRY_ERROR, 0,
		0, "not a number in a string" },
	{ "empty text", 200, NULL, VECTOR("{\"value\":[1795162567,\"\"]}"), TELEMETRY_ERROR, 0, 0,
		"not a number in a string" },
	{ "number, no string", 200, NULL, VECTOR("{\"value\":[1795162567,1]}"), TELEMETRY_ERROR, 0,
		0, "not a number in a string" },
	{ "no value", 200, NULL, VECTOR("{\"metric\":{}}"), TELEMETRY_ERROR, 0, 0, "has no value" },
	{ "short sample", 200, NULL, VECTOR("{\"value\":[1795162567]}"), TELEMETRY_ERROR, 0, 0,
		"not [time, value]" },
	{ "second one broken", 200, NULL, VECTOR(ONE ",{\"value\":[]}"), TELEMETRY_ERROR, 0, 0,
		"not [time, value]" },
	{ "G07 warnings", 200, NULL,
		"{\"status\":\"success\",\"warnings\":[\"store x unavailable\"],\"data\":{"
		"\"resultType\":\"vector\",\"result\":[" ONE "]}}",
		TELEMETRY_NO_DATA, 0, 0, "incomplete: store x unavailable" },
	{ "G08 infos", 200, NULL,
		"{\"status\":\"success\",\"infos\":[\"metric might not be a counter\"],"
		"\"warnings\":[],\"data\":{\"resultType\":\"vector\",\"result\":[" ONE "]}}",
		TELEMETRY_OK, 1, 0.5, NULL },
	{ "G09 data and error", 200, NULL,
		"{\"status\":\"error\",\"errorType\":\"timeout\",\"error\":\"late\","
		"\"data\":{"
		"\"resultType\":\"vector\",\"result\":[" ONE "]}}",
		TELEMETRY_ERROR, 0, 0, "HTTP 200, timeout: late" },
	{ "G09 success and error", 200, NULL,
		"{\"status\":\"success\",\"error\":\"late\",\"data\":{"
		"\"resultType\":\"vector\",\"result\":[" ONE "]}}",
		TELEMETRY_ERROR, 0, 0, "late" },
	{ "G10 bad_data", 400, NULL,
		"{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"parse "
		"error\"}",
		TELEMETRY_ERROR, 0, 0, "HTTP 400, bad_data: parse error" },
	{ "G10 execution", 422, NULL,
		"{\"status\":\"error\",\"errorType\":\"execution\",\"error\":\"many-to-"
		"many\"}",
		TELEMETRY_ERROR, 0, 0, "HTTP 422, execution: many-to-many" },
	{ "G10 not_found", 404, NULL,
		"{\"status\":\"error\",\"errorType\":\"not_found\",\"error\":\"x\"}",
		TELEMETRY_ERROR, 0, 0, "not_found" },
	{ "G10 not_acceptable", 406, NULL,
		"{\"status\":\"error\",\"errorType\":\"not_acceptable\",\"error\":\"x\"}",
		TELEMETRY_ERROR, 0, 0, "not_acceptable" },
	{ "G10 canceled", 499, NULL,
		"{\"status\":\"error\",\"errorType\":\"canceled\",\"error\":\"x\"}",
		TELEMETRY_ERROR, 0, 0, "canceled" },
	{ "G10 internal", 500, NULL,
		"{\"status\":\"error\",\"errorType\":\"internal\",\"error\":\"x\"}",
		TELEMETRY_ERROR, 0, 0, "internal" },
	{ "G10 timeout", 503, NULL,
		"{\"status\":\"error\",\"errorType\":\"timeout\",\"error\":\"x\"}", TELEMETRY_ERROR,
		0, 0, "timeout" },
	{ "success with another code", 202, NULL, VECTOR(ONE), TELEMETRY_ERROR, 0, 0,
		"HTTP 202 with status success" },
	{ "G11 not ready", 503, "text/plain", "Service Unavailable", TELEMETRY_ERROR, 0, 0,
		"HTTP 503" },
	{ "G12 login page", 200, "text/html", "<html>Log in</html>", TELEMETRY_ERROR, 0, 0,
		"HTTP 200 with text/html that is no JSON object" },
	{ "G13 401", 401, NULL, "Unauthorized", TELEMETRY_ERROR, 0, 0,
		"the credentials were not accepted" },
	{ "G13 403", 403, NULL, "Forbidden", TELEMETRY_ERROR, 0, 0, "may not ask this" },
	{ "G13 redirect", 302, NULL, "", TELEMETRY_ERROR, 0, 0, "login page" },
	{ "G14 truncated", 200, NULL, OK_HEAD ONE, TELEMETRY_ERROR, 0, 0, "no JSON object" },
	{ "G14 empty", 200, NULL, "", TELEMETRY_ERROR, 0, 0, "no JSON object" },
	{ "G14 trailing text", 200, NULL, VECTOR(ONE) "x", TELEMETRY_ERROR, 0, 0,
		"no JSON object" },
	{ "G14 duplicate keys", 200, NULL,
		"{\"status\":\"error\",\"status\":\"success\",\"data\":{\"resultType\":"
		"\"vector\",\"result\":[" ONE "]}}",
		TELEMETRY_ERROR, 0, 0, "no JSON object" },
	{ "G14 no data", 200, NULL, "{\"status\":\"success\"}", TELEMETRY_ERROR, 0, 0,
		"is a \"\", not a vector" },
	{ "G14 result is no list", 200, NULL,
		"{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":{}}"
		"}",
		TELEMETRY_ERROR, 0, 0, "not a list" },
	{ "other JSON", 200, NULL, "[]", TELEMETRY_ERROR, 0, 0, "no JSON object" },
	{ "other object", 200, NULL, "{\"kind\":\"Status\"}", TELEMETRY_ERROR, 0, 0,
		"not an answer of the query API" },
	{ "G23 skew of two minutes", 200, NULL, VECTOR("{\"value\":[1795162687,\"1\"]}"),
		TELEMETRY_OK, 1, 1, NULL },
	{ "G23 from the future", 200, NULL, VECTOR("{\"value\":[1795162688,\"1\"]}"),
		TELEMETRY_ERROR, 0, 0, "the clocks disagree" },
	{ "no sane time", 200, NULL, VECTOR("{\"value\":[1e300,\"1\"]}"), TELEMETRY_ERROR, 0, 0,
		"no sane time" },
};

static void test_read(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(read_cases); i++) {
		const ReadCase *c = &read_cases[i];
		TelemetryBody b = telemetry_read(c->http, c->type, c->body, strlen(c->body), NOW);
		g_test_message("%s: %s", c->name, b.why ? b.why : "ok");
		g_assert_cmpint(b.status, ==, c->want);
		g_assert_cmpuint(b.n_values, ==, c->n);
		g_assert_true((b.why == NULL) == (c->want == TELEMETRY_OK));
		if (c->n)
			g_assert_true(
				isnan(c->first) ? isnan(b.values[0]) : b.values[0] == c->first);
		if (c->why)
			g_assert_nonnull(strstr(b.why, c->why));
		telemetry_body_clear(&b);
	}
}

/* G14: nested so deeply that a recursive reader would fall, and texts that no terminal wants. */
static void test_hostile(void)
{
	g_autofree char *open = g_strnfill(1 << 20, '[');
	TelemetryBody b = telemetry_read(200, NULL, open, 1 << 20, NOW);
	g_assert_cmpint(b.status, ==, TELEMETRY_ERROR);
	telemetry_body_clear(&b);
	g_autofree char *fill = g_strnfill(5000, 'x');
	g_autofree char *text =
		g_strdup_printf("{\"status\":\"error\",\"error\":\"\\u001b[2J\\n%s\"}", fill);
	b = telemetry_read(422, NULL, text, strlen(text), NOW);
	g_assert_cmpuint(strlen(b.why), <=, 300);
	g_assert_null(strchr(b.why, '\n'));
	g_assert_null(strchr(b.why, '\x1b'));
	telemetry_body_clear(&b);
}

/* ---- over the transport ---- */

typedef struct World {
	LoopSim *loop;
	HttpSim *sim;
	HttpEndpoint first, second;
	int status[2]; /* of the sources; 0 = VECTOR(ONE) with 200 */
	int n_asked[2], n_done;
	HttpFault fault; /* for the first request */
	TelemetryStatus got;
	char *why, *source, *query, *digest, *path;
	size_t n_values;
	Telemetry *telemetry;
	bool free_in_done;
} World;

static HttpSimAnswer handle(const HttpRequest *r, void *ud)
{
	World *w = ud;
	int k = strcmp(r->endpoint->base_url, w->second.base_url) == 0;
	w->n_asked[k]++;
	g_assert_cmpstr(r->method, ==, "GET");
	g_assert_cmpuint(r->n_body, ==, 0);
	g_free(w->path);
	w->path = g_strdup(r->path);
	if (w->status[k])
		return (HttpSimAnswer){ w->status[k],
			g_strdup("{\"status\":\"error\","
				 "\"errorType\":\"x\",\"error\":\"y\"}"),
			NULL, 0 };
	return (HttpSimAnswer){ 200, g_strdup(VECTOR(ONE)), NULL, 0 };
}

static HttpFault plan(uint64_t n, const HttpRequest *r, void *ud)
{
	return n == 0 ? ((World *)ud)->fault : HTTP_FAULT_NONE;
}

static void on_done(const TelemetryResult *r, void *ud)
{
	World *w = ud;
	w->n_done++;
	w->got = r->status;
	w->n_values = r->n_values;
	w->why = g_strdup(r->why);
	w->source = g_strdup(r->source);
	w->query = g_strdup(r->query);
	w->digest = g_strdup(r->digest);
	g_assert_cmpint(r->time_usec, ==, NOW);
	if (w->free_in_done)
		g_clear_pointer(&w->telemetry, telemetry_free);
}

static void world_open(World *w, size_t n_sources, const char *matcher)
{
	w->loop = loop_sim_new(1, NOW);
	w->sim = http_sim_new(w->loop, handle, NULL, w);
	http_sim_set_faults(w->sim, plan, NULL, w);
	w->first.base_url = (char *)"https://a";
	w->second.base_url = (char *)"https://b";
	TelemetrySource sources[] = { { "local", &w->first, NULL },
		{ "hub", &w->second, matcher } };
	w->telemetry =
		telemetry_new(http_sim_http(w->sim), loop_sim_loop(w->loop), sources, n_sources);
}

static void world_close(World *w)
{
	telemetry_free(w->telemetry);
	http_sim_free(w->sim);
	loop_sim_free(w->loop);
	g_free(w->why);
	g_free(w->source);
	g_free(w->query);
	g_free(w->digest);
	g_free(w->path);
}

static void test_sources(void)
{
	static const struct {
		const char *name;
		HttpFault fault;
		int status[2];
		int n_asked[2];
		TelemetryStatus want;
		const char *source, *why;
	} cases[] = {
		{ "first answers", HTTP_FAULT_NONE, { 0, 0 }, { 1, 0 }, TELEMETRY_OK, "local",
			NULL },
		{ "G17 first refused", HTTP_FAULT_NOT_SENT, { 0, 0 }, { 0, 1 }, TELEMETRY_OK, "hub",
			NULL },
		{ "G15 first silent", HTTP_FAULT_LOST, { 0, 0 }, { 0, 1 }, TELEMETRY_OK, "hub",
			NULL },
		{ "G11 first 503", HTTP_FAULT_NONE, { 503, 0 }, { 1, 1 }, TELEMETRY_OK, "hub",
			NULL },
		{ "G16 first 500", HTTP_FAULT_NONE, { 500, 0 }, { 1, 1 }, TELEMETRY_OK, "hub",
			NULL },
		{ "G10 an answer is an answer", HTTP_FAULT_NONE, { 422, 0 }, { 1, 0 },
			TELEMETRY_ERROR, "local", "local: HTTP 422, x: y" },
		{ "G13 so is 403", HTTP_FAULT_NONE, { 403, 0 }, { 1, 0 }, TELEMETRY_ERROR, "local",
			"local: HTTP 403: these credentials may not ask this" },
		{ "both away", HTTP_FAULT_NONE, { 503, 500 }, { 1, 1 }, TELEMETRY_ERROR, NULL,
			"local: HTTP 503, x: y; hub: HTTP 500, x: y" },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		World w = { .fault = cases[i].fault,
			.status = { cases[i].status[0], cases[i].status[1] } };
		world_open(&w, 2, NULL);
		g_assert_cmpuint(telemetry_query(w.telemetry, "up", NOW, on_done, &w), !=, 0);
		g_assert_cmpint(w.n_done, ==, 0);
		while (loop_sim_step(w.loop))
			;
		g_test_message("%s: %s", cases[i].name, w.why ? w.why : "ok");
		g_assert_cmpint(w.n_done, ==, 1);
		g_assert_cmpint(w.got, ==, cases[i].want);
		g_assert_cmpint(w.n_asked[0], ==, cases[i].n_asked[0]);
		g_assert_cmpint(w.n_asked[1], ==, cases[i].n_asked[1]);
		g_assert_cmpstr(w.source, ==, cases[i].source);
		if (cases[i].why)
			g_assert_cmpstr(w.why, ==, cases[i].why);
		if (cases[i].want == TELEMETRY_OK) {
			g_assert_cmpuint(w.n_values, ==, 1);
			g_assert_true(g_str_has_prefix(w.digest, "sha256:"));
		}
		world_close(&w);
	}
}

static void test_request(void)
{
	World w = { .status = { 503, 0 } };
	world_open(&w, 2, "cluster=\"a b\"");
	telemetry_query(w.telemetry, "sum(up)", NOW + 0, on_done, &w);
	while (loop_sim_step(w.loop))
		;
	g_assert_cmpstr(w.query, ==, "sum(up{cluster=\"a b\"})");
	g_assert_cmpstr(w.path, ==,
		"/api/v1/query?query=sum%28up%7Bcluster%3D%22a%20b%22%7D%29&time=1795162567.000"
		"&timeout=30s&partial_response=false&dedup=true&max_source_resolution=0");
	world_close(&w);
}

static void test_refused_before_sending(void)
{
	static const struct {
		const char *query;
		size_t n_sources;
		const char *why;
	} cases[] = {
		{ "up", 0, "no telemetry source is configured" },
		{ "up{", 2, "local: HTTP 503, x: y; hub: query: something is not closed at \"{\"" },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		World w = { .status = { 503, 0 } };
		world_open(&w, cases[i].n_sources, "a=\"b\"");
		telemetry_query(w.telemetry, cases[i].query, NOW, on_done, &w);
		g_assert_cmpint(w.n_done, ==, 0);
		while (loop_sim_step(w.loop))
			;
		g_assert_cmpint(w.n_done, ==, 1);
		g_assert_cmpint(w.got, ==, TELEMETRY_ERROR);
		g_assert_cmpstr(w.why, ==, cases[i].why);
		world_close(&w);
	}
	World w = { 0 };
	world_open(&w, 1, NULL);
	g_autofree char *fill = g_strnfill(TELEMETRY_URL_MAX, 'x');
	telemetry_query(w.telemetry, fill, NOW, on_done, &w);
	while (loop_sim_step(w.loop))
		;
	g_assert_cmpstr(w.why, ==, "local: the query is too long for a GET");
	world_close(&w);
}

static void test_forget(void)
{
	World w = { 0 };
	world_open(&w, 2, NULL);
	uint64_t id = telemetry_query(w.telemetry, "up", NOW, on_done, &w);
	telemetry_forget(w.telemetry, &id);
	g_assert_cmpuint(id, ==, 0);
	telemetry_query(w.telemetry, "up", NOW, on_done, &w);
	g_clear_pointer(&w.telemetry, telemetry_free);
	while (loop_sim_step(w.loop))
		;
	g_assert_cmpint(w.n_done, ==, 0);
	world_close(&w);
	World again = { .free_in_done = true };
	world_open(&again, 2, NULL);
	telemetry_query(again.telemetry, "up", NOW, on_done, &again);
	while (loop_sim_step(again.loop))
		;
	g_assert_cmpint(again.n_done, ==, 1);
	world_close(&again);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/telemetry/read", test_read);
	g_test_add_func("/telemetry/hostile", test_hostile);
	g_test_add_func("/telemetry/sources", test_sources);
	g_test_add_func("/telemetry/request", test_request);
	g_test_add_func("/telemetry/refused-before-sending", test_refused_before_sending);
	g_test_add_func("/telemetry/forget", test_forget);
	return g_test_run();
}
