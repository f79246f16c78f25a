/* Inside of the checker: one document at a time, all its findings at once. docset.h is the face. */
#pragma once
#include "plan/doc.h"
#include "plan/finding.h"
#include "plan/shape.h"

enum { CHECK_MAX_FINDINGS = 200 }; /* a document; the rest is only counted */

typedef struct ZoneCache ZoneCache; /* zones known to exist */

typedef struct Checker {
	Findings *out;
	ZoneCache *zones;
	Doc *doc;
	unsigned n_found; /* in this document */
	DocStep steps[DOC_MAX_STEPS]; /* where the walk is */
	size_t n_steps;
} Checker;

ZoneCache *zone_cache_new(void);
void zone_cache_free(ZoneCache *z);

/* What is wrong with a value: allocated message and hint (either may be NULL). */
typedef struct Problem {
	const char *code;
	char *message, *hint;
} Problem;

/* One value against a shape without parts. True when it fits. written is the value as people see it
 * (quoted where it is text). */
bool value_ok(ZoneCache *zones, const Shape *s, const json_t *v, const char *written, Problem *ret);

/* Walks the document by the tables: reports, and sets its full form. False when its kind is not
 * known, so that nothing more can be said. */
bool check_shape(Checker *c);

/* What the tables cannot say, within one document, by doc_full. */
void check_kind(Checker *c);
void check_gate_policy(Checker *c);

/* Reports at a value inside doc_full: parent is the object or list that holds it, key its member
 * (NULL: parent itself). One that is only a default stands at what is written around it. */
typedef struct At {
	const json_t *parent;
	const char *key;
	bool at_key; /* point at the key, not at the value */
	bool at_item; /* parent is a list, index counts */
	size_t index;
	FindingLevel level;
	const char *code, *where, *hint;
} At;
void check_report(Checker *c, At at, const char *fmt, ...) SL_PRINTF(3, 4);
/* The same at the walk's own place. */
void check_report_here(Checker *c, FindingLevel level, const char *code, bool at_key,
	const char *message, const char *hint);
