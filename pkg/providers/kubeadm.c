/* Plain Kubernetes by kubeadm, over SSH. */
#include "providers/judge.h"
#include "providers/kubeadm-addons.h"
#include "providers/kubeadm-moves.h"
#include "providers/kubeadm-restore.h"
#include "providers/kubeadm-shelf.h"
#include <string.h>

static const StepOps *const up[] = { &step_survey, &step_mend, &step_control_plane, &step_raise,
	NULL };
/* Who took the cluster over after its control plane was done begins here. */
static const StepOps *const nodes[] = { &step_survey, &step_mend, &step_kubelets, NULL };
static const StepOps *const down[] = { &step_survey, &step_mend_back, &step_kubelets_back,
	&step_addons_back, &step_helpers_back, &step_control_plane_back, &step_mend_end, NULL };
static const StepOps *const level_down[] = { &step_survey, &step_mend_back, &step_kubelets_back,
	&step_level_back, &step_mend_end, NULL };
/* As many as the longest list has: it may be ordered in the middle of another way back, and what is
 * done already is done at once. */
static const StepOps *const data_back[] = { &step_survey, &step_restore, &step_restore,
	&step_restore, &step_restore, &step_restore, &step_restore, &step_restore, NULL };
static const ActRow *const rows[] = { &act_kubeadm_claim, &act_kubeadm_release,
	&act_kubeadm_take_over, &act_node_command, &act_node_set, &act_kubeadm_reclaim,
	&act_kubeadm_trial, &act_kubeadm_untrial, &act_kubeadm_addon, NULL };

static const WakeRow wakes[] = { { 0 } };

#define LEASE_GROUP "coordination.k8s.io"
#define ADMISSION_GROUP "admissionregistration.k8s.io"
const RightRow kubeadm_rights[] = {
	{ RIGHT_READ, "list watch", "", "nodes", "", "", NULL },
	{ RIGHT_READ, "get", "", "nodes", "", "", NULL },
	{ RIGHT_READ, "list watch", "", "pods", "", "", NULL },
	{ RIGHT_READ, "list watch", "policy", "poddisruptionbudgets", "", "", NULL },
	{ RIGHT_READ, "get", "", "configmaps", "kube-system", "shiplock-claim", NULL },
	{ RIGHT_READ, "get", LEASE_GROUP, "leases", "kube-system", "kube-controller-manager",
		NULL },
	{ RIGHT_READ, "get", LEASE_GROUP, "leases", "kube-system", "kube-scheduler", NULL },
	{ RIGHT_READ, "get", "", "configmaps", "kube-system", "kubeadm-config", NULL },
	{ RIGHT_READ, "get", "", "configmaps", "kube-system", "kubelet-config", NULL },
	{ RIGHT_SPARE, "get", "", "namespaces", "", "kube-system", NULL },
	{ RIGHT_READ, "get", "apps", "deployments", "kube-system", "coredns", NULL },
	{ RIGHT_READ, "get", "apps", "daemonsets", "kube-system", "kube-proxy", NULL },
	{ RIGHT_READ, "get", "", "configmaps", "kube-system", "coredns", NULL },
	{ RIGHT_READ, "get", "", "configmaps", "kube-system", "kube-proxy", NULL },
	{ RIGHT_SPARE, "list", "apiregistration.k8s.io", "apiservices", "", "", NULL },
	{ RIGHT_SPARE, "list", "apiextensions.k8s.io", "customresourcedefinitions", "", "", NULL },
	{ RIGHT_SPARE, "list", "discovery.k8s.io", "endpointslices", "", "", NULL },
	{ RIGHT_SPARE, "list", ADMISSION_GROUP, "validatingwebhookconfigurations", "", "", NULL },
	{ RIGHT_SPARE, "list", ADMISSION_GROUP, "mutatingwebhookconfigurations", "", "", NULL },
	/* Counted: kinds that an older version does not serve. */
	{ RIGHT_SPARE, "list", ADMISSION_GROUP, "mutatingadmissionpolicies", "", "", NULL },
	{ RIGHT_SPARE, "list", ADMISSION_GROUP, "mutatingadmissionpolicybindings", "", "", NULL },
	{ RIGHT_SPARE, "get", "", "/metrics", "", "", NULL },
	/* The claim: made once, then patched. */
	{ RIGHT_WRITE, "create", "", "configmaps", "kube-system", "", NULL },
	{ RIGHT_WRITE, "patch", "", "configmaps", "kube-system", "shiplock-claim", NULL },
	{ RIGHT_WRITE, "patch", "", "nodes", "", "", NULL },
	{ RIGHT_WRITE, "create", "", "pods/eviction", "", "", NULL },
	{ RIGHT_WRITE, "delete", "", "pods", "", "", NULL },
	/* The addons, put back as they were saved. */
	{ RIGHT_WRITE, "patch", "apps", "deployments", "kube-system", "coredns", NULL },
	{ RIGHT_WRITE, "patch", "apps", "daemonsets", "kube-system", "kube-proxy", NULL },
	{ RIGHT_WRITE, "patch", "", "configmaps", "kube-system", "coredns", NULL },
	{ RIGHT_WRITE, "patch", "", "configmaps", "kube-system", "kube-proxy", NULL },
	/* A pod of ours that is tried out on a node. */
	{ RIGHT_READ, "get", "", "pods", "kube-system", "", NULL },
	{ RIGHT_WRITE, "create", "", "pods", "kube-system", "", NULL },
	{ 0 },
};

static const char *kubeadm_version_of(const json_t *version)
{
	const char *v = json_path_str(version, "gitVersion", "");
	return *v == 'v' ? v + 1 : v;
}

static const StepOps *const *down_for(Tier tier)
{
	if (tier == TIER_T3)
		return data_back;
	return tier == TIER_T1 ? level_down : down;
}

/* Nothing is ordered here that could be taken up later: commands that ran are over. What a
 * controller that is lost left standing goes. */
static StepResult abandon(Item *it, int64_t now, Batch *b)
{
	StepResult r;
	return kubeadm_trials_swept(it, b, &r) ? step_done(0) : r;
}

/* Nobody else says what version is wished for. */
static bool foreign(Item *it, char **ret_why)
{
	return true;
}

/* etcd that cannot be asked is what is asked for. */
static bool look_may_say_no(const char *what)
{
	return strcmp(what, KUBEADM_ETCD) == 0;
}

static void brakes(const Item *it, json_t *standing)
{
}

static bool invariant(Item *it, const Gate *g, LookVerdict *ret, char **ret_evidence)
{
	return judge_invariant(it, g, "plain Kubernetes", ret, ret_evidence);
}

const Provider provider_kubeadm = {
	.name = "kubeadm",
	.claim_path = KUBEADM_CLAIM,
	.version_path = KUBEADM_VERSION,
	.version_of = kubeadm_version_of,
	.claim = &act_kubeadm_claim,
	.release = &act_kubeadm_release,
	.take_over = &act_kubeadm_take_over,
	.rights = kubeadm_rights,
	.wakes = wakes,
	.drains = true,
	.look_text = kubeadm_look_text,
	.look_parsed = kubeadm_look_parsed,
	.look_may_say_no = look_may_say_no,
	.settle = kubeadm_settle,
	.up = up,
	.nodes = nodes,
	.down = down,
	.down_for = down_for,
	.abandon = abandon,
	.rows = rows,
	.preflight = kubeadm_preflight,
	.inspect = kubeadm_inspect,
	.next_hop = kubeadm_next_hop,
	.path = kubeadm_path,
	.restorable = kubeadm_restorable,
	.must_end = kubeadm_must_end,
	.probe = kubeadm_probe,
	.probe_return = kubeadm_probe_return,
	.bound = kubeadm_bound,
	.baseline = judge_baseline,
	.invariant = invariant,
	.found = kubeadm_found,
	.foreign = foreign,
	.brakes = brakes,
};
