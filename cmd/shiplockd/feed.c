#include "feed.h"
#include "codec/json.h"
#include "objects/time.h"
#include "plan/doc.h"
#include <string.h>

typedef struct Kept {
	int64_t seq;
	char *text;
} Kept;

struct Feed {
	Store store;
	int64_t from_seq; /* older events are not kept */
	GQueue kept; /* Kept, oldest first */
	GPtrArray *streams; /* WebStream */
};

static void kept_free(void *p)
{
	Kept *k = p;
	g_free(k->text);
	g_free(k);
}

Feed *feed_new(Store store, int64_t last_seq)
{
	Feed *f = g_new0(Feed, 1);
	f->store = store;
	f->from_seq = last_seq - FEED_KEEP;
	g_queue_init(&f->kept);
	f->streams = g_ptr_array_new();
	return f;
}

void feed_free(Feed *f)
{
	if (!f)
		return;
	g_queue_clear_full(&f->kept, kept_free);
	g_ptr_array_unref(f->streams);
	g_free(f);
}

static void add_body(json_t *event, const json_t *body)
{
	g_autofree char *text = body ? json_canonical(body) : NULL;
	if (text && strlen(text) <= FEED_BODY_MAX_BYTES)
		json_object_set(event, "body", (json_t *)body);
}

json_t *feed_record_event(const Record *r, const json_t *body)
{
	g_autofree char *time = sl_time_format_micro(r->wall_usec);
	json_t *event = json_pack("{s:s,s:s,s:I,s:s,s:s}", "apiVersion", DOC_API_VERSION, "kind",
		"Event", "seq", (json_int_t)r->seq, "time", time, "type", r->kind);
	add_body(event, body);
	return event;
}

static char *event_text(const FleetEvent *e)
{
	g_autoptr(json_t) event = feed_record_event(e->record, e->body);
	const struct {
		const char *name, *value;
	} fields[] = { { "run", e->run }, { "cluster", e->cluster }, { "state", e->state },
		{ "text", e->text } };
	for (size_t i = 0; i < G_N_ELEMENTS(fields); i++)
		if (fields[i].value && *fields[i].value)
			json_object_set_new(event, fields[i].name, json_string(fields[i].value));
	return json_canonical(event);
}

static void push(WebStream *s, int64_t seq, const char *text)
{
	g_autofree char *id = g_strdup_printf("%" G_GINT64_FORMAT, seq);
	web_stream_push(s, id, NULL, text);
}

void feed_listener(const FleetEvent *e, void *ud)
{
	Feed *f = ud;
	if (e->record->seq <= f->from_seq)
		return;
	Kept *k = g_new0(Kept, 1);
	*k = (Kept){ e->record->seq, event_text(e) };
	g_queue_push_tail(&f->kept, k);
	if (f->kept.length > FEED_KEEP)
		kept_free(g_queue_pop_head(&f->kept));
	for (unsigned i = 0; i < f->streams->len; i++)
		push(f->streams->pdata[i], k->seq, k->text);
}

static void on_closed(WebStream *s, void *ud)
{
	g_ptr_array_remove(((Feed *)ud)->streams, s);
}

typedef struct Burst {
	WebStream *to;
	int64_t before; /* the first event that is in memory */
	size_t left; /* bytes */
} Burst;

/* False: that is enough for now. */
static bool burst(Burst *b, int64_t seq, const char *text)
{
	size_t n = strlen(text);
	if (n > b->left)
		return false;
	b->left -= n;
	push(b->to, seq, text);
	return true;
}

static bool replay_one(const Record *r, void *ud)
{
	Burst *b = ud;
	if (r->seq >= b->before)
		return false;
	g_autoptr(json_t) body = json_parse(r->body, strlen(r->body), NULL);
	g_autoptr(json_t) event = feed_record_event(r, body);
	g_autofree char *text = json_canonical(event);
	if (burst(b, r->seq, text))
		return true;
	b->left = 0;
	return false;
}

static bool send_past(Feed *f, WebStream *s, int64_t after)
{
	const Kept *first = g_queue_peek_head(&f->kept);
	Burst b = { s, first ? first->seq : INT64_MAX, FEED_BURST_BYTES };
	if (after + 1 < b.before)
		f->store.ops->replay(f->store.self, after, replay_one, &b, NULL);
	for (GList *l = f->kept.head; l; l = l->next) {
		const Kept *k = l->data;
		if (k->seq > after && !burst(&b, k->seq, k->text))
			return false;
	}
	return true;
}

void feed_stream(Feed *f, WebRequest *r, int64_t after)
{
	WebStream *s = web_stream(r, on_closed, f);
	if (after < 0 || send_past(f, s, after))
		g_ptr_array_add(f->streams, s);
	else
		web_stream_end(s);
}
