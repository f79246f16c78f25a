/* What the files of the engine share, and nobody else sees. */
#pragma once
#include "saga/item-internal.h"

enum {
	NOTE_EVERY_SEC = 60,
	READ_BACKOFF_MAX_SEC = 30,
	ACT_BACKOFF_MAX_SEC = 30,
	ACT_HOLD_ATTEMPTS = 5 /* a write that failed so often is a hold with the server's words */
};
enum { ARRIVED_USEC = 1000000 }; /* so long a fact may be used whenever its read was sent */

typedef struct {
	Act *act; /* filled at apply */
	uint64_t act_id;
	Item *item;
	ActRequest request;
} Send;

struct Batch {
	Saga *saga;
	uint64_t serial;
	int64_t wall_usec;
	GPtrArray *records; /* Record */
	GPtrArray *bodies; /* json_t, one for each record */
	GPtrArray *sends;
	GPtrArray *open_rows; /* pairs of site and row of the intents taken so far */
	GPtrArray *submissions;
};

typedef struct {
	SagaBuild *build;
	SagaStored *done;
	void *ud;
} Submission;

struct Saga {
	Loop loop;
	Store store;
	SagaHooks hooks;
	void *ud;
	Item *root;
	GPtrArray *items; /* by id, ascending; owns them */
	GPtrArray *sites;
	GPtrArray *wanted; /* facts to read at the end of this turn */
	GPtrArray *reads; /* reads under way, so that a crash can free them */
	GQueue submissions;
	Batch *batch;
	uint64_t turn_timer, next_id, serial;
	int64_t last_seq, lost_usec, prove_after_usec;
	bool replaying, stopped;
	GError *stop_err;
};

/* Our own writes fail: the item is held, and goes on trying. */
#define CAUSE_WRITE "write-fails"

/* saga.c */
void saga_schedule(Saga *s);
void item_ready(Item *it);
/* apply.c */
void saga_apply(Saga *s, const Record *r, const json_t *body);
/* At replay: whether this version can apply the record; INVALID names it and what is strange. */
bool saga_knows(Saga *s, const Record *r, const json_t *body, GError **err);
Item *item_new(
	Saga *s, uint64_t id, Item *parent, const ItemKind *kind, Site *site, const char *name);
void item_free(Item *it);
/* act.c */
Act *act_new(Item *it, uint64_t id, const ActRow *row, const char *key);
void act_free(Act *a);
Act *item_find_act(const Item *it, uint64_t id);
Act *item_open_act(const Item *it); /* the one to serve first, or NULL */
void act_serve(Act *a, int64_t now, Batch *b, StepResult *ret);
void act_send(Send *send);
void send_free(Send *send);
/* fact.c */
void fact_free(Fact *f);
void facts_start_reads(Saga *s);
void item_forget_uses(Item *it);
bool site_prove_claim(Item *it, const ActRow *row, StepResult *ret);
bool site_claim_proven(const Site *site); /* or none is needed */
/* The claim is held by the journal, its reads fail for want of an answer, and the row goes blind
 * then. */
bool site_goes_blind(Item *it, const ActRow *row);
/* A read that was made for anything shows the claim of this item's site in other hands: *ret holds
 * it for a person. */
bool site_claim_lost(Item *it, StepResult *ret);
/* batch.c */
Batch *batch_new(Saga *s);
void batch_free(Batch *b);
json_t *batch_body(const Batch *b, const Item *it); /* {"item","obs"} to be filled on */
void batch_add(Batch *b, const char *kind, json_t *body);
/* The act that crosses it could not be taken in this turn after all. */
void batch_drop_pivots(Batch *b, const Item *it);
/* serve.c */
void item_serve(Item *it, int64_t now, Batch *b);
/* Time observed in the state up to now. */
int64_t item_observed_at(const Item *it, int64_t now);
