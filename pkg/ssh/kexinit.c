#include "ssh/kexinit.h"
#include <string.h>

enum { KEXINIT = 20, COOKIE_BYTES = 16, MAX_LINES = 50, MAX_PACKET = 35000 };

typedef struct Bytes {
	const unsigned char *at;
	size_t left;
} Bytes;

static bool take(Bytes *b, size_t n, const unsigned char **ret)
{
	if (b->left < n)
		return false;
	*ret = b->at;
	b->at += n;
	b->left -= n;
	return true;
}

static bool take_uint32(Bytes *b, uint32_t *ret)
{
	const unsigned char *p;
	if (!take(b, 4, &p))
		return false;
	*ret = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
	return true;
}

/* A server may greet with lines of its own before "SSH-2.0-...". */
static bool skip_banner(Bytes *b)
{
	for (int i = 0; i < MAX_LINES; i++) {
		const unsigned char *end = memchr(b->at, '\n', b->left), *line;
		if (!end || !take(b, (size_t)(end - b->at) + 1, &line))
			return false;
		if (end - line >= 4 && memcmp(line, "SSH-", 4) == 0)
			return true;
	}
	return false;
}

static bool is_name_list(const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] <= ' ' || p[i] >= 127)
			return false;
	return true;
}

bool kexinit_parse(const void *bytes, size_t len, Kexinit *ret)
{
	Bytes b = { bytes, len };
	g_auto(Kexinit) k = { 0 };
	const unsigned char *p;
	uint32_t n;
	if (len == 0 || !skip_banner(&b) || !take_uint32(&b, &n) || n > MAX_PACKET || b.left < n)
		return false;
	b.left = n;
	if (!take(&b, 2, &p) || p[1] != KEXINIT || !take(&b, COOKIE_BYTES, &p))
		return false;
	for (int i = 0; i < KEX_N_LISTS; i++) {
		if (!take_uint32(&b, &n) || !take(&b, n, &p) || !is_name_list(p, n))
			return false;
		k.list[i] = g_strndup((const char *)p, n);
	}
	*ret = k;
	k = (Kexinit){ 0 };
	return true;
}

void kexinit_clear(Kexinit *k)
{
	for (int i = 0; i < KEX_N_LISTS; i++)
		g_clear_pointer(&k->list[i], g_free);
}

static bool have_common(const char *a, const char *b)
{
	g_auto(GStrv) left = g_strsplit(a, ",", -1), right = g_strsplit(b, ",", -1);
	for (char **l = left; *l; l++)
		if (**l && g_strv_contains((const char *const *)right, *l))
			return true;
	return false;
}

char *kexinit_gap(const Kexinit *server, const char *const ours[KEX_N_LISTS])
{
	static const char *const names[] = { "key exchange", "host key", "cipher", "cipher back",
		"MAC", "MAC back" };
	GString *s = g_string_new("");
	for (int i = 0; i < KEX_N_LISTS; i++)
		if (!have_common(ours[i], server->list[i]))
			g_string_append_printf(s, "%s%s: ours %s, the server's %s",
				s->len ? "; " : "", names[i], ours[i], server->list[i]);
	return g_string_free(s, s->len == 0);
}
