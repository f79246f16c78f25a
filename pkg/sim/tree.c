#include "sim/tree.h"
#include "codec/json.h"
#include <string.h>

static json_t *copy_object(json_t *old)
{
	return json_is_object(old) ? json_copy(old) : json_object();
}

json_t *tree_merge(json_t *old, json_t *patch)
{
	if (!json_is_object(patch))
		return json_incref(patch);
	json_t *out = copy_object(old);
	const char *key;
	json_t *v;
	json_object_foreach (patch, key, v) {
		if (json_is_null(v))
			json_object_del(out, key);
		else
			json_object_set_new_nocheck(
				out, key, tree_merge(json_object_get(old, key), v));
	}
	return out;
}

static json_t *get_part(const json_t *root, const char **path)
{
	const char *dot = strchrnul(*path, '.');
	json_t *v = json_object_getn(root, *path, (size_t)(dot - *path));
	*path = *dot ? dot + 1 : dot;
	return v;
}

json_t *tree_get(const json_t *root, const char *path)
{
	json_t *v = (json_t *)root;
	while (v && *path)
		v = get_part(v, &path);
	return v;
}

const char *tree_str(const json_t *root, const char *path)
{
	return json_string_value(tree_get(root, path));
}

int64_t tree_int(const json_t *root, const char *path, int64_t def)
{
	const json_t *v = tree_get(root, path);
	return json_is_integer(v) ? json_integer_value(v) : def;
}

bool tree_true(const json_t *root, const char *path)
{
	return json_is_true(tree_get(root, path));
}

static const char *meta_map(const json_t *root, const char *map, const char *key)
{
	const json_t *m = json_object_get(json_object_get(root, "metadata"), map);
	return json_string_value(json_object_get(m, key));
}

const char *tree_annotation(const json_t *root, const char *key)
{
	return meta_map(root, "annotations", key);
}

const char *tree_label(const json_t *root, const char *key)
{
	return meta_map(root, "labels", key);
}

json_t *tree_set(json_t *old, const char *path, json_t *v)
{
	const char *dot = strchr(path, '.');
	json_t *out = copy_object(old);
	if (!dot) {
		if (v)
			json_object_set_new_nocheck(out, path, v);
		else
			json_object_del(out, path);
		return out;
	}
	g_autofree char *key = g_strndup(path, (size_t)(dot - path));
	json_object_set_new_nocheck(out, key, tree_set(json_object_get(old, key), dot + 1, v));
	return out;
}

/* JSON pointers: the first part of the pointer, unescaped; *path moves behind it. */
static char *pointer_part(const char **path)
{
	const char *slash = strchrnul(*path + 1, '/');
	char *part = g_strndup(*path + 1, (size_t)(slash - *path - 1));
	char *w = part;
	for (const char *r = part; *r; r++) {
		if (r[0] == '~' && (r[1] == '0' || r[1] == '1'))
			*w++ = *++r == '0' ? '~' : '/';
		else
			*w++ = *r;
	}
	*w = '\0';
	*path = slash;
	return part;
}

typedef struct Op {
	const char *op;
	json_t *value; /* NULL with remove */
} Op;

static json_t *apply_at(json_t *old, const char *path, const Op *op, GError **err);

/* The last part of the pointer inside an array. */
static json_t *apply_array(
	json_t *old, const char *part, const char *rest, const Op *op, GError **err)
{
	char *end = NULL;
	bool append = strcmp(part, "-") == 0;
	size_t i = append ? json_array_size(old) : g_ascii_strtoull(part, &end, 10);
	bool adding = strcmp(op->op, "add") == 0 && !*rest;
	if ((!append && (end == part || *end)) || i > json_array_size(old) ||
		(!adding && i == json_array_size(old))) {
		sl_fail(err, SL_ERR_REFUSED, "no element %s", part);
		return NULL;
	}
	g_autoptr(json_t) out = json_copy(old);
	if (*rest) {
		json_t *in = apply_at(json_array_get(old, i), rest, op, err);
		if (!in || json_array_set_new(out, i, in) < 0)
			return NULL;
	} else if (adding) {
		json_array_insert(out, i, op->value);
	} else if (strcmp(op->op, "remove") == 0) {
		json_array_remove(out, i);
	} else if (strcmp(op->op, "replace") == 0) {
		json_array_set(out, i, op->value);
	}
	return g_steal_pointer(&out);
}

static json_t *apply_object(
	json_t *old, const char *part, const char *rest, const Op *op, GError **err)
{
	json_t *in = json_object_get(old, part);
	if (!in && (*rest || strcmp(op->op, "add") != 0)) {
		sl_fail(err, SL_ERR_REFUSED, "no member %s", part);
		return NULL;
	}
	g_autoptr(json_t) out = json_copy(old);
	if (*rest) {
		json_t *v = apply_at(in, rest, op, err);
		if (!v)
			return NULL;
		json_object_set_new_nocheck(out, part, v);
	} else if (strcmp(op->op, "remove") == 0) {
		json_object_del(out, part);
	} else {
		json_object_set_nocheck(out, part, op->value);
	}
	return g_steal_pointer(&out);
}

static json_t *apply_at(json_t *old, const char *path, const Op *op, GError **err)
{
	g_autofree char *part = pointer_part(&path);
	if (json_is_array(old))
		return apply_array(old, part, path, op, err);
	if (json_is_object(old))
		return apply_object(old, part, path, op, err);
	sl_fail(err, SL_ERR_REFUSED, "%s is below a scalar", part);
	return NULL;
}

static const json_t *pointer_get(const json_t *root, const char *path)
{
	while (root && *path) {
		g_autofree char *part = pointer_part(&path);
		root = json_is_array(root) ? json_array_get(root, g_ascii_strtoull(part, NULL, 10))
					   : json_object_get(root, part);
	}
	return root;
}

static json_t *apply_op(json_t *old, const json_t *row, GError **err)
{
	const char *path = json_string_value(json_object_get(row, "path"));
	Op op = { json_string_value(json_object_get(row, "op")), json_object_get(row, "value") };
	bool removes = op.op && strcmp(op.op, "remove") == 0;
	if (!op.op || !path || path[0] != '/' || (!op.value && !removes)) {
		sl_fail(err, SL_ERR_INVALID, "op, path or value is missing");
		return NULL;
	}
	if (strcmp(op.op, "test") == 0) {
		if (json_equal(pointer_get(old, path), op.value))
			return json_incref(old);
		sl_fail(err, SL_ERR_REFUSED, "testing path %s failed", path);
		return NULL;
	}
	if (!removes && strcmp(op.op, "add") != 0 && strcmp(op.op, "replace") != 0) {
		sl_fail(err, SL_ERR_INVALID, "unexpected kind: %s", op.op);
		return NULL;
	}
	return apply_at(old, path, &op, err);
}

json_t *tree_json_patch(json_t *old, json_t *ops, GError **err)
{
	if (!json_is_array(ops)) {
		sl_fail(err, SL_ERR_INVALID, "a JSON patch is an array");
		return NULL;
	}
	g_autoptr(json_t) cur = json_incref(old);
	size_t i;
	json_t *row;
	json_array_foreach (ops, i, row) {
		json_t *next = apply_op(cur, row, err);
		if (!next)
			return NULL;
		json_decref(cur);
		cur = next;
	}
	return g_steal_pointer(&cur);
}

void tree_append_text(GString *out, const json_t *v)
{
	json_append(out, v, false);
}

char *tree_text(const json_t *v)
{
	GString *out = g_string_sized_new(1024);
	tree_append_text(out, v);
	return g_string_free(out, FALSE);
}
