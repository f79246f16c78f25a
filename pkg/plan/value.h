/* The small languages inside texts: names, percentages, wall times, placeholders, and the nearest
 * name for "did you mean". Durations, dates and versions are in pkg/objects. */
#pragma once
#include "base/error.h"

/* RFC 1123 label: at most 63 of a-z 0-9 -, beginning and ending with a letter or digit. */
bool doc_label_ok(const char *text);
/* Kubernetes' rules for the key ([PREFIX/]NAME) and the value of a label:
 * kubernetes.io/docs/concepts/overview/working-with-objects/labels. */
bool doc_label_key_ok(const char *text);
bool doc_label_value_ok(const char *text);
/* "10%", "99.9%": a number from 0 to 100 and %. */
bool doc_percent(const char *text, double *ret);
/* "08:00" to minutes after midnight, 0-1439. */
bool doc_clock(const char *text, int *ret_minutes);
/* "90s 15m 3h 7d" to seconds; def when text is NULL or none. */
int64_t doc_duration_sec(const char *text, int64_t def);

/* Calls found(name) for each {{name}} in the text, spaces around the name allowed. False when a
 * {{ is not closed. */
typedef void PlaceholderFound(const char *name, void *ud);
bool doc_placeholders(const char *text, PlaceholderFound *found, void *ud);
/* The text with each {{name}} replaced by value(name); one without a value (NULL) stays as it is.
 * What was put in is not looked at again. Caller frees. */
typedef const char *PlaceholderValue(const char *name, void *ud);
char *doc_fill(const char *text, PlaceholderValue *value, void *ud);

/* Number of single-character changes (insert, delete, replace, swap neighbours) between two texts,
 * case ignored; above limit the result is limit + 1. */
int doc_distance(const char *a, const char *b, int limit);

/* Keeps the candidate nearest to what was written, when near enough to be meant. */
typedef struct Nearest {
	const char *wanted, *best; /* borrowed; best NULL: none */
	int distance;
} Nearest;
void nearest_try(Nearest *n, const char *candidate);
