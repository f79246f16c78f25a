#include "yaml/yaml.h"
#include <string.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_t, json_decref)

static json_int_t int_at(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static const char *text_at(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

/* Sorted keys, no white space. */
static char *canonical(const json_t *v)
{
	char *text = json_dumps(v, JSON_SORT_KEYS | JSON_COMPACT | JSON_ENCODE_ANY);
	char *copy = g_strdup(text);
	free(text);
	return copy;
}

static json_t *first_json(const json_t *out)
{
	return json_object_get(json_array_get(json_object_get(out, "documents"), 0), "json");
}

/* Every error as "line:column: message" joined by newlines. */
static char *error_text(const json_t *out)
{
	GString *s = g_string_new(NULL);
	size_t i;
	json_t *e;
	json_array_foreach (json_object_get(out, "errors"), i, e) {
		g_string_append_printf(s, "%s%d:%d: %s", i ? "\n" : "", (int)int_at(e, "line"),
			(int)int_at(e, "column"), text_at(e, "message"));
	}
	return g_string_free(s, FALSE);
}

static const struct {
	const char *text, *want; /* compact JSON with the keys in the order of the text */
} scalars[] = {
	{ "", "null" },
	{ "~", "null" },
	{ "null", "null" },
	{ "nULL", "\"nULL\"" },
	{ "true", "true" },
	{ "FALSE", "false" },
	{ "yes", "\"yes\"" },
	{ "no", "\"no\"" },
	{ "on", "\"on\"" },
	{ "017", "\"017\"" },
	{ "0", "0" },
	{ "-0", "0" },
	{ "12", "12" },
	{ "+12", "12" },
	{ "-9223372036854775808", "-9223372036854775808" },
	{ "0x1F", "31" },
	{ "0o17", "15" },
	{ "0x", "\"0x\"" },
	{ "1.5", "1.5" },
	{ ".5", "0.5" },
	{ "1.", "1.0" },
	{ "1e3", "1000.0" },
	{ "1e", "\"1e\"" },
	{ ".", "\".\"" },
	{ "+", "\"+\"" },
	{ "4.21.10", "\"4.21.10\"" },
	{ "2027-06-01", "\"2027-06-01\"" },
	{ "12:30", "\"12:30\"" },
	{ "\"12\"", "\"12\"" },
	{ "'true'", "\"true\"" },
	{ "\"\"", "\"\"" },
	{ "|\n  a\n  b\n", "\"a\\nb\\n\"" },
	{ ">-\n  a\n  b\n", "\"a b\"" },
	{ "|\n  a\r\n  b\r\n", "\"a\\nb\\n\"" },
	{ "\"\\u00e9\"", "\"\xc3\xa9\"" },
};

static void test_scalars(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(scalars); i++) {
		g_test_message("%s", scalars[i].text);
		g_autofree char *text = g_strdup_printf("v: %s", scalars[i].text);
		g_autoptr(json_t) out = yaml_to_json(text, strlen(text), true);
		g_autofree char *errors = error_text(out);
		g_assert_cmpstr(errors, ==, "");
		json_t *v = json_object_get(first_json(out), "v");
		g_autofree char *got = canonical(v);
		g_assert_cmpstr(got, ==, scalars[i].want);
	}
}

static const struct {
	const char *text;
	size_t len; /* 0: up to the NUL */
	const char *want;
} bad[] = {
	{ "a: \xff\nb: 1\n", 0, "1:4: not UTF-8" },
	{ "a: 1\nb: \xc0\xaf\n", 0, "2:4: not UTF-8" },
	{ "a: \xed\xa0\x80\n", 0, "1:4: not UTF-8" },
	{ "a: \xf4\x90\x80\x80\n", 0, "1:4: not UTF-8" },
	{ "a: \xe2\x82", 0, "1:4: not UTF-8" },
	{ "a: 1\0b: 2\n", 10, "1:5: NUL byte" },
	{ "a: \x01\n", 0, "1:4: control character" },
	{ "a: \xc2\x85\n", 0, "1:4: control character" },
	{ "a: \xef\xbb\xbf\n", 0, "1:4: byte order mark inside the text" },
	{ "a: 1\n%YAML 1.1\n", 0, "2:1: directives (%) are not used here" },
	{ "a: &x 1\nb: 2\n", 0, "1:7: anchors (&) are not used here; write the value out" },
	{ "a: &x {b: 1}\n", 0, "1:7: anchors (&) are not used here; write the value out" },
	{ "a: 1\nb: *x\n", 0, "2:4: aliases (*) are not used here; write the value out" },
	{ "a: !!str 1\n", 0, "1:10: tags (!) are not used here" },
	{ "a: !x [1]\n", 0, "1:7: tags (!) are not used here" },
	{ "b: 1\n<<: {a: 1}\n", 0, "2:1: merge keys (<<) are not used here; write the fields out" },
	{ "a: 1\nb: 2\na: 3\n", 0, "3:1: \"a\" is given twice; first in line 1" },
	{ "a: 1\nb: 2\n\"a\": {c: 1, c: 2}\nb: 4\n", 0,
		"3:1: \"a\" is given twice; first in line 1\n"
		"3:13: \"c\" is given twice; first in line 3\n"
		"4:1: \"b\" is given twice; first in line 2" },
	{ "~: 1\n", 0, "1:1: a key is missing before the colon" },
	{ "[a, b]: 1\n", 0, "1:1: a key must be plain text" },
	{ "{a: 1}: 1\n", 0, "1:1: a key must be plain text" },
	{ "a: .inf\n", 0, "1:4: infinity and not-a-number are not used here" },
	{ "a: 9223372036854775808\n", 0, "1:4: the integer does not fit into 64 bits" },
	{ "a: 1e999\n", 0, "1:4: the number is too large" },
	{ "a: \"\\0\"\n", 0, "1:4: the text holds a NUL" },
	{ "? a:\t: b", 0, "1:5: a tab after an indicator; use a space" },
	{ "a: [1, 2\nb: 3\n", 0, NULL },
	{ "a: 1\n b: 2\n", 0, NULL },
	{ "a: \"open\n", 0, NULL },
	{ "{a: 1} x\n", 0, NULL },
	{ "a: 1\n\tb: 2\n", 0, NULL },
};

static void test_bad(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		size_t len = bad[i].len ? bad[i].len : strlen(bad[i].text);
		g_autoptr(json_t) out = yaml_to_json(bad[i].text, len, true);
		g_autofree char *errors = error_text(out);
		g_test_message("%s => %s", bad[i].text, errors);
		g_assert_cmpuint(json_array_size(json_object_get(out, "documents")), ==, 0);
		if (bad[i].want)
			g_assert_cmpstr(errors, ==, bad[i].want);
		else
			g_assert_cmpuint(json_array_size(json_object_get(out, "errors")), ==, 1);
	}
}

/* "line:column+start-end" of each node in pre-order. */
static char *decode(const char *p)
{
	GString *s = g_string_new(NULL);
	int64_t line = 0, column = 0, start = 0;
	while (*p) {
		int64_t v[4];
		char *end = NULL;
		for (int k = 0; k < 4; k++, p = end)
			v[k] = g_ascii_strtoll(p, &end, 10);
		column = v[0] == 0 ? column + v[1] : v[1];
		line += v[0];
		start += v[2];
		g_string_append_printf(s, "%s%d:%d+%d-%d", s->len ? " " : "", (int)line,
			(int)column, (int)start, (int)(start + v[3]));
	}
	return g_string_free(s, FALSE);
}

static const struct {
	const char *text, *want;
} places[] = {
	{ "a: 1\n", "1:1+0-4 1:1+0-1 1:4+3-4" },
	{ "# c\nab:\n  - x\n  - {k: v}\n# end\n",
		"2:1+4-24 2:1+4-6 3:3+10-24 3:5+12-13 4:5+18-24 4:6+19-20 4:9+22-23" },
	{ "a:\nb: \xc3\xa9 # c\n", "1:1+0-8 1:1+0-1 1:1+1-1 2:1+3-4 2:4+6-8" },
	{ "\xef\xbb\xbf"
	  "a: 1\r\nb: 'x'\r\n",
		"1:1+3-15 1:1+3-4 1:4+6-7 2:1+9-10 2:4+12-15" },
};

static void test_positions(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
		g_autoptr(json_t) out = yaml_to_json(places[i].text, strlen(places[i].text), true);
		g_autofree char *errors = error_text(out);
		g_assert_cmpstr(errors, ==, "");
		g_autofree char *got = decode(
			text_at(json_array_get(json_object_get(out, "documents"), 0), "positions"));
		g_assert_cmpstr(got, ==, places[i].want);
	}
}

static void test_documents(void)
{
	static const char text[] = "# only a comment\n---\na: 1\n---\n- x\n- y\n...\n";
	g_autoptr(json_t) out = yaml_to_json(text, strlen(text), false);
	g_autofree char *got = canonical(out);
	g_assert_cmpstr(got, ==,
		"{\"documents\":[{\"json\":{\"a\":1}},{\"json\":[\"x\",\"y\"]}],\"errors\":[]}");
}

static char *repeat(const char *what, size_t n, const char *end)
{
	GString *s = g_string_new(NULL);
	for (size_t i = 0; i < n; i++)
		g_string_append(s, what);
	g_string_append(s, end);
	return g_string_free(s, FALSE);
}

static void assert_one_error(char *text, size_t len, const char *want)
{
	g_autofree char *owned = text;
	int64_t start = g_get_monotonic_time();
	g_autoptr(json_t) out = yaml_to_json(owned, len, true);
	g_autofree char *errors = error_text(out);
	g_test_message("%s after %d ms", errors, (int)((g_get_monotonic_time() - start) / 1000));
	g_assert_cmpuint(json_array_size(json_object_get(out, "errors")), ==, 1);
	g_assert_nonnull(strstr(errors, want));
}

static void test_hostile(void)
{
	char *t = repeat("[", 10000, "");
	assert_one_error(t, strlen(t), "1:65: ");
	t = repeat("{a: ", 10000, "");
	assert_one_error(t, strlen(t), "1:");
	t = repeat("- ", 10000, "x\n");
	assert_one_error(t, strlen(t), "nested deeper than 64 levels");
	t = repeat("? ", 10000, "x\n");
	assert_one_error(t, strlen(t), "a key must be plain text");
	t = repeat("x", YAML_MAX_LINE + 2, "\n");
	assert_one_error(t, strlen(t), "1:1048578: the line is longer than 1 MiB");
	t = g_malloc0(YAML_MAX_BYTES + 2);
	memset(t, '#', YAML_MAX_BYTES + 1);
	assert_one_error(t, YAML_MAX_BYTES + 1, "1:1: the file is larger than 16 MiB");
	t = repeat("---\na\n", YAML_MAX_DOCUMENTS + 1, "");
	assert_one_error(t, strlen(t), "more than 49999 documents in one file");
	t = repeat("- a\n", YAML_MAX_NODES + 1, "");
	assert_one_error(t, strlen(t), "more than 1000000 values and keys in one file");
	t = repeat("a: 1\n", 1000, "");
	g_autofree char *owned = t;
	g_autoptr(json_t) out = yaml_to_json(t, strlen(t), true);
	g_assert_cmpuint(json_array_size(json_object_get(out, "errors")), ==, YAML_MAX_ERRORS);
}

/* 50,000 keys in one mapping: the duplicate check must not be quadratic. */
static void test_many_keys(void)
{
	GString *s = g_string_new(NULL);
	for (int i = 0; i < 50000; i++)
		g_string_append_printf(s, "key-%d: %d\n", i, i);
	g_autoptr(json_t) out = yaml_to_json(s->str, s->len, true);
	g_assert_cmpuint(json_object_size(first_json(out)), ==, 50000);
	g_string_append(s, "key-7: again\n");
	g_autoptr(json_t) twice = yaml_to_json(s->str, s->len, true);
	g_autofree char *errors = error_text(twice);
	g_assert_cmpstr(errors, ==, "50001:1: \"key-7\" is given twice; first in line 8");
	g_string_free(s, TRUE);
}

static void test_verb(void)
{
	g_autoptr(GError) err = NULL;
	g_autoptr(json_t) req = json_pack("{s:[{s:s,s:s},{s:s,s:s}], s:b}", "files", "name",
		"a.yaml", "text", "a: 1", "name", "b.yaml", "base64", "YTog/w==", "positions", 0);
	g_autoptr(json_t) out = yaml_verb(req, &err);
	g_assert_no_error(err);
	g_autofree char *got = canonical(out);
	g_assert_cmpstr(got, ==,
		"{\"files\":[{\"documents\":[{\"json\":{\"a\":1}}],\"errors\":[],\"name\":\"a."
		"yaml\"},"
		"{\"documents\":[],\"errors\":[{\"column\":4,\"line\":1,\"message\":\"not "
		"UTF-8\"}],"
		"\"name\":\"b.yaml\"}]}");
	static const char *const requests[] = { "{}", "[]", "{\"files\":[{}]}",
		"{\"files\":[{\"name\":\"a\"}]}", "{\"files\":[{\"name\":\"a\",\"text\":1}]}",
		"{\"files\":[],\"positions\":1}" };
	for (size_t i = 0; i < G_N_ELEMENTS(requests); i++) {
		g_autoptr(json_t) r = json_loads(requests[i], 0, NULL);
		g_assert_null(yaml_verb(r, &err));
		g_assert_error(err, SL_ERROR, SL_ERR_INVALID);
		g_clear_error(&err);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/yaml/scalars", test_scalars);
	g_test_add_func("/yaml/bad", test_bad);
	g_test_add_func("/yaml/positions", test_positions);
	g_test_add_func("/yaml/documents", test_documents);
	g_test_add_func("/yaml/hostile", test_hostile);
	g_test_add_func("/yaml/many-keys", test_many_keys);
	g_test_add_func("/yaml/verb", test_verb);
	return g_test_run();
}
