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

/* [{"fault": name, "what", "text": for a person, "repair": "text" (node_repair_text mends it) or
 *  "rerun" (the step's own command, run again, mends it)}], those to mend first come first.
 * discovered: of node_discovered. wanted, all optional: {"controlPlane": bool, "stackedEtcd": bool,
 *  "version": "1.36.3" (all three components; absent: they need only be equal),
 *  "kubeletMinor": "1.35" (what the kubelet's config should be of; absent: not judged),
 *  "tmpOurs": [names] (left there by our own runs: node_tmp_ours), "minFreeBytes" (1 GiB),
 *  "stopped": bool (the API server is meant to be out)}. New reference. */
json_t *node_faults(const json_t *discovered, const json_t *wanted);

/* what: of the fault; ours: names that may be pruned. NULL: the fault's repair is "rerun", or there
 * is no such fault. Caller frees. */
char *node_repair_text(
	const char *fault, const char *what, const char *backup_key, const json_t *ours);
