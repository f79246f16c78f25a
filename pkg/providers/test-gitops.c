#include "objects/time.h"
#include "providers/gitops.h"
#include <string.h>

#define REPO "https://git.example/site/config.git"
#define REV "0123456789abcdef0123456789abcdef01234567"
#define APP(spec, status)                                                                          \
	"{'metadata': {'name': 'prod'}, 'spec': {'source': {'repoURL': '" REPO                     \
	"', 'targetRevision': 'main'}, 'destination': {'server': 'https://api.prod', "             \
	"'namespace': 'default'}" spec "}, 'status': {" status "}}"
#define HEALS ", 'syncPolicy': {'automated': {'selfHeal': true}}"
#define SYNC(status) "'sync': {'status': '" status "', 'revision': '" REV "'}"
#define OURS(status)                                                                               \
	", 'resources': [{'group': 'apps', 'kind': 'Deployment', 'name': 'x', 'status': "          \
	"'OutOfSync'}, {'group': 'config.openshift.io', 'kind': 'ClusterVersion', 'name': "        \
	"'version', 'status': '" status "'}]"
#define OP(phase, revision)                                                                        \
	", 'operationState': {'phase': '" phase                                                    \
	"', 'message': 'one or more objects failed to apply', 'syncResult': {'revision': "         \
	"'" revision "'}}"
#define WINDOWS(list) "{'spec': {'syncWindows': [" list "]}}"
/* 2026-11-20 was a Friday. */
#define NOW "2026-11-20T23:30:00Z"

static const GitopsObject cv = { "config.openshift.io", "ClusterVersion", "version" };

static json_t *parse(const char *text)
{
	if (!text)
		return NULL;
	g_autofree char *json = g_strdelimit(g_strdup(text), "'", '"');
	json_t *v = json_loads(json, 0, NULL);
	g_assert_nonnull(v);
	return v;
}

static const struct {
	const char *what, *app, *project;
	GitopsVerdict verdict;
	const char *why;
} argo[] = {
	{ "in sync", APP(HEALS, SYNC("Synced") OURS("Synced")), NULL, GITOPS_SYNCED,
		"Argo CD application prod is Synced at 01234567" },
	{ "in sync, though another object is not", APP(HEALS, SYNC("OutOfSync") OURS("Synced")),
		NULL, GITOPS_SYNCED, "Argo CD application prod is Synced at 01234567" },
	{ "no list of objects: the whole counts", APP(HEALS, SYNC("OutOfSync")), NULL, GITOPS_BUSY,
		"Argo CD application prod is OutOfSync at 01234567" },
	{ "our object is not", APP(HEALS, SYNC("OutOfSync") OURS("OutOfSync")), NULL, GITOPS_BUSY,
		"Argo CD application prod is OutOfSync at 01234567" },
	{ "a sync is running", APP(HEALS, SYNC("Synced") OURS("Synced") OP("Running", REV)), NULL,
		GITOPS_BUSY, "Argo CD application prod is Synced at 01234567, a sync is running" },
	{ "its sync failed", APP(HEALS, SYNC("OutOfSync") OURS("OutOfSync") OP("Failed", REV)),
		NULL, GITOPS_STOPPED,
		"Argo CD application prod is OutOfSync at 01234567; its sync failed: one or more "
		"objects failed to apply" },
	{ "an earlier revision failed",
		APP(HEALS, SYNC("OutOfSync") OURS("OutOfSync") OP("Failed", "feed")), NULL,
		GITOPS_BUSY, "Argo CD application prod is OutOfSync at 01234567" },
	{ "its source does not build: it has no commit in view",
		APP(HEALS, "'sync': {'status': 'Unknown', 'revision': 'main'}, 'conditions': "
			   "[{'type': 'ComparisonError', 'message': 'Failed to load target'}]"),
		NULL, GITOPS_STOPPED,
		"Argo CD application prod is Unknown at nothing; it reports: Failed to load "
		"target" },
	{ "nobody syncs it", APP("", SYNC("OutOfSync") OURS("OutOfSync")), NULL, GITOPS_STOPPED,
		"Argo CD application prod is OutOfSync at 01234567; its automatic sync is off: a "
		"person syncs it, or turns it on" },
	{ "turned off", APP(", 'syncPolicy': {'automated': {'enabled': false}}", SYNC("OutOfSync")),
		NULL, GITOPS_STOPPED,
		"Argo CD application prod is OutOfSync at 01234567; its automatic sync is off: a "
		"person syncs it, or turns it on" },
	{ "it cannot compare",
		APP(HEALS, "'sync': {'status': 'Unknown'}, 'conditions': [{'type': "
			   "'ComparisonError', 'message': 'no such path'}]"),
		NULL, GITOPS_STOPPED,
		"Argo CD application prod is Unknown at nothing; it reports: no such path" },
	{ "never looked at", APP(HEALS, ""), NULL, GITOPS_BUSY,
		"Argo CD application prod is not compared yet at nothing" },
	{ "there is none", NULL, NULL, GITOPS_STOPPED, "there is no such Argo CD application" },
	{ "denied by a window", APP(HEALS, SYNC("OutOfSync") OURS("OutOfSync")),
		WINDOWS("{'kind': 'deny', 'schedule': '0 22 * * *', 'duration': '4h', "
			"'applications': ['*']}"),
		GITOPS_STOPPED,
		"Argo CD application prod is OutOfSync at 01234567; a sync window denies it: \"0 "
		"22 "
		"* * *\" for 4h" },
	{ "in sync inside a window that denies", APP(HEALS, SYNC("Synced") OURS("Synced")),
		WINDOWS("{'kind': 'deny', 'schedule': '0 22 * * *', 'duration': '4h', "
			"'applications': ['*']}"),
		GITOPS_SYNCED,
		"Argo CD application prod is Synced at 01234567; a sync window denies it: \"0 22 * "
		"* *\" for 4h" },
};

static void test_argo(void)
{
	int64_t now = 0;
	g_assert_true(sl_time_parse(NOW, &now));
	for (size_t i = 0; i < G_N_ELEMENTS(argo); i++) {
		g_test_message("%s", argo[i].what);
		g_autoptr(json_t) app = parse(argo[i].app), project = parse(argo[i].project);
		g_auto(Gitops) g = { 0 };
		gitops_argo(app, project, REPO, &cv, now, &g);
		g_assert_cmpstr(g.why, ==, argo[i].why);
		g_assert_cmpint(g.verdict, ==, argo[i].verdict);
		g_assert_true(!g.revision || strcmp(g.revision, REV) == 0);
	}
}

static void test_argo_details(void)
{
	g_autoptr(json_t) app = parse(
		"{'metadata': {'name': 'prod', 'annotations': {'argocd.argoproj.io/refresh': "
		"'normal'}}, 'spec': {'sources': [{'repoURL': 'https://git.example/charts'}, "
		"{'repoURL': '" REPO "', 'targetRevision': 'HEAD'}]}, 'status': {'reconciledAt': "
		"'2026-11-20T10:00:00Z', 'sync': {'status': 'Synced', 'revisions': ['aa', '" REV
		"']}}}");
	g_auto(Gitops) g = { 0 };
	gitops_argo(app, NULL, "git@git.example:site/config", &cv, 0, &g);
	g_assert_cmpstr(g.revision, ==, REV);
	g_assert_cmpstr(g.looked, ==, "2026-11-20T10:00:00Z");
	g_assert_true(g.asked);
}

/* ---- windows ---- */

#define NIGHT "'schedule': '0 22 * * *', 'duration': '4h'"
#define NOON "'schedule': '0 12 * * *', 'duration': '1h'"
static const struct {
	const char *what, *windows, *want; /* NULL: it may sync */
} windows[] = {
	{ "none", "", NULL },
	{ "another application's", "{'kind': 'deny', " NIGHT ", 'applications': ['edu-*']}", NULL },
	{ "by name", "{'kind': 'deny', " NIGHT ", 'applications': ['pro*']}",
		"a sync window denies it: \"0 22 * * *\" for 4h" },
	{ "by cluster", "{'kind': 'deny', " NIGHT ", 'clusters': ['https://api.prod']}",
		"a sync window denies it: \"0 22 * * *\" for 4h" },
	{ "by namespace", "{'kind': 'deny', " NIGHT ", 'namespaces': ['def*']}",
		"a sync window denies it: \"0 22 * * *\" for 4h" },
	{ "all lists must match",
		"{'kind': 'deny', " NIGHT ", 'andOperator': true, 'applications': ['prod'], "
		"'clusters': ['https://api.edu']}",
		NULL },
	{ "any list may match",
		"{'kind': 'deny', " NIGHT
		", 'applications': ['prod'], 'clusters': ['https://api.edu']}",
		"a sync window denies it: \"0 22 * * *\" for 4h" },
	{ "a deny that is over", "{'kind': 'deny', " NOON ", 'applications': ['*']}", NULL },
	{ "an allow that is not now", "{'kind': 'allow', " NOON ", 'applications': ['*']}",
		"its sync window is closed: \"0 12 * * *\" for 1h" },
	{ "an allow that is now", "{'kind': 'allow', " NIGHT ", 'applications': ['*']}", NULL },
	{ "one of two allows is now",
		"{'kind': 'allow', " NOON ", 'applications': ['*']}, {'kind': 'allow', " NIGHT
		", 'applications': ['*']}",
		NULL },
	{ "deny beats allow",
		"{'kind': 'allow', " NIGHT ", 'applications': ['*']}, {'kind': 'deny', " NIGHT
		", 'applications': ['*']}",
		"a sync window denies it: \"0 22 * * *\" for 4h" },
	{ "in its zone",
		"{'kind': 'deny', 'schedule': '0 18 * * *', 'duration': '1h', 'timeZone': "
		"'America/New_York', 'applications': ['*']}",
		"a sync window denies it: \"0 18 * * *\" for 1h America/New_York" },
	{ "one that cannot be read",
		"{'kind': 'deny', 'schedule': 'at night', 'duration': '1h', 'applications': "
		"['*']}",
		"a sync window cannot be read, so nothing syncs: \"at night\" for 1h" },
};

static void test_windows(void)
{
	int64_t now = 0;
	g_assert_true(sl_time_parse(NOW, &now));
	g_autoptr(json_t) app = parse(APP(HEALS, ""));
	for (size_t i = 0; i < G_N_ELEMENTS(windows); i++) {
		g_test_message("%s", windows[i].what);
		g_autofree char *text =
			g_strdup_printf("{'spec': {'syncWindows': [%s]}}", windows[i].windows);
		g_autoptr(json_t) project = parse(text);
		g_autofree char *why = gitops_argo_window(app, project, now);
		g_assert_cmpstr(why, ==, windows[i].want);
	}
	g_assert_null(gitops_argo_window(app, NULL, now));
}

/* ---- what could never work ---- */

#define SOURCE(url, revision)                                                                      \
	"{'metadata': {'name': 'prod'}, 'spec': {'source': {'repoURL': '" url                      \
	"', 'targetRevision': '" revision "'}}}"
#define IGNORES(rule)                                                                              \
	"{'spec': {'source': {'repoURL': '" REPO "'}, 'ignoreDifferences': [{" rule "}]}}"
#define IGNORED                                                                                    \
	"its ignoreDifferences cover /spec/desiredUpdate of ClusterVersion: a commit would "       \
	"change nothing"
static const struct {
	const char *what, *app, *want;
} obstacles[] = {
	{ "as it should be", SOURCE(REPO, "main"), NULL },
	{ "the server's own branch", SOURCE(REPO, "HEAD"), NULL },
	{ "a full name", SOURCE(REPO, "refs/heads/main"), NULL },
	{ "by ssh", SOURCE("git@git.example:site/config.git", "main"), NULL },
	{ "another branch", SOURCE(REPO, "stable"), "it follows stable, not the branch main" },
	{ "another repository", SOURCE("https://git.example/site/apps", "main"),
		"it reads https://git.example/site/apps, not " REPO },
	{ "another repository, its password in the URL",
		SOURCE("https://bot:hunter2@git.example/site/apps", "main"),
		"it reads https://[redacted]@git.example/site/apps, not " REPO },
	{ "the field is ignored",
		IGNORES("'group': 'config.openshift.io', 'kind': 'ClusterVersion', "
			"'jsonPointers': ['/spec/desiredUpdate']"),
		IGNORED },
	{ "what holds the field is ignored",
		IGNORES("'group': '*', 'kind': '*', 'jsonPointers': ['/spec']"), IGNORED },
	{ "a part of the field is ignored",
		IGNORES("'group': 'config.openshift.io', 'kind': 'ClusterVersion', "
			"'jqPathExpressions': ['.spec.desiredUpdate.image']"),
		IGNORED },
	{ "another field is ignored",
		IGNORES("'group': 'config.openshift.io', 'kind': 'ClusterVersion', "
			"'jsonPointers': ['/spec/channel', '/spec/desired']"),
		NULL },
	{ "another kind is ignored",
		IGNORES("'group': 'apps', 'kind': 'Deployment', 'jsonPointers': ['/spec']"), NULL },
	{ "another name is ignored",
		IGNORES("'group': 'config.openshift.io', 'kind': 'ClusterVersion', 'name': "
			"'other', 'jsonPointers': ['/spec']"),
		NULL },
};

static void test_obstacles(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(obstacles); i++) {
		g_test_message("%s", obstacles[i].what);
		g_autoptr(json_t) app = parse(obstacles[i].app);
		g_autofree char *why =
			gitops_argo_obstacle(app, REPO, "main", &cv, "/spec/desiredUpdate");
		g_assert_cmpstr(why, ==, obstacles[i].want);
	}
}

/* ---- Flux ---- */

#define KUSTOMIZATION(spec, status)                                                                \
	"{'metadata': {'name': 'clusters'}, 'spec': {" spec "}, 'status': {" status "}}"
#define READY(status)                                                                              \
	"'conditions': [{'type': 'Ready', 'status': '" status "', 'message': 'build failed'}]"
static const struct {
	const char *what, *object;
	GitopsVerdict verdict;
	const char *revision, *why;
} flux[] = {
	{ "applied",
		KUSTOMIZATION("", READY("True") ", 'lastAppliedRevision': 'main@sha1:" REV "'"),
		GITOPS_SYNCED, REV, "Flux Kustomization clusters stands at 01234567" },
	{ "applied, as older ones write it",
		KUSTOMIZATION("", READY("True") ", 'lastAppliedRevision': 'main/" REV "'"),
		GITOPS_SYNCED, REV, "Flux Kustomization clusters stands at 01234567" },
	{ "suspended", KUSTOMIZATION("'suspend': true", READY("True")), GITOPS_STOPPED, NULL,
		"Flux Kustomization clusters is suspended" },
	{ "failed",
		KUSTOMIZATION("", READY("False") ", 'lastAppliedRevision': 'main@sha1:" REV "'"),
		GITOPS_STOPPED, REV, "Flux Kustomization clusters fails: build failed" },
	{ "under way", KUSTOMIZATION("", READY("Unknown")), GITOPS_BUSY, NULL,
		"Flux Kustomization clusters is being applied" },
	{ "there is none", NULL, GITOPS_STOPPED, NULL, "there is no such Flux Kustomization" },
	{ "another branch",
		KUSTOMIZATION("", READY("True") ", 'lastAppliedRevision': 'stable@sha1:" REV "'"),
		GITOPS_STOPPED, REV,
		"Flux Kustomization clusters applies branch stable, not main" },
	{ "another branch, as older ones write it",
		KUSTOMIZATION("", READY("True") ", 'lastAppliedRevision': 'stable/" REV "'"),
		GITOPS_STOPPED, REV,
		"Flux Kustomization clusters applies branch stable, not main" },
	{ "the branch in full",
		KUSTOMIZATION("", READY("True") ", 'lastAppliedRevision': "
						"'refs/heads/main@sha1:" REV "'"),
		GITOPS_SYNCED, REV, "Flux Kustomization clusters stands at 01234567" },
};

static void test_flux(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(flux); i++) {
		g_test_message("%s", flux[i].what);
		g_autoptr(json_t) k = parse(flux[i].object);
		g_auto(Gitops) g = { 0 };
		gitops_flux(k, "main", &g);
		g_assert_cmpint(g.verdict, ==, flux[i].verdict);
		g_assert_cmpstr(g.revision, ==, flux[i].revision);
		g_assert_cmpstr(g.why, ==, flux[i].why);
	}
}

/* ---- words ---- */

static void test_repositories(void)
{
	static const struct {
		const char *a, *b;
		bool same;
	} rows[] = {
		{ "https://git.example/site/config", "https://git.example/site/config.git", true },
		{ "https://git.example/site/config/", "git@git.example:site/config.git", true },
		{ "ssh://git@git.example:2222/site/config", "https://Git.Example/site/config",
			true },
		{ "https://user@git.example/site/config", "https://git.example/site/config", true },
		{ "http://127.0.0.1:8080/a.git", "http://127.0.0.1:8080/a.git", true },
		{ "https://git.example/site/config", "https://git.example/site/apps", false },
		{ "https://git.example/site/config", "https://other.example/site/config", false },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
		g_assert_cmpint(gitops_same_repository(rows[i].a, rows[i].b), ==, rows[i].same);
}

static void test_durations(void)
{
	static const struct {
		const char *text;
		int64_t sec; /* -1: not one */
	} rows[] = { { "1h", 3600 }, { "1h30m", 5400 }, { "90m", 5400 }, { "45s", 45 }, { "", -1 },
		{ "1", -1 }, { "h", -1 }, { "1d", -1 }, { "10ms", -1 }, { "1h 30m", -1 } };
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		int64_t sec = -1;
		g_assert_cmpint(gitops_go_duration(rows[i].text, &sec), ==, rows[i].sec >= 0);
		g_assert_cmpint(sec, ==, rows[i].sec);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/gitops/argo", test_argo);
	g_test_add_func("/gitops/argo-details", test_argo_details);
	g_test_add_func("/gitops/windows", test_windows);
	g_test_add_func("/gitops/obstacles", test_obstacles);
	g_test_add_func("/gitops/flux", test_flux);
	g_test_add_func("/gitops/repositories", test_repositories);
	g_test_add_func("/gitops/durations", test_durations);
	return g_test_run();
}
