#include "base/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void sl_close(int *fd)
{
	int saved = errno;
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

static bool read_full(int fd, char *buf, size_t size, size_t *ret_len)
{
	size_t len = 0;
	while (len < size) {
		ssize_t n = read(fd, buf + len, size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	*ret_len = len;
	return true;
}

char *sl_read_file(const char *path, size_t max_bytes, size_t *ret_len, GError **err)
{
	SL_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0) {
		sl_fail(err, errno == ENOENT ? SL_ERR_NOT_FOUND : SL_ERR_REFUSED,
			"%s: cannot read: %s", path, g_strerror(errno));
		return NULL;
	}
	if (!S_ISREG(st.st_mode)) {
		sl_fail(err, SL_ERR_INVALID, "%s: is not a regular file", path);
		return NULL;
	}
	/* One byte more than allowed, so that a file that grows while it is read is noticed too. */
	size_t size = MIN((size_t)st.st_size + 4096, max_bytes + 1), len = 0;
	g_autofree char *buf = g_malloc(size + 1);
	if (!read_full(fd, buf, size, &len)) {
		sl_fail(err, SL_ERR_REFUSED, "%s: cannot read: %s", path, g_strerror(errno));
		return NULL;
	}
	if (len > max_bytes || (size_t)st.st_size > max_bytes) {
		sl_fail(err, SL_ERR_INVALID, "%s: is larger than %zu bytes", path, max_bytes);
		return NULL;
	}
	buf[len] = '\0';
	if (ret_len)
		*ret_len = len;
	return g_steal_pointer(&buf);
}

static bool write_full(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return fsync(fd) == 0;
}

bool sl_write_file(const char *path, const void *data, size_t len, int mode, GError **err)
{
	g_autofree char *tmp = g_strdup_printf("%s.XXXXXX", path);
	SL_AUTO_FD fd = g_mkstemp_full(tmp, O_WRONLY | O_CLOEXEC, mode);
	if (fd < 0)
		return sl_fail(
			err, SL_ERR_REFUSED, "%s: cannot write: %s", path, g_strerror(errno));
	if (!write_full(fd, data, len) || rename(tmp, path) < 0) {
		int saved = errno;
		unlink(tmp);
		return sl_fail(
			err, SL_ERR_REFUSED, "%s: cannot write: %s", path, g_strerror(saved));
	}
	return true;
}
