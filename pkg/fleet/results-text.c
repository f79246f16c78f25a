/* What is committed: the report of a run with its texts, or a note on the commit of its plan. */
#include "fleet/internal.h"
#include "fleet/report.h"
#include "fleet/results.h"
#include <string.h>

static const char *str(const json_t *v, const char *path)
{
	return json_path_str(v, path, "");
}

/* "runs/to-4-21-10-7/report.md". Takes text. */
static void add_file(json_t *files, const json_t *report, int64_t id, const char *name, char *text)
{
	json_array_append_new(files, json_pack("{s:o, s:s}", "path",
					     json_sprintf("runs/%s-%" G_GINT64_FORMAT "/%s",
						     str(report, "plan"), id, name),
					     "text", text));
	g_free(text);
}

static void add_notices(json_t *files, const json_t *report, int64_t id, int64_t now_usec)
{
	size_t i;
	json_t *wave;
	json_array_foreach (json_object_get(report, "waves"), i, wave) {
		const char *name = json_string_value(wave);
		g_autofree char *file = g_strdup_printf("notice-%s.txt", name);
		char *text = i < RESULTS_WAVES_MAX ? report_notice(report, name, now_usec) : NULL;
		if (text)
			add_file(files, report, id, file, text);
	}
}

static json_t *report_files(const json_t *report, int64_t id, int64_t now_usec)
{
	json_t *files = json_array();
	char *outages = report_outages(report, NULL);
	g_autofree char *json = json_dumps(report, JSON_INDENT(1) | JSON_SORT_KEYS);
	add_file(files, report, id, "report.md", report_markdown(report));
	add_file(files, report, id, "report.json", g_strconcat(json, "\n", NULL));
	if (*outages)
		add_file(files, report, id, "outages.yaml", outages);
	else
		g_free(outages);
	add_notices(files, report, id, now_usec);
	return files;
}

/* A commit can hold several plans, and a plan several runs: the note tells of all that ended. */
static json_t *note_file(Fleet *f, const Item *of)
{
	const char *commit = str(item_data(of), "commit");
	g_autoptr(GString) s = g_string_new(NULL);
	for (size_t i = 0; i < fleet_n_runs(f); i++) {
		const Item *run = fleet_nth_run(f, i);
		if (run_is_live(run) || strcmp(str(item_data(run), "commit"), commit) != 0 ||
			strcmp(run_repository(run), run_repository(of)) != 0)
			continue;
		g_string_append_printf(s, "shiplock run %s: %s\n", item_name(run),
			run_outcome(run) ? run_outcome(run) : "ended");
		for (size_t k = 0; k < item_n_children(run); k++) {
			const Item *c = item_child(run, k);
			const char *outcome = cluster_outcome(c);
			g_string_append_printf(
				s, "  %s %s\n", item_name(c), outcome ? outcome : "-");
		}
	}
	return json_pack("[{s:s, s:s}]", "path", commit, "text", s->str);
}

json_t *results_request(Fleet *f, const Item *run, const json_t *data)
{
	int64_t wall = json_path_int(data, "wallUsec", 0);
	bool note = strcmp(str(data, "what"), "notes") == 0;
	const char *outcome = run_outcome(run) ? run_outcome(run) : "ended";
	g_autoptr(json_t) report = fleet_report(f, run_id(run));
	json_t *files = note ? note_file(f, run) : report_files(report, run_id(run), wall);
	json_t *author = json_pack("{s:s, s:s}", "name", "shiplock", "email", "shiplock@localhost");
	return json_pack("{s:s, s:s, s:o, s:s, s:o, s:[[s,s],[s,s],[s,s]], s:o, s:I}", "op",
		"write", note ? "notes" : "branch", str(data, "ref"), "files", files, "key",
		str(data, "key"), "message",
		json_sprintf("run %s: %s\n\nWritten by the controller of fleet %s.", item_name(run),
			outcome, f->name),
		"trailers", "Shiplock-Run", item_name(run), "Shiplock-Outcome", outcome,
		"Shiplock-Plan-Commit", str(item_data(run), "commit"), "author", author, "time",
		(json_int_t)(wall / SL_USEC_PER_SEC));
}
