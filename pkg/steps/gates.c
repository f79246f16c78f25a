/* Gates in a phase: looks are taken when they are due, each a record; what they make is decided in
 * a later turn from the records alone. */
#include "base/num.h"
#include "steps/internal.h"
#include "steps/job.h"
#include <math.h>
#include <string.h>

enum { LOOKS_MAX = 4096, EVIDENCE_VALUES = 8, HOUR_SEC = 3600, FAILING_SETTLE_SEC = 600 };

static size_t gate_index(const ClusterCtx *c, const char *name)
{
	size_t i = 0;
	while (i < c->gates->len && strcmp(((const Gate *)c->gates->pdata[i])->name, name) != 0)
		i++;
	return i;
}

static void read_look(ClusterCtx *c, const json_t *l)
{
	size_t g = gate_index(c, json_path_str(l, "gate", ""));
	Look look = { .at_usec = json_path_int(l, "at", 0), .value = NAN };
	if (g == c->gates->len ||
		!look_verdict_parse(json_path_str(l, "verdict", ""), &look.verdict))
		return;
	json_t *value = json_object_get(l, "value");
	if (json_is_number(value))
		look.value = json_number_value(value);
	GArray *looks = g_ptr_array_index(c->looks, g);
	if (looks->len == LOOKS_MAX) /* the oldest decided long ago */
		g_array_remove_index(looks, 0);
	g_array_append_val(looks, look);
	g_array_index(c->due_usec, int64_t, g) = 0;
}

/* The records are read once: a soak of a day has thousands, and a tick looks at all. */
static void read_looks(const Item *it)
{
	ClusterCtx *c = cluster_ctx(it);
	const json_t *all = item_looks(it);
	bool same = c->looks_state == item_state(it) &&
		    c->looks_since_usec == item_since_wall_usec(it) &&
		    c->n_looks_read <= json_array_size(all) && c->looks->len == c->gates->len;
	if (!same) {
		g_ptr_array_set_size(c->looks, 0);
		for (size_t i = 0; i < c->gates->len; i++)
			g_ptr_array_add(c->looks, g_array_new(FALSE, FALSE, sizeof(Look)));
		g_array_set_size(c->due_usec, 0);
		g_array_set_size(c->due_usec, c->gates->len);
		c->n_looks_read = 0;
		c->looks_state = item_state(it);
		c->looks_since_usec = item_since_wall_usec(it);
	}
	for (; c->n_looks_read < json_array_size(all); c->n_looks_read++)
		read_look(c, json_array_get(all, c->n_looks_read));
}

/* Of the i-th gate, oldest first. Borrowed. */
static const Look *looks_of(const Item *it, size_t i, size_t *ret_n)
{
	const GArray *looks = g_ptr_array_index(cluster_ctx(it)->looks, i);
	*ret_n = looks->len;
	return (const Look *)(const void *)looks->data;
}

static json_t *look_record(const Gate *g, const Look *l, const char *text)
{
	json_t *look = json_pack("{s:s, s:s, s:I, s:s}", "gate", g->name, "verdict",
		look_verdict_name(l->verdict), "at", (json_int_t)l->at_usec, "text", text);
	if (isfinite(l->value))
		json_object_set_new(look, "value", json_real(l->value));
	return look;
}

static double first_value(const View *v)
{
	const json_t *value = json_path(v->json, "values.0");
	return json_is_number(value) ? json_number_value(value) : NAN;
}

/* One compact row: the answer's digest says the rest. */
static json_t *evidence_of(const View *v)
{
	json_t *e = json_copy(v->json), *values = json_array();
	size_t i;
	json_t *n;
	json_array_foreach (json_object_get(v->json, "values"), i, n)
		if (i < EVIDENCE_VALUES)
			json_array_append(values, n);
	json_object_set_new(e, "nValues", json_integer((json_int_t)i));
	json_object_set_new(e, "values", values);
	return e;
}

/* How old the newest sample behind the query is; unknown where nothing was found, an error where
 * nobody answered. */
static int64_t sample_age(const View *fresh, const char **ret_error)
{
	double newest = first_value(fresh);
	if (strcmp(json_path_str(fresh->json, "status", ""), "ok") != 0)
		*ret_error =
			json_path_str(fresh->json, "why", "the age of the samples is not known");
	if (!isfinite(newest))
		return GATE_AGE_UNKNOWN;
	return sl_max(json_path_int(fresh->json, "timeUsec", 0) - (int64_t)(newest * 1e6), 0);
}

/* One reading of a query gate: its own query, the freshness of its samples, and how many there
 * were. */
static bool read_query(Item *it, const Gate *g, int64_t due, json_t **ret_look, int64_t at)
{
	const View *v = fact_since(it, &fact_query, g->query, due);
	const View *samples = g->min_samples_query
				      ? fact_since(it, &fact_query, g->min_samples_query, due)
				      : NULL;
	g_autofree char *fresh_query = target_freshness_query(g->query);
	const View *fresh = fresh_query ? fact_since(it, &fact_query, fresh_query, due) : NULL;
	if (!v || (g->min_samples_query && !samples) || (fresh_query && !fresh))
		return false;
	const char *status = json_path_str(v->json, "status", "");
	GateReading r = { .age_usec = -1, .samples = samples ? first_value(samples) : NAN };
	if (strcmp(status, "error") == 0)
		r.error = json_path_str(v->json, "why", "no answer");
	else if (strcmp(status, "noData") == 0)
		r.no_data = json_path_str(v->json, "why", "answered in part");
	const json_t *values = json_object_get(v->json, "values");
	g_autofree double *numbers = g_new0(double, json_array_size(values) + 1);
	size_t i;
	json_t *n;
	json_array_foreach (values, i, n)
		numbers[i] = json_is_number(n) ? json_number_value(n) : NAN;
	r.values = numbers;
	r.n_values = json_array_size(values);
	if (fresh)
		r.age_usec = sample_age(fresh, &r.error);
	char text[GATE_TEXT_MAX];
	Look l = gate_look(g, &r, at, text);
	*ret_look = look_record(g, &l, text);
	json_object_set_new(*ret_look, "evidence", evidence_of(v));
	return true;
}

static bool read_invariant(Item *it, const Gate *g, json_t **ret_look, int64_t at)
{
	Look l = { .at_usec = at, .value = NAN };
	g_autofree char *text = NULL;
	if (!target_of(it)->provider->invariant(it, g, &l.verdict, &text))
		return false;
	*ret_look = look_record(g, &l, text);
	return true;
}

/* No answer at all says nothing about the cluster: only another one than wanted is a failure. */
static bool read_probe(Item *it, const Gate *g, int64_t due, json_t **ret_look, int64_t at)
{
	const json_t *spec = json_object_get(g->json, "http");
	g_autofree char *key = json_canonical(spec);
	const View *v = fact_since(it, &fact_http, key, due);
	if (!v)
		return false;
	const char *error = json_path_str(v->json, "error", NULL);
	int want = (int)json_path_int(spec, "status", 200),
	    got = (int)json_path_int(v->json, "status", 0);
	Look l = { .at_usec = at, .value = error ? NAN : got };
	l.verdict = error ? LOOK_ERROR : got == want ? LOOK_PASS : LOOK_FAIL;
	const char *url = json_path_str(spec, "url", "");
	g_autofree char *text = error ? g_strdup_printf("%s: %s", url, error)
				      : g_strdup_printf("%s answers %d, %d passes", url, got, want);
	*ret_look = look_record(g, &l, text);
	return true;
}

static bool run_job(
	Item *it, const Gate *g, size_t n_looks, json_t **ret_look, int64_t at, Batch *b)
{
	Look l = { .at_usec = at, .value = NAN };
	g_autofree char *text = NULL;
	g_autoptr(json_t) evidence = NULL;
	int code = -1;
	if (!job_gate_look(it, g, n_looks, b, &l.verdict, &code, &text, &evidence))
		return false;
	if (code >= 0)
		l.value = code;
	*ret_look = look_record(g, &l, text);
	json_object_set(*ret_look, "evidence", evidence);
	return true;
}

/* A look that is due now; false: facts are missing. */
static bool take_look(Item *it, size_t gate, int64_t due_boot, int64_t at, Batch *b)
{
	json_t *look = NULL;
	size_t n_all, n_looks;
	const Gate *g = cluster_gates(it, &n_all)[gate];
	looks_of(it, gate, &n_looks);
	bool there = g->kind == GATE_QUERY  ? read_query(it, g, due_boot, &look, at)
		     : g->kind == GATE_JOB  ? run_job(it, g, n_looks, &look, at, b)
		     : g->kind == GATE_HTTP ? read_probe(it, g, due_boot, &look, at)
					    : read_invariant(it, g, &look, at);
	if (there)
		batch_look(b, it, look);
	return there;
}

static bool in_phase(const Gate *g, GateWhen when)
{
	return (g->when & when) && gate_supported(g);
}

static bool skipped(const Item *it, const Gate *g)
{
	size_t i;
	json_t *name;
	json_array_foreach (json_object_get(item_memo(it), "skippedGates"), i, name)
		if (strcmp(json_string_value(name), g->name) == 0)
			return true;
	return false;
}

/* Since when the look is due, in boot time. Noted once: observed time stands still while a record
 * is being stored, so that the same instant would come later and later, and a reading sent in time
 * would look too old. */
static int64_t due_since(const Item *it, size_t gate, int64_t now, int64_t late_usec)
{
	int64_t *at = &g_array_index(cluster_ctx(it)->due_usec, int64_t, gate);
	if (!*at)
		*at = now - late_usec;
	return *at;
}

/* The gates of one phase while they are judged. */
typedef struct {
	const Gate **gates;
	GateJudgement *js;
	size_t n;
	bool busy; /* a look was taken, or is being read */
} Round;

static void judge_round(Item *it, int64_t now, Batch *b, GateWhen when, int64_t ends, Round *r)
{
	size_t n_all;
	const Gate *const *all = cluster_gates(it, &n_all);
	int64_t obs = item_observed_usec(it);
	read_looks(it);
	for (size_t i = 0; i < n_all; i++) {
		if (!in_phase(all[i], when) || skipped(it, all[i]))
			continue;
		size_t n_looks;
		const Look *looks = looks_of(it, i, &n_looks);
		GateJudgement j = gate_judge(all[i], looks, n_looks, 0, ends, obs);
		if (j.next_look_usec <= obs) {
			int64_t due = due_since(it, i, now, obs - j.next_look_usec);
			take_look(it, i, due, obs, b);
			r->busy = true;
		}
		r->gates[r->n] = all[i];
		r->js[r->n++] = j;
	}
}

/* What the newest look of a gate said that did not pass; NULL where it passed. */
static const char *open_word(const Item *it, const char *gate)
{
	const json_t *looks = item_looks(it);
	for (size_t i = json_array_size(looks); i > 0; i--) {
		const json_t *l = json_array_get(looks, i - 1);
		if (strcmp(json_path_str(l, "gate", ""), gate) == 0)
			return strcmp(json_path_str(l, "verdict", ""), "PASS") == 0
				       ? NULL
				       : json_path_str(l, "text", NULL);
	}
	return NULL;
}

/* decisive: the gate that is waited for; NULL: none. */
static StepResult wait_for_looks(
	Item *it, int64_t now, int64_t ends, const GateSum *sum, const Gate *decisive)
{
	int64_t obs = item_observed_usec(it), over = obs - ends;
	int hold = cluster_kind.hold_for_sec(it);
	int64_t next = MIN(sum->next_look_usec, obs < ends ? ends : INT64_MAX);
	int64_t at = next == INT64_MAX ? now + 5 * SL_USEC_PER_SEC : now + MAX(next - obs, 1000);
	if (over > MAX(hold, HOUR_SEC) *
			   SL_USEC_PER_SEC) { /* the phase is long over, and nothing is proven */
		const char *word = decisive ? open_word(it, decisive->name) : NULL;
		g_autofree char *text = g_strdup_printf(
			"%s%s%s", item_reason(it), word ? "; last: " : "", word ? word : "");
		StepResult r = step_hold(it, "inconclusive", "%s is over, without a verdict: %s",
			item_state_name(it), text);
		r.until_usec = at;
		return r;
	}
	return step_wait(it, at, "%s", item_reason(it));
}

/* ---- the clock of a soak stands while the cluster is paused ---- */

static const json_t *soak_pause(const Item *it)
{
	const json_t *p = json_object_get(item_memo(it), "soakPause");
	return json_path_int(p, "since", 0) == item_since_wall_usec(it) ? p : NULL;
}

int64_t cluster_paused_usec(const Item *it)
{
	const json_t *p = soak_pause(it);
	int64_t at = json_path_int(p, "at", -1), usec = json_path_int(p, "usec", 0);
	return at < 0 ? usec : usec + item_observed_usec(it) - at;
}

static bool paused(const Item *it)
{
	for (; it; it = item_parent(it))
		if (cluster_pause(it))
			return true;
	return false;
}

/* Notes when a pause begins and ends, in observed time of this state. */
static void note_pause(Item *it, Batch *b)
{
	bool now = paused(it), before = json_path_int(soak_pause(it), "at", -1) >= 0;
	if (now == before)
		return;
	batch_memo(b, it, "soakPause",
		json_pack("{s:I, s:I, s:I}", "since", (json_int_t)item_since_wall_usec(it), "at",
			(json_int_t)(now ? item_observed_usec(it) : -1), "usec",
			(json_int_t)cluster_paused_usec(it)));
}

/* Goes wherever the reason goes: holds, notices, reports. Caller frees. */
static char *with_runbook(const Gate *g, const char *reason)
{
	return g->runbook ? g_strdup_printf("%s; runbook: %s", reason, g->runbook)
			  : g_strdup(reason);
}

StepResult gates_run(
	Item *it, int64_t now, Batch *b, GateWhen when, int64_t soak_sec, GateSum *ret_sum)
{
	size_t n_all;
	cluster_gates(it, &n_all);
	g_autofree const Gate **gates = g_new(const Gate *, n_all + 1);
	g_autofree GateJudgement *js = g_new(GateJudgement, n_all + 1);
	Round r = { .gates = gates, .js = js };
	int64_t ends = soak_sec * SL_USEC_PER_SEC;
	if (soak_sec > 0) {
		note_pause(it, b);
		ends += cluster_paused_usec(it);
	}
	judge_round(it, now, b, when, ends, &r);
	*ret_sum = gates_sum(gates, js, r.n);
	size_t d = ret_sum->decisive;
	if (d < r.n)
		item_set_reason(it, "gate %s: %s", gates[d]->name, js[d].reason);
	else
		item_set_reason(it, "soak");
	g_autofree char *why = d < r.n ? with_runbook(gates[d], js[d].reason) : NULL;
	if (ret_sum->state == GATE_STATE_FAIL)
		return cluster_failed(it, now, b, ret_sum->on_fail, gates[d]->name, why);
	if (r.busy) /* what a look makes is decided in the next turn, from its record */
		return step_read(it);
	if (ret_sum->state == GATE_STATE_HELD) { /* looks go on: it clears itself */
		StepResult hold = step_hold(it, "gate", "gate %s: %s", gates[d]->name, why);
		hold.until_usec = wait_for_looks(it, now, ends, ret_sum, d < r.n ? gates[d] : NULL)
					  .until_usec;
		return hold;
	}
	if (ret_sum->state == GATE_STATE_PASS && item_observed_usec(it) >= ends)
		return step_done(0);
	return wait_for_looks(it, now, ends, ret_sum, d < r.n ? gates[d] : NULL);
}

static int64_t wave_seconds(const Item *it, const char *field)
{
	return json_path_int(cluster_wave(it), field, 0);
}

/* Looks of this state that a person has answered with more time: so many of the oldest ones. */
static size_t answered_looks(const Item *it)
{
	const json_t *m = json_object_get(item_memo(it), "moreTime");
	bool here = json_path_int(m, "since", 0) == item_since_wall_usec(it);
	return here ? (size_t)json_path_int(m, "looks", 0) : 0;
}

void cluster_more_time(Item *it, Batch *b)
{
	batch_memo(b, it, "moreTime",
		json_pack("{s:I, s:I}", "since", (json_int_t)item_since_wall_usec(it), "looks",
			(json_int_t)json_array_size(item_looks(it))));
}

/* A built-in gate failed earlier in this state: the deadline, or the provider's own verdict. */
static const json_t *progress_look(const Item *it)
{
	const json_t *looks = item_looks(it);
	for (size_t i = answered_looks(it); i < json_array_size(looks); i++) {
		const json_t *l = json_array_get(looks, i);
		if (strcmp(json_path_str(l, "gate", ""), "progress") == 0)
			return l;
	}
	return NULL;
}

StepResult progress_failed(Item *it, int64_t now, Batch *b, const char *why)
{
	const json_t *look = progress_look(it);
	if (look)
		return cluster_failed(
			it, now, b, ON_FAIL_ROLLBACK, "progress", json_path_str(look, "text", ""));
	batch_look(b, it,
		json_pack("{s:s, s:s, s:I, s:s}", "gate", "progress", "verdict", "FAIL", "at",
			(json_int_t)item_observed_usec(it), "text", why));
	return step_read(it);
}

StepResult progress_late(Item *it, int64_t now, Batch *b)
{
	g_autofree char *why =
		g_strdup_printf("%s did not come to its end within its deadline; last: %s",
			item_state_name(it), item_reason(it));
	return progress_failed(it, now, b, why);
}

/* How long the provider's own failure must stand. */
static int64_t failing_settle_usec(const Item *it)
{
	size_t n;
	const Gate *const *gates = cluster_gates(it, &n);
	for (size_t i = 0; i < n; i++)
		if (gates[i]->kind == GATE_INVARIANT && gates[i]->stable_for_sec > 0 &&
			strcmp(gates[i]->invariant, "clusterVersion") == 0)
			return gates[i]->stable_for_sec * SL_USEC_PER_SEC;
	return FAILING_SETTLE_SEC * SL_USEC_PER_SEC;
}

bool cluster_failing(
	Item *it, int64_t now, Batch *b, int64_t since, const char *text, StepResult *ret)
{
	int64_t stood = loop_wall_usec(saga_loop(item_saga(it))) - since;
	stood = sl_min(stood, item_observed_usec(it)); /* the target's clock is not ours */
	int64_t left = failing_settle_usec(it) - stood;
	if (since == 0 && !progress_look(it))
		return false;
	if (left > 0 && !progress_look(it)) /* nothing need change until then */
		*ret = step_wait(it, now + left, "the provider reports a failure: %s", text);
	else
		*ret = progress_failed(it, now, b, text ? text : "");
	return true;
}

static StepResult gates_then(
	Item *it, int64_t now, Batch *b, GateWhen when, int64_t soak_sec, unsigned next)
{
	GateSum sum;
	g_autofree char *foreign = NULL;
	if (item_state(it) > CL_CONTROL_PLANE && !target_of(it)->provider->foreign(it, &foreign))
		return step_read(it);
	if (foreign)
		return step_hold_person(it, "foreign-update", "%s", foreign);
	StepResult r = gates_run(it, now, b, when, soak_sec, &sum);
	if (r.verb == STEP_DONE && r.next == 0) {
		item_set_reason(it, "all gates of %s passed", item_state_name(it));
		return step_done(next);
	}
	return r;
}

static StepResult begin_takeover(Item *it, Batch *b)
{
	const json_t *who = json_object_get(item_data(item_parent(it)), "takeover");
	json_t *memo =
		takeover_memo(json_path_str(who, "who", "?"), json_path_str(who, "reason", ""));
	batch_move_memo(b, it, CL_TAKEOVER, json_pack("{s:o}", "takeover", memo), "takeover");
	return (StepResult){ .verb = STEP_ACT };
}

static StepResult preflight_gates_tick(Item *it, int64_t now, Batch *b)
{
	if (cluster_plan_only(it))
		return step_done(CL_ENDED);
	if (cluster_takes_back(it))
		return step_done(CL_CLAIM);
	if (cluster_takes_over(it))
		return begin_takeover(it, b);
	return gates_then(it, now, b, WHEN_PREFLIGHT, 0, CL_CLAIM);
}

static StepResult cp_verify_tick(Item *it, int64_t now, Batch *b)
{
	return gates_then(it, now, b, WHEN_CP_VERIFY, 0, CL_CP_SOAK);
}

static StepResult cp_soak_tick(Item *it, int64_t now, Batch *b)
{
	return gates_then(it, now, b, WHEN_CP_SOAK, wave_seconds(it, "cpSoakSeconds"), CL_NODES);
}

static StepResult verify_tick(Item *it, int64_t now, Batch *b)
{
	bool last = json_path_bool(cluster_hop(it), "last", true);
	return gates_then(it, now, b, WHEN_VERIFY, 0, last ? CL_SOAK : CL_BACKUP);
}

/* The outcome is fixed by the move into the undo, not at its end. */
static StepResult soak_tick(Item *it, int64_t now, Batch *b)
{
	StepResult r = gates_then(it, now, b, WHEN_SOAK, wave_seconds(it, "soakSeconds"), CL_DONE);
	if (r.verb != STEP_DONE)
		return r;
	/* Where somebody else drains, a node that is left out here is drained without us. */
	bool nodes = target_of(it)->provider->drains &&
		     json_array_size(json_object_get(item_memo(it), "skippedNodes")) > 0;
	bool skips = nodes || json_array_size(json_object_get(item_memo(it), "skippedGates")) > 0;
	batch_move_memo(b, it, CL_DONE,
		json_pack("{s:s}", "outcome", skips ? "SucceededWithSkips" : "Succeeded"), "%s",
		item_reason(it));
	return (StepResult){ .verb = STEP_ACT };
}

const StepOps step_preflight_gates = { "gates", preflight_gates_tick };
const StepOps step_cp_verify = { "gates", cp_verify_tick };
const StepOps step_cp_soak = { "gates", cp_soak_tick };
const StepOps step_verify = { "gates", verify_tick };
const StepOps step_soak = { "gates", soak_tick };
