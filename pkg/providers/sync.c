#include "providers/sync.h"
#include "objects/time.h"
#include "providers/provider.h"
#include <string.h>

enum { POLL_SEC = 5, MERGE_POLL_SEC = 15, REFRESH_AGAIN_SEC = 60, REFRESH_ATTEMPTS = 3 };
#define DEFAULT_TIMEOUT "15m"
#define GATE "sync"

static const json_t *sync_spec(const Target *t, const char *field)
{
	return json_object_get(json_path(target_spec(t), "actuator.sync"), field);
}

static char *app_path(const Target *t)
{
	const json_t *a = sync_spec(t, "argoCD"), *f = sync_spec(t, "flux");
	if (a)
		return g_strdup_printf("/apis/argoproj.io/v1alpha1/namespaces/%s/applications/%s",
			json_path_str(a, "namespace", ""), json_path_str(a, "application", ""));
	if (f)
		return g_strdup_printf(
			"/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/%s/kustomizations/%s",
			json_path_str(f, "namespace", ""), json_path_str(f, "kustomization", ""));
	return NULL;
}

char *sync_name(const Target *t)
{
	const json_t *a = sync_spec(t, "argoCD"), *f = sync_spec(t, "flux");
	if (a)
		return g_strdup_printf(
			"Argo CD application %s", json_path_str(a, "application", ""));
	return f ? g_strdup_printf("Flux Kustomization %s", json_path_str(f, "kustomization", ""))
		 : NULL;
}

/* ---- the refresh: asked for where the rights allow it ---- */

static bool refresh_build(
	Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret)
{
	if (v->missing) {
		item_set_reason(it, "%s does not exist", key);
		return false;
	}
	bool argo = strstr(key, "/apis/argoproj.io/") != NULL;
	g_autofree char *now = sl_time_format(loop_wall_usec(target_of(it)->loop));
	ret->method = "PATCH";
	ret->path = g_strconcat(GITOPS_PREFIX, key, NULL);
	ret->body = json_pack("{s:{s:s?, s:{s:s}}}", "metadata", "resourceVersion", view_version(v),
		"annotations",
		argo ? "argocd.argoproj.io/refresh" : "reconcile.fluxcd.io/requestedAt",
		argo ? "normal" : now);
	return true;
}

/* Argo CD takes the annotation away when it has looked: whether it stood cannot be told later, and
 * asking twice does no harm. */
static Class refresh_classify(const json_t *want, const View *v)
{
	return CLASS_DONE;
}

const ActRow act_refresh = {
	.name = "refresh-sync",
	.effect = EFFECT_BY_VERSION,
	.fact = &fact_gitops,
	.build = refresh_build,
	.classify = refresh_classify,
};

/* May it be asked (again)? after: acts before this one do not count. */
static bool may_refresh(const Item *it, const char *path, const Act *after, int64_t now)
{
	for (size_t i = item_n_acts(it); i > 0; i--) {
		const Act *a = item_act(it, i - 1);
		if (a == after)
			return true;
		if (act_row(a) != &act_refresh || strcmp(act_key(a), path) != 0)
			continue;
		if (act_state(a) == ACT_DONE)
			return act_settled_usec(a) > 0 &&
			       now - act_settled_usec(a) >= REFRESH_AGAIN_SEC * SL_USEC_PER_SEC;
		return act_state(a) == ACT_ABSENT && act_attempt(a) < REFRESH_ATTEMPTS;
	}
	return false;
}

/* Flux fetches what the Kustomization's source says. */
static char *flux_source(const View *app)
{
	const char *kind = json_path_str(app->json, "spec.sourceRef.kind", "");
	if (strcmp(kind, "GitRepository") != 0)
		return NULL;
	return g_strdup_printf("/apis/source.toolkit.fluxcd.io/v1/namespaces/%s/gitrepositories/%s",
		json_path_str(app->json, "spec.sourceRef.namespace",
			json_path_str(app->json, "metadata.namespace", "")),
		json_path_str(app->json, "spec.sourceRef.name", ""));
}

static bool refresh(Item *it, int64_t now, Batch *b, const SyncWish *w, const char *path,
	const View *app, StepResult *ret)
{
	g_autofree char *source =
		sync_spec(target_of(it), "flux") && app->json ? flux_source(app) : NULL;
	const char *paths[] = { source, path };
	for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
		if (!paths[i] || !may_refresh(it, paths[i], w->act, now))
			continue;
		*ret = step_act(it, &act_refresh, paths[i], b);
		return true;
	}
	return false;
}

/* ---- what the state already knows ---- */

static const char *wish_of(const Act *a)
{
	return json_path_str(act_want(a), "key", "");
}

static bool looked(const Item *it, const Act *a)
{
	size_t i;
	json_t *l;
	json_array_foreach (item_looks(it), i, l)
		if (strcmp(json_path_str(l, "gate", ""), GATE) == 0 &&
			strcmp(json_path_str(l, "wish", ""), wish_of(a)) == 0)
			return true;
	return false;
}

/* Since when the sync is waited for, in observed time of this state. */
static int64_t waited_usec(const Item *it, const Act *a)
{
	const json_t *merged = json_object_get(item_memo(it), "merged");
	bool same = strcmp(json_path_str(merged, "wish", ""), wish_of(a)) == 0;
	int64_t since = json_path_int(same ? merged : act_want(a), "observedUsec", 0);
	const char *state = json_path_str(act_want(a), "state", "");
	bool now = strcmp(state, item_state_name(it)) == 0;
	return item_observed_usec(it) - (now ? since : 0);
}

static int64_t timeout_usec(const Item *it)
{
	int64_t sec = 0;
	const char *text =
		json_path_str(target_spec(target_of(it)), "actuator.sync.timeout", DEFAULT_TIMEOUT);
	if (!sl_duration_parse(text, &sec))
		sl_duration_parse(DEFAULT_TIMEOUT, &sec);
	return sec * SL_USEC_PER_SEC;
}

static bool file_stands(const Act *a, const View *v)
{
	return act_row(a)->classify(act_want(a), v) == CLASS_DONE &&
	       !json_path_bool(v->json, "atMissing", false);
}

static char *plain_key(const Act *a)
{
	return g_strndup(act_key(a), strcspn(act_key(a), ">"));
}

/* Settled by a read, the act does not know its commit: then it is the tip at which it was seen. */
static const char *commit_of(const Item *it, const Act *a)
{
	const json_t *known = json_object_get(item_memo(it), "merged");
	if (strcmp(json_path_str(known, "wish", ""), wish_of(a)) == 0)
		return json_path_str(known, "commit", "");
	return json_path_str(act_result(a), "commit", "");
}

static bool commit_known(const Item *it, const Act *a)
{
	return *commit_of(it, a) && !strchr(act_key(a), '>');
}

/* Somebody changed the same lines after us: not fought. */
static bool overwritten(Item *it, const SyncWish *w, StepResult *ret)
{
	g_autofree char *key = plain_key(w->act);
	const View *v = fact(it, &fact_git, key);
	if (!v) {
		*ret = step_read(it);
		return true;
	}
	if (file_stands(w->act, v))
		return false;
	*ret = step_hold_person(it, "foreign-update",
		"%.*s no longer says what we committed (%.8s): somebody changed it, and we do not "
		"overwrite it",
		(int)strcspn(key, "#"), key, commit_of(it, w->act));
	return true;
}

/* ---- the merge that a person makes ---- */

static StepResult hold_until(StepResult r, int64_t until)
{
	r.until_usec = until;
	return r;
}

bool sync_merged(const Item *it, const Act *a)
{
	size_t i;
	json_t *wish;
	json_array_foreach (json_path(item_memo(it), "merged.wishes"), i, wish)
		if (strcmp(json_string_value(wish), wish_of(a)) == 0)
			return true;
	return false;
}

/* Those that were merged so far, and this one. New reference. */
static json_t *wishes_with(const Item *it, const Act *a)
{
	const json_t *so_far = json_path(item_memo(it), "merged.wishes");
	json_t *all = so_far ? json_copy((json_t *)so_far) : json_array();
	json_array_append_new(all, json_string(wish_of(a)));
	return all;
}

/* True: the wish is on the branch, and the commit with which it came there is known. */
static bool merged(Item *it, int64_t now, Batch *b, const SyncWish *w, StepResult *ret)
{
	const char *to = strchr(act_key(w->act), '>');
	const json_t *known = json_object_get(item_memo(it), "merged");
	if (commit_known(it, w->act) ||
		strcmp(json_path_str(known, "wish", ""), wish_of(w->act)) == 0)
		return true;
	g_autofree char *key = plain_key(w->act);
	const View *v = fact(it, &fact_git, key);
	if (!v) {
		*ret = step_read(it);
		return false;
	}
	if (file_stands(w->act, v)) {
		batch_memo(b, it, "merged",
			json_pack("{s:s, s:s, s:I, s:o}", "wish", wish_of(w->act), "commit",
				json_path_str(v->json, "tip", ""), "observedUsec",
				(json_int_t)item_observed_usec(it), "wishes",
				wishes_with(it, w->act)));
		*ret = step_wait(it, now, "the wish is on the branch");
		return false;
	}
	if (!to) { /* it was there when the act was settled */
		overwritten(it, w, ret);
		return false;
	}
	*ret = hold_until(
		step_hold(it, "merge", "waits for the merge of branch %s into %s of %s", to + 1,
			json_path_str(target_spec(target_of(it)), "actuator.branch", ""),
			json_path_str(target_spec(target_of(it)), "actuator.repository", "")),
		now + MERGE_POLL_SEC * SL_USEC_PER_SEC);
	return false;
}

/* ---- the controller ---- */

static void judge(
	const Item *it, const View *app, const View *project, const GitopsObject *o, Gitops *ret)
{
	const Target *t = target_of(it);
	if (sync_spec(t, "flux"))
		gitops_flux(
			app->json, json_path_str(target_spec(t), "actuator.branch", "main"), ret);
	else
		gitops_argo(app->json, project ? project->json : NULL,
			json_path_str(target_spec(t), "actuator.repository", ""), o,
			loop_wall_usec(t->loop), ret);
}

/* The revision is our commit, or it came later and still holds our wish at its place. The value
 * alone proves nothing: an older revision may hold the same. */
static bool revision_holds(
	Item *it, const SyncWish *w, const char *revision, bool *ret_holds, StepResult *ret)
{
	const char *commit = commit_of(it, w->act);
	*ret_holds = strcmp(revision, commit) == 0;
	if (*ret_holds || !*commit)
		return true;
	g_autofree char *plain = plain_key(w->act);
	g_autofree char *key = g_strdup_printf("%s %s %s", revision, commit, plain);
	const View *v = fact(it, &fact_git_at, key);
	if (!v) {
		*ret = step_read(it);
		return false;
	}
	*ret_holds = file_stands(w->act, v) && json_path_bool(v->json, "contains", false);
	return true;
}

static StepResult prove(
	Item *it, int64_t now, Batch *b, const SyncWish *w, const char *revision, const char *why)
{
	batch_look(b, it,
		json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "gate", GATE, "verdict", "PASS", "wish",
			wish_of(w->act), "commit", commit_of(it, w->act), "revision", revision,
			"evidence", why));
	return step_wait(it, now, "%s", why);
}

/* The project's windows; unreadable is as good as none. False: not read yet. */
static bool read_project(Item *it, const View *app, const View **ret)
{
	const json_t *argo = sync_spec(target_of(it), "argoCD");
	*ret = NULL;
	if (!argo || !app->json)
		return true;
	g_autofree char *path =
		g_strdup_printf("/apis/argoproj.io/v1alpha1/namespaces/%s/appprojects/%s",
			json_path_str(argo, "namespace", ""),
			json_path_str(app->json, "spec.project", "default"));
	*ret = fact(it, &fact_gitops, path);
	return *ret || fact_error(it, &fact_gitops, path);
}

static StepResult wait_controller(Item *it, int64_t now, const SyncWish *w, const Gitops *g)
{
	int64_t until = now + POLL_SEC * SL_USEC_PER_SEC, waited = waited_usec(it, w->act);
	if (g->verdict == GITOPS_STOPPED)
		return hold_until(step_hold(it, "sync-blocked", "commit %.8s is not applied: %s",
					  commit_of(it, w->act), g->why),
			until);
	if (waited < timeout_usec(it))
		return step_wait(it, until, "commit %.8s is to be applied: %s",
			commit_of(it, w->act), g->why);
	g_autofree char *since = sl_duration_human(waited / SL_USEC_PER_SEC);
	return hold_until(
		step_hold(it, "sync",
			"commit %.8s is not applied after %s: %s%s%s%s; is its controller running?",
			commit_of(it, w->act), since, g->why,
			g->looked ? ", compared last at " : "", g->looked ? g->looked : "",
			g->asked ? ", and it does not answer a refresh" : ""),
		until);
}

/* No controller is named: the object's value alone is the proof. */
static bool by_object(Item *it, int64_t now, Batch *b, const SyncWish *w, StepResult *ret)
{
	Gitops none = { .verdict = GITOPS_BUSY, .why = (char *)"nobody is named who applies it" };
	if (w->stands)
		*ret = prove(it, now, b, w, "", "the object has the value");
	else if (!overwritten(it, w, ret))
		*ret = wait_controller(it, now, w, &none);
	return false;
}

static bool by_controller(
	Item *it, int64_t now, Batch *b, const SyncWish *w, const char *path, StepResult *ret)
{
	const View *app = fact(it, &fact_gitops, path), *project = NULL;
	if (!app) {
		*ret = step_read(it);
		return false;
	}
	g_auto(Gitops) g = { 0 };
	bool holds = false;
	judge(it, app, NULL, &w->object, &g);
	if (g.revision && !revision_holds(it, w, g.revision, &holds, ret))
		return false;
	if (g.verdict == GITOPS_SYNCED && holds && w->stands) {
		*ret = prove(it, now, b, w, g.revision, g.why);
		return false;
	}
	if (overwritten(it, w, ret))
		return false;
	if (!holds && !app->missing && refresh(it, now, b, w, path, app, ret))
		return false;
	if (!read_project(it, app, &project)) {
		*ret = step_read(it);
		return false;
	}
	gitops_clear(&g);
	judge(it, app, project, &w->object, &g);
	/* In sync at an older revision: whatever keeps it from the new one counts. */
	g_autofree char *window = gitops_argo_window(
		app->json, project ? project->json : NULL, loop_wall_usec(target_of(it)->loop));
	if (window && g.verdict != GITOPS_STOPPED)
		g.verdict = GITOPS_STOPPED;
	*ret = wait_controller(it, now, w, &g);
	return false;
}

bool sync_proven(Item *it, int64_t now, Batch *b, const SyncWish *w, StepResult *ret)
{
	if (looked(it, w->act))
		return true;
	if (!merged(it, now, b, w, ret))
		return false;
	g_autofree char *path = app_path(target_of(it));
	return path ? by_controller(it, now, b, w, path, ret) : by_object(it, now, b, w, ret);
}

/* ---- preflight ---- */

static void application_findings(const Target *t, const View *app, const Gitops *g,
	const GitopsObject *o, const char *pointer, json_t *findings)
{
	g_autofree char *name = sync_name(t);
	if (app->missing) {
		finding_add(findings, "block", "gitops", "mend actuator.sync of the Cluster",
			"%s does not exist in that namespace", name);
		return;
	}
	const json_t *actuator = json_object_get(target_spec(t), "actuator");
	g_autofree char *never =
		sync_spec(t, "argoCD")
			? gitops_argo_obstacle(app->json, json_path_str(actuator, "repository", ""),
				  json_path_str(actuator, "branch", "main"), o, pointer)
			: NULL;
	if (never)
		finding_add(findings, "block", "gitops",
			"mend the Application, or actuator of the Cluster", "%s: %s", name, never);
	else if (g->verdict == GITOPS_STOPPED)
		finding_add(findings, "warn", "gitops",
			"a run would hold at its first commit until this is over", "%s", g->why);
	else if (g->verdict == GITOPS_BUSY)
		finding_add(
			findings, "warn", "gitops", "look at the Application first", "%s", g->why);
}

bool sync_preflight(
	Item *it, const GitopsObject *o, const char *pointer, const char *what, json_t *findings)
{
	const Target *t = target_of(it);
	g_autofree char *path = app_path(t), *name = sync_name(t);
	const View *app = path ? fact(it, &fact_gitops, path) : NULL, *project = NULL;
	if (!path) {
		finding_add(findings, "warn", "gitops", "name it in actuator.sync",
			"nobody is named who applies the commits of %s: only the object proves "
			"them",
			what);
		return true;
	}
	const GError *err = fact_error(it, &fact_gitops, path);
	if (!app && !err)
		return false;
	if (!app) {
		finding_add(findings, "block", "unreadable",
			"check access to the cluster in actuator.sync", "%s cannot be read: %s",
			name, err->message);
		return true;
	}
	if (!read_project(it, app, &project))
		return false;
	g_auto(Gitops) g = { 0 };
	judge(it, app, project, o, &g);
	application_findings(t, app, &g, o, pointer, findings);
	return true;
}

bool sync_folder(Item *it, char **ret_folder)
{
	const Target *t = target_of(it);
	g_autofree char *path = app_path(t);
	*ret_folder = NULL;
	const View *app = path ? fact(it, &fact_gitops, path) : NULL;
	if (path && !app)
		return fact_error(it, &fact_gitops, path) != NULL;
	if (app && app->json)
		*ret_folder =
			sync_spec(t, "flux")
				? gitops_flux_folder(app->json)
				: gitops_argo_folder(app->json,
					  json_path_str(target_spec(t), "actuator.repository", ""));
	return true;
}

/* ---- rights ---- */

void sync_argo_rights(json_t *rights, const json_t *argo)
{
	static const RightRow application[] = {
		{ RIGHT_READ, "get", "argoproj.io", "applications", "", "", NULL },
		{ RIGHT_WRITE, "patch", "argoproj.io", "applications", "", "", NULL },
		{ 0 },
	};
	static const RightRow project[] = {
		{ RIGHT_SPARE, "get", "argoproj.io", "appprojects", "", "", NULL },
		{ 0 },
	};
	const char *ns = json_path_str(argo, "namespace", "");
	rights_add(rights, application, ns, json_path_str(argo, "application", ""));
	rights_add(rights, project, ns, "");
}

void sync_flux_rights(json_t *rights, const json_t *flux)
{
	static const RightRow kustomization[] = {
		{ RIGHT_READ, "get", "kustomize.toolkit.fluxcd.io", "kustomizations", "", "",
			NULL },
		{ RIGHT_WRITE, "patch", "kustomize.toolkit.fluxcd.io", "kustomizations", "", "",
			NULL },
		{ 0 },
	};
	static const RightRow source[] = {
		{ RIGHT_SPARE, "get", "source.toolkit.fluxcd.io", "gitrepositories", "", "", NULL },
		{ RIGHT_WRITE, "patch", "source.toolkit.fluxcd.io", "gitrepositories", "", "",
			NULL },
		{ 0 },
	};
	const char *ns = json_path_str(flux, "namespace", "");
	rights_add(rights, kustomization, ns, json_path_str(flux, "kustomization", ""));
	rights_add(rights, source, ns, "");
}

static json_t *rights_there(const Target *t)
{
	const json_t *argo = sync_spec(t, "argoCD"), *flux = sync_spec(t, "flux");
	json_t *rights = json_array();
	rights_add_impersonation(rights, json_path(t->doc, "gitops.spec.access.impersonate"));
	if (argo)
		sync_argo_rights(rights, argo);
	if (flux)
		sync_flux_rights(rights, flux);
	return rights;
}

static void lacks(const Target *t, const json_t *right, json_t *findings)
{
	const char *hub = json_path_str(t->doc, "gitops.metadata.name", "?");
	bool reads = strcmp(json_path_str(right, "as", ""), "reader") == 0 &&
		     strcmp(json_path_str(right, "verb", ""), "get") == 0;
	bool needed = reads && !json_path_bool(right, "spare", false);
	g_autofree char *what = right_text(right);
	g_autofree char *fix =
		g_strdup_printf("shiplock rbac --cluster %s prints all that is to be granted", hub);
	finding_add(findings, needed ? "block" : "warn", "rbac", fix, "not allowed to %s on %s%s",
		what, hub, reads ? "" : ": no refresh is asked for, which costs waiting");
}

bool sync_check_rights(Item *it, json_t *findings)
{
	const Target *t = target_of(it);
	g_autoptr(json_t) rights = rights_there(t);
	bool all = true, mute = false;
	size_t i;
	json_t *right;
	if (!sync_spec(t, "argoCD") && !sync_spec(t, "flux"))
		return true;
	json_array_foreach (rights, i, right) {
		bool writes = strcmp(json_path_str(right, "as", ""), "writer") == 0;
		bool speaks = strcmp(json_path_str(right, "verb", ""), "impersonate") == 0;
		if (mute && writes)
			continue;
		g_autofree char *key = right_key(right);
		const View *v = fact(it, &fact_gitops_access, key);
		/* That it cannot be reached at all is said with its Application. */
		bool answered = v || fact_error(it, &fact_gitops_access, key);
		bool lacking = v && !json_path_bool(v->json, "allowed", false);
		if (lacking)
			lacks(t, right, findings);
		mute = mute || (speaks && (lacking || !v));
		all = all && answered;
	}
	return all;
}
