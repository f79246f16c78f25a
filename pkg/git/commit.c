#include "git/commit.h"
#include <string.h>

static const char key_trailer[] = "Shiplock-Key";

void commit_text_clear(CommitText *t)
{
	git_signature_free(t->author);
	git_signature_free(t->committer);
	g_free(t->message);
}

/* Printable and on one line; blanks only where they may stand. */
static bool is_line(const char *s, size_t max, bool blanks)
{
	size_t n = s ? strlen(s) : 0;
	if (n == 0 || n > max || !g_utf8_validate(s, (gssize)n, NULL))
		return false;
	for (const char *p = s; *p; p = g_utf8_next_char(p)) {
		gunichar c = g_utf8_get_char(p);
		if (!g_unichar_isprint(c) || (!blanks && g_unichar_isspace(c)))
			return false;
	}
	return true;
}

bool commit_key_ok(const char *key, GError **err)
{
	return is_line(key, GIT_MAX_KEY, false) ||
	       sl_fail(err, SL_ERR_INVALID,
		       "git: a key is 1 to %d printable characters without blanks", GIT_MAX_KEY);
}

static git_signature *read_signature(
	const json_t *request, const char *member, const char *other, GError **err)
{
	const json_t *who = json_object_get(request, member);
	if (!who && other)
		who = json_object_get(request, other);
	const char *name = json_string_value(json_object_get(who, "name"));
	const char *email = json_string_value(json_object_get(who, "email"));
	const json_t *time = json_object_get(request, "time");
	git_signature *s = NULL;
	if (!is_line(name, GIT_MAX_KEY, true) || !is_line(email, GIT_MAX_KEY, false) ||
		strpbrk(name, "<>") || strpbrk(email, "<>"))
		sl_fail(err, SL_ERR_INVALID, "git: \"%s\" needs a name and an email", member);
	else if (!json_is_integer(time) || json_integer_value(time) <= 0)
		sl_fail(err, SL_ERR_INVALID, "git: \"time\" is needed, in seconds");
	else if (git_signature_new(&s, name, email, json_integer_value(time), 0) < 0)
		git_fail(err, SL_ERR_INVALID, member);
	return s;
}

static bool add_trailer(GString *to, const json_t *pair, GError **err)
{
	const char *name = json_string_value(json_array_get(pair, 0));
	const char *value = json_string_value(json_array_get(pair, 1));
	if (!is_line(name, GIT_MAX_KEY, false) || strchr(name, ':') ||
		!is_line(value, GIT_MAX_MESSAGE, true) || strcmp(name, key_trailer) == 0)
		return sl_fail(err, SL_ERR_INVALID,
			"git: a trailer is a pair of a name and one line of text");
	g_string_append_printf(to, "%s: %s\n", name, value);
	return true;
}

/* A message must not pretend to another key. */
static bool message_ok(const char *message, GError **err)
{
	if (!message || !*message || strlen(message) > GIT_MAX_MESSAGE ||
		!g_utf8_validate(message, -1, NULL))
		return sl_fail(err, SL_ERR_INVALID, "git: \"message\" is needed, up to %d bytes",
			GIT_MAX_MESSAGE);
	g_auto(GStrv) lines = g_strsplit(message, "\n", -1);
	for (char **line = lines; *line; line++)
		if (g_str_has_prefix(g_strstrip(*line), key_trailer))
			return sl_fail(err, SL_ERR_INVALID,
				"git: the message holds a trailer %s of its own", key_trailer);
	return true;
}

bool commit_text_read(CommitText *t, const json_t *request, GError **err)
{
	const char *message = json_string_value(json_object_get(request, "message"));
	const json_t *trailers = json_object_get(request, "trailers");
	t->key = json_string_value(json_object_get(request, "key"));
	if (!commit_key_ok(t->key, err) || !message_ok(message, err))
		return false;
	t->author = read_signature(request, "author", NULL, err);
	t->committer = t->author ? read_signature(request, "committer", "author", err) : NULL;
	if (!t->committer)
		return false;
	if (json_array_size(trailers) > GIT_MAX_TRAILERS)
		return sl_fail(err, SL_ERR_INVALID, "git: more than %d trailers", GIT_MAX_TRAILERS);
	g_autofree char *body = g_strchomp(g_strdup(message));
	g_autoptr(GString) text = g_string_new(body);
	g_string_append(text, "\n\n");
	for (size_t i = 0; i < json_array_size(trailers); i++)
		if (!add_trailer(text, json_array_get(trailers, i), err))
			return false;
	g_string_append_printf(text, "%s: %s\n", key_trailer, t->key);
	t->message = g_strdup(text->str);
	return true;
}

bool commit_make(git_repository *repo, const CommitText *t, const git_oid *tree,
	const git_oid *parent, git_oid *ret_id, GError **err)
{
	g_autoptr(git_tree) root = NULL;
	g_autoptr(git_commit) before = NULL;
	if (git_tree_lookup(&root, repo, tree) < 0 ||
		(parent && git_commit_lookup(&before, repo, parent) < 0))
		return git_fail(err, SL_ERR_CONFLICT, "mirror");
	const git_commit *parents[] = { before };
	if (git_commit_create(ret_id, repo, NULL, t->author, t->committer, NULL, t->message, root,
		    parent ? 1 : 0, parents) < 0)
		return git_fail(err, SL_ERR_CONFLICT, "commit");
	return true;
}

static bool has_key(const char *message, const char *key)
{
	size_t n = strlen(key_trailer), n_key = strlen(key);
	for (const char *p = message; (p = strstr(p, key_trailer)); p += n) {
		const char *v = p + n;
		if (*v != ':')
			continue;
		v += 1 + strspn(v + 1, " ");
		const char *end = v + strcspn(v, " \r\n");
		if ((size_t)(end - v) == n_key && memcmp(v, key, n_key) == 0)
			return true;
	}
	return false;
}

static json_t *describe(git_commit *c)
{
	char hex[GIT_OID_HEXSZ + 1];
	const git_signature *who = git_commit_author(c);
	const char *line = git_commit_summary(c);
	g_autofree char *author = g_utf8_make_valid(who && who->name ? who->name : "", -1);
	g_autofree char *subject = g_utf8_make_valid(line ? line : "", -1);
	git_oid_tostr(hex, sizeof hex, git_commit_id(c));
	return json_pack("{s:s, s:I, s:s, s:s}", "commit", hex, "time",
		(json_int_t)git_commit_time(c), "author", author, "subject", subject);
}

/* False when a commit of the walk cannot be read. */
static bool take_commit(
	git_repository *repo, const git_oid *id, const char *key, json_t *list, GError **err)
{
	g_autoptr(git_commit) c = NULL;
	if (git_commit_lookup(&c, repo, id) < 0)
		return git_fail(err, SL_ERR_CONFLICT, "mirror");
	if (has_key(git_commit_message(c), key))
		json_array_append_new(list, describe(c));
	return true;
}

json_t *commit_find(git_repository *repo, const git_oid *tip, const git_oid *base, const char *key,
	GError **err)
{
	g_autoptr(git_revwalk) walk = NULL;
	git_oid id;
	if (git_revwalk_new(&walk, repo) < 0 || git_revwalk_push(walk, tip) < 0 ||
		(base && git_revwalk_hide(walk, base) < 0)) {
		git_fail(err, SL_ERR_CONFLICT, "mirror");
		return NULL;
	}
	git_revwalk_sorting(walk, GIT_SORT_TIME);
	g_autoptr(json_t) list = json_array();
	int rc = 0;
	for (unsigned n = 0; (rc = git_revwalk_next(&id, walk)) == 0; n++) {
		if (n == GIT_MAX_WALK && base) {
			sl_fail(err, SL_ERR_REFUSED,
				"there are more than %d commits since the recorded one: whether "
				"ours is among them cannot be told",
				GIT_MAX_WALK);
			return NULL;
		}
		if (n == GIT_MAX_WALK)
			break;
		if (!take_commit(repo, &id, key, list, err))
			return NULL;
	}
	if (rc < 0 && rc != GIT_ITEROVER) {
		git_fail(err, SL_ERR_CONFLICT, "mirror");
		return NULL;
	}
	return g_steal_pointer(&list);
}

bool commit_read_base(git_repository *repo, const json_t *request, git_oid *ret_base,
	bool *ret_there, GError **err)
{
	const json_t *base = json_object_get(request, "base");
	const char *hex = json_string_value(base);
	g_autoptr(git_commit) c = NULL;
	*ret_there = false;
	if (!base || json_is_null(base))
		return true;
	if (!hex || strlen(hex) != GIT_OID_HEXSZ || git_oid_fromstr(ret_base, hex) < 0)
		return sl_fail(
			err, SL_ERR_INVALID, "git: \"base\" is no commit id of 40 hex digits");
	*ret_there = git_commit_lookup(&c, repo, ret_base) == 0;
	return true;
}
