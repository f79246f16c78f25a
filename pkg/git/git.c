#include "git/git.h"
#include "base/file.h"
#include "git/git-util.h"
#include <string.h>

bool git_fail(GError **err, SlErr code, const char *what)
{
	const git_error *e = git_error_last();
	return sl_fail(err, code, "%s: %s", what, e && e->message ? e->message : "unknown error");
}

const char *git_need(const json_t *request, const char *key, GError **err)
{
	const char *s = json_string_value(json_object_get(request, key));
	if (!s || !*s)
		sl_fail(err, SL_ERR_INVALID, "git: the request lacks \"%s\"", key);
	return s && *s ? s : NULL;
}

bool git_branch_ok(const char *branch, GError **err)
{
	g_autofree char *as_ref = g_strconcat("refs/heads/", branch, NULL);
	int valid = 0;
	return (git_reference_name_is_valid(&valid, as_ref) == 0 && valid) ||
	       sl_fail(err, SL_ERR_INVALID, "\"%s\" is no name for a branch", branch);
}

bool git_path_ok(const char *path)
{
	enum { PATH_LONGEST = 4096 };
	if (!g_utf8_validate(path, -1, NULL) || strlen(path) > PATH_LONGEST)
		return false;
	g_auto(GStrv) parts = g_strsplit(path, "/", -1);
	for (char **part = parts; *part; part++)
		if (!**part || strcmp(*part, ".") == 0 || strcmp(*part, "..") == 0 ||
			g_ascii_strcasecmp(*part, ".git") == 0)
			return false;
	return *parts != NULL;
}

char *git_oid_hex(const git_oid *id)
{
	char hex[GIT_OID_HEXSZ + 1];
	git_oid_tostr(hex, sizeof hex, id);
	return g_strdup(hex);
}

char *git_ref_text(const json_t *ref, const char *what, GError **err)
{
	if (!ref || json_is_null(ref))
		return NULL;
	const char *text = json_string_value(json_object_get(ref, "text"));
	const char *path = json_string_value(json_object_get(ref, "file"));
	if (text)
		return g_strdup(text);
	if (!path) {
		sl_fail(err, SL_ERR_INVALID, "git: \"%s\" needs file or text", what);
		return NULL;
	}
	char *read = sl_read_file(path, GIT_MAX_REF_BYTES, NULL, err);
	if (!read)
		g_prefix_error(err, "%s: ", what);
	return read;
}

/* The URL as one for libgit2 when the scheme is ours. */
static bool parse_schemed(const char *text, GitUrl *ret, GError **err)
{
	static const struct {
		const char *name;
		GitUrlKind kind;
		bool tls;
		int port;
	} schemes[] = {
		{ "file", GIT_URL_LOCAL, false, 0 },
		{ "git", GIT_URL_GIT, false, 9418 },
		{ "http", GIT_URL_HTTP, false, 80 },
		{ "https", GIT_URL_HTTP, true, 443 },
		{ "ssh", GIT_URL_SSH, false, 22 },
	};
	g_autofree char *scheme = NULL, *user = NULL, *password = NULL, *host = NULL, *path = NULL;
	int port = -1;
	if (!g_uri_split_with_user(text, G_URI_FLAGS_HAS_PASSWORD, &scheme, &user, &password, NULL,
		    &host, &port, &path, NULL, NULL, NULL))
		return sl_fail(err, SL_ERR_INVALID, "%s: is no URL", text);
	if (password)
		return sl_fail(err, SL_ERR_INVALID,
			"the URL of %s holds a password; give it as credential", host ? host : "");
	for (size_t i = 0; i < G_N_ELEMENTS(schemes); i++) {
		if (g_ascii_strcasecmp(scheme, schemes[i].name) != 0)
			continue;
		bool local = schemes[i].kind == GIT_URL_LOCAL;
		if (local ? (host && *host) || *path != '/' : !host || !*host)
			break;
		*ret = (GitUrl){
			.kind = schemes[i].kind,
			.tls = schemes[i].tls,
			.url = g_strdup(local ? path : text),
			.user = g_steal_pointer(&user),
			.host = local ? NULL : g_steal_pointer(&host),
			.port = port > 0 ? port : schemes[i].port,
		};
		return true;
	}
	return sl_fail(err, SL_ERR_INVALID,
		"%s: write an absolute path, or a URL with file, git, http, https or ssh", text);
}

bool git_url_parse(const char *text, GitUrl *ret, GError **err)
{
	if (*text == '/') {
		*ret = (GitUrl){ .kind = GIT_URL_LOCAL, .url = g_strdup(text) };
		return true;
	}
	if (strstr(text, "://"))
		return parse_schemed(text, ret, err);
	/* user@host:path, as scp writes it */
	const char *colon = strchr(text, ':'), *at = strchr(text, '@');
	const char *slash = strchr(text, '/');
	if (!colon || !at || at > colon || at == text || colon == at + 1 || !colon[1] ||
		(slash && slash < colon))
		return sl_fail(err, SL_ERR_INVALID,
			"%s: write an absolute path, a URL, or user@host:path", text);
	*ret = (GitUrl){
		.kind = GIT_URL_SSH,
		.url = g_strdup(text),
		.user = g_strndup(text, (gsize)(at - text)),
		.host = g_strndup(at + 1, (gsize)(colon - at - 1)),
		.port = 22,
	};
	return true;
}

void git_url_clear(GitUrl *u)
{
	g_free(u->url);
	g_free(u->user);
	g_free(u->host);
	*u = (GitUrl){ 0 };
}

/* Nothing that stands in configuration files counts, and libgit2 runs no program; so it does not
 * matter whom a local repository belongs to. */
static void forget_configuration(void)
{
	static const int levels[] = { GIT_CONFIG_LEVEL_PROGRAMDATA, GIT_CONFIG_LEVEL_SYSTEM,
		GIT_CONFIG_LEVEL_XDG, GIT_CONFIG_LEVEL_GLOBAL };
	for (size_t i = 0; i < G_N_ELEMENTS(levels); i++)
		git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, levels[i], "");
	git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
}

static const struct {
	const char *name;
	json_t *(*run)(const json_t *request, GError **err);
	json_t *(*run_edit)(const json_t *request, const GitEditor *editor, GError **err);
} ops[] = {
	{ "fetch", .run = git_op_fetch },
	{ "tree", .run = git_op_tree },
	{ "show", .run = git_op_show },
	{ "edit", .run_edit = git_op_edit },
	{ "read", .run_edit = git_op_read },
	{ "find", .run_edit = git_op_find },
	{ "write", .run = git_op_write },
};

json_t *git_verb(const json_t *request, const GitEditor *editor, GError **err)
{
	const char *op = git_need(request, "op", err), *mirror = NULL;
	if (op)
		mirror = git_need(request, "mirror", err);
	if (!mirror)
		return NULL;
	if (!g_path_is_absolute(mirror)) {
		sl_fail(err, SL_ERR_INVALID, "git: mirror %s is no absolute path", mirror);
		return NULL;
	}
	for (size_t i = 0; i < G_N_ELEMENTS(ops); i++) {
		if (strcmp(ops[i].name, op) != 0)
			continue;
		git_libgit2_init();
		forget_configuration();
		json_t *answer = ops[i].run ? ops[i].run(request, err)
					    : ops[i].run_edit(request, editor, err);
		git_libgit2_shutdown();
		return answer;
	}
	sl_fail(err, SL_ERR_INVALID, "git: there is no op \"%s\"", op);
	return NULL;
}
