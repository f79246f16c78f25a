/* Schedules of five fields as cron and Argo CD's sync windows write them: minute, hour, day of the
 * month, month, day of the week (0 is Sunday). Lists, ranges, steps, names (JAN, MON), * and ?.
 * Where both days are given, either one counts; so do the programs that read them. */
#pragma once
#include "base/error.h"

enum { CRON_MAX_DURATION_SEC = 32 * 86400 };

/* Is a window open now that opens by this schedule for so many seconds? zone NULL or "": UTC.
 * INVALID: the schedule or the zone cannot be read, or the duration is longer than the maximum. */
bool cron_window_open(const char *schedule, const char *zone, int64_t duration_sec,
	int64_t now_usec, bool *ret_open, GError **err);
