#include "providers/gitops.h"
#include "codec/redact.h"
#include "objects/cron.h"
#include <string.h>

enum { COMMIT_HEX = 40 };

void gitops_clear(Gitops *g)
{
	g_free(g->revision);
	g_free(g->why);
	g_free(g->looked);
	*g = (Gitops){ 0 };
}

static const char *str(const json_t *v, const char *path)
{
	return json_path_str(v, path, "");
}

/* ---- repositories ---- */

/* "host/path" without user, port, ending. Caller frees. */
static char *plain_url(const char *url)
{
	const char *at = strstr(url, "://"), *rest = at ? at + 3 : url;
	const char *slash = strchr(rest, '/'), *user = strchr(rest, '@');
	if (user && (!slash || user < slash))
		rest = user + 1;
	g_autofree char *text = g_ascii_strdown(rest, -1);
	char *colon = strchr(text, ':'), *first = strchr(text, '/');
	if (colon && (!first || colon < first)) {
		size_t digits = strspn(colon + 1, "0123456789");
		if (at && (colon[1 + digits] == '/' || !colon[1 + digits]))
			memmove(colon, colon + 1 + digits, strlen(colon + 1 + digits) + 1);
		else
			*colon = '/';
	}
	for (size_t n = strlen(text); n > 0 && text[n - 1] == '/'; n--)
		text[n - 1] = '\0';
	if (g_str_has_suffix(text, ".git"))
		text[strlen(text) - 4] = '\0';
	return g_steal_pointer(&text);
}

bool gitops_same_repository(const char *a, const char *b)
{
	g_autofree char *x = plain_url(a), *y = plain_url(b);
	return strcmp(x, y) == 0;
}

bool gitops_go_duration(const char *text, int64_t *ret_sec)
{
	int64_t sum = 0;
	if (!*text)
		return false;
	while (*text) {
		char *end;
		if (!g_ascii_isdigit(*text))
			return false;
		uint64_t n = g_ascii_strtoull(text, &end, 10);
		int64_t unit = *end == 'h' ? 3600 : *end == 'm' ? 60 : *end == 's' ? 1 : 0;
		if (!unit || (*end == 'm' && end[1] == 's') || n > 1000000)
			return false;
		sum += (int64_t)n * unit;
		text = end + 1;
	}
	*ret_sec = sum;
	return true;
}

/* The source of the Application that is ours; NULL: none. ret_index: its place among several. */
static const json_t *our_source(const json_t *app, const char *repository, size_t *ret_index)
{
	const json_t *sources = json_path(app, "spec.sources");
	*ret_index = SIZE_MAX;
	if (json_array_size(sources) == 0)
		return json_path(app, "spec.source");
	size_t i;
	json_t *s;
	json_array_foreach (sources, i, s)
		if (gitops_same_repository(str(s, "repoURL"), repository)) {
			*ret_index = i;
			return s;
		}
	return NULL;
}

/* ---- sync windows ---- */

static bool matches_any(const json_t *patterns, const char *text)
{
	size_t i;
	json_t *p;
	json_array_foreach (patterns, i, p)
		if (json_is_string(p) && *text &&
			g_pattern_match_simple(json_string_value(p), text))
			return true;
	return false;
}

/* A window counts for the Application by any of three lists, or by all of those it has. */
static bool window_matches(const json_t *w, const json_t *app)
{
	const json_t *lists[] = { json_object_get(w, "applications"),
		json_object_get(w, "clusters"), json_object_get(w, "namespaces") };
	bool hit[] = { matches_any(lists[0], str(app, "metadata.name")),
		matches_any(lists[1], str(app, "spec.destination.name")) ||
			matches_any(lists[1], str(app, "spec.destination.server")),
		matches_any(lists[2], str(app, "spec.destination.namespace")) };
	bool all = json_path_bool(w, "andOperator", false), any = false, missed = false;
	for (size_t i = 0; i < G_N_ELEMENTS(hit); i++) {
		any = any || hit[i];
		missed = missed || (json_array_size(lists[i]) > 0 && !hit[i]);
	}
	return any && !(all && missed);
}

static bool window_active(const json_t *w, int64_t wall_usec, bool *ret_active)
{
	int64_t sec = 0;
	return gitops_go_duration(str(w, "duration"), &sec) &&
	       cron_window_open(
		       str(w, "schedule"), str(w, "timeZone"), sec, wall_usec, ret_active, NULL);
}

static char *window_words(const json_t *w, const char *fmt)
{
	g_autofree char *when = g_strdup_printf("\"%s\" for %s%s%s", str(w, "schedule"),
		str(w, "duration"), *str(w, "timeZone") ? " " : "", str(w, "timeZone"));
	return g_strdup_printf("%s %s", fmt, when);
}

char *gitops_argo_window(const json_t *app, const json_t *project, int64_t wall_usec)
{
	const json_t *closed = NULL;
	bool open = false;
	size_t i;
	json_t *w;
	json_array_foreach (json_path(project, "spec.syncWindows"), i, w) {
		bool active = false, deny = strcmp(str(w, "kind"), "deny") == 0;
		if (!window_matches(w, app))
			continue;
		if (!window_active(w, wall_usec, &active))
			return window_words(w, "a sync window cannot be read, so nothing syncs:");
		if (deny && active)
			return window_words(w, "a sync window denies it:");
		open = open || (!deny && active);
		closed = !deny && !active ? w : closed;
	}
	return closed && !open ? window_words(closed, "its sync window is closed:") : NULL;
}

/* ---- Argo CD ---- */

static const json_t *resource_of(const json_t *app, const GitopsObject *o)
{
	size_t i;
	json_t *r;
	json_array_foreach (json_path(app, "status.resources"), i, r)
		if (strcmp(str(r, "group"), o->group) == 0 &&
			strcmp(str(r, "kind"), o->kind) == 0 &&
			strcmp(str(r, "name"), o->name) == 0)
			return r;
	return NULL;
}

static const char *revision_of(const json_t *app, size_t index)
{
	const json_t *list = json_path(app, "status.sync.revisions");
	const char *r = index == SIZE_MAX ? str(app, "status.sync.revision")
					  : json_string_value(json_array_get(list, index));
	return r ? r : "";
}

/* Where it cannot build, Argo CD reports the branch itself as its revision. */
static bool is_commit(const char *revision)
{
	return strlen(revision) == COMMIT_HEX && strspn(revision, "0123456789abcdef") == COMMIT_HEX;
}

static const char *error_condition(const json_t *app)
{
	size_t i;
	json_t *c;
	json_array_foreach (json_path(app, "status.conditions"), i, c)
		if (g_str_has_suffix(str(c, "type"), "Error"))
			return str(c, "message");
	return NULL;
}

static bool automated(const json_t *app)
{
	const json_t *a = json_path(app, "spec.syncPolicy.automated");
	return json_is_object(a) && json_path_bool(a, "enabled", true);
}

/* Its last attempt at the revision that it has in view failed: it does not try that one again. */
static bool attempt_failed(const json_t *app)
{
	const char *phase = str(app, "status.operationState.phase");
	bool failed = strcmp(phase, "Failed") == 0 || strcmp(phase, "Error") == 0;
	const char *tried = str(app, "status.operationState.syncResult.revision"),
		   *now = str(app, "status.sync.revision");
	return failed && (!*tried || strcmp(tried, now) == 0);
}

/* Nothing will happen by itself; NULL: something may. */
static char *argo_stopped(const json_t *app, const json_t *project, int64_t wall_usec)
{
	const char *error = error_condition(app);
	if (!automated(app))
		return g_strdup("its automatic sync is off: a person syncs it, or turns it on");
	char *window = gitops_argo_window(app, project, wall_usec);
	if (window)
		return window;
	if (attempt_failed(app))
		return g_strdup_printf(
			"its sync failed: %s", str(app, "status.operationState.message"));
	return error ? g_strdup_printf("it reports: %s", error) : NULL;
}

static void argo_words(
	const json_t *app, const char *name, const json_t *resource, char *stopped, Gitops *ret)
{
	const char *sync =
		str(resource ? resource : app, resource ? "status" : "status.sync.status");
	const char *phase = str(app, "status.operationState.phase");
	bool running = strcmp(phase, "Running") == 0;
	bool synced = strcmp(sync, "Synced") == 0 && !running;
	g_autofree char *at = g_strdup_printf("at %.8s", ret->revision ? ret->revision : "nothing");
	ret->verdict = synced ? GITOPS_SYNCED : stopped ? GITOPS_STOPPED : GITOPS_BUSY;
	ret->why = g_strdup_printf("Argo CD application %s is %s %s%s%s%s", name,
		*sync ? sync : "not compared yet", at, running ? ", a sync is running" : "",
		stopped ? "; " : "", stopped ? stopped : "");
}

void gitops_argo(const json_t *app, const json_t *project, const char *repository,
	const GitopsObject *o, int64_t wall_usec, Gitops *ret)
{
	*ret = (Gitops){ 0 };
	if (!app) {
		ret->verdict = GITOPS_STOPPED;
		ret->why = g_strdup("there is no such Argo CD application");
		return;
	}
	size_t index;
	our_source(app, repository, &index);
	const char *revision = revision_of(app, index), *looked = str(app, "status.reconciledAt");
	const json_t *notes = json_path(app, "metadata.annotations");
	ret->revision = is_commit(revision) ? g_strdup(revision) : NULL;
	ret->looked = *looked ? g_strdup(looked) : NULL;
	ret->asked = json_object_get(notes, "argocd.argoproj.io/refresh") != NULL;
	g_autofree char *stopped = argo_stopped(app, project, wall_usec);
	argo_words(app, str(app, "metadata.name"), resource_of(app, o), stopped, ret);
}

/* ---- could it ever work? ---- */

/* The ignored pointer is the field, holds it, or is a part of it. */
static bool covers(const char *ignored, const char *pointer)
{
	size_t a = strlen(ignored), b = strlen(pointer), n = a < b ? a : b;
	const char *longer = a < b ? pointer : ignored;
	return strncmp(ignored, pointer, n) == 0 && (a == b || longer[n] == '/');
}

static bool ignores(const json_t *rule, const GitopsObject *o, const char *pointer)
{
	const char *group = str(rule, "group"), *kind = str(rule, "kind"),
		   *name = str(rule, "name");
	bool all = strcmp(group, "*") == 0;
	if ((!all && strcmp(group, o->group) != 0) ||
		(strcmp(kind, "*") != 0 && strcmp(kind, o->kind) != 0) ||
		(*name && strcmp(name, o->name) != 0))
		return false;
	size_t i;
	json_t *p;
	json_array_foreach (json_object_get(rule, "jsonPointers"), i, p)
		if (json_is_string(p) && covers(json_string_value(p), pointer))
			return true;
	json_array_foreach (json_object_get(rule, "jqPathExpressions"), i, p) {
		g_autofree char *path = g_strdelimit(
			g_strdup(json_is_string(p) ? json_string_value(p) : ""), ".", '/');
		if (*path == '/' && covers(path, pointer))
			return true;
	}
	return false;
}

static bool same_branch(const char *target, const char *branch)
{
	static const char heads[] = "refs/heads/";
	const char *plain = g_str_has_prefix(target, heads) ? target + strlen(heads) : target;
	return !*plain || strcmp(plain, "HEAD") == 0 || strcmp(plain, branch) == 0;
}

char *gitops_argo_obstacle(const json_t *app, const char *repository, const char *branch,
	const GitopsObject *o, const char *pointer)
{
	size_t index, i;
	const json_t *source = our_source(app, repository, &index);
	g_autofree char *reads = source ? redact_text(str(source, "repoURL")) : NULL;
	if (!source || !gitops_same_repository(str(source, "repoURL"), repository))
		return g_strdup_printf(
			"it reads %s, not %s", source ? reads : "other repositories", repository);
	if (!same_branch(str(source, "targetRevision"), branch))
		return g_strdup_printf(
			"it follows %s, not the branch %s", str(source, "targetRevision"), branch);
	json_t *rule;
	json_array_foreach (json_path(app, "spec.ignoreDifferences"), i, rule)
		if (ignores(rule, o, pointer))
			return g_strdup_printf("its ignoreDifferences cover %s of %s: a commit "
					       "would change nothing",
				pointer, o->kind);
	return NULL;
}

/* ---- Flux ---- */

/* "main@sha1:ID", or "main/ID" of older ones. */
static char *flux_commit(const char *revision)
{
	const char *colon = strrchr(revision, ':'), *slash = strrchr(revision, '/');
	const char *id = colon ? colon + 1 : slash ? slash + 1 : revision;
	return *id ? g_strdup(id) : NULL;
}

static const json_t *ready_condition(const json_t *k)
{
	size_t i;
	json_t *c;
	json_array_foreach (json_path(k, "status.conditions"), i, c)
		if (strcmp(str(c, "type"), "Ready") == 0)
			return c;
	return NULL;
}

/* The branch of a revision that is not ours; NULL: it is, or none is told. Caller frees. */
static char *flux_other_branch(const char *revision, const char *branch)
{
	const char *at = strchr(revision, '@'), *slash = strrchr(revision, '/');
	size_t n = at ? (size_t)(at - revision) : slash ? (size_t)(slash - revision) : 0;
	g_autofree char *told = g_strndup(revision, n);
	return n && !same_branch(told, branch) ? g_steal_pointer(&told) : NULL;
}

void gitops_flux(const json_t *k, const char *branch, Gitops *ret)
{
	*ret = (Gitops){ 0 };
	if (!k) {
		ret->verdict = GITOPS_STOPPED;
		ret->why = g_strdup("there is no such Flux Kustomization");
		return;
	}
	const json_t *ready = ready_condition(k);
	const char *status = str(ready, "status"), *name = str(k, "metadata.name");
	const char *applied = str(k, "status.lastAppliedRevision");
	g_autofree char *other = flux_other_branch(applied, branch);
	ret->revision = flux_commit(applied);
	if (other) {
		ret->verdict = GITOPS_STOPPED;
		ret->why = g_strdup_printf(
			"Flux Kustomization %s applies branch %s, not %s", name, other, branch);
	} else if (json_path_bool(k, "spec.suspend", false)) {
		ret->verdict = GITOPS_STOPPED;
		ret->why = g_strdup_printf("Flux Kustomization %s is suspended", name);
	} else if (strcmp(status, "True") == 0 && ret->revision) {
		ret->verdict = GITOPS_SYNCED;
		ret->why = g_strdup_printf(
			"Flux Kustomization %s stands at %.8s", name, ret->revision);
	} else if (strcmp(status, "False") == 0) {
		ret->verdict = GITOPS_STOPPED;
		ret->why = g_strdup_printf(
			"Flux Kustomization %s fails: %s", name, str(ready, "message"));
	} else {
		ret->verdict = GITOPS_BUSY;
		ret->why = g_strdup_printf("Flux Kustomization %s is being applied", name);
	}
}

/* ---- where the files lie ---- */

static char *plain_folder(const char *path)
{
	while (*path == '/' || (path[0] == '.' && (path[1] == '/' || !path[1])))
		path++;
	size_t n = strlen(path);
	while (n > 0 && path[n - 1] == '/')
		n--;
	return n ? g_strndup(path, n) : NULL;
}

char *gitops_argo_folder(const json_t *app, const char *repository)
{
	size_t index;
	const json_t *source = our_source(app, repository, &index);
	return plain_folder(source ? str(source, "path") : "");
}

char *gitops_flux_folder(const json_t *kustomization)
{
	return plain_folder(str(kustomization, "spec.path"));
}
