/* shiplock rbac: what is to be granted on a cluster, from the table that the preflight asks by. */
#include "cli.h"
#include "documents.h"
#include "plan/jobs.h"
#include "plan/schema.h"
#include "policy/job.h"
#include "providers/jobs.h"
#include "providers/provider.h"
#include "providers/sync.h"
#include <string.h>

#define READER "system:serviceaccount:shiplock:shiplock"

static const Doc *find_cluster(const Args *a, const DocSet *set, int *ret_code)
{
	if (!docset_ok(set)) {
		g_autofree char *text = findings_text(
			docset_findings(set), docset_n_documents(set), docset_n_files(set));
		fputs(text, stderr);
		*ret_code = EXIT_BAD_DOCUMENTS;
		return NULL;
	}
	const Doc *d = docset_find(set, "Cluster", a->cluster);
	if (d)
		return d;
	g_autofree char *text = g_strdup_printf(
		"%s: there is no Cluster of this name among the documents", a->cluster);
	*ret_code = cli_fail(a, EXIT_BAD_DOCUMENTS, text, NULL);
	return NULL;
}

static void print_text(const json_t *objects, const Doc *cluster, const char *reader)
{
	const json_t *spec = doc_spec(cluster);
	const char *writer = json_path_str(spec, "access.impersonate.user", reader);
	size_t i;
	json_t *o;
	printf("# What Shiplock needs on cluster %s, and no more: provider %s, actuator %s.\n"
	       "# It reads as %s.\n",
		doc_name(cluster), json_path_str(spec, "provider", ""),
		json_path_str(spec, "actuator.type", ""), reader);
	if (strcmp(json_path_str(spec, "actuator.type", ""), "observe") == 0)
		puts("# It writes nothing.");
	else
		printf("# It writes as %s.\n", writer);
	json_array_foreach (objects, i, o) {
		g_autofree char *text = schema_yaml_of(o);
		printf("---\n%s", text);
	}
}

/* Jobs that the policies of one plan name for this cluster run in their templates' namespaces. */
static void add_jobs(json_t *rights, const DocSet *set, const json_t *policy)
{
	g_autoptr(json_t) files = json_object();
	const char *file;
	json_t *nothing;
	jobs_named(policy, files);
	json_object_foreach (files, file, nothing) {
		g_autofree char *why = NULL;
		g_autoptr(json_t) template = docset_job(set, file, &why);
		if (template)
			rights_add(rights, job_rights, job_namespace(template), "");
	}
}

static bool names(const json_t *list, const char *name)
{
	size_t i;
	json_t *v;
	json_array_foreach (list, i, v)
		if (strcmp(json_string_value(v), name) == 0)
			return true;
	return false;
}

/* What the plans among the documents want of this cluster beside the upgrade itself. */
static void add_plans(json_t *rights, const DocSet *set, const Doc *cluster)
{
	size_t i;
	json_t *wave;
	for (size_t k = 0; k < docset_n(set, "UpgradePlan"); k++) {
		const Doc *plan = docset_nth(set, "UpgradePlan", k);
		json_array_foreach (json_object_get(doc_spec(plan), "waves"), i, wave) {
			g_autoptr(json_t) clusters = docset_wave_clusters(set, wave);
			if (!names(clusters, doc_name(cluster)))
				continue;
			const Doc *back = docset_policy(set, plan, wave, cluster, "rollback");
			const Doc *gates = docset_policy(set, plan, wave, cluster, "gates");
			g_autoptr(json_t) all = gates ? docset_gates(set, gates) : json_array();
			add_jobs(rights, set, all);
			add_jobs(rights, set, back ? doc_spec(back) : NULL);
		}
	}
}

/* On the cluster where a GitOps controller runs: what proves that a commit took effect. */
static void add_syncs(json_t *rights, const DocSet *set, const Doc *hub)
{
	for (size_t i = 0; i < docset_n(set, "Cluster"); i++) {
		const json_t *sync =
			json_path(doc_spec(docset_nth(set, "Cluster", i)), "actuator.sync");
		const json_t *argo = json_object_get(sync, "argoCD"),
			     *flux = json_object_get(sync, "flux");
		if (strcmp(json_path_str(argo, "cluster", ""), doc_name(hub)) == 0)
			sync_argo_rights(rights, argo);
		if (strcmp(json_path_str(flux, "cluster", ""), doc_name(hub)) == 0)
			sync_flux_rights(rights, flux);
	}
}

static int print_rights(const Args *a, const DocSet *set, const Doc *cluster)
{
	const json_t *spec = doc_spec(cluster);
	const char *name = json_path_str(spec, "provider", ""),
		   *reader = a->user ? a->user : READER;
	const Provider *p = provider_find(name);
	if (!p) {
		g_autofree char *text =
			g_strdup_printf("%s: what provider %s needs is not known in this version",
				a->cluster, name);
		return cli_fail(a, EXIT_BAD_DOCUMENTS, text, NULL);
	}
	g_autoptr(json_t) rights = rights_of(p->rights, spec);
	if (strcmp(json_path_str(spec, "actuator.type", ""), "observe") != 0)
		add_plans(rights, set, cluster);
	add_syncs(rights, set, cluster);
	g_autoptr(json_t) objects = rights_manifests(rights, spec, reader);
	g_autoptr(json_t) list =
		json_pack("{s:s, s:s, s:O}", "apiVersion", "v1", "kind", "List", "items", objects);
	if (a->json)
		cli_print_json(list);
	else
		print_text(objects, cluster, reader);
	return EXIT_SUCCEEDED;
}

int verb_rbac(const Args *a)
{
	g_autoptr(GError) err = NULL;
	int code = EXIT_FAILED;
	if (!a->cluster)
		return cli_fail(a, EXIT_USAGE, "says what one cluster needs: --cluster names it",
			"shiplock rbac --help");
	g_autoptr(DocSet) set = documents_load(a->rest, a->n_rest, &err);
	if (!set)
		return cli_fail_error(a, err);
	const Doc *cluster = find_cluster(a, set, &code);
	return cluster ? print_rights(a, set, cluster) : code;
}
