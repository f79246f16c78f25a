/* Which cluster of a run starts next, if any. Pure: the run, the rest of the fleet and the wall
 * time in, one decision out. The order of the waves and of the clusters in them is never changed:
 * who may not start now is waited for. */
#pragma once
#include "base/error.h"

enum { SCHEDULE_TEXT_MAX = 300 };

typedef enum { SCHED_PENDING, SCHED_WORK, SCHED_GOOD, SCHED_BAD } SchedStatus;

typedef struct SchedCluster {
	const char *name;
	size_t wave;
	SchedStatus status;
	bool exclusive; /* nothing else of the fleet is in work beside it */
	const char *const *not_with; /* NULL-terminated, may be NULL; counts both ways */
	int64_t ended_usec; /* wall time; with GOOD and BAD */
	bool rolled_back; /* by this run */
	bool forgiven; /* with BAD: a person answered its end with resume, it stops nothing more */
} SchedCluster;

typedef struct SchedWave {
	const char *name;
	int max_concurrent, failure_budget;
	int64_t bake_usec;
	bool waits_for_approval;
} SchedWave;

typedef struct SchedRun {
	const SchedCluster *clusters; /* in the order of the waves */
	size_t n_clusters;
	const SchedWave *waves;
	size_t n_waves;
	int stop_fleet_after; /* rollbacks */
	const char *halting_gate; /* NULL: none */
	const char *stopped; /* by Git or a person, in words; NULL: not */
} SchedRun;

/* Clusters in work in other runs, and whether another run stopped the fleet. */
typedef struct SchedOthers {
	const SchedCluster *working;
	size_t n_working;
	int min_concurrent; /* the smallest maxConcurrent of the waves they are in; 0: none in work
			     */
	const char *stopped; /* by run X: why; NULL: not */
} SchedOthers;

typedef enum { SCHED_START, SCHED_WAIT, SCHED_STOPPED, SCHED_APPROVAL, SCHED_DONE } SchedVerb;

typedef struct SchedDecision {
	SchedVerb verb;
	size_t cluster; /* START */
	size_t wave; /* APPROVAL, and the wave that a WAIT is about */
	int64_t until_usec; /* WAIT: wall time at which to look again; INT64_MAX: only when
			       something changes */
	char text[SCHEDULE_TEXT_MAX];
} SchedDecision;

/* This run's rollbacks or a gate's word stop every run, not only its own waves. text: of
 * SCHEDULE_TEXT_MAX. */
bool schedule_stops_fleet(const SchedRun *r, char *text);

SchedDecision schedule_next(const SchedRun *r, const SchedOthers *o, int64_t now_usec);
