/* The journal from outside: proof, copy and reading, offline or beside a running daemon. */
#pragma once
#include "store/chain.h"

typedef struct AuditProof {
	int64_t n, first_seq, last_seq; /* records that are there; 0, 1, 0 for an empty journal */
	bool pruned; /* there were records before first_seq; their last hash is part of the proof */
	char head[CHAIN_HEX]; /* hash of the last record: note it elsewhere as an anchor */
} AuditProof;

/* Proves that every record is what was written. CONFLICT names the first record that was changed,
 * dropped, moved or cut off. Who can write the file can also forge the whole chain anew: an anchor
 * "SEQ:HASH" noted elsewhere (may be NULL) rules that out up to SEQ; INVALID when it is no anchor,
 * REFUSED when that record was pruned, so that it proves nothing. */
bool audit_verify(const char *path, const char *anchor, AuditProof *ret, GError **err);

/* Copies a journal, live or not, to a new file (mode 0600, synced), and proves the copy. REFUSED
 * when the target is there already. */
bool audit_backup(const char *path, const char *to, AuditProof *ret, GError **err);

/* Reads the records after after_seq, proving the chain on the way. */
bool audit_read(const char *path, int64_t after_seq, StoreEach *each, void *ud, GError **err);
