/* Counts the pods that move while a cluster's nodes are worked on (policy/disruption.h), from a
 * watch of all its pods, and notes the sums in the cluster's memo "disruption", where the report
 * finds them. Nothing waits for it, and a cluster that cannot be watched is only not counted. */
#pragma once
#include "fleet/internal.h"

enum { DISRUPTED_NOTE_SEC = 2, DISRUPTED_RELIST_SEC = 1800 };
#define DISRUPTED_MEMO "disruption"

Disrupted *disrupted_new(Fleet *f);
void disrupted_free(Disrupted *d); /* before the targets; NULL is fine */
void disrupted_applied(Disrupted *d, const Record *r, const json_t *body, bool replay);
void disrupted_start(Disrupted *d); /* the replay is over */
void disrupted_forget(Disrupted *d, const Target *t); /* its client goes */
