/* The answer to "why": state, since when, which evidence, what stands, what goes on by itself, what
 * a person can do. */
#include "base/num.h"
#include "fleet/internal.h"
#include "fleet/report.h"
#include "objects/time.h"
#include "plan/doc.h"
#include <string.h>

static json_t *time_text(int64_t wall_usec)
{
	g_autofree char *text = sl_time_format(wall_usec);
	return json_string(text);
}

static void can(json_t *list, const char *cluster, const char *verb, const char *what)
{
	g_autofree char *type = g_strdup_printf("shiplock %s %s", verb, cluster);
	json_array_append_new(list, json_pack("{s:s, s:s}", "type", type, "what", what));
}

/* The newest look of each gate that is not PASS, and the newest of all. */
static json_t *evidence(const Item *c)
{
	json_t *out = json_array();
	const json_t *looks = item_looks(c);
	const json_t *last = json_path(item_memo(c), "rollback.look");
	if (last)
		json_array_append(out, (json_t *)last);
	for (size_t i = json_array_size(looks); i > 0 && json_array_size(out) < 6; i--) {
		json_t *l = json_array_get(looks, i - 1);
		bool seen = false;
		size_t k;
		json_t *o;
		json_array_foreach (out, k, o)
			seen = seen || strcmp(json_path_str(o, "gate", ""),
					       json_path_str(l, "gate", "")) == 0;
		if (!seen)
			json_array_append(out, l);
	}
	return out;
}

static const char *abort_text(const Item *c)
{
	switch (item_state(c)) {
	case CL_CONTROL_PLANE:
	case CL_NODES:
		return "stop here; brakes stay; then rollback or resume";
	case CL_PENDING:
	case CL_PREFLIGHT:
		return "leave it as it is: nothing was written";
	default:
		return "take every mark away and leave the version as it is now; a paused pool "
		       "STAYS PAUSED";
	}
}

/* Preflight refused it because of a claim. */
static bool is_claimed_by_others(const Item *c)
{
	size_t i;
	json_t *f;
	json_array_foreach (json_object_get(item_memo(c), "findings"), i, f)
		if (strcmp(json_path_str(f, "code", ""), "claimed") == 0)
			return true;
	return false;
}

/* The one that the cluster's name stands for: its own, or of the wave it waits in. */
static bool question_of(Item *c, Question *ret)
{
	if (question_open(c, ret))
		return true;
	const char *wave = json_path_str(cluster_entry(c), "wave", "");
	return item_state(c) == CL_PENDING && run_question(item_parent(c), ret) &&
	       (strcmp(ret->subject, "wave") != 0 || strcmp(ret->about, wave) == 0);
}

static void can_answer(json_t *out, Item *c)
{
	Question q;
	if (!question_of(c, &q))
		return;
	g_autoptr(json_t) shown = question_json(&q);
	g_autofree char *glass =
		g_strdup_printf("the way out at night, loud in every report; for %s",
			json_path_str(shown, "mayBreakGlass", ""));
	can(out, item_name(c), "approve",
		strcmp(q.subject, "wave") == 0 ? "say yes to the wave"
					       : "say yes to the rollback that is asked for");
	can(out, item_name(c), "approve --reject --reason TEXT", "say no");
	if (*json_path_str(shown, "mayBreakGlass", ""))
		can(out, item_name(c), "approve --break-glass --reason TEXT", glass);
}

/* It was not begun because of a run that is over: its own name answers that. */
static bool is_stopped_by_ended(const Item *c)
{
	const Hold *h = item_find_hold(item_parent(c), "fleet-stopped");
	const Item *by = h && item_state(c) == CL_PENDING && g_str_has_prefix(h->reason, STOPPED_BY)
				 ? run_stopped_by(item_parent(c))
				 : NULL;
	return by && !run_is_live(by);
}

static void can_when_ended(json_t *out, Item *c)
{
	char stop[SCHEDULE_TEXT_MAX];
	Item *run = item_parent(c);
	const char *name = item_name(c);
	if (is_claimed_by_others(c))
		can(out, name, "takeover",
			"raise the epoch of the claim, where its holder is lost for good");
	can(out, name, "retry", "a new run in which this cluster may be tried again");
	if (run_is_live(run) && item_find_hold(run, "fleet-stopped"))
		can(out, name, "resume", "the other clusters of the run go on without it");
	else if (run_stops_fleet(run, stop))
		can(out, name, "resume", "other runs may start again");
	if (cluster_return_hop(c))
		can(out, name, "rollback",
			"a run of its own takes the upgrade back, after its own probe");
}

static json_t *you_can(Item *c)
{
	json_t *out = json_array();
	const char *name = item_name(c);
	bool hold = false;
	if (item_ended(c)) {
		can_when_ended(out, c);
		return out;
	}
	for (size_t i = 0; i < item_n_holds(c); i++)
		hold = hold || item_hold(c, i)->person;
	bool moved = hop_crossed(c, "control-plane");
	if (moved && item_state(c) < CL_DONE)
		can(out, name, "rollback", json_path_str(item_memo(c), "offer.how", "step down"));
	can_answer(out, c);
	if (is_stopped_by_ended(c))
		can(out, name, "resume", "start in spite of the rollback that stopped it");
	if (item_find_hold(c, "claim"))
		can(out, name, "takeover",
			"raise the epoch of the claim, where its holder is lost for good");
	if (hold)
		can(out, name, "resume", "go on, where the cause is cleared");
	else if (item_state(c) < CL_DONE)
		can(out, name, "pause", "nothing new starts");
	if (item_state(c) < CL_DONE)
		can(out, name, "abort", abort_text(c));
	return out;
}

static char *goes_on(const Item *c)
{
	if (item_ended(c))
		return g_strdup("this cluster's part of the run is over");
	for (size_t i = 0; i < item_n_holds(c); i++)
		if (item_hold(c, i)->person)
			return g_strdup("only when a person decides");
	if (item_find_hold(c, "window"))
		return g_strdup("by itself, at the next opening of its window");
	if (item_n_holds(c) > 0) {
		int sec = cluster_kind.hold_for_sec(c);
		g_autofree char *limit = sl_duration_human(sec);
		return g_strdup_printf(
			"by itself when its cause is gone; after %s it waits for a person", limit);
	}
	return g_strdup("by itself");
}

static json_t *question_text(const Question *q)
{
	g_autofree char *name = question_name(q), *stands = question_stands(q);
	return json_sprintf("%s %s waits for %s, %s", q->subject, q->about, name, stands);
}

/* What a cluster that was not begun waits for is known to its run. */
static json_t *because_pending(Item *c)
{
	Item *run = item_parent(c);
	const Hold *h = item_n_holds(run) ? item_hold(run, 0) : NULL;
	Question q;
	if (!question_of(c, &q))
		return json_string(h ? h->reason : item_reason(run));
	return question_text(&q);
}

static json_t *because(Item *c)
{
	const json_t *back = json_object_get(item_memo(c), "rollback");
	const char *gate = json_path_str(back, "gate", NULL), *why = json_path_str(back, "why", "");
	if (item_n_holds(c) > 0)
		return json_string(item_hold(c, item_n_holds(c) - 1)->reason);
	if (item_state(c) == CL_PENDING)
		return because_pending(c);
	if (gate)
		return json_sprintf("gate %s failed: %s", gate, why);
	if (back)
		return json_sprintf("rolled back by %s%s%s", json_path_str(back, "by", "?"),
			*why ? ": " : "", why);
	return json_string(*item_reason(c) && !item_ended(c) ? item_reason(c) : item_why(c));
}

static char *stands(const Item *c)
{
	const json_t *hop = cluster_hop(c);
	bool back = item_pivot_crossed(c, "rollback");
	const char *target = back ? json_path_str(item_memo(c), "offer.target", "") : "";
	GString *s = g_string_new(NULL);
	if (!hop)
		g_string_append(s, "nothing was written to the cluster but the claim");
	else
		g_string_append_printf(s, "ordered %s; workers %s",
			*target ? target : json_path_str(hop, back ? "from" : "to", ""),
			hop_crossed(c, "workers") ? "released" : "not touched");
	for (size_t i = 0; i < item_n_acts(c); i++) {
		const Act *a = item_act(c, i);
		if (act_state(a) == ACT_DONE && act_row(a)->undo)
			g_string_append_printf(s, "; %s stands", act_row(a)->name);
	}
	return g_string_free(s, FALSE);
}

static json_t *question_shown(Item *c)
{
	Question q;
	return question_of(c, &q) ? question_json(&q) : json_null();
}

static json_t *why_item(Fleet *f, Item *c)
{
	g_autofree char *on = goes_on(c), *standing = stands(c);
	int64_t since = item_n_holds(c) > 0 ? item_hold(c, item_n_holds(c) - 1)->since_wall_usec
					    : item_since_wall_usec(c);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s?, s:b, s:o, s:I, s:o, s:s, s:s, s:O?, "
			 "s:O?, s:O?, s:o, s:o, s:o, s:o, s:O, s:o}",
		"apiVersion", DOC_API_VERSION, "kind", "Why", "cluster", item_name(c), "run",
		item_name(item_parent(c)), "state", item_state_name(c), "outcome",
		cluster_outcome(c), "held", (int)(item_n_holds(c) > 0), "since", time_text(since),
		"sinceSeconds",
		(json_int_t)sl_max((loop_wall_usec(f->o.loop) - since) / SL_USEC_PER_SEC, 0),
		"because", because(c), "stands", standing, "goesOn", on, "hop", cluster_hop(c),
		"rollback", json_object_get(item_memo(c), "rollback"), "findings",
		json_object_get(item_memo(c), "findings"), "evidence", evidence(c), "youCan",
		you_can(c), "question", question_shown(c), "glass", run_glass(item_parent(c)),
		"newer", fleet_newer(f, item_parent(c)), "observed",
		report_observed(json_object_get(item_memo(c), "observed")));
}

json_t *fleet_why(Fleet *f, const char *cluster, const char *node)
{
	Item *c = fleet_newest_of(f, cluster);
	if (!c)
		return NULL;
	if (!node)
		return why_item(f, c);
	Item *n = item_find_child(c, node);
	return n ? drain_why(n) : NULL;
}

/* Those that finished before another one went back. */
static void can_take_back(json_t *out, Item *run)
{
	g_autoptr(json_t) offers = run_offers(run);
	size_t i;
	json_t *name;
	json_array_foreach (offers, i, name) {
		const Item *c = item_find_child(run, json_string_value(name));
		g_autofree char *what =
			g_strdup_printf("take this finished cluster back to %s too, in a run of "
					"its own with its own probe",
				json_path_str(cluster_hop(c), "from", "?"));
		can(out, item_name(c), "rollback", what);
	}
}

/* Commands are given by a cluster's name: of the first one that the answer is about. */
static json_t *run_can(Item *run)
{
	json_t *out = json_array();
	char stop[SCHEDULE_TEXT_MAX];
	bool live = run_is_live(run), asked = false;
	bool stopped =
		live ? item_find_hold(run, "fleet-stopped") != NULL : run_stops_fleet(run, stop);
	for (size_t i = 0; i < item_n_children(run); i++) {
		Item *c = item_child(run, i);
		Question q;
		if (!asked && item_state(c) == CL_PENDING && question_of(c, &q)) {
			can_answer(out, c);
			asked = true;
		}
		if (!stopped || g_strcmp0(cluster_outcome(c), "RolledBack") != 0)
			continue;
		can(out, item_name(c), "retry", "try this cluster again in a new run");
		if (fleet_newest_of(fleet_of(run), item_name(c)) == c)
			can(out, item_name(c), "resume",
				live ? "let the other clusters go on without it"
				     : "let other runs start again");
	}
	if (stopped)
		can_take_back(out, run);
	if (stopped && !live)
		can(out, "--fleet", "resume", "let all start again that rollbacks stopped");
	return out;
}

static json_t *run_because(Item *run, json_t **ret_question)
{
	const Hold *h = item_n_holds(run) ? item_hold(run, 0) : NULL;
	Question q;
	char stop[SCHEDULE_TEXT_MAX];
	*ret_question = json_null();
	if (!run_is_live(run) && run_stops_fleet(run, stop))
		return json_sprintf("it ended %s and stops the fleet: %s; nothing starts until a "
				    "person says so",
			run_outcome(run), stop);
	if (!run_question(run, &q))
		return json_string(h ? h->reason : item_reason(run));
	*ret_question = question_json(&q);
	return question_text(&q);
}

json_t *fleet_why_run(Fleet *f, int64_t id)
{
	Item *run = fleet_find_run(f, id);
	if (!run)
		return NULL;
	json_t *clusters = json_array(), *question, *why = run_because(run, &question);
	for (size_t i = 0; i < item_n_children(run); i++)
		json_array_append_new(clusters, why_item(f, item_child(run, i)));
	return json_pack("{s:s, s:s, s:s, s:s, s:s?, s:o, s:o, s:o, s:o, s:o, s:O, s:i}",
		"apiVersion", DOC_API_VERSION, "kind", "Why", "run", item_name(run), "state",
		item_state_name(run), "outcome", run_outcome(run), "because", why, "youCan",
		run_can(run), "clusters", clusters, "question", question, "glass", run_glass(run),
		"newer", fleet_newer(f, run), "exitCode", run_exit_code(run, false));
}
