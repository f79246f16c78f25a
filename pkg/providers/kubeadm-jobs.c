/* Commands on nodes: which there are, and how one is driven to its end. A command is begun once
 * under a key of this journal and item; what became of it the node tells for ever after, so a crash
 * of ours changes nothing. A command that failed is begun again under the next number: every text
 * may be run twice. */
#include "providers/kubeadm-jobs.h"
#include "base/num.h"
#include "providers/kubeadm-commands.h"
#include "providers/kubeadm-level.h"
#include "providers/kubeadm-moves.h"
#include "providers/kubeadm-restore.h"
#include "providers/kubeadm-sh.h"
#include "providers/kubeadm-shelf.h"
#include "providers/kubeadm-software.h"
#include <string.h>

enum {
	LOOK_SEC = 10,
	POLL_MIN_SEC = 1,
	POLL_MAX_SEC = 2,
	FAILURES_MAX = 3, /* then somebody is asked, or it is a verdict */
	BACKOFF_SEC = 15,
	TAIL_CHARS = 300,
	STATE_ID_CHARS = 8,
	KEEP_BYTES = 256 << 10,
};

typedef struct Command {
	const char *kind;
	const char *what; /* for people */
	int limit_sec; /* longer is said, or ends it where it may be killed */
	bool killable; /* nothing that changes a node ever is */
	char *(*text)(const Item *it, const Machine *m);
} Command;

static const json_t *access_of(const Item *it)
{
	return json_object_get(target_spec(target_of(it)), "nodeAccess");
}

/* ---- texts ---- */

static void then(GString *s, char *text)
{
	g_autofree char *owned = text;
	g_string_append_printf(s, "(\n%s\n) || exit\n", text);
}

static char *install(const Item *it, const char *version, unsigned what)
{
	const json_t *software = json_object_get(access_of(it), "software");
	const SoftwareOps *ops = software_find(json_path_str(software, "method", ""));
	return ops ? ops->install(software, version, what)
		   : g_strdup("echo 'nodeAccess.software is missing' >&2; exit 1\n");
}

static json_t *kubeadm_options(const Item *it, const Machine *m, const char *version)
{
	json_t *o = json_object_get(access_of(it), "kubeadm");
	const char *level = kubeadm_emulated(kubeadm_hop(it));
	o = o ? json_copy(o) : json_object();
	json_object_set_new(o, "version", json_string(version));
	/* Each time anew: kubeadm writes the manifests without it otherwise. */
	if (level && m->control_plane && kubeadm_same(version, kubeadm_to(it)))
		json_object_set_new(o, "emulated", json_string(level));
	return o;
}

static char *upgrade(const Item *it, const Machine *m, const char *version)
{
	g_autoptr(json_t) options = kubeadm_options(it, m, version);
	return m->control_plane && kubeadm_first(it, m) ? kubeadm_apply_text(version, options)
							: kubeadm_node_text(options);
}

const char *kubeadm_key_on(const Item *it, const Machine *m)
{
	const json_t *keys = json_object_get(item_memo(it), "backupKeys");
	return json_string_value(json_object_get(keys, m->name));
}

static char *text_backup(const Item *it, const Machine *m)
{
	GString *s = g_string_new(NULL);
	g_autofree char *key = kubeadm_backup_key(it);
	then(s, node_backup_text(key, NODE_BACKUP_DIR));
	then(s, node_backup_prune_text(key, KUBEADM_SETS_KEPT));
	return g_string_free(s, FALSE);
}

static char *text_control_plane(const Item *it, const Machine *m)
{
	GString *s = g_string_new(NULL);
	then(s, install(it, kubeadm_to(it), SOFTWARE_KUBEADM));
	then(s, upgrade(it, m, kubeadm_to(it)));
	return g_string_free(s, FALSE);
}

static char *text_kubelet(const Item *it, const Machine *m)
{
	GString *s = g_string_new(NULL);
	if (!m->control_plane) {
		then(s, text_backup(it, m));
		then(s, install(it, kubeadm_to(it), SOFTWARE_KUBEADM));
		then(s, upgrade(it, m, kubeadm_to(it)));
	}
	then(s, install(it, kubeadm_to(it), SOFTWARE_KUBELET));
	then(s, kubelet_restart_text());
	return g_string_free(s, FALSE);
}

static char *text_kubelet_back(const Item *it, const Machine *m)
{
	GString *s = g_string_new(NULL);
	unsigned kubeadm = m->control_plane ? 0 : SOFTWARE_KUBEADM;
	then(s, install(it, kubeadm_from(it), SOFTWARE_KUBELET | kubeadm));
	if (kubeadm_key_on(it, m))
		then(s, kubelet_config_restore_text(kubeadm_key_on(it, m)));
	then(s, kubelet_restart_text());
	return g_string_free(s, FALSE);
}

static char *text_helpers_back(const Item *it, const Machine *m)
{
	GString *s = g_string_new(NULL);
	const char *key = kubeadm_key_on(it, m);
	then(s, manifest_swap_text("kube-scheduler", key ? key : ""));
	then(s, manifest_swap_text("kube-controller-manager", key ? key : ""));
	return g_string_free(s, FALSE);
}

static char *text_control_plane_back(const Item *it, const Machine *m)
{
	GString *s = g_string_new(NULL);
	then(s, install(it, kubeadm_from(it), SOFTWARE_KUBEADM));
	then(s, upgrade(it, m, kubeadm_from(it)));
	return g_string_free(s, FALSE);
}

static char *text_manifests_back(const Item *it, const Machine *m)
{
	const char *key = kubeadm_key_on(it, m);
	return manifests_restore_text(key ? key : "");
}

static char *text_raise(const Item *it, const Machine *m)
{
	return emulated_version_text(NULL);
}

static char *text_level_back(const Item *it, const Machine *m)
{
	char level[KUBEADM_LEVEL_BYTES];
	return emulated_version_text(kubeadm_level_before(kubeadm_hop(it), level));
}

static char *text_stop(const Item *it, const Machine *m)
{
	return apiserver_stop_text();
}

static char *text_refresh(const Item *it, const Machine *m)
{
	return kubelet_restart_text();
}

static char *text_start(const Item *it, const Machine *m)
{
	return apiserver_start_text();
}

/* The older kubeadm where it can be had: without it the manifests serve as well. */
static char *text_restore_manifests(const Item *it, const Machine *m)
{
	GString *s = g_string_new(NULL);
	g_autofree char *kubeadm = install(it, kubeadm_from(it), SOFTWARE_KUBEADM);
	g_string_append_printf(s, "(\n%s\n) || echo 'kubeadm of %s cannot be had here' >&2\n",
		kubeadm, kubeadm_from(it));
	then(s, text_manifests_back(it, m));
	return g_string_free(s, FALSE);
}

/* It is the guard that acts: from now on it refuses every lower epoch. */
static char *text_fence(const Item *it, const Machine *m)
{
	return g_strdup("echo 'controllers with a lower epoch are refused here'\n");
}

static const Command commands[] = {
	{ "fence", "the fence", 60, true, text_fence },
	{ "mend", "mending", 600, false, kubeadm_mend_text },
	{ "up-backup", "the backup set", 900, true, text_backup },
	{ "up-control-plane", "kubeadm upgrade", 1800, false, text_control_plane },
	{ "up-kubelet", "the kubelet's upgrade", 900, false, text_kubelet },
	{ "up-raise", "the feature level", 900, false, text_raise },
	{ "down-level", "the feature level's way back", 900, false, text_level_back },
	{ "down-kubelet", "the kubelet's way back", 900, false, text_kubelet_back },
	{ "down-helpers", "scheduler and controller manager back", 300, false, text_helpers_back },
	{ "down-control-plane", "kubeadm's way back", 1800, false, text_control_plane_back },
	{ "down-manifests", "the saved manifests", 300, false, text_manifests_back },
	{ "down-t3-stop", "the stop of the API server", 600, false, text_stop },
	{ "down-t3-etcd", "the restore of etcd", 1800, false, kubeadm_restore_text },
	{ "down-t3-manifests", "the saved manifests", 600, false, text_restore_manifests },
	{ "down-t3-refresh", "the kubelet's restart", 300, false, text_refresh },
	{ "down-t3-clean", "the removal of the copy", 300, false, kubeadm_restore_clean_text },
	{ "down-t3-start", "the start of the API server", 600, false, text_start },
};

static const Command *find(const char *kind)
{
	for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
		if (strcmp(commands[i].kind, kind) == 0)
			return &commands[i];
	return NULL;
}

/* ---- keys ---- */

char *kubeadm_own_id(const Item *it)
{
	const Target *t = target_of(it);
	const char *who = t->holder ? t->holder : t->fleet;
	g_autofree char *digest = sl_sha256(who, strlen(who));
	const char *hex = digest + strlen("sha256:");
	return g_strdup_printf("%.*s.%" G_GUINT64_FORMAT, STATE_ID_CHARS, hex, item_id(it));
}

char *kubeadm_backup_key(const Item *it)
{
	g_autofree char *id = kubeadm_own_id(it);
	return g_strdup_printf("%s-to-%s-%s", kubeadm_from(it), kubeadm_to(it), id);
}

char *kubeadm_backup_of(const json_t *hop, const json_t *discovered)
{
	g_autofree char *prefix = g_strdup_printf(
		"%s-to-%s-", json_path_str(hop, "from", ""), json_path_str(hop, "to", ""));
	const json_t *best = NULL;
	size_t i;
	json_t *s;
	json_array_foreach (json_object_get(discovered, "backups"), i, s)
		if (g_str_has_prefix(json_path_str(s, "key", ""), prefix) &&
			(!best || json_path_int(s, "at", 0) > json_path_int(best, "at", 0)))
			best = s;
	return best ? g_strdup(json_path_str(best, "key", "")) : NULL;
}

char *kubeadm_command_key(const Item *it, const Machine *m, const char *kind, int n)
{
	g_autofree char *id = kubeadm_own_id(it);
	return g_strdup_printf("%s %s-%s-%s.%d", m->address, id, hop_key(kubeadm_hop(it)), kind, n);
}

/* The kind in a key of this item's present hop. */
static const Command *command_of(const Item *it, const char *key)
{
	g_autofree char *id = kubeadm_own_id(it);
	g_autofree char *prefix = g_strdup_printf(" %s-%s-", id, hop_key(kubeadm_hop(it)));
	const char *at = strstr(key, prefix), *dot = strrchr(key, '.');
	if (!at || !dot)
		return NULL;
	at += strlen(prefix);
	g_autofree char *kind = dot > at ? g_strndup(at, (size_t)(dot - at)) : g_strdup("");
	return find(kind);
}

static bool machine_at(const Item *it, const char *key, Machine *ret)
{
	size_t len = strcspn(key, " ");
	for (size_t i = 0; kubeadm_machine(it, i, ret); i++)
		if (strlen(ret->address) == len && strncmp(ret->address, key, len) == 0)
			return true;
	return false;
}

/* ---- the act ---- */

static bool command_build(
	Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret)
{
	const Command *c = command_of(it, key);
	Machine m;
	if (!c || !machine_at(it, key, &m)) {
		item_set_reason(it, "%s is no command of the hop under way", key);
		return false;
	}
	g_autofree char *body = c->text(it, &m);
	g_autofree char *text = g_strdup_printf("# shiplock: %s on %s, %s -> %s\n%s", c->kind,
		m.name, kubeadm_from(it), kubeadm_to(it), body);
	g_autofree char *id = kubeadm_own_id(it);
	g_autofree char *run = g_strdup_printf("%s-", id);
	const char *job = strchr(key, ' ') + 1;
	ret->method = NODE_METHOD;
	ret->path = g_strdup(key);
	ret->body = json_pack("{s:s, s:s, s:s, s:s, s:I, s:i, s:b, s:i}", "op", "start", "job", job,
		"run", run, "command", text, "epoch", (json_int_t)site_epoch(item_site(it)),
		"limitSec", c->limit_sec, "unkillable", !c->killable, "keepBytes", (int)KEEP_BYTES);
	ret->want = json_pack("{s:s, s:s, s:s}", "node", m.name, "kind", c->kind, "job", job);
	return true;
}

const ActRow act_node_command = {
	.name = "node-command",
	.effect = EFFECT_BY_KEY,
	.fact = &fact_node_job,
	.build = command_build,
	.blind = kubeadm_goes_blind,
	.classify = node_job_classify,
};

/* ---- to its end ---- */

/* The number of the newest attempt; 0: none. */
static int newest(const Item *it, const Machine *m, const char *kind)
{
	for (int n = 0;; n++) {
		g_autofree char *key = kubeadm_command_key(it, m, kind, n + 1);
		if (!act_find(it, &act_node_command, key))
			return n;
	}
}

/* What has ended does not change any more. */
const View *kubeadm_command_look(Item *it, const char *key)
{
	const View *v = fact_peek(it, &fact_node_job, key);
	const char *state = v ? json_path_str(v->json, "state", "") : "";
	bool ended = strcmp(state, "done") == 0 || strcmp(state, "lost") == 0;
	return ended ? v : fact(it, &fact_node_job, key);
}

/* The last line that says something. Caller frees. */
static char *last_words(const json_t *job)
{
	g_autofree char *text = g_strdup(json_path_str(job, "out", ""));
	g_strchomp(text);
	const char *line = strrchr(text, '\n');
	line = line ? line + 1 : text;
	size_t len = strlen(line);
	return g_utf8_make_valid(len > TAIL_CHARS ? line + len - TAIL_CHARS : line, -1);
}

static StepResult running(
	Item *it, int64_t now, const Command *c, const Machine *m, const json_t *job)
{
	int64_t sec = json_path_int(job, "seconds", 0);
	int64_t poll = sl_max(POLL_MIN_SEC, sl_min(sec / 10, POLL_MAX_SEC));
	g_autofree char *words = last_words(job);
	StepResult r;
	if (json_path_bool(job, "overdue", false))
		r = step_hold(it, "node-command",
			"%s on %s runs for %d s, longer than its %d s; it is never killed; it "
			"says: "
			"%s",
			c->what, m->name, (int)sec, c->limit_sec, words);
	else
		r = step_wait(it, 0, "%s on %s, %d s%s%s", c->what, m->name, (int)sec,
			*words ? ": " : "", words);
	r.until_usec = now + poll * SL_USEC_PER_SEC;
	return r;
}

static char *failure_text(const Command *c, const Machine *m, int n, const json_t *job)
{
	g_autofree char *words = last_words(job);
	if (strcmp(json_path_str(job, "state", ""), "lost") == 0)
		return g_strdup_printf("%s on %s was cut off (attempt %d)%s%s", c->what, m->name, n,
			json_path_bool(job, "rebooted", false) ? ": the node went down" : "",
			*words ? "; its last words" : "");
	return g_strdup_printf("%s on %s failed with exit code %d (attempt %d): %s", c->what,
		m->name, (int)json_path_int(job, "exitCode", -1), n,
		*words ? words : "it said nothing");
}

/* Before the workers, and on the way up, a failure is a verdict about the upgrade. */
static bool is_verdict(const Item *it)
{
	return target_of(it)->failing && !item_pivot_crossed(it, "rollback") &&
	       !hop_crossed(it, "workers");
}

/* A person who resumes lets it be tried once more. */
bool kubeadm_asked(Item *it, Batch *b, const char *key, const char *why, StepResult *ret)
{
	bool before = strcmp(json_path_str(item_memo(it), "nodeAsked", ""), key) == 0;
	if (before && !item_find_hold(it, "node-command"))
		return true;
	if (!before)
		batch_memo(b, it, "nodeAsked", json_string(key));
	*ret = step_hold_person(it, "node-command", "%s; resume tries it again", why);
	return false;
}

/* Static pods are restarted by these, a member of etcd among them; each attempt asks anew, and a
 * drain may have taken long since it was asked last. */
static bool may_restart(Item *it, int64_t now, const Machine *m, const char *kind, StepResult *ret)
{
	bool restarts =
		g_str_has_suffix(kind, "-control-plane") || g_str_has_suffix(kind, "-kubelet");
	return !m->control_plane || !restarts || kubeadm_restoring(it) ||
	       kubeadm_quorum_stands(it, now, m, ret);
}

static void failed(Item *it, int64_t now, Batch *b, const Command *c, const Machine *m, int n,
	const json_t *job, StepResult *ret)
{
	g_autofree char *key = kubeadm_command_key(it, m, c->kind, n);
	g_autofree char *next = kubeadm_command_key(it, m, c->kind, n + 1);
	g_autofree char *why = failure_text(c, m, n, job);
	const Target *t = target_of(it);
	int64_t seen = fact_sent_usec(it, &fact_node_job, key);
	int64_t again = seen + ((int64_t)BACKOFF_SEC << MIN(n - 1, 4)) * SL_USEC_PER_SEC;
	int64_t wall = loop_wall_usec(saga_loop(item_saga(it)));
	bool verdict = is_verdict(it), often = n >= FAILURES_MAX;
	if (verdict && t->failing(it, now, b, 0, NULL, ret))
		return;
	bool due = often && !verdict ? kubeadm_asked(it, b, key, why, ret) : now >= again;
	if (due && !may_restart(it, now, m, c->kind, ret))
		return;
	if (due)
		*ret = kubeadm_mend_and_begin(it, now, b, m, c->kind, next);
	else if (often && !verdict)
		return;
	else if (!often || !t->failing(it, now, b, wall - 3600 * SL_USEC_PER_SEC, why, ret))
		*ret = step_wait(it, again, "%s; it is tried again", why);
	else if (!ret->until_usec || ret->until_usec > again)
		ret->until_usec = again;
}

bool kubeadm_command(Item *it, int64_t now, Batch *b, const Machine *m, const char *kind,
	const json_t **ret_result, StepResult *ret)
{
	const Command *c = find(kind);
	int n = (int)sl_max(newest(it, m, kind), 1);
	g_autofree char *key = kubeadm_command_key(it, m, kind, n);
	const Act *a = act_find(it, &act_node_command, key);
	if (!a || act_state(a) != ACT_DONE) {
		if (kubeadm_is_itself(it, now, b, m, ret) && may_restart(it, now, m, kind, ret))
			*ret = step_act(it, &act_node_command, key, b);
		return false;
	}
	const View *v = kubeadm_command_look(it, key);
	if (!v) {
		*ret = kubeadm_unread_command(it, now, b, m, a);
		return false;
	}
	const char *state = json_path_str(v->json, "state", "");
	bool done = strcmp(state, "done") == 0;
	if (done && json_path_bool(v->json, "ok", false)) {
		*ret_result = v->json;
		return true;
	}
	if (strcmp(state, "running") == 0)
		*ret = running(it, now, c, m, v->json);
	else
		failed(it, now, b, c, m, n, v->json, ret);
	return false;
}

int64_t kubeadm_command_seen_usec(Item *it, const Machine *m, const char *kind)
{
	g_autofree char *key =
		kubeadm_command_key(it, m, kind, (int)sl_max(newest(it, m, kind), 1));
	return fact_sent_usec(it, &fact_node_job, key);
}

bool kubeadm_command_begun(const Item *it, const Machine *m, const char *kind)
{
	return newest(it, m, kind) > 0;
}

int kubeadm_command_failures(Item *it, const Machine *m, const char *kind)
{
	int n = newest(it, m, kind);
	g_autofree char *key = kubeadm_command_key(it, m, kind, n > 0 ? n : 1);
	const View *v = n > 0 ? fact_peek(it, &fact_node_job, key) : NULL;
	const char *state = v ? json_path_str(v->json, "state", "running") : "running";
	bool bad = strcmp(state, "lost") == 0 ||
		   (strcmp(state, "done") == 0 && !json_path_bool(v->json, "ok", false));
	return bad ? n : n > 0 ? n - 1 : 0;
}

bool kubeadm_is_noted(const Item *it, const Machine *m, const char *kind)
{
	const json_t *list = json_object_get(json_object_get(item_memo(it), "proven"), kind);
	size_t i;
	json_t *n;
	json_array_foreach (list, i, n)
		if (strcmp(json_string_value(n), m->name) == 0)
			return true;
	return false;
}

StepResult kubeadm_note(Item *it, int64_t now, Batch *b, const Machine *m, const char *kind)
{
	json_t *all = json_deep_copy(json_object_get(item_memo(it), "proven"));
	if (!all)
		all = json_object();
	json_t *list = json_object_get(all, kind);
	if (!list)
		json_object_set_new(all, kind, list = json_array());
	json_array_append_new(list, json_string(m->name));
	batch_memo(b, it, "proven", all);
	return step_wait(it, now, "%s is proven", m->name);
}

static bool is_on(const Act *a, const Machine *m)
{
	return act_row(a) == &act_node_command && act_state(a) == ACT_DONE &&
	       strcmp(json_path_str(act_want(a), "node", ""), m->name) == 0;
}

const json_t *kubeadm_look_after(Item *it, int64_t now, const Machine *m)
{
	for (size_t i = item_n_acts(it); i > 0; i--) {
		const Act *a = item_act(it, i - 1);
		if (!is_on(a, m))
			continue;
		const View *v = kubeadm_command_look(it, act_key(a));
		bool runs = v && strcmp(json_path_str(v->json, "state", ""), "running") == 0;
		return v && !runs
			       ? kubeadm_look(it, m, fact_sent_usec(it, &fact_node_job, act_key(a)))
			       : NULL;
	}
	return kubeadm_look_within(it, m, LOOK_SEC);
}
