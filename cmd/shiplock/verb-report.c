/* shiplock audit report, outages, notice: what a run did, for people, for the bill, for tenants. */
#include "verb-report.h"
#include "client.h"
#include "find.h"
#include "fleet/report.h"
#include "loop/loop-event.h"
#include "store/audit.h"
#include <string.h>

static bool add_record(const Record *x, void *ud)
{
	g_autoptr(json_t) body = json_parse(x->body, strlen(x->body), NULL);
	report_add(ud, x, body);
	return true;
}

/* From the journal in --state; id 0: its newest run. */
static json_t *offline(const Args *a, int64_t id, GError **err)
{
	g_autofree char *path = g_build_filename(a->state, "journal.db", NULL);
	g_autoptr(Report) r = report_new("local");
	if (!audit_read(path, 0, add_record, r, err))
		return NULL;
	json_t *run = report_run(r, id ? id : report_last_id(r));
	if (!run)
		sl_fail(err, SL_ERR_NOT_FOUND, "%s holds no such run", path);
	return run;
}

static json_t *online(const Args *a, int64_t id, GError **err)
{
	g_autoptr(Client) c = client_open(client_socket(a), err);
	g_autofree char *path = g_strdup_printf("/v1/runs/%" G_GINT64_FORMAT "/report", id);
	return c ? client_get(c, path, err) : NULL;
}

static int print_report(const Args *a, const json_t *run)
{
	g_autofree char *text = report_markdown(run);
	fputs(text, stdout);
	return EXIT_SUCCEEDED;
}

static int print_outages(const Args *a, const json_t *run)
{
	g_autofree char *text = report_outages(run, a->url);
	fputs(text, stdout);
	return EXIT_SUCCEEDED;
}

/* Of all waves, or of the one that is named. */
static int print_notice(const Args *a, const json_t *run)
{
	const char *only = a->n_rest > 2 ? a->rest[2] : NULL;
	g_autoptr(LoopEvent) events = loop_event_new(NULL);
	int64_t now = events ? loop_wall_usec(loop_event_loop(events)) : 0;
	bool any = false;
	size_t i;
	json_t *wave;
	json_array_foreach (json_object_get(run, "waves"), i, wave) {
		const char *name = json_string_value(wave);
		g_autofree char *text =
			!only || strcmp(only, name) == 0 ? report_notice(run, name, now) : NULL;
		if (text)
			printf("%s%s", any ? "\n" : "", text);
		any = any || text;
	}
	if (any)
		return EXIT_SUCCEEDED;
	g_autofree char *what = g_strdup_printf(
		"notice: run %s has no wave %s", json_path_str(run, "run", "?"), only);
	return cli_fail(a, EXIT_FAILED, what, "shiplock status");
}

int audit_report(const Args *a)
{
	static const struct {
		const char *name;
		size_t max_rest;
		int (*print)(const Args *a, const json_t *run);
	} subs[] = {
		{ "report", 2, print_report },
		{ "outages", 2, print_outages },
		{ "notice", 3, print_notice },
	};
	g_autoptr(GError) err = NULL;
	g_auto(Target) t = { 0 };
	size_t k = 0;
	while (strcmp(subs[k].name, a->rest[0]) != 0)
		k++;
	if (a->n_rest > 1)
		t = target_parse(a->rest[1]);
	if (a->n_rest > subs[k].max_rest || (a->n_rest > 1 && !t.run) || (!t.run && !a->state))
		return cli_fail(a, EXIT_USAGE, "takes a run, as shiplock status names it",
			"shiplock status");
	g_autoptr(json_t) run = a->state ? offline(a, t.run, &err) : online(a, t.run, &err);
	if (!run)
		return client_fail(a, err);
	if (!a->json)
		return subs[k].print(a, run);
	cli_print_json(run);
	return EXIT_SUCCEEDED;
}
