/* Mending: what a crash left on a node, found in what it says of itself, before a command is begun
 * there, and before and after the ways. The repair is a command like any other; the memo says which
 * is under way: "mend" {"node", "for": what waits for it, "fault", "what", "text", "key": backup
 * set, "n": its number, "open"}. Of /etc/kubernetes/tmp the memo says what is ours: "tmp" {NODE:
 * {"before": entries before a command of ours, "at": the node's clock, "ours": [names]}}. */
#include "objects/version.h"
#include "providers/kubeadm-commands.h"
#include "providers/kubeadm-jobs.h"
#include "providers/kubeadm-node.h"
#include "providers/kubeadm-repair.h"
#include "providers/kubeadm-restore.h"
#include <string.h>

enum { POLL_SEC = 1, MINOR_CHARS = 32 };
#define ROOM_BYTES (INT64_C(1) << 30) /* beside the copy of etcd's data that kubeadm makes */

/* The occasions beside the commands. */
#define AT_START "start"
#define AT_TURN "turn"
#define AT_END "end"

static bool is(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

/* "1.35" of "v1.35.4", in buf; NULL: no version. */
static const char *minor_of(const char *version, char *buf)
{
	Version v;
	if (!version_parse(*version == 'v' ? version + 1 : version, &v))
		return NULL;
	g_snprintf(buf, MINOR_CHARS, "%d.%d", v.major, v.minor);
	return buf;
}

static void set_text(json_t *o, const char *name, const char *value)
{
	if (value && *value)
		json_object_set_new(o, name, json_string(value));
}

/* ---- what was saved of this very state ---- */

/* The versions of the manifests that are there, from the lowest to the highest; "": none. */
static void seen(const json_t *look, const char **ret_low, const char **ret_high)
{
	static const char *const components[] = { "kube-apiserver", "kube-controller-manager",
		"kube-scheduler" };
	*ret_low = *ret_high = "";
	for (size_t i = 0; i < G_N_ELEMENTS(components); i++) {
		const char *v = kubeadm_image_version(look, components[i]);
		if (*v && (!**ret_low || version_compare_text(v, *ret_low) < 0))
			*ret_low = v;
		if (*v && (!**ret_high || version_compare_text(v, *ret_high) > 0))
			*ret_high = v;
	}
}

/* The newest set whose key begins so; NULL: none. Caller frees. */
static char *set_of(const json_t *look, const char *prefix)
{
	const json_t *best = NULL, *s;
	size_t i;
	json_array_foreach (json_object_get(look, "backups"), i, s)
		if (g_str_has_prefix(json_path_str(s, "key", ""), prefix) &&
			(!best || json_path_int(s, "at", 0) > json_path_int(best, "at", 0)))
			best = s;
	return best ? g_strdup(json_path_str(best, "key", "")) : NULL;
}

char *kubeadm_set_to_mend(const json_t *look, const char *fault)
{
	const char *low, *high, *kubelet = json_path_str(look, "kubelet", "");
	char minor[MINOR_CHARS];
	seen(look, &low, &high);
	g_autofree char *both = g_strdup_printf("%s-to-%s-", low, high);
	g_autofree char *one = g_strdup_printf("%s-to-", low);
	if (is(fault, node_fault_name(NODE_FAULT_CERTIFICATE_NEWER)) ||
		is(fault, node_fault_name(NODE_FAULT_TMP_FULL)) ||
		is(fault, node_fault_name(NODE_FAULT_HALF_INSTALLED)))
		return g_strdup("");
	if (is(fault, node_fault_name(NODE_FAULT_MIXED_COMPONENTS)))
		return set_of(look, both);
	if (is(fault, node_fault_name(NODE_FAULT_MANIFEST_MISSING)))
		return *low ? set_of(look, kubeadm_same(low, high) ? one : both) : NULL;
	if (!is(fault, node_fault_name(NODE_FAULT_KUBELET_CONFIG)) || !minor_of(kubelet, minor))
		return NULL; /* taken out by a restore of etcd: that is no crash's remains */
	g_autofree char *of_minor = g_strdup_printf("%s.", minor);
	return set_of(look, of_minor);
}

/* ---- what a machine should look like ---- */

/* External etcd has no manifest, with its data elsewhere. */
static bool is_stacked(const json_t *look)
{
	return json_path_int(look, "dataBytes", 0) > 0 ||
	       json_object_get(json_object_get(look, "manifests"), "etcd");
}

/* The kubelet's configuration is that of the kubelet there. Between the control plane and the
 * kubelets of a hop it is not, so it is asked only where both are of one minor. */
static void want_config(json_t *wanted, const Machine *m, const json_t *look, const char *set)
{
	char kubelet[MINOR_CHARS], server[MINOR_CHARS], saved[MINOR_CHARS];
	const char *of = minor_of(json_path_str(look, "kubelet", ""), kubelet);
	const char *api = minor_of(kubeadm_image_version(look, "kube-apiserver"), server);
	if (!of || (m->control_plane && g_strcmp0(of, api) != 0))
		return;
	set_text(wanted, "kubeletMinor", of);
	g_autofree char *from = set ? g_strndup(set, strcspn(set, "-")) : NULL;
	set_text(wanted, "backupMinor", from ? minor_of(from, saved) : NULL);
}

json_t *kubeadm_wanted(const Machine *m, const json_t *look)
{
	g_autofree char *set =
		kubeadm_set_to_mend(look, node_fault_name(NODE_FAULT_KUBELET_CONFIG));
	json_t *wanted = json_pack("{s:b, s:b}", "controlPlane", (int)m->control_plane,
		"stackedEtcd", m->control_plane && is_stacked(look));
	want_config(wanted, m, look, set);
	return wanted;
}

static const json_t *tmp_of(const Item *it, const Machine *m)
{
	return json_object_get(json_object_get(item_memo(it), "tmp"), m->name);
}

/* Before a command of this kind, or on one of the occasions. New reference. */
static json_t *wanted_for(const Item *it, const Machine *m, const json_t *look, const char *kind)
{
	bool down = g_str_has_prefix(kind, "down-"), up = g_str_has_prefix(kind, "up-");
	bool end = is(kind, AT_END), start = is(kind, AT_START);
	json_t *wanted = start || end
				 ? kubeadm_wanted(m, look)
				 : json_pack("{s:b, s:b}", "controlPlane", (int)m->control_plane,
					   "stackedEtcd", m->control_plane && is_stacked(look));
	char minor[MINOR_CHARS];
	if (up)
		set_text(wanted, "version", kubeadm_to(it));
	if (is(kind, "up-kubelet"))
		set_text(wanted, "kubeletMinor", minor_of(kubeadm_to(it), minor));
	if (end || is(kind, "down-control-plane") || is(kind, "down-manifests"))
		set_text(wanted, "version", kubeadm_from(it));
	else if (!up && !start)
		json_object_set_new(wanted, "mixed", json_false());
	json_object_set_new(wanted, "helpersFirst", json_boolean(down));
	json_object_set_new(wanted, "stopped", json_boolean(kubeadm_restoring(it)));
	json_object_set(wanted, "tmpOurs", json_object_get(tmp_of(it, m), "ours"));
	json_object_set_new(wanted, "minFreeBytes",
		json_integer(ROOM_BYTES + json_path_int(look, "dataBytes", 0)));
	return wanted;
}

/* Half installed is mended by the command that is begun again; outside of one by its text. */
static bool has_repair(const json_t *f, const char *kind)
{
	bool half = is(json_path_str(f, "fault", ""), node_fault_name(NODE_FAULT_HALF_INSTALLED));
	bool outside = is(kind, AT_START) || is(kind, AT_TURN) || is(kind, AT_END);
	return is(json_path_str(f, "repair", ""), "text") || (half && outside);
}

/* The first fault that a text of ours mends; NULL: none. New reference. */
static json_t *fault_of(const Item *it, const Machine *m, const json_t *look, const char *kind)
{
	g_autoptr(json_t) wanted = wanted_for(it, m, look, kind);
	g_autoptr(json_t) faults = node_faults(look, wanted);
	size_t i;
	json_t *f;
	json_array_foreach (faults, i, f)
		if (has_repair(f, kind))
			return json_incref(f);
	return NULL;
}

/* ---- the repair ---- */

char *kubeadm_mend_text(const Item *it, const Machine *m)
{
	const json_t *found = json_object_get(item_memo(it), "mend");
	const char *fault = json_path_str(found, "fault", ""),
		   *what = json_path_str(found, "what", "");
	g_autofree char *text = node_repair_text(fault, what, json_path_str(found, "key", ""),
		json_object_get(tmp_of(it, m), "ours"));
	if (!text)
		return g_strdup("echo 'nothing is known that mends it' >&2; exit 1\n");
	bool config = is(fault, node_fault_name(NODE_FAULT_KUBELET_CONFIG));
	g_autofree char *restart = config ? kubelet_restart_text() : g_strdup("");
	return g_strdup_printf("# %s %s\n(\n%s\n) || exit\n%s", fault, what, text, restart);
}

/* It was found and mended already before this same attempt. */
static bool is_same_fault(const json_t *mend, const Machine *m, const json_t *f, const char *next)
{
	return is(json_path_str(mend, "node", ""), m->name) &&
	       is(json_path_str(mend, "for", ""), next) &&
	       is(json_path_str(mend, "fault", ""), json_path_str(f, "fault", "-")) &&
	       is(json_path_str(mend, "what", ""), json_path_str(f, "what", "-"));
}

/* The repair that the memo names, to its end, well or not: the next look decides. */
static StepResult mend(Item *it, int64_t now, Batch *b, const Machine *m, const json_t *found)
{
	int n = (int)json_path_int(found, "n", 1);
	g_autofree char *key = kubeadm_command_key(it, m, "mend", n);
	const Act *a = act_find(it, &act_node_command, key);
	StepResult other;
	if (!a || act_state(a) != ACT_DONE)
		return kubeadm_is_itself(it, now, b, m, &other)
			       ? step_act(it, &act_node_command, key, b)
			       : other;
	const View *v = kubeadm_command_look(it, key);
	if (!v)
		return step_read(it);
	if (is(json_path_str(v->json, "state", ""), "running"))
		return step_wait(it, now + POLL_SEC * SL_USEC_PER_SEC, "%s: %s is mended", m->name,
			json_path_str(found, "fault", "?"));
	json_t *over = json_copy((json_t *)found);
	json_object_set_new(over, "open", json_false());
	json_object_set_new(over, "ok", json_boolean(json_path_bool(v->json, "ok", false)));
	batch_memo(b, it, "mend", over);
	return step_wait(it, now, "%s on %s is mended", json_path_str(found, "what", "?"), m->name);
}

static StepResult begin(Item *it, int64_t now, Batch *b, const Machine *m, const json_t *f,
	const char *key, const char *next)
{
	const json_t *memo = json_object_get(item_memo(it), "mend");
	batch_memo(b, it, "mend",
		json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:b}", "node", m->name, "for", next,
			"fault", json_path_str(f, "fault", ""), "what",
			json_path_str(f, "what", ""), "text", json_path_str(f, "text", ""), "key",
			key, "n", (json_int_t)json_path_int(memo, "n", 0) + 1, "open", 1));
	return step_wait(it, now, "%s: %s", m->name, json_path_str(f, "text", "a fault was found"));
}

static const json_t *open_mend(const Item *it, const Machine *m)
{
	const json_t *memo = json_object_get(item_memo(it), "mend");
	bool ours = is(json_path_str(memo, "node", ""), m->name);
	return ours && json_path_bool(memo, "open", false) ? memo : NULL;
}

/* ---- what kubeadm leaves in /etc/kubernetes/tmp ---- */

static bool makes_tmp(const char *kind)
{
	return is(kind, "up-control-plane") || is(kind, "down-control-plane");
}

static void add_names(json_t *to, const json_t *names)
{
	size_t i, k;
	json_t *n, *old;
	json_array_foreach (names, i, n) {
		bool known = false;
		json_array_foreach (to, k, old)
			known = known || json_equal(old, n);
		if (!known)
			json_array_append(to, n);
	}
}

/* Before this attempt: what lies there, and what earlier ones of ours left. False: *ret. */
static bool tmp_noted(Item *it, int64_t now, Batch *b, const Machine *m, const json_t *look,
	const char *next, StepResult *ret)
{
	const json_t *was = tmp_of(it, m), *here = json_object_get(look, "kubeadmTmp");
	if (is(json_path_str(was, "for", ""), next))
		return true;
	int64_t at = json_path_int(look, "clockUsec", 0) / SL_USEC_PER_SEC;
	json_t *ours = json_deep_copy(json_object_get(was, "ours"));
	g_autoptr(json_t) newer = was ? node_tmp_ours(json_object_get(was, "before"), here,
						json_path_int(was, "at", 0), at)
				      : NULL;
	if (!ours)
		ours = json_array();
	add_names(ours, newer);
	json_t *all = json_copy(json_object_get(item_memo(it), "tmp"));
	if (!all)
		all = json_object();
	json_object_set_new(all, m->name,
		json_pack("{s:s, s:O, s:I, s:o}", "for", next, "before", here, "at", (json_int_t)at,
			"ours", ours));
	batch_memo(b, it, "tmp", all);
	*ret = step_wait(it, now, "what lies in /etc/kubernetes/tmp of %s is noted", m->name);
	return false;
}

/* What the first of two hops saved is of other binaries than those of the second. */
static const char *noted_set(const Item *it, const Machine *m)
{
	return json_object_get(kubeadm_hop(it), "raise") ? NULL : kubeadm_key_on(it, m);
}

static char *any_set(const Item *it, const json_t *look, const json_t *fault)
{
	return json_object_get(kubeadm_hop(it), "raise")
		       ? kubeadm_set_to_mend(look, json_path_str(fault, "fault", ""))
		       : kubeadm_backup_of(kubeadm_hop(it), look);
}

/* True: what waits under next may begin. False: *ret. */
static bool mended(Item *it, int64_t now, Batch *b, const Machine *m, const char *kind,
	const char *next, StepResult *ret)
{
	const json_t *memo = json_object_get(item_memo(it), "mend"), *open = open_mend(it, m);
	const json_t *look = open ? NULL : kubeadm_look_after(it, now, m);
	*ret = open ? mend(it, now, b, m, open) : step_read(it);
	if (!look || (makes_tmp(kind) && !tmp_noted(it, now, b, m, look, next, ret)))
		return false;
	g_autoptr(json_t) f = fault_of(it, m, look, kind);
	if (!f || is_same_fault(memo, m, f, next))
		return true;
	const char *noted = noted_set(it, m);
	g_autofree char *found = noted ? NULL : any_set(it, look, f);
	*ret = begin(it, now, b, m, f, noted ? noted : found ? found : "", next);
	return false;
}

bool kubeadm_mended(
	Item *it, int64_t now, Batch *b, const Machine *m, const char *kind, StepResult *ret)
{
	g_autofree char *first = kubeadm_command_key(it, m, kind, 1);
	return kubeadm_command_begun(it, m, kind) || mended(it, now, b, m, kind, first, ret);
}

StepResult kubeadm_mend_and_begin(
	Item *it, int64_t now, Batch *b, const Machine *m, const char *kind, const char *next)
{
	StepResult r;
	return mended(it, now, b, m, kind, next, &r) && kubeadm_is_itself(it, now, b, m, &r)
		       ? step_act(it, &act_node_command, next, b)
		       : r;
}

/* ---- before and after the ways ---- */

static StepResult unmended(Item *it, Batch *b, const Machine *m, const json_t *f, const char *why)
{
	g_autofree char *text = g_strdup_printf(
		"%s: %s; %s", m->name, json_path_str(f, "text", "a fault was found"), why);
	g_autofree char *asked = g_strdup_printf("%s %s", m->name, json_path_str(f, "fault", ""));
	StepResult r;
	if (!kubeadm_asked(it, b, asked, text, &r))
		return r;
	batch_memo(b, it, "mend",
		json_pack("{s:I}", "n",
			(json_int_t)json_path_int(json_object_get(item_memo(it), "mend"), "n", 0)));
	return step_wait(it, 0, "%s is looked at again", m->name);
}

static StepResult repaired(Item *it, int64_t now, Batch *b, const Machine *m, const json_t *look,
	const json_t *f, const char *when)
{
	const json_t *memo = json_object_get(item_memo(it), "mend");
	StepResult r;
	if (is_same_fault(memo, m, f, when))
		return unmended(it, b, m, f,
			json_path_bool(memo, "ok", false)
				? "its repair ran and did not mend it: mend it by hand"
				: "its repair failed: mend it by hand");
	const char *noted = is(when, AT_START) ? NULL : noted_set(it, m);
	g_autofree char *key =
		noted ? g_strdup(noted) : kubeadm_set_to_mend(look, json_path_str(f, "fault", ""));
	if (!key)
		return unmended(it, b, m, f, "no backup set fits: mend it by hand");
	/* The one repair that restarts a member which runs. */
	bool member =
		is(json_path_str(f, "what", ""), "etcd") &&
		is(json_path_str(f, "fault", ""), node_fault_name(NODE_FAULT_CERTIFICATE_NEWER));
	if (member && !kubeadm_quorum_stands(it, now, m, &r))
		return r;
	return begin(it, now, b, m, f, key, when);
}

/* A command outlives who began it: of whom took over, it is waited for. False: *ret. */
static bool is_left_alone(
	Item *it, int64_t now, const Machine *m, const json_t *look, StepResult *ret)
{
	const char *foreign = kubeadm_foreign_job(it, look);
	if (!foreign)
		return true;
	if (kubeadm_look_within(it, m, POLL_SEC))
		*ret = step_wait(it, now + POLL_SEC * SL_USEC_PER_SEC,
			"%s: command %s of another controller comes to its end first", m->name,
			foreign);
	else
		*ret = step_read(it);
	return false;
}

static StepResult whole(Item *it, int64_t now, Batch *b, const Machine *m, const char *when)
{
	const json_t *memo = json_object_get(item_memo(it), "mend"), *open = open_mend(it, m);
	StepResult r;
	if (open)
		return mend(it, now, b, m, open);
	/* Before the first command of ours that of preflight will do. */
	bool untouched = is(when, AT_START) && !is(json_path_str(memo, "node", ""), m->name);
	const json_t *look = untouched ? kubeadm_look(it, m, 0) : kubeadm_look_after(it, now, m);
	if (!look)
		return step_read(it);
	if (!is_left_alone(it, now, m, look, &r))
		return r;
	g_autoptr(json_t) f = fault_of(it, m, look, when);
	return f ? repaired(it, now, b, m, look, f, when) : kubeadm_note(it, now, b, m, when);
}

/* A worker that is away is no bar to a way back that does not touch it. */
static StepResult all_whole(Item *it, int64_t now, Batch *b, const char *when, bool workers)
{
	Machine m;
	for (size_t i = 0; kubeadm_machine(it, i, &m); i++)
		if ((workers || m.control_plane) && !kubeadm_is_noted(it, &m, when))
			return whole(it, now, b, &m, when);
	return step_done(0);
}

static StepResult mend_tick(Item *it, int64_t now, Batch *b)
{
	StepResult r;
	bool ours = kubeadm_fenced(it, now, b, true, &r) && kubeadm_marks_lifted(it, now, b, &r);
	return ours ? all_whole(it, now, b, AT_START, true) : r;
}

static StepResult mend_back_tick(Item *it, int64_t now, Batch *b)
{
	StepResult r;
	bool begun = kubeadm_fenced(it, now, b, false, &r) && kubeadm_turned(it, now, b, &r) &&
		     kubeadm_marks_lifted(it, now, b, &r);
	return begun ? all_whole(it, now, b, AT_TURN, false) : r;
}

static StepResult mend_end_tick(Item *it, int64_t now, Batch *b)
{
	return all_whole(it, now, b, AT_END, false);
}

const StepOps step_mend = { "mend", mend_tick };
const StepOps step_mend_back = { "mend-back", mend_back_tick };
const StepOps step_mend_end = { "mend-end", mend_end_tick };
