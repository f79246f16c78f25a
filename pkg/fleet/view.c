/* What the fleet shows, in the shapes of `-o json`: built from the items alone, so it can be asked
 * at any time. */
#include "base/num.h"
#include "fleet/changes.h"
#include "fleet/internal.h"
#include "fleet/notice.h"
#include "fleet/results.h"
#include "objects/time.h"
#include "plan/doc.h"
#include <string.h>

static json_t *head(const char *kind)
{
	return json_pack("{s:s, s:s}", "apiVersion", DOC_API_VERSION, "kind", kind);
}

static json_t *time_text(int64_t wall_usec)
{
	if (!wall_usec)
		return json_null();
	g_autofree char *text = sl_time_format(wall_usec);
	return json_string(text);
}

static int64_t wall(const Fleet *f)
{
	return loop_wall_usec(f->o.loop);
}

static int64_t since_sec(const Fleet *f, int64_t wall_usec)
{
	return sl_max((wall(f) - wall_usec) / SL_USEC_PER_SEC, 0);
}

static json_t *holds_json(const Fleet *f, const Item *it)
{
	json_t *out = json_array();
	for (size_t i = 0; i < item_n_holds(it); i++) {
		const Hold *h = item_hold(it, i);
		json_array_append_new(
			out, json_pack("{s:s, s:s, s:s, s:b, s:o, s:I}", "cause", h->cause,
				     "reason", h->reason, "by", h->by, "needsPerson",
				     (int)h->person, "since", time_text(h->since_wall_usec),
				     "sinceSeconds", (json_int_t)since_sec(f, h->since_wall_usec)));
	}
	return out;
}

/* How far a soak is, for a progress bar: seconds done and whole. */
static json_t *progress_json(const Item *c)
{
	const char *field = item_state(c) == CL_CP_SOAK ? "cpSoakSeconds" : "soakSeconds";
	if (item_state(c) != CL_CP_SOAK && item_state(c) != CL_SOAK)
		return json_null();
	int64_t whole = json_path_int(cluster_wave(c), field, 0);
	int64_t counts = item_observed_usec(c) - cluster_paused_usec(c);
	int64_t done = MIN(counts / SL_USEC_PER_SEC, whole);
	return json_pack(
		"{s:I, s:I}", "doneSeconds", (json_int_t)done, "wholeSeconds", (json_int_t)whole);
}

static json_t *nodes_json(const Item *c)
{
	json_t *out = json_array();
	for (size_t i = 0; i < item_n_children(c); i++) {
		const Item *n = item_child(c, i);
		json_array_append_new(
			out, json_pack("{s:s, s:s, s:s}", "name", item_name(n), "state",
				     item_state_name(n), "reason", item_reason(n)));
	}
	return out;
}

static const char *now_text(const Item *c)
{
	if (item_n_holds(c) > 0)
		return item_hold(c, item_n_holds(c) - 1)->reason;
	return *item_reason(c) ? item_reason(c) : item_why(c);
}

static json_t *cluster_json(const Fleet *f, const Item *c)
{
	const json_t *memo = item_memo(c);
	return json_pack("{s:s, s:s, s:s, s:s, s:s?, s:o, s:I, s:s, s:O?, s:O?, s:O?, s:o, s:o, "
			 "s:o, s:b, s:I}",
		"name", item_name(c), "run", item_name(item_parent(c)), "wave",
		json_path_str(cluster_entry(c), "wave", ""), "state", item_state_name(c), "outcome",
		cluster_outcome(c), "since", time_text(item_since_wall_usec(c)), "sinceSeconds",
		(json_int_t)since_sec(f, item_since_wall_usec(c)), "now", now_text(c), "hop",
		json_object_get(memo, "hop"), "rollback", json_object_get(memo, "offer"),
		"findings", json_object_get(memo, "findings"), "holds", holds_json(f, c),
		"progress", progress_json(c), "nodes", nodes_json(c), "workersTouched",
		(int)hop_crossed(c, "workers"), "seq",
		(json_int_t)changes_seq(f->changes, c, NULL));
}

static json_t *run_question_json(Item *run)
{
	Question q;
	return run_question(run, &q) ? question_json(&q) : json_null();
}

static json_t *run_json(Fleet *f, Item *run)
{
	const json_t *data = item_data(run);
	json_t *clusters = json_array();
	for (size_t i = 0; i < item_n_children(run); i++)
		json_array_append_new(clusters, cluster_json(f, item_child(run, i)));
	return json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:s?, s:o, s:i, s:s, s:O?, s:o, s:o, s:o, "
			 "s:o, s:s, s:O}",
		"id", (json_int_t)run_id(run), "name", item_name(run), "plan",
		json_path_str(data, "plan.name", ""), "commit", json_path_str(data, "commit", ""),
		"repository", run_repository(run), "state", item_state_name(run), "outcome",
		run_outcome(run), "since", time_text(item_since_wall_usec(run)), "exitCode",
		run_exit_code(run, false), "now", now_text(run), "waves",
		json_object_get(data, "waves"), "holds", holds_json(f, run), "clusters", clusters,
		"glass", run_glass(run), "question", run_question_json(run), "digest",
		json_path_str(data, "digest", ""), "newer", fleet_newer(f, run));
}

/* ---- what needs a person ---- */

static void need(
	json_t *list, const char *cluster, int64_t sec, const char *text, const char *command)
{
	json_array_append_new(
		list, json_pack("{s:s, s:s, s:s, s:I}", "cluster", cluster, "text", text, "type",
			      command, "sinceSeconds", (json_int_t)sec));
}

/* "; approval two-leads: 1 of 2", where the hold asks people whom a policy names. Caller frees. */
static char *asked_text(Item *c, const Hold *h)
{
	Question q;
	if (strcmp(h->cause, "rollback-wanted") != 0 || !question_open(c, &q) || !q.policy)
		return g_strdup("");
	g_autofree char *stands = question_stands(&q), *name = question_name(&q);
	return g_strdup_printf("; %s: %s", name, stands);
}

static void need_of_cluster(const Fleet *f, Item *c, json_t *list)
{
	for (size_t i = 0; i < item_n_holds(c); i++) {
		const Hold *h = item_hold(c, i);
		if (strcmp(h->cause, "window") == 0) /* it opens by itself */
			continue;
		g_autofree char *ago = sl_duration_human(since_sec(f, h->since_wall_usec));
		g_autofree char *asked = asked_text(c, h);
		g_autofree char *text = g_strdup_printf(
			"held %s in %s: %s%s", ago, item_state_name(c), h->reason, asked);
		bool lost = strcmp(h->cause, "claim") == 0;
		g_autofree char *type =
			g_strdup_printf("shiplock %s %s", *asked ? "approve" : "why", item_name(c));
		need(list, item_name(c), since_sec(f, h->since_wall_usec), text, type);
		g_autofree char *take = g_strdup_printf("shiplock takeover %s", item_name(c));
		if (lost)
			need(list, item_name(c), since_sec(f, h->since_wall_usec),
				"where that controller is lost for good", take);
	}
}

const char *run_pending_name(const Item *run)
{
	for (size_t i = 0; i < item_n_children(run); i++)
		if (item_state(item_child(run, i)) == CL_PENDING)
			return item_name(item_child(run, i));
	return "";
}

const char *run_rolled_back_name(const Item *run)
{
	for (size_t i = 0; i < item_n_children(run); i++)
		if (g_strcmp0(cluster_outcome(item_child(run, i)), "RolledBack") == 0)
			return item_name(item_child(run, i));
	return run_pending_name(run);
}

/* One line however many they are: each is an order of its own. */
static void need_of_offers(const Item *run, int64_t sec, json_t *list)
{
	g_autoptr(json_t) offers = run_offers(run);
	size_t n = json_array_size(offers);
	if (n == 0)
		return;
	const char *first = json_string_value(json_array_get(offers, 0));
	g_autofree char *names = offered_names(offers);
	g_autofree char *text = g_strdup_printf(
		"finished before in %s, can be taken back one by one: %s", item_name(run), names);
	g_autofree char *type = g_strdup_printf("shiplock rollback %s", first);
	need(list, first, sec, text, type);
}

static void need_of_run(const Fleet *f, Item *run, json_t *list)
{
	const Hold *approval = item_find_hold(run, "approval"),
		   *halt = item_find_hold(run, "fleet-stopped");
	Question q;
	if (approval && run_question(run, &q)) {
		g_autofree char *type =
			g_strdup_printf("shiplock approve %s", run_pending_name(run));
		g_autofree char *stands = question_stands(&q), *name = question_name(&q);
		g_autofree char *text =
			g_strdup_printf("%s %s waits for %s, %s", q.subject, q.about, name, stands);
		need(list, run_pending_name(run), since_sec(f, approval->since_wall_usec), text,
			type);
	}
	if (halt) {
		g_autofree char *text =
			g_strdup_printf("%s stands: %s", item_name(run), halt->reason);
		g_autofree char *type =
			g_strdup_printf("shiplock why %s", run_rolled_back_name(run));
		int64_t sec = since_sec(f, halt->since_wall_usec);
		need(list, run_rolled_back_name(run), sec, text, type);
		need_of_offers(run, sec, list);
	}
	for (size_t i = 0; i < item_n_children(run); i++)
		if (!item_ended(item_child(run, i)))
			need_of_cluster(f, item_child(run, i), list);
}

/* An ended run whose rollback nobody has answered: no plan starts by itself. */
static void need_of_stop(const Fleet *f, Item *run, json_t *list)
{
	char why[SCHEDULE_TEXT_MAX];
	if (!run_stops_fleet(run, why))
		return;
	g_autofree char *text =
		g_strdup_printf("%s ended %s, and nothing starts until a person says so: %s",
			item_name(run), run_outcome(run), why);
	g_autofree char *type = g_strdup_printf("shiplock why %" G_GINT64_FORMAT, run_id(run));
	int64_t sec = since_sec(f, item_since_wall_usec(run));
	need(list, run_rolled_back_name(run), sec, text, type);
	need_of_offers(run, sec, list);
}

/* Brakes that ended runs left: the workers stay at the old version until somebody decides. */
static void need_of_brakes(Fleet *f, const Target *t, json_t *list)
{
	const Item *newest = fleet_newest_of(f, t->name);
	if (!newest || !item_ended(newest))
		return;
	g_autoptr(json_t) standing = json_object();
	for (size_t i = 0; i < fleet_n_runs(f); i++) {
		const Item *c = item_find_child(fleet_nth_run(f, i), t->name);
		if (c)
			t->provider->brakes(c, standing);
	}
	const char *pool;
	json_t *run;
	json_object_foreach (standing, pool, run) {
		g_autofree char *text = g_strdup_printf(
			"pool %s stays paused by us since run %s", pool, json_string_value(run));
		g_autofree char *type = g_strdup_printf("shiplock retry %s", t->name);
		need(list, t->name, since_sec(f, item_since_wall_usec(newest)), text, type);
	}
}

static void need_of_notices(Fleet *f, json_t *list)
{
	g_autoptr(json_t) receivers = notices_json(f->notices);
	size_t i;
	json_t *r;
	json_array_foreach (receivers, i, r) {
		int64_t sec = json_path_int(r, "oldestSeconds", 0);
		int waiting = (int)json_path_int(r, "waiting", 0);
		if (sec < NOTICE_LATE_SEC)
			continue;
		g_autofree char *text = g_strdup_printf("%d notice%s to %s cannot be delivered: %s",
			waiting, waiting == 1 ? "" : "s", json_path_str(r, "receiver", ""),
			json_path_str(r, "error", "no answer yet"));
		need(list, "", sec, text, "journalctl -u shiplockd");
	}
}

/* Clusters that an unknown controller holds: it may be alive, or lost with its host. */
static void need_of_claims(Fleet *f, json_t *list)
{
	g_autoptr(json_t) claims = json_array();
	idle_foreign_claims(f->idle, claims);
	size_t i;
	json_t *c;
	json_array_foreach (claims, i, c) {
		const char *cluster = json_path_str(c, "cluster", "");
		g_autofree char *text = g_strdup_printf(
			"%s; where it is lost for good:", json_path_str(c, "text", ""));
		g_autofree char *type = g_strdup_printf("shiplock takeover %s", cluster);
		need(list, cluster, 0, text, type);
	}
}

static void need_of_results(Fleet *f, json_t *list)
{
	g_autoptr(json_t) open = results_json(f->results);
	size_t i;
	json_t *r;
	json_array_foreach (open, i, r) {
		int64_t sec = json_path_int(r, "sinceSeconds", 0);
		if (sec < RESULTS_LATE_SEC)
			continue;
		g_autofree char *text =
			g_strdup_printf("the result of run %d is not in %s of repository %s: %s",
				(int)json_path_int(r, "run", 0), json_path_str(r, "ref", ""),
				json_path_str(r, "repository", ""),
				json_path_str(r, "error", "no answer yet"));
		need(list, "", sec, text, "journalctl -u shiplockd");
	}
}

static json_t *needs_you(Fleet *f)
{
	json_t *list = json_array();
	const Hold *pause = item_find_hold(saga_root(f->saga), "pause");
	if (pause)
		need(list, "", since_sec(f, pause->since_wall_usec), pause->reason,
			"shiplock resume --fleet");
	for (size_t i = 0; i < fleet_n_runs(f); i++) {
		Item *run = fleet_nth_run(f, i);
		if (run_is_live(run))
			need_of_run(f, run, list);
		else
			need_of_stop(f, run, list);
	}
	for (unsigned i = 0; i < f->targets->len; i++)
		need_of_brakes(f, g_ptr_array_index(f->targets, i), list);
	need_of_notices(f, list);
	need_of_results(f, list);
	need_of_claims(f, list);
	return list;
}

static json_t *repositories_json(const Fleet *f)
{
	json_t *out = json_array();
	for (unsigned i = 0; i < f->repositories->len; i++) {
		const Repository *r = g_ptr_array_index(f->repositories, i);
		json_array_append_new(
			out, json_pack("{s:s, s:s?, s:s?, s:o, s:s?}", "name", r->name, "url",
				     r->url, "commit", r->commit, "lookedAt",
				     time_text(r->looked_usec), "error", r->error));
	}
	return out;
}

json_t *fleet_runs(Fleet *f)
{
	json_t *out = json_array();
	for (size_t i = 0; i < fleet_n_runs(f); i++)
		json_array_append_new(out, run_json(f, fleet_nth_run(f, i)));
	return out;
}

json_t *fleet_status(Fleet *f)
{
	json_t *s = head("Status");
	json_object_set_new(s, "fleet", json_string(f->name));
	json_object_set_new(s, "seq", json_integer((json_int_t)fleet_seq(f)));
	g_autofree char *stop = fleet_stop_text(f);
	json_object_set_new(s, "stopped", stop ? json_string(stop) : json_null());
	json_object_set_new(s, "journalWritable", json_boolean(f->writable));
	json_object_set_new(s, "claims", fleet_claims(f));
	json_object_set_new(s, "waits", fleet_waits(f));
	json_object_set_new(s, "needsYou", needs_you(f));
	json_object_set_new(s, "runs", fleet_runs(f));
	json_object_set_new(s, "inventory", idle_json(f->idle));
	json_object_set_new(s, "repositories", repositories_json(f));
	json_object_set_new(s, "notify", notices_json(f->notices));
	json_object_set_new(s, "results", results_json(f->results));
	return s;
}

json_t *fleet_run(Fleet *f, int64_t id)
{
	Item *run = fleet_find_run(f, id);
	return run ? run_json(f, run) : NULL;
}

json_t *fleet_cluster(Fleet *f, const char *cluster)
{
	Item *c = fleet_newest_of(f, cluster);
	return c ? cluster_json(f, c) : NULL;
}

json_t *fleet_lengths(Fleet *f)
{
	return json_deep_copy(past_lengths(f->past));
}

/* Clusters of a wave follow one another: the window may be long enough for each, and not for all.
 */
static json_t *wave_note(const Item *run, const json_t *wave)
{
	const char *name = json_path_str(wave, "name", "");
	int64_t work = 0, open = INT64_MAX;
	size_t n = 0;
	for (size_t i = 0; i < item_n_children(run); i++) {
		const json_t *memo = item_memo(item_child(run, i));
		int64_t from = 0, to = 0;
		if (strcmp(json_path_str(cluster_entry(item_child(run, i)), "wave", ""), name) != 0)
			continue;
		n++;
		work += json_path_int(memo, "about.workSeconds", 0);
		if (sl_time_parse(json_path_str(memo, "window.opensAt", ""), &from) &&
			sl_time_parse(json_path_str(memo, "window.closesAt", ""), &to))
			open = sl_min(open, (to - from) / SL_USEC_PER_SEC);
	}
	if (n < 2 || work <= open || json_path_int(wave, "maxConcurrent", 1) > 1)
		return NULL;
	g_autofree char *need = sl_duration_human(work), *have = sl_duration_human(open);
	return json_sprintf("wave %s: its %zu clusters take about %s one after another, its window "
			    "is %s long: the rest waits for the next opening",
		name, n, need, have);
}

static json_t *report_notes(const Item *run)
{
	json_t *out = json_array(), *wave;
	size_t i;
	json_array_foreach (json_object_get(item_data(run), "waves"), i, wave) {
		json_t *note = wave_note(run, wave);
		if (note)
			json_array_append_new(out, note);
	}
	return out;
}

static json_t *report_cluster(const Item *c)
{
	const json_t *memo = item_memo(c);
	return json_pack("{s:s, s:s, s:s?, s:O?, s:s, s:O?, s:O?, s:O?, s:O?, s:s?}", "name",
		item_name(c), "wave", json_path_str(cluster_entry(c), "wave", ""), "now",
		json_path_str(memo, "now", NULL), "hops", json_object_get(memo, "path"),
		"preflight", g_strcmp0(cluster_outcome(c), "Refused") == 0 ? "blocked" : "ready",
		"rollback", json_object_get(memo, "offer"), "findings",
		json_object_get(memo, "findings"), "about", json_object_get(memo, "about"),
		"window", json_object_get(memo, "window"), "approval",
		json_path_str(cluster_wave(c), "approval", NULL));
}

json_t *fleet_plan_report(Fleet *f, int64_t id)
{
	Item *run = fleet_find_run(f, id);
	if (!run)
		return NULL;
	json_t *report = head("PlanReport"), *clusters = json_array();
	const json_t *data = item_data(run);
	for (size_t i = 0; i < item_n_children(run); i++)
		json_array_append_new(clusters, report_cluster(item_child(run, i)));
	json_object_set_new(report, "notes", report_notes(run));
	json_object_set_new(report, "plan", json_string(json_path_str(data, "plan.name", "")));
	json_object_set_new(report, "commit", json_string(json_path_str(data, "commit", "")));
	json_object_set_new(report, "digest", json_string(json_path_str(data, "digest", "")));
	json_object_set(report, "target", json_path(data, "plan.spec.target"));
	json_object_set(report, "waves", json_object_get(data, "waves"));
	json_object_set_new(report, "clusters", clusters);
	return report;
}

json_t *fleet_inspect_report(Fleet *f, int64_t id)
{
	Item *run = fleet_find_run(f, id);
	if (!run)
		return NULL;
	json_t *report = head("InspectReport"), *clusters = json_array();
	for (size_t i = 0; i < item_n_children(run); i++) {
		const Item *c = item_child(run, i);
		json_t *entry = json_pack("{s:s, s:o}", "name", item_name(c), "lookedAt",
			time_text(item_since_wall_usec(c)));
		json_object_update_missing(entry, json_object_get(item_memo(c), "inspect"));
		json_array_append_new(clusters, entry);
	}
	json_object_set_new(report, "clusters", clusters);
	return report;
}
