/* When work may begin: the window that counts for a cluster, by wall time. */
#include "policy/window.h"
#include "steps/internal.h"
#include <string.h>

static WindowRules *rules_of(const Item *it)
{
	const json_t *policy = cluster_policy(it, "window");
	if (json_is_null(policy))
		return NULL;
	return window_parse(policy, json_path_str(cluster_entry(it), "spec.timeZone", NULL), NULL);
}

bool cluster_window_open(const Item *it, ClusterWork work, int64_t *ret_until_wall, char **ret_text)
{
	g_autoptr(WindowRules) rules = rules_of(it);
	if (!rules || (cluster_takes_back(it) && window_rollback_outside(rules)))
		return true;
	int64_t wall = loop_wall_usec(saga_loop(item_saga(it)));
	WindowState s = window_state(rules, wall);
	int64_t notice = work == WORK_START
				 ? window_notice_until(rules, item_since_wall_usec(item_parent(it)))
				 : 0;
	bool open = work == WORK_NODES ? s.open || window_at_close(rules) == AT_CLOSE_FINISH
				       : s.hop_may_start;
	if (open && wall >= notice)
		return true;
	g_autofree char *text = window_text(rules, &s);
	*ret_until_wall = wall < notice ? notice : s.opens_usec;
	*ret_text =
		wall < notice
			? g_strdup_printf("%s waits: the notice time of its window is not over",
				  item_name(it))
		: s.open ? g_strdup_printf(
				   "%s waits for its next window: no new hop so close to the end",
				   item_name(it))
			 : g_strdup_printf("%s waits for its window: %s", item_name(it), text);
	return false;
}

StepResult cluster_wait_window(Item *it, int64_t until_wall, const char *text)
{
	Loop loop = saga_loop(item_saga(it));
	int64_t left = until_wall - loop_wall_usec(loop);
	StepResult r = step_hold(it, "window", "%s", text);
	/* A wall clock may be set: look again at least every hour. */
	r.until_usec = loop_boot_usec(loop) + CLAMP(left, SL_USEC_PER_SEC, 3600 * SL_USEC_PER_SEC);
	return r;
}

/* The last point of cheap return: where the policy requires a way back, it is probed once more. */
static bool way_back_stands(Item *it, StepResult *ret)
{
	g_auto(RollbackOffer) offer = { 0 };
	char text[ROLLBACK_TEXT_MAX];
	if (hop_crossed(it, "workers"))
		return true;
	if (!target_of(it)->provider->probe_return(it, cluster_hop(it), &offer)) {
		*ret = step_read(it);
		return false;
	}
	if (rollback_meets(cluster_rollback_rules(it), offer.tier,
		    json_path_str(cluster_hop(it), "to", ""), text))
		return true;
	*ret = step_hold(it, "rollback-lost", "before the first worker: %s", text);
	return false;
}

bool cluster_may_move(Item *it, StepResult *ret)
{
	int64_t until = INT64_MAX;
	g_autofree char *text = NULL;
	if (cluster_window_open(it, WORK_NODES, &until, &text))
		return way_back_stands(it, ret);
	*ret = cluster_wait_window(it, until, text);
	return false;
}
