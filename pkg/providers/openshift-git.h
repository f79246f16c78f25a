/* OpenShift's wishes as edits of files: where each stands, the commits, and which way an object
 * goes: what a file holds is written in Git, a pool that no file holds and nobody owns is patched
 * directly. */
#pragma once
#include "providers/openshift.h"

extern const ActRow act_commit_version, act_commit_clear, act_commit_ack, act_commit_pause,
	act_commit_release;

/* The file with the ClusterVersion: the document's, or that of our last commit to it, or the only
 * one that the branch has. ret_file: NULL where it cannot be told; ret_text: how it was found, or
 * why not and what to write, NULL where the document names it; caller frees both. False: a fact is
 * missing. */
bool git_version_file(Item *it, char **ret_file, char **ret_text);
/* Keys of fact_git. deliver: branch adds a branch, numbered by the commits so far. Caller frees. */
char *git_version_key(const Item *it, const char *file);
char *git_clear_key(const Item *it, const char *file);
char *git_ack_key(const Item *it, const char *ack); /* NULL: no acksFile, so it is patched */

typedef enum {
	WAY_UNREAD, /* the tick returns step_read */
	WAY_DIRECT,
	WAY_GIT, /* *ret_key; caller frees */
} Way;
/* Every worker pool stands in poolsFile, so that none is patched. False: a fact is missing. */
bool git_holds_pools(Item *it, bool *ret_all);
Way git_pool_way(Item *it, const char *pool, char **ret_key);

/* The newest commit of ours among these rows (NULL-terminated) at this place (NULL: anywhere);
 * NULL: none. */
const Act *git_newest(const Item *it, const ActRow *const *rows, const char *key);
/* The order of a version, up or back, that we committed last; NULL: none, or it was taken back. */
const Act *git_ordered(const Item *it);
/* The pool of a commit-pause or commit-release; caller frees. */
char *git_pool_of_key(const char *key);
/* ClusterVersion as target_fact shows it, by a read that is younger than our newest order in Git.
 * NULL: unread; return step_read(it). Borrowed until the tick returns. */
const View *git_order_view(Item *it);
/* The commits of this step are proven in the cluster; false: *ret is what the tick returns. */
bool git_order_synced(
	Item *it, int64_t now_usec, Batch *b, const json_t *cv, const char *image, StepResult *ret);
/* The order of this image that was taken back in Git is gone from the cluster too; true where none
 * was, or a person merges. */
bool git_clear_synced(Item *it, int64_t now_usec, Batch *b, const char *image, StepResult *ret);
bool git_pools_synced(Item *it, int64_t now_usec, Batch *b, const json_t *pools, StepResult *ret);
/* The newest commit of ours for this pool lets it go: what the cluster shows may be older. */
bool git_released(const Item *it, const char *pool);
/* A pool whose release we committed, that is still paused and would move: paused again in Git
 * before anybody applies the release. True: *ret is what the tick returns. */
bool git_unrelease(Item *it, Batch *b, const json_t *pools, StepResult *ret);
/* No branch of ours waits for its merge any more, those of this state apart (all: those as well): a
 * person could still merge what the run has given up. False: *ret is what the tick returns. */
bool git_branches_closed(Item *it, int64_t now_usec, bool all, StepResult *ret);
/* Pauses or releases a pool, whichever way it goes. */
StepResult git_write_pool(Item *it, Batch *b, const char *pool, bool paused);
/* Sees to one acknowledgement that goes into a file; have: the cluster has it, by the fact_object
 * of the key object. True: it stands. */
bool git_ack_given(Item *it, int64_t now_usec, Batch *b, const char *key, const char *object,
	bool have, StepResult *ret);
/* Preflight: each object's way, as an "info" finding, and what stands against it. False: a fact is
 * missing. */
bool git_preflight(Item *it, json_t *findings);
/* The same for the hop: can its edit be made? */
bool git_preflight_hop(Item *it, const json_t *hop, json_t *findings);
/* A GitOps controller owns the object: item_set_reason says which, what is its name for people. */
bool gitops_owns(Item *it, const View *v, const char *what);
