#include "yaml/text.h"
#include "yaml/yaml.h"
#include <errno.h>
#include <math.h>
#include <string.h>

enum { NUMBER_MAX = 64 };

/* Well-formed UTF-8 by its first byte: Unicode 15, table 3-7. */
static const struct Lead {
	unsigned char first, last, n, lo, hi; /* n bytes, the second of which is lo to hi */
} leads[] = {
	{ 0x00, 0x7f, 1, 0, 0 },
	{ 0xc2, 0xdf, 2, 0x80, 0xbf },
	{ 0xe0, 0xe0, 3, 0xa0, 0xbf },
	{ 0xe1, 0xec, 3, 0x80, 0xbf },
	{ 0xed, 0xed, 3, 0x80, 0x9f },
	{ 0xee, 0xef, 3, 0x80, 0xbf },
	{ 0xf0, 0xf0, 4, 0x90, 0xbf },
	{ 0xf1, 0xf3, 4, 0x80, 0xbf },
	{ 0xf4, 0xf4, 4, 0x80, 0x8f },
};

/* Length of the character at p, 0 when there is none. */
static size_t utf8_len(const unsigned char *p, size_t left)
{
	const struct Lead *l = leads, *end = leads + G_N_ELEMENTS(leads);
	while (l < end && (p[0] < l->first || p[0] > l->last))
		l++;
	if (l == end || l->n > left)
		return 0;
	if (l->n > 1 && (p[1] < l->lo || p[1] > l->hi))
		return 0;
	for (size_t i = 2; i < l->n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return l->n;
}

/* What YAML does not call printable, the byte order mark, DEL, and what looks like a line break
 * but is none. */
static const struct Refused {
	uint32_t first, last;
	const char *why;
} refused[] = {
	{ 0, 0, "NUL byte" },
	{ 0x01, 0x08, "control character" },
	{ 0x0b, 0x0c, "control character" },
	{ 0x0e, 0x1f, "control character" },
	{ 0x7f, 0x9f, "control character" },
	{ 0x2028, 0x2029, "Unicode line separator" },
	{ 0xfeff, 0xfeff, "byte order mark inside the text" },
	{ 0xfffe, 0xffff, "not a character" },
};

static const char *refuse_char(const unsigned char *p, size_t n)
{
	if (*p >= 0x20 && *p < 0x7f)
		return NULL;
	uint32_t c = n == 1 ? *p : g_utf8_get_char((const char *)p);
	for (size_t i = 0; i < G_N_ELEMENTS(refused); i++)
		if (c >= refused[i].first && c <= refused[i].last)
			return refused[i].why;
	return NULL;
}

typedef struct Cursor {
	const unsigned char *p, *end, *line_start;
	int line, column;
	unsigned char last; /* of this line's bytes so far, the last that is no blank; else 0 */
} Cursor;

/* A tab after an indicator is refused because libfyaml 0.7.12 uses freed memory when one stands
 * before what follows it (`? a:<tab>: b`). Tabs inside text, and before it in block text, are
 * fine. */
static const char *check_at(const Cursor *c, size_t *ret_n)
{
	*ret_n = utf8_len(c->p, (size_t)(c->end - c->p));
	if (*ret_n == 0)
		return "not UTF-8";
	if (c->p - c->line_start > YAML_MAX_LINE)
		return "the line is longer than 1 MiB";
	if (c->p == c->line_start && *c->p == '%')
		return "directives (%) are not used here";
	if (*c->p == '\t' && c->last && strchr("-?:", c->last))
		return "a tab after an indicator; use a space";
	return refuse_char(c->p, *ret_n);
}

static void advance(Cursor *c, size_t n)
{
	if (*c->p == '\n') {
		c->line++;
		c->column = 0;
		c->line_start = c->p + 1;
		c->last = 0;
	} else if (*c->p != ' ' && *c->p != '\t') {
		c->last = *c->p;
	}
	c->column++;
	c->p += n;
}

bool yaml_text_ok(
	const char *text, size_t len, int *ret_line, int *ret_column, const char **ret_why)
{
	const unsigned char *p = (const unsigned char *)text;
	Cursor c = { .p = p, .end = p + len, .line_start = p, .line = 1, .column = 1 };
	const char *why = len > YAML_MAX_BYTES ? "the file is larger than 16 MiB" : NULL;
	while (!why && c.p < c.end) {
		size_t n;
		why = check_at(&c, &n);
		if (!why)
			advance(&c, n);
	}
	*ret_line = c.line;
	*ret_column = c.column;
	*ret_why = why;
	return !why;
}

static bool one_of(const char *text, size_t len, const char *const *words)
{
	for (; *words; words++)
		if (strlen(*words) == len && memcmp(*words, text, len) == 0)
			return true;
	return false;
}

static size_t digits(const char *s)
{
	return strspn(s, "0123456789");
}

/* Base of an integer of the core schema, 0 when it is none. 017 is none: some readers take it as
 * octal and others as decimal, so it stays text. */
static int int_base(const char *s, const char **ret_start)
{
	const char *d = s + (*s == '-' || *s == '+');
	*ret_start = s;
	if (d == s && g_str_has_prefix(s, "0x") && s[2] &&
		s[2 + strspn(s + 2, "0123456789abcdefABCDEF")] == '\0') {
		*ret_start = s + 2;
		return 16;
	}
	if (d == s && g_str_has_prefix(s, "0o") && s[2] &&
		s[2 + strspn(s + 2, "01234567")] == '\0') {
		*ret_start = s + 2;
		return 8;
	}
	size_t n = digits(d);
	if (n == 0 || d[n] || (d[0] == '0' && n > 1))
		return 0;
	return 10;
}

static bool is_float(const char *s)
{
	const char *d = s + (*s == '-' || *s == '+');
	size_t whole = digits(d), frac = 0;
	if (whole > 1 && d[0] == '0')
		return false;
	d += whole;
	if (*d == '.') {
		frac = digits(d + 1);
		d += 1 + frac;
	}
	if (whole + frac == 0)
		return false;
	if (*d == 'e' || *d == 'E') {
		d++;
		d += *d == '-' || *d == '+';
		size_t n = digits(d);
		if (n == 0)
			return false;
		d += n;
	}
	return *d == '\0';
}

static json_t *number(const char *s, const char **ret_why)
{
	const char *start;
	int base = int_base(s, &start);
	errno = 0;
	if (base) {
		int64_t v = g_ascii_strtoll(start, NULL, base);
		if (errno == ERANGE) {
			*ret_why = "the integer does not fit into 64 bits";
			return NULL;
		}
		return json_integer(v);
	}
	double d = g_ascii_strtod(s, NULL);
	if (!isfinite(d)) {
		*ret_why = "the number is too large";
		return NULL;
	}
	return json_real(d);
}

json_t *yaml_plain(const char *text, size_t len, const char **ret_why)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL", NULL };
	static const char *const yes[] = { "true", "True", "TRUE", NULL };
	static const char *const no[] = { "false", "False", "FALSE", NULL };
	static const char *const none[] = { ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF",
		"-.inf", "-.Inf", "-.INF", ".nan", ".NaN", ".NAN", NULL };
	if (one_of(text, len, nulls))
		return json_null();
	if (one_of(text, len, yes))
		return json_true();
	if (one_of(text, len, no))
		return json_false();
	if (one_of(text, len, none)) {
		*ret_why = "infinity and not-a-number are not used here";
		return NULL;
	}
	const char *start;
	if (len < NUMBER_MAX && (g_ascii_isdigit(*text) || strchr("+-.", *text))) {
		char s[NUMBER_MAX];
		memcpy(s, text, len);
		s[len] = '\0';
		if (int_base(s, &start) || is_float(s))
			return number(s, ret_why);
	}
	return json_stringn(text, len);
}
