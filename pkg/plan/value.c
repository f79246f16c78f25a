#include "plan/value.h"
#include "objects/time.h"
#include <string.h>

enum { LABEL_MAX = 63, LABEL_PREFIX_MAX = 253, DISTANCE_TEXT_MAX = 64 };

bool doc_label_ok(const char *text)
{
	size_t n = strlen(text);
	if (n == 0 || n > LABEL_MAX || text[0] == '-' || text[n - 1] == '-')
		return false;
	return strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

/* At most 63 of letters, digits, - _ and dots, with a letter or digit at both ends. */
static bool label_part_ok(const char *text)
{
	size_t n = strlen(text);
	if (n == 0 || n > LABEL_MAX || !g_ascii_isalnum(text[0]) || !g_ascii_isalnum(text[n - 1]))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!g_ascii_isalnum(text[i]) && !strchr("-_.", text[i]))
			return false;
	return true;
}

static bool label_prefix_ok(const char *text, size_t n)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-.";
	return n > 0 && n <= LABEL_PREFIX_MAX && strspn(text, allowed) >= n &&
	       g_ascii_isalnum(text[0]) && g_ascii_isalnum(text[n - 1]);
}

bool doc_label_key_ok(const char *text)
{
	const char *slash = strchr(text, '/');
	if (slash && !label_prefix_ok(text, (size_t)(slash - text)))
		return false;
	return label_part_ok(slash ? slash + 1 : text);
}

bool doc_label_value_ok(const char *text)
{
	return *text == '\0' || label_part_ok(text);
}

bool doc_percent(const char *text, double *ret)
{
	size_t whole = strspn(text, "0123456789"), n = whole;
	if (whole == 0 || whole > 3)
		return false;
	if (text[n] == '.') {
		size_t frac = strspn(text + n + 1, "0123456789");
		if (frac == 0 || frac > 6)
			return false;
		n += 1 + frac;
	}
	if (strcmp(text + n, "%") != 0)
		return false;
	double v = g_ascii_strtod(text, NULL);
	if (v > 100)
		return false;
	*ret = v;
	return true;
}

bool doc_clock(const char *text, int *ret_minutes)
{
	if (strlen(text) != 5 || text[2] != ':' || strspn(text, "0123456789") != 2 ||
		strspn(text + 3, "0123456789") != 2)
		return false;
	int hours = (text[0] - '0') * 10 + text[1] - '0',
	    minutes = (text[3] - '0') * 10 + text[4] - '0';
	if (hours > 23 || minutes > 59)
		return false;
	*ret_minutes = hours * 60 + minutes;
	return true;
}

int64_t doc_duration_sec(const char *text, int64_t def)
{
	int64_t sec;
	return text && sl_duration_parse(text, &sec) ? sec : def;
}

bool doc_placeholders(const char *text, PlaceholderFound *found, void *ud)
{
	for (const char *p; (p = strstr(text, "{{"));) {
		const char *end = strstr(p + 2, "}}");
		if (!end)
			return false;
		g_autofree char *name = g_strndup(p + 2, (size_t)(end - p - 2));
		found(g_strstrip(name), ud);
		text = end + 2;
	}
	return true;
}

char *doc_fill(const char *text, PlaceholderValue *value, void *ud)
{
	GString *out = g_string_new(NULL);
	for (const char *p, *end; (p = strstr(text, "{{")) && (end = strstr(p + 2, "}}"));) {
		g_autofree char *name = g_strndup(p + 2, (size_t)(end - p - 2));
		const char *v = value(g_strstrip(name), ud);
		g_string_append_len(out, text, p - text);
		text = end + 2;
		if (v)
			g_string_append(out, v);
		else
			g_string_append_len(out, p, text - p);
	}
	g_string_append(out, text);
	return g_string_free(out, FALSE);
}

static int min3(int a, int b, int c)
{
	return MIN(MIN(a, b), c);
}

int doc_distance(const char *a, const char *b, int limit)
{
	int n = (int)strlen(a), m = (int)strlen(b);
	if (n > DISTANCE_TEXT_MAX || m > DISTANCE_TEXT_MAX || ABS(n - m) > limit)
		return limit + 1;
	int rows[3][DISTANCE_TEXT_MAX + 1];
	int *before = rows[0], *last = rows[1], *now = rows[2];
	for (int j = 0; j <= m; j++)
		last[j] = j;
	for (int i = 1; i <= n; i++) {
		now[0] = i;
		for (int j = 1; j <= m; j++) {
			char x = g_ascii_tolower(a[i - 1]), y = g_ascii_tolower(b[j - 1]);
			now[j] = min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + (x != y));
			if (i > 1 && j > 1 && x == g_ascii_tolower(b[j - 2]) &&
				y == g_ascii_tolower(a[i - 2]))
				now[j] = MIN(now[j], before[j - 2] + 1);
		}
		int *spare = before;
		before = last;
		last = now;
		now = spare;
	}
	return MIN(last[m], limit + 1);
}

void nearest_try(Nearest *n, const char *candidate)
{
	int len = (int)strlen(n->wanted), limit = len < 3 ? 0 : MAX(1, len / 3);
	int d = doc_distance(n->wanted, candidate, limit);
	if (d > limit || (n->best && d >= n->distance))
		return;
	n->best = candidate;
	n->distance = d;
}
