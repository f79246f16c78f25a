#include "sim/managed.h"
#include "codec/json.h"
#include "objects/time.h"
#include "sim/tree.h"
#include <string.h>

/* Never owned by anybody. */
static bool is_server_field(const char *key)
{
	static const char *const names[] = { "managedFields", "resourceVersion", "uid",
		"generation", "creationTimestamp", "deletionTimestamp",
		"deletionGracePeriodSeconds", "name", "namespace", "selfLink" };
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
		if (strcmp(key, names[i]) == 0)
			return true;
	return false;
}

static char *field_key(const char *key)
{
	return g_strconcat("f:", key, NULL);
}

static json_t *child(json_t *set, const char *key)
{
	g_autofree char *f = field_key(key);
	json_t *c = json_object_get(set, f);
	if (!c) {
		c = json_object();
		json_object_set_new_nocheck(set, f, c);
	}
	return c;
}

static void prune(json_t *set, const char *key)
{
	g_autofree char *f = field_key(key);
	if (json_object_size(json_object_get(set, f)) == 0)
		json_object_del(set, f);
}

static bool skip(const char *key, int depth)
{
	if (depth == 0)
		return strcmp(key, "apiVersion") == 0 || strcmp(key, "kind") == 0;
	return depth == 1 && is_server_field(key);
}

static bool is_tree(const json_t *v)
{
	return json_is_object(v) && json_object_size(v) > 0;
}

/* Adds every leaf that differs to set. depth 1 is used only below metadata: server fields live
 * there. */
static void changed(const json_t *was, const json_t *now, json_t *set, int depth)
{
	const char *key;
	json_t *v;
	json_object_foreach ((json_t *)now, key, v) {
		json_t *old = json_object_get(was, key);
		if (old == v || skip(key, depth) || (!is_tree(v) && json_equal(old, v)))
			continue;
		int below = depth == 0 && strcmp(key, "metadata") == 0 ? 1 : 2;
		json_t *c = child(set, key);
		if (is_tree(v)) {
			changed(old, v, c, below);
			prune(set, key);
		}
	}
	json_object_foreach ((json_t *)was, key, v) {
		if (!json_object_get(now, key) && !skip(key, depth))
			child(set, key); /* removed: it takes the field from its owners */
	}
}

/* Takes every leaf of gone out of set; members that are empty afterwards go too. */
static void subtract(json_t *set, const json_t *gone)
{
	const char *key;
	json_t *v;
	void *tmp;
	json_object_foreach_safe (set, tmp, key, v) {
		json_t *g = json_object_get(gone, key);
		if (!g)
			continue;
		if (is_tree(g) && is_tree(v))
			subtract(v, g);
		if (!is_tree(g) || json_object_size(v) == 0)
			json_object_del(set, key);
	}
}

/* Adds to set those leaves of add that the object still has. */
static void unite(json_t *set, const json_t *add, const json_t *obj)
{
	const char *key;
	json_t *v;
	json_object_foreach ((json_t *)add, key, v) {
		json_t *value = json_object_get(obj, key + 2);
		if (!value)
			continue;
		json_t *c = child(set, key + 2);
		if (is_tree(v)) {
			unite(c, v, value);
			prune(set, key + 2);
		}
	}
}

static bool same_writer(const json_t *entry, const ManagedWrite *w)
{
	return g_strcmp0(tree_str(entry, "manager"), w->manager) == 0 &&
	       g_strcmp0(tree_str(entry, "operation"), w->operation) == 0 &&
	       g_strcmp0(tree_str(entry, "subresource"), w->subresource) == 0;
}

static json_t *entry_new(const ManagedWrite *w, json_t *fields)
{
	g_autofree char *time = sl_time_format(w->now_usec);
	json_t *e = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "manager", w->manager, "operation",
		w->operation, "apiVersion", w->api_version, "time", time, "fieldsType", "FieldsV1",
		"fieldsV1", fields);
	if (w->subresource)
		json_object_set_new(e, "subresource", json_string(w->subresource));
	return e;
}

/* The entries of all writers, where w owns the leaves in owned and nobody else those in taken. With
 * Apply what w owned before is forgotten: the body says all. */
static json_t *entries_after(const json_t *now, const json_t *taken, const json_t *owned,
	const ManagedWrite *w, bool keep_own)
{
	json_t *out = json_array();
	const json_t *list = tree_get(now, "metadata.managedFields");
	g_autoptr(json_t) own = json_object();
	size_t i;
	json_t *e;
	json_array_foreach (list, i, e) {
		g_autoptr(json_t) fields = json_deep_copy(json_object_get(e, "fieldsV1"));
		if (same_writer(e, w)) {
			if (keep_own)
				unite(own, fields, now);
			continue;
		}
		subtract(fields, taken);
		if (json_object_size(fields) == 0)
			continue;
		json_t *copy = json_copy(e);
		json_object_set(copy, "fieldsV1", fields);
		json_array_append_new(out, copy);
	}
	unite(own, owned, now);
	if (json_object_size(own) > 0)
		json_array_append_new(out, entry_new(w, json_incref(own)));
	return out;
}

/* Whether set holds every leaf of part. */
static bool covers(const json_t *set, const json_t *part)
{
	const char *key;
	json_t *v;
	json_object_foreach ((json_t *)part, key, v) {
		const json_t *in = json_object_get(set, key);
		if (!in || is_tree(in) != is_tree(v) || (is_tree(v) && !covers(in, v)))
			return false;
	}
	return true;
}

static bool intersects(const json_t *a, const json_t *b)
{
	const char *key;
	json_t *v;
	json_object_foreach ((json_t *)b, key, v) {
		const json_t *in = json_object_get(a, key);
		if (in && (!is_tree(in) || !is_tree(v) || intersects(in, v)))
			return true;
	}
	return false;
}

/* Whether the object has every leaf of set: none was removed. */
static bool present(const json_t *obj, const json_t *set)
{
	const char *key;
	json_t *v;
	json_object_foreach ((json_t *)set, key, v) {
		const json_t *in = json_object_get(obj, key + 2);
		if (!in || (is_tree(v) && !present(in, v)))
			return false;
	}
	return true;
}

/* The usual case: the writer owns all that it touched, and nobody else does. */
static bool nothing_moves(const json_t *list, const json_t *touched, const ManagedWrite *w)
{
	bool mine = false;
	size_t i;
	json_t *e;
	json_array_foreach (list, i, e) {
		const json_t *fields = json_object_get(e, "fieldsV1");
		if (!same_writer(e, w) && intersects(fields, touched))
			return false;
		if (same_writer(e, w))
			mine = covers(fields, touched);
	}
	return mine;
}

json_t *managed_update(const json_t *was, const json_t *now, const ManagedWrite *w)
{
	g_autoptr(json_t) touched = json_object();
	changed(was, now, touched, 0);
	json_t *list = tree_get(now, "metadata.managedFields");
	if (present(now, touched) && nothing_moves(list, touched, w))
		return json_incref(list);
	return entries_after(now, touched, touched, w, true);
}

/* Every leaf of the body. */
static void leaves(const json_t *body, json_t *set, int depth)
{
	const char *key;
	json_t *v;
	json_object_foreach ((json_t *)body, key, v) {
		if (skip(key, depth))
			continue;
		int below = depth == 0 && strcmp(key, "metadata") == 0 ? 1 : 2;
		json_t *c = child(set, key);
		if (is_tree(v)) {
			leaves(v, c, below);
			prune(set, key);
		}
	}
}

/* Leaves of wanted that others' fields hold too, where the object's value is another one. */
static void find_conflicts(const json_t *fields, const json_t *wanted, const json_t *was,
	const json_t *body, const char *path, const char *manager, json_t *causes)
{
	const char *key;
	json_t *v;
	json_object_foreach ((json_t *)wanted, key, v) {
		const json_t *theirs = json_object_get(fields, key);
		const json_t *a = json_object_get(was, key + 2),
			     *b = json_object_get(body, key + 2);
		if (!theirs || json_equal(a, b))
			continue;
		g_autofree char *at = g_strconcat(path, ".", key + 2, NULL);
		if (is_tree(v) && is_tree(theirs)) {
			find_conflicts(theirs, v, a, b, at, manager, causes);
			continue;
		}
		g_autofree char *message = g_strdup_printf("conflict with \"%s\"", manager);
		json_array_append_new(
			causes, json_pack("{s:s, s:s, s:s}", "reason", "FieldManagerConflict",
					"message", message, "field", at));
	}
}

/* The object without the leaves in gone. */
static json_t *without(json_t *obj, const json_t *gone)
{
	json_t *out = json_copy(obj);
	const char *key;
	json_t *v;
	json_object_foreach ((json_t *)gone, key, v) {
		json_t *in = json_object_get(obj, key + 2);
		json_object_del(out, key + 2);
		if (!in || !is_tree(v) || !json_is_object(in))
			continue;
		g_autoptr(json_t) rest = without(in, v);
		if (json_object_size(rest) > 0)
			json_object_set(out, key + 2, rest);
	}
	return out;
}

bool managed_apply(json_t *was, json_t *body, const ManagedWrite *w, bool force, json_t **ret,
	json_t **ret_conflicts)
{
	g_autoptr(json_t) wanted = json_object();
	leaves(body, wanted, 0);
	g_autoptr(json_t) causes = json_array();
	g_autoptr(json_t) dropped = json_object();
	size_t i;
	json_t *e;
	json_array_foreach (tree_get(was, "metadata.managedFields"), i, e) {
		const json_t *fields = json_object_get(e, "fieldsV1");
		if (same_writer(e, w)) {
			json_decref(dropped);
			dropped = json_deep_copy(fields);
		} else if (!force)
			find_conflicts(
				fields, wanted, was, body, "", tree_str(e, "manager"), causes);
	}
	if (json_array_size(causes) > 0) {
		*ret_conflicts = g_steal_pointer(&causes);
		return false;
	}
	subtract(dropped, wanted);
	json_array_foreach (tree_get(was, "metadata.managedFields"), i, e) {
		if (!same_writer(e, w))
			subtract(dropped, json_object_get(e, "fieldsV1"));
	}
	g_autoptr(json_t) base = was ? without(was, dropped) : json_object();
	g_autoptr(json_t) merged = tree_merge(base, body);
	g_autoptr(json_t) touched = json_object();
	changed(was, merged, touched, 0);
	*ret = tree_set(
		merged, "metadata.managedFields", entries_after(merged, touched, wanted, w, false));
	return true;
}
