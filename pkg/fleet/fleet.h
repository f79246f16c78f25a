/* Many clusters: plans become runs, runs take their clusters one at a time. One `fleet_new` on the
 * four seams is the whole controller; it is the same in the daemon, in `shiplock run`, in `shiplock
 * plan` and in every simulation. `fleet_free` does no I/O: it is also the simulated crash. */
#pragma once
#include "base/log.h"
#include "fleet/reach.h"
#include "job/job.h"
#include "loop/loop.h"
#include "plan/docset.h"
#include "store/store.h"

typedef struct Fleet Fleet;

/* How the result of a run goes back to the repository of its plan. All NULL: it does not. */
typedef struct FleetResults {
	json_t *(*names)(void *ud); /* of the repositories that want it: array, a new reference */
	/* {"branch", "notes"} of one that does, else NULL. Borrowed. */
	const json_t *(*wanted)(void *ud, const char *repository);
	/* Starts the worker's op write (git/git.h) with what is needed to reach the repository. 0:
	 * err says why it could not be started. */
	uint64_t (*write)(void *ud, const char *repository, const json_t *request, JobDone *done,
		void *done_ud, GError **err);
	void (*cancel)(void *ud, uint64_t id);
	void *ud;
} FleetResults;

/* What people and programs follow: one durable record, told. Borrowed. */
typedef struct FleetEvent {
	const Record *record;
	const json_t *body; /* of the record */
	const char *run, *cluster, *state; /* "" where there is none */
	const char *text; /* one line for people */
	bool replay; /* happened before this process was started */
} FleetEvent;
typedef void FleetListener(const FleetEvent *e, void *ud);

typedef struct FleetOptions {
	Loop loop;
	Http http;
	Store store;
	Job job; /* ops NULL: no worker, so no actuator git */
	Log log;
	FleetConnect connect;
	int idle_interval_sec; /* how often a cluster outside a run is looked at; 0 = never */
	const char *name; /* of the fleet, in claims: ControllerConfig metadata.name */
	const char *holder; /* whose journal this is, in claims (store/holder.h); NULL: not told */
	const char *backups; /* absolute folder for the backup sets of nodes; NULL: none */
	const json_t *notify; /* spec.notify of the ControllerConfig with its defaults; may be NULL:
				 nobody is told; borrowed for fleet_new */
	FleetResults results;
	FleetListener *listener; /* may be NULL */
	void *listener_ud;
} FleetOptions;

Fleet *fleet_new(const FleetOptions *o);
void fleet_free(Fleet *f);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Fleet, fleet_free)
/* Replays the journal and goes on where it ended. */
bool fleet_start(Fleet *f, GError **err) SL_MUST_USE;

/* Other receivers than FleetOptions.notify from now on. One that is new hears of what happens from
 * here; what waits for one that is gone is dropped. */
void fleet_set_notify(Fleet *f, const json_t *receivers);

/* Other repositories want results now: as for receivers. */
void fleet_results_changed(Fleet *f);

/* The documents that are in force, checked and without errors (docset_ok). repository is its name
 * in the ControllerConfig. Active plans without a run begin one; `state` of the others counts from
 * now on. Takes set. */
void fleet_set_documents(Fleet *f, const char *repository, const char *commit, DocSet *set);
/* What is shown in status about a repository: error NULL = all is well. wall time of the last good
 * look. */
void fleet_set_repository(Fleet *f, const char *repository, const char *url, const char *commit,
	int64_t looked_usec, const char *error);

/* ---- commands; done comes later, when the intent is durable or refused ---- */
typedef struct FleetCommand {
	const char *verb; /* pause resume approve abort rollback retry skip takeover; submit */
	const char *cluster; /* NULL: the whole fleet (pause, resume) */
	const char *who, *reason;
	const char *gate, *node; /* skip; NULL when not given */
	/* rollback: "T3" by name, else NULL. approve: which question (wave, rollback, a tier; NULL:
	 * the open one), and the digest that the person saw (NULL: whichever it has) */
	const char *subject, *digest;
	bool reject, break_glass;
	int64_t uid; /* of who, by the socket's peer; -1: not known */
	const char *confirm; /* rollback, takeover: the cluster's name, typed */
	const char *expect_state; /* NULL, or the state that the person saw */
	int64_t expect_seq; /* 0, or the journal position that the person saw */
} FleetCommand;
/* says: one line of what happens now, NULL on error. CONFLICT: the screen was stale; REFUSED: not
 * in this state; NOT_FOUND: no such cluster in any run; INVALID: the command lacks something.
 * run_id: the run concerned. */
typedef void FleetReply(const char *says, int64_t run_id, const GError *err, void *ud);
void fleet_command(Fleet *f, const FleetCommand *c, FleetReply *reply, void *ud);

/* What `shiplock run` submits and `shiplock plan` asks: one plan of a set that was never in Git.
 * Takes set. */
typedef struct FleetSubmit {
	DocSet *set;
	const char *plan; /* NULL: the only UpgradePlan of the set */
	const char *commit, *who;
	bool plan_only; /* stop after preflight: nothing is written on any target */
	bool inspect; /* without any plan: every Cluster of the set is looked at, and no more */
	/* With plan_only: how long earlier upgrades took, of fleet_lengths() of another controller;
	 * borrowed, NULL: those of this one. */
	const json_t *lengths;
} FleetSubmit;
void fleet_submit(Fleet *f, const FleetSubmit *s, FleetReply *reply, void *ud);

/* ---- looking; all new references, in the shapes of `-o json` (faces) ---- */
json_t *fleet_status(Fleet *f); /* kind Status */
json_t *fleet_runs(Fleet *f); /* array of run objects as in Status */
json_t *fleet_run(Fleet *f, int64_t run_id); /* NULL: no such run */
json_t *fleet_cluster(Fleet *f, const char *cluster); /* its entry of the newest run; NULL */
json_t *fleet_why(Fleet *f, const char *cluster, const char *node); /* kind Why; NULL: not known */
json_t *fleet_why_run(Fleet *f, int64_t run_id);
json_t *fleet_plan_report(Fleet *f, int64_t run_id); /* kind PlanReport, of a plan_only run */
json_t *fleet_inspect_report(Fleet *f, int64_t run_id); /* kind InspectReport, of an inspection */
/* kind RunReport: what it did so far (fleet/report.h); NULL: no such run. */
json_t *fleet_report(Fleet *f, int64_t run_id);
/* Of the newest upgrade of each cluster that succeeded, as in past.h. */
json_t *fleet_lengths(Fleet *f);
char *fleet_metrics(Fleet *f); /* Prometheus text */
/* 0-7 of the design's table, by outcome and holds; -1: still going on by itself. strict: skips
 * count as failure 3. */
int fleet_exit_code(Fleet *f, int64_t run_id, bool strict);
int64_t fleet_seq(const Fleet *f);
bool fleet_writable(const Fleet *f); /* the journal takes records */

/* The loop was late (suspend, SIGSTOP): that time was not observed, and everything is proven again.
 */
void fleet_time_lost(Fleet *f, int64_t usec);
