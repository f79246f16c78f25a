/* The hash chain of the journal. The hash of a record covers the hash before it, so no record can
 * be changed, dropped, added or moved without every later hash changing too: sha256(previous hash |
 * seq | wall_usec | length of kind | kind | body) with all numbers as 8 bytes, highest first, and
 * 32 zero bytes before the first record. */
#pragma once
#include "store/store.h"

enum { CHAIN_BYTES = 32, CHAIN_HEX = 2 * CHAIN_BYTES + 1 };

typedef struct ChainHash {
	unsigned char bytes[CHAIN_BYTES];
} ChainHash;

ChainHash chain_next(const ChainHash *before, int64_t seq, const Record *r);
bool chain_equal(const ChainHash *a, const ChainHash *b);
void chain_hex(const ChainHash *h, char ret_text[CHAIN_HEX]);
