#include "policy/judge.h"
#include "objects/time.h"
#include <math.h>
#include <string.h>

static const int64_t USEC = 1000000;

static const char *const verdict_names[] = { "PASS", "FAIL", "NODATA", "ERROR", "INCONCLUSIVE",
	"PENDING" };

const char *look_verdict_name(LookVerdict v)
{
	return verdict_names[v];
}

bool look_verdict_parse(const char *name, LookVerdict *ret)
{
	for (size_t i = 0; name && i < G_N_ELEMENTS(verdict_names); i++)
		if (strcmp(verdict_names[i], name) == 0) {
			*ret = (LookVerdict)i;
			return true;
		}
	return false;
}

/* ---- one look ---- */

static bool bound_holds(GateCmp cmp, double v, double bound)
{
	switch (cmp) {
	case CMP_ABOVE:
		return v > bound;
	case CMP_AT_LEAST:
		return v >= bound;
	case CMP_BELOW:
		return v < bound;
	case CMP_AT_MOST:
		return v <= bound;
	case CMP_EQUALS:
		return v == bound;
	case CMP_NOT_EQUALS:
		return v != bound;
	}
	g_assert_not_reached();
}

static bool condition_holds(const GateCondition *c, double v)
{
	for (size_t i = 0; i < c->n; i++)
		if (!bound_holds(c->bounds[i].cmp, v, c->bounds[i].value))
			return false;
	return true;
}

/* With one condition the other is its opposite. A value that meets both is a fault of the policy,
 * not of the cluster. */
static LookVerdict judge_value(const Gate *g, double v)
{
	bool pass = g->pass.n && condition_holds(&g->pass, v);
	bool fail = g->fail.n && condition_holds(&g->fail, v);
	if (pass && fail)
		return LOOK_ERROR;
	if (pass || (!g->pass.n && !fail))
		return LOOK_PASS;
	if (fail || !g->fail.n)
		return LOOK_FAIL;
	return LOOK_INCONCLUSIVE;
}

static double fold(GateReduce reduce, const double *v, size_t n)
{
	double out = reduce == REDUCE_SUM ? 0 : v[0];
	for (size_t i = 0; i < n; i++) {
		if (reduce == REDUCE_SUM)
			out += v[i];
		else if (reduce == REDUCE_MAX)
			out = MAX(out, v[i]);
		else
			out = MIN(out, v[i]);
	}
	return out;
}

/* all: the worst series decides; any: the best one. The value shown is that series' one. */
static LookVerdict judge_each(const Gate *g, const GateReading *r, double *ret_value)
{
	static const LookVerdict worst_first[] = { LOOK_ERROR, LOOK_FAIL, LOOK_INCONCLUSIVE,
		LOOK_PASS };
	static const LookVerdict best_first[] = { LOOK_ERROR, LOOK_PASS, LOOK_INCONCLUSIVE,
		LOOK_FAIL };
	const LookVerdict *order = g->reduce == REDUCE_ALL ? worst_first : best_first;
	for (size_t o = 0; o < G_N_ELEMENTS(worst_first); o++)
		for (size_t i = 0; i < r->n_values; i++)
			if (judge_value(g, r->values[i]) == order[o]) {
				*ret_value = r->values[i];
				return order[o];
			}
	g_assert_not_reached();
}

static bool all_finite(const GateReading *r)
{
	for (size_t i = 0; i < r->n_values; i++)
		if (!isfinite(r->values[i]))
			return false;
	return true;
}

static LookVerdict say(char *text, LookVerdict v, const char *why)
{
	g_strlcpy(text, why, GATE_TEXT_MAX);
	return v;
}

/* What stands before the values: asked, fresh, enough. PASS means "go on". */
static LookVerdict precondition(const Gate *g, const GateReading *r, char *text)
{
	if (r->error)
		return say(text, LOOK_ERROR, r->error);
	if (r->no_data)
		return say(text, LOOK_NODATA, r->no_data);
	/* Where none is a good number (count), there is no sample whose age could be told. */
	bool none_counts = g->reduce == REDUCE_COUNT && r->n_values == 0;
	if (r->age_usec == GATE_AGE_UNKNOWN && !none_counts)
		return say(text, LOOK_NODATA, "no sample tells how fresh this is");
	if (r->age_usec > g->max_age_sec * USEC) {
		g_autofree char *age = sl_duration_human(r->age_usec / USEC);
		g_autofree char *max = sl_duration_human(g->max_age_sec);
		g_snprintf(
			text, GATE_TEXT_MAX, "the newest sample is %s old (maxAge %s)", age, max);
		return LOOK_NODATA;
	}
	if (g->min_samples > 0 && !(r->samples >= g->min_samples)) {
		if (isfinite(r->samples))
			g_snprintf(text, GATE_TEXT_MAX, "%g samples in the window (minSamples %g)",
				r->samples, g->min_samples);
		else
			g_strlcpy(text, "minSamplesQuery gave no number", GATE_TEXT_MAX);
		return LOOK_NODATA;
	}
	return LOOK_PASS;
}

static LookVerdict look_values(const Gate *g, const GateReading *r, double *ret_value, char *text)
{
	if (g->reduce == REDUCE_COUNT) {
		*ret_value = (double)r->n_values;
		return judge_value(g, *ret_value);
	}
	if (r->n_values == 0)
		return say(text, LOOK_NODATA, "answered with 0 series");
	if (g->reduce == REDUCE_ONE && r->n_values > 1) {
		g_snprintf(text, GATE_TEXT_MAX, "answered with %zu series, reduce is one",
			r->n_values);
		return LOOK_ERROR;
	}
	if (!all_finite(r))
		return say(text, LOOK_NODATA, "a value is NaN or infinite");
	if (g->reduce == REDUCE_ALL || g->reduce == REDUCE_ANY)
		return judge_each(g, r, ret_value);
	double v = fold(g->reduce, r->values, r->n_values);
	if (!isfinite(v))
		return say(text, LOOK_NODATA, "the sum is infinite");
	*ret_value = v;
	return judge_value(g, v);
}

static void explain_value(const Gate *g, LookVerdict v, double value, char *text)
{
	g_autofree char *pass = gate_condition_text(&g->pass);
	g_autofree char *fail = gate_condition_text(&g->fail);
	if (v == LOOK_ERROR)
		g_snprintf(text, GATE_TEXT_MAX, "%g meets both pass (%s) and fail (%s)", value,
			pass, fail);
	else
		g_snprintf(text, GATE_TEXT_MAX, "%g (%s%s%s%s%s)", value, *pass ? "pass: " : "",
			pass, *pass && *fail ? ", " : "", *fail ? "fail: " : "", fail);
}

Look gate_look(const Gate *g, const GateReading *r, int64_t at_usec, char ret_text[GATE_TEXT_MAX])
{
	char text[GATE_TEXT_MAX] = "";
	Look look = { .at_usec = at_usec, .value = NAN };
	look.verdict = precondition(g, r, text);
	if (look.verdict == LOOK_PASS)
		look.verdict = look_values(g, r, &look.value, text);
	if (!*text)
		explain_value(g, look.verdict, look.value, text);
	if (ret_text)
		g_strlcpy(ret_text, text, GATE_TEXT_MAX);
	return look;
}

/* ---- judgement ---- */

static bool has_data(const Look *l)
{
	return l->verdict == LOOK_PASS || l->verdict == LOOK_FAIL ||
	       l->verdict == LOOK_INCONCLUSIVE;
}

/* How many looks of one verdict are among the last `count` that had data, up to and with `last`. */
static int in_window(const Gate *g, const Look *looks, size_t last, LookVerdict v)
{
	int seen = 0, n = 0;
	for (size_t i = last + 1; i-- > 0 && seen < g->count;) {
		if (!has_data(&looks[i]))
			continue;
		seen++;
		n += looks[i].verdict == v;
	}
	return n;
}

/* FAIL at any earlier time stays FAIL. */
static bool has_failed(const Gate *g, const Look *looks, size_t n, GateJudgement *j)
{
	for (size_t i = 0; i < n; i++) {
		if (looks[i].verdict != LOOK_FAIL)
			continue;
		j->n_fail = in_window(g, looks, i, LOOK_FAIL);
		if (j->n_fail <= g->failure_limit)
			continue;
		g_snprintf(j->reason, sizeof j->reason,
			"FAIL: %d of the last %d looks failed (limit %d)", j->n_fail, g->count,
			g->failure_limit);
		return true;
	}
	return false;
}

static bool is_dark_look(const Look *l)
{
	return l->verdict == LOOK_NODATA || l->verdict == LOOK_ERROR;
}

/* Looks at the tail that were without data, of one kind; those of the other kind between them do
 * not end the row, else two faults in turn would never be seen. */
static int in_row(const Look *looks, size_t n, LookVerdict v)
{
	int row = 0;
	for (size_t i = n; i-- > 0 && is_dark_look(&looks[i]);)
		row += looks[i].verdict == v;
	return row;
}

static bool is_dark(const Gate *g, const Look *looks, size_t n, GateJudgement *j)
{
	static const struct {
		LookVerdict verdict;
		GateHold hold;
	} kinds[] = { { LOOK_NODATA, GATE_HOLD_NO_DATA }, { LOOK_ERROR, GATE_HOLD_ERROR } };
	for (size_t k = 0; k < G_N_ELEMENTS(kinds); k++) {
		int limit = k == 0 ? g->no_data_limit : g->error_limit;
		int row = in_row(looks, n, kinds[k].verdict);
		if (row <= limit)
			continue;
		j->hold = kinds[k].hold;
		j->n_row = row;
		g_snprintf(j->reason, sizeof j->reason, "%s, %d look%s in a row (limit %d)",
			look_verdict_name(kinds[k].verdict), row, row == 1 ? "" : "s", limit);
		return true;
	}
	return false;
}

/* Looks go on until the soak is over, beyond as many as are needed. */
static void passed_text(const GateJudgement *j, const Gate *g, char *text, size_t size)
{
	if (j->n_pass > g->count)
		g_snprintf(text, size, "%d passing looks, %d needed", j->n_pass, g->count);
	else
		g_snprintf(text, size, "%d of %d passing looks", j->n_pass, g->count);
}

static void running(GateJudgement *j, const Gate *g, int64_t left_usec, const char *why)
{
	g_autofree char *left = sl_duration_human(MAX(left_usec, 0) / USEC);
	char passed[GATE_TEXT_MAX];
	passed_text(j, g, passed, sizeof passed);
	j->state = GATE_STATE_RUNNING;
	if (left_usec > 0)
		g_snprintf(j->reason, sizeof j->reason, "%s, %s %s", passed, left, why);
	else
		g_snprintf(j->reason, sizeof j->reason, "%s", passed);
}

/* The soak is over: PASS, or one more look, or nothing clear after a fair number of looks. */
static void judge_end(const Gate *g, const Look *looks, size_t n, GateJudgement *j)
{
	int n_data = 0, unclear = n ? in_window(g, looks, n - 1, LOOK_INCONCLUSIVE) : 0;
	for (size_t i = 0; i < n; i++)
		n_data += has_data(&looks[i]);
	bool newest_has_data = n && has_data(&looks[n - 1]);
	if (j->n_pass >= g->count && unclear <= g->inconclusive_limit && newest_has_data) {
		j->state = GATE_STATE_PASS;
		j->next_look_usec = INT64_MAX;
		char passed[GATE_TEXT_MAX];
		passed_text(j, g, passed, sizeof passed);
		g_snprintf(j->reason, sizeof j->reason, "PASS: %s", passed);
		return;
	}
	int fair = g->count + g->failure_limit + g->inconclusive_limit;
	if (n_data < fair || !newest_has_data) {
		running(j, g, 0, "");
		return;
	}
	j->state = GATE_STATE_HELD;
	j->hold = GATE_HOLD_INCONCLUSIVE;
	j->n_row = unclear;
	g_snprintf(j->reason, sizeof j->reason,
		"inconclusive: %d of %d passing looks at the end, %d of the last %d between pass "
		"and fail (limit %d)",
		j->n_pass, g->count, unclear, g->count, g->inconclusive_limit);
}

GateJudgement gate_judge(const Gate *g, const Look *looks, size_t n_looks, int64_t started_usec,
	int64_t ends_usec, int64_t now_usec)
{
	int64_t first = started_usec + g->settle_sec * USEC;
	GateJudgement j = { .state = GATE_STATE_RUNNING, .next_look_usec = first };
	while (n_looks && looks[0].at_usec < first) {
		looks++;
		n_looks--;
	}
	j.n_looks = (int)n_looks;
	for (size_t i = 0; i < n_looks; i++)
		j.n_pass += looks[i].verdict == LOOK_PASS;
	if (n_looks)
		j.next_look_usec = looks[n_looks - 1].at_usec + g->interval_sec * USEC;
	if (has_failed(g, looks, n_looks, &j)) {
		j.state = GATE_STATE_FAIL;
		j.next_look_usec = INT64_MAX;
	} else if (is_dark(g, looks, n_looks, &j)) {
		j.state = GATE_STATE_HELD;
	} else if (now_usec < first) {
		running(&j, g, first - now_usec, "until it settled");
	} else if (now_usec < ends_usec) {
		running(&j, g, ends_usec - now_usec, "of soak left");
	} else {
		judge_end(g, looks, n_looks, &j);
	}
	return j;
}

/* ---- several gates ---- */

GateSum gates_sum(const Gate *const *gates, const GateJudgement *js, size_t n)
{
	GateSum sum = { .state = GATE_STATE_PASS, .decisive = n, .next_look_usec = INT64_MAX };
	for (size_t i = 0; i < n; i++) {
		sum.next_look_usec = MIN(sum.next_look_usec, js[i].next_look_usec);
		if (gates[i]->dry_run)
			continue;
		bool stronger = js[i].state == GATE_STATE_FAIL && gates[i]->on_fail > sum.on_fail;
		if (js[i].state > sum.state || (js[i].state == sum.state && stronger)) {
			sum.state = js[i].state;
			sum.decisive = i;
			sum.on_fail = js[i].state == GATE_STATE_FAIL ? gates[i]->on_fail : 0;
		}
	}
	return sum;
}
