/* Plans that come over the API instead of from Git. The documents are read by the worker and
 * checked here. A Cluster document names files of this host whose contents are sent to the address
 * that it also names: so one that no watched repository holds in the same form is taken only from
 * those who could read these files anyway. */
#pragma once
#include "fleet/fleet.h"
#include "job/job.h"
#include "orders.h"

enum { SUBMIT_YAML_MSEC = 30000, SUBMIT_MAX_WAITING = 8 };

typedef struct Submissions Submissions;
/* inventory: *inventory is an object repository -> name -> Cluster document; borrowed. */
Submissions *submissions_new(Fleet *fleet, Job job, json_t *const *inventory);
void submissions_free(Submissions *s); /* before the Job; NULL is fine */

/* request: {"files": [{"name", "text" or "base64"}], "plan": NAME, "commit": TEXT}; the last two
 * may be missing. owner: any Cluster document is taken. The order gets the answer. */
void submit_plan(Submissions *s, const json_t *request, const char *who, bool owner, Order *order);
