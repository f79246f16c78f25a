/* What a person's command does in each state: the table of the design ("What a command does
 * where"), row by row. */
#include "steps/drain.h"
#include "steps/internal.h"
#include "steps/question.h"
#include <string.h>

static bool refuse(GError **err, const char *fmt, ...) SL_PRINTF(2, 3);
static bool refuse(GError **err, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	g_autofree char *text = g_strdup_vprintf(fmt, ap);
	va_end(ap);
	return sl_fail(err, SL_ERR_REFUSED, "%s", text);
}

void cluster_record(Item *it, Batch *b, const Command *c)
{
	json_t *body = json_pack("{s:s, s:s, s:s}", "verb", c->verb, "who", c->who, "reason",
		c->reason ? c->reason : "");
	if (c->gate)
		json_object_set_new(body, "gate", json_string(c->gate));
	if (c->node)
		json_object_set_new(body, "node", json_string(c->node));
	batch_record(b, "command", it, body);
}

/* A person decided: whatever held the cluster does so no longer. */
static void clear_holds(Item *it, Batch *b, const Command *c)
{
	for (size_t i = 0; i < item_n_holds(it); i++) {
		g_autofree char *why = g_strdup_printf("%s by %s", c->verb, c->who);
		batch_unhold(b, it, item_hold(it, i)->cause, why);
	}
}

static void end_with(Item *it, Batch *b, const Command *c, unsigned state, const char *outcome)
{
	batch_move_memo(b, it, state, json_pack("{s:s}", "outcome", outcome), "%s by %s%s%s",
		c->verb, c->who, c->reason && *c->reason ? ": " : "", c->reason ? c->reason : "");
}

/* ---- pause, resume ---- */

static bool do_pause(Item *it, Batch *b, const Command *c, char **ret_says, GError **err)
{
	if (item_find_hold(it, "pause"))
		return refuse(err, "%s is paused already", item_name(it));
	cluster_record(it, b, c);
	g_autofree char *text = g_strdup_printf("paused by %s%s%s", c->who,
		c->reason && *c->reason ? ": " : "", c->reason ? c->reason : "");
	batch_hold(b, it, "pause", "person", true, text);
	*ret_says = g_strdup_printf(
		"%s is paused in %s; what runs there by itself goes on, nothing new starts",
		item_name(it), item_state_name(it));
	return true;
}

/* These causes stand in facts or looks: a resume alone would only be held again. */
static bool stands(const char *cause)
{
	static const char *const causes[] = { "gate-failed", "rollback-wanted",
		"rollback-did-not-help" };
	for (size_t i = 0; i < G_N_ELEMENTS(causes); i++)
		if (strcmp(causes[i], cause) == 0)
			return true;
	return false;
}

/* The verdict was that it took too long: a person may give it more time. */
static bool was_late(const Item *it, const Hold *h)
{
	const json_t *looks = item_looks(it);
	const json_t *last = json_array_get(looks, json_array_size(looks) - 1);
	return stands(h->cause) && json_array_size(looks) > 0 &&
	       strcmp(json_path_str(last, "gate", ""), "progress") == 0;
}

/* What stands above the cluster: a resume of the cluster does not lift it. */
static const Hold *held_above(const Item *it)
{
	while ((it = item_parent(it)))
		if (cluster_pause(it))
			return cluster_pause(it);
	return NULL;
}

static const char *lifted_by(const Hold *above)
{
	return strcmp(above->cause, "git") == 0 ? "state: active in Git"
						: "shiplock resume --fleet";
}

/* Time in which it could not go on is given back: the deadline of its state begins anew. */
static void grant_time(Item *it, Batch *b)
{
	int64_t sec = item_kind(it)->states[item_state(it)].deadline_sec;
	bool late = sec > 0 && item_observed_usec(it) > sec * SL_USEC_PER_SEC / 2;
	if (late || item_find_hold(it, "deadline"))
		batch_unhold(b, it, "deadline", "stopped meanwhile: its time begins anew");
}

void cluster_unpaused(Item *it, Batch *b)
{
	grant_time(it, b);
	if (item_find_hold(it, "rollback-wanted"))
		batch_unhold(b, it, "rollback-wanted", "the pause is over: decided again");
}

static char *resumed_text(const Item *it, const Hold *standing, const Hold *above)
{
	if (standing)
		return g_strdup_printf("%s is still held: %s", item_name(it), standing->reason);
	if (above)
		return g_strdup_printf("%s is still held: %s, until %s", item_name(it),
			above->reason, lifted_by(above));
	return g_strdup_printf("%s goes on in %s", item_name(it), item_state_name(it));
}

static bool resume_refused(
	const Item *it, size_t n, const Hold *standing, const Hold *above, GError **err)
{
	if (n == 0 && above)
		return !refuse(err, "%s; resume %s does not change that: %s does", above->reason,
			item_name(it), lifted_by(above));
	if (n == 0)
		return !refuse(
			err, "%s is not held by anything that a person clears", item_name(it));
	if (standing && n == 1)
		return !refuse(err,
			"%s; resume does not change that: shiplock rollback %s, abort %s, or skip "
			"the gate if it may be skipped",
			standing->reason, item_name(it), item_name(it));
	return false;
}

/* All that a person clears, but for what would only be held again. */
static void lift_holds(Item *it, Batch *b, const Command *c)
{
	bool late = false;
	for (size_t i = 0; i < item_n_holds(it); i++) {
		const Hold *h = item_hold(it, i);
		bool again = strcmp(h->by, "tick") == 0 && item_find_hold(it, "held-too-long");
		late = late || was_late(it, h);
		if ((!stands(h->cause) || was_late(it, h)) && (h->person || again) &&
			strcmp(h->cause, "deadline") != 0)
			batch_unhold(b, it, h->cause, c->who);
	}
	if (late)
		cluster_more_time(it, b);
}

static bool do_resume(Item *it, Batch *b, const Command *c, char **ret_says, GError **err)
{
	const Hold *standing = NULL, *above = held_above(it);
	bool paused = item_find_hold(it, "pause") != NULL;
	size_t n = 0;
	for (size_t i = 0; i < item_n_holds(it); i++) {
		const Hold *h = item_hold(it, i);
		n += h->person;
		bool again = paused && strcmp(h->cause, "rollback-wanted") == 0;
		if (stands(h->cause) && !again && !was_late(it, h))
			standing = h;
	}
	if (resume_refused(it, n, standing, above, err))
		return false;
	cluster_record(it, b, c);
	lift_holds(it, b, c);
	grant_time(it, b);
	if (paused && item_find_hold(it, "rollback-wanted"))
		batch_unhold(b, it, "rollback-wanted", "the pause is over: decided again");
	if (item_site(it)) /* what was known before the pause is read again */
		site_fact_forget(item_site(it), NULL, NULL);
	*ret_says = resumed_text(it, standing, above);
	return true;
}

/* ---- abort ---- */

/* What the provider runs on a node that is empty for it comes to its end first: resume, or the way
 * back, puts the node back then. */
static bool must_stay(const Item *it, const Item *child)
{
	return target_of(it)->provider->settle && item_kind(child) == &drain_node_kind &&
	       item_state(child) == DN_DRAINED;
}

static bool ask_instead(Item *it, Batch *b, const Command *c, char **ret_says)
{
	for (size_t i = 0; i < item_n_children(it); i++)
		if (!item_ended(item_child(it, i)) && !must_stay(it, item_child(it, i)))
			drain_withdraw(item_child(it, i), b);
	g_autofree char *text =
		g_strdup_printf("aborted by %s: stopped here; shiplock rollback %s or resume %s",
			c->who, item_name(it), item_name(it));
	batch_hold(b, it, "abort", "person", true, text);
	*ret_says = g_strdup_printf("%s is stopped in %s; what has begun there goes on. "
				    "Next: shiplock rollback %s, or shiplock resume %s",
		item_name(it), item_state_name(it), item_name(it), item_name(it));
	return true;
}

/* Nothing of the hop has begun: it was not ordered yet, or the provider refuses the order, which is
 * then taken back (a refused order is taken up by itself as soon as its reason goes). */
static bool nothing_begun(const Item *it)
{
	return item_state(it) == CL_CONTROL_PLANE &&
	       (!hop_crossed(it, "control-plane") || item_find_hold(it, "refused"));
}

/* The way back itself waits for a person, or is refused by the provider: it may be given up. */
static bool stuck(const Item *it)
{
	for (size_t i = 0; i < item_n_holds(it); i++)
		if (item_hold(it, i)->person && strcmp(item_hold(it, i)->cause, "pause") != 0)
			return true;
	return item_find_hold(it, "refused") != NULL || target_observes(target_of(it));
}

static bool do_abort(Item *it, Batch *b, const Command *c, char **ret_says, GError **err)
{
	unsigned s = item_state(it);
	const Provider *p = target_of(it)->provider;
	if (p->must_end && p->must_end(it))
		return refuse(err,
			"%s stands between two states and nothing serves there: it can only go on; "
			"shiplock why %s says what holds it, shiplock resume %s tries again",
			item_name(it), item_name(it), item_name(it));
	if ((s == CL_ROLLBACK || s == CL_ROLLED_BACK) && stuck(it)) {
		cluster_record(it, b, c);
		clear_holds(it, b, c);
		end_with(it, b, c, CL_UNDO, "PartiallyRolledBack");
		*ret_says = g_strdup_printf(
			"%s ends PartiallyRolledBack, as it stands; brakes stay", item_name(it));
		return true;
	}
	if (s >= CL_DONE)
		return refuse(err, "%s is in %s: it cannot be aborted there", item_name(it),
			item_state_name(it));
	bool running = (s == CL_CONTROL_PLANE && !nothing_begun(it)) || s == CL_NODES;
	if (running && item_find_hold(it, "abort"))
		return refuse(err, "%s is aborted already", item_name(it));
	cluster_record(it, b, c);
	if (running)
		return ask_instead(it, b, c, ret_says);
	clear_holds(it, b, c);
	end_with(it, b, c, s <= CL_PREFLIGHT ? CL_ENDED : CL_UNDO, "Aborted");
	*ret_says = g_strdup_printf("%s ends Aborted; every mark of ours is taken away%s",
		item_name(it), s >= CL_CONTROL_PLANE ? ", the version stays as it is now" : "");
	return true;
}

/* ---- rollback, and the yes to one ---- */

static Tier offered(const Item *it)
{
	Tier tier = TIER_T0;
	tier_parse(json_path_str(item_memo(it), "offer.tier", "T0"), &tier);
	return tier;
}

static void step_down_by(
	Item *it, Batch *b, const Command *c, Tier tier, const char *how, char **ret_says)
{
	clear_holds(it, b, c);
	json_t *memo = json_pack("{s:{s:s, s:s}, s:s}", "rollback", "by", c->who, "why",
		c->reason ? c->reason : "", "downTier", tier_name(tier));
	batch_move_memo(b, it, CL_ROLLBACK, memo, "rollback by %s%s%s", c->who,
		c->reason && *c->reason ? ": " : "", c->reason ? c->reason : "");
	*ret_says = g_strdup_printf("%s steps down: %s", item_name(it), how);
}

static void step_down(Item *it, Batch *b, const Command *c, char **ret_says)
{
	step_down_by(
		it, b, c, offered(it), json_path_str(item_memo(it), "offer.how", ""), ret_says);
}

/* The policy names who must say yes to this tier, and it would not begin by itself either. */
static bool others_are_asked(const Item *it)
{
	const RollbackRules *r = cluster_rollback_rules(it);
	RollbackFacts f = { .cluster = item_name(it),
		.offered = offered(it),
		.workers_touched = hop_crossed(it, "workers") };
	return r->approval[f.offered] && (item_find_hold(it, "rollback-wanted") ||
						 rollback_decide(r, &f).decision == ROLLBACK_ASK);
}

/* The policy lets no rollback begin outside the window: then nobody's word begins one. */
static bool barred(const Item *it, GError **err)
{
	int64_t until = INT64_MAX;
	g_autofree char *closed = NULL;
	if (cluster_window_open(it, WORK_BACK, &until, &closed))
		return false;
	return !refuse(err,
		"no rollback begins outside the window (rollbackOutside: false): %s; shiplock "
		"abort %s stops here",
		closed, item_name(it));
}

/* The answer of who asks counts too, where the policy names them. */
static bool ask_others(Item *it, Batch *b, const Command *c, char **ret_says, GError **err)
{
	Question q;
	ApprovalResult r;
	g_autofree char *reason = g_strdup_printf("rollback asked for by %s%s%s", c->who,
		c->reason && *c->reason ? ": " : "", c->reason ? c->reason : "");
	bool asked = question_open(it, &q);
	if (!asked)
		question_rollback(it, reason, &q);
	g_autofree char *name = question_name(&q);
	g_autoptr(GError) why_not = NULL;
	bool counts = question_answer(&q, b, c, &r, &why_not);
	if (!counts && asked) {
		g_propagate_error(err, g_steal_pointer(&why_not));
		return false;
	}
	cluster_record(it, b, c);
	if (counts && r.state == APPROVAL_GIVEN) {
		step_down(it, b, c, ret_says);
		return true;
	}
	if (!asked)
		batch_hold(b, it, "rollback-wanted", "person", true, reason);
	*ret_says = g_strdup_printf("%s waits for %s before it steps down: %s", item_name(it), name,
		counts ? r.text : "nobody has said yes yet");
	return true;
}

/* Down by T3 already, or there is nothing yet to go back from. */
static bool restore_refused(const Item *it, const Command *c, GError **err)
{
	bool back = item_state(it) >= CL_ROLLBACK;
	const RollbackRules *r = cluster_rollback_rules(it);
	if (strcmp(c->tier, tier_name(TIER_T3)) != 0)
		return !sl_fail(err, SL_ERR_INVALID,
			"only T3 can be asked for by name; of the others the probe chooses");
	if (cluster_takes_back(it) || !hop_crossed(it, "control-plane") ||
		(item_state(it) >= CL_DONE && !back) || item_state(it) >= CL_UNDO)
		return !refuse(err, "%s is in %s: T3 is for a run whose control plane has moved",
			item_name(it), item_state_name(it));
	if (back && (cluster_down_tier(it) == TIER_T3 || !stuck(it)))
		return !refuse(err, "%s is on its way back by %s", item_name(it),
			tier_name(cluster_down_tier(it)));
	if (!r->approval[TIER_T3])
		return !refuse(err,
			"T3 loses what was written since and needs a second approval: name an "
			"ApprovalPolicy in approval.T3 of the RollbackPolicy");
	return false;
}

/* The data of before, whatever the probe offers: others say yes to it first. */
static bool do_restore(Item *it, Batch *b, const Command *c, char **ret_says, GError **err)
{
	g_auto(RollbackOffer) o = { 0 };
	const Provider *p = target_of(it)->provider;
	if (restore_refused(it, c, err))
		return false;
	if (p->restorable)
		p->restorable(it, &o);
	if (o.tier != TIER_T3)
		return refuse(err, "%s cannot go back by T3: %s", item_name(it),
			o.how ? o.how : "its provider has none");
	if (barred(it, err))
		return false;
	Question q;
	ApprovalResult r;
	g_autofree char *reason = g_strdup_printf("rollback by T3 asked for by %s%s%s", c->who,
		c->reason && *c->reason ? ": " : "", c->reason ? c->reason : "");
	question_tier(it, TIER_T3, reason, &q);
	/* Whoever orders it may be one of those who are asked, and is never all of them. */
	bool counts = question_answer(&q, b, c, &r, NULL);
	cluster_record(it, b, c);
	batch_memo(b, it, "askedTier", json_string(tier_name(TIER_T3)));
	g_autofree char *name = question_name(&q);
	batch_hold(b, it, "rollback-wanted", "person", true, reason);
	*ret_says = g_strdup_printf("%s waits for %s before it goes back by T3 (%s): %s",
		item_name(it), name, o.how,
		!counts                     ? "nobody has said yes yet"
		: r.state == APPROVAL_GIVEN ? "another one than who orders it has to say yes"
					    : r.text);
	return true;
}

/* All have said yes; what it was asked for on may have gone meanwhile, and then it holds there. */
static void restore_down(Item *it, Batch *b, const Command *c, char **ret_says)
{
	g_auto(RollbackOffer) o = { 0 };
	const Provider *p = target_of(it)->provider;
	if (p->restorable)
		p->restorable(it, &o);
	step_down_by(it, b, c, TIER_T3, o.how ? o.how : "", ret_says);
}

static bool do_rollback(Item *it, Batch *b, const Command *c, char **ret_says, GError **err)
{
	unsigned s = item_state(it);
	if (c->tier)
		return do_restore(it, b, c, ret_says, err);
	if (s <= CL_PREFLIGHT)
		return refuse(
			err, "%s has not started: there is nothing to roll back", item_name(it));
	if (cluster_takes_back(it))
		return refuse(err, "%s is being taken back already", item_name(it));
	if (s >= CL_DONE)
		return refuse(err, "%s is in %s already", item_name(it), item_state_name(it));
	bool ordered = hop_crossed(it, "control-plane");
	/* In control-plane there may be brakes already: they are let go on the way down. */
	if (!ordered && (s < CL_CONTROL_PLANE || offered(it) < TIER_T1))
		return do_abort(it, b, c, ret_says, err);
	if (offered(it) < TIER_T1)
		return refuse(err, "%s cannot be rolled back: %s", item_name(it),
			json_path_str(item_memo(it), "offer.how", "the probe offers nothing"));
	if (barred(it, err))
		return false;
	if (others_are_asked(it) && !c->by_git)
		return ask_others(it, b, c, ret_says, err);
	cluster_record(it, b, c);
	step_down(it, b, c, ret_says);
	return true;
}

/* Who asked for it themselves hears the no, and it goes on; a gate's or Git's wish stands. */
static char *rejected(Item *it, Batch *b, const Command *c)
{
	const Hold *asked = item_find_hold(it, "rollback-wanted");
	g_autofree char *text = g_strdup_printf("rejected by %s: %s", c->who, c->reason);
	if (strcmp(asked->by, "person") == 0)
		batch_unhold(b, it, asked->cause, text);
	if (json_is_string(json_object_get(item_memo(it), "askedTier")))
		batch_memo(b, it, "askedTier", json_null());
	return g_strdup_printf("the rollback of %s is %s", item_name(it), text);
}

static bool do_approve(Item *it, Batch *b, const Command *c, char **ret_says, GError **err)
{
	Question q;
	ApprovalResult r;
	if (!question_open(it, &q))
		return refuse(err, "%s asks nothing that could be approved", item_name(it));
	bool data = g_strcmp0(q.tier, tier_name(TIER_T3)) == 0;
	if (!c->reject && item_state(it) >= (data ? CL_UNDO : CL_DONE))
		return refuse(err, "%s is in %s already", item_name(it), item_state_name(it));
	if ((!c->reject && barred(it, err)) || !question_answer(&q, b, c, &r, err))
		return false;
	g_autofree char *name = question_name(&q);
	if (c->reject)
		*ret_says = rejected(it, b, c);
	else if (r.state != APPROVAL_GIVEN)
		*ret_says = g_strdup_printf(
			"the rollback of %s waits for %s: %s", item_name(it), name, r.text);
	else if (data)
		restore_down(it, b, c, ret_says);
	else
		step_down(it, b, c, ret_says);
	return true;
}

/* ---- skip ---- */

static bool may_skip_gate(Item *it, const char *name)
{
	size_t n;
	const Gate *const *gates = cluster_gates(it, &n);
	for (size_t i = 0; i < n; i++)
		if (strcmp(gates[i]->name, name) == 0)
			return gates[i]->may_skip;
	return false;
}

static bool skip_gate(Item *it, Batch *b, const Command *c, char **ret_says, GError **err)
{
	if (!may_skip_gate(it, c->gate))
		return refuse(err,
			"gate %s of %s may not be skipped: its policy does not say maySkip",
			c->gate, item_name(it));
	cluster_record(it, b, c);
	json_t *names = json_deep_copy(json_object_get(item_memo(it), "skippedGates"));
	if (!names)
		names = json_array();
	json_array_append_new(names, json_string(c->gate));
	batch_memo(b, it, "skippedGates", names);
	if (g_strcmp0(json_path_str(item_memo(it), "halt", NULL), c->gate) == 0)
		batch_memo(b, it, "halt", json_null());
	static const char *const causes[] = { "gate", "gate-failed", "rollback-wanted",
		"rollback-did-not-help", "inconclusive", "held-too-long" };
	for (size_t i = 0; i < G_N_ELEMENTS(causes); i++)
		if (item_find_hold(it, causes[i]))
			batch_unhold(b, it, causes[i], "gate skipped");
	*ret_says = g_strdup_printf("gate %s of %s is skipped from now on", c->gate, item_name(it));
	return true;
}

/* A list of names in the memo. Where we drain, the provider leaves "skippedNodes" out from now on;
 * for what ran on "leftNodes" it does not wait either. */
static void note_name(Item *it, Batch *b, const char *list, const char *name)
{
	json_t *names = json_deep_copy(json_object_get(item_memo(it), list)), *n;
	size_t i;
	if (!names)
		names = json_array();
	bool known = false;
	json_array_foreach (names, i, n)
		known = known || strcmp(json_string_value(n), name) == 0;
	if (!known)
		json_array_append_new(names, json_string(name));
	batch_memo(b, it, list, names);
}

/* The provider cannot reach it and holds. */
static bool is_away(const Item *it, const char *node)
{
	return item_find_hold(it, "node-away") &&
	       strcmp(json_path_str(item_memo(it), "awayNode", ""), node) == 0;
}

static bool skip_node(Item *it, Batch *b, const Command *c, char **ret_says, GError **err)
{
	Item *node = item_find_child(it, c->node);
	bool in_work = node && !item_ended(node), away = is_away(it, c->node);
	if (!in_work && !away)
		return refuse(err, "%s has no node %s in work", item_name(it), c->node);
	bool over = item_state(it) == CL_UNDO; /* nothing more is done there */
	if (!over && !json_path_bool(cluster_policy(it, "drain"), "nodes.maySkip", false))
		return refuse(err,
			"nodes of %s may not be skipped: the DrainPolicy does not say "
			"nodes.maySkip",
			item_name(it));
	cluster_record(it, b, c);
	note_name(it, b, "skippedNodes", c->node);
	if (away)
		note_name(it, b, "leftNodes", c->node);
	if (in_work)
		drain_withdraw(node, b);
	*ret_says = g_strdup_printf("node %s of %s is left out%s", c->node, item_name(it),
		away                              ? ", whatever became of what ran on it"
		: target_of(it)->provider->settle ? "; what runs on it comes to its end first"
						  : "");
	return true;
}

static bool do_skip(Item *it, Batch *b, const Command *c, char **ret_says, GError **err)
{
	if (!c->reason || !*c->reason)
		return sl_fail(err, SL_ERR_INVALID, "skip needs a reason: --reason TEXT");
	if (c->gate)
		return skip_gate(it, b, c, ret_says, err);
	if (c->node)
		return skip_node(it, b, c, ret_says, err);
	if (item_state(it) > CL_PREFLIGHT)
		return refuse(err,
			"%s is in %s: only a cluster that has not started can be skipped",
			item_name(it), item_state_name(it));
	cluster_record(it, b, c);
	end_with(it, b, c, CL_ENDED, "Skipped");
	*ret_says = g_strdup_printf("%s is left out of this run", item_name(it));
	return true;
}

static const struct {
	const char *verb;
	bool (*run)(Item *it, Batch *b, const Command *c, char **ret_says, GError **err);
} verbs[] = {
	{ "pause", do_pause },
	{ "resume", do_resume },
	{ "abort", do_abort },
	{ "rollback", do_rollback },
	{ "approve", do_approve },
	{ "skip", do_skip },
	{ "takeover", takeover_command },
};

bool cluster_command(Item *it, Batch *b, const Command *c, char **ret_says, GError **err)
{
	if (item_ended(it))
		return refuse(err, "%s has ended (%s): shiplock retry %s starts a new run",
			item_name(it), cluster_outcome(it) ? cluster_outcome(it) : "?",
			item_name(it));
	for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++)
		if (strcmp(verbs[i].verb, c->verb) == 0)
			return verbs[i].run(it, b, c, ret_says, err);
	return sl_fail(err, SL_ERR_INVALID, "%s is no command for a cluster", c->verb);
}
