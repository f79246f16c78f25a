/* libFuzzer entry: documents of any shape (a JSON list of them, as the worker hands them over) end
 * in findings, and good ones become runs; nothing crashes on a wrong type in an odd place. clang
 * -fsanitize=fuzzer,address ... ; the corpus is pkg/plan/corpus-check, replayed by test-corpus.c.
 */
#include "plan/schema.h"
#include "plan/snapshot.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use_plan(const DocSet *set, const Doc *plan)
{
	g_autoptr(json_t) run = plan_snapshot(set, plan, NULL);
	g_assert(run);
	g_autofree char *digest = json_digest(run);
	g_autofree char *again = json_digest(run);
	g_assert_cmpstr(digest, ==, again);
}

static void use_set(const DocSet *set)
{
	for (size_t k = 0; schema_kind(k); k++) {
		for (size_t i = 0; i < docset_n(set, schema_kind(k)); i++) {
			g_autofree char *yaml = schema_yaml(docset_nth(set, schema_kind(k), i));
			g_assert(*yaml);
		}
	}
	for (size_t i = 0; i < docset_n(set, "UpgradePlan"); i++)
		use_plan(set, docset_nth(set, "UpgradePlan", i));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autoptr(json_t) list = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_array(list))
		return 0;
	json_t *documents = json_array(), *doc;
	size_t i;
	json_array_foreach (list, i, doc) {
		json_array_append_new(documents, json_pack("{s:O}", "json", doc));
	}
	g_autoptr(json_t) request = json_pack("{s:[{s:s,s:s}]}", "files", "name", "f", "text", "x");
	g_autoptr(json_t) answer =
		json_pack("{s:[{s:s,s:o}]}", "files", "name", "f", "documents", documents);
	g_autoptr(DocSet) set = docset_new();
	g_assert(docset_add_files(set, request, answer, NULL));
	docset_check(set);
	g_autofree char *text = findings_text(docset_findings(set), docset_n_documents(set), 1);
	g_autoptr(json_t) report =
		findings_report(docset_findings(set), docset_n_documents(set), 1);
	g_assert(strlen(text) > 0 && report);
	if (docset_ok(set))
		use_set(set);
	return 0;
}
