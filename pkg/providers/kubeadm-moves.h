/* What the parts of a kubelet's move share (kubeadm-kubelets.c puts them in order). A move is named
 * by its purpose, "up 1.36.3" or "down 1.35.4", and its machine. */
#pragma once
#include "providers/kubeadm.h"

/* kubeadm-leaders.c: somebody must replace what a drain takes away: both leaders were seen to renew
 * their Lease, within seconds of the answer. False: *ret. */
bool kubeadm_leaders_live(Item *it, int64_t now_usec, Batch *b, const Machine *m,
	const char *purpose, StepResult *ret);

/* Notes them for a machine whose turn comes next, while nothing of ours disturbs them: its own turn
 * then need not wait for the next renewal. */
void kubeadm_leaders_note(
	Item *it, int64_t now_usec, Batch *b, const Machine *m, const char *purpose);

/* kubeadm-before.c: how the node stood before its drain, memo "before" {"for", "node", "boot",
 * "unready": [owners]}, so that an old fault is not blamed on the move. */
bool kubeadm_note_before(Item *it, int64_t now_usec, Batch *b, const Machine *m,
	const char *purpose, StepResult *ret);
/* {"for", ...} of this move; NULL: it was not noted. Borrowed. */
const json_t *kubeadm_before(const Item *it, const Machine *m, const char *purpose);
/* A pod of kube-system on the node that is not Ready now and was before, in words; NULL: none.
 * before may be NULL: then each counts. Caller frees. */
char *kubeadm_newly_unready(const json_t *pods, const char *node, const json_t *before);
