/* What the files of the engine share, and nobody else sees. */
#pragma once
#include "codec/json.h"
#include "saga/saga.h"

enum { NOTE_EVERY_SEC = 60, READ_BACKOFF_MAX_SEC = 30, ACT_BACKOFF_MAX_SEC = 30 };

typedef struct Fact {
	Site *site;
	const FactRow *row;
	char *key;
	View *view; /* NULL: unread, or the last read failed */
	GError *err;
	int64_t sent_usec; /* of the read behind view; 0 = from a watch, or none */
	int64_t stored_usec;
	int64_t min_sent_usec; /* forgotten at this time: only a younger read counts */
	int64_t retry_usec; /* after a failure: not before */
	unsigned n_failures;
	FactRead *reading;
	GPtrArray *users; /* items whose last tick looked at it */
} Fact;

struct FactRead {
	Fact *fact;
	int64_t sent_usec;
};

struct Site {
	Saga *saga;
	char *name;
	const SiteOps *ops;
	void *ctx;
	GPtrArray *facts; /* sorted by row name and key */
	int64_t epoch;
	bool claimed;
	bool proven; /* the claim was read since the last restart or gap */
};

struct Act {
	uint64_t id;
	const ActRow *row;
	char *key;
	Item *item;
	json_t *want, *undo, *result;
	uint64_t undoes; /* id of the mark that this act takes away, or 0 */
	unsigned in_state, in_step;
	int attempt;
	bool shadow; /* an earlier attempt of unknown outcome may still land */
	bool fenced; /* a later write of ours on the object was accepted */
	uint64_t fences;
	ActState state;
	/* volatile */
	uint64_t in_flight;
	int64_t unknown_usec; /* since when the outcome is unknown */
	int64_t settled_usec;
	ActAnswer answer;
	bool answered;
};

struct Item {
	uint64_t id;
	Saga *saga;
	const ItemKind *kind;
	char *name;
	Item *parent;
	Site *site;
	GPtrArray *children;
	json_t *data;
	unsigned state, step;
	char *why;
	char *end;
	int64_t since_wall_usec;
	int64_t obs_base_usec; /* observed in this state up to obs_mark */
	GPtrArray *acts, *holds;
	json_t *looks, *pivots, *memo;
	/* volatile */
	void *ctx;
	void (*free_ctx)(void *ctx);
	int64_t obs_mark_usec, obs_lost_mark;
	int64_t recorded_usec; /* boot time of its last record */
	char *reason;
	int64_t reason_since_usec;
	bool ready;
	uint64_t moved_in; /* serial of the batch in which a parent moved it */
	GPtrArray *uses; /* facts that its last tick looked at */
	int64_t wake_usec;
	uint64_t timer;
	unsigned n_wanted_reads; /* of the tick that runs */
	int64_t retry_usec; /* earliest retry of a failed fact it needs; 0 = none */
	bool frozen; /* the tick that runs is of a held item: acts and moves are dropped */
};

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
};

/* saga.c */
void saga_schedule(Saga *s);
void item_ready(Item *it);
/* apply.c */
void saga_apply(Saga *s, const Record *r, const json_t *body);
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
bool site_prove_claim(Item *it, StepResult *ret);
/* batch.c */
Batch *batch_new(Saga *s);
void batch_free(Batch *b);
json_t *batch_body(const Batch *b, const Item *it); /* {"item","obs"} to be filled on */
void batch_add(Batch *b, const char *kind, json_t *body);
/* serve.c */
void item_serve(Item *it, int64_t now, Batch *b);
/* Time observed in the state up to now. */
int64_t item_observed_at(const Item *it, int64_t now);
