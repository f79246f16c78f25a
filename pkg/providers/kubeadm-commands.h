/* Commands with effects for a node of a kubeadm cluster, for start: texts as kubeadm-sh.h says.
 * version is "1.36.3", with or without "v". Whoever calls frees. */
#pragma once
#include "codec/json.h"

/* The backup set of a node, before it is touched: /etc/kubernetes without tmp, the kubelet's
 * config.yaml, instance-config.yaml and kubeadm-flags.env, repository lines, versions of programs
 * and packages; on a control-plane node also the addons' objects and an etcd snapshot whose status
 * was read. On a worker what of this there is. Goes into DIR/KEY/set.tar, mode 0600; whole or not
 * at all; the second time it only answers. Needs twice the size of etcd's data in DIR. */
char *node_backup_text(const char *key, const char *dir);
/* {"key", "sha256" and "bytes" of set.tar, "files": n, "at": seconds, "kubelet": "v1.35.4",
 *  "etcd": "stacked", "external" (reached with etcdctl of PATH), "unreached" (external and no
 *  etcdctl: no snapshot) or "none" (a worker), "objects": the addons' objects are in it,
 *  and with a snapshot "revision", "hash" (8 hex digits), "snapshotBytes",
 *  "members": [{"id" (hex), "name", "peerUrls": "a,b", "started", "learner"}]}
 * INVALID: out has no such answer. New reference. */
json_t *node_backup_result(const char *out, GError **err) SL_MUST_USE;
/* A look, to bring set.tar off the node in parts: base64 of max bytes from that byte on. */
char *node_backup_part_text(const char *key, int64_t from, int64_t max);
/* A look: the digest of set.tar, to prove that it has come back. */
char *node_set_text(const char *key);
/* The newest n sets stay on the node, and the one of this key. Says nothing. */
char *node_backup_prune_text(const char *key, int n);
/* The set is no longer on the node, nor what a cut left of it. */
char *node_backup_remove_text(const char *key);

/* First control-plane node. options, all optional: "force": bool, "config": path of an
 * UpgradeConfiguration, "patches": folder on the node, "etcdUpgrade": false,
 * "certificateRenewal": false, "ignorePreflightErrors": [..], "skipPhases": [..],
 * "emulated": "1.35": the new binaries at that feature level, by patches of ours (not with config).
 * Refuses when kubeadm on the node has another version, save with force. */
char *kubeadm_apply_text(const char *version, const json_t *options);
/* Every other node; options as above, and "version": what kubeadm must be. */
char *kubeadm_node_text(const json_t *options);
char *kubelet_restart_text(void); /* daemon-reload, restart, waits until it is active and stays */
/* config.yaml, instance-config.yaml and kubeadm-flags.env of the backup set, by rename. */
char *kubelet_config_restore_text(const char *backup_key);

/* One manifest of the backup set, by rename. */
char *manifest_swap_text(const char *component, const char *backup_key);
/* All of them: scheduler, controller manager, API server; etcd's only where none is there or its
 * image is the same. */
char *manifests_restore_text(const char *backup_key);
/* Sets --emulated-version in the three manifests, or drops it (NULL), and waits after each until
 * its container has been replaced, where crictl or ctr can say so. Down: scheduler, controller
 * manager, API server; NULL (up): the other way round. */
char *emulated_version_text(const char *minor);

/* T3. All API servers are stopped first, each on its node: the manifest goes out of the folder, the
 * container is waited for. start puts it back, unless another manifest came meanwhile. */
char *apiserver_stop_text(void);
char *apiserver_start_text(void);
/* member: {"name", "peerUrl", "initialCluster": "cp0=https://..:2380,cp1=..", "token": the same on
 * all nodes and new}. The snapshot of the set of backup_key becomes the member's data; what was
 * there is kept as shiplock-old-KEY in the data folder. Refuses while this node's API server has
 * not been stopped. Does not wait for a quorum: the others may not have been restored yet. */
char *etcd_restore_text(const char *backup_key, const json_t *member);

/* A look: etcd as its local member sees it. */
char *etcd_look_text(void);
/* {"members": as above and "clientUrls", "endpoints": [{"endpoint", "healthy", "version",
 *  "storageVersion", "dbBytes", "revision", "leader": bool, "raftIndex", "errors"}], "alarms":
 * [..]} INVALID: no such answer. New reference. */
json_t *etcd_looked(const char *out, GError **err) SL_MUST_USE;
