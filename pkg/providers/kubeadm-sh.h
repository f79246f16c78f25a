/* How the texts for a node's /bin/sh are put together: values, the functions that they share, the
 * text itself. POSIX sh with coreutils, sed, awk and tar, for root. The environment variable ROOT
 * stands before every path, so that a text can be run in a prepared tree. Each text ends in a new
 * line, needs nothing of another one, and may be run again after a crash between any two of its
 * commands. What failed is said in words on stderr, and the exit code is not 0. */
#pragma once
#include "codec/json.h"

/* Where backup sets lie on a node: NODE_BACKUP_DIR/KEY/set.tar. */
#define NODE_BACKUP_DIR "/var/lib/shiplock/backups"

typedef struct ShValue {
	const char *name, *value; /* value NULL: empty */
} ShValue;

/* NAME='VALUE' for each up to the one without a name, the shared functions that parts names, the
 * text. Caller frees. */
enum { SH_SET = 1 << 0, SH_RUNTIME = 1 << 1, SH_ETCD = 1 << 2 | SH_RUNTIME };
char *sh_text(const ShValue *values, unsigned parts, const char *text);

/* " 'word'" for each string of the list, after the flag where one is given ("--x='word'"). */
void sh_append_word(GString *out, const char *flag, const char *word);
