#include "policy/ledger.h"
#include <string.h>

static bool is_disrupted(const Budget *b, const char *pod)
{
	for (size_t i = 0; i < b->n_disrupted; i++)
		if (strcmp(b->disrupted[i], pod) == 0)
			return true;
	return false;
}

static bool is_of(const Budget *b, const LedgerEviction *e)
{
	return strcmp(b->ns, e->ns) == 0 && g_strcmp0(b->name, e->budget) == 0;
}

void ledger_observe(const Budget *b, LedgerEviction *evictions, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (is_of(b, &evictions[i]) && is_disrupted(b, evictions[i].pod))
			evictions[i].included = true;
}

/* When the eviction stops counting without any event; INT64_MAX: never. */
static int64_t counts_until(const LedgerEviction *e)
{
	if (!e->accepted_usec)
		return INT64_MAX;
	int64_t forgotten = e->accepted_usec + LEDGER_ACCEPTED_USEC;
	return e->deletion_seen_usec ? MIN(forgotten, e->deletion_seen_usec + LEDGER_LAG_USEC)
				     : forgotten;
}

bool ledger_counts(
	const Budget *b, const LedgerEviction *e, int64_t now_usec, int64_t *ret_until_usec)
{
	int64_t until = counts_until(e);
	if (e->included || is_disrupted(b, e->pod) || now_usec >= until)
		return false;
	/* A newer status, seen after the pod was seen going, was computed without that pod. */
	bool newer = g_strcmp0(b->version, e->version) != 0;
	if (e->deletion_seen_usec && newer && b->seen_usec > e->deletion_seen_usec)
		return false;
	if (ret_until_usec)
		*ret_until_usec = until;
	return true;
}

static int refuse(int64_t *ret_again_usec, int64_t until)
{
	if (ret_again_usec)
		*ret_again_usec = until;
	return 0;
}

int ledger_free(const Budget *b, const LedgerEviction *evictions, size_t n, int64_t now_usec,
	int64_t *ret_again_usec)
{
	int64_t again = INT64_MAX, until;
	int taken = 0;
	if (b->observed_generation < b->generation)
		return refuse(ret_again_usec, INT64_MAX);
	until = b->refused_usec + LEDGER_LAG_USEC;
	if (b->refused_version && g_strcmp0(b->refused_version, b->version) == 0 &&
		now_usec < until)
		return refuse(ret_again_usec, until);
	for (size_t i = 0; i < n; i++) {
		if (!is_of(b, &evictions[i]) || !ledger_counts(b, &evictions[i], now_usec, &until))
			continue;
		taken++;
		again = MIN(again, until);
	}
	if (ret_again_usec)
		*ret_again_usec = taken < b->disruptions_allowed || b->disruptions_allowed <= 0
					  ? INT64_MAX
					  : again;
	return MAX(b->disruptions_allowed - taken, 0);
}
