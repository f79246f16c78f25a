/* What an upgrade breaks although no operator objects: APIs that go away while somebody still uses
 * them, and certificates that end. Sources: openshift/api apiserver/v1 APIRequestCount and
 * machineconfiguration/v1 ControllerConfig. */
#include "objects/time.h"
#include "objects/version.h"
#include "providers/openshift.h"
#include "providers/preflight.h"
#include <string.h>

enum {
	REMOVED_APIS_MAX = 20, /* whose users are asked for */
	USERS_SHOWN = 3,
	KUBE_MINOR_AHEAD = 13, /* OpenShift 4.Y runs Kubernetes 1.(Y + 13) */
	CERTIFICATE_DAYS = 7, /* rotation is long over by then */
	CSR_PATIENCE_SEC = 600,
	DAY_SEC = 86400,
};

/* ---- removed APIs ---- */

/* The platform's own housekeeping walks through every API there is; it stops by itself. */
static bool is_platform(const char *user)
{
	static const char *const names[] = { "system:kube-controller-manager",
		"system:cluster-policy-controller",
		"system:serviceaccount:kube-system:generic-garbage-collector",
		"system:serviceaccount:kube-system:namespace-controller",
		"system:serviceaccount:kube-system:resourcequota-controller" };
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
		if (strcmp(user, names[i]) == 0)
			return true;
	return false;
}

static void add_users(GPtrArray *users, const json_t *hour, bool *platform)
{
	size_t i, k;
	json_t *node, *user;
	json_array_foreach (json_object_get(hour, "byNode"), i, node)
		json_array_foreach (json_object_get(node, "byUser"), k, user) {
			const char *name = json_path_str(user, "username", "?");
			if (is_platform(name))
				*platform = true;
			else if (!g_ptr_array_find_with_equal_func(users, name, g_str_equal, NULL))
				g_ptr_array_add(users, (void *)name);
		}
}

/* Who asked for it in the last day, for people; NULL: nobody but the platform. Caller frees. */
static char *users_text(const json_t *counts)
{
	g_autoptr(GPtrArray) users = g_ptr_array_new();
	g_autoptr(GString) s = g_string_new("");
	bool platform = false;
	size_t i;
	json_t *hour;
	add_users(users, json_path(counts, "status.currentHour"), &platform);
	json_array_foreach (json_path(counts, "status.last24h"), i, hour)
		add_users(users, hour, &platform);
	if (users->len == 0)
		return platform ? NULL : g_strdup("somebody");
	for (unsigned k = 0; k < users->len && k < USERS_SHOWN; k++)
		g_string_append_printf(s, "%s%s", k ? ", " : "", (char *)users->pdata[k]);
	if (users->len > USERS_SHOWN)
		g_string_append_printf(s, " and %u more", users->len - USERS_SHOWN);
	return g_string_free(g_steal_pointer(&s), false);
}

/* Minor of Kubernetes under an OpenShift version; -1 where that is not known. */
static int kube_minor(const char *version)
{
	Version v;
	return version_parse(version, &v) && v.major == 4 ? v.minor + KUBE_MINOR_AHEAD : -1;
}

static bool goes_away(const json_t *row, const json_t *hop)
{
	Version removed;
	int from = kube_minor(json_path_str(hop, "from", "")),
	    to = kube_minor(json_path_str(hop, "to", ""));
	if (!version_parse_minor(json_path_str(row, "RemovedInRelease", ""), &removed))
		return false;
	return from > 0 && removed.major == 1 && removed.minor > from && removed.minor <= to &&
	       json_path_int(row, "RequestsInLast24h", 0) > 0;
}

static bool check_one_api(
	Item *it, const json_t *row, const json_t *hop, bool acked, json_t *findings)
{
	const char *name = json_path_str(row, "Name", "?");
	g_autofree char *path = g_strdup_printf(API_COUNTS_PATH "/%s", name);
	const View *v;
	if (!provider_settled(it, &fact_object, path, true, &v, findings))
		return false;
	g_autofree char *users = v && v->json ? users_text(v->json) : NULL;
	if (users)
		finding_add(findings, acked ? "warn" : "block", "removed-api",
			"move these clients to the API that follows it; where they may break, say "
			"so by an acknowledgement of this version in spec.target.acks",
			"the API %s goes away in Kubernetes %s and was used %d times in the last "
			"day, by %s",
			name, json_path_str(row, "RemovedInRelease", ""),
			(int)json_path_int(row, "RequestsInLast24h", 0), users);
	return true;
}

bool openshift_check_removed_apis(Item *it, const json_t *hop, bool acked, json_t *findings)
{
	const View *table;
	if (!provider_settled(it, &fact_table, API_COUNTS_PATH, true, &table, findings))
		return false;
	bool all = true;
	size_t i, n = 0;
	json_t *row;
	json_array_foreach (table ? json_object_get(table->json, "rows") : NULL, i, row)
		if (goes_away(row, hop) && n++ < REMOVED_APIS_MAX)
			all = check_one_api(it, row, hop, acked, findings) && all;
	return all;
}

/* ---- certificates ---- */

/* "CN=kube-csr-signer_@1700000000" without its number: one line of succession. */
static size_t line_of(const char *subject)
{
	return strcspn(subject, "@");
}

static bool same_line(const json_t *a, const json_t *b)
{
	const char *x = json_path_str(a, "subject", ""), *y = json_path_str(b, "subject", "");
	return strcmp(json_path_str(a, "bundleFile", ""), json_path_str(b, "bundleFile", "")) ==
		       0 &&
	       line_of(x) == line_of(y) && strncmp(x, y, line_of(x)) == 0;
}

static int64_t end_of(const json_t *certificate)
{
	int64_t usec = 0;
	return sl_time_parse(json_path_str(certificate, "notAfter", ""), &usec) ? usec : INT64_MAX;
}

/* A bundle keeps the old certificate beside its successor; only the youngest says how long it goes
 * well. */
static bool has_successor(const json_t *list, const json_t *certificate)
{
	size_t i;
	json_t *other;
	json_array_foreach (list, i, other)
		if (other != certificate && same_line(other, certificate) &&
			end_of(other) > end_of(certificate))
			return true;
	return false;
}

static void check_ends(const json_t *list, int64_t now_usec, json_t *findings)
{
	size_t i;
	json_t *c;
	json_array_foreach (list, i, c) {
		int64_t end = end_of(c);
		if (end > now_usec + CERTIFICATE_DAYS * DAY_SEC * SL_USEC_PER_SEC ||
			has_successor(list, c))
			continue;
		bool over = end <= now_usec;
		finding_add(findings, over ? "block" : "warn", "certificate",
			"see why it was not renewed: oc get clusteroperators, oc get csr",
			"the certificate %.*s of the nodes %s %s, and nothing follows it",
			(int)line_of(json_path_str(c, "subject", "?")),
			json_path_str(c, "subject", "?"), over ? "ended" : "ends",
			json_path_str(c, "notAfter", "?"));
	}
}

static void check_requests(const json_t *list, int64_t now_usec, json_t *findings)
{
	const char *first = NULL;
	size_t i, n = 0;
	json_t *csr;
	json_array_foreach (json_object_get(list, "items"), i, csr) {
		int64_t made = 0;
		sl_time_parse(json_path_str(csr, "metadata.creationTimestamp", ""), &made);
		if (json_array_size(json_path(csr, "status.conditions")) > 0 ||
			made + CSR_PATIENCE_SEC * SL_USEC_PER_SEC > now_usec)
			continue;
		n++;
		first = first ? first : json_path_str(csr, "metadata.name", "?");
	}
	if (n > 0)
		finding_add(findings, "warn", "certificate",
			"oc get csr, then oc adm certificate approve those that are yours: a node "
			"without a certificate does not come back",
			"%zu certificate signing request%s wait%s for approval, %s the first", n,
			n == 1 ? "" : "s", n == 1 ? "s" : "", first);
}

/* An upgrade of hours must not outlive the identity that watches it. */
static void check_own(const Target *t, int64_t now_usec, json_t *findings)
{
	int64_t sec;
	if (!t->kube || !kube_client_certificate_end(t->kube, &sec) ||
		sec > now_usec / SL_USEC_PER_SEC + CERTIFICATE_DAYS * DAY_SEC)
		return;
	g_autofree char *at = sl_time_format(sec * SL_USEC_PER_SEC);
	finding_add(findings, "warn", "certificate",
		"have a new one signed and put it into the kubeconfig",
		"the client certificate of %s %s %s", kube_client_origin(t->kube),
		sec * SL_USEC_PER_SEC <= now_usec ? "ended" : "ends", at);
}

bool openshift_check_certificates(Item *it, json_t *findings)
{
	const View *config, *requests;
	int64_t now = loop_wall_usec(target_of(it)->loop);
	bool read = provider_settled(it, &fact_object, MCC_PATH, true, &config, findings);
	read = provider_settled(it, &fact_list, CSR_PATH, true, &requests, findings) && read;
	if (!read)
		return false;
	check_own(target_of(it), now, findings);
	if (config && config->json)
		check_ends(json_path(config->json, "status.controllerCertificates"), now, findings);
	if (requests)
		check_requests(requests->json, now, findings);
	return true;
}
