/* One pod, by its UID: its request leaves once, and what the server said stays with it. */
#include "base/num.h"
#include "kube/request.h"
#include "steps/drain-internal.h"
#include <string.h>

enum { BACKOFF_MAX_SEC = 30 }; /* of the engine, between attempts */

PodSeen *drain_pod_seen(Item *pod)
{
	PodSeen *s = item_ctx(pod);
	if (!s) {
		s = g_new0(PodSeen, 1);
		item_set_ctx(pod, s, g_free);
	}
	return s;
}

const char *drain_pod_text(const Item *pod, const char *field)
{
	const char *moved = json_path_str(item_memo(pod), field, NULL);
	return moved ? moved : json_path_str(item_data(pod), field, "");
}

const Act *drain_pod_act(const Item *pod)
{
	size_t n = item_n_acts(pod);
	return n ? item_act(pod, n - 1) : NULL;
}

const json_t *drain_find_uid(const View *pods, const char *uid)
{
	size_t i;
	json_t *p;
	json_array_foreach (json_object_get(pods->json, "items"), i, p) {
		if (strcmp(json_path_str(p, "metadata.uid", ""), uid) == 0)
			return p;
	}
	return NULL;
}

/* ---- what the server said ---- */

/* The journal keeps the server's words, not its body. */
static EvictVerdict judge(int status, const json_t *said, int retry_after_sec)
{
	const char *reason = json_path_str(said, "reason", "");
	const char *message = json_path_str(said, "message", "");
	json_t *causes = json_object_get(said, "causes");
	g_autoptr(json_t) body = NULL;
	if (*reason || causes)
		body = json_pack("{s:s, s:s, s:s, s:{s:O*}}", "kind", "Status", "reason", reason,
			"message", message, "details", "causes", causes);
	EvictAnswer a = { .answered = status != 0,
		.status = status,
		.body = body,
		.text = message,
		.retry_after_sec = retry_after_sec };
	return evict_classify(&a);
}

bool drain_pod_refusal(const Item *pod, EvictVerdict *ret)
{
	const Act *a = drain_pod_act(pod);
	bool refused = a && act_settled_usec(a) &&
		       (act_state(a) == ACT_REFUSED || act_state(a) == ACT_ABSENT);
	if (!refused)
		return false;
	const json_t *r = act_result(a);
	*ret = judge(
		(int)json_path_int(r, "status", 0), r, (int)json_path_int(r, "retryAfter", -1));
	return true;
}

int64_t drain_pod_ready_usec(const Item *pod)
{
	const Act *a = drain_pod_act(pod);
	if (!a || !act_settled_usec(a))
		return 0;
	int64_t sec = json_path_int(act_result(a), "retryAfter", 0);
	if (sec <= 0)
		sec = sl_min((int64_t)1 << sl_min(act_attempt(a) - 1, 10), BACKOFF_MAX_SEC);
	return act_settled_usec(a) + sec * SL_USEC_PER_SEC;
}

/* A server that says why it refused has not done it, whatever the code: a webhook chooses its code
 * freely, and two budgets are a 500. */
static AnswerClass evict_answer(int status, const json_t *detail, AnswerClass plain)
{
	EvictVerdict v = judge(status, detail, -1);
	switch (v.class) {
	case EVICT_GONE:
		return ANSWER_DONE;
	case EVICT_TWO_PDBS:
	case EVICT_WEBHOOK:
	case EVICT_PROGRESS:
		return ANSWER_NOT_APPLIED;
	default:
		return plain;
	}
}

/* ---- rows: the key is the node's name, since one list answers for all its pods ---- */

static void add_want(const Item *it, ActRequest *ret)
{
	ret->want = json_pack("{s:s, s:s, s:s, s:s, s:s}", "uid", drain_pod_text(it, "uid"), "ns",
		drain_pod_text(it, "ns"), "pod", drain_pod_text(it, "name"), "budget",
		drain_pod_text(it, "budget"), "version", drain_pod_text(it, "version"));
}

static bool evict_build(
	Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret)
{
	const char *ns = drain_pod_text(it, "ns"), *name = drain_pod_text(it, "name");
	ret->method = "POST";
	ret->path = kube_path(&kube_pods, ns, name, "eviction");
	ret->body = kube_eviction_body(ns, name, drain_pod_text(it, "uid"), -1);
	add_want(it, ret);
	return true;
}

static bool delete_build(
	Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret)
{
	ret->method = "DELETE";
	ret->path =
		kube_path(&kube_pods, drain_pod_text(it, "ns"), drain_pod_text(it, "name"), NULL);
	ret->body = kube_delete_body(drain_pod_text(it, "uid"), NULL, NULL, -1);
	add_want(it, ret);
	return true;
}

static Class pod_classify(const json_t *want, const View *v)
{
	const json_t *pod = drain_find_uid(v, json_path_str(want, "uid", ""));
	return !pod || json_path(pod, "metadata.deletionTimestamp") ? CLASS_DONE : CLASS_ABSENT;
}

const ActRow act_evict = {
	.name = "evict",
	.effect = EFFECT_BY_UID,
	.fact = &fact_node_pods,
	.build = evict_build,
	.classify = pod_classify,
	.answer = evict_answer,
};
const ActRow act_delete = {
	.name = "delete",
	.effect = EFFECT_BY_UID,
	.fact = &fact_node_pods,
	.build = delete_build,
	.classify = pod_classify,
	.answer = evict_answer,
};

/* ---- steps ---- */

/* An act that was made since the node said go. */
static StepResult after_act(Item *it)
{
	const Act *a = drain_pod_act(it);
	if (act_state(a) == ACT_DONE)
		return step_done(DP_LEAVING);
	EvictVerdict v;
	item_set_reason(it, "%s", drain_pod_refusal(it, &v) ? v.text : "it did not happen");
	return step_done(DP_REFUSED);
}

static bool node_allows(Item *it, const View *node)
{
	const Item *parent = item_parent(it);
	if (item_state(parent) == DN_ASSIST)
		return !node->missing && json_path_bool(node->json, "spec.unschedulable", false);
	return drain_is_isolated(parent, node);
}

static StepResult send_tick(Item *it, int64_t now, Batch *b)
{
	if ((int64_t)item_n_acts(it) > json_path_int(item_memo(it), "acts", 0))
		return after_act(it);
	const char *key = drain_pod_text(it, "node");
	const View *node = watched(it, &fact_node, key);
	const View *pods = watched(it, &fact_node_pods, key);
	if (!node || !pods)
		return step_read(it);
	const json_t *pod = drain_find_uid(pods, drain_pod_text(it, "uid"));
	if (!pod || json_path(pod, "metadata.deletionTimestamp")) {
		item_set_reason(it, "it leaves without being asked");
		return step_done(DP_LEAVING);
	}
	if (!node_allows(it, node))
		return step_wait(
			it, watched_poll_usec(it, now), "node %s may be scheduled on again", key);
	const ActRow *row = item_state(it) == DP_DELETE ? &act_delete : &act_evict;
	StepResult r = step_act(it, row, key, b);
	if (r.verb == STEP_ACT)
		drain_pod_seen(it)->sent_usec = now;
	return r;
}

/* The engine settled whatever was open before it came here. */
static StepResult undo_tick(Item *it, int64_t now, Batch *b)
{
	const View *pods = fact_peek(it, &fact_node_pods, drain_pod_text(it, "node"));
	bool gone = pods && !drain_find_uid(pods, drain_pod_text(it, "uid"));
	return step_done(gone ? DP_GONE : DP_KEPT);
}

static const StepOps step_send = { "send", send_tick };
static const StepOps step_withdrawn = { "withdrawn", undo_tick };
static const StepOps *const send_steps[] = { &step_send, NULL };
static const StepOps *const undo_steps[] = { &step_withdrawn, NULL };

#define FROM_SEND (TO(DP_REFUSED) | TO(DP_LEAVING) | TO(DP_UNDO))
static const StateRow states[DP_MAX] = {
	[DP_EVICT] = { .name = "evict", .next = FROM_SEND, .steps = send_steps, .untimed = true },
	[DP_DELETE] = { .name = "delete", .next = FROM_SEND, .steps = send_steps, .untimed = true },
	[DP_REFUSED] = { .name = "refused",
		.next = TO(DP_EVICT) | TO(DP_DELETE) | TO(DP_GONE) | TO(DP_UNDO),
		.untimed = true },
	[DP_LEAVING] = { .name = "leaving", .next = TO(DP_GONE) | TO(DP_UNDO), .untimed = true },
	[DP_UNDO] = { .name = "undo",
		.puts_back = true,
		.next = TO(DP_GONE) | TO(DP_KEPT),
		.steps = undo_steps,
		.untimed = true },
	[DP_GONE] = { .name = "gone", .end = true, .untimed = true },
	[DP_KEPT] = { .name = "kept", .end = true, .untimed = true },
};
const ItemKind drain_pod_kind = { .name = "pod", .states = states, .n_states = DP_MAX };
