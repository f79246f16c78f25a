/* Repositories, read only: fetch one branch into a bare mirror, read files at a commit. Linked into
 * shiplock-worker only: libgit2 1.5 has no network timeouts, so the process is killed at its
 * deadline. No configuration file and no hook counts, nothing is
 * executed; known_hosts of user and machine count only where the request names none.
 *
 * {"op": "fetch", "mirror": DIR, "url": URL, "branch": NAME (default: the server's HEAD),
 *  "credential": {"username", "secret": REF} or {"agent": true}, "knownHosts": REF, "ca": REF}
 *   REF: {"file": PATH} or {"text": TEXT}. URL: an absolute path, file, git, http, https, ssh, or
 *   user@host:path. secret: a private key (PEM or OpenSSH) for ssh; else a token, or user:password.
 *   -> {"branch", "commit", "previous" (null at first), "forced": the branch left its own past,
 *       "time": of the commit, seconds, "author", "summary"}
 * {"op": "tree", "mirror", "commit", "paths": [folder or file...], "except": [folder...],
 *  "suffixes": [".yaml"...] (default: all), "maxFileBytes", "maxTreeBytes" (only to lower them)}
 *   -> {"files": [{"name", "text" or "base64"}] sorted by name, "missing": [path...],
 *       "skipped": [{"name", "why"}]: links and submodules, which are not followed}
 * {"op": "show", "mirror", "commit", "path"} -> {"name", "text" or "base64"}
 *
 * Errors of fetch: RETRY the server cannot be reached (the mirror stands as it was), NOT_FOUND the
 * branch is not there, REFUSED wrong host key, certificate or credential, or no such repository.
 * Others: INVALID the request or a file beyond a bound, NOT_FOUND commit or path, CONFLICT the
 * mirror is damaged. */
#pragma once
#include "base/error.h"
#include <jansson.h>

enum {
	GIT_MAX_FILE_BYTES = 16 << 20,
	GIT_MAX_TREE_BYTES = 64 << 20,
	GIT_MAX_TREE_FILES = 50000,
	GIT_MAX_DEPTH = 32, /* folders within folders */
	GIT_MAX_FETCH_BYTES = 1 << 30, /* received in one fetch */
};

json_t *git_verb(const json_t *request, GError **err) SL_MUST_USE;
