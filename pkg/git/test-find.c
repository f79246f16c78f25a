/* Which file holds an object, where nobody told. The editor is a plain one here: a file holds the
 * object when it has a line "kind: Wish"; a template, or an object that stands twice, is unclear.
 */
#include "git/test-place.h"

static unsigned n_asked;

static json_t *plain_edit(const json_t *request, void *ud, GError **err)
{
	const char *text = str(request, "text"), *code = NULL;
	const char *hit = strstr(text, "kind: Wish\n");
	n_asked++;
	g_assert_true(json_is_true(json_object_get(request, "look")));
	if (strstr(text, "crash")) {
		sl_fail(err, SL_ERR_UNKNOWN_OUTCOME, "the editor died");
		return NULL;
	}
	if (strstr(text, "{{"))
		code = "templated";
	else if (!hit)
		code = "notFound";
	else if (strstr(hit + 1, "kind: Wish\n"))
		code = "twice";
	return code ? json_pack("{s:{s:s, s:s}}", "refused", "message", code, "code", code)
		    : json_pack("{s:[]}", "places");
}

static json_t *find(const Place *p, const char *below)
{
	const GitEditor editor = { plain_edit, NULL };
	g_autoptr(GError) err = NULL;
	g_autoptr(json_t) request = json_pack("{s:s, s:s, s:s, s:s, s:{s:s}, s:s, s:s*}", "op",
		"find", "mirror", p->mirror, "url", p->repo, "branch", "main", "edit", "kind",
		"Wish", "word", "Wish", "below", below);
	json_t *v = git_verb(request, &editor, &err);
	g_assert_no_error(err);
	return v;
}

static void expect(const Place *p, const char *below, const char *files, const char *where)
{
	g_autoptr(json_t) v = find(p, below);
	g_assert_cmpstr(str(v, "outcome"), ==, "found");
	char *text = json_dumps(json_object_get(v, "files"), JSON_COMPACT);
	g_assert_cmpstr(text, ==, files);
	g_assert_cmpstr(str(v, "below"), ==, where);
	free(text);
}

#define WISH "# mine\nkind: Wish\n"

static void test_found(void)
{
	Place p;
	place_begin(&p);
	write_text(&p, "overlays/a/cv.yaml", WISH, -1);
	write_text(&p, "overlays/a/other.yaml", "kind: ConfigMap\ndata: {about: Wish}\n", -1);
	write_text(&p, "overlays/a/notes.md", WISH, -1); /* no YAML */
	write_text(&p, "overlays/a/plain.yaml", "kind: ConfigMap\n", -1);
	g_free(commit(&p, "one"));
	n_asked = 0;
	expect(&p, NULL, "[\"overlays/a/cv.yaml\"]", "");
	g_assert_cmpuint(n_asked, ==, 2); /* only those that name it */
	expect(&p, "overlays/a", "[\"overlays/a/cv.yaml\"]", "overlays/a");
	expect(&p, "overlays/b", "[\"overlays/a/cv.yaml\"]", ""); /* not there: everywhere */
	expect(&p, "../etc", "[\"overlays/a/cv.yaml\"]", "");
	expect(&p, "overlays/a/cv.yaml", "[\"overlays/a/cv.yaml\"]", "");

	write_text(&p, "overlays/b/deep/er/cv.yml", WISH, -1);
	write_text(&p, "overlays/ab/kustomization.yaml", "kind: Kustomization\n", -1);
	g_free(commit(&p, "two"));
	expect(&p, NULL, "[\"overlays/a/cv.yaml\",\"overlays/b/deep/er/cv.yml\"]", "");
	expect(&p, "overlays/b", "[\"overlays/b/deep/er/cv.yml\"]", "overlays/b");
	expect(&p, "overlays/a", "[\"overlays/a/cv.yaml\"]", "overlays/a"); /* not those of ab */
	place_end(&p);
}

static void test_unclear(void)
{
	static const struct {
		const char *name, *text, *code;
		gssize len;
	} cases[] = {
		{ "t.yaml", "kind: Wish\nx: {{ y }}\n", "templated", -1 },
		{ "two.yaml", "kind: Wish\n---\nkind: Wish\n", "twice", -1 },
		{ "bytes.yaml", "kind: Wish\n# \xff\n", "notUtf8", -1 },
		{ "nul.yaml", "kind: Wish\n\0", "notUtf8", 12 },
		{ "deadly.yaml", "kind: Wish\n# crash\n", "unsafe", -1 },
	};
	Place p;
	place_begin(&p);
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		write_text(&p, cases[i].name, cases[i].text, cases[i].len);
		g_free(commit(&p, cases[i].name));
		g_autoptr(json_t) v = find(&p, NULL);
		g_assert_cmpuint(json_array_size(json_object_get(v, "files")), ==, 0);
		const json_t *unclear = json_object_get(v, "unclear");
		g_assert_cmpuint(json_array_size(unclear), ==, 1);
		g_assert_cmpstr(str(json_array_get(unclear, 0), "file"), ==, cases[i].name);
		g_assert_cmpstr(str(json_array_get(unclear, 0), "code"), ==, cases[i].code);
		g_autofree char *path = g_build_filename(p.repo, cases[i].name, NULL);
		g_assert_cmpint(unlink(path), ==, 0);
	}
	place_end(&p);
}

/* Bounds: candidates, the size of one file, and no way out of the tree. */
static void test_bounds(void)
{
	Place p;
	place_begin(&p);
	g_autoptr(GString) large = g_string_new(WISH);
	while (large->len <= 1 << 20)
		g_string_append(large, "# and so on, and on, and on, and on, and on, and on\n");
	write_text(&p, "large.yaml", large->str, -1);
	g_autofree char *link = g_build_filename(p.repo, "link.yaml", NULL);
	g_assert_cmpint(symlink("/etc/passwd", link), ==, 0);
	g_free(commit(&p, "large"));
	expect(&p, NULL, "[]", "");
	for (int i = 0; i < 65; i++) {
		g_autofree char *name = g_strdup_printf("many/%d.yaml", i);
		write_text(&p, name, WISH, -1);
	}
	g_free(commit(&p, "many"));
	g_autoptr(json_t) v = find(&p, NULL);
	g_assert_cmpstr(str(v, "outcome"), ==, "refused");
	g_assert_cmpstr(str(v, "message"), ==,
		"there are more than 64 files that name it: too many to look through");
	place_end(&p);
}

int main(int argc, char **argv)
{
	set_git_environment();
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/git/find/found", test_found);
	g_test_add_func("/git/find/unclear", test_unclear);
	g_test_add_func("/git/find/bounds", test_bounds);
	return g_test_run();
}
