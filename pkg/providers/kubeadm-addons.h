/* kube-proxy and CoreDNS on both ways. */
#pragma once
#include "providers/kubeadm.h"

#define KUBEADM_OBJECTS "objects " /* and the key of a backup set: a look */
/* A look: the addons' objects out of the backup set of the node. Caller frees. */
char *kubeadm_objects_text(const char *backup_key);
/* {API PATH: the part that is put back}; empty: none were saved. INVALID: no such answer. New
 * reference. */
json_t *kubeadm_objects_parsed(const char *out, GError **err);

extern const ActRow act_kubeadm_addon;
extern const StepOps step_addons_back;
/* Those that are installed are rolled out, by reads sent after since (0: fresh ones). One that was
 * not before the hop is not waited for. False: *ret. */
bool kubeadm_addons_stand(Item *it, int64_t now_usec, int64_t since_usec, StepResult *ret);
/* Notes which were not rolled out before the hop. False: not read yet. */
bool kubeadm_addons_before(Item *it, Batch *b);
