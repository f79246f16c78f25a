#include "telemetry/promql.h"
#include <string.h>

typedef enum {
	TOKEN_END,
	TOKEN_SPACE, /* also comments */
	TOKEN_WORD,
	TOKEN_NUMBER, /* also durations: 5m, 1h30m, 0x1f, 1e-3 */
	TOKEN_STRING,
	TOKEN_BRACES, /* {...} as a whole */
	TOKEN_BRACKETS, /* [...] as a whole */
	TOKEN_OTHER, /* one character */
	TOKEN_BROKEN, /* something that is not closed */
} TokenKind;

typedef struct Token {
	TokenKind kind;
	const char *text;
	size_t len;
} Token;

static bool is_word_start(char c)
{
	return g_ascii_isalpha(c) || c == '_' || c == ':';
}

/* 0 when it is not closed. Backquoted strings know no escapes. */
static size_t string_len(const char *s)
{
	for (size_t i = 1; s[i]; i++) {
		if (s[i] == '\\' && *s != '`' && s[i + 1])
			i++;
		else if (s[i] == *s)
			return i + 1;
	}
	return 0;
}

static size_t space_len(const char *s)
{
	size_t n = 0;
	for (;;) {
		n += strspn(s + n, " \t\r\n");
		if (s[n] != '#')
			return n;
		n += strcspn(s + n, "\n");
	}
}

static size_t closed_len(const char *s, char close)
{
	size_t i = 1;
	while (s[i] && s[i] != close) {
		if (s[i] == '{' || s[i] == '[')
			return 0;
		size_t n = strchr("\"'`", s[i]) ? string_len(s + i)
			   : s[i] == '#'        ? space_len(s + i)
						: 1;
		if (!n)
			return 0;
		i += n;
	}
	return s[i] ? i + 1 : 0;
}

static size_t number_len(const char *s)
{
	size_t n = 0;
	for (; g_ascii_isalnum(s[n]) || s[n] == '.' || s[n] == '_'; n++)
		if ((s[n] == 'e' || s[n] == 'E') && (s[n + 1] == '+' || s[n + 1] == '-') &&
			g_ascii_isdigit(s[n + 2]))
			n++;
	return n;
}

static Token closed(TokenKind kind, const char *s, size_t len)
{
	return (Token){ len ? kind : TOKEN_BROKEN, s, len };
}

static Token next_token(const char *s)
{
	size_t n = space_len(s);
	if (n)
		return (Token){ TOKEN_SPACE, s, n };
	if (!*s)
		return (Token){ TOKEN_END, s, 0 };
	if (is_word_start(*s)) {
		while (is_word_start(s[n]) || g_ascii_isdigit(s[n]))
			n++;
		return (Token){ TOKEN_WORD, s, n };
	}
	if (g_ascii_isdigit(*s) || (*s == '.' && g_ascii_isdigit(s[1])))
		return (Token){ TOKEN_NUMBER, s, number_len(s) };
	if (strchr("\"'`", *s))
		return closed(TOKEN_STRING, s, string_len(s));
	if (*s == '{')
		return closed(TOKEN_BRACES, s, closed_len(s, '}'));
	if (*s == '[')
		return closed(TOKEN_BRACKETS, s, closed_len(s, ']'));
	if (*s == '}' || *s == ']')
		return closed(TOKEN_OTHER, s, 0);
	return (Token){ TOKEN_OTHER, s, 1 };
}

static Token next_solid(const char *s)
{
	Token t = next_token(s);
	return t.kind == TOKEN_SPACE ? next_token(s + t.len) : t;
}

static bool is_one_of(Token t, const char *const *words)
{
	for (; *words; words++)
		if (t.kind == TOKEN_WORD && strlen(*words) == t.len &&
			g_ascii_strncasecmp(t.text, *words, t.len) == 0)
			return true;
	return false;
}

/* These are followed by a list of labels, not of expressions. */
static const char *const label_lists[] = { "by", "without", "on", "ignoring", "group_left",
	"group_right", NULL };
static const char *const grouping[] = { "by", "without", NULL };
static const char *const operators[] = { "and", "or", "unless", "atan2", "bool", "offset", "inf",
	"nan", NULL };

/* A selector of the query: name (may be empty), braces (may be empty). */
typedef struct Found {
	size_t start, name_len, end; /* end: after name and braces */
	size_t braces; /* offset of "{", or end when there are none */
	bool shifted; /* offset or @ follows */
} Found;

static bool broken(Token t, GError **err)
{
	return sl_fail(err, SL_ERR_INVALID, "query: something is not closed at \"%.20s\"", t.text);
}

static bool is_shifted(const char *s)
{
	static const char *const offset[] = { "offset", NULL };
	Token t = next_solid(s);
	if (t.kind == TOKEN_BRACKETS)
		t = next_solid(t.text + t.len);
	return is_one_of(t, offset) || (t.kind == TOKEN_OTHER && *t.text == '@');
}

static Found found_at(const char *query, Token name)
{
	Found f = { .start = (size_t)(name.text - query) };
	const char *end = name.text + name.len;
	f.braces = (size_t)(end - query);
	if (name.kind == TOKEN_BRACES) {
		f.braces = f.start;
	} else {
		f.name_len = name.len;
		Token t = next_solid(end);
		if (t.kind == TOKEN_BRACES) {
			f.braces = (size_t)(t.text - query);
			end = t.text + t.len;
		}
	}
	f.end = (size_t)(end - query);
	f.shifted = is_shifted(end);
	return f;
}

/* A list of labels in parentheses after t, or nothing. */
static const char *skip_label_list(Token t)
{
	Token open = next_solid(t.text + t.len);
	if (open.kind != TOKEN_OTHER || *open.text != '(')
		return t.text + t.len;
	const char *close = strchr(open.text, ')');
	return close ? close + 1 : open.text + strlen(open.text);
}

static bool is_call(Token t)
{
	Token after = next_solid(t.text + t.len);
	return is_one_of(after, grouping) || (after.kind == TOKEN_OTHER && *after.text == '(');
}

static bool find_selectors(const char *query, GArray *found, GError **err)
{
	if (strlen(query) > PROMQL_MAX_BYTES)
		return sl_fail(err, SL_ERR_INVALID, "query: longer than 64 KiB");
	for (const char *at = query;;) {
		Token t = next_token(at);
		at = t.text + t.len;
		if (t.kind == TOKEN_END)
			return true;
		if (t.kind == TOKEN_BROKEN)
			return broken(t, err);
		if (is_one_of(t, label_lists)) {
			at = skip_label_list(t);
			continue;
		}
		bool metric = t.kind == TOKEN_WORD && !is_one_of(t, operators) && !is_call(t);
		if (!metric && t.kind != TOKEN_BRACES)
			continue;
		Found f = found_at(query, t);
		Token behind = next_solid(at);
		if (behind.kind == TOKEN_BROKEN)
			return broken(behind, err);
		g_array_append_val(found, f);
		at = query + f.end;
	}
}

/* ---- matchers ---- */

static const char *take_matcher(const char *s)
{
	Token name = next_solid(s);
	if (name.kind != TOKEN_WORD || memchr(name.text, ':', name.len))
		return NULL;
	const char *op = next_solid(name.text + name.len).text;
	size_t n =
		strncmp(op, "=~", 2) == 0 || strncmp(op, "!=", 2) == 0 || strncmp(op, "!~", 2) == 0
			? 2
			: *op == '=';
	if (!n)
		return NULL;
	Token value = next_solid(op + n);
	return value.kind == TOKEN_STRING ? value.text + value.len : NULL;
}

bool promql_matcher_valid(const char *matcher, GError **err)
{
	const char *at = matcher;
	for (;;) {
		const char *next = take_matcher(at);
		if (!next)
			return sl_fail(err, SL_ERR_INVALID,
				"matcher: not a list like cluster=\"name\" at \"%.40s\"", at);
		Token t = next_solid(next);
		if (t.kind == TOKEN_END)
			return true;
		if (t.kind != TOKEN_OTHER || *t.text != ',')
			return sl_fail(err, SL_ERR_INVALID, "matcher: unexpected text at \"%.40s\"",
				t.text);
		at = t.text + 1;
	}
}

/* The selector with matchers added; matcher NULL: as it is, without white space around braces. */
static void append_selector(GString *out, const char *query, const Found *f, const char *matcher)
{
	g_string_append_len(out, query + f->start, (gssize)f->name_len);
	if (f->braces == f->end) {
		if (matcher)
			g_string_append_printf(out, "{%s}", matcher);
		return;
	}
	const char *inner = query + f->braces + 1;
	size_t n = f->end - f->braces - 2;
	/* A comment at the end would swallow what is appended: keep the line break. */
	while (n && strchr(" \t\r", inner[n - 1]))
		n--;
	bool empty = space_len(inner) >= n;
	bool comma = n && inner[n - 1] == ',';
	g_string_append_c(out, '{');
	g_string_append_len(out, inner, (gssize)n);
	if (matcher)
		g_string_append_printf(out, "%s%s", empty || comma ? "" : ",", matcher);
	g_string_append_c(out, '}');
}

char *promql_inject(const char *query, const char *matcher, GError **err)
{
	g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(Found));
	if (!promql_matcher_valid(matcher, err) || !find_selectors(query, found, err))
		return NULL;
	GString *out = g_string_new(NULL);
	size_t at = 0;
	for (unsigned i = 0; i < found->len; i++) {
		const Found *f = &g_array_index(found, Found, i);
		g_string_append_len(out, query + at, (gssize)(f->start - at));
		append_selector(out, query, f, matcher);
		at = f->end;
	}
	g_string_append(out, query + at);
	return g_string_free(out, FALSE);
}

/* ---- freshness ---- */

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Distinct, sorted texts of the selectors that look at now. */
static GPtrArray *fresh_selectors(const char *query, GArray *found)
{
	GPtrArray *texts = g_ptr_array_new_with_free_func(g_free);
	for (unsigned i = 0; i < found->len; i++) {
		const Found *f = &g_array_index(found, Found, i);
		if (f->shifted)
			continue;
		GString *text = g_string_new(NULL);
		append_selector(text, query, f, NULL);
		g_ptr_array_add(texts, g_string_free(text, FALSE));
	}
	g_ptr_array_sort(texts, compare_texts);
	for (unsigned i = 1; i < texts->len;) {
		if (strcmp(texts->pdata[i - 1], texts->pdata[i]) == 0)
			g_ptr_array_remove_index(texts, i);
		else
			i++;
	}
	return texts;
}

bool promql_freshness(const char *query, char **ret, GError **err)
{
	g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(Found));
	if (!find_selectors(query, found, err))
		return false;
	g_autoptr(GPtrArray) texts = fresh_selectors(query, found);
	*ret = NULL;
	if (texts->len == 0)
		return true;
	if (texts->len == 1) {
		*ret = g_strdup_printf("max(timestamp(%s))", (char *)texts->pdata[0]);
		return true;
	}
	/* A label of its own keeps "or" from dropping the second of two series without labels. */
	GString *out = g_string_new("min(");
	for (unsigned i = 0; i < texts->len; i++)
		g_string_append_printf(out,
			"%slabel_replace(max(timestamp(%s)),\"selector\",\"%u\",\"\",\"\")",
			i ? " or " : "", (char *)texts->pdata[i], i);
	g_string_append_c(out, ')');
	*ret = g_string_free(out, FALSE);
	return true;
}
