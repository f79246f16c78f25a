/* After a rollback the fleet stands until a person says otherwise, whether the run goes on or has
 * ended. The answer is `forgiven` in the run's memo: the clusters whose end stops nothing more. */
#include "fleet/internal.h"
#include <string.h>

static Item *stopper(const Item *run, bool live)
{
	Fleet *f = fleet_of(run);
	char text[SCHEDULE_TEXT_MAX];
	for (size_t i = 0; i < fleet_n_runs(f); i++) {
		Item *other = fleet_nth_run(f, i);
		if (other != run && run_is_live(other) == live && run_stops_fleet(other, text))
			return other;
	}
	return NULL;
}

Item *run_stopped_by(const Item *run)
{
	if (json_object_get(item_data(run), "rollback")) /* a person asked for this way back */
		return NULL;
	Item *live = stopper(run, true);
	return live ? live : stopper(run, false);
}

/* What ended badly until now stays out and counts no more: neither against a failureBudget nor for
 * stopFleetAfter nor as a halting gate. */
static void forgive(Item *run, Batch *b)
{
	json_t *list = json_array();
	for (size_t i = 0; i < item_n_children(run); i++) {
		const Item *c = item_child(run, i);
		bool halts = json_path_str(item_memo(c), "halt", NULL) != NULL;
		if (item_ended(c) && (halts || !cluster_is_good(c)))
			json_array_append_new(list, json_string(item_name(c)));
	}
	batch_memo(b, run, "forgiven", list);
}

/* The hold of another run, where it stands because of what is answered here. */
static void go_on(Item *run, const Item *answered, Batch *b, const char *who)
{
	const Hold *h = item_find_hold(run, "fleet-stopped");
	if (h && (run == answered || g_str_has_prefix(h->reason, STOPPED_BY)))
		batch_unhold(b, run, "fleet-stopped", who);
}

/* A cluster that a person took back after its run is part of what that run's answer is about. */
static bool belongs(const Item *other, const Item *run)
{
	return strcmp(json_path_str(item_data(other), "rollback.of", ""), item_name(run)) == 0;
}

void run_forgive(Item *run, Batch *b, const char *who)
{
	Fleet *f = fleet_of(run);
	for (size_t i = 0; i < fleet_n_runs(f); i++) {
		Item *other = fleet_nth_run(f, i);
		if (other == run || (belongs(other, run) && !run_is_live(other)))
			forgive(other, b);
	}
	for (size_t i = 0; i < fleet_n_runs(f); i++)
		go_on(fleet_nth_run(f, i), run, b, who);
}

size_t fleet_forgive(Fleet *f, Batch *b, const char *who)
{
	char text[SCHEDULE_TEXT_MAX];
	size_t n = 0;
	for (size_t i = 0; i < fleet_n_runs(f); i++) {
		Item *run = fleet_nth_run(f, i);
		if (!run_stops_fleet(run, text))
			continue;
		forgive(run, b);
		go_on(run, run, b, who);
		n++;
	}
	for (size_t i = 0; i < fleet_n_runs(f); i++) {
		Item *run = fleet_nth_run(f, i);
		if (!run_stops_fleet(run, text))
			go_on(run, NULL, b, who);
	}
	return n;
}

char *fleet_stop_text(const Fleet *f)
{
	char text[SCHEDULE_TEXT_MAX];
	for (size_t i = 0; i < fleet_n_runs(f); i++)
		if (run_stops_fleet(fleet_nth_run(f, i), text))
			return g_strdup_printf(
				"%s stops the fleet: %s", item_name(fleet_nth_run(f, i)), text);
	return NULL;
}

/* ---- what finished before is offered ---- */

static const char *wave_of(const Item *c)
{
	return json_path_str(cluster_entry(c), "wave", "");
}

/* One went back, in this wave or, with NULL, in any. */
static bool any_back(const Item *run, const char *wave)
{
	for (size_t i = 0; i < item_n_children(run); i++) {
		const Item *c = item_child(run, i);
		if (cluster_went_back(c) && (!wave || strcmp(wave_of(c), wave) == 0))
			return true;
	}
	return false;
}

static bool is_finished(const Item *c)
{
	return item_ended(c) && cluster_is_good(c) && cluster_hop(c) && !cluster_takes_back(c) &&
	       fleet_newest_of(fleet_of(c), item_name(c)) == c;
}

json_t *run_offers(const Item *run)
{
	const json_t *data = item_data(run);
	const char *scope = json_path_str(data, "plan.spec.onFailure.scope", "cluster");
	bool all = json_path_str(item_memo(run), "stopped", NULL) ||
		   (strcmp(scope, "all") == 0 && any_back(run, NULL));
	json_t *out = json_array();
	for (size_t i = 0; i < item_n_children(run); i++) {
		const Item *c = item_child(run, i);
		if (is_finished(c) && (all || any_back(run, wave_of(c))))
			json_array_append_new(out, json_string(item_name(c)));
	}
	return out;
}

char *offered_names(const json_t *offers)
{
	enum { NAMES_MAX = 5 };
	GString *s = g_string_new(NULL);
	size_t n = json_array_size(offers);
	for (size_t i = 0; i < n && i < NAMES_MAX; i++)
		g_string_append_printf(
			s, "%s%s", i ? ", " : "", json_string_value(json_array_get(offers, i)));
	if (n > NAMES_MAX)
		g_string_append_printf(s, " and %zu more", n - NAMES_MAX);
	return g_string_free(s, FALSE);
}
