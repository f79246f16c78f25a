/* The seam of time: clock, entropy and timers. Everything above `loop` takes its time from here, so
 * that a simulation decides when things happen (loop-sim.h); the daemon runs on sd-event
 * (loop-event.h). */
#pragma once
#include "base/error.h"

#define SL_USEC_PER_SEC ((int64_t)1000000)

typedef void LoopFn(void *ud);

typedef struct LoopOps {
	int64_t (*boot_usec)(void *self); /* CLOCK_BOOTTIME: deadlines and timers */
	int64_t (*wall_usec)(void *self); /* CLOCK_REALTIME: only windows and records */
	/* Calls fn once, never from inside this call, not before boot time at_usec (in the past: as
	 * soon as possible). Timers with equal times fire in the order of their creation. Returns
	 * an id that is never 0. */
	uint64_t (*timer)(void *self, int64_t at_usec, LoopFn *fn, void *ud);
	void (*cancel)(void *self, uint64_t id); /* an id that fired already, or 0, is fine */
	void (*entropy)(void *self, void *buf, size_t n);
} LoopOps;

/* A handle by value; the owner of self is whoever made it. */
typedef struct Loop {
	const LoopOps *ops;
	void *self;
} Loop;

static inline int64_t loop_boot_usec(Loop l)
{
	return l.ops->boot_usec(l.self);
}
static inline int64_t loop_wall_usec(Loop l)
{
	return l.ops->wall_usec(l.self);
}
static inline uint64_t loop_timer(Loop l, int64_t at_usec, LoopFn *fn, void *ud)
{
	return l.ops->timer(l.self, at_usec, fn, ud);
}
/* As soon as possible, but not from inside this call. */
static inline uint64_t loop_defer(Loop l, LoopFn *fn, void *ud)
{
	return l.ops->timer(l.self, 0, fn, ud);
}
static inline void loop_cancel(Loop l, uint64_t *id)
{
	l.ops->cancel(l.self, *id);
	*id = 0;
}
static inline uint64_t loop_random(Loop l)
{
	uint64_t r;
	l.ops->entropy(l.self, &r, sizeof r);
	return r;
}
