#include "codec/json.h"
#include "sim/api-private.h"
#include "sim/tree.h"
#include "sim/write.h"
#include <string.h>

SimApi *sim_api_new(SimStore *store, SimSink sink)
{
	SimApi *a = g_new0(SimApi, 1);
	a->store = store;
	a->sink = sink;
	a->next_usec = INT64_MAX;
	a->git_version = g_strdup("v1.34.2");
	sim_store_listen(store, api_on_change, a);
	return a;
}

void sim_api_free(SimApi *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->n_watchers; i++)
		sim_filter_free(a->watchers[i].filter);
	for (size_t i = 0; i < a->n_denies; i++) {
		g_free(a->denies[i].verb);
		g_free(a->denies[i].resource);
	}
	g_free(a->watchers);
	g_free(a->token);
	g_free(a->git_version);
	g_free(a);
}

void sim_api_set_extra(SimApi *a, SimExtra *fn, void *ud)
{
	a->extra = fn;
	a->extra_ud = ud;
}

void sim_api_set_audit(SimApi *a, SimOnAudit *fn, void *ud)
{
	a->audit = fn;
	a->audit_ud = ud;
}

void sim_api_set_token(SimApi *a, const char *bearer)
{
	g_free(a->token);
	a->token = g_strdup(bearer);
}

void sim_api_set_version(SimApi *a, const char *git_version)
{
	g_free(a->git_version);
	a->git_version = g_strdup(git_version);
}

void sim_api_set_down(SimApi *a, bool down)
{
	if (down && !a->down)
		api_end_watches(a);
	a->down = down;
}

void sim_api_set_gone_status(SimApi *a, bool on)
{
	a->gone_status = on;
}

void sim_api_deny(SimApi *a, const char *verb, const char *resource)
{
	g_assert(a->n_denies < SIM_MAX_DENIES);
	a->denies[a->n_denies].verb = g_strdup(verb);
	a->denies[a->n_denies++].resource = g_strdup(resource);
}

HttpSimAnswer api_text(int status, const char *text, const char *content_type)
{
	return (HttpSimAnswer){ status, g_strdup(text), content_type, 0 };
}

void api_append_object(GString *out, const SimKind *k, SimSnap *s)
{
	size_t len;
	const char *text = sim_snap_text(s, &len);
	if (!k->builtin) {
		g_string_append_len(out, text, (gssize)len);
		return;
	}
	g_string_append(out, "{\"kind\":\"");
	g_string_append(out, k->kind);
	g_string_append(out, "\",\"apiVersion\":\"");
	g_string_append(out, sim_kind_api_version(k));
	g_string_append(out, "\",");
	g_string_append_len(out, text + 1, (gssize)len - 1);
}

static char *json_text(const json_t *json, const SimKind *k)
{
	g_autofree char *text = tree_text(json);
	if (!k || !k->builtin || json_object_get(json, "kind"))
		return g_strdup(text);
	return g_strdup_printf("{\"kind\":\"%s\",\"apiVersion\":\"%s\",%s", k->kind,
		sim_kind_api_version(k), text + 1);
}

HttpSimAnswer api_reply(SimAnswer *a, const SimKind *k)
{
	HttpSimAnswer r = { .status = a->status, .retry_after_sec = a->retry_after_sec };
	if (a->snap) {
		GString *out = g_string_sized_new(a->snap->len + 64);
		api_append_object(out, k, a->snap);
		r.body = g_string_free(out, FALSE);
	} else {
		r.body = json_text(a->json, k);
	}
	sim_answer_clear(a);
	return r;
}

static HttpSimAnswer fail(SimAnswer a)
{
	return api_reply(&a, NULL);
}

static const char *verb_of(const HttpRequest *r, const SimPath *p)
{
	static const char *const verbs[][2] = { { "POST", "create" }, { "PUT", "update" },
		{ "PATCH", "patch" }, { "DELETE", "delete" } };
	for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++)
		if (strcmp(r->method, verbs[i][0]) == 0)
			return verbs[i][1];
	if (sim_query_true(p->query, "watch"))
		return "watch";
	return p->name ? "get" : "list";
}

static bool denied(const SimApi *a, const char *verb, const char *resource)
{
	for (size_t i = 0; i < a->n_denies; i++)
		if (strcmp(a->denies[i].verb, verb) == 0 &&
			strcmp(a->denies[i].resource, resource) == 0)
			return true;
	return false;
}

static char *resource_of(const char *group, const char *plural, const char *sub)
{
	return g_strconcat(plural, sub && sub[0] ? "/" : "", sub ? sub : "",
		group && group[0] ? "." : "", group ? group : "", NULL);
}

static const char *sub_text(SimSub sub)
{
	static const char *const names[] = { "", "status", "eviction", "binding" };
	return names[sub];
}

bool api_refused(SimApi *a, const HttpRequest *r, const SimPath *p, HttpSimAnswer *ret)
{
	if (a->down) {
		*ret = fail(sim_fail(503, "ServiceUnavailable", NULL, NULL, NULL,
			"the server is currently unable to handle the request"));
		return true;
	}
	if (a->token && g_strcmp0(r->endpoint->bearer, a->token) != 0) {
		*ret = fail(sim_fail(401, "Unauthorized", NULL, NULL, NULL, "Unauthorized"));
		return true;
	}
	if (!p || a->n_denies == 0)
		return false;
	g_autofree char *group = sim_kind_group(p->kind);
	g_autofree char *resource = resource_of(group, p->kind->plural, sub_text(p->sub));
	const char *verb = verb_of(r, p);
	if (!denied(a, verb, resource))
		return false;
	*ret = fail(sim_fail(403, "Forbidden", p->kind, p->name, NULL,
		"%s \"%s\" is forbidden: User \"shiplock\" cannot %s resource \"%s\" in API group "
		"\"%s\"",
		resource, p->name ? p->name : "", verb, p->kind->plural, group));
	return true;
}

static HttpSimAnswer access_review(SimApi *a, const HttpRequest *r)
{
	g_autoptr(json_t) body = json_loadb(r->body, r->n_body, 0, NULL);
	const json_t *at = tree_get(body, "spec.resourceAttributes");
	if (!at)
		at = tree_get(body, "spec.nonResourceAttributes");
	if (!at || strcmp(r->method, "POST") != 0)
		return fail(sim_bad_request("spec.resourceAttributes is required"));
	const char *plural = tree_str(at, "resource"), *verb = tree_str(at, "verb");
	plural = plural ? plural : tree_str(at, "path");
	g_autofree char *resource = resource_of(
		tree_str(at, "group"), plural ? plural : "", tree_str(at, "subresource"));
	bool no = denied(a, verb ? verb : "", resource);
	json_object_set_new(body, "status",
		json_pack("{s:b, s:s}", "allowed", !no, "reason", no ? "denied here" : "allowed"));
	g_autofree char *text = tree_text(body);
	return api_text(201, text, NULL);
}

static bool patch_verb(const char *type, SimVerb *ret)
{
	static const struct {
		const char *type;
		SimVerb verb;
	} rows[] = {
		{ "application/merge-patch+json", SIM_MERGE },
		{ "application/strategic-merge-patch+json", SIM_MERGE },
		{ "application/json-patch+json", SIM_JSON_PATCH },
		{ "application/apply-patch+yaml", SIM_APPLY },
		{ "application/apply-patch+json", SIM_APPLY },
	};
	for (size_t i = 0; type && i < G_N_ELEMENTS(rows); i++)
		if (g_str_has_prefix(type, rows[i].type)) {
			*ret = rows[i].verb;
			return true;
		}
	return false;
}

/* The field manager: the parameter, else the user agent up to its slash. */
static char *manager_of(const HttpRequest *r, const char *query)
{
	char *m = sim_query_get(query, "fieldManager");
	if (m && m[0])
		return m;
	g_free(m);
	for (size_t i = 0; i < r->n_headers; i++)
		if (g_ascii_strcasecmp(r->headers[i].name, "User-Agent") == 0) {
			const char *v = r->headers[i].value;
			return g_strndup(v, strcspn(v, "/"));
		}
	return g_strdup("unknown");
}

static bool write_verb(const HttpRequest *r, const SimPath *p, SimVerb *ret, SimAnswer *fail_with)
{
	if (strcmp(r->method, "PATCH") == 0 && p->name) {
		if (patch_verb(r->content_type, ret))
			return true;
		*fail_with = sim_fail(415, "UnsupportedMediaType", p->kind, p->name, NULL,
			"the body of the request was in an unknown format - accepted media types "
			"include: application/json-patch+json, application/merge-patch+json, "
			"application/apply-patch+yaml");
		return false;
	}
	bool named_post = p->sub == SIM_SUB_EVICTION || p->sub == SIM_SUB_BINDING;
	if (strcmp(r->method, "POST") == 0 && (p->name != NULL) == named_post)
		*ret = SIM_CREATE;
	else if (strcmp(r->method, "PUT") == 0 && p->name)
		*ret = SIM_REPLACE;
	else if (strcmp(r->method, "DELETE") == 0 && p->name)
		*ret = SIM_DELETE;
	else {
		*fail_with = sim_fail(405, "MethodNotAllowed", p->kind, p->name, NULL,
			"the server does not allow this method on the requested resource");
		return false;
	}
	return true;
}

/* What the body asks for beside the parameters. */
static void body_options(SimWrite *w)
{
	const json_t *o = w->sub == SIM_SUB_EVICTION ? json_object_get(w->body, "deleteOptions")
			  : w->verb == SIM_DELETE    ? w->body
						     : NULL;
	const json_t *dry = json_array_get(json_object_get(o, "dryRun"), 0);
	if (g_strcmp0(json_string_value(dry), "All") == 0)
		w->dry_run = true;
}

static HttpSimAnswer handle_write(SimApi *a, const HttpRequest *r, SimPath *p, SimNow now)
{
	SimAnswer bad = { 0 };
	if (r->content_type && strstr(r->content_type, "protobuf"))
		return fail(sim_fail(415, "UnsupportedMediaType", p->kind, p->name, NULL,
			"the body of the request was in an unknown format - accepted media types "
			"include: application/json"));
	SimWrite w = { .kind = p->kind, .sub = p->sub, .ns = p->ns, .name = p->name };
	if (!write_verb(r, p, &w.verb, &bad))
		return fail(bad);
	json_error_t je;
	g_autoptr(json_t) body = r->n_body ? json_loadb(r->body, r->n_body, 0, &je) : NULL;
	if (!body && (r->n_body || w.verb != SIM_DELETE))
		return fail(
			sim_bad_request("error decoding: %s", r->n_body ? je.text : "empty body"));
	g_autofree char *dry = sim_query_get(p->query, "dryRun");
	g_autofree char *manager = manager_of(r, p->query);
	w.body = body;
	w.manager = manager;
	w.dry_run = dry && strcmp(dry, "All") == 0;
	w.force = sim_query_true(p->query, "force");
	body_options(&w);
	g_autofree char *named = sim_query_get(p->query, "fieldManager");
	if (w.verb == SIM_APPLY && !named)
		return fail(sim_fail(422, "Invalid", NULL, NULL,
			sim_cause("FieldValueRequired",
				"Required value: is required for apply patch", "fieldManager"),
			"PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: "
			"is "
			"required for apply patch"));
	SimAnswer out = sim_write(a->store, &w, now.wall_usec);
	return api_reply(&out, p->kind);
}

static HttpSimAnswer get_one(SimApi *a, const HttpRequest *r, const SimPath *p)
{
	SimObj *o = sim_store_find(a->store, p->kind->id, p->ns, p->name);
	if (!o)
		return fail(sim_not_found(p->kind, p->name));
	if (api_item_of(r) == ITEM_ROW)
		return api_get_row(a, p->kind, o->snap);
	SimAnswer out = { .status = 200, .snap = sim_snap_ref(o->snap) };
	return api_reply(&out, p->kind);
}

static HttpSimAnswer get_log(SimApi *a, const SimPath *p)
{
	SimObj *o = sim_store_find(a->store, p->kind->id, p->ns, p->name);
	if (!o)
		return fail(sim_not_found(p->kind, p->name));
	return (HttpSimAnswer){
		.status = 200, .body = sim_pod_log(o->json, p->query), .content_type = "text/plain"
	};
}

static HttpSimAnswer handle(SimApi *a, const HttpRequest *r, SimNow now)
{
	g_auto(SimPath) p = { 0 };
	HttpSimAnswer out;
	if (a->extra && a->extra(r, &out, a->extra_ud))
		return out;
	bool resource = sim_path_parse(r->path, &p);
	if (api_refused(a, r, resource ? &p : NULL, &out))
		return out;
	if (g_str_has_prefix(r->path, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"))
		return access_review(a, r);
	if (!resource)
		return api_other(a, r, &out) ? out
					     : api_text(404, "404 page not found\n", "text/plain");
	if (strcmp(r->method, "GET") != 0)
		return handle_write(a, r, &p, now);
	if (p.sub == SIM_SUB_LOG)
		return get_log(a, &p);
	if (p.sub > SIM_SUB_STATUS)
		return fail(sim_not_found(p.kind, p.name));
	return p.name ? get_one(a, r, &p) : api_list(a, r, &p);
}

HttpSimAnswer sim_api_handle(SimApi *a, const HttpRequest *r, SimNow now)
{
	int64_t rv = sim_store_rv(a->store);
	a->now = now;
	HttpSimAnswer out = handle(a, r, now);
	if (a->audit && strcmp(r->method, "GET") != 0) {
		const char *q = strchr(r->path, '?');
		g_autofree char *manager = manager_of(r, q ? q + 1 : NULL);
		SimAudit e = { .request = r,
			.manager = manager,
			.status = out.status,
			.changed = sim_store_rv(a->store) != rv,
			.now = now };
		a->audit(&e, a->audit_ud);
	}
	return out;
}
