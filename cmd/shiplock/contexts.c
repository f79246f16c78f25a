#include "contexts.h"
#include <string.h>

enum { LABEL_MAX = 63 };

/* ---- files ---- */

static void add_list(GPtrArray *paths, const char *list)
{
	g_auto(GStrv) parts = g_strsplit(list, ":", -1);
	for (size_t i = 0; parts[i]; i++)
		if (*parts[i] && g_file_test(parts[i], G_FILE_TEST_EXISTS))
			g_ptr_array_add(paths, g_canonicalize_filename(parts[i], NULL));
}

static GPtrArray *files_of(const Args *a, GError **err)
{
	g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
	const char *env = g_getenv("KUBECONFIG");
	for (size_t i = 0; i < a->kubeconfigs.n; i++)
		g_ptr_array_add(paths, g_canonicalize_filename(a->kubeconfigs.items[i], NULL));
	if (paths->len == 0 && env && *env)
		add_list(paths, env);
	else if (paths->len == 0)
		g_ptr_array_add(paths, g_build_filename(g_get_home_dir(), ".kube", "config", NULL));
	if (paths->len > 0)
		return g_steal_pointer(&paths);
	sl_fail(err, SL_ERR_NOT_FOUND, "KUBECONFIG names no file that is there: %s", env);
	return NULL;
}

/* ---- names ---- */

/* "default/api-ocp-prod-example-org:6443/kube:admin", as `oc login` names contexts, is about
 * ocp-prod-example-org. */
static char *short_name(const char *context)
{
	const char *slash = strchr(context, '/');
	if (!slash)
		return g_strdup(context);
	const char *host = slash + 1;
	if (g_str_has_prefix(host, "api-"))
		host += strlen("api-");
	return g_strndup(host, strcspn(host, ":/"));
}

static char *label_of(const char *context)
{
	g_autofree char *text = short_name(context);
	g_autoptr(GString) s = g_string_new("");
	for (const char *p = text; *p && s->len < LABEL_MAX - 4; p++)
		g_string_append_c(s, g_ascii_isalnum(*p) ? g_ascii_tolower(*p) : '-');
	while (s->len && s->str[s->len - 1] == '-')
		g_string_truncate(s, s->len - 1);
	while (s->len && s->str[0] == '-')
		g_string_erase(s, 0, 1);
	return s->len ? g_string_free(g_steal_pointer(&s), false) : g_strdup("cluster");
}

static bool has(const json_t *list, const char *field, const char *value)
{
	size_t i;
	json_t *e;
	json_array_foreach (list, i, e)
		if (strcmp(json_path_str(e, field, ""), value) == 0)
			return true;
	return false;
}

static char *unique_label(const json_t *list, const char *context)
{
	char *label = label_of(context);
	for (int n = 2; has(list, "name", label); n++) {
		g_free(label);
		g_autofree char *base = label_of(context);
		label = g_strdup_printf("%s-%d", base, n);
	}
	return label;
}

/* ---- contexts ---- */

static const json_t *named(const json_t *doc, const char *list, const char *name)
{
	size_t i;
	json_t *e;
	json_array_foreach (json_object_get(doc, list), i, e)
		if (strcmp(json_path_str(e, "name", ""), name) == 0)
			return e;
	return NULL;
}

static const char *server_of(const json_t *doc, const char *context)
{
	const char *cluster = json_path_str(named(doc, "contexts", context), "context.cluster", "");
	return json_path_str(named(doc, "clusters", cluster), "cluster.server", "");
}

static void add(json_t *out, const json_t *doc, const char *file, const char *context)
{
	g_autofree char *label = unique_label(out, context);
	json_array_append_new(
		out, json_pack("{s:s, s:s, s:s, s:s}", "name", label, "context", context,
			     "kubeconfig", file, "server", server_of(doc, context)));
}

/* One for each server: `oc` makes a context for every project. */
static void add_all(json_t *out, const json_t *doc, const char *file)
{
	const char *current = json_path_str(doc, "current-context", "");
	size_t i;
	json_t *c;
	if (named(doc, "contexts", current) && !has(out, "server", server_of(doc, current)))
		add(out, doc, file, current);
	json_array_foreach (json_object_get(doc, "contexts"), i, c) {
		const char *name = json_path_str(c, "name", "");
		if (*name && !has(out, "server", server_of(doc, name)))
			add(out, doc, file, name);
	}
}

static bool add_wanted(
	json_t *out, const Args *a, const GPtrArray *files, const GPtrArray *docs, GError **err)
{
	for (size_t i = 0; i < a->contexts.n; i++) {
		const char *want = a->contexts.items[i];
		unsigned k = 0;
		while (k < docs->len && !named(docs->pdata[k], "contexts", want))
			k++;
		if (k == docs->len)
			return sl_fail(err, SL_ERR_NOT_FOUND, "%s: there is no context %s in %s",
				(char *)files->pdata[0], want,
				files->len > 1 ? "it, nor in the others" : "it");
		if (!has(out, "context", want))
			add(out, docs->pdata[k], files->pdata[k], want);
	}
	return true;
}

static void unref(void *p)
{
	json_decref(p);
}

json_t *contexts_find(const Args *a, Connect *c, GError **err)
{
	g_autoptr(GPtrArray) files = files_of(a, err);
	g_autoptr(GPtrArray) docs = g_ptr_array_new_with_free_func(unref);
	g_autoptr(json_t) out = json_array();
	for (unsigned i = 0; files && i < files->len; i++) {
		json_t *doc = connect_kubeconfig(c, files->pdata[i], err);
		if (!doc)
			return NULL;
		g_ptr_array_add(docs, doc);
		if (a->contexts.n == 0)
			add_all(out, doc, files->pdata[i]);
	}
	if (!files || !add_wanted(out, a, files, docs, err))
		return NULL;
	if (json_array_size(out) > 0)
		return g_steal_pointer(&out);
	sl_fail(err, SL_ERR_NOT_FOUND, "%s: names no context", (char *)files->pdata[0]);
	return NULL;
}
