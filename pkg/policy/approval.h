/* Whether enough people have said yes. An answer belongs to one question, named by the digest of
 * what was shown; an answer to another digest counts for nothing. */
#pragma once
#include "base/error.h"
#include <jansson.h>

enum { APPROVAL_TEXT_MAX = 200 };

typedef struct ApprovalAnswer {
	const char *user; /* login as the socket's peer shows it */
	const char *digest; /* of the question */
	int64_t at_usec; /* wall time */
	bool reject;
	bool break_glass; /* with a reason, which the caller has demanded */
} ApprovalAnswer;

typedef enum { APPROVAL_OPEN, APPROVAL_GIVEN, APPROVAL_REJECTED } ApprovalState;

typedef struct ApprovalResult {
	ApprovalState state;
	bool by_break_glass;
	int have, need; /* distinct people */
	int64_t expires_usec; /* when the oldest yes that counts expires; INT64_MAX: never */
	char text[APPROVAL_TEXT_MAX]; /* "1 of 2, group research-it is missing" */
} ApprovalResult;

typedef struct ApprovalRules ApprovalRules;
/* spec of an ApprovalPolicy: quorum (default 1), groups (name, users, need), expires, breakGlass.
 * INVALID names the field. */
ApprovalRules *approval_parse(const json_t *spec, GError **err) SL_MUST_USE;
void approval_free(ApprovalRules *r);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ApprovalRules, approval_free)

/* r NULL: one person's yes is enough. Answers oldest first; a person's newest counts, a newest no
 * rejects. */
ApprovalResult approval_judge(const ApprovalRules *r, const char *digest,
	const ApprovalAnswer *answers, size_t n, int64_t now_usec);

/* Whether this person's answer counts at all, and whether they may break the glass alone. r NULL:
 * anybody's counts, and there is no glass. */
bool approval_may_answer(const ApprovalRules *r, const char *user);
bool approval_may_break_glass(const ApprovalRules *r, const char *user);
/* This person's newest answer to the question is a yes that counts now. */
bool approval_has_yes(const ApprovalRules *r, const char *digest, const ApprovalAnswer *answers,
	size_t n, int64_t now_usec, const char *user);
int64_t approval_expires_sec(const ApprovalRules *r); /* how long a yes counts; 0: for ever */
/* "platform (sre1, sre2), research-it (rit1)", or only those who may break the glass; "" where none
 * are named. Caller frees. */
char *approval_people(const ApprovalRules *r, bool of_glass);
