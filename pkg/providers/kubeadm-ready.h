/* Whether a cluster of plain Kubernetes is ready: what the preflight, the rollback probe and
 * inspect ask of its API server alike. Every function that returns bool without another word: false
 * = a fact is not read yet. Findings as provider.h says. */
#pragma once
#include "providers/kubeadm.h"

#define KUBEADM_SERVED "/apis"
#define KUBEADM_CONFIG "/api/v1/namespaces/kube-system/configmaps/kubeadm-config"

/* ---- kubeadm-facts.c ---- */

/* Key KUBEADM_SERVED: {"served": {"apps/v1": ["deployments", ..]}, "stale": [GROUP/VERSION]}; null
 * instead of the list where this server names versions only. */
extern const FactRow fact_served;
/* Key: path of a collection. {"count": n}, by the metadata of one object; missing where there is no
 * such kind. */
extern const FactRow fact_count;
/* Key "/metrics": {"requested": [{"group","version","resource","removed"}]}: deprecated APIs that
 * this one API server was asked for since it started. */
extern const FactRow fact_requested;
/* Key: path of the collection of CustomResourceDefinitions. {"crds": [{"name", "stored": [VERSION],
 * "storage": VERSION, "served": [VERSION], "service": "NS/NAME" of its conversion webhook}]}. */
extern const FactRow fact_crds;
/* As fact_list; missing where this server does not know the kind: that is an answer, no failure. */
extern const FactRow fact_maybe_list;
#define KUBEADM_CRDS "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

/* ---- kubeadm-inspect.c ---- */

/* A cluster that another installer made, by its version or because what kubeadm leaves is missing.
 */
bool kubeadm_check_maker(Item *it, const char *git_version, bool *ret_other, json_t *findings);

/* ---- kubeadm-apis.c ---- */

/* APIs that the minor version of to does not serve any more and that somebody still asks for, or
 * that still hold objects. */
bool kubeadm_check_apis(Item *it, const char *now, const char *to, json_t *findings);
/* Objects of kinds that the version does not serve: [{"what", "count"}], of those that came with a
 * later minor version up to now. New reference in *ret. */
bool kubeadm_hidden(Item *it, const char *now, const char *back_to, json_t **ret);

/* ---- kubeadm-picture.c ---- */

/* What is served and defined now, for the memo "picture": {"served": {GROUP/VERSION: [RESOURCE]},
 * "crds": {NAME: {"stored", "storage"}}}. New reference in *ret. */
bool kubeadm_picture(Item *it, json_t **ret);
/* Appends what a way back of this hop would leave: "; leaves ...". now: version of the server. */
bool kubeadm_leaves(Item *it, const json_t *hop, const char *now, GString *s);

/* ---- kubeadm-hooks.c ---- */

/* Webhooks, APIServices and conversion webhooks whose service has no ready endpoint. Those that
 * kubeadm, the kubelets and evictions need and that refuse then, block. */
bool kubeadm_check_hooks(Item *it, json_t *findings);

/* ---- kubeadm-config.c ---- */

/* What `kubeadm upgrade` reads in the cluster, and the components that it moves: ConfigMaps, mixed
 * versions, addons. pods: of kube-system. */
bool kubeadm_check_config(Item *it, const json_t *pods, const char *now, json_t *findings);

/* ---- kubeadm-etcd-check.c ---- */

/* etcd as a control-plane node sees it, as etcd_looked gives it (borrowed); NULL: nobody could say,
 * and *ret_why tells why (caller frees). machines: as kubeadm_machines gives them. */
bool kubeadm_etcd_said(Item *it, const json_t *machines, const json_t **ret, char **ret_why);
bool kubeadm_check_etcd(Item *it, const json_t *machines, json_t *findings);
