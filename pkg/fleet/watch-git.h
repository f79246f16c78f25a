/* Watches the repositories of a ControllerConfig: fetch into a bare mirror, read the tree of the
 * new commit, read its YAML, check the documents, hand them over. All of it runs in the worker.
 *
 * Whatever goes wrong, the last good revision stays in force and the sink is told why: a server
 * that cannot be reached, a branch that is gone, a document that is wrong, and a branch that was
 * rewritten (force-pushed). A rewritten branch is followed again when it returns to the commit in
 * force, or when a person says so by watch_git_reload(). The commit in force is remembered beside
 * the mirror, so that a restart starts from it even where the head is broken by then.
 *
 * Runs on any Loop and Job; disk is touched only for the small file NAME.json beside each mirror.
 */
#pragma once
#include "base/log.h"
#include "job/job.h"
#include "loop/loop.h"
#include "plan/docset.h"

enum {
	WATCH_GIT_FETCH_MSEC = 300000,
	WATCH_GIT_TREE_MSEC = 60000,
	WATCH_GIT_YAML_MSEC = 60000,
	WATCH_GIT_WRITE_MSEC = 300000,
	WATCH_GIT_JITTER_PERCENT = 10, /* of the interval, either way */
	WATCH_GIT_MIN_INTERVAL_SEC = 1,
	WATCH_GIT_MAX_FINDINGS = 3, /* told in one line */
};

typedef struct WatchGitSink {
	/* The documents of a commit, checked and without errors. Takes set. */
	void (*documents)(void *ud, const char *repository, const char *commit, DocSet *set);
	/* commit: the one in force, "" before the first; looked_usec: wall time of the last look
	 * that reached the server; error NULL: all is well. */
	void (*state)(void *ud, const char *repository, const char *url, const char *commit,
		int64_t looked_usec, const char *error);
	void *ud;
} WatchGitSink;

typedef struct WatchGitOptions {
	Loop loop;
	Job job;
	Log log;
	const char *folder; /* of the mirrors, made when missing; copied */
	WatchGitSink sink;
} WatchGitOptions;

typedef struct WatchGit WatchGit;
WatchGit *watch_git_new(const WatchGitOptions *o);
void watch_git_free(WatchGit *w); /* jobs under way are killed; NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WatchGit, watch_git_free)

/* repositories: the list of a checked ControllerConfig with its defaults. Those that stay as they
 * are go on; new and changed ones are looked at at once; what is not named any more is dropped. */
void watch_git_set(WatchGit *w, const json_t *repositories);
/* Looks at a repository now (a webhook, an impatient person). False: there is none of that name. */
bool watch_git_poke(WatchGit *w, const char *name);
/* Looks at all now, and takes rewritten branches as they are. */
void watch_git_reload(WatchGit *w);
/* Starts the worker's op write on the repository, with its address and credential; request: the
 * other members (git/git.h). It uses the mirror of the watch, whose refs stay apart. Returns the id
 * of the job, 0 with err: NOT_FOUND there is none of that name, or its credential. */
uint64_t watch_git_write(WatchGit *w, const char *name, const json_t *request, JobDone *done,
	void *ud, GError **err);
/* Nothing is under way and every repository was looked at since it was named: for tests and for
 * readiness. */
bool watch_git_settled(const WatchGit *w);
