#include "saga/internal.h"
#include <string.h>

uint64_t item_id(const Item *it)
{
	return it->id;
}

const char *item_name(const Item *it)
{
	return it->name;
}

const ItemKind *item_kind(const Item *it)
{
	return it->kind;
}

Item *item_parent(const Item *it)
{
	return it->parent;
}

Site *item_site(const Item *it)
{
	return it->site;
}

Saga *item_saga(const Item *it)
{
	return it->saga;
}

unsigned item_state(const Item *it)
{
	return it->state;
}

unsigned item_step(const Item *it)
{
	return it->step;
}

const char *item_state_name(const Item *it)
{
	return it->kind->states[it->state].name;
}

const char *item_why(const Item *it)
{
	return it->why ? it->why : "";
}

const char *item_reason(const Item *it)
{
	return it->reason ? it->reason : "";
}

int64_t item_reason_since_usec(const Item *it)
{
	return it->reason_since_usec;
}

int64_t item_since_wall_usec(const Item *it)
{
	return it->since_wall_usec;
}

int64_t item_observed_at(const Item *it, int64_t now)
{
	int64_t lost = it->saga->lost_usec - it->obs_lost_mark;
	return it->obs_base_usec + MAX(now - it->obs_mark_usec - lost, 0);
}

int64_t item_observed_usec(const Item *it)
{
	return item_observed_at(it, loop_boot_usec(it->saga->loop));
}

bool item_ended(const Item *it)
{
	return it->kind->states[it->state].end;
}

size_t item_n_children(const Item *it)
{
	return it->children->len;
}

Item *item_child(const Item *it, size_t i)
{
	return g_ptr_array_index(it->children, i);
}

Item *item_find_child(const Item *it, const char *name)
{
	for (guint i = it->children->len; i > 0; i--) {
		Item *c = g_ptr_array_index(it->children, i - 1);
		if (strcmp(c->name, name) == 0)
			return c;
	}
	return NULL;
}

const json_t *item_data(const Item *it)
{
	return it->data;
}

void *item_ctx(const Item *it)
{
	return it->ctx;
}

void item_set_ctx(Item *it, void *ctx, void (*free_ctx)(void *ctx))
{
	if (it->free_ctx)
		it->free_ctx(it->ctx);
	it->ctx = ctx;
	it->free_ctx = free_ctx;
}

static void set_reason(Item *it, char *text)
{
	if (it->reason && strcmp(it->reason, text) == 0) {
		g_free(text);
		return;
	}
	g_free(it->reason);
	it->reason = text;
	it->reason_since_usec = loop_boot_usec(it->saga->loop);
}

void item_set_reason(Item *it, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	set_reason(it, g_strdup_vprintf(fmt, ap));
	va_end(ap);
}

const json_t *item_memo(const Item *it)
{
	return it->memo;
}

const json_t *item_looks(const Item *it)
{
	return it->looks;
}

bool item_pivot_crossed(const Item *it, const char *name)
{
	size_t i;
	json_t *p;
	json_array_foreach (it->pivots, i, p)
		if (strcmp(json_path_str(p, "name", ""), name) == 0)
			return true;
	return false;
}

size_t item_n_holds(const Item *it)
{
	return it->holds->len;
}

const Hold *item_hold(const Item *it, size_t i)
{
	return g_ptr_array_index(it->holds, i);
}

const Hold *item_find_hold(const Item *it, const char *cause)
{
	for (guint i = 0; i < it->holds->len; i++) {
		const Hold *h = g_ptr_array_index(it->holds, i);
		if (strcmp(h->cause, cause) == 0)
			return h;
	}
	return NULL;
}

bool item_held(const Item *it)
{
	for (; it; it = it->parent)
		if (it->holds->len > 0)
			return true;
	return false;
}

StepResult step_read(Item *it)
{
	return (StepResult){ .verb = STEP_READ };
}

StepResult step_wait(Item *it, int64_t until_usec, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	set_reason(it, g_strdup_vprintf(fmt, ap));
	va_end(ap);
	return (StepResult){ .verb = STEP_WAIT, .until_usec = until_usec };
}

StepResult step_done(unsigned next)
{
	return (StepResult){ .verb = STEP_DONE, .next = next };
}

StepResult step_hold(Item *it, const char *cause, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	set_reason(it, g_strdup_vprintf(fmt, ap));
	va_end(ap);
	return (StepResult){ .verb = STEP_HOLD, .cause = cause };
}

StepResult step_hold_person(Item *it, const char *cause, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	set_reason(it, g_strdup_vprintf(fmt, ap));
	va_end(ap);
	return (StepResult){ .verb = STEP_HOLD, .cause = cause, .person = true };
}
