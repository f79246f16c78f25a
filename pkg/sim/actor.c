#include "codec/json.h"
#include "objects/time.h"
#include "objects/version.h"
#include "sim/actor-private.h"
#include "sim/tree.h"
#include <string.h>

enum { MAX_ROUNDS = 10000 };
#define SEC ((int64_t)1000000)
#define KIND(k) (1u << (k))

#define POOL_KINDS                                                                                 \
	(KIND(SIM_NODES) | KIND(SIM_POOLS) | KIND(SIM_MACHINECONFIGS) |                            \
		KIND(SIM_CLUSTEROPERATORS) | KIND(SIM_CLUSTERVERSIONS))

static const struct {
	SimTick *tick;
	unsigned kinds; /* a change of these is a reason to run */
} actors[SIM_ACTORS_N] = {
	[SIM_ACTOR_SCHEDULER] = { scheduler_tick, KIND(SIM_PODS) | KIND(SIM_NODES) },
	[SIM_ACTOR_REPLICASETS] = { replicasets_tick,
		KIND(SIM_PODS) | KIND(SIM_REPLICASETS) | KIND(SIM_STATEFULSETS) | KIND(SIM_JOBS) },
	[SIM_ACTOR_PDBS] = { pdbs_tick, KIND(SIM_PODS) | KIND(SIM_PDBS) | KIND(SIM_REPLICASETS) |
						KIND(SIM_CLUSTERVERSIONS) },
	[SIM_ACTOR_KUBELETS] = { kubelets_tick, KIND(SIM_PODS) | KIND(SIM_NODES) },
	[SIM_ACTOR_CVO] = { cvo_tick, KIND(SIM_CLUSTERVERSIONS) | KIND(SIM_CLUSTEROPERATORS) |
					      KIND(SIM_POOLS) | KIND(SIM_CONFIGMAPS) },
	[SIM_ACTOR_MCO] = { mco_tick, POOL_KINDS | KIND(SIM_PODS) },
	[SIM_ACTOR_LEASES] = { leases_tick, KIND(SIM_NODES) },
};

SimTimes sim_times_default(unsigned scale)
{
	const SimTimes at_one = {
		.second_usec = SEC,
		.load_min_usec = 1 * SEC,
		.load_max_usec = 13 * SEC,
		.operator_usec = 30 * SEC,
		.lag_usec = 4 * SEC,
		.reconcile_usec = 180 * SEC,
		.graph_usec = 3 * SEC,
		.degraded_usec = 2400 * SEC,
		.slow_usec = 1800 * SEC,
		.drain_start_usec = 5 * SEC,
		.drain_window_usec = 90 * SEC,
		.drain_pause_usec = 60 * SEC,
		.drain_slow_pause_usec = 300 * SEC,
		.drain_slow_after_usec = 600 * SEC,
		.evict_retry_usec = 5 * SEC,
		.drain_poll_usec = 10 * SEC,
		.os_usec = 60 * SEC,
		.reboot_usec = 90 * SEC,
		.pod_start_usec = 2 * SEC,
		.pod_ready_usec = 4 * SEC,
		.pod_exit_usec = 2 * SEC,
		.lease_usec = 10 * SEC,
	};
	SimTimes t = at_one;
	int64_t *f = (int64_t *)&t;
	for (size_t i = 0; i < sizeof t / sizeof *f; i++)
		f[i] = MAX(f[i] / (scale ? scale : 1), 1);
	t.lease_usec = at_one.lease_usec; /* a real server's clock does not run faster */
	return t;
}

void sim_times_scale_drains(SimTimes *t, unsigned scale)
{
	SimTimes d = sim_times_default(scale);
	t->second_usec = d.second_usec;
	t->drain_start_usec = d.drain_start_usec;
	t->drain_window_usec = d.drain_window_usec;
	t->drain_pause_usec = d.drain_pause_usec;
	t->drain_slow_pause_usec = d.drain_slow_pause_usec;
	t->drain_slow_after_usec = d.drain_slow_after_usec;
	t->evict_retry_usec = d.evict_retry_usec;
	t->pod_start_usec = d.pod_start_usec;
	t->pod_ready_usec = d.pod_ready_usec;
	t->pod_exit_usec = d.pod_exit_usec;
}

char *sim_release_image(const char *version)
{
	g_autofree char *seed = g_strconcat("release ", version, NULL);
	g_autofree char *digest = sl_sha256(seed, strlen(seed));
	return g_strconcat("release.sim/ocp/release@", digest, NULL);
}

char *sim_kube_version(const char *version)
{
	Version v;
	if (!version || !version_parse(version, &v))
		return g_strdup("v1.0.0");
	return g_strdup_printf("v1.%d.%d", v.minor + 13, v.patch);
}

char *sim_rendered_name(const char *pool, const char *version)
{
	g_autofree char *seed = g_strdup_printf("%s %s", pool, version);
	g_autofree char *digest = sl_sha256(seed, strlen(seed));
	return g_strdup_printf("rendered-%s-%.32s", pool, digest + strlen("sha256:"));
}

static void on_change(const SimChange *c, SimObj *obj, void *ud)
{
	SimActors *a = ud;
	if (c->kind->id == SIM_CLUSTEROPERATORS)
		a->work.known = false;
	a->pools_dirty |= (KIND(c->kind->id) & POOL_KINDS) != 0;
	pdbs_note(a, c, obj);
	for (size_t i = 0; i < SIM_ACTORS_N; i++)
		if (actors[i].kinds & KIND(c->kind->id))
			a->dirty[i] = true;
}

static void add_release(SimActors *a, const char *text)
{
	g_assert(a->n_releases < MAX_RELEASES);
	size_t n = strcspn(text, ":");
	Release *r = &a->releases[a->n_releases++];
	r->version = g_strndup(text, n);
	r->image = sim_release_image(r->version);
	r->risk = text[n] ? g_strdup(text + n + 1) : NULL;
}

SimActors *sim_actors_new(SimStore *store, const SimConfig *c)
{
	SimActors *a = g_new0(SimActors, 1);
	a->store = store;
	a->first = g_strdup(c->version);
	a->faults = c->faults;
	a->enabled = c->actors ? c->actors : SIM_ACTORS_WORLD;
	a->t = c->times.operator_usec ? c->times : sim_times_default(1);
	if (c->version)
		add_release(a, c->version);
	g_auto(GStrv) more = g_strsplit(c->releases ? c->releases : "", ",", MAX_RELEASES);
	for (size_t i = 0; more[i]; i++)
		if (more[i][0] && a->n_releases < MAX_RELEASES)
			add_release(a, more[i]);
	sim_store_listen(store, on_change, a);
	sim_actors_wake(a);
	return a;
}

static void cvo_clear(Cvo *c)
{
	g_free(c->target);
	g_free(c->target_image);
	g_free(c->asked_image);
	g_free(c->asked_version);
	g_free(c->refused_reason);
	g_free(c->refused_message);
	g_free(c->accepted_risks);
	g_free(c->invalid_message);
	g_free(c->graph_key);
	g_free(c->blocked_reason);
	g_free(c->blocked_message);
	g_free(c->step);
}

void sim_actors_free(SimActors *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->n_releases; i++) {
		g_free(a->releases[i].version);
		g_free(a->releases[i].image);
		g_free(a->releases[i].risk);
	}
	for (size_t i = 0; i < a->n_out; i++)
		sim_write_clear(&a->out[i]);
	cvo_clear(&a->cvo);
	g_free(a->out);
	g_free(a->first);
	g_free(a->lost_node);
	g_free(a);
}

void sim_actors_wake(SimActors *a)
{
	for (size_t i = 0; i < SIM_ACTORS_N; i++)
		a->dirty[i] = true;
	a->pools_dirty = a->pdbs_dirty = true;
}

void sim_actors_set_faults(SimActors *a, unsigned bits)
{
	a->faults = bits;
	sim_actors_wake(a);
}

unsigned sim_actors_faults(const SimActors *a)
{
	return a->faults;
}

static void flush(SimActors *a, SimSend *send, void *ud)
{
	SimWrite *out = a->out;
	size_t n = a->n_out;
	a->out = NULL;
	a->n_out = a->cap_out = 0;
	for (size_t i = 0; i < n; i++) {
		send(&out[i], ud);
		sim_write_clear(&out[i]);
	}
	g_free(out);
}

/* The first actor with a reason, in the order of the table. */
static bool next_actor(const SimActors *a, size_t *ret)
{
	for (size_t i = 0; i < SIM_ACTORS_N; i++)
		if ((a->enabled & SIM_ACTOR_BIT(i)) &&
			(a->dirty[i] || a->due[i] <= a->now.boot_usec)) {
			*ret = i;
			return true;
		}
	return false;
}

int64_t sim_actors_run(SimActors *a, SimNow now, SimSend *send, void *ud)
{
	size_t i;
	a->now = now;
	for (unsigned rounds = 0; next_actor(a, &i); rounds++) {
		g_assert(rounds < MAX_ROUNDS); /* two actors that undo each other */
		a->dirty[i] = false;
		a->due[i] = actors[i].tick(a);
		if (a->due[i] <= now.boot_usec)
			a->due[i] = now.boot_usec + 1;
		flush(a, send, ud);
	}
	int64_t due = INT64_MAX;
	for (i = 0; i < SIM_ACTORS_N; i++)
		if (a->enabled & SIM_ACTOR_BIT(i))
			due = MIN(due, a->due[i]);
	return due;
}

static SimWrite *out_new(SimActors *a)
{
	if (a->n_out == a->cap_out) {
		a->cap_out = a->cap_out ? 2 * a->cap_out : 16;
		a->out = g_renew(SimWrite, a->out, a->cap_out);
	}
	return &a->out[a->n_out++];
}

static void out_named(
	SimActors *a, SimVerb verb, const SimObj *o, SimSub sub, const char *manager, json_t *body)
{
	if (o->memo.busy) {
		json_decref(body);
		return;
	}
	*out_new(a) = (SimWrite){ .verb = verb,
		.kind = o->kind,
		.ns = g_strdup(o->ns),
		.name = g_strdup(o->name),
		.sub = sub,
		.manager = g_strdup(manager),
		.body = body };
}

void out_merge(SimActors *a, const SimObj *o, SimSub sub, const char *manager, json_t *body)
{
	out_named(a, SIM_MERGE, o, sub, manager, body);
}

void out_replace_status(SimActors *a, const SimObj *o, const char *manager, json_t *status)
{
	out_named(a, SIM_REPLACE, o, SIM_SUB_STATUS, manager, tree_set(o->json, "status", status));
}

void out_sub(SimActors *a, const SimObj *o, SimSub sub, const char *manager, json_t *body)
{
	out_named(a, SIM_CREATE, o, sub, manager, body);
}

void out_delete(SimActors *a, const SimObj *o, json_t *body)
{
	out_named(a, SIM_DELETE, o, SIM_SUB_NONE, NULL, body);
}

void out_create(SimActors *a, SimKindId k, const char *ns, const char *manager, json_t *body)
{
	*out_new(a) = (SimWrite){ .verb = SIM_CREATE,
		.kind = sim_kind(k),
		.ns = g_strdup(ns),
		.manager = g_strdup(manager),
		.body = body };
}

bool has_fault(const SimActors *a, SimFault f)
{
	return a->faults & SIM_FAULT_BIT(f);
}

SimObj *find(const SimActors *a, SimKindId k, const char *ns, const char *name)
{
	return sim_store_find(a->store, k, ns, name);
}

json_t *time_json(const SimActors *a)
{
	g_autofree char *t = sl_time_format(a->now.wall_usec);
	return json_string(t);
}

json_t *condition_of(const json_t *status, const char *type)
{
	size_t i;
	json_t *c;
	json_array_foreach (json_object_get(status, "conditions"), i, c) {
		const char *t = json_string_value(json_object_get(c, "type"));
		if (t && strcmp(t, type) == 0)
			return c;
	}
	return NULL;
}

bool condition_is(const json_t *status, const char *type, const char *is)
{
	const json_t *c = condition_of(status, type);
	return c && g_strcmp0(json_string_value(json_object_get(c, "status")), is) == 0;
}

static bool member_is(const json_t *object, const char *key, const char *text)
{
	return g_strcmp0(json_string_value(json_object_get(object, key)), text) == 0;
}

static void set_text(json_t *object, const char *key, const char *text)
{
	if (text)
		json_object_set_new_nocheck(object, key, json_string(text));
}

json_t *condition_new(const SimActors *a, const json_t *old_status, const char *type,
	const char *is, const char *reason, const char *message)
{
	json_t *old = condition_of(old_status, type);
	json_t *since = json_object_get(old, "lastTransitionTime");
	bool stays = since && member_is(old, "status", is);
	if (stays && member_is(old, "reason", reason) && member_is(old, "message", message))
		return json_incref(old);
	json_t *c = json_object();
	set_text(c, "type", type);
	set_text(c, "status", is);
	json_object_set_new_nocheck(
		c, "lastTransitionTime", stays ? json_incref(since) : time_json(a));
	set_text(c, "reason", reason);
	set_text(c, "message", message);
	return c;
}

const char *operator_version(const SimObj *co)
{
	size_t i;
	json_t *v;
	json_array_foreach (tree_get(co->json, "status.versions"), i, v) {
		if (g_strcmp0(tree_str(v, "name"), "operator") == 0)
			return tree_str(v, "version");
	}
	return "";
}

static const json_t *cluster_version(const SimActors *a)
{
	const SimObj *cv = find(a, SIM_CLUSTERVERSIONS, NULL, "version");
	return cv ? cv->json : NULL;
}

static const json_t *last_entry(const SimActors *a)
{
	return json_array_get(tree_get(cluster_version(a), "status.history"), 0);
}

bool sim_actors_updating(const SimActors *a)
{
	return g_strcmp0(tree_str(last_entry(a), "state"), "Partial") == 0;
}

bool sim_actors_moved(const SimActors *a)
{
	const json_t *e = last_entry(a);
	return e && a->first && g_strcmp0(tree_str(e, "state"), "Completed") == 0 &&
	       g_strcmp0(tree_str(e, "version"), a->first) != 0;
}

char *sim_actors_kube_version(const SimActors *a)
{
	const SimObj *co = find(a, SIM_CLUSTEROPERATORS, NULL, "kube-apiserver");
	return sim_kube_version(co ? operator_version(co) : a->first);
}
