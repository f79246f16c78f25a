/* Small helpers for files and descriptors, with the limits named by the caller. */
#pragma once
#include "base/error.h"

/* Reads a whole regular file. Caller frees; the text is NUL-terminated, *ret_len (may be NULL)
 * excludes it. INVALID when larger than max_bytes, NOT_FOUND when it is not there, else REFUSED
 * with errno's text. */
char *sl_read_file(const char *path, size_t max_bytes, size_t *ret_len, GError **err) SL_MUST_USE;

/* Writes by a temporary file in the same folder, fsync and rename: a reader sees the old or the new
 * text. */
bool sl_write_file(
	const char *path, const void *data, size_t len, int mode, GError **err) SL_MUST_USE;

/* Closes *fd when it is not negative and sets it to -1; keeps errno. */
void sl_close(int *fd);
#define SL_AUTO_FD __attribute__((cleanup(sl_close))) int
