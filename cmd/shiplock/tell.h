/* How a run is told while it goes on: the same for one in this process and one in the controller.
 */
#pragma once
#include "cli.h"
#include "story.h"

typedef struct Teller {
	const Args *a;
	Story *story;
	Term term;
	char *run; /* only its events count; NULL: not known yet, then none is told */
	json_t *early; /* what came before that: {"event", "told"} */
} Teller;

/* snapshot may be NULL. */
void teller_init(Teller *t, const Args *a, const json_t *snapshot);
void teller_clear(Teller *t);
/* told: false for what happened before, which only the report wants. */
void teller_event(Teller *t, const json_t *event, bool told);
/* Takes the events that came before the name was known. */
void teller_set_run(Teller *t, const char *run);

/* The end: one line, why where it is not good, the report. run: of /v1/runs/ID; why: of its why.
 * Returns the exit code for code, the one of the run. */
int teller_end(Teller *t, const json_t *run, const json_t *why, int code);
