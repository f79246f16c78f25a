#include "creds/kubeconfig.h"
#include "codec/json.h"
#include <string.h>

static void exec_free(CredsExec *e)
{
	if (!e)
		return;
	g_free(e->command);
	g_strfreev(e->args);
	g_strfreev(e->env);
	g_free(e->api_version);
	g_free(e->install_hint);
	json_decref(e->cluster);
	g_free(e);
}

static void secret_free(char *s)
{
	if (s)
		explicit_bzero(s, strlen(s));
	g_free(s);
}

void creds_spec_free(CredsSpec *s)
{
	if (!s)
		return;
	HttpEndpoint *e = &s->endpoint;
	char *const plain[] = { s->origin, s->namespace_, s->ca_file, s->cert_file, s->key_file,
		s->token_file, e->base_url, e->ca_pem, e->cert_pem, e->tls_server_name,
		e->proxy_url, e->basic_user };
	for (size_t i = 0; i < G_N_ELEMENTS(plain); i++)
		g_free(plain[i]);
	secret_free(e->key_pem);
	secret_free(e->bearer);
	secret_free(e->basic_password);
	for (size_t i = 0; i < s->n_headers; i++) {
		g_free((char *)s->headers[i].name);
		g_free((char *)s->headers[i].value);
	}
	g_free(s->headers);
	exec_free(s->exec);
	g_free(s);
}

void creds_spec_add_header(CredsSpec *s, const char *name, const char *value)
{
	s->headers = g_renew(HttpHeader, s->headers, s->n_headers + 1);
	s->headers[s->n_headers++] = (HttpHeader){ g_strdup(name), g_strdup(value) };
}

/* An entry of a merged file set, with the file that it came from. */
typedef struct Entry {
	const json_t *v;
	const CredsFile *file;
	const char *kind, *name;
} Entry;

static bool entry_in_file(const CredsFile *f, const char *list, Entry *e, GError **err)
{
	const json_t *items = json_object_get(f->doc, list);
	size_t i;
	json_t *item;
	if (!items || json_is_null(items))
		return true;
	if (!json_is_array(items) || json_array_size(items) > CREDS_NAMES_MAX)
		return sl_fail(err, SL_ERR_INVALID, "%s: %s must be a list of at most %d entries",
			f->name, list, CREDS_NAMES_MAX);
	json_array_foreach (items, i, item) {
		const char *name = json_string_value(json_object_get(item, "name"));
		const json_t *v = json_object_get(item, e->kind);
		if (!name || strcmp(name, e->name) != 0)
			continue;
		if (!json_is_object(v))
			return sl_fail(err, SL_ERR_INVALID, "%s: %s %s has no %s", f->name, e->kind,
				name, e->kind);
		e->v = v;
		e->file = f;
		return true;
	}
	return true;
}

/* kind "user" is looked up in the list "users". */
static bool entry_find(const CredsFile *files, size_t n, const char *kind, const char *name,
	Entry *ret, GError **err)
{
	g_autofree char *list = g_strconcat(kind, "s", NULL);
	Entry e = { .kind = kind, .name = name };
	for (size_t i = 0; i < n && !e.v; i++)
		if (!entry_in_file(&files[i], list, &e, err))
			return false;
	if (!e.v)
		return sl_fail(err, SL_ERR_NOT_FOUND, "%s: there is no %s named %s",
			n > 0 ? files[0].name : "kubeconfig", kind, name);
	*ret = e;
	return true;
}

/* A string member; missing, null and "" all count as not given. */
static bool get_str(const Entry *e, const char *field, const char **ret, GError **err)
{
	const json_t *v = json_object_get(e->v, field);
	*ret = NULL;
	if (!v || json_is_null(v))
		return true;
	if (!json_is_string(v))
		return sl_fail(err, SL_ERR_INVALID, "%s: %s of %s %s must be a text", e->file->name,
			field, e->kind, e->name);
	if (json_string_length(v) != strlen(json_string_value(v)))
		return sl_fail(err, SL_ERR_INVALID, "%s: %s of %s %s holds a NUL", e->file->name,
			field, e->kind, e->name);
	if (*json_string_value(v))
		*ret = json_string_value(v);
	return true;
}

static bool dup_str(const Entry *e, const char *field, char **ret, GError **err)
{
	const char *s;
	if (!get_str(e, field, &s, err))
		return false;
	*ret = g_strdup(s);
	return true;
}

static bool get_bool(const Entry *e, const char *field, bool *ret, GError **err)
{
	const json_t *v = json_object_get(e->v, field);
	*ret = json_is_true(v);
	if (!v || json_is_null(v) || json_is_boolean(v))
		return true;
	return sl_fail(err, SL_ERR_INVALID, "%s: %s of %s %s must be true or false", e->file->name,
		field, e->kind, e->name);
}

static char *absolute(const Entry *e, const char *path)
{
	if (!path || g_path_is_absolute(path))
		return g_strdup(path);
	return g_build_filename(e->file->dir, path, NULL);
}

/* FIELD names a file, FIELD-data holds it in base64 and wins. */
static bool get_pem(
	const Entry *e, const char *field, char **ret_pem, char **ret_file, GError **err)
{
	g_autofree char *data_field = g_strconcat(field, "-data", NULL);
	const char *data, *path;
	if (!get_str(e, data_field, &data, err) || !get_str(e, field, &path, err))
		return false;
	if (!data) {
		*ret_file = absolute(e, path);
		return true;
	}
	gsize len = 0;
	g_autofree unsigned char *raw = g_base64_decode(data, &len);
	char *pem = g_strndup((const char *)raw, len);
	if (raw)
		explicit_bzero(raw, len);
	if (!strstr(pem, "-----BEGIN ") || strlen(pem) != len) {
		secret_free(pem);
		return sl_fail(err, SL_ERR_INVALID, "%s: %s of %s %s is not base64 of a PEM text",
			e->file->name, data_field, e->kind, e->name);
	}
	*ret_pem = pem;
	return true;
}

static bool read_server(CredsSpec *s, const Entry *e, GError **err)
{
	const char *server;
	if (!get_str(e, "server", &server, err))
		return false;
	if (!server ||
		(!g_str_has_prefix(server, "https://") && !g_str_has_prefix(server, "http://")))
		return sl_fail(err, SL_ERR_INVALID,
			"%s: server of cluster %s must be an http or https address", e->file->name,
			e->name);
	s->endpoint.base_url = g_strdup(server);
	for (size_t n = strlen(server); n > 0 && server[n - 1] == '/'; n--)
		s->endpoint.base_url[n - 1] = '\0';
	return true;
}

static bool read_cluster(CredsSpec *s, const Entry *e, GError **err)
{
	HttpEndpoint *p = &s->endpoint;
	if (!read_server(s, e, err) || !dup_str(e, "tls-server-name", &p->tls_server_name, err) ||
		!dup_str(e, "proxy-url", &p->proxy_url, err) ||
		!get_bool(e, "insecure-skip-tls-verify", &p->insecure_tls, err) ||
		!get_pem(e, "certificate-authority", &p->ca_pem, &s->ca_file, err))
		return false;
	if (p->insecure_tls && (p->ca_pem || s->ca_file))
		return sl_fail(err, SL_ERR_INVALID,
			"%s: cluster %s has a certificate authority and insecure-skip-tls-verify",
			e->file->name, e->name);
	static const char *const schemes[] = { "http://", "https://", "socks5://", "socks5h://" };
	bool known = !p->proxy_url;
	for (size_t i = 0; i < G_N_ELEMENTS(schemes) && !known; i++)
		known = g_str_has_prefix(p->proxy_url, schemes[i]);
	return known ||
	       sl_fail(err, SL_ERR_INVALID,
		       "%s: proxy-url of cluster %s must be an http, https or socks5 address",
		       e->file->name, e->name);
}

static bool read_extra(CredsSpec *s, const Entry *e, GError **err)
{
	json_t *extra = json_object_get(e->v, "as-user-extra"), *values, *v;
	const char *key;
	size_t i;
	json_object_foreach (extra, key, values) {
		/* Header names are case-insensitive; other bytes travel escaped. */
		g_autofree char *lower = g_ascii_strdown(key, -1);
		g_autofree char *escaped = g_uri_escape_string(lower, NULL, false);
		g_autofree char *name = g_strconcat("Impersonate-Extra-", escaped, NULL);
		json_array_foreach (values, i, v) {
			if (!json_is_string(v))
				return sl_fail(err, SL_ERR_INVALID,
					"%s: as-user-extra of user %s must hold lists of texts",
					e->file->name, e->name);
			creds_spec_add_header(s, name, json_string_value(v));
		}
	}
	return true;
}

static bool read_impersonation(CredsSpec *s, const Entry *e, GError **err)
{
	const char *user, *uid;
	json_t *groups = json_object_get(e->v, "as-groups"), *g;
	size_t i;
	if (!get_str(e, "as", &user, err) || !get_str(e, "as-uid", &uid, err))
		return false;
	if (user)
		creds_spec_add_header(s, "Impersonate-User", user);
	if (uid)
		creds_spec_add_header(s, "Impersonate-Uid", uid);
	json_array_foreach (groups, i, g) {
		if (!json_is_string(g))
			return sl_fail(err, SL_ERR_INVALID,
				"%s: as-groups of user %s must be a list of texts", e->file->name,
				e->name);
		creds_spec_add_header(s, "Impersonate-Group", json_string_value(g));
	}
	if (!read_extra(s, e, err))
		return false;
	if (s->n_headers > 0 && !user)
		return sl_fail(err, SL_ERR_INVALID,
			"%s: user %s asks for a uid, groups or extra without `as`", e->file->name,
			e->name);
	return true;
}

static bool read_args(CredsExec *x, const Entry *e, GError **err)
{
	json_t *args = json_object_get(e->v, "args"), *env = json_object_get(e->v, "env"), *v;
	size_t i, n_args = json_array_size(args), n_env = json_array_size(env);
	if (n_args > CREDS_ARGS_MAX || n_env > CREDS_ARGS_MAX)
		return sl_fail(err, SL_ERR_INVALID, "%s: exec of user %s has too many arguments",
			e->file->name, e->name);
	x->args = g_new0(char *, n_args + 1);
	x->env = g_new0(char *, n_env + 1);
	json_array_foreach (args, i, v) {
		if (!json_is_string(v))
			return sl_fail(err, SL_ERR_INVALID,
				"%s: args of user %s must be a list of texts", e->file->name,
				e->name);
		x->args[i] = g_strdup(json_string_value(v));
	}
	json_array_foreach (env, i, v) {
		const char *name = json_path_str(v, "name", NULL);
		const char *value = json_path_str(v, "value", "");
		if (!name || !*name || strchr(name, '='))
			return sl_fail(err, SL_ERR_INVALID,
				"%s: env of user %s must be a list of name and value",
				e->file->name, e->name);
		x->env[i] = g_strconcat(name, "=", value, NULL);
	}
	return true;
}

static bool check_exec(const Entry *e, const CredsExec *x, GError **err)
{
	const char *mode;
	if (!get_str(e, "interactiveMode", &mode, err))
		return false;
	bool v1 = g_strcmp0(x->api_version, "client.authentication.k8s.io/v1") == 0;
	bool beta = g_strcmp0(x->api_version, "client.authentication.k8s.io/v1beta1") == 0;
	if (!x->command || (!v1 && !beta))
		return sl_fail(err, SL_ERR_INVALID,
			"%s: exec of user %s needs a command and apiVersion "
			"client.authentication.k8s.io/v1 or v1beta1",
			e->file->name, e->name);
	if (g_strcmp0(mode, "Always") == 0)
		return sl_fail(err, SL_ERR_INVALID,
			"%s: exec of user %s wants a terminal (interactiveMode Always); give a "
			"service account's kubeconfig instead",
			e->file->name, e->name);
	if (mode ? strcmp(mode, "Never") != 0 && strcmp(mode, "IfAvailable") != 0 : v1)
		return sl_fail(err, SL_ERR_INVALID,
			"%s: interactiveMode of user %s must be Never, IfAvailable or Always",
			e->file->name, e->name);
	return true;
}

/* spec.cluster: what the plugin may know of the cluster, in the names of ExecCredential. */
static json_t *exec_cluster(const Entry *cluster, const CredsSpec *s)
{
	const HttpEndpoint *p = &s->endpoint;
	json_t *c = json_object(), *ext = json_object_get(cluster->v, "extensions"), *item;
	size_t i;
	json_object_set_new(c, "server", json_string(p->base_url));
	if (p->tls_server_name)
		json_object_set_new(c, "tls-server-name", json_string(p->tls_server_name));
	if (p->proxy_url)
		json_object_set_new(c, "proxy-url", json_string(p->proxy_url));
	if (p->insecure_tls)
		json_object_set_new(c, "insecure-skip-tls-verify", json_true());
	json_t *ca = json_object_get(cluster->v, "certificate-authority-data");
	if (ca)
		json_object_set(c, "certificate-authority-data", ca);
	json_array_foreach (ext, i, item)
		if (strcmp(json_path_str(item, "name", ""), "client.authentication.k8s.io/exec") ==
			0)
			json_object_set(c, "config", json_object_get(item, "extension"));
	return c;
}

static bool read_exec(CredsSpec *s, const Entry *user, const Entry *cluster, GError **err)
{
	Entry e = *user;
	e.v = json_object_get(user->v, "exec");
	if (!json_is_object(e.v))
		return true;
	CredsExec *x = s->exec = g_new0(CredsExec, 1);
	const char *command;
	bool info;
	if (!get_str(&e, "command", &command, err) ||
		!dup_str(&e, "apiVersion", &x->api_version, err) ||
		!dup_str(&e, "installHint", &x->install_hint, err) ||
		!get_bool(&e, "provideClusterInfo", &info, err) || !read_args(x, &e, err))
		return false;
	x->command = command && strchr(command, '/') ? absolute(&e, command) : g_strdup(command);
	x->cluster = info ? exec_cluster(cluster, s) : NULL;
	return check_exec(&e, x, err);
}

static bool check_user(const CredsSpec *s, const Entry *e, GError **err)
{
	const HttpEndpoint *p = &s->endpoint;
	if ((p->cert_pem || s->cert_file) != (p->key_pem || s->key_file))
		return sl_fail(err, SL_ERR_INVALID,
			"%s: user %s needs both client-certificate and client-key", e->file->name,
			e->name);
	if ((p->bearer || s->token_file) && (p->basic_user || p->basic_password))
		return sl_fail(err, SL_ERR_INVALID, "%s: user %s has a token and a password",
			e->file->name, e->name);
	if (json_object_get(e->v, "auth-provider"))
		return sl_fail(err, SL_ERR_INVALID,
			"%s: user %s uses auth-provider, which Kubernetes removed; use exec",
			e->file->name, e->name);
	return true;
}

static bool read_user(CredsSpec *s, const Entry *e, const Entry *cluster, GError **err)
{
	HttpEndpoint *p = &s->endpoint;
	const char *token_file;
	if (!get_pem(e, "client-certificate", &p->cert_pem, &s->cert_file, err) ||
		!get_pem(e, "client-key", &p->key_pem, &s->key_file, err) ||
		!dup_str(e, "token", &p->bearer, err) ||
		!get_str(e, "tokenFile", &token_file, err) ||
		!dup_str(e, "username", &p->basic_user, err) ||
		!dup_str(e, "password", &p->basic_password, err) ||
		!read_impersonation(s, e, err) || !read_exec(s, e, cluster, err))
		return false;
	s->token_file = absolute(e, token_file);
	return check_user(s, e, err);
}

static const char *current_context(const CredsFile *files, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *c = json_path_str(files[i].doc, "current-context", "");
		if (*c)
			return c;
	}
	return NULL;
}

static bool read_context(
	CredsSpec *s, const CredsFile *files, size_t n, const Entry *e, GError **err)
{
	const char *cluster, *user, *ns;
	Entry c, u = { 0 };
	if (!get_str(e, "cluster", &cluster, err) || !get_str(e, "user", &user, err) ||
		!get_str(e, "namespace", &ns, err))
		return false;
	if (!cluster)
		return sl_fail(err, SL_ERR_INVALID, "%s: context %s names no cluster",
			e->file->name, e->name);
	s->namespace_ = g_strdup(ns ? ns : "default");
	s->origin = g_strdup_printf("context %s of %s", e->name, e->file->name);
	return entry_find(files, n, "cluster", cluster, &c, err) && read_cluster(s, &c, err) &&
	       (!user ||
		       (entry_find(files, n, "user", user, &u, err) && read_user(s, &u, &c, err)));
}

CredsSpec *creds_spec_from_kubeconfig(
	const CredsFile *files, size_t n_files, const char *context, GError **err)
{
	g_autoptr(CredsSpec) s = g_new0(CredsSpec, 1);
	const char *name = context ? context : current_context(files, n_files);
	Entry e;
	if (!name) {
		sl_fail(err, SL_ERR_INVALID, "%s: has no current-context, and none is named",
			n_files > 0 ? files[0].name : "kubeconfig");
		return NULL;
	}
	if (!entry_find(files, n_files, "context", name, &e, err) ||
		!read_context(s, files, n_files, &e, err))
		return NULL;
	return g_steal_pointer(&s);
}
