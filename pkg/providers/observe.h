/* The actuator observe: a person acts, we write nothing and keep what we would have done, when, and
 * when it was seen done. Memo "observed": [{"what", "wouldUsec" (0: it was done before we would
 * have), "doneUsec" (0: not seen)}], wall times, in the order of our wishes. */
#pragma once
#include "saga/item.h"

/* True: noted in this turn, and the tick returns step_wait(it, now, ...). Later calls do nothing.
 */
bool observe_would(Item *it, Batch *b, const char *fmt, ...) SL_PRINTF(3, 4);
bool observe_done(Item *it, Batch *b, const char *fmt, ...) SL_PRINTF(3, 4);
