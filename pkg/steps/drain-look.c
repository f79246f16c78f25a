/* From facts and items to what the planner sees: pods of the node, budgets, and the ledger of every
 * eviction of the cluster that a budget's status may not know yet. */
#include "steps/drain-internal.h"
#include <string.h>

/* ---- what is remembered beside a node item ---- */

static void taken_free(void *p)
{
	Taken *t = p;
	g_free(t->item);
	g_free(t->ns);
	g_free(t->pod);
	g_free(t->uid);
	g_free(t->budget);
	g_free(t->version);
	g_free(t);
}

static void node_seen_free(void *p)
{
	NodeSeen *s = p;
	drain_rules_free(s->rules);
	g_ptr_array_free(s->taken, TRUE);
	g_hash_table_unref(s->causes);
	g_free(s);
}

NodeSeen *drain_node_seen(Item *node)
{
	NodeSeen *s = item_ctx(node);
	if (s)
		return s;
	s = g_new0(NodeSeen, 1);
	const json_t *policy = cluster_policy(item_parent(node), "drain");
	s->rules = drain_rules_parse(json_is_null(policy) ? NULL : policy, NULL);
	g_assert(s->rules); /* the snapshot was checked before it was stored */
	s->taken = g_ptr_array_new_with_free_func(taken_free);
	s->causes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	item_set_ctx(node, s, node_seen_free);
	return s;
}

/* ---- pods ---- */

static PodAct act_of(const Item *pod)
{
	switch (item_state(pod)) {
	case DP_EVICT:
	case DP_DELETE:
		return POD_OPEN;
	case DP_LEAVING:
		return POD_ACCEPTED;
	default:
		return POD_UNTOUCHED;
	}
}

static bool node_unreachable(const View *node)
{
	size_t i;
	json_t *c;
	json_array_foreach (json_path(node->json, "status.conditions"), i, c) {
		if (strcmp(json_path_str(c, "type", ""), "Ready") == 0)
			return strcmp(json_path_str(c, "status", ""), "Unknown") == 0;
	}
	return false;
}

static void note_throttle(DrainLook *l, const DrainPod *p)
{
	bool slow = p->refusal->class == EVICT_THROTTLED || p->refusal->class == EVICT_SHUTDOWN;
	unsigned attempt = p->n_refusals > 0 ? (unsigned)p->n_refusals - 1 : 0;
	int64_t until = p->refused_usec + evict_wait_usec(p->refusal, attempt, 0);
	if (!slow || until <= l->in.now_usec)
		return;
	l->throttled = true;
	l->throttled_usec = MAX(l->throttled_usec, until);
}

static void add_pod(DrainLook *l, Item *node, const json_t *json, int64_t since, bool unreachable)
{
	DrainPod *p = &l->pods[l->n_pods];
	pod_from_json(json, p);
	g_autofree char *name = g_strdup_printf("%s/%s/%s", p->ns, p->name, p->uid);
	Item *item = item_find_child(node, name);
	p->since_usec = since;
	p->node_unreachable = unreachable;
	l->items[l->n_pods] = item;
	EvictVerdict *refusal = &l->refusals[l->n_pods++];
	if (!item)
		return;
	p->act = act_of(item);
	if (item_state(item) != DP_REFUSED || !drain_pod_refusal(item, refusal))
		return;
	p->refusal = refusal;
	p->refused_usec = act_settled_usec(drain_pod_act(item));
	p->n_refusals = act_attempt(drain_pod_act(item));
	note_throttle(l, p);
}

static void add_pods(DrainLook *l, Item *node, const View *object, const View *pods)
{
	json_t *items = json_object_get(pods->json, "items"), *p;
	size_t n = json_array_size(items), i;
	l->pods = g_new0(DrainPod, n + 1);
	l->items = g_new0(Item *, n + 1);
	l->refusals = g_new(EvictVerdict, n + 1); /* each filled before it is used */
	int64_t since = l->in.now_usec - item_observed_usec(node);
	bool unreachable = node_unreachable(object);
	json_array_foreach (items, i, p)
		add_pod(l, node, p, since, unreachable);
}

/* ---- budgets ---- */

static void add_budgets(DrainLook *l, const View *pdbs)
{
	json_t *items = json_object_get(pdbs->json, "items"), *p;
	size_t i;
	l->budgets = g_new0(Budget, json_array_size(items) + 1);
	json_array_foreach (items, i, p) {
		Budget *b = &l->budgets[l->n_budgets];
		if (!budget_from_json(p, b))
			continue;
		b->seen_usec = json_path_int(p, "seenUsec", l->in.now_usec);
		l->n_budgets++;
	}
}

static Budget *find_budget(DrainLook *l, const char *ns, const char *name)
{
	for (size_t i = 0; i < l->n_budgets; i++)
		if (strcmp(l->budgets[i].ns, ns) == 0 && strcmp(l->budgets[i].name, name) == 0)
			return &l->budgets[i];
	return NULL;
}

/* The version on which the server last said no, of all pods of the cluster. */
static void note_refusal(DrainLook *l, const Item *pod)
{
	EvictVerdict v;
	if (!drain_pod_refusal(pod, &v) || (v.class != EVICT_BUDGET && v.class != EVICT_BUDGET_LAG))
		return;
	const Act *a = drain_pod_act(pod);
	const json_t *want = act_want(a);
	Budget *b =
		find_budget(l, json_path_str(want, "ns", ""), json_path_str(want, "budget", ""));
	if (!b || b->refused_usec >= act_settled_usec(a))
		return;
	b->refused_usec = act_settled_usec(a);
	b->refused_version = json_path_str(want, "version", "");
}

/* ---- the ledger ---- */

/* When its status last named the pod, by the watch's memory. */
static int64_t disrupted_seen(const View *pdbs, const char *ns, const char *budget, const char *pod)
{
	size_t i;
	json_t *p;
	json_array_foreach (json_object_get(pdbs->json, "items"), i, p) {
		if (strcmp(json_path_str(p, "metadata.name", ""), budget) == 0 &&
			strcmp(json_path_str(p, "metadata.namespace", ""), ns) == 0)
			return json_integer_value(
				json_object_get(json_object_get(p, "disruptedSeen"), pod));
	}
	return 0;
}

static void add_eviction(DrainLook *l, const LedgerEviction *e)
{
	if (!*e->budget)
		return;
	l->evictions[l->n_evictions++] = *e;
}

/* A name seen before the request was sent belongs to an earlier pod. */
static bool is_included(PodSeen *s, const LedgerEviction *e, const View *pdbs)
{
	if (s->included || (!e->accepted_usec && !s->sent_usec))
		return s->included;
	int64_t seen = disrupted_seen(pdbs, e->ns, e->budget, e->pod);
	s->included = seen && seen >= s->sent_usec;
	return s->included;
}

/* It counts against nothing any more: the bulk of a long run, which is not looked at again. */
static bool is_over(const PodSeen *s, int64_t now)
{
	if (s->included || !s->accepted_usec)
		return s->included;
	int64_t until = s->accepted_usec + LEDGER_ACCEPTED_USEC;
	if (s->going_usec)
		until = MIN(until, s->going_usec + LEDGER_LAG_USEC);
	return now >= until;
}

static bool is_open(const Item *pod)
{
	const Act *a = drain_pod_act(pod);
	return item_state(pod) == DP_EVICT || item_state(pod) == DP_DELETE ||
	       (a && act_state(a) == ACT_OPEN);
}

/* What this pod's request may still be doing to its budget. What ended before the last restart was
 * long ago. */
static void add_of_pod(DrainLook *l, Item *pod, const View *pdbs)
{
	const Act *a = drain_pod_act(pod);
	bool accepted = a && act_state(a) == ACT_DONE;
	if ((!accepted && !is_open(pod)) || (item_ended(pod) && !item_ctx(pod)))
		return;
	PodSeen *s = drain_pod_seen(pod);
	if (accepted && !s->accepted_usec)
		s->accepted_usec = act_settled_usec(a) ? act_settled_usec(a) : l->in.now_usec;
	if (is_over(s, l->in.now_usec))
		return;
	LedgerEviction e = { .ns = drain_pod_text(pod, "ns"),
		.budget = drain_pod_text(pod, "budget"),
		.pod = drain_pod_text(pod, "name"),
		.uid = drain_pod_text(pod, "uid"),
		.version = drain_pod_text(pod, "version"),
		.accepted_usec = accepted ? s->accepted_usec : 0,
		.deletion_seen_usec = s->going_usec };
	e.included = is_included(s, &e, pdbs);
	add_eviction(l, &e);
}

/* Taken in the batch that is being built: there is no item of it yet, or its move is in there. */
static bool is_taken_now(const Item *node, const Taken *t, const Batch *b)
{
	const Item *pod = item_find_child(node, t->item);
	return !pod || (b && batch_moved(b, pod));
}

static void add_of_node(DrainLook *l, Item *node, const View *pdbs, const Batch *b)
{
	for (size_t i = 0; i < item_n_children(node); i++) {
		Item *pod = item_child(node, i);
		add_of_pod(l, pod, pdbs);
		note_refusal(l, pod);
		l->in.n_open += item_state(pod) == DP_EVICT || item_state(pod) == DP_DELETE;
	}
	const NodeSeen *s = item_ctx(node);
	for (unsigned i = 0; s && i < s->taken->len; i++) {
		const Taken *t = g_ptr_array_index(s->taken, i);
		if (!is_taken_now(node, t, b))
			continue;
		l->in.n_open++;
		add_eviction(l, &(LedgerEviction){ .ns = t->ns,
					.budget = t->budget,
					.pod = t->pod,
					.uid = t->uid,
					.version = t->version });
	}
}

static size_t n_evictions_at_most(const Item *cluster)
{
	size_t n = 0;
	for (size_t i = 0; i < item_n_children(cluster); i++) {
		const Item *c = item_child(cluster, i);
		const NodeSeen *s = item_kind(c) == &drain_node_kind ? item_ctx(c) : NULL;
		n += item_n_children(c) + (s ? s->taken->len : 0);
	}
	return n;
}

static void add_ledger(DrainLook *l, Item *node, const View *pdbs, const Batch *b)
{
	Item *cluster = item_parent(node);
	l->evictions = g_new0(LedgerEviction, n_evictions_at_most(cluster) + 1);
	for (size_t i = 0; i < item_n_children(cluster); i++) {
		Item *c = item_child(cluster, i);
		if (item_kind(c) == &drain_node_kind)
			add_of_node(l, c, pdbs, b);
	}
	/* The planner counts the open ones of this node itself. */
	for (size_t i = 0; i < l->n_pods; i++)
		l->in.n_open -= l->pods[i].act == POD_OPEN;
}

void drain_look(DrainLook *l, Item *node, const View *object, const View *pods, const View *pdbs,
	const Batch *b, int64_t now_usec)
{
	*l = (DrainLook){ 0 };
	l->in.now_usec = now_usec;
	l->in.wall_usec = b ? batch_wall_usec(b) : loop_wall_usec(saga_loop(item_saga(node)));
	add_pods(l, node, object, pods);
	add_budgets(l, pdbs);
	add_ledger(l, node, pdbs, b);
	l->in.pods = l->pods;
	l->in.n_pods = l->n_pods;
	l->in.budgets = l->budgets;
	l->in.n_budgets = l->n_budgets;
	l->in.evictions = l->evictions;
	l->in.n_evictions = l->n_evictions;
	l->in.max_open = l->throttled ? 1 : DRAIN_OPEN_MAX;
	if (l->throttled)
		l->in.n_open = 1;
}

void drain_look_clear(DrainLook *l)
{
	for (size_t i = 0; i < l->n_budgets; i++)
		budget_clear(&l->budgets[i]);
	g_free(l->budgets);
	g_free(l->pods);
	g_free(l->items);
	g_free(l->refusals);
	g_free(l->evictions);
	*l = (DrainLook){ 0 };
}
