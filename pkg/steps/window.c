/* When work may begin: the window that counts for a cluster, by wall time. */
#include "policy/window.h"
#include "base/num.h"
#include "steps/internal.h"
#include <string.h>

WindowRules *cluster_window_rules(const Item *it)
{
	const json_t *policy = cluster_policy(it, "window");
	if (json_is_null(policy))
		return NULL;
	return window_parse(policy, json_path_str(cluster_entry(it), "spec.timeZone", NULL), NULL);
}

/* A way back is never announced. */
static int64_t notice_until(const Item *it, const WindowRules *rules, ClusterWork work)
{
	const Item *run = item_parent(it);
	int64_t seen = json_path_int(item_data(run), "announcedUsec", item_since_wall_usec(run));
	return work == WORK_START && !cluster_takes_back(it) ? window_notice_until(rules, seen) : 0;
}

int64_t cluster_earliest_start(const Item *it, const WindowRules *rules)
{
	return sl_max(
		loop_wall_usec(saga_loop(item_saga(it))), notice_until(it, rules, WORK_START));
}

bool cluster_window_open(const Item *it, ClusterWork work, int64_t *ret_until_wall, char **ret_text)
{
	g_autoptr(WindowRules) rules = cluster_window_rules(it);
	bool back = work == WORK_BACK || cluster_takes_back(it);
	if (!rules || (back && window_rollback_outside(rules)))
		return true;
	int64_t wall = loop_wall_usec(saga_loop(item_saga(it)));
	WindowState s = window_state(rules, wall);
	int64_t notice = notice_until(it, rules, work);
	bool open = work == WORK_BACK    ? s.open
		    : work == WORK_NODES ? s.open || window_at_close(rules) == AT_CLOSE_FINISH
					 : s.hop_may_start;
	if (open && wall >= notice)
		return true;
	if (wall < notice) {
		*ret_until_wall = notice;
		g_autofree char *clock = window_clock_text(rules, notice);
		*ret_text = g_strdup_printf(
			"%s waits: the notice time of its window is over %s", item_name(it), clock);
		return false;
	}
	WindowState next = s.open ? window_state(rules, s.closes_usec) : s;
	g_autofree char *text = window_text(rules, &next);
	*ret_until_wall = next.opens_usec;
	*ret_text = g_strdup_printf(
		"%s waits for its %swindow: %s", item_name(it), s.open ? "next " : "", text);
	if (s.open) {
		g_autofree char *waits = *ret_text;
		*ret_text =
			g_strdup_printf("%s; no new hop so close to the end of this one", waits);
	}
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

/* Boot time at which the window has to be looked at again, where work stops at its close; 0: never.
 */
static int64_t closes_at(const Item *it)
{
	g_autoptr(WindowRules) rules = cluster_window_rules(it);
	Loop loop = saga_loop(item_saga(it));
	int64_t wall = loop_wall_usec(loop);
	WindowState s = window_state(rules, wall);
	if (!rules || window_at_close(rules) == AT_CLOSE_FINISH || s.closes_usec == INT64_MAX)
		return 0;
	int64_t left = sl_max(s.closes_usec - wall, SL_USEC_PER_SEC);
	/* A wall clock may be set: look again at least every hour. */
	return loop_boot_usec(loop) + sl_min(left, 3600 * SL_USEC_PER_SEC);
}

bool cluster_may_move(Item *it, StepResult *ret)
{
	int64_t until = INT64_MAX;
	g_autofree char *text = NULL;
	*ret = (StepResult){ 0 };
	if (!cluster_window_open(it, WORK_NODES, &until, &text)) {
		*ret = cluster_wait_window(it, until, text);
		return false;
	}
	if (!way_back_stands(it, ret))
		return false;
	ret->until_usec = closes_at(it);
	return true;
}

/* The hop was chosen inside the window; a pause, a hold or a sync may have lasted since then. Asked
 * until the order stands: a refused write, or one of unknown outcome, is no order either. */
bool cluster_may_order(Item *it, StepResult *ret)
{
	int64_t until = INT64_MAX;
	g_autofree char *text = NULL;
	*ret = (StepResult){ 0 };
	bool up = item_state(it) == CL_BACKUP || item_state(it) == CL_CONTROL_PLANE;
	if (!up || cluster_window_open(it, WORK_HOP, &until, &text))
		return true;
	*ret = cluster_wait_window(it, until, text);
	return false;
}
