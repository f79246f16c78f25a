/* Nodes over SSH: looks that change nothing, and commands that run there under a key of ours, apart
 * from any connection. */
#pragma once
#include "providers/target.h"

/* A request with this method goes to a node by the worker: body without the members that
 * node_access gives. */
#define NODE_METHOD "NODE"
/* Key "ADDRESS WHAT": what the provider's look_text of WHAT prints there. json: {"ok", "out",
 * "err", "atUsec": wall time of the answer, "parsed": by the provider's look_parsed}. The first
 * row fails where the command ends with another exit code than 0 and may not say no. The second is
 * for what may be some minutes old, and may say no ("ok" false). */
extern const FactRow fact_node_look, fact_node_try;
/* Key "ADDRESS JOB": a command of ours, as look of ssh/ssh.h tells it. For acts with EFFECT_BY_KEY:
 * NODE_METHOD, the same key. */
extern const FactRow fact_node_job;
/* Key "ADDRESS JSON", JSON the canonical text of {"path" there, "file" below the target's folder of
 * backups, "sha256", "keep", "keepKeys"} (ssh/ssh.h, fetch): every read brings one part. json:
 * {"have", "done"}. */
extern const FactRow fact_node_fetch;
/* Where FILE lies; NULL: there is no folder for it. Caller frees. */
char *target_backup_path(const Target *t, const char *file);
char *node_key(const char *address, const char *what);
/* Class of a command whose want is anything: begun is done, what became of it is another question.
 */
Class node_job_classify(const json_t *want, const View *v);
