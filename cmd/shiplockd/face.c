/* The second listener: metrics, health, and the webhook by which a Git server tells of a push. */
#include "codec/json.h"
#include "daemon.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

static void answer_text(WebRequest *r, int status, const char *text)
{
	web_answer(r, status, "text/plain; charset=utf-8", text, strlen(text));
}

static void get_metrics(WebRequest *r, Daemon *d)
{
	g_autofree char *fleet = fleet_metrics(d->fleet);
	g_autofree char *calls = meter_text(d->meter);
	g_autoptr(GString) s = g_string_new(fleet);
	if (!store_sqlite_writable(d->store))
		g_string_replace(
			s, "shiplock_journal_writable 1", "shiplock_journal_writable 0", 1);
	g_string_append_printf(s,
		"# HELP shiplock_journal_append_seconds How long the last append took.\n"
		"# TYPE shiplock_journal_append_seconds gauge\n"
		"shiplock_journal_append_seconds %" G_GINT64_FORMAT ".%06" G_GINT64_FORMAT "\n%s",
		store_sqlite_append_usec(d->store) / SL_USEC_PER_SEC,
		store_sqlite_append_usec(d->store) % SL_USEC_PER_SEC, calls);
	web_answer(r, 200, METRICS_TYPE, s->str, s->len);
}

static void get_healthz(WebRequest *r, Daemon *d)
{
	answer_text(r, 200, "ok\n");
}

static void get_readyz(WebRequest *r, Daemon *d)
{
	bool ok = daemon_writable(d);
	answer_text(r, ok ? 200 : 503, ok ? "ok\n" : "the journal cannot be written\n");
}

/* ---- the webhook ---- */

static bool same_text(const char *a, const char *b)
{
	size_t n = strlen(a);
	return strlen(b) == n && CRYPTO_memcmp(a, b, n) == 0;
}

/* GitHub, Gitea and Forgejo: "sha256=" and 64 hex digits over the body. */
static bool signature_fits(WebRequest *r, const char *secret)
{
	const char *said = web_header(r, "X-Hub-Signature-256");
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	size_t len = 0;
	const char *body = web_body(r, &len);
	if (!said || !HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)body,
			     len, mac, &n))
		return false;
	g_autoptr(GString) want = g_string_new("sha256=");
	for (unsigned i = 0; i < n; i++)
		g_string_append_printf(want, "%02x", mac[i]);
	return same_text(said, want->str);
}

/* GitLab sends the secret itself. */
static bool token_fits(WebRequest *r, const char *secret)
{
	const char *said = web_header(r, "X-Gitlab-Token");
	return said && same_text(said, secret);
}

static bool caller_knows(WebRequest *r, Daemon *d, const json_t *repository)
{
	const json_t *ref = json_path(repository, "webhook.secret");
	g_autoptr(GError) err = NULL;
	if (!ref)
		return false;
	char *secret = connect_secret(ref, CONNECT_SECRET_MAX_BYTES, &err);
	if (!secret) {
		sl_log(d->log, LOG_LEVEL_WARNING, LOG_NO_FIELDS,
			"repository %s: webhook.secret: %s", json_path_str(repository, "name", ""),
			err->message);
		return false;
	}
	g_strchomp(secret);
	bool fits = *secret && (signature_fits(r, secret) || token_fits(r, secret));
	explicit_bzero(secret, strlen(secret));
	g_free(secret);
	return fits;
}

/* ?repository=NAME says which; without it, all whose secret fits. */
static void post_hook(WebRequest *r, Daemon *d)
{
	const char *only = web_query(r, "repository");
	g_autoptr(json_t) looked = json_array();
	size_t i;
	json_t *repository;
	json_array_foreach (config_repositories(d->config), i, repository) {
		const char *name = json_path_str(repository, "name", "");
		if ((only && strcmp(only, name) != 0) || !caller_knows(r, d, repository))
			continue;
		if (watch_git_poke(d->watch, name))
			json_array_append_new(looked, json_string(name));
	}
	g_autoptr(json_t) v = json_pack("{s:O}", "repositories", looked);
	if (json_array_size(looked) > 0)
		web_answer_json(r, 202, v);
	else
		web_problem(r, 403, "the signature fits no repository's webhook secret", NULL);
}

static const struct {
	const char *method, *path;
	void (*run)(WebRequest *r, Daemon *d);
} routes[] = {
	{ "GET", "/metrics", get_metrics },
	{ "GET", "/healthz", get_healthz },
	{ "GET", "/readyz", get_readyz },
	{ "POST", "/hooks/git", post_hook },
};

void face_handle(WebRequest *r, void *ud)
{
	bool path = false;
	for (size_t i = 0; i < G_N_ELEMENTS(routes); i++) {
		if (strcmp(web_path(r), routes[i].path) != 0)
			continue;
		path = true;
		if (strcmp(web_method(r), routes[i].method) == 0) {
			routes[i].run(r, ud);
			return;
		}
	}
	web_problem(
		r, path ? 405 : 404, path ? "not by this method" : "there is nothing here", NULL);
}
