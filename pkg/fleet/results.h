/* The result back to Git: where a repository of the ControllerConfig has `results`, the end of each
 * of its runs is written there: the report on a branch of its own, and a note on the plan's commit.
 * Each is an item below the fleet with one act, stored before it is sent and sent again under the
 * same key until it is there, so one run gives one commit whenever the controller dies. The branch
 * of the plans is never written. Nothing waits for it. */
#pragma once
#include "fleet/fleet.h"
#include "saga/saga.h"

enum {
	RESULTS_KEEP_SEC = 7 * 24 * 3600, /* tried for so long */
	RESULTS_BACKOFF_MAX_SEC = 300,
	RESULTS_LATE_SEC = 600, /* waiting longer needs a person */
	RESULTS_WAVES_MAX = 28, /* notices of further waves are left out */
};
/* The name of their site in records: no cluster can be called so. */
#define RESULTS_SITE "@results"

extern const ItemKind result_kind;
extern const ActRow act_result_row;

typedef struct Results Results;
Results *results_new(Fleet *f);
void results_free(Results *r); /* before the engine; NULL is fine */
Site *results_site(const Results *r);
void results_applied(Results *r, const Record *x, const json_t *body);
void results_start(Results *r); /* the replay is over */
void results_changed(Results *r); /* the configuration */

/* Array of {"run","ref","repository","sinceSeconds","error"} of what is not written yet. New
 * reference. */
json_t *results_json(const Results *r);

/* results-text.c: the members of the worker's op write beyond access and key. New reference. */
json_t *results_request(Fleet *f, const Item *run, const json_t *data);
