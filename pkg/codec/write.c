/* JSON text. jansson's own writer looks for cycles at every level and sorts by a table that it
 * makes for each object; the trees here have no cycles, and most objects few members. */
#include "codec/json.h"
#include <string.h>

enum { FEW = 32, INTEGER_BYTES = 24, REAL_BYTES = 64 };

typedef struct Member {
	const char *key;
	size_t len;
	const json_t *value;
} Member;

#define BYTES(c) (UINT64_C(0x0101010101010101) * (c))

/* True: each of these eight bytes stands for itself in a string. */
static bool is_plain_word(const char *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof v);
	uint64_t quote = v ^ BYTES('"'), escape = v ^ BYTES('\\');
	return !((((v - BYTES(0x20)) & ~v) | ((quote - BYTES(1)) & ~quote) |
			 ((escape - BYTES(1)) & ~escape)) &
		 BYTES(0x80));
}

static bool is_plain(char c)
{
	return (unsigned char)c >= 0x20 && c != '"' && c != '\\';
}

static void append_escape(GString *out, char c)
{
	static const char plain[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
	const char *at = c ? strchr(plain, c) : NULL;
	if (at) {
		g_string_append_c(out, '\\');
		g_string_append_c(out, letters[at - plain]);
	} else {
		g_string_append_printf(out, "\\u%04X", (unsigned char)c);
	}
}

/* How many bytes from the start stand for themselves. */
static size_t n_plain(const char *s, size_t len)
{
	size_t i = 0;
	while (len - i >= 8 && is_plain_word(s + i))
		i += 8;
	while (i < len && is_plain(s[i]))
		i++;
	return i;
}

static void append_string(GString *out, const char *s, size_t len)
{
	size_t at = out->len, n = n_plain(s, len);
	/* Room for all of it at once: most texts are plain. */
	g_string_set_size(out, at + len + 2);
	out->str[at] = '"';
	memcpy(out->str + at + 1, s, n);
	if (n == len) {
		out->str[at + 1 + n] = '"';
		return;
	}
	g_string_truncate(out, at + 1 + n);
	while (n < len) {
		append_escape(out, s[n++]);
		size_t more = n_plain(s + n, len - n);
		g_string_append_len(out, s + n, (gssize)more);
		n += more;
	}
	g_string_append_c(out, '"');
}

static void append_integer(GString *out, json_int_t v)
{
	char text[INTEGER_BYTES], *p = text + sizeof text;
	uint64_t left = v < 0 ? -(uint64_t)v : (uint64_t)v;
	do
		*--p = (char)('0' + left % 10);
	while ((left /= 10) > 0);
	if (v < 0)
		*--p = '-';
	g_string_append_len(out, p, text + sizeof text - p);
}

/* Digests rest on jansson's way of writing them. */
static void append_real(GString *out, const json_t *v)
{
	char text[REAL_BYTES];
	size_t n = json_dumpb(v, text, sizeof text, JSON_ENCODE_ANY);
	g_assert(n > 0 && n <= sizeof text);
	g_string_append_len(out, text, (gssize)n);
}

static int by_key(const void *a, const void *b)
{
	const Member *x = a, *y = b;
	int c = memcmp(x->key, y->key, MIN(x->len, y->len));
	return c ? c : (x->len > y->len) - (x->len < y->len);
}

static void sort(Member *m, size_t n)
{
	if (n > FEW) {
		qsort(m, n, sizeof *m, by_key);
		return;
	}
	for (size_t i = 1; i < n; i++) {
		Member one = m[i];
		size_t k = i;
		for (; k > 0 && by_key(&m[k - 1], &one) > 0; k--)
			m[k] = m[k - 1];
		m[k] = one;
	}
}

static size_t collect(json_t *object, Member *ret)
{
	size_t n = 0;
	for (void *it = json_object_iter(object); it; it = json_object_iter_next(object, it)) {
		const char *key = json_object_iter_key(it);
		ret[n++] = (Member){ key, strlen(key), json_object_iter_value(it) };
	}
	return n;
}

static void append_object(GString *out, json_t *object, bool sorted)
{
	Member few[FEW];
	size_t n = json_object_size(object);
	g_autofree Member *many = n > FEW ? g_new(Member, n) : NULL;
	Member *m = many ? many : few;
	n = collect(object, m);
	if (sorted)
		sort(m, n);
	g_string_append_c(out, '{');
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			g_string_append_c(out, ',');
		append_string(out, m[i].key, m[i].len);
		g_string_append_c(out, ':');
		json_append(out, m[i].value, sorted);
	}
	g_string_append_c(out, '}');
}

static void append_array(GString *out, const json_t *v, bool sorted)
{
	g_string_append_c(out, '[');
	for (size_t i = 0; i < json_array_size(v); i++) {
		if (i > 0)
			g_string_append_c(out, ',');
		json_append(out, json_array_get(v, i), sorted);
	}
	g_string_append_c(out, ']');
}

void json_append(GString *out, const json_t *v, bool sorted)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		append_object(out, (json_t *)v, sorted);
		break;
	case JSON_ARRAY:
		append_array(out, v, sorted);
		break;
	case JSON_STRING:
		append_string(out, json_string_value(v), json_string_length(v));
		break;
	case JSON_INTEGER:
		append_integer(out, json_integer_value(v));
		break;
	case JSON_REAL:
		append_real(out, v);
		break;
	case JSON_TRUE:
		g_string_append(out, "true");
		break;
	case JSON_FALSE:
		g_string_append(out, "false");
		break;
	case JSON_NULL:
		g_string_append(out, "null");
	}
}

char *json_canonical(const json_t *v)
{
	GString *out = g_string_sized_new(256);
	json_append(out, v, true);
	return g_string_free(out, FALSE);
}
