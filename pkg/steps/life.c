/* The states that are not gates: preflight, claim, baseline, evacuate, the choice of the hop, undo.
 */
#include "policy/accelerator.h"
#include "providers/claim.h"
#include "steps/drain.h"
#include "steps/internal.h"
#include "steps/job.h"
#include <string.h>

/* The move is in the batch; nothing else is decided now. */
static StepResult moved(void)
{
	return (StepResult){ .verb = STEP_ACT };
}

static json_t *outcome(const char *name)
{
	return json_pack("{s:s}", "outcome", name);
}

/* ---- preflight ---- */

static void check_later(const Item *it, json_t *findings)
{
	size_t i;
	json_t *path;
	json_array_foreach (json_object_get(cluster_entry(it), "later"), i, path)
		finding_add(findings, "block", "later",
			"take it out of the document until it has an effect",
			"%s has no effect in this version", json_string_value(path));
}

static void check_gates(const Item *it, json_t *findings)
{
	size_t n;
	const Gate *const *gates = cluster_gates(it, &n);
	for (size_t i = 0; i < n; i++) {
		const char *where = gate_unsupported(gates[i]);
		g_autofree char *fix =
			g_strdup_printf("take %s out of the policy until it has an effect",
				where && *where ? "this phase" : "it");
		if (where)
			finding_add(findings, "block", "later", fix,
				"gate %s: gates by %s have no effect%s in this version",
				gates[i]->name, gate_kind_name(gates[i]->kind), where);
	}
}

/* How far the policy lets it begin by itself. */
static const char *automatic(const Item *it, Tier tier)
{
	const RollbackRules *r = cluster_rollback_rules(it);
	if (tier >= TIER_T1 && target_waits_for_merge(target_of(it)))
		return "asks first, then waits for a merge";
	bool feature = tier == TIER_T1 && r->automatic_t1, version = tier == TIER_T2;
	bool after = (feature || version) && r->automatic_t2_after;
	if (!feature && !after && !(version && r->automatic_t2_before))
		return "asks first";
	return after ? "automatic" : "automatic until workers start";
}

json_t *cluster_offer_json(const Item *it, const RollbackOffer *o)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s}", "tier", tier_name(o->tier), "target",
		o->target ? o->target : "", "how", o->how ? o->how : "", "expires",
		o->expires ? o->expires : "", "begins", automatic(it, o->tier));
}

static bool check_rollback(Item *it, const json_t *hop, json_t *findings, json_t **ret_offer)
{
	g_auto(RollbackOffer) offer = { 0 };
	if (!target_of(it)->provider->probe(it, hop, &offer))
		return false;
	char text[ROLLBACK_TEXT_MAX];
	if (!rollback_meets(
		    cluster_rollback_rules(it), offer.tier, json_path_str(hop, "to", ""), text))
		finding_add(findings, "block", "rollback",
			"choose hops that can be taken back, or another RollbackPolicy", "%s",
			text);
	*ret_offer = cluster_offer_json(it, &offer);
	return true;
}

/* A run that takes a finished hop back: is the way still open? */
static bool look_back(Item *it, const json_t *hop, json_t *findings, json_t **ret_offer)
{
	g_auto(RollbackOffer) offer = { 0 };
	if (!target_of(it)->provider->probe_return(it, hop, &offer))
		return false;
	if (offer.tier < TIER_T1)
		finding_add(findings, "block", "rollback", "see shiplock why for what is left",
			"%s", offer.how);
	*ret_offer = cluster_offer_json(it, &offer);
	return true;
}

/* The hop and what could undo it; JSON nulls when the target is reached. */
static bool look_ahead(Item *it, json_t *findings, json_t **ret_hop, json_t **ret_offer)
{
	g_autofree char *why = NULL;
	const json_t *back = cluster_takes_back(it);
	*ret_offer = json_null();
	if (back) {
		if (!look_back(it, back, findings, ret_offer))
			return false;
		*ret_hop = json_incref((json_t *)back);
		return true;
	}
	if (!target_of(it)->provider->next_hop(it, ret_hop, &why))
		return false;
	if (json_is_null(*ret_hop) || check_rollback(it, *ret_hop, findings, ret_offer))
		return true;
	g_clear_pointer(ret_hop, json_decref);
	return false;
}

static void end_preflight(Item *it, Batch *b, json_t *memo, const json_t *findings, bool at_target)
{
	if (findings_block(findings)) {
		json_object_set_new(memo, "outcome", json_string("Refused"));
		batch_move_memo(b, it, CL_ENDED, memo, "preflight refuses");
	} else if (at_target) {
		json_object_set_new(memo, "outcome", json_string("Succeeded"));
		batch_move_memo(b, it, CL_ENDED, memo, "at the target already, nothing was done");
	} else {
		batch_move_memo(b, it, CL_PREFLIGHT, memo, "preflight is clean");
	}
}

/* An unhealthy cluster is why one goes back, or takes it over: what would stop an upgrade does not
 * stop that. */
static const char *const bars_the_way_back[] = { "unreadable", "rbac", "claimed", "owned",
	"provider", "rollback", NULL };
static const char *const bars_a_takeover[] = { "unreadable", "rbac", "owned", "provider", NULL };

static void only_these_bar(json_t *findings, const char *const *bars)
{
	size_t i;
	json_t *f;
	json_array_foreach (findings, i, f) {
		bool bar = false;
		for (size_t k = 0; bars[k]; k++)
			bar = bar || strcmp(json_path_str(f, "code", ""), bars[k]) == 0;
		if (!bar && strcmp(json_path_str(f, "level", ""), "block") == 0)
			json_object_set_new(f, "level", json_string("warn"));
	}
}

static StepResult preflight_tick(Item *it, int64_t now, Batch *b)
{
	if (provider_inspects(it))
		return inspect_tick(it, b);
	const Provider *p = target_of(it)->provider;
	g_autoptr(json_t) findings = json_array();
	bool all = p->preflight(it, findings);
	check_later(it, findings);
	check_gates(it, findings);
	drain_preflight(it, findings);
	drain_canary(it, findings);
	all = job_preflight(it, findings) && all;
	if (cluster_takes_back(it))
		only_these_bar(findings, bars_the_way_back);
	if (cluster_takes_over(it))
		only_these_bar(findings, bars_a_takeover);
	if (!all)
		return step_read(it);
	if (cluster_takes_over(it))
		takeover_preflight(it, findings);
	json_t *hop = NULL, *offer = NULL, *path = NULL;
	g_autofree char *version = NULL;
	json_t *memo = json_pack("{s:O}", "findings", findings);
	bool readable = !findings_block(findings) || fact_peek(it, &fact_object, p->claim_path);
	if (readable && p->path(it, &path, &version)) {
		json_object_set_new(memo, "path", path);
		json_object_set_new(memo, "now", json_string(version));
		if (!cluster_takes_over(it) && !look_ahead(it, findings, &hop, &offer)) {
			json_decref(memo);
			return step_read(it);
		}
		if (!cluster_takes_over(it)) {
			json_object_set_new(memo, "nextHop", hop);
			json_object_set_new(memo, "offer", offer);
			if (!cluster_takes_back(it))
				cluster_estimate(it, json_array_size(path), memo, findings);
		}
	}
	end_preflight(it, b, memo, findings, hop && json_is_null(hop));
	return moved();
}

/* ---- claim, baseline, evacuate ---- */

static StepResult claim_tick(Item *it, int64_t now, Batch *b)
{
	const Provider *p = target_of(it)->provider;
	if (target_observes(target_of(it))) {
		item_set_reason(it, "observing: no claim is written");
		return step_done(CL_BASELINE);
	}
	const Act *a = act_find(it, p->claim, p->claim_path);
	if (a && act_state(a) == ACT_DONE) {
		item_set_reason(it, "claimed, epoch %" G_GINT64_FORMAT, site_epoch(item_site(it)));
		return step_done(CL_BASELINE);
	}
	return step_act(it, p->claim, p->claim_path, b);
}

static StepResult baseline_tick(Item *it, int64_t now, Batch *b)
{
	json_t *baseline = NULL;
	const json_t *back = cluster_takes_back(it);
	const View *nodes = fact(it, &fact_list, "/api/v1/nodes");
	if (!nodes || !target_of(it)->provider->baseline(it, &baseline))
		return step_read(it);
	json_t *memo = json_pack("{s:o, s:o}", "baseline", baseline, "accelerators",
		accelerator_classes(nodes->json));
	if (back) {
		json_object_set(memo, "hop", (json_t *)back);
		json_object_set_new(memo, "workersMoved", json_true());
		json_object_set_new(memo, "downTier",
			json_string(json_path_str(item_memo(it), "offer.tier", "T2")));
		batch_move_memo(b, it, CL_ROLLBACK, memo, "a finished upgrade is taken back");
	} else {
		batch_move_memo(b, it, CL_EVACUATE, memo, "the picture before is stored");
	}
	return moved();
}

static StepResult evacuate_tick(Item *it, int64_t now, Batch *b)
{
	item_set_reason(it, "no queue is to be held");
	return step_done(CL_BACKUP);
}

/* Before each hop: edges, acknowledgements and the way back are read again. */
static StepResult hop_tick(Item *it, int64_t now, Batch *b)
{
	json_t *hop = NULL, *offer = NULL;
	g_autofree char *why = NULL;
	g_autoptr(json_t) findings = json_array();
	if (!target_of(it)->provider->next_hop(it, &hop, &why))
		return step_read(it);
	g_autoptr(json_t) owned = hop;
	if (json_is_null(hop))
		return step_done(CL_SOAK);
	StepResult closed;
	if (why)
		return step_hold(it, "edge", "%s", why);
	if (!cluster_may_order(it, &closed))
		return closed;
	if (!check_rollback(it, hop, findings, &offer))
		return step_read(it);
	g_autoptr(json_t) owned_offer = offer;
	if (findings_block(findings))
		return step_hold(
			it, "rollback-lost", "%s", json_path_str(findings, "0.message", ""));
	g_autofree char *text = g_strdup_printf(
		"%s -> %s", json_path_str(hop, "from", ""), json_path_str(hop, "to", ""));
	batch_move_memo(b, it, CL_CONTROL_PLANE,
		json_pack("{s:O, s:O}", "hop", hop, "offer", offer), "%s",
		json_path_str(hop, "text", text));
	return moved();
}

/* ---- undo ---- */

static bool children_are_done(Item *it, Batch *b)
{
	bool all = true;
	for (size_t i = 0; i < item_n_children(it); i++) {
		Item *c = item_child(it, i);
		if (item_ended(c))
			continue;
		all = false;
		item_set_reason(it, "%s is put back first", item_name(c));
		drain_withdraw(c, b);
	}
	return all;
}

/* Another holder took the claim over; false: not read yet. */
static bool claim_lost(Item *it, bool *ret_lost)
{
	Target *t = target_of(it);
	const View *v =
		site_claimed(t->site) ? fact(it, &fact_object, t->provider->claim_path) : NULL;
	if (!site_claimed(t->site))
		return true;
	if (!v)
		return false;
	g_autofree char *obstacle = v->json ? claim_obstacle(t, v->json) : NULL;
	*ret_lost = obstacle != NULL;
	return true;
}

static StepResult undo_tick(Item *it, int64_t now, Batch *b)
{
	const Provider *p = target_of(it)->provider;
	StepResult r = p->settle ? p->settle(it, now, b) : step_done(0);
	if (r.verb != STEP_DONE)
		return r;
	if (!children_are_done(it, b))
		return step_wait(it, 0, "%s", item_reason(it));
	bool lost = false;
	if (!claim_lost(it, &lost))
		return step_read(it);
	if (lost) { /* nothing of it is ours to write any more */
		item_set_reason(it, "the claim is somebody else's now: left as it is");
		return step_done(CL_ENDED);
	}
	r = p->abandon(it, now, b);
	if (r.verb != STEP_DONE)
		return r;
	bool left;
	r = step_undo(it, b, &left);
	if (left)
		return r;
	item_set_reason(it, "every mark is gone");
	return step_done(CL_ENDED);
}

static StepResult rolled_back_tick(Item *it, int64_t now, Batch *b)
{
	GateSum sum;
	StepResult r = gates_run(it, now, b, WHEN_VERIFY, 0, &sum);
	if (r.verb != STEP_DONE)
		return r;
	const char *target = json_path_str(item_memo(it), "offer.target", "");
	if (cluster_down_tier(it) == TIER_T2 || !*target)
		target = json_path_str(cluster_hop(it), "from", "");
	batch_move_memo(b, it, CL_UNDO, outcome("RolledBack"), "healthy at %s again", target);
	return moved();
}

const StepOps step_preflight = { "preflight", preflight_tick };
const StepOps step_claim = { "claim", claim_tick };
const StepOps step_baseline = { "baseline", baseline_tick };
const StepOps step_evacuate = { "evacuate", evacuate_tick };
const StepOps step_hop = { "hop", hop_tick };
const StepOps step_undo_marks = { "undo", undo_tick };
const StepOps step_rolled_back = { "verify", rolled_back_tick };
