/* A loop without time: a queue ordered by (time, sequence) and a seeded generator, so one seed is
 * one story. */
#pragma once
#include "loop/loop.h"

typedef struct LoopSim LoopSim;
LoopSim *loop_sim_new(uint64_t seed, int64_t wall_usec);
void loop_sim_free(LoopSim *s); /* pending timers are dropped, not called */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LoopSim, loop_sim_free)
Loop loop_sim_loop(LoopSim *s);

/* Runs the next event; false when nothing is pending. Time jumps to the event. */
bool loop_sim_step(LoopSim *s);
/* Runs until done(ud) is true, or the time limit (boot usec) is passed, or nothing is pending;
 * returns done(ud). */
bool loop_sim_run(LoopSim *s, bool (*done)(void *ud), void *ud, int64_t until_usec);
/* Drops every pending event whose creator called with this owner mark: how a crash forgets its
 * timers. Timers are created under the mark that is set at that moment. */
void loop_sim_set_owner(LoopSim *s, const void *owner);
void loop_sim_drop_owner(LoopSim *s, const void *owner);
/* Moves the wall clock alone (a clock step), or both as a suspend of the whole process would. */
void loop_sim_step_wall(LoopSim *s, int64_t delta_usec);
void loop_sim_skip(LoopSim *s, int64_t delta_usec);
uint64_t loop_sim_events(const LoopSim *s);
