/* One ref of the server moves from the commit that it was seen at to a new one, or does not move.
 */
#pragma once
#include "git/remote.h"

typedef enum {
	PUSH_FAILED, /* err is set: RETRY or REFUSED nothing happened, UNKNOWN_OUTCOME */
	PUSH_DONE,
	PUSH_MOVED, /* the ref stands elsewhere, or somebody else is at it: fetch and decide again
		     */
	PUSH_REJECTED, /* the server said no; *ret_words: its own words, caller frees */
} PushResult;

/* from NULL: the ref must not be there yet. full: refs/heads/..., refs/notes/... Never forced. */
PushResult push_commit(Remote *r, const char *full, const git_oid *from, const git_oid *to,
	char **ret_words, GError **err);
