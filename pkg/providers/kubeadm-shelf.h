/* Backup sets off their nodes (kubeadm-shelf.c). */
#pragma once
#include "providers/kubeadm.h"

#define KUBEADM_SET "set " /* and the key: node_set_text */
enum { KUBEADM_SETS_KEPT = 3 };
extern const ActRow act_node_set;
/* Brings the set that the memo names for this machine to the state folder. True: it lies there, or
 * there is none. False: *ret. */
bool kubeadm_shelve(Item *it, int64_t now_usec, Batch *b, const Machine *m, StepResult *ret);
/* {"key", "sha256", "file" in the state folder} of this node's set; NULL: not there. */
const json_t *kubeadm_shelved(const Item *it, const char *node, const char *key);
/* The same for what is to lie on the machine under this key. (kubeadm-restore.c) */
const json_t *kubeadm_set_for(const Item *it, const Machine *m, const char *key);
/* The set lies on the machine, brought back where it was gone. False: *ret. */
bool kubeadm_set_on(
	Item *it, int64_t now_usec, Batch *b, const Machine *m, const char *key, StepResult *ret);
json_t *kubeadm_set_looked(const char *out, GError **err);
