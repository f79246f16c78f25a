/* The writer against jansson's: the same bytes, since digests and the journal rest on them. */
#include "codec/json.h"
#include <string.h>

static void same(const json_t *v)
{
	char *want = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
	g_autofree char *have = json_canonical(v);
	g_assert_cmpstr(have, ==, want);
	free(want);
	want = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
	g_autoptr(GString) s = g_string_new("before ");
	json_append(s, v, false);
	g_assert_cmpstr(s->str + strlen("before "), ==, want);
	free(want);
}

static void test_values(void)
{
	static const char *const texts[] = { "{}", "[]", "[[],{},[{}]]", "true", "[false,null]",
		"\"\"", "\"eight by\"", "\"quote \\\" and escape \\\\ in the middle of it\"",
		"\"\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f/\"", "\"ends with a quote\\\"\"",
		"\"\\\"begins with one\"", "\"M\xc3\xbcnchen \xe2\x82\xac \xf0\x9f\x9a\xa2\"",
		"{\"b\":1,\"a\":2,\"ab\":3,\"\":4,\"B\":5}",
		"{\"\\n\":{\"z\":1,\"y\":[{\"x\":0}]}}", "0", "-1",
		"[9223372036854775807,-9223372036854775808,10,99,100]",
		"[0.1,1.0,-0.0,1e300,1e-7,123456789.125,3.0e10]" };
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_test_message("%s", texts[i]);
		g_autoptr(json_t) v = json_loads(texts[i], JSON_DECODE_ANY, NULL);
		g_assert_nonnull(v);
		same(v);
	}
	g_autoptr(json_t) nul = json_stringn("a\0b", 3);
	same(nul);
}

/* Few members are sorted another way than many. */
static void test_members(void)
{
	for (unsigned n = 0; n < 80; n++) {
		g_autoptr(json_t) v = json_object();
		for (unsigned i = 0; i < n; i++) {
			g_autofree char *key = g_strdup_printf("%u", i * 7919 % 1000);
			json_object_set_new(v, key, json_integer(i));
		}
		same(v);
	}
}

/* Every byte alone at every place of a word, so that none hides behind another. */
static void test_bytes(void)
{
	for (int c = 1; c < 0x80; c++)
		for (size_t at = 0; at < 20; at++) {
			char text[] = "abcdefghijklmnopqrst";
			text[at] = (char)c;
			g_autoptr(json_t) v = json_string(text);
			same(v);
		}
}

static void test_digest(void)
{
	g_autofree char *d = sl_sha256("abc", 3);
	g_assert_cmpstr(
		d, ==, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/write/values", test_values);
	g_test_add_func("/write/members", test_members);
	g_test_add_func("/write/bytes", test_bytes);
	g_test_add_func("/write/digest", test_digest);
	return g_test_run();
}
