/* A run: its clusters by wave, one decision at a time. What may start is decided in schedule.c from
 * what stands here. */
#include "fleet/internal.h"
#include <string.h>

/* ---- from items to what the schedule sees ---- */

bool cluster_is_good(const Item *c)
{
	static const char *const good[] = { "Succeeded", "SucceededWithSkips", "Skipped" };
	const char *outcome = cluster_outcome(c);
	for (size_t i = 0; i < G_N_ELEMENTS(good); i++)
		if (item_ended(c) && outcome && strcmp(outcome, good[i]) == 0)
			return true;
	return false;
}

bool cluster_went_back(const Item *c)
{
	const char *outcome = cluster_outcome(c);
	return item_state(c) == CL_ROLLBACK || item_state(c) == CL_ROLLED_BACK ||
	       g_strcmp0(outcome, "RolledBack") == 0 ||
	       g_strcmp0(outcome, "PartiallyRolledBack") == 0;
}

static SchedStatus status_of(const Item *c, const Batch *b)
{
	if (item_state(c) == CL_PENDING)
		return batch_moved(b, c) ? SCHED_WORK : SCHED_PENDING;
	if (!item_ended(c))
		return SCHED_WORK;
	return cluster_is_good(c) ? SCHED_GOOD : SCHED_BAD;
}

static const char **names(const json_t *list)
{
	const char **out = g_new0(const char *, json_array_size(list) + 1);
	size_t i;
	json_t *v;
	json_array_foreach (list, i, v)
		out[i] = json_string_value(v);
	return out;
}

/* A person answered its end with resume: the rest goes on without it. */
static bool forgiven(const Item *c)
{
	size_t i;
	json_t *v;
	json_array_foreach (json_object_get(item_memo(item_parent(c)), "forgiven"), i, v)
		if (strcmp(json_string_value(v), item_name(c)) == 0)
			return true;
	return false;
}

static SchedCluster sched_cluster(const Item *c, const Batch *b)
{
	const json_t *spec = json_object_get(cluster_entry(c), "spec");
	return (SchedCluster){
		.name = item_name(c),
		.status = status_of(c, b),
		.exclusive = json_path_bool(spec, "exclusive", false),
		.not_with = names(json_object_get(spec, "notWith")),
		.ended_usec = item_ended(c) ? item_since_wall_usec(c) : 0,
		.rolled_back = cluster_went_back(c),
		.forgiven = forgiven(c),
	};
}

static size_t wave_by_name(const json_t *waves, const char *name)
{
	size_t i;
	json_t *w;
	json_array_foreach (waves, i, w)
		if (strcmp(json_path_str(w, "name", ""), name) == 0)
			return i;
	return 0;
}

/* An approval counts until its wave begins; from there on the wave goes its way. */
static bool has_begun(const Item *run, const char *wave)
{
	return json_object_get(json_object_get(item_memo(run), "approved"), wave) != NULL;
}

static bool waits_for_approval(const Item *run, const char *wave)
{
	Question q;
	return !has_begun(run, wave) && question_wave((Item *)run, wave, &q) &&
	       question_judge(&q).state != APPROVAL_GIVEN;
}

static void note_begun(Item *run, const Item *c, Batch *b)
{
	const char *wave = json_path_str(cluster_entry(c), "wave", "");
	Question q;
	if (has_begun(run, wave) || !question_wave(run, wave, &q))
		return;
	json_t *begun = json_deep_copy(json_object_get(item_memo(run), "approved"));
	if (!begun)
		begun = json_object();
	json_object_set_new(begun, wave, json_string(q.digest));
	batch_memo(b, run, "approved", begun);
}

static SchedWave *sched_waves(const Item *run, size_t *ret_n)
{
	const json_t *waves = json_object_get(item_data(run), "waves");
	SchedWave *out = g_new0(SchedWave, json_array_size(waves) + 1);
	size_t i;
	json_t *w;
	json_array_foreach (waves, i, w) {
		const char *name = json_path_str(w, "name", "");
		out[i] = (SchedWave){
			.name = name,
			.max_concurrent = (int)json_path_int(w, "maxConcurrent", 1),
			.failure_budget = (int)json_path_int(w, "failureBudget", 0),
			.bake_usec = json_path_int(w, "bakeSeconds", 0) * SL_USEC_PER_SEC,
			.waits_for_approval = waits_for_approval(run, name),
		};
	}
	*ret_n = json_array_size(waves);
	return out;
}

static const char *halting_gate(const Item *run)
{
	for (size_t i = 0; i < item_n_children(run); i++) {
		const Item *c = item_child(run, i);
		const char *gate = json_path_str(item_memo(c), "halt", NULL);
		if (gate && !forgiven(c))
			return gate;
	}
	return NULL;
}

static int stop_fleet_after(const Item *run)
{
	int least = 0;
	for (size_t i = 0; i < item_n_children(run); i++) {
		int n = cluster_rollback_rules(item_child(run, i))->stop_fleet_after;
		least = least ? MIN(least, n) : n;
	}
	return least ? least : 1;
}

static SchedCluster *sched_clusters(const Item *run, const Batch *b)
{
	size_t n = item_n_children(run);
	SchedCluster *out = g_new0(SchedCluster, n + 1);
	for (size_t i = 0; i < n; i++) {
		const Item *c = item_child(run, i);
		out[i] = sched_cluster(c, b);
		out[i].wave = wave_by_name(json_object_get(item_data(run), "waves"),
			json_path_str(cluster_entry(c), "wave", ""));
	}
	return out;
}

/* A run as the schedule sees it; its arrays are owned. */
static SchedRun sched_run(const Item *run, const Batch *b)
{
	SchedRun r = {
		.clusters = sched_clusters(run, b),
		.n_clusters = item_n_children(run),
		.stop_fleet_after = stop_fleet_after(run),
		.halting_gate = halting_gate(run),
		.stopped = json_path_str(item_memo(run), "stopped", NULL),
	};
	r.waves = sched_waves(run, &r.n_waves);
	return r;
}

static void sched_run_clear(SchedRun *r)
{
	for (size_t i = 0; i < r->n_clusters; i++)
		g_free((void *)r->clusters[i].not_with);
	g_free((void *)r->clusters);
	g_free((void *)r->waves);
}

/* Most runs ended well and need no longer look. */
static bool may_stop_fleet(const Item *run)
{
	for (size_t i = 0; i < item_n_children(run); i++) {
		const Item *c = item_child(run, i);
		if (!run_is_live(run) && cluster_is_good(c) &&
			!json_path_str(item_memo(c), "halt", NULL))
			continue;
		if (!forgiven(c))
			return !json_path_bool(item_data(run), "planOnly", false);
	}
	return false;
}

bool run_stops_fleet(const Item *run, char *text)
{
	if (!may_stop_fleet(run))
		return false;
	SchedRun r = { .clusters = sched_clusters(run, NULL),
		.n_clusters = item_n_children(run),
		.stop_fleet_after = stop_fleet_after(run),
		.halting_gate = halting_gate(run) };
	bool stops = schedule_stops_fleet(&r, text);
	sched_run_clear(&r);
	return stops;
}

/* What the other runs have in work, so that no two plans meet, and what they say to all. Judged
 * from their clusters and not from their holds: those come a turn later. */
typedef struct Others {
	GArray *runs; /* SchedRun, owned */
	GArray *working; /* SchedCluster, borrowed from runs */
	SchedOthers o;
	char stopped[SCHEDULE_TEXT_MAX];
} Others;

static void add_other(Others *all, const Item *other, const Batch *b)
{
	SchedRun r = sched_run(other, b);
	g_array_append_val(all->runs, r);
	char text[SCHEDULE_TEXT_MAX];
	if (!all->o.stopped && schedule_stops_fleet(&r, text)) {
		g_snprintf(all->stopped, sizeof all->stopped, STOPPED_BY "%.60s: %.200s",
			item_name(other), text);
		all->o.stopped = all->stopped;
	}
	for (size_t i = 0; i < r.n_clusters; i++) {
		if (r.clusters[i].status != SCHED_WORK)
			continue;
		int max = MAX(r.waves[r.clusters[i].wave].max_concurrent, 1);
		int *least = &all->o.min_concurrent;
		*least = *least ? MIN(*least, max) : max;
		g_array_append_val(all->working, r.clusters[i]);
	}
}

/* A run that ended says to all what it said before, until a person answers. */
static void add_ended(Others *all, const Item *other)
{
	char text[SCHEDULE_TEXT_MAX];
	if (all->o.stopped || !run_stops_fleet(other, text))
		return;
	g_snprintf(all->stopped, sizeof all->stopped, STOPPED_BY "%.60s: %.200s", item_name(other),
		text);
	all->o.stopped = all->stopped;
}

static void others_init(Others *all, Item *run, const Batch *b)
{
	Fleet *f = fleet_of(run);
	*all = (Others){ .runs = g_array_new(FALSE, FALSE, sizeof(SchedRun)),
		.working = g_array_new(FALSE, FALSE, sizeof(SchedCluster)) };
	for (size_t k = 0; k < fleet_n_runs(f); k++) {
		const Item *other = fleet_nth_run(f, k);
		if (other == run || json_path_bool(item_data(other), "planOnly", false))
			continue;
		if (run_is_live(other))
			add_other(all, other, b);
		else
			add_ended(all, other);
	}
	all->o.working = (const SchedCluster *)(void *)all->working->data;
	all->o.n_working = all->working->len;
}

static void others_clear(Others *all)
{
	for (size_t i = 0; i < all->runs->len; i++)
		sched_run_clear(&((SchedRun *)(void *)all->runs->data)[i]);
	g_array_free(all->runs, TRUE);
	g_array_free(all->working, TRUE);
}

SchedDecision run_decide(Item *run, const Batch *b)
{
	Others others;
	others_init(&others, run, b);
	if (json_object_get(item_data(run), "rollback"))
		others.o.stopped = NULL; /* a person asked for the way back of one cluster */
	SchedRun r = sched_run(run, b);
	int64_t wall = loop_wall_usec(saga_loop(item_saga(run)));
	SchedDecision d = schedule_next(&r, &others.o, wall);
	sched_run_clear(&r);
	others_clear(&others);
	return d;
}

bool run_question(Item *run, Question *ret)
{
	if (!run_is_live(run) || json_path_bool(item_data(run), "planOnly", false))
		return false;
	SchedDecision d = run_decide(run, NULL);
	const json_t *wave = json_array_get(json_object_get(item_data(run), "waves"), d.wave);
	return d.verb == SCHED_APPROVAL && question_wave(run, json_path_str(wave, "name", ""), ret);
}

/* ---- the tick ---- */

static StepResult create_children(Item *run, Batch *b)
{
	size_t i;
	json_t *entry;
	json_array_foreach (json_object_get(item_data(run), "clusters"), i, entry) {
		Target *t = fleet_target(fleet_of(run), json_path_str(entry, "name", ""));
		batch_item(b, run, &cluster_kind, t->site, t->name, CL_PENDING,
			json_pack("{s:i}", "index", (int)i));
	}
	return step_wait(run, 0, "clusters are listed");
}

/* A (cluster, target) that rolled back is not tried again under any identity without a retry. */
static const Item *rolled_back_before(Item *c)
{
	Fleet *f = fleet_of(c);
	const char *target = json_path_str(cluster_plan(c), "target.version", "");
	size_t i;
	json_t *name;
	json_array_foreach (json_object_get(item_data(item_parent(c)), "retry"), i, name)
		if (strcmp(json_string_value(name), item_name(c)) == 0)
			return NULL;
	for (size_t k = 0; k < fleet_n_runs(f); k++) {
		const Item *run = fleet_nth_run(f, k);
		const Item *old = item_find_child(run, item_name(c));
		const char *outcome = old && old != c ? cluster_outcome(old) : NULL;
		if (outcome && strcmp(outcome, "RolledBack") == 0 &&
			strcmp(json_path_str(item_data(run), "plan.spec.target.version", ""),
				target) == 0)
			return run;
	}
	return NULL;
}

static StepResult wait_wall(Item *run, int64_t until_wall, const char *text)
{
	Loop loop = saga_loop(item_saga(run));
	int64_t left = until_wall - loop_wall_usec(loop);
	/* A wall clock may be set: look again at least every hour. */
	int64_t at = loop_boot_usec(loop) + CLAMP(left, SL_USEC_PER_SEC, 3600 * SL_USEC_PER_SEC);
	return step_wait(run, until_wall == INT64_MAX ? 0 : at, "%s", text);
}

/* Two controllers of one fleet would each think that theirs is the only cluster in work. */
static bool nobody_else_works(Item *run, const Item *c, StepResult *ret)
{
	enum { LOOK_AGAIN_SEC = 30 };
	g_autofree char *text = NULL;
	IdleHolder h = idle_holder(fleet_of(run)->idle, item_name(c), &text);
	if (h == IDLE_FREE)
		return true;
	int64_t at = loop_boot_usec(saga_loop(item_saga(run))) + LOOK_AGAIN_SEC * SL_USEC_PER_SEC;
	*ret = h == IDLE_HELD ? step_hold(run, "held-elsewhere", "%s", text)
			      : step_wait(run, at, "%s", text);
	ret->until_usec = at;
	return false;
}

static StepResult start_cluster(Item *run, Item *c, Batch *b)
{
	const Item *before = cluster_takes_back(c) ? NULL : rolled_back_before(c);
	if (before) {
		json_t *memo = json_pack("{s:s, s:[{s:s, s:s, s:s+, s:s}]}", "outcome", "Refused",
			"findings", "level", "block", "code", "rolled-back-before", "message",
			"rolled back from this target before, in run ", item_name(before), "try",
			"shiplock retry, once the cause is mended");
		batch_move_memo(b, c, CL_ENDED, memo, "rolled back from this target before");
		return step_wait(run, 0, "%s is refused", item_name(c));
	}
	int64_t until = INT64_MAX;
	g_autofree char *text = NULL;
	if (!cluster_window_open(c, WORK_START, &until, &text))
		return wait_wall(run, until, text);
	StepResult elsewhere;
	if (!nobody_else_works(run, c, &elsewhere))
		return elsewhere;
	note_begun(run, c, b);
	batch_move(b, c, CL_PREFLIGHT, "its turn");
	return step_wait(run, 0, "%s is in work", item_name(c));
}

static const char *worst_outcome(const Item *run)
{
	static const char *const order[] = { "Indeterminate", "PartiallyRolledBack", "RolledBack",
		"Refused", "Held", "Aborted", "SucceededWithSkips", "Skipped" };
	for (size_t k = 0; k < G_N_ELEMENTS(order); k++)
		for (size_t i = 0; i < item_n_children(run); i++) {
			const char *o = cluster_outcome(item_child(run, i));
			if (o && strcmp(o, order[k]) == 0)
				return strcmp(o, "Skipped") == 0 ? "SucceededWithSkips" : o;
		}
	return "Succeeded";
}

json_t *run_glass(const Item *run)
{
	json_t *out = questions_glass(run);
	for (size_t i = 0; i < item_n_children(run); i++) {
		g_autoptr(json_t) more = questions_glass(item_child(run, i));
		json_array_extend(out, more);
	}
	return out;
}

static StepResult end_run(Item *run, Batch *b, const char *outcome)
{
	batch_move_memo(b, run, RUN_ENDED, json_pack("{s:s}", "outcome", outcome), "%s", outcome);
	json_t *body = json_pack("{s:s}", "end", outcome), *glass = run_glass(run);
	if (json_array_size(glass) > 0)
		json_object_set(body, "glass", glass);
	json_decref(glass);
	batch_record(b, "end", run, body);
	return (StepResult){ .verb = STEP_ACT };
}

static size_t n_in_state(const Item *run, bool pending)
{
	size_t n = 0;
	for (size_t i = 0; i < item_n_children(run); i++) {
		const Item *c = item_child(run, i);
		n += pending ? item_state(c) == CL_PENDING
			     : item_state(c) != CL_PENDING && !item_ended(c);
	}
	return n;
}

static StepResult plan_only_tick(Item *run, Batch *b)
{
	for (size_t i = 0; i < item_n_children(run); i++)
		if (item_state(item_child(run, i)) == CL_PENDING)
			batch_move(b, item_child(run, i), CL_PREFLIGHT, "plan only");
	if (n_in_state(run, true) + n_in_state(run, false) > 0)
		return step_wait(run, 0, "preflight");
	return end_run(run, b, "Planned");
}

static StepResult ask(Item *run)
{
	Question q;
	bool asked = run_question(run, &q);
	g_assert(asked);
	g_autofree char *name = question_name(&q);
	return step_hold_person(run, "approval", "%s %s waits for %s", q.subject, q.about, name);
}

static StepResult run_tick(Item *run, int64_t now, Batch *b)
{
	if (item_n_children(run) == 0)
		return create_children(run, b);
	if (json_path_bool(item_data(run), "planOnly", false))
		return plan_only_tick(run, b);
	Item *only = item_child(run, 0);
	if (cluster_takes_over(only) && item_state(only) == CL_PENDING) {
		/* It is in work whoever has the slot: its claim says so. */
		batch_move(b, only, CL_PREFLIGHT, "takeover");
		return step_wait(run, 0, "%s is taken over", item_name(only));
	}
	SchedDecision d = run_decide(run, b);
	if (d.verb != SCHED_APPROVAL && item_find_hold(run, "approval")) {
		batch_unhold(b, run, "approval", "it is asked for no more");
		return step_wait(run, now, "%s", d.text);
	}
	switch (d.verb) {
	case SCHED_START:
		return start_cluster(run, item_child(run, d.cluster), b);
	case SCHED_WAIT:
		return wait_wall(run, d.until_usec, d.text);
	case SCHED_APPROVAL:
		return ask(run);
	case SCHED_STOPPED:
		if (n_in_state(run, false) > 0)
			return step_wait(run, 0, "%s; what is in work comes to its end", d.text);
		if (n_in_state(run, true) == 0)
			return end_run(run, b, worst_outcome(run));
		return step_hold_person(run, "fleet-stopped", "%s", d.text);
	case SCHED_DONE:
		return end_run(run, b, worst_outcome(run));
	}
	g_assert_not_reached();
}

static const StepOps step_run = { "waves", run_tick };

static const StateRow states[RUN_MAX] = {
	[RUN_ACTIVE] = { .name = "active",
		.next = TO(RUN_ENDED),
		.steps = (const StepOps *const[]){ &step_run, NULL },
		.untimed = true },
	[RUN_ENDED] = { .name = "ended", .end = true, .untimed = true },
};
const ItemKind run_kind = { .name = "run", .states = states, .n_states = RUN_MAX };

/* ---- exit codes: over several clusters the first of 6, 4, 5, 3, 7, 0 ---- */

static int code_of(const Item *c, bool strict)
{
	static const struct {
		const char *outcome;
		int code;
	} codes[] = {
		{ "Succeeded", 0 },
		{ "RolledBack", 4 },
		{ "Refused", 5 },
		{ "Held", 3 },
		{ "Aborted", 7 },
		{ "PartiallyRolledBack", 6 },
		{ "Indeterminate", 6 },
	};
	const char *o = cluster_outcome(c);
	if (!item_ended(c) || !o)
		return 3;
	for (size_t i = 0; i < G_N_ELEMENTS(codes); i++)
		if (strcmp(codes[i].outcome, o) == 0)
			return codes[i].code;
	return strict ? 3 : 0; /* SucceededWithSkips, Skipped */
}

static bool waits_for_person(const Item *it)
{
	for (; it; it = item_parent(it))
		for (size_t i = 0; i < item_n_holds(it); i++)
			if (item_hold(it, i)->person)
				return true;
	return false;
}

/* Nothing of this run moves any more unless a person does something. */
static bool at_rest(const Item *run)
{
	if (!run_is_live(run))
		return true;
	bool any = false;
	for (size_t i = 0; i < item_n_children(run); i++) {
		const Item *c = item_child(run, i);
		if (item_ended(c) || item_state(c) == CL_PENDING)
			continue;
		if (!waits_for_person(c))
			return false;
		any = true;
	}
	return any || waits_for_person(run);
}

int run_exit_code(const Item *run, bool strict)
{
	static const int order[] = { 6, 4, 5, 3, 7 };
	if (!at_rest(run))
		return -1;
	for (size_t k = 0; k < G_N_ELEMENTS(order); k++)
		for (size_t i = 0; i < item_n_children(run); i++)
			if (code_of(item_child(run, i), strict) == order[k])
				return order[k];
	return 0;
}

int fleet_exit_code(Fleet *f, int64_t id, bool strict)
{
	Item *run = fleet_find_run(f, id);
	return run ? run_exit_code(run, strict) : -1;
}
