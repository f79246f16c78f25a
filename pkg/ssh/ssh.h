/* Nodes over SSH: commands that only look, commands with effects that outlive the connection, and
 * files. Linked into shiplock-worker only. One request is one session with one command.
 *
 * Every request: {"op", "host", "port" (22), "user", "key": {"file": PATH} or {"text": TEXT} or
 *  {"agent": SOCKET, or true for $SSH_AUTH_SOCK}, "knownHosts": {"file"} or {"text"},
 *  "become": "sudo" (default; without a password) or "none",
 *  "sessionMsec" (60000), "commandMsec" (30000), "keepaliveMsec" (5000): three such silences in a
 *  row end the connection}
 * Keys are ed25519 or ECDSA, of the user and of the host; host certificates are not known.
 *
 * {"op": "run", "command", "maxBytes" (1 MiB)}: a command without effects, by /bin/sh
 *   -> {"ok": it exited with 0, "exitCode" (null: a signal ended it), "signal" ("KILL" or null),
 *       "out", "err"}
 *
 * The following go through a guard on the node (guard.h) that keeps its records in "state"
 * (/var/lib/shiplock) and refuses an "epoch" (above 0) lower than the highest it has seen.
 * {"op": "start", "state", "epoch", "job": KEY, "command", "limitSec" (0: none), "unkillable":
 * bool, "keepBytes" (1 MiB) of its output, "run": what keys of its run begin with (optional: then
 * folders of ended jobs of other runs are removed but for the newest 50), and what look takes}
 * Starts the command apart from the connection, unless the key has been started before: then the
 * answer is that of look. The same request twice, at once or later, runs it once. Past limitSec the
 * command is killed; an unkillable one never is. A command that was accepted and not begun when a
 * higher epoch comes along never begins.
 * {"op": "look", "state", "job", "epoch" (optional: then it only looks and fences nothing),
 *  "from" (0), "maxBytes" (64 KiB): which part of the output; "last": true: its newest bytes}
 *   -> {"state": "absent" (has not begun and may be started), "running", "done", or "lost" (begun
 *       and ended without a result: what it did is not known), "rebooted": the node, since,
 *       "seconds" since the begin or from begin to end (null after a reboot), "overdue": runs
 *       longer than limitSec, done only: "ok", "exitCode" (128 + n: signal n), "late": killed at
 *       limitSec, "out", "outBytes": there are, "outDropped": beyond keepBytes,
 *       "said": by the node's programs, why it did not begin}
 * {"op": "put", "state", "epoch", "path", "mode" ("0644"), "text" or "base64" or "file": PATH here,
 *  "sha256" (needed for file, hex)} -> {"sha256"}: by rename, whole or not at all; below state its
 *  folder is made
 * {"op": "get", "path", "maxBytes" (1 MiB)} -> {"missing": true}, or {"text" or "base64", "sha256",
 *  "mode"}
 * {"op": "fetch", "path", "to": PATH here, "sha256": what it must be, "partBytes" (4 MiB)}
 *   -> {"have": bytes that are here, "done"}: adds the next part to TO.part; the last one is
 *   followed by the digest and the rename. One that is here already is done. TO is FOLDER/KEY/FILE
 *   where "keep" (0: all) of FOLDER's newest stay, and those of "keepKeys": array.
 *
 * Errors: INVALID the request or the key; REFUSED host key, algorithms (both lists are named),
 * login, sudo, a lower epoch, too much output; CONFLICT the key stands for another command; RETRY
 * not reached, cut or late, and nothing has happened; UNKNOWN_OUTCOME of start and put: cut after
 * the command was handed over, the same request settles it. */
#pragma once
#include "base/error.h"
#include <jansson.h>

enum {
	SSH_MAX_COMMAND_BYTES = 1 << 20, /* of start; of run: SSH_MAX_RUN_BYTES */
	SSH_MAX_RUN_BYTES = 16 << 10,
	SSH_MAX_ANSWER_BYTES = 16 << 20, /* maxBytes goes no higher */
	SSH_MAX_JOB_KEY = 120,
};

#define SSH_MAX_PUT_BYTES (INT64_C(16) << 30) /* above any data of etcd */

json_t *ssh_verb(const json_t *request, GError **err) SL_MUST_USE;
