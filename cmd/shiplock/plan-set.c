#include "plan-set.h"
#include "documents.h"

static int say_findings(const DocSet *set)
{
	g_autofree char *text =
		findings_text(docset_findings(set), docset_n_documents(set), docset_n_files(set));
	fputs(text, stderr);
	return EXIT_BAD_DOCUMENTS;
}

static int say_no_plan(const Args *a, const DocSet *set)
{
	g_autoptr(GString) names = g_string_new("");
	for (size_t i = 0; i < docset_n(set, "UpgradePlan"); i++)
		g_string_append_printf(names, "%s%s", i ? ", " : "shiplock plan ",
			doc_name(docset_nth(set, "UpgradePlan", i)));
	g_autofree char *text = g_strdup_printf(
		"%s: there is no UpgradePlan of this name among the documents", a->rest[0]);
	return cli_fail(a, EXIT_BAD_DOCUMENTS, text, names->len ? names->str : NULL);
}

DocSet *plan_set_load(const Args *a, int *ret_code)
{
	g_autoptr(GError) err = NULL;
	g_autoptr(DocSet) set = documents_load(a->rest + 1, a->n_rest - 1, &err);
	if (!set)
		*ret_code = cli_fail_error(a, err);
	else if (!docset_ok(set))
		*ret_code = say_findings(set);
	else if (!docset_find(set, "UpgradePlan", a->rest[0]))
		*ret_code = say_no_plan(a, set);
	else
		return g_steal_pointer(&set);
	return NULL;
}
