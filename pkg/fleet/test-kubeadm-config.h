/* For tests: what kubeadm keeps in a simulated cluster. */
#pragma once
#include "sim/cluster.h"

static inline void show_kubeadm_map(
	SimCluster *c, const char *name, const char *member, const char *text)
{
	sim_store_put(sim_cluster_store(c), sim_kind(SIM_CONFIGMAPS),
		json_pack("{s:{s:s, s:s}, s:{s:s}}", "metadata", "name", name, "namespace",
			"kube-system", "data", member, text));
}

static inline void show_kubeadm_config(SimCluster *c, const char *version)
{
	g_autofree char *text = g_strdup_printf(
		"apiVersion: kubeadm.k8s.io/v1beta4\nkubernetesVersion: %s\n", version);
	show_kubeadm_map(c, "kubeadm-config", "ClusterConfiguration", text);
	show_kubeadm_map(c, "kubelet-config", "kubelet", "cgroupDriver: systemd\n");
}
