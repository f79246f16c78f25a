/* How one answer becomes a look, and how looks become a judgement. Everything here is a pure
 * function of the gate, the looks and the time, so a judgement can be replayed from the journal.
 *
 * Verdicts are never merged: going on needs PASS, rolling back needs FAIL, everything else holds.
 * Times are microseconds on one clock of the caller (an item's observed time in its state), so a
 * pause or a suspended machine counts for nothing. */
#pragma once
#include "policy/gate.h"

typedef enum {
	LOOK_PASS,
	LOOK_FAIL,
	LOOK_NODATA, /* empty, stale, partial, too few samples */
	LOOK_ERROR, /* could not be asked, or the answer breaks the contract */
	LOOK_INCONCLUSIVE, /* between pass and fail */
	LOOK_PENDING, /* invariants: still moving, or true for too short a time; counts for nothing
		       */
} LookVerdict;

typedef struct Look {
	int64_t at_usec;
	LookVerdict verdict;
	double value; /* NAN where there is none */
} Look;

const char *look_verdict_name(LookVerdict v);
bool look_verdict_parse(const char *name, LookVerdict *ret);

enum {
	GATE_AGE_NOT_ASKED = -1, /* the query looks at no sample of now */
	GATE_AGE_UNKNOWN = -2, /* asked, but there was no sample to tell it: no data */
};

/* What a query gave. error or no_data (texts, borrowed) say why there are no values. */
typedef struct GateReading {
	const char *error, *no_data;
	const double *values; /* of each series, in any order */
	size_t n_values;
	int64_t age_usec; /* of the newest sample of the stalest selector, or GATE_AGE_... */
	double samples; /* of minSamplesQuery; NAN: not asked or no data */
} GateReading;

/* The verdict and value of one reading of a query gate; ret_text says why (may be NULL). */
Look gate_look(const Gate *g, const GateReading *r, int64_t at_usec, char ret_text[GATE_TEXT_MAX]);

/* ---- judgement ---- */
typedef enum { GATE_STATE_PASS, GATE_STATE_RUNNING, GATE_STATE_HELD, GATE_STATE_FAIL } GateState;
typedef enum {
	GATE_HOLD_NONE,
	GATE_HOLD_NO_DATA,
	GATE_HOLD_ERROR,
	GATE_HOLD_INCONCLUSIVE
} GateHold;

typedef struct GateJudgement {
	GateState state;
	GateHold hold; /* with GATE_STATE_HELD */
	int n_looks, n_pass, n_fail; /* since settle; n_fail in the window that decides */
	int n_row; /* with HELD: looks in a row, or in the window, that hold it */
	int64_t next_look_usec; /* INT64_MAX: none any more */
	char reason[GATE_TEXT_MAX];
} GateJudgement;

/* looks: all of this gate in this phase, oldest first. ends_usec: when the soak is over; for a
 * phase without a soak the same as started_usec. FAIL is final at any time. PASS is never given
 * before the end, nor while the newest look has no data; HELD goes away by itself with better
 * looks. Looks made before started + settle count for nothing. */
GateJudgement gate_judge(const Gate *g, const Look *looks, size_t n_looks, int64_t started_usec,
	int64_t ends_usec, int64_t now_usec);

/* ---- several gates ---- */
typedef struct GateSum {
	GateState state; /* the worst; PASS for none at all */
	GateOnFail on_fail; /* with FAIL: the strongest consequence of those that failed */
	size_t decisive; /* index of the gate that decides; n when there is none */
	int64_t next_look_usec;
} GateSum;

/* Gates with dryRun are looked at and left out. */
GateSum gates_sum(const Gate *const *gates, const GateJudgement *js, size_t n);
