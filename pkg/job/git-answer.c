#include "job/git-answer.h"
#include <string.h>

static const struct {
	const char *name, *outcome; /* outcome: as the worker says it */
} kinds[] = {
	[GIT_ANSWER_DONE] = { "done", "done" },
	[GIT_ANSWER_RACED] = { "raced", "raced" },
	[GIT_ANSWER_REFUSED] = { "refused", "refused" },
	[GIT_ANSWER_REJECTED] = { "rejected", "rejected" },
	[GIT_ANSWER_UNREACHABLE] = { "unreachable", NULL },
	[GIT_ANSWER_UNKNOWN] = { "unknown", NULL },
	[GIT_ANSWER_DENIED] = { "denied", NULL },
	[GIT_ANSWER_BROKEN] = { "broken", NULL },
};

static GitAnswerKind kind_of_error(const GError *err)
{
	switch ((SlErr)err->code) {
	case SL_ERR_RETRY:
		return GIT_ANSWER_UNREACHABLE;
	case SL_ERR_UNKNOWN_OUTCOME:
	case SL_ERR_CANCELLED:
		return GIT_ANSWER_UNKNOWN;
	case SL_ERR_REFUSED:
	case SL_ERR_NOT_FOUND:
		return GIT_ANSWER_DENIED;
	default:
		return GIT_ANSWER_BROKEN;
	}
}

GitAnswerKind git_answer_kind(const json_t *answer, const GError *err)
{
	const char *outcome = json_string_value(json_object_get(answer, "outcome"));
	if (err)
		return kind_of_error(err);
	if (outcome && strcmp(outcome, "read") == 0)
		return GIT_ANSWER_DONE;
	for (size_t i = 0; outcome && i < G_N_ELEMENTS(kinds); i++)
		if (kinds[i].outcome && strcmp(kinds[i].outcome, outcome) == 0)
			return (GitAnswerKind)i;
	return GIT_ANSWER_BROKEN;
}

const char *git_answer_name(GitAnswerKind kind)
{
	g_assert((size_t)kind < G_N_ELEMENTS(kinds));
	return kinds[kind].name;
}

static const char *text_of(const json_t *answer, const char *key)
{
	const char *s = json_string_value(json_object_get(answer, key));
	return s ? s : "";
}

static char *done_text(const json_t *answer)
{
	enum { SHORT = 12 };
	const char *how = text_of(answer, "how"), *commit = text_of(answer, "commit");
	if (strcmp(how, "standing") == 0)
		return g_strdup_printf(
			"%s already says so at commit %.*s", text_of(answer, "on"), SHORT, commit);
	if (strcmp(how, "dryRun") == 0)
		return g_strdup("it can be committed");
	if (!*commit)
		return g_strdup_printf("read at commit %.*s", SHORT, text_of(answer, "tip"));
	return g_strdup_printf("commit %.*s on %s", SHORT, commit, text_of(answer, "on"));
}

char *git_answer_text(const json_t *answer, const GError *err)
{
	char *s;
	switch (git_answer_kind(answer, err)) {
	case GIT_ANSWER_DONE:
		return done_text(answer);
	case GIT_ANSWER_REJECTED:
		s = g_strdup_printf(
			"the Git server rejected the push: %s", text_of(answer, "message"));
		break;
	case GIT_ANSWER_RACED:
	case GIT_ANSWER_REFUSED:
		s = g_strdup(text_of(answer, "message"));
		break;
	default:
		s = g_strdup(err ? err->message : "the worker's answer cannot be read");
	}
	return g_strdelimit(s, "\r\n", ' ');
}
