/* A gate: what is asked of a cluster, and how much of which answer decides. judge.h turns answers
 * into looks and looks into a judgement. */
#pragma once
#include "base/error.h"
#include <jansson.h>

enum { GATE_BOUNDS_MAX = 6, GATE_TEXT_MAX = 200 };

typedef enum {
	GATE_QUERY,
	GATE_INVARIANT,
	GATE_ALERTS,
	GATE_BURN_RATE,
	GATE_COMPARE,
	GATE_JOB,
	GATE_HTTP,
} GateKind;

/* Bits of Gate.when. */
typedef enum {
	WHEN_PREFLIGHT = 1 << 0,
	WHEN_CP_VERIFY = 1 << 1,
	WHEN_CP_SOAK = 1 << 2,
	WHEN_NODE = 1 << 3,
	WHEN_VERIFY = 1 << 4,
	WHEN_SOAK = 1 << 5,
} GateWhen;

typedef enum {
	REDUCE_ONE, /* exactly one series, else ERROR */
	REDUCE_ALL, /* every series must pass, one that fails is FAIL */
	REDUCE_ANY, /* one that passes is PASS */
	REDUCE_MAX,
	REDUCE_MIN,
	REDUCE_SUM,
	REDUCE_COUNT, /* how many series; the only one for which none is a number */
} GateReduce;

/* The consequence of FAIL, mildest first. */
typedef enum {
	ON_FAIL_HOLD, /* stop here */
	ON_FAIL_HALT, /* and no other cluster of the fleet starts */
	ON_FAIL_ROLLBACK,
} GateOnFail;

typedef enum {
	CMP_ABOVE,
	CMP_AT_LEAST,
	CMP_BELOW,
	CMP_AT_MOST,
	CMP_EQUALS,
	CMP_NOT_EQUALS
} GateCmp;

/* All bounds must hold; n 0: no condition was given. */
typedef struct GateCondition {
	struct {
		GateCmp cmp;
		double value;
	} bounds[GATE_BOUNDS_MAX];
	size_t n;
} GateCondition;

/* Read by everybody, changed by nobody. Strings and spec live in json. */
typedef struct Gate {
	const char *name, *query, *invariant, *min_samples_query, *runbook;
	GateKind kind;
	unsigned when;
	GateReduce reduce;
	GateCondition pass, fail;
	int64_t settle_sec, interval_sec, max_age_sec, stable_for_sec;
	int count, failure_limit, no_data_limit, error_limit, inconclusive_limit;
	double min_samples;
	GateOnFail on_fail;
	bool may_skip, dry_run;
	const json_t *spec; /* the part of the other kinds: alerts, burnRate, ... */
	json_t *json; /* the whole gate */
} Gate;

/* One gate of a GatePolicy (documents.md), defaults filled in or not: settle 0s, interval 60s,
 * count 5 (invariant, alerts, job: 1), failureLimit 0, noDataLimit 2, consecutiveErrorLimit 4,
 * inconclusiveLimit 0, maxAge 2m,
 * reduce one, onFail hold. INVALID names the gate and the field. */
Gate *gate_parse(const json_t *json, GError **err) SL_MUST_USE;
void gate_free(Gate *g);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Gate, gate_free)
/* False for the kinds that have no effect yet; a run that uses one is refused. */
bool gate_supported(const Gate *g);
/* What of it has no effect yet: " in phase node", or "" for its whole kind; NULL: all has. */
const char *gate_unsupported(const Gate *g);
const char *gate_kind_name(GateKind kind);
/* "cp-soak" to its bit; 0 when it is none. */
unsigned gate_when_parse(const char *name);

bool gate_on_fail_parse(const char *name, GateOnFail *ret);
const char *gate_on_fail_name(GateOnFail v);
/* The milder of the gate's and the plan's (hold or rollback). */
GateOnFail gate_consequence(GateOnFail of_gate, GateOnFail of_plan);

/* "atMost 0.01" or "above 1 and below 3". Caller frees. */
char *gate_condition_text(const GateCondition *c);
