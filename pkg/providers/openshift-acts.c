#include "providers/openshift-git.h"
#include <string.h>

const json_t *hop_of(const Item *it)
{
	return json_object_get(item_memo(it), "hop");
}

static void patch_spec(const char *key, const View *v, json_t *spec, ActRequest *ret)
{
	ret->method = "PATCH";
	ret->path = g_strdup(key);
	ret->body = json_pack(
		"{s:{s:s}, s:o}", "metadata", "resourceVersion", view_version(v), "spec", spec);
}

/* Which way this item goes: the rollback pivot is stored before the first write back. */
static bool going_back(const Item *it)
{
	return item_pivot_crossed(it, "rollback");
}

/* oc sends all four fields; version and image together, or the operator may target its own release
 * (trap f). */
static bool version_build(
	Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret)
{
	const json_t *hop = hop_of(it);
	bool back = going_back(it);
	const char *version = json_path_str(hop, back ? "from" : "to", "");
	const char *image = json_path_str(hop, back ? "fromImage" : "image", "");
	const char *wanted = cv_wanted_image(v->json);
	const char *other = json_path_str(hop, back ? "image" : "fromImage", "");
	if (gitops_owns(it, v, "ClusterVersion"))
		return false;
	if (*wanted && strcmp(wanted, image) != 0 && strcmp(wanted, other) != 0) {
		item_set_reason(it, "somebody else asks for %s in spec.desiredUpdate",
			cv_wanted_version(v->json));
		return false;
	}
	patch_spec(key, v,
		json_pack("{s:{s:s, s:s, s:s, s:b}}", "desiredUpdate", "architecture", "",
			"version", version, "image", image, "force", 0),
		ret);
	ret->want = json_pack("{s:s, s:s}", "version", version, "image", image);
	const json_t *old = json_path(v->json, "spec.desiredUpdate");
	ret->undo = json_pack("{s:O?}", "desiredUpdate", old);
	return true;
}

static Class version_classify(const json_t *want, const View *v)
{
	if (v->missing)
		return CLASS_FOREIGN;
	return strcmp(cv_wanted_image(v->json), json_path_str(want, "image", "")) == 0
		       ? CLASS_DONE
		       : CLASS_ABSENT;
}

const ActRow act_set_version = {
	.name = "set-version",
	.effect = EFFECT_BY_VERSION,
	.fact = &fact_object,
	.fence = &act_raise_epoch,
	.build = version_build,
	.classify = version_classify,
	.may = target_may_order,
};

/* A refused request is retried by the operator for ever (trap c): whoever gives up clears it. */
static bool clear_build(
	Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret)
{
	patch_spec(key, v, json_pack("{s:n}", "desiredUpdate"), ret);
	return true;
}

static Class clear_classify(const json_t *want, const View *v)
{
	return json_is_object(json_path(v->json, "spec.desiredUpdate")) ? CLASS_ABSENT : CLASS_DONE;
}

const ActRow act_clear_version = {
	.name = "clear-version",
	.effect = EFFECT_BY_VERSION,
	.fact = &fact_object,
	.build = clear_build,
	.classify = clear_classify,
};

static bool channel_build(
	Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret)
{
	const char *channel = json_path_str(hop_of(it), "channel", "");
	if (gitops_owns(it, v, "ClusterVersion"))
		return false;
	patch_spec(key, v, json_pack("{s:s}", "channel", channel), ret);
	return true;
}

static Class channel_classify(const json_t *want, const View *v)
{
	const char *wanted = json_path_str(want, "spec.channel", "");
	return strcmp(json_path_str(v->json, "spec.channel", ""), wanted) == 0 ? CLASS_DONE
									       : CLASS_ABSENT;
}

const ActRow act_set_channel = {
	.name = "set-channel",
	.effect = EFFECT_BY_VERSION,
	.fact = &fact_object,
	.build = channel_build,
	.classify = channel_classify,
	.may = target_may_order,
};

/* The key is PATH#ACK: one administrator acknowledgement each. */
static bool ack_build(Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret)
{
	const char *hash = strchr(key, '#');
	g_assert(hash);
	if (v->missing) {
		item_set_reason(it, "ConfigMap openshift-config/admin-acks does not exist");
		return false;
	}
	if (gitops_owns(it, v, "ConfigMap admin-acks"))
		return false;
	ret->method = "PATCH";
	ret->path = g_strndup(key, (size_t)(hash - key));
	ret->body = json_pack("{s:{s:s}, s:{s:s}}", "metadata", "resourceVersion", view_version(v),
		"data", hash + 1, "true");
	ret->want = json_pack("{s:s}", "ack", hash + 1);
	return true;
}

static Class ack_classify(const json_t *want, const View *v)
{
	const json_t *data = json_object_get(v->json, "data");
	const char *value =
		json_string_value(json_object_get(data, json_path_str(want, "ack", "")));
	return value && strcmp(value, "true") == 0 ? CLASS_DONE : CLASS_ABSENT;
}

const ActRow act_give_ack = {
	.name = "give-ack",
	.effect = EFFECT_BY_VERSION,
	.fact = &fact_object,
	.build = ack_build,
	.classify = ack_classify,
	.may = target_may_order,
};

/* ---- pools: the brake. Not a mark: abort and undo leave it, since releasing it starts the
 * workers' upgrade. ---- */

const json_t *pool_find(const json_t *pools, const char *name)
{
	size_t i;
	json_t *p;
	json_array_foreach (json_object_get(pools, "items"), i, p)
		if (strcmp(json_path_str(p, "metadata.name", ""), name) == 0)
			return p;
	return NULL;
}

/* MCO: pools with this label are waited for by the machine-config ClusterOperator. */
bool pool_is_worker(const json_t *pool)
{
	const json_t *labels = json_path(pool, "metadata.labels");
	if (json_object_get(
		    labels, "operator.machineconfiguration.openshift.io/required-for-upgrade"))
		return false;
	const char *name = json_path_str(pool, "metadata.name", "");
	return strcmp(name, "master") != 0 && strcmp(name, "arbiter") != 0;
}

bool pool_brake_of(const char *text, const char *fleet)
{
	g_autoptr(json_t) brake = text ? json_loads(text, 0, NULL) : NULL;
	return strcmp(json_path_str(brake, "fleet", ""), fleet) == 0;
}

bool pool_paused_by(const json_t *pool, const char *fleet)
{
	const json_t *notes = json_path(pool, "metadata.annotations");
	const char *text = json_string_value(json_object_get(notes, BRAKE_ANNOTATION));
	return json_path_bool(pool, "spec.paused", false) && pool_brake_of(text, fleet);
}

bool pool_at_its_wish(const json_t *pool)
{
	return strcmp(json_path_str(pool, "spec.configuration.name", ""),
		       json_path_str(pool, "status.configuration.name", "-")) == 0 &&
	       json_path_int(pool, "status.updatedMachineCount", -2) ==
		       json_path_int(pool, "status.machineCount", -1);
}

bool pool_settled(const json_t *pool)
{
	int64_t n = json_path_int(pool, "status.machineCount", -1);
	return pool_at_its_wish(pool) && json_path_int(pool, "status.readyMachineCount", -2) == n &&
	       json_path_int(pool, "status.unavailableMachineCount", 0) == 0 &&
	       json_path_int(pool, "status.degradedMachineCount", 0) == 0;
}

static void patch_pool(const char *fleet, const char *key, const View *v, bool paused,
	json_t *brake, ActRequest *ret)
{
	ret->method = "PATCH";
	ret->path = g_strdup(key);
	ret->body = json_pack("{s:{s:s, s:{s:o}}, s:{s:b}}", "metadata", "resourceVersion",
		view_version(v), "annotations", BRAKE_ANNOTATION, brake, "spec", "paused",
		(int)paused);
	ret->want = json_pack("{s:b, s:s}", "paused", (int)paused, "fleet", fleet);
}

static bool pause_build(
	Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret)
{
	if (json_path_bool(v->json, "spec.paused", false) &&
		!pool_paused_by(v->json, target_of(it)->fleet)) {
		item_set_reason(it, "pool %s is paused by somebody else",
			json_path_str(v->json, "metadata.name", key));
		return false;
	}
	g_autofree char *what =
		g_strdup_printf("pool %s", json_path_str(v->json, "metadata.name", key));
	if (gitops_owns(it, v, what))
		return false;
	Target *t = target_of(it);
	g_autoptr(json_t) brake = json_pack("{s:s, s:s, s:I}", "fleet", t->fleet, "run",
		item_name(item_parent(it)), "epoch", (json_int_t)site_epoch(t->site));
	g_autofree char *text = json_canonical(brake);
	patch_pool(t->fleet, key, v, true, json_string(text), ret);
	return true;
}

static bool release_build(
	Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret)
{
	if (!pool_paused_by(v->json, target_of(it)->fleet)) {
		item_set_reason(it, "the brake on pool %s is not ours any more",
			json_path_str(v->json, "metadata.name", key));
		return false;
	}
	patch_pool(target_of(it)->fleet, key, v, false, json_null(), ret);
	return true;
}

static Class pool_classify(const json_t *want, const View *v)
{
	bool paused = json_path_bool(want, "paused", false);
	if (v->missing)
		return CLASS_FOREIGN;
	bool is = paused ? pool_paused_by(v->json, json_path_str(want, "fleet", ""))
			 : !json_path_bool(v->json, "spec.paused", false);
	return is ? CLASS_DONE : CLASS_ABSENT;
}

const ActRow act_pause_pool = {
	.name = "pause-pool",
	.effect = EFFECT_BY_VERSION,
	.fact = &fact_object,
	.build = pause_build,
	.classify = pool_classify,
	.may = target_may_order,
};
const ActRow act_release_pool = {
	.name = "release-pool",
	.effect = EFFECT_BY_VERSION,
	.fact = &fact_object,
	.build = release_build,
	.classify = pool_classify,
};
