/* Commands of ours that may still run: nothing else is done to their node, and no pivot is crossed,
 * before they have ended. A node that cannot be reached is held by name; it goes on when it is
 * back, or a person leaves it out knowingly ("leftNodes" of the memo). */
#include "base/num.h"
#include "providers/kubeadm-jobs.h"
#include "providers/kubeadm-moves.h"
#include <string.h>

/* SILENT: a cut connection is no news. */
enum { POLL_SEC = 5, SILENT_SEC = 30 };

static bool is_named(const json_t *list, const char *node)
{
	size_t i;
	json_t *n;
	json_array_foreach (list, i, n)
		if (strcmp(json_string_value(n), node) == 0)
			return true;
	return false;
}

static const Act *newest_on(const Item *it, const char *node)
{
	for (size_t i = item_n_acts(it); i > 0; i--) {
		const Act *a = item_act(it, i - 1);
		if (act_row(a) == &act_node_command && act_state(a) == ACT_DONE &&
			strcmp(json_path_str(act_want(a), "node", ""), node) == 0)
			return a;
	}
	return NULL;
}

/* What came of it was noted for good: a backup set is known, a machine is proven. */
static bool is_settled(const Item *it, const Machine *m, const Act *a)
{
	const char *kind = json_path_str(act_want(a), "kind", "");
	const json_t *sets = json_object_get(item_memo(it), "backups");
	bool earlier = !kubeadm_command_begun(it, m, kind); /* of a hop that is wholly done */
	return earlier || kubeadm_is_noted(it, m, kind) ||
	       (strcmp(kind, "up-backup") == 0 && json_object_get(sets, m->name));
}

/* At the end nothing more is done there, and what runs ends by itself. */
static bool is_undone(const Item *it)
{
	return item_kind(it)->states[item_state(it)].puts_back;
}

/* Of a node of the control plane only the kubelet can be left as it is. */
static bool may_be_left(const Item *it, const Machine *m)
{
	return !m->control_plane || hop_crossed(it, "workers") || is_undone(it);
}

static StepResult away(
	Item *it, int64_t now, Batch *b, const Machine *m, const char *what, const GError *err)
{
	bool may = may_be_left(it, m);
	g_autofree char *leave = g_strdup_printf(
		"; to leave the node as it is: shiplock skip %s --node %s --reason TEXT%s",
		item_name(it), m->name,
		is_undone(it) ? "" : ", where the DrainPolicy says nodes.maySkip");
	if (may && strcmp(json_path_str(item_memo(it), "awayNode", ""), m->name) != 0)
		batch_memo(b, it, "awayNode", json_string(m->name));
	StepResult r = step_hold(it, KUBEADM_AWAY,
		"node %s cannot be reached, %s (%s); it goes on by itself when the node is back%s",
		m->name, what, err->message, may ? leave : "");
	r.until_usec = now + POLL_SEC * SL_USEC_PER_SEC;
	return r;
}

StepResult kubeadm_unread_command(Item *it, int64_t now, Batch *b, const Machine *m, const Act *a)
{
	const char *key = act_key(a);
	const GError *err = fact_error(it, &fact_node_job, key);
	int64_t heard = sl_max(fact_sent_usec(it, &fact_node_job, key), act_settled_usec(a));
	if (!err || now - heard < SILENT_SEC * SL_USEC_PER_SEC)
		return step_read(it);
	g_autofree char *what = g_strdup_printf(
		"and %s may still run there: nothing else is done before that is known",
		json_path_str(act_want(a), "kind", "a command"));
	return away(it, now, b, m, what, err);
}

StepResult kubeadm_unread(Item *it, int64_t now, Batch *b, const Machine *m)
{
	g_autofree char *key = node_key(m->address, KUBEADM_DISCOVER);
	const GError *err = fact_error(it, &fact_node_look, key);
	if (!err || now - fact_sent_usec(it, &fact_node_look, key) < SILENT_SEC * SL_USEC_PER_SEC)
		return step_read(it);
	return away(it, now, b, m, "and nothing is begun before it answers", err);
}

bool kubeadm_is_gone(Item *it, const Machine *m)
{
	const View *nodes = fact_peek(it, &fact_list, KUBEADM_NODES);
	return nodes && !kubeadm_node_named(nodes->json, m->name);
}

bool kubeadm_at_rest(Item *it, int64_t now, Batch *b, const Machine *m, StepResult *ret)
{
	const Act *a = newest_on(it, m->name);
	if (!a || is_settled(it, m, a) ||
		is_named(json_object_get(item_memo(it), "leftNodes"), m->name) ||
		kubeadm_is_gone(it, m))
		return true;
	const View *v = kubeadm_command_look(it, act_key(a));
	if (v && strcmp(json_path_str(v->json, "state", ""), "running") != 0)
		return true;
	if (v && json_path_bool(v->json, "overdue", false)) {
		*ret = step_hold(it, "node-command",
			"%s on %s runs for %d s, longer than it may; it is never killed, and "
			"nothing else is done before its end",
			json_path_str(act_want(a), "kind", "a command"), m->name,
			(int)json_path_int(v->json, "seconds", 0));
		ret->until_usec = now + POLL_SEC * SL_USEC_PER_SEC;
		return false;
	}
	*ret = v ? step_wait(it, now + POLL_SEC * SL_USEC_PER_SEC,
			   "%s on %s comes to its end first",
			   json_path_str(act_want(a), "kind", "a command"), m->name)
		 : kubeadm_unread_command(it, now, b, m, a);
	return false;
}

/* A node that was skipped is left behind with its command: every machine is asked. */
StepResult kubeadm_settle(Item *it, int64_t now, Batch *b)
{
	Machine m;
	StepResult r;
	for (size_t i = 0; kubeadm_machine(it, i, &m); i++)
		if (!kubeadm_at_rest(it, now, b, &m, &r))
			return r;
	return step_done(0);
}

/* ---- nodes that are left out ---- */

bool kubeadm_is_left_out(const Item *it, const char *node)
{
	return is_named(json_object_get(item_memo(it), "skippedNodes"), node);
}

static json_t *without(const json_t *list, const char *node)
{
	json_t *out = json_array(), *n;
	size_t i;
	json_array_foreach (list, i, n)
		if (strcmp(json_string_value(n), node) != 0)
			json_array_append(out, n);
	return out;
}

void kubeadm_take_up_again(Item *it, Batch *b, const char *node)
{
	static const char *const lists[] = { "skippedNodes", "leftNodes" };
	for (size_t i = 0; i < G_N_ELEMENTS(lists); i++)
		batch_memo(
			b, it, lists[i], without(json_object_get(item_memo(it), lists[i]), node));
	json_t *times = json_copy(json_object_get(item_memo(it), "takenUp"));
	if (!times)
		times = json_object();
	json_object_set_new(times, node, json_integer(kubeadm_times_taken_up(it, node) + 1));
	batch_memo(b, it, "takenUp", times);
}

int kubeadm_times_taken_up(const Item *it, const char *node)
{
	const json_t *times = json_object_get(item_memo(it), "takenUp");
	return (int)json_integer_value(json_object_get(times, node));
}
