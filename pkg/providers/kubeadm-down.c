/* Down, in the order that keeps every kubelet at or below every API server: the kubelets that
 * moved, workers first; scheduler and controller manager of every control-plane node; then the API
 * servers by the older kubeadm, or by the saved manifests where that cannot. */
#include "base/num.h"
#include "providers/kubeadm-moves.h"
#include "providers/kubeadm-shelf.h"
#include <string.h>

enum { POLL_SEC = 2, SETTLE_SEC = 300, KUBEADM_TRIES = 2 };

bool kubeadm_turned(Item *it, int64_t now, Batch *b, StepResult *ret)
{
	if (item_pivot_crossed(it, "rollback"))
		return true;
	*ret = kubeadm_settle(it, now, b);
	if (ret->verb != STEP_DONE)
		return false;
	if (!target_of(it)->drains->end_all(it, b)) {
		*ret = step_wait(it, 0, "the node in work is put back first");
		return false;
	}
	batch_pivot(b, it, "rollback");
	*ret = step_wait(it, now, "the way back is stored first");
	return false;
}

static bool kubelets_moved(const Item *it)
{
	return hop_crossed(it, "workers") || json_path_bool(item_memo(it), "workersMoved", false);
}

static bool is_of_this_hop(const Item *it, const char *node)
{
	Machine m;
	for (size_t i = 0; kubeadm_machine(it, i, &m); i++)
		if (strcmp(m.name, node) == 0)
			return true;
	return false;
}

/* A person is asked before a node is touched that this run left alone; a node that is not of this
 * hop a person mends. how: "runs", or that it only lies there. */
static StepResult ahead(
	Item *it, int64_t now, Batch *b, const char *node, const char *how, const char *version)
{
	const char *to = kubeadm_from(it);
	bool asked = strcmp(json_path_str(item_memo(it), "aheadAsked", ""), node) == 0;
	bool left = kubeadm_is_left_out(it, node);
	bool may = left || (!kubelets_moved(it) && is_of_this_hop(it, node));
	if (asked && may && !item_find_hold(it, "kubelet-ahead")) {
		batch_memo(b, it, "aheadAsked", json_null());
		batch_memo(b, it, "workersMoved", json_true());
		if (left)
			kubeadm_take_up_again(it, b, node);
		return step_wait(it, now, "node %s is taken up", node);
	}
	if (!asked)
		batch_memo(b, it, "aheadAsked", json_string(node));
	return step_hold_person(it, "kubelet-ahead",
		"the kubelet of node %s %s %s: an API server of %s would be older than it; %s"
		"bring that kubelet to %s (on %s: install kubelet %s, systemctl daemon-reload, "
		"systemctl restart kubelet) or take the node out of the cluster (kubectl delete "
		"node %s), then resume",
		node, how, version, to,
		left  ? "it was left out, and resume takes it up again; or "
		: may ? "this run did not touch it, and resume lets it be drained and brought "
			"back; or "
		      : "",
		to, node, to, node);
}

/* A node that was left out, or that came or was changed by hand meanwhile, counts too. False: *ret.
 */
static bool none_ahead(Item *it, int64_t now, Batch *b, StepResult *ret)
{
	const View *nodes = kubeadm_list_within(it, now, KUBEADM_NODES, POLL_SEC, 0);
	*ret = step_read(it);
	/* The way back may be what brings the API server back. */
	bool away = !nodes && fact_error(it, &fact_list, KUBEADM_NODES);
	if (!nodes)
		return away && !kubelets_moved(it);
	size_t i;
	json_t *n;
	json_array_foreach (json_object_get(nodes->json, "items"), i, n) {
		const char *is = json_path_str(n, "status.nodeInfo.kubeletVersion", "");
		if (!*is || !kubeadm_newer(is, kubeadm_from(it)))
			continue;
		*ret = ahead(it, now, b, json_path_str(n, "metadata.name", "?"), "runs", is);
		return false;
	}
	return true;
}

/* A newer one that is installed and does not run yet would at the next start of its machine. */
static bool none_waits(Item *it, int64_t now, Batch *b, StepResult *ret)
{
	Machine m;
	char *version = NULL;
	for (size_t i = 0; kubeadm_machine(it, i, &m); i++) {
		if (kubelets_moved(it) && !kubeadm_is_left_out(it, m.name))
			continue;
		if (!kubeadm_installed_ahead(it, &m, kubeadm_from(it), &version)) {
			*ret = step_read(it);
			return false;
		}
		g_autofree char *waits = version;
		if (!waits)
			continue;
		*ret = ahead(it, now, b, m.name, "is installed, for its next start, as", waits);
		return false;
	}
	return true;
}

static StepResult helpers_back_tick(Item *it, int64_t now, Batch *b);

static StepResult kubelets_back_tick(Item *it, int64_t now, Batch *b)
{
	Machine m;
	StepResult r;
	if (!kubeadm_turned(it, now, b, &r))
		return r;
	if (json_path_bool(item_memo(it), "helpersFirst", false)) {
		r = helpers_back_tick(it, now, b);
		if (r.verb != STEP_DONE)
			return r;
	}
	for (int control_plane = 0; control_plane < 2 && kubelets_moved(it); control_plane++)
		for (size_t i = 0; kubeadm_machine(it, i, &m); i++)
			if (m.control_plane == control_plane &&
				!kubeadm_kubelet_to(it, now, b, &m, kubeadm_from(it), &r))
				return r;
	if (!none_ahead(it, now, b, &r) || !none_waits(it, now, b, &r))
		return r;
	item_set_reason(it, "no kubelet is newer than %s", kubeadm_from(it));
	return step_done(0);
}

/* The saved manifests of this machine, by the key of their set. False: *ret. */
static bool saved(Item *it, int64_t now, Batch *b, const Machine *m, StepResult *ret)
{
	const json_t *keys = json_object_get(item_memo(it), "backupKeys");
	const char *known = json_string_value(json_object_get(keys, m->name));
	if (known)
		return kubeadm_set_on(it, now, b, m, known, ret);
	const json_t *look = kubeadm_look_after(it, now, m);
	*ret = step_read(it);
	if (!look)
		return false;
	g_autofree char *key = kubeadm_backup_of(kubeadm_hop(it), look);
	if (!key) {
		*ret = step_hold_person(it, "no-backup",
			"there is no backup set of this hop on %s any more", m->name);
		return false;
	}
	json_t *next = keys ? json_copy((json_t *)keys) : json_object();
	json_object_set_new(next, m->name, json_string(key));
	batch_memo(b, it, "backupKeys", next);
	*ret = step_wait(it, now, "the backup set of %s is found", m->name);
	return false;
}

static StepResult behind(Item *it, int64_t now, int64_t since, const char *why)
{
	StepResult r;
	if (since && now > since + SETTLE_SEC * SL_USEC_PER_SEC)
		r = step_hold(it, "control-plane", "%s", why);
	else
		r = step_wait(it, 0, "%s", why);
	r.until_usec = now + POLL_SEC * SL_USEC_PER_SEC;
	return r;
}

/* Pods of this machine at the old version, by a read sent after the command. False: *ret. */
static bool back_proven(
	Item *it, int64_t now, const Machine *m, int64_t since, bool only_helpers, StepResult *ret)
{
	const View *pods = kubeadm_list_within(it, now, KUBEADM_SYSTEM_PODS, POLL_SEC, since);
	*ret = step_read(it);
	if (!pods)
		return false;
	g_autofree char *why =
		kubeadm_pods_behind(pods->json, m->name, kubeadm_from(it), only_helpers);
	if (!why)
		return true;
	*ret = behind(it, now, since, why);
	return false;
}

/* Never reached by the way up, or back already: nothing is to be done. */
static bool helpers_at(const json_t *look, const char *version)
{
	return kubeadm_same(kubeadm_image_version(look, "kube-scheduler"), version) &&
	       kubeadm_same(kubeadm_image_version(look, "kube-controller-manager"), version);
}

/* They ask the API server of their own node: where that is what is broken they cannot be Ready, and
 * its way back comes after theirs. Their manifests are proof enough then. */
static bool helpers_proven(Item *it, int64_t now, const Machine *m, StepResult *ret)
{
	const View *pods = fact(it, &fact_list, KUBEADM_SYSTEM_PODS);
	const GError *err = pods ? NULL : fact_error(it, &fact_list, KUBEADM_SYSTEM_PODS);
	*ret = step_read(it);
	if (!pods && !g_error_matches(err, SL_ERROR, SL_ERR_RETRY))
		return false;
	if (pods && kubeadm_server_ready(pods->json, m->name))
		return back_proven(
			it, now, m, kubeadm_command_seen_usec(it, m, "down-helpers"), true, ret);
	const json_t *look = kubeadm_look_after(it, now, m);
	return look && helpers_at(look, kubeadm_from(it));
}

static bool helpers_back(Item *it, int64_t now, Batch *b, const Machine *m, StepResult *ret)
{
	const json_t *job, *look;
	if (!kubeadm_command_begun(it, m, "down-helpers")) {
		look = kubeadm_look_after(it, now, m);
		*ret = step_read(it);
		if (!look)
			return false;
		if (helpers_at(look, kubeadm_from(it)))
			return true;
	}
	if (!saved(it, now, b, m, ret) ||
		!kubeadm_command(it, now, b, m, "down-helpers", &job, ret))
		return false;
	return helpers_proven(it, now, m, ret);
}

static StepResult helpers_back_tick(Item *it, int64_t now, Batch *b)
{
	Machine m;
	StepResult r;
	for (size_t i = 0; kubeadm_machine(it, i, &m) && m.control_plane; i++)
		if (!kubeadm_is_noted(it, &m, "down-helpers"))
			return helpers_back(it, now, b, &m, &r)
				       ? kubeadm_note(it, now, b, &m, "down-helpers")
				       : r;
	item_set_reason(it, "scheduler and controller manager run %s", kubeadm_from(it));
	return step_done(0);
}

/* The version that `kubeadm upgrade node` goes to stands in a ConfigMap that only the first
 * machine's kubeadm writes: where that one went back by its saved manifests, the others do too. */
static bool by_manifests(const Item *it)
{
	Machine m;
	for (size_t i = 0; kubeadm_machine(it, i, &m) && m.control_plane; i++)
		if (kubeadm_command_begun(it, &m, "down-manifests"))
			return true;
	return false;
}

/* kubeadm ended well: are the manifests those of the old version? False: *ret. */
static bool took_effect(Item *it, int64_t now, const Machine *m, bool *ret_took, StepResult *ret)
{
	const json_t *look = kubeadm_look_after(it, now, m);
	*ret = step_read(it);
	*ret_took = look && kubeadm_control_plane_at(look, kubeadm_from(it));
	return look != NULL;
}

/* kubeadm of the old version, and where it failed twice or changed nothing the saved manifests.
 * False: *ret. */
static bool commanded(
	Item *it, int64_t now, Batch *b, const Machine *m, int64_t *ret_since, StepResult *ret)
{
	const json_t *job;
	const char *kind = "down-control-plane";
	bool took = false;
	bool manifests = by_manifests(it) || kubeadm_command_failures(it, m, kind) >= KUBEADM_TRIES;
	if (!manifests && (!kubeadm_command(it, now, b, m, kind, &job, ret) ||
				  !took_effect(it, now, m, &took, ret)))
		return false;
	if (!took) {
		kind = "down-manifests";
		if (!saved(it, now, b, m, ret) || !kubeadm_command(it, now, b, m, kind, &job, ret))
			return false;
	}
	*ret_since = kubeadm_command_seen_usec(it, m, kind);
	return true;
}

static bool control_plane_back(Item *it, int64_t now, Batch *b, const Machine *m, StepResult *ret)
{
	int64_t since = 0;
	if (!kubeadm_command_begun(it, m, "down-control-plane")) {
		const json_t *look = kubeadm_look_after(it, now, m);
		*ret = step_read(it);
		if (!look)
			return false;
		if (kubeadm_control_plane_at(look, kubeadm_from(it)) &&
			kubeadm_same(json_path_str(look, "kubeadm", ""), kubeadm_from(it)))
			return true;
		if (!kubeadm_mended(it, now, b, m, "down-control-plane", ret))
			return false;
		if (!kubeadm_quorum_stands(it, now, m, ret))
			return false;
	}
	return commanded(it, now, b, m, &since, ret) && back_proven(it, now, m, since, false, ret);
}

static bool is_next(const Item *it, const Machine *m)
{
	return m->control_plane && !kubeadm_is_noted(it, m, "down-control-plane");
}

static bool one_begun(const Item *it, Machine *ret)
{
	for (size_t i = 0; kubeadm_machine(it, i, ret); i++)
		if (is_next(it, ret) && (kubeadm_command_begun(it, ret, "down-control-plane") ||
						kubeadm_command_begun(it, ret, "down-manifests")))
			return true;
	return false;
}

/* Which one is next: what was begun, then one whose restart etcd can bear, so that a broken member
 * comes first, whose way back may mend it. False: all are back. */
static bool next_back(Item *it, int64_t now, Machine *ret)
{
	Machine m;
	StepResult r;
	bool found = false;
	if (one_begun(it, ret))
		return true;
	for (size_t i = 0; kubeadm_machine(it, i, &m); i++) {
		if (!is_next(it, &m))
			continue;
		bool may = kubeadm_quorum_stands(it, now, &m, &r) || r.verb == STEP_READ;
		if (!found || may)
			*ret = m;
		found = true;
		if (may)
			return true;
	}
	return found;
}

static StepResult control_plane_back_tick(Item *it, int64_t now, Batch *b)
{
	Machine m;
	StepResult r;
	if (next_back(it, now, &m))
		return control_plane_back(it, now, b, &m, &r)
			       ? kubeadm_note(it, now, b, &m, "down-control-plane")
			       : r;
	item_set_reason(it, "the control plane runs %s again", kubeadm_from(it));
	return step_done(0);
}

const StepOps step_kubelets_back = { "kubelets-back", kubelets_back_tick };
const StepOps step_helpers_back = { "helpers-back", helpers_back_tick };
const StepOps step_control_plane_back = { "control-plane-back", control_plane_back_tick };
