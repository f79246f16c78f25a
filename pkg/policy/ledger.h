/* The ledger of a disruption budget: how many more evictions the server will take now, from its own
 * status and from what we did that this status cannot know yet. Without it every slot is asked for
 * twice and refused once. Pure; times on the clock of now. */
#pragma once
#include "policy/budget.h"

enum {
	LEDGER_LAG_USEC = 5000000, /* a status that stays silent this long is believed again */
	LEDGER_ACCEPTED_USEC = 120000000, /* the server forgets a disruption without deletion */
};

/* One eviction of ours that is not finished: open, or accepted and its UID not yet long gone. Of
 * the whole cluster, since budgets span nodes, and including what the batch being built has taken.
 * Borrowed. */
typedef struct LedgerEviction {
	const char *ns, *budget; /* the budget that was decided on */
	const char *pod, *uid;
	const char *version; /* resourceVersion of the budget decided on */
	int64_t accepted_usec; /* 0: open, or of unknown outcome */
	int64_t deletion_seen_usec; /* first seen with deletionTimestamp, or gone; 0: not yet */
	bool included; /* seen in status.disruptedPods: the status knows it for good */
} LedgerEviction;

/* To be called with every version of the budget that a watch brings: marks what its status knows.
 */
void ledger_observe(const Budget *b, LedgerEviction *evictions, size_t n);

/* True while this eviction has to be subtracted from disruptionsAllowed. *ret_until (may be NULL)
 * gets the time from which on it is not any more, INT64_MAX where only an event ends it. */
bool ledger_counts(
	const Budget *b, const LedgerEviction *e, int64_t now_usec, int64_t *ret_until_usec);

/* Slots that are free now, 0 or more. After a refusal there are none until the budget's status
 * changes, or LEDGER_LAG_USEC. *ret_again_usec (may be NULL): when to ask again if no event comes
 * sooner, INT64_MAX: only after an event. */
int ledger_free(const Budget *b, const LedgerEviction *evictions, size_t n, int64_t now_usec,
	int64_t *ret_again_usec);
