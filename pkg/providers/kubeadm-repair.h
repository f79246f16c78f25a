/* What a crash can leave on a node, found in what it says of itself, and how it is mended. */
#pragma once
#include "codec/json.h"

typedef enum NodeFault {
	NODE_FAULT_MANIFEST_MISSING, /* what: the component; kubeadm died between its two renames */
	NODE_FAULT_MIXED_COMPONENTS, /* what: those not at the wanted version, by commas */
	NODE_FAULT_KUBELET_CONFIG, /* what: the minor that wrote it */
	NODE_FAULT_HALF_INSTALLED, /* what: the package */
	NODE_FAULT_CERTIFICATE_NEWER, /* what: the component that still runs with the old one */
	NODE_FAULT_TMP_FULL, /* what: names in /etc/kubernetes/tmp, by commas */
	NODE_FAULT_PARKED, /* what: the component whose manifest is still out (T3) */
	_NODE_FAULT_MAX,
} NodeFault;

const char *node_fault_name(NodeFault f); /* "manifest-missing", ... */

/* [{"fault": name, "what", "text": for a person, "repair": "text" (node_repair_text mends it, as
 * the step's own command does when it is run again), or "rerun" (only that does)}], in the order in
 * which they are to be mended. discovered: of node_discovered. wanted, all optional:
 * {"controlPlane": bool, "stackedEtcd": bool,
 *  "version": "1.36.3" (of all three components, once one of them is; absent: they are equal),
 *  "mixed": false (several versions are what a way is made of: not judged),
 *  "helpersFirst": bool (mixed only once the API server has the version: the way back),
 *  "kubeletMinor": "1.35" (what the kubelet's config should be of; absent: not judged),
 *  "backupMinor": "1.35" (of the kubelet whose config lies in the backup set),
 *  "tmpOurs": [names] (left there by our own runs: node_tmp_ours), "minFreeBytes" (1 GiB),
 *  "stopped": bool (API server and etcd are meant to be out)}. New reference. */
json_t *node_faults(const json_t *discovered, const json_t *wanted);

/* what: of the fault; backup_key may be NULL where none is there; ours: names that may be pruned.
 * For half-installed it does what needs no repository, and fails where that is not enough. NULL:
 * there is no such fault. Caller frees. */
char *node_repair_text(
	const char *fault, const char *what, const char *backup_key, const json_t *ours);
