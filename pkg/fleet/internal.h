/* What the files of the fleet share. */
#pragma once
#include "fleet/fleet.h"
#include "fleet/past.h"
#include "fleet/schedule.h"
#include "policy/window.h"
#include "steps/cluster.h"
#include "steps/question.h"

enum { RUN_ACTIVE = 1, RUN_ENDED, RUN_MAX };
extern const ItemKind run_kind;

typedef struct Repository {
	char *name, *url, *commit, *error;
	int64_t looked_usec;
	DocSet *set; /* the last good revision; NULL: none yet */
	json_t *newer; /* run -> what fleet_newer says of it; NULL: not asked yet */
} Repository;

typedef struct Changes Changes;
typedef struct Disrupted Disrupted;
typedef struct Idle Idle;
typedef struct Notices Notices;
typedef struct Report Report;
typedef struct Results Results;

struct Fleet {
	FleetOptions o;
	char *name, *holder, *backups;
	Saga *saga;
	GPtrArray *targets; /* Target, sorted by name */
	GPtrArray *credentials; /* Creds, of the targets; freed after them */
	GPtrArray *repositories; /* Repository, sorted by name */
	GPtrArray *requests; /* submissions under way: they go with the fleet */
	GHashTable *ends; /* "RolledBack" ... -> count, for the metrics; shown sorted */
	Idle *idle;
	Notices *notices;
	Report *report; /* of all runs */
	Results *results;
	Disrupted *disrupted;
	Changes *changes;
	GPtrArray *runs; /* Item, in order of creation; borrowed from the engine */
	Past *past;
	bool writable;
	bool looking; /* documents are to be looked at again in the next turn */
};

Fleet *fleet_of(const Item *it);
Target *fleet_target(Fleet *f, const char *cluster);
/* Makes or renews the targets of a run's snapshot. */
void fleet_know_clusters(Fleet *f, const json_t *snapshot);

/* Runs, newest last; borrowed from the engine. */
size_t fleet_n_runs(const Fleet *f);
Item *fleet_nth_run(const Fleet *f, size_t i);
Item *fleet_find_run(const Fleet *f, int64_t id); /* by the number behind # */
Item *fleet_newest_of(
	const Fleet *f, const char *cluster); /* the cluster item of the newest run that has it */
int64_t run_id(const Item *run);
bool run_is_live(const Item *run);
const char *run_outcome(const Item *run);
/* The cluster that a person names to answer for the run: the next one, or one rolled back; "". */
const char *run_pending_name(const Item *run);
const char *run_rolled_back_name(const Item *run);
const char *run_repository(const Item *run);

Target *fleet_know_cluster(Fleet *f, const json_t *entry);
void fleet_wake_runs(Fleet *f); /* the live ones decide anew */

/* idle.c */
Idle *idle_new(Fleet *f, int interval_sec); /* 0: nobody is looked at */
void idle_free(Idle *idle);
void idle_inventory(Idle *idle); /* the documents changed */
json_t *idle_json(const Idle *idle);
/* Adds the claims of others that were seen on clusters outside a run. */
void idle_foreign_claims(const Idle *idle, json_t *list);
/* Whether another journal of this fleet claims any cluster of the inventory, or of a live run, but
 * this one: ret_text (unless FREE) says where and what to do, caller frees. UNREAD: it is being
 * looked at, and the runs are woken. */
typedef enum { IDLE_FREE, IDLE_UNREAD, IDLE_HELD } IdleHolder;
IdleHolder idle_holder(Idle *idle, const char *starting, char **ret_text);

/* holders.c: arrays of
 * {"cluster","by","fleet","holder","run","epoch","state","sinceSeconds","text"}, by is us, lost or
 * other; and of {"who","for","text","sinceSeconds"}. */
json_t *fleet_claims(Fleet *f);
json_t *fleet_waits(Fleet *f);

#define STOPPED_BY "stopped by " /* another run; so begins the reason of such a hold */
/* run.c: ended with Succeeded, SucceededWithSkips or Skipped. */
bool cluster_is_good(const Item *c);
bool cluster_went_back(const Item *c); /* or is on its way back */
/* Its rollbacks, or a gate that says halt, let nothing of the fleet start: also after its end,
 * until a person answers. text: of SCHEDULE_TEXT_MAX, why; set where true. */
bool run_stops_fleet(const Item *run, char *text);
/* The decision that the run would take now, from its items. */
SchedDecision run_decide(Item *run, const Batch *b);
/* The approval that the run waits for; false: none. */
bool run_question(Item *run, Question *ret);
json_t *run_glass(const Item *run); /* that was broken on it and on its clusters; new reference */
int run_exit_code(const Item *run, bool strict);

/* stop.c: another run that lets nothing of this one start, a live one first; NULL: none. */
Item *run_stopped_by(const Item *run);
/* A person answers what these runs stopped: how their clusters ended stops nothing more, and what
 * waited for that is decided anew. */
void run_forgive(Item *run, Batch *b, const char *who);
size_t fleet_forgive(Fleet *f, Batch *b, const char *who); /* all that stop it; how many */
/* Of the first that stops the fleet, caller frees: "up#1 stops the fleet: ..."; NULL: none. */
char *fleet_stop_text(const Fleet *f);
/* After a rollback in the run, or the plan's in Git: names of its clusters that finished in the
 * same wave (in any, where the plan says scope: all) and can be taken back, each by its own order.
 * New reference; empty: none. */
json_t *run_offers(const Item *run);
char *offered_names(const json_t *offers); /* "a, b and 7 more"; caller frees */

/* newer.c: {"commit","documents": ["WindowPolicy/w"...]} that differ by now from what the live run
 * was made of; null: none, and no run takes them before it has ended. Borrowed. */
const json_t *fleet_newer(const Fleet *f, const Item *run);

/* documents.c */
/* The run's plan as the repository has it now where its identity is the same, else as it was. New
 * reference. */
json_t *fleet_snapshot_again(Fleet *f, const Item *run);
/* Of the newest plan in force that takes the cluster; NULL: none does. New reference. */
json_t *fleet_snapshot_with(Fleet *f, const char *cluster);
void fleet_look_at_documents(Fleet *f);
/* Puts a run into the batch; takes snapshot. */
/* Returns its id. */
int64_t fleet_add_run(Fleet *f, Batch *b, json_t *snapshot, const char *who);

/* event.c */
void fleet_tell(Fleet *f, const Record *r, const json_t *body, bool replay);
char *record_text(const Record *r, const json_t *body);

/* A record was made and waits for its durability: the context of one reply. */
typedef struct Request {
	Fleet *f;
	FleetReply *reply;
	void *ud;
	FleetCommand c; /* strings owned */
	json_t *snapshot;
	char *says;
	int64_t run;
	GError *err;
} Request;
Request *request_new(Fleet *f, FleetReply *reply, void *ud);
void request_answer(Request *r, const GError *err); /* calls reply and frees it */
void request_free(Request *r);
