#include "policy/halt.h"

static void say(char *text, const char *fmt, ...) SL_PRINTF(2, 3);
static void say(char *text, const char *fmt, ...)
{
	va_list ap;
	if (!text)
		return;
	va_start(ap, fmt);
	g_vsnprintf(text, HALT_TEXT_MAX, fmt, ap);
	va_end(ap);
}

bool halt_wave(const WaveCount *c, int failure_budget, char ret_text[HALT_TEXT_MAX])
{
	if (c->n_bad <= failure_budget)
		return false;
	say(ret_text, "%d of %d clusters did not succeed, failureBudget is %d", c->n_bad,
		c->n_clusters, failure_budget);
	return true;
}

bool halt_fleet(const FleetCount *c, int stop_fleet_after, char ret_text[HALT_TEXT_MAX])
{
	if (c->halting_gate) {
		say(ret_text, "gate %s failed and says halt", c->halting_gate);
		return true;
	}
	if (c->n_rollbacks < stop_fleet_after)
		return false;
	say(ret_text, "%d rollback%s, stopFleetAfter is %d", c->n_rollbacks,
		c->n_rollbacks == 1 ? "" : "s", stop_fleet_after);
	return true;
}
