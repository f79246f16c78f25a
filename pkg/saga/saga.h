/* The engine: records, items, acts and turns. One batch is in flight at a time; memory changes only
 * when a record is applied, live and at replay by the same function; requests leave only when their
 * intent is durable. */
#pragma once
#include "loop/loop.h"
#include "saga/item.h"
#include "store/store.h"

/* How the acts of a site leave: the only I/O the engine starts itself. */
typedef void ActDone(const ActAnswer *a, void *ud);
typedef struct SiteOps {
	uint64_t (*send)(Site *site, const ActRequest *r, ActDone *done, void *ud);
	void (*forget)(Site *site, uint64_t id);
	/* The object that carries our claim, and whether a view of it still does; NULL: no claim
	 * needed. */
	const FactRow *claim_fact;
	const char *claim_key;
	bool (*claim_ok)(Site *site, const View *v, char **ret_who);
} SiteOps;

typedef struct SagaHooks {
	/* After the engine applied it; also at replay. Everything the upper layer keeps is rebuilt
	 * from here. */
	void (*applied)(const Record *r, const json_t *body, bool replay, void *ud);
	const ItemKind *(*kind)(const char *name, void *ud); /* for replay */
	Site *(*site)(const char *name, void *ud); /* for replay; NULL = no such target any more */
	const ActRow *(*row)(const char *name, void *ud); /* for replay */
	void (*stopped)(const GError *err,
		void *ud); /* the journal cannot be written: nothing moves any more */
} SagaHooks;

Saga *saga_new(Loop loop, Store store, const SagaHooks *hooks, void *ud);
void saga_free(Saga *s); /* no I/O: this is the simulated crash too */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Saga, saga_free)
/* Replays the journal; afterwards all open acts are of unknown outcome and everything is ready. */
bool saga_start(Saga *s, GError **err) SL_MUST_USE;

/* Adds records in the next turn, before any tick; done (may be NULL) when they are durable. */
typedef void SagaBuild(Batch *b, void *ud);
typedef void SagaStored(const GError *err, void *ud);
void saga_submit(Saga *s, SagaBuild *build, SagaStored *done, void *ud);

Item *saga_root(Saga *s); /* the fleet: parent of the runs; holds here stop everything */
Item *saga_find(Saga *s, uint64_t item_id);
void saga_wake(
	Saga *s, Item *it); /* something outside its facts changed (a command, a newer policy) */
/* The loop was late or the clocks drifted: this time was not observed, and claims and facts are
 * proven again. */
void saga_time_lost(Saga *s, int64_t usec);
bool saga_stopped(const Saga *s);
int64_t saga_last_seq(const Saga *s);
Loop saga_loop(const Saga *s);
void *saga_ud(const Saga *s);

Site *site_new(Saga *s, const char *name, const SiteOps *ops, void *ctx);
void site_free(Site *site);
/* The connection is gone with all that was under way on it: reads are asked for again, acts are of
 * unknown outcome. */
void site_disconnected(Site *site);
const char *site_name(const Site *site);
void *site_ctx(const Site *site);
int64_t site_epoch(const Site *site); /* 0: never claimed */
bool site_claimed(const Site *site);
