/* The marks of a drain: a cordon or a taint, each in one patch with the annotation that says whose
 * it is and what stood there before. */
#include "kube/request.h"
#include "steps/drain-internal.h"
#include <string.h>

#define OWNER "shiplock.dev/drain"

char *drain_node_path(const Item *node)
{
	return kube_path(&kube_nodes, NULL, item_name(node), NULL);
}

/* {"fleet","run","epoch","prior"}; NULL when the node carries none. New reference. */
static json_t *owner_of(const json_t *node)
{
	const char *text =
		json_string_value(json_object_get(json_path(node, "metadata.annotations"), OWNER));
	return text ? json_loads(text, 0, NULL) : NULL;
}

static const char *run_of(const Item *node)
{
	const Item *run = item_parent(item_parent(node));
	return run ? item_name(run) : "";
}

static bool is_same(const json_t *a, const json_t *b)
{
	return strcmp(json_path_str(a, "fleet", ""), json_path_str(b, "fleet", "-")) == 0 &&
	       strcmp(json_path_str(a, "run", ""), json_path_str(b, "run", "-")) == 0;
}

/* Of the holder that this cluster was taken over from: fenced off, so it never takes it away. */
static bool is_left_behind(const Item *node, const json_t *owner)
{
	const Item *cluster = item_parent(node);
	return json_object_get(item_memo(cluster), "takeover") &&
	       json_path_int(owner, "epoch", INT64_MAX) < site_epoch(item_site(node));
}

static bool is_ours(const Item *node, const json_t *owner)
{
	g_autoptr(json_t) us =
		json_pack("{s:s, s:s}", "fleet", target_of(node)->fleet, "run", run_of(node));
	return owner && is_same(owner, us);
}

static bool unschedulable(const json_t *node)
{
	return json_path_bool(node, "spec.unschedulable", false);
}

static bool has_taint(const json_t *node)
{
	size_t i;
	json_t *t;
	json_array_foreach (json_path(node, "spec.taints"), i, t) {
		if (strcmp(json_path_str(t, "key", ""), DRAIN_TAINT) == 0)
			return true;
	}
	return false;
}

/* The node's taints without ours. New reference. */
static json_t *other_taints(const json_t *node)
{
	json_t *out = json_array(), *t;
	size_t i;
	json_array_foreach (json_path(node, "spec.taints"), i, t) {
		if (strcmp(json_path_str(t, "key", ""), DRAIN_TAINT) != 0)
			json_array_append(out, t);
	}
	return out;
}

static bool by_taint(const Item *node)
{
	return json_path_bool(item_data(node), "taint", false);
}

bool drain_is_isolated(const Item *node, const View *v)
{
	if (!v || v->missing)
		return false;
	g_autoptr(json_t) owner = owner_of(v->json);
	bool stands = by_taint(node) ? has_taint(v->json) : unschedulable(v->json);
	return stands && is_ours(node, owner);
}

static void patch(
	const char *key, const View *v, json_t *annotations, json_t *spec, ActRequest *ret)
{
	ret->method = "PATCH";
	ret->path = g_strdup(key);
	ret->body = json_pack("{s:{s:s, s:o}}", "metadata", "resourceVersion", view_version(v),
		"annotations", annotations);
	if (spec)
		json_object_set_new(ret->body, "spec", spec);
}

/* NULL with the reason: not ours to change. New reference. */
static json_t *new_owner(Item *it, const View *v)
{
	if (v->missing) {
		item_set_reason(it, "node %s does not exist", item_name(it));
		return NULL;
	}
	g_autoptr(json_t) owner = owner_of(v->json);
	if (owner && !is_ours(it, owner) && !is_left_behind(it, owner)) {
		item_set_reason(it, "fleet %s, run %s drains node %s",
			json_path_str(owner, "fleet", "?"), json_path_str(owner, "run", "?"),
			item_name(it));
		return NULL;
	}
	bool prior = owner ? json_path_bool(owner, "prior", false) : unschedulable(v->json);
	return json_pack("{s:s, s:s, s:I, s:b}", "fleet", target_of(it)->fleet, "run", run_of(it),
		"epoch", (json_int_t)site_epoch(item_site(it)), "prior", (int)prior);
}

static void finish_mark(
	const char *key, const View *v, json_t *owner, json_t *spec, ActRequest *ret)
{
	g_autofree char *text = json_canonical(owner);
	patch(key, v, json_pack("{s:s}", OWNER, text), spec, ret);
	ret->want = owner;
	ret->undo = json_pack("{s:b}", "prior", (int)json_path_bool(owner, "prior", false));
}

static bool cordon_build(
	Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret)
{
	json_t *owner = new_owner(it, v);
	if (!owner)
		return false;
	finish_mark(key, v, owner, json_pack("{s:b}", "unschedulable", 1), ret);
	return true;
}

static bool taint_build(
	Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret)
{
	json_t *owner = new_owner(it, v);
	if (!owner)
		return false;
	json_t *taints = other_taints(v->json);
	json_array_append_new(taints, json_pack("{s:s, s:s, s:s}", "key", DRAIN_TAINT, "value",
					      "drain", "effect", "NoSchedule"));
	finish_mark(key, v, owner, json_pack("{s:o}", "taints", taints), ret);
	return true;
}

static Class mark_class(const json_t *want, const View *v, bool stands)
{
	if (v->missing)
		return CLASS_FOREIGN;
	g_autoptr(json_t) owner = owner_of(v->json);
	if (!owner)
		return CLASS_ABSENT;
	bool older = json_path_int(owner, "epoch", 0) < json_path_int(want, "epoch", 0);
	if (!is_same(owner, want))
		return older ? CLASS_ABSENT : CLASS_FOREIGN;
	return stands ? CLASS_DONE : CLASS_ABSENT;
}

static Class cordon_classify(const json_t *want, const View *v)
{
	return mark_class(want, v, unschedulable(v->json));
}

static Class taint_classify(const json_t *want, const View *v)
{
	return mark_class(want, v, has_taint(v->json));
}

static bool is_there(Item *it, const View *v)
{
	if (v->missing)
		item_set_reason(it, "node %s does not exist any more", item_name(it));
	return !v->missing;
}

/* Where the mark is not ours any more nothing is changed, and that is written too: as a patch
 * without a change. A cordon that stood before ours stays; one that a person took away stays away.
 */
static bool uncordon_build(
	Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret)
{
	if (!is_there(it, v))
		return false;
	g_autoptr(json_t) owner = owner_of(v->json);
	bool ours = is_ours(it, owner);
	bool free = ours && unschedulable(v->json) && !json_path_bool(owner, "prior", false);
	patch(key, v, ours ? json_pack("{s:n}", OWNER) : json_object(),
		free ? json_pack("{s:n}", "unschedulable") : NULL, ret);
	ret->want = json_pack("{s:s, s:s}", "fleet", target_of(it)->fleet, "run", run_of(it));
	return true;
}

static bool untaint_build(
	Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret)
{
	if (!is_there(it, v))
		return false;
	g_autoptr(json_t) owner = owner_of(v->json);
	bool ours = is_ours(it, owner);
	json_t *spec = ours && has_taint(v->json)
			       ? json_pack("{s:o}", "taints", other_taints(v->json))
			       : NULL;
	patch(key, v, ours ? json_pack("{s:n}", OWNER) : json_object(), spec, ret);
	ret->want = json_pack("{s:s, s:s}", "fleet", target_of(it)->fleet, "run", run_of(it));
	return true;
}

static Class gone_classify(const json_t *want, const View *v)
{
	g_autoptr(json_t) owner = owner_of(v->json);
	return owner && is_same(owner, want) ? CLASS_ABSENT : CLASS_DONE;
}

const ActRow act_uncordon = {
	.name = "uncordon",
	.effect = EFFECT_BY_VERSION,
	.fact = &fact_object,
	.build = uncordon_build,
	.classify = gone_classify,
};
const ActRow act_cordon = {
	.name = "cordon",
	.effect = EFFECT_BY_VERSION,
	.fact = &fact_object,
	.undo = &act_uncordon,
	.build = cordon_build,
	.classify = cordon_classify,
};
const ActRow act_untaint = {
	.name = "untaint",
	.effect = EFFECT_BY_VERSION,
	.fact = &fact_object,
	.build = untaint_build,
	.classify = gone_classify,
};
const ActRow act_taint = {
	.name = "taint",
	.effect = EFFECT_BY_VERSION,
	.fact = &fact_object,
	.undo = &act_untaint,
	.build = taint_build,
	.classify = taint_classify,
};
