/* Taking a cluster over: the epoch of its claim is raised, so that whoever held it writes nothing
 * there any more; what runs on it is told from the cluster; and it is held until a person says
 * which way it goes. The memo "takeover": {"open", "who", "reason", "class", "text", "moved",
 * "released", "shown": the class that the person was shown}. */
#include "base/num.h"
#include "policy/accelerator.h"
#include "providers/claim.h"
#include "steps/drain.h"
#include "steps/internal.h"
#include <string.h>

static const json_t *memo_of(const Item *it)
{
	return json_object_get(item_memo(it), "takeover");
}

bool cluster_takes_over(const Item *it)
{
	return json_object_get(item_data(item_parent(it)), "takeover") != NULL;
}

json_t *takeover_memo(const char *who, const char *reason)
{
	return json_pack("{s:b, s:s, s:s}", "open", 1, "who", who, "reason", reason ? reason : "");
}

static StepResult raise_tick(Item *it, int64_t now, Batch *b)
{
	const Provider *p = target_of(it)->provider;
	const Act *a = act_find(it, p->take_over, p->claim_path);
	if (a && act_state(a) == ACT_DONE) {
		item_set_reason(
			it, "taken over, epoch %" G_GINT64_FORMAT, site_epoch(item_site(it)));
		return step_done(0);
	}
	return step_act(it, p->take_over, p->claim_path, b);
}

/* The members that tell what was found; those of the person stay. */
static json_t *with_found(const Item *it, const Found *f)
{
	json_t *memo = json_deep_copy(memo_of(it));
	json_object_set_new(memo, "open", json_false()); /* the claim is ours by now */
	json_object_set_new(memo, "class", json_string(found_name(f->class)));
	json_object_set_new(memo, "text", json_string(f->text));
	json_object_set_new(memo, "moved", json_boolean(f->workers_moved));
	json_object_set_new(memo, "released", json_boolean(f->released));
	return memo;
}

/* What the journal must know before anybody decides: the hop, the way back, the picture. False: a
 * fact is missing. */
static bool note_found(Item *it, const Found *f, Batch *b)
{
	const Provider *p = target_of(it)->provider;
	json_t *baseline = NULL;
	if (!json_object_get(item_memo(it), "baseline") && !p->baseline(it, &baseline))
		return false;
	g_autoptr(json_t) picture = baseline;
	const View *nodes = baseline ? fact(it, &fact_list, "/api/v1/nodes") : NULL;
	if (baseline && !nodes)
		return false;
	g_auto(RollbackOffer) offer = { 0 };
	/* An order that was not taken up yet stands in no history: the way back is that of before.
	 */
	bool early = f->class == FOUND_CONTROL_PLANE;
	if (f->hop && !(early ? p->probe : p->probe_return)(it, f->hop, &offer))
		return false;
	if (baseline) {
		batch_memo(b, it, "baseline", json_incref(baseline));
		batch_memo(b, it, "accelerators", accelerator_classes(nodes->json));
	}
	if (f->hop) {
		batch_memo(b, it, "hop", json_incref(f->hop));
		batch_memo(b, it, "offer", cluster_offer_json(it, &offer));
	}
	if (f->class == FOUND_BACK)
		batch_memo(b, it, "workersMoved", json_boolean(f->workers_moved));
	batch_memo(b, it, "takeover", with_found(it, f));
	return true;
}

/* Which points of no cheap return were crossed before us. True: the batch tells it. */
static bool cross_pivots(Item *it, const Found *f, Batch *b)
{
	bool ordered = f->hop && !hop_crossed(it, "control-plane");
	bool workers = f->workers_moved && f->hop && !hop_crossed(it, "workers");
	if (ordered)
		hop_cross(b, it, "control-plane");
	if (workers)
		hop_cross(b, it, "workers");
	return ordered || workers;
}

static const char *next_text(FoundClass c, bool back)
{
	if (c == FOUND_FOREIGN)
		return "abort leaves it as it is; resume looks again";
	return back ? "resume goes on down, abort leaves it as it is"
		    : "resume goes on from there, rollback goes back, abort leaves it as it is";
}

/* Of what our own journal says. */
static bool goes_down(const Item *it)
{
	return item_pivot_crossed(it, "rollback") || json_object_get(item_memo(it), "rollback");
}

static bool goes_back(const Item *it, const Found *f)
{
	return f->class == FOUND_BACK || goes_down(it);
}

static unsigned next_state(const Item *it, const Found *f)
{
	static const unsigned states[] = {
		[FOUND_NOTHING] = CL_BASELINE,
		[FOUND_CONTROL_PLANE] = CL_CONTROL_PLANE,
		[FOUND_BEFORE_NODES] = CL_CP_VERIFY,
		[FOUND_NODES] = CL_NODES,
		[FOUND_DONE] = CL_VERIFY,
		[FOUND_BACK] = CL_ROLLBACK,
	};
	return goes_back(it, f) ? (unsigned)CL_ROLLBACK : states[f->class];
}

static StepResult go_on(Item *it, const Found *f, Batch *b)
{
	json_t *memo = json_pack("{s:o}", "takeover", with_found(it, f));
	bool theirs = f->class == FOUND_BACK && !json_object_get(item_memo(it), "rollback");
	if (theirs)
		json_object_set_new(memo, "rollback",
			json_pack("{s:s, s:s}", "by", "the controller before", "why", f->text));
	if (theirs && f->tier > TIER_T0)
		json_object_set_new(memo, "downTier", json_string(tier_name(f->tier)));
	batch_move_memo(b, it, next_state(it, f), memo, "taken over: %s", f->text);
	return (StepResult){ .verb = STEP_ACT };
}

/* The same picture as the one that the person was shown? */
static bool is_noted(const Item *it, const Found *f)
{
	return strcmp(json_path_str(memo_of(it), "class", ""), found_name(f->class)) == 0 &&
	       json_path_bool(memo_of(it), "moved", false) == f->workers_moved &&
	       json_path_bool(memo_of(it), "released", false) == f->released;
}

bool takeover_asks_anew(const char *shown, const Found *now, bool back)
{
	const char *is = found_name(now->class);
	if (now->class == FOUND_FOREIGN)
		return true; /* there is no way on from there */
	if (back || strcmp(shown, is) == 0)
		return false;
	if (now->class == FOUND_BACK || strcmp(shown, found_name(FOUND_BACK)) == 0)
		return true; /* it turned round */
	if (strcmp(shown, found_name(FOUND_FOREIGN)) == 0)
		return false; /* the wish of somebody else is gone, which resume looked for */
	FoundClass was = FOUND_NOTHING;
	while (strcmp(shown, found_name(was)) != 0 && was < FOUND_DONE)
		was++;
	return now->class < was && !now->between;
}

/* What the person is asked about from now on. */
static void note_shown(Item *it, const Found *f, Batch *b)
{
	if (strcmp(json_path_str(memo_of(it), "shown", ""), found_name(f->class)) == 0)
		return;
	json_t *memo = json_deep_copy(memo_of(it));
	json_object_set_new(memo, "shown", json_string(found_name(f->class)));
	batch_memo(b, it, "takeover", memo);
}

static StepResult found_tick(Item *it, int64_t now, Batch *b)
{
	const Provider *p = target_of(it)->provider;
	const Act *a = act_find(it, p->take_over, p->claim_path);
	g_auto(Found) f = { 0 };
	int64_t since = a ? act_settled_usec(a) : 0; /* 0: before this process; any read counts */
	const Hold *asked = item_find_hold(it, "takeover");
	const char *shown = json_path_str(memo_of(it), "shown", NULL);
	if (!p->found(it, sl_max(since, now - TAKEOVER_LOOK_USEC), &f))
		return step_read(it);
	if (!is_noted(it, &f))
		return note_found(it, &f, b) ? step_wait(it, now, "%s", f.text) : step_read(it);
	if (cross_pivots(it, &f, b))
		return step_wait(it, now, "%s", f.text);
	if (!asked && shown && !takeover_asks_anew(shown, &f, goes_down(it)))
		return go_on(it, &f, b);
	if (!asked || !shown)
		note_shown(it, &f, b);
	StepResult r = step_hold_person(it, "takeover", "taken over by %s; found: %s; %s",
		json_path_str(memo_of(it), "who", "?"), f.text,
		next_text(f.class, goes_back(it, &f)));
	r.until_usec = now + TAKEOVER_LOOK_USEC;
	return r;
}

const StepOps step_raise_claim = { "raise-claim", raise_tick };
const StepOps step_found = { "found", found_tick };

/* ---- preflight of a run that takes over ---- */

void takeover_preflight(Item *it, json_t *findings)
{
	const Target *t = target_of(it);
	const View *v = fact_peek(it, &fact_object, t->provider->claim_path);
	g_autofree char *claim = v && v->json ? claim_obstacle(t, v->json) : NULL;
	if (target_observes(t))
		finding_add(findings, "block", "takeover-observe", NULL,
			"%s is only observed: nothing is claimed there", t->name);
	else if (v && !claim)
		finding_add(findings, "block", "not-claimed", NULL,
			"%s carries no claim of another holder: there is nothing to take over",
			t->name);
}

/* ---- the command ---- */

bool takeover_command(Item *it, Batch *b, const Command *c, char **ret_says, GError **err)
{
	if (!cluster_past_preflight(it) || !item_find_hold(it, "claim"))
		return sl_fail(err, SL_ERR_REFUSED,
			"the claim on %s is not known to be somebody else's: there is nothing to "
			"take over",
			item_name(it));
	if (!(item_kind(it)->states[item_state(it)].next & TO(CL_TAKEOVER)))
		return sl_fail(err, SL_ERR_REFUSED,
			"%s is in %s: it comes to its end by itself and leaves the claim alone",
			item_name(it), item_state_name(it));
	cluster_record(it, b, c);
	for (size_t i = 0; i < item_n_holds(it); i++)
		batch_unhold(b, it, item_hold(it, i)->cause, "taken over");
	for (size_t i = 0; i < item_n_children(it); i++)
		if (!item_ended(item_child(it, i)))
			drain_withdraw(item_child(it, i), b);
	batch_move_memo(b, it, CL_TAKEOVER,
		json_pack("{s:o}", "takeover", takeover_memo(c->who, c->reason)),
		"takeover by %s%s%s", c->who, c->reason && *c->reason ? ": " : "",
		c->reason ? c->reason : "");
	*ret_says =
		g_strdup_printf("%s is taken over: the epoch of its claim is raised; then it is "
				"held, and shiplock why %s says what runs there",
			item_name(it), item_name(it));
	return true;
}
