/* Backup sets off their nodes: each comes to the controller's state folder before the node is
 * touched, and goes back to the node where it is needed there and gone. They hold keys: only their
 * names, sizes and digests are ever in the journal. */
#include "providers/kubeadm-shelf.h"
#include "base/num.h"
#include "providers/kubeadm-commands.h"
#include "providers/kubeadm-restore.h"
#include "providers/kubeadm-sh.h"
#include <string.h>

enum { MIB = 1 << 20, PUT_MSEC = 30 * 60 * 1000 };

#define SHELVED "shelved" /* memo: {NODE: {"key", "sha256", "file"}} */

const json_t *kubeadm_shelved(const Item *it, const char *node, const char *key)
{
	const json_t *s = json_object_get(json_object_get(item_memo(it), SHELVED), node);
	return s && strcmp(json_path_str(s, "key", ""), key) == 0 ? s : NULL;
}

static const char *key_of(const Item *it, const Machine *m)
{
	const json_t *keys = json_object_get(item_memo(it), "backupKeys");
	return json_string_value(json_object_get(keys, m->name));
}

static const json_t *set_in(const json_t *discovered, const char *key)
{
	size_t i;
	json_t *s;
	json_array_foreach (json_object_get(discovered, "backups"), i, s)
		if (strcmp(json_path_str(s, "key", ""), key) == 0)
			return s;
	return NULL;
}

/* ---- off the node ---- */

/* Those of this hop: they stay, however old. */
static json_t *needed_keys(const Item *it)
{
	json_t *out = json_array(), *k;
	const char *node;
	json_object_foreach (json_object_get((json_t *)item_memo(it), "backupKeys"), node, k)
		if (json_is_string(k))
			json_array_append(out, k);
	return out;
}

static char *fetch_key(const Item *it, const Machine *m, const char *key, const char *sha256)
{
	g_autofree char *path = g_strdup_printf(NODE_BACKUP_DIR "/%s/set.tar", key);
	g_autofree char *file = g_strdup_printf("%s/%s.tar", key, m->name);
	g_autoptr(json_t) q = json_pack("{s:s, s:s, s:s, s:i, s:o}", "path", path, "file", file,
		"sha256", sha256, "keep", (int)KUBEADM_SETS_KEPT, "keepKeys", needed_keys(it));
	g_autofree char *text = json_canonical(q);
	return node_key(m->address, text);
}

/* What the node answered of its set, now or in an earlier run; NULL: *ret says why not. */
static const json_t *set_of(
	Item *it, int64_t now, const Machine *m, const char *key, StepResult *ret)
{
	const json_t *made = json_object_get(json_object_get(item_memo(it), "backups"), m->name);
	if (json_is_object(made))
		return made;
	const json_t *look = kubeadm_look_after(it, now, m);
	*ret = step_read(it);
	if (!look)
		return NULL;
	const json_t *set = set_in(look, key);
	if (!set)
		*ret = step_hold_person(it, "no-backup",
			"the backup set %s is no longer on %s; put it back to " NODE_BACKUP_DIR
			"/%s, then resume",
			key, m->name, key);
	return set;
}

static void note_shelved(Item *it, Batch *b, const Machine *m, const char *key, const char *sha256)
{
	json_t *all = json_copy(json_object_get(item_memo(it), SHELVED));
	g_autofree char *file = g_strdup_printf("%s/%s.tar", key, m->name);
	if (!all)
		all = json_object();
	json_object_set_new(all, m->name,
		json_pack("{s:s, s:s, s:s}", "key", key, "sha256", sha256, "file", file));
	batch_memo(b, it, SHELVED, all);
}

static void say_progress(Item *it, const Machine *m, const json_t *set, const View *v)
{
	int64_t have = v ? json_path_int(v->json, "have", 0) : 0;
	item_set_reason(it, "the backup set of %s comes off the node: %d of %d MiB", m->name,
		(int)(have / MIB), (int)(json_path_int(set, "bytes", have) / MIB));
}

bool kubeadm_shelve(Item *it, int64_t now, Batch *b, const Machine *m, StepResult *ret)
{
	const char *key = key_of(it, m);
	if (!key || kubeadm_shelved(it, m->name, key))
		return true;
	const json_t *set = set_of(it, now, m, key, ret);
	if (!set)
		return false;
	const char *sha256 = json_path_str(set, "sha256", "");
	g_autofree char *fetch = fetch_key(it, m, key, sha256);
	const View *v = fact_peek(it, &fact_node_fetch, fetch);
	if (v && json_path_bool(v->json, "done", false)) {
		note_shelved(it, b, m, key, sha256);
		*ret = step_wait(it, now, "the backup set of %s is off the node", m->name);
		return false;
	}
	say_progress(it, m, set, v);
	/* Each read brings a part, so the next one is due when this one has come. */
	fact_since(it, &fact_node_fetch, fetch,
		v ? fact_sent_usec(it, &fact_node_fetch, fetch) + 1 : 1);
	*ret = step_read(it);
	return false;
}

/* ---- back to a node ---- */

static bool machine_at(const Item *it, const char *key, Machine *ret)
{
	size_t len = strcspn(key, " ");
	for (size_t i = 0; kubeadm_machine(it, i, ret); i++)
		if (strlen(ret->address) == len && strncmp(ret->address, key, len) == 0)
			return true;
	return false;
}

/* KEY of "ADDRESS set KEY". */
static const char *set_key(const char *act_key)
{
	const char *at = strstr(act_key, " " KUBEADM_SET);
	g_assert(at);
	return at + strlen(" " KUBEADM_SET);
}

static bool set_build(
	Item *it, const char *act_key, const Act *undoes, const View *v, ActRequest *ret)
{
	Machine m;
	const char *key = set_key(act_key);
	const json_t *set = machine_at(it, act_key, &m) ? kubeadm_set_for(it, &m, key) : NULL;
	if (!set) {
		item_set_reason(it, "the backup set %s is not in the state folder", key);
		return false;
	}
	g_autofree char *file = target_backup_path(target_of(it), json_path_str(set, "file", ""));
	g_autofree char *path = g_strdup_printf(NODE_BACKUP_DIR "/%s/set.tar", key);
	const char *sha256 = json_path_str(set, "sha256", "");
	ret->method = NODE_METHOD;
	ret->path = g_strdup(act_key);
	ret->body = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:i, s:i}", "op", "put", "path", path,
		"mode", "0600", "file", file ? file : "", "sha256", sha256, "epoch",
		(json_int_t)site_epoch(item_site(it)), "sessionMsec", (int)PUT_MSEC, "commandMsec",
		(int)PUT_MSEC);
	ret->want = json_pack("{s:s, s:s, s:s}", "node", m.name, "set", key, "sha256", sha256);
	return true;
}

static Class set_classify(const json_t *want, const View *v)
{
	const char *is = json_path_str(json_object_get(v->json, "parsed"), "sha256", "");
	return strcmp(is, json_path_str(want, "sha256", "-")) == 0 ? CLASS_DONE : CLASS_ABSENT;
}

const ActRow act_node_set = {
	.name = "node-set",
	.effect = EFFECT_BY_KEY,
	.fact = &fact_node_look,
	.blind = kubeadm_goes_blind,
	.build = set_build,
	.classify = set_classify,
};

bool kubeadm_set_on(
	Item *it, int64_t now, Batch *b, const Machine *m, const char *key, StepResult *ret)
{
	g_autofree char *what = g_strconcat(KUBEADM_SET, key, NULL);
	g_autofree char *act_key = node_key(m->address, what);
	const Act *a = act_find(it, &act_node_set, act_key);
	if (a && act_state(a) == ACT_DONE)
		return true;
	const json_t *kept = kubeadm_set_for(it, m, key);
	const json_t *look = a || kept ? NULL : kubeadm_look_after(it, now, m);
	const View *v = !a && kept ? fact(it, &fact_node_look, act_key) : NULL;
	*ret = step_read(it);
	if (!a && !look && !v)
		return false;
	if ((look && set_in(look, key)) || (v && set_classify(kept, v) == CLASS_DONE))
		return true; /* whole: by its digest, where that is known */
	if (!kept) {
		*ret = step_hold_person(it, "no-backup",
			"the backup set %s is neither on %s nor in the state folder; put it back "
			"to " NODE_BACKUP_DIR "/%s, then resume",
			key, m->name, key);
		return false;
	}
	*ret = step_act(it, &act_node_set, act_key, b);
	return false;
}

/* ---- the look that proves it ---- */

json_t *kubeadm_set_looked(const char *out, GError **err)
{
	static const char head[] = "shiplock-set 1\n";
	const char *at = strstr(out, head);
	if (!at || !strstr(at, "\nend\n")) {
		sl_fail(err, SL_ERR_INVALID, "the node's answer tells of no backup set");
		return NULL;
	}
	at += strlen(head);
	bool is = g_str_has_prefix(at, "sha256 ");
	at += is ? strlen("sha256 ") : 0;
	return json_pack("{s:o}", "sha256",
		is ? json_sprintf("%.*s", (int)strcspn(at, "\n"), at) : json_null());
}
