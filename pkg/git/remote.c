#include "git/remote.h"
#include "base/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

void remote_clear(Remote *r)
{
	git_repository_free(r->repo);
	sl_close(&r->lock);
	git_url_clear(&r->url);
	g_free(r->home);
	g_free(r->username);
	g_free(r->secret);
	known_hosts_free(r->known);
	g_clear_error(&r->why);
}

static int refuse(Remote *r, SlErr code, int rc, const char *fmt, ...) SL_PRINTF(4, 5);
static int refuse(Remote *r, SlErr code, int rc, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	g_clear_error(&r->why);
	r->why = g_error_new_valist(SL_ERROR, code, fmt, ap);
	va_end(ap);
	git_error_set_str(GIT_ERROR_CALLBACK, r->why->message);
	return rc;
}

/* Never 0, which would accept whatever libgit2 thought of it: PASSTHROUGH keeps its verdict. */
static int on_certificate(git_cert *cert, int valid, const char *host, void *ud)
{
	Remote *r = ud;
	if (cert->cert_type == GIT_CERT_X509)
		return valid ? GIT_PASSTHROUGH
			     : refuse(r, SL_ERR_REFUSED, GIT_ECERTIFICATE,
				       "%s: its certificate does not stand for that name or is not "
				       "signed by a known authority",
				       host);
	const git_cert_hostkey *key = (const git_cert_hostkey *)cert;
	if (cert->cert_type != GIT_CERT_HOSTKEY_LIBSSH2 || !(key->type & GIT_CERT_SSH_RAW))
		return refuse(r, SL_ERR_REFUSED, GIT_ECERTIFICATE, "%s: shows no key", host);
	switch (known_hosts_judge(r->known, key->hostkey, key->hostkey_len)) {
	case HOST_KEY_KNOWN:
		return GIT_PASSTHROUGH;
	case HOST_KEY_REVOKED:
		return refuse(r, SL_ERR_REFUSED, GIT_ECERTIFICATE,
			"%s: its host key is revoked in knownHosts", host);
	default:
		return refuse(r, SL_ERR_REFUSED, GIT_ECERTIFICATE,
			"%s: its host key is not the one in knownHosts; somebody may be in between",
			host);
	}
}

static bool is_rsa_key(const char *secret)
{
	if (strstr(secret, "BEGIN RSA PRIVATE KEY"))
		return true;
	const char *body = strstr(secret, "BEGIN OPENSSH PRIVATE KEY-----");
	if (!body)
		return false;
	gsize n = 0;
	g_autofree unsigned char *raw =
		g_base64_decode(body + strlen("BEGIN OPENSSH PRIVATE KEY-----"), &n);
	return memmem(raw, n, "ssh-rsa", 7) != NULL;
}

static int give_ssh(git_credential **out, Remote *r, const char *user, unsigned types)
{
	if (types & GIT_CREDENTIAL_USERNAME)
		return git_credential_username_new(out, user);
	if (r->n_asked++ > 0)
		return refuse(r, SL_ERR_REFUSED, GIT_EAUTH,
			"%s: does not accept the key for user %s%s", r->url.host, user,
			r->secret && is_rsa_key(r->secret)
				? " (RSA keys do not work with current servers: use ed25519)"
				: "");
	if (r->agent)
		return git_credential_ssh_key_from_agent(out, user);
	if (!r->secret)
		return refuse(r, SL_ERR_REFUSED, GIT_EAUTH,
			"%s: wants a key; give one as credential", r->url.host);
	return git_credential_ssh_key_memory_new(out, user, NULL, r->secret, NULL);
}

static int give_http(git_credential **out, Remote *r, const char *user)
{
	if (!r->secret)
		return refuse(r, SL_ERR_REFUSED, GIT_EAUTH, "%s: wants a credential", r->url.host);
	if (r->n_asked++ > 0)
		return refuse(r, SL_ERR_REFUSED, GIT_EAUTH, "%s: does not accept the credential",
			r->url.host);
	const char *colon = strchr(r->secret, ':');
	if (!colon)
		return git_credential_userpass_plaintext_new(out, user, r->secret);
	g_autofree char *name = g_strndup(r->secret, (gsize)(colon - r->secret));
	return git_credential_userpass_plaintext_new(out, name, colon + 1);
}

/* Only the host that the plan names gets the credential, not one it redirects to. */
static bool is_our_host(const Remote *r, const char *url)
{
	g_auto(GitUrl) asked = { 0 };
	return git_url_parse(url, &asked, NULL) && asked.host && r->url.host &&
	       g_ascii_strcasecmp(asked.host, r->url.host) == 0 && asked.port == r->url.port &&
	       asked.tls == r->url.tls;
}

static int on_credential(
	git_credential **out, const char *url, const char *url_user, unsigned types, void *ud)
{
	Remote *r = ud;
	const char *user = r->username ? r->username : url_user ? url_user : "git";
	if (!is_our_host(r, url))
		return refuse(r, SL_ERR_REFUSED, GIT_EAUTH,
			"%s: redirects elsewhere and wants a credential there", r->url.host);
	if (r->url.kind == GIT_URL_SSH)
		return give_ssh(out, r, user, types);
	return give_http(out, r, user);
}

static int on_progress(const git_indexer_progress *p, void *ud)
{
	if (p->received_bytes <= GIT_MAX_FETCH_BYTES)
		return 0;
	return refuse(
		ud, SL_ERR_REFUSED, GIT_EUSER, "it sends more than %d bytes", GIT_MAX_FETCH_BYTES);
}

static bool read_credential(Remote *r, const json_t *request, GError **err)
{
	const json_t *c = json_object_get(request, "credential");
	GError *why = NULL;
	r->username = g_strdup(json_string_value(json_object_get(c, "username")));
	r->agent = json_is_true(json_object_get(c, "agent"));
	r->secret = git_ref_text(json_object_get(c, "secret"), "credential", &why);
	if (why) {
		g_propagate_error(err, why);
		return false;
	}
	if (r->secret && r->url.kind == GIT_URL_HTTP)
		g_strchomp(r->secret);
	bool loopback = r->url.host &&
			(g_str_has_prefix(r->url.host, "127.") || strcmp(r->url.host, "::1") == 0 ||
				strcmp(r->url.host, "localhost") == 0);
	if (r->secret && r->url.kind == GIT_URL_HTTP && !r->url.tls && !loopback)
		return sl_fail(err, SL_ERR_INVALID,
			"%s: a credential would be readable on its way; use https", r->url.url);
	return true;
}

/* As ssh: the user's and the machine's known_hosts, where the request names none. */
static char *default_known_hosts(void)
{
	g_autofree char *own = g_build_filename(g_get_home_dir(), ".ssh", "known_hosts", NULL);
	g_autofree char *a = sl_read_file(own, GIT_MAX_REF_BYTES, NULL, NULL);
	g_autofree char *b =
		sl_read_file("/etc/ssh/ssh_known_hosts", GIT_MAX_REF_BYTES, NULL, NULL);
	return g_strconcat(a ? a : "", "\n", b ? b : "", NULL);
}

/* libgit2 asks libssh2 which key types the known_hosts under HOME lists, and offers only those; so
 * it gets a HOME of ours with what we read, in words libssh2 understands. */
static bool prepare_ssh(Remote *r, const json_t *request, GError **err)
{
	GError *why = NULL;
	g_autofree char *text =
		git_ref_text(json_object_get(request, "knownHosts"), "knownHosts", &why);
	if (why) {
		g_propagate_error(err, why);
		return false;
	}
	if (!text)
		text = default_known_hosts();
	r->known = known_hosts_parse(text, r->url.host, r->url.port);
	g_autofree char *plain = known_hosts_plain(r->known);
	if (!*plain)
		return sl_fail(err, SL_ERR_REFUSED,
			"%s: no host key is known; put one into knownHosts (ssh-keyscan -p %d %s, "
			"then compare it)",
			r->url.host, r->url.port, r->url.host);
	g_autofree char *dir = g_build_filename(r->home, ".ssh", NULL);
	g_autofree char *path = g_build_filename(dir, "known_hosts", NULL);
	if (g_mkdir_with_parents(dir, 0700) < 0)
		return sl_fail(err, SL_ERR_REFUSED, "%s: %s", dir, g_strerror(errno));
	return sl_write_file(path, plain, strlen(plain), 0600, err);
}

static bool prepare_tls(Remote *r, const json_t *request, GError **err)
{
	GError *why = NULL;
	g_autofree char *pem = git_ref_text(json_object_get(request, "ca"), "ca", &why);
	if (why) {
		g_propagate_error(err, why);
		return false;
	}
	if (!pem)
		return true;
	g_autofree char *path = g_build_filename(r->home, "ca.pem", NULL);
	if (!sl_write_file(path, pem, strlen(pem), 0600, err))
		return false;
	if (git_libgit2_opts(GIT_OPT_SET_SSL_CERT_LOCATIONS, path, NULL) < 0)
		return git_fail(err, SL_ERR_INVALID, "ca");
	return true;
}

/* A worker that was killed leaves its lock files; while we hold the mirror they are nobody's. */
static void drop_stale_locks(const char *dir, unsigned depth)
{
	g_autoptr(GDir) d = depth < GIT_MAX_DEPTH ? g_dir_open(dir, 0, NULL) : NULL;
	for (const char *name; d && (name = g_dir_read_name(d));) {
		g_autofree char *path = g_build_filename(dir, name, NULL);
		if (g_str_has_suffix(name, ".lock"))
			unlink(path);
		else if (g_file_test(path, G_FILE_TEST_IS_DIR) &&
			 !g_file_test(path, G_FILE_TEST_IS_SYMLINK))
			drop_stale_locks(path, depth + 1);
	}
}

/* One job at a time writes to a mirror; the others wait until their deadline. */
static bool lock_mirror(Remote *r, GError **err)
{
	static const char *const places[] = { "refs", "packed-refs.lock", "HEAD.lock",
		"config.lock" };
	g_autofree char *path = g_build_filename(r->mirror, "shiplock-lock", NULL);
	if (g_mkdir_with_parents(r->mirror, 0700) < 0)
		return sl_fail(err, SL_ERR_CONFLICT, "%s: %s", r->mirror, g_strerror(errno));
	r->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (r->lock < 0)
		return sl_fail(err, SL_ERR_CONFLICT, "%s: %s", path, g_strerror(errno));
	while (flock(r->lock, LOCK_EX) < 0)
		if (errno != EINTR)
			return sl_fail(err, SL_ERR_RETRY, "%s: %s", path, g_strerror(errno));
	for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
		g_autofree char *place = g_build_filename(r->mirror, places[i], NULL);
		if (g_str_has_suffix(place, ".lock"))
			unlink(place);
		else
			drop_stale_locks(place, 0);
	}
	return true;
}

static bool open_mirror(Remote *r, GError **err)
{
	if (!lock_mirror(r, err))
		return false;
	int rc = git_repository_open_bare(&r->repo, r->mirror);
	if (rc == GIT_ENOTFOUND) {
		git_repository_init_options o = GIT_REPOSITORY_INIT_OPTIONS_INIT;
		o.flags = GIT_REPOSITORY_INIT_BARE | GIT_REPOSITORY_INIT_MKPATH |
			  GIT_REPOSITORY_INIT_NO_REINIT;
		o.mode = 0700;
		rc = git_repository_init_ext(&r->repo, r->mirror, &o);
	}
	if (rc < 0)
		return git_fail(err, SL_ERR_CONFLICT, r->mirror);
	r->home = g_build_filename(r->mirror, "shiplock-home", NULL);
	if (g_mkdir_with_parents(r->home, 0700) < 0)
		return sl_fail(err, SL_ERR_REFUSED, "%s: %s", r->home, g_strerror(errno));
	return true;
}

bool remote_open(Remote *r, const json_t *request, GError **err)
{
	*r = (Remote){ .lock = -1 };
	const char *url = git_need(request, "url", err);
	r->mirror = git_need(request, "mirror", err);
	if (!url || !r->mirror || !git_url_parse(url, &r->url, err) ||
		!read_credential(r, request, err) || !open_mirror(r, err) ||
		(r->url.kind == GIT_URL_SSH && !prepare_ssh(r, request, err)) ||
		(r->url.tls && !prepare_tls(r, request, err)))
		return false;
	g_setenv("HOME", r->home, true);
	return true;
}

void remote_callbacks(Remote *r, git_remote_callbacks *c)
{
	c->credentials = on_credential;
	c->certificate_check = on_certificate;
	c->transfer_progress = on_progress;
	c->payload = r;
}

git_remote *remote_connect(Remote *r, git_direction direction, GError **err)
{
	git_remote *remote = NULL;
	git_remote_callbacks callbacks = GIT_REMOTE_CALLBACKS_INIT;
	git_proxy_options proxy = GIT_PROXY_OPTIONS_INIT;
	if (git_remote_create_anonymous(&remote, r->repo, r->url.url) < 0) {
		git_fail(err, SL_ERR_INVALID, r->url.url);
		return NULL;
	}
	remote_callbacks(r, &callbacks);
	r->n_asked = 0;
	int rc = git_remote_connect(remote, direction, &callbacks, &proxy, NULL);
	if (rc == 0)
		return remote;
	remote_fail(r, rc, err);
	git_remote_free(remote);
	return NULL;
}

bool remote_lists(Remote *r, git_remote *remote, const char *full, bool *ret_there, git_oid *ret_id,
	GError **err)
{
	const git_remote_head **heads = NULL;
	size_t n = 0;
	if (git_remote_ls(&heads, &n, remote) < 0)
		return git_fail(err, SL_ERR_RETRY, r->url.url);
	*ret_there = false;
	for (size_t i = 0; i < n && !*ret_there; i++)
		if (strcmp(heads[i]->name, full) == 0) {
			*ret_there = true;
			*ret_id = heads[i]->oid;
		}
	return true;
}

bool remote_fetch(
	Remote *r, git_remote *remote, const char *const *specs, size_t n_specs, GError **err)
{
	git_fetch_options o = GIT_FETCH_OPTIONS_INIT;
	remote_callbacks(r, &o.callbacks);
	o.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE;
	o.update_fetchhead = 0;
	o.prune = GIT_FETCH_NO_PRUNE;
	git_strarray list = { (char **)specs, n_specs };
	int rc = git_remote_fetch(remote, &list, &o, NULL);
	return rc == 0 || remote_fail(r, rc, err);
}

/* libgit2 has few codes and tells most by words. */
bool remote_fail(Remote *r, int rc, GError **err)
{
	static const char *const refusals[] = { "status code: 401", "status code: 403",
		"status code: 404", "remote error", "does not appear to be", "authenticat",
		"unsupported URL protocol" };
	const git_error *e = git_error_last();
	const char *text = e && e->message ? e->message : "unknown error";
	if (r->why)
		return sl_fail(err, (SlErr)r->why->code, "%s", r->why->message);
	bool refused = rc == GIT_EAUTH || rc == GIT_ECERTIFICATE || rc == GIT_ENOTFOUND;
	for (size_t i = 0; i < G_N_ELEMENTS(refusals); i++)
		refused = refused || strstr(text, refusals[i]);
	return sl_fail(err, refused ? SL_ERR_REFUSED : SL_ERR_RETRY, "%s: %s: %s", r->url.url,
		refused ? "there is no repository that we may read" : "cannot be reached", text);
}
