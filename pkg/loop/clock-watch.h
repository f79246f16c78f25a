/* Notices that time was lost (SIGSTOP, suspend, a callback that blocked) or that the wall clock was
 * stepped. Pure: the caller brings both clocks. After either, facts and claims must be proven again
 * before any write. */
#pragma once
#include "base/error.h"

typedef struct ClockWatch {
	int64_t beat_usec; /* how often the caller means to check */
	int64_t late_usec; /* a check later than this past its time is a loss */
	int64_t step_usec; /* a wall clock that moved against boot time by this is a step */
	int64_t next_boot_usec; /* when the next check is due; 0 before the first */
	int64_t offset_usec; /* wall - boot at the last check */
} ClockWatch;

/* True when something is to be told: *ret_lost_usec not observed (0 or above late_usec; at least
 * that much really passed), *ret_step_usec the step of the wall clock (0 or beyond step_usec,
 * negative = back). */
bool clock_watch_check(ClockWatch *w, int64_t boot_usec, int64_t wall_usec, int64_t *ret_lost_usec,
	int64_t *ret_step_usec);
