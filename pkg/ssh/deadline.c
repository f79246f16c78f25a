#include "ssh/deadline.h"
#include "base/file.h"
#include <errno.h>
#include <poll.h>
#include <sys/timerfd.h>

bool deadline_begin(Deadline *d, unsigned msec, GError **err)
{
	struct itimerspec at = { .it_value = { .tv_sec = msec / 1000,
					 .tv_nsec = (long)(msec % 1000) * 1000000 } };
	g_assert(msec > 0);
	*d = (Deadline){ timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK), msec };
	if (d->fd < 0 || timerfd_settime(d->fd, 0, &at, NULL) < 0)
		return sl_fail(err, SL_ERR_RETRY, "timer: %s", g_strerror(errno));
	return true;
}

void deadline_clear(Deadline *d)
{
	sl_close(&d->fd);
}

WaitEnd deadline_wait(
	const Deadline *session, const Deadline *command, int fd, short events, int silence_msec)
{
	struct pollfd p[] = {
		{ .fd = fd, .events = events },
		{ .fd = session->fd, .events = POLLIN },
		{ .fd = command ? command->fd : -1, .events = POLLIN },
	};
	int n;
	while ((n = poll(p, G_N_ELEMENTS(p), silence_msec)) < 0)
		g_assert(errno == EINTR || errno == ENOMEM);
	if (n == 0)
		return WAIT_SILENT;
	if (p[1].revents)
		return WAIT_LATE;
	return p[2].revents ? WAIT_LATE_COMMAND : WAIT_READY;
}
