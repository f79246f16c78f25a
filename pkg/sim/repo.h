/* A Git repository as the controller's worker shows it, without Git and YAML: commits are values by
 * place ("ClusterVersion/version [\"spec\",\"channel\"]"). It lives in the world; jobs live in the
 * process that started them and die with it. For tests of the actuator git. */
#pragma once
#include "codec/json.h"
#include "job/job.h"
#include "loop/loop.h"

typedef enum {
	SIM_REPO_FINE,
	SIM_REPO_KILLED_BEFORE, /* the worker dies before it pushed */
	SIM_REPO_KILLED_AFTER, /* ... and after */
	SIM_REPO_LANDS_LATE, /* ... while the server still works on its push */
	SIM_REPO_UNREACHABLE,
	SIM_REPO_REJECTED,
	SIM_REPO_CRASH_BEFORE, /* the controller dies with it */
	SIM_REPO_CRASH_AFTER,
	SIM_REPO_FAULTS
} SimRepoFault;

typedef struct SimRepo {
	Loop world, process; /* process: set anew after each start of the controller */
	json_t *commits; /* [{"id", "key", "message", "trailers", "files": {PATH: {PLACE: VALUE}}}]
			  */
	json_t *branches; /* NAME -> commit of ours that waits for its merge */
	unsigned n_edits; /* jobs that wanted to write */
	unsigned n_branch_commits; /* that were made on a branch of their own */
	unsigned fault_at; /* the n-th of them, from 1; 0: never */
	SimRepoFault fault;
	bool crash_wanted; /* by a fault: the test does it outside the loop */
	const char *rejects; /* the server's words for every push; NULL: it takes them */
} SimRepo;

/* files: of the first commit; taken. */
SimRepo *sim_repo_new(Loop world, json_t *files);
void sim_repo_free(SimRepo *r);
Job sim_repo_job(SimRepo *r);

/* Borrowed, until the next commit. */
const json_t *sim_repo_tip(const SimRepo *r);
const json_t *sim_repo_find(const SimRepo *r, const char *id); /* NULL: no such commit */
/* Somebody else commits one value (taken), or merges the only branch that waits. */
void sim_repo_person(SimRepo *r, const char *file, const char *place, json_t *value);
void sim_repo_merge(SimRepo *r);
/* Commits of ours, by the last parts of their keys: "version-4.21.10 release-worker". Caller frees.
 */
char *sim_repo_story(const SimRepo *r);
