#include "ssh/key.h"
#include <string.h>

static KeyKind openssh_kind(const char *body)
{
	static const char magic[] = "openssh-key-v1"; /* with its NUL */
	static const char plain[] = "\0\0\0\4none";
	gsize n = 0;
	const char *end = strstr(body, "-----END");
	g_autofree char *base64 = end ? g_strndup(body, (gsize)(end - body)) : NULL;
	g_autofree unsigned char *raw = base64 ? g_base64_decode(base64, &n) : NULL;
	if (!raw || n < sizeof magic + sizeof plain || memcmp(raw, magic, sizeof magic) != 0)
		return KEY_UNREADABLE;
	if (memmem(raw, n, "\0\0\0\7ssh-rsa", 11))
		return KEY_RSA;
	return memcmp(raw + sizeof magic, plain, 8) == 0 ? KEY_PLAIN : KEY_ENCRYPTED;
}

KeyKind key_kind(const char *text)
{
	static const char begin[] = "-----BEGIN OPENSSH PRIVATE KEY-----";
	const char *at = strstr(text, begin);
	if (at)
		return openssh_kind(at + strlen(begin));
	if (strstr(text, "-----BEGIN RSA PRIVATE KEY"))
		return KEY_RSA;
	if (strstr(text, "-----BEGIN ENCRYPTED PRIVATE KEY") || strstr(text, "Proc-Type: 4,ENCR"))
		return KEY_ENCRYPTED;
	return strstr(text, "PRIVATE KEY-----") ? KEY_PLAIN : KEY_UNREADABLE;
}

bool key_blob_is_rsa(const void *blob, size_t len)
{
	return len >= 11 && memcmp(blob, "\0\0\0\7ssh-rsa", 11) == 0;
}
