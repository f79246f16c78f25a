/* Items: run, cluster, node, pod, remote job. A tree; each has its state, its reason, its observed
 * time, its acts and holds. What the journal holds of them changes only when a durable record is
 * applied. */
#pragma once
#include "saga/act.h"

typedef struct Saga Saga;
typedef struct Batch Batch;

typedef enum { STEP_READ, STEP_ACT, STEP_WAIT, STEP_DONE, STEP_HOLD } StepVerb;

struct StepResult {
	StepVerb verb;
	unsigned next; /* DONE: the state to go to; 0 = the next step of the list */
	int64_t until_usec; /* WAIT: look again then (boot time); 0 = when a fact changes */
	const char *cause; /* HOLD: static name */
	bool person; /* HOLD: only a person clears it */
};

typedef struct StepOps {
	const char *name;
	StepResult (*tick)(Item *it, int64_t now_usec, Batch *batch);
} StepOps;

/* One row of an item kind's state table. State 0 is never a state. */
typedef struct StateRow {
	const char *name;
	uint64_t next; /* allowed moves, bits by state */
	const StepOps *const
		*steps; /* NULL-terminated; NULL = nobody ticks here (a parent moves it on) */
	const StepOps *const *(*list)(
		const Item *it); /* instead of steps where it varies (a provider's) */
	unsigned after; /* where DONE(0) of the last step leads */
	int deadline_sec; /* of observed time; 0 = none; unholding "deadline" grants it anew */
	bool end; /* nothing more happens to the item */
	bool puts_back; /* takes our own marks away: holds of its parents do not stop that */
	bool untimed; /* waiting here costs no notes (pending, bake) */
	bool claimless; /* nothing is written here but the claim itself: that it is lost does not
			   hold the item */
} StateRow;

typedef struct ItemKind {
	const char *name;
	const StateRow *states;
	unsigned n_states;
	/* What a passed deadline means here; NULL = hold, cause "deadline". */
	StepResult (*on_deadline)(Item *it, int64_t now_usec, Batch *batch);
	/* How long a hold that clears by itself may last (observed time) before only a person
	 * clears it; NULL = for ever. */
	int (*hold_for_sec)(const Item *it);
	/* Whether the deadline stands still because of the holds it has; NULL = it goes on. */
	bool (*stands_still)(const Item *it);
} ItemKind;
#define TO(state) (UINT64_C(1) << (state))

/* Looking at an item. Strings are borrowed. */
uint64_t item_id(const Item *it);
const char *item_name(const Item *it);
const ItemKind *item_kind(const Item *it);
Item *item_parent(const Item *it);
Site *item_site(const Item *it);
Saga *item_saga(const Item *it);
unsigned item_state(const Item *it);
unsigned item_step(const Item *it);
const char *item_state_name(const Item *it);
const char *item_why(const Item *it); /* of the last move */
const char *item_reason(const Item *it); /* what it waits for now; volatile */
int64_t item_reason_since_usec(const Item *it);
int64_t item_since_wall_usec(const Item *it); /* when it entered its state */
int64_t item_observed_usec(const Item *it); /* time that we watched it in this state */
bool item_ended(const Item *it);
size_t item_n_children(const Item *it);
Item *item_child(const Item *it, size_t i); /* in order of creation */
Item *item_find_child(const Item *it, const char *name);
const json_t *item_data(const Item *it); /* given at creation, never changed; borrowed */
/* A cache of the upper layer, derived from durable data; freed with the item. NULL when none was
 * set. */
void *item_ctx(const Item *it);
void item_set_ctx(Item *it, void *ctx, void (*free_ctx)(void *ctx));
void item_set_reason(Item *it, const char *fmt, ...) SL_PRINTF(2, 3);

/* What was noted for good about the item: an object, never NULL; later notes replace single
 * members. */
const json_t *item_memo(const Item *it);
/* Looks: records of samples and proofs, kept while the item stays in its state. Array of objects,
 * oldest first. */
const json_t *item_looks(const Item *it);
/* Pivots crossed, ever: array of {"name","wallUsec"}. */
bool item_pivot_crossed(const Item *it, const char *name);

/* Holds of this item itself; item_held also counts those of its parents. */
typedef struct Hold {
	char *cause, *reason, *by; /* by: "tick", "engine" or "person" */
	bool person; /* only a person clears it */
	int64_t since_wall_usec;
	int64_t obs_usec; /* the item's observed time in its state when it began */
	int64_t seq;
} Hold;
size_t item_n_holds(const Item *it);
const Hold *item_hold(const Item *it, size_t i);
const Hold *item_find_hold(const Item *it, const char *cause);
bool item_held(const Item *it);

/* What a tick returns. */
StepResult step_read(Item *it);
StepResult step_wait(Item *it, int64_t until_usec, const char *fmt, ...) SL_PRINTF(3, 4);
StepResult step_done(unsigned next);
StepResult step_hold(Item *it, const char *cause, const char *fmt, ...) SL_PRINTF(3, 4);
StepResult step_hold_person(Item *it, const char *cause, const char *fmt, ...) SL_PRINTF(3, 4);
/* Stores the intent of one act on this item; its request leaves when the batch is durable. */
StepResult step_act(Item *it, const ActRow *row, const char *key, Batch *batch);
/* Undoes the newest standing mark; *ret_left is false when there was none (then the result is
 * meaningless). */
StepResult step_undo(Item *it, Batch *batch, bool *ret_left);

/* What a tick or a command may put into the batch. No-ops for the acts and moves of an item that is
 * held. */
Item *batch_item(Batch *b, Item *parent, const ItemKind *kind, Site *site, const char *name,
	unsigned state, json_t *data); /* takes data (may be NULL); the item exists when the batch
					  is durable: returns NULL */
void batch_move(Batch *b, Item *it, unsigned state, const char *fmt, ...) SL_PRINTF(4, 5);
/* The same, with members of the memo that become true in the same instant; takes memo. */
void batch_move_memo(Batch *b, Item *it, unsigned state, json_t *memo, const char *fmt, ...)
	SL_PRINTF(5, 6);
void batch_memo(Batch *b, Item *it, const char *name, json_t *value); /* takes value */
void batch_look(Batch *b, Item *it,
	json_t *look); /* takes look: an object with at least "gate" and "verdict" */
void batch_pivot(Batch *b, Item *it, const char *name);
void batch_hold(
	Batch *b, Item *it, const char *cause, const char *by, bool person, const char *reason);
void batch_unhold(Batch *b, Item *it, const char *cause, const char *why);
/* The site is claimed under this epoch from here on, or (held false) no longer. */
void batch_epoch(Batch *b, Site *site, int64_t epoch, bool held);
void batch_record(Batch *b, const char *kind, Item *it,
	json_t *body); /* command approval note end plan; takes body */
int64_t batch_wall_usec(const Batch *b);
/* A move of the item is in this batch already; b NULL: no. */
bool batch_moved(const Batch *b, const Item *it);
unsigned batch_n_of(const Batch *b, const char *kind); /* records of this kind so far */
/* Acts of this row on this site: durable and open, plus those of this batch. */
unsigned batch_open_acts(const Batch *b, const Site *site, const ActRow *row);
