/* What the API server shows when a hop begins, noted, and what of it has changed when it is to be
 * taken back: kinds that the older version does not serve, definitions whose stored version moved.
 * Neither bars the way back; both are said. */
#include "providers/kubeadm-ready.h"
#include "providers/preflight.h"
#include <string.h>

enum { NAMED_MAX = 3 };

/* Kinds of the server itself: "apps/v1", "policy/v1", "resource.k8s.io/v1". Others are
 * CustomResourceDefinitions or aggregated, and the same before and after. */
static bool is_builtin(const char *group_version)
{
	const char *slash = strchr(group_version, '/');
	g_autofree char *group =
		g_strndup(group_version, slash ? (size_t)(slash - group_version) : 0);
	return slash && (!strchr(group, '.') || g_str_has_suffix(group, ".k8s.io"));
}

static json_t *builtin(const json_t *served)
{
	json_t *out = json_object(), *list;
	const char *gv;
	json_object_foreach ((json_t *)served, gv, list)
		if (is_builtin(gv) && json_is_array(list))
			json_object_set(out, gv, list);
	return out;
}

static json_t *definitions(const json_t *crds)
{
	json_t *out = json_object(), *c;
	size_t i;
	json_array_foreach (crds, i, c)
		json_object_set_new(out, json_path_str(c, "name", "?"),
			json_pack("{s:O?, s:O?}", "stored", json_object_get(c, "stored"), "storage",
				json_object_get(c, "storage")));
	return out;
}

bool kubeadm_picture(Item *it, json_t **ret)
{
	g_autoptr(json_t) nobody_reads = json_array();
	const View *served, *crds;
	bool all = provider_settled(it, &fact_served, KUBEADM_SERVED, true, &served, nobody_reads);
	all = provider_settled(it, &fact_crds, KUBEADM_CRDS, true, &crds, nobody_reads) && all;
	if (!all)
		return false;
	json_t *out = json_object();
	if (served)
		json_object_set_new(
			out, "served", builtin(json_object_get(served->json, "served")));
	if (crds)
		json_object_set_new(out, "crds", definitions(json_object_get(crds->json, "crds")));
	*ret = out;
	return true;
}

/* ---- what changed ---- */

static bool has(const json_t *list, const char *word)
{
	size_t i;
	json_t *w;
	json_array_foreach (list, i, w)
		if (g_strcmp0(json_string_value(w), word) == 0)
			return true;
	return false;
}

/* A definition that came since in a group of this ending is no kind of the server's own. */
static bool is_defined(const json_t *crds, const char *resource, const char *group)
{
	g_autofree char *name = g_strdup_printf("%s.%s", resource, group);
	size_t i;
	json_t *c;
	json_array_foreach (crds, i, c)
		if (strcmp(json_path_str(c, "name", ""), name) == 0)
			return true;
	return false;
}

/* Served in whatever version before: its objects are seen by the older one too. */
static bool was_served(const json_t *before, const char *group, const char *resource)
{
	const char *gv;
	json_t *list;
	size_t n = strlen(group);
	json_object_foreach ((json_t *)before, gv, list)
		if (strncmp(gv, group, n) == 0 && gv[n] == '/' && has(list, resource))
			return true;
	return false;
}

/* One kind that was not there before, with its number of objects. False: not read. */
static bool add_new(Item *it, const char *gv, const char *resource, json_t *out)
{
	g_autoptr(json_t) nobody_reads = json_array();
	const char *slash = strchr(gv, '/');
	g_autofree char *path = g_strdup_printf("/apis/%s/%s", gv, resource);
	const View *v;
	if (!provider_settled(it, &fact_count, path, true, &v, nobody_reads))
		return false;
	json_int_t n = v && !v->missing ? json_path_int(v->json, "count", 0) : 0;
	if (n > 0)
		json_array_append_new(
			out, json_pack("{s:o, s:I}", "what",
				     json_sprintf("%s.%.*s", resource, (int)(slash - gv), gv),
				     "count", n));
	return true;
}

static bool add_group(Item *it, const char *gv, const json_t *list, const json_t *before,
	const json_t *crds, json_t *out)
{
	g_autofree char *group = g_strndup(gv, strcspn(gv, "/"));
	bool all = true;
	size_t i;
	json_t *r;
	json_array_foreach (list, i, r) {
		const char *resource = json_string_value(r);
		if (!strchr(resource, '/') && !was_served(before, group, resource) &&
			!is_defined(crds, resource, group))
			all = add_new(it, gv, resource, out) && all;
	}
	return all;
}

/* By the picture. False: not read. */
static bool hidden_since(Item *it, const json_t *before, json_t **ret)
{
	g_autoptr(json_t) nobody_reads = json_array(), out = json_array(), now = NULL;
	const View *served, *crds;
	const char *gv;
	json_t *list;
	bool all = provider_settled(it, &fact_served, KUBEADM_SERVED, true, &served, nobody_reads);
	all = provider_settled(it, &fact_crds, KUBEADM_CRDS, true, &crds, nobody_reads) && all;
	if (!all)
		return false;
	now = builtin(served ? json_object_get(served->json, "served") : NULL);
	json_object_foreach (now, gv, list)
		all = add_group(it, gv, list, before,
			      crds ? json_object_get(crds->json, "crds") : NULL, out) &&
		      all;
	if (all)
		*ret = g_steal_pointer(&out);
	return all;
}

static void say_hidden(const json_t *list, const char *from, GString *s)
{
	size_t i;
	json_t *h;
	json_array_foreach (list, i, h)
		g_string_append_printf(s,
			"; leaves %d %s hidden, which %s does not serve: delete them first, or "
			"accept that",
			(int)json_path_int(h, "count", 0), json_path_str(h, "what", "?"), from);
}

static bool say_definitions(Item *it, const json_t *before, GString *s)
{
	g_autoptr(json_t) nobody_reads = json_array();
	const View *v;
	size_t i, n = 0;
	json_t *c;
	if (!provider_settled(it, &fact_crds, KUBEADM_CRDS, true, &v, nobody_reads))
		return false;
	json_array_foreach (v ? json_object_get(v->json, "crds") : NULL, i, c) {
		const char *name = json_path_str(c, "name", "?");
		const json_t *was = json_object_get(before, name);
		if (was &&
			json_equal(json_object_get(was, "stored"), json_object_get(c, "stored")) &&
			json_equal(json_object_get(was, "storage"), json_object_get(c, "storage")))
			continue;
		if (++n <= NAMED_MAX)
			g_string_append_printf(s, "%s %s%s", n == 1 ? "; leaves" : ",", name,
				was ? " with another stored version" : " (new)");
	}
	if (n > NAMED_MAX)
		g_string_append_printf(s, " and %zu more", n - NAMED_MAX);
	if (n > 0)
		g_string_append(s, " as CustomResourceDefinition");
	return true;
}

bool kubeadm_leaves(Item *it, const json_t *hop, const char *now, GString *s)
{
	const json_t *picture = json_object_get(item_memo(it), "picture");
	const char *from = json_path_str(hop, "from", "");
	const json_t *served = json_object_get(picture, "served"),
		     *crds = json_object_get(picture, "crds");
	json_t *list = NULL;
	bool read = json_object_size(served) > 0 ? hidden_since(it, served, &list)
						 : kubeadm_hidden(it, now, from, &list);
	if (!read)
		return false;
	g_autoptr(json_t) owned = list;
	say_hidden(list, from, s);
	return !crds || say_definitions(it, crds, s);
}
