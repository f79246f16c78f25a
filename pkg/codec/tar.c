#include "codec/tar.h"
#include <string.h>

enum { BLOCK = 512 };

struct Tar {
	GByteArray *bytes;
	int64_t mtime_sec;
};

typedef struct Header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100],
		magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155], pad[12];
} Header;
G_STATIC_ASSERT(sizeof(Header) == BLOCK);

Tar *tar_new(int64_t mtime_sec)
{
	Tar *t = g_new0(Tar, 1);
	t->bytes = g_byte_array_new();
	t->mtime_sec = mtime_sec;
	return t;
}

void tar_free(Tar *t)
{
	if (!t)
		return;
	g_byte_array_unref(t->bytes);
	g_free(t);
}

/* Octal digits and a NUL, as wide as the field. */
static void put_number(char *field, size_t width, uint64_t v)
{
	field[width - 1] = '\0';
	for (size_t i = width - 1; i > 0; i--, v >>= 3)
		field[i - 1] = (char)('0' + (v & 7));
}

static void put_checksum(Header *h)
{
	unsigned sum = 0;
	memset(h->checksum, ' ', sizeof h->checksum);
	for (size_t i = 0; i < sizeof *h; i++)
		sum += ((const unsigned char *)h)[i];
	put_number(h->checksum, 7, sum);
}

void tar_add(Tar *t, const char *name, const void *data, size_t len)
{
	static const unsigned char zeros[BLOCK];
	Header h = { .type = '0', .magic = "ustar", .version = { '0', '0' } };
	g_assert(strlen(name) <= TAR_NAME_MAX && *name != '/');
	memcpy(h.name, name, strlen(name));
	put_number(h.mode, sizeof h.mode, 0600);
	put_number(h.uid, sizeof h.uid, 0);
	put_number(h.gid, sizeof h.gid, 0);
	put_number(h.size, sizeof h.size, len);
	put_number(h.mtime, sizeof h.mtime, (uint64_t)t->mtime_sec);
	put_checksum(&h);
	g_byte_array_append(t->bytes, (const unsigned char *)&h, sizeof h);
	g_byte_array_append(t->bytes, data, (unsigned)len);
	if (len % BLOCK)
		g_byte_array_append(t->bytes, zeros, (unsigned)(BLOCK - len % BLOCK));
}

const void *tar_end(Tar *t, size_t *ret_len)
{
	static const unsigned char zeros[2 * BLOCK];
	g_byte_array_append(t->bytes, zeros, sizeof zeros);
	*ret_len = t->bytes->len;
	return t->bytes->data;
}
