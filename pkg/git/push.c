#include "git/push.h"
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WORDS_MAX = 4096 };

typedef struct Push {
	Remote *remote;
	GString *words; /* what the server said on the side */
	char *status; /* why it did not take the ref; NULL: it took it */
	bool answered; /* it told what became of the ref */
} Push;

static void push_clear(Push *p)
{
	if (p->words)
		g_string_free(p->words, TRUE);
	g_free(p->status);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Push, push_clear)

/* libgit2 gives every callback the same payload: the remote's callbacks need the Remote. */
static Push *push_of(void *ud)
{
	return ((Remote *)ud)->push;
}

static int on_words(const char *text, int len, void *ud)
{
	Push *p = push_of(ud);
	if (len > 0 && p->words->len < WORDS_MAX)
		g_string_append_len(p->words, text, MIN((gssize)len, WORDS_MAX));
	return 0;
}

/* Without this callback libgit2 takes a refused ref for a success. */
static int on_status(const char *ref, const char *status, void *ud)
{
	Push *p = push_of(ud);
	p->answered = true;
	g_free(p->status);
	p->status = g_strdup(status);
	return 0;
}

/* As people read it: one line a line, no control characters. */
static char *clean_words(const Push *p)
{
	g_autofree char *all = g_strdup_printf("%s\n%s", p->words->str, p->status ? p->status : "");
	g_autofree char *valid = g_utf8_make_valid(all, -1);
	GString *out = g_string_new(NULL);
	g_auto(GStrv) lines = g_strsplit_set(valid, "\r\n", -1);
	for (char **line = lines; *line; line++) {
		for (char *c = *line; *c; c++)
			if ((unsigned char)*c < 0x20 || *c == 0x7f)
				*c = ' ';
		g_strstrip(*line);
		if (**line)
			g_string_append_printf(out, "%s%s", out->len ? "\n" : "", *line);
	}
	return g_string_free(out, FALSE);
}

/* Words of servers for "somebody was faster", which a new look settles. */
static bool is_contention(const char *status)
{
	static const char *const words[] = { "failed to update ref", "cannot lock ref",
		"failed to lock", "incorrect old value", "fetch first", "non-fast-forward",
		"reference already exists", "failed to write", "stale info" };
	for (size_t i = 0; status && i < G_N_ELEMENTS(words); i++)
		if (strstr(status, words[i]))
			return true;
	return false;
}

/* The upload ended without a word about the ref. */
static PushResult fail_upload(Remote *r, int rc, GError **err)
{
	const git_error *e = git_error_last();
	const char *text = e && e->message ? e->message : "";
	if (rc == GIT_ENONFASTFORWARD)
		return PUSH_MOVED;
	if (r->why || rc == GIT_EAUTH || rc == GIT_ECERTIFICATE || strstr(text, "status code: 4"))
		sl_fail(err, SL_ERR_REFUSED, "%s: the push is not allowed: %s", r->url.url,
			r->why ? r->why->message : text);
	else if (strstr(text, "unpack"))
		sl_fail(err, SL_ERR_RETRY, "%s: the server could not unpack the push: %s",
			r->url.url, text);
	else
		sl_fail(err, SL_ERR_UNKNOWN_OUTCOME, "%s: the connection broke during the push: %s",
			r->url.url, text);
	return PUSH_FAILED;
}

static int upload(Push *p, git_remote *remote, const char *spec)
{
	git_push_options o = GIT_PUSH_OPTIONS_INIT;
	char *text = (char *)spec;
	git_strarray specs = { &text, 1 };
	remote_callbacks(p->remote, &o.callbacks);
	o.callbacks.sideband_progress = on_words;
	o.callbacks.push_update_reference = on_status;
	p->remote->push = p;
	int rc = git_remote_upload(remote, &specs, &o);
	p->remote->push = NULL;
	return rc;
}

/* libgit2 sends the value that the server lists as the expected old one: it must be ours. */
static PushResult push_server(Push *p, const char *full, const char *spec, const git_oid *from,
	char **ret_words, GError **err)
{
	Remote *r = p->remote;
	bool there;
	git_oid now;
	g_autoptr(git_remote) remote = remote_connect(r, GIT_DIRECTION_PUSH, err);
	if (!remote || !remote_lists(r, remote, full, &there, &now, err))
		return PUSH_FAILED;
	if (there != (from != NULL) || (from && !git_oid_equal(&now, from)))
		return PUSH_MOVED;
	int rc = upload(p, remote, spec);
	if (p->answered && !p->status)
		return PUSH_DONE;
	if (!p->answered)
		return rc < 0 ? fail_upload(r, rc, err)
			      : (sl_fail(err, SL_ERR_UNKNOWN_OUTCOME,
					 "%s: the server did not say what became of the push",
					 r->url.url),
					PUSH_FAILED);
	if (is_contention(p->status))
		return PUSH_MOVED;
	*ret_words = clean_words(p);
	return PUSH_REJECTED;
}

/* --- a repository on this host, without a server --- */

static char *hooks_folder(git_repository *there)
{
	g_autoptr(git_config) config = NULL;
	git_buf named = { 0 };
	char *dir;
	if (git_repository_config_snapshot(&config, there) == 0 &&
		git_config_get_string_buf(&named, config, "core.hooksPath") == 0)
		dir = g_canonicalize_filename(named.ptr, git_repository_path(there));
	else
		dir = g_build_filename(git_repository_commondir(there), "hooks", NULL);
	git_buf_dispose(&named);
	return dir;
}

/* Nobody runs its hooks then, so what they guard would pass. */
static bool check_hooks(git_repository *there, const char *path, GError **err)
{
	static const char *const hooks[] = { "pre-receive", "update", "post-receive", "post-update",
		"reference-transaction", "proc-receive" };
	g_autofree char *dir = hooks_folder(there);
	for (size_t i = 0; i < G_N_ELEMENTS(hooks); i++) {
		g_autofree char *hook = g_build_filename(dir, hooks[i], NULL);
		if (access(hook, X_OK) == 0)
			return sl_fail(err, SL_ERR_REFUSED,
				"%s: has a hook (%s), which only a server runs; give the "
				"repository's ssh or https address instead of its path",
				path, hooks[i]);
	}
	return true;
}

/* libgit2 would overwrite the branch whatever it is by then; so the objects go up under a name of
 * their own, and the branch is moved under its lock. */
static PushResult move_local(git_repository *there, const char *full, const git_oid *from,
	const git_oid *to, GError **err)
{
	g_autoptr(git_reference) ref = NULL;
	int rc = from ? git_reference_create_matching(
				&ref, there, full, to, 1, from, "push by shiplock")
		      : git_reference_create(&ref, there, full, to, 0, "push by shiplock");
	if (rc == 0)
		return PUSH_DONE;
	if (rc == GIT_EMODIFIED || rc == GIT_EEXISTS || rc == GIT_ELOCKED || rc == GIT_ENOTFOUND)
		return PUSH_MOVED;
	git_fail(err, SL_ERR_RETRY, full);
	return PUSH_FAILED;
}

static PushResult push_local(Push *p, const char *full, const char *source, const git_oid *from,
	const git_oid *to, GError **err)
{
	Remote *r = p->remote;
	char hex[GIT_OID_HEXSZ + 1];
	git_oid_tostr(hex, sizeof hex, to);
	g_autofree char *incoming = g_strconcat("refs/shiplock-incoming/", hex, NULL);
	g_autofree char *spec = g_strdup_printf("+%s:%s", source, incoming);
	g_autoptr(git_repository) there = NULL;
	if (git_repository_open(&there, r->url.url) < 0) {
		git_fail(err, SL_ERR_REFUSED, r->url.url);
		return PUSH_FAILED;
	}
	if (!check_hooks(there, r->url.url, err))
		return PUSH_FAILED;
	if (!git_repository_is_bare(there)) {
		sl_fail(err, SL_ERR_REFUSED,
			"%s: is a checkout; only a bare repository is pushed to", r->url.url);
		return PUSH_FAILED;
	}
	g_autoptr(git_remote) remote = remote_connect(r, GIT_DIRECTION_PUSH, err);
	if (!remote)
		return PUSH_FAILED;
	int rc = upload(p, remote, spec);
	if (rc < 0 || p->status) {
		remote_fail(r, rc, err);
		return PUSH_FAILED;
	}
	PushResult result = move_local(there, full, from, to, err);
	git_reference_remove(there, incoming);
	return result;
}

/* The ref keeps the commit's objects, and names it for the push. */
static bool hold(Remote *r, const char *name, const git_oid *id, GError **err)
{
	g_autoptr(git_reference) ref = NULL;
	return git_reference_create(&ref, r->repo, name, id, 1, NULL) == 0 ||
	       git_fail(err, SL_ERR_CONFLICT, r->mirror);
}

PushResult push_commit(Remote *r, const char *full, const git_oid *from, const git_oid *to,
	char **ret_words, GError **err)
{
	static const char source[] = "refs/shiplock-out/commit";
	g_auto(Push) p = { .remote = r, .words = g_string_new(NULL) };
	g_autofree char *spec = g_strdup_printf("%s:%s", source, full);
	if (!hold(r, source, to, err))
		return PUSH_FAILED;
	PushResult result = r->url.kind == GIT_URL_LOCAL
				    ? push_local(&p, full, source, from, to, err)
				    : push_server(&p, full, spec, from, ret_words, err);
	git_reference_remove(r->repo, source);
	return result;
}
