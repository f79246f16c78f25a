/* What the operations of git.h share. */
#pragma once
#include "git/git.h"
#include <git2.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(git_repository, git_repository_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(git_remote, git_remote_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(git_commit, git_commit_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(git_tree, git_tree_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(git_tree_entry, git_tree_entry_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(git_reference, git_reference_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(git_blob, git_blob_free)

/* Sets err to "WHAT: libgit2's last words"; false. */
bool git_fail(GError **err, SlErr code, const char *what);
/* A member that must be there as a string; NULL with INVALID. */
const char *git_need(const json_t *request, const char *key, GError **err);
/* The text behind {"file": PATH} or {"text": TEXT}; NULL without err when ref is NULL or null.
 * Caller frees. */
char *git_ref_text(const json_t *ref, const char *what, GError **err);

enum { GIT_MAX_REF_BYTES = 1 << 20 };

/* Where a URL leads. */
typedef enum { GIT_URL_LOCAL, GIT_URL_GIT, GIT_URL_HTTP, GIT_URL_SSH } GitUrlKind;
typedef struct GitUrl {
	GitUrlKind kind;
	bool tls;
	char *url; /* what libgit2 gets; for LOCAL a path */
	char *user, *host; /* NULL where there is none */
	int port; /* with the scheme's default */
} GitUrl;
/* INVALID for other schemes, relative paths, and a password in the text. */
bool git_url_parse(const char *text, GitUrl *ret, GError **err);
void git_url_clear(GitUrl *u);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(GitUrl, git_url_clear)

json_t *git_op_fetch(const json_t *request, GError **err);
json_t *git_op_tree(const json_t *request, GError **err);
json_t *git_op_show(const json_t *request, GError **err);
