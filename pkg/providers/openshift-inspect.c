/* What a stranger asks of a cluster: where it stands, where it can go and at which risk, who owns
 * its version, and what could be rolled back today. */
#include "objects/version.h"
#include "providers/openshift.h"
#include "providers/preflight.h"
#include <string.h>

#define VERSION_PATH "/version"

static const char *tier_after(Item *it, const char *from, const char *to)
{
	g_autoptr(json_t) hop = json_pack("{s:s, s:s}", "from", from, "to", to);
	g_auto(RollbackOffer) offer = { 0 };
	openshift_probe(it, hop, &offer);
	return tier_name(offer.tier);
}

static json_t *update_json(Item *it, const json_t *cv, const char *version)
{
	const char *now = cv_current_version(cv);
	return json_pack("{s:s, s:b, s:[], s:s}", "version", version, "recommended", 1, "risks",
		"rollback", tier_after(it, now, version));
}

static const json_t *recommended_condition(const json_t *update)
{
	size_t i;
	json_t *c;
	json_array_foreach (json_object_get(update, "conditions"), i, c)
		if (strcmp(json_path_str(c, "type", ""), "Recommended") == 0)
			return c;
	return NULL;
}

/* The cluster evaluates all risks of an update together. */
static json_t *conditional_json(Item *it, const json_t *cv, const json_t *update)
{
	const json_t *c = recommended_condition(update);
	const char *is = json_path_str(c, "status", "");
	bool fine = strcmp(is, "True") == 0;
	json_t *out = update_json(it, cv, json_path_str(update, "release.version", ""));
	json_t *risk;
	size_t i;
	json_object_set_new(out, "recommended", json_boolean(fine));
	json_object_set_new(out, "applies",
		json_string(fine                       ? "no"
			    : strcmp(is, "False") == 0 ? "yes"
						       : "unknown"));
	json_object_set_new(
		out, "askedAt", json_string(json_path_str(c, "lastTransitionTime", "")));
	json_array_foreach (json_object_get(update, "risks"), i, risk)
		json_array_append_new(json_object_get(out, "risks"),
			json_pack("{s:s, s:s, s:s}", "name", json_path_str(risk, "name", ""),
				"message", json_path_str(risk, "message", ""), "url",
				json_path_str(risk, "url", "")));
	return out;
}

static int by_version(const void *a, const void *b)
{
	return version_compare_text(json_path_str(*(json_t *const *)a, "version", ""),
		json_path_str(*(json_t *const *)b, "version", ""));
}

static json_t *sorted(json_t *updates)
{
	size_t n = json_array_size(updates), i;
	g_autofree json_t **list = g_new0(json_t *, n + 1);
	json_t *out = json_array(), *u;
	json_array_foreach (updates, i, u)
		list[i] = u;
	qsort(list, n, sizeof(json_t *), by_version);
	for (i = 0; i < n; i++)
		json_array_append(out, list[i]);
	return out;
}

static json_t *updates_json(Item *it, const json_t *cv)
{
	g_autoptr(json_t) all = json_array();
	size_t i;
	json_t *u;
	json_array_foreach (json_path(cv, "status.availableUpdates"), i, u)
		json_array_append_new(all, update_json(it, cv, json_path_str(u, "version", "")));
	json_array_foreach (json_path(cv, "status.conditionalUpdates"), i, u)
		json_array_append_new(all, conditional_json(it, cv, u));
	return sorted(all);
}

static json_t *rollback_json(Item *it, const json_t *cv)
{
	const char *version = "", *image;
	g_autofree char *why = NULL;
	g_auto(RollbackOffer) offer = { 0 };
	if (cv_previous(cv, &version, &image, &why)) {
		g_autoptr(json_t) hop =
			json_pack("{s:s, s:s}", "from", version, "to", cv_current_version(cv));
		openshift_probe(it, hop, &offer);
	} else {
		offer = (RollbackOffer){ .tier = TIER_T0,
			.how = g_strdup_printf("no T2: %s", why) };
	}
	return json_pack("{s:s, s:s, s:s, s:s}", "tier", tier_name(offer.tier), "target",
		offer.target ? offer.target : "", "how", offer.how ? offer.how : "", "expires",
		offer.expires ? offer.expires : "");
}

static void put_text(json_t *report, const char *name, const char *text)
{
	json_object_set_new(report, name, text && *text ? json_string(text) : json_null());
}

/* Beside the version: what can be told of any cluster. */
static bool inspect_any(Item *it, json_t *report)
{
	g_autoptr(json_t) nobody_reads = json_array();
	const View *version, *nodes;
	bool all = provider_settled(it, &fact_object, VERSION_PATH, true, &version, nobody_reads);
	all = provider_settled(it, &fact_list, NODES_PATH, true, &nodes, nobody_reads) && all;
	if (version)
		put_text(report, "kubernetes", json_path_str(version->json, "gitVersion", ""));
	if (nodes)
		json_object_set_new(report, "nodes",
			json_integer((json_int_t)json_array_size(
				json_object_get(nodes->json, "items"))));
	return all;
}

static bool inspect_telemetry(Item *it, json_t *report)
{
	g_autoptr(json_t) nobody_reads = json_array();
	const View *route;
	if (!provider_settled(it, &fact_object, THANOS_PATH, true, &route, nobody_reads))
		return false;
	const char *host = route ? json_path_str(route->json, "spec.host", "") : "";
	g_autofree char *url = *host ? g_strdup_printf("https://%s", host) : NULL;
	put_text(report, "telemetryUrl", url);
	return true;
}

bool openshift_inspect(Item *it, json_t *report)
{
	const View *v = fact_peek(it, &fact_object, CV_PATH);
	bool all = inspect_any(it, report);
	if (!v || v->missing) {
		put_text(report, "provider",
			v || json_path_str(report, "kubernetes", NULL) ? "kubernetes" : NULL);
		return all;
	}
	g_autofree char *owner = openshift_version_owner(v->json);
	put_text(report, "provider", "openshift");
	put_text(report, "version", cv_current_version(v->json));
	put_text(report, "channel", json_path_str(v->json, "spec.channel", ""));
	put_text(report, "owner", owner);
	json_object_set_new(report, "updates", updates_json(it, v->json));
	json_object_set_new(report, "rollback", rollback_json(it, v->json));
	return inspect_telemetry(it, report) && all;
}
