/* Edits of manifests as people write them: cases-edit.txt holds blocks of
 *	### name
 *	crlf, noeol, bom: how the text reaches the editor, when it is not as it stands here
 *	> one line an edit
 *	---
 *	the file
 *	===
 *	what changes (-LINE before, +LINE after), or: refused CODE and the message */
#include "base/file.h"
#include "yaml/edit.h"
#include "yaml/yaml.h"
#include <string.h>

static json_t *field(const char *kind, const char *name, json_t *at, json_t *value)
{
	return json_pack(
		"{s:s, s:s, s:o, s:o}", "kind", kind, "name", name, "at", at, "value", value);
}

static json_t *cv(json_t *at, json_t *value)
{
	return field("ClusterVersion", "version", at, value);
}

static json_t *text_or_bool(const char *s)
{
	return strcmp(s, "true") == 0    ? json_true()
	       : strcmp(s, "false") == 0 ? json_false()
					 : json_string(s);
}

/* "version 4.21.10", "paused worker true", "-ack NAME" ... */
static json_t *parse_edit(const char *line)
{
	bool out = *line == '-';
	g_auto(GStrv) w = g_strsplit(line + out, " ", -1);
	guint n = g_strv_length(w);
	g_assert_cmpuint(n, >=, 1);
	json_t *value = out ? json_null() : json_string(w[n - 1]);
	if (strcmp(w[0], "channel") == 0)
		return cv(json_pack("[s,s]", "spec", "channel"), value);
	if (strcmp(w[0], "desiredUpdate") == 0)
		return cv(json_pack("[s,s]", "spec", "desiredUpdate"), value);
	if (strcmp(w[0], "ack") == 0)
		return json_pack("{s:s, s:o}", "ack", w[1], "value", value);
	if (!out) {
		json_decref(value);
		value = text_or_bool(w[n - 1]);
	}
	if (strcmp(w[0], "paused") == 0)
		return field(
			"MachineConfigPool", w[1], json_pack("[s,s]", "spec", "paused"), value);
	return cv(json_pack("[s,s,s]", "spec", "desiredUpdate", w[0]), value);
}

static json_t *ask(const char *text, size_t len, json_t *edits, bool look)
{
	g_autoptr(GError) err = NULL;
	json_t *request = json_pack("{s:s, s:o, s:O, s:b}", "path", "f.yaml", "text",
		json_stringn(text, len), "edits", edits, "look", look);
	json_t *answer = yaml_edit_verb(request, &err);
	g_assert_no_error(err);
	json_decref(request);
	return answer;
}

/* --- lines --- */

static void add_line(GString *out, char mark, unsigned n, const char *line)
{
	g_autofree char *bare = g_strdup(line);
	g_strdelimit(bare, "\r", '~'); /* an end of line that is out of place shows */
	g_string_append_printf(out, "%c%u %s\n", mark, n, bare);
}

/* The shortest diff, by the longest common subsequence; files here are short. */
static char *diff(const char *a, const char *b)
{
	g_auto(GStrv) x = g_strsplit(a, "\n", -1), y = g_strsplit(b, "\n", -1);
	unsigned n = g_strv_length(x), m = g_strv_length(y), i = 0, k = 0;
	g_autofree unsigned *common = g_new0(unsigned, (n + 1) * (m + 1));
	for (i = n; i-- > 0;)
		for (k = m; k-- > 0;) {
			unsigned down = common[(i + 1) * (m + 1) + k];
			unsigned right = common[i * (m + 1) + k + 1];
			common[i * (m + 1) + k] = strcmp(x[i], y[k]) == 0
							  ? common[(i + 1) * (m + 1) + k + 1] + 1
							  : MAX(down, right);
		}
	GString *out = g_string_new(NULL);
	for (i = k = 0; i < n || k < m;) {
		if (i < n && k < m && strcmp(x[i], y[k]) == 0) {
			i++;
			k++;
		} else if (i < n && (k == m || common[(i + 1) * (m + 1) + k] >=
						       common[i * (m + 1) + k + 1])) {
			add_line(out, '-', i + 1, x[i]);
			i++;
		} else {
			add_line(out, '+', k + 1, y[k]);
			k++;
		}
	}
	return g_string_free(out, FALSE);
}

/* --- a case --- */

typedef struct Case {
	char *name, *want;
	bool crlf, noeol, bom;
	char *text;
	json_t *edits;
} Case;

static void case_clear(Case *c)
{
	g_free(c->text);
	json_decref(c->edits);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Case, case_clear)

static void case_read(Case *c, char *block)
{
	char *body = strstr(block, "\n---\n"), *want = strstr(block, "\n===\n");
	g_assert_true(body && want && body < want);
	*body = *want = '\0';
	c->want = want + strlen("\n===\n");
	c->edits = json_array();
	g_auto(GStrv) head = g_strsplit(block, "\n", -1);
	c->name = block;
	for (char **line = head + 1; *line; line++) {
		if (g_str_has_prefix(*line, "> "))
			json_array_append_new(c->edits, parse_edit(*line + 2));
		c->crlf = c->crlf || strstr(*line, "crlf") == *line;
		c->noeol = c->noeol || (**line != '>' && strstr(*line, "noeol"));
		c->bom = c->bom || strcmp(*line, "bom") == 0;
	}
	*strchr(block, '\n') = '\0';
	g_auto(GStrv) lines = g_strsplit(body + strlen("\n---\n"), "\n", -1);
	g_autofree char *text = g_strjoinv(c->crlf ? "\r\n" : "\n", lines);
	c->text = g_strconcat(c->bom ? "\xef\xbb\xbf" : "", text,
		c->noeol  ? ""
		: c->crlf ? "\r\n"
			  : "\n",
		NULL);
}

static const char *new_text(const json_t *answer)
{
	return json_string_value(json_object_get(answer, "text"));
}

/* Every line of the file ends as the file's lines do. */
static char *bare_lines(const Case *c, const char *text)
{
	if (!c->crlf)
		return g_strdup(text);
	g_auto(GStrv) parts = g_strsplit(text, "\r\n", -1);
	for (char **p = parts; *p; p++)
		g_assert_null(strpbrk(*p, "\r\n"));
	return g_strjoinv("\n", parts);
}

/* Once more changes nothing, and the way back leads to the same bytes. */
static void check_again(const Case *c, const json_t *answer, unsigned *n_exact)
{
	const char *text = new_text(answer);
	json_t *again = ask(text, strlen(text), c->edits, false);
	g_assert_cmpstr(new_text(again), ==, text);
	g_assert_cmpuint(json_array_size(json_object_get(again, "undo")), ==, 0);
	json_decref(again);
	json_t *undo = json_object_get(answer, "undo");
	if (json_array_size(undo) == 0)
		return;
	json_t *back = ask(text, strlen(text), undo, false);
	const char *was = new_text(back);
	char *shown = json_dumps(back, JSON_INDENT(1));
	if (!was)
		g_error("%s: the way back: %s", c->name, shown);
	free(shown);
	*n_exact += strcmp(was, c->text) == 0;
	json_t *look = ask(was, strlen(was), c->edits, true);
	json_t *before = json_object_get(answer, "places");
	for (size_t i = 0; i < json_array_size(c->edits); i++)
		g_assert_true(json_equal(
			json_object_get(
				json_array_get(json_object_get(look, "places"), i), "value"),
			json_object_get(json_array_get(before, i), "value")));
	json_decref(look);
	json_decref(back);
}

static char *outcome(const Case *c, const json_t *answer)
{
	const json_t *refused = json_object_get(answer, "refused");
	if (refused)
		return g_strdup_printf("refused %s %s\n",
			json_string_value(json_object_get(refused, "code")),
			json_string_value(json_object_get(refused, "message")));
	g_assert_null(json_object_get(answer, "raced"));
	g_autofree char *before = bare_lines(c, c->text);
	g_autofree char *after = bare_lines(c, new_text(answer));
	return diff(before, after);
}

static void test_cases(void)
{
	const char *src = g_getenv("SHIPLOCK_SRC");
	g_autofree char *path = g_build_filename(src ? src : ".", "pkg/yaml/cases-edit.txt", NULL);
	g_autoptr(GError) err = NULL;
	g_autofree char *text = sl_read_file(path, 1 << 20, NULL, &err);
	g_assert_no_error(err);
	g_auto(GStrv) blocks = g_strsplit(text, "### ", -1);
	unsigned n_edited = 0, n_refused = 0, n_exact = 0;
	for (char **block = blocks + 1; *block; block++) {
		g_auto(Case) c = { 0 };
		case_read(&c, *block);
		g_test_message("%s", c.name);
		json_t *answer = ask(c.text, strlen(c.text), c.edits, false);
		g_autofree char *got = outcome(&c, answer);
		g_assert_cmpstr(got, ==, c.want);
		bool refused = json_object_get(answer, "refused");
		g_assert_true(refused == g_str_has_prefix(c.name, "refused: "));
		if (refused) {
			n_refused++;
		} else {
			n_edited++;
			check_again(&c, answer, &n_exact);
		}
		json_decref(answer);
	}
	g_test_message("%u edited, %u refused, %u back to the byte", n_edited, n_refused, n_exact);
	g_assert_cmpuint(n_edited + n_refused, >=, 60);
	g_assert_cmpuint(n_edited, >=, 50);
}

/* --- what it was decided on --- */

static const char manifest[] = "apiVersion: config.openshift.io/v1\n"
			       "kind: ClusterVersion\n"
			       "metadata: {name: version}\n"
			       "spec:\n"
			       "  channel: stable-4.20\n"
			       "  desiredUpdate: {version: 4.20.15}\n";

static const struct {
	const char *edit; /* ' for " */
	const char *raced; /* NULL: it is made */
} expectations[] = {
	{ "{'at':['spec','channel'],'value':'x','expect':'stable-4.20'}", NULL },
	{ "{'at':['spec','channel'],'value':'stable-4.20','expect':'else'}", NULL },
	{ "{'at':['spec','channel'],'value':'x','expect':'stable-4.19'}",
		"f.yaml:5:12: channel is \"stable-4.20\" now, and was \"stable-4.19\" when it was "
		"decided" },
	{ "{'at':['spec','channel'],'value':'x','expect':null}",
		"f.yaml:5:12: channel is \"stable-4.20\" now, and was null when it was decided" },
	{ "{'at':['spec','upstream'],'value':'x','expect':null}", NULL },
	{ "{'at':['spec','upstream'],'value':'x','expect':'y'}",
		"f.yaml:5:3: upstream is null now, and was \"y\" when it was decided" },
	{ "{'at':['spec','desiredUpdate'],'value':null,'expect':{'version':'4.20.15'}}", NULL },
	{ "{'at':['spec','desiredUpdate'],'value':null,'expect':{'version':'4.20.16'}}",
		"f.yaml:6:18: desiredUpdate is {\"version\":\"4.20.15\"} now, and was "
		"{\"version\":\"4.20.16\"} when it was decided" },
};

static json_t *from_text(const char *text, const char *kind)
{
	g_autofree char *json = g_strdelimit(g_strdup(text), "'", '"');
	json_t *v = json_loads(json, 0, NULL);
	g_assert_nonnull(v);
	if (kind) {
		json_object_set_new(v, "kind", json_string(kind));
		json_object_set_new(v, "name", json_string("version"));
	}
	return v;
}

static void test_expectations(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(expectations); i++) {
		json_t *edits = json_pack("[o]", from_text(expectations[i].edit, "ClusterVersion"));
		json_t *answer = ask(manifest, strlen(manifest), edits, false);
		g_test_message("%s", expectations[i].edit);
		g_assert_cmpstr(json_string_value(json_object_get(answer, "raced")), ==,
			expectations[i].raced);
		g_assert_true(!new_text(answer) == !!expectations[i].raced);
		json_decref(answer);
		json_decref(edits);
	}
}

static void test_look(void)
{
	g_autofree char *shown = NULL;
	json_t *edits = from_text("[{'kind':'ClusterVersion','name':'version','at':['spec',"
				  "'desiredUpdate','version']},{'kind':'ClusterVersion','name':"
				  "'version','at':['spec','upstream'],'value':null}]",
		NULL);
	json_t *answer = ask(manifest, strlen(manifest), edits, true);
	json_t *want = from_text("[{'at':['spec','desiredUpdate','version'],'value':'4.20.15',"
				 "'raw':'4.20.15','line':6,'column':28},{'at':['spec','upstream'],"
				 "'value':null,'raw':null,'line':5,'column':3,'stands':true}]",
		NULL);
	shown = json_dumps(answer, 0);
	g_test_message("%s", shown);
	g_assert_true(json_equal(json_object_get(answer, "places"), want));
	g_assert_cmpstr(new_text(answer), ==, manifest);
	json_decref(want);
	json_decref(answer);
	json_decref(edits);
}

static const struct {
	const char *request, *text;
} bad[] = {
	{ "{}", "needs \"path\"" },
	{ "{'path':'f','text':'a'}", "1 to 64 \"edits\"" },
	{ "{'path':'f','text':'a','edits':[]}", "1 to 64 \"edits\"" },
	{ "{'path':'f','text':'a','edits':[{}]}", "needs \"kind\"" },
	{ "{'path':'f','text':'a','edits':[{'kind':'K','name':'n','at':[]}]}", "1 to 8 keys" },
	{ "{'path':'f','text':'a','edits':[{'kind':'K','name':'n','at':[1]}]}", "is no text" },
	{ "{'path':'f','text':'a','edits':[{'kind':'K','name':'n','at':['a'],'value':1.5}]}",
		"a whole number, or null" },
	{ "{'path':'f','text':'a','edits':[{'kind':'K','name':'n','at':['a'],'value':'a\\nb'}]}",
		"one line of text" },
	{ "{'path':'f','text':'a','edits':[{'kind':'K','name':'n','at':['a'],'value':{}}]}",
		"one line of text" },
	{ "{'path':'f','text':'a','edits':[{'ack':'a b','value':'true'}]}", "no name of a key" },
	{ "{'path':'f','text':'a','edits':[{'ack':'a','value':true}]}", "one line of text" },
	{ "{'path':'f','text':'a','edits':[{'ack':'a'},{'ack':'a'}]}", "mean the same place" },
	{ "{'path':'f','text':'a','edits':[{'kind':'K','name':'n','at':['a']},"
	  "{'kind':'K','name':'n','at':['a','b']}]}",
		"edits 0 and 1 mean the same place" },
};

static void test_bad_requests(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autoptr(GError) err = NULL;
		json_t *request = from_text(bad[i].request, NULL);
		g_test_message("%s", bad[i].request);
		g_assert_null(yaml_edit_verb(request, &err));
		g_assert_error(err, SL_ERROR, SL_ERR_INVALID);
		g_test_message("%s", err->message);
		g_assert_nonnull(strstr(err->message, bad[i].text));
		json_decref(request);
	}
}

/* --- bytes that nobody should write --- */

static void assert_refused(const char *text, size_t len, const char *code, const char *message)
{
	json_t *edits = json_pack("[o]", parse_edit("version 4.21.10"));
	json_t *answer = ask(text, len, edits, false);
	const json_t *refused = json_object_get(answer, "refused");
	g_assert_nonnull(refused);
	g_test_message("%s", json_string_value(json_object_get(refused, "message")));
	g_assert_cmpstr(json_string_value(json_object_get(refused, "code")), ==, code);
	g_assert_nonnull(strstr(json_string_value(json_object_get(refused, "message")), message));
	json_decref(answer);
	json_decref(edits);
}

static char *repeat(const char *what, size_t n)
{
	GString *s = g_string_new(NULL);
	for (size_t i = 0; i < n; i++)
		g_string_append(s, what);
	return g_string_free(s, FALSE);
}

static void test_hostile(void)
{
	g_autofree char *deep = repeat("[", 10000), *braces = repeat("{a: ", 10000);
	g_autofree char *huge = repeat("# 0123456789abcdef0123456789abc\n", (16 << 15) + 1);
	g_autofree char *line = repeat("#", (1 << 20) + 2);
	g_autofree char *many = repeat("- [a, b, c, d, e, f, g, h, i, j]\n", 100000);
	g_autofree char *anchors = repeat("- &a [*a, *a, *a]\n", 50000);
	assert_refused(deep, strlen(deep), "tooLarge", "f.yaml:1:65: nested deeper than 64 levels");
	assert_refused(braces, strlen(braces), "tooLarge", "nested deeper than 64 levels");
	assert_refused(huge, strlen(huge), "tooLarge", "larger than 16 MiB");
	assert_refused(line, strlen(line), "unsafe", "the line is longer than 1 MiB");
	assert_refused(many, strlen(many), "tooLarge", "more values than are read");
	assert_refused(anchors, strlen(anchors), "notFound", "holds no ClusterVersion");
	assert_refused("a: \0b", 5, "unsafe", "f.yaml:1:4: NUL byte");
	assert_refused("%YAML 1.1\n---\na: b\n", 19, "unsafe", "directives");
	assert_refused("", 0, "notFound", "holds no ClusterVersion");
	assert_refused("a: [", 4, "syntax", "f.yaml:2:1: flow sequence");
	assert_refused("a: 'b\n", 6, "syntax", "f.yaml:");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/edit/cases", test_cases);
	g_test_add_func("/edit/expectations", test_expectations);
	g_test_add_func("/edit/look", test_look);
	g_test_add_func("/edit/bad-requests", test_bad_requests);
	g_test_add_func("/edit/hostile", test_hostile);
	return g_test_run();
}
