/* What a server offers at the start, read from the bytes it sent before encryption: libssh2 keeps
 * it to itself, and without it "no common algorithm" helps nobody. */
#pragma once
#include "base/error.h"

typedef enum {
	KEX_METHOD,
	KEX_HOST_KEY,
	KEX_CIPHER_OUT, /* from us to it */
	KEX_CIPHER_IN,
	KEX_MAC_OUT,
	KEX_MAC_IN,
	KEX_N_LISTS
} KexList;

typedef struct Kexinit {
	char *list[KEX_N_LISTS]; /* comma separated */
} Kexinit;

/* False when there is no whole KEXINIT in the bytes. */
bool kexinit_parse(const void *bytes, size_t len, Kexinit *ret);
void kexinit_clear(Kexinit *k);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Kexinit, kexinit_clear)

/* Names each kind where the two have nothing in common, with both lists; NULL when every kind has.
 * Caller frees. */
char *kexinit_gap(const Kexinit *server, const char *const ours[KEX_N_LISTS]);
