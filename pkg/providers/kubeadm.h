/* What the files of the kubeadm provider share. Nodes are reached by SSH (target-node.c); the texts
 * that run there are kubeadm-commands.h, -software.h, -node.h and -repair.h.
 *
 * Up: the control plane node by node, soak, then every kubelet, workers first: each drained by our
 * engine, changed, proven, put back. Down: kubelets, then scheduler and controller manager, then
 * the API servers, so that a kubelet is never newer than any API server.
 *
 * The memo of a cluster: "machines" {"to", "list": [{"name","address","controlPlane"}]} of the hop
 * under way, "backups" {NODE: what node_backup_result gives}, "skippedNodes" [names]. */
#pragma once
#include "providers/claim.h"
#include "providers/drains.h"
#include "providers/provider.h"
#include "providers/target-node.h"

/* Ours alone: it carries the claim, and in data.epoch the highest that ever stood in it, so that no
 * later claim falls below what the nodes have seen. It is made by the first claim and stays. */
#define KUBEADM_CLAIM "/api/v1/namespaces/kube-system/configmaps/shiplock-claim"
#define KUBEADM_CLAIMS "/api/v1/namespaces/kube-system/configmaps"
#define KUBEADM_NODES "/api/v1/nodes"
#define KUBEADM_SYSTEM_PODS "/api/v1/namespaces/kube-system/pods"
#define KUBEADM_VERSION "/version"
#define KUBEADM_DISCOVER "discover"
#define KUBEADM_ETCD "etcd" /* etcd_look_text */
#define KUBEADM_TRY "try " /* and the version */

/* ---- kubeadm-claim.c ---- */
extern const ActRow act_kubeadm_claim, act_kubeadm_release, act_kubeadm_take_over;
/* A claim of ours, with an epoch above all that were seen. */
void kubeadm_claim_request(Item *it, const char *key, const View *v, ActRequest *ret);

/* ---- kubeadm-machines.c: what is there ---- */
typedef struct Machine {
	const char *name, *address; /* borrowed */
	bool control_plane;
} Machine;

const json_t *kubeadm_hop(const Item *it); /* NULL: none */
const char *kubeadm_from(const Item *it), *kubeadm_to(const Item *it);
/* Versions, with or without "v". */
bool kubeadm_same(const char *a, const char *b);
bool kubeadm_newer(const char *a, const char *than);
/* The machines of a list of nodes, control plane first, by name; new reference. */
json_t *kubeadm_machines(const json_t *nodes);
/* Of the memo, by number; false: there is no such one. */
bool kubeadm_machine(const Item *it, size_t i, Machine *ret);
bool kubeadm_first(const Item *it, const Machine *m); /* the first of the control plane */
bool kubeadm_last(const Item *it, const Machine *m); /* the last of the control plane */
/* "v1.35.4" as the running kubelet says; "": not in the list. */
const char *kubeadm_kubelet_of(const json_t *nodes, const char *name);
const json_t *kubeadm_node_named(const json_t *nodes, const char *name); /* NULL: none */
bool kubeadm_is_ready(const json_t *nodes, const char *name);
/* The lowest and the highest kubelet; "" where there is no node. */
void kubeadm_kubelets(const json_t *nodes, const char **ret_low, const char **ret_high);
/* "1.36.3" of a manifest's image on the node; "": none there. Borrowed. */
const char *kubeadm_image_version(const json_t *discovered, const char *component);
bool kubeadm_control_plane_at(const json_t *discovered, const char *version);
/* What the node said of itself; NULL: step_read. since: only a look that was sent then or later. */
const json_t *kubeadm_look(Item *it, const Machine *m, int64_t since_usec);
const json_t *kubeadm_look_within(Item *it, const Machine *m, int age_sec);
/* The same, sent after the newest command of ours there was seen ended. (kubeadm-jobs.c) */
const json_t *kubeadm_look_after(Item *it, int64_t now_usec, const Machine *m);
/* NULL: the static pods of the control plane on this node are Ready and run this version; else what
 * is not. only_helpers: scheduler and controller manager alone. Caller frees. */
char *kubeadm_pods_behind(
	const json_t *pods, const char *node, const char *version, bool only_helpers);
/* The list as it was within the last age_sec (fact_within), by a read that was sent since or later.
 * NULL: step_read; a server that is away is asked again soon: commands of ours restart it. */
const View *kubeadm_list_within(
	Item *it, int64_t now_usec, const char *path, int age_sec, int64_t since_usec);
bool kubeadm_server_ready(const json_t *pods, const char *node); /* its API server's pod */
/* NULL: every etcd member that runs as a pod here is Ready; else which is not. Caller frees. */
char *kubeadm_etcd_unready(const json_t *pods);
char *kubeadm_look_text(const Target *t, const char *what);
json_t *kubeadm_look_parsed(const char *what, const char *out, GError **err);

/* ---- kubeadm-quorum.c: etcd, asked through a member ---- */
/* NULL: every member started and healthy, one leader, no alarm; else what is not. but_at: the
 * machine whose member need not be. Caller frees. */
char *kubeadm_etcd_problem(const json_t *etcd_look, const char *but_at);
/* By a look sent since then (0: a fresh one). losing: its member is about to be restarted; on the
 * way back that one may be broken. NULL: none is. False: *ret, a wait with what is wrong. */
bool kubeadm_etcd_stands(
	Item *it, int64_t now_usec, const Machine *losing, int64_t since_usec, StepResult *ret);
/* The same before a member is restarted, by its kubelet too; a hold where it does not. */
bool kubeadm_quorum_stands(Item *it, int64_t now_usec, const Machine *losing, StepResult *ret);

/* ---- kubeadm-jobs.c: commands ---- */
extern const ActRow act_node_command;
/* Drives a command of this kind on the node to its end, again where it failed. True: it ended well,
 * *ret_result (borrowed) is what it was. False: *ret is what the tick returns. A failure becomes a
 * verdict (Target.failing) or a hold. */
bool kubeadm_command(Item *it, int64_t now_usec, Batch *b, const Machine *m, const char *kind,
	const json_t **ret_result, StepResult *ret);
/* When the newest command of this kind there was last seen ended (boot time of that look); 0: not.
 */
int64_t kubeadm_command_seen_usec(Item *it, const Machine *m, const char *kind);
bool kubeadm_command_begun(const Item *it, const Machine *m, const char *kind);
/* How often it failed so far. */
int kubeadm_command_failures(Item *it, const Machine *m, const char *kind);
/* What was proven of a machine once in this hop stays noted: memo "proven" {KIND: [names]}. */
bool kubeadm_is_noted(const Item *it, const Machine *m, const char *kind);
StepResult kubeadm_note(Item *it, int64_t now_usec, Batch *b, const Machine *m, const char *kind);
char *kubeadm_backup_key(const Item *it);
/* The newest backup set of this hop on the node; NULL: none. Caller frees. */
char *kubeadm_backup_of(const json_t *hop, const json_t *discovered);
StepResult kubeadm_settle(Item *it, int64_t now_usec, Batch *b);

/* ---- kubeadm-mend.c: what a crash left on a node ---- */
/* Before the first attempt of this kind: what kubeadm left in /etc/kubernetes/tmp is noted, what is
 * broken is mended. True: it may begin. False: *ret. */
bool kubeadm_mended(
	Item *it, int64_t now, Batch *b, const Machine *m, const char *kind, StepResult *ret);
/* The backup set of an earlier run that mends this fault (kubeadm-repair.h) at the start of one;
 * "", where it needs none. NULL: a person must mend it. Caller frees. */
char *kubeadm_set_to_mend(const json_t *look, const char *fault);
/* What node_faults takes where no hop is under way. New reference. */
json_t *kubeadm_wanted(const Machine *m, const json_t *look);

/* ---- the steps ---- */
/* kubeadm-down.c: what was begun upwards has come to its end, and the way back is stored. False:
 * *ret. */
bool kubeadm_turned(Item *it, int64_t now, Batch *b, StepResult *ret);
extern const StepOps step_mend, step_mend_back, step_mend_end;
extern const StepOps step_survey, step_control_plane, step_kubelets, step_kubelets_back,
	step_helpers_back, step_control_plane_back, step_raise, step_level_back;
/* kubeadm-kubelets.c: brings the kubelet of this machine to the version, drained. True: it is there
 * and put back, or left out. False: *ret. */
bool kubeadm_kubelet_to(Item *it, int64_t now_usec, Batch *b, const Machine *m, const char *version,
	StepResult *ret);

/* ---- what is decided beforehand ---- */
extern const RightRow kubeadm_rights[];
bool kubeadm_preflight(Item *it, json_t *findings);
bool kubeadm_inspect(Item *it, json_t *report);
bool kubeadm_next_hop(Item *it, json_t **ret_hop, char **ret_why);
bool kubeadm_path(Item *it, json_t **ret_versions, char **ret_now);
bool kubeadm_probe(Item *it, const json_t *hop, RollbackOffer *ret);
bool kubeadm_probe_return(Item *it, const json_t *hop, RollbackOffer *ret);
/* kubeadm-probe.c. NULL: the error may pass. Once the cluster is claimed it is waited for: the
 * engine holds where it lasts. */
const GError *kubeadm_lasting(const Item *it, const GError *err);
/* Whether this rung of the ladder is open for the hop (kubeadm-probe.c asks in turn). after: the
 * hop is done, or begun by an earlier run. False: it is not. True: *ret is the offer, or *ret is
 * left empty because a fact is not read yet. */
bool kubeadm_offer_t1(Item *it, const json_t *hop, bool after, RollbackOffer *ret);
bool kubeadm_offer_t3(Item *it, const json_t *hop, bool after, RollbackOffer *ret);
bool kubeadm_bound(Item *it, HopBound *ret);
bool kubeadm_found(Item *it, int64_t since_usec, Found *ret);
