/* Repositories: fetch one branch into a bare mirror, read files at a commit, write a wish into
 * files and push it. Linked into shiplock-worker only: libgit2 1.5 has no network timeouts, so the
 * process is killed at its deadline. No configuration file of this host counts and no hook, no
 * program is executed but the editor's; known_hosts of user and machine count only where the
 * request names none. One job at a time writes to a mirror, the others wait.
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
 * edit, read, find and write take mirror, url, branch (needed) and credentials as fetch does.
 *   FILES: [{"path", "edits": [EDIT...]}], with the EDIT of yaml/edit.h.
 *   TEXT: "message" (subject, empty line, body; no trailers), "trailers": [[name, value]...],
 *   "author" and "committer" (default author): {"name", "email"}, "time": seconds, "key": becomes
 *   the trailer Shiplock-Key, by which the commit is found again. The same request makes the same
 *   commit id. "base": a commit behind which ours must be (null: the last 10000 are looked at).
 * {"op": "edit", "files": FILES, TEXT, "base", "hash": what the bytes concerned must be (see read;
 *  optional), "to": a new branch for a merge request (default: push to branch), "dryRun": bool}
 *   One commit for one key: a commit with the key on branch or to is answered and not made again. A
 *   lost race is tried again on the new tip while the bytes concerned are the same. Never forced.
 *   -> {"outcome": "done", "tip", "how": "new", "found", "standing" (the files say all this and
 *       nobody committed under this key) or "dryRun", "commit" (standing: the tip; dryRun: null),
 *       "on": its branch, "attempts": pushes, "merged": it has reached branch,
 *       found: "stands": the values still are as wished
 *       others: "files": [{"path", "missing", "edits": [{"at" or "ack", "before", "after", "line",
 *       "column", "old", "new"}]}], "undo": FILES (null: cannot be undone), "hash": of the bytes
 *       before}
 *   -> {"outcome": "raced", "tip", "message", "files": as read, "hash"}: not what was expected
 *   -> {"outcome": "refused", "tip", "message", "file", "line", "column", "code"}: codes of
 *       yaml/edit.h, and missingFile, notRegular
 *   -> {"outcome": "rejected", "tip", "message": the server's words, "commit": not taken}
 * {"op": "read", "files": FILES, "key" and "base" and "to": optional, "at": COMMIT to look at
 * instead of the tip, "contains": COMMIT}
 *   -> {"outcome": "read", "tip", "time", "hash", "files": [{"path", "missing", "edits": PLACES}],
 *       "commits": [{"commit", "on", "time", "author", "subject"}] with the key, newest first,
 *       "toTip": of to, or null, "atMissing": the branch does not have at, and files are those of
 *       the tip, "contains": that commit is at, or an ancestor of it}, or refused
 * {"op": "find", "edit": an EDIT without a value: what is looked for, "word": bytes that every file
 *  with it has, "below": FOLDER that is looked through first, optional}: which files hold it
 *   -> {"outcome": "found", "tip", "files": [path...], "below": where they lie ("": anywhere),
 *       "unclear": [{"file", "message", "code"}]: name it and cannot be read, "looked": files}, or
 *       refused: too many. Only *.yaml and *.yml up to 1 MiB, links are not followed.
 * {"op": "write", "branch" (an orphan when missing) or "notes": NAME (refs/notes/NAME), TEXT,
 * "base", "files": [{"path", "text" or "base64"}]}: whole files, the others of the branch stay
 *   -> {"outcome": "done", "how": new, found or standing, "commit", "on", "attempts"}, or rejected
 *
 * Errors of fetch: RETRY the server cannot be reached (the mirror stands as it was), NOT_FOUND the
 * branch is not there, REFUSED wrong host key, certificate or credential, or no such repository.
 * Of edit, read, find and write also: UNKNOWN_OUTCOME the connection broke during the push (the
 * same request settles it), RETRY others were faster eight times, REFUSED the push is not allowed.
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

/* Who changes a file: request and answer are those of yaml/edit.h. UNKNOWN_OUTCOME when the file
 * ended its process. */
typedef struct GitEditor {
	json_t *(*edit)(const json_t *request, void *ud, GError **err);
	void *ud;
} GitEditor;

/* editor: needed by edit, read and find only. */
json_t *git_verb(const json_t *request, const GitEditor *editor, GError **err) SL_MUST_USE;
