/* The one place where what the journal holds changes: live, when a batch is durable, and at replay.
 */
#include "saga/internal.h"
#include <string.h>

Item *item_new(
	Saga *s, uint64_t id, Item *parent, const ItemKind *kind, Site *site, const char *name)
{
	Item *it = g_new0(Item, 1);
	it->id = id;
	it->saga = s;
	it->kind = kind;
	it->name = g_strdup(name);
	it->parent = parent;
	it->site = site;
	it->children = g_ptr_array_new();
	it->acts = g_ptr_array_new_with_free_func((GDestroyNotify)act_free);
	it->holds = g_ptr_array_new();
	it->looks = json_array();
	it->pivots = json_array();
	it->memo = json_object();
	it->uses = g_ptr_array_new();
	it->obs_mark_usec = it->recorded_usec = loop_boot_usec(s->loop);
	it->obs_lost_mark = s->lost_usec;
	if (parent)
		g_ptr_array_add(parent->children, it);
	g_ptr_array_add(s->items, it);
	return it;
}

static void hold_free(Hold *h)
{
	g_free(h->cause);
	g_free(h->reason);
	g_free(h->by);
	g_free(h);
}

static void drop_holds(Item *it, const char *cause, bool all_but_person)
{
	for (guint i = it->holds->len; i > 0; i--) {
		Hold *h = g_ptr_array_index(it->holds, i - 1);
		bool match = cause ? strcmp(h->cause, cause) == 0
				   : !(all_but_person && strcmp(h->by, "person") == 0);
		if (!match)
			continue;
		g_ptr_array_remove_index(it->holds, i - 1);
		hold_free(h);
	}
}

void item_free(Item *it)
{
	loop_cancel(it->saga->loop, &it->timer);
	item_set_ctx(it, NULL, NULL);
	drop_holds(it, NULL, false);
	g_ptr_array_free(it->holds, TRUE);
	g_ptr_array_free(it->acts, TRUE);
	g_ptr_array_free(it->children, TRUE);
	g_ptr_array_free(it->uses, TRUE);
	json_decref(it->data);
	json_decref(it->looks);
	json_decref(it->pivots);
	json_decref(it->memo);
	g_free(it->name);
	g_free(it->why);
	g_free(it->end);
	g_free(it->reason);
	g_free(it);
}

static unsigned state_by_name(const ItemKind *k, const char *name)
{
	for (unsigned i = 1; i < k->n_states; i++)
		if (k->states[i].name && strcmp(k->states[i].name, name) == 0)
			return i;
	return 0;
}

static void apply_item(Saga *s, const Record *r, const json_t *body)
{
	uint64_t id = (uint64_t)json_path_int(body, "item", 0);
	Item *parent = saga_find(s, (uint64_t)json_path_int(body, "parent", 0));
	const ItemKind *kind = s->hooks.kind(json_path_str(body, "kind", ""), s->ud);
	if (!parent) /* of a run whose beginning was pruned: it has ended */
		return;
	g_assert(kind);
	const char *cluster = json_path_str(body, "cluster", NULL);
	Site *site = cluster ? s->hooks.site(cluster, s->ud) : NULL;
	Item *it = item_new(s, id, parent, kind, site, json_path_str(body, "name", ""));
	it->site_gone = cluster && !site;
	it->state = state_by_name(kind, json_path_str(body, "state", ""));
	g_assert(it->state);
	it->since_wall_usec = r->wall_usec;
	it->data = json_incref(json_object_get(body, "data"));
	item_ready(it);
	item_ready(parent);
}

static void wake_tree(Item *it)
{
	item_ready(it);
	for (guint i = 0; i < it->children->len; i++)
		wake_tree(g_ptr_array_index(it->children, i));
}

static void apply_move(Item *it, const Record *r, const json_t *body)
{
	unsigned to = state_by_name(it->kind, json_path_str(body, "to", ""));
	g_assert(to);
	if (to != it->state) {
		it->since_wall_usec = r->wall_usec;
		it->obs_base_usec = it->granted_usec = 0;
		drop_holds(it, NULL, true);
		json_array_clear(it->looks);
		wake_tree(it);
	}
	it->state = to;
	it->step = (unsigned)json_path_int(body, "step", 0);
	g_free(it->why);
	it->why = g_strdup(json_path_str(body, "why", ""));
	g_clear_pointer(&it->reason, g_free);
}

static void apply_intent(Saga *s, Item *it, const json_t *body)
{
	uint64_t id = (uint64_t)json_path_int(body, "act", 0);
	const ActRow *row = s->hooks.row(json_path_str(body, "row", ""), s->ud);
	g_assert(row && !item_find_act(it, id));
	Act *a = act_new(it, id, row, json_path_str(body, "key", ""));
	a->want = json_incref(json_object_get(body, "want"));
	a->undo = json_incref(json_object_get(body, "undo"));
	a->undoes = (uint64_t)json_path_int(body, "undoes", 0);
	a->fences = (uint64_t)json_path_int(body, "fences", 0);
	a->attempt = (int)json_path_int(body, "attempt", 1);
	a->shadow = json_path_bool(body, "shadow", false);
	a->unknown_usec = loop_boot_usec(s->loop);
}

static void act_is_done(Act *a)
{
	Item *it = a->item;
	if (a->undoes) {
		Act *mark = item_find_act(it, a->undoes);
		g_assert(mark);
		mark->state = ACT_UNDONE;
		for (guint i = 0; mark->row->claim && i < it->acts->len; i++) {
			Act *older = g_ptr_array_index(it->acts, i);
			if (older->row->undo == mark->row->undo && older->state == ACT_DONE)
				older->state = ACT_UNDONE; /* taken again since, or over */
		}
	}
	Act *fenced = a->fences ? item_find_act(it, a->fences) : NULL;
	if (fenced)
		fenced->fenced = true;
	/* Written after the last restart or gap: that is as good as a read. */
	Saga *s = it->saga;
	if (a->row->claim && it->site && !s->replaying &&
		a->unknown_usec >= MAX(s->prove_after_usec, it->site->gap_usec))
		it->site->proven = true;
}

static void apply_result(Item *it, const json_t *body)
{
	static const struct {
		const char *name;
		ActState state;
	} classes[] = {
		{ "done", ACT_DONE },
		{ "absent", ACT_ABSENT },
		{ "refused", ACT_REFUSED },
		{ "foreign", ACT_FOREIGN },
	};
	Act *a = item_find_act(it, (uint64_t)json_path_int(body, "act", 0));
	g_assert(a && a->state == ACT_OPEN); /* exactly one result for an intent */
	const char *class = json_path_str(body, "class", "");
	for (size_t i = 0; i < G_N_ELEMENTS(classes); i++)
		if (strcmp(classes[i].name, class) == 0)
			a->state = classes[i].state;
	g_assert(a->state != ACT_OPEN);
	a->result = json_incref((json_t *)body);
	a->answered = false;
	a->settled_usec = it->saga->replaying ? 0 : loop_boot_usec(it->saga->loop);
	if (a->state == ACT_DONE)
		act_is_done(a);
	if (it->site && a->row->fact && !a->row->fact->pushed)
		site_fact_forget(it->site, a->row->fact, a->key);
}

static void apply_hold(Item *it, const Record *r, const json_t *body)
{
	drop_holds(it, json_path_str(body, "cause", ""), false);
	Hold *h = g_new0(Hold, 1);
	h->cause = g_strdup(json_path_str(body, "cause", ""));
	h->reason = g_strdup(json_path_str(body, "reason", ""));
	h->by = g_strdup(json_path_str(body, "by", ""));
	h->person = json_path_bool(body, "person", false);
	h->since_wall_usec = r->wall_usec;
	h->obs_usec = json_path_int(body, "obs", 0);
	h->seq = r->seq;
	g_ptr_array_add(it->holds, h);
}

/* A person who clears a hold lets the item wait once more, and says that its cause may be gone:
 * what was read of the claim before counts no more. */
static void apply_unhold(Item *it, const json_t *body)
{
	const char *cause = json_path_str(body, "cause", "");
	const Hold *ended = item_find_hold(it, cause);
	bool stood = it->kind->stands_still && it->kind->stands_still(it);
	if (ended && stood && it->holds->len == 1) /* the deadline stood still meanwhile */
		it->granted_usec += MAX(it->obs_base_usec - ended->obs_usec, 0);
	drop_holds(it, cause, false);
	if (strcmp(cause, "deadline") == 0)
		it->granted_usec = it->obs_base_usec;
	for (guint i = 0; strcmp(cause, "held-too-long") == 0 && i < it->holds->len; i++)
		((Hold *)g_ptr_array_index(it->holds, i))->obs_usec = it->obs_base_usec;
	if (it->site && it->site->ops->claim_fact && !it->site->proven)
		site_fact_forget(it->site, it->site->ops->claim_fact, it->site->ops->claim_key);
}

static void apply_epoch(Saga *s, const json_t *body)
{
	Site *site = s->hooks.site(json_path_str(body, "cluster", ""), s->ud);
	if (!site)
		return;
	int64_t epoch = json_path_int(body, "epoch", 0);
	if (epoch > site->epoch)
		for (guint i = 0; i < site->facts->len; i++) {
			Fact *f = g_ptr_array_index(site->facts, i);
			if (!f->row->pushed)
				f->min_sent_usec = loop_boot_usec(s->loop);
		}
	site->epoch = MAX(site->epoch, epoch);
	site->claimed = json_path_bool(body, "held", false);
}

static void apply_to_item(Saga *s, Item *it, const Record *r, const json_t *body)
{
	int64_t now = loop_boot_usec(s->loop);
	it->obs_base_usec = json_path_int(body, "obs", it->obs_base_usec);
	it->obs_mark_usec = it->recorded_usec = now;
	it->obs_lost_mark = s->lost_usec;
	json_t *memo = json_object_get(body, "memo");
	if (memo)
		json_object_update(it->memo, memo);
	if (strcmp(r->kind, "move") == 0)
		apply_move(it, r, body);
	else if (strcmp(r->kind, "intent") == 0)
		apply_intent(s, it, body);
	else if (strcmp(r->kind, "result") == 0)
		apply_result(it, body);
	else if (strcmp(r->kind, "look") == 0)
		json_array_append(it->looks, (json_t *)body);
	else if (strcmp(r->kind, "hold") == 0)
		apply_hold(it, r, body);
	else if (strcmp(r->kind, "unhold") == 0)
		apply_unhold(it, body);
	else if (strcmp(r->kind, "pivot") == 0)
		json_array_append(it->pivots, (json_t *)body);
	if (strcmp(r->kind, "note") == 0 && !memo)
		return;
	if (strcmp(r->kind, "hold") == 0 || strcmp(r->kind, "unhold") == 0)
		wake_tree(it);
	item_ready(it);
	if (it->parent)
		item_ready(it->parent);
}

static bool strange(const Record *r, const char *what, const char *name, GError **err)
{
	return sl_fail(err, SL_ERR_INVALID,
		"record %" G_GINT64_FORMAT
		" (%s): this version knows no %s \"%s\"; start the version that wrote it, "
		"let its runs end, then change",
		r->seq, r->kind, what, name);
}

static bool knows_item(Saga *s, const Record *r, const json_t *body, GError **err)
{
	const char *name = json_path_str(body, "kind", ""),
		   *state = json_path_str(body, "state", "");
	const ItemKind *kind = s->hooks.kind(name, s->ud);
	if (!kind)
		return strange(r, "kind of item", name, err);
	return state_by_name(kind, state) || strange(r, "state", state, err);
}

bool saga_knows(Saga *s, const Record *r, const json_t *body, GError **err)
{
	const Item *it = saga_find(s, (uint64_t)json_path_int(body, "item", 0));
	const char *to = json_path_str(body, "to", ""), *row = json_path_str(body, "row", "");
	if (strcmp(r->kind, "item") == 0)
		return knows_item(s, r, body, err);
	if (!it)
		return true;
	if (strcmp(r->kind, "move") == 0)
		return state_by_name(it->kind, to) || strange(r, "state", to, err);
	if (strcmp(r->kind, "intent") == 0)
		return s->hooks.row(row, s->ud) || strange(r, "act", row, err);
	return true;
}

void saga_apply(Saga *s, const Record *r, const json_t *body)
{
	uint64_t item = (uint64_t)json_path_int(body, "item", 0);
	uint64_t act = (uint64_t)json_path_int(body, "act", 0);
	s->last_seq = r->seq;
	s->next_id = MAX(s->next_id, MAX(item, act)); /* also of what is passed over */
	if (strcmp(r->kind, "item") == 0)
		apply_item(s, r, body);
	else if (strcmp(r->kind, "epoch") == 0)
		apply_epoch(s, body);
	else {
		Item *it = saga_find(s, item);
		if (it)
			apply_to_item(s, it, r, body);
	}
	if (s->hooks.applied)
		s->hooks.applied(r, body, s->replaying, s->ud);
}
