/* Which records of a journal are meant, and how one reads. */
#pragma once
#include "codec/json.h"

/* "7", "#7", "to-4-21-10#7": a run; "412-431", "412-": records; "7:412-431": both. */
typedef struct Range {
	char *run; /* the text before the colon or the whole; NULL: any */
	int64_t first, last; /* 0, INT64_MAX: unbounded */
} Range;

bool range_parse(const char *text, Range *ret);
void range_clear(Range *r);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Range, range_clear)

/* Knows to which run each record belongs, from the records before it. */
typedef struct Lineage Lineage;
Lineage *lineage_new(void);
void lineage_free(Lineage *l);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Lineage, lineage_free)
/* The run's name, "" where it belongs to none. Each record once, in order. Borrowed. */
const char *lineage_run(Lineage *l, const char *kind, const json_t *body);

/* record: {"seq", "time", "kind", "body"}. run: of lineage_run. */
bool range_holds(const Range *r, const json_t *record, const char *run);
/* One line for people. Caller frees. */
char *record_line(const json_t *record, const char *run);
