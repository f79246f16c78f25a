#include "saga/internal.h"
#include <string.h>

View *view_new(json_t *json)
{
	View *v = g_new0(View, 1);
	v->refs = 1;
	v->json = json;
	return v;
}

View *view_new_data(void *data, void (*free_data)(void *data))
{
	View *v = view_new(NULL);
	v->data = data;
	v->free_data = free_data;
	return v;
}

View *view_new_missing(void)
{
	View *v = view_new(NULL);
	v->missing = true;
	return v;
}

View *view_ref(View *v)
{
	v->refs++;
	return v;
}

void view_unref(View *v)
{
	if (!v || --v->refs > 0)
		return;
	json_decref(v->json);
	if (v->free_data)
		v->free_data(v->data);
	g_free(v);
}

const char *view_version(const View *v)
{
	return v->json ? json_path_str(v->json, "metadata.resourceVersion", NULL) : NULL;
}

void fact_free(Fact *f)
{
	view_unref(f->view);
	g_clear_error(&f->err);
	g_ptr_array_free(f->users, TRUE);
	g_free(f->key);
	g_free(f);
}

static int fact_compare(const Fact *f, const FactRow *row, const char *key)
{
	int c = strcmp(f->row->name, row->name);
	return c ? c : strcmp(f->key, key);
}

/* The index where the fact stands, or should stand. */
static unsigned fact_index(const Site *site, const FactRow *row, const char *key, bool *ret_found)
{
	guint lo = 0, hi = site->facts->len;
	while (lo < hi) {
		guint mid = lo + (hi - lo) / 2;
		int c = fact_compare(g_ptr_array_index(site->facts, mid), row, key);
		if (c == 0) {
			*ret_found = true;
			return mid;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*ret_found = false;
	return lo;
}

static Fact *fact_find(const Site *site, const FactRow *row, const char *key)
{
	bool found;
	guint i = fact_index(site, row, key, &found);
	return found ? g_ptr_array_index(site->facts, i) : NULL;
}

static Fact *fact_get(Site *site, const FactRow *row, const char *key)
{
	bool found;
	guint i = fact_index(site, row, key, &found);
	if (found)
		return g_ptr_array_index(site->facts, i);
	Fact *f = g_new0(Fact, 1);
	f->site = site;
	f->row = row;
	f->key = g_strdup(key);
	f->min_sent_usec = site->saga->prove_after_usec;
	f->users = g_ptr_array_new();
	g_ptr_array_insert(site->facts, (int)i, f);
	return f;
}

static void note_use(Item *it, Fact *f)
{
	for (guint i = 0; i < it->uses->len; i++)
		if (g_ptr_array_index(it->uses, i) == f)
			return;
	g_ptr_array_add(it->uses, f);
	g_ptr_array_add(f->users, it);
}

void item_forget_uses(Item *it)
{
	for (guint i = 0; i < it->uses->len; i++) {
		Fact *f = g_ptr_array_index(it->uses, i);
		g_ptr_array_remove(f->users, it);
	}
	g_ptr_array_set_size(it->uses, 0);
}

/* Asks for a read at the end of this turn, or notes when a failed one may be repeated. */
static const View *want_read(Item *it, Fact *f)
{
	Saga *s = it->saga;
	int64_t now = loop_boot_usec(s->loop);
	it->n_wanted_reads++;
	if (f->reading)
		return NULL;
	if (f->err && f->retry_usec > now) {
		if (!it->retry_usec || f->retry_usec < it->retry_usec)
			it->retry_usec = f->retry_usec;
		return NULL;
	}
	for (guint i = 0; i < s->wanted->len; i++)
		if (g_ptr_array_index(s->wanted, i) == f)
			return NULL;
	g_ptr_array_add(s->wanted, f);
	return NULL;
}

/* A fact is as old as the sending of its read, but may be used when it has just come, however slow
 * the server: else it would be read for ever. */
static bool too_old(const Fact *f, int64_t now)
{
	int64_t max = f->row->max_age_sec * SL_USEC_PER_SEC;
	if (max == 0 || now - f->stored_usec <= MIN(max, ARRIVED_USEC))
		return false;
	return now - (f->sent_usec ? f->sent_usec : f->stored_usec) > max;
}

const View *fact(Item *it, const FactRow *row, const char *key)
{
	Fact *f = fact_get(it->site, row, key);
	note_use(it, f);
	bool forgotten =
		row->pushed ? f->stored_usec < f->min_sent_usec : f->sent_usec < f->min_sent_usec;
	if (!f->view || f->err || forgotten || too_old(f, loop_boot_usec(it->saga->loop)))
		return want_read(it, f);
	return f->view;
}

const View *fact_since(Item *it, const FactRow *row, const char *key, int64_t sent_after_usec)
{
	Fact *f = fact_get(it->site, row, key);
	note_use(it, f);
	if (!f->view || f->err || f->sent_usec == 0 ||
		f->sent_usec < MAX(sent_after_usec, f->min_sent_usec))
		return want_read(it, f);
	return f->view;
}

const View *fact_within(
	Item *it, const FactRow *row, const char *key, int64_t age, int64_t sent_after_usec)
{
	const View *v = fact_since(it, row, key, sent_after_usec);
	const Fact *f = v ? fact_find(it->site, row, key) : NULL;
	int64_t now = loop_boot_usec(it->saga->loop);
	if (!f || now - f->sent_usec <= age)
		return v;
	int64_t took = f->arrived_usec - f->sent_usec;
	if (now - f->arrived_usec <= MAX(took, ARRIVED_USEC))
		return v;
	return want_read(it, fact_get(it->site, row, key));
}

const View *fact_peek(Item *it, const FactRow *row, const char *key)
{
	Fact *f = fact_get(it->site, row, key);
	note_use(it, f);
	return f->view;
}

static bool is_settled(const Fact *f)
{
	return f->view && !f->err && !f->reading && f->sent_usec != 0 &&
	       f->sent_usec >= f->min_sent_usec;
}

const View *fact_settled(Item *it, const FactRow *row, const char *key)
{
	Fact *f = fact_get(it->site, row, key);
	note_use(it, f);
	return is_settled(f) ? f->view : NULL;
}

const View *site_fact_peek(const Site *site, const FactRow *row, const char *key)
{
	Fact *f = fact_find(site, row, key);
	return f ? f->view : NULL;
}

const GError *fact_error(Item *it, const FactRow *row, const char *key)
{
	Fact *f = fact_get(it->site, row, key);
	note_use(it, f);
	return f->err;
}

void fact_hurry(Item *it, const FactRow *row, const char *key, int64_t at_usec)
{
	Fact *f = fact_get(it->site, row, key);
	if (!f->err || f->retry_usec <= at_usec)
		return;
	f->retry_usec = at_usec;
	if (!it->retry_usec || at_usec < it->retry_usec)
		it->retry_usec = at_usec;
}

int64_t fact_sent_usec(Item *it, const FactRow *row, const char *key)
{
	Fact *f = fact_find(it->site, row, key);
	return f ? f->sent_usec : 0;
}

static void wake_users(Fact *f)
{
	for (guint i = 0; i < f->users->len; i++)
		item_ready(g_ptr_array_index(f->users, i));
}

static void store(Fact *f, View *view, const GError *err, int64_t sent_usec)
{
	int64_t now = loop_boot_usec(f->site->saga->loop);
	g_clear_error(&f->err);
	if (err) {
		f->err = g_error_copy(err);
		if (now >= f->count_usec) {
			f->n_failures++;
			int64_t delay = MIN(
				(int64_t)1 << MIN(f->n_failures - 1, 10u), READ_BACKOFF_MAX_SEC);
			f->count_usec = now + delay * SL_USEC_PER_SEC;
		}
		f->retry_usec = f->count_usec;
	} else {
		view_unref(f->view);
		f->view = view;
		f->sent_usec = sent_usec;
		f->stored_usec = f->arrived_usec = now;
		f->n_failures = 0;
		f->count_usec = 0;
	}
	wake_users(f);
}

void fact_read_done(FactRead *r, View *view, const GError *err)
{
	Fact *f = r->fact;
	g_assert(f->reading == r && (view != NULL) != (err != NULL));
	f->reading = NULL;
	int64_t sent = r->sent_usec;
	g_ptr_array_remove_fast(f->site->saga->reads, r);
	store(f, view, err, sent);
}

Site *fact_read_site(const FactRead *r)
{
	return r->fact->site;
}

const char *fact_read_key(const FactRead *r)
{
	return r->fact->key;
}

void site_fact_set(Site *site, const FactRow *row, const char *key, View *view)
{
	store(fact_get(site, row, key), view, NULL, 0);
}

void site_fact_fail(Site *site, const FactRow *row, const char *key, const GError *err)
{
	store(fact_get(site, row, key), NULL, err, 0);
}

bool site_fact_follow(Site *site, const FactRow *row, const char *key, View *view, bool wake)
{
	Fact *f = fact_find(site, row, key);
	if (!f || !is_settled(f)) {
		view_unref(view);
		return false;
	}
	view_unref(f->view);
	f->view = view;
	if (wake) {
		f->stored_usec = loop_boot_usec(site->saga->loop);
		wake_users(f);
	}
	return true;
}

void site_fact_forget(Site *site, const FactRow *row, const char *key)
{
	int64_t now = loop_boot_usec(site->saga->loop);
	for (guint i = 0; i < site->facts->len; i++) {
		Fact *f = g_ptr_array_index(site->facts, i);
		if ((row && f->row != row) || (key && strcmp(f->key, key) != 0))
			continue;
		f->min_sent_usec = now;
		wake_users(f);
	}
}

void facts_start_reads(Saga *s)
{
	int64_t now = loop_boot_usec(s->loop);
	for (guint i = 0; i < s->wanted->len; i++) {
		Fact *f = g_ptr_array_index(s->wanted, i);
		FactRead *r = g_new0(FactRead, 1);
		r->fact = f;
		r->sent_usec = now;
		f->reading = r;
		g_ptr_array_add(s->reads, r);
		f->row->read(f->site, f->key, r);
	}
	g_ptr_array_set_size(s->wanted, 0);
}

bool site_claim_proven(const Site *site)
{
	if (!site->ops->claim_fact || (!site->claimed && !site->epoch))
		return true;
	return site->claimed && site->proven;
}

bool site_goes_blind(Item *it, const ActRow *row)
{
	const Site *site = it->site;
	return row->blind && site->claimed &&
	       g_error_matches(fact_error(it, site->ops->claim_fact, site->ops->claim_key),
		       SL_ERROR, SL_ERR_RETRY) &&
	       row->blind(it);
}

/* Before the first write after a restart or a gap the claim must be seen to be ours. True: proven
 * (or none needed, or it cannot be and need not be). */
bool site_prove_claim(Item *it, const ActRow *row, StepResult *ret)
{
	Site *site = it->site;
	if (site_claim_proven(site))
		return true;
	if (!site->claimed) {
		*ret = step_hold_person(it, "claim", "the claim on %s was given back", site->name);
		return false;
	}
	const View *v = fact_since(
		it, site->ops->claim_fact, site->ops->claim_key, it->saga->prove_after_usec);
	if (!v) {
		*ret = step_read(it);
		return site_goes_blind(it, row);
	}
	g_autofree char *who = NULL;
	if (site->ops->claim_ok(site, v, &who)) {
		site->proven = true;
		return true;
	}
	*ret = step_hold_person(it, "claim", "the claim on %s is no longer ours: %s", site->name,
		who ? who : "it is gone");
	return false;
}

static bool holds_claim(const Item *it)
{
	for (guint i = 0; i < it->acts->len; i++) {
		const Act *a = g_ptr_array_index(it->acts, i);
		if (a->row->claim && a->row->undo && a->state == ACT_DONE)
			return true;
	}
	return false;
}

bool site_claim_lost(Item *it, StepResult *ret)
{
	Site *site = it->site;
	if (!site || !site->claimed || !site->ops->claim_fact || !holds_claim(it))
		return false;
	const Fact *f = fact_find(site, site->ops->claim_fact, site->ops->claim_key);
	g_autofree char *who = NULL;
	if (!f || !f->view || f->err || f->sent_usec == 0 || f->sent_usec < f->min_sent_usec ||
		site->ops->claim_ok(site, f->view, &who))
		return false;
	site->proven = false;
	*ret = step_hold_person(it, "claim", "the claim on %s is no longer ours: %s", site->name,
		who ? who : "it is gone");
	return true;
}

Site *site_new(Saga *s, const char *name, const SiteOps *ops, void *ctx)
{
	Site *site = g_new0(Site, 1);
	site->saga = s;
	site->name = g_strdup(name);
	site->ops = ops;
	site->ctx = ctx;
	site->facts = g_ptr_array_new_with_free_func((GDestroyNotify)fact_free);
	g_ptr_array_add(s->sites, site);
	return site;
}

void site_free(Site *site)
{
	g_ptr_array_free(site->facts, TRUE);
	g_free(site->name);
	g_free(site);
}

void site_disconnected(Site *site)
{
	Saga *s = site->saga;
	int64_t now = loop_boot_usec(s->loop);
	for (unsigned i = 0; i < site->facts->len; i++) {
		Fact *f = g_ptr_array_index(site->facts, i);
		if (f->reading)
			g_ptr_array_remove_fast(s->reads, f->reading);
		f->reading = NULL;
		g_clear_error(&f->err); /* it spoke of the connection that is gone */
	}
	site->proven = false; /* whoever answers from now on has said nothing yet */
	site->gap_usec = now;
	site_fact_forget(site, NULL, NULL);
	for (unsigned i = 0; i < s->items->len; i++) {
		Item *it = g_ptr_array_index(s->items, i);
		for (unsigned k = 0; it->site == site && k < it->acts->len; k++) {
			Act *a = g_ptr_array_index(it->acts, k);
			if (a->in_flight)
				a->unknown_usec = now;
			a->in_flight = 0;
			item_ready(it);
		}
	}
}

const char *site_name(const Site *site)
{
	return site->name;
}

void *site_ctx(const Site *site)
{
	return site->ctx;
}

int64_t site_epoch(const Site *site)
{
	return site->epoch;
}

bool site_claimed(const Site *site)
{
	return site->claimed;
}
