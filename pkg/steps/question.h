/* What people are asked before something begins, and what they answered: a wave that waits for its
 * approval, a way back that asks. An answer belongs to one question and its digest; the item that
 * asks keeps all answers in its memo, in the order in which they were given. */
#pragma once
#include "policy/approval.h"
#include "steps/cluster.h"

enum { QUESTION_DIGEST_BYTES = 72 /* "sha256:", 64 hex digits, NUL */ };

typedef struct Question {
	Item *it; /* the run, or the cluster */
	const char *subject; /* "wave" or "rollback" */
	const char *about; /* the wave's name, or the cluster's */
	const char *tier; /* of a rollback: "T2"; else NULL */
	const char *policy; /* name of the ApprovalPolicy; NULL: one person's yes is enough */
	char digest[QUESTION_DIGEST_BYTES];
} Question;

/* Whether this wave of the run may start: its digest is the plan's. In a run that takes a cluster
 * back it is the rollback that is asked for. False: nobody need be asked. */
bool question_wave(Item *run, const char *wave, Question *ret);
/* Whether this cluster is taken back, for this reason. */
void question_rollback(Item *cluster, const char *reason, Question *ret);
/* The same for this tier, whatever was offered. */
void question_tier(Item *cluster, Tier tier, const char *reason, Question *ret);
/* The one that is open on the cluster; false: none is. */
bool question_open(Item *cluster, Question *ret);

ApprovalResult question_judge(const Question *q);
/* "1 of 2, group research-it is missing", with who said no and why. Caller frees. */
char *question_stands(const Question *q);
/* "approval four-eyes", or "a person's yes". Caller frees. */
char *question_name(const Question *q);
/* {"subject","about","tier","policy","digest","state","text","have","need","expires","people",
 * "mayBreakGlass","warning","answers": [{"who","at","yes","breakGlass","reason"}]}. New
 * reference. */
json_t *question_json(const Question *q);

/* Puts the command's answer into the batch; *ret is what stands with it. False: it does not count
 * (REFUSED), lacks something (INVALID), or is to another question (CONFLICT). */
bool question_answer(
	const Question *q, Batch *b, const Command *c, ApprovalResult *ret, GError **err);

/* Every glass that was broken on this item: [{"subject","about","who","at","reason"}]. New
 * reference. */
json_t *questions_glass(const Item *it);
