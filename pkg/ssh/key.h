/* What a private key file is, before a library fails on it without saying why. */
#pragma once
#include "base/error.h"

typedef enum { KEY_PLAIN, KEY_ENCRYPTED, KEY_RSA, KEY_UNREADABLE } KeyKind;

/* Of a text in PEM or OpenSSH's form. */
KeyKind key_kind(const char *text);
/* Of a public key as it goes over the wire. */
bool key_blob_is_rsa(const void *blob, size_t len);
