/* Mending: what a crash left on a node, found in what it says of itself, before a command is begun
 * there again. The repair is a command like any other; the memo says which is under way: "mend"
 * {"node", "for": key of the attempt that waits for it, "fault", "what", "n": its number, "open"}.
 */
#include "providers/kubeadm-jobs.h"
#include "providers/kubeadm-repair.h"
#include <string.h>

enum { POLL_SEC = 1 };

/* What the memo says that was found. */
char *kubeadm_mend_text(const Item *it, const Machine *m)
{
	const json_t *found = json_object_get(item_memo(it), "mend");
	const char *key = kubeadm_key_on(it, m);
	char *text = node_repair_text(json_path_str(found, "fault", ""),
		json_path_str(found, "what", ""), key ? key : "", NULL);
	return text ? text : g_strdup("echo 'nothing is known that mends it' >&2; exit 1\n");
}

/* The first fault that a text of ours mends; NULL: none. New reference. */
static json_t *fault_of(const Machine *m, const json_t *look)
{
	g_autoptr(json_t) wanted = json_pack("{s:b, s:b}", "controlPlane", (int)m->control_plane,
		"stackedEtcd", (int)m->control_plane);
	g_autoptr(json_t) faults = node_faults(look, wanted);
	size_t i;
	json_t *f;
	json_array_foreach (faults, i, f)
		if (strcmp(json_path_str(f, "repair", ""), "text") == 0)
			return json_incref(f);
	return NULL;
}

/* It was found and mended already before this same attempt. */
static bool is_same_fault(const json_t *mend, const Machine *m, const json_t *f, const char *next)
{
	return strcmp(json_path_str(mend, "node", ""), m->name) == 0 &&
	       strcmp(json_path_str(mend, "for", ""), next) == 0 &&
	       strcmp(json_path_str(mend, "fault", ""), json_path_str(f, "fault", "-")) == 0 &&
	       strcmp(json_path_str(mend, "what", ""), json_path_str(f, "what", "-")) == 0;
}

/* The repair that the memo names, to its end, well or not: the attempt after it decides. */
static StepResult mend(Item *it, int64_t now, Batch *b, const Machine *m, const json_t *found)
{
	int n = (int)json_path_int(found, "n", 1);
	g_autofree char *key = kubeadm_command_key(it, m, "mend", n);
	const Act *a = act_find(it, &act_node_command, key);
	if (!a || act_state(a) != ACT_DONE)
		return step_act(it, &act_node_command, key, b);
	const View *v = kubeadm_command_look(it, key);
	if (!v)
		return step_read(it);
	if (strcmp(json_path_str(v->json, "state", ""), "running") == 0)
		return step_wait(it, now + POLL_SEC * SL_USEC_PER_SEC, "%s: %s is mended", m->name,
			json_path_str(found, "fault", "?"));
	json_t *over = json_copy((json_t *)found);
	json_object_set_new(over, "open", json_false());
	batch_memo(b, it, "mend", over);
	return step_wait(it, now, "%s on %s is mended", json_path_str(found, "what", "?"), m->name);
}

StepResult kubeadm_mend_and_begin(
	Item *it, int64_t now, Batch *b, const Machine *m, const char *next)
{
	const json_t *memo = json_object_get(item_memo(it), "mend");
	if (json_path_bool(memo, "open", false) &&
		strcmp(json_path_str(memo, "node", ""), m->name) == 0)
		return mend(it, now, b, m, memo);
	const json_t *look = kubeadm_look_after(it, now, m);
	if (!look)
		return step_read(it);
	g_autoptr(json_t) f = fault_of(m, look);
	if (!f || is_same_fault(memo, m, f, next))
		return step_act(it, &act_node_command, next, b);
	batch_memo(b, it, "mend",
		json_pack("{s:s, s:s, s:s, s:s, s:I, s:b}", "node", m->name, "for", next, "fault",
			json_path_str(f, "fault", ""), "what", json_path_str(f, "what", ""), "n",
			(json_int_t)json_path_int(memo, "n", 0) + 1, "open", 1));
	return step_wait(it, now, "%s: %s", m->name, json_path_str(f, "text", "a fault was found"));
}
