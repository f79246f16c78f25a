/* What the cluster-version operator says of itself. */
#include "codec/json.h"
#include "objects/version.h"
#include "sim/actor-private.h"
#include "sim/tree.h"
#include <string.h>

enum { MAX_HISTORY = 100 };

typedef struct View {
	const char *target; /* what it believes in at the moment */
	const char *image;
	SimObj *work; /* operator in work; NULL: all done */
	size_t done, all;
	const char *failing, *failing_reason; /* NULL: it is not */
	char *failing_message;
	bool slow;
} View;

static bool restarting(const SimActors *a)
{
	return a->cvo.restart_usec > a->now.boot_usec;
}

static View view(SimActors *a)
{
	const Cvo *c = &a->cvo;
	View v = { .target = restarting(a) ? a->first : c->target };
	v.work = operator_in_work(a, &v.done, &v.all);
	const Release *r = release_by(a, v.target, NULL);
	v.image = restarting(a) && r ? r->image : c->target_image;
	const char *down = operators_at_work(a)->away;
	int64_t in_step = a->now.boot_usec - c->step_usec;
	if (down) {
		v.failing = "True";
		v.failing_reason = "ClusterOperatorNotAvailable";
		v.failing_message = g_strdup_printf("Cluster operator %s is not available", down);
	} else if (v.work &&
		   condition_is(json_object_get(v.work->json, "status"), "Degraded", "True")) {
		v.failing = in_step > a->t.degraded_usec ? "True" : NULL;
		v.failing_reason = "ClusterOperatorDegraded";
		v.failing_message =
			g_strdup_printf("Cluster operator %s is degraded", v.work->name);
	} else if (v.work) {
		bool mco = strcmp(v.work->name, "machine-config") == 0;
		v.slow = in_step > a->t.slow_usec * (mco ? 3 : 1);
		v.failing = v.slow ? "Unknown" : NULL;
		v.failing_reason = "SlowClusterOperator";
		v.failing_message = g_strdup_printf(
			"waiting on %s over %d minutes which is longer than expected", v.work->name,
			mco ? 90 : 30);
	}
	return v;
}

static json_t *progressing(const SimActors *a, const View *v, const json_t *st)
{
	g_autofree char *text = NULL;
	const char *is = "True", *reason = NULL;
	if (v->failing && v->failing[0] == 'T' && v->work) {
		text = g_strdup_printf("Unable to apply %s: %s", v->target, v->failing_message);
		reason = v->failing_reason;
	} else if (v->work) {
		text = g_strdup_printf(
			"Working towards %s: %zu of %zu done (%zu%% complete), waiting "
			"on %s",
			v->target, v->done * 90, v->all * 90, v->done * 100 / v->all,
			v->work->name);
		if (v->slow)
			reason = "SlowClusterOperator";
	} else {
		is = "False";
		text = a->cvo.invalid ? g_strdup_printf("Reconciling %s: the cluster version is "
							"invalid",
						v->target)
				      : g_strdup_printf("Cluster version is %s", v->target);
	}
	return condition_new(a, st, "Progressing", is, reason, text);
}

static json_t *release_accepted(const SimActors *a, const View *v, const json_t *st)
{
	const Cvo *c = &a->cvo;
	const char *version = c->asked_version ? c->asked_version : "";
	g_autofree char *text = NULL;
	if (c->asked == ASKED_LOADING && !c->refused_reason) {
		text = g_strdup_printf(
			"Retrieving and verifying payload version=\"%s\" image=\"%s\"", version,
			c->asked_image);
		return condition_new(a, st, "ReleaseAccepted", "Unknown", "RetrievePayload", text);
	}
	if (c->asked == ASKED_REFUSED)
		return condition_new(
			a, st, "ReleaseAccepted", "False", c->refused_reason, c->refused_message);
	text = g_strdup_printf("Payload loaded version=\"%s\" image=\"%s\" architecture=\"amd64\"",
		v->target, v->image);
	return condition_new(a, st, "ReleaseAccepted", "True", "PayloadLoaded", text);
}

static json_t *retrieved(const SimActors *a, const json_t *cv, const json_t *st)
{
	const char *channel = tree_str(cv, "spec.channel");
	if (!channel || !channel[0])
		return condition_new(a, st, "RetrievedUpdates", "False", "NoChannel",
			"The update channel has not been configured.");
	if (has_fault(a, SIM_FAULT_RETRIEVED_UPDATES_FALSE))
		return condition_new(a, st, "RetrievedUpdates", "False", "RemoteFailed",
			"Unable to retrieve available updates: dial tcp: lookup "
			"updates.sim: no such host");
	return condition_new(a, st, "RetrievedUpdates", "True", NULL, NULL);
}

static json_t *conditions(const SimActors *a, const View *v, const json_t *cv)
{
	const Cvo *c = &a->cvo;
	const json_t *st = json_object_get(cv, "status");
	g_autofree char *available = g_strdup_printf("Done applying %s", a->first);
	json_t *list = json_array();
	json_array_append_new(list, retrieved(a, cv, st));
	if (c->blocked)
		json_array_append_new(list, condition_new(a, st, "Upgradeable", "False",
						    c->blocked_reason, c->blocked_message));
	json_array_append_new(list, condition_new(a, st, "ImplicitlyEnabledCapabilities", "False",
					    "AsExpected", "Capabilities match configured spec"));
	json_array_append_new(list, release_accepted(a, v, st));
	json_array_append_new(list, condition_new(a, st, "Available", "True", NULL, available));
	json_array_append_new(
		list, condition_new(a, st, "Failing", v->failing ? v->failing : "False",
			      v->failing ? v->failing_reason : NULL,
			      v->failing ? v->failing_message : NULL));
	json_array_append_new(list, progressing(a, v, st));
	if (c->invalid)
		json_array_append_new(list, condition_new(a, st, "Invalid", "True",
						    "InvalidClusterVersion", c->invalid_message));
	return list;
}

static json_t *entry_new(const SimActors *a, const View *v)
{
	json_t *e = json_pack("{s:s, s:o, s:n, s:s, s:s, s:b}", "state", "Partial", "startedTime",
		time_json(a), "completionTime", "version", v->target, "image", v->image, "verified",
		!restarting(a));
	if (a->cvo.accepted_risks && !restarting(a))
		json_object_set_new(e, "acceptedRisks", json_string(a->cvo.accepted_risks));
	return e;
}

static json_t *with_front(const json_t *old, json_t *front)
{
	json_t *out = json_copy((json_t *)old);
	json_array_set_new(out, 0, front);
	return out;
}

/* The history after this turn. */
static json_t *history(const SimActors *a, const View *v, const json_t *st)
{
	json_t *old = json_object_get(st, "history"), *front = json_array_get(old, 0);
	bool same = g_strcmp0(tree_str(front, "version"), v->target) == 0;
	bool partial = g_strcmp0(tree_str(front, "state"), "Partial") == 0;
	if (same && (!partial || v->work || restarting(a)))
		return json_incref(old);
	if (same) {
		json_t *e = json_copy(front);
		json_object_set_new(e, "state", json_string("Completed"));
		json_object_set_new(e, "completionTime", time_json(a));
		return with_front(old, e);
	}
	g_autoptr(json_t) out = old ? json_copy(old) : json_array();
	if (front && json_is_null(json_object_get(front, "completionTime"))) {
		json_t *e = json_copy(front);
		json_object_set_new(e, "completionTime", time_json(a));
		json_array_set_new(out, 0, e);
	}
	json_array_insert_new(out, 0, entry_new(a, v));
	while (json_array_size(out) > MAX_HISTORY)
		json_array_remove(out, json_array_size(out) - 2); /* the first install stays */
	return g_steal_pointer(&out);
}

static json_t *release_json(const Release *r, const char *channel)
{
	g_autofree char *url = g_strconcat("https://errata.sim/", r->version, NULL);
	return json_pack("{s:s, s:s, s:s, s:[s]}", "version", r->version, "image", r->image, "url",
		url, "channels", channel ? channel : "");
}

/* Whether the update graph offers a way from the target. */
static bool offered(const Release *r, const char *target)
{
	Version to, from;
	if (!version_parse(r->version, &to) || !version_parse(target, &from))
		return false;
	int minors = version_minor_distance(&from, &to);
	return version_compare(&to, &from) > 0 && minors >= 0 && minors <= 1;
}

static json_t *conditional(const SimActors *a, const Release *r, const char *channel)
{
	g_autofree char *url = g_strconcat("https://kb.sim/", r->risk, NULL);
	json_t *risk = json_pack("{s:s, s:s, s:s, s:[{s:s}]}", "name", r->risk, "url", url,
		"message", "Some clusters may be affected.", "matchingRules", "type", "Always");
	json_t *cond = condition_new(
		a, NULL, "Recommended", "False", r->risk, "Some clusters may be affected.");
	return json_pack("{s:o, s:[o], s:[o]}", "release", release_json(r, channel), "risks", risk,
		"conditions", cond);
}

/* Whether version or channel moved long enough ago for the update service to have answered. */
static bool graph_is_new(SimActors *a, const char *channel)
{
	Cvo *c = &a->cvo;
	bool away = has_fault(a, SIM_FAULT_RETRIEVED_UPDATES_FALSE);
	g_autofree char *key = g_strdup_printf(
		"%s %s%s", c->target, channel ? channel : "", away ? " unreachable" : "");
	if (g_strcmp0(key, c->graph_key) == 0) {
		c->graph_usec = 0;
		return false;
	}
	if (!c->graph_usec)
		c->graph_usec = a->now.boot_usec + (c->graph_key ? a->t.graph_usec : 0);
	if (c->graph_usec > a->now.boot_usec)
		return false;
	g_free(c->graph_key);
	c->graph_key = g_steal_pointer(&key);
	c->graph_usec = 0;
	return true;
}

/* Sets availableUpdates and conditionalUpdates when version or channel moved, after a while. */
static void offer(SimActors *a, const json_t *cv, json_t *next)
{
	const char *channel = tree_str(cv, "spec.channel");
	if (!graph_is_new(a, channel))
		return;
	bool none = !channel || !channel[0] || has_fault(a, SIM_FAULT_RETRIEVED_UPDATES_FALSE);
	g_autoptr(json_t) plain = json_array();
	g_autoptr(json_t) risky = json_array();
	for (size_t i = 0; i < a->n_releases && !none; i++) {
		const Release *r = &a->releases[i];
		if (!offered(r, a->cvo.target))
			continue;
		if (r->risk)
			json_array_append_new(risky, conditional(a, r, channel));
		else
			json_array_append_new(plain, release_json(r, channel));
	}
	json_object_set_new(next, "availableUpdates",
		json_array_size(plain) > 0 ? json_incref(plain) : json_null());
	if (json_array_size(risky) > 0 || tree_get(cv, "status.conditionalUpdates"))
		json_object_set(next, "conditionalUpdates", risky);
}

/* Steals next, which holds the members that may have changed. */
static void send_changes(SimActors *a, SimObj *cv, json_t *next)
{
	json_t *st = json_object_get(cv->json, "status");
	json_t *whole = st ? json_copy(st) : json_object();
	json_object_update(whole, next);
	json_decref(next);
	if (st && json_equal(st, whole))
		json_decref(whole);
	else
		out_replace_status(a, cv, "cluster-version-operator", whole);
}

void cvo_publish(SimActors *a, SimObj *cv)
{
	const json_t *st = json_object_get(cv->json, "status");
	View v = view(a);
	const Release known = { .version = (char *)v.target, .image = (char *)v.image };
	g_autofree char *hash = g_strdup_printf("hash-%s", v.target);
	json_t *next = json_pack("{s:o, s:o, s:o, s:I, s:s}", "desired",
		release_json(&known, tree_str(cv->json, "spec.channel")), "history",
		history(a, &v, st), "conditions", conditions(a, &v, cv->json), "observedGeneration",
		a->cvo.observed, "versionHash", hash);
	offer(a, cv->json, next);
	g_free(v.failing_message);
	send_changes(a, cv, next);
}
