/* What is wrong, or worth knowing, in documents: one finding a line, in the order of file and
 * place, then a summary. */
#pragma once
#include "codec/json.h"

typedef enum FindingLevel {
	FINDING_ERROR, /* the documents are refused */
	FINDING_WARNING, /* likely a slip; the documents are accepted */
	FINDING_NOTICE, /* a field whose effect comes in a later version */
} FindingLevel;

/* Codes for programs; stable. */
#define CODE_YAML "yaml" /* not readable, duplicate key, anchor ... */
#define CODE_UNKNOWN "unknownField"
#define CODE_TYPE "wrongType"
#define CODE_VALUE "badValue"
#define CODE_MISSING "missing"
#define CODE_CONFLICT "conflict" /* two things that cannot both be */
#define CODE_REFERENCE "badReference"
#define CODE_DUPLICATE "duplicate"
#define CODE_PLACEHOLDER "badPlaceholder"
#define CODE_NO_MATCH "noMatch"
#define CODE_LATER "later"

/* Strings may be NULL but file, code and message; where is shown in place of path when given
 * (gate "x"). */
typedef struct Finding {
	FindingLevel level;
	const char *file;
	int line, column; /* 0: the file as a whole */
	const char *kind, *name, *path, *where, *code, *message, *hint;
} Finding;

typedef struct Findings Findings;

Findings *findings_new(void) SL_MUST_USE;
void findings_free(Findings *f);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Findings, findings_free)

void findings_add(Findings *f, const Finding *finding); /* copies */
size_t findings_count(const Findings *f, FindingLevel level);
size_t findings_total(const Findings *f);
/* Sorted by file, line and column, else in the order of adding. Borrowed until the next add. */
const Finding *findings_nth(const Findings *f, size_t i);

/* "file:line:column: Kind/name: path: message; hint" and a newline. Caller frees. */
char *finding_text(const Finding *finding);
/* All lines and then "3 errors in 2 files" (or "12 documents in 3 files are good", with the number
 * of warnings and notices after a comma). Caller frees. */
char *findings_text(const Findings *f, size_t n_documents, size_t n_files);
/* The CheckReport of `shiplock check -o json`. New reference. */
json_t *findings_report(const Findings *f, size_t n_documents, size_t n_files) SL_MUST_USE;
