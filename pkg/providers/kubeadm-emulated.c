/* The feature level by itself: raised on the way up, and brought back (T1). On each control-plane
 * node in turn a command edits the three manifests and waits for their containers. */
#include "base/num.h"
#include "objects/version.h"
#include "providers/kubeadm-jobs.h"
#include "providers/kubeadm-level.h"
#include "providers/preflight.h"
#include <string.h>

enum { POLL_SEC = 2, SETTLE_SEC = 300, LEVELS_MAX = 3 /* that a server can go below its own */ };

/* level NULL: that of the binaries. */
typedef struct Change {
	const char *kind, *level;
} Change;

int64_t kubeadm_waited_usec(Item *it, Batch *b, const Machine *m, const char *kind)
{
	g_autofree char *what =
		g_strdup_printf("%s %s %s", m->name, hop_key(kubeadm_hop(it)), kind);
	const json_t *memo = json_object_get(item_memo(it), "waited");
	int64_t now = item_observed_usec(it), at = json_path_int(memo, "observedUsec", 0);
	if (strcmp(json_path_str(memo, "for", ""), what) == 0 && at <= now)
		return now - at;
	batch_memo(b, it, "waited",
		json_pack("{s:s, s:I}", "for", what, "observedUsec", (json_int_t)now));
	return 0;
}

static StepResult behind(Item *it, int64_t now, Batch *b, int64_t since, const Machine *m,
	const Change *c, const char *why)
{
	StepResult r;
	int64_t waited = since ? now - since : kubeadm_waited_usec(it, b, m, c->kind);
	if (waited > SETTLE_SEC * SL_USEC_PER_SEC)
		r = step_hold(it, "control-plane", "%s: the feature level is %s, but %s", m->name,
			c->level ? c->level : "raised", why);
	else
		r = step_wait(it, 0, "%s: %s", m->name, why);
	r.until_usec = now + POLL_SEC * SL_USEC_PER_SEC;
	return r;
}

/* The pods of this machine are Ready and stand at the level, by reads after the command. */
static bool proven(Item *it, int64_t now, Batch *b, const Machine *m, const Change *c,
	int64_t since, StepResult *ret)
{
	const View *pods = kubeadm_list_within(it, now, KUBEADM_SYSTEM_PODS, POLL_SEC, since);
	*ret = step_read(it);
	if (!pods)
		return false;
	g_autofree char *why = kubeadm_pods_behind(pods->json, m->name, kubeadm_to(it), false);
	if (!why)
		why = kubeadm_pods_level(pods->json, m->name, c->level);
	if (!why)
		return true;
	*ret = behind(it, now, b, since, m, c, why);
	return false;
}

/* Up: the window is asked, and the pivot is stored with the intent. False: *ret. */
static bool may_begin(Item *it, Batch *b, StepResult *ret)
{
	const Target *t = target_of(it);
	if (item_pivot_crossed(it, "rollback") || hop_crossed(it, "control-plane"))
		return true;
	if (t->may_order && !t->may_order(it, ret))
		return false;
	hop_cross(b, it, "control-plane");
	return true;
}

/* True: this machine stands at the level. False: *ret. */
static bool changed(
	Item *it, int64_t now, Batch *b, const Machine *m, const Change *c, StepResult *ret)
{
	const json_t *job;
	bool begun = kubeadm_command_begun(it, m, c->kind);
	if (!begun) {
		const json_t *look = kubeadm_look_after(it, now, m);
		*ret = step_read(it);
		if (!look)
			return false;
		if (kubeadm_look_at_level(look, c->level))
			return proven(it, now, b, m, c, 0, ret);
		if (!kubeadm_is_itself(it, now, b, m, ret) || !may_begin(it, b, ret))
			return false;
	}
	if (!kubeadm_command(it, now, b, m, c->kind, &job, ret))
		return false;
	int64_t since = kubeadm_command_seen_usec(it, m, c->kind);
	const json_t *look = kubeadm_look(it, m, since);
	*ret = step_read(it);
	if (!look)
		return false;
	if (!kubeadm_look_at_level(look, c->level)) {
		*ret = behind(it, now, b, since, m, c, "the manifests on the node do not say so");
		return false;
	}
	return proven(it, now, b, m, c, since, ret);
}

/* Every machine of the control plane, one after the other. True: all are there. */
static bool all_changed(Item *it, int64_t now, Batch *b, const Change *c, StepResult *ret)
{
	Machine m;
	for (size_t i = 0; kubeadm_machine(it, i, &m) && m.control_plane; i++) {
		if (kubeadm_is_noted(it, &m, c->kind))
			continue;
		if (changed(it, now, b, &m, c, ret))
			*ret = kubeadm_note(it, now, b, &m, c->kind);
		return false;
	}
	return true;
}

static StepResult raise_tick(Item *it, int64_t now, Batch *b)
{
	char own[KUBEADM_LEVEL_BYTES];
	StepResult r;
	if (!kubeadm_raises(kubeadm_hop(it)))
		return step_done(0);
	if (!all_changed(it, now, b, &(Change){ "up-raise", NULL }, &r))
		return r;
	item_set_reason(it, "the control plane stands at feature level %s",
		kubeadm_minor(kubeadm_to(it), own));
	if (hop_crossed(it, "control-plane"))
		return step_done(0);
	hop_cross(b, it, "control-plane"); /* by an earlier run: there is something to take back */
	return step_wait(it, now, "%s", item_reason(it));
}

static StepResult level_back_tick(Item *it, int64_t now, Batch *b)
{
	char level[KUBEADM_LEVEL_BYTES];
	StepResult r;
	kubeadm_level_before(kubeadm_hop(it), level);
	if (!all_changed(it, now, b, &(Change){ "down-level", level }, &r))
		return r;
	item_set_reason(it, "the control plane stands at feature level %s again", level);
	return step_done(0);
}

const StepOps step_raise = { "raise", raise_tick };
const StepOps step_level_back = { "level-back", level_back_tick };

/* ---- T1: is it open? ---- */

/* Can a server of this hop be asked for the level before it at all? */
static bool binaries_can(const json_t *hop, const char *level)
{
	Version l, to;
	if (kubeadm_emulated(hop) || !version_parse(json_path_str(hop, "to", ""), &to) ||
		!version_parse_minor(level, &l))
		return false;
	int below = version_minor_distance(&l, &to);
	return below >= 1 && below <= LEVELS_MAX && l.minor >= 31;
}

/* A server does not start at a level below the one that --min-compatibility-version gives. */
static bool is_compatible(const json_t *look, const char *level)
{
	const char *least = json_path_str(look, "manifests.kube-apiserver.minCompat", NULL);
	char minor[KUBEADM_LEVEL_BYTES];
	return !least || !kubeadm_above(kubeadm_minor(least, minor), level);
}

typedef enum { CAN_NOT, CAN, CAN_UNREAD } Can;

/* All run the new binaries: one that is behind would stand between two versions. */
static Can binaries_run(Item *it, const json_t *hop)
{
	const char *to = json_path_str(hop, "to", "");
	const View *pods = fact(it, &fact_list, KUBEADM_SYSTEM_PODS);
	Servers s;
	if (!pods)
		return CAN_UNREAD;
	kubeadm_servers(pods->json, &s);
	return kubeadm_same(s.low, to) && kubeadm_same(s.high, to) ? CAN : CAN_NOT;
}

/* Every machine of the control plane can be looked at, and its server would start. */
static Can servers_can(
	Item *it, const json_t *machines, const json_t *hop, bool after, const char *level)
{
	Can all = after ? binaries_run(it, hop) : CAN;
	size_t i;
	json_t *o;
	json_array_foreach (machines, i, o) {
		Machine m = { json_path_str(o, "name", ""), json_path_str(o, "address", ""),
			json_path_bool(o, "controlPlane", false) };
		g_autofree char *key = node_key(m.address, KUBEADM_DISCOVER);
		if (!m.control_plane || all == CAN_NOT)
			continue;
		const json_t *look = kubeadm_look(it, &m, 0);
		bool lasts = !look && kubeadm_lasting(it, fact_error(it, &fact_node_look, key));
		if (lasts || (look && !is_compatible(look, level)))
			return CAN_NOT;
		if (!look)
			all = CAN_UNREAD;
	}
	return all;
}

/* Kubelets above the level go back first: what they ran before must be at hand for them. */
static Can kubelets_can(
	Item *it, const json_t *machines, const json_t *nodes, const json_t *hop, const char *level)
{
	Can all = CAN;
	size_t i;
	json_t *m;
	json_array_foreach (machines, i, m) {
		const char *is = kubeadm_kubelet_of(nodes, json_path_str(m, "name", ""));
		const char *from = json_path_str(hop, "from", "");
		g_autofree char *what = g_strdup_printf(KUBEADM_TRY "%s", from);
		g_autofree char *key = node_key(json_path_str(m, "address", ""), what);
		if (!kubeadm_above(is, level))
			continue;
		if (!kubeadm_raises(hop) || kubeadm_above(from, level))
			return CAN_NOT;
		const View *v = fact(it, &fact_node_try, key);
		if (v ? !json_path_bool(v->json, "ok", false)
		      : kubeadm_lasting(it, fact_error(it, &fact_node_try, key)) != NULL)
			return CAN_NOT;
		if (!v)
			all = CAN_UNREAD;
	}
	return all;
}

static void offer(const json_t *hop, const char *level, RollbackOffer *ret)
{
	const char *to = json_path_str(hop, "to", "");
	*ret = (RollbackOffer){ .tier = TIER_T1,
		.target = g_strdup_printf("%s at feature level %s", to, level),
		.how = g_strdup_printf(
			"T1 to %s at feature level %s (--emulated-version, a minute or two for "
			"each control-plane node; nothing stored is lost, what only a newer level "
			"serves is hidden until it is raised again; vendor: supported)",
			to, level),
		.expires = g_strdup("the next hop") };
}

bool kubeadm_offer_t1(Item *it, const json_t *hop, bool after, RollbackOffer *ret)
{
	char level[KUBEADM_LEVEL_BYTES];
	kubeadm_level_before(hop, level);
	const View *nodes = fact(it, &fact_list, KUBEADM_NODES);
	*ret = (RollbackOffer){ .tier = TIER_T0 };
	if (!binaries_can(hop, level))
		return false;
	if (!nodes)
		return true;
	g_autoptr(json_t) machines = kubeadm_machines(nodes->json);
	Can servers = servers_can(it, machines, hop, after, level);
	Can kubelets = kubelets_can(it, machines, nodes->json, hop, level);
	if (servers == CAN_NOT || kubelets == CAN_NOT)
		return false;
	if (servers == CAN && kubelets == CAN)
		offer(hop, level, ret);
	return true;
}
