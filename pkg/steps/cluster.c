#include "steps/internal.h"
#include <string.h>

#define STEPS(...)                                                                                 \
	(const StepOps *const[])                                                                   \
	{                                                                                          \
		__VA_ARGS__, NULL                                                                  \
	}
enum { MINUTE = 60, HOUR = 3600 };

static const StepOps *const *up_list(const Item *it)
{
	return target_of(it)->provider->up;
}

static const StepOps *const *nodes_list(const Item *it)
{
	return target_of(it)->provider->nodes;
}

static const StepOps *const *down_list(const Item *it)
{
	const Provider *p = target_of(it)->provider;
	return p->down_for ? p->down_for(cluster_down_tier(it)) : p->down;
}

#define BACK (TO(CL_ROLLBACK) | TO(CL_UNDO))
#define HELD_BY_OTHERS (TO(CL_TAKEOVER) | BACK)

static const StateRow states[CL_MAX] = {
	[CL_PENDING] = { .name = "pending",
		.next = TO(CL_PREFLIGHT) | TO(CL_ENDED),
		.untimed = true },
	[CL_PREFLIGHT] = { .name = "preflight",
		.next = TO(CL_CLAIM) | TO(CL_TAKEOVER) | TO(CL_ENDED),
		.steps = STEPS(&step_preflight, &step_preflight_gates),
		.deadline_sec = 15 * MINUTE },
	[CL_CLAIM] = { .name = "claim",
		.next = TO(CL_BASELINE) | TO(CL_TAKEOVER) | TO(CL_UNDO),
		.steps = STEPS(&step_claim),
		.deadline_sec = 5 * MINUTE },
	[CL_TAKEOVER] = { .name = "takeover",
		.claimless = true,
		.next = TO(CL_BASELINE) | TO(CL_CONTROL_PLANE) | TO(CL_CP_VERIFY) | TO(CL_NODES) |
			TO(CL_VERIFY) | BACK,
		.steps = STEPS(&step_raise_claim, &step_found),
		.deadline_sec = 1 * HOUR },
	[CL_BASELINE] = { .name = "baseline",
		.next = TO(CL_EVACUATE) | HELD_BY_OTHERS,
		.steps = STEPS(&step_baseline),
		.deadline_sec = 10 * MINUTE },
	[CL_EVACUATE] = { .name = "evacuate",
		.next = TO(CL_BACKUP) | TO(CL_TAKEOVER) | TO(CL_UNDO),
		.steps = STEPS(&step_evacuate),
		.deadline_sec = 4 * HOUR },
	[CL_BACKUP] = { .name = "backup",
		.next = TO(CL_CONTROL_PLANE) | TO(CL_SOAK) | HELD_BY_OTHERS,
		.steps = STEPS(&step_backup, &step_hop),
		.deadline_sec = 24 * HOUR }, /* a Job has its own, shorter one */
	[CL_CONTROL_PLANE] = { .name = "control-plane",
		.next = TO(CL_CP_VERIFY) | HELD_BY_OTHERS,
		.list = up_list,
		.after = CL_CP_VERIFY,
		.deadline_sec = 4 * HOUR },
	[CL_CP_VERIFY] = { .name = "cp-verify",
		.next = TO(CL_CP_SOAK) | HELD_BY_OTHERS,
		.steps = STEPS(&step_cp_verify),
		.deadline_sec = 1 * HOUR },
	[CL_CP_SOAK] = { .name = "cp-soak",
		.next = TO(CL_NODES) | HELD_BY_OTHERS,
		.steps = STEPS(&step_cp_soak) },
	[CL_NODES] = { .name = "nodes",
		.next = TO(CL_VERIFY) | HELD_BY_OTHERS,
		.list = nodes_list,
		.after = CL_VERIFY,
		.deadline_sec = 72 * HOUR },
	[CL_VERIFY] = { .name = "verify",
		.next = TO(CL_SOAK) | TO(CL_BACKUP) | HELD_BY_OTHERS,
		.steps = STEPS(&step_verify),
		.deadline_sec = 1 * HOUR },
	[CL_SOAK] = { .name = "soak",
		.claimless = true,
		.next = TO(CL_DONE) | HELD_BY_OTHERS,
		.steps = STEPS(&step_soak) },
	[CL_DONE] = { .name = "done",
		.puts_back = true,
		.next = TO(CL_ENDED),
		.steps = STEPS(&step_undo_marks),
		.deadline_sec = 1 * HOUR },
	[CL_ROLLBACK] = { .name = "rollback",
		.next = TO(CL_ROLLED_BACK) | TO(CL_TAKEOVER) | TO(CL_UNDO),
		.list = down_list,
		.after = CL_ROLLED_BACK,
		.deadline_sec = 8 * HOUR },
	[CL_ROLLED_BACK] = { .name = "rolled-back",
		.next = TO(CL_ROLLBACK) | TO(CL_TAKEOVER) | TO(CL_UNDO), /* on, by T3 */
		.steps = STEPS(&step_rolled_back),
		.deadline_sec = 2 * HOUR },
	[CL_UNDO] = { .name = "undo",
		.puts_back = true,
		.next = TO(CL_ENDED),
		.steps = STEPS(&step_undo_marks),
		.deadline_sec = 1 * HOUR },
	[CL_ENDED] = { .name = "ended", .end = true, .untimed = true },
};

/* Somebody stopped it, or something that is no fault of the upgrade: its time proves nothing. */
static bool stopped(const Item *it)
{
	static const char *const verdicts[] = { "gate-failed", "rollback-wanted",
		"rollback-did-not-help" };
	for (size_t i = 0; i < item_n_holds(it); i++) {
		bool verdict = false;
		for (size_t k = 0; k < G_N_ELEMENTS(verdicts); k++)
			verdict = verdict || strcmp(item_hold(it, i)->cause, verdicts[k]) == 0;
		if (item_hold(it, i)->person && !verdict)
			return true;
	}
	while ((it = item_parent(it)))
		if (cluster_pause(it))
			return true;
	return false;
}

/* In these states a passed deadline is a verdict about the upgrade, elsewhere it is a hold. */
static StepResult on_deadline(Item *it, int64_t now, Batch *b)
{
	switch (item_state(it)) {
	case CL_CONTROL_PLANE:
	case CL_CP_VERIFY:
	case CL_VERIFY:
		return fact_error(it, &fact_object, target_of(it)->provider->claim_path)
			       ? step_wait(it, 0, "%s", item_reason(it))
			       : progress_late(it, now, b);
	default:
		return step_wait(it, 0, "%s", item_reason(it));
	}
}

/* No data, no answer, a write that fails, a pause: time that says nothing about the upgrade. */
static bool stands_still(const Item *it)
{
	for (size_t i = 0; i < item_n_holds(it); i++)
		if (!item_hold(it, i)->person)
			return true;
	return stopped(it);
}

static int hold_for(const Item *it)
{
	int64_t sec = 0;
	/* The window clears itself at its next opening, however far away; a merge is a person's. */
	if (item_find_hold(it, "window") || item_find_hold(it, "merge"))
		return 0;
	if (!sl_duration_parse(json_path_str(cluster_plan(it), "onFailure.holdFor", "1h"), &sec))
		return HOUR;
	return (int)MIN(sec, INT32_MAX);
}

const ItemKind cluster_kind = {
	.name = "cluster",
	.states = states,
	.n_states = CL_MAX,
	.on_deadline = on_deadline,
	.hold_for_sec = hold_for,
	.stands_still = stands_still,
};

/* ---- a failed gate ---- */

static GateOnFail plan_consequence(const Item *it)
{
	const char *action = json_path_str(cluster_plan(it), "onFailure.action", "rollback");
	return strcmp(action, "hold") == 0 ? ON_FAIL_HOLD : ON_FAIL_ROLLBACK;
}

static StepResult end_early(
	Item *it, Batch *b, unsigned state, const char *outcome, const char *why)
{
	batch_move_memo(b, it, state, json_pack("{s:s}", "outcome", outcome), "%s", why);
	return (StepResult){ .verb = STEP_ACT };
}

const Hold *cluster_pause(const Item *it)
{
	const Hold *pause = item_find_hold(it, "pause");
	return pause ? pause : item_find_hold(it, "git");
}

/* Who paused it, in words. */
static const char *paused_by(const Item *it)
{
	static const char prefix[] = "paused by ";
	for (; it; it = item_parent(it)) {
		const Hold *h = cluster_pause(it);
		if (h && g_str_has_prefix(h->reason, prefix))
			return h->reason + strlen(prefix);
		if (h)
			return h->reason;
	}
	return NULL;
}

void cluster_roll_back_for_git(Item *it, Batch *b, const char *reason)
{
	Tier tier = TIER_T0;
	tier_parse(json_path_str(item_memo(it), "offer.tier", "T0"), &tier);
	RollbackFacts f = { .cluster = item_name(it),
		.offered = tier,
		.workers_touched = hop_crossed(it, "workers"),
		.waits_for_merge = target_waits_for_merge(target_of(it)),
		.paused_by = paused_by(it) };
	RollbackAnswer a = rollback_decide(cluster_rollback_rules(it), &f);
	g_autofree char *text = g_strdup_printf("%s; %s", reason, a.text), *says = NULL;
	Command c = { .verb = "rollback", .who = "git", .reason = reason, .by_git = true };
	int64_t until = INT64_MAX;
	g_autofree char *closed = NULL;
	if (hop_crossed(it, "control-plane") &&
		!cluster_window_open(it, WORK_BACK, &until, &closed)) {
		g_autofree char *later =
			g_strdup_printf("%s; no rollback begins outside: %s", reason, closed);
		batch_hold(b, it, "rollback-wanted", "git", true, later);
		return;
	}
	if (!hop_crossed(it, "control-plane") || a.decision == ROLLBACK_AUTOMATIC)
		cluster_command(it, b, &c, &says, NULL);
	else
		batch_hold(b, it, "rollback-wanted", "git", true, text);
}

/* The look that decided, kept when the looks of the state are gone. NULL: none. */
static json_t *decisive_look(const Item *it, const char *gate)
{
	const json_t *looks = item_looks(it);
	for (size_t i = json_array_size(looks); i > 0; i--) {
		json_t *l = json_array_get(looks, i - 1);
		if (strcmp(json_path_str(l, "gate", ""), gate) == 0 &&
			strcmp(json_path_str(l, "verdict", ""), "FAIL") == 0)
			return l;
	}
	return NULL;
}

Tier cluster_down_tier(const Item *it)
{
	Tier tier = TIER_T2;
	tier_parse(json_path_str(item_memo(it), "downTier", "T2"), &tier);
	return tier;
}

static bool is_another_offer(const Item *it, const json_t *offer)
{
	const json_t *known = json_object_get(item_memo(it), "offer");
	return strcmp(json_path_str(known, "tier", ""), json_path_str(offer, "tier", "")) != 0 ||
	       strcmp(json_path_str(known, "target", ""), json_path_str(offer, "target", "")) != 0;
}

static StepResult want_rollback(Item *it, Batch *b, const char *gate, const char *why)
{
	/* Probed anew: what was open before the hop may be closed by now. */
	g_auto(RollbackOffer) offer = { 0 };
	if (!target_of(it)->provider->probe_return(it, cluster_hop(it), &offer))
		return step_read(it);
	g_autoptr(json_t) shown = cluster_offer_json(it, &offer);
	RollbackFacts f = {
		.cluster = item_name(it),
		.offered = offer.tier,
		.workers_touched = hop_crossed(it, "workers"),
		.waits_for_merge = target_waits_for_merge(target_of(it)),
		.paused_by = paused_by(it),
	};
	RollbackAnswer a = rollback_decide(cluster_rollback_rules(it), &f);
	int64_t until = INT64_MAX;
	g_autofree char *closed = NULL;
	if (a.decision == ROLLBACK_AUTOMATIC &&
		!cluster_window_open(it, WORK_BACK, &until, &closed)) {
		g_autofree char *text = g_strdup_printf(
			"gate %s failed: %s; the rollback of %s", gate, why, closed);
		return cluster_wait_window(it, until, text);
	}
	if (a.decision == ROLLBACK_AUTOMATIC) {
		json_t *memo = json_pack("{s:{s:s, s:s, s:s, s:O?}, s:O, s:s}", "rollback", "gate",
			gate, "why", why, "by", "gate", "look", decisive_look(it, gate), "offer",
			shown, "downTier", tier_name(offer.tier));
		batch_move_memo(b, it, CL_ROLLBACK, memo, "gate %s failed: %s", gate, why);
		return (StepResult){ .verb = STEP_ACT };
	}
	/* Whoever is asked says yes to what is offered now. */
	if (is_another_offer(it, shown))
		batch_memo(b, it, "offer", json_incref(shown));
	return step_hold_person(it, a.decision == ROLLBACK_ASK ? "rollback-wanted" : "gate-failed",
		"gate %s failed: %s; %s", gate, why, a.text);
}

StepResult cluster_failed(
	Item *it, int64_t now, Batch *b, GateOnFail of_gate, const char *gate, const char *why)
{
	unsigned state = item_state(it);
	if (state == CL_PREFLIGHT)
		return end_early(it, b, CL_ENDED, "Refused", why);
	if (state >= CL_DONE)
		return step_hold_person(it, "rollback-did-not-help",
			"gate %s fails after the rollback too: %s", gate, why);
	GateOnFail c = gate_consequence(of_gate, plan_consequence(it));
	if (c == ON_FAIL_HALT && !json_object_get(item_memo(it), "halt"))
		batch_memo(b, it, "halt", json_string(gate));
	if (c == ON_FAIL_ROLLBACK && hop_crossed(it, "control-plane"))
		return want_rollback(it, b, gate, why);
	return step_hold_person(it, "gate-failed", "gate %s failed: %s", gate, why);
}
