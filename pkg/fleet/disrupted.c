#include "fleet/disrupted.h"
#include "kube/watch.h"
#include "policy/disruption.h"
#include <string.h>

/* One cluster while it is counted. */
typedef struct Count {
	Disrupted *all;
	uint64_t item;
	const Target *target;
	KubeWatch *watch; /* NULL: its client is gone */
	Disruption *sums;
	uint64_t timer; /* 0: nothing new is to be noted */
	bool submitted; /* the engine has it: it stays until that is stored */
} Count;

struct Disrupted {
	Fleet *f;
	GPtrArray *counts; /* Count, few */
};

static void count_free(void *p)
{
	Count *c = p;
	kube_watch_free(c->watch);
	loop_cancel(c->all->f->o.loop, &c->timer);
	disruption_free(c->sums);
	g_free(c);
}

Disrupted *disrupted_new(Fleet *f)
{
	Disrupted *d = g_new0(Disrupted, 1);
	d->f = f;
	d->counts = g_ptr_array_new_with_free_func(count_free);
	return d;
}

void disrupted_free(Disrupted *d)
{
	if (!d)
		return;
	g_ptr_array_free(d->counts, TRUE);
	g_free(d);
}

static Count *find(const Disrupted *d, uint64_t item)
{
	for (unsigned i = 0; i < d->counts->len; i++)
		if (((const Count *)d->counts->pdata[i])->item == item)
			return d->counts->pdata[i];
	return NULL;
}

/* Where control-plane nodes are drained one by one, as kubeadm's are, that moves pods too; where a
 * person orders, nobody holds the workers back until the control plane is proven. */
static bool opens_gaps(const Item *c)
{
	const Target *t = target_of(c);
	unsigned s = item_state(c);
	if (s == CL_NODES || s == CL_ROLLBACK)
		return true;
	if (target_observes(t))
		return s >= CL_CONTROL_PLANE && s <= CL_VERIFY;
	return s == CL_CONTROL_PLANE && t->provider->drains;
}

/* What the last node left open ends in the proof that follows; later it is something else. */
static bool closes_gaps(const Item *c)
{
	unsigned s = item_state(c);
	return opens_gaps(c) || s == CL_CP_VERIFY || s == CL_VERIFY || s == CL_ROLLED_BACK;
}

static bool is_over(const Count *c)
{
	const Item *it = saga_find(c->all->f->saga, c->item);
	return !it || !closes_gaps(it) || (!opens_gaps(it) && disruption_n_open(c->sums) == 0);
}

/* ---- into the journal ---- */

static void build(Batch *b, void *ud)
{
	Count *c = ud;
	Item *it = saga_find(c->all->f->saga, c->item);
	if (it)
		batch_memo(b, it, DISRUPTED_MEMO, disruption_json(c->sums));
}

static void stored(const GError *err, void *ud)
{
	Count *c = ud;
	c->submitted = false;
	if (!c->timer && is_over(c))
		g_ptr_array_remove_fast(c->all->counts, c);
}

static void submit(void *ud)
{
	Count *c = ud;
	Loop loop = c->all->f->o.loop;
	c->timer = 0;
	if (c->submitted) { /* the one before is not durable yet */
		c->timer = loop_timer(loop,
			loop_boot_usec(loop) + DISRUPTED_NOTE_SEC * SL_USEC_PER_SEC, submit, c);
		return;
	}
	c->submitted = true;
	saga_submit(c->all->f->saga, build, stored, c);
}

/* ---- the watch ---- */

static void on_event(KubeEventType type, const json_t *pod, void *ud)
{
	Count *c = ud;
	Loop loop = c->all->f->o.loop;
	const Item *it = saga_find(c->all->f->saga, c->item);
	uint64_t before = disruption_n_changes(c->sums);
	int64_t wall = loop_wall_usec(loop);
	if (type == KUBE_DELETED)
		disruption_gone(c->sums, json_path_str(pod, "metadata.uid", ""), wall,
			it && opens_gaps(it));
	else
		disruption_see(c->sums, pod, wall);
	if (before != disruption_n_changes(c->sums) && !c->timer)
		c->timer = loop_timer(loop,
			loop_boot_usec(loop) + DISRUPTED_NOTE_SEC * SL_USEC_PER_SEC, submit, c);
}

static void on_synced(int64_t sent_usec, void *ud)
{
	disruption_begun(((Count *)ud)->sums);
}

static void begin(Disrupted *d, const Item *it, const json_t *known)
{
	Target *t = target_of(it);
	if (!t->kube || find(d, item_id(it)))
		return;
	Count *c = g_new0(Count, 1);
	*c = (Count){ .all = d, .item = item_id(it), .target = t };
	c->sums = disruption_new(known);
	g_ptr_array_add(d->counts, c);
	g_autofree char *path = kube_path(&kube_pods, NULL, NULL, NULL);
	KubeWatchOptions o = { .path = path,
		.relist_sec = DISRUPTED_RELIST_SEC,
		.ops = { .event = on_event, .synced = on_synced },
		.ud = c };
	c->watch = kube_watch_new(t->kube, &o);
}

/* ---- what the journal says ---- */

void disrupted_applied(Disrupted *d, const Record *r, const json_t *body, bool replay)
{
	if (replay || strcmp(r->kind, "move") != 0)
		return;
	const Item *it = saga_find(d->f->saga, (uint64_t)json_path_int(body, "item", 0));
	if (!it || item_kind(it) != &cluster_kind)
		return;
	Count *c = find(d, item_id(it));
	if (!c && opens_gaps(it)) {
		/* A gap that an earlier state left open is not waited for any more. */
		const json_t *old = json_object_get(item_memo(it), DISRUPTED_MEMO);
		g_autoptr(json_t) known =
			json_pack("{s:O*}", "namespaces", json_object_get(old, "namespaces"));
		begin(d, it, known);
	} else if (c && is_over(c) && c->timer) {
		loop_cancel(d->f->o.loop, &c->timer);
		submit(c);
	} else if (c && is_over(c) && !c->submitted) {
		g_ptr_array_remove_fast(d->counts, c);
	}
}

void disrupted_start(Disrupted *d)
{
	for (size_t i = 0; i < fleet_n_runs(d->f); i++) {
		const Item *run = fleet_nth_run(d->f, i);
		for (size_t k = 0; run_is_live(run) && k < item_n_children(run); k++) {
			const Item *it = item_child(run, k);
			const json_t *known = json_object_get(item_memo(it), DISRUPTED_MEMO);
			bool open = json_array_size(json_object_get(known, "open")) > 0;
			if (opens_gaps(it) || (open && closes_gaps(it)))
				begin(d, it, known);
		}
	}
}

void disrupted_forget(Disrupted *d, const Target *t)
{
	for (unsigned i = d->counts->len; i > 0; i--) {
		Count *c = d->counts->pdata[i - 1];
		if (c->target == t)
			g_clear_pointer(&c->watch, kube_watch_free);
	}
}
