/* What a node of a kubeadm cluster says of itself. A look: it changes nothing. */
#pragma once
#include "codec/json.h"

char *node_discover_text(void); /* for run; caller frees */

/* What came back on stdout. New reference; INVALID: it is not the answer of that text, or cut off.
 * {"hostname", "bootId", "clockUsec" (of the node's wall clock, at the end of the look),
 *  "kubelet": "v1.35.4", "kubeadm", "kubectl" (what the programs on PATH say; null: none),
 *  "kubeletActive": bool,
 *  "kubeadmDone": "v1.36.3" (whose upgrade by a text of ours came to its end last; absent: none),
 *  "kubeletConfigMinor": "1.35" (which minor wrote /var/lib/kubelet/config.yaml, as recorded by our
 *    own texts; null: it is none that they saw),
 *  "manifests": {"kube-apiserver": {"image", "sha256", "emulated": "1.35" or null,
 *      "minCompat": "1.34" or null, "dataDir" (etcd) or null, "mtime",
 *      "startedAt": seconds, when its running container began (null: none runs, or neither crictl
 *      nor ctr is there)}, "kube-controller-manager", "kube-scheduler", "etcd"} (those there are),
 *  "parked": ["kube-apiserver"] (manifests that apiserver_stop_text took out),
 *  "certificates": [{"file", "notAfter": seconds, "mtime": seconds}],
 *  "disk": {"/etc/kubernetes": free bytes, "/var/lib/etcd", "/var/lib/kubelet",
 * "/var/lib/shiplock"}, "dataBytes": of etcd's data folder (0: there is none), "kubeadmTmp":
 * [{"name", "bytes", "mtime"}] (entries of /etc/kubernetes/tmp), "packages": {"method": "apt" or
 * "dnf" or null, "kubelet": {"installed": "1.35.4-1.1", "held", "half": (un)installed half way},
 * "kubeadm", "kubectl", ... (those there are)}, "backups": [{"key", "sha256", "at": seconds}],
 * "jobs": [{"key", "at": seconds, "state": "running", "done" or "lost"}] (the newest 20 commands of
 *  ours that began, whoever gave them)} */
json_t *node_discovered(const char *out, GError **err) SL_MUST_USE;

/* The names in /etc/kubernetes/tmp that came into being between two looks and within these times
 * (seconds of the node's clock): what kubeadm left there in a run of ours. before: "kubeadmTmp" of
 * the look before that run. New reference. */
json_t *node_tmp_ours(const json_t *before, const json_t *now, int64_t from, int64_t to);
