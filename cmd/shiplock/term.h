/* How text looks where it is shown: width, colours, characters, local time, tables. */
#pragma once
#include "base/error.h"
#include <stdio.h>

typedef struct Term {
	bool tty, color, utf8;
	int width; /* 0: no bound */
} Term;

Term term_of(FILE *f);
/* Prints and empties: characters that the locale has not become ASCII. */
void term_put(const Term *t, FILE *f, GString *text);

typedef enum { PAINT_NONE, PAINT_RED, PAINT_YELLOW, PAINT_GREEN, PAINT_BOLD } Paint;
void paint(GString *s, const Term *t, Paint p, const char *text);

/* "02:11:40 EST", with the date where it is another day than that of now_usec. Caller frees. */
char *local_time(int64_t wall_usec, int64_t now_usec);

/* Columns as wide as their content; the last one is cut with … at the width of the terminal. */
typedef struct Table Table;
enum { TABLE_MAX_COLUMNS = 8 };
Table *table_new(size_t n_columns);
void table_free(Table *t);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Table, table_free)
/* n_columns texts, NULL counts as empty; paint colours the first column. */
void table_row(Table *t, Paint p, const char *const *cells);
void table_print(const Table *t, const Term *term, const char *indent, GString *out);
/* "[######....]" of ten. Caller frees. */
char *progress_bar(int64_t done, int64_t whole);
