/* Down by T3: etcd's data of the snapshot that this run took, on every member, under the control
 * plane of before. All API servers are stopped first, so nothing can be written that would be lost
 * unseen, and nobody reads a state that half exists; each stage is over on every node before the
 * next begins. The API cannot be asked meanwhile: the journal is what counts, and the first thing
 * written afterwards is our claim.
 *
 * The memo "restore": {"node": whose snapshot, "key": of its set, "token": of the new etcd,
 * "members": of the old one}; the notes of each stage are kubeadm_is_noted. */
#include "providers/kubeadm-restore.h"
#include "base/num.h"
#include "objects/time.h"
#include "providers/claim.h"
#include "providers/kubeadm-commands.h"
#include "providers/kubeadm-shelf.h"
#include <string.h>

enum { POLL_SEC = 2, SETTLE_SEC = 600, AWAY_SEC = 900 };

#define RESTORE "restore"
#define COPY_SUFFIX ".etcd" /* the set of another node, beside a node's own */

static const json_t *plan_of(const Item *it)
{
	return json_object_get(item_memo(it), RESTORE);
}

static const char *source(const Item *it)
{
	return json_path_str(plan_of(it), "node", "");
}

static bool is_source(const Item *it, const Machine *m)
{
	return strcmp(source(it), m->name) == 0;
}

char *kubeadm_restore_key(const Item *it, const Machine *m)
{
	return g_strconcat(
		json_path_str(plan_of(it), "key", ""), is_source(it, m) ? "" : COPY_SUFFIX, NULL);
}

const json_t *kubeadm_set_for(const Item *it, const Machine *m, const char *key)
{
	g_autofree char *copy = plan_of(it) ? kubeadm_restore_key(it, m) : NULL;
	if (g_strcmp0(copy, key) == 0)
		return kubeadm_shelved(it, source(it), json_path_str(plan_of(it), "key", ""));
	return kubeadm_shelved(it, m->name, key);
}

/* ---- which snapshot ---- */

/* Of the sets that this run took, the first that has one: what an earlier run left is older than
 * this run, and is not offered. */
static const json_t *newest_snapshot(const Item *it, const char **ret_node, const char **ret_key)
{
	Machine m;
	const json_t *backups = json_object_get(item_memo(it), "backups");
	const json_t *keys = json_object_get(item_memo(it), "backupKeys");
	for (size_t i = 0; kubeadm_machine(it, i, &m) && m.control_plane; i++) {
		const json_t *set = json_object_get(backups, m.name);
		const char *key = json_string_value(json_object_get(keys, m.name));
		if (!json_is_object(set) || !json_object_get(set, "revision") || !key ||
			strcmp(json_path_str(set, "etcd", ""), "stacked") != 0 ||
			!kubeadm_shelved(it, m.name, key))
			continue;
		*ret_node = m.name;
		*ret_key = key;
		return set;
	}
	return NULL;
}

/* Each member of the snapshot is a machine of ours, by its peer address. */
static bool is_member(const json_t *set, const Machine *m, const json_t **ret)
{
	g_autofree char *plain = g_strdup_printf("://%s:", m->address);
	g_autofree char *v6 = g_strdup_printf("://[%s]:", m->address);
	size_t i;
	json_t *member;
	json_array_foreach (json_object_get(set, "members"), i, member) {
		const char *urls = json_path_str(member, "peerUrls", "");
		*ret = member;
		if (strstr(urls, plain) || strstr(urls, v6))
			return true;
	}
	return false;
}

static char *restore_problem(const Item *it)
{
	Machine m;
	const char *node, *key;
	const json_t *set = newest_snapshot(it, &node, &key), *member;
	size_t n = 0;
	if (!set)
		return g_strdup("no snapshot of etcd that this run took lies in the state folder "
				"(one that is older than the run is never put back)");
	for (size_t i = 0; kubeadm_machine(it, i, &m) && m.control_plane; i++, n++)
		if (!is_member(set, &m, &member))
			return g_strdup_printf(
				"%s is no member of the etcd in the snapshot of %s", m.name, node);
	if (n != json_array_size(json_object_get(set, "members")))
		return g_strdup_printf("etcd had %zu members, the control plane has %zu nodes",
			json_array_size(json_object_get(set, "members")), n);
	return NULL;
}

void kubeadm_restorable(Item *it, RollbackOffer *ret)
{
	const char *from = kubeadm_from(it), *node, *key;
	g_autofree char *why = restore_problem(it);
	const json_t *set = why ? NULL : newest_snapshot(it, &node, &key);
	*ret = (RollbackOffer){ .tier = TIER_T0 };
	if (!set) {
		ret->how = g_strdup_printf("no T3: %s", why);
		return;
	}
	g_autofree char *at = sl_time_format(json_path_int(set, "at", 0) * SL_USEC_PER_SEC);
	*ret = (RollbackOffer){ .tier = TIER_T3,
		.target = g_strdup(from),
		.how = g_strdup_printf("T3 to %s: etcd's data of %s back; what was written since "
				       "is lost, the API is away for some minutes",
			from, at),
		.expires = g_strdup("the end of this run") };
}

bool kubeadm_offer_t3(Item *it, const json_t *hop, bool after, RollbackOffer *ret)
{
	bool own = strcmp(hop_key(hop), hop_key(kubeadm_hop(it))) == 0;
	*ret = (RollbackOffer){ .tier = TIER_T0 };
	if (!after || !own)
		return false;
	kubeadm_restorable(it, ret);
	if (ret->tier == TIER_T3)
		return true;
	rollback_offer_clear(ret);
	return false;
}

/* ---- texts ---- */

static const json_t *members_of(const Item *it)
{
	return json_object_get(plan_of(it), "members");
}

/* The first of its addresses: etcdutl takes one for each. */
static char *peer_of(const json_t *member)
{
	const char *urls = json_path_str(member, "peerUrls", "");
	return g_strndup(urls, strcspn(urls, ","));
}

char *kubeadm_restore_text(const Item *it, const Machine *m)
{
	g_autoptr(GString) cluster = g_string_new(NULL);
	g_autofree char *key = kubeadm_restore_key(it, m);
	const json_t *own = NULL, *member;
	size_t i;
	json_array_foreach (members_of(it), i, member) {
		g_autofree char *peer = peer_of(member);
		g_string_append_printf(cluster, "%s%s=%s", cluster->len ? "," : "",
			json_path_str(member, "name", ""), peer);
	}
	is_member(plan_of(it), m, &own);
	g_autofree char *peer = peer_of(own);
	g_autoptr(json_t) q = json_pack("{s:s, s:s, s:s, s:s}", "name",
		json_path_str(own, "name", ""), "peerUrl", peer, "initialCluster", cluster->str,
		"token", json_path_str(plan_of(it), "token", ""));
	return etcd_restore_text(key, q);
}

char *kubeadm_restore_clean_text(const Item *it, const Machine *m)
{
	g_autofree char *key = kubeadm_restore_key(it, m);
	return node_backup_remove_text(key);
}

/* ---- the claim, the first thing that is written ---- */

/* The journal outranks what the snapshot says: it is older than our claim at any rate. A claim with
 * a higher epoch than ours was written since by somebody else. */
static bool claim_build(
	Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret)
{
	if (v->json && claim_epoch(v->json) > site_epoch(item_site(it))) {
		item_set_reason(it, "somebody else has claimed the cluster since it was restored");
		return false;
	}
	kubeadm_claim_request(it, key, v, ret);
	return true;
}

const ActRow act_kubeadm_reclaim = {
	.name = "reclaim-kubeadm",
	.effect = EFFECT_BY_VERSION,
	.fact = &fact_object,
	.claim = true,
	.undo = &act_kubeadm_release,
	.build = claim_build,
	.classify = claim_stands,
};

/* ---- the stages ---- */

/* On every node of the control plane, one after the other. False: *ret. */
static bool stage(Item *it, int64_t now, Batch *b, const char *kind, StepResult *ret)
{
	Machine m;
	const json_t *job;
	for (size_t i = 0; kubeadm_machine(it, i, &m) && m.control_plane; i++) {
		if (kubeadm_is_noted(it, &m, kind))
			continue;
		if (kubeadm_command(it, now, b, &m, kind, &job, ret))
			*ret = kubeadm_note(it, now, b, &m, kind);
		return false;
	}
	return true;
}

static bool planned(Item *it, int64_t now, Batch *b, StepResult *ret)
{
	const char *node, *key;
	if (plan_of(it))
		return true;
	g_autofree char *why = restore_problem(it);
	if (why) {
		*ret = step_hold_person(it, "no-snapshot", "T3 is not possible: %s", why);
		return false;
	}
	const json_t *set = newest_snapshot(it, &node, &key);
	g_autofree char *token = g_strdup_printf("shiplock-%s", key);
	batch_memo(b, it, RESTORE,
		json_pack("{s:s, s:s, s:s, s:O, s:I}", "node", node, "key", key, "token", token,
			"members", json_object_get(set, "members"), "at",
			(json_int_t)json_path_int(set, "at", 0)));
	*ret = step_wait(it, now, "the snapshot of %s is chosen", node);
	return false;
}

/* The snapshot of one node on every member, and each node's own manifests: before anything is
 * stopped. False: *ret. */
static bool sets_there(Item *it, int64_t now, Batch *b, StepResult *ret)
{
	Machine m;
	const json_t *keys = json_object_get(item_memo(it), "backupKeys");
	for (size_t i = 0; kubeadm_machine(it, i, &m) && m.control_plane; i++) {
		g_autofree char *key = kubeadm_restore_key(it, &m);
		const char *own = json_string_value(json_object_get(keys, m.name));
		if (kubeadm_is_noted(it, &m, "restore-sets"))
			continue;
		if (!own) {
			*ret = step_hold_person(it, "no-backup",
				"there is no backup set of this hop of %s: its manifests cannot be "
				"put back",
				m.name);
			return false;
		}
		if (kubeadm_set_on(it, now, b, &m, own, ret) &&
			kubeadm_set_on(it, now, b, &m, key, ret))
			*ret = kubeadm_note(it, now, b, &m, "restore-sets");
		return false;
	}
	return true;
}

/* Once: later looks are those of the stages that follow. */
static bool etcd_is_up(Item *it, int64_t now, Batch *b, StepResult *ret)
{
	Machine m, last = { 0 };
	for (size_t i = 0; kubeadm_machine(it, i, &m) && m.control_plane; i++)
		last = m;
	if (kubeadm_is_noted(it, &last, "down-t3-etcd-up"))
		return true;
	if (kubeadm_etcd_stands(
		    it, now, NULL, kubeadm_command_seen_usec(it, &last, "down-t3-etcd"), ret))
		*ret = kubeadm_note(it, now, b, &last, "down-t3-etcd-up");
	return false;
}

/* Who watched goes on from a revision that is no more, some of them after minutes: kubelets begin
 * anew, their pods run on. A worker that cannot be reached does so when it is back by itself. */
static bool refreshed(Item *it, int64_t now, Batch *b, StepResult *ret)
{
	Machine m;
	const json_t *job;
	for (size_t i = 0; kubeadm_machine(it, i, &m); i++) {
		g_autofree char *look = node_key(m.address, KUBEADM_DISCOVER);
		if (kubeadm_is_noted(it, &m, "down-t3-refresh"))
			continue;
		bool away = !m.control_plane &&
			    item_observed_usec(it) > AWAY_SEC * SL_USEC_PER_SEC &&
			    !kubeadm_look(it, &m, 0) && fact_error(it, &fact_node_look, look);
		if (away || kubeadm_command(it, now, b, &m, "down-t3-refresh", &job, ret))
			*ret = kubeadm_note(it, now, b, &m, "down-t3-refresh");
		return false;
	}
	return true;
}

static bool cleaned(Item *it, int64_t now, Batch *b, StepResult *ret)
{
	Machine m;
	const json_t *job;
	for (size_t i = 0; kubeadm_machine(it, i, &m) && m.control_plane; i++) {
		if (is_source(it, &m) || kubeadm_is_noted(it, &m, "down-t3-clean"))
			continue;
		if (kubeadm_command(it, now, b, &m, "down-t3-clean", &job, ret))
			*ret = kubeadm_note(it, now, b, &m, "down-t3-clean");
		return false;
	}
	return true;
}

static bool claimed(Item *it, Batch *b, StepResult *ret)
{
	const Act *a = act_find(it, &act_kubeadm_reclaim, KUBEADM_CLAIM);
	if (a && act_state(a) == ACT_DONE)
		return true;
	*ret = step_act(it, &act_kubeadm_reclaim, KUBEADM_CLAIM, b);
	return false;
}

/* Every part of it runs the version of before, by reads of the restored API. */
static bool is_back(Item *it, int64_t now, StepResult *ret)
{
	Machine m;
	const Act *a = act_find(it, &act_kubeadm_reclaim, KUBEADM_CLAIM);
	int64_t since = act_settled_usec(a);
	const View *pods = kubeadm_list_within(it, now, KUBEADM_SYSTEM_PODS, POLL_SEC, since);
	*ret = step_read(it);
	if (!pods)
		return false;
	for (size_t i = 0; kubeadm_machine(it, i, &m) && m.control_plane; i++) {
		g_autofree char *why =
			kubeadm_pods_behind(pods->json, m.name, kubeadm_from(it), false);
		if (!why)
			continue;
		*ret = since && now > since + SETTLE_SEC * SL_USEC_PER_SEC
			       ? step_hold(it, "control-plane", "restored, but %s", why)
			       : step_wait(it, 0, "%s", why);
		ret->until_usec = now + POLL_SEC * SL_USEC_PER_SEC;
		return false;
	}
	return true;
}

bool kubeadm_goes_blind(Item *it)
{
	Machine second;
	bool alone = !kubeadm_machine(it, 1, &second) || !second.control_plane;
	return alone || kubeadm_restoring(it);
}

bool kubeadm_restoring(const Item *it)
{
	Machine m;
	const Act *a = act_find(it, &act_kubeadm_reclaim, KUBEADM_CLAIM);
	return plan_of(it) && kubeadm_machine(it, 0, &m) &&
	       kubeadm_command_begun(it, &m, "down-t3-stop") && !(a && act_state(a) == ACT_DONE);
}

bool kubeadm_must_end(Item *it)
{
	return kubeadm_restoring(it);
}

static bool restored(const Item *it)
{
	return json_path_bool(plan_of(it), "done", false);
}

/* It may be ordered in the middle of a T2 that does not get on. */
static bool settled(Item *it, int64_t now, Batch *b, StepResult *ret)
{
	*ret = step_done(0);
	if (!plan_of(it))
		*ret = kubeadm_settle(it, now, b);
	return ret->verb == STEP_DONE;
}

static StepResult finish(Item *it, int64_t now, Batch *b)
{
	json_t *plan = json_copy((json_t *)plan_of(it));
	json_object_set_new(plan, "done", json_true());
	batch_memo(b, it, RESTORE, plan);
	return step_wait(
		it, now, "the control plane runs %s on the data of the snapshot", kubeadm_from(it));
}

/* Nothing is stopped before all is there that is needed afterwards. False: *ret. */
static bool prepared(Item *it, int64_t now, Batch *b, StepResult *ret)
{
	if (kubeadm_restoring(it) || act_find(it, &act_kubeadm_reclaim, KUBEADM_CLAIM))
		return true;
	return kubeadm_restore_kubelets(it, now, b, ret) && sets_there(it, now, b, ret) &&
	       kubeadm_inventory(it, now, b, ret);
}

/* Scheduler and controller manager before any API server, which they may not be newer than. */
static bool data_back(Item *it, int64_t now, Batch *b, StepResult *ret)
{
	return stage(it, now, b, "down-t3-stop", ret) && stage(it, now, b, "down-t3-etcd", ret) &&
	       etcd_is_up(it, now, b, ret) && stage(it, now, b, "down-helpers", ret) &&
	       stage(it, now, b, "down-t3-manifests", ret) &&
	       stage(it, now, b, "down-t3-start", ret);
}

static bool begun(Item *it, int64_t now, Batch *b, StepResult *ret)
{
	return kubeadm_turned(it, now, b, ret) && settled(it, now, b, ret) &&
	       planned(it, now, b, ret);
}

static StepResult restore_tick(Item *it, int64_t now, Batch *b)
{
	StepResult r;
	if (restored(it)) {
		item_set_reason(it, "the control plane runs %s on the data of the snapshot",
			kubeadm_from(it));
		return step_done(0);
	}
	if (!begun(it, now, b, &r) || !prepared(it, now, b, &r) || !data_back(it, now, b, &r) ||
		!claimed(it, b, &r) || !refreshed(it, now, b, &r) || !is_back(it, now, &r) ||
		!kubeadm_etcd_stands(it, now, NULL, 0, &r) || !kubeadm_losses(it, now, b, &r) ||
		!cleaned(it, now, b, &r))
		return r;
	return finish(it, now, b);
}

/* ---- kubelets, before the API servers go below them ---- */

/* Nothing answers, so nothing can be drained: the kubelet alone goes back, its pods run on. */
static bool kubelets_undrained(Item *it, int64_t now, Batch *b, StepResult *ret)
{
	Machine m;
	const json_t *job;
	for (size_t i = 0; kubeadm_machine(it, i, &m); i++) {
		if (kubeadm_is_noted(it, &m, "restore-kubelet"))
			continue;
		const json_t *is = kubeadm_look_after(it, now, &m);
		*ret = step_read(it);
		if (!is)
			return false;
		bool ahead = kubeadm_newer(json_path_str(is, "kubelet", ""), kubeadm_from(it));
		if (!ahead || kubeadm_command(it, now, b, &m, "down-kubelet", &job, ret))
			*ret = kubeadm_note(it, now, b, &m, "restore-kubelet");
		return false;
	}
	return true;
}

/* Nothing answers, and on no node does its container run: a read that failed once says less.
 * False: not known yet. */
static bool is_dead(Item *it, int64_t now, bool *ret)
{
	Machine m;
	*ret = !fact(it, &fact_list, KUBEADM_NODES) &&
	       g_error_matches(fact_error(it, &fact_list, KUBEADM_NODES), SL_ERROR, SL_ERR_RETRY);
	for (size_t i = 0; *ret && kubeadm_machine(it, i, &m) && m.control_plane; i++) {
		const json_t *is = kubeadm_look_after(it, now, &m);
		if (!is)
			return false;
		const json_t *server =
			json_object_get(json_object_get(is, "manifests"), "kube-apiserver");
		*ret = !json_is_integer(json_object_get(server, "startedAt"));
	}
	return true;
}

bool kubeadm_restore_kubelets(Item *it, int64_t now, Batch *b, StepResult *ret)
{
	bool dead = false;
	*ret = step_read(it);
	if (!is_dead(it, now, &dead))
		return false;
	if (dead)
		return kubelets_undrained(it, now, b, ret);
	*ret = step_kubelets_back.tick(it, now, b);
	return ret->verb == STEP_DONE;
}

const StepOps step_restore = { "restore", restore_tick };
