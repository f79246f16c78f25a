/* The file with the ClusterVersion, where the document does not name it. */
#include "providers/openshift-git.h"
#include "providers/sync.h"
#include <string.h>

enum { NAMED_MAX = 8 };

static const char *actuator(const Item *it, const char *field)
{
	return json_path_str(json_object_get(target_spec(target_of(it)), "actuator"), field, "");
}

/* What was ordered there is taken back there, whatever else the branch holds by now. */
static char *file_of_order(const Item *it)
{
	static const ActRow *const rows[] = { &act_commit_version, &act_commit_clear, NULL };
	const Act *a = git_newest(it, rows, NULL);
	return a ? g_strndup(act_key(a), strcspn(act_key(a), "#")) : NULL;
}

/* ": a.yaml, b.yaml and 3 more" */
static void add_names(GString *to, const json_t *list)
{
	size_t i, n = json_array_size(list);
	json_t *v;
	json_array_foreach (list, i, v)
		if (i < NAMED_MAX)
			g_string_append_printf(to, "%s%s", i ? ", " : ": ", json_string_value(v));
	if (n > NAMED_MAX)
		g_string_append_printf(to, " and %zu more", n - NAMED_MAX);
}

static char *none_text(const Item *it, const View *v, const char *folder)
{
	const json_t *unclear = json_object_get(v->json, "unclear"), *u;
	g_autoptr(GString) s = g_string_new(NULL);
	size_t i;
	g_string_printf(s,
		"no file of branch %s holds ClusterVersion version (%d YAML files looked "
		"through%s%s)",
		actuator(it, "branch"), (int)json_path_int(v->json, "looked", 0),
		folder ? ", first below " : "", folder ? folder : "");
	json_array_foreach (unclear, i, u)
		if (i < NAMED_MAX)
			g_string_append_printf(s, "; %s names it and is not clear: %s",
				json_path_str(u, "file", ""), json_path_str(u, "message", ""));
	return g_string_free(g_steal_pointer(&s), FALSE);
}

static char *several_text(const Item *it, const json_t *files)
{
	g_autoptr(GString) s = g_string_new(NULL);
	g_string_printf(s,
		"%zu files of branch %s hold ClusterVersion version, and which one is applied to "
		"%s "
		"cannot be told",
		json_array_size(files), actuator(it, "branch"), item_name(it));
	add_names(s, files);
	return g_string_free(g_steal_pointer(&s), FALSE);
}

static void judge(
	const Item *it, const View *v, const char *folder, char **ret_file, char **ret_text)
{
	const json_t *files = json_object_get(v->json, "files");
	const char *refused = git_refusal(v, NULL), *below = json_path_str(v->json, "below", "");
	if (refused)
		*ret_text = g_strdup(refused);
	else if (json_array_size(files) > 1)
		*ret_text = several_text(it, files);
	else if (json_array_size(files) == 0)
		*ret_text = none_text(it, v, folder);
	else {
		*ret_file = g_strdup(json_string_value(json_array_get(files, 0)));
		*ret_text = g_strdup_printf("%s was found: the only file of branch %s%s%s that "
					    "holds ClusterVersion version",
			*ret_file, actuator(it, "branch"), *below ? " below " : "", below);
	}
}

bool git_version_file(Item *it, char **ret_file, char **ret_text)
{
	const char *named = actuator(it, "file");
	g_autofree char *folder = NULL;
	*ret_text = NULL;
	*ret_file = *named ? g_strdup(named) : file_of_order(it);
	if (*ret_file)
		return true;
	if (!sync_folder(it, &folder))
		return false;
	const char *key = folder ? folder : "";
	const View *v = fact(it, &fact_git_find, key);
	const GError *err = v ? NULL : fact_error(it, &fact_git_find, key);
	if (v)
		judge(it, v, folder, ret_file, ret_text);
	else if (err)
		*ret_text = g_strdup_printf(
			"the file with the ClusterVersion cannot be looked for: %s", err->message);
	return v || err;
}
