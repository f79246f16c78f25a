#include "objects/selector.h"

static json_t *parse(const char *text)
{
	json_error_t e;
	json_t *v = json_loads(text, JSON_DECODE_ANY, &e);
	g_assert_nonnull(v);
	return v;
}

static void test_json(void)
{
	static const struct {
		const char *selector, *labels;
		bool want;
	} cases[] = {
		{ "null", "{\"a\":\"b\"}", false },
		{ "{}", "{\"a\":\"b\"}", true },
		{ "{}", "{}", true },
		{ "{\"matchLabels\":{},\"matchExpressions\":null}", "{}", true },
		{ "{\"matchLabels\":{\"a\":\"b\"}}", "{\"a\":\"b\",\"c\":\"d\"}", true },
		{ "{\"matchLabels\":{\"a\":\"b\",\"c\":\"x\"}}", "{\"a\":\"b\",\"c\":\"d\"}",
			false },
		{ "{\"matchLabels\":{\"a\":\"\"}}", "{}", false },
		{ "{\"matchLabels\":{\"a\":\"\"}}", "{\"a\":\"\"}", true },
		{ "{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"In\",\"values\":[\"x\","
		  "\"b\"]}]}",
			"{\"a\":\"b\"}", true },
		{ "{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"NotIn\",\"values\":[\"b\"]}"
		  "]}",
			"{\"a\":\"b\"}", false },
		{ "{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"NotIn\",\"values\":[\"b\"]}"
		  "]}",
			"{}", true },
		{ "{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"Exists\"}]}", "{}", false },
		{ "{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"Exists\",\"values\":[]}]}",
			"{\"a\":\"\"}", true },
		{ "{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"DoesNotExist\"}]}", "{}",
			true },
		{ "{\"matchLabels\":{\"a\":\"b\"},\"matchExpressions\":[{\"key\":\"c\","
		  "\"operator\":"
		  "\"DoesNotExist\"}]}",
			"{\"a\":\"b\",\"c\":\"d\"}", false },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s on %s", cases[i].selector, cases[i].labels);
		g_autoptr(GError) err = NULL;
		g_autoptr(Selector) s = NULL;
		json_t *v = parse(cases[i].selector), *labels = parse(cases[i].labels);
		g_assert_true(selector_from_json(v, &s, &err));
		g_assert_no_error(err);
		g_assert_true(selector_matches(s, labels) == cases[i].want);
		json_decref(v);
		json_decref(labels);
	}
	g_autoptr(Selector) nil = NULL;
	g_autoptr(GError) err = NULL;
	g_assert_true(selector_from_json(NULL, &nil, &err));
	g_assert_null(nil);
	g_assert_false(selector_is_everything(nil));
	g_assert_null(selector_format(nil));
}

static void test_bad_json(void)
{
	static const char *const cases[] = {
		"[]",
		"\"a=b\"",
		"{\"matchLabels\":[]}",
		"{\"matchLabels\":{\"a\":1}}",
		"{\"matchLabel\":{}}",
		"{\"matchExpressions\":{}}",
		"{\"matchExpressions\":[{\"operator\":\"Exists\"}]}",
		"{\"matchExpressions\":[{\"key\":\"a\"}]}",
		"{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"Gt\",\"values\":[\"1\"]}]}",
		"{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"In\"}]}",
		"{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"In\",\"values\":[1]}]}",
		"{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"Exists\",\"values\":[\"1\"]}]"
		"}",
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s", cases[i]);
		g_autoptr(GError) err = NULL;
		Selector *s = NULL;
		json_t *v = parse(cases[i]);
		g_assert_false(selector_from_json(v, &s, &err));
		g_assert_error(err, SL_ERROR, SL_ERR_INVALID);
		g_assert_null(s);
		json_decref(v);
	}
}

static void test_query(void)
{
	static const struct {
		const char *query, *labels, *text; /* text NULL: refused */
		bool want;
	} cases[] = {
		{ "", "{}", "", true },
		{ "a=b", "{\"a\":\"b\"}", "a=b", true },
		{ "a==b", "{\"a\":\"c\"}", "a=b", false },
		{ "a!=b", "{}", "a notin (b)", true },
		{ "a!=b", "{\"a\":\"b\"}", "a notin (b)", false },
		{ "z, !b ,a in (y,x)", "{\"z\":\"1\",\"a\":\"x\"}", "a in (x,y),!b,z", true },
		{ "a notin (x)", "{\"a\":\"x\"}", "a notin (x)", false },
		{ "a=", "{\"a\":\"\"}", "a=", true },
		{ "example.io/k=v.1", "{\"example.io/k\":\"v.1\"}", "example.io/k=v.1", true },
		{ "a=b,", "{}", NULL },
		{ ",a", "{}", NULL },
		{ "=b", "{}", NULL },
		{ "a in", "{}", NULL },
		{ "a in (b", "{}", NULL },
		{ "a of (b)", "{}", NULL },
		{ "a!b", "{}", NULL },
		{ "a=b c", "{}", NULL },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s", cases[i].query);
		g_autoptr(GError) err = NULL;
		g_autoptr(Selector) s = selector_from_query(cases[i].query, &err);
		if (!cases[i].text) {
			g_assert_error(err, SL_ERROR, SL_ERR_INVALID);
			continue;
		}
		g_assert_no_error(err);
		json_t *labels = parse(cases[i].labels);
		g_autofree char *text = selector_format(s);
		g_assert_cmpstr(text, ==, cases[i].text);
		g_assert_true(selector_matches(s, labels) == cases[i].want);
		json_decref(labels);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/selector/json", test_json);
	g_test_add_func("/selector/bad-json", test_bad_json);
	g_test_add_func("/selector/query", test_query);
	return g_test_run();
}
