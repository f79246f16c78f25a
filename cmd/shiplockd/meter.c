#include "meter.h"
#include <string.h>

static const double bounds[] = { 0.005, 0.02, 0.1, 0.5, 2, 10, 30 };
enum { N_BOUNDS = G_N_ELEMENTS(bounds) };

typedef struct Series {
	char *host, *verb;
	uint64_t buckets[N_BOUNDS], n;
	double sum;
} Series;

/* One request under way. */
typedef struct Call {
	Meter *m;
	Series *series; /* NULL: there are too many */
	int64_t begin_usec;
	uint64_t id; /* of the transport below */
	HttpDone *done;
	void *ud;
} Call;

struct Meter {
	Http to;
	Loop loop;
	GPtrArray *series; /* Series, sorted by host and verb */
	GHashTable *calls; /* id -> Call */
};

static void series_free(void *p)
{
	Series *s = p;
	g_free(s->host);
	g_free(s->verb);
	g_free(s);
}

Meter *meter_new(Http to, Loop loop)
{
	Meter *m = g_new0(Meter, 1);
	m->to = to;
	m->loop = loop;
	m->series = g_ptr_array_new_with_free_func(series_free);
	m->calls = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
	return m;
}

void meter_free(Meter *m)
{
	if (!m)
		return;
	g_ptr_array_unref(m->series);
	g_hash_table_unref(m->calls);
	g_free(m);
}

/* "https://user@host:6443/prefix" without scheme and path. Caller frees. */
static char *host_of(const HttpEndpoint *e)
{
	const char *url = e && e->base_url ? e->base_url : "";
	const char *from = strstr(url, "://");
	from = from ? from + 3 : url;
	return g_strndup(from, strcspn(from, "/?"));
}

static int compare(const Series *s, const char *host, const char *verb)
{
	int c = strcmp(s->host, host);
	return c ? c : strcmp(s->verb, verb);
}

static Series *find_series(Meter *m, const char *host, const char *verb)
{
	size_t low = 0, high = m->series->len;
	while (low < high) {
		size_t mid = (low + high) / 2;
		int c = compare(m->series->pdata[mid], host, verb);
		if (c == 0)
			return m->series->pdata[mid];
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	if (m->series->len == METER_MAX_SERIES)
		return NULL;
	Series *s = g_new0(Series, 1);
	s->host = g_strdup(host);
	s->verb = g_strdup(verb);
	g_ptr_array_insert(m->series, (int)low, s);
	return s;
}

static void count(Call *c)
{
	Series *s = c->series;
	if (!s)
		return;
	double sec = (double)(loop_boot_usec(c->m->loop) - c->begin_usec) / 1e6;
	for (size_t i = 0; i < N_BOUNDS; i++)
		s->buckets[i] += sec <= bounds[i];
	s->n++;
	s->sum += sec;
}

static void on_done(const HttpAnswer *a, void *ud)
{
	Call *c = ud;
	HttpDone *done = c->done;
	void *their = c->ud;
	count(c);
	g_hash_table_remove(c->m->calls, &c->id);
	done(a, their);
}

static uint64_t request(void *self, const HttpRequest *r, HttpDone *done, void *ud)
{
	Meter *m = self;
	g_autofree char *host = host_of(r->endpoint);
	Call *c = g_new0(Call, 1);
	*c = (Call){ .m = m, .series = find_series(m, host, r->method), .done = done, .ud = ud };
	c->begin_usec = loop_boot_usec(m->loop);
	c->id = m->to.ops->request(m->to.self, r, on_done, c);
	g_hash_table_insert(m->calls, &c->id, c);
	return c->id;
}

/* Their length says nothing. */
static uint64_t watch(void *self, const HttpRequest *r, HttpLine *line, HttpDone *done, void *ud)
{
	Meter *m = self;
	return m->to.ops->watch(m->to.self, r, line, done, ud);
}

static void forget(void *self, uint64_t id)
{
	Meter *m = self;
	m->to.ops->forget(m->to.self, id);
	g_hash_table_remove(m->calls, &id);
}

static const HttpOps ops = { request, watch, forget };

Http meter_http(Meter *m)
{
	return (Http){ &ops, m };
}

static void add_number(GString *s, double v)
{
	char text[G_ASCII_DTOSTR_BUF_SIZE];
	g_string_append(s, g_ascii_formatd(text, sizeof text, "%.6g", v));
}

static void add_series(GString *s, const Series *x)
{
	static const char name[] = "shiplock_request_seconds";
	for (size_t i = 0; i < N_BOUNDS; i++) {
		g_string_append_printf(
			s, "%s_bucket{host=\"%s\",verb=\"%s\",le=\"", name, x->host, x->verb);
		add_number(s, bounds[i]);
		g_string_append_printf(s, "\"} %" G_GUINT64_FORMAT "\n", x->buckets[i]);
	}
	g_string_append_printf(s,
		"%s_bucket{host=\"%s\",verb=\"%s\",le=\"+Inf\"} %" G_GUINT64_FORMAT "\n", name,
		x->host, x->verb, x->n);
	g_string_append_printf(s, "%s_count{host=\"%s\",verb=\"%s\"} %" G_GUINT64_FORMAT "\n", name,
		x->host, x->verb, x->n);
	g_string_append_printf(s, "%s_sum{host=\"%s\",verb=\"%s\"} ", name, x->host, x->verb);
	add_number(s, x->sum);
	g_string_append_c(s, '\n');
}

char *meter_text(const Meter *m)
{
	GString *s =
		g_string_new("# HELP shiplock_request_seconds Calls to clusters and telemetry, "
			     "without watches.\n# TYPE shiplock_request_seconds histogram\n");
	for (unsigned i = 0; i < m->series->len; i++)
		add_series(s, m->series->pdata[i]);
	return g_string_free(s, false);
}
