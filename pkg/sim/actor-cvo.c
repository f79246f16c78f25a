/* The cluster-version operator: takes a request, loads and judges it, then walks the operators to
 * the target one by one. Traps that clients meet are kept: nothing shows for 1-13 s after a patch;
 * observedGeneration moves only with the apply loop; a refused request is tried again when its
 * reason goes. */
#include "base/num.h"
#include "codec/json.h"
#include "sim/actor-private.h"
#include "sim/tree.h"
#include <string.h>

/* Operators by run level, as the payload orders them. */
static const char *const order[] = { "etcd", "kube-apiserver", "kube-controller-manager",
	"kube-scheduler", "authentication", "ingress", "monitoring", "dns", "network",
	"machine-config" };

static void set_text(char **p, const char *text)
{
	char *old = *p;
	*p = g_strdup(text);
	g_free(old);
}

static bool healthy(const SimObj *co)
{
	const json_t *st = json_object_get(co->json, "status");
	return condition_is(st, "Available", "True") && condition_is(st, "Degraded", "False");
}

static const char *first_away(const SimActors *a)
{
	for (size_t i = 0; i < sim_store_n(a->store, SIM_CLUSTEROPERATORS); i++) {
		const SimObj *co = sim_store_at(a->store, SIM_CLUSTEROPERATORS, i);
		if (!condition_is(json_object_get(co->json, "status"), "Available", "True"))
			return co->name;
	}
	return NULL;
}

const Work *operators_at_work(SimActors *a)
{
	Work *w = &a->work;
	if (w->known)
		return w;
	*w = (Work){ .known = true, .away = first_away(a) };
	for (size_t i = 0; i < G_N_ELEMENTS(order); i++) {
		SimObj *co = find(a, SIM_CLUSTEROPERATORS, NULL, order[i]);
		if (!co)
			continue;
		w->all++;
		if (strcmp(operator_version(co), a->cvo.target) == 0 && healthy(co))
			w->done++;
		else if (!w->first)
			w->first = co;
	}
	return w;
}

SimObj *operator_in_work(SimActors *a, size_t *ret_done, size_t *ret_all)
{
	const Work *w = operators_at_work(a);
	*ret_done = w->done;
	*ret_all = w->all;
	return w->first;
}

static bool bad_release(const SimActors *a)
{
	return a->first && strcmp(a->cvo.target, a->first) != 0;
}

static bool master_updated(const SimActors *a, const char **ret_problem)
{
	const SimObj *pool = find(a, SIM_POOLS, NULL, "master");
	*ret_problem = NULL;
	if (!pool)
		return true;
	g_autofree char *rendered = sim_rendered_name("master", a->cvo.target);
	bool there = g_strcmp0(tree_str(pool->json, "spec.configuration.name"), rendered) == 0;
	bool done = there &&
		    g_strcmp0(tree_str(pool->json, "status.configuration.name"), rendered) == 0 &&
		    condition_is(json_object_get(pool->json, "status"), "Updated", "True");
	if (!done && tree_true(pool->json, "spec.paused"))
		*ret_problem = "required MachineConfigPool master is paused and can not sync until "
			       "it is unpaused";
	return done;
}

static json_t *operator_conditions(const SimActors *a, const SimObj *co, const char *available,
	const char *degraded, const char *progressing, const char *message)
{
	const json_t *st = json_object_get(co->json, "status");
	json_t *list = json_pack("[o, o, o]",
		condition_new(a, st, "Available", available,
			available[0] == 'T' ? "AsExpected" : "Unavailable", message),
		condition_new(a, st, "Degraded", degraded,
			degraded[0] == 'T' ? "RequiredPoolsFailed" : "AsExpected", message),
		condition_new(a, st, "Progressing", progressing, "AsExpected", message));
	json_t *up = condition_of(st, "Upgradeable");
	if (up)
		json_array_append(list, up);
	return list;
}

static void publish_operator(
	SimActors *a, const SimObj *co, json_t *conditions, const char *version)
{
	const json_t *st = json_object_get(co->json, "status");
	json_t *next = json_pack("{s:o}", "conditions", conditions);
	if (version)
		json_object_set_new(next, "versions",
			json_pack("[{s:s, s:s}]", "name", "operator", "version", version));
	bool same = json_equal(conditions, json_object_get(st, "conditions")) &&
		    (!version || strcmp(version, operator_version(co)) == 0);
	if (same)
		json_decref(next);
	else
		out_merge(a, co, SIM_SUB_STATUS, co->name, json_pack("{s:o}", "status", next));
}

/* One operator moves to the target. Returns when to look again. */
static int64_t step(SimActors *a, SimObj *co)
{
	Cvo *c = &a->cvo;
	g_autofree char *key = g_strdup_printf("%s %s", co->name, c->target);
	if (g_strcmp0(c->step, key) != 0) {
		set_text(&c->step, key);
		c->step_usec = a->now.boot_usec;
	}
	int64_t done_usec = c->step_usec + a->t.operator_usec;
	bool never = has_fault(a, SIM_FAULT_OPERATOR_NEVER_AVAILABLE) &&
		     strcmp(co->name, "ingress") == 0 && bad_release(a);
	const char *problem = NULL;
	bool waits = strcmp(co->name, "machine-config") == 0 && !master_updated(a, &problem);
	bool over = a->now.boot_usec >= done_usec;
	if (over && never) {
		publish_operator(a, co,
			operator_conditions(a, co, "False", "False", "True",
				"IngressControllerUnavailable: no replica is available"),
			NULL);
		return INT64_MAX;
	}
	if (over && !waits) {
		publish_operator(a, co,
			operator_conditions(a, co, "True", "False", "False", "All is well"),
			c->target);
		return INT64_MAX;
	}
	bool was_up = condition_is(json_object_get(co->json, "status"), "Available", "True");
	publish_operator(a, co,
		operator_conditions(a, co, was_up ? "True" : "False", problem ? "True" : "False",
			"True", problem ? problem : "Working towards the new version"),
		NULL);
	return over ? INT64_MAX : done_usec;
}

static void forget_request(Cvo *c)
{
	c->asked = ASKED_NOTHING;
	g_clear_pointer(&c->asked_image, g_free);
	g_clear_pointer(&c->asked_version, g_free);
	g_clear_pointer(&c->refused_reason, g_free);
	g_clear_pointer(&c->refused_message, g_free);
}

static void refuse(Cvo *c, const char *reason, char *message)
{
	c->asked = ASKED_REFUSED;
	set_text(&c->refused_reason, reason);
	g_free(c->refused_message);
	c->refused_message = message;
}

static void accept(SimActors *a, SimObj *cv, const char *version)
{
	Cvo *c = &a->cvo;
	set_text(&c->target, version);
	a->work.known = false;
	set_text(&c->target_image, c->asked_image);
	c->observed = tree_int(cv->json, "metadata.generation", 1);
	c->restarted = false;
	forget_request(c);
	c->asked = ASKED_ACCEPTED;
}

/* Whether the payload can be had and says what was asked; refuses when not. */
static const Release *payload(SimActors *a)
{
	Cvo *c = &a->cvo;
	const Release *r = release_by(a, NULL, c->asked_image);
	bool digest = strstr(c->asked_image, "@sha256:") != NULL;
	bool unsigned_ = has_fault(a, SIM_FAULT_UPGRADE_REFUSED) && r && a->first &&
			 strcmp(r->version, a->first) != 0;
	if (!r) {
		refuse(c, "RetrievePayload",
			g_strdup_printf("Retrieving payload failed version=\"%s\" image=\"%s\" "
					"failure: unable to retrieve the release image",
				c->asked_version ? c->asked_version : "", c->asked_image));
		return NULL;
	}
	if ((unsigned_ || !digest) && !c->asked_force) {
		refuse(c, "RetrievePayload",
			g_strdup_printf("Retrieving payload failed version=\"%s\" image=\"%s\" "
					"failure: The update cannot be verified: unable to verify "
					"%s against keyrings: verifier-public-key-redhat",
				r->version, c->asked_image, c->asked_image));
		return NULL;
	}
	if (c->asked_version && strcmp(c->asked_version, r->version) != 0) {
		refuse(c, "VerifyPayloadVersion",
			g_strdup_printf("Verifying payload failed version=\"%s\" image=\"%s\" "
					"failure: release image version %s does not match the "
					"expected upstream version %s",
				c->asked_version, c->asked_image, r->version, c->asked_version));
		return NULL;
	}
	return r;
}

static void judge(SimActors *a, SimObj *cv)
{
	Cvo *c = &a->cvo;
	const Release *r = payload(a);
	if (!r)
		return;
	const char *name, *reason;
	g_autofree char *message = NULL;
	bool blocked = cvo_blocked(a, cv->json, r->version, &name, &reason, &message);
	if (blocked && !c->asked_force) {
		refuse(c, "PreconditionChecks",
			g_strdup_printf(
				"Preconditions failed for payload loaded version=\"%s\" "
				"image=\"%s\": Precondition \"%s\" failed because of \"%s\": "
				"%s",
				r->version, r->image, name, reason, message));
		return;
	}
	g_free(c->accepted_risks);
	c->accepted_risks = blocked ? g_strdup_printf("Forced through blocking failures: "
						      "Precondition \"%s\" failed because of "
						      "\"%s\": %s",
					      name, reason, message)
				    : cvo_risks(a, r->version);
	accept(a, cv, r->version);
}

static bool same_request(const Cvo *c, const Wanted *w)
{
	return g_strcmp0(c->asked_image, w->image) == 0 &&
	       g_strcmp0(c->asked_version, w->version) == 0 && c->asked_force == w->force;
}

static int64_t take_request(SimActors *a, SimObj *cv)
{
	Cvo *c = &a->cvo;
	Wanted w = cvo_pick(a, cv->json);
	if (!w.image || strcmp(w.image, c->target_image) == 0) {
		forget_request(c);
		return INT64_MAX;
	}
	if (c->asked == ASKED_NOTHING || c->asked == ASKED_ACCEPTED || !same_request(c, &w)) {
		forget_request(c);
		c->asked = ASKED_LOADING;
		c->asked_image = g_strdup(w.image);
		c->asked_version = g_strdup(w.version);
		c->asked_force = w.force;
		int64_t span = a->t.load_max_usec - a->t.load_min_usec;
		c->load_usec =
			a->now.boot_usec + a->t.load_min_usec +
			(span > 0 ? (int64_t)(sim_store_random(a->store) % (uint64_t)span) : 0);
	}
	if (c->load_usec > a->now.boot_usec)
		return c->load_usec;
	judge(a, cv); /* a refused one too: its reason may be gone */
	return INT64_MAX;
}

/* Its memory after a start is what the object says. */
static void remember(SimActors *a, const SimObj *cv)
{
	Cvo *c = &a->cvo;
	const char *version = tree_str(cv->json, "status.desired.version");
	const char *image = tree_str(cv->json, "status.desired.image");
	if (c->target)
		return;
	if (!version)
		version = a->first ? a->first : "4.21.8";
	if (!a->first)
		a->first = g_strdup(version);
	c->target = g_strdup(version);
	a->work.known = false;
	c->target_image = image ? g_strdup(image) : sim_release_image(version);
	c->observed = tree_int(cv->json, "status.observedGeneration", 1);
}

/* The fault: the process dies in mid-update; the next one first believes in its own release. */
static int64_t maybe_restart(SimActors *a, size_t done, size_t all)
{
	Cvo *c = &a->cvo;
	if (!has_fault(a, SIM_FAULT_CVO_RESTART) || !bad_release(a))
		return INT64_MAX;
	if (!c->restarted && done >= all / 2 && done < all) {
		c->restarted = true;
		c->restart_usec = a->now.boot_usec + a->t.lag_usec;
	}
	return c->restart_usec > a->now.boot_usec ? c->restart_usec : INT64_MAX;
}

static int64_t reconcile(SimActors *a, const SimObj *cv)
{
	Cvo *c = &a->cvo;
	int64_t generation = tree_int(cv->json, "metadata.generation", 1);
	if (c->observed == generation) {
		c->reconcile_usec = 0;
		return INT64_MAX;
	}
	if (!c->reconcile_usec)
		c->reconcile_usec = a->now.boot_usec + a->t.reconcile_usec;
	if (c->reconcile_usec > a->now.boot_usec)
		return c->reconcile_usec;
	c->observed = generation;
	c->reconcile_usec = 0;
	return INT64_MAX;
}

int64_t cvo_tick(SimActors *a)
{
	SimObj *cv = find(a, SIM_CLUSTERVERSIONS, NULL, "version");
	if (!cv || cv->memo.busy)
		return INT64_MAX;
	remember(a, cv);
	int64_t due = cvo_upgradeable(a);
	due = sl_min(due, take_request(a, cv));
	due = sl_min(due, reconcile(a, cv));
	size_t done, all;
	SimObj *co = operator_in_work(a, &done, &all);
	due = sl_min(due, maybe_restart(a, done, all));
	bool down = a->cvo.restart_usec > a->now.boot_usec;
	if (co && !down && !co->memo.busy)
		due = sl_min(due, step(a, co));
	cvo_publish(a, cv);
	return MIN(due, a->cvo.graph_usec > a->now.boot_usec ? a->cvo.graph_usec : INT64_MAX);
}
