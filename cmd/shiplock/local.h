/* The whole controller in this process, for plan and for run without a daemon. */
#pragma once
#include "fleet/connect.h"
#include "http/http-curl.h"
#include "job/job-worker.h"
#include "loop/loop-event.h"
#include "store/store-sqlite.h"

typedef struct Local {
	LoopEvent *events;
	Loop loop;
	Fleet *fleet;
	char *state, *name, *holder;
	bool temporary; /* the folder goes with it */
	StoreSqlite *store;
	HttpCurl *http;
	Connect *connect;
	JobWorker *jobs;
} Local;

/* state NULL: a folder of its own that is removed at the end. REFUSED where another process has the
 * journal. The name in claims is "run@HOST:ID", the same whenever the folder is used again. */
bool local_open(Local *l, const char *state, FleetListener *listener, void *ud, GError **err);
void local_close(Local *l); /* also after a failed open */
/* Submits, and lets the controller work until that run is over or the time is up; *ret_run 0:
 * nothing answered in time. False: refused. */
bool local_ask(Local *l, const FleetSubmit *s, int deadline_sec, int64_t *ret_run, GError **err);
/* The event as the API gives it. New reference. */
json_t *local_event(const FleetEvent *e);
/* Login of the user, or "uid 1000". Caller frees. */
char *local_login(void);
