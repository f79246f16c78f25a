#include "base/num.h"
#include "kube/request.h"
#include "steps/drain-internal.h"
#include "steps/job.h"
#include <string.h>

#define MCO "machineconfiguration.openshift.io/"

static StepResult acted(void)
{
	return (StepResult){ .verb = STEP_ACT };
}

/* ---- what follows from a plan ---- */

static void remember_taken(NodeSeen *s, const char *item, const DrainPod *p, const Budget *budget)
{
	Taken *t = g_new0(Taken, 1);
	*t = (Taken){ .item = g_strdup(item),
		.ns = g_strdup(p->ns),
		.pod = g_strdup(p->name),
		.uid = g_strdup(p->uid),
		.budget = g_strdup(budget ? budget->name : ""),
		.version = g_strdup(budget ? budget->version : "") };
	g_ptr_array_add(s->taken, t);
}

static void take(Item *node, Batch *b, const DrainLook *l, const DrainPlan *plan, size_t i,
	DrainPodState state)
{
	const DrainPod *p = &l->pods[i];
	const DrainVerdict *v = &plan->pods[i];
	const Budget *budget = v->budget < l->n_budgets ? &l->budgets[v->budget] : NULL;
	const char *name = budget ? budget->name : "", *version = budget ? budget->version : "";
	g_autofree char *item = g_strdup_printf("%s/%s/%s", p->ns, p->name, p->uid);
	remember_taken(drain_node_seen(node), item, p, state == DP_EVICT ? budget : NULL);
	if (l->items[i]) {
		json_t *memo = json_pack("{s:I, s:s, s:s}", "acts",
			(json_int_t)item_n_acts(l->items[i]), "budget", name, "version", version);
		batch_move_memo(b, l->items[i], state, memo, "its turn again");
		return;
	}
	json_t *data = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "ns", p->ns, "name", p->name,
		"uid", p->uid, "node", item_name(node), "budget", name, "version", version);
	batch_item(b, node, &drain_pod_kind, item_site(node), item, state, data);
}

/* Returns when the next of those that have to wait may be asked for; INT64_MAX: none waits. */
static int64_t take_all(Item *node, Batch *b, const DrainLook *l, const DrainPlan *plan)
{
	int64_t again = INT64_MAX;
	for (size_t k = 0; k < plan->n_take; k++) {
		size_t i = plan->take[k];
		int64_t ready = l->items[i] ? drain_pod_ready_usec(l->items[i]) : 0;
		if (ready > l->in.now_usec)
			again = MIN(again, ready);
		else
			take(node, b, l, plan, i, DP_EVICT);
	}
	for (size_t i = 0; i < plan->n_pods; i++) {
		bool due = plan->pods[i].due && l->pods[i].act == POD_UNTOUCHED;
		int64_t ready = l->items[i] ? drain_pod_ready_usec(l->items[i]) : 0;
		if (due && ready > l->in.now_usec)
			again = MIN(again, ready);
		else if (due)
			take(node, b, l, plan, i, DP_DELETE);
	}
	return again;
}

/* Pods that go, and those that are gone: their items follow. */
static void follow(Item *node, Batch *b, const View *pods, int64_t now)
{
	for (size_t i = 0; i < item_n_children(node); i++) {
		Item *pod = item_child(node, i);
		unsigned state = item_state(pod);
		if (item_ended(pod))
			continue;
		const json_t *json = drain_find_uid(pods, drain_pod_text(pod, "uid"));
		PodSeen *seen = drain_pod_seen(pod);
		if (!seen->going_usec && (!json || json_path(json, "metadata.deletionTimestamp")))
			seen->going_usec = now;
		if (json || (state != DP_LEAVING && state != DP_REFUSED))
			continue;
		drain_node_seen(node)->gone_usec = now;
		batch_move(b, pod, DP_GONE, "its UID is gone");
	}
}

static bool all_ended(const Item *node)
{
	for (size_t i = 0; i < item_n_children(node); i++)
		if (!item_ended(item_child(node, i)))
			return false;
	return true;
}

/* Since when each pod has its cause; what is gone is forgotten. */
static void note_causes(NodeSeen *s, const DrainLook *l, const DrainPlan *plan)
{
	GHashTable *next = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	for (size_t i = 0; i < plan->n_pods; i++) {
		const DrainVerdict *v = &plan->pods[i];
		const DrainSince *old = g_hash_table_lookup(s->causes, l->pods[i].uid);
		DrainSince *now = g_new(DrainSince, 1);
		*now = (DrainSince){ v->cause,
			old && old->cause == v->cause ? old->since_usec : l->in.now_usec };
		g_hash_table_insert(next, g_strdup(l->pods[i].uid), now);
	}
	g_hash_table_unref(s->causes);
	s->causes = next;
}

/* ---- drawing back ---- */

void drain_withdraw(Item *child, Batch *b)
{
	if (item_kind(child) == &job_kind)
		job_withdraw(child, b);
	if (item_kind(child) != &drain_node_kind || item_ended(child))
		return;
	if (item_state(child) != DN_UNDO) {
		json_t *memo = json_pack(
			"{s:I}", "withdrawnIn", (json_int_t)item_state(item_parent(child)));
		batch_move_memo(b, child, DN_UNDO, memo, "withdrawn");
	}
	for (size_t i = 0; i < item_n_children(child); i++) {
		Item *pod = item_child(child, i);
		if (!item_ended(pod) && item_state(pod) != DP_UNDO)
			batch_move(b, pod, DP_UNDO, "withdrawn");
	}
}

static StepResult withdraw_self(Item *it, Batch *b, const char *why)
{
	batch_move(b, it, DN_UNDO, "%s", why);
	drain_withdraw(it, b);
	return acted();
}

static bool is_needed(const Item *it, bool same_node)
{
	const Item *cluster = item_parent(it);
	for (size_t i = 0; i < item_n_children(cluster); i++) {
		const Item *c = item_child(cluster, i);
		bool other = c != it && item_kind(c) == &drain_node_kind && !item_ended(c);
		if (other && (!same_node || strcmp(item_name(c), item_name(it)) == 0))
			return true;
	}
	return false;
}

static StepResult leave(Item *it, int64_t now, const char *why)
{
	Site *site = item_site(it);
	if (!is_needed(it, true)) {
		watched_release(site, &fact_node_pods, item_name(it));
		watched_release(site, &fact_node, item_name(it));
	}
	if (!is_needed(it, false))
		watched_release(site, &fact_pdbs, WATCHES_ALL);
	drain_node_seen(it)->ended_usec = now;
	item_set_reason(it, "%s", why);
	return step_done(DN_ENDED);
}

static StepResult undo_tick(Item *it, int64_t now, Batch *b)
{
	bool left;
	if (!all_ended(it)) {
		drain_withdraw(it, b);
		return step_wait(it, 0, "requests under way are settled first");
	}
	StepResult r = step_undo(it, b, &left);
	if (!left)
		return leave(it, now, "nothing of ours is left on it");
	g_autofree char *path = drain_node_path(it);
	const View *object = fact_peek(it, &fact_object, path);
	if (r.verb == STEP_HOLD && object && object->missing)
		return leave(it, now, "the node is gone, and our mark with it");
	return r;
}

/* ---- evicting ---- */

typedef struct Facts {
	const View *node, *pods, *pdbs;
} Facts;

/* False: return step_read. */
static bool read_facts(Item *it, Facts *f)
{
	f->node = watched(it, &fact_node, item_name(it));
	f->pods = watched(it, &fact_node_pods, item_name(it));
	f->pdbs = watched(it, &fact_pdbs, WATCHES_ALL);
	return f->node && f->pods && f->pdbs;
}

static StepResult wait_for(Item *it, int64_t now, int64_t at, const char *text)
{
	int64_t poll = watched_poll_usec(it, now);
	if (poll)
		at = MIN(at, poll);
	return step_wait(it, at == INT64_MAX ? 0 : at, "%s", text);
}

/* One round; *ret_empty: nothing is left and nothing is under way. */
static StepResult evict_round(
	Item *it, int64_t now, Batch *b, const Facts *f, bool *ret_empty, size_t *ret_past_deadline)
{
	NodeSeen *seen = drain_node_seen(it);
	g_ptr_array_set_size(seen->taken, 0);
	follow(it, b, f->pods, now);
	g_auto(DrainLook) l;
	drain_look(&l, it, f->node, f->pods, f->pdbs, b, now);
	g_autoptr(DrainPlan) plan = drain_plan(seen->rules, &l.in);
	note_causes(seen, &l, plan);
	g_autofree char *text = drain_plan_text(plan);
	int64_t at = plan->next_usec;
	if (!item_held(it))
		at = sl_min(at, take_all(it, b, &l, plan));
	if (l.throttled)
		at = MIN(at, l.throttled_usec);
	*ret_empty = plan->done && all_ended(it);
	*ret_past_deadline = plan->n_past_deadline;
	return wait_for(it, now, at, text);
}

/* ---- assist ---- */

static const char *note_of(const View *node, const char *key)
{
	const char *text = json_string_value(
		json_object_get(json_path(node->json, "metadata.annotations"), key));
	return text ? text : "";
}

/* Why there is nothing to help with; NULL: there is. */
static const char *operator_is_done(const View *node)
{
	if (node->missing)
		return "the node is gone";
	if (!json_path_bool(node->json, "spec.unschedulable", false))
		return "it may be scheduled on again";
	const char *wanted = note_of(node, MCO "desiredDrain");
	if (!g_str_has_prefix(wanted, "drain-"))
		return "the operator asks for no drain";
	if (strcmp(wanted, note_of(node, MCO "lastAppliedDrain")) == 0)
		return "the operator says that it is drained";
	return NULL;
}

static StepResult assist_tick(Item *it, int64_t now, Batch *b)
{
	Facts f;
	bool empty;
	size_t late;
	if (!read_facts(it, &f))
		return step_read(it);
	const char *over = operator_is_done(f.node);
	if (over)
		return withdraw_self(it, b, over);
	StepResult r = evict_round(it, now, b, &f, &empty, &late);
	if (empty)
		item_set_reason(it, "empty; the operator is to notice it");
	return r;
}

/* ---- our own drain ---- */

static const ActRow *mark_row(const Item *it)
{
	return json_path_bool(item_data(it), "taint", false) ? &act_taint : &act_cordon;
}

/* The watch may be behind our own write: only a read that was sent after it says that somebody took
 * the mark away. */
static bool is_isolated(Item *it, const View *node, const Act *mark, bool *ret_known)
{
	*ret_known = true;
	if (drain_is_isolated(it, node))
		return true;
	g_autofree char *path = drain_node_path(it);
	const View *v = fact(it, &fact_object, path);
	if (!v || fact_sent_usec(it, &fact_object, path) < act_settled_usec(mark)) {
		v = fact_since(it, &fact_object, path, act_settled_usec(mark));
		*ret_known = v != NULL;
	}
	return drain_is_isolated(it, v);
}

static StepResult past_deadline(Item *it, Batch *b, size_t n)
{
	switch (drain_node_seen(it)->rules->on_deadline) {
	case ON_DEADLINE_SKIP_NODE:
		return withdraw_self(it, b, "left out: its deadline has passed");
	case ON_DEADLINE_FORCE:
	case ON_DEADLINE_HOLD:
		break;
	}
	g_autofree char *text = g_strdup(item_reason(it));
	return step_hold(it, "drain-deadline",
		"node %s: %zu pod%s past the deadline of the DrainPolicy; %s", item_name(it), n,
		n == 1 ? "" : "s", text);
}

static StepResult uncordoned(Item *it)
{
	bool taint = mark_row(it) == &act_taint;
	return step_hold(it, "uncordoned",
		"somebody took our %s away from node %s; nothing is evicted there any more: put it "
		"back (kubectl %s %s%s), or leave the node out (shiplock skip %s --node %s "
		"--reason TEXT)",
		taint ? "taint" : "cordon", item_name(it), taint ? "taint node" : "cordon",
		item_name(it), taint ? " " DRAIN_TAINT "=drain:NoSchedule" : "",
		item_name(item_parent(it)), item_name(it));
}

/* No pod may still be on its way to the node, and the list is younger than all that we know to have
 * gone. */
static bool proof_is_due(Item *it, int64_t now, const Act *mark, int64_t *ret_until)
{
	*ret_until = act_settled_usec(mark)
			     ? act_settled_usec(mark) + DRAIN_ISOLATED_SEC * SL_USEC_PER_SEC
			     : 0;
	return now >= *ret_until;
}

static StepResult prove_empty(Item *it, int64_t now, const Act *mark)
{
	int64_t until;
	if (!proof_is_due(it, now, mark, &until))
		return wait_for(
			it, now, until, "no pods left; pods may still be on their way here");
	int64_t since = sl_max(until, drain_node_seen(it)->gone_usec);
	if (!fact_since(it, &fact_node_pods, item_name(it), since)) {
		item_set_reason(it, "no pods left; a list is to confirm it");
		return step_read(it);
	}
	item_set_reason(it, "a list shows no pods left");
	return step_done(DN_DRAINED);
}

static bool deadline_passed(Item *it)
{
	int64_t sec = drain_node_seen(it)->rules->node_sec;
	return sec > 0 && item_observed_usec(it) >= sec * SL_USEC_PER_SEC;
}

static StepResult drain_tick(Item *it, int64_t now, Batch *b)
{
	Facts f;
	bool known, empty;
	size_t late;
	g_autofree char *path = drain_node_path(it);
	const Act *mark = act_find(it, mark_row(it), path);
	if (!mark || act_state(mark) != ACT_DONE)
		return step_act(it, mark_row(it), path, b);
	if (!read_facts(it, &f))
		return step_read(it);
	if (f.node->missing)
		return withdraw_self(it, b, "the node is gone");
	bool isolated = is_isolated(it, f.node, mark, &known);
	if (!known)
		return step_read(it);
	if (!isolated)
		return uncordoned(it);
	StepResult r = evict_round(it, now, b, &f, &empty, &late);
	if (empty)
		return prove_empty(it, now, mark);
	if (late > 0 || deadline_passed(it))
		return past_deadline(it, b, late);
	return r;
}

/* Empty, until its parent is done with it. */
static StepResult drained_tick(Item *it, int64_t now, Batch *b)
{
	Facts f;
	bool known;
	g_autofree char *path = drain_node_path(it);
	if (!read_facts(it, &f))
		return step_read(it);
	if (f.node->missing)
		return withdraw_self(it, b, "the node is gone");
	bool isolated = is_isolated(it, f.node, act_find(it, mark_row(it), path), &known);
	if (!known)
		return step_read(it);
	if (!isolated)
		return uncordoned(it);
	g_auto(DrainLook) l;
	drain_look(&l, it, f.node, f.pods, f.pdbs, b, now);
	g_autoptr(DrainPlan) plan = drain_plan(drain_node_seen(it)->rules, &l.in);
	if (plan->n_left == 0)
		return wait_for(it, now, INT64_MAX, "empty and isolated");
	item_set_reason(it, "a pod came after all");
	return step_done(DN_DRAIN);
}

/* ---- tables ---- */

static const StepOps step_assist = { "assist", assist_tick };
static const StepOps step_drain = { "drain", drain_tick };
static const StepOps step_drained = { "drained", drained_tick };
static const StepOps step_undo_node = { "undo", undo_tick };
static const StepOps *const assist_steps[] = { &step_assist, NULL };
static const StepOps *const drain_steps[] = { &step_drain, NULL };
static const StepOps *const drained_steps[] = { &step_drained, NULL };
static const StepOps *const undo_steps[] = { &step_undo_node, NULL };

static const StateRow states[DN_MAX] = {
	[DN_ASSIST] = { .name = "assist", .next = TO(DN_UNDO), .steps = assist_steps },
	[DN_DRAIN] = { .name = "drain",
		.next = TO(DN_DRAINED) | TO(DN_UNDO),
		.steps = drain_steps },
	[DN_DRAINED] = { .name = "drained",
		.next = TO(DN_DRAIN) | TO(DN_UNDO),
		.steps = drained_steps,
		.untimed = true },
	[DN_UNDO] = { .name = "undo",
		.puts_back = true,
		.next = TO(DN_ENDED),
		.steps = undo_steps },
	[DN_ENDED] = { .name = "ended", .end = true, .untimed = true },
};
const ItemKind drain_node_kind = { .name = "node", .states = states, .n_states = DN_MAX };
const ActRow *const drain_rows[] = { &act_cordon, &act_uncordon, &act_taint, &act_untaint,
	&act_evict, &act_delete, NULL };

/* ---- beginning ---- */

static const Item *live_child(const Item *cluster, const char *node)
{
	for (size_t i = item_n_children(cluster); i > 0; i--) {
		const Item *c = item_child(cluster, i - 1);
		if (item_kind(c) == &drain_node_kind && !item_ended(c) &&
			strcmp(item_name(c), node) == 0)
			return c;
	}
	return NULL;
}

/* Help that ended is not begun again where the list of nodes behind the wish is older than that
 * end (a younger one is asked for), nor, in the same state of the cluster, where a person withdrew
 * it. */
static bool is_over(Item *cluster, const Item *child)
{
	g_autofree char *path = kube_path(&kube_nodes, NULL, NULL, NULL);
	const NodeSeen *s = item_ctx(child);
	if (json_path_int(item_memo(child), "withdrawnIn", 0) == (int64_t)item_state(cluster))
		return true;
	return s && s->ended_usec && !fact_since(cluster, &fact_list, path, s->ended_usec + 1);
}

static bool was_helped(Item *cluster, const char *node)
{
	for (size_t i = item_n_children(cluster); i > 0; i--) {
		const Item *c = item_child(cluster, i - 1);
		if (item_kind(c) == &drain_node_kind && strcmp(item_name(c), node) == 0 &&
			is_over(cluster, c))
			return true;
	}
	return false;
}

void drain_assist(Item *cluster, Batch *b, const char *node)
{
	if (target_observes(target_of(cluster)) || live_child(cluster, node) ||
		was_helped(cluster, node))
		return;
	batch_item(b, cluster, &drain_node_kind, item_site(cluster), node, DN_ASSIST, NULL);
}

void drain_node(Item *cluster, Batch *b, const char *node, bool taint)
{
	if (target_observes(target_of(cluster)) || live_child(cluster, node))
		return;
	batch_item(b, cluster, &drain_node_kind, item_site(cluster), node, DN_DRAIN,
		json_pack("{s:b}", "taint", (int)taint));
}

static void refuse(json_t *findings, const char *what)
{
	finding_add(findings, "block", "drain-policy",
		"take it out of the DrainPolicy of this plan until it has an effect",
		"the DrainPolicy uses %s", what);
}

static void refuse_of_operator(const DrainRules *r, json_t *findings)
{
	g_autofree char *part = drain_rules_beyond_operator(r);
	if (part)
		finding_add(findings, "block", "drain-policy",
			"take it out of the DrainPolicy of this plan",
			"the operator drains by itself here and knows only budgets: %s of the "
			"DrainPolicy has no effect",
			part);
	if (drain_rules_uses(r) & DRAIN_USES_WAIT_COMPLETED)
		refuse(findings, "waitCompleted, which has no effect yet where an operator drains: "
				 "the pool would be released while matching pods run");
}

static void refuse_of_ours(const DrainRules *r, json_t *findings)
{
	if (r->nodes_at_once > 1)
		refuse(findings, "nodes.atOnce above 1, which has no effect yet: nodes are taken "
				 "one by one");
	if (drain_rules_uses(r) & DRAIN_USES_SURGE)
		refuse(findings, "surge, which has no effect yet");
}

void drain_preflight(const Item *cluster, json_t *findings)
{
	static const struct {
		unsigned use;
		const char *what;
	} later[] = {
		{ DRAIN_USES_STORAGE_CLASSES, "match.storageClasses, which matches nothing yet" },
		{ DRAIN_USES_FORCE, "onDeadline: force, which has no effect yet" },
		{ DRAIN_USES_HOLDS, "holds, which have no effect yet" },
	};
	const json_t *policy = cluster_policy(cluster, "drain");
	g_autoptr(DrainRules) r = drain_rules_parse(json_is_null(policy) ? NULL : policy, NULL);
	if (!r)
		return; /* what is wrong with a document is said when it is checked */
	if (target_of(cluster)->provider->drains)
		refuse_of_ours(r, findings);
	else
		refuse_of_operator(r, findings);
	for (size_t i = 0; i < G_N_ELEMENTS(later); i++)
		if (drain_rules_uses(r) & later[i].use)
			refuse(findings, later[i].what);
}
