/* Acts: every effect on a target is a row that knows how to build its request from facts, how to
 * tell from a later read what became of it, and why sending it twice does no harm. The intent is
 * durable before the request leaves. */
#pragma once
#include "saga/fact.h"

typedef struct Act Act;
typedef struct StepResult StepResult; /* saga/item.h */

typedef enum {
	EFFECT_BY_VERSION, /* carries the resourceVersion of the view it was built from */
	EFFECT_BY_UID, /* carries the UID: a late one can only do what was wanted then */
	EFFECT_BY_NAME, /* creates under a name derived from the intent */
	EFFECT_BY_OLD_ID, /* a push that names the commit it replaces */
	EFFECT_BY_KEY, /* a node command under its key and epoch */
	EFFECT_BY_COMMENT, /* found again by its comment (a silence) */
} Effect;

typedef enum { CLASS_ABSENT, CLASS_RUNNING, CLASS_DONE, CLASS_FOREIGN } Class;

typedef enum {
	ACT_OPEN, /* intent durable, outcome not yet */
	ACT_DONE, /* for a mark: standing */
	ACT_ABSENT, /* known not to have happened */
	ACT_REFUSED, /* the server said no; its words are in act_result */
	ACT_FOREIGN, /* somebody else's value stands there */
	ACT_UNDONE,
} ActState;

/* What build fills; the engine owns all of it afterwards. */
typedef struct ActRequest {
	const char *method, *content_type; /* static; content_type NULL = JSON merge patch for
					      PATCH, else JSON */
	char *path;
	json_t *body;
	json_t *want; /* what classify compares with; NULL = body */
	json_t *undo; /* what the undoing row needs; NULL = nothing */
	int timeout_msec;
} ActRequest;
void act_request_clear(ActRequest *r);

typedef enum { ANSWER_DONE, ANSWER_NOT_APPLIED, ANSWER_CONFLICT, ANSWER_UNKNOWN } AnswerClass;

/* An answer as the journal keeps it: no bodies but the server's own words. */
typedef struct ActAnswer {
	AnswerClass class;
	int status; /* 0: none came */
	int retry_after_sec; /* -1: none given */
	json_t *detail; /* {"reason","message","causes",...}, may be NULL; borrowed */
} ActAnswer;

typedef struct ActRow {
	const char *name;
	Effect effect;
	const FactRow *fact; /* what build and classify read, under the act's key */
	const struct ActRow *undo; /* not NULL: this act sets a mark, and that row takes it away */
	const struct ActRow *fence; /* for a pivot: written where a retry is no longer wanted */
	bool claim; /* takes, raises or gives back the claim itself: needs no proof of it */
	/* Whether it may be begun now, asked before each attempt, also after an unknown outcome;
	 * false: *ret is what the item waits for. NULL: always. */
	bool (*may)(Item *it, StepResult *ret);
	/* Fenced where it lands, by the epoch that it carries: whether it may be sent while nobody
	 * answers who could tell of the claim, on what the journal says. NULL: never. */
	bool (*blind)(Item *it);
	/* false: not ours to change (the reason is set with item_reason). undoes: the mark, for an
	 * undoing row. */
	bool (*build)(Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret);
	Class (*classify)(const json_t *want, const View *v);
	/* May change how an answer counts (an eviction's 404 is done); NULL = by the status alone.
	 */
	AnswerClass (*answer)(int status, const json_t *detail, AnswerClass plain);
} ActRow;

/* The newest act of this row and key on the item, or NULL. */
const Act *act_find(const Item *it, const ActRow *row, const char *key);
ActState act_state(const Act *a);
const char *act_key(const Act *a);
const ActRow *act_row(const Act *a);
const json_t *act_want(const Act *a);
const json_t *act_undo_data(const Act *a);
const json_t *act_result(
	const Act *a); /* {"status","reason","message","causes","retryAfter"}; NULL while open */
int act_attempt(const Act *a);
/* Boot time at which we learned the outcome; 0 when that was before the last restart. */
int64_t act_settled_usec(const Act *a);
size_t item_n_acts(const Item *it);
const Act *item_act(const Item *it, size_t i); /* oldest first */
