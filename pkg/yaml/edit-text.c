#include "yaml/edit-internal.h"
#include <string.h>

/* Words that some reader of YAML takes for something else than text. */
static bool is_word(const char *s)
{
	static const char *const words[] = { "y", "n", "yes", "no", "on", "off", "true", "false",
		"null", "nan", "inf" };
	for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
		if (g_ascii_strcasecmp(s, words[i]) == 0)
			return true;
	return false;
}

/* Text that every reader of YAML takes for text without quotes, also inside brackets. */
static bool is_plain_text(const char *s)
{
	size_t n = strlen(s);
	if (n == 0 || is_word(s) || s[n - 1] == ':')
		return false;
	for (size_t i = 0; i < n; i++)
		if (!g_ascii_isalnum(s[i]) && (i == 0 || !strchr("._/@+=:-", s[i])))
			return false;
	if (!g_ascii_isdigit(*s))
		return true;
	/* A version, 4.21.10: two dots between digits make it no number, no date, no time. */
	size_t major = strspn(s, "0123456789"), at = major;
	if (s[at] != '.')
		return false;
	size_t minor = strspn(s + at + 1, "0123456789");
	at += 1 + minor;
	return minor > 0 && s[at] == '.' && g_ascii_isdigit(s[at + 1]) && !strchr(s, ':') &&
	       !strchr(s, '_');
}

static char *single_quoted(const char *s)
{
	g_auto(GStrv) parts = g_strsplit(s, "'", -1);
	g_autofree char *inner = g_strjoinv("''", parts);
	return g_strconcat("'", inner, "'", NULL);
}

static char *double_quoted(const char *s)
{
	GString *out = g_string_new("\"");
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			g_string_append_c(out, '\\');
		g_string_append_c(out, *s);
	}
	g_string_append_c(out, '"');
	return g_string_free(out, FALSE);
}

char *edit_scalar_text(const json_t *value, NodeStyle style, bool json)
{
	if (json_is_boolean(value))
		return g_strdup(json_is_true(value) ? "true" : "false");
	if (json_is_integer(value))
		return g_strdup_printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
	const char *s = json_string_value(value);
	g_assert(s);
	if (style == STYLE_SINGLE && !json)
		return single_quoted(s);
	if (style == STYLE_DOUBLE || json || !is_plain_text(s))
		return double_quoted(s);
	return g_strdup(s);
}
