#include "sim/write.h"
#include "codec/json.h"
#include "objects/time.h"
#include "sim/managed.h"
#include "sim/tree.h"
#include <string.h>

#define STALE                                                                                      \
	"the object has been modified; please apply your changes to the latest version and try "   \
	"again"

void sim_write_clear(SimWrite *w)
{
	g_free(w->ns);
	g_free(w->name);
	g_free(w->manager);
	json_decref(w->body);
	*w = (SimWrite){ 0 };
}

static ManagedWrite managed_write(const SimWrite *w, int64_t now_usec)
{
	return (ManagedWrite){
		.manager = w->manager ? w->manager : "unknown",
		.operation = w->verb == SIM_APPLY ? "Apply" : "Update",
		.subresource = w->sub == SIM_SUB_STATUS ? "status" : NULL,
		.api_version = sim_kind_api_version(w->kind),
		.now_usec = now_usec,
	};
}

/* The body's own precondition. */
static bool stale(const SimWrite *w, const SimObj *o, SimAnswer *ret)
{
	const char *rv = tree_str(w->body, "metadata.resourceVersion");
	const char *uid = tree_str(w->body, "metadata.uid");
	if (rv && rv[0] && strcmp(rv, tree_str(o->json, "metadata.resourceVersion")) != 0) {
		*ret = sim_conflict(w->kind, o->name, STALE);
		return true;
	}
	if (uid && uid[0] && strcmp(uid, tree_str(o->json, "metadata.uid")) != 0) {
		g_autofree char *why = g_strdup_printf("Precondition failed: UID in precondition: "
						       "%s, UID in object meta: %s",
			uid, tree_str(o->json, "metadata.uid"));
		*ret = sim_conflict(w->kind, o->name, why);
		return true;
	}
	return false;
}

/* Steals obj; what nobody else holds is changed in place. */
static json_t *with_member(json_t *obj, const char *key, json_t *v)
{
	if (json_object_get(obj, key) == v)
		return obj;
	if (obj->refcount == 1) {
		if (v)
			json_object_set_nocheck(obj, key, v);
		else
			json_object_del(obj, key);
		return obj;
	}
	json_t *out = tree_set(obj, key, v ? json_incref(v) : NULL);
	json_decref(obj);
	return out;
}

/* Steals next; keeps what no client may change. */
static json_t *keep_meta(const json_t *was, json_t *next)
{
	static const char *const fixed[] = { "name", "namespace", "uid", "resourceVersion",
		"creationTimestamp", "generation", "deletionTimestamp",
		"deletionGracePeriodSeconds", "managedFields" };
	json_t *old = json_object_get(was, "metadata"), *given = json_object_get(next, "metadata");
	if (given == old)
		return next;
	json_t *meta = json_is_object(given) ? json_copy(given) : json_object();
	for (size_t i = 0; i < G_N_ELEMENTS(fixed); i++) {
		json_t *v = json_object_get(old, fixed[i]);
		if (v)
			json_object_set_nocheck(meta, fixed[i], v);
		else
			json_object_del(meta, fixed[i]);
	}
	json_t *out = with_member(next, "metadata", meta);
	json_decref(meta);
	return out;
}

/* Steals obj and v. */
static json_t *with_meta(json_t *obj, const char *key, json_t *v)
{
	json_t *meta = json_object_get(obj, "metadata");
	if (obj->refcount == 1 && meta && meta->refcount == 1) {
		json_object_set_new_nocheck(meta, key, v);
		return obj;
	}
	meta = meta ? json_copy(meta) : json_object();
	json_object_set_new_nocheck(meta, key, v);
	json_t *out = with_member(obj, "metadata", meta);
	json_decref(meta);
	return out;
}

/* Steals next; only the part that this path may write is kept. */
static json_t *keep_part(const SimWrite *w, json_t *was, json_t *next)
{
	if (w->sub == SIM_SUB_STATUS) {
		json_t *out = json_copy(was);
		json_t *status = json_object_get(next, "status");
		out = with_member(out, "status", status);
		json_decref(next);
		return out;
	}
	next = keep_meta(was, next);
	next = with_member(next, "kind", json_object_get(was, "kind"));
	next = with_member(next, "apiVersion", json_object_get(was, "apiVersion"));
	return w->kind->status ? with_member(next, "status", json_object_get(was, "status")) : next;
}

static bool same(const json_t *a, const json_t *b)
{
	return a == b || json_equal(a, b);
}

/* Whether anything outside metadata and status differs. */
static bool spec_changed(const json_t *was, const json_t *next)
{
	const char *key;
	json_t *v;
	json_object_foreach ((json_t *)next, key, v) {
		if (strcmp(key, "metadata") != 0 && strcmp(key, "status") != 0 &&
			!same(json_object_get(was, key), v))
			return true;
	}
	json_object_foreach ((json_t *)was, key, v) {
		if (!json_object_get(next, key) && strcmp(key, "metadata") != 0 &&
			strcmp(key, "status") != 0)
			return true;
	}
	return false;
}

static bool wants_removal(const json_t *obj)
{
	return tree_str(obj, "metadata.deletionTimestamp") &&
	       json_array_size(tree_get(obj, "metadata.finalizers")) == 0;
}

static SimAnswer answer_of(const SimObj *o, int status)
{
	return (SimAnswer){ .status = status, .snap = sim_snap_ref(o->snap) };
}

/* The rules of the ClusterVersion's own validation that clients meet. */
static bool invalid(const SimWrite *w, const json_t *next, SimAnswer *ret)
{
	if (w->kind->id != SIM_CLUSTERVERSIONS)
		return false;
	const json_t *u = tree_get(next, "spec.desiredUpdate");
	const char *image = tree_str(u, "image"), *arch = tree_str(u, "architecture");
	const char *bad = NULL;
	if (u && !json_is_object(u) && !json_is_null(u))
		bad = "must be of type object";
	else if (image && image[0] && arch && arch[0])
		bad = "cannot set both Architecture and Image";
	else if (arch && arch[0] && !(tree_str(u, "version") && tree_str(u, "version")[0]))
		bad = "Version must be set if Architecture is set";
	if (!bad)
		return false;
	*ret = sim_fail(422, "Invalid", w->kind, tree_str(next, "metadata.name"),
		sim_cause("FieldValueInvalid", bad, "spec.desiredUpdate"),
		"ClusterVersion.config.openshift.io \"%s\" is invalid: spec.desiredUpdate: Invalid "
		"value: \"object\": %s",
		tree_str(next, "metadata.name"), bad);
	return true;
}

/* Steals next (judged and cut to its part). */
static SimAnswer commit(SimStore *s, const SimWrite *w, SimObj *o, json_t *next, int64_t now_usec)
{
	SimAnswer a;
	if (same(o->json, next)) {
		json_decref(next);
		return answer_of(o, 200);
	}
	if (invalid(w, next, &a)) {
		json_decref(next);
		return a;
	}
	if (w->kind->generation && w->sub == SIM_SUB_NONE && spec_changed(o->json, next)) {
		int64_t gen = tree_int(o->json, "metadata.generation", 1) + 1;
		next = with_meta(next, "generation", json_integer(gen));
	}
	if (w->kind->tracked && w->verb != SIM_APPLY) {
		ManagedWrite m = managed_write(w, now_usec);
		next = with_meta(next, "managedFields", managed_update(o->json, next, &m));
	}
	if (w->dry_run)
		return (SimAnswer){ .status = 200, .json = next };
	o = sim_store_put(s, w->kind, next);
	a = answer_of(o, 200);
	if (wants_removal(o->json))
		sim_store_remove(s, o);
	return a;
}

static SimAnswer patch_failed(const SimWrite *w, const char *name, const GError *err)
{
	if (err->code == SL_ERR_INVALID)
		return sim_bad_request("%s", err->message);
	return sim_fail(422, "Invalid", w->kind, name, NULL,
		"the server rejected our request due to an error in our request: %s", err->message);
}

static SimAnswer update(SimStore *s, const SimWrite *w, SimObj *o, int64_t now_usec)
{
	g_autoptr(GError) err = NULL;
	SimAnswer a;
	json_t *next;
	if (w->verb == SIM_JSON_PATCH) {
		next = tree_json_patch(o->json, w->body, &err);
		if (!next)
			return patch_failed(w, o->name, err);
		const char *rv = tree_str(next, "metadata.resourceVersion");
		if (g_strcmp0(rv, tree_str(o->json, "metadata.resourceVersion")) != 0) {
			json_decref(next);
			return sim_conflict(w->kind, o->name, STALE);
		}
	} else if (stale(w, o, &a)) {
		return a;
	} else {
		next = w->verb == SIM_MERGE ? tree_merge(o->json, w->body) : json_copy(w->body);
	}
	return commit(s, w, o, keep_part(w, o->json, next), now_usec);
}

/* Whether two managedFields say the same but for the times and the order of their entries. */
static bool same_owners(const json_t *a, const json_t *b)
{
	if (json_array_size(a) != json_array_size(b))
		return false;
	size_t n_found = 0;
	for (size_t i = 0; i < json_array_size(a); i++) {
		g_autoptr(json_t) x = tree_set(json_array_get(a, i), "time", NULL);
		for (size_t j = 0; j < json_array_size(b); j++) {
			g_autoptr(json_t) y = tree_set(json_array_get(b, j), "time", NULL);
			n_found += json_equal(x, y) ? 1 : 0;
		}
	}
	return n_found == json_array_size(a);
}

static SimAnswer apply(SimStore *s, const SimWrite *w, SimObj *o, int64_t now_usec)
{
	SimAnswer a;
	if (stale(w, o, &a))
		return a;
	ManagedWrite m = managed_write(w, now_usec);
	json_t *next = NULL, *causes = NULL;
	if (!managed_apply(o->json, w->body, &m, w->force, &next, &causes)) {
		const char *what = tree_str(json_array_get(causes, 0), "message");
		g_autofree char *first = g_strdup(what);
		return sim_fail(409, "Conflict", w->kind, o->name, causes,
			"Apply failed with %zu conflict%s: %s", json_array_size(causes),
			json_array_size(causes) == 1 ? "" : "s", first);
	}
	g_autoptr(json_t) fields = json_incref(tree_get(next, "metadata.managedFields"));
	next = keep_part(w, o->json, next);
	/* An apply that changes no value but owns more is a change too; times alone are none. */
	json_t *was = tree_get(o->json, "metadata.managedFields");
	g_autoptr(json_t) bare = tree_set(next, "metadata.managedFields", json_incref(was));
	if (json_equal(bare, o->json) && same_owners(was, fields)) {
		json_decref(next);
		return answer_of(o, 200);
	}
	json_t *out = tree_set(next, "metadata.managedFields", json_incref(fields));
	json_decref(next);
	return commit(s, w, o, out, now_usec);
}

static json_t *new_meta(SimStore *s, const SimWrite *w, const char *name, int64_t now_usec)
{
	json_t *given = json_object_get(w->body, "metadata");
	json_t *meta = json_is_object(given) ? json_copy(given) : json_object();
	g_autofree char *uid = sim_store_uid(s), *time = sl_time_format(now_usec);
	json_object_set_new(meta, "name", json_string(name));
	if (w->kind->namespaced)
		json_object_set_new(meta, "namespace", json_string(w->ns));
	if (!w->whole || !json_object_get(meta, "uid"))
		json_object_set_new(meta, "uid", json_string(uid));
	if (!w->whole || !json_object_get(meta, "creationTimestamp"))
		json_object_set_new(meta, "creationTimestamp", json_string(time));
	json_object_del(meta, "managedFields");
	json_object_del(meta, "generateName");
	if (w->kind->generation)
		json_object_set_new(meta, "generation", json_integer(1));
	return meta;
}

static json_t *new_object(SimStore *s, const SimWrite *w, const char *name, int64_t now_usec)
{
	g_autoptr(json_t) obj = json_copy(w->body);
	json_object_set_new(obj, "metadata", new_meta(s, w, name, now_usec));
	if (w->kind->status && !w->whole)
		json_object_del(obj, "status");
	if (w->kind->id == SIM_PODS && !w->whole)
		json_object_set_new(obj, "status", json_pack("{s:s}", "phase", "Pending"));
	if (w->kind->builtin) {
		json_object_del(obj, "kind");
		json_object_del(obj, "apiVersion");
	} else {
		json_object_set_new(obj, "kind", json_string(w->kind->kind));
		json_object_set_new(obj, "apiVersion", json_string(sim_kind_api_version(w->kind)));
	}
	if (w->kind->tracked) {
		ManagedWrite m = managed_write(w, now_usec);
		json_t *fields = managed_update(NULL, obj, &m);
		json_object_set_new(json_object_get(obj, "metadata"), "managedFields", fields);
	}
	return g_steal_pointer(&obj);
}

static char *new_name(SimStore *s, const SimWrite *w)
{
	const char *name = tree_str(w->body, "metadata.name");
	const char *prefix = tree_str(w->body, "metadata.generateName");
	if (name && name[0])
		return g_strdup(name);
	if (w->name)
		return g_strdup(w->name);
	if (!prefix || !prefix[0])
		return NULL;
	g_autofree char *suffix = sim_store_suffix(s);
	return g_strconcat(prefix, suffix, NULL);
}

static SimAnswer create(SimStore *s, const SimWrite *w, int64_t now_usec)
{
	const char *kind = tree_str(w->body, "kind");
	if (!json_is_object(w->body) || (kind && strcmp(kind, w->kind->kind) != 0))
		return sim_bad_request(
			"the object provided is unrecognized (must be of type %s)", w->kind->kind);
	if (tree_str(w->body, "metadata.resourceVersion"))
		return sim_bad_request(
			"resourceVersion should not be set on objects to be created");
	g_autofree char *name = new_name(s, w);
	if (!name)
		return sim_fail(422, "Invalid", w->kind, NULL, NULL,
			"%s \"\" is invalid: metadata.name: Required value: name or generateName "
			"is required",
			w->kind->kind);
	if (w->kind->namespaced && !sim_store_find(s, SIM_NAMESPACES, NULL, w->ns))
		return sim_not_found(sim_kind(SIM_NAMESPACES), w->ns);
	if (sim_store_find(s, w->kind->id, w->ns, name))
		return sim_fail(409, "AlreadyExists", w->kind, name, NULL,
			"%s \"%s\" already exists", w->kind->plural, name);
	json_t *obj = new_object(s, w, name, now_usec);
	SimAnswer a;
	if (invalid(w, obj, &a)) {
		json_decref(obj);
		return a;
	}
	if (w->dry_run)
		return (SimAnswer){ .status = 201, .json = obj };
	return answer_of(sim_store_put(s, w->kind, obj), 201);
}

static json_t *bound(json_t *pod, const char *node, int64_t now_usec)
{
	g_autofree char *time = sl_time_format(now_usec);
	g_autoptr(json_t) status = json_copy(json_object_get(pod, "status"));
	json_object_set_new(status, "conditions",
		json_pack("[{s:s, s:s, s:s}]", "type", "PodScheduled", "status", "True",
			"lastTransitionTime", time));
	g_autoptr(json_t) out = tree_set(pod, "spec.nodeName", json_string(node));
	return tree_set(out, "status", json_incref(status));
}

static SimAnswer bind(SimStore *s, const SimWrite *w, SimObj *o, int64_t now_usec)
{
	const char *node = tree_str(w->body, "target.name");
	if (!node)
		return sim_bad_request("target.name is required");
	if (o->pod.node || o->pod.deleting)
		return sim_conflict(w->kind, o->name, "pod is already assigned to a node");
	if (!w->dry_run)
		sim_store_put(s, w->kind, bound(o->json, node, now_usec));
	return (SimAnswer){ .status = 201,
		.json = json_pack("{s:s, s:s, s:{}, s:s, s:i}", "kind", "Status", "apiVersion",
			"v1", "metadata", "status", "Success", "code", 201) };
}

static SimAnswer apply_new(SimStore *s, const SimWrite *w, int64_t now_usec)
{
	SimWrite c = *w;
	if (!tree_str(w->body, "metadata.resourceVersion"))
		return create(s, &c, now_usec);
	return sim_conflict(w->kind, w->name, "uid mismatch: the object does not exist");
}

SimAnswer sim_write(SimStore *s, const SimWrite *w, int64_t now_usec)
{
	if (w->verb == SIM_CREATE && w->sub == SIM_SUB_NONE)
		return create(s, w, now_usec);
	SimObj *o = sim_store_find(s, w->kind->id, w->ns, w->name);
	if (!o)
		return w->verb == SIM_APPLY && w->sub == SIM_SUB_NONE
			       ? apply_new(s, w, now_usec)
			       : sim_not_found(w->kind, w->name);
	if (w->sub == SIM_SUB_EVICTION)
		return sim_evict(s, w, now_usec);
	if (w->sub == SIM_SUB_BINDING)
		return bind(s, w, o, now_usec);
	if (w->verb == SIM_DELETE)
		return sim_delete(s, w, o, now_usec);
	if (!json_is_object(w->body) && w->verb != SIM_JSON_PATCH)
		return sim_bad_request("the body is not an object");
	return w->verb == SIM_APPLY ? apply(s, w, o, now_usec) : update(s, w, o, now_usec);
}
