/* What keeps each pod of a node, for people. Looks at facts from outside of a turn, and asks for
 * none. */
#include "plan/doc.h"
#include "steps/drain-internal.h"
#include <string.h>

enum { WHY_PODS = 3 };

static json_t *pod_entry(const NodeSeen *s, const DrainPod *p, const DrainVerdict *v, int64_t now)
{
	const DrainSince *since = g_hash_table_lookup(s->causes, p->uid);
	int64_t sec =
		since && since->cause == v->cause ? (now - since->since_usec) / SL_USEC_PER_SEC : 0;
	g_autofree char *name = g_strdup_printf("%s/%s", p->ns, p->name);
	return json_pack("{s:s, s:s, s:s, s:I, s:s, s:s}", "pod", name, "cause",
		drain_cause_name(v->cause), "text", v->text, "sinceSeconds", (json_int_t)sec, "who",
		v->who, "type", v->command);
}

/* Pods that may stay are no answer to the question. */
static bool is_worth_telling(const DrainVerdict *v)
{
	return v->class != DRAIN_SKIP && v->class != DRAIN_FINISHED;
}

/* "budget: a/x, a/y, a/z and 4 more". */
static void add_group(GString *out, const DrainLook *l, const DrainPlan *plan, DrainCause cause)
{
	unsigned n = 0;
	for (size_t i = 0; i < plan->n_pods; i++) {
		if (plan->pods[i].cause != cause || !is_worth_telling(&plan->pods[i]))
			continue;
		if (n++ < WHY_PODS)
			g_string_append_printf(
				out, "%s%s/%s", n == 1 ? "" : ", ", l->pods[i].ns, l->pods[i].name);
	}
	if (n > WHY_PODS)
		g_string_append_printf(out, " and %u more", n - WHY_PODS);
}

static bool has_cause(const DrainPlan *plan, DrainCause cause)
{
	for (size_t i = 0; i < plan->n_pods; i++)
		if (plan->pods[i].cause == cause && is_worth_telling(&plan->pods[i]))
			return true;
	return false;
}

/* The count, then a line for each cause. Caller frees. */
static char *grouped(const DrainLook *l, const DrainPlan *plan)
{
	g_autofree char *count = drain_plan_text(plan);
	GString *out = g_string_new(count);
	for (DrainCause c = CAUSE_NONE; c <= CAUSE_SURGE; c++) {
		if (!has_cause(plan, c))
			continue;
		g_string_append_printf(
			out, "\n%s: ", c == CAUSE_NONE ? "next" : drain_cause_name(c));
		add_group(out, l, plan, c);
	}
	return g_string_free(out, FALSE);
}

static json_t *pods_of(Item *node, char **ret_text)
{
	Site *site = item_site(node);
	const View *object = site_fact_peek(site, &fact_node, item_name(node));
	const View *pods = site_fact_peek(site, &fact_node_pods, item_name(node));
	const View *pdbs = site_fact_peek(site, &fact_pdbs, WATCHES_ALL);
	json_t *out = json_array();
	if (item_ended(node) || !object || !pods || !pdbs) {
		*ret_text = g_strdup(*item_reason(node) ? item_reason(node) : item_why(node));
		return out;
	}
	int64_t now = loop_boot_usec(saga_loop(item_saga(node)));
	const NodeSeen *seen = drain_node_seen(node);
	g_auto(DrainLook) l;
	drain_look(&l, node, object, pods, pdbs, NULL, now);
	g_autoptr(DrainPlan) plan = drain_plan(seen->rules, &l.in);
	for (size_t i = 0; i < plan->n_pods; i++)
		if (is_worth_telling(&plan->pods[i]))
			json_array_append_new(
				out, pod_entry(seen, &l.pods[i], &plan->pods[i], now));
	*ret_text = grouped(&l, plan);
	return out;
}

json_t *drain_why(Item *node)
{
	g_autofree char *text = NULL;
	json_t *pods = pods_of(node, &text);
	size_t n = item_n_holds(node);
	g_autofree char *first = g_strndup(text, strcspn(text, "\n"));
	const Hold *h = n ? item_hold(node, n - 1) : NULL;
	int64_t since = h ? h->since_wall_usec : item_since_wall_usec(node);
	int64_t wall = loop_wall_usec(saga_loop(item_saga(node)));
	g_autofree char *when = sl_time_format(since);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:s, s:I, s:s, s:s, s:o}", "apiVersion",
		DOC_API_VERSION, "kind", "Why", "cluster", item_name(item_parent(node)), "node",
		item_name(node), "state", item_state_name(node), "held", (int)(h != NULL), "since",
		when, "sinceSeconds", (json_int_t)MAX((wall - since) / SL_USEC_PER_SEC, 0),
		"because", h ? h->reason : first, "text", text, "pods", pods);
}
