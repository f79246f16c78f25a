#include "fleet/notice.h"
#include "fleet/internal.h"
#include "fleet/outbox.h"
#include <string.h>

/* Members of the fleet item's memo: from which record on each receiver is told, and up to which
 * record everybody was. */
#define MEMO_SINCE "notify"
#define MEMO_DONE "noticed"
enum { NOTICE_OPEN = 1, NOTICE_SENT, NOTICE_GIVEN_UP, NOTICE_MAX };

typedef struct Cause {
	Record record; /* its strings are owned */
	json_t *body;
} Cause;

struct Notices {
	Fleet *f;
	Outbox *box;
	Site *site;
	GPtrArray *causes; /* Cause, not dealt with yet, in order */
	GPtrArray *items; /* Item, every notice there ever was, in order; borrowed */
	bool started, queued;
};

/* ---- the act ---- */

static const char *data_of(const Item *it, const char *name)
{
	return json_path_str(item_data(it), name, "");
}

static int64_t age_usec(const Item *it)
{
	return loop_wall_usec(saga_loop(item_saga(it))) -
	       json_path_int(item_data(it), "wallUsec", 0);
}

/* NULL: go on; else why it is not worth sending any more. */
static const char *pointless(const Item *it)
{
	if (!outbox_find(fleet_of(it)->notices->box, data_of(it, "receiver")))
		return "its receiver is no longer configured";
	if (age_usec(it) > NOTICE_KEEP_SEC * SL_USEC_PER_SEC)
		return "it is too old to be of use";
	return NULL;
}

static bool build(Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret)
{
	const char *why = pointless(it);
	if (why) {
		item_set_reason(it, "%s", why);
		return false;
	}
	ret->method = "POST";
	ret->path = g_strdup(key);
	ret->body = json_incref((json_t *)item_data(it));
	/* The journal has the words already, in the item; a template's secrets never get there. */
	ret->want = json_pack("{s:s}", "receiver", data_of(it, "receiver"));
	return true;
}

/* Nothing can be read of what became of it: it is sent again under the same key. */
const ActRow act_notice = { .name = "notice", .effect = EFFECT_BY_KEY, .build = build };

static uint64_t send(Site *site, const ActRequest *r, ActDone *done, void *ud)
{
	Notices *n = site_ctx(site);
	int64_t since = json_path_int(r->body, "wallUsec", 0);
	int64_t left = NOTICE_KEEP_SEC * SL_USEC_PER_SEC - (loop_wall_usec(n->f->o.loop) - since);
	return outbox_send(n->box, json_path_str(r->want, "receiver", ""), r->path, r->body,
		loop_boot_usec(n->f->o.loop) + MAX(left, 0), done, ud);
}

static void forget(Site *site, uint64_t id)
{
	outbox_forget(((Notices *)site_ctx(site))->box, id);
}

static const SiteOps site_ops = { .send = send, .forget = forget };

/* ---- the item ---- */

static StepResult give_up(Item *it, Batch *b, const char *why)
{
	batch_move(b, it, NOTICE_GIVEN_UP, "%s", why);
	return (StepResult){ .verb = STEP_ACT };
}

static StepResult notice_tick(Item *it, int64_t now, Batch *b)
{
	const char *key = data_of(it, "key"), *why = pointless(it);
	const Act *a = act_find(it, &act_notice, key);
	if (a && act_state(a) == ACT_DONE) {
		item_set_reason(it, "taken by the receiver");
		return step_done(NOTICE_SENT);
	}
	if (a && (act_state(a) == ACT_REFUSED || act_state(a) == ACT_FOREIGN))
		return give_up(it, b, json_path_str(act_result(a), "message", "given up"));
	if (why)
		return give_up(it, b, why);
	return step_act(it, &act_notice, key, b);
}

static const StepOps step_notice = { "notice", notice_tick };
static const StateRow states[NOTICE_MAX] = {
	/* A paused fleet still speaks. */
	[NOTICE_OPEN] = { .name = "open",
		.next = TO(NOTICE_SENT) | TO(NOTICE_GIVEN_UP),
		.steps = (const StepOps *const[]){ &step_notice, NULL },
		.puts_back = true,
		.untimed = true },
	[NOTICE_SENT] = { .name = "sent", .end = true, .untimed = true },
	[NOTICE_GIVEN_UP] = { .name = "given-up", .end = true, .untimed = true },
};
const ItemKind notice_kind = { .name = "notice", .states = states, .n_states = NOTICE_MAX };

/* ---- from causes to items ---- */

static void cause_free(void *p)
{
	Cause *c = p;
	g_free(c->record.kind);
	json_decref(c->body);
	g_free(c);
}

Notices *notices_new(Fleet *f)
{
	Notices *n = g_new0(Notices, 1);
	n->f = f;
	n->box = outbox_new(f->o.loop, f->o.http, f->o.log, &f->o.connect);
	n->site = site_new(f->saga, NOTICE_SITE, &site_ops, n);
	n->causes = g_ptr_array_new_with_free_func(cause_free);
	n->items = g_ptr_array_new();
	return n;
}

void notices_free(Notices *n)
{
	if (!n)
		return;
	outbox_free(n->box);
	g_ptr_array_unref(n->causes);
	g_ptr_array_unref(n->items);
	g_free(n);
}

Site *notices_site(const Notices *n)
{
	return n->site;
}

static const json_t *memo(const Notices *n, const char *name)
{
	return json_object_get(item_memo(saga_root(n->f->saga)), name);
}

static bool wants(const json_t *receiver, unsigned events, NoticeOn *ret_on)
{
	static const NoticeOn order[] = { NOTICE_APPROVAL, NOTICE_HOLD, NOTICE_ROLLBACK,
		NOTICE_END };
	size_t i;
	json_t *on;
	for (size_t k = 0; k < G_N_ELEMENTS(order); k++)
		json_array_foreach (json_object_get(receiver, "on"), i, on) {
			*ret_on = order[k];
			if ((events & order[k]) &&
				strcmp(json_string_value(on), notice_event_name(order[k])) == 0)
				return true;
		}
	return false;
}

static void add_notice(
	Notices *n, Batch *b, const Cause *c, const json_t *receiver, NoticeOn on, json_t *fields)
{
	const char *to = json_path_str(receiver, "name", "");
	g_autofree char *name = g_strdup_printf("%s/%" G_GINT64_FORMAT, to, c->record.seq);
	/* The time beside the number: a journal that began anew counts from 1 again. */
	g_autofree char *key = g_strdup_printf("%s.%" G_GINT64_FORMAT ".%" G_GINT64_FORMAT ".%s",
		n->f->name, c->record.seq, c->record.wall_usec, to);
	json_t *data = json_copy(fields);
	json_object_set_new(data, "receiver", json_string(to));
	json_object_set_new(data, "key", json_string(key));
	json_object_set_new(data, "event", json_string(notice_event_name(on)));
	json_object_set_new(data, "wallUsec", json_integer((json_int_t)c->record.wall_usec));
	batch_item(b, saga_root(n->f->saga), &notice_kind, n->site, name, NOTICE_OPEN, data);
}

static void add_notices(Notices *n, Batch *b, const Cause *c, const json_t *since)
{
	unsigned events = notice_events(n->f, &c->record, c->body);
	g_autoptr(json_t) fields = notice_fields(n->f, &c->record, c->body);
	for (size_t i = 0; i < outbox_n(n->box); i++) {
		const json_t *receiver = outbox_nth(n->box, i);
		int64_t from = json_integer_value(
			json_object_get(since, json_path_str(receiver, "name", "")));
		NoticeOn on;
		if (c->record.seq > from && wants(receiver, events, &on))
			add_notice(n, b, c, receiver, on, fields);
	}
}

/* Receivers by name, each with the record after which it is told. New reference. */
static json_t *since_now(const Notices *n)
{
	json_t *since = json_object();
	for (size_t i = 0; i < outbox_n(n->box); i++) {
		const char *name = json_path_str(outbox_nth(n->box, i), "name", "");
		json_t *known = json_object_get(memo(n, MEMO_SINCE), name);
		json_object_set_new(since, name,
			known ? json_incref(known)
			      : json_integer((json_int_t)saga_last_seq(n->f->saga)));
	}
	return since;
}

static void deal(Batch *b, void *ud)
{
	Notices *n = ud;
	n->queued = false;
	g_autoptr(json_t) since = since_now(n);
	const json_t *known = memo(n, MEMO_SINCE);
	Item *root = saga_root(n->f->saga);
	if (known ? !json_equal(since, (json_t *)known) : json_object_size(since) > 0)
		batch_memo(b, root, MEMO_SINCE, json_incref(since));
	for (unsigned i = 0; i < n->causes->len; i++)
		add_notices(n, b, n->causes->pdata[i], since);
	if (n->causes->len > 0 && outbox_n(n->box) > 0) {
		const Cause *last = n->causes->pdata[n->causes->len - 1];
		batch_memo(b, root, MEMO_DONE, json_integer((json_int_t)last->record.seq));
	}
	g_ptr_array_set_size(n->causes, 0);
}

static void queue(Notices *n)
{
	if (!n->started || n->queued)
		return;
	n->queued = true;
	saga_submit(n->f->saga, deal, NULL, n);
}

void notices_set(Notices *n, const json_t *receivers)
{
	outbox_set(n->box, receivers);
	queue(n);
	for (unsigned i = 0; i < n->items->len; i++)
		if (!item_ended(n->items->pdata[i]))
			saga_wake(n->f->saga, n->items->pdata[i]);
}

static void drop_dealt(Notices *n)
{
	int64_t done = json_integer_value(memo(n, MEMO_DONE));
	while (n->causes->len > 0 && ((const Cause *)n->causes->pdata[0])->record.seq <= done)
		g_ptr_array_remove_index(n->causes, 0);
}

void notices_applied(Notices *n, const Record *r, const json_t *body, bool replay)
{
	Item *it = saga_find(n->f->saga, (uint64_t)json_path_int(body, "item", 0));
	if (it && strcmp(r->kind, "item") == 0 && item_kind(it) == &notice_kind)
		g_ptr_array_add(n->items, it);
	if (it && strcmp(r->kind, "note") == 0 && it == saga_root(n->f->saga))
		drop_dealt(n);
	/* Nobody was ever to be told: the past is nobody's news. */
	if (json_object_size(memo(n, MEMO_SINCE)) == 0 || !notice_events(n->f, r, body))
		return;
	Cause *c = g_new0(Cause, 1);
	c->record = (Record){ .seq = r->seq, .wall_usec = r->wall_usec, .kind = g_strdup(r->kind) };
	c->body = json_incref((json_t *)body);
	g_ptr_array_add(n->causes, c);
	queue(n);
}

void notices_start(Notices *n)
{
	n->started = true;
	if (outbox_n(n->box) > 0 || json_object_size(memo(n, MEMO_SINCE)) > 0)
		queue(n);
}

/* ---- looking ---- */

typedef struct Count {
	unsigned n[NOTICE_MAX];
	int64_t oldest_wall_usec; /* of those that wait; 0: none */
} Count;

static Count count(const Notices *n, const char *receiver)
{
	Count c = { 0 };
	for (unsigned i = 0; i < n->items->len; i++) {
		const Item *it = n->items->pdata[i];
		if (strcmp(data_of(it, "receiver"), receiver) != 0)
			continue;
		c.n[item_state(it)]++;
		if (item_state(it) == NOTICE_OPEN && !c.oldest_wall_usec)
			c.oldest_wall_usec = item_since_wall_usec(it);
	}
	return c;
}

json_t *notices_json(Notices *n)
{
	json_t *out = json_array();
	int64_t now = loop_wall_usec(n->f->o.loop);
	for (size_t i = 0; i < outbox_n(n->box); i++) {
		const char *name = json_path_str(outbox_nth(n->box, i), "name", "");
		Count c = count(n, name);
		int64_t old = c.oldest_wall_usec ? (now - c.oldest_wall_usec) / SL_USEC_PER_SEC : 0;
		json_array_append_new(out,
			json_pack("{s:s, s:i, s:i, s:i, s:I, s:s?}", "receiver", name, "waiting",
				(int)c.n[NOTICE_OPEN], "sent", (int)c.n[NOTICE_SENT], "givenUp",
				(int)c.n[NOTICE_GIVEN_UP], "oldestSeconds", (json_int_t)MAX(old, 0),
				"error", outbox_error(n->box, name)));
	}
	return out;
}

void notices_metrics(Notices *n, GString *s)
{
	g_autoptr(json_t) list = notices_json(n);
	size_t i;
	json_t *r;
	g_string_append(s, "# HELP shiplock_notice_waiting Notices that a receiver has not taken "
			   "yet.\n# TYPE shiplock_notice_waiting gauge\n");
	json_array_foreach (list, i, r)
		g_string_append_printf(s, "shiplock_notice_waiting{receiver=\"%s\"} %d\n",
			json_path_str(r, "receiver", ""), (int)json_path_int(r, "waiting", 0));
	g_string_append(s, "# HELP shiplock_notice_total Notices by what became of them.\n"
			   "# TYPE shiplock_notice_total counter\n");
	json_array_foreach (list, i, r)
		g_string_append_printf(s,
			"shiplock_notice_total{receiver=\"%s\",result=\"sent\"} %d\n"
			"shiplock_notice_total{receiver=\"%s\",result=\"given-up\"} %d\n",
			json_path_str(r, "receiver", ""), (int)json_path_int(r, "sent", 0),
			json_path_str(r, "receiver", ""), (int)json_path_int(r, "givenUp", 0));
}
