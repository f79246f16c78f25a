/* What the engine keeps of facts, sites, acts and items. Nobody outside sees it. */
#pragma once
#include "codec/json.h"
#include "saga/saga.h"

typedef struct Fact {
	Site *site;
	const FactRow *row;
	char *key;
	View *view; /* NULL: unread, or the last read failed */
	GError *err;
	int64_t sent_usec; /* of the read behind view; 0 = from a watch, or none */
	int64_t stored_usec; /* of the view: by a read, or by what followed it */
	int64_t arrived_usec; /* of the last good read */
	int64_t min_sent_usec; /* forgotten at this time: only a younger read counts */
	int64_t retry_usec; /* after a failure: not before */
	int64_t count_usec; /* a failure before this time is not counted: the read was hurried */
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
	int64_t gap_usec; /* when the connection was last lost */
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
	bool site_gone; /* the journal names a target that is not configured any more */
	int64_t since_wall_usec;
	int64_t granted_usec; /* the deadline counts from this observed time: a person cleared it */
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
	bool repeats; /* the tick that runs tries a write that failed often once more */
	bool frozen; /* the tick that runs is of a held item: acts and moves are dropped */
};
