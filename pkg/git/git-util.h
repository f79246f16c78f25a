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
G_DEFINE_AUTOPTR_CLEANUP_FUNC(git_config, git_config_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(git_revwalk, git_revwalk_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(git_signature, git_signature_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_t, json_decref)

/* Sets err to "WHAT: libgit2's last words"; false. */
bool git_fail(GError **err, SlErr code, const char *what);
/* A member that must be there as a string; NULL with INVALID. */
const char *git_need(const json_t *request, const char *key, GError **err);
/* INVALID when it cannot be the name of a branch. */
bool git_branch_ok(const char *branch, GError **err);
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

/* A path inside of a tree: relative, no empty part, no "." and "..", nothing of Git's own. */
bool git_path_ok(const char *path);
char *git_oid_hex(const git_oid *id); /* caller frees */
/* The bytes of a file that is not larger than max; NULL with NOT_FOUND, INVALID no regular file or
 * too large, CONFLICT. The blob owns them. */
git_blob *git_file_at(git_repository *repo, const git_tree *root, const char *path, size_t max,
	git_filemode_t *ret_mode, GError **err);

json_t *git_op_fetch(const json_t *request, GError **err);
json_t *git_op_tree(const json_t *request, GError **err);
json_t *git_op_show(const json_t *request, GError **err);
json_t *git_op_edit(const json_t *request, const GitEditor *editor, GError **err);
json_t *git_op_read(const json_t *request, const GitEditor *editor, GError **err);
json_t *git_op_find(const json_t *request, const GitEditor *editor, GError **err);
json_t *git_op_write(const json_t *request, GError **err);
