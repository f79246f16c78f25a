/* A pod that is tried out on a node whose kubelet moved: the scheduler places it, the kubelet runs
 * it to its end, with a network of its own. Only an image that is there already is used, by a
 * command that tells its version, so that nothing is fetched and nothing is changed.
 *
 * Memo "trial" {"for": purpose and node, "n": attempt, "image", "command", "secrets"; "ok": it ran
 * to its end; "failed": why it did not; "none": why there is none}, written before the pod is made
 * and after its end, so that each step of it stands once. */
#include "base/num.h"
#include "objects/time.h"
#include "providers/clusterversion.h"
#include "providers/kubeadm-jobs.h"
#include "providers/kubeadm-moves.h"
#include <string.h>

#define TRIAL_NOTE "shiplock.dev/trial"
enum { POLL_SEC = 1, LATE_SEC = 90, TRIES = 3, AGAIN_SEC = 10, LIFE_SEC = 600, ID_CHARS = 10 };

static const json_t *memo_of(const Item *it)
{
	return json_object_get(item_memo(it), "trial");
}

/* There a trial that fails is said, and bars nothing. */
static bool going_back(const Item *it)
{
	return item_pivot_crossed(it, "rollback");
}

static const char *node_of(const json_t *memo)
{
	return json_path_str(memo, "node", "");
}

/* ---- an image that is there ---- */

/* These answer to --version, wherever their image has them. */
static bool tells_version(const char *program)
{
	static const char *const known[] = { "kube-proxy", "kube-scheduler",
		"kube-controller-manager", "kube-apiserver", NULL };
	const char *slash = strrchr(program, '/');
	return g_strv_contains(known, slash ? slash + 1 : program);
}

static json_t *of_pod(const json_t *pod)
{
	const char *program = json_path_str(pod, "spec.containers.0.command.0", "");
	const char *image = json_path_str(pod, "spec.containers.0.image", "");
	if (!*image || !tells_version(program) ||
		strcmp(condition_status(pod, "Ready"), "True") != 0)
		return NULL;
	return json_pack("{s:s, s:[s, s], s:O?}", "image", image, "command", program, "--version",
		"secrets", json_path(pod, "spec.imagePullSecrets"));
}

/* The image that every pod of the node needs. */
static json_t *of_sandbox(const json_t *node)
{
	size_t i, k;
	json_t *image, *name;
	json_array_foreach (json_path(node, "status.images"), i, image)
		json_array_foreach (json_object_get(image, "names"), k, name) {
			const char *text = json_string_value(name);
			if (strstr(text, "/pause:"))
				return json_pack("{s:s, s:[s, s]}", "image", text, "command",
					"/pause", "-v");
		}
	return NULL;
}

/* {"image", "command", "secrets"}; NULL: none is known there. New reference. */
static json_t *choose(const json_t *node, const json_t *pods)
{
	const char *name = json_path_str(node, "metadata.name", "");
	json_t *best = NULL, *p;
	size_t i;
	json_array_foreach (json_object_get(pods, "items"), i, p)
		if (!best && strcmp(json_path_str(p, "spec.nodeName", ""), name) == 0)
			best = of_pod(p);
	return best ? best : of_sandbox(node);
}

/* ---- the pod ---- */

/* What the cluster itself puts on a node that is not well is not tolerated. */
static bool is_of_the_cluster(const char *key)
{
	return g_str_has_prefix(key, "node.kubernetes.io/") ||
	       g_str_has_prefix(key, "node.cloudprovider.kubernetes.io/");
}

static json_t *tolerations_of(const json_t *node)
{
	json_t *out = json_pack("[{s:s, s:s, s:s}]", "key", "node.kubernetes.io/unschedulable",
		"operator", "Exists", "effect", "NoSchedule");
	size_t i;
	json_t *t;
	json_array_foreach (json_path(node, "spec.taints"), i, t) {
		const char *key = json_path_str(t, "key", "");
		const char *effect = json_path_str(t, "effect", "");
		if (!is_of_the_cluster(key) && strcmp(effect, "PreferNoSchedule") != 0)
			json_array_append_new(out,
				json_pack("{s:s, s:s, s:s, s:s}", "key", key, "operator", "Equal",
					"value", json_path_str(t, "value", ""), "effect", effect));
	}
	return out;
}

static json_t *affinity_to(const char *node)
{
	return json_pack("{s:{s:{s:[{s:[{s:s, s:s, s:[s]}]}]}}}", "nodeAffinity",
		"requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms",
		"matchFields", "key", "metadata.name", "operator", "In", "values", node);
}

static json_t *container_of(const json_t *memo)
{
	json_t *c = json_pack("{s:s, s:O, s:O, s:s, s:{s:{s:s, s:s}}}", "name", "trial", "image",
		json_object_get(memo, "image"), "command", json_object_get(memo, "command"),
		"imagePullPolicy", "IfNotPresent", "resources", "requests", "cpu", "1m", "memory",
		"8Mi");
	json_object_set_new(c, "securityContext",
		json_pack("{s:b, s:b, s:b, s:i, s:{s:[s]}, s:{s:s}}", "allowPrivilegeEscalation", 0,
			"readOnlyRootFilesystem", 1, "runAsNonRoot", 1, "runAsUser", 65534,
			"capabilities", "drop", "ALL", "seccompProfile", "type", "RuntimeDefault"));
	return c;
}

/* On the way back the scheduler may be what is broken: it is not asked. */
static void place(json_t *spec, const char *node, bool back)
{
	if (back)
		json_object_set_new(spec, "nodeName", json_string(node));
	else
		json_object_set_new(spec, "affinity", affinity_to(node));
}

static json_t *spec_of(const json_t *memo, const json_t *node, bool back)
{
	json_t *spec = json_pack("{s:s, s:i, s:b, s:b, s:i, s:s, s:o, s:[o]}", "restartPolicy",
		"Never", "activeDeadlineSeconds", LIFE_SEC, "automountServiceAccountToken", 0,
		"enableServiceLinks", 0, "terminationGracePeriodSeconds", 1, "priorityClassName",
		"system-node-critical", "tolerations", tolerations_of(node), "containers",
		container_of(memo));
	place(spec, node_of(memo), back);
	json_t *secrets = json_object_get(memo, "secrets");
	if (json_is_array(secrets))
		json_object_set(spec, "imagePullSecrets", secrets);
	return spec;
}

/* {"fleet", "run", "for", "n"}: whose it is. */
static char *note_of(const Item *it)
{
	const json_t *memo = memo_of(it);
	const Item *run = item_parent(it);
	g_autoptr(json_t) note = json_pack("{s:s, s:s, s:s, s:I}", "fleet", target_of(it)->fleet,
		"run", run ? item_name(run) : "", "for", json_path_str(memo, "for", ""), "n",
		(json_int_t)json_path_int(memo, "n", 1));
	return json_canonical(note);
}

static char *path_of(const Item *it, const json_t *memo)
{
	g_autofree char *text = g_strdup_printf("%s %s %" G_GUINT64_FORMAT " %d",
		target_of(it)->fleet, json_path_str(memo, "for", ""), item_id(it),
		(int)json_path_int(memo, "n", 1));
	g_autofree char *digest = sl_sha256(text, strlen(text));
	return g_strdup_printf(
		KUBEADM_SYSTEM_PODS "/shiplock-trial-%.*s", ID_CHARS, digest + strlen("sha256:"));
}

static const char *stands_there(const View *v)
{
	const json_t *notes = v->missing ? NULL : json_path(v->json, "metadata.annotations");
	const char *text = json_string_value(json_object_get(notes, TRIAL_NOTE));
	return text ? text : "";
}

static bool trial_build(
	Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret)
{
	const json_t *memo = memo_of(it);
	const View *nodes = fact_peek(it, &fact_list, KUBEADM_NODES);
	g_autofree char *path = path_of(it, memo), *note = note_of(it);
	g_autofree char *name = g_path_get_basename(key);
	if (strcmp(path, key) != 0 || (!v->missing && strcmp(stands_there(v), note) != 0)) {
		item_set_reason(it, "%s is not the trial pod of this node", key);
		return false;
	}
	const json_t *node = nodes ? kubeadm_node_named(nodes->json, node_of(memo)) : NULL;
	ret->method = "POST";
	ret->path = g_strdup(KUBEADM_SYSTEM_PODS);
	ret->body = json_pack("{s:s, s:s, s:{s:s, s:s, s:{s:s, s:s}, s:{s:s}}, s:o}", "apiVersion",
		"v1", "kind", "Pod", "metadata", "name", name, "namespace", "kube-system", "labels",
		"app.kubernetes.io/managed-by", "shiplock", POD_TRIAL_LABEL, "true", "annotations",
		TRIAL_NOTE, note, "spec", spec_of(memo, node, going_back(it)));
	ret->want = json_pack("{s:s}", "note", note);
	return true;
}

static Class trial_classify(const json_t *want, const View *v)
{
	if (v->missing)
		return CLASS_ABSENT;
	return strcmp(stands_there(v), json_path_str(want, "note", "")) == 0 ? CLASS_DONE
									     : CLASS_FOREIGN;
}

/* "It exists already" may be our own first attempt: a read tells. */
static AnswerClass trial_answer(int status, const json_t *detail, AnswerClass plain)
{
	return status == 409 ? ANSWER_UNKNOWN : plain;
}

static bool remove_build(
	Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret)
{
	ret->method = "DELETE";
	ret->path = g_strdup(key);
	ret->body = json_pack("{s:s, s:s, s:i}", "apiVersion", "v1", "kind", "DeleteOptions",
		"gracePeriodSeconds", 0);
	if (!v->missing)
		json_object_set_new(ret->body, "preconditions",
			json_pack("{s:s}", "uid", json_path_str(v->json, "metadata.uid", "")));
	return true;
}

static Class remove_classify(const json_t *want, const View *v)
{
	const char *uid = json_path_str(want, "preconditions.uid", NULL);
	bool other =
		uid && !v->missing && strcmp(json_path_str(v->json, "metadata.uid", ""), uid) != 0;
	return v->missing || other ? CLASS_DONE : CLASS_ABSENT;
}

static AnswerClass remove_answer(int status, const json_t *detail, AnswerClass plain)
{
	return status == 404 || status == 409 ? ANSWER_DONE : plain;
}

const ActRow act_kubeadm_untrial = {
	.name = "trial-pod-gone",
	.effect = EFFECT_BY_UID,
	.fact = &fact_object,
	.build = remove_build,
	.classify = remove_classify,
	.answer = remove_answer,
};
const ActRow act_kubeadm_trial = {
	.name = "trial-pod",
	.effect = EFFECT_BY_NAME,
	.fact = &fact_object,
	.undo = &act_kubeadm_untrial,
	.build = trial_build,
	.classify = trial_classify,
	.answer = trial_answer,
};

/* ---- driven ---- */

static json_t *changed(const Item *it, const char *name, json_t *value)
{
	json_t *next = json_copy((json_t *)memo_of(it));
	json_object_set_new(next, name, value);
	return next;
}

static StepResult begin(
	Item *it, int64_t now, Batch *b, const Machine *m, const char *of, const TrialFacts *f)
{
	json_t *memo = choose(kubeadm_node_named(f->nodes, m->name), f->pods);
	bool known = memo != NULL;
	if (!memo)
		memo = json_pack("{s:b}", "none", 1);
	json_object_set_new(memo, "for", json_string(of));
	json_object_set_new(memo, "node", json_string(m->name));
	json_object_set_new(memo, "n", json_integer(1));
	batch_memo(b, it, "trial", memo);
	return step_wait(it, now, "%s: %s", m->name,
		known ? "a trial pod is made"
		      : "no trial pod, since no image is known there that could be used");
}

/* Why it is not at its end. Caller frees. */
static char *words_of(const json_t *pod)
{
	const json_t *state = json_path(pod, "status.containerStatuses.0.state");
	const char *reason = json_path_str(state, "waiting.reason",
		json_path_str(state, "terminated.reason", json_path_str(pod, "status.reason", "")));
	const char *text = json_path_str(state, "waiting.message",
		json_path_str(state, "terminated.message",
			json_path_str(pod, "status.message",
				json_path_str(pod, "status.conditions.0.message", ""))));
	return g_strdup_printf("%s%s%s%s%s", json_path_str(pod, "status.phase", "Pending"),
		*reason ? ", " : "", reason, *text ? ": " : "", text);
}

static const json_t *pod_at(const json_t *pods, const char *path)
{
	const char *name = strrchr(path, '/') + 1;
	size_t i;
	json_t *p;
	json_array_foreach (json_object_get(pods, "items"), i, p)
		if (strcmp(json_path_str(p, "metadata.name", ""), name) == 0)
			return p;
	return NULL;
}

static bool is_late(const Item *it, const json_t *pod)
{
	int64_t made = 0;
	sl_time_parse(json_path_str(pod, "metadata.creationTimestamp", ""), &made);
	return loop_wall_usec(saga_loop(item_saga(it))) > made + LATE_SEC * SL_USEC_PER_SEC;
}

static StepResult follow(Item *it, int64_t now, Batch *b, const Machine *m, const Act *a)
{
	const char *path = act_key(a);
	/* Sent after the pod was made, or it shows none. */
	const View *pods =
		kubeadm_list_within(it, now, KUBEADM_SYSTEM_PODS, POLL_SEC, act_settled_usec(a));
	if (!pods)
		return step_read(it);
	const json_t *pod = pod_at(pods->json, path);
	const char *phase = json_path_str(pod, "status.phase", "");
	g_autofree char *words = pod ? words_of(pod) : g_strdup("somebody deleted it");
	if (strcmp(phase, "Succeeded") == 0) {
		batch_memo(b, it, "trial", changed(it, "ok", json_true()));
		return step_wait(it, now, "%s ran a trial pod to its end", m->name);
	}
	/* Another program is in that image: it was placed, with its network, and told to start. */
	bool other = strcmp(json_path_str(memo_of(it), "command.0", ""), "/pause") == 0 &&
		     strstr(words, "no such file");
	if (pod && other && strcmp(phase, "Failed") == 0) {
		batch_memo(b, it, "trial", changed(it, "ok", json_true()));
		return step_wait(
			it, now, "the trial pod on %s was begun: its image has no /pause", m->name);
	}
	if (!pod || strcmp(phase, "Failed") == 0) {
		batch_memo(b, it, "trial", changed(it, "failed", json_string(words)));
		return step_wait(it, now, "the trial pod on %s: %s", m->name, words);
	}
	if (is_late(it, pod) && going_back(it)) {
		batch_memo(b, it, "trial", changed(it, "ok", json_true()));
		return step_wait(
			it, now, "the trial pod on %s: %s; the way back goes on", m->name, words);
	}
	StepResult r =
		is_late(it, pod)
			? step_hold(it, "node",
				  "the trial pod %s on %s has not come to its end for %d s: %s",
				  strrchr(path, '/') + 1, m->name, LATE_SEC, words)
			: step_wait(it, 0, "the trial pod on %s: %s", m->name, words);
	r.until_usec = now + POLL_SEC * SL_USEC_PER_SEC;
	return r;
}

/* It failed and is gone: another one, some times by itself, then by a person's word. */
static StepResult again(Item *it, int64_t now, Batch *b, const Machine *m, const Act *a)
{
	const json_t *memo = memo_of(it);
	int64_t n = json_path_int(memo, "n", 1);
	int64_t at = act_settled_usec(a) + AGAIN_SEC * SL_USEC_PER_SEC;
	g_autofree char *why = g_strdup_printf("the trial pod on %s failed (attempt %d): %s",
		m->name, (int)n, json_path_str(memo, "failed", "?"));
	StepResult r;
	if (going_back(it)) {
		batch_memo(b, it, "trial", changed(it, "none", json_true()));
		return step_wait(it, now, "%s; the way back goes on", why);
	}
	if (n < TRIES && now < at)
		return step_wait(it, at, "%s; it is tried again", why);
	if (n >= TRIES && !kubeadm_asked(it, b, act_key(a), why, &r))
		return r;
	json_t *next = changed(it, "n", json_integer(n + 1));
	json_object_del(next, "failed");
	batch_memo(b, it, "trial", next);
	return step_wait(it, now, "another trial pod on %s", m->name);
}

bool kubeadm_tried(Item *it, int64_t now, Batch *b, const Machine *m, const char *purpose,
	const TrialFacts *f, StepResult *ret)
{
	const json_t *memo = memo_of(it);
	g_autofree char *of = g_strdup_printf("%s %s", purpose, m->name);
	bool left;
	if (strcmp(json_path_str(memo, "for", ""), of) != 0) {
		*ret = begin(it, now, b, m, of, f);
		return false;
	}
	if (json_path_bool(memo, "none", false))
		return true;
	g_autofree char *path = path_of(it, memo);
	const Act *a = act_find(it, &act_kubeadm_trial, path);
	bool stands = a && act_state(a) == ACT_DONE, ok = json_path_bool(memo, "ok", false);
	bool failed = json_object_get(memo, "failed") != NULL;
	if (going_back(it) && a && act_state(a) == ACT_REFUSED)
		return true;
	if (ok && !stands)
		return true;
	if (stands && (ok || failed))
		*ret = step_undo(it, b, &left); /* it is the only mark here beside the claim */
	else if (failed)
		*ret = again(it, now, b, m, a);
	else if (!stands)
		*ret = step_act(it, &act_kubeadm_trial, path, b);
	else
		*ret = follow(it, now, b, m, a);
	return false;
}

bool kubeadm_trial_over(Item *it, Batch *b, StepResult *ret)
{
	bool left;
	for (size_t i = item_n_acts(it); i > 0; i--) {
		const Act *a = item_act(it, i - 1);
		if (act_row(a) != &act_kubeadm_trial || act_state(a) != ACT_DONE)
			continue;
		*ret = step_undo(it, b, &left);
		return false;
	}
	return true;
}

/* ---- what a lost journal left ---- */

static bool is_ours(const Item *it, const json_t *pod)
{
	const char *text = json_string_value(
		json_object_get(json_path(pod, "metadata.annotations"), TRIAL_NOTE));
	g_autoptr(json_t) note = text ? json_parse(text, strlen(text), NULL) : NULL;
	return strcmp(json_path_str(note, "fleet", ""), target_of(it)->fleet) == 0;
}

static bool is_gone(const Item *it, const char *path)
{
	const Act *a = act_find(it, &act_kubeadm_untrial, path);
	return a && act_state(a) == ACT_DONE;
}

bool kubeadm_trials_swept(Item *it, Batch *b, StepResult *ret)
{
	const View *pods = fact(it, &fact_list, KUBEADM_SYSTEM_PODS);
	size_t i;
	json_t *p;
	*ret = step_read(it);
	json_array_foreach (pods ? json_object_get(pods->json, "items") : NULL, i, p) {
		g_autofree char *path = g_strdup_printf(
			KUBEADM_SYSTEM_PODS "/%s", json_path_str(p, "metadata.name", ""));
		const Act *a = act_find(it, &act_kubeadm_trial, path);
		bool stands = a && act_state(a) == ACT_DONE; /* goes with the other marks */
		if (!kubeadm_is_trial(p) || !is_ours(it, p) || stands || is_gone(it, path))
			continue;
		*ret = step_act(it, &act_kubeadm_untrial, path, b);
		return false;
	}
	return pods != NULL;
}

bool kubeadm_is_trial(const json_t *pod)
{
	return json_object_get(json_path(pod, "metadata.labels"), POD_TRIAL_LABEL) != NULL;
}
