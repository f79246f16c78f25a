/* What commands left on the nodes: of whom took over they tell which way the one before went, and
 * whether a command of his still runs. */
#include "providers/kubeadm-jobs.h"
#include <string.h>

/* Kinds stand behind the last "-up-" or "-down-" of a key. */
static const char *last_of(const char *key, const char *word)
{
	const char *last = NULL;
	for (const char *at = key; (at = strstr(at, word)); at++)
		last = at;
	return last;
}

bool kubeadm_is_down(const char *key)
{
	const char *up = last_of(key, "-up-"), *down = last_of(key, "-down-");
	return down && (!up || down > up);
}

static bool has_way(const char *key)
{
	return last_of(key, "-up-") || last_of(key, "-down-");
}

/* Kubelets go back first both in T1 and T2: in the hop that raised a level it is T1. */
static Tier tier_of(const char *key)
{
	return strstr(key, "-down-level.") || strstr(key, "-raised-down-kubelet.") ? TIER_T1
										   : TIER_T2;
}

bool kubeadm_went_back(
	Item *it, const json_t *nodes, int64_t since_usec, bool *ret_back, Tier *ret_tier)
{
	g_autoptr(json_t) machines = kubeadm_machines(nodes);
	const char *newest = NULL;
	int64_t newest_at = 0;
	bool all = true;
	size_t i, k;
	json_t *m, *j;
	json_array_foreach (machines, i, m) {
		Machine machine = { json_path_str(m, "name", ""), json_path_str(m, "address", ""),
			json_path_bool(m, "controlPlane", false) };
		g_autofree char *key = node_key(machine.address, KUBEADM_DISCOVER);
		const json_t *look = kubeadm_look(it, &machine, since_usec);
		/* One that is away says nothing: the others may. */
		all = all && (look || fact_error(it, &fact_node_look, key));
		json_array_foreach (json_object_get(look, "jobs"), k, j) {
			if (!has_way(json_path_str(j, "key", "")) ||
				json_path_int(j, "at", 0) < newest_at)
				continue;
			newest = json_path_str(j, "key", "");
			newest_at = json_path_int(j, "at", 0);
		}
	}
	*ret_back = newest && kubeadm_is_down(newest);
	*ret_tier = tier_of(newest ? newest : "");
	return all;
}

const char *kubeadm_foreign_job(const Item *it, const json_t *look)
{
	g_autofree char *id = kubeadm_own_id(it);
	size_t i;
	json_t *j;
	json_array_foreach (json_object_get(look, "jobs"), i, j) {
		const char *key = json_path_str(j, "key", "");
		if (strcmp(json_path_str(j, "state", ""), "running") == 0 &&
			!g_str_has_prefix(key, id))
			return key;
	}
	return NULL;
}

/* ---- the marks of drains ---- */

#define DRAIN_MARK "shiplock.dev/drain"
#define ADOPTED "adopt" /* purpose of a drain that only takes such a mark over and away */

static bool is_left_behind(const Item *it, const json_t *node)
{
	const json_t *notes = json_path(node, "metadata.annotations");
	const char *text = json_string_value(json_object_get(notes, DRAIN_MARK));
	g_autoptr(json_t) owner = text ? json_loads(text, 0, NULL) : NULL;
	return owner && json_path_int(owner, "epoch", INT64_MAX) < site_epoch(item_site(it));
}

bool kubeadm_marks_lifted(Item *it, int64_t now, Batch *b, StepResult *ret)
{
	const TargetDrains *drains = target_of(it)->drains;
	const View *nodes = fact(it, &fact_list, KUBEADM_NODES);
	size_t i;
	json_t *n;
	*ret = step_read(it);
	if (!json_object_get(item_memo(it), "takeover"))
		return true;
	if (!nodes) /* the way back may be what brings the API server back */
		return fact_error(it, &fact_list, KUBEADM_NODES) != NULL;
	json_array_foreach (json_object_get(nodes->json, "items"), i, n) {
		const char *name = json_path_str(n, "metadata.name", "?"), *text = "";
		NodeDrain drain = drains->state(it, name, ADOPTED, &text);
		bool theirs = is_left_behind(it, n);
		if (drain == DRAIN_OVER || (drain == DRAIN_NONE && !theirs))
			continue;
		/* Ours first, so that there is something of ours to take away. */
		if (drain == DRAIN_NONE)
			drains->begin(it, b, name, ADOPTED);
		else if (drain != DRAIN_PUT_BACK && !theirs)
			drains->end(it, b, name, ADOPTED);
		*ret = step_wait(it, now + SL_USEC_PER_SEC,
			"node %s: the mark of the controller before is taken away", name);
		return false;
	}
	return true;
}

/* ---- the fence ---- */

bool kubeadm_fenced(Item *it, int64_t now, Batch *b, bool workers, StepResult *ret)
{
	const json_t *job;
	Machine m;
	if (!json_object_get(item_memo(it), "takeover"))
		return true;
	for (size_t i = 0; kubeadm_machine(it, i, &m); i++) {
		if ((!workers && !m.control_plane) || kubeadm_is_noted(it, &m, "fence"))
			continue;
		if (kubeadm_command(it, now, b, &m, "fence", &job, ret))
			*ret = kubeadm_note(it, now, b, &m, "fence");
		return false;
	}
	return true;
}
