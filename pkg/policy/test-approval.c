#include "policy/approval.h"

static const int64_t HOUR = (int64_t)3600 * 1000000;

#define FOUR_EYES                                                                                  \
	"{\"quorum\":2,\"groups\":[{\"name\":\"platform\",\"users\":[\"ann\",\"bob\"],\"need\":1}" \
	","                                                                                        \
	"{\"name\":\"research\",\"users\":[\"cy\"],\"need\":1}],\"expires\":\"72h\","              \
	"\"breakGlass\":{\"groups\":[\"platform\"]}}"

typedef struct Case {
	const char *name, *rules; /* NULL: no policy */
	ApprovalAnswer answers[4];
	size_t n;
	ApprovalState want;
	const char *text;
} Case;

static const Case cases[] = {
	{ "nobody", NULL, { { 0 } }, 0, APPROVAL_OPEN, "0 of 1" },
	{ "one yes", NULL, { { "ann", "d" } }, 1, APPROVAL_GIVEN, "1 of 1" },
	{ "to another question", NULL, { { "ann", "e" } }, 1, APPROVAL_OPEN, "0 of 1" },
	{ "a no", NULL, { { "ann", "d", .reject = true } }, 1, APPROVAL_REJECTED, "ann said no" },
	{ "a no taken back", NULL, { { "ann", "d", .reject = true }, { "ann", "d" } }, 2,
		APPROVAL_GIVEN, "1 of 1" },
	{ "a yes taken back", NULL, { { "ann", "d" }, { "ann", "d", .reject = true } }, 2,
		APPROVAL_REJECTED, "ann said no" },
	{ "one of two", FOUR_EYES, { { "ann", "d" } }, 1, APPROVAL_OPEN,
		"1 of 2, group research is missing" },
	{ "the same person twice", FOUR_EYES, { { "ann", "d" }, { "ann", "d" } }, 2, APPROVAL_OPEN,
		"1 of 2, group research is missing" },
	{ "two of one group", FOUR_EYES, { { "ann", "d" }, { "bob", "d" } }, 2, APPROVAL_OPEN,
		"2 of 2, group research is missing" },
	{ "both groups", FOUR_EYES, { { "ann", "d" }, { "cy", "d" } }, 2, APPROVAL_GIVEN,
		"2 of 2" },
	{ "a stranger", FOUR_EYES, { { "ann", "d" }, { "dan", "d" } }, 2, APPROVAL_OPEN,
		"1 of 2, group research is missing" },
	{ "a stranger's no", FOUR_EYES, { { "dan", "d", .reject = true } }, 1, APPROVAL_OPEN,
		"0 of 2, group platform is missing" },
	{ "expired", FOUR_EYES, { { "ann", "d", -72 * 3600 * (int64_t)1000000 }, { "cy", "d" } }, 2,
		APPROVAL_OPEN, "1 of 2, group platform is missing" },
	{ "glass", FOUR_EYES, { { "bob", "d", .break_glass = true } }, 1, APPROVAL_GIVEN,
		"glass broken by bob" },
	{ "glass by one who may not", FOUR_EYES, { { "cy", "d", .break_glass = true } }, 1,
		APPROVAL_OPEN, "1 of 2, group platform is missing" },
};

static void test_judge(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		const Case *c = &cases[i];
		g_autoptr(GError) err = NULL;
		g_autoptr(ApprovalRules) r = NULL;
		json_t *v = c->rules ? json_loads(c->rules, 0, NULL) : NULL;
		if (v)
			r = approval_parse(v, &err);
		g_assert_no_error(err);
		ApprovalResult got = approval_judge(r, "d", c->answers, c->n, 0);
		g_test_message("%s: %s", c->name, got.text);
		g_assert_cmpint(got.state, ==, c->want);
		g_assert_cmpstr(got.text, ==, c->text);
		json_decref(v);
	}
}

static void test_expiry(void)
{
	g_autoptr(GError) err = NULL;
	json_t *v = json_loads(FOUR_EYES, 0, NULL);
	g_autoptr(ApprovalRules) r = approval_parse(v, &err);
	ApprovalAnswer a[] = { { "ann", "d", 0 }, { "cy", "d", 5 * HOUR } };
	ApprovalResult got = approval_judge(r, "d", a, 2, 72 * HOUR - 1);
	g_assert_cmpint(got.state, ==, APPROVAL_GIVEN);
	g_assert_cmpint(got.expires_usec, ==, 72 * HOUR);
	g_assert_cmpint(approval_judge(r, "d", a, 2, 72 * HOUR).state, ==, APPROVAL_OPEN);
	json_decref(v);
}

static void test_bad(void)
{
	static const struct {
		const char *json, *message;
	} bad[] = {
		{ "{\"quorum\":0}", "quorum must be 1 or more" },
		{ "{\"expires\":\"soon\"}", "expires: no duration like 72h" },
		{ "{\"groups\":[{\"users\":[]}]}", "groups: one has no name" },
		{ "{\"groups\":[{\"name\":\"a\",\"users\":[\"x\"],\"need\":2}]}",
			"groups: a has 1 users, but needs 2 of them" },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autoptr(GError) err = NULL;
		json_t *v = json_loads(bad[i].json, 0, NULL);
		g_assert_null(approval_parse(v, &err));
		g_assert_cmpstr(err->message, ==, bad[i].message);
		json_decref(v);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/approval/judge", test_judge);
	g_test_add_func("/approval/expiry", test_expiry);
	g_test_add_func("/approval/bad", test_bad);
	return g_test_run();
}
