/* The daemon's parts, put together once. */
#pragma once
#include "config.h"
#include "feed.h"
#include "fleet/connect.h"
#include "fleet/watch-git.h"
#include "http/http-curl.h"
#include "job/job-worker.h"
#include "loop/log-sink.h"
#include "meter.h"
#include "orders.h"
#include "roles.h"
#include "store/store-sqlite.h"
#include "submit.h"

typedef struct Daemon {
	const char *config_path;
	Log log;
	Config *config;
	LoopEvent *events;
	Loop loop;
	StoreSqlite *store;
	HttpCurl *http;
	Meter *meter;
	JobWorker *jobs;
	Connect *connect;
	Fleet *fleet;
	WatchGit *watch;
	Roles *roles;
	Feed *feed;
	Orders *orders;
	Submissions *submissions;
	char *holder; /* of the journal, in claims */
	json_t *inventory; /* repository -> name -> Cluster document, as in force */
	Web *api, *face;
	int64_t started_usec; /* boot time */
	uint64_t status_timer;
} Daemon;

/* The exit code of the process. */
int daemon_run(Daemon *d);
bool daemon_writable(const Daemon *d);

/* The handlers of the two listeners; ud is the Daemon. */
WebHandler api_handle;
WebHandler face_handle;
