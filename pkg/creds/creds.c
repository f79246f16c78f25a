#include "creds/creds.h"
#include "base/file.h"
#include "creds/certificate.h"
#include "creds/exec.h"
#include <string.h>
#include <sys/stat.h>

/* Enough of a file's inode to see that it was replaced or written. */
typedef struct Stamp {
	struct timespec mtime;
	ino_t ino;
	off_t size;
} Stamp;

typedef struct Waiter {
	uint64_t id;
	unsigned rejected;
	CredsDone *done;
	void *ud;
} Waiter;

struct Creds {
	sd_event *event;
	Loop loop;
	CredsSpec *spec; /* spec->endpoint is the one that is handed out */
	unsigned revision;
	int exec_timeout_sec;
	int64_t checked_usec; /* boot time of the last look at files; -1 = never */
	Stamp ca, cert, key;
	CredsExecRun *run;
	bool exec_have;
	int64_t exec_expires_usec, exec_ended_usec; /* wall; boot */
	GQueue waiters;
	uint64_t next_id, timer;
};

static bool has_files(const Creds *c)
{
	const CredsSpec *s = c->spec;
	return s->ca_file || s->cert_file || s->token_file;
}

static bool uses_exec(const Creds *c)
{
	/* A token that the file itself holds wins over the plugin. */
	return c->spec->exec && (c->exec_have || !c->spec->endpoint.bearer) && !c->spec->token_file;
}

static bool exec_current(const Creds *c)
{
	int64_t leeway = CREDS_LEEWAY_SEC * SL_USEC_PER_SEC;
	return c->exec_have && loop_wall_usec(c->loop) < c->exec_expires_usec - leeway;
}

bool creds_fresh(const Creds *c)
{
	int64_t age = loop_boot_usec(c->loop) - c->checked_usec;
	if (has_files(c) && (c->checked_usec < 0 || age >= CREDS_FILE_SEC * SL_USEC_PER_SEC))
		return false;
	return !uses_exec(c) || exec_current(c);
}

static void set_secret(char **field, char *value)
{
	if (*field)
		explicit_bzero(*field, strlen(*field));
	g_free(*field);
	*field = value;
}

/* Takes value. */
static void set_token(Creds *c, char *value)
{
	if (g_strcmp0(c->spec->endpoint.bearer, value) == 0) {
		g_free(value);
		return;
	}
	set_secret(&c->spec->endpoint.bearer, value);
	c->revision++;
}

/* Takes value. Connections made under another certificate or authority are not used again. */
static void set_pem(Creds *c, char **field, char *value)
{
	if (g_strcmp0(*field, value) == 0) {
		g_free(value);
		return;
	}
	set_secret(field, value);
	c->revision++;
	c->spec->endpoint.generation++;
}

static bool load_token(Creds *c, GError **err)
{
	const char *path = c->spec->token_file;
	if (!path)
		return true;
	char *text = sl_read_file(path, CREDS_TOKEN_MAX_BYTES, NULL, err);
	if (!text)
		return false;
	g_strstrip(text);
	if (!*text) {
		g_free(text);
		return sl_fail(err, SL_ERR_REFUSED, "%s: holds no token", path);
	}
	set_token(c, text);
	return true;
}

static bool load_pem(Creds *c, const char *path, Stamp *stamp, char **field, GError **err)
{
	struct stat st;
	if (!path)
		return true;
	Stamp now = { 0 };
	if (stat(path, &st) == 0)
		now = (Stamp){ st.st_mtim, st.st_ino, st.st_size };
	if (*field && memcmp(&now, stamp, sizeof now) == 0)
		return true;
	char *text = sl_read_file(path, CREDS_PEM_MAX_BYTES, NULL, err);
	if (!text)
		return false;
	if (!strstr(text, "-----BEGIN ")) {
		g_free(text);
		return sl_fail(err, SL_ERR_REFUSED, "%s: is not a PEM file", path);
	}
	set_pem(c, field, text);
	*stamp = now;
	return true;
}

static bool load_files(Creds *c, GError **err)
{
	HttpEndpoint *e = &c->spec->endpoint;
	bool ok = load_pem(c, c->spec->ca_file, &c->ca, &e->ca_pem, err) &&
		  load_pem(c, c->spec->cert_file, &c->cert, &e->cert_pem, err) &&
		  load_pem(c, c->spec->key_file, &c->key, &e->key_pem, err) && load_token(c, err);
	if (ok)
		c->checked_usec = loop_boot_usec(c->loop);
	return ok;
}

/* All that a first reading had to bring is there: later failures to read leave it in use. */
static bool files_complete(const Creds *c)
{
	const CredsSpec *s = c->spec;
	const HttpEndpoint *e = &s->endpoint;
	return (!s->ca_file || e->ca_pem) && (!s->cert_file || e->cert_pem) &&
	       (!s->key_file || e->key_pem) && (!s->token_file || e->bearer);
}

static void tell(Creds *c, const Waiter *w, const GError *failure)
{
	g_autoptr(GError) err = failure ? g_error_copy(failure) : NULL;
	if (!err && w->rejected && w->rejected == c->revision)
		sl_fail(&err, SL_ERR_REFUSED,
			"the server rejected the credentials, and there are no newer ones");
	if (err)
		g_prefix_error(&err, "credentials of %s: ", c->spec->origin);
	w->done(err, w->ud);
}

static void finish(Creds *c, const GError *failure)
{
	/* Who asks from inside a completion waits for the next round. */
	uint64_t last = c->next_id;
	for (Waiter *w; (w = g_queue_peek_head(&c->waiters)) && w->id <= last;) {
		g_queue_pop_head(&c->waiters);
		tell(c, w, failure);
		g_free(w);
	}
}

static void on_exec(CredsExecResult *r, const GError *err, void *ud)
{
	Creds *c = ud;
	g_autoptr(GError) failure = err ? g_error_copy(err) : NULL;
	HttpEndpoint *e = &c->spec->endpoint;
	c->exec_ended_usec = loop_boot_usec(c->loop);
	if (!err) {
		c->exec_have = true;
		c->exec_expires_usec = r->expires_usec;
		set_token(c, g_steal_pointer(&r->token));
		if (r->cert_pem) {
			set_pem(c, &e->cert_pem, g_steal_pointer(&r->cert_pem));
			set_pem(c, &e->key_pem, g_steal_pointer(&r->key_pem));
		}
	}
	g_clear_pointer(&c->run, creds_exec_free);
	finish(c, failure);
}

static bool someone_was_rejected(const Creds *c)
{
	for (const GList *l = c->waiters.head; l; l = l->next)
		if (((const Waiter *)l->data)->rejected == c->revision)
			return true;
	return false;
}

static bool exec_wanted(const Creds *c)
{
	if (!uses_exec(c))
		return false;
	if (!exec_current(c))
		return true;
	int64_t age = loop_boot_usec(c->loop) - c->exec_ended_usec;
	return someone_was_rejected(c) && age >= CREDS_EXEC_GAP_SEC * SL_USEC_PER_SEC;
}

static void work(void *ud)
{
	Creds *c = ud;
	g_autoptr(GError) err = NULL;
	c->timer = 0;
	if (c->run)
		return;
	if (!load_files(c, &err) && files_complete(c) && !someone_was_rejected(c)) {
		g_clear_error(&err);
		c->checked_usec = loop_boot_usec(c->loop);
	}
	if (!err && exec_wanted(c)) {
		c->run = creds_exec_start(
			c->event, c->loop, c->spec->exec, c->exec_timeout_sec, on_exec, c);
		return;
	}
	finish(c, err);
}

uint64_t creds_refresh(Creds *c, unsigned rejected, CredsDone *done, void *ud)
{
	Waiter *w = g_new0(Waiter, 1);
	*w = (Waiter){ .id = ++c->next_id, .rejected = rejected, .done = done, .ud = ud };
	g_queue_push_tail(&c->waiters, w);
	if (!c->timer)
		c->timer = loop_defer(c->loop, work, c);
	return w->id;
}

void creds_forget(Creds *c, uint64_t *id)
{
	for (GList *l = c->waiters.head; l && *id; l = l->next)
		if (((Waiter *)l->data)->id == *id) {
			g_free(l->data);
			g_queue_delete_link(&c->waiters, l);
			break;
		}
	*id = 0;
}

/* Takes spec. */
static Creds *creds_new(const CredsOptions *o, CredsSpec *spec)
{
	Creds *c = g_new0(Creds, 1);
	c->event = o->event ? sd_event_ref(o->event) : NULL;
	c->loop = o->loop;
	c->spec = spec;
	c->revision = 1;
	c->exec_timeout_sec = o->exec_timeout_sec;
	c->checked_usec = -1;
	if (o->proxy_url) {
		g_free(spec->endpoint.proxy_url);
		spec->endpoint.proxy_url = g_strdup(o->proxy_url);
	}
	return c;
}

Creds *creds_from_kubeconfig(
	const CredsOptions *o, const CredsFile *files, size_t n_files, GError **err)
{
	g_autoptr(CredsSpec) spec = creds_spec_from_kubeconfig(files, n_files, o->context, err);
	if (!spec)
		return NULL;
	if (spec->exec && !o->event) {
		sl_fail(err, SL_ERR_INVALID, "%s: exec plugins cannot be used here", spec->origin);
		return NULL;
	}
	return creds_new(o, g_steal_pointer(&spec));
}

Creds *creds_in_cluster(
	const CredsOptions *o, const char *dir, const char *host, const char *port, GError **err)
{
	if (!host || !*host || !port || !*port) {
		sl_fail(err, SL_ERR_NOT_FOUND,
			"not in a pod: KUBERNETES_SERVICE_HOST and _PORT are not set");
		return NULL;
	}
	const char *at = dir ? dir : "/var/run/secrets/kubernetes.io/serviceaccount";
	g_autofree char *ns_file = g_build_filename(at, "namespace", NULL);
	CredsSpec *s = g_new0(CredsSpec, 1);
	bool v6 = strchr(host, ':') != NULL;
	s->origin = g_strdup("the pod's service account");
	s->endpoint.base_url =
		g_strdup_printf("https://%s%s%s:%s", v6 ? "[" : "", host, v6 ? "]" : "", port);
	s->token_file = g_build_filename(at, "token", NULL);
	s->ca_file = g_build_filename(at, "ca.crt", NULL);
	s->namespace_ = sl_read_file(ns_file, CREDS_TOKEN_MAX_BYTES, NULL, NULL);
	if (s->namespace_)
		g_strstrip(s->namespace_);
	else
		s->namespace_ = g_strdup("default");
	return creds_new(o, s);
}

Creds *creds_static(Loop loop, const HttpEndpoint *e)
{
	CredsSpec *s = g_new0(CredsSpec, 1);
	s->origin = g_strdup(e->base_url);
	s->namespace_ = g_strdup("default");
	s->endpoint = (HttpEndpoint){
		.base_url = g_strdup(e->base_url),
		.ca_pem = g_strdup(e->ca_pem),
		.cert_pem = g_strdup(e->cert_pem),
		.key_pem = g_strdup(e->key_pem),
		.tls_server_name = g_strdup(e->tls_server_name),
		.proxy_url = g_strdup(e->proxy_url),
		.bearer = g_strdup(e->bearer),
		.basic_user = g_strdup(e->basic_user),
		.basic_password = g_strdup(e->basic_password),
		.insecure_tls = e->insecure_tls,
		.generation = e->generation,
	};
	return creds_new(&(CredsOptions){ .loop = loop }, s);
}

void creds_free(Creds *c)
{
	if (!c)
		return;
	loop_cancel(c->loop, &c->timer);
	creds_exec_free(c->run);
	g_queue_clear_full(&c->waiters, g_free);
	creds_spec_free(c->spec);
	if (c->event)
		sd_event_unref(c->event);
	g_free(c);
}

const HttpEndpoint *creds_endpoint(const Creds *c)
{
	return &c->spec->endpoint;
}

const HttpHeader *creds_headers(const Creds *c, size_t *ret_n)
{
	*ret_n = c->spec->n_headers;
	return c->spec->headers;
}

const char *creds_namespace(const Creds *c)
{
	return c->spec->namespace_;
}

const char *creds_origin(const Creds *c)
{
	return c->spec->origin;
}

bool creds_certificate_end(const Creds *c, int64_t *ret_sec)
{
	const char *pem = c->spec->endpoint.cert_pem;
	return pem && !c->exec_have && certificate_not_after(pem, ret_sec);
}

unsigned creds_revision(const Creds *c)
{
	return c->revision;
}
