#include "policy/drain.h"
#include "objects/time.h"
#include <string.h>

enum { SLOW_SEC = 60, BLOCKED_RETRY_SEC = 60 };
static const int64_t USEC = 1000000;

/* One planning: the input and what is worked out along the way. */
typedef struct Work {
	const DrainRules *r;
	const DrainInput *in;
	DrainPlan *plan;
	const char *kubectl;
	int *free; /* slots of each budget; -1: not asked yet */
	int *movers; /* pods of this node that each budget has to let go */
} Work;

static const DrainRule *rule_at(const Work *w, size_t i)
{
	return i < w->r->n_rules ? &w->r->rules[i] : NULL;
}

static void say(DrainVerdict *v, DrainClass class, DrainCause cause, const char *fmt, ...)
	SL_PRINTF(4, 5);
static void say(DrainVerdict *v, DrainClass class, DrainCause cause, const char *fmt, ...)
{
	va_list ap;
	v->class = class;
	v->cause = cause;
	va_start(ap, fmt);
	g_vsnprintf(v->text, sizeof v->text, fmt, ap);
	va_end(ap);
}

static void who(DrainVerdict *v, const char *fmt, ...) SL_PRINTF(2, 3);
static void who(DrainVerdict *v, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	g_vsnprintf(v->who, sizeof v->who, fmt, ap);
	va_end(ap);
}

static void command(const Work *w, DrainVerdict *v, const DrainPod *p, const char *verb)
{
	g_snprintf(v->command, sizeof v->command, "%s -n %s %s pod %s", w->kubectl, p->ns, verb,
		p->name);
}

static void wake_at(const Work *w, int64_t usec)
{
	if (usec > w->in->now_usec)
		w->plan->next_usec = MIN(w->plan->next_usec, usec);
}

/* ---- classes ---- */

static bool is_daemon(const DrainPod *p)
{
	return g_strcmp0(p->owner_kind, "DaemonSet") == 0 && p->owner != OWNER_MISSING;
}

/* Made by us on the empty node, and taken away by us. */
static bool is_trial(const DrainPod *p)
{
	return p->labels && json_object_get(p->labels, POD_TRIAL_LABEL);
}

static void classify_terminating(const Work *w, const DrainPod *p, DrainVerdict *v)
{
	int64_t late = w->in->wall_usec - p->deletion_usec;
	say(v, DRAIN_TERMINATING, CAUSE_LEAVING, "terminating");
	if (late <= SLOW_SEC * USEC) {
		wake_at(w, w->in->now_usec + SLOW_SEC * USEC - late + 1);
		return;
	}
	g_autofree char *since = sl_duration_human(late / USEC);
	if (p->finalizer) {
		say(v, DRAIN_TERMINATING, CAUSE_FINALIZER,
			"should be gone since %s; finalizer %s keeps it", since, p->finalizer);
		who(v, "the owner of the finalizer");
	} else if (p->node_unreachable) {
		say(v, DRAIN_TERMINATING, CAUSE_UNREACHABLE,
			"should be gone since %s; the kubelet of its node does not answer", since);
		who(v, "whoever runs the machine");
	} else {
		say(v, DRAIN_TERMINATING, CAUSE_SLOW,
			"should be gone since %s; its containers or volumes do not stop", since);
		who(v, "the owner of the pod");
	}
	command(w, v, p, "describe");
}

/* Consent that the policy does not give. */
static bool lacks_consent(const Work *w, const DrainPod *p, DrainVerdict *v)
{
	if (!p->owner_kind && !w->r->unmanaged) {
		say(v, DRAIN_BLOCKED, CAUSE_UNMANAGED,
			"has no controller: nothing would bring it back");
		who(v, "its owner, or consent.unmanaged in the DrainPolicy");
		command(w, v, p, "delete");
		return true;
	}
	if (p->empty_dir && !w->r->empty_dir) {
		say(v, DRAIN_BLOCKED, CAUSE_EMPTY_DIR,
			"has an emptyDir volume, whose data is lost");
		who(v, "its owner, or consent.emptyDir in the DrainPolicy");
		command(w, v, p, "delete");
		return true;
	}
	return false;
}

static bool budget_blocks(const Work *w, const DrainPod *p, DrainVerdict *v)
{
	BudgetFinding f;
	size_t n;
	v->budget = budget_of_pod(w->in->budgets, w->in->n_budgets, p, &n);
	if (n > 1) {
		say(v, DRAIN_BLOCKED, CAUSE_TWO_BUDGETS,
			"has %zu PodDisruptionBudgets: the server evicts no such pod", n);
		who(v, "the owners of the PodDisruptionBudgets in %s", p->ns);
		g_snprintf(v->command, sizeof v->command, "%s -n %s get pdb -o wide", w->kubectl,
			p->ns);
		return true;
	}
	if (n == 0)
		return false;
	const Budget *b = &w->in->budgets[v->budget];
	if (!budget_counts_pod(b, p)) {
		v->budget = w->in->n_budgets;
		return false;
	}
	if (!budget_check(b, w->kubectl, &f) || !f.blocks)
		return false;
	say(v, DRAIN_BLOCKED, CAUSE_BUDGET_NEVER, "%s; %s", f.text, f.fix);
	who(v, "the owner of PodDisruptionBudget %s/%s", b->ns, b->name);
	g_strlcpy(v->command, f.command, sizeof v->command);
	return true;
}

static int64_t retry_at(const DrainPod *p)
{
	if (evict_class_is_blocked(p->refusal->class))
		return p->refused_usec + BLOCKED_RETRY_SEC * USEC;
	unsigned attempt = p->n_refusals > 0 ? (unsigned)p->n_refusals - 1 : 0;
	return p->refused_usec + evict_wait_usec(p->refusal, attempt, g_str_hash(p->uid));
}

/* The newest refusal: blocked for good, or wait a while. Budgets have their own arithmetic. */
static bool refusal_holds(const Work *w, const DrainPod *p, DrainVerdict *v)
{
	EvictClass class = p->refusal ? p->refusal->class : EVICT_ACCEPTED;
	if (!p->refusal || class == EVICT_BUDGET || class == EVICT_ACCEPTED || class == EVICT_GONE)
		return false;
	int64_t at = retry_at(p);
	wake_at(w, at);
	if (evict_class_is_blocked(class) && class != EVICT_TWO_PDBS) {
		say(v, DRAIN_BLOCKED, CAUSE_SERVER, "%s", p->refusal->text);
		who(v, "%s",
			class == EVICT_WEBHOOK ? "the owner of the webhook"
					       : "whoever grants our access");
		command(w, v, p, "describe");
		return true;
	}
	if (at <= w->in->now_usec)
		return false;
	say(v, DRAIN_EVICT, CAUSE_RETRY, "%s", p->refusal->text);
	return true;
}

static void classify_evict(const Work *w, const DrainPod *p, DrainVerdict *v)
{
	if (p->act != POD_UNTOUCHED) {
		v->budget = budget_of_pod(w->in->budgets, w->in->n_budgets, p, NULL);
		say(v, DRAIN_EVICT, p->act == POD_OPEN ? CAUSE_OPEN : CAUSE_LEAVING, "%s",
			p->act == POD_OPEN ? "eviction asked for" : "eviction accepted");
		return;
	}
	if (lacks_consent(w, p, v) || budget_blocks(w, p, v) || refusal_holds(w, p, v))
		return;
	say(v, DRAIN_EVICT, CAUSE_NONE, "to be evicted");
}

static void classify_waiting(const Work *w, const DrainPod *p, DrainVerdict *v, bool delete_after)
{
	g_autofree char *left =
		sl_duration_human((v->deadline_usec - w->in->now_usec + USEC - 1) / USEC);
	if (!v->past_deadline) {
		say(v, delete_after ? DRAIN_DELETE_AFTER : DRAIN_WAIT_COMPLETED, CAUSE_RUNNING,
			"%s, %s left",
			delete_after ? "left alone until its deadline"
				     : "runs until it has completed",
			left);
		return;
	}
	if (delete_after) {
		v->due = true;
		say(v, DRAIN_DELETE_AFTER, CAUSE_DEADLINE,
			"its deadline has passed: to be deleted");
		return;
	}
	say(v, DRAIN_BLOCKED, CAUSE_DEADLINE, "has not completed by its deadline");
	who(v, "its owner");
	command(w, v, p, "describe");
}

static void set_deadline(const Work *w, const DrainPod *p, DrainVerdict *v)
{
	const DrainRule *rule = rule_at(w, v->rule);
	int64_t sec = rule && rule->deadline_sec ? rule->deadline_sec : w->r->pod_sec;
	/* Without a deadline of its own a pod may complete as long as the node has time. */
	if (rule && !rule->deadline_sec && rule->behaviour == BEHAVIOUR_WAIT_COMPLETED)
		sec = w->r->node_sec;
	v->deadline_usec = p->since_usec + sec * USEC;
	v->past_deadline = w->in->now_usec >= v->deadline_usec;
	wake_at(w, v->deadline_usec);
}

static void classify_by_rule(const Work *w, const DrainPod *p, DrainVerdict *v)
{
	const DrainRule *rule = rule_at(w, v->rule);
	switch (rule ? rule->behaviour : BEHAVIOUR_EVICT) {
	case BEHAVIOUR_EVICT:
		classify_evict(w, p, v);
		return;
	case BEHAVIOUR_SKIP:
		say(v, DRAIN_SKIP, CAUSE_RULE, "stays, by rules[%zu]", v->rule);
		return;
	case BEHAVIOUR_WAIT_COMPLETED:
		classify_waiting(w, p, v, false);
		return;
	case BEHAVIOUR_DELETE_AFTER:
		classify_waiting(w, p, v, true);
		return;
	case BEHAVIOUR_SURGE:
		say(v, DRAIN_BLOCKED, CAUSE_SURGE, "rules[%zu]: surge has no effect yet", v->rule);
		who(v, "the owner of the DrainPolicy");
		return;
	}
	g_assert_not_reached();
}

static DrainTier tier_of(const Work *w, const DrainPod *p, const DrainVerdict *v)
{
	const DrainRule *rule = rule_at(w, v->rule);
	if (rule && rule->has_group)
		return rule->group;
	if (p->priority_class && (strcmp(p->priority_class, "system-cluster-critical") == 0 ||
					 strcmp(p->priority_class, "system-node-critical") == 0))
		return TIER_CRITICAL;
	return TIER_NORMAL;
}

static void classify(const Work *w, const DrainPod *p, DrainVerdict *v)
{
	v->rule = drain_rule_of(w->r, p);
	v->budget = w->in->n_budgets;
	v->tier = tier_of(w, p, v);
	if (p->mirror) {
		say(v, DRAIN_SKIP, CAUSE_MIRROR, "a static pod of the node");
	} else if (is_trial(p)) {
		say(v, DRAIN_SKIP, CAUSE_RULE, "ours: it is tried out on the node");
	} else if (is_daemon(p) && !pod_is_finished(p)) {
		say(v, DRAIN_SKIP, CAUSE_DAEMON_SET, "belongs to DaemonSet %s", p->owner_name);
	} else if (p->deletion_usec) {
		set_deadline(w, p, v);
		classify_terminating(w, p, v);
	} else if (pod_is_finished(p)) {
		say(v, DRAIN_FINISHED, CAUSE_NONE, "finished");
	} else {
		set_deadline(w, p, v);
		classify_by_rule(w, p, v);
	}
}

/* ---- what is taken now ---- */

static bool is_left(const DrainVerdict *v)
{
	return v->class != DRAIN_SKIP && v->class != DRAIN_FINISHED;
}

static bool is_leaving(const DrainPod *p, const DrainVerdict *v)
{
	return is_left(v) && (p->act != POD_UNTOUCHED || v->class == DRAIN_TERMINATING);
}

static bool is_candidate(const DrainPod *p, const DrainVerdict *v)
{
	return p->act == POD_UNTOUCHED &&
	       (v->class == DRAIN_FINISHED || (v->class == DRAIN_EVICT && v->cause == CAUSE_NONE));
}

/* A blocked pod is asked for again now and then: only the server knows whether it was mended. */
static bool is_due_again(const Work *w, const DrainPod *p, const DrainVerdict *v)
{
	return v->class == DRAIN_BLOCKED && v->cause == CAUSE_SERVER && p->act == POD_UNTOUCHED &&
	       retry_at(p) <= w->in->now_usec;
}

static int chain(const Work *w, const DrainVerdict *v)
{
	if (v->budget == w->in->n_budgets)
		return 1;
	const Budget *b = &w->in->budgets[v->budget];
	int m = MAX(b->expected_pods - b->desired_healthy, 1);
	return (w->movers[v->budget] + m - 1) / m;
}

static int slack(const Work *w, const DrainVerdict *v)
{
	return v->budget == w->in->n_budgets ? INT_MAX
					     : w->in->budgets[v->budget].disruptions_allowed;
}

static int compare_hardest(const void *a, const void *b, void *ud)
{
	const Work *w = ud;
	size_t i = *(const size_t *)a, k = *(const size_t *)b;
	const DrainVerdict *v = &w->plan->pods[i], *u = &w->plan->pods[k];
	const DrainPod *p = &w->in->pods[i], *q = &w->in->pods[k];
	if (v->tier != u->tier)
		return (int)v->tier - (int)u->tier;
	int c = chain(w, u) - chain(w, v);
	if (!c)
		c = (slack(w, v) > slack(w, u)) - (slack(w, v) < slack(w, u));
	if (!c)
		c = (q->grace_sec > p->grace_sec) - (q->grace_sec < p->grace_sec);
	if (!c)
		c = strcmp(p->ns, q->ns);
	return c ? c : strcmp(p->name, q->name);
}

static int free_slots(const Work *w, size_t budget)
{
	int64_t again;
	if (w->free[budget] < 0) {
		w->free[budget] = ledger_free(&w->in->budgets[budget], w->in->evictions,
			w->in->n_evictions, w->in->now_usec, &again);
		if (!w->free[budget] && again != INT64_MAX)
			wake_at(w, again);
	}
	return w->free[budget];
}

/* Two pods that may not be on their way together. */
static bool excludes(const Work *w, const DrainVerdict *v, const DrainVerdict *u)
{
	const DrainRule *rule = rule_at(w, v->rule);
	if (v->tier == TIER_LAST && u->tier == TIER_LAST)
		return true;
	return rule && rule->one_at_a_time && u->rule == v->rule;
}

static bool is_alone(const Work *w, size_t index)
{
	const DrainVerdict *v = &w->plan->pods[index];
	for (size_t i = 0; i < w->in->n_pods; i++) {
		const DrainVerdict *u = &w->plan->pods[i];
		if (is_leaving(&w->in->pods[i], u) && excludes(w, v, u))
			return false;
	}
	for (size_t i = 0; i < w->plan->n_take; i++)
		if (excludes(w, v, &w->plan->pods[w->plan->take[i]]))
			return false;
	return true;
}

static int count_open(const Work *w)
{
	int n = w->in->n_open;
	for (size_t i = 0; i < w->in->n_pods; i++)
		n += w->in->pods[i].act == POD_OPEN;
	return n;
}

static DrainTier current_tier(const Work *w)
{
	DrainTier t = TIER_LAST;
	for (size_t i = 0; i < w->in->n_pods; i++)
		if (is_left(&w->plan->pods[i]))
			t = MIN(t, w->plan->pods[i].tier);
	return t;
}

static void wait_for(DrainVerdict *v, DrainCause cause, const char *text)
{
	v->cause = cause;
	g_strlcpy(v->text, text, sizeof v->text);
}

/* True when it may go now; else says what it waits for. */
static bool may_go(const Work *w, size_t i, DrainTier tier, int n_open)
{
	DrainVerdict *v = &w->plan->pods[i];
	if (w->in->max_open && n_open + (int)w->plan->n_take >= w->in->max_open) {
		wait_for(v, CAUSE_LIMIT, "as many evictions under way as allowed");
		return false;
	}
	if (v->class == DRAIN_FINISHED)
		return true;
	if (v->tier > tier) {
		wait_for(v, CAUSE_TIER, "goes after the pods that are less important");
		return false;
	}
	if (!is_alone(w, i)) {
		wait_for(v, CAUSE_ONE_AT_A_TIME, "goes when the one before it is gone");
		return false;
	}
	if (v->budget == w->in->n_budgets)
		return true;
	const Budget *b = &w->in->budgets[v->budget];
	if (free_slots(w, v->budget) > 0) {
		w->free[v->budget]--;
		return true;
	}
	v->cause = CAUSE_BUDGET;
	g_snprintf(v->text, sizeof v->text,
		"PodDisruptionBudget %s/%s allows none now (%d healthy, %d wanted)", b->ns, b->name,
		b->current_healthy, b->desired_healthy);
	return false;
}

static void take(Work *w)
{
	DrainPlan *plan = w->plan;
	size_t n = 0;
	g_autofree size_t *order = g_new(size_t, plan->n_pods + 1);
	for (size_t i = 0; i < plan->n_pods; i++) {
		const DrainVerdict *v = &plan->pods[i];
		if (v->budget < w->in->n_budgets)
			w->movers[v->budget]++;
		if (is_candidate(&w->in->pods[i], v))
			order[n++] = i;
	}
	plan->take = g_new(size_t, plan->n_pods + 1);
	if (plan->n_blocked) {
		for (size_t i = 0; i < plan->n_pods; i++)
			if (is_due_again(w, &w->in->pods[i], &plan->pods[i]))
				plan->take[plan->n_take++] = i;
		return;
	}
	if (n)
		g_qsort_with_data(order, (int)n, sizeof *order, compare_hardest, w);
	DrainTier tier = current_tier(w);
	int n_open = count_open(w);
	for (size_t i = 0; i < n; i++)
		if (may_go(w, order[i], tier, n_open))
			plan->take[plan->n_take++] = order[i];
}

static void count(Work *w)
{
	DrainPlan *plan = w->plan;
	bool untidy = false;
	for (size_t i = 0; i < plan->n_pods; i++) {
		const DrainVerdict *v = &plan->pods[i];
		plan->n_left += is_left(v);
		plan->n_leaving += is_leaving(&w->in->pods[i], v);
		plan->n_blocked += v->class == DRAIN_BLOCKED;
		plan->n_due += v->due;
		plan->n_past_deadline += is_left(v) && v->past_deadline && !v->due;
		untidy |= v->class == DRAIN_FINISHED && w->in->pods[i].act == POD_UNTOUCHED;
	}
	plan->done = plan->n_left == 0 && !untidy;
}

DrainPlan *drain_plan(const DrainRules *r, const DrainInput *in)
{
	DrainPlan *plan = g_new0(DrainPlan, 1);
	plan->pods = g_new0(DrainVerdict, in->n_pods + 1);
	plan->n_pods = in->n_pods;
	plan->next_usec = INT64_MAX;
	g_autofree int *free = g_new(int, in->n_budgets + 1);
	g_autofree int *movers = g_new0(int, in->n_budgets + 1);
	for (size_t i = 0; i < in->n_budgets; i++)
		free[i] = -1;
	Work w = { r, in, plan, in->kubectl ? in->kubectl : "kubectl", free, movers };
	for (size_t i = 0; i < in->n_pods; i++)
		classify(&w, &in->pods[i], &plan->pods[i]);
	count(&w);
	take(&w);
	return plan;
}

void drain_plan_free(DrainPlan *p)
{
	if (!p)
		return;
	g_free(p->pods);
	g_free(p->take);
	g_free(p);
}

/* ---- texts ---- */

const char *drain_cause_name(DrainCause c)
{
	static const char *const names[] = { "none", "mirror", "daemon set", "rule", "unmanaged",
		"emptyDir", "two budgets", "budget never", "budget", "server", "retry", "asked",
		"leaving", "finalizer", "unreachable", "slow", "tier", "one at a time", "limit",
		"running", "deadline", "surge" };
	return names[c];
}

char *drain_plan_text(const DrainPlan *p)
{
	size_t of_cause[CAUSE_SURGE + 1] = { 0 };
	size_t n_waiting = 0;
	GString *out = g_string_new(NULL);
	if (p->n_left == 0)
		return g_string_free(g_string_append(out, "no pods left"), FALSE);
	g_string_append_printf(out, "%zu pod%s left: %zu leaving", p->n_left,
		p->n_left == 1 ? "" : "s", p->n_leaving);
	if (p->n_blocked)
		g_string_append_printf(out, ", %zu blocked", p->n_blocked);
	for (size_t i = 0; i < p->n_pods; i++) {
		const DrainVerdict *v = &p->pods[i];
		bool waits = is_left(v) && v->class != DRAIN_BLOCKED &&
			     v->class != DRAIN_TERMINATING && v->cause != CAUSE_NONE &&
			     v->cause != CAUSE_OPEN && v->cause != CAUSE_LEAVING;
		if (!waits)
			continue;
		n_waiting++;
		of_cause[v->cause]++;
	}
	const char *separator = " (";
	if (n_waiting)
		g_string_append_printf(out, ", %zu waiting", n_waiting);
	for (size_t c = 0; c < G_N_ELEMENTS(of_cause); c++) {
		if (!of_cause[c])
			continue;
		g_string_append_printf(out, "%s%s", separator, drain_cause_name((DrainCause)c));
		separator = ", ";
	}
	if (n_waiting)
		g_string_append_c(out, ')');
	return g_string_free(out, FALSE);
}
