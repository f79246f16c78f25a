#include "telemetry/telemetry.h"
#include "codec/json.h"
#include "telemetry/promql.h"
#include <string.h>

enum { EXTRA_MSEC = 5000 };

typedef struct Source {
	char *name, *matcher;
	const HttpEndpoint *endpoint;
} Source;

typedef struct Query {
	Telemetry *owner;
	uint64_t id, request, timer;
	char *text; /* as the policy has it */
	char *sent; /* with the matcher of the source being asked */
	int64_t time_usec;
	size_t source;
	GString *missed; /* what the sources before said, for people */
	TelemetryDone *done;
	void *ud;
} Query;

struct Telemetry {
	Http http;
	Loop loop;
	Source *sources;
	size_t n_sources;
	GPtrArray *queries; /* of Query, in order of creation */
	uint64_t last_id;
};

Telemetry *telemetry_new(Http http, Loop loop, const TelemetrySource *sources, size_t n)
{
	Telemetry *t = g_new0(Telemetry, 1);
	t->http = http;
	t->loop = loop;
	t->queries = g_ptr_array_new();
	t->sources = g_new0(Source, n ? n : 1);
	t->n_sources = n;
	for (size_t i = 0; i < n; i++)
		t->sources[i] = (Source){ g_strdup(sources[i].name), g_strdup(sources[i].matcher),
			sources[i].endpoint };
	return t;
}

static void query_cancel(Query *q)
{
	http_forget(q->owner->http, &q->request);
	loop_cancel(q->owner->loop, &q->timer);
}

static void query_free(Query *q)
{
	g_free(q->text);
	g_free(q->sent);
	g_string_free(q->missed, TRUE);
	g_free(q);
}

void telemetry_free(Telemetry *t)
{
	if (!t)
		return;
	for (unsigned i = 0; i < t->queries->len; i++) {
		query_cancel(t->queries->pdata[i]);
		query_free(t->queries->pdata[i]);
	}
	g_ptr_array_free(t->queries, TRUE);
	for (size_t i = 0; i < t->n_sources; i++) {
		g_free(t->sources[i].name);
		g_free(t->sources[i].matcher);
	}
	g_free(t->sources);
	g_free(t);
}

size_t telemetry_n_sources(const Telemetry *t)
{
	return t->n_sources;
}

void telemetry_forget(Telemetry *t, uint64_t *id)
{
	for (unsigned i = 0; *id && i < t->queries->len; i++) {
		Query *q = t->queries->pdata[i];
		if (q->id != *id)
			continue;
		g_ptr_array_remove_index(t->queries, i);
		query_cancel(q);
		query_free(q);
		break;
	}
	*id = 0;
}

/* The query leaves the list first: done may ask the next one, or free the whole. */
static void finish(Query *q, const TelemetryResult *r)
{
	g_ptr_array_remove(q->owner->queries, q);
	q->done(r, q->ud);
	query_free(q);
}

static void give_up(void *ud)
{
	Query *q = ud;
	q->timer = 0;
	TelemetryResult r = { .status = TELEMETRY_ERROR,
		.why = q->missed->len ? q->missed->str : "no telemetry source is configured",
		.query = q->text,
		.time_usec = q->time_usec };
	finish(q, &r);
}

static void miss(Query *q, const char *name, const char *why)
{
	g_string_append_printf(
		q->missed, "%s%s: %s", q->missed->len ? "; " : "", name, why ? why : "no answer");
}

static char *query_path(const Query *q)
{
	g_autofree char *escaped = g_uri_escape_string(q->sent, NULL, false);
	return g_strdup_printf("/api/v1/query?query=%s&time=%lld.%03d&timeout=%ds"
			       "&partial_response=false&dedup=true&max_source_resolution=0",
		escaped, (long long)(q->time_usec / SL_USEC_PER_SEC),
		(int)(q->time_usec % SL_USEC_PER_SEC / 1000), TELEMETRY_TIMEOUT_SEC);
}

static bool send_to(Query *q, const Source *s, HttpDone *done, GError **err)
{
	g_free(q->sent);
	q->sent = s->matcher ? promql_inject(q->text, s->matcher, err) : g_strdup(q->text);
	if (!q->sent)
		return false;
	g_autofree char *path = query_path(q);
	if (strlen(path) > TELEMETRY_URL_MAX)
		return sl_fail(err, SL_ERR_INVALID, "the query is too long for a GET");
	HttpRequest r = { .endpoint = s->endpoint,
		.method = "GET",
		.path = path,
		.accept = "application/json",
		.timeout_msec = TELEMETRY_TIMEOUT_SEC * 1000 + EXTRA_MSEC,
		.max_bytes = TELEMETRY_MAX_BYTES };
	q->request = http_request(q->owner->http, &r, done, q);
	return true;
}

static void on_answer(const HttpAnswer *a, void *ud);

static void ask(Query *q)
{
	g_autoptr(GError) err = NULL;
	if (q->source < q->owner->n_sources) {
		const Source *s = &q->owner->sources[q->source];
		if (send_to(q, s, on_answer, &err))
			return;
		/* The query or the matcher is wrong: another source would not mend that. */
		miss(q, s->name, err->message);
	}
	q->timer = loop_defer(q->owner->loop, give_up, q);
}

static void ask_next(Query *q, const char *why)
{
	miss(q, q->owner->sources[q->source].name, why);
	q->source++;
	ask(q);
}

static void on_answer(const HttpAnswer *a, void *ud)
{
	Query *q = ud;
	q->request = 0;
	if (a->outcome != HTTP_ANSWERED) {
		ask_next(q, a->error);
		return;
	}
	TelemetryBody b =
		telemetry_read(a->status, a->content_type, a->body, a->n_body, q->time_usec);
	if (a->status >= 500) {
		ask_next(q, b.why);
		telemetry_body_clear(&b);
		return;
	}
	const Source *s = &q->owner->sources[q->source];
	g_autofree char *name = g_strdup(s->name);
	g_autofree char *digest = sl_sha256(a->body ? a->body : "", a->body ? a->n_body : 0);
	g_autofree char *why = b.why ? g_strdup_printf("%s: %s", name, b.why) : NULL;
	TelemetryResult r = { b.status, why, b.values, b.n_values, b.oldest_usec, name, q->sent,
		q->time_usec, a->sent_usec, a->status, a->n_body, digest };
	finish(q, &r);
	telemetry_body_clear(&b);
}

uint64_t telemetry_query(
	Telemetry *t, const char *query, int64_t wall_usec, TelemetryDone *done, void *ud)
{
	Query *q = g_new0(Query, 1);
	uint64_t id = ++t->last_id;
	q->owner = t;
	q->id = id;
	q->text = g_strdup(query);
	q->time_usec = wall_usec;
	q->missed = g_string_new(NULL);
	q->done = done;
	q->ud = ud;
	g_ptr_array_add(t->queries, q);
	ask(q);
	return id;
}
