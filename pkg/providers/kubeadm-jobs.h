/* Between kubeadm-jobs.c, which drives commands, and kubeadm-mend.c, which mends a node before one
 * is begun again. */
#pragma once
#include "providers/kubeadm.h"

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
bool kubeadm_is_itself(Item *it, int64_t now_usec, const Machine *m, StepResult *ret);
