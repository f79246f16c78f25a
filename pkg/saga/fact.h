/* Facts: what we know of one target, in memory only. A tick looks at them and never asks itself;
 * completions fill them, each with the time at which its read was sent. An object that is missing
 * is a fact too. */
#pragma once
#include "base/error.h"
#include <jansson.h>

typedef struct Site Site;
typedef struct Item Item;
typedef struct FactRead FactRead;

/* An immutable value, shared by counting. */
typedef struct View {
	unsigned refs;
	bool missing; /* the object does not exist; json is NULL and there is no version */
	json_t *json; /* may be NULL where data says it all */
	void *data; /* typed view of the reader's own kind */
	void (*free_data)(void *data);
} View;

View *view_new(json_t *json); /* takes the reference */
View *view_new_data(void *data, void (*free_data)(void *data));
View *view_new_missing(void);
View *view_ref(View *v);
void view_unref(View *v); /* NULL is fine */
const char *view_version(const View *v); /* metadata.resourceVersion; NULL when missing */

/* A kind of fact: how it is read. */
typedef struct FactRow {
	const char *name;
	int max_age_sec; /* older: read again; 0 = it stays until it is changed or forgotten */
	bool pushed; /* kept fresh by a watch: a write of ours does not make it unread */
	/* Starts the read; must end in exactly one fact_read_done, never from inside this call. */
	void (*read)(Site *site, const char *key, FactRead *r);
	/* What is read, for people, where a read fails; NULL: name and key. Caller frees. */
	char *(*words)(const Item *it, const char *key);
} FactRow;

/* Takes view; NULL means err says why the read failed. */
void fact_read_done(FactRead *r, View *view, const GError *err);
Site *fact_read_site(const FactRead *r);
const char *fact_read_key(const FactRead *r);

/* From a tick. NULL: unread, too old or failed; return step_read(it). The use is noted: the item is
 * woken when the fact changes. Borrowed until the tick returns. */
const View *fact(Item *it, const FactRow *row, const char *key);
/* The same, but only by a read that was sent at or after this boot time; never from a watch. */
const View *fact_since(Item *it, const FactRow *row, const char *key, int64_t sent_after_usec);
/* The same, sent within age_usec, or no longer ago than twice the time it took: however slow the
 * server, two of these can be had at once, else both would be read for ever. Never sent before
 * sent_after_usec. For every "not older than"; fact_since is for "after what we did". */
const View *fact_within(
	Item *it, const FactRow *row, const char *key, int64_t age_usec, int64_t sent_after_usec);
/* Of any age; NULL when there never was one. Notes the use, asks for no read. */
const View *fact_peek(Item *it, const FactRow *row, const char *key);
/* Of any age, but only a good read that nothing has put in doubt since: it was not forgotten, no
 * later one failed, none is under way. NULL: none such. Notes the use, asks for no read. */
const View *fact_settled(Item *it, const FactRow *row, const char *key);
/* The error of the last read, NULL when it was good or there was none. Borrowed. */
const GError *fact_error(Item *it, const FactRow *row, const char *key);
/* Where a server is expected back: a read that failed is repeated at this boot time, not when its
 * growing pause ends; when it becomes a hold stays as it is. From a tick, after the read was asked
 * for. */
void fact_hurry(Item *it, const FactRow *row, const char *key, int64_t at_usec);
int64_t fact_sent_usec(Item *it, const FactRow *row, const char *key); /* 0: never read */

/* From a watch or another source that pushes. Takes view; no time of sending, so it proves nothing
 * after a write. */
void site_fact_set(Site *site, const FactRow *row, const char *key, View *view);
void site_fact_fail(Site *site, const FactRow *row, const char *key, const GError *err);
/* What a watch told about an object that the fact showed as it was just before: the fact moves on
 * and keeps the time of its read, since it shows the target as it was then or later. Takes view.
 * wake: its users are to look again. False: there is no good read to go on from (none yet, failed,
 * forgotten, or another one is under way), and nothing was changed. */
bool site_fact_follow(Site *site, const FactRow *row, const char *key, View *view, bool wake);
/* The next look reads again (after a write of ours, a lost watch, a late turn). key NULL: all of
 * the row; row NULL: all. */
void site_fact_forget(Site *site, const FactRow *row, const char *key);
const View *site_fact_peek(const Site *site, const FactRow *row, const char *key);
