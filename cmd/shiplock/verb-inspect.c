/* shiplock inspect: a stranger with a kubeconfig. The preflight of the embedded controller, on
 * Cluster documents that are made up for it. */
#include "cli.h"
#include "contexts.h"
#include "documents.h"
#include "inspect-init.h"
#include "local.h"
#include "objects/version.h"
#include "plan/doc.h"
#include "show.h"
#include <string.h>

enum { DEADLINE_SEC = 60 };

/* JSON is YAML. */
static char *documents_text(const json_t *contexts)
{
	g_autoptr(GString) s = g_string_new("");
	size_t i;
	json_t *c;
	json_array_foreach (contexts, i, c) {
		g_autoptr(json_t) doc = json_pack("{s:s, s:s, s:{s:O}, s:{s:s, s:{s:{s:O}, s:O}}}",
			"apiVersion", DOC_API_VERSION, "kind", "Cluster", "metadata", "name",
			json_object_get(c, "name"), "spec", "provider", "openshift", "access",
			"kubeconfig", "file", json_object_get(c, "kubeconfig"), "context",
			json_object_get(c, "context"));
		g_autofree char *text = json_canonical(doc);
		g_string_append_printf(s, "---\n%s\n", text);
	}
	return g_string_free(g_steal_pointer(&s), false);
}

static DocSet *make_set(const json_t *contexts, GError **err)
{
	g_autofree char *text = documents_text(contexts);
	g_autoptr(DocSet) set = documents_of_text("kubeconfig", text, err);
	if (!set)
		return NULL;
	if (docset_ok(set))
		return g_steal_pointer(&set);
	g_autofree char *found = findings_text(docset_findings(set), 0, 0);
	sl_fail(err, SL_ERR_INVALID, "%s", g_strstrip(found));
	return NULL;
}

/* The report without what the kubeconfigs say. */
static json_t *ask(Local *l, DocSet *set, GError **err)
{
	g_autofree char *who = local_login();
	FleetSubmit s = { .set = set, .who = who, .inspect = true };
	int64_t run;
	if (!local_ask(l, &s, DEADLINE_SEC, &run, err))
		return NULL;
	json_t *report = fleet_inspect_report(l->fleet, run);
	if (!report)
		sl_fail(err, SL_ERR_RETRY, "nothing could be asked within %d s", DEADLINE_SEC);
	return report;
}

/* What the clusters themselves do not know: where they were looked at. */
static void add_context(json_t *cluster, const json_t *contexts)
{
	static const char *const fields[] = { "context", "kubeconfig", "server" };
	size_t i;
	json_t *c;
	json_array_foreach (contexts, i, c) {
		if (strcmp(json_path_str(c, "name", ""), json_path_str(cluster, "name", "")) != 0)
			continue;
		for (size_t k = 0; k < G_N_ELEMENTS(fields); k++)
			json_object_set(cluster, fields[k], json_object_get(c, fields[k]));
	}
	if (json_object_get(cluster, "findings"))
		return;
	g_autofree char *text = g_strdup_printf("it was not read within %d s", DEADLINE_SEC);
	json_object_set_new(cluster, "findings",
		json_pack("[{s:s, s:s, s:s}]", "level", "block", "code", "unreadable", "message",
			text));
}

/* Laggards first; those that tell no version last. */
static int by_version(const void *a, const void *b)
{
	const char *x = json_path_str(*(json_t *const *)a, "version", ""),
		   *y = json_path_str(*(json_t *const *)b, "version", "");
	if (!*x != !*y)
		return *x ? -1 : 1;
	return version_compare_text(x, y);
}

static void sort_clusters(json_t *report)
{
	json_t *list = json_object_get(report, "clusters"), *sorted = json_array(), *c;
	size_t n = json_array_size(list), i;
	g_autofree json_t **items = g_new0(json_t *, n + 1);
	json_array_foreach (list, i, c)
		items[i] = c;
	qsort(items, n, sizeof(json_t *), by_version);
	for (i = 0; i < n; i++)
		json_array_append(sorted, items[i]);
	json_object_set_new(report, "clusters", sorted);
}

static json_t *make_report(const Args *a, Local *l, GError **err)
{
	if (!local_open(l, NULL, NULL, NULL, err))
		return NULL;
	g_autoptr(json_t) contexts = contexts_find(a, l->connect, err);
	DocSet *set = contexts ? make_set(contexts, err) : NULL;
	json_t *report = set ? ask(l, set, err) : NULL;
	size_t i;
	json_t *c;
	json_array_foreach (json_object_get(report, "clusters"), i, c)
		add_context(c, contexts);
	if (report)
		sort_clusters(report);
	return report;
}

static bool all_read(const json_t *report)
{
	size_t i;
	json_t *c;
	json_array_foreach (json_object_get(report, "clusters"), i, c)
		if (!json_path_str(c, "version", NULL) && !json_path_str(c, "kubernetes", NULL))
			return false;
	return true;
}

static int print_report(const Args *a, const json_t *report)
{
	if (a->json) {
		cli_print_json(report);
	} else {
		Term t = term_of(stdout);
		g_autoptr(GString) out = g_string_new("");
		show_inspect(report, a->kubeconfigs.n > 0, &t, out);
		term_put(&t, stdout, out);
	}
	return all_read(report) ? EXIT_SUCCEEDED : EXIT_FAILED;
}

int verb_inspect(const Args *a)
{
	g_autoptr(GError) err = NULL;
	Local l;
	g_autoptr(json_t) report = make_report(a, &l, &err);
	local_close(&l);
	if (!report)
		return cli_fail(a, EXIT_FAILED, err->message,
			"shiplock inspect --kubeconfig FILE [--context CONTEXT]");
	int code = print_report(a, report);
	return a->init ? inspect_init(a, report, code) : code;
}
