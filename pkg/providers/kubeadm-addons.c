/* kube-proxy and CoreDNS. kubeadm moves them with the last node of the control plane; on the way
 * back they are put back from the objects of the backup set after the kubelets and before scheduler
 * and controller manager, since kube-proxy may never be newer than an API server. Only what is
 * installed is touched, and only what is not as it was saved. */
#include "providers/kubeadm-addons.h"
#include "base/num.h"
#include "objects/version.h"
#include "providers/kubeadm-moves.h"
#include "providers/kubeadm-sh.h"
#include <string.h>

enum { POLL_SEC = 2, SETTLE_SEC = 300, AWAY_SEC = 60 };
#define SYSTEM "namespaces/kube-system/"
/* ConfigMaps first: the pods read them when they start. */
static const struct Addon {
	const char *kind, *name, *path, *part; /* part: of the object, that is put back */
	bool rolls;
} addons[] = {
	{ "ConfigMap", "kube-proxy", "/api/v1/" SYSTEM "configmaps/kube-proxy", "data", false },
	{ "ConfigMap", "coredns", "/api/v1/" SYSTEM "configmaps/coredns", "data", false },
	{ "DaemonSet", "kube-proxy", "/apis/apps/v1/" SYSTEM "daemonsets/kube-proxy", "template",
		true },
	{ "Deployment", "coredns", "/apis/apps/v1/" SYSTEM "deployments/coredns", "template",
		true },
};

/* ---- what was saved ---- */

static const char saved[] =
	"tmp=$(mktemp) || die \"cannot make a file in /tmp\"\n"
	"trap 'rm -f \"$tmp\"' EXIT\n"
	"set_file shiplock/objects.json \"$tmp\" || { say \"shiplock-objects 0\"; exit 0; }\n"
	"say \"shiplock-objects 1\"\n"
	"cat \"$tmp\"\n";

char *kubeadm_objects_text(const char *backup_key)
{
	return sh_text((const ShValue[]){ { "key", backup_key }, { 0 } }, SH_SET, saved);
}

static json_t *part_of(const json_t *object, const struct Addon *a)
{
	return a->rolls ? json_path(object, "spec.template") : json_object_get(object, a->part);
}

json_t *kubeadm_objects_parsed(const char *out, GError **err)
{
	static const char none[] = "shiplock-objects 0\n", some[] = "shiplock-objects 1\n";
	const char *text = strstr(out, some);
	size_t i;
	json_t *o;
	if (g_str_has_prefix(out, none))
		return json_object();
	g_autoptr(json_t) list =
		text ? json_parse(text + strlen(some), strlen(text + strlen(some)), err) : NULL;
	if (!text)
		sl_fail(err, SL_ERR_INVALID, "the node's answer names no saved objects");
	if (!list)
		return NULL;
	json_t *parts = json_object();
	json_array_foreach (json_object_get(list, "items"), i, o)
		for (size_t k = 0; k < G_N_ELEMENTS(addons); k++) {
			bool is =
				strcmp(json_path_str(o, "kind", ""), addons[k].kind) == 0 &&
				strcmp(json_path_str(o, "metadata.name", ""), addons[k].name) == 0;
			json_t *part = is ? part_of(o, &addons[k]) : NULL;
			if (part)
				json_object_set(parts, addons[k].path, part);
		}
	return parts;
}

/* ---- differences, as a merge patch ---- */

/* NULL: want stands there. New reference. */
static json_t *patch_to(const json_t *is, const json_t *want)
{
	if (!json_is_object(want) || !json_is_object(is))
		return json_equal((json_t *)is, (json_t *)want) ? NULL : json_deep_copy(want);
	json_t *out = json_object(), *v;
	const char *key;
	json_object_foreach ((json_t *)want, key, v) {
		json_t *part = patch_to(json_object_get(is, key), v);
		if (part)
			json_object_set_new(out, key, part);
	}
	json_object_foreach ((json_t *)is, key, v)
		if (!json_object_get(want, key))
			json_object_set_new(out, key, json_null());
	if (json_object_size(out) > 0)
		return out;
	json_decref(out);
	return NULL;
}

/* Whether what the patch asks for stands; a server may have added defaults of its own. */
static bool covers(const json_t *is, const json_t *want)
{
	const char *key;
	json_t *v;
	size_t i;
	if (json_is_null(want))
		return !is || json_is_null(is);
	if (json_is_array(want)) {
		bool all = json_array_size(is) == json_array_size(want);
		json_array_foreach (want, i, v)
			all = all && covers(json_array_get(is, i), v);
		return all;
	}
	if (!json_is_object(want))
		return json_equal((json_t *)is, (json_t *)want);
	bool all = json_is_object(is);
	json_object_foreach ((json_t *)want, key, v)
		all = all && covers(json_object_get(is, key), v);
	return all;
}

/* ---- the act ---- */

static const struct Addon *addon_at(const char *path)
{
	for (size_t i = 0; i < G_N_ELEMENTS(addons); i++)
		if (strcmp(addons[i].path, path) == 0)
			return &addons[i];
	return NULL;
}

/* Parts by path; NULL: unread. */
static const json_t *saved_parts(Item *it, bool ask)
{
	Machine m;
	if (!kubeadm_machine(it, 0, &m))
		return NULL;
	const json_t *keys = json_object_get(item_memo(it), "backupKeys");
	const char *set = json_string_value(json_object_get(keys, m.name));
	g_autofree char *what = g_strdup_printf(KUBEADM_OBJECTS "%s", set ? set : "");
	g_autofree char *key = node_key(m.address, what);
	const View *v = ask ? fact(it, &fact_node_try, key) : fact_peek(it, &fact_node_try, key);
	return v && set ? json_object_get(v->json, "parsed") : NULL;
}

/* What is to be written; NULL: nothing. New reference. */
static json_t *patch_of(const struct Addon *a, const json_t *object, const json_t *parts)
{
	const json_t *want = json_object_get(parts, a->path);
	return want ? patch_to(part_of(object, a), want) : NULL;
}

static bool addon_build(
	Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret)
{
	const struct Addon *a = addon_at(key);
	json_t *patch = v->missing ? NULL : patch_of(a, v->json, saved_parts(it, false));
	if (!patch) {
		item_set_reason(it, "%s %s is not there, or not known as it was", a->kind, a->name);
		return false;
	}
	ret->method = "PATCH";
	ret->path = g_strdup(key);
	ret->want = json_pack("{s:s, s:O}", "path", key, "part", patch);
	ret->body = a->rolls ? json_pack("{s:{s:o}}", "spec", "template", patch)
			     : json_pack("{s:o}", a->part, patch);
	json_object_set_new(
		ret->body, "metadata", json_pack("{s:s}", "resourceVersion", view_version(v)));
	return true;
}

static Class addon_classify(const json_t *want, const View *v)
{
	const struct Addon *a = addon_at(json_path_str(want, "path", ""));
	if (v->missing)
		return CLASS_FOREIGN;
	return covers(part_of(v->json, a), json_object_get(want, "part")) ? CLASS_DONE
									  : CLASS_ABSENT;
}

const ActRow act_kubeadm_addon = {
	.name = "addon-back",
	.effect = EFFECT_BY_VERSION,
	.fact = &fact_object,
	.build = addon_build,
	.classify = addon_classify,
};

/* ---- rolled out ---- */

static bool is_seen(const json_t *o)
{
	return json_path_int(o, "status.observedGeneration", 0) >=
	       json_path_int(o, "metadata.generation", 0);
}

/* NULL: every pod is of this template and available. A node that is not Ready counts for no pod.
 * Caller frees. */
static char *unrolled(const struct Addon *a, const json_t *o, int64_t n_not_ready)
{
	bool daemon = strcmp(a->kind, "DaemonSet") == 0;
	int64_t want = daemon ? json_path_int(o, "status.desiredNumberScheduled", 0) - n_not_ready
			      : json_path_int(o, "spec.replicas", 1);
	int64_t new = json_path_int(
		o, daemon ? "status.updatedNumberScheduled" : "status.updatedReplicas", 0);
	int64_t up =
		json_path_int(o, daemon ? "status.numberAvailable" : "status.availableReplicas", 0);
	int64_t all = daemon ? want : json_path_int(o, "status.replicas", 0);
	if (!is_seen(o))
		return g_strdup_printf("%s %s was not taken up yet", a->kind, a->name);
	if (new >= want && up >= want &&all <= want)
		return NULL;
	return g_strdup_printf("%s %s: %d of %d pods are new and %d available", a->kind, a->name,
		(int)new, (int)want, (int)up);
}

static int64_t not_ready(const json_t *nodes)
{
	int64_t n = 0;
	size_t i;
	json_t *o;
	json_array_foreach (json_object_get(nodes, "items"), i, o)
		n += !kubeadm_is_ready(nodes, json_path_str(o, "metadata.name", ""));
	return n;
}

/* It was not rolled out before this hop either. */
static bool was_broken(const Item *it, const struct Addon *a)
{
	const json_t *list = json_object_get(item_memo(it), "addonsBefore");
	size_t i;
	json_t *p;
	json_array_foreach (list, i, p)
		if (strcmp(json_string_value(p), a->path) == 0)
			return true;
	return false;
}

bool kubeadm_addons_stand(Item *it, int64_t now, int64_t since, StepResult *ret)
{
	int64_t fresh = sl_max(since, now - POLL_SEC * SL_USEC_PER_SEC);
	const View *nodes = fact(it, &fact_list, KUBEADM_NODES);
	*ret = step_read(it);
	for (size_t i = 0; i < G_N_ELEMENTS(addons); i++) {
		const struct Addon *a = &addons[i];
		const View *v = a->rolls ? fact_since(it, &fact_object, a->path, fresh) : NULL;
		if (a->rolls && (!v || !nodes))
			return false;
		if (!v || v->missing || (was_broken(it, a) && is_seen(v->json)))
			continue;
		g_autofree char *why = unrolled(a, v->json, not_ready(nodes->json));
		if (!why)
			continue;
		*ret = item_observed_usec(it) > SETTLE_SEC * SL_USEC_PER_SEC
			       ? step_hold(it, "addons", "%s", why)
			       : step_wait(it, 0, "%s", why);
		ret->until_usec = now + POLL_SEC * SL_USEC_PER_SEC;
		return false;
	}
	return true;
}

bool kubeadm_addons_before(Item *it, Batch *b)
{
	const View *nodes = fact(it, &fact_list, KUBEADM_NODES);
	g_autoptr(json_t) broken = json_array();
	bool all = nodes != NULL;
	for (size_t i = 0; i < G_N_ELEMENTS(addons); i++) {
		const View *v = addons[i].rolls ? fact(it, &fact_object, addons[i].path) : NULL;
		all = all && (v || !addons[i].rolls);
		g_autofree char *why = v && !v->missing && nodes ? unrolled(&addons[i], v->json,
									   not_ready(nodes->json))
								 : NULL;
		if (why)
			json_array_append_new(broken, json_string(addons[i].path));
	}
	if (all)
		batch_memo(b, it, "addonsBefore", json_incref(broken));
	return all;
}

/* ---- back ---- */

/* The way back may be what brings the API server back: kubeadm puts its own addons back then. */
static bool is_api_away(Item *it, Batch *b)
{
	int64_t wall = loop_wall_usec(saga_loop(item_saga(it)));
	int64_t since = json_path_int(item_memo(it), "addonsAway", 0);
	bool now_away = fact_error(it, &fact_object, addons[0].path) != NULL;
	if (now_away != (since > 0))
		batch_memo(b, it, "addonsAway", json_integer(now_away ? wall : 0));
	return now_away && since > 0 && wall - since > AWAY_SEC * SL_USEC_PER_SEC;
}

static bool is_newer(const json_t *object, const char *than)
{
	const char *image = json_path_str(object, "spec.template.spec.containers.0.image", "");
	const char *colon = strrchr(image, ':');
	Version v;
	const char *tag = colon ? colon + 1 : "";
	return version_parse(*tag == 'v' ? tag + 1 : tag, &v) && kubeadm_newer(tag, than);
}

static StepResult not_saved(Item *it, const struct Addon *a)
{
	return step_hold_person(it, "addons",
		"%s %s is newer than %s, and no backup set has it as it was: set its image to the "
		"one of %s (kubectl -n kube-system set image), then resume",
		a->kind, a->name, kubeadm_from(it), kubeadm_from(it));
}

/* One addon as it was. False: *ret. */
static bool put_back(Item *it, int64_t now, Batch *b, const struct Addon *a, const json_t *parts,
	int64_t *ret_since, StepResult *ret)
{
	const Act *act = act_find(it, &act_kubeadm_addon, a->path);
	bool done = act && act_state(act) == ACT_DONE;
	int64_t settled = done ? act_settled_usec(act) : 0;
	const View *v = fact_since(
		it, &fact_object, a->path, sl_max(settled, now - POLL_SEC * SL_USEC_PER_SEC));
	*ret = step_read(it);
	*ret_since = sl_max(*ret_since, settled);
	if (!v || v->missing)
		return v != NULL;
	bool stands = done && addon_classify(act_want(act), v) == CLASS_DONE;
	g_autoptr(json_t) patch = stands ? NULL : patch_of(a, v->json, parts);
	if (patch)
		*ret = step_act(it, &act_kubeadm_addon, a->path, b);
	else if (!json_object_get(parts, a->path) && strcmp(a->name, "kube-proxy") == 0 &&
		 is_newer(v->json, kubeadm_from(it)))
		*ret = not_saved(it, a);
	else
		return true;
	return false;
}

static StepResult addons_back_tick(Item *it, int64_t now, Batch *b)
{
	Machine m;
	StepResult r;
	int64_t since = 0;
	bool known = kubeadm_machine(it, 0, &m);
	if (!known || is_api_away(it, b)) {
		item_set_reason(it, "kube-proxy and CoreDNS come back with kubeadm");
		return step_done(0);
	}
	if (!kubeadm_key_known(it, now, b, &m, &r))
		return r;
	bool set = json_is_string(
		json_object_get(json_object_get(item_memo(it), "backupKeys"), m.name));
	const json_t *parts = set ? saved_parts(it, true) : NULL;
	if (set && !parts)
		return step_read(it);
	for (size_t i = 0; i < G_N_ELEMENTS(addons); i++)
		if (!put_back(it, now, b, &addons[i], parts, &since, &r))
			return r;
	if (!kubeadm_addons_stand(it, now, since, &r))
		return r;
	item_set_reason(it, "kube-proxy and CoreDNS are those of %s", kubeadm_from(it));
	return step_done(0);
}

const StepOps step_addons_back = { "addons-back", addons_back_tick };
