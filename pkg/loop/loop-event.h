/* The real loop: LoopOps on sd-event, with CLOCK_BOOTTIME timers, signals, the systemd watchdog,
 * and a watch over lost time. Making one changes the process: SIGCHLD is blocked (children are
 * waited for by pidfd) and SIGPIPE is ignored; whoever starts a child resets both in it. */
#pragma once
#include "loop/loop.h"
#include <systemd/sd-event.h>

typedef struct LoopEvent LoopEvent;
LoopEvent *loop_event_new(GError **err) SL_MUST_USE;
void loop_event_free(LoopEvent *l); /* pending timers are dropped, not called; NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LoopEvent, loop_event_free)

sd_event *loop_event_sd(LoopEvent *l); /* borrowed; for descriptors and children */
Loop loop_event_loop(LoopEvent *l);

/* Runs until loop_event_exit(), whose code it returns; 1 when sd-event itself failed. */
int loop_event_run(LoopEvent *l);
/* Waits up to max_usec (-1 = for ever) for one event and runs it; for tests and foreground use. */
bool loop_event_step(LoopEvent *l, int64_t max_usec);
void loop_event_exit(LoopEvent *l, int code);

/* Blocks the signal and calls fn for each delivery, in the loop. One function a signal. */
bool loop_event_on_signal(LoopEvent *l, int signo, LoopFn *fn, void *ud, GError **err);
/* Calls on_term for SIGTERM and SIGINT, on_hup for SIGHUP. */
bool loop_event_on_service_signals(
	LoopEvent *l, LoopFn *on_term, LoopFn *on_hup, void *ud, GError **err);

/* Told as soon as the loop runs again, before any timer or (but for one that was chosen already)
 * any descriptor: lost_usec not observed (0, or above the bound), and the step of the wall clock
 * against boot time (0, or beyond a second). late_usec 0 = LOOP_LATE_USEC. */
enum { LOOP_LATE_USEC = 5000000, LOOP_STEP_USEC = 1000000, LOOP_BEAT_USEC = 1000000 };
typedef void LoopLateFn(int64_t lost_usec, int64_t wall_step_usec, void *ud);
void loop_event_on_late(LoopEvent *l, int64_t late_usec, LoopLateFn *fn, void *ud);

/* Pings systemd's watchdog while the loop turns. False with err NULL: none is wanted. */
bool loop_event_watchdog(LoopEvent *l, GError **err);
/* sd_notify: nothing happens without NOTIFY_SOCKET. status is shown by `systemctl status`. */
void loop_notify_ready(const char *status);
void loop_notify_status(const char *status);
void loop_notify_reloading(void);
void loop_notify_stopping(void);
