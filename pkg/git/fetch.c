#include "base/file.h"
#include "git/git-util.h"
#include "git/known-hosts.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct Fetch {
	GitUrl url;
	const char *mirror;
	char *home; /* a HOME of our own, in the mirror */
	char *username, *secret;
	bool agent;
	KnownHosts *known;
	int n_asked; /* how often the server wanted the credential */
	GError *why; /* set by a callback that refused */
} Fetch;

static void fetch_clear(Fetch *f)
{
	git_url_clear(&f->url);
	g_free(f->home);
	g_free(f->username);
	g_free(f->secret);
	known_hosts_free(f->known);
	g_clear_error(&f->why);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Fetch, fetch_clear)

static int refuse(Fetch *f, SlErr code, int rc, const char *fmt, ...) SL_PRINTF(4, 5);
static int refuse(Fetch *f, SlErr code, int rc, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	g_clear_error(&f->why);
	f->why = g_error_new_valist(SL_ERROR, code, fmt, ap);
	va_end(ap);
	git_error_set_str(GIT_ERROR_CALLBACK, f->why->message);
	return rc;
}

/* Never 0, which would accept whatever libgit2 thought of it: PASSTHROUGH keeps its verdict. */
static int on_certificate(git_cert *cert, int valid, const char *host, void *ud)
{
	Fetch *f = ud;
	if (cert->cert_type == GIT_CERT_X509)
		return valid ? GIT_PASSTHROUGH
			     : refuse(f, SL_ERR_REFUSED, GIT_ECERTIFICATE,
				       "%s: its certificate does not stand for that name or is not "
				       "signed by a known authority",
				       host);
	const git_cert_hostkey *key = (const git_cert_hostkey *)cert;
	if (cert->cert_type != GIT_CERT_HOSTKEY_LIBSSH2 || !(key->type & GIT_CERT_SSH_RAW))
		return refuse(f, SL_ERR_REFUSED, GIT_ECERTIFICATE, "%s: shows no key", host);
	switch (known_hosts_judge(f->known, key->hostkey, key->hostkey_len)) {
	case HOST_KEY_KNOWN:
		return GIT_PASSTHROUGH;
	case HOST_KEY_REVOKED:
		return refuse(f, SL_ERR_REFUSED, GIT_ECERTIFICATE,
			"%s: its host key is revoked in knownHosts", host);
	default:
		return refuse(f, SL_ERR_REFUSED, GIT_ECERTIFICATE,
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

static int give_ssh(git_credential **out, Fetch *f, const char *user, unsigned types)
{
	if (types & GIT_CREDENTIAL_USERNAME)
		return git_credential_username_new(out, user);
	if (f->n_asked++ > 0)
		return refuse(f, SL_ERR_REFUSED, GIT_EAUTH,
			"%s: does not accept the key for user %s%s", f->url.host, user,
			f->secret && is_rsa_key(f->secret)
				? " (RSA keys do not work with current servers: use ed25519)"
				: "");
	if (f->agent)
		return git_credential_ssh_key_from_agent(out, user);
	if (!f->secret)
		return refuse(f, SL_ERR_REFUSED, GIT_EAUTH,
			"%s: wants a key; give one as credential", f->url.host);
	return git_credential_ssh_key_memory_new(out, user, NULL, f->secret, NULL);
}

static int give_http(git_credential **out, Fetch *f, const char *user)
{
	if (!f->secret)
		return refuse(f, SL_ERR_REFUSED, GIT_EAUTH, "%s: wants a credential", f->url.host);
	if (f->n_asked++ > 0)
		return refuse(f, SL_ERR_REFUSED, GIT_EAUTH, "%s: does not accept the credential",
			f->url.host);
	const char *colon = strchr(f->secret, ':');
	if (!colon)
		return git_credential_userpass_plaintext_new(out, user, f->secret);
	g_autofree char *name = g_strndup(f->secret, (gsize)(colon - f->secret));
	return git_credential_userpass_plaintext_new(out, name, colon + 1);
}

/* Only the host that the plan names gets the credential, not one it redirects to. */
static bool is_our_host(const Fetch *f, const char *url)
{
	g_auto(GitUrl) asked = { 0 };
	return git_url_parse(url, &asked, NULL) && asked.host && f->url.host &&
	       g_ascii_strcasecmp(asked.host, f->url.host) == 0 && asked.port == f->url.port &&
	       asked.tls == f->url.tls;
}

static int on_credential(
	git_credential **out, const char *url, const char *url_user, unsigned types, void *ud)
{
	Fetch *f = ud;
	const char *user = f->username ? f->username : url_user ? url_user : "git";
	if (!is_our_host(f, url))
		return refuse(f, SL_ERR_REFUSED, GIT_EAUTH,
			"%s: redirects elsewhere and wants a credential there", f->url.host);
	if (f->url.kind == GIT_URL_SSH)
		return give_ssh(out, f, user, types);
	return give_http(out, f, user);
}

static int on_progress(const git_indexer_progress *p, void *ud)
{
	if (p->received_bytes <= GIT_MAX_FETCH_BYTES)
		return 0;
	return refuse(
		ud, SL_ERR_REFUSED, GIT_EUSER, "it sends more than %d bytes", GIT_MAX_FETCH_BYTES);
}

static bool read_credential(Fetch *f, const json_t *request, GError **err)
{
	const json_t *c = json_object_get(request, "credential");
	GError *why = NULL;
	f->username = g_strdup(json_string_value(json_object_get(c, "username")));
	f->agent = json_is_true(json_object_get(c, "agent"));
	f->secret = git_ref_text(json_object_get(c, "secret"), "credential", &why);
	if (why) {
		g_propagate_error(err, why);
		return false;
	}
	if (f->secret && f->url.kind == GIT_URL_HTTP)
		g_strchomp(f->secret);
	bool loopback = f->url.host &&
			(g_str_has_prefix(f->url.host, "127.") || strcmp(f->url.host, "::1") == 0 ||
				strcmp(f->url.host, "localhost") == 0);
	if (f->secret && f->url.kind == GIT_URL_HTTP && !f->url.tls && !loopback)
		return sl_fail(err, SL_ERR_INVALID,
			"%s: a credential would be readable on its way; use https", f->url.url);
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
static bool prepare_ssh(Fetch *f, const json_t *request, GError **err)
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
	f->known = known_hosts_parse(text, f->url.host, f->url.port);
	g_autofree char *plain = known_hosts_plain(f->known);
	if (!*plain)
		return sl_fail(err, SL_ERR_REFUSED,
			"%s: no host key is known; put one into knownHosts (ssh-keyscan -p %d %s, "
			"then compare it)",
			f->url.host, f->url.port, f->url.host);
	g_autofree char *dir = g_build_filename(f->home, ".ssh", NULL);
	g_autofree char *path = g_build_filename(dir, "known_hosts", NULL);
	if (g_mkdir_with_parents(dir, 0700) < 0)
		return sl_fail(err, SL_ERR_REFUSED, "%s: %s", dir, g_strerror(errno));
	return sl_write_file(path, plain, strlen(plain), 0600, err);
}

static bool prepare_tls(Fetch *f, const json_t *request, GError **err)
{
	GError *why = NULL;
	g_autofree char *pem = git_ref_text(json_object_get(request, "ca"), "ca", &why);
	if (why) {
		g_propagate_error(err, why);
		return false;
	}
	if (!pem)
		return true;
	g_autofree char *path = g_build_filename(f->home, "ca.pem", NULL);
	if (!sl_write_file(path, pem, strlen(pem), 0600, err))
		return false;
	if (git_libgit2_opts(GIT_OPT_SET_SSL_CERT_LOCATIONS, path, NULL) < 0)
		return git_fail(err, SL_ERR_INVALID, "ca");
	return true;
}

static git_repository *open_mirror(Fetch *f, GError **err)
{
	git_repository *repo = NULL;
	int rc = git_repository_open_bare(&repo, f->mirror);
	if (rc == GIT_ENOTFOUND) {
		git_repository_init_options o = GIT_REPOSITORY_INIT_OPTIONS_INIT;
		o.flags = GIT_REPOSITORY_INIT_BARE | GIT_REPOSITORY_INIT_MKPATH |
			  GIT_REPOSITORY_INIT_NO_REINIT;
		o.mode = 0700;
		rc = git_repository_init_ext(&repo, f->mirror, &o);
	}
	if (rc < 0) {
		git_fail(err, SL_ERR_CONFLICT, f->mirror);
		return NULL;
	}
	f->home = g_build_filename(f->mirror, "shiplock-home", NULL);
	if (g_mkdir_with_parents(f->home, 0700) < 0) {
		sl_fail(err, SL_ERR_REFUSED, "%s: %s", f->home, g_strerror(errno));
		git_repository_free(repo);
		return NULL;
	}
	return repo;
}

/* libgit2 has few codes and tells most by words. */
static bool fail_remote(Fetch *f, int rc, GError **err)
{
	static const char *const refusals[] = { "status code: 401", "status code: 403",
		"status code: 404", "remote error", "does not appear to be", "authenticat",
		"unsupported URL protocol" };
	const git_error *e = git_error_last();
	const char *text = e && e->message ? e->message : "unknown error";
	if (f->why)
		return sl_fail(err, (SlErr)f->why->code, "%s", f->why->message);
	bool refused = rc == GIT_EAUTH || rc == GIT_ECERTIFICATE || rc == GIT_ENOTFOUND;
	for (size_t i = 0; i < G_N_ELEMENTS(refusals); i++)
		refused = refused || strstr(text, refusals[i]);
	return sl_fail(err, refused ? SL_ERR_REFUSED : SL_ERR_RETRY, "%s: %s: %s", f->url.url,
		refused ? "there is no repository that we may read" : "cannot be reached", text);
}

/* The full name of the branch, as the server lists it. */
static char *find_branch(git_remote *remote, Fetch *f, const char *branch, GError **err)
{
	const git_remote_head **heads = NULL;
	size_t n = 0;
	git_buf head = { 0 };
	g_autofree char *want = NULL;
	if (branch) {
		want = g_strconcat("refs/heads/", branch, NULL);
	} else if (git_remote_default_branch(&head, remote) == 0) {
		want = g_strdup(head.ptr);
		git_buf_dispose(&head);
	}
	if (want && git_remote_ls(&heads, &n, remote) < 0) {
		git_fail(err, SL_ERR_RETRY, f->url.url);
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		if (strcmp(heads[i]->name, want) == 0)
			return g_steal_pointer(&want);
	if (branch)
		sl_fail(err, SL_ERR_NOT_FOUND, "%s: has no branch \"%s\"", f->url.url, branch);
	else
		sl_fail(err, SL_ERR_NOT_FOUND, "%s: has no default branch; name one", f->url.url);
	return NULL;
}

static json_t *describe(git_repository *repo, const char *branch, const git_oid *before,
	const git_oid *now, GError **err)
{
	g_autoptr(git_commit) c = NULL;
	if (git_commit_lookup(&c, repo, now) < 0) {
		git_fail(err, SL_ERR_CONFLICT, "mirror");
		return NULL;
	}
	bool forced = before && !git_oid_equal(before, now) &&
		      git_graph_descendant_of(repo, now, before) != 1;
	char hex[GIT_OID_HEXSZ + 1], old[GIT_OID_HEXSZ + 1] = "";
	git_oid_tostr(hex, sizeof hex, now);
	if (before)
		git_oid_tostr(old, sizeof old, before);
	const git_signature *who = git_commit_author(c);
	g_autofree char *author = g_utf8_make_valid(who && who->name ? who->name : "", -1);
	const char *line = git_commit_summary(c);
	g_autofree char *summary = g_utf8_make_valid(line ? line : "", -1);
	json_t *v = json_object();
	json_object_set_new(v, "branch", json_string(branch + strlen("refs/heads/")));
	json_object_set_new(v, "commit", json_string(hex));
	json_object_set_new(v, "previous", before ? json_string(old) : json_null());
	json_object_set_new(v, "forced", json_boolean(forced));
	json_object_set_new(v, "time", json_integer(git_commit_time(c)));
	json_object_set_new(v, "author", json_string(author));
	json_object_set_new(v, "summary", json_string(summary));
	return v;
}

/* Fetches into refs/shiplock/BRANCH, which tells at the next fetch what was there before. */
static json_t *fetch_branch(git_repository *repo, git_remote *remote, Fetch *f, const char *full,
	const git_fetch_options *o, GError **err)
{
	const char *name = full + strlen("refs/heads/");
	g_autofree char *local = g_strconcat("refs/shiplock/", name, NULL);
	g_autofree char *spec = g_strdup_printf("+%s:%s", full, local);
	git_oid before, now;
	bool had = git_reference_name_to_id(&before, repo, local) == 0;
	git_strarray specs = { &spec, 1 };
	int rc = git_remote_fetch(remote, &specs, o, NULL);
	if (rc < 0) {
		fail_remote(f, rc, err);
		return NULL;
	}
	if (git_reference_name_to_id(&now, repo, local) < 0) {
		sl_fail(err, SL_ERR_NOT_FOUND, "%s: branch \"%s\" went away meanwhile", f->url.url,
			name);
		return NULL;
	}
	return describe(repo, full, had ? &before : NULL, &now, err);
}

static json_t *run(Fetch *f, git_repository *repo, const char *branch, GError **err)
{
	g_autoptr(git_remote) remote = NULL;
	if (git_remote_create_anonymous(&remote, repo, f->url.url) < 0) {
		git_fail(err, SL_ERR_INVALID, f->url.url);
		return NULL;
	}
	git_fetch_options o = GIT_FETCH_OPTIONS_INIT;
	o.callbacks.credentials = on_credential;
	o.callbacks.certificate_check = on_certificate;
	o.callbacks.transfer_progress = on_progress;
	o.callbacks.payload = f;
	o.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE;
	o.update_fetchhead = 0;
	o.prune = GIT_FETCH_NO_PRUNE;
	int rc = git_remote_connect(remote, GIT_DIRECTION_FETCH, &o.callbacks, &o.proxy_opts, NULL);
	if (rc < 0) {
		fail_remote(f, rc, err);
		return NULL;
	}
	g_autofree char *full = find_branch(remote, f, branch, err);
	return full ? fetch_branch(repo, remote, f, full, &o, err) : NULL;
}

json_t *git_op_fetch(const json_t *request, GError **err)
{
	g_auto(Fetch) f = { .mirror = json_string_value(json_object_get(request, "mirror")) };
	const char *url = git_need(request, "url", err);
	const char *branch = json_string_value(json_object_get(request, "branch"));
	if (!url || !git_url_parse(url, &f.url, err) || !read_credential(&f, request, err))
		return NULL;
	g_autofree char *as_ref = g_strconcat("refs/heads/", branch ? branch : "x", NULL);
	int valid = 0;
	if (git_reference_name_is_valid(&valid, as_ref) < 0 || !valid) {
		sl_fail(err, SL_ERR_INVALID, "\"%s\" is no name for a branch", branch);
		return NULL;
	}
	g_autoptr(git_repository) repo = open_mirror(&f, err);
	if (!repo || (f.url.kind == GIT_URL_SSH && !prepare_ssh(&f, request, err)) ||
		(f.url.tls && !prepare_tls(&f, request, err)))
		return NULL;
	g_setenv("HOME", f.home, true);
	return run(&f, repo, branch, err);
}
