#include "job/git-answer.h"
#include <string.h>

static const struct {
	const char *answer; /* ' for "; NULL: an error */
	int code;
	GitAnswerKind kind;
	const char *text;
} cases[] = {
	{ "{'outcome':'done','how':'new','commit':'0123456789abcdef','on':'main'}", 0,
		GIT_ANSWER_DONE, "commit 0123456789ab on main" },
	{ "{'outcome':'done','how':'found','commit':'0123456789abcdef','on':'shiplock/r1'}", 0,
		GIT_ANSWER_DONE, "commit 0123456789ab on shiplock/r1" },
	{ "{'outcome':'done','how':'standing','commit':'0123456789abcdef','on':'main'}", 0,
		GIT_ANSWER_DONE, "main already says so at commit 0123456789ab" },
	{ "{'outcome':'done','how':'dryRun','commit':null,'on':'main'}", 0, GIT_ANSWER_DONE,
		"it can be committed" },
	{ "{'outcome':'read','tip':'0123456789abcdef'}", 0, GIT_ANSWER_DONE,
		"read at commit 0123456789ab" },
	{ "{'outcome':'raced','message':'a.yaml:1:2: x is 1 now'}", 0, GIT_ANSWER_RACED,
		"a.yaml:1:2: x is 1 now" },
	{ "{'outcome':'refused','message':'a.yaml:1:2: a template'}", 0, GIT_ANSWER_REFUSED,
		"a.yaml:1:2: a template" },
	{ "{'outcome':'rejected','message':'no\\npushes today'}", 0, GIT_ANSWER_REJECTED,
		"the Git server rejected the push: no pushes today" },
	{ "{'outcome':'else'}", 0, GIT_ANSWER_BROKEN, "the worker's answer cannot be read" },
	{ "[]", 0, GIT_ANSWER_BROKEN, "the worker's answer cannot be read" },
	{ NULL, SL_ERR_RETRY, GIT_ANSWER_UNREACHABLE, "words" },
	{ NULL, SL_ERR_UNKNOWN_OUTCOME, GIT_ANSWER_UNKNOWN, "words" },
	{ NULL, SL_ERR_CANCELLED, GIT_ANSWER_UNKNOWN, "words" },
	{ NULL, SL_ERR_REFUSED, GIT_ANSWER_DENIED, "words" },
	{ NULL, SL_ERR_NOT_FOUND, GIT_ANSWER_DENIED, "words" },
	{ NULL, SL_ERR_INVALID, GIT_ANSWER_BROKEN, "words" },
	{ NULL, SL_ERR_CONFLICT, GIT_ANSWER_BROKEN, "words" },
};

static void test_cases(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *json =
			cases[i].answer ? g_strdelimit(g_strdup(cases[i].answer), "'", '"') : NULL;
		json_t *answer = json ? json_loads(json, 0, NULL) : NULL;
		g_autoptr(GError) err =
			answer ? NULL : g_error_new_literal(SL_ERROR, cases[i].code, "words");
		g_autofree char *text = git_answer_text(answer, err);
		g_test_message("%s %d", cases[i].answer, cases[i].code);
		g_assert_cmpstr(git_answer_name(git_answer_kind(answer, err)), ==,
			git_answer_name(cases[i].kind));
		g_assert_cmpstr(text, ==, cases[i].text);
		json_decref(answer);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/git-answer/cases", test_cases);
	return g_test_run();
}
