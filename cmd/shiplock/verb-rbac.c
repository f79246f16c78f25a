/* shiplock rbac: what is to be granted on a cluster, from the table that the preflight asks by. */
#include "cli.h"
#include "documents.h"
#include "plan/schema.h"
#include "providers/provider.h"
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

static int print_rights(const Args *a, const Doc *cluster)
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
	return cluster ? print_rights(a, cluster) : code;
}
