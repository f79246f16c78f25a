/* An archive of small files in memory, as tar (POSIX ustar, uncompressed) reads it. */
#pragma once
#include "base/error.h"

typedef struct Tar Tar;
Tar *tar_new(int64_t mtime_sec); /* of every file: seconds since 1970 */
void tar_free(Tar *t); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Tar, tar_free)
enum { TAR_NAME_MAX = 99 };
/* name: a relative path of at most TAR_NAME_MAX bytes; the file is readable by its owner only. */
void tar_add(Tar *t, const char *name, const void *data, size_t len);
/* The whole archive with its end; borrowed, nothing may be added afterwards. */
const void *tar_end(Tar *t, size_t *ret_len);
