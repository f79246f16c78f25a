#include "codec/redact.h"
#include <string.h>

enum { TOKEN_MIN_BYTES = 20, TOKEN_MIN_DIGITS = 2 };

static const char *const names[] = { "password", "passwd", "passphrase", "token", "secret",
	"authorization", "apikey", "api_key", "api-key", "accesskey", "access_key", "privatekey",
	"private_key", "clientkey", "client-key-data", "cookie" };

/* So begin tokens of OpenShift, JSON Web Tokens, code hosts, chats and clouds. */
static const char *const prefixes[] = { "sha256~", "eyJ", "ghp_", "gho_", "ghs_", "github_pat_",
	"glpat-", "xoxb-", "xoxp-", "xapp-", "AKIA", "ASIA", "hvs." };

static bool is_token_char(char c)
{
	return g_ascii_isalnum(c) || (c && strchr("_-.~+/", c));
}

static bool ends_value(char c)
{
	return !c || g_ascii_isspace(c) || strchr("\"'`,;&)}]<>", c);
}

/* ---- what stands at this place; the length of the secret, 0: none ---- */

static size_t pem_at(const char *s)
{
	static const char begin[] = "-----BEGIN ", end[] = "-----END ";
	if (strncmp(s, begin, strlen(begin)) != 0)
		return 0;
	const char *e = strstr(s, end), *last = e ? strstr(e + strlen(end), "-----") : NULL;
	return last ? (size_t)(last - s) + 5 : strlen(s);
}

static bool is_base64_line(const char *from, const char *to)
{
	while (from < to && (g_ascii_isalnum(*from) || strchr("+/=\r", *from)))
		from++;
	return from == to;
}

/* The rest of a key whose beginning was cut off: its lines before "-----END". Where it begins, and
 * how long it is; 0: there is none. */
static size_t cut_pem(const char *text, const char **ret_start)
{
	const char *begin = strstr(text, "-----BEGIN "), *end = strstr(text, "-----END ");
	const char *last = end && (!begin || end < begin) ? strstr(end + 9, "-----") : NULL;
	if (!last)
		return 0;
	const char *start = end;
	while (start > text) {
		const char *line = start - 1;
		while (line > text && line[-1] != '\n')
			line--;
		if (!is_base64_line(line, start - 1))
			break;
		start = line;
	}
	*ret_start = start;
	return (size_t)(last - start) + 5;
}

/* Behind "://": up to the "@" of the host. */
static size_t userinfo_at(const char *s)
{
	size_t n = strcspn(s, "@/ \t\r\n\"'<>?#");
	return s[n] == '@' ? n : 0;
}

static size_t shape_at(const char *s)
{
	size_t n = 0, upper = 0, lower = 0, digits = 0;
	for (; is_token_char(s[n]); n++) {
		if (strchr("./", s[n]) && strncmp(s, "eyJ", 3) != 0 && strncmp(s, "hvs.", 4) != 0)
			break; /* a path, a name, a version */
		upper += g_ascii_isupper(s[n]);
		lower += g_ascii_islower(s[n]);
		digits += g_ascii_isdigit(s[n]);
	}
	if (n < TOKEN_MIN_BYTES)
		return 0;
	for (size_t i = 0; i < G_N_ELEMENTS(prefixes); i++)
		if (strncmp(s, prefixes[i], strlen(prefixes[i])) == 0)
			return n;
	return upper && lower && digits >= TOKEN_MIN_DIGITS ? n : 0;
}

/* Behind the name of a secret: what is between it and the value. 0: nothing is assigned. */
static size_t assign_at(const char *s)
{
	size_t n = strspn(s, "\\\"' \t");
	if (s[n] != '=' && s[n] != ':')
		return 0;
	n += 1 + strspn(s + n + 1, "\\\"' \t");
	return s[n] == '{' || s[n] == '[' || !s[n] ? 0 : n;
}

static size_t value_at(const char *s)
{
	size_t n = 0;
	if (g_str_has_prefix(s, REDACTED))
		return strlen(REDACTED);
	while (!ends_value(s[n]))
		n++;
	return n;
}

/* The length of a name of a secret here, 0: none. */
static size_t name_at(const char *s)
{
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
		if (g_ascii_strncasecmp(s, names[i], strlen(names[i])) == 0)
			return strlen(names[i]);
	return 0;
}

static size_t scheme_at(const char *s)
{
	static const char *const schemes[] = { "Bearer ", "Basic " };
	for (size_t i = 0; i < G_N_ELEMENTS(schemes); i++) {
		size_t n = strlen(schemes[i]);
		if (g_ascii_strncasecmp(s, schemes[i], n) == 0 && value_at(s + n) >= 6)
			return n;
	}
	return 0;
}

/* What is kept before a secret that stands here, and how long the secret is. */
static bool secret_at(const char *s, bool word, size_t *ret_keep, size_t *ret_len)
{
	*ret_keep = 0;
	if ((*ret_len = pem_at(s)))
		return true;
	if (strncmp(s, "://", 3) == 0 && (*ret_len = userinfo_at(s + 3))) {
		*ret_keep = 3;
		return true;
	}
	if (word && (*ret_len = shape_at(s)))
		return true;
	if (word && (*ret_keep = scheme_at(s))) {
		*ret_len = value_at(s + *ret_keep);
		return true;
	}
	size_t name = name_at(s), assign = name ? assign_at(s + name) : 0;
	*ret_keep = name + assign;
	size_t scheme = assign ? scheme_at(s + *ret_keep) : 0;
	*ret_keep += scheme;
	*ret_len = assign ? value_at(s + *ret_keep) : 0;
	return *ret_len > 0;
}

char *redact_text(const char *text)
{
	GString *out = g_string_new(NULL);
	const char *cut = NULL;
	size_t n_cut = cut_pem(text, &cut);
	bool word = true;
	for (const char *s = text; *s;) {
		size_t keep, len;
		if (n_cut && s == cut) {
			g_string_append(out, REDACTED);
			s += n_cut;
			continue;
		}
		if (!secret_at(s, word, &keep, &len)) {
			word = !is_token_char(*s) || *s == '/';
			g_string_append_c(out, *s++);
			continue;
		}
		g_string_append_len(out, s, (gssize)keep);
		g_string_append(out, REDACTED);
		s += keep + len;
		word = true;
	}
	return g_string_free(out, FALSE);
}

static bool is_secret_name(const char *key)
{
	for (const char *s = key; *s; s++)
		if (name_at(s))
			return true;
	return false;
}

static json_t *redact_member(const char *key, const json_t *v)
{
	if (json_is_string(v) && *json_string_value(v) && is_secret_name(key))
		return json_string(REDACTED);
	return redact_json(v);
}

json_t *redact_json(const json_t *v)
{
	if (json_is_string(v)) {
		g_autofree char *text = redact_text(json_string_value(v));
		return json_string(text);
	}
	if (json_is_array(v)) {
		json_t *out = json_array();
		for (size_t i = 0; i < json_array_size(v); i++)
			json_array_append_new(out, redact_json(json_array_get(v, i)));
		return out;
	}
	if (!json_is_object(v))
		return json_incref((json_t *)v);
	json_t *out = json_object(), *member;
	const char *key;
	json_object_foreach ((json_t *)v, key, member) {
		g_autofree char *name = redact_text(key);
		json_object_set_new(out, name, redact_member(key, member));
	}
	return out;
}
