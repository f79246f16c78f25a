#include "fleet/connect.h"
#include "base/file.h"
#include "job/job-worker.h"
#include <string.h>
#include <sys/stat.h>

/* What an endpoint may be made of, each by reference. */
typedef enum { SEC_TOKEN, SEC_CA, SEC_CERT, SEC_KEY, SEC_PASSWORD, SEC_N } SecretRole;
static const char *const secret_paths[SEC_N] = {
	[SEC_TOKEN] = "token",
	[SEC_CA] = "ca",
	[SEC_CERT] = "clientCertificate",
	[SEC_KEY] = "clientKey",
	[SEC_PASSWORD] = "basic.password",
};

typedef struct Stamp {
	struct timespec mtime;
	ino_t ino;
	off_t size;
} Stamp;

typedef struct Endpoint {
	char *key; /* cluster and source, canonical */
	json_t *source;
	HttpEndpoint e;
	Stamp stamps[SEC_N];
} Endpoint;

/* A kubeconfig as it was read, by the digest of its text. */
typedef struct Parsed {
	char *digest;
	json_t *doc;
} Parsed;

struct Connect {
	sd_event *event;
	Loop loop;
	char *worker, *mirrors;
	GPtrArray *endpoints; /* Endpoint */
	GPtrArray *parsed; /* Parsed */
	GPtrArray *receivers; /* Receiver */
	uint64_t timer;
};

/* Where notices of one entry of ControllerConfig.notify go. */
typedef struct Receiver {
	char *name;
	HttpEndpoint e;
} Receiver;

/* ---- secrets ---- */

static void forget(char **secret)
{
	if (*secret)
		explicit_bzero(*secret, strlen(*secret));
	g_clear_pointer(secret, g_free);
}

static const char *text_of(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static char *credential_path(const char *name)
{
	const char *dir = g_getenv("CREDENTIALS_DIRECTORY");
	bool plain =
		*name && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
	return dir && plain ? g_build_filename(dir, name, NULL) : NULL;
}

char *connect_secret_path(const json_t *ref)
{
	const char *file = text_of(ref, "file"), *name = text_of(ref, "credential");
	return file ? g_strdup(file) : name ? credential_path(name) : NULL;
}

static char *secret_of_env(const char *name, size_t max_bytes, GError **err)
{
	const char *value = g_getenv(name);
	if (!value)
		sl_fail(err, SL_ERR_NOT_FOUND, "environment variable %s is not set", name);
	else if (strlen(value) > max_bytes)
		sl_fail(err, SL_ERR_INVALID, "environment variable %s is longer than %zu bytes",
			name, max_bytes);
	else
		return g_strdup(value);
	return NULL;
}

char *connect_secret(const json_t *ref, size_t max_bytes, GError **err)
{
	const char *env = text_of(ref, "env"), *credential = text_of(ref, "credential");
	g_autofree char *path = connect_secret_path(ref);
	if (path)
		return sl_read_file(path, max_bytes, NULL, err);
	if (env)
		return secret_of_env(env, max_bytes, err);
	if (credential)
		sl_fail(err, SL_ERR_NOT_FOUND,
			"there is no systemd credential %s; it comes by LoadCredential= in the "
			"unit",
			credential);
	else
		sl_fail(err, SL_ERR_INVALID, "names neither file nor env nor credential");
	return NULL;
}

json_t *connect_worker_ref(const json_t *ref, GError **err)
{
	g_autofree char *path = connect_secret_path(ref);
	if (path)
		return json_pack("{s:s}", "file", path);
	char *text = connect_secret(ref, CREDS_PEM_MAX_BYTES, err);
	json_t *v = text ? json_pack("{s:s}", "text", text) : NULL;
	forget(&text);
	return v;
}

/* ---- kubeconfigs ---- */

static void parsed_free(void *p)
{
	Parsed *x = p;
	g_free(x->digest);
	json_decref(x->doc);
	g_free(x);
}

/* The one document of the worker's answer. New reference. Never quotes the file: it holds secrets.
 */
static json_t *first_document(const json_t *answer, GError **err)
{
	const json_t *error = json_path(answer, "files.0.errors.0");
	json_t *doc = json_path(answer, "files.0.documents.0.json");
	if (error)
		sl_fail(err, SL_ERR_INVALID, "line %d: is not valid YAML",
			(int)json_path_int(error, "line", 0));
	else if (!json_is_object(doc))
		sl_fail(err, SL_ERR_INVALID, "holds no kubeconfig");
	else
		return json_incref(doc);
	return NULL;
}

static json_t *parse_yaml(const Connect *c, const char *text, GError **err)
{
	g_autoptr(json_t) request = json_pack(
		"{s:[{s:s,s:s}],s:b}", "files", "name", "kubeconfig", "text", text, "positions", 0);
	if (!request) {
		sl_fail(err, SL_ERR_INVALID, "is not UTF-8");
		return NULL;
	}
	g_autofree char *body = json_canonical(request);
	size_t len = 0;
	g_autofree char *answer = job_run_sync(
		c->worker, "yaml", body, strlen(body), CONNECT_YAML_TIMEOUT_MSEC, &len, err);
	explicit_bzero(body, strlen(body));
	g_autoptr(json_t) parsed = answer ? json_parse(answer, len, err) : NULL;
	return parsed ? first_document(parsed, err) : NULL;
}

/* Borrowed. Clusters often share one kubeconfig, by context. */
static json_t *kubeconfig_doc(Connect *c, const char *text, GError **err)
{
	g_autofree char *digest = sl_sha256(text, strlen(text));
	for (unsigned i = 0; i < c->parsed->len; i++) {
		Parsed *x = c->parsed->pdata[i];
		if (strcmp(x->digest, digest) == 0)
			return x->doc;
	}
	json_t *doc = parse_yaml(c, text, err);
	if (!doc)
		return NULL;
	Parsed *x = g_new0(Parsed, 1);
	*x = (Parsed){ g_steal_pointer(&digest), doc };
	if (c->parsed->len == CONNECT_PARSED_MAX)
		g_ptr_array_remove_index(c->parsed, 0);
	g_ptr_array_add(c->parsed, x);
	return doc;
}

json_t *connect_kubeconfig(Connect *c, const char *path, GError **err)
{
	g_autoptr(json_t) ref = json_pack("{s:s}", "file", path);
	if (!ref) {
		sl_fail(err, SL_ERR_INVALID, "the path of the kubeconfig is not UTF-8");
		return NULL;
	}
	char *text = connect_secret(ref, CONNECT_KUBECONFIG_MAX_BYTES, err);
	if (!text)
		return NULL;
	json_t *doc = kubeconfig_doc(c, text, err);
	forget(&text);
	if (!doc)
		g_prefix_error(err, "%s: ", path);
	return json_incref(doc);
}

static char *folder_of(const char *path)
{
	if (path)
		return g_path_get_dirname(path);
	return g_get_current_dir();
}

static Creds *read_creds(Connect *c, const json_t *access, GError **err)
{
	const json_t *ref = json_object_get(access, "kubeconfig");
	g_autofree char *path = connect_secret_path(ref);
	char *text = connect_secret(ref, CONNECT_KUBECONFIG_MAX_BYTES, err);
	const json_t *doc = text ? kubeconfig_doc(c, text, err) : NULL;
	forget(&text);
	if (!doc)
		return NULL;
	g_autofree char *near = folder_of(path);
	g_autofree char *dir = g_canonicalize_filename(near, NULL);
	CredsOptions o = { .event = c->event,
		.loop = c->loop,
		.context = text_of(access, "context"),
		.proxy_url = text_of(access, "proxy") };
	CredsFile file = { doc, dir, path ? path : "the kubeconfig" };
	return creds_from_kubeconfig(&o, &file, 1, err);
}

static Creds *connect_creds(void *ud, const json_t *cluster, GError **err)
{
	const json_t *access = json_path(cluster, "spec.access");
	if (!access)
		access = json_object_get(cluster, "access"); /* a spec alone */
	Creds *creds = read_creds(ud, access, err);
	if (!creds)
		g_prefix_error(err, "access.kubeconfig: ");
	return creds;
}

/* ---- telemetry endpoints ---- */

static void endpoint_free(void *p)
{
	Endpoint *x = p;
	g_free(x->key);
	json_decref(x->source);
	g_free(x->e.base_url);
	g_free(x->e.basic_user);
	forget(&x->e.bearer);
	forget(&x->e.basic_password);
	forget(&x->e.key_pem);
	g_free(x->e.cert_pem);
	g_free(x->e.ca_pem);
	g_free(x);
}

static char **place_of(HttpEndpoint *e, SecretRole role)
{
	switch (role) {
	case SEC_TOKEN:
		return &e->bearer;
	case SEC_CA:
		return &e->ca_pem;
	case SEC_CERT:
		return &e->cert_pem;
	case SEC_KEY:
		return &e->key_pem;
	case SEC_PASSWORD:
		return &e->basic_password;
	case SEC_N:
		break;
	}
	g_assert_not_reached();
}

static bool is_pem(SecretRole role)
{
	return role == SEC_CA || role == SEC_CERT || role == SEC_KEY;
}

static Stamp stamp_of(const json_t *ref)
{
	g_autofree char *path = connect_secret_path(ref);
	struct stat st;
	if (!path || stat(path, &st) < 0)
		return (Stamp){ 0 };
	return (Stamp){ st.st_mtim, st.st_ino, st.st_size };
}

static char *read_secret(const json_t *ref, SecretRole role, GError **err)
{
	char *text = connect_secret(ref,
		is_pem(role) ? (size_t)CREDS_PEM_MAX_BYTES : (size_t)CONNECT_SECRET_MAX_BYTES, err);
	if (!text)
		return NULL;
	if (is_pem(role) && !strstr(text, "-----BEGIN ")) {
		forget(&text);
		sl_fail(err, SL_ERR_INVALID, "is no PEM text");
		return NULL;
	}
	if (!is_pem(role))
		g_strstrip(text);
	if (!*text) {
		forget(&text);
		sl_fail(err, SL_ERR_INVALID, "is empty");
	}
	return text;
}

static void put_secret(Endpoint *x, SecretRole role, char *text)
{
	char **at = place_of(&x->e, role);
	if (g_strcmp0(*at, text) == 0) {
		forget(&text);
		return;
	}
	forget(at);
	*at = text;
	/* Connections made under another certificate or authority are not used again. */
	if (is_pem(role))
		x->e.generation++;
}

static bool fill_endpoint(Endpoint *x, GError **err)
{
	for (SecretRole role = 0; role < SEC_N; role++) {
		const json_t *ref = json_path(x->source, secret_paths[role]);
		if (!ref || json_is_null(ref))
			continue;
		x->stamps[role] = stamp_of(ref);
		char *text = read_secret(ref, role, err);
		if (!text) {
			g_prefix_error(err, "%s: ", secret_paths[role]);
			return false;
		}
		put_secret(x, role, text);
	}
	return true;
}

static bool same_stamp(const Stamp *a, const Stamp *b)
{
	return a->mtime.tv_sec == b->mtime.tv_sec && a->mtime.tv_nsec == b->mtime.tv_nsec &&
	       a->ino == b->ino && a->size == b->size;
}

/* Certificate and key change together: both are read before either is put. */
static void refresh_endpoint(Endpoint *x)
{
	char *fresh[SEC_N] = { NULL };
	Stamp stamps[SEC_N] = { 0 };
	bool changed = false, whole = true;
	for (SecretRole role = 0; role < SEC_N; role++) {
		stamps[role] = stamp_of(json_path(x->source, secret_paths[role]));
		changed = changed || !same_stamp(&stamps[role], &x->stamps[role]);
	}
	for (SecretRole role = 0; changed && role < SEC_N; role++) {
		const json_t *ref = json_path(x->source, secret_paths[role]);
		if (json_is_object(ref)) {
			fresh[role] = read_secret(ref, role, NULL);
			whole = whole && fresh[role];
		}
	}
	for (SecretRole role = 0; role < SEC_N; role++) {
		if (fresh[role] && whole)
			put_secret(x, role, fresh[role]);
		else
			forget(&fresh[role]);
		if (changed && whole)
			x->stamps[role] = stamps[role];
	}
}

static void arm(Connect *c);

static void refresh_all(void *ud)
{
	Connect *c = ud;
	c->timer = 0;
	for (unsigned i = 0; i < c->endpoints->len; i++)
		refresh_endpoint(c->endpoints->pdata[i]);
	arm(c);
}

static void arm(Connect *c)
{
	if (c->timer || c->endpoints->len == 0)
		return;
	int64_t at = loop_boot_usec(c->loop) + CONNECT_REFRESH_SEC * SL_USEC_PER_SEC;
	c->timer = loop_timer(c->loop, at, refresh_all, c);
}

static Endpoint *endpoint_new(const char *key, const json_t *source, GError **err)
{
	Endpoint *x = g_new0(Endpoint, 1);
	x->key = g_strdup(key);
	x->source = json_deep_copy(source);
	x->e.base_url = g_strdup(json_path_str(source, "url", ""));
	for (size_t n = strlen(x->e.base_url); n > 0 && x->e.base_url[n - 1] == '/'; n--)
		x->e.base_url[n - 1] = '\0';
	x->e.basic_user = g_strdup(json_path_str(source, "basic.user", NULL));
	x->e.generation = 1;
	if (fill_endpoint(x, err))
		return x;
	endpoint_free(x);
	return NULL;
}

static const HttpEndpoint *connect_telemetry(
	void *ud, const json_t *cluster, const json_t *source, GError **err)
{
	Connect *c = ud;
	g_autofree char *text = json_canonical(source);
	g_autofree char *key =
		g_strdup_printf("%s %s", json_path_str(cluster, "metadata.name", ""), text);
	for (unsigned i = 0; i < c->endpoints->len; i++) {
		Endpoint *x = c->endpoints->pdata[i];
		if (strcmp(x->key, key) == 0)
			return &x->e;
	}
	Endpoint *x = endpoint_new(key, source, err);
	if (!x) {
		g_prefix_error(
			err, "telemetry %s: ", json_path_str(source, "name", "without a name"));
		return NULL;
	}
	g_ptr_array_add(c->endpoints, x);
	arm(c);
	return &x->e;
}

/* ---- receivers of notices ---- */

static void receiver_free(void *p)
{
	Receiver *r = p;
	g_free(r->name);
	forget(&r->e.base_url);
	forget(&r->e.bearer);
	g_free(r->e.ca_pem);
	g_free(r);
}

static Receiver *receiver_of(Connect *c, const char *name)
{
	for (unsigned i = 0; i < c->receivers->len; i++) {
		Receiver *r = c->receivers->pdata[i];
		if (strcmp(r->name, name) == 0)
			return r;
	}
	Receiver *r = g_new0(Receiver, 1);
	r->name = g_strdup(name);
	g_ptr_array_add(c->receivers, r);
	return r;
}

/* A secret of the entry into *at; what is not named is NULL. The URL is one too: never quoted. */
static bool put_of_receiver(
	Receiver *r, const json_t *entry, const char *key, char **at, SecretRole role, GError **err)
{
	const json_t *ref = json_object_get(entry, key);
	bool named = ref && !json_is_null(ref);
	char *text = named ? read_secret(ref, role, err) : NULL;
	if (named && !text) {
		g_prefix_error(err, "%s: ", key);
		return false;
	}
	/* A connection made under another authority is not used again. */
	if (g_strcmp0(*at, text) != 0 && role == SEC_CA)
		r->e.generation++;
	forget(at);
	*at = text;
	return true;
}

static const HttpEndpoint *connect_receiver(void *ud, const json_t *entry, GError **err)
{
	Receiver *r = receiver_of(ud, json_path_str(entry, "name", ""));
	if (!put_of_receiver(r, entry, "url", &r->e.base_url, SEC_TOKEN, err) ||
		!put_of_receiver(r, entry, "token", &r->e.bearer, SEC_TOKEN, err) ||
		!put_of_receiver(r, entry, "ca", &r->e.ca_pem, SEC_CA, err))
		return NULL;
	if (r->e.base_url && (g_str_has_prefix(r->e.base_url, "https://") ||
				     g_str_has_prefix(r->e.base_url, "http://")))
		return &r->e;
	sl_fail(err, SL_ERR_INVALID, "url: is no address that begins with https:// or http://");
	return NULL;
}

/* ---- repositories of actuators ---- */

enum { MIRROR_NAME_CHARS = 32 };

static json_t *connect_git(void *ud, const json_t *cluster, GError **err)
{
	const Connect *c = ud;
	const json_t *a = json_path(cluster, "spec.actuator");
	const json_t *credential = json_object_get(a, "credential");
	const char *url = json_path_str(a, "repository", "");
	json_t *secret = NULL;
	if (json_is_object(credential)) {
		secret = connect_worker_ref(credential, err);
		if (!secret) {
			g_prefix_error(err, "actuator.credential: ");
			return NULL;
		}
	}
	g_autofree char *digest = sl_sha256(url, strlen(url));
	g_autofree char *name = g_strndup(digest, MIRROR_NAME_CHARS);
	g_autofree char *mirror = g_build_filename(c->mirrors, name, NULL);
	json_t *all = json_pack("{s:s, s:s, s:s}", "mirror", mirror, "url", url, "branch",
		json_path_str(a, "branch", "main"));
	if (secret)
		json_object_set_new(all, "credential", json_pack("{s:o}", "secret", secret));
	return all;
}

/* ---- nodes ---- */

static json_t *ssh_key(const json_t *ref, GError **err)
{
	const char *agent = text_of(ref, "agent");
	return agent ? json_pack("{s:s}", "agent", agent) : connect_worker_ref(ref, err);
}

static json_t *connect_node(void *ud, const json_t *cluster, GError **err)
{
	const json_t *access = json_path(cluster, "spec.nodeAccess"),
		     *ssh = json_object_get(access, "ssh");
	if (!ssh) {
		sl_fail(err, SL_ERR_INVALID, "nodeAccess.ssh is missing: nodes are reached by SSH");
		return NULL;
	}
	json_t *key = ssh_key(json_object_get(ssh, "key"), err);
	if (!key) {
		g_prefix_error(err, "nodeAccess.ssh.key: ");
		return NULL;
	}
	json_t *known = connect_worker_ref(json_object_get(ssh, "knownHosts"), err);
	if (!known) {
		json_decref(key);
		g_prefix_error(err, "nodeAccess.ssh.knownHosts: ");
		return NULL;
	}
	return json_pack("{s:s, s:I, s:s, s:o, s:o}", "user", json_path_str(ssh, "user", ""),
		"port", (json_int_t)json_path_int(ssh, "port", 22), "become",
		json_path_str(access, "become", "sudo"), "key", key, "knownHosts", known);
}

Connect *connect_new(const ConnectOptions *o)
{
	Connect *c = g_new0(Connect, 1);
	c->event = o->event;
	c->loop = o->loop;
	c->worker = g_strdup(o->worker);
	c->mirrors = g_strdup(o->mirrors);
	c->endpoints = g_ptr_array_new_with_free_func(endpoint_free);
	c->parsed = g_ptr_array_new_with_free_func(parsed_free);
	c->receivers = g_ptr_array_new_with_free_func(receiver_free);
	return c;
}

void connect_free(Connect *c)
{
	if (!c)
		return;
	loop_cancel(c->loop, &c->timer);
	g_ptr_array_unref(c->endpoints);
	g_ptr_array_unref(c->parsed);
	g_ptr_array_unref(c->receivers);
	g_free(c->worker);
	g_free(c->mirrors);
	g_free(c);
}

FleetConnect connect_fleet(Connect *c)
{
	return (FleetConnect){
		.creds = connect_creds,
		.telemetry = connect_telemetry,
		.receiver = connect_receiver,
		.git = c->mirrors ? connect_git : NULL,
		.node = connect_node,
		.ud = c,
	};
}
