/* One kubelet to another version: its node drained by our engine, the command, the proof, and put
 * back. The same way up and down. */
#include "base/num.h"
#include "providers/kubeadm-jobs.h"
#include "providers/kubeadm-moves.h"
#include <string.h>

/* STEADY: a new kubelet reports its version first and restarts the static pods some seconds later,
 * the leading controller manager among them. */
enum { POLL_SEC = 2, FRESH_SEC = 4, SETTLE_SEC = 300, STEADY_SEC = 20 };

static bool going_back(const Item *it)
{
	return item_pivot_crossed(it, "rollback");
}

static const char *kind_of(const Item *it)
{
	return going_back(it) ? "down-kubelet" : "up-kubelet";
}

static char *purpose_of(const Item *it, const Machine *m, const char *version)
{
	int n = kubeadm_times_taken_up(it, m->name);
	g_autofree char *more = n > 0 ? g_strdup_printf(" (%d)", n + 1) : g_strdup("");
	return g_strdup_printf("%s %s%s", going_back(it) ? "down" : "up", version, more);
}

/* The nodes, and the pods of the system, by reads sent after what we did there. */
typedef struct Proof {
	const json_t *nodes, *pods;
} Proof;

static bool read_proof(Item *it, int64_t now, int64_t since, Proof *ret)
{
	const View *nodes = kubeadm_list_within(it, now, KUBEADM_NODES, FRESH_SEC, since);
	const View *pods = kubeadm_list_within(it, now, KUBEADM_SYSTEM_PODS, FRESH_SEC, since);
	if (!nodes || !pods)
		return false;
	*ret = (Proof){ nodes->json, pods->json };
	return true;
}

/* NULL: the kubelet of this machine, of the boot that it is in, runs the version and is Ready.
 * Caller frees. */
static char *unproven(const Proof *p, const Machine *m, const char *version, const char *boot)
{
	const char *is = kubeadm_kubelet_of(p->nodes, m->name);
	const char *told =
		json_path_str(kubeadm_node_named(p->nodes, m->name), "status.nodeInfo.bootID", "");
	if (!*is)
		return g_strdup_printf("node %s is not there any more", m->name);
	if (!kubeadm_same(is, version))
		return g_strdup_printf("the kubelet of %s says %s", m->name, is);
	if (strcmp(told, boot) != 0)
		return g_strdup_printf(
			"node %s tells of boot %s, and its machine is in boot %s: the kubelet has "
			"not reported since",
			m->name, told, boot);
	if (!kubeadm_is_ready(p->nodes, m->name))
		return g_strdup_printf("node %s is not Ready", m->name);
	return NULL;
}

/* Nothing is done to another node before its static pods have been let come to rest. */
static bool is_steady(Item *it, int64_t now, const Machine *m, int64_t since, StepResult *ret)
{
	int64_t until = since + STEADY_SEC * SL_USEC_PER_SEC;
	if (!m->control_plane || kubeadm_last(it, m) || now >= until)
		return true;
	*ret = step_wait(it, sl_min(until, now + POLL_SEC * SL_USEC_PER_SEC),
		"%s: its new kubelet may restart the control plane's pods; they are watched for "
		"%d s",
		m->name, STEADY_SEC);
	return false;
}

static StepResult not_yet(Item *it, int64_t now, int64_t since, const char *why)
{
	StepResult r =
		now > since + SETTLE_SEC * SL_USEC_PER_SEC
			? step_hold(it, "node", "%s, %d s after the command", why, SETTLE_SEC)
			: step_wait(it, 0, "%s", why);
	r.until_usec = now + POLL_SEC * SL_USEC_PER_SEC;
	return r;
}

/* The command has ended well. True: what it was for is seen. A trial pod runs while the others come
 * up. */
static bool came(Item *it, int64_t now, Batch *b, const Machine *m, const char *version,
	const char *purpose, StepResult *ret)
{
	int64_t since = kubeadm_command_seen_usec(it, m, kind_of(it));
	const json_t *look = kubeadm_look_after(it, now, m);
	Proof p;
	if (!look || !read_proof(it, now, since, &p)) {
		*ret = look ? step_read(it) : kubeadm_unread(it, now, b, m);
		return false;
	}
	const TrialFacts facts = { p.nodes, p.pods };
	g_autofree char *first = unproven(&p, m, version, json_path_str(look, "bootId", ""));
	if (first) {
		*ret = not_yet(it, now, since, first);
		return false;
	}
	if (!kubeadm_tried(it, now, b, m, purpose, &facts, ret))
		return false;
	const json_t *before = kubeadm_before(it, m, purpose);
	g_autofree char *pod = kubeadm_newly_unready(p.pods, m->name, before);
	g_autofree char *etcd = pod || !m->control_plane ? NULL : kubeadm_etcd_unready(p.pods);
	if (!pod && !etcd)
		return is_steady(it, now, m, since, ret);
	*ret = not_yet(it, now, since, pod ? pod : etcd);
	return false;
}

/* Its drain is over, and it was not we who ended it. */
static StepResult skip(Item *it, int64_t now, Batch *b, const char *node)
{
	json_t *list = json_deep_copy(json_object_get(item_memo(it), "skippedNodes"));
	if (!list)
		list = json_array();
	json_array_append_new(list, json_string(node));
	batch_memo(b, it, "skippedNodes", list);
	return step_wait(it, now, "node %s is left out", node);
}

/* The pivot and the drain it belongs to are stored together. */
static StepResult begin(Item *it, int64_t now, Batch *b, const Machine *m, const char *purpose)
{
	const Target *t = target_of(it);
	StepResult closed;
	if (!going_back(it) && t->may_move && !t->may_move(it, &closed))
		return closed;
	if (m->control_plane && !kubeadm_quorum_stands(it, now, m, &closed))
		return closed;
	StepResult led;
	bool live = kubeadm_leaders_live(it, now, b, m, purpose, &led); /* read beside the next */
	if (!kubeadm_is_itself(it, now, b, m, &closed))
		return closed;
	if (!live && led.verb == STEP_HOLD)
		return led;
	if (item_held(it))
		return step_wait(it, 0, "held before node %s", m->name);
	if (!live)
		return led;
	if (!kubeadm_trial_over(it, b, &closed) ||
		!kubeadm_note_before(it, now, b, m, purpose, &closed))
		return closed;
	if (!going_back(it) && !hop_crossed(it, "workers"))
		hop_cross(b, it, "workers");
	t->drains->begin(it, b, m->name, purpose);
	return step_wait(it, 0, "node %s is drained", m->name);
}

bool kubeadm_key_known(Item *it, int64_t now, Batch *b, const Machine *m, StepResult *ret)
{
	const json_t *keys = json_object_get(item_memo(it), "backupKeys");
	if (!going_back(it) || json_object_get(keys, m->name))
		return true;
	const json_t *look = kubeadm_look_after(it, now, m);
	if (!look) {
		*ret = kubeadm_unread(it, now, b, m);
		return false;
	}
	g_autofree char *key = kubeadm_backup_of(kubeadm_hop(it), look);
	json_t *next = keys ? json_copy((json_t *)keys) : json_object();
	json_object_set_new(next, m->name, key ? json_string(key) : json_null());
	batch_memo(b, it, "backupKeys", next);
	*ret = step_wait(it, now, "the backup set of %s is found", m->name);
	return false;
}

static bool change(Item *it, int64_t now, Batch *b, const Machine *m, const char *version,
	const char *purpose, StepResult *ret)
{
	const json_t *job;
	/* The drain may have taken an hour: asked again before the member here is restarted. */
	bool begun = kubeadm_command_begun(it, m, kind_of(it));
	int64_t fresh = now - FRESH_SEC * SL_USEC_PER_SEC;
	if (m->control_plane && !begun && !kubeadm_etcd_stands(it, now, m, fresh, ret)) {
		if (ret->verb == STEP_WAIT)
			kubeadm_quorum_stands(it, now, m, ret);
		return false;
	}
	return kubeadm_key_known(it, now, b, m, ret) &&
	       kubeadm_command(it, now, b, m, kind_of(it), &job, ret) &&
	       came(it, now, b, m, version, purpose, ret);
}

bool kubeadm_installed_ahead(Item *it, const Machine *m, const char *version, char **ret_version)
{
	g_autofree char *key = node_key(m->address, KUBEADM_DISCOVER);
	const json_t *look = kubeadm_look(it, m, 0);
	const char *lies = json_path_str(look, "kubelet", "");
	bool ahead = *lies && kubeadm_newer(lies, version);
	*ret_version = ahead ? g_strdup(lies) : NULL;
	/* One that is away and that we never touched is no bar. */
	return look || fact_error(it, &fact_node_look, key);
}

/* On the way back what lies on disk counts, until it was proven there. False: not read. */
static bool disk_known(Item *it, const Machine *m, const char *version, bool *ret_ahead)
{
	g_autofree char *lies = NULL;
	*ret_ahead = false;
	if (!going_back(it) || kubeadm_is_noted(it, m, "down-kubelet"))
		return true;
	bool known = kubeadm_installed_ahead(it, m, version, &lies);
	*ret_ahead = lies != NULL;
	return known;
}

/* Nothing of ours is under way there, and nothing need be. */
static bool is_there(Item *it, const Machine *m, const char *version, NodeDrain drain, bool *ret)
{
	const View *nodes = fact(it, &fact_list, KUBEADM_NODES);
	bool ahead;
	if (!nodes || !disk_known(it, m, version, &ahead))
		return false;
	/* The way up may have changed what lies on disk while the old one still runs. */
	bool half = going_back(it) && kubeadm_command_begun(it, m, "up-kubelet") &&
		    !kubeadm_command_begun(it, m, "down-kubelet");
	const char *is = kubeadm_kubelet_of(nodes->json, m->name);
	/* Back, one that was older before need not move. */
	bool there =
		kubeadm_same(is, version) || (going_back(it) && *is && !kubeadm_newer(is, version));
	*ret = (drain == DRAIN_NONE || drain == DRAIN_OVER) && !half && !ahead && there;
	return true;
}

/* A worker's kubelet disturbs no leader: the next node's questions are asked meanwhile. */
static void look_ahead(Item *it, int64_t now, Batch *b, const Machine *m, const char *purpose)
{
	Machine next;
	bool after = false;
	for (size_t i = 0; !m->control_plane && kubeadm_machine(it, i, &next); i++) {
		if (after && !next.control_plane) {
			kubeadm_leaders_note(it, now, b, &next, purpose);
			kubeadm_look(it, &next, 0);
			return;
		}
		after = after || strcmp(next.name, m->name) == 0;
	}
	if (!m->control_plane && kubeadm_machine(it, 0, &next))
		kubeadm_leaders_note(it, now, b, &next, purpose);
}

/* Proven. That its machine went down meanwhile is no fault by now, and is said. */
static StepResult put_back(
	Item *it, int64_t now, Batch *b, const Machine *m, const char *version, const char *purpose)
{
	const json_t *look = kubeadm_look(it, m, 0);
	const char *was = json_path_str(kubeadm_before(it, m, purpose), "boot", "");
	const char *boot = json_path_str(look, "bootId", "");
	bool restarted = *was && *boot && strcmp(was, boot) != 0;
	target_of(it)->drains->end(it, b, m->name, purpose);
	kubeadm_note(it, now, b, m, kind_of(it));
	if (restarted)
		batch_memo(b, it, "restarted",
			json_pack("{s:s, s:s, s:s}", "node", m->name, "boot", was, "now", boot));
	return step_wait(it, 0, "node %s runs %s and is put back%s", m->name, version,
		restarted ? "; its machine was started anew meanwhile" : "");
}

bool kubeadm_kubelet_to(
	Item *it, int64_t now, Batch *b, const Machine *m, const char *version, StepResult *ret)
{
	const TargetDrains *drains = target_of(it)->drains;
	g_autofree char *purpose = purpose_of(it, m, version);
	const char *text = "";
	NodeDrain drain = drains->state(it, m->name, purpose, &text);
	bool there;
	*ret = step_read(it);
	if (kubeadm_is_gone(it, m))
		return true;
	if (kubeadm_is_left_out(it, m->name))
		return kubeadm_at_rest(it, now, b, m, ret);
	if (!is_there(it, m, version, drain, &there))
		return false;
	if (there)
		return true;
	switch (drain) {
	case DRAIN_NONE:
		*ret = begin(it, now, b, m, purpose);
		return false;
	case DRAIN_UNDER_WAY:
		*ret = step_wait(it, 0, "node %s: %s", m->name, text);
		return false;
	case DRAIN_EMPTY:
		if (change(it, now, b, m, version, purpose, ret))
			*ret = put_back(it, now, b, m, version, purpose);
		else
			look_ahead(it, now, b, m, purpose);
		return false;
	case DRAIN_PUT_BACK:
		*ret = step_wait(it, 0, "node %s is put back", m->name);
		return false;
	case DRAIN_OVER:
		*ret = skip(it, now, b, m->name);
		return false;
	}
	g_assert_not_reached();
}
