/* A mirror on this host and the repository that it follows: credentials, certificates, the lock. */
#pragma once
#include "base/known-hosts.h"
#include "git/git-util.h"

typedef struct Remote {
	GitUrl url;
	const char *mirror; /* borrowed from the request */
	git_repository *repo;
	int lock; /* held until remote_clear() */
	char *home; /* a HOME of our own, in the mirror */
	char *username, *secret;
	bool agent;
	KnownHosts *known;
	int n_asked; /* how often the server wanted the credential in this connection */
	GError *why; /* set by a callback that refused */
	struct Push *push; /* while one is under way */
} Remote;

/* Reads mirror, url and credentials; makes the mirror when it is missing; waits for its lock. */
bool remote_open(Remote *r, const json_t *request, GError **err);
void remote_clear(Remote *r);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Remote, remote_clear)

void remote_callbacks(Remote *r, git_remote_callbacks *c);
git_remote *remote_connect(Remote *r, git_direction direction, GError **err);
/* Whether the server lists the full name, and at which commit. */
bool remote_lists(Remote *r, git_remote *remote, const char *full, bool *ret_there, git_oid *ret_id,
	GError **err);
/* Fetches by refspecs, "+THERE:HERE"; the connection is closed afterwards. */
bool remote_fetch(
	Remote *r, git_remote *remote, const char *const *specs, size_t n_specs, GError **err);
/* Turns libgit2's last error into ours; false. */
bool remote_fail(Remote *r, int rc, GError **err);
