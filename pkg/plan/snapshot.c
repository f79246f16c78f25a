#include "plan/snapshot.h"
#include "codec/json.h"
#include "plan/jobs.h"
#include "plan/value.h"
#include <string.h>

static const char *const policy_fields[] = { "gates", "drain", "window", "rollback" };

static char *doc_key(const Doc *d)
{
	return g_strdup_printf("%s/%s", doc_kind(d), doc_name(d));
}

/* Adds the document's spec as written, and those of the documents it names itself. */
static void name_doc(const DocSet *set, const char *kind, const char *name, json_t *out)
{
	const Doc *d = name ? docset_find(set, kind, name) : NULL;
	if (!d || g_str_has_prefix(name, "builtin/"))
		return;
	g_autofree char *key = doc_key(d);
	if (json_object_get(out, key))
		return;
	json_t *spec = json_object_get(doc_json(d), "spec"), *item;
	json_object_set(out, key, spec);
	size_t i;
	const char *tier;
	json_array_foreach (json_object_get(spec, "include"), i, item) {
		name_doc(set, "GatePolicy", json_string_value(item), out);
	}
	json_object_foreach (json_object_get(spec, "approval"), tier, item) {
		name_doc(set, "ApprovalPolicy", json_string_value(item), out);
	}
}

static void name_policies(const DocSet *set, const json_t *policies, json_t *out)
{
	static const char *const kinds[] = { "GatePolicy", "DrainPolicy", "WindowPolicy",
		"RollbackPolicy" };
	for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
		name_doc(set, kinds[i],
			json_string_value(json_object_get(policies, policy_fields[i])), out);
}

/* Template, or {"problem": TEXT}, of each Job that the policies name. */
static json_t *snapshot_jobs(const DocSet *set, const json_t *policies)
{
	json_t *out = json_object(), *value;
	g_autoptr(json_t) names = json_object();
	const char *file;
	jobs_named(policies, names);
	json_object_foreach (names, file, value) {
		g_autofree char *why = NULL;
		json_t *template = docset_job(set, file, &why);
		json_object_set_new(
			out, file, template ? template : json_pack("{s:s}", "problem", why));
	}
	return out;
}

char *plan_identity(const DocSet *set, const Doc *plan)
{
	const json_t *written = json_object_get(doc_json(plan), "spec");
	g_autoptr(json_t) spec = json_copy((json_t *)written), named = json_object();
	json_t *wave;
	size_t i;
	json_object_del(spec, "state");
	name_policies(set, json_object_get(written, "policies"), named);
	json_array_foreach (json_object_get(written, "waves"), i, wave) {
		name_policies(set, json_object_get(wave, "policies"), named);
		name_doc(set, "ApprovalPolicy",
			json_string_value(json_object_get(wave, "approval")), named);
	}
	g_autoptr(json_t) jobs = snapshot_jobs(set, named);
	g_autoptr(json_t) all = json_pack("{s:O, s:O}", "spec", spec, "named", named);
	if (json_object_size(jobs) > 0)
		json_object_set(all, "jobs", jobs);
	return json_digest(all);
}

static void append_later(json_t *out, const Doc *d)
{
	json_t *path;
	size_t i;
	g_autofree char *key = d ? doc_key(d) : NULL;
	json_array_foreach (d ? doc_later(d) : NULL, i, path) {
		json_array_append_new(out, json_sprintf("%s: %s", key, json_string_value(path)));
	}
}

static void append_later_approvals(
	const DocSet *set, const json_t *wave, const Doc *rollback, json_t *out)
{
	const char *name = json_string_value(json_object_get(wave, "approval")), *tier;
	json_t *item;
	if (name)
		append_later(out, docset_find(set, "ApprovalPolicy", name));
	json_object_foreach (
		rollback ? json_object_get(doc_spec(rollback), "approval") : NULL, tier, item) {
		append_later(out, docset_find(set, "ApprovalPolicy", json_string_value(item)));
	}
}

json_t *plan_later(const DocSet *set, const Doc *plan, const json_t *wave, const Doc *cluster)
{
	json_t *out = json_array();
	append_later(out, plan);
	append_later(out, cluster);
	for (size_t i = 0; i < G_N_ELEMENTS(policy_fields); i++)
		append_later(out, docset_policy(set, plan, wave, cluster, policy_fields[i]));
	append_later_approvals(set, wave, docset_policy(set, plan, wave, cluster, "rollback"), out);
	return out;
}

/* The policy's text goes into "policies" once; returns its key, or null. */
static json_t *snapshot_policy(const DocSet *set, const Doc *policy, json_t *policies)
{
	if (!policy)
		return json_null();
	g_autofree char *key = doc_key(policy);
	if (!json_object_get(policies, key)) {
		if (strcmp(doc_kind(policy), "GatePolicy") == 0)
			json_object_set_new(policies, key,
				json_pack("{s:o}", "gates", docset_gates(set, policy)));
		else
			json_object_set(policies, key, (json_t *)doc_spec(policy));
	}
	return json_string(key);
}

json_t *plan_gitops_cluster(const DocSet *set, const Doc *cluster)
{
	const json_t *sync = json_path(doc_spec(cluster), "actuator.sync");
	const char *name = json_path_str(sync, "argoCD.cluster", NULL);
	if (!name)
		name = json_path_str(sync, "flux.cluster", NULL);
	const Doc *d = name ? docset_find(set, "Cluster", name) : NULL;
	if (!d)
		return NULL;
	return json_pack("{s:{s:s}, s:{s:O?}}", "metadata", "name", name, "spec", "access",
		json_object_get(doc_spec(d), "access"));
}

static json_t *snapshot_cluster(const DocSet *set, const Doc *plan, const json_t *wave,
	const Doc *cluster, json_t *policies)
{
	json_t *used = json_object(), *labels = json_path(doc_full(cluster), "metadata.labels");
	for (size_t i = 0; i < G_N_ELEMENTS(policy_fields); i++) {
		const Doc *d = docset_policy(set, plan, wave, cluster, policy_fields[i]);
		json_object_set_new(used, policy_fields[i], snapshot_policy(set, d, policies));
	}
	return json_pack("{s:s, s:O?, s:o, s:O, s:o, s:o, s:o*}", "name", doc_name(cluster), "wave",
		json_object_get(wave, "name"), "labels",
		labels ? json_incref(labels) : json_object(), "spec", doc_spec(cluster), "policies",
		used, "later", plan_later(set, plan, wave, cluster), "gitops",
		plan_gitops_cluster(set, cluster));
}

static json_t *seconds(const json_t *wave, const char *field)
{
	return json_integer(doc_duration_sec(json_string_value(json_object_get(wave, field)), 0));
}

static json_t *snapshot_wave(const json_t *wave, json_t *names)
{
	return json_pack("{s:O?, s:O, s:o, s:o, s:o, s:O?, s:O?, s:O?}", "name",
		json_object_get(wave, "name"), "clusters", names, "cpSoakSeconds",
		seconds(wave, "cpSoak"), "soakSeconds", seconds(wave, "soak"), "bakeSeconds",
		seconds(wave, "bake"), "failureBudget", json_object_get(wave, "failureBudget"),
		"maxConcurrent", json_object_get(wave, "maxConcurrent"), "approval",
		json_object_get(wave, "approval"));
}

static void snapshot_approval(const DocSet *set, const char *name, json_t *approvals)
{
	const Doc *d = name ? docset_find(set, "ApprovalPolicy", name) : NULL;
	if (d)
		json_object_set(approvals, name, (json_t *)doc_spec(d));
}

/* All that policies (already in the snapshot) and waves name. */
static json_t *snapshot_approvals(const DocSet *set, const json_t *waves, json_t *policies)
{
	json_t *out = json_object(), *item, *policy;
	const char *key, *tier;
	size_t i;
	json_array_foreach (waves, i, item) {
		snapshot_approval(set, json_string_value(json_object_get(item, "approval")), out);
	}
	json_object_foreach (policies, key, policy) {
		json_object_foreach (json_object_get(policy, "approval"), tier, item)
			snapshot_approval(set, json_string_value(item), out);
	}
	return out;
}

json_t *plan_snapshot(const DocSet *set, const Doc *plan, const char *commit)
{
	json_t *policies = json_object(), *clusters = json_array(), *waves = json_array(), *wave,
	       *name;
	json_t *spec = json_copy((json_t *)doc_spec(plan));
	g_autofree char *identity = plan_identity(set, plan);
	size_t i, k;
	json_object_del(spec, "state");
	json_array_foreach (json_object_get(spec, "waves"), i, wave) {
		g_autoptr(json_t) names = docset_wave_clusters(set, wave);
		json_array_append_new(waves, snapshot_wave(wave, names));
		json_array_foreach (names, k, name) {
			const Doc *cluster = docset_find(set, "Cluster", json_string_value(name));
			json_array_append_new(
				clusters, snapshot_cluster(set, plan, wave, cluster, policies));
		}
	}
	json_t *approvals = snapshot_approvals(set, waves, policies);
	json_t *snapshot = json_pack("{s:s, s:s, s:s, s:{s:s, s:o}, s:o, s:o, s:o, s:o}",
		"apiVersion", DOC_API_VERSION, "kind", "RunSnapshot", "identity", identity, "plan",
		"name", doc_name(plan), "spec", spec, "policies", policies, "approvals", approvals,
		"waves", waves, "clusters", clusters);
	g_autoptr(json_t) jobs = snapshot_jobs(set, policies);
	if (json_object_size(jobs) > 0)
		json_object_set(snapshot, "jobs", jobs);
	g_autofree char *digest = json_digest(snapshot);
	json_object_set_new(snapshot, "digest", json_string(digest));
	json_object_set_new(snapshot, "commit", json_string(commit ? commit : ""));
	return snapshot;
}

json_t *inspect_snapshot(const DocSet *set)
{
	json_t *clusters = json_array(), *names = json_array();
	for (size_t i = 0; i < docset_n(set, "Cluster"); i++) {
		const Doc *d = docset_nth(set, "Cluster", i);
		json_array_append_new(names, json_string(doc_name(d)));
		json_array_append_new(clusters,
			json_pack("{s:s, s:s, s:{}, s:O, s:{}, s:[]}", "name", doc_name(d), "wave",
				"all", "labels", "spec", doc_spec(d), "policies", "later"));
	}
	return json_pack("{s:s, s:s, s:s, s:s, s:{s:s, s:{s:{}}}, s:{}, s:{}, s:[{s:s, s:o}], s:o, "
			 "s:b, s:b}",
		"apiVersion", DOC_API_VERSION, "kind", "RunSnapshot", "identity", "inspect",
		"commit", "", "plan", "name", "inspect", "spec", "target", "policies", "approvals",
		"waves", "name", "all", "clusters", names, "clusters", clusters, "planOnly", 1,
		"inspect", 1);
}
