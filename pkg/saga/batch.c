#include "saga/internal.h"
#include <string.h>

static void submission_free(void *p)
{
	g_free(p);
}

Batch *batch_new(Saga *s)
{
	Batch *b = g_new0(Batch, 1);
	b->saga = s;
	b->serial = ++s->serial;
	b->wall_usec = loop_wall_usec(s->loop);
	b->records = g_ptr_array_new_with_free_func((GDestroyNotify)record_free);
	b->bodies = g_ptr_array_new_with_free_func((GDestroyNotify)json_decref);
	b->sends = g_ptr_array_new_with_free_func((GDestroyNotify)send_free);
	b->open_rows = g_ptr_array_new();
	b->submissions = g_ptr_array_new_with_free_func(submission_free);
	return b;
}

void batch_free(Batch *b)
{
	if (!b)
		return;
	g_ptr_array_free(b->records, TRUE);
	g_ptr_array_free(b->bodies, TRUE);
	g_ptr_array_free(b->sends, TRUE);
	g_ptr_array_free(b->open_rows, TRUE);
	g_ptr_array_free(b->submissions, TRUE);
	g_free(b);
}

json_t *batch_body(const Batch *b, const Item *it)
{
	json_t *body = json_object();
	json_object_set_new(body, "item", json_integer((json_int_t)it->id));
	int64_t obs = item_observed_at(it, loop_boot_usec(b->saga->loop));
	json_object_set_new(body, "obs", json_integer(obs));
	if (it->site)
		json_object_set_new(body, "cluster", json_string(it->site->name));
	return body;
}

void batch_add(Batch *b, const char *kind, json_t *body)
{
	Record *r = g_new0(Record, 1);
	r->wall_usec = b->wall_usec;
	r->kind = g_strdup(kind);
	r->body = json_canonical(body);
	g_ptr_array_add(b->records, r);
	g_ptr_array_add(b->bodies, body);
}

int64_t batch_wall_usec(const Batch *b)
{
	return b->wall_usec;
}

bool batch_moved(const Batch *b, const Item *it)
{
	return b && it->moved_in == b->serial;
}

unsigned batch_n_of(const Batch *b, const char *kind)
{
	unsigned n = 0;
	for (unsigned i = 0; i < b->records->len; i++)
		n += strcmp(((const Record *)g_ptr_array_index(b->records, i))->kind, kind) == 0;
	return n;
}

unsigned batch_open_acts(const Batch *b, const Site *site, const ActRow *row)
{
	unsigned n = 0;
	for (guint i = 0; i + 1 < b->open_rows->len; i += 2)
		n += g_ptr_array_index(b->open_rows, i) == site &&
		     g_ptr_array_index(b->open_rows, i + 1) == row;
	for (guint i = 0; i < b->saga->items->len; i++) {
		const Item *it = g_ptr_array_index(b->saga->items, i);
		for (guint k = 0; it->site == site && k < it->acts->len; k++) {
			const Act *a = g_ptr_array_index(it->acts, k);
			n += a->row == row && a->state == ACT_OPEN;
		}
	}
	return n;
}

Item *batch_item(Batch *b, Item *parent, const ItemKind *kind, Site *site, const char *name,
	unsigned state, json_t *data)
{
	if (parent->frozen) {
		json_decref(data);
		return NULL;
	}
	json_t *body = json_object();
	json_object_set_new(body, "item", json_integer((json_int_t)++b->saga->next_id));
	json_object_set_new(body, "parent", json_integer((json_int_t)parent->id));
	json_object_set_new(body, "kind", json_string(kind->name));
	json_object_set_new(body, "name", json_string(name));
	json_object_set_new(body, "state", json_string(kind->states[state].name));
	if (site)
		json_object_set_new(body, "cluster", json_string(site->name));
	if (data)
		json_object_set_new(body, "data", data);
	batch_add(b, "item", body);
	return NULL;
}

static void add_move(Batch *b, Item *it, unsigned state, json_t *memo, const char *why)
{
	json_t *body = batch_body(b, it);
	json_object_set_new(body, "from", json_string(it->kind->states[it->state].name));
	json_object_set_new(body, "to", json_string(it->kind->states[state].name));
	json_object_set_new(body, "step", json_integer(state == it->state ? it->step + 1 : 0));
	json_object_set_new(body, "why", json_string(why));
	if (memo)
		json_object_set(body, "memo", memo);
	it->moved_in = b->serial;
	batch_add(b, "move", body);
}

static void try_move(Batch *b, Item *it, unsigned state, json_t *memo, const char *why)
{
	if (it->frozen || (it->parent && it->parent->frozen) || it->moved_in == b->serial)
		return;
	g_assert(state > 0 && state < it->kind->n_states);
	g_assert(state == it->state || (it->kind->states[it->state].next & TO(state)));
	add_move(b, it, state, memo, why);
}

void batch_move(Batch *b, Item *it, unsigned state, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	g_autofree char *why = g_strdup_vprintf(fmt, ap);
	va_end(ap);
	try_move(b, it, state, NULL, why);
}

void batch_move_memo(Batch *b, Item *it, unsigned state, json_t *memo, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	g_autofree char *why = g_strdup_vprintf(fmt, ap);
	va_end(ap);
	try_move(b, it, state, memo, why);
	json_decref(memo);
}

void batch_memo(Batch *b, Item *it, const char *name, json_t *value)
{
	json_t *body = batch_body(b, it);
	json_t *memo = json_object();
	json_object_set_new(memo, name, value);
	json_object_set_new(body, "memo", memo);
	batch_add(b, "note", body);
}

void batch_look(Batch *b, Item *it, json_t *look)
{
	json_t *body = batch_body(b, it);
	json_object_update(body, look);
	json_decref(look);
	batch_add(b, "look", body);
}

void batch_pivot(Batch *b, Item *it, const char *name)
{
	if (it->frozen || item_pivot_crossed(it, name))
		return;
	json_t *body = batch_body(b, it);
	json_object_set_new(body, "name", json_string(name));
	batch_add(b, "pivot", body);
}

void batch_drop_pivots(Batch *b, const Item *it)
{
	for (guint i = b->records->len; i > 0; i--) {
		const Record *r = g_ptr_array_index(b->records, i - 1);
		const json_t *body = g_ptr_array_index(b->bodies, i - 1);
		if (strcmp(r->kind, "pivot") != 0 ||
			json_path_int(body, "item", 0) != (int64_t)it->id)
			continue;
		g_ptr_array_remove_index(b->records, i - 1);
		g_ptr_array_remove_index(b->bodies, i - 1);
	}
}

void batch_hold(
	Batch *b, Item *it, const char *cause, const char *by, bool person, const char *reason)
{
	json_t *body = batch_body(b, it);
	json_object_set_new(body, "cause", json_string(cause));
	json_object_set_new(body, "by", json_string(by));
	json_object_set_new(body, "person", json_boolean(person));
	json_object_set_new(body, "reason", json_string(reason ? reason : ""));
	batch_add(b, "hold", body);
}

void batch_unhold(Batch *b, Item *it, const char *cause, const char *why)
{
	json_t *body = batch_body(b, it);
	json_object_set_new(body, "cause", json_string(cause));
	json_object_set_new(body, "why", json_string(why));
	batch_add(b, "unhold", body);
}

void batch_epoch(Batch *b, Site *site, int64_t epoch, bool held)
{
	json_t *body = json_object();
	json_object_set_new(body, "cluster", json_string(site->name));
	json_object_set_new(body, "epoch", json_integer(epoch));
	json_object_set_new(body, "held", json_boolean(held));
	batch_add(b, "epoch", body);
}

void batch_record(Batch *b, const char *kind, Item *it, json_t *body)
{
	if (it) {
		json_t *own = batch_body(b, it);
		json_object_update(own, body);
		json_decref(body);
		body = own;
	}
	batch_add(b, kind, body);
}
