/* shiplock plan: the preflight of a plan, in a controller of its own that writes nothing. */
#include "client.h"
#include "documents.h"
#include "fleet/past.h"
#include "local.h"
#include "plan-set.h"
#include "plan/schema.h"
#include "show.h"
#include "store/audit.h"
#include <string.h>

enum { PLAN_DEADLINE_SEC = 120 };

/* Clusters that did not answer in time are not ready, whatever else is known of them. */
static void add_late(json_t *report, const json_t *run)
{
	size_t i, k;
	json_t *c, *entry;
	json_array_foreach (json_object_get(run, "clusters"), i, c) {
		if (strcmp(json_path_str(c, "state", ""), "ended") == 0)
			continue;
		json_array_foreach (json_object_get(report, "clusters"), k, entry) {
			if (strcmp(json_path_str(entry, "name", ""),
				    json_path_str(c, "name", "")) != 0)
				continue;
			g_autofree char *text = g_strdup_printf("not read within %d s: %s",
				PLAN_DEADLINE_SEC, json_path_str(c, "now", ""));
			json_object_set_new(entry, "preflight", json_string("blocked"));
			json_object_set_new(entry, "findings",
				json_pack("[{s:s,s:s,s:s}]", "level", "block", "code",
					"unreachable", "message", text));
		}
	}
}

static bool learn(const Record *r, void *ud)
{
	g_autoptr(json_t) body = json_parse(r->body, strlen(r->body), NULL);
	past_note(ud, r, body);
	return true;
}

/* How long earlier upgrades took: by the journal of --state, or by the controller that runs. Who
 * has neither gets the lower bound. */
static bool read_lengths(const Args *a, json_t **ret, GError **err)
{
	*ret = NULL;
	if (a->state) {
		g_autoptr(Past) past = past_new();
		g_autofree char *path = g_build_filename(a->state, "journal.db", NULL);
		if (!audit_read(path, 0, learn, past, err))
			return false;
		*ret = json_deep_copy(past_lengths(past));
		return true;
	}
	g_autoptr(Client) c = client_open(client_socket(a), NULL);
	g_autoptr(json_t) answer = c ? client_get(c, "/v1/lengths", NULL) : NULL;
	*ret = json_incref(json_object_get(answer, "clusters"));
	return true;
}

static json_t *make_report(Local *l, DocSet *set, const Args *a, GError **err)
{
	const char *plan = a->rest[0];
	g_autofree char *who = local_login();
	g_autoptr(json_t) lengths = NULL;
	if (!read_lengths(a, &lengths, err)) {
		docset_free(set);
		return NULL;
	}
	FleetSubmit s = {
		.set = set, .plan = plan, .who = who, .plan_only = true, .lengths = lengths
	};
	int64_t id;
	if (!local_ask(l, &s, PLAN_DEADLINE_SEC, &id, err))
		return NULL;
	json_t *report = fleet_plan_report(l->fleet, id);
	g_autoptr(json_t) run = fleet_run(l->fleet, id);
	if (report)
		add_late(report, run);
	else
		sl_fail(err, SL_ERR_REFUSED, "%s: the plan gave no report", plan);
	return report;
}

static bool any_blocked(const json_t *report)
{
	size_t i;
	json_t *c;
	json_array_foreach (json_object_get(report, "clusters"), i, c)
		if (strcmp(json_path_str(c, "preflight", ""), "ready") != 0)
			return true;
	return false;
}

static int print_report(const Args *a, const json_t *report)
{
	if (a->json) {
		cli_print_json(report);
	} else {
		Term t = term_of(stdout);
		g_autoptr(GString) out = g_string_new("");
		show_plan(report, &t, out);
		term_put(&t, stdout, out);
	}
	return any_blocked(report) ? EXIT_REFUSED : EXIT_SUCCEEDED;
}

static void print_doc(GPtrArray *seen, const Doc *d)
{
	if (!d || g_ptr_array_find(seen, d, NULL))
		return;
	g_ptr_array_add(seen, (void *)d);
	g_autofree char *text = schema_yaml(d);
	printf("---\n%s", text);
}

/* The plan, and for each of its clusters the document and the policies that count for it. */
static int print_full(const DocSet *set, const Doc *plan)
{
	static const char *const fields[] = { "gates", "drain", "window", "rollback" };
	g_autoptr(GPtrArray) seen = g_ptr_array_new();
	size_t i, k;
	json_t *wave, *name;
	print_doc(seen, plan);
	json_array_foreach (json_object_get(doc_spec(plan), "waves"), i, wave) {
		g_autoptr(json_t) names = docset_wave_clusters(set, wave);
		json_array_foreach (names, k, name) {
			const Doc *c = docset_find(set, "Cluster", json_string_value(name));
			print_doc(seen, c);
			for (size_t f = 0; f < G_N_ELEMENTS(fields); f++)
				print_doc(seen, docset_policy(set, plan, wave, c, fields[f]));
		}
	}
	return EXIT_SUCCEEDED;
}

int verb_plan(const Args *a)
{
	g_autoptr(GError) err = NULL;
	int code = EXIT_FAILED;
	DocSet *set = plan_set_load(a, &code);
	if (!set)
		return code;
	if (a->full) {
		code = print_full(set, docset_find(set, "UpgradePlan", a->rest[0]));
		docset_free(set);
		return code;
	}
	Local l;
	g_autoptr(json_t) report = NULL;
	if (local_open(&l, NULL, NULL, NULL, &err))
		report = make_report(&l, set, a, &err);
	else
		docset_free(set);
	code = report ? print_report(a, report) : cli_fail_error(a, err);
	local_close(&l);
	return code;
}
