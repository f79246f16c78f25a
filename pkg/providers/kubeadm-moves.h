/* What the parts of a kubelet's move share (kubeadm-kubelets.c puts them in order). A move is named
 * by its purpose, "up 1.36.3" or "down 1.35.4", and its machine. */
#pragma once
#include "policy/pod.h"
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

/* kubeadm-trial.c: a pod of ours that is scheduled to the node and run to its end. POD_TRIAL_LABEL
 * keeps our own drain off it. */
typedef struct TrialFacts {
	const json_t *nodes, *pods; /* fresh lists; pods of kube-system */
} TrialFacts;
extern const ActRow act_kubeadm_trial, act_kubeadm_untrial;
/* True: it ran and is gone, or no image is known there. False: *ret. */
bool kubeadm_tried(Item *it, int64_t now_usec, Batch *b, const Machine *m, const char *purpose,
	const TrialFacts *f, StepResult *ret);
/* None stands, of a move that was given up. False: *ret. */
bool kubeadm_trial_over(Item *it, Batch *b, StepResult *ret);
bool kubeadm_is_trial(const json_t *pod);
/* Of the same fleet, left by a journal that was lost: they are removed. False: *ret. */
bool kubeadm_trials_swept(Item *it, Batch *b, StepResult *ret);

/* kubeadm-away.c. A hold with this cause names in memo "awayNode" whom a person may leave out. */
#define KUBEADM_AWAY "node-away"
/* Somebody deleted the node: there is nothing to move on it, and nothing to wait for. */
bool kubeadm_is_gone(Item *it, const Machine *m);
/* No command of ours runs on the machine, or it was left out knowingly. False: *ret. */
bool kubeadm_at_rest(Item *it, int64_t now_usec, Batch *b, const Machine *m, StepResult *ret);
/* What a tick returns while this command cannot be looked at; the same for the machine itself. */
StepResult kubeadm_unread_command(
	Item *it, int64_t now_usec, Batch *b, const Machine *m, const Act *a);
StepResult kubeadm_unread(Item *it, int64_t now_usec, Batch *b, const Machine *m);
bool kubeadm_is_left_out(const Item *it, const char *node);
/* A node that was left out is taken after all: a drain of its own. */
void kubeadm_take_up_again(Item *it, Batch *b, const char *node);
int kubeadm_times_taken_up(const Item *it, const char *node);

/* kubeadm-kubelets.c: memo "backupKeys" has the machine on the way back: the key of its set, or
 * null where it has none. False: *ret. */
bool kubeadm_key_known(Item *it, int64_t now_usec, Batch *b, const Machine *m, StepResult *ret);
/* *ret_version is that of a newer kubelet on the machine's disk, which the
 * caller frees; NULL: none, or it is away. False: not read yet. */
bool kubeadm_installed_ahead(Item *it, const Machine *m, const char *version, char **ret_version);
