#include "loop/clock-watch.h"
#include <stdlib.h>

bool clock_watch_check(ClockWatch *w, int64_t boot_usec, int64_t wall_usec, int64_t *ret_lost_usec,
	int64_t *ret_step_usec)
{
	int64_t lost = 0, step = 0, offset = wall_usec - boot_usec;
	if (w->next_boot_usec) {
		lost = boot_usec - w->next_boot_usec;
		step = offset - w->offset_usec;
	}
	if (lost <= w->late_usec)
		lost = 0;
	if (llabs(step) < w->step_usec)
		step = 0;
	w->next_boot_usec = boot_usec + w->beat_usec;
	w->offset_usec = offset;
	*ret_lost_usec = lost;
	*ret_step_usec = step;
	return lost || step;
}
