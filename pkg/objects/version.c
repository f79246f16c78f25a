#include "objects/version.h"
#include <limits.h>
#include <string.h>

static bool take_number(const char **at, int *ret)
{
	const char *start = *at;
	int v = 0;
	for (; g_ascii_isdigit(**at); (*at)++) {
		v = v * 10 + (**at - '0');
		if (v > VERSION_NUMBER_MAX)
			return false;
	}
	if (*at == start || (*start == '0' && *at - start > 1))
		return false;
	*ret = v;
	return true;
}

static bool take_dot(const char **at)
{
	return *(*at)++ == '.';
}

static bool is_numeric(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!g_ascii_isdigit(s[i]))
			return false;
	return len > 0;
}

/* Dot-separated identifiers of [0-9A-Za-z-], none empty; numeric ones without leading zeros unless
 * it is build metadata. Returns its length, 0 when wrong. */
static size_t identifiers_len(const char *s, bool build)
{
	size_t total = 0;
	for (;;) {
		size_t n = 0;
		while (g_ascii_isalnum(s[n]) || s[n] == '-')
			n++;
		if (!n || (!build && n > 1 && s[0] == '0' && is_numeric(s, n)))
			return 0;
		total += n;
		if (s[n] != '.')
			return total;
		total++;
		s += n + 1;
	}
}

static bool take_suffix(const char **at, Version *v)
{
	if (**at == '-') {
		size_t n = identifiers_len(++*at, false);
		if (!n || n > VERSION_PRE_MAX)
			return false;
		memcpy(v->pre, *at, n);
		*at += n;
	}
	if (**at == '+') {
		size_t n = identifiers_len(++*at, true);
		if (!n)
			return false;
		*at += n;
	}
	return **at == '\0';
}

bool version_parse(const char *text, Version *ret)
{
	Version v = { 0 };
	if (!text)
		return false;
	text += *text == 'v';
	if (!take_number(&text, &v.major) || !take_dot(&text) || !take_number(&text, &v.minor) ||
		!take_dot(&text) || !take_number(&text, &v.patch) || !take_suffix(&text, &v))
		return false;
	*ret = v;
	return true;
}

bool version_parse_minor(const char *text, Version *ret)
{
	Version v = { 0 };
	if (!text)
		return false;
	text += *text == 'v';
	if (!take_number(&text, &v.major) || !take_dot(&text) || !take_number(&text, &v.minor) ||
		*text)
		return false;
	*ret = v;
	return true;
}

static int sign(int a, int b)
{
	return (a > b) - (a < b);
}

static int compare_identifier(const char *a, size_t n_a, const char *b, size_t n_b)
{
	bool num_a = is_numeric(a, n_a), num_b = is_numeric(b, n_b);
	if (num_a != num_b)
		return num_a ? -1 : 1;
	/* Numbers have no leading zeros: the longer one is larger. */
	if (num_a && n_a != n_b)
		return n_a < n_b ? -1 : 1;
	int c = memcmp(a, b, MIN(n_a, n_b));
	return c ? c : (n_a > n_b) - (n_a < n_b);
}

static int compare_pre(const char *a, const char *b)
{
	if (!*a || !*b)
		return (*a == '\0') - (*b == '\0');
	for (;;) {
		size_t n_a = strcspn(a, "."), n_b = strcspn(b, ".");
		int c = compare_identifier(a, n_a, b, n_b);
		if (c)
			return c;
		a += n_a;
		b += n_b;
		if (!*a || !*b)
			return (*a != '\0') - (*b != '\0');
		a++;
		b++;
	}
}

int version_compare(const Version *a, const Version *b)
{
	int c = sign(a->major, b->major);
	if (!c)
		c = sign(a->minor, b->minor);
	if (!c)
		c = sign(a->patch, b->patch);
	return c ? c : compare_pre(a->pre, b->pre);
}

int version_compare_text(const char *a, const char *b)
{
	Version va, vb;
	bool is_a = version_parse(a, &va), is_b = version_parse(b, &vb);
	if (is_a && is_b)
		return version_compare(&va, &vb);
	if (is_a != is_b)
		return is_a ? 1 : -1;
	return strcmp(a ? a : "", b ? b : "");
}

int version_minor_distance(const Version *from, const Version *to)
{
	if (from->major != to->major)
		return to->major > from->major ? INT_MAX : INT_MIN;
	return to->minor - from->minor;
}

char *version_format(const Version *v)
{
	return g_strdup_printf(
		"%d.%d.%d%s%s", v->major, v->minor, v->patch, *v->pre ? "-" : "", v->pre);
}
