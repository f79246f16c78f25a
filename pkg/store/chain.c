#include "store/chain.h"
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

static void put_number(EVP_MD_CTX *ctx, uint64_t n)
{
	uint64_t be = GUINT64_TO_BE(n);
	g_assert(EVP_DigestUpdate(ctx, &be, sizeof be) == 1);
}

ChainHash chain_next(const ChainHash *before, int64_t seq, const Record *r)
{
	ChainHash h;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	g_assert(ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1);
	g_assert(EVP_DigestUpdate(ctx, before->bytes, CHAIN_BYTES) == 1);
	put_number(ctx, (uint64_t)seq);
	put_number(ctx, (uint64_t)r->wall_usec);
	put_number(ctx, strlen(r->kind));
	g_assert(EVP_DigestUpdate(ctx, r->kind, strlen(r->kind)) == 1);
	g_assert(EVP_DigestUpdate(ctx, r->body, strlen(r->body)) == 1);
	g_assert(EVP_DigestFinal_ex(ctx, h.bytes, NULL) == 1);
	EVP_MD_CTX_free(ctx);
	return h;
}

bool chain_equal(const ChainHash *a, const ChainHash *b)
{
	return memcmp(a->bytes, b->bytes, CHAIN_BYTES) == 0;
}

void chain_hex(const ChainHash *h, char ret_text[CHAIN_HEX])
{
	for (size_t i = 0; i < CHAIN_BYTES; i++)
		snprintf(ret_text + 2 * i, 3, "%02x", h->bytes[i]);
}
