/* Probes of an address that has nothing to do with the API server: a gate's "http". */
#include "objects/time.h"
#include "providers/target-internal.h"

enum { PROBE_MAX_BYTES = 16 << 20, PROBE_SEC = 10 };

static void on_probe(const HttpAnswer *a, void *ud)
{
	Pending *p = ud;
	p->http = 0;
	json_t *v = a->outcome == HTTP_ANSWERED
			    ? json_pack("{s:i}", "status", a->status)
			    : json_pack("{s:s}", "error", a->error ? a->error : "no answer");
	fact_read_done(p->read, view_new(v), NULL);
	pending_done(p);
}

static void no_probe(void *ud)
{
	Pending *p = ud;
	p->timer = 0;
	fact_read_done(p->read,
		view_new(json_pack("{s:s}", "error", "the token of the probe cannot be read")),
		NULL);
	pending_done(p);
}

static void read_http(Site *site, const char *key, FactRead *r)
{
	Target *t = site_ctx(site);
	g_autoptr(json_t) spec = json_loads(key, 0, NULL);
	g_autoptr(json_t) source = json_pack("{s:O?, s:O*}", "url", json_object_get(spec, "url"),
		"token", json_object_get(spec, "token"));
	Pending *p = pending_new(t, r);
	const HttpEndpoint *e =
		t->endpoint ? t->endpoint(t->endpoint_ud, t->doc, source, NULL) : NULL;
	int64_t sec = PROBE_SEC;
	sl_duration_parse(json_path_str(spec, "timeout", "10s"), &sec);
	if (!e) {
		p->timer = loop_defer(t->loop, no_probe, p);
		return;
	}
	HttpRequest q = { .endpoint = e,
		.method = "GET",
		.path = "",
		.timeout_msec = (int)sec * 1000,
		.max_bytes = PROBE_MAX_BYTES };
	p->http = http_request(t->http, &q, on_probe, p);
}

const FactRow fact_http = { .name = "http", .max_age_sec = 0, .read = read_http };
