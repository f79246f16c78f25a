#include "providers/rights.h"
#include <string.h>

#define RBAC "rbac.authorization.k8s.io"
#define SA_PREFIX "system:serviceaccount:"

static const char *str(const json_t *v, const char *name)
{
	const char *s = json_string_value(json_object_get(v, name));
	return s ? s : "";
}

/* ---- the rights ---- */

static void add(json_t *out, const char *verb, const RightRow *row)
{
	json_array_append_new(out,
		json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:b}", "verb", verb, "group", row->group,
			"resource", row->resource, "namespace", row->namespace, "name", row->name,
			"as", row->kind == RIGHT_WRITE ? "writer" : "reader", "spare",
			row->kind == RIGHT_SPARE));
}

/* "system:serviceaccount:shiplock:writer" taken apart; false: no service account. */
static bool service_account(const char *user, char **ret_namespace, const char **ret_name)
{
	if (!g_str_has_prefix(user, SA_PREFIX))
		return false;
	const char *ns = user + strlen(SA_PREFIX), *colon = strchr(ns, ':');
	if (!colon || colon == ns || !colon[1])
		return false;
	*ret_namespace = g_strndup(ns, (size_t)(colon - ns));
	*ret_name = colon + 1;
	return true;
}

/* The reader speaks as the writer: a right of its own for the user and for each group. */
void rights_add_impersonation(json_t *out, const json_t *impersonate)
{
	const char *user = str(impersonate, "user"), *name = user;
	g_autofree char *ns = NULL;
	size_t i;
	json_t *group;
	if (!*user)
		return;
	bool account = service_account(user, &ns, &name);
	add(out, "impersonate",
		&(RightRow){ RIGHT_READ, "", "", account ? "serviceaccounts" : "users",
			account ? ns : "", name, NULL });
	json_array_foreach (json_object_get(impersonate, "groups"), i, group)
		add(out, "impersonate",
			&(RightRow){
				RIGHT_READ, "", "", "groups", "", json_string_value(group), NULL });
}

json_t *rights_of(const RightRow *rows, const json_t *spec)
{
	bool observes = strcmp(json_path_str(spec, "actuator.type", "direct"), "observe") == 0;
	json_t *out = json_array();
	if (!observes)
		rights_add_impersonation(out, json_path(spec, "access.impersonate"));
	for (; rows->verbs; rows++) {
		if ((observes && rows->kind == RIGHT_WRITE) || (rows->when && !rows->when(spec)))
			continue;
		g_auto(GStrv) verbs = g_strsplit(rows->verbs, " ", -1);
		for (size_t i = 0; verbs[i]; i++)
			add(out, verbs[i], rows);
	}
	return out;
}

/* The same, or the same everywhere. */
static bool covers(const json_t *known, const json_t *right)
{
	static const char *const fields[] = { "verb", "group", "resource", "as" };
	for (size_t i = 0; i < G_N_ELEMENTS(fields); i++)
		if (strcmp(str(known, fields[i]), str(right, fields[i])) != 0)
			return false;
	bool everywhere = !*str(known, "namespace") && !*str(known, "name");
	return everywhere || (strcmp(str(known, "namespace"), str(right, "namespace")) == 0 &&
				     strcmp(str(known, "name"), str(right, "name")) == 0);
}

static bool is_known(const json_t *rights, const json_t *right)
{
	size_t i;
	json_t *known;
	json_array_foreach (rights, i, known)
		if (covers(known, right))
			return true;
	return false;
}

void rights_add(json_t *rights, const RightRow *rows, const char *ns, const char *name)
{
	g_autoptr(json_t) more = json_array();
	size_t i;
	json_t *right;
	for (; rows->verbs; rows++) {
		g_auto(GStrv) verbs = g_strsplit(rows->verbs, " ", -1);
		RightRow row = *rows;
		row.namespace = ns;
		row.name = name;
		for (size_t k = 0; verbs[k]; k++)
			add(more, verbs[k], &row);
	}
	json_array_foreach (more, i, right)
		if (!is_known(rights, right))
			json_array_append(rights, right);
}

static const char *or_dash(const json_t *right, const char *field)
{
	const char *text = str(right, field);
	return *text ? text : "-";
}

char *right_key(const json_t *r)
{
	return g_strdup_printf("%s%s %s %s %s %s", strcmp(str(r, "as"), "writer") == 0 ? "w:" : "",
		str(r, "verb"), or_dash(r, "group"), or_dash(r, "resource"),
		or_dash(r, "namespace"), or_dash(r, "name"));
}

char *right_text(const json_t *r)
{
	const char *group = str(r, "group"), *ns = str(r, "namespace"), *name = str(r, "name");
	return g_strdup_printf("%s %s%s%s%s%s%s%s", str(r, "verb"), str(r, "resource"),
		*group ? "." : "", group, *ns || *name ? " " : "", ns, *ns && *name ? "/" : "",
		name);
}

/* ---- objects to apply ---- */

static bool same_rule(const json_t *a, const json_t *b)
{
	static const char *const fields[] = { "group", "resource", "name" };
	for (size_t i = 0; i < G_N_ELEMENTS(fields); i++)
		if (strcmp(str(a, fields[i]), str(b, fields[i])) != 0)
			return false;
	return true;
}

static bool belongs(const json_t *right, const char *as, const char *ns)
{
	return strcmp(str(right, "as"), as) == 0 && strcmp(str(right, "namespace"), ns) == 0;
}

static json_t *new_rule(const json_t *right)
{
	if (*str(right, "resource") == '/')
		return json_pack(
			"{s:[s], s:[]}", "nonResourceURLs", str(right, "resource"), "verbs");
	json_t *rule = json_pack("{s:[s], s:[s]}", "apiGroups", str(right, "group"), "resources",
		str(right, "resource"));
	if (*str(right, "name"))
		json_object_set_new(rule, "resourceNames", json_pack("[s]", str(right, "name")));
	json_object_set_new(rule, "verbs", json_array());
	return rule;
}

/* The rights of one identity in one namespace ("": the cluster) as rules; verbs on the same thing
 * are one rule. */
static json_t *rules_of(const json_t *rights, const char *as, const char *ns)
{
	json_t *rules = json_array(), *right, *last = NULL;
	size_t i;
	json_array_foreach (rights, i, right) {
		if (!belongs(right, as, ns))
			continue;
		if (!last || !same_rule(last, right))
			json_array_append_new(rules, new_rule(right));
		last = right;
		json_t *rule = json_array_get(rules, json_array_size(rules) - 1);
		json_array_append(json_object_get(rule, "verbs"), json_object_get(right, "verb"));
	}
	return rules;
}

static json_t *metadata(const char *ns, const char *name)
{
	return json_pack("{s:s*, s:s}", "namespace", *ns ? ns : NULL, "name", name);
}

static json_t *subject(const char *user)
{
	g_autofree char *ns = NULL;
	const char *name;
	if (service_account(user, &ns, &name))
		return json_pack(
			"{s:s, s:s, s:s}", "kind", "ServiceAccount", "name", name, "namespace", ns);
	return json_pack("{s:s, s:s, s:s}", "kind", "User", "name", user, "apiGroup", RBAC);
}

static void add_role(
	json_t *out, const json_t *rights, const char *as, const char *ns, const char *user)
{
	const char *name = strcmp(as, "writer") == 0 ? "shiplock-write" : "shiplock-read";
	const char *role = *ns ? "Role" : "ClusterRole";
	json_t *rules = rules_of(rights, as, ns);
	if (json_array_size(rules) == 0) {
		json_decref(rules);
		return;
	}
	json_array_append_new(
		out, json_pack("{s:s, s:s, s:o, s:o}", "apiVersion", RBAC "/v1", "kind", role,
			     "metadata", metadata(ns, name), "rules", rules));
	json_array_append_new(
		out, json_pack("{s:s, s:s, s:o, s:{s:s, s:s, s:s}, s:[o]}", "apiVersion",
			     RBAC "/v1", "kind", *ns ? "RoleBinding" : "ClusterRoleBinding",
			     "metadata", metadata(ns, name), "roleRef", "apiGroup", RBAC, "kind",
			     role, "name", name, "subjects", subject(user)));
}

/* "" first, then the namespaces in the order in which they come up. New reference. */
static json_t *namespaces_of(const json_t *rights)
{
	json_t *out = json_pack("[s]", ""), *right, *known;
	size_t i, k;
	json_array_foreach (rights, i, right) {
		bool found = false;
		json_array_foreach (out, k, known)
			found = found ||
				strcmp(json_string_value(known), str(right, "namespace")) == 0;
		if (!found)
			json_array_append(out, json_object_get(right, "namespace"));
	}
	return out;
}

static bool has_object(const json_t *out, const char *kind, const char *ns, const char *name)
{
	size_t i;
	json_t *o;
	json_array_foreach (out, i, o)
		if (strcmp(str(o, "kind"), kind) == 0 &&
			strcmp(json_path_str(o, "metadata.name", ""), name) == 0 &&
			strcmp(json_path_str(o, "metadata.namespace", ""), ns) == 0)
			return true;
	return false;
}

static void add_account(json_t *out, const char *user)
{
	g_autofree char *ns = NULL;
	const char *name;
	if (!service_account(user, &ns, &name))
		return;
	if (!has_object(out, "Namespace", "", ns))
		json_array_append_new(out, json_pack("{s:s, s:s, s:o}", "apiVersion", "v1", "kind",
						   "Namespace", "metadata", metadata("", ns)));
	if (!has_object(out, "ServiceAccount", ns, name))
		json_array_append_new(
			out, json_pack("{s:s, s:s, s:o}", "apiVersion", "v1", "kind",
				     "ServiceAccount", "metadata", metadata(ns, name)));
}

json_t *rights_manifests(const json_t *rights, const json_t *spec, const char *reader)
{
	const char *writer = json_path_str(spec, "access.impersonate.user", reader);
	g_autoptr(json_t) namespaces = namespaces_of(rights);
	json_t *out = json_array(), *ns;
	size_t i;
	add_account(out, reader);
	add_account(out, writer);
	json_array_foreach (namespaces, i, ns) {
		add_role(out, rights, "reader", json_string_value(ns), reader);
		add_role(out, rights, "writer", json_string_value(ns), writer);
	}
	return out;
}
