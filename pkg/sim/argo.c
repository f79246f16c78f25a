#include "sim/argo.h"
#include <string.h>

#define NAMESPACE "argocd"
#define MANAGER "argocd-controller"
#define FLUX_NAMESPACE "flux-system"
#define FLUX_MANAGER "kustomize-controller"
#define FLUX_SOURCE "fleet"
#define FLUX_ASKED "reconcile.fluxcd.io/requestedAt"
#define REFRESH "argocd.argoproj.io/refresh"
#define CHANNEL "ClusterVersion/version [\"spec\",\"channel\"]"
enum { TICK_USEC = 1000000, POLL_USEC = 180000000 };

const json_t *sim_argo_app(const SimArgo *a)
{
	return sim_store_find(sim_cluster_store(a->cluster), SIM_APPLICATIONS, NAMESPACE,
		sim_cluster_name(a->cluster))
		->json;
}

static void patch(SimArgo *a, SimKindId kind, const char *ns, const char *name, json_t *body)
{
	sim_cluster_patch(
		a->cluster, kind, ns, name, SIM_SUB_NONE, a->flux ? FLUX_MANAGER : MANAGER, body);
}

void sim_argo_patch_app(SimArgo *a, json_t *body)
{
	patch(a, a->flux ? SIM_KUSTOMIZATIONS : SIM_APPLICATIONS,
		a->flux ? FLUX_NAMESPACE : NAMESPACE, sim_cluster_name(a->cluster), body);
}

void sim_argo_patch_project(SimArgo *a, json_t *body)
{
	patch(a, SIM_APPPROJECTS, NAMESPACE, "default", body);
}

/* ---- what a commit says of the objects ---- */

static json_t *at(const json_t *file, const char *place)
{
	json_t *v = json_object_get(file, place);
	return v ? json_incref(v) : json_null();
}

static json_t *version_of(const json_t *file)
{
	json_t *spec = json_pack("{s:{s:o, s:o}}", "desiredUpdate", "version",
		at(file, SIM_ARGO_VERSION), "image", at(file, SIM_ARGO_IMAGE));
	if (json_object_get(file, CHANNEL))
		json_object_set(spec, "channel", json_object_get(file, CHANNEL));
	return json_pack("{s:o}", "spec", spec);
}

static json_t *pool_of(const json_t *file)
{
	return json_pack("{s:{s:o}, s:{s:{s:o}}}", "spec", "paused", at(file, SIM_ARGO_PAUSED),
		"metadata", "annotations", "shiplock.dev/brake", at(file, SIM_ARGO_BRAKE));
}

static bool differs(const json_t *wish, const json_t *is)
{
	const char *key;
	json_t *v;
	json_object_foreach ((json_t *)wish, key, v) {
		const json_t *have = json_object_get(is, key);
		bool none = !have || json_is_null(have);
		if (json_is_object(v)     ? differs(v, have)
			: json_is_null(v) ? !none
					  : none || !json_equal(v, have))
			return true;
	}
	return false;
}

static json_t *acks_of(const json_t *file)
{
	json_t *data = json_object(), *v;
	const char *place;
	json_object_foreach ((json_t *)file, place, v)
		if (g_str_has_prefix(place, "ack "))
			json_object_set(data, place + strlen("ack "), v);
	return json_pack("{s:o}", "data", data);
}

/* Takes wish. Returns whether it was not so already. */
static bool make_so(SimArgo *a, SimKindId kind, const char *ns, const char *name, json_t *wish)
{
	const SimObj *o = sim_store_find(sim_cluster_store(a->cluster), kind, ns, name);
	bool other = o && differs(wish, o->json);
	if (other)
		patch(a, kind, ns, name, json_incref(wish));
	json_decref(wish);
	return other;
}

static bool apply(SimArgo *a, const json_t *commit)
{
	const json_t *files = json_object_get(commit, "files");
	const json_t *file = json_object_get(files, a->file);
	const json_t *pools = a->pools ? json_object_get(files, a->pools) : NULL;
	const json_t *acks = a->acks ? json_object_get(files, a->acks) : NULL;
	bool changed = file && make_so(a, SIM_CLUSTERVERSIONS, NULL, "version", version_of(file));
	if (acks && make_so(a, SIM_CONFIGMAPS, "openshift-config", "admin-acks", acks_of(acks)))
		changed = true;
	return (pools && make_so(a, SIM_POOLS, NULL, "worker", pool_of(pools))) || changed;
}

/* ---- its loop ---- */

static void look(SimArgo *a, const char *seen)
{
	const json_t *tip = sim_repo_tip(a->repo);
	bool fresh = strcmp(seen, json_path_str(tip, "id", "")) != 0;
	bool automated = json_is_object(json_path(sim_argo_app(a), "spec.syncPolicy.automated"));
	if (fresh && automated)
		apply(a, tip);
	sim_argo_patch_app(
		a, json_pack("{s:{s:{s:n}}, s:{s:{s:O, s:s}, s:{s:s}}}", "metadata", "annotations",
			   REFRESH, "status", "sync", "revision", json_object_get(tip, "id"),
			   "status", automated || !fresh ? "Synced" : "OutOfSync", "operationState",
			   "phase", "Succeeded"));
}

static void tick(void *ud)
{
	SimArgo *a = ud;
	const json_t *app = sim_argo_app(a);
	const json_t *notes = json_path(app, "metadata.annotations");
	const char *seen = json_path_str(app, "status.sync.revision", "");
	const json_t *commit = sim_repo_find(a->repo, seen);
	int64_t now = loop_boot_usec(a->loop);
	bool asked = json_is_string(json_object_get(notes, REFRESH));
	if (!a->down && commit)
		a->n_reverts += apply(a, commit);
	if (!a->down && (asked || !commit || now - a->polled_usec >= POLL_USEC)) {
		a->polled_usec = now;
		look(a, seen);
	}
	a->timer = loop_timer(a->loop, now + TICK_USEC, tick, a);
}

/* ---- Flux ---- */

static const json_t *flux_object(const SimArgo *a, SimKindId kind, const char *name)
{
	return sim_store_find(sim_cluster_store(a->cluster), kind, FLUX_NAMESPACE, name)->json;
}

/* Was asked for a look that it did not have yet; ret_asked: borrowed. */
static bool flux_asked(const json_t *object, const char **ret_asked)
{
	const json_t *notes = json_path(object, "metadata.annotations");
	*ret_asked = json_string_value(json_object_get(notes, FLUX_ASKED));
	return *ret_asked &&
	       strcmp(*ret_asked, json_path_str(object, "status.lastHandledReconcileAt", "")) != 0;
}

static void flux_fetch(SimArgo *a, int64_t now)
{
	const char *asked;
	const json_t *source = flux_object(a, SIM_GITREPOSITORIES, FLUX_SOURCE);
	bool due = !a->polled_usec || now - a->polled_usec >= POLL_USEC;
	if (!flux_asked(source, &asked) && !due)
		return;
	a->polled_usec = now;
	const json_t *seen =
		a->branch ? json_array_get(a->repo->commits, 0) : sim_repo_tip(a->repo);
	g_autofree char *revision = g_strdup_printf(
		"%s@sha1:%s", a->branch ? a->branch : "main", json_path_str(seen, "id", ""));
	patch(a, SIM_GITREPOSITORIES, FLUX_NAMESPACE, FLUX_SOURCE,
		json_pack("{s:{s:{s:s}, s:s?}}", "status", "artifact", "revision", revision,
			"lastHandledReconcileAt", asked));
}

static void flux_apply(SimArgo *a)
{
	const char *asked;
	const json_t *k = flux_object(a, SIM_KUSTOMIZATIONS, sim_cluster_name(a->cluster));
	g_autofree char *revision = g_strdup(json_path_str(
		flux_object(a, SIM_GITREPOSITORIES, FLUX_SOURCE), "status.artifact.revision", ""));
	bool fresh = strcmp(json_path_str(k, "status.lastAppliedRevision", ""), revision) != 0;
	if (json_path_bool(k, "spec.suspend", false) || (!flux_asked(k, &asked) && !fresh))
		return;
	const json_t *commit = sim_repo_find(a->repo, strrchr(revision, ':') + 1);
	if (!a->fails && commit && !a->branch)
		apply(a, commit);
	json_t *ready = json_pack("{s:s, s:s, s:s}", "type", "Ready", "status",
		a->fails ? "False" : "True", "message", a->fails ? a->fails : "applied");
	json_t *status =
		json_pack("{s:[o], s:s?}", "conditions", ready, "lastHandledReconcileAt", asked);
	if (!a->fails)
		json_object_set_new(status, "lastAppliedRevision", json_string(revision));
	sim_argo_patch_app(a, json_pack("{s:o}", "status", status));
}

static void flux_tick(void *ud)
{
	SimArgo *a = ud;
	int64_t now = loop_boot_usec(a->loop);
	if (!a->down) {
		flux_fetch(a, now);
		flux_apply(a);
	}
	a->timer = loop_timer(a->loop, now + TICK_USEC, flux_tick, a);
}

/* ---- beginning and end ---- */

/* Takes spec. */
static void create(SimArgo *a, SimKindId kind, const char *ns, const char *name, json_t *spec)
{
	SimWrite w = { .verb = SIM_CREATE,
		.kind = sim_kind(kind),
		.ns = (char *)ns,
		.body = json_pack("{s:{s:s, s:s*}, s:o}", "metadata", "name", name, "namespace", ns,
			"spec", spec),
		.manager = (char *)"argocd-server" };
	SimAnswer answer = sim_write(sim_cluster_store(a->cluster), &w, loop_wall_usec(a->loop));
	g_assert(answer.status == 201);
	sim_answer_clear(&answer);
	json_decref(w.body);
}

SimArgo *sim_argo_new(SimCluster *c, SimRepo *repo, Loop loop, const char *repository,
	const char *file, const char *pools)
{
	SimArgo *a = g_new0(SimArgo, 1);
	*a = (SimArgo){ .cluster = c,
		.repo = repo,
		.loop = loop,
		.file = g_strdup(file),
		.pools = g_strdup(pools) };
	const char *name = sim_cluster_name(c);
	create(a, SIM_NAMESPACES, NULL, NAMESPACE, json_object());
	create(a, SIM_APPPROJECTS, NAMESPACE, "default", json_object());
	create(a, SIM_APPLICATIONS, NAMESPACE, name,
		json_pack("{s:{s:s, s:s}, s:{s:{s:b}}, s:{s:s}}", "source", "repoURL", repository,
			"targetRevision", "main", "syncPolicy", "automated", "selfHeal", 1,
			"destination", "namespace", "default"));
	g_autofree char *id =
		g_strdup_printf("%s:config.openshift.io/ClusterVersion:default/version", name);
	patch(a, SIM_CLUSTERVERSIONS, NULL, "version",
		json_pack("{s:{s:{s:s}}}", "metadata", "annotations",
			"argocd.argoproj.io/tracking-id", id));
	tick(a);
	return a;
}

SimArgo *sim_flux_new(
	SimCluster *c, SimRepo *repo, Loop loop, const char *repository, const char *file)
{
	SimArgo *a = g_new0(SimArgo, 1);
	*a = (SimArgo){ .cluster = c, .repo = repo, .loop = loop, .flux = true };
	a->file = g_strdup(file);
	const char *name = sim_cluster_name(c);
	create(a, SIM_NAMESPACES, NULL, FLUX_NAMESPACE, json_object());
	create(a, SIM_GITREPOSITORIES, FLUX_NAMESPACE, FLUX_SOURCE,
		json_pack("{s:s, s:{s:s}}", "url", repository, "ref", "branch", "main"));
	create(a, SIM_KUSTOMIZATIONS, FLUX_NAMESPACE, name,
		json_pack("{s:s, s:s, s:{s:s, s:s}}", "interval", "10m", "path", "./", "sourceRef",
			"kind", "GitRepository", "name", FLUX_SOURCE));
	patch(a, SIM_CLUSTERVERSIONS, NULL, "version",
		json_pack("{s:{s:{s:s, s:s}}}", "metadata", "labels",
			"kustomize.toolkit.fluxcd.io/name", name,
			"kustomize.toolkit.fluxcd.io/namespace", FLUX_NAMESPACE));
	flux_tick(a);
	return a;
}

void sim_argo_free(SimArgo *a)
{
	loop_cancel(a->loop, &a->timer);
	g_free(a->file);
	g_free(a->pools);
	g_free(a);
}
