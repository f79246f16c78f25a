/* Between kubeadm-jobs.c, which drives commands, and kubeadm-mend.c, which mends a node before one
 * is begun again. */
#pragma once
#include "providers/kubeadm.h"

/* What keys of this item of this journal begin with, and nobody else's; the same after every
 * restart. Caller frees. */
char *kubeadm_own_id(const Item *it);
/* Key of fact_node_job and act_node_command: attempt n, from 1, of this kind. Caller frees. */
char *kubeadm_command_key(const Item *it, const Machine *m, const char *kind, int n);
/* What the node tells of the command; what has ended is not asked again. NULL: step_read. */
const View *kubeadm_command_look(Item *it, const char *key);
/* The backup set that the memo names for this machine; NULL: none. Borrowed. */
const char *kubeadm_key_on(const Item *it, const Machine *m);

/* The text of command "mend": what the memo says that was found. Caller frees. */
char *kubeadm_mend_text(const Item *it, const Machine *m);
/* Begins the command of this key and kind, once nothing is left to mend on the machine. */
StepResult kubeadm_mend_and_begin(
	Item *it, int64_t now, Batch *b, const Machine *m, const char *kind, const char *next);
/* A person is asked, once for what stands under key. True: who resumed lets it be tried again;
 * false: *ret is the hold. */
bool kubeadm_asked(Item *it, Batch *b, const char *key, const char *why, StepResult *ret);

/* kubeadm-who.c: the machine at the address is this node. False: *ret, a hold where it is another.
 */
bool kubeadm_is_itself(Item *it, int64_t now_usec, Batch *b, const Machine *m, StepResult *ret);

/* ---- kubeadm-traces.c ---- */
bool kubeadm_is_down(const char *key);
/* The newest command on any of the nodes was one of a way back. False: not read yet. */
bool kubeadm_went_back(
	Item *it, const json_t *nodes, int64_t since_usec, bool *ret_back, Tier *ret_tier);
/* The key of a command of another controller that still runs there; NULL: none. Borrowed. */
const char *kubeadm_foreign_job(const Item *it, const json_t *look);
/* After a takeover: the cordons of the holder before, who is fenced off, are taken away. A drain of
 * ours cordons again. False: *ret. */
bool kubeadm_marks_lifted(Item *it, int64_t now, Batch *b, StepResult *ret);
/* After a takeover, before anything else: each node has heard of our epoch, so that who held the
 * cluster before begins no command there any more, even where only the nodes hear him. False: *ret.
 */
bool kubeadm_fenced(Item *it, int64_t now, Batch *b, bool workers, StepResult *ret);
