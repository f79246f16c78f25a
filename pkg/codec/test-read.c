/* The quick reader against jansson: what it must take, what it must leave, the fuzzer's corpus, and
 * damaged copies of all of it. */
#include "base/file.h"
#include "codec/fuzz-read.c"
#include <string.h>

enum { QUICK, LEFT };

#define WITH_LEN(text) text, sizeof(text) - 1

static const struct {
	const char *text;
	size_t len;
	int want;
} cases[] = {
	{ WITH_LEN("{}"), QUICK },
	{ WITH_LEN("[]"), QUICK },
	{ WITH_LEN(" \t\r\n{ \"a\" : [ 1 , 2 ] , \"\" : \"\" } \n"), QUICK },
	{ WITH_LEN("true"), QUICK },
	{ WITH_LEN("[false,null,true]"), QUICK },
	{ WITH_LEN("0"), QUICK },
	{ WITH_LEN("-0"), QUICK },
	{ WITH_LEN("-17"), QUICK },
	{ WITH_LEN("999999999999999999"), QUICK },
	{ WITH_LEN("1790000756.287"), QUICK },
	{ WITH_LEN("[0.5,-0.0,1e3,1E-3,2.5e+10,0e0]"), QUICK },
	{ WITH_LEN("\"eight by\""), QUICK },
	{ WITH_LEN("\"a long text of plain ASCII, with a DEL \x7f in it\""), QUICK },
	{ WITH_LEN("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), QUICK },
	{ WITH_LEN("\"a \\u003cb\\u003E \\u0026 \\u007f\""), QUICK },
	{ WITH_LEN("{\"k\\ney\":\"v\\nalue\",\"k\\tey\":{\"\\\\\":\"\\\\\"}}"), QUICK },
	{ WITH_LEN("\"M\xc3\xbcnchen \xe2\x82\xac \xf0\x9f\x9a\xa2\""), QUICK },
	{ WITH_LEN("\"M\xc3\xbcnchen \\n \xe2\x82\xac\""), QUICK },
	{ WITH_LEN("{\"\xc3\xbc\":1}"), QUICK },
	/* true for jansson too, or for nobody; the quick way does not judge it */
	{ WITH_LEN(""), LEFT },
	{ WITH_LEN(" "), LEFT },
	{ WITH_LEN("\"\\u00fc \\ud83d\\udea2\""), LEFT },
	{ WITH_LEN("\"\\u0000\""), LEFT },
	{ WITH_LEN("\"\\u00\""), LEFT },
	{ WITH_LEN("\"\\u00-1\""), LEFT },
	{ WITH_LEN("\"\\x\""), LEFT },
	{ WITH_LEN("\"\\"), LEFT },
	{ WITH_LEN("\"\\\0\""), LEFT },
	{ WITH_LEN("\"open"), LEFT },
	{ WITH_LEN("\"open\\n"), LEFT },
	{ WITH_LEN("\"a\nb\""), LEFT },
	{ WITH_LEN("\"a\\tb\nc\""), LEFT },
	{ WITH_LEN("\"a\0b\""), LEFT },
	{ WITH_LEN("\"overlong \xc0\xaf\""), LEFT },
	{ WITH_LEN("\"surrogate \xed\xa0\x80\""), LEFT },
	{ WITH_LEN("\"cut \xe2\x82\""), LEFT },
	{ WITH_LEN("\"cut after an escape \\n\xe2\x82\""), LEFT },
	{ WITH_LEN("1000000000000000000"), LEFT },
	{ WITH_LEN("99999999999999999999"), LEFT },
	{ WITH_LEN("1e999"), LEFT },
	{ WITH_LEN("01"), LEFT },
	{ WITH_LEN("-"), LEFT },
	{ WITH_LEN("-a"), LEFT },
	{ WITH_LEN("1."), LEFT },
	{ WITH_LEN("1.e3"), LEFT },
	{ WITH_LEN("1e"), LEFT },
	{ WITH_LEN("1e+"), LEFT },
	{ WITH_LEN(".5"), LEFT },
	{ WITH_LEN("+1"), LEFT },
	{ WITH_LEN("1a"), LEFT },
	{ WITH_LEN("truex"), LEFT },
	{ WITH_LEN("tru"), LEFT },
	{ WITH_LEN("nul"), LEFT },
	{ WITH_LEN("True"), LEFT },
	{ WITH_LEN("{\"a\":1,\"a\":1}"), LEFT },
	{ WITH_LEN("{\"a\":1,\"\\u0061\":2}"), LEFT },
	{ WITH_LEN("{\"a\":{\"b\":1,\"b\":1}}"), LEFT },
	{ WITH_LEN("{\"a\":1,}"), LEFT },
	{ WITH_LEN("{\"a\" 1}"), LEFT },
	{ WITH_LEN("{\"a\"}"), LEFT },
	{ WITH_LEN("{a:1}"), LEFT },
	{ WITH_LEN("{1:1}"), LEFT },
	{ WITH_LEN("{\"a\":1"), LEFT },
	{ WITH_LEN("{"), LEFT },
	{ WITH_LEN("[1,]"), LEFT },
	{ WITH_LEN("[1 2]"), LEFT },
	{ WITH_LEN("["), LEFT },
	{ WITH_LEN("[1"), LEFT },
	{ WITH_LEN("[1}"), LEFT },
	{ WITH_LEN("{} {}"), LEFT },
	{ WITH_LEN("{}\0"), LEFT },
	{ WITH_LEN("\xef\xbb\xbf{}"), LEFT },
};

static int judge(const char *text, size_t len)
{
	return LLVMFuzzerTestOneInput((const uint8_t *)text, len) ? QUICK : LEFT;
}

static void test_cases(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s", cases[i].text);
		g_assert_cmpint(judge(cases[i].text, cases[i].len), ==, cases[i].want);
	}
}

/* Depth is bounded here, and a bit deeper in jansson. */
static void test_depth(void)
{
	static const int depths[] = { 1, JSON_QUICK_DEPTH, JSON_QUICK_DEPTH + 1, 2000, 100000 };
	for (size_t i = 0; i < G_N_ELEMENTS(depths); i++) {
		g_autofree char *open = g_strnfill((size_t)depths[i], '[');
		g_autofree char *close = g_strnfill((size_t)depths[i], ']');
		g_autofree char *text = g_strconcat(open, close, NULL);
		g_assert_cmpint(judge(text, strlen(text)), ==,
			depths[i] <= JSON_QUICK_DEPTH ? QUICK : LEFT);
	}
	g_autoptr(GString) wide = g_string_new("[[]");
	for (int i = 0; i < 2 * JSON_QUICK_DEPTH; i++)
		g_string_append(wide, ",[{}]");
	g_string_append_c(wide, ']');
	g_assert_cmpint(judge(wide->str, wide->len), ==, QUICK);
}

/* The words of an error are jansson's. */
static void test_errors(void)
{
	g_autoptr(GError) err = NULL;
	const char *text = "{\"a\": 1,\n \"a\": 2}";
	g_assert_null(json_parse(text, strlen(text), &err));
	g_assert_error(err, SL_ERROR, SL_ERR_INVALID);
	g_assert_cmpstr(err->message, ==, "line 2, column 4: duplicate object key near '\"a\"'");
}

/* splitmix64 */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15u);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* Copies with one to three places changed: a byte of those that mean something, a byte less, a byte
 * twice. */
static unsigned damage(const char *text, size_t len, unsigned n, uint64_t *state)
{
	static const char odd[] = "\"\\{}[],:0123456789.eE+-tfnu \n\x01\x1f\x7f\x80\xc3\xa9\xff";
	unsigned n_taken = 0;
	for (unsigned i = 0; i < n; i++) {
		g_autoptr(GString) s = g_string_new_len(text, (gssize)len);
		for (uint64_t k = next_random(state) % 3 + 1; k > 0 && s->len > 0; k--) {
			gsize at = next_random(state) % s->len;
			uint64_t how = next_random(state) % 4;
			if (how == 0)
				g_string_erase(s, (gssize)at, 1);
			else if (how == 1)
				g_string_insert_c(s, (gssize)at, s->str[at]);
			else
				s->str[at] = odd[next_random(state) % sizeof odd];
		}
		n_taken += judge(s->str, s->len) == QUICK;
	}
	return n_taken;
}

static void test_damage(void)
{
	uint64_t state = 1;
	unsigned n_taken = 0;
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
		n_taken += damage(cases[i].text, cases[i].len, 300, &state);
	g_assert_cmpuint(n_taken, >, 1000);
}

static void test_corpus(void)
{
	const char *src = g_getenv("SHIPLOCK_SRC");
	g_autofree char *dir = g_build_filename(src ? src : ".", "pkg/codec/corpus-read", NULL);
	g_autoptr(GError) err = NULL;
	g_autoptr(GDir) d = g_dir_open(dir, 0, &err);
	g_assert_no_error(err);
	unsigned n = 0, n_damaged = 0;
	uint64_t state = 2;
	for (const char *name; (name = g_dir_read_name(d)); n++) {
		g_autofree char *path = g_build_filename(dir, name, NULL);
		size_t len;
		g_autofree char *text = sl_read_file(path, 1 << 20, &len, &err);
		g_assert_no_error(err);
		g_test_message("%s", name);
		/* The answers of real servers are what it is for. */
		g_assert_cmpint(judge(text, len), ==, QUICK);
		n_damaged += damage(text, len, 2000, &state);
	}
	g_assert_cmpuint(n, >=, 3);
	g_assert_cmpuint(n_damaged, >, 1000);
}

/* ---- lists ---- */

static json_t *item(const json_t *list, size_t i)
{
	return json_array_get(json_object_get(list, "items"), i);
}

static json_t *list_of(const char *items, JsonLast **last)
{
	g_autofree char *text =
		g_strdup_printf("{\"kind\":\"L\",\"items\":[%s],\"metadata\":{}}", items);
	json_t *v = json_parse_list(text, strlen(text), last, NULL);
	g_autoptr(json_t) plain = json_parse(text, strlen(text), NULL);
	g_assert_true(v ? json_equal(v, plain) : plain == NULL);
	return v;
}

#define A "{\"name\":\"a\",\"items\":[{\"x\":1}]}"
#define B "{\"name\":\"b\",\"v\":1}"
#define B2 "{\"name\":\"b\",\"v\":12}"
#define C "{\"name\":\"c\"}"
#define D "{\"name\":\"d\"}"

/* What did not change is the same tree, wherever it stands now. */
static void test_list(void)
{
	static const struct {
		const char *then, *now;
		const char *kept; /* for each of now: its place then, '-' read anew */
	} steps[] = { { A "," B "," C, A "," B "," C, "012" },
		{ A "," B "," C, A "," B2 "," C, "0-2" }, { A "," B "," C, A "," C, "02" },
		{ A "," C, A "," B "," C "," D, "0-1-" }, { A "," B, " \n" A " , " B " ", "01" },
		{ A "," B "," C, C "," B "," A, "2--" }, { A, "", "" }, { "", A, "-" },
		{ A "," A, A "," A, "01" }, { B, B2, "-" }, { "1,2," A, "1,2," A, "--0" } };
	for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
		JsonLast *last = NULL;
		g_autoptr(json_t) then = list_of(steps[i].then, &last);
		g_autoptr(json_t) now = list_of(steps[i].now, &last);
		size_t first = i == G_N_ELEMENTS(steps) - 1 ? 2 : 0; /* behind the numbers */
		for (size_t k = 0; steps[i].kept[k]; k++) {
			char c = steps[i].kept[k];
			bool same =
				c != '-' && item(now, k) == item(then, first + (size_t)(c - '0'));
			g_assert_cmpint(same, ==, c != '-');
		}
		json_last_free(last);
	}
}

/* What is broken is broken whatever was known, and a long list is not remembered. */
static void test_list_limits(void)
{
	JsonLast *last = NULL;
	g_autoptr(json_t) good = list_of(A "," B, &last);
	g_assert_nonnull(last);
	g_assert_null(list_of(A "," B "}", &last));
	g_assert_null(last);
	g_autofree char *many = g_strnfill(JSON_LAST_BYTES, ' ');
	g_autofree char *text = g_strconcat(A, many, NULL);
	g_autoptr(json_t) wide = list_of(text, &last);
	g_assert_nonnull(wide);
	g_assert_null(last);
	json_last_free(last);
}

/* Damaged after a good one was read: the same as if nothing were known. */
static void test_list_damage(void)
{
	static const char base[] = "{\"items\":[" A "," B "," C "," D "]}";
	static const char odd[] = "\"\\{}[],:12abx ";
	uint64_t state = 3;
	unsigned n_good = 0;
	for (unsigned i = 0; i < 20000; i++) {
		JsonLast *last = NULL;
		g_autoptr(json_t) then = json_parse_list(base, sizeof base - 1, &last, NULL);
		g_autofree char *text = g_strdup(base);
		for (uint64_t k = next_random(&state) % 2 + 1; k > 0; k--)
			text[next_random(&state) % (sizeof base - 1)] =
				odd[next_random(&state) % (sizeof odd - 1)];
		g_autoptr(json_t) have = json_parse_list(text, sizeof base - 1, &last, NULL);
		g_autoptr(json_t) want =
			json_loadb(text, sizeof base - 1, JSON_REJECT_DUPLICATES, NULL);
		g_assert_true(have ? want && json_equal(have, want) : want == NULL);
		n_good += have != NULL;
		json_last_free(last);
	}
	g_assert_cmpuint(n_good, >, 500);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/read/cases", test_cases);
	g_test_add_func("/read/depth", test_depth);
	g_test_add_func("/read/errors", test_errors);
	g_test_add_func("/read/damage", test_damage);
	g_test_add_func("/read/corpus", test_corpus);
	g_test_add_func("/read/list", test_list);
	g_test_add_func("/read/list-limits", test_list_limits);
	g_test_add_func("/read/list-damage", test_list_damage);
	return g_test_run();
}
