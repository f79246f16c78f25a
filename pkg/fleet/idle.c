/* Clusters outside a run: no connection and no watch, only a look every few minutes, one after
 * another, so that status can say what the fleet runs, who cannot be reached, and who else holds a
 * claim. Nothing of it is stored. */
#include "fleet/internal.h"
#include "objects/time.h"
#include "plan/snapshot.h"
#include "providers/claim.h"
#include <string.h>

/* Before a start: how old a look may be, and how many are under way at a time. */
enum { START_AGE_SEC = 60, START_AT_ONCE = 16 };

typedef struct IdleLook {
	char *cluster, *version, *error, *claim;
	json_t *foreign; /* a claim that this journal does not hold; NULL: none */
	char *obstacle; /* why it does not, in words */
	int64_t looked_usec; /* wall time; 0: not yet */
	int64_t looked_boot_usec;
	bool of_run; /* no document names it, only a live run */
	bool asked_for; /* a run waits for this look */
	uint64_t call;
	const KubeClient *asked; /* whose call it is: a renewed target drops its calls */
	struct Idle *idle;
} IdleLook;

struct Idle {
	Fleet *f;
	int64_t interval_usec;
	GPtrArray *looks; /* in the order of the inventory */
	size_t next;
	uint64_t timer;
};

static void look_free(void *p)
{
	IdleLook *l = p;
	Target *t = fleet_target(l->idle->f, l->cluster);
	if (l->call && t && t->kube == l->asked)
		kube_forget(t->kube, &l->call);
	g_free(l->cluster);
	g_free(l->version);
	g_free(l->error);
	g_free(l->claim);
	g_free(l->obstacle);
	json_decref(l->foreign);
	g_free(l);
}

static unsigned n_asked_for(const Idle *idle)
{
	unsigned n = 0;
	for (unsigned i = 0; i < idle->looks->len; i++)
		n += ((const IdleLook *)g_ptr_array_index(idle->looks, i))->asked_for;
	return n;
}

/* The runs decide anew when half of the looks that they wait for are there, and when all are: with
 * a thousand clusters not for each of them. */
static void looked(IdleLook *l, const char *error)
{
	Fleet *f = l->idle->f;
	bool asked_for = l->asked_for;
	l->looked_usec = loop_wall_usec(f->o.loop);
	l->looked_boot_usec = loop_boot_usec(f->o.loop);
	g_free(l->error);
	l->error = g_strdup(error);
	l->asked_for = false;
	unsigned left = n_asked_for(l->idle);
	if (asked_for && (left == 0 || left == START_AT_ONCE / 2))
		fleet_wake_runs(f);
}

static void note_version(IdleLook *l, const Target *t, const json_t *answer)
{
	g_free(l->version);
	l->version = g_strdup(t->provider->version_of(answer));
}

static void on_version(const KubeAnswer *a, void *ud)
{
	IdleLook *l = ud;
	const Target *t = fleet_target(l->idle->f, l->cluster);
	l->call = 0;
	looked(l, a->ok ? NULL : a->message);
	if (a->ok && t)
		note_version(l, t, a->json);
}

static void note_claim(IdleLook *l, const Target *t, const json_t *object)
{
	g_autoptr(json_t) claim = object ? claim_read(object) : NULL;
	g_free(l->claim);
	l->claim = claim ? claim_text(claim) : NULL;
	g_clear_pointer(&l->foreign, json_decref);
	g_free(l->obstacle);
	l->obstacle = object ? claim_obstacle(t, object) : NULL;
	if (l->obstacle)
		l->foreign = json_incref(claim);
}

static void on_look(const KubeAnswer *a, void *ud)
{
	IdleLook *l = ud;
	Target *t = fleet_target(l->idle->f, l->cluster);
	bool apart = t && strcmp(t->provider->version_path, t->provider->claim_path) != 0;
	bool none = apart && a->status == 404; /* an object of ours, and it was never made */
	l->call = 0;
	if (t && (a->ok || none))
		note_claim(l, t, a->ok ? a->json : NULL);
	if (apart && (a->ok || none)) {
		l->call = kube_get(t->kube, t->provider->version_path, on_version, l);
		return;
	}
	if (a->ok && t)
		note_version(l, t, a->json);
	looked(l, a->ok ? NULL : a->message); /* else what was seen last stands */
}

static const json_t *entry_of(const Fleet *f, const char *cluster, json_t **ret_owned)
{
	for (unsigned i = 0; i < f->repositories->len; i++) {
		const Repository *r = g_ptr_array_index(f->repositories, i);
		const Doc *d = r->set ? docset_find(r->set, "Cluster", cluster) : NULL;
		if (d)
			return *ret_owned = json_pack("{s:s, s:O?, s:O, s:o*}", "name", cluster,
				       "labels", json_path(doc_full(d), "metadata.labels"), "spec",
				       doc_spec(d), "gitops", plan_gitops_cluster(r->set, d));
	}
	return NULL;
}

/* In work, and known to be ours: its own facts say more than a look. */
static bool in_work(const Fleet *f, const char *cluster)
{
	const Item *c = fleet_newest_of(f, cluster);
	return c && !item_ended(c) && item_state(c) != CL_PENDING && !item_find_hold(c, "claim");
}

/* A run in progress keeps the document that it began with. NULL: nobody wants a look at it. */
static Target *target_to_look_at(Fleet *f, const char *cluster)
{
	const Item *c = fleet_newest_of(f, cluster);
	if (in_work(f, cluster))
		return NULL;
	if (c && !item_ended(c))
		return fleet_target(f, cluster);
	json_t *owned = NULL;
	const json_t *entry = entry_of(f, cluster, &owned);
	Target *t = entry ? fleet_know_cluster(f, entry) : NULL;
	json_decref(owned);
	return t;
}

/* False: nobody wants that. */
static bool look_at(Idle *idle, IdleLook *l)
{
	Target *t = target_to_look_at(idle->f, l->cluster);
	if (!t)
		return false;
	bool waiting = l->call && l->asked == t->kube;
	if (t->kube && !waiting) {
		l->asked = t->kube;
		l->call = kube_get(t->kube, t->provider->claim_path, on_look, l);
	} else if (!t->kube) {
		looked(l, t->broken);
	}
	return true;
}

static void tick(void *ud)
{
	Idle *idle = ud;
	size_t n = idle->looks->len;
	idle->timer = 0;
	if (n == 0)
		return;
	idle->next %= n;
	look_at(idle, g_ptr_array_index(idle->looks, idle->next++));
	Loop loop = idle->f->o.loop;
	idle->timer = loop_timer(loop,
		loop_boot_usec(loop) + MAX(idle->interval_usec / (int64_t)n, 1000), tick, idle);
}

Idle *idle_new(Fleet *f, int interval_sec)
{
	Idle *idle = g_new0(Idle, 1);
	idle->f = f;
	idle->interval_usec = interval_sec * SL_USEC_PER_SEC;
	idle->looks = g_ptr_array_new_with_free_func(look_free);
	return idle;
}

void idle_free(Idle *idle)
{
	if (!idle)
		return;
	loop_cancel(idle->f->o.loop, &idle->timer);
	g_ptr_array_free(idle->looks, TRUE);
	g_free(idle);
}

static IdleLook *find(const Idle *idle, const char *cluster)
{
	for (unsigned i = 0; i < idle->looks->len; i++) {
		IdleLook *l = g_ptr_array_index(idle->looks, i);
		if (strcmp(l->cluster, cluster) == 0)
			return l;
	}
	return NULL;
}

static IdleLook *add(Idle *idle, const char *cluster)
{
	IdleLook *l = find(idle, cluster);
	if (l)
		return l;
	l = g_new0(IdleLook, 1);
	l->idle = idle;
	l->cluster = g_strdup(cluster);
	g_ptr_array_add(idle->looks, l);
	return l;
}

static void add_clusters(Idle *idle, const DocSet *set)
{
	for (size_t k = 0; k < docset_n(set, "Cluster"); k++)
		add(idle, doc_name(docset_nth(set, "Cluster", k)))->of_run = false;
}

static bool in_live_run(Fleet *f, const char *cluster)
{
	const Item *c = fleet_newest_of(f, cluster);
	return c && !item_ended(c);
}

/* What was submitted by hand names clusters that no repository may know. */
static void add_runs(Idle *idle)
{
	for (size_t i = 0; i < fleet_n_runs(idle->f); i++) {
		const Item *run = fleet_nth_run(idle->f, i);
		bool counts =
			run_is_live(run) && !json_path_bool(item_data(run), "planOnly", false);
		for (size_t k = 0; counts && k < item_n_children(run); k++)
			if (!find(idle, item_name(item_child(run, k))))
				add(idle, item_name(item_child(run, k)))->of_run = true;
	}
}

/* The inventory changed: clusters without a document any more are forgotten. */
void idle_inventory(Idle *idle)
{
	for (unsigned i = idle->looks->len; i > 0; i--) {
		IdleLook *l = g_ptr_array_index(idle->looks, i - 1);
		json_t *owned = NULL;
		if (!entry_of(idle->f, l->cluster, &owned))
			g_ptr_array_remove_index(idle->looks, i - 1);
		json_decref(owned);
	}
	for (unsigned i = 0; i < idle->f->repositories->len; i++) {
		const Repository *r = g_ptr_array_index(idle->f->repositories, i);
		if (r->set)
			add_clusters(idle, r->set);
	}
	Loop loop = idle->f->o.loop;
	if (!idle->timer && idle->interval_usec > 0)
		idle->timer = loop_defer(loop, tick, idle);
}

json_t *idle_json(const Idle *idle)
{
	json_t *out = json_array();
	for (unsigned i = 0; i < idle->looks->len; i++) {
		const IdleLook *l = g_ptr_array_index(idle->looks, i);
		if (l->of_run)
			continue;
		g_autofree char *at = l->looked_usec ? sl_time_format(l->looked_usec) : NULL;
		json_array_append_new(out,
			json_pack("{s:s, s:s?, s:s?, s:s?, s:s?}", "name", l->cluster, "version",
				l->version, "lookedAt", at, "error", l->error, "claim", l->claim));
	}
	return out;
}

void idle_foreign_claims(const Idle *idle, json_t *list)
{
	for (unsigned i = 0; i < idle->looks->len; i++) {
		const IdleLook *l = g_ptr_array_index(idle->looks, i);
		const Item *c = fleet_newest_of(idle->f, l->cluster);
		bool works = c && !item_ended(c) && item_state(c) != CL_PENDING;
		if (!l->foreign || works)
			continue;
		json_array_append_new(list,
			json_pack("{s:s, s:s, s:s, s:O*, s:s, s:I, s:s}", "cluster", l->cluster,
				"by", "other", "fleet", json_path_str(l->foreign, "fleet", "?"),
				"holder", json_object_get(l->foreign, "holder"), "run",
				json_path_str(l->foreign, "run", "?"), "epoch",
				(json_int_t)json_path_int(l->foreign, "epoch", 0), "text",
				l->obstacle));
	}
}

/* ---- nobody starts while another holder's claim stands ---- */

/* Another journal of this very fleet, not another fleet, which may well be at work beside us. */
static bool is_held(const IdleLook *l)
{
	return l->foreign && strcmp(json_path_str(l->foreign, "fleet", ""), l->idle->f->name) == 0;
}

/* Looked at not long ago; else it is looked at now, a few at a time. */
static bool is_fresh(Idle *idle, IdleLook *l, unsigned *n_asked)
{
	int64_t now = loop_boot_usec(idle->f->o.loop);
	if (l->looked_usec && now - l->looked_boot_usec <= START_AGE_SEC * SL_USEC_PER_SEC)
		return true;
	if (++*n_asked > START_AT_ONCE)
		return false;
	l->asked_for = true;
	return !look_at(idle, l) || !l->asked_for; /* nobody could be asked */
}

IdleHolder idle_holder(Idle *idle, const char *starting, char **ret_text)
{
	IdleLook *held = NULL;
	unsigned n_asked = 0, n_stale = 0;
	add_runs(idle);
	for (unsigned i = 0; i < idle->looks->len; i++) {
		IdleLook *l = g_ptr_array_index(idle->looks, i);
		if (strcmp(l->cluster, starting) == 0 || in_work(idle->f, l->cluster) ||
			(l->of_run && !in_live_run(idle->f, l->cluster)))
			continue;
		bool fresh = is_fresh(idle, l, &n_asked);
		if (is_held(l))
			held = held ? held : l;
		else
			n_stale += !fresh;
	}
	if (held)
		*ret_text = g_strdup_printf(
			"%s waits, as nobody starts while another controller of this fleet is at "
			"work: %s; it goes on by itself when that claim is given back; where that "
			"controller is lost for good: shiplock takeover %s",
			starting, held->obstacle, held->cluster);
	else if (n_stale)
		*ret_text = g_strdup_printf("%s waits: it is read from %u other cluster%s of the "
					    "inventory who claims them",
			starting, n_stale, n_stale == 1 ? "" : "s");
	return held ? IDLE_HELD : n_stale ? IDLE_UNREAD : IDLE_FREE;
}
