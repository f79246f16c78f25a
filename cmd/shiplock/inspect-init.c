#include "inspect-init.h"
#include "base/file.h"
#include "objects/version.h"
#include "plan/doc.h"
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

#define PLAN_NAME "first"

static const char *str(const json_t *v, const char *path)
{
	return json_path_str(v, path, "");
}

/* JSON is YAML: quotes and escapes mean the same. */
static void put_text(GString *s, const char *text)
{
	g_autoptr(json_t) v = json_string(text);
	char *quoted = json_dumps(v, JSON_ENCODE_ANY);
	g_string_append(s, quoted ? quoted : "\"\"");
	free(quoted);
}

/* In a comment nothing may begin a line of its own. */
static void put_comment(GString *s, const char *text)
{
	for (const char *p = text; *p; p++)
		g_string_append_c(s, g_ascii_iscntrl(*p) ? ' ' : *p);
}

static bool is_writable(const json_t *c)
{
	return strcmp(str(c, "provider"), "openshift") == 0 && *str(c, "version");
}

/* ---- clusters ---- */

static void put_actuator(GString *s, const json_t *c)
{
	if (!*str(c, "owner"))
		return;
	g_string_append(s, "  # ");
	put_comment(s, str(c, "owner"));
	g_string_append(s, " owns the version: until its repository is named here (type: git),\n"
			   "  # Shiplock writes nothing, judges and reports.\n"
			   "  actuator: {type: observe}\n");
}

static void put_telemetry(GString *s, const json_t *c)
{
	if (!*str(c, "telemetryUrl"))
		return;
	g_string_append(s,
		"  # Gates need telemetry, and hold without it. Put a token of a service "
		"account with the role\n"
		"  # cluster-monitoring-view into the file, and take the # away:\n"
		"  # telemetry: [{name: local, url: ");
	put_comment(s, str(c, "telemetryUrl"));
	g_string_append_printf(s, ", token: {file: /etc/shiplock/%s.token}}]\n", str(c, "name"));
}

static void put_cluster(GString *s, const json_t *c)
{
	g_string_append_printf(s, "---\n# OpenShift %s, %d nodes, ", str(c, "version"),
		(int)json_path_int(c, "nodes", 0));
	put_comment(s, str(c, "server"));
	g_string_append_printf(s,
		"\napiVersion: " DOC_API_VERSION "\nkind: Cluster\nmetadata: {name: %s}\n"
		"spec:\n  provider: openshift\n  access:\n    kubeconfig: {file: ",
		str(c, "name"));
	put_text(s, str(c, "kubeconfig"));
	g_string_append(s, "}\n    context: ");
	put_text(s, str(c, "context"));
	g_string_append_c(s, '\n');
	put_actuator(s, c);
	put_telemetry(s, c);
}

/* ---- the plan ---- */

/* Whether the cluster is at the version, or may go there in one recommended step; ret_back: with a
 * way back. */
static bool can_be_at(const json_t *c, const char *version, bool *ret_back)
{
	size_t i;
	json_t *u;
	*ret_back = true;
	if (strcmp(str(c, "version"), version) == 0)
		return true;
	json_array_foreach (json_object_get(c, "updates"), i, u)
		if (strcmp(str(u, "version"), version) == 0) {
			*ret_back = strcmp(str(u, "rollback"), "T2") == 0;
			return json_path_bool(u, "recommended", false);
		}
	return false;
}

/* Ways back count before ways there: the first plan is one that can be undone. */
static int score(const json_t *clusters, const char *version)
{
	size_t i;
	json_t *c;
	int n = 0, n_back = 0;
	json_array_foreach (clusters, i, c) {
		bool back = false;
		if (is_writable(c) && can_be_at(c, version, &back)) {
			n++;
			n_back += back;
		}
	}
	return n_back * 1000 + n;
}

static void consider(const json_t *clusters, const char *version, const char **best)
{
	int a = score(clusters, version), b = *best ? score(clusters, *best) : 0;
	if (a > b || (a == b && version_compare_text(version, *best) > 0))
		*best = version;
}

/* The version to which most of them can go, and come back; among equals the newest. Borrowed. */
static const char *choose_target(const json_t *clusters)
{
	const char *best = NULL;
	size_t i, k;
	json_t *c, *u;
	json_array_foreach (clusters, i, c) {
		if (!is_writable(c))
			continue;
		consider(clusters, str(c, "version"), &best);
		json_array_foreach (json_object_get(c, "updates"), k, u)
			if (json_path_bool(u, "recommended", false))
				consider(clusters, str(u, "version"), &best);
	}
	return best;
}

static bool sounds_like_a_test(const char *name)
{
	static const char *const words[] = { "test", "stag", "dev", "lab", "canary", "sandbox" };
	for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
		if (strstr(name, words[i]))
			return true;
	return false;
}

/* Whom one would miss least: by its name, else by its size. */
static bool is_better_canary(const json_t *a, const json_t *b)
{
	bool x = sounds_like_a_test(str(a, "name")), y = sounds_like_a_test(str(b, "name"));
	return x != y ? x : json_path_int(a, "nodes", 0) < json_path_int(b, "nodes", 0);
}

static const json_t *choose_canary(const json_t *clusters, const char *version)
{
	const json_t *best = NULL;
	size_t i;
	json_t *c;
	bool back;
	json_array_foreach (clusters, i, c)
		if (is_writable(c) && can_be_at(c, version, &back) &&
			(!best || is_better_canary(c, best)))
			best = c;
	return best;
}

static void put_rest(GString *s, const json_t *clusters, const json_t *canary, const char *version)
{
	g_autoptr(GString) names = g_string_new("");
	size_t i;
	json_t *c;
	bool back;
	json_array_foreach (clusters, i, c)
		if (c != canary && is_writable(c) && can_be_at(c, version, &back))
			g_string_append_printf(
				names, "%s%s", names->len ? ", " : "", str(c, "name"));
	if (names->len)
		g_string_append_printf(
			s, "    - name: rest\n      clusters: {names: [%s]}\n", names->str);
	json_array_foreach (clusters, i, c)
		if (!is_writable(c) || !can_be_at(c, version, &back))
			g_string_append_printf(s, "    # not %s: %s\n", str(c, "name"),
				is_writable(c) ? "it cannot go there in one recommended step"
					       : "it was not read, or is no OpenShift cluster");
}

static char *plan_text(const json_t *report)
{
	const json_t *clusters = json_object_get(report, "clusters");
	const char *version = choose_target(clusters);
	const json_t *canary = choose_canary(clusters, version);
	g_autoptr(GString) s = g_string_new("");
	g_string_append_printf(s,
		"apiVersion: " DOC_API_VERSION "\nkind: UpgradePlan\nmetadata: {name: " PLAN_NAME
		"}\nspec:\n"
		"  # A controller begins nothing of this plan before it says active.\n"
		"  state: suspended\n"
		"  # Where most of the clusters can go in one recommended step, and come back "
		"from.\n"
		"  target: {version: %s}\n"
		"  waves:\n"
		"    # The cluster that would be missed least, judged by name and size: please "
		"check.\n"
		"    - name: canary\n      clusters: {names: [%s]}\n",
		version, str(canary, "name"));
	put_rest(s, clusters, canary, version);
	return g_string_free(g_steal_pointer(&s), false);
}

/* ---- writing ---- */

static bool write_new(const char *dir, const char *name, const char *text, GError **err)
{
	g_autofree char *path = g_build_filename(dir, name, NULL);
	if (g_file_test(path, G_FILE_TEST_EXISTS))
		return sl_fail(
			err, SL_ERR_REFUSED, "%s: is there already, and is left as it is", path);
	return sl_write_file(path, text, strlen(text), 0644, err);
}

static bool write_documents(const char *dir, const json_t *report, GError **err)
{
	g_autofree char *plans = g_build_filename(dir, "plans", NULL);
	g_autofree char *plan = plan_text(report);
	g_autoptr(GString) clusters = g_string_new("# Written by shiplock inspect.\n");
	size_t i;
	json_t *c;
	json_array_foreach (json_object_get(report, "clusters"), i, c)
		if (is_writable(c))
			put_cluster(clusters, c);
	if (g_mkdir_with_parents(plans, 0755) < 0)
		return sl_fail(
			err, SL_ERR_REFUSED, "%s: cannot be made: %s", plans, g_strerror(errno));
	return write_new(plans, "clusters.yaml", clusters->str, err) &&
	       write_new(plans, PLAN_NAME ".yaml", plan, err);
}

static bool any_writable(const json_t *report)
{
	size_t i;
	json_t *c;
	json_array_foreach (json_object_get(report, "clusters"), i, c)
		if (is_writable(c))
			return true;
	return false;
}

int inspect_init(const Args *a, const json_t *report, int code)
{
	g_autoptr(GError) err = NULL;
	if (!any_writable(report))
		return cli_fail(a, EXIT_FAILED,
			"no document is written: none of the clusters is OpenShift and readable",
			NULL);
	if (!write_documents(a->init, report, &err))
		return cli_fail(a, EXIT_FAILED, err->message, "--init with another folder");
	fprintf(a->json ? stderr : stdout,
		"\nwritten: %s/plans/clusters.yaml, %s/plans/" PLAN_NAME ".yaml\n"
		"try: shiplock check %s, then shiplock plan " PLAN_NAME " %s\n",
		a->init, a->init, a->init, a->init);
	return code;
}
