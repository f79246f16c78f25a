#include "store/holder.h"
#include "base/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { HOLDER_MAX_BYTES = 512 };

/* What no copy shares: the inode, and the time of its birth where the file system keeps it. Devices
 * are numbered anew at every start. */
static char *stamp_of(const char *journal, GError **err)
{
	struct statx st;
	if (statx(AT_FDCWD, journal, 0, STATX_INO | STATX_BTIME, &st) < 0) {
		sl_fail(err, SL_ERR_REFUSED, "journal %s: %s", journal, g_strerror(errno));
		return NULL;
	}
	bool born = st.stx_mask & STATX_BTIME;
	return g_strdup_printf("%llu %lld.%u", (unsigned long long)st.stx_ino,
		born ? (long long)st.stx_btime.tv_sec : 0LL, born ? st.stx_btime.tv_nsec : 0U);
}

/* The stored name, when it was made for this very file; *ret_other: there was one for another. */
static char *stored_name(const char *path, const char *stamp, bool *ret_other)
{
	g_autofree char *text = sl_read_file(path, HOLDER_MAX_BYTES, NULL, NULL);
	char *space = text ? strchr(g_strstrip(text), ' ') : NULL;
	if (!space)
		return NULL;
	*ret_other = strcmp(space + 1, stamp) != 0;
	return *ret_other ? NULL : g_strndup(text, (size_t)(space - text));
}

char *holder_of(const char *journal, Loop loop, bool *ret_moved, GError **err)
{
	bool other = false;
	g_autofree char *path = g_strdup_printf("%s.holder", journal);
	g_autofree char *stamp = stamp_of(journal, err);
	if (!stamp)
		return NULL;
	char *name = stored_name(path, stamp, &other);
	if (ret_moved)
		*ret_moved = other;
	if (name)
		return name;
	name = g_strdup_printf(
		"%s-%08" G_GINT64_MODIFIER "x", g_get_host_name(), loop_random(loop) & 0xffffffff);
	g_autofree char *line = g_strdup_printf("%s %s\n", name, stamp);
	if (sl_write_file(path, line, strlen(line), 0600, err))
		return name;
	g_free(name);
	return NULL;
}
