#include "loop/loop-event.h"
#include "base/num.h"
#include "loop/clock-watch.h"
#include <errno.h>
#include <signal.h>
#include <sys/random.h>
#include <systemd/sd-daemon.h>
#include <time.h>

enum { MAX_SIGNALS = 8 };

typedef struct Timer {
	int64_t at_usec;
	uint64_t id;
	LoopFn *fn;
	void *ud;
} Timer;

typedef struct SignalHook {
	LoopFn *fn;
	void *ud;
	sd_event_source *source;
} SignalHook;

struct LoopEvent {
	sd_event *event;
	/* One queue of our own behind one source: sd-event does not promise an order for equal
	 * times.
	 */
	GTree *queue; /* Timer by (at, id) */
	GHashTable *by_id;
	uint64_t last_id;
	bool dispatching;
	sd_event_source *timers, *beat;
	ClockWatch watch;
	LoopLateFn *late;
	void *late_ud;
	SignalHook signals[MAX_SIGNALS];
	size_t n_signals;
};

static int64_t clock_usec(clockid_t id)
{
	struct timespec ts;
	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * SL_USEC_PER_SEC + ts.tv_nsec / 1000;
}

static int64_t boot_usec(void *self)
{
	return clock_usec(CLOCK_BOOTTIME);
}

static int64_t wall_usec(void *self)
{
	return clock_usec(CLOCK_REALTIME);
}

static void check_clocks(LoopEvent *l)
{
	int64_t lost, step;
	if (l->late && clock_watch_check(&l->watch, boot_usec(l), wall_usec(l), &lost, &step))
		l->late(lost, step, l->late_ud);
}

static int compare_timers(const void *a, const void *b, void *ud)
{
	const Timer *x = a, *y = b;
	if (x->at_usec != y->at_usec)
		return x->at_usec < y->at_usec ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static Timer *first_timer(LoopEvent *l)
{
	GTreeNode *node = g_tree_node_first(l->queue);
	return node ? g_tree_node_value(node) : NULL;
}

/* Work that is due at once goes through the timer too: a defer source of sd-event counts as pending
 * since it was made, so a chain of deferred calls would be served before every descriptor. */
static void arm(LoopEvent *l)
{
	Timer *t = first_timer(l);
	int r = t ? sd_event_source_set_time(l->timers, (uint64_t)t->at_usec) : 0;
	r = sl_min(r, sd_event_source_set_enabled(l->timers, t ? SD_EVENT_ONESHOT : SD_EVENT_OFF));
	g_assert(r >= 0 || r == -ESTALE); /* stale: the loop has ended, nothing fires any more */
}

static Timer *take_timer(LoopEvent *l, Timer *t)
{
	g_tree_remove(l->queue, t);
	g_hash_table_remove(l->by_id, &t->id);
	return t;
}

/* Timers made by the callbacks wait for the next round, so that descriptors get their turn. */
static void run_due(LoopEvent *l)
{
	check_clocks(l);
	uint64_t last = l->last_id;
	int64_t now = boot_usec(l);
	l->dispatching = true;
	for (Timer *t; (t = first_timer(l)) && t->at_usec <= now && t->id <= last;) {
		g_autofree Timer *mine = take_timer(l, t);
		mine->fn(mine->ud);
	}
	l->dispatching = false;
	arm(l);
}

static int on_timers(sd_event_source *s, uint64_t usec, void *ud)
{
	run_due(ud);
	return 0;
}

static uint64_t timer(void *self, int64_t at_usec, LoopFn *fn, void *ud)
{
	LoopEvent *l = self;
	Timer *t = g_new(Timer, 1);
	/* Past times are lifted to now: else a chain of such timers would keep due ones waiting. */
	*t = (Timer){ sl_max(at_usec, boot_usec(l)), ++l->last_id, fn, ud };
	g_tree_insert(l->queue, t, t);
	g_hash_table_insert(l->by_id, &t->id, t);
	if (!l->dispatching && first_timer(l) == t)
		arm(l);
	return t->id;
}

static void cancel(void *self, uint64_t id)
{
	LoopEvent *l = self;
	Timer *t = g_hash_table_lookup(l->by_id, &id);
	if (t)
		g_free(take_timer(l, t));
}

static void entropy(void *self, void *buf, size_t n)
{
	char *p = buf;
	while (n > 0) {
		ssize_t got = getrandom(p, n, 0);
		g_assert(got > 0 || errno == EINTR);
		if (got > 0) {
			p += got;
			n -= (size_t)got;
		}
	}
}

static const LoopOps event_ops = {
	.boot_usec = boot_usec,
	.wall_usec = wall_usec,
	.timer = timer,
	.cancel = cancel,
	.entropy = entropy,
};

static int on_beat(sd_event_source *s, uint64_t usec, void *ud)
{
	LoopEvent *l = ud;
	check_clocks(l);
	sd_event_source_set_time(s, (uint64_t)(boot_usec(l) + l->watch.beat_usec));
	return 0;
}

static bool add_sources(LoopEvent *l, GError **err)
{
	int r = sd_event_new(&l->event);
	/* Accuracy 1, never 0: 0 means 250 ms. */
	if (r >= 0)
		r = sd_event_add_time(l->event, &l->timers, CLOCK_BOOTTIME, 0, 1, on_timers, l);
	if (r >= 0)
		r = sd_event_source_set_enabled(l->timers, SD_EVENT_OFF);
	if (r >= 0)
		return true;
	return sl_fail(err, SL_ERR_REFUSED, "event loop: %s", g_strerror(-r));
}

LoopEvent *loop_event_new(GError **err)
{
	sigset_t child;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	pthread_sigmask(SIG_BLOCK, &child, NULL);
	signal(SIGPIPE, SIG_IGN);

	g_autoptr(LoopEvent) l = g_new0(LoopEvent, 1);
	l->queue = g_tree_new_full(compare_timers, NULL, NULL, NULL);
	l->by_id = g_hash_table_new(g_int64_hash, g_int64_equal);
	if (!add_sources(l, err))
		return NULL;
	return g_steal_pointer(&l);
}

void loop_event_free(LoopEvent *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n_signals; i++)
		sd_event_source_disable_unref(l->signals[i].source);
	sd_event_source_disable_unref(l->beat);
	sd_event_source_disable_unref(l->timers);
	sd_event_unref(l->event);
	for (Timer *t; (t = first_timer(l));)
		g_free(take_timer(l, t));
	g_tree_destroy(l->queue);
	g_hash_table_destroy(l->by_id);
	g_free(l);
}

sd_event *loop_event_sd(LoopEvent *l)
{
	return l->event;
}

Loop loop_event_loop(LoopEvent *l)
{
	return (Loop){ &event_ops, l };
}

int loop_event_run(LoopEvent *l)
{
	int r = sd_event_loop(l->event);
	return r < 0 ? 1 : r;
}

bool loop_event_step(LoopEvent *l, int64_t max_usec)
{
	return sd_event_run(l->event, max_usec < 0 ? UINT64_MAX : (uint64_t)max_usec) > 0;
}

void loop_event_exit(LoopEvent *l, int code)
{
	sd_event_exit(l->event, code);
}

static int on_signal(sd_event_source *s, const struct signalfd_siginfo *si, void *ud)
{
	SignalHook *h = ud;
	h->fn(h->ud);
	return 0;
}

bool loop_event_on_signal(LoopEvent *l, int signo, LoopFn *fn, void *ud, GError **err)
{
	g_assert(l->n_signals < MAX_SIGNALS);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, signo);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	SignalHook *h = &l->signals[l->n_signals];
	*h = (SignalHook){ .fn = fn, .ud = ud };
	int r = sd_event_add_signal(l->event, &h->source, signo, on_signal, h);
	if (r < 0)
		return sl_fail(err, SL_ERR_REFUSED, "signal %d: %s", signo, g_strerror(-r));
	l->n_signals++;
	return true;
}

bool loop_event_on_service_signals(
	LoopEvent *l, LoopFn *on_term, LoopFn *on_hup, void *ud, GError **err)
{
	return loop_event_on_signal(l, SIGTERM, on_term, ud, err) &&
	       loop_event_on_signal(l, SIGINT, on_term, ud, err) &&
	       loop_event_on_signal(l, SIGHUP, on_hup, ud, err);
}

void loop_event_on_late(LoopEvent *l, int64_t late_usec, LoopLateFn *fn, void *ud)
{
	if (!late_usec)
		late_usec = LOOP_LATE_USEC;
	l->late = fn;
	l->late_ud = ud;
	l->watch = (ClockWatch){
		.beat_usec = MIN(late_usec, LOOP_BEAT_USEC),
		.late_usec = late_usec,
		.step_usec = LOOP_STEP_USEC,
	};
	check_clocks(l);
	if (l->beat)
		return;
	uint64_t at = (uint64_t)(boot_usec(l) + l->watch.beat_usec);
	int r = sd_event_add_time(l->event, &l->beat, CLOCK_BOOTTIME, at, 1, on_beat, l);
	if (r >= 0)
		r = sd_event_source_set_enabled(l->beat, SD_EVENT_ON);
	/* Before everything else that became ready in the same wait. */
	if (r >= 0)
		r = sd_event_source_set_priority(l->beat, SD_EVENT_PRIORITY_IMPORTANT);
	g_assert(r >= 0);
}

bool loop_event_watchdog(LoopEvent *l, GError **err)
{
	int r = sd_event_set_watchdog(l->event, true);
	if (r < 0)
		return sl_fail(err, SL_ERR_REFUSED, "watchdog: %s", g_strerror(-r));
	return r > 0;
}

void loop_notify_ready(const char *status)
{
	sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

void loop_notify_status(const char *status)
{
	sd_notifyf(0, "STATUS=%s", status);
}

void loop_notify_reloading(void)
{
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_usec(CLOCK_MONOTONIC));
}

void loop_notify_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}
