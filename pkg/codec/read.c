#include "codec/read.h"
#include "codec/json.h"
#include <math.h>
#include <string.h>

enum { INTEGER_DIGITS = 18, REAL_BYTES = 64, RECENT = 128, RECENT_BYTES = 64, LAST_TRIES = 8 };

typedef struct Known {
	size_t at, len; /* in the text */
	json_t *value;
} Known;

struct JsonLast {
	char *text;
	GArray *known; /* Known, as they stood in the list */
};

typedef struct Reader {
	const char *p, *end;
	unsigned depth;
	GString *plain; /* the text of a string that holds escapes */
	json_t *recent[RECENT]; /* strings read lately, by hash; they live in the tree */
	const char *text;
	const JsonLast *last; /* NULL: nothing is known */
	GArray *known; /* of this text; NULL: nobody wants it */
	size_t next; /* of last: what is expected to come */
} Reader;

typedef struct Text {
	const char *start;
	size_t len;
} Text;

static json_t *read_value(Reader *r);

static void skip_space(Reader *r)
{
	while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\r' || *r->p == '\t'))
		r->p++;
}

/* The next character that means something; '\0' at the end. */
static char peek(Reader *r)
{
	skip_space(r);
	return r->p < r->end ? *r->p : '\0';
}

static bool take(Reader *r, char c)
{
	if (peek(r) != c)
		return false;
	r->p++;
	return true;
}

/* ---- strings ---- */

#define BYTES(c) (UINT64_C(0x0101010101010101) * (c))
#define HIGH BYTES(0x80)

/* Where a run of plain ASCII ends within these eight bytes; 8: not here. A borrow may mark bytes
 * behind the first that counts, never before it. */
static unsigned n_plain(const char *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof v);
	v = GUINT64_FROM_LE(v);
	uint64_t quote = v ^ BYTES('"'), escape = v ^ BYTES('\\');
	uint64_t ends = (v | ((v - BYTES(0x20)) & ~v) | ((quote - BYTES(1)) & ~quote) |
				((escape - BYTES(1)) & ~escape)) &
			HIGH;
	return ends ? (unsigned)__builtin_ctzll(ends) / 8 : 8;
}

/* Goes over bytes that stand for themselves; ret_wide: some are not ASCII. */
static void skip_plain(Reader *r, bool *ret_wide)
{
	for (;;) {
		while (r->end - r->p >= 8) {
			unsigned n = n_plain(r->p);
			r->p += n;
			if (n < 8)
				break;
		}
		if (r->p == r->end)
			return;
		unsigned char c = (unsigned char)*r->p;
		if (c < 0x20 || c == '"' || c == '\\')
			return;
		*ret_wide = *ret_wide || c >= 0x80;
		r->p++;
	}
}

/* Behind a backslash. Of \u only what is one byte of ASCII. */
static bool take_escape(Reader *r, char *ret)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	if (r->p == r->end)
		return false;
	char c = *r->p++;
	const char *at = c ? strchr(from, c) : NULL;
	if (at) {
		*ret = to[at - from];
		return true;
	}
	if (c != 'u' || r->end - r->p < 4 || r->p[0] != '0' || r->p[1] != '0')
		return false;
	int high = g_ascii_xdigit_value(r->p[2]), low = g_ascii_xdigit_value(r->p[3]);
	if (high < 0 || high > 7 || low < 0 || (high == 0 && low == 0))
		return false;
	r->p += 4;
	*ret = (char)(high * 16 + low);
	return true;
}

static bool take_escaped(Reader *r, const char *start, bool wide, Text *ret)
{
	if (!r->plain)
		r->plain = g_string_new(NULL);
	g_string_truncate(r->plain, 0);
	for (;;) {
		char c;
		g_string_append_len(r->plain, start, r->p - start);
		if (r->p == r->end || *r->p == '"')
			break;
		if (*r->p++ != '\\' || !take_escape(r, &c))
			return false;
		g_string_append_c(r->plain, c);
		start = r->p;
		skip_plain(r, &wide);
	}
	*ret = (Text){ r->plain->str, r->plain->len };
	return r->p < r->end && r->p++ &&
	       (!wide || g_utf8_validate_len(ret->start, ret->len, NULL));
}

/* A string with its quotes. What it gives stands until the next one is taken. */
static bool take_text(Reader *r, Text *ret)
{
	bool wide = false;
	if (!take(r, '"'))
		return false;
	const char *start = r->p;
	skip_plain(r, &wide);
	if (r->p == r->end)
		return false;
	if (*r->p != '"')
		return take_escaped(r, start, wide, ret);
	*ret = (Text){ start, (size_t)(r->p++ - start) };
	return !wide || g_utf8_validate_len(ret->start, ret->len, NULL);
}

/* The place of a text among the recent ones. */
static unsigned place_of(const Text *t)
{
	uint64_t first = 0, last = 0;
	size_t n = MIN(t->len, sizeof first);
	memcpy(&first, t->start, n);
	memcpy(&last, t->start + t->len - n, n);
	uint64_t mixed = (first ^ (last << 7 | last >> 57) ^ t->len) * UINT64_C(0x9e3779b97f4a7c15);
	return (unsigned)(mixed >> 57);
}

/* Answers say the same words again and again ("True", "AsExpected"): one value serves for all of
 * them, since nobody changes a string in place. */
static json_t *string_of(Reader *r, const Text *t)
{
	if (t->len > RECENT_BYTES)
		return json_stringn_nocheck(t->start, t->len);
	json_t **place = &r->recent[place_of(t)];
	if (*place && json_string_length(*place) == t->len &&
		memcmp(json_string_value(*place), t->start, t->len) == 0)
		return json_incref(*place);
	return *place = json_stringn_nocheck(t->start, t->len);
}

/* ---- numbers and words ---- */

static size_t take_digits(Reader *r)
{
	const char *start = r->p;
	while (r->p < r->end && g_ascii_isdigit(*r->p))
		r->p++;
	return (size_t)(r->p - start);
}

static bool at_any(const Reader *r, char a, char b)
{
	return r->p < r->end && (*r->p == a || *r->p == b);
}

/* Behind the integer part: fraction and exponent, one of them at least. */
static bool skip_fraction(Reader *r)
{
	if (at_any(r, '.', '.')) {
		r->p++;
		if (take_digits(r) == 0)
			return false;
	}
	if (at_any(r, 'e', 'E')) {
		r->p++;
		if (at_any(r, '+', '-'))
			r->p++;
		if (take_digits(r) == 0)
			return false;
	}
	return true;
}

static json_t *real_of(const char *start, size_t len)
{
	char text[REAL_BYTES];
	if (len >= sizeof text)
		return NULL;
	memcpy(text, start, len);
	text[len] = '\0';
	double v = g_ascii_strtod(text, NULL);
	return isfinite(v) ? json_real(v) : NULL;
}

static json_t *read_number(Reader *r)
{
	const char *start = r->p;
	bool minus = *r->p == '-';
	r->p += minus;
	const char *digits = r->p;
	size_t n = take_digits(r);
	if (n == 0 || n > INTEGER_DIGITS || (n > 1 && *digits == '0'))
		return NULL;
	if (at_any(r, '.', '.') || at_any(r, 'e', 'E'))
		return skip_fraction(r) ? real_of(start, (size_t)(r->p - start)) : NULL;
	json_int_t v = 0;
	for (; digits < r->p; digits++)
		v = v * 10 + (*digits - '0');
	return json_integer(minus ? -v : v);
}

static json_t *read_word(Reader *r, const char *word, json_t *value)
{
	size_t len = strlen(word);
	if ((size_t)(r->end - r->p) < len || memcmp(r->p, word, len) != 0)
		return NULL;
	r->p += len;
	return value;
}

/* ---- a list whose objects may be known ---- */

static void known_clear(void *p)
{
	json_decref(((Known *)p)->value);
}

static json_t *take_known(Reader *r, size_t i)
{
	if (i >= r->last->known->len)
		return NULL;
	const Known *k = &g_array_index(r->last->known, Known, i);
	if (k->len > (size_t)(r->end - r->p) || memcmp(r->last->text + k->at, r->p, k->len) != 0)
		return NULL;
	r->p += k->len;
	r->next = i + 1;
	return json_incref(k->value);
}

/* Objects keep their order; between two that stayed some may have changed, come or gone. The end of
 * an object says so itself, so that equal bytes are all of it. */
static json_t *find_known(Reader *r)
{
	for (size_t i = 0; r->last && i < LAST_TRIES; i++) {
		json_t *v = take_known(r, r->next + i);
		if (v)
			return v;
	}
	return NULL;
}

static json_t *read_item(Reader *r)
{
	if (peek(r) != '{')
		return read_value(r);
	const char *start = r->p;
	json_t *v = find_known(r);
	if (!v)
		v = read_value(r);
	if (!v)
		return NULL;
	Known k = { (size_t)(start - r->text), (size_t)(r->p - start), json_incref(v) };
	g_array_append_val(r->known, k);
	return v;
}

static json_t *read_items(Reader *r)
{
	g_autoptr(json_t) array = json_array();
	if (!take(r, '['))
		return NULL;
	if (take(r, ']'))
		return g_steal_pointer(&array);
	do {
		json_t *value = read_item(r);
		if (!value || json_array_append_new(array, value) != 0)
			return NULL;
	} while (take(r, ','));
	return take(r, ']') ? g_steal_pointer(&array) : NULL;
}

static bool is_list(const Reader *r, const Text *key)
{
	return r->known && r->depth == 1 && key->len == strlen("items") &&
	       memcmp(key->start, "items", key->len) == 0;
}

/* ---- objects and arrays ---- */

/* One member; a key that is there already is left to jansson, which names it. */
static bool read_member(Reader *r, json_t *object)
{
	Text key;
	if (!take_text(r, &key))
		return false;
	/* The value may need the buffer that the key stands in. */
	g_autofree char *held =
		r->plain && key.start == r->plain->str ? g_memdup2(key.start, key.len) : NULL;
	if (!take(r, ':'))
		return false;
	size_t before = json_object_size(object);
	bool list = is_list(r, &key) && peek(r) == '[';
	json_t *value = list ? read_items(r) : read_value(r);
	return value &&
	       json_object_setn_new_nocheck(object, held ? held : key.start, key.len, value) == 0 &&
	       json_object_size(object) > before;
}

static json_t *read_object(Reader *r)
{
	g_autoptr(json_t) object = json_object();
	r->p++;
	if (take(r, '}'))
		return g_steal_pointer(&object);
	do {
		if (!read_member(r, object))
			return NULL;
	} while (take(r, ','));
	return take(r, '}') ? g_steal_pointer(&object) : NULL;
}

static json_t *read_array(Reader *r)
{
	g_autoptr(json_t) array = json_array();
	r->p++;
	if (take(r, ']'))
		return g_steal_pointer(&array);
	do {
		json_t *value = read_value(r);
		if (!value || json_array_append_new(array, value) != 0)
			return NULL;
	} while (take(r, ','));
	return take(r, ']') ? g_steal_pointer(&array) : NULL;
}

static json_t *read_deeper(Reader *r)
{
	if (r->depth == JSON_QUICK_DEPTH)
		return NULL;
	r->depth++;
	json_t *v = *r->p == '{' ? read_object(r) : read_array(r);
	r->depth--;
	return v;
}

static json_t *read_value(Reader *r)
{
	Text text;
	switch (peek(r)) {
	case '"':
		return take_text(r, &text) ? string_of(r, &text) : NULL;
	case '{':
	case '[':
		return read_deeper(r);
	case 't':
		return read_word(r, "true", json_true());
	case 'f':
		return read_word(r, "false", json_false());
	case 'n':
		return read_word(r, "null", json_null());
	case '-':
	case '0' ... '9':
		return read_number(r);
	default:
		return NULL;
	}
}

static json_t *read_all(Reader *r)
{
	g_autoptr(json_t) value = read_value(r);
	skip_space(r);
	if (r->plain)
		g_string_free(r->plain, TRUE);
	return r->p == r->end ? g_steal_pointer(&value) : NULL;
}

json_t *json_read_quick(const char *text, size_t len)
{
	Reader r = { .p = text, .end = text + len };
	return read_all(&r);
}

void json_last_free(JsonLast *l)
{
	if (!l)
		return;
	g_array_unref(l->known);
	g_free(l->text);
	g_free(l);
}

json_t *json_read_list(const char *text, size_t len, const JsonLast *last, JsonLast **ret_next)
{
	*ret_next = NULL;
	if (len > JSON_LAST_BYTES)
		return json_read_quick(text, len);
	g_autoptr(GArray) known = g_array_new(FALSE, FALSE, sizeof(Known));
	g_array_set_clear_func(known, known_clear);
	Reader r = { .p = text, .end = text + len, .text = text, .last = last, .known = known };
	json_t *value = read_all(&r);
	if (value && known->len > 0) {
		*ret_next = g_new0(JsonLast, 1);
		(*ret_next)->text = g_memdup2(text, len);
		(*ret_next)->known = g_steal_pointer(&known);
	}
	return value;
}
