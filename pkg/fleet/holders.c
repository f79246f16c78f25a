/* Who holds which cluster, and who waits for whom: the opening of status, for whoever takes over a
 * shift or a lost host. */
#include "fleet/internal.h"
#include "objects/time.h"
#include "providers/claim.h"
#include <string.h>

static int64_t since_sec(const Fleet *f, int64_t wall_usec)
{
	int64_t sec = (loop_wall_usec(f->o.loop) - wall_usec) / SL_USEC_PER_SEC;
	return sec > 0 ? sec : 0;
}

/* A claim of ours, as the journal has it; "lost" where the cluster was seen to say otherwise. */
static json_t *own_claim(const Fleet *f, const Target *t)
{
	const Item *c = fleet_newest_of(f, t->name);
	const Hold *lost = c ? item_find_hold(c, "claim") : NULL;
	return json_pack("{s:s, s:s, s:s, s:s*, s:s, s:I, s:s, s:I, s:s*}", "cluster", t->name,
		"by", lost ? "lost" : "us", "fleet", f->name, "holder", f->holder, "run",
		c ? item_name(item_parent(c)) : "", "epoch", (json_int_t)site_epoch(t->site),
		"state", c ? item_state_name(c) : "", "sinceSeconds",
		(json_int_t)(c ? since_sec(f, item_since_wall_usec(c)) : 0), "text",
		lost ? lost->reason : NULL);
}

json_t *fleet_claims(Fleet *f)
{
	json_t *out = json_array();
	for (unsigned i = 0; i < f->targets->len; i++) {
		const Target *t = g_ptr_array_index(f->targets, i);
		if (site_claimed(t->site))
			json_array_append_new(out, own_claim(f, t));
	}
	idle_foreign_claims(f->idle, out);
	return out;
}

/* ---- who waits for whom ---- */

static const char *waits_for(const Hold *h)
{
	static const struct {
		const char *cause, *whom;
	} causes[] = {
		{ "window", "its window" },
		{ "gate", "data that proves it" },
		{ "inconclusive", "data that proves it" },
		{ "unreachable", "its API server" },
		{ "credentials", "credentials that are accepted" },
		{ "git", "its plan in Git" },
		{ "held-elsewhere", "another controller" },
	};
	if (h->person)
		return "a person";
	for (size_t i = 0; i < G_N_ELEMENTS(causes); i++)
		if (strcmp(causes[i].cause, h->cause) == 0)
			return causes[i].whom;
	return "its cause to go";
}

static void wait_of_hold(const Fleet *f, const char *who, const Hold *h, json_t *list)
{
	json_array_append_new(list,
		json_pack("{s:s, s:s, s:s, s:I}", "who", who, "for", waits_for(h), "text",
			h->reason, "sinceSeconds", (json_int_t)since_sec(f, h->since_wall_usec)));
}

/* The cluster that has the slot; NULL: none of any run. */
static const Item *in_work(const Fleet *f, const Item *but)
{
	for (size_t i = 0; i < fleet_n_runs(f); i++) {
		const Item *run = fleet_nth_run(f, i);
		for (size_t k = 0; run_is_live(run) && k < item_n_children(run); k++) {
			const Item *c = item_child(run, k);
			if (c != but && item_state(c) != CL_PENDING && !item_ended(c))
				return c;
		}
	}
	return NULL;
}

static void wait_of_pending(const Fleet *f, const Item *run, const Item *c, json_t *list)
{
	const Item *before = in_work(f, c);
	const Hold *h = item_n_holds(run) ? item_hold(run, 0) : NULL;
	if (h) {
		wait_of_hold(f, item_name(c), h, list);
		return;
	}
	json_array_append_new(
		list, json_pack("{s:s, s:s, s:s, s:I}", "who", item_name(c), "for",
			      before ? item_name(before) : "its time", "text", item_reason(run),
			      "sinceSeconds", (json_int_t)since_sec(f, item_since_wall_usec(c))));
}

json_t *fleet_waits(Fleet *f)
{
	json_t *out = json_array();
	const Hold *pause = item_find_hold(saga_root(f->saga), "pause");
	if (pause)
		wait_of_hold(f, "fleet", pause, out);
	for (size_t i = 0; i < fleet_n_runs(f); i++) {
		const Item *run = fleet_nth_run(f, i);
		for (size_t k = 0; run_is_live(run) && k < item_n_children(run); k++) {
			const Item *c = item_child(run, k);
			for (size_t h = 0; !item_ended(c) && h < item_n_holds(c); h++)
				wait_of_hold(f, item_name(c), item_hold(c, h), out);
			if (item_state(c) == CL_PENDING && item_n_holds(c) == 0)
				wait_of_pending(f, run, c, out);
		}
	}
	return out;
}
