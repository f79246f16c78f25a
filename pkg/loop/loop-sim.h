/* A loop without time: a queue ordered by (time, sequence) and a seeded generator, so one seed is
 * one story. */
#pragma once
#include "loop/loop.h"

typedef struct LoopSim LoopSim;
LoopSim *loop_sim_new(uint64_t seed, int64_t wall_usec);
void loop_sim_free(LoopSim *s); /* pending timers are dropped, not called */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LoopSim, loop_sim_free)
Loop loop_sim_loop(LoopSim *s); /* the world's own handle: servers, networks, disks */

/* A process of the simulated world: freeing it forgets its timers, as a crash does. */
typedef struct LoopSimProc LoopSimProc;
LoopSimProc *loop_sim_proc_new(LoopSim *s);
void loop_sim_proc_free(LoopSimProc *p);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LoopSimProc, loop_sim_proc_free)
Loop loop_sim_proc_loop(LoopSimProc *p);

/* Runs the next event; false when nothing is pending. Time jumps to the event. */
bool loop_sim_step(LoopSim *s);
/* Runs until done(ud) is true, or the next event lies after until_usec (boot time), or nothing is
 * pending; returns done(ud). */
bool loop_sim_run(LoopSim *s, bool (*done)(void *ud), void *ud, int64_t until_usec);
/* A step of the wall clock alone, or a gap in which no process ran (suspend, SIGSTOP). */
void loop_sim_step_wall(LoopSim *s, int64_t delta_usec);
void loop_sim_skip(LoopSim *s, int64_t delta_usec);
uint64_t loop_sim_events(const LoopSim *s); /* how many have run */
