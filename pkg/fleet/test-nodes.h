/* For tests: the nodes of a kubeadm cluster behind the seam of the worker. Each node keeps its
 * programs, its static pods and its commands by key; a command takes a while and then changes what
 * the simulated API server shows of the node. It lives on through crashes of the controller, as
 * real nodes do. */
#pragma once
#include "fleet/test-kubeadm-config.h"
#include "fleet/test-node-trouble.h"

enum { NODES_MAX = 8, NODE_JOBS_MAX = 64, NODE_SETS_MAX = 8, NODE_ANSWER_USEC = 40000 };

typedef struct NodeJob {
	char *key, *kind, *to, *from, *text; /* text: its second line */
	char level[8]; /* the feature level that it sets; "": that of the binaries */
	int64_t begun_usec, end_usec; /* boot time of the world */
	int code;
	bool applied;
} NodeJob;

typedef struct FakeNode {
	char *name, *address;
	bool control_plane;
	char *kubeadm, *kubelet; /* versions, without "v" */
	char *manifests, *helpers; /* the API server; scheduler and controller manager */
	char level[8]; /* --emulated-version in its manifests; "": none */
	NodeJob jobs[NODE_JOBS_MAX];
	size_t n_jobs;
	unsigned n_backups; /* their keys: sets, or those of an earlier run */
	char *sets[NODE_SETS_MAX];
	bool damaged; /* its sets */
	bool away; /* nobody reaches it by SSH */
	/* What the machine calls itself and its boot; NULL: as the Node object has it. */
	const char *host, *boot;
	const char *done; /* whose kubeadm came to its end last, "1.36.3"; NULL: none */
	const char *installed; /* a kubelet that does not run yet; NULL: the one that runs */
	bool etcd_off; /* its member does not answer */
	NodeTrouble t;
	bool inert; /* kubeadm of the way back ends well and changes nothing */
	unsigned n_fetched; /* parts of its backup set that were brought off it */
	bool sets_gone; /* its sets, but for what was put there since */
	char *put; /* the path of that */
	bool stopped, loaded; /* its API server; etcd's data of the snapshot */
} FakeNode;

typedef enum { NODE_FAULT_NONE_YET, NODE_NOT_SENT, NODE_CUT, NODE_CRASH_AFTER } NodeWireFault;

typedef struct FakeNodes {
	Rig *r;
	SimCluster *c;
	Loop world;
	FakeNode nodes[NODES_MAX];
	size_t n;
	const char *from;
	GString *log; /* what ran, in order: "KIND on NODE -> VERSION\n" */
	uint64_t n_requests;
	NodeWireFault (*fault)(uint64_t n, void *ud);
	void (*crash)(void *ud);
	int (*code)(const FakeNode *n, const NodeJob *j, void *ud); /* how a command ends */
	void *ud;
	bool ran; /* what fault or code do once */
	bool leaderless; /* nobody renews the Leases */
	int64_t restart_usec; /* static pods restart then, by a new kubelet: no leader for 15 s */
	json_t *saved; /* the claim in the snapshot */
	bool restored; /* it came back */
	bool no_fetch; /* nothing can be brought off the nodes */
	bool mute; /* looks at nodes end with an error */
	bool dark; /* no API server answers, whatever the nodes do */
	const char *alarm; /* etcd's; NULL: none */
	const char *images; /* what a look at them says; NULL: all are there */
	const char *gone; /* this version's software is not at hand; NULL: all is */
	const char *objects; /* those of the backup sets, as a look tells them; NULL: none */
	const char *broken; /* a rule that was broken */
} FakeNodes;

static inline FakeNode *node_at(FakeNodes *f, const char *address)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->nodes[i].address, address) == 0)
			return &f->nodes[i];
	return NULL;
}

static inline void node_show_kubelet(FakeNodes *f, FakeNode *n)
{
	g_autofree char *v = g_strdup_printf("v%s", n->kubelet);
	sim_cluster_patch(f->c, SIM_NODES, NULL, n->name, SIM_SUB_STATUS, "kubelet",
		json_pack("{s:{s:{s:s}, s:[{s:s, s:s}], s:[{s:[s]}]}}", "status", "nodeInfo",
			"kubeletVersion", v, "addresses", "type", "InternalIP", "address",
			n->address, "images", "names", "registry.sim/pause:3.10"));
}

static inline void node_show_pod(FakeNodes *f, FakeNode *n, const char *component, const char *tag)
{
	g_autofree char *name = g_strdup_printf("%s-%s", component, n->name);
	g_autofree char *image = g_strdup_printf("registry.sim/%s:%s", component, tag);
	g_autofree char *level = g_strdup_printf("--emulated-version=%s", n->level);
	sim_store_put(sim_cluster_store(f->c), sim_kind(SIM_PODS),
		json_pack("{s:{s:s, s:s, s:s, s:{s:s}, s:{s:s}}, s:{s:s, s:[{s:s, s:s, s:[s, "
			  "s*]}]}, s:{s:s, s:[{s:s, s:s}]}}",
			"metadata", "name", name, "namespace", "kube-system", "uid", name, "labels",
			"component", component, "annotations", "kubernetes.io/config.mirror", "x",
			"spec", "nodeName", n->name, "containers", "name", component, "image",
			image, "command", component, *n->level ? level : NULL, "status", "phase",
			"Running", "conditions", "type", "Ready", "status", "True"));
}

static inline void node_show_control_plane(FakeNodes *f, FakeNode *n)
{
	g_autofree char *v = g_strdup_printf("v%s", n->manifests);
	g_autofree char *helpers = g_strdup_printf("v%s", n->helpers);
	node_show_pod(f, n, "kube-apiserver", v);
	node_show_pod(f, n, "kube-controller-manager", helpers);
	node_show_pod(f, n, "kube-scheduler", helpers);
	node_show_pod(f, n, "etcd", "3.6.8-0");
	sim_api_set_version(sim_cluster_api(f->c), v);
	show_kubeadm_config(f->c, v);
}

static inline void node_set(char **at, const char *to)
{
	g_free(*at);
	*at = g_strdup(to);
}
