/* What the cluster-version operator makes of a request before it acts: resolution of the target and
 * the preconditions (openshift/cluster-version-operator: pkg/cvo/updatepayload.go,
 * pkg/payload/precondition/clusterversion, pkg/risk). */
#include "codec/json.h"
#include "objects/version.h"
#include "sim/actor-private.h"
#include "sim/tree.h"
#include <string.h>

static bool has_text(const char *s)
{
	return s && s[0];
}

/* A release beside those of the configuration: what the ClusterVersion itself tells of. Kept in
 * the table, so that pointers stay good. */
static const Release *learn(SimActors *a, const char *version, const char *image)
{
	if (!has_text(version) || !has_text(image))
		return NULL;
	for (size_t i = 0; i < a->n_releases; i++) {
		Release *r = &a->releases[i];
		if (strcmp(r->version, version) != 0)
			continue;
		if (strcmp(r->image, image) != 0) {
			g_free(r->image);
			r->image = g_strdup(image);
		}
		return r;
	}
	if (a->n_releases == MAX_RELEASES)
		return NULL;
	Release *r = &a->releases[a->n_releases++];
	*r = (Release){ .version = g_strdup(version), .image = g_strdup(image) };
	return r;
}

static void learn_all(SimActors *a, const json_t *status)
{
	static const char *const lists[] = { "history", "availableUpdates" };
	size_t i;
	json_t *e;
	for (size_t n = 0; n < G_N_ELEMENTS(lists); n++)
		json_array_foreach (json_object_get(status, lists[n]), i, e) {
			learn(a, tree_str(e, "version"), tree_str(e, "image"));
		}
}

const Release *release_by(const SimActors *a, const char *version, const char *image)
{
	for (size_t i = 0; i < a->n_releases; i++) {
		const Release *r = &a->releases[i];
		if ((!version || strcmp(r->version, version) == 0) &&
			(!image || strcmp(r->image, image) == 0))
			return r;
	}
	return NULL;
}

static bool listed(const json_t *status, const char *list, const char *version)
{
	size_t i;
	json_t *e;
	json_array_foreach (json_object_get(status, list), i, e) {
		const char *v = tree_str(e, "version");
		if (!v)
			v = tree_str(e, "release.version");
		if (g_strcmp0(v, version) == 0)
			return true;
	}
	return false;
}

Wanted cvo_pick(SimActors *a, const json_t *cv)
{
	Cvo *c = &a->cvo;
	const json_t *u = tree_get(cv, "spec.desiredUpdate"), *st = json_object_get(cv, "status");
	const char *version = tree_str(u, "version"), *image = tree_str(u, "image");
	learn_all(a, st);
	c->invalid = false;
	if (has_text(image))
		return (Wanted){ has_text(version) ? version : NULL, image, tree_true(u, "force") };
	if (!has_text(version))
		return (Wanted){ 0 };
	bool offered = listed(st, "availableUpdates", version) ||
		       listed(st, "conditionalUpdates", version);
	if (!offered && !listed(st, "history", version) &&
		g_strcmp0(tree_str(st, "desired.version"), version) != 0) {
		c->invalid = true;
		g_free(c->invalid_message);
		c->invalid_message = g_strdup_printf(
			"The cluster version is invalid: spec.desiredUpdate.version: Invalid "
			"value: "
			"\"%s\": when image is empty the update must be a previous version or an "
			"available update",
			version);
		return (Wanted){ 0 };
	}
	/* In the history only: valid, but resolved to what runs already. */
	const Release *r = offered ? release_by(a, version, NULL) : NULL;
	return r ? (Wanted){ r->version, r->image, tree_true(u, "force") } : (Wanted){ 0 };
}

/* The first entry that is not the version reconciled now. */
static const char *previous_version(const json_t *cv, const char *current)
{
	size_t i;
	json_t *e;
	json_array_foreach (tree_get(cv, "status.history"), i, e) {
		const char *v = tree_str(e, "version");
		if (v && strcmp(v, current) != 0)
			return v;
	}
	return NULL;
}

static bool lower_is_refused(const SimActors *a, const json_t *cv, const Version *to,
	const Version *from, const char *version, char **ret_message)
{
	const char *current = a->cvo.target, *previous = previous_version(cv, current);
	if (version_compare(to, from) >= 0)
		return false;
	if (previous && strcmp(previous, version) == 0 && version_minor_distance(to, from) == 0)
		return false;
	*ret_message =
		g_strdup_printf("%s is less than the current target %s, and the only supported "
				"rollback is to the cluster's previous version %s",
			version, current, previous ? previous : "(none)");
	if (previous && strcmp(previous, version) == 0) {
		g_free(*ret_message);
		*ret_message =
			g_strdup_printf("%s is less than the current target %s and matches the "
					"cluster's previous version, but rollbacks that change "
					"major or minor versions are not supported",
				version, current);
	}
	return true;
}

static bool hop_is_giant(
	const Version *to, const Version *from, const char **ret_reason, char **ret_message)
{
	bool major = to->major != from->major && !(from->major == 4 && to->major == 5);
	if (!major && (to->major != from->major || to->minor <= from->minor + 1))
		return false;
	*ret_reason = major ? "MajorVersionUpdate" : "MultipleMinorVersionsUpdate";
	*ret_message = g_strdup_printf("%d.%d to %d.%d skips versions in between", from->major,
		from->minor, to->major, to->minor);
	return true;
}

bool cvo_blocked(const SimActors *a, const json_t *cv, const char *version, const char **ret_name,
	const char **ret_reason, char **ret_message)
{
	Version to, from;
	if (!version_parse(version, &to) || !version_parse(a->cvo.target, &from))
		return false;
	*ret_name = "ClusterVersionRollback";
	*ret_reason = "LowDesiredVersion";
	if (lower_is_refused(a, cv, &to, &from, version, ret_message))
		return true;
	*ret_name = "ClusterVersionGiantHop";
	if (hop_is_giant(&to, &from, ret_reason, ret_message))
		return true;
	bool minor = to.major != from.major || to.minor > from.minor;
	const json_t *up = condition_of(json_object_get(cv, "status"), "Upgradeable");
	if (!minor || g_strcmp0(tree_str(up, "status"), "False") != 0)
		return false;
	*ret_name = "ClusterVersionUpgradeable";
	*ret_reason = tree_str(up, "reason");
	*ret_message = g_strdup_printf("Cluster should not be upgraded between minor versions: %s",
		tree_str(up, "message"));
	return true;
}

/* What goes into acceptedRisks without force: warnings. Caller frees; NULL when there is none. */
char *cvo_risks(const SimActors *a, const char *version)
{
	const Release *r = release_by(a, version, NULL);
	const SimObj *cv = find(a, SIM_CLUSTERVERSIONS, NULL, "version");
	const json_t *st = json_object_get(cv->json, "status");
	if (r && r->risk)
		return g_strdup_printf("Update from %s to %s is not recommended: %s", a->cvo.target,
			version, r->risk);
	if (!has_text(tree_str(cv->json, "spec.channel")))
		return g_strdup_printf(
			"Precondition \"ClusterVersionRecommendedUpdate\" failed "
			"because of \"NoChannel\": Configured channel is unset, so the "
			"recommended status of updating from %s to %s is unknown.",
			a->cvo.target, version);
	if (!listed(st, "availableUpdates", version))
		return g_strdup_printf("Precondition \"ClusterVersionRecommendedUpdate\" failed "
				       "because of \"UnknownUpdate\": the update from %s to %s is "
				       "not in the update graph",
			a->cvo.target, version);
	return NULL;
}

/* The first unanswered gate of this minor version; *ret_text is borrowed. */
static const char *open_gate(const SimActors *a, const char **ret_text)
{
	const SimObj *gates = find(a, SIM_CONFIGMAPS, "openshift-config-managed", "admin-gates");
	const SimObj *acks = find(a, SIM_CONFIGMAPS, "openshift-config", "admin-acks");
	Version v;
	if (!gates || !acks || !version_parse(a->cvo.target, &v)) {
		*ret_text = "admin-gates or admin-acks cannot be read";
		return "AdminAckUnknown";
	}
	g_autofree char *prefix = g_strdup_printf("ack-%d.%d-", v.major, v.minor);
	const char *key;
	json_t *text;
	json_object_foreach (json_object_get(gates->json, "data"), key, text) {
		const json_t *given = json_object_get(json_object_get(acks->json, "data"), key);
		if (g_str_has_prefix(key, prefix) &&
			g_strcmp0(json_string_value(given), "true") != 0) {
			*ret_text = json_string_value(text);
			return "AdminAckRequired";
		}
	}
	return NULL;
}

static const char *blocking_operator(const SimActors *a, const char **ret_text)
{
	for (size_t i = 0; i < sim_store_n(a->store, SIM_CLUSTEROPERATORS); i++) {
		const SimObj *co = sim_store_at(a->store, SIM_CLUSTEROPERATORS, i);
		const json_t *st = json_object_get(co->json, "status");
		if (!condition_is(st, "Upgradeable", "False"))
			continue;
		*ret_text = tree_str(condition_of(st, "Upgradeable"), "message");
		return "ClusterOperatorsNotUpgradeable";
	}
	return NULL;
}

/* Why minor updates are not allowed now; NULL when they are. */
static const char *why_blocked(const SimActors *a, const char **ret_text)
{
	const char *reason = blocking_operator(a, ret_text);
	if (!reason)
		reason = open_gate(a, ret_text);
	if (!reason && sim_actors_updating(a)) {
		reason = "UpdateInProgress";
		*ret_text =
			"An update is already in progress and the details are in the Progressing "
			"condition";
	}
	return reason;
}

int64_t cvo_upgradeable(SimActors *a)
{
	Cvo *c = &a->cvo;
	const char *text = NULL, *reason = why_blocked(a, &text);
	if (g_strcmp0(reason, c->blocked_reason) == 0 && c->blocked == (reason != NULL)) {
		c->blocked_usec = 0;
		return INT64_MAX;
	}
	if (!c->blocked_usec)
		c->blocked_usec = a->now.boot_usec + a->t.lag_usec;
	if (c->blocked_usec > a->now.boot_usec)
		return c->blocked_usec;
	c->blocked_usec = 0;
	c->blocked = reason != NULL;
	g_free(c->blocked_reason);
	g_free(c->blocked_message);
	c->blocked_reason = g_strdup(reason);
	c->blocked_message = g_strdup(text ? text : "");
	return INT64_MAX;
}
