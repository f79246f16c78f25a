/* T3: the data of etcd's snapshot back (kubeadm-restore.c), and what is lost by it
 * (kubeadm-inventory.c). */
#pragma once
#include "providers/kubeadm.h"

#define KUBEADM_MADE "made " /* and seconds: kubeadm_made_text */

/* Claims again what a snapshot knows with an older claim. */
extern const ActRow act_kubeadm_reclaim;
extern const StepOps step_restore;
void kubeadm_restorable(Item *it, RollbackOffer *ret);
bool kubeadm_must_end(Item *it); /* for Provider.must_end */
/* Since the API servers were stopped for it until our claim stands again. */
bool kubeadm_restoring(const Item *it);
/* For ActRow.blind: nobody else can claim either, since nothing answers: the only API server, or
 * all of them stopped by us. */
bool kubeadm_goes_blind(Item *it);
/* Text of the command on this machine; the memo "restore" says from what. Caller frees. */
char *kubeadm_restore_text(const Item *it, const Machine *m);
/* Afterwards: a set of another node does not stay. Caller frees. */
char *kubeadm_restore_clean_text(const Item *it, const Machine *m);
/* What the set with the snapshot is called on this machine. Caller frees. */
char *kubeadm_restore_key(const Item *it, const Machine *m);

/* Every kubelet that moved is back, without the API too. False: *ret. */
bool kubeadm_restore_kubelets(Item *it, int64_t now_usec, Batch *b, StepResult *ret);

/* A look: the objects of any kind that came into being since then (seconds). Caller frees. */
char *kubeadm_made_text(const char *since);
/* {"objects": [{"resource", "namespace", "name", "uid"}], "cut": there are more}. New reference. */
json_t *kubeadm_made_looked(const char *out, GError **err);
/* Before the stop: what was made after the snapshot, into the memo "made". False: *ret. */
bool kubeadm_inventory(Item *it, int64_t now_usec, Batch *b, StepResult *ret);
/* Afterwards: what of it is gone, into the memo "lost" {"objects", "cut", "note"}. False: *ret. */
bool kubeadm_losses(Item *it, int64_t now_usec, Batch *b, StepResult *ret);
