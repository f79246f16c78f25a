#include "fleet/outbox.h"
#include "codec/json.h"
#include "plan/value.h"
#include <string.h>

enum { OUTBOX_SHIFT_MAX = 10 };

typedef struct Receiver Receiver;

typedef struct Letter {
	uint64_t id;
	Receiver *to;
	char *key;
	json_t *fields;
	int64_t give_up_usec, not_before_usec;
	unsigned n_tries, n_refusals; /* refused for what it says, not for who asks */
	ActDone *done;
	void *ud;
} Letter;

struct Receiver {
	Outbox *box;
	char *name;
	json_t *spec;
	GQueue letters; /* Letter, oldest first; owns them */
	HttpEndpoint wire; /* of the try under way: the connect's strings, or without its token */
	uint64_t request; /* the try under way, 0: none */
	Letter *trying; /* NULL: forgotten meanwhile */
	int64_t not_before_usec;
	unsigned n_failures;
	char *error;
	uint64_t timer;
};

struct Outbox {
	Loop loop;
	Http http;
	Log log;
	FleetConnect connect;
	uint64_t next_id;
	GPtrArray *receivers; /* Receiver, in the order of the configuration */
	GPtrArray *strays; /* Letter, for receivers that are not there; owns them */
	uint64_t stray_timer;
};

static void letter_free(void *p)
{
	Letter *l = p;
	g_free(l->key);
	json_decref(l->fields);
	g_free(l);
}

static void receiver_free(void *p)
{
	Receiver *r = p;
	http_forget(r->box->http, &r->request);
	loop_cancel(r->box->loop, &r->timer);
	g_queue_clear_full(&r->letters, letter_free);
	json_decref(r->spec);
	g_free(r->name);
	g_free(r->error);
	g_free(r);
}

Outbox *outbox_new(Loop loop, Http http, Log log, const FleetConnect *connect)
{
	Outbox *o = g_new0(Outbox, 1);
	*o = (Outbox){ .loop = loop, .http = http, .log = log, .connect = *connect };
	o->receivers = g_ptr_array_new_with_free_func(receiver_free);
	o->strays = g_ptr_array_new_with_free_func(letter_free);
	return o;
}

void outbox_free(Outbox *o)
{
	if (!o)
		return;
	loop_cancel(o->loop, &o->stray_timer);
	g_ptr_array_unref(o->receivers);
	g_ptr_array_unref(o->strays);
	g_free(o);
}

static Receiver *receiver_find(const Outbox *o, const char *name)
{
	for (unsigned i = 0; i < o->receivers->len; i++) {
		Receiver *r = o->receivers->pdata[i];
		if (strcmp(r->name, name) == 0)
			return r;
	}
	return NULL;
}

/* ---- what is posted ---- */

typedef struct Filling {
	const json_t *fields;
	const char *token;
	bool token_used;
} Filling;

static const char *field_value(const char *name, void *ud)
{
	Filling *f = ud;
	if (strcmp(name, "token") != 0)
		return json_string_value(json_object_get(f->fields, name));
	f->token_used = true;
	return f->token;
}

/* The template with its texts filled in. New reference. */
static json_t *fill(const json_t *template, Filling *f)
{
	json_t *child, *out;
	const char *key;
	size_t i;
	if (json_is_string(template)) {
		g_autofree char *text = doc_fill(json_string_value(template), field_value, f);
		return json_string(text);
	}
	if (json_is_object(template)) {
		out = json_object();
		json_object_foreach ((json_t *)template, key, child)
			json_object_set_new(out, key, fill(child, f));
		return out;
	}
	if (!json_is_array(template))
		return json_incref((json_t *)template);
	out = json_array();
	json_array_foreach (template, i, child)
		json_array_append_new(out, fill(child, f));
	return out;
}

/* ---- trying ---- */

static void pump(void *ud);

static void arm(Receiver *r, int64_t at_usec)
{
	loop_cancel(r->box->loop, &r->timer);
	r->timer = loop_timer(r->box->loop, at_usec, pump, r);
}

/* Takes the letter out and says what became of it. */
static void settle(Receiver *r, Letter *l, AnswerClass class, int status, const char *why)
{
	g_autoptr(json_t) detail = why ? json_pack("{s:s}", "message", why) : NULL;
	ActAnswer a = { .class = class, .status = status, .retry_after_sec = -1, .detail = detail };
	ActDone *done = l->done;
	void *to = l->ud;
	g_queue_remove(&r->letters, l);
	letter_free(l);
	done(&a, to);
}

static int64_t backoff_usec(unsigned n, int retry_after_sec)
{
	unsigned shift = MIN(n - 1, (unsigned)OUTBOX_SHIFT_MAX);
	int64_t sec = retry_after_sec > 0 ? retry_after_sec : (int64_t)1 << shift;
	return MIN(sec, (int64_t)OUTBOX_BACKOFF_MAX_SEC) * SL_USEC_PER_SEC;
}

/* What the receiver does not like about this one; with everything else the others would fare no
 * better. */
static bool is_about_the_letter(int status)
{
	static const int others[] = { 401, 403, 404, 407, 408, 410, 425, 429 };
	for (size_t i = 0; i < G_N_ELEMENTS(others); i++)
		if (status == others[i])
			return false;
	return status >= 400 && status < 500;
}

/* Told once for each new reason, not at each try. Takes text. */
static void failed(Receiver *r, char *text)
{
	if (g_strcmp0(r->error, text) != 0)
		sl_log(r->box->log, LOG_LEVEL_WARNING, LOG_NO_FIELDS,
			"notify %s: %s; %u wait%s and will be tried again", r->name, text,
			r->letters.length, r->letters.length == 1 ? "s" : "");
	g_free(r->error);
	r->error = text;
}

static void wait_for_receiver(Receiver *r, int retry_after_sec)
{
	r->not_before_usec =
		loop_boot_usec(r->box->loop) + backoff_usec(++r->n_failures, retry_after_sec);
}

static void refused(Receiver *r, Letter *l, const HttpAnswer *a)
{
	failed(r, g_strdup_printf("it answers %d%s", a->status,
			  a->status / 100 == 3 ? ", and redirects are not followed" : ""));
	if (!is_about_the_letter(a->status)) {
		wait_for_receiver(r, a->retry_after_sec);
		return;
	}
	r->n_failures = 0;
	l->not_before_usec =
		loop_boot_usec(r->box->loop) + backoff_usec(++l->n_refusals, a->retry_after_sec);
}

static void accepted(Receiver *r, Letter *l, int status)
{
	if (r->error)
		sl_log(r->box->log, LOG_LEVEL_NOTICE, LOG_NO_FIELDS,
			"notify %s: it answers again, %u still wait%s", r->name,
			r->letters.length - 1, r->letters.length == 2 ? "s" : "");
	g_clear_pointer(&r->error, g_free);
	r->n_failures = 0;
	settle(r, l, ANSWER_DONE, status, NULL);
}

static void on_answer(const HttpAnswer *a, void *ud)
{
	Receiver *r = ud;
	Letter *l = r->trying;
	r->request = 0;
	r->trying = NULL;
	arm(r, 0);
	if (l && a->outcome == HTTP_ANSWERED && a->status / 100 == 2) {
		accepted(r, l, a->status);
	} else if (l && a->outcome == HTTP_ANSWERED) {
		refused(r, l, a);
	} else if (l) {
		failed(r, g_strdup(a->error));
		wait_for_receiver(r, 0);
	}
}

static void post(Receiver *r, Letter *l, const HttpEndpoint *e)
{
	Filling f = { .fields = l->fields, .token = e->bearer };
	g_autoptr(json_t) body = fill(json_object_get(r->spec, "body"), &f);
	char *text = json_canonical(body);
	unsigned shift = MIN(l->n_tries++, (unsigned)OUTBOX_SHIFT_MAX);
	int sec = MIN(OUTBOX_TIMEOUT_SEC << shift, (int)OUTBOX_TIMEOUT_MAX_SEC);
	HttpHeader key = { "Idempotency-Key", l->key };
	r->wire = *e;
	if (f.token_used)
		r->wire.bearer = NULL;
	HttpRequest q = {
		.endpoint = &r->wire,
		.method = "POST",
		.path = "",
		.content_type = "application/json",
		.headers = &key,
		.n_headers = 1,
		.body = text,
		.n_body = strlen(text),
		.timeout_msec = sec * 1000,
		.max_bytes = OUTBOX_ANSWER_MAX_BYTES,
	};
	r->trying = l;
	r->request = http_request(r->box->http, &q, on_answer, r);
	explicit_bzero(text, strlen(text)); /* it may hold the token */
	g_free(text);
}

static void try_letter(Receiver *r, Letter *l)
{
	Outbox *o = r->box;
	g_autoptr(GError) err = NULL;
	const HttpEndpoint *e = NULL;
	if (o->connect.receiver)
		e = o->connect.receiver(o->connect.ud, r->spec, &err);
	if (e) {
		post(r, l, e);
		return;
	}
	failed(r, g_strdup(err ? err->message : "nothing here can send it"));
	wait_for_receiver(r, 0);
	arm(r, 0);
}

/* Those that were tried until their time was over. */
static void give_up(Receiver *r, int64_t now)
{
	for (GList *at = r->letters.head, *next; at; at = next) {
		Letter *l = at->data;
		next = at->next;
		if (l->give_up_usec > now)
			continue;
		g_autofree char *why = g_strdup_printf(
			"given up: %s", r->error ? r->error : "it was never answered");
		sl_log(r->box->log, LOG_LEVEL_ERROR, LOG_NO_FIELDS, "notify %s: notice %s is %s",
			r->name, l->key, why);
		settle(r, l, ANSWER_NOT_APPLIED, 0, why);
	}
}

/* Always from the loop: no completion is called from inside the call that started it. */
static void pump(void *ud)
{
	Receiver *r = ud;
	int64_t now = loop_boot_usec(r->box->loop), at = INT64_MAX;
	r->timer = 0;
	if (r->request)
		return;
	give_up(r, now);
	for (GList *x = r->letters.head; x; x = x->next) {
		Letter *l = x->data;
		int64_t from = MAX(l->not_before_usec, r->not_before_usec);
		if (from <= now) {
			try_letter(r, l);
			return;
		}
		at = MIN(at, MIN(from, l->give_up_usec));
	}
	if (at < INT64_MAX)
		arm(r, at);
}

/* ---- for receivers that are not configured ---- */

static void answer_strays(void *ud)
{
	Outbox *o = ud;
	o->stray_timer = 0;
	g_autoptr(json_t) detail =
		json_pack("{s:s}", "message", "its receiver is no longer configured");
	ActAnswer a = { .class = ANSWER_NOT_APPLIED, .retry_after_sec = -1, .detail = detail };
	while (o->strays->len > 0) {
		Letter *l = g_ptr_array_steal_index(o->strays, 0);
		ActDone *done = l->done;
		void *to = l->ud;
		letter_free(l);
		done(&a, to);
	}
}

static void add_stray(Outbox *o, Letter *l)
{
	l->to = NULL;
	g_ptr_array_add(o->strays, l);
	if (!o->stray_timer)
		o->stray_timer = loop_defer(o->loop, answer_strays, o);
}

/* ---- the configuration ---- */

static Receiver *receiver_new(Outbox *o, const json_t *spec)
{
	Receiver *r = g_new0(Receiver, 1);
	r->box = o;
	r->name = g_strdup(json_path_str(spec, "name", ""));
	r->spec = json_deep_copy(spec);
	g_queue_init(&r->letters);
	return r;
}

/* A changed receiver is asked at once: what was wrong may be mended. */
static void receiver_renew(Receiver *r, const json_t *spec)
{
	if (json_equal(r->spec, (json_t *)spec))
		return;
	json_decref(r->spec);
	r->spec = json_deep_copy(spec);
	r->not_before_usec = 0;
	r->n_failures = 0;
	for (GList *at = r->letters.head; at; at = at->next)
		((Letter *)at->data)->not_before_usec = 0;
	if (!r->request)
		arm(r, 0);
}

static void lose_receiver(Outbox *o, Receiver *r)
{
	if (r->letters.length > 0)
		sl_log(o->log, LOG_LEVEL_WARNING, LOG_NO_FIELDS,
			"notify %s is no longer configured: %u not sent", r->name,
			r->letters.length);
	for (Letter *l; (l = g_queue_pop_head(&r->letters));)
		add_stray(o, l);
	receiver_free(r);
}

void outbox_set(Outbox *o, const json_t *receivers)
{
	GPtrArray *old = o->receivers;
	size_t i;
	json_t *spec;
	o->receivers = g_ptr_array_new_with_free_func(receiver_free);
	g_ptr_array_set_free_func(old, NULL);
	json_array_foreach (receivers, i, spec) {
		Receiver *r = NULL;
		for (unsigned k = 0; !r && k < old->len; k++) {
			Receiver *have = old->pdata[k];
			if (strcmp(have->name, json_path_str(spec, "name", "")) == 0)
				r = g_ptr_array_remove_index(old, k);
		}
		if (r)
			receiver_renew(r, spec);
		else
			r = receiver_new(o, spec);
		g_ptr_array_add(o->receivers, r);
	}
	for (unsigned k = 0; k < old->len; k++)
		lose_receiver(o, old->pdata[k]);
	g_ptr_array_unref(old);
}

size_t outbox_n(const Outbox *o)
{
	return o->receivers->len;
}

const json_t *outbox_nth(const Outbox *o, size_t i)
{
	return ((const Receiver *)o->receivers->pdata[i])->spec;
}

const json_t *outbox_find(const Outbox *o, const char *name)
{
	const Receiver *r = receiver_find(o, name);
	return r ? r->spec : NULL;
}

const char *outbox_error(const Outbox *o, const char *receiver)
{
	const Receiver *r = receiver_find(o, receiver);
	return r ? r->error : NULL;
}

uint64_t outbox_send(Outbox *o, const char *receiver, const char *key, json_t *fields,
	int64_t give_up_usec, ActDone *done, void *ud)
{
	Receiver *r = receiver_find(o, receiver);
	Letter *l = g_new0(Letter, 1);
	*l = (Letter){ .id = ++o->next_id,
		.to = r,
		.key = g_strdup(key),
		.fields = json_incref(fields),
		.give_up_usec = give_up_usec,
		.done = done,
		.ud = ud };
	if (!r) {
		add_stray(o, l);
		return l->id;
	}
	g_queue_push_tail(&r->letters, l);
	if (!r->request)
		arm(r, 0);
	return l->id;
}

void outbox_forget(Outbox *o, uint64_t id)
{
	for (unsigned i = 0; i < o->strays->len; i++)
		if (((const Letter *)o->strays->pdata[i])->id == id) {
			g_ptr_array_remove_index(o->strays, i);
			return;
		}
	for (unsigned i = 0; i < o->receivers->len; i++) {
		Receiver *r = o->receivers->pdata[i];
		for (GList *at = r->letters.head; at; at = at->next) {
			Letter *l = at->data;
			if (l->id != id)
				continue;
			if (r->trying == l)
				r->trying = NULL;
			g_queue_delete_link(&r->letters, at);
			letter_free(l);
			return;
		}
	}
}
