#include "fleet/schedule.h"
#include "policy/halt.h"
#include <string.h>

static SchedDecision decide(SchedVerb verb, size_t wave, const char *fmt, ...) SL_PRINTF(3, 4);
static SchedDecision decide(SchedVerb verb, size_t wave, const char *fmt, ...)
{
	SchedDecision d = { .verb = verb, .wave = wave, .until_usec = INT64_MAX };
	va_list ap;
	va_start(ap, fmt);
	g_vsnprintf(d.text, sizeof d.text, fmt, ap);
	va_end(ap);
	return d;
}

static bool named(const char *const *list, const char *name)
{
	for (; list && *list; list++)
		if (strcmp(*list, name) == 0)
			return true;
	return false;
}

/* Never two that a notWith names together, whichever of them names the other. */
static bool clash(const SchedCluster *a, const SchedCluster *b)
{
	return named(a->not_with, b->name) || named(b->not_with, a->name);
}

static WaveCount count_wave(const SchedRun *r, size_t wave)
{
	WaveCount c = { 0 };
	for (size_t i = 0; i < r->n_clusters; i++) {
		if (r->clusters[i].wave != wave)
			continue;
		c.n_clusters++;
		bool bad = r->clusters[i].status == SCHED_BAD;
		c.n_good += r->clusters[i].status == SCHED_GOOD || (bad && r->clusters[i].forgiven);
		c.n_bad += bad && !r->clusters[i].forgiven;
	}
	return c;
}

static int64_t wave_ended(const SchedRun *r, size_t wave)
{
	int64_t last = 0;
	for (size_t i = 0; i < r->n_clusters; i++)
		if (r->clusters[i].wave == wave)
			last = MAX(last, r->clusters[i].ended_usec);
	return last;
}

bool schedule_stops_fleet(const SchedRun *r, char *text)
{
	FleetCount c = { .halting_gate = r->halting_gate };
	for (size_t i = 0; i < r->n_clusters; i++)
		c.n_rollbacks += r->clusters[i].rolled_back && !r->clusters[i].forgiven;
	return halt_fleet(&c, r->stop_fleet_after, text);
}

static bool run_stopped(const SchedRun *r, char *text)
{
	if (!r->stopped)
		return schedule_stops_fleet(r, text);
	g_strlcpy(text, r->stopped, SCHEDULE_TEXT_MAX);
	return true;
}

/* The first wave that is not over; n_waves when all are. A wave that stopped, or still bakes,
 * decides. */
static size_t current_wave(const SchedRun *r, int64_t now, SchedDecision *ret)
{
	for (size_t w = 0; w < r->n_waves; w++) {
		WaveCount c = count_wave(r, w);
		char text[HALT_TEXT_MAX];
		if (halt_wave(&c, r->waves[w].failure_budget, text)) {
			*ret = decide(
				SCHED_STOPPED, w, "wave %s stopped: %s", r->waves[w].name, text);
			return w;
		}
		if (c.n_good + c.n_bad < c.n_clusters)
			return w;
		int64_t until = wave_ended(r, w) + r->waves[w].bake_usec;
		if (c.n_clusters > 0 && now < until) {
			*ret = decide(SCHED_WAIT, w, "wave %s bakes", r->waves[w].name);
			ret->until_usec = until;
			return w;
		}
	}
	return r->n_waves;
}

static bool may_start(const SchedCluster *c, const SchedCluster *other, char *text)
{
	if (strcmp(c->name, other->name) == 0) {
		g_snprintf(text, SCHEDULE_TEXT_MAX, "%s is in work in another run", c->name);
		return false;
	}
	if (c->exclusive || other->exclusive) {
		g_snprintf(text, SCHEDULE_TEXT_MAX, "%s waits for %s: %s is exclusive", c->name,
			other->name, c->exclusive ? c->name : other->name);
		return false;
	}
	if (clash(c, other)) {
		g_snprintf(
			text, SCHEDULE_TEXT_MAX, "%s waits for %s: notWith", c->name, other->name);
		return false;
	}
	return true;
}

static bool has_slot(const SchedRun *r, const SchedOthers *o, const SchedCluster *c, char *text)
{
	size_t n_work = o->n_working;
	for (size_t i = 0; i < o->n_working; i++)
		if (!may_start(c, &o->working[i], text))
			return false;
	for (size_t i = 0; i < r->n_clusters; i++) {
		if (r->clusters[i].status != SCHED_WORK)
			continue;
		n_work++;
		if (!may_start(c, &r->clusters[i], text))
			return false;
	}
	int max = MAX(r->waves[c->wave].max_concurrent, 1);
	if (o->min_concurrent > 0)
		max = MIN(max, o->min_concurrent);
	if (n_work < (size_t)max)
		return true;
	g_snprintf(text, SCHEDULE_TEXT_MAX,
		"%s waits for its turn: %zu in work, at most %d at a time", c->name, n_work, max);
	return false;
}

static SchedDecision start_in_wave(const SchedRun *r, const SchedOthers *o, size_t wave)
{
	for (size_t i = 0; i < r->n_clusters; i++) {
		const SchedCluster *c = &r->clusters[i];
		if (c->wave != wave || c->status != SCHED_PENDING)
			continue;
		if (r->waves[wave].waits_for_approval)
			return decide(SCHED_APPROVAL, wave, "wave %s waits for its approval",
				r->waves[wave].name);
		char text[SCHEDULE_TEXT_MAX];
		if (!has_slot(r, o, c, text))
			return decide(SCHED_WAIT, wave, "%s", text);
		SchedDecision d = decide(SCHED_START, wave, "%s starts", c->name);
		d.cluster = i;
		return d;
	}
	return decide(SCHED_WAIT, wave, "wave %s is in work", r->waves[wave].name);
}

SchedDecision schedule_next(const SchedRun *r, const SchedOthers *o, int64_t now_usec)
{
	SchedDecision d = { .verb = SCHED_START };
	char text[SCHEDULE_TEXT_MAX];
	size_t wave = current_wave(r, now_usec, &d);
	if (wave == r->n_waves)
		return decide(SCHED_DONE, 0, "every wave is over");
	if (run_stopped(r, text))
		return decide(SCHED_STOPPED, wave, "%s", text);
	if (o->stopped)
		return decide(SCHED_STOPPED, wave, "%s", o->stopped);
	if (d.verb != SCHED_START)
		return d;
	return start_in_wave(r, o, wave);
}
