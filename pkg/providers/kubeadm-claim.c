/* The claim on a cluster without an object of its own for it: a ConfigMap of ours. Its version is
 * the fence, as ClusterVersion's is elsewhere. */
#include "base/num.h"
#include "objects/version.h"
#include "providers/kubeadm.h"
#include <string.h>

static int64_t highest_epoch(const View *v)
{
	const char *text = v->json ? json_path_str(v->json, "data.epoch", "0") : "0";
	int64_t n = 0;
	return g_ascii_string_to_signed(text, 10, 0, INT64_MAX, &n, NULL) ? n : 0;
}

/* The higher of what stands there and what the server says now. */
static const char *higher(const char *stands, const char *is)
{
	is = *is == 'v' ? is + 1 : is;
	return *is && (!*stands || version_compare_text(is, stands) > 0) ? is : stands;
}

/* Besides the epoch the high-water marks of the cluster: what an older version could not read may
 * have been stored at any time since. */
static json_t *data_of(Item *it, const View *v, int64_t epoch)
{
	g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, epoch);
	const json_t *old = v->json ? json_object_get(v->json, "data") : NULL;
	const View *version = fact_peek(it, &fact_object, KUBEADM_VERSION);
	const json_t *is = version ? version->json : NULL;
	const char *compat = json_path_str(is, "minCompatibilityMinor", ""),
		   *stands = json_path_str(old, "highestCompat", "");
	const char *highest =
		higher(json_path_str(old, "highest", ""), json_path_str(is, "gitVersion", ""));
	if (hop_crossed(it, "control-plane")) /* back again, or not: it has been there */
		highest = higher(highest, kubeadm_to(it));
	bool more = g_ascii_strtoll(compat, NULL, 10) > g_ascii_strtoll(stands, NULL, 10);
	json_t *data = json_pack("{s:s}", "epoch", text);
	if (*highest)
		json_object_set_new(data, "highest", json_string(highest));
	if (more || *stands)
		json_object_set_new(data, "highestCompat", json_string(more ? compat : stands));
	return data;
}

/* It is not there yet: made with the claim in it. Twice is refused by the server. */
static void create(json_t *annotations, json_t *data, ActRequest *ret)
{
	ret->method = "POST";
	ret->path = g_strdup(KUBEADM_CLAIMS);
	ret->body = json_pack("{s:s, s:s, s:{s:s, s:s, s:o}, s:o}", "apiVersion", "v1", "kind",
		"ConfigMap", "metadata", "name", "shiplock-claim", "namespace", "kube-system",
		"annotations", annotations, "data", data);
}

static void patch(
	const char *key, const View *v, json_t *annotations, json_t *data, ActRequest *ret)
{
	ret->method = "PATCH";
	ret->path = g_strdup(key);
	ret->body = json_pack("{s:{s:s, s:o}, s:o}", "metadata", "resourceVersion", view_version(v),
		"annotations", annotations, "data", data);
}

void kubeadm_claim_request(Item *it, const char *key, const View *v, ActRequest *ret)
{
	Target *t = target_of(it);
	int64_t epoch =
		sl_max(sl_max(site_epoch(t->site), claim_epoch(v->json)), highest_epoch(v)) + 1;
	g_autofree char *text = claim_new_text(it, epoch);
	json_t *annotations = json_pack("{s:s}", CLAIM_ANNOTATION, text);
	if (v->missing)
		create(annotations, data_of(it, v, epoch), ret);
	else
		patch(key, v, annotations, data_of(it, v, epoch), ret);
	ret->want = json_pack("{s:I, s:s*}", "epoch", (json_int_t)epoch, "holder", t->holder);
}

static bool claim_build(
	Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret)
{
	g_autofree char *why = claim_bars(it, v->json);
	if (why)
		item_set_reason(it, "%s", why);
	else
		kubeadm_claim_request(it, key, v, ret);
	return !why;
}

static bool release_build(
	Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret)
{
	g_autofree char *who = NULL;
	int64_t epoch = sl_max(highest_epoch(v), site_epoch(item_site(it)));
	if (!claim_is_ours(item_site(it), v, &who) && who) {
		item_set_reason(
			it, "the claim that stands there is not ours to take away: %s", who);
		return false;
	}
	if (v->missing) /* somebody deleted it: a claim of ours still on its way then meets this */
		create(json_object(), data_of(it, v, epoch), ret);
	else
		patch(key, v, json_pack("{s:n}", CLAIM_ANNOTATION), data_of(it, v, epoch), ret);
	return true;
}

const ActRow act_kubeadm_release = {
	.name = "release-kubeadm",
	.effect = EFFECT_BY_VERSION,
	.fact = &fact_object,
	.claim = true,
	.build = release_build,
	.classify = claim_released,
};
const ActRow act_kubeadm_claim = {
	.name = "claim-kubeadm",
	.effect = EFFECT_BY_VERSION,
	.fact = &fact_object,
	.claim = true,
	.undo = &act_kubeadm_release,
	.build = claim_build,
	.classify = claim_stands,
};
const ActRow act_kubeadm_take_over = {
	.name = "take-over-kubeadm",
	.effect = EFFECT_BY_VERSION,
	.fact = &fact_object,
	.claim = true,
	.undo = &act_kubeadm_release,
	.build = claim_build,
	.classify = claim_stands,
};
