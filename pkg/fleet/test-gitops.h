/* For tests: cluster `a` under a simulated Argo CD, its repository and the controller. */
#pragma once
#include "fleet/test-faults.h"
#include "sim/argo.h"

#define GITOPS_REPO "https://git.example/site/config.git"
#define GITOPS_FILE "overlays/a/clusterversion.yaml"
#define GITOPS_POOLS "overlays/a/pools.yaml"
#define GITOPS_ACTUATOR_ANY(more)                                                                  \
	"  actuator:\n    type: git\n    repository: " GITOPS_REPO                                 \
	"\n    sync: {argoCD: {cluster: a, namespace: argocd, application: a}, timeout: "          \
	"15m}\n" more
#define GITOPS_ACTUATOR(more) GITOPS_ACTUATOR_ANY("    file: " GITOPS_FILE "\n" more)

typedef struct GitWorld {
	Rig *r;
	SimRepo *repo;
	SimArgo *argo;
	bool no_worker;
} GitWorld;

static inline json_t *gitops_access(void *ud, const json_t *cluster, GError **err)
{
	return json_pack("{s:s, s:s, s:s}", "mirror", "/m", "url",
		json_path_str(cluster, "spec.actuator.repository", ""), "branch", "main");
}

static inline void gitops_tune(FleetOptions *o, void *ud)
{
	GitWorld *g = ud;
	g->repo->process = o->loop;
	if (g->no_worker)
		return;
	o->job = sim_repo_job(g->repo);
	o->connect.git = gitops_access;
}

/* pools: a file holds pool worker. */
static inline GitWorld *gitops_begin_with(bool pools, bool flux)
{
	GitWorld *g = g_new0(GitWorld, 1);
	g_autofree char *image = sim_release_image(OLD);
	json_t *files = json_pack(
		"{s:{s:s, s:s}}", GITOPS_FILE, SIM_ARGO_VERSION, OLD, SIM_ARGO_IMAGE, image);
	if (pools)
		json_object_set_new(files, GITOPS_POOLS, json_pack("{s:b}", SIM_ARGO_PAUSED, 0));
	g->r = rig_new(7);
	Loop world = loop_sim_loop(g->r->loop);
	g->repo = sim_repo_new(world, files);
	if (flux)
		g->argo = sim_flux_new(
			rig_cluster(g->r, "a", 0), g->repo, world, GITOPS_REPO, GITOPS_FILE);
	else
		g->argo = sim_argo_new(rig_cluster(g->r, "a", 0), g->repo, world, GITOPS_REPO,
			GITOPS_FILE, pools ? GITOPS_POOLS : NULL);
	g->r->tune = gitops_tune;
	g->r->tune_ud = g;
	rig_start(g->r);
	return g;
}

static inline GitWorld *gitops_begin(bool pools)
{
	return gitops_begin_with(pools, false);
}

static inline void gitops_end(GitWorld *g)
{
	rig_stop(g->r); /* its jobs go with it */
	sim_argo_free(g->argo);
	rig_free(g->r);
	sim_repo_free(g->repo);
	g_free(g);
}

static inline void gitops_restart(GitWorld *g, int64_t down_sec)
{
	rig_crash(g->r);
	faults_pass(g->r, down_sec);
	rig_start(g->r);
}

static inline void gitops_expect(const GitWorld *g, const char *want)
{
	g_autofree char *story = sim_repo_story(g->repo);
	g_assert_cmpstr(story, ==, want);
	g_assert_cmpuint(g->argo->n_reverts, ==, 0); /* at no time do the two fight */
}
