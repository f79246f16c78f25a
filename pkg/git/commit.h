/* Commits that can be found again: the message ends in trailers, one of which is the key. */
#pragma once
#include "git/git-util.h"

enum {
	GIT_MAX_KEY = 200,
	GIT_MAX_MESSAGE = 16 << 10,
	GIT_MAX_TRAILERS = 32,
	GIT_MAX_WALK = 10000, /* commits that a search looks at */
};

/* Who, when, what for. */
typedef struct CommitText {
	git_signature *author, *committer;
	char *message; /* with trailers */
	const char *key; /* borrowed from the request */
} CommitText;
/* From "author", "committer", "time", "message", "trailers" and "key" of a request. */
bool commit_text_read(CommitText *t, const json_t *request, GError **err);
void commit_text_clear(CommitText *t);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CommitText, commit_text_clear)
/* 1 to GIT_MAX_KEY printable characters without blanks. */
bool commit_key_ok(const char *key, GError **err);

/* The same text, tree and parent make the same id again. parent may be NULL. */
bool commit_make(git_repository *repo, const CommitText *t, const git_oid *tree,
	const git_oid *parent, git_oid *ret_id, GError **err);

/* The commits with this key that tip has and base has not, newest first: [{"commit", "time",
 * "author", "subject"}]. base NULL or unknown here: the last GIT_MAX_WALK commits. NULL on error;
 * REFUSED when there are more since base than are looked at. */
json_t *commit_find(git_repository *repo, const git_oid *tip, const git_oid *base, const char *key,
	GError **err) SL_MUST_USE;

/* The id of "base" in the request; *ret_there false when it is null, left out or not in repo. */
bool commit_read_base(git_repository *repo, const json_t *request, git_oid *ret_base,
	bool *ret_there, GError **err);
