/* A Job as a step: an item below the cluster creates it once, waits for its end, keeps exit code
 * and the end of its log as evidence, and deletes it. Its name says what for; data: {"object": the
 * Job, "timeoutSec"}. The verdict is in its memo "result": {"verdict": PASS|FAIL|ERROR, "exitCode",
 * "text", "log", "logDigest", "pod", "node", "job"}. */
#pragma once
#include "steps/cluster.h"

extern const ItemKind job_kind;
extern const ActRow *const job_rows[]; /* NULL-terminated: for replay */

/* {"file","timeout"} of the policy, for this purpose ("backup-4.21.10-1"). Begins it once. class:
 * of accelerators that it asks for (policy/accelerator.h); NULL: none. */
void job_begin(
	Item *cluster, Batch *b, const char *purpose, const json_t *job, const json_t *class);
/* NULL: was not begun. */
Item *job_find(const Item *cluster, const char *purpose);
/* Its result, NULL while it is on its way. Borrowed. */
const json_t *job_result(const Item *job);
/* One look of a gate by Job, the n_looks before it are there; false: it is on its way. *ret_text is
 * freed by the caller, *ret_evidence a new reference; both are set in any case. */
bool job_gate_look(Item *cluster, const Gate *g, size_t n_looks, Batch *b, LookVerdict *ret_verdict,
	int *ret_code, char **ret_text, json_t **ret_evidence);
/* The Job is deleted and the item ends, whatever it was about. */
void job_withdraw(Item *job, Batch *b);
/* Templates that are missing or wrong, and rights, as blocking findings; false: not read yet. */
bool job_preflight(Item *cluster, json_t *findings);
