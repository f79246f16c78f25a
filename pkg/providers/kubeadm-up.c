/* Up: what there is, then the control plane node by node; after the soak every kubelet. */
#include "base/num.h"
#include "providers/kubeadm-addons.h"
#include "providers/kubeadm-commands.h"
#include "providers/kubeadm-jobs.h"
#include "providers/kubeadm-level.h"
#include "providers/kubeadm-ready.h"
#include "providers/kubeadm-shelf.h"
#include <string.h>

enum { POLL_SEC = 2, SETTLE_SEC = 300 };

/* ---- survey: the machines of this hop, durable, since the API server may be away later ---- */

/* An earlier run, or a person, has brought a kubelet above the old version already: the way back
 * begins with it, and asks. */
static void cross_for_moved(Item *it, Batch *b, const json_t *nodes)
{
	const char *low, *high;
	kubeadm_kubelets(nodes, &low, &high);
	if (*high && kubeadm_newer(high, kubeadm_from(it)) && !hop_crossed(it, "workers"))
		hop_cross(b, it, "workers");
}

/* Before the first server moves: later the picture would show what is new already. */
static bool note_picture(Item *it, Batch *b)
{
	const View *version = fact(it, &fact_object, KUBEADM_VERSION);
	json_t *picture = NULL;
	if (!version)
		return false;
	if (!kubeadm_same(json_path_str(version->json, "gitVersion", ""), kubeadm_from(it)))
		return true;
	if (!kubeadm_picture(it, &picture))
		return false;
	batch_memo(b, it, "picture", picture);
	return true;
}

static StepResult survey_tick(Item *it, int64_t now, Batch *b)
{
	const json_t *known = json_object_get(item_memo(it), "machines");
	const char *hop = hop_key(kubeadm_hop(it));
	/* The second of two hops goes back by what the first has saved. */
	bool kept = kubeadm_raises(kubeadm_hop(it)) && json_object_get(item_memo(it), "backups");
	if (strcmp(json_path_str(known, "to", ""), hop) == 0)
		return step_done(0);
	if (item_held(it)) /* the pivot that may go with it would not be stored */
		return step_wait(it, 0, "held before the machines are noted");
	const View *nodes = fact(it, &fact_list, KUBEADM_NODES);
	if (!nodes || !kubeadm_addons_before(it, b))
		return step_read(it);
	if (!note_picture(it, b))
		return step_read(it);
	batch_memo(b, it, "machines",
		json_pack("{s:s, s:o}", "to", hop, "list", kubeadm_machines(nodes->json)));
	if (!kept) {
		batch_memo(b, it, "backups", json_object());
		batch_memo(b, it, "backupKeys", json_object());
	}
	batch_memo(b, it, "proven", json_object());
	cross_for_moved(it, b, nodes->json);
	return step_wait(it, now, "the machines are noted");
}

/* ---- the control plane ---- */

static void note_set(Item *it, Batch *b, const Machine *m, json_t *result, const char *key)
{
	json_t *backups = json_copy(json_object_get(item_memo(it), "backups"));
	json_t *keys = json_copy(json_object_get(item_memo(it), "backupKeys"));
	json_object_set_new(backups, m->name, result);
	json_object_set_new(keys, m->name, key ? json_string(key) : json_null());
	batch_memo(b, it, "backups", backups);
	batch_memo(b, it, "backupKeys", keys);
}

/* A machine that an earlier run of this hop has moved holds nothing old any more: the set of that
 * run is the one to go back with, if there is one. False: *ret. */
static bool kept_before(
	Item *it, int64_t now, Batch *b, const Machine *m, bool *ret_kept, StepResult *ret)
{
	const json_t *look = kubeadm_look_after(it, now, m);
	*ret = step_read(it);
	if (!look)
		return false;
	*ret_kept = kubeadm_control_plane_at(look, kubeadm_to(it));
	if (!*ret_kept)
		return true;
	g_autofree char *key = kubeadm_backup_of(kubeadm_hop(it), look);
	note_set(it, b, m, json_null(), key);
	*ret = step_wait(it, now, "%s runs %s already; %s", m->name, kubeadm_to(it),
		key ? "the backup set of an earlier run is noted" : "there is no older backup set");
	return true;
}

/* Taken, proven and noted. False: *ret. */
static bool backed_up(Item *it, int64_t now, Batch *b, const Machine *m, StepResult *ret)
{
	const json_t *job;
	g_autoptr(GError) err = NULL;
	bool kept = false;
	if (json_object_get(json_object_get(item_memo(it), "backups"), m->name))
		return true;
	if (!kubeadm_command_begun(it, m, "up-backup") &&
		(!kept_before(it, now, b, m, &kept, ret) || kept))
		return false;
	if (!kubeadm_command(it, now, b, m, "up-backup", &job, ret))
		return false;
	json_t *result = node_backup_result(json_path_str(job, "out", ""), &err);
	if (!result) {
		*ret = step_hold_person(
			it, "backup", "the backup set of %s: %s", m->name, err->message);
		return false;
	}
	g_autofree char *key = kubeadm_backup_key(it);
	note_set(it, b, m, result, key);
	*ret = step_wait(it, now, "the backup set of %s is noted", m->name);
	return false;
}

/* NULL: the pods run the version, at the level of the hop where it has one. Caller frees. */
static char *pods_behind(const Item *it, const json_t *pods, const Machine *m, const char *version)
{
	const char *level = kubeadm_emulated(kubeadm_hop(it));
	char *why = kubeadm_pods_behind(pods, m->name, version, false);
	return why || !level ? why : kubeadm_pods_level(pods, m->name, level);
}

/* Everything of the control plane on this machine runs the version, by reads after the command. */
static bool proven(Item *it, int64_t now, Batch *b, const Machine *m, const char *version,
	int64_t since, StepResult *ret)
{
	const View *pods = kubeadm_list_within(it, now, KUBEADM_SYSTEM_PODS, POLL_SEC, since);
	if (!pods) {
		*ret = step_read(it);
		return false;
	}
	g_autofree char *behind = pods_behind(it, pods->json, m, version);
	g_autofree char *etcd = behind ? NULL : kubeadm_etcd_unready(pods->json);
	if (!behind && !etcd && kubeadm_etcd_stands(it, now, NULL, since, ret))
		return true;
	if (!behind && !etcd && ret->verb == STEP_READ)
		return false;
	if (!behind && !etcd)
		etcd = g_strdup(item_reason(it));
	int64_t waited = since ? now - since : kubeadm_waited_usec(it, b, m, "up-control-plane");
	if (waited > SETTLE_SEC * SL_USEC_PER_SEC)
		*ret = step_hold(it, "control-plane", "%s is upgraded, but %s", m->name,
			behind ? behind : etcd);
	else
		*ret = step_wait(it, 0, "%s: %s", m->name, behind ? behind : etcd);
	ret->until_usec = now + POLL_SEC * SL_USEC_PER_SEC;
	return false;
}

/* Before the first: the window is asked, and the pivot is stored with the intent. False: *ret. */
static bool may_begin(Item *it, Batch *b, StepResult *ret)
{
	const Target *t = target_of(it);
	if (hop_crossed(it, "control-plane"))
		return true;
	if (t->may_order && !t->may_order(it, ret))
		return false;
	hop_cross(b, it, "control-plane");
	return true;
}

/* One API server and no other: it is away while it restarts. */
static void say_alone(Item *it, StepResult *ret)
{
	Machine second;
	bool alone = !kubeadm_machine(it, 1, &second) || !second.control_plane;
	if (!alone || ret->verb != STEP_WAIT)
		return;
	g_autofree char *text = g_strdup(item_reason(it));
	item_set_reason(
		it, "%s (the only API server restarts: refused connections are expected)", text);
}

/* New manifests alone say nothing of kubeadm's later phases: where it was killed there it is run
 * again, which does no harm. */
static bool is_done(const Item *it, const json_t *look)
{
	const char *level = kubeadm_emulated(kubeadm_hop(it));
	return kubeadm_control_plane_at(look, kubeadm_to(it)) &&
	       (!level || kubeadm_look_at_level(look, level)) &&
	       kubeadm_same(json_path_str(look, "kubeadmDone", ""), kubeadm_to(it));
}

static bool upgraded(Item *it, int64_t now, Batch *b, const Machine *m, StepResult *ret)
{
	bool begun = kubeadm_command_begun(it, m, "up-control-plane");
	const json_t *job, *look = begun ? NULL : kubeadm_look_after(it, now, m);
	int64_t since = begun ? kubeadm_command_seen_usec(it, m, "up-control-plane") : 0;
	if (!begun && !look) {
		*ret = step_read(it);
		return false;
	}
	if (!begun && is_done(it, look))
		return proven(it, now, b, m, kubeadm_to(it), since, ret);
	if (!begun && (!kubeadm_mended(it, now, b, m, "up-control-plane", ret) ||
			      !kubeadm_quorum_stands(it, now, m, ret) ||
			      !kubeadm_is_itself(it, now, b, m, ret) || !may_begin(it, b, ret)))
		return false;
	if (!kubeadm_command(it, now, b, m, "up-control-plane", &job, ret)) {
		say_alone(it, ret);
		return false;
	}
	since = kubeadm_command_seen_usec(it, m, "up-control-plane");
	return proven(it, now, b, m, kubeadm_to(it), since, ret);
}

static StepResult control_plane_tick(Item *it, int64_t now, Batch *b)
{
	Machine m;
	StepResult r;
	if (kubeadm_raises(kubeadm_hop(it)))
		return step_done(0);
	for (size_t i = 0; kubeadm_machine(it, i, &m) && m.control_plane; i++)
		if (!backed_up(it, now, b, &m, &r) || !kubeadm_shelve(it, now, b, &m, &r))
			return r;
	for (size_t i = 0; kubeadm_machine(it, i, &m) && m.control_plane; i++)
		if (!kubeadm_is_noted(it, &m, "up-control-plane"))
			return upgraded(it, now, b, &m, &r)
				       ? kubeadm_note(it, now, b, &m, "up-control-plane")
				       : r;
	item_set_reason(it, "the control plane runs %s", kubeadm_to(it));
	if (hop_crossed(it, "control-plane"))
		return step_done(0);
	hop_cross(b, it, "control-plane"); /* by an earlier run: there is something to take back */
	return step_wait(it, now, "the control plane runs %s", kubeadm_to(it));
}

/* ---- every kubelet, the workers first ---- */

static StepResult kubelets_tick(Item *it, int64_t now, Batch *b)
{
	Machine m;
	StepResult r;
	if (kubeadm_emulated(kubeadm_hop(it))) {
		item_set_reason(it, "no kubelet moves before the feature level is raised");
		return step_done(0);
	}
	if (!hop_crossed(it, "workers") && !kubeadm_addons_stand(it, now, 0, &r))
		return r;
	for (int control_plane = 0; control_plane < 2; control_plane++)
		for (size_t i = 0; kubeadm_machine(it, i, &m); i++)
			if (m.control_plane == control_plane &&
				!kubeadm_kubelet_to(it, now, b, &m, kubeadm_to(it), &r))
				return r;
	item_set_reason(it, "every kubelet runs %s", kubeadm_to(it));
	return step_done(0);
}

const StepOps step_survey = { "survey", survey_tick };
const StepOps step_control_plane = { "control-plane", control_plane_tick };
const StepOps step_kubelets = { "kubelets", kubelets_tick };
