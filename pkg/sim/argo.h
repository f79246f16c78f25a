/* Argo CD with selfHeal, as far as one cluster sees it: it applies what its branch says of
 * ClusterVersion and pool worker, puts back what others change, and reports in its Application
 * "argocd/NAME", which lies on the same cluster. Behaviour as measured on the real one: a push is
 * seen after minutes, or at once when a refresh is asked for by annotation. */
#pragma once
#include "sim/cluster.h"
#include "sim/repo.h"

#define SIM_ARGO_VERSION "ClusterVersion/version [\"spec\",\"desiredUpdate\",\"version\"]"
#define SIM_ARGO_IMAGE "ClusterVersion/version [\"spec\",\"desiredUpdate\",\"image\"]"
#define SIM_ARGO_PAUSED "MachineConfigPool/worker [\"spec\",\"paused\"]"
#define SIM_ARGO_BRAKE                                                                             \
	"MachineConfigPool/worker [\"metadata\",\"annotations\",\"shiplock.dev/brake\"]"

typedef struct SimArgo {
	SimCluster *cluster;
	SimRepo *repo;
	Loop loop;
	char *file, *pools; /* paths in the repository; pools NULL: no file holds them */
	const char
		*acks; /* of the acknowledgements, in places "ack NAME"; NULL: no file has them */
	bool down; /* the controller is stopped */
	bool flux; /* it is Flux */
	const char *fails; /* Flux: why it cannot apply anything; NULL: it can */
	const char *branch; /* Flux: another branch that its source follows; NULL: main */
	unsigned n_reverts; /* how often it put something back: a fight */
	int64_t polled_usec;
	uint64_t timer;
} SimArgo;

/* Makes Application and project, and marks ClusterVersion as its own. repository: URL that the
 * Application names. */
SimArgo *sim_argo_new(SimCluster *c, SimRepo *repo, Loop loop, const char *repository,
	const char *file, const char *pools);
/* Flux instead: its Kustomization is "flux-system/NAME", its GitRepository "flux-system/fleet". It
 * fetches when asked or after minutes, applies what was fetched, and puts nothing back between. */
SimArgo *sim_flux_new(
	SimCluster *c, SimRepo *repo, Loop loop, const char *repository, const char *file);
void sim_argo_free(SimArgo *a);
const json_t *sim_argo_app(const SimArgo *a); /* borrowed */
/* Merge patches, by a person; body is taken. App: or Kustomization. */
void sim_argo_patch_app(SimArgo *a, json_t *body);
void sim_argo_patch_project(SimArgo *a, json_t *body);
