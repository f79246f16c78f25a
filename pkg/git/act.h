/* What the operations that commit share: the branch, a merge request's branch, the key. */
#pragma once
#include "git/commit.h"
#include "git/remote.h"

enum {
	GIT_MAX_ATTEMPTS = 8, /* pushes that others may be faster than */
	GIT_MAX_FILES = 32, /* in one request */
};

/* A ref of the server, as it was at the last act_fetch(). */
typedef struct ActRef {
	char *full, *local; /* refs/heads/main, and where it is kept here */
	bool there;
	git_oid tip;
} ActRef;

typedef struct Act {
	Remote remote;
	const json_t *request;
	const char *key; /* NULL: none was asked for */
	ActRef branch;
	ActRef to; /* full NULL: straight to the branch */
} Act;

/* notes: "notes" may stand instead of "branch". */
bool act_open(Act *a, const json_t *request, bool notes, GError **err);
void act_clear(Act *a);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Act, act_clear)

/* Asks the server where the refs stand and gets their commits. NOT_FOUND when the branch is not
 * there, unless it may be missing. */
bool act_fetch(Act *a, bool may_be_missing, GError **err);
/* Our commits, newest first: those of commit_find() with "on", the branch that has them. */
json_t *act_find(Act *a, GError **err);
/* Tries until there is an answer: try gives NULL without err when the branch moved meanwhile. RETRY
 * after GIT_MAX_ATTEMPTS. */
json_t *act_attempts(const Act *a, json_t *(*try)(void *ud, GError **err), void *ud, GError **err);
const char *act_name(const ActRef *ref); /* without refs/heads/ */
git_tree *act_tree(Act *a, const ActRef *ref, GError **err);
